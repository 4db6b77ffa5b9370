#include "../stub.h"

#include <stdarg.h>
#include <string.h>

#define PATIENCE_MILLISECONDS 10000
#define PAUSE_MILLISECONDS 50

void widen(wchar_t wide[WIDE_MAX], const char *path)
{
    int absolute = path[0] && path[1] == ':';
    wchar_t *rest = wide;

    if (absolute) {
        wcscpy(wide, L"\\\\?\\");
        rest += 4;
    } else if ((path[0] == '/' || path[0] == '\\') && path[1] == path[0] && path[2] != '?') {
        wcscpy(wide, L"\\\\?\\UNC\\");
        rest += 8;
        path += 2;
    }
    if (!MultiByteToWideChar(CP_UTF8, 0, path, -1, rest, (int)(WIDE_MAX - (rest - wide))))
        die(EXIT_SYSTEM, "A path is longer than the system allows: %s", path);
    for (; *rest; rest++)
        if (*rest == L'/')
            *rest = L'\\';
}

void narrow(char path[PATH_MAX], const wchar_t *wide)
{
    if (!WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, PATH_MAX, NULL, NULL))
        die(EXIT_SYSTEM, "A path is longer than the system allows.");
    for (char *slash = path; (slash = strchr(slash, '\\'));)
        *slash = '/';
}

int win_failed(void)
{
    switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        errno = ENOENT;
        break;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
        errno = ENOSPC;
        break;
    case ERROR_ALREADY_EXISTS:
    case ERROR_FILE_EXISTS:
        errno = EEXIST;
        break;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
        errno = EACCES;
        break;
    default:
        errno = EIO;
    }
    return -1;
}

int win_open(const char *path, int flags, ...)
{
    wchar_t wide[WIDE_MAX];
    DWORD access = flags & O_RDWR     ? GENERIC_READ | GENERIC_WRITE
                   : flags & O_WRONLY ? GENERIC_WRITE
                                      : GENERIC_READ;
    DWORD how = flags & O_EXCL    ? CREATE_NEW
                : flags & O_TRUNC ? CREATE_ALWAYS
                : flags & O_CREAT ? OPEN_ALWAYS
                                  : OPEN_EXISTING;

    if (strcmp(path, "/proc/self/exe") == 0)
        GetModuleFileNameW(NULL, wide, WIDE_MAX);
    else
        widen(wide, path);
    HANDLE file = CreateFileW(wide, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              NULL, how, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return win_failed();
    return _open_osfhandle((intptr_t)file, (flags & O_RDWR ? 0 : flags & O_WRONLY ? 0 : O_RDONLY) |
                                               O_BINARY);
}

ssize_t win_pread(int fd, void *buffer, size_t length, int64_t offset)
{
    OVERLAPPED at = {0};
    DWORD got;

    at.Offset = (DWORD)offset;
    at.OffsetHigh = (DWORD)(offset >> 32);
    if (!ReadFile((HANDLE)_get_osfhandle(fd), buffer, (DWORD)length, &got, &at)) {
        if (GetLastError() == ERROR_HANDLE_EOF)
            return 0;
        return win_failed();
    }
    return (ssize_t)got;
}

static int is_executable_name(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && _stricmp(dot, ".exe") == 0;
}

int win_stat(const char *path, struct win_stat *info)
{
    wchar_t wide[WIDE_MAX];
    WIN32_FILE_ATTRIBUTE_DATA found;

    widen(wide, path);
    if (!GetFileAttributesExW(wide, GetFileExInfoStandard, &found))
        return win_failed();
    info->st_size = (int64_t)found.nFileSizeHigh << 32 | found.nFileSizeLow;
    info->st_mode = found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY       ? S_IFDIR
                    : found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT ? 0
                                                                            : S_IFREG;
    if (is_executable_name(path))
        info->st_mode |= 0100;
    return 0;
}

int win_fstat(int fd, struct win_stat *info)
{
    LARGE_INTEGER size;

    if (!GetFileSizeEx((HANDLE)_get_osfhandle(fd), &size))
        return win_failed();
    info->st_size = size.QuadPart;
    info->st_mode = S_IFREG;
    return 0;
}

int win_access(const char *path, int mode)
{
    struct win_stat info;

    (void)mode;
    return win_stat(path, &info);
}

int win_unlink(const char *path)
{
    wchar_t wide[WIDE_MAX];

    widen(wide, path);
    return DeleteFileW(wide) ? 0 : win_failed();
}

int win_mkdir(const char *path)
{
    wchar_t wide[WIDE_MAX];

    widen(wide, path);
    return CreateDirectoryW(wide, NULL) ? 0 : win_failed();
}

int win_rmdir(const char *path)
{
    wchar_t wide[WIDE_MAX];

    widen(wide, path);
    return RemoveDirectoryW(wide) ? 0 : win_failed();
}

static int may_be_renamed(const wchar_t *path)
{
    HANDLE file = CreateFileW(path, DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return 0;
    CloseHandle(file);
    return 1;
}

/* Replaces a file that a program runs from: such a file can be renamed, but not removed. Between
 * the two renames there is no file of that name; Windows has nothing better for this case. */
static int replace_running(const wchar_t *from, const char *to, const wchar_t *wide_to)
{
    char aside[PATH_MAX];
    wchar_t wide_aside[WIDE_MAX];
    const char *name = strrchr(to, '/') + 1;

    make_path(aside, "%.*s.gaia/%s.aside-%llx", (int)(name - to), to, name,
              (unsigned long long)GetTickCount64());
    widen(wide_aside, aside);
    if (!MoveFileExW(wide_to, wide_aside, 0))
        return -1;
    if (MoveFileExW(from, wide_to, MOVEFILE_WRITE_THROUGH))
        return 0;
    DWORD reason = GetLastError();
    MoveFileExW(wide_aside, wide_to, 0);
    SetLastError(reason);
    return -1;
}

int win_rename(const char *from, const char *to)
{
    wchar_t wide_from[WIDE_MAX];
    wchar_t wide_to[WIDE_MAX];
    struct win_stat there;
    ULONGLONG deadline = GetTickCount64() + PATIENCE_MILLISECONDS;

    widen(wide_from, from);
    widen(wide_to, to);
    while (!MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
        win_failed();
        if (errno == EACCES && win_stat(to, &there) == 0 && S_ISDIR(there.st_mode))
            errno = EEXIST;
        if (errno != EACCES)
            return -1;
        if (is_executable_name(to) && may_be_renamed(wide_from) &&
            replace_running(wide_from, to, wide_to) == 0)
            return 0;
        if (GetTickCount64() > deadline) {
            errno = EACCES;
            return -1;
        }
        Sleep(PAUSE_MILLISECONDS);
    }
    return 0;
}
