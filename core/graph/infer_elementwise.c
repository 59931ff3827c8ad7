// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <string.h>

static void like(const maru_infer_value *from, maru_infer_value *to)
{
    to->dtype = from->dtype;
    to->rank = from->rank;
    memcpy(to->dims, from->dims, from->rank * sizeof *from->dims);
}

static void keep_elems(maru_infer *infer, const maru_infer_value *from)
{
    infer->outputs[0].elems = from->elems;
    infer->outputs[0].n_elems = from->n_elems;
}

MARU_INFER(unary)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    like(&infer->inputs[0], &infer->outputs[0]);
    return MARU_OK;
}

static maru_status negate_elems(maru_infer *infer)
{
    const maru_infer_value *in = &infer->inputs[0];
    for (uint32_t i = 0; i < in->n_elems; i++)
        MARU_TRY(maru_expr_make(&infer->graph->exprs, MARU_EXPR_SUB, 0, in->elems[i], &infer->elem_room[i]));
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = in->n_elems;
    return MARU_OK;
}

MARU_INFER(unary_number)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    like(&infer->inputs[0], &infer->outputs[0]);
    return infer->node->op->id == MARU_OP_NEG && infer->inputs[0].elems ? negate_elems(infer) : MARU_OK;
}

MARU_INFER(unary_any)
{
    like(&infer->inputs[0], &infer->outputs[0]);
    keep_elems(infer, &infer->inputs[0]);
    return MARU_OK;
}

MARU_INFER(bitwise_not)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "iu"));
    like(&infer->inputs[0], &infer->outputs[0]);
    return MARU_OK;
}

MARU_INFER(logical_not)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "b"));
    like(&infer->inputs[0], &infer->outputs[0]);
    return MARU_OK;
}

MARU_INFER(is_class)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    like(&infer->inputs[0], &infer->outputs[0]);
    infer->outputs[0].dtype = MARU_BOOL;
    return MARU_OK;
}

static maru_status cast_to(maru_infer *infer, maru_dtype to)
{
    like(&infer->inputs[0], &infer->outputs[0]);
    infer->outputs[0].dtype = to;
    const maru_dtype from = infer->inputs[0].dtype;
    if ((from == MARU_I64 || from == MARU_I32) && (to == MARU_I64 || to == MARU_I32))
        keep_elems(infer, &infer->inputs[0]);
    return MARU_OK;
}

MARU_INFER(cast)
{
    const int64_t to = maru_node_int(infer->node, "to", 0);
    const maru_dtype_info *info = to > 0 && to <= INT32_MAX ? maru_dtype_get_info((maru_dtype)to) : NULL;
    if (!info || info->kind == MARU_CLASS_BLOCK)
        return maru_infer_fail(infer, "to = %lld is not a dtype that can be cast to", (long long)to);
    return cast_to(infer, (maru_dtype)to);
}

MARU_INFER(cast_like)
{
    return cast_to(infer, infer->inputs[1].dtype);
}

/* Truncating division of known elements; only where the sign is known does it equal an expression. */
static bool elem_divide(maru_infer *infer, maru_dim a, maru_dim b, maru_dim *out)
{
    maru_exprs *exprs = &infer->graph->exprs;
    int64_t min_a = 0, max_a = 0, min_b = 0, max_b = 0;
    maru_expr_range(exprs, a, &min_a, &max_a);
    maru_expr_range(exprs, b, &min_b, &max_b);
    if (min_a >= 0 && min_b > 0)
        return maru_expr_make(exprs, MARU_EXPR_FLOORDIV, a, b, out) == MARU_OK;
    if (min_a == max_a && min_b == max_b && min_b != 0 && min_a != INT64_MIN)
        return maru_expr_const(exprs, min_a / min_b, out) == MARU_OK;
    return false;
}

static bool elem_combine(maru_infer *infer, maru_dim a, maru_dim b, maru_dim *out)
{
    maru_exprs *exprs = &infer->graph->exprs;
    switch ((int)infer->node->op->id) {
    case MARU_OP_ADD: return maru_expr_make(exprs, MARU_EXPR_ADD, a, b, out) == MARU_OK;
    case MARU_OP_SUB: return maru_expr_make(exprs, MARU_EXPR_SUB, a, b, out) == MARU_OK;
    case MARU_OP_MUL: return maru_expr_make(exprs, MARU_EXPR_MUL, a, b, out) == MARU_OK;
    case MARU_OP_MIN: return maru_expr_make(exprs, MARU_EXPR_MIN, a, b, out) == MARU_OK;
    case MARU_OP_MAX: return maru_expr_make(exprs, MARU_EXPR_MAX, a, b, out) == MARU_OK;
    case MARU_OP_DIV: return elem_divide(infer, a, b, out);
    case MARU_OP_MOD:
        return maru_node_int(infer->node, "fmod", 0) == 0 &&
               maru_expr_make(exprs, MARU_EXPR_MOD, a, b, out) == MARU_OK;
    default: return false;
    }
}

/* Follows the elements of two small integer tensors through arithmetic. */
static void combine_elems(maru_infer *infer)
{
    const maru_infer_value *a = &infer->inputs[0];
    const maru_infer_value *b = &infer->inputs[1];
    if (infer->node->n_inputs != 2 || !a->elems || !b->elems || infer->outputs[0].rank > 1)
        return;
    const uint32_t n = a->n_elems > b->n_elems ? a->n_elems : b->n_elems;
    if (n > MARU_INFER_MAX_ELEMS || (a->n_elems != n && a->n_elems != 1) || (b->n_elems != n && b->n_elems != 1))
        return;
    for (uint32_t i = 0; i < n; i++)
        if (!elem_combine(infer, a->elems[a->n_elems == 1 ? 0 : i], b->elems[b->n_elems == 1 ? 0 : i],
                          &infer->elem_room[i]))
            return;
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = n;
}

MARU_INFER(binary)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    MARU_TRY(maru_infer_broadcast(infer, 0, 2, &infer->outputs[0]));
    combine_elems(infer);
    return MARU_OK;
}

MARU_INFER(variadic)
{
    const bool is_float_only = infer->node->op->id == MARU_OP_SUM || infer->node->op->id == MARU_OP_MEAN;
    for (size_t i = 0; i < infer->node->n_inputs; i++) {
        MARU_TRY(maru_infer_require_class(infer, i, is_float_only ? "f" : "fiu"));
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, i));
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    MARU_TRY(maru_infer_broadcast(infer, 0, infer->node->n_inputs, &infer->outputs[0]));
    combine_elems(infer);
    return MARU_OK;
}

static maru_status two_of_class(maru_infer *infer, const char *classes, maru_dtype result)
{
    MARU_TRY(maru_infer_require_class(infer, 0, classes));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    infer->outputs[0].dtype = result ? result : infer->inputs[0].dtype;
    return maru_infer_broadcast(infer, 0, 2, &infer->outputs[0]);
}

MARU_INFER(logical)
{
    return two_of_class(infer, "b", MARU_BOOL);
}

MARU_INFER(bitwise)
{
    if (infer->node->op->id == MARU_OP_BIT_SHIFT) {
        const char *direction = maru_node_string(infer->node, "direction", "");
        if (strcmp(direction, "LEFT") != 0 && strcmp(direction, "RIGHT") != 0)
            return maru_infer_fail(infer, "direction '%s' is neither LEFT nor RIGHT", direction);
    }
    return two_of_class(infer, "iu", MARU_DTYPE_NONE);
}

MARU_INFER(compare)
{
    return two_of_class(infer, infer->node->op->id == MARU_OP_EQUAL ? "fiub" : "fiu", MARU_BOOL);
}

MARU_INFER(pow)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    MARU_TRY(maru_infer_require_class(infer, 1, "fiu"));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return maru_infer_broadcast(infer, 0, 2, &infer->outputs[0]);
}

MARU_INFER(where)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "b"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 1, 2));
    infer->outputs[0].dtype = infer->inputs[1].dtype;
    return maru_infer_broadcast(infer, 0, 3, &infer->outputs[0]);
}

MARU_INFER(clip)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    for (size_t i = 1; i < 3; i++) {
        if (!maru_infer_has(infer, i))
            continue;
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, i));
        if (infer->inputs[i].rank != 0)
            return maru_infer_fail(infer, "input %zu must be a scalar, its rank is %u", i, infer->inputs[i].rank);
    }
    like(&infer->inputs[0], &infer->outputs[0]);
    return MARU_OK;
}

/* The slope broadcasts to the input, never the other way. */
MARU_INFER(prelu)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    MARU_TRY(maru_infer_broadcast(infer, 0, 2, &infer->outputs[0]));
    if (infer->outputs[0].rank != infer->inputs[0].rank)
        return maru_infer_fail(infer, "the slope's rank %u is above the input's %u", infer->inputs[1].rank,
                               infer->inputs[0].rank);
    like(&infer->inputs[0], &infer->outputs[0]);
    return MARU_OK;
}

/* The two have the same dims: no broadcasting. */
MARU_INFER(swiglu)
{
    MARU_TRY(two_of_class(infer, "f", MARU_DTYPE_NONE));
    const maru_infer_value *a = &infer->inputs[0];
    const maru_infer_value *b = &infer->inputs[1];
    bool same = a->rank == b->rank;
    for (uint32_t d = 0; same && d < a->rank; d++)
        same = maru_infer_same_dim(infer, a->dims[d], b->dims[d]);
    char left[256], right[256];
    return same ? MARU_OK
                : maru_infer_fail(infer, "%s and %s must have the same dims",
                                  maru_infer_describe(infer, 0, left, sizeof left),
                                  maru_infer_describe(infer, 1, right, sizeof right));
}
