// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/fail.h"
#include "base/os_thread.h"

static void names_every_code(void **state)
{
    (void)state;
    assert_string_equal(maru_status_name(MARU_OK), "OK");
    assert_string_equal(maru_status_name(MARU_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(maru_status_name(MARU_STATE_LOST), "STATE_LOST");
    assert_string_equal(maru_status_name((maru_status)999), "UNKNOWN");
    assert_string_equal(maru_status_name((maru_status)-1), "UNKNOWN");
    for (int i = 0; i <= 19; i++) {
        const char *name = maru_status_name((maru_status)i);
        assert_true(i == MARU_UNKNOWN || strcmp(name, "UNKNOWN") != 0);
    }
}

static void records_sentence_and_place(void **state)
{
    (void)state;
    maru_status status = maru_fail(MARU_NOT_FOUND, "no tensor '%s' among %d", "w1", 7);
    int line = __LINE__ - 1;
    char where[64];
    snprintf(where, sizeof where, "test_status.c:%d", line);
    assert_int_equal(status, MARU_NOT_FOUND);
    assert_string_equal(maru_error_message(), "no tensor 'w1' among 7");
    assert_string_equal(maru_error_where(), where);
    maru_error_clear();
    assert_string_equal(maru_error_message(), "");
    assert_string_equal(maru_error_where(), "");
}

static void takes_its_own_message_as_argument(void **state)
{
    (void)state;
    (void)maru_fail(MARU_UNKNOWN, "inner");
    (void)maru_fail(MARU_UNKNOWN, "outer(%s)", maru_error_message());
    assert_string_equal(maru_error_message(), "outer(inner)");
}

static void adds_prefix_on_the_way_up(void **state)
{
    (void)state;
    maru_status status = maru_fail(MARU_DATA_LOSS, "bad magic");
    char where[64];
    strcpy(where, maru_error_where());
    assert_int_equal(maru_fail_within(status, "%s", "model.gguf"), MARU_DATA_LOSS);
    assert_string_equal(maru_error_message(), "model.gguf: bad magic");
    assert_string_equal(maru_error_where(), where);
}

static void cuts_a_long_sentence(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)maru_fail(MARU_UNKNOWN, "%s", text);
    size_t length = strlen(maru_error_message());
    assert_true(length > 500 && length < sizeof text);
    assert_string_equal(maru_error_message() + length - 3, "...");
    for (int i = 0; i < 10; i++)
        (void)maru_fail_within(MARU_UNKNOWN, "prefix");
    assert_memory_equal(maru_error_message(), "prefix: prefix", 14);
}

static void *fail_elsewhere(void *arg)
{
    (void)maru_fail(MARU_ABORTED, "on another thread");
    *(bool *)arg = strcmp(maru_error_message(), "on another thread") == 0;
    return NULL;
}

static void keeps_a_record_per_thread(void **state)
{
    (void)state;
    (void)maru_fail(MARU_UNKNOWN, "here");
    maru_os_thread thread;
    bool saw_its_own = false;
    assert_ok(maru_os_thread_start(&thread, fail_elsewhere, &saw_its_own));
    maru_os_thread_join(&thread);
    assert_true(saw_its_own);
    assert_string_equal(maru_error_message(), "here");
}

static maru_status try_it(maru_status inner, bool *passed)
{
    MARU_TRY(inner);
    *passed = true;
    return MARU_OK;
}

static void try_returns_early(void **state)
{
    (void)state;
    bool passed = false;
    assert_int_equal(try_it(MARU_CANCELLED, &passed), MARU_CANCELLED);
    assert_false(passed);
    assert_int_equal(try_it(MARU_OK, &passed), MARU_OK);
    assert_true(passed);
    assert_fails(maru_fail_oom("a graph"), MARU_RESOURCE_EXHAUSTED, "out of memory: a graph");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_code),
        cmocka_unit_test(records_sentence_and_place),
        cmocka_unit_test(takes_its_own_message_as_argument),
        cmocka_unit_test(adds_prefix_on_the_way_up),
        cmocka_unit_test(cuts_a_long_sentence),
        cmocka_unit_test(keeps_a_record_per_thread),
        cmocka_unit_test(try_returns_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
