/* The front of a worker for Windows: finds itself and its runtime; front.c does the rest. */
#include "front.h"

#include <stdlib.h>
#include <string.h>

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

int main(int argc, char **argv)
{
    char exe[PATH_MAX];
    char program[PATH_MAX];
    payload_t payload;

    (void)argc;
    own_path(exe);
    front_prepare(exe, is_inquiry(argv));
    if (!is_inquiry(argv))
        trial_start(exe, argv);
    payload_open(&payload);
    runtime_ensure(&payload, exe, program);
    front_run(program);
}
