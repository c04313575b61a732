// Which instruction set the kernels use: found once at start from the CPU.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// Instruction-set tiers, lowest first. A tier implies all below it on the same architecture.
typedef enum {
    NT_CPU_PORTABLE = 0,
    NT_CPU_NEON = 1,    ///< arm64 with NEON (and its fp16 and dot-product extensions where compiled in)
    NT_CPU_AVX2 = 2,    ///< x86-64 with AVX2, FMA, F16C
    NT_CPU_AVX512 = 3,  ///< x86-64 with AVX-512 F, BW, VL, DQ and VNNI
} nt_cpu_tier;

/// The tier in use. `NEEDLETAIL_CPU=portable|neon|avx2|avx512` in the environment forces a lower one than the CPU has;
/// a higher or unknown one is ignored. Read once, before `main`.
nt_cpu_tier nt_cpu_current(void);

/// The highest tier that this CPU has, whatever the environment says.
nt_cpu_tier nt_cpu_best(void);

/// The number of the CPU that the caller runs on at the moment, or 0 where it cannot be told: a hint, since the next moment
/// it may be another. Some ten nanoseconds.
unsigned nt_cpu_number(void);

#ifdef __cplusplus
}
#endif
