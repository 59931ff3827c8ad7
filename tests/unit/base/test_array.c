// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/array.h"

static void grows_and_keeps(void **state)
{
    (void)state;
    MARU_ARRAY(int64_t) a = {0};
    for (int64_t i = 0; i < 10000; i++)
        assert_ok(maru_array_push(&a, i * i));
    assert_int_equal(a.count, 10000);
    assert_true(a.capacity >= a.count);
    for (int64_t i = 0; i < 10000; i++)
        assert_int_equal(a.data[i], i * i);
    maru_array_fini(&a);
    assert_null(a.data);
    assert_int_equal(a.count + a.capacity, 0);
}

static void evaluates_the_value_once(void **state)
{
    (void)state;
    MARU_ARRAY(int) a = {0};
    int next = 0;
    for (int i = 0; i < 20; i++)
        assert_ok(maru_array_push(&a, next++));
    assert_int_equal(next, 20);
    assert_int_equal(a.data[19], 19);
    maru_array_fini(&a);
}

static void reserves_once(void **state)
{
    (void)state;
    MARU_ARRAY(double) a = {0};
    assert_ok(maru_array_reserve(&a, 100));
    const double *before = a.data;
    for (int i = 0; i < 100; i++)
        assert_ok(maru_array_push(&a, (double)i));
    assert_ptr_equal(a.data, before);
    assert_ok(maru_array_reserve(&a, 5));
    assert_true(a.capacity >= 100);
    maru_array_fini(&a);
}

static void overflow_leaves_it_as_it_was(void **state)
{
    (void)state;
    MARU_ARRAY(int64_t) a = {0};
    assert_ok(maru_array_push(&a, 7));
    assert_fails(maru_array_reserve(&a, SIZE_MAX / 4), MARU_RESOURCE_EXHAUSTED, "overflow");
    assert_fails(maru_array_reserve(&a, SIZE_MAX / 16), MARU_RESOURCE_EXHAUSTED, "out of memory");
    assert_int_equal(a.count, 1);
    assert_int_equal(a.data[0], 7);
    maru_array_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps),
        cmocka_unit_test(evaluates_the_value_once),
        cmocka_unit_test(reserves_once),
        cmocka_unit_test(overflow_leaves_it_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
