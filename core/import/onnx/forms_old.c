// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* What opsets 1 to 6 wrote otherwise: broadcasting by attributes, texts for dtypes, shapes as attributes. */

#include "import/onnx/compose.h"

#include <stdint.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

static maru_status need_inputs(const onnx_node *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!onnx_has(n, i))
            return maru_fail(MARU_DATA_LOSS, "input %zu is missing", i);
    return MARU_OK;
}

/* The dims of input 1 stand at those of input 0 from `axis` on: ones behind them bring them there. */
static maru_status stand_from(onnx_node *n, int64_t axis)
{
    maru_dim dims[MARU_MAX_RANK];
    const maru_value_record *b = onnx_record(n, n->inputs[1]);
    const uint32_t rank = onnx_record(n, n->inputs[0])->rank;
    axis += axis < 0 ? rank : 0;
    if (axis < 0 || axis + b->rank > rank)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: rank %u does not stand in rank %u from axis %lld on", n->op,
                         b->rank, rank, (long long)axis);
    for (uint32_t d = 0; d < rank - axis; d++)
        dims[d] = d < b->rank ? b->dims[d] : 1;
    return onnx_reshape(n, n->inputs[1], dims, rank - (uint32_t)axis, &n->inputs[1]);
}

/* Without an axis the dims stand at the end, as they do today. */
static maru_status broadcast(onnx_node *n)
{
    static const char *const without[] = {"broadcast", "axis", NULL};
    MARU_TRY(need_inputs(n, 2));
    if (onnx_attr_int(n, "broadcast", 0) && onnx_attr_find(n, "axis"))
        MARU_TRY(stand_from(n, onnx_attr_int(n, "axis", 0)));
    return onnx_add_as(n, n->op, without, NULL, 0);
}

/* One slope for each channel. */
static maru_status prelu(onnx_node *n)
{
    MARU_TRY(need_inputs(n, 2));
    const maru_value_record *slope = onnx_record(n, n->inputs[1]);
    if (slope->rank == 1 && slope->dims[0] != 1 && onnx_record(n, n->inputs[0])->rank > 2)
        MARU_TRY(stand_from(n, 1));
    return onnx_add_newest(n);
}

static maru_status gemm(onnx_node *n)
{
    static const char *const without[] = {"broadcast", NULL};
    return onnx_add_as(n, "Gemm", without, NULL, 0);
}

/* The dtype is a name. */
static maru_status cast(onnx_node *n)
{
    static const char *const names[] = {"FLOAT", "UINT8", "INT8",    "UINT16", "INT16",  "INT32", "INT64",
                                        "",      "BOOL",  "FLOAT16", "DOUBLE", "UINT32", "UINT64"};
    const onnx_attr *to = onnx_attr_find(n, "to");
    MARU_TRY(need_inputs(n, 1));
    for (size_t i = 0; to && to->has_s && i < sizeof names / sizeof *names; i++)
        if (*names[i] && to->s.len == strlen(names[i]) && memcmp(to->s.data, names[i], to->s.len) == 0)
            return onnx_cast(n, n->inputs[0], (maru_dtype)(MARU_F32 + i), &n->outputs[0]);
    return maru_fail(MARU_UNSUPPORTED, "Cast: its dtype is not known");
}

/* The shape is an attribute. */
static maru_status reshape(onnx_node *n)
{
    static const char *const without[] = {"shape", NULL};
    size_t count = 0;
    const int64_t *shape = onnx_attr_ints(n, "shape", &count);
    if (!shape)
        return onnx_add_newest(n);
    n->n_inputs = 2;
    MARU_TRY(onnx_ints(n, shape, count, &n->inputs[1]));
    return onnx_add_as(n, "Reshape", without, NULL, 0);
}

static maru_status concat(onnx_node *n)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 1);
    return onnx_add_as(n, "Concat", NULL, &axis, onnx_attr_find(n, "axis") ? 0 : 1);
}

/* (x, tiles, axis), both one number. */
static maru_status tile(onnx_node *n)
{
    double tiles = 0, axis = 0;
    int64_t repeats[MARU_MAX_RANK];
    int64_t at = 0;
    maru_value list = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 3));
    MARU_TRY(onnx_number(n, 1, "tiles", &tiles));
    MARU_TRY(onnx_number(n, 2, "the axis", &axis));
    if (!(tiles >= 0 && tiles <= INT32_MAX && axis >= -MARU_MAX_RANK && axis <= MARU_MAX_RANK))
        return maru_fail(MARU_INVALID_ARGUMENT, "Tile: %g tiles along axis %g make no sense", tiles, axis);
    MARU_TRY(onnx_axis(n, n->inputs[0], (int64_t)axis, &at));
    const uint32_t rank = onnx_record(n, n->inputs[0])->rank;
    for (uint32_t d = 0; d < rank; d++)
        repeats[d] = d == at ? (int64_t)tiles : 1;
    MARU_TRY(onnx_ints(n, repeats, rank, &list));
    return onnx_op2(n, "Tile", n->inputs[0], list, &n->outputs[0]);
}

/* The paddings had another name. */
static maru_status pad(onnx_node *n)
{
    static const char *const without[] = {"paddings", "value", NULL};
    size_t count = 0;
    const int64_t *pads = onnx_attr_ints(n, "paddings", &count);
    MARU_TRY(need_inputs(n, 1));
    n->n_inputs = 3;
    MARU_TRY(onnx_ints(n, pads, count, &n->inputs[1]));
    MARU_TRY(onnx_scalar_like(n, n->inputs[0], onnx_attr_float(n, "value", 0), &n->inputs[2]));
    return onnx_add_as(n, "Pad", without, NULL, 0);
}

/* Two factors, of the two last axes of a picture. */
static maru_status upsample(onnx_node *n)
{
    static const char *const without[] = {"height_scale", "width_scale", "mode", NULL};
    const float scales[] = {1, 1, (float)onnx_attr_float(n, "height_scale", 1),
                            (float)onnx_attr_float(n, "width_scale", 1)};
    const int64_t dims[] = {4};
    const maru_constant_source source = {.data = scales, .bytes = sizeof scales};
    const bool is_nearest = onnx_attr_is(n, "mode", "nearest", "nearest");
    const maru_attribute extra[] = {
        MARU_ATTR_S("mode", is_nearest ? "nearest" : "linear"),
        MARU_ATTR_S("coordinate_transformation_mode", "asymmetric"),
        MARU_ATTR_S("nearest_mode", "floor"),
    };
    MARU_TRY(need_inputs(n, 1));
    n->n_inputs = 3;
    n->inputs[1] = MARU_NO_VALUE;
    MARU_TRY(maru_graph_constant(n->import->graph, "", MARU_F32, dims, 1, &source, &n->inputs[2]));
    return onnx_add_as(n, "Resize", without, extra, 3);
}

static maru_status selu(onnx_node *n)
{
    const maru_attribute own[] = {MARU_ATTR_F("alpha", onnx_attr_float(n, "alpha", 1.6732f)),
                                  MARU_ATTR_F("gamma", onnx_attr_float(n, "gamma", 1.0507f))};
    MARU_TRY(need_inputs(n, 1));
    return onnx_add(n, "Selu", n->inputs, 1, own, 2, &n->outputs[0]);
}

/* Whether there is the whole sequence is said by the outputs too. */
static maru_status recurrent(onnx_node *n)
{
    static const char *const without[] = {"output_sequence", NULL};
    n->n_outputs = n->n_outputs ? n->n_outputs : 1;
    return onnx_add_as(n, n->op, without, NULL, 0);
}

const onnx_form onnx_forms_old[] = {
    {"", "Add", 1, 6, broadcast},
    {"", "Sub", 1, 6, broadcast},
    {"", "Mul", 1, 6, broadcast},
    {"", "Div", 1, 6, broadcast},
    {"", "Pow", 1, 6, broadcast},
    {"", "And", 1, 6, broadcast},
    {"", "Or", 1, 6, broadcast},
    {"", "Xor", 1, 6, broadcast},
    {"", "Equal", 1, 6, broadcast},
    {"", "Less", 1, 6, broadcast},
    {"", "Greater", 1, 6, broadcast},
    {"", "PRelu", 1, 6, prelu},
    {"", "Gemm", 1, 6, gemm},
    {"", "Cast", 1, 5, cast},
    {"", "Reshape", 1, 4, reshape},
    {"", "Concat", 1, 3, concat},
    {"", "Tile", 1, 5, tile},
    {"", "Pad", 1, 1, pad},
    {"", "Upsample", 1, 6, upsample},
    {"", "Selu", 1, 5, selu},
    {"", "LSTM", 1, 6, recurrent},
    {"", "GRU", 1, 6, recurrent},
    {"", "RNN", 1, 6, recurrent},
    {.op = NULL},
};
