// The network loops, written once for all tiers (see nn_simd.h). Before including, define NT_TIER.
#include "nn_simd.h"
#include "nt_nn.h"

// Depthwise 3×3. Vectors run along the channels, the nine weights of one vector of channels stay in registers, and
// the kernel slides along the row, `outputs` pixels at a time so that a column loaded serves all that it lies under.

NT_INLINE void nt_depthwise_pixels(const nt_depthwise_row *r, const float *const rows[3], const vf weights[9], vf bias, size_t c0,
                                   size_t count, size_t x, const size_t stride, const size_t outputs, const bool full) {
    vf sum[4];
    NT_UNROLL for (size_t o = 0; o < outputs; o++) sum[o] = bias;
    NT_UNROLL for (size_t y = 0; y < 3; y++) {
        const float *in = rows[y] + (x * stride - r->pad_left) * r->channels + c0;
        NT_UNROLL for (size_t column = 0; column < (outputs - 1) * stride + 3; column++) {
            const vf v = full ? vload(in + column * r->channels) : vload_part(in + column * r->channels, count);
            NT_UNROLL for (size_t o = 0; o < outputs; o++) {
                if (column >= o * stride && column < o * stride + 3)
                    sum[o] = vfma(v, weights[3 * y + column - o * stride], sum[o]);
            }
        }
    }
    NT_UNROLL for (size_t o = 0; o < outputs; o++) {
        const vf v = vmin(vmax(sum[o], vset(0)), vset(6));
        float *out = r->output + (x + o) * r->channels + c0;
        if (full) vstore(out, v);
        else vstore_part(out, v, count);
    }
}

/// A pixel whose kernel hangs over the left or right edge.
NT_INLINE void nt_depthwise_edge(const nt_depthwise_row *r, const float *const rows[3], const vf weights[9], vf bias, size_t c0,
                                 size_t count, size_t x, const size_t stride) {
    vf sum = bias;
    for (size_t y = 0; y < 3; y++) {
        for (size_t i = 0; i < 3; i++) {
            const size_t column = x * stride + i;
            if (column < r->pad_left || column - r->pad_left >= r->width) continue;
            sum = vfma(vload_first(rows[y] + (column - r->pad_left) * r->channels + c0, count), weights[3 * y + i], sum);
        }
    }
    vstore_first(r->output + x * r->channels + c0, vmin(vmax(sum, vset(0)), vset(6)), count);
}

NT_INLINE void nt_depthwise_channels(const nt_depthwise_row *r, const float *const rows[3], const bool missing[3], size_t c0,
                                     const size_t stride, const bool full) {
    const size_t count = r->channels - c0;
    vf weights[9];
    NT_UNROLL for (size_t i = 0; i < 9; i++)
        weights[i] = missing[i / 3] ? vset(0) : vload_first(r->weights + i * r->channels + c0, count);
    const vf bias = vload_first(r->bias + c0, count);
    // Pixels first ..< end have their whole kernel inside the row.
    const size_t first = (r->pad_left + stride - 1) / stride;
    size_t end = r->width >= 3 ? (r->width - 3 + r->pad_left) / stride + 1 : 0;
    if (end > r->out_width) end = r->out_width;
    size_t x = 0;
    for (; x < first && x < r->out_width; x++) nt_depthwise_edge(r, rows, weights, bias, c0, count, x, stride);
    for (; x + 4 <= end; x += 4) nt_depthwise_pixels(r, rows, weights, bias, c0, count, x, stride, 4, full);
    for (; x < end; x++) nt_depthwise_pixels(r, rows, weights, bias, c0, count, x, stride, 1, full);
    for (; x < r->out_width; x++) nt_depthwise_edge(r, rows, weights, bias, c0, count, x, stride);
}

static void nt_depthwise3x3_row(const nt_depthwise_row *r) {
    // A missing row is replaced by one that exists, under weights of zero.
    const float *any = r->rows[0] ? r->rows[0] : r->rows[1] ? r->rows[1] : r->rows[2];
    const float *rows[3];
    bool missing[3];
    for (int y = 0; y < 3; y++) {
        missing[y] = r->rows[y] == NULL;
        rows[y] = missing[y] ? any : r->rows[y];
    }
    size_t c0 = 0;
    if (r->stride == 1) {
        for (; c0 + NT_LANES <= r->channels; c0 += NT_LANES) nt_depthwise_channels(r, rows, missing, c0, 1, true);
        if (c0 < r->channels) nt_depthwise_channels(r, rows, missing, c0, 1, false);
    } else {
        for (; c0 + NT_LANES <= r->channels; c0 += NT_LANES) nt_depthwise_channels(r, rows, missing, c0, 2, true);
        if (c0 < r->channels) nt_depthwise_channels(r, rows, missing, c0, 2, false);
    }
}

/// Mean first, then the squares of what is left: the difference of two large sums would lose what the epsilon is for.
static void nt_layer_norm(const float *x, size_t rows, size_t width, const float *gamma, const float *beta, float epsilon, float *output) {
    const size_t whole = width / NT_LANES * NT_LANES, rest = width - whole;
    for (size_t row = 0; row < rows; row++, x += width, output += width) {
        vf sum = vset(0);
        for (size_t i = 0; i < whole; i += NT_LANES) sum += vload(x + i);
        if (rest) sum += vload_part(x + whole, rest);
        const vf mean = vset(vsum(sum) / (float)width);
        vf squares = vset(0);
        for (size_t i = 0; i < whole; i += NT_LANES) {
            const vf d = vload(x + i) - mean;
            squares = vfma(d, d, squares);
        }
        float variance = vsum(squares);
        for (size_t i = whole; i < width; i++) variance += (x[i] - vfirst(mean)) * (x[i] - vfirst(mean));
        const vf factor = vset(1.0f / __builtin_sqrtf(variance / (float)width + epsilon));
        for (size_t i = 0; i < whole; i += NT_LANES)
            vstore(output + i, vfma((vload(x + i) - mean) * factor, vload(gamma + i), vload(beta + i)));
        if (rest)
            vstore_part(output + whole, vfma((vload_part(x + whole, rest) - mean) * factor, vload_part(gamma + whole, rest), vload_part(beta + whole, rest)), rest);
    }
}

static void nt_softmax(float *x, size_t stride, size_t rows, size_t width, float scale) {
    const size_t whole = width / NT_LANES * NT_LANES, rest = width - whole;
    for (size_t row = 0; row < rows; row++, x += stride) {
        float greatest = x[0] * scale;
        if (whole) {
            vf m = vload(x) * vset(scale);
            for (size_t i = NT_LANES; i < whole; i += NT_LANES) m = vmax(m, vload(x + i) * vset(scale));
            greatest = vmaximum(m);
        }
        for (size_t i = whole; i < width; i++) greatest = x[i] * scale > greatest ? x[i] * scale : greatest;
        const vf shift = vset(-greatest), factor = vset(scale);
        vf sum = vset(0);
        for (size_t i = 0; i < whole; i += NT_LANES) {
            const vf e = vexp(vfma(vload(x + i), factor, shift));
            vstore(x + i, e);
            sum += e;
        }
        if (rest) {
            vstore_part(x + whole, vexp(vfma(vload_part(x + whole, rest), factor, shift)), rest);
            sum += vload_part(x + whole, rest);  // read back, for the zeros in the lanes beyond
        }
        const vf inverse = vset(1.0f / vsum(sum));
        for (size_t i = 0; i < whole; i += NT_LANES) vstore(x + i, vload(x + i) * inverse);
        if (rest) vstore_part(x + whole, vload_part(x + whole, rest) * inverse, rest);
    }
}

static void nt_mean_of_rows(const float *x, size_t rows, size_t width, float *output) {
    const vf factor = vset(1.0f / (float)rows);
    for (size_t i = 0; i < width; i += NT_LANES) {
        vf sum = vset(0);
        for (size_t row = 0; row < rows; row++) sum += vload_first(x + row * width + i, width - i);
        vstore_first(output + i, sum * factor, width - i);
    }
}

static void nt_gelu(float *x, size_t count) {
    for (size_t i = 0; i < count; i += NT_LANES) vstore_first(x + i, vgelu(vload_first(x + i, count - i)), count - i);
}

const nt_nn_functions NT_SUFFIX(nt_nn) = {
    .depthwise3x3_row = nt_depthwise3x3_row, .layer_norm = nt_layer_norm, .softmax = nt_softmax,
    .mean_of_rows = nt_mean_of_rows, .gelu = nt_gelu,
};
