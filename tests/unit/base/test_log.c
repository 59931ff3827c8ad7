// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/log.h"
#include "base/os_thread.h"

typedef struct seen {
    int calls;
    int inside;
    bool overlapped;
    maru_log_level level;
    size_t length;
    char line[2048];
} seen;

static void remember(void *ctx, maru_log_level level, const char *line)
{
    seen *s = ctx;
    s->overlapped |= s->inside++ != 0;
    s->calls++;
    s->level = level;
    s->length = strlen(line);
    snprintf(s->line, sizeof s->line, "%s", line);
    maru_os_sleep_ns(1000);  // long enough for another thread to come in, if it can
    s->inside--;
}

static int restore(void **state)
{
    (void)state;
    maru_log_set_sink(NULL, NULL);
    maru_log_set_level(MARU_LOG_WARN);
    return 0;
}

static void drops_what_is_above_the_level(void **state)
{
    (void)state;
    seen s = {0};
    maru_log_set_sink(remember, &s);
    assert_int_equal(maru_log_get_level(), MARU_LOG_WARN);
    maru_log(MARU_LOG_INFO, "not this");
    assert_int_equal(s.calls, 0);
    maru_log(MARU_LOG_WARN, "this %d", 1);
    assert_int_equal(s.calls, 1);
    assert_string_equal(s.line, "this 1");
    assert_int_equal(s.level, MARU_LOG_WARN);
    maru_log_set_level(MARU_LOG_DEBUG);
    assert_true(maru_log_enabled(MARU_LOG_DEBUG));
    maru_log(MARU_LOG_DEBUG, "and this");
    assert_int_equal(s.calls, 2);
    maru_log_set_level(MARU_LOG_ERROR);
    assert_false(maru_log_enabled(MARU_LOG_WARN));
}

static void cuts_a_long_line(void **state)
{
    (void)state;
    seen s = {0};
    maru_log_set_sink(remember, &s);
    char text[3000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    maru_log(MARU_LOG_ERROR, "%s", text);
    assert_int_equal(s.length, 1023);
}

static void *log_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++)
        maru_log(MARU_LOG_ERROR, "line %d", i);
    return NULL;
}

static void calls_the_sink_one_at_a_time(void **state)
{
    (void)state;
    seen s = {0};
    maru_log_set_sink(remember, &s);
    maru_os_thread threads[4];
    for (int i = 0; i < 4; i++)
        assert_ok(maru_os_thread_start(&threads[i], log_many, NULL));
    for (int i = 0; i < 4; i++)
        maru_os_thread_join(&threads[i]);
    assert_int_equal(s.calls, 800);
    assert_false(s.overlapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(drops_what_is_above_the_level, restore),
        cmocka_unit_test_teardown(cuts_a_long_line, restore),
        cmocka_unit_test_teardown(calls_the_sink_one_at_a_time, restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
