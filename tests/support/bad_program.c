/* A release for Windows that passes its self-check and then misbehaves, as BEHAVIOUR says. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

int main(int argc, char **argv)
{
    int asked = argc > 1 && strcmp(argv[1], "--self-check") == 0;

    if (strcmp(BEHAVIOUR, "exits-in-preflight") == 0) {
        fputs("cannot load", stderr);
        return 3;
    }
    if (asked)
        return 0;
    fputs("no GPU\n", stderr);
    fflush(stderr);
    if (strcmp(BEHAVIOUR, "crashes") == 0)
        *(volatile int *)0 = 1;
    if (strcmp(BEHAVIOUR, "hangs") == 0)
        Sleep(INFINITE);
    return 1;
}
