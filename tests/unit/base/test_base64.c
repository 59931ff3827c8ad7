// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/base64.h"

static void check(const char *bytes, const char *text)
{
    maru_str s = {0};
    char back[16] = {0};
    maru_base64_append(&s, bytes, strlen(bytes));
    assert_string_equal(maru_str_get(&s), text);
    assert_int_equal(maru_base64_length(strlen(bytes)), strlen(text));
    assert_ok(maru_base64_decode(text, strlen(text), back, strlen(bytes)));
    assert_string_equal(back, bytes);
    maru_str_fini(&s);
}

/* The examples of RFC 4648, section 10. */
static void gives_the_published_texts(void **state)
{
    (void)state;
    check("", "");
    check("f", "Zg==");
    check("fo", "Zm8=");
    check("foo", "Zm9v");
    check("foob", "Zm9vYg==");
    check("fooba", "Zm9vYmE=");
    check("foobar", "Zm9vYmFy");
}

static void every_byte_comes_back(void **state)
{
    (void)state;
    uint8_t from[256];
    uint8_t back[256];
    maru_str s = {0};
    for (int i = 0; i < 256; i++)
        from[i] = (uint8_t)(i * 91);
    maru_base64_append(&s, from, sizeof from);
    assert_ok(maru_base64_decode(maru_str_get(&s), s.length, back, sizeof back));
    assert_memory_equal(from, back, sizeof from);
    maru_str_fini(&s);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    char out[8];
    assert_fails(maru_base64_decode("Zg==", 4, out, 2), MARU_INVALID_ARGUMENT, "'=' is no digit of base 64 there");
    assert_fails(maru_base64_decode("Zm8=", 4, out, 1), MARU_INVALID_ARGUMENT, "'8' is no digit");
    assert_fails(maru_base64_decode("Zm 9", 4, out, 3), MARU_INVALID_ARGUMENT, "' ' is no digit");
    assert_fails(maru_base64_decode("Zm9vZ", 5, out, 3), MARU_INVALID_ARGUMENT,
                 "5 characters of base 64 are not 3 bytes");
    assert_int_equal(maru_base64_length(SIZE_MAX), SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_texts),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(refuses_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
