// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/decompose.h"

#define WORDS 4
#define ROUNDS 10
#define LOW_BITS 4294967295.0

/* Philox4x32-10 in integers of 64 bits that hold 32: constants and order are those of backends/cpu/ref/random.c. */

static maru_value u64(maru_body *b, double value)
{
    maru_value out = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_scalar(b->graph, MARU_U64, value, &out);
    return out;
}

static maru_value low(maru_body *b, maru_value x)
{
    return maru_body_op2(b, "BitwiseAnd", x, u64(b, LOW_BITS));
}

static maru_value high(maru_body *b, maru_value x)
{
    const maru_attribute right = MARU_ATTR_S("direction", "RIGHT");
    const maru_value inputs[2] = {x, u64(b, 32)};
    return maru_body_node(b, "BitShift", inputs, 2, &right, 1);
}

static maru_value xor3(maru_body *b, maru_value x, maru_value y, uint32_t key)
{
    return maru_body_op2(b, "BitwiseXor", maru_body_op2(b, "BitwiseXor", x, y), u64(b, key));
}

static void round_once(maru_body *b, maru_value word[WORDS], uint32_t key0, uint32_t key1)
{
    const maru_value p = maru_body_op2(b, "Mul", word[0], u64(b, 0xD2511F53u));
    const maru_value q = maru_body_op2(b, "Mul", word[2], u64(b, 0xCD9E8D57u));
    word[0] = xor3(b, high(b, q), word[1], key0);
    word[1] = low(b, q);
    word[2] = xor3(b, high(b, p), word[3], key1);
    word[3] = low(b, p);
}

/* (blocks) words each to (count) in the order of the blocks. */
static maru_value interleave(maru_body *b, const maru_value word[WORDS], maru_dim count)
{
    static const int64_t last = -1, start = 0;
    const maru_attribute axis = MARU_ATTR_I("axis", -1);
    const maru_dim flat = maru_body_mul_dim(b, maru_body_dim(b, word[1], 0), WORDS);
    maru_value columns[WORDS];
    for (int i = 0; i < WORDS; i++)
        columns[i] = maru_body_unsqueeze(b, word[i], &last, 1);
    const maru_value all = maru_body_reshape(b, maru_body_node(b, "Concat", columns, WORDS, &axis, 1), &flat, 1);
    return maru_body_op3(b, "Slice", all, maru_body_ints(b, &start, 1), maru_body_shape(b, &count, 1));
}

MARU_BODY(random)
{
    const maru_value_record *out = maru_graph_get(b->graph, b->in[0]);
    maru_dim dims[MARU_MAX_RANK], count = 1, blocks = 1;
    const uint32_t rank = out->n_elems;
    uint32_t key0 = (uint32_t)maru_node_int(b->node, "seed", 0);
    uint32_t key1 = (uint32_t)maru_node_int(b->node, "stream", 0);
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = out->elems[d];
    maru_body_fail(b, maru_expr_product(&b->graph->exprs, dims, rank, &count));
    if (b->status == MARU_OK)
        b->status = maru_expr_make(&b->graph->exprs, MARU_EXPR_CEILDIV, count, WORDS, &blocks);
    const maru_value at = maru_body_cast(b, maru_body_range(b, blocks), MARU_U64);
    const maru_value counter = maru_body_has(b, 1) ? maru_body_cast(b, b->in[1], MARU_U64) : u64(b, 0);
    maru_value word[WORDS] = {low(b, at), high(b, at), low(b, counter), high(b, counter)};
    for (int i = 0; i < ROUNDS; i++) {
        round_once(b, word, key0, key1);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    const maru_value words = interleave(b, word, count);
    if (b->status == MARU_OK)
        b->out[0] = maru_body_cast(b, maru_body_reshape(b, words, dims, rank), MARU_U32);
}
