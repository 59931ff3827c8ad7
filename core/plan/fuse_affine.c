// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * y * s + t, with one s and one t for each channel of a product y, is a product
 * with other weights and another bias. They are written as nodes on constants,
 * which folding computes once. What is for a channel is computed in f64, so that
 * a weight is rounded once, and its factor once.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "plan/decompose.h"
#include "plan/fuse.h"
#include "plan/plan.h"

typedef struct affine {
    maru_fuser f;
    bool *is_host;  // per value of the old graph: in the new one, a product with constant weights made it
} affine;

/* One step of the channels: y * s + t. */
typedef struct step {
    const maru_node_record *node;  // BatchNormalization, Mul, Add, Sub or Div
    maru_value y;                  // of the old graph, as the operand
    maru_value operand;            // what is for the channels; not of BatchNormalization
    bool is_turned;                // operand - y
} step;

static const maru_value_record *record_of(const affine *a, maru_value value)
{
    return maru_graph_get(a->f.graph, value);
}

/* ---- constants ---- */

/* The bytes of a constant, or of one that only has other dims; NULL if it is none. */
static const void *constant_data(const affine *a, maru_value value)
{
    const maru_graph *graph = a->f.graph;
    while (value != MARU_NO_VALUE && record_of(a, value)->kind == MARU_VALUE_NODE) {
        const maru_node_record *node = &graph->nodes.data[record_of(a, value)->source];
        value = node->op->flags & MARU_OP_VIEW ? node->inputs[0] : MARU_NO_VALUE;
    }
    return value == MARU_NO_VALUE ? NULL : maru_graph_constant_data(graph, value);
}

/* One number, or one for each channel, broadcast to `rank` dims of which `axis` has the channels. */
static bool has_dims_of_channels(const affine *a, maru_value value, uint32_t rank, uint32_t axis, int64_t channels)
{
    const maru_value_record *v = record_of(a, value);
    if (v->rank > rank)
        return false;
    for (uint32_t d = 0; d < v->rank; d++)
        if (v->dims[d] != 1 && (d + rank - v->rank != axis || v->dims[d] != channels))
            return false;
    return true;
}

/* 0 times what is not finite is no number, which the product would spread over all. */
static bool is_tame(const affine *a, maru_value value, bool divides)
{
    const maru_value_record *v = record_of(a, value);
    const void *data = constant_data(a, value);
    int64_t n = 1;
    for (uint32_t d = 0; d < v->rank; d++)
        n *= v->dims[d];
    for (int64_t i = 0; data && i < n; i++) {
        const double x = maru_dtype_load_f64(v->dtype, data, i);
        if (!isfinite(x) || (divides && x == 0))
            return false;
    }
    return data != NULL;
}

static bool is_factor(const affine *a, maru_value value, uint32_t rank, uint32_t axis, int64_t channels, bool divides)
{
    return constant_data(a, value) && has_dims_of_channels(a, value, rank, axis, channels) &&
           is_tame(a, value, divides);
}

/* ---- products ---- */

static uint32_t axis_of(maru_op op, uint32_t rank)
{
    return op == MARU_OP_GEMM || op == MARU_OP_MATMUL ? rank - 1 : 1;
}

static maru_value bias_of(const maru_node_record *node)
{
    return node->n_inputs > 2 ? node->inputs[2] : MARU_NO_VALUE;
}

/* Weights that others read too would be there twice. */
static bool has_own_weights(const affine *a, const maru_node_record *node, uint32_t least_rank)
{
    const maru_value w = node->inputs[1];
    return constant_data(a, w) && a->f.n_readers[w] == 1 && record_of(a, w)->rank >= least_rank &&
           record_of(a, w)->rank < MARU_MAX_RANK;
}

static bool has_weights(const affine *a, const maru_node_record *node)
{
    switch (node->op->id) {
    case MARU_OP_CONV:
    case MARU_OP_CONV_TRANSPOSE: return has_own_weights(a, node, 3);
    case MARU_OP_GEMM: return has_own_weights(a, node, 2) && maru_node_float(node, "beta", 1) == 1;
    case MARU_OP_MATMUL: return has_own_weights(a, node, 2) && record_of(a, node->inputs[1])->rank == 2;
    case MARU_OP_BATCH_NORMALIZATION:
        return constant_data(a, node->inputs[1]) && maru_node_int(node, "training_mode", 0) == 0 &&
               record_of(a, node->inputs[1])->dtype == record_of(a, node->outputs[0])->dtype &&
               record_of(a, node->inputs[2])->dtype == record_of(a, node->outputs[0])->dtype;
    default: return false;
    }
}

/* Whether the channels of what the node makes can be scaled and shifted by its constants. */
static bool can_host(const affine *a, const maru_node_record *node)
{
    const maru_value_record *y = record_of(a, node->outputs[0]);
    if ((y->dtype != MARU_F32 && y->dtype != MARU_F64) || !has_weights(a, node) || y->rank == 0)
        return false;
    const uint32_t axis = axis_of(node->op->id, y->rank);
    const maru_value bias = bias_of(node);
    if (axis >= y->rank || y->dims[axis] <= 0)
        return false;
    // The bias of Gemm is broadcast to its result; others are vectors.
    return bias == MARU_NO_VALUE ||
           (constant_data(a, bias) && (node->op->id != MARU_OP_GEMM ||
                                       has_dims_of_channels(a, bias, y->rank, axis, y->dims[axis])));
}

/* ---- steps ---- */

/* What the new graph has for an old value; for values of nodes that were copied. */
static const maru_node_record *new_node(const affine *a, maru_value old)
{
    const maru_graph *to = a->f.rebuild.to;
    return &to->nodes.data[maru_graph_get(to, a->f.rebuild.map[old])->source];
}

static bool is_only_read_here(const affine *a, maru_value y)
{
    return y != MARU_NO_VALUE && a->is_host[y] && a->f.n_readers[y] == 1;
}

/* MatMul has no bias; of two matrices it can be a Gemm. */
static bool may_shift(const affine *a, maru_value y)
{
    return new_node(a, y)->op->id != MARU_OP_MATMUL || record_of(a, y)->rank == 2;
}

static bool match_norm(const affine *a, const maru_node_record *node, step *out)
{
    const maru_value y = node->inputs[0];
    if (!is_only_read_here(a, y) || maru_node_int(node, "training_mode", 0) != 0)
        return false;
    const maru_value_record *v = record_of(a, y);
    *out = (step){.node = node, .y = y};
    if (axis_of(new_node(a, y)->op->id, v->rank) != 1 || !may_shift(a, y) ||
        !(maru_node_float(node, "epsilon", 1e-5) > 0))
        return false;
    for (int i = 1; i < 5; i++)
        if (!is_factor(a, node->inputs[i], 1, 0, v->dims[1], false))
            return false;
    return true;
}

static bool match_operand(const affine *a, const maru_node_record *node, int of_y, step *out)
{
    const maru_op op = node->op->id;
    const maru_value y = node->inputs[of_y];
    *out = (step){.node = node, .y = y, .operand = node->inputs[1 - of_y], .is_turned = op == MARU_OP_SUB && of_y};
    if (!is_only_read_here(a, y) || (op == MARU_OP_DIV && of_y))
        return false;
    const maru_value_record *v = record_of(a, y);
    const uint32_t axis = axis_of(new_node(a, y)->op->id, v->rank);
    const bool shifts = op == MARU_OP_ADD || op == MARU_OP_SUB;
    return (!shifts || may_shift(a, y)) &&
           is_factor(a, out->operand, v->rank, axis, v->dims[axis], op == MARU_OP_DIV);
}

static bool match_step(const affine *a, const maru_node_record *node, step *out)
{
    switch (node->op->id) {
    case MARU_OP_BATCH_NORMALIZATION: return match_norm(a, node, out);
    case MARU_OP_MUL:
    case MARU_OP_ADD:
    case MARU_OP_SUB:
    case MARU_OP_DIV: return match_operand(a, node, 0, out) || match_operand(a, node, 1, out);
    default: return false;
    }
}

/* ---- writing: all of it in f64 and of dims [channels] ---- */

static maru_value of_old(affine *a, maru_body *b, maru_value old)
{
    maru_value value = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_rebuild_value(&a->f.rebuild, old, &value);
    return value;
}

static maru_value as_vector(maru_body *b, maru_value value, maru_dim channels)
{
    if (b->status != MARU_OK)
        return MARU_NO_VALUE;
    const maru_value_record *v = maru_graph_get(b->graph, value);
    maru_dim n = 1;
    for (uint32_t d = 0; d < v->rank; d++)
        n *= v->dims[d];
    const maru_value flat = maru_body_reshape(b, maru_body_cast(b, value, MARU_F64), &n, 1);
    return n == channels ? flat : maru_body_expand(b, flat, &channels, 1);
}

/* The factors and what is added; MARU_NO_VALUE where a step has none. */
static void put_norm(affine *a, maru_body *b, const step *s, maru_dim channels, maru_value *factor, maru_value *shift)
{
    maru_value in[5] = {MARU_NO_VALUE};
    for (int i = 1; i < 5; i++)
        in[i] = as_vector(b, of_old(a, b, s->node->inputs[i]), channels);
    const maru_value width = maru_body_op2s(b, "Add", in[4], maru_node_float(s->node, "epsilon", 1e-5));
    *factor = maru_body_op2(b, "Div", in[1], maru_body_op1(b, "Sqrt", width));
    *shift = maru_body_op2(b, "Sub", in[2], maru_body_op2(b, "Mul", in[3], *factor));
}

static void put_step(affine *a, maru_body *b, const step *s, maru_dim channels, maru_value *factor, maru_value *shift)
{
    *factor = *shift = MARU_NO_VALUE;
    if (s->node->op->id == MARU_OP_BATCH_NORMALIZATION) {
        put_norm(a, b, s, channels, factor, shift);
        return;
    }
    const maru_value value = as_vector(b, of_old(a, b, s->operand), channels);
    const maru_value minus_one = s->is_turned ? maru_body_scalar(b, value, -1) : MARU_NO_VALUE;
    switch (s->node->op->id) {
    case MARU_OP_MUL: *factor = value; break;
    case MARU_OP_DIV: *factor = maru_body_op1(b, "Reciprocal", value); break;
    case MARU_OP_ADD: *shift = value; break;
    default: *shift = s->is_turned ? value : maru_body_op1(b, "Neg", value); break;
    }
    if (s->is_turned)
        *factor = maru_body_expand(b, minus_one, &channels, 1);
}

/* Groups of a transposed convolution share the places of their output channels. */
static maru_value scale_groups(maru_body *b, maru_value w, maru_value factor, int64_t groups)
{
    const maru_value_record v = *maru_graph_get(b->graph, w);
    maru_dim apart[MARU_MAX_RANK] = {groups, v.dims[0] / groups};
    maru_dim places[MARU_MAX_RANK] = {groups, 1, v.dims[1]};
    maru_dim whole[MARU_MAX_RANK];
    memcpy(whole, v.dims, v.rank * sizeof *whole);
    for (uint32_t d = 1; d < v.rank; d++) {
        apart[d + 1] = v.dims[d];
        places[d + 1] = d == 1 ? v.dims[1] : 1;
    }
    const maru_value scaled = maru_body_op2(b, "Mul", maru_body_reshape(b, w, apart, v.rank + 1),
                                            maru_body_reshape(b, factor, places, v.rank + 1));
    return maru_body_reshape(b, scaled, whole, v.rank);
}

static maru_value scale_weights(maru_body *b, maru_value factor, maru_dim channels)
{
    const maru_node_record *node = b->node;
    const maru_value w = b->in[1];
    if (b->status != MARU_OK || factor == MARU_NO_VALUE)
        return w;
    const uint32_t rank = maru_body_rank(b, w);
    const bool is_matrix = node->op->id == MARU_OP_GEMM || node->op->id == MARU_OP_MATMUL;
    const bool is_turned = node->op->id == MARU_OP_CONV_TRANSPOSE;
    const uint32_t axis = is_turned || (is_matrix && !maru_node_int(node, "transB", 0));
    const int64_t groups = is_turned ? maru_node_int(node, "group", 1) : 1;
    const maru_value own = maru_body_cast(b, factor, maru_body_dtype(b, w));
    if (groups > 1)
        return scale_groups(b, w, own, groups);
    maru_dim dims[MARU_MAX_RANK];
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = d == axis ? channels : 1;
    return maru_body_op2(b, "Mul", w, maru_body_reshape(b, own, dims, rank));
}

/* The bias after the step; MARU_NO_VALUE if there is none before and after. */
static maru_value move_bias(maru_body *b, maru_value factor, maru_value shift, maru_dtype dtype, maru_dim channels)
{
    if (!maru_body_has(b, 2) && shift == MARU_NO_VALUE)
        return MARU_NO_VALUE;
    maru_value sum = shift;
    if (maru_body_has(b, 2)) {
        sum = as_vector(b, b->in[2], channels);
        sum = factor == MARU_NO_VALUE ? sum : maru_body_op2(b, "Mul", sum, factor);
        sum = shift == MARU_NO_VALUE ? sum : maru_body_op2(b, "Add", sum, shift);
    }
    return b->status == MARU_OK ? maru_body_cast(b, sum, dtype) : MARU_NO_VALUE;
}

static maru_status put_product(affine *a, const maru_node_record *host, const step *s)
{
    enum { MOST_INPUTS = 5 };
    const maru_value_record *y = record_of(a, s->y);
    const maru_dim channels = y->dims[axis_of(host->op->id, y->rank)];
    maru_value in[MOST_INPUTS] = {MARU_NO_VALUE};
    memcpy(in, host->inputs, host->n_inputs * sizeof *in);
    maru_body b = {.graph = a->f.rebuild.to, .node = host, .in = in};
    maru_value factor, shift;
    put_step(a, &b, s, channels, &factor, &shift);
    const maru_value w = scale_weights(&b, factor, channels);
    const maru_value bias = move_bias(&b, factor, shift, y->dtype, channels);
    in[1] = w;
    in[2] = bias;
    const uint32_t n_inputs = host->n_inputs > 3 ? host->n_inputs : bias ? 3 : 2;
    const char *op = host->op->id == MARU_OP_MATMUL && bias ? "Gemm" : host->op->name;
    a->f.rebuild.map[s->node->outputs[0]] = maru_body_node(&b, op, in, n_inputs, host->attrs, host->n_attrs);
    return b.status;
}

/* ---- the pass ---- */

static maru_status fold_step(affine *a, const step *s)
{
    const maru_node_record host = *new_node(a, s->y);  // adding nodes moves it
    if (*host.scope)
        MARU_TRY(maru_graph_push_scope(a->f.rebuild.to, host.scope));
    const maru_status status = put_product(a, &host, s);
    if (*host.scope)
        maru_graph_pop_scope(a->f.rebuild.to);
    a->is_host[s->node->outputs[0]] = true;
    return status;
}

static maru_status visit_node(affine *a, const maru_node_record *node)
{
    step s;
    if (match_step(a, node, &s))
        return fold_step(a, &s);
    a->is_host[node->outputs[0]] = can_host(a, node);
    return maru_rebuild_node(&a->f.rebuild, node);
}

maru_status maru_plan_fuse_affine(const maru_graph *graph, maru_graph **out_graph)
{
    *out_graph = NULL;
    affine a = {0};
    maru_graph *raw = NULL;
    maru_status status = maru_fuser_begin(graph, &a.f);
    a.is_host = calloc(graph->values.count, sizeof *a.is_host);
    if (status == MARU_OK && !a.is_host)
        status = maru_fail_oom("fusion");
    for (size_t i = 0; status == MARU_OK && i < graph->nodes.count; i++)
        status = visit_node(&a, &graph->nodes.data[i]);
    if (status == MARU_OK)
        status = maru_rebuild_finish(&a.f.rebuild, &raw);
    maru_fuser_fini(&a.f);
    free(a.is_host);
    if (status == MARU_OK)
        status = maru_plan_simplify(raw, out_graph);
    maru_graph_destroy(&raw);
    return status;
}
