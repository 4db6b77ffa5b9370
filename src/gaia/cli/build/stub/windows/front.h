/* The front: the process that the machine's owner has started, for as long as there is a worker. */
#ifndef GAIA_FRONT_H
#define GAIA_FRONT_H

#include "../stub.h"

/* Call it first. An inquiry ends at once and is nobody's worker. */
void front_prepare(const char *exe, int inquiry);

/* Runs the worker's program, and after an update the executable's new version, until one of them
 * ends for good; then this process ends with its exit code. */
_Noreturn void front_run(const char *program);

#endif
