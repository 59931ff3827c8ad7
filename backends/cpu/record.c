// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Lists that are kept: everything the commands point to is copied once, and replayed as a submit. */

#include "program.h"

#include <string.h>

/* A place in the copied commands where a buffer stands that a replay may exchange. */
typedef struct slot {
    maru_abi_buffer **at;
    uint32_t index;  // of the exchangeable ones
    maru_abi_buffer *recorded;
} slot;

struct maru_abi_recording {
    maru_abi_device *device;
    cpu_arena arena;
    maru_abi_command *commands;
    uint32_t n_commands;
    slot *slots;
    uint32_t n_slots;
    uint32_t n_rebindable;
};

/* ---- record ---------------------------------------------------------------------- */

static void note_slot(maru_abi_recording *r, maru_abi_array rebindable, maru_abi_buffer **at)
{
    for (uint32_t i = 0; i < rebindable.count; i++) {
        if (*MARU_ABI_AT(maru_abi_buffer *, rebindable, i) != *at)
            continue;
        r->slots[r->n_slots++] = (slot){at, i, *at};
        return;
    }
}

static const int64_t *copy_values(cpu_arena *arena, const int64_t *values, uint32_t n)
{
    return cpu_arena_copy(arena, values, values ? n * sizeof *values : 0);
}

static int record_run(maru_abi_recording *r, maru_abi_array rebindable, maru_abi_command *command)
{
    maru_abi_run *run = cpu_arena_copy(&r->arena, command->body, sizeof *run);
    if (!run)
        return 0;
    maru_abi_binding *bindings = cpu_arena_copy(&r->arena, run->bindings, run->n_bindings * sizeof *bindings);
    run->symbol_values = copy_values(&r->arena, run->symbol_values, run->n_symbols);
    run->expr_values = copy_values(&r->arena, run->expr_values, run->program->graph.exprs.count);
    if (!bindings || !run->symbol_values || !run->expr_values)
        return 0;
    for (uint32_t i = 0; i < run->n_bindings; i++)
        note_slot(r, rebindable, &bindings[i].buffer);
    run->bindings = bindings;
    command->body = run;
    return 1;
}

static int record_command(maru_abi_recording *r, maru_abi_array rebindable, maru_abi_command *command)
{
    if (command->kind == MARU_ABI_CMD_RUN)
        return record_run(r, rebindable, command);
    if (command->kind == MARU_ABI_CMD_FILL) {
        maru_abi_fill *fill = cpu_arena_copy(&r->arena, command->body, sizeof *fill);
        if (fill)
            note_slot(r, rebindable, &fill->dst.buffer);
        command->body = fill;
        return fill != NULL;
    }
    maru_abi_copy *copy = cpu_arena_copy(&r->arena, command->body, sizeof *copy);
    if (copy) {
        note_slot(r, rebindable, &copy->src.buffer);
        note_slot(r, rebindable, &copy->dst.buffer);
    }
    command->body = copy;
    return copy != NULL;
}

static uint64_t count_places(const maru_abi_command *commands, uint32_t n_commands)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_commands; i++)
        n += commands[i].kind == MARU_ABI_CMD_RUN ? ((const maru_abi_run *)commands[i].body)->n_bindings : 2;
    return n;
}

static void drop(maru_abi_recording *r)
{
    cpu_arena_fini(&r->arena);
    cpu_free(r->device->plugin->host, r);
}

maru_abi_status cpu_record(maru_abi_queue *queue, const maru_abi_command *commands, uint32_t n_commands,
                           maru_abi_array rebindable, maru_abi_recording **out_recording, maru_abi_error *error)
{
    maru_abi_device *device = cpu_queue_device(queue);
    const maru_abi_host *host = device->plugin->host;
    maru_abi_status status = cpu_check_commands(commands, n_commands, error);
    if (status != MARU_ABI_OK)
        return status;
    maru_abi_recording *r = cpu_alloc(host, 1, sizeof *r);
    if (!r)
        return cpu_no_memory(error, "a recording");
    r->device = device;
    r->arena.host = host;
    r->n_commands = n_commands;
    r->n_rebindable = rebindable.count;
    r->commands = cpu_arena_copy(&r->arena, commands, n_commands * sizeof *commands);
    r->slots = cpu_arena_alloc(&r->arena, count_places(commands, n_commands), sizeof *r->slots);
    int ok = r->commands && r->slots;
    for (uint32_t i = 0; ok && i < n_commands; i++)
        ok = record_command(r, rebindable, &r->commands[i]);
    if (!ok) {
        drop(r);
        return cpu_no_memory(error, "a recording");
    }
    atomic_fetch_add(&device->n_children, 1);
    *out_recording = r;
    return MARU_ABI_OK;
}

void cpu_recording_destroy(maru_abi_recording *recording)
{
    atomic_fetch_sub(&recording->device->n_children, 1);
    drop(recording);
}

/* ---- replay ------------------------------------------------------------------------ */

maru_abi_status cpu_replay(maru_abi_queue *queue, maru_abi_recording *recording, maru_abi_buffer *const *rebind,
                           uint32_t n_rebind, const maru_abi_submit *waits_and_signals, maru_abi_error *error)
{
    if (n_rebind != 0 && n_rebind != recording->n_rebindable)
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT, "replay: %u buffers, the recording has %u to exchange",
                        n_rebind, recording->n_rebindable);
    maru_abi_submit submit = *waits_and_signals;
    submit.commands = recording->commands;
    submit.n_commands = recording->n_commands;
    for (uint32_t i = 0; n_rebind && i < recording->n_slots; i++)
        *recording->slots[i].at = rebind[recording->slots[i].index];
    maru_abi_status status = cpu_queue_fns.submit(queue, &submit, error);
    /* The list has ended: what was recorded is what it was. */
    for (uint32_t i = 0; n_rebind && i < recording->n_slots; i++)
        *recording->slots[i].at = recording->slots[i].recorded;
    return status;
}
