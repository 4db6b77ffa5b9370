/* bcryptprimitives.dll, which the package cryptography loads and Wine 8 lacks. */
__declspec(dllimport) unsigned char SystemFunction036(void *, unsigned);

int ProcessPrng(void *buffer, unsigned long long length) {
    return SystemFunction036(buffer, (unsigned)length);
}

int start(void *library, unsigned reason, void *reserved) {
    (void)library, (void)reason, (void)reserved;
    return 1;
}
