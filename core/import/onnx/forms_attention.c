// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Attention of the domain com.microsoft, as ONNX's own Attention with heads of
 * their own axis: (batch, heads, sequence, size). What may be seen becomes one
 * mask. Source: ONNX Runtime's docs/ContribOperators.md.
 */

#include "import/onnx/compose.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/fail.h"

typedef struct heads {
    maru_value q, k, v;         // with heads
    maru_value past_key, past_value;
    maru_value mask;            // of q's dtype, or bool; or none
    maru_dim batch, queries, keys, total;  // keys: new ones; total: with the past
    int64_t n, n_kv;
    double softcap;
    bool is_causal, joins;      // joins: the result is (batch, sequence, hidden)
    bool wants_scores;
} heads;

static maru_status refuse(const onnx_node *n, const char *what)
{
    return maru_fail(MARU_UNSUPPORTED, "com.microsoft.%s with %s is not supported", n->op, what);
}

static maru_status bad(const onnx_node *n, const char *what)
{
    return maru_fail(MARU_INVALID_ARGUMENT, "com.microsoft.%s: %s", n->op, what);
}

static maru_dtype dtype_of(const onnx_node *n, maru_value v)
{
    return onnx_record(n, v)->dtype;
}

static uint32_t rank_of(const onnx_node *n, maru_value v)
{
    return onnx_record(n, v)->rank;
}

static maru_dim dim_of(const onnx_node *n, maru_value v, uint32_t axis)
{
    const maru_value_record *r = onnx_record(n, v);
    return axis < r->rank ? r->dims[axis] : 1;
}

static maru_value optional(const onnx_node *n, size_t index)
{
    return onnx_has(n, index) ? n->inputs[index] : MARU_NO_VALUE;
}

/* ---- heads ---- */

static maru_status swap_heads(onnx_node *n, maru_value x, maru_value *out)
{
    static const int64_t perm[] = {0, 2, 1, 3};
    const maru_attribute turned = MARU_ATTR_IS("perm", perm, 4);
    return onnx_add(n, "Transpose", &x, 1, &turned, 1, out);
}

/* (batch, sequence, hidden) to (batch, heads, sequence, size). */
static maru_status split_heads(onnx_node *n, maru_value x, int64_t count, maru_value *out)
{
    maru_dim dims[4] = {dim_of(n, x, 0), dim_of(n, x, 1), count, 0};
    if (rank_of(n, x) != 3 || count < 1 ||
        !maru_expr_divide(&n->import->graph->exprs, dim_of(n, x, 2), count, &dims[3]))
        return bad(n, "the hidden size is no multiple of the number of heads, or an input has another rank than 3");
    MARU_TRY(onnx_reshape(n, x, dims, 4, out));
    return swap_heads(n, *out, out);
}

static maru_status join_heads(onnx_node *n, maru_value x, maru_value *out)
{
    maru_dim dims[3] = {dim_of(n, x, 0), dim_of(n, x, 2), 0};
    const maru_dim hidden[] = {dim_of(n, x, 1), dim_of(n, x, 3)};
    MARU_TRY(maru_expr_product(&n->import->graph->exprs, hidden, 2, &dims[2]));
    MARU_TRY(swap_heads(n, x, &x));
    return onnx_reshape(n, x, dims, 3, out);
}

/* The index-th part of a size along an axis. */
static maru_status part(onnx_node *n, maru_value x, int64_t axis, int64_t start, int64_t size, maru_value *out)
{
    return onnx_cut(n, x, axis, start, start + size, out);
}

static maru_status add_dims(const onnx_node *n, maru_dim a, maru_dim b, maru_dim *out)
{
    return maru_expr_make(&n->import->graph->exprs, MARU_EXPR_ADD, a, b, out);
}

static maru_status known(const onnx_node *n, maru_dim dim, const char *what, int64_t *out)
{
    return maru_expr_is_const(&n->import->graph->exprs, dim, out) ? MARU_OK : bad(n, what);
}

/* Sizes from q, k and the past. */
static maru_status measure(const onnx_node *n, heads *h)
{
    if (rank_of(n, h->q) != 4 || rank_of(n, h->k) != 4 || rank_of(n, h->v) != 4)
        return bad(n, "query, key and value must have heads");
    h->batch = dim_of(n, h->q, 0);
    h->queries = dim_of(n, h->q, 2);
    h->keys = h->total = dim_of(n, h->k, 2);
    if (h->past_key && (rank_of(n, h->past_key) != 4 || !h->past_value || rank_of(n, h->past_value) != 4))
        return bad(n, "past_key and past_value must be given together and have rank 4");
    return h->past_key ? add_dims(n, h->keys, dim_of(n, h->past_key, 2), &h->total) : MARU_OK;
}

/* ---- what may be seen ---- */

/* 0 where it may, else mask_filter_value, which is not infinite: a row that may see nothing has even weights. */
static maru_status forbid(onnx_node *n, const heads *h, maru_value allowed, maru_value *out)
{
    const maru_dtype dtype = dtype_of(n, h->q);
    maru_value zero = MARU_NO_VALUE, filter = MARU_NO_VALUE;
    MARU_TRY(maru_graph_scalar(n->import->graph, dtype, 0, &zero));
    MARU_TRY(maru_graph_scalar(n->import->graph, dtype, onnx_attr_float(n, "mask_filter_value", -10000), &filter));
    return onnx_op3(n, "Where", allowed, zero, filter, out);
}

static maru_status add_mask(onnx_node *n, heads *h, maru_value mask)
{
    if (h->mask)
        return onnx_op2(n, "Add", h->mask, mask, &h->mask);
    h->mask = mask;
    return MARU_OK;
}

/* 0, 1, ... along one of four axes. */
static maru_status positions(onnx_node *n, maru_dim count, uint32_t axis, maru_value *out)
{
    maru_dim dims[4] = {1, 1, 1, 1};
    dims[axis] = count;
    MARU_TRY(onnx_count_up(n, count, out));
    return onnx_reshape(n, *out, dims, 4, out);
}

/* A number of each batch, as i64[batch, 1, 1, 1]. */
static maru_status of_batches(onnx_node *n, maru_value x, maru_dim batch, maru_value *out)
{
    const maru_dim dims[4] = {batch, 1, 1, 1};
    MARU_TRY(onnx_cast(n, x, MARU_I64, out));
    return onnx_reshape(n, *out, dims, 4, out);
}

/* Ends of the keys of each batch, or ends and then starts. */
static maru_status mask_of_ends(onnx_node *n, heads *h, maru_value ends, bool has_starts, maru_value *out)
{
    int64_t batch = 0;
    maru_value key = MARU_NO_VALUE, end = ends, start = MARU_NO_VALUE;
    MARU_TRY(positions(n, h->total, 3, &key));
    if (has_starts) {
        MARU_TRY(known(n, h->batch, "the batch must be known where the mask has starts", &batch));
        MARU_TRY(part(n, ends, 0, batch, batch, &start));
        MARU_TRY(part(n, ends, 0, 0, batch, &end));
    }
    MARU_TRY(of_batches(n, end, h->batch, &end));
    MARU_TRY(onnx_op2(n, "Less", key, end, out));
    if (!has_starts)
        return MARU_OK;
    MARU_TRY(of_batches(n, start, h->batch, &start));
    MARU_TRY(onnx_op2(n, "GreaterOrEqual", key, start, &start));
    return onnx_op2(n, "And", *out, start, out);
}

static maru_status add_key_mask(onnx_node *n, heads *h, maru_value mask)
{
    const uint32_t rank = rank_of(n, mask);
    maru_dim twice = 0;
    maru_dim dims[4] = {dim_of(n, mask, 0), 1, rank == 3 ? dim_of(n, mask, 1) : 1, dim_of(n, mask, rank - 1)};
    maru_value allowed = MARU_NO_VALUE;
    MARU_TRY(maru_expr_make(&n->import->graph->exprs, MARU_EXPR_MUL, h->batch, 2, &twice));
    if (rank == 1 && (dims[0] == h->batch || dims[0] == twice)) {
        MARU_TRY(mask_of_ends(n, h, mask, dims[0] != h->batch, &allowed));
    } else if (rank == 2 || rank == 3) {
        MARU_TRY(onnx_op_number(n, "Greater", mask, 0, &allowed));
        MARU_TRY(onnx_reshape(n, allowed, dims, 4, &allowed));
    } else {
        return refuse(n, "a mask of that shape");
    }
    MARU_TRY(forbid(n, h, allowed, &allowed));
    return add_mask(n, h, allowed);
}

/* ---- the operator ---- */

/* n->outputs[0], and the keys and values with the past in *k and *v. */
static maru_status attend(onnx_node *n, heads *h, maru_value *k, maru_value *v)
{
    const maru_value inputs[6] = {h->q, h->k, h->v, h->mask, h->past_key, h->past_value};
    maru_value out[4] = {MARU_NO_VALUE};
    maru_attribute attrs[4] = {MARU_ATTR_I("is_causal", h->is_causal), MARU_ATTR_F("softcap", h->softcap),
                               MARU_ATTR_I("qk_matmul_output_mode", 2)};
    size_t n_attrs = 3;
    const double scale = onnx_attr_float(n, "scale", 0);
    if (scale != 0)
        attrs[n_attrs++] = (maru_attribute)MARU_ATTR_F("scale", scale);
    const size_t n_out = h->wants_scores ? 4 : h->past_key ? 3 : 1;
    const size_t n_in = h->past_key ? 6 : h->mask ? 4 : 3;
    MARU_TRY(maru_graph_node(n->import->graph, "Attention", inputs, n_in, attrs, n_attrs, out, n_out));
    *k = n_out > 1 ? out[1] : h->k;
    *v = n_out > 1 ? out[2] : h->v;
    if (h->wants_scores)
        n->outputs[3] = out[3];
    return h->joins ? join_heads(n, out[0], &n->outputs[0]) : (n->outputs[0] = out[0], MARU_OK);
}

/* ---- Attention ---- */

/* The products with the weights of q, k and v as one, cut along the columns. */
static maru_status cut_product(onnx_node *n, heads *h, maru_value y)
{
    size_t count = 0;
    const int64_t *given = onnx_attr_ints(n, "qkv_hidden_sizes", &count);
    int64_t columns = 0, sizes[3];
    maru_value parts[3];
    if (given && count != 3)
        return bad(n, "there must be three hidden sizes");
    MARU_TRY(known(n, dim_of(n, n->inputs[1], 1), "the weights' dims must be known", &columns));
    for (int i = 0; i < 3; i++)
        sizes[i] = given ? given[i] : columns / 3;
    if (sizes[0] < 1 || sizes[1] < 1 || sizes[2] < 1 || sizes[0] > columns || sizes[1] > columns ||
        sizes[2] > columns || sizes[0] + sizes[1] + sizes[2] != columns)
        return bad(n, "the hidden sizes do not add up to the weights' columns");
    if (onnx_has(n, 2))
        MARU_TRY(onnx_op2(n, "Add", y, n->inputs[2], &y));
    for (int64_t i = 0, start = 0; i < 3; start += sizes[i++]) {
        MARU_TRY(part(n, y, 2, start, sizes[i], &parts[i]));
        MARU_TRY(split_heads(n, parts[i], h->n, &parts[i]));
    }
    h->q = parts[0];
    h->k = parts[1];
    h->v = parts[2];
    return MARU_OK;
}

/* One tensor (2, batch, heads, past, size). */
static maru_status split_past(onnx_node *n, maru_value past, heads *h)
{
    const int64_t zero = 0;
    maru_value axes = MARU_NO_VALUE;
    if (rank_of(n, past) != 5)
        return bad(n, "past must have rank 5");
    MARU_TRY(onnx_ints(n, &zero, 1, &axes));
    MARU_TRY(part(n, past, 0, 0, 1, &h->past_key));
    MARU_TRY(part(n, past, 0, 1, 1, &h->past_value));
    MARU_TRY(onnx_op2(n, "Squeeze", h->past_key, axes, &h->past_key));
    return onnx_op2(n, "Squeeze", h->past_value, axes, &h->past_value);
}

static maru_status join_present(onnx_node *n, maru_value k, maru_value v)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 0);
    maru_value pair[2] = {k, v};
    MARU_TRY(onnx_unsqueeze(n, k, 0, &pair[0]));
    MARU_TRY(onnx_unsqueeze(n, v, 0, &pair[1]));
    return onnx_add(n, "Concat", pair, 2, &axis, 1, &n->outputs[1]);
}

/* Inputs by their places; q, k and v come from the product. */
static maru_status attend_product(onnx_node *n, maru_value product, size_t mask, size_t past, size_t bias)
{
    heads h = {.n = onnx_attr_int(n, "num_heads", 1), .joins = true};
    maru_value k = MARU_NO_VALUE, v = MARU_NO_VALUE;
    MARU_TRY(cut_product(n, &h, product));
    if (onnx_has(n, past))
        MARU_TRY(split_past(n, n->inputs[past], &h));
    MARU_TRY(measure(n, &h));
    h.is_causal = onnx_attr_int(n, "unidirectional", 0) != 0;
    if (onnx_has(n, mask))
        MARU_TRY(add_key_mask(n, &h, n->inputs[mask]));
    if (onnx_has(n, bias))
        MARU_TRY(add_mask(n, &h, n->inputs[bias]));
    MARU_TRY(attend(n, &h, &k, &v));
    return n->wants[1] ? join_present(n, k, v) : MARU_OK;
}

static maru_status check_product(const onnx_node *n)
{
    if (onnx_attr_int(n, "do_rotary", 0) || onnx_attr_int(n, "past_present_share_buffer", 0))
        return refuse(n, "do_rotary or a shared buffer");
    if (!onnx_has(n, 0) || !onnx_has(n, 1) || rank_of(n, n->inputs[1]) != 2)
        return bad(n, "it needs an input, and weights of rank 2");
    return MARU_OK;
}

/* (input, weights, bias, mask_index, past, attention_bias, past_sequence_length) */
static maru_status attention(onnx_node *n)
{
    maru_value y = MARU_NO_VALUE;
    MARU_TRY(check_product(n));
    if (onnx_has(n, 6))
        return refuse(n, "a shared buffer");
    MARU_TRY(onnx_op2(n, "MatMul", n->inputs[0], n->inputs[1], &y));
    return attend_product(n, y, 3, 4, 5);
}

/* (input, weights, bias, input_scale, weight_scale, mask_index, input_zero, weight_zero, past) */
static maru_status q_attention(onnx_node *n)
{
    maru_value y = MARU_NO_VALUE, scale = MARU_NO_VALUE;
    MARU_TRY(check_product(n));
    if (!onnx_has(n, 3) || !onnx_has(n, 4))
        return bad(n, "a scale is missing");
    const maru_value in[] = {n->inputs[0], n->inputs[1], optional(n, 6), optional(n, 7)};
    MARU_TRY(onnx_add(n, "MatMulInteger", in, in[3] ? 4 : in[2] ? 3 : 2, NULL, 0, &y));
    MARU_TRY(onnx_cast(n, y, dtype_of(n, n->inputs[3]), &y));
    MARU_TRY(onnx_op2(n, "Mul", n->inputs[3], n->inputs[4], &scale));
    MARU_TRY(onnx_op2(n, "Mul", y, scale, &y));
    return attend_product(n, y, 5, 8, ONNX_MAX_OPERANDS);
}

/* ---- MultiHeadAttention ---- */

/* The rows of one part of the bias, if there is one: of `size` from `start`. */
static maru_status add_bias(onnx_node *n, int64_t start, maru_value *x)
{
    int64_t size = 0;
    maru_value row = MARU_NO_VALUE;
    if (!onnx_has(n, 3))
        return MARU_OK;
    MARU_TRY(known(n, dim_of(n, *x, 2), "the hidden size must be known where there is a bias", &size));
    MARU_TRY(part(n, n->inputs[3], 0, start, size, &row));
    return onnx_op2(n, "Add", *x, row, x);
}

/* One of `count` parts of (batch, sequence, heads, count, size), as (batch, sequence, hidden). */
static maru_status unpack(onnx_node *n, maru_value packed, int64_t index, maru_value *out)
{
    const maru_dim dims[] = {dim_of(n, packed, 0), dim_of(n, packed, 1), 0};
    const maru_dim hidden[] = {dim_of(n, packed, 2), dim_of(n, packed, 4)};
    maru_dim joined[3] = {dims[0], dims[1], 0};
    MARU_TRY(maru_expr_product(&n->import->graph->exprs, hidden, 2, &joined[2]));
    MARU_TRY(part(n, packed, 3, index, 1, out));
    return onnx_reshape(n, *out, joined, 3, out);
}

/* Whichever way they come: apart, key and value in one, or all three in one. Keys with heads are ready. */
static maru_status take_operands(onnx_node *n, heads *h)
{
    int64_t hidden = 0, hidden_k = 0;
    if (!onnx_has(n, 0))
        return bad(n, "there is no query");
    h->q = n->inputs[0];
    h->k = optional(n, 1);
    h->v = optional(n, 2);
    if (rank_of(n, h->q) == 5) {
        MARU_TRY(unpack(n, n->inputs[0], 1, &h->k));
        MARU_TRY(unpack(n, n->inputs[0], 2, &h->v));
        MARU_TRY(unpack(n, n->inputs[0], 0, &h->q));
    } else if (h->k && rank_of(n, h->k) == 5) {
        MARU_TRY(unpack(n, n->inputs[1], 1, &h->v));
        MARU_TRY(unpack(n, n->inputs[1], 0, &h->k));
    }
    if (!h->k || !h->v || rank_of(n, h->q) != 3 || rank_of(n, h->k) != rank_of(n, h->v))
        return bad(n, "the query must have rank 3 or 5, and key and value must be there");
    if (onnx_has(n, 3))
        MARU_TRY(known(n, dim_of(n, h->q, 2), "the hidden size must be known where there is a bias", &hidden));
    MARU_TRY(add_bias(n, 0, &h->q));
    MARU_TRY(split_heads(n, h->q, h->n, &h->q));
    if (rank_of(n, h->k) == 4)
        return MARU_OK;
    if (onnx_has(n, 3))
        MARU_TRY(known(n, dim_of(n, h->k, 2), "the hidden size must be known where there is a bias", &hidden_k));
    MARU_TRY(add_bias(n, hidden, &h->k));
    MARU_TRY(add_bias(n, hidden + hidden_k, &h->v));
    MARU_TRY(split_heads(n, h->k, h->n, &h->k));
    return split_heads(n, h->v, h->n, &h->v);
}

/* (query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value, past_sequence_length, ...) */
static maru_status multi_head_attention(onnx_node *n)
{
    heads h = {.n = onnx_attr_int(n, "num_heads", 1), .joins = true, .wants_scores = n->wants[3]};
    if (onnx_has(n, 8) || onnx_has(n, 9))
        return refuse(n, "a shared buffer or cache_indirection");
    MARU_TRY(take_operands(n, &h));
    h.past_key = optional(n, 6);
    h.past_value = optional(n, 7);
    MARU_TRY(measure(n, &h));
    h.is_causal = onnx_attr_int(n, "unidirectional", 0) != 0;
    if (onnx_has(n, 4))
        MARU_TRY(add_key_mask(n, &h, n->inputs[4]));
    if (onnx_has(n, 5))
        MARU_TRY(add_mask(n, &h, n->inputs[5]));
    return attend(n, &h, &n->outputs[1], &n->outputs[2]);
}

/* ---- RotaryEmbedding ---- */

/* x with heads, positions i64[batch, sequence]. */
static maru_status rotate(onnx_node *n, maru_value x, maru_value positions_of, maru_value cosine, maru_value sine,
                          bool is_interleaved, maru_value *out)
{
    int64_t half = 0;
    MARU_TRY(known(n, dim_of(n, cosine, 1), "the caches must have known dims", &half));
    const maru_value inputs[] = {x, cosine, sine, positions_of};
    const maru_attribute attrs[] = {MARU_ATTR_I("interleaved", is_interleaved),
                                    MARU_ATTR_I("rotary_embedding_dim", 2 * half)};
    return onnx_add(n, "RotaryEmbedding", inputs, 4, attrs, 2, out);
}

/* One number is where the sequence starts. */
static maru_status spread_positions(onnx_node *n, maru_value given, maru_dim batch, maru_dim sequence, maru_value *out)
{
    const maru_dim dims[] = {batch, sequence}, row[] = {1, sequence};
    maru_value shape = MARU_NO_VALUE, steps = MARU_NO_VALUE;
    *out = given;
    if (rank_of(n, given) == 2)
        return MARU_OK;
    MARU_TRY(onnx_count_up(n, sequence, &steps));
    MARU_TRY(onnx_op2(n, "Add", steps, given, &steps));
    MARU_TRY(onnx_reshape(n, steps, row, 2, &steps));
    MARU_TRY(maru_graph_shape(n->import->graph, dims, 2, &shape));
    return onnx_op2(n, "Expand", steps, shape, out);
}

/* (x, positions, cosines, sines); of rank 3 the heads follow from the caches, unless it says how many there are. */
static maru_status rotary_embedding(onnx_node *n)
{
    int64_t count = onnx_attr_int(n, "num_heads", 0), hidden = 0, half = 0;
    maru_value x = optional(n, 0), at = MARU_NO_VALUE;
    if (!x || !onnx_has(n, 1) || !onnx_has(n, 2) || !onnx_has(n, 3) || (rank_of(n, x) != 3 && rank_of(n, x) != 4) ||
        rank_of(n, n->inputs[2]) != 2)
        return bad(n, "it needs four inputs, the first of rank 3 or 4, caches of rank 2");
    const bool is_flat = rank_of(n, x) == 3;
    if (is_flat) {
        MARU_TRY(known(n, dim_of(n, n->inputs[2], 1), "the caches must have known dims", &half));
        if (count < 1)
            MARU_TRY(known(n, dim_of(n, x, 2), "the hidden size must be known", &hidden));
        count = count > 0 ? count : half > 0 ? hidden / (2 * half) : 0;
        MARU_TRY(split_heads(n, x, count, &x));
    }
    MARU_TRY(spread_positions(n, n->inputs[1], dim_of(n, x, 0), dim_of(n, x, 2), &at));
    MARU_TRY(rotate(n, x, at, n->inputs[2], n->inputs[3], onnx_attr_int(n, "interleaved", 0) != 0, &x));
    if (is_flat)
        return join_heads(n, x, &n->outputs[0]);
    n->outputs[0] = x;
    return MARU_OK;
}

/* ---- GroupQueryAttention ---- */

/* (query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos, sin, positions, bias, sink, ...) */
enum { SEQLENS = 5, TOTAL, COSINE, SINE, POSITIONS, BIAS, SINK, Q_NORM = 14, K_NORM };

static maru_status split_group(onnx_node *n, heads *h)
{
    int64_t hidden = 0;
    maru_value parts[3] = {optional(n, 0), optional(n, 1), optional(n, 2)};
    if (!parts[0] || h->n < 1 || h->n_kv < 1 || h->n > 65536 || h->n_kv > 65536)
        return bad(n, "it needs a query, num_heads and kv_num_heads");
    if (!parts[1]) {
        const maru_value packed = parts[0];
        MARU_TRY(known(n, dim_of(n, packed, 2), "the hidden size of a packed query must be known", &hidden));
        const int64_t size = hidden / (h->n + 2 * h->n_kv);
        MARU_TRY(part(n, packed, 2, 0, h->n * size, &parts[0]));
        MARU_TRY(part(n, packed, 2, h->n * size, h->n_kv * size, &parts[1]));
        MARU_TRY(part(n, packed, 2, (h->n + h->n_kv) * size, h->n_kv * size, &parts[2]));
    }
    if (!parts[2])
        return bad(n, "there is a key, but no value");
    MARU_TRY(split_heads(n, parts[0], h->n, &h->q));
    MARU_TRY(split_heads(n, parts[1], h->n_kv, &h->k));
    return split_heads(n, parts[2], h->n_kv, &h->v);
}

static maru_status normalise(onnx_node *n, size_t weight, const char *epsilon, maru_value *x)
{
    const double usual = onnx_attr_float(n, "qk_norm_epsilon", 1e-6f);
    const maru_attribute attr = MARU_ATTR_F("epsilon", onnx_attr_float(n, epsilon, usual));
    const maru_value inputs[] = {*x, optional(n, weight)};
    return inputs[1] ? onnx_add(n, "RMSNormalization", inputs, 2, &attr, 1, x) : MARU_OK;
}

/* How many keys each batch has from before: what it has now without the new ones; i64[batch, 1, 1, 1]. */
static maru_status count_past(onnx_node *n, const heads *h, maru_value *out)
{
    maru_value keys = MARU_NO_VALUE, zero = MARU_NO_VALUE;
    MARU_TRY(of_batches(n, n->inputs[SEQLENS], h->batch, out));
    MARU_TRY(maru_graph_shape(n->import->graph, &h->keys, 1, &keys));
    MARU_TRY(onnx_op_number(n, "Add", *out, 1, out));
    MARU_TRY(onnx_op2(n, "Sub", *out, keys, out));
    MARU_TRY(onnx_scalar_like(n, *out, 0, &zero));
    return onnx_op2(n, "Max", *out, zero, out);
}

static maru_status rotate_group(onnx_node *n, heads *h, maru_value past)
{
    const bool is_interleaved = onnx_attr_int(n, "rotary_interleaved", 0) != 0;
    const maru_dim column[] = {h->batch, 1};
    maru_value at = optional(n, POSITIONS);
    if (!onnx_has(n, COSINE) || !onnx_has(n, SINE) || rank_of(n, n->inputs[COSINE]) != 2)
        return bad(n, "do_rotary needs cos_cache and sin_cache");
    if (!at) {
        MARU_TRY(onnx_count_up(n, h->keys, &at));
        MARU_TRY(onnx_reshape(n, past, column, 2, &past));
        MARU_TRY(onnx_op2(n, "Add", past, at, &at));
    }
    MARU_TRY(rotate(n, h->q, at, n->inputs[COSINE], n->inputs[SINE], is_interleaved, &h->q));
    return rotate(n, h->k, at, n->inputs[COSINE], n->inputs[SINE], is_interleaved, &h->k);
}

/*
 * The new keys or values behind those of before. The past is a buffer with room for all if its length is known
 * to suffice, else it is made longer by the new ones.
 */
static maru_status append(onnx_node *n, const heads *h, maru_value past, maru_value at, bool is_buffer, maru_value *x)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 2);
    maru_value longer[2] = {past, MARU_NO_VALUE}, into[3] = {past, *x, MARU_NO_VALUE};
    if (!is_buffer) {
        longer[1] = *x;
        MARU_TRY(onnx_add(n, "Concat", longer, 2, &axis, 1, &into[0]));
    }
    MARU_TRY(onnx_reshape(n, at, &h->batch, 1, &into[2]));
    return onnx_add(n, "TensorScatter", into, 3, &axis, 1, x);
}

static maru_status take_past(onnx_node *n, heads *h, maru_value at)
{
    const maru_value past_key = optional(n, 3), past_value = optional(n, 4);
    int64_t room = 0, most = 0;
    double total = 0;
    if (!past_key)
        return MARU_OK;
    if (!past_value || rank_of(n, past_key) != 4 || rank_of(n, past_value) != 4)
        return bad(n, "past_key and past_value must be given together and have rank 4");
    const bool has_room = maru_expr_is_const(&n->import->graph->exprs, dim_of(n, past_key, 2), &room) &&
                          onnx_number(n, TOTAL, "total_sequence_length", &total) == MARU_OK && total <= (double)room;
    if (has_room && maru_expr_is_const(&n->import->graph->exprs, h->keys, &most) && most > room)
        return bad(n, "there are more new keys than the past has room for");
    MARU_TRY(append(n, h, past_key, at, has_room, &h->k));
    MARU_TRY(append(n, h, past_value, at, has_room, &h->v));
    h->total = dim_of(n, h->k, 2);
    return MARU_OK;
}

/* Keys up to each query's own place, and not further back than the window; or all keys that there are. */
static maru_status see_group(onnx_node *n, const heads *h, maru_value past, maru_value *out)
{
    const int64_t window = onnx_attr_int(n, "local_window_size", -1);
    maru_value key = MARU_NO_VALUE, query = MARU_NO_VALUE, far = MARU_NO_VALUE;
    MARU_TRY(positions(n, h->total, 3, &key));
    if (!onnx_attr_int(n, "causal", 1)) {
        MARU_TRY(of_batches(n, n->inputs[SEQLENS], h->batch, &query));
        return onnx_op2(n, "LessOrEqual", key, query, out);
    }
    MARU_TRY(positions(n, h->queries, 2, &query));
    MARU_TRY(onnx_op2(n, "Add", query, past, &query));
    MARU_TRY(onnx_op2(n, "LessOrEqual", key, query, out));
    if (window < 0)
        return MARU_OK;
    MARU_TRY(onnx_op_number(n, "Sub", query, (double)window, &query));
    MARU_TRY(onnx_op2(n, "Greater", key, query, &far));
    return onnx_op2(n, "And", *out, far, out);
}

/* One more key of which only the score counts: it takes its share of the softmax and gives zeros. */
static maru_status add_sink(onnx_node *n, heads *h)
{
    const maru_attribute axis = MARU_ATTR_I("axis", -1);
    const maru_dim one_head[] = {1, h->n, 1, 1}, column[] = {h->batch, h->n, h->queries, 1}, all[] = {
        h->batch, h->n, h->queries, h->total};
    static const int64_t pads[] = {0, 0, 0, 0, 0, 0, 1, 0};
    maru_value sink = optional(n, SINK), shape = MARU_NO_VALUE, pad = MARU_NO_VALUE, pair[2];
    if (sink) {
        MARU_TRY(onnx_reshape(n, sink, one_head, 4, &sink));
        MARU_TRY(onnx_cast(n, sink, dtype_of(n, h->q), &sink));
    } else {
        MARU_TRY(maru_graph_scalar(n->import->graph, dtype_of(n, h->q), 0, &sink));
    }
    MARU_TRY(maru_graph_shape(n->import->graph, column, 4, &shape));
    MARU_TRY(onnx_op2(n, "Expand", sink, shape, &pair[1]));
    MARU_TRY(maru_graph_shape(n->import->graph, all, 4, &shape));
    MARU_TRY(onnx_op2(n, "Expand", h->mask, shape, &pair[0]));
    MARU_TRY(onnx_add(n, "Concat", pair, 2, &axis, 1, &h->mask));
    MARU_TRY(onnx_ints(n, pads, 8, &pad));
    MARU_TRY(onnx_op2(n, "Pad", h->k, pad, &h->k));
    return onnx_op2(n, "Pad", h->v, pad, &h->v);
}

/* What may be seen, as numbers to add where there are others to add. */
static maru_status mask_group(onnx_node *n, heads *h, maru_value past)
{
    const bool has_sink = onnx_has(n, SINK) || onnx_attr_int(n, "smooth_softmax", -1) == 1;
    const maru_dtype dtype = dtype_of(n, h->q);
    maru_value bias = optional(n, BIAS), never = MARU_NO_VALUE;
    MARU_TRY(see_group(n, h, past, &h->mask));
    if (!bias && !has_sink)
        return MARU_OK;
    if (!bias)
        MARU_TRY(maru_graph_scalar(n->import->graph, dtype, 0, &bias));
    MARU_TRY(maru_graph_scalar(n->import->graph, dtype, -INFINITY, &never));
    MARU_TRY(onnx_op3(n, "Where", h->mask, bias, never, &h->mask));
    return has_sink ? add_sink(n, h) : MARU_OK;
}

static maru_status check_group(const onnx_node *n)
{
    if (onnx_has(n, 12) || onnx_has(n, 13) || onnx_attr_int(n, "kv_cache_bit_width", 0))
        return refuse(n, "a quantised cache");
    if (onnx_has(n, 16) || onnx_attr_int(n, "sliding_window_cache", 0))
        return refuse(n, "query_seqlens or sliding_window_cache");
    if (n->wants[3])
        return refuse(n, "its output_qk");
    return onnx_has(n, SEQLENS) ? MARU_OK : bad(n, "there is no seqlens_k");
}

static maru_status group_query_attention(onnx_node *n)
{
    heads h = {.n = onnx_attr_int(n, "num_heads", 0), .n_kv = onnx_attr_int(n, "kv_num_heads", 0), .joins = true};
    maru_value past = MARU_NO_VALUE, k = MARU_NO_VALUE, v = MARU_NO_VALUE;
    h.softcap = onnx_attr_float(n, "softcap", 0);
    MARU_TRY(check_group(n));
    MARU_TRY(split_group(n, &h));
    MARU_TRY(normalise(n, Q_NORM, "q_norm_epsilon", &h.q));
    MARU_TRY(normalise(n, K_NORM, "k_norm_epsilon", &h.k));
    MARU_TRY(measure(n, &h));
    MARU_TRY(count_past(n, &h, &past));
    if (onnx_attr_int(n, "do_rotary", 0))
        MARU_TRY(rotate_group(n, &h, past));
    MARU_TRY(take_past(n, &h, past));
    n->outputs[1] = h.k;
    n->outputs[2] = h.v;
    MARU_TRY(mask_group(n, &h, past));
    return attend(n, &h, &k, &v);
}

#define ROW(op_name, fn) {"com.microsoft", op_name, 1, INT16_MAX, fn}

const onnx_form onnx_forms_attention[] = {
    ROW("Attention", attention),
    ROW("QAttention", q_attention),
    ROW("MultiHeadAttention", multi_head_attention),
    ROW("GroupQueryAttention", group_query_attention),
    ROW("RotaryEmbedding", rotary_embedding),
    {.op = NULL},
};
