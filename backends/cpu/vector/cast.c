// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Cast between f32 and the 16-bit floats, bf16 everywhere, f16 where there are instructions for it; and i32 to f32. */

#include "vector/vec.h"

#define GRAIN 32768

typedef struct cast_job {
    const void *x;
    void *y;
} cast_job;

static void bf16_to_f32(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const cast_job *job = ctx;
    const uint16_t *x = job->x;
    uint32_t *y = job->y;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        y[i] = (uint32_t)x[i] << 16;
}

/* To the nearest, halves to even; NaN stays one. */
static void f32_to_bf16(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const cast_job *job = ctx;
    const uint32_t *x = job->x;
    uint16_t *y = job->y;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const uint32_t bits = x[i];
        const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        y[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16 | 0x40) : rounded);
    }
}

static void i32_to_f32(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const cast_job *job = ctx;
    const int32_t *x = job->x;
    float *y = job->y;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        y[i] = (float)x[i];
}

#if CPU_VECTOR_BYTES >= 32 && defined(__F16C__)

static void f16_to_f32(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const cast_job *job = ctx;
    const uint16_t *x = job->x;
    float *y = job->y;
    (void)worker;
    int64_t i = begin;
    for (; i + 8 <= end; i += 8)
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
    for (; i < end; i++)
        y[i] = _cvtsh_ss(x[i]);
}

static void f32_to_f16(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const cast_job *job = ctx;
    const float *x = job->x;
    uint16_t *y = job->y;
    (void)worker;
    int64_t i = begin;
    for (; i + 8 <= end; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
    for (; i < end; i++)
        y[i] = (uint16_t)_cvtss_sh(x[i], 0);
}

#define HAS_F16 1
#else
#define HAS_F16 0
#endif

static maru_abi_task_fn pick(uint32_t from, uint32_t to)
{
    if (from == MARU_ABI_BF16 && to == MARU_ABI_F32)
        return bf16_to_f32;
    if (from == MARU_ABI_F32 && to == MARU_ABI_BF16)
        return f32_to_bf16;
    if (from == MARU_ABI_I32 && to == MARU_ABI_F32)
        return i32_to_f32;
#if HAS_F16
    if (from == MARU_ABI_F16 && to == MARU_ABI_F32)
        return f16_to_f32;
    if (from == MARU_ABI_F32 && to == MARU_ABI_F16)
        return f32_to_f16;
#endif
    return NULL;
}

static maru_abi_status op_cast(cpu_call *call, const cpu_team *team)
{
    cast_job job = {call->in[0].data, call->out[0].data};
    for_all(team, call->out[0].count, GRAIN, pick(call->in[0].dtype, call->out[0].dtype), &job);
    return MARU_ABI_OK;
}

static int takes(const cpu_call *call)
{
    return call->in[0].layout == 0 && call->n_out == 1 && pick(call->in[0].dtype, call->out[0].dtype) != NULL;
}

#define ROW(op_name)                          \
    {                                         \
        .domain = "",                         \
        .op = op_name,                        \
        .name = KERNEL_NAME("cast"),          \
        .isa = VARIANT_ISA,                   \
        .priority = VARIANT_PRIORITY,         \
        .gflops = VL / 4,                     \
        .fn = op_cast,                        \
        .takes = takes,                       \
    }

extern const cpu_kernel VARIANT(cpu_vector_cast)[];

const cpu_kernel VARIANT(cpu_vector_cast)[] = {
    ROW("Cast"),
    ROW("CastLike"),
    {.name = NULL},
};
