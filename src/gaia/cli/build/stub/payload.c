/* Reads the archive that gaia.model.payload describes; numbers are little-endian. */
#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOOTER_SIZE 56
#define ENTRY_HEAD 12
#define MAX_INDEX (4u << 20)

static const char magic[] = "GAIAPKG1";

static uint64_t number(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static _Noreturn void damaged(const char *what)
{
    die(EXIT_DAMAGED, "This executable is damaged (%s). Download it again.", what);
}

static void read_at(int fd, void *buffer, size_t length, uint64_t offset)
{
    char *bytes = buffer;
    while (length > 0) {
        ssize_t got = pread(fd, bytes, length, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            damaged("it cannot be read to its end");
        bytes += got;
        offset += got;
        length -= got;
    }
}

void payload_open(payload_t *payload)
{
    unsigned char footer[FOOTER_SIZE];
    struct stat info;

    /* By the link and not by name: the name may belong to another version by now. */
    payload->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (payload->fd < 0 || fstat(payload->fd, &info) != 0)
        die(EXIT_SYSTEM, "Cannot open this executable: %s.", strerror(errno));
    uint64_t file_size = (uint64_t)info.st_size;
    if (file_size < FOOTER_SIZE)
        damaged("it is too short");
    read_at(payload->fd, footer, FOOTER_SIZE, file_size - FOOTER_SIZE);
    uint64_t length = number(footer, 8);
    uint64_t index_length = number(footer + 8, 8);
    memcpy(payload->digest, footer + 16, SHA256_SIZE);
    if (memcmp(footer + 48, magic, sizeof magic - 1) != 0)
        damaged("its end is missing");
    if (length > file_size - FOOTER_SIZE || index_length > length || index_length > MAX_INDEX)
        damaged("its sizes do not add up");

    uint64_t start = file_size - FOOTER_SIZE - length;
    payload->index_length = index_length;
    payload->index = malloc(index_length);
    if (!payload->index)
        die(EXIT_SYSTEM, "Out of memory.");
    read_at(payload->fd, payload->index, index_length, start);
    payload->contents = start + index_length;
    for (int i = 0; i < SHA256_SIZE / 2; i++)
        sprintf(payload->id + 2 * i, "%02x", payload->digest[i]);
}

/* Only the builder writes paths, but a path that leaves the folder must never be followed. */
static int is_safe(const entry_t *entry)
{
    if (entry->path_length == 0 || entry->path[0] == '/')
        return 0;
    for (unsigned i = 0; i + 1 < entry->path_length; i++)
        if (entry->path[i] == '.' && entry->path[i + 1] == '.')
            return 0;
    return 1;
}

int payload_next(const payload_t *payload, size_t *cursor, entry_t *entry)
{
    const unsigned char *head = payload->index + *cursor;
    size_t left = payload->index_length - *cursor;
    if (left == 0)
        return 0;
    if (left < ENTRY_HEAD)
        damaged("its index is cut");
    entry->size = number(head, 8);
    entry->mode = (unsigned)number(head + 8, 2);
    entry->path_length = (unsigned)number(head + 10, 2);
    entry->path = (const char *)head + ENTRY_HEAD;
    if (left - ENTRY_HEAD < entry->path_length || !is_safe(entry))
        damaged("its index is garbled");
    *cursor += ENTRY_HEAD + entry->path_length;
    return 1;
}
