// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* ---- what needs the host ---- */

/* What is known of a function: each is looked into once, for functions may call each other without end. */
enum { NOT_SEEN, NEEDS_NOTHING, NEEDS_HOST };

static bool any_needs_host(maru_flow *flow, onnx_node_proto *const *nodes, size_t n, unsigned depth)
{
    for (size_t i = 0; i < n; i++)
        if (flow_needs_host(flow, nodes[i], depth))
            return true;
    return false;
}

static bool function_needs_host(maru_flow *flow, const onnx_function *f, unsigned depth)
{
    size_t i = 0;
    while (flow->model->functions[i] != f)
        i++;
    if (flow->functions[i] == NOT_SEEN) {
        flow->functions[i] = NEEDS_NOTHING;
        if (any_needs_host(flow, f->node, f->n_node, depth + 1))
            flow->functions[i] = NEEDS_HOST;
    }
    return flow->functions[i] == NEEDS_HOST;
}

bool flow_needs_host(maru_flow *flow, const onnx_node_proto *node, unsigned depth)
{
    const onnx_function *f = onnx_find_function(flow->model, node);
    if (depth > FLOW_MAX_DEPTH)
        return false;  // the importer says so
    if (f)
        return function_needs_host(flow, f, depth);
    if (onnx_is_staged(onnx_domain(node->domain), onnx_text_of(node->op_type)) || flow_makes_text(node))
        return true;
    for (size_t i = 0; i < node->n_attribute; i++) {
        const onnx_graph *g = node->attribute[i]->g;
        if (g && any_needs_host(flow, g->node, g->n_node, depth + 1))
            return true;
    }
    return false;
}

/* ---- who reads a value last ---- */

static maru_status note_read(flow_body *body, const char *name, size_t index)
{
    return name && *name ? maru_map_set_str(&body->last_use, name, index) : MARU_OK;
}

/* The graphs in a node read what is around it by name. */
static maru_status note_node(flow_body *body, const onnx_node_proto *node, size_t index, unsigned depth)
{
    if (depth > FLOW_MAX_DEPTH)
        return maru_fail(MARU_UNSUPPORTED, "graphs are more than %d deep", FLOW_MAX_DEPTH);
    for (size_t i = 0; i < node->n_input; i++)
        MARU_TRY(note_read(body, node->input[i], index));
    for (size_t i = 0; i < node->n_attribute; i++) {
        const onnx_graph *g = node->attribute[i]->g;
        for (size_t k = 0; g && k < g->n_node; k++)
            MARU_TRY(note_node(body, g->node[k], index, depth + 1));
        for (size_t k = 0; g && k < g->n_output; k++)
            MARU_TRY(note_read(body, g->output[k]->name, index));
    }
    return MARU_OK;
}

static maru_status note_outputs(flow_body *body)
{
    const size_t n = body->graph ? body->graph->n_output : body->function->n_output;
    for (size_t i = 0; i < n; i++)
        MARU_TRY(note_read(body, body->graph ? body->graph->output[i]->name : body->function->output[i],
                           body->n_nodes));
    return MARU_OK;
}

/* ---- making ---- */

static maru_status list_initializers(flow_body *body)
{
    onnx_scope scope = {0};
    if (!body->graph)
        return MARU_OK;
    const maru_status status = onnx_list_initializers(&scope, body->graph);
    body->initializers = scope.initializers;
    maru_map_fini(&scope.values);
    return status;
}

static maru_status fill(flow_body *body, maru_flow *flow)
{
    body->nodes = body->graph ? body->graph->node : body->function->node;
    body->n_nodes = body->graph ? body->graph->n_node : body->function->n_node;
    body->is_host = calloc(body->n_nodes + 1, sizeof *body->is_host);
    body->parts = calloc(body->n_nodes + 1, sizeof *body->parts);
    if (!body->is_host || !body->parts)
        return maru_fail_oom("the nodes of a model");
    MARU_TRY(list_initializers(body));
    for (size_t i = 0; i < body->n_nodes; i++) {
        MARU_TRY(note_node(body, body->nodes[i], i, 0));
        body->is_host[i] = flow_needs_host(flow, body->nodes[i], 0);
    }
    return note_outputs(body);
}

maru_status flow_body_create(maru_flow *flow, const onnx_graph *graph, const onnx_function *function,
                             flow_body **out_body)
{
    flow_body *body = calloc(1, sizeof *body);
    *out_body = NULL;
    if (!body)
        return maru_fail_oom("the nodes of a model");
    body->graph = graph;
    body->function = function;
    const maru_status status = fill(body, flow);
    if (status == MARU_OK)
        *out_body = body;
    else
        flow_body_destroy(body);
    return status;
}

void flow_body_destroy(flow_body *body)
{
    if (!body)
        return;
    for (size_t i = 0; body->parts && i < body->n_nodes; i++)
        flow_part_destroy(body->parts[i]);
    for (flow_body *child = body->children; child;) {
        flow_body *next = child->sibling;
        flow_body_destroy(child);
        child = next;
    }
    for (size_t i = 0; i < body->items.count; i++)
        maru_item_release(&body->items.data[i]);
    maru_array_fini(&body->items);
    maru_map_fini(&body->initializers);
    maru_map_fini(&body->constants);
    maru_map_fini(&body->last_use);
    free(body->is_host);
    free(body->parts);
    free(body);
}

maru_status flow_body_child(flow_body *body, maru_flow *flow, const void *key, const onnx_graph *graph,
                            const onnx_function *function, flow_body **out_child)
{
    for (flow_body *child = body->children; child; child = child->sibling) {
        *out_child = child;
        if (child->key == key)
            return MARU_OK;
    }
    MARU_TRY(flow_body_create(flow, graph, function, out_child));
    (*out_child)->key = key;
    (*out_child)->sibling = body->children;
    body->children = *out_child;
    return MARU_OK;
}
