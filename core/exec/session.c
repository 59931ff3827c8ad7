// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/session_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

/* ---- making and destroying ---- */

static maru_status make_states(maru_session *s)
{
    const maru_graph *graph = s->model->graph;
    for (size_t i = 0; i < graph->states.count; i++) {
        const maru_value_record *v = maru_graph_get(graph, graph->states.data[i].input);
        const uint32_t device = s->model->plan->storage[graph->states.data[i].input].device;
        size_t bytes = 0;
        MARU_TRY(maru_dtype_tensor_bytes(v->dtype, v->dims, v->rank, &bytes));
        if (s->model->plan->devices[device].is_host_memory)
            MARU_TRY(maru_block_host(&s->states[i], s->model->runtime, bytes));
        else
            MARU_TRY(maru_block_device(&s->states[i], s->model->devices[device], device, bytes));
    }
    return maru_session_reset(s);
}

static maru_status make(maru_session *s)
{
    const maru_graph *graph = s->model->graph;
    s->states = calloc(graph->states.count + 1, sizeof *s->states);
    s->inputs = calloc(graph->inputs.count + 1, sizeof *s->inputs);
    s->outputs = calloc(graph->outputs.count + 1, sizeof *s->outputs);
    s->symbols = calloc(graph->exprs.symbols.count + 1, sizeof *s->symbols);
    s->symbol_is_set = calloc(graph->exprs.symbols.count + 1, sizeof *s->symbol_is_set);
    if (!s->states || !s->inputs || !s->outputs || !s->symbols || !s->symbol_is_set)
        return maru_fail_oom("a session");
    for (size_t i = 0; i < graph->inputs.count; i++)
        s->inputs[i].value = graph->inputs.data[i];
    for (size_t i = 0; i < graph->outputs.count; i++)
        s->outputs[i].value = graph->outputs.data[i].value;
    for (uint32_t d = 0; d < s->model->n_devices; d++) {
        MARU_TRY(maru_dev_queue_create(s->model->devices[d], &s->queues[d]));
        MARU_TRY(maru_dev_fence_create(s->model->devices[d], 0, &s->fences[d]));
    }
    return make_states(s);
}

maru_status maru_session_create(maru_model *model, maru_session **out_session)
{
    *out_session = NULL;
    maru_session *s = calloc(1, sizeof *s);
    if (!s)
        return maru_fail_oom("a session");
    s->model = model;
    atomic_fetch_add(&model->n_sessions, 1);
    maru_status status = make(s);
    if (status != MARU_OK)
        maru_session_destroy(&s);
    *out_session = s;
    return status;
}

void maru_session_destroy(maru_session **session)
{
    maru_session *s = *session;
    if (!s)
        return;
    maru_session_join(s);
    maru_session_end_pending(s);
    for (uint32_t d = 0; d < s->model->n_devices; d++) {
        maru_dev_queue_destroy(&s->queues[d]);
        maru_dev_fence_destroy(&s->fences[d]);
    }
    for (size_t i = 0; i < MARU_SESSION_MAX_BOUND; i++)
        maru_bound_run_destroy(&s->bound[i]);
    for (size_t i = 0; s->states && i < s->model->graph->states.count; i++)
        maru_block_fini(&s->states[i]);
    for (size_t i = 0; s->inputs && i < s->model->graph->inputs.count; i++) {
        maru_block_fini(&s->inputs[i].own);
        maru_block_fini(&s->inputs[i].wrapped);
    }
    for (size_t i = 0; s->outputs && i < s->model->graph->outputs.count; i++) {
        maru_block_fini(&s->outputs[i].own);
        maru_block_fini(&s->outputs[i].bound);
    }
    for (uint32_t d = 0; d < s->model->n_devices; d++)
        maru_block_fini(&s->arenas[d]);
    free(s->states);
    free(s->inputs);
    free(s->outputs);
    free(s->symbols);
    free(s->symbol_is_set);
    atomic_fetch_sub(&s->model->n_sessions, 1);
    free(s);
    *session = NULL;
}

/* ---- names ---- */

static maru_status fail_name(const char *what, const char *name, const maru_str *known)
{
    return maru_fail(MARU_NOT_FOUND, "the model has no %s '%s'; it has %s", what, name,
                     known->length ? maru_str_get(known) : "none");
}

static maru_status find_input(maru_session *s, const char *name, uint32_t *out)
{
    const maru_graph *graph = s->model->graph;
    for (uint32_t i = 0; i < graph->inputs.count; i++) {
        *out = i;
        if (strcmp(maru_graph_get(graph, graph->inputs.data[i])->name, name) == 0)
            return MARU_OK;
    }
    maru_str known = {0};
    for (size_t i = 0; i < graph->inputs.count; i++)
        maru_str_printf(&known, "%s'%s'", i ? ", " : "", maru_graph_get(graph, graph->inputs.data[i])->name);
    maru_status status = fail_name("input", name, &known);
    maru_str_fini(&known);
    return status;
}

static maru_status find_output(const maru_session *s, const char *name, uint32_t *out)
{
    const maru_graph *graph = s->model->graph;
    for (uint32_t i = 0; i < graph->outputs.count; i++) {
        *out = i;
        if (strcmp(graph->outputs.data[i].name, name) == 0)
            return MARU_OK;
    }
    maru_str known = {0};
    for (size_t i = 0; i < graph->outputs.count; i++)
        maru_str_printf(&known, "%s'%s'", i ? ", " : "", graph->outputs.data[i].name);
    maru_status status = fail_name("output", name, &known);
    maru_str_fini(&known);
    return status;
}

static maru_status find_state(const maru_session *s, const char *name, uint32_t *out)
{
    const maru_graph *graph = s->model->graph;
    for (uint32_t i = 0; i < graph->states.count; i++) {
        *out = i;
        if (strcmp(graph->states.data[i].name, name) == 0)
            return MARU_OK;
    }
    maru_str none = {0};
    return fail_name("state", name, &none);
}

/* ---- inputs ---- */

static maru_status check_input(const maru_session *s, const maru_session_input *in, const maru_tensor *tensor)
{
    const maru_value_record *v = maru_graph_get(s->model->graph, in->value);
    const maru_exprs *exprs = &s->model->graph->exprs;
    bool fits = tensor->dtype == v->dtype && tensor->rank == v->rank;
    for (uint32_t d = 0; fits && d < v->rank; d++)
        fits = tensor->dims[d] >= 0 && (v->dims[d] < 0 || v->dims[d] == tensor->dims[d]);
    if (fits)
        return MARU_OK;
    maru_str have = {0};
    maru_str want = {0};
    maru_dims_print(exprs, tensor->dims, tensor->rank, &have);
    maru_dims_print(exprs, v->dims, v->rank, &want);
    maru_status status = maru_fail(MARU_INVALID_ARGUMENT, "input '%s' is %s%s, given %s%s", v->name,
                                   maru_dtype_name(v->dtype), maru_str_get(&want), maru_dtype_name(tensor->dtype),
                                   maru_str_get(&have));
    maru_str_fini(&have);
    maru_str_fini(&want);
    return status;
}

maru_status maru_session_set_input(maru_session *session, const char *name, const maru_tensor *tensor)
{
    uint32_t index = 0;
    MARU_TRY(maru_session_check_idle(session));
    MARU_TRY(find_input(session, name, &index));
    maru_session_input *in = &session->inputs[index];
    MARU_TRY(check_input(session, in, tensor));
    if (!tensor->data && tensor->bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "input '%s' has no data", name);
    const bool wrap = (uintptr_t)tensor->data % 64 == 0 && tensor->bytes > 0;
    const bool same = in->is_wrapped == wrap &&
                      (!wrap || (in->wrapped.data == tensor->data && in->wrapped.bytes >= tensor->bytes));
    in->tensor = *tensor;
    if (same && (wrap || in->own.bytes >= tensor->bytes))
        return MARU_OK;
    in->generation++;
    in->is_wrapped = wrap;
    maru_block_fini(&in->wrapped);
    if (wrap) {
        maru_block_wrap(&in->wrapped, tensor->data, tensor->bytes);
        return MARU_OK;
    }
    if (in->own.data && in->own.bytes >= tensor->bytes)
        return MARU_OK;
    maru_block_fini(&in->own);
    return maru_block_host(&in->own, session->model->runtime, tensor->bytes);
}

maru_block *maru_session_input_block(maru_session *session, uint32_t index)
{
    maru_session_input *in = &session->inputs[index];
    return in->is_wrapped ? &in->wrapped : &in->own;
}

maru_status maru_session_set_symbol(maru_session *session, const char *name, int64_t value)
{
    const maru_exprs *exprs = &session->model->graph->exprs;
    for (size_t i = 0; i < exprs->symbols.count; i++) {
        if (strcmp(exprs->symbols.data[i].name, name) != 0)
            continue;
        session->symbols[i] = value;
        session->symbol_is_set[i] = true;
        return MARU_OK;
    }
    return maru_fail(MARU_NOT_FOUND, "the model has no symbol '%s'", name);
}

static maru_status fail_dim(const maru_session *s, uint32_t input, uint32_t axis, int64_t want)
{
    const maru_value_record *v = maru_graph_get(s->model->graph, s->inputs[input].value);
    char text[128];
    return maru_fail(MARU_INVALID_ARGUMENT, "input '%s': dim %u (%s) is %lld, other inputs make it %lld", v->name,
                     axis, maru_graph_dim_text(s->model->graph, v->dims[axis], text, sizeof text),
                     (long long)s->inputs[input].tensor.dims[axis], (long long)want);
}

maru_status maru_session_solve_symbols(maru_session *session)
{
    const maru_graph *graph = session->model->graph;
    for (uint32_t i = 0; i < graph->inputs.count; i++)
        if (session->inputs[i].tensor.dtype == MARU_DTYPE_NONE)
            return maru_fail(MARU_FAILED_PRECONDITION, "input '%s' is not set",
                             maru_graph_get(graph, session->inputs[i].value)->name);
    for (size_t i = 0; i < graph->exprs.symbols.count; i++) {
        const maru_symbol_source source = session->model->symbols[i];
        if (source.input != MARU_PLAN_NONE)
            session->symbols[i] = session->inputs[source.input].tensor.dims[source.axis];
        else if (!session->symbol_is_set[i])
            return maru_fail(MARU_FAILED_PRECONDITION, "symbol '%s' has no value: no input's dims tell it",
                             graph->exprs.symbols.data[i].name);
    }
    // Dims that are the same symbol again are checked at once; the rest against the evaluated expressions, in bind.
    for (uint32_t i = 0; i < graph->inputs.count; i++) {
        const maru_value_record *v = maru_graph_get(graph, session->inputs[i].value);
        for (uint32_t d = 0; d < v->rank; d++) {
            const maru_expr_record *e = v->dims[d] < 0 ? &graph->exprs.list.data[-1 - v->dims[d]] : NULL;
            if (e && e->op == MARU_EXPR_SYMBOL && session->inputs[i].tensor.dims[d] != session->symbols[e->a])
                return fail_dim(session, i, d, session->symbols[e->a]);
        }
    }
    return MARU_OK;
}

/* ---- outputs ---- */

maru_status maru_session_bind_output(maru_session *session, const char *name, void *data, size_t bytes)
{
    uint32_t index = 0;
    MARU_TRY(maru_session_check_idle(session));
    MARU_TRY(find_output(session, name, &index));
    maru_session_output *out = &session->outputs[index];
    if ((uintptr_t)data % 64 != 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "output '%s': the memory is not aligned to 64 bytes", name);
    if (data && out->is_bound && out->bound.data == data && out->bound.bytes == bytes)
        return MARU_OK;
    out->generation++;
    out->is_bound = data != NULL;
    maru_block_fini(&out->bound);
    if (data)
        maru_block_wrap(&out->bound, data, bytes);
    return MARU_OK;
}

maru_block *maru_session_output_block(maru_session *session, uint32_t index)
{
    maru_session_output *out = &session->outputs[index];
    return out->is_bound ? &out->bound : &out->own;
}

maru_status maru_session_get_output(maru_session *session, const char *name, maru_tensor *out_tensor)
{
    uint32_t index = 0;
    *out_tensor = (maru_tensor){0};
    MARU_TRY(find_output(session, name, &index));
    if (!session->last)
        return maru_fail(MARU_FAILED_PRECONDITION, "output '%s': no run has succeeded yet", name);
    const maru_value value = session->outputs[index].value;
    const maru_value_record *v = maru_graph_get(session->model->graph, value);
    int64_t dims[MARU_MAX_RANK];
    for (uint32_t d = 0; d < v->rank; d++)
        dims[d] = maru_dim_value(v->dims[d], session->last->binding->expr_values);
    if (v->has_bound_dims)
        MARU_TRY(maru_block_read(&session->last->true_dims, MARU_PLAN_NONE, session->last->true_dim_offsets[value],
                                 dims, v->rank * sizeof *dims));
    size_t bytes = 0;
    MARU_TRY(maru_dtype_tensor_bytes(v->dtype, dims, v->rank, &bytes));
    return maru_tensor_wrap(v->dtype, dims, v->rank, maru_session_output_block(session, index)->data, bytes,
                            out_tensor);
}

void maru_session_memory(const maru_session *session, uint64_t *out_arena_bytes, uint64_t *out_lower_bound,
                         uint64_t *out_state_bytes)
{
    *out_arena_bytes = *out_lower_bound = *out_state_bytes = 0;
    for (uint32_t d = 0; session->last && d < session->model->n_devices; d++) {
        *out_arena_bytes += session->last->binding->arena_bytes[d];
        *out_lower_bound += session->last->binding->lower_bound[d];
    }
    for (size_t i = 0; i < session->model->graph->states.count; i++)
        *out_state_bytes += session->states[i].bytes;
}

/* ---- states ---- */

static uint32_t state_device(const maru_session *s, uint32_t index)
{
    return s->model->plan->storage[s->model->graph->states.data[index].input].device;
}

maru_status maru_session_reset(maru_session *session)
{
    MARU_TRY(maru_session_check_idle(session));
    for (uint32_t i = 0; i < session->model->graph->states.count; i++) {
        maru_block *block = &session->states[i];
        if (block->data) {
            memset(block->data, 0, block->bytes);
            continue;
        }
        void *zeros = calloc(1, block->bytes);
        if (!zeros)
            return maru_fail_oom("a state");
        maru_status status = maru_block_write(block, state_device(session, i), 0, zeros, block->bytes);
        free(zeros);
        MARU_TRY(status);
    }
    return MARU_OK;
}

maru_status maru_session_get_state(maru_session *session, const char *name, maru_tensor *out_tensor)
{
    uint32_t index = 0;
    *out_tensor = (maru_tensor){0};
    MARU_TRY(maru_session_check_idle(session));
    MARU_TRY(find_state(session, name, &index));
    const maru_value_record *v = maru_graph_get(session->model->graph, session->model->graph->states.data[index].input);
    MARU_TRY(maru_tensor_create(v->dtype, v->dims, v->rank, out_tensor));
    maru_status status = maru_block_read(&session->states[index], state_device(session, index), 0, out_tensor->data,
                                         out_tensor->bytes);
    if (status != MARU_OK)
        maru_tensor_destroy(out_tensor);
    return status;
}

maru_status maru_session_set_state(maru_session *session, const char *name, const maru_tensor *tensor)
{
    uint32_t index = 0;
    MARU_TRY(maru_session_check_idle(session));
    MARU_TRY(find_state(session, name, &index));
    const maru_value_record *v = maru_graph_get(session->model->graph, session->model->graph->states.data[index].input);
    if (tensor->dtype != v->dtype || tensor->rank != v->rank ||
        memcmp(tensor->dims, v->dims, v->rank * sizeof *v->dims) != 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "state '%s': dtype or dims differ from the model's", name);
    return maru_block_write(&session->states[index], state_device(session, index), 0, tensor->data, tensor->bytes);
}

maru_status maru_session_copy_states(maru_session *from, maru_session *to)
{
    for (size_t i = 0; i < from->model->graph->states.count; i++) {
        const char *name = from->model->graph->states.data[i].name;
        maru_tensor tensor = {0};
        MARU_TRY(maru_session_get_state(from, name, &tensor));
        maru_status status = maru_session_set_state(to, name, &tensor);
        maru_tensor_destroy(&tensor);
        MARU_TRY(status);
    }
    return MARU_OK;
}
