// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_BASE64_H
#define MARU_BASE_BASE64_H

/* Bytes as text: base 64 of RFC 4648 with padding, without line breaks. */

#include "base/str.h"

void maru_base64_append(maru_str *s, const void *data, size_t bytes);

/* `text` must be exactly `bytes` bytes encoded; INVALID_ARGUMENT leaves `out` half written. */
MARU_NODISCARD maru_status maru_base64_decode(const char *text, size_t length, void *out, size_t bytes);

/* Characters of `bytes` bytes; SIZE_MAX where that does not fit. */
size_t maru_base64_length(size_t bytes);

#endif
