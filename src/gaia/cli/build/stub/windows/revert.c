#include "front.h"

#include <string.h>

static const struct {
    const char *reason;
    const char *detail;
} verdicts[] = {
    [ENDED] = {"exited", "It ended by itself while on probation."},
    [HUNG] = {"hung", "It gave no sign of life on probation."},
    [NOT_STARTED] = {"exec", "The system does not start it."},
};

static int was_stopped(const marker_t *marker, const char *exe)
{
    char path[PATH_MAX];
    struct stat info;

    make_path(path, "%s/%s.stopped", marker->folder, strrchr(exe, '/') + 1);
    return stat(path, &info) == 0;
}

void heal(const char *exe)
{
    char backup[PATH_MAX];

    make_path(backup, "%s.bak", exe);
    if (access(exe, X_OK) == 0 || access(backup, X_OK) != 0)
        return;
    if (rename(backup, exe) != 0)
        say("Cannot put %s back: %s.", backup, strerror(errno));
    else
        say("There was no %s. The backup has taken its place.", exe);
}

int condemn(const char *exe, end_t end)
{
    static marker_t marker;
    char sha256[2 * SHA256_SIZE + 1];
    char tail[256];
    const char *lost = "";

    if (trial_read(&marker, exe) != 1 ||
        !trial_find(marker.text, "sha256", sha256, sizeof sha256) || !has_digest(exe, sha256) ||
        was_stopped(&marker, exe))
        return 0;
    if (!trial_is_sound(&marker))
        lost = " The backup is missing or damaged.";
    else if (rename(marker.backup, exe) != 0)
        lost = " The backup could not be put back.";
    snprintf(tail, sizeof tail, "reason=%s\ndetail=%s%s\n", verdicts[end].reason,
             verdicts[end].detail, lost);
    trial_retire(&marker, exe, tail);
    return 1;
}
