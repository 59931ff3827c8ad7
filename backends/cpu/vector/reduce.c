// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Sums, means and largest elements of f32 over neighbouring axes; other sets of axes are the reference's. */

#include "vector/vec.h"

#include <math.h>

/* The input as (outer, n, inner); n is reduced. */
typedef struct reduce_job {
    const float *x;
    float *y;
    int64_t outer, n, inner;
    float factor;  // of the result
    int is_max, is_square;
} reduce_job;

static ALWAYS_INLINE vf larger(vf a, vf b)
{
    return v_select((a > b) | (a != a), a, b);  // NaN of either side stays
}

static float reduce_row(const reduce_job *job, const float *x)
{
    vf acc[4];
    for (int u = 0; u < 4; u++)
        acc[u] = v_set(job->is_max ? -INFINITY : 0);
    int64_t i = 0;
    for (; i + VL <= job->n; i += VL) {
        const int u = (int)(i / VL % 4);
        const vf v = v_load(x + i);
        acc[u] = job->is_max ? larger(acc[u], v) : acc[u] + (job->is_square ? v * v : v);
    }
    float y = job->is_max ? v_largest(larger(larger(acc[0], acc[1]), larger(acc[2], acc[3])))
                          : v_sum((acc[0] + acc[1]) + (acc[2] + acc[3]));
    for (; i < job->n; i++) {
        if (job->is_max)
            y = y > x[i] || y != y ? y : x[i];
        else
            y += job->is_square ? x[i] * x[i] : x[i];
    }
    return job->is_max ? y : y * job->factor;
}

static void do_rows(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const reduce_job *job = ctx;
    (void)worker;
    for (int64_t row = begin; row < end; row++)
        job->y[row] = reduce_row(job, job->x + row * job->n);
}

/* A vector of neighbouring results; `left` of them are wanted. */
static void reduce_column(const reduce_job *job, const float *x, float *y, int64_t left)
{
    vf acc = v_set(job->is_max ? -INFINITY : 0);
    vf lost = {0};  // Kahan: the axis may be long, and nothing but memory limits this loop
    for (int64_t i = 0; i < job->n; i++, x += job->inner) {
        vf v = left >= VL ? v_load(x) : v_load_n(x, left);
        if (job->is_max) {
            acc = larger(acc, v);
            continue;
        }
        v = (job->is_square ? v * v : v) - lost;
        const vf sum = acc + v;
        lost = (sum - acc) - v;
        acc = sum;
    }
    if (!job->is_max)
        acc = acc * job->factor;
    if (left >= VL)
        v_store(y, acc);
    else
        v_store_n(y, acc, left);
}

/* Items are vectors of results. */
static void do_columns(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const reduce_job *job = ctx;
    const int64_t per_row = (job->inner + VL - 1) / VL;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        const int64_t outer = item / per_row;
        const int64_t column = item % per_row * VL;
        reduce_column(job, job->x + outer * job->n * job->inner + column, job->y + outer * job->inner + column,
                      job->inner - column);
    }
}

/* 0 if the axes are no neighbours, or out of range: the reference says what is wrong with them. */
static int read_axes(const cpu_call *c, reduce_job *job)
{
    const cpu_tensor *in = &c->in[0];
    const int has_axes = cpu_has(c, 1) && c->in[1].count > 0;
    int is_reduced[CPU_MAX_RANK] = {0};
    for (uint32_t d = 0; d < in->rank; d++)
        is_reduced[d] = !has_axes && !cpu_attr_int(&c->attrs, "noop_with_empty_axes", 0);
    for (int64_t i = 0; has_axes && i < c->in[1].count; i++) {
        int64_t axis = ((const int64_t *)c->in[1].data)[i];
        axis = axis < 0 ? axis + in->rank : axis;
        if (axis < 0 || axis >= in->rank)
            return 0;
        is_reduced[axis] = 1;
    }
    uint32_t d = 0;
    job->outer = job->n = job->inner = 1;
    for (; d < in->rank && !is_reduced[d]; d++)
        job->outer *= in->dims[d];
    const uint32_t first = d;
    for (; d < in->rank && is_reduced[d]; d++)
        job->n *= in->dims[d];
    if (d == first)
        return 0;
    for (; d < in->rank; d++) {
        if (is_reduced[d] && in->dims[d] != 1)
            return 0;
        job->inner *= in->dims[d];
    }
    return job->n > 0;
}

static maru_abi_status op_reduce(cpu_call *c, const cpu_team *team)
{
    const char *op = c->attrs.node->op;
    reduce_job job = {.x = c->in[0].data, .y = c->out[0].data, .factor = 1};
    if (!read_axes(c, &job))
        return cpu_ref_find("", op)->fn(c);
    job.is_max = strcmp(op, "ReduceMax") == 0;
    job.is_square = strcmp(op, "ReduceSumSquare") == 0;
    if (strcmp(op, "ReduceMean") == 0)
        job.factor = 1.0f / (float)job.n;
    const int64_t elements = job.n > 0 ? job.n : 1;
    if (job.inner == 1)
        for_all(team, job.outer, 1 + 16384 / elements, do_rows, &job);
    else
        for_all(team, job.outer * ((job.inner + VL - 1) / VL), 1 + 16384 / (elements * VL), do_columns, &job);
    return MARU_ABI_OK;
}

static int takes(const cpu_call *call)
{
    return is_dense(call, 0, MARU_ABI_F32) && is_one_output(call, MARU_ABI_F32) &&
           (!cpu_has(call, 1) || call->in[1].dtype == MARU_ABI_I64);
}

#define ROW(op_name)                          \
    {                                         \
        .domain = "",                         \
        .op = op_name,                        \
        .name = KERNEL_NAME("reduce"),        \
        .isa = VARIANT_ISA,                   \
        .priority = VARIANT_PRIORITY,         \
        .gflops = VL / 4,                     \
        .fn = op_reduce,                      \
        .takes = takes,                       \
    }

extern const cpu_kernel VARIANT(cpu_vector_reduce)[];

const cpu_kernel VARIANT(cpu_vector_reduce)[] = {
    ROW("ReduceSum"),
    ROW("ReduceMean"),
    ROW("ReduceMax"),
    ROW("ReduceSumSquare"),
    {.name = NULL},
};
