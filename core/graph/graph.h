// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_GRAPH_GRAPH_H
#define MARU_GRAPH_GRAPH_H

/*
 * The graph as the later stages read it. Built through maru/graph.h only;
 * everything below is constant to them.
 *
 * Invariants: nodes are in topological order; value 0 is unused; a value's
 * `node` or `constant` index is valid for its kind; dims and elems live in
 * the graph's arena.
 */

#include <maru/graph.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/hash.h"
#include "base/str.h"
#include "graph/op.h"

typedef enum maru_value_kind {
    MARU_VALUE_INPUT,
    MARU_VALUE_CONSTANT,
    MARU_VALUE_SHAPE,  // i64 vector of dims, no node
    MARU_VALUE_STATE,  // a state's value at the start of a run
    MARU_VALUE_NODE,
} maru_value_kind;

typedef struct maru_value_record {
    const char *name;
    maru_dim *dims;
    maru_dim *elems;    // known contents of an i64/i32 tensor of rank <= 1, or NULL (MARU_ELEM_* below)
    maru_value_kind kind;
    maru_dtype dtype;
    uint32_t rank;
    uint32_t n_elems;
    uint32_t source;    // node, constant, input or state index, by kind
    uint32_t output_index;  // which output of its node
    bool has_bound_dims;    // the true dims are data-dependent; `dims` bound them
} maru_value_record;

/*
 * An elem is a dim, so negative integers need an encoding of their own: an
 * elem is the id of an expression, always negative (maru_dim of a CONST
 * expression for plain integers). Use maru_elem_const / maru_elem_get.
 */

typedef struct maru_constant_record {
    maru_constant_source source;  // `data` NULL: external, found by name; else `owner` is held
    const char *name;
} maru_constant_record;

typedef struct maru_node_record {
    const maru_op_info *op;
    const char *scope;
    maru_value *inputs;
    maru_value *outputs;
    maru_attribute *attrs;  // sorted by name; deep copies in the arena
    uint32_t n_inputs;
    uint32_t n_outputs;
    uint32_t n_attrs;
} maru_node_record;

typedef struct maru_state_record {
    const char *name;
    maru_value input;
    maru_value output;  // MARU_NO_VALUE until set
    maru_state_params params;
} maru_state_record;

typedef struct maru_output_record {
    const char *name;
    maru_value value;
} maru_output_record;

typedef struct maru_symbol_record {
    const char *name;
    maru_symbol_params params;  // as given, defaults filled in; max -1: no bound
} maru_symbol_record;

/* Same operators and numbering as the plugin ABI (plugin_graph.h). */
typedef enum maru_expr_op {
    MARU_EXPR_CONST = 0,
    MARU_EXPR_SYMBOL = 1,
    MARU_EXPR_ADD = 2,
    MARU_EXPR_SUB = 3,
    MARU_EXPR_MUL = 4,
    MARU_EXPR_FLOORDIV = 5,
    MARU_EXPR_CEILDIV = 6,
    MARU_EXPR_MOD = 7,
    MARU_EXPR_MIN = 8,
    MARU_EXPR_MAX = 9,
} maru_expr_op;

typedef struct maru_expr_record {
    maru_expr_op op;
    int64_t a;
    int64_t b;
} maru_expr_record;

/* The symbols of a graph and the expressions over them; hash-consed, operands before users. */
typedef struct maru_exprs {
    MARU_ARRAY(maru_expr_record) list;
    MARU_ARRAY(maru_symbol_record) symbols;
    maru_map ids;  // record bytes -> index
    maru_arena *arena;
} maru_exprs;

struct maru_graph {
    maru_arena arena;
    const char *name;
    maru_exprs exprs;
    MARU_ARRAY(maru_value_record) values;
    MARU_ARRAY(maru_node_record) nodes;
    MARU_ARRAY(maru_constant_record) constants;
    MARU_ARRAY(maru_value) inputs;
    MARU_ARRAY(maru_state_record) states;
    MARU_ARRAY(maru_output_record) outputs;
    MARU_ARRAY(const char *) scopes;  // full paths, innermost last
    maru_map scalars;                 // (dtype, bits) -> value
    maru_map input_names;
};

static inline const maru_value_record *maru_graph_get(const maru_graph *graph, maru_value value)
{
    return &graph->values.data[value];
}

/* ---- expressions (dim.c) ---- */

/* Whether the dim is a constant, or an expression that is one. */
bool maru_expr_is_const(const maru_exprs *exprs, maru_dim dim, int64_t *out_value);
/* The id (a negative maru_dim) of a constant expression: for elems, which may be negative integers. */
MARU_NODISCARD maru_status maru_expr_const(maru_exprs *exprs, int64_t value, maru_dim *out_elem);
/* Simplified combination of dims or elems. The result is a plain number where it is constant and >= 0. */
MARU_NODISCARD maru_status maru_expr_make(maru_exprs *exprs, maru_expr_op op, maru_dim a, maru_dim b, maru_dim *out);
MARU_NODISCARD maru_status maru_expr_symbol(maru_exprs *exprs, const char *name, const maru_symbol_params *params,
                                            maru_dim *out);
/* a / b when b divides a for every value of the symbols; false otherwise. */
bool maru_expr_divide(maru_exprs *exprs, maru_dim a, maru_dim b, maru_dim *out);
/* Smallest and largest value over the symbols' ranges; INT64_MIN / INT64_MAX where unbounded. */
void maru_expr_range(const maru_exprs *exprs, maru_dim dim, int64_t *out_min, int64_t *out_max);
/*
 * True if `bounded` is the smaller of `symbol`, a symbol, and a constant, and
 * the two must be equal: the symbol is never above the constant from now on.
 */
bool maru_expr_narrow(maru_exprs *exprs, maru_dim symbol, maru_dim bounded);
/* Values of all expressions for given symbol values, into `out` (exprs.list.count items). Fails on overflow or x/0. */
MARU_NODISCARD maru_status maru_exprs_evaluate(const maru_exprs *exprs, const int64_t *symbol_values,
                                               int64_t *out_values);
/* A dim's value, given the values of all expressions. */
static inline int64_t maru_dim_value(maru_dim dim, const int64_t *expr_values)
{
    return dim >= 0 ? dim : expr_values[-1 - dim];
}
/* The product of dims as an expression. */
MARU_NODISCARD maru_status maru_expr_product(maru_exprs *exprs, const maru_dim *dims, size_t n, maru_dim *out);
/* Appends the text of a dim: "batch*seq", "(seq + 1)//2". `maru_expr_parse` reads it back, advancing *text. */
void maru_expr_print(const maru_exprs *exprs, maru_dim dim, maru_str *out);
MARU_NODISCARD maru_status maru_expr_parse(maru_exprs *exprs, const char **text, maru_dim *out);
/* Appends "[batch, seq, 384]". */
void maru_dims_print(const maru_exprs *exprs, const maru_dim *dims, size_t rank, maru_str *out);

/* ---- nodes ---- */

/* The attribute of that name, or NULL if it was not given. */
const maru_attribute *maru_node_attr(const maru_node_record *node, const char *name);
/* Given, or else the default of op.def, or else `fallback`. */
int64_t maru_node_int(const maru_node_record *node, const char *name, int64_t fallback);
double maru_node_float(const maru_node_record *node, const char *name, double fallback);
const char *maru_node_string(const maru_node_record *node, const char *name, const char *fallback);

/* Adds a node of a known op with ready attributes; used by the builders, decompositions and readers. */
MARU_NODISCARD maru_status maru_graph_add_node(maru_graph *graph, const maru_op_info *op, const maru_value *inputs,
                                               size_t n_inputs, const maru_attribute *attrs, size_t n_attrs,
                                               maru_value *out_values, size_t n_outputs);
/* A fresh value of kind NODE etc.; dims are copied. */
MARU_NODISCARD maru_status maru_graph_add_value(maru_graph *graph, maru_value_kind kind, uint32_t source,
                                                const char *name, maru_dtype dtype, const maru_dim *dims,
                                                uint32_t rank, maru_value *out_value);

/* Data for an external constant; retained or copied as by maru_graph_constant. */
MARU_NODISCARD maru_status maru_graph_give_data(maru_graph *graph, maru_value value,
                                                const maru_constant_source *source);
/* Bytes of a constant, or NULL while it is external. */
const void *maru_graph_constant_data(const maru_graph *graph, maru_value value);

#endif
