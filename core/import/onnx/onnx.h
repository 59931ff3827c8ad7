// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_ONNX_ONNX_H
#define MARU_IMPORT_ONNX_ONNX_H

/*
 * From an ONNX file to a graph: the file (file.c), its tensors and types, then
 * its nodes in order. A node whose operator has had another form than the
 * newest, or that is built from others, goes through a row of forms.c.
 */

#include "graph/graph.h"
#include "import/onnx.pb-c.h"

#include <maru/file.h>
#include <maru/onnx.h>

typedef Maru__Onnx__ModelProto onnx_model;
typedef Maru__Onnx__GraphProto onnx_graph;
typedef Maru__Onnx__NodeProto onnx_node_proto;
typedef Maru__Onnx__AttributeProto onnx_attr;
typedef Maru__Onnx__TensorProto onnx_tensor;
typedef Maru__Onnx__FunctionProto onnx_function;
typedef Maru__Onnx__TensorShapeProto__Dimension onnx_dim;

/* A text of the message that may be left out. */
static inline const char *onnx_text_of(const char *text)
{
    return text ? text : "";
}

#define ONNX_OLDEST_OPSET 1

/* ---- file.c ---- */

/* maru_onnx_file: the mapped files and the message; held by the import and by every constant that lies in them. */
MARU_NODISCARD maru_status maru_onnx_file_open(const char *path, maru_onnx_file **out_file);
/* As open, from memory that outlives the file and what is made of it; `name` stands for its path. */
MARU_NODISCARD maru_status maru_onnx_file_open_memory(const void *data, size_t bytes, const char *name,
                                                      maru_onnx_file **out_file);
void maru_onnx_file_retain(maru_onnx_file *file);
void maru_onnx_file_release(maru_onnx_file *file);
/* Drops the pages of large files that were read; who reads them again gets them from the system's cache. */
void maru_onnx_file_rest(const maru_onnx_file *file);
const onnx_model *maru_onnx_file_model(const maru_onnx_file *file);
const char *maru_onnx_file_path(const maru_onnx_file *file);

/* ---- tensor.c ---- */

/* The tensor as a constant of the graph; where it lies, but for small ones that are not aligned. */
MARU_NODISCARD maru_status maru_onnx_constant(maru_onnx_file *file, const onnx_tensor *tensor, maru_graph *graph,
                                              maru_value *out_value);
/* Bytes [offset, offset + bytes) of the model, or of a file beside it (location not NULL). file.c */
MARU_NODISCARD maru_status maru_onnx_file_bytes(maru_onnx_file *file, const char *location, uint64_t offset,
                                                uint64_t bytes, bool to_end, maru_constant_source *out_source);
/* A dense constant from values and indices, or NONE-dtype failure with a sentence. */
MARU_NODISCARD maru_status maru_onnx_sparse_constant(maru_onnx_file *file, const Maru__Onnx__SparseTensorProto *sparse,
                                                     maru_graph *graph, maru_value *out_value);

/* As constant, copied out of the file; text too. */
MARU_NODISCARD maru_status maru_onnx_read_tensor(maru_onnx_file *file, const onnx_tensor *tensor,
                                                 maru_file_value *out_value);
MARU_NODISCARD maru_status maru_onnx_read_sparse(maru_onnx_file *file, const Maru__Onnx__SparseTensorProto *sparse,
                                                 maru_tensor *out_dense);

/* ---- import.c ---- */

/* maru_onnx_load of a file that is open. */
MARU_NODISCARD maru_status maru_onnx_import(maru_onnx_file *file, const maru_onnx_params *params,
                                            maru_graph **out_graph);

/* ---- type.c ---- */

/* The symbol's name in the model; "" if it has none. */
const char *maru_onnx_dim_name(const onnx_dim *dim);

/* The symbol of an open dim in a graph: its name there, or the input's and the axis. */
MARU_NODISCARD maru_status maru_onnx_symbol(const char *name, const char *input, size_t axis, maru_graph *graph,
                                            maru_dim *out_dim);
/* Adds an input of the type that is declared; open dims are those of `known` (NULL: symbols). */
MARU_NODISCARD maru_status maru_onnx_input(const Maru__Onnx__ValueInfoProto *info, const maru_tensor *known,
                                           maru_graph *graph, maru_value *out_value);

/* ---- nodes on their way into the graph ---- */

enum { ONNX_MAX_OPERANDS = 256, ONNX_MAX_ATTRS = 32 };

typedef struct onnx_import {
    maru_onnx_file *file;
    maru_graph *graph;
    const onnx_model *model;
    const maru_onnx_params *params;
    int use;  // onnx_use: how much of what is known
    const maru_map *given;  // names of the graph whose values are the caller's; NULL: none
    int64_t baked_batch;    // what the model says of an input's first dim that is another here; 0: none is
    struct onnx_stage *stage;  // NULL: all nodes are made one graph
    size_t n_nodes;            // so far, those of functions and branches at each call
} onnx_import;

typedef struct onnx_scope onnx_scope;

/*
 * How nodes become a graph where the model runs in stages (core/flow): what
 * earlier ones made is looked up, and a node that needs a value of the run
 * ends the graph before it.
 */
typedef struct onnx_stage {
    /* The value of that name as an input or constant of the graph; *out_value is untouched if there is none. */
    maru_status (*look_up)(void *ctx, const char *name, maru_value *out_value);
    void *ctx;
    const onnx_scope *root;  // names are looked up for scopes in this one
    bool is_end;             // the node that failed can be in no graph before a run of those before it
} onnx_stage;

typedef struct onnx_node {
    onnx_import *import;
    onnx_scope *scope;
    const char *op;
    const char *domain;   // "" is the default one
    int64_t version;      // of the domain's opset
    maru_value inputs[ONNX_MAX_OPERANDS];    // without those left out at the end
    size_t n_inputs;
    const onnx_attr *attrs[ONNX_MAX_ATTRS];  // those that stand for a function's are resolved
    size_t n_attrs;
    onnx_attr renamed[ONNX_MAX_ATTRS];       // where attrs point to
    maru_value outputs[ONNX_MAX_OPERANDS];   // to be filled
    size_t n_outputs;                        // without those left out at the end
    bool wants[ONNX_MAX_OPERANDS];           // which outputs have a name
} onnx_node;

/* ---- attrs.c: reading attributes and adding nodes, for forms ---- */

const onnx_attr *onnx_attr_find(const onnx_node *n, const char *name);
int64_t onnx_attr_int(const onnx_node *n, const char *name, int64_t fallback);
double onnx_attr_float(const onnx_node *n, const char *name, double fallback);
/* True if the attribute is that text, or is left out and `fallback` is. */
bool onnx_attr_is(const onnx_node *n, const char *name, const char *text, const char *fallback);
/* NULL if it is left out. */
const int64_t *onnx_attr_ints(const onnx_node *n, const char *name, size_t *out_n);
/* Whether there is input `index`. */
bool onnx_has(const onnx_node *n, size_t index);

/* Adds `op` with the given inputs; `attrs` has n_attrs. Output 0 alone. */
MARU_NODISCARD maru_status onnx_add(onnx_node *n, const char *op, const maru_value *inputs, size_t n_inputs,
                                    const maru_attribute *attrs, size_t n_attrs, maru_value *out_value);
/*
 * Adds `op` ("Pad", "maru.FusedConv") with the node's inputs as they stand in
 * `n`, its outputs and its attributes, but those in `without`, a list of
 * names ended by NULL, and with those in `extra`.
 */
MARU_NODISCARD maru_status onnx_add_as(onnx_node *n, const char *op, const char *const *without,
                                       const maru_attribute *extra, size_t n_extra);
/* The node as op.def has it. */
MARU_NODISCARD maru_status onnx_add_newest(onnx_node *n);
MARU_NODISCARD maru_status onnx_ints(onnx_node *n, const int64_t *ints, size_t count, maru_value *out_value);
/* A scalar of the dtype of another value. */
MARU_NODISCARD maru_status onnx_scalar_like(onnx_node *n, maru_value like, double value, maru_value *out_value);

/* ---- forms.c ---- */

typedef struct onnx_form {
    const char *domain;
    const char *op;
    int first, last;  // opsets
    maru_status (*convert)(onnx_node *n);  // fills n->outputs
} onnx_form;

/* NULL: as op.def has it. */
const onnx_form *onnx_form_find(const char *domain, const char *op, int64_t version);

/* forms_*.c; each table ends with a row without an op. */
extern const onnx_form onnx_forms_attention[];
extern const onnx_form onnx_forms_compose[];
extern const onnx_form onnx_forms_data[];
extern const onnx_form onnx_forms_einsum[];
extern const onnx_form onnx_forms_flex[];
extern const onnx_form onnx_forms_math[];
extern const onnx_form onnx_forms_contrib[];
extern const onnx_form onnx_forms_ml[];
extern const onnx_form onnx_forms_norm[];
extern const onnx_form onnx_forms_old[];
extern const onnx_form onnx_forms_quant[];
extern const onnx_form onnx_forms_random[];
extern const onnx_form onnx_forms_table[];
extern const onnx_form onnx_forms_tree[];

#endif
