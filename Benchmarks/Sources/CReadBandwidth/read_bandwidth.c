#include "read_bandwidth.h"

// Eight independent sums per step keep enough loads in flight; the vector width is the target attribute's.
typedef unsigned long long lanes __attribute__((vector_size(64), aligned(64)));

static inline __attribute__((always_inline)) unsigned long long read_all(const void *bytes, size_t byte_count) {
    const lanes *p = bytes;
    lanes sum[8] = {{0}};
    for (size_t i = 0; i < byte_count / sizeof(lanes); i += 8) {
        for (int j = 0; j < 8; j++) sum[j] += p[i + j];
    }
    lanes all = {0};
    for (int j = 0; j < 8; j++) all += sum[j];
    unsigned long long result = 0;
    for (int j = 0; j < 8; j++) result += all[j];
    return result;
}

#if defined(__x86_64__)
static __attribute__((target("avx512f"))) unsigned long long read_avx512(const void *bytes, size_t byte_count) {
    return read_all(bytes, byte_count);
}
static __attribute__((target("avx2"))) unsigned long long read_avx2(const void *bytes, size_t byte_count) {
    return read_all(bytes, byte_count);
}
#endif

unsigned long long read_all_bytes(const void *bytes, size_t byte_count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return read_avx512(bytes, byte_count);
    if (__builtin_cpu_supports("avx2")) return read_avx2(bytes, byte_count);
#endif
    return read_all(bytes, byte_count);
}
