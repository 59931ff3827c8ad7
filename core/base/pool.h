// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_POOL_H
#define MARU_BASE_POOL_H

/*
 * The pool of threads: one per process unless the embedder brings its own.
 * Workers are started at the first parallel_for, bound one to a core with
 * hwloc where that is built in, and sleep on a futex when idle: after a call
 * they wait actively for at most 50 us before they sleep.
 */

#include <maru/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct maru_pool maru_pool;

/* Runs items [begin, end) of a job on worker `worker` (0 is the calling thread). Must not fail. */
typedef void (*maru_pool_fn)(void *ctx, int64_t begin, int64_t end, int worker);

/*
 * `n_threads` counts the caller, at most 1024; 0 means one per core of the
 * process's affinity mask and CPU quota. No thread is started yet.
 */
MARU_NODISCARD maru_status maru_pool_create(int n_threads, maru_pool **out_pool);
/* Joins the workers. No call may be under way. */
void maru_pool_destroy(maru_pool **pool);

int maru_pool_threads(const maru_pool *pool);

/*
 * Splits [0, count) into pieces of at least `grain` items and runs them on
 * the caller and the workers; returns when all are done. Allocates nothing.
 * A call from inside an item of any pool, and a second caller while the pool
 * is in use, run serially in the calling thread; `worker` is then what it is
 * around the call if that is an item of the same pool, else 0. Any thread.
 */
void maru_pool_parallel_for(maru_pool *pool, int64_t count, int64_t grain, maru_pool_fn fn, void *ctx);

#endif
