// Rotation, encoding and search by neighbour codes, written once and compiled into each tier's file around that tier's
// arithmetic.
//
// The including file defines, before it includes this one:
//   TARGET                    the attribute that chooses the instruction set (may be empty)
//   table_sums(tables, codes, table_count, ahead, sums)
//                                                  the sums of 32 neighbours, uint32_t; table_count is a multiple of 16;
//                                                  meanwhile as many bytes from `ahead` on are asked for as codes are read
//   raw_l2(query, row, byte_count), raw_dot(...)   what SQ8 codes are compared by (nt_graph.h)
//   append_near(...), nearest_key(...)             as in rabitq_generic.h
// all always-inlined, and names the table of functions FUNCTIONS.
#pragma once
#include "nt_keys.h"
#include "nt_rabitq.h"
#include <math.h>
#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

typedef float floats __attribute__((vector_size(64), aligned(64)));
typedef int32_t ints __attribute__((vector_size(64), aligned(64)));
typedef uint8_t bytes __attribute__((vector_size(16), aligned(16)));

// Vectors are passed by pointer: their way as arguments depends on the instruction set.
INLINE float total(const floats *x) {
    float lanes[16];
    memcpy(lanes, x, sizeof lanes);
    for (int h = 8; h; h /= 2)
        for (int i = 0; i < h; ++i) lanes[i] += lanes[i + h];
    return lanes[0];
}

// MARK: Rotation

/// The transform within a vector of 16, and then across `count` vectors, a power of two; not normalised.
INLINE void hadamard(floats *x, size_t count) {
    const floats eight = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
    const floats four = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
    const floats two = {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
    const floats one = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
    for (size_t i = 0; i < count; ++i) {
        floats y = x[i];
        y = __builtin_shufflevector(y, y, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7) + y * eight;
        y = __builtin_shufflevector(y, y, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11) + y * four;
        y = __builtin_shufflevector(y, y, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13) + y * two;
        y = __builtin_shufflevector(y, y, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14) + y * one;
        x[i] = y;
    }
    for (size_t h = 1; h < count; h *= 2)
        for (size_t i = 0; i < count; i += 2 * h)
            for (size_t j = i; j < i + h; ++j) {
                floats a = x[j], b = x[j + h];
                x[j] = a + b;
                x[j + h] = a - b;
            }
}

TARGET static void rotate(const nt_rabitq_rotation *rotation, const float *vector, float *rotated) {
    const size_t dimension = rotation->rotated_dimension, count = dimension / 16;
    memcpy(rotated, vector, rotation->dimension * sizeof(float));
    memset(rotated + rotation->dimension, 0, (dimension - rotation->dimension) * sizeof(float));
    floats *x = (floats *)rotated;
    const floats *signs = (const floats *)rotation->signs;
    size_t power = 64;
    while (2 * power <= dimension) power *= 2;
    // The scale of the transform, and of the rotations by 45°, taken together.
    const float scale = 1 / sqrtf((float)power), half = power == dimension ? 1 : sqrtf(0.5f);
    for (size_t round = 0; round < NT_RABITQ_ROUNDS; ++round) {
        for (size_t i = 0; i < count; ++i) x[i] *= signs[round * count + i];
        floats *part = x + (round & 1 ? count - power / 16 : 0);
        hadamard(part, power / 16);
        for (size_t i = 0; i < power / 16; ++i) part[i] *= scale;
        if (power == dimension) continue;
        for (size_t i = 0; i < count / 2; ++i) {
            floats a = x[i] * half, b = x[i + count / 2] * half;
            x[i] = a + b;
            x[i + count / 2] = a - b;
        }
    }
}

// MARK: Queries

TARGET static nt_rabitq_query prepare(const float *rotated, size_t dimension, uint8_t *tables) {
    // What four signs can add lies within ± the sum of the magnitudes; the widest of these ranges sets the step of all.
    float widest = 0, sum = 0;
    for (size_t i = 0; i < dimension; i += 4) {
        const float *x = rotated + i;
        float range = fabsf(x[0]) + fabsf(x[1]) + fabsf(x[2]) + fabsf(x[3]);
        widest = range > widest ? range : widest;
        sum += range;
    }
    const float step = widest > 0 ? 2 * widest / 255 : 1;
    const float inverse = 1 / step;
    const floats one = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
    const floats two = {-1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1};
    const floats four = {-1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1};
    const floats eight = {-1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < dimension; i += 4) {
        const float *x = rotated + i;
        float range = fabsf(x[0]) + fabsf(x[1]) + fabsf(x[2]) + fabsf(x[3]);
        floats value = x[0] * one + x[1] * two + x[2] * four + x[3] * eight + range;
        value = value * inverse + 0.5f;
        ints rounded = __builtin_convertvector(value, ints);
        *(bytes *)(tables + 4 * i) = __builtin_convertvector(rounded, bytes);
    }
    return (nt_rabitq_query){.tables = tables, .step = step, .bias = -sum};
}

TARGET static void sums(const uint8_t *tables, const uint8_t *codes, size_t dimension, uint32_t *out) {
    table_sums(tables, codes, dimension / 4, codes, out);
}

// MARK: Encoding

static inline uint16_t bfloat16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16);
}

TARGET static void encode(const float *node, const float *neighbor, size_t dimension, nt_metric metric, void *group, size_t position) {
    const ints weights = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
    const floats zero = {0};
    floats squares = zero, lengths = zero, products = zero, norms = zero;
    uint8_t *codes = (uint8_t *)group + NT_RABITQ_CODES + (position & 15);
    const unsigned shift = position & 16 ? 4 : 0;
    for (size_t i = 0; i < dimension; i += 16) {
        const floats c = *(const floats *)(node + i), o = *(const floats *)(neighbor + i), r = o - c;
        const ints positive = r >= zero;
        squares += r * r;
        lengths += (floats)((ints)r & 0x7FFFFFFF);
        norms += c * r;
        // c with its sign changed where r is negative.
        products += (floats)((ints)c ^ (~positive & (int32_t)0x80000000));
        const uint32_t bits = (uint32_t)__builtin_reduce_or(positive & weights);
        for (size_t j = 0; j < 4; ++j) codes[(i / 4 + j) * 16] |= (uint8_t)((bits >> (4 * j) & 15) << shift);
    }
    const float square = total(&squares), length = total(&lengths), factor = length > 0 ? square / length : 0;
    float scale = -2 * factor, add = square + 2 * factor * total(&products);
    if (metric == NT_METRIC_COSINE) scale /= 2, add /= 2;
    if (metric == NT_METRIC_DOT) scale = -factor, add = factor * total(&products) - total(&norms);
    ((uint16_t *)((uint8_t *)group + 128))[position] = bfloat16(add);
    ((uint16_t *)((uint8_t *)group + 192))[position] = bfloat16(scale);
}

// MARK: Codes of several bits

// Units that are tried, as multiples of what is best for normal components: the best are seldom beyond, and more gain little.
#define UNITS 12

TARGET static float quantize(const float *r, size_t dimension, uint32_t bits, uint8_t *codes) {
    const floats zero = {0};
    const float center = (float)((1u << bits) - 1) / 2, most = (float)((1u << bits) - 1), half = (float)(1u << bits) / 2;
    floats squares = zero;
    for (size_t i = 0; i < dimension; i += 16) squares += *(const floats *)(r + i) * *(const floats *)(r + i);
    const float spread = sqrtf(total(&squares) / (float)dimension);
    if (!(spread > 0)) {
        memset(codes, 0, dimension);
        return 0;
    }
    // Steps of the best uniform quantizers of normal numbers (Max, 1960); of one bit there is only the sign.
    const float usual = bits == 1 ? 1 : bits == 2 ? 0.9957f : 0.3352f;
    float best = -1, scale = 0, best_product = 0;
    for (int unit = 0; unit < (bits == 1 ? 1 : UNITS); ++unit) {
        const float inverse = 1 / (spread * usual * (0.7f + 0.06f * (float)unit));
        floats products = zero, norms = zero;
        for (size_t i = 0; i < dimension; i += 16) {
            const floats x = *(const floats *)(r + i);
            floats level = x * inverse + half;
            level = (floats)((ints)level & (level > 0));
            const ints within = level < most;
            level = (floats)(((ints)level & within) | ((ints)(zero + most) & ~within));
            const floats value = __builtin_convertvector(__builtin_convertvector(level, ints), floats) - center;
            products += value * x;
            norms += value * value;
        }
        const float product = total(&products), cosine = product / sqrtf(total(&norms));
        if (cosine > best) best = cosine, scale = inverse, best_product = product;
    }
    for (size_t i = 0; i < dimension; i += 16) {
        floats level = *(const floats *)(r + i) * scale + half;
        level = (floats)((ints)level & (level > 0));
        const ints within = level < most;
        level = (floats)(((ints)level & within) | ((ints)(zero + most) & ~within));
        *(bytes *)(codes + i) = __builtin_convertvector(__builtin_convertvector(level, ints), bytes);
    }
    return best_product;
}

// MARK: Search

// Keys from which on the queue is looked through for such as are beyond the threshold.
#define LEAST_THINNING 64

/// Asks for what of a node is read first. The neighbours' codes, most of its bytes, are asked for one by one while those of
/// the node before are scanned: all at once would stall on the way to memory.
INLINE void prefetch_node(const nt_rabitq_level *level, uint32_t node) {
    const char *codes = nt_row(&level->codes, node), *block = nt_node_row(&level->blocks, node);
    for (size_t i = 0; i < NT_RABITQ_CODES; i += 64) __builtin_prefetch(block + i, 0, 2);
    for (size_t i = 0; i < level->codes.stride; i += 64) __builtin_prefetch(codes + i, 0, 2);
}

INLINE bool returnable(const nt_rabitq_beam *beam, uint32_t node) {
    uint64_t word = beam->allowed ? beam->allowed[node >> 6] : ~0ull;
    if (beam->deleted) word &= ~beam->deleted[node >> 6];
    return word >> (node & 63) & 1;
}

/// Keeps a key where it is among the `k` least, in a max-heap.
INLINE void offer(uint64_t *heap, size_t *count, size_t k, uint64_t key) {
    size_t i;
    if (*count < k) {
        for (i = (*count)++; i > 0 && heap[(i - 1) / 2] < key; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    } else {
        if (key >= heap[0]) return;
        for (i = 0;;) {
            size_t child = 2 * i + 1;
            if (child >= k) break;
            if (child + 1 < k && heap[child + 1] > heap[child]) ++child;
            if (heap[child] <= key) break;
            heap[i] = heap[child];
            i = child;
        }
    }
    heap[i] = key;
}

// Keys that are put in order by counting for each how many are below it.
#define FEW_KEYS 64

/// Puts the `wanted` least keys first. No two are the same.
INLINE void select_least(uint64_t *keys, size_t count, size_t wanted) {
    if (count <= wanted) return;
    if (count > FEW_KEYS) {
        nt_least_keys(keys, count, wanted);
        return;
    }
    uint64_t copy[FEW_KEYS];
    memcpy(copy, keys, count * sizeof(uint64_t));
    for (size_t i = 0; i < count; ++i) {
        size_t below = 0;
        for (size_t j = 0; j < count; ++j) below += copy[j] < copy[i];
        keys[below] = copy[i];
    }
}

/// Makes room: what is beyond the threshold is dropped, and where that leaves more than half of the room taken, also what the budget
/// does not suffice for.
INLINE void thin_out(nt_rabitq_beam *beam, float threshold) {
    const uint64_t limit = nt_key(threshold, 0xFFFFFFFFu);
    size_t kept = 0;
    for (size_t i = 0; i < beam->queue_count; ++i) {
        uint64_t key = beam->queue[i];
        beam->queue[kept] = key;
        kept += key <= limit;
    }
    if (kept > beam->budget && kept > beam->queue_capacity / 2) {
        if (beam->budget > 0) nt_least_keys(beam->queue, kept, beam->budget);
        kept = beam->budget;
    }
    beam->queue_count = kept;
}

// Keys among which the nearest is looked for, roughly.
#define FRONT_KEYS 64

/// The first keys of the queue: those below a bound, which all others are not. Only they are searched for the nearest, so that a hop
/// of a long search, which has thousands of keys in its queue, costs no more than one of a short one.
typedef struct {
    size_t count;
    uint64_t bound;
} queue_front;

/// Leaves about so many of the front's least keys in it: halves it by the mean of their distances, without a branch that could be
/// mispredicted.
INLINE void shorten(nt_rabitq_beam *beam, queue_front *front, size_t most) {
    uint64_t *const keys = beam->queue;
    while (front->count > most) {
        uint64_t sum = 0;
        for (size_t i = 0; i < front->count; ++i) sum += keys[i] >> 32;
        uint64_t bound = (sum / front->count << 32) + UINT32_MAX;
        size_t kept = 0;
        for (size_t i = 0; i < front->count; ++i) {
            const uint64_t key = keys[i];
            keys[i] = keys[kept];
            keys[kept] = key;
            kept += key <= bound;
        }
        if (kept == front->count) {
            // All distances are the same.
            kept = most / 2;
            bound = nt_least_keys(keys, front->count, kept);
        }
        *front = (queue_front){kept, bound + 1};
    }
}

/// Thins the queue out, and puts the least of what is left to its front.
INLINE void rearrange(nt_rabitq_beam *beam, queue_front *front, float threshold) {
    thin_out(beam, threshold);
    *front = (queue_front){beam->queue_count, UINT64_MAX};
    shorten(beam, front, 2 * FRONT_KEYS);
}

/// Brings what has been appended to the queue, from `first` on, to the front, as far as it belongs there.
INLINE void admit(nt_rabitq_beam *beam, queue_front *front, size_t first) {
    for (size_t i = first; i < beam->queue_count; ++i) {
        const uint64_t key = beam->queue[i];
        if (key >= front->bound) continue;
        beam->queue[i] = beam->queue[front->count];
        beam->queue[front->count++] = key;
    }
}

/// Takes the nearest node out of the queue and has it fetched; NT_NO_NODE where there is none within the threshold.
INLINE uint32_t take_nearest(const nt_rabitq_level *level, nt_rabitq_beam *beam, queue_front *front, float threshold) {
    if (!beam->budget) return NT_NO_NODE;
    if (!front->count) rearrange(beam, front, threshold);
    if (!front->count) return NT_NO_NODE;
    const size_t position = nearest_key(beam->queue, front->count);
    const uint64_t key = beam->queue[position];
    if (nt_key_distance(key) > threshold) return NT_NO_NODE;
    beam->queue[position] = beam->queue[--front->count];
    beam->queue[front->count] = beam->queue[--beam->queue_count];
    --beam->budget;
    prefetch_node(level, nt_key_slot(key));
    return nt_key_slot(key);
}

INLINE float code_distance(const nt_rabitq_level *level, const nt_traversal_query *query, uint32_t node) {
    const uint8_t *row = (const uint8_t *)nt_row(&level->codes, node);
    float value = level->kind == NT_TRAVERSE_SQ8_L2 ? (float)raw_l2(query->codes, row, query->byte_count)
        : (float)(int32_t)(raw_dot(query->codes, row, query->byte_count) - (uint32_t)query->correction);
    return query->offset + query->scale * value;
}

TARGET static void search(const nt_rabitq_level *given, nt_rabitq_beam *given_beam) {
    const nt_rabitq_level level = *given;
    nt_rabitq_beam beam = *given_beam;
    const size_t group_bytes = nt_rabitq_group_bytes(level.rotated_dimension);
    const nt_traversal_query query = *level.query;
    const bool filtered = beam.allowed || beam.deleted;
    float threshold = __builtin_inff();
    if (beam.best_count == beam.k) threshold = nt_key_distance(beam.best[0]) * beam.reach + beam.slack;
    const size_t most = beam.queue_capacity - level.groups * NT_RABITQ_GROUP;
    size_t thinning = most < LEAST_THINNING ? most : LEAST_THINNING;
    queue_front front = {beam.queue_count, UINT64_MAX};
    // The next but one is being fetched while the next is computed: it is chosen without what that one would add.
    uint32_t next = take_nearest(&level, &beam, &front, threshold);
    while (next != NT_NO_NODE) {
        const uint32_t node = next;
        next = take_nearest(&level, &beam, &front, threshold);
        const uint8_t *block = (const uint8_t *)nt_node_row(&level.blocks, node);
        const float distance = code_distance(&level, &query, node);
        ++beam.hops;
        if (!filtered || returnable(&beam, node)) {
            const uint64_t key = nt_key(distance, node);
            beam.results[beam.result_count++] = key;
            offer(beam.best, &beam.best_count, beam.k, key);
            if (beam.best_count == beam.k) threshold = nt_key_distance(beam.best[0]) * beam.reach + beam.slack;
        }
        const uint8_t *ahead = next == NT_NO_NODE ? block : (const uint8_t *)nt_node_row(&level.blocks, next);
        const size_t queued = beam.queue_count;
        for (uint32_t g = 0; g < level.groups; ++g, block += group_bytes, ahead += group_bytes) {
            uint32_t found[NT_RABITQ_GROUP];
            table_sums(level.signs.tables, block + NT_RABITQ_CODES, level.rotated_dimension / 4, ahead + NT_RABITQ_CODES, found);
            uint64_t *keys = beam.queue + beam.queue_count;
            beam.queue_count += append_near(&level, block, found, distance, threshold, &beam.seen, keys);
        }
        // What passes is elsewhere: then nothing is returned.
        if (filtered && (float)beam.hops * beam.least_rate > (float)(beam.result_count + NT_RABITQ_PATIENCE)) {
            beam.result_count = beam.best_count = 0;
            break;
        }
        admit(&beam, &front, queued);
        shorten(&beam, &front, 2 * FRONT_KEYS);
        // Most of what came into the queue early is soon beyond the threshold.
        if (beam.queue_count > thinning) {
            rearrange(&beam, &front, threshold);
            thinning = 2 * beam.queue_count < LEAST_THINNING ? LEAST_THINNING : 2 * beam.queue_count;
            if (thinning > most) thinning = most;
        }
        // Only where the queue had run dry.
        if (next == NT_NO_NODE) next = take_nearest(&level, &beam, &front, threshold);
    }
    select_least(beam.results, beam.result_count, beam.wanted);
    beam.distances += beam.hops * level.groups * NT_RABITQ_GROUP;
    *given_beam = beam;
}

const nt_rabitq FUNCTIONS = {.rotate = rotate, .prepare = prepare, .sums = sums, .encode = encode, .quantize = quantize, .search = search};
