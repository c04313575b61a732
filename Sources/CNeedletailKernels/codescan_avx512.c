// Scans by signs with AVX-512 (F, BW, VL, DQ, VNNI and VBMI): 16 rows at a time, turned so that four bytes of each fill a vector, and one
// permutation looks up four bits of every byte.
#if defined(__x86_64__)
#include "nt_codescan.h"
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")))
#define FUNCTIONS nt_codescan_avx512
#define TIER NT_CPU_AVX512
#define PASSING
#define PACKED
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline)) TARGET

// A fused multiply-add would give other bits than the other tiers.
#pragma STDC FP_CONTRACT OFF

/// The four 32-bit words of 16 rows from a byte on, word by word: of row i the i-th element. 16 bytes can always be read: behind the signs
/// of a row stand its numbers, 12 bytes and four to spare.
ALWAYS void turn_rows(const uint8_t *const *rows, size_t byte, __m512i *words) {
    __m512i x[4];
    UNROLL for (int i = 0; i < 4; ++i) {
        x[i] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows[i] + byte)));
        x[i] = _mm512_inserti32x4(x[i], _mm_loadu_si128((const __m128i *)(rows[4 + i] + byte)), 1);
        x[i] = _mm512_inserti32x4(x[i], _mm_loadu_si128((const __m128i *)(rows[8 + i] + byte)), 2);
        x[i] = _mm512_inserti32x4(x[i], _mm_loadu_si128((const __m128i *)(rows[12 + i] + byte)), 3);
    }
    const __m512i a = _mm512_unpacklo_epi32(x[0], x[1]), b = _mm512_unpackhi_epi32(x[0], x[1]);
    const __m512i c = _mm512_unpacklo_epi32(x[2], x[3]), d = _mm512_unpackhi_epi32(x[2], x[3]);
    words[0] = _mm512_unpacklo_epi64(a, c);
    words[1] = _mm512_unpackhi_epi64(a, c);
    words[2] = _mm512_unpacklo_epi64(b, d);
    words[3] = _mm512_unpackhi_epi64(b, d);
}

/// Adds what the tables of four bytes give for a word of each row.
ALWAYS __m512i add_word(__m512i sums, __m512i word, const uint8_t *tables) {
    const __m512i half = _mm512_set1_epi8(15), place = _mm512_set1_epi32(0x30201000);
    // (word & half) | place
    const __m512i low = _mm512_ternarylogic_epi32(word, half, place, 0xEA);
    const __m512i high = _mm512_ternarylogic_epi32(_mm512_srli_epi32(word, 4), half, place, 0xEA);
    // Two fit a byte.
    const __m512i both = _mm512_add_epi8(_mm512_permutexvar_epi8(low, _mm512_load_si512(tables)),
                                         _mm512_permutexvar_epi8(high, _mm512_load_si512(tables + 64)));
    return _mm512_dpbusd_epi32(sums, both, _mm512_set1_epi8(1));
}

/// The rows of 16 that are within the threshold, a bit each.
ALWAYS __mmask16 are_within(const nt_sign_query *query, const uint8_t *const *rows, float threshold) {
    const size_t byte_count = query->rotated_dimension / 8;
    const uint8_t *tables = (const uint8_t *)query->codes + query->rotated_dimension;
    // What the tables have too much is taken off.
    __m512i even = _mm512_set1_epi32(-(int32_t)(2 * byte_count) * NT_SIGN_BIAS), odd = _mm512_setzero_si512(), words[4];
    for (size_t byte = 0; byte < byte_count; byte += 16) {
        turn_rows(rows, byte, words);
        even = add_word(even, words[0], tables + 32 * byte);
        odd = add_word(odd, words[1], tables + 32 * byte + 128);
        // Signs end with a half of 16 bytes where there is an odd number of 64.
        if (byte + 8 == byte_count) break;
        even = add_word(even, words[2], tables + 32 * byte + 256);
        odd = add_word(odd, words[3], tables + 32 * byte + 384);
    }
    turn_rows(rows, byte_count, words);
    const __m512 sums = _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd));
    const __m512 product = _mm512_add_ps(_mm512_set1_ps(query->bias), _mm512_mul_ps(_mm512_set1_ps(query->step), sums));
    const __m512 distance = _mm512_add_ps(_mm512_castsi512_ps(words[0]), _mm512_mul_ps(_mm512_castsi512_ps(words[1]), product));
    const __m512 least = _mm512_sub_ps(distance, _mm512_mul_ps(_mm512_set1_ps(query->slack), _mm512_castsi512_ps(words[2])));
    return _mm512_cmp_ps_mask(least, _mm512_set1_ps(threshold), _CMP_LE_OS);
}

ALWAYS size_t passing(
    const nt_sign_query *query, const uint8_t *const *rows, size_t count, float threshold, const uint32_t *slots, uint32_t *out) {
    size_t found = 0;
    for (size_t i = 0; i < count; i += 16) {
        const __mmask16 all = count - i < 16 ? (__mmask16)((1u << (count - i)) - 1) : 0xFFFF;
        const __mmask16 within = are_within(query, rows + i, threshold) & all;
        const int number = __builtin_popcount(within);
        const __m512i chosen = _mm512_maskz_compress_epi32(within, _mm512_maskz_loadu_epi32(all, slots + i));
        // Compressing into memory is slow on some processors.
        _mm512_mask_storeu_epi32(out + found, (__mmask16)((1u << number) - 1), chosen);
        found += (size_t)number;
    }
    return found;
}

// Bytes of a row after which sums of bytes may be more than 16 bits.
#define MOST_BYTES 256

/// Of 64 rows the sums of 16-bit words and of their upper bytes alone, as 32-bit numbers in order, are added to `sums`.
ALWAYS void add_sums(__m512i words, __m512i upper, __m512i *sums) {
    const __m512i even = _mm512_sub_epi16(words, _mm512_slli_epi16(upper, 8));
    // Of each 16 rows, the first and the second eight.
    const __m512i low = _mm512_unpacklo_epi16(even, upper), high = _mm512_unpackhi_epi16(even, upper);
    sums[0] = _mm512_add_epi32(sums[0], _mm512_cvtepu16_epi32(_mm256_inserti128_si256(_mm512_castsi512_si256(low), _mm512_castsi512_si128(high), 1)));
    UNROLL for (int i = 1; i < 4; ++i) {
        const __m128i a = i == 1 ? _mm512_extracti32x4_epi32(low, 1) : i == 2 ? _mm512_extracti32x4_epi32(low, 2) : _mm512_extracti32x4_epi32(low, 3);
        const __m128i b = i == 1 ? _mm512_extracti32x4_epi32(high, 1) : i == 2 ? _mm512_extracti32x4_epi32(high, 2) : _mm512_extracti32x4_epi32(high, 3);
        sums[i] = _mm512_add_epi32(sums[i], _mm512_cvtepu16_epi32(_mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1)));
    }
}

/// The rows of a block that are within the threshold, a bit each.
ALWAYS uint64_t packed_within(const nt_sign_query *query, const uint8_t *block, float threshold) {
    const size_t byte_count = query->rotated_dimension / 8;
    const uint8_t *tables = (const uint8_t *)query->codes + query->rotated_dimension;
    const __m512i half = _mm512_set1_epi8(15);
    // What the tables have too much is taken off.
    __m512i sums[4], words = _mm512_setzero_si512(), upper = words;
    UNROLL for (int i = 0; i < 4; ++i) sums[i] = _mm512_set1_epi32(-(int32_t)(2 * byte_count) * NT_SIGN_BIAS);
    for (size_t byte = 0; byte < byte_count; byte += 4) {
        UNROLL for (size_t i = 0; i < 4; ++i) {
            const __m512i column = _mm512_load_si512(block + NT_SIGN_BLOCK * (byte + i));
            // The next block: the hardware reads ahead no farther than a page.
            __builtin_prefetch(block + nt_sign_block_bytes(query->rotated_dimension) + NT_SIGN_BLOCK * (byte + i), 0, 2);
            const uint8_t *table = tables + 32 * byte + 16 * i;
            const __m512i low = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)table));
            const __m512i high = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)(table + 64)));
            const __m512i a = _mm512_shuffle_epi8(low, _mm512_and_si512(column, half));
            const __m512i b = _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(column, 4), half));
            // Two fit a byte. Bytes are added in pairs as words: the upper byte goes into one sum alone, and is taken out of the other.
            const __m512i both = _mm512_add_epi8(a, b);
            words = _mm512_add_epi16(words, both);
            upper = _mm512_add_epi16(upper, _mm512_srli_epi16(both, 8));
        }
        if ((byte + 4) % MOST_BYTES == 0) {
            add_sums(words, upper, sums);
            words = upper = _mm512_setzero_si512();
        }
    }
    add_sums(words, upper, sums);
    const float *numbers = (const float *)(block + NT_SIGN_BLOCK * byte_count);
    uint64_t within = 0;
    UNROLL for (int i = 0; i < 4; ++i, numbers += 16) {
        const __m512 product = _mm512_add_ps(_mm512_set1_ps(query->bias), _mm512_mul_ps(_mm512_set1_ps(query->step), _mm512_cvtepi32_ps(sums[i])));
        const __m512 distance = _mm512_add_ps(_mm512_load_ps(numbers), _mm512_mul_ps(_mm512_load_ps(numbers + NT_SIGN_BLOCK), product));
        const __m512 least = _mm512_sub_ps(distance, _mm512_mul_ps(_mm512_set1_ps(query->slack), _mm512_load_ps(numbers + 2 * NT_SIGN_BLOCK)));
        within |= (uint64_t)_mm512_cmp_ps_mask(least, _mm512_set1_ps(threshold), _CMP_LE_OS) << (16 * i);
    }
    return within;
}

#include "codescan_loop.h"

#else
typedef int nt_no_avx512_codescan;  // a translation unit must hold something
#endif
