// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Attention as exporters spell it, of heads that stand apart (batch, heads,
 * sequence, size): softmax(q k^T * scale + mask) v. The scale is a factor or
 * a divisor of the scores, of q or of k; k comes transposed.
 */

#include "plan/fuse.h"

#include <string.h>

#include "base/fail.h"

typedef struct attention {
    maru_value q;
    maru_value k;             // k^T's own source
    int64_t k_perm[4];        // that makes it (batch, heads, sequence, size)
    maru_value v;
    maru_value mask;          // MARU_NO_VALUE: none
    double scale;
} attention;

static const maru_value_record *get(const maru_fuser *f, maru_value value)
{
    return maru_graph_get(f->graph, value);
}

static bool has_dims(const maru_fuser *f, maru_value a, maru_value b, uint32_t n)
{
    return memcmp(get(f, a)->dims, get(f, b)->dims, n * sizeof(maru_dim)) == 0;
}

/* Takes factors and divisors that are numbers off the value. */
static maru_value take_scale(const maru_fuser *f, maru_value value, double *scale)
{
    for (;;) {
        double number = 0;
        maru_value inner = MARU_NO_VALUE;
        const maru_node_record *mul = maru_fuser_only_by(f, value, MARU_OP_MUL);
        const maru_node_record *div = maru_fuser_only_by(f, value, MARU_OP_DIV);
        if (mul && maru_fuser_with_number(f, mul, &inner, &number) && get(f, inner)->rank == get(f, value)->rank) {
            *scale *= number;
            value = inner;
        } else if (div && maru_fuser_is_number(f, div->inputs[1], &number) && number != 0) {
            *scale /= number;
            value = div->inputs[0];
        } else {
            return value;
        }
    }
}

/* k^T from a transposition, which may be the one that also sets heads apart. */
static bool match_keys(const maru_fuser *f, maru_value transposed, attention *out)
{
    const maru_value value = take_scale(f, transposed, &out->scale);
    const maru_node_record *transpose = maru_fuser_made_by(f, value, MARU_OP_TRANSPOSE);
    const maru_attribute *perm = transpose ? maru_node_attr(transpose, "perm") : NULL;
    if (!perm || perm->n != 4)
        return false;
    out->k = transpose->inputs[0];
    memcpy(out->k_perm, perm->ints, sizeof out->k_perm);
    out->k_perm[2] = perm->ints[3];
    out->k_perm[3] = perm->ints[2];
    return true;
}

static bool match_scores(const maru_fuser *f, maru_value scores, attention *out)
{
    out->scale = 1;
    const maru_value product = take_scale(f, scores, &out->scale);
    const maru_node_record *matmul = maru_fuser_only_by(f, product, MARU_OP_MATMUL);
    if (!matmul || get(f, product)->rank != 4 || get(f, matmul->inputs[0])->rank != 4 ||
        get(f, matmul->inputs[1])->rank != 4 || !match_keys(f, matmul->inputs[1], out))
        return false;
    out->q = take_scale(f, matmul->inputs[0], &out->scale);
    return get(f, out->q)->rank == 4 && has_dims(f, matmul->inputs[0], matmul->inputs[1], 2);
}

/* A mask is added to the scores; it may be smaller than they are, never larger. */
static bool match_masked(const maru_fuser *f, maru_value value, attention *out)
{
    const maru_node_record *add = maru_fuser_only_by(f, value, MARU_OP_ADD);
    for (int i = 0; add && i < 2; i++) {
        const maru_value scores = add->inputs[i];
        if (get(f, scores)->rank == 4 && has_dims(f, scores, value, 4) && match_scores(f, scores, out)) {
            out->mask = add->inputs[1 - i];
            return get(f, out->mask)->rank > 0;
        }
    }
    out->mask = MARU_NO_VALUE;
    return !add && match_scores(f, value, out);
}

static bool match(const maru_fuser *f, const maru_node_record *node, attention *out)
{
    if (node->op->id != MARU_OP_MATMUL || get(f, node->inputs[1])->rank != 4)
        return false;
    const maru_node_record *softmax = maru_fuser_only_by(f, node->inputs[0], MARU_OP_SOFTMAX);
    if (!softmax || get(f, softmax->inputs[0])->rank != 4)
        return false;
    const int64_t axis = maru_node_int(softmax, "axis", -1);
    out->v = node->inputs[1];
    return (axis == -1 || axis == 3) && match_masked(f, softmax->inputs[0], out) && has_dims(f, out->q, out->v, 2) &&
           get(f, out->q)->dtype == get(f, out->v)->dtype;
}

static maru_status add_keys(maru_fuser *f, const attention *a, maru_value *out)
{
    static const int64_t as_it_is[4] = {0, 1, 2, 3};
    maru_value source = MARU_NO_VALUE;
    MARU_TRY(maru_rebuild_value(&f->rebuild, a->k, &source));
    *out = source;
    if (memcmp(a->k_perm, as_it_is, sizeof as_it_is) == 0)
        return MARU_OK;
    const maru_attribute perm = MARU_ATTR_IS("perm", a->k_perm, 4);
    return maru_graph_op(f->rebuild.to, "Transpose", &source, 1, &perm, 1, out);
}

maru_status maru_fuse_attention(maru_fuser *f, const maru_node_record *node, bool *done)
{
    attention a = {0};
    if (!match(f, node, &a))
        return MARU_OK;
    maru_value inputs[4] = {MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(maru_rebuild_value(&f->rebuild, a.q, &inputs[0]));
    MARU_TRY(add_keys(f, &a, &inputs[1]));
    MARU_TRY(maru_rebuild_value(&f->rebuild, a.v, &inputs[2]));
    if (a.mask)
        MARU_TRY(maru_rebuild_value(&f->rebuild, a.mask, &inputs[3]));
    const maru_attribute scale = MARU_ATTR_F("scale", a.scale);
    *done = true;
    return maru_graph_op(f->rebuild.to, "Attention", inputs, a.mask ? 4 : 3, &scale, 1,
                         &f->rebuild.map[node->outputs[0]]);
}
