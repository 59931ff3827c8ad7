// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLAN_PLAN_H
#define MARU_PLAN_PLAN_H

/*
 * Stage 2: where and when. Everything here is a pure function of a graph,
 * device descriptions and the claims that devices made; nothing opens a
 * device. The caller (core/exec, or a test with invented devices) drives it:
 *
 *     simplify ─► fold ─► [ ask devices for claims ─► decompose what all
 *     refused ]* ─► [ ask again about parts of sets ]* ─► place ─► schedule ─►
 *     memory ─► plan
 *
 * A plan is made once per model and is a function of its symbols: sizes and
 * offsets are evaluated for each set of symbol values (maru_plan_bind).
 */

#include <maru/model.h>

#include "graph/graph.h"

#define MARU_PLAN_MAX_DEVICES 16

/* ---- what the caller tells ---- */

/* A device as placement sees it. Strings are borrowed for the plan's life. */
typedef struct maru_plan_device {
    const char *id;            // "cpu:0"
    bool is_asked;             // named by the user's pattern; else a fallback
    bool is_host_memory;       // computes from host memory without a copy
    double bandwidth;          // bytes per second between its memory and the host's; 0: unknown
    uint64_t alignment;        // of sub-allocations, a power of two; 0: 64
    uint64_t largest_alloc;    // 0: no limit
} maru_plan_device;

/* A set of nodes that a device would run as one program. */
typedef struct maru_plan_claim {
    uint32_t device;
    uint32_t n_nodes;
    const uint32_t *nodes;     // ascending
    int64_t cost_ns;           // at the symbols' typical values; -1: unknown
    bool is_in_place;          // output 0 may be the memory of an input (elementwise: any of the same size)
    const char *kernel;        // what would run, for people: "matmul avx2"; or ""
    const char *numeric;       // "f32/f32"
} maru_plan_claim;

/* Why a device would not run a node. */
typedef struct maru_plan_refusal {
    uint32_t device;
    uint32_t node;
    const char *text;
} maru_plan_refusal;

/*
 * Sets are taken whole. Where one cannot be, because others took some of its
 * nodes or they run elsewhere, its device is asked again about the rest, as a
 * graph of its own; what it answers are claims like the others.
 */
#define MARU_PLAN_ROUNDS 3  // the first asks about the whole graph

typedef struct maru_plan_question {
    uint32_t round;            // 1 or 2
    uint32_t device;
    uint32_t n_nodes;
    const uint32_t *nodes;     // ascending
    const char *why;           // the set could not be taken whole
    uint32_t n_claims;         // what the answer brought
    const char *refusal;       // the first one of the answer, or ""
} maru_plan_question;

/* Strings and node lists are copied into the plan. */
typedef struct maru_plan_request {
    const maru_graph *graph;           // outlives the plan
    const maru_plan_device *devices;   // in order of preference
    uint32_t n_devices;
    const maru_plan_claim *claims;
    size_t n_claims;
    const maru_plan_refusal *refusals;
    size_t n_refusals;
    const maru_plan_question *questions;  // asked so far
    size_t n_questions;
    maru_placement placement;
} maru_plan_request;

/* ---- the plan ---- */

#define MARU_PLAN_NONE UINT32_MAX

/* Where the bytes of a value live. */
typedef enum maru_storage_kind {
    MARU_STORAGE_NONE,      // never stored: inside a program, or unused
    MARU_STORAGE_INPUT,     // the caller's tensor; `index` is the graph input's
    MARU_STORAGE_OUTPUT,    // the tensor of graph output `index`
    MARU_STORAGE_CONSTANT,  // `index` is the value itself
    MARU_STORAGE_SHAPE,     // written when the symbols are bound; `index` is the shape slot
    MARU_STORAGE_STATE,     // `index` is the state's
    MARU_STORAGE_ARENA,     // `index` is an item of the device's arena
} maru_storage_kind;

typedef struct maru_storage {
    maru_storage_kind kind;
    uint32_t device;  // whose memory; for INPUT, OUTPUT and SHAPE: the host's, MARU_PLAN_NONE
    uint32_t index;
} maru_storage;

typedef enum maru_step_kind {
    MARU_STEP_RUN,       // a unit on its device
    MARU_STEP_COPY,      // `from` to `to` on one device
    MARU_STEP_TRANSFER,  // `from` to `to` across devices, or between a device and the host
} maru_step_kind;

typedef struct maru_step {
    maru_step_kind kind;
    uint32_t device;  // where it is submitted
    uint32_t unit;    // RUN
    maru_value value; // COPY and TRANSFER: whose bytes
    maru_storage from;
    maru_storage to;
} maru_step;

/* A claim that was taken: nodes that run as one program. */
typedef struct maru_unit {
    uint32_t device;
    uint32_t n_nodes;
    const uint32_t *nodes;       // in topological order
    int64_t cost_ns;
    const char *kernel;
    const char *numeric;
    const maru_value *inputs;    // values from outside that it reads: not constants, not shapes
    const maru_value *outputs;   // values that others read
    const maru_value *constants; // in value order
    const maru_value *shapes;    // shape values that a node reads as data, in value order
    // Where each input and output is when the unit runs: on its own device (a transfer may have brought it there).
    const maru_storage *input_storage;
    const maru_storage *output_storage;
    uint32_t n_inputs;
    uint32_t n_outputs;
    uint32_t n_constants;
    uint32_t n_shapes;
    uint32_t workspace_item;     // in plan.items
} maru_unit;

/* One range of an arena, alive from step `first` to step `last` inclusive. */
typedef struct maru_arena_item {
    uint32_t device;
    uint32_t first;
    uint32_t last;
    maru_value value;     // whose dims give its size; or
    uint32_t workspace;   // the unit whose workspace it is; MARU_PLAN_NONE if none
    uint32_t first_below; // in plan.below: items that must end before this one starts
    uint32_t n_below;
} maru_arena_item;

typedef struct maru_node_place {
    uint32_t unit;         // MARU_PLAN_NONE: a view, or never run
    const char *why;       // for people: why it is there, or ""
} maru_node_place;

typedef struct maru_plan {
    maru_arena arena;
    const maru_graph *graph;
    maru_plan_device *devices;
    uint32_t n_devices;
    MARU_ARRAY(maru_unit) units;
    MARU_ARRAY(maru_step) steps;
    maru_node_place *places;     // per node
    maru_storage *storage;       // per value, where it was made
    MARU_ARRAY(maru_arena_item) items;   // in the order of their first step
    MARU_ARRAY(uint32_t) below;
    uint32_t *item_order;                // all items, those below before those above
    MARU_ARRAY(maru_value) shapes;       // per shape slot
    MARU_ARRAY(maru_plan_refusal) refusals;
    MARU_ARRAY(maru_plan_question) questions;
    uint32_t n_fallback;         // nodes that left the asked devices
    uint32_t n_views;
} maru_plan;

MARU_NODISCARD maru_status maru_plan_create(const maru_plan_request *request, maru_plan **out_plan);
void maru_plan_destroy(maru_plan **plan);

/* Node sets for which no asked device has a claim; what the caller decomposes next. Bits by node. */
void maru_plan_unclaimed(const maru_plan_request *request, bool *out_unclaimed);

/* Parts of sets to ask about next. */
typedef struct maru_plan_parts {
    maru_arena arena;                       // node lists and texts
    MARU_ARRAY(maru_plan_question) list;    // convex, no node twice for one device; not asked before
} maru_plan_parts;

/* None where every set is taken whole or is not worth it, or no plan can be made at all. {0} before. */
MARU_NODISCARD maru_status maru_plan_find_parts(const maru_plan_request *request, maru_plan_parts *out_parts);
void maru_plan_parts_fini(maru_plan_parts *parts);

/* What crosses the border of some nodes, as a graph of their own: neither constants nor shapes. free() both lists. */
MARU_NODISCARD maru_status maru_plan_border(const maru_graph *graph, const uint32_t *nodes, size_t n_nodes,
                                            maru_value **out_inputs, size_t *out_n_inputs, maru_value **out_outputs,
                                            size_t *out_n_outputs);

/* ---- binding ---- */

/* Sizes and offsets for one set of symbol values. */
typedef struct maru_plan_binding {
    int64_t *symbol_values;
    int64_t *expr_values;
    uint64_t *item_bytes;    // per item
    uint64_t *item_offsets;
    uint64_t arena_bytes[MARU_PLAN_MAX_DEVICES];
    uint64_t lower_bound[MARU_PLAN_MAX_DEVICES];  // largest set of bytes alive at once
} maru_plan_binding;

/* Evaluates dims; checks symbol bounds and that views keep their size. `workspace_bytes` has one entry per unit. */
MARU_NODISCARD maru_status maru_plan_bind(const maru_plan *plan, const int64_t *symbol_values,
                                          maru_plan_binding **out_binding);
/* After workspaces are known (they may depend on the dims): offsets and arena sizes. */
MARU_NODISCARD maru_status maru_plan_bind_memory(const maru_plan *plan, const uint64_t *workspace_bytes,
                                                 maru_plan_binding *binding);
void maru_plan_binding_destroy(maru_plan_binding **binding);
/* Bytes of a value under a binding. */
uint64_t maru_plan_value_bytes(const maru_plan *plan, const maru_plan_binding *binding, maru_value value);

/* ---- passes on graphs (each gives a new graph; the old one may be destroyed after) ---- */

/* Dead nodes and equal nodes removed, identities passed through, known integer tensors made shapes. */
MARU_NODISCARD maru_status maru_plan_simplify(const maru_graph *graph, maru_graph **out_graph);
/* Idioms of primitives (erf-GELU, x * sigmoid(x), normalisations) replaced by the composite they spell. */
MARU_NODISCARD maru_status maru_plan_fuse(const maru_graph *graph, maru_graph **out_graph);
/*
 * Constants for each channel after a product of constant f32 or f64 weights (BatchNormalization, Mul, Add, Sub, Div)
 * made part of its weights and bias, as nodes on constants: for graphs that are folded after, and where another
 * rounding is allowed.
 */
MARU_NODISCARD maru_status maru_plan_fuse_affine(const maru_graph *graph, maru_graph **out_graph);
/* The nodes of the set, composites, replaced by their bodies, one level. */
MARU_NODISCARD maru_status maru_plan_decompose(const maru_graph *graph, const bool *nodes, maru_graph **out_graph);
/*
 * The part that depends on constants alone, as a graph whose outputs "0", "1",
 * ... are the values that the rest needs; NULL if there is none. `out_values`
 * (values of `graph`, one for each output) is the caller's to free.
 */
MARU_NODISCARD maru_status maru_plan_foldable(const maru_graph *graph, maru_graph **out_part, maru_value **out_values,
                                              size_t *out_n);
/* `graph` with those values replaced by constants. Tensors' data are copied. */
MARU_NODISCARD maru_status maru_plan_replace(const maru_graph *graph, const maru_value *values,
                                             const maru_tensor *tensors, size_t n, maru_graph **out_graph);

/* ---- for people ---- */

/* Stable text: devices, steps with device, kernel and storage, refusals, memory for `binding` (may be NULL). */
MARU_NODISCARD maru_status maru_plan_dump(const maru_plan *plan, const maru_plan_binding *binding, char **out_text);
MARU_NODISCARD maru_status maru_plan_json(const maru_plan *plan, const maru_plan_binding *binding, char **out_text);
MARU_NODISCARD maru_status maru_plan_dot(const maru_plan *plan, char **out_text);

#endif
