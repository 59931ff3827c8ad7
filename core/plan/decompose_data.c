// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/decompose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

#define ADD(x, y) maru_body_op2(b, "Add", x, y)
#define SUB(x, y) maru_body_op2(b, "Sub", x, y)
#define MUL(x, y) maru_body_op2(b, "Mul", x, y)
#define DIV(x, y) maru_body_op2(b, "Div", x, y)

/* ---- products ---- */

static maru_value transposed_if(maru_body *b, maru_value x, const char *attr)
{
    static const int64_t swap[2] = {1, 0};
    return maru_node_int(b->node, attr, 0) ? maru_body_transpose(b, x, swap, 2) : x;
}

MARU_BODY(gemm)
{
    const double alpha = maru_node_float(b->node, "alpha", 1);
    const double beta = maru_node_float(b->node, "beta", 1);
    maru_value y = maru_body_op2(b, "MatMul", transposed_if(b, b->in[0], "transA"),
                                 transposed_if(b, b->in[1], "transB"));
    if (alpha != 1)
        y = maru_body_op2s(b, "Mul", y, alpha);
    if (maru_body_has(b, 2))
        y = ADD(y, beta != 1 ? maru_body_op2s(b, "Mul", b->in[2], beta) : b->in[2]);
    b->out[0] = y;
}

static void global_pool(maru_body *b, const char *op)
{
    int64_t axes[MARU_MAX_RANK];
    size_t n = 0;
    for (int64_t d = 2; d < maru_body_rank(b, b->in[0]); d++)
        axes[n++] = d;
    b->out[0] = maru_body_reduce(b, op, b->in[0], axes, n);
}

MARU_BODY(global_average_pool)
{
    global_pool(b, "ReduceMean");
}

MARU_BODY(global_max_pool)
{
    global_pool(b, "ReduceMax");
}

/* The activation is the op of that name, with alpha and beta where it has them. */
static maru_value activate(maru_body *b, const char *name, maru_value y)
{
    const maru_op_info *op = maru_op_find(name);
    maru_attribute attrs[2];
    size_t n = 0;
    char ignored[1];
    if (!op || op->max_inputs != 1)
        return maru_body_fail(b, maru_fail(MARU_INVALID_ARGUMENT, "FusedConv: activation '%s' is not known", name)),
               MARU_NO_VALUE;
    if (maru_op_attr_kind(op, "alpha", ignored, sizeof ignored) == 'f' && maru_node_attr(b->node, "alpha"))
        attrs[n++] = (maru_attribute)MARU_ATTR_F("alpha", maru_node_float(b->node, "alpha", 0));
    if (maru_op_attr_kind(op, "beta", ignored, sizeof ignored) == 'f' && maru_node_attr(b->node, "beta"))
        attrs[n++] = (maru_attribute)MARU_ATTR_F("beta", maru_node_float(b->node, "beta", 0));
    return maru_body_node(b, name, &y, 1, attrs, n);
}

MARU_BODY(fused_conv)
{
    maru_attribute attrs[8];
    size_t n = 0;
    for (uint32_t i = 0; i < b->node->n_attrs && n < 8; i++) {
        const char *name = b->node->attrs[i].name;
        if (strcmp(name, "activation") != 0 && strcmp(name, "alpha") != 0 && strcmp(name, "beta") != 0)
            attrs[n++] = b->node->attrs[i];
    }
    const maru_value y = maru_body_node(b, "Conv", b->in, b->node->n_inputs, attrs, n);
    b->out[0] = activate(b, maru_node_string(b->node, "activation", ""), y);
}

/* ---- shapes ---- */

/* Squeeze, Unsqueeze and Flatten are a Reshape to the dims that were inferred for them. */
MARU_BODY(to_reshape)
{
    maru_value probe = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_add_node(b->graph, b->node->op, b->in, b->node->n_inputs, b->node->attrs,
                                        b->node->n_attrs, &probe, 1);
    if (b->status != MARU_OK)
        return;
    // The probe is dead at once; the simplifier removes it.
    maru_dim dims[MARU_MAX_RANK];
    const uint32_t rank = maru_body_rank(b, probe);
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = maru_body_dim(b, probe, d);
    b->out[0] = maru_body_reshape(b, b->in[0], dims, rank);
}

/* Split two axes into blocks, permute the six, and join again. */
static void exchange(maru_body *b, const maru_dim split[6], const int64_t perm[6], const maru_dim joined[4])
{
    const maru_value apart = maru_body_reshape(b, b->in[0], split, 6);
    b->out[0] = maru_body_reshape(b, maru_body_transpose(b, apart, perm, 6), joined, 4);
}

MARU_BODY(depth_to_space)
{
    static const int64_t dcr[6] = {0, 3, 4, 1, 5, 2};
    static const int64_t crd[6] = {0, 1, 4, 2, 5, 3};
    const int64_t block = maru_node_int(b->node, "blocksize", 1);
    const bool is_crd = strcmp(maru_node_string(b->node, "mode", "DCR"), "CRD") == 0;
    const maru_dim n = maru_body_dim(b, b->in[0], 0);
    const maru_dim h = maru_body_dim(b, b->in[0], 2);
    const maru_dim w = maru_body_dim(b, b->in[0], 3);
    const maru_dim depth = maru_body_div_dim(b, maru_body_dim(b, b->in[0], 1), block * block);
    const maru_dim split_dcr[6] = {n, block, block, depth, h, w};
    const maru_dim split_crd[6] = {n, depth, block, block, h, w};
    const maru_dim joined[4] = {n, depth, maru_body_mul_dim(b, h, block), maru_body_mul_dim(b, w, block)};
    exchange(b, is_crd ? split_crd : split_dcr, is_crd ? crd : dcr, joined);
}

MARU_BODY(space_to_depth)
{
    static const int64_t dcr[6] = {0, 3, 5, 1, 2, 4};
    static const int64_t crd[6] = {0, 1, 3, 5, 2, 4};
    const int64_t block = maru_node_int(b->node, "blocksize", 1);
    const bool is_crd = strcmp(maru_node_string(b->node, "mode", "DCR"), "CRD") == 0;
    const maru_dim n = maru_body_dim(b, b->in[0], 0);
    const maru_dim c = maru_body_dim(b, b->in[0], 1);
    const maru_dim h = maru_body_div_dim(b, maru_body_dim(b, b->in[0], 2), block);
    const maru_dim w = maru_body_div_dim(b, maru_body_dim(b, b->in[0], 3), block);
    const maru_dim split[6] = {n, c, h, block, w, block};
    const maru_dim joined[4] = {n, maru_body_mul_dim(b, c, block * block), h, w};
    exchange(b, split, is_crd ? crd : dcr, joined);
}

/* Indices against 0 .. depth - 1 along a new axis; negative indices count from the end. */
MARU_BODY(one_hot)
{
    const maru_value depth = b->in[1];
    const uint32_t rank = maru_body_rank(b, b->in[0]) + 1;
    int64_t axis = maru_node_int(b->node, "axis", -1);
    axis = axis < 0 ? axis + rank : axis;
    const maru_value_record *record = maru_graph_get(b->graph, depth);
    const maru_dim n = record->elems[0];
    maru_dim column[MARU_MAX_RANK];
    for (uint32_t d = 0; d < rank; d++)
        column[d] = d == (uint32_t)axis ? n : 1;
    maru_value indices = maru_body_cast(b, b->in[0], MARU_I64);
    const maru_value count = maru_body_reshape(b, maru_body_shape(b, &n, 1), NULL, 0);
    const maru_value wrapped = ADD(indices, count);
    indices = maru_body_op3(b, "Where", maru_body_op2s(b, "Less", indices, 0), wrapped, indices);
    indices = maru_body_unsqueeze(b, indices, &axis, 1);
    const maru_value hit = maru_body_op2(b, "Equal", indices,
                                         maru_body_reshape(b, maru_body_range(b, n), column, rank));
    const int64_t zero = 0;
    const int64_t one = 1;
    const maru_value off = maru_body_op2(b, "Gather", b->in[2], maru_body_reshape(b, maru_body_ints(b, &zero, 1),
        NULL, 0));
    const maru_value on = maru_body_op2(b, "Gather", b->in[2], maru_body_reshape(b, maru_body_ints(b, &one, 1),
        NULL, 0));
    b->out[0] = maru_body_op3(b, "Where", hit, on, off);
}

/* ---- state ---- */

/* ScatterElements along the sequence axis, at write index + position, wrapped round where the mode is circular. */
MARU_BODY(tensor_scatter)
{
    const maru_value past = b->in[0];
    const maru_value update = b->in[1];
    const uint32_t rank = maru_body_rank(b, past);
    int64_t axis = maru_node_int(b->node, "axis", -2);
    axis = axis < 0 ? axis + rank : axis;
    maru_dim along[MARU_MAX_RANK], batch[MARU_MAX_RANK], dims[MARU_MAX_RANK];
    for (uint32_t d = 0; d < rank; d++) {
        dims[d] = maru_body_dim(b, update, d);
        along[d] = d == (uint32_t)axis ? dims[d] : 1;
        batch[d] = d == 0 ? dims[d] : 1;
    }
    maru_value index = maru_body_reshape(b, maru_body_range(b, dims[axis]), along, rank);
    if (maru_body_has(b, 2))
        index = ADD(index, maru_body_reshape(b, b->in[2], batch, rank));
    if (strcmp(maru_node_string(b->node, "mode", "linear"), "circular") == 0) {
        const maru_dim capacity = maru_body_dim(b, past, (uint32_t)axis);
        index = maru_body_op2(b, "Mod", index, maru_body_reshape(b, maru_body_shape(b, &capacity, 1), NULL, 0));
    }
    index = maru_body_expand(b, index, dims, rank);
    const maru_attribute attr = MARU_ATTR_I("axis", axis);
    b->out[0] = maru_body_node(b, "ScatterElements", (const maru_value[]){past, index, update}, 3, &attr, 1);
}

/* ---- quantisation ---- */

/* Scale or zero point so that it broadcasts to x: per tensor, per axis, or per block of an axis. */
static maru_value spread(maru_body *b, maru_value v, maru_value x, int64_t axis, int64_t block)
{
    const uint32_t rank = maru_body_rank(b, x);
    maru_dim dims[MARU_MAX_RANK + 1];
    if (maru_body_rank(b, v) == 0)
        return v;
    if (block == 0) {
        for (uint32_t d = 0; d < rank; d++)
            dims[d] = d == (uint32_t)axis ? maru_body_dim(b, v, 0) : 1;
        return maru_body_reshape(b, v, dims, rank);
    }
    // Repeat each entry `block` times along the axis, then cut what is past the end.
    const int64_t after = axis + 1;
    const maru_value apart = maru_body_unsqueeze(b, v, &after, 1);
    for (uint32_t d = 0; d <= rank; d++)
        dims[d] = d == (uint32_t)after ? block : maru_body_dim(b, v, d > (uint32_t)after ? d - 1 : d);
    const maru_value repeated = maru_body_expand(b, apart, dims, rank + 1);
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = d == (uint32_t)axis ? maru_body_mul_dim(b, maru_body_dim(b, v, d), block) : maru_body_dim(b, v, d);
    const maru_value whole = maru_body_reshape(b, repeated, dims, rank);
    const maru_dim length = maru_body_dim(b, x, (uint32_t)axis);
    const int64_t zero = 0;
    const maru_value inputs[4] = {whole, maru_body_ints(b, &zero, 1), maru_body_shape(b, &length, 1),
                                  maru_body_ints(b, &axis, 1)};
    return maru_body_node(b, "Slice", inputs, 4, NULL, 0);
}

static int64_t quant_axis(const maru_body *b)
{
    const int64_t axis = maru_node_int(b->node, "axis", 1);
    return axis < 0 ? axis + maru_body_rank(b, b->in[0]) : axis;
}

MARU_BODY(dequantize_linear)
{
    const int64_t block = maru_node_int(b->node, "block_size", 0);
    const maru_dtype scale_dtype = maru_body_dtype(b, b->in[1]);
    const int64_t asked = maru_node_int(b->node, "output_dtype", 0);
    // i32 codes minus a zero point are exact in f32 only below 2^24; the subtraction stays in integers where it can.
    maru_value x = b->in[0];
    const bool is_int = maru_dtype_get_info(maru_body_dtype(b, x))->kind != MARU_CLASS_FLOAT;
    if (maru_body_has(b, 2)) {
        const maru_dtype middle = is_int ? MARU_I32 : MARU_F32;
        const maru_value zero = maru_body_cast(b, spread(b, b->in[2], x, quant_axis(b), block), middle);
        x = SUB(maru_body_cast(b, x, middle), zero);
    }
    x = maru_body_cast(b, x, MARU_F32);
    const maru_value scale = maru_body_cast(b, spread(b, b->in[1], b->in[0], quant_axis(b), block), MARU_F32);
    b->out[0] = maru_body_cast(b, MUL(x, scale), asked ? (maru_dtype)asked : scale_dtype);
}

static void integer_range(maru_dtype dtype, double *low, double *high)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    const int bits = (int)(info->block_bytes * 8 / info->block_elements);
    const bool is_signed = info->kind == MARU_CLASS_INT;
    *low = is_signed ? -ldexp(1, bits - 1) : 0;
    *high = is_signed ? ldexp(1, bits - 1) - 1 : ldexp(1, bits) - 1;
}

MARU_BODY(quantize_linear)
{
    const int64_t block = maru_node_int(b->node, "block_size", 0);
    const int64_t asked = maru_node_int(b->node, "output_dtype", 0);
    const maru_dtype to = maru_body_has(b, 2) ? maru_body_dtype(b, b->in[2]) : asked ? (maru_dtype)asked : MARU_U8;
    const maru_value scale = maru_body_cast(b, spread(b, b->in[1], b->in[0], quant_axis(b), block), MARU_F32);
    maru_value y = DIV(maru_body_cast(b, b->in[0], MARU_F32), scale);
    if (b->status != MARU_OK)
        return;
    if (maru_dtype_get_info(to)->kind == MARU_CLASS_FLOAT) {
        const maru_attribute attrs[2] = {MARU_ATTR_I("to", to),
                                         MARU_ATTR_I("saturate", maru_node_int(b->node, "saturate", 1))};
        b->out[0] = maru_body_node(b, "Cast", &y, 1, attrs, 2);
        return;
    }
    double low = 0;
    double high = 0;
    integer_range(to, &low, &high);
    y = maru_body_op1(b, "Round", y);
    if (maru_body_has(b, 2))
        y = ADD(y, maru_body_cast(b, spread(b, b->in[2], b->in[0], quant_axis(b), block), MARU_F32));
    y = maru_body_op2s(b, "Max", y, low);
    y = maru_body_op2s(b, "Min", y, high);
    b->out[0] = maru_body_cast(b, y, to);
}
