/* The native front of a single-file GAIA worker.
 *
 *   main.c     finds itself, cleans the environment, starts the program
 *   say.c      what it says, and what all the others need
 *   trial.c    counts the starts of an update on probation, takes it back when there are too many
 *   payload.c  reads the archive that is appended to this executable
 *   runtime.c  keeps that archive unpacked in a folder
 *   folders.c  what runtime.c needs of the system
 *   sha256.c   SHA-256
 *
 * In windows/ are the counterparts of main.c and folders.c, and the calls that the others make.
 *
 * Why native, static and this small: it runs before anything that an update could have broken, on
 * any Linux, without a loader or libc of the machine. */
#ifndef GAIA_STUB_H
#define GAIA_STUB_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes of the stub itself, from sysexits.h; documented for the operator. The worker's own
 * program uses other ones. */
enum {
    EXIT_DAMAGED = 65,    /* this executable is not what was built */
    EXIT_SYSTEM = 71,     /* the operating system refused something basic */
    EXIT_NO_RUNTIME = 73, /* no folder, no permission or no space to unpack into */
    EXIT_RELAUNCH = 79    /* Windows, a worker to its front: start what is at the path now */
};

#define SHA256_SIZE 32

typedef struct {
    uint32_t state[8];
    uint64_t length;
    unsigned char block[64];
} sha256_t;

void sha256_start(sha256_t *sha);
void sha256_add(sha256_t *sha, const void *data, size_t length);
void sha256_finish(sha256_t *sha, unsigned char digest[SHA256_SIZE]);

/* One file of the payload; `path` is relative and not terminated. */
typedef struct {
    uint64_t size;
    unsigned mode;
    unsigned path_length;
    const char *path;
} entry_t;

typedef struct {
    int fd;
    uint64_t contents; /* offset in fd of the first file's bytes */
    unsigned char *index;
    size_t index_length;
    unsigned char digest[SHA256_SIZE];
    char id[SHA256_SIZE + 1]; /* first half of the digest in hexadecimal: the runtime's name */
} payload_t;

/* Opens the payload at the end of this executable; exits when there is none. */
void payload_open(payload_t *payload);

/* Walks the index: call with *cursor = 0; returns 0 at the end. */
int payload_next(const payload_t *payload, size_t *cursor, entry_t *entry);

/* Puts the path of the worker's own program, unpacked, into `program`; exits when it cannot. */
void runtime_ensure(const payload_t *payload, const char *exe, char program[PATH_MAX]);

/* Starts that end at once are not part of a trial: an update's preflight, or a curious user. */
int is_inquiry(char **argv);

/* Counts this start when the executable at `exe` is on probation; does not return when it has
 * used up its starts and the backup could be put back and started. */
void trial_start(const char *exe, char **argv);

/* "gaia-worker: ..." on standard error. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Formats into a buffer of PATH_MAX bytes; exits when the path would be too long, as a cut path
 * would name another file. */
void make_path(char path[PATH_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes the names in a folder durable. Returns -1 with errno. */
int sync_folder(const char *path);

/* Writes all of it. Returns -1 with errno. */
int write_all(int fd, const void *data, size_t length);

#endif
