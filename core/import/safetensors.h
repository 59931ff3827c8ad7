// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_SAFETENSORS_H
#define MARU_IMPORT_SAFETENSORS_H

/*
 * The safetensors format: 8 bytes of header length, a JSON header of at most
 * 100 MB that names dtype, shape and offsets of each tensor, then the data,
 * which the tensors must cover from end to end with no hole and no overlap.
 */

#include "import/weights_file.h"

/* True if the tensor is to be taken from the shard being read. */
typedef bool (*maru_safetensors_filter)(void *ctx, const char *name);

/* Reads the shard's table into `file`; `filter` may be NULL (take all). What is left out is checked all the same. */
MARU_NODISCARD maru_status maru_safetensors_read(maru_weights_file *file, uint32_t shard,
                                                 maru_safetensors_filter filter, void *ctx);
/* Maps one file as the next shard and reads it. */
MARU_NODISCARD maru_status maru_safetensors_read_file(maru_weights_file *file, const char *path);
/*
 * Reads an index (`weight_map`: tensor name -> file name beside the index)
 * and every file that it names. A tensor is taken from the file that the
 * index gives for it, and must be there.
 */
MARU_NODISCARD maru_status maru_safetensors_read_index(maru_weights_file *file, const char *path);

typedef struct maru_safetensors_item {
    const char *name;  // UTF-8
    const maru_tensor *tensor;
} maru_safetensors_item;

typedef struct maru_safetensors_text {
    const char *key;
    const char *value;
} maru_safetensors_text;

/*
 * Writes the file whole or not at all. The data is laid out by falling size
 * of elements, so that every tensor is aligned; otherwise in the order given.
 * Fails on a name that is taken, empty, "__metadata__" or no UTF-8, and on a
 * dtype that the format lacks (4-bit and block formats, strings, FNUZ floats).
 */
MARU_NODISCARD maru_status maru_safetensors_write_file(const char *path, const maru_safetensors_item *items,
                                                       size_t n_items, const maru_safetensors_text *metadata,
                                                       size_t n_metadata);

#endif
