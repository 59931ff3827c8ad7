// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <string.h>

#include "base/fail.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t maru_base64_length(size_t bytes)
{
    const size_t groups = bytes / 3 + (bytes % 3 != 0);
    return groups > SIZE_MAX / 4 ? SIZE_MAX : groups * 4;
}

void maru_base64_append(maru_str *s, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    for (size_t at = 0; at < bytes; at += 3) {
        const size_t n = bytes - at < 3 ? bytes - at : 3;
        uint32_t group = 0;
        for (size_t i = 0; i < 3; i++)
            group = group << 8 | (i < n ? from[at + i] : 0);
        char text[4];
        for (size_t i = 0; i < 4; i++)
            text[i] = i <= n ? digits[group >> (18 - 6 * i) & 63] : '=';
        maru_str_append_n(s, text, sizeof text);
    }
}

/* The value of a digit, or -1. */
static int value_of(char c)
{
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

maru_status maru_base64_decode(const char *text, size_t length, void *out, size_t bytes)
{
    uint8_t *to = out;
    if (length != maru_base64_length(bytes))
        return maru_fail(MARU_INVALID_ARGUMENT, "%zu characters of base 64 are not %zu bytes", length, bytes);
    for (size_t at = 0, done = 0; at < length; at += 4, done += 3) {
        const size_t n = bytes - done < 3 ? bytes - done : 3;
        uint32_t group = 0;
        for (size_t i = 0; i < 4; i++) {
            const int value = i <= n ? value_of(text[at + i]) : text[at + i] == '=' ? 0 : -1;
            if (value < 0)
                return maru_fail(MARU_INVALID_ARGUMENT, "'%c' is no digit of base 64 there", text[at + i]);
            group = group << 6 | (uint32_t)value;
        }
        for (size_t i = 0; i < n; i++)
            to[done + i] = (uint8_t)(group >> (16 - 8 * i));
    }
    return MARU_OK;
}
