// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/session_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* Turns the steps of a plan into lists of commands for one set of sizes. */
typedef struct builder {
    maru_session *session;
    maru_bound_run *run;
    MARU_ARRAY(maru_dev_binding) bindings;
    maru_piece *piece;  // the list that is open, or NULL
} builder;

/* ---- where things are ---- */

maru_status maru_session_locate(maru_session *s, maru_bound_run *run, maru_storage storage, maru_value value,
                                maru_block **out_block, uint64_t *out_offset, uint64_t *out_bytes)
{
    *out_offset = 0;
    *out_bytes = maru_plan_value_bytes(s->model->plan, run->binding, value);
    switch (storage.kind) {
    case MARU_STORAGE_INPUT: *out_block = maru_session_input_block(s, storage.index); return MARU_OK;
    case MARU_STORAGE_OUTPUT: *out_block = maru_session_output_block(s, storage.index); return MARU_OK;
    case MARU_STORAGE_STATE: *out_block = &s->states[storage.index]; return MARU_OK;
    case MARU_STORAGE_SHAPE:
        *out_block = &run->shapes;
        *out_offset = run->shape_offsets[storage.index];
        return MARU_OK;
    case MARU_STORAGE_ARENA:
        *out_block = &s->arenas[storage.device];
        *out_offset = run->binding->item_offsets[storage.index];
        return MARU_OK;
    case MARU_STORAGE_CONSTANT:
    case MARU_STORAGE_NONE: break;
    }
    return maru_fail(MARU_INTERNAL, "value %u has no memory", value);
}

static maru_status locate_on(builder *b, uint32_t device, maru_storage storage, maru_value value,
                             maru_dev_binding *out)
{
    maru_block *block = NULL;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    if (storage.kind == MARU_STORAGE_CONSTANT)
        return maru_model_plain_constant(b->session->model, storage.index, device, out);
    MARU_TRY(maru_session_locate(b->session, b->run, storage, value, &block, &offset, &bytes));
    if (!block->data && !block->on[device])
        MARU_TRY(maru_block_host(block, b->session->model->runtime, bytes));
    MARU_TRY(maru_block_on(block, b->session->model->devices[device], device, out));
    out->offset += offset;
    out->bytes = bytes;
    return MARU_OK;
}

/* A binding of input or output memory is set anew when that memory moves. */
static maru_status note_patch(builder *b, maru_storage storage, uint32_t binding, bool is_copy)
{
    if (storage.kind != MARU_STORAGE_INPUT && storage.kind != MARU_STORAGE_OUTPUT)
        return MARU_OK;
    const maru_patch patch = {
        .piece = (uint32_t)(b->piece - b->run->pieces.data),
        .command = maru_dev_commands_count(b->piece->list),
        .binding = binding,
        .is_output = storage.kind == MARU_STORAGE_OUTPUT,
        .is_copy = is_copy,
        .index = storage.index,
    };
    return maru_array_push(&b->run->patches, patch);
}

/* ---- pieces ---- */

static maru_status open_piece(builder *b, maru_piece_kind kind, uint32_t device, uint32_t step)
{
    const maru_piece piece = {.kind = kind, .device = device, .first_step = step};
    MARU_TRY(maru_array_push(&b->run->pieces, piece));
    b->piece = &b->run->pieces.data[b->run->pieces.count - 1];
    return kind == MARU_PIECE_LIST ? maru_dev_commands_create(b->session->model->devices[device], &b->piece->list)
                                   : MARU_OK;
}

static maru_status close_piece(builder *b)
{
    maru_piece *piece = b->piece;
    b->piece = NULL;
    return piece && piece->list ? maru_dev_commands_validate(piece->list) : MARU_OK;
}

/* ---- commands ---- */

static maru_status push_binding(builder *b, uint32_t device, maru_storage storage, maru_value value)
{
    maru_dev_binding binding = {0};
    MARU_TRY(locate_on(b, device, storage, value, &binding));
    MARU_TRY(note_patch(b, storage, (uint32_t)b->bindings.count, false));
    return maru_array_push(&b->bindings, binding);
}

static bool writes_nothing(const builder *b, const maru_unit *unit)
{
    for (uint32_t i = 0; i < unit->n_outputs; i++)
        if (maru_plan_value_bytes(b->session->model->plan, b->run->binding, unit->outputs[i]))
            return false;
    return unit->n_outputs > 0;
}

static maru_status push_workspace(builder *b, uint32_t index)
{
    const maru_unit *unit = &b->session->model->plan->units.data[index];
    const maru_dev_bound *bound = b->run->bounds[index];
    if (!bound || maru_dev_bound_info(bound)->workspace_bytes == 0)
        return MARU_OK;
    maru_dev_binding binding = {0};
    MARU_TRY(maru_block_on(&b->session->arenas[unit->device], b->session->model->devices[unit->device], unit->device,
                           &binding));
    binding.offset += b->run->binding->item_offsets[unit->workspace_item];
    binding.bytes = b->run->binding->item_bytes[unit->workspace_item];
    return maru_array_push(&b->bindings, binding);
}

/* One buffer for the true dims of all data-dependent outputs of a unit. */
static maru_status push_true_dims(builder *b, const maru_unit *unit)
{
    maru_dev_binding binding = {0};
    uint64_t bytes = 0;
    uint64_t first = 0;
    for (uint32_t i = unit->n_outputs; i-- > 0;) {
        const maru_value_record *v = maru_graph_get(b->session->model->graph, unit->outputs[i]);
        if (!v->has_bound_dims)
            continue;
        first = b->run->true_dim_offsets[unit->outputs[i]];
        bytes += v->rank * sizeof(int64_t);
    }
    if (bytes == 0)
        return MARU_OK;
    MARU_TRY(maru_block_on(&b->run->true_dims, b->session->model->devices[unit->device], unit->device, &binding));
    binding.offset += first;
    binding.bytes = bytes;
    return maru_array_push(&b->bindings, binding);
}

static maru_status add_run(builder *b, uint32_t step, const maru_step *s)
{
    const maru_model *model = b->session->model;
    const maru_unit *unit = &model->plan->units.data[s->unit];
    const maru_model_unit *compiled = &model->units[s->unit];
    if (writes_nothing(b, unit))
        return MARU_OK;
    b->bindings.count = 0;
    for (uint32_t i = 0; i < unit->n_inputs; i++)
        MARU_TRY(push_binding(b, unit->device, unit->input_storage[i], unit->inputs[i]));
    for (uint32_t i = 0; i < unit->n_shapes; i++)
        MARU_TRY(push_binding(b, unit->device, model->plan->storage[unit->shapes[i]], unit->shapes[i]));
    for (uint32_t i = 0; i < unit->n_outputs; i++)
        MARU_TRY(push_binding(b, unit->device, unit->output_storage[i], unit->outputs[i]));
    for (uint32_t i = 0; i < compiled->n_constants; i++)
        MARU_TRY(maru_array_push(&b->bindings, compiled->constants[i]));
    MARU_TRY(push_workspace(b, s->unit));
    MARU_TRY(push_true_dims(b, unit));
    return maru_dev_commands_run(b->piece->list, step, compiled->program, b->run->bounds[s->unit], b->bindings.data,
                                 (uint32_t)b->bindings.count, b->run->binding->symbol_values,
                                 (uint32_t)model->graph->exprs.symbols.count, b->run->binding->expr_values,
                                 (uint32_t)model->graph->exprs.list.count);
}

static maru_status add_copy(builder *b, uint32_t step, const maru_step *s)
{
    maru_dev_binding from = {0};
    maru_dev_binding to = {0};
    if (maru_plan_value_bytes(b->session->model->plan, b->run->binding, s->value) == 0)
        return MARU_OK;
    MARU_TRY(locate_on(b, s->device, s->to, s->value, &to));
    MARU_TRY(locate_on(b, s->device, s->from, s->value, &from));
    MARU_TRY(note_patch(b, s->to, 0, true));
    MARU_TRY(note_patch(b, s->from, 1, true));
    return maru_dev_commands_copy(b->piece->list, step, to, from);
}

/* A constant that no unit binds is on no device: the host copies it. */
static bool copies_constant(const maru_step *s)
{
    return s->kind == MARU_STEP_COPY && s->from.kind == MARU_STORAGE_CONSTANT;
}

static maru_status add_step(builder *b, uint32_t index)
{
    const maru_step *s = &b->session->model->plan->steps.data[index];
    if (s->kind == MARU_STEP_TRANSFER || copies_constant(s)) {
        MARU_TRY(close_piece(b));
        MARU_TRY(open_piece(b, MARU_PIECE_TRANSFER, s->device, index));
        b->piece->n_steps = 1;
        return close_piece(b);
    }
    const bool fits = b->piece && b->piece->device == s->device && b->piece->estimate_ns < MARU_SESSION_LIST_NS;
    if (!fits) {
        MARU_TRY(close_piece(b));
        MARU_TRY(open_piece(b, MARU_PIECE_LIST, s->device, index));
    }
    b->piece->n_steps++;
    if (s->kind == MARU_STEP_COPY)
        return add_copy(b, index, s);
    const maru_unit *unit = &b->session->model->plan->units.data[s->unit];
    b->piece->estimate_ns += unit->cost_ns > 0 ? (uint64_t)unit->cost_ns : 1000;
    return add_run(b, index, s);
}

maru_status maru_session_build_lists(maru_session *session, maru_bound_run *run)
{
    builder b = {.session = session, .run = run};
    run->pieces.count = 0;
    run->patches.count = 0;
    maru_status status = MARU_OK;
    for (uint32_t i = 0; status == MARU_OK && i < session->model->plan->steps.count; i++)
        status = add_step(&b, i);
    if (status == MARU_OK)
        status = close_piece(&b);
    maru_array_fini(&b.bindings);
    if (status != MARU_OK)
        return status;
    const size_t n_inputs = session->model->graph->inputs.count;
    for (size_t i = 0; i < n_inputs; i++)
        run->generations[i] = session->inputs[i].generation;
    for (size_t i = 0; i < session->model->graph->outputs.count; i++)
        run->generations[n_inputs + i] = session->outputs[i].generation;
    run->has_lists = true;
    return MARU_OK;
}
