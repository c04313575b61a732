// What the scans of all tiers share: what becomes of a block's sums. A source file includes this after defining
// its target attribute as NT_PQ_TARGET (empty for the portable tier).
#pragma once
#include "nt_distance.h"
#include "nt_pq.h"

/// Room for one more block, the least keys being kept and the threshold lowered where there is none.
void nt_pq_make_room(nt_pq_query *query);

/// The sums of a block, those of rows 0, 2, 4 … apart from those of rows 1, 3, 5 …: they are added up in this form.
typedef struct {
    _Alignas(64) uint16_t even[NT_PQ_BLOCK / 2];
    _Alignas(64) uint16_t odd[NT_PQ_BLOCK / 2];
} nt_pq_sums;

/// Keeps the rows of a block that bits of `even` and `odd` stand for.
static inline __attribute__((always_inline)) void nt_pq_keep(
    nt_pq_query *query, const nt_pq_run *run, const uint32_t *slots, const uint16_t *sums, uint32_t hits, uint32_t parity) {
    for (; hits; hits &= hits - 1) {
        const uint32_t at = (uint32_t)__builtin_ctz(hits), slot = slots[2 * at + parity];
        if (slot >= run->slot_count) continue;
        if (run->allowed && !(run->allowed[slot >> 6] >> (slot & 63) & 1)) continue;
        if (run->deleted && run->deleted[slot >> 6] >> (slot & 63) & 1) continue;
        query->keys[query->count++] = nt_key(query->base + query->step * (float)sums[at], slot);
    }
}

/// Bits of the rows that a block has, of even or odd ones.
static inline uint32_t nt_pq_row_bits(size_t rows, uint32_t parity) {
    const size_t count = (rows + 1 - parity) / 2;
    return count >= 32 ? 0xFFFFFFFFu : (1u << count) - 1;
}

/// Asks for the next line of what comes after the run, if there is one. A step of the scan reads a line of codes, so that of two
/// runs of like length the second is there when the first has been scanned; the hardware alone begins anew in each page.
static inline __attribute__((always_inline)) void nt_pq_look_ahead(const uint8_t **ahead, const uint8_t *end) {
    if (*ahead >= end) return;
    __builtin_prefetch(*ahead, 0, 2);
    *ahead += 64;
}
