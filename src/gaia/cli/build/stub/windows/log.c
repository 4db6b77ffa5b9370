#include "log.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MILLISECONDS 200
#define LAST_WORDS_MILLISECONDS 2000
#define LOG_LIMIT (1024 * 1024)
#define BACKLOG_LIMIT (16 * LOG_LIMIT)
#define KEPT (64 * 1024)

static HANDLE open_file(const char *path, DWORD access, DWORD how, BOOL inherit)
{
    SECURITY_ATTRIBUTES security = {sizeof security, NULL, inherit};
    DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    wchar_t wide[WIDE_MAX];

    widen(wide, path);
    return CreateFileW(wide, access, share, &security, how, FILE_ATTRIBUTE_NORMAL, NULL);
}

log_t *log_open(const char *exe, const char *suffix, DWORD how)
{
    char path[PATH_MAX];
    wchar_t folder[WIDE_MAX];
    const char *name = strrchr(exe, '/') + 1;
    log_t *log = calloc(1, sizeof *log);

    if (!log)
        return NULL;
    make_path(path, "%.*s.gaia", (int)(name - exe), exe);
    widen(folder, path);
    CreateDirectoryW(folder, NULL);
    make_path(path, "%.*s.gaia/%s.%s", (int)(name - exe), exe, name, suffix);
    log->writer = open_file(path, FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE, how, TRUE);
    log->reader = open_file(path, GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING, FALSE);
    if (log->writer != INVALID_HANDLE_VALUE && log->reader != INVALID_HANDLE_VALUE)
        return log;
    log_close(log);
    return NULL;
}

/* A thread, as the reader of the console may stop reading, which must not keep the front from
 * watching. */
static DWORD WINAPI forward(void *argument)
{
    log_t *log = argument;
    char block[4096];
    DWORD got;
    DWORD written;

    for (;;) {
        LONG last = log->ended;
        for (;;) {
            LONG64 from = log->at;
            OVERLAPPED at = {.Offset = (DWORD)from, .OffsetHigh = (DWORD)(from >> 32)};
            if (!ReadFile(log->reader, block, sizeof block, &got, &at) || got == 0)
                break;
            WriteFile(log->target, block, got, &written, NULL);
            /* Unless it was shortened meanwhile. */
            InterlockedCompareExchange64(&log->at, from + got, from);
        }
        if (last)
            return 0;
        Sleep(POLL_MILLISECONDS);
    }
}

void log_forward(log_t *log, HANDLE target)
{
    log->target = target;
    log->tap = CreateThread(NULL, 0, forward, log, 0, NULL);
}

/* What nobody forwards is shortened early, what a reader leaves too long is dropped. */
void log_bound(log_t *log)
{
    static char tail[KEPT];
    LARGE_INTEGER size;
    OVERLAPPED at = {0};
    DWORD got;
    DWORD written;

    if (!GetFileSizeEx(log->reader, &size) ||
        size.QuadPart <= (log->tap && log->at < size.QuadPart ? BACKLOG_LIMIT : LOG_LIMIT))
        return;
    at.Offset = (DWORD)(size.QuadPart - KEPT);
    at.OffsetHigh = (DWORD)((size.QuadPart - KEPT) >> 32);
    if (!ReadFile(log->reader, tail, KEPT, &got, &at))
        return;
    SetFilePointer(log->reader, 0, NULL, FILE_BEGIN);
    SetEndOfFile(log->reader);
    WriteFile(log->writer, tail, got, &written, NULL);
    InterlockedExchange64(&log->at, written);
}

void log_close(log_t *log)
{
    log->ended = 1;
    if (log->tap && WaitForSingleObject(log->tap, LAST_WORDS_MILLISECONDS) != WAIT_OBJECT_0)
        return; /* It still writes, and needs all of this. */
    CloseHandle(log->tap);
    CloseHandle(log->reader);
    CloseHandle(log->writer);
    free(log);
}
