// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Softmax and the normalisations of a row: rows are split among threads, each is read while it is in the cache. */

#include "vector/vec.h"

#include <math.h>

typedef struct row_job {
    const float *x;
    float *y;
    const float *scale;  // per element of a row
    const float *shift;  // NULL: none
    float *mean;         // per row, NULL: not asked for
    float *inverse;
    int64_t n;
    float epsilon;
    int is_log;
} row_job;

static ALWAYS_INLINE vf load_at(const float *p, int64_t n)
{
    return n >= VL ? v_load(p) : v_load_n(p, n);
}

static ALWAYS_INLINE void store_at(float *p, vf v, int64_t n)
{
    if (n >= VL)
        v_store(p, v);
    else
        v_store_n(p, v, n);
}

static ALWAYS_INLINE vf first_lanes(vf v, int64_t n, float rest)
{
    for (int64_t i = n; i < VL; i++)
        v[i] = rest;
    return v;
}

/* Sums of x - origin and of its square; four at a time, so that rounding errors stay small. */
static void row_moments(const float *x, int64_t n, float origin, float *out_sum, float *out_square)
{
    vf sum[4] = {{0}};
    vf square[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        for (int u = 0; u < 4; u++) {
            const vf v = v_load(x + i + u * VL) - origin;
            sum[u] += v;
            square[u] += v * v;
        }
    }
    for (; i < n; i += VL) {
        const vf v = n - i >= VL ? v_load(x + i) - origin : first_lanes(v_load_n(x + i, n - i) - origin, n - i, 0);
        sum[0] += v;
        square[0] += v * v;
    }
    *out_sum = v_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    *out_square = v_sum((square[0] + square[1]) + (square[2] + square[3]));
}

/* ---- LayerNormalization, RMSNormalization ---- */

static void do_layer_norm(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const row_job *job = ctx;
    const int64_t n = job->n;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const float *x = job->x + row * n;
        float *y = job->y + row * n;
        float sum;
        float square;
        row_moments(x, n, 0, &sum, &square);
        const float mean = sum / (float)n;
        row_moments(x, n, mean, &sum, &square);
        const float inverse = 1.0f / __builtin_sqrtf(square / (float)n + job->epsilon);
        for (int64_t i = 0; i < n; i += VL) {
            vf v = (load_at(x + i, n - i) - mean) * inverse * load_at(job->scale + i, n - i);
            if (job->shift)
                v += load_at(job->shift + i, n - i);
            store_at(y + i, v, n - i);
        }
        if (job->mean)
            job->mean[row] = mean;
        if (job->inverse)
            job->inverse[row] = inverse;
    }
}

static void do_rms_norm(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const row_job *job = ctx;
    const int64_t n = job->n;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const float *x = job->x + row * n;
        float *y = job->y + row * n;
        float sum;
        float square;
        row_moments(x, n, 0, &sum, &square);
        const float inverse = 1.0f / __builtin_sqrtf(square / (float)n + job->epsilon);
        for (int64_t i = 0; i < n; i += VL)
            store_at(y + i, load_at(x + i, n - i) * inverse * load_at(job->scale + i, n - i), n - i);
    }
}

static int64_t axis_of(const cpu_call *call)
{
    const int64_t axis = cpu_attr_int(&call->attrs, "axis", -1);
    return axis < 0 ? axis + call->in[0].rank : axis;
}

static int64_t row_length(const cpu_call *call)
{
    int64_t n = 1;
    for (int64_t d = axis_of(call); d < (int64_t)call->in[0].rank; d++)
        n *= call->in[0].dims[d];
    return n;
}

static float *optional_output(const cpu_call *call, uint32_t index)
{
    return index < call->n_out && call->out[index].dtype ? call->out[index].data : NULL;
}

static maru_abi_status run_norm(cpu_call *call, const cpu_team *team, maru_abi_task_fn fn)
{
    row_job job = {
        .x = call->in[0].data,
        .y = call->out[0].data,
        .scale = call->in[1].data,
        .shift = cpu_has(call, 2) ? call->in[2].data : NULL,
        .mean = optional_output(call, 1),
        .inverse = optional_output(call, 2),
        .n = row_length(call),
        .epsilon = (float)cpu_attr_float(&call->attrs, "epsilon", 1e-5),
    };
    if (job.n > 0)
        for_all(team, call->in[0].count / job.n, 1 + 8192 / job.n, fn, &job);
    return MARU_ABI_OK;
}

static maru_abi_status op_layer_norm(cpu_call *call, const cpu_team *team)
{
    return run_norm(call, team, do_layer_norm);
}

static maru_abi_status op_rms_norm(cpu_call *call, const cpu_team *team)
{
    return run_norm(call, team, do_rms_norm);
}

/* Scale and shift must be whole rows. */
static int takes_norm(const cpu_call *call)
{
    const int64_t n = row_length(call);
    for (uint32_t i = 0; i < call->n_in; i++)
        if (cpu_has(call, i) && (!is_dense(call, i, MARU_ABI_F32) || (i > 0 && call->in[i].count != n)))
            return 0;
    for (uint32_t i = 1; i < call->n_out; i++)
        if (call->out[i].dtype && call->out[i].dtype != MARU_ABI_F32)
            return 0;
    return call->n_in > 1 && call->out[0].dtype == MARU_ABI_F32;
}

/* ---- Softmax, LogSoftmax ---- */

static float row_largest(const float *x, int64_t n)
{
    vf largest = v_set(-__builtin_inff());
    for (int64_t i = 0; i < n; i += VL)
        largest = v_max(largest, n - i >= VL ? v_load(x + i)
                                             : first_lanes(v_load_n(x + i, n - i), n - i, -__builtin_inff()));
    return v_largest(largest);
}

static void softmax_row(const row_job *job, const float *x, float *y)
{
    const int64_t n = job->n;
    const float largest = row_largest(x, n);
    vf sums = {0};
    for (int64_t i = 0; i < n; i += VL) {
        vf e = v_exp_down(load_at(x + i, n - i) - largest);
        if (n - i < VL)
            e = first_lanes(e, n - i, 0);
        sums += e;
        if (!job->is_log)
            store_at(y + i, e, n - i);
    }
    const float sum = v_sum(sums);
    const float inverse = 1.0f / sum;
    // The logarithm alone of this file is the library's: one a row.
    const float log_sum = job->is_log ? logf(sum) : 0;
    for (int64_t i = 0; i < n; i += VL) {
        const vf v = job->is_log ? (load_at(x + i, n - i) - largest) - log_sum : load_at(y + i, n - i) * inverse;
        store_at(y + i, v, n - i);
    }
}

static void do_softmax(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const row_job *job = ctx;
    (void)worker;
    for (int64_t row = begin; row < end; row++)
        softmax_row(job, job->x + row * job->n, job->y + row * job->n);
}

static maru_abi_status run_softmax(cpu_call *call, const cpu_team *team, int is_log)
{
    row_job job = {.x = call->in[0].data, .y = call->out[0].data, .n = row_length(call), .is_log = is_log};
    if (job.n > 0)
        for_all(team, call->in[0].count / job.n, 1 + 4096 / job.n, do_softmax, &job);
    return MARU_ABI_OK;
}

static maru_abi_status op_softmax(cpu_call *call, const cpu_team *team)
{
    return run_softmax(call, team, 0);
}

static maru_abi_status op_log_softmax(cpu_call *call, const cpu_team *team)
{
    return run_softmax(call, team, 1);
}

/* The last axis alone. */
static int takes_softmax(const cpu_call *call)
{
    return is_dense(call, 0, MARU_ABI_F32) && call->in[0].rank > 0 && axis_of(call) + 1 == (int64_t)call->in[0].rank;
}

#define ROW(op_name, function, which)         \
    {                                         \
        .domain = "",                         \
        .op = op_name,                        \
        .name = KERNEL_NAME("rows"),          \
        .isa = VARIANT_ISA,                   \
        .priority = VARIANT_PRIORITY,         \
        .gflops = VL / 4,                     \
        .fn = function,                       \
        .takes = which,                       \
    }

extern const cpu_kernel VARIANT(cpu_vector_norm)[];

const cpu_kernel VARIANT(cpu_vector_norm)[] = {
    ROW("LayerNormalization", op_layer_norm, takes_norm),
    ROW("RMSNormalization", op_rms_norm, takes_norm),
    ROW("Softmax", op_softmax, takes_softmax),
    ROW("LogSoftmax", op_log_softmax, takes_softmax),
    {.name = NULL},
};
