/* Windows has no exec(). In its place the first stub stays: the *front*, whose process ID, console
 * and service remain the same while versions come and go behind it. A version that put another one
 * in its place ends with EXIT_RELAUNCH, and the front starts what is at the path then.
 *
 * The front is also the guard of a release on probation: old code, or at least native code, that
 * sees how the new version ends and whether it gives signs of life. All that it starts is in a job
 * that ends with it, so that no process is ever left behind. */
#include "front.h"
#include "../trial.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MILLISECONDS 200
#define LONGEST_STEP 1000
#define SILENCE_SECONDS 60
#define LAST_WORDS_MILLISECONDS 2000

#define FRONT L"_GAIA_FRONT"
#define STDIO L"_GAIA_STDIO"
#define STOP L"_GAIA_STOP"

static char executable[PATH_MAX];
static int only_asked;
static int is_inner; /* started by a front: leaves everything to it */
static HANDLE job;
static HANDLE stop;          /* set when the worker is asked to end */
static HANDLE console_out;   /* what this process was started with */
static HANDLE console_error;

typedef struct {
    HANDLE process;
    HANDLE log; /* what a release on probation writes; NULL for others */
    HANDLE tap;
    volatile LONG ended;
} run_t;

/* The system ends a process soon after this returns for all but Ctrl+C and Ctrl+Break; so it does
 * not, and the main thread ends the process as soon as the worker has. */
static BOOL WINAPI on_control(DWORD what)
{
    SetEvent(stop);
    if (what != CTRL_C_EVENT && what != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

static HANDLE inheritable(DWORD which)
{
    HANDLE given = GetStdHandle(which);
    HANDLE copy;
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};

    if (given && given != INVALID_HANDLE_VALUE &&
        DuplicateHandle(GetCurrentProcess(), given, GetCurrentProcess(), &copy, 0, TRUE,
                        DUPLICATE_SAME_ACCESS))
        return copy;
    return CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                       &inherited, OPEN_EXISTING, 0, NULL);
}

static void set_number(const wchar_t *name, HANDLE first, HANDLE second)
{
    wchar_t value[64];

    if (second)
        swprintf(value, 64, L"%llu,%llu", (unsigned long long)(uintptr_t)first,
                 (unsigned long long)(uintptr_t)second);
    else
        swprintf(value, 64, L"%llu", (unsigned long long)(uintptr_t)first);
    SetEnvironmentVariableW(name, value);
}

/* Without a console nobody can be asked to end by Ctrl+Break: a service gets one that is not seen.
 * The standard handles are those from before. */
static void ensure_console(void)
{
    if (GetConsoleCP() != 0)
        return;
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE);
    HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE);
    HANDLE error = GetStdHandle(STD_ERROR_HANDLE);
    if (!AllocConsole())
        return;
    ShowWindow(GetConsoleWindow(), SW_HIDE);
    SetStdHandle(STD_INPUT_HANDLE, in);
    SetStdHandle(STD_OUTPUT_HANDLE, out);
    SetStdHandle(STD_ERROR_HANDLE, error);
}

static HANDLE make_job(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    HANDLE made = CreateJobObjectW(NULL, NULL);

    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!made || !SetInformationJobObject(made, JobObjectExtendedLimitInformation, &limits,
                                          sizeof limits))
        die(EXIT_SYSTEM, "Cannot make a job for the worker (error %lu).", GetLastError());
    return made;
}

void front_prepare(const char *exe, int inquiry)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    wchar_t wide[WIDE_MAX];

    make_path(executable, "%s", exe);
    only_asked = inquiry;
    is_inner = GetEnvironmentVariableW(FRONT, NULL, 0) > 0;
    if (!is_inner) {
        ensure_console();
        job = make_job();
        stop = CreateEventW(&inherited, TRUE, FALSE, NULL);
        console_out = inheritable(STD_OUTPUT_HANDLE);
        console_error = inheritable(STD_ERROR_HANDLE);
        set_number(STOP, stop, NULL);
        SetEnvironmentVariableW(STDIO, NULL);
    }
    SetConsoleCtrlHandler(on_control, TRUE);
    widen(wide, exe);
    SetEnvironmentVariableW(L"_GAIA_EXE", wcsncmp(wide, L"\\\\?\\UNC\\", 8) == 0 ? wide
                                          : wcsncmp(wide, L"\\\\?\\", 4) == 0    ? wide + 4
                                                                                 : wide);
}

/* Forwards what the release on probation writes. A thread, as the reader of the console may stop
 * reading, which must not keep the front from watching. */
static DWORD WINAPI forward_log(void *argument)
{
    run_t *run = argument;
    char block[4096];
    OVERLAPPED at = {0};
    DWORD got;
    DWORD written;

    for (;;) {
        LONG last = run->ended;
        while (ReadFile(run->log, block, sizeof block, &got, &at) && got > 0) {
            at.Offset += got;
            if (at.Offset < got)
                at.OffsetHigh++;
            WriteFile(console_error, block, got, &written, NULL);
        }
        if (last)
            return 0;
        Sleep(POLL_MILLISECONDS);
    }
}

/* The log of a release on probation, empty; NULL when it cannot be made, as on a full disk. */
static HANDLE open_log(const marker_t *marker)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    char path[PATH_MAX];
    wchar_t wide[WIDE_MAX];
    DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

    make_path(path, "%s/%s.log", marker->folder, strrchr(executable, '/') + 1);
    widen(wide, path);
    HANDLE made = CreateFileW(wide, FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE, share, &inherited,
                              CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    return made == INVALID_HANDLE_VALUE ? NULL : made;
}

static void begin_log(run_t *run, const marker_t *marker, STARTUPINFOW *startup)
{
    char path[PATH_MAX];
    wchar_t wide[WIDE_MAX];
    HANDLE writer = open_log(marker);

    if (!writer)
        return;
    make_path(path, "%s/%s.log", marker->folder, strrchr(executable, '/') + 1);
    widen(wide, path);
    run->log = CreateFileW(wide, GENERIC_READ,
                           FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                           OPEN_EXISTING, 0, NULL);
    run->tap = CreateThread(NULL, 0, forward_log, run, 0, NULL);
    startup->hStdOutput = startup->hStdError = writer;
    set_number(STDIO, console_out, console_error);
}

static void start(run_t *run, const char *program, const marker_t *marker)
{
    STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION process;
    wchar_t wide[WIDE_MAX];

    startup.hStdInput = inheritable(STD_INPUT_HANDLE);
    startup.hStdOutput = is_inner ? inheritable(STD_OUTPUT_HANDLE) : console_out;
    startup.hStdError = is_inner ? inheritable(STD_ERROR_HANDLE) : console_error;
    if (!is_inner)
        SetEnvironmentVariableW(STDIO, NULL);
    if (marker)
        begin_log(run, marker, &startup);
    widen(wide, program);
    /* The command line as it is, for quotes are a matter of taste on Windows. */
    if (!CreateProcessW(wide[5] == L':' ? wide + 4 : wide, GetCommandLineW(), NULL, NULL, TRUE,
                        CREATE_SUSPENDED, NULL, NULL, &startup, &process))
        die(EXIT_SYSTEM, "Cannot start %s (error %lu).", program, GetLastError());
    if (job && !AssignProcessToJobObject(job, process.hProcess))
        say("Cannot put the worker into a job (error %lu).", GetLastError());
    ResumeThread(process.hThread);
    CloseHandle(process.hThread);
    CloseHandle(startup.hStdInput);
    if (startup.hStdOutput != console_out)
        CloseHandle(startup.hStdOutput);
    run->process = process.hProcess;
}

/* The trial's time of the last sign of life, 0 when there is none. */
static ULONGLONG pulse_of(const marker_t *marker)
{
    char path[PATH_MAX];
    wchar_t wide[WIDE_MAX];
    WIN32_FILE_ATTRIBUTE_DATA found;

    make_path(path, "%s/%s.alive", marker->folder, strrchr(executable, '/') + 1);
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

/* Waits for the end of `run`. Returns whether the release on probation had to be ended, as it gave
 * no sign of life. */
static int watch(const run_t *run)
{
    static marker_t marker;
    ULONGLONG silent = 0;
    ULONGLONG pulse = 0;
    ULONGLONG then = GetTickCount64();

    while (WaitForSingleObject(run->process, POLL_MILLISECONDS) == WAIT_TIMEOUT) {
        ULONGLONG now = GetTickCount64();
        /* A front that was itself suspended or starved has seen no silence. */
        silent += now - then < LONGEST_STEP ? now - then : LONGEST_STEP;
        then = now;
        if (is_inner || only_asked || trial_read(&marker, executable) != 1) {
            silent = 0;
            continue;
        }
        ULONGLONG latest = pulse_of(&marker);
        if (latest != pulse)
            silent = 0;
        pulse = latest;
        if (silent > silence_allowed(&marker)) {
            TerminateJobObject(job, EXIT_SYSTEM);
            WaitForSingleObject(run->process, INFINITE);
            return 1;
        }
    }
    return 0;
}

static int exists(const char *format, const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat info;

    make_path(path, format, folder, name);
    return stat(path, &info) == 0;
}

/* A worker that was killed in the middle of the swap has left no file at the path. */
static void heal(void)
{
    char backup[PATH_MAX];

    make_path(backup, "%s.bak", executable);
    if (access(executable, X_OK) != 0 && access(backup, X_OK) == 0 &&
        rename(backup, executable) != 0)
        say("Cannot put %s back: %s.", backup, strerror(errno));
}

/* Takes the release on probation back that has just ended. Returns whether there was one. */
static int condemn(int hung)
{
    static marker_t marker;
    char sha256[2 * SHA256_SIZE + 1];
    char tail[256];
    const char *lost = "";

    if (trial_read(&marker, executable) != 1 ||
        !trial_find(marker.text, "sha256", sha256, sizeof sha256) ||
        !has_digest(executable, sha256) ||
        exists("%s/%s.stopped", marker.folder, strrchr(executable, '/') + 1))
        return 0;
    if (!trial_is_sound(&marker))
        lost = " The backup is missing or damaged.";
    else if (rename(marker.backup, executable) != 0)
        lost = " The backup could not be put back.";
    snprintf(tail, sizeof tail, "reason=%s\ndetail=%s%s\n", hung ? "hung" : "exited",
             hung ? "It gave no sign of life on probation."
                  : "It ended by itself while on probation.",
             lost);
    trial_retire(&marker, executable, tail);
    return 1;
}

/* Runs `program` to its end. Returns whether another version is to be started then; if not, this
 * process ends. */
static void run_once(const char *program)
{
    static marker_t marker;
    run_t run = {0};
    DWORD code = EXIT_SYSTEM;

    int on_trial = !is_inner && !only_asked && trial_read(&marker, executable) == 1;
    start(&run, program, on_trial ? &marker : NULL);
    int hung = watch(&run);
    GetExitCodeProcess(run.process, &code);
    CloseHandle(run.process);
    if (is_inner || only_asked)
        exit((int)code);
    TerminateJobObject(job, EXIT_SYSTEM);
    run.ended = 1;
    if (run.tap) {
        WaitForSingleObject(run.tap, LAST_WORDS_MILLISECONDS);
        CloseHandle(run.tap);
    }
    heal();
    /* A version that keeps asking for a relaunch on probation is stopped by the boot counter. */
    if ((hung || code != EXIT_RELAUNCH) && !condemn(hung))
        exit((int)code);
    if (WaitForSingleObject(stop, 0) == WAIT_OBJECT_0)
        exit(0);
}

void front_run(const char *program)
{
    wchar_t self[32];

    if (!is_inner) {
        swprintf(self, 32, L"%lu", GetCurrentProcessId());
        SetEnvironmentVariableW(FRONT, self);
    }
    for (;;) {
        run_once(program);
        program = executable;
    }
}

int front_replace(const char *path)
{
    if (is_inner)
        exit(EXIT_RELAUNCH);
    front_run(path);
}
