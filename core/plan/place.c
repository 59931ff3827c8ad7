// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

enum { UNKNOWN_COST_NS = 1000, TRANSFER_LATENCY_NS = 20000, MAX_SWEEPS = 4 };

typedef struct placer {
    maru_plan *plan;
    const maru_plan_request *request;
    const maru_graph *graph;
    int64_t *typical;       // expressions
    uint32_t *device;       // per node; MARU_PLAN_NONE: a view of something outside, or nobody's
    int64_t *cost;          // [node * n_devices + device]; -1: no claim
    uint32_t *single;       // [node * n_devices + device]: claim of that node alone, or MARU_PLAN_NONE
    uint8_t *marks;         // per node: scratch of is_convex
    maru_plan_blocked elsewhere;  // sets of which some nodes run on other devices, or that are not convex
    maru_plan_blocked blocked;    // these, after those of which some nodes were taken
} placer;

static int64_t *cost_at(placer *p, uint32_t node, uint32_t device)
{
    return &p->cost[(size_t)node * p->request->n_devices + device];
}

static uint32_t *single_at(placer *p, uint32_t node, uint32_t device)
{
    return &p->single[(size_t)node * p->request->n_devices + device];
}

static bool has_view_flag(const maru_graph *graph, uint32_t node)
{
    return (graph->nodes.data[node].op->flags & MARU_OP_VIEW) != 0;
}

bool maru_plan_is_view(const maru_plan *plan, uint32_t node)
{
    return has_view_flag(plan->graph, node) && plan->places[node].unit == MARU_PLAN_NONE;
}

maru_value maru_plan_root(const maru_plan *plan, maru_value value)
{
    const maru_value_record *v = maru_graph_get(plan->graph, value);
    while (v->kind == MARU_VALUE_NODE && maru_plan_is_view(plan, v->source)) {
        value = plan->graph->nodes.data[v->source].inputs[0];
        v = maru_graph_get(plan->graph, value);
    }
    return value;
}

/* ---- estimates ---- */

int64_t *maru_plan_typical_exprs(const maru_graph *graph)
{
    const size_t n = graph->exprs.symbols.count;
    int64_t *symbols = calloc(n + 1, sizeof *symbols);
    int64_t *exprs = calloc(graph->exprs.list.count + 1, sizeof *exprs);
    for (size_t i = 0; symbols && i < n; i++) {
        const maru_symbol_params *s = &graph->exprs.symbols.data[i].params;
        symbols[i] = s->typical > 0 ? s->typical : s->min > s->multiple_of ? s->min : s->multiple_of;
    }
    // An expression that is undefined at these values only spoils estimates.
    if (symbols && exprs && maru_exprs_evaluate(&graph->exprs, symbols, exprs) != MARU_OK)
        maru_error_clear();
    free(symbols);
    return exprs;
}

uint64_t maru_plan_typical_bytes(const maru_graph *graph, const int64_t *typical_exprs, maru_value value)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    const maru_dtype_info *info = maru_dtype_get_info(v->dtype);
    double n = 1;
    for (uint32_t d = 0; d < v->rank; d++)
        n *= (double)maru_dim_value(v->dims[d], typical_exprs);
    const double bytes = n / info->block_elements * info->block_bytes;
    return bytes < 0 ? 0 : bytes > 1e18 ? (uint64_t)1e18 : (uint64_t)bytes;
}

static int64_t transfer_ns(const placer *p, maru_value value, uint32_t from, uint32_t to)
{
    if (from == to || from == MARU_PLAN_NONE || to == MARU_PLAN_NONE)
        return 0;
    const double bytes = (double)maru_plan_typical_bytes(p->graph, p->typical, value);
    int64_t ns = TRANSFER_LATENCY_NS;
    const uint32_t ends[2] = {from, to};
    for (int i = 0; i < 2; i++) {
        const double bandwidth = p->request->devices[ends[i]].bandwidth;
        ns += (int64_t)(bytes / (bandwidth > 0 ? bandwidth : 1e10) * 1e9);
    }
    return ns;
}

/* ---- what was claimed ---- */

static void note_claims(placer *p)
{
    for (size_t i = 0; i < p->request->n_claims; i++) {
        const maru_plan_claim *c = &p->request->claims[i];
        const int64_t whole = c->cost_ns >= 0 ? c->cost_ns : (int64_t)c->n_nodes * UNKNOWN_COST_NS;
        const int64_t share = whole / (c->n_nodes ? c->n_nodes : 1);
        for (uint32_t k = 0; k < c->n_nodes; k++) {
            int64_t *cost = cost_at(p, c->nodes[k], c->device);
            if (*cost < 0 || share < *cost)
                *cost = share;
        }
        if (c->n_nodes != 1)
            continue;
        uint32_t *single = single_at(p, c->nodes[0], c->device);
        if (*single == MARU_PLAN_NONE || whole < p->request->claims[*single].cost_ns)
            *single = (uint32_t)i;
    }
}

void maru_plan_unclaimed(const maru_plan_request *request, bool *out_unclaimed)
{
    const size_t n = request->graph->nodes.count;
    for (size_t i = 0; i < n; i++)
        out_unclaimed[i] = !has_view_flag(request->graph, (uint32_t)i);
    for (size_t i = 0; i < request->n_claims; i++) {
        const maru_plan_claim *c = &request->claims[i];
        for (uint32_t k = 0; request->devices[c->device].is_asked && k < c->n_nodes; k++)
            out_unclaimed[c->nodes[k]] = false;
    }
}

/* ---- devices ---- */

static uint32_t value_device(const placer *p, maru_value value)
{
    if (value == MARU_NO_VALUE)
        return MARU_PLAN_NONE;
    const maru_value_record *v = maru_graph_get(p->graph, value);
    return v->kind == MARU_VALUE_NODE ? p->device[v->source] : MARU_PLAN_NONE;
}

static int64_t edge_cost(const placer *p, uint32_t node, uint32_t device)
{
    const maru_node_record *record = &p->graph->nodes.data[node];
    int64_t ns = 0;
    for (uint32_t i = 0; i < record->n_inputs; i++)
        ns += transfer_ns(p, record->inputs[i], value_device(p, record->inputs[i]), device);
    return ns;
}

/* The cheapest device that claims the node; fallbacks only where no asked device does. */
static uint32_t best_device(placer *p, uint32_t node, const int64_t *consumers)
{
    for (int asked = 1; asked >= 0; asked--) {
        uint32_t best = MARU_PLAN_NONE;
        int64_t least = INT64_MAX;
        for (uint32_t d = 0; d < p->request->n_devices; d++) {
            const int64_t own = *cost_at(p, node, d);
            if (own < 0 || p->request->devices[d].is_asked != (asked != 0))
                continue;
            const int64_t total = own + edge_cost(p, node, d) + (consumers ? consumers[d] : 0);
            if (total < least) {
                least = total;
                best = d;
            }
        }
        if (best != MARU_PLAN_NONE)
            return best;
    }
    return MARU_PLAN_NONE;
}

static maru_status fail_unplaced(const placer *p, uint32_t node)
{
    const maru_node_record *record = &p->graph->nodes.data[node];
    const char *why = "no device claims it";
    for (size_t i = 0; i < p->request->n_refusals; i++)
        if (p->request->refusals[i].node == node)
            why = p->request->refusals[i].text;
    return maru_fail(MARU_UNSUPPORTED, "%s%s%s%s cannot run on any device: %s", record->op->name,
                     *record->scope ? " (in '" : "", record->scope, *record->scope ? "')" : "", why);
}

static maru_status first_pass(placer *p)
{
    for (uint32_t n = 0; n < p->graph->nodes.count; n++) {
        p->device[n] = best_device(p, n, NULL);
        if (p->device[n] == MARU_PLAN_NONE && !has_view_flag(p->graph, n))
            return fail_unplaced(p, n);
        if (has_view_flag(p->graph, n))
            p->device[n] = value_device(p, p->graph->nodes.data[n].inputs[0]);
    }
    return MARU_OK;
}

/* Cost of moving this node's results to its consumers, for each device it could be on. */
static void add_consumer_costs(const placer *p, uint32_t consumer, int64_t *costs)
{
    const maru_node_record *record = &p->graph->nodes.data[consumer];
    for (uint32_t i = 0; i < record->n_inputs; i++) {
        if (record->inputs[i] == MARU_NO_VALUE)
            continue;
        const maru_value_record *v = maru_graph_get(p->graph, record->inputs[i]);
        if (v->kind != MARU_VALUE_NODE)
            continue;
        for (uint32_t d = 0; d < p->request->n_devices; d++)
            costs[(size_t)v->source * p->request->n_devices + d] +=
                transfer_ns(p, record->inputs[i], d, p->device[consumer]);
    }
}

/* Moves nodes to where they and their neighbours are cheapest together, until nothing moves. */
static maru_status improve(placer *p)
{
    const size_t n = p->graph->nodes.count;
    if (p->request->n_devices < 2)
        return MARU_OK;
    int64_t *costs = calloc(n * p->request->n_devices + 1, sizeof *costs);
    if (!costs)
        return maru_fail_oom("placement");
    bool moved = true;
    for (int sweep = 0; moved && sweep < MAX_SWEEPS; sweep++) {
        moved = false;
        memset(costs, 0, n * p->request->n_devices * sizeof *costs);
        for (uint32_t i = 0; i < n; i++)
            add_consumer_costs(p, i, costs);
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t was = p->device[i];
            p->device[i] = has_view_flag(p->graph, i) ? value_device(p, p->graph->nodes.data[i].inputs[0])
                                                      : best_device(p, i, costs + (size_t)i * p->request->n_devices);
            moved = moved || p->device[i] != was;
        }
    }
    free(costs);
    return MARU_OK;
}

/* ---- sets ---- */

typedef struct candidate {
    size_t claim;
    int64_t saving;
    uint32_t n_nodes;
} candidate;

static int by_saving(const void *a, const void *b)
{
    const candidate *x = a;
    const candidate *y = b;
    if (x->saving != y->saving)
        return x->saving > y->saving ? -1 : 1;
    if (x->n_nodes != y->n_nodes)
        return x->n_nodes > y->n_nodes ? -1 : 1;
    return x->claim < y->claim ? -1 : x->claim > y->claim;
}

/* What running the set as one saves over its nodes one by one; false if it cannot be taken where the nodes are. */
static bool judge_set(placer *p, size_t index, candidate *out)
{
    const maru_plan_claim *c = &p->request->claims[index];
    int64_t apart = 0;
    for (uint32_t k = 0; k < c->n_nodes; k++) {
        const uint32_t node = c->nodes[k];
        const uint32_t single = *single_at(p, node, c->device);
        if (p->device[node] != c->device && !has_view_flag(p->graph, node))
            return false;
        if (single != MARU_PLAN_NONE && p->request->claims[single].cost_ns >= 0)
            apart += p->request->claims[single].cost_ns;
        else if (!has_view_flag(p->graph, node))
            apart += UNKNOWN_COST_NS;
    }
    const int64_t whole = c->cost_ns >= 0 ? c->cost_ns : 0;
    *out = (candidate){index, apart - whole, c->n_nodes};
    return true;
}

static maru_status add_unit(maru_plan *plan, const maru_plan_claim *c)
{
    maru_unit unit = {.device = c->device, .n_nodes = c->n_nodes, .cost_ns = c->cost_ns};
    unit.nodes = maru_arena_memdup(&plan->arena, c->nodes, c->n_nodes * sizeof *c->nodes);
    unit.kernel = maru_arena_strdup(&plan->arena, c->kernel ? c->kernel : "");
    unit.numeric = maru_arena_strdup(&plan->arena, c->numeric ? c->numeric : "");
    if (!unit.nodes || !unit.kernel || !unit.numeric)
        return maru_fail_oom("a unit");
    for (uint32_t k = 0; k < c->n_nodes; k++)
        plan->places[c->nodes[k]].unit = (uint32_t)plan->units.count;
    return maru_array_push(&plan->units, unit);
}

enum { IN_SET = 1, AFTER_SET = 2 };

/* Whether no path leaves the set and comes back to it. A plugin that was not shown every node cannot know. */
static bool is_convex(placer *p, const maru_plan_claim *c)
{
    const uint32_t first = c->nodes[0];
    const uint32_t last = c->nodes[c->n_nodes - 1];
    memset(p->marks + first, 0, last - first + 1);
    for (uint32_t k = 0; k < c->n_nodes; k++)
        p->marks[c->nodes[k]] = IN_SET;
    for (uint32_t n = first; n <= last; n++) {
        const maru_node_record *node = &p->graph->nodes.data[n];
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            const maru_value_record *v = maru_graph_get(p->graph, node->inputs[i]);
            if (node->inputs[i] == MARU_NO_VALUE || v->kind != MARU_VALUE_NODE || v->source < first)
                continue;
            if (p->marks[n] == IN_SET && p->marks[v->source] == AFTER_SET)
                return false;
            if (p->marks[n] != IN_SET && p->marks[v->source])
                p->marks[n] = AFTER_SET;
        }
    }
    return true;
}

/* Sets that could be taken and are worth it, the best first; those whose nodes run elsewhere are blocked. */
static maru_status find_candidates(placer *p, candidate *list, size_t *out_n)
{
    for (size_t i = 0; i < p->request->n_claims; i++) {
        if (p->request->claims[i].n_nodes < 2)
            continue;
        if (is_convex(p, &p->request->claims[i]) && judge_set(p, i, &list[*out_n]))
            *out_n += list[*out_n].saving >= 0;
        else
            MARU_TRY(maru_array_push(&p->elsewhere, i));
    }
    qsort(list, *out_n, sizeof *list, by_saving);
    return MARU_OK;
}

static bool is_free(const maru_plan *plan, const maru_plan_claim *c)
{
    for (uint32_t k = 0; k < c->n_nodes; k++)
        if (plan->places[c->nodes[k]].unit != MARU_PLAN_NONE)
            return false;
    return true;
}

static maru_status take_sets(placer *p)
{
    candidate *list = calloc(p->request->n_claims + 1, sizeof *list);
    size_t n = 0;
    if (!list)
        return maru_fail_oom("placement");
    maru_status status = find_candidates(p, list, &n);
    for (size_t i = 0; status == MARU_OK && i < n; i++) {
        const maru_plan_claim *c = &p->request->claims[list[i].claim];
        status = is_free(p->plan, c) ? add_unit(p->plan, c) : maru_array_push(&p->blocked, list[i].claim);
    }
    for (size_t i = 0; status == MARU_OK && i < p->elsewhere.count; i++)
        status = maru_array_push(&p->blocked, p->elsewhere.data[i]);
    free(list);
    return status;
}

/* A claim of this node alone: on its own device if there is one, else on whichever device has one. */
static uint32_t single_claim(placer *p, uint32_t node)
{
    if (p->device[node] != MARU_PLAN_NONE && *single_at(p, node, p->device[node]) != MARU_PLAN_NONE)
        return *single_at(p, node, p->device[node]);
    for (uint32_t d = 0; d < p->request->n_devices; d++)
        if (*single_at(p, node, d) != MARU_PLAN_NONE)
            return *single_at(p, node, d);
    return MARU_PLAN_NONE;
}

static maru_status take_singles(placer *p)
{
    for (uint32_t n = 0; n < p->graph->nodes.count; n++) {
        if (p->plan->places[n].unit != MARU_PLAN_NONE || has_view_flag(p->graph, n))
            continue;
        const uint32_t claim = single_claim(p, n);
        if (claim == MARU_PLAN_NONE)
            return fail_unplaced(p, n);
        MARU_TRY(add_unit(p->plan, &p->request->claims[claim]));
    }
    return MARU_OK;
}

/* ---- policy ---- */

static const char *refusal_of(const maru_plan_request *request, uint32_t node)
{
    for (size_t i = 0; i < request->n_refusals; i++)
        if (request->refusals[i].node == node && request->devices[request->refusals[i].device].is_asked)
            return request->refusals[i].text;
    return "no asked device claims it";
}

static maru_status apply_policy(placer *p)
{
    for (uint32_t n = 0; n < p->graph->nodes.count; n++) {
        const uint32_t unit = p->plan->places[n].unit;
        if (unit == MARU_PLAN_NONE || p->request->devices[p->plan->units.data[unit].device].is_asked)
            continue;
        p->plan->n_fallback++;
        const char *why = refusal_of(p->request, n);
        if (p->request->placement == MARU_PLACE_STRICT)
            return maru_fail(MARU_UNSUPPORTED, "placement is strict, and %s%s%s%s would run on %s: %s",
                             p->graph->nodes.data[n].op->name, *p->graph->nodes.data[n].scope ? " (in '" : "",
                             p->graph->nodes.data[n].scope, *p->graph->nodes.data[n].scope ? "')" : "",
                             p->request->devices[p->plan->units.data[unit].device].id, why);
        p->plan->places[n].why = maru_arena_strdup(&p->plan->arena, why);
        if (!p->plan->places[n].why)
            return maru_fail_oom("placement");
    }
    return MARU_OK;
}

static maru_status begin(placer *p, maru_plan *plan, const maru_plan_request *request)
{
    const size_t n = request->graph->nodes.count;
    *p = (placer){.plan = plan, .request = request, .graph = request->graph};
    p->typical = maru_plan_typical_exprs(request->graph);
    p->device = malloc((n + 1) * sizeof *p->device);
    p->cost = malloc((n * request->n_devices + 1) * sizeof *p->cost);
    p->single = malloc((n * request->n_devices + 1) * sizeof *p->single);
    p->marks = calloc(n + 1, sizeof *p->marks);
    if (!p->typical || !p->device || !p->cost || !p->single || !p->marks)
        return maru_fail_oom("placement");
    memset(p->device, 0xff, n * sizeof *p->device);
    memset(p->cost, 0xff, n * request->n_devices * sizeof *p->cost);
    memset(p->single, 0xff, n * request->n_devices * sizeof *p->single);
    return MARU_OK;
}

static void end(placer *p)
{
    free(p->typical);
    free(p->device);
    free(p->cost);
    free(p->single);
    free(p->marks);
    maru_array_fini(&p->elsewhere);
    maru_array_fini(&p->blocked);
}

static maru_status place_sets(placer *p)
{
    note_claims(p);
    MARU_TRY(first_pass(p));
    MARU_TRY(improve(p));
    return take_sets(p);
}

maru_status maru_plan_place_sets(maru_plan *plan, const maru_plan_request *request, uint32_t *out_device,
                                 maru_plan_blocked *out_blocked)
{
    placer p;
    maru_status status = begin(&p, plan, request);
    if (status == MARU_OK)
        status = place_sets(&p);
    if (status == MARU_OK) {
        memcpy(out_device, p.device, request->graph->nodes.count * sizeof *out_device);
        *out_blocked = p.blocked;
        p.blocked = (maru_plan_blocked){0};
    }
    end(&p);
    return status;
}

maru_status maru_plan_place(maru_plan *plan, const maru_plan_request *request)
{
    placer p;
    maru_status status = begin(&p, plan, request);
    if (status == MARU_OK)
        status = place_sets(&p);
    if (status == MARU_OK)
        status = take_singles(&p);
    if (status == MARU_OK)
        status = apply_policy(&p);
    end(&p);
    return status;
}
