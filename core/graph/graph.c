// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/size.h"
#include "base/str.h"

maru_status maru_graph_create(const char *name, maru_graph **out_graph)
{
    *out_graph = NULL;
    maru_graph *graph = calloc(1, sizeof *graph);
    if (!graph)
        return maru_fail_oom("a graph");
    graph->exprs.arena = &graph->arena;
    graph->name = maru_arena_strdup(&graph->arena, name ? name : "");
    maru_value_record none = {.name = "", .kind = MARU_VALUE_INPUT};
    if (!graph->name || maru_array_push(&graph->values, none) != MARU_OK) {
        maru_graph_destroy(&graph);
        return maru_fail_oom("a graph");
    }
    *out_graph = graph;
    return MARU_OK;
}

void maru_graph_destroy(maru_graph **graph)
{
    maru_graph *g = *graph;
    if (!g)
        return;
    for (size_t i = 0; i < g->constants.count; i++) {
        maru_constant_record *c = &g->constants.data[i];
        if (c->source.release)
            c->source.release(c->source.owner);
    }
    maru_array_fini(&g->values);
    maru_array_fini(&g->nodes);
    maru_array_fini(&g->constants);
    maru_array_fini(&g->inputs);
    maru_array_fini(&g->states);
    maru_array_fini(&g->outputs);
    maru_array_fini(&g->scopes);
    maru_array_fini(&g->exprs.list);
    maru_array_fini(&g->exprs.symbols);
    maru_map_fini(&g->exprs.ids);
    maru_map_fini(&g->scalars);
    maru_map_fini(&g->input_names);
    maru_arena_fini(&g->arena);
    free(g);
    *graph = NULL;
}

const char *maru_graph_get_name(const maru_graph *graph)
{
    return graph->name;
}

/* ---- symbols and dims ---- */

maru_status maru_graph_symbol(maru_graph *graph, const char *name, const maru_symbol_params *params, maru_dim *out_dim)
{
    return maru_expr_symbol(&graph->exprs, name, params, out_dim);
}

size_t maru_graph_symbol_count(const maru_graph *graph)
{
    return graph->exprs.symbols.count;
}

const char *maru_graph_symbol_info(const maru_graph *graph, size_t index, maru_symbol_params *out_params)
{
    if (index >= graph->exprs.symbols.count)
        return "";
    if (out_params)
        *out_params = graph->exprs.symbols.data[index].params;
    return graph->exprs.symbols.data[index].name;
}

static maru_status check_dim(const maru_graph *graph, maru_dim dim)
{
    if (dim < 0 && (uint64_t)(-1 - dim) >= graph->exprs.list.count)
        return maru_fail(MARU_INVALID_ARGUMENT, "dim %lld is negative and is not an expression of this graph",
                         (long long)dim);
    return MARU_OK;
}

maru_status maru_graph_dim(maru_graph *graph, maru_dim_op op, maru_dim a, maru_dim b, maru_dim *out_dim)
{
    static const maru_expr_op map[] = {
        [MARU_DIM_ADD] = MARU_EXPR_ADD,           [MARU_DIM_SUB] = MARU_EXPR_SUB,
        [MARU_DIM_MUL] = MARU_EXPR_MUL,           [MARU_DIM_FLOORDIV] = MARU_EXPR_FLOORDIV,
        [MARU_DIM_CEILDIV] = MARU_EXPR_CEILDIV,   [MARU_DIM_MOD] = MARU_EXPR_MOD,
        [MARU_DIM_MIN] = MARU_EXPR_MIN,           [MARU_DIM_MAX] = MARU_EXPR_MAX,
    };
    if ((unsigned)op >= sizeof map / sizeof *map)
        return maru_fail(MARU_INVALID_ARGUMENT, "dim operator %d is not known", (int)op);
    MARU_TRY(check_dim(graph, a));
    MARU_TRY(check_dim(graph, b));
    MARU_TRY(maru_expr_make(&graph->exprs, map[op], a, b, out_dim));
    int64_t value = 0;
    if (maru_expr_is_const(&graph->exprs, *out_dim, &value) && value < 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "a dim would be %lld", (long long)value);
    return MARU_OK;
}

maru_status maru_graph_offset(maru_graph *graph, maru_dim dim, int64_t delta, maru_dim *out_dim)
{
    maru_dim elem = 0;
    MARU_TRY(check_dim(graph, dim));
    MARU_TRY(maru_expr_const(&graph->exprs, delta, &elem));
    MARU_TRY(maru_expr_make(&graph->exprs, MARU_EXPR_ADD, dim, elem, out_dim));
    int64_t value = 0;
    if (maru_expr_is_const(&graph->exprs, *out_dim, &value) && value < 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "a dim would be %lld", (long long)value);
    return MARU_OK;
}

const char *maru_graph_dim_text(const maru_graph *graph, maru_dim dim, char *text, size_t room)
{
    maru_str s = {0};
    maru_expr_print(&graph->exprs, dim, &s);
    if (room) {
        const char *from = maru_str_get(&s);
        size_t n = strlen(from);
        n = n < room - 1 ? n : room - 1;
        memcpy(text, from, n);
        text[n] = 0;
    }
    maru_str_fini(&s);
    return text;
}

/* ---- values ---- */

maru_status maru_graph_add_value(maru_graph *graph, maru_value_kind kind, uint32_t source, const char *name,
                                 maru_dtype dtype, const maru_dim *dims, uint32_t rank, maru_value *out_value)
{
    *out_value = MARU_NO_VALUE;
    if (rank > MARU_MAX_RANK)
        return maru_fail(MARU_INVALID_ARGUMENT, "rank %u is above %d", rank, MARU_MAX_RANK);
    if (!maru_dtype_get_info(dtype))
        return maru_fail(MARU_INVALID_ARGUMENT, "dtype %d is not known", (int)dtype);
    maru_value_record record = {.name = "", .kind = kind, .source = source, .dtype = dtype, .rank = rank};
    record.dims = maru_arena_alloc_array(&graph->arena, rank ? rank : 1, sizeof *record.dims);
    if (name && *name)
        record.name = maru_arena_strdup(&graph->arena, name);
    if (!record.dims || !record.name)
        return maru_fail_oom("a value");
    for (uint32_t i = 0; i < rank; i++) {
        MARU_TRY(check_dim(graph, dims[i]));
        record.dims[i] = dims[i];
    }
    MARU_TRY(maru_array_push(&graph->values, record));
    *out_value = (maru_value)(graph->values.count - 1);
    return MARU_OK;
}

static maru_status check_value(const maru_graph *graph, maru_value value)
{
    if (value == MARU_NO_VALUE || value >= graph->values.count)
        return maru_fail(MARU_INVALID_ARGUMENT, "value %u is not of this graph", value);
    return MARU_OK;
}

maru_status maru_graph_value_info(const maru_graph *graph, maru_value value, maru_value_info *out_info)
{
    *out_info = (maru_value_info){0};
    MARU_TRY(check_value(graph, value));
    const maru_value_record *v = maru_graph_get(graph, value);
    *out_info = (maru_value_info){
        .name = v->name,
        .dtype = v->dtype,
        .rank = v->rank,
        .dims = v->dims,
        .is_constant = v->kind == MARU_VALUE_CONSTANT || v->kind == MARU_VALUE_SHAPE,
    };
    return MARU_OK;
}

maru_status maru_graph_input(maru_graph *graph, const char *name, maru_dtype dtype, const maru_dim *dims, uint32_t rank,
                             maru_value *out_value)
{
    *out_value = MARU_NO_VALUE;
    if (!name || !*name)
        return maru_fail(MARU_INVALID_ARGUMENT, "an input has no name");
    if (maru_map_get_str(&graph->input_names, name, NULL))
        return maru_fail(MARU_ALREADY_EXISTS, "input '%s' exists already", name);
    MARU_TRY(maru_graph_add_value(graph, MARU_VALUE_INPUT, (uint32_t)graph->inputs.count, name, dtype, dims, rank,
                                  out_value));
    MARU_TRY(maru_map_set_str(&graph->input_names, name, *out_value));
    return maru_array_push(&graph->inputs, *out_value);
}

size_t maru_graph_input_count(const maru_graph *graph)
{
    return graph->inputs.count;
}

maru_value maru_graph_input_at(const maru_graph *graph, size_t index)
{
    return index < graph->inputs.count ? graph->inputs.data[index] : MARU_NO_VALUE;
}

/* Follows the contents of small integer constants, so that they can serve as shapes, axes and pads. */
static maru_status note_elems(maru_graph *graph, maru_value value, const void *data)
{
    maru_value_record *v = &graph->values.data[value];
    if ((v->dtype != MARU_I64 && v->dtype != MARU_I32 && v->dtype != MARU_BOOL) || v->rank > 1 || !data)
        return MARU_OK;
    const uint32_t n = v->rank ? (uint32_t)v->dims[0] : 1;
    if (v->rank && v->dims[0] > 64)
        return MARU_OK;
    maru_dim *elems = maru_arena_alloc_array(&graph->arena, n ? n : 1, sizeof *elems);
    if (!elems)
        return maru_fail_oom("a constant's elements");
    for (uint32_t i = 0; i < n; i++)
        MARU_TRY(maru_expr_const(&graph->exprs, maru_dtype_load_i64(v->dtype, data, i), &elems[i]));
    graph->values.data[value].elems = elems;
    graph->values.data[value].n_elems = n;
    return MARU_OK;
}

/* Copied bytes are counted by their users, so that rewritten graphs share them. 64-byte aligned. */
typedef struct shared_bytes {
    _Alignas(64) atomic_size_t users;
    _Alignas(64) uint8_t data[];
} shared_bytes;

static void retain_bytes(void *owner)
{
    atomic_fetch_add(&((shared_bytes *)owner)->users, 1);
}

static void release_bytes(void *owner)
{
    if (atomic_fetch_sub(&((shared_bytes *)owner)->users, 1) == 1)
        free(owner);
}

static maru_status copy_bytes(const maru_constant_source *source, maru_constant_source *out)
{
    size_t bytes = 0;
    shared_bytes *shared = NULL;
    if (maru_add_size(source->bytes, sizeof *shared, &bytes) && maru_align_size(bytes, 64, &bytes))
        shared = aligned_alloc(64, bytes);
    if (!shared)
        return maru_fail_oom("a constant");
    atomic_init(&shared->users, 1);
    if (source->bytes)
        memcpy(shared->data, source->data, source->bytes);
    *out = (maru_constant_source){
        .data = shared->data,
        .bytes = source->bytes,
        .owner = shared,
        .retain = retain_bytes,
        .release = release_bytes,
        .is_stored = source->is_stored,
    };
    return MARU_OK;
}

maru_status maru_graph_constant(maru_graph *graph, const char *name, maru_dtype dtype, const int64_t *dims,
                                uint32_t rank, const maru_constant_source *source, maru_value *out_value)
{
    *out_value = MARU_NO_VALUE;
    size_t bytes = 0;
    MARU_TRY(maru_dtype_tensor_bytes(dtype, dims, rank, &bytes));
    const bool is_external = !source || (!source->data && bytes);
    if (is_external && !(name && *name))
        return maru_fail(MARU_INVALID_ARGUMENT, "a constant without data needs a name");
    if (!is_external && source->bytes != bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "constant '%s': %zu bytes given, its dims need %zu", name ? name : "",
                         source->bytes, bytes);
    const uint32_t index = (uint32_t)graph->constants.count;
    maru_constant_record record = {.source = {.bytes = bytes}, .name = ""};
    maru_value value = MARU_NO_VALUE;
    MARU_TRY(maru_graph_add_value(graph, MARU_VALUE_CONSTANT, index, name, dtype, dims, rank, &value));
    record.name = maru_graph_get(graph, value)->name;
    if (!is_external && !source->retain) {
        MARU_TRY(copy_bytes(source, &record.source));
    } else if (!is_external) {
        record.source = *source;
        source->retain(source->owner);
    }
    if (maru_array_push(&graph->constants, record) != MARU_OK) {
        if (record.source.release)
            record.source.release(record.source.owner);
        return maru_fail_oom("a constant");
    }
    MARU_TRY(note_elems(graph, value, record.source.data));
    *out_value = value;
    return MARU_OK;
}

maru_status maru_graph_give_data(maru_graph *graph, maru_value value, const maru_constant_source *source)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    maru_constant_source *to = &graph->constants.data[v->source].source;
    if (v->kind != MARU_VALUE_CONSTANT || to->data || to->bytes != source->bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "constant '%s' has data, or another size than %zu bytes", v->name,
                         source->bytes);
    if (!source->retain) {
        MARU_TRY(copy_bytes(source, to));
    } else {
        *to = *source;
        source->retain(source->owner);
    }
    return note_elems(graph, value, to->data);
}

const void *maru_graph_constant_data(const maru_graph *graph, maru_value value)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    return v->kind == MARU_VALUE_CONSTANT ? graph->constants.data[v->source].source.data : NULL;
}

maru_status maru_graph_scalar(maru_graph *graph, maru_dtype dtype, double value, maru_value *out_value)
{
    *out_value = MARU_NO_VALUE;
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    if (!info || info->kind == MARU_CLASS_BLOCK || info->kind == MARU_CLASS_STRING || info->block_elements != 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "a scalar of dtype %s is not possible", maru_dtype_name(dtype));
    uint64_t bits = 0;
    maru_dtype_store_f64(dtype, &bits, 0, value);
    const uint64_t key[2] = {(uint64_t)dtype, bits};
    uint64_t found = 0;
    if (maru_map_get(&graph->scalars, key, sizeof key, &found)) {
        *out_value = (maru_value)found;
        return MARU_OK;
    }
    const maru_constant_source source = {.data = &bits, .bytes = info->block_bytes};
    MARU_TRY(maru_graph_constant(graph, "", dtype, NULL, 0, &source, out_value));
    return maru_map_set(&graph->scalars, key, sizeof key, *out_value);
}

maru_status maru_graph_shape(maru_graph *graph, const maru_dim *elems, size_t n, maru_value *out_value)
{
    *out_value = MARU_NO_VALUE;
    for (size_t i = 0; i < n; i++)
        MARU_TRY(check_dim(graph, elems[i]));
    const maru_dim dims[1] = {(maru_dim)n};
    maru_dim *copy = maru_arena_memdup(&graph->arena, elems, n * sizeof *elems);
    if (!copy)
        return maru_fail_oom("a shape");
    MARU_TRY(maru_graph_add_value(graph, MARU_VALUE_SHAPE, 0, "", MARU_I64, dims, 1, out_value));
    graph->values.data[*out_value].elems = copy;
    graph->values.data[*out_value].n_elems = (uint32_t)n;
    return MARU_OK;
}

maru_status maru_graph_ints(maru_graph *graph, const int64_t *elems, size_t n, maru_value *out_value)
{
    const int64_t dims[1] = {(int64_t)n};
    const maru_constant_source source = {.data = elems, .bytes = n * sizeof *elems};
    return maru_graph_constant(graph, "", MARU_I64, dims, 1, &source, out_value);
}

maru_status maru_graph_name_value(maru_graph *graph, maru_value value, const char *name)
{
    MARU_TRY(check_value(graph, value));
    if (graph->values.data[value].kind == MARU_VALUE_INPUT)
        return MARU_OK;
    const char *copy = maru_arena_strdup(&graph->arena, name);
    if (!copy)
        return maru_fail_oom("a name");
    graph->values.data[value].name = copy;
    return MARU_OK;
}

/* ---- scopes ---- */

maru_status maru_graph_push_scope(maru_graph *graph, const char *name)
{
    const char *outer = maru_graph_scope(graph);
    const char *path = *outer ? maru_arena_printf(&graph->arena, "%s.%s", outer, name)
                              : maru_arena_strdup(&graph->arena, name);
    if (!path)
        return maru_fail_oom("a scope");
    return maru_array_push(&graph->scopes, path);
}

void maru_graph_pop_scope(maru_graph *graph)
{
    if (graph->scopes.count)
        graph->scopes.count--;
}

const char *maru_graph_scope(const maru_graph *graph)
{
    return graph->scopes.count ? graph->scopes.data[graph->scopes.count - 1] : "";
}

/* ---- outputs and states ---- */

maru_status maru_graph_output(maru_graph *graph, const char *name, maru_value value)
{
    MARU_TRY(check_value(graph, value));
    if (!name || !*name)
        return maru_fail(MARU_INVALID_ARGUMENT, "an output has no name");
    for (size_t i = 0; i < graph->outputs.count; i++)
        if (strcmp(graph->outputs.data[i].name, name) == 0)
            return maru_fail(MARU_ALREADY_EXISTS, "output '%s' exists already", name);
    const maru_output_record record = {maru_arena_strdup(&graph->arena, name), value};
    if (!record.name)
        return maru_fail_oom("an output");
    return maru_array_push(&graph->outputs, record);
}

size_t maru_graph_output_count(const maru_graph *graph)
{
    return graph->outputs.count;
}

maru_value maru_graph_output_at(const maru_graph *graph, size_t index, const char **out_name)
{
    if (index >= graph->outputs.count)
        return MARU_NO_VALUE;
    if (out_name)
        *out_name = graph->outputs.data[index].name;
    return graph->outputs.data[index].value;
}

static maru_state_record *find_state(maru_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->states.count; i++)
        if (strcmp(graph->states.data[i].name, name) == 0)
            return &graph->states.data[i];
    return NULL;
}

maru_status maru_graph_state(maru_graph *graph, const char *name, maru_dtype dtype, const int64_t *dims, uint32_t rank,
                             const maru_state_params *params, maru_value *out_value)
{
    *out_value = MARU_NO_VALUE;
    if (!name || !*name)
        return maru_fail(MARU_INVALID_ARGUMENT, "a state has no name");
    if (find_state(graph, name))
        return maru_fail(MARU_ALREADY_EXISTS, "state '%s' exists already", name);
    maru_state_record record = {.params = params ? *params : (maru_state_params){0}};
    if (record.params.axis < 0 || record.params.axis > (int)rank)
        return maru_fail(MARU_INVALID_ARGUMENT, "state '%s': axis %d is outside rank %u", name, record.params.axis - 1,
                         rank);
    if (record.params.length != MARU_NO_VALUE)
        MARU_TRY(check_value(graph, record.params.length));
    size_t bytes = 0;
    if (maru_dtype_tensor_bytes(dtype, dims, rank, &bytes) != MARU_OK)
        return maru_fail_within(MARU_INVALID_ARGUMENT, "state '%s'", name);
    MARU_TRY(maru_graph_add_value(graph, MARU_VALUE_STATE, (uint32_t)graph->states.count, name, dtype, dims, rank,
                                  &record.input));
    record.name = maru_graph_get(graph, record.input)->name;
    MARU_TRY(maru_array_push(&graph->states, record));
    *out_value = record.input;
    return MARU_OK;
}

maru_status maru_graph_set_state(maru_graph *graph, const char *name, maru_value value)
{
    maru_state_record *state = find_state(graph, name);
    if (!state)
        return maru_fail(MARU_NOT_FOUND, "there is no state '%s'", name);
    if (state->output != MARU_NO_VALUE)
        return maru_fail(MARU_ALREADY_EXISTS, "state '%s' was set before", name);
    MARU_TRY(check_value(graph, value));
    const maru_value_record *from = maru_graph_get(graph, state->input);
    const maru_value_record *to = maru_graph_get(graph, value);
    if (from->dtype != to->dtype || from->rank != to->rank ||
        memcmp(from->dims, to->dims, from->rank * sizeof *from->dims) != 0) {
        maru_str a = {0};
        maru_str b = {0};
        maru_dims_print(&graph->exprs, from->dims, from->rank, &a);
        maru_dims_print(&graph->exprs, to->dims, to->rank, &b);
        maru_status status = maru_fail(MARU_INVALID_ARGUMENT, "state '%s' is %s%s, but is set to %s%s", name,
                                       maru_dtype_name(from->dtype), maru_str_get(&a), maru_dtype_name(to->dtype),
                                       maru_str_get(&b));
        maru_str_fini(&a);
        maru_str_fini(&b);
        return status;
    }
    state->output = value;
    return MARU_OK;
}

size_t maru_graph_state_count(const maru_graph *graph)
{
    return graph->states.count;
}

const char *maru_graph_state_name(const maru_graph *graph, size_t index)
{
    return index < graph->states.count ? graph->states.data[index].name : "";
}
