// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Ops that make elements rather than move them. */

#include "ref/data.h"

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

maru_abi_status cpu_ref_shape(cpu_call *c)
{
    int64_t rank = c->in[0].rank;
    int64_t start = clamp(cpu_axis(cpu_attr_int(&c->attrs, "start", 0), c->in[0].rank), 0, rank);
    for (int64_t i = 0; i < c->out[0].count && start + i < rank; i++)
        cpu_store_int(&c->out[0], i, c->in[0].dims[start + i]);
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_size(cpu_call *c)
{
    cpu_store_int(&c->out[0], 0, c->in[0].count);
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_range(cpu_call *c)
{
    if (c->in[0].count == 0 || c->in[2].count == 0)
        return cpu_bad_value(c, "start or delta has no element");
    for (int64_t i = 0; i < c->out[0].count; i++) {
        if (cpu_is_float(c->out[0].dtype)) {
            cpu_store(&c->out[0], i, cpu_load(&c->in[0], 0) + (double)i * cpu_load(&c->in[2], 0));
        } else {
            uint64_t step = (uint64_t)i * (uint64_t)cpu_load_int(&c->in[2], 0);
            cpu_store_int(&c->out[0], i, (int64_t)((uint64_t)cpu_load_int(&c->in[0], 0) + step));
        }
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_constant_of_shape(cpu_call *c)
{
    cpu_tensor value = cpu_attr_tensor(&c->attrs, "value");
    for (int64_t i = 0; i < c->out[0].count; i++) {
        if (value.dtype == c->out[0].dtype && value.count > 0)
            cpu_copy_element(&c->out[0], i, &value, 0);
        else
            cpu_store_int(&c->out[0], i, 0);
    }
    return MARU_ABI_OK;
}

static int is_zero(const cpu_tensor *t, int64_t i)
{
    return cpu_is_float(t->dtype) ? cpu_load(t, i) == 0 : cpu_load_int(t, i) == 0;
}

/* A row of positions per axis, one column for each element that is not 0, dense in its true dims. */
maru_abi_status cpu_ref_non_zero(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    int64_t n = 0;
    int64_t position[CPU_MAX_RANK] = {0};
    for (int64_t i = 0; i < in->count; i++)
        n += !is_zero(in, i);
    int64_t rows = c->out[0].dims[0];
    if (n * rows > c->out[0].count)
        return cpu_bad_value(c, "%lld elements are not 0, there is room for %lld", (long long)n,
                             (long long)(rows ? c->out[0].count / rows : 0));
    int64_t column = 0;
    for (int64_t i = 0; i < in->count; i++) {
        if (is_zero(in, i))
            continue;
        cpu_position(in, i, position);
        for (int64_t d = 0; d < rows; d++)
            cpu_store_int(&c->out[0], d * n + column, position[d]);
        column++;
    }
    if (c->true_dims) {
        c->true_dims[0] = rows;
        c->true_dims[1] = n;
    }
    return MARU_ABI_OK;
}

/* An index out of [-depth, depth) makes a row without the on value. */
maru_abi_status cpu_ref_one_hot(cpu_call *c)
{
    cpu_tensor *out = &c->out[0];
    uint32_t axis = (uint32_t)cpu_axis(cpu_attr_int(&c->attrs, "axis", -1), out->rank);
    int64_t depth = out->dims[axis];
    int64_t inner = cpu_product(out, axis + 1, out->rank);
    if (c->in[2].count != 2)
        return cpu_bad_value(c, "values has %lld elements, it needs off and on", (long long)c->in[2].count);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at = i / (depth * inner) * inner + i % inner;
        int64_t index = cpu_load_int(&c->in[0], at);
        index += index < 0 ? depth : 0;
        cpu_copy_element(out, i, &c->in[2], index == i / inner % depth);
    }
    return MARU_ABI_OK;
}
