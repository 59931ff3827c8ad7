// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/ref.h"

#include <math.h>

/* ---- softmax ---- */

static maru_abi_status softmax(cpu_call *c, int is_log)
{
    const cpu_tensor *x = &c->in[0];
    int64_t axis = cpu_attr_int(&c->attrs, "axis", -1);
    axis = axis < 0 ? axis + x->rank : axis;
    const int64_t n = x->dims[axis];
    int64_t inner = 1;
    for (uint32_t d = (uint32_t)axis + 1; d < x->rank; d++)
        inner *= x->dims[d];
    const int64_t rows = n > 0 ? x->count / n : 0;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t first = row / inner * n * inner + row % inner;
        double largest = -INFINITY;
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            largest = fmax(largest, cpu_load(x, first + i * inner));
        for (int64_t i = 0; i < n; i++)
            sum += exp(cpu_load(x, first + i * inner) - largest);
        for (int64_t i = 0; i < n; i++) {
            const double shifted = cpu_load(x, first + i * inner) - largest;
            cpu_store(&c->out[0], first + i * inner, is_log ? shifted - log(sum) : exp(shifted) / sum);
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status ref_softmax(cpu_call *c)
{
    return softmax(c, 0);
}

static maru_abi_status ref_log_softmax(cpu_call *c)
{
    return softmax(c, 1);
}

/* ---- over the last axes ---- */

/* Element of `t`, which broadcasts to the dims of x, for flat index `at` of x. */
static double spread(const cpu_tensor *t, const cpu_tensor *x, int64_t at)
{
    int64_t index = 0;
    int64_t stride = 1;
    for (uint32_t d = 0; d < t->rank; d++) {
        const int64_t size = x->dims[x->rank - 1 - d];
        const int64_t own = t->dims[t->rank - 1 - d];
        index += own == 1 ? 0 : at % size * stride;
        stride *= own;
        at /= size;
    }
    return cpu_load(t, index);
}

static void moments(const cpu_tensor *x, int64_t first, int64_t n, double *mean, double *variance)
{
    double sum = 0;
    double square = 0;
    for (int64_t i = 0; i < n; i++)
        sum += cpu_load(x, first + i);
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = cpu_load(x, first + i) - *mean;
        square += d * d;
    }
    *variance = square / (double)n;
}

static int64_t row_size(const cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    int64_t axis = cpu_attr_int(&c->attrs, "axis", -1);
    int64_t n = 1;
    for (int64_t d = axis < 0 ? axis + x->rank : axis; d < (int64_t)x->rank; d++)
        n *= x->dims[d];
    return n;
}

static maru_abi_status ref_layer_norm(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    const double epsilon = cpu_attr_float(&c->attrs, "epsilon", 1e-5);
    const int64_t n = row_size(c);
    for (int64_t row = 0; n && row < x->count / n; row++) {
        double mean = 0;
        double variance = 0;
        moments(x, row * n, n, &mean, &variance);
        const double inverse = 1 / sqrt(variance + epsilon);
        for (int64_t i = row * n; i < (row + 1) * n; i++) {
            const double y = (cpu_load(x, i) - mean) * inverse * spread(&c->in[1], x, i);
            cpu_store(&c->out[0], i, y + (cpu_has(c, 2) ? spread(&c->in[2], x, i) : 0));
        }
        if (c->n_out > 1 && c->out[1].dtype)
            cpu_store(&c->out[1], row, mean);
        if (c->n_out > 2 && c->out[2].dtype)
            cpu_store(&c->out[2], row, inverse);
    }
    return MARU_ABI_OK;
}

static maru_abi_status ref_rms_norm(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    const double epsilon = cpu_attr_float(&c->attrs, "epsilon", 1e-5);
    const int64_t n = row_size(c);
    for (int64_t row = 0; n && row < x->count / n; row++) {
        double square = 0;
        for (int64_t i = row * n; i < (row + 1) * n; i++)
            square += cpu_load(x, i) * cpu_load(x, i);
        const double root = sqrt(square / (double)n + epsilon);
        for (int64_t i = row * n; i < (row + 1) * n; i++)
            cpu_store(&c->out[0], i, cpu_load(x, i) / root * spread(&c->in[1], x, i));
    }
    return MARU_ABI_OK;
}

/* ---- per channel ---- */

static maru_abi_status ref_batch_norm(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    const double epsilon = cpu_attr_float(&c->attrs, "epsilon", 1e-5);
    int64_t size = 1;
    for (uint32_t d = 2; d < x->rank; d++)
        size *= x->dims[d];
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t channel = i / size % x->dims[1];
        const double y = (cpu_load(x, i) - cpu_load(&c->in[3], channel)) / sqrt(cpu_load(&c->in[4], channel) + epsilon);
        cpu_store(&c->out[0], i, y * cpu_load(&c->in[1], channel) + cpu_load(&c->in[2], channel));
    }
    return MARU_ABI_OK;
}

/* Each run of `n` elements is normalised; scale and bias are per channel of `size` elements. */
static void normalise_runs(cpu_call *c, int64_t n, int64_t size)
{
    const cpu_tensor *x = &c->in[0];
    const double epsilon = cpu_attr_float(&c->attrs, "epsilon", 1e-5);
    for (int64_t run = 0; n && run < x->count / n; run++) {
        double mean = 0;
        double variance = 0;
        moments(x, run * n, n, &mean, &variance);
        for (int64_t i = run * n; i < (run + 1) * n; i++) {
            const int64_t channel = i / size % x->dims[1];
            const double y = (cpu_load(x, i) - mean) / sqrt(variance + epsilon);
            cpu_store(&c->out[0], i, y * cpu_load(&c->in[1], channel) + cpu_load(&c->in[2], channel));
        }
    }
}

static int64_t channel_size(const cpu_tensor *x)
{
    const int64_t channels = x->dims[0] * x->dims[1];
    return channels ? x->count / channels : 0;
}

static maru_abi_status ref_instance_norm(cpu_call *c)
{
    const int64_t size = channel_size(&c->in[0]);
    normalise_runs(c, size, size);
    return MARU_ABI_OK;
}

static maru_abi_status ref_group_norm(cpu_call *c)
{
    const int64_t size = channel_size(&c->in[0]);
    const int64_t groups = cpu_attr_int(&c->attrs, "num_groups", 1);
    normalise_runs(c, c->in[0].dims[1] / groups * size, size);
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_norm[] = {
    {.name = "Softmax", .domain = "", .since_version = 13, .fn = ref_softmax, .dtypes = "f"},
    {.name = "LogSoftmax", .domain = "", .since_version = 13, .fn = ref_log_softmax, .dtypes = "f"},
    {.name = "LayerNormalization", .domain = "", .since_version = 17, .fn = ref_layer_norm, .dtypes = "f"},
    {.name = "RMSNormalization", .domain = "", .since_version = 23, .fn = ref_rms_norm, .dtypes = "f"},
    {.name = "BatchNormalization", .domain = "", .since_version = 15, .fn = ref_batch_norm, .dtypes = "f"},
    {.name = "InstanceNormalization", .domain = "", .since_version = 22, .fn = ref_instance_norm, .dtypes = "f"},
    {.name = "GroupNormalization", .domain = "", .since_version = 21, .fn = ref_group_norm, .dtypes = "f"},
    {0},
};
