// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "plan/fuse.h"

/*
 * Exporters spell composites out in primitives. Each idiom below is found
 * from its last node; what only it needed is dead afterwards. Numbers change
 * by rounding only: the composite's reference computes the same formula.
 */

/* ---- looking ---- */

const maru_node_record *maru_fuser_made_by(const maru_fuser *f, maru_value value, maru_op op)
{
    const maru_value_record *v = maru_graph_get(f->graph, value);
    if (value == MARU_NO_VALUE || v->kind != MARU_VALUE_NODE || f->graph->nodes.data[v->source].op->id != op)
        return NULL;
    return &f->graph->nodes.data[v->source];
}

const maru_node_record *maru_fuser_only_by(const maru_fuser *f, maru_value value, maru_op op)
{
    return f->n_readers[value] == 1 ? maru_fuser_made_by(f, value, op) : NULL;
}

bool maru_fuser_is_number(const maru_fuser *f, maru_value value, double *out)
{
    const maru_value_record *v = maru_graph_get(f->graph, value);
    const void *data = maru_graph_constant_data(f->graph, value);
    int64_t count = 0;
    if (!data || maru_dtype_get_info(v->dtype)->kind != MARU_CLASS_FLOAT ||
        maru_dims_count(v->dims, v->rank, &count) != MARU_OK || count != 1)
        return false;
    *out = maru_dtype_load_f64(v->dtype, data, 0);
    return true;
}

static bool is_near(double x, double y)
{
    return fabs(x - y) <= 1e-5 * fabs(y);
}

bool maru_fuser_with_number(const maru_fuser *f, const maru_node_record *node, maru_value *other, double *number)
{
    for (int i = 0; i < 2; i++) {
        *other = node->inputs[1 - i];
        if (maru_fuser_is_number(f, node->inputs[i], number))
            return true;
    }
    return false;
}

/* ---- GELU: x * 0.5 * (1 + erf(x / sqrt(2))), its factors in any order ---- */

enum { MAX_FACTORS = 4 };

static size_t factors(const maru_fuser *f, const maru_node_record *mul, maru_value *out, size_t n)
{
    for (int i = 0; i < 2; i++) {
        const maru_node_record *inner = maru_fuser_only_by(f, mul->inputs[i], MARU_OP_MUL);
        if (inner && n + 1 < MAX_FACTORS)
            n = factors(f, inner, out, n);
        else if (n < MAX_FACTORS)
            out[n++] = mul->inputs[i];
    }
    return n;
}

/* 1 + erf(x / sqrt(2)): gives x. */
static bool is_erf_term(const maru_fuser *f, maru_value value, maru_value *x)
{
    double number = 0;
    maru_value inner = MARU_NO_VALUE;
    const maru_node_record *add = maru_fuser_only_by(f, value, MARU_OP_ADD);
    if (!add || !maru_fuser_with_number(f, add, &inner, &number) || number != 1)
        return false;
    const maru_node_record *erf_node = maru_fuser_only_by(f, inner, MARU_OP_ERF);
    if (!erf_node)
        return false;
    const maru_node_record *scaled = maru_fuser_only_by(f, erf_node->inputs[0], MARU_OP_DIV);
    if (scaled && maru_fuser_is_number(f, scaled->inputs[1], &number) && is_near(number, sqrt(2))) {
        *x = scaled->inputs[0];
        return true;
    }
    scaled = maru_fuser_only_by(f, erf_node->inputs[0], MARU_OP_MUL);
    return scaled && maru_fuser_with_number(f, scaled, x, &number) && is_near(number, sqrt(0.5));
}

static maru_status try_gelu(maru_fuser *f, const maru_node_record *node, bool *done)
{
    maru_value list[MAX_FACTORS];
    if (node->op->id != MARU_OP_MUL || factors(f, node, list, 0) != 3)
        return MARU_OK;
    maru_value x = MARU_NO_VALUE;
    bool has_half = false;
    bool has_x = false;
    for (int i = 0; i < 3 && x == MARU_NO_VALUE; i++)
        if (!is_erf_term(f, list[i], &x))
            x = MARU_NO_VALUE;
    for (int i = 0; i < 3; i++) {
        double number = 0;
        has_half = has_half || (maru_fuser_is_number(f, list[i], &number) && number == 0.5);
        has_x = has_x || (x != MARU_NO_VALUE && list[i] == x);
    }
    if (!has_half || !has_x)
        return MARU_OK;
    maru_value input = MARU_NO_VALUE;
    MARU_TRY(maru_rebuild_value(&f->rebuild, x, &input));
    *done = true;
    return maru_graph_op(f->rebuild.to, "Gelu", &input, 1, NULL, 0, &f->rebuild.map[node->outputs[0]]);
}

/* ---- Swish: x * sigmoid(alpha * x) ---- */

static maru_status try_swish(maru_fuser *f, const maru_node_record *node, bool *done)
{
    if (node->op->id != MARU_OP_MUL)
        return MARU_OK;
    for (int i = 0; i < 2 && !*done; i++) {
        const maru_value x = node->inputs[i];
        const maru_node_record *sigmoid = maru_fuser_only_by(f, node->inputs[1 - i], MARU_OP_SIGMOID);
        maru_value inner = MARU_NO_VALUE;
        double alpha = 1;
        if (!sigmoid)
            continue;
        const maru_node_record *scaled = maru_fuser_only_by(f, sigmoid->inputs[0], MARU_OP_MUL);
        const bool is_scaled = scaled && maru_fuser_with_number(f, scaled, &inner, &alpha) && inner == x;
        if (sigmoid->inputs[0] != x && !is_scaled)
            continue;
        const maru_attribute attr = MARU_ATTR_F("alpha", is_scaled ? alpha : 1);
        maru_value input = MARU_NO_VALUE;
        MARU_TRY(maru_rebuild_value(&f->rebuild, x, &input));
        MARU_TRY(maru_graph_op(f->rebuild.to, "Swish", &input, 1, &attr, 1, &f->rebuild.map[node->outputs[0]]));
        *done = true;
    }
    return MARU_OK;
}

/* ---- normalisation over the last axes ---- */

/* ReduceMean over all axes from *axis to the last, dims kept. */
static bool is_trailing_mean(const maru_fuser *f, const maru_node_record *mean, int64_t *axis)
{
    const maru_value_record *x = maru_graph_get(f->graph, mean->inputs[0]);
    if (mean->n_inputs != 2 || maru_node_int(mean, "keepdims", 1) != 1)
        return false;
    const maru_value_record *axes = maru_graph_get(f->graph, mean->inputs[1]);
    bool reduced[MARU_MAX_RANK] = {false};
    for (uint32_t i = 0; axes->elems && i < axes->n_elems; i++) {
        int64_t a = 0;
        if (!maru_expr_is_const(&f->graph->exprs, axes->elems[i], &a))
            return false;
        a = a < 0 ? a + x->rank : a;
        if (a < 0 || a >= (int64_t)x->rank)
            return false;
        reduced[a] = true;
    }
    int64_t first = x->rank;
    while (first > 0 && reduced[first - 1])
        first--;
    for (int64_t d = 0; d < first; d++)
        if (reduced[d])
            return false;
    *axis = first - (int64_t)x->rank;
    return *axis < 0;
}

static bool is_square_of(const maru_fuser *f, maru_value value, maru_value of)
{
    double exponent = 0;
    const maru_node_record *mul = maru_fuser_made_by(f, value, MARU_OP_MUL);
    if (mul && mul->inputs[0] == of && mul->inputs[1] == of)
        return true;
    const maru_node_record *power = maru_fuser_made_by(f, value, MARU_OP_POW);
    return power && power->inputs[0] == of && maru_fuser_is_number(f, power->inputs[1], &exponent) && exponent == 2;
}

typedef struct norm {
    maru_value x;
    maru_value scale;
    maru_value bias;
    double epsilon;
    int64_t axis;
    bool is_centred;
} norm;

/* centred / sqrt(mean(centred^2) + epsilon). */
static bool match_standardised(const maru_fuser *f, maru_value value, norm *out)
{
    maru_value mean_value = MARU_NO_VALUE;
    const maru_node_record *divide = maru_fuser_made_by(f, value, MARU_OP_DIV);
    const maru_node_record *root = divide ? maru_fuser_made_by(f, divide->inputs[1], MARU_OP_SQRT) : NULL;
    const maru_node_record *add = root ? maru_fuser_made_by(f, root->inputs[0], MARU_OP_ADD) : NULL;
    if (!add || !maru_fuser_with_number(f, add, &mean_value, &out->epsilon))
        return false;
    const maru_node_record *mean = maru_fuser_made_by(f, mean_value, MARU_OP_REDUCE_MEAN);
    if (!mean || !is_trailing_mean(f, mean, &out->axis) || !is_square_of(f, mean->inputs[0], divide->inputs[0]))
        return false;
    out->x = divide->inputs[0];
    const maru_node_record *centre = maru_fuser_made_by(f, out->x, MARU_OP_SUB);
    const maru_node_record *first = centre ? maru_fuser_made_by(f, centre->inputs[1], MARU_OP_REDUCE_MEAN) : NULL;
    int64_t axis = 0;
    if (first && first->inputs[0] == centre->inputs[0] && is_trailing_mean(f, first, &axis) && axis == out->axis) {
        out->x = centre->inputs[0];
        out->is_centred = true;
    }
    return true;
}

/* The scale and bias must have the normalised dims, as the composites define them. */
static bool has_normalised_dims(const maru_fuser *f, const norm *n, maru_value value)
{
    const maru_value_record *x = maru_graph_get(f->graph, n->x);
    const maru_value_record *v = maru_graph_get(f->graph, value);
    const uint32_t rank = (uint32_t)-n->axis;
    return v->dtype == x->dtype && v->rank == rank &&
           memcmp(v->dims, x->dims + x->rank - rank, rank * sizeof *v->dims) == 0;
}

static bool match_scaled(const maru_fuser *f, const maru_node_record *mul, norm *out)
{
    for (int i = 0; mul && i < 2; i++) {
        *out = (norm){.scale = mul->inputs[i]};
        if (match_standardised(f, mul->inputs[1 - i], out) && has_normalised_dims(f, out, out->scale))
            return true;
    }
    return false;
}

static bool match_norm(const maru_fuser *f, const maru_node_record *node, norm *out)
{
    for (int i = 0; node->op->id == MARU_OP_ADD && i < 2; i++) {
        const maru_node_record *mul = maru_fuser_only_by(f, node->inputs[1 - i], MARU_OP_MUL);
        if (match_scaled(f, mul, out) && out->is_centred && has_normalised_dims(f, out, node->inputs[i])) {
            out->bias = node->inputs[i];
            return true;
        }
    }
    return node->op->id == MARU_OP_MUL && match_scaled(f, node, out) && !out->is_centred;
}

static maru_status try_norm(maru_fuser *f, const maru_node_record *node, bool *done)
{
    norm n = {0};
    if (!match_norm(f, node, &n))
        return MARU_OK;
    const maru_attribute attrs[2] = {MARU_ATTR_I("axis", n.axis), MARU_ATTR_F("epsilon", n.epsilon)};
    const maru_value old[3] = {n.x, n.scale, n.bias};
    maru_value inputs[3];
    for (int i = 0; i < 3; i++)
        MARU_TRY(maru_rebuild_value(&f->rebuild, old[i], &inputs[i]));
    *done = true;
    return maru_graph_op(f->rebuild.to, n.is_centred ? "LayerNormalization" : "RMSNormalization", inputs,
                         n.is_centred ? 3 : 2, attrs, 2, &f->rebuild.map[node->outputs[0]]);
}

/* ---- the pass ---- */

static maru_status try_all(maru_fuser *f, const maru_node_record *node, bool *done)
{
    MARU_TRY(try_norm(f, node, done));
    if (!*done)
        MARU_TRY(maru_fuse_attention(f, node, done));
    if (!*done)
        MARU_TRY(maru_fuse_quant(f, node, done));
    if (!*done)
        MARU_TRY(try_gelu(f, node, done));
    return *done ? MARU_OK : try_swish(f, node, done);
}

static maru_status fuse_node(maru_fuser *f, const maru_node_record *node)
{
    bool done = false;
    if (*node->scope)
        MARU_TRY(maru_graph_push_scope(f->rebuild.to, node->scope));
    const maru_status status = try_all(f, node, &done);
    if (*node->scope)
        maru_graph_pop_scope(f->rebuild.to);
    MARU_TRY(status);
    return done ? MARU_OK : maru_rebuild_node(&f->rebuild, node);
}

static void count_readers(maru_fuser *f)
{
    for (size_t n = 0; n < f->graph->nodes.count; n++)
        for (uint32_t i = 0; i < f->graph->nodes.data[n].n_inputs; i++)
            f->n_readers[f->graph->nodes.data[n].inputs[i]]++;
    for (size_t i = 0; i < f->graph->outputs.count; i++)
        f->n_readers[f->graph->outputs.data[i].value]++;
    for (size_t i = 0; i < f->graph->states.count; i++)
        f->n_readers[f->graph->states.data[i].output]++;
}

maru_status maru_fuser_begin(const maru_graph *graph, maru_fuser *out)
{
    *out = (maru_fuser){.graph = graph};
    MARU_TRY(maru_rebuild_begin(graph, &out->rebuild));
    out->n_readers = calloc(graph->values.count, sizeof *out->n_readers);
    if (!out->n_readers)
        return maru_fail_oom("fusion");
    count_readers(out);
    return MARU_OK;
}

void maru_fuser_fini(maru_fuser *f)
{
    maru_rebuild_fini(&f->rebuild);
    free(f->n_readers);
    f->n_readers = NULL;
}

maru_status maru_plan_fuse(const maru_graph *graph, maru_graph **out_graph)
{
    *out_graph = NULL;
    maru_fuser f;
    maru_graph *raw = NULL;
    maru_status status = maru_fuser_begin(graph, &f);
    for (size_t i = 0; status == MARU_OK && i < graph->nodes.count; i++)
        status = fuse_node(&f, &graph->nodes.data[i]);
    if (status == MARU_OK)
        status = maru_rebuild_finish(&f.rebuild, &raw);
    maru_fuser_fini(&f);
    if (status == MARU_OK)
        status = maru_plan_simplify(raw, out_graph);
    maru_graph_destroy(&raw);
    return status;
}
