/* Windows has no exec(). In its place the first stub stays: the *front*, whose process ID, console
 * and service remain the same while versions come and go behind it. A version that put another one
 * in its place ends with EXIT_RELAUNCH, and the front starts what is at the path then.
 *
 * The front is also the guard of a release on probation: old code, or at least native code, that
 * sees how the new version ends and whether it gives signs of life. All that it starts is in a job
 * that ends with it, so that no process is ever left behind. */
#include "front.h"
#include "service.h"

#include <stdlib.h>

#define FRONT L"_GAIA_FRONT"
#define STOP L"_GAIA_STOP"

static front_t front;
static int only_asked;

int front_is_inner(void)
{
    return GetEnvironmentVariableW(FRONT, NULL, 0) > 0;
}

/* The system ends a process soon after this returns for all but Ctrl+C and Ctrl+Break; so it does
 * not, and the main thread ends the process as soon as the worker has. */
static BOOL WINAPI on_control(DWORD what)
{
    DWORD session = 0;

    /* Where services are, that is somebody else's session, which is none of their business. */
    if (what == CTRL_LOGOFF_EVENT && ProcessIdToSessionId(GetCurrentProcessId(), &session) &&
        session == 0)
        return FALSE;
    SetEvent(front.stop);
    if (what != CTRL_C_EVENT && what != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
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

static void set_number(const wchar_t *name, unsigned long long number)
{
    wchar_t value[32];

    swprintf(value, 32, L"%llu", number);
    SetEnvironmentVariableW(name, value);
}

void front_prepare(const char *exe, int inquiry)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    wchar_t wide[WIDE_MAX];

    front.exe = exe;
    only_asked = inquiry;
    launch_prepare(&front);
    if (!front_is_inner()) {
        front.job = make_job();
        front.stop = CreateEventW(&inherited, TRUE, FALSE, NULL);
        set_number(STOP, (uintptr_t)front.stop);
    }
    SetConsoleCtrlHandler(on_control, TRUE);
    widen(wide, exe);
    SetEnvironmentVariableW(L"_GAIA_EXE", wcsncmp(wide, L"\\\\?\\UNC\\", 8) == 0 ? wide
                                          : wcsncmp(wide, L"\\\\?\\", 4) == 0    ? wide + 4
                                                                                 : wide);
}

/* Runs an inner stub's program, or what answers an inquiry: nothing comes after it. */
static _Noreturn void pass_on(const char *program)
{
    run_t run = {0};
    DWORD code = EXIT_SYSTEM;

    if (launch(&front, program, &run)) {
        WaitForSingleObject(run.process, INFINITE);
        GetExitCodeProcess(run.process, &code);
    }
    exit((int)code);
}

static int is_asked_to_end(void)
{
    return WaitForSingleObject(front.stop, 0) == WAIT_OBJECT_0;
}

/* Runs `program` to its end. Returns when another version is to be started then; if not, this
 * process ends. */
static void run_once(const char *program)
{
    run_t run = {0};
    DWORD code = EXIT_SYSTEM;
    end_t end = NOT_STARTED;

    if (launch(&front, program, &run)) {
        end = watch(&front, &run);
        TerminateJobObject(front.job, EXIT_SYSTEM);
        WaitForSingleObject(run.process, INFINITE);
        GetExitCodeProcess(run.process, &code);
        CloseHandle(run.process);
    }
    if (run.log)
        log_close(run.log);
    heal(front.exe);
    if (end == NOT_STARTED && is_asked_to_end())
        exit(0);
    /* A version that keeps asking for a relaunch on probation is stopped by the boot counter. */
    if ((end != ENDED || code != EXIT_RELAUNCH) && !condemn(front.exe, end))
        exit((int)code);
    if (is_asked_to_end())
        exit(0);
}

void front_run(const char *program)
{
    if (front_is_inner() || only_asked)
        pass_on(program);
    set_number(FRONT, GetCurrentProcessId());
    service_began(front.stop);
    for (;;) {
        run_once(program);
        program = front.exe;
    }
}

int front_replace(const char *path)
{
    if (front_is_inner())
        exit(EXIT_RELAUNCH);
    front_run(path);
}
