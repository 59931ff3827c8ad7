// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

/* Products of 8-bit integers, and what makes such integers of floats. */

/* ---- dtypes ---- */

static maru_status require_byte(const maru_infer *infer, size_t index)
{
    const maru_dtype dtype = infer->inputs[index].dtype;
    if (dtype == MARU_I8 || dtype == MARU_U8)
        return MARU_OK;
    return maru_infer_fail(infer, "input %zu is %s, it must be i8 or u8", index, maru_dtype_name(dtype));
}

static maru_status require_byte_or_float8(const maru_infer *infer, size_t index)
{
    const maru_dtype dtype = infer->inputs[index].dtype;
    if (dtype == MARU_I8 || dtype == MARU_U8 || (dtype >= MARU_F8E4M3FN && dtype <= MARU_F8E5M2FNUZ))
        return MARU_OK;
    return maru_infer_fail(infer, "input %zu is %s, it must be i8, u8 or a float of 8 bits", index,
                           maru_dtype_name(dtype));
}

static maru_status require_dtype(const maru_infer *infer, size_t index, maru_dtype dtype)
{
    if (infer->inputs[index].dtype == dtype)
        return MARU_OK;
    return maru_infer_fail(infer, "input %zu is %s, it must be %s", index,
                           maru_dtype_name(infer->inputs[index].dtype), maru_dtype_name(dtype));
}

/* ---- scales and zero points ---- */

static bool is_one_element(const maru_infer_value *v)
{
    return v->rank == 0 || (v->rank == 1 && v->dims[0] == 1);
}

static maru_status require_one_element(const maru_infer *infer, size_t index)
{
    char text[256];
    if (is_one_element(&infer->inputs[index]))
        return MARU_OK;
    return maru_infer_fail(infer, "input %zu, %s, must have one element", index,
                           maru_infer_describe(infer, index, text, sizeof text));
}

/* A vector, or as many dims as the matrices have, 1 along the axis that is summed over. */
static bool fits_side(const maru_infer *infer, const maru_infer_value *v, const maru_infer_value *of, bool is_column)
{
    if (is_one_element(v))
        return true;
    if (of->rank < 2 || (v->rank != 1 && v->rank != of->rank))
        return false;
    const uint32_t axis = of->rank - (is_column ? 1 : 2);
    if (v->rank == 1)
        return maru_infer_same_dim(infer, v->dims[0], of->dims[axis]);
    const uint32_t inner = of->rank - (is_column ? 2 : 1);
    for (uint32_t d = 0; d < v->rank; d++)
        if (v->dims[d] != 1 && (d == inner || !maru_infer_same_dim(infer, v->dims[d], of->dims[d])))
            return false;
    return true;
}

/* Input `index`, if it is there: one element, or one per row or column of input `of`. */
static maru_status require_side(const maru_infer *infer, size_t index, size_t of, bool is_column)
{
    char a[256], b[256];
    if (!maru_infer_has(infer, index) ||
        fits_side(infer, &infer->inputs[index], &infer->inputs[of], is_column))
        return MARU_OK;
    return maru_infer_fail(infer, "input %zu, %s, must have one element or one per %s of %s", index,
                           maru_infer_describe(infer, index, a, sizeof a), is_column ? "column" : "row",
                           maru_infer_describe(infer, of, b, sizeof b));
}

/* Input `index`, if it is there: one element, or one per output channel of the weights. */
static maru_status require_channels(const maru_infer *infer, size_t index, size_t weights)
{
    const maru_infer_value *v = &infer->inputs[index];
    const maru_infer_value *w = &infer->inputs[weights];
    char a[256], b[256];
    if (!maru_infer_has(infer, index) || is_one_element(v) ||
        (v->rank == 1 && w->rank > 0 && maru_infer_same_dim(infer, v->dims[0], w->dims[0])))
        return MARU_OK;
    return maru_infer_fail(infer, "input %zu, %s, must have one element or one per output channel of %s", index,
                           maru_infer_describe(infer, index, a, sizeof a),
                           maru_infer_describe(infer, weights, b, sizeof b));
}

/* Zero points are of what they shift. */
static maru_status require_zero_dtype(const maru_infer *infer, size_t index, size_t of)
{
    return maru_infer_has(infer, index) ? maru_infer_require_same_dtype(infer, of, index) : MARU_OK;
}

/* ---- int32 products ---- */

MARU_INFER(matmul_integer)
{
    for (size_t i = 0; i < 2; i++) {
        MARU_TRY(require_byte(infer, i));
        MARU_TRY(require_zero_dtype(infer, i + 2, i));
        MARU_TRY(require_side(infer, i + 2, i, i == 1));
    }
    infer->outputs[0].dtype = MARU_I32;
    return maru_infer_matmul_dims(infer, 0, 1, &infer->outputs[0]);
}

MARU_INFER(conv_integer)
{
    enum { NO_BIAS = 4 };
    for (size_t i = 0; i < 2; i++) {
        MARU_TRY(require_byte(infer, i));
        MARU_TRY(require_zero_dtype(infer, i + 2, i));
    }
    if (maru_infer_has(infer, 2))
        MARU_TRY(require_one_element(infer, 2));
    MARU_TRY(require_channels(infer, 3, 1));
    infer->outputs[0].dtype = MARU_I32;
    return maru_infer_conv_dims(infer, 1, NO_BIAS, &infer->outputs[0]);
}

/* ---- quantised products: x, its scale and zero point; the same of w; of y ---- */

/* The dtypes of all three, and that y is quantised as a whole. */
static maru_status check_scales(const maru_infer *infer)
{
    static const size_t scales[] = {1, 4, 6};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        const maru_dtype dtype = infer->inputs[scales[i]].dtype;
        if (dtype != MARU_F32 && dtype != MARU_F16 && dtype != MARU_BF16)
            return maru_infer_fail(infer, "input %zu is %s, a scale must be f32, f16 or bf16", scales[i],
                                   maru_dtype_name(dtype));
        MARU_TRY(maru_infer_require_same_dtype(infer, 1, scales[i]));
    }
    MARU_TRY(require_one_element(infer, 6));
    return require_one_element(infer, 7);
}

MARU_INFER(qlinear_matmul)
{
    for (size_t i = 0; i < 6; i += 3) {
        MARU_TRY(require_byte_or_float8(infer, i));
        MARU_TRY(require_zero_dtype(infer, i + 2, i));
        MARU_TRY(require_side(infer, i + 1, i, i == 3));
        MARU_TRY(require_side(infer, i + 2, i, i == 3));
    }
    MARU_TRY(check_scales(infer));
    MARU_TRY(require_byte_or_float8(infer, 7));
    infer->outputs[0].dtype = infer->inputs[7].dtype;
    return maru_infer_matmul_dims(infer, 0, 3, &infer->outputs[0]);
}

MARU_INFER(qlinear_conv)
{
    for (size_t i = 0; i < 6; i += 3) {
        MARU_TRY(require_byte(infer, i));
        MARU_TRY(require_zero_dtype(infer, i + 2, i));
    }
    MARU_TRY(require_dtype(infer, 1, MARU_F32));
    MARU_TRY(check_scales(infer));
    MARU_TRY(require_byte(infer, 7));
    for (size_t i = 1; i < 3; i++) {
        MARU_TRY(require_one_element(infer, i));
        MARU_TRY(require_channels(infer, i + 3, 3));
    }
    if (maru_infer_has(infer, 8))
        MARU_TRY(require_dtype(infer, 8, MARU_I32));
    infer->outputs[0].dtype = infer->inputs[7].dtype;
    return maru_infer_conv_dims(infer, 3, 8, &infer->outputs[0]);
}

MARU_INFER(dynamic_quantize_linear)
{
    MARU_TRY(require_dtype(infer, 0, MARU_F32));
    infer->outputs[0] = infer->inputs[0];
    infer->outputs[0].elems = NULL;
    infer->outputs[0].dtype = MARU_U8;
    infer->outputs[1].dtype = MARU_F32;
    infer->outputs[2].dtype = MARU_U8;
    return MARU_OK;
}
