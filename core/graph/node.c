// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/str.h"
#include "graph/infer.h"

enum { MAX_OPERANDS = 256, MAX_ATTRS = 32 };

/* ---- attributes ---- */

const maru_attribute *maru_node_attr(const maru_node_record *node, const char *name)
{
    for (uint32_t i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    return NULL;
}

int64_t maru_node_int(const maru_node_record *node, const char *name, int64_t fallback)
{
    const maru_attribute *attr = maru_node_attr(node, name);
    if (attr)
        return attr->i;
    char text[32];
    int64_t value = 0;
    if (maru_op_attr_kind(node->op, name, text, sizeof text) && maru_parse_i64(text, &value))
        return value;
    return fallback;
}

double maru_node_float(const maru_node_record *node, const char *name, double fallback)
{
    const maru_attribute *attr = maru_node_attr(node, name);
    if (attr)
        return attr->f;
    char text[48];
    double value = 0;
    if (maru_op_attr_kind(node->op, name, text, sizeof text) && maru_parse_f64(text, &value))
        return value;
    return fallback;
}

const char *maru_node_string(const maru_node_record *node, const char *name, const char *fallback)
{
    const maru_attribute *attr = maru_node_attr(node, name);
    return attr ? attr->s : fallback;
}

static char kind_letter(maru_attr_kind kind)
{
    static const char letters[] = "?ifsIFSt";
    return (unsigned)kind < sizeof letters - 1 ? letters[kind] : '?';
}

static maru_status check_attr(const maru_op_info *op, const maru_attribute *attr)
{
    char ignored[1];
    const char wanted = maru_op_attr_kind(op, attr->name, ignored, sizeof ignored);
    if (!wanted)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s has no attribute '%s'", op->name, attr->name);
    if (wanted != kind_letter(attr->kind))
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: attribute '%s' must be of kind '%c' (i int, f float, s string, "
                         "I ints, F floats, S strings, t tensor), not '%c'", op->name, attr->name, wanted,
                         kind_letter(attr->kind));
    return MARU_OK;
}

/* The names of attributes marked '!' in op.def must be among those given. */
static maru_status check_required(const maru_op_info *op, const maru_node_record *node)
{
    for (const char *at = op->attrs; *at;) {
        const char *end = strchr(at, ' ');
        const size_t item = end ? (size_t)(end - at) : strlen(at);
        if (item && at[item - 1] == '!') {
            char name[64];
            const size_t length = (size_t)(strchr(at, ':') - at);
            memcpy(name, at, length);
            name[length] = 0;
            if (!maru_node_attr(node, name))
                return maru_fail(MARU_INVALID_ARGUMENT, "%s: attribute '%s' is required", op->name, name);
        }
        at += item + (end != NULL);
    }
    return MARU_OK;
}

static maru_status copy_attr(maru_graph *graph, const maru_attribute *from, maru_attribute *to)
{
    maru_arena *arena = &graph->arena;
    *to = *from;
    to->name = maru_arena_strdup(arena, from->name);
    bool ok = to->name != NULL;
    if (from->kind == MARU_ATTR_STRING)
        ok = ok && (to->s = maru_arena_strdup(arena, from->s)) != NULL;
    if (from->kind == MARU_ATTR_INTS)
        ok = ok && (to->ints = maru_arena_memdup(arena, from->ints, from->n * sizeof *from->ints)) != NULL;
    if (from->kind == MARU_ATTR_FLOATS)
        ok = ok && (to->floats = maru_arena_memdup(arena, from->floats, from->n * sizeof *from->floats)) != NULL;
    if (from->kind == MARU_ATTR_STRINGS) {
        const char **copies = maru_arena_alloc_array(arena, from->n ? from->n : 1, sizeof *copies);
        for (size_t i = 0; copies && i < from->n; i++)
            ok = ok && (copies[i] = maru_arena_strdup(arena, from->strings[i])) != NULL;
        ok = ok && copies;
        to->strings = copies;
    }
    return ok ? MARU_OK : maru_fail_oom("an attribute");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const maru_attribute *)a)->name, ((const maru_attribute *)b)->name);
}

static maru_status copy_attrs(maru_graph *graph, const maru_op_info *op, const maru_attribute *attrs, size_t n,
                              maru_node_record *node)
{
    if (n > MAX_ATTRS)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: %zu attributes are too many", op->name, n);
    node->attrs = maru_arena_alloc_array(&graph->arena, n ? n : 1, sizeof *node->attrs);
    if (!node->attrs)
        return maru_fail_oom("a node's attributes");
    for (size_t i = 0; i < n; i++) {
        MARU_TRY(check_attr(op, &attrs[i]));
        if (attrs[i].kind == MARU_ATTR_TENSOR &&
            (attrs[i].tensor >= graph->values.count ||
             maru_graph_get(graph, attrs[i].tensor)->kind != MARU_VALUE_CONSTANT))
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: attribute '%s' is not a constant of this graph", op->name,
                             attrs[i].name);
        MARU_TRY(copy_attr(graph, &attrs[i], &node->attrs[i]));
    }
    node->n_attrs = (uint32_t)n;
    qsort(node->attrs, n, sizeof *node->attrs, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(node->attrs[i - 1].name, node->attrs[i].name) == 0)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: attribute '%s' is given twice", op->name,
                             node->attrs[i].name);
    return check_required(op, node);
}

/* ---- operands ---- */

static maru_status check_arity(const maru_op_info *op, size_t n_inputs, size_t n_outputs)
{
    const bool too_many_in = op->max_inputs >= 0 && n_inputs > (size_t)op->max_inputs;
    if (n_inputs < (size_t)op->min_inputs || too_many_in || n_inputs > MAX_OPERANDS) {
        if (op->max_inputs == op->min_inputs)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s takes %d input%s, %zu given", op->name, op->min_inputs,
                             op->min_inputs == 1 ? "" : "s", n_inputs);
        return maru_fail(MARU_INVALID_ARGUMENT, "%s takes %d to %d inputs, %zu given", op->name, op->min_inputs,
                         op->max_inputs < 0 ? MAX_OPERANDS : op->max_inputs, n_inputs);
    }
    const bool too_many_out = op->max_outputs >= 0 && n_outputs > (size_t)op->max_outputs;
    if (n_outputs < (size_t)op->min_outputs || too_many_out || n_outputs > MAX_OPERANDS)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s has %d to %d outputs, %zu asked for", op->name, op->min_outputs,
                         op->max_outputs < 0 ? MAX_OPERANDS : op->max_outputs, n_outputs);
    return MARU_OK;
}

static maru_status read_inputs(maru_graph *graph, const maru_op_info *op, const maru_value *inputs, size_t n,
                               maru_infer_value *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (maru_infer_value){0};
        if (inputs[i] == MARU_NO_VALUE) {
            if (i < (size_t)op->min_inputs || op->max_inputs < 0)
                return maru_fail(MARU_INVALID_ARGUMENT, "%s: input %zu is required", op->name, i);
            continue;
        }
        if (inputs[i] >= graph->values.count)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: input %zu (value %u) is not of this graph", op->name, i,
                             inputs[i]);
        const maru_value_record *v = maru_graph_get(graph, inputs[i]);
        out[i].dtype = v->dtype;
        out[i].rank = v->rank;
        memcpy(out[i].dims, v->dims, v->rank * sizeof *v->dims);
        if (v->rank > 1 && !maru_infer_moves_matrices(op))
            continue;
        out[i].elems = v->elems;
        out[i].n_elems = v->n_elems;
    }
    return MARU_OK;
}

static maru_status add_outputs(maru_graph *graph, maru_node_record *node, const maru_infer_value *outputs, size_t n)
{
    node->outputs = maru_arena_alloc_array(&graph->arena, n ? n : 1, sizeof *node->outputs);
    if (!node->outputs)
        return maru_fail_oom("a node's outputs");
    const uint32_t index = (uint32_t)graph->nodes.count;
    for (size_t i = 0; i < n; i++) {
        MARU_TRY(maru_graph_add_value(graph, MARU_VALUE_NODE, index, "", outputs[i].dtype, outputs[i].dims,
                                      outputs[i].rank, &node->outputs[i]));
        maru_value_record *v = &graph->values.data[node->outputs[i]];
        v->output_index = (uint32_t)i;
        v->has_bound_dims = outputs[i].is_bound;
        if (!outputs[i].elems)
            continue;
        v->elems = maru_arena_memdup(&graph->arena, outputs[i].elems, outputs[i].n_elems * sizeof *v->elems);
        v->n_elems = outputs[i].n_elems;
        if (!v->elems)
            return maru_fail_oom("a node's outputs");
    }
    node->n_outputs = (uint32_t)n;
    return MARU_OK;
}

static maru_status infer_and_add(maru_graph *graph, maru_node_record *node, const maru_value *inputs, size_t n_inputs,
                                 size_t n_outputs, maru_infer *infer)
{
    MARU_TRY(read_inputs(graph, node->op, inputs, n_inputs, (maru_infer_value *)infer->inputs));
    node->inputs = maru_arena_memdup(&graph->arena, inputs, n_inputs * sizeof *inputs);
    node->scope = maru_graph_scope(graph);
    if (!node->inputs)
        return maru_fail_oom("a node");
    node->n_inputs = (uint32_t)n_inputs;
    node->n_outputs = (uint32_t)n_outputs;
    infer->graph = graph;
    infer->node = node;
    MARU_TRY(node->op->infer(infer));
    maru_infer_follow(infer);
    const size_t values_before = graph->values.count;
    maru_status status = add_outputs(graph, node, infer->outputs, n_outputs);
    if (status == MARU_OK)
        status = maru_array_push(&graph->nodes, *node);
    if (status != MARU_OK)
        graph->values.count = values_before;
    return status;
}

maru_status maru_graph_add_node(maru_graph *graph, const maru_op_info *op, const maru_value *inputs, size_t n_inputs,
                                const maru_attribute *attrs, size_t n_attrs, maru_value *out_values, size_t n_outputs)
{
    for (size_t i = 0; i < n_outputs; i++)
        out_values[i] = MARU_NO_VALUE;
    // Trailing inputs that were left out are the same as not given.
    while (n_inputs > (size_t)op->min_inputs && inputs[n_inputs - 1] == MARU_NO_VALUE)
        n_inputs--;
    MARU_TRY(check_arity(op, n_inputs, n_outputs));
    maru_node_record node = {.op = op};
    MARU_TRY(copy_attrs(graph, op, attrs, n_attrs, &node));
    maru_infer_value *values = calloc(n_inputs + n_outputs + 1, sizeof *values);
    maru_infer *infer = calloc(1, sizeof *infer);
    maru_status status = MARU_OK;
    if (values && infer) {
        infer->inputs = values;
        infer->outputs = values + n_inputs;
        status = infer_and_add(graph, &node, inputs, n_inputs, n_outputs, infer);
    } else {
        status = maru_fail_oom("a node");
    }
    free(values);
    free(infer);
    if (status == MARU_OK)
        memcpy(out_values, node.outputs, n_outputs * sizeof *out_values);
    return status;
}

maru_status maru_graph_node(maru_graph *graph, const char *op, const maru_value *inputs, size_t n_inputs,
                            const maru_attribute *attrs, size_t n_attrs, maru_value *out_values, size_t n_outputs)
{
    const maru_op_info *info = maru_op_find(op);
    if (!info) {
        const char *near = maru_op_suggest(op);
        return maru_fail(MARU_NOT_FOUND, "there is no operator '%s'%s%s%s", op, near ? ": did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
    }
    return maru_graph_add_node(graph, info, inputs, n_inputs, attrs, n_attrs, out_values, n_outputs);
}

maru_status maru_graph_op(maru_graph *graph, const char *op, const maru_value *inputs, size_t n_inputs,
                          const maru_attribute *attrs, size_t n_attrs, maru_value *out_value)
{
    return maru_graph_node(graph, op, inputs, n_inputs, attrs, n_attrs, out_value, 1);
}

bool maru_graph_has_op(const maru_graph *graph, const char *op)
{
    const maru_op_info *info = maru_op_find(op);
    for (size_t i = 0; info && i < graph->nodes.count; i++)
        if (graph->nodes.data[i].op == info)
            return true;
    return false;
}

size_t maru_graph_node_count(const maru_graph *graph)
{
    return graph->nodes.count;
}
