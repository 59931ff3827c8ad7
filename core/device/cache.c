// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/cache.h"

#include "base/fail.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/os.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * An entry is two files: the bytes alone, so that they can be mapped at a page
 * boundary, and "<file>.sum" with their SHA-256, written after them. An entry
 * without its sum, or with one that differs, is not there.
 */
typedef struct {
    char *folder;
    char *data;
    char *sum;
} entry_paths;

static void paths_fini(entry_paths *paths)
{
    free(paths->folder);
    free(paths->data);
    free(paths->sum);
}

static maru_status paths_init(entry_paths *out, const char *dir, const char *space, const uint8_t key[32])
{
    char hex[65];
    maru_sha256_hex(key, hex);
    maru_str text[3] = {{0}};
    maru_str_printf(&text[0], "%s/blobs/%s", dir, space);
    maru_str_printf(&text[1], "%s/blobs/%s/%s", dir, space, hex);
    maru_str_printf(&text[2], "%s/blobs/%s/%s.sum", dir, space, hex);
    *out = (entry_paths){maru_str_take(&text[0]), maru_str_take(&text[1]), maru_str_take(&text[2])};
    if (out->folder && out->data && out->sum)
        return MARU_OK;
    paths_fini(out);
    return maru_fail_oom("a cache path");
}

static void hash_of(const void *data, size_t bytes, char out_hex[65])
{
    maru_sha256 sha;
    uint8_t digest[32];
    maru_sha256_init(&sha);
    maru_sha256_update(&sha, data, bytes);
    maru_sha256_final(&sha, digest);
    maru_sha256_hex(digest, out_hex);
}

static maru_status miss(void)
{
    maru_error_clear();
    return MARU_NOT_FOUND;
}

static bool is_intact(const entry_paths *paths, const maru_os_map *map)
{
    char *sum = NULL;
    size_t sum_bytes = 0;
    char hex[65];
    if (maru_os_read_file(paths->sum, 64, &sum, &sum_bytes) != MARU_OK)
        return false;
    hash_of(map->data, map->bytes, hex);
    bool intact = sum_bytes == 64 && memcmp(sum, hex, 64) == 0;
    free(sum);
    return intact;
}

/* Maps the entry's bytes and verifies them; a damaged entry is removed. */
static maru_status open_entry(const char *dir, const char *space, const uint8_t key[32], maru_os_map *out_map)
{
    entry_paths paths;
    if (!*dir)
        return miss();
    MARU_TRY(paths_init(&paths, dir, space, key));
    maru_status status = MARU_NOT_FOUND;
    if (maru_os_is_file(paths.data) && maru_os_is_file(paths.sum) &&
        maru_os_map_file(paths.data, out_map) == MARU_OK) {
        if (is_intact(&paths, out_map)) {
            status = MARU_OK;
        } else {
            maru_log(MARU_LOG_WARN, "cache: %s is damaged and was removed", paths.data);
            maru_os_unmap_file(out_map);
            (void)remove(paths.sum);
            (void)remove(paths.data);
        }
    }
    paths_fini(&paths);
    return status == MARU_OK ? MARU_OK : miss();
}

maru_status maru_cache_get(const char *dir, const char *space, const uint8_t key[32], void *data, size_t room,
                           size_t *out_bytes)
{
    maru_os_map map;
    *out_bytes = 0;
    MARU_TRY(open_entry(dir, space, key, &map));
    *out_bytes = map.bytes;
    size_t n = map.bytes < room ? map.bytes : room;
    if (n > 0)
        memcpy(data, map.data, n);
    maru_os_unmap_file(&map);
    return MARU_OK;
}

maru_status maru_cache_load(const char *dir, const char *space, const uint8_t key[32], void **out_data,
                            size_t *out_bytes)
{
    maru_os_map map;
    *out_data = NULL;
    *out_bytes = 0;
    MARU_TRY(open_entry(dir, space, key, &map));
    void *copy = malloc(map.bytes ? map.bytes : 1);
    if (copy && map.bytes)
        memcpy(copy, map.data, map.bytes);
    *out_bytes = map.bytes;
    maru_os_unmap_file(&map);
    *out_data = copy;
    return copy ? MARU_OK : maru_fail_oom("a cache entry");
}

maru_status maru_cache_put(const char *dir, const char *space, const uint8_t key[32], const void *data, size_t bytes)
{
    entry_paths paths;
    char hex[65];
    if (!*dir)
        return MARU_OK;
    MARU_TRY(paths_init(&paths, dir, space, key));
    hash_of(data, bytes, hex);
    maru_status status = maru_os_make_dirs(paths.folder);
    if (status == MARU_OK)
        status = maru_os_write_file(paths.data, data, bytes);
    if (status == MARU_OK)
        status = maru_os_write_file(paths.sum, hex, 64);
    paths_fini(&paths);
    return status;
}
