// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <string.h>

static maru_status mark_axes(maru_infer *infer, bool *reduced)
{
    const maru_infer_value *in = &infer->inputs[0];
    int64_t axes[MARU_MAX_RANK];
    size_t n = 0;
    if (maru_infer_has(infer, 1))
        MARU_TRY(maru_infer_ints(infer, 1, axes, MARU_MAX_RANK, &n));
    if (n == 0) {
        const bool all = !maru_node_int(infer->node, "noop_with_empty_axes", 0);
        for (uint32_t d = 0; d < in->rank; d++)
            reduced[d] = all;
        return MARU_OK;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t axis = 0;
        MARU_TRY(maru_infer_axis(infer, axes[i], in->rank, &axis));
        reduced[axis] = true;
    }
    return MARU_OK;
}

static void drop_axes(const maru_infer *infer, const bool *reduced, bool keep, maru_infer_value *out)
{
    const maru_infer_value *in = &infer->inputs[0];
    for (uint32_t d = 0; d < in->rank; d++) {
        if (!reduced[d])
            out->dims[out->rank++] = in->dims[d];
        else if (keep)
            out->dims[out->rank++] = 1;
    }
}

MARU_INFER(reduce)
{
    const maru_op op = infer->node->op->id;
    const bool takes_bool = op == MARU_OP_REDUCE_MAX || op == MARU_OP_REDUCE_MIN;
    MARU_TRY(maru_infer_require_class(infer, 0, takes_bool ? "fiub" : "fiu"));
    bool reduced[MARU_MAX_RANK] = {false};
    MARU_TRY(mark_axes(infer, reduced));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    drop_axes(infer, reduced, maru_node_int(infer->node, "keepdims", 1) != 0, &infer->outputs[0]);
    return MARU_OK;
}

MARU_INFER(arg_reduce)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", 0), infer->inputs[0].rank, &axis));
    bool reduced[MARU_MAX_RANK] = {false};
    reduced[axis] = true;
    infer->outputs[0].dtype = MARU_I64;
    drop_axes(infer, reduced, maru_node_int(infer->node, "keepdims", 1) != 0, &infer->outputs[0]);
    return MARU_OK;
}

MARU_INFER(cumsum)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    int64_t axis = 0;
    size_t n = 0;
    MARU_TRY(maru_infer_ints(infer, 1, &axis, 1, &n));
    uint32_t at = 0;
    MARU_TRY(maru_infer_axis(infer, axis, infer->inputs[0].rank, &at));
    infer->outputs[0] = infer->inputs[0];
    infer->outputs[0].elems = NULL;
    return MARU_OK;
}

MARU_INFER(topk)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    const maru_infer_value *in = &infer->inputs[0];
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", -1), in->rank, &axis));
    if (!infer->inputs[1].elems || infer->inputs[1].n_elems != 1)
        return maru_infer_fail(infer, "K must be one number that is known when the graph is built");
    const maru_dim k = infer->inputs[1].elems[0];
    int64_t wanted = 0;
    int64_t have = 0;
    if (maru_expr_is_const(&infer->graph->exprs, k, &wanted) &&
        (wanted < 0 || (maru_expr_is_const(&infer->graph->exprs, in->dims[axis], &have) && wanted > have)))
        return maru_infer_fail(infer, "K = %lld does not fit axis %u of %lld", (long long)wanted, axis,
                               (long long)have);
    for (int i = 0; i < 2; i++) {
        infer->outputs[i] = *in;
        infer->outputs[i].elems = NULL;
        infer->outputs[i].dims[axis] = k;
    }
    infer->outputs[1].dtype = MARU_I64;
    return MARU_OK;
}
