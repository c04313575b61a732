// Scans of product-quantized codes by lookup in registers ("fast scan", André, Kermarrec and Le Scouarnec, "Cache locality
// is not enough", VLDB 2015, and "Quicker ADC", 2019), and the arithmetic of product quantizers.
//
// Layout. A list of codes is cut into blocks of `width` rows: 64, or for the last rows of a list a multiple of 8. A block is
//     codes   4-bit: for each pair of subspaces (2p, 2p + 1), `width` bytes, byte v = code(2p) | code(2p + 1) << 4 of row v;
//             8-bit: for each subspace, `width` bytes, byte v = code of row v
//     scales  where the run has them: `width` bytes, byte v what the sum of row v counts, in 256ths
//     terms   `width` bytes, byte v a number that the table does not hold since it belongs to the row
//     slots   `width` u32
// without gaps. The number of subspaces is even: an odd one is filled up with a subspace whose table is zeros.
// Lanes of 64 make one register of AVX-512, two of AVX2 or four of NEON; since all bytes of a register belong to one
// subspace, its 16-entry table is in every lane, and the layout serves all tiers alike.
//
// Sums. A query's table holds one byte per subspace and code. The two bytes that a pair of subspaces looks up are added in
// eight bits, which saves half of the widening: hence no entry of a table's subspace 2p may exceed 255 less the greatest
// entry of 2p + 1. The sums of pairs are added in 16 bits, modulo 65,536: `nt_pq_quantize` makes tables that keep clear of it.
// Where rows have scales, a sum becomes center + ((sum - center) × scale + 128 >> 8): `center` is the sum that stands for
// zero, 0 to 32,767, and as far from 0 as from the greatest sum, or farther.
// The term of a row adds (term × term_factor) >> 8, saturating at 65,535. All tiers give the same sums.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "nt_cpu.h"
#include "nt_keys.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Rows of a full block.
enum { NT_PQ_BLOCK = 64 };

/// A query in a scan: its table, what it makes of sums in the list at hand, and the best rows so far.
typedef struct {
    const uint8_t *table;      ///< 4-bit: 16 bytes a subspace; 8-bit: 256. Any alignment
    // Of the list at hand; set by `nt_pq_enter`.
    uint32_t limit;            ///< rows whose sum is above it are dropped; at most 65,535
    uint32_t term_factor;      ///< at most 65,535
    uint32_t center;           ///< of sums, where rows have scales; set once
    float base;                ///< distance = base + step × sum
    float step;
    // The best rows so far.
    float threshold;           ///< rows of a greater distance are not wanted; infinity until `keep` rows are found
    uint32_t keep;             ///< how many rows are wanted
    uint32_t capacity;         ///< room in `keys`: at least keep + NT_PQ_BLOCK
    uint32_t count;            ///< keys in `keys`
    uint64_t *keys;            ///< (distance, slot) as `nt_key` makes them, in no order
} nt_pq_query;

/// Blocks one behind the other in memory. All have `width` rows but the last, which may lack some (of whatever content).
typedef struct {
    const uint8_t *blocks;
    size_t stride;             ///< bytes from one block to the next
    size_t rows;               ///< rows in all blocks together, at least 1
    uint32_t width;            ///< a multiple of 8, at most 64
    uint32_t subspaces;        ///< even, at least 2
    bool has_scales;           ///< whether blocks hold scales
    uint32_t slot_count;       ///< rows of slots from here on, which only damage can cause, are not wanted
    const uint64_t *allowed;   ///< bit by slot: rows of others are not wanted. NULL: all
    const uint64_t *deleted;   ///< bit by slot: rows of these are not wanted. NULL: none
    const uint8_t *ahead;      ///< what will be scanned next: brought into the cache meanwhile. Any address will do
    size_t ahead_bytes;        ///< how much of it
} nt_pq_run;

/// Bytes of a block.
static inline size_t nt_pq_block_bytes(uint32_t bits, uint32_t subspaces, uint32_t width, bool has_scales) {
    return (size_t)width * ((size_t)subspaces * bits / 8 + (has_scales ? 1 : 0) + 1 + 4);
}

/// Prepares a query for a list: distance = base + step × (sum of the table + term × term_step / step).
/// False where no row of the list can be within the query's threshold.
bool nt_pq_enter(nt_pq_query *query, float base, float step, float term_step);

/// Lowers the threshold as far as the rows found allow.
void nt_pq_settle(nt_pq_query *query);

/// Offers every row of a run to each of the queries, which have entered its list: the key of a row whose distance is within
/// the threshold, and whose slot is wanted, goes into `keys`; where there is no more room, the `keep` least stay, and the
/// threshold falls.
void nt_pq_scan4(nt_pq_query *const *queries, size_t count, const nt_pq_run *run);
void nt_pq_scan8(nt_pq_query *const *queries, size_t count, const nt_pq_run *run);

// MARK: Quantizer arithmetic

/// A product quantizer: `subspaces` codebooks of `codes` codewords (16 or 256) of `width` components.
typedef struct {
    uint32_t subspaces, width, codes;
    const float *codewords;    ///< component i of codeword c of subspace m at ((m × width) + i) × codes + c
    const float *norms;        ///< ‖codeword‖² at m × codes + c
} nt_pq_codebook;

/// Dot products of a vector's subvectors with all codewords: table[m × codes + c] = offset + scale × dot, offset being
/// norms[m × codes + c] where `with_norms`.
void nt_pq_products(const nt_pq_codebook *book, const float *vector, float scale, bool with_norms, float *table);

/// The nearest codeword of each subspace for `count` vectors, `stride` floats apart; one byte a code, `subspaces` bytes a vector.
/// Ties go to the lower code; NaN gives code 0.
void nt_pq_encode(const nt_pq_codebook *book, const float *vectors, size_t stride, size_t count, uint8_t *codes);

/// Makes a table of bytes: entry = round((value - least of its subspace) / step), with the one step by which no pair of
/// subspaces exceeds 255 and no sum `limit`. An odd number of subspaces is filled up by one of zeros. Returns the step and
/// puts into `offset` the sum of the least values. Values must be finite; the step is at least `least_step`, and never 0.
float nt_pq_quantize(const float *values, uint32_t subspaces, uint32_t codes, uint32_t limit, float least_step, uint8_t *table,
                     float *offset);

// MARK: Clustering

/// For each of `m` rows of `c` (`ldc` apart, n columns, n at least 1), finds the least element; where it is less than best[row],
/// puts it there and first_column + its column into label[row]. Ties go to the lower column; NaN is never less.
void nt_argmin_rows(const float *c, size_t ldc, size_t m, size_t n, uint32_t first_column, float *best, uint32_t *label);

/// Finds the `keep` least of n values (NaN is never one): puts their keys, (value, position) as `nt_key` makes them, at the front
/// of `keys`, in no order, and returns how many they are. `capacity`, the room in `keys`, is at least keep + 64.
size_t nt_least_values(const float *values, size_t n, size_t keep, uint64_t *keys, size_t capacity);

// MARK: Tiers

typedef struct {
    const char *name;
    nt_cpu_tier tier;
    void (*scan4)(nt_pq_query *const *, size_t, const nt_pq_run *);
    void (*scan8)(nt_pq_query *const *, size_t, const nt_pq_run *);
    void (*products)(const nt_pq_codebook *, const float *, float, bool, float *);
    void (*encode)(const nt_pq_codebook *, const float *, size_t, size_t, uint8_t *);
    void (*argmin_rows)(const float *, size_t, size_t, size_t, uint32_t, float *, uint32_t *);
    size_t (*least_values)(const float *, size_t, size_t, uint64_t *, size_t);
} nt_pq_kernels;

/// All kernels that this build and this CPU have, the portable ones first, up to NULL. Some tiers have two.
const nt_pq_kernels *nt_pq_variant(size_t position);

#ifdef __cplusplus
}
#endif
