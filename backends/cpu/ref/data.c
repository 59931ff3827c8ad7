// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Moving whole tensors, and the table of all ops that move data by position. */

#include "ref/data.h"
#include "ref/elementwise.h"

static maru_abi_status op_reshape(cpu_call *c)
{
    if (c->in[0].count != c->out[0].count)
        return cpu_bad_value(c, "%lld elements cannot take a shape of %lld", (long long)c->in[0].count,
                             (long long)c->out[0].count);
    cpu_copy_elements(&c->out[0], 0, &c->in[0], 0, c->out[0].count);
    return MARU_ABI_OK;
}

/* Without perm the axes are reversed. */
static maru_abi_status op_transpose(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    int64_t strides[CPU_MAX_RANK];
    int64_t position[CPU_MAX_RANK];
    uint32_t n = 0;
    const int64_t *perm = cpu_attr_ints(&c->attrs, "perm", &n);
    cpu_strides(in, strides);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t at = 0;
        cpu_position(&c->out[0], i, position);
        for (uint32_t d = 0; d < in->rank; d++)
            at += position[d] * strides[perm && n == in->rank ? (uint32_t)perm[d] : in->rank - 1 - d];
        cpu_copy_element(&c->out[0], i, in, at);
    }
    return MARU_ABI_OK;
}

static maru_abi_status op_expand(cpu_call *c)
{
    cpu_broadcast b;
    cpu_broadcast_init(&b, &c->in[0], &c->out[0]);
    for (int64_t i = 0; i < c->out[0].count; i++)
        cpu_copy_element(&c->out[0], i, &c->in[0], cpu_broadcast_at(&b, i));
    return MARU_ABI_OK;
}

static maru_abi_status op_concat(cpu_call *c)
{
    cpu_tensor *out = &c->out[0];
    uint32_t axis = (uint32_t)cpu_axis(cpu_attr_int(&c->attrs, "axis", 0), out->rank);
    int64_t outer = cpu_product(out, 0, axis);
    int64_t row = cpu_product(out, axis, out->rank);
    int64_t begin = 0;
    for (uint32_t k = 0; k < c->n_in; k++) {
        int64_t part = cpu_product(&c->in[k], axis, c->in[k].rank);
        for (int64_t o = 0; o < outer; o++)
            cpu_copy_elements(out, o * row + begin, &c->in[k], o * part, part);
        begin += part;
    }
    return MARU_ABI_OK;
}

/* The sizes are the outputs' own; of one that nobody wants it is what `split` says, or an equal part. */
static int64_t split_size(const cpu_call *c, uint32_t k, uint32_t axis)
{
    if (c->out[k].dtype)
        return c->out[k].dims[axis];
    if (cpu_has(c, 1))
        return cpu_load_int(&c->in[1], k);
    return (c->in[0].dims[axis] + c->n_out - 1) / c->n_out;
}

static maru_abi_status op_split(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    uint32_t axis = (uint32_t)cpu_axis(cpu_attr_int(&c->attrs, "axis", 0), in->rank);
    int64_t outer = cpu_product(in, 0, axis);
    int64_t row = cpu_product(in, axis, in->rank);
    int64_t inner = cpu_product(in, axis + 1, in->rank);
    int64_t begin = 0;
    for (uint32_t k = 0; k < c->n_out; k++) {
        int64_t part = split_size(c, k, axis) * inner;
        if (begin + part > row)
            return cpu_bad_value(c, "the parts are larger than the axis, which has %lld elements",
                                 (long long)in->dims[axis]);
        for (int64_t o = 0; c->out[k].dtype && o < outer; o++)
            cpu_copy_elements(&c->out[k], o * part, in, o * row + begin, part);
        begin += part;
    }
    return MARU_ABI_OK;
}

/* The same bits under another dtype of the same width. */
static maru_abi_status op_bit_cast(cpu_call *c)
{
    cpu_tensor in = c->in[0];
    in.dtype = c->out[0].dtype;
    cpu_copy_elements(&c->out[0], 0, &in, 0, in.count);
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_data[] = {
    {"Reshape", "", 25, op_reshape, "* i", 0},
    {"Squeeze", "", 25, op_reshape, "* i", 0},
    {"Unsqueeze", "", 25, op_reshape, "* i", 0},
    {"Flatten", "", 25, op_reshape, "*", 0},
    {"Transpose", "", 25, op_transpose, "*", 0},
    {"Expand", "", 13, op_expand, "* i", 0},
    {"Concat", "", 13, op_concat, "*", 0},
    {"Split", "", 18, op_split, "* i", 0},
    {"Slice", "", 13, cpu_ref_slice, "* i", 0},
    {"Pad", "", 25, cpu_ref_pad, "* i * i", 0},
    {"Tile", "", 13, cpu_ref_tile, "* i", 0},
    {"BitCast", "", 26, op_bit_cast, "*", 0},
    {"Shape", "", 25, cpu_ref_shape, "*", 0},
    {"Size", "", 25, cpu_ref_size, "*", 0},
    {"Range", "", 27, cpu_ref_range, "fiu", 0},
    {"ConstantOfShape", "", 25, cpu_ref_constant_of_shape, "i", 0},
    {"Trilu", "", 14, cpu_ref_trilu, "* i", 0},
    {"NonZero", "", 13, cpu_ref_non_zero, "fiub", 0},
    {"Resize", "", 19, cpu_ref_resize, "fiub f f i", 0},
    {"DepthToSpace", "", 28, cpu_ref_depth_to_space, "*", 0},
    {"SpaceToDepth", "", 28, cpu_ref_space_to_depth, "*", 0},
    {"OneHot", "", 28, cpu_ref_one_hot, "fiu fiu *", 0},
    {.name = NULL},
};
