#include "front.h"
#include "service.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MILLISECONDS 200
#define LONGEST_STEP 1000
#define SILENCE_SECONDS 60

/* The trial's time of the last sign of life, 0 when there is none. */
static ULONGLONG pulse_of(const marker_t *marker, const char *exe)
{
    char path[PATH_MAX];
    wchar_t wide[WIDE_MAX];
    WIN32_FILE_ATTRIBUTE_DATA found;

    make_path(path, "%s/%s.alive", marker->folder, strrchr(exe, '/') + 1);
    widen(wide, path);
    if (!GetFileAttributesExW(wide, GetFileExInfoStandard, &found))
        return 0;
    return (ULONGLONG)found.ftLastWriteTime.dwHighDateTime << 32 |
           found.ftLastWriteTime.dwLowDateTime;
}

static ULONGLONG silence_allowed(const marker_t *marker)
{
    char value[16];

    if (!trial_find(marker->text, "silence-allowed", value, sizeof value))
        return SILENCE_SECONDS * 1000ULL;
    return (ULONGLONG)(atof(value) * 1000);
}

static void bound_logs(const front_t *front, const run_t *run)
{
    if (front->log)
        log_bound(front->log);
    if (run->log)
        log_bound(run->log);
}

end_t watch(const front_t *front, const run_t *run)
{
    static marker_t marker;
    ULONGLONG silent = 0;
    ULONGLONG pulse = 0;
    ULONGLONG then = GetTickCount64();

    while (WaitForSingleObject(run->process, POLL_MILLISECONDS) == WAIT_TIMEOUT) {
        service_beat();
        bound_logs(front, run);
        ULONGLONG now = GetTickCount64();
        /* A front that was itself suspended or starved has seen no silence. */
        silent += now - then < LONGEST_STEP ? now - then : LONGEST_STEP;
        then = now;
        if (trial_read(&marker, front->exe) != 1) {
            silent = 0;
            continue;
        }
        ULONGLONG latest = pulse_of(&marker, front->exe);
        if (latest != pulse)
            silent = 0;
        pulse = latest;
        if (silent > silence_allowed(&marker))
            return HUNG;
    }
    return ENDED;
}
