// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXEC_SESSION_IMPL_H
#define MARU_EXEC_SESSION_IMPL_H

/*
 * The inside of a session. What one set of symbol values needs (sizes,
 * offsets, command lists) is made once and kept in a `maru_bound_run`; a run
 * looks it up by comparing a few integers and submits its lists.
 */

#include <maru/session.h>
#include <stdatomic.h>

#include "exec/model_impl.h"

/* Sets of symbol values that are kept ready; the least recently used one goes first. */
#define MARU_SESSION_MAX_BOUND 16
/* A list is closed after about this much estimated time, so that a cancel is seen. */
#define MARU_SESSION_LIST_NS 10000000

typedef struct maru_session_input {
    maru_value value;
    maru_tensor tensor;   // what the caller set; data NULL: not set
    maru_block own;       // copy for data that cannot be used where it lies
    maru_block wrapped;   // the caller's memory
    bool is_wrapped;
    uint32_t generation;  // raised when the memory that is used changes
} maru_session_input;

typedef struct maru_session_output {
    maru_value value;
    maru_block own;
    maru_block bound;     // the caller's memory
    bool is_bound;
    uint32_t generation;
} maru_session_output;

typedef enum maru_piece_kind {
    MARU_PIECE_LIST,      // commands of one device
    MARU_PIECE_TRANSFER,  // one step, done by the host
} maru_piece_kind;

/* What a run does, in order. */
typedef struct maru_piece {
    maru_piece_kind kind;
    uint32_t device;
    maru_dev_commands *list;
    uint32_t first_step;  // steps [first, first + n) of the plan
    uint32_t n_steps;
    uint64_t estimate_ns;
} maru_piece;

/* A binding of a command that follows an input's or output's memory. */
typedef struct maru_patch {
    uint32_t piece;
    uint32_t command;
    uint32_t binding;
    bool is_output;
    bool is_copy;
    uint32_t index;
} maru_patch;

typedef struct maru_bound_run {
    maru_plan_binding *binding;
    maru_dev_bound **bounds;   // per unit; NULL where the program binds nothing
    size_t n_bounds;
    MARU_ARRAY(maru_piece) pieces;
    MARU_ARRAY(maru_patch) patches;
    maru_block shapes;         // contents of all shape slots
    uint64_t *shape_offsets;
    maru_block true_dims;      // what programs write of data-dependent outputs
    uint64_t *true_dim_offsets;  // per value; those of one unit follow each other
    uint32_t *generations;     // of inputs, then outputs, as the lists were patched
    uint64_t last_use;
    bool has_lists;
} maru_bound_run;

typedef struct maru_session_async maru_session_async;

struct maru_session {
    maru_model *model;
    maru_dev_queue *queues[MARU_PLAN_MAX_DEVICES];
    maru_dev_fence *fences[MARU_PLAN_MAX_DEVICES];
    uint64_t fence_values[MARU_PLAN_MAX_DEVICES];
    bool is_pending[MARU_PLAN_MAX_DEVICES];  // a run did not wait for its last list
    maru_block arenas[MARU_PLAN_MAX_DEVICES];
    maru_block *states;         // per state
    maru_session_input *inputs;
    maru_session_output *outputs;
    int64_t *symbols;           // values of the next run
    bool *symbol_is_set;        // by name
    maru_bound_run *bound[MARU_SESSION_MAX_BOUND];
    maru_bound_run *last;       // of the last run, for outputs
    uint64_t clock;
    atomic_bool is_cancelled;
    maru_session_async *async;  // the last run_async, or NULL
};

/* The values of all symbols for the next run, from the inputs' dims; checks the inputs against the graph. */
MARU_NODISCARD maru_status maru_session_solve_symbols(maru_session *session);
/* The bound run for session->symbols: found, or made. */
MARU_NODISCARD maru_status maru_session_bind(maru_session *session, maru_bound_run **out);
/* Makes (again) the lists of a bound run after an arena or an output moved. */
MARU_NODISCARD maru_status maru_session_build_lists(maru_session *session, maru_bound_run *run);
void maru_bound_run_destroy(maru_bound_run **run);
/* Marks the lists of all bound runs as out of date. */
void maru_session_drop_lists(maru_session *session);

/* The block and the offset of a storage under a bound run, with how many bytes it has there. */
MARU_NODISCARD maru_status maru_session_locate(maru_session *session, maru_bound_run *run, maru_storage storage,
                                               maru_value value, maru_block **out_block, uint64_t *out_offset,
                                               uint64_t *out_bytes);
/* Waits for what was submitted last on device `d`; after a failure the device has another fence. */
MARU_NODISCARD maru_status maru_session_wait(maru_session *session, uint32_t d, int64_t deadline);
/* Waits for lists that earlier runs did not wait out: DEADLINE_EXCEEDED while one has not ended. */
MARU_NODISCARD maru_status maru_session_settle(maru_session *session, int64_t deadline);
/* FAILED_PRECONDITION while one has not ended. */
MARU_NODISCARD maru_status maru_session_check_idle(maru_session *session);
/* Discards them and waits a while; a device that does not end them is lost. */
void maru_session_end_pending(maru_session *session);
/* Waits for the end of a run_async and forgets it. */
void maru_session_join(maru_session *session);
maru_block *maru_session_input_block(maru_session *session, uint32_t index);
maru_block *maru_session_output_block(maru_session *session, uint32_t index);

#endif
