// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/array.h"
#include "device/device_impl.h"

#include <stdlib.h>
#include <string.h>

/* What the host knows of a command beside the struct that the plugin sees. */
typedef struct {
    union {
        maru_abi_copy *copy;
        maru_abi_fill *fill;
        maru_abi_dispatch *dispatch;
        maru_abi_run *run;
    } body;
    maru_abi_arg *args;               // of a dispatch
    maru_abi_binding *bindings;       // of a run
    const maru_dev_program *program;  // of a run
    const maru_dev_bound *bound;      // of a run
} command_side;

struct maru_dev_commands {
    maru_dev *dev;
    maru_arena arena;  // bodies and what they point to
    MARU_ARRAY(maru_abi_command) commands;
    MARU_ARRAY(command_side) sides;  // one for each command
    bool is_ready;
};

maru_status maru_dev_commands_create(maru_dev *dev, maru_dev_commands **out_list)
{
    *out_list = calloc(1, sizeof **out_list);
    if (!*out_list)
        return maru_fail_oom("a list of commands");
    (*out_list)->dev = dev;
    maru_dev_retain(dev);
    return MARU_OK;
}

void maru_dev_commands_destroy(maru_dev_commands **list)
{
    maru_dev_commands *l = *list;
    if (!l)
        return;
    *list = NULL;
    maru_array_fini(&l->commands);
    maru_array_fini(&l->sides);
    maru_arena_fini(&l->arena);
    maru_dev_release(l->dev);
    free(l);
}

static maru_status add(maru_dev_commands *list, uint32_t kind, uint32_t tag, void *body, command_side side)
{
    maru_abi_command command = {.kind = kind, .tag = tag, .body = body};
    MARU_TRY(maru_array_reserve(&list->commands, list->commands.count + 1));
    MARU_TRY(maru_array_reserve(&list->sides, list->sides.count + 1));
    list->commands.data[list->commands.count++] = command;
    list->sides.data[list->sides.count++] = side;
    return MARU_OK;
}

static maru_status begin(maru_dev_commands *list, const char *call)
{
    if (list->is_ready)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: %s: the list was validated and takes no more commands",
                         list->dev->id, call);
    if (list->commands.count >= UINT32_MAX)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: %s: too many commands", list->dev->id, call);
    return MARU_OK;
}

/* ---- copy and fill ------------------------------------------------------------ */

static maru_status check_copy(const maru_dev *dev, const maru_abi_copy *copy)
{
    uint64_t bytes = copy->dst.bytes;
    if (bytes != copy->src.bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: copy: %llu bytes to a place of %llu", dev->id,
                         (unsigned long long)copy->src.bytes, (unsigned long long)bytes);
    uint64_t low = copy->dst.offset < copy->src.offset ? copy->dst.offset : copy->src.offset;
    uint64_t high = copy->dst.offset < copy->src.offset ? copy->src.offset : copy->dst.offset;
    if (copy->dst.buffer == copy->src.buffer && bytes > high - low)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: copy: the ranges [%llu, +%llu) and [%llu, +%llu) overlap",
                         dev->id, (unsigned long long)copy->src.offset, (unsigned long long)bytes,
                         (unsigned long long)copy->dst.offset, (unsigned long long)bytes);
    return MARU_OK;
}

static maru_status make_copy(const maru_dev *dev, maru_dev_binding dst, maru_dev_binding src, maru_abi_copy *out)
{
    *out = (maru_abi_copy){.head = MARU_ABI_HEAD(maru_abi_copy)};
    MARU_TRY(maru_dev_take_binding(dev, "copy", &dst, &out->dst));
    MARU_TRY(maru_dev_take_binding(dev, "copy", &src, &out->src));
    return check_copy(dev, out);
}

maru_status maru_dev_commands_copy(maru_dev_commands *list, uint32_t tag, maru_dev_binding dst, maru_dev_binding src)
{
    MARU_TRY(begin(list, "copy"));
    maru_abi_copy *body = maru_arena_alloc(&list->arena, sizeof *body);
    if (!body)
        return maru_fail_oom("a command");
    MARU_TRY(make_copy(list->dev, dst, src, body));
    return add(list, MARU_ABI_CMD_COPY, tag, body, (command_side){.body.copy = body});
}

static maru_status check_fill(const maru_dev *dev, const maru_abi_fill *fill)
{
    uint32_t n = fill->pattern_bytes;
    if (n != 1 && n != 2 && n != 4)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: fill: a pattern of %u bytes; there are 1, 2 and 4", dev->id, n);
    if (fill->dst.offset % n || fill->dst.bytes % n)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: fill: [%llu, +%llu) is no multiple of its pattern of %u bytes",
                         dev->id, (unsigned long long)fill->dst.offset, (unsigned long long)fill->dst.bytes, n);
    return MARU_OK;
}

maru_status maru_dev_commands_fill(maru_dev_commands *list, uint32_t tag, maru_dev_binding dst, uint32_t pattern,
                                   uint32_t pattern_bytes)
{
    MARU_TRY(begin(list, "fill"));
    maru_abi_fill *body = maru_arena_alloc(&list->arena, sizeof *body);
    if (!body)
        return maru_fail_oom("a command");
    *body = (maru_abi_fill){
        .head = MARU_ABI_HEAD(maru_abi_fill),
        .pattern = pattern,
        .pattern_bytes = pattern_bytes,
    };
    MARU_TRY(maru_dev_take_binding(list->dev, "fill", &dst, &body->dst));
    MARU_TRY(check_fill(list->dev, body));
    return add(list, MARU_ABI_CMD_FILL, tag, body, (command_side){.body.fill = body});
}

/* ---- dispatch ------------------------------------------------------------------ */

static maru_status take_arg(const maru_dev *dev, const maru_dev_kernel *kernel, uint32_t index,
                            const maru_dev_arg *from, maru_abi_arg *to)
{
    if (from->kind < MARU_ABI_ARG_BUFFER || from->kind > MARU_ABI_ARG_F32)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: dispatch of '%s': argument %u has unknown kind %u", dev->id,
                         kernel->name, index, from->kind);
    *to = (maru_abi_arg){.kind = from->kind, .bits = from->bits};
    if (from->kind != MARU_ABI_ARG_BUFFER)
        return MARU_OK;
    if (!from->buffer || from->buffer->dev != dev)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: dispatch of '%s': argument %u is %s", dev->id, kernel->name,
                         index, from->buffer ? "a buffer of another device" : "no buffer");
    to->buffer = from->buffer->handle;
    return MARU_OK;
}

static maru_status check_sizes(const maru_dev *dev, const maru_dev_kernel *kernel, const uint32_t local[3])
{
    uint64_t group = (uint64_t)local[0] * local[1];
    if (group == 0 || local[2] == 0 || group > UINT32_MAX)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: dispatch of '%s': local size {%u, %u, %u}", dev->id,
                         kernel->name, local[0], local[1], local[2]);
    group *= local[2];
    uint64_t most = kernel->info.max_group_size ? kernel->info.max_group_size : dev->info.max_group_size;
    if (most && group > most)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: dispatch of '%s': %llu work-items in a group, the most is %llu",
                         dev->id, kernel->name, (unsigned long long)group, (unsigned long long)most);
    if (dev->info.local_mem_bytes && kernel->info.local_mem_bytes > dev->info.local_mem_bytes)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: dispatch of '%s': it needs %llu bytes of local memory, there are %llu",
                         dev->id, kernel->name, (unsigned long long)kernel->info.local_mem_bytes,
                         (unsigned long long)dev->info.local_mem_bytes);
    return MARU_OK;
}

static maru_status check_args(const maru_dev *dev, const maru_dev_kernel *kernel, const maru_dev_arg *args,
                              uint32_t n_args)
{
    uint64_t bytes = 0;
    if (kernel->info.n_args && n_args != kernel->info.n_args)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: dispatch of '%s': %u arguments, it has %u", dev->id,
                         kernel->name, n_args, kernel->info.n_args);
    for (uint32_t i = 0; i < n_args; i++)
        bytes += args[i].kind == MARU_ABI_ARG_BUFFER || args[i].kind == MARU_ABI_ARG_I64 ? 8 : 4;
    if (dev->info.max_arg_bytes && bytes > dev->info.max_arg_bytes)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: dispatch of '%s': %llu bytes of arguments, the most is %llu", dev->id,
                         kernel->name, (unsigned long long)bytes, (unsigned long long)dev->info.max_arg_bytes);
    return MARU_OK;
}

maru_status maru_dev_commands_dispatch(maru_dev_commands *list, uint32_t tag, maru_dev_kernel *kernel,
                                       const maru_dev_arg *args, uint32_t n_args, const uint32_t groups[3],
                                       const uint32_t local[3])
{
    const maru_dev *dev = list->dev;
    MARU_TRY(begin(list, "dispatch"));
    if (kernel->dev != dev)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: dispatch: kernel '%s' is one of %s", dev->id, kernel->name,
                         kernel->dev->id);
    MARU_TRY(check_args(dev, kernel, args, n_args));
    MARU_TRY(check_sizes(dev, kernel, local));
    maru_abi_dispatch *body = maru_arena_alloc(&list->arena, sizeof *body);
    maru_abi_arg *copy = maru_arena_alloc_array(&list->arena, n_args ? n_args : 1, sizeof *copy);
    if (!body || !copy)
        return maru_fail_oom("a command");
    for (uint32_t i = 0; i < n_args; i++)
        MARU_TRY(take_arg(dev, kernel, i, &args[i], &copy[i]));
    *body = (maru_abi_dispatch){
        .head = MARU_ABI_HEAD(maru_abi_dispatch),
        .kernel = kernel->handle,
        .args = copy,
        .n_args = n_args,
        .groups = {groups[0], groups[1], groups[2]},
        .local = {local[0], local[1], local[2]},
    };
    return add(list, MARU_ABI_CMD_DISPATCH, tag, body, (command_side){.body.dispatch = body, .args = copy});
}

/* ---- run ------------------------------------------------------------------------- */

/* Bytes that binding `index` must have at least: known of constants and of the workspace. */
static uint64_t least_bytes(const maru_dev_program *p, const maru_dev_bound *bound, uint32_t index)
{
    uint32_t first = p->n_inputs + p->n_outputs;
    if (index < first)
        return 0;
    if (index - first >= p->n_bound_constants)
        return bound && bound->info.workspace_bytes && index - first == p->n_bound_constants
                   ? bound->info.workspace_bytes
                   : 0;
    uint32_t wanted = index - first;
    for (uint32_t c = 0; c < p->n_constants; c++) {
        const maru_abi_constant_use *use = MARU_ABI_AT(maru_abi_constant_use, p->info.constants, c);
        if (use->how == MARU_ABI_CONSTANT_BAKED)
            continue;
        if (wanted-- == 0)
            return use->how == MARU_ABI_CONSTANT_PACKED ? use->bytes : p->constant_bytes[c];
    }
    return 0;
}

static maru_status take_run_binding(const maru_dev *dev, const command_side *side, uint32_t index,
                                    const maru_dev_binding *from, maru_abi_binding *to)
{
    MARU_TRY(maru_dev_take_binding(dev, "run", from, to));
    const maru_abi_memory_kind *kind = maru_dev_memory_kind(dev, from->buffer->kind);
    if (kind && from->offset % kind->alignment)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: run: binding %u: offset %llu does not keep the alignment of %llu",
                         dev->id, index, (unsigned long long)from->offset, (unsigned long long)kind->alignment);
    uint64_t least = least_bytes(side->program, side->bound, index);
    if (from->bytes < least)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: run: binding %u has %llu bytes, it needs %llu", dev->id, index,
                         (unsigned long long)from->bytes, (unsigned long long)least);
    return MARU_OK;
}

static maru_status check_run(const maru_dev *dev, const maru_dev_program *program, const maru_dev_bound *bound,
                             uint32_t n_bindings, uint32_t n_symbols, uint32_t n_exprs)
{
    if (program->dev != dev)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: run: the program is one of %s", dev->id, program->dev->id);
    if (bound && bound->program != program)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: run: bound to another program", dev->id);
    if (!bound && program->info.needs_bind)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: run: the program must be bound first", dev->id);
    if (n_symbols != program->n_symbols || n_exprs != program->n_exprs)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: run: %u symbols and %u expressions, the program has %u and %u",
                         dev->id, n_symbols, n_exprs, program->n_symbols, program->n_exprs);
    uint32_t wanted = program->n_inputs + program->n_outputs + program->n_bound_constants + program->has_true_dims +
                      (bound && bound->info.workspace_bytes ? 1 : 0);
    if (n_bindings != wanted)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: run: %u bindings, the program takes %u", dev->id, n_bindings,
                         wanted);
    return MARU_OK;
}

static maru_status copy_values(maru_arena *arena, const int64_t *values, uint32_t n, const int64_t **out)
{
    *out = maru_arena_memdup(arena, values ? values : (const int64_t[]){0}, values ? n * sizeof *values : 8);
    return *out ? MARU_OK : maru_fail_oom("a command");
}

maru_status maru_dev_commands_run(maru_dev_commands *list, uint32_t tag, maru_dev_program *program,
                                  maru_dev_bound *bound, const maru_dev_binding *bindings, uint32_t n_bindings,
                                  const int64_t *symbol_values, uint32_t n_symbols, const int64_t *expr_values,
                                  uint32_t n_exprs)
{
    const maru_dev *dev = list->dev;
    MARU_TRY(begin(list, "run"));
    MARU_TRY(check_run(dev, program, bound, n_bindings, n_symbols, n_exprs));
    maru_abi_run *body = maru_arena_alloc(&list->arena, sizeof *body);
    maru_abi_binding *copy = maru_arena_alloc_array(&list->arena, n_bindings ? n_bindings : 1, sizeof *copy);
    if (!body || !copy)
        return maru_fail_oom("a command");
    command_side side = {.body.run = body, .bindings = copy, .program = program, .bound = bound};
    for (uint32_t i = 0; i < n_bindings; i++)
        MARU_TRY(take_run_binding(dev, &side, i, &bindings[i], &copy[i]));
    *body = (maru_abi_run){
        .head = MARU_ABI_HEAD(maru_abi_run),
        .program = program->handle,
        .bound = bound ? bound->handle : NULL,
        .bindings = copy,
        .n_bindings = n_bindings,
        .n_symbols = n_symbols,
    };
    MARU_TRY(copy_values(&list->arena, symbol_values, n_symbols, &body->symbol_values));
    MARU_TRY(copy_values(&list->arena, expr_values, n_exprs, &body->expr_values));
    return add(list, MARU_ABI_CMD_RUN, tag, body, side);
}

/* ---- the list as a whole ------------------------------------------------------------ */

maru_status maru_dev_commands_validate(maru_dev_commands *list)
{
    MARU_TRY(maru_dev_check(list->dev, "validate"));
    for (size_t i = 0; i < list->commands.count; i++) {
        uint32_t kind = list->commands.data[i].kind;
        if ((kind == MARU_ABI_CMD_DISPATCH && !maru_dev_has_tier_k(list->dev)) ||
            (kind == MARU_ABI_CMD_RUN && !maru_dev_has_tier_g(list->dev)))
            return maru_fail(MARU_UNSUPPORTED, "%s: command %zu has kind %u, which its tier has not", list->dev->id,
                             i, kind);
    }
    list->is_ready = true;
    return MARU_OK;
}

uint32_t maru_dev_commands_count(const maru_dev_commands *list)
{
    return (uint32_t)list->commands.count;
}

const maru_abi_command *maru_dev_commands_data(const maru_dev_commands *list, uint32_t *out_count)
{
    *out_count = (uint32_t)list->commands.count;
    return list->commands.data;
}

bool maru_dev_commands_is_ready(const maru_dev_commands *list, const maru_dev *dev)
{
    return list->is_ready && list->dev == dev;
}

/* ---- changes -------------------------------------------------------------------------- */

static maru_status find(maru_dev_commands *list, uint32_t command, uint32_t kind, const char *call,
                        command_side **out_side)
{
    *out_side = NULL;
    if (command >= list->commands.count)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: %s: there is no command %u", list->dev->id, call, command);
    if (kind && list->commands.data[command].kind != kind)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: %s: command %u has kind %u", list->dev->id, call, command,
                         list->commands.data[command].kind);
    *out_side = &list->sides.data[command];
    return MARU_OK;
}

maru_status maru_dev_commands_set_arg(maru_dev_commands *list, uint32_t command, uint32_t arg, maru_dev_arg value)
{
    command_side *side = NULL;
    MARU_TRY(find(list, command, MARU_ABI_CMD_DISPATCH, "set_arg", &side));
    if (arg >= side->body.dispatch->n_args || side->args[arg].kind != value.kind)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: set_arg: command %u has no argument %u of kind %u",
                         list->dev->id, command, arg, value.kind);
    if (value.kind == MARU_ABI_ARG_BUFFER && (!value.buffer || value.buffer->dev != list->dev))
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: set_arg: command %u, argument %u: not a buffer of this device",
                         list->dev->id, command, arg);
    side->args[arg].buffer = value.kind == MARU_ABI_ARG_BUFFER ? value.buffer->handle : NULL;
    side->args[arg].bits = value.bits;
    return MARU_OK;
}

maru_status maru_dev_commands_set_groups(maru_dev_commands *list, uint32_t command, const uint32_t groups[3])
{
    command_side *side = NULL;
    MARU_TRY(find(list, command, MARU_ABI_CMD_DISPATCH, "set_groups", &side));
    memcpy(side->body.dispatch->groups, groups, sizeof side->body.dispatch->groups);
    return MARU_OK;
}

static maru_status set_in_copy(maru_dev_commands *list, command_side *side, uint32_t index, maru_dev_binding binding)
{
    maru_abi_copy changed = *side->body.copy;
    MARU_TRY(maru_dev_take_binding(list->dev, "copy", &binding, index == 0 ? &changed.dst : &changed.src));
    MARU_TRY(check_copy(list->dev, &changed));
    *side->body.copy = changed;
    return MARU_OK;
}

static maru_status set_in_fill(maru_dev_commands *list, command_side *side, maru_dev_binding binding)
{
    maru_abi_fill changed = *side->body.fill;
    MARU_TRY(maru_dev_take_binding(list->dev, "fill", &binding, &changed.dst));
    MARU_TRY(check_fill(list->dev, &changed));
    *side->body.fill = changed;
    return MARU_OK;
}

maru_status maru_dev_commands_set_binding(maru_dev_commands *list, uint32_t command, uint32_t index,
                                          maru_dev_binding binding)
{
    command_side *side = NULL;
    maru_abi_binding place;
    MARU_TRY(find(list, command, 0, "set_binding", &side));
    uint32_t kind = list->commands.data[command].kind;
    if (kind == MARU_ABI_CMD_COPY && index < 2)
        return set_in_copy(list, side, index, binding);
    if (kind == MARU_ABI_CMD_FILL && index == 0)
        return set_in_fill(list, side, binding);
    if (kind != MARU_ABI_CMD_RUN || index >= side->body.run->n_bindings)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: set_binding: command %u of kind %u has no binding %u",
                         list->dev->id, command, kind, index);
    MARU_TRY(take_run_binding(list->dev, side, index, &binding, &place));
    side->bindings[index] = place;
    return MARU_OK;
}

maru_status maru_dev_commands_set_copy(maru_dev_commands *list, uint32_t command, maru_dev_binding dst,
                                       maru_dev_binding src)
{
    command_side *side = NULL;
    maru_abi_copy changed;
    MARU_TRY(find(list, command, MARU_ABI_CMD_COPY, "set_copy", &side));
    MARU_TRY(make_copy(list->dev, dst, src, &changed));
    *side->body.copy = changed;
    return MARU_OK;
}
