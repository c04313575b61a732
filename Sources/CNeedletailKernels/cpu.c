#define _GNU_SOURCE  // sched_getcpu
#include "nt_cpu.h"
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif

static nt_cpu_tier best = NT_CPU_PORTABLE;
static nt_cpu_tier current = NT_CPU_PORTABLE;

static nt_cpu_tier detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!avx2) return NT_CPU_PORTABLE;
    int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vnni");
    return avx512 ? NT_CPU_AVX512 : NT_CPU_AVX2;
#elif defined(__aarch64__)
    return NT_CPU_NEON;
#else
    return NT_CPU_PORTABLE;
#endif
}

// Priority 101: before any other constructor of this library that picks functions by tier.
__attribute__((constructor(101))) static void nt_cpu_start(void) {
    best = current = detect();
    const char *wish = getenv("NEEDLETAIL_CPU");
    if (!wish) return;
    nt_cpu_tier forced = best;
    if (!strcmp(wish, "portable")) forced = NT_CPU_PORTABLE;
#if defined(__aarch64__)
    else if (!strcmp(wish, "neon")) forced = NT_CPU_NEON;
#elif defined(__x86_64__)
    else if (!strcmp(wish, "avx2")) forced = NT_CPU_AVX2;
    else if (!strcmp(wish, "avx512")) forced = NT_CPU_AVX512;
#endif
    if (forced < best) current = forced;
}

nt_cpu_tier nt_cpu_current(void) { return current; }
nt_cpu_tier nt_cpu_best(void) { return best; }

unsigned nt_cpu_number(void) {
#if defined(__linux__)
    int number = sched_getcpu();
    return number < 0 ? 0 : (unsigned)number;
#elif defined(__APPLE__)
    size_t number = 0;
    return pthread_cpu_number_np(&number) ? 0 : (unsigned)number;
#else
    return 0;
#endif
}
