// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <string.h>

/* LSTM, GRU, RNN: inputs X, W, R, B, sequence_lens, initial_h, and for an LSTM initial_c and P. */

typedef struct recurrent {
    uint32_t gates;
    bool batch_first;  // layout 1
    maru_dim directions, steps, batch, inputs, hidden;
} recurrent;

static bool same_dims(const maru_infer *infer, size_t index, const maru_dim *dims, uint32_t rank)
{
    const maru_infer_value *v = &infer->inputs[index];
    bool same = v->rank == rank;
    for (uint32_t d = 0; same && d < rank; d++)
        same = maru_infer_same_dim(infer, v->dims[d], dims[d]);
    return same;
}

static maru_status check_dims(const maru_infer *infer, size_t index, const char *what, const maru_dim *dims,
                              uint32_t rank)
{
    char text[256];
    if (!maru_infer_has(infer, index) || same_dims(infer, index, dims, rank))
        return MARU_OK;
    maru_str want = {0};
    maru_dims_print(&infer->graph->exprs, dims, rank, &want);
    const maru_status status = maru_infer_fail(infer, "%s is %s, %s would fit", what,
                                               maru_infer_describe(infer, index, text, sizeof text),
                                               maru_str_get(&want));
    maru_str_fini(&want);
    return status;
}

static maru_status check_activations(const maru_infer *infer, size_t needed)
{
    static const char *const known[] = {"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu",
                                        "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"};
    const maru_attribute *given = maru_node_attr(infer->node, "activations");
    if (given && given->n != needed)
        return maru_infer_fail(infer, "%zu activations are given, %zu are needed", given->n, needed);
    for (size_t i = 0; given && i < given->n; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < sizeof known / sizeof *known; k++)
            found = strcmp(given->strings[i], known[k]) == 0;
        if (!found)
            return maru_infer_fail(infer, "activation '%s' is not known", given->strings[i]);
    }
    return MARU_OK;
}

static maru_status read_recurrent(maru_infer *infer, recurrent *r)
{
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *w = &infer->inputs[2];
    const char *direction = maru_node_string(infer->node, "direction", "forward");
    const bool is_both = strcmp(direction, "bidirectional") == 0;
    int64_t hidden = 0;
    if (!is_both && strcmp(direction, "forward") != 0 && strcmp(direction, "reverse") != 0)
        return maru_infer_fail(infer, "direction '%s' is not known", direction);
    if (x->rank != 3 || w->rank != 3 || !maru_expr_is_const(&infer->graph->exprs, w->dims[2], &hidden) || hidden < 1 ||
        hidden > INT32_MAX)
        return maru_infer_fail(infer, "X and R must have rank 3, and R's last dim must be a positive number");
    const int64_t said = maru_node_int(infer->node, "hidden_size", hidden);
    if (said != hidden)
        return maru_infer_fail(infer, "hidden_size is %lld, R has %lld", (long long)said, (long long)hidden);
    r->batch_first = maru_node_int(infer->node, "layout", 0) != 0;
    r->directions = is_both ? 2 : 1;
    r->steps = x->dims[r->batch_first ? 1 : 0];
    r->batch = x->dims[r->batch_first ? 0 : 1];
    r->inputs = x->dims[2];
    r->hidden = hidden;
    return MARU_OK;
}

static maru_status check_recurrent(maru_infer *infer, const recurrent *r)
{
    const maru_dim rows = r->gates * r->hidden;
    const maru_dim first = r->batch_first ? r->batch : r->directions;
    const maru_dim second = r->batch_first ? r->directions : r->batch;
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    for (size_t i = 1; i < infer->node->n_inputs; i++)
        if (i != 4 && maru_infer_has(infer, i))
            MARU_TRY(maru_infer_require_same_dtype(infer, 0, i));
    MARU_TRY(check_dims(infer, 1, "W", (const maru_dim[]){r->directions, rows, r->inputs}, 3));
    MARU_TRY(check_dims(infer, 2, "R", (const maru_dim[]){r->directions, rows, r->hidden}, 3));
    MARU_TRY(check_dims(infer, 3, "B", (const maru_dim[]){r->directions, 2 * rows}, 2));
    MARU_TRY(check_dims(infer, 4, "sequence_lens", (const maru_dim[]){r->batch}, 1));
    MARU_TRY(check_dims(infer, 5, "initial_h", (const maru_dim[]){first, second, r->hidden}, 3));
    MARU_TRY(check_dims(infer, 6, "initial_c", (const maru_dim[]){first, second, r->hidden}, 3));
    return check_dims(infer, 7, "P", (const maru_dim[]){r->directions, 3 * r->hidden}, 2);
}

static maru_status infer_recurrent(maru_infer *infer, uint32_t gates, size_t functions)
{
    recurrent r = {.gates = gates};
    const maru_dtype dtype = infer->inputs[0].dtype;
    MARU_TRY(read_recurrent(infer, &r));
    MARU_TRY(check_recurrent(infer, &r));
    MARU_TRY(check_activations(infer, functions * (size_t)r.directions));
    if (r.batch_first)
        infer->outputs[0] = (maru_infer_value){
            .dtype = dtype, .rank = 4, .dims = {r.batch, r.steps, r.directions, r.hidden}};
    else
        infer->outputs[0] = (maru_infer_value){
            .dtype = dtype, .rank = 4, .dims = {r.steps, r.directions, r.batch, r.hidden}};
    for (uint32_t i = 1; i < infer->node->n_outputs; i++)
        infer->outputs[i] = (maru_infer_value){.dtype = dtype, .rank = 3, .dims = {
            r.batch_first ? r.batch : r.directions, r.batch_first ? r.directions : r.batch, r.hidden}};
    return MARU_OK;
}

MARU_INFER(lstm)
{
    return infer_recurrent(infer, 4, 3);
}

MARU_INFER(gru)
{
    return infer_recurrent(infer, 3, 2);
}

MARU_INFER(rnn)
{
    return infer_recurrent(infer, 1, 1);
}

/* ---- LinearAttention ---- */

static maru_status check_linear(maru_infer *infer, maru_dim heads, maru_dim keys, maru_dim values)
{
    const maru_infer_value *x = &infer->inputs[0];
    maru_dim all_keys = 0;
    MARU_TRY(maru_expr_make(&infer->graph->exprs, MARU_EXPR_MUL, heads, keys, &all_keys));
    MARU_TRY(check_dims(infer, 1, "key", (const maru_dim[]){x->dims[0], x->dims[1], all_keys}, 3));
    MARU_TRY(check_dims(infer, 2, "value", (const maru_dim[]){x->dims[0], x->dims[1], infer->inputs[2].dims[2]}, 3));
    MARU_TRY(check_dims(infer, 3, "past_state", (const maru_dim[]){x->dims[0], heads, keys, values}, 4));
    if (maru_infer_has(infer, 4) && !same_dims(infer, 4, (const maru_dim[]){x->dims[0], x->dims[1], heads}, 3))
        MARU_TRY(check_dims(infer, 4, "decay", (const maru_dim[]){x->dims[0], x->dims[1], all_keys}, 3));
    if (maru_infer_has(infer, 5) && !same_dims(infer, 5, (const maru_dim[]){x->dims[0], x->dims[1], 1}, 3))
        MARU_TRY(check_dims(infer, 5, "beta", (const maru_dim[]){x->dims[0], x->dims[1], heads}, 3));
    const char *rule = maru_node_string(infer->node, "update_rule", "gated_delta");
    const bool is_gated = strncmp(rule, "gated", 5) == 0;
    const bool is_delta = strstr(rule, "delta") != NULL;
    if (!is_gated && !is_delta && strcmp(rule, "linear") != 0)
        return maru_infer_fail(infer, "update_rule '%s' is not known", rule);
    if ((is_gated && !maru_infer_has(infer, 4)) || (is_delta && !maru_infer_has(infer, 5)))
        return maru_infer_fail(infer, "update_rule '%s' needs %s", rule,
                               is_delta ? "beta, and decay if it is gated" : "decay");
    return MARU_OK;
}

MARU_INFER(linear_attention)
{
    const maru_infer_value *q = &infer->inputs[0];
    const maru_infer_value *v = &infer->inputs[2];
    const int64_t q_heads = maru_node_int(infer->node, "q_num_heads", 0);
    const int64_t heads = maru_node_int(infer->node, "kv_num_heads", 0);
    maru_exprs *exprs = &infer->graph->exprs;
    maru_dim keys = 0;
    maru_dim values = 0;
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    for (size_t i = 1; i < infer->node->n_inputs; i++)
        if (maru_infer_has(infer, i))
            MARU_TRY(maru_infer_require_class(infer, i, "f"));
    if (heads < 1 || q_heads < heads || q_heads > INT32_MAX || q_heads % heads != 0 || q->rank != 3 || v->rank != 3 ||
        !maru_expr_divide(exprs, q->dims[2], q_heads, &keys) || !maru_expr_divide(exprs, v->dims[2], heads, &values))
        return maru_infer_fail(infer, "query and value must have rank 3 and %lld and %lld heads in their last dim",
                               (long long)q_heads, (long long)heads);
    MARU_TRY(check_linear(infer, heads, keys, values));
    infer->outputs[0] = *q;
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_MUL, q_heads, values, &infer->outputs[0].dims[2]));
    if (infer->node->n_outputs > 1)
        infer->outputs[1] = (maru_infer_value){
            .dtype = maru_infer_has(infer, 3) ? infer->inputs[3].dtype : q->dtype,
            .rank = 4,
            .dims = {q->dims[0], heads, keys, values},
        };
    return MARU_OK;
}
