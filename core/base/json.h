// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_JSON_H
#define MARU_BASE_JSON_H

/*
 * Reading JSON that comes from outside, on jansson: one sentence for whatever
 * is wrong. Nesting deeper than jansson's limit (2048) is an error, as are
 * duplicate keys and integers beyond 64 bits. `name` stands for the document
 * in messages, and is not kept.
 */

#include <maru/status.h>

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Any value may be at the top. DATA_LOSS when it is not JSON. The caller releases *out_value with json_decref. */
MARU_NODISCARD maru_status maru_json_parse(const void *data, size_t bytes, const char *name, json_t **out_value);
/* Refuses a file of more than `max_bytes`. */
MARU_NODISCARD maru_status maru_json_read_file(const char *path, size_t max_bytes, json_t **out_value);

/*
 * Members of `object` (which must be an object). A member that is absent or
 * null leaves *out alone, so put the default there first; one of another type
 * fails with INVALID_ARGUMENT naming the document and the key. Strings are
 * borrowed from the document.
 */
MARU_NODISCARD maru_status maru_json_get_string(const json_t *object, const char *key, const char *name,
                                                const char **out);
MARU_NODISCARD maru_status maru_json_get_bool(const json_t *object, const char *key, const char *name, bool *out);
/* An integer in [lo, hi]. */
MARU_NODISCARD maru_status maru_json_get_i64(const json_t *object, const char *key, const char *name, int64_t lo,
                                             int64_t hi, int64_t *out);

/* "an object", "a string", ...: for messages. */
const char *maru_json_kind(const json_t *value);

#endif
