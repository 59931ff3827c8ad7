// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <string.h>

#include "base/fail.h"

static maru_status check_dims(const maru_graph *graph, maru_value value)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    if (!maru_dtype_get_info(v->dtype))
        return maru_fail(MARU_INVALID_ARGUMENT, "value %u has unknown dtype %d", value, (int)v->dtype);
    if (v->rank > MARU_MAX_RANK)
        return maru_fail(MARU_INVALID_ARGUMENT, "value %u has rank %u", value, v->rank);
    for (uint32_t d = 0; d < v->rank + v->n_elems; d++) {
        const maru_dim dim = d < v->rank ? v->dims[d] : v->elems[d - v->rank];
        if (dim < 0 && (uint64_t)(-1 - dim) >= graph->exprs.list.count)
            return maru_fail(MARU_INVALID_ARGUMENT, "value %u names expression %lld, there are %zu", value,
                             (long long)(-1 - dim), graph->exprs.list.count);
    }
    return MARU_OK;
}

static maru_status check_source(const maru_graph *graph, maru_value value)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    size_t count = 0;
    switch (v->kind) {
    case MARU_VALUE_INPUT: count = graph->inputs.count; break;
    case MARU_VALUE_CONSTANT: count = graph->constants.count; break;
    case MARU_VALUE_STATE: count = graph->states.count; break;
    case MARU_VALUE_NODE: count = graph->nodes.count; break;
    case MARU_VALUE_SHAPE: return MARU_OK;
    }
    if (v->source >= count)
        return maru_fail(MARU_INVALID_ARGUMENT, "value %u names source %u of %zu", value, v->source, count);
    return MARU_OK;
}

/* Inputs are defined before the node, and outputs say that they are its. */
static maru_status check_node(const maru_graph *graph, size_t index)
{
    const maru_node_record *node = &graph->nodes.data[index];
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        const maru_value_record *v = maru_graph_get(graph, node->outputs[i]);
        if (v->kind != MARU_VALUE_NODE || v->source != index || v->output_index != i)
            return maru_fail(MARU_INVALID_ARGUMENT, "node %zu (%s): output %u is not its own", index, node->op->name,
                             i);
    }
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] == MARU_NO_VALUE)
            continue;
        if (node->inputs[i] >= graph->values.count)
            return maru_fail(MARU_INVALID_ARGUMENT, "node %zu (%s): input %u is value %u of %zu", index,
                             node->op->name, i, node->inputs[i], graph->values.count);
        const maru_value_record *v = maru_graph_get(graph, node->inputs[i]);
        if (v->kind == MARU_VALUE_NODE && v->source >= index)
            return maru_fail(MARU_INVALID_ARGUMENT, "node %zu (%s) uses the result of node %u, which is not before it",
                             index, node->op->name, v->source);
    }
    return MARU_OK;
}

maru_status maru_graph_verify(const maru_graph *graph)
{
    for (maru_value v = 1; v < graph->values.count; v++) {
        MARU_TRY(check_dims(graph, v));
        MARU_TRY(check_source(graph, v));
    }
    for (size_t i = 0; i < graph->nodes.count; i++)
        MARU_TRY(check_node(graph, i));
    for (size_t i = 0; i < graph->outputs.count; i++)
        if (graph->outputs.data[i].value == MARU_NO_VALUE || graph->outputs.data[i].value >= graph->values.count)
            return maru_fail(MARU_INVALID_ARGUMENT, "output '%s' is not a value", graph->outputs.data[i].name);
    for (size_t i = 0; i < graph->states.count; i++)
        if (graph->states.data[i].output == MARU_NO_VALUE)
            return maru_fail(MARU_INVALID_ARGUMENT, "state '%s' is never set", graph->states.data[i].name);
    if (graph->outputs.count == 0 && graph->states.count == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "graph '%s' has no output", graph->name);
    return MARU_OK;
}
