// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device_test.h"

#include "device/find.h"

static const maru_find_name names[] = {
    {"cpu:0", "AMD EPYC"}, {"opencl:0", "pocl-cpu"}, {"opencl:1", "Mali G610"}, {"cuda:0", "H100"},
};

static void check(const char *pattern, const char *expected)
{
    size_t found[4];
    size_t count = 0;
    char text[32] = "";
    assert_ok(maru_find_match(pattern, names, 4, found, 4, &count));
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%zu", found[i]);
    assert_string_equal(text, expected);
}

static void test_patterns(void **state)
{
    (void)state;
    check("cpu", "0");
    check("opencl", "12");
    check("OpenCL:1", "2");
    check("*", "0123");
    check("*mali*", "2");
    check("cuda, cpu", "30");
    check("opencl:1,opencl", "21");
    check("npu,cpu", "0");
    check("h100", "3");
    check(",cpu,", "0");
}

static void test_none(void **state)
{
    (void)state;
    size_t found[1];
    size_t count = 9;
    assert_fails(maru_find_match("npu*", names, 4, found, 1, &count), MARU_NOT_FOUND,
                 "no device matches 'npu*'; there are cpu:0 (AMD EPYC), opencl:0");
    assert_int_equal(count, 0);
    assert_fails(maru_find_match("cpu", names, 0, found, 1, &count), MARU_NOT_FOUND, "there are none");
    assert_fails(maru_find_match("", names, 4, found, 1, &count), MARU_NOT_FOUND, "''");
}

static void test_room(void **state)
{
    (void)state;
    size_t found[1] = {9};
    size_t count = 0;
    assert_ok(maru_find_match("opencl", names, 4, found, 1, &count));
    assert_int_equal(count, 2);
    assert_int_equal(found[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
