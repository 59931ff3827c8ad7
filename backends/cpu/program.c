// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

#include "program.h"

#include <string.h>
#include <unistd.h>

/* ---- a copy of the graph -------------------------------------------------------- */

/* A dense copy of an array of records. */
static int copy_array(cpu_arena *arena, maru_abi_array from, uint32_t record_bytes, maru_abi_array *out)
{
    char *copy = cpu_arena_alloc(arena, from.count, record_bytes);
    *out = (maru_abi_array){copy, from.count, record_bytes};
    if (!copy)
        return 0;
    for (uint32_t i = 0; i < from.count; i++)
        memcpy(copy + (size_t)i * record_bytes, (const char *)from.data + (size_t)i * from.stride, record_bytes);
    return 1;
}

static int copy_text(cpu_arena *arena, const char **text)
{
    *text = cpu_arena_copy(arena, *text ? *text : "", *text ? strlen(*text) : 0);
    return *text != NULL;
}

static int copy_strings(cpu_arena *arena, maru_abi_attr *attr)
{
    const char **copy = cpu_arena_alloc(arena, attr->count, sizeof *copy);
    const char *const *from = attr->payload;
    for (uint32_t i = 0; copy && i < attr->count; i++) {
        copy[i] = from[i];
        if (!copy_text(arena, &copy[i]))
            return 0;
    }
    attr->payload = copy;
    return copy != NULL;
}

static int copy_attr(cpu_arena *arena, maru_abi_attr *attr)
{
    static const uint8_t item_bytes[] = {
        [MARU_ABI_ATTR_INT] = 8,  [MARU_ABI_ATTR_FLOAT] = 8,  [MARU_ABI_ATTR_STRING] = 1,
        [MARU_ABI_ATTR_INTS] = 8, [MARU_ABI_ATTR_FLOATS] = 8, [MARU_ABI_ATTR_TENSOR] = 4,
    };
    if (!copy_text(arena, &attr->name))
        return 0;
    if (attr->kind == MARU_ABI_ATTR_STRINGS)
        return copy_strings(arena, attr);
    attr->payload = cpu_arena_copy(arena, attr->payload, (uint64_t)attr->count * item_bytes[attr->kind]);
    return attr->payload != NULL;
}

static int copy_names(cpu_arena *arena, const maru_abi_graph *graph)
{
    for (uint32_t i = 0; i < graph->nodes.count; i++) {
        maru_abi_node *node = (maru_abi_node *)(uintptr_t)cpu_node(graph, i);
        if (!copy_text(arena, &node->domain) || !copy_text(arena, &node->op) || !copy_text(arena, &node->scope))
            return 0;
    }
    for (uint32_t i = 0; i < graph->values.count; i++) {
        maru_abi_value *value = (maru_abi_value *)(uintptr_t)cpu_value(graph, i);
        if (!copy_text(arena, &value->name))
            return 0;
    }
    for (uint32_t i = 0; i < graph->attrs.count; i++) {
        maru_abi_attr *attr = (maru_abi_attr *)(uintptr_t)MARU_ABI_AT(maru_abi_attr, graph->attrs, i);
        if (!copy_attr(arena, attr))
            return 0;
    }
    return 1;
}

static int copy_graph(cpu_arena *arena, const maru_abi_graph *from, maru_abi_graph *out)
{
    *out = (maru_abi_graph){.head = MARU_ABI_HEAD(maru_abi_graph), .name = ""};
    return copy_array(arena, from->symbols, sizeof(maru_abi_symbol), &out->symbols) &&
           copy_array(arena, from->exprs, sizeof(maru_abi_expr), &out->exprs) &&
           copy_array(arena, from->dims, sizeof(int64_t), &out->dims) &&
           copy_array(arena, from->values, sizeof(maru_abi_value), &out->values) &&
           copy_array(arena, from->operands, sizeof(uint32_t), &out->operands) &&
           copy_array(arena, from->attrs, sizeof(maru_abi_attr), &out->attrs) &&
           copy_array(arena, from->nodes, sizeof(maru_abi_node), &out->nodes) &&
           copy_array(arena, from->constants, sizeof(maru_abi_constant), &out->constants) &&
           copy_array(arena, from->inputs, sizeof(uint32_t), &out->inputs) &&
           copy_array(arena, from->outputs, sizeof(uint32_t), &out->outputs) && copy_names(arena, out);
}

/* ---- constants -------------------------------------------------------------------- */

static maru_abi_status read_spans(const maru_abi_graph *graph, const maru_abi_constant *constant, char *out,
                                  maru_abi_error *error)
{
    uint64_t done = 0;
    for (uint32_t i = 0; i < constant->n_spans; i++) {
        const maru_abi_span *span = MARU_ABI_AT(maru_abi_span, graph->spans, constant->first_span + i);
        for (uint64_t at = 0; at < span->bytes && done < constant->bytes;) {
            uint64_t wanted = span->bytes - at < constant->bytes - done ? span->bytes - at : constant->bytes - done;
            ssize_t got = pread(span->fd, out + done, wanted, (off_t)(span->offset + at));
            if (got <= 0)
                return cpu_fail(error, MARU_ABI_DATA_LOSS, "constant '%s': its file ends before its bytes do",
                                constant->name);
            at += (uint64_t)got;
            done += (uint64_t)got;
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status keep_constant(maru_abi_program *p, const maru_abi_graph *from, uint32_t index,
                                     maru_abi_error *error)
{
    const maru_abi_constant *source = MARU_ABI_AT(maru_abi_constant, from->constants, index);
    maru_abi_constant *own = (maru_abi_constant *)(uintptr_t)MARU_ABI_AT(maru_abi_constant, p->graph.constants, index);
    char *data = cpu_arena_alloc(&p->arena, 1, source->bytes + 1);
    own->data = data;
    if (!data)
        return cpu_no_memory(error, "a constant");
    if (!source->data)
        return read_spans(from, source, data, error);
    memcpy(data, source->data, source->bytes);
    return MARU_ABI_OK;
}

static maru_abi_status keep_constants(maru_abi_program *p, const maru_abi_graph *from, maru_abi_error *error)
{
    maru_abi_status status = MARU_ABI_OK;
    for (uint32_t i = 0; i < p->graph.constants.count; i++) {
        maru_abi_constant *own = (maru_abi_constant *)(uintptr_t)MARU_ABI_AT(maru_abi_constant, p->graph.constants, i);
        own->data = NULL;
        own->n_spans = 0;
        own->name = "";
    }
    for (uint32_t i = 0; i < from->attrs.count && status == MARU_ABI_OK; i++) {
        const maru_abi_attr *attr = MARU_ABI_AT(maru_abi_attr, from->attrs, i);
        if (attr->kind == MARU_ABI_ATTR_TENSOR)
            status = keep_constant(p, from, *(const uint32_t *)attr->payload, error);
    }
    return status;
}

/* ---- where values live -------------------------------------------------------------- */

static int is_operand(const maru_abi_graph *graph, uint32_t value)
{
    for (uint32_t n = 0; n < graph->nodes.count; n++) {
        const maru_abi_node *node = cpu_node(graph, n);
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            if (cpu_operand(graph, node->first_input + i) == value)
                return 1;
        }
    }
    return 0;
}

/* An output is a node's, or a copy; one value may be several outputs. */
static void bind_output(maru_abi_program *p, uint32_t value)
{
    const maru_abi_value *v = cpu_value(&p->graph, value);
    if (v->kind == MARU_ABI_VALUE_NODE && p->binding_of[value] == MARU_ABI_NO_INDEX)
        p->binding_of[value] = p->n_bound;
    else
        p->passes[p->n_passes++] = (cpu_pass){value, p->n_bound};
    p->n_bound++;
}

static void bind_values(maru_abi_program *p)
{
    const maru_abi_graph *graph = &p->graph;
    for (uint32_t i = 0; i < graph->values.count; i++)
        p->binding_of[i] = MARU_ABI_NO_INDEX;
    for (uint32_t i = 0; i < graph->inputs.count; i++)
        p->binding_of[*MARU_ABI_AT(uint32_t, graph->inputs, i)] = p->n_bound++;
    for (uint32_t i = 0; i < graph->values.count; i++) {
        if (cpu_value(graph, i)->kind == MARU_ABI_VALUE_SHAPE && is_operand(graph, i))
            p->binding_of[i] = p->n_bound++;
    }
    for (uint32_t i = 0; i < graph->outputs.count; i++)
        bind_output(p, *MARU_ABI_AT(uint32_t, graph->outputs, i));
}

int cpu_is_output(const maru_abi_graph *graph, uint32_t value)
{
    for (uint32_t i = 0; i < graph->outputs.count; i++) {
        if (*MARU_ABI_AT(uint32_t, graph->outputs, i) == value)
            return 1;
    }
    return 0;
}

/* A constant that only attributes name is inside the program. */
static void bind_constants(maru_abi_program *p)
{
    const maru_abi_graph *graph = &p->graph;
    for (uint32_t c = 0; c < graph->constants.count; c++) {
        int is_bound = 0;
        for (uint32_t i = 0; i < graph->values.count; i++) {
            const maru_abi_value *value = cpu_value(graph, i);
            if (value->kind != MARU_ABI_VALUE_CONSTANT || value->source != c ||
                (!is_operand(graph, i) && !cpu_is_output(graph, i)))
                continue;
            p->binding_of[i] = p->n_bound;
            is_bound = 1;
        }
        p->uses[c].how = is_bound ? MARU_ABI_CONSTANT_PLAIN : MARU_ABI_CONSTANT_BAKED;
        p->n_bound += (uint32_t)is_bound;
    }
}

/* ---- chains -------------------------------------------------------------------------- */

static int find_chains(maru_abi_program *p)
{
    const maru_abi_graph *graph = &p->graph;
    uint32_t *n_readers = cpu_arena_alloc(&p->arena, graph->values.count, sizeof *n_readers);
    uint32_t *reader = cpu_arena_alloc(&p->arena, graph->values.count, sizeof *reader);
    if (!n_readers || !reader)
        return 0;
    cpu_count_readers(graph, n_readers);
    cpu_find_readers(graph, reader);
    for (uint32_t i = 0; i < graph->nodes.count; i++)
        p->chain_of[i] = MARU_ABI_NO_INDEX;
    for (uint32_t i = 0; i < graph->nodes.count; i++) {
        cpu_chain *chain = &p->chains[p->n_chains];
        if (!cpu_chain_find(graph, n_readers, reader, i, chain))
            continue;
        int is_free = 1;
        for (uint32_t k = 0; k < chain->n_nodes; k++)
            is_free = is_free && p->chain_of[chain->nodes[k]] == MARU_ABI_NO_INDEX;
        for (uint32_t k = 0; is_free && k < chain->n_nodes; k++)
            p->chain_of[chain->nodes[k]] = p->n_chains;
        p->n_chains += (uint32_t)is_free;
    }
    return 1;
}

/* True dims come in the order of the outputs; a value inside has none, so nobody could read its elements. */
static maru_abi_status bind_true_dims(maru_abi_program *p, maru_abi_error *error)
{
    const maru_abi_graph *graph = &p->graph;
    for (uint32_t i = 0; i < graph->nodes.count; i++)
        p->true_dims_of[i] = MARU_ABI_NO_INDEX;
    for (uint32_t i = 0; i < graph->outputs.count; i++) {
        const maru_abi_value *value = cpu_value(graph, *MARU_ABI_AT(uint32_t, graph->outputs, i));
        if (!(value->flags & CPU_VALUE_DATA_DEPENDENT))
            continue;
        if (value->kind == MARU_ABI_VALUE_NODE && p->true_dims_of[value->source] == MARU_ABI_NO_INDEX)
            p->true_dims_of[value->source] = p->n_true_dims;
        p->n_true_dims += value->rank;
    }
    for (uint32_t i = 0; i < graph->values.count; i++) {
        const maru_abi_value *value = cpu_value(graph, i);
        if (value->kind == MARU_ABI_VALUE_NODE && (value->flags & CPU_VALUE_DATA_DEPENDENT) && !cpu_is_output(graph, i))
            return cpu_fail(error, MARU_ABI_UNSUPPORTED, "value '%s' inside a program has data-dependent dims",
                            value->name);
    }
    return MARU_ABI_OK;
}

/* ---- compile ---------------------------------------------------------------------------- */

static void program_drop(void *product)
{
    maru_abi_program *p = product;
    const maru_abi_host *host = p->arena.host;
    cpu_arena_fini(&p->arena);
    cpu_free(host, p);
}

static maru_abi_status accept_nodes(maru_abi_program *p, maru_abi_error *error)
{
    for (uint32_t i = 0; i < p->graph.nodes.count; i++) {
        char why[256] = "";
        uint32_t code = 0;
        p->ops[i] = cpu_accept(&p->graph, i, &code, why, sizeof why);
        if (!p->ops[i]) {
            cpu_fail(error, MARU_ABI_UNSUPPORTED, "%s", why);
            if (error)
                error->node = i;
            return MARU_ABI_UNSUPPORTED;
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status build(maru_abi_program *p, const maru_abi_graph *graph, maru_abi_error *error)
{
    cpu_arena *arena = &p->arena;
    p->ops = cpu_arena_alloc(arena, graph->nodes.count, sizeof *p->ops);
    p->binding_of = cpu_arena_alloc(arena, graph->values.count, sizeof *p->binding_of);
    p->true_dims_of = cpu_arena_alloc(arena, graph->nodes.count, sizeof *p->true_dims_of);
    p->uses = cpu_arena_alloc(arena, graph->constants.count, sizeof *p->uses);
    p->passes = cpu_arena_alloc(arena, graph->outputs.count, sizeof *p->passes);
    p->layout_of = cpu_arena_alloc(arena, graph->values.count, sizeof *p->layout_of);
    p->packings = cpu_arena_alloc(arena, graph->constants.count, sizeof *p->packings);
    p->chains = cpu_arena_alloc(arena, graph->nodes.count, sizeof *p->chains);
    p->chain_of = cpu_arena_alloc(arena, graph->nodes.count, sizeof *p->chain_of);
    if (!p->ops || !p->binding_of || !p->true_dims_of || !p->uses || !p->passes || !p->layout_of || !p->packings ||
        !p->chains || !p->chain_of)
        return cpu_no_memory(error, "a program");
    for (uint32_t i = 0; i < graph->attrs.count; i++) {
        const maru_abi_attr *attr = MARU_ABI_AT(maru_abi_attr, graph->attrs, i);
        if (attr->kind < MARU_ABI_ATTR_INT || attr->kind > MARU_ABI_ATTR_TENSOR)
            return cpu_fail(error, MARU_ABI_UNSUPPORTED, "attribute '%s' has kind %u, which is not known", attr->name,
                            attr->kind);
    }
    if (!copy_graph(arena, graph, &p->graph))
        return cpu_no_memory(error, "a program");
    maru_abi_status status = keep_constants(p, graph, error);
    if (status == MARU_ABI_OK)
        status = accept_nodes(p, error);
    if (status != MARU_ABI_OK)
        return status;
    bind_values(p);
    bind_constants(p);
    if (!cpu_choose_packings(p) || !find_chains(p))
        return cpu_no_memory(error, "a program");
    return bind_true_dims(p, error);
}

static maru_abi_status compile(maru_abi_device *device, const maru_abi_compile_request *request,
                               maru_abi_job **out_job, maru_abi_error *error)
{
    if (request->flags >> 32)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "compile: unknown flags 0x%llx",
                        (unsigned long long)request->flags);
    maru_abi_program *p = cpu_alloc(device->plugin->host, 1, sizeof *p);
    if (!p)
        return cpu_no_memory(error, "a program");
    p->device = device;
    p->arena.host = device->plugin->host;
    maru_abi_status status = build(p, request->graph, error);
    if (status != MARU_ABI_OK) {
        program_drop(p);
        return status;
    }
    return cpu_job_done(device, p, program_drop, out_job, error);
}

static maru_abi_status compile_take(maru_abi_job *job, maru_abi_program **out_program, maru_abi_error *error)
{
    if (!job->product)
        return cpu_fail(error, MARU_ABI_FAILED_PRECONDITION, "the program was taken already");
    *out_program = job->product;
    job->product = NULL;
    atomic_fetch_add(&job->device->n_children, 1);
    return MARU_ABI_OK;
}

static void program_destroy(maru_abi_program *program)
{
    atomic_fetch_sub(&program->device->n_children, 1);
    program_drop(program);
}

static maru_abi_status program_info(maru_abi_program *program, maru_abi_program_info *out, maru_abi_error *error)
{
    (void)error;
    maru_abi_program_info info = {
        .head = MARU_ABI_HEAD(maru_abi_program_info),
        .constants = {program->uses, program->graph.constants.count, sizeof *program->uses},
        .needs_bind = 1,
    };
    info.head.struct_size = out->head.struct_size < sizeof info ? out->head.struct_size : (uint32_t)sizeof info;
    memcpy(out, &info, info.head.struct_size);
    return MARU_ABI_OK;
}

const maru_abi_graph_fns cpu_graph_fns = {
    .head = MARU_ABI_HEAD(maru_abi_graph_fns),
    .claim = cpu_claim,
    .claim_take = cpu_claim_take,
    .compile = compile,
    .compile_take = compile_take,
    .program_destroy = program_destroy,
    .program_info = program_info,
    .program_bind = cpu_program_bind,
    .bound_destroy = cpu_bound_destroy,
    .pack = cpu_pack,
};
