#include "../runtime.h"

#include <string.h>

const char program_name[] = "gaia-worker.exe";

static int from_environment(char path[PATH_MAX], const wchar_t *name)
{
    wchar_t wide[WIDE_MAX];
    DWORD length = GetEnvironmentVariableW(name, wide, WIDE_MAX);

    if (length == 0 || length >= WIDE_MAX)
        return 0;
    narrow(path, wide);
    return 1;
}

int list_roots(root_t roots[MOST_ROOTS], const char *exe)
{
    char cache[PATH_MAX];

    if (from_environment(roots[0].path, L"GAIA_RUNTIME_DIR"))
        return 1;
    make_path(roots[0].path, "%.*s/.gaia", (int)(strrchr(exe, '/') - exe), exe);
    if (!from_environment(cache, L"LOCALAPPDATA"))
        return 1;
    make_path(roots[1].path, "%s/gaia-worker", cache);
    return 2;
}

/* Not looked at: what a folder's access list allows to whom takes more than a stub to tell. */
int is_trusted(const char *folder, const char *exe)
{
    (void)exe;
    return access(folder, X_OK) == 0;
}

int each_item(const char *folder, int (*act)(const char *path, int is_folder))
{
    char path[PATH_MAX];
    char name[PATH_MAX];
    wchar_t wide[WIDE_MAX];
    WIN32_FIND_DATAW found;
    int result = 0;

    make_path(path, "%s/*", folder);
    widen(wide, path);
    HANDLE search = FindFirstFileW(wide, &found);
    if (search == INVALID_HANDLE_VALUE)
        return win_failed();
    do {
        if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0)
            continue;
        narrow(name, found.cFileName);
        make_path(path, "%s/%s", folder, name);
        result = act(path, (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) &&
                               !(found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT));
    } while (result == 0 && FindNextFileW(search, &found));
    FindClose(search);
    return result;
}

/* At once: a scanner may hold the file as soon as it is closed. */
int finish_file(int fd, unsigned mode)
{
    (void)mode;
    return fsync(fd);
}

int sync_tree(const char *folder)
{
    (void)folder;
    return 0;
}

int try_lock(int fd)
{
    OVERLAPPED at = {0};

    if (LockFileEx((HANDLE)_get_osfhandle(fd), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY,
                   0, 1, 0, &at))
        return 0;
    errno = EWOULDBLOCK;
    return -1;
}

void pause_milliseconds(unsigned milliseconds)
{
    Sleep(milliseconds);
}
