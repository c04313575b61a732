// The steps of a search by neighbour codes, for tiers that have no instruction for them.
#pragma once
#include "nt_rabitq.h"

static inline __attribute__((always_inline)) TARGET float widened(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// Estimates the distances of a group's neighbours from the sums of their signs. The keys of those nearer than the
/// threshold that have not been seen are written to `keys`, and they are marked; returns how many.
static inline __attribute__((always_inline)) TARGET size_t append_near(
    const nt_rabitq_level *level, const uint8_t *group, const uint32_t *sums, float distance, float threshold,
    nt_seen *seen, uint64_t *keys) {
    const uint32_t *numbers = (const uint32_t *)group;
    const uint16_t *add = (const uint16_t *)(group + 128), *scale = (const uint16_t *)(group + 192);
    float estimates[NT_RABITQ_GROUP];
    for (int i = 0; i < NT_RABITQ_GROUP; ++i)
        estimates[i] = distance + widened(add[i]) + widened(scale[i]) * (level->signs.bias + level->signs.step * (float)sums[i]);
    size_t found = 0;
    for (int i = 0; i < NT_RABITQ_GROUP; ++i) {
        // What stands for numbers that no node has counts as seen.
        const uint32_t number = numbers[i] < level->count ? numbers[i] : level->count;
        keys[found] = nt_key(estimates[i], number);
        const int taken = (estimates[i] < threshold) & !nt_seen_contains(seen, number);
        if (taken) nt_seen_insert(seen, number);
        found += (size_t)taken;
    }
    return found;
}

/// The position of the least key; there is one.
static inline __attribute__((always_inline)) TARGET size_t nearest_key(const uint64_t *keys, size_t count) {
    size_t least = 0;
    for (size_t i = 1; i < count; ++i) least = keys[i] < keys[least] ? i : least;
    return least;
}
