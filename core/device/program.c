// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device_impl.h"
#include "device/tables.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_DATA_DEPENDENT 1u
#define MAX_SAVED (1ull << 40)

/* ---- what a run will bind --------------------------------------------------- */

/* SHAPE values that are inputs of a node are bound, each once. */
static maru_status count_shapes(const maru_abi_graph *graph, uint32_t *out_count)
{
    uint8_t *seen = calloc(graph->values.count ? graph->values.count : 1, 1);
    *out_count = 0;
    if (!seen)
        return maru_fail_oom("a program");
    for (uint32_t n = 0; n < graph->nodes.count; n++) {
        const maru_abi_node *node = MARU_ABI_AT(maru_abi_node, graph->nodes, n);
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            uint32_t value = *MARU_ABI_AT(uint32_t, graph->operands, node->first_input + i);
            if (value == MARU_ABI_NO_INDEX || seen[value] ||
                MARU_ABI_AT(maru_abi_value, graph->values, value)->kind != MARU_ABI_VALUE_SHAPE)
                continue;
            seen[value] = 1;
            ++*out_count;
        }
    }
    free(seen);
    return MARU_OK;
}

static maru_status describe(maru_dev_program *p, const maru_abi_graph *graph)
{
    uint32_t n_shapes = 0;
    MARU_TRY(count_shapes(graph, &n_shapes));
    p->n_symbols = graph->symbols.count;
    p->n_exprs = graph->exprs.count;
    p->n_inputs = graph->inputs.count + n_shapes;
    p->n_outputs = graph->outputs.count;
    p->n_constants = graph->constants.count;
    p->constant_bytes = maru_arena_alloc_array(&p->arena, p->n_constants ? p->n_constants : 1, sizeof(uint64_t));
    if (!p->constant_bytes)
        return maru_fail_oom("a program");
    for (uint32_t i = 0; i < p->n_constants; i++)
        p->constant_bytes[i] = MARU_ABI_AT(maru_abi_constant, graph->constants, i)->bytes;
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        uint32_t value = *MARU_ABI_AT(uint32_t, graph->outputs, i);
        if (MARU_ABI_AT(maru_abi_value, graph->values, value)->flags & VALUE_DATA_DEPENDENT)
            p->has_true_dims = true;
    }
    return MARU_OK;
}

static maru_status check_info(maru_dev_program *p)
{
    const char *id = p->dev->id;
    if (p->info.constants.count != p->n_constants)
        return maru_fail(MARU_INTERNAL, "%s: program_info: %u constants, the graph has %u", id,
                         p->info.constants.count, p->n_constants);
    for (uint32_t i = 0; i < p->n_constants; i++) {
        const maru_abi_constant_use *use = MARU_ABI_AT(maru_abi_constant_use, p->info.constants, i);
        if (use->how > MARU_ABI_CONSTANT_PACKED)
            return maru_fail(MARU_INTERNAL, "%s: program_info: constant %u is used in unknown way %u", id, i,
                             use->how);
        if (use->how == MARU_ABI_CONSTANT_PACKED && (use->bytes == 0 || !p->dev->fns->graph.pack))
            return maru_fail(MARU_INTERNAL, "%s: program_info: constant %u is packed in %llu bytes%s", id, i,
                             (unsigned long long)use->bytes, p->dev->fns->graph.pack ? "" : ", and there is no pack");
        p->n_bound_constants += use->how != MARU_ABI_CONSTANT_BAKED;
    }
    if (p->info.needs_bind && !p->dev->fns->graph.program_bind)
        return maru_fail(MARU_INTERNAL, "%s: program_info: it needs program_bind, and there is none", id);
    return MARU_OK;
}

static maru_status read_info(maru_dev_program *p)
{
    maru_dev *dev = p->dev;
    maru_abi_error error;
    maru_answer_init(&error);
    p->info = (maru_abi_program_info){.head = MARU_ABI_HEAD(maru_abi_program_info)};
    maru_abi_status status = dev->fns->graph.program_info(p->handle, &p->info, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "program_info", status, &error);
    MARU_TRY(maru_tables_take_array(dev->id, "loaded_bytes", &p->arena, sizeof(uint64_t), MARU_TABLES_MAX_RECORDS,
                                    &p->info.loaded_bytes));
    MARU_TRY(maru_tables_take_array(dev->id, "constants", &p->arena, sizeof(maru_abi_constant_use),
                                    MARU_TABLES_MAX_RECORDS, &p->info.constants));
    return check_info(p);
}

/* ---- compile and load ---------------------------------------------------------- */

static maru_status take_program(maru_dev_program *p, const char *call, maru_abi_job *job)
{
    maru_dev *dev = p->dev;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->graph.compile_take(job, &p->handle, &error);
    maru_status code = MARU_OK;
    if (status != MARU_ABI_OK)
        code = maru_dev_fail(dev, call, status, &error);
    else if (!p->handle)
        code = maru_dev_gave_nothing(dev, "compile_take");
    dev->fns->job.destroy(job);
    return code;
}

static void discard(maru_dev_program *p)
{
    if (p->handle)
        p->dev->fns->graph.program_destroy(p->handle);
    maru_arena_fini(&p->arena);
    free(p);
}

static maru_status new_program(maru_dev *dev, const maru_abi_graph *graph, maru_dev_program **out_program)
{
    maru_dev_program *p = calloc(1, sizeof *p);
    if (!p)
        return maru_fail_oom("a program");
    p->dev = dev;
    maru_status status = describe(p, graph);
    if (status != MARU_OK) {
        discard(p);
        return status;
    }
    *out_program = p;
    return MARU_OK;
}

/* The second half of compile and load: `p` is taken, `started` is what the plugin said to the start. */
static maru_status finish(maru_dev_program *p, const char *call, maru_abi_status started, maru_abi_error *error,
                          maru_abi_job *job, const maru_dev_wait *wait, maru_dev_program **out_program)
{
    maru_dev *dev = p->dev;
    maru_status status = started == MARU_ABI_OK ? maru_dev_job_finish(dev, call, job, wait)
                                                : maru_dev_fail(dev, call, started, error);
    if (status == MARU_OK)
        status = take_program(p, call, job);
    if (status == MARU_OK)
        status = read_info(p);
    if (status != MARU_OK) {
        discard(p);
        return status;
    }
    maru_dev_retain(dev);
    *out_program = p;
    return MARU_OK;
}

maru_status maru_dev_compile(maru_dev *dev, const maru_abi_compile_request *request, const maru_dev_wait *wait,
                             maru_dev_program **out_program)
{
    *out_program = NULL;
    MARU_TRY(maru_dev_check(dev, "compile"));
    if (!maru_dev_has_tier_g(dev))
        return maru_dev_lacks(dev, "tier G");
    maru_dev_program *p = NULL;
    MARU_TRY(new_program(dev, request->graph, &p));
    maru_abi_compile_request r = *request;
    r.head = (maru_abi_head)MARU_ABI_HEAD(maru_abi_compile_request);
    maru_abi_job *job = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status started = dev->fns->graph.compile(dev->handle, &r, &job, &error);
    return finish(p, "compile", started, &error, job, wait, out_program);
}

maru_status maru_dev_program_load(maru_dev *dev, const maru_abi_graph *graph, const void *blob, uint64_t bytes,
                                  const maru_dev_wait *wait, maru_dev_program **out_program)
{
    *out_program = NULL;
    MARU_TRY(maru_dev_check(dev, "load"));
    if (!dev->fns->graph.load)
        return maru_dev_lacks(dev, "load");
    if (!blob || bytes == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: load: an empty program", dev->id);
    maru_dev_program *p = NULL;
    MARU_TRY(new_program(dev, graph, &p));
    maru_abi_job *job = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status started = dev->fns->graph.load(dev->handle, blob, bytes, &job, &error);
    return finish(p, "load", started, &error, job, wait, out_program);
}

void maru_dev_program_destroy(maru_dev_program **program)
{
    maru_dev_program *p = *program;
    if (!p)
        return;
    *program = NULL;
    maru_dev *dev = p->dev;
    if (!maru_dev_may_release(dev))
        p->handle = NULL;
    discard(p);
    maru_dev_release(dev);
}

const maru_abi_program_info *maru_dev_program_info(const maru_dev_program *program)
{
    return &program->info;
}

/* ---- bind ------------------------------------------------------------------------- */

static maru_status check_values(const maru_dev_program *p, uint32_t n_symbols, uint32_t n_exprs)
{
    if (n_symbols != p->n_symbols || n_exprs != p->n_exprs)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: bind: %u symbols and %u expressions, the program has %u and %u",
                         p->dev->id, n_symbols, n_exprs, p->n_symbols, p->n_exprs);
    return MARU_OK;
}

maru_status maru_dev_program_bind(maru_dev_program *program, const int64_t *symbol_values, uint32_t n_symbols,
                                  const int64_t *expr_values, uint32_t n_exprs, maru_dev_bound **out_bound)
{
    maru_dev *dev = program->dev;
    *out_bound = NULL;
    MARU_TRY(maru_dev_check(dev, "bind"));
    if (!dev->fns->graph.program_bind)
        return maru_dev_lacks(dev, "program_bind");
    MARU_TRY(check_values(program, n_symbols, n_exprs));
    maru_dev_bound *bound = calloc(1, sizeof *bound);
    if (!bound)
        return maru_fail_oom("binding a program");
    *bound = (maru_dev_bound){
        .dev = dev,
        .program = program,
        .info = {.head = MARU_ABI_HEAD(maru_abi_bound_info)},
    };
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->graph.program_bind(program->handle, symbol_values, n_symbols, expr_values,
                                                          n_exprs, &bound->handle, &bound->info, &error);
    if (status != MARU_ABI_OK || !bound->handle) {
        free(bound);
        return status != MARU_ABI_OK ? maru_dev_fail(dev, "bind", status, &error)
                                     : maru_dev_gave_nothing(dev, "program_bind");
    }
    maru_dev_retain(dev);
    *out_bound = bound;
    return MARU_OK;
}

void maru_dev_bound_destroy(maru_dev_bound **bound)
{
    maru_dev_bound *b = *bound;
    if (!b)
        return;
    *bound = NULL;
    if (maru_dev_may_release(b->dev))
        b->dev->fns->graph.bound_destroy(b->handle);
    maru_dev_release(b->dev);
    free(b);
}

const maru_abi_bound_info *maru_dev_bound_info(const maru_dev_bound *bound)
{
    return &bound->info;
}

/* ---- constants and states ------------------------------------------------------------ */

maru_status maru_dev_program_pack(maru_dev_program *program, uint32_t constant, const void *data, uint64_t bytes,
                                  void *dst, uint64_t room)
{
    maru_dev *dev = program->dev;
    MARU_TRY(maru_dev_check(dev, "pack"));
    if (constant >= program->n_constants)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: pack: there is no constant %u", dev->id, constant);
    const maru_abi_constant_use *use = MARU_ABI_AT(maru_abi_constant_use, program->info.constants, constant);
    if (use->how != MARU_ABI_CONSTANT_PACKED)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: pack: constant %u is not packed", dev->id, constant);
    if (bytes != program->constant_bytes[constant] || room < use->bytes)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: pack: constant %u: %llu bytes to %llu, it takes %llu to %llu",
                         dev->id, constant, (unsigned long long)bytes, (unsigned long long)room,
                         (unsigned long long)program->constant_bytes[constant], (unsigned long long)use->bytes);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->graph.pack(program->handle, constant, data, dst, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "pack", status, &error);
}

maru_status maru_dev_state_convert(maru_dev *dev, const maru_abi_tensor_desc *desc, void *canonical,
                                   maru_dev_binding private_form, bool to_canonical)
{
    maru_abi_binding place;
    MARU_TRY(maru_dev_check(dev, "state_convert"));
    if (!dev->fns->graph.state_convert)
        return maru_dev_lacks(dev, "state_convert");
    MARU_TRY(maru_dev_take_binding(dev, "state_convert", &private_form, &place));
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->graph.state_convert(dev->handle, desc->layout, desc, canonical, place,
                                                           to_canonical, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "state_convert", status, &error);
}

/* ---- save, check, unload ---------------------------------------------------------------- */

typedef struct {
    char *data;
    size_t bytes;
    size_t capacity;
} blob_writer;

static maru_abi_status write_piece(void *ctx, const void *data, uint64_t bytes)
{
    blob_writer *w = ctx;
    if (bytes > MAX_SAVED - w->bytes)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    size_t needed = w->bytes + (size_t)bytes;
    if (needed > w->capacity) {
        size_t capacity = needed < 4096 ? 4096 : needed + needed / 2;
        char *grown = realloc(w->data, capacity);
        if (!grown)
            return MARU_ABI_RESOURCE_EXHAUSTED;
        w->data = grown;
        w->capacity = capacity;
    }
    if (bytes)
        memcpy(w->data + w->bytes, data, (size_t)bytes);
    w->bytes = needed;
    return MARU_ABI_OK;
}

maru_status maru_dev_program_save(maru_dev_program *program, void **out_data, size_t *out_bytes)
{
    maru_dev *dev = program->dev;
    blob_writer writer = {0};
    *out_data = NULL;
    *out_bytes = 0;
    MARU_TRY(maru_dev_check(dev, "save"));
    if (!dev->fns->graph.save)
        return maru_dev_lacks(dev, "save");
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->graph.save(program->handle, write_piece, &writer, &error);
    if (status != MARU_ABI_OK || writer.bytes == 0) {
        free(writer.data);
        return status != MARU_ABI_OK ? maru_dev_fail(dev, "save", status, &error) : maru_dev_gave_nothing(dev, "save");
    }
    *out_data = writer.data;
    *out_bytes = writer.bytes;
    return MARU_OK;
}

maru_status maru_plugin_check_program(const maru_plugin *plugin, uint32_t device_index, const void *blob,
                                      uint64_t bytes, uint32_t *out_verdict)
{
    *out_verdict = MARU_ABI_VERDICT_REBUILD;
    if (!plugin->fns.graph.check)
        return maru_fail(MARU_UNSUPPORTED, "%s does not implement check", plugin->what);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status =
        plugin->fns.graph.check(plugin->handle, device_index, blob, bytes, out_verdict, &error);
    if (status != MARU_ABI_OK)
        return maru_answer_fail(plugin->what, "check", status, &error);
    if (*out_verdict > MARU_ABI_VERDICT_NO)
        *out_verdict = MARU_ABI_VERDICT_REBUILD;
    return MARU_OK;
}

static maru_status move(maru_dev_program *program, const char *call,
                        maru_abi_status (*fn)(maru_abi_program *, maru_abi_error *))
{
    maru_dev *dev = program->dev;
    MARU_TRY(maru_dev_check(dev, call));
    if (!fn)
        return maru_dev_lacks(dev, call);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = fn(program->handle, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, call, status, &error);
}

maru_status maru_dev_program_unload(maru_dev_program *program)
{
    return move(program, "unload", program->dev->fns->graph.unload);
}

maru_status maru_dev_program_reload(maru_dev_program *program)
{
    return move(program, "reload", program->dev->fns->graph.reload);
}
