// Neighbour codes in portable C: the specification that every other tier is tested against.
#include "nt_rabitq.h"

#define TARGET
#define FUNCTIONS nt_rabitq_portable

static inline void table_sums(const uint8_t *tables, const uint8_t *codes, size_t table_count, const uint8_t *ahead, uint32_t *sums) {
    memset(sums, 0, NT_RABITQ_GROUP * sizeof(uint32_t));
    for (size_t t = 0; t < table_count; ++t, tables += 16, codes += 16, ahead += 16) {
        if (!(t & 3)) __builtin_prefetch(ahead, 0, 2);
        for (int i = 0; i < 16; ++i) {
            sums[i] += tables[codes[i] & 15];
            sums[i + 16] += tables[codes[i] >> 4];
        }
    }
}

static inline uint32_t raw_l2(const uint8_t *query, const uint8_t *row, size_t byte_count) {
    uint32_t raw = 0;
    for (size_t i = 0; i < byte_count; ++i) {
        int difference = query[i] - row[i];
        raw += (uint32_t)(difference * difference);
    }
    return raw;
}

static inline uint32_t raw_dot(const int8_t *query, const uint8_t *row, size_t byte_count) {
    int32_t raw = 0;
    for (size_t i = 0; i < byte_count; ++i) raw += query[i] * row[i];
    return (uint32_t)raw;
}

#include "rabitq_generic.h"
#include "rabitq_loop.h"
