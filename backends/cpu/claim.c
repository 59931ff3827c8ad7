// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * One claim for each node that a kernel takes, one reason for each other, and
 * one more for each chain that the kernel of its first node runs whole.
 */

#include "cpu.h"

#include <string.h>

#define REF_NS_PER_OP 1.0       // one product and sum of a reference kernel
#define BYTES_PER_NS 8.0        // memory bandwidth of one socket, roughly
#define NODE_NS 300.0           // the price of one command

typedef struct answer {
    cpu_arena arena;
    maru_abi_device *device;
    const maru_abi_claim_request *request;
    uint32_t n_claims;
    uint32_t n_refusals;
    uint32_t n_samples;
    maru_abi_claim *claims;
    uint32_t *nodes;
    int64_t *numbers;
    maru_abi_refusal *refusals;
    int64_t *exprs;     // n_samples rows
    cpu_tensor *operands;
    uint32_t n_operands;
    uint32_t n_nodes;   // in `nodes`
    uint32_t *n_readers;
    uint32_t *reader;
    int takes_tail;     // the kernel of the claim that was added last
} answer;

static void drop(void *product)
{
    answer *a = product;
    const maru_abi_host *host = a->arena.host;
    cpu_arena_fini(&a->arena);
    cpu_free(host, a);
}

static int prepare(answer *a)
{
    const maru_abi_graph *graph = a->request->graph;
    uint32_t n = graph->nodes.count;
    a->n_samples = a->request->n_samples;
    for (uint32_t i = 0; i < n; i++) {
        const maru_abi_node *node = cpu_node(graph, i);
        uint32_t operands = node->n_inputs + node->n_outputs;
        a->n_operands = operands > a->n_operands ? operands : a->n_operands;
    }
    uint32_t rows = a->n_samples ? a->n_samples : 1;
    a->claims = cpu_arena_alloc(&a->arena, 2ull * n, sizeof *a->claims);  // each node alone, and chains
    a->nodes = cpu_arena_alloc(&a->arena, (1ull + CPU_CHAIN_NODES) * n, sizeof *a->nodes);
    a->refusals = cpu_arena_alloc(&a->arena, n, sizeof *a->refusals);
    a->numbers = cpu_arena_alloc(&a->arena, 2ull * n * rows, sizeof *a->numbers);
    a->exprs = cpu_arena_alloc(&a->arena, (uint64_t)rows * graph->exprs.count, sizeof *a->exprs);
    a->operands = cpu_arena_alloc(&a->arena, a->n_operands, sizeof *a->operands);
    a->n_readers = cpu_arena_alloc(&a->arena, graph->values.count, sizeof *a->n_readers);
    a->reader = cpu_arena_alloc(&a->arena, graph->values.count, sizeof *a->reader);
    if (!a->claims || !a->nodes || !a->refusals || !a->numbers || !a->exprs || !a->operands || !a->n_readers ||
        !a->reader)
        return 0;
    cpu_count_readers(graph, a->n_readers);
    cpu_find_readers(graph, a->reader);
    const maru_abi_array *samples = &a->request->samples;
    uint32_t n_symbols = graph->symbols.count;
    for (uint32_t row = 0; row < a->n_samples; row++)
        cpu_eval_exprs(graph, n_symbols ? MARU_ABI_AT(int64_t, *samples, row * n_symbols) : NULL,
                       a->exprs + (uint64_t)row * graph->exprs.count);
    return 1;
}

/* As the program will have them: a kernel may want a constant in its own form only. */
static void pack_constants(const answer *a, const maru_abi_node *node, const cpu_call *call)
{
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        const uint32_t value = cpu_operand(a->request->graph, node->first_input + i);
        if (value != MARU_ABI_NO_INDEX && cpu_value(a->request->graph, value)->kind == MARU_ABI_VALUE_CONSTANT)
            cpu_packing_find(a->device, call, i, &a->operands[i].layout);
    }
}

/* ---- estimates ---------------------------------------------------------------------- */

/* A call without data, for one row of samples. 0 if it is too large. */
static int describe_call(answer *a, const maru_abi_node *node, uint32_t row, cpu_call *out)
{
    const maru_abi_graph *graph = a->request->graph;
    const int64_t *exprs = a->exprs + (uint64_t)row * graph->exprs.count;
    for (uint32_t i = 0; i < node->n_inputs + node->n_outputs; i++) {
        uint32_t at = i < node->n_inputs ? node->first_input + i : node->first_output + i - node->n_inputs;
        uint32_t value = cpu_operand(graph, at);
        a->operands[i] = (cpu_tensor){0};
        if (value != MARU_ABI_NO_INDEX && !cpu_describe(graph, value, exprs, &a->operands[i]))
            return 0;
    }
    *out = (cpu_call){
        .attrs = {graph, node},
        .in = a->operands,
        .n_in = node->n_inputs,
        .out = a->operands + node->n_inputs,
        .n_out = node->n_outputs,
    };
    return 1;
}

static double product(const cpu_tensor *t, uint32_t first)
{
    double n = 1;
    for (uint32_t d = first; d < t->rank; d++)
        n *= (double)t->dims[d];
    return n;
}

/* Elements that take part in each element of output 0. */
static double depth_of(const cpu_call *call)
{
    const char *op = call->attrs.node->op;
    const cpu_tensor *in = call->in;
    double out = call->n_out && call->out[0].count > 0 ? (double)call->out[0].count : 1;
    if (strstr(op, "MatMul"))
        return in[0].rank ? (double)in[0].dims[in[0].rank - 1] : 1;
    if (strcmp(op, "Gemm") == 0 && in[0].rank == 2)
        return (double)in[0].dims[cpu_attr_int(&call->attrs, "transA", 0) ? 0 : 1];
    if (strcmp(op, "Conv") == 0 || strcmp(op, "FusedConv") == 0)
        return product(&in[1], 1);
    if (strcmp(op, "ConvInteger") == 0 || strcmp(op, "QLinearConv") == 0)
        return product(&in[*op == 'C' ? 1 : 3], 1);
    if (strcmp(op, "ConvTranspose") == 0)
        return (double)in[0].count * product(&in[1], 1) / out;
    if (strcmp(op, "Attention") == 0 && call->n_in > 1 && in[1].rank > 1)
        return 2 * (double)in[1].dims[in[1].rank - 2];
    if (strstr(op, "Pool")) {
        uint32_t n = 0;
        const int64_t *kernel = cpu_attr_ints(&call->attrs, "kernel_shape", &n);
        double size = kernel ? 1 : (double)in[0].count / out;
        for (uint32_t i = 0; i < n; i++)
            size *= (double)kernel[i];
        return size;
    }
    return call->n_in && in[0].count > out ? (double)in[0].count / out : 1;
}

static int64_t cost_of(const answer *a, const cpu_call *call, const cpu_kernel *kernel)
{
    double bytes = 0;
    for (uint32_t i = 0; i < call->n_in + call->n_out; i++)
        bytes += (double)cpu_tensor_bytes(&a->operands[i]);
    double out = call->n_out ? (double)call->out[0].count : 0;
    const maru_abi_host *host = a->device->plugin->host;
    double speed = kernel && kernel->gflops ? kernel->gflops * (double)host->thread_count(host->ctx)
                                            : 1 / REF_NS_PER_OP;
    double ns = NODE_NS + bytes / BYTES_PER_NS + out * depth_of(call) / speed;
    return ns < 1e17 ? (int64_t)ns : (int64_t)1e17;
}

/* ---- the answer ------------------------------------------------------------------------ */

/* What the products of a reference kernel are computed in: double, or the integers themselves. */
static maru_abi_numeric numeric_of(const char *op, uint32_t dtype, const cpu_kernel *kernel)
{
    uint32_t wide = kernel ? MARU_ABI_F32 : MARU_ABI_F64;
    int is_float = cpu_is_float(dtype) && dtype != MARU_ABI_F64;
    int is_byte_product = !is_float && (strstr(op, "Integer") || strncmp(op, "QLinear", 7) == 0);
    return (maru_abi_numeric){
        .dtype = dtype,
        .compute = is_float && !kernel ? MARU_ABI_F64 : dtype,
        .accumulator = is_float ? wide : is_byte_product ? MARU_ABI_I32 : dtype,
        .flags = MARU_ABI_NUMERIC_DETERMINISTIC,
    };
}

static int add_claim(answer *a, uint32_t index, const cpu_ref_op *op)
{
    const maru_abi_node *node = cpu_node(a->request->graph, index);
    const cpu_kernel *kernel = NULL;
    int64_t *costs = a->numbers + (uint64_t)a->n_claims * a->n_samples;
    for (uint32_t row = 0; row < a->n_samples; row++) {
        cpu_call call;
        if (!describe_call(a, node, row, &call))
            return 0;
        kernel = cpu_kernel_find(a->device, &call);
        if (row + 1 == a->n_samples && kernel && !(kernel->flags & CPU_KERNEL_LIBRARY)) {
            pack_constants(a, node, &call);
            kernel = cpu_kernel_find(a->device, &call);
        }
        costs[row] = cost_of(a, &call, kernel);
    }
    a->takes_tail = kernel && (kernel->flags & CPU_KERNEL_TAKES_TAIL);
    uint32_t first = node->n_inputs ? cpu_operand(a->request->graph, node->first_input) : MARU_ABI_NO_INDEX;
    uint32_t dtype = first != MARU_ABI_NO_INDEX ? cpu_value(a->request->graph, first)->dtype.id : MARU_ABI_F32;
    a->nodes[a->n_nodes] = index;
    a->claims[a->n_claims] = (maru_abi_claim){
        .first_node = a->n_nodes++,
        .n_nodes = 1,
        .first_cost = a->n_claims * a->n_samples,
        .numeric = numeric_of(node->op, dtype, kernel),
        .flags = MARU_ABI_CLAIM_STATE_IN_PLACE | (op->flags & CPU_IN_PLACE ? MARU_ABI_CLAIM_IN_PLACE : 0),
        .kernel = kernel ? kernel->name : "ref",
    };
    a->n_claims++;
    return 1;
}

/* The product's claim again, for the chain that it begins: the same work, and what follows for nothing. */
static void add_chain(answer *a, uint32_t index)
{
    const maru_abi_claim alone = a->claims[a->n_claims - 1];
    cpu_chain chain;
    uint32_t code = 0;
    char why[256];
    if (!a->takes_tail || !cpu_chain_find(a->request->graph, a->n_readers, a->reader, index, &chain))
        return;
    for (uint32_t i = 1; i < chain.n_nodes; i++)
        if (!cpu_accept(a->request->graph, chain.nodes[i], &code, why, sizeof why))
            return;
    maru_abi_claim *claim = &a->claims[a->n_claims];
    *claim = alone;
    claim->first_node = a->n_nodes;
    claim->n_nodes = chain.n_nodes;
    claim->first_cost = a->n_claims * a->n_samples;
    claim->flags &= ~(uint64_t)MARU_ABI_CLAIM_IN_PLACE;
    memcpy(a->nodes + a->n_nodes, chain.nodes, chain.n_nodes * sizeof *chain.nodes);
    memcpy(a->numbers + claim->first_cost, a->numbers + alone.first_cost, a->n_samples * sizeof *a->numbers);
    a->n_nodes += chain.n_nodes;
    a->n_claims++;
}

static int add_refusal(answer *a, uint32_t index, uint32_t code, const char *why)
{
    const char *text = cpu_arena_printf(&a->arena, "%s", why);
    if (!text)
        return 0;
    a->refusals[a->n_refusals++] = (maru_abi_refusal){index, code, text};
    return 1;
}

static int look_at(answer *a, uint32_t index)
{
    char why[256] = "";
    uint32_t code = 0;
    const cpu_ref_op *op = cpu_accept(a->request->graph, index, &code, why, sizeof why);
    if (!op)
        return add_refusal(a, index, code, why);
    if (add_claim(a, index, op)) {
        add_chain(a, index);
        return 1;
    }
    return add_refusal(a, index, MARU_ABI_REFUSE_SHAPE, "a tensor of it has too many elements");
}

maru_abi_status cpu_claim(maru_abi_device *device, const maru_abi_claim_request *request, maru_abi_job **out_job,
                          maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    answer *a = cpu_alloc(host, 1, sizeof *a);
    if (!a)
        return cpu_no_memory(error, "a claim");
    a->arena.host = host;
    a->device = device;
    a->request = request;
    int ok = prepare(a);
    for (uint32_t i = 0; ok && i < request->graph->nodes.count; i++)
        ok = look_at(a, i);
    if (!ok) {
        drop(a);
        return cpu_no_memory(error, "a claim");
    }
    return cpu_job_done(device, a, drop, out_job, error);
}

maru_abi_status cpu_claim_take(maru_abi_job *job, maru_abi_claims *out, maru_abi_error *error)
{
    (void)error;
    const answer *a = job->product;
    maru_abi_claims claims = {
        .head = MARU_ABI_HEAD(maru_abi_claims),
        .claims = {a->claims, a->n_claims, sizeof *a->claims},
        .nodes = {a->nodes, a->n_nodes, sizeof *a->nodes},
        .numbers = {a->numbers, a->n_claims * a->n_samples, sizeof *a->numbers},
        .refusals = {a->refusals, a->n_refusals, sizeof *a->refusals},
    };
    claims.head.struct_size = out->head.struct_size < sizeof claims ? out->head.struct_size : (uint32_t)sizeof claims;
    memcpy(out, &claims, claims.head.struct_size);
    return MARU_ABI_OK;
}
