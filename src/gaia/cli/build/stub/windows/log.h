/* Logs that do not grow for ever, however long they are written to. */
#ifndef GAIA_LOG_H
#define GAIA_LOG_H

#include "../stub.h"

typedef struct {
    HANDLE writer; /* appends, and can be inherited */
    HANDLE reader; /* also shortens it */
    HANDLE tap;    /* thread that forwards to `target` */
    HANDLE target;
    volatile LONG64 at; /* how far it is forwarded */
    volatile LONG ended;
} log_t;

/* Opens .gaia/NAME.SUFFIX for the executable at `exe`, to append to; emptied when `how` is
 * CREATE_ALWAYS. NULL when it cannot be made, as on a full disk. */
log_t *log_open(const char *exe, const char *suffix, DWORD how);

/* Forwards what is written from now on to `target`. */
void log_forward(log_t *log, HANDLE target);

/* Shortens it when it is long; call it often. */
void log_bound(log_t *log);

/* Forwards the rest, for some time, and closes it. */
void log_close(log_t *log);

#endif
