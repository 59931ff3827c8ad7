// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/decompose.h"

#define SUB(x, y) maru_body_op2(b, "Sub", x, y)
#define MUL(x, y) maru_body_op2(b, "Mul", x, y)
#define DIV(x, y) maru_body_op2(b, "Div", x, y)

/*
 * Quantised products are an int32 product, its scale and QuantizeLinear, not
 * a product of dequantised operands: the sum is exact that way, as the
 * specification's accumulator is, and a device keeps its 8-bit units.
 */

/* ---- scales and zero points ---- */

static bool is_one_element(const maru_body *b, maru_value v)
{
    return maru_body_rank(b, v) == 0 || (maru_body_rank(b, v) == 1 && maru_body_dim(b, v, 0) == 1);
}

static maru_value to_scalar(maru_body *b, maru_value v)
{
    return maru_body_rank(b, v) == 0 ? v : maru_body_reshape(b, v, NULL, 0);
}

/*
 * One per row or column of an operand, so that it broadcasts to matrices with
 * both sides; where the other operand is a vector the product has this side
 * alone.
 */
static maru_value along_side(maru_body *b, maru_value v, bool is_column, bool is_alone)
{
    const uint32_t rank = maru_body_rank(b, v);
    const uint32_t inner = is_column ? rank - 2 : rank - 1;  // of length 1
    maru_dim dims[MARU_MAX_RANK];
    uint32_t n = 0;
    if (is_one_element(b, v))
        return to_scalar(b, v);
    for (uint32_t d = 0; d < rank; d++)
        if (rank == 1 || !is_alone || d != inner)
            dims[n++] = maru_body_dim(b, v, d);
    if (rank == 1 && !is_column && !is_alone)
        dims[n++] = 1;
    return n == rank ? v : maru_body_reshape(b, v, dims, n);
}

/* One per output channel: (channels) or (channels, 1, 1) for what has `rank` dims. */
static maru_value along_channels(maru_body *b, maru_value v, uint32_t rank)
{
    maru_dim dims[MARU_MAX_RANK];
    if (is_one_element(b, v))
        return to_scalar(b, v);
    for (uint32_t d = 0; d + 1 < rank; d++)
        dims[d] = d ? 1 : maru_body_dim(b, v, 0);
    return maru_body_reshape(b, v, dims, rank - 1);
}

static maru_value requantise(maru_body *b, maru_value y)
{
    if (b->status != MARU_OK)
        return MARU_NO_VALUE;
    return maru_body_op3(b, "QuantizeLinear", y, to_scalar(b, b->in[6]), to_scalar(b, b->in[7]));
}

/* ---- QLinearMatMul ---- */

static bool is_float(const maru_body *b, uint32_t input)
{
    return maru_dtype_get_info(maru_body_dtype(b, b->in[input]))->kind == MARU_CLASS_FLOAT;
}

/* (value - zero point) * scale, of the operand that begins at `input`. */
static maru_value dequantise(maru_body *b, uint32_t input, bool is_column)
{
    const maru_value zero = maru_body_cast(b, along_side(b, b->in[input + 2], is_column, false), MARU_F32);
    const maru_value scale = maru_body_cast(b, along_side(b, b->in[input + 1], is_column, false), MARU_F32);
    return MUL(SUB(maru_body_cast(b, b->in[input], MARU_F32), zero), scale);
}

static maru_value scaled_product(maru_body *b)
{
    const bool a_is_vector = maru_body_rank(b, b->in[0]) == 1;
    const bool b_is_vector = maru_body_rank(b, b->in[3]) == 1;
    const maru_value operands[4] = {b->in[0], b->in[3], b->in[2], b->in[5]};
    const maru_value sum = maru_body_node(b, "MatMulInteger", operands, 4, NULL, 0);
    const maru_value rows = maru_body_cast(b, along_side(b, b->in[1], false, b_is_vector), MARU_F32);
    const maru_value columns = maru_body_cast(b, along_side(b, b->in[4], true, a_is_vector), MARU_F32);
    return MUL(maru_body_cast(b, sum, MARU_F32), MUL(rows, columns));
}

/* Of float8 there is no integer product. */
MARU_BODY(qlinear_matmul)
{
    const bool has_float = is_float(b, 0) || is_float(b, 3);
    b->out[0] = requantise(b, has_float ? maru_body_op2(b, "MatMul", dequantise(b, 0, false), dequantise(b, 3, true))
                                        : scaled_product(b));
}

/* ---- QLinearConv ---- */

MARU_BODY(qlinear_conv)
{
    const maru_value operands[4] = {b->in[0], b->in[3], b->in[2], b->in[5]};
    const uint32_t rank = maru_body_rank(b, b->in[0]);
    maru_value sum = maru_body_node(b, "ConvInteger", operands, 4, b->node->attrs, b->node->n_attrs);
    if (maru_body_has(b, 8))
        sum = maru_body_op2(b, "Add", sum, along_channels(b, b->in[8], rank));
    const maru_value scale = MUL(to_scalar(b, b->in[1]), along_channels(b, b->in[4], rank));
    b->out[0] = requantise(b, MUL(maru_body_cast(b, sum, MARU_F32), scale));
}

/* ---- DynamicQuantizeLinear ---- */

static maru_value reduce_all(maru_body *b, const char *op)
{
    const maru_attribute attr = MARU_ATTR_I("keepdims", 0);
    return maru_body_node(b, op, b->in, 1, &attr, 1);
}

/* The range of x and 0, cut into 255 steps; the zero point is where 0 falls. */
MARU_BODY(dynamic_quantize_linear)
{
    const maru_value zero = maru_body_scalar(b, b->in[0], 0);
    const maru_value most = maru_body_scalar(b, b->in[0], 255);
    const maru_value low = maru_body_op2(b, "Min", reduce_all(b, "ReduceMin"), zero);
    const maru_value high = maru_body_op2(b, "Max", reduce_all(b, "ReduceMax"), zero);
    const maru_value scale = DIV(SUB(high, low), most);
    const maru_value shift = maru_body_op3(b, "Clip", SUB(zero, DIV(low, scale)), zero, most);
    if (b->status != MARU_OK)
        return;
    b->out[1] = scale;
    b->out[2] = maru_body_cast(b, maru_body_op1(b, "Round", shift), MARU_U8);
    b->out[0] = maru_body_op3(b, "QuantizeLinear", b->in[0], scale, b->out[2]);
}
