// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/str.h"
#include "text/bert.h"

static const maru_bert_normalizer all = {
    .is_on = true,
    .clean_text = true,
    .handle_chinese_chars = true,
    .strip_accents = true,
    .lowercase = true,
};

/* Normalises UTF-8 and gives UTF-8 back, valid until the next call. */
static const char *normalize(const maru_bert_normalizer *n, const char *text)
{
    static char out[4096];
    maru_codepoints in = {0};
    maru_codepoints done = {0};
    assert_ok(maru_codepoints_from_utf8(text, strlen(text), &in));
    assert_ok(maru_bert_normalize(n, in.data, in.count, &done));
    size_t length = 0;
    for (size_t i = 0; i < done.count; i++)
        length += maru_codepoint_to_utf8(done.data[i], out + length);
    out[length] = '\0';
    maru_array_fini(&in);
    maru_array_fini(&done);
    return out;
}

static void cleans(void **state)
{
    (void)state;
    const maru_bert_normalizer n = {.is_on = true, .clean_text = true};
    assert_string_equal(normalize(&n, "a\tb\r\nc\x01\x7f" "d"), "a b  cd");
    assert_string_equal(normalize(&n, "\xc2\xa0x\xe3\x80\x80y\xe2\x80\xa8z"), " x y z");      // no-break, wide, line
    assert_string_equal(normalize(&n, "a\xef\xbf\xbd\xe2\x80\x8b\xef\xbb\xbf" "b"), "ab");     // FFFD, 200B, BOM
    assert_string_equal(normalize(&n, "\xee\x80\x80\xf3\xb0\x80\x80."), ".");                  // private use
    assert_string_equal(normalize(&n, "\xe0\xa2\x90"), "\xe0\xa2\x90");                        // Cf since Unicode 14
    assert_string_equal(normalize(&n, "\xc3\x89"), "\xc3\x89");
}

static void spaces_chinese(void **state)
{
    (void)state;
    const maru_bert_normalizer n = {.is_on = true, .handle_chinese_chars = true};
    assert_string_equal(normalize(&n, "a\xe6\xbc\xa2\xe5\xad\x97" "b"), "a \xe6\xbc\xa2  \xe5\xad\x97 b");
    assert_string_equal(normalize(&n, "\xea\xb0\x80"), "\xea\xb0\x80");                        // Hangul is not
    assert_string_equal(normalize(&n, "\xf0\xab\xa0\xa0"), "\xf0\xab\xa0\xa0");                // 2b820: their slip
    assert_string_equal(normalize(&n, "\xf0\xab\xa4\xa0"), " \xf0\xab\xa4\xa0 ");              // 2b920
}

static void strips_accents(void **state)
{
    (void)state;
    const maru_bert_normalizer n = {.is_on = true, .strip_accents = true};
    assert_string_equal(normalize(&n, "\xc3\x89t\xc3\xa9 na\xc3\xafve \xc3\xb8"), "Ete naive \xc3\xb8");
    assert_string_equal(normalize(&n, "e\xcc\x81\xcc\xa3"), "e");
    assert_string_equal(normalize(&n, "\xea\xb0\x81"), "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8");  // Hangul to jamo
    assert_string_equal(normalize(&n, "\xe1\x9c\xb4"), "");                                    // Mn in Unicode 8
    assert_string_equal(normalize(&n, "\xdf\xbd"), "\xdf\xbd");                                // Mn since 11
    // Spacing marks stay, in canonical order: class 216 before 224.
    assert_string_equal(normalize(&n, "a\xe3\x80\xae\xf0\x9d\x85\xa5"), "a\xf0\x9d\x85\xa5\xe3\x80\xae");
}

static void lowers(void **state)
{
    (void)state;
    const maru_bert_normalizer n = {.is_on = true, .lowercase = true};
    assert_string_equal(normalize(&n, "ABC \xc3\x89 \xce\xa3 \xd0\x96"), "abc \xc3\xa9 \xcf\x83 \xd0\xb6");
    assert_string_equal(normalize(&n, "\xc4\xb0"), "i\xcc\x87");
    assert_string_equal(normalize(&all, "\xc4\xb0"), "i");
}

static void off_changes_nothing(void **state)
{
    (void)state;
    const maru_bert_normalizer off = {.clean_text = true, .lowercase = true};
    assert_string_equal(normalize(&off, "A\tB\x01"), "A\tB\x01");
    assert_string_equal(normalize(&all, ""), "");
}

/* A long run of marks in the worst order must not take quadratic time. */
static void sorts_long_runs(void **state)
{
    (void)state;
    enum { N = 200000 };
    maru_codepoints in = {0};
    maru_codepoints out = {0};
    for (int i = 0; i < N; i++)
        assert_ok(maru_array_push(&in, i % 2 ? 0x1d165 : 0x302e));
    assert_ok(maru_bert_normalize(&all, in.data, in.count, &out));
    assert_int_equal(out.count, N);
    assert_int_equal(out.data[0], 0x1d165);
    assert_int_equal(out.data[N - 1], 0x302e);
    maru_array_fini(&in);
    maru_array_fini(&out);
}

/* Words of a text, with '|' between them. */
static const char *words(const char *text)
{
    static char out[512];
    maru_codepoints in = {0};
    size_t at = 0;
    size_t begin = 0;
    size_t end = 0;
    size_t length = 0;
    assert_ok(maru_codepoints_from_utf8(text, strlen(text), &in));
    while (maru_bert_next_word(in.data, in.count, &at, &begin, &end)) {
        if (length)
            out[length++] = '|';
        for (size_t i = begin; i < end; i++)
            length += maru_codepoint_to_utf8(in.data[i], out + length);
    }
    out[length] = '\0';
    maru_array_fini(&in);
    return out;
}

static void cuts_words(void **state)
{
    (void)state;
    assert_string_equal(words("  hello, world! "), "hello|,|world|!");
    assert_string_equal(words("a..b\tc"), "a|.|.|b|c");
    assert_string_equal(words("$5 `x` ^ ~"), "$|5|`|x|`|^|~");
    assert_string_equal(words("a\xe3\x80\x82" "b \xc2\xbf" "c"), "a|\xe3\x80\x82|b|\xc2\xbf|c");
    assert_string_equal(words("x\xe1\x99\xad" "y"), "x|\xe1\x99\xad|y");          // punctuation in Unicode 8
    assert_string_equal(words("x\xe2\xb9\x83" "y"), "x\xe2\xb9\x83" "y");         // punctuation since 9
    assert_string_equal(words(" \n"), "");
}

static void finds_malformed_utf8(void **state)
{
    (void)state;
    maru_codepoints out = {0};
    assert_fails(maru_codepoints_from_utf8("ab\xff", 3, &out), MARU_INVALID_ARGUMENT, "not UTF-8 at byte 2 (0xff)");
    assert_fails(maru_utf8_check("\xe2\x82", 2), MARU_INVALID_ARGUMENT, "at byte 0");
    assert_fails(maru_utf8_check("\xc0\x80", 2), MARU_INVALID_ARGUMENT, "at byte 0");
    assert_fails(maru_utf8_check("a\xed\xa0\x80", 4), MARU_INVALID_ARGUMENT, "at byte 1");
    assert_fails(maru_utf8_check("\xf4\x90\x80\x80", 4), MARU_INVALID_ARGUMENT, "at byte 0");
    assert_ok(maru_utf8_check("\0\xf4\x8f\xbf\xbf", 5));
    maru_array_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans),
        cmocka_unit_test(spaces_chinese),
        cmocka_unit_test(strips_accents),
        cmocka_unit_test(lowers),
        cmocka_unit_test(off_changes_nothing),
        cmocka_unit_test(sorts_long_runs),
        cmocka_unit_test(cuts_words),
        cmocka_unit_test(finds_malformed_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
