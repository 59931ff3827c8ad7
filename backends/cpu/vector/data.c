// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Moving elements of 1, 2, 4 or 8 bytes without looking at them. */

#include "cpu.h"

#include <string.h>

/* ---- strided views, made dense ---- */

typedef struct view_job {
    const char *x;
    char *y;
    uint32_t rank;
    int64_t dims[CPU_MAX_RANK];   // of the output, neighbours that stay together joined
    int64_t steps[CPU_MAX_RANK];  // in the input, elements
    size_t bytes;                 // of an element
} view_job;

static size_t element_bytes(uint32_t dtype)
{
    const maru_abi_dtype *d = cpu_dtype(dtype);
    return d && d->block_elements == 1 ? d->block_bytes : 0;
}

static void strides_of(const cpu_tensor *t, int64_t *out)
{
    int64_t step = 1;
    for (uint32_t d = t->rank; d-- > 0;) {
        out[d] = step;
        step *= t->dims[d];
    }
}

/* The next axis of the output; it joins the one before where both are one run of steps. */
static void add_axis(view_job *job, int64_t dim, int64_t step)
{
    if (dim == 1)
        return;
    if (job->rank && job->steps[job->rank - 1] == dim * step) {
        job->dims[job->rank - 1] *= dim;
        job->steps[job->rank - 1] = step;
        return;
    }
    job->dims[job->rank] = dim;
    job->steps[job->rank++] = step;
}

#define GATHER_RUN(type)                                                                    \
    static void gather_##type(type *y, const type *x, int64_t step, int64_t n)              \
    {                                                                                       \
        for (int64_t i = 0; i < n; i++)                                                     \
            y[i] = x[i * step];                                                             \
    }

GATHER_RUN(uint8_t)
GATHER_RUN(uint16_t)
GATHER_RUN(uint32_t)
GATHER_RUN(uint64_t)

static void copy_run(const view_job *job, char *y, const char *x, int64_t step, int64_t n)
{
    if (step == 1) {
        memcpy(y, x, (size_t)n * job->bytes);
        return;
    }
    void *to = y;
    const void *from = x;
    switch (job->bytes) {
    case 1: gather_uint8_t(to, from, step, n); break;
    case 2: gather_uint16_t(to, from, step, n); break;
    case 4: gather_uint32_t(to, from, step, n); break;
    default: gather_uint64_t(to, from, step, n); break;
    }
}

/* Items are runs along the last axis of the output. */
static void do_view(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const view_job *job = ctx;
    const int64_t n = job->rank ? job->dims[job->rank - 1] : 1;
    const int64_t step = job->rank ? job->steps[job->rank - 1] : 1;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t index = item;
        int64_t at = 0;
        for (uint32_t d = job->rank; d-- > 1;) {
            at += index % job->dims[d - 1] * job->steps[d - 1];
            index /= job->dims[d - 1];
        }
        copy_run(job, job->y + (size_t)(item * n) * job->bytes, job->x + at * (int64_t)job->bytes, step, n);
    }
}

static view_job begin_view(const cpu_call *c)
{
    return (view_job){.x = c->in[0].data, .y = c->out[0].data, .bytes = element_bytes(c->in[0].dtype)};
}

static maru_abi_status run_view(cpu_call *c, const cpu_team *team, view_job *job)
{
    const int64_t n = job->rank ? job->dims[job->rank - 1] : 1;
    if (c->out[0].count > 0)
        team->host->parallel_for(team->host->ctx, c->out[0].count / n, 1 + 16384 / n, do_view, job);
    return MARU_ABI_OK;
}

static maru_abi_status op_transpose(cpu_call *c, const cpu_team *team)
{
    const cpu_tensor *in = &c->in[0];
    uint32_t n = 0;
    const int64_t *perm = cpu_attr_ints(&c->attrs, "perm", &n);
    int64_t strides[CPU_MAX_RANK];
    view_job job = begin_view(c);
    strides_of(in, strides);
    for (uint32_t d = 0; d < in->rank; d++) {
        const int64_t axis = perm ? perm[d] : (int64_t)in->rank - 1 - d;
        add_axis(&job, in->dims[axis], strides[axis]);
    }
    return run_view(c, team, &job);
}

static maru_abi_status op_expand(cpu_call *c, const cpu_team *team)
{
    const cpu_tensor *in = &c->in[0];
    const cpu_tensor *out = &c->out[0];
    int64_t strides[CPU_MAX_RANK];
    view_job job = begin_view(c);
    strides_of(in, strides);
    for (uint32_t d = 0; d < out->rank; d++) {
        const uint32_t missing = out->rank - in->rank;
        add_axis(&job, out->dims[d], d < missing || in->dims[d - missing] == 1 ? 0 : strides[d - missing]);
    }
    return run_view(c, team, &job);
}

/* 0 if something is wrong with the slices: the reference says what. */
static int read_slices(const cpu_call *c, int64_t *start, int64_t *step)
{
    const cpu_tensor *in = &c->in[0];
    for (int64_t i = 0; i < c->in[1].count; i++) {
        int64_t axis = cpu_has(c, 3) ? cpu_load_int(&c->in[3], i) : i;
        axis += axis < 0 ? in->rank : 0;
        if (axis < 0 || axis >= in->rank)
            return 0;
        const int64_t dim = in->dims[axis];
        const int64_t by = cpu_has(c, 4) ? cpu_load_int(&c->in[4], i) : 1;
        int64_t from = cpu_load_int(&c->in[1], i);
        from += from < 0 ? dim : 0;
        const int64_t last = by > 0 ? dim : dim - 1;
        start[axis] = from < 0 ? 0 : from > last ? last : from;
        step[axis] = by;
    }
    for (uint32_t d = 0; d < in->rank; d++) {
        const int64_t end = start[d] + (c->out[0].dims[d] - 1) * step[d];
        if (c->out[0].count > 0 && (step[d] == 0 || start[d] >= in->dims[d] || end < 0 || end >= in->dims[d]))
            return 0;
    }
    return 1;
}

static maru_abi_status op_slice(cpu_call *c, const cpu_team *team)
{
    const cpu_tensor *in = &c->in[0];
    int64_t strides[CPU_MAX_RANK];
    int64_t start[CPU_MAX_RANK] = {0};
    int64_t step[CPU_MAX_RANK];
    view_job job = begin_view(c);
    strides_of(in, strides);
    for (uint32_t d = 0; d < in->rank; d++)
        step[d] = 1;
    if (!read_slices(c, start, step))
        return cpu_ref_find("", "Slice")->fn(c);
    for (uint32_t d = 0; d < in->rank; d++) {
        job.x += (size_t)(start[d] * strides[d]) * job.bytes;
        add_axis(&job, c->out[0].dims[d], step[d] * strides[d]);
    }
    return run_view(c, team, &job);
}

static int takes(const cpu_call *call)
{
    const size_t bytes = element_bytes(call->in[0].dtype);
    return call->in[0].layout == 0 && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
}

#define ROW(op_name, function) \
    {.domain = "", .op = op_name, .name = "strided copy", .priority = 10, .gflops = 1, .fn = function, .takes = takes}

extern const cpu_kernel cpu_vector_data[];

const cpu_kernel cpu_vector_data[] = {
    ROW("Transpose", op_transpose),
    ROW("Expand", op_expand),
    ROW("Slice", op_slice),
    {.name = NULL},
};
