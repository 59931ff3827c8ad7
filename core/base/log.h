// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_LOG_H
#define MARU_BASE_LOG_H

/* Writing to the log; see maru/log.h for where it goes. */

#include <maru/log.h>
#include <stdbool.h>

/* Formats and sends one line if `level` is enabled. Any thread. Keeps no more than 1 KiB of a line. */
MARU_PRINTF(2, 3)
void maru_log(maru_log_level level, const char *fmt, ...);

bool maru_log_enabled(maru_log_level level);

#endif
