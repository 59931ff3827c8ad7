// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/place.h"

static maru_status copy_devices(maru_plan *plan, const maru_plan_request *request)
{
    if (request->n_devices == 0 || request->n_devices > MARU_PLAN_MAX_DEVICES)
        return maru_fail(MARU_INVALID_ARGUMENT, "%u devices: a plan is made for 1 to %d", request->n_devices,
                         MARU_PLAN_MAX_DEVICES);
    plan->n_devices = request->n_devices;
    plan->devices = maru_arena_memdup(&plan->arena, request->devices, request->n_devices * sizeof *request->devices);
    if (!plan->devices)
        return maru_fail_oom("a plan");
    for (uint32_t d = 0; d < plan->n_devices; d++) {
        plan->devices[d].id = maru_arena_strdup(&plan->arena, request->devices[d].id);
        if (!plan->devices[d].id)
            return maru_fail_oom("a plan");
    }
    return MARU_OK;
}

static maru_status copy_refusals(maru_plan *plan, const maru_plan_request *request)
{
    for (size_t i = 0; i < request->n_refusals; i++) {
        maru_plan_refusal refusal = request->refusals[i];
        refusal.text = maru_arena_strdup(&plan->arena, refusal.text);
        if (!refusal.text)
            return maru_fail_oom("a plan");
        MARU_TRY(maru_array_push(&plan->refusals, refusal));
    }
    return MARU_OK;
}

static maru_status copy_questions(maru_plan *plan, const maru_plan_request *request)
{
    for (size_t i = 0; i < request->n_questions; i++) {
        maru_plan_question q = request->questions[i];
        q.nodes = maru_arena_memdup(&plan->arena, q.nodes, q.n_nodes * sizeof *q.nodes);
        q.why = maru_arena_strdup(&plan->arena, q.why);
        q.refusal = maru_arena_strdup(&plan->arena, q.refusal);
        if (!q.nodes || !q.why || !q.refusal)
            return maru_fail_oom("a plan");
        MARU_TRY(maru_array_push(&plan->questions, q));
    }
    return MARU_OK;
}

static maru_status check_claims(const maru_plan_request *request)
{
    for (size_t i = 0; i < request->n_claims; i++) {
        const maru_plan_claim *c = &request->claims[i];
        bool ok = c->device < request->n_devices && c->n_nodes > 0;
        for (uint32_t k = 0; ok && k < c->n_nodes; k++)
            ok = c->nodes[k] < request->graph->nodes.count && (k == 0 || c->nodes[k - 1] < c->nodes[k]);
        if (!ok)
            return maru_fail(MARU_INVALID_ARGUMENT, "claim %zu names a device or node that is not there", i);
    }
    return MARU_OK;
}

/* A value whose size the data decides can be given out, but nothing is planned for what would read it. */
static maru_status check_data_dependent(const maru_graph *graph)
{
    for (size_t n = 0; n < graph->nodes.count; n++) {
        const maru_node_record *node = &graph->nodes.data[n];
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            const maru_value_record *v = maru_graph_get(graph, node->inputs[i]);
            if (node->inputs[i] != MARU_NO_VALUE && v->has_bound_dims)
                return maru_fail(MARU_UNSUPPORTED, "%s reads the result of %s, whose size depends on data: such a "
                                 "value can only be an output", node->op->name, graph->nodes.data[v->source].op->name);
        }
    }
    return MARU_OK;
}

static maru_status make(maru_plan *plan, const maru_plan_request *request)
{
    const size_t n_nodes = request->graph->nodes.count;
    MARU_TRY(copy_devices(plan, request));
    MARU_TRY(copy_refusals(plan, request));
    MARU_TRY(copy_questions(plan, request));
    MARU_TRY(check_claims(request));
    MARU_TRY(check_data_dependent(request->graph));
    plan->places = maru_arena_alloc_array(&plan->arena, n_nodes + 1, sizeof *plan->places);
    plan->storage = maru_arena_alloc_array(&plan->arena, request->graph->values.count, sizeof *plan->storage);
    if (!plan->places || !plan->storage)
        return maru_fail_oom("a plan");
    for (size_t i = 0; i < n_nodes; i++)
        plan->places[i] = (maru_node_place){.unit = MARU_PLAN_NONE, .why = ""};
    MARU_TRY(maru_plan_place(plan, request));
    MARU_TRY(maru_plan_order(plan, request));
    MARU_TRY(maru_plan_operands(plan));
    MARU_TRY(maru_plan_schedule(plan, request));
    return maru_plan_layout(plan);
}

maru_status maru_plan_create(const maru_plan_request *request, maru_plan **out_plan)
{
    *out_plan = NULL;
    MARU_TRY(maru_graph_verify(request->graph));
    maru_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return maru_fail_oom("a plan");
    plan->graph = request->graph;
    maru_status status = make(plan, request);
    if (status != MARU_OK)
        maru_plan_destroy(&plan);
    *out_plan = plan;
    return status;
}

void maru_plan_destroy(maru_plan **plan)
{
    maru_plan *p = *plan;
    if (!p)
        return;
    maru_array_fini(&p->units);
    maru_array_fini(&p->steps);
    maru_array_fini(&p->items);
    maru_array_fini(&p->below);
    maru_array_fini(&p->shapes);
    maru_array_fini(&p->refusals);
    maru_array_fini(&p->questions);
    maru_arena_fini(&p->arena);
    free(p);
    *plan = NULL;
}
