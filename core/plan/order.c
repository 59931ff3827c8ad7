// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* Kahn's algorithm over units, the ready unit with the lowest first node first, so that the graph's order is kept. */
typedef struct sorter {
    maru_plan *plan;
    const maru_plan_request *request;
    uint32_t *waiting;   // per unit: how many inputs are not made yet
    uint32_t *heap;      // ready units
    size_t n_heap;
    uint32_t *order;     // units as they come out
    size_t n_order;
    uint32_t *users;     // flat lists: units that read what unit u makes
    size_t *first_user;  // per unit, n + 1 entries
} sorter;

static uint32_t key(const sorter *s, uint32_t unit)
{
    return s->plan->units.data[unit].nodes[0];
}

static void push(sorter *s, uint32_t unit)
{
    size_t at = s->n_heap++;
    while (at && key(s, s->heap[(at - 1) / 2]) > key(s, unit)) {
        s->heap[at] = s->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->heap[at] = unit;
}

static uint32_t pop(sorter *s)
{
    const uint32_t top = s->heap[0];
    const uint32_t last = s->heap[--s->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->n_heap)
            break;
        if (child + 1 < s->n_heap && key(s, s->heap[child + 1]) < key(s, s->heap[child]))
            child++;
        if (key(s, s->heap[child]) >= key(s, last))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = last;
    return top;
}

/* Calls `fn` for every unit that makes an operand of `unit`; views are looked through. */
static void each_source(sorter *s, uint32_t unit, void (*fn)(sorter *s, uint32_t source, uint32_t unit))
{
    const maru_plan *plan = s->plan;
    const maru_unit *u = &plan->units.data[unit];
    for (uint32_t k = 0; k < u->n_nodes; k++) {
        const maru_node_record *node = &plan->graph->nodes.data[u->nodes[k]];
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            if (node->inputs[i] == MARU_NO_VALUE)
                continue;
            const maru_value_record *v = maru_graph_get(plan->graph, maru_plan_root(plan, node->inputs[i]));
            if (v->kind == MARU_VALUE_NODE && plan->places[v->source].unit != unit)
                fn(s, plan->places[v->source].unit, unit);
        }
    }
}

static void count_edge(sorter *s, uint32_t source, uint32_t unit)
{
    s->first_user[source + 1]++;
    s->waiting[unit]++;
}

static void store_edge(sorter *s, uint32_t source, uint32_t unit)
{
    s->users[s->first_user[source]++] = unit;
}

static maru_status build_edges(sorter *s)
{
    const size_t n = s->plan->units.count;
    for (uint32_t u = 0; u < n; u++)
        each_source(s, u, count_edge);
    for (size_t u = 0; u < n; u++)
        s->first_user[u + 1] += s->first_user[u];
    s->users = malloc((s->first_user[n] + 1) * sizeof *s->users);
    if (!s->users)
        return maru_fail_oom("a schedule");
    for (uint32_t u = 0; u < n; u++)
        each_source(s, u, store_edge);
    // store_edge advanced each start to its end; shift them back by one place.
    memmove(s->first_user + 1, s->first_user, n * sizeof *s->first_user);
    s->first_user[0] = 0;
    return MARU_OK;
}

static void sort_units(sorter *s)
{
    const size_t n = s->plan->units.count;
    for (uint32_t u = 0; u < n; u++)
        if (s->waiting[u] == 0)
            push(s, u);
    while (s->n_heap) {
        const uint32_t unit = pop(s);
        s->order[s->n_order++] = unit;
        for (size_t i = s->first_user[unit]; i < s->first_user[unit + 1]; i++)
            if (--s->waiting[s->users[i]] == 0)
                push(s, s->users[i]);
    }
}

static maru_status apply_order(sorter *s)
{
    const size_t n = s->plan->units.count;
    if (n == 0)
        return MARU_OK;
    maru_unit *sorted = malloc((n + 1) * sizeof *sorted);
    if (!sorted)
        return maru_fail_oom("a schedule");
    for (size_t i = 0; i < n; i++)
        sorted[i] = s->plan->units.data[s->order[i]];
    memcpy(s->plan->units.data, sorted, n * sizeof *sorted);
    free(sorted);
    for (uint32_t u = 0; u < n; u++)
        for (uint32_t k = 0; k < s->plan->units.data[u].n_nodes; k++)
            s->plan->places[s->plan->units.data[u].nodes[k]].unit = u;
    return MARU_OK;
}

static maru_status try_order(maru_plan *plan, const maru_plan_request *request, bool *stuck)
{
    const size_t n = plan->units.count;
    sorter s = {.plan = plan, .request = request};
    s.waiting = calloc(n + 1, sizeof *s.waiting);
    s.heap = calloc(n + 1, sizeof *s.heap);
    s.order = calloc(n + 1, sizeof *s.order);
    s.first_user = calloc(n + 2, sizeof *s.first_user);
    maru_status status = s.waiting && s.heap && s.order && s.first_user ? build_edges(&s)
                                                                       : maru_fail_oom("a schedule");
    if (status == MARU_OK)
        sort_units(&s);
    for (size_t u = 0; status == MARU_OK && u < n; u++)
        stuck[u] = s.waiting[u] != 0;
    if (status == MARU_OK && s.n_order == n)
        status = apply_order(&s);
    free(s.waiting);
    free(s.heap);
    free(s.order);
    free(s.first_user);
    free(s.users);
    return status;
}

/* Replaces a set by its nodes' own claims on the same device. */
static maru_status dissolve(maru_plan *plan, const maru_plan_request *request, uint32_t unit)
{
    const maru_unit whole = plan->units.data[unit];
    for (uint32_t k = 0; k < whole.n_nodes; k++) {
        const maru_plan_claim *found = NULL;
        for (size_t i = 0; i < request->n_claims; i++) {
            const maru_plan_claim *c = &request->claims[i];
            if (c->n_nodes == 1 && c->nodes[0] == whole.nodes[k] && (!found || c->device == whole.device))
                found = c;
        }
        plan->places[whole.nodes[k]].unit = MARU_PLAN_NONE;
        const bool is_view = (plan->graph->nodes.data[whole.nodes[k]].op->flags & MARU_OP_VIEW) != 0;
        if (!found && is_view)
            continue;
        if (!found)
            return maru_fail(MARU_UNSUPPORTED, "%s was claimed only as part of a set that others depend on halfway",
                             plan->graph->nodes.data[whole.nodes[k]].op->name);
        maru_unit single = {.device = found->device, .n_nodes = 1, .nodes = whole.nodes + k, .cost_ns = found->cost_ns};
        single.kernel = maru_arena_strdup(&plan->arena, found->kernel ? found->kernel : "");
        single.numeric = whole.numeric;
        if (!single.kernel)
            return maru_fail_oom("a unit");
        plan->places[whole.nodes[k]].unit = (uint32_t)plan->units.count;
        MARU_TRY(maru_array_push(&plan->units, single));
    }
    // Fill the gap with the last unit.
    const uint32_t last = (uint32_t)plan->units.count - 1;
    plan->units.data[unit] = plan->units.data[last];
    plan->units.count--;
    for (uint32_t k = 0; unit < last && k < plan->units.data[unit].n_nodes; k++)
        plan->places[plan->units.data[unit].nodes[k]].unit = unit;
    return MARU_OK;
}

maru_status maru_plan_order(maru_plan *plan, const maru_plan_request *request)
{
    for (;;) {
        bool *stuck = calloc(plan->units.count + 1, sizeof *stuck);
        if (!stuck)
            return maru_fail_oom("a schedule");
        maru_status status = try_order(plan, request, stuck);
        uint32_t largest = MARU_PLAN_NONE;
        for (uint32_t u = 0; status == MARU_OK && u < plan->units.count; u++)
            if (stuck[u] && plan->units.data[u].n_nodes > 1 &&
                (largest == MARU_PLAN_NONE || plan->units.data[u].n_nodes > plan->units.data[largest].n_nodes))
                largest = u;
        free(stuck);
        if (status != MARU_OK || largest == MARU_PLAN_NONE)
            return status;
        MARU_TRY(dissolve(plan, request, largest));
    }
}
