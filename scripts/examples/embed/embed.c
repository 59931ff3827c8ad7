// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Embedding Maru: a small network given as text, inputs and outputs in the
 * program's own memory, a run that calls back, and the program's own thread
 * pool and allocator. Build it against the installed library:
 *
 *     cc embed.c $(pkg-config --cflags --libs maru) -lpthread -o embed
 */

#include <maru/maru.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char network[] =
    "maru 1 \"two layers\"\n"
    "symbol batch min=1\n"
    "%1 = input \"x\" f32[batch, 2]\n"
    "%2 = const \"\" f32[2, 2] {1.0, -1.0, 1.0, -1.0}\n"
    "%3 = const \"\" f32[2] {-0.5, 1.5}\n"
    "%4 = const \"\" f32[2, 1] {1.0, 1.0}\n"
    "%5 = const \"\" f32[1] {-1.5}\n"
    "%6 = MatMul(%1, %2)\n"
    "%7 = Add(%6, %3)\n"
    "%8 = const \"\" f32[] {20.0}\n"
    "%9 = Mul(%7, %8)\n"
    "%10 = Sigmoid(%9)\n"
    "%11 = MatMul(%10, %4)\n"
    "%12 = Add(%11, %5)\n"
    "%13 = Mul(%12, %8)\n"
    "%14 = Sigmoid(%13)\n"
    "output \"xor\" %14\n";

static void check(maru_status status)
{
    if (status == MARU_OK)
        return;
    fprintf(stderr, "%s: %s\n", maru_status_name(status), maru_error_message());
    exit(1);
}

/* ---- our own pool (here: no thread at all) and allocator ---- */

static void run_here(void *ctx, int64_t count, int64_t grain, maru_task_fn fn, void *task_ctx)
{
    (void)ctx;
    (void)grain;
    if (count > 0)
        fn(task_ctx, 0, count, 0);
}

static long n_allocated;

static void *counted_alloc(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    __atomic_add_fetch(&n_allocated, 1, __ATOMIC_RELAXED);
    return aligned_alloc(align < sizeof(void *) ? sizeof(void *) : align, (bytes + align - 1) / align * align);
}

static void counted_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

/* ---- waiting for a run that calls back ---- */

typedef struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int is_done;
    maru_status status;
} waiter;

static void done(void *ctx, maru_status status, const char *message)
{
    waiter *w = ctx;
    pthread_mutex_lock(&w->mutex);
    w->status = status;
    w->is_done = 1;
    if (status != MARU_OK)
        fprintf(stderr, "%s\n", message);
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

static void wait_for(waiter *w)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->is_done)
        pthread_cond_wait(&w->cond, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    check(w->status);
}

int main(void)
{
    static _Alignas(64) float x[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
    static _Alignas(64) float y[4][16];
    const maru_thread_pool pool = {.n_threads = 1, .parallel_for = run_here};
    const maru_allocator allocator = {.alloc = counted_alloc, .free = counted_free};
    const maru_runtime_params params = {.pool = &pool, .allocator = &allocator};
    maru_runtime *runtime = NULL;
    maru_graph *graph = NULL;
    maru_model *model = NULL;
    maru_session *session = NULL;
    check(maru_runtime_create(&params, &runtime));
    check(maru_graph_read(network, strlen(network), "network", &graph));
    check(maru_model_create(runtime, &graph, NULL, &model));
    check(maru_session_create(model, &session));

    maru_tensor in = {0};
    const int64_t dims[2] = {4, 2};
    check(maru_tensor_wrap(MARU_F32, dims, 2, x, sizeof x, &in));
    check(maru_session_set_input(session, "x", &in));
    check(maru_session_bind_output(session, "xor", y, sizeof y));

    waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    check(maru_session_run_async(session, NULL, done, &w));
    wait_for(&w);

    const float *result = &y[0][0];
    int right = 1;
    for (int i = 0; i < 4; i++) {
        printf("%g xor %g = %.3f\n", (double)x[i][0], (double)x[i][1], (double)result[i]);
        right = right && (result[i] > 0.5f) == ((x[i][0] != 0) != (x[i][1] != 0));
    }
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    maru_runtime_destroy(&runtime);
    return right && n_allocated > 0 ? 0 : 1;
}
