// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "export/onnx/writer.h"

#include <string.h>

#include "base/fail.h"

static const char *keep(onnx_writer *w, maru_map *taken, const char *name)
{
    const char *copy = w->status == MARU_OK ? maru_arena_strdup(&w->arena, name) : NULL;
    if (w->status == MARU_OK)
        w->status = copy ? maru_map_set_str(taken, copy, 1) : maru_fail_oom("a name");
    return copy ? copy : "";
}

/* With the first number that is free; the map remembers the last one of each name. */
static const char *fresh(onnx_writer *w, maru_map *taken, const char *wanted)
{
    uint64_t count = 0;
    if (w->status != MARU_OK || !maru_map_get_str(taken, wanted, &count))
        return keep(w, taken, wanted);
    for (;; count++) {
        const char *name = maru_arena_printf(&w->arena, "%s_%llu", wanted, (unsigned long long)count);
        if (!name) {
            w->status = maru_fail_oom("a name");
            return "";
        }
        if (maru_map_get_str(taken, name, NULL))
            continue;
        w->status = maru_map_set_str(taken, wanted, count + 1);
        return keep(w, taken, name);
    }
}

const char *onnx_fresh_name(onnx_writer *w, const char *wanted)
{
    return fresh(w, &w->taken, *wanted ? wanted : "v");
}

/* A scope is the name of its first node; the others have their operator's after it. */
const char *onnx_node_name(onnx_writer *w, const char *scope, const char *op)
{
    if (!*scope)
        return "";
    if (!maru_map_get_str(&w->taken_nodes, scope, NULL))
        return keep(w, &w->taken_nodes, scope);
    const char *name = maru_arena_printf(&w->arena, "%s/%s", scope, op);
    if (!name && w->status == MARU_OK)
        w->status = maru_fail_oom("a name");
    return name ? fresh(w, &w->taken_nodes, name) : "";
}

/* ---- values ---- */

static const char *put_constant(onnx_writer *w, const maru_value_record *v)
{
    const maru_constant_record *c = &w->graph->constants.data[v->source];
    const onnx_weight weight = {
        .dtype = v->dtype,
        .dims = v->dims,
        .rank = v->rank,
        .data = c->source.data,
        .bytes = c->source.bytes,
        .is_mapped = c->source.fd > 0,
    };
    if (!weight.data && weight.bytes) {
        w->status =
            maru_fail(MARU_FAILED_PRECONDITION, "constant '%s' has no data: the weights are not there", v->name);
        return "";
    }
    return onnx_put_weight(w, *v->name ? v->name : "c", &weight);
}

const char *onnx_name(onnx_writer *w, maru_value value)
{
    if (value == MARU_NO_VALUE || w->status != MARU_OK)
        return "";
    if (!w->names[value]) {
        const maru_value_record *v = maru_graph_get(w->graph, value);
        const char *name = "";
        if (v->kind == MARU_VALUE_CONSTANT)
            name = put_constant(w, v);
        else if (v->kind == MARU_VALUE_SHAPE)
            name = onnx_put_dims(w, v->elems, v->n_elems);
        else
            name = onnx_fresh_name(w, v->name);
        w->names[value] = name;
    }
    return w->names[value];
}

/* ---- ends ---- */

/* The value takes the end's name, if a node makes it and it has none. */
static void name_end(onnx_writer *w, maru_value value, const char *name)
{
    if (value != MARU_NO_VALUE && maru_graph_get(w->graph, value)->kind == MARU_VALUE_NODE && !w->names[value])
        w->names[value] = name;
}

static const char *state_output(onnx_writer *w, size_t index)
{
    const char *name = maru_arena_printf(&w->arena, "%s.next", w->graph->states.data[index].name);
    if (!name && w->status == MARU_OK)
        w->status = maru_fail_oom("a name");
    return name ? name : "";
}

void onnx_name_ends(onnx_writer *w)
{
    const maru_graph *g = w->graph;
    for (size_t i = 0; i < g->inputs.count; i++)
        w->names[g->inputs.data[i]] = onnx_fresh_name(w, maru_graph_get(g, g->inputs.data[i])->name);
    for (size_t i = 0; i < g->outputs.count; i++) {
        w->output_names[i] = onnx_fresh_name(w, g->outputs.data[i].name);
        name_end(w, g->outputs.data[i].value, w->output_names[i]);
    }
    for (size_t i = 0; i < g->states.count; i++) {
        const char **name = &w->output_names[g->outputs.count + i];
        w->names[g->states.data[i].input] = onnx_fresh_name(w, g->states.data[i].name);
        *name = onnx_fresh_name(w, state_output(w, i));
        name_end(w, g->states.data[i].output, *name);
    }
}
