// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* SequenceProto and OptionalProto: the .pb files of ONNX's tests. */

#include <maru/flow.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/os.h"
#include "import/onnx/onnx.h"
#include "import/proto_scan.h"
#include "import/tensor_proto.h"

enum { MAX_DEPTH = 12 };

typedef Maru__Onnx__SequenceProto sequence_proto;
typedef Maru__Onnx__OptionalProto optional_proto;

static maru_status make_sequence(const sequence_proto *p, const char *path, maru_item **out_item)
{
    const size_t n = p->n_tensor_values;
    maru_item **items = calloc(n + 1, sizeof *items);
    maru_status status = items ? MARU_OK : maru_fail_oom("a sequence");
    if (p->n_sequence_values || p->n_optional_values || p->n_map_values || p->n_sparse_tensor_values)
        status = maru_fail(MARU_UNSUPPORTED, "%s: a sequence of other things than tensors", path);
    for (size_t i = 0; status == MARU_OK && i < n; i++) {
        maru_file_value value = {0};
        status = maru_tensor_proto_convert(p->tensor_values[i], path, &value);
        if (status == MARU_OK)
            status = maru_item_take(&value, &items[i]);
    }
    if (status == MARU_OK)
        status = maru_item_sequence(items, n, out_item);
    for (size_t i = 0; items && i < n; i++)
        maru_item_release(&items[i]);
    free(items);
    return status;
}

static maru_status make_optional(const optional_proto *p, const char *path, maru_item **out_item)
{
    maru_file_value value = {0};
    if (p->tensor_value) {
        MARU_TRY(maru_tensor_proto_convert(p->tensor_value, path, &value));
        return maru_item_take(&value, out_item);
    }
    if (p->sequence_value)
        return make_sequence(p->sequence_value, path, out_item);
    return maru_item_none(out_item);
}

static const uint8_t *bytes_of(const maru_os_map *map)
{
    return map->data ? (const uint8_t *)map->data : (const uint8_t *)"";
}

static maru_status read_sequence(const maru_os_map *map, const char *path, maru_item **out_item)
{
    MARU_TRY(maru_proto_scan(&maru__onnx__sequence_proto__descriptor, map->data, map->bytes, MAX_DEPTH, path));
    sequence_proto *p = maru__onnx__sequence_proto__unpack(NULL, map->bytes, bytes_of(map));
    if (!p)
        return maru_fail(MARU_DATA_LOSS, "%s is no ONNX SequenceProto", path);
    const maru_status status = make_sequence(p, path, out_item);
    maru__onnx__sequence_proto__free_unpacked(p, NULL);
    return status;
}

static maru_status read_optional(const maru_os_map *map, const char *path, maru_item **out_item)
{
    MARU_TRY(maru_proto_scan(&maru__onnx__optional_proto__descriptor, map->data, map->bytes, MAX_DEPTH, path));
    optional_proto *p = maru__onnx__optional_proto__unpack(NULL, map->bytes, bytes_of(map));
    if (!p)
        return maru_fail(MARU_DATA_LOSS, "%s is no ONNX OptionalProto", path);
    const maru_status status = make_optional(p, path, out_item);
    maru__onnx__optional_proto__free_unpacked(p, NULL);
    return status;
}

static maru_status read_tensor(const maru_os_map *map, const char *path, maru_item **out_item)
{
    maru_file_value value = {0};
    MARU_TRY(maru_tensor_proto_parse(map->data, map->bytes, path, &value));
    return maru_item_take(&value, out_item);
}

static const Maru__Onnx__TypeProto *find_type(Maru__Onnx__ValueInfoProto *const *infos, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (infos[i]->name && strcmp(infos[i]->name, name) == 0)
            return infos[i]->type;
    return NULL;
}

maru_status maru_onnx_read_item(const maru_onnx_file *file, const char *name, const char *path, maru_item **out_item)
{
    const onnx_graph *g = maru_onnx_file_model(file)->graph;
    const Maru__Onnx__TypeProto *type = find_type(g->input, g->n_input, name);
    maru_os_map map;
    *out_item = NULL;
    if (!type)
        type = find_type(g->output, g->n_output, name);
    MARU_TRY(maru_os_map_file(path, &map));
    const int kind = type ? (int)type->value_case : 0;
    const maru_status status = kind == MARU__ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE
                                   ? read_sequence(&map, path, out_item)
                               : kind == MARU__ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE
                                   ? read_optional(&map, path, out_item)
                                   : read_tensor(&map, path, out_item);
    maru_os_unmap_file(&map);
    return status;
}
