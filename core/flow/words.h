// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_FLOW_WORDS_H
#define MARU_FLOW_WORDS_H

/* What operators do with one text: words, case, patterns. */

#include "base/array.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct word {
    const char *text;
    size_t bytes;
} word;
typedef MARU_ARRAY(word) word_list;

/*
 * As Python's str.split, as ONNX asks for: without a delimiter at white space
 * (of ASCII) of any length, none at either end; otherwise at each delimiter.
 * At most `max_split` cuts.
 */
MARU_NODISCARD maru_status words_split(const char *text, const char *delimiter, size_t delimiter_bytes,
                                       int64_t max_split, word_list *out);

/* Appends the text in lower ('L') or upper ('U') case, code point by code point, or (0) as it is. */
MARU_NODISCARD maru_status words_change_case(const char *text, size_t bytes, char change, maru_str *out);

/*
 * Whether the whole of each text is matched, 0 or 1. The pattern is one of
 * RE2, whose syntax PCRE2 has but for a few names of character classes; a
 * pattern that would search too long fails.
 */
MARU_NODISCARD maru_status words_match(const char *pattern, size_t bytes, char *const *texts, size_t n, uint8_t *out);

/* maru_parse_f64, and "+INF", "-Infinity", "NaN" as ONNX's Cast has them, in any case. */
bool words_parse_f64(const char *text, double *out);

#endif
