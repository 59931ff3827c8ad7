// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/os.h"

#include "base/os_posix.h"
#include "base/size.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file for reading. */
static maru_status open_file(const char *path, int *out_fd, struct stat *out_info)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return maru_posix_fail("open", path, errno);
    maru_status status = MARU_OK;
    if (fstat(fd, out_info) != 0)
        status = maru_posix_fail("look at", path, errno);
    else if (S_ISDIR(out_info->st_mode))
        status = maru_posix_fail("read", path, EISDIR);
    if (status != MARU_OK) {
        close(fd);
        return status;
    }
    *out_fd = fd;
    return MARU_OK;
}

/* ---- maps ---- */

maru_status maru_os_map_file(const char *path, maru_os_map *out)
{
    *out = (maru_os_map){.fd = -1};
    int fd = -1;
    struct stat info;
    MARU_TRY(open_file(path, &fd, &info));
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return maru_fail(MARU_INVALID_ARGUMENT, "cannot map '%s': not a regular file", path);
    }
    void *data = NULL;
    if (info.st_size > 0) {
        data = (uintmax_t)info.st_size > SIZE_MAX
                   ? MAP_FAILED
                   : mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            maru_status status = maru_posix_fail("map", path, errno);
            close(fd);
            return status;
        }
    }
    *out = (maru_os_map){.data = data, .bytes = (size_t)info.st_size, .fd = fd};
    return MARU_OK;
}

void maru_os_unmap_file(maru_os_map *map)
{
    // {0} has no descriptor: 0 is the standard input, and a map of ours never gets it unless that was closed.
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->bytes);
    if (map->fd > 0)
        close(map->fd);
    *map = (maru_os_map){.fd = -1};
}

static void advise(const maru_os_map *map, size_t begin, size_t end, int advice)
{
    if (map->data && begin < end)
        madvise((void *)(uintptr_t)(map->data + begin), end - begin, advice);
}

/* The end of the range, cut at the end of the map. */
static size_t range_end(const maru_os_map *map, size_t offset, size_t bytes)
{
    if (offset >= map->bytes)
        return offset;
    return bytes < map->bytes - offset ? offset + bytes : map->bytes;
}

void maru_os_drop_pages(const void *data, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t before = (page - (uintptr_t)data % page) % page;
    if (!data || bytes <= before)
        return;
    const size_t whole = (bytes - before) / page * page;
    if (whole)
        madvise((char *)(uintptr_t)data + before, whole, MADV_DONTNEED);
}

void maru_os_map_prefetch(const maru_os_map *map, size_t offset, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    advise(map, offset - offset % page, range_end(map, offset, bytes), MADV_WILLNEED);
}

/* ---- whole files ---- */

/* Reads until the end; the size that fstat gave is only where to begin, for /proc and growing files. */
static maru_status read_all(int fd, const char *path, size_t first_capacity, size_t max_bytes, char **out_data,
                            size_t *out_bytes)
{
    size_t capacity = first_capacity;
    size_t bytes = 0;
    maru_status status = MARU_OK;
    char *data = malloc(capacity + 1);
    while (data) {
        ssize_t n = read(fd, data + bytes, capacity + 1 - bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            MARU_TRY_GOTO(maru_posix_fail("read", path, errno));
        if (n == 0)
            break;
        bytes += (size_t)n;
        if (bytes > max_bytes)
            MARU_TRY_GOTO(maru_fail(MARU_RESOURCE_EXHAUSTED, "'%s' has more than %zu bytes", path, max_bytes));
        if (bytes <= capacity)
            continue;
        capacity = capacity < max_bytes / 2 ? capacity * 2 : max_bytes;
        char *grown = realloc(data, capacity + 1);
        if (!grown)
            free(data);
        data = grown;
    }
    if (!data)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "out of memory: reading '%s'", path);
    data[bytes] = '\0';
    *out_data = data;
    *out_bytes = bytes;
    return MARU_OK;

fail:
    free(data);
    return status;
}

maru_status maru_os_read_file(const char *path, size_t max_bytes, char **out_data, size_t *out_bytes)
{
    *out_data = NULL;
    *out_bytes = 0;
    int fd = -1;
    struct stat info;
    MARU_TRY(open_file(path, &fd, &info));
    if (max_bytes > SIZE_MAX / 2)
        max_bytes = SIZE_MAX / 2;
    maru_status status = MARU_OK;
    if (S_ISREG(info.st_mode) && (uintmax_t)info.st_size > max_bytes)
        status = maru_fail(MARU_RESOURCE_EXHAUSTED, "'%s' has %" PRIu64 " bytes, more than %zu", path,
                           (uint64_t)info.st_size, max_bytes);
    size_t capacity = info.st_size > 0 ? (size_t)info.st_size : 4096;
    if (capacity > max_bytes)
        capacity = max_bytes;
    if (status == MARU_OK)
        status = read_all(fd, path, capacity, max_bytes, out_data, out_bytes);
    close(fd);
    return status;
}

/* Makes a new file beside `path`; its name is malloc'ed. */
static maru_status create_beside(const char *path, char **out_name, int *out_fd)
{
    size_t bytes = strlen(path) + 48;
    char *name = malloc(bytes);
    if (!name)
        return maru_fail_oom("name of a temporary file");
    for (int attempt = 0; attempt < 100; attempt++) {
        snprintf(name, bytes, "%s.%ld.%" PRIx64 ".tmp", path, (long)getpid(), (uint64_t)maru_os_now_ns());
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *out_name = name;
            *out_fd = fd;
            return MARU_OK;
        }
        if (errno != EEXIST)
            break;
    }
    int error = errno;
    free(name);
    return maru_posix_fail("write", path, error);
}

static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

struct maru_os_file {
    int fd;
    char *name;  // while it is written
    char *path;
};

static void file_destroy(maru_os_file *file)
{
    free(file->name);
    free(file->path);
    free(file);
}

/* A rename would put a file into the place of a device or a pipe. */
static maru_status check_target(const char *path, const struct stat *old)
{
    if (S_ISDIR(old->st_mode))
        return maru_posix_fail("write", path, EISDIR);
    if (!S_ISREG(old->st_mode))
        return maru_fail(MARU_INVALID_ARGUMENT, "cannot write '%s': it is there, and no file", path);
    return MARU_OK;
}

maru_status maru_os_file_begin(const char *path, maru_os_file **out_file)
{
    struct stat old;
    const bool exists = stat(path, &old) == 0;
    *out_file = NULL;
    if (exists)
        MARU_TRY(check_target(path, &old));
    maru_os_file *file = calloc(1, sizeof *file);
    if (!file)
        return maru_fail_oom("a file");
    file->path = malloc(strlen(path) + 1);
    maru_status status = file->path ? MARU_OK : maru_fail_oom("name of a file");
    if (status == MARU_OK)
        status = create_beside(strcpy(file->path, path), &file->name, &file->fd);
    if (status != MARU_OK) {
        file_destroy(file);
        return status;
    }
    if (exists)
        (void)!fchmod(file->fd, old.st_mode & 0777);  // keeps the mode where it may; a stranger's file becomes ours
    *out_file = file;
    return MARU_OK;
}

maru_status maru_os_file_write(maru_os_file *file, const void *data, size_t bytes)
{
    const int error = write_all(file->fd, data, bytes);
    return error ? maru_posix_fail("write", file->path, error) : MARU_OK;
}

maru_status maru_os_file_end(maru_os_file **file, bool keep)
{
    maru_os_file *f = *file;
    *file = NULL;
    int error = keep && fsync(f->fd) != 0 ? errno : 0;
    if (close(f->fd) != 0 && !error)
        error = errno;
    if (keep && !error && rename(f->name, f->path) != 0)
        error = errno;
    if (!keep || error)
        unlink(f->name);
    const maru_status status = keep && error ? maru_posix_fail("write", f->path, error) : MARU_OK;
    file_destroy(f);
    return status;
}

maru_status maru_os_write_file(const char *path, const void *data, size_t bytes)
{
    maru_os_file *file = NULL;
    MARU_TRY(maru_os_file_begin(path, &file));
    const maru_status status = maru_os_file_write(file, data, bytes);
    const maru_status end = maru_os_file_end(&file, status == MARU_OK);
    return status == MARU_OK ? end : status;
}
