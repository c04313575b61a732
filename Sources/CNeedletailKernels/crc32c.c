// CRC-32C three ways: portable slicing-by-8, the CRC instruction of x86-64, and that of arm64.
//
// The CRC instruction takes 8 bytes a cycle but answers after 3, so that one dependent chain uses a third of the unit.
// Both hardware versions therefore run three chains over three neighbouring stretches of equal length and join them:
// the CRC of a stretch that is followed by n zero bytes is the CRC times x^(8n) modulo the polynomial, and CRCs are
// linear, so crc(A B C) = crc(A)·x^(8(|B|+|C|)) + crc(B)·x^(8|C|) + crc(C). (Gopal and others, "Fast CRC Computation
// for iSCSI Polynomial Using CRC32 Instruction", Intel 2011.)
//
// Inside this file a CRC is the raw register: reflected, without the exclusive-or at both ends.
#include "nt_crc32c.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

#define POLYNOMIAL 0x82F63B78u  // reflected 0x1EDC6F41

// One stretch of the three, long and short: the long one makes joining cheap, the short one serves small values.
#define LONG_STRETCH 2048
#define SHORT_STRETCH 128

static uint32_t table[8][256];  // table[j][b]: the CRC of byte b followed by j zero bytes
static uint32_t long_shift[2], short_shift[2];  // the factors that join stretches: for one and for two behind

/// a·b modulo the polynomial, reflected: bit 31 is x^0.
static uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (int bit = 31; bit >= 0; --bit) {
        if ((a >> bit) & 1) product ^= b;
        b = (b >> 1) ^ ((b & 1) ? POLYNOMIAL : 0);
    }
    return product;
}

/// x^n modulo the polynomial, by repeated squaring.
static uint32_t power_of_x(uint64_t n) {
    uint32_t result = 0x80000000u, square = 0x40000000u;  // 1 and x
    for (; n; n >>= 1) {
        if (n & 1) result = multiply(result, square);
        square = multiply(square, square);
    }
    return result;
}

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static uint32_t crc_portable(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v = load64(p) ^ crc;
        crc = table[7][v & 255] ^ table[6][(v >> 8) & 255] ^ table[5][(v >> 16) & 255] ^ table[4][(v >> 24) & 255]
            ^ table[3][(v >> 32) & 255] ^ table[2][(v >> 40) & 255] ^ table[1][(v >> 48) & 255] ^ table[0][v >> 56];
    }
    for (; n; --n, ++p) crc = (crc >> 8) ^ table[0][(crc ^ *p) & 255];
    return crc;
}

#if defined(__x86_64__)

#define CRC_TARGET __attribute__((target("sse4.2,pclmul")))

/// Three stretches of `stretch` bytes each. `shift` holds x^(8·stretch - 33) and x^(16·stretch - 33): a carry-less product
/// of two reflected 32-bit values comes out one bit low, and the CRC instruction that reduces it multiplies by x^32.
CRC_TARGET static inline uint32_t crc_three_x86(uint32_t crc, const uint8_t *p, size_t stretch, const uint32_t *shift) {
    uint64_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < stretch; i += 8) {
        a = _mm_crc32_u64(a, load64(p + i));
        b = _mm_crc32_u64(b, load64(p + stretch + i));
        c = _mm_crc32_u64(c, load64(p + 2 * stretch + i));
    }
    __m128i far = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)a), _mm_cvtsi32_si128((int)shift[1]), 0);
    __m128i near = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)b), _mm_cvtsi32_si128((int)shift[0]), 0);
    uint64_t joined = (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(far, near));
    return (uint32_t)(_mm_crc32_u64(0, joined) ^ c);
}

CRC_TARGET static uint32_t crc_x86(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 3 * LONG_STRETCH; n -= 3 * LONG_STRETCH, p += 3 * LONG_STRETCH)
        crc = crc_three_x86(crc, p, LONG_STRETCH, long_shift);
    for (; n >= 3 * SHORT_STRETCH; n -= 3 * SHORT_STRETCH, p += 3 * SHORT_STRETCH)
        crc = crc_three_x86(crc, p, SHORT_STRETCH, short_shift);
    uint64_t wide = crc;
    for (; n >= 8; n -= 8, p += 8) wide = _mm_crc32_u64(wide, load64(p));
    crc = (uint32_t)wide;
    for (; n; --n, ++p) crc = _mm_crc32_u8(crc, *p);
    return crc;
}

#elif defined(__aarch64__)

#define CRC_TARGET __attribute__((target("crc")))

/// Three stretches of `stretch` bytes each; `shift` holds x^(8·stretch) and x^(16·stretch). Joined without the
/// polynomial multiply of the crypto extension, which not every core has: some 60 ns for a long stretch of 6 KiB.
CRC_TARGET static uint32_t crc_three_arm(uint32_t crc, const uint8_t *p, size_t stretch, const uint32_t *shift) {
    uint32_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < stretch; i += 8) {
        a = __crc32cd(a, load64(p + i));
        b = __crc32cd(b, load64(p + stretch + i));
        c = __crc32cd(c, load64(p + 2 * stretch + i));
    }
    return multiply(a, shift[1]) ^ multiply(b, shift[0]) ^ c;
}

CRC_TARGET static uint32_t crc_arm(uint32_t crc, const uint8_t *p, size_t n) {
    for (; n >= 3 * LONG_STRETCH; n -= 3 * LONG_STRETCH, p += 3 * LONG_STRETCH)
        crc = crc_three_arm(crc, p, LONG_STRETCH, long_shift);
    for (; n >= 8; n -= 8, p += 8) crc = __crc32cd(crc, load64(p));
    for (; n; --n, ++p) crc = __crc32cb(crc, *p);
    return crc;
}

static int has_crc_instruction(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & (1 << 7)) != 0;  // HWCAP_CRC32
#else
    return 1;  // every arm64 machine of Apple's has it
#endif
}

#endif

typedef uint32_t (*crc_function)(uint32_t crc, const uint8_t *p, size_t n);

static crc_function function_for(nt_cpu_tier tier) {
#if defined(__x86_64__)
    // Every CPU with AVX2 has SSE 4.2 and PCLMULQDQ, but a hypervisor may hide the latter.
    if (tier >= NT_CPU_AVX2 && nt_cpu_best() >= NT_CPU_AVX2 && __builtin_cpu_supports("pclmul")) return crc_x86;
#elif defined(__aarch64__)
    if (tier == NT_CPU_NEON && has_crc_instruction()) return crc_arm;
#endif
    (void)tier;
    return crc_portable;
}

static crc_function current = crc_portable;

// Runs after cpu.c has found the tier (priority 101).
__attribute__((constructor(102))) static void nt_crc32c_start(void) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
        table[0][byte] = crc;
    }
    for (int j = 1; j < 8; ++j)
        for (int byte = 0; byte < 256; ++byte)
            table[j][byte] = (table[j - 1][byte] >> 8) ^ table[0][table[j - 1][byte] & 255];
#if defined(__x86_64__)
    const uint64_t less = 33;
#else
    const uint64_t less = 0;
#endif
    for (uint64_t behind = 1; behind <= 2; ++behind) {
        long_shift[behind - 1] = power_of_x(8 * LONG_STRETCH * behind - less);
        short_shift[behind - 1] = power_of_x(8 * SHORT_STRETCH * behind - less);
    }
    current = function_for(nt_cpu_current());
}

uint32_t nt_crc32c(uint32_t seed, const void *bytes, size_t byte_count) {
    return ~current(~seed, bytes, byte_count);
}

uint32_t nt_crc32c_for(nt_cpu_tier tier, uint32_t seed, const void *bytes, size_t byte_count) {
    return ~function_for(tier)(~seed, bytes, byte_count);
}
