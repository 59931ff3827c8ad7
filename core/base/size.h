// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_SIZE_H
#define MARU_BASE_SIZE_H

/* Overflow-checked arithmetic for sizes and dims. Each returns false, and leaves *out alone, on overflow. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool maru_mul_size(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

static inline bool maru_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

/* Signed 64-bit, for dims and expressions of them. */
static inline bool maru_add_i64(int64_t a, int64_t b, int64_t *out)
{
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b)
        return false;
    *out = a + b;
    return true;
}

static inline bool maru_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    if (a == 0 || b == 0) {
        *out = 0;
        return true;
    }
    if ((a == -1 && b == INT64_MIN) || (b == -1 && a == INT64_MIN))
        return false;
    if (a != -1 && b != -1) {
        int64_t p = (int64_t)((uint64_t)a * (uint64_t)b);
        if (p / b != a)
            return false;
        *out = p;
        return true;
    }
    *out = a == -1 ? -b : -a;
    return true;
}

/* `align` is a power of two. */
static inline bool maru_align_size(size_t n, size_t align, size_t *out)
{
    if (n > SIZE_MAX - (align - 1))
        return false;
    *out = (n + align - 1) & ~(align - 1);
    return true;
}

#endif
