// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/session_impl.h"

#include <string.h>

#include "base/fail.h"
#include "base/os.h"

/* Timestamps are taken from a device this many at a time. */
enum { MAX_STAMPS = 64 };

/* ---- getting ready ---- */

/* Data that cannot be used where it lies is copied in. */
static void copy_inputs(maru_session *s)
{
    for (size_t i = 0; i < s->model->graph->inputs.count; i++) {
        maru_session_input *in = &s->inputs[i];
        if (!in->is_wrapped && in->tensor.bytes)
            memcpy(in->own.data, in->tensor.data, in->tensor.bytes);
    }
}

static uint32_t generation_of(const maru_session *s, bool is_output, uint32_t index)
{
    return is_output ? s->outputs[index].generation : s->inputs[index].generation;
}

static maru_status apply_patch(maru_session *s, maru_bound_run *run, const maru_patch *p)
{
    const maru_piece *piece = &run->pieces.data[p->piece];
    maru_block *block = p->is_output ? maru_session_output_block(s, p->index) : maru_session_input_block(s, p->index);
    const maru_value value = p->is_output ? s->outputs[p->index].value : s->inputs[p->index].value;
    maru_dev_binding binding = {0};
    MARU_TRY(maru_block_on(block, s->model->devices[piece->device], piece->device, &binding));
    binding.bytes = maru_plan_value_bytes(s->model->plan, run->binding, value);
    return maru_dev_commands_set_binding(piece->list, p->command, p->binding, binding);
}

/* Points the lists to where inputs and outputs are now. */
static maru_status follow_memory(maru_session *s, maru_bound_run *run)
{
    const size_t n_inputs = s->model->graph->inputs.count;
    const size_t n = n_inputs + s->model->graph->outputs.count;
    bool moved = false;
    for (size_t i = 0; i < n; i++)
        moved = moved || run->generations[i] != generation_of(s, i >= n_inputs,
                                                              (uint32_t)(i < n_inputs ? i : i - n_inputs));
    for (size_t i = 0; moved && i < run->patches.count; i++)
        MARU_TRY(apply_patch(s, run, &run->patches.data[i]));
    for (size_t i = 0; moved && i < n; i++)
        run->generations[i] = generation_of(s, i >= n_inputs, (uint32_t)(i < n_inputs ? i : i - n_inputs));
    return MARU_OK;
}

/* ---- pieces ---- */

/* One value from one memory to another, through the host. */
static maru_status transfer(maru_session *s, maru_bound_run *run, const maru_step *step)
{
    maru_block *to = NULL;
    uint64_t to_offset = 0;
    uint64_t bytes = 0;
    MARU_TRY(maru_session_locate(s, run, step->to, step->value, &to, &to_offset, &bytes));
    if (step->from.kind == MARU_STORAGE_CONSTANT)
        return maru_block_write(to, step->to.device, to_offset, maru_graph_constant_data(s->model->graph, step->value),
                                bytes);
    maru_block *from = NULL;
    uint64_t from_offset = 0;
    MARU_TRY(maru_session_locate(s, run, step->from, step->value, &from, &from_offset, &bytes));
    if (to->data)
        return maru_block_read(from, step->from.device, from_offset, (char *)to->data + to_offset, bytes);
    if (from->data)
        return maru_block_write(to, step->to.device, to_offset, (const char *)from->data + from_offset, bytes);
    maru_block staging = {0};
    MARU_TRY(maru_block_host(&staging, s->model->runtime, bytes));
    maru_status status = maru_block_read(from, step->from.device, from_offset, staging.data, bytes);
    if (status == MARU_OK)
        status = maru_block_write(to, step->to.device, to_offset, staging.data, bytes);
    maru_block_fini(&staging);
    return status;
}

static maru_status submit(maru_session *s, const maru_piece *piece, int64_t deadline, bool timestamps)
{
    const uint32_t d = piece->device;
    if (maru_dev_commands_count(piece->list) == 0)
        return MARU_OK;
    const maru_dev_point signal = {s->fences[d], ++s->fence_values[d]};
    MARU_TRY(maru_dev_queue_submit(s->queues[d], piece->list, NULL, 0, &signal, 1, timestamps));
    return maru_session_wait(s, d, deadline);
}

/* ---- tracing ---- */

static void report(const maru_session *s, uint32_t step_index, const maru_run_params *params, int64_t begin,
                   int64_t end)
{
    const maru_step *step = &s->model->plan->steps.data[step_index];
    const bool is_run = step->kind == MARU_STEP_RUN;
    const maru_trace_event event = {
        .op = is_run ? s->model->units[step->unit].label : step->kind == MARU_STEP_COPY ? "copy" : "transfer",
        .scope = is_run ? s->model->units[step->unit].scope : "",
        .device = s->model->plan->devices[step->device].id,
        .kernel = is_run ? s->model->plan->units.data[step->unit].kernel : "",
        .begin_ns = begin,
        .end_ns = end,
    };
    params->trace(params->trace_ctx, &event);
}

/* Device clocks differ from ours: the piece's stamps are shifted so that the first one starts with it. */
static maru_status report_list(maru_session *s, const maru_piece *piece, const maru_run_params *params, int64_t begin,
                               int64_t end)
{
    if (!(maru_dev_info(s->model->devices[piece->device])->caps & MARU_ABI_CAP_PROFILE)) {
        report(s, piece->first_step, params, begin, end);
        return MARU_OK;
    }
    maru_abi_timestamp stamps[MAX_STAMPS];
    uint32_t n = 0;
    bool is_first = true;
    int64_t shift = 0;
    do {
        MARU_TRY(maru_dev_queue_profile(s->queues[piece->device], stamps, MAX_STAMPS, &n));
        for (uint32_t i = 0; i < n; i++) {
            if (is_first)
                shift = begin - (int64_t)stamps[i].begin_ns;
            is_first = false;
            report(s, stamps[i].tag, params, (int64_t)stamps[i].begin_ns + shift, (int64_t)stamps[i].end_ns + shift);
        }
    } while (n == MAX_STAMPS);
    return MARU_OK;
}

/* ---- a run ---- */

/* A timeout beyond the end of time is none. */
static int64_t deadline_of(const maru_run_params *params)
{
    const int64_t now = maru_os_now_ns();
    if (params->timeout_ns == 0 || params->timeout_ns > INT64_MAX - now)
        return MARU_DEV_NO_DEADLINE;
    return now + params->timeout_ns;
}

static maru_status check_stop(const maru_session *s, const maru_run_params *params, int64_t deadline)
{
    if (atomic_load_explicit(&s->is_cancelled, memory_order_relaxed))
        return maru_fail(MARU_CANCELLED, "the run was cancelled");
    if (deadline != MARU_DEV_NO_DEADLINE && maru_os_now_ns() > deadline)
        return maru_fail(MARU_DEADLINE_EXCEEDED, "the run took longer than %lld ms",
                         (long long)(params->timeout_ns / 1000000));
    return MARU_OK;
}

static maru_status run_piece(maru_session *s, maru_bound_run *run, const maru_piece *piece,
                             const maru_run_params *params, int64_t deadline)
{
    const int64_t begin = params->trace ? maru_os_now_ns() : 0;
    if (piece->kind == MARU_PIECE_LIST) {
        MARU_TRY(submit(s, piece, deadline, params->trace != NULL));
        return params->trace && maru_dev_commands_count(piece->list)
                   ? report_list(s, piece, params, begin, maru_os_now_ns())
                   : MARU_OK;
    }
    MARU_TRY(transfer(s, run, &s->model->plan->steps.data[piece->first_step]));
    if (params->trace)
        report(s, piece->first_step, params, begin, maru_os_now_ns());
    return MARU_OK;
}

maru_status maru_session_run(maru_session *session, const maru_run_params *params)
{
    static const maru_run_params defaults = {0};
    params = params ? params : &defaults;
    const int64_t deadline = deadline_of(params);
    maru_bound_run *run = NULL;
    atomic_store_explicit(&session->is_cancelled, false, memory_order_relaxed);
    MARU_TRY(maru_session_settle(session, deadline));
    MARU_TRY(maru_session_solve_symbols(session));
    MARU_TRY(maru_session_bind(session, &run));
    MARU_TRY(follow_memory(session, run));
    copy_inputs(session);
    for (size_t i = 0; i < run->pieces.count; i++) {
        MARU_TRY(check_stop(session, params, deadline));
        MARU_TRY(run_piece(session, run, &run->pieces.data[i], params, deadline));
    }
    session->last = run;
    return MARU_OK;
}

void maru_session_cancel(maru_session *session)
{
    atomic_store_explicit(&session->is_cancelled, true, memory_order_relaxed);
}
