// Best-first search in a neighbour graph, and the distances that it compares: of the stored vectors themselves, or of
// 8-bit codes of them (SQ8).
//
// The whole loop is one function: a hop reads one list of neighbours, drops those seen before without a branch, has the
// others' rows fetched while the hop before is still being computed, and puts what is near enough into a sorted pool.
// Nothing is allocated, locked or counted by reference on the way; all memory is the caller's.
//
// Lists. A list is up to `degree` node numbers (uint32_t), ended by NT_NO_NODE where it is shorter. A number at or above
// the graph's count, as only a damaged file holds, is skipped: a search reads nothing outside the arrays it is given.
// Lists may be changed by other threads while they are read, an entry at a time.
//
// Codes. A row of SQ8 codes is `byte_count` bytes, the dimension rounded up to 64, zero behind the dimension. The order of
// codes is that of values. Of two rows of codes
//     l2   raw = Σ (q - c)², unsigned (exact up to dimension 65,536)
//     dot  raw = Σ tq (c - 128), tq signed: a row c as a query is tq = c - 128; c is 1 ... 255
// and the distance is offset + scale × raw in f32, which is the same, bit for bit, in every tier.
#pragma once
#include "nt_distance.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Ends a list.
#define NT_NO_NODE 0xFFFFFFFFu
/// Node numbers are below this: a pool's key needs a bit for itself.
#define NT_NODE_LIMIT 0x7FFFFFFFu
/// Most entries of one list.
#define NT_DEGREE_LIMIT 128

typedef enum {
    NT_TRAVERSE_VECTORS = 0,  ///< rows are stored vectors, of any metric and element
    NT_TRAVERSE_SQ8_L2 = 1,
    NT_TRAVERSE_SQ8_DOT = 2,
} nt_traversal_kind;

/// A query, prepared for one kind of rows.
typedef struct {
    /// SQ8: `byte_count` codes, 64-byte aligned, zero behind the dimension; uint8_t for l2, int8_t for dot.
    const void *codes;
    size_t byte_count;
    float scale, offset;
    /// SQ8 dot: 128 × Σ codes.
    int32_t correction;
    /// Stored vectors: their functions, and the query as these take it.
    const nt_distance *functions;
    nt_query vector;
} nt_traversal_query;

/// A node of the upper levels, as stored.
typedef struct {
    uint32_t slot;        ///< its row
    uint32_t first_list;  ///< its list on level l ≥ 1 is number first_list + l - 1
    uint32_t level;       ///< its highest level, at least 1
    uint32_t reserved;
} nt_upper_node;

/// 64 nodes of a graph, as stored: which of them have other rows since all were last written.
typedef struct {
    uint64_t nodes;     ///< bit i set = the row of the i-th has changed
    uint32_t first;     ///< how many of the nodes before these have
    uint32_t reserved;
} nt_changes;

/// Rows by node. Those that have changed stand apart, in the order of their nodes: a merge changes few of them in nearly every chunk.
typedef struct {
    nt_rows rows;
    nt_rows changes;         ///< nt_changes of all nodes, where `changed_count` is not 0
    nt_rows changed;         ///< the rows of those that have changed
    uint32_t changed_count;
} nt_node_rows;

/// The row of a node that the caller has compared with the graph's count. A place beyond `changed_count`, as only a damaged file
/// says, is not gone to.
NT_ALWAYS const char *nt_node_row(const nt_node_rows *rows, uint32_t node) {
    if (rows->changed_count) {
        const nt_changes *changes = (const nt_changes *)nt_row(&rows->changes, node >> 6);
        const uint64_t bit = 1ull << (node & 63);
        if (changes->nodes & bit) {
            const uint64_t place = (uint64_t)changes->first + (uint64_t)__builtin_popcountll(changes->nodes & (bit - 1));
            if (place < rows->changed_count) return nt_row(&rows->changed, (uint32_t)place);
        }
    }
    return nt_row(&rows->rows, node);
}

/// One level of a graph. Level 0: a node's number is that of its row and of its list. Upper levels: it is that of an
/// nt_upper_node, which says where they are.
typedef struct {
    nt_rows rows;      ///< what distances are computed of
    nt_node_rows links;  ///< lists; on upper levels by list, none of them changed
    uint32_t degree;   ///< at most NT_DEGREE_LIMIT
    uint32_t count;    ///< nodes: numbers 0 ..< count
    uint32_t level;
    // Not read on level 0.
    nt_rows nodes;        ///< rows of nt_upper_node
    uint32_t row_count;   ///< of `rows`
    uint32_t list_count;  ///< of `links`
} nt_level;

/// The key of a node in a pool: ordered by distance, then number; its lowest bit tells that the node's list has been read.
static inline uint64_t nt_pool_key(float distance, uint32_t number) { return nt_key(distance, number << 1); }
static inline uint32_t nt_pool_node(uint64_t key) { return (uint32_t)key >> 1; }

/// Which nodes have been seen: a bit each, and a log of those that are set, so that clearing costs what was seen.
///
/// A bit, since a search looks at some thirty for each row that it reads: those of a million nodes stay in the second-level
/// cache, where a number for each would not (0.85 of the time of a whole search).
typedef struct {
    /// A bit for each of `count` nodes, and one for the number `count`, which must be set: it stands for numbers that no
    /// node has. In whole words.
    uint64_t *bits;
    /// Room for NT_SEEN_ROOM more than `count`.
    uint32_t *log;
    size_t log_count;
} nt_seen;

#define NT_SEEN_ROOM (2 * NT_DEGREE_LIMIT)

static inline int nt_seen_contains(const nt_seen *seen, uint32_t number) {
    return (int)(seen->bits[number >> 6] >> (number & 63) & 1);
}

/// Marks a node. Does nothing where it is marked.
static inline void nt_seen_insert(nt_seen *seen, uint32_t number) {
    const uint64_t word = seen->bits[number >> 6], bit = 1ull << (number & 63);
    seen->log[seen->log_count] = number;
    seen->log_count += !(word & bit);
    seen->bits[number >> 6] = word | bit;
}

/// Unmarks all, `count` among them.
static inline void nt_seen_clear(nt_seen *seen) {
    for (size_t i = 0; i < seen->log_count; ++i) seen->bits[seen->log[i] >> 6] = 0;
    seen->log_count = 0;
}

/// The state of one search.
typedef struct {
    /// Keys of the nearest nodes so far, ascending. Room for `capacity` + 1.
    uint64_t *pool;
    size_t pool_count;
    /// efSearch: how many nodes are kept; at least 1.
    size_t capacity;
    /// Position from which on a node may not have been expanded; all before have.
    size_t cursor;
    nt_seen seen;
    /// Of `search` and `search_filtered` on level 0: no node is expanded that is farther than d × reach + slack, where d is the
    /// distance of the `reach_count`-th of the pool, or of the results; 0: all are.
    size_t reach_count;
    float reach, slack;
    /// Lists read, distances computed; added to.
    uint64_t hops, distances;

    /// Of filtered searches: bit set = node may be returned, and the opposite; either may be null. A bit for each node.
    const uint64_t *allowed, *deleted;
    /// Of `search_filtered`: the pool of nodes that may be returned.
    uint64_t *results;
    size_t result_count, result_capacity;
    /// Of `search_filtered`: lists to read at most; 0: as many as it takes.
    uint64_t hop_limit;
    /// Of `search_growing`: keys that the pool had no room for, in no order.
    uint64_t *overflow;
    size_t overflow_count, overflow_capacity;
} nt_beam;

/// Free entries that `search_growing` needs in `overflow` for a hop.
#define NT_OVERFLOW_ROOM (4 * NT_DEGREE_LIMIT)

/// The functions of one kind of rows in one tier.
///
/// Every search expands the nearest node of the pool that has not been, until none is left: in fact the second nearest
/// while the nearest one's neighbours are on their way from memory. Nodes in the pool at the start
/// must be marked as seen. All but `search` are for level 0.
typedef struct {
    /// Distances of `count` rows, prefetched some rows ahead, to out[0 ..< count].
    void (*distances)(const nt_traversal_query *query, const nt_rows *rows, const uint32_t *numbers, size_t count, float *out);

    /// Keys (`nt_key`) of those of `count` rows whose distance is at most `threshold`, in order; returns how many.
    /// `keys` has room for 16 more than `count`.
    size_t (*scan)(const nt_traversal_query *query, const nt_rows *rows, const uint32_t *numbers, size_t count,
                   float threshold, uint64_t *keys);

    void (*search)(const nt_level *level, const nt_traversal_query *query, nt_beam *beam);

    /// Goes through all nodes and keeps those that may be returned in `results` besides. Ends where the next node is
    /// farther than the worst of as many results as asked for.
    void (*search_filtered)(const nt_level *level, const nt_traversal_query *query, nt_beam *beam);

    /// Goes through nodes that may be returned alone, but looks for them two hops far. The pool holds no others but those
    /// that it held at the start.
    void (*search_two_hops)(const nt_level *level, const nt_traversal_query *query, nt_beam *beam);

    /// As `search`, but drops nothing: what the pool has no room for goes to `overflow`, so that the search can be
    /// continued with a larger pool. Returns before its end (cursor < pool_count) where `overflow` may not have room.
    void (*search_growing)(const nt_level *level, const nt_traversal_query *query, nt_beam *beam);
} nt_traversal;

/// The functions of a kind in the tier in use.
const nt_traversal *nt_traversal_for(nt_traversal_kind kind);

/// The same in a given tier, or null where this build or this CPU lacks it.
const nt_traversal *nt_traversal_of(nt_cpu_tier tier, nt_traversal_kind kind);

/// Puts a key in its place in a pool of at most `capacity`, dropping the last where it is full. Returns the key's
/// position, or `capacity` where it had no place. The pool has room for one more than `capacity`.
static inline size_t nt_pool_insert(uint64_t *pool, size_t *count, size_t capacity, uint64_t key) {
    size_t n = *count;
    if (n == capacity && key >= pool[n - 1]) return capacity;
    // Binary search without a branch that could be mispredicted.
    const uint64_t *base = pool;
    size_t length = n;
    while (length > 1) {
        size_t half = length / 2;
        base += (base[half - 1] < key) * half;
        length -= half;
    }
    size_t position = (size_t)(base - pool) + (length == 1 && *base < key);
    memmove(pool + position + 1, pool + position, (n - position) * sizeof(uint64_t));
    pool[position] = key;
    *count = n < capacity ? n + 1 : capacity;
    return position;
}

// MARK: SQ8 codes

/// Codes of `count` values: round((value - minimum) × inverse_step), held within 0 ... 255; `codes` has `byte_count`
/// bytes, of which those behind `count` become 0.
void nt_sq8_encode_l2(const float *values, size_t count, float minimum, float inverse_step, uint8_t *codes, size_t byte_count);

/// Codes of `count` values: 128 + round(value × inverse_step), held within 1 ... 255; the rest 0.
void nt_sq8_encode_dot(const float *values, size_t count, float inverse_step, uint8_t *codes, size_t byte_count);

/// A row of dot codes (0 behind `count`) as a query: c - 128 of `count` bytes, 0 behind. Returns the query's correction.
int32_t nt_sq8_query_dot(const uint8_t *row, size_t count, int8_t *codes, size_t byte_count);

/// The largest of the absolute values of `count` finite ones; 0 of none.
float nt_largest_f32(const float *values, size_t count);

#ifdef __cplusplus
}
#endif
