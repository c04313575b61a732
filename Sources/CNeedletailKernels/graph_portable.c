// Traversal in portable C: the specification that every other tier is tested against.
#include "nt_graph.h"

#define TARGET

static inline void sq8_l2(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    for (int r = 0; r < 4; ++r) {
        uint32_t sum = 0;
        for (size_t i = 0; i < byte_count; ++i) {
            int difference = query[i] - rows[r][i];
            sum += (uint32_t)(difference * difference);
        }
        raw[r] = sum;
    }
}

static inline void sq8_dot(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    for (int r = 0; r < 4; ++r) {
        int32_t sum = 0;
        for (size_t i = 0; i < byte_count; ++i) sum += (int8_t)query[i] * rows[r][i];
        raw[r] = (uint32_t)sum;
    }
}

#include "graph_keys.h"
#include "graph_loop.h"

extern const nt_traversal *const nt_traversals_portable;
const nt_traversal *const nt_traversals_portable = traversals;
