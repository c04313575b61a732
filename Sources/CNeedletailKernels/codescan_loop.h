// The scan by signs, written once and compiled into each tier's file around that tier's arithmetic.
//
// The including file defines, before it includes this one:
//   TARGET                              the attribute that chooses the instruction set (may be empty)
//   sign_sums(codes, rows, words, raw)  always-inlined: of four rows, Σ codes where the row's bit is set; 64 bits a word
// and names the table FUNCTIONS and its TIER.
#pragma once
#include "nt_codescan.h"

// A fused multiply-add would give other bits in one tier than in another.
#pragma STDC FP_CONTRACT OFF

// Rows that are asked for ahead of their use.
#define SIGN_AHEAD_ROWS 24

static inline __attribute__((always_inline)) TARGET const uint8_t *sign_row(const nt_rows *rows, uint32_t slot) {
    const uint8_t *chunk = rows->blocks[slot >> rows->block_shift];
    return chunk + (slot & ((1u << rows->block_shift) - 1)) * rows->stride;
}

static inline __attribute__((always_inline)) TARGET void prefetch_signs(const nt_rows *rows, uint32_t slot) {
    const uint8_t *row = sign_row(rows, slot);
    for (size_t i = 0; i < rows->stride; i += 64) __builtin_prefetch(row + i, 0, 3);
}

typedef float four_floats __attribute__((vector_size(16), aligned(4)));
typedef int32_t four_ints __attribute__((vector_size(16), aligned(4)));

/// For four rows, -1 where the least that the distance may be is at most the threshold, else 0.
static inline __attribute__((always_inline)) TARGET void are_within(
    const nt_sign_query *query, const uint8_t *const *rows, size_t numbers, const int32_t *raw, float threshold, int32_t *flags) {
    // Rows have four bytes behind their three numbers, so that all can be loaded at once.
    four_floats r[4];
    for (int i = 0; i < 4; ++i) memcpy(r + i, rows[i] + numbers, sizeof *r);
    const four_floats a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    const four_floats add = __builtin_shufflevector(a, b, 0, 1, 4, 5), scale = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    const four_floats c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    const four_floats error = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    four_ints sums;
    memcpy(&sums, raw, sizeof sums);
    const four_floats product = query->bias + query->step * __builtin_convertvector(sums, four_floats);
    const four_floats least = (add + scale * product) - query->slack * error;
    const four_ints found = least <= threshold;
    memcpy(flags, &found, sizeof found);
}

TARGET static size_t within(const nt_sign_query *given, const nt_rows *given_rows, const uint32_t *slots, size_t count,
                            float threshold, uint32_t *out) {
    const nt_sign_query query = *given;
    const nt_rows rows = *given_rows;
    const size_t words = query.rotated_dimension / 64, numbers = query.rotated_dimension / 8;
    size_t found = 0, ahead = count < SIGN_AHEAD_ROWS ? count : SIGN_AHEAD_ROWS;
    for (size_t i = 0; i < ahead; ++i) prefetch_signs(&rows, slots[i]);
    for (size_t i = 0; i < count; i += 4) {
        for (int j = 0; j < 4 && ahead < count; ++j, ++ahead) prefetch_signs(&rows, slots[ahead]);
        const size_t rest = count - i < 4 ? count - i : 4;
        // Short of four, the last row is taken again. `out` may be `slots`: what is read here is not yet written over.
        uint32_t four[4];
        const uint8_t *row[4];
        for (size_t j = 0; j < 4; ++j) {
            four[j] = slots[i + (j < rest ? j : rest - 1)];
            row[j] = sign_row(&rows, four[j]);
        }
        int32_t raw[4];
        sign_sums(query.codes, row, words, raw);
        int32_t flags[4];
        are_within(&query, row, numbers, raw, threshold, flags);
        for (size_t j = 0; j < rest; ++j) {
            out[found] = four[j];
            found += (size_t)-flags[j];
        }
    }
    return found;
}

const nt_codescan FUNCTIONS = {.tier = TIER, .within = within};
