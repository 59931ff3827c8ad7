// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* One run of a program. What it needs beside the bindings is on the stack or in the workspace. */

#include "program.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 320 };

static char *workspace_of(const maru_abi_run *run)
{
    return run->bound->workspace_bytes ? cpu_at(&run->bindings[run->program->n_bound]) : NULL;
}

static void *memory_of(const maru_abi_run *run, uint32_t value)
{
    uint32_t binding = run->program->binding_of[value];
    if (binding != MARU_ABI_NO_INDEX)
        return cpu_at(&run->bindings[binding]);
    return workspace_of(run) + run->bound->offset_of[value];
}

static void fill_operands(const maru_abi_run *run, uint32_t first, uint32_t count, cpu_tensor *out)
{
    if (count)
        memcpy(out, run->bound->operands + first, count * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = cpu_operand(&run->program->graph, first + i);
        out[i].data = value != MARU_ABI_NO_INDEX ? memory_of(run, value) : NULL;
    }
}

/* Where the node's true dims go, holding the bound until the kernel knows better; NULL: it has none. */
static int64_t *true_dims_of(const maru_abi_run *run, uint32_t index, const cpu_call *call)
{
    const maru_abi_program *p = run->program;
    uint32_t first = p->true_dims_of[index];
    if (first == MARU_ABI_NO_INDEX)
        return NULL;
    int64_t *dims = cpu_at(&run->bindings[p->n_bound + (run->bound->workspace_bytes != 0)]);
    int64_t *to = dims + first;
    for (uint32_t i = 0; i < call->n_out; i++) {
        uint32_t value = cpu_operand(&p->graph, call->attrs.node->first_output + i);
        if (value == MARU_ABI_NO_INDEX || !(cpu_value(&p->graph, value)->flags & CPU_VALUE_DATA_DEPENDENT))
            continue;
        memcpy(to, call->out[i].dims, call->out[i].rank * sizeof *dims);
        to += call->out[i].rank;
    }
    return dims + first;
}

static maru_abi_status fail_node(const maru_abi_run *run, uint32_t index, maru_abi_status status,
                                 const char *message, maru_abi_error *error)
{
    const maru_abi_graph *graph = &run->program->graph;
    const maru_abi_node *node = cpu_node(graph, index);
    uint32_t value = node->n_outputs ? cpu_operand(graph, node->first_output) : MARU_ABI_NO_INDEX;
    const char *name = value != MARU_ABI_NO_INDEX ? cpu_value(graph, value)->name : "";
    cpu_fail(error, status, "%s%s%.60s%s%s%.80s%s: %s", node->op, *name ? " of '" : "", name, *name ? "'" : "",
             *node->scope ? " in '" : "", node->scope, *node->scope ? "'" : "",
             *message ? message : "the kernel failed");
    error->node = index;
    return status;
}

/* `tail` is what the node's chain adds and `last` the node whose output it makes; else NULL and the node. */
static maru_abi_status run_node(const maru_abi_run *run, uint32_t index, const cpu_tail *tail, uint32_t last,
                                cpu_tensor *operands, maru_abi_error *error)
{
    const maru_abi_program *p = run->program;
    const maru_abi_node *node = cpu_node(&p->graph, index);
    const cpu_kernel *kernel = run->bound->kernels[index];
    char message[MESSAGE_BYTES] = "";
    cpu_call call = {
        .attrs = {&p->graph, node},
        .in = operands,
        .n_in = node->n_inputs,
        .out = operands + node->n_inputs,
        .n_out = node->n_outputs,
        .message = message,
        .message_bytes = sizeof message,
    };
    fill_operands(run, node->first_input, node->n_inputs, operands);
    fill_operands(run, node->first_output, node->n_outputs, call.out);
    if (last != index)
        call.out[0].data = memory_of(run, cpu_operand(&p->graph, cpu_node(&p->graph, last)->first_output));
    call.true_dims = true_dims_of(run, index, &call);
    maru_abi_status status;
    if (kernel) {
        char *workspace = workspace_of(run);
        cpu_team team = {p->device->plugin->host, p->device->isa, workspace ? workspace + run->bound->scratch : NULL,
                         run->bound->prepared[index], tail};
        status = kernel->fn(&call, &team);
    } else {
        status = p->ops[index]->fn(&call);
    }
    return status == MARU_ABI_OK ? status : fail_node(run, index, status, message, error);
}

/* A fused chain runs where its last node stands, when all its operands are there. */
static maru_abi_status run_chain(const maru_abi_run *run, const cpu_chain *chain, cpu_tensor *operands,
                                 maru_abi_error *error)
{
    cpu_tail tail = chain->tail;
    for (uint32_t i = 0; i < tail.n_steps; i++) {
        if (tail.steps[i].addend_value != MARU_ABI_NO_INDEX)
            tail.steps[i].addend = memory_of(run, tail.steps[i].addend_value);
    }
    return run_node(run, chain->nodes[0], &tail, chain->nodes[chain->n_nodes - 1], operands, error);
}

/* The fused chain that the node belongs to; NULL: none. */
static const cpu_chain *chain_of(const maru_abi_run *run, uint32_t node)
{
    const uint32_t chain = run->program->chain_of[node];
    return chain != MARU_ABI_NO_INDEX && run->bound->is_fused[chain] ? &run->program->chains[chain] : NULL;
}

/* Outputs that no node makes. A state's input and output are one memory already. */
static void run_passes(const maru_abi_run *run)
{
    const maru_abi_program *p = run->program;
    for (uint32_t i = 0; i < p->n_passes; i++) {
        uint32_t from = p->binding_of[p->passes[i].value];
        uint32_t to = p->passes[i].binding;
        if (from == MARU_ABI_NO_INDEX)
            continue;
        const maru_abi_binding *source = &run->bindings[from];
        const maru_abi_binding *target = &run->bindings[to];
        uint64_t bytes = source->bytes < target->bytes ? source->bytes : target->bytes;
        if (bytes && cpu_at(source) != cpu_at(target))
            memmove(cpu_at(target), cpu_at(source), bytes);
    }
}

maru_abi_status cpu_run(const maru_abi_run *run, maru_abi_error *error)
{
    const maru_abi_program *p = run->program;
    for (uint32_t i = 0; i < p->graph.nodes.count; i++) {
        const cpu_chain *chain = chain_of(run, i);
        if (chain && chain->nodes[chain->n_nodes - 1] != i)
            continue;
        const maru_abi_node *node = cpu_node(&p->graph, i);
        cpu_tensor few[CPU_STACK_OPERANDS];
        cpu_tensor *operands = few;
        if (node->n_inputs + node->n_outputs > CPU_STACK_OPERANDS)
            operands = (cpu_tensor *)(void *)(workspace_of(run) + run->bound->descriptions);
        maru_abi_status status =
            chain ? run_chain(run, chain, operands, error) : run_node(run, i, NULL, i, operands, error);
        if (status != MARU_ABI_OK)
            return status;
    }
    run_passes(run);
    return MARU_ABI_OK;
}
