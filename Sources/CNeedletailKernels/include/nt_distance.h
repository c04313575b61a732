// Distances between vectors, and the scans that search by them.
//
// Shapes. A query is `dimension` components: float for rows of f32 and of f16, int8_t for rows of i8. A row is
// `dimension` components of its element type: float, IEEE 754 half precision as uint16_t, or int8_t.
//
// Alignment. None is required of queries, rows or strides (beyond what a C pointer to float needs on the machine);
// rows on a 64-byte border are fastest.
//
// Tails. Any dimension from 1 up is served. Nothing is read outside the `dimension` components of a query or row: a row
// may end where the memory map ends. (Prefetches may point beyond; they cannot fault.)
//
// Precision. Products and sums are f32, in several partial sums, so that the error is far below `dimension` roundings.
// Variants of different tiers differ in the last bits. Within one tier every function gives the same bits for the same
// query and row: one-to-one, one-to-many, gathered or scanned. Rows of i8 are summed exactly in 32-bit integers
// (dimension at most 65,536) and rounded once to float, hence equal in every tier.
//
// NaN and infinity follow IEEE 754. A NaN component anywhere makes the distance NaN. Squared L2 is +∞ where one side has
// an infinity that the other lacks, and NaN where both have it in the same place (∞ - ∞). A dot product is NaN where an
// infinity meets a zero or infinities of both signs meet. Finite components whose squares or products leave the range of
// f32 give what their infinities or zeros give: keep norms within 1e-18 ... 1e18.
// Scans never return a row whose distance is NaN; a row at +∞ is returned where the threshold is +∞.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "nt_cpu.h"

#ifdef __cplusplus
extern "C" {
#endif

// MARK: One to one

/// Squared Euclidean distance.
float nt_l2sq_f32(const float *query, const float *row, size_t dimension);
float nt_l2sq_f16(const float *query, const uint16_t *row, size_t dimension);
float nt_l2sq_i8(const int8_t *query, const int8_t *row, size_t dimension);

/// Dot product.
float nt_dot_f32(const float *query, const float *row, size_t dimension);
float nt_dot_f16(const float *query, const uint16_t *row, size_t dimension);
float nt_dot_i8(const int8_t *query, const int8_t *row, size_t dimension);

/// Cosine distance, 1 - cos, never below 0 or above 2; 1 where either vector is zero. Computes both norms: in a search use `nt_distance`, which
/// takes them stored.
float nt_cosine_f32(const float *query, const float *row, size_t dimension);
float nt_cosine_f16(const float *query, const uint16_t *row, size_t dimension);
float nt_cosine_i8(const int8_t *query, const int8_t *row, size_t dimension);

/// Sum of squares, in double precision throughout.
double nt_sqnorm_f32(const float *vector, size_t dimension);
double nt_sqnorm_f16(const uint16_t *vector, size_t dimension);
double nt_sqnorm_i8(const int8_t *vector, size_t dimension);

// MARK: Conversion

/// `count` values to f32, exactly.
void nt_widen_f16(const uint16_t *from, float *to, size_t count);
void nt_widen_i8(const int8_t *from, float *to, size_t count);
/// To half precision, rounded to nearest even; beyond 65,504 ± half a step becomes infinity, NaN stays NaN.
void nt_narrow_f16(const float *from, uint16_t *to, size_t count);
/// To int8, rounded to nearest even and clamped to -128 ... 127; NaN becomes 0.
void nt_narrow_i8(const float *from, int8_t *to, size_t count);

// MARK: One to many

typedef enum { NT_METRIC_L2 = 1, NT_METRIC_COSINE = 2, NT_METRIC_DOT = 3 } nt_metric;
typedef enum { NT_ELEMENT_F32 = 1, NT_ELEMENT_F16 = 2, NT_ELEMENT_I8 = 3 } nt_element;

/// A query as the functions of `nt_distance` take it.
typedef struct {
    const void *vector;   ///< `dimension` components: float, or int8_t for rows of i8
    size_t dimension;
    float inverse_norm;   ///< 1/‖query‖ under cosine (0 for a zero vector); not read otherwise
} nt_query;

/// Rows by slot. Block b holds 2^block_shift rows from slot b << block_shift on, `stride` bytes apart, and behind them
/// one float for each row, its norm: 1/‖row‖ under cosine (0 for a zero vector); not read by the distances otherwise.
typedef struct {
    const void *const *blocks;
    size_t stride;
    uint32_t block_shift;
} nt_rows;

#define NT_ALWAYS static inline __attribute__((always_inline))

/// The address of a row.
NT_ALWAYS const char *nt_row(const nt_rows *rows, uint32_t number) {
    const char *chunk = (const char *)rows->blocks[number >> rows->block_shift];
    return chunk + (number & ((1u << rows->block_shift) - 1)) * rows->stride;
}

/// The functions of one metric and element type in one tier.
///
/// All give the *internal distance*, of which less is nearer: squared L2; 1 - cos, computed as
/// 1 - (query·row × row norm) × query norm, which is put to 0 or 2 where rounding leads beyond; or minus the dot product.
/// It is never -0.
typedef struct {
    /// One row. `norm` is the row's inverse norm under cosine, else not read.
    float (*one)(const nt_query *query, const void *row, float norm);

    /// `count` rows, `stride` bytes apart, to out[0 ..< count]. `norms`: one per row under cosine, else not read.
    void (*many)(const nt_query *query, const void *rows, size_t stride, const float *norms, size_t count, float *out);

    /// `count` rows wherever they lie, prefetched some rows ahead, to out[0 ..< count]. `norms` runs beside `rows`.
    void (*gathered)(const nt_query *query, const void *const *rows, const float *norms, size_t count, float *out);

    /// The slots first_slot ..< first_slot + count, all in one block: writes the key of each whose distance is at most
    /// `threshold`, in slot order, and returns how many. `keys` has room for `count`.
    size_t (*scan_run)(const nt_query *query, const nt_rows *rows, uint32_t first_slot, size_t count, float threshold,
                       uint64_t *keys);

    /// The same for `count` slots in any blocks, prefetched some rows ahead.
    size_t (*scan_slots)(const nt_query *query, const nt_rows *rows, const uint32_t *slots, size_t count,
                         float threshold, uint64_t *keys);
} nt_distance;

/// A distance and a slot in one integer whose order is that of (distance, slot). NaN must not be put in.
static inline uint64_t nt_key(float distance, uint32_t slot) {
    uint32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    bits ^= (bits >> 31) ? 0xFFFFFFFFu : 0x80000000u;
    return (uint64_t)bits << 32 | slot;
}

static inline float nt_key_distance(uint64_t key) {
    uint32_t bits = (uint32_t)(key >> 32);
    bits ^= (bits >> 31) ? 0x80000000u : 0xFFFFFFFFu;
    float distance;
    memcpy(&distance, &bits, sizeof distance);
    return distance;
}

static inline uint32_t nt_key_slot(uint64_t key) { return (uint32_t)key; }

/// Of a matrix of products `c` (m rows of n, `ldc` apart; m and n at most 65,536), finds the elements where
/// bias[row] + scale[row] × c[row][column] is not above limits[column], NaN counting as not above.
/// Writes row << 16 | column of each, row by row, and returns how many; `out` has room for m × n.
size_t nt_survivors(const float *c, size_t ldc, size_t m, size_t n, const float *bias, const float *scale,
                    const float *limits, uint32_t *out);

/// Asks for `byte_count` bytes to be brought into the second-level cache. They need not exist: nothing faults.
static inline void nt_prefetch(const void *bytes, size_t byte_count) {
    for (size_t i = 0; i < byte_count; i += 64) __builtin_prefetch((const char *)bytes + i, 0, 2);
}

// MARK: Tiers

/// All kernels of one tier.
typedef struct {
    nt_cpu_tier tier;
    float (*l2sq_f32)(const float *, const float *, size_t);
    float (*l2sq_f16)(const float *, const uint16_t *, size_t);
    float (*l2sq_i8)(const int8_t *, const int8_t *, size_t);
    float (*dot_f32)(const float *, const float *, size_t);
    float (*dot_f16)(const float *, const uint16_t *, size_t);
    float (*dot_i8)(const int8_t *, const int8_t *, size_t);
    void (*widen_f16)(const uint16_t *, float *, size_t);
    void (*widen_i8)(const int8_t *, float *, size_t);
    void (*narrow_f16)(const float *, uint16_t *, size_t);
    void (*narrow_i8)(const float *, int8_t *, size_t);
    size_t (*survivors)(const float *, size_t, size_t, size_t, const float *, const float *, const float *, uint32_t *);
    nt_distance distances[3][3];  ///< by nt_metric - 1, nt_element - 1
} nt_kernels;

/// The kernels of a tier, or null where this build or this CPU lacks it.
const nt_kernels *nt_kernels_for(nt_cpu_tier tier);

/// The functions of one metric and element type in the tier in use.
const nt_distance *nt_distance_for(nt_metric metric, nt_element element);

/// The same out of a given table, which must not be null.
const nt_distance *nt_distance_of(const nt_kernels *kernels, nt_metric metric, nt_element element);

#ifdef __cplusplus
}
#endif
