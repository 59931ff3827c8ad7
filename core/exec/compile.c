// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/model_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/os.h"
#include "exec/abi_graph.h"
#include "exec/dropping.h"

enum { MOST_BYTES_COPIED = 64 << 10 };

/* ---- constants ---- */

static maru_model_constant *find_constant(maru_model *model, maru_value value, uint32_t device, uint32_t layout,
                                          uint64_t bytes)
{
    for (size_t i = 0; i < model->constants.count; i++) {
        maru_model_constant *c = model->constants.data[i];
        if (c->value == value && c->device == device && c->layout == layout && c->bytes == bytes)
            return c;
    }
    return NULL;
}

static maru_status add_constant(maru_model *model, maru_value value, uint32_t device, uint32_t layout, uint64_t bytes,
                                maru_model_constant **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return maru_fail_oom("a constant");
    **out = (maru_model_constant){.value = value, .device = device, .layout = layout, .bytes = bytes};
    maru_status status = maru_array_push(&model->constants, *out);
    if (status != MARU_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* Some formats put tensors at any byte of their files. */
static bool is_aligned(const void *data, maru_dtype dtype)
{
    const size_t unit = maru_dtype_get_info(dtype)->block_bytes;
    const size_t wanted = unit == 2 || unit == 4 || unit == 8 ? unit : 1;
    return (uintptr_t)data % wanted == 0;
}

/*
 * Small ones of a file are copied: a page of theirs may bring megabytes around it into memory, which are the weights
 * that were dropped. The graph keeps the copy, as it keeps the map, where a device had to be given up.
 */
static maru_status copy_small(maru_model *model, maru_model_constant *c, const maru_constant_source *source)
{
    void *copy = maru_arena_memdup(&model->graph->arena, source->data, c->bytes);
    if (!copy)
        return maru_fail_oom("a constant");
    maru_block_wrap(&c->block, copy, c->bytes);
    return MARU_OK;
}

/* As it is: host memory where it lies if a kernel can read it there, or uploaded. */
static maru_status make_plain(maru_model *model, maru_model_constant *c)
{
    const maru_value_record *v = maru_graph_get(model->graph, c->value);
    const maru_constant_source *source = &model->graph->constants.data[v->source].source;
    if (c->bytes == 0)
        return maru_block_host(&c->block, model->runtime, 0);
    if (!model->plan->devices[c->device].is_host_memory) {
        MARU_TRY(maru_block_device(&c->block, model->devices[c->device], c->device, c->bytes));
        return maru_block_write(&c->block, c->device, 0, source->data, c->bytes);
    }
    if (source->fd > 0 && c->bytes <= MOST_BYTES_COPIED)
        return copy_small(model, c, source);
    if (is_aligned(source->data, v->dtype)) {
        maru_block_wrap(&c->block, source->data, c->bytes);
        return MARU_OK;
    }
    MARU_TRY(maru_block_host(&c->block, model->runtime, c->bytes));
    maru_dropping dropping;
    maru_dropping_begin(&dropping, source);
    memcpy(c->block.data, source->data, c->bytes);
    maru_dropping_end(&dropping);
    return MARU_OK;
}

/* What maru_packed_get needs to make a form that nobody has. */
typedef struct packing {
    maru_dev_program *program;
    uint32_t index;  // of the constant, in the program's graph
    maru_dtype dtype;
    const maru_constant_source *source;
    uint64_t bytes;  // of the form
} packing;

static maru_status pack(void *ctx, void *memory)
{
    const packing *p = ctx;
    const maru_constant_source *source = p->source;
    const bool is_copied = !is_aligned(source->data, p->dtype);
    void *copy = is_copied ? maru_os_pages_alloc(source->bytes) : NULL;
    if (is_copied && !copy)
        return maru_fail_oom("packing a weight");
    maru_dropping dropping;
    maru_dropping_begin(&dropping, source);
    if (is_copied)
        memcpy(copy, source->data, source->bytes);
    const maru_status status = maru_dev_program_pack(p->program, p->index, is_copied ? copy : source->data,
                                                     source->bytes, memory, p->bytes);
    maru_dropping_end(&dropping);
    maru_os_pages_free(copy, source->bytes);
    return status;
}

/* The form is in host memory, shared with other models; a device that computes elsewhere has a copy of its own. */
static maru_status make_packed(maru_model *model, maru_model_constant *c, maru_dev_program *program, uint32_t index)
{
    const maru_value_record *v = maru_graph_get(model->graph, c->value);
    const maru_content_hash *content = &model->contents[v->source];
    maru_dev *dev = model->devices[c->device];
    packing p = {program, index, v->dtype, &model->graph->constants.data[v->source].source, c->bytes};
    const maru_packed_key key = {
        .content = maru_content_is_known(content) ? content->digest : NULL,
        .dev = dev,
        .layout = c->layout,
        .bytes = c->bytes,
    };
    maru_packed *packed = NULL;
    MARU_TRY(maru_packed_get(model->runtime, &key, pack, &p, &packed));
    maru_block_packed(&c->packed, model->runtime, packed, c->bytes);
    if (model->plan->devices[c->device].is_host_memory)
        return MARU_OK;
    MARU_TRY(maru_block_device(&c->block, dev, c->device, c->bytes));
    return maru_block_write(&c->block, c->device, 0, c->packed.data, c->bytes);
}

static maru_status bring_constant(maru_model *model, uint32_t unit, uint32_t index, const maru_abi_constant_use *use,
                                  maru_dev_binding *out)
{
    const maru_unit *u = &model->plan->units.data[unit];
    const maru_value value = u->constants[index];
    const bool is_packed = use->how == MARU_ABI_CONSTANT_PACKED;
    const maru_value_record *v = maru_graph_get(model->graph, value);
    const uint64_t bytes = is_packed ? use->bytes : model->graph->constants.data[v->source].source.bytes;
    const uint32_t layout = is_packed ? use->layout : 0;
    maru_model_constant *c = find_constant(model, value, u->device, layout, bytes);
    if (!c) {
        MARU_TRY(add_constant(model, value, u->device, layout, bytes, &c));
        MARU_TRY(is_packed ? make_packed(model, c, model->units[unit].program, index) : make_plain(model, c));
    }
    maru_block *block = c->packed.data && !c->block.bytes ? &c->packed : &c->block;
    return maru_block_on(block, model->devices[u->device], u->device, out);
}

maru_status maru_model_plain_constant(maru_model *model, maru_value value, uint32_t device, maru_dev_binding *out)
{
    const maru_value_record *v = maru_graph_get(model->graph, value);
    const uint64_t bytes = model->graph->constants.data[v->source].source.bytes;
    maru_model_constant *c = find_constant(model, value, device, 0, bytes);
    if (!c) {
        MARU_TRY(add_constant(model, value, device, 0, bytes, &c));
        MARU_TRY(make_plain(model, c));
    }
    return maru_block_on(&c->block, model->devices[device], device, out);
}

/* A unit may read a view of a constant as an input: it must be on the device before sessions share the model. */
static maru_status bring_viewed_constants(maru_model *model, uint32_t unit)
{
    const maru_unit *u = &model->plan->units.data[unit];
    maru_dev_binding ignored;
    for (uint32_t i = 0; i < u->n_inputs; i++)
        if (u->input_storage[i].kind == MARU_STORAGE_CONSTANT)
            MARU_TRY(maru_model_plain_constant(model, u->input_storage[i].index, u->device, &ignored));
    return MARU_OK;
}

static maru_status bring_constants(maru_model *model, uint32_t unit)
{
    MARU_TRY(bring_viewed_constants(model, unit));
    maru_model_unit *mu = &model->units[unit];
    const maru_unit *u = &model->plan->units.data[unit];
    const maru_abi_program_info *info = maru_dev_program_info(mu->program);
    mu->constants = maru_arena_alloc_array(&model->arena, u->n_constants + 1, sizeof *mu->constants);
    if (!mu->constants)
        return maru_fail_oom("a model");
    for (uint32_t i = 0; i < u->n_constants; i++) {
        const maru_abi_constant_use *use = MARU_ABI_AT(maru_abi_constant_use, info->constants, i);
        if (use->how != MARU_ABI_CONSTANT_BAKED)
            MARU_TRY(bring_constant(model, unit, i, use, &mu->constants[mu->n_constants++]));
    }
    return MARU_OK;
}

/* Reading one weight brings back pages of another that lie beside it. */
static void drop_again(const maru_model *model)
{
    for (size_t i = 0; i < model->constants.count; i++) {
        const maru_model_constant *c = model->constants.data[i];
        const maru_constant_source *source =
            &model->graph->constants.data[maru_graph_get(model->graph, c->value)->source].source;
        if (c->block.data != source->data)
            maru_drop_source(source);
    }
}

/* ---- weights that folding made ---- */

/* Per constant of the graph: something reads it as it is. */
static void mark_plain(const maru_model *model, bool *is_plain)
{
    const maru_graph *graph = model->graph;
    for (size_t i = 0; i < graph->outputs.count; i++) {
        const maru_value_record *v = maru_graph_get(graph, graph->outputs.data[i].value);
        if (v->kind == MARU_VALUE_CONSTANT)
            is_plain[v->source] = true;
    }
    for (size_t s = 0; s < model->plan->steps.count; s++) {
        const maru_storage *from = &model->plan->steps.data[s].from;
        if (from->kind == MARU_STORAGE_CONSTANT)
            is_plain[maru_graph_get(graph, from->index)->source] = true;
    }
    for (size_t u = 0; u < model->plan->units.count; u++) {
        const maru_unit *unit = &model->plan->units.data[u];
        const maru_abi_program_info *info = maru_dev_program_info(model->units[u].program);
        for (uint32_t i = 0; i < unit->n_constants; i++)
            if (MARU_ABI_AT(maru_abi_constant_use, info->constants, i)->how != MARU_ABI_CONSTANT_PACKED)
                is_plain[maru_graph_get(graph, unit->constants[i])->source] = true;
    }
    for (size_t i = 0; i < model->constants.count; i++)
        if (!model->constants.data[i]->packed.data)
            is_plain[maru_graph_get(graph, model->constants.data[i]->value)->source] = true;
}

/* A large constant in memory of ours is given back once all that read it have another form. */
static maru_status release_packed(maru_model *model)
{
    enum { LEAST_BYTES = 1 << 14 };
    bool *is_plain = calloc(model->graph->constants.count + 1, sizeof *is_plain);
    if (!is_plain)
        return maru_fail_oom("a model");
    mark_plain(model, is_plain);
    for (size_t i = 0; i < model->constants.count; i++) {
        const uint32_t index = maru_graph_get(model->graph, model->constants.data[i]->value)->source;
        maru_constant_source *source = &model->graph->constants.data[index].source;
        if (is_plain[index] || source->fd > 0 || !source->release || source->bytes < LEAST_BYTES)
            continue;
        source->release(source->owner);
        *source = (maru_constant_source){.bytes = source->bytes, .is_stored = source->is_stored};
    }
    free(is_plain);
    return MARU_OK;
}

/* ---- units ---- */

static const char *make_label(maru_model *model, const maru_unit *u)
{
    maru_str s = {0};
    for (uint32_t k = 0; k < u->n_nodes; k++)
        maru_str_printf(&s, "%s%s", k ? "+" : "", model->graph->nodes.data[u->nodes[k]].op->name);
    const char *label = maru_arena_strdup(&model->arena, maru_str_get(&s));
    maru_str_fini(&s);
    return label;
}

static maru_status compile_unit(maru_model *model, uint32_t unit, maru_numerics numerics)
{
    const maru_unit *u = &model->plan->units.data[unit];
    const maru_abi_graph_part part = {
        .nodes = u->nodes,
        .n_nodes = u->n_nodes,
        .inputs = u->inputs,
        .n_inputs = u->n_inputs,
        .outputs = u->outputs,
        .n_outputs = u->n_outputs,
        .contents = model->contents,
    };
    maru_abi_graph_box box = {0};
    MARU_TRY(maru_abi_graph_make(model->graph, &part, &box));
    const maru_abi_compile_request request = {
        .head = MARU_ABI_HEAD(maru_abi_compile_request),
        .graph = &box.graph,
        .numerics = maru_model_numerics(numerics),
    };
    const maru_dev_wait wait = {0};
    maru_status status = maru_dev_compile(model->devices[u->device], &request, &wait, &model->units[unit].program);
    maru_abi_graph_fini(&box);
    return status;
}

maru_status maru_model_compile(maru_model *model, const maru_model_params *params)
{
    const size_t n = model->plan->units.count;
    model->units = maru_arena_alloc_array(&model->arena, n + 1, sizeof *model->units);
    model->contents = maru_arena_alloc_array(&model->arena, model->graph->constants.count + 1,
                                             sizeof *model->contents);
    if (!model->units || !model->contents)
        return maru_fail_oom("a model");
    maru_content_hash_all(model->graph, model->contents);
    for (uint32_t u = 0; u < n; u++) {
        const maru_unit *unit = &model->plan->units.data[u];
        maru_model_progress(params, "compile", u, n);
        model->units[u].label = make_label(model, unit);
        model->units[u].scope = model->graph->nodes.data[unit->nodes[unit->n_nodes - 1]].scope;
        if (!model->units[u].label)
            return maru_fail_oom("a model");
        const maru_status status = compile_unit(model, u, params->numerics);
        if (status != MARU_OK)
            return maru_fail_within(status, "%s%s%s", model->units[u].label, *model->units[u].scope ? " in " : "",
                                    model->units[u].scope);
    }
    for (uint32_t u = 0; u < n; u++) {
        maru_model_progress(params, "pack", u, n);
        MARU_TRY(bring_constants(model, u));
    }
    drop_again(model);
    maru_model_progress(params, "pack", n, n);
    return release_packed(model);
}
