// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/onnx.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"

/* What no symbol may hold becomes '_'. */
static void make_symbol_name(const char *text, char *out, size_t room)
{
    size_t n = 0;
    if (isdigit((unsigned char)*text))
        out[n++] = '_';
    for (; *text && n + 1 < room; text++)
        out[n++] = isalnum((unsigned char)*text) && (unsigned char)*text < 0x80 ? *text : '_';
    out[n] = 0;
}

static bool is_constant(const onnx_dim *dim)
{
    return dim->value_case == MARU__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value >= 0;
}

/* Exporters write 10^9 for "to the end", which then is the end. */
#define LARGEST_DIM 1000000000

/* "?" is nobody's name. */
const char *maru_onnx_dim_name(const onnx_dim *dim)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const bool is_named = dim->value_case == MARU__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                          dim->dim_param && strpbrk(dim->dim_param, letters) != NULL;
    return is_named ? dim->dim_param : "";
}

/* A graph's own symbol keeps its bounds. */
static bool has_symbol(const maru_graph *graph, const char *name)
{
    for (size_t i = 0; i < maru_graph_symbol_count(graph); i++)
        if (strcmp(maru_graph_symbol_info(graph, i, NULL), name) == 0)
            return true;
    return false;
}

maru_status maru_onnx_symbol(const char *name, const char *input, size_t axis, maru_graph *graph, maru_dim *out_dim)
{
    char text[160];
    char symbol[160];
    if (*name)
        snprintf(text, sizeof text, "%s", name);
    else
        snprintf(text, sizeof text, "%s_%zu", input, axis);
    make_symbol_name(text, symbol, sizeof symbol);
    // A cache is empty when a text begins: exporters call its length past_sequence_length and the like.
    const maru_symbol_params params = {.min = strstr(symbol, "past") ? -1 : 0, .max = LARGEST_DIM};
    return maru_graph_symbol(graph, symbol, has_symbol(graph, symbol) ? NULL : &params, out_dim);
}

static maru_status read_dim(const onnx_dim *dim, const char *input, size_t axis, maru_graph *graph, maru_dim *out)
{
    if (is_constant(dim)) {
        *out = dim->dim_value;
        return MARU_OK;
    }
    return maru_onnx_symbol(maru_onnx_dim_name(dim), input, axis, graph, out);
}

maru_status maru_onnx_input(const Maru__Onnx__ValueInfoProto *info, const maru_tensor *known, maru_graph *graph,
                            maru_value *out_value)
{
    const char *name = info->name ? info->name : "";
    const Maru__Onnx__TypeProto *type = info->type;
    if (!type || type->value_case != MARU__ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return maru_fail(MARU_UNSUPPORTED, "input '%s' is no tensor: sequences, maps and optionals are not supported",
                         name);
    const int32_t elem = type->tensor_type->has_elem_type ? type->tensor_type->elem_type : 0;
    if (elem < MARU_F32 || elem > MARU_I2 || elem == MARU_STRING || !maru_dtype_get_info((maru_dtype)elem))
        return maru_fail(MARU_UNSUPPORTED, "input '%s': element type %" PRId32 " of ONNX is not supported", name, elem);
    const Maru__Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    if (!shape)
        return maru_fail(MARU_UNSUPPORTED, "input '%s' has no shape: not even its rank is known", name);
    if (shape->n_dim > MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "input '%s': its rank is %zu, the largest is %d", name, shape->n_dim,
                         MARU_MAX_RANK);
    if (known && known->rank != shape->n_dim)
        return maru_fail(MARU_INVALID_ARGUMENT, "input '%s': its rank is %zu, dims of rank %u are given", name,
                         shape->n_dim, known->rank);
    maru_dim dims[MARU_MAX_RANK];
    for (size_t i = 0; i < shape->n_dim; i++) {
        if (known && !is_constant(shape->dim[i])) {
            dims[i] = known->dims[i];
            continue;
        }
        MARU_TRY(read_dim(shape->dim[i], name, i, graph, &dims[i]));
    }
    return maru_graph_input(graph, name, (maru_dtype)elem, dims, (uint32_t)shape->n_dim, out_value);
}
