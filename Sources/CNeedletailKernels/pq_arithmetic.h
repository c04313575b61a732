// The arithmetic of product quantizers and the argmin of clustering, written once for all tiers (see nn_simd.h).
// Before including, define NT_TIER.
#include "nn_simd.h"
#include "nt_distance.h"
#include "pq_kernels.h"

#if NT_TIER == 3
typedef __mmask16 vm;
typedef __m512i vu;
NT_INLINE vm vless(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
NT_INLINE vf vpick(vm m, vf a, vf b) { return _mm512_mask_mov_ps(b, m, a); }
NT_INLINE vu vpick_u(vm m, vu a, vu b) { return _mm512_mask_mov_epi32(b, m, a); }
NT_INLINE vu vset_u(uint32_t x) { return _mm512_set1_epi32((int)x); }
NT_INLINE vu vadd_u(vu a, vu b) { return _mm512_add_epi32(a, b); }
NT_INLINE void vstore_u(uint32_t *p, vu v) { _mm512_storeu_si512(p, v); }
NT_INLINE uint32_t vbits(vm m) { return m; }
#elif NT_TIER == 2
typedef __m256 vm;
typedef __m256i vu;
NT_INLINE vm vless(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
NT_INLINE vf vpick(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
NT_INLINE vu vpick_u(vm m, vu a, vu b) {
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(b), _mm256_castsi256_ps(a), m));
}
NT_INLINE vu vset_u(uint32_t x) { return _mm256_set1_epi32((int)x); }
NT_INLINE vu vadd_u(vu a, vu b) { return _mm256_add_epi32(a, b); }
NT_INLINE void vstore_u(uint32_t *p, vu v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
NT_INLINE uint32_t vbits(vm m) { return (uint32_t)_mm256_movemask_ps(m); }
#else
typedef vi vm;
typedef uint32_t vu __attribute__((vector_size(16)));
NT_INLINE vm vless(vf a, vf b) { return (vm)(a < b); }
NT_INLINE vf vpick(vm m, vf a, vf b) { return vselect(m, a, b); }
NT_INLINE vu vpick_u(vm m, vu a, vu b) { return ((vu)m & a) | (~(vu)m & b); }
NT_INLINE vu vset_u(uint32_t x) { return (vu){x, x, x, x}; }
NT_INLINE vu vadd_u(vu a, vu b) { return a + b; }
NT_INLINE void vstore_u(uint32_t *p, vu v) { memcpy(p, &v, sizeof v); }
NT_INLINE uint32_t vbits(vm m) { return (m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8); }
#endif

static const uint32_t nt_iota[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
NT_INLINE vu viota(void) {
    vu v;
    memcpy(&v, nt_iota, sizeof v);
    return v;
}

/// The least of a vector's lanes and its label, the lower label of two that tie.
NT_INLINE void nt_least_lane(vf values, vu labels, float *best, uint32_t *label) {
    uint32_t l[NT_LANES];
    vstore_u(l, labels);
    const float least = -vmaximum(-values);
    // Nearly always one lane.
    uint32_t ties = ~vbits(vless(vset(least), values)) & (uint32_t)((1ull << NT_LANES) - 1), at = l[__builtin_ctz(ties)];
    for (ties &= ties - 1; ties; ties &= ties - 1) at = l[__builtin_ctz(ties)] < at ? l[__builtin_ctz(ties)] : at;
    *best = least;
    *label = at;
}

// Two chains, since one would wait for its own comparison.
void NT_SUFFIX(nt_argmin_rows)(const float *c, size_t ldc, size_t m, size_t n, uint32_t first_column, float *best, uint32_t *label) {
    for (size_t row = 0; row < m; row++, c += ldc) {
        vf least[2] = {vset(__builtin_inff()), vset(__builtin_inff())};
        vu at[2] = {vset_u(0), vset_u(0)}, column = viota();
        size_t j = 0;
        for (; j + 2 * NT_LANES <= n; j += 2 * NT_LANES) {
            NT_UNROLL for (int u = 0; u < 2; u++) {
                const vf value = vload(c + j + u * NT_LANES);
                const vm less = vless(value, least[u]);
                least[u] = vpick(less, value, least[u]);
                at[u] = vpick_u(less, column, at[u]);
                column = vadd_u(column, vset_u(NT_LANES));
            }
        }
        float found[2];
        uint32_t where[2];
        nt_least_lane(least[0], at[0], &found[0], &where[0]);
        nt_least_lane(least[1], at[1], &found[1], &where[1]);
        if (found[1] < found[0] || (found[1] == found[0] && where[1] < where[0])) found[0] = found[1], where[0] = where[1];
        for (; j < n; j++)
            if (c[j] < found[0]) found[0] = c[j], where[0] = (uint32_t)j;
        if (found[0] < best[row]) best[row] = found[0], label[row] = first_column + where[0];
    }
}

/// Products of one subvector with 16 codewords side by side.
NT_INLINE void nt_sixteen_products(const float *codewords, size_t codes, uint32_t width, const float *vector, vf *sums) {
    NT_UNROLL for (int u = 0; u < 16 / NT_LANES; u++) sums[u] = vset(0);
    for (uint32_t i = 0; i < width; i++) {
        const vf x = vset(vector[i]);
        NT_UNROLL for (int u = 0; u < 16 / NT_LANES; u++)
            sums[u] = vfma(x, vload(codewords + i * codes + u * NT_LANES), sums[u]);
    }
}

void NT_SUFFIX(nt_pq_products)(const nt_pq_codebook *book, const float *vector, float scale, bool with_norms, float *table) {
    const size_t codes = book->codes;
    for (uint32_t m = 0; m < book->subspaces; m++) {
        const float *codewords = book->codewords + (size_t)m * book->width * codes;
        for (size_t c = 0; c < codes; c += 16) {
            vf sums[16 / NT_LANES];
            nt_sixteen_products(codewords + c, codes, book->width, vector + (size_t)m * book->width, sums);
            NT_UNROLL for (int u = 0; u < 16 / NT_LANES; u++) {
                const size_t at = m * codes + c + u * NT_LANES;
                vstore(table + at, vfma(vset(scale), sums[u], with_norms ? vload(book->norms + at) : vset(0)));
            }
        }
    }
}

void NT_SUFFIX(nt_pq_encode)(const nt_pq_codebook *book, const float *vectors, size_t stride, size_t count, uint8_t *codes) {
    const size_t number = book->codes;
    for (size_t v = 0; v < count; v++, vectors += stride, codes += book->subspaces) {
        for (uint32_t m = 0; m < book->subspaces; m++) {
            const float *codewords = book->codewords + (size_t)m * book->width * number;
            vf least = vset(__builtin_inff());
            vu at = vset_u(0), column = viota();
            for (size_t c = 0; c < number; c += 16) {
                vf sums[16 / NT_LANES];
                nt_sixteen_products(codewords + c, number, book->width, vectors + (size_t)m * book->width, sums);
                NT_UNROLL for (int u = 0; u < 16 / NT_LANES; u++) {
                    const vf value = vfma(vset(-2), sums[u], vload(book->norms + m * number + c + u * NT_LANES));
                    const vm less = vless(value, least);
                    least = vpick(less, value, least);
                    at = vpick_u(less, column, at);
                    column = vadd_u(column, vset_u(NT_LANES));
                }
            }
            float best;
            uint32_t code;
            nt_least_lane(least, at, &best, &code);
            codes[m] = (uint8_t)code;
        }
    }
}

size_t NT_SUFFIX(nt_least_values)(const float *values, size_t n, size_t keep, uint64_t *keys, size_t capacity) {
    size_t count = 0;
    float threshold = __builtin_inff();
    for (size_t i = 0; i < n; i += NT_LANES) {
        const size_t left = n - i;
        const vf v = vload_first(values + i, left);
        // A value equal to the threshold comes behind those kept, whose positions are lower.
        uint32_t hits = vbits(vless(v, vset(threshold)));
        if (threshold == __builtin_inff()) hits = vbits(vless(vset(-__builtin_inff()), v)) | hits;
        if (left < NT_LANES) hits &= (1u << left) - 1;
        if (!hits) continue;
        if (count + NT_LANES > capacity) {
            threshold = nt_key_distance(nt_least_keys(keys, count, keep));
            count = keep;
        }
        for (; hits; hits &= hits - 1) {
            const size_t at = i + (size_t)__builtin_ctz(hits);
            keys[count++] = nt_key(values[at], (uint32_t)at);
        }
    }
    if (count <= keep) return count;
    nt_least_keys(keys, count, keep);
    return keep;
}

#if NT_TIER >= 2
#pragma clang attribute pop
#endif
