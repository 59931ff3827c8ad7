// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SESSION_H
#define MARU_SESSION_H

/*
 * A session: one user of a model, with its own states and working memory.
 * One thread at a time per session; sessions are independent of each other.
 *
 * A run that has the same symbol values as one before it allocates nothing,
 * takes no lock of ours and looks nothing up.
 */

#include <maru/attr.h>
#include <maru/model.h>
#include <maru/status.h>
#include <maru/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_session maru_session;

MARU_API MARU_NODISCARD maru_status maru_session_create(maru_model *model, maru_session **out_session);
MARU_API void maru_session_destroy(maru_session **session);

/* ---- inputs and outputs ----------------------------------------------- */

/*
 * Sets an input for the runs that follow. `tensor`'s data must stay valid and
 * unchanged until the last of them ends: data that is 64-byte aligned is used
 * where it lies, other data is copied at each run. Symbols take their values
 * from the dims of inputs; the error names the input, the dim and both sizes.
 */
MARU_API MARU_NODISCARD maru_status maru_session_set_input(maru_session *session, const char *name,
                                                           const maru_tensor *tensor);
/* The value of a symbol that no input's dims tell. */
MARU_API MARU_NODISCARD maru_status maru_session_set_symbol(maru_session *session, const char *name, int64_t value);
/*
 * Makes runs write output `name` into the caller's own memory, 64-byte
 * aligned, of `bytes` at least what the output needs (the run fails
 * otherwise). NULL `data`: into the session's memory again.
 */
MARU_API MARU_NODISCARD maru_status maru_session_bind_output(maru_session *session, const char *name, void *data,
                                                             size_t bytes);
/* A view of an output of the last run, valid until the next run or until the session goes. */
MARU_API MARU_NODISCARD maru_status maru_session_get_output(maru_session *session, const char *name,
                                                            maru_tensor *out_tensor);

/* ---- running ---------------------------------------------------------- */

/* What one step of a run took. Strings are valid as long as the model. */
typedef struct maru_trace_event {
    const char *op;       // "Gemm", or "Gemm+Gelu" for a set; "copy", "transfer"
    const char *scope;
    const char *device;
    const char *kernel;
    int64_t begin_ns;     // maru's monotonic clock
    int64_t end_ns;
} maru_trace_event;

/* On the thread that runs. Must not call back into the session. */
typedef void (*maru_trace_fn)(void *ctx, const maru_trace_event *event);

typedef struct maru_run_params {
    int64_t timeout_ns;         // 0: none; what a device still works on then, the next run waits for first
    maru_trace_fn trace;        // NULL: no timing is taken
    void *trace_ctx;
} maru_run_params;

/* `params` may be NULL. After an error the states are as a whole either before or undefined: see maru_session_reset. */
MARU_API MARU_NODISCARD maru_status maru_session_run(maru_session *session, const maru_run_params *params);

/* Ends the run under way with CANCELLED between two of its steps; does nothing when there is none. Any thread. */
MARU_API void maru_session_cancel(maru_session *session);

/* Called once, on a thread of the session's, with the run's status and message. May destroy nothing of the session. */
typedef void (*maru_done_fn)(void *ctx, maru_status status, const char *message);
/* Starts a run and returns. Until `done` was called the session may not be used otherwise. */
MARU_API MARU_NODISCARD maru_status maru_session_run_async(maru_session *session, const maru_run_params *params,
                                                           maru_done_fn done, void *ctx);

/* Bytes of working memory that the last run used, and the least that any layout could need. */
MARU_API void maru_session_memory(const maru_session *session, uint64_t *out_arena_bytes, uint64_t *out_lower_bound,
                                  uint64_t *out_state_bytes);

/* ---- states ----------------------------------------------------------- */

/* All states to zero. */
MARU_API MARU_NODISCARD maru_status maru_session_reset(maru_session *session);
/* Copies a state in its canonical dense form; `tensor` is created (get) or must match (set). */
MARU_API MARU_NODISCARD maru_status maru_session_get_state(maru_session *session, const char *name,
                                                           maru_tensor *out_tensor);
MARU_API MARU_NODISCARD maru_status maru_session_set_state(maru_session *session, const char *name,
                                                           const maru_tensor *tensor);
/* All states of `from`, a session of a model with the same states, into `to`. */
MARU_API MARU_NODISCARD maru_status maru_session_copy_states(maru_session *from, maru_session *to);

#ifdef __cplusplus
}
#endif

#endif
