// Search in a graph by 1-bit codes of neighbours that stand beside the neighbours' numbers, scanned 32 at a time: RaBitQ
// (arXiv 2405.12497) in the arrangement of SymphonyQG (arXiv 2411.12229).
//
// The estimate. Let c be a node, o a neighbour of it, r = R(o - c) their difference after a random rotation R, and s the
// signs of r. Then <r, v> is estimated by <s, v> × |r|² / |r|₁, which is right on average over rotations. Hence with
// ρ = |r|² / |r|₁ and v = R(q - c)
//     |q - o|² = |q - c|² + |r|² - 2 <r, v>  ≈  |q - c|² + (|r|² + 2ρ <s, Rc>) - 2ρ <s, Rq>
// and all that does not depend on the query is one number a neighbour, `add`; -2ρ is another, `scale`. So the query
// enters through <s, Rq> alone, and one table serves all nodes. In units of the metric (1 - cos = |q - o|² / 2 for unit
// vectors, -<q, o>), both are halved, and under dot `add` loses what |o|² - |c|² is.
//
// The scan. Signs are taken four dimensions at a time: a table of 16 bytes says what each pattern of four adds to <s, Rq>,
// and one shuffle looks 16 (NEON), 32 or 64 of them up.
//
// A block is one or more groups of 32 neighbours, each
//     0    32 × uint32_t    node numbers; NT_NO_NODE where there are fewer
//     128  32 × bfloat16    add; infinity where there are fewer
//     192  32 × bfloat16    scale
//     256  dimension × 4    codes: of each four dimensions 16 bytes, the low half of byte i for neighbour i, the high half
//                           for neighbour i + 16; bit j is set where r is not negative in dimension 4t + j
// where `dimension` is that of rotated vectors, a multiple of 64. Blocks are 64-byte aligned.
#pragma once
#include "nt_graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NT_RABITQ_GROUP 32
#define NT_RABITQ_CODES 256

static inline size_t nt_rabitq_dimension(size_t dimension) { return (dimension + 63) / 64 * 64; }
static inline size_t nt_rabitq_group_bytes(size_t rotated_dimension) { return NT_RABITQ_CODES + 4 * rotated_dimension; }

/// Rounds of the rotation: in each, signs are flipped, and the first or last 2ⁿ components, 2ⁿ being the largest power of
/// two that there are, undergo a Walsh-Hadamard transform; where that is not all, component i and i + dimension / 2 are
/// then rotated by 45° (FHT-Kac).
#define NT_RABITQ_ROUNDS 4

typedef struct {
    size_t dimension;          ///< of vectors
    size_t rotated_dimension;  ///< nt_rabitq_dimension(dimension)
    const float *signs;        ///< NT_RABITQ_ROUNDS × rotated_dimension of 1 and -1, 64-byte aligned
} nt_rabitq_rotation;

/// Fills in the signs of a rotation; the same seed gives the same.
void nt_rabitq_signs(uint64_t seed, size_t count, float *signs);

/// A query: <s, Rq> = bias + step × Σ tables[t][bits of s in 4t ..< 4t + 4].
typedef struct {
    const uint8_t *tables;  ///< rotated_dimension × 4 bytes, 64-byte aligned
    float step, bias;
} nt_rabitq_query;

/// What a search goes through.
typedef struct {
    nt_node_rows blocks;
    nt_rows codes;                   ///< rows of SQ8 codes, by node
    nt_traversal_kind kind;          ///< of the codes: SQ8
    const nt_traversal_query *query; ///< for the codes
    nt_rabitq_query signs;
    size_t rotated_dimension;
    uint32_t groups;                 ///< of a block
    uint32_t count;                  ///< nodes: numbers 0 ..< count
} nt_rabitq_level;

/// The state of one search. Distances are of the metric, by SQ8 codes for nodes that have been expanded and by estimate
/// for those that have not.
typedef struct {
    /// Keys (`nt_key`) of nodes to expand, in no order. Room for `queue_capacity` + 40.
    uint64_t *queue;
    size_t queue_count;
    /// At least twice `budget` and the greatest number of neighbours.
    size_t queue_capacity;
    /// Keys of nodes that have been expanded and may be returned; at the end the `wanted` least of them, fewer where there are not as
    /// many, come first. Room for `budget`.
    uint64_t *results;
    size_t result_count, wanted;
    /// A max-heap of the keys of the `k` nearest of these. Room for `k`.
    uint64_t *best;
    size_t best_count, k;
    /// How far the search looks beyond the k-th nearest so far: what is estimated farther than d × reach + slack, where d
    /// is the distance of that, is left out.
    float reach, slack;
    /// Nodes to expand yet, at most.
    size_t budget;
    /// What has been in the queue.
    nt_seen seen;
    const uint64_t *allowed, *deleted;
    /// Where fewer than this share of the nodes that have been expanded, less NT_RABITQ_PATIENCE, may be returned, the search gives up
    /// and returns none; 0: it never does.
    float least_rate;
    uint64_t hops, distances;
} nt_rabitq_beam;

#define NT_RABITQ_PATIENCE 4

typedef struct {
    /// R × vector: `rotation->dimension` components to `rotated_dimension`, 64-byte aligned.
    void (*rotate)(const nt_rabitq_rotation *rotation, const float *vector, float *rotated);

    /// The tables of a rotated query, with their step and bias.
    nt_rabitq_query (*prepare)(const float *rotated, size_t rotated_dimension, uint8_t *tables);

    /// Σ tables[t][bits] of the 32 neighbours of a group of `rotated_dimension` × 4 bytes of codes.
    void (*sums)(const uint8_t *tables, const uint8_t *codes, size_t rotated_dimension, uint32_t *sums);

    /// Writes one neighbour's code, add and scale to a group whose codes are zero where it stands.
    void (*encode)(const float *rotated_node, const float *rotated_neighbor, size_t rotated_dimension, nt_metric metric,
                   void *group, size_t position);

    /// The code of a rotated difference r: `bits` (1, 2 or 4) a component, one byte each. Code c stands for
    /// c - (2^bits - 1) / 2, and of the vectors that codes stand for the one whose direction is nearest to that of r is
    /// sought (extended RaBitQ, arXiv 2409.09913), among those that rounding gives in some units. Returns its product with r,
    /// which is 0 only where r is.
    float (*quantize)(const float *difference, size_t rotated_dimension, uint32_t bits, uint8_t *codes);

    /// Expands the nearest node of the queue, and again, until the next is beyond reach or the budget is spent.
    void (*search)(const nt_rabitq_level *level, nt_rabitq_beam *beam);
} nt_rabitq;

/// Copies codes, add and scale of a group's neighbours to other places in another group, whose codes are zero there.
///
/// - from: for each place of `to`, the place in `group` that it is taken from; NT_RABITQ_GROUP or more: none.
void nt_rabitq_move(const void *group, const uint8_t from[NT_RABITQ_GROUP], size_t rotated_dimension, void *to);

/// The functions of the tier in use; of a given one, or null where this build or this CPU lacks it.
const nt_rabitq *nt_rabitq_current(void);
const nt_rabitq *nt_rabitq_of(nt_cpu_tier tier);

#ifdef __cplusplus
}
#endif
