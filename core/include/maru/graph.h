// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_GRAPH_H
#define MARU_GRAPH_H

/*
 * A graph: what to compute, hardware-neutral. Operators, their inputs,
 * attributes and meaning are those of the ONNX operator specification in its
 * newest form; extensions live in the domain "maru". Every node's dtypes and
 * dims are inferred, and checked, when it is added.
 *
 * A graph is built by one thread; once a model was made of it, it is constant.
 */

#include <maru/attr.h>
#include <maru/status.h>
#include <maru/tensor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_graph maru_graph;

/* A value of a graph. 0 stands for "none": an optional input left out. */
typedef uint32_t maru_value;
#define MARU_NO_VALUE 0u

/* A dim is a constant when >= 0; a negative number names an expression of the graph's symbols. */
typedef int64_t maru_dim;

MARU_API MARU_NODISCARD maru_status maru_graph_create(const char *name, maru_graph **out_graph);
MARU_API void maru_graph_destroy(maru_graph **graph);
/* "" if none was given. */
MARU_API const char *maru_graph_get_name(const maru_graph *graph);

/* ---- symbols and dims ------------------------------------------------- */

/* {0} means: any value from 1 up. */
typedef struct maru_symbol_params {
    int64_t min;          // 0 is read as 1; -1 allows 0
    int64_t max;          // 0: no bound
    int64_t multiple_of;  // 0: 1
    int64_t typical;      // 0: unknown; what the planner estimates with
} maru_symbol_params;

/*
 * A named dim that is bound at each run. Asking again for the same name gives
 * the same symbol; params other than NULL or the first ones are an error.
 * Names are [A-Za-z_][A-Za-z0-9_]*.
 */
MARU_API MARU_NODISCARD maru_status maru_graph_symbol(maru_graph *graph, const char *name,
                                                      const maru_symbol_params *params, maru_dim *out_dim);
MARU_API size_t maru_graph_symbol_count(const maru_graph *graph);
/* "" past the end. `out_params` may be NULL. */
MARU_API const char *maru_graph_symbol_info(const maru_graph *graph, size_t index, maru_symbol_params *out_params);

typedef enum maru_dim_op {
    MARU_DIM_ADD,
    MARU_DIM_SUB,
    MARU_DIM_MUL,
    MARU_DIM_FLOORDIV,  // towards minus infinity
    MARU_DIM_CEILDIV,
    MARU_DIM_MOD,       // sign of the divisor
    MARU_DIM_MIN,
    MARU_DIM_MAX,
} maru_dim_op;

/*
 * Combines two dims; the result is simplified, and equal sums of products are
 * the same dim (seq*batch == batch*seq, n*6/3 == n*2). A constant result must
 * not be negative: where an intermediate may be, use maru_graph_offset.
 */
MARU_API MARU_NODISCARD maru_status maru_graph_dim(maru_graph *graph, maru_dim_op op, maru_dim a, maru_dim b,
                                                   maru_dim *out_dim);
/* dim + delta, where delta may be negative. */
MARU_API MARU_NODISCARD maru_status maru_graph_offset(maru_graph *graph, maru_dim dim, int64_t delta,
                                                      maru_dim *out_dim);
/* Writes "batch*seq" to `text` (cut to `room`), and returns it. */
MARU_API const char *maru_graph_dim_text(const maru_graph *graph, maru_dim dim, char *text, size_t room);

/* ---- values ----------------------------------------------------------- */

typedef struct maru_value_info {
    const char *name;      // "" if none
    maru_dtype dtype;
    uint32_t rank;
    const maru_dim *dims;  // valid until the next change of the graph
    bool is_constant;      // a constant or a shape
} maru_value_info;

MARU_API MARU_NODISCARD maru_status maru_graph_value_info(const maru_graph *graph, maru_value value,
                                                          maru_value_info *out_info);

/* What is given at each run. Names of inputs are unique. Rank 0 is a scalar. */
MARU_API MARU_NODISCARD maru_status maru_graph_input(maru_graph *graph, const char *name, maru_dtype dtype,
                                                     const maru_dim *dims, uint32_t rank, maru_value *out_value);
MARU_API size_t maru_graph_input_count(const maru_graph *graph);
MARU_API maru_value maru_graph_input_at(const maru_graph *graph, size_t index);

/* Where the bytes of a constant are. */
typedef struct maru_constant_source {
    const void *data;   // dense bytes, aligned or not; copied unless `retain` is set
    size_t bytes;
    int fd;             // with `retain`: the file that `data` maps, or 0
    uint64_t offset;    // of `data` in that file
    void *owner;        // keeps `data` alive; may be shared by many constants
    void (*retain)(void *owner);   // NULL: copy
    void (*release)(void *owner);
    bool is_stored;     // a file of weights has it under the constant's name: a dump need not hold it
} maru_constant_source;

/* A constant of constant dims. `name` may be "". */
MARU_API MARU_NODISCARD maru_status maru_graph_constant(maru_graph *graph, const char *name, maru_dtype dtype,
                                                        const int64_t *dims, uint32_t rank,
                                                        const maru_constant_source *source, maru_value *out_value);
/* A scalar of any plain dtype: the nearest to the double, integers towards zero; equal ones are one value. */
MARU_API MARU_NODISCARD maru_status maru_graph_scalar(maru_graph *graph, maru_dtype dtype, double value,
                                                      maru_value *out_value);
/* An i64 vector whose elements are dims: the shape input of Reshape, Expand, ... */
MARU_API MARU_NODISCARD maru_status maru_graph_shape(maru_graph *graph, const maru_dim *elems, size_t n,
                                                     maru_value *out_value);
/* An i64 vector of plain integers, negative ones allowed: axes, starts, pads. */
MARU_API MARU_NODISCARD maru_status maru_graph_ints(maru_graph *graph, const int64_t *elems, size_t n,
                                                    maru_value *out_value);

/* Gives a value a name, for outputs by name, traces and placement. An input keeps the one that it is set by. */
MARU_API MARU_NODISCARD maru_status maru_graph_name_value(maru_graph *graph, maru_value value, const char *name);

/* ---- nodes ------------------------------------------------------------ */

typedef enum maru_attr_kind {
    MARU_ATTR_INT = 1,
    MARU_ATTR_FLOAT = 2,
    MARU_ATTR_STRING = 3,
    MARU_ATTR_INTS = 4,
    MARU_ATTR_FLOATS = 5,
    MARU_ATTR_STRINGS = 6,
    MARU_ATTR_TENSOR = 7,
} maru_attr_kind;

/* Copied by maru_graph_node. Only the members of the kind are read. */
typedef struct maru_attribute {
    const char *name;
    maru_attr_kind kind;
    int64_t i;
    double f;
    const char *s;
    const int64_t *ints;
    const double *floats;
    const char *const *strings;
    size_t n;             // of ints, floats or strings
    maru_value tensor;    // a constant of the graph
} maru_attribute;

#define MARU_ATTR_I(attr_name, value) \
    { .name = (attr_name), .kind = MARU_ATTR_INT, .i = (value) }
#define MARU_ATTR_F(attr_name, value) \
    { .name = (attr_name), .kind = MARU_ATTR_FLOAT, .f = (value) }
#define MARU_ATTR_S(attr_name, value) \
    { .name = (attr_name), .kind = MARU_ATTR_STRING, .s = (value) }
#define MARU_ATTR_IS(attr_name, values, count) \
    { .name = (attr_name), .kind = MARU_ATTR_INTS, .ints = (values), .n = (count) }

/*
 * Adds a node and infers its outputs. `op` is "Add" or, for other domains,
 * "maru.Random". Inputs may be MARU_NO_VALUE where the op allows it. Writes
 * `n_outputs` values. The error names op, inputs, both shapes and what would
 * fit; the graph is then unchanged.
 */
MARU_API MARU_NODISCARD maru_status maru_graph_node(maru_graph *graph, const char *op, const maru_value *inputs,
                                                    size_t n_inputs, const maru_attribute *attrs, size_t n_attrs,
                                                    maru_value *out_values, size_t n_outputs);
/* The usual case: one output. */
MARU_API MARU_NODISCARD maru_status maru_graph_op(maru_graph *graph, const char *op, const maru_value *inputs,
                                                  size_t n_inputs, const maru_attribute *attrs, size_t n_attrs,
                                                  maru_value *out_value);
MARU_API size_t maru_graph_node_count(const maru_graph *graph);
/* Whether a node is of that operator: "Add", "maru.Random". */
MARU_API bool maru_graph_has_op(const maru_graph *graph, const char *op);

/* An operator of this build. */
typedef struct maru_op_summary {
    const char *name;    // "Add"
    const char *domain;  // "", or "maru": a node of "BlockMatMul" is then added as "maru.BlockMatMul"
    int min_inputs;
    int max_inputs;      // -1: any number
    int min_outputs;
    int max_outputs;     // -1: any number
    /* "axis:i=-1 mode:s=none to:i!": name, kind (i f s, lists I F S, t tensor), default; '!' required. */
    const char *attrs;
} maru_op_summary;
/* In no order that means anything; false past the last. */
MARU_API bool maru_op_at(size_t index, maru_op_summary *out_summary);

/* Nodes added until the matching pop carry "outer.name" as their scope path. */
MARU_API MARU_NODISCARD maru_status maru_graph_push_scope(maru_graph *graph, const char *name);
MARU_API void maru_graph_pop_scope(maru_graph *graph);
/* The present scope path, "" at the top. */
MARU_API const char *maru_graph_scope(const maru_graph *graph);

/* ---- outputs and states ----------------------------------------------- */

MARU_API MARU_NODISCARD maru_status maru_graph_output(maru_graph *graph, const char *name, maru_value value);
MARU_API size_t maru_graph_output_count(const maru_graph *graph);
/* MARU_NO_VALUE past the end; `out_name` may be NULL. */
MARU_API maru_value maru_graph_output_at(const maru_graph *graph, size_t index, const char **out_name);

/* {0}: a state of fixed size. */
typedef struct maru_state_params {
    int axis;             // 1 + the axis that fills up, 0: none
    maru_value length;    // the value that holds the valid length along it, or none
    bool is_ring;         // writes wrap at the capacity
} maru_state_params;

/*
 * What outlives a run: gives the value that it has at the start of a run
 * (zeros at the start of a session). maru_graph_set_state says what it is at
 * the end; every state must be set once. Dims are the capacity, and constant.
 */
MARU_API MARU_NODISCARD maru_status maru_graph_state(maru_graph *graph, const char *name, maru_dtype dtype,
                                                     const int64_t *dims, uint32_t rank,
                                                     const maru_state_params *params, maru_value *out_value);
MARU_API MARU_NODISCARD maru_status maru_graph_set_state(maru_graph *graph, const char *name, maru_value value);
MARU_API size_t maru_graph_state_count(const maru_graph *graph);
/* "" past the end. */
MARU_API const char *maru_graph_state_name(const maru_graph *graph, size_t index);

/* ---- text ------------------------------------------------------------- */

/* Checks every rule of a graph; builders keep them, so a failure is a bug or a damaged file. */
MARU_API MARU_NODISCARD maru_status maru_graph_verify(const maru_graph *graph);

/*
 * The stable text form (docs/architecture.md); free() it. Constants of more than 64 elements are `external` by name if
 * they are stored in a file of weights, else in base 64: the text and the weights are the whole graph.
 */
MARU_API MARU_NODISCARD maru_status maru_graph_dump(const maru_graph *graph, char **out_text);
/* Reads the text form; errors say "name:line: ...". Dump, read, dump is the identity. */
MARU_API MARU_NODISCARD maru_status maru_graph_read(const char *text, size_t bytes, const char *name,
                                                    maru_graph **out_graph);
/* Graphviz; free() it. */
MARU_API MARU_NODISCARD maru_status maru_graph_dot(const maru_graph *graph, char **out_text);

#ifdef __cplusplus
}
#endif

#endif
