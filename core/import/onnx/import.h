// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_ONNX_IMPORT_H
#define MARU_IMPORT_ONNX_IMPORT_H

/* What the walk over a model's nodes (import.c) and the look before it (known.c) share. */

#include "import/onnx/onnx.h"

enum {
    ONNX_MAX_BODY_DEPTH = 24,   // functions in functions, branches in branches
    ONNX_MAX_NODES = 1000000,   // functions that call each other twice are 2^24 nodes
};

/* Names in a graph, in a function's body or in a branch, which sees those around it too. */
struct onnx_scope {
    maru_map values;        // name -> maru_value
    maru_map initializers;  // name -> index, sparse ones after the others
    const onnx_graph *graph;            // whose initialisers they are
    const struct onnx_scope *parent;
    const onnx_function *function;      // NULL outside of one
    const onnx_attr *const *call_attrs; // of the call of the function
    size_t n_call_attrs;
    unsigned depth;
};

/* "ai.onnx" is "". */
const char *onnx_domain(const char *domain);
/* The opset of a domain where the scope is; 0 if none is imported. */
int64_t onnx_version(const onnx_import *import, const onnx_scope *scope, const char *domain);
/* The model's own function that a node calls; NULL: it is an operator. */
const onnx_function *onnx_find_function(const onnx_model *model, const onnx_node_proto *node);

/* import.c: names, and the nodes that make them, in order. */
MARU_NODISCARD maru_status onnx_check_opset(const onnx_import *import);
MARU_NODISCARD maru_status onnx_list_initializers(onnx_scope *scope, const onnx_graph *g);
MARU_NODISCARD maru_status onnx_define(onnx_scope *scope, const char *name, maru_value value);
MARU_NODISCARD maru_status onnx_look_up(onnx_import *import, onnx_scope *scope, const char *name, maru_value *out);
MARU_NODISCARD maru_status onnx_add_nodes(onnx_import *import, onnx_scope *scope, onnx_node_proto *const *nodes,
                                          size_t count);
/* A graph of an attribute, with values for its first inputs: it sees the names around the node. */
MARU_NODISCARD maru_status onnx_run_graph(onnx_node *n, const onnx_graph *g, const maru_value *inputs, size_t n_inputs,
                                          maru_value *outputs, size_t n_outputs);
/* A node's operator and attributes, those of a function's call in their places; no inputs. */
MARU_NODISCARD maru_status onnx_read_attrs(onnx_import *import, onnx_scope *scope, const onnx_node_proto *proto,
                                           onnx_node *out_node);
void onnx_scope_fini(onnx_scope *scope);

/* known.c. Whether the host runs the operator between two graphs (core/flow). */
bool onnx_is_staged(const char *domain, const char *op);
/* UNSUPPORTED lists every operator of these nodes that is not known. */
MARU_NODISCARD maru_status onnx_check_operators(const onnx_import *import, onnx_node_proto *const *nodes, size_t count);

#endif
