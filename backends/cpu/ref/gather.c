// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Reading at indices that are data. An index outside is an error, never a read. */

#include "ref/gather.h"

maru_abi_status cpu_ref_index(cpu_call *c, const cpu_tensor *indices, int64_t at, int64_t n, int64_t *out_index)
{
    int64_t index = cpu_load_int(indices, at);
    *out_index = index < 0 ? index + n : index;
    if (index < -n || index >= n)
        return cpu_bad_value(c, "index %lld at %lld is out of range for an axis of %lld", (long long)index,
                             (long long)at, (long long)n);
    return MARU_ABI_OK;
}

static maru_abi_status axis_of(cpu_call *c, uint32_t *out_axis)
{
    int64_t given = cpu_attr_int(&c->attrs, "axis", 0);
    int64_t axis = cpu_axis(given, c->in[0].rank);
    *out_axis = (uint32_t)axis;
    if (axis < 0 || axis >= c->in[0].rank)
        return cpu_bad_value(c, "axis %lld is out of range for rank %u", (long long)given, c->in[0].rank);
    return MARU_ABI_OK;
}

static maru_abi_status op_gather(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    uint32_t axis = 0;
    maru_abi_status status = axis_of(c, &axis);
    if (status != MARU_ABI_OK)
        return status;
    int64_t outer = cpu_product(in, 0, axis);
    int64_t inner = cpu_product(in, axis + 1, in->rank);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t k = 0; k < c->in[1].count; k++) {
            int64_t index = 0;
            status = cpu_ref_index(c, &c->in[1], k, in->dims[axis], &index);
            if (status != MARU_ABI_OK)
                return status;
            cpu_copy_elements(&c->out[0], (o * c->in[1].count + k) * inner, in,
                              (o * in->dims[axis] + index) * inner, inner);
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status op_gather_elements(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    uint32_t axis = 0;
    int64_t strides[CPU_MAX_RANK];
    int64_t position[CPU_MAX_RANK];
    maru_abi_status status = axis_of(c, &axis);
    cpu_strides(in, strides);
    for (uint32_t d = 0; status == MARU_ABI_OK && d < in->rank; d++)
        if (d != axis && c->out[0].dims[d] > in->dims[d])
            return cpu_bad_value(c, "axis %u of the indices has %lld elements, that of the data %lld", d,
                                 (long long)c->out[0].dims[d], (long long)in->dims[d]);
    for (int64_t i = 0; status == MARU_ABI_OK && i < c->out[0].count; i++) {
        int64_t at = 0;
        cpu_position(&c->out[0], i, position);
        status = cpu_ref_index(c, &c->in[1], i, in->dims[axis], &position[axis]);
        if (status != MARU_ABI_OK)
            break;
        for (uint32_t d = 0; d < in->rank; d++)
            at += position[d] * strides[d];
        cpu_copy_element(&c->out[0], i, in, at);
    }
    return status;
}

static maru_abi_status op_gather_nd(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    const cpu_tensor *indices = &c->in[1];
    uint32_t batch = (uint32_t)cpu_attr_int(&c->attrs, "batch_dims", 0);
    if (indices->rank == 0 || batch >= indices->rank ||
        batch + (uint64_t)indices->dims[indices->rank - 1] > in->rank)
        return cpu_bad_value(c, "indices of rank %u do not fit data of rank %u", indices->rank, in->rank);
    uint32_t depth = (uint32_t)indices->dims[indices->rank - 1];
    int64_t tuples = cpu_product(indices, 0, indices->rank - 1);
    int64_t per_batch = cpu_product(indices, batch, indices->rank - 1);
    int64_t inner = cpu_product(in, batch + depth, in->rank);
    for (uint32_t d = 0; d < batch; d++)
        if (indices->dims[d] != in->dims[d])
            return cpu_bad_value(c, "axis %u of the indices has %lld elements, that of the data %lld", d,
                                 (long long)indices->dims[d], (long long)in->dims[d]);
    for (int64_t t = 0; t < tuples; t++) {
        int64_t at = t / per_batch;
        for (uint32_t k = 0; k < depth; k++) {
            int64_t index = 0;
            maru_abi_status status = cpu_ref_index(c, indices, t * depth + k, in->dims[batch + k], &index);
            if (status != MARU_ABI_OK)
                return status;
            at = at * in->dims[batch + k] + index;
        }
        cpu_copy_elements(&c->out[0], t * inner, in, at * inner, inner);
    }
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_gather[] = {
    {"Gather", "", 13, op_gather, "* i", 0},
    {"GatherElements", "", 13, op_gather_elements, "* i", 0},
    {"GatherND", "", 13, op_gather_nd, "* i", 0},
    {"ScatterElements", "", 18, cpu_ref_scatter_elements, "* i *", CPU_IN_PLACE},
    {"ScatterND", "", 18, cpu_ref_scatter_nd, "* i *", CPU_IN_PLACE},
    {"TensorScatter", "", 24, cpu_ref_tensor_scatter, "* * i", CPU_IN_PLACE},
    {.name = NULL},
};
