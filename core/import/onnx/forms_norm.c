// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * BatchNormalization as a network in training does it, with the mean and the
 * variance of the batch itself, and the older one with numbers for every
 * place of an image.
 */

#include "import/onnx/compose.h"

#include <stdint.h>
#include <string.h>

#include "base/fail.h"

/* Inputs: (x, scale, bias, mean, variance). */
typedef struct batch {
    maru_dtype dtype;      // of the statistics' arithmetic
    bool is_spatial;       // one number per channel; else one per channel and place
    maru_value axes;       // that the statistics go over
    maru_value mean, variance;
} batch;

/* One per channel as (channels, 1, ...), so that it stands beside x; in f32 where x is of 16 bits. */
static maru_status beside(onnx_node *n, const batch *b, maru_value v, maru_value *out)
{
    const uint32_t rank = onnx_record(n, n->inputs[0])->rank;
    maru_dim dims[MARU_MAX_RANK];
    MARU_TRY(onnx_cast(n, v, b->dtype, out));
    if (!b->is_spatial)
        return MARU_OK;
    for (uint32_t d = 0; d + 1 < rank; d++)
        dims[d] = d ? 1 : onnx_record(n, *out)->dims[0];
    return onnx_reshape(n, *out, dims, rank - 1, out);
}

static maru_status check(const onnx_node *n, const batch *b)
{
    const uint32_t rank = onnx_record(n, n->inputs[0])->rank;
    if (n->n_inputs != 5 || rank < 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "BatchNormalization needs five inputs, the first of rank 2 or more");
    for (size_t i = 1; i < 5; i++) {
        const maru_value_record *v = onnx_record(n, n->inputs[i]);
        if (v->rank != (b->is_spatial ? 1 : rank - 1))
            return maru_fail(MARU_INVALID_ARGUMENT, "BatchNormalization: input %zu has rank %u", i, v->rank);
    }
    return MARU_OK;
}

static maru_status open_batch(onnx_node *n, batch *b)
{
    int64_t axes[MARU_MAX_RANK] = {0};
    size_t count = 1;
    for (size_t i = 0; i < 5; i++)
        if (!onnx_has(n, i))
            return maru_fail(MARU_DATA_LOSS, "input %zu is missing", i);
    const maru_value_record *x = onnx_record(n, n->inputs[0]);
    b->dtype = x->dtype == MARU_F64 ? MARU_F64 : MARU_F32;
    b->is_spatial = onnx_attr_int(n, "spatial", 1) != 0;
    MARU_TRY(check(n, b));
    for (uint32_t d = 2; b->is_spatial && d < x->rank; d++)
        axes[count++] = d;
    return onnx_ints(n, axes, count, &b->axes);
}

/* (x - mean) / sqrt(variance + epsilon) * scale + bias, of statistics that stand beside x. */
static maru_status normalise(onnx_node *n, const batch *b, maru_value mean, maru_value variance, maru_value *out)
{
    const maru_dtype dtype = onnx_record(n, n->inputs[0])->dtype;
    maru_value scale = MARU_NO_VALUE, bias = MARU_NO_VALUE, x = MARU_NO_VALUE;
    MARU_TRY(onnx_cast(n, n->inputs[0], b->dtype, &x));
    MARU_TRY(beside(n, b, n->inputs[1], &scale));
    MARU_TRY(beside(n, b, n->inputs[2], &bias));
    MARU_TRY(onnx_op_number(n, "Add", variance, onnx_attr_float(n, "epsilon", 1e-5), &variance));
    MARU_TRY(onnx_op1(n, "Sqrt", variance, &variance));
    MARU_TRY(onnx_op2(n, "Sub", x, mean, &x));
    MARU_TRY(onnx_op2(n, "Div", x, variance, &x));
    MARU_TRY(onnx_op2(n, "Mul", x, scale, &x));
    MARU_TRY(onnx_op2(n, "Add", x, bias, &x));
    return onnx_cast(n, x, dtype, out);
}

/* Of the batch, with their axes kept: the variance is the population's. */
static maru_status measure(onnx_node *n, batch *b)
{
    maru_value x = MARU_NO_VALUE;
    MARU_TRY(onnx_cast(n, n->inputs[0], b->dtype, &x));
    MARU_TRY(onnx_op2(n, "ReduceMean", x, b->axes, &b->mean));
    MARU_TRY(onnx_op2(n, "Sub", x, b->mean, &x));
    MARU_TRY(onnx_op2(n, "Mul", x, x, &x));
    return onnx_op2(n, "ReduceMean", x, b->axes, &b->variance);
}

/* old * momentum + new * (1 - momentum), as the old one is shaped; `out_new` is the new one so. */
static maru_status move_towards(onnx_node *n, const batch *b, maru_value old, maru_value now, maru_value *out,
                                maru_value *out_new)
{
    const double momentum = onnx_attr_float(n, "momentum", 0.9f);
    const maru_dtype dtype = onnx_record(n, old)->dtype;
    maru_value kept = MARU_NO_VALUE;
    MARU_TRY(onnx_op2(n, "Squeeze", now, b->axes, &now));
    MARU_TRY(onnx_cast(n, now, dtype, out_new));
    MARU_TRY(onnx_cast(n, old, b->dtype, &kept));
    MARU_TRY(onnx_op_number(n, "Mul", kept, momentum, &kept));
    MARU_TRY(onnx_op_number(n, "Mul", now, 1 - momentum, &now));
    MARU_TRY(onnx_op2(n, "Add", kept, now, &now));
    return onnx_cast(n, now, dtype, out);
}

/* (y, mean, variance), and before 14 the statistics of the batch. */
static maru_status train(onnx_node *n)
{
    batch b = {0};
    MARU_TRY(open_batch(n, &b));
    MARU_TRY(measure(n, &b));
    MARU_TRY(normalise(n, &b, b.mean, b.variance, &n->outputs[0]));
    MARU_TRY(move_towards(n, &b, n->inputs[3], b.mean, &n->outputs[1], &n->outputs[3]));
    return move_towards(n, &b, n->inputs[4], b.variance, &n->outputs[2], &n->outputs[4]);
}

static maru_status batch_normalization(onnx_node *n)
{
    return onnx_attr_int(n, "training_mode", 0) ? train(n) : onnx_add_newest(n);
}

static maru_status with_places(onnx_node *n)
{
    batch b = {0};
    MARU_TRY(open_batch(n, &b));
    MARU_TRY(beside(n, &b, n->inputs[3], &b.mean));
    MARU_TRY(beside(n, &b, n->inputs[4], &b.variance));
    return normalise(n, &b, b.mean, b.variance, &n->outputs[0]);
}

/* Before 14 a node that gives more than y is in training. */
static maru_status batch_normalization_7(onnx_node *n)
{
    static const char *const without[] = {"spatial", "is_test", "consumed_inputs", NULL};
    if (n->n_outputs > 1)
        return train(n);
    if (onnx_attr_int(n, "spatial", 1) == 0)
        return with_places(n);
    return onnx_add_as(n, "BatchNormalization", without, NULL, 0);
}

/* Before 7 an attribute says whether it is in training. */
static maru_status batch_normalization_1(onnx_node *n)
{
    if (onnx_attr_int(n, "is_test", 0) == 0)
        return train(n);
    n->n_outputs = 1;
    return batch_normalization_7(n);
}

const onnx_form onnx_forms_norm[] = {
    {"", "BatchNormalization", 1, 6, batch_normalization_1},
    {"", "BatchNormalization", 7, 13, batch_normalization_7},
    {"", "BatchNormalization", 14, INT16_MAX, batch_normalization},
    {.op = NULL},
};
