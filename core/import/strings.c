// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/strings.h"

#include "base/array.h"
#include "base/fail.h"

#include <stdlib.h>
#include <string.h>

void maru_strings_fini(maru_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    maru_array_free(strings->items);
    *strings = (maru_strings){0};
}

maru_status maru_strings_add(maru_strings *strings, const char *text, size_t length, const char *name)
{
    if (length && memchr(text, '\0', length))
        return maru_fail(MARU_UNSUPPORTED, "%s: string %zu has a NUL byte in it", name, strings->count);
    MARU_TRY(maru_array_reserve_bytes((void **)(void *)&strings->items, &strings->capacity, strings->count + 1,
                                      sizeof *strings->items));
    char *copy = malloc(length + 1);
    if (!copy)
        return maru_fail_oom("string");
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    strings->items[strings->count++] = copy;
    return MARU_OK;
}

void maru_strings_set_list(maru_strings *strings)
{
    strings->rank = 1;
    strings->dims[0] = (int64_t)strings->count;
}
