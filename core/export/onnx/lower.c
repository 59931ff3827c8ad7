// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Composites are taken apart until every node can be written; what then cannot is told at once. */

#include "export/onnx/writer.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "plan/decompose.h"
#include "plan/plan.h"
#include "plan/rebuild.h"

/* Deeper than any body is in bodies. */
enum { MAX_ROUNDS = 16 };

typedef struct lowering {
    const maru_onnx_save_params *params;
    int opset;
    maru_str refusals;
    maru_map told;
    size_t n_refusals;
} lowering;

static void refuse(lowering *l, const char *text)
{
    if (maru_map_get_str(&l->told, text, NULL))
        return;
    l->refusals.failed |= maru_map_set_str(&l->told, text, 1) != MARU_OK;
    maru_str_printf(&l->refusals, "%s%s", l->n_refusals++ ? ", " : "", text);
}

/* ---- nodes ---- */

static bool has_row(const maru_graph *graph, const maru_node_record *node, int opset)
{
    const onnx_rule *rule = onnx_find_rule(graph, node, opset);
    return *node->op->domain || (rule && !rule->write);
}

static bool is_apart(const lowering *l, const maru_graph *graph, const maru_node_record *node)
{
    if (!maru_body_find(node->op->id))
        return false;
    return l->params->decompose || has_row(graph, node, l->opset) ||
           (!l->params->whole && onnx_runtime_lacks(graph, node, l->opset));
}

/* The first opset that says the node as it is. */
static int needed_opset(const maru_graph *graph, const maru_node_record *node)
{
    int opset = ONNX_OLDEST_TARGET;
    while (opset < MARU_OPSET_ONNX && has_row(graph, node, opset))
        opset++;
    return opset;
}

static void look_at_node(lowering *l, const maru_graph *graph, const maru_node_record *node)
{
    char text[256];
    const onnx_rule *rule = onnx_find_rule(graph, node, l->opset);
    if (maru_body_find(node->op->id) || !has_row(graph, node, l->opset))
        return;
    if (*node->op->domain)
        snprintf(text, sizeof text, "%s.%s (ONNX has no such operator)", node->op->domain, node->op->name);
    else
        snprintf(text, sizeof text, "%s%s%s (opset %d)", node->op->name, rule->what ? " " : "",
                 rule->what ? rule->what : "", needed_opset(graph, node));
    refuse(l, text);
}

static void look_at_value(lowering *l, const maru_value_record *v)
{
    char text[64];
    const int since = onnx_dtype_since(v->dtype);
    if (since && since <= l->opset)
        return;
    if (since)
        snprintf(text, sizeof text, "values of %s (opset %d)", maru_dtype_name(v->dtype), since);
    else
        snprintf(text, sizeof text, "values of %s (ONNX has no such dtype)", maru_dtype_name(v->dtype));
    refuse(l, text);
}

/* ---- the best opset ---- */

/* How many nodes an opset, or ONNX Runtime at it, lacks; SIZE_MAX if something cannot be said. */
static size_t count_lacks(const maru_graph *graph, bool whole, int opset)
{
    size_t n = 0;
    for (maru_value v = 1; v < graph->values.count; v++)
        if (onnx_dtype_since(maru_graph_get(graph, v)->dtype) > opset)
            return SIZE_MAX;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const maru_node_record *node = &graph->nodes.data[i];
        if (has_row(graph, node, opset) && !maru_body_find(node->op->id))
            return SIZE_MAX;
        n += has_row(graph, node, opset) || (!whole && onnx_runtime_lacks(graph, node, opset));
    }
    return n;
}

int onnx_best_opset(const maru_graph *graph, const maru_onnx_save_params *params)
{
    int best = MARU_OPSET_ONNX;
    size_t least = count_lacks(graph, params->whole, best);
    for (int opset = best - 1; opset >= ONNX_OLDEST_TARGET && least; opset--) {
        const size_t n = count_lacks(graph, params->whole, opset);
        if (n < least)
            best = opset;
        least = n < least ? n : least;
    }
    return best;
}

/* ---- the graph ---- */

static maru_status take_apart(lowering *l, const maru_graph *graph, maru_graph **out_graph, size_t *out_n)
{
    size_t n = 0;
    *out_graph = NULL;
    bool *flags = calloc(graph->nodes.count + 1, sizeof *flags);
    if (!flags)
        return maru_fail_oom("a rewrite");
    for (size_t i = 0; i < graph->nodes.count; i++) {
        flags[i] = is_apart(l, graph, &graph->nodes.data[i]);
        n += flags[i];
    }
    const maru_status status = n ? maru_plan_decompose(graph, flags, out_graph) : MARU_OK;
    free(flags);
    *out_n += n;
    return status;
}

static maru_status check(lowering *l, const maru_graph *graph)
{
    bool *live = calloc(graph->values.count + 1, sizeof *live);
    maru_status status = live ? maru_graph_mark_live(graph, live) : maru_fail_oom("a rewrite");
    for (size_t i = 0; status == MARU_OK && i < graph->nodes.count; i++) {
        const maru_node_record *node = &graph->nodes.data[i];
        bool is_live = false;
        for (uint32_t k = 0; k < node->n_outputs; k++)
            is_live = is_live || live[node->outputs[k]];
        if (is_live)
            look_at_node(l, graph, node);
    }
    for (maru_value v = 1; status == MARU_OK && v < graph->values.count; v++)
        if (live[v])
            look_at_value(l, maru_graph_get(graph, v));
    free(live);
    if (status == MARU_OK)
        status = maru_str_check(&l->refusals);
    if (status == MARU_OK && l->n_refusals)
        status = maru_fail(MARU_UNSUPPORTED, "ONNX's opset %d cannot say: %s", l->opset, maru_str_get(&l->refusals));
    return status;
}

static maru_status run(lowering *l, const maru_graph *graph, maru_graph **out_graph, size_t *out_n)
{
    const maru_graph *at = graph;
    for (int round = 0; round < MAX_ROUNDS; round++) {
        maru_graph *next = NULL;
        MARU_TRY(take_apart(l, at, &next, out_n));
        if (!next)
            break;
        maru_graph_destroy(out_graph);
        *out_graph = next;
        at = next;
    }
    return check(l, at);
}

maru_status onnx_lower(const maru_graph *graph, const maru_onnx_save_params *params, int opset, maru_graph **out_graph,
                       size_t *out_n)
{
    lowering l = {.params = params, .opset = opset};
    *out_graph = NULL;
    *out_n = 0;
    const maru_status status = run(&l, graph, out_graph, out_n);
    if (status != MARU_OK)
        maru_graph_destroy(out_graph);
    maru_str_fini(&l.refusals);
    maru_map_fini(&l.told);
    return status;
}
