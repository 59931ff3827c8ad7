// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <string.h>

static void same_as_input(maru_infer *infer)
{
    infer->outputs[0] = infer->inputs[0];
    infer->outputs[0].elems = NULL;
}

MARU_INFER(softmax)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", -1), infer->inputs[0].rank, &axis));
    same_as_input(infer);
    return MARU_OK;
}

/* Scale and bias must broadcast to the input, never beyond it. */
static maru_status check_unidirectional(maru_infer *infer, size_t index)
{
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *s = &infer->inputs[index];
    bool fits = s->rank <= x->rank;
    for (uint32_t d = 0; fits && d < s->rank; d++)
        fits = s->dims[d] == 1 || maru_infer_same_dim(infer, s->dims[d], x->dims[x->rank - s->rank + d]);
    if (fits)
        return MARU_OK;
    char a[256], b[256];
    return maru_infer_fail(infer, "input %zu, %s, does not broadcast to %s", index,
                           maru_infer_describe(infer, index, a, sizeof a), maru_infer_describe(infer, 0, b, sizeof b));
}

MARU_INFER(layer_norm)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    const maru_infer_value *x = &infer->inputs[0];
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", -1), x->rank, &axis));
    for (size_t i = 1; i < infer->node->n_inputs; i++)
        MARU_TRY(check_unidirectional(infer, i));
    same_as_input(infer);
    const int64_t stash = maru_node_int(infer->node, "stash_type", MARU_F32);
    for (uint32_t i = 1; i < infer->node->n_outputs; i++) {
        infer->outputs[i] = *x;
        infer->outputs[i].elems = NULL;
        infer->outputs[i].dtype = (maru_dtype)stash;
        for (uint32_t d = axis; d < x->rank; d++)
            infer->outputs[i].dims[d] = 1;
    }
    return MARU_OK;
}

MARU_INFER(rms_norm)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", -1), infer->inputs[0].rank, &axis));
    MARU_TRY(check_unidirectional(infer, 1));
    same_as_input(infer);
    return MARU_OK;
}

static maru_status check_per_channel(maru_infer *infer, size_t first, size_t last)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    const maru_infer_value *x = &infer->inputs[0];
    if (x->rank < 2)
        return maru_infer_fail(infer, "the input must have rank 2 or more, it has %u", x->rank);
    for (size_t i = first; i <= last; i++) {
        const maru_infer_value *v = &infer->inputs[i];
        if (v->rank != 1 || !maru_infer_same_dim(infer, v->dims[0], x->dims[1])) {
            char a[256], b[256];
            return maru_infer_fail(infer, "input %zu, %s, must have one element per channel of %s", i,
                                   maru_infer_describe(infer, i, a, sizeof a),
                                   maru_infer_describe(infer, 0, b, sizeof b));
        }
    }
    same_as_input(infer);
    return MARU_OK;
}

MARU_INFER(batch_norm)
{
    if (maru_node_int(infer->node, "training_mode", 0) != 0)
        return maru_infer_fail(infer, "training_mode is not supported");
    return check_per_channel(infer, 1, 4);
}

MARU_INFER(instance_norm)
{
    return check_per_channel(infer, 1, 2);
}

MARU_INFER(group_norm)
{
    MARU_TRY(check_per_channel(infer, 1, 2));
    const int64_t groups = maru_node_int(infer->node, "num_groups", 0);
    maru_dim per_group = 0;
    if (groups < 1 || !maru_expr_divide(&infer->graph->exprs, infer->inputs[0].dims[1], groups, &per_group))
        return maru_infer_fail(infer, "num_groups %lld does not divide the channels", (long long)groups);
    return MARU_OK;
}
