// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_FLOW_FLOW_IMPL_H
#define MARU_FLOW_FLOW_IMPL_H

/*
 * A flow is a tree of bodies: the model's graph, and in it those of its
 * branches, loops and functions. A body is walked from its first node to its
 * last. Nodes that the host runs (host.c) stand alone; those between become
 * parts (part.c), as long as what they need is known when they are planned.
 *
 * The values of one walk are a frame: those of a branch or a loop see the
 * frame around them, those of a function do not.
 */

#include "base/array.h"
#include "base/os_thread.h"
#include "flow/pool.h"
#include "import/onnx/import.h"

#include <maru/flow.h>
#include <stdatomic.h>

enum {
    FLOW_MAX_PARTS = 16,  // kept for one place in a body
    FLOW_MAX_DEPTH = ONNX_MAX_BODY_DEPTH,
};

/* ---- bodies ---- */

typedef struct flow_part flow_part;

/* The nodes of a graph or function at one place of the model, and what is kept for them between runs. */
typedef struct flow_body {
    const onnx_graph *graph;        // NULL: of a function
    const onnx_function *function;
    onnx_node_proto *const *nodes;
    size_t n_nodes;
    maru_map initializers;          // name -> index in the graph
    maru_map constants;             // name -> index in `items`: initialisers that the host has read
    MARU_ARRAY(maru_item *) items;
    maru_map last_use;              // name -> the last node that reads it; n_nodes: an output
    bool *is_host;                  // per node
    flow_part **parts;              // by first node, the last used first
    struct flow_body *children;     // bodies of the nodes
    struct flow_body *sibling;
    const void *key;                // whose child: the graph, or the node that calls the function
} flow_body;

MARU_NODISCARD maru_status flow_body_create(maru_flow *flow, const onnx_graph *graph, const onnx_function *function,
                                            flow_body **out_body);
void flow_body_destroy(flow_body *body);
/* Made when it is first asked for. */
MARU_NODISCARD maru_status flow_body_child(flow_body *body, maru_flow *flow, const void *key, const onnx_graph *graph,
                                           const onnx_function *function, flow_body **out_child);
/* Whether any of the nodes, or of those in them, is one that no graph can have. */
bool flow_needs_host(maru_flow *flow, const onnx_node_proto *node, unsigned depth);

/* ---- frames ---- */

typedef struct flow_slot {
    maru_item *item;   // NULL: nobody reads it any more
    size_t last_use;
} flow_slot;

typedef struct flow_frame {
    maru_flow *flow;
    flow_body *body;
    const struct flow_frame *outer;      // whose values are seen; NULL: none
    const onnx_function *function;       // that the body is of, or lies in
    const onnx_attr *const *call_attrs;  // of the function's call
    size_t n_call_attrs;
    unsigned depth;
    maru_map names;  // -> slot
    MARU_ARRAY(flow_slot) slots;
} flow_frame;

void flow_frame_fini(flow_frame *frame);
/* An empty frame of the same body that sees `outer`. */
flow_frame flow_frame_within(const flow_frame *outer);
/* Takes the hold on the item, whatever the outcome. A name may be set again. "": the item is given up. */
MARU_NODISCARD maru_status flow_set(flow_frame *frame, const char *name, maru_item *item);
/* What a run made or was given; NULL: no such value. Not held for the caller. */
maru_item *flow_find(const flow_frame *frame, const char *name);
/* As find, initialisers too; NULL for the name "". Fails for a value that nothing makes. */
MARU_NODISCARD maru_status flow_get(const flow_frame *frame, const char *name, maru_item **out_item);
/* The initialiser of that name in the frame or around it, of which `out_body` is told. */
const onnx_tensor *flow_initializer(const flow_frame *frame, const char *name, flow_body **out_body);
/* The frame as the importer sees it: scopes from the innermost outwards, `n` of them at most FLOW_MAX_DEPTH + 1. */
void flow_scopes(const flow_frame *frame, onnx_scope *out_scopes, size_t *out_n);

/* ---- walking ---- */

struct maru_flow {
    maru_runtime *runtime;
    maru_onnx_file *file;
    const onnx_model *model;
    maru_model_params params;
    char *devices, *device_options;  // what params points to
    unsigned char *functions;        // of the model: what body.c knows of each
    flow_pool *pool;
    flow_body *root;
    flow_frame inputs;               // of the runs that follow
    MARU_ARRAY(maru_item *) outputs; // of the last run
    maru_flow_stats stats;
    const maru_run_params *run;      // under way
    int64_t deadline_ns;             // 0: none
    maru_mutex lock;              // of `running`
    maru_session *running;
    atomic_bool is_cancelled;
};

/* Runs the body's nodes; its inputs are set. */
MARU_NODISCARD maru_status flow_walk(flow_frame *frame);
/* DEADLINE_EXCEEDED or CANCELLED when the run must end. */
MARU_NODISCARD maru_status flow_check(const maru_flow *flow);
maru_status flow_fail_deadline(const maru_flow *flow);
/* An output of the body that was walked, held for the caller. */
MARU_NODISCARD maru_status flow_result(const flow_frame *frame, size_t index, maru_item **out_item);

/* ---- part.c ---- */

/*
 * Runs nodes [first, limit) as one graph, or as many as can be one, and says
 * before which node it ended. *out_end == first: no graph can have that node,
 * the host must run it.
 */
MARU_NODISCARD maru_status flow_run_part(flow_frame *frame, size_t first, size_t limit, size_t *out_end);
void flow_part_destroy(flow_part *part);

/* ---- host.c ---- */

/* A node that the host runs. */
typedef struct flow_node {
    flow_frame *frame;
    size_t index;                  // in the body
    const onnx_node_proto *proto;
    onnx_scope scopes[FLOW_MAX_DEPTH + 1];
    onnx_node attrs;               // attributes, op, domain, version; no inputs
    maru_item *inputs[ONNX_MAX_OPERANDS];   // NULL: left out; not held
    size_t n_inputs;
    maru_item *outputs[ONNX_MAX_OPERANDS];  // to be filled, held
    size_t n_outputs;              // named ones, to the last
} flow_node;

typedef maru_status (*flow_host_fn)(flow_node *n);

typedef struct flow_host_op {
    const char *domain;
    const char *op;
    flow_host_fn run;
} flow_host_op;

/* Whether the host must run it for its attributes: text that it makes. */
bool flow_makes_text(const onnx_node_proto *node);
MARU_NODISCARD maru_status flow_run_host(flow_frame *frame, size_t index);

/* What most nodes check. The message names the input and what it is. */
MARU_NODISCARD maru_status flow_need(const flow_node *n, size_t index, maru_item_kind kind, maru_item **out_item);
MARU_NODISCARD maru_status flow_need_tensor(const flow_node *n, size_t index, const maru_tensor **out_tensor);
MARU_NODISCARD maru_status flow_need_text(const flow_node *n, size_t index, const maru_strings **out_text);
/* A whole number, or a truth value, of one element. */
MARU_NODISCARD maru_status flow_need_integer(const flow_node *n, size_t index, int64_t *out_value);
bool flow_has(const flow_node *n, size_t index);
MARU_NODISCARD maru_status flow_integer_item(maru_dtype dtype, int64_t value, maru_item **out_item);

/* Tables of host ops, each ended by a row without an op: those of onnx_is_staged, and what is one with text alone. */
extern const flow_host_op flow_control_ops[];   // control.c
extern const flow_host_op flow_scan_ops[];      // scan.c
extern const flow_host_op flow_sequence_ops[];  // sequence.c
extern const flow_host_op flow_text_ops[];      // text.c
extern const flow_host_op flow_label_ops[];     // label.c
extern const flow_host_op flow_picture_ops[];   // picture.c

/* control.c: a branch with a condition of the run, and a call of one of the model's functions. */
MARU_NODISCARD maru_status flow_run_if(flow_node *n);
MARU_NODISCARD maru_status flow_run_function(flow_node *n, const onnx_function *function);
/* Walks the body of a graph attribute with these items as its inputs; outputs are held for the caller. */
MARU_NODISCARD maru_status flow_run_graph(const flow_node *n, const onnx_graph *graph, maru_item *const *inputs,
                                          size_t n_inputs, maru_item **out_items, size_t n_outputs);
MARU_NODISCARD maru_status flow_need_graph(const flow_node *n, const char *attr, const onnx_graph **out_graph);

/* text.c: any node that moves or compares text, as one of numbers that stand for it. */
MARU_NODISCARD maru_status flow_run_ranks(flow_node *n);

/* ---- move.c: pieces of tensors and of text ---- */

/* [begin, begin + length) of `axis`; with `squeeze`, which needs a length of 1, without that axis. */
MARU_NODISCARD maru_status flow_slice(const maru_item *item, uint32_t axis, int64_t begin, int64_t length,
                                      bool squeeze, maru_item **out_item);
/* Along `axis`; with `stack`, along a new one. All must be alike but for that axis. */
MARU_NODISCARD maru_status flow_join(maru_item *const *items, size_t n, uint32_t axis, bool stack,
                                     maru_item **out_item);
/* Dims of a tensor or of text; false for others. */
bool flow_dims(const maru_item *item, const int64_t **out_dims, uint32_t *out_rank);
/* An axis as ONNX writes it, from the end where it is negative. */
MARU_NODISCARD maru_status flow_axis(int64_t axis, uint32_t rank, uint32_t *out_axis);

#endif
