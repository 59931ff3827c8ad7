// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SYSTEM_H
#define MARU_SYSTEM_H

/* What programs around a model need of the system, the same on every system. Any thread. */

#include <maru/attr.h>
#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Monotonic nanoseconds: the clock of trace events. */
MARU_API int64_t maru_now_ns(void);
/* Bytes of this process resident now and at their peak; 0 where unknown. */
MARU_API void maru_memory_use(uint64_t *out_resident, uint64_t *out_peak);
/* Whether the descriptor (1 stdout, 2 stderr) is a terminal. */
MARU_API bool maru_is_terminal(int fd);
MARU_API bool maru_path_exists(const char *path);
/* Folder where Maru keeps what it fetched and made: $XDG_CACHE_HOME/maru or ~/.cache/maru; malloc'ed. */
MARU_API MARU_NODISCARD maru_status maru_cache_folder(char **out_path);
/*
 * Calls `fn` with the name of each entry of a folder but "." and "..", sorted
 * by byte value; stops, and returns what it returned, when that is not
 * MARU_OK.
 */
MARU_API MARU_NODISCARD maru_status maru_list_folder(const char *path, maru_status (*fn)(void *ctx, const char *name),
                                                     void *ctx);
/* Makes the folder and its parents. */
MARU_API MARU_NODISCARD maru_status maru_make_folder(const char *path);
/* Absolute path of the running program; malloc'ed. */
MARU_API MARU_NODISCARD maru_status maru_program_path(char **out_path);
/* SHA-256 of a file as 64 hex digits and NUL. */
MARU_API MARU_NODISCARD maru_status maru_file_sha256(const char *path, char out_hex[65]);
/*
 * Runs argv[0] (found on PATH when it has no '/'), stdin from nowhere, its
 * output to ours, and waits. The exit code, or 128 + the signal.
 */
MARU_API MARU_NODISCARD maru_status maru_run_program(const char *const *argv, int *out_exit_code);

#ifdef __cplusplus
}
#endif

#endif
