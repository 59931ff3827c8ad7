// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <string.h>

/* Ops whose result's size, order or place the data decides, and those that read between pixels. */

static void same_as_input(maru_infer *infer, uint32_t output)
{
    infer->outputs[output] = infer->inputs[0];
    infer->outputs[output].elems = NULL;
}

static maru_status count_of(maru_infer *infer, size_t index, maru_dim *out)
{
    return maru_expr_product(&infer->graph->exprs, infer->inputs[index].dims, infer->inputs[index].rank, out);
}

/* ---- BitCast, ReverseSequence ---- */

MARU_INFER(bit_cast)
{
    const int64_t to = maru_node_int(infer->node, "to", 0);
    const maru_dtype_info *from_info = maru_dtype_get_info(infer->inputs[0].dtype);
    const maru_dtype_info *to_info = to > 0 && to < MARU_Q4_0 ? maru_dtype_get_info((maru_dtype)to) : NULL;
    if (!from_info || !to_info || from_info->block_elements != to_info->block_elements ||
        from_info->block_bytes != to_info->block_bytes)
        return maru_infer_fail(infer, "to = %lld is not a dtype of the same width as %s", (long long)to,
                               maru_dtype_name(infer->inputs[0].dtype));
    same_as_input(infer, 0);
    infer->outputs[0].dtype = (maru_dtype)to;
    return MARU_OK;
}

MARU_INFER(reverse_sequence)
{
    const maru_infer_value *x = &infer->inputs[0];
    uint32_t batch = 0;
    uint32_t time = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "batch_axis", 1), x->rank, &batch));
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "time_axis", 0), x->rank, &time));
    if (batch == time)
        return maru_infer_fail(infer, "batch_axis and time_axis are both %u", time);
    MARU_TRY(maru_infer_require_class(infer, 1, "i"));
    if (infer->inputs[1].rank != 1 || !maru_infer_same_dim(infer, infer->inputs[1].dims[0], x->dims[batch]))
        return maru_infer_fail(infer, "sequence_lens must have one number for each index of axis %u", batch);
    same_as_input(infer, 0);
    return MARU_OK;
}

/* ---- Compress, Unique ---- */

/* The axis that is cut, or the whole as one list. */
static maru_status cut(maru_infer *infer, maru_infer_value *out, uint32_t *axis, maru_dim *length)
{
    const maru_attribute *given = maru_node_attr(infer->node, "axis");
    *axis = 0;
    if (given) {
        MARU_TRY(maru_infer_axis(infer, given->i, infer->inputs[0].rank, axis));
        *out = infer->inputs[0];
        *length = out->dims[*axis];
    } else {
        MARU_TRY(count_of(infer, 0, length));
        *out = (maru_infer_value){.dtype = infer->inputs[0].dtype, .rank = 1, .dims = {*length}};
    }
    out->elems = NULL;
    return MARU_OK;
}

MARU_INFER(compress)
{
    const maru_infer_value *condition = &infer->inputs[1];
    maru_infer_value *out = &infer->outputs[0];
    uint32_t axis = 0;
    maru_dim length = 0;
    int64_t known = 0;
    int64_t kept = 0;
    MARU_TRY(maru_infer_require_class(infer, 1, "b"));
    if (condition->rank != 1)
        return maru_infer_fail(infer, "the condition must have rank 1, it has %u", condition->rank);
    MARU_TRY(cut(infer, out, &axis, &length));
    bool is_known = condition->elems && maru_expr_is_const(&infer->graph->exprs, length, &known);
    for (uint32_t i = 0; is_known && i < condition->n_elems && i < known; i++) {
        int64_t keeps = 0;
        is_known = maru_expr_is_const(&infer->graph->exprs, condition->elems[i], &keeps);
        kept += keeps != 0;
    }
    if (is_known)
        out->dims[axis] = kept;
    out->is_bound = !is_known;
    return MARU_OK;
}

MARU_INFER(unique)
{
    uint32_t axis = 0;
    maru_dim length = 0;
    MARU_TRY(maru_infer_require_class(infer, 0, "fiub"));
    MARU_TRY(cut(infer, &infer->outputs[0], &axis, &length));
    infer->outputs[0].is_bound = true;
    for (uint32_t i = 1; i < infer->node->n_outputs; i++)
        infer->outputs[i] = (maru_infer_value){.dtype = MARU_I64, .rank = 1, .dims = {length}, .is_bound = i != 2};
    return MARU_OK;
}

/* ---- TfIdfVectorizer ---- */

static maru_status check_pool(maru_infer *infer)
{
    const maru_attribute *pool = maru_node_attr(infer->node, "pool_int64s");
    const maru_attribute *starts = maru_node_attr(infer->node, "ngram_counts");
    const int64_t least = maru_node_int(infer->node, "min_gram_length", 1);
    const int64_t most = maru_node_int(infer->node, "max_gram_length", 1);
    const int64_t skip = maru_node_int(infer->node, "max_skip_count", 0);
    for (size_t i = 0; i < starts->n; i++)
        if (starts->ints[i] < (i ? starts->ints[i - 1] : 0) || starts->ints[i] > (int64_t)pool->n)
            return maru_infer_fail(infer, "ngram_counts[%zu] is %lld", i, (long long)starts->ints[i]);
    if (least < 1 || most < least || most > 4096 || skip < 0 || skip > 4096)
        return maru_infer_fail(infer, "n-grams of %lld to %lld with %lld skipped make no sense", (long long)least,
                               (long long)most, (long long)skip);
    return MARU_OK;
}

MARU_INFER(tf_idf_vectorizer)
{
    const maru_infer_value *x = &infer->inputs[0];
    const maru_attribute *indexes = maru_node_attr(infer->node, "ngram_indexes");
    int64_t largest = -1;
    MARU_TRY(maru_infer_require_class(infer, 0, "i"));
    MARU_TRY(check_pool(infer));
    if (x->rank != 1 && x->rank != 2)
        return maru_infer_fail(infer, "the input must have rank 1 or 2, it has %u", x->rank);
    for (size_t i = 0; i < indexes->n; i++) {
        if (indexes->ints[i] < 0 || indexes->ints[i] > 1 << 26)
            return maru_infer_fail(infer, "ngram_indexes[%zu] is %lld", i, (long long)indexes->ints[i]);
        largest = indexes->ints[i] > largest ? indexes->ints[i] : largest;
    }
    infer->outputs[0] = (maru_infer_value){.dtype = MARU_F32, .rank = x->rank, .dims = {x->dims[0]}};
    infer->outputs[0].dims[x->rank - 1] = largest + 1;
    return MARU_OK;
}

/* ---- between pixels ---- */

static maru_status require_one_of(const maru_infer *infer, const char *attr, const char *fallback,
                                  const char *const *known)
{
    const char *given = maru_node_string(infer->node, attr, fallback);
    for (; *known; known++)
        if (strcmp(given, *known) == 0)
            return MARU_OK;
    return maru_infer_fail(infer, "%s '%s' is not known", attr, given);
}

MARU_INFER(grid_sample)
{
    static const char *const modes[] = {"linear", "nearest", "cubic", NULL};
    static const char *const paddings[] = {"zeros", "border", "reflection", NULL};
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *grid = &infer->inputs[1];
    int64_t axes = 0;
    MARU_TRY(maru_infer_require_class(infer, 0, "fiub"));
    MARU_TRY(maru_infer_require_class(infer, 1, "f"));
    MARU_TRY(require_one_of(infer, "mode", "linear", modes));
    MARU_TRY(require_one_of(infer, "padding_mode", "zeros", paddings));
    if (x->rank < 3 || grid->rank != x->rank || !maru_infer_same_dim(infer, grid->dims[0], x->dims[0]) ||
        !maru_expr_is_const(&infer->graph->exprs, grid->dims[x->rank - 1], &axes) || axes != (int64_t)x->rank - 2) {
        char a[256], b[256];
        return maru_infer_fail(infer, "a grid of %s does not fit an input of %s",
                               maru_infer_describe(infer, 1, a, sizeof a), maru_infer_describe(infer, 0, b, sizeof b));
    }
    same_as_input(infer, 0);
    for (uint32_t d = 2; d < x->rank; d++)
        infer->outputs[0].dims[d] = grid->dims[d - 1];
    return MARU_OK;
}

MARU_INFER(roi_align)
{
    static const char *const modes[] = {"avg", "max", NULL};
    static const char *const transforms[] = {"half_pixel", "output_half_pixel", NULL};
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *rois = &infer->inputs[1];
    const int64_t height = maru_node_int(infer->node, "output_height", 1);
    const int64_t width = maru_node_int(infer->node, "output_width", 1);
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    MARU_TRY(maru_infer_require_class(infer, 2, "iu"));
    MARU_TRY(require_one_of(infer, "mode", "avg", modes));
    MARU_TRY(require_one_of(infer, "coordinate_transformation_mode", "half_pixel", transforms));
    if (x->rank != 4 || rois->rank != 2 || !maru_infer_same_dim(infer, rois->dims[1], 4) ||
        infer->inputs[2].rank != 1 || !maru_infer_same_dim(infer, infer->inputs[2].dims[0], rois->dims[0]))
        return maru_infer_fail(infer, "the input must have rank 4, the regions 4 numbers and an image each");
    const int64_t ratio = maru_node_int(infer->node, "sampling_ratio", 0);
    if (ratio < 0 || ratio > 1024)
        return maru_infer_fail(infer, "sampling_ratio %lld makes no sense", (long long)ratio);
    if (height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
        return maru_infer_fail(infer, "an output of %lld x %lld makes no sense", (long long)height, (long long)width);
    infer->outputs[0] = (maru_infer_value){
        .dtype = x->dtype, .rank = 4, .dims = {rois->dims[0], x->dims[1], height, width}};
    return MARU_OK;
}

/* ---- NonMaxSuppression ---- */

MARU_INFER(non_max_suppression)
{
    const maru_infer_value *boxes = &infer->inputs[0];
    const maru_infer_value *scores = &infer->inputs[1];
    maru_exprs *exprs = &infer->graph->exprs;
    maru_infer_value *out = &infer->outputs[0];
    maru_dim each = 0;
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    MARU_TRY(maru_infer_require_class(infer, 1, "f"));
    if (boxes->rank != 3 || scores->rank != 3 || !maru_infer_same_dim(infer, boxes->dims[2], 4) ||
        !maru_infer_same_dim(infer, boxes->dims[0], scores->dims[0]) ||
        !maru_infer_same_dim(infer, boxes->dims[1], scores->dims[2])) {
        char a[256], b[256];
        return maru_infer_fail(infer, "boxes of %s and scores of %s do not fit each other",
                               maru_infer_describe(infer, 0, a, sizeof a), maru_infer_describe(infer, 1, b, sizeof b));
    }
    *out = (maru_infer_value){.dtype = MARU_I64, .rank = 2, .dims = {0, 3}, .is_bound = true};
    if (!maru_infer_has(infer, 2))
        return MARU_OK;
    MARU_TRY(maru_infer_require_class(infer, 2, "i"));
    each = boxes->dims[1];
    if (infer->inputs[2].elems && infer->inputs[2].n_elems == 1) {
        MARU_TRY(maru_expr_make(exprs, MARU_EXPR_MIN, each, infer->inputs[2].elems[0], &each));
        MARU_TRY(maru_expr_make(exprs, MARU_EXPR_MAX, each, 0, &each));
    }
    return maru_expr_product(exprs, (const maru_dim[]){scores->dims[0], scores->dims[1], each}, 3, &out->dims[0]);
}

/* ---- Random ---- */

MARU_INFER(random)
{
    const maru_infer_value *shape = &infer->inputs[0];
    maru_infer_value *out = &infer->outputs[0];
    const char *const names[] = {"seed", "stream"};
    for (size_t i = 0; i < 2; i++) {
        const int64_t word = maru_node_int(infer->node, names[i], 0);
        if (word < 0 || word > UINT32_MAX)
            return maru_infer_fail(infer, "%s is %lld: a number of 32 bits would fit", names[i], (long long)word);
    }
    if (!shape->elems || shape->rank != 1 || shape->n_elems > MARU_MAX_RANK)
        return maru_infer_fail(infer, "the shape must be a vector of at most %d numbers that follow from constants and "
                               "dims", MARU_MAX_RANK);
    if (maru_infer_has(infer, 1) && (infer->inputs[1].dtype != MARU_I64 || infer->inputs[1].rank != 0))
        return maru_infer_fail(infer, "the counter must be one i64");
    *out = (maru_infer_value){.dtype = MARU_U32, .rank = shape->n_elems};
    for (uint32_t d = 0; d < out->rank; d++) {
        int64_t dim = 0;
        out->dims[d] = shape->elems[d];
        if (maru_expr_is_const(&infer->graph->exprs, shape->elems[d], &dim) && dim < 0)
            return maru_infer_fail(infer, "dim %u is %lld", d, (long long)dim);
    }
    return MARU_OK;
}
