// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* Which values cross the border of each unit. */
typedef struct collector {
    maru_plan *plan;
    uint32_t *mark;       // per value: unit + 1 that listed it last
    bool *is_read;        // per value: by another unit, a view, an output or a state
    MARU_ARRAY(maru_value) inputs;
    MARU_ARRAY(maru_value) constants;
    MARU_ARRAY(maru_value) shapes;
    MARU_ARRAY(maru_value) outputs;
} collector;

static void mark_reads(collector *c)
{
    const maru_graph *graph = c->plan->graph;
    for (uint32_t n = 0; n < graph->nodes.count; n++) {
        const maru_node_record *node = &graph->nodes.data[n];
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            const maru_value_record *v = maru_graph_get(graph, node->inputs[i]);
            const bool inside = v->kind == MARU_VALUE_NODE && c->plan->places[n].unit != MARU_PLAN_NONE &&
                                c->plan->places[v->source].unit == c->plan->places[n].unit;
            if (!inside)
                c->is_read[node->inputs[i]] = true;
        }
    }
    for (size_t i = 0; i < graph->outputs.count; i++)
        c->is_read[graph->outputs.data[i].value] = true;
    for (size_t i = 0; i < graph->states.count; i++) {
        c->is_read[graph->states.data[i].output] = true;
        c->is_read[graph->states.data[i].params.length] = true;
    }
}

static maru_status add_input(collector *c, uint32_t unit, maru_value value)
{
    const maru_value_record *v = maru_graph_get(c->plan->graph, value);
    if (c->mark[value] == unit + 1)
        return MARU_OK;
    if (v->kind == MARU_VALUE_NODE && c->plan->places[v->source].unit == unit)
        return MARU_OK;
    c->mark[value] = unit + 1;
    if (v->kind == MARU_VALUE_CONSTANT)
        return maru_array_push(&c->constants, value);
    if (v->kind == MARU_VALUE_SHAPE)
        return maru_array_push(&c->shapes, value);
    return maru_array_push(&c->inputs, value);
}

static maru_status collect_node(collector *c, uint32_t unit, const maru_node_record *node)
{
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] != MARU_NO_VALUE)
            MARU_TRY(add_input(c, unit, node->inputs[i]));
    for (uint32_t i = 0; i < node->n_attrs; i++)
        if (node->attrs[i].kind == MARU_ATTR_TENSOR)
            MARU_TRY(add_input(c, unit, node->attrs[i].tensor));
    for (uint32_t i = 0; i < node->n_outputs; i++)
        if (c->is_read[node->outputs[i]])
            MARU_TRY(maru_array_push(&c->outputs, node->outputs[i]));
    return MARU_OK;
}

static int by_value(const void *a, const void *b)
{
    const maru_value x = *(const maru_value *)a;
    const maru_value y = *(const maru_value *)b;
    return x < y ? -1 : x > y;
}

static maru_status keep(maru_plan *plan, maru_value *list, size_t n, bool sorted, const maru_value **out,
                        uint32_t *out_n)
{
    if (sorted && n)
        qsort(list, n, sizeof *list, by_value);
    *out = maru_arena_memdup(&plan->arena, list, n * sizeof *list);
    *out_n = (uint32_t)n;
    return *out ? MARU_OK : maru_fail_oom("a unit");
}

static maru_status collect_unit(collector *c, uint32_t index)
{
    maru_unit *unit = &c->plan->units.data[index];
    c->inputs.count = c->constants.count = c->shapes.count = c->outputs.count = 0;
    for (uint32_t k = 0; k < unit->n_nodes; k++)
        MARU_TRY(collect_node(c, index, &c->plan->graph->nodes.data[unit->nodes[k]]));
    MARU_TRY(keep(c->plan, c->inputs.data, c->inputs.count, false, &unit->inputs, &unit->n_inputs));
    MARU_TRY(keep(c->plan, c->outputs.data, c->outputs.count, false, &unit->outputs, &unit->n_outputs));
    MARU_TRY(keep(c->plan, c->constants.data, c->constants.count, true, &unit->constants, &unit->n_constants));
    return keep(c->plan, c->shapes.data, c->shapes.count, true, &unit->shapes, &unit->n_shapes);
}

maru_status maru_plan_operands(maru_plan *plan)
{
    const size_t n = plan->graph->values.count;
    collector c = {.plan = plan};
    c.mark = calloc(n, sizeof *c.mark);
    c.is_read = calloc(n, sizeof *c.is_read);
    maru_status status = c.mark && c.is_read ? MARU_OK : maru_fail_oom("a schedule");
    if (status == MARU_OK)
        mark_reads(&c);
    for (uint32_t u = 0; status == MARU_OK && u < plan->units.count; u++)
        status = collect_unit(&c, u);
    maru_array_fini(&c.inputs);
    maru_array_fini(&c.constants);
    maru_array_fini(&c.shapes);
    maru_array_fini(&c.outputs);
    free(c.mark);
    free(c.is_read);
    return status;
}
