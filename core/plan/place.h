// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLAN_PLACE_H
#define MARU_PLAN_PLACE_H

/* The parts of maru_plan_create, in the order in which it calls them. */

#include "plan/plan.h"

/* Picks a device for every node and the claims to take; fills plan->units (nodes only) and plan->places. */
MARU_NODISCARD maru_status maru_plan_place(maru_plan *plan, const maru_plan_request *request);
/* Sets that cannot be taken whole: some of the nodes are taken, or run elsewhere, or wait for others halfway. */
typedef MARU_ARRAY(size_t) maru_plan_blocked;
/*
 * The first half of maru_plan_place: devices and sets. `out_device` has room for
 * every node (MARU_PLAN_NONE: nobody's); *out_blocked gets the claims that were
 * blocked, the most useful first. For parts.c.
 */
MARU_NODISCARD maru_status maru_plan_place_sets(maru_plan *plan, const maru_plan_request *request,
                                                uint32_t *out_device, maru_plan_blocked *out_blocked);
/* Puts the units into an order that respects their values; dissolves sets that would wait for each other. */
MARU_NODISCARD maru_status maru_plan_order(maru_plan *plan, const maru_plan_request *request);
/* Operands of every unit: what it reads and writes from outside. */
MARU_NODISCARD maru_status maru_plan_operands(maru_plan *plan);
/* Storage of every value, and the steps: runs, copies and transfers. */
MARU_NODISCARD maru_status maru_plan_schedule(maru_plan *plan, const maru_plan_request *request);
/* Sorts the arena items for evaluation and records which must lie below which. */
MARU_NODISCARD maru_status maru_plan_layout(maru_plan *plan);

/* Whether the node is no work where its memory can be shared, and was not taken into a unit. */
bool maru_plan_is_view(const maru_plan *plan, uint32_t node);
/* The value whose bytes this one has: itself, or what the views start from. */
maru_value maru_plan_root(const maru_plan *plan, maru_value value);
/* Elements times size, with symbols at their typical values (or their least): for estimates. */
uint64_t maru_plan_typical_bytes(const maru_graph *graph, const int64_t *typical_exprs, maru_value value);
/* Values of all expressions at typical symbols; free() it. NULL when memory ran out. */
int64_t *maru_plan_typical_exprs(const maru_graph *graph);

#endif
