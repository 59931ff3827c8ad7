// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_OS_POSIX_H
#define MARU_BASE_OS_POSIX_H

/* What the os_*_posix.c files share. No other file includes this. */

#include "base/fail.h"

/* Fails with "cannot `what` 'path': reason" and the code nearest to the errno value `error`. */
maru_status maru_posix_fail(const char *what, const char *path, int error);

#endif
