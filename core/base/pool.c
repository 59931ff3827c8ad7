// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"

#include "base/fail.h"
#include "base/log.h"
#include "base/os.h"
#include "base/os_thread.h"
#include "base/pool_bind.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * One word says whether a job is open and how many workers are in it:
 *
 *     generation (20 bits) | open (1) | active workers (11)
 *
 * A worker enters by raising the count while the job is open; the caller
 * closes the job when no piece is left and then waits for those inside only.
 * So a worker that wakes late never holds up a job, and the fields of the job
 * are written only while no worker is inside.
 */
enum {
    MAX_THREADS = 1024,
    OPEN = 1 << 11,
    ACTIVE = OPEN - 1,
    GENERATION = 1 << 12,
    PIECES_PER_THREAD = 4,
    SPINS_PER_LOOK = 64,
};

static const int64_t spin_ns = 50 * 1000;

typedef struct pool_worker {
    maru_pool *pool;
    int index;
    maru_os_thread thread;
} pool_worker;

struct maru_pool {
    int n_threads;
    bool is_started;         // this and the next two are guarded by `busy`
    int n_started;           // workers, not the caller
    pool_worker *workers;    // n_threads - 1 of them
    maru_pool_binding *binding;

    // The job; see above.
    maru_pool_fn fn;
    void *ctx;
    int64_t count;
    int64_t n_pieces;

    // Apart, for each is written by other threads than its neighbours.
    _Alignas(64) _Atomic uint32_t state;
    _Atomic uint32_t n_sleeping;  // workers that sleep on `state`, or are about to
    _Atomic bool quit;
    _Alignas(64) _Atomic int64_t next_piece;
    _Alignas(64) _Atomic uint32_t emptied;  // raised when the last worker left a closed job
    _Atomic uint32_t caller_sleeps;         // on `emptied`
    _Alignas(64) _Atomic uint32_t busy;     // a caller is inside
};

/* Where this thread is inside an item, for nested calls. */
static _Thread_local const maru_pool *current_pool;
static _Thread_local int current_worker;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void run_pieces(maru_pool *pool, int worker)
{
    current_pool = pool;
    current_worker = worker;
    int64_t each = pool->count / pool->n_pieces;
    int64_t longer = pool->count % pool->n_pieces;  // the first ones have one item more
    for (;;) {
        int64_t piece = atomic_fetch_add_explicit(&pool->next_piece, 1, memory_order_relaxed);
        if (piece >= pool->n_pieces)
            break;
        int64_t begin = piece * each + smaller(piece, longer);
        pool->fn(pool->ctx, begin, begin + each + (piece < longer), worker);
    }
    current_pool = NULL;
}

/* ---- workers ---- */

/* Waits for a job other than that of `state`, actively at first; returns the new word. */
static uint32_t wait_for_job(maru_pool *pool, uint32_t generation)
{
    int64_t deadline = maru_os_now_ns() + spin_ns;
    for (;;) {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            uint32_t state = atomic_load(&pool->state);
            if (state / GENERATION != generation)
                return state;
            maru_os_relax();
        }
        if (maru_os_now_ns() < deadline)
            continue;
        // Counted before the look at the word: the caller, who writes the word first and then reads the count,
        // either sees this sleeper or has changed the word that it would sleep on.
        atomic_fetch_add(&pool->n_sleeping, 1);
        uint32_t state = atomic_load(&pool->state);
        if (state / GENERATION == generation)
            maru_os_wait(&pool->state, state, -1);
        atomic_fetch_sub(&pool->n_sleeping, 1);
    }
}

static bool enter_job(maru_pool *pool, uint32_t generation)
{
    uint32_t state = atomic_load(&pool->state);
    while (state / GENERATION == generation && (state & OPEN)) {
        if (atomic_compare_exchange_weak(&pool->state, &state, state + 1))
            return true;
    }
    return false;
}

static void leave_job(maru_pool *pool)
{
    uint32_t before = atomic_fetch_sub(&pool->state, 1);
    if ((before & ACTIVE) != 1 || (before & OPEN))
        return;
    atomic_fetch_add(&pool->emptied, 1);
    if (atomic_load(&pool->caller_sleeps))
        maru_os_wake(&pool->emptied, 1);
}

static void *worker_main(void *arg)
{
    const pool_worker *self = arg;
    maru_pool *pool = self->pool;
    uint32_t generation = 0;
    maru_pool_binding_apply(pool->binding, self->index);
    while (!atomic_load(&pool->quit)) {
        if (enter_job(pool, generation)) {
            run_pieces(pool, self->index);
            leave_job(pool);
        }
        generation = wait_for_job(pool, generation) / GENERATION;
    }
    return NULL;
}

static void start_workers(maru_pool *pool)
{
    pool->is_started = true;
    maru_pool_binding_create(pool->n_threads, &pool->binding);
    for (int i = 0; i < pool->n_threads - 1; i++) {
        pool->workers[i] = (pool_worker){.pool = pool, .index = i + 1};
        if (maru_os_thread_start(&pool->workers[i].thread, worker_main, &pool->workers[i]) != MARU_OK) {
            maru_log(MARU_LOG_WARN, "the pool runs with %d of %d threads: %s", i + 1, pool->n_threads,
                     maru_error_message());
            maru_error_clear();
            return;
        }
        pool->n_started = i + 1;
    }
}

/* ---- the caller ---- */

static uint32_t next_generation(uint32_t state)
{
    return (state / GENERATION + 1) * GENERATION;  // wraps around to 0
}

static void open_job(maru_pool *pool)
{
    uint32_t state = atomic_load(&pool->state);
    atomic_store(&pool->state, next_generation(state) | OPEN);
    if (atomic_load(&pool->n_sleeping))
        maru_os_wake(&pool->state, (int)smaller(pool->n_pieces - 1, pool->n_started));
}

static void close_job(maru_pool *pool)
{
    uint32_t state = atomic_fetch_and(&pool->state, ~(uint32_t)OPEN);
    int64_t deadline = state & ACTIVE ? maru_os_now_ns() + spin_ns : 0;
    while (atomic_load(&pool->state) & ACTIVE) {
        for (int i = 0; i < SPINS_PER_LOOK && (atomic_load(&pool->state) & ACTIVE); i++)
            maru_os_relax();
        if (maru_os_now_ns() < deadline)
            continue;
        atomic_store(&pool->caller_sleeps, 1);
        uint32_t emptied = atomic_load(&pool->emptied);
        if (atomic_load(&pool->state) & ACTIVE)
            maru_os_wait(&pool->emptied, emptied, -1);
        atomic_store(&pool->caller_sleeps, 0);
    }
}

static void run_serially(maru_pool *pool, int64_t count, maru_pool_fn fn, void *ctx)
{
    fn(ctx, 0, count, current_pool == pool ? current_worker : 0);
}

void maru_pool_parallel_for(maru_pool *pool, int64_t count, int64_t grain, maru_pool_fn fn, void *ctx)
{
    if (count <= 0)
        return;
    int64_t n_pieces = count / (grain > 1 ? grain : 1);
    if (n_pieces <= 1 || pool->n_threads == 1 || current_pool ||
        atomic_exchange_explicit(&pool->busy, 1, memory_order_acquire)) {
        run_serially(pool, count, fn, ctx);
        return;
    }
    if (!pool->is_started)
        start_workers(pool);
    pool->fn = fn;
    pool->ctx = ctx;
    pool->count = count;
    pool->n_pieces = smaller(n_pieces, (int64_t)pool->n_threads * PIECES_PER_THREAD);
    atomic_store_explicit(&pool->next_piece, 0, memory_order_relaxed);
    open_job(pool);
    run_pieces(pool, 0);
    close_job(pool);
    atomic_store_explicit(&pool->busy, 0, memory_order_release);
}

int maru_pool_threads(const maru_pool *pool)
{
    return pool->n_threads;
}

maru_status maru_pool_create(int n_threads, maru_pool **out_pool)
{
    *out_pool = NULL;
    if (n_threads < 0 || n_threads > MAX_THREADS)
        return maru_fail(MARU_INVALID_ARGUMENT, "a pool has 1 to %d threads (0: one per core), not %d", MAX_THREADS,
                         n_threads);
    if (n_threads == 0)
        n_threads = (int)smaller(maru_os_cpu_count(), MAX_THREADS);
    maru_pool *pool = aligned_alloc(_Alignof(maru_pool), sizeof *pool);
    pool_worker *workers = calloc((size_t)n_threads, sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return maru_fail_oom("pool of threads");
    }
    *pool = (maru_pool){.n_threads = n_threads, .workers = workers};
    *out_pool = pool;
    return MARU_OK;
}

void maru_pool_destroy(maru_pool **pool)
{
    maru_pool *p = *pool;
    *pool = NULL;
    if (!p)
        return;
    atomic_store(&p->quit, true);
    atomic_store(&p->state, next_generation(atomic_load(&p->state)));
    maru_os_wake(&p->state, INT_MAX);
    for (int i = 0; i < p->n_started; i++)
        maru_os_thread_join(&p->workers[i].thread);
    maru_pool_binding_destroy(&p->binding);
    free(p->workers);
    free(p);
}
