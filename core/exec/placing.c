// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/model_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/log.h"
#include "exec/abi_graph.h"

/* A composite whose body has composites is asked about again after each level. */
enum { MAX_ROUNDS = 8 };

/* Claims of all devices on the present graph, as the plan wants them. */
typedef struct asker {
    maru_model *model;
    const maru_plan_device *devices;
    const maru_model_params *params;
    maru_arena arena;
    MARU_ARRAY(maru_plan_claim) claims;
    MARU_ARRAY(maru_plan_refusal) refusals;
    MARU_ARRAY(maru_plan_question) questions;
} asker;

/* ---- devices ---- */

static bool is_host_memory(const maru_abi_device_info *info)
{
    for (uint32_t i = 0; i < info->memory_kinds.count; i++)
        if (MARU_ABI_AT(maru_abi_memory_kind, info->memory_kinds, i)->flags & MARU_ABI_MEM_IMPORT_HOST)
            return info->kind == MARU_ABI_DEVICE_CPU;
    return false;
}

static maru_status open_device(maru_model *model, size_t index, const char *options, bool is_asked,
                               maru_plan_device *out)
{
    maru_dev **dev = &model->devices[model->n_devices];
    MARU_TRY(maru_runtime_open_device(model->runtime, index, options, dev));
    model->n_devices++;
    const maru_abi_device_info *info = maru_dev_info(*dev);
    const maru_abi_memory_kind *kind = maru_dev_memory_kind(*dev, 0);
    *out = (maru_plan_device){
        .id = maru_dev_id(*dev),
        .is_asked = is_asked,
        .is_host_memory = is_host_memory(info),
        .bandwidth = (double)info->bandwidth,
        .alignment = kind ? kind->alignment : 64,
        .largest_alloc = kind ? kind->largest_alloc : 0,
    };
    return MARU_OK;
}

maru_status maru_model_open_devices(maru_model *model, const maru_model_params *params, maru_plan_device *out_devices)
{
    size_t asked[MARU_PLAN_MAX_DEVICES];
    size_t n = 0;
    MARU_TRY(maru_runtime_find_devices(model->runtime, params->devices ? params->devices : "cpu", asked,
                                       MARU_PLAN_MAX_DEVICES, &n));
    if (n > MARU_PLAN_MAX_DEVICES - 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "'%s' names %zu devices, at most %d can be used together",
                         params->devices, n, MARU_PLAN_MAX_DEVICES - 1);
    for (size_t i = 0; i < n; i++)
        MARU_TRY(open_device(model, asked[i], params->device_options, true, &out_devices[i]));
    size_t cpu = 0;
    size_t n_cpu = 0;
    if (maru_runtime_find_devices(model->runtime, "cpu:0", &cpu, 1, &n_cpu) != MARU_OK || n_cpu == 0)
        return MARU_OK;
    for (size_t i = 0; i < n; i++)
        if (asked[i] == cpu)
            return MARU_OK;
    return open_device(model, cpu, NULL, false, &out_devices[model->n_devices]);
}

/* ---- claims ---- */

static const char *numeric_text(asker *a, const maru_abi_numeric *n)
{
    if (n->dtype == 0)
        return "";
    return maru_arena_printf(&a->arena, "%s/%s%s", maru_dtype_name((maru_dtype)n->compute),
                             maru_dtype_name((maru_dtype)n->accumulator),
                             n->flags & MARU_ABI_NUMERIC_TF32 ? "/tf32" : "");
}

static int by_index(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x;
    const uint32_t b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

/* `map`: nodes of the graph for those of the answer; NULL: the same. */
static maru_status take_claim(asker *a, uint32_t device, const maru_abi_claims *claims, const maru_abi_claim *c,
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
    return maru_array_push(&a->claims, claim);
}

static maru_status take_answer(asker *a, uint32_t device, const maru_abi_claims *claims)
{
    for (uint32_t i = 0; i < claims->claims.count; i++)
        MARU_TRY(take_claim(a, device, claims, MARU_ABI_AT(maru_abi_claim, claims->claims, i), NULL));
    for (uint32_t i = 0; i < claims->refusals.count; i++) {
        const maru_abi_refusal *r = MARU_ABI_AT(maru_abi_refusal, claims->refusals, i);
        const maru_plan_refusal refusal = {
            .device = device, .node = r->node, .text = maru_arena_strdup(&a->arena, r->text ? r->text : "")};
        if (!refusal.text)
            return maru_fail_oom("claims");
        MARU_TRY(maru_array_push(&a->refusals, refusal));
    }
    return MARU_OK;
}

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

static maru_status ask_device(asker *a, uint32_t device, const maru_abi_graph *graph, const int64_t *typical,
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

static maru_status ask_about_all(asker *a, uint32_t device, const maru_abi_graph *graph, const int64_t *typical)
{
    maru_dev_claims *claims = NULL;
    MARU_TRY(ask_device(a, device, graph, typical, 0, &claims));
    maru_status status = take_answer(a, device, maru_dev_claims_get(claims));
    maru_dev_claims_destroy(&claims);
    return status;
}

static maru_status ask_all(asker *a)
{
    a->claims.count = 0;
    a->refusals.count = 0;
    maru_abi_graph_box box = {0};
    int64_t *typical = typical_symbols(a->model->graph);
    maru_status status = typical ? maru_abi_graph_make(a->model->graph, NULL, &box) : maru_fail_oom("claims");
    for (uint32_t d = 0; status == MARU_OK && d < a->model->n_devices; d++) {
        maru_model_progress(a->params, "claim", d, a->model->n_devices);
        if (maru_dev_has_tier_g(a->model->devices[d]))
            status = ask_about_all(a, d, &box.graph, typical);
    }
    maru_abi_graph_fini(&box);
    free(typical);
    return status;
}

/* ---- decomposing ---- */

static maru_plan_request make_request(const asker *a)
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

/* Replaces composites that no asked device takes; says whether there were any. */
static maru_status decompose_refused(asker *a, bool *out_changed)
{
    const maru_plan_request request = make_request(a);
    const size_t n = a->model->graph->nodes.count;
    *out_changed = false;
    bool *unclaimed = calloc(n + 1, sizeof *unclaimed);
    if (!unclaimed)
        return maru_fail_oom("placement");
    maru_plan_unclaimed(&request, unclaimed);
    for (size_t i = 0; i < n; i++) {
        unclaimed[i] = unclaimed[i] && a->model->graph->nodes.data[i].op->level == MARU_OP_COMPOSITE;
        *out_changed = *out_changed || unclaimed[i];
    }
    maru_graph *next = NULL;
    maru_status status = *out_changed ? maru_plan_decompose(a->model->graph, unclaimed, &next) : MARU_OK;
    free(unclaimed);
    if (status == MARU_OK && next) {
        maru_graph_destroy(&a->model->graph);
        a->model->graph = next;
    }
    return status;
}

/* ---- asking again ---- */

/* What the device says to a part: claims beside those of the whole, and why it would not, for people. */
static maru_status take_part(asker *a, maru_plan_question *q, const maru_abi_claims *claims)
{
    for (uint32_t i = 0; i < claims->claims.count; i++)
        MARU_TRY(take_claim(a, q->device, claims, MARU_ABI_AT(maru_abi_claim, claims->claims, i), q->nodes));
    q->n_claims = claims->claims.count;
    const char *text = claims->refusals.count ? MARU_ABI_AT(maru_abi_refusal, claims->refusals, 0)->text : "";
    q->refusal = maru_arena_strdup(&a->arena, text ? text : "");
    return q->refusal ? maru_array_push(&a->questions, *q) : maru_fail_oom("claims");
}

static maru_status ask_about_graph(asker *a, maru_plan_question *q, const maru_abi_graph_part *part)
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

static maru_status ask_about_part(asker *a, const maru_plan_question *found, uint32_t round)
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
static maru_status ask_again(asker *a)
{
    for (uint32_t round = 1; round < MARU_PLAN_ROUNDS; round++) {
        maru_plan_parts parts = {0};
        const maru_plan_request request = make_request(a);
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

/* ---- saying it ---- */

static void warn_fallback(const maru_model *model)
{
    const maru_plan *plan = model->plan;
    for (size_t n = 0; n < model->graph->nodes.count; n++) {
        const maru_node_place *place = &plan->places[n];
        if (!*place->why || place->unit == MARU_PLAN_NONE)
            continue;
        const maru_node_record *node = &model->graph->nodes.data[n];
        maru_log(MARU_LOG_WARN, "%u of %zu nodes run on %s, not where asked; the first is %s%s%s%s: %s",
                 plan->n_fallback, model->graph->nodes.count,
                 plan->devices[plan->units.data[place->unit].device].id, node->op->name, *node->scope ? " (in '" : "",
                 node->scope, *node->scope ? "')" : "", place->why);
        return;
    }
}

static maru_status place(asker *a)
{
    bool changed = true;
    for (uint32_t round = 0; changed && round < MAX_ROUNDS; round++) {
        MARU_TRY(ask_all(a));
        MARU_TRY(decompose_refused(a, &changed));
    }
    MARU_TRY(ask_again(a));
    const maru_plan_request request = make_request(a);
    MARU_TRY(maru_plan_create(&request, &a->model->plan));
    if (a->params->placement == MARU_PLACE_WARN && a->model->plan->n_fallback)
        warn_fallback(a->model);
    return MARU_OK;
}

maru_status maru_model_place(maru_model *model, const maru_plan_device *devices, const maru_model_params *params)
{
    asker a = {.model = model, .devices = devices, .params = params};
    maru_status status = place(&a);
    maru_array_fini(&a.claims);
    maru_array_fini(&a.refusals);
    maru_array_fini(&a.questions);
    maru_arena_fini(&a.arena);
    return status;
}
