// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_LOG_H
#define MARU_LOG_H

/* Where the runtime's messages go. Process-wide; the default prints warnings and errors to stderr. */

#include <maru/attr.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum maru_log_level {
    MARU_LOG_ERROR = 0,
    MARU_LOG_WARN = 1,
    MARU_LOG_INFO = 2,
    MARU_LOG_DEBUG = 3,
} maru_log_level;

/* Receives one line without its newline. Called on any thread, one call at a time; must not call back into maru. */
typedef void (*maru_log_fn)(void *ctx, maru_log_level level, const char *line);

/* Messages above `level` are dropped. Default MARU_LOG_WARN. Any thread. */
MARU_API void maru_log_set_level(maru_log_level level);
MARU_API maru_log_level maru_log_get_level(void);

/* NULL restores the default sink (stderr). `ctx` must outlive its use. Any thread. */
MARU_API void maru_log_set_sink(maru_log_fn sink, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
