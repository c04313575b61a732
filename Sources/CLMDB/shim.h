// What Swift cannot import by itself: lmdb.h as a module, and fallocate(2), which glibc declares for GNU programs only.
#pragma once
#include <lmdb.h>
#include <errno.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/// Gives a file blocks without changing its length: 0 or an errno.
static inline int nt_allocate_blocks(int descriptor, long offset, long byte_count) {
    const int keep_size = 1; // FALLOC_FL_KEEP_SIZE
#if defined(__LP64__)
    return syscall(SYS_fallocate, descriptor, keep_size, offset, byte_count) == 0 ? 0 : errno;
#else
    // Where a file offset takes two registers, the reserve is done without.
    (void)descriptor, (void)offset, (void)byte_count, (void)keep_size;
    return ENOTSUP;
#endif
}
#endif
