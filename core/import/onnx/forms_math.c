// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Older forms of operators that compute, and operators that are built from others. */

#include "import/onnx/onnx.h"

#include <stdint.h>
#include <string.h>

#include "base/fail.h"

static maru_graph *graph_of(const onnx_node *n)
{
    return n->import->graph;
}

static const maru_value_record *input_of(const onnx_node *n, size_t index)
{
    return maru_graph_get(graph_of(n), n->inputs[index]);
}

/* Before 11 the bounds are attributes; before 12 there is no integer form. */
static maru_status clip(onnx_node *n)
{
    static const char *const without[] = {"min", "max", NULL};
    static const char *const names[] = {"min", "max"};
    for (size_t i = 0; i < 2; i++) {
        n->inputs[1 + i] = MARU_NO_VALUE;
        if (onnx_attr_find(n, names[i]))
            MARU_TRY(onnx_scalar_like(n, n->inputs[0], onnx_attr_float(n, names[i], 0), &n->inputs[1 + i]));
    }
    n->n_inputs = n->inputs[2] ? 3 : n->inputs[1] ? 2 : 1;
    return onnx_add_as(n, "Clip", without, NULL, 0);
}

/* Some exporters write bounds of one element, not scalars. */
static maru_status clip_scalars(onnx_node *n)
{
    for (size_t i = 1; i < n->n_inputs; i++) {
        const maru_value_record *v = onnx_has(n, i) ? input_of(n, i) : NULL;
        if (v && v->rank == 1 && v->dims[0] == 1)
            MARU_TRY(onnx_add(n, "Squeeze", &n->inputs[i], 1, NULL, 0, &n->inputs[i]));
    }
    return onnx_add_newest(n);
}

/*
 * Before 13: over all axes from `axis` on, which are taken as one. The name
 * and the attribute are the newest form's, the default axis is 1.
 */
static maru_status softmax(onnx_node *n)
{
    const maru_value x = n->inputs[0];
    const int64_t rank = input_of(n, 0)->rank;
    int64_t axis = onnx_attr_int(n, "axis", 1);
    axis += axis < 0 ? rank : 0;
    const maru_attribute last = MARU_ATTR_I("axis", -1);
    if (axis == rank - 1)
        return onnx_add(n, n->op, &x, 1, &last, 1, &n->outputs[0]);
    const maru_attribute flat_axis = MARU_ATTR_I("axis", axis);
    maru_value flat = MARU_NO_VALUE;
    maru_value shape = MARU_NO_VALUE;
    maru_value y[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(onnx_add(n, "Flatten", &x, 1, &flat_axis, 1, &flat));
    MARU_TRY(onnx_add(n, n->op, &flat, 1, &last, 1, &y[0]));
    MARU_TRY(onnx_add(n, "Shape", &x, 1, NULL, 0, &shape));
    y[1] = shape;
    return onnx_add(n, "Reshape", y, 2, NULL, 0, &n->outputs[0]);
}


/* One scale and bias per group (18 to 20): repeated for each channel of it. */
static maru_status spread_over_group(onnx_node *n, size_t index, int64_t groups, maru_dim channels)
{
    maru_dim each = 0;
    maru_value column = MARU_NO_VALUE;
    maru_value wide[2] = {n->inputs[index], MARU_NO_VALUE};
    MARU_TRY(maru_graph_dim(graph_of(n), MARU_DIM_FLOORDIV, channels, groups, &each));
    MARU_TRY(maru_graph_shape(graph_of(n), (const maru_dim[]){groups, 1}, 2, &wide[1]));
    MARU_TRY(onnx_add(n, "Reshape", wide, 2, NULL, 0, &column));
    wide[0] = column;
    MARU_TRY(maru_graph_shape(graph_of(n), (const maru_dim[]){groups, each}, 2, &wide[1]));
    MARU_TRY(onnx_add(n, "Expand", wide, 2, NULL, 0, &wide[0]));
    MARU_TRY(maru_graph_shape(graph_of(n), &channels, 1, &wide[1]));
    return onnx_add(n, "Reshape", wide, 2, NULL, 0, &n->inputs[index]);
}

static maru_status group_normalization(onnx_node *n)
{
    const int64_t groups = onnx_attr_int(n, "num_groups", 1);
    if (groups < 1 || n->n_inputs != 3 || input_of(n, 0)->rank < 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "GroupNormalization: num_groups, or its inputs, are wrong");
    const maru_dim channels = input_of(n, 0)->dims[1];
    MARU_TRY(spread_over_group(n, 1, groups, channels));
    MARU_TRY(spread_over_group(n, 2, groups, channels));
    return onnx_add_newest(n);
}

/* (x - mean) / (sqrt(mean((x - mean)^2)) + 1e-9) over `axes`, as ONNX's function body has it. */
static maru_status mean_variance_normalization(onnx_node *n)
{
    static const int64_t usual[] = {0, 2, 3};
    size_t count = 0;
    const int64_t *axes = onnx_attr_ints(n, "axes", &count);
    maru_value reduce[2] = {n->inputs[0], MARU_NO_VALUE};
    maru_value pair[2];
    maru_value centred = MARU_NO_VALUE;
    maru_value centred_square = MARU_NO_VALUE;
    maru_value deviation = MARU_NO_VALUE;
    MARU_TRY(onnx_ints(n, axes ? axes : usual, axes ? count : 3, &reduce[1]));
    pair[0] = n->inputs[0];
    MARU_TRY(onnx_add(n, "ReduceMean", reduce, 2, NULL, 0, &pair[1]));
    MARU_TRY(onnx_add(n, "Sub", pair, 2, NULL, 0, &centred));
    pair[0] = pair[1] = centred;
    MARU_TRY(onnx_add(n, "Mul", pair, 2, NULL, 0, &reduce[0]));
    MARU_TRY(onnx_add(n, "ReduceMean", reduce, 2, NULL, 0, &centred_square));
    MARU_TRY(onnx_add(n, "Sqrt", &centred_square, 1, NULL, 0, &deviation));
    pair[0] = deviation;
    MARU_TRY(onnx_scalar_like(n, n->inputs[0], 1e-9, &pair[1]));
    MARU_TRY(onnx_add(n, "Add", pair, 2, NULL, 0, &pair[1]));
    pair[0] = centred;
    return onnx_add(n, "Div", pair, 2, NULL, 0, &n->outputs[0]);
}

/* x / norm(x) along one axis; p is 1 or 2. */
static maru_status lp_normalization(onnx_node *n)
{
    const int64_t axis = onnx_attr_int(n, "axis", -1);
    const int64_t p = onnx_attr_int(n, "p", 2);
    maru_value reduce[2] = {n->inputs[0], MARU_NO_VALUE};
    maru_value pair[2] = {n->inputs[0], MARU_NO_VALUE};
    if (p != 1 && p != 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "LpNormalization: p is 1 or 2");
    MARU_TRY(onnx_ints(n, &axis, 1, &reduce[1]));
    MARU_TRY(onnx_add(n, p == 1 ? "ReduceL1" : "ReduceL2", reduce, 2, NULL, 0, &pair[1]));
    // A norm of 0 leaves its zeros as they are.
    maru_value choice[3] = {MARU_NO_VALUE, MARU_NO_VALUE, pair[1]};
    maru_value zero[2] = {pair[1], MARU_NO_VALUE};
    MARU_TRY(onnx_scalar_like(n, pair[1], 0, &zero[1]));
    MARU_TRY(onnx_scalar_like(n, pair[1], 1, &choice[1]));
    MARU_TRY(onnx_add(n, "Equal", zero, 2, NULL, 0, &choice[0]));
    MARU_TRY(onnx_add(n, "Where", choice, 3, NULL, 0, &pair[1]));
    return onnx_add(n, "Div", pair, 2, NULL, 0, &n->outputs[0]);
}

/* The modes have other names before 20. */
static maru_status grid_sample(onnx_node *n)
{
    static const char *const without[] = {"mode", NULL};
    const bool is_linear = onnx_attr_is(n, "mode", "bilinear", "bilinear");
    const bool is_cubic = onnx_attr_is(n, "mode", "bicubic", "bilinear");
    const maru_attribute mode = MARU_ATTR_S("mode", is_linear ? "linear" : is_cubic ? "cubic" : "nearest");
    return onnx_add_as(n, "GridSample", without, &mode, 1);
}

/* Before 16 the regions are not moved by half a pixel. */
static maru_status roi_align(onnx_node *n)
{
    const maru_attribute mode = MARU_ATTR_S("coordinate_transformation_mode", "output_half_pixel");
    return onnx_add_as(n, "RoiAlign", NULL, &mode, 1);
}

/* Before 20 the axis is an attribute. */
static maru_status dft(onnx_node *n)
{
    static const char *const without[] = {"axis", NULL};
    const int64_t axis = onnx_attr_int(n, "axis", 1);
    while (n->n_inputs < 3)
        n->inputs[n->n_inputs++] = MARU_NO_VALUE;
    MARU_TRY(maru_graph_scalar(graph_of(n), MARU_I64, (double)axis, &n->inputs[2]));
    return onnx_add_as(n, "DFT", without, NULL, 0);
}

/* Of two it is an Add, which more devices are good at and which convolutions take in. */
static maru_status sum(onnx_node *n)
{
    if (n->n_inputs == 2)
        return onnx_add(n, "Add", n->inputs, 2, NULL, 0, &n->outputs[0]);
    return onnx_add_newest(n);
}

/* A real signal may come without its last dim of 1. */
static maru_status stft(onnx_node *n)
{
    maru_value inputs[2] = {n->inputs[0], MARU_NO_VALUE};
    if (!onnx_has(n, 0) || maru_graph_get(n->import->graph, inputs[0])->rank != 2)
        return onnx_add_newest(n);
    MARU_TRY(onnx_ints(n, (const int64_t[]){-1}, 1, &inputs[1]));
    MARU_TRY(onnx_add(n, "Unsqueeze", inputs, 2, NULL, 0, &n->inputs[0]));
    return onnx_add_newest(n);
}

/* ONNX's own function bodies give vectors of one element for its scalars. */
static maru_status range(onnx_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        const maru_value_record *v = maru_graph_get(n->import->graph, n->inputs[i]);
        if (n->inputs[i] && v->rank == 1 && v->dims[0] == 1)
            MARU_TRY(onnx_add(n, "Squeeze", &n->inputs[i], 1, NULL, 0, &n->inputs[i]));
    }
    return onnx_add_newest(n);
}

const onnx_form onnx_forms_math[] = {
    {"", "STFT", 17, INT16_MAX, stft},
    {"", "Range", 11, INT16_MAX, range},
    {"", "Sum", 7, INT16_MAX, sum},
    {"", "Clip", 1, 10, clip},
    {"", "Clip", 11, INT16_MAX, clip_scalars},
    {"", "Softmax", 1, 12, softmax},
    {"", "LogSoftmax", 1, 12, softmax},
    {"", "GroupNormalization", 18, 20, group_normalization},
    {"", "MeanVarianceNormalization", 9, INT16_MAX, mean_variance_normalization},
    {"", "LpNormalization", 1, INT16_MAX, lp_normalization},
    {"", "GridSample", 16, 19, grid_sample},
    {"", "RoiAlign", 10, 15, roi_align},
    {"", "DFT", 17, 19, dft},
    {.op = NULL},
};
