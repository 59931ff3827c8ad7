// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/decompose.h"

#include <math.h>

#include "base/fail.h"

#define ADD(x, y) maru_body_op2(b, "Add", x, y)
#define SUB(x, y) maru_body_op2(b, "Sub", x, y)
#define MUL(x, y) maru_body_op2(b, "Mul", x, y)
#define DIV(x, y) maru_body_op2(b, "Div", x, y)
#define AND(x, y) maru_body_op2(b, "And", x, y)

/* ---- heads ---- */

/* (batch, sequence, heads * size) to (batch, heads, sequence, size). */
static maru_value split_heads(maru_body *b, maru_value x, int64_t heads)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    if (maru_body_rank(b, x) == 4)
        return x;
    const maru_dim size = maru_body_div_dim(b, maru_body_dim(b, x, 2), heads);
    const maru_dim dims[4] = {maru_body_dim(b, x, 0), maru_body_dim(b, x, 1), heads, size};
    return maru_body_transpose(b, maru_body_reshape(b, x, dims, 4), perm, 4);
}

static maru_value join_heads(maru_body *b, maru_value x)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    const maru_dim hidden = maru_body_mul_dim(b, maru_body_dim(b, x, 1), maru_body_dim(b, x, 3));
    const maru_dim dims[3] = {maru_body_dim(b, x, 0), maru_body_dim(b, x, 2), hidden};
    return maru_body_reshape(b, maru_body_transpose(b, x, perm, 4), dims, 3);
}

/* Each key head serves `group` query heads: (b, n, t, d) to (b, n * group, t, d). */
static maru_value repeat_heads(maru_body *b, maru_value x, int64_t group)
{
    if (group == 1)
        return x;
    const maru_dim n = maru_body_dim(b, x, 1);
    const maru_dim apart[5] = {maru_body_dim(b, x, 0), n, 1, maru_body_dim(b, x, 2), maru_body_dim(b, x, 3)};
    const maru_dim wide[5] = {apart[0], n, group, apart[3], apart[4]};
    const maru_dim joined[4] = {apart[0], maru_body_mul_dim(b, n, group), apart[3], apart[4]};
    return maru_body_reshape(b, maru_body_expand(b, maru_body_reshape(b, x, apart, 5), wide, 5), joined, 4);
}

static maru_value with_past(maru_body *b, uint32_t past, maru_value x)
{
    if (!maru_body_has(b, past))
        return x;
    const maru_attribute axis = MARU_ATTR_I("axis", 2);
    return maru_body_node(b, "Concat", (const maru_value[]){b->in[past], x}, 2, &axis, 1);
}

/* ---- which key a query sees ---- */

typedef struct attention {
    maru_value q, k, v;   // (batch, heads, sequence, size); k and v with the past, heads repeated
    maru_dim n_queries;
    maru_dim total;
    maru_value key;       // i64[1, 1, 1, total]
    maru_value position;  // i64[batch or 1, 1, queries, 1]: the query's absolute position
    maru_value allowed;   // bool, or none: all
} attention;

static maru_value i64_scalar(maru_body *b, int64_t value)
{
    maru_value out = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_scalar(b->graph, MARU_I64, (double)value, &out);
    return out;
}

static maru_value dim_scalar(maru_body *b, maru_dim dim)
{
    return maru_body_reshape(b, maru_body_shape(b, &dim, 1), NULL, 0);
}

static maru_value lengths(maru_body *b)
{
    const maru_dim dims[4] = {maru_body_dim(b, b->in[6], 0), 1, 1, 1};
    return maru_body_reshape(b, b->in[6], dims, 4);
}

static void make_positions(maru_body *b, attention *a)
{
    const maru_dim keys[4] = {1, 1, 1, a->total};
    const maru_dim queries[4] = {1, 1, a->n_queries, 1};
    a->key = maru_body_reshape(b, maru_body_range(b, a->total), keys, 4);
    a->position = maru_body_reshape(b, maru_body_range(b, a->n_queries), queries, 4);
    if (maru_body_has(b, 4))
        a->position = ADD(a->position, dim_scalar(b, maru_body_dim(b, b->in[4], 2)));
    else if (maru_body_has(b, 6))
        a->position = ADD(a->position, SUB(lengths(b), dim_scalar(b, a->n_queries)));
}

static void allow_only(maru_body *b, attention *a, maru_value condition)
{
    a->allowed = a->allowed == MARU_NO_VALUE ? condition : AND(a->allowed, condition);
}

static void apply_structure(maru_body *b, attention *a)
{
    const int64_t left = maru_node_int(b->node, "left_window_size", -1);
    const int64_t right = maru_node_int(b->node, "right_window_size", -1);
    const bool is_causal = maru_node_int(b->node, "is_causal", 0) != 0;
    if (is_causal || left >= 0 || right >= 0)
        make_positions(b, a);
    if (is_causal)
        allow_only(b, a, maru_body_op2(b, "LessOrEqual", a->key, a->position));
    if (left >= 0)
        allow_only(b, a, maru_body_op2(b, "GreaterOrEqual", a->key, SUB(a->position, i64_scalar(b, left))));
    if (right >= 0)
        allow_only(b, a, maru_body_op2(b, "LessOrEqual", a->key, ADD(a->position, i64_scalar(b, right))));
    if (maru_body_has(b, 6)) {
        const maru_dim keys[4] = {1, 1, 1, a->total};
        const maru_value key = maru_body_reshape(b, maru_body_range(b, a->total), keys, 4);
        allow_only(b, a, maru_body_op2(b, "Less", key, lengths(b)));
    }
}

/* A mask that ends before the last key forbids the keys past its end. */
static maru_value pad_mask(maru_body *b, const attention *a, maru_value mask)
{
    const uint32_t rank = maru_body_rank(b, mask);
    const maru_dim have = maru_body_dim(b, mask, rank - 1);
    if (have == a->total || have == 1 || b->status != MARU_OK)
        return mask;
    int64_t n = 0, total = 0;
    if (!maru_expr_is_const(&b->graph->exprs, have, &n) || !maru_expr_is_const(&b->graph->exprs, a->total, &total))
        return maru_body_fail(b, maru_fail(MARU_UNSUPPORTED, "Attention: attn_mask's last dim is neither the number "
                                           "of keys nor a constant shorter than it")), mask;
    int64_t pads[2 * MARU_MAX_RANK] = {0};
    pads[2 * rank - 1] = total - n;
    const bool is_bool = maru_body_dtype(b, mask) == MARU_BOOL;
    const maru_value inputs[3] = {mask, maru_body_ints(b, pads, (size_t)2 * rank),
                                  maru_body_scalar(b, mask, is_bool ? 0 : -INFINITY)};
    return maru_body_node(b, "Pad", inputs, 3, NULL, 0);
}

/* Scores with everything that is not allowed at minus infinity. */
static maru_value masked(maru_body *b, attention *a, maru_value scores)
{
    apply_structure(b, a);
    if (maru_body_has(b, 3)) {
        const maru_value mask = pad_mask(b, a, b->in[3]);
        if (b->status == MARU_OK && maru_body_dtype(b, mask) == MARU_BOOL)
            allow_only(b, a, mask);
        else
            scores = ADD(scores, mask);
    }
    if (a->allowed == MARU_NO_VALUE || b->status != MARU_OK)
        return scores;
    return maru_body_op3(b, "Where", a->allowed, scores, maru_body_scalar(b, scores, -INFINITY));
}

/* Softmax over keys; a row without any allowed key gives zeros. */
static maru_value guarded_softmax(maru_body *b, maru_value scores)
{
    static const int64_t last = -1;
    if (b->status != MARU_OK)
        return scores;
    const maru_dtype dtype = maru_body_dtype(b, scores);
    const int64_t precision = maru_node_int(b->node, "softmax_precision", dtype);
    scores = maru_body_cast(b, scores, (maru_dtype)precision);
    const maru_value largest = maru_body_reduce(b, "ReduceMax", scores, &last, 1);
    const maru_value none = maru_body_op2s(b, "Equal", largest, -INFINITY);
    const maru_value shift = maru_body_op3(b, "Where", none, maru_body_scalar(b, scores, 0), largest);
    const maru_value e = maru_body_op1(b, "Exp", SUB(scores, shift));
    const maru_value sum = maru_body_reduce(b, "ReduceSum", e, &last, 1);
    const maru_value divisor = maru_body_op3(b, "Where", none, maru_body_scalar(b, scores, 1), sum);
    const maru_value p = DIV(e, divisor);
    return b->status == MARU_OK ? maru_body_cast(b, p, dtype) : MARU_NO_VALUE;
}

/* ---- the operator ---- */

static int64_t head_count(const maru_body *b, maru_value x)
{
    int64_t n = 1;
    if (x != MARU_NO_VALUE)
        (void)maru_expr_is_const(&b->graph->exprs, maru_body_dim(b, x, 1), &n);
    return n > 0 ? n : 1;
}

static void read_operands(maru_body *b, attention *a)
{
    const int64_t q_heads = maru_node_int(b->node, "q_num_heads", 1);
    const int64_t kv_heads = maru_node_int(b->node, "kv_num_heads", 1);
    a->q = split_heads(b, b->in[0], q_heads);
    a->k = with_past(b, 4, split_heads(b, b->in[1], kv_heads));
    a->v = with_past(b, 5, split_heads(b, b->in[2], kv_heads));
    if (b->status != MARU_OK)
        return;
    if (b->node->n_outputs > 1)
        b->out[1] = a->k;
    if (b->node->n_outputs > 2)
        b->out[2] = a->v;
    const int64_t group = head_count(b, a->q) / head_count(b, a->k);
    a->k = repeat_heads(b, a->k, group);
    a->v = repeat_heads(b, a->v, group);
    a->n_queries = maru_body_dim(b, a->q, 2);
    a->total = maru_body_dim(b, a->k, 2);
}

/* Both factors carry the root of the scale, so that half precision does not overflow. */
static maru_value raw_scores(maru_body *b, const attention *a)
{
    static const int64_t swap[4] = {0, 1, 3, 2};
    int64_t size = 1;
    (void)maru_expr_is_const(&b->graph->exprs, maru_body_dim(b, a->q, 3), &size);
    const double root = sqrt(maru_node_float(b->node, "scale", 1 / sqrt((double)size)));
    return maru_body_op2(b, "MatMul", maru_body_op2s(b, "Mul", a->q, root),
                         maru_body_transpose(b, maru_body_op2s(b, "Mul", a->k, root), swap, 4));
}

MARU_BODY(attention)
{
    attention a = {0};
    read_operands(b, &a);
    if (b->status != MARU_OK)
        return;
    maru_value stages[4];
    stages[0] = raw_scores(b, &a);
    stages[1] = stages[0];
    const double cap = maru_node_float(b->node, "softcap", 0);
    if (cap > 0)
        stages[1] = maru_body_op2s(b, "Mul",
                                   maru_body_op1(b, "Tanh", maru_body_op2s(b, "Div", stages[0], cap)), cap);
    stages[2] = masked(b, &a, stages[1]);
    stages[3] = guarded_softmax(b, stages[2]);
    if (b->status != MARU_OK)
        return;
    const maru_value p = maru_body_cast(b, stages[3], maru_body_dtype(b, a.v));
    const maru_value y = maru_body_op2(b, "MatMul", p, a.v);
    if (b->status != MARU_OK)
        return;
    b->out[0] = maru_body_rank(b, b->in[0]) == 3 ? join_heads(b, y) : y;
    if (b->node->n_outputs > 3)
        b->out[3] = stages[maru_node_int(b->node, "qk_matmul_output_mode", 0) & 3];
}

/* ---- rotary embedding ---- */

static maru_value slice_last(maru_body *b, maru_value x, int64_t start, int64_t end, int64_t step)
{
    static const int64_t last = -1;
    const maru_value inputs[5] = {x, maru_body_ints(b, &start, 1), maru_body_ints(b, &end, 1),
                                  maru_body_ints(b, &last, 1), maru_body_ints(b, &step, 1)};
    return maru_body_node(b, "Slice", inputs, 5, NULL, 0);
}

static maru_value concat_last(maru_body *b, maru_value x, maru_value y)
{
    const maru_attribute axis = MARU_ATTR_I("axis", -1);
    return maru_body_node(b, "Concat", (const maru_value[]){x, y}, 2, &axis, 1);
}

/* The cache's rows for the tokens, as (batch, 1, sequence, half). */
static maru_value cache_rows(maru_body *b, uint32_t input)
{
    static const int64_t heads = 1;
    maru_value rows = b->in[input];
    if (maru_body_has(b, 3))
        rows = maru_body_op2(b, "Gather", rows, b->in[3]);
    return maru_body_unsqueeze(b, rows, &heads, 1);
}

MARU_BODY(rotary_embedding)
{
    const maru_value x = split_heads(b, b->in[0], maru_node_int(b->node, "num_heads", 1));
    int64_t size = 0;
    if (b->status != MARU_OK || !maru_expr_is_const(&b->graph->exprs, maru_body_dim(b, x, 3), &size))
        return;
    int64_t rotated = maru_node_int(b->node, "rotary_embedding_dim", 0);
    rotated = rotated ? rotated : size;
    const bool interleaved = maru_node_int(b->node, "interleaved", 0) != 0;
    const int64_t half = rotated / 2;
    const maru_value x1 = interleaved ? slice_last(b, x, 0, rotated, 2) : slice_last(b, x, 0, half, 1);
    const maru_value x2 = interleaved ? slice_last(b, x, 1, rotated, 2) : slice_last(b, x, half, rotated, 1);
    const maru_value cosine = cache_rows(b, 1);
    const maru_value sine = cache_rows(b, 2);
    const maru_value real = SUB(MUL(cosine, x1), MUL(sine, x2));
    const maru_value imaginary = ADD(MUL(sine, x1), MUL(cosine, x2));
    maru_value y = MARU_NO_VALUE;
    if (interleaved) {
        static const int64_t last = -1;
        const maru_value pairs = concat_last(b, maru_body_unsqueeze(b, real, &last, 1),
                                             maru_body_unsqueeze(b, imaginary, &last, 1));
        const maru_dim dims[4] = {maru_body_dim(b, x, 0), maru_body_dim(b, x, 1), maru_body_dim(b, x, 2), rotated};
        y = maru_body_reshape(b, pairs, dims, 4);
    } else {
        y = concat_last(b, real, imaginary);
    }
    if (rotated < size)
        y = concat_last(b, y, slice_last(b, x, rotated, size, 1));
    if (b->status == MARU_OK)
        b->out[0] = maru_body_rank(b, b->in[0]) == 3 ? join_heads(b, y) : y;
}
