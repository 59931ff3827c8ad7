// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/decompose.h"

#include <math.h>

#define ADD(x, y) maru_body_op2(b, "Add", x, y)
#define SUB(x, y) maru_body_op2(b, "Sub", x, y)
#define MUL(x, y) maru_body_op2(b, "Mul", x, y)
#define DIV(x, y) maru_body_op2(b, "Div", x, y)
#define C(value) maru_body_scalar(b, x, value)

/* ---- reductions ---- */

/* The same reduction attributes and axes with another op. */
static maru_value reduce_as(maru_body *b, const char *op, maru_value x)
{
    const maru_attribute attrs[2] = {
        MARU_ATTR_I("keepdims", maru_node_int(b->node, "keepdims", 1)),
        MARU_ATTR_I("noop_with_empty_axes", maru_node_int(b->node, "noop_with_empty_axes", 0)),
    };
    const maru_value inputs[2] = {x, maru_body_has(b, 1) ? b->in[1] : MARU_NO_VALUE};
    return maru_body_node(b, op, inputs, 2, attrs, 2);
}

/* How many elements go into each result, as an expression: elements before over elements after. */
static maru_dim reduced_count(maru_body *b, maru_value x, maru_value reduced)
{
    maru_dim before = 1;
    maru_dim after = 1;
    maru_dim count = 1;
    for (uint32_t d = 0; d < maru_body_rank(b, x); d++)
        before = maru_body_mul_dim(b, before, maru_body_dim(b, x, d));
    for (uint32_t d = 0; d < maru_body_rank(b, reduced); d++)
        after = maru_body_mul_dim(b, after, maru_body_dim(b, reduced, d));
    if (b->status == MARU_OK)
        b->status = maru_expr_make(&b->graph->exprs, MARU_EXPR_FLOORDIV, before, after, &count);
    return count;
}

/* A dim as a scalar of the dtype of `like`. */
static maru_value dim_scalar(maru_body *b, maru_dim dim, maru_value like)
{
    int64_t value = 0;
    if (b->status == MARU_OK && maru_expr_is_const(&b->graph->exprs, dim, &value))
        return maru_body_scalar(b, like, (double)value);
    const maru_value scalar = maru_body_reshape(b, maru_body_shape(b, &dim, 1), NULL, 0);
    return b->status == MARU_OK ? maru_body_cast(b, scalar, maru_body_dtype(b, like)) : MARU_NO_VALUE;
}

MARU_BODY(reduce_mean)
{
    const maru_value sum = reduce_as(b, "ReduceSum", b->in[0]);
    if (b->status != MARU_OK)
        return;
    b->out[0] = DIV(sum, dim_scalar(b, reduced_count(b, b->in[0], sum), sum));
}

MARU_BODY(reduce_sum_square)
{
    b->out[0] = reduce_as(b, "ReduceSum", MUL(b->in[0], b->in[0]));
}

MARU_BODY(reduce_l1)
{
    b->out[0] = reduce_as(b, "ReduceSum", maru_body_op1(b, "Abs", b->in[0]));
}

MARU_BODY(reduce_l2)
{
    b->out[0] = maru_body_op1(b, "Sqrt", reduce_as(b, "ReduceSum", MUL(b->in[0], b->in[0])));
}

MARU_BODY(reduce_log_sum)
{
    b->out[0] = maru_body_op1(b, "Log", reduce_as(b, "ReduceSum", b->in[0]));
}

/* The largest element is taken out first, so that no exponential overflows; an infinite one stays where it is. */
MARU_BODY(reduce_log_sum_exp)
{
    const maru_value x = b->in[0];
    const maru_attribute keep[2] = {
        MARU_ATTR_I("keepdims", 1),
        MARU_ATTR_I("noop_with_empty_axes", maru_node_int(b->node, "noop_with_empty_axes", 0)),
    };
    const maru_value inputs[2] = {x, maru_body_has(b, 1) ? b->in[1] : MARU_NO_VALUE};
    const maru_value largest = maru_body_node(b, "ReduceMax", inputs, 2, keep, 2);
    const maru_value finite = maru_body_op3(b, "Where", maru_body_op1(b, "IsInf", largest), C(0), largest);
    const maru_value sum = reduce_as(b, "ReduceSum", maru_body_op1(b, "Exp", SUB(x, finite)));
    if (b->status != MARU_OK)
        return;
    maru_dim dims[MARU_MAX_RANK];
    const uint32_t rank = maru_body_rank(b, sum);
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = maru_body_dim(b, sum, d);
    b->out[0] = ADD(maru_body_op1(b, "Log", sum), maru_body_reshape(b, finite, dims, rank));
}

/* ---- softmax ---- */

static void shifted_exp(maru_body *b, maru_value *shifted, maru_value *sum)
{
    const int64_t axis = maru_node_int(b->node, "axis", -1);
    *shifted = SUB(b->in[0], maru_body_reduce(b, "ReduceMax", b->in[0], &axis, 1));
    *sum = maru_body_reduce(b, "ReduceSum", maru_body_op1(b, "Exp", *shifted), &axis, 1);
}

MARU_BODY(softmax)
{
    maru_value shifted, sum;
    shifted_exp(b, &shifted, &sum);
    b->out[0] = DIV(maru_body_op1(b, "Exp", shifted), sum);
}

MARU_BODY(log_softmax)
{
    maru_value shifted, sum;
    shifted_exp(b, &shifted, &sum);
    b->out[0] = SUB(shifted, maru_body_op1(b, "Log", sum));
}

/* ---- normalisation ---- */

/* Halves are normalised in f32 and rounded once (stash_type). */
static maru_value widen(maru_body *b, maru_value x)
{
    if (b->status != MARU_OK)
        return x;
    const maru_dtype dtype = maru_body_dtype(b, x);
    return dtype == MARU_F16 || dtype == MARU_BF16 ? maru_body_cast(b, x, MARU_F32) : x;
}

/* (x - mean) / sqrt(variance + epsilon) over axes; the reciprocal of the root is `inverse`. */
static maru_value standardise(maru_body *b, maru_value x, const int64_t *axes, size_t n, maru_value *mean,
                              maru_value *inverse)
{
    const double epsilon = maru_node_float(b->node, "epsilon", 1e-5);
    *mean = maru_body_reduce(b, "ReduceMean", x, axes, n);
    const maru_value centred = SUB(x, *mean);
    const maru_value variance = maru_body_reduce(b, "ReduceMean", MUL(centred, centred), axes, n);
    *inverse = maru_body_op1(b, "Reciprocal", maru_body_op1(b, "Sqrt", maru_body_op2s(b, "Add", variance, epsilon)));
    return MUL(centred, *inverse);
}

/* Axes from `axis` to the last. */
static size_t trailing_axes(const maru_body *b, int64_t axis, int64_t axes[MARU_MAX_RANK])
{
    const int64_t rank = maru_body_rank(b, b->in[0]);
    size_t n = 0;
    for (int64_t d = axis < 0 ? axis + rank : axis; d < rank; d++)
        axes[n++] = d;
    return n;
}

MARU_BODY(layer_norm)
{
    int64_t axes[MARU_MAX_RANK];
    const size_t n = trailing_axes(b, maru_node_int(b->node, "axis", -1), axes);
    const maru_dtype dtype = maru_body_dtype(b, b->in[0]);
    maru_value mean, inverse;
    maru_value y = standardise(b, widen(b, b->in[0]), axes, n, &mean, &inverse);
    if (b->status != MARU_OK)
        return;
    y = MUL(maru_body_cast(b, y, dtype), b->in[1]);
    if (maru_body_has(b, 2))
        y = ADD(y, b->in[2]);
    b->out[0] = y;
    const maru_dtype stash = (maru_dtype)maru_node_int(b->node, "stash_type", MARU_F32);
    if (b->node->n_outputs > 1)
        b->out[1] = maru_body_cast(b, mean, stash);
    if (b->node->n_outputs > 2)
        b->out[2] = maru_body_cast(b, inverse, stash);
}

MARU_BODY(rms_norm)
{
    int64_t axes[MARU_MAX_RANK];
    const size_t n = trailing_axes(b, maru_node_int(b->node, "axis", -1), axes);
    const maru_dtype dtype = maru_body_dtype(b, b->in[0]);
    const maru_value x = widen(b, b->in[0]);
    const maru_value square = maru_body_reduce(b, "ReduceMean", MUL(x, x), axes, n);
    const maru_value root = maru_body_op1(
        b, "Sqrt", maru_body_op2s(b, "Add", square, maru_node_float(b->node, "epsilon", 1e-5)));
    const maru_value y = DIV(x, root);
    if (b->status == MARU_OK)
        b->out[0] = MUL(maru_body_cast(b, y, dtype), b->in[1]);
}

/* One number per channel as [channels, 1, ...], to broadcast over what follows the channels. */
static maru_value per_channel(maru_body *b, maru_value v)
{
    maru_dim dims[MARU_MAX_RANK];
    const uint32_t rank = maru_body_rank(b, b->in[0]) - 1;
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = d ? 1 : maru_body_dim(b, v, 0);
    return maru_body_reshape(b, v, dims, rank);
}

MARU_BODY(batch_norm)
{
    const maru_value variance = per_channel(b, b->in[4]);
    const maru_value root = maru_body_op1(
        b, "Sqrt", maru_body_op2s(b, "Add", variance, maru_node_float(b->node, "epsilon", 1e-5)));
    const maru_value y = DIV(SUB(b->in[0], per_channel(b, b->in[3])), root);
    b->out[0] = ADD(MUL(y, per_channel(b, b->in[1])), per_channel(b, b->in[2]));
}

MARU_BODY(instance_norm)
{
    int64_t axes[MARU_MAX_RANK];
    const size_t n = trailing_axes(b, 2, axes);
    maru_value mean, inverse;
    const maru_dtype dtype = maru_body_dtype(b, b->in[0]);
    const maru_value y = standardise(b, widen(b, b->in[0]), axes, n, &mean, &inverse);
    if (b->status == MARU_OK)
        b->out[0] = ADD(MUL(maru_body_cast(b, y, dtype), per_channel(b, b->in[1])), per_channel(b, b->in[2]));
}

/* (batch, groups, everything else of a group), normalised over the last axis. */
MARU_BODY(group_norm)
{
    const maru_value x = b->in[0];
    const uint32_t rank = maru_body_rank(b, x);
    const int64_t groups = maru_node_int(b->node, "num_groups", 1);
    maru_dim dims[MARU_MAX_RANK];
    maru_dim size = maru_body_div_dim(b, maru_body_dim(b, x, 1), groups);
    for (uint32_t d = 0; d < rank; d++) {
        dims[d] = maru_body_dim(b, x, d);
        size = d > 1 ? maru_body_mul_dim(b, size, dims[d]) : size;
    }
    const maru_dim grouped[3] = {dims[0], groups, size};
    const int64_t last = 2;
    maru_value mean, inverse;
    const maru_value wide = widen(b, maru_body_reshape(b, x, grouped, 3));
    const maru_value y = standardise(b, wide, &last, 1, &mean, &inverse);
    if (b->status != MARU_OK)
        return;
    const maru_value back = maru_body_reshape(b, maru_body_cast(b, y, maru_body_dtype(b, x)), dims, rank);
    b->out[0] = ADD(MUL(back, per_channel(b, b->in[1])), per_channel(b, b->in[2]));
}
