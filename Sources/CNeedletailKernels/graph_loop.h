// The traversal, written once and compiled into each tier's file around that tier's arithmetic.
//
// The including file defines, before it includes this one:
//   TARGET           the attribute that chooses the instruction set (may be empty)
//   sq8_l2(query, rows, byte_count, raw), sq8_dot(...)
//                    always-inlined: raw[i] of four rows; uint32_t for l2, an int32_t in its place for dot
//   keys_within(distances, numbers, count, threshold, shift, keys)
//                    always-inlined: nt_key(distance, number << shift) of those at most `threshold`, in order
// and gets `static const nt_traversal traversals[3]`.
#pragma once
#include "nt_graph.h"
#include <stdbool.h>

// A fused multiply-add would give other bits in one tier than in another.
#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline)) TARGET

// Bytes of one row that are asked for ahead; beyond that the hardware has recognised the stream.
#define ROW_PREFETCH_BYTES 1024
#define SCAN_AHEAD_ROWS 8
// Rows that a scan computes between two looks at the threshold.
#define SCAN_ROWS 64
// Rows of one hop: a list, or in two hops less than one and another whole one.
#define HOP_ROWS (2 * NT_DEGREE_LIMIT)

// Into the second-level cache: there is room for many more outstanding misses than in front of the first (1.8 times the
// rows a second).
INLINE void prefetch_bytes(const char *row, size_t byte_count) {
    for (size_t i = 0; i < byte_count; i += 64) __builtin_prefetch(row + i, 0, 2);
}

INLINE size_t prefetched_bytes(nt_traversal_kind kind, const nt_traversal_query *query, const nt_rows *rows) {
    size_t bytes = kind == NT_TRAVERSE_VECTORS ? rows->stride : query->byte_count;
    return bytes < ROW_PREFETCH_BYTES ? bytes : ROW_PREFETCH_BYTES;
}

/// Distances of `count` rows of codes, of which the first `ahead` have been asked for. `out` has room for `count` rounded
/// up to four.
INLINE void sq8_distances(nt_traversal_kind kind, const nt_traversal_query *query, const nt_rows *rows,
                          const uint32_t *numbers, size_t count, size_t ahead, float *out) {
    const uint8_t *codes = query->codes;
    const size_t byte_count = query->byte_count, prefetched = prefetched_bytes(kind, query, rows);
    const float scale = query->scale, offset = query->offset;
    const uint32_t correction = (uint32_t)query->correction;
    for (size_t i = 0; i < count; i += 4) {
        for (int j = 0; j < 4 && ahead < count; ++j, ++ahead) prefetch_bytes(nt_row(rows, numbers[ahead]), prefetched);
        // Short of four, the last row is taken again: it is in cache, and no branch depends on the count.
        const uint8_t *four[4];
        for (size_t j = 0; j < 4; ++j) four[j] = (const uint8_t *)nt_row(rows, numbers[i + j < count ? i + j : count - 1]);
        uint32_t raw[4];
        if (kind == NT_TRAVERSE_SQ8_L2) sq8_l2(codes, four, byte_count, raw);
        else sq8_dot(codes, four, byte_count, raw);
        for (size_t j = 0; j < 4; ++j) {
            float value = kind == NT_TRAVERSE_SQ8_L2 ? (float)raw[j] : (float)(int32_t)(raw[j] - correction);
            out[i + j] = offset + scale * value;
        }
    }
}

/// The keys, (distance, number << shift), of rows within the threshold. `rows_of`: the rows' numbers, where they are not
/// the nodes'. At most HOP_ROWS of them.
INLINE size_t row_keys(nt_traversal_kind kind, const nt_traversal_query *query, const nt_rows *rows,
                       const uint32_t *rows_of, const uint32_t *numbers, size_t count, size_t ahead, float threshold,
                       unsigned shift, uint64_t *keys) {
    if (kind == NT_TRAVERSE_VECTORS) {
        size_t found = 0;
        if (rows_of == numbers) {
            found = query->functions->scan_slots(&query->vector, rows, numbers, count, threshold, keys);
            if (shift)
                for (size_t i = 0; i < found; ++i) keys[i] += (uint32_t)keys[i];
            return found;
        }
        // Nodes of upper levels, one by one: there are few.
        for (size_t i = 0; i < count; ++i) {
            uint64_t key;
            if (!query->functions->scan_slots(&query->vector, rows, rows_of + i, 1, threshold, &key)) continue;
            keys[found++] = (key & ~0xFFFFFFFFull) | (uint64_t)numbers[i] << shift;
        }
        return found;
    }
    float distances[HOP_ROWS + 16];
    sq8_distances(kind, query, rows, rows_of, count, ahead, distances);
    return keys_within(distances, numbers, count, threshold, shift, keys);
}

/// Reads a list: what of it has not been seen goes to the end of the log, marked as seen from now on. Returns how many. A
/// number that no node has, as NT_NO_NODE, becomes `count`, which counts as seen: so the loop needs no branch, and a
/// damaged list does no harm.
INLINE size_t unseen(const uint32_t *list, size_t degree, uint32_t count, nt_seen *seen) {
    uint64_t *const bits = seen->bits;
    uint32_t *const numbers = seen->log + seen->log_count;
    size_t n = 0;
    for (size_t i = 0; i < degree; ++i) {
        // Read once: another thread may change it.
        uint32_t number = __atomic_load_n(list + i, __ATOMIC_RELAXED);
        number = number < count ? number : count;
        numbers[n] = number;
        const uint64_t word = bits[number >> 6], bit = 1ull << (number & 63);
        n += !(word & bit);
        bits[number >> 6] = word | bit;
    }
    seen->log_count += n;
    return n;
}

INLINE bool may_return(const nt_beam *beam, uint32_t number) {
    uint64_t word = beam->allowed ? beam->allowed[number >> 6] : ~0ull;
    if (beam->deleted) word &= ~beam->deleted[number >> 6];
    return word >> (number & 63) & 1;
}

/// The same where only nodes that may be returned are of interest, to `numbers`: in place of one that may not, its own
/// neighbours that may are taken, as long as they are not more than a list holds (ACORN-1, arXiv 2403.04871).
INLINE size_t unseen_in_two_hops(const nt_level *level, const uint32_t *list, nt_beam *beam, uint32_t *numbers) {
    const uint32_t count = level->count;
    const size_t degree = level->degree;
    uint32_t rejected[NT_DEGREE_LIMIT];
    const uint32_t *fresh = beam->seen.log + beam->seen.log_count;
    const size_t fresh_count = unseen(list, degree, count, &beam->seen);
    size_t n = 0, rejected_count = 0;
    for (size_t i = 0; i < fresh_count; ++i) {
        bool taken = may_return(beam, fresh[i]);
        numbers[n] = fresh[i];
        n += taken;
        rejected[rejected_count] = fresh[i];
        rejected_count += !taken;
    }
    for (size_t i = 0; i < rejected_count; ++i)
        prefetch_bytes(nt_node_row(&level->links, rejected[i]), degree * sizeof(uint32_t));
    for (size_t r = 0; r < rejected_count && n < degree; ++r) {
        const uint32_t *second = (const uint32_t *)nt_node_row(&level->links, rejected[r]);
        for (size_t i = 0; i < degree; ++i) {
            uint32_t number = __atomic_load_n(second + i, __ATOMIC_RELAXED);
            number = number < count ? number : count;
            const uint64_t word = beam->seen.bits[number >> 6], bit = 1ull << (number & 63);
            // What stands for no node has no bit of its own in a filter.
            bool taken = !(word & bit) & may_return(beam, number < count ? number : 0);
            numbers[n] = number;
            n += taken;
            // One that may not be returned stays unseen: met as a neighbour, it leads to its own.
            beam->seen.log[beam->seen.log_count] = number;
            beam->seen.log_count += taken;
            beam->seen.bits[number >> 6] = taken ? word | bit : word;
        }
    }
    return n;
}

INLINE const uint32_t *list_of(const nt_level *level, bool upper, uint32_t number) {
    if (!upper) return (const uint32_t *)nt_node_row(&level->links, number);
    const nt_upper_node *node = (const nt_upper_node *)nt_row(&level->nodes, number);
    uint64_t list = (uint64_t)node->first_list + level->level - 1;
    if (node->level < level->level || list >= level->list_count) return NULL;
    return (const uint32_t *)nt_row(&level->links.rows, (uint32_t)list);
}

typedef enum { PLAIN, UPPER, FILTERED, TWO_HOPS, GROWING } search_mode;

/// The rows of one hop that have been asked for and not been computed.
typedef struct {
    const uint32_t *numbers;  ///< of nodes
    const uint32_t *rows;     ///< theirs; the same on level 0
    size_t count;
} hop;

/// What a hop needs besides what the log holds: two, since two hops are under way at a time.
typedef struct {
    uint32_t numbers[2][HOP_ROWS], rows[2][HOP_ROWS];
} hop_memory;

/// Reads a node's list and asks for the rows of its neighbours that have not been seen.
INLINE hop begin_hop(search_mode mode, const nt_level *level, size_t row_bytes, uint32_t node, nt_beam *beam, hop_memory *memory) {
    hop next = {NULL, NULL, 0};
    const unsigned turn = beam->hops++ & 1;
    const uint32_t *list = list_of(level, mode == UPPER, node);
    if (mode == UPPER && !list) return next;
    if (mode == TWO_HOPS) {
        next.count = unseen_in_two_hops(level, list, beam, memory->numbers[turn]);
        next.rows = next.numbers = memory->numbers[turn];
    } else {
        next.rows = next.numbers = beam->seen.log + beam->seen.log_count;
        next.count = unseen(list, level->degree, level->count, &beam->seen);
    }
    if (mode == UPPER) {
        uint32_t *numbers = memory->numbers[turn], *rows = memory->rows[turn];
        size_t kept = 0;
        for (size_t i = 0; i < next.count; ++i) {
            uint32_t slot = ((const nt_upper_node *)nt_row(&level->nodes, next.numbers[i]))->slot;
            numbers[kept] = next.numbers[i];
            rows[kept] = slot;
            kept += slot < level->row_count;
        }
        next = (hop){numbers, rows, kept};
    }
    for (size_t i = 0; i < next.count; ++i) prefetch_bytes(nt_row(&level->rows, next.rows[i]), row_bytes);
    beam->distances += next.count;
    return next;
}

INLINE float worst(const uint64_t *pool, size_t count, size_t capacity) {
    return count == capacity ? nt_key_distance(pool[count - 1]) : __builtin_inff();
}

/// How far a search looks that stops by distance: at nodes, and for what it keeps. A reach below 1 leaves nodes unread that are
/// nearer than what has been found, but what is found is still kept.
typedef struct { float expanded, kept; } extent;

INLINE extent extent_of(const nt_beam *beam, const uint64_t *pool, size_t count, size_t capacity) {
    const float last = worst(pool, count, capacity);
    if (!beam->reach_count || count < beam->reach_count) return (extent){last, last};
    const float farthest = nt_key_distance(pool[beam->reach_count - 1]), limit = farthest * beam->reach + beam->slack;
    const float expanded = limit < last ? limit : last;
    return (extent){expanded, expanded < farthest ? farthest : expanded};
}

/// The search. Its time is that of waiting for memory, so that as much as possible is asked for early: rows a hop ahead of
/// their use, which lets the next hop begin before the results of this one are known; and the list of every node that
/// enters the pool, whether it will be read or not.
INLINE void search_level(nt_traversal_kind kind, search_mode mode, const nt_level *given_level, const nt_traversal_query *query,
                         nt_beam *given_beam) {
    // Copies, so that the compiler knows that what is written below leaves them alone.
    const nt_level level = *given_level;
    nt_beam beam = *given_beam;
    const size_t capacity = beam.capacity, row_bytes = prefetched_bytes(kind, query, &level.rows);
    uint64_t *const pool = beam.pool;
    size_t pool_count = beam.pool_count, cursor = beam.cursor;
    extent reached = {__builtin_inff(), __builtin_inff()};
    if (mode == FILTERED) reached = extent_of(&beam, beam.results, beam.result_count, beam.result_capacity);
    else if (mode == PLAIN) reached = extent_of(&beam, pool, pool_count, capacity);
    else if (mode != GROWING) reached.kept = worst(pool, pool_count, capacity);
    hop_memory memory;
    hop current = {NULL, NULL, 0};
    for (;;) {
        while (cursor < pool_count && pool[cursor] & 1) ++cursor;
        bool more = cursor < pool_count;
        if (mode == FILTERED || mode == PLAIN) more = more && nt_key_distance(pool[cursor]) <= reached.expanded;
        if (mode == FILTERED && beam.hop_limit) more = more && beam.hops < beam.hop_limit;
        if (mode == GROWING) more = more && beam.overflow_count + 2 * HOP_ROWS <= beam.overflow_capacity;
        hop next = {NULL, NULL, 0};
        if (more) {
            const uint32_t node = nt_pool_node(pool[cursor]);
            pool[cursor++] |= 1;
            next = begin_hop(mode, &level, row_bytes, node, &beam, &memory);
        } else if (!current.count) {
            break;
        }
        if (current.count) {
            uint64_t keys[HOP_ROWS + 16];
            const size_t found = row_keys(
                kind, query, &level.rows, current.rows, current.numbers, current.count, current.count, reached.kept, 1, keys);
            for (size_t i = 0; i < found; ++i) {
                const uint64_t last = mode == GROWING && pool_count == capacity ? pool[capacity - 1] : 0;
                const size_t position = nt_pool_insert(pool, &pool_count, capacity, keys[i]);
                if (mode == GROWING && last) beam.overflow[beam.overflow_count++] = position < capacity ? last : keys[i];
                if (mode == FILTERED && may_return(&beam, nt_pool_node(keys[i])))
                    nt_pool_insert(beam.results, &beam.result_count, beam.result_capacity, keys[i]);
                if (mode != UPPER && position < capacity)
                    prefetch_bytes(nt_node_row(&level.links, nt_pool_node(keys[i])), level.degree * sizeof(uint32_t));
                cursor = position < cursor ? position : cursor;
            }
            if (mode == FILTERED) reached = extent_of(&beam, beam.results, beam.result_count, beam.result_capacity);
            else if (mode == PLAIN) reached = extent_of(&beam, pool, pool_count, capacity);
            else if (mode != GROWING) reached.kept = worst(pool, pool_count, capacity);
        }
        current = next;
    }
    beam.pool_count = pool_count;
    beam.cursor = cursor;
    *given_beam = beam;
}

#define TRAVERSAL_FUNCTIONS(name, kind) \
    TARGET static void distances_##name(const nt_traversal_query *query, const nt_rows *rows, const uint32_t *numbers, \
                                        size_t count, float *out) { \
        for (size_t i = 0; i < count; i += SCAN_ROWS) { \
            size_t n = count - i < SCAN_ROWS ? count - i : SCAN_ROWS, ahead = n < SCAN_AHEAD_ROWS ? n : SCAN_AHEAD_ROWS; \
            float part[SCAN_ROWS]; \
            const size_t prefetched = prefetched_bytes(kind, query, rows); \
            for (size_t j = 0; j < ahead; ++j) prefetch_bytes(nt_row(rows, numbers[i + j]), prefetched); \
            if (kind == NT_TRAVERSE_VECTORS) { \
                const void *pointers[SCAN_ROWS]; \
                float norms[SCAN_ROWS]; \
                for (size_t j = 0; j < n; ++j) { \
                    const char *chunk = rows->blocks[numbers[i + j] >> rows->block_shift]; \
                    size_t position = numbers[i + j] & ((1u << rows->block_shift) - 1); \
                    pointers[j] = chunk + position * rows->stride; \
                    norms[j] = ((const float *)(chunk + (rows->stride << rows->block_shift)))[position]; \
                } \
                query->functions->gathered(&query->vector, pointers, norms, n, out + i); \
            } else { \
                sq8_distances(kind, query, rows, numbers + i, n, ahead, part); \
                memcpy(out + i, part, n * sizeof(float)); \
            } \
        } \
    } \
    TARGET static size_t scan_##name(const nt_traversal_query *query, const nt_rows *rows, const uint32_t *numbers, \
                                     size_t count, float threshold, uint64_t *keys) { \
        size_t found = 0; \
        for (size_t i = 0; i < count; i += SCAN_ROWS) { \
            size_t n = count - i < SCAN_ROWS ? count - i : SCAN_ROWS, ahead = n < SCAN_AHEAD_ROWS ? n : SCAN_AHEAD_ROWS; \
            const size_t prefetched = prefetched_bytes(kind, query, rows); \
            for (size_t j = 0; j < ahead; ++j) prefetch_bytes(nt_row(rows, numbers[i + j]), prefetched); \
            found += row_keys(kind, query, rows, numbers + i, numbers + i, n, ahead, threshold, 0, keys + found); \
        } \
        return found; \
    } \
    TARGET static void search_##name(const nt_level *level, const nt_traversal_query *query, nt_beam *beam) { \
        if (level->level) search_level(kind, UPPER, level, query, beam); \
        else search_level(kind, PLAIN, level, query, beam); \
    } \
    TARGET static void filtered_##name(const nt_level *level, const nt_traversal_query *query, nt_beam *beam) { \
        search_level(kind, FILTERED, level, query, beam); \
    } \
    TARGET static void two_hops_##name(const nt_level *level, const nt_traversal_query *query, nt_beam *beam) { \
        search_level(kind, TWO_HOPS, level, query, beam); \
    } \
    TARGET static void growing_##name(const nt_level *level, const nt_traversal_query *query, nt_beam *beam) { \
        search_level(kind, GROWING, level, query, beam); \
    }

TRAVERSAL_FUNCTIONS(vectors, NT_TRAVERSE_VECTORS)
TRAVERSAL_FUNCTIONS(sq8_l2, NT_TRAVERSE_SQ8_L2)
TRAVERSAL_FUNCTIONS(sq8_dot, NT_TRAVERSE_SQ8_DOT)

#define TRAVERSAL_ENTRY(name) \
    {distances_##name, scan_##name, search_##name, filtered_##name, two_hops_##name, growing_##name}

static const nt_traversal traversals[3] = {TRAVERSAL_ENTRY(vectors), TRAVERSAL_ENTRY(sq8_l2), TRAVERSAL_ENTRY(sq8_dot)};
