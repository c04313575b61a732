// Chooses the scan by signs of the tier in use; encodes rows and queries, vectorised by the compiler, since each is encoded once.
#include "nt_codescan.h"
#include <math.h>

extern const nt_codescan nt_codescan_portable;
#if defined(__x86_64__)
extern const nt_codescan nt_codescan_avx2, nt_codescan_avx512;
#elif defined(__aarch64__)
extern const nt_codescan nt_codescan_neon;
#endif

const nt_codescan *nt_codescan_of(nt_cpu_tier tier) {
    if (tier > nt_cpu_best()) return NULL;
    switch (tier) {
    case NT_CPU_PORTABLE: return &nt_codescan_portable;
#if defined(__x86_64__)
    case NT_CPU_AVX2: return &nt_codescan_avx2;
    // The first processors with AVX-512 lack what it needs (VBMI).
    case NT_CPU_AVX512: return __builtin_cpu_supports("avx512vbmi") ? &nt_codescan_avx512 : &nt_codescan_avx2;
#elif defined(__aarch64__)
    case NT_CPU_NEON: return &nt_codescan_neon;
#endif
    default: return NULL;
    }
}

const nt_codescan *nt_codescan_current(void) { return nt_codescan_of(nt_cpu_current()); }

void nt_sign_encode(const float *difference, size_t rotated_dimension, nt_metric metric, float product, void *row) {
    uint8_t *bytes = row;
    memset(bytes, 0, nt_sign_row_bytes(rotated_dimension));
    double square = 0, length = 0;
    for (size_t i = 0; i < rotated_dimension; i += 8) {
        float squares = 0, lengths = 0;
        unsigned byte = 0;
        for (unsigned j = 0; j < 8; ++j) {
            const float x = difference[i + j];
            squares += x * x;
            lengths += fabsf(x);
            byte |= (unsigned)(x >= 0) << j;
        }
        square += squares;
        length += lengths;
        bytes[i / 8] = (uint8_t)byte;
    }
    const double factor = length > 0 ? square / length : 0, dimension = (double)rotated_dimension;
    const double spread = factor * factor * dimension - square;
    const double error = spread > 0 ? sqrt(spread / (dimension - 1)) : 0;
    float numbers[3] = {(float)square, (float)(-2 * factor), (float)(2 * error)};
    if (metric != NT_METRIC_L2)
        for (int i = 0; i < 3; ++i) numbers[i] /= 2;
    if (metric == NT_METRIC_DOT) numbers[0] = -product;
    memcpy(bytes + rotated_dimension / 8, numbers, sizeof numbers);
}

typedef uint8_t sixteen __attribute__((vector_size(16), aligned(1)));

/// Puts 16 bytes of 16 rows down column by column, or the first 8 of them.
static void pack_columns(const uint8_t *const *rows, size_t byte, size_t columns, uint8_t *block) {
    sixteen x[16], y[16];
    for (int i = 0; i < 16; ++i) memcpy(x + i, rows[i] + byte, sizeof *x);
    for (int turn = 0; turn < 4; ++turn) {
        for (int i = 0; i < 8; ++i) {
            y[2 * i] = __builtin_shufflevector(x[i], x[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            y[2 * i + 1] = __builtin_shufflevector(x[i], x[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(x, y, sizeof x);
    }
    for (size_t i = 0; i < columns; ++i) memcpy(block + NT_SIGN_BLOCK * (byte + i), x + i, sizeof *x);
}

void nt_sign_pack(const nt_rows *rows, size_t rotated_dimension, const uint32_t *slots, size_t count, void *blocks) {
    const size_t byte_count = rotated_dimension / 8, block_bytes = nt_sign_block_bytes(rotated_dimension);
    uint8_t *block = blocks;
    for (size_t first = 0; first < count; first += NT_SIGN_BLOCK, block += block_bytes) {
        const size_t rest = count - first < NT_SIGN_BLOCK ? count - first : NT_SIGN_BLOCK;
        if (rest < NT_SIGN_BLOCK) memset(block, 0, block_bytes);
        const uint8_t *found[NT_SIGN_BLOCK];
        for (size_t j = 0; j < NT_SIGN_BLOCK; ++j) {
            found[j] = (const uint8_t *)nt_row(rows, slots[first + (j < rest ? j : 0)]);
            for (size_t line = 0; line < rows->stride; line += 64) __builtin_prefetch(found[j] + line);
        }
        // Behind the signs of a row stand its numbers, 12 bytes and four to spare: 16 bytes can always be read.
        for (size_t j = 0; j < rest; j += 16)
            for (size_t byte = 0; byte < byte_count; byte += 16)
                pack_columns(found + j, byte, byte_count - byte < 16 ? 8 : 16, block + j);
        float *numbers = (float *)(block + NT_SIGN_BLOCK * byte_count);
        for (size_t j = 0; j < rest; ++j)
            for (size_t i = 0; i < 3; ++i) memcpy(numbers + NT_SIGN_BLOCK * i + j, found[j] + byte_count + 4 * i, sizeof *numbers);
    }
}

typedef uint8_t table __attribute__((vector_size(16), aligned(16)));

/// Writes the tables behind the codes.
static void put_tables(int8_t *codes, size_t count) {
    const table zero = {0}, one = {0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255};
    const table two = {0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255};
    const table four = {0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255};
    const table eight = {0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255};
    for (size_t i = 0; i < count; i += 4) {
        const uint8_t *c = (const uint8_t *)codes + i;
        const table sums = ((zero + c[0]) & one) + ((zero + c[1]) & two) + ((zero + c[2]) & four) + ((zero + c[3]) & eight);
        // Of the eight nibbles of four bytes, the lower ones first.
        const size_t nibble = i / 4, place = nibble / 8 * 8 + nibble % 2 * 4 + nibble % 8 / 2;
        *(table *)(codes + count + 16 * place) = sums + (uint8_t)NT_SIGN_BIAS;
    }
}

nt_sign_query nt_sign_prepare(const float *difference, size_t rotated_dimension, float deviations, int8_t *codes) {
    float largest = 0;
    double square = 0;
    for (size_t i = 0; i < rotated_dimension; ++i) {
        const float size = fabsf(difference[i]);
        largest = size > largest ? size : largest;
        square += (double)difference[i] * difference[i];
    }
    // Tiny and zero queries keep a step whose inverse is finite.
    const float step = largest / NT_SIGN_LARGEST > 1e-36f ? largest / NT_SIGN_LARGEST : 1e-36f, inverse = 1 / step;
    int32_t sum = 0;
    for (size_t i = 0; i < rotated_dimension; ++i) {
        // Rounds to the nearest integer, as the last bit of a float of this size counts one; vectorised, which lrintf is not.
        const float large = 0x1.8p23f, shifted = difference[i] * inverse + large;
        const int32_t code = (int32_t)(shifted - large);
        codes[i] = (int8_t)code;
        sum += code;
    }
    put_tables(codes, rotated_dimension);
    // <s, v> is twice what positive signs add, less all.
    return (nt_sign_query){
        .codes = codes, .rotated_dimension = rotated_dimension, .step = 2 * step, .bias = -step * (float)sum,
        .slack = deviations * (float)sqrt(square)};
}
