// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_WEIGHTS_FILE_H
#define MARU_IMPORT_WEIGHTS_FILE_H

/*
 * The weights of a model where they lie: a table of tensors over one or more
 * mapped files. Nothing is copied; the data of a weight is borrowed from the
 * map and lives as long as the object.
 */

#include "base/array.h"
#include "base/os.h"

#include <maru/tensor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct maru_weight {
    const char *name;
    maru_dtype dtype;
    uint32_t rank;
    int64_t dims[MARU_MAX_RANK];
    size_t bytes;
    const uint8_t *data;  // in the map of `shard`; read only
    uint32_t shard;
    uint64_t offset;      // of `data` from the start of the shard's file
    bool is_aligned;      // `data` is aligned for one element; where it is not, use maru_weights_file_tensor
} maru_weight;

typedef struct maru_weights_file maru_weights_file;

/*
 * Opens a .safetensors file, an index of several (*.safetensors.index.json),
 * or a folder that holds model.safetensors.index.json, model.safetensors or
 * exactly one .safetensors file. Everything about the layout is checked here:
 * afterwards no weight reaches beyond its file and no two overlap. DATA_LOSS
 * for a damaged file, UNSUPPORTED for a format or dtype we do not read. BOOL
 * bytes are not looked at: treat any but 0 as true.
 */
MARU_NODISCARD maru_status maru_weights_file_create(const char *path, maru_weights_file **out_file);
/* A single safetensors file that is in memory already; `data` is borrowed and must be 8-byte aligned. */
MARU_NODISCARD maru_status maru_weights_file_create_memory(const void *data, size_t bytes, const char *name,
                                                           maru_weights_file **out_file);
/* Unmaps: every pointer obtained from the object is invalid afterwards. */
void maru_weights_file_destroy(maru_weights_file **file);

/* The rest is const and may be called by any number of threads at once. */

/* Weights in the order of the data: by shard, then by offset. */
size_t maru_weights_file_count(const maru_weights_file *file);
const maru_weight *maru_weights_file_at(const maru_weights_file *file, size_t index);
/* NULL if there is none of that name. */
const maru_weight *maru_weights_file_find(const maru_weights_file *file, const char *name);
/* A tensor that borrows the weight's data, or owns a copy where the file has it misaligned. Destroy it either way. */
MARU_NODISCARD maru_status maru_weights_file_tensor(const maru_weight *weight, maru_tensor *out_tensor);

/* Text that the file carries besides tensors, in file order; of several shards, those of all. */
size_t maru_weights_file_metadata_count(const maru_weights_file *file);
void maru_weights_file_metadata_at(const maru_weights_file *file, size_t index, const char **out_key,
                                   const char **out_value);
/* NULL if there is none with that key. */
const char *maru_weights_file_metadata(const maru_weights_file *file, const char *key);

uint32_t maru_weights_file_shard_count(const maru_weights_file *file);
/* The map of a shard (its fd is open for reading) and the path it was opened by. */
const maru_os_map *maru_weights_file_shard_map(const maru_weights_file *file, uint32_t shard);
const char *maru_weights_file_shard_path(const maru_weights_file *file, uint32_t shard);

/* ---- for the readers of formats in this folder ---- */

/* Maps `path` as the next shard. */
MARU_NODISCARD maru_status maru_weights_file_add_shard(maru_weights_file *file, const char *path, uint32_t *out_shard);
/*
 * Adds a weight at `offset` of the shard. Fails when it lies outside the
 * file, its bytes are not what dtype and dims need, its rank is above 8, or
 * the name is taken.
 */
MARU_NODISCARD maru_status maru_weights_file_add(maru_weights_file *file, uint32_t shard, const char *name,
                                                 maru_dtype dtype, const int64_t *dims, size_t rank, uint64_t offset,
                                                 uint64_t bytes);
MARU_NODISCARD maru_status maru_weights_file_add_metadata(maru_weights_file *file, const char *key, const char *value);

#endif
