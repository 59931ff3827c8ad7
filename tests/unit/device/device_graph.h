// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef DEVICE_GRAPH_H
#define DEVICE_GRAPH_H

/* A graph for tests of tier G: out = Relu((x + y) * c) with dims (n, 4), n a symbol; then, if asked for, Exp(out). */

#include <maru/plugin_graph.h>

typedef struct test_graph {
    maru_abi_graph graph;
    maru_abi_domain domain;
    maru_abi_symbol symbol;
    maru_abi_expr expr;
    int64_t dims[2];
    float c_data[32];
    maru_abi_value values[7];
    uint32_t operands[9];
    maru_abi_node nodes[4];
    maru_abi_constant constant;
    uint32_t inputs[2];
    uint32_t output;
} test_graph;

static inline void test_graph_init(test_graph *g, int with_exp)
{
    static const char *const ops[] = {"Add", "Mul", "Relu", "Exp"};
    static const uint32_t operands[] = {0, 1, 3, 3, 2, 4, 4, 5, 6};
    static const uint32_t first_input[] = {0, 3, 6, 7};
    static const uint32_t first_output[] = {2, 5, 7, 8};
    *g = (test_graph){
        .domain = {"", 21, 0},
        .symbol = {"n", 1, 8, 1, 2},
        .expr = {MARU_ABI_EXPR_SYMBOL, 0, 0, 0},
        .dims = {-1, 4},
        .inputs = {0, 1},
        .output = with_exp ? 6 : 5,
    };
    g->constant = (maru_abi_constant){.name = "c", .dtype = {MARU_ABI_F32, 1, 4}, .rank = 2,
                                      .bytes = sizeof g->c_data, .data = g->c_data};
    for (uint32_t i = 0; i < 32; i++)
        g->c_data[i] = 2;
    for (uint32_t i = 0; i < 9; i++)
        g->operands[i] = operands[i];
    for (uint32_t i = 0; i < 7; i++)
        g->values[i] = (maru_abi_value){.name = "", .dtype = {MARU_ABI_F32, 1, 4}, .rank = 2,
                                        .kind = i < 2 ? MARU_ABI_VALUE_INPUT : MARU_ABI_VALUE_NODE,
                                        .source = i > 2 ? i - 3 : 0};
    g->values[2].kind = MARU_ABI_VALUE_CONSTANT;
    for (uint32_t i = 0; i < 4; i++)
        g->nodes[i] = (maru_abi_node){.domain = "", .op = ops[i], .scope = "", .since_version = 14,
                                      .first_input = first_input[i], .n_inputs = i < 2 ? 2 : 1,
                                      .first_output = first_output[i], .n_outputs = 1};
    g->graph = (maru_abi_graph){
        .head = MARU_ABI_HEAD(maru_abi_graph),
        .name = "test",
        .domains = {&g->domain, 1, sizeof g->domain},
        .symbols = {&g->symbol, 1, sizeof g->symbol},
        .exprs = {&g->expr, 1, sizeof g->expr},
        .dims = {g->dims, 2, sizeof g->dims[0]},
        .values = {g->values, with_exp ? 7u : 6u, sizeof g->values[0]},
        .operands = {g->operands, with_exp ? 9u : 8u, sizeof g->operands[0]},
        .nodes = {g->nodes, with_exp ? 4u : 3u, sizeof g->nodes[0]},
        .constants = {&g->constant, 1, sizeof g->constant},
        .inputs = {g->inputs, 2, sizeof g->inputs[0]},
        .outputs = {&g->output, 1, sizeof g->output},
    };
}

#endif
