// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "fault.h"

#include <string.h>

enum { OP_ADD, OP_MUL, OP_RELU, N_OPS };

static const char *const op_names[N_OPS] = {"Add", "Mul", "Relu"};
static const uint32_t op_inputs[N_OPS] = {2, 2, 1};

static const maru_abi_value *value_at(const maru_abi_graph *graph, uint32_t index)
{
    return MARU_ABI_AT(maru_abi_value, graph->values, index);
}

static uint32_t operand_at(const maru_abi_graph *graph, uint32_t index)
{
    return *MARU_ABI_AT(uint32_t, graph->operands, index);
}

/* ---- claims ----------------------------------------------------------------- */

static int find_op(const maru_abi_node *node)
{
    for (int op = 0; op < N_OPS; op++) {
        if (node->domain[0] == '\0' && strcmp(node->op, op_names[op]) == 0 && node->n_inputs == op_inputs[op])
            return op;
    }
    return -1;
}

static int same_dims(const maru_abi_graph *graph, const maru_abi_value *a, const maru_abi_value *b)
{
    if (a->rank != b->rank)
        return 0;
    for (uint32_t i = 0; i < a->rank; i++) {
        if (*MARU_ABI_AT(int64_t, graph->dims, a->first_dim + i) !=
            *MARU_ABI_AT(int64_t, graph->dims, b->first_dim + i))
            return 0;
    }
    return 1;
}

/* 1 if the node can be compiled; else *out says why not. */
static int supports(const maru_abi_graph *graph, uint32_t index, maru_abi_refusal *out)
{
    const maru_abi_node *node = MARU_ABI_AT(maru_abi_node, graph->nodes, index);
    if (find_op(node) < 0) {
        *out = (maru_abi_refusal){index, MARU_ABI_REFUSE_OP, "only Add, Mul and Relu are known"};
        return 0;
    }
    if (node->n_attrs) {
        *out = (maru_abi_refusal){index, MARU_ABI_REFUSE_ATTRIBUTE, "no attribute is known"};
        return 0;
    }
    const maru_abi_value *result = value_at(graph, operand_at(graph, node->first_output));
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        const maru_abi_value *input = value_at(graph, operand_at(graph, node->first_input + i));
        if (input->dtype.id != MARU_ABI_F32) {
            *out = (maru_abi_refusal){index, MARU_ABI_REFUSE_DTYPE, "only f32 is known"};
            return 0;
        }
        if (!same_dims(graph, input, result)) {
            *out = (maru_abi_refusal){index, MARU_ABI_REFUSE_SHAPE, "no broadcast: all shapes must be equal"};
            return 0;
        }
    }
    return 1;
}

/* Everything that claim_take gives points into this one block. */
typedef struct {
    uint32_t n_claims;
    uint32_t n_nodes;
    uint32_t n_refusals;
    uint32_t n_numbers;
    maru_abi_claim *claims;
    uint32_t *nodes;
    maru_abi_refusal *refusals;
    int64_t *numbers;
} answer;

static answer *new_answer(const maru_abi_host *host, uint32_t n_nodes, uint32_t n_samples)
{
    size_t claims = (size_t)(n_nodes + 1) * sizeof(maru_abi_claim);
    size_t refusals = (size_t)(n_nodes + 1) * sizeof(maru_abi_refusal);
    size_t numbers = (size_t)(n_samples + 1) * sizeof(int64_t);
    size_t nodes = (size_t)(2 * n_nodes + 1) * sizeof(uint32_t);
    char *block = host->alloc(host->ctx, 64 + claims + refusals + numbers + nodes, 64);
    if (!block)
        return NULL;
    answer *a = (answer *)(void *)block;
    *a = (answer){.n_numbers = n_samples};
    a->claims = (maru_abi_claim *)(void *)(block + 64);
    a->refusals = (maru_abi_refusal *)(void *)(block + 64 + claims);
    a->numbers = (int64_t *)(void *)(block + 64 + claims + refusals);
    a->nodes = (uint32_t *)(void *)(block + 64 + claims + refusals + numbers);
    for (uint32_t i = 0; i < n_samples; i++)
        a->numbers[i] = 1000;
    return a;
}

static void add_claim(answer *a, uint32_t first_node, uint32_t n_nodes)
{
    a->claims[a->n_claims++] = (maru_abi_claim){
        .first_node = first_node,
        .n_nodes = n_nodes,
        .numeric = {MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_NUMERIC_DETERMINISTIC},
        .flags = MARU_ABI_CLAIM_STATE_IN_PLACE,
        .kernel = "fault loop",
    };
}

/* There is always room: the arrays are one longer than what is true. */
static void lie(answer *a, uint32_t n, long which)
{
    maru_abi_claim *last = &a->claims[a->n_claims - 1];
    if (which == 0)
        a->nodes[last->first_node] = n;
    if (which == 1)
        a->nodes[a->n_nodes++] = a->nodes[last->first_node];
    last->n_nodes += which == 1;
    if (which == 2)
        a->n_claims--;
    if (which == 3)
        last->first_cost = 1000;
    last->n_rules = which == 4;
    last->n_layouts = which == 5;
    if (which == 6)
        last->flags |= 1ull << 40;
    if (which == 7)
        a->refusals[a->n_refusals++] = (maru_abi_refusal){n, MARU_ABI_REFUSE_OTHER, "not there"};
}

/* Whatever the host takes, it cannot take both. */
static void claim_halves(answer *a, uint32_t n)
{
    const uint32_t middle = n / 2;
    a->n_nodes = 0;
    a->n_claims = 0;
    for (uint32_t i = 0; i < n; i++)
        a->nodes[a->n_nodes++] = i;
    add_claim(a, 0, middle + 1);
    if (middle > 0 && middle < n)
        add_claim(a, middle, n - middle);
}

/* Each node alone, and all of them together where none is refused: single nodes and whole graphs are convex. */
static maru_abi_status claim(maru_abi_device *device, const maru_abi_claim_request *request, maru_abi_job **out_job,
                             maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    uint32_t n = request->graph->nodes.count;
    answer *a = new_answer(host, n, request->n_samples);
    if (!a)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a claim");
    for (uint32_t i = 0; i < n; i++) {
        if (!supports(request->graph, i, &a->refusals[a->n_refusals])) {
            a->n_refusals++;
            continue;
        }
        a->nodes[a->n_nodes] = i;
        add_claim(a, a->n_nodes++, 1);
    }
    const fault_device *fault = device->user;
    if (a->n_refusals == 0 && n > 0 && fault->halves)
        claim_halves(a, n);
    else if (a->n_refusals == 0 && n > 1 && fault->bad_claim < 0)
        add_claim(a, 0, n);
    for (uint32_t i = 0; fault->bf16 && i < a->n_claims; i++)
        a->claims[i].numeric.compute = MARU_ABI_BF16;
    if (fault->bad_claim >= 0 && a->n_claims > 0)
        lie(a, n, fault->bad_claim);
    return tpl_job_done(host, a, NULL, out_job, error);
}

static maru_abi_status claim_take(maru_abi_job *job, maru_abi_claims *out_claims, maru_abi_error *error)
{
    (void)error;
    const answer *a = job->product;
    out_claims->claims = (maru_abi_array){a->claims, a->n_claims, sizeof *a->claims};
    out_claims->nodes = (maru_abi_array){a->nodes, a->n_nodes, sizeof *a->nodes};
    static const maru_abi_symbol_rule rule = {.symbol = 77};
    static const maru_abi_layout_wish wish = {.value = 7777};
    out_claims->rules = (maru_abi_array){&rule, 1, sizeof rule};
    out_claims->layouts = (maru_abi_array){&wish, 1, sizeof wish};
    out_claims->numbers = (maru_abi_array){a->numbers, a->n_numbers, sizeof *a->numbers};
    out_claims->refusals = (maru_abi_array){a->refusals, a->n_refusals, sizeof *a->refusals};
    return MARU_ABI_OK;
}

/* ---- programs ------------------------------------------------------------------- */

#define MAX_RANK 8
#define NO_BINDING 0xFFFFFFFFu

/* Where a value lives at run time: in a binding, or in the workspace. */
typedef struct {
    uint32_t binding;
    uint32_t rank;
    int64_t dims[MAX_RANK];
} slot;

typedef struct {
    int op;
    uint32_t in[2]; // slots
    uint32_t out;
} step;

struct maru_abi_program {
    maru_abi_device *device;
    uint32_t n_slots;
    uint32_t n_steps;
    uint32_t n_bound;       // bindings before the workspace
    uint32_t n_constants;
    slot *slots;            // one per value of the graph
    step *steps;
    maru_abi_constant_use *uses;
};

struct maru_abi_bound {
    maru_abi_device *device;
    int64_t *counts;   // elements of each slot
    uint64_t *offsets; // in the workspace
};

static void program_drop(void *product)
{
    maru_abi_program *p = product;
    const maru_abi_host *host = p->device->plugin->host;
    host->free(host->ctx, p->slots);
    host->free(host->ctx, p->steps);
    host->free(host->ctx, p->uses);
    host->free(host->ctx, p);
}

static void program_destroy(maru_abi_program *program)
{
    atomic_fetch_sub(&program->device->n_children, 1);
    program_drop(program);
}

static void *zeroed(const maru_abi_host *host, size_t count, size_t bytes)
{
    size_t n = (count ? count : 1) * bytes;
    void *memory = host->alloc(host->ctx, n, 64);
    return memory ? memset(memory, 0, n) : NULL;
}

static void fill_slots(maru_abi_program *p, const maru_abi_graph *graph)
{
    for (uint32_t i = 0; i < p->n_slots; i++) {
        const maru_abi_value *value = value_at(graph, i);
        p->slots[i] = (slot){.binding = NO_BINDING, .rank = value->rank <= MAX_RANK ? value->rank : 0};
        for (uint32_t d = 0; d < p->slots[i].rank; d++)
            p->slots[i].dims[d] = *MARU_ABI_AT(int64_t, graph->dims, value->first_dim + d);
    }
    for (uint32_t i = 0; i < graph->inputs.count; i++)
        p->slots[*MARU_ABI_AT(uint32_t, graph->inputs, i)].binding = p->n_bound++;
    for (uint32_t i = 0; i < graph->outputs.count; i++)
        p->slots[*MARU_ABI_AT(uint32_t, graph->outputs, i)].binding = p->n_bound++;
    for (uint32_t c = 0; c < p->n_constants; c++) {
        const fault_device *fault = p->device->user;
        const maru_abi_constant *constant = MARU_ABI_AT(maru_abi_constant, graph->constants, c);
        p->uses[c].how = fault->packed ? MARU_ABI_CONSTANT_PACKED : MARU_ABI_CONSTANT_PLAIN;
        p->uses[c].layout = 7;
        p->uses[c].bytes = constant->bytes;
        for (uint32_t i = 0; i < p->n_slots; i++) {
            const maru_abi_value *value = value_at(graph, i);
            if (value->kind == MARU_ABI_VALUE_CONSTANT && value->source == c)
                p->slots[i].binding = p->n_bound;
        }
        p->n_bound++;
    }
}

static maru_abi_status fill_steps(maru_abi_program *p, const maru_abi_graph *graph, maru_abi_error *error)
{
    for (uint32_t i = 0; i < p->n_steps; i++) {
        const maru_abi_node *node = MARU_ABI_AT(maru_abi_node, graph->nodes, i);
        maru_abi_refusal why;
        if (!supports(graph, i, &why)) {
            tpl_fail(error, MARU_ABI_UNSUPPORTED, why.text);
            if (error)
                error->node = i;
            return MARU_ABI_UNSUPPORTED;
        }
        p->steps[i].op = find_op(node);
        p->steps[i].out = operand_at(graph, node->first_output);
        for (uint32_t k = 0; k < node->n_inputs; k++)
            p->steps[i].in[k] = operand_at(graph, node->first_input + k);
    }
    return MARU_ABI_OK;
}

static maru_abi_status compile(maru_abi_device *device, const maru_abi_compile_request *request,
                               maru_abi_job **out_job, maru_abi_error *error)
{
    if (request->flags >> 32)
        return tpl_fail(error, MARU_ABI_UNSUPPORTED, "compile: unknown flags");
    const maru_abi_host *host = device->plugin->host;
    const maru_abi_graph *graph = request->graph;
    maru_abi_program *p = zeroed(host, 1, sizeof *p);
    if (!p)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a program");
    p->device = device;
    p->n_slots = graph->values.count;
    p->n_steps = graph->nodes.count;
    p->n_constants = graph->constants.count;
    p->slots = zeroed(host, p->n_slots, sizeof *p->slots);
    p->steps = zeroed(host, p->n_steps, sizeof *p->steps);
    p->uses = zeroed(host, p->n_constants, sizeof *p->uses);
    maru_abi_status status = MARU_ABI_OK;
    if (!p->slots || !p->steps || !p->uses)
        status = tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a program");
    if (status == MARU_ABI_OK) {
        fill_slots(p, graph);
        status = fill_steps(p, graph, error);
    }
    if (status != MARU_ABI_OK) {
        program_drop(p);
        return status;
    }
    return tpl_job_done(host, p, program_drop, out_job, error);
}

static maru_abi_status compile_take(maru_abi_job *job, maru_abi_program **out_program, maru_abi_error *error)
{
    if (!job->product)
        return tpl_fail(error, MARU_ABI_FAILED_PRECONDITION, "the program was taken already");
    *out_program = job->product;
    job->product = NULL;
    atomic_fetch_add(&(*out_program)->device->n_children, 1);
    return MARU_ABI_OK;
}

static maru_abi_status program_info(maru_abi_program *program, maru_abi_program_info *out_info,
                                    maru_abi_error *error)
{
    (void)error;
    out_info->constants = (maru_abi_array){program->uses, program->n_constants, sizeof *program->uses};
    out_info->longest_ns = 0;
    out_info->needs_bind = 1;
    return MARU_ABI_OK;
}

/* The layout is the dense one: what matters is who asks for it, and how often. */
static maru_abi_status pack(maru_abi_program *program, uint32_t constant, const void *data, void *dst,
                            maru_abi_error *error)
{
    fault_device *fault = program->device->user;
    const maru_abi_host *host = program->device->plugin->host;
    if (atomic_fetch_add(&fault->n_packs, 1) < fault->pack_fail)
        return tpl_fail(error, MARU_ABI_UNAVAILABLE, "fault: not packed");
    host->log(host->ctx, MARU_ABI_LOG_INFO, "packs a constant");
    memcpy(dst, data, program->uses[constant].bytes);
    return MARU_ABI_OK;
}

/* ---- bind and run ------------------------------------------------------------------ */

static int64_t count_of(const slot *s, const int64_t *expr_values)
{
    int64_t count = 1;
    for (uint32_t d = 0; d < s->rank; d++)
        count *= s->dims[d] >= 0 ? s->dims[d] : expr_values[MARU_ABI_EXPR(s->dims[d])];
    return count;
}

static void bound_destroy(maru_abi_bound *bound)
{
    const maru_abi_host *host = bound->device->plugin->host;
    host->free(host->ctx, bound->counts);
    host->free(host->ctx, bound->offsets);
    host->free(host->ctx, bound);
}

static maru_abi_status program_bind(maru_abi_program *program, const int64_t *symbol_values, uint32_t n_symbols,
                                    const int64_t *expr_values, uint32_t n_exprs, maru_abi_bound **out_bound,
                                    maru_abi_bound_info *out_info, maru_abi_error *error)
{
    (void)symbol_values;
    (void)n_symbols;
    (void)n_exprs;
    const maru_abi_host *host = program->device->plugin->host;
    maru_abi_bound *bound = zeroed(host, 1, sizeof *bound);
    if (!bound)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory to bind");
    bound->device = program->device;
    bound->counts = zeroed(host, program->n_slots, sizeof *bound->counts);
    bound->offsets = zeroed(host, program->n_slots, sizeof *bound->offsets);
    if (!bound->counts || !bound->offsets) {
        bound_destroy(bound);
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory to bind");
    }
    for (uint32_t i = 0; i < program->n_slots; i++)
        bound->counts[i] = count_of(&program->slots[i], expr_values);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < program->n_steps; i++) {
        uint32_t out = program->steps[i].out;
        if (program->slots[out].binding != NO_BINDING)
            continue;
        bound->offsets[out] = bytes;
        bytes += ((uint64_t)bound->counts[out] * sizeof(float) + 63) & ~(uint64_t)63;
    }
    out_info->workspace_bytes = bytes;
    out_info->cost_ns = 0;
    *out_bound = bound;
    return MARU_ABI_OK;
}

static float *memory_of(const maru_abi_run *run, uint32_t index)
{
    const maru_abi_program *p = run->program;
    uint32_t binding = p->slots[index].binding;
    if (binding != NO_BINDING)
        return tpl_at(run->bindings[binding]);
    return (float *)(void *)((char *)tpl_at(run->bindings[p->n_bound]) + run->bound->offsets[index]);
}

static void run_step(const maru_abi_run *run, const step *s)
{
    const float *a = memory_of(run, s->in[0]);
    const float *b = s->op == OP_RELU ? a : memory_of(run, s->in[1]);
    float *out = memory_of(run, s->out);
    int64_t n = run->bound->counts[s->out];
    for (int64_t i = 0; i < n; i++) {
        if (s->op == OP_ADD)
            out[i] = a[i] + b[i];
        else if (s->op == OP_MUL)
            out[i] = a[i] * b[i];
        else
            out[i] = a[i] > 0 ? a[i] : 0;
    }
}

maru_abi_status fault_run(maru_abi_queue *queue, const maru_abi_run *run, maru_abi_error *error)
{
    const fault_device *fault = queue->device->user;
    (void)error;
    for (uint32_t i = 0; i < run->program->n_steps; i++) {
        const step *s = &run->program->steps[i];
        run_step(run, s);
        if (fault->wrong_numbers && run->bound->counts[s->out] > 0)
            memory_of(run, s->out)[0] += 1;
    }
    return MARU_ABI_OK;
}

const maru_abi_graph_fns fault_graph_fns = {
    .head = MARU_ABI_HEAD(maru_abi_graph_fns),
    .claim = claim,
    .claim_take = claim_take,
    .compile = compile,
    .compile_take = compile_take,
    .program_destroy = program_destroy,
    .program_info = program_info,
    .program_bind = program_bind,
    .bound_destroy = bound_destroy,
    .pack = pack,
};
