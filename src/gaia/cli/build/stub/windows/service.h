/* The front as a service: what Windows' service manager asks of it, and is told. */
#ifndef GAIA_SERVICE_H
#define GAIA_SERVICE_H

#include "../stub.h"

/* Runs `body`, which does not return: as a service when the service manager has started this
 * process. From there on exit() tells the manager. */
void service_run(void (*body)(void));

/* Whether this process is a service. */
int service_is_one(void);

/* The worker has been started; `stop` is to be set when the manager wants it to end. */
void service_began(HANDLE stop);

/* Call it often: a service that is ending has to show that it still is. */
void service_beat(void);

#endif
