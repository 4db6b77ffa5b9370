/* The front of a worker for Windows: finds itself and its runtime; front.c does the rest. */
#include "front.h"
#include "service.h"

#include <stdlib.h>
#include <string.h>

static const char copy_mark[] = ".service.exe";

static char exe[PATH_MAX];
static char **arguments;

int sync_folder(const char *path)
{
    (void)path; /* NTFS writes names in order by itself, and MOVEFILE_WRITE_THROUGH waits for it */
    return 0;
}

/* The name by which this program was started: it stays the same when the file is renamed. */
static void own_path(char path[PATH_MAX])
{
    wchar_t wide[WIDE_MAX];
    DWORD length = GetModuleFileNameW(NULL, wide, WIDE_MAX);

    if (length == 0 || length == WIDE_MAX)
        die(EXIT_SYSTEM, "Cannot find out the path of this executable.");
    narrow(path, wcsncmp(wide, L"\\\\?\\", 4) == 0 ? wide + 4 : wide);
}

/* A service starts by a copy that no update touches, as the executable itself may be missing for a
 * moment of an update, and the power may fail right then. Makes the copy's path the executable's. */
static int is_copy(char path[PATH_MAX])
{
    size_t length = strlen(path);
    char *mark = path + length - (sizeof copy_mark - 1);

    if (length < sizeof copy_mark || _stricmp(mark, copy_mark) != 0)
        return 0;
    strcpy(mark, ".exe");
    return 1;
}

static void run(void)
{
    char program[PATH_MAX];
    payload_t payload;
    int copy = is_copy(exe);

    front_prepare(exe, is_inquiry(arguments));
    if (copy) {
        heal(exe);
        front_run(exe);
    }
    if (!is_inquiry(arguments))
        trial_start(exe, arguments);
    payload_open(&payload);
    runtime_ensure(&payload, exe, program);
    front_run(program);
}

int main(int argc, char **argv)
{
    (void)argc;
    arguments = argv;
    own_path(exe);
    if (front_is_inner() || is_inquiry(argv))
        run();
    else
        service_run(run);
    return EXIT_SYSTEM;
}
