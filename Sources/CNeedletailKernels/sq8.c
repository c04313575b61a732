// SQ8 codes of vectors: vectorised by the compiler, since each vector is encoded once.
#include "nt_graph.h"
#include <math.h>

void nt_sq8_encode_l2(const float *values, size_t count, float minimum, float inverse_step, uint8_t *codes, size_t byte_count) {
    for (size_t i = 0; i < count; ++i) {
        float code = (values[i] - minimum) * inverse_step;
        // In this order a NaN becomes 0: converted, it would be undefined.
        code = code > 0 ? code < 255 ? code : 255 : 0;
        codes[i] = (uint8_t)(int)(code + 0.5f);
    }
    if (byte_count > count) memset(codes + count, 0, byte_count - count);
}

void nt_sq8_encode_dot(const float *values, size_t count, float inverse_step, uint8_t *codes, size_t byte_count) {
    for (size_t i = 0; i < count; ++i) {
        float code = values[i] * inverse_step;
        code = code > -127 ? code < 127 ? code : 127 : -127;
        // 128.5 more is positive, so that cutting off rounds.
        codes[i] = (uint8_t)(int)(code + 128.5f);
    }
    if (byte_count > count) memset(codes + count, 0, byte_count - count);
}

int32_t nt_sq8_query_dot(const uint8_t *row, size_t count, int8_t *codes, size_t byte_count) {
    int32_t sum = 0;
    for (size_t i = 0; i < count; ++i) {
        codes[i] = (int8_t)(row[i] - 128);
        sum += codes[i];
    }
    if (byte_count > count) memset(codes + count, 0, byte_count - count);
    return 128 * sum;
}
