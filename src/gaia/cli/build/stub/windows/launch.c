#include "front.h"
#include "service.h"

#include <stdlib.h>

#define PATIENCE_MILLISECONDS 10000
#define PAUSE_MILLISECONDS 200

#define STDIO L"_GAIA_STDIO"

static HANDLE inheritable(DWORD which)
{
    HANDLE given = GetStdHandle(which);
    HANDLE copy;
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};

    if (given && given != INVALID_HANDLE_VALUE &&
        DuplicateHandle(GetCurrentProcess(), given, GetCurrentProcess(), &copy, 0, TRUE,
                        DUPLICATE_SAME_ACCESS))
        return copy;
    return CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                       &inherited, OPEN_EXISTING, 0, NULL);
}

void launch_prepare(front_t *front)
{
    if (service_is_one() && (front->log = log_open(front->exe, "service.log", OPEN_ALWAYS))) {
        SetStdHandle(STD_OUTPUT_HANDLE, front->log->writer);
        SetStdHandle(STD_ERROR_HANDLE, front->log->writer);
        /* For what this process itself has to say. */
        _dup2(_open_osfhandle((intptr_t)front->log->writer, O_APPEND | O_BINARY), STDERR_FILENO);
    }
    front->in = inheritable(STD_INPUT_HANDLE);
    front->out = inheritable(STD_OUTPUT_HANDLE);
    front->error = inheritable(STD_ERROR_HANDLE);
}

/* What a release on probation writes goes through a file; it is told where it would have gone. */
static void begin_log(const front_t *front, run_t *run, STARTUPINFOW *startup)
{
    static marker_t marker;
    wchar_t originals[64];

    SetEnvironmentVariableW(STDIO, NULL);
    if (trial_read(&marker, front->exe) != 1)
        return;
    run->log = log_open(front->exe, "log", CREATE_ALWAYS);
    if (!run->log)
        return;
    log_forward(run->log, front->error);
    startup->hStdOutput = startup->hStdError = run->log->writer;
    swprintf(originals, 64, L"%llu,%llu", (unsigned long long)(uintptr_t)front->out,
             (unsigned long long)(uintptr_t)front->error);
    SetEnvironmentVariableW(STDIO, originals);
}

/* The machine's fault, and for now: neither the release's nor for good. */
static int is_shortage(DWORD error)
{
    return error == ERROR_NOT_ENOUGH_MEMORY || error == ERROR_OUTOFMEMORY ||
           error == ERROR_NO_SYSTEM_RESOURCES || error == ERROR_COMMITMENT_LIMIT;
}

static int is_for_good(DWORD error)
{
    return error == ERROR_BAD_EXE_FORMAT || error == ERROR_EXE_MACHINE_TYPE_MISMATCH;
}

int launch(const front_t *front, const char *program, run_t *run)
{
    STARTUPINFOW startup = {.cb = sizeof startup,
                            .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = front->in,
                            .hStdOutput = front->out,
                            .hStdError = front->error};
    PROCESS_INFORMATION process;
    wchar_t wide[WIDE_MAX];
    DWORD waited = 0;
    /* Without a console nobody can be asked to end by Ctrl+Break: a service's has no window. */
    DWORD how = CREATE_SUSPENDED | (GetConsoleCP() == 0 ? CREATE_NO_WINDOW : 0);

    if (front->job)
        begin_log(front, run, &startup);
    widen(wide, program);
    /* The command line as it is, for quotes are a matter of taste on Windows. */
    while (!CreateProcessW(wide[5] == L':' ? wide + 4 : wide, GetCommandLineW(), NULL, NULL, TRUE,
                           how, NULL, NULL, &startup, &process)) {
        DWORD error = GetLastError();
        if (is_for_good(error) || (waited >= PATIENCE_MILLISECONDS && !is_shortage(error)) ||
            WaitForSingleObject(front->stop, 0) == WAIT_OBJECT_0) {
            say("Cannot start %s (error %lu).", program, error);
            return 0;
        }
        service_beat();
        Sleep(PAUSE_MILLISECONDS);
        waited += PAUSE_MILLISECONDS;
    }
    if (front->job && !AssignProcessToJobObject(front->job, process.hProcess))
        say("Cannot put the worker into a job (error %lu).", GetLastError());
    ResumeThread(process.hThread);
    CloseHandle(process.hThread);
    run->process = process.hProcess;
    return 1;
}
