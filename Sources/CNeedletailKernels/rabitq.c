// Chooses the functions of the tier in use, draws the signs of a rotation, and moves codes.
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

void nt_rabitq_move(const void *group, const uint8_t from[NT_RABITQ_GROUP], size_t rotated_dimension, void *to) {
    const uint16_t *numbers = (const uint16_t *)group + 64;
    uint16_t *out_numbers = (uint16_t *)to + 64;
    for (size_t i = 0; i < NT_RABITQ_GROUP; ++i) {
        if (from[i] >= NT_RABITQ_GROUP) continue;
        out_numbers[i] = numbers[from[i]];
        out_numbers[NT_RABITQ_GROUP + i] = numbers[NT_RABITQ_GROUP + from[i]];
    }
    // A place beyond the group stands for a code of zeros.
    uint8_t codes[NT_RABITQ_GROUP + 1], places[NT_RABITQ_GROUP];
    codes[NT_RABITQ_GROUP] = 0;
    for (size_t i = 0; i < NT_RABITQ_GROUP; ++i) places[i] = from[i] < NT_RABITQ_GROUP ? from[i] : NT_RABITQ_GROUP;
    for (size_t t = 0; t < rotated_dimension / 4; ++t) {
        const uint8_t *row = (const uint8_t *)group + NT_RABITQ_CODES + 16 * t;
        uint8_t *out = (uint8_t *)to + NT_RABITQ_CODES + 16 * t;
        for (size_t i = 0; i < 16; ++i) codes[i] = row[i] & 15, codes[16 + i] = row[i] >> 4;
        for (size_t i = 0; i < 16; ++i) out[i] |= (uint8_t)(codes[places[i]] | codes[places[16 + i]] << 4);
    }
}
