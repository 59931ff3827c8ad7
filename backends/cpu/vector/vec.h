// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_VECTOR_VEC_H
#define CPU_VECTOR_VEC_H

/*
 * One vector of floats, as wide as the variant: the files of this folder that
 * include it are compiled once for each instruction set, with CPU_VARIANT
 * ("avx512") in the names of what they export and CPU_VECTOR_BYTES for the
 * width. Everything here is static: no variant may share code with another.
 */

#include "cpu.h"

#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define VEC_JOIN2(a, b) a##_##b
#define VEC_JOIN(a, b) VEC_JOIN2(a, b)
#define VARIANT(name) VEC_JOIN(name, CPU_VARIANT)
#define VEC_TEXT2(a) #a
#define VEC_TEXT(a) VEC_TEXT2(a)
/* "matmul avx512" */
#define KERNEL_NAME(name) name " " VEC_TEXT(CPU_VARIANT)

#if CPU_VECTOR_BYTES == 64
#define VARIANT_ISA (CPU_ISA_AVX2 | CPU_ISA_FMA | CPU_ISA_F16C | CPU_ISA_AVX512F | CPU_ISA_AVX512BW | CPU_ISA_AVX512VL)
#define VARIANT_PRIORITY 30
#elif CPU_VECTOR_BYTES == 32
#define VARIANT_ISA (CPU_ISA_AVX2 | CPU_ISA_FMA | CPU_ISA_F16C)
#define VARIANT_PRIORITY 20
#else
#define VARIANT_ISA 0
#define VARIANT_PRIORITY 10
#endif

#define VL (CPU_VECTOR_BYTES / 4)
#define ALWAYS_INLINE inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(CPU_VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(CPU_VECTOR_BYTES)));
typedef float vf_any __attribute__((vector_size(CPU_VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(CPU_VECTOR_BYTES), aligned(4), may_alias));

static ALWAYS_INLINE vf v_load(const float *p)
{
    return *(const vf_any *)(const void *)p;
}

static ALWAYS_INLINE void v_store(float *p, vf v)
{
    *(vf_any *)(void *)p = v;
}

static ALWAYS_INLINE vf v_set(float x)
{
    return x - (vf){0};  // keeps -0
}

static ALWAYS_INLINE vi v_set_int(int32_t x)
{
    return x - (vi){0};
}

/* The first n < VL elements; the rest is 0. */
static ALWAYS_INLINE vf v_load_n(const float *p, int64_t n)
{
#if CPU_VECTOR_BYTES == 64
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
#endif
}

static ALWAYS_INLINE void v_store_n(float *p, vf v, int64_t n)
{
#if CPU_VECTOR_BYTES == 64
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    memcpy(p, &v, (size_t)n * sizeof *p);
#endif
}

/* Lane by lane `mask` (all ones or all zeros) ? a : b. */
static ALWAYS_INLINE vf v_select(vi mask, vf a, vf b)
{
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* Where a lane is NaN the second operand is the result, as the instructions have it. */
static ALWAYS_INLINE vf v_max(vf a, vf b)
{
#if CPU_VECTOR_BYTES == 64
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif CPU_VECTOR_BYTES == 32 && defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return v_select(a > b, a, b);
#endif
}

static ALWAYS_INLINE vf v_min(vf a, vf b)
{
#if CPU_VECTOR_BYTES == 64
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif CPU_VECTOR_BYTES == 32 && defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return v_select(a < b, a, b);
#endif
}

static ALWAYS_INLINE vf v_sqrt(vf a)
{
#if CPU_VECTOR_BYTES == 64
    return (vf)_mm512_sqrt_ps((__m512)a);
#elif CPU_VECTOR_BYTES == 32 && defined(__AVX2__)
    return (vf)_mm256_sqrt_ps((__m256)a);
#else
    for (int i = 0; i < VL; i++)
        a[i] = __builtin_sqrtf(a[i]);
    return a;
#endif
}

static ALWAYS_INLINE vf v_abs(vf a)
{
    return (vf)((vi)a & v_set_int(0x7fffffff));
}

static ALWAYS_INLINE vf v_copysign(vf magnitude, vf sign)
{
    return (vf)((vi)magnitude | ((vi)sign & v_set_int(INT32_MIN)));
}

static ALWAYS_INLINE float v_sum(vf a)
{
    float x[VL];
    v_store(x, a);
    for (int n = VL / 2; n; n /= 2)
        for (int i = 0; i < n; i++)
            x[i] += x[i + n];
    return x[0];
}

static ALWAYS_INLINE float v_largest(vf a)
{
    float x[VL];
    v_store(x, a);
    for (int n = VL / 2; n; n /= 2)
        for (int i = 0; i < n; i++)
            x[i] = x[i] > x[i + n] || x[i] != x[i] ? x[i] : x[i + n];
    return x[0];
}

/* ---- functions: the error is in units of the last place, measured over all floats ---- */

/* At most 1.5 ulp, denormal results at most 1 step off; overflow is infinity, NaN stays. */
static ALWAYS_INLINE vf v_exp(vf x)
{
    const vf magic = v_set(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    vf y = v_select(x < -104.0f, v_set(-104.0f), x);
    y = v_select(y > 89.0f, v_set(89.0f), y);
    const vf t = y * 1.44269504088896341f + magic;
    const vf n = t - magic;
    const vi k = (vi)t - 0x4b400000;
    const vf r = (y - n * 0.693145751953125f) - n * 1.42860682030941723212e-6f;
    vf p = v_set(0.0013835797f);
    p = p * r + 0.0083756456f;
    p = p * r + 0.041668288f;
    p = p * r + 0.16666411f;
    p = p * r + 0.49999991f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const vi half = k >> 1;  // in two steps: 2^k itself may be no normal number
    return p * (vf)((half + 127) << 23) * (vf)((k - half + 127) << 23);
}

/* exp of an argument that is at most 0 and where results below 1e-37 may be 0: softmax. */
static ALWAYS_INLINE vf v_exp_down(vf x)
{
    const vf magic = v_set(12582912.0f);
    const vf y = v_max(v_set(-87.0f), x);
    const vf t = y * 1.44269504088896341f + magic;
    const vf n = t - magic;
    const vf r = (y - n * 0.693145751953125f) - n * 1.42860682030941723212e-6f;
    vf p = v_set(0.0013835797f);
    p = p * r + 0.0083756456f;
    p = p * r + 0.041668288f;
    p = p * r + 0.16666411f;
    p = p * r + 0.49999991f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const vf e = p * (vf)(((vi)t - 0x4b400000 + 127) << 23);
    return (vf)((vi)e & ~(x <= -87.0f));
}

/*
 * erfc(z) for 0 <= z < 9.1, at most 4 ulp: exp(-z^2) times a
 * polynomial in (z - 2) / (z + 2) over 1 + 2 z. z^2 is exact in two pieces.
 */
static ALWAYS_INLINE vf v_erfc(vf z)
{
    const vf q = (z - 2.0f) / (z + 2.0f);
    vf p = v_set(7.916263e-5f);
    p = p * q + 0.00016880388f;
    p = p * q - 0.00040086210f;
    p = p * q - 0.0014202700f;
    p = p * q + 0.0012529520f;
    p = p * q + 0.0087089399f;
    p = p * q - 0.0080309566f;
    p = p * q - 0.054217812f;
    p = p * q + 0.16405106f;
    p = p * q - 0.16603053f;
    p = p * q - 0.092763819f;
    p = p * q + 1.2769784f;
    const vf high = (vf)((vi)z & v_set_int(-4096));
    const vf low = (z - high) * (z + high);
    vf e = v_exp_down(-(high * high));
    e = e - e * (low - low * low * (0.5f - low * (1.0f / 6)));
    return e * p / (z * 2.0f + 1.0f);
}

/* At most 2 ulp. */
static ALWAYS_INLINE vf v_erf(vf x)
{
    const vf z = v_abs(x);
    const vf u = x * x;
    vf p = v_set(-9.6415151e-6f);
    p = p * u + 0.00011256948f;
    p = p * u - 0.00084828289f;
    p = p * u + 0.0052209455f;
    p = p * u - 0.026865400f;
    p = p * u + 0.11283782f;
    p = p * u - 0.37612638f;
    p = p * u + 0.12837917f;  // 2/sqrt(pi) - 1, so that the last sum rounds once
    const vf small = x + x * p;
    const vf large = v_copysign(1.0f - v_erfc(v_min(v_set(5.0f), z)), x);  // beyond 5 all digits are 9
    return v_select(z < 0.9f, small, large);
}

/* x times the normal distribution up to x: at most 5 ulp, tails included, down to -1e-36 at -12.7; 0 below. */
static ALWAYS_INLINE vf v_gelu(vf x)
{
    // Inside these bounds nothing is denormal, which would cost a hundred times as much.
    const vf near = v_min(v_set(12.7f), v_max(v_set(-12.7f), x));
    const vf half_tail = near * 0.5f * v_erfc(v_abs(near) * 0.70710678118654752f);
    const vf y = v_select(x > 0.0f, x - half_tail, half_tail);
    return v_select(x < -12.7f, v_set(0), y);
}

/* At most 2 ulp. */
static ALWAYS_INLINE vf v_tanh(vf x)
{
    const vf z = v_abs(x);
    const vf u = x * x;
    vf p = v_set(0.0021034030f);
    p = p * u - 0.0081317658f;
    p = p * u + 0.021680737f;
    p = p * u - 0.053942647f;
    p = p * u + 0.13333166f;
    p = p * u - 0.33333328f;
    const vf small = x + x * (p * u);
    const vf large = 1.0f - 2.0f / (v_exp(z + z) + 1.0f);
    return v_select(z < 0.6f, small, v_copysign(large, x));
}

/* At most 3 ulp, small results too. */
static ALWAYS_INLINE vf v_sigmoid(vf x)
{
    const vf e = v_exp(-v_abs(x));
    return v_select(x < 0.0f, e, v_set(1.0f)) / (1.0f + e);
}

static ALWAYS_INLINE vf v_gelu_tanh(vf x)
{
    // 0.5 (1 + tanh y) is the logistic function of 2 y, which keeps its digits where tanh is near -1.
    const vf y = x * (1.0f + 0.044715f * (x * x)) * 1.5957691216057307f;
    return x / (1.0f + v_exp(-y));
}

/* ---- teams ---- */

static ALWAYS_INLINE void for_all(const cpu_team *team, int64_t count, int64_t grain, maru_abi_task_fn fn, void *ctx)
{
    team->host->parallel_for(team->host->ctx, count, grain, fn, ctx);
}

static ALWAYS_INLINE int64_t smaller_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whether input `index` is there, of that dtype and dense. */
static ALWAYS_INLINE int is_dense(const cpu_call *call, uint32_t index, uint32_t dtype)
{
    return index < call->n_in && call->in[index].dtype == dtype && call->in[index].layout == 0;
}

/* Whether output 0 alone is asked for, of that dtype. */
static ALWAYS_INLINE int is_one_output(const cpu_call *call, uint32_t dtype)
{
    for (uint32_t i = 1; i < call->n_out; i++)
        if (call->out[i].dtype)
            return 0;
    return call->n_out >= 1 && call->out[0].dtype == dtype;
}

#endif
