/* The runtime: the payload's files in a folder named after their digest; see ../runtime.c. */
#include "../stub.h"

#include <stdlib.h>
#include <string.h>

#define PROGRAM "gaia-worker.exe"
#define LOCK_POLLS 600
#define LOCK_POLL_MILLISECONDS 100

static const char tmp_mark[] = ".tmp-";

static void entry_path(char path[PATH_MAX], const char *folder, const entry_t *entry)
{
    make_path(path, "%s/%.*s", folder, (int)entry->path_length, entry->path);
}

/* Sizes and not digests, as on Linux. */
static int is_complete(const payload_t *payload, const char *folder)
{
    size_t cursor = 0;
    entry_t entry;
    char path[PATH_MAX];
    struct stat info;

    while (payload_next(payload, &cursor, &entry)) {
        entry_path(path, folder, &entry);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) ||
            (uint64_t)info.st_size != entry.size)
            return 0;
    }
    return 1;
}

static int make_folder(const char *path)
{
    wchar_t wide[WIDE_MAX];

    widen(wide, path);
    return CreateDirectoryW(wide, NULL) || GetLastError() == ERROR_ALREADY_EXISTS ? 0
                                                                                  : win_failed();
}

/* Folders that are there may be such that they cannot be made: only the last one counts. */
static int make_folders(const char *folder)
{
    char path[PATH_MAX];

    make_path(path, "%s", folder);
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        make_folder(path);
        *slash = '/';
    }
    return make_folder(path);
}

/* Calls `act` with the path of each item in `folder`. */
static void walk(const char *folder, void (*act)(const char *path, const char *name, int is_folder))
{
    char path[PATH_MAX];
    char name[PATH_MAX];
    wchar_t wide[WIDE_MAX];
    WIN32_FIND_DATAW found;

    make_path(path, "%s/*", folder);
    widen(wide, path);
    HANDLE search = FindFirstFileW(wide, &found);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0)
            continue;
        narrow(name, found.cFileName);
        make_path(path, "%s/%s", folder, name);
        act(path, name, (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) &&
                            !(found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT));
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

static void remove_tree(const char *path);

static void remove_item(const char *path, const char *name, int is_folder)
{
    (void)name;
    if (is_folder)
        remove_tree(path);
    else
        unlink(path);
}

static void remove_tree(const char *path)
{
    wchar_t wide[WIDE_MAX];

    walk(path, remove_item);
    widen(wide, path);
    RemoveDirectoryW(wide);
}

static void remove_if_leftover(const char *path, const char *name, int is_folder)
{
    if (is_folder && strspn(name, "0123456789abcdef") == SHA256_SIZE &&
        strncmp(name + SHA256_SIZE, tmp_mark, sizeof tmp_mark - 1) == 0)
        remove_tree(path);
}

/* Returns the lock, or -1 when it is held for longer than any unpacking takes. */
static int take_lock(const char *root)
{
    char path[PATH_MAX];

    make_path(path, "%s/unpack.lock", root);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    for (int i = 0; fd >= 0 && i < LOCK_POLLS; i++) {
        OVERLAPPED at = {0};
        if (LockFileEx((HANDLE)_get_osfhandle(fd),
                       LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at))
            return fd;
        Sleep(LOCK_POLL_MILLISECONDS);
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int write_entry(const payload_t *payload, const entry_t *entry, uint64_t offset,
                       const char *folder, sha256_t *sha)
{
    static char buffer[1 << 18];
    char path[PATH_MAX];

    entry_path(path, folder, entry);
    char *name = strrchr(path, '/');
    *name = '\0';
    if (make_folders(path) != 0)
        return -1;
    *name = '/';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    for (uint64_t left = entry->size; left > 0;) {
        size_t wanted = left < sizeof buffer ? (size_t)left : sizeof buffer;
        ssize_t got = pread(payload->fd, buffer, wanted, offset);
        if (got == 0)
            errno = EIO;
        if (got <= 0 || write_all(fd, buffer, (size_t)got) != 0) {
            close(fd);
            return -1;
        }
        sha256_add(sha, buffer, (size_t)got);
        offset += (uint64_t)got;
        left -= (uint64_t)got;
    }
    int result = fsync(fd);
    return close(fd) == 0 ? result : -1;
}

static int write_files(const payload_t *payload, const char *folder)
{
    size_t cursor = 0;
    entry_t entry;
    sha256_t sha;
    unsigned char digest[SHA256_SIZE];
    uint64_t offset = payload->contents;

    sha256_start(&sha);
    sha256_add(&sha, payload->index, payload->index_length);
    if (make_folder(folder) != 0)
        return -1;
    while (payload_next(payload, &cursor, &entry)) {
        if (write_entry(payload, &entry, offset, folder, &sha) != 0)
            return -1;
        offset += entry.size;
    }
    sha256_finish(&sha, digest);
    if (memcmp(digest, payload->digest, SHA256_SIZE) != 0) {
        remove_tree(folder);
        die(EXIT_DAMAGED, "This executable is damaged (its SHA-256 is wrong). Download it again.");
    }
    return 0;
}

/* Puts the whole folder `tmp` where the runtime belongs, and what was there out of the way. */
static int put_in_place(const char *tmp, const char *final)
{
    char damaged[PATH_MAX];

    if (access(final, X_OK) == 0) {
        make_path(damaged, "%s%sold-%lu", final, tmp_mark, GetCurrentProcessId());
        if (rename(final, damaged) != 0)
            return -1;
        remove_tree(damaged);
    }
    return rename(tmp, final);
}

static int unpack(const payload_t *payload, const char *root, const char *final)
{
    char tmp[PATH_MAX];
    int lock = take_lock(root);
    int reason = 0;

    if (lock >= 0)
        walk(root, remove_if_leftover);
    if (!is_complete(payload, final)) {
        make_path(tmp, "%s%s%lu", final, tmp_mark, GetCurrentProcessId());
        if (write_files(payload, tmp) != 0 || put_in_place(tmp, final) != 0) {
            reason = errno;
            remove_tree(tmp);
        }
    }
    if (lock >= 0)
        close(lock);
    errno = reason;
    return reason == 0 ? 0 : -1;
}

static int from_environment(char path[PATH_MAX], const wchar_t *name)
{
    wchar_t wide[WIDE_MAX];
    DWORD length = GetEnvironmentVariableW(name, wide, WIDE_MAX);

    if (length == 0 || length >= WIDE_MAX)
        return 0;
    narrow(path, wide);
    return 1;
}

/* Where runtimes may be, best first. */
static int list_roots(char roots[2][PATH_MAX], const char *exe)
{
    char cache[PATH_MAX];

    if (from_environment(roots[0], L"GAIA_RUNTIME_DIR"))
        return 1;
    make_path(roots[0], "%.*s/.gaia", (int)(strrchr(exe, '/') - exe), exe);
    if (!from_environment(cache, L"LOCALAPPDATA"))
        return 1;
    make_path(roots[1], "%s/gaia-worker", cache);
    return 2;
}

void runtime_ensure(const payload_t *payload, const char *exe, char program[PATH_MAX])
{
    static char roots[2][PATH_MAX];
    char final[PATH_MAX];
    char why[PATH_MAX] = "";
    int count = list_roots(roots, exe);

    for (int i = 0; i < count; i++) {
        make_path(final, "%s/%s", roots[i], payload->id);
        make_path(program, "%s/%s", final, PROGRAM);
        if (is_complete(payload, final) ||
            (make_folders(roots[i]) == 0 && unpack(payload, roots[i], final) == 0))
            return;
        if (errno == ENOSPC)
            die(EXIT_NO_RUNTIME,
                "No space left to unpack into %s. Free some, or set GAIA_RUNTIME_DIR to a folder "
                "on another disk.",
                roots[i]);
        snprintf(why + strlen(why), sizeof why - strlen(why), "\n  %s: %s", roots[i],
                 strerror(errno));
    }
    die(EXIT_NO_RUNTIME,
        "There is no folder to unpack into. Set GAIA_RUNTIME_DIR to one that only you can write "
        "to. Tried:%s",
        why);
}
