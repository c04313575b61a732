// Scans of chosen rows by codes of one bit a dimension, which say what cannot be near: RaBitQ (arXiv 2405.12497) with the
// bound of its error.
//
// A filter leaves rows here and there, so each row stands for itself, in one cache line up to 416 dimensions, where the codes of
// nt_rabitq.h stand in groups. Let c be a centre, R a random rotation, r = R(o - c) what is encoded of a row o, and s the
// signs of r. With v = R(q - c)
//     <r, v>  =  ρ <s, v>  ± ε |v| √(ρ² D - |r|²) / √(D - 1),    ρ = |r|² / |r|₁
// the second term being ε standard deviations over rotations. In units of the metric, but for what all rows share (`base`),
//     l2      |q - o|²  =  |v|²  +  |r|² - 2 <r, v>                   base = |v|²
//     cosine  half of that, for vectors of length 1                    base = |v|² / 2
//     dot     -<q, o>   =  <c, c> - <q, c>  -  <c, o> - <r, v>        base = <c, c> - <q, c>
// so that a row has three numbers: add (|r|², half of it, -<c, o>), scale (-2ρ, -ρ, -ρ) and error (the root above over
// √(D - 1), twice it under l2). A query's v is kept in 5 bits, with which <s, v> is a sum of integers.
//
// A row is
//     0        D / 8     bit i % 8 of byte i / 8 is set where r is not negative in dimension i
//     D / 8    3 × f32   add, scale, error
// where D is nt_rabitq_dimension of the vector's, rounded up to 32 bytes.
//
// What is scanned again and again, by searches with the same filter, is packed: rows in blocks of 64, one block behind the other,
//     0        D / 8 × 64    of each byte of the signs those of the 64 rows
//     8 D      3 × 64 × f32  their add, scale and error
// of which a scan reads every byte in order, with nothing to turn.
#pragma once
#include "nt_rabitq.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Bytes from one row of signs to the next.
static inline size_t nt_sign_row_bytes(size_t rotated_dimension) { return (rotated_dimension / 8 + 12 + 31) / 32 * 32; }

/// Rows of a block, and bytes of so many packed rows: the last block may have rows to spare.
#define NT_SIGN_BLOCK 64
static inline size_t nt_sign_block_bytes(size_t rotated_dimension) { return NT_SIGN_BLOCK * (rotated_dimension / 8 + 12); }
static inline size_t nt_sign_packed_bytes(size_t rotated_dimension, size_t count) {
    return (count + NT_SIGN_BLOCK - 1) / NT_SIGN_BLOCK * nt_sign_block_bytes(rotated_dimension);
}

/// A query: <s, v> = bias + step × Σ codes where s is positive.
typedef struct {
    /// `rotated_dimension` of them, within ± NT_SIGN_LARGEST, 64-byte aligned. Behind them, for each four, a table of 16 bytes: the sum of
    /// those that four bits choose, more by NT_SIGN_BIAS. Of the 8 tables of four bytes of a row, those of the lower halves come first.
    const int8_t *codes;
    size_t rotated_dimension;  ///< a multiple of 64, at most 65,536
    float step, bias;
    float slack;               ///< ε |v|
} nt_sign_query;

/// Codes of five bits: two sums of four of them fit a byte, and their error is a seventh of that of signs, to which it adds a hundredth.
#define NT_SIGN_LARGEST 15
#define NT_SIGN_BIAS (4 * NT_SIGN_LARGEST)

/// Bytes that a query's codes and tables take.
static inline size_t nt_sign_query_bytes(size_t rotated_dimension) { return 5 * rotated_dimension; }

/// The functions of one tier. All tiers give the same, bit for bit.
typedef struct {
    nt_cpu_tier tier;
    /// Of `count` slots, writes those whose distance, less `base`, may be at most `threshold`, in order; returns how many.
    /// `out` has room for 4 more than `count`, and may be `slots` itself.
    size_t (*within)(const nt_sign_query *query, const nt_rows *rows, const uint32_t *slots, size_t count, float threshold,
                     uint32_t *out);
    /// The same where the rows of `slots` are packed in `blocks`, 64-byte aligned, the first at the start of a block. `out` has room for
    /// `count`, and is not `slots`.
    size_t (*within_packed)(const nt_sign_query *query, const void *blocks, const uint32_t *slots, size_t count, float threshold,
                            uint32_t *out);
} nt_codescan;

/// The functions of the tier in use; of a given one, or null where this build or this CPU lacks it.
const nt_codescan *nt_codescan_current(void);
const nt_codescan *nt_codescan_of(nt_cpu_tier tier);

/// Writes the row of a rotated difference r, `nt_sign_row_bytes` long.
///
/// - product: <c, o> under dot; not read otherwise.
void nt_sign_encode(const float *difference, size_t rotated_dimension, nt_metric metric, float product, void *row);

/// Packs the rows of `count` slots into `blocks`, `nt_sign_packed_bytes` long and 64-byte aligned; rows to spare are zeros.
void nt_sign_pack(const nt_rows *rows, size_t rotated_dimension, const uint32_t *slots, size_t count, void *blocks);

/// A query of a rotated difference v.
///
/// - deviations: ε.
/// - codes: room for `nt_sign_query_bytes`, 64-byte aligned, which must outlive the result.
nt_sign_query nt_sign_prepare(const float *difference, size_t rotated_dimension, float deviations, int8_t *codes);

#ifdef __cplusplus
}
#endif
