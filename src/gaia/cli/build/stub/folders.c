#include "runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char program_name[] = "gaia-worker";

int list_roots(root_t roots[MOST_ROOTS], const char *exe)
{
    const char *chosen = getenv("GAIA_RUNTIME_DIR");
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int count = 0;

    if (chosen && *chosen) {
        make_path(roots[0].path, "%s", chosen);
        roots[0].mode = 0755;
        return 1;
    }
    make_path(roots[count].path, "%.*s/.gaia", (int)(strrchr(exe, '/') - exe), exe);
    roots[count++].mode = 0755;
    if (cache && *cache == '/') {
        make_path(roots[count].path, "%s/gaia-worker", cache);
        roots[count++].mode = 0700;
    } else if (home && *home == '/') {
        make_path(roots[count].path, "%s/.cache/gaia-worker", home);
        roots[count++].mode = 0700;
    }
    make_path(roots[count].path, "/var/tmp/gaia-worker-%ld", (long)geteuid());
    roots[count++].mode = 0700;
    return count;
}

/* A folder that strangers can write to must not supply the code that is run. */
int is_trusted(const char *folder, const char *exe)
{
    struct stat info;
    struct stat own;

    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode) || (info.st_mode & S_IWOTH))
        return 0;
    return info.st_uid == geteuid() || info.st_uid == 0 ||
           (stat(exe, &own) == 0 && info.st_uid == own.st_uid);
}

int each_item(const char *folder, int (*act)(const char *path, int is_folder))
{
    DIR *opened = opendir(folder);
    struct dirent *item;
    struct stat info;
    char path[PATH_MAX];
    int result = 0;

    if (!opened)
        return -1;
    while (result == 0 && (item = readdir(opened))) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        make_path(path, "%s/%s", folder, item->d_name);
        result = act(path, lstat(path, &info) == 0 && S_ISDIR(info.st_mode));
    }
    closedir(opened);
    return result;
}

int finish_file(int fd, unsigned mode)
{
    return fchmod(fd, mode);
}

static int sync_item(const char *path, int is_folder)
{
    if (is_folder)
        return sync_tree(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

/* A second pass, so that the disk was busy with the first files all along. */
int sync_tree(const char *folder)
{
    return each_item(folder, sync_item) == 0 ? sync_folder(folder) : -1;
}

int try_lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB);
}

void pause_milliseconds(unsigned milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}
