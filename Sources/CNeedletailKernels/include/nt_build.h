// What threads that build one graph share: lists of neighbours, and a lock of one byte for each node.
//
// A list is written only under its node's lock and read without one. So that this is no data race, every access of an
// entry is a relaxed atomic one, which costs what a plain one costs. A reader may see half of a change: some entries of
// the list before it and some of the list after it, all of them nodes that were neighbours at one of these times.
#pragma once
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nt_graph.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline uint32_t nt_load_entry(const uint32_t *entry) { return __atomic_load_n(entry, __ATOMIC_RELAXED); }
static inline void nt_store_entry(uint32_t *entry, uint32_t value) { __atomic_store_n(entry, value, __ATOMIC_RELAXED); }

/// Copies the entries of a list up to its end; returns how many.
static inline size_t nt_list_load(const uint32_t *list, size_t degree, uint32_t *out) {
    size_t count = 0;
    for (; count < degree; ++count) {
        uint32_t entry = nt_load_entry(list + count);
        if (entry == 0xFFFFFFFFu) break;
        out[count] = entry;
    }
    return count;
}

/// Replaces the entries of a list, and ends it where it is shorter than `degree`; the caller holds the lock.
static inline void nt_list_store(uint32_t *list, size_t degree, const uint32_t *entries, size_t count) {
    for (size_t i = 0; i < count; ++i) nt_store_entry(list + i, entries[i]);
    for (size_t i = count; i < degree; ++i) nt_store_entry(list + i, 0xFFFFFFFFu);
}

/// Whether a list is as builds write them: it ends where it should, holds no number twice nor `own`, and all are below `count` and,
/// where `deleted` is not null, have no bit set there. No other thread may write it.
static inline int nt_list_is_sound(const uint32_t *list, size_t degree, uint32_t own, uint32_t count, const uint64_t *deleted) {
    // Without branches, so that each loop becomes a few vector instructions.
    uint32_t twice[2 * NT_DEGREE_LIMIT], bad = 0;
    // Behind the end, numbers that no other equals.
    for (size_t i = 0; i < degree; ++i) twice[i] = list[i] == 0xFFFFFFFFu ? 0xFFFFFFFFu - (uint32_t)i : list[i];
    memcpy(twice + degree, twice, degree * sizeof(uint32_t));
    for (size_t i = 0; i < degree; ++i)
        bad |= ((uint32_t)(list[i] >= count) & (uint32_t)(list[i] != 0xFFFFFFFFu)) | (uint32_t)(list[i] == own);
    for (size_t i = 1; i < degree; ++i) bad |= (uint32_t)(list[i - 1] == 0xFFFFFFFFu) & (uint32_t)(list[i] != 0xFFFFFFFFu);
    for (size_t turn = 1; turn <= degree / 2; ++turn)
        for (size_t i = 0; i < degree; ++i) bad |= (uint32_t)(twice[i] == twice[i + turn]);
    if (bad) return 0;
    if (!deleted) return 1;
    uint64_t dead = 0;
    for (size_t i = 0; i < degree && list[i] != 0xFFFFFFFFu; ++i) dead |= deleted[list[i] >> 6] >> (list[i] & 63);
    return !(dead & 1);
}

/// Marks the nodes that a list leads to, and puts those that were not marked at the end of a queue. Threads share `marks`, a
/// byte a node, `queue` and its `end`; no thread writes lists.
static inline void nt_list_follow(const uint32_t *list, size_t degree, uint8_t *marks, uint32_t *queue, size_t *end) {
    uint32_t found[NT_DEGREE_LIMIT];
    size_t count = 0;
    for (size_t i = 0; i < degree && list[i] != 0xFFFFFFFFu; ++i) {
        uint8_t *mark = marks + list[i];
        if (__atomic_load_n(mark, __ATOMIC_RELAXED) || __atomic_exchange_n(mark, 1, __ATOMIC_RELAXED)) continue;
        found[count++] = list[i];
    }
    if (count == 0) return;
    memcpy(queue + __atomic_fetch_add(end, count, __ATOMIC_RELAXED), found, count * sizeof(uint32_t));
}

/// A lock is held for a microsecond or two and hardly ever wanted by two threads at once. A holder that has lost its CPU
/// gets it back sooner where those who wait give way.
static inline void nt_spin_lock(uint8_t *lock) {
    for (int tries = 0; __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE); ++tries) {
        while (__atomic_load_n(lock, __ATOMIC_RELAXED)) {
            if (++tries > 64) {
                tries = 0;
                sched_yield();
            }
#if defined(__x86_64__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            __asm__ volatile("yield");
#endif
        }
    }
}

static inline void nt_spin_unlock(uint8_t *lock) { __atomic_store_n(lock, 0, __ATOMIC_RELEASE); }

#ifdef __cplusplus
}
#endif
