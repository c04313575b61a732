// Column scans for filters, portable, in AVX2 and in AVX-512.
//
// A scan is a loop over blocks of 64 rows, each of which gives one word. DEFINE_SCAN makes that loop, inlined with the block
// function of a tier; the rows after the last whole block are tested one by one. The portable block writes 64 flags of a byte,
// which any compiler vectorises (on arm64 to NEON), and packs 8 flags to a byte by one multiplication.
#include "nt_filter.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,popcnt")))
#endif

// What each condition compares with.
typedef struct { int64_t low; uint64_t span; } range_i64;
typedef struct { double low, high; } range_f64;
typedef struct { uint32_t code; } equal_u32;
typedef struct { int unused; } nonzero_u8;
typedef nt_code_set set_u32;
typedef const nt_number_set *set_i64;
typedef const nt_number_set *set_f64;

// Up to so many members a set is compared with one after the other, above by hashing.
#define FEW_MEMBERS 16

// MARK: One row

// low <= value <= high is one comparison: value - low, without sign, is at most high - low.
static inline int range_i64_one(int64_t value, range_i64 a) { return (uint64_t)value - (uint64_t)a.low <= a.span; }
static inline int range_f64_one(double value, range_f64 a) { return (value >= a.low) & (value <= a.high); }
static inline int equal_u32_one(uint32_t value, equal_u32 a) { return value == a.code; }
static inline int nonzero_u8_one(uint8_t value, nonzero_u8 a) { (void)a; return value != 0; }
static inline int set_u32_one(uint32_t value, set_u32 a) {
    uint32_t code = value < a.limit ? value : a.limit;
    return (a.bits[code >> 6] >> (code & 63)) & 1;
}
static inline int set_i64_one(int64_t value, set_i64 a) { return nt_filter_is_member(a, value); }
static inline int set_f64_one(double value, set_f64 a) {
    double positive = value + 0.0;  // -0 becomes 0
    int64_t bits;
    memcpy(&bits, &positive, sizeof bits);
    return nt_filter_is_member(a, bits);
}

// MARK: Loops

#define DEFINE_SCAN(CONDITION, ELEMENT, TIER, ATTRIBUTE) \
    ATTRIBUTE static void CONDITION##_##TIER(const ELEMENT *values, size_t count, CONDITION a, uint64_t *words) { \
        size_t whole = count / 64; \
        for (size_t w = 0; w < whole; ++w) words[w] = CONDITION##_block_##TIER(values + 64 * w, a); \
        size_t rest = count % 64; \
        if (rest) { \
            uint64_t word = 0; \
            for (size_t i = 0; i < rest; ++i) word |= (uint64_t)CONDITION##_one(values[64 * whole + i], a) << i; \
            words[whole] = word; \
        } \
    }

static inline uint64_t pack(const uint8_t flags[64]) {
    uint64_t word = 0;
    for (int i = 0; i < 8; ++i) {
        uint64_t eight;
        memcpy(&eight, flags + 8 * i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        // Byte j holds 0 or 1 in bit 8j; times 2^(56 - 7j) it lands in bit 56 + j.
        word |= ((eight * 0x0102040810204080u) >> 56) << (8 * i);
    }
    return word;
}

#define DEFINE_PORTABLE(CONDITION, ELEMENT) \
    static inline uint64_t CONDITION##_block_portable(const ELEMENT *values, CONDITION a) { \
        uint8_t flags[64]; \
        for (int i = 0; i < 64; ++i) flags[i] = (uint8_t)CONDITION##_one(values[i], a); \
        return pack(flags); \
    } \
    DEFINE_SCAN(CONDITION, ELEMENT, portable, )

DEFINE_PORTABLE(range_i64, int64_t)
DEFINE_PORTABLE(range_f64, double)
DEFINE_PORTABLE(equal_u32, uint32_t)
DEFINE_PORTABLE(nonzero_u8, uint8_t)
DEFINE_PORTABLE(set_u32, uint32_t)
DEFINE_PORTABLE(set_i64, int64_t)
DEFINE_PORTABLE(set_f64, double)

#if defined(__x86_64__)

// MARK: AVX2

AVX2 static inline uint64_t range_i64_block_avx2(const int64_t *values, range_i64 a) {
    // There is no comparison without sign: flip the sign bits of both sides.
    __m256i flip = _mm256_set1_epi64x(INT64_MIN);
    __m256i shift = _mm256_add_epi64(_mm256_set1_epi64x(a.low), flip);  // x - low - 2^63 = x - low + 2^63
    __m256i span = _mm256_xor_si256(_mm256_set1_epi64x((int64_t)a.span), flip);
    uint64_t outside = 0;
    for (int i = 0; i < 64; i += 4) {
        __m256i x = _mm256_sub_epi64(_mm256_loadu_si256((const __m256i *)(values + i)), shift);
        outside |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(x, span))) << i;
    }
    return ~outside;
}

AVX2 static inline uint64_t range_f64_block_avx2(const double *values, range_f64 a) {
    __m256d low = _mm256_set1_pd(a.low), high = _mm256_set1_pd(a.high);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 4) {
        __m256d x = _mm256_loadu_pd(values + i);
        __m256d inside = _mm256_and_pd(_mm256_cmp_pd(x, low, _CMP_GE_OQ), _mm256_cmp_pd(x, high, _CMP_LE_OQ));
        word |= (uint64_t)(unsigned)_mm256_movemask_pd(inside) << i;
    }
    return word;
}

AVX2 static inline uint64_t equal_u32_block_avx2(const uint32_t *values, equal_u32 a) {
    __m256i code = _mm256_set1_epi32((int)a.code);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(values + i));
        word |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(x, code))) << i;
    }
    return word;
}

AVX2 static inline uint64_t nonzero_u8_block_avx2(const uint8_t *values, nonzero_u8 a) {
    (void)a;
    __m256i zero = _mm256_setzero_si256();
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)values), zero));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(values + 32)), zero));
    return ~((uint64_t)low | (uint64_t)high << 32);
}

AVX2 static inline uint64_t set_u32_block_avx2(const uint32_t *values, set_u32 a) {
    __m256i limit = _mm256_set1_epi32((int)a.limit), low = _mm256_set1_epi32(31);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        __m256i code = _mm256_min_epu32(_mm256_loadu_si256((const __m256i *)(values + i)), limit);
        __m256i bits = _mm256_i32gather_epi32((const int *)a.bits, _mm256_srli_epi32(code, 5), 4);
        // The code's bit moves to the sign, from where movemask takes it.
        __m256i sign = _mm256_sllv_epi32(bits, _mm256_sub_epi32(low, _mm256_and_si256(code, low)));
        word |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(sign)) << i;
    }
    return word;
}

AVX2 static inline uint64_t members_block_avx2(const int64_t *values, int are_doubles, const nt_number_set *a) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 4) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(values + i));
        if (are_doubles) x = _mm256_castpd_si256(_mm256_add_pd(_mm256_castsi256_pd(x), _mm256_setzero_pd()));
        __m256i found = _mm256_setzero_si256();
        for (size_t m = 0; m < a->member_count; ++m)
            found = _mm256_or_si256(found, _mm256_cmpeq_epi64(x, _mm256_set1_epi64x(a->members[m])));
        word |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(found)) << i;
    }
    return word;
}

AVX2 static inline uint64_t set_i64_block_avx2(const int64_t *values, set_i64 a) {
    return a->member_count <= FEW_MEMBERS ? members_block_avx2(values, 0, a) : set_i64_block_portable(values, a);
}

AVX2 static inline uint64_t set_f64_block_avx2(const double *values, set_f64 a) {
    return a->member_count <= FEW_MEMBERS ? members_block_avx2((const int64_t *)values, 1, a) : set_f64_block_portable(values, a);
}

DEFINE_SCAN(range_i64, int64_t, avx2, AVX2)
DEFINE_SCAN(range_f64, double, avx2, AVX2)
DEFINE_SCAN(equal_u32, uint32_t, avx2, AVX2)
DEFINE_SCAN(nonzero_u8, uint8_t, avx2, AVX2)
DEFINE_SCAN(set_u32, uint32_t, avx2, AVX2)
DEFINE_SCAN(set_i64, int64_t, avx2, AVX2)
DEFINE_SCAN(set_f64, double, avx2, AVX2)

// MARK: AVX-512

AVX512 static inline uint64_t range_i64_block_avx512(const int64_t *values, range_i64 a) {
    __m512i low = _mm512_set1_epi64(a.low), span = _mm512_set1_epi64((int64_t)a.span);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8)
        word |= (uint64_t)_mm512_cmple_epu64_mask(_mm512_sub_epi64(_mm512_loadu_si512(values + i), low), span) << i;
    return word;
}

AVX512 static inline uint64_t range_f64_block_avx512(const double *values, range_f64 a) {
    __m512d low = _mm512_set1_pd(a.low), high = _mm512_set1_pd(a.high);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        __m512d x = _mm512_loadu_pd(values + i);
        __mmask8 above = _mm512_cmp_pd_mask(x, low, _CMP_GE_OQ);
        word |= (uint64_t)_mm512_mask_cmp_pd_mask(above, x, high, _CMP_LE_OQ) << i;
    }
    return word;
}

AVX512 static inline uint64_t equal_u32_block_avx512(const uint32_t *values, equal_u32 a) {
    __m512i code = _mm512_set1_epi32((int)a.code);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 16)
        word |= (uint64_t)_mm512_cmpeq_epi32_mask(_mm512_loadu_si512(values + i), code) << i;
    return word;
}

AVX512 static inline uint64_t nonzero_u8_block_avx512(const uint8_t *values, nonzero_u8 a) {
    (void)a;
    __m512i x = _mm512_loadu_si512(values);
    return _mm512_test_epi8_mask(x, x);
}

AVX512 static inline uint64_t set_u32_block_avx512(const uint32_t *values, set_u32 a) {
    // A small set is one register, and a lookup a permutation of it. Of a large one, eight gathered at a time are faster than sixteen.
    if (a.limit >= 512) return set_u32_block_avx2(values, a);
    __m512i limit = _mm512_set1_epi32((int)a.limit), low = _mm512_set1_epi32(31), one = _mm512_set1_epi32(1);
    __m512i set = _mm512_loadu_si512(a.bits);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 16) {
        __m512i code = _mm512_min_epu32(_mm512_loadu_si512(values + i), limit);
        __m512i bits = _mm512_permutexvar_epi32(_mm512_srli_epi32(code, 5), set);
        word |= (uint64_t)_mm512_test_epi32_mask(bits, _mm512_sllv_epi32(one, _mm512_and_si512(code, low))) << i;
    }
    return word;
}

AVX512 static inline uint64_t members_block_avx512(const int64_t *values, int are_doubles, const nt_number_set *a) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        __m512i x = _mm512_loadu_si512(values + i);
        if (are_doubles) x = _mm512_castpd_si512(_mm512_add_pd(_mm512_castsi512_pd(x), _mm512_setzero_pd()));
        __mmask8 found = 0;
        for (size_t m = 0; m < a->member_count; ++m)
            found |= _mm512_cmpeq_epi64_mask(x, _mm512_set1_epi64(a->members[m]));
        word |= (uint64_t)found << i;
    }
    return word;
}

AVX512 static inline uint64_t set_i64_block_avx512(const int64_t *values, set_i64 a) {
    return a->member_count <= FEW_MEMBERS ? members_block_avx512(values, 0, a) : set_i64_block_portable(values, a);
}

AVX512 static inline uint64_t set_f64_block_avx512(const double *values, set_f64 a) {
    return a->member_count <= FEW_MEMBERS ? members_block_avx512((const int64_t *)values, 1, a) : set_f64_block_portable(values, a);
}

DEFINE_SCAN(range_i64, int64_t, avx512, AVX512)
DEFINE_SCAN(range_f64, double, avx512, AVX512)
DEFINE_SCAN(equal_u32, uint32_t, avx512, AVX512)
DEFINE_SCAN(nonzero_u8, uint8_t, avx512, AVX512)
DEFINE_SCAN(set_u32, uint32_t, avx512, AVX512)
DEFINE_SCAN(set_i64, int64_t, avx512, AVX512)
DEFINE_SCAN(set_f64, double, avx512, AVX512)

AVX2 static size_t count_avx2(const uint64_t *words, size_t word_count) {
    size_t count = 0;
    for (size_t i = 0; i < word_count; ++i) count += (size_t)__builtin_popcountll(words[i]);
    return count;
}

#endif

// MARK: Choice of the tier

#if defined(__x86_64__)
#define RUN(TIER, CONDITION, ...) \
    do { \
        nt_cpu_tier chosen = (TIER) <= nt_cpu_best() ? (TIER) : NT_CPU_PORTABLE; \
        if (chosen == NT_CPU_AVX512) CONDITION##_avx512(__VA_ARGS__); \
        else if (chosen == NT_CPU_AVX2) CONDITION##_avx2(__VA_ARGS__); \
        else CONDITION##_portable(__VA_ARGS__); \
    } while (0)
#else
#define RUN(TIER, CONDITION, ...) do { (void)(TIER); CONDITION##_portable(__VA_ARGS__); } while (0)
#endif

void nt_filter_range_i64_for(nt_cpu_tier tier, const int64_t *values, size_t count, int64_t low, int64_t high, uint64_t *words) {
    if (low > high) {
        memset(words, 0, (count + 63) / 64 * sizeof *words);
        return;
    }
    range_i64 a = {low, (uint64_t)high - (uint64_t)low};
    RUN(tier, range_i64, values, count, a, words);
}

void nt_filter_range_i64(const int64_t *values, size_t count, int64_t low, int64_t high, uint64_t *words) {
    nt_filter_range_i64_for(nt_cpu_current(), values, count, low, high, words);
}

void nt_filter_range_f64_for(nt_cpu_tier tier, const double *values, size_t count, double low, double high, uint64_t *words) {
    range_f64 a = {low, high};
    RUN(tier, range_f64, values, count, a, words);
}

void nt_filter_range_f64(const double *values, size_t count, double low, double high, uint64_t *words) {
    nt_filter_range_f64_for(nt_cpu_current(), values, count, low, high, words);
}

void nt_filter_equal_u32_for(nt_cpu_tier tier, const uint32_t *values, size_t count, uint32_t code, uint64_t *words) {
    equal_u32 a = {code};
    RUN(tier, equal_u32, values, count, a, words);
}

void nt_filter_equal_u32(const uint32_t *values, size_t count, uint32_t code, uint64_t *words) {
    nt_filter_equal_u32_for(nt_cpu_current(), values, count, code, words);
}

void nt_filter_nonzero_u8_for(nt_cpu_tier tier, const uint8_t *values, size_t count, uint64_t *words) {
    nonzero_u8 a = {0};
    RUN(tier, nonzero_u8, values, count, a, words);
}

void nt_filter_nonzero_u8(const uint8_t *values, size_t count, uint64_t *words) {
    nt_filter_nonzero_u8_for(nt_cpu_current(), values, count, words);
}

void nt_filter_set_u32_for(nt_cpu_tier tier, const uint32_t *values, size_t count, nt_code_set set, uint64_t *words) {
    RUN(tier, set_u32, values, count, set, words);
}

void nt_filter_set_u32(const uint32_t *values, size_t count, nt_code_set set, uint64_t *words) {
    nt_filter_set_u32_for(nt_cpu_current(), values, count, set, words);
}

void nt_filter_set_i64_for(nt_cpu_tier tier, const int64_t *values, size_t count, const nt_number_set *set, uint64_t *words) {
    RUN(tier, set_i64, values, count, set, words);
}

void nt_filter_set_i64(const int64_t *values, size_t count, const nt_number_set *set, uint64_t *words) {
    nt_filter_set_i64_for(nt_cpu_current(), values, count, set, words);
}

void nt_filter_set_f64_for(nt_cpu_tier tier, const double *values, size_t count, const nt_number_set *set, uint64_t *words) {
    RUN(tier, set_f64, values, count, set, words);
}

void nt_filter_set_f64(const double *values, size_t count, const nt_number_set *set, uint64_t *words) {
    nt_filter_set_f64_for(nt_cpu_current(), values, count, set, words);
}

size_t nt_filter_count(const uint64_t *words, size_t word_count) {
#if defined(__x86_64__)
    if (nt_cpu_current() >= NT_CPU_AVX2) return count_avx2(words, word_count);
#endif
    size_t count = 0;
    for (size_t i = 0; i < word_count; ++i) count += (size_t)__builtin_popcountll(words[i]);
    return count;
}
