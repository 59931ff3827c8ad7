// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/words.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/fail.h"

enum {
    MATCH_STEPS = 10000000,
    SHARP_S = 0xdf,  // has no capital in Unicode's simple mappings, of which utf8proc makes an exception
};

/* ---- words ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static maru_status split_at_space(const char *text, int64_t max_split, word_list *out)
{
    while (is_space(*text))
        text++;
    while (*text) {
        const char *end = text;
        if ((int64_t)out->count == max_split) {
            end = text + strlen(text);
            while (end > text && is_space(end[-1]))
                end--;
            return maru_array_push(out, ((word){text, (size_t)(end - text)}));
        }
        while (*end && !is_space(*end))
            end++;
        MARU_TRY(maru_array_push(out, ((word){text, (size_t)(end - text)})));
        for (text = end; is_space(*text);)
            text++;
    }
    return MARU_OK;
}

static const char *find(const char *text, const char *what, size_t bytes)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + bytes <= n; i++)
        if (memcmp(text + i, what, bytes) == 0)
            return text + i;
    return NULL;
}

maru_status words_split(const char *text, const char *delimiter, size_t delimiter_bytes, int64_t max_split,
                        word_list *out)
{
    if (delimiter_bytes == 0)
        return split_at_space(text, max_split, out);
    if (!*text)
        return MARU_OK;
    const char *at = NULL;
    while ((int64_t)out->count < max_split && (at = find(text, delimiter, delimiter_bytes)) != NULL) {
        MARU_TRY(maru_array_push(out, ((word){text, (size_t)(at - text)})));
        text = at + delimiter_bytes;
    }
    return maru_array_push(out, ((word){text, strlen(text)}));
}

/* ---- case ---- */

/* What is no UTF-8 goes through as it is. */
maru_status words_change_case(const char *text, size_t bytes, char change, maru_str *out)
{
    for (size_t i = 0; i < bytes;) {
        utf8proc_int32_t c = 0;
        utf8proc_uint8_t to[4];
        const utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(bytes - i), &c);
        if (n <= 0 || !change) {
            maru_str_append_n(out, text + i, n <= 0 ? 1 : (size_t)n);
            i += n <= 0 ? 1 : (size_t)n;
            continue;
        }
        if (c != SHARP_S)
            c = change == 'L' ? utf8proc_tolower(c) : utf8proc_toupper(c);
        maru_str_append_n(out, (const char *)to, (size_t)utf8proc_encode_char(c, to));
        i += (size_t)n;
    }
    return maru_str_check(out);
}

/* ---- patterns ---- */

static maru_status match_all(pcre2_code *code, pcre2_match_data *data, pcre2_match_context *context,
                             char *const *texts, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const int result = pcre2_match(code, (PCRE2_SPTR)texts[i], strlen(texts[i]), 0,
                                       PCRE2_ANCHORED | PCRE2_ENDANCHORED, data, context);
        if (result < 0 && result != PCRE2_ERROR_NOMATCH)
            return maru_fail(MARU_INVALID_ARGUMENT, "'%.60s' cannot be matched: it is no UTF-8, or the search takes "
                             "too long", texts[i]);
        out[i] = result >= 0;
    }
    return MARU_OK;
}

maru_status words_match(const char *pattern, size_t bytes, char *const *texts, size_t n, uint8_t *out)
{
    int error = 0;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR text[160];
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, bytes, PCRE2_UTF, &error, &at, NULL);
    if (!code) {
        pcre2_get_error_message(error, text, sizeof text);
        return maru_fail(MARU_INVALID_ARGUMENT, "pattern '%.*s': %s at byte %zu", (int)(bytes > 80 ? 80 : bytes),
                         pattern, (const char *)text, (size_t)at);
    }
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    maru_status status = MARU_OK;
    if (data && context) {
        pcre2_set_match_limit(context, MATCH_STEPS);
        status = match_all(code, data, context, texts, n, out);
    } else {
        status = maru_fail_oom("a pattern");
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return status;
}

/* ---- numbers ---- */

static bool equals(const char *text, const char *lower)
{
    while (*text && *lower && tolower((unsigned char)*text) == *lower) {
        text++;
        lower++;
    }
    return !*text && !*lower;
}

bool words_parse_f64(const char *text, double *out)
{
    const char *rest = *text == '+' || *text == '-' ? text + 1 : text;
    if (equals(rest, "inf") || equals(rest, "infinity")) {
        *out = *text == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (equals(text, "nan")) {
        *out = NAN;
        return true;
    }
    return maru_parse_f64(*text == '+' ? text + 1 : text, out);
}
