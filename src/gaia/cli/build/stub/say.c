#include "stub.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void vsay(const char *format, va_list args)
{
    /* One write, so that the lines of two processes do not mix. */
    char text[2 * PATH_MAX];
    int used = snprintf(text, sizeof text, "gaia-worker: ");
    vsnprintf(text + used, sizeof text - used - 1, format, args);
    strcat(text, "\n");
    (void)!write(STDERR_FILENO, text, strlen(text));
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsay(format, args);
    va_end(args);
}

void die(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsay(format, args);
    va_end(args);
    exit(status);
}

void make_path(char path[PATH_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(path, PATH_MAX, format, args);
    va_end(args);
    if (length < 0 || length >= PATH_MAX)
        die(EXIT_SYSTEM, "A path is longer than the system allows: %s", path);
}

int write_all(int fd, const void *data, size_t length)
{
    const char *bytes = data;
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        length -= written;
    }
    return 0;
}
