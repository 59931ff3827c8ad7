// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/session_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* ---- life ---- */

static void destroy_lists(maru_bound_run *run)
{
    for (size_t i = 0; i < run->pieces.count; i++)
        maru_dev_commands_destroy(&run->pieces.data[i].list);
    run->pieces.count = 0;
    run->patches.count = 0;
    run->has_lists = false;
}

void maru_bound_run_destroy(maru_bound_run **run)
{
    maru_bound_run *r = *run;
    if (!r)
        return;
    destroy_lists(r);
    for (size_t u = 0; u < r->n_bounds; u++)
        maru_dev_bound_destroy(&r->bounds[u]);
    maru_array_fini(&r->pieces);
    maru_array_fini(&r->patches);
    maru_block_fini(&r->shapes);
    maru_block_fini(&r->true_dims);
    maru_plan_binding_destroy(&r->binding);
    free(r->bounds);
    free(r->shape_offsets);
    free(r->true_dim_offsets);
    free(r->generations);
    free(r);
    *run = NULL;
}

void maru_session_drop_lists(maru_session *session)
{
    for (size_t i = 0; i < MARU_SESSION_MAX_BOUND; i++)
        if (session->bound[i])
            destroy_lists(session->bound[i]);
}

/* ---- making one ---- */

static maru_status bind_units(maru_session *s, maru_bound_run *run)
{
    const maru_model *model = s->model;
    const size_t n = model->plan->units.count;
    uint64_t *workspace = calloc(n + 1, sizeof *workspace);
    run->bounds = calloc(n + 1, sizeof *run->bounds);
    if (!workspace || !run->bounds) {
        free(workspace);
        return maru_fail_oom("a run");
    }
    run->n_bounds = n;
    maru_status status = MARU_OK;
    for (size_t u = 0; status == MARU_OK && u < n; u++) {
        status = maru_dev_program_bind(model->units[u].program, run->binding->symbol_values,
                                       (uint32_t)model->graph->exprs.symbols.count, run->binding->expr_values,
                                       (uint32_t)model->graph->exprs.list.count, &run->bounds[u]);
        if (status == MARU_OK)
            workspace[u] = maru_dev_bound_info(run->bounds[u])->workspace_bytes;
        else if (status == MARU_UNSUPPORTED)
            status = MARU_OK;
        else
            status = maru_fail_within(status, "%s%s%s", model->units[u].label, *model->units[u].scope ? " in " : "",
                                      model->units[u].scope);
    }
    if (status == MARU_OK)
        status = maru_plan_bind_memory(model->plan, workspace, run->binding);
    free(workspace);
    return status;
}

/* The contents of shapes that some kernel reads as data. */
static maru_status write_shapes(maru_session *s, maru_bound_run *run)
{
    const maru_plan *plan = s->model->plan;
    uint64_t total = 0;
    run->shape_offsets = calloc(plan->shapes.count + 1, sizeof *run->shape_offsets);
    if (!run->shape_offsets)
        return maru_fail_oom("a run");
    for (size_t i = 0; i < plan->shapes.count; i++) {
        run->shape_offsets[i] = total;
        total += (maru_graph_get(plan->graph, plan->shapes.data[i])->n_elems * 8ull + 63) & ~63ull;
    }
    MARU_TRY(maru_block_host(&run->shapes, s->model->runtime, total));
    for (size_t i = 0; i < plan->shapes.count; i++) {
        const maru_value_record *v = maru_graph_get(plan->graph, plan->shapes.data[i]);
        int64_t *to = (int64_t *)(void *)((char *)run->shapes.data + run->shape_offsets[i]);
        for (uint32_t k = 0; k < v->n_elems; k++)
            to[k] = maru_dim_value(v->elems[k], run->binding->expr_values);
    }
    return MARU_OK;
}

/* A place for the true dims of every output whose dims are only a bound. */
static maru_status reserve_true_dims(maru_session *s, maru_bound_run *run)
{
    const maru_plan *plan = s->model->plan;
    uint64_t total = 0;
    run->true_dim_offsets = calloc(plan->graph->values.count, sizeof *run->true_dim_offsets);
    if (!run->true_dim_offsets)
        return maru_fail_oom("a run");
    for (size_t u = 0; u < plan->units.count; u++) {
        total = (total + 63) & ~63ull;
        for (uint32_t i = 0; i < plan->units.data[u].n_outputs; i++) {
            const maru_value_record *v = maru_graph_get(plan->graph, plan->units.data[u].outputs[i]);
            run->true_dim_offsets[plan->units.data[u].outputs[i]] = total;
            total += v->has_bound_dims ? v->rank * sizeof(int64_t) : 0;
        }
    }
    return total ? maru_block_host(&run->true_dims, s->model->runtime, total) : MARU_OK;
}

/* Input dims that are expressions of symbols must have the values that the symbols give them. */
static maru_status check_inputs(maru_session *s, const maru_bound_run *run)
{
    const maru_graph *graph = s->model->graph;
    for (size_t i = 0; i < graph->inputs.count; i++) {
        const maru_value_record *v = maru_graph_get(graph, s->inputs[i].value);
        for (uint32_t d = 0; d < v->rank; d++) {
            const int64_t want = maru_dim_value(v->dims[d], run->binding->expr_values);
            char text[128];
            if (s->inputs[i].tensor.dims[d] != want)
                return maru_fail(MARU_INVALID_ARGUMENT, "input '%s': dim %u (%s) is %lld, it must be %lld", v->name, d,
                                 maru_graph_dim_text(graph, v->dims[d], text, sizeof text),
                                 (long long)s->inputs[i].tensor.dims[d], (long long)want);
        }
    }
    return MARU_OK;
}

static maru_status make_bound(maru_session *s, maru_bound_run **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return maru_fail_oom("a run");
    maru_bound_run *run = *out;
    const size_t n_ends = s->model->graph->inputs.count + s->model->graph->outputs.count;
    run->generations = calloc(n_ends + 1, sizeof *run->generations);
    if (!run->generations)
        return maru_fail_oom("a run");
    MARU_TRY(maru_plan_bind(s->model->plan, s->symbols, &run->binding));
    MARU_TRY(check_inputs(s, run));
    MARU_TRY(bind_units(s, run));
    MARU_TRY(reserve_true_dims(s, run));
    return write_shapes(s, run);
}

static bool is_for(const maru_session *s, const maru_bound_run *run)
{
    const size_t n = s->model->graph->exprs.symbols.count;
    for (size_t i = 0; i < n; i++)
        if (run->binding->symbol_values[i] != s->symbols[i])
            return false;
    return true;
}

/* A free place, or that of the least recently used. */
static size_t find_place(maru_session *s)
{
    size_t oldest = 0;
    for (size_t i = 0; i < MARU_SESSION_MAX_BOUND; i++) {
        if (!s->bound[i])
            return i;
        if (s->bound[i]->last_use < s->bound[oldest]->last_use)
            oldest = i;
    }
    return oldest;
}

static maru_status make_block(maru_session *s, maru_block *block, uint32_t device, uint64_t bytes)
{
    if (device == MARU_PLAN_NONE || s->model->plan->devices[device].is_host_memory)
        return maru_block_host(block, s->model->runtime, bytes);
    return maru_block_device(block, s->model->devices[device], device, bytes);
}

/*
 * {0} is an empty block, and gets what it needs. One that grows again gets
 * half as much more, if there is that much: sizes that rise from run to run
 * would else mean new memory, and new lists, for each of them. `device` is
 * where it lives; MARU_PLAN_NONE: in host memory.
 */
static maru_status grow(maru_session *s, maru_block *block, uint32_t device, uint64_t bytes)
{
    const bool grows_again = block->bytes != 0;
    if (grows_again && block->bytes >= bytes)
        return MARU_OK;
    maru_session_drop_lists(s);
    maru_block_fini(block);
    if (grows_again && bytes < UINT64_MAX / 2 && make_block(s, block, device, bytes + bytes / 2) == MARU_OK)
        return MARU_OK;
    return make_block(s, block, device, bytes);
}

/* Arenas and outputs large enough for this run. */
static maru_status reserve(maru_session *s, const maru_bound_run *run)
{
    for (uint32_t d = 0; d < s->model->n_devices; d++)
        if (run->binding->arena_bytes[d])
            MARU_TRY(grow(s, &s->arenas[d], d, run->binding->arena_bytes[d]));
    for (size_t i = 0; i < s->model->graph->outputs.count; i++) {
        maru_session_output *out = &s->outputs[i];
        const uint64_t bytes = maru_plan_value_bytes(s->model->plan, run->binding, out->value);
        if (!out->is_bound)
            MARU_TRY(grow(s, &out->own, MARU_PLAN_NONE, bytes));
        else if (out->bound.bytes < bytes)
            return maru_fail(MARU_OUT_OF_RANGE, "output '%s' needs %llu bytes, the bound memory has %zu",
                             s->model->graph->outputs.data[i].name, (unsigned long long)bytes, out->bound.bytes);
    }
    return MARU_OK;
}

maru_status maru_session_bind(maru_session *s, maru_bound_run **out)
{
    *out = NULL;
    for (size_t i = 0; i < MARU_SESSION_MAX_BOUND && !*out; i++)
        if (s->bound[i] && is_for(s, s->bound[i]))
            *out = s->bound[i];
    if (!*out) {
        maru_bound_run *made = NULL;
        maru_status status = make_bound(s, &made);
        if (status != MARU_OK) {
            maru_bound_run_destroy(&made);
            return status;
        }
        const size_t place = find_place(s);
        if (s->last == s->bound[place])
            s->last = NULL;
        maru_bound_run_destroy(&s->bound[place]);
        s->bound[place] = made;
        *out = made;
    } else {
        MARU_TRY(check_inputs(s, *out));
    }
    (*out)->last_use = ++s->clock;
    MARU_TRY(reserve(s, *out));
    return (*out)->has_lists ? MARU_OK : maru_session_build_lists(s, *out);
}
