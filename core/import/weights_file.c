// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/weights_file.h"

#include "base/arena.h"
#include "base/dtype.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "import/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct shard {
    const char *path;
    maru_os_map map;
    bool is_borrowed;  // the caller's memory: not ours to unmap
    size_t n_misaligned;
} shard;

typedef struct metadata {
    const char *key;
    const char *value;
} metadata;

struct maru_weights_file {
    maru_arena arena;  // names, paths, metadata
    MARU_ARRAY(shard) shards;
    MARU_ARRAY(maru_weight) weights;
    MARU_ARRAY(metadata) metadata;
    maru_map by_name;  // index into `weights`
};

static const char index_ending[] = ".safetensors.index.json";
static const char file_ending[] = ".safetensors";

/* ---- building ---- */

static maru_status add_map(maru_weights_file *file, const char *path, const maru_os_map *map, bool is_borrowed,
                           uint32_t *out_shard)
{
    char *kept = maru_arena_strdup(&file->arena, path);
    if (!kept)
        return maru_fail_oom("path of a file of weights");
    *out_shard = (uint32_t)file->shards.count;
    return maru_array_push(&file->shards, ((shard){.path = kept, .map = *map, .is_borrowed = is_borrowed}));
}

maru_status maru_weights_file_add_shard(maru_weights_file *file, const char *path, uint32_t *out_shard)
{
    maru_os_map map;
    MARU_TRY(maru_os_map_file(path, &map));
    maru_status status = add_map(file, path, &map, false, out_shard);
    if (status != MARU_OK)
        maru_os_unmap_file(&map);
    return status;
}

static maru_status check_span(const shard *s, const char *name, maru_dtype dtype, const int64_t *dims, size_t rank,
                              uint64_t offset, uint64_t bytes)
{
    if (rank > MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "%s: tensor '%s' has rank %zu, the largest is %d", s->path, name, rank,
                         MARU_MAX_RANK);
    size_t needed = 0;
    maru_status status = maru_dtype_tensor_bytes(dtype, dims, rank, &needed);
    if (status != MARU_OK)
        return maru_fail_within(MARU_DATA_LOSS, "%s: tensor '%s'", s->path, name);
    if (needed != bytes)
        return maru_fail(MARU_DATA_LOSS, "%s: tensor '%s' needs %zu bytes for its dims in %s, its span has %" PRIu64,
                         s->path, name, needed, maru_dtype_name(dtype), bytes);
    if (offset > s->map.bytes || bytes > s->map.bytes - offset)
        return maru_fail(MARU_DATA_LOSS,
                         "%s: tensor '%s' spans bytes %" PRIu64 " to %" PRIu64 " of a file of %zu bytes", s->path, name,
                         offset, offset + bytes, s->map.bytes);
    return MARU_OK;
}

maru_status maru_weights_file_add(maru_weights_file *file, uint32_t shard_index, const char *name, maru_dtype dtype,
                                  const int64_t *dims, size_t rank, uint64_t offset, uint64_t bytes)
{
    shard *s = &file->shards.data[shard_index];
    MARU_TRY(check_span(s, name, dtype, dims, rank, offset, bytes));
    if (maru_map_get_str(&file->by_name, name, NULL))
        return maru_fail(MARU_DATA_LOSS, "%s: there is another tensor '%s'", s->path, name);
    maru_weight weight = {
        .name = maru_arena_strdup(&file->arena, name),
        .dtype = dtype,
        .rank = (uint32_t)rank,
        .bytes = (size_t)bytes,
        .data = s->map.data ? s->map.data + offset : NULL,
        .shard = shard_index,
        .offset = offset,
        .is_aligned = bytes == 0 || offset % maru_dtype_get_info(dtype)->block_bytes == 0,
    };
    if (!weight.name)
        return maru_fail_oom("name of a tensor");
    // Blocks are read as bytes and 16-bit words, at whatever place.
    if (maru_dtype_get_info(dtype)->kind == MARU_CLASS_BLOCK)
        weight.is_aligned = offset % 2 == 0;
    s->n_misaligned += !weight.is_aligned;
    if (rank)
        memcpy(weight.dims, dims, rank * sizeof *dims);
    MARU_TRY(maru_map_set_str(&file->by_name, name, file->weights.count));
    return maru_array_push(&file->weights, weight);
}

maru_status maru_weights_file_add_metadata(maru_weights_file *file, const char *key, const char *value)
{
    metadata m = {
        .key = maru_arena_strdup(&file->arena, key),
        .value = maru_arena_strdup(&file->arena, value),
    };
    if (!m.key || !m.value)
        return maru_fail_oom("metadata of a file of weights");
    return maru_array_push(&file->metadata, m);
}

/* ---- opening ---- */

typedef struct folder_search {
    char *found;  // name of the first .safetensors file
    size_t count;
} folder_search;

static maru_status note_safetensors(void *ctx, const char *name)
{
    folder_search *search = ctx;
    if (!maru_ends_with(name, file_ending))
        return MARU_OK;
    if (search->count++ == 0) {
        search->found = maru_os_join(".", name);
        if (!search->found)
            return maru_fail_oom("name of a file");
    }
    return MARU_OK;
}

/* *out_path is the only .safetensors file of the folder. */
static maru_status find_only_file(const char *folder, char **out_path)
{
    folder_search search = {0};
    maru_status status = maru_os_list_dir(folder, note_safetensors, &search);
    if (status == MARU_OK && search.count != 1)
        status = maru_fail(MARU_NOT_FOUND,
                           "folder %s has %zu .safetensors files, and neither model.safetensors nor an index", folder,
                           search.count);
    if (status == MARU_OK) {
        *out_path = maru_os_join(folder, search.found + 2);  // without "./"
        if (!*out_path)
            status = maru_fail_oom("path of a file");
    }
    free(search.found);
    return status;
}

static maru_status open_folder(maru_weights_file *file, const char *folder)
{
    char *index = maru_os_join(folder, "model.safetensors.index.json");
    char *path = maru_os_join(folder, "model.safetensors");
    maru_status status = MARU_OK;
    if (!index || !path) {
        status = maru_fail_oom("path of a file");
    } else if (maru_os_is_file(index)) {
        status = maru_safetensors_read_index(file, index);
    } else {
        if (!maru_os_is_file(path)) {
            free(path);
            path = NULL;
            status = find_only_file(folder, &path);
        }
        if (status == MARU_OK)
            status = maru_safetensors_read_file(file, path);
    }
    free(index);
    free(path);
    return status;
}

/* Whatever its name: a header's length that fits the file, and then a JSON object. */
static bool looks_like_safetensors(const char *path)
{
    maru_os_map map = {0};
    if (maru_os_map_file(path, &map) != MARU_OK) {
        maru_error_clear();
        return false;
    }
    uint64_t length = 0;
    for (int i = 7; i >= 0 && map.bytes > 8; i--)
        length = length << 8 | map.data[i];
    const bool looks = map.bytes > 8 && length > 0 && length <= map.bytes - 8 && map.data[8] == '{';
    maru_os_unmap_file(&map);
    return looks;
}

static maru_status open_path(maru_weights_file *file, const char *path)
{
    if (maru_os_is_dir(path))
        return open_folder(file, path);
    if (maru_ends_with(path, index_ending))
        return maru_safetensors_read_index(file, path);
    if (maru_ends_with(path, file_ending) || looks_like_safetensors(path))
        return maru_safetensors_read_file(file, path);
    if (!maru_os_is_file(path))
        return maru_fail(MARU_NOT_FOUND, "%s: there is no such file or folder of weights", path);
    return maru_fail(MARU_UNSUPPORTED, "%s: weights are read from %s files, from *%s and from folders of them", path,
                     file_ending, index_ending);
}

static void warn_misaligned(const maru_weights_file *file)
{
    for (size_t i = 0; i < file->shards.count; i++) {
        const shard *s = &file->shards.data[i];
        if (s->n_misaligned)
            maru_log(MARU_LOG_WARN, "%s: %zu tensors are not aligned to their elements; they are copied when used",
                     s->path, s->n_misaligned);
    }
}

maru_status maru_weights_file_create(const char *path, maru_weights_file **out_file)
{
    *out_file = NULL;
    maru_weights_file *file = calloc(1, sizeof *file);
    if (!file)
        return maru_fail_oom("file of weights");
    maru_status status = open_path(file, path);
    if (status != MARU_OK) {
        maru_weights_file_destroy(&file);
        return status;
    }
    warn_misaligned(file);
    *out_file = file;
    return MARU_OK;
}

maru_status maru_weights_file_create_memory(const void *data, size_t bytes, const char *name,
                                            maru_weights_file **out_file)
{
    *out_file = NULL;
    maru_weights_file *file = calloc(1, sizeof *file);
    if (!file)
        return maru_fail_oom("file of weights");
    uint32_t shard_index = 0;
    maru_os_map map = {.data = data, .bytes = bytes, .fd = -1};
    maru_status status = add_map(file, name, &map, true, &shard_index);
    if (status == MARU_OK)
        status = maru_safetensors_read(file, shard_index, NULL, NULL);
    if (status != MARU_OK) {
        maru_weights_file_destroy(&file);
        return status;
    }
    warn_misaligned(file);
    *out_file = file;
    return MARU_OK;
}

void maru_weights_file_destroy(maru_weights_file **file_ptr)
{
    maru_weights_file *file = *file_ptr;
    *file_ptr = NULL;
    if (!file)
        return;
    for (size_t i = 0; i < file->shards.count; i++) {
        if (!file->shards.data[i].is_borrowed)
            maru_os_unmap_file(&file->shards.data[i].map);
    }
    maru_array_fini(&file->shards);
    maru_array_fini(&file->weights);
    maru_array_fini(&file->metadata);
    maru_map_fini(&file->by_name);
    maru_arena_fini(&file->arena);
    free(file);
}

/* ---- reading ---- */

size_t maru_weights_file_count(const maru_weights_file *file)
{
    return file->weights.count;
}

const maru_weight *maru_weights_file_at(const maru_weights_file *file, size_t index)
{
    return &file->weights.data[index];
}

const maru_weight *maru_weights_file_find(const maru_weights_file *file, const char *name)
{
    uint64_t index = 0;
    return maru_map_get_str(&file->by_name, name, &index) ? &file->weights.data[index] : NULL;
}

maru_status maru_weights_file_tensor(const maru_weight *weight, maru_tensor *out_tensor)
{
    if (weight->is_aligned)
        return maru_tensor_wrap(weight->dtype, weight->dims, weight->rank, (void *)(uintptr_t)weight->data,
                                weight->bytes, out_tensor);
    MARU_TRY(maru_tensor_create(weight->dtype, weight->dims, weight->rank, out_tensor));
    memcpy(out_tensor->data, weight->data, weight->bytes);
    return MARU_OK;
}

size_t maru_weights_file_metadata_count(const maru_weights_file *file)
{
    return file->metadata.count;
}

void maru_weights_file_metadata_at(const maru_weights_file *file, size_t index, const char **out_key,
                                   const char **out_value)
{
    *out_key = file->metadata.data[index].key;
    *out_value = file->metadata.data[index].value;
}

const char *maru_weights_file_metadata(const maru_weights_file *file, const char *key)
{
    for (size_t i = 0; i < file->metadata.count; i++) {
        if (strcmp(file->metadata.data[i].key, key) == 0)
            return file->metadata.data[i].value;
    }
    return NULL;
}

uint32_t maru_weights_file_shard_count(const maru_weights_file *file)
{
    return (uint32_t)file->shards.count;
}

const maru_os_map *maru_weights_file_shard_map(const maru_weights_file *file, uint32_t shard_index)
{
    return &file->shards.data[shard_index].map;
}

const char *maru_weights_file_shard_path(const maru_weights_file *file, uint32_t shard_index)
{
    return file->shards.data[shard_index].path;
}
