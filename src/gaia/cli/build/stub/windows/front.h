/* The front: the process that the machine's owner has started, for as long as there is a worker.
 *
 *   main.c     finds itself
 *   service.c  the front as a service
 *   front.c    runs one version after the other
 *   launch.c   starts a version
 *   watch.c    waits for its end, or for its silence on probation
 *   revert.c   takes it back
 *   log.c      what is written where nobody may be reading
 *   folders.c  what ../runtime.c makes and looks at
 *   posix.c    the calls that the parts common with Linux make */
#ifndef GAIA_FRONT_H
#define GAIA_FRONT_H

#include "../trial.h"
#include "log.h"

typedef struct {
    const char *exe; /* what is updated */
    HANDLE job;      /* ends with this process, and in it all that runs; NULL in an inner stub */
    HANDLE stop;     /* set when the worker is asked to end */
    HANDLE in;
    HANDLE out;
    HANDLE error;
    log_t *log; /* a service's, in place of a console; else NULL */
} front_t;

/* A version that runs. */
typedef struct {
    HANDLE process;
    log_t *log; /* on probation; else NULL */
} run_t;

/* How a version came to its end. */
typedef enum { ENDED, HUNG, NOT_STARTED } end_t;

/* Whether this process was started by a front, and leaves everything to it. */
int front_is_inner(void);

/* Call it first. An inquiry ends at once and is nobody's worker. */
void front_prepare(const char *exe, int inquiry);

/* Runs `program`, and after an update the executable's new version, until one of them ends for
 * good; then this process ends with its exit code. */
_Noreturn void front_run(const char *program);

/* Opens what versions get as their standard handles. */
void launch_prepare(front_t *front);

/* Starts `program`. Returns whether it runs. */
int launch(const front_t *front, const char *program, run_t *run);

/* Waits for the end of `run`, or for the silence that condemns a release on probation. */
end_t watch(const front_t *front, const run_t *run);

/* A worker that was killed in the middle of the swap has left no file at the path: puts the backup
 * there. */
void heal(const char *exe);

/* Takes the release on probation back that has come to this end. Returns whether there was one. */
int condemn(const char *exe, end_t end);

#endif
