// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/os.h"
#include "base/os_thread.h"
#include "base/pool.h"

#include <stdatomic.h>

enum { MAX_ITEMS = 20000 };

typedef struct tally {
    _Atomic uint8_t hits[MAX_ITEMS];
    _Atomic int64_t shortest;
    _Atomic int n_calls;
    _Atomic int worst_worker;
    _Atomic int busy_workers[64];  // how often an index was in use twice at once
    _Atomic int clashes;
    int64_t count;
} tally;

static tally shared_tally;

static void reset(tally *t, int64_t count)
{
    for (int64_t i = 0; i < MAX_ITEMS; i++)
        atomic_store(&t->hits[i], 0);
    for (int i = 0; i < 64; i++)
        atomic_store(&t->busy_workers[i], 0);
    atomic_store(&t->shortest, INT64_MAX);
    atomic_store(&t->n_calls, 0);
    atomic_store(&t->worst_worker, 0);
    atomic_store(&t->clashes, 0);
    t->count = count;
}

static void hit(void *ctx, int64_t begin, int64_t end, int worker)
{
    tally *t = ctx;
    if (atomic_fetch_add(&t->busy_workers[worker], 1) != 0)
        atomic_fetch_add(&t->clashes, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&t->hits[i], 1);
    int64_t shortest = atomic_load(&t->shortest);
    while (end - begin < shortest && !atomic_compare_exchange_weak(&t->shortest, &shortest, end - begin))
        continue;
    int worst = atomic_load(&t->worst_worker);
    while (worker > worst && !atomic_compare_exchange_weak(&t->worst_worker, &worst, worker))
        continue;
    atomic_fetch_add(&t->n_calls, 1);
    atomic_fetch_sub(&t->busy_workers[worker], 1);
}

static void check(const tally *t, int n_threads, int64_t grain)
{
    for (int64_t i = 0; i < MAX_ITEMS; i++)
        assert_int_equal(atomic_load(&t->hits[i]), i < t->count);
    assert_int_equal(atomic_load(&t->clashes), 0);
    assert_true(atomic_load(&t->worst_worker) < n_threads);
    if (t->count >= grain)
        assert_true(atomic_load(&t->shortest) >= grain);
}

static void runs_every_item_once(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 3, 8};
    const int64_t counts[] = {0, 1, 2, 7, 64, 1000, MAX_ITEMS};
    const int64_t grains[] = {0, 1, 3, 100, 100000};
    for (size_t t = 0; t < 4; t++) {
        maru_pool *pool = NULL;
        assert_ok(maru_pool_create(threads[t], &pool));
        assert_int_equal(maru_pool_threads(pool), threads[t]);
        for (size_t c = 0; c < 7; c++) {
            for (size_t g = 0; g < 5; g++) {
                reset(&shared_tally, counts[c]);
                maru_pool_parallel_for(pool, counts[c], grains[g], hit, &shared_tally);
                check(&shared_tally, threads[t], grains[g]);
            }
        }
        maru_pool_destroy(&pool);
        assert_null(pool);
    }
}

static void many_short_jobs(void **state)
{
    (void)state;
    maru_pool *pool = NULL;
    assert_ok(maru_pool_create(4, &pool));
    for (int job = 0; job < 3000; job++) {
        int64_t count = 1 + job % 40;
        reset(&shared_tally, 0);
        shared_tally.count = count;
        maru_pool_parallel_for(pool, count, 1, hit, &shared_tally);
        for (int64_t i = 0; i < count; i++)
            assert_int_equal(atomic_load(&shared_tally.hits[i]), 1);
        if (job % 500 == 0)
            maru_os_sleep_ns(300000);  // long enough for the workers to fall asleep
    }
    maru_pool_destroy(&pool);
}

static void wait_for_others(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    _Atomic int *inside = ctx;
    atomic_fetch_add(inside, (int)(end - begin));
    int64_t deadline = maru_os_now_ns() + INT64_C(20000000000);
    while (atomic_load(inside) < 3 && maru_os_now_ns() < deadline)
        maru_os_sleep_ns(10000);
}

/* Three items that each wait for the other two end only if they run at once. */
static void really_runs_at_once(void **state)
{
    (void)state;
    maru_pool *pool = NULL;
    assert_ok(maru_pool_create(3, &pool));
    for (int i = 0; i < 5; i++) {
        _Atomic int inside = 0;
        int64_t before = maru_os_now_ns();
        maru_pool_parallel_for(pool, 3, 1, wait_for_others, &inside);
        assert_int_equal(atomic_load(&inside), 3);
        assert_true(maru_os_now_ns() - before < INT64_C(15000000000));
    }
    maru_pool_destroy(&pool);
}

typedef struct nested {
    maru_pool *pool;
    _Atomic int bad;
    _Atomic int64_t sum;
} nested;

typedef struct nested_inner {
    nested *outer;
    int worker;
    int calls;
} nested_inner;

static void inner_fn(void *ctx, int64_t begin, int64_t end, int worker)
{
    nested_inner *inner = ctx;
    inner->calls++;  // no lock: it must be this thread
    if (worker != inner->worker)
        atomic_fetch_add(&inner->outer->bad, 1);
    atomic_fetch_add(&inner->outer->sum, end - begin);
}

static void outer_fn(void *ctx, int64_t begin, int64_t end, int worker)
{
    nested *outer = ctx;
    for (int64_t i = begin; i < end; i++) {
        nested_inner inner = {.outer = outer, .worker = worker};
        maru_pool_parallel_for(outer->pool, 50, 1, inner_fn, &inner);
        if (inner.calls != 1)
            atomic_fetch_add(&outer->bad, 1);
    }
}

static void call_another_pool(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const nested_inner *shared = ctx;
    for (int64_t i = begin; i < end; i++) {
        nested_inner inner = {.outer = shared->outer};
        maru_pool_parallel_for(shared->outer->pool, 50, 1, inner_fn, &inner);
        if (inner.calls != 1)
            atomic_fetch_add(&shared->outer->bad, 1);
    }
}

static void nested_calls_are_serial(void **state)
{
    (void)state;
    nested outer = {0};
    assert_ok(maru_pool_create(4, &outer.pool));
    for (int i = 0; i < 100; i++)
        maru_pool_parallel_for(outer.pool, 64, 1, outer_fn, &outer);
    assert_int_equal(atomic_load(&outer.bad), 0);
    assert_int_equal(atomic_load(&outer.sum), 100 * 64 * 50);
    maru_pool_destroy(&outer.pool);
}

/* Of another pool too: its workers would only compete with these. */
static void nested_calls_of_another_pool_are_serial(void **state)
{
    (void)state;
    maru_pool *outside = NULL;
    nested_inner inner = {0};
    nested outer = {0};
    assert_ok(maru_pool_create(3, &outside));
    assert_ok(maru_pool_create(3, &outer.pool));
    inner.outer = &outer;
    maru_pool_parallel_for(outside, 3, 1, call_another_pool, &inner);
    assert_int_equal(atomic_load(&outer.bad), 0);
    assert_int_equal(atomic_load(&outer.sum), 3 * 50);
    maru_pool_destroy(&outer.pool);
    maru_pool_destroy(&outside);
}

typedef struct second_caller {
    maru_pool *pool;
    _Atomic int first_is_inside;
    _Atomic int second_is_done;
    int n_calls;  // of the second caller's function: one, on its own thread
    int64_t n_items;
} second_caller;

static void hold_the_pool(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)begin;
    (void)end;
    (void)worker;
    second_caller *s = ctx;
    atomic_store(&s->first_is_inside, 1);
    int64_t deadline = maru_os_now_ns() + INT64_C(20000000000);
    while (!atomic_load(&s->second_is_done) && maru_os_now_ns() < deadline)
        maru_os_sleep_ns(10000);
}

static void count_serial(void *ctx, int64_t begin, int64_t end, int worker)
{
    second_caller *s = ctx;
    s->n_calls += worker == 0 ? 1 : 1000;
    s->n_items += end - begin;
}

static void *call_second(void *arg)
{
    second_caller *s = arg;
    while (!atomic_load(&s->first_is_inside))
        maru_os_sleep_ns(10000);
    maru_pool_parallel_for(s->pool, 70, 1, count_serial, s);
    atomic_store(&s->second_is_done, 1);
    return NULL;
}

static void a_second_caller_does_not_wait(void **state)
{
    (void)state;
    second_caller s = {0};
    maru_os_thread thread;
    assert_ok(maru_pool_create(3, &s.pool));
    assert_ok(maru_os_thread_start(&thread, call_second, &s));
    maru_pool_parallel_for(s.pool, 3, 1, hold_the_pool, &s);
    assert_int_equal(atomic_load(&s.second_is_done), 1);
    maru_os_thread_join(&thread);
    assert_int_equal(s.n_calls, 1);
    assert_int_equal(s.n_items, 70);
    maru_pool_destroy(&s.pool);
}

typedef struct caller {
    maru_pool *pool;
    _Atomic int64_t sum;
} caller;

static void add_items(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    caller *c = ctx;
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add_explicit(&c->sum, i, memory_order_relaxed);
}

static void *call_often(void *arg)
{
    caller *c = arg;
    for (int i = 0; i < 1000; i++)
        maru_pool_parallel_for(c->pool, 100, 1, add_items, c);
    return NULL;
}

static void several_callers_at_once(void **state)
{
    (void)state;
    maru_pool *pool = NULL;
    assert_ok(maru_pool_create(3, &pool));
    caller callers[3] = {{.pool = pool}, {.pool = pool}, {.pool = pool}};
    maru_os_thread threads[3];
    for (int i = 0; i < 3; i++)
        assert_ok(maru_os_thread_start(&threads[i], call_often, &callers[i]));
    for (int i = 0; i < 3; i++)
        maru_os_thread_join(&threads[i]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&callers[i].sum), 1000 * 4950);
    maru_pool_destroy(&pool);
}

/* What a job writes without atomics, its caller may read after it, and the next job's workers too. */
static void fill_row(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    int64_t *data = ctx;
    for (int64_t i = begin; i < end; i++)
        data[i] = data[(i * 7 + 3) % 64 + 64] + i;
}

static void results_are_visible_after_the_call(void **state)
{
    (void)state;
    maru_pool *pool = NULL;
    static int64_t data[128];
    assert_ok(maru_pool_create(4, &pool));
    for (int64_t round = 0; round < 300; round++) {
        for (int64_t i = 64; i < 128; i++)
            data[i] = round;
        maru_pool_parallel_for(pool, 64, 1, fill_row, data);
        for (int64_t i = 0; i < 64; i++)
            assert_int_equal(data[i], round + i);
    }
    maru_pool_destroy(&pool);
}

static void creates_within_reason(void **state)
{
    (void)state;
    maru_pool *pool = NULL;
    assert_ok(maru_pool_create(0, &pool));
    assert_int_equal(maru_pool_threads(pool), maru_os_cpu_count());
    maru_pool_destroy(&pool);  // never used: no thread was started
    maru_pool_destroy(&pool);
    assert_fails(maru_pool_create(-1, &pool), MARU_INVALID_ARGUMENT, "-1");
    assert_fails(maru_pool_create(5000, &pool), MARU_INVALID_ARGUMENT, "5000");
    assert_null(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_every_item_once),
        cmocka_unit_test(many_short_jobs),
        cmocka_unit_test(really_runs_at_once),
        cmocka_unit_test(nested_calls_are_serial),
        cmocka_unit_test(nested_calls_of_another_pool_are_serial),
        cmocka_unit_test(a_second_caller_does_not_wait),
        cmocka_unit_test(several_callers_at_once),
        cmocka_unit_test(results_are_visible_after_the_call),
        cmocka_unit_test(creates_within_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
