// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* A program for one set of dims: what every node reads, which kernel runs it, and where values lie. */

#include "program.h"

#define LARGEST_WORKSPACE (1ull << 46)

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

/* The reference, which runs where no kernel does, reads no packed constant. */
static maru_abi_status check_packed_are_taken(const maru_abi_program *p, const maru_abi_bound *bound,
                                              maru_abi_error *error)
{
    for (uint32_t n = 0; n < p->graph.nodes.count; n++) {
        const cpu_call call = call_of(p, bound, n);
        for (uint32_t i = 0; i < call.n_in; i++)
            if (call.in[i].layout && !bound->kernels[n])
                return cpu_fail(error, MARU_ABI_RESOURCE_EXHAUSTED,
                                "%s: no kernel could be made that takes its packed weights", call.attrs.node->op);
    }
    return MARU_ABI_OK;
}

void cpu_bound_destroy(maru_abi_bound *bound)
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
    status = check_packed_are_taken(p, bound, error);
    if (status != MARU_ABI_OK)
        return status;
    if (bound->workspace_bytes >= LARGEST_WORKSPACE)
        return cpu_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "a workspace of %llu bytes is too large",
                        (unsigned long long)bound->workspace_bytes);
    return MARU_ABI_OK;
}

maru_abi_status cpu_program_bind(maru_abi_program *program, const int64_t *symbol_values, uint32_t n_symbols,
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
        cpu_bound_destroy(bound);
        return status;
    }
    out_info->workspace_bytes = bound->workspace_bytes;
    out_info->cost_ns = 0;
    *out_bound = bound;
    return MARU_ABI_OK;
}
