// Scans by signs with AVX2: 32 rows at a time, whose bytes are turned so that one shuffle looks up four bits of each.
#if defined(__x86_64__)
#include "nt_codescan.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define FUNCTIONS nt_codescan_avx2
#define TIER NT_CPU_AVX2
#define SIGN_ROWS 32
#define PACKED
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline)) TARGET

// A fused multiply-add would give other bits than the other tiers.
#pragma STDC FP_CONTRACT OFF

// Bytes of a row after which sums of bytes may be more than 16 bits.
#define MOST_BYTES 256

/// Adds sums of 16-bit words, and of their upper bytes alone, to those of 32 rows.
ALWAYS void add_sums(__m256i words, __m256i upper, int32_t *raw) {
    const __m256i even = _mm256_sub_epi16(words, _mm256_slli_epi16(upper, 8));
    const __m256i low = _mm256_unpacklo_epi16(even, upper), high = _mm256_unpackhi_epi16(even, upper);
    const __m128i parts[4] = {
        _mm256_castsi256_si128(low), _mm256_castsi256_si128(high), _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
    UNROLL for (int i = 0; i < 4; ++i) {
        __m256i *sums = (__m256i *)(raw + 8 * i);
        _mm256_storeu_si256(sums, _mm256_add_epi32(_mm256_loadu_si256(sums), _mm256_cvtepu16_epi32(parts[i])));
    }
}

/// Adds what the tables give for one byte of 32 rows.
ALWAYS void add_column(__m256i column, const uint8_t *tables, size_t byte, __m256i *words, __m256i *upper) {
    const uint8_t *table = tables + 128 * (byte / 4) + 16 * (byte % 4);
    const __m256i low = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(table + 64)));
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i a = _mm256_shuffle_epi8(low, _mm256_and_si256(column, half));
    const __m256i b = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(column, 4), half));
    // Two fit a byte. Bytes are added in pairs as words: the upper byte of a pair goes into one sum alone, and is taken out of the other.
    const __m256i both = _mm256_add_epi8(a, b);
    *words = _mm256_add_epi16(*words, both);
    *upper = _mm256_add_epi16(*upper, _mm256_srli_epi16(both, 8));
}

ALWAYS void sign_sums(const int8_t *codes, const uint8_t *const *rows, size_t words, int32_t *raw) {
    const size_t byte_count = 8 * words;
    const uint8_t *tables = (const uint8_t *)codes + 8 * byte_count;
    // What the tables have too much.
    for (int r = 0; r < SIGN_ROWS; ++r) raw[r] = -(int32_t)(2 * byte_count) * NT_SIGN_BIAS;
    __m256i sum = _mm256_setzero_si256(), upper = sum;
    for (size_t byte = 0; byte < byte_count; byte += 16) {
        // Column by column: of 16 rows in each half, byte i of all. Behind the signs of a row stand its numbers, at least 12 bytes of
        // a stride of whole 32, so that 16 bytes can always be read.
        __m256i x[16], y[16];
        UNROLL for (int i = 0; i < 16; ++i)
            x[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(rows[i] + byte))),
                                           _mm_loadu_si128((const __m128i *)(rows[i + 16] + byte)), 1);
        UNROLL for (int turn = 0; turn < 2; ++turn) {
            UNROLL for (int i = 0; i < 8; ++i) {
                y[2 * i] = _mm256_unpacklo_epi8(x[i], x[i + 8]);
                y[2 * i + 1] = _mm256_unpackhi_epi8(x[i], x[i + 8]);
            }
            UNROLL for (int i = 0; i < 8; ++i) {
                x[2 * i] = _mm256_unpacklo_epi8(y[i], y[i + 8]);
                x[2 * i + 1] = _mm256_unpackhi_epi8(y[i], y[i + 8]);
            }
        }
        const size_t columns = byte_count - byte < 16 ? byte_count - byte : 16;
        for (size_t i = 0; i < columns; ++i) {
            add_column(x[i], tables, byte + i, &sum, &upper);
        }
        if ((byte + 16) % MOST_BYTES == 0) {
            add_sums(sum, upper, raw);
            sum = upper = _mm256_setzero_si256();
        }
    }
    add_sums(sum, upper, raw);
}

/// Of half a block, from its `first` row on, the rows that are within the threshold, a bit each.
ALWAYS uint32_t half_within(const nt_sign_query *query, const uint8_t *block, size_t first, float threshold) {
    const size_t byte_count = query->rotated_dimension / 8;
    const uint8_t *tables = (const uint8_t *)query->codes + query->rotated_dimension;
    int32_t raw[32];
    for (int r = 0; r < 32; ++r) raw[r] = -(int32_t)(2 * byte_count) * NT_SIGN_BIAS;
    __m256i words = _mm256_setzero_si256(), upper = words;
    for (size_t byte = 0; byte < byte_count; byte += 4) {
        UNROLL for (size_t i = 0; i < 4; ++i) {
            add_column(_mm256_load_si256((const __m256i *)(block + first + NT_SIGN_BLOCK * (byte + i))), tables, byte + i, &words, &upper);
            // The next block: the hardware reads ahead no farther than a page.
            if (first == 0) __builtin_prefetch(block + nt_sign_block_bytes(query->rotated_dimension) + NT_SIGN_BLOCK * (byte + i), 0, 2);
        }
        if ((byte + 4) % MOST_BYTES == 0) {
            add_sums(words, upper, raw);
            words = upper = _mm256_setzero_si256();
        }
    }
    add_sums(words, upper, raw);
    const float *numbers = (const float *)(block + NT_SIGN_BLOCK * byte_count) + first;
    uint32_t within = 0;
    UNROLL for (int r = 0; r < 32; r += 8) {
        const __m256 sums = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(raw + r)));
        const __m256 product = _mm256_add_ps(_mm256_set1_ps(query->bias), _mm256_mul_ps(_mm256_set1_ps(query->step), sums));
        const __m256 distance = _mm256_add_ps(_mm256_load_ps(numbers + r), _mm256_mul_ps(_mm256_load_ps(numbers + NT_SIGN_BLOCK + r), product));
        const __m256 least = _mm256_sub_ps(distance, _mm256_mul_ps(_mm256_set1_ps(query->slack), _mm256_load_ps(numbers + 2 * NT_SIGN_BLOCK + r)));
        within |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(least, _mm256_set1_ps(threshold), _CMP_LE_OS)) << r;
    }
    return within;
}

ALWAYS uint64_t packed_within(const nt_sign_query *query, const uint8_t *block, float threshold) {
    return half_within(query, block, 0, threshold) | (uint64_t)half_within(query, block, 32, threshold) << 32;
}

#include "codescan_loop.h"

#else
typedef int nt_no_avx2_codescan;  // a translation unit must hold something
#endif
