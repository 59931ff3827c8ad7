// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Older forms of operators that move data. What was an attribute in an early
 * opset is an input in the newest one.
 */

#include "import/onnx/compose.h"

#include <stdint.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

/* Attribute `name`, a list, becomes input `index`; one that is not given leaves the input out. */
static maru_status list_to_input(onnx_node *n, const char *name, size_t index)
{
    size_t count = 0;
    const int64_t *ints = onnx_attr_ints(n, name, &count);
    if (!ints)
        return MARU_OK;
    while (n->n_inputs <= index)
        n->inputs[n->n_inputs++] = MARU_NO_VALUE;
    return onnx_ints(n, ints, count, &n->inputs[index]);
}

/* Reductions before 18, ReduceSum, Squeeze and Unsqueeze before 13. */
static maru_status axes_to_input(onnx_node *n)
{
    static const char *const without[] = {"axes", NULL};
    MARU_TRY(list_to_input(n, "axes", 1));
    return onnx_add_as(n, n->op, without, NULL, 0);
}

static maru_status split(onnx_node *n)
{
    static const char *const without[] = {"split", NULL};
    const maru_attribute count = MARU_ATTR_I("num_outputs", (int64_t)n->n_outputs);
    MARU_TRY(list_to_input(n, "split", 1));
    const bool has_count = onnx_has(n, 1) || onnx_attr_find(n, "num_outputs");
    return onnx_add_as(n, "Split", without, &count, has_count ? 0 : 1);
}

static maru_status slice(onnx_node *n)
{
    static const char *const without[] = {"starts", "ends", "axes", NULL};
    MARU_TRY(list_to_input(n, "starts", 1));
    MARU_TRY(list_to_input(n, "ends", 2));
    MARU_TRY(list_to_input(n, "axes", 3));
    return onnx_add_as(n, "Slice", without, NULL, 0);
}

static maru_status pad(onnx_node *n)
{
    static const char *const without[] = {"pads", "value", NULL};
    MARU_TRY(list_to_input(n, "pads", 1));
    MARU_TRY(onnx_scalar_like(n, n->inputs[0], onnx_attr_float(n, "value", 0), &n->inputs[2]));
    n->n_inputs = 3;
    return onnx_add_as(n, "Pad", without, NULL, 0);
}

static maru_status top_k(onnx_node *n)
{
    static const char *const without[] = {"k", NULL};
    const int64_t k = onnx_attr_int(n, "k", 0);
    n->n_outputs = 2;
    n->n_inputs = 2;
    MARU_TRY(onnx_ints(n, &k, 1, &n->inputs[1]));
    return onnx_add_as(n, "TopK", without, NULL, 0);
}

static maru_status scatter(onnx_node *n)
{
    return onnx_add_as(n, "ScatterElements", NULL, NULL, 0);
}

/* The depth may be any number, if it is known. */
static maru_status one_hot(onnx_node *n)
{
    const maru_value depth = n->n_inputs > 1 ? n->inputs[1] : MARU_NO_VALUE;
    const void *data = depth ? maru_graph_constant_data(n->import->graph, depth) : NULL;
    const maru_value_record *v = maru_graph_get(n->import->graph, depth);
    int64_t count = 0;
    if (data && !v->elems && maru_dims_count(v->dims, v->rank, &count) == MARU_OK && count == 1) {
        count = maru_dtype_load_i64(v->dtype, data, 0);
        MARU_TRY(onnx_ints(n, &count, 1, &n->inputs[1]));
    }
    return onnx_add_newest(n);
}

/* ---- Resize ---- */

static maru_status resize_asymmetric(onnx_node *n, maru_value scales)
{
    static const char *const without[] = {"scales", "mode", NULL};
    const bool is_nearest = onnx_attr_is(n, "mode", "nearest", "nearest");
    const maru_attribute extra[] = {
        MARU_ATTR_S("mode", is_nearest ? "nearest" : "linear"),
        MARU_ATTR_S("coordinate_transformation_mode", "asymmetric"),
        MARU_ATTR_S("nearest_mode", "floor"),
    };
    n->inputs[1] = MARU_NO_VALUE;
    n->inputs[2] = scales;
    n->n_inputs = 3;
    return onnx_add_as(n, "Resize", without, extra, 3);
}

/* Scales are an attribute before 9. */
static maru_status upsample_7(onnx_node *n)
{
    const onnx_attr *scales = onnx_attr_find(n, "scales");
    maru_value value = MARU_NO_VALUE;
    if (!scales)
        return maru_fail(MARU_DATA_LOSS, "attribute 'scales' is missing");
    const int64_t dims[] = {(int64_t)scales->n_floats};
    const maru_constant_source source = {.data = scales->floats, .bytes = scales->n_floats * sizeof(float)};
    MARU_TRY(maru_graph_constant(n->import->graph, "", MARU_F32, dims, 1, &source, &value));
    return resize_asymmetric(n, value);
}

/* Upsample 9 and Resize 10: (x, scales). */
static maru_status resize_10(onnx_node *n)
{
    return resize_asymmetric(n, n->inputs[1]);
}

/* ---- what is only a choice of others ---- */

static maru_status constant(onnx_node *n)
{
    maru_graph *graph = n->import->graph;
    const onnx_attr *a = n->n_attrs == 1 ? n->attrs[0] : NULL;
    maru_constant_source source = {0};
    if (!a)
        return maru_fail(MARU_DATA_LOSS, "exactly one attribute is needed");
    if (a->t)
        return maru_onnx_constant(n->import->file, a->t, graph, &n->outputs[0]);
    if (a->sparse_tensor)
        return maru_onnx_sparse_constant(n->import->file, a->sparse_tensor, graph, &n->outputs[0]);
    const bool is_list = strcmp(a->name, "value_ints") == 0 || strcmp(a->name, "value_floats") == 0;
    const bool is_int = strncmp(a->name, "value_int", 9) == 0;
    if (!is_int && strncmp(a->name, "value_float", 11) != 0)
        return maru_fail(MARU_UNSUPPORTED, "a constant by attribute '%s' is not supported", a->name);
    const int64_t dims[] = {(int64_t)(is_int ? a->n_ints : a->n_floats)};
    if (is_int) {
        source.data = is_list ? a->ints : &a->i;
        source.bytes = (is_list ? a->n_ints : 1) * sizeof a->i;
    } else {
        source.data = is_list ? a->floats : &a->f;
        source.bytes = (is_list ? a->n_floats : 1) * sizeof a->f;
    }
    if (!source.data)
        source.data = &a->i;  // an empty list
    return maru_graph_constant(graph, "", is_int ? MARU_I64 : MARU_F32, dims, is_list, &source, &n->outputs[0]);
}

/* Where the batch of a baked shape is: the first element that is as large, else the first. */
static uint32_t batch_place(const onnx_node *n, const maru_value_record *shape)
{
    for (uint32_t d = 0; d < shape->n_elems; d++)
        if (shape->elems[d] == n->import->baked_batch)
            return d;
    return 0;
}

/*
 * A shape that was baked in for the batch of the export, where the batch is
 * another: what the input has, and the rest of the shape has not, takes the
 * batch's place. False where the shape fits as it is, or cannot.
 */
static bool fit_batch(const onnx_node *n, maru_dim *dims, uint32_t *out_rank)
{
    maru_exprs *exprs = &n->import->graph->exprs;
    const maru_value_record *x = onnx_record(n, n->inputs[0]);
    const maru_value_record *shape = onnx_record(n, n->inputs[1]);
    maru_dim total = 0;
    maru_dim rest = 0;
    if (!shape->elems || shape->n_elems == 0 || shape->n_elems > MARU_MAX_RANK)
        return false;
    for (uint32_t d = 0; d < shape->n_elems; d++) {
        dims[d] = shape->elems[d];
        if (dims[d] < 1)  // taken from the input, or computed
            return false;
    }
    *out_rank = shape->n_elems;
    if (maru_expr_product(exprs, x->dims, x->rank, &total) != MARU_OK ||
        maru_expr_product(exprs, dims, *out_rank, &rest) != MARU_OK || rest == total)
        return false;
    const uint32_t place = batch_place(n, shape);
    dims[place] = 1;
    return maru_expr_product(exprs, dims, *out_rank, &rest) == MARU_OK &&
           maru_expr_divide(exprs, total, rest, &dims[place]);
}

static maru_status reshape(onnx_node *n)
{
    maru_dim dims[MARU_MAX_RANK];
    uint32_t rank = 0;
    if (n->import->baked_batch && n->n_inputs == 2 && fit_batch(n, dims, &rank))
        return onnx_reshape(n, n->inputs[0], dims, rank, &n->outputs[0]);
    return onnx_add_newest(n);
}

const onnx_form onnx_forms_data[] = {
    {"", "Reshape", 5, INT16_MAX, reshape},
    {"", "ReduceSum", 1, 12, axes_to_input},
    {"", "ReduceMax", 1, 17, axes_to_input},
    {"", "ReduceMin", 1, 17, axes_to_input},
    {"", "ReduceMean", 1, 17, axes_to_input},
    {"", "ReduceProd", 1, 17, axes_to_input},
    {"", "ReduceSumSquare", 1, 17, axes_to_input},
    {"", "ReduceL1", 1, 17, axes_to_input},
    {"", "ReduceL2", 1, 17, axes_to_input},
    {"", "ReduceLogSum", 1, 17, axes_to_input},
    {"", "ReduceLogSumExp", 1, 17, axes_to_input},
    {"", "Squeeze", 1, 12, axes_to_input},
    {"", "Unsqueeze", 1, 12, axes_to_input},
    {"", "Split", 1, 17, split},
    {"", "Slice", 1, 9, slice},
    {"", "Pad", 1, 10, pad},
    {"", "TopK", 1, 9, top_k},
    {"", "OneHot", 9, INT16_MAX, one_hot},
    {"", "Scatter", 9, INT16_MAX, scatter},
    {"", "Upsample", 7, 8, upsample_7},
    {"", "Upsample", 9, 9, resize_10},
    {"", "Resize", 10, 10, resize_10},
    {"", "Constant", 1, INT16_MAX, constant},
    {.op = NULL},
};
