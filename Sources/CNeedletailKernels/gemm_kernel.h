// The matrix product, written once for all tiers (see nn_simd.h), after Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication" (2008), less the packing of A.
//
// A tile of C, NT_ROWS × up to NT_COLUMNS, stays in registers over the whole of k: each step loads one row of a panel of
// B and multiplies it by one value from each row of A. So A is read in place, which pays because it is used for one
// product only: vectors in the memory map, or activations just written. Its rows are walked in NT_ROWS parallel streams.
// Tiles are taken by groups of rows that fit half the L2, panel by panel, so that a panel is fetched once a group.
//
// Rows whose distance is a multiple of 2 KiB would all fall in one or two sets of the L1; such strips are first
// copied to the stack with a harmless distance.
//
// Before including, define NT_TIER, and for the tile NT_ROWS and NT_COLUMNS.
#include "gemm_call.h"
#include "nn_simd.h"

enum {
    NT_VECTORS = NT_COLUMNS / NT_LANES,
    NT_COPY_K = 512,                   // bounds the copy of a strip; sums of a longer k then go through C
    NT_GROUP_BYTES = 256 << 10,
};

typedef struct {
    const float *a;
    size_t lda, k;
    const float *b;
    size_t b_stride;
    float *c;
    size_t ldc, columns;               // columns: those of this tile that exist in C
    const float *bias, *residual;
    size_t residual_stride;
    bool first, last;                  // of the blocks of k
    nt_activation activation;
} nt_tile;

/// One tile; `rows`, `vectors` and `half` are constants in every copy that the compiler makes. `half`, in the widest
/// tier only, stands for one more vector of eight columns.
NT_INLINE void nt_tile_run(const nt_tile *t, const int rows, const int vectors, const int half) {
    (void)half;
    vf sum[NT_ROWS][NT_VECTORS];
    size_t columns = t->columns;
#if NT_LANES == 16
    __m256 sum_half[NT_ROWS];
    const size_t half_at = (size_t)vectors * NT_LANES;
    const __mmask8 half_mask = half ? (__mmask8)(columns - half_at >= 8 ? 0xff : (1u << (columns - half_at)) - 1) : 0;
#endif
    // The sum starts from the bias, or from what earlier blocks of k left in C; and from the residual where no activation
    // comes between, since the residual may be C itself, which the first block overwrites.
    const float *added = t->first && t->activation == NT_ACTIVATION_NONE ? t->residual : NULL;
    NT_UNROLL for (int i = 0; i < rows; i++) {
        const float *start = t->first ? t->bias : t->c + (size_t)i * t->ldc;
        const float *residual = added ? added + (size_t)i * t->residual_stride : NULL;
        NT_UNROLL for (int j = 0; j < vectors; j++) {
            const size_t at = (size_t)j * NT_LANES;
            sum[i][j] = !start || at >= columns ? vset(0) : vload_first(start + at, columns - at);
            if (residual && at < columns) sum[i][j] += vload_first(residual + at, columns - at);
        }
#if NT_LANES == 16
        if (half) {
            sum_half[i] = start ? _mm256_maskz_loadu_ps(half_mask, start + half_at) : _mm256_setzero_ps();
            if (residual) sum_half[i] = _mm256_add_ps(sum_half[i], _mm256_maskz_loadu_ps(half_mask, residual + half_at));
        }
#endif
    }
    const float *b = t->b;
    const nt_float_at_any_address *a = t->a;
    const size_t lda = t->lda, b_stride = t->b_stride;
    for (size_t p = 0; p < t->k; p++, b += b_stride) {
        vf row[NT_VECTORS];
        NT_UNROLL for (int j = 0; j < vectors; j++) row[j] = vload(b + j * NT_LANES);
#if NT_LANES == 16
        __m256 row_half = half ? _mm256_loadu_ps(b + half_at) : _mm256_setzero_ps();
#endif
        NT_UNROLL for (int i = 0; i < rows; i++) {
            vf x = vset(a[(size_t)i * lda + p]);
            NT_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = vfma(x, row[j], sum[i][j]);
#if NT_LANES == 16
            if (half) sum_half[i] = _mm256_fmadd_ps(_mm512_castps512_ps256(x), row_half, sum_half[i]);
#endif
        }
    }
    if (t->last && t->activation == NT_ACTIVATION_RELU6) {
        NT_UNROLL for (int i = 0; i < rows; i++) {
            NT_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = vmin(vmax(sum[i][j], vset(0)), vset(6));
#if NT_LANES == 16
            if (half) sum_half[i] = _mm256_min_ps(_mm256_max_ps(sum_half[i], _mm256_setzero_ps()), _mm256_set1_ps(6));
#endif
        }
    }
    if (t->last && t->residual && t->activation == NT_ACTIVATION_RELU6) {
        NT_UNROLL for (int i = 0; i < rows; i++) {
            const float *residual = t->residual + (size_t)i * t->residual_stride;
            NT_UNROLL for (int j = 0; j < vectors; j++) {
                const size_t at = (size_t)j * NT_LANES;
                if (at < columns) sum[i][j] += vload_first(residual + at, columns - at);
            }
#if NT_LANES == 16
            if (half) sum_half[i] = _mm256_add_ps(sum_half[i], _mm256_maskz_loadu_ps(half_mask, residual + half_at));
#endif
        }
    }
    NT_UNROLL for (int i = 0; i < rows; i++) {
        float *c = t->c + (size_t)i * t->ldc;
        NT_UNROLL for (int j = 0; j < vectors; j++) {
            const size_t at = (size_t)j * NT_LANES;
            if (at < columns) vstore_first(c + at, sum[i][j], columns - at);
        }
#if NT_LANES == 16
        if (half) _mm256_mask_storeu_ps(c + half_at, half_mask, sum_half[i]);
#endif
    }
}

/// GELU and the residual after it, in a second pass over the tile: its polynomials want the registers that hold the sums.
static void nt_tile_gelu(const nt_tile *t, size_t rows) {
    for (size_t i = 0; i < rows; i++) {
        float *c = t->c + i * t->ldc;
        for (size_t j = 0; j < t->columns; j += NT_LANES) {
            vf v = vgelu(vload_first(c + j, t->columns - j));
            if (t->residual) v += vload_first(t->residual + i * t->residual_stride + j, t->columns - j);
            vstore_first(c + j, v, t->columns - j);
        }
    }
}

typedef void (*nt_tile_function)(const nt_tile *);

// Tiles by rows (1 ... NT_ROWS) and width in eighths of columns (1 ... NT_COLUMNS / 8).
#define NT_TILE(rows, eights)                                                                       \
    static void nt_tile_##rows##_##eights(const nt_tile *t) {                                       \
        nt_tile_run(t, rows, (eights) * 8 / NT_LANES, NT_LANES == 16 && (eights) % 2);              \
    }
#if NT_COLUMNS == 32
#define NT_TILES(rows) NT_TILE(rows, 1) NT_TILE(rows, 2) NT_TILE(rows, 3) NT_TILE(rows, 4)
#define NT_TILE_NAMES(rows) { nt_tile_##rows##_1, nt_tile_##rows##_2, nt_tile_##rows##_3, nt_tile_##rows##_4 }
#elif NT_COLUMNS == 16
#define NT_TILES(rows) NT_TILE(rows, 1) NT_TILE(rows, 2)
#define NT_TILE_NAMES(rows) { nt_tile_##rows##_1, nt_tile_##rows##_2 }
#else
#define NT_TILES(rows) NT_TILE(rows, 1)
#define NT_TILE_NAMES(rows) { nt_tile_##rows##_1 }
#endif

NT_TILES(1) NT_TILES(2) NT_TILES(3) NT_TILES(4)
#if NT_ROWS > 4
NT_TILES(5) NT_TILES(6)
#endif
#if NT_ROWS > 6
NT_TILES(7) NT_TILES(8) NT_TILES(9) NT_TILES(10) NT_TILES(11) NT_TILES(12)
#endif

static const nt_tile_function nt_tiles[NT_ROWS][NT_COLUMNS / 8] = {
    NT_TILE_NAMES(1), NT_TILE_NAMES(2), NT_TILE_NAMES(3), NT_TILE_NAMES(4),
#if NT_ROWS > 4
    NT_TILE_NAMES(5), NT_TILE_NAMES(6),
#endif
#if NT_ROWS > 6
    NT_TILE_NAMES(7), NT_TILE_NAMES(8), NT_TILE_NAMES(9), NT_TILE_NAMES(10), NT_TILE_NAMES(11), NT_TILE_NAMES(12),
#endif
};

/// One block of k: columns k0 ..< k0 + kc of A, copied or in place.
static void nt_block_of_k(const nt_sgemm_call *g, size_t k0, size_t kc, bool copies) {
    float copy[copies ? NT_ROWS * (NT_COPY_K + NT_COPY_K / 2 + 16) : 1];
    // Strips of equal height, give or take one row: five of ten rows for m = 49, not four of twelve and one of one.
    const size_t strips = (g->m + NT_ROWS - 1) / NT_ROWS, height = g->m / strips, taller = g->m % strips;
    size_t group = copies || kc == 0 ? 1 : NT_GROUP_BYTES / (NT_ROWS * kc * sizeof(float));
    if (group == 0) group = 1;
    size_t row = 0;
    for (size_t s0 = 0; s0 < strips; s0 += group) {
        const size_t s1 = s0 + group < strips ? s0 + group : strips, group_row = row;
        if (copies) {
            for (size_t i = 0; i < height + (s0 < taller); i++)
                memcpy(copy + i * (kc + 16), g->a + (row + i) * g->lda + k0, kc * sizeof(float));
        }
        for (size_t j0 = 0; j0 < g->n; j0 += NT_PANEL) {
            const size_t left = g->n - j0, width = left >= NT_PANEL ? NT_PANEL : (left + 7) / 8 * 8;
            const float *panel = g->packed + j0 * g->k + k0 * width;
            row = group_row;
            for (size_t s = s0; s < s1; s++) {
                const size_t rows = height + (s < taller);
                for (size_t j = 0; j < width; j += NT_COLUMNS) {
                    const size_t tile_width = width - j < NT_COLUMNS ? width - j : NT_COLUMNS;
                    const size_t column = j0 + j, columns = g->n - column < tile_width ? g->n - column : tile_width;
                    const nt_tile tile = {
                        .a = copies ? copy : g->a + row * g->lda + k0, .lda = copies ? kc + 16 : g->lda, .k = kc,
                        .b = panel + j, .b_stride = width,
                        .c = g->c + row * g->ldc + column, .ldc = g->ldc, .columns = columns,
                        .bias = g->epilogue.bias ? g->epilogue.bias + column : NULL,
                        .residual = g->epilogue.residual ? g->epilogue.residual + row * g->epilogue.residual_stride + column : NULL,
                        .residual_stride = g->epilogue.residual_stride,
                        .first = k0 == 0, .last = k0 + kc == g->k, .activation = g->epilogue.activation,
                    };
                    nt_tiles[rows - 1][tile_width / 8 - 1](&tile);
                    if (tile.last && tile.activation == NT_ACTIVATION_GELU) nt_tile_gelu(&tile, rows);
                }
                row += rows;
            }
        }
    }
}

void NT_SUFFIX(nt_sgemm)(const nt_sgemm_call *g) {
    if (g->m == 0 || g->n == 0) return;
    // A residual that waits for an activation would be lost with the first of several blocks, were it C: then one block it is.
    const bool waits = g->epilogue.residual && g->epilogue.activation != NT_ACTIVATION_NONE;
    const bool copies = g->lda * sizeof(float) % 2048 == 0 && g->m > 1 && g->n > NT_PANEL && !waits;
    size_t k0 = 0;
    do {  // once also for k = 0, which writes zeros and the epilogue
        const size_t left = g->k - k0, kc = copies && left > NT_COPY_K + NT_COPY_K / 2 ? NT_COPY_K : left;
        nt_block_of_k(g, k0, kc, copies);
        k0 += kc;
    } while (k0 < g->k);
}
