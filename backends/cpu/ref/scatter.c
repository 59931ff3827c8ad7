// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Writing at indices that are data, into a copy of input 0, or into input 0 itself where the output is its memory. */

#include "ref/gather.h"

#include <math.h>
#include <string.h>

enum { NONE, ADD, MUL, MAX, MIN };

static int reduction_of(const cpu_call *c)
{
    const char *name = cpu_attr_string(&c->attrs, "reduction", "none");
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    for (int i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) == 0)
            return i;
    }
    return NONE;
}

static double reduce_float(int reduction, double a, double b)
{
    if (reduction == ADD)
        return a + b;
    if (reduction == MUL)
        return a * b;
    if (isnan(a) || isnan(b))
        return NAN;
    return (reduction == MAX) == (a > b) ? a : b;
}

static int64_t reduce_int(int reduction, int64_t a, int64_t b, uint32_t dtype)
{
    if (reduction == ADD)
        return (int64_t)((uint64_t)a + (uint64_t)b);
    if (reduction == MUL)
        return (int64_t)((uint64_t)a * (uint64_t)b);
    int is_more = dtype == MARU_ABI_U64 ? (uint64_t)a > (uint64_t)b : a > b;
    return (reduction == MAX) == is_more ? a : b;
}

static void update(cpu_tensor *out, int64_t at, const cpu_tensor *updates, int64_t from, int reduction)
{
    if (reduction == NONE)
        cpu_copy_element(out, at, updates, from);
    else if (cpu_is_float(out->dtype))
        cpu_store(out, at, reduce_float(reduction, cpu_load(out, at), cpu_load(updates, from)));
    else
        cpu_store_int(out, at, reduce_int(reduction, cpu_load_int(out, at), cpu_load_int(updates, from), out->dtype));
}

static void start(cpu_call *c)
{
    if (c->out[0].data != c->in[0].data)
        cpu_copy_elements(&c->out[0], 0, &c->in[0], 0, c->out[0].count);
}

maru_abi_status cpu_ref_scatter_elements(cpu_call *c)
{
    cpu_tensor *out = &c->out[0];
    const cpu_tensor *indices = &c->in[1];
    int64_t given = cpu_attr_int(&c->attrs, "axis", 0);
    int64_t axis = cpu_axis(given, out->rank);
    int64_t strides[CPU_MAX_RANK];
    int64_t position[CPU_MAX_RANK];
    int reduction = reduction_of(c);
    if (axis < 0 || axis >= out->rank || indices->rank != out->rank || c->in[2].count < indices->count)
        return cpu_bad_value(c, "axis %lld, indices and updates do not fit rank %u", (long long)given, out->rank);
    for (uint32_t d = 0; d < out->rank; d++)
        if (d != axis && indices->dims[d] > out->dims[d])
            return cpu_bad_value(c, "axis %u of the indices has %lld elements, that of the data %lld", d,
                                 (long long)indices->dims[d], (long long)out->dims[d]);
    start(c);
    cpu_strides(out, strides);
    for (int64_t i = 0; i < indices->count; i++) {
        int64_t at = 0;
        cpu_position(indices, i, position);
        maru_abi_status status = cpu_ref_index(c, indices, i, out->dims[axis], &position[axis]);
        if (status != MARU_ABI_OK)
            return status;
        for (uint32_t d = 0; d < out->rank; d++)
            at += position[d] * strides[d];
        update(out, at, &c->in[2], i, reduction);
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_scatter_nd(cpu_call *c)
{
    cpu_tensor *out = &c->out[0];
    const cpu_tensor *indices = &c->in[1];
    int reduction = reduction_of(c);
    if (indices->rank == 0 || indices->dims[indices->rank - 1] > out->rank)
        return cpu_bad_value(c, "indices of rank %u do not fit data of rank %u", indices->rank, out->rank);
    uint32_t depth = (uint32_t)indices->dims[indices->rank - 1];
    int64_t tuples = cpu_product(indices, 0, indices->rank - 1);
    int64_t inner = cpu_product(out, depth, out->rank);
    if (c->in[2].count < tuples * inner)
        return cpu_bad_value(c, "updates has %lld elements, the indices ask for %lld", (long long)c->in[2].count,
                             (long long)(tuples * inner));
    start(c);
    for (int64_t t = 0; t < tuples; t++) {
        int64_t at = 0;
        for (uint32_t k = 0; k < depth; k++) {
            int64_t index = 0;
            maru_abi_status status = cpu_ref_index(c, indices, t * depth + k, out->dims[k], &index);
            if (status != MARU_ABI_OK)
                return status;
            at = at * out->dims[k] + index;
        }
        for (int64_t i = 0; i < inner; i++)
            update(out, at * inner + i, &c->in[2], t * inner + i, reduction);
    }
    return MARU_ABI_OK;
}

/* ---- TensorScatter -------------------------------------------------------------------------- */

/* Where the update of sample `batch` begins on the axis. */
static maru_abi_status write_index(cpu_call *c, int64_t batch, int64_t length, int64_t most, int is_circular,
                                   int64_t *out_index)
{
    *out_index = cpu_has(c, 2) ? cpu_load_int(&c->in[2], batch % c->in[2].count) : 0;
    if (is_circular && most > 0)
        *out_index = (*out_index % most + most) % most;
    else if (*out_index < 0 || *out_index > most - length)
        return cpu_bad_value(c, "write index %lld and %lld elements pass the end of an axis of %lld",
                             (long long)*out_index, (long long)length, (long long)most);
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_tensor_scatter(cpu_call *c)
{
    cpu_tensor *out = &c->out[0];
    const cpu_tensor *updates = &c->in[1];
    int64_t axis = cpu_axis(cpu_attr_int(&c->attrs, "axis", -2), out->rank);
    int is_circular = strcmp(cpu_attr_string(&c->attrs, "mode", "linear"), "circular") == 0;
    if (axis < 1 || axis >= out->rank || updates->rank != out->rank || (cpu_has(c, 2) && c->in[2].count == 0))
        return cpu_bad_value(c, "axis %lld and the update do not fit rank %u", (long long)axis, out->rank);
    int64_t most = out->dims[axis];
    int64_t length = updates->dims[axis];
    int64_t outer = cpu_product(out, 0, (uint32_t)axis);
    int64_t inner = cpu_product(out, (uint32_t)axis + 1, out->rank);
    int64_t per_batch = cpu_product(out, 1, (uint32_t)axis);
    start(c);
    for (int64_t o = 0; o < outer; o++) {
        int64_t index = 0;
        maru_abi_status status = write_index(c, o / per_batch, length, most, is_circular, &index);
        if (status != MARU_ABI_OK)
            return status;
        for (int64_t k = 0; k < length; k++)
            cpu_copy_elements(out, (o * most + (index + k) % most) * inner, updates, (o * length + k) * inner, inner);
    }
    return MARU_ABI_OK;
}
