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

static maru_status make_sequence(const ProtobufCMessage *message, const char *path, maru_item **out_item)
{
    const sequence_proto *p = (const sequence_proto *)message;
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

static maru_status make_optional(const ProtobufCMessage *message, const char *path, maru_item **out_item)
{
    const optional_proto *p = (const optional_proto *)message;
    maru_file_value value = {0};
    if (p->tensor_value) {
        MARU_TRY(maru_tensor_proto_convert(p->tensor_value, path, &value));
        return maru_item_take(&value, out_item);
    }
    if (p->sequence_value)
        return make_sequence(&p->sequence_value->base, path, out_item);
    return maru_item_none(out_item);
}

typedef maru_status (*make_item)(const ProtobufCMessage *message, const char *path, maru_item **out_item);

static maru_status read_message(const maru_os_map *map, const char *path, const ProtobufCMessageDescriptor *kind,
                                make_item make, maru_item **out_item)
{
    const uint8_t *bytes = map->data ? (const uint8_t *)map->data : (const uint8_t *)"";
    MARU_TRY(maru_proto_scan(kind, bytes, map->bytes, MAX_DEPTH, path));
    ProtobufCMessage *message = protobuf_c_message_unpack(kind, NULL, map->bytes, bytes);
    if (!message)
        return maru_fail(MARU_DATA_LOSS, "%s is no ONNX %s", path, kind->short_name);
    const maru_status status = make(message, path, out_item);
    protobuf_c_message_free_unpacked(message, NULL);
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
    maru_status status = MARU_OK;
    if (kind == MARU__ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE)
        status = read_message(&map, path, &maru__onnx__sequence_proto__descriptor, make_sequence, out_item);
    else if (kind == MARU__ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE)
        status = read_message(&map, path, &maru__onnx__optional_proto__descriptor, make_optional, out_item);
    else
        status = read_tensor(&map, path, out_item);
    maru_os_unmap_file(&map);
    return status;
}
