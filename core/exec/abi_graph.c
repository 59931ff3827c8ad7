// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/abi_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

#define ARRAY_OF(type, pointer, n) \
    (maru_abi_array) { .data = (pointer), .count = (uint32_t)(n), .stride = (uint32_t)sizeof(type) }

typedef struct writer {
    const maru_graph *graph;
    const maru_abi_graph_part *part;
    maru_arena *arena;
    uint32_t *index;  // value -> abi value + 1
    MARU_ARRAY(maru_value) used;
    MARU_ARRAY(maru_abi_value) values;
    MARU_ARRAY(int64_t) dims;
    MARU_ARRAY(uint32_t) operands;
    MARU_ARRAY(maru_abi_attr) attrs;
    MARU_ARRAY(maru_abi_node) nodes;
    MARU_ARRAY(maru_abi_constant) constants;
    MARU_ARRAY(maru_abi_span) spans;
    MARU_ARRAY(maru_abi_state) states;
    MARU_ARRAY(uint32_t) inputs;
    MARU_ARRAY(uint32_t) outputs;
} writer;

static void fini(writer *w)
{
    free(w->index);
    maru_array_fini(&w->used);
    maru_array_fini(&w->values);
    maru_array_fini(&w->dims);
    maru_array_fini(&w->operands);
    maru_array_fini(&w->attrs);
    maru_array_fini(&w->nodes);
    maru_array_fini(&w->constants);
    maru_array_fini(&w->spans);
    maru_array_fini(&w->states);
    maru_array_fini(&w->inputs);
    maru_array_fini(&w->outputs);
}

static const maru_node_record *node_at(const writer *w, size_t k)
{
    return &w->graph->nodes.data[w->part->nodes ? w->part->nodes[k] : k];
}

/* ---- values ---- */

static maru_status use(writer *w, maru_value value)
{
    if (value == MARU_NO_VALUE || w->index[value])
        return MARU_OK;
    MARU_TRY(maru_array_push(&w->used, value));
    w->index[value] = (uint32_t)w->used.count;
    return MARU_OK;
}

static uint32_t ref(const writer *w, maru_value value)
{
    return value == MARU_NO_VALUE ? MARU_ABI_NO_INDEX : w->index[value] - 1;
}

static int by_value(const void *a, const void *b)
{
    const maru_value x = *(const maru_value *)a;
    const maru_value y = *(const maru_value *)b;
    return x < y ? -1 : x > y;
}

static maru_status use_ends(writer *w)
{
    const maru_graph *g = w->graph;
    for (size_t i = 0; i < w->part->n_inputs; i++)
        MARU_TRY(use(w, w->part->inputs[i]));
    for (size_t i = 0; i < w->part->n_outputs; i++)
        MARU_TRY(use(w, w->part->outputs[i]));
    if (w->part->nodes)
        return MARU_OK;
    for (size_t i = 0; i < g->inputs.count; i++)
        MARU_TRY(use(w, g->inputs.data[i]));
    for (size_t i = 0; i < g->states.count; i++) {
        MARU_TRY(use(w, g->states.data[i].input));
        MARU_TRY(use(w, g->states.data[i].output));
        MARU_TRY(use(w, g->states.data[i].params.length));
    }
    for (size_t i = 0; i < g->outputs.count; i++)
        MARU_TRY(use(w, g->outputs.data[i].value));
    return MARU_OK;
}

/* All values the nodes touch, renumbered in value order. */
static maru_status collect_values(writer *w)
{
    for (size_t k = 0; k < w->part->n_nodes; k++) {
        const maru_node_record *node = node_at(w, k);
        for (uint32_t i = 0; i < node->n_inputs; i++)
            MARU_TRY(use(w, node->inputs[i]));
        for (uint32_t i = 0; i < node->n_outputs; i++)
            MARU_TRY(use(w, node->outputs[i]));
        for (uint32_t i = 0; i < node->n_attrs; i++)
            if (node->attrs[i].kind == MARU_ATTR_TENSOR)
                MARU_TRY(use(w, node->attrs[i].tensor));
    }
    MARU_TRY(use_ends(w));
    if (w->used.count)
        qsort(w->used.data, w->used.count, sizeof *w->used.data, by_value);
    for (size_t i = 0; i < w->used.count; i++)
        w->index[w->used.data[i]] = (uint32_t)i + 1;
    return MARU_OK;
}

static maru_abi_dtype abi_dtype(maru_dtype dtype)
{
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    return (maru_abi_dtype){(uint32_t)dtype, info->block_elements, info->block_bytes};
}

static maru_status write_dims(writer *w, const maru_dim *dims, uint32_t n, uint32_t *out_first)
{
    *out_first = (uint32_t)w->dims.count;
    for (uint32_t i = 0; i < n; i++)
        MARU_TRY(maru_array_push(&w->dims, dims[i]));
    return MARU_OK;
}

static maru_status write_constant(writer *w, const maru_value_record *v, uint32_t first_dim)
{
    const maru_constant_record *c = &w->graph->constants.data[v->source];
    maru_abi_constant out = {
        .name = c->name,
        .dtype = abi_dtype(v->dtype),
        .rank = v->rank,
        .first_dim = first_dim,
        .first_span = (uint32_t)w->spans.count,
        .bytes = c->source.bytes,
        .data = c->source.data,
    };
    if (w->part->contents)
        memcpy(out.content_hash, &w->part->contents[v->source], sizeof out.content_hash);
    if (c->source.fd > 0) {
        const maru_abi_span span = {.fd = c->source.fd, .offset = c->source.offset, .bytes = c->source.bytes};
        MARU_TRY(maru_array_push(&w->spans, span));
        out.n_spans = 1;
    }
    return maru_array_push(&w->constants, out);
}

/* Index of the node among those written, for the source of a value made inside; a binary search. */
static uint32_t node_index(const writer *w, uint32_t node)
{
    if (!w->part->nodes)
        return node;
    size_t low = 0;
    size_t high = w->part->n_nodes;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (w->part->nodes[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low < w->part->n_nodes && w->part->nodes[low] == node ? (uint32_t)low : MARU_ABI_NO_INDEX;
}

static maru_status write_value(writer *w, maru_value value)
{
    const maru_value_record *v = maru_graph_get(w->graph, value);
    maru_abi_value out = {.name = v->name, .dtype = abi_dtype(v->dtype), .rank = v->rank, .n_elems = v->n_elems,
                          .kind = MARU_ABI_VALUE_INPUT, .flags = v->has_bound_dims ? 1 : 0};
    MARU_TRY(write_dims(w, v->dims, v->rank, &out.first_dim));
    MARU_TRY(write_dims(w, v->elems, v->n_elems, &out.first_elem));
    switch (v->kind) {
    case MARU_VALUE_INPUT:
    case MARU_VALUE_STATE: break;
    case MARU_VALUE_SHAPE: out.kind = MARU_ABI_VALUE_SHAPE; break;
    case MARU_VALUE_CONSTANT:
        out.kind = MARU_ABI_VALUE_CONSTANT;
        out.source = (uint32_t)w->constants.count;
        MARU_TRY(write_constant(w, v, out.first_dim));
        break;
    case MARU_VALUE_NODE: {
        const uint32_t node = node_index(w, v->source);
        if (node != MARU_ABI_NO_INDEX) {
            out.kind = MARU_ABI_VALUE_NODE;
            out.source = node;
        }
        break;
    }
    }
    return maru_array_push(&w->values, out);
}

/* ---- nodes ---- */

static maru_status write_attr(writer *w, const maru_attribute *a)
{
    maru_abi_attr out = {.name = a->name, .kind = (uint32_t)a->kind, .count = 1};
    uint32_t *tensor = NULL;
    switch (a->kind) {
    case MARU_ATTR_INT: out.payload = &a->i; break;
    case MARU_ATTR_FLOAT: out.payload = &a->f; break;
    case MARU_ATTR_STRING:
        out.payload = a->s;
        out.count = (uint32_t)strlen(a->s);
        break;
    case MARU_ATTR_INTS: out.payload = a->ints; break;
    case MARU_ATTR_FLOATS: out.payload = a->floats; break;
    case MARU_ATTR_STRINGS: out.payload = a->strings; break;
    case MARU_ATTR_TENSOR:
        tensor = maru_arena_alloc(w->arena, sizeof *tensor);
        if (!tensor)
            return maru_fail_oom("a graph for a plugin");
        *tensor = w->values.data[ref(w, a->tensor)].source;
        out.payload = tensor;
        break;
    }
    if (a->kind == MARU_ATTR_INTS || a->kind == MARU_ATTR_FLOATS || a->kind == MARU_ATTR_STRINGS)
        out.count = (uint32_t)a->n;
    return maru_array_push(&w->attrs, out);
}

static maru_status write_node(writer *w, const maru_node_record *node)
{
    maru_abi_node out = {
        .domain = node->op->domain,
        .op = node->op->name,
        .scope = node->scope,
        .since_version = node->op->since_version,
        .first_input = (uint32_t)w->operands.count,
        .n_inputs = node->n_inputs,
        .n_outputs = node->n_outputs,
        .first_attr = (uint32_t)w->attrs.count,
        .n_attrs = node->n_attrs,
    };
    for (uint32_t i = 0; i < node->n_inputs; i++)
        MARU_TRY(maru_array_push(&w->operands, ref(w, node->inputs[i])));
    out.first_output = (uint32_t)w->operands.count;
    for (uint32_t i = 0; i < node->n_outputs; i++)
        MARU_TRY(maru_array_push(&w->operands, ref(w, node->outputs[i])));
    for (uint32_t i = 0; i < node->n_attrs; i++)
        MARU_TRY(write_attr(w, &node->attrs[i]));
    return maru_array_push(&w->nodes, out);
}

/* ---- the border ---- */

static maru_status write_own_ends(writer *w)
{
    const maru_graph *g = w->graph;
    for (size_t i = 0; i < g->inputs.count; i++)
        MARU_TRY(maru_array_push(&w->inputs, ref(w, g->inputs.data[i])));
    for (size_t i = 0; i < g->outputs.count; i++)
        MARU_TRY(maru_array_push(&w->outputs, ref(w, g->outputs.data[i].value)));
    for (size_t i = 0; i < g->states.count; i++) {
        const maru_state_record *s = &g->states.data[i];
        const maru_abi_state state = {
            .name = s->name,
            .input = ref(w, s->input),
            .output = ref(w, s->output),
            .axis = s->params.axis - 1,
            .length = ref(w, s->params.length),
            .flags = s->params.is_ring ? MARU_ABI_STATE_RING : 0,
        };
        MARU_TRY(maru_array_push(&w->states, state));
        MARU_TRY(maru_array_push(&w->inputs, state.input));
        MARU_TRY(maru_array_push(&w->outputs, state.output));
    }
    return MARU_OK;
}

static maru_status write_ends(writer *w)
{
    if (!w->part->nodes)
        return write_own_ends(w);
    for (size_t i = 0; i < w->part->n_inputs; i++)
        MARU_TRY(maru_array_push(&w->inputs, ref(w, w->part->inputs[i])));
    for (size_t i = 0; i < w->part->n_outputs; i++)
        MARU_TRY(maru_array_push(&w->outputs, ref(w, w->part->outputs[i])));
    return MARU_OK;
}

/* ---- whole ---- */

/* Moves a growing array into the arena, where the graph points to it. */
static bool keep(maru_arena *arena, const void *data, size_t n, size_t item, maru_abi_array *out)
{
    void *copy = maru_arena_memdup(arena, data ? data : "", n * item);
    *out = (maru_abi_array){.data = copy, .count = (uint32_t)n, .stride = (uint32_t)item};
    return copy != NULL;
}

#define KEEP(list, field) keep(w->arena, w->list.data, w->list.count, sizeof *w->list.data, &out->field)

static maru_status keep_all(writer *w, maru_abi_graph *out)
{
    const bool ok = KEEP(dims, dims) && KEEP(values, values) && KEEP(operands, operands) && KEEP(attrs, attrs) &&
                    KEEP(nodes, nodes) && KEEP(constants, constants) && KEEP(spans, spans) && KEEP(states, states) &&
                    KEEP(inputs, inputs) && KEEP(outputs, outputs);
    return ok ? MARU_OK : maru_fail_oom("a graph for a plugin");
}

static maru_status write_symbols(writer *w, maru_abi_graph *out)
{
    const maru_exprs *exprs = &w->graph->exprs;
    maru_abi_symbol *symbols = maru_arena_alloc_array(w->arena, exprs->symbols.count + 1, sizeof *symbols);
    maru_abi_expr *list = maru_arena_alloc_array(w->arena, exprs->list.count + 1, sizeof *list);
    maru_abi_domain *domains = maru_arena_alloc_array(w->arena, 2, sizeof *domains);
    if (!symbols || !list || !domains)
        return maru_fail_oom("a graph for a plugin");
    for (size_t i = 0; i < exprs->symbols.count; i++) {
        const maru_symbol_params *p = &exprs->symbols.data[i].params;
        symbols[i] = (maru_abi_symbol){exprs->symbols.data[i].name, p->min, p->max, p->multiple_of, p->typical};
    }
    for (size_t i = 0; i < exprs->list.count; i++)
        list[i] = (maru_abi_expr){.op = (uint32_t)exprs->list.data[i].op, .a = exprs->list.data[i].a,
                                  .b = exprs->list.data[i].b};
    domains[0] = (maru_abi_domain){.name = "", .version = MARU_OPSET_ONNX};
    domains[1] = (maru_abi_domain){.name = "maru", .version = MARU_OPSET_MARU};
    out->symbols = ARRAY_OF(maru_abi_symbol, symbols, exprs->symbols.count);
    out->exprs = ARRAY_OF(maru_abi_expr, list, exprs->list.count);
    out->domains = ARRAY_OF(maru_abi_domain, domains, 2);
    return MARU_OK;
}

static maru_status write_all(writer *w, maru_abi_graph *out)
{
    MARU_TRY(collect_values(w));
    for (size_t i = 0; i < w->used.count; i++)
        MARU_TRY(write_value(w, w->used.data[i]));
    for (size_t k = 0; k < w->part->n_nodes; k++)
        MARU_TRY(write_node(w, node_at(w, k)));
    MARU_TRY(write_ends(w));
    MARU_TRY(write_symbols(w, out));
    return keep_all(w, out);
}

maru_status maru_abi_graph_make(const maru_graph *graph, const maru_abi_graph_part *part, maru_abi_graph_box *out)
{
    *out = (maru_abi_graph_box){.graph = {.head = MARU_ABI_HEAD(maru_abi_graph), .name = graph->name}};
    const maru_abi_graph_part all = {.n_nodes = graph->nodes.count};
    writer w = {.graph = graph, .part = part ? part : &all, .arena = &out->arena};
    w.index = calloc(graph->values.count, sizeof *w.index);
    maru_status status = w.index ? write_all(&w, &out->graph) : maru_fail_oom("a graph for a plugin");
    fini(&w);
    if (status != MARU_OK)
        maru_abi_graph_fini(out);
    return status;
}

void maru_abi_graph_fini(maru_abi_graph_box *box)
{
    maru_arena_fini(&box->arena);
    *box = (maru_abi_graph_box){0};
}
