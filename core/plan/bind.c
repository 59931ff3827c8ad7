// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/size.h"
#include "plan/place.h"

/* ---- symbols ---- */

static maru_status check_symbols(const maru_graph *graph, const int64_t *values)
{
    for (size_t i = 0; i < graph->exprs.symbols.count; i++) {
        const maru_symbol_record *s = &graph->exprs.symbols.data[i];
        if (values[i] < s->params.min || (s->params.max >= 0 && values[i] > s->params.max))
            return maru_fail(MARU_OUT_OF_RANGE, "%s = %lld is outside %lld to %lld", s->name, (long long)values[i],
                             (long long)s->params.min, (long long)(s->params.max < 0 ? INT64_MAX : s->params.max));
        if (values[i] % s->params.multiple_of != 0)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s = %lld is not a multiple of %lld", s->name,
                             (long long)values[i], (long long)s->params.multiple_of);
    }
    return MARU_OK;
}

static maru_status fail_dim(const maru_graph *graph, maru_value value, uint32_t axis, int64_t dim)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    const char *op = v->kind == MARU_VALUE_NODE ? graph->nodes.data[v->source].op->name : v->name;
    char text[128];
    return maru_fail(MARU_OUT_OF_RANGE, "%s: dim %u (%s) would be %lld with the given sizes", op, axis,
                     maru_graph_dim_text(graph, v->dims[axis], text, sizeof text), (long long)dim);
}

static bool count_elements(const maru_plan_binding *binding, const maru_value_record *v, int64_t *out)
{
    *out = 1;
    for (uint32_t d = 0; d < v->rank; d++)
        if (!maru_mul_i64(*out, maru_dim_value(v->dims[d], binding->expr_values), out))
            return false;
    return true;
}

/* Every dim is >= 0, every size fits, and what reshapes has as many elements as before. */
static maru_status check_values(const maru_plan *plan, const maru_plan_binding *binding)
{
    const maru_graph *graph = plan->graph;
    for (maru_value value = 1; value < graph->values.count; value++) {
        const maru_value_record *v = maru_graph_get(graph, value);
        int64_t count = 0;
        int64_t before = 0;
        for (uint32_t d = 0; d < v->rank; d++)
            if (maru_dim_value(v->dims[d], binding->expr_values) < 0)
                return fail_dim(graph, value, d, maru_dim_value(v->dims[d], binding->expr_values));
        if (!count_elements(binding, v, &count) || count > INT64_MAX / 16)
            return maru_fail(MARU_OUT_OF_RANGE, "a tensor of the graph has too many elements with the given sizes");
        if (v->kind != MARU_VALUE_NODE || !(graph->nodes.data[v->source].op->flags & MARU_OP_VIEW))
            continue;
        const maru_node_record *node = &graph->nodes.data[v->source];
        if (count_elements(binding, maru_graph_get(graph, node->inputs[0]), &before) && before != count)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s%s%s%s: %lld elements do not fit a shape of %lld",
                             node->op->name, *node->scope ? " (in '" : "", node->scope, *node->scope ? "')" : "",
                             (long long)before, (long long)count);
    }
    return MARU_OK;
}

uint64_t maru_plan_value_bytes(const maru_plan *plan, const maru_plan_binding *binding, maru_value value)
{
    const maru_value_record *v = maru_graph_get(plan->graph, value);
    const maru_dtype_info *info = maru_dtype_get_info(v->dtype);
    int64_t count = 0;
    if (!count_elements(binding, v, &count))
        return UINT64_MAX;
    return ((uint64_t)count + info->block_elements - 1) / info->block_elements * info->block_bytes;
}

maru_status maru_plan_bind(const maru_plan *plan, const int64_t *symbol_values, maru_plan_binding **out_binding)
{
    *out_binding = NULL;
    const size_t n_symbols = plan->graph->exprs.symbols.count;
    MARU_TRY(check_symbols(plan->graph, symbol_values));
    maru_plan_binding *b = calloc(1, sizeof *b);
    if (!b)
        return maru_fail_oom("a binding");
    b->symbol_values = calloc(n_symbols + 1, sizeof *b->symbol_values);
    b->expr_values = calloc(plan->graph->exprs.list.count + 1, sizeof *b->expr_values);
    b->item_bytes = calloc(plan->items.count + 1, sizeof *b->item_bytes);
    b->item_offsets = calloc(plan->items.count + 1, sizeof *b->item_offsets);
    maru_status status = b->symbol_values && b->expr_values && b->item_bytes && b->item_offsets
                             ? MARU_OK
                             : maru_fail_oom("a binding");
    if (status == MARU_OK && n_symbols)
        memcpy(b->symbol_values, symbol_values, n_symbols * sizeof *symbol_values);
    if (status == MARU_OK)
        status = maru_exprs_evaluate(&plan->graph->exprs, symbol_values, b->expr_values);
    if (status == MARU_OK)
        status = check_values(plan, b);
    if (status != MARU_OK)
        maru_plan_binding_destroy(&b);
    *out_binding = b;
    return status;
}

void maru_plan_binding_destroy(maru_plan_binding **binding)
{
    maru_plan_binding *b = *binding;
    if (!b)
        return;
    free(b->symbol_values);
    free(b->expr_values);
    free(b->item_bytes);
    free(b->item_offsets);
    free(b);
    *binding = NULL;
}

/* ---- memory ---- */

static void evaluate_offsets(const maru_plan *plan, maru_plan_binding *b)
{
    for (size_t k = 0; k < plan->items.count; k++) {
        const uint32_t i = plan->item_order[k];
        const maru_arena_item *item = &plan->items.data[i];
        const uint64_t given = plan->devices[item->device].alignment;
        const uint64_t align = given > 64 ? given : 64;
        uint64_t offset = 0;
        for (uint32_t j = 0; j < item->n_below; j++) {
            const uint32_t below = plan->below.data[item->first_below + j];
            const uint64_t end = b->item_offsets[below] + b->item_bytes[below];
            offset = end > offset ? end : offset;
        }
        b->item_offsets[i] = (offset + align - 1) & ~(align - 1);
        const uint64_t end = b->item_offsets[i] + b->item_bytes[i];
        if (end > b->arena_bytes[item->device])
            b->arena_bytes[item->device] = end;
    }
}

/* The most bytes alive at any step: what no layout can be below. */
static maru_status evaluate_bound(const maru_plan *plan, maru_plan_binding *b)
{
    const size_t n = plan->steps.count + 2;
    int64_t *delta = malloc(n * sizeof *delta);
    if (!delta)
        return maru_fail_oom("a binding");
    for (uint32_t d = 0; d < plan->n_devices; d++) {
        memset(delta, 0, n * sizeof *delta);
        for (size_t i = 0; i < plan->items.count; i++) {
            const maru_arena_item *item = &plan->items.data[i];
            if (item->device != d)
                continue;
            delta[item->first] += (int64_t)b->item_bytes[i];
            delta[item->last + 1] -= (int64_t)b->item_bytes[i];
        }
        int64_t alive = 0;
        for (size_t i = 0; i < n; i++) {
            alive += delta[i];
            if (alive > 0 && (uint64_t)alive > b->lower_bound[d])
                b->lower_bound[d] = (uint64_t)alive;
        }
    }
    free(delta);
    return MARU_OK;
}

maru_status maru_plan_bind_memory(const maru_plan *plan, const uint64_t *workspace_bytes, maru_plan_binding *b)
{
    memset(b->arena_bytes, 0, sizeof b->arena_bytes);
    memset(b->lower_bound, 0, sizeof b->lower_bound);
    for (size_t i = 0; i < plan->items.count; i++) {
        const maru_arena_item *item = &plan->items.data[i];
        b->item_bytes[i] = item->workspace != MARU_PLAN_NONE
                               ? (workspace_bytes ? workspace_bytes[item->workspace] : 0)
                               : maru_plan_value_bytes(plan, b, item->value);
        if (b->item_bytes[i] > INT64_MAX / 4)
            return maru_fail(MARU_OUT_OF_RANGE, "an intermediate tensor has too many bytes with the given sizes");
    }
    evaluate_offsets(plan, b);
    for (uint32_t d = 0; d < plan->n_devices; d++)
        if (plan->devices[d].largest_alloc && b->arena_bytes[d] > plan->devices[d].largest_alloc)
            return maru_fail(MARU_RESOURCE_EXHAUSTED, "%s: the arena needs %llu bytes, its largest allocation is %llu",
                             plan->devices[d].id, (unsigned long long)b->arena_bytes[d],
                             (unsigned long long)plan->devices[d].largest_alloc);
    return evaluate_bound(plan, b);
}
