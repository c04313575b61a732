// The resizing that Pillow does (its `Resample.c`, the eight-bit path), written for vector units.
//
// Along an axis, output sample x is a weighted mean of source samples around (x + 0.5) × scale. The weights come from the
// filter, stretched by the scale when the picture shrinks, are normalised in double precision and rounded to 22 fractional
// bits; the sum is rounded, shifted and clamped to a byte. Sums of bytes times such weights fit 32 bits. Integer sums do
// not depend on their order, so any vectorisation gives Pillow's bytes as long as the weights are its own.
//
// The body of each pass is written once, in the compiler's portable vectors, and compiled twice on x86: for AVX2 and
// for the plain instruction set, where 32-bit multiplication is slow. Other processors have it in the plain set.

#include "include/nt_resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// A fused multiply-add would round the weights differently from Pillow's builds.
#pragma STDC FP_CONTRACT OFF

enum { fraction_bits = 22 };

// MARK: weights

/// Where the samples of a stretch of one axis come from. Weights of output i begin at weights + i × taps.
typedef struct axis {
    size_t count, taps;
    int32_t *first;    // first source sample
    int32_t *present;  // number of source samples, at most `taps`
    int32_t *weights;
} axis;

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static void free_axis(axis *a) {
    free(a->first);
    free(a->present);
    free(a->weights);
}

/// Weights for outputs `begin` ..< `begin + count` of an axis resized from `source` to `target` samples.
static bool make_axis(axis *a, size_t source, size_t target, size_t begin, size_t count, nt_filter filter) {
    double scale = (double)source / (double)target, stretch = scale < 1.0 ? 1.0 : scale;
    double support = (filter == NT_FILTER_BICUBIC ? 2.0 : 1.0) * stretch;
    *a = (axis){.count = count, .taps = (size_t)ceil(support) * 2 + 1};
    a->first = malloc(count * sizeof *a->first);
    a->present = malloc(count * sizeof *a->present);
    a->weights = calloc(count, a->taps * sizeof *a->weights);
    double *exact = malloc(a->taps * sizeof *exact);
    if (!a->first || !a->present || !a->weights || !exact) {
        free(exact);
        free_axis(a);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        double center = ((double)(begin + i) + 0.5) * scale, inverse = 1.0 / stretch, sum = 0.0;
        int64_t low = (int64_t)(center - support + 0.5), high = (int64_t)(center + support + 0.5);
        if (low < 0) low = 0;
        if (high > (int64_t)source) high = (int64_t)source;
        int64_t present = high - low;
        for (int64_t t = 0; t < present; t++) {
            double x = ((double)(t + low) - center + 0.5) * inverse;
            exact[t] = filter == NT_FILTER_BICUBIC ? bicubic(x) : bilinear(x);
            sum += exact[t];
        }
        for (int64_t t = 0; t < present; t++) {
            double weight = sum != 0.0 ? exact[t] / sum : exact[t];
            a->weights[i * a->taps + (size_t)t] = (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << fraction_bits));
        }
        a->first[i] = (int32_t)low;
        a->present[i] = (int32_t)present;
    }
    free(exact);
    return true;
}

// MARK: passes

typedef uint8_t bytes4 __attribute__((vector_size(4)));
typedef int32_t ints4 __attribute__((vector_size(16)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef int32_t ints16 __attribute__((vector_size(64)));

/// A pixel and the byte after it, widened. A macro, since vectors must not cross functions of different targets.
#define LOAD_PIXEL(pointer) ({ bytes4 _bytes; memcpy(&_bytes, (pointer), 4); __builtin_convertvector(_bytes, ints4); })

/// Rounded, shifted and clamped sums as bytes.
#define AS_BYTES(sums, ints, bytes) ({ \
    ints _shifted = ((sums) + (1 << (fraction_bits - 1))) >> fraction_bits; \
    _shifted = __builtin_elementwise_min(__builtin_elementwise_max(_shifted, (ints){0}), (ints){0} + 255); \
    __builtin_convertvector(_shifted, bytes); })

#define ROW_BODY static inline __attribute__((always_inline))

/// Row pass over `rows` (1 or 4) rows at once, which share their weights. Reads one byte beyond the last pixel of each
/// source row it touches, writes one byte beyond the last pixel of each output row.
ROW_BODY void resample_rows(const axis *a, const uint8_t *source, size_t source_stride, uint8_t *output, size_t output_stride, size_t rows) {
    for (size_t x = 0; x < a->count; x++) {
        const int32_t *weights = a->weights + x * a->taps;
        const uint8_t *from = source + (size_t)a->first[x] * 3;
        size_t present = (size_t)a->present[x];
        ints4 sums[4] = {{0}};
        for (size_t t = 0; t < present; t++) {
            for (size_t r = 0; r < rows; r++) sums[r] += LOAD_PIXEL(from + t * 3 + r * source_stride) * weights[t];
        }
        for (size_t r = 0; r < rows; r++) {
            bytes4 result = AS_BYTES(sums[r], ints4, bytes4);
            memcpy(output + r * output_stride + x * 3, &result, 4);
        }
    }
}

/// Column pass: one output row of `byte_count` bytes as the weighted mean of `present` rows.
ROW_BODY void resample_column(const int32_t *weights, size_t present, const uint8_t *source, size_t source_stride, uint8_t *output,
                              size_t byte_count) {
    size_t i = 0;
    for (; i + 16 <= byte_count; i += 16) {
        ints16 sums = {0};
        for (size_t t = 0; t < present; t++) {
            bytes16 bytes;
            memcpy(&bytes, source + t * source_stride + i, 16);
            sums += __builtin_convertvector(bytes, ints16) * weights[t];
        }
        bytes16 result = AS_BYTES(sums, ints16, bytes16);
        memcpy(output + i, &result, 16);
    }
    for (; i < byte_count; i++) {
        int32_t sum = 1 << (fraction_bits - 1);
        for (size_t t = 0; t < present; t++) sum += source[t * source_stride + i] * weights[t];
        sum >>= fraction_bits;
        output[i] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}

static void rows4_portable(const axis *a, const uint8_t *source, size_t source_stride, uint8_t *output, size_t output_stride) {
    resample_rows(a, source, source_stride, output, output_stride, 4);
}
static void rows1_portable(const axis *a, const uint8_t *source, size_t source_stride, uint8_t *output, size_t output_stride) {
    resample_rows(a, source, source_stride, output, output_stride, 1);
}
static void column_portable(const int32_t *weights, size_t present, const uint8_t *source, size_t source_stride, uint8_t *output,
                            size_t byte_count) {
    resample_column(weights, present, source, source_stride, output, byte_count);
}

typedef struct passes {
    void (*rows4)(const axis *, const uint8_t *, size_t, uint8_t *, size_t);
    void (*rows1)(const axis *, const uint8_t *, size_t, uint8_t *, size_t);
    void (*column)(const int32_t *, size_t, const uint8_t *, size_t, uint8_t *, size_t);
} passes;

#if defined(__x86_64__)
__attribute__((target("avx2")))
static void rows4_avx2(const axis *a, const uint8_t *source, size_t source_stride, uint8_t *output, size_t output_stride) {
    resample_rows(a, source, source_stride, output, output_stride, 4);
}
__attribute__((target("avx2")))
static void rows1_avx2(const axis *a, const uint8_t *source, size_t source_stride, uint8_t *output, size_t output_stride) {
    resample_rows(a, source, source_stride, output, output_stride, 1);
}
__attribute__((target("avx2")))
static void column_avx2(const int32_t *weights, size_t present, const uint8_t *source, size_t source_stride, uint8_t *output,
                        size_t byte_count) {
    resample_column(weights, present, source, source_stride, output, byte_count);
}
#endif

/// As the kernels do, this heeds NEEDLETAIL_CPU=portable in the environment, so that tests can compare the two.
static passes best_passes(void) {
#if defined(__x86_64__)
    const char *wish = getenv("NEEDLETAIL_CPU");
    bool portable = wish && strcmp(wish, "portable") == 0;
    if (!portable && __builtin_cpu_supports("avx2")) return (passes){rows4_avx2, rows1_avx2, column_avx2};
#endif
    return (passes){rows4_portable, rows1_portable, column_portable};
}

// MARK: the whole

/// The span of source samples that an axis reads.
static size_t span_begin(const axis *a) { return (size_t)a->first[0]; }
static size_t span_end(const axis *a) { return (size_t)(a->first[a->count - 1] + a->present[a->count - 1]); }

/// The bytes of a row of pixels, and what the row pass may touch behind it.
static size_t padded(size_t pixels) { return pixels * 3 + 4; }

static void run_rows(const axis *a, const uint8_t *source, size_t source_stride, size_t count, const passes *pass, uint8_t *output,
                     size_t output_stride) {
    size_t y = 0;
    for (; y + 4 <= count; y += 4) pass->rows4(a, source + y * source_stride, source_stride, output + y * output_stride, output_stride);
    for (; y < count; y++) pass->rows1(a, source + y * source_stride, source_stride, output + y * output_stride, output_stride);
}

/// Row pass over the request's source rows `first` ..< `first + count`.
static bool run_source_rows(const nt_resample *r, const axis *a, size_t first, size_t count, const passes *pass, uint8_t *output,
                            size_t output_stride) {
    size_t stride = r->source_width * 3;
    const uint8_t *source = r->source + first * stride;
    // Behind the last row of the picture there is no byte to read, so that row is done from a copy.
    bool copies_last = first + count == r->source_height;
    size_t direct = copies_last ? count - 1 : count;
    run_rows(a, source, stride, direct, pass, output, output_stride);
    if (!copies_last) return true;
    uint8_t *copy = calloc(1, padded(r->source_width));
    if (!copy) return false;
    memcpy(copy, source + direct * stride, stride);
    run_rows(a, copy, stride, 1, pass, output + direct * output_stride, output_stride);
    free(copy);
    return true;
}

/// Column pass into `output`. Row 0 at `source` is row `first_row` of the picture the axis was made for.
static void run_columns(const axis *a, const uint8_t *source, size_t source_stride, size_t first_row, const passes *pass, uint8_t *output,
                        size_t output_stride, size_t byte_count) {
    for (size_t y = 0; y < a->count; y++) {
        const uint8_t *rows = source + ((size_t)a->first[y] - first_row) * source_stride;
        pass->column(a->weights + y * a->taps, (size_t)a->present[y], rows, source_stride, output + y * output_stride, byte_count);
    }
}

static bool resample_rows_first(const nt_resample *r, const axis *horizontal, const axis *vertical, const passes *pass) {
    size_t first = span_begin(vertical), count = span_end(vertical) - first, stride = padded(r->region_width);
    uint8_t *between = malloc(stride * count);
    if (!between) return false;
    bool succeeded = run_source_rows(r, horizontal, first, count, pass, between, stride);
    if (succeeded) run_columns(vertical, between, stride, first, pass, r->output, r->output_stride, r->region_width * 3);
    free(between);
    return succeeded;
}

static bool resample_columns_first(const nt_resample *r, axis *horizontal, const axis *vertical, const passes *pass) {
    size_t first = span_begin(horizontal), count = span_end(horizontal) - first;
    size_t between_stride = padded(count), output_stride = padded(r->region_width);
    uint8_t *between = malloc(between_stride * r->region_height), *output = malloc(output_stride * r->region_height);
    bool succeeded = between && output;
    if (succeeded) {
        run_columns(vertical, r->source + first * 3, r->source_width * 3, 0, pass, between, between_stride, count * 3);
        for (size_t i = 0; i < horizontal->count; i++) horizontal->first[i] -= (int32_t)first;
        run_rows(horizontal, between, between_stride, r->region_height, pass, output, output_stride);
        for (size_t y = 0; y < r->region_height; y++) memcpy(r->output + y * r->output_stride, output + y * output_stride, r->region_width * 3);
    }
    free(between);
    free(output);
    return succeeded;
}

/// Both axes keep their size: the region is copied.
static void copy_region(const nt_resample *r) {
    for (size_t y = 0; y < r->region_height; y++) {
        const uint8_t *row = r->source + ((r->region_y + y) * r->source_width + r->region_x) * 3;
        memcpy(r->output + y * r->output_stride, row, r->region_width * 3);
    }
}

bool nt_resample_rgb8(const nt_resample *r) {
    if (r->source_width == r->target_width && r->source_height == r->target_height) {
        copy_region(r);
        return true;
    }
    // An axis that keeps its size gets one weight of 1 a sample, which changes nothing. Pillow, since version 13, begins with
    // the columns of a picture that loses more than twice as many rows as columns; the order shows in the last bit.
    int64_t rows_lost = (int64_t)r->source_height - (int64_t)r->target_height;
    int64_t columns_lost = (int64_t)r->source_width - (int64_t)r->target_width;
    bool columns_first = rows_lost > 0 && rows_lost > 2 * columns_lost;
    axis horizontal, vertical;
    if (!make_axis(&horizontal, r->source_width, r->target_width, r->region_x, r->region_width, r->filter)) return false;
    bool succeeded = make_axis(&vertical, r->source_height, r->target_height, r->region_y, r->region_height, r->filter);
    if (succeeded) {
        passes pass = best_passes();
        succeeded = columns_first ? resample_columns_first(r, &horizontal, &vertical, &pass)
                                  : resample_rows_first(r, &horizontal, &vertical, &pass);
        free_axis(&vertical);
    }
    free_axis(&horizontal);
    return succeeded;
}

// MARK: normalisation

void nt_normalize_rgb8(const uint8_t *pixels, size_t pixel_count, const float mean[3], const float std[3], float *output) {
    // There are 256 answers a channel: a table costs less than a division a number, and rounds as the division does.
    float table[3][256];
    for (size_t c = 0; c < 3; c++) {
        for (size_t v = 0; v < 256; v++) table[c][v] = ((float)v / 255.0f - mean[c]) / std[c];
    }
    for (size_t i = 0; i < pixel_count; i++, pixels += 3, output += 3) {
        output[0] = table[0][pixels[0]];
        output[1] = table[1][pixels[1]];
        output[2] = table[2][pixels[2]];
    }
}
