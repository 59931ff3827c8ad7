// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/safetensors.h"

#include "base/fail.h"
#include "base/json.h"
#include "base/size.h"
#include "import/safetensors_dtype.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX_BYTES = 8 };

static size_t element_bytes(const maru_tensor *tensor)
{
    return maru_dtype_get_info(tensor->dtype)->block_bytes;
}

/* The tensors by falling size of elements: as all sizes are powers of two, no padding is ever needed. */
static maru_status sort_items(const maru_safetensors_item *items, size_t n, const maru_safetensors_item ***out_sorted)
{
    const maru_safetensors_item **sorted = calloc(n + 1, sizeof *sorted);
    if (!sorted)
        return maru_fail_oom("table of tensors");
    size_t count = 0;
    for (size_t size = 8; size; size /= 2) {
        for (size_t i = 0; i < n; i++) {
            if (element_bytes(items[i].tensor) == size)
                sorted[count++] = &items[i];
        }
    }
    *out_sorted = sorted;
    return MARU_OK;
}

static maru_status check_item(const char *path, const maru_safetensors_item *item)
{
    if (!item->name[0] || strcmp(item->name, "__metadata__") == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: a tensor cannot have the name '%s'", path, item->name);
    if (!maru_safetensors_dtype_name(item->tensor->dtype))
        return maru_fail(MARU_UNSUPPORTED, "%s: tensor '%s' is %s, which the safetensors format lacks", path,
                         item->name, maru_dtype_name(item->tensor->dtype));
    return MARU_OK;
}

static json_t *describe(const maru_tensor *tensor, size_t begin)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (json_array_append_new(shape, json_integer(tensor->dims[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", maru_safetensors_dtype_name(tensor->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + tensor->bytes));
}

static maru_status add_metadata(const char *path, json_t *header, const maru_safetensors_text *metadata, size_t n)
{
    json_t *object = json_object();
    if (!object || json_object_set_new(header, "__metadata__", object) != 0)
        return maru_fail_oom("metadata");
    for (size_t i = 0; i < n; i++) {
        if (json_object_set_new(object, metadata[i].key, json_string(metadata[i].value)) != 0)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: metadata \"%s\" cannot be written (is it UTF-8?)", path,
                             metadata[i].key);
    }
    return MARU_OK;
}

static maru_status add_tensors(const char *path, json_t *header, const maru_safetensors_item *const *items,
                               size_t *out_data_bytes)
{
    size_t offset = 0;
    for (; *items; items++) {
        const maru_safetensors_item *item = *items;
        if (json_object_get(header, item->name))
            return maru_fail(MARU_ALREADY_EXISTS, "%s: there are two tensors '%s'", path, item->name);
        if (json_object_set_new(header, item->name, describe(item->tensor, offset)) != 0)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: the tensor name '%s' cannot be written (is it UTF-8?)", path,
                             item->name);
        if (!maru_add_size(offset, item->tensor->bytes, &offset))
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: the tensors are too large together", path);
    }
    *out_data_bytes = offset;
    return MARU_OK;
}

static maru_status write_parts(const char *path, const char *header, const maru_safetensors_item *const *items,
                               size_t data_bytes)
{
    size_t header_bytes = strlen(header);
    size_t padded = 0;
    size_t total = 0;
    if (!maru_align_size(header_bytes, PREFIX_BYTES, &padded) ||
        !maru_add_size(PREFIX_BYTES + padded, data_bytes, &total))
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: the tensors are too large together", path);
    char *file = malloc(total);
    if (!file)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "out of memory: %s, a file of %zu bytes", path, total);
    for (int i = 0; i < PREFIX_BYTES; i++)
        file[i] = (char)((uint64_t)padded >> (8 * i));
    memset(file + PREFIX_BYTES, ' ', padded);
    memcpy(file + PREFIX_BYTES, header, header_bytes);
    char *p = file + PREFIX_BYTES + padded;
    for (; *items; items++) {
        if ((*items)->tensor->bytes)
            memcpy(p, (*items)->tensor->data, (*items)->tensor->bytes);
        p += (*items)->tensor->bytes;
    }
    maru_status status = maru_os_write_file(path, file, total);
    free(file);
    return status;
}

maru_status maru_safetensors_write_file(const char *path, const maru_safetensors_item *items, size_t n_items,
                                        const maru_safetensors_text *metadata, size_t n_metadata)
{
    for (size_t i = 0; i < n_items; i++)
        MARU_TRY(check_item(path, &items[i]));
    const maru_safetensors_item **sorted = NULL;
    MARU_TRY(sort_items(items, n_items, &sorted));
    maru_status status = MARU_OK;
    char *text = NULL;
    size_t data_bytes = 0;
    json_t *header = json_object();
    if (!header) {
        status = maru_fail_oom("header of a safetensors file");
        goto fail;
    }
    if (n_metadata)
        MARU_TRY_GOTO(add_metadata(path, header, metadata, n_metadata));
    MARU_TRY_GOTO(add_tensors(path, header, sorted, &data_bytes));
    text = json_dumps(header, JSON_COMPACT);
    status = text ? write_parts(path, text, sorted, data_bytes) : maru_fail_oom("header of a safetensors file");
fail:
    free(text);
    json_decref(header);
    free(sorted);
    return status;
}
