// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TESTS_PLAN_INVENTED_H
#define MARU_TESTS_PLAN_INVENTED_H

/* Devices that exist only as data: which ops they claim, at what cost. */

#include "plan/plan.h"
#include "unit.h"

typedef struct invented_device {
    maru_plan_device device;
    const char *ops;       // names between blanks that it claims, or "*"
    int64_t cost_ns;       // of every node
    bool is_in_place;
} invented_device;

typedef struct invented_claims {
    MARU_ARRAY(maru_plan_claim) claims;
    MARU_ARRAY(maru_plan_refusal) refusals;
    MARU_ARRAY(uint32_t) nodes;  // 0, 1, 2, ...: what single-node claims point to
} invented_claims;

static inline bool invented_has(const invented_device *d, const char *op)
{
    char word[80];
    snprintf(word, sizeof word, " %s ", op);
    return strcmp(d->ops, "*") == 0 || strstr(d->ops, word) != NULL;
}

/* One claim or refusal per node and device. */
static inline void invent_claims(const maru_graph *graph, const invented_device *devices, uint32_t n,
                                 invented_claims *out)
{
    for (uint32_t i = 0; i < graph->nodes.count; i++)
        assert_ok(maru_array_push(&out->nodes, i));
    for (uint32_t d = 0; d < n; d++) {
        for (uint32_t i = 0; i < graph->nodes.count; i++) {
            if (invented_has(&devices[d], graph->nodes.data[i].op->name)) {
                const maru_plan_claim claim = {.device = d, .n_nodes = 1, .nodes = &out->nodes.data[i],
                                               .cost_ns = devices[d].cost_ns, .is_in_place = devices[d].is_in_place,
                                               .kernel = "invented", .numeric = ""};
                assert_ok(maru_array_push(&out->claims, claim));
            } else {
                const maru_plan_refusal refusal = {.device = d, .node = i, .text = "not in the list"};
                assert_ok(maru_array_push(&out->refusals, refusal));
            }
        }
    }
}

static inline void invented_fini(invented_claims *c)
{
    maru_array_fini(&c->claims);
    maru_array_fini(&c->refusals);
    maru_array_fini(&c->nodes);
}

static inline maru_status invent_plan(const maru_graph *graph, const invented_device *devices, uint32_t n,
                                      maru_placement placement, maru_plan **out_plan)
{
    invented_claims c = {0};
    maru_plan_device list[MARU_PLAN_MAX_DEVICES];
    for (uint32_t d = 0; d < n; d++)
        list[d] = devices[d].device;
    invent_claims(graph, devices, n, &c);
    const maru_plan_request request = {
        .graph = graph,
        .devices = list,
        .n_devices = n,
        .claims = c.claims.data,
        .n_claims = c.claims.count,
        .refusals = c.refusals.data,
        .n_refusals = c.refusals.count,
        .placement = placement,
    };
    const maru_status status = maru_plan_create(&request, out_plan);
    invented_fini(&c);
    return status;
}

static inline maru_graph *read_graph(const char *text)
{
    maru_graph *graph = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    return graph;
}

#endif
