// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/json.h"

static maru_status parse(const char *text)
{
    json_t *value = NULL;
    maru_status status = maru_json_parse(text, strlen(text), "c.json", &value);
    assert_true((value != NULL) == (status == MARU_OK));
    json_decref(value);
    return status;
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    assert_ok(parse(" {\"a\": [1, 2.5, null, true]} "));
    assert_ok(parse("3"));
    assert_fails(parse(""), MARU_DATA_LOSS, "c.json is not JSON: line 1, column 0");
    assert_fails(parse("{\n\"a\": }"), MARU_DATA_LOSS, "line 2");
    assert_fails(parse("{\"a\":1,\"a\":2}"), MARU_DATA_LOSS, "duplicate");
    assert_fails(parse("[99999999999999999999]"), MARU_DATA_LOSS, "integer");
    assert_fails(parse("[1] 2"), MARU_DATA_LOSS, "c.json is not JSON");
    assert_fails(parse("\"\xc3\""), MARU_DATA_LOSS, "c.json is not JSON");
}

static void limits_depth(void **state)
{
    (void)state;
    char deep[10000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_fails(parse(deep), MARU_DATA_LOSS, "depth");
}

static void gets_typed_members(void **state)
{
    (void)state;
    static const char text[] = "{\"s\":\"v\",\"t\":true,\"n\":5,\"none\":null}";
    json_t *o = NULL;
    const char *s = "default";
    bool t = false;
    int64_t n = 9;
    assert_ok(maru_json_parse(text, sizeof text - 1, "c.json", &o));
    assert_ok(maru_json_get_string(o, "absent", "c.json", &s));
    assert_ok(maru_json_get_string(o, "none", "c.json", &s));
    assert_string_equal(s, "default");
    assert_ok(maru_json_get_string(o, "s", "c.json", &s));
    assert_string_equal(s, "v");
    assert_ok(maru_json_get_bool(o, "t", "c.json", &t));
    assert_true(t);
    assert_ok(maru_json_get_i64(o, "none", "c.json", 0, 10, &n));
    assert_int_equal(n, 9);
    assert_ok(maru_json_get_i64(o, "n", "c.json", 0, 10, &n));
    assert_int_equal(n, 5);
    assert_fails(maru_json_get_i64(o, "n", "c.json", 6, 10, &n), MARU_INVALID_ARGUMENT,
                 "c.json: \"n\" must be from 6 to 10, not 5");
    assert_fails(maru_json_get_string(o, "n", "c.json", &s), MARU_INVALID_ARGUMENT,
                 "\"n\" must be a string, not an integer");
    assert_fails(maru_json_get_bool(o, "s", "c.json", &t), MARU_INVALID_ARGUMENT, "must be true or false");
    assert_fails(maru_json_get_i64(o, "t", "c.json", 0, 1, &n), MARU_INVALID_ARGUMENT, "must be an integer, not true");
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(gets_typed_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
