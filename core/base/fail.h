// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_FAIL_H
#define MARU_BASE_FAIL_H

/*
 * How the core reports an error: maru_fail() records where and one sentence
 * for the user, and gives the code back so that it can be returned at once.
 */

#include <maru/status.h>

/* Records `file:line` and the formatted sentence in the calling thread's record and returns `code`. */
MARU_PRINTF(4, 5)
maru_status maru_fail_at(const char *file, int line, maru_status code, const char *fmt, ...);
#define maru_fail(code, ...) maru_fail_at(__FILE__, __LINE__, (code), __VA_ARGS__)

/* Puts "prefix: " before the sentence recorded last and returns `code`: for adding the file or node on the way up. */
MARU_PRINTF(2, 3)
maru_status maru_fail_within(maru_status code, const char *prefix_fmt, ...);

/* The failure that needs no format: out of memory while doing `what`. */
maru_status maru_fail_oom(const char *what);

/* Forgets the calling thread's record (used where a failure was expected and handled). */
void maru_error_clear(void);

#define MARU_TRY(expr)                          \
    do {                                        \
        maru_status try_status_ = (expr);       \
        if (try_status_ != MARU_OK)             \
            return try_status_;                 \
    } while (0)

/* As MARU_TRY, in a function with a local `maru_status status` and a label `fail`. */
#define MARU_TRY_GOTO(expr)                     \
    do {                                        \
        status = (expr);                        \
        if (status != MARU_OK)                  \
            goto fail;                          \
    } while (0)

/* Our own bug, never bad input. Checked in builds with -Db_ndebug=false (the default of the tests). */
void maru_assert_failed(const char *file, int line, const char *expr);
#ifdef NDEBUG
#define maru_assert(expr) ((void)0)
#else
#define maru_assert(expr) ((expr) ? (void)0 : maru_assert_failed(__FILE__, __LINE__, #expr))
#endif

#endif
