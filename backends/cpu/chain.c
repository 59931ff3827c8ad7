// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Products whose result goes through elementwise nodes before it is of use: one kernel does it all. */

#include "cpu.h"

#include <string.h>

void cpu_count_readers(const maru_abi_graph *graph, uint32_t *out)
{
    memset(out, 0, graph->values.count * sizeof *out);
    for (uint32_t n = 0; n < graph->nodes.count; n++) {
        const maru_abi_node *node = cpu_node(graph, n);
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            const uint32_t value = cpu_operand(graph, node->first_input + i);
            if (value != MARU_ABI_NO_INDEX)
                out[value]++;
        }
    }
    for (uint32_t i = 0; i < graph->outputs.count; i++)
        out[*MARU_ABI_AT(uint32_t, graph->outputs, i)]++;
    for (uint32_t i = 0; i < graph->states.count; i++)
        out[MARU_ABI_AT(maru_abi_state, graph->states, i)->output]++;
}

void cpu_find_readers(const maru_abi_graph *graph, uint32_t *out)
{
    memset(out, 0xff, graph->values.count * sizeof *out);
    for (uint32_t n = 0; n < graph->nodes.count; n++) {
        const maru_abi_node *node = cpu_node(graph, n);
        for (uint32_t i = 0; i < node->n_inputs; i++) {
            const uint32_t value = cpu_operand(graph, node->first_input + i);
            if (value != MARU_ABI_NO_INDEX)
                out[value] = n;
        }
    }
}

/* ---- links ---- */

static int64_t dim_of(const maru_abi_graph *graph, const maru_abi_value *v, uint32_t axis)
{
    return *MARU_ABI_AT(int64_t, graph->dims, v->first_dim + axis);
}

/* Expressions that are the same have the same index. */
static int has_same_dims(const maru_abi_graph *graph, const maru_abi_value *a, const maru_abi_value *b)
{
    if (a->rank != b->rank)
        return 0;
    for (uint32_t d = 0; d < a->rank; d++)
        if (dim_of(graph, a, d) != dim_of(graph, b, d))
            return 0;
    return 1;
}

/* Whether `a` is added to each row of `v`: as long as its last dim, which is known, and 1 in the others. */
static int is_row_of(const maru_abi_graph *graph, const maru_abi_value *a, const maru_abi_value *v)
{
    if (a->rank == 0 || a->rank > v->rank || dim_of(graph, v, v->rank - 1) < 0 ||
        dim_of(graph, a, a->rank - 1) != dim_of(graph, v, v->rank - 1))
        return 0;
    for (uint32_t d = 0; d + 1 < a->rank; d++)
        if (dim_of(graph, a, d) != 1)
            return 0;
    return 1;
}

static int is_view(const maru_abi_graph *graph, const maru_abi_node *node, uint32_t value)
{
    static const char *const views[] = {"Reshape", "Unsqueeze", "Squeeze", "Flatten"};
    if (*node->domain || cpu_operand(graph, node->first_input) != value)
        return 0;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (strcmp(node->op, views[i]) == 0)
            return 1;
    return 0;
}

/* `width` is the last dim of the product: rows are added to that, whatever views came after. */
static int link_add(const maru_abi_graph *graph, const maru_abi_node *node, uint32_t value, int64_t width,
                    cpu_tail_step *out)
{
    const uint32_t left = cpu_operand(graph, node->first_input);
    const uint32_t right = cpu_operand(graph, node->first_input + 1);
    const uint32_t other = left == value ? right : left;
    const maru_abi_value *v = cpu_value(graph, value);
    if (other == value || other == MARU_ABI_NO_INDEX || v->rank == 0)
        return 0;
    const maru_abi_value *a = cpu_value(graph, other);
    if (a->dtype.id != MARU_ABI_F32)
        return 0;
    out->addend_value = other;
    if (has_same_dims(graph, a, v))
        out->kind = CPU_TAIL_ADD;
    else if (is_row_of(graph, a, v) && dim_of(graph, v, v->rank - 1) == width)
        out->kind = CPU_TAIL_ADD_ROW;
    else
        return 0;
    return 1;
}

static int link_step(const maru_abi_graph *graph, const maru_abi_node *node, uint32_t value, int64_t width,
                     cpu_tail_step *out)
{
    const cpu_attrs attrs = {graph, node};
    *out = (cpu_tail_step){.addend_value = MARU_ABI_NO_INDEX, .alpha = 1};
    if (*node->domain)
        return 0;
    if (strcmp(node->op, "Add") == 0)
        return link_add(graph, node, value, width, out);
    if (strcmp(node->op, "Relu") == 0)
        out->kind = CPU_TAIL_RELU;
    else if (strcmp(node->op, "Gelu") == 0)
        out->kind = strcmp(cpu_attr_string(&attrs, "approximate", "none"), "tanh") == 0 ? CPU_TAIL_GELU_TANH
                                                                                      : CPU_TAIL_GELU;
    else if (strcmp(node->op, "Swish") == 0)
        out->kind = CPU_TAIL_SWISH;
    else if (strcmp(node->op, "Sigmoid") == 0)
        out->kind = CPU_TAIL_SIGMOID;
    else if (strcmp(node->op, "Tanh") == 0)
        out->kind = CPU_TAIL_TANH;
    out->alpha = (float)cpu_attr_float(&attrs, "alpha", 1);
    return out->kind != 0;
}

/* ---- the chain ---- */

static int begins_chain(const maru_abi_graph *graph, const maru_abi_node *node)
{
    if (*node->domain || (strcmp(node->op, "Gemm") != 0 && strcmp(node->op, "MatMul") != 0))
        return 0;
    const uint32_t value = cpu_operand(graph, node->first_output);
    return value != MARU_ABI_NO_INDEX && cpu_value(graph, value)->dtype.id == MARU_ABI_F32 &&
           cpu_value(graph, value)->rank > 0;
}

int cpu_chain_find(const maru_abi_graph *graph, const uint32_t *n_readers, const uint32_t *reader, uint32_t node,
                   cpu_chain *out)
{
    *out = (cpu_chain){.n_nodes = 1, .nodes = {node}};
    const maru_abi_node *at = cpu_node(graph, node);
    if (!begins_chain(graph, at))
        return 0;
    uint32_t value = cpu_operand(graph, at->first_output);
    const maru_abi_value *product = cpu_value(graph, value);
    const int64_t width = dim_of(graph, product, product->rank - 1);
    uint32_t used = 1;  // nodes up to the last step: views at the end are left to the host
    while (out->n_nodes < CPU_CHAIN_NODES && n_readers[value] == 1 && reader[value] != MARU_ABI_NO_INDEX) {
        const uint32_t next = reader[value];
        at = cpu_node(graph, next);
        if (!is_view(graph, at, value)) {
            cpu_tail_step *step = &out->tail.steps[out->tail.n_steps];
            if (out->tail.n_steps == CPU_TAIL_STEPS || !link_step(graph, at, value, width, step))
                break;
            out->tail.n_steps++;
            used = out->n_nodes + 1;
        }
        out->nodes[out->n_nodes++] = next;
        value = cpu_operand(graph, at->first_output);
    }
    out->n_nodes = used;
    return used > 1;
}
