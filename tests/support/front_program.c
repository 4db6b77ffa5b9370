/* In place of the worker behind a front for Windows: does what is asked of it on the command line.
 * Without a C library, as that takes a minute to compile. */
#define FROM_SYSTEM __declspec(dllimport)
#define STANDARD_ERROR ((unsigned)-12)
#define FOR_EVER 0xffffffffu
#define NO_FILE 0xffffffffu

FROM_SYSTEM void *GetStdHandle(unsigned which);
FROM_SYSTEM int WriteFile(void *file, const void *data, unsigned size, unsigned *written, void *at);
FROM_SYSTEM const char *GetCommandLineA(void);
FROM_SYSTEM unsigned GetEnvironmentVariableA(const char *name, char *value, unsigned size);
FROM_SYSTEM unsigned GetFileAttributesA(const char *path);
FROM_SYSTEM void Sleep(unsigned milliseconds);
FROM_SYSTEM unsigned WaitForSingleObject(void *object, unsigned milliseconds);
FROM_SYSTEM _Noreturn void ExitProcess(unsigned code);

/* The number after `word` on the command line; 0 without. */
static unsigned asked(const char *word)
{
    for (const char *text = GetCommandLineA(); *text; text++) {
        const char *here = text;
        const char *there = word;
        unsigned number = 0;
        while (*there && *here == *there)
            here++, there++;
        if (*there)
            continue;
        for (; *here >= '0' && *here <= '9'; here++)
            number = 10 * number + (unsigned)(*here - '0');
        return number;
    }
    return 0;
}

static void *event_of_the_end(void)
{
    char text[32];
    unsigned length = GetEnvironmentVariableA("_GAIA_STOP", text, sizeof text);
    unsigned long long number = 0;

    for (unsigned i = 0; i < length; i++)
        number = 10 * number + (unsigned)(text[i] - '0');
    return (void *)number;
}

/* Whether there is a file named as the executable and "hold": then it takes its time to end. */
static int is_held(void)
{
    static char path[4096];
    unsigned length = GetEnvironmentVariableA("_GAIA_EXE", path, sizeof path - 8);

    for (const char *mark = ".hold"; (path[length++] = *mark); mark++)
        ;
    return GetFileAttributesA(path) != NO_FILE;
}

void start(void)
{
    static char line[1024];
    unsigned written;

    for (unsigned i = 0; i < sizeof line; i++)
        line[i] = i == sizeof line - 1 ? '\n' : '.';
    WriteFile(GetStdHandle(STANDARD_ERROR), "runs\n", 5, &written, 0);
    for (unsigned i = 0; i < asked("--kilobytes="); i++)
        WriteFile(GetStdHandle(STANDARD_ERROR), line, sizeof line, &written, 0);
    if (asked("--exit="))
        ExitProcess(asked("--exit="));
    WaitForSingleObject(event_of_the_end(), FOR_EVER);
    while (is_held())
        Sleep(50);
    ExitProcess(0);
}
