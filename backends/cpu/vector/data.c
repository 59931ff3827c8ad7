// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Moving elements of 1, 2, 4 or 8 bytes without looking at them. */

#include "cpu.h"

#include <string.h>

/* ---- Transpose ---- */

typedef struct transpose_job {
    const char *x;
    char *y;
    uint32_t rank;
    int64_t dims[CPU_MAX_RANK];   // of the output, neighbours that stay together joined
    int64_t steps[CPU_MAX_RANK];  // in the input, elements
    size_t bytes;                 // of an element
} transpose_job;

static size_t element_bytes(uint32_t dtype)
{
    const maru_abi_dtype *d = cpu_dtype(dtype);
    return d && d->block_elements == 1 ? d->block_bytes : 0;
}

static void read_transpose(const cpu_call *c, transpose_job *job)
{
    const cpu_tensor *in = &c->in[0];
    uint32_t n = 0;
    const int64_t *perm = cpu_attr_ints(&c->attrs, "perm", &n);
    int64_t strides[CPU_MAX_RANK];
    int64_t step = 1;
    for (uint32_t d = in->rank; d-- > 0;) {
        strides[d] = step;
        step *= in->dims[d];
    }
    *job = (transpose_job){.x = in->data, .y = c->out[0].data, .bytes = element_bytes(in->dtype)};
    for (uint32_t d = 0; d < in->rank; d++) {
        const int64_t axis = perm ? perm[d] : (int64_t)in->rank - 1 - d;
        const int64_t dim = in->dims[axis];
        if (dim == 1)
            continue;
        if (job->rank && job->steps[job->rank - 1] == dim * strides[axis]) {
            job->dims[job->rank - 1] *= dim;
            job->steps[job->rank - 1] = strides[axis];
            continue;
        }
        job->dims[job->rank] = dim;
        job->steps[job->rank++] = strides[axis];
    }
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

static void copy_run(const transpose_job *job, char *y, const char *x, int64_t step, int64_t n)
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
static void do_transpose(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const transpose_job *job = ctx;
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
        copy_run(job, job->y + (size_t)(item * n) * job->bytes, job->x + (size_t)at * job->bytes, step, n);
    }
}

static maru_abi_status op_transpose(cpu_call *c, const cpu_team *team)
{
    transpose_job job;
    if (c->out[0].count == 0)
        return MARU_ABI_OK;
    read_transpose(c, &job);
    const int64_t n = job.rank ? job.dims[job.rank - 1] : 1;
    team->host->parallel_for(team->host->ctx, c->out[0].count / n, 1 + 16384 / n, do_transpose, &job);
    return MARU_ABI_OK;
}

static int takes_transpose(const cpu_call *call)
{
    const size_t bytes = element_bytes(call->in[0].dtype);
    return call->in[0].layout == 0 && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
}

extern const cpu_kernel cpu_vector_data[];

const cpu_kernel cpu_vector_data[] = {
    {
        .domain = "",
        .op = "Transpose",
        .name = "transpose",
        .priority = 10,
        .gflops = 1,
        .fn = op_transpose,
        .takes = takes_transpose,
    },
    {.name = NULL},
};
