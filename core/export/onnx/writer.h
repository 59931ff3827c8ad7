// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXPORT_ONNX_WRITER_H
#define MARU_EXPORT_ONNX_WRITER_H

/*
 * From a graph to an ONNX model: its composites are taken apart as far as the
 * opset asks (lower.c, by the rows of rules.c), then nodes, weights and types
 * are written down as messages (names.c, nodes.c, dims.c), then the file is
 * (file.c). Messages live in the writer's arena.
 *
 * Functions that write return nothing: after a failure `status` holds it, and
 * all later calls do nothing.
 */

#include <maru/onnx.h>

#include "export/onnx/save.h"
#include "graph/graph.h"
#include "import/onnx.pb-c.h"

typedef Maru__Onnx__NodeProto onnx_node_out;
typedef Maru__Onnx__AttributeProto onnx_attr_out;
typedef Maru__Onnx__ValueInfoProto onnx_port_out;

#define ONNX_OLDEST_TARGET 17

/* An initialiser; `data` is the graph's, or the arena's. */
typedef struct onnx_weight {
    const char *name;
    maru_dtype dtype;
    const int64_t *dims;
    uint32_t rank;
    const void *data;
    size_t bytes;
    bool is_mapped;     // from a file, whose pages may be dropped once it is written
    uint64_t offset;    // in the file beside the model; set by file.c
    bool is_external;
} onnx_weight;

typedef struct onnx_text {
    const char *key, *value;
} onnx_text;

typedef struct onnx_writer {
    const maru_graph *graph;
    int opset;
    maru_arena arena;
    maru_status status;
    const char **names;    // per value; NULL: not named yet
    const char **output_names;  // of the outputs, then of the ends of states
    maru_map taken;        // names of values
    maru_map taken_nodes;  // names of nodes
    maru_map ints;         // text of a list of integers -> weight
    maru_map dims;         // elem -> name of a vector of it, in dim_names
    MARU_ARRAY(const char *) dim_names;
    MARU_ARRAY(onnx_node_out *) nodes;
    MARU_ARRAY(onnx_weight) weights;
    MARU_ARRAY(onnx_port_out *) inputs;
    MARU_ARRAY(onnx_port_out *) outputs;
    MARU_ARRAY(onnx_text) metadata;
    const char *scope;     // of the node at hand
} onnx_writer;

void onnx_writer_fini(onnx_writer *w);
/* Everything of the graph, as messages. write.c */
void onnx_write_graph(onnx_writer *w);

/* ---- names.c ---- */

/* A name that no value has yet: `wanted`, or `wanted` with a number. */
const char *onnx_fresh_name(onnx_writer *w, const char *wanted);
/* A value's name; constants and shapes are written at their first use. "" for MARU_NO_VALUE. */
const char *onnx_name(onnx_writer *w, maru_value value);
/* Names inputs, states and outputs, before anything else takes their names. */
void onnx_name_ends(onnx_writer *w);
const char *onnx_node_name(onnx_writer *w, const char *scope, const char *op);

/* ---- nodes.c ---- */

enum { ONNX_SPARE_INPUTS = 4, ONNX_SPARE_ATTRS = 8 };

/* A node on its way into the file, in its newest form until a rule changes it. */
typedef struct onnx_draft {
    const maru_node_record *node;
    const char *op;
    const char **inputs;  // names, "" left out; ONNX_SPARE_INPUTS more fit
    size_t n_inputs;
    const char **outputs;
    size_t n_outputs;
    onnx_attr_out **attrs;  // ONNX_SPARE_ATTRS more fit
    size_t n_attrs;
} onnx_draft;

void onnx_draft_drop(onnx_draft *d, const char *attr);
void onnx_draft_int(onnx_writer *w, onnx_draft *d, const char *name, int64_t value);
void onnx_draft_ints(onnx_writer *w, onnx_draft *d, const char *name, const int64_t *values, size_t n);
void onnx_draft_text(onnx_writer *w, onnx_draft *d, const char *name, const char *value);
/* Writes the draft. */
void onnx_put_draft(onnx_writer *w, const onnx_draft *d);
/* Writes a node without attributes with one new output, and gives its name. */
const char *onnx_put(onnx_writer *w, const char *op, const char *a, const char *b);
/* The same, into a name that is given. */
void onnx_put_into(onnx_writer *w, const char *op, const char *a, const char *b, const char *out);
const char *onnx_put_cast(onnx_writer *w, const char *x, maru_dtype to, const char *out);
/* A node of the graph, by its rule. */
void onnx_put_node(onnx_writer *w, const maru_node_record *node);

/* Names of initialisers: of integers (equal ones are one), and of anything. */
const char *onnx_put_ints(onnx_writer *w, const int64_t *values, size_t n);
const char *onnx_put_weight(onnx_writer *w, const char *wanted, const onnx_weight *weight);

/* ---- dims.c ---- */

/* The name of an i64 vector of these dims, made of the inputs' shapes by nodes where they are no numbers. */
const char *onnx_put_dims(onnx_writer *w, const maru_dim *dims, size_t n);
/* An input or output as it is declared. */
onnx_port_out *onnx_port(onnx_writer *w, const char *name, maru_value value);

/* ---- rules.c ---- */

typedef void (*onnx_write_fn)(onnx_writer *w, onnx_draft *d);

/* What becomes of an operator at opsets below `before`. */
typedef struct onnx_rule {
    maru_op op;
    int before;
    bool (*applies)(const maru_graph *graph, const maru_node_record *node);  // NULL: to every node
    onnx_write_fn write;  // its older form; NULL: its body, and where it has none it cannot be said
    const char *what;     // after the operator's name in a message: "with dilations"; NULL: nothing
} onnx_rule;

/* The first rule that applies, or NULL: as it is. */
const onnx_rule *onnx_find_rule(const maru_graph *graph, const maru_node_record *node, int opset);
/* Whether the current ONNX Runtime does not run the operator at that opset. */
bool onnx_runtime_lacks(const maru_graph *graph, const maru_node_record *node, int opset);
/* The first opset that has values of the dtype, 0: none has. */
int onnx_dtype_since(maru_dtype dtype);

/* ---- forms.c: older forms ---- */

bool onnx_list_is_known(const maru_graph *graph, maru_value value);
/* The elements of a small integer tensor that is known; at most `room`. */
size_t onnx_read_list(const maru_graph *graph, maru_value value, int64_t *out, size_t room);

void onnx_form_axes_attr(onnx_writer *w, onnx_draft *d);
void onnx_form_through_f32(onnx_writer *w, onnx_draft *d);
void onnx_form_where(onnx_writer *w, onnx_draft *d);
void onnx_form_through_u8(onnx_writer *w, onnx_draft *d);
void onnx_form_cast(onnx_writer *w, onnx_draft *d);
void onnx_form_no_dilations(onnx_writer *w, onnx_draft *d);
void onnx_form_split(onnx_writer *w, onnx_draft *d);
void onnx_form_pad(onnx_writer *w, onnx_draft *d);
void onnx_form_resize(onnx_writer *w, onnx_draft *d);
void onnx_form_range(onnx_writer *w, onnx_draft *d);
void onnx_form_filled(onnx_writer *w, onnx_draft *d);
void onnx_form_grid_sample(onnx_writer *w, onnx_draft *d);
void onnx_form_dft(onnx_writer *w, onnx_draft *d);
void onnx_form_stft(onnx_writer *w, onnx_draft *d);
void onnx_form_floor_mod(onnx_writer *w, onnx_draft *d);
void onnx_form_identity(onnx_writer *w, onnx_draft *d);
void onnx_form_quantise(onnx_writer *w, onnx_draft *d);
void onnx_form_without_mode(onnx_writer *w, onnx_draft *d);
void onnx_form_no_window(onnx_writer *w, onnx_draft *d);

/* ---- lower.c ---- */

/*
 * The graph with every node of it writable at the opset; NULL: it is as it
 * stands. UNSUPPORTED lists all that cannot be said. `out_n` counts the nodes
 * taken apart.
 */
MARU_NODISCARD maru_status onnx_lower(const maru_graph *graph, const maru_onnx_save_params *params, int opset,
                                      maru_graph **out_graph, size_t *out_n);

/* The newest of the opsets at which the least is taken apart. */
int onnx_best_opset(const maru_graph *graph, const maru_onnx_save_params *params);

/* ---- file.c ---- */

MARU_NODISCARD maru_status onnx_write_file(onnx_writer *w, onnx_sink *sink, maru_onnx_saved *out);

#endif
