// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef DEVICE_TEST_H
#define DEVICE_TEST_H

/* Shared by the tests of core/device: where the test plugins are, services to load them with, a folder to write to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fail.h"
#include "base/os.h"
#include "base/pool.h"
#include "device/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_ok(expr)                                                                     \
    do {                                                                                    \
        maru_status assert_status_ = (expr);                                                \
        if (assert_status_ != MARU_OK)                                                      \
            fail_msg("%s: %s: %s", #expr, maru_status_name(assert_status_), maru_error_message()); \
    } while (0)

/* The call fails with `code`, and its sentence holds `text`. */
#define assert_fails(expr, code, text)                                                      \
    do {                                                                                    \
        maru_status assert_status_ = (expr);                                                \
        if (assert_status_ != (code) || !strstr(maru_error_message(), (text)))              \
            fail_msg("%s: %s: %s (wanted %s: %s)", #expr, maru_status_name(assert_status_), \
                     maru_error_message(), maru_status_name(code), (text));                 \
    } while (0)

/* "BUILD/plugins/`name`"; in a static buffer. */
static inline const char *test_plugin(const char *name)
{
    static char path[4096];
    const char *root = getenv("MARU_BUILD_ROOT");
    snprintf(path, sizeof path, "%s/plugins/%s", root ? root : "build", name);
    return path;
}

/* A folder of this test run, below the build's; in `out`. */
static inline void test_folder(const char *name, char out[1024])
{
    const char *root = getenv("MARU_BUILD_ROOT");
    snprintf(out, 1024, "%s/tests/tmp/%s-%lld", root ? root : "build", name, (long long)maru_os_now_ns());
    assert_ok(maru_os_make_dirs(out));
}

typedef struct test_host {
    maru_pool *pool;
    maru_host_services services;
    maru_plugin_params params;
} test_host;

static inline void test_host_init(test_host *host, const char *options)
{
    assert_ok(maru_pool_create(2, &host->pool));
    host->services = (maru_host_services){
        .pool = host->pool,
        .allocator = &maru_malloc_allocator,
        .cache_dir = "",
    };
    host->params = (maru_plugin_params){.services = &host->services, .options = options};
}

static inline void test_host_fini(test_host *host)
{
    maru_pool_destroy(&host->pool);
}

#endif
