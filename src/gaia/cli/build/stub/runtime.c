/* The runtime: the payload's files in a folder named after their digest. Unpacked once, then only
 * looked at. Everything happens in a temporary sibling that is renamed when it is whole, under a
 * lock that the kernel drops with its holder; so no start ever sees half a runtime. */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_POLLS 600
#define LOCK_POLL_MILLISECONDS 100

static const char tmp_mark[] = ".tmp-";

static void entry_path(char path[PATH_MAX], const char *folder, const entry_t *entry)
{
    make_path(path, "%s/%.*s", folder, (int)entry->path_length, entry->path);
}

/* Sizes and not digests: this runs at each start, and is there for temp cleaners and power cuts.
 * Whoever can write here can write the executable as well. */
static int is_complete(const payload_t *payload, const char *folder)
{
    size_t cursor = 0;
    entry_t entry;
    char path[PATH_MAX];
    struct stat info;

    while (payload_next(payload, &cursor, &entry)) {
        entry_path(path, folder, &entry);
        if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode) ||
            (uint64_t)info.st_size != entry.size || (info.st_mode & 0100) != (entry.mode & 0100))
            return 0;
    }
    return 1;
}

/* The last one counts: those above it may be such that nobody can make them. */
static int make_folders(const char *folder, unsigned mode)
{
    char path[PATH_MAX];
    int reason = 0;

    make_path(path, "%s", folder);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, mode) != 0 && errno != EEXIST && reason == 0)
            reason = errno;
        *slash = '/';
    }
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    if (errno == ENOENT && reason != 0)
        errno = reason;
    return -1;
}

static void remove_tree(const char *path);

static int remove_item(const char *path, int is_folder)
{
    if (is_folder)
        remove_tree(path);
    else
        unlink(path);
    return 0;
}

static void remove_tree(const char *path)
{
    each_item(path, remove_item);
    if (rmdir(path) != 0)
        unlink(path);
}

/* What processes that died while unpacking left behind. Only with the lock held. */
static int remove_leftover(const char *path, int is_folder)
{
    const char *name = strrchr(path, '/') + 1;

    if (strspn(name, "0123456789abcdef") == SHA256_SIZE &&
        strncmp(name + SHA256_SIZE, tmp_mark, sizeof tmp_mark - 1) == 0)
        remove_item(path, is_folder);
    return 0;
}

/* Returns the lock, or -1 when it is held for longer than any unpacking takes: then one goes on
 * without it, which the rename at the end makes safe, only wasteful. */
static int take_lock(const char *root)
{
    char path[PATH_MAX];

    make_path(path, "%s/unpack.lock", root);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    for (int i = 0; fd >= 0 && i < LOCK_POLLS; i++) {
        if (try_lock(fd) == 0)
            return fd;
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        pause_milliseconds(LOCK_POLL_MILLISECONDS);
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
    if (make_folders(path, 0755) != 0)
        return -1;
    *name = '/';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    for (uint64_t left = entry->size; left > 0;) {
        size_t wanted = left < sizeof buffer ? (size_t)left : sizeof buffer;
        ssize_t got = pread(payload->fd, buffer, wanted, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
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
    int result = finish_file(fd, entry->mode);
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
    if (mkdir(folder, 0755) != 0)
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
    return sync_tree(folder);
}

/* Puts the whole folder `tmp` where the runtime belongs, and what was there out of the way. */
static int put_in_place(const payload_t *payload, const char *tmp, const char *final)
{
    char damaged[PATH_MAX];

    if (rename(tmp, final) == 0)
        return 0;
    if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
        return -1;
    if (is_complete(payload, final)) { /* another start was faster */
        remove_tree(tmp);
        return 0;
    }
    make_path(damaged, "%s%sold-%ld", final, tmp_mark, (long)getpid());
    if (rename(final, damaged) != 0 || rename(tmp, final) != 0)
        return -1;
    remove_tree(damaged);
    return 0;
}

static int unpack(const payload_t *payload, const char *root, const char *final)
{
    char tmp[PATH_MAX];
    int lock = take_lock(root);
    int reason = 0;

    if (lock >= 0)
        each_item(root, remove_leftover);
    if (!is_complete(payload, final)) {
        make_path(tmp, "%s%s%ld", final, tmp_mark, (long)getpid());
        if (write_files(payload, tmp) != 0 || put_in_place(payload, tmp, final) != 0 ||
            sync_folder(root) != 0) {
            reason = errno;
            remove_tree(tmp);
        }
    }
    if (lock >= 0)
        close(lock);
    errno = reason;
    return reason == 0 ? 0 : -1;
}

void runtime_ensure(const payload_t *payload, const char *exe, char program[PATH_MAX])
{
    static root_t roots[MOST_ROOTS];
    char final[PATH_MAX];
    char why[PATH_MAX] = "";
    int count = list_roots(roots, exe);

    for (int i = 0; i < count; i++) {
        make_path(final, "%s/%s", roots[i].path, payload->id);
        make_path(program, "%s/%s", final, program_name);
        if (is_trusted(roots[i].path, exe) && is_complete(payload, final))
            return;
    }
    for (int i = 0; i < count; i++) {
        make_path(final, "%s/%s", roots[i].path, payload->id);
        make_path(program, "%s/%s", final, program_name);
        if (make_folders(roots[i].path, roots[i].mode) == 0) {
            if (!is_trusted(roots[i].path, exe)) {
                snprintf(why + strlen(why), sizeof why - strlen(why),
                         "\n  %s: others can write to it, or it belongs to somebody else",
                         roots[i].path);
                continue;
            }
            if (unpack(payload, roots[i].path, final) == 0)
                return;
        }
        if (errno == ENOSPC || errno == EDQUOT)
            die(EXIT_NO_RUNTIME,
                "No space left to unpack into %s. Free some, or set GAIA_RUNTIME_DIR to a folder "
                "on another disk.",
                roots[i].path);
        snprintf(why + strlen(why), sizeof why - strlen(why), "\n  %s: %s", roots[i].path,
                 strerror(errno));
    }
    die(EXIT_NO_RUNTIME,
        "There is no folder to unpack into. Set GAIA_RUNTIME_DIR to one that only you can write "
        "to. Tried:%s",
        why);
}
