// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_STRINGS_H
#define MARU_IMPORT_STRINGS_H

/* Filling a tensor of strings (maru/file.h). */

#include <maru/file.h>

/* Frees the strings; {0} afterwards. */
void maru_strings_fini(maru_strings *strings);

/* Appends a copy of `length` bytes; refuses a NUL among them. Does not touch dims. `name` is for the message. */
MARU_NODISCARD maru_status maru_strings_add(maru_strings *strings, const char *text, size_t length, const char *name);

/* Makes it a list: rank 1, its dim the count. */
void maru_strings_set_list(maru_strings *strings);

#endif
