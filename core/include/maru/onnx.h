// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_ONNX_H
#define MARU_ONNX_H

/* ONNX models as graphs, opsets 1 to 28 of the default domain, made into the newest form; and graphs as ONNX models. */

#include <maru/attr.h>
#include <maru/graph.h>
#include <maru/status.h>
#include <maru/tensor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of an input when the model is loaded. */
typedef struct maru_onnx_known {
    const char *name;
    const maru_tensor *tensor;
    bool is_value;    // it becomes a constant, and shapes may follow from it; else its dims alone are known
    bool is_constant; // written by the load: the graph has a constant instead of this input
} maru_onnx_known;

typedef struct maru_onnx_params {
    maru_onnx_known *known;  // what tensors hold is copied
    size_t n_known;
    /*
     * What is known is used only as far as the model cannot be loaded without
     * it: dims first, then the values of small integer inputs, then those of
     * all that have at most 64 elements. is_value is not read.
     */
    bool as_needed;
} maru_onnx_params;

/*
 * Reads a model file and makes its graph; `params` may be NULL. Names of inputs, outputs and
 * dim_params are kept (a character that no symbol may have becomes '_'; a dim
 * without a name is called after its input and axis), a node's name is its
 * scope, a value keeps its name. Initialisers are used where they lie in the
 * mapped file, and so is external data, which must lie in the model's folder;
 * the files stay mapped as long as the graph, or a model of it, lives.
 *
 * DATA_LOSS for a damaged file, UNSUPPORTED for what this build lacks: all
 * operators that are not known are listed at once, with the opset and how
 * many nodes have them. Destroy the graph.
 */
MARU_API MARU_NODISCARD maru_status maru_onnx_load(const char *path, const maru_onnx_params *params,
                                                 maru_graph **out_graph);

/* ---- models as parts of a graph ---------------------------------------- */

/* A model file, open. Const: any number of threads may read it, and any number of graphs take it. */
typedef struct maru_onnx_file maru_onnx_file;

MARU_API MARU_NODISCARD maru_status maru_onnx_open(const char *path, maru_onnx_file **out_file);
/* Gives up the caller's hold. Constants that lie in the file keep it mapped. */
MARU_API void maru_onnx_close(maru_onnx_file **file);

/* Which opset of a domain ("" is ONNX's own) the model is written in; 0: it names none. */
MARU_API int64_t maru_onnx_opset(const maru_onnx_file *file, const char *domain);
/* Whether a node of the model's graph, not of its branches and functions, is of that operator. */
MARU_API bool maru_onnx_has_op(const maru_onnx_file *file, const char *domain, const char *op);

/* An input or output as the model declares it. Texts live as long as the file. */
typedef struct maru_onnx_port {
    const char *name;
    maru_dtype dtype;    // MARU_DTYPE_NONE: it does not say, or it is no tensor
    bool has_rank;
    uint32_t rank;
    int64_t dims[MARU_MAX_RANK];         // -1: open
    const char *symbols[MARU_MAX_RANK];  // the name of an open dim, "" if it has none
} maru_onnx_port;

/* Inputs without those that initialisers give a value; false past the last. */
MARU_API bool maru_onnx_input_at(const maru_onnx_file *file, size_t index, maru_onnx_port *out_port);
MARU_API bool maru_onnx_output_at(const maru_onnx_file *file, size_t index, maru_onnx_port *out_port);

/* What the model's author wrote beside it (metadata_props); false past the last. Texts live as long as the file. */
MARU_API bool maru_onnx_metadata_at(const maru_onnx_file *file, size_t index, const char **out_key,
                                    const char **out_value);

/* A value of the graph in the place of one of the model: an input, an initialiser, or what a node makes. */
typedef struct maru_onnx_given {
    const char *name;
    maru_value value;
} maru_onnx_given;

/* What an open dim of the model is in the graph: an integer, a symbol, an expression. */
typedef struct maru_onnx_dim {
    const char *name;
    maru_dim dim;
} maru_onnx_dim;

/* The dims of an input, whatever the model says of them. */
typedef struct maru_onnx_dims {
    const char *name;
    uint32_t rank;
    maru_dim dims[MARU_MAX_RANK];
} maru_onnx_dims;

typedef struct maru_onnx_part {
    const maru_onnx_given *given;
    size_t n_given;
    const maru_onnx_dim *symbols;
    size_t n_symbols;
    const maru_onnx_dims *dims;
    size_t n_dims;
    const char *const *outputs;  // values of the model, inner ones too
    size_t n_outputs;
} maru_onnx_part;

/*
 * Adds to a graph what computes `outputs` from `given`: those nodes alone, so a
 * model may be cut on both sides, and what lies beyond a cut need not be
 * supported. An input that is needed and not given becomes one of the graph,
 * of the same name. A value given for an input must have its dtype, its rank
 * and its constant dims, unless `dims` names the input. Errors name the value;
 * the graph is then of no more use.
 */
MARU_API MARU_NODISCARD maru_status maru_onnx_add(maru_onnx_file *file, const maru_onnx_part *part, maru_graph *graph,
                                                  maru_value *out_values);

/* ---- graphs as models -------------------------------------------------- */

/* {0}: the newest opset, such that the current ONNX Runtime runs it. */
typedef struct maru_onnx_save_params {
    int opset;       // 17 to 28; 0: the newest one at which the least has to be taken apart
    bool decompose;  // every composite operator is written as its body in primitives
    bool whole;      // composites that ONNX has and the current ONNX Runtime does not run are written as they are
    bool external;   // weights in a file of their own, PATH.data; from 1.9 GiB on they always are
} maru_onnx_save_params;

/* What was written. */
typedef struct maru_onnx_saved {
    int opset;
    size_t n_nodes;
    size_t n_weights;
    size_t n_decomposed;   // nodes that were replaced by their bodies
    uint64_t model_bytes;
    uint64_t data_bytes;   // of the file beside it, 0: none
} maru_onnx_saved;

/*
 * Writes a graph as an ONNX model, all or nothing; `params` and `out_saved` may be
 * NULL. Inputs, outputs and values keep their names (a number is added where
 * two are the same), symbols are dim_params, a scope is the name of its
 * nodes, dims that the graph computes are nodes. A state `k` becomes an input
 * `k`, zeros at first, and an output `k.next`, to be given as `k` in the next
 * run. metadata_props hold the graph's name, the bounds of symbols and the
 * pairs of states, under "maru.".
 *
 * What did not exist at the opset is written in its older form, or as its body;
 * UNSUPPORTED lists at once all that cannot be said. FAILED_PRECONDITION: a
 * constant has no data.
 */
MARU_API MARU_NODISCARD maru_status maru_onnx_save(const maru_graph *graph, const char *path,
                                                 const maru_onnx_save_params *params, maru_onnx_saved *out_saved);

#ifdef __cplusplus
}
#endif

#endif
