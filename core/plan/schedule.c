// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/*
 * Walks the ordered units and says where every value lives. A value has one
 * home, where it was made; a unit on another device reads a copy that a
 * transfer put into that device's arena.
 */
typedef struct scheduler {
    maru_plan *plan;
    const maru_plan_request *request;
    const maru_graph *graph;
    uint32_t *last_unit;      // per root value: the last unit that reads it; MARU_PLAN_NONE: none
    bool *is_pinned;          // per root value: read after the last unit (an output, a state)
    uint32_t *n_readers;      // per value: nodes and ends that read it
    uint32_t *state_of;       // per value: the state whose memory it takes in place; MARU_PLAN_NONE
    uint32_t *copy_item;      // [root * n_devices + device]: the arena item of a transferred copy
    uint32_t *claim_in_place; // per node: 1 if its single claim allows it
} scheduler;

static maru_storage host(maru_storage_kind kind, uint32_t index)
{
    return (maru_storage){kind, MARU_PLAN_NONE, index};
}

static uint32_t now(const scheduler *s)
{
    return (uint32_t)s->plan->steps.count;
}

/* ---- reading ahead ---- */

static void note_read(scheduler *s, uint32_t unit, maru_value value)
{
    s->last_unit[maru_plan_root(s->plan, value)] = unit;
}

static void read_ahead(scheduler *s)
{
    memset(s->last_unit, 0xff, s->graph->values.count * sizeof *s->last_unit);
    memset(s->state_of, 0xff, s->graph->values.count * sizeof *s->state_of);
    for (uint32_t u = 0; u < s->plan->units.count; u++) {
        const maru_unit *unit = &s->plan->units.data[u];
        for (uint32_t i = 0; i < unit->n_inputs; i++)
            note_read(s, u, unit->inputs[i]);
    }
    for (size_t n = 0; n < s->graph->nodes.count; n++)
        for (uint32_t i = 0; i < s->graph->nodes.data[n].n_inputs; i++)
            s->n_readers[s->graph->nodes.data[n].inputs[i]]++;
    for (size_t i = 0; i < s->graph->outputs.count; i++) {
        s->n_readers[s->graph->outputs.data[i].value]++;
        s->is_pinned[maru_plan_root(s->plan, s->graph->outputs.data[i].value)] = true;
    }
    for (size_t i = 0; i < s->graph->states.count; i++) {
        s->n_readers[s->graph->states.data[i].output]++;
        s->is_pinned[maru_plan_root(s->plan, s->graph->states.data[i].output)] = true;
    }
}

static void note_in_place_claims(scheduler *s)
{
    for (size_t i = 0; i < s->request->n_claims; i++) {
        const maru_plan_claim *c = &s->request->claims[i];
        if (c->n_nodes != 1 || !c->is_in_place)
            continue;
        const uint32_t unit = s->plan->places[c->nodes[0]].unit;
        if (unit != MARU_PLAN_NONE && s->plan->units.data[unit].n_nodes == 1 &&
            s->plan->units.data[unit].device == c->device)
            s->claim_in_place[c->nodes[0]] = 1;
    }
}

/*
 * A state that one update op reads, and nothing else, is updated in place:
 * the op's result takes the state's memory. Anything else gets a copy at the
 * end of the run.
 */
static void find_in_place_states(scheduler *s)
{
    for (size_t i = 0; i < s->graph->states.count; i++) {
        const maru_state_record *state = &s->graph->states.data[i];
        const maru_value root = maru_plan_root(s->plan, state->output);
        const maru_value_record *v = maru_graph_get(s->graph, root);
        if (v->kind != MARU_VALUE_NODE || s->state_of[root] != MARU_PLAN_NONE)
            continue;
        const maru_node_record *node = &s->graph->nodes.data[v->source];
        if (s->claim_in_place[v->source] && (node->op->flags & MARU_OP_IN_PLACE) && v->output_index == 0 &&
            node->inputs[0] == state->input && s->n_readers[state->input] == 1)
            s->state_of[root] = (uint32_t)i;
    }
}

/* ---- arena ---- */

static maru_status new_item(scheduler *s, uint32_t device, maru_value value, uint32_t workspace, uint32_t last,
                            uint32_t *out)
{
    const maru_arena_item item = {
        .device = device, .first = now(s), .last = last, .value = value, .workspace = workspace};
    *out = (uint32_t)s->plan->items.count;
    return maru_array_push(&s->plan->items, item);
}

static void touch(scheduler *s, maru_storage storage)
{
    if (storage.kind == MARU_STORAGE_ARENA && s->plan->items.data[storage.index].last < now(s))
        s->plan->items.data[storage.index].last = now(s);
}

static maru_status add_step(scheduler *s, maru_step step)
{
    touch(s, step.from);
    touch(s, step.to);
    return maru_array_push(&s->plan->steps, step);
}

/* ---- operands ---- */

static bool reads_host(const scheduler *s, uint32_t device)
{
    return s->plan->devices[device].is_host_memory;
}

/* A value as `device` can read it; adds a transfer where needed. */
static maru_status bring(scheduler *s, maru_value value, uint32_t device, maru_storage *out)
{
    const maru_value root = maru_plan_root(s->plan, value);
    const maru_storage home = s->plan->storage[root];
    const bool is_near = home.device == device || (home.device == MARU_PLAN_NONE && reads_host(s, device));
    if (home.kind == MARU_STORAGE_CONSTANT || is_near) {
        *out = home;
        return MARU_OK;
    }
    uint32_t *copy = &s->copy_item[(size_t)root * s->plan->n_devices + device];
    if (*copy == MARU_PLAN_NONE) {
        MARU_TRY(new_item(s, device, root, MARU_PLAN_NONE, now(s), copy));
        MARU_TRY(add_step(s, (maru_step){.kind = MARU_STEP_TRANSFER,
                                         .device = device,
                                         .unit = MARU_PLAN_NONE,
                                         .value = root,
                                         .from = home,
                                         .to = {MARU_STORAGE_ARENA, device, *copy}}));
    }
    *out = (maru_storage){MARU_STORAGE_ARENA, device, *copy};
    return MARU_OK;
}

/* The output that this value can be written into directly, or MARU_PLAN_NONE. */
static uint32_t direct_output(const scheduler *s, maru_value value, uint32_t device)
{
    if (!reads_host(s, device))
        return MARU_PLAN_NONE;
    for (size_t i = 0; i < s->graph->outputs.count; i++)
        if (maru_plan_root(s->plan, s->graph->outputs.data[i].value) == value)
            return (uint32_t)i;
    return MARU_PLAN_NONE;
}

static bool same_bytes(const maru_graph *graph, maru_value a, maru_value b)
{
    const maru_value_record *x = maru_graph_get(graph, a);
    const maru_value_record *y = maru_graph_get(graph, b);
    const maru_dtype_info *dx = maru_dtype_get_info(x->dtype);
    const maru_dtype_info *dy = maru_dtype_get_info(y->dtype);
    return dx->block_elements == 1 && dy->block_elements == 1 && dx->block_bytes == dy->block_bytes &&
           x->rank == y->rank && memcmp(x->dims, y->dims, x->rank * sizeof *x->dims) == 0;
}

/* An input whose memory the result of an elementwise unit may take over, or NONE. */
static maru_storage reusable_input(scheduler *s, uint32_t index, maru_value output)
{
    const maru_unit *unit = &s->plan->units.data[index];
    const maru_storage none = {0};
    const maru_node_record *node = &s->graph->nodes.data[unit->nodes[0]];
    if (unit->n_nodes != 1 || !s->claim_in_place[unit->nodes[0]] || unit->n_outputs != 1)
        return none;
    const bool elementwise = (node->op->flags & MARU_OP_ELEMENTWISE) != 0;
    for (uint32_t i = 0; i < unit->n_inputs && (elementwise || i == 0); i++) {
        const maru_value root = maru_plan_root(s->plan, unit->inputs[i]);
        const maru_storage home = s->plan->storage[root];
        const bool is_own = home.kind == MARU_STORAGE_ARENA && home.device == unit->device;
        if (is_own && s->last_unit[root] == index && !s->is_pinned[root] &&
            (elementwise || unit->inputs[i] == node->inputs[0]) && same_bytes(s->graph, unit->inputs[i], output) &&
            s->plan->items.data[home.index].value == root)
            return home;
    }
    return none;
}

static maru_status give_home(scheduler *s, uint32_t index, maru_value value, maru_storage *out)
{
    const uint32_t device = s->plan->units.data[index].device;
    if (s->state_of[value] != MARU_PLAN_NONE) {
        *out = s->plan->storage[s->graph->states.data[s->state_of[value]].input];
        return MARU_OK;
    }
    const uint32_t output = direct_output(s, value, device);
    if (output != MARU_PLAN_NONE) {
        *out = host(MARU_STORAGE_OUTPUT, output);
        return MARU_OK;
    }
    *out = reusable_input(s, index, value);
    if (out->kind == MARU_STORAGE_ARENA) {
        // The item now holds the newer value; its size is the same by same_bytes.
        s->plan->items.data[out->index].value = value;
        return MARU_OK;
    }
    uint32_t item = 0;
    MARU_TRY(new_item(s, device, value, MARU_PLAN_NONE, now(s), &item));
    *out = (maru_storage){MARU_STORAGE_ARENA, device, item};
    return MARU_OK;
}

/* ---- units ---- */

static maru_status schedule_unit(scheduler *s, uint32_t index)
{
    maru_plan *plan = s->plan;
    maru_unit *unit = &plan->units.data[index];
    maru_storage *in = maru_arena_alloc_array(&plan->arena, (size_t)unit->n_inputs + 1, sizeof *in);
    maru_storage *out = maru_arena_alloc_array(&plan->arena, (size_t)unit->n_outputs + 1, sizeof *out);
    if (!in || !out)
        return maru_fail_oom("a schedule");
    for (uint32_t i = 0; i < unit->n_inputs; i++)
        MARU_TRY(bring(s, unit->inputs[i], unit->device, &in[i]));
    for (uint32_t i = 0; i < unit->n_inputs; i++)
        touch(s, in[i]);
    for (uint32_t i = 0; i < unit->n_outputs; i++) {
        MARU_TRY(give_home(s, index, unit->outputs[i], &out[i]));
        plan->storage[unit->outputs[i]] = out[i];
        touch(s, out[i]);
    }
    MARU_TRY(new_item(s, unit->device, MARU_NO_VALUE, index, now(s), &unit->workspace_item));
    unit->input_storage = in;
    unit->output_storage = out;
    return add_step(s, (maru_step){.kind = MARU_STEP_RUN, .device = unit->device, .unit = index});
}

/* States live where they are first read, or else where they are made. */
static void place_states(scheduler *s)
{
    for (uint32_t i = 0; i < s->graph->states.count; i++) {
        const maru_state_record *state = &s->graph->states.data[i];
        uint32_t device = 0;
        bool found = false;
        for (size_t n = 0; !found && n < s->graph->nodes.count; n++) {
            const maru_node_record *node = &s->graph->nodes.data[n];
            const uint32_t unit = s->plan->places[n].unit;
            for (uint32_t k = 0; k < node->n_inputs && unit != MARU_PLAN_NONE; k++)
                found = found || maru_plan_root(s->plan, node->inputs[k]) == state->input;
            if (found)
                device = s->plan->units.data[unit].device;
        }
        s->plan->storage[state->input] = (maru_storage){MARU_STORAGE_STATE, device, i};
    }
}

static maru_status place_leaves(scheduler *s)
{
    const maru_graph *g = s->graph;
    for (maru_value v = 1; v < g->values.count; v++) {
        const maru_value_record *record = maru_graph_get(g, v);
        if (record->kind == MARU_VALUE_INPUT)
            s->plan->storage[v] = host(MARU_STORAGE_INPUT, record->source);
        if (record->kind == MARU_VALUE_CONSTANT)
            s->plan->storage[v] = host(MARU_STORAGE_CONSTANT, v);
        if (record->kind == MARU_VALUE_SHAPE) {
            s->plan->storage[v] = host(MARU_STORAGE_SHAPE, (uint32_t)s->plan->shapes.count);
            MARU_TRY(maru_array_push(&s->plan->shapes, v));
        }
    }
    place_states(s);
    return MARU_OK;
}

/* ---- the end of a run ---- */

static maru_status move(scheduler *s, maru_value value, maru_storage from, maru_storage to)
{
    // Constants can be read from anywhere.
    const bool local = from.device == to.device || from.kind == MARU_STORAGE_CONSTANT;
    const uint32_t device = to.device != MARU_PLAN_NONE ? to.device : from.device;
    return add_step(s, (maru_step){.kind = local && device != MARU_PLAN_NONE ? MARU_STEP_COPY : MARU_STEP_TRANSFER,
                                   .device = device == MARU_PLAN_NONE ? 0 : device,
                                   .unit = MARU_PLAN_NONE,
                                   .value = value,
                                   .from = from,
                                   .to = to});
}

static maru_status finish_outputs(scheduler *s)
{
    for (uint32_t i = 0; i < s->graph->outputs.count; i++) {
        const maru_value root = maru_plan_root(s->plan, s->graph->outputs.data[i].value);
        const maru_storage home = s->plan->storage[root];
        if (home.kind == MARU_STORAGE_OUTPUT && home.index == i)
            continue;
        MARU_TRY(move(s, root, home, host(MARU_STORAGE_OUTPUT, i)));
    }
    return MARU_OK;
}

/*
 * A state that takes the old value of another one reads it before that one is
 * written: first all such sources into the arena, then all copies.
 */
static maru_status finish_states(scheduler *s)
{
    maru_storage *from = calloc(s->graph->states.count + 1, sizeof *from);
    if (!from)
        return maru_fail_oom("a schedule");
    maru_status status = MARU_OK;
    for (uint32_t i = 0; status == MARU_OK && i < s->graph->states.count; i++) {
        const maru_value root = maru_plan_root(s->plan, s->graph->states.data[i].output);
        from[i] = s->plan->storage[root];
        if (from[i].kind != MARU_STORAGE_STATE || from[i].index == i)
            continue;
        uint32_t item = 0;
        status = new_item(s, from[i].device, root, MARU_PLAN_NONE, now(s), &item);
        const maru_storage temporary = {MARU_STORAGE_ARENA, from[i].device, item};
        if (status == MARU_OK)
            status = move(s, root, from[i], temporary);
        from[i] = temporary;
    }
    for (uint32_t i = 0; status == MARU_OK && i < s->graph->states.count; i++) {
        const maru_state_record *state = &s->graph->states.data[i];
        if (from[i].kind != MARU_STORAGE_STATE || from[i].index != i)
            status = move(s, maru_plan_root(s->plan, state->output), from[i], s->plan->storage[state->input]);
    }
    free(from);
    return status;
}

static maru_status schedule_all(scheduler *s)
{
    memset(s->copy_item, 0xff, s->graph->values.count * s->plan->n_devices * sizeof *s->copy_item);
    read_ahead(s);
    note_in_place_claims(s);
    find_in_place_states(s);
    MARU_TRY(place_leaves(s));
    for (uint32_t u = 0; u < s->plan->units.count; u++)
        MARU_TRY(schedule_unit(s, u));
    MARU_TRY(finish_outputs(s));
    MARU_TRY(finish_states(s));
    for (uint32_t n = 0; n < s->graph->nodes.count; n++)
        s->plan->n_views += maru_plan_is_view(s->plan, n);
    return MARU_OK;
}

maru_status maru_plan_schedule(maru_plan *plan, const maru_plan_request *request)
{
    const size_t n = plan->graph->values.count;
    scheduler s = {.plan = plan, .request = request, .graph = plan->graph};
    s.last_unit = calloc(n, sizeof *s.last_unit);
    s.is_pinned = calloc(n, sizeof *s.is_pinned);
    s.n_readers = calloc(n, sizeof *s.n_readers);
    s.state_of = calloc(n, sizeof *s.state_of);
    s.copy_item = calloc(n * plan->n_devices + 1, sizeof *s.copy_item);
    s.claim_in_place = calloc(plan->graph->nodes.count + 1, sizeof *s.claim_in_place);
    const bool ok = s.last_unit && s.is_pinned && s.n_readers && s.state_of && s.copy_item && s.claim_in_place;
    maru_status status = ok ? schedule_all(&s) : maru_fail_oom("a schedule");
    free(s.last_unit);
    free(s.is_pinned);
    free(s.n_readers);
    free(s.state_of);
    free(s.copy_item);
    free(s.claim_in_place);
    return status;
}
