// The choice of the network loops by CPU tier, and those that are only copying and the same for all.
#include "nt_nn.h"
#include <string.h>

extern const nt_nn_functions nt_nn_portable, nt_nn_neon, nt_nn_avx2, nt_nn_avx512;

const nt_nn_functions *nt_nn_on_tier(nt_cpu_tier tier) {
    if (tier > nt_cpu_best()) return NULL;
    switch (tier) {
    case NT_CPU_PORTABLE: return &nt_nn_portable;
#if defined(__aarch64__)
    case NT_CPU_NEON: return &nt_nn_neon;
#elif defined(__x86_64__)
    case NT_CPU_AVX2: return &nt_nn_avx2;
    case NT_CPU_AVX512: return &nt_nn_avx512;
#endif
    default: return NULL;
    }
}

static const nt_nn_functions *chosen = &nt_nn_portable;

// Priority 102: after nt_cpu has looked at the CPU.
__attribute__((constructor(102))) static void nt_nn_start(void) {
    const nt_nn_functions *functions = nt_nn_on_tier(nt_cpu_current());
    if (functions) chosen = functions;
}

void nt_depthwise3x3_row_f32(const nt_depthwise_row *row) { chosen->depthwise3x3_row(row); }

void nt_layer_norm_f32(const float *x, size_t rows, size_t width, const float *gamma, const float *beta, float epsilon, float *output) {
    chosen->layer_norm(x, rows, width, gamma, beta, epsilon, output);
}

void nt_softmax_f32(float *x, size_t stride, size_t rows, size_t width, float scale) { chosen->softmax(x, stride, rows, width, scale); }

void nt_mean_of_rows_f32(const float *x, size_t rows, size_t width, float *output) { chosen->mean_of_rows(x, rows, width, output); }


void nt_patches_row_f32(const nt_patches *p, size_t y, size_t out_width, float *output) {
    const size_t run = p->kernel * p->channels;  // floats of one row of a patch, contiguous in the input
    for (size_t x = 0; x < out_width; x++) {
        // Columns left ..< right of the kernel lie inside the picture.
        const size_t at = x * p->stride;
        const size_t left = at < p->pad_left ? p->pad_left - at : 0;
        const size_t end = p->width + p->pad_left;
        const size_t right = at >= end ? 0 : end - at < p->kernel ? end - at : p->kernel;
        for (size_t i = 0; i < p->kernel; i++, output += run) {
            const size_t row = y * p->stride + i;
            if (row < p->pad_top || row - p->pad_top >= p->height || left >= right) {
                memset(output, 0, run * sizeof(float));
                continue;
            }
            const float *in = p->input + ((row - p->pad_top) * p->width + at + left - p->pad_left) * p->channels;
            if (left) memset(output, 0, left * p->channels * sizeof(float));
            memcpy(output + left * p->channels, in, (right - left) * p->channels * sizeof(float));
            if (right < p->kernel) memset(output + right * p->channels, 0, (p->kernel - right) * p->channels * sizeof(float));
        }
    }
}

/// Half precision by integer arithmetic: exponent and mantissa move up 13 bits and the bias of the exponent changes
/// from 15 to 127; a subnormal becomes a normal number through a subtraction that the FPU normalises.
static float widened(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7fff;
    uint32_t bits;
    float value;
    if (magnitude >= 0x7c00) bits = 0x7f800000 | (magnitude & 0x3ff) << 13;
    else if (magnitude >= 0x0400) bits = (magnitude << 13) + ((127 - 15) << 23);
    else {
        bits = magnitude + (126u << 23);  // 0.5 + magnitude · 2^-24
        memcpy(&value, &bits, sizeof value);
        value -= 0.5f;
        memcpy(&bits, &value, sizeof bits);
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void nt_unpack_f16(const void *source, size_t count, float *output) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const char *)source + 2 * i, sizeof half);
        output[i] = widened(half);
    }
}

void nt_unpack_bf16(const void *source, size_t count, float *output) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const char *)source + 2 * i, sizeof half);
        const uint32_t bits = (uint32_t)half << 16;
        memcpy(&output[i], &bits, sizeof bits);
    }
}
