// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/safetensors.h"

#include "base/fail.h"
#include "base/json.h"
#include "import/safetensors_dtype.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_BYTES = 8 };

static const uint64_t max_header_bytes = 100 * 1000 * 1000;
static const size_t max_index_bytes = 256 * 1000 * 1000;

/* One tensor of the header, before the layout is known to be sound. */
typedef struct entry {
    const char *name;  // in the JSON document
    const json_t *shape;
    maru_dtype dtype;
    uint64_t begin;    // from the start of the data
    uint64_t end;
    size_t order;      // in the header
} entry;

typedef struct reader {
    const char *name;      // of the file
    uint64_t data_start;
    uint64_t data_bytes;
    entry *entries;
    size_t n_entries;
} reader;

/* ---- the header ---- */

static maru_status parse_header(const maru_os_map *map, reader *r, json_t **out_header)
{
    if (map->bytes < PREFIX_BYTES)
        return maru_fail(MARU_DATA_LOSS, "%s has %zu bytes: too short for a safetensors file", r->name, map->bytes);
    uint64_t header_bytes = 0;
    for (int i = 0; i < PREFIX_BYTES; i++)
        header_bytes |= (uint64_t)map->data[i] << (8 * i);
    if (header_bytes > max_header_bytes)
        return maru_fail(MARU_DATA_LOSS, "%s: its header says it has %" PRIu64 " bytes, above the limit of %" PRIu64,
                         r->name, header_bytes, max_header_bytes);
    if (header_bytes > map->bytes - PREFIX_BYTES)
        return maru_fail(MARU_DATA_LOSS, "%s: its header says it has %" PRIu64 " bytes, the file has %zu", r->name,
                         header_bytes, map->bytes);
    const char *text = (const char *)map->data + PREFIX_BYTES;
    if (header_bytes == 0 || text[0] != '{')
        return maru_fail(MARU_DATA_LOSS, "%s: its header does not begin with '{'", r->name);
    MARU_TRY(maru_json_parse(text, (size_t)header_bytes, r->name, out_header));
    r->data_start = PREFIX_BYTES + header_bytes;
    r->data_bytes = map->bytes - r->data_start;
    return MARU_OK;
}

static maru_status parse_offsets(const reader *r, const json_t *info, entry *e)
{
    const json_t *offsets = json_object_get(info, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0);
    const json_t *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return maru_fail(MARU_DATA_LOSS, "%s: tensor '%s': \"data_offsets\" must be two integers", r->name, e->name);
    int64_t first = json_integer_value(begin);
    int64_t past = json_integer_value(end);
    if (first < 0 || past < first || (uint64_t)past > r->data_bytes)
        return maru_fail(MARU_DATA_LOSS,
                         "%s: tensor '%s' has data_offsets [%" PRId64 ", %" PRId64 "] in %" PRIu64 " bytes of data",
                         r->name, e->name, first, past, r->data_bytes);
    e->begin = (uint64_t)first;
    e->end = (uint64_t)past;
    return MARU_OK;
}

static maru_status parse_entry(const reader *r, const json_t *info, entry *e)
{
    if (!json_is_object(info))
        return maru_fail(MARU_DATA_LOSS, "%s: tensor '%s' must be described by an object, not %s", r->name, e->name,
                         maru_json_kind(info));
    const json_t *dtype = json_object_get(info, "dtype");
    if (!json_is_string(dtype))
        return maru_fail(MARU_DATA_LOSS, "%s: tensor '%s': \"dtype\" must be a string, not %s", r->name, e->name,
                         maru_json_kind(dtype));
    e->dtype = maru_safetensors_dtype_from_name(json_string_value(dtype));
    if (e->dtype == MARU_DTYPE_NONE)
        return maru_fail(MARU_UNSUPPORTED, "%s: tensor '%s' has the unknown dtype '%s'", r->name, e->name,
                         json_string_value(dtype));
    e->shape = json_object_get(info, "shape");
    if (!json_is_array(e->shape))
        return maru_fail(MARU_DATA_LOSS, "%s: tensor '%s': \"shape\" must be an array, not %s", r->name, e->name,
                         maru_json_kind(e->shape));
    return parse_offsets(r, info, e);
}

static maru_status parse_metadata(maru_weights_file *file, const reader *r, json_t *metadata)
{
    if (!json_is_object(metadata))
        return maru_fail(MARU_DATA_LOSS, "%s: \"__metadata__\" must be an object, not %s", r->name,
                         maru_json_kind(metadata));
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return maru_fail(MARU_DATA_LOSS, "%s: metadata \"%s\" must be a string, not %s", r->name, key,
                             maru_json_kind(value));
        MARU_TRY(maru_weights_file_add_metadata(file, key, json_string_value(value)));
    }
    return MARU_OK;
}

static maru_status parse_entries(maru_weights_file *file, reader *r, json_t *header)
{
    r->entries = calloc(json_object_size(header) + 1, sizeof *r->entries);
    if (!r->entries)
        return maru_fail_oom("table of tensors");
    const char *key;
    json_t *value;
    json_object_foreach(header, key, value) {
        if (strcmp(key, "__metadata__") == 0) {
            MARU_TRY(parse_metadata(file, r, value));
            continue;
        }
        entry *e = &r->entries[r->n_entries];
        *e = (entry){.name = key, .order = r->n_entries};
        MARU_TRY(parse_entry(r, value, e));
        r->n_entries++;
    }
    return MARU_OK;
}

/* ---- the layout ---- */

static int compare_entries(const void *pa, const void *pb)
{
    const entry *a = pa;
    const entry *b = pb;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)  // an empty tensor stands before the one that begins where it lies
        return a->end < b->end ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Sorts by offset; the spans must then follow each other from 0 to the end of the file. */
static maru_status check_layout(reader *r)
{
    qsort(r->entries, r->n_entries, sizeof *r->entries, compare_entries);
    uint64_t covered = 0;
    for (size_t i = 0; i < r->n_entries; i++) {
        const entry *e = &r->entries[i];
        if (e->begin < covered)
            return maru_fail(MARU_DATA_LOSS, "%s: tensors '%s' and '%s' overlap at byte %" PRIu64 " of the data",
                             r->name, r->entries[i - 1].name, e->name, e->begin);
        if (e->begin > covered)
            return maru_fail(MARU_DATA_LOSS,
                             "%s: bytes %" PRIu64 " to %" PRIu64 " of the data, before '%s', belong to no tensor",
                             r->name, covered, e->begin, e->name);
        covered = e->end;
    }
    if (covered != r->data_bytes)
        return maru_fail(MARU_DATA_LOSS, "%s: the last %" PRIu64 " bytes of the data belong to no tensor", r->name,
                         r->data_bytes - covered);
    return MARU_OK;
}

static maru_status add_entry(maru_weights_file *file, uint32_t shard, const reader *r, const entry *e)
{
    size_t rank = json_array_size(e->shape);
    int64_t dims[MARU_MAX_RANK] = {0};
    if (rank > MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "%s: tensor '%s' has rank %zu, the largest is %d", r->name, e->name, rank,
                         MARU_MAX_RANK);
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(e->shape, i);
        if (!json_is_integer(dim))
            return maru_fail(MARU_DATA_LOSS, "%s: tensor '%s': dim %zu must be an integer, not %s", r->name, e->name, i,
                             maru_json_kind(dim));
        dims[i] = json_integer_value(dim);
    }
    return maru_weights_file_add(file, shard, e->name, e->dtype, dims, rank, r->data_start + e->begin,
                                 e->end - e->begin);
}

maru_status maru_safetensors_read(maru_weights_file *file, uint32_t shard, maru_safetensors_filter filter, void *ctx)
{
    reader r = {.name = maru_weights_file_shard_path(file, shard)};
    json_t *header = NULL;
    maru_status status = parse_header(maru_weights_file_shard_map(file, shard), &r, &header);
    if (status == MARU_OK)
        status = parse_entries(file, &r, header);
    if (status == MARU_OK)
        status = check_layout(&r);
    for (size_t i = 0; i < r.n_entries && status == MARU_OK; i++) {
        if (!filter || filter(ctx, r.entries[i].name))
            status = add_entry(file, shard, &r, &r.entries[i]);
    }
    free(r.entries);
    json_decref(header);
    return status;
}

maru_status maru_safetensors_read_file(maru_weights_file *file, const char *path)
{
    uint32_t shard = 0;
    MARU_TRY(maru_weights_file_add_shard(file, path, &shard));
    return maru_safetensors_read(file, shard, NULL, NULL);
}

/* ---- the index ---- */

typedef struct index_filter {
    const json_t *weight_map;
    const char *file_name;
} index_filter;

static bool belongs_here(void *ctx, const char *name)
{
    const index_filter *filter = ctx;
    const char *file_name = json_string_value(json_object_get(filter->weight_map, name));
    return file_name && strcmp(file_name, filter->file_name) == 0;
}

/* A name beside the index, so that an index cannot make us map any file of the machine. */
static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && !strchr(name, '/') && !strchr(name, '\\');
}

static maru_status read_index_shard(maru_weights_file *file, const char *index_path, index_filter *filter)
{
    size_t folder_length = strlen(index_path);
    while (folder_length && index_path[folder_length - 1] != '/')
        folder_length--;
    size_t name_bytes = strlen(filter->file_name) + 1;
    char *path = malloc(folder_length + name_bytes);
    if (!path)
        return maru_fail_oom("path of a file");
    memcpy(path, index_path, folder_length);
    memcpy(path + folder_length, filter->file_name, name_bytes);
    uint32_t shard = 0;
    maru_status status = maru_weights_file_add_shard(file, path, &shard);
    if (status == MARU_OK)
        status = maru_safetensors_read(file, shard, belongs_here, filter);
    free(path);
    return status;
}

static maru_status check_index(const json_t *index, const char *path)
{
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map))
        return maru_fail(MARU_DATA_LOSS, "%s: \"weight_map\" must be an object, not %s", path, maru_json_kind(map));
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value) {
        if (!json_is_string(value))
            return maru_fail(MARU_DATA_LOSS, "%s: the file of tensor '%s' must be a string, not %s", path, name,
                             maru_json_kind(value));
        if (!is_plain_name(json_string_value(value)))
            return maru_fail(MARU_INVALID_ARGUMENT,
                             "%s: the file of tensor '%s' must lie beside the index, not at '%s'", path, name,
                             json_string_value(value));
    }
    return MARU_OK;
}

static maru_status read_index(maru_weights_file *file, const char *path, const json_t *index, json_t *seen)
{
    MARU_TRY(check_index(index, path));
    json_t *map = json_object_get(index, "weight_map");
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value) {
        index_filter filter = {.weight_map = map, .file_name = json_string_value(value)};
        if (json_object_get(seen, filter.file_name))
            continue;
        if (json_object_set_new(seen, filter.file_name, json_true()) != 0)
            return maru_fail_oom("names of files");
        MARU_TRY(read_index_shard(file, path, &filter));
    }
    json_object_foreach(map, name, value) {
        if (!maru_weights_file_find(file, name))
            return maru_fail(MARU_DATA_LOSS, "%s: tensor '%s' is not in %s", path, name, json_string_value(value));
    }
    return MARU_OK;
}

maru_status maru_safetensors_read_index(maru_weights_file *file, const char *path)
{
    json_t *index = NULL;
    MARU_TRY(maru_json_read_file(path, max_index_bytes, &index));
    json_t *seen = json_object();
    maru_status status = seen ? read_index(file, path, index, seen) : maru_fail_oom("names of files");
    json_decref(seen);
    json_decref(index);
    return status;
}
