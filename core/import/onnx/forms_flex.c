// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* FlexAttention: attention whose scores and probabilities go through graphs of the model's own. */

#include "import/onnx/compose.h"
#include "import/onnx/import.h"

#include <math.h>
#include <stdint.h>

#include "base/fail.h"

/* (q, k, v), all (batch, heads, sequence, size). */
typedef struct flex {
    maru_dtype precision;   // of scores and probabilities
    int64_t n_heads, n_kv;
    double scale;
} flex;

static bool is_float(maru_dtype dtype)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    return info && info->kind == MARU_CLASS_FLOAT;
}

static maru_status read_flex(const onnx_node *n, flex *f)
{
    const maru_exprs *exprs = &n->import->graph->exprs;
    int64_t size = 0;
    for (size_t i = 0; i < 3; i++)
        if (!onnx_has(n, i) || onnx_record(n, n->inputs[i])->rank != 4)
            return maru_fail(MARU_INVALID_ARGUMENT, "FlexAttention: query, key and value must have rank 4");
    const maru_value_record *q = onnx_record(n, n->inputs[0]), *k = onnx_record(n, n->inputs[1]);
    if (!maru_expr_is_const(exprs, q->dims[1], &f->n_heads) || !maru_expr_is_const(exprs, k->dims[1], &f->n_kv) ||
        !maru_expr_is_const(exprs, q->dims[3], &size) || size < 1 || f->n_kv < 1 || f->n_heads % f->n_kv)
        return maru_fail(MARU_INVALID_ARGUMENT, "FlexAttention: the heads of the query must be known and a multiple of "
                         "those of the key");
    f->precision = (maru_dtype)onnx_attr_int(n, "softmax_precision", q->dtype == MARU_F64 ? MARU_F64 : MARU_F32);
    f->scale = onnx_attr_float(n, "scale", 1 / sqrt((double)size));
    return is_float(f->precision)
               ? MARU_OK
               : maru_fail(MARU_INVALID_ARGUMENT, "FlexAttention: softmax_precision %d is no float", (int)f->precision);
}

/* Each head of the key or value for as many of the query in a row. */
static maru_status repeat_heads(onnx_node *n, const flex *f, maru_value x, maru_value *out)
{
    const maru_value_record *v = onnx_record(n, x);
    const int64_t group = f->n_heads / f->n_kv;
    const maru_dim apart[] = {v->dims[0], v->dims[1], 1, v->dims[2], v->dims[3]};
    const maru_dim wide[] = {v->dims[0], v->dims[1], group, v->dims[2], v->dims[3]};
    const maru_dim joined[] = {v->dims[0], f->n_heads, v->dims[2], v->dims[3]};
    maru_value shape = MARU_NO_VALUE;
    *out = x;
    if (group == 1)
        return MARU_OK;
    MARU_TRY(onnx_reshape(n, x, apart, 5, out));
    MARU_TRY(maru_graph_shape(n->import->graph, wide, 5, &shape));
    MARU_TRY(onnx_op2(n, "Expand", *out, shape, out));
    return onnx_reshape(n, *out, joined, 4, out);
}

/* Through the graph of that attribute, if there is one. */
static maru_status modify(onnx_node *n, const char *name, maru_value *x)
{
    const onnx_attr *attr = onnx_attr_find(n, name);
    const maru_dtype dtype = onnx_record(n, *x)->dtype;
    const uint32_t rank = onnx_record(n, *x)->rank;
    if (!attr)
        return MARU_OK;
    if (!attr->g)
        return maru_fail(MARU_DATA_LOSS, "FlexAttention: attribute '%s' is no graph", name);
    MARU_TRY(onnx_run_graph(n, attr->g, x, 1, x, 1));
    if (onnx_record(n, *x)->dtype != dtype || onnx_record(n, *x)->rank != rank)
        return maru_fail(MARU_INVALID_ARGUMENT, "FlexAttention: %s changes the dtype or the rank", name);
    return MARU_OK;
}

static maru_status flex_attention(onnx_node *n)
{
    static const int64_t perm[] = {0, 1, 3, 2};
    const maru_attribute turned = MARU_ATTR_IS("perm", perm, 4);
    flex f;
    maru_value k = MARU_NO_VALUE, v = MARU_NO_VALUE, x = MARU_NO_VALUE;
    MARU_TRY(read_flex(n, &f));
    const maru_dtype dtype = onnx_record(n, n->inputs[0])->dtype;
    MARU_TRY(repeat_heads(n, &f, n->inputs[1], &k));
    MARU_TRY(repeat_heads(n, &f, n->inputs[2], &v));
    MARU_TRY(onnx_cast(n, n->inputs[0], f.precision, &x));
    MARU_TRY(onnx_cast(n, k, f.precision, &k));
    MARU_TRY(onnx_add(n, "Transpose", &k, 1, &turned, 1, &k));
    MARU_TRY(onnx_op2(n, "MatMul", x, k, &x));
    MARU_TRY(onnx_op_number(n, "Mul", x, f.scale, &x));
    MARU_TRY(modify(n, "score_mod", &x));
    MARU_TRY(onnx_op1(n, "Softmax", x, &x));
    MARU_TRY(modify(n, "prob_mod", &x));
    MARU_TRY(onnx_cast(n, v, f.precision, &v));
    MARU_TRY(onnx_op2(n, "MatMul", x, v, &x));
    return onnx_cast(n, x, dtype, &n->outputs[0]);
}

const onnx_form onnx_forms_flex[] = {
    {"ai.onnx.preview", "FlexAttention", 1, INT16_MAX, flex_attention},
    {.op = NULL},
};
