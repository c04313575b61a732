// The keys of distances within a threshold, for tiers that have no instruction for it.
#pragma once
#include "nt_graph.h"

static inline __attribute__((always_inline)) TARGET size_t keys_within(
    const float *distances, const uint32_t *numbers, size_t count, float threshold, unsigned shift, uint64_t *keys) {
    size_t found = 0;
    for (size_t i = 0; i < count; ++i) {
        keys[found] = nt_key(distances[i], numbers[i] << shift);
        found += distances[i] <= threshold;
    }
    return found;
}
