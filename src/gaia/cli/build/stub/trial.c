/* The boot counter: the last line of defence for an update that cannot even start Python.
 *
 * The old version leaves `.gaia/NAME.probation` beside the executable before the swap; the new one
 * removes it when it has proved itself. Each start in between is counted here, and one too many
 * puts the backup back. Nothing in here may keep a worker from starting: a marker that cannot be
 * understood is put aside, and what cannot be written is only told. */
#include "trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_MAX 1000000L

static const char draft_mark[] = ".tmp-";

int trial_find(const char *text, const char *key, char *value, size_t size)
{
    size_t key_length = strlen(key);
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > key_length && strncmp(line, key, key_length) == 0 &&
            line[key_length] == '=') {
            size_t value_length = length - key_length - 1;
            if (value_length >= size)
                return 0;
            memcpy(value, line + key_length + 1, value_length);
            value[value_length] = '\0';
            return 1;
        }
        line += length;
        line += *line == '\n';
    }
    return 0;
}

static int find_count(const char *text, const char *key, long *count)
{
    char value[16];
    char *end;
    if (!trial_find(text, key, value, sizeof value) || value[0] < '0' || value[0] > '9')
        return 0;
    *count = strtol(value, &end, 10);
    return *end == '\0' && *count <= COUNT_MAX;
}

static int is_absolute(const char *path)
{
    return path[0] == '/' || (path[0] && path[1] == ':');
}

int trial_read(marker_t *marker, const char *exe)
{
    const char *name = strrchr(exe, '/') + 1;

    make_path(marker->folder, "%.*s.gaia", (int)(name - exe), exe);
    make_path(marker->path, "%s/%s.probation", marker->folder, name);
    int fd = open(marker->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t length = 0;
    ssize_t got;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    while (length < MARKER_MAX &&
           (got = read(fd, marker->text + length, MARKER_MAX - length)) > 0)
        length += got;
    close(fd);
    marker->text[length] = '\0';
    if (length == MARKER_MAX || strlen(marker->text) != length ||
        !find_count(marker->text, "boots", &marker->boots) ||
        !find_count(marker->text, "max-boots", &marker->max_boots) ||
        !trial_find(marker->text, "backup", marker->backup, sizeof marker->backup) ||
        !is_absolute(marker->backup))
        return -1;
    return 1;
}

/* What starts that were killed while writing `path` have left. */
static void remove_drafts(const char *folder, const char *path)
{
    char draft[PATH_MAX];
    struct dirent *item;
    const char *name = strrchr(path, '/') + 1;
    size_t length = strlen(name);
    DIR *listing = opendir(folder);

    while (listing && (item = readdir(listing))) {
        if (strncmp(item->d_name, name, length) == 0 &&
            strncmp(item->d_name + length, draft_mark, sizeof draft_mark - 1) == 0) {
            make_path(draft, "%s/%s", folder, item->d_name);
            unlink(draft);
        }
    }
    if (listing)
        closedir(listing);
}

/* Replaces the file at `path` in one step by the marker with its new count, then `tail`. */
static int write_marker(const marker_t *marker, const char *path, const char *tail)
{
    char tmp[PATH_MAX];
    char text[MARKER_MAX + 256];
    size_t used = (size_t)sprintf(text, "boots=%ld\n", marker->boots);

    for (const char *line = marker->text; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > 0 && strncmp(line, "boots=", 6) != 0)
            used += sprintf(text + used, "%.*s\n", (int)length, line);
        line += length;
        line += *line == '\n';
    }
    used += sprintf(text + used, "%s", tail);

    remove_drafts(marker->folder, path);
    make_path(tmp, "%s%s%ld", path, draft_mark, (long)getpid());
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    int failed = write_all(fd, text, used) != 0 || fsync(fd) != 0;
    failed |= close(fd) != 0;
    if (failed || rename(tmp, path) != 0) {
        int reason = errno;
        unlink(tmp);
        errno = reason;
        return -1;
    }
    return sync_folder(marker->folder);
}

static int is_program(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
           access(path, X_OK) == 0;
}

int has_digest(const char *path, const char *expected)
{
    static unsigned char chunk[65536];
    unsigned char digest[SHA256_SIZE];
    char shown[2 * SHA256_SIZE + 1];
    sha256_t sha;
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return 0;
    sha256_start(&sha);
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        sha256_add(&sha, chunk, (size_t)got);
    close(fd);
    sha256_finish(&sha, digest);
    for (int i = 0; i < SHA256_SIZE; i++)
        sprintf(shown + 2 * i, "%02x", digest[i]);
    return got == 0 && strcmp(shown, expected) == 0;
}

int trial_is_sound(const marker_t *marker)
{
    char expected[2 * SHA256_SIZE + 1];
    if (!is_program(marker->backup))
        return 0;
    return !trial_find(marker->text, "backup-sha256", expected, sizeof expected) ||
           has_digest(marker->backup, expected);
}

void trial_retire(const marker_t *marker, const char *exe, const char *tail)
{
    char reverted[PATH_MAX], folder[PATH_MAX];

    /* Whoever gave the backup its name back may have got no further: without the marker nobody
       would do it again, should a power cut undo it. */
    make_path(folder, "%.*s", (int)(strrchr(exe, '/') - exe) + 1, exe);
    if (sync_folder(folder) != 0) {
        say("Cannot make %s durable: %s.", folder, strerror(errno));
        return;
    }
    make_path(reverted, "%s/%s.reverted", marker->folder, strrchr(exe, '/') + 1);
    if (write_marker(marker, reverted, tail) != 0)
        say("Cannot write %s: %s.", reverted, strerror(errno));
    unlink(marker->path);
    sync_folder(marker->folder);
}

static void take_back(const marker_t *marker, const char *exe, char **argv)
{
    if (!trial_is_sound(marker)) {
        /* Either an earlier start was cut off right after the rename, or the backup is lost. */
        trial_retire(marker, exe, "reason=boot-loop\ndetail=no sound backup at this start\n");
        return;
    }
    say("This version was started %ld times without proving itself. Going back to %s.",
        marker->boots, marker->backup);
    if (rename(marker->backup, exe) != 0) {
        say("Cannot put the backup back: %s. Going on with this version.", strerror(errno));
        return;
    }
    trial_retire(marker, exe, "reason=boot-loop\n");
    execv(exe, argv);
    say("Cannot start the old version: %s. Going on with this one.", strerror(errno));
}

int is_inquiry(char **argv)
{
    for (int i = 1; argv[0] && argv[i] && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--self-check") == 0 || strcmp(argv[i], "--version") == 0 ||
            strcmp(argv[i], "--help") == 0)
            return 1;
    return 0;
}

void trial_start(const char *exe, char **argv)
{
    static marker_t marker;

    if (is_inquiry(argv))
        return;
    int found = trial_read(&marker, exe);
    if (found == 0)
        return;
    if (found < 0) {
        char aside[PATH_MAX];
        make_path(aside, "%s.unreadable", marker.path);
        say("Ignoring %s: it cannot be understood.", marker.path);
        rename(marker.path, aside);
        return;
    }
    marker.boots++;
    if (marker.boots > marker.max_boots) {
        take_back(&marker, exe, argv);
        return;
    }
    if (write_marker(&marker, marker.path, "") != 0)
        say("Cannot count this start in %s: %s.", marker.path, strerror(errno));
}
