// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/size.h"

static void sizes_at_the_edge(void **state)
{
    (void)state;
    size_t out = 42;
    assert_true(maru_mul_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    assert_true(maru_mul_size(0, SIZE_MAX, &out) && out == 0);
    assert_true(maru_mul_size(SIZE_MAX / 2, 2, &out) && out == SIZE_MAX - 1);
    assert_true(maru_add_size(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_true(maru_align_size(SIZE_MAX - 63, 64, &out) && out == SIZE_MAX - 63);
    assert_true(maru_align_size(0, 64, &out) && out == 0);
    out = 42;
    assert_false(maru_mul_size(SIZE_MAX / 2 + 1, 2, &out));
    assert_false(maru_add_size(SIZE_MAX, 1, &out));
    assert_false(maru_align_size(SIZE_MAX - 62, 64, &out));
    assert_int_equal(out, 42);
}

static void i64_at_the_edge(void **state)
{
    (void)state;
    int64_t out = 42;
    assert_true(maru_add_i64(INT64_MAX, INT64_MIN, &out) && out == -1);
    assert_true(maru_mul_i64(INT64_MIN, 1, &out) && out == INT64_MIN);
    assert_true(maru_mul_i64(-1, INT64_MAX, &out) && out == -INT64_MAX);
    assert_true(maru_mul_i64(INT64_C(-3037000499), INT64_C(3037000499), &out));
    out = 42;
    assert_false(maru_add_i64(INT64_MAX, 1, &out));
    assert_false(maru_add_i64(INT64_MIN, -1, &out));
    assert_false(maru_mul_i64(INT64_MIN, -1, &out));
    assert_false(maru_mul_i64(-1, INT64_MIN, &out));
    assert_false(maru_mul_i64(INT64_C(3037000500), INT64_C(3037000500), &out));
    assert_false(maru_mul_i64(INT64_C(1) << 32, INT64_C(1) << 32, &out));
    assert_int_equal(out, 42);
}

/* Against every pair of 8-bit values moved to the top of the range, where a wider product tells. */
static void i64_products_agree_with_division(void **state)
{
    (void)state;
    for (int a = -128; a < 128; a++) {
        for (int b = -128; b < 128; b++) {
            int64_t scaled = (int64_t)a * (INT64_C(1) << 55);
            int64_t out = 0;
            // a * b * 2^55 fits when |a * b| < 256, or is exactly -256.
            bool fits = a * b < 256 && a * b >= -256;
            assert_int_equal(maru_mul_i64(scaled, b, &out), fits);
            if (fits)
                assert_true(b == 0 ? out == 0 : out / b == scaled);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_at_the_edge),
        cmocka_unit_test(i64_at_the_edge),
        cmocka_unit_test(i64_products_agree_with_division),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
