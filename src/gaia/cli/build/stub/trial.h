/* What is told of the marker of a release on probation. */
#ifndef GAIA_TRIAL_H
#define GAIA_TRIAL_H

#include "stub.h"

#define MARKER_MAX 16384

typedef struct {
    char folder[PATH_MAX]; /* .gaia */
    char path[PATH_MAX];   /* the marker */
    char text[MARKER_MAX + 1];
    long boots;
    long max_boots;
    char backup[PATH_MAX];
} marker_t;

/* The marker of the executable at `exe`: 1 read, 0 there is none, -1 not understood. */
int trial_read(marker_t *marker, const char *exe);

/* Copies the value of `key` to `value`; 0 when there is none, or it is too long. */
int trial_find(const char *text, const char *key, char *value, size_t size);

/* A backup that is not what it was when the trial began is no way back. */
int trial_is_sound(const marker_t *marker);

/* The trial is over: NAME.probation becomes NAME.reverted, which tells the next worker why. */
void trial_retire(const marker_t *marker, const char *exe, const char *tail);

/* Whether the file at `path` has this SHA-256, in hexadecimal. */
int has_digest(const char *path, const char *expected);

#endif
