// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_CODEPOINTS_H
#define MARU_TEXT_CODEPOINTS_H

/* Text as an array of Unicode code points, and what a tokenizer asks about one. */

#include "base/array.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef MARU_ARRAY(int32_t) maru_codepoints;

/* Appends the code points of UTF-8 text. INVALID_ARGUMENT naming the byte where it is malformed (surrogates are). */
MARU_NODISCARD maru_status maru_codepoints_from_utf8(const char *text, size_t bytes, maru_codepoints *out);

/* Writes a code point as 1 to 4 bytes and returns how many; `out` has room for 4. */
size_t maru_codepoint_to_utf8(int32_t codepoint, char *out);

/* INVALID_ARGUMENT unless the text is UTF-8. */
MARU_NODISCARD maru_status maru_utf8_check(const char *text, size_t bytes);

/* White_Space of Unicode. */
bool maru_codepoint_is_space(int32_t codepoint);
/* Letters, marks, digits and connecting punctuation: \w of regular expressions. */
bool maru_codepoint_is_word(int32_t codepoint);

#endif
