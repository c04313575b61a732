#ifndef READ_BANDWIDTH_H
#define READ_BANDWIDTH_H

#include <stddef.h>

/// Reads every byte of `bytes` (`byte_count`, a multiple of 512, 64-byte aligned) once, in order, with the widest loads the CPU has,
/// and returns a sum of them, so that the compiler keeps the loads. What limits it is memory.
unsigned long long read_all_bytes(const void *bytes, size_t byte_count);

#endif
