// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TESTS_UNIT_H
#define MARU_TESTS_UNIT_H

/* What every cmocka program includes, and the few checks that cmocka lacks. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <maru/status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"

#define assert_ok(expr)                                                                            \
    do {                                                                                           \
        maru_status unit_status_ = (expr);                                                         \
        if (unit_status_ != MARU_OK)                                                               \
            fail_msg("%s: %s: %s", #expr, maru_status_name(unit_status_), maru_error_message());  \
    } while (0)

/* The code, and that the sentence holds `part`. */
#define assert_fails(expr, code, part)                                                             \
    do {                                                                                           \
        assert_string_equal(maru_status_name(expr), maru_status_name(code));                      \
        if (!strstr(maru_error_message(), (part)))                                                 \
            fail_msg("\"%s\" does not say \"%s\"", maru_error_message(), (part));                  \
    } while (0)

/* `name` under the folder of test data into `out`; skips the test where it is absent. */
#define require_test_data(name, out)                                                               \
    do {                                                                                           \
        const char *unit_root_ = getenv("MARU_TEST_DATA");                                         \
        snprintf((out), sizeof(out), "%s/%s", unit_root_ ? unit_root_ : "", (name));               \
        if (!unit_root_ || (!maru_os_is_file(out) && !maru_os_is_dir(out))) {                 \
            print_message("no test data: %s\n", (out));                                           \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
