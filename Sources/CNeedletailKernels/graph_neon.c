// Traversal with NEON, as every arm64 CPU has it: no optional extension is used.
#if defined(__aarch64__)
#include "nt_graph.h"
#include <arm_neon.h>

#define TARGET
#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline))

ALWAYS void sq8_l2(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    UNROLL for (int r = 0; r < 4; ++r) {
        uint32x4_t even = vdupq_n_u32(0), odd = vdupq_n_u32(0);
        for (size_t i = 0; i < byte_count; i += 16) {
            uint8x16_t d = vabdq_u8(vld1q_u8(query + i), vld1q_u8(rows[r] + i));
            even = vpadalq_u16(even, vmull_u8(vget_low_u8(d), vget_low_u8(d)));
            odd = vpadalq_u16(odd, vmull_high_u8(d, d));
        }
        raw[r] = vaddvq_u32(vaddq_u32(even, odd));
    }
}

ALWAYS void sq8_dot(const uint8_t *query, const uint8_t *const *rows, size_t byte_count, uint32_t *raw) {
    const uint8x16_t flip = vdupq_n_u8(0x80);
    UNROLL for (int r = 0; r < 4; ++r) {
        // Both signed: the product with c - 128, to which 128 Σ query comes back at the end.
        int32x4_t even = vdupq_n_s32(0), odd = vdupq_n_s32(0), total = vdupq_n_s32(0);
        for (size_t i = 0; i < byte_count; i += 16) {
            int8x16_t q = vreinterpretq_s8_u8(vld1q_u8(query + i));
            int8x16_t c = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(rows[r] + i), flip));
            even = vpadalq_s16(even, vmull_s8(vget_low_s8(q), vget_low_s8(c)));
            odd = vpadalq_s16(odd, vmull_high_s8(q, c));
            total = vpadalq_s16(total, vpaddlq_s8(q));
        }
        raw[r] = (uint32_t)vaddvq_s32(vaddq_s32(vaddq_s32(even, odd), vshlq_n_s32(total, 7)));
    }
}

#include "graph_keys.h"
#include "graph_loop.h"

extern const nt_traversal *const nt_traversals_neon;
const nt_traversal *const nt_traversals_neon = traversals;

#else
typedef int nt_no_neon_graph;  // a translation unit must hold something
#endif
