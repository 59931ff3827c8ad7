// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

/* A number that an input of one element holds, as a dim. */
static maru_status one_elem(maru_infer *infer, size_t index, const char *what, maru_dim *out)
{
    const maru_infer_value *v = &infer->inputs[index];
    int64_t low = 0;
    int64_t high = 0;
    if (!v->elems || v->n_elems != 1)
        return maru_infer_fail(infer, "%s must be one number that is known when the graph is built", what);
    *out = v->elems[0];
    maru_expr_range(&infer->graph->exprs, *out, &low, &high);
    return high < 1 ? maru_infer_fail(infer, "%s is %lld", what, (long long)high) : MARU_OK;
}

/* n / 2 + 1 */
static maru_status half(maru_infer *infer, maru_dim n, maru_dim *out)
{
    maru_exprs *exprs = &infer->graph->exprs;
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_FLOORDIV, n, 2, out));
    return maru_expr_make(exprs, MARU_EXPR_ADD, *out, 1, out);
}

static maru_status complex_parts(maru_infer *infer, int64_t *out)
{
    const maru_infer_value *x = &infer->inputs[0];
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    if (x->rank >= 2 && maru_expr_is_const(&infer->graph->exprs, x->dims[x->rank - 1], out) &&
        (*out == 1 || *out == 2))
        return MARU_OK;
    return maru_infer_fail(infer, "the input's last dim must be 1 (real) or 2 (complex)");
}

static maru_status dft_length(maru_infer *infer, maru_dim present, bool is_half, maru_dim *out)
{
    maru_exprs *exprs = &infer->graph->exprs;
    if (maru_infer_has(infer, 1))
        return one_elem(infer, 1, "dft_length", out);
    *out = present;
    if (!is_half)
        return MARU_OK;
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_SUB, present, 1, out));
    return maru_expr_make(exprs, MARU_EXPR_MUL, *out, 2, out);
}

MARU_INFER(dft)
{
    maru_infer_value *out = &infer->outputs[0];
    const bool is_inverse = maru_node_int(infer->node, "inverse", 0) != 0;
    const bool is_onesided = maru_node_int(infer->node, "onesided", 0) != 0;
    int64_t parts = 0;
    int64_t given = -2;
    size_t n = 1;
    uint32_t axis = 0;
    maru_dim length = 0;
    MARU_TRY(complex_parts(infer, &parts));
    if (maru_infer_has(infer, 2))
        MARU_TRY(maru_infer_ints(infer, 2, &given, 1, &n));
    MARU_TRY(maru_infer_axis(infer, given, infer->inputs[0].rank, &axis));
    if (n != 1 || axis + 1 == infer->inputs[0].rank)
        return maru_infer_fail(infer, "the axis must be one number, and not the last axis");
    if (is_onesided && parts != (is_inverse ? 2 : 1))
        return maru_infer_fail(infer, "a onesided %s", is_inverse ? "inverse needs complex input"
                                                                 : "transform needs real input");
    *out = infer->inputs[0];
    out->elems = NULL;
    MARU_TRY(dft_length(infer, out->dims[axis], is_onesided && is_inverse, &length));
    out->dims[out->rank - 1] = is_onesided && is_inverse ? 1 : 2;
    out->dims[axis] = length;
    return is_onesided && !is_inverse ? half(infer, length, &out->dims[axis]) : MARU_OK;
}

static maru_status frame_length(maru_infer *infer, maru_dim *out)
{
    *out = maru_infer_has(infer, 2) ? infer->inputs[2].dims[0] : infer->inputs[0].dims[1];
    if (!maru_infer_has(infer, 3))
        return MARU_OK;
    MARU_TRY(one_elem(infer, 3, "frame_length", out));
    if (maru_infer_has(infer, 2) && !maru_infer_same_dim(infer, infer->inputs[2].dims[0], *out))
        return maru_infer_fail(infer, "the window must have frame_length elements");
    return MARU_OK;
}

MARU_INFER(stft)
{
    const maru_infer_value *x = &infer->inputs[0];
    maru_exprs *exprs = &infer->graph->exprs;
    maru_infer_value *out = &infer->outputs[0];
    const bool is_onesided = maru_node_int(infer->node, "onesided", 1) != 0;
    int64_t parts = 0;
    maru_dim step = 0;
    maru_dim length = 0;
    MARU_TRY(complex_parts(infer, &parts));
    if (x->rank != 3 || (maru_infer_has(infer, 2) && infer->inputs[2].rank != 1))
        return maru_infer_fail(infer, "the signal must have rank 3, it has %u, and a window rank 1", x->rank);
    if (is_onesided && parts != 1)
        return maru_infer_fail(infer, "onesided needs a real signal");
    if (maru_infer_has(infer, 2))
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, 2));
    MARU_TRY(one_elem(infer, 1, "frame_step", &step));
    MARU_TRY(frame_length(infer, &length));
    *out = (maru_infer_value){.dtype = x->dtype, .rank = 4, .dims = {x->dims[0], 0, length, 2}};
    if (is_onesided)
        MARU_TRY(half(infer, length, &out->dims[2]));
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_SUB, x->dims[1], length, &out->dims[1]));
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_FLOORDIV, out->dims[1], step, &out->dims[1]));
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_ADD, out->dims[1], 1, &out->dims[1]));
    return maru_expr_make(exprs, MARU_EXPR_MAX, out->dims[1], 0, &out->dims[1]);
}
