// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_STR_H
#define MARU_BASE_STR_H

/* A growing string, and the few string functions that libc lacks or makes depend on the locale. */

#include <maru/attr.h>
#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {0} is the empty string. `data` is NUL-terminated once anything was appended; use maru_str_get to read. */
typedef struct maru_str {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;  // an append ran out of memory: what is there is incomplete
} maru_str;

void maru_str_fini(maru_str *s);
void maru_str_clear(maru_str *s);

/* Appends never return an error: they set `failed`, and maru_str_check reports it once at the end. */
void maru_str_append(maru_str *s, const char *text);
void maru_str_append_n(maru_str *s, const char *text, size_t length);
MARU_PRINTF(2, 3) void maru_str_printf(maru_str *s, const char *fmt, ...);
MARU_NODISCARD maru_status maru_str_check(const maru_str *s);

/* Never NULL. */
const char *maru_str_get(const maru_str *s);

/* Moves the bytes out (free() them); "" if empty; NULL only when memory ran out. `s` is {0} again. */
char *maru_str_take(maru_str *s);

/*
 * Writes a double so that reading it back gives the same value, whatever the
 * locale, with a '.' or an exponent ("1.0", "1e-05"), or "inf", "-inf", "nan".
 */
void maru_str_append_f64(maru_str *s, double value);

/* Appends `text` in double quotes, escaping what JSON escapes. Bytes >= 0x80 go through as they are. */
void maru_str_append_quoted(maru_str *s, const char *text, size_t length);

bool maru_starts_with(const char *text, const char *prefix);
bool maru_ends_with(const char *text, const char *suffix);

/*
 * The whole of `text` must be a decimal number, no blanks, no locale; f64
 * also takes "inf" and "nan". Out of range is false. False leaves *out alone.
 */
bool maru_parse_i64(const char *text, int64_t *out);
bool maru_parse_f64(const char *text, double *out);

/* Shell-style match of '*' and '?' over the whole of `text`; at most length x length steps, never exponential. */
bool maru_glob_match(const char *pattern, const char *text);

/* Among `n` names the one nearest to `text` (edit distance <= 2 and < half its length), or NULL: for "did you mean". */
const char *maru_nearest_name(const char *text, const char *const *names, size_t n);

#endif
