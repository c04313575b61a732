// Chooses the traversal of the tier in use.
#include "nt_graph.h"

extern const nt_traversal *const nt_traversals_portable;
#if defined(__x86_64__)
extern const nt_traversal *const nt_traversals_avx2, *const nt_traversals_avx512;
#elif defined(__aarch64__)
extern const nt_traversal *const nt_traversals_neon;
#endif

const nt_traversal *nt_traversal_of(nt_cpu_tier tier, nt_traversal_kind kind) {
    if (tier > nt_cpu_best()) return NULL;
    switch (tier) {
    case NT_CPU_PORTABLE: return nt_traversals_portable + kind;
#if defined(__x86_64__)
    case NT_CPU_AVX2: return nt_traversals_avx2 + kind;
    case NT_CPU_AVX512: return nt_traversals_avx512 + kind;
#elif defined(__aarch64__)
    case NT_CPU_NEON: return nt_traversals_neon + kind;
#endif
    default: return NULL;
    }
}

const nt_traversal *nt_traversal_for(nt_traversal_kind kind) { return nt_traversal_of(nt_cpu_current(), kind); }
