// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* What is left of sets that cannot be taken whole. */

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/place.h"

/* The state of one search. */
typedef struct finder {
    const maru_plan_request *request;
    const maru_graph *graph;
    maru_plan *plan;          // devices and sets as they would be taken now
    uint32_t *device;         // per node
    bool *is_part;            // per node: of the part at hand
    uint32_t *depth;          // per node: how often a path to it has left the part and come back, at most
    bool *is_asked;           // [device * nodes + node]: in a part of this search
    uint32_t *nodes;          // of one part
    maru_plan_parts *out;
} finder;

static bool is_view(const finder *f, uint32_t node)
{
    return (f->graph->nodes.data[node].op->flags & MARU_OP_VIEW) != 0;
}

static bool is_left(const finder *f, const maru_plan_claim *c, uint32_t node)
{
    return f->plan->places[node].unit == MARU_PLAN_NONE && (f->device[node] == c->device || is_view(f, node));
}

/* ---- convex pieces ---- */

/*
 * A path that leaves the part and comes back to it makes its later nodes one
 * deeper. Nodes of equal depth are a convex set.
 */
static uint32_t measure_depth(finder *f)
{
    uint32_t deepest = 0;
    for (uint32_t n = 0; n < f->graph->nodes.count; n++) {
        const maru_node_record *node = &f->graph->nodes.data[n];
        f->depth[n] = 0;
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            const maru_value_record *v = maru_graph_get(f->graph, node->inputs[i]);
            if (node->inputs[i] == MARU_NO_VALUE || v->kind != MARU_VALUE_NODE)
                continue;
            const uint32_t depth = f->depth[v->source] + (f->is_part[v->source] && !f->is_part[n]);
            f->depth[n] = depth > f->depth[n] ? depth : f->depth[n];
        }
        if (f->is_part[n] && f->depth[n] > deepest)
            deepest = f->depth[n];
    }
    return deepest;
}

/* ---- what is worth a question ---- */

static bool has_same_nodes(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b)
{
    return n_a == n_b && memcmp(a, b, n_a * sizeof *a) == 0;
}

/* Whether the device has answered for exactly these nodes, as a claim or when it was asked. */
static bool is_known(const finder *f, uint32_t device, uint32_t n)
{
    for (size_t i = 0; i < f->request->n_claims; i++) {
        const maru_plan_claim *c = &f->request->claims[i];
        if (c->device == device && has_same_nodes(c->nodes, c->n_nodes, f->nodes, n))
            return true;
    }
    for (size_t i = 0; i < f->request->n_questions; i++) {
        const maru_plan_question *q = &f->request->questions[i];
        if (q->device == device && has_same_nodes(q->nodes, q->n_nodes, f->nodes, n))
            return true;
    }
    return false;
}

static bool has_work(const finder *f, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (!is_view(f, f->nodes[k]))
            return true;
    return false;
}

/* Why the set was not taken: its first node that is in another set, or on another device. */
static const char *why_not(const finder *f, const maru_plan_claim *c)
{
    for (uint32_t k = 0; k < c->n_nodes; k++) {
        const uint32_t node = c->nodes[k];
        const char *op = f->graph->nodes.data[node].op->name;
        if (is_left(f, c, node))
            continue;
        if (f->plan->places[node].unit != MARU_PLAN_NONE)
            return maru_arena_printf(&f->out->arena, "%s of its set of %u is in another set", op, c->n_nodes);
        return maru_arena_printf(&f->out->arena, "%s of its set of %u runs on %s", op, c->n_nodes,
                                 f->request->devices[f->device[node]].id);
    }
    return maru_arena_printf(&f->out->arena, "its set of %u waits for other nodes halfway", c->n_nodes);
}

static maru_status add_part(finder *f, const maru_plan_claim *c, uint32_t n)
{
    if (n == 0 || !has_work(f, n) || is_known(f, c->device, n))
        return MARU_OK;
    const maru_plan_question part = {
        .device = c->device,
        .n_nodes = n,
        .nodes = maru_arena_memdup(&f->out->arena, f->nodes, n * sizeof *f->nodes),
        .why = why_not(f, c),
        .refusal = "",
    };
    if (!part.nodes || !part.why)
        return maru_fail_oom("placement");
    return maru_array_push(&f->out->list, part);
}

static maru_status add_parts_of(finder *f, const maru_plan_claim *c)
{
    memset(f->is_part, 0, f->graph->nodes.count * sizeof *f->is_part);
    for (uint32_t k = 0; k < c->n_nodes; k++)
        f->is_part[c->nodes[k]] = is_left(f, c, c->nodes[k]);
    const uint32_t deepest = measure_depth(f);
    for (uint32_t depth = 0; depth <= deepest; depth++) {
        uint32_t n = 0;
        for (uint32_t k = 0; k < c->n_nodes; k++)
            if (f->is_part[c->nodes[k]] && f->depth[c->nodes[k]] == depth)
                f->nodes[n++] = c->nodes[k];
        MARU_TRY(add_part(f, c, n));
    }
    return MARU_OK;
}

/* The largest first; of equal ones, in the order of their nodes. */
static int by_size(const void *x, const void *y)
{
    const maru_plan_question *a = x;
    const maru_plan_question *b = y;
    if (a->n_nodes != b->n_nodes)
        return a->n_nodes > b->n_nodes ? -1 : 1;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    for (uint32_t k = 0; k < a->n_nodes; k++)
        if (a->nodes[k] != b->nodes[k])
            return a->nodes[k] < b->nodes[k] ? -1 : 1;
    return strcmp(a->why, b->why);
}

/* Whether the device was asked about none of its nodes yet; from now on it was. */
static bool claim_nodes(finder *f, const maru_plan_question *part)
{
    bool *is_asked = f->is_asked + (size_t)part->device * f->graph->nodes.count;
    for (uint32_t k = 0; k < part->n_nodes; k++)
        if (is_asked[part->nodes[k]])
            return false;
    for (uint32_t k = 0; k < part->n_nodes; k++)
        is_asked[part->nodes[k]] = true;
    return true;
}

/* Alternatives leave overlapping parts: what the largest one's answer does not settle is for the next round. */
static void drop_overlaps(finder *f)
{
    size_t n = 0;
    if (f->out->list.count)
        qsort(f->out->list.data, f->out->list.count, sizeof *f->out->list.data, by_size);
    for (size_t i = 0; i < f->out->list.count; i++)
        if (claim_nodes(f, &f->out->list.data[i]))
            f->out->list.data[n++] = f->out->list.data[i];
    f->out->list.count = n;
}

/* ---- the search ---- */

static maru_status search(finder *f)
{
    const size_t n = f->graph->nodes.count;
    maru_plan_blocked blocked = {0};
    f->plan->graph = f->graph;
    f->plan->places = maru_arena_alloc_array(&f->plan->arena, n + 1, sizeof *f->plan->places);
    if (!f->plan->places)
        return maru_fail_oom("placement");
    for (size_t i = 0; i < n; i++)
        f->plan->places[i] = (maru_node_place){.unit = MARU_PLAN_NONE, .why = ""};
    maru_status status = maru_plan_place_sets(f->plan, f->request, f->device, &blocked);
    for (size_t i = 0; status == MARU_OK && i < blocked.count; i++)
        status = add_parts_of(f, &f->request->claims[blocked.data[i]]);
    maru_array_fini(&blocked);
    drop_overlaps(f);
    // What no device runs at all is for maru_plan_create to say.
    if (status == MARU_UNSUPPORTED) {
        maru_error_clear();
        return MARU_OK;
    }
    return status;
}

static bool has_sets(const maru_plan_request *request)
{
    for (size_t i = 0; i < request->n_claims; i++)
        if (request->claims[i].n_nodes > 1)
            return true;
    return false;
}

maru_status maru_plan_find_parts(const maru_plan_request *request, maru_plan_parts *out_parts)
{
    const size_t n = request->graph->nodes.count + 1;
    if (!has_sets(request))
        return MARU_OK;
    finder f = {.request = request, .graph = request->graph, .out = out_parts};
    f.plan = calloc(1, sizeof *f.plan);
    f.device = calloc(n, sizeof *f.device);
    f.is_part = calloc(n, sizeof *f.is_part);
    f.depth = calloc(n, sizeof *f.depth);
    f.is_asked = calloc(n * (request->n_devices + 1), sizeof *f.is_asked);
    f.nodes = calloc(n, sizeof *f.nodes);
    maru_status status = f.plan && f.device && f.is_part && f.depth && f.is_asked && f.nodes
                             ? search(&f)
                             : maru_fail_oom("placement");
    maru_plan_destroy(&f.plan);
    free(f.device);
    free(f.is_part);
    free(f.depth);
    free(f.is_asked);
    free(f.nodes);
    return status;
}

void maru_plan_parts_fini(maru_plan_parts *parts)
{
    maru_array_fini(&parts->list);
    maru_arena_fini(&parts->arena);
    *parts = (maru_plan_parts){0};
}

/* ---- the border ---- */

enum { IS_MADE = 1, IS_LISTED = 2, IS_READ_OUTSIDE = 4 };

/* Readers outside of the nodes: other nodes, the graph's outputs, states. */
static void mark_readers(const maru_graph *graph, const bool *is_inside, uint8_t *marks)
{
    for (uint32_t n = 0; n < graph->nodes.count; n++)
        for (uint32_t i = 0; !is_inside[n] && i < graph->nodes.data[n].n_inputs; i++)
            marks[graph->nodes.data[n].inputs[i]] |= IS_READ_OUTSIDE;
    for (size_t i = 0; i < graph->outputs.count; i++)
        marks[graph->outputs.data[i].value] |= IS_READ_OUTSIDE;
    for (size_t i = 0; i < graph->states.count; i++) {
        marks[graph->states.data[i].output] |= IS_READ_OUTSIDE;
        marks[graph->states.data[i].params.length] |= IS_READ_OUTSIDE;
    }
}

static void list_border(const maru_graph *graph, const uint32_t *nodes, size_t n_nodes, uint8_t *marks,
                        maru_value *inputs, size_t *n_inputs, maru_value *outputs, size_t *n_outputs)
{
    for (size_t k = 0; k < n_nodes; k++) {
        const maru_node_record *node = &graph->nodes.data[nodes[k]];
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            const maru_value value = node->inputs[i];
            const maru_value_kind kind = maru_graph_get(graph, value)->kind;
            const bool crosses = value != MARU_NO_VALUE && kind != MARU_VALUE_CONSTANT && kind != MARU_VALUE_SHAPE;
            if (crosses && !(marks[value] & (IS_MADE | IS_LISTED)))
                inputs[(*n_inputs)++] = value;
            marks[value] |= IS_LISTED;
        }
        for (uint32_t i = 0; i < node->n_outputs; i++) {
            if (node->outputs[i] != MARU_NO_VALUE && (marks[node->outputs[i]] & IS_READ_OUTSIDE))
                outputs[(*n_outputs)++] = node->outputs[i];
            marks[node->outputs[i]] |= IS_MADE;
        }
    }
}

maru_status maru_plan_border(const maru_graph *graph, const uint32_t *nodes, size_t n_nodes, maru_value **out_inputs,
                             size_t *out_n_inputs, maru_value **out_outputs, size_t *out_n_outputs)
{
    const size_t n_values = graph->values.count + 1;
    bool *is_inside = calloc(graph->nodes.count + 1, sizeof *is_inside);
    uint8_t *marks = calloc(n_values, 1);
    *out_inputs = calloc(n_values, sizeof **out_inputs);
    *out_outputs = calloc(n_values, sizeof **out_outputs);
    *out_n_inputs = *out_n_outputs = 0;
    const bool ok = is_inside && marks && *out_inputs && *out_outputs;
    if (ok) {
        for (size_t k = 0; k < n_nodes; k++)
            is_inside[nodes[k]] = true;
        mark_readers(graph, is_inside, marks);
        list_border(graph, nodes, n_nodes, marks, *out_inputs, out_n_inputs, *out_outputs, out_n_outputs);
    } else {
        free(*out_inputs);
        free(*out_outputs);
        *out_inputs = *out_outputs = NULL;
    }
    free(is_inside);
    free(marks);
    return ok ? MARU_OK : maru_fail_oom("placement");
}
