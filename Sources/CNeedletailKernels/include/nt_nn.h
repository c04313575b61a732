// The loops of the networks that are not matrix products: depthwise convolution, im2col, layer norm, softmax, pooling.
//
// Activations are NHWC: rows, columns, channels, the channels of one pixel side by side. Nothing here allocates or keeps
// state. Pointers need the alignment of a float, no more; output must not overlap input unless said otherwise. NaN and
// infinities follow IEEE arithmetic, except that ReLU6 turns NaN into 0 and softmax of a row with NaN is unspecified.
#pragma once
#include "nt_cpu.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// One row of output of a depthwise 3×3 convolution with bias and ReLU6.
typedef struct {
    const float *rows[3];      ///< the rows of input under the kernel, width × channels each; NULL = a row of zeros (padding)
    size_t width, channels;    ///< of the input
    size_t stride;             ///< 1 or 2, of columns
    size_t pad_left;           ///< columns of zeros before the first; after the last there are as many as out_width needs
    size_t out_width;
    const float *weights;      ///< 9 × channels: tap (y, x) at weights + (3y + x) * channels
    const float *bias;         ///< channels
    float *output;             ///< out_width × channels
} nt_depthwise_row;

/// The functions of one CPU tier.
typedef struct {
    void (*depthwise3x3_row)(const nt_depthwise_row *row);
    void (*layer_norm)(const float *x, size_t rows, size_t width, const float *gamma, const float *beta, float epsilon, float *output);
    void (*softmax)(float *x, size_t stride, size_t rows, size_t width, float scale);
    void (*mean_of_rows)(const float *x, size_t rows, size_t width, float *output);
    void (*gelu)(float *x, size_t count);  ///< what NT_ACTIVATION_GELU applies to a tile, alone, for tests
} nt_nn_functions;

/// The functions of `tier`, for tests; NULL where this CPU or this build has not got them.
const nt_nn_functions *nt_nn_on_tier(nt_cpu_tier tier);

/// Computes one row: output[x][c] = relu6(bias[c] + Σ rows[y][x·stride + i − pad_left][c] · weights[y][i][c]).
void nt_depthwise3x3_row_f32(const nt_depthwise_row *row);

/// Each row of `x` (rows × width) less its mean, over √(variance + epsilon), times gamma, plus beta. `output` may be `x`.
void nt_layer_norm_f32(const float *x, size_t rows, size_t width, const float *gamma, const float *beta, float epsilon, float *output);

/// Each row of scale·x (rows × width, `stride` floats apart) to e^x over the sum of the row's, in place. Relative error below 1e-6.
void nt_softmax_f32(float *x, size_t stride, size_t rows, size_t width, float scale);

/// The mean of the rows of `x` (rows × width): the global average pool of an NHWC map.
void nt_mean_of_rows_f32(const float *x, size_t rows, size_t width, float *output);

/// The patches under a square kernel as rows of a matrix, so that a convolution becomes a matrix product (im2col).
typedef struct {
    const float *input;        ///< height × width × channels
    size_t height, width, channels;
    size_t kernel, stride;
    size_t pad_top, pad_left;  ///< rows and columns of zeros before the first; after the last as many as are asked for
} nt_patches;

/// Writes the patches of row `y` of the output: out_width × (kernel · kernel · channels), in the order row, column, channel.
void nt_patches_row_f32(const nt_patches *patches, size_t y, size_t out_width, float *output);

/// Widens `count` IEEE half-precision or bfloat16 numbers at any address to f32, exactly (NaN stay NaN).
void nt_unpack_f16(const void *source, size_t count, float *output);
void nt_unpack_bf16(const void *source, size_t count, float *output);

#ifdef __cplusplus
}
#endif
