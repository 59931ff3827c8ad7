// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantize.h"

#include <string.h>

#include "base/fail.h"

/* ---- looking ---- */

static const maru_value_record *record_of(const maru_graph *g, maru_value value)
{
    return maru_graph_get(g, value);
}

const void *quantize_constant(const maru_graph *graph, maru_value value)
{
    const maru_value_record *v = record_of(graph, value);
    while (value && v->kind == MARU_VALUE_NODE && (graph->nodes.data[v->source].op->flags & MARU_OP_VIEW)) {
        value = graph->nodes.data[v->source].inputs[0];
        v = record_of(graph, value);
    }
    return value && v->kind == MARU_VALUE_CONSTANT && v->dtype == MARU_F32 ? maru_graph_constant_data(graph, value)
                                                                          : NULL;
}

bool quantize_is_zero_symmetric(const maru_calibration *c)
{
    return c->params.activations == MARU_QUANTIZE_I8_SYMMETRIC;
}

static bool is_activation(const maru_graph *g, maru_value value)
{
    return value && record_of(g, value)->dtype == MARU_F32 && record_of(g, value)->kind != MARU_VALUE_CONSTANT &&
           !quantize_constant(g, value);
}

static bool is_product(const maru_graph *g, const maru_node_record *n)
{
    switch ((int)n->op->id) {
    case MARU_OP_CONV:
    case MARU_OP_CONV_TRANSPOSE:
    case MARU_OP_GEMM:
    case MARU_OP_MATMUL: return is_activation(g, n->inputs[0]) && quantize_constant(g, n->inputs[1]);
    default: return false;
    }
}

/* Nodes that only move or choose among what they are given: one scale for both sides. */
static bool is_mover(maru_op op)
{
    switch ((int)op) {
    case MARU_OP_MAX_POOL:
    case MARU_OP_RESHAPE:
    case MARU_OP_FLATTEN:
    case MARU_OP_SQUEEZE:
    case MARU_OP_UNSQUEEZE:
    case MARU_OP_TRANSPOSE:
    case MARU_OP_SLICE:
    case MARU_OP_SPLIT:
    case MARU_OP_DEPTH_TO_SPACE:
    case MARU_OP_SPACE_TO_DEPTH: return true;
    default: return false;
    }
}

/* What lies between products and goes well with bytes. */
static bool is_follower(maru_op op)
{
    switch ((int)op) {
    case MARU_OP_ADD:
    case MARU_OP_MUL:
    case MARU_OP_CONCAT:
    case MARU_OP_AVERAGE_POOL:
    case MARU_OP_GLOBAL_AVERAGE_POOL:
    case MARU_OP_GLOBAL_MAX_POOL:
    case MARU_OP_RESIZE:
    case MARU_OP_PAD:
    case MARU_OP_RELU:
    case MARU_OP_CLIP:
    case MARU_OP_LEAKY_RELU: return true;
    default: return is_mover(op);
    }
}

/* Relu, and Clip from 0 on: a range that begins at 0 does the same. */
static bool cuts_at_zero(const maru_graph *g, const maru_node_record *n)
{
    if (n->op->id == MARU_OP_RELU)
        return true;
    const void *low = n->op->id == MARU_OP_CLIP && n->n_inputs > 1 ? quantize_constant(g, n->inputs[1]) : NULL;
    const bool is_fixed = n->n_inputs < 3 || !n->inputs[2] || quantize_constant(g, n->inputs[2]);
    return low && quantize_number(low, 0) == 0 && is_fixed;
}

/* ---- choosing ---- */

static maru_status add_item(maru_calibration *c, maru_value value, maru_value leader)
{
    if (c->item_of[value])
        return MARU_OK;
    const uint32_t index = (uint32_t)c->items.count;
    const quantize_item *from = leader ? &c->items.data[c->item_of[leader] - 1] : NULL;
    const quantize_item item = {.value = value, .leader = from ? from->leader : index};
    MARU_TRY(maru_array_push(&c->items, item));
    c->item_of[value] = index + 1;
    return MARU_OK;
}

/* The one node that reads a value, or NULL: several do, or the graph gives it out. */
static const maru_node_record *only_reader(const maru_calibration *c, const uint32_t *n_readers,
                                           const uint32_t *reader, maru_value value)
{
    return n_readers[value] == 1 && reader[value] ? &c->graph->nodes.data[reader[value] - 1] : NULL;
}

typedef struct readers {
    uint32_t *count;  // per value
    uint32_t *node;   // per value: 1 + the last node
} readers;

static bool find_readers(const maru_graph *g, maru_arena *arena, readers *out)
{
    out->count = maru_arena_alloc_array(arena, g->values.count + 1, sizeof *out->count);
    out->node = maru_arena_alloc_array(arena, g->values.count + 1, sizeof *out->node);
    if (!out->count || !out->node)
        return false;
    for (size_t n = 0; n < g->nodes.count; n++) {
        for (uint32_t i = 0; i < g->nodes.data[n].n_inputs; i++) {
            out->count[g->nodes.data[n].inputs[i]]++;
            out->node[g->nodes.data[n].inputs[i]] = (uint32_t)n + 1;
        }
    }
    for (size_t i = 0; i < g->outputs.count; i++)
        out->count[g->outputs.data[i].value]++;
    for (size_t i = 0; i < g->states.count; i++)
        out->count[g->states.data[i].output]++;
    return true;
}

/* A node's output, or that of the activation that alone reads it. */
static maru_status add_output(maru_calibration *c, const readers *r, const maru_node_record *node)
{
    const maru_value y = node->outputs[0];
    const maru_node_record *next = only_reader(c, r->count, r->node, y);
    if (!next || next->inputs[0] != y || !cuts_at_zero(c->graph, next))
        return add_item(c, y, MARU_NO_VALUE);
    c->is_absorbed[next - c->graph->nodes.data] = !quantize_is_zero_symmetric(c);
    return add_item(c, next->outputs[0], MARU_NO_VALUE);
}

static bool is_among_bytes(const maru_calibration *c, const maru_node_record *node)
{
    bool has_any = false;
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        if (!is_activation(c->graph, node->inputs[i]))
            continue;
        if (!c->item_of[node->inputs[i]])
            return false;
        has_any = true;
    }
    return has_any;
}

static maru_status look_at(maru_calibration *c, const readers *r, size_t index)
{
    const maru_node_record *node = &c->graph->nodes.data[index];
    if (is_product(c->graph, node)) {
        c->is_product[index] = true;
        MARU_TRY(add_item(c, node->inputs[0], MARU_NO_VALUE));
        return add_output(c, r, node);
    }
    // A constant operand, as of an Add, stays f32: only what is between bytes on all sides is of them too.
    if (!is_follower(node->op->id) || record_of(c->graph, node->outputs[0])->dtype != MARU_F32 ||
        !is_among_bytes(c, node) || c->item_of[node->outputs[0]])
        return MARU_OK;
    if (!is_mover(node->op->id))
        return add_output(c, r, node);
    for (uint32_t i = 0; i < node->n_outputs; i++)
        if (record_of(c->graph, node->outputs[i])->dtype == MARU_F32)
            MARU_TRY(add_item(c, node->outputs[i], node->inputs[0]));
    return MARU_OK;
}

maru_status quantize_choose(maru_calibration *c)
{
    maru_arena arena = {0};
    readers r;
    size_t n_products = 0;
    maru_status status = find_readers(c->graph, &arena, &r) ? MARU_OK : maru_fail_oom("a calibration");
    for (size_t i = 0; status == MARU_OK && i < c->graph->nodes.count; i++) {
        status = look_at(c, &r, i);
        n_products += c->is_product[i];
    }
    maru_arena_fini(&arena);
    if (status == MARU_OK && n_products == 0)
        status = maru_fail(MARU_FAILED_PRECONDITION,
                           "graph '%s' has no Conv, ConvTranspose, Gemm or MatMul of f32 with a constant weight",
                           c->graph->name);
    return status;
}
