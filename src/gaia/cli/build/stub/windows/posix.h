/* The calls that payload.c, runtime.c, trial.c and say.c make, for Windows. Included before every source.
 *
 * Inside the stub paths are UTF-8 with forward slashes. Every file is opened so that others may
 * rename and remove it meanwhile, as they may on Linux. */
#ifndef GAIA_POSIX_H
#define GAIA_POSIX_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <process.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#undef PATH_MAX
#define PATH_MAX 4096
#define WIDE_MAX (PATH_MAX + 16)

#define O_CLOEXEC 0
#define O_NOFOLLOW 0
#ifndef EDQUOT
#define EDQUOT ENOSPC
#endif

struct win_stat {
    unsigned st_mode;
    int64_t st_size;
};

/* To UTF-16; absolute paths get the prefix that lifts the limit of 260 characters. */
void widen(wchar_t wide[WIDE_MAX], const char *path);
void narrow(char path[PATH_MAX], const wchar_t *wide);

/* For CreateFileW and the like: -1, and errno from GetLastError(). */
int win_failed(void);

int win_open(const char *path, int flags, ...);
ssize_t win_pread(int fd, void *buffer, size_t length, int64_t offset);
int win_stat(const char *path, struct win_stat *info);
int win_fstat(int fd, struct win_stat *info);
int win_access(const char *path, int mode);
int win_unlink(const char *path);
int win_mkdir(const char *path);
int win_rmdir(const char *path);

/* Replaces `to`, even when a program runs from it: that file is moved aside then. Has patience
 * with those who hold a file for some moments, such as virus scanners. */
int win_rename(const char *from, const char *to);

/* For trial.c, which has put the backup in place: run that.
 * There is no exec() here: the stub stays, as the parent of the program that takes its place. */
int front_replace(const char *path);

#define open win_open
#define pread(fd, buffer, length, offset) win_pread(fd, buffer, length, (int64_t)(offset))
#define stat win_stat
#define lstat win_stat
#define fstat win_fstat
#define access win_access
#define unlink win_unlink
#define mkdir(path, mode) ((void)(mode), win_mkdir(path))
#define rmdir win_rmdir
#define rename win_rename
#define fsync _commit
#define execv(path, argv) ((void)(argv), front_replace(path))
#ifndef X_OK
#define X_OK 1
#endif

#endif
