// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

#include "program.h"

#include <string.h>
#include <unistd.h>

#define LARGEST_WORKSPACE (1ull << 46)

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

static int is_output(const maru_abi_graph *graph, uint32_t value)
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
                (!is_operand(graph, i) && !is_output(graph, i)))
                continue;
            p->binding_of[i] = p->n_bound;
            is_bound = 1;
        }
        p->uses[c].how = is_bound ? MARU_ABI_CONSTANT_PLAIN : MARU_ABI_CONSTANT_BAKED;
        p->n_bound += (uint32_t)is_bound;
    }
}

/* ---- packed constants ------------------------------------------------------------- */

/* Dims that are constant; 0 for the others. */
static void describe_constant_dims(const maru_abi_graph *graph, uint32_t value, cpu_tensor *out)
{
    const maru_abi_value *v = cpu_value(graph, value);
    *out = (cpu_tensor){.dtype = v->dtype.id, .rank = v->rank, .count = 1};
    for (uint32_t d = 0; d < v->rank; d++) {
        const int64_t dim = *MARU_ABI_AT(int64_t, graph->dims, v->first_dim + d);
        out->dims[d] = dim > 0 ? dim : 0;
        out->count *= out->dims[d];
    }
}

/* The form in which the node wants its input; NULL: dense. */
static const cpu_packing *packing_of(const maru_abi_program *p, uint32_t index, uint32_t input, uint32_t *out_layout)
{
    const maru_abi_node *node = cpu_node(&p->graph, index);
    cpu_tensor operands[4] = {{0}};
    if (node->n_inputs > 4)
        return NULL;
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        const uint32_t value = cpu_operand(&p->graph, node->first_input + i);
        if (value != MARU_ABI_NO_INDEX)
            describe_constant_dims(&p->graph, value, &operands[i]);
    }
    const cpu_call call = {.attrs = {&p->graph, node}, .in = operands, .n_in = node->n_inputs};
    return cpu_packing_find(p->device, &call, input, out_layout);
}

/* Packs a constant if all that read it want the same form. */
static void choose_packing(maru_abi_program *p, uint32_t value)
{
    const cpu_packing *common = NULL;
    uint32_t common_layout = 0;
    for (uint32_t n = 0; n < p->graph.nodes.count; n++) {
        const maru_abi_node *node = cpu_node(&p->graph, n);
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            if (cpu_operand(&p->graph, node->first_input + i) != value)
                continue;
            uint32_t layout = 0;
            const cpu_packing *packing = packing_of(p, n, i, &layout);
            if (!packing || (common && layout != common_layout))
                return;
            common = packing;
            common_layout = layout;
        }
    }
    if (!common)
        return;
    const uint32_t constant = cpu_value(&p->graph, value)->source;
    cpu_tensor t;
    describe_constant_dims(&p->graph, value, &t);
    p->layout_of[value] = common_layout;
    p->packings[constant] = common;
    p->uses[constant] =
        (maru_abi_constant_use){MARU_ABI_CONSTANT_PACKED, common_layout, common->bytes(&t, common_layout)};
}

static void choose_packings(maru_abi_program *p)
{
    const maru_abi_graph *graph = &p->graph;
    for (uint32_t c = 0; c < graph->constants.count; c++) {
        uint32_t n_values = 0;
        uint32_t last = 0;
        for (uint32_t i = 0; i < graph->values.count; i++) {
            if (cpu_value(graph, i)->kind == MARU_ABI_VALUE_CONSTANT && cpu_value(graph, i)->source == c) {
                n_values++;
                last = i;
            }
        }
        if (p->uses[c].how == MARU_ABI_CONSTANT_PLAIN && n_values == 1 && !is_output(graph, last))
            choose_packing(p, last);
    }
}

static maru_abi_status pack(maru_abi_program *program, uint32_t constant, const void *data, void *dst,
                            maru_abi_error *error)
{
    const cpu_packing *packing = constant < program->graph.constants.count ? program->packings[constant] : NULL;
    if (!packing)
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT, "constant %u is not packed", constant);
    for (uint32_t i = 0; i < program->graph.values.count; i++) {
        const maru_abi_value *value = cpu_value(&program->graph, i);
        if (value->kind != MARU_ABI_VALUE_CONSTANT || value->source != constant)
            continue;
        cpu_tensor t;
        describe_constant_dims(&program->graph, i, &t);
        t.data = (void *)(uintptr_t)data;
        packing->pack(&t, program->layout_of[i], dst);
        break;
    }
    return MARU_ABI_OK;
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
        if (value->kind == MARU_ABI_VALUE_NODE)
            p->true_dims_of[value->source] = p->n_true_dims;
        p->n_true_dims += value->rank;
    }
    for (uint32_t i = 0; i < graph->values.count; i++) {
        const maru_abi_value *value = cpu_value(graph, i);
        if (value->kind == MARU_ABI_VALUE_NODE && (value->flags & CPU_VALUE_DATA_DEPENDENT) && !is_output(graph, i))
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
    choose_packings(p);
    if (!find_chains(p))
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

/* ---- bind -------------------------------------------------------------------------------- */

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + 63) & ~(uint64_t)63;
}

static maru_abi_status describe_all(const maru_abi_program *p, const int64_t *expr_values, maru_abi_bound *bound,
                                    maru_abi_error *error)
{
    for (uint32_t i = 0; i < p->graph.operands.count; i++) {
        uint32_t value = cpu_operand(&p->graph, i);
        if (value != MARU_ABI_NO_INDEX && !cpu_describe(&p->graph, value, expr_values, &bound->operands[i]))
            return cpu_fail(error, MARU_ABI_OUT_OF_RANGE, "value '%s' has too many elements",
                            cpu_value(&p->graph, value)->name);
        if (value != MARU_ABI_NO_INDEX)
            bound->operands[i].layout = p->layout_of[value];
    }
    return MARU_ABI_OK;
}

static cpu_call call_of(const maru_abi_program *p, const maru_abi_bound *bound, uint32_t index)
{
    const maru_abi_node *node = cpu_node(&p->graph, index);
    return (cpu_call){
        .attrs = {&p->graph, node},
        .in = bound->operands + node->first_input,
        .n_in = node->n_inputs,
        .out = bound->operands + node->first_output,
        .n_out = node->n_outputs,
    };
}

/* Whether the node's result is never stored. */
static int is_inside_chain(const maru_abi_program *p, const maru_abi_bound *bound, uint32_t node)
{
    const uint32_t chain = p->chain_of[node];
    return chain != MARU_ABI_NO_INDEX && bound->is_fused[chain] &&
           p->chains[chain].nodes[p->chains[chain].n_nodes - 1] != node;
}

/* The kernel of a node, ready to run; returns its bytes of scratch memory. */
static uint64_t choose_kernel(const maru_abi_program *p, maru_abi_bound *bound, uint32_t node, const cpu_call *call)
{
    const maru_abi_host *host = p->device->plugin->host;
    const cpu_kernel *kernel = cpu_kernel_find(p->device, call);
    uint64_t scratch = 0;
    if (kernel && kernel->prepare) {
        bound->prepared[node] = kernel->prepare(call, host, &scratch);
        kernel = bound->prepared[node] ? kernel : NULL;
    } else if (kernel && kernel->scratch) {
        scratch = kernel->scratch(call, host->thread_count(host->ctx));
    }
    bound->kernels[node] = kernel;
    return scratch;
}

/* Chooses kernels, and lays out values inside, then scratch memory, then descriptions. */
static void lay_out(const maru_abi_program *p, maru_abi_bound *bound)
{
    uint64_t values = 0;
    uint64_t scratch = 0;
    uint32_t most = 0;
    for (uint32_t n = 0; n < p->graph.nodes.count; n++) {
        const maru_abi_node *node = cpu_node(&p->graph, n);
        cpu_call call = call_of(p, bound, n);
        const uint64_t bytes = choose_kernel(p, bound, n, &call);
        scratch = bytes > scratch ? bytes : scratch;
        const uint32_t chain = p->chain_of[n];
        if (chain != MARU_ABI_NO_INDEX && p->chains[chain].nodes[0] == n)
            bound->is_fused[chain] = bound->kernels[n] && (bound->kernels[n]->flags & CPU_KERNEL_TAKES_TAIL);
        most = node->n_inputs + node->n_outputs > most ? node->n_inputs + node->n_outputs : most;
        for (uint32_t i = 0; i < node->n_outputs && values < LARGEST_WORKSPACE; i++) {
            uint32_t value = cpu_operand(&p->graph, node->first_output + i);
            if (value == MARU_ABI_NO_INDEX || p->binding_of[value] != MARU_ABI_NO_INDEX ||
                is_inside_chain(p, bound, n))
                continue;
            bound->offset_of[value] = values;
            values += round_up(cpu_tensor_bytes(&call.out[i]));
        }
    }
    bound->scratch = values;
    bound->descriptions = values + round_up(scratch);
    bound->workspace_bytes = bound->descriptions + (most > CPU_STACK_OPERANDS ? most * sizeof(cpu_tensor) : 0);
}

static void bound_destroy(maru_abi_bound *bound)
{
    const maru_abi_host *host = bound->arena.host;
    for (uint32_t i = 0; bound->prepared && i < bound->n_nodes; i++)
        if (bound->prepared[i])
            bound->kernels[i]->release(host, bound->prepared[i]);
    atomic_fetch_sub(&bound->device->n_children, 1);
    cpu_arena_fini(&bound->arena);
    cpu_free(host, bound);
}

static maru_abi_status fill_bound(const maru_abi_program *p, const int64_t *expr_values, maru_abi_bound *bound,
                                  maru_abi_error *error)
{
    cpu_arena *arena = &bound->arena;
    bound->operands = cpu_arena_alloc(arena, p->graph.operands.count, sizeof *bound->operands);
    bound->offset_of = cpu_arena_alloc(arena, p->graph.values.count, sizeof *bound->offset_of);
    bound->kernels = cpu_arena_alloc(arena, p->graph.nodes.count, sizeof *bound->kernels);
    bound->n_nodes = p->graph.nodes.count;
    bound->prepared = cpu_arena_alloc(arena, bound->n_nodes, sizeof *bound->prepared);
    bound->is_fused = cpu_arena_alloc(arena, p->n_chains, sizeof *bound->is_fused);
    if (!bound->operands || !bound->offset_of || !bound->kernels || !bound->prepared || !bound->is_fused)
        return cpu_no_memory(error, "binding a program");
    maru_abi_status status = describe_all(p, expr_values, bound, error);
    if (status != MARU_ABI_OK)
        return status;
    lay_out(p, bound);
    if (bound->workspace_bytes >= LARGEST_WORKSPACE)
        return cpu_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "a workspace of %llu bytes is too large",
                        (unsigned long long)bound->workspace_bytes);
    return MARU_ABI_OK;
}

static maru_abi_status program_bind(maru_abi_program *program, const int64_t *symbol_values, uint32_t n_symbols,
                                    const int64_t *expr_values, uint32_t n_exprs, maru_abi_bound **out_bound,
                                    maru_abi_bound_info *out_info, maru_abi_error *error)
{
    (void)symbol_values;
    (void)n_symbols;
    (void)n_exprs;
    maru_abi_device *device = program->device;
    maru_abi_bound *bound = cpu_alloc(device->plugin->host, 1, sizeof *bound);
    if (!bound)
        return cpu_no_memory(error, "binding a program");
    bound->device = device;
    bound->arena.host = device->plugin->host;
    atomic_fetch_add(&device->n_children, 1);
    maru_abi_status status = fill_bound(program, expr_values, bound, error);
    if (status != MARU_ABI_OK) {
        bound_destroy(bound);
        return status;
    }
    out_info->workspace_bytes = bound->workspace_bytes;
    out_info->cost_ns = 0;
    *out_bound = bound;
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
    .program_bind = program_bind,
    .bound_destroy = bound_destroy,
    .pack = pack,
};
