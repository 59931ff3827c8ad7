// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include "base/fail.h"
#include "base/size.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- growing ---- */

/* Room for `more` bytes and the NUL. */
static bool make_room(maru_str *s, size_t more)
{
    size_t needed = 0;
    if (s->failed || !maru_add_size(s->length, more, &needed) || !maru_add_size(needed, 1, &needed)) {
        s->failed = true;
        return false;
    }
    if (needed <= s->capacity)
        return true;
    size_t capacity = s->capacity < SIZE_MAX / 2 && needed < s->capacity * 2 ? s->capacity * 2 : needed;
    if (capacity < 32)
        capacity = 32;
    char *grown = realloc(s->data, capacity);
    if (!grown) {
        s->failed = true;
        return false;
    }
    s->data = grown;
    s->capacity = capacity;
    return true;
}

void maru_str_fini(maru_str *s)
{
    free(s->data);
    *s = (maru_str){0};
}

void maru_str_clear(maru_str *s)
{
    s->length = 0;
    s->failed = false;
    if (s->data)
        s->data[0] = '\0';
}

void maru_str_append(maru_str *s, const char *text)
{
    maru_str_append_n(s, text, strlen(text));
}

void maru_str_append_n(maru_str *s, const char *text, size_t length)
{
    if (!make_room(s, length))
        return;
    if (length)
        memcpy(s->data + s->length, text, length);
    s->length += length;
    s->data[s->length] = '\0';
}

void maru_str_printf(maru_str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0) {
        s->failed = true;
        return;
    }
    if (!make_room(s, (size_t)length))
        return;
    va_start(args, fmt);
    vsnprintf(s->data + s->length, (size_t)length + 1, fmt, args);
    va_end(args);
    s->length += (size_t)length;
}

maru_status maru_str_check(const maru_str *s)
{
    return s->failed ? maru_fail_oom("text") : MARU_OK;
}

const char *maru_str_get(const maru_str *s)
{
    return s->data ? s->data : "";
}

char *maru_str_take(maru_str *s)
{
    if (!s->data && !s->failed)
        make_room(s, 0);
    char *data = s->data;
    if (s->failed) {
        free(data);
        data = NULL;
    } else {
        data[s->length] = '\0';
    }
    *s = (maru_str){0};
    return data;
}

/* ---- numbers, whatever the locale of the process ---- */

enum { NUMBER_BYTES = 512 };

/* What stands between 0 and 5 when the locale prints 0.5. */
static void decimal_point(char out[16])
{
    char half[24];
    snprintf(half, sizeof half, "%.1f", 0.5);
    size_t length = strlen(half);
    size_t n = length > 2 && length - 2 < 16 ? length - 2 : 1;
    memcpy(out, half + 1, n);
    out[n] = '\0';
}

/* `text` with its first `from` replaced by `to`; false when it does not fit. */
static bool replace_point(const char *text, const char *from, const char *to, char out[NUMBER_BYTES])
{
    const char *at = strstr(text, from);
    int head = at ? (int)(at - text) : (int)strlen(text);
    int n = snprintf(out, NUMBER_BYTES, "%.*s%s%s", head, text, at ? to : "", at ? at + strlen(from) : "");
    return n >= 0 && n < NUMBER_BYTES;
}

void maru_str_append_f64(maru_str *s, double value)
{
    if (isnan(value) || isinf(value)) {
        maru_str_append(s, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    char point[16];
    char local[64];
    char text[NUMBER_BYTES];
    for (int digits = 15; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(local, sizeof local, "%.*g", digits, value);
        if (strtod(local, NULL) == value)
            break;
    }
    decimal_point(point);
    if (!replace_point(local, point, ".", text)) {
        s->failed = true;
        return;
    }
    maru_str_append(s, text);
    if (!strpbrk(text, ".e"))
        maru_str_append(s, ".0");
}

static const char *skip_digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

static const char *skip_sign(const char *p)
{
    return *p == '-' || *p == '+' ? p + 1 : p;
}

/* [sign] digits [. digits] [e [sign] digits], with a digit before or after the point. */
static bool is_decimal(const char *text)
{
    const char *p = skip_sign(text);
    const char *whole = p;
    p = skip_digits(p);
    size_t n_digits = (size_t)(p - whole);
    if (*p == '.') {
        const char *fraction = ++p;
        p = skip_digits(p);
        n_digits += (size_t)(p - fraction);
    }
    if (n_digits == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        const char *exponent = skip_sign(p + 1);
        p = skip_digits(exponent);
        if (p == exponent)
            return false;
    }
    return *p == '\0';
}

bool maru_parse_i64(const char *text, int64_t *out)
{
    const char *p = skip_sign(text);
    bool negative = *text == '-';
    if (!*p)
        return false;
    // Counted downwards: the smallest int64 has no positive twin.
    int64_t value = 0;
    for (; *p; p++) {
        if (*p < '0' || *p > '9' || !maru_mul_i64(value, 10, &value) || !maru_add_i64(value, -(*p - '0'), &value))
            return false;
    }
    if (!negative && !maru_mul_i64(value, -1, &value))
        return false;
    *out = value;
    return true;
}

bool maru_parse_f64(const char *text, double *out)
{
    const char *unsigned_part = skip_sign(text);
    double sign = *text == '-' ? -1.0 : 1.0;
    if (strcmp(unsigned_part, "inf") == 0 || strcmp(unsigned_part, "nan") == 0) {
        *out = *unsigned_part == 'i' ? sign * INFINITY : NAN;
        return true;
    }
    char point[16];
    char local[NUMBER_BYTES];
    decimal_point(point);
    if (!is_decimal(text) || !replace_point(text, ".", point, local))
        return false;
    double value = strtod(local, NULL);
    if (isinf(value))
        return false;
    *out = value;
    return true;
}

/* ---- quoting and matching ---- */

static void append_escaped(maru_str *s, char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *at = c ? strchr(plain, c) : NULL;
    if (at)
        maru_str_printf(s, "\\%c", letters[at - plain]);
    else if ((unsigned char)c < 0x20)
        maru_str_printf(s, "\\u%04x", (unsigned)(unsigned char)c);
    else
        maru_str_append_n(s, &c, 1);
}

void maru_str_append_quoted(maru_str *s, const char *text, size_t length)
{
    maru_str_append_n(s, "\"", 1);
    for (size_t i = 0; i < length; i++)
        append_escaped(s, text[i]);
    maru_str_append_n(s, "\"", 1);
}

bool maru_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool maru_ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text);
    size_t suffix_length = strlen(suffix);
    return suffix_length <= length && strcmp(text + length - suffix_length, suffix) == 0;
}

bool maru_glob_match(const char *pattern, const char *text)
{
    // On a mismatch only the last '*' may take one more character: an earlier one never needs to.
    const char *star = NULL;
    const char *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

enum { LONGEST_NAME = 96, FARTHEST = 2 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance; names are at most LONGEST_NAME long. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t row[LONGEST_NAME + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_length];
}

const char *maru_nearest_name(const char *text, const char *const *names, size_t n)
{
    size_t length = strlen(text);
    size_t best_distance = FARTHEST + 1;
    const char *best = NULL;
    for (size_t i = 0; i < n && length <= LONGEST_NAME; i++) {
        size_t name_length = strlen(names[i]);
        if (name_length > LONGEST_NAME)
            continue;
        size_t distance = edit_distance(text, length, names[i], name_length);
        if (distance < best_distance && 2 * distance < length) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}
