// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <maru/tensor.h>

static void owns_zeroed_aligned_data(void **state)
{
    (void)state;
    const int64_t dims[] = {7, 11};
    maru_tensor t;
    assert_ok(maru_tensor_create(MARU_F16, dims, 2, &t));
    assert_int_equal((uintptr_t)t.data % 64, 0);
    assert_int_equal(t.bytes, 154);
    assert_int_equal(maru_tensor_count(&t), 77);
    for (int64_t i = 0; i < 77; i++)
        assert_true(maru_tensor_get_f64(&t, i) == 0);
    maru_tensor_set_f64(&t, 76, 1.5);
    assert_true(maru_tensor_get_f64(&t, 76) == 1.5);
    maru_tensor_destroy(&t);
    assert_null(t.data);
    maru_tensor many[50];
    for (int64_t i = 0; i < 50; i++) {
        assert_ok(maru_tensor_create(MARU_U8, &i, 1, &many[i]));
        assert_int_equal((uintptr_t)many[i].data % 64, 0);
        memset(many[i].data, 1, many[i].bytes);
    }
    for (int i = 0; i < 50; i++)
        maru_tensor_destroy(&many[i]);
    assert_int_equal(maru_tensor_count(&t), 0);
    maru_tensor_destroy(&t);
}

static void scalars_and_empty_tensors(void **state)
{
    (void)state;
    const int64_t empty[] = {3, 0};
    maru_tensor t;
    assert_ok(maru_tensor_create(MARU_I64, NULL, 0, &t));
    assert_int_equal(maru_tensor_count(&t), 1);
    assert_int_equal(t.bytes, 8);
    maru_tensor_destroy(&t);
    assert_ok(maru_tensor_create(MARU_I64, empty, 2, &t));
    assert_int_equal(maru_tensor_count(&t), 0);
    assert_non_null(t.data);
    maru_tensor_destroy(&t);
}

static void wraps_exactly(void **state)
{
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    const int64_t dims[] = {2, 3};
    maru_tensor t;
    assert_ok(maru_tensor_wrap(MARU_F32, dims, 2, data, sizeof data, &t));
    assert_true(maru_tensor_get_f64(&t, 4) == 5);
    assert_null(t.owner);
    maru_tensor_destroy(&t);
    assert_true(data[5] == 6);
    assert_fails(maru_tensor_wrap(MARU_F32, dims, 2, data, 20, &t), MARU_INVALID_ARGUMENT, "24 bytes, not 20");
    assert_fails(maru_tensor_wrap(MARU_F32, dims, 2, NULL, 24, &t), MARU_INVALID_ARGUMENT, "NULL");
    assert_null(t.data);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    const int64_t dims[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const int64_t negative[] = {-1};
    const int64_t large[] = {INT64_MAX / 4};
    maru_tensor t;
    assert_fails(maru_tensor_create(MARU_F32, dims, 9, &t), MARU_INVALID_ARGUMENT, "rank 9");
    assert_fails(maru_tensor_create(MARU_F32, negative, 1, &t), MARU_INVALID_ARGUMENT, "negative");
    assert_fails(maru_tensor_create(MARU_STRING, dims, 1, &t), MARU_INVALID_ARGUMENT, "string");
    assert_fails(maru_tensor_create(MARU_F32, large, 1, &t), MARU_RESOURCE_EXHAUSTED, "out of memory");
    maru_tensor_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owns_zeroed_aligned_data),
        cmocka_unit_test(scalars_and_empty_tensors),
        cmocka_unit_test(wraps_exactly),
        cmocka_unit_test(refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
