// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXEC_ABI_GRAPH_H
#define MARU_EXEC_ABI_GRAPH_H

/* A graph, or some of its nodes, in the flat form that crosses the plugin ABI. */

#include <maru/plugin_graph.h>

#include "exec/content.h"
#include "graph/graph.h"

typedef struct maru_abi_graph_box {
    maru_arena arena;
    maru_abi_graph graph;  // points into the arena and into the source graph, which outlives it
} maru_abi_graph_box;

/*
 * What crosses: the nodes listed (ascending; NULL: all), the values they
 * touch, and the border given as inputs, shapes and outputs. With NULL lists
 * the border is the graph's own: its inputs and states, its outputs and
 * states' ends. Expressions cross whole, so that their values are the same.
 */
typedef struct maru_abi_graph_part {
    const uint32_t *nodes;
    size_t n_nodes;
    const maru_value *inputs;
    size_t n_inputs;
    const maru_value *outputs;
    size_t n_outputs;
    const maru_content_hash *contents;  // of the graph's constants, or NULL: they cross as not hashed
} maru_abi_graph_part;

MARU_NODISCARD maru_status maru_abi_graph_make(const maru_graph *graph, const maru_abi_graph_part *part,
                                               maru_abi_graph_box *out);
void maru_abi_graph_fini(maru_abi_graph_box *box);

#endif
