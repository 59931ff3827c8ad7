// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/asking.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "exec/abi_graph.h"

void maru_asker_fini(maru_asker *a)
{
    maru_array_fini(&a->claims);
    maru_array_fini(&a->refusals);
    maru_array_fini(&a->questions);
    maru_arena_fini(&a->arena);
}

maru_plan_request maru_asker_request(const maru_asker *a)
{
    return (maru_plan_request){
        .graph = a->model->graph,
        .devices = a->devices,
        .n_devices = a->model->n_devices,
        .claims = a->claims.data,
        .n_claims = a->claims.count,
        .refusals = a->refusals.data,
        .n_refusals = a->refusals.count,
        .questions = a->questions.data,
        .n_questions = a->questions.count,
        .placement = a->params->placement,
    };
}

/* ---- answers ---- */

static const char *numeric_text(maru_asker *a, const maru_abi_numeric *n)
{
    if (n->dtype == 0)
        return "";
    return maru_arena_printf(&a->arena, "%s/%s%s", maru_dtype_name((maru_dtype)n->compute),
                             maru_dtype_name((maru_dtype)n->accumulator),
                             n->flags & MARU_ABI_NUMERIC_TF32 ? "/tf32" : "");
}

static maru_status refuse(maru_asker *a, uint32_t device, uint32_t node, const char *text)
{
    const maru_plan_refusal refusal = {.device = device, .node = node, .text = text};
    return text ? maru_array_push(&a->refusals, refusal) : maru_fail_oom("claims");
}

/* A claim that would compute below what was asked for is shown, and not taken. */
static maru_status refuse_numeric(maru_asker *a, const maru_plan_claim *c)
{
    const char *text = maru_arena_printf(&a->arena, "would run in %s: allow it with numerics=fast", c->numeric);
    for (uint32_t k = 0; k < c->n_nodes; k++) {
        bool is_said = false;
        for (size_t i = 0; text && !is_said && i < a->refusals.count; i++)
            is_said = a->refusals.data[i].device == c->device && a->refusals.data[i].node == c->nodes[k] &&
                      strcmp(a->refusals.data[i].text, text) == 0;
        if (!is_said)
            MARU_TRY(refuse(a, c->device, c->nodes[k], text));
    }
    return MARU_OK;
}

static int by_index(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x;
    const uint32_t b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

/* `map`: nodes of the graph for those of the answer; NULL: the same. */
static maru_status take_claim(maru_asker *a, uint32_t device, const maru_abi_claims *claims, const maru_abi_claim *c,
                              const uint32_t *map)
{
    uint32_t *nodes = maru_arena_alloc_array(&a->arena, c->n_nodes + 1, sizeof *nodes);
    const char *kernel = maru_arena_strdup(&a->arena, c->kernel ? c->kernel : "");
    const char *numeric = numeric_text(a, &c->numeric);
    if (!nodes || !kernel || !numeric)
        return maru_fail_oom("claims");
    for (uint32_t k = 0; k < c->n_nodes; k++)
        nodes[k] = *MARU_ABI_AT(uint32_t, claims->nodes, c->first_node + k);
    for (uint32_t k = 0; map && k < c->n_nodes; k++)
        nodes[k] = map[nodes[k]];
    qsort(nodes, c->n_nodes, sizeof *nodes, by_index);
    const bool has_cost = c->first_cost < claims->numbers.count;
    const maru_plan_claim claim = {
        .device = device,
        .n_nodes = c->n_nodes,
        .nodes = nodes,
        .cost_ns = has_cost ? *MARU_ABI_AT(int64_t, claims->numbers, c->first_cost) : -1,
        .is_in_place = (c->flags & MARU_ABI_CLAIM_IN_PLACE) != 0,
        .kernel = kernel,
        .numeric = numeric,
    };
    if (!maru_numeric_is_enough(a->params->numerics, &c->numeric))
        return refuse_numeric(a, &claim);
    return maru_array_push(&a->claims, claim);
}

static maru_status take_answer(maru_asker *a, uint32_t device, const maru_abi_claims *claims, const uint32_t *map)
{
    for (uint32_t i = 0; i < claims->claims.count; i++)
        MARU_TRY(take_claim(a, device, claims, MARU_ABI_AT(maru_abi_claim, claims->claims, i), map));
    for (uint32_t i = 0; i < claims->refusals.count; i++) {
        const maru_abi_refusal *r = MARU_ABI_AT(maru_abi_refusal, claims->refusals, i);
        MARU_TRY(refuse(a, device, map ? map[r->node] : r->node, maru_arena_strdup(&a->arena, r->text ? r->text : "")));
    }
    return MARU_OK;
}

/* ---- questions ---- */

/* One row of symbol values: the typical ones. */
static int64_t *typical_symbols(const maru_graph *graph)
{
    int64_t *values = calloc(graph->exprs.symbols.count + 1, sizeof *values);
    for (size_t i = 0; values && i < graph->exprs.symbols.count; i++) {
        const maru_symbol_params *p = &graph->exprs.symbols.data[i].params;
        values[i] = p->typical > 0 ? p->typical : p->min > p->multiple_of ? p->min : p->multiple_of;
    }
    return values;
}

static maru_status ask_device(maru_asker *a, uint32_t device, const maru_abi_graph *graph, const int64_t *typical,
                              uint32_t round, maru_dev_claims **out_claims)
{
    const size_t n = a->model->graph->exprs.symbols.count;
    const maru_abi_claim_request request = {
        .head = MARU_ABI_HEAD(maru_abi_claim_request),
        .graph = graph,
        .samples = {.data = typical, .count = (uint32_t)n, .stride = sizeof *typical},
        .n_samples = 1,
        .round = round,
        .numerics = maru_model_numerics(a->params->numerics),
    };
    const maru_dev_wait wait = {0};
    return maru_dev_claim(a->model->devices[device], &request, &wait, out_claims);
}

static maru_status ask_about_whole(maru_asker *a, uint32_t device, const maru_abi_graph *graph,
                                   const int64_t *typical, const uint32_t *map)
{
    maru_dev_claims *claims = NULL;
    MARU_TRY(ask_device(a, device, graph, typical, 0, &claims));
    maru_status status = take_answer(a, device, maru_dev_claims_get(claims), map);
    maru_dev_claims_destroy(&claims);
    return status;
}

/* Some nodes, as a graph of their own. `n` > 0. */
static maru_status ask_about_visible(maru_asker *a, uint32_t device, const uint32_t *nodes, size_t n,
                                     const int64_t *typical)
{
    maru_abi_graph_box box = {0};
    maru_value *inputs = NULL;
    maru_value *outputs = NULL;
    maru_abi_graph_part part = {.nodes = nodes, .n_nodes = n};
    MARU_TRY(maru_plan_border(a->model->graph, nodes, n, &inputs, &part.n_inputs, &outputs, &part.n_outputs));
    part.inputs = inputs;
    part.outputs = outputs;
    maru_status status = maru_abi_graph_make(a->model->graph, &part, &box);
    if (status == MARU_OK)
        status = ask_about_whole(a, device, &box.graph, typical, nodes);
    maru_abi_graph_fini(&box);
    free(inputs);
    free(outputs);
    return status;
}

/* Operators that are newer than what the plugin's manifest names are refused in its place; the others are listed. */
static maru_status list_visible(maru_asker *a, uint32_t device, uint32_t *nodes, size_t *out_n)
{
    const maru_graph *graph = a->model->graph;
    const maru_plugin *plugin = maru_dev_plugin(a->model->devices[device]);
    *out_n = 0;
    for (uint32_t i = 0; i < graph->nodes.count; i++) {
        const maru_op_info *op = graph->nodes.data[i].op;
        const uint32_t ceiling = maru_manifest_ceiling(maru_plugin_manifest(plugin), op->domain);
        if (op->since_version <= ceiling)
            nodes[(*out_n)++] = i;
        else
            MARU_TRY(refuse(a, device, i,
                            maru_arena_printf(&a->arena, "%s is of opset %u%s%s, plugin '%s' knows %s%u", op->name,
                                              op->since_version, *op->domain ? " of " : "", op->domain,
                                              maru_plugin_name(plugin), ceiling ? "up to " : "", ceiling)));
    }
    return MARU_OK;
}

static maru_status ask_tier_g(maru_asker *a, uint32_t device, const maru_abi_graph *whole, const int64_t *typical)
{
    size_t n = 0;
    uint32_t *nodes = calloc(a->model->graph->nodes.count + 1, sizeof *nodes);
    if (!nodes)
        return maru_fail_oom("claims");
    maru_status status = list_visible(a, device, nodes, &n);
    if (status == MARU_OK && n == a->model->graph->nodes.count)
        status = ask_about_whole(a, device, whole, typical, NULL);
    else if (status == MARU_OK && n > 0)
        status = ask_about_visible(a, device, nodes, n, typical);
    free(nodes);
    return status;
}

maru_status maru_ask_all(maru_asker *a)
{
    a->claims.count = 0;
    a->refusals.count = 0;
    maru_abi_graph_box box = {0};
    int64_t *typical = typical_symbols(a->model->graph);
    maru_status status = typical ? maru_abi_graph_make(a->model->graph, NULL, &box) : maru_fail_oom("claims");
    for (uint32_t d = 0; status == MARU_OK && d < a->model->n_devices; d++) {
        maru_model_progress(a->params, "claim", d, a->model->n_devices);
        if (maru_dev_has_tier_g(a->model->devices[d]))
            status = ask_tier_g(a, d, &box.graph, typical);
    }
    maru_abi_graph_fini(&box);
    free(typical);
    return status;
}

/* ---- asking again ---- */

/* What the device says to a part: claims beside those of the whole, and why it would not, for people. */
static maru_status take_part(maru_asker *a, maru_plan_question *q, const maru_abi_claims *claims)
{
    for (uint32_t i = 0; i < claims->claims.count; i++)
        MARU_TRY(take_claim(a, q->device, claims, MARU_ABI_AT(maru_abi_claim, claims->claims, i), q->nodes));
    q->n_claims = claims->claims.count;
    const char *text = claims->refusals.count ? MARU_ABI_AT(maru_abi_refusal, claims->refusals, 0)->text : "";
    q->refusal = maru_arena_strdup(&a->arena, text ? text : "");
    return q->refusal ? maru_array_push(&a->questions, *q) : maru_fail_oom("claims");
}

static maru_status ask_about_graph(maru_asker *a, maru_plan_question *q, const maru_abi_graph_part *part)
{
    maru_abi_graph_box box = {0};
    maru_dev_claims *claims = NULL;
    int64_t *typical = typical_symbols(a->model->graph);
    maru_status status = typical ? maru_abi_graph_make(a->model->graph, part, &box) : maru_fail_oom("claims");
    if (status == MARU_OK)
        status = ask_device(a, q->device, &box.graph, typical, q->round, &claims);
    if (status == MARU_OK)
        status = take_part(a, q, maru_dev_claims_get(claims));
    maru_dev_claims_destroy(&claims);
    maru_abi_graph_fini(&box);
    free(typical);
    return status;
}

static maru_status ask_about_part(maru_asker *a, const maru_plan_question *found, uint32_t round)
{
    maru_plan_question q = *found;
    maru_value *inputs = NULL;
    maru_value *outputs = NULL;
    maru_abi_graph_part part = {.n_nodes = q.n_nodes};
    q.round = round;
    part.nodes = q.nodes = maru_arena_memdup(&a->arena, q.nodes, q.n_nodes * sizeof *q.nodes);
    q.why = maru_arena_strdup(&a->arena, q.why);
    if (!q.nodes || !q.why)
        return maru_fail_oom("claims");
    MARU_TRY(maru_plan_border(a->model->graph, q.nodes, q.n_nodes, &inputs, &part.n_inputs, &outputs,
                              &part.n_outputs));
    part.inputs = inputs;
    part.outputs = outputs;
    maru_status status = ask_about_graph(a, &q, &part);
    free(inputs);
    free(outputs);
    return status;
}

/* Sets that cannot be taken whole: their devices are asked about what is left of them. */
maru_status maru_ask_again(maru_asker *a)
{
    for (uint32_t round = 1; round < MARU_PLAN_ROUNDS; round++) {
        maru_plan_parts parts = {0};
        const maru_plan_request request = maru_asker_request(a);
        maru_status status = maru_plan_find_parts(&request, &parts);
        const size_t n = parts.list.count;
        for (size_t i = 0; status == MARU_OK && i < n; i++)
            status = ask_about_part(a, &parts.list.data[i], round);
        maru_plan_parts_fini(&parts);
        if (status != MARU_OK || n == 0)
            return status;
    }
    return MARU_OK;
}
