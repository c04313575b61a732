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

typedef int32_t bits __attribute__((vector_size(32), aligned(4)));

float nt_largest_f32(const float *values, size_t count) {
    // The compiler keeps the order of a maximum of floats, in which a NaN would show; without their signs, floats are ordered as integers.
    bits largest = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        bits x;
        memcpy(&x, values + i, sizeof x);
        x &= 0x7FFFFFFF;
        const bits is_larger = x > largest;
        largest = (x & is_larger) | (largest & ~is_larger);
    }
    int32_t most = 0;
    for (int j = 0; j < 8; ++j) most = largest[j] > most ? largest[j] : most;
    for (; i < count; ++i) {
        int32_t x;
        memcpy(&x, values + i, sizeof x);
        x &= 0x7FFFFFFF;
        most = x > most ? x : most;
    }
    float result;
    memcpy(&result, &most, sizeof result);
    return result;
}
