// Column scans for filters: each value of a column against a condition, one bit a row.
//
// Every scan writes ⌈count / 64⌉ words: bit i % 64 of word i / 64 tells whether value i meets the condition, and bits beyond
// `count` are 0. Null values are looked at like others; the caller masks them by the validity bits. `values` need only the
// alignment of its element, and nothing beyond `count` values is read. `words` must not overlap `values`.
//
// Each scan takes a tier in a second form, `…_for`, for tests; a tier that this CPU lacks gives the portable code.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "nt_cpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/// low <= value <= high; no value where low > high.
void nt_filter_range_i64(const int64_t *values, size_t count, int64_t low, int64_t high, uint64_t *words);
void nt_filter_range_i64_for(nt_cpu_tier tier, const int64_t *values, size_t count, int64_t low, int64_t high, uint64_t *words);

/// low <= value <= high as IEEE 754 compares: NaN, as value or bound, never, and -0 equals 0.
void nt_filter_range_f64(const double *values, size_t count, double low, double high, uint64_t *words);
void nt_filter_range_f64_for(nt_cpu_tier tier, const double *values, size_t count, double low, double high, uint64_t *words);

/// value == code.
void nt_filter_equal_u32(const uint32_t *values, size_t count, uint32_t code, uint64_t *words);
void nt_filter_equal_u32_for(nt_cpu_tier tier, const uint32_t *values, size_t count, uint32_t code, uint64_t *words);

/// value != 0.
void nt_filter_nonzero_u8(const uint8_t *values, size_t count, uint64_t *words);
void nt_filter_nonzero_u8_for(nt_cpu_tier tier, const uint8_t *values, size_t count, uint64_t *words);

/// A set of dictionary codes, one bit each.
typedef struct {
    /// Bit c % 64 of word c / 64 is set for every code c in the set. The memory is a multiple of 64 bytes long and has room
    /// for `limit` + 1 bits, of which bit `limit` is 0.
    const uint64_t *bits;
    /// Codes from here on are not in the set.
    uint32_t limit;
} nt_code_set;

/// value is in the set; values at or above its limit are not.
void nt_filter_set_u32(const uint32_t *values, size_t count, nt_code_set set, uint64_t *words);
void nt_filter_set_u32_for(nt_cpu_tier tier, const uint32_t *values, size_t count, nt_code_set set, uint64_t *words);

/// A set of 64-bit integers, or of the bit patterns of doubles: as a list and as a hash table with linear probing.
typedef struct {
    /// The members; of doubles neither NaN nor -0.
    const int64_t *members;
    size_t member_count;
    /// 2^(64 - shift) places; a member stands at or, cyclically, behind place `nt_filter_hash(member) >> shift`, with no
    /// vacant place between. At least one place is vacant.
    const int64_t *places;
    unsigned shift;  // 1 to 63
    /// What a vacant place holds: not a member.
    int64_t vacant;
} nt_number_set;

static inline uint64_t nt_filter_hash(int64_t value) { return (uint64_t)value * 0x9E3779B97F4A7C15u; }

/// value is a member.
void nt_filter_set_i64(const int64_t *values, size_t count, const nt_number_set *set, uint64_t *words);
void nt_filter_set_i64_for(nt_cpu_tier tier, const int64_t *values, size_t count, const nt_number_set *set, uint64_t *words);

/// value equals a member; NaN does not, and -0 equals a member 0.
void nt_filter_set_f64(const double *values, size_t count, const nt_number_set *set, uint64_t *words);
void nt_filter_set_f64_for(nt_cpu_tier tier, const double *values, size_t count, const nt_number_set *set, uint64_t *words);

/// Whether one value is a member, for a look at a single row.
static inline int nt_filter_is_member(const nt_number_set *set, int64_t value) {
    uint64_t mask = ~(uint64_t)0 >> set->shift;
    for (uint64_t place = nt_filter_hash(value) >> set->shift;; place = (place + 1) & mask) {
        int64_t member = set->places[place];
        if (member == set->vacant) return 0;
        if (member == value) return 1;
    }
}

/// The number of bits that are set.
size_t nt_filter_count(const uint64_t *words, size_t word_count);

#ifdef __cplusplus
}
#endif
