// One vector of floats, under the same names in every CPU tier: `vf` and the handful of operations that the matrix
// and network kernels are made of. A source file defines NT_TIER, includes this and then a kernel template, so that
// each algorithm is written once. Functions carry the tier's target by the pragma below: no compiler flag is needed.
//
// NT_LANES     floats in a vf          NT_SUFFIX(x)  x_avx512 … x_portable
//
// What includes this for tier 2 or 3 ends with `#pragma clang attribute pop`.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NT_INLINE static inline __attribute__((always_inline))
#define NT_UNROLL _Pragma("clang loop unroll(full)")

/// A float at any address.
typedef float __attribute__((aligned(1), may_alias)) nt_float_at_any_address;

#if NT_TIER == 3
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#define NT_LANES 16
#define NT_SUFFIX(name) name##_avx512
typedef __m512 vf;
NT_INLINE vf vload(const float *p) { return _mm512_loadu_ps(p); }
NT_INLINE void vstore(float *p, vf v) { _mm512_storeu_ps(p, v); }
NT_INLINE vf vset(float x) { return _mm512_set1_ps(x); }
NT_INLINE vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
NT_INLINE vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
NT_INLINE vf vmin(vf a, vf b) { return _mm512_min_ps(a, b); }
NT_INLINE vf vround(vf a) { return _mm512_roundscale_ps(a, 0); }
NT_INLINE vf vpow2(vf n) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23)); }
NT_INLINE __mmask16 nt_mask(size_t count) { return (__mmask16)((1u << count) - 1); }
NT_INLINE vf vload_part(const float *p, size_t count) { return _mm512_maskz_loadu_ps(nt_mask(count), p); }
NT_INLINE void vstore_part(float *p, vf v, size_t count) { _mm512_mask_storeu_ps(p, nt_mask(count), v); }
NT_INLINE float vsum(vf v) { return _mm512_reduce_add_ps(v); }
NT_INLINE float vmaximum(vf v) { return _mm512_reduce_max_ps(v); }

#elif NT_TIER == 2
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NT_LANES 8
#define NT_SUFFIX(name) name##_avx2
typedef __m256 vf;
NT_INLINE vf vload(const float *p) { return _mm256_loadu_ps(p); }
NT_INLINE void vstore(float *p, vf v) { _mm256_storeu_ps(p, v); }
NT_INLINE vf vset(float x) { return _mm256_set1_ps(x); }
NT_INLINE vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
NT_INLINE vf vmax(vf a, vf b) { return _mm256_max_ps(a, b); }
NT_INLINE vf vmin(vf a, vf b) { return _mm256_min_ps(a, b); }
NT_INLINE vf vround(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
NT_INLINE vf vpow2(vf n) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)); }
NT_INLINE __m256i nt_mask(size_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
NT_INLINE vf vload_part(const float *p, size_t count) { return _mm256_maskload_ps(p, nt_mask(count)); }
NT_INLINE void vstore_part(float *p, vf v, size_t count) { _mm256_maskstore_ps(p, nt_mask(count), v); }
NT_INLINE float vsum(vf v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
NT_INLINE float vmaximum(vf v) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#else
// NEON and portable C: vectors of four by the compiler's vector extension, which needs no target of its own.
#define NT_LANES 4
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
#if NT_TIER == 1
#include <arm_neon.h>
#define NT_SUFFIX(name) name##_neon
NT_INLINE vf vfma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#else
#define NT_SUFFIX(name) name##_portable
NT_INLINE vf vfma(vf a, vf b, vf c) { return a * b + c; }
#endif
NT_INLINE vf vload(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
NT_INLINE void vstore(float *p, vf v) { memcpy(p, &v, sizeof v); }
NT_INLINE vf vset(float x) { return (vf){x, x, x, x}; }
// As on x86, the second operand is the answer where one is NaN.
NT_INLINE vf vselect(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
NT_INLINE vf vmax(vf a, vf b) { return vselect(a > b, a, b); }
NT_INLINE vf vmin(vf a, vf b) { return vselect(a < b, a, b); }
// Adding and taking away 1.5 · 2^23 leaves the nearest integer, for |a| below 2^22.
NT_INLINE vf vround(vf a) { const vf magic = vset(12582912.0f); vf s = a + magic; return s - magic; }
NT_INLINE vf vpow2(vf n) { return (vf)((__builtin_convertvector(n, vi) + 127) << 23); }
NT_INLINE vf vload_part(const float *p, size_t count) { vf v = vset(0); memcpy(&v, p, count * sizeof(float)); return v; }
NT_INLINE void vstore_part(float *p, vf v, size_t count) { memcpy(p, &v, count * sizeof(float)); }
NT_INLINE float vsum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
NT_INLINE float vmaximum(vf v) {
    float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
}
#endif

/// The vector at `p`, of which only the first `count` floats may exist. count is at least 1.
NT_INLINE vf vload_first(const float *p, size_t count) { return count >= NT_LANES ? vload(p) : vload_part(p, count); }
NT_INLINE void vstore_first(float *p, vf v, size_t count) {
    if (count >= NT_LANES) vstore(p, v);
    else vstore_part(p, v, count);
}

/// The value in the first lane.
NT_INLINE float vfirst(vf v) { return v[0]; }

/// e^x, relative error below 2e-7; x is first clamped to -87 ... 88, so the smallest answer is 1.6e-38, not 0.
/// x = n·ln 2 + r with |r| <= ln 2 / 2, then the Taylor polynomial of degree 6 in r, times 2^n.
NT_INLINE vf vexp(vf x) {
    x = vmin(vmax(x, vset(-87.0f)), vset(88.0f));
    vf n = vround(x * vset(1.44269504088896341f));
    vf r = vfma(n, vset(-0.693359375f), x);           // ln 2 in two parts, the first exact in few bits
    r = vfma(n, vset(2.12194440e-4f), r);
    vf p = vset(1.0f / 720);
    p = vfma(p, r, vset(1.0f / 120));
    p = vfma(p, r, vset(1.0f / 24));
    p = vfma(p, r, vset(1.0f / 6));
    p = vfma(p, r, vset(0.5f));
    p = vfma(p, r, vset(1.0f));
    p = vfma(p, r, vset(1.0f));
    return p * vpow2(n);
}

/// x · Φ(x) = x/2 · (1 + erf(x/√2)). erf(z) = z·P(z²)/Q(z²), a rational function fitted on |z| <= 4 with an error of
/// 2.2e-8 before rounding; beyond, erf is ±1 in single precision.
NT_INLINE vf vgelu(vf x) {
    vf z = vmin(vmax(x * vset(0.70710678118654752f), vset(-4.0f)), vset(4.0f));
    vf u = z * z;
    vf p = vset(1.974830411199946e-06f);
    p = vfma(p, u, vset(0.00028804028988815844f));
    p = vfma(p, u, vset(0.004003613721579313f));
    p = vfma(p, u, vset(0.05346738174557686f));
    p = vfma(p, u, vset(0.19624827802181244f));
    p = vfma(p, u, vset(1.128378987312317f));
    vf q = vset(3.748080780496821e-05f);
    q = vfma(q, u, vset(0.0012163512874394655f));
    q = vfma(q, u, vset(0.015444359742105007f));
    q = vfma(q, u, vset(0.1164761334657669f));
    q = vfma(q, u, vset(0.5072516798973083f));
    q = vfma(q, u, vset(1.0f));
    vf half = x * vset(0.5f);
    return vfma(half, z * p / q, half);
}
