// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_OS_H
#define MARU_BASE_OS_H

/*
 * Every operating-system call of the core, so that another system means
 * another os_*.c and nothing else. Paths are UTF-8. Errors name the path and
 * the system's reason.
 */

#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- files ---- */

/* A read-only view of a whole file. `data` is NULL for an empty file. The map stays when the file is unlinked. */
typedef struct maru_os_map {
    const uint8_t *data;
    size_t bytes;
    int fd;  // open for reading until unmap
} maru_os_map;

MARU_NODISCARD maru_status maru_os_map_file(const char *path, maru_os_map *out);
void maru_os_unmap_file(maru_os_map *map);
/*
 * Drops the resident pages that lie wholly in [data, data + bytes), any part
 * of a map; touched again, they are read from the file.
 */
void maru_os_drop_pages(const void *data, size_t bytes);
/* Asks the system to read [offset, offset + bytes) ahead. A hint. */
void maru_os_map_prefetch(const maru_os_map *map, size_t offset, size_t bytes);

/* Whole file into malloc'ed memory, NUL appended (not counted). Refuses more than `max_bytes`. */
MARU_NODISCARD maru_status maru_os_read_file(const char *path, size_t max_bytes, char **out_data, size_t *out_bytes);
/* All or nothing: written beside `path`, flushed, then renamed over it. Refuses what is there and no file. */
MARU_NODISCARD maru_status maru_os_write_file(const char *path, const void *data, size_t bytes);
/* The same piece by piece: `end` renames the file over `path`, or with `keep` false leaves nothing of it. */
typedef struct maru_os_file maru_os_file;
MARU_NODISCARD maru_status maru_os_file_begin(const char *path, maru_os_file **out_file);
MARU_NODISCARD maru_status maru_os_file_write(maru_os_file *file, const void *data, size_t bytes);
MARU_NODISCARD maru_status maru_os_file_end(maru_os_file **file, bool keep);

bool maru_os_is_file(const char *path);
bool maru_os_is_dir(const char *path);
/* Size in bytes and last modification in nanoseconds since the epoch. */
MARU_NODISCARD maru_status maru_os_stat(const char *path, uint64_t *out_bytes, int64_t *out_mtime_ns);
/* Makes `path` and its parents. */
MARU_NODISCARD maru_status maru_os_make_dirs(const char *path);
/* Calls `fn` with each entry's name but "." and "..", sorted by byte value; stops when it does not return MARU_OK. */
MARU_NODISCARD maru_status maru_os_list_dir(const char *path, maru_status (*fn)(void *ctx, const char *name),
                                            void *ctx);
/* The file's absolute path without links; malloc'ed. */
MARU_NODISCARD maru_status maru_os_real_path(const char *path, char **out_path);
/* The absolute path of the running program, or of the shared object that holds `address`; malloc'ed. */
MARU_NODISCARD maru_status maru_os_program_path(char **out_path);
MARU_NODISCARD maru_status maru_os_object_path(const void *address, char **out_path);
/* `dir`/`name`, malloc'ed; NULL when memory ran out. */
char *maru_os_join(const char *dir, const char *name);
/* $XDG_CACHE_HOME/maru or ~/.cache/maru (not created); malloc'ed. */
MARU_NODISCARD maru_status maru_os_cache_dir(char **out_path);

/* ---- memory ---- */

/* Zeroed pages, 2 MiB pages asked for when `bytes` is large. NULL when memory ran out. */
void *maru_os_pages_alloc(size_t bytes);
void maru_os_pages_free(void *pages, size_t bytes);
/* Bytes resident now (VmRSS) and at their peak (VmHWM); 0 where unknown. */
void maru_os_memory_use(uint64_t *out_resident, uint64_t *out_peak);

/* ---- time ---- */

/* Monotonic nanoseconds. */
int64_t maru_os_now_ns(void);

/* ---- processes and terminals ---- */

typedef struct maru_os_child_result {
    int exit_code;      // valid when `exited`
    int signal;         // valid when neither `exited` nor `timed_out`
    bool exited;
    bool timed_out;     // it was killed at the deadline
    char *out;          // what it wrote to stdout, NUL-terminated, at most `max_out`; malloc'ed
    size_t out_bytes;
} maru_os_child_result;

/*
 * Runs argv[0] (a path) with posix_spawn, stdin from /dev/null, stderr to
 * ours or to nowhere, in a process group of its own, and waits at most
 * `timeout_ms` (negative: for ever); then the whole group is killed. More than
 * `max_out` bytes of output are read and dropped. That it could not be started
 * is a failure; how it ended is in *out. The caller frees out->out.
 */
MARU_NODISCARD maru_status maru_os_run_child(const char *const *argv, int timeout_ms, size_t max_out, bool keep_stderr,
                                             maru_os_child_result *out);

bool maru_os_is_terminal(int fd);
/* Columns of the terminal at `fd`, or 80. */
int maru_os_terminal_columns(int fd);

#endif
