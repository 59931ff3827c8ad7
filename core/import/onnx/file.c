// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/onnx.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/os.h"
#include "import/proto_scan.h"

enum {
    MAX_DEPTH = 64,       // of messages: subgraphs in subgraphs; more would endanger the stack of the unpacker
    MIN_LIFTED_BYTES = 64,
    LARGE_BYTES = 16 << 20,
};

typedef struct external_file {
    char *location;  // as the model names it
    maru_os_map map;
} external_file;

struct maru_onnx_file {
    char *path;
    maru_os_map map;
    bool is_memory;  // the map is the caller's
    onnx_model *model;
    MARU_ARRAY(external_file) externals;
    atomic_int n_holders;
};

/* ---- holding ---- */

void maru_onnx_file_retain(maru_onnx_file *file)
{
    atomic_fetch_add(&file->n_holders, 1);
}

static void retain(void *owner)
{
    maru_onnx_file_retain(owner);
}

static void release(void *owner)
{
    maru_onnx_file_release(owner);
}

/* The message serves the import alone; the maps are there for constants. */
void maru_onnx_file_release(maru_onnx_file *file)
{
    if (atomic_fetch_sub(&file->n_holders, 1) != 1)
        return;
    if (file->model)
        maru__onnx__model_proto__free_unpacked(file->model, NULL);
    for (size_t i = 0; i < file->externals.count; i++) {
        maru_os_unmap_file(&file->externals.data[i].map);
        free(file->externals.data[i].location);
    }
    maru_array_fini(&file->externals);
    if (!file->is_memory)
        maru_os_unmap_file(&file->map);
    free(file->path);
    free(file);
}

/* The system may have brought megabytes for each head of a tensor that was walked. */
void maru_onnx_file_rest(const maru_onnx_file *file)
{
    if (!file->is_memory && file->map.bytes >= LARGE_BYTES)
        maru_os_drop_pages(file->map.data, file->map.bytes);
    for (size_t i = 0; i < file->externals.count; i++)
        if (file->externals.data[i].map.bytes >= LARGE_BYTES)
            maru_os_drop_pages(file->externals.data[i].map.data, file->externals.data[i].map.bytes);
}

/* ---- opening ---- */

static maru_status unpack(maru_onnx_file *file)
{
    const maru_proto_lift lift = {
        .message = &maru__onnx__tensor_proto__descriptor,
        .field = 9,  // raw_data
        .offset_field = 1000,
        .bytes_field = 1001,
        .min_bytes = MIN_LIFTED_BYTES,
    };
    maru_str rest = {0};
    maru_status status = maru_proto_scan_lifting(&maru__onnx__model_proto__descriptor, file->map.data, file->map.bytes,
                                                 MAX_DEPTH, file->path, &lift, &rest);
    if (status == MARU_OK) {
        file->model = maru__onnx__model_proto__unpack(NULL, rest.length, (const uint8_t *)maru_str_get(&rest));
        if (!file->model)
            status = maru_fail(MARU_DATA_LOSS, "%s is no ONNX model", file->path);
    }
    maru_str_fini(&rest);
    return status;
}

static maru_status open_into(maru_onnx_file *file, const char *path)
{
    const size_t bytes = strlen(path) + 1;
    file->path = malloc(bytes);
    if (!file->path)
        return maru_fail_oom("the name of a model");
    memcpy(file->path, path, bytes);
    if (!file->is_memory)
        MARU_TRY(maru_os_map_file(path, &file->map));
    MARU_TRY(unpack(file));
    maru_onnx_file_rest(file);
    if (!file->model->graph)
        return maru_fail(MARU_DATA_LOSS, "%s is no ONNX model: it has no graph", path);
    return MARU_OK;
}

static maru_status open_file(const char *path, const maru_os_map *memory, maru_onnx_file **out_file)
{
    *out_file = NULL;
    maru_onnx_file *file = calloc(1, sizeof *file);
    if (!file)
        return maru_fail_oom("a model");
    atomic_init(&file->n_holders, 1);
    file->is_memory = memory != NULL;
    if (memory)
        file->map = *memory;
    const maru_status status = open_into(file, path);
    if (status == MARU_OK)
        *out_file = file;
    else
        maru_onnx_file_release(file);
    return status;
}

maru_status maru_onnx_file_open(const char *path, maru_onnx_file **out_file)
{
    return open_file(path, NULL, out_file);
}

maru_status maru_onnx_file_open_memory(const void *data, size_t bytes, const char *name, maru_onnx_file **out_file)
{
    const maru_os_map memory = {.data = data, .bytes = bytes};
    return open_file(name, &memory, out_file);
}

const onnx_model *maru_onnx_file_model(const maru_onnx_file *file)
{
    return file->model;
}

const char *maru_onnx_file_path(const maru_onnx_file *file)
{
    return file->path;
}

/* ---- bytes ---- */

/* A path below the model's folder, which no link may lead out of. */
static maru_status resolve(const maru_onnx_file *file, const char *location, char **out_path)
{
    char *model = NULL;
    char *wanted = NULL;
    MARU_TRY(maru_os_real_path(file->path, &model));
    char *slash = strrchr(model, '/');
    *slash = 0;
    char *joined = maru_os_join(*model ? model : "/", location);
    maru_status status = joined ? maru_os_real_path(joined, &wanted) : maru_fail_oom("a path");
    const size_t n = strlen(model);
    if (status != MARU_OK) {
        status = maru_fail_within(status, "%s: external data", file->path);
    } else if (*location == '/' || strncmp(wanted, model, n) != 0 || wanted[n] != '/') {
        status = maru_fail(MARU_PERMISSION_DENIED, "%s: external data '%s' lies outside the model's folder",
                           file->path, location);
    } else {
        *out_path = wanted;
        wanted = NULL;
    }
    free(wanted);
    free(joined);
    free(model);
    return status;
}

static maru_status map_external(maru_onnx_file *file, const char *location, const maru_os_map **out_map)
{
    for (size_t i = 0; i < file->externals.count; i++) {
        *out_map = &file->externals.data[i].map;
        if (strcmp(file->externals.data[i].location, location) == 0)
            return MARU_OK;
    }
    external_file external = {0};
    char *path = NULL;
    MARU_TRY(resolve(file, location, &path));
    maru_status status = maru_os_map_file(path, &external.map);
    free(path);
    if (status != MARU_OK)
        return maru_fail_within(status, "%s: external data", file->path);
    external.location = malloc(strlen(location) + 1);
    if (external.location)
        strcpy(external.location, location);
    if (!external.location || maru_array_push(&file->externals, external) != MARU_OK) {
        free(external.location);
        maru_os_unmap_file(&external.map);
        return maru_fail_oom("external data");
    }
    *out_map = &file->externals.data[file->externals.count - 1].map;
    return MARU_OK;
}

maru_status maru_onnx_file_bytes(maru_onnx_file *file, const char *location, uint64_t offset, uint64_t bytes,
                                 bool to_end, maru_constant_source *out_source)
{
    const maru_os_map *map = &file->map;
    if (location)
        MARU_TRY(map_external(file, location, &map));
    if (to_end && offset <= map->bytes)
        bytes = map->bytes - offset;
    if (offset > map->bytes || bytes > map->bytes - offset)
        return maru_fail(MARU_DATA_LOSS, "external data '%s' has %zu bytes, %llu at offset %llu are needed",
                         location ? location : file->path, map->bytes, (unsigned long long)bytes,
                         (unsigned long long)offset);
    *out_source = (maru_constant_source){
        .data = map->data + offset,
        .bytes = (size_t)bytes,
        .fd = map->fd,
        .offset = offset,
        .owner = file,
        .retain = retain,
        .release = release,
    };
    return MARU_OK;
}
