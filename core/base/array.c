// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/array.h"

#include "base/fail.h"
#include "base/size.h"

#include <stdlib.h>

maru_status maru_array_reserve_bytes(void **data, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count <= *capacity)
        return MARU_OK;
    size_t wanted = *capacity < SIZE_MAX / 2 && count < *capacity * 2 ? *capacity * 2 : count;
    if (wanted < 8)
        wanted = 8;
    size_t bytes = 0;
    if (!maru_mul_size(wanted, item_bytes, &bytes))
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "array: %zu items of %zu bytes overflow a size", wanted, item_bytes);
    void *grown = realloc(*data, bytes);
    if (!grown)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "out of memory: array of %zu bytes", bytes);
    *data = grown;
    *capacity = wanted;
    return MARU_OK;
}

void maru_array_free(void *data)
{
    free(data);
}
