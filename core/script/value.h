// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_VALUE_H
#define MARU_SCRIPT_VALUE_H

/* Graphs, their values and their dims as Lua sees them. A value or dim keeps its graph. */

#include <lua.h>
#include <maru/graph.h>

#define MARU_CLASS_GRAPH "maru.graph"
#define MARU_CLASS_VALUE "maru.value"
#define MARU_CLASS_DIM "maru.dim"

enum { MARU_MAX_OPERANDS = 256, MARU_MAX_ATTRS = 32 };

/* A userdata of class "maru.graph". `graph` is NULL once it was taken. */
typedef struct maru_graph_ref {
    maru_graph *graph;
} maru_graph_ref;

/* User value 1 of the userdata is the maru.graph. */
typedef struct maru_value_ref {
    maru_graph_ref *owner;
    maru_value value;
} maru_value_ref;

typedef struct maru_dim_ref {
    maru_graph_ref *owner;
    maru_dim dim;
} maru_dim_ref;

/* Makes the classes; once per state. */
void maru_value_open(lua_State *L);
void maru_dim_open(lua_State *L);

/* Pushes a new maru.graph that owns what the caller then puts into it. */
maru_graph_ref *maru_push_graph(lua_State *L);
/* Both take the index of the maru.graph. A constant dim is a number. */
void maru_push_value(lua_State *L, int graph_index, maru_value value);
void maru_push_dim(lua_State *L, int graph_index, maru_dim dim);
/* Pushes the maru.graph of the value or dim at `index`. */
maru_graph_ref *maru_push_graph_of(lua_State *L, int index);

/* NULL if it is none. */
maru_value_ref *maru_test_value(lua_State *L, int index);
maru_dim_ref *maru_test_dim(lua_State *L, int index);
/* Raise for another type, for a value of another graph than `owner` (unless NULL), or of a finished one. */
maru_value_ref *maru_check_value(lua_State *L, int index, const maru_graph_ref *owner);
/* A number or a dim. */
maru_dim maru_check_dim(lua_State *L, int index, const maru_graph_ref *owner);
/* A dtype by name. */
maru_dtype maru_check_dtype(lua_State *L, int index);
maru_value_info maru_value_info_of(lua_State *L, const maru_value_ref *ref);

/*
 * What is at `index` as a value of the graph: a value, a number (a scalar of `dtype`), a table of dims (an i64
 * vector), a host tensor (a constant), nil or false (none).
 */
maru_value maru_to_value(lua_State *L, int index, maru_graph_ref *owner, maru_dtype dtype);

/*
 * Adds a node with the operands at [first, first + n) and the attributes of the table at `attrs` (0: none), and
 * pushes its outputs: `n_outputs`, or what attrs.outputs says, or the fewest that the op may have.
 */
int maru_push_node(lua_State *L, const char *op, int graph_index, int first, int n, int attrs, int n_outputs);
/* The usual case: values in, one value out, and one attribute or none. */
maru_value maru_add_op(lua_State *L, maru_graph_ref *owner, const char *op, const maru_value *inputs, size_t n,
                       const maru_attribute *attr);
/* The summary of "Add" or "maru.Random"; false if there is none. */
bool maru_find_op(const char *name, maru_op_summary *out);

/* Methods of values that are more than an op by its name (methods.c), put into the table on top. */
void maru_value_methods(lua_State *L);
/* Functions of the module: op, concat, where, ... put into the table on top. */
void maru_value_functions(lua_State *L);

#endif
