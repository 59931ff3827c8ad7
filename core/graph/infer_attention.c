// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <string.h>

/* Q, K and V as (batch, heads, sequence, head size), whatever their rank. */
typedef struct heads {
    maru_dim batch;
    maru_dim n;
    maru_dim sequence;
    maru_dim size;
} heads;

static maru_status read_heads(maru_infer *infer, size_t index, const char *attr, heads *out)
{
    const maru_infer_value *v = &infer->inputs[index];
    if (v->rank == 4) {
        *out = (heads){v->dims[0], v->dims[1], v->dims[2], v->dims[3]};
        return MARU_OK;
    }
    const int64_t n = maru_node_int(infer->node, attr, 0);
    if (v->rank != 3 || n < 1)
        return maru_infer_fail(infer, "input %zu has rank %u: rank 4, or rank 3 with %s, would fit", index, v->rank,
                               attr);
    *out = (heads){.batch = v->dims[0], .n = n, .sequence = v->dims[1]};
    if (maru_expr_divide(&infer->graph->exprs, v->dims[2], n, &out->size))
        return MARU_OK;
    return maru_infer_fail(infer, "%s = %lld does not divide the hidden size of input %zu", attr, (long long)n, index);
}

static maru_status check_heads(maru_infer *infer, const heads *q, const heads *k, const heads *v)
{
    char a[256], b[256];
    int64_t nq = 0;
    int64_t nk = 0;
    if (!maru_infer_same_dim(infer, q->size, k->size))
        return maru_infer_fail(infer, "Q %s and K %s have different head sizes",
                               maru_infer_describe(infer, 0, a, sizeof a), maru_infer_describe(infer, 1, b, sizeof b));
    if (!maru_infer_same_dim(infer, k->sequence, v->sequence) || !maru_infer_same_dim(infer, k->n, v->n))
        return maru_infer_fail(infer, "K %s and V %s differ in heads or length",
                               maru_infer_describe(infer, 1, a, sizeof a), maru_infer_describe(infer, 2, b, sizeof b));
    if (!maru_expr_is_const(&infer->graph->exprs, q->n, &nq) || !maru_expr_is_const(&infer->graph->exprs, k->n, &nk) ||
        nk < 1 || nq % nk != 0)
        return maru_infer_fail(infer, "the number of query heads must be a multiple of that of the key heads");
    return MARU_OK;
}

static maru_status check_past(maru_infer *infer, maru_dim *total)
{
    const bool has_key = maru_infer_has(infer, 4);
    if (has_key != maru_infer_has(infer, 5))
        return maru_infer_fail(infer, "past_key and past_value must be given together");
    if (has_key && maru_infer_has(infer, 6))
        return maru_infer_fail(infer, "nonpad_kv_seqlen cannot be used together with past_key");
    if (!has_key && infer->node->n_outputs > 1 && infer->node->n_outputs < 4)
        return maru_infer_fail(infer, "present_key and present_value need past_key and past_value");
    if (!has_key)
        return MARU_OK;
    if (infer->inputs[4].rank != 4 || infer->inputs[5].rank != 4)
        return maru_infer_fail(infer, "past_key and past_value must have rank 4");
    return maru_expr_make(&infer->graph->exprs, MARU_EXPR_ADD, *total, infer->inputs[4].dims[2], total);
}

/* The mask broadcasts to (batch, heads, query, total); its last dim may be shorter than the total. */
static maru_status check_mask(maru_infer *infer, const heads *q)
{
    const maru_infer_value *m = &infer->inputs[3];
    const maru_dim wanted[4] = {q->batch, q->n, q->sequence, 0};
    if (m->dtype != MARU_BOOL)
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, 3));
    if (m->rank < 1 || m->rank > 4)
        return maru_infer_fail(infer, "attn_mask has rank %u", m->rank);
    for (uint32_t d = 0; d + 1 < m->rank; d++)
        if (m->dims[d] != 1 && !maru_infer_same_dim(infer, m->dims[d], wanted[4 - m->rank + d])) {
            char text[256];
            return maru_infer_fail(infer, "attn_mask %s does not broadcast to the scores",
                                   maru_infer_describe(infer, 3, text, sizeof text));
        }
    return MARU_OK;
}

MARU_INFER(attention)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    MARU_TRY(maru_infer_require_class(infer, 2, "f"));
    heads q, k, v;
    MARU_TRY(read_heads(infer, 0, "q_num_heads", &q));
    MARU_TRY(read_heads(infer, 1, "kv_num_heads", &k));
    MARU_TRY(read_heads(infer, 2, "kv_num_heads", &v));
    MARU_TRY(check_heads(infer, &q, &k, &v));
    maru_dim total = k.sequence;
    MARU_TRY(check_past(infer, &total));
    if (maru_infer_has(infer, 3))
        MARU_TRY(check_mask(infer, &q));
    if (maru_infer_has(infer, 6) && (infer->inputs[6].dtype != MARU_I64 || infer->inputs[6].rank != 1))
        return maru_infer_fail(infer, "nonpad_kv_seqlen must be i64[batch]");
    const maru_dtype dtype = infer->inputs[0].dtype;
    infer->outputs[0] = (maru_infer_value){.dtype = dtype, .rank = 4, .dims = {q.batch, q.n, q.sequence, v.size}};
    if (infer->inputs[0].rank == 3) {
        infer->outputs[0] = (maru_infer_value){.dtype = dtype, .rank = 3, .dims = {q.batch, q.sequence}};
        MARU_TRY(maru_expr_make(&infer->graph->exprs, MARU_EXPR_MUL, q.n, v.size, &infer->outputs[0].dims[2]));
    }
    const maru_infer_value rest[3] = {
        {.dtype = infer->inputs[1].dtype, .rank = 4, .dims = {k.batch, k.n, total, k.size}},
        {.dtype = infer->inputs[2].dtype, .rank = 4, .dims = {k.batch, k.n, total, v.size}},
        {.dtype = dtype, .rank = 4, .dims = {q.batch, q.n, q.sequence, total}},
    };
    for (uint32_t i = 1; i < infer->node->n_outputs; i++)
        infer->outputs[i] = rest[i - 1];
    return MARU_OK;
}

MARU_INFER(rotary_embedding)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    const maru_infer_value *x = &infer->inputs[0];
    heads h;
    MARU_TRY(read_heads(infer, 0, "num_heads", &h));
    const bool has_positions = maru_infer_has(infer, 3);
    if (has_positions && (infer->inputs[3].dtype != MARU_I64 || infer->inputs[3].rank != 2))
        return maru_infer_fail(infer, "position_ids must be i64[batch, sequence]");
    int64_t size = 0;
    int64_t rotated = maru_node_int(infer->node, "rotary_embedding_dim", 0);
    if (!maru_expr_is_const(&infer->graph->exprs, h.size, &size) || size % 2 != 0)
        return maru_infer_fail(infer, "the head size must be constant and even");
    rotated = rotated ? rotated : size;
    for (size_t i = 1; i < 3; i++) {
        const maru_infer_value *cache = &infer->inputs[i];
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, i));
        const uint32_t rank = has_positions ? 2 : 3;
        if (cache->rank != rank || !maru_infer_same_dim(infer, cache->dims[rank - 1], rotated / 2)) {
            char text[256];
            return maru_infer_fail(infer, "%s_cache is %s; rank %u with a last dim of %lld would fit",
                                   i == 1 ? "cos" : "sin", maru_infer_describe(infer, i, text, sizeof text), rank,
                                   (long long)(rotated / 2));
        }
    }
    infer->outputs[0] = *x;
    infer->outputs[0].elems = NULL;
    return MARU_OK;
}

MARU_INFER(tensor_scatter)
{
    const maru_infer_value *past = &infer->inputs[0];
    const maru_infer_value *update = &infer->inputs[1];
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", -2), past->rank, &axis));
    const char *mode = maru_node_string(infer->node, "mode", "linear");
    if (strcmp(mode, "linear") != 0 && strcmp(mode, "circular") != 0)
        return maru_infer_fail(infer, "mode '%s' is neither linear nor circular", mode);
    bool fits = update->rank == past->rank && axis > 0;
    for (uint32_t d = 0; fits && d < past->rank; d++)
        fits = d == axis || maru_infer_same_dim(infer, past->dims[d], update->dims[d]);
    if (!fits) {
        char a[256], b[256];
        return maru_infer_fail(infer, "update %s does not fit the cache %s outside axis %u",
                               maru_infer_describe(infer, 1, b, sizeof b), maru_infer_describe(infer, 0, a, sizeof a),
                               axis);
    }
    if (maru_infer_has(infer, 2) && (infer->inputs[2].dtype != MARU_I64 || infer->inputs[2].rank != 1))
        return maru_infer_fail(infer, "write_indices must be i64[batch]");
    infer->outputs[0] = *past;
    infer->outputs[0].elems = NULL;
    return MARU_OK;
}
