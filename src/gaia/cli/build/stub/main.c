#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

/* The install path. /proc/self/exe follows a rename, so it is read before anything else can
 * happen to the file; when the file was replaced even before that, the name is what counts. */
static void own_path(char path[PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length < 0)
        die(EXIT_SYSTEM, "Cannot read /proc/self/exe: %s. Mount /proc.", strerror(errno));
    path[length] = '\0';
    size_t tail = sizeof deleted - 1;
    if ((size_t)length > tail && strcmp(path + length - tail, deleted) == 0 &&
        access(path, F_OK) != 0)
        path[length - tail] = '\0';
}

static int has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A worker that was exec()'d by another version inherits what PyInstaller's bootloader set for
 * that one; believing it, this one would load the other's libraries. */
static void clean_environment(void)
{
    int inherited = 0;
    for (char **variable = environ; *variable;) {
        if (has_prefix(*variable, "_GAIA_EXE="))
            inherited = 1;
        if (has_prefix(*variable, "_PYI_") || has_prefix(*variable, "_MEIPASS2=")) {
            char name[256];
            size_t length = strcspn(*variable, "=");
            inherited = 1;
            if (length < sizeof name) {
                memcpy(name, *variable, length);
                name[length] = '\0';
                unsetenv(name);
                variable = environ; /* unsetenv moved the list */
                continue;
            }
        }
        variable++;
    }
    if (!inherited)
        return;
    const char *original = getenv("LD_LIBRARY_PATH_ORIG");
    if (original)
        setenv("LD_LIBRARY_PATH", original, 1);
    else
        unsetenv("LD_LIBRARY_PATH");
    unsetenv("LD_LIBRARY_PATH_ORIG");
}

int main(int argc, char **argv)
{
    char exe[PATH_MAX];
    char program[PATH_MAX];
    payload_t payload;

    (void)argc;
    own_path(exe);
    trial_start(exe, argv);
    payload_open(&payload);
    runtime_ensure(&payload, exe, program);
    clean_environment();
    if (setenv("_GAIA_EXE", exe, 1) != 0)
        die(EXIT_SYSTEM, "Cannot set the environment: %s.", strerror(errno));
    execv(program, argv);
    die(EXIT_SYSTEM,
        "Cannot start %s: %s. If its file system is mounted noexec, set GAIA_RUNTIME_DIR to a "
        "folder on another one.",
        program, strerror(errno));
}
