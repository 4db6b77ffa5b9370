/* What zig.exe asks of ntdll.dll and Wine 8 does not give: this library stands between the two.
 *
 * Windows fills in the status block of a lock; Wine 8 knows locks without one only. Where Windows
 * says "not granted", it says "conflict". It does not find the attributes of a file that is named
 * relative to an open folder. It calls two newer kinds of deleting and renaming not implemented,
 * where an old Windows calls them unknown and Zig goes the older way. */
typedef int status;
typedef void *handle;
typedef unsigned ulong;
typedef struct {
    status status;
    unsigned long long information;
} status_block;

#define FROM_NTDLL __declspec(dllimport) status

FROM_NTDLL NtLockFile(handle, handle, void *, void *, status_block *, void *, void *, ulong *,
                      unsigned char, unsigned char);
FROM_NTDLL NtUnlockFile(handle, status_block *, void *, void *, ulong *);
FROM_NTDLL NtSetInformationFile(handle, status_block *, void *, ulong, int);
FROM_NTDLL NtOpenFile(handle *, ulong, void *, status_block *, ulong, ulong);
FROM_NTDLL NtQueryInformationFile(handle, status_block *, void *, ulong, int);
FROM_NTDLL NtClose(handle);

enum {
    INVALID_INFO_CLASS = (int)0xC0000003,
    FILE_LOCK_CONFLICT = (int)0xC0000054,
    LOCK_NOT_GRANTED = (int)0xC0000055,
    BASIC_INFORMATION = 4,
    BASIC_INFORMATION_SIZE = 40,
    DISPOSITION_EX = 64,
    RENAME_EX = 65,
    READ_ATTRIBUTES = 0x80,
    SHARE_ALL = 7,
    THE_LINK_ITSELF = 0x200000,
};

static status told(status_block *block, status result) {
    block->status = result;
    block->information = 0;
    return result;
}

status wine_lock(handle file, handle event, void *done, void *context, status_block *block,
                 void *offset, void *length, ulong *key, unsigned char at_once,
                 unsigned char exclusive) {
    status result =
        NtLockFile(file, event, done, context, 0, offset, length, key, at_once, exclusive);
    return told(block, result == FILE_LOCK_CONFLICT ? LOCK_NOT_GRANTED : result);
}

status wine_unlock(handle file, status_block *block, void *offset, void *length, ulong key) {
    (void)key;
    return told(block, NtUnlockFile(file, 0, offset, length, 0));
}

status wine_set(handle file, status_block *block, void *data, ulong size, int kind) {
    if (kind == DISPOSITION_EX || kind == RENAME_EX)
        return INVALID_INFO_CLASS;
    return NtSetInformationFile(file, block, data, size, kind);
}

status wine_attributes(void *name, void *information) {
    handle file;
    status_block block;
    status result = NtOpenFile(&file, READ_ATTRIBUTES, name, &block, SHARE_ALL, THE_LINK_ITSELF);
    if (result)
        return result;
    result = NtQueryInformationFile(file, &block, information, BASIC_INFORMATION_SIZE,
                                    BASIC_INFORMATION);
    NtClose(file);
    return result;
}

int start(void *library, ulong reason, void *reserved) {
    (void)library, (void)reason, (void)reserved;
    return 1;
}
