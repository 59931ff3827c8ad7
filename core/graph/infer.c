// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/str.h"

maru_status maru_infer_fail(const maru_infer *infer, const char *fmt, ...)
{
    char sentence[768];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    const char *scope = infer->node->scope;
    return maru_fail(MARU_INVALID_ARGUMENT, "%s: %s%s%s%s", infer->node->op->name, sentence, *scope ? " (in '" : "",
                     scope, *scope ? "')" : "");
}

const char *maru_infer_describe(const maru_infer *infer, size_t index, char *room, size_t room_bytes)
{
    const maru_infer_value *v = &infer->inputs[index];
    maru_str s = {0};
    maru_str_append(&s, maru_dtype_name(v->dtype));
    maru_dims_print(&infer->graph->exprs, v->dims, v->rank, &s);
    snprintf(room, room_bytes, "%s", maru_str_get(&s));
    maru_str_fini(&s);
    return room;
}

bool maru_infer_has(const maru_infer *infer, size_t index)
{
    return index < infer->node->n_inputs && infer->inputs[index].dtype != MARU_DTYPE_NONE;
}

maru_status maru_infer_axis(const maru_infer *infer, int64_t axis, uint32_t rank, uint32_t *out_axis)
{
    const int64_t at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= (int64_t)rank)
        return maru_infer_fail(infer, "axis %lld is outside rank %u", (long long)axis, rank);
    *out_axis = (uint32_t)at;
    return MARU_OK;
}

bool maru_infer_same_dim(const maru_infer *infer, maru_dim a, maru_dim b)
{
    int64_t ca = 0;
    int64_t cb = 0;
    return a == b || (maru_expr_is_const(&infer->graph->exprs, a, &ca) &&
                      maru_expr_is_const(&infer->graph->exprs, b, &cb) && ca == cb);
}

static maru_status fail_broadcast(maru_infer *infer, size_t first, size_t count, const maru_infer_value *out,
                                  uint32_t axis, maru_dim a, maru_dim b)
{
    maru_str s = {0};
    for (size_t i = first; i < first + count; i++) {
        char text[256];
        maru_str_append(&s, i > first ? " and " : "");
        maru_str_append(&s, maru_infer_describe(infer, i, text, sizeof text));
    }
    maru_str_printf(&s, " do not broadcast: ");
    maru_expr_print(&infer->graph->exprs, a, &s);
    maru_str_append(&s, " against ");
    maru_expr_print(&infer->graph->exprs, b, &s);
    maru_str_printf(&s, " at axis %d; equal dims or 1 would fit", (int)axis - (int)out->rank);
    maru_status status = maru_infer_fail(infer, "%s", maru_str_get(&s));
    maru_str_fini(&s);
    return status;
}

maru_status maru_infer_broadcast(maru_infer *infer, size_t first, size_t count, maru_infer_value *out)
{
    out->rank = 0;
    for (size_t i = first; i < first + count; i++)
        out->rank = infer->inputs[i].rank > out->rank ? infer->inputs[i].rank : out->rank;
    for (uint32_t d = 0; d < out->rank; d++) {
        maru_dim dim = 1;
        for (size_t i = first; i < first + count; i++) {
            const maru_infer_value *v = &infer->inputs[i];
            if (d + v->rank < out->rank)
                continue;
            const maru_dim own = v->dims[d + v->rank - out->rank];
            if (own == 1 || maru_infer_same_dim(infer, own, dim))
                continue;
            // A table of 512 positions, cut to seq, fits what has seq positions: there are never more than 512.
            if (dim != 1 && maru_expr_narrow(&infer->graph->exprs, dim, own))
                continue;
            if (dim != 1 && !maru_expr_narrow(&infer->graph->exprs, own, dim))
                return fail_broadcast(infer, first, count, out, d, dim, own);
            dim = own;
        }
        out->dims[d] = dim;
    }
    return MARU_OK;
}

static char class_letter(maru_dtype dtype)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    return info ? "fiubsq"[info->kind] : '?';
}

maru_status maru_infer_require_class(const maru_infer *infer, size_t index, const char *classes)
{
    const char letter = class_letter(infer->inputs[index].dtype);
    if (strchr(classes, letter))
        return MARU_OK;
    maru_str wanted = {0};
    for (const char *c = classes; *c; c++) {
        const char *name = *c == 'f' ? "float" : *c == 'i' ? "signed integer" : *c == 'u' ? "unsigned integer" : "bool";
        maru_str_printf(&wanted, "%s%s", c == classes ? "" : c[1] ? ", " : " or ", name);
    }
    maru_status status = maru_infer_fail(infer, "input %zu is %s, it must be %s", index,
                                         maru_dtype_name(infer->inputs[index].dtype), maru_str_get(&wanted));
    maru_str_fini(&wanted);
    return status;
}

maru_status maru_infer_require_same_dtype(const maru_infer *infer, size_t a, size_t b)
{
    if (infer->inputs[a].dtype == infer->inputs[b].dtype)
        return MARU_OK;
    return maru_infer_fail(infer, "inputs %zu and %zu have dtypes %s and %s; cast one of them", a, b,
                           maru_dtype_name(infer->inputs[a].dtype), maru_dtype_name(infer->inputs[b].dtype));
}

maru_status maru_infer_ints(const maru_infer *infer, size_t index, int64_t *out, size_t room, size_t *out_n)
{
    const maru_infer_value *v = &infer->inputs[index];
    *out_n = v->n_elems;
    if (!v->elems)
        return maru_infer_fail(infer, "input %zu must be known when the graph is built", index);
    if (v->n_elems > room)
        return maru_infer_fail(infer, "input %zu has %u elements, at most %zu make sense", index, v->n_elems, room);
    for (uint32_t i = 0; i < v->n_elems; i++) {
        if (!maru_expr_is_const(&infer->graph->exprs, v->elems[i], &out[i])) {
            char text[128];
            maru_graph_dim_text(infer->graph, v->elems[i], text, sizeof text);
            return maru_infer_fail(infer, "input %zu must be plain numbers, element %u is %s", index, i, text);
        }
    }
    return MARU_OK;
}
