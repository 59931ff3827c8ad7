// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "unit.h"

#include "base/str.h"

#include <float.h>
#include <locale.h>
#include <math.h>

static void grows_by_appending(void **state)
{
    (void)state;
    maru_str s = {0};
    assert_string_equal(maru_str_get(&s), "");
    for (int i = 0; i < 1000; i++)
        maru_str_printf(&s, "%d,", i);
    maru_str_append(&s, "end");
    maru_str_append_n(&s, "xyz", 2);
    maru_str_append_n(&s, NULL, 0);
    assert_ok(maru_str_check(&s));
    assert_int_equal(s.length, strlen(s.data));
    assert_int_equal(s.length, 10 * 2 + 90 * 3 + 900 * 4 + 5);
    assert_true(maru_ends_with(maru_str_get(&s), "999,endxy"));
    maru_str_clear(&s);
    assert_string_equal(maru_str_get(&s), "");
    maru_str_fini(&s);
    maru_str_fini(&s);
}

static void takes_the_bytes(void **state)
{
    (void)state;
    maru_str s = {0};
    char *empty = maru_str_take(&s);
    assert_string_equal(empty, "");
    free(empty);
    maru_str_append(&s, "text");
    char *text = maru_str_take(&s);
    assert_string_equal(text, "text");
    assert_null(s.data);
    free(text);
}

static void remembers_a_failure(void **state)
{
    (void)state;
    maru_str s = {0};
    maru_str_append(&s, "before");
    s.length = SIZE_MAX - 2;  // as if it had grown that far
    maru_str_append(&s, "abc");
    s.length = 6;
    assert_true(s.failed);
    maru_str_append(&s, "after");
    assert_string_equal(maru_str_get(&s), "before");
    assert_fails(maru_str_check(&s), MARU_RESOURCE_EXHAUSTED, "out of memory");
    assert_null(maru_str_take(&s));
}

static void check_f64(double value, const char *expected)
{
    maru_str s = {0};
    double back = 0;
    maru_str_append_f64(&s, value);
    if (expected)
        assert_string_equal(maru_str_get(&s), expected);
    assert_true(maru_parse_f64(maru_str_get(&s), &back));
    assert_true(memcmp(&back, &value, sizeof value) == 0 || (isnan(back) && isnan(value)));
    maru_str_fini(&s);
}

static void check_all_f64(void)
{
    check_f64(0.0, "0.0");
    check_f64(-0.0, "-0.0");
    check_f64(1.0, "1.0");
    check_f64(0.1, "0.1");
    check_f64(1e-5, "1e-05");
    check_f64(-2.5, "-2.5");
    check_f64(1e300, "1e+300");
    check_f64(1.0 / 3, NULL);
    check_f64(DBL_MIN, NULL);
    check_f64(DBL_MAX, NULL);
    check_f64(DBL_TRUE_MIN, NULL);
    check_f64(INFINITY, "inf");
    check_f64(-INFINITY, "-inf");
    check_f64(NAN, "nan");
    uint64_t bits = 1;
    for (int i = 0; i < 2000; i++) {
        double value = 0;
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_f64(value, NULL);
    }
}

static void prints_doubles_that_read_back(void **state)
{
    (void)state;
    check_all_f64();
}

/* Compiles a German locale into the build folder, for the machine need not have one. */
static bool use_decimal_comma(void)
{
    char folder[512];
    char locale[600];
    const char *build = getenv("MARU_BUILD_ROOT");
    snprintf(folder, sizeof folder, "%s/tests/unit/locales", build ? build : "");
    snprintf(locale, sizeof locale, "%s/de_DE.UTF-8", folder);
    const char *const argv[] = {"/usr/bin/localedef", "-i", "de_DE", "-f", "UTF-8", locale, NULL};
    maru_os_child_result result = {0};
    if (!build || maru_os_make_dirs(folder) != MARU_OK || maru_os_run_child(argv, 30000, 0, false, &result) != MARU_OK)
        return false;
    free(result.out);
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static void numbers_ignore_the_locale(void **state)
{
    (void)state;
    if (!use_decimal_comma()) {
        print_message("no locale with a decimal comma: localedef or its data is missing\n");
        skip();
    }
    char half[8];
    snprintf(half, sizeof half, "%.1f", 0.5);
    assert_string_equal(half, "0,5");
    check_all_f64();
    setlocale(LC_ALL, "C");
}

static void refuses_what_is_not_a_number(void **state)
{
    (void)state;
    const char *const bad[] = {"", " 1", "1 ", "1,5", ".", "e5", "1e", "1e+", "--1", "0x10", "1.2.3", "infinity",
                               "nan(1)", "+", "1e999", "1f"};
    double f = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (maru_parse_f64(bad[i], &f))
            fail_msg("'%s' was read as %g", bad[i], f);
    }
    assert_true(f == 42);
    assert_true(maru_parse_f64(".5", &f) && f == 0.5);
    assert_true(maru_parse_f64("5.", &f) && f == 5);
    assert_true(maru_parse_f64("+1E2", &f) && f == 100);
    assert_true(maru_parse_f64("1e-999", &f) && f == 0);
}

static void parses_integers_to_the_edge(void **state)
{
    (void)state;
    int64_t i = 42;
    const char *const bad[] = {"", "-", "+", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "-9223372036854775809",
                               "99999999999999999999", "--1", "1e3"};
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++)
        assert_false(maru_parse_i64(bad[n], &i));
    assert_int_equal(i, 42);
    assert_true(maru_parse_i64("9223372036854775807", &i) && i == INT64_MAX);
    assert_true(maru_parse_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_true(maru_parse_i64("+007", &i) && i == 7);
    assert_true(maru_parse_i64("-0", &i) && i == 0);
}

static void quotes_like_json(void **state)
{
    (void)state;
    maru_str s = {0};
    const char text[] = "a\"\\\b\f\n\r\t\x01\x1f\x7f\xc3\xa9\0z";
    maru_str_append_quoted(&s, text, sizeof text - 1);
    const char expected[] = "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\\u0000z\"";
    assert_string_equal(maru_str_get(&s), expected);
    maru_str_fini(&s);
}

static void matches_globs(void **state)
{
    (void)state;
    assert_true(maru_glob_match("layers.*.mlp", "layers.13.mlp"));
    assert_true(maru_glob_match("*", ""));
    assert_true(maru_glob_match("", ""));
    assert_true(maru_glob_match("a?c", "abc"));
    assert_true(maru_glob_match("*a*b*", "xxaxxbxx"));
    assert_true(maru_glob_match("*.weight", "a.weight.weight"));
    assert_true(maru_glob_match("**a", "a"));
    assert_false(maru_glob_match("a?c", "ac"));
    assert_false(maru_glob_match("?", ""));
    assert_false(maru_glob_match("abc", "abcd"));
    assert_false(maru_glob_match("*b", "bc"));
    char text[4000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(maru_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void finds_the_nearest_name(void **state)
{
    (void)state;
    const char *const names[] = {"Relu", "Softmax", "Sigmoid", "MatMul", "Add"};
    assert_string_equal(maru_nearest_name("Sofmax", names, 5), "Softmax");
    assert_string_equal(maru_nearest_name("matmul", names, 5), "MatMul");
    assert_string_equal(maru_nearest_name("Relu6", names, 5), "Relu");
    assert_null(maru_nearest_name("Conv", names, 5));
    assert_null(maru_nearest_name("Ad", names, 5));
    assert_null(maru_nearest_name("", names, 5));
    assert_null(maru_nearest_name("Relu", NULL, 0));
    char huge[500];
    memset(huge, 'R', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_null(maru_nearest_name(huge, names, 5));
}

static void looks_at_both_ends(void **state)
{
    (void)state;
    assert_true(maru_starts_with("model.onnx", "model"));
    assert_true(maru_starts_with("x", ""));
    assert_false(maru_starts_with("mo", "model"));
    assert_true(maru_ends_with("model.onnx", ".onnx"));
    assert_true(maru_ends_with("x", ""));
    assert_false(maru_ends_with("nnx", ".onnx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_by_appending),
        cmocka_unit_test(takes_the_bytes),
        cmocka_unit_test(remembers_a_failure),
        cmocka_unit_test(prints_doubles_that_read_back),
        cmocka_unit_test(numbers_ignore_the_locale),
        cmocka_unit_test(refuses_what_is_not_a_number),
        cmocka_unit_test(parses_integers_to_the_edge),
        cmocka_unit_test(quotes_like_json),
        cmocka_unit_test(matches_globs),
        cmocka_unit_test(finds_the_nearest_name),
        cmocka_unit_test(looks_at_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
