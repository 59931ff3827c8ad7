// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/rebuild.h"

typedef struct simplifier {
    maru_rebuild rebuild;
    bool *live;
    maru_map seen;  // text of op, attributes and inputs -> node index of the new graph + 1
} simplifier;

/* ---- equal nodes ---- */

static void add_bytes(maru_str *key, const void *data, size_t bytes)
{
    maru_str_append_n(key, data, bytes);
}

static void add_attr(const simplifier *s, const maru_attribute *a, maru_str *key)
{
    add_bytes(key, a->name, strlen(a->name) + 1);
    add_bytes(key, &a->kind, sizeof a->kind);
    add_bytes(key, &a->n, sizeof a->n);
    switch (a->kind) {
    case MARU_ATTR_INT: add_bytes(key, &a->i, sizeof a->i); break;
    case MARU_ATTR_FLOAT: add_bytes(key, &a->f, sizeof a->f); break;
    case MARU_ATTR_STRING: add_bytes(key, a->s, strlen(a->s) + 1); break;
    case MARU_ATTR_INTS: add_bytes(key, a->ints, a->n * sizeof *a->ints); break;
    case MARU_ATTR_FLOATS: add_bytes(key, a->floats, a->n * sizeof *a->floats); break;
    case MARU_ATTR_TENSOR: add_bytes(key, &s->rebuild.map[a->tensor], sizeof a->tensor); break;
    case MARU_ATTR_STRINGS:
        for (size_t i = 0; i < a->n; i++)
            add_bytes(key, a->strings[i], strlen(a->strings[i]) + 1);
        break;
    }
}

static maru_status make_key(simplifier *s, const maru_node_record *node, maru_str *key)
{
    maru_value operands[2] = {0};
    add_bytes(key, &node->op->id, sizeof node->op->id);
    add_bytes(key, &node->n_outputs, sizeof node->n_outputs);
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        maru_value value = MARU_NO_VALUE;
        MARU_TRY(maru_rebuild_value(&s->rebuild, node->inputs[i], &value));
        if (i < 2)
            operands[i] = value;
        if (!(node->op->flags & MARU_OP_COMMUTES))
            add_bytes(key, &value, sizeof value);
    }
    if (node->op->flags & MARU_OP_COMMUTES) {
        const maru_value low = operands[0] < operands[1] ? operands[0] : operands[1];
        const maru_value high = operands[0] < operands[1] ? operands[1] : operands[0];
        add_bytes(key, &low, sizeof low);
        add_bytes(key, &high, sizeof high);
    }
    for (uint32_t i = 0; i < node->n_attrs; i++)
        add_attr(s, &node->attrs[i], key);
    return maru_str_check(key);
}

static maru_status copy_or_reuse(simplifier *s, const maru_node_record *node)
{
    if (node->op->flags & MARU_OP_IMPURE)
        return maru_rebuild_node(&s->rebuild, node);
    maru_str key = {0};
    uint64_t found = 0;
    maru_status status = make_key(s, node, &key);
    if (status == MARU_OK && maru_map_get(&s->seen, maru_str_get(&key), key.length, &found)) {
        const maru_node_record *same = &s->rebuild.to->nodes.data[found - 1];
        for (uint32_t i = 0; i < node->n_outputs; i++)
            s->rebuild.map[node->outputs[i]] = same->outputs[i];
    } else if (status == MARU_OK) {
        status = maru_rebuild_node(&s->rebuild, node);
        if (status == MARU_OK)
            status = maru_map_set(&s->seen, maru_str_get(&key), key.length, s->rebuild.to->nodes.count);
    }
    maru_str_fini(&key);
    return status;
}

/* ---- nodes that need not be ---- */

static bool same_type(const maru_graph *graph, maru_value a, maru_value b)
{
    const maru_value_record *x = maru_graph_get(graph, a);
    const maru_value_record *y = maru_graph_get(graph, b);
    return x->dtype == y->dtype && x->rank == y->rank && memcmp(x->dims, y->dims, x->rank * sizeof *x->dims) == 0;
}

/* Ops that give their first input when nothing changes: dims and dtype equal. */
static bool is_identity(const maru_graph *graph, const maru_node_record *node)
{
    const maru_op op = node->op->id;
    if (node->n_outputs != 1)
        return false;
    if (op == MARU_OP_IDENTITY)
        return true;
    const bool may = op == MARU_OP_RESHAPE || op == MARU_OP_SQUEEZE || op == MARU_OP_UNSQUEEZE ||
                     op == MARU_OP_FLATTEN || op == MARU_OP_EXPAND || op == MARU_OP_CAST || op == MARU_OP_CAST_LIKE;
    return may && same_type(graph, node->inputs[0], node->outputs[0]);
}

/* A small integer tensor whose elements follow from dims needs no node at all. */
static bool is_shape_arithmetic(const maru_graph *graph, const maru_node_record *node)
{
    const maru_value_record *v = maru_graph_get(graph, node->outputs[0]);
    return node->n_outputs == 1 && v->elems && v->rank == 1 && v->dtype == MARU_I64;
}

static maru_status make_shape(simplifier *s, const maru_node_record *node)
{
    const maru_value_record *v = maru_graph_get(s->rebuild.from, node->outputs[0]);
    maru_dim elems[64];
    if (v->n_elems > sizeof elems / sizeof *elems)
        return maru_rebuild_node(&s->rebuild, node);
    for (uint32_t i = 0; i < v->n_elems; i++)
        elems[i] = maru_rebuild_dim(&s->rebuild, v->elems[i]);
    return maru_graph_shape(s->rebuild.to, elems, v->n_elems, &s->rebuild.map[node->outputs[0]]);
}

static maru_status simplify_node(simplifier *s, const maru_node_record *node)
{
    const maru_graph *from = s->rebuild.from;
    bool needed = false;
    for (uint32_t i = 0; i < node->n_outputs; i++)
        needed = needed || s->live[node->outputs[i]];
    if (!needed)
        return MARU_OK;
    if (is_identity(from, node))
        return maru_rebuild_value(&s->rebuild, node->inputs[0], &s->rebuild.map[node->outputs[0]]);
    if (is_shape_arithmetic(from, node))
        return make_shape(s, node);
    return copy_or_reuse(s, node);
}

maru_status maru_plan_simplify(const maru_graph *graph, maru_graph **out_graph)
{
    *out_graph = NULL;
    simplifier s = {0};
    maru_status status = maru_rebuild_begin(graph, &s.rebuild);
    s.live = calloc(graph->values.count, sizeof *s.live);
    if (status == MARU_OK && !s.live)
        status = maru_fail_oom("a rewrite");
    if (status == MARU_OK)
        status = maru_graph_mark_live(graph, s.live);
    for (size_t i = 0; status == MARU_OK && i < graph->nodes.count; i++)
        status = simplify_node(&s, &graph->nodes.data[i]);
    if (status == MARU_OK)
        status = maru_rebuild_finish(&s.rebuild, out_graph);
    maru_rebuild_fini(&s.rebuild);
    maru_map_fini(&s.seen);
    free(s.live);
    return status;
}
