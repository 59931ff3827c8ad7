// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "text/codepoints.h"

#include "base/fail.h"

#include <utf8proc.h>

/* Length of the next character, its code point in *out; 0 where the text is malformed. */
static size_t next_codepoint(const char *text, size_t bytes, int32_t *out)
{
    utf8proc_ssize_t limit = bytes < 4 ? (utf8proc_ssize_t)bytes : 4;
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text, limit, out);
    return length > 0 ? (size_t)length : 0;
}

static maru_status malformed(const char *text, size_t at)
{
    return maru_fail(MARU_INVALID_ARGUMENT, "the text is not UTF-8 at byte %zu (0x%02x)", at,
                     (unsigned)(unsigned char)text[at]);
}

maru_status maru_codepoints_from_utf8(const char *text, size_t bytes, maru_codepoints *out)
{
    for (size_t at = 0; at < bytes;) {
        int32_t codepoint = 0;
        size_t length = next_codepoint(text + at, bytes - at, &codepoint);
        if (!length)
            return malformed(text, at);
        MARU_TRY(maru_array_push(out, codepoint));
        at += length;
    }
    return MARU_OK;
}

size_t maru_codepoint_to_utf8(int32_t codepoint, char *out)
{
    return (size_t)utf8proc_encode_char(codepoint, (utf8proc_uint8_t *)out);
}

maru_status maru_utf8_check(const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        int32_t codepoint;
        size_t length = next_codepoint(text + at, bytes - at, &codepoint);
        if (!length)
            return malformed(text, at);
        at += length;
    }
    return MARU_OK;
}

bool maru_codepoint_is_space(int32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool maru_codepoint_is_word(int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC;
}
