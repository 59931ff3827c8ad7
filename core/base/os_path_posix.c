// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/os.h"

#include "base/array.h"
#include "base/os_posix.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool maru_os_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool maru_os_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

maru_status maru_os_stat(const char *path, uint64_t *out_bytes, int64_t *out_mtime_ns)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return maru_posix_fail("look at", path, errno);
    *out_bytes = (uint64_t)info.st_size;
    *out_mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    return MARU_OK;
}

static int make_dir(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return 0;
    int error = errno;
    if (maru_os_is_dir(path))
        return 0;
    return error == EEXIST ? ENOTDIR : error;
}

maru_status maru_os_make_dirs(const char *path)
{
    char *partial = strdup(path);
    if (!partial)
        return maru_fail_oom("path");
    int error = 0;
    for (char *p = partial; *p && !error; p++) {
        if (*p != '/' || p == partial)
            continue;
        *p = '\0';
        error = make_dir(partial);
        *p = '/';
    }
    free(partial);
    if (!error)
        error = make_dir(path);
    return error ? maru_posix_fail("make directory", path, error) : MARU_OK;
}

typedef MARU_ARRAY(char *) name_list;

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static maru_status read_names(DIR *dir, const char *path, name_list *names)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return errno ? maru_posix_fail("list", path, errno) : MARU_OK;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *name = strdup(entry->d_name);
        if (!name)
            return maru_fail_oom("names in a directory");
        maru_status status = maru_array_push(names, name);
        if (status != MARU_OK) {
            free(name);
            return status;
        }
    }
}

maru_status maru_os_list_dir(const char *path, maru_status (*fn)(void *ctx, const char *name), void *ctx)
{
    DIR *dir = opendir(path);
    if (!dir)
        return maru_posix_fail("list", path, errno);
    name_list names = {0};
    maru_status status = read_names(dir, path, &names);
    closedir(dir);
    if (status == MARU_OK && names.count)
        qsort(names.data, names.count, sizeof *names.data, compare_names);
    // The directory is closed before the first call: `fn` may change it.
    for (size_t i = 0; i < names.count; i++) {
        if (status == MARU_OK)
            status = fn(ctx, names.data[i]);
        free(names.data[i]);
    }
    maru_array_fini(&names);
    return status;
}

maru_status maru_os_real_path(const char *path, char **out_path)
{
    *out_path = realpath(path, NULL);
    return *out_path ? MARU_OK : maru_posix_fail("find", path, errno);
}

maru_status maru_os_program_path(char **out_path)
{
    return maru_os_real_path("/proc/self/exe", out_path);
}

maru_status maru_os_object_path(const void *address, char **out_path)
{
    *out_path = NULL;
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname)
        return maru_fail(MARU_NOT_FOUND, "no shared object holds the address %p", address);
    // The program itself is known by what it was called as, which need not be a path.
    if (!strchr(info.dli_fname, '/'))
        return maru_os_program_path(out_path);
    return maru_os_real_path(info.dli_fname, out_path);
}

char *maru_os_join(const char *dir, const char *name)
{
    size_t dir_length = strlen(dir);
    const char *slash = dir_length == 0 || dir[dir_length - 1] == '/' ? "" : "/";
    size_t bytes = dir_length + 1 + strlen(name) + 1;
    char *path = malloc(bytes);
    if (path)
        snprintf(path, bytes, "%s%s%s", dir, slash, name);
    return path;
}

maru_status maru_os_cache_dir(char **out_path)
{
    *out_path = NULL;
    const char *base = getenv("XDG_CACHE_HOME");
    const char *name = "maru";
    if (!base || base[0] != '/') {
        base = getenv("HOME");
        name = ".cache/maru";
    }
    if (!base || base[0] != '/')
        return maru_fail(MARU_NOT_FOUND, "no cache directory: neither XDG_CACHE_HOME nor HOME is an absolute path");
    *out_path = maru_os_join(base, name);
    return *out_path ? MARU_OK : maru_fail_oom("path of the cache");
}
