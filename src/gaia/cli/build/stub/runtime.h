/* What keeping a runtime needs of the system: folders.c for Linux, windows/folders.c. Calls that
 * fail return -1 with errno. */
#ifndef GAIA_RUNTIME_H
#define GAIA_RUNTIME_H

#include "stub.h"

#define MOST_ROOTS 3

typedef struct {
    char path[PATH_MAX];
    unsigned mode; /* of the folder, when it has to be made */
} root_t;

/* File name of the worker's own program in its runtime. */
extern const char program_name[];

/* Where runtimes may be, best first; returns how many. */
int list_roots(root_t roots[MOST_ROOTS], const char *exe);

/* Whether the folder is there, and only those can write to it who can write to `exe` as well. */
int is_trusted(const char *folder, const char *exe);

/* Calls `act` for each item in `folder` until one returns something other than 0; returns that. */
int each_item(const char *folder, int (*act)(const char *path, int is_folder));

/* Ends the writing of a file of the payload, with its mode. */
int finish_file(int fd, unsigned mode);

/* Makes durable what finish_file() has not. */
int sync_tree(const char *folder);

/* 0 when this process has the lock now; it is dropped with the process. */
int try_lock(int fd);

void pause_milliseconds(unsigned milliseconds);

#endif
