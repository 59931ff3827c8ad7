// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/os.h"
#include "base/os_thread.h"

static const int64_t millisecond = 1000000;

typedef struct shared {
    maru_mutex mutex;
    maru_cond cond;
    int64_t counter;   // guarded by mutex
    int turn;          // guarded by mutex
} shared;

static void *count_up(void *arg)
{
    shared *s = arg;
    for (int i = 0; i < 20000; i++) {
        maru_mutex_lock(&s->mutex);
        s->counter++;
        maru_mutex_unlock(&s->mutex);
    }
    return NULL;
}

static void mutex_excludes(void **state)
{
    (void)state;
    shared s = {0};
    maru_os_thread threads[4];
    for (int i = 0; i < 4; i++)
        assert_ok(maru_os_thread_start(&threads[i], count_up, &s));
    for (int i = 0; i < 4; i++)
        maru_os_thread_join(&threads[i]);
    assert_int_equal(s.counter, 80000);
    assert_true(maru_mutex_try_lock(&s.mutex));
    assert_false(maru_mutex_try_lock(&s.mutex));
    maru_mutex_unlock(&s.mutex);
}

static void *answer(void *arg)
{
    shared *s = arg;
    maru_mutex_lock(&s->mutex);
    for (int i = 0; i < 1000; i++) {
        while (s->turn != 1)
            maru_cond_wait(&s->cond, &s->mutex, -1);
        s->turn = 0;
        maru_cond_broadcast(&s->cond);
    }
    maru_mutex_unlock(&s->mutex);
    return NULL;
}

static void cond_hands_over(void **state)
{
    (void)state;
    shared s = {0};
    maru_os_thread thread;
    assert_ok(maru_os_thread_start(&thread, answer, &s));
    maru_mutex_lock(&s.mutex);
    for (int i = 0; i < 1000; i++) {
        s.turn = 1;
        maru_cond_signal(&s.cond);
        while (s.turn != 0)
            maru_cond_wait(&s.cond, &s.mutex, -1);
    }
    maru_mutex_unlock(&s.mutex);
    maru_os_thread_join(&thread);
}

static void waits_no_longer_than_asked(void **state)
{
    (void)state;
    shared s = {0};
    int64_t before = maru_os_now_ns();
    maru_mutex_lock(&s.mutex);
    assert_false(maru_cond_wait(&s.cond, &s.mutex, 20 * millisecond));
    maru_mutex_unlock(&s.mutex);
    assert_true(maru_os_now_ns() - before >= 20 * millisecond);
    _Atomic uint32_t word = 5;
    assert_true(maru_os_wait(&word, 4, -1));  // another value already: no sleep
    assert_false(maru_os_wait(&word, 5, millisecond));
    before = maru_os_now_ns();
    maru_os_sleep_ns(3 * millisecond);
    maru_os_sleep_ns(-1);
    assert_true(maru_os_now_ns() - before >= 3 * millisecond);
}

static void counts_cpus(void **state)
{
    (void)state;
    int count = maru_os_cpu_count();
    assert_in_range(count, 1, 4096);
    print_message("%d cores\n", count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutex_excludes),
        cmocka_unit_test(cond_hands_over),
        cmocka_unit_test(waits_no_longer_than_asked),
        cmocka_unit_test(counts_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
