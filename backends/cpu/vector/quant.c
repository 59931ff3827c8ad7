// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* QuantizeLinear and DequantizeLinear between f32 and bytes with one scale: bit for bit what the reference gives. */

#include "vector/vec.h"

#include <math.h>

#define GRAIN 16384

typedef struct quant_job {
    const void *x;
    void *y;
    float scale;
    float zero;
    float low, high;  // of the bytes
} quant_job;

/* A quotient that is no number is 0, whatever the zero point. */
static inline int32_t step_of(const quant_job *job, float x)
{
    const float quotient = x / job->scale;
    float step = rintf(quotient) + job->zero;
    step = step > job->low ? step : job->low;
    step = step < job->high ? step : job->high;
    const int32_t level = (int32_t)step;
    return quotient == quotient ? level : 0;
}

static void f32_to_u8(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const quant_job job = *(const quant_job *)ctx;
    const float *x = job.x;
    uint8_t *y = job.y;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        y[i] = (uint8_t)step_of(&job, x[i]);
}

static void f32_to_i8(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const quant_job job = *(const quant_job *)ctx;
    const float *x = job.x;
    int8_t *y = job.y;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        y[i] = (int8_t)step_of(&job, x[i]);
}

static void u8_to_f32(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const quant_job job = *(const quant_job *)ctx;
    const uint8_t *x = job.x;
    float *y = job.y;
    const int32_t zero = (int32_t)job.zero;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        y[i] = (float)((int32_t)x[i] - zero) * job.scale;
}

static void i8_to_f32(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const quant_job job = *(const quant_job *)ctx;
    const int8_t *x = job.x;
    float *y = job.y;
    const int32_t zero = (int32_t)job.zero;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        y[i] = (float)((int32_t)x[i] - zero) * job.scale;
}

static maru_abi_task_fn pick(uint32_t from, uint32_t to)
{
    if (from == MARU_ABI_F32)
        return to == MARU_ABI_U8 ? f32_to_u8 : to == MARU_ABI_I8 ? f32_to_i8 : NULL;
    if (to == MARU_ABI_F32)
        return from == MARU_ABI_U8 ? u8_to_f32 : from == MARU_ABI_I8 ? i8_to_f32 : NULL;
    return NULL;
}

static maru_abi_status op_quant(cpu_call *call, const cpu_team *team)
{
    const cpu_tensor *x = &call->in[0];
    cpu_tensor *y = &call->out[0];
    const uint32_t bytes = x->dtype == MARU_ABI_F32 ? y->dtype : x->dtype;
    quant_job job = {
        .x = x->data,
        .y = y->data,
        .scale = *(const float *)call->in[1].data,
        .zero = cpu_has(call, 2) ? (float)cpu_load(&call->in[2], 0) : 0,
        .low = bytes == MARU_ABI_I8 ? -128 : 0,
        .high = bytes == MARU_ABI_I8 ? 127 : 255,
    };
    for_all(team, y->count, GRAIN, pick(x->dtype, y->dtype), &job);
    return MARU_ABI_OK;
}

static int takes(const cpu_call *call)
{
    const cpu_tensor *scale = &call->in[1];
    return call->n_out == 1 && call->in[0].layout == 0 && scale->dtype == MARU_ABI_F32 && scale->count == 1 &&
           cpu_attr_int(&call->attrs, "block_size", 0) == 0 &&
           (!cpu_has(call, 2) || call->in[2].count == 1) && pick(call->in[0].dtype, call->out[0].dtype) != NULL;
}

#define ROW(op_name)                          \
    {                                         \
        .domain = "",                         \
        .op = op_name,                        \
        .name = KERNEL_NAME("quant"),         \
        .isa = VARIANT_ISA,                   \
        .priority = VARIANT_PRIORITY,         \
        .gflops = VL / 4,                     \
        .fn = op_quant,                       \
        .takes = takes,                       \
    }

extern const cpu_kernel VARIANT(cpu_vector_quant)[];

const cpu_kernel VARIANT(cpu_vector_quant)[] = {
    ROW("QuantizeLinear"),
    ROW("DequantizeLinear"),
    {.name = NULL},
};
