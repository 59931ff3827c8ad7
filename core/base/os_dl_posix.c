// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // secure_getenv, memfd_create, O_CLOEXEC

#include "base/os_dl.h"

#include "base/fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct maru_os_lib {
    void *handle;
    int fd;        // the descriptor it was loaded through, -1 if by path
    char name[32]; // "/proc/self/fd/N"
};

static maru_os_file_id id_of(const struct stat *st)
{
    return (maru_os_file_id){
        .device = (uint64_t)st->st_dev,
        .inode = (uint64_t)st->st_ino,
        .bytes = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
    };
}

maru_status maru_os_fd_id(int fd, maru_os_file_id *out_id)
{
    struct stat st;
    if (fstat(fd, &st))
        return maru_fail(MARU_INTERNAL, "cannot look at descriptor %d: %s", fd, strerror(errno));
    *out_id = id_of(&st);
    return MARU_OK;
}

bool maru_os_file_id_equal(const maru_os_file_id *a, const maru_os_file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes && a->mtime_ns == b->mtime_ns;
}

/*
 * glibc finds a loaded library by the name it was asked for, so two files may
 * never come by under one /proc/self/fd/N. The copy sits far above the numbers
 * that a program's own files get, and is closed only when the linker has
 * forgotten the name.
 */
static int duplicate_high(int fd)
{
    struct rlimit limit;
    int lowest = 512;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= 1024)
        lowest = (int)(limit.rlim_cur / 2);
    int high = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
    return high >= 0 ? high : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static const char *linker_error(void)
{
    const char *text = dlerror();
    return text ? text : "the linker gave no reason";
}

/* Takes no descriptor: there may be none. */
static maru_status check_same(int fd, const char *path)
{
    struct stat opened;
    struct stat found;
    if (fstat(fd, &opened) || stat(path, &found))
        return maru_fail(MARU_NOT_FOUND, "%s: cannot look at it again: %s", path, strerror(errno));
    const maru_os_file_id a = id_of(&opened);
    const maru_os_file_id b = id_of(&found);
    if (!maru_os_file_id_equal(&a, &b))
        return maru_fail(MARU_ABORTED, "%s: the file was replaced while it was being loaded", path);
    return MARU_OK;
}

static maru_status open_by_path(int fd, const char *path, maru_os_lib *lib)
{
    MARU_TRY(check_same(fd, path));
    lib->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: the linker refuses it: %s", path, linker_error());
    maru_status status = check_same(fd, path);
    if (status != MARU_OK)
        dlclose(lib->handle);
    return status;
}

/* A number for the library, and one that the linker needs while it loads. */
static bool can_keep_descriptor(int fd, maru_os_lib *lib)
{
    lib->fd = duplicate_high(fd);
    const int spare = lib->fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (spare >= 0) {
        close(spare);
        return true;
    }
    if (lib->fd >= 0)
        close(lib->fd);
    lib->fd = -1;
    return false;
}

static maru_status open_by_descriptor(const char *path, maru_os_lib *lib)
{
    snprintf(lib->name, sizeof lib->name, "/proc/self/fd/%d", lib->fd);
    lib->handle = dlopen(lib->name, RTLD_NOW | RTLD_LOCAL);
    if (lib->handle)
        return MARU_OK;
    maru_status status = maru_fail(MARU_FAILED_PRECONDITION, "%s: the linker refuses it: %s", path, linker_error());
    close(lib->fd);
    return status;
}

maru_status maru_os_lib_open(int fd, const char *path, maru_os_lib **out_lib, maru_os_lib_way *way)
{
    *out_lib = NULL;
    maru_os_lib *lib = calloc(1, sizeof *lib);
    if (!lib)
        return maru_fail_oom("loading a library");
    lib->fd = -1;
    if (*way == MARU_OS_LIB_BY_FD && access("/proc/self/fd", X_OK) != 0)
        *way = MARU_OS_LIB_NO_PROC;
    if (*way == MARU_OS_LIB_BY_FD && !can_keep_descriptor(fd, lib))
        *way = MARU_OS_LIB_NO_DESCRIPTOR;
    maru_status status =
        *way == MARU_OS_LIB_BY_FD ? open_by_descriptor(path, lib) : open_by_path(fd, path, lib);
    if (status != MARU_OK) {
        free(lib);
        return status;
    }
    *out_lib = lib;
    return MARU_OK;
}

void *maru_os_lib_symbol(const maru_os_lib *lib, const char *name)
{
    return dlsym(lib->handle, name);
}

void maru_os_lib_close(maru_os_lib **lib)
{
    maru_os_lib *l = *lib;
    *lib = NULL;
    if (!l)
        return;
    dlclose(l->handle);
    if (l->fd >= 0) {
        /* Another user, or -z nodelete, may hold it: while the linker knows the name, the number stays taken. */
        void *still = dlopen(l->name, RTLD_LAZY | RTLD_NOLOAD);
        if (still)
            dlclose(still);
        else
            close(l->fd);
    }
    free(l);
}

const uint32_t *maru_os_fork_flag_create(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint32_t *flag = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (flag == MAP_FAILED)
        return NULL;
    (void)madvise(flag, page, MADV_WIPEONFORK);
    *flag = 1;
    return flag;
}

void maru_os_fork_flag_destroy(const uint32_t **flag)
{
    if (*flag)
        munmap((void *)(uintptr_t)*flag, (size_t)sysconf(_SC_PAGESIZE));
    *flag = NULL;
}

const char *maru_os_secure_env(const char *name)
{
    return secure_getenv(name);
}

maru_status maru_os_divert_stdout(maru_os_divert *out_divert)
{
    fflush(stdout);
    *out_divert = (maru_os_divert){.true_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), .hidden = -1};
    if (out_divert->true_stdout < 0)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "cannot duplicate stdout: %s", strerror(errno));
    out_divert->hidden = memfd_create("stdout", MFD_CLOEXEC);
    if (out_divert->hidden < 0 || dup2(out_divert->hidden, STDOUT_FILENO) < 0)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "cannot divert stdout: %s", strerror(errno));
    return MARU_OK;
}

size_t maru_os_divert_read(const maru_os_divert *divert, char *out_text, size_t room)
{
    fflush(stdout);
    struct stat st;
    if (fstat(divert->hidden, &st) || st.st_size < 0)
        st.st_size = 0;
    ssize_t got = pread(divert->hidden, out_text, room - 1, 0);
    out_text[got > 0 ? got : 0] = '\0';
    return (size_t)st.st_size;
}

maru_status maru_os_divert_write(const maru_os_divert *divert, const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(divert->true_stdout, text, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return maru_fail(MARU_UNAVAILABLE, "cannot write to stdout: %s", strerror(errno));
        text += n;
        bytes -= (size_t)n;
    }
    return MARU_OK;
}
