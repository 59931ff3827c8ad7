// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_ARRAY_H
#define MARU_BASE_ARRAY_H

/*
 * A growable array of any type:
 *
 *     MARU_ARRAY(int64_t) dims = {0};
 *     MARU_TRY(maru_array_push(&dims, 3));
 *     for (size_t i = 0; i < dims.count; i++) use(dims.data[i]);
 *     maru_array_fini(&dims);
 */

#include <maru/status.h>
#include <stddef.h>

#define MARU_ARRAY(T)    \
    struct {             \
        T *data;         \
        size_t count;    \
        size_t capacity; \
    }

/* Makes room for `count` items in all; never shrinks. Items beyond the old capacity are not initialised. */
#define maru_array_reserve(a, n) \
    maru_array_reserve_bytes((void **)(void *)&(a)->data, &(a)->capacity, (n), sizeof *(a)->data)

/* Evaluates to a maru_status; `value` is evaluated once, and only when there is room for it. */
#define maru_array_push(a, value)                                                       \
    (maru_array_reserve((a), (a)->count + 1) == MARU_OK                                 \
         ? ((a)->data[(a)->count++] = (value), MARU_OK)                                 \
         : MARU_RESOURCE_EXHAUSTED)

#define maru_array_fini(a)                                                              \
    (maru_array_free((a)->data), (a)->data = NULL, (a)->count = (a)->capacity = 0)

MARU_NODISCARD maru_status maru_array_reserve_bytes(void **data, size_t *capacity, size_t count, size_t item_bytes);
void maru_array_free(void *data);

#endif
