// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "plan/rebuild.h"

/* A folded value may be this much larger than all it was made from: beyond, it is cheaper to compute it each time. */
enum { MAX_GROWTH_BYTES = 1 << 20 };

static uint64_t constant_bytes(const maru_graph *graph, maru_value value)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    size_t bytes = 0;
    for (uint32_t d = 0; d < v->rank; d++)
        if (v->dims[d] < 0)
            return UINT64_MAX;
    return maru_dtype_tensor_bytes(v->dtype, v->dims, v->rank, &bytes) == MARU_OK ? bytes : UINT64_MAX;
}

static bool is_constant_input(const maru_graph *graph, const bool *fold, maru_value value)
{
    if (value == MARU_NO_VALUE)
        return true;
    const maru_value_record *v = maru_graph_get(graph, value);
    if (v->kind == MARU_VALUE_CONSTANT)
        return true;
    if (v->kind == MARU_VALUE_NODE)
        return fold[value];
    int64_t ignored = 0;
    for (uint32_t i = 0; v->kind == MARU_VALUE_SHAPE && i < v->n_elems; i++)
        if (!maru_expr_is_const(&graph->exprs, v->elems[i], &ignored))
            return false;
    return v->kind == MARU_VALUE_SHAPE;
}

static bool can_fold(const maru_graph *graph, const bool *fold, const maru_node_record *node)
{
    if (node->op->flags & MARU_OP_IMPURE)
        return false;
    uint64_t room = MAX_GROWTH_BYTES;
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        if (!is_constant_input(graph, fold, node->inputs[i]))
            return false;
        room += node->inputs[i] ? constant_bytes(graph, node->inputs[i]) : 0;
    }
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        const uint64_t bytes = constant_bytes(graph, node->outputs[i]);
        if (bytes > room || maru_graph_get(graph, node->outputs[i])->has_bound_dims)
            return false;
    }
    return true;
}

/* needed[v]: a folded value that something outside the constant part reads. */
static void mark_needed(const maru_graph *graph, const bool *fold, bool *needed)
{
    for (size_t n = 0; n < graph->nodes.count; n++) {
        const maru_node_record *node = &graph->nodes.data[n];
        for (uint32_t i = 0; !fold[node->outputs[0]] && i < node->n_inputs; i++)
            needed[node->inputs[i]] = fold[node->inputs[i]];
    }
    for (size_t i = 0; i < graph->outputs.count; i++)
        needed[graph->outputs.data[i].value] = fold[graph->outputs.data[i].value];
    for (size_t i = 0; i < graph->states.count; i++)
        needed[graph->states.data[i].output] = fold[graph->states.data[i].output];
    needed[MARU_NO_VALUE] = false;
}

/* The constant part has no inputs and no states, so it is not begun like other rewrites. */
static maru_status copy_part(const maru_graph *graph, const bool *fold, const bool *needed, maru_rebuild *r,
                             maru_value *values, size_t *n)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (fold[graph->nodes.data[i].outputs[0]])
            MARU_TRY(maru_rebuild_node(r, &graph->nodes.data[i]));
    for (maru_value v = 1; v < graph->values.count; v++) {
        if (!needed[v])
            continue;
        char name[24];
        maru_str text = {0};
        maru_str_printf(&text, "%zu", *n);
        strncpy(name, maru_str_get(&text), sizeof name - 1);
        name[sizeof name - 1] = 0;
        maru_str_fini(&text);
        MARU_TRY(maru_graph_output(r->to, name, r->map[v]));
        values[(*n)++] = v;
    }
    return MARU_OK;
}

static maru_status extract_part(const maru_graph *graph, const bool *fold, const bool *needed, maru_graph **out_part,
                                maru_value *values, size_t *n)
{
    maru_rebuild r = {.from = graph};
    r.map = calloc(graph->values.count, sizeof *r.map);
    r.dims = calloc(graph->exprs.list.count + 1, sizeof *r.dims);
    maru_status status = r.map && r.dims ? maru_graph_create("constants", &r.to) : maru_fail_oom("a constant part");
    for (size_t i = 0; status == MARU_OK && i < graph->exprs.list.count; i++) {
        int64_t value = 0;
        if (maru_expr_is_const(&graph->exprs, -1 - (maru_dim)i, &value))
            status = maru_expr_const(&r.to->exprs, value, &r.dims[i]);
    }
    if (status == MARU_OK)
        status = copy_part(graph, fold, needed, &r, values, n);
    if (status == MARU_OK) {
        *out_part = r.to;
        r.to = NULL;
    }
    maru_rebuild_fini(&r);
    return status;
}

maru_status maru_plan_foldable(const maru_graph *graph, maru_graph **out_part, maru_value **out_values, size_t *out_n)
{
    *out_part = NULL;
    *out_values = NULL;
    *out_n = 0;
    bool *fold = calloc(graph->values.count, sizeof *fold);
    bool *needed = calloc(graph->values.count, sizeof *needed);
    maru_value *values = calloc(graph->values.count, sizeof *values);
    maru_status status = fold && needed && values ? MARU_OK : maru_fail_oom("constant folding");
    bool any = false;
    for (size_t n = 0; status == MARU_OK && n < graph->nodes.count; n++) {
        const maru_node_record *node = &graph->nodes.data[n];
        const bool folds = can_fold(graph, fold, node);
        any = any || folds;
        for (uint32_t i = 0; i < node->n_outputs; i++)
            fold[node->outputs[i]] = folds;
    }
    if (status == MARU_OK && any) {
        mark_needed(graph, fold, needed);
        status = extract_part(graph, fold, needed, out_part, values, out_n);
    }
    if (status == MARU_OK && *out_n == 0)
        maru_graph_destroy(out_part);
    if (status == MARU_OK && *out_n) {
        *out_values = values;
        values = NULL;
    }
    free(fold);
    free(needed);
    free(values);
    return status;
}

static maru_status replace_all(maru_rebuild *r, const maru_value *values, const maru_tensor *tensors, size_t n,
                               bool *live)
{
    for (size_t i = 0; i < n; i++) {
        const maru_value_record *v = maru_graph_get(r->from, values[i]);
        const maru_constant_source source = {.data = tensors[i].data ? tensors[i].data : "", .bytes = tensors[i].bytes};
        MARU_TRY(maru_graph_constant(r->to, v->name, v->dtype, v->dims, v->rank, &source, &r->map[values[i]]));
    }
    // Liveness that stops at the replaced values drops what only they needed.
    memset(live, 0, r->from->values.count * sizeof *live);
    for (size_t i = 0; i < r->from->outputs.count; i++)
        live[r->from->outputs.data[i].value] = true;
    for (size_t i = 0; i < r->from->states.count; i++) {
        live[r->from->states.data[i].output] = true;
        live[r->from->states.data[i].params.length] = true;
    }
    for (size_t k = r->from->nodes.count; k-- > 0;) {
        const maru_node_record *node = &r->from->nodes.data[k];
        bool needed = false;
        for (uint32_t i = 0; i < node->n_outputs; i++)
            needed = needed || (live[node->outputs[i]] && r->map[node->outputs[i]] == MARU_NO_VALUE);
        for (uint32_t i = 0; needed && i < node->n_inputs; i++)
            live[node->inputs[i]] = true;
    }
    for (size_t k = 0; k < r->from->nodes.count; k++) {
        const maru_node_record *node = &r->from->nodes.data[k];
        bool needed = false;
        for (uint32_t i = 0; i < node->n_outputs; i++)
            needed = needed || (live[node->outputs[i]] && r->map[node->outputs[i]] == MARU_NO_VALUE);
        if (needed)
            MARU_TRY(maru_rebuild_node(r, node));
    }
    return MARU_OK;
}

maru_status maru_plan_replace(const maru_graph *graph, const maru_value *values, const maru_tensor *tensors, size_t n,
                              maru_graph **out_graph)
{
    *out_graph = NULL;
    maru_rebuild r = {0};
    bool *live = calloc(graph->values.count, sizeof *live);
    if (!live)
        return maru_fail_oom("constant folding");
    maru_status status = maru_rebuild_begin(graph, &r);
    if (status == MARU_OK)
        status = replace_all(&r, values, tensors, n, live);
    if (status == MARU_OK)
        status = maru_rebuild_finish(&r, out_graph);
    maru_rebuild_fini(&r);
    free(live);
    return status;
}
