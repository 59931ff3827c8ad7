// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_OS_DL_H
#define MARU_BASE_OS_DL_H

/*
 * Loading shared objects, and the few system calls around it: the identity of
 * an open file, a flag that a fork clears, a diverted stdout.
 */

#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which file an open descriptor is, and which state of it. */
typedef struct maru_os_file_id {
    uint64_t device;
    uint64_t inode;
    uint64_t bytes;
    int64_t mtime_ns;
    int64_t ctime_ns;  // of its last change of any sort; not compared: a hard link changes it too
} maru_os_file_id;

MARU_NODISCARD maru_status maru_os_fd_id(int fd, maru_os_file_id *out_id);
bool maru_os_file_id_equal(const maru_os_file_id *a, const maru_os_file_id *b);

typedef struct maru_os_lib maru_os_lib;

/* How a library was loaded, or is to be. */
typedef enum maru_os_lib_way {
    MARU_OS_LIB_BY_FD,          // through its open descriptor: the very file that was checked
    MARU_OS_LIB_NO_PROC,        // by its path, since /proc is absent
    MARU_OS_LIB_NO_DESCRIPTOR,  // by its path, since no descriptor can be kept for it
} maru_os_lib_way;

/*
 * Loads the file that is open at `fd` (RTLD_NOW | RTLD_LOCAL) under a
 * descriptor of its own that no other file gets while the library is known to
 * the linker. Where /proc is absent, the process has no descriptor to spare, or
 * *way says so beforehand, it is loaded by `path`, refused if that was another
 * file before or is one after, and *way is why: the check was not atomic. The
 * linker's reason is in the error.
 */
MARU_NODISCARD maru_status maru_os_lib_open(int fd, const char *path, maru_os_lib **out_lib, maru_os_lib_way *way);
/* NULL if the library has no such symbol. */
void *maru_os_lib_symbol(const maru_os_lib *lib, const char *name);
void maru_os_lib_close(maru_os_lib **lib);

/*
 * A word that reads 1 in the process that made it and 0 in its forked
 * children, so that a call on a device there can be refused. Where the system
 * cannot do that it reads 1 everywhere. NULL when memory ran out.
 */
const uint32_t *maru_os_fork_flag_create(void);
void maru_os_fork_flag_destroy(const uint32_t **flag);

/* As getenv; NULL in a program with raised privileges (set-user-ID), where the environment is not the owner's word. */
const char *maru_os_secure_env(const char *name);

/*
 * Turns the process's stdout into a hidden file, so that what libraries write
 * there can be seen (maru_os_divert_read, NUL-terminated, at most room - 1
 * bytes; returns the whole number written). maru_os_divert_write goes to the
 * true stdout.
 */
typedef struct maru_os_divert {
    int true_stdout;
    int hidden;
} maru_os_divert;

MARU_NODISCARD maru_status maru_os_divert_stdout(maru_os_divert *out_divert);
size_t maru_os_divert_read(const maru_os_divert *divert, char *out_text, size_t room);
MARU_NODISCARD maru_status maru_os_divert_write(const maru_os_divert *divert, const char *text, size_t bytes);

#endif
