#include "service.h"

#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>

#define MANAGER L"services.exe"
#define BEAT_MILLISECONDS 1000
#define PATIENCE_OF_A_BEAT 15000
#define PATIENCE_OF_A_START 120000 /* unpacking, on a slow disk, under the eyes of a scanner */

static void (*work)(void);
static HANDLE end_of_work;
static ULONGLONG last_beat;
static SERVICE_STATUS_HANDLE manager; /* NULL: nobody to tell */
static SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS};
static SRWLOCK status_lock = SRWLOCK_INIT;

/* Tells the manager. What has ended has nothing more to tell. */
static void report(DWORD state, DWORD patience)
{
    AcquireSRWLockExclusive(&status_lock);
    if (status.dwCurrentState != SERVICE_STOPPED) {
        status.dwCheckPoint = patience ? status.dwCheckPoint + 1 : 0;
        status.dwWaitHint = patience;
        status.dwControlsAccepted =
            state == SERVICE_RUNNING
                ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PRESHUTDOWN
                : 0;
        status.dwCurrentState = state;
        SetServiceStatus(manager, &status);
    }
    ReleaseSRWLockExclusive(&status_lock);
}

static DWORD WINAPI on_request(DWORD what, DWORD event, void *data, void *context)
{
    (void)event, (void)data, (void)context;
    switch (what) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
    case SERVICE_CONTROL_PRESHUTDOWN:
        report(SERVICE_STOP_PENDING, PATIENCE_OF_A_BEAT);
        SetEvent(end_of_work);
        return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
        return NO_ERROR;
    default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

static void WINAPI serve(DWORD count, wchar_t **names)
{
    (void)count;
    manager = RegisterServiceCtrlHandlerExW(names[0], on_request, NULL);
    report(SERVICE_START_PENDING, PATIENCE_OF_A_START);
    work();
}

/* Under Wine 8 anybody may connect to the manager, even in another's place: so ask only if it is
 * the parent. Whoever else is called so has no connection to offer, and all is as in a console. */
static int is_child_of_manager(void)
{
    PROCESSENTRY32W process = {.dwSize = sizeof process};
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    DWORD parent = 0;
    int found = 0;

    for (BOOL more = Process32FirstW(all, &process); more && !parent;
         more = Process32NextW(all, &process))
        if (process.th32ProcessID == GetCurrentProcessId())
            parent = process.th32ParentProcessID;
    for (BOOL more = Process32FirstW(all, &process); more && parent;
         more = Process32NextW(all, &process))
        if (process.th32ProcessID == parent)
            found = _wcsicmp(process.szExeFile, MANAGER) == 0;
    CloseHandle(all);
    return found;
}

void service_run(void (*body)(void))
{
    static wchar_t any_name[] = L"";
    const SERVICE_TABLE_ENTRYW services[] = {{any_name, serve}, {NULL, NULL}};

    work = body;
    /* Returns at once when there is no connection, else when the service has ended: its own thread
     * then ends the process. */
    if (is_child_of_manager() && StartServiceCtrlDispatcherW(services))
        Sleep(INFINITE);
    body();
}

int service_is_one(void)
{
    return manager != NULL;
}

void service_began(HANDLE stop)
{
    end_of_work = stop;
    if (manager)
        report(SERVICE_RUNNING, 0);
}

void service_beat(void)
{
    ULONGLONG now = GetTickCount64();

    if (status.dwCurrentState != SERVICE_STOP_PENDING || now - last_beat < BEAT_MILLISECONDS)
        return;
    last_beat = now;
    report(SERVICE_STOP_PENDING, PATIENCE_OF_A_BEAT);
}

/* A service that ends unasked has failed, whatever its exit code: the manager starts it again. */
#undef exit
void service_exit(int code)
{
    if (manager) {
        if (WaitForSingleObject(end_of_work, 0) != WAIT_OBJECT_0) {
            status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
            status.dwServiceSpecificExitCode = (DWORD)code;
        }
        report(SERVICE_STOPPED, 0);
    }
    exit(code);
}
