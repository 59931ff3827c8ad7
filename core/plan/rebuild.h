// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLAN_REBUILD_H
#define MARU_PLAN_REBUILD_H

/* Copying a graph into a new one, value by value: what every pass on graphs is made of. */

#include "graph/graph.h"

typedef struct maru_rebuild {
    const maru_graph *from;
    maru_graph *to;
    maru_value *map;  // from value -> to value; MARU_NO_VALUE: not copied yet
    maru_dim *dims;   // from expression -> to dim
} maru_rebuild;

/* A new graph of the same name with the same symbols and, in order, the same inputs and states. */
MARU_NODISCARD maru_status maru_rebuild_begin(const maru_graph *from, maru_rebuild *out);
void maru_rebuild_fini(maru_rebuild *rebuild);

/* The copy of a dim. */
static inline maru_dim maru_rebuild_dim(const maru_rebuild *rebuild, maru_dim dim)
{
    return dim >= 0 ? dim : rebuild->dims[-1 - dim];
}
/* The copy of a value that no node makes (constants share their data), or of a node's that was copied before. */
MARU_NODISCARD maru_status maru_rebuild_value(maru_rebuild *rebuild, maru_value value, maru_value *out);
/* Copies a node with its scope and attributes, and maps its outputs. */
MARU_NODISCARD maru_status maru_rebuild_node(maru_rebuild *rebuild, const maru_node_record *node);
/* Copies names, outputs and states' ends. Gives the graph away. */
MARU_NODISCARD maru_status maru_rebuild_finish(maru_rebuild *rebuild, maru_graph **out_graph);
/* The inputs of a node as values of the new graph; `room` has n_inputs items. */
MARU_NODISCARD maru_status maru_rebuild_inputs(maru_rebuild *rebuild, const maru_node_record *node, maru_value *room);

/* live[v] for every value that an output or a state's end needs. */
MARU_NODISCARD maru_status maru_graph_mark_live(const maru_graph *graph, bool *live);

#endif
