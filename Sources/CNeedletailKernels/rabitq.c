// Chooses the functions of the tier in use, and draws the signs of a rotation.
#include "nt_rabitq.h"

extern const nt_rabitq nt_rabitq_portable;
#if defined(__x86_64__)
extern const nt_rabitq nt_rabitq_avx2, nt_rabitq_avx512;
#elif defined(__aarch64__)
extern const nt_rabitq nt_rabitq_neon;
#endif

const nt_rabitq *nt_rabitq_of(nt_cpu_tier tier) {
    if (tier > nt_cpu_best()) return NULL;
    switch (tier) {
    case NT_CPU_PORTABLE: return &nt_rabitq_portable;
#if defined(__x86_64__)
    case NT_CPU_AVX2: return &nt_rabitq_avx2;
    case NT_CPU_AVX512: return &nt_rabitq_avx512;
#elif defined(__aarch64__)
    case NT_CPU_NEON: return &nt_rabitq_neon;
#endif
    default: return NULL;
    }
}

const nt_rabitq *nt_rabitq_current(void) { return nt_rabitq_of(nt_cpu_current()); }

// SplitMix64, a sign from each number's highest bit.
void nt_rabitq_signs(uint64_t seed, size_t count, float *signs) {
    for (size_t i = 0; i < count; ++i) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t z = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        signs[i] = (z ^ (z >> 31)) >> 63 ? -1.0f : 1.0f;
    }
}
