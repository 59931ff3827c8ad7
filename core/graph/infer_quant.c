// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

static maru_status check_scale(maru_infer *infer)
{
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *scale = &infer->inputs[1];
    MARU_TRY(maru_infer_require_class(infer, 1, "f"));
    const int64_t block = maru_node_int(infer->node, "block_size", 0);
    uint32_t axis = 0;
    if (scale->rank > 0)
        MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", 1), x->rank, &axis));
    const bool fits = scale->rank == 0 || (block > 0 ? scale->rank == x->rank : scale->rank == 1);
    if (!fits)
        return maru_infer_fail(infer, "the scale has rank %u: a scalar, a vector, or with block_size rank %u would fit",
                               scale->rank, x->rank);
    if (scale->rank == 1 && block == 0 && !maru_infer_same_dim(infer, scale->dims[0], x->dims[axis]))
        return maru_infer_fail(infer, "the scale must have one element per index of axis %u", axis);
    return MARU_OK;
}

static bool is_quantised(maru_dtype dtype)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    return info && (info->kind == MARU_CLASS_INT || info->kind == MARU_CLASS_UINT ||
                    (dtype >= MARU_F8E4M3FN && dtype <= MARU_F8E5M2FNUZ) || dtype == MARU_F4E2M1);
}

MARU_INFER(quantize_linear)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fi"));
    MARU_TRY(check_scale(infer));
    const int64_t asked = maru_node_int(infer->node, "output_dtype", 0);
    maru_dtype to = asked ? (maru_dtype)asked : MARU_U8;
    if (maru_infer_has(infer, 2)) {
        to = infer->inputs[2].dtype;
        if (asked && (maru_dtype)asked != to)
            return maru_infer_fail(infer, "output_dtype differs from the zero point's dtype %s", maru_dtype_name(to));
    }
    if (!is_quantised(to))
        return maru_infer_fail(infer, "cannot quantise to %s", maru_dtype_name(to));
    infer->outputs[0] = infer->inputs[0];
    infer->outputs[0].elems = NULL;
    infer->outputs[0].dtype = to;
    return MARU_OK;
}

MARU_INFER(dequantize_linear)
{
    if (!is_quantised(infer->inputs[0].dtype))
        return maru_infer_fail(infer, "input 0 is %s, it must be a quantised dtype",
                               maru_dtype_name(infer->inputs[0].dtype));
    MARU_TRY(check_scale(infer));
    if (maru_infer_has(infer, 2))
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, 2));
    const int64_t asked = maru_node_int(infer->node, "output_dtype", 0);
    infer->outputs[0] = infer->inputs[0];
    infer->outputs[0].elems = NULL;
    infer->outputs[0].dtype = asked ? (maru_dtype)asked : infer->inputs[1].dtype;
    return MARU_OK;
}
