// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Which constants a program wants packed, and packing them. */

#include "program.h"

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
static const cpu_packing *packing_of(const maru_abi_program *p, const int64_t *typical, uint32_t index, uint32_t input,
                                     uint32_t *out_layout)
{
    const maru_abi_node *node = cpu_node(&p->graph, index);
    cpu_tensor operands[CPU_STACK_OPERANDS] = {{0}};
    if (node->n_inputs + node->n_outputs > CPU_STACK_OPERANDS)
        return NULL;
    for (uint32_t i = 0; i < node->n_inputs + node->n_outputs; i++) {
        const uint32_t value = cpu_operand(&p->graph, i < node->n_inputs ? node->first_input + i
                                                                         : node->first_output + i - node->n_inputs);
        if (value != MARU_ABI_NO_INDEX && !cpu_describe(&p->graph, value, typical, &operands[i]))
            return NULL;
    }
    const cpu_call call = {
        .attrs = {&p->graph, node},
        .in = operands,
        .n_in = node->n_inputs,
        .out = operands + node->n_inputs,
        .n_out = node->n_outputs,
    };
    return cpu_packing_find(p->device, &call, input, out_layout);
}

/* Packs a constant if all that read it want the same form. */
static void choose_packing(maru_abi_program *p, const int64_t *typical, uint32_t value)
{
    const cpu_packing *common = NULL;
    uint32_t common_layout = 0;
    for (uint32_t n = 0; n < p->graph.nodes.count; n++) {
        const maru_abi_node *node = cpu_node(&p->graph, n);
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            if (cpu_operand(&p->graph, node->first_input + i) != value)
                continue;
            uint32_t layout = 0;
            const cpu_packing *packing = packing_of(p, typical, n, i, &layout);
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
    const uint64_t bytes = common->bytes(&t, common_layout);
    if (!bytes)  // of no elements
        return;
    p->layout_of[value] = common_layout;
    p->packings[constant] = common;
    p->uses[constant] = (maru_abi_constant_use){MARU_ABI_CONSTANT_PACKED, common_layout, bytes};
}

/* Every expression where symbols have their typical values; NULL: memory ran out. */
static int64_t *typical_values(maru_abi_program *p)
{
    const maru_abi_graph *graph = &p->graph;
    int64_t *symbols = cpu_arena_alloc(&p->arena, graph->symbols.count, sizeof *symbols);
    int64_t *values = cpu_arena_alloc(&p->arena, graph->exprs.count, sizeof *values);
    for (uint32_t i = 0; symbols && i < graph->symbols.count; i++) {
        const maru_abi_symbol *symbol = MARU_ABI_AT(maru_abi_symbol, graph->symbols, i);
        symbols[i] = symbol->typical > 0 ? symbol->typical : symbol->min > 1 ? symbol->min : 1;
    }
    if (symbols && values)
        cpu_eval_exprs(graph, symbols, values);
    return symbols ? values : NULL;
}

int cpu_choose_packings(maru_abi_program *p)
{
    const maru_abi_graph *graph = &p->graph;
    const int64_t *typical = typical_values(p);
    if (!typical)
        return 0;
    for (uint32_t c = 0; c < graph->constants.count; c++) {
        uint32_t n_values = 0;
        uint32_t last = 0;
        for (uint32_t i = 0; i < graph->values.count; i++) {
            if (cpu_value(graph, i)->kind == MARU_ABI_VALUE_CONSTANT && cpu_value(graph, i)->source == c) {
                n_values++;
                last = i;
            }
        }
        if (p->uses[c].how == MARU_ABI_CONSTANT_PLAIN && n_values == 1 && !cpu_is_output(graph, last))
            choose_packing(p, typical, last);
    }
    return 1;
}

maru_abi_status cpu_pack(maru_abi_program *program, uint32_t constant, const void *data, void *dst,
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
        return packing->pack(&t, program->layout_of[i], dst) ? MARU_ABI_OK
                                                             : cpu_no_memory(error, "packing a constant");
    }
    return MARU_ABI_OK;
}
