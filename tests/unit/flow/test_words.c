// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Words, case and patterns of one text. */

#include "unit.h"

#include <math.h>

#include "flow/words.h"

static void is_split(const char *text, const char *delimiter, int64_t max_split, const char *want)
{
    word_list words = {0};
    maru_str got = {0};
    assert_ok(words_split(text, delimiter, strlen(delimiter), max_split, &words));
    for (size_t i = 0; i < words.count; i++) {
        maru_str_append(&got, i ? "|" : "");
        maru_str_append_n(&got, words.data[i].text, words.data[i].bytes);
    }
    assert_string_equal(maru_str_get(&got), want);
    maru_str_fini(&got);
    maru_array_fini(&words);
}

/* Expected texts are Python's str.split. */
static void text_is_split(void **state)
{
    (void)state;
    is_split("  a  bc d ", "", INT64_MAX, "a|bc|d");
    is_split("  a  bc d ", "", 1, "a|bc d");
    is_split("   ", "", INT64_MAX, "");
    is_split("a,,b,", ",", INT64_MAX, "a||b|");
    is_split("a,,b,", ",", 1, "a|,b,");
    is_split("a,,b,", ",,", INT64_MAX, "a|b,");
    is_split("aaa", "aa", INT64_MAX, "|a");
}

static void is_changed(const char *text, char change, const char *want)
{
    maru_str got = {0};
    assert_ok(words_change_case(text, strlen(text), change, &got));
    assert_string_equal(maru_str_get(&got), want);
    maru_str_fini(&got);
}

static void case_is_changed(void **state)
{
    (void)state;
    is_changed("Äpfel ΣΑΣ 한글", 'L', "äpfel σασ 한글");
    is_changed("über straße", 'U', "ÜBER STRAßE");
    is_changed("As It Is", 0, "As It Is");
    is_changed("a\xff" "B\xc3", 'U', "A\xff" "B\xc3");  // no UTF-8
}

static void patterns_match_whole_texts(void **state)
{
    (void)state;
    char *texts[] = {(char[]){"ab"}, (char[]){"abc"}, (char[]){""}, (char[]){"한a"}};
    uint8_t got[4];
    assert_ok(words_match("a.|.a", 5, texts, 4, got));
    assert_memory_equal(got, ((uint8_t[]){1, 0, 0, 1}), 4);
    assert_ok(words_match("", 0, texts, 4, got));
    assert_memory_equal(got, ((uint8_t[]){0, 0, 1, 0}), 4);
    assert_fails(words_match("[a", 2, texts, 4, got), MARU_INVALID_ARGUMENT, "[a");
    char *bad[] = {(char[]){"\xff"}};
    assert_fails(words_match("a", 1, bad, 1, got), MARU_INVALID_ARGUMENT, "UTF-8");
}

static void a_search_is_bounded(void **state)
{
    (void)state;
    char text[64];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 2] = 'b';
    text[sizeof text - 1] = 0;
    char *texts[] = {text};
    uint8_t got = 0;
    assert_fails(words_match("(a|aa)+[cd]", 11, texts, 1, &got), MARU_INVALID_ARGUMENT, "too long");
}

static void numbers_are_parsed(void **state)
{
    (void)state;
    double x = 0;
    assert_true(words_parse_f64("+1.5e3", &x) && x == 1500);
    assert_true(words_parse_f64("-INF", &x) && isinf(x) && x < 0);
    assert_true(words_parse_f64("+Infinity", &x) && isinf(x) && x > 0);
    assert_true(words_parse_f64("NaN", &x) && isnan(x));
    assert_false(words_parse_f64("1.5x", &x));
    assert_false(words_parse_f64("", &x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_split),
        cmocka_unit_test(case_is_changed),
        cmocka_unit_test(patterns_match_whole_texts),
        cmocka_unit_test(a_search_is_bounded),
        cmocka_unit_test(numbers_are_parsed),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
