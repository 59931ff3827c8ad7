// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/fail.h"
#include "base/os.h"

#include <inttypes.h>
#include <stdlib.h>

maru_status maru_json_parse(const void *data, size_t bytes, const char *name, json_t **out_value)
{
    *out_value = NULL;
    json_error_t error;
    json_t *value = json_loadb(bytes ? data : "", bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value && json_error_code(&error) == json_error_out_of_memory)
        return maru_fail_oom(name);
    if (!value)
        return maru_fail(MARU_DATA_LOSS, "%s is not JSON: line %d, column %d: %s", name, error.line, error.column,
                         error.text);
    *out_value = value;
    return MARU_OK;
}

maru_status maru_json_read_file(const char *path, size_t max_bytes, json_t **out_value)
{
    *out_value = NULL;
    char *data = NULL;
    size_t bytes = 0;
    MARU_TRY(maru_os_read_file(path, max_bytes, &data, &bytes));
    maru_status status = maru_json_parse(data, bytes, path, out_value);
    free(data);
    return status;
}

const char *maru_json_kind(const json_t *value)
{
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a real number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
    }
    return "nothing";
}

static maru_status wrong_type(const json_t *value, const char *key, const char *name, const char *wanted)
{
    return maru_fail(MARU_INVALID_ARGUMENT, "%s: \"%s\" must be %s, not %s", name, key, wanted, maru_json_kind(value));
}

maru_status maru_json_get_string(const json_t *object, const char *key, const char *name, const char **out)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value))
        return MARU_OK;
    if (!json_is_string(value))
        return wrong_type(value, key, name, "a string");
    *out = json_string_value(value);
    return MARU_OK;
}

maru_status maru_json_get_bool(const json_t *object, const char *key, const char *name, bool *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value))
        return MARU_OK;
    if (!json_is_boolean(value))
        return wrong_type(value, key, name, "true or false");
    *out = json_is_true(value);
    return MARU_OK;
}

maru_status maru_json_get_i64(const json_t *object, const char *key, const char *name, int64_t lo, int64_t hi,
                              int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value))
        return MARU_OK;
    if (!json_is_integer(value))
        return wrong_type(value, key, name, "an integer");
    int64_t number = json_integer_value(value);
    if (number < lo || number > hi)
        return maru_fail(MARU_INVALID_ARGUMENT,
                         "%s: \"%s\" must be from %" PRId64 " to %" PRId64 ", not %" PRId64, name, key, lo, hi, number);
    *out = number;
    return MARU_OK;
}
