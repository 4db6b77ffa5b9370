/* A release for Windows that passes its self-check and then misbehaves, as BEHAVIOUR says. Without
 * a C library, as that takes a minute to compile. */
#define FROM_SYSTEM __declspec(dllimport)
#define STANDARD_ERROR ((unsigned)-12)
#define FOR_EVER 0xffffffffu

FROM_SYSTEM void *GetStdHandle(unsigned which);
FROM_SYSTEM int WriteFile(void *file, const void *data, unsigned size, unsigned *written, void *at);
FROM_SYSTEM const char *GetCommandLineA(void);
FROM_SYSTEM void Sleep(unsigned milliseconds);
FROM_SYSTEM _Noreturn void ExitProcess(unsigned code);

static int equal(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

static int contains(const char *text, const char *word)
{
    for (; *text; text++) {
        const char *here = text;
        const char *there = word;
        while (*there && *here == *there)
            here++, there++;
        if (!*there)
            return 1;
    }
    return 0;
}

static void say(const char *text, unsigned length)
{
    unsigned written;
    WriteFile(GetStdHandle(STANDARD_ERROR), text, length, &written, 0);
}

void start(void)
{
    if (equal(BEHAVIOUR, "exits-in-preflight")) {
        say("cannot load\n", 12);
        ExitProcess(3);
    }
    if (contains(GetCommandLineA(), "--self-check"))
        ExitProcess(0);
    say("no GPU\n", 7);
    if (equal(BEHAVIOUR, "crashes"))
        *(volatile int *)1 = 1;
    if (equal(BEHAVIOUR, "hangs"))
        Sleep(FOR_EVER);
    ExitProcess(1);
}
