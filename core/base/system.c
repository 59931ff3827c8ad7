// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/system.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/hash.h"
#include "base/os.h"

enum { MAX_ARGV = 64, PROGRAM_TIMEOUT_MS = 60 * 60 * 1000, MAX_OUTPUT = 1 << 20 };

int64_t maru_now_ns(void)
{
    return maru_os_now_ns();
}

void maru_memory_use(uint64_t *out_resident, uint64_t *out_peak)
{
    maru_os_memory_use(out_resident, out_peak);
}

bool maru_is_terminal(int fd)
{
    return maru_os_is_terminal(fd);
}

bool maru_path_exists(const char *path)
{
    return maru_os_is_file(path) || maru_os_is_dir(path);
}

maru_status maru_cache_folder(char **out_path)
{
    return maru_os_cache_dir(out_path);
}

maru_status maru_make_folder(const char *path)
{
    return maru_os_make_dirs(path);
}

maru_status maru_program_path(char **out_path)
{
    return maru_os_program_path(out_path);
}

maru_status maru_list_folder(const char *path, maru_status (*fn)(void *ctx, const char *name), void *ctx)
{
    return maru_os_list_dir(path, fn, ctx);
}

maru_status maru_file_sha256(const char *path, char out_hex[65])
{
    maru_os_map map = {0};
    maru_sha256 sha;
    uint8_t digest[32];
    out_hex[0] = 0;
    MARU_TRY(maru_os_map_file(path, &map));
    maru_sha256_init(&sha);
    maru_sha256_update(&sha, map.data, map.bytes);
    maru_sha256_final(&sha, digest);
    maru_sha256_hex(digest, out_hex);
    maru_os_unmap_file(&map);
    return MARU_OK;
}

maru_status maru_run_program(const char *const *argv, int *out_exit_code)
{
    // env(1) looks the program up on PATH.
    const char *with_env[MAX_ARGV + 2] = {"/usr/bin/env"};
    size_t n = 1;
    *out_exit_code = -1;
    for (; argv[n - 1]; n++) {
        if (n > MAX_ARGV)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: more than %d arguments", argv[0], MAX_ARGV);
        with_env[n] = argv[n - 1];
    }
    maru_os_child_result result = {0};
    MARU_TRY(maru_os_run_child(with_env, PROGRAM_TIMEOUT_MS, MAX_OUTPUT, true, &result));
    if (result.out)
        fputs(result.out, stderr);
    free(result.out);
    if (result.timed_out)
        return maru_fail(MARU_TIMED_OUT, "%s took longer than %d minutes", argv[0], PROGRAM_TIMEOUT_MS / 60000);
    *out_exit_code = result.exited ? result.exit_code : 128 + result.signal;
    return MARU_OK;
}
