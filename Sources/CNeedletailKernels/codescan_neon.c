// Scans by signs with NEON: a bit becomes a byte by a test against the bits of a byte.
#if defined(__aarch64__)
#include "nt_codescan.h"
#include <arm_neon.h>

#define TARGET
#define FUNCTIONS nt_codescan_neon
#define TIER NT_CPU_NEON
#define SIGN_ROWS 4

static inline __attribute__((always_inline)) void sign_sums(
    const int8_t *codes, const uint8_t *const *rows, size_t words, int32_t *raw) {
    static const uint8_t powers[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bits = vld1q_u8(powers);
    int32x4_t sums[4];
    for (int r = 0; r < 4; ++r) sums[r] = vdupq_n_s32(0);
    for (size_t i = 0; i < 4 * words; ++i) {
        const int8x16_t code = vld1q_s8(codes + 16 * i);
        for (int r = 0; r < 4; ++r) {
            const uint8x16_t byte = vcombine_u8(vdup_n_u8(rows[r][2 * i]), vdup_n_u8(rows[r][2 * i + 1]));
            const int8x16_t mask = vreinterpretq_s8_u8(vtstq_u8(byte, bits));
            sums[r] = vpadalq_s16(sums[r], vpaddlq_s8(vandq_s8(mask, code)));
        }
    }
    for (int r = 0; r < 4; ++r) raw[r] = vaddvq_s32(sums[r]);
}

#include "codescan_loop.h"

#else
typedef int nt_no_neon_codescan;  // a translation unit must hold something
#endif
