// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Operators that are built from others here: their graphs say the same in more words. */

#include "import/onnx/onnx.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "import/onnx/compose.h"

maru_status onnx_op1(onnx_node *n, const char *op, maru_value x, maru_value *out)
{
    return onnx_add(n, op, &x, 1, NULL, 0, out);
}

maru_status onnx_op2(onnx_node *n, const char *op, maru_value x, maru_value y, maru_value *out)
{
    const maru_value pair[] = {x, y};
    return onnx_add(n, op, pair, 2, NULL, 0, out);
}

maru_status onnx_op3(onnx_node *n, const char *op, maru_value x, maru_value y, maru_value z, maru_value *out)
{
    const maru_value three[] = {x, y, z};
    return onnx_add(n, op, three, 3, NULL, 0, out);
}

maru_status onnx_op_number(onnx_node *n, const char *op, maru_value x, double number, maru_value *out)
{
    maru_value y = MARU_NO_VALUE;
    MARU_TRY(onnx_scalar_like(n, x, number, &y));
    return onnx_op2(n, op, x, y, out);
}

maru_status onnx_reshape(onnx_node *n, maru_value x, const maru_dim *dims, size_t rank, maru_value *out)
{
    maru_value shape = MARU_NO_VALUE;
    const maru_attribute keeps_zero = MARU_ATTR_I("allowzero", 1);
    MARU_TRY(maru_graph_shape(n->import->graph, dims, rank, &shape));
    const maru_value pair[] = {x, shape};
    return onnx_add(n, "Reshape", pair, 2, &keeps_zero, 1, out);
}

maru_status onnx_unsqueeze(onnx_node *n, maru_value x, int64_t axis, maru_value *out)
{
    maru_value axes = MARU_NO_VALUE;
    MARU_TRY(onnx_ints(n, &axis, 1, &axes));
    return onnx_op2(n, "Unsqueeze", x, axes, out);
}

maru_status onnx_cast(onnx_node *n, maru_value x, maru_dtype dtype, maru_value *out)
{
    const maru_attribute to = MARU_ATTR_I("to", dtype);
    return onnx_add(n, "Cast", &x, 1, &to, 1, out);
}

const maru_value_record *onnx_record(const onnx_node *n, maru_value value)
{
    return maru_graph_get(n->import->graph, value);
}

maru_status onnx_number(const onnx_node *n, size_t index, const char *what, double *out)
{
    const maru_value_record *v = onnx_has(n, index) ? onnx_record(n, n->inputs[index]) : NULL;
    const void *data = v ? maru_graph_constant_data(n->import->graph, n->inputs[index]) : NULL;
    int64_t elem = 0, count = 0;
    if (data && maru_dims_count(v->dims, v->rank, &count) == MARU_OK && count > 0) {
        const maru_tensor t = {.dtype = v->dtype, .data = (void *)(uintptr_t)data};
        *out = maru_tensor_get_f64(&t, 0);
        return MARU_OK;
    }
    if (v && v->elems && v->n_elems == 1 && maru_expr_is_const(&n->import->graph->exprs, v->elems[0], &elem)) {
        *out = (double)elem;
        return MARU_OK;
    }
    return maru_fail(MARU_INVALID_ARGUMENT, "%s must be known when the model is loaded", what);
}

maru_status onnx_axis(const onnx_node *n, maru_value x, int64_t axis, int64_t *out)
{
    const int64_t rank = onnx_record(n, x)->rank;
    *out = axis < 0 ? axis + rank : axis;
    if (*out >= 0 && *out < rank)
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "%s: axis %lld is outside rank %lld", n->op, (long long)axis,
                     (long long)rank);
}

maru_status onnx_count_up(onnx_node *n, maru_dim count, maru_value *out)
{
    const int64_t one = 1;
    maru_attribute value = {.name = "value", .kind = MARU_ATTR_TENSOR};
    const maru_attribute exclusive = MARU_ATTR_I("exclusive", 1);
    maru_value shape = MARU_NO_VALUE;
    maru_value sum[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(onnx_ints(n, &one, 1, &value.tensor));
    MARU_TRY(maru_graph_shape(n->import->graph, &count, 1, &shape));
    MARU_TRY(onnx_add(n, "ConstantOfShape", &shape, 1, &value, 1, &sum[0]));
    MARU_TRY(maru_graph_scalar(n->import->graph, MARU_I64, 0, &sum[1]));
    return onnx_add(n, "CumSum", sum, 2, &exclusive, 1, out);
}

maru_status onnx_cut(onnx_node *n, maru_value x, int64_t axis, int64_t start, int64_t end, maru_value *out)
{
    maru_value cut[4] = {x, MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(onnx_ints(n, &start, 1, &cut[1]));
    MARU_TRY(onnx_ints(n, &end, 1, &cut[2]));
    MARU_TRY(onnx_ints(n, &axis, 1, &cut[3]));
    return onnx_add(n, "Slice", cut, 4, NULL, 0, out);
}

/* ---- elementwise ---- */

static maru_status shrink(onnx_node *n)
{
    const maru_value x = n->inputs[0];
    const double bias = onnx_attr_float(n, "bias", 0);
    const double lambd = onnx_attr_float(n, "lambd", 0.5);
    maru_value low = MARU_NO_VALUE, high = MARU_NO_VALUE, is_low = MARU_NO_VALUE, is_high = MARU_NO_VALUE;
    maru_value zero = MARU_NO_VALUE;
    MARU_TRY(onnx_op_number(n, "Add", x, bias, &low));
    MARU_TRY(onnx_op_number(n, "Sub", x, bias, &high));
    MARU_TRY(onnx_op_number(n, "Less", x, -lambd, &is_low));
    MARU_TRY(onnx_op_number(n, "Greater", x, lambd, &is_high));
    MARU_TRY(onnx_scalar_like(n, x, 0, &zero));
    MARU_TRY(onnx_op3(n, "Where", is_high, high, zero, &high));
    return onnx_op3(n, "Where", is_low, low, high, &n->outputs[0]);
}

/* ---- where the largest is, or the diagonal ---- */

/* 1 at the first of the largest along the axis, else 0. */
static maru_status hardmax_along(onnx_node *n, maru_value x, int64_t axis, maru_value *out)
{
    const maru_value_record *v = onnx_record(n, x);
    const maru_dtype dtype = v->dtype;
    const maru_attribute along = MARU_ATTR_I("axis", axis);
    maru_dim column[MARU_MAX_RANK];
    maru_value largest = MARU_NO_VALUE, positions = MARU_NO_VALUE;
    for (uint32_t d = 0; d < v->rank; d++)
        column[d] = (int64_t)d == axis ? v->dims[d] : 1;
    MARU_TRY(onnx_count_up(n, v->dims[axis], &positions));
    MARU_TRY(onnx_reshape(n, positions, column, onnx_record(n, x)->rank, &positions));
    MARU_TRY(onnx_add(n, "ArgMax", &x, 1, &along, 1, &largest));
    MARU_TRY(onnx_op2(n, "Equal", largest, positions, &largest));
    return onnx_cast(n, largest, dtype, out);
}

static maru_status hardmax(onnx_node *n)
{
    int64_t axis = 0;
    MARU_TRY(onnx_axis(n, n->inputs[0], onnx_attr_int(n, "axis", -1), &axis));
    return hardmax_along(n, n->inputs[0], axis, &n->outputs[0]);
}

/* Before 13: over all axes from `axis` on, which are taken as one. */
static maru_status hardmax_7(onnx_node *n)
{
    int64_t axis = 0;
    maru_value flat = MARU_NO_VALUE, shape = MARU_NO_VALUE;
    MARU_TRY(onnx_axis(n, n->inputs[0], onnx_attr_int(n, "axis", 1), &axis));
    const maru_attribute from = MARU_ATTR_I("axis", axis);
    MARU_TRY(onnx_add(n, "Flatten", n->inputs, 1, &from, 1, &flat));
    MARU_TRY(hardmax_along(n, flat, 1, &flat));
    MARU_TRY(onnx_op1(n, "Shape", n->inputs[0], &shape));
    return onnx_op2(n, "Reshape", flat, shape, &n->outputs[0]);
}

static maru_status eye_like(onnx_node *n)
{
    const maru_value_record *v = onnx_record(n, n->inputs[0]);
    if (v->rank != 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "EyeLike: the input must have rank 2, it has %u", v->rank);
    const maru_dim dims[] = {v->dims[0], v->dims[1]};
    const maru_dtype dtype = (maru_dtype)onnx_attr_int(n, "dtype", v->dtype);
    maru_value rows = MARU_NO_VALUE, columns = MARU_NO_VALUE;
    MARU_TRY(onnx_count_up(n, dims[0], &rows));
    MARU_TRY(onnx_count_up(n, dims[1], &columns));
    MARU_TRY(onnx_op_number(n, "Add", rows, (double)onnx_attr_int(n, "k", 0), &rows));
    MARU_TRY(onnx_unsqueeze(n, rows, 1, &rows));
    MARU_TRY(onnx_op2(n, "Equal", rows, columns, &rows));
    return onnx_cast(n, rows, dtype, &n->outputs[0]);
}

/* ---- normalisation ---- */

/*
 * x / (bias + alpha * mean)^beta, where the mean is that of x^2 over `size` neighbouring channels: an AveragePool
 * that counts its padding, with the channels as an axis of space.
 */
static maru_status lrn(onnx_node *n)
{
    const maru_value x = n->inputs[0];
    const maru_value_record *v = onnx_record(n, x);
    const int64_t size = onnx_attr_int(n, "size", 1);
    if (v->rank < 2 || size < 1 || size > 65536)
        return maru_fail(MARU_INVALID_ARGUMENT, "LRN: rank %u and size %lld make no sense", v->rank, (long long)size);
    const int64_t kernel[] = {size, 1};
    const int64_t pads[] = {(size - 1) / 2, 0, size / 2, 0};
    const maru_attribute attrs[] = {MARU_ATTR_IS("kernel_shape", kernel, 2), MARU_ATTR_IS("pads", pads, 4),
                                    MARU_ATTR_I("count_include_pad", 1)};
    maru_dim dims[] = {v->dims[0], 1, v->dims[1], 1};
    maru_value y = MARU_NO_VALUE, shape = MARU_NO_VALUE;
    MARU_TRY(maru_expr_product(&n->import->graph->exprs, v->dims + 2, v->rank - 2, &dims[3]));
    MARU_TRY(onnx_op2(n, "Mul", x, x, &y));
    MARU_TRY(onnx_reshape(n, y, dims, 4, &y));
    MARU_TRY(onnx_add(n, "AveragePool", &y, 1, attrs, 3, &y));
    MARU_TRY(onnx_op1(n, "Shape", x, &shape));
    MARU_TRY(onnx_op2(n, "Reshape", y, shape, &y));
    MARU_TRY(onnx_op_number(n, "Mul", y, onnx_attr_float(n, "alpha", 1e-4f), &y));
    MARU_TRY(onnx_op_number(n, "Add", y, onnx_attr_float(n, "bias", 1), &y));
    MARU_TRY(onnx_op_number(n, "Pow", y, onnx_attr_float(n, "beta", 0.75), &y));
    return onnx_op2(n, "Div", x, y, &n->outputs[0]);
}

static maru_status global_lp_pool(onnx_node *n)
{
    const int64_t p = onnx_attr_int(n, "p", 2);
    const int64_t rank = onnx_record(n, n->inputs[0])->rank;
    int64_t axes[MARU_MAX_RANK];
    maru_value list = MARU_NO_VALUE, y = MARU_NO_VALUE;
    if (rank < 3 || p < 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "GlobalLpPool: rank %lld and p %lld make no sense", (long long)rank,
                         (long long)p);
    for (int64_t d = 2; d < rank; d++)
        axes[d - 2] = d;
    MARU_TRY(onnx_ints(n, axes, (size_t)rank - 2, &list));
    if (p <= 2)
        return onnx_op2(n, p == 1 ? "ReduceL1" : "ReduceL2", n->inputs[0], list, &n->outputs[0]);
    MARU_TRY(onnx_op1(n, "Abs", n->inputs[0], &y));
    MARU_TRY(onnx_op_number(n, "Pow", y, (double)p, &y));
    MARU_TRY(onnx_op2(n, "ReduceSum", y, list, &y));
    return onnx_op_number(n, "Pow", y, 1 / (double)p, &n->outputs[0]);
}

/* ---- losses ---- */

/* The target with 0 where it is ignored, and each place's weight; no value: all are 1. */
static maru_status target_weights(onnx_node *n, maru_value *target, maru_value *out_weights)
{
    const onnx_attr *ignore = onnx_attr_find(n, "ignore_index");
    maru_value zero = MARU_NO_VALUE, is_ignored = MARU_NO_VALUE;
    *out_weights = MARU_NO_VALUE;
    if (ignore) {
        MARU_TRY(onnx_op_number(n, "Equal", *target, (double)ignore->i, &is_ignored));
        MARU_TRY(onnx_scalar_like(n, *target, 0, &zero));
        MARU_TRY(onnx_op3(n, "Where", is_ignored, zero, *target, target));
    }
    if (onnx_has(n, 2))
        MARU_TRY(onnx_op2(n, "Gather", n->inputs[2], *target, out_weights));
    else if (ignore)
        MARU_TRY(onnx_scalar_like(n, n->inputs[0], 1, out_weights));
    if (!ignore)
        return MARU_OK;
    MARU_TRY(onnx_scalar_like(n, n->inputs[0], 0, &zero));
    return onnx_op3(n, "Where", is_ignored, zero, *out_weights, out_weights);
}

static maru_status sum_all(onnx_node *n, const char *op, maru_value x, maru_value *out)
{
    const maru_attribute keepdims = MARU_ATTR_I("keepdims", 0);
    return onnx_add(n, op, &x, 1, &keepdims, 1, out);
}

/* -weight[target] * log_probabilities[target], reduced. */
static maru_status negative_log(onnx_node *n, maru_value log_probabilities, maru_value *out)
{
    const int64_t one = 1;
    const maru_attribute axis = MARU_ATTR_I("axis", 1);
    maru_value target = n->inputs[1];
    maru_value weights = MARU_NO_VALUE, axes = MARU_NO_VALUE, total = MARU_NO_VALUE;
    maru_value pair[2] = {log_probabilities, MARU_NO_VALUE};
    if (onnx_record(n, log_probabilities)->rank < 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: the input must have rank 2 or more", n->op);
    MARU_TRY(target_weights(n, &target, &weights));
    MARU_TRY(onnx_unsqueeze(n, target, 1, &pair[1]));
    MARU_TRY(onnx_add(n, "GatherElements", pair, 2, &axis, 1, &pair[0]));
    MARU_TRY(onnx_ints(n, &one, 1, &axes));
    MARU_TRY(onnx_op2(n, "Squeeze", pair[0], axes, &pair[0]));
    MARU_TRY(onnx_op1(n, "Neg", pair[0], out));
    if (weights)
        MARU_TRY(onnx_op2(n, "Mul", *out, weights, out));
    if (onnx_attr_is(n, "reduction", "none", "mean"))
        return MARU_OK;
    if (onnx_attr_is(n, "reduction", "sum", "mean"))
        return sum_all(n, "ReduceSum", *out, out);
    if (!weights)
        return sum_all(n, "ReduceMean", *out, out);
    MARU_TRY(sum_all(n, "ReduceSum", *out, out));
    MARU_TRY(sum_all(n, "ReduceSum", weights, &total));
    return onnx_op2(n, "Div", *out, total, out);
}

static maru_status negative_log_likelihood_loss(onnx_node *n)
{
    return negative_log(n, n->inputs[0], &n->outputs[0]);
}

static maru_status softmax_cross_entropy_loss(onnx_node *n)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 1);
    MARU_TRY(onnx_add(n, "LogSoftmax", n->inputs, 1, &axis, 1, &n->outputs[1]));
    return negative_log(n, n->outputs[1], &n->outputs[0]);
}

/* ---- CenterCropPad ---- */

typedef struct crop {
    int64_t starts[MARU_MAX_RANK], ends[MARU_MAX_RANK], pads[2 * MARU_MAX_RANK];
    size_t rank;
} crop;

static maru_status read_crop(onnx_node *n, crop *c)
{
    const maru_exprs *exprs = &n->import->graph->exprs;
    const maru_value_record *x = onnx_record(n, n->inputs[0]);
    const maru_value_record *shape = onnx_record(n, n->inputs[1]);
    size_t n_axes = 0;
    const int64_t *axes = onnx_attr_ints(n, "axes", &n_axes);
    *c = (crop){.rank = x->rank};
    n_axes = axes ? n_axes : x->rank;
    if (!shape->elems || shape->n_elems != n_axes)
        return maru_fail(MARU_INVALID_ARGUMENT, "the shape must be %zu numbers that are known when the model is loaded",
                         n_axes);
    for (size_t d = 0; d < x->rank; d++)
        c->ends[d] = INT64_MAX;
    for (size_t i = 0; i < n_axes; i++) {
        int64_t d = 0, have = 0, want = 0;
        MARU_TRY(onnx_axis(n, n->inputs[0], axes ? axes[i] : (int64_t)i, &d));
        if (x->dims[d] == shape->elems[i])
            continue;
        if (!maru_expr_is_const(exprs, x->dims[d], &have) || !maru_expr_is_const(exprs, shape->elems[i], &want))
            return maru_fail(MARU_INVALID_ARGUMENT, "axis %lld must have a known size, and get one", (long long)d);
        c->starts[d] = have > want ? (have - want) / 2 : 0;
        c->ends[d] = have > want ? c->starts[d] + want : INT64_MAX;
        c->pads[d] = want > have ? (want - have) / 2 : 0;
        c->pads[c->rank + (size_t)d] = want > have ? want - have - c->pads[d] : 0;
    }
    return MARU_OK;
}

static maru_status center_crop_pad(onnx_node *n)
{
    crop c;
    maru_value cut[3] = {n->inputs[0], MARU_NO_VALUE, MARU_NO_VALUE};
    maru_value pads = MARU_NO_VALUE;
    MARU_TRY(read_crop(n, &c));
    MARU_TRY(onnx_ints(n, c.starts, c.rank, &cut[1]));
    MARU_TRY(onnx_ints(n, c.ends, c.rank, &cut[2]));
    MARU_TRY(onnx_ints(n, c.pads, 2 * c.rank, &pads));
    MARU_TRY(onnx_add(n, "Slice", cut, 3, NULL, 0, &cut[0]));
    return onnx_op2(n, "Pad", cut[0], pads, &n->outputs[0]);
}

/* ---- CausalConvWithState ---- */

/* Where the last `keep` positions are kept as the next state. */
static maru_status keep_state(onnx_node *n, maru_value x, int64_t keep, maru_value *out)
{
    const int64_t start = keep ? -keep : INT64_MAX;
    const int64_t end = INT64_MAX;
    const int64_t axis = 2;
    maru_value cut[4] = {x, MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(onnx_ints(n, &start, 1, &cut[1]));
    MARU_TRY(onnx_ints(n, &end, 1, &cut[2]));
    MARU_TRY(onnx_ints(n, &axis, 1, &cut[3]));
    return onnx_add(n, "Slice", cut, 4, NULL, 0, out);
}

static maru_status causal_conv_with_state(onnx_node *n)
{
    const maru_exprs *exprs = &n->import->graph->exprs;
    const maru_value_record *x = onnx_record(n, n->inputs[0]);
    const maru_value_record *w = onnx_record(n, n->inputs[1]);
    int64_t channels = 0, kernel = 0;
    if (x->rank != 3 || w->rank != 3 || !maru_expr_is_const(exprs, w->dims[0], &channels) ||
        !maru_expr_is_const(exprs, w->dims[2], &kernel) || kernel < 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "input and weights must have rank 3, the weights known dims");
    const int64_t pads[] = {0, 0, kernel - 1, 0, 0, 0};
    const maru_attribute axis = MARU_ATTR_I("axis", 2);
    const maru_attribute group = MARU_ATTR_I("group", channels);
    maru_value list = MARU_NO_VALUE;
    maru_value joined[2] = {onnx_has(n, 3) ? n->inputs[3] : MARU_NO_VALUE, n->inputs[0]};
    maru_value conv[3] = {MARU_NO_VALUE, n->inputs[1], onnx_has(n, 2) ? n->inputs[2] : MARU_NO_VALUE};
    MARU_TRY(onnx_ints(n, pads, 6, &list));
    if (onnx_has(n, 3))
        MARU_TRY(onnx_add(n, "Concat", joined, 2, &axis, 1, &conv[0]));
    else
        MARU_TRY(onnx_op2(n, "Pad", n->inputs[0], list, &conv[0]));
    MARU_TRY(onnx_add(n, "Conv", conv, conv[2] ? 3 : 2, &group, 1, &n->outputs[0]));
    MARU_TRY(keep_state(n, conv[0], kernel - 1, &n->outputs[1]));
    if (onnx_attr_is(n, "activation", "none", "none"))
        return MARU_OK;
    if (!onnx_attr_is(n, "activation", "silu", "none") && !onnx_attr_is(n, "activation", "swish", "none"))
        return maru_fail(MARU_UNSUPPORTED, "%s: its activation is not known", n->op);
    return onnx_op1(n, "Swish", n->outputs[0], &n->outputs[0]);
}

const onnx_form onnx_forms_compose[] = {
    {"", "Shrink", 9, INT16_MAX, shrink},
    {"", "Hardmax", 1, 12, hardmax_7},
    {"", "Hardmax", 13, INT16_MAX, hardmax},
    {"", "EyeLike", 9, INT16_MAX, eye_like},
    {"", "LRN", 1, INT16_MAX, lrn},
    {"", "GlobalLpPool", 2, INT16_MAX, global_lp_pool},
    {"", "NegativeLogLikelihoodLoss", 12, INT16_MAX, negative_log_likelihood_loss},
    {"", "SoftmaxCrossEntropyLoss", 12, INT16_MAX, softmax_cross_entropy_loss},
    {"", "CenterCropPad", 18, INT16_MAX, center_crop_pad},
    {"", "CausalConvWithState", 27, INT16_MAX, causal_conv_with_state},
    {.op = NULL},
};
