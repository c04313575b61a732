// The scan by signs, written once and compiled into each tier's file around that tier's arithmetic.
//
// The including file defines, before it includes this one:
//   TARGET                              the attribute that chooses the instruction set (may be empty)
//   SIGN_ROWS                           how many rows are looked at together, a multiple of four
//   sign_sums(codes, rows, words, raw)  always-inlined: of so many rows, Σ codes where the row's bit is set; 64 bits a word
// or, in place of the latter two, with all that follows from the sums,
//   PASSING                             and passing(query, rows, count, threshold, slots, out) as below
// and if it likes
//   PACKED                              and packed_within(query, block, threshold) as below
// and names the table FUNCTIONS and its TIER.
#pragma once
#include "nt_codescan.h"

// A fused multiply-add would give other bits in one tier than in another.
#pragma STDC FP_CONTRACT OFF

// Rows that are asked for ahead of their use: their addresses are kept until then.
#define SIGN_AHEAD_ROWS 32

/// The rows of SIGN_AHEAD_ROWS slots from a position on, of so many cache lines each; of those beyond the end, the last one.
static inline __attribute__((always_inline)) TARGET void fetch_lines(
    const nt_rows *rows, size_t lines, const uint32_t *slots, size_t position, size_t count, const uint8_t **out) {
    const size_t rest = count - position < SIGN_AHEAD_ROWS ? count - position : SIGN_AHEAD_ROWS;
    for (size_t j = 0; j < rest; ++j) {
        const uint8_t *row = (const uint8_t *)nt_row(rows, slots[position + j]);
        for (size_t i = 0; i < lines; ++i) __builtin_prefetch(row + 64 * i, 0, 3);
        out[j] = row;
    }
    for (size_t j = rest; j < SIGN_AHEAD_ROWS; ++j) out[j] = out[rest - 1];
}

/// The same by rows alone.
static inline __attribute__((always_inline)) TARGET void fetch_rows(
    const nt_rows *rows, const uint32_t *slots, size_t position, size_t count, const uint8_t **out) {
    if (rows->stride <= 64) fetch_lines(rows, 1, slots, position, count, out);
    else fetch_lines(rows, (rows->stride + 63) / 64, slots, position, count, out);
}

#ifndef PASSING
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

/// Of `count` rows, SIGN_AHEAD_ROWS at most, writes the slots of those whose least distance is at most the threshold; returns how many.
/// There are SIGN_AHEAD_ROWS rows to read, whatever `count` is.
static inline __attribute__((always_inline)) TARGET size_t passing(
    const nt_sign_query *query, const uint8_t *const *rows, size_t count, float threshold, const uint32_t *slots, uint32_t *out) {
    const size_t words = query->rotated_dimension / 64, numbers = query->rotated_dimension / 8;
    int32_t raw[SIGN_AHEAD_ROWS], flags[SIGN_AHEAD_ROWS];
    for (size_t j = 0; j < count; j += SIGN_ROWS) sign_sums(query->codes, rows + j, words, raw + j);
    for (size_t j = 0; j < count; j += 4) are_within(query, rows + j, numbers, raw + j, threshold, flags + j);
    size_t found = 0;
    for (size_t j = 0; j < count; ++j) {
        out[found] = slots[j];
        found += (size_t)-flags[j];
    }
    return found;
}
#endif

TARGET static size_t within(const nt_sign_query *given, const nt_rows *given_rows, const uint32_t *slots, size_t count,
                            float threshold, uint32_t *out) {
    const nt_sign_query query = *given;
    const nt_rows rows = *given_rows;
    size_t found = 0;
    if (count == 0) return 0;
    const uint8_t *fetched[2][SIGN_AHEAD_ROWS];
    fetch_rows(&rows, slots, 0, count, fetched[0]);
    for (size_t i = 0, turn = 0; i < count; i += SIGN_AHEAD_ROWS, turn ^= 1) {
        // `out` may be `slots`: what is read here is not yet written over.
        uint32_t taken[SIGN_AHEAD_ROWS];
        const size_t rest = count - i < SIGN_AHEAD_ROWS ? count - i : SIGN_AHEAD_ROWS;
        memcpy(taken, slots + i, rest * sizeof *taken);
        if (i + SIGN_AHEAD_ROWS < count) fetch_rows(&rows, slots, i + SIGN_AHEAD_ROWS, count, fetched[turn ^ 1]);
        found += passing(&query, fetched[turn], rest, threshold, taken, out + found);
    }
    return found;
}

#ifndef PACKED
/// The rows of a block that are within the threshold, a bit each.
static inline __attribute__((always_inline)) TARGET uint64_t packed_within(const nt_sign_query *query, const uint8_t *block, float threshold) {
    const size_t byte_count = query->rotated_dimension / 8;
    const uint8_t *tables = (const uint8_t *)query->codes + query->rotated_dimension;
    int32_t sums[NT_SIGN_BLOCK];
    // What the tables have too much is taken off.
    for (int r = 0; r < NT_SIGN_BLOCK; ++r) sums[r] = -(int32_t)(2 * byte_count) * NT_SIGN_BIAS;
    for (size_t byte = 0; byte < byte_count; ++byte) {
        const uint8_t *low = tables + 128 * (byte / 4) + 16 * (byte % 4), *high = low + 64, *column = block + NT_SIGN_BLOCK * byte;
        for (int r = 0; r < NT_SIGN_BLOCK; ++r) sums[r] += low[column[r] & 15] + high[column[r] >> 4];
    }
    const float *add = (const float *)(block + NT_SIGN_BLOCK * byte_count), *scale = add + NT_SIGN_BLOCK, *error = scale + NT_SIGN_BLOCK;
    uint64_t within = 0;
    for (int r = 0; r < NT_SIGN_BLOCK; ++r) {
        const float product = query->bias + query->step * (float)sums[r];
        const float least = (add[r] + scale[r] * product) - query->slack * error[r];
        within |= (uint64_t)(least <= threshold) << r;
    }
    return within;
}
#endif

TARGET static size_t within_packed(const nt_sign_query *given, const void *blocks, const uint32_t *slots, size_t count, float threshold,
                                   uint32_t *out) {
    const nt_sign_query query = *given;
    const uint8_t *block = blocks;
    size_t found = 0;
    for (size_t first = 0; first < count; first += NT_SIGN_BLOCK, block += nt_sign_block_bytes(query.rotated_dimension)) {
        uint64_t within = packed_within(&query, block, threshold);
        if (count - first < NT_SIGN_BLOCK) within &= (1ull << (count - first)) - 1;
        for (; within != 0; within &= within - 1) out[found++] = slots[first + (size_t)__builtin_ctzll(within)];
    }
    return found;
}

const nt_codescan FUNCTIONS = {.tier = TIER, .within = within, .within_packed = within_packed};
