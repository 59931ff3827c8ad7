// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * The bytes of a model. Messages are packed by protobuf-c but for the fields
 * that hold much: the graph's initialisers are appended to it, each with its
 * raw_data written from where it lies, so that no weight is held twice.
 * Parsers take the parts of a message in any order.
 */

#include "export/onnx/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <maru/version.h>

#include "base/fail.h"
#include "base/os.h"
#include "base/size.h"

typedef Maru__Onnx__TensorProto onnx_tensor_out;

enum {
    ALIGNMENT = 4096,             // pages, so that readers may map single tensors
    LEAST_EXTERNAL_BYTES = 1024,  // what is smaller stays in the model
    LEAST_DROPPED_BYTES = 1 << 20,
};
/* protobuf ends at 2 GiB; nodes and names need some of it. */
#define MOST_INLINE_BYTES ((uint64_t)1900 << 20)

/* Tags: number of the field and wire type 2, bytes with their length. */
enum { TAG_RAW_DATA = 9 << 3 | 2, TAG_INITIALIZER = 5 << 3 | 2, TAG_GRAPH = 7 << 3 | 2 };

static size_t varint(uint64_t value, uint8_t out[10])
{
    size_t n = 0;
    for (; value > 0x7F; value >>= 7)
        out[n++] = (uint8_t)(0x80 | (value & 0x7F));
    out[n++] = (uint8_t)value;
    return n;
}

/* Bytes of a field of `bytes` with its tag and length. */
static uint64_t field_bytes(uint64_t bytes)
{
    uint8_t room[10];
    return 1 + varint(bytes, room) + bytes;
}

/* ---- packing ---- */

typedef struct str_buffer {
    ProtobufCBuffer base;
    maru_str *out;
} str_buffer;

static void append_to_str(ProtobufCBuffer *buffer, size_t length, const uint8_t *data)
{
    maru_str_append_n(((str_buffer *)buffer)->out, (const char *)data, length);
}

static void pack(const ProtobufCMessage *message, maru_str *out)
{
    str_buffer buffer = {.base = {.append = append_to_str}, .out = out};
    protobuf_c_message_pack_to_buffer(message, &buffer.base);
}

static void append_head(maru_str *out, uint8_t tag, uint64_t bytes)
{
    uint8_t room[10];
    maru_str_append_n(out, (const char *)&tag, 1);
    maru_str_append_n(out, (const char *)room, varint(bytes, room));
}

/* ---- weights ---- */

/* A tensor's message without its raw_data. */
static void pack_weight(const onnx_weight *weight, const char *data_name, maru_str *out)
{
    char offset[24];
    char length[24];
    char *texts[] = {(char *)(uintptr_t)data_name, offset, length};
    static const char *const keys[] = {"location", "offset", "length"};
    Maru__Onnx__StringStringEntry entries[3];
    Maru__Onnx__StringStringEntry *list[3];
    onnx_tensor_out t = MARU__ONNX__TENSOR_PROTO__INIT;
    t.name = (char *)(uintptr_t)weight->name;
    t.has_data_type = 1;
    t.data_type = (int32_t)weight->dtype;
    t.n_dims = weight->rank;
    t.dims = (int64_t *)(uintptr_t)weight->dims;
    snprintf(offset, sizeof offset, "%" PRIu64, weight->offset);
    snprintf(length, sizeof length, "%zu", weight->bytes);
    for (size_t i = 0; i < 3; i++) {
        maru__onnx__string_string_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)keys[i];
        entries[i].value = texts[i];
        list[i] = &entries[i];
    }
    if (weight->is_external) {
        t.n_external_data = 3;
        t.external_data = list;
        t.has_data_location = 1;
        t.data_location = MARU__ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    }
    pack(&t.base, out);
}

/* Which weights go into the file beside the model, and where. */
static maru_status place_weights(onnx_writer *w, bool is_external, uint64_t *out_bytes)
{
    uint64_t total = 0;
    size_t at = 0;
    for (size_t i = 0; i < w->weights.count; i++)
        total += w->weights.data[i].bytes;
    *out_bytes = 0;
    if (!is_external && total <= MOST_INLINE_BYTES)
        return MARU_OK;
    for (size_t i = 0; i < w->weights.count; i++) {
        onnx_weight *weight = &w->weights.data[i];
        weight->is_external = weight->bytes >= LEAST_EXTERNAL_BYTES;
        if (!weight->is_external)
            continue;
        if (!maru_align_size(at, ALIGNMENT, &at))
            return maru_fail(MARU_OUT_OF_RANGE, "the weights are too large together");
        weight->offset = at;
        if (!maru_add_size(at, weight->bytes, &at))
            return maru_fail(MARU_OUT_OF_RANGE, "the weights are too large together");
    }
    *out_bytes = at;
    return MARU_OK;
}

static maru_status send(onnx_sink *sink, bool is_data, const void *bytes, size_t n)
{
    return n ? sink->write(sink->ctx, is_data, bytes, n) : MARU_OK;
}

static maru_status send_str(onnx_sink *sink, maru_str *text)
{
    MARU_TRY(maru_str_check(text));
    const maru_status status = send(sink, false, maru_str_get(text), text->length);
    maru_str_clear(text);
    return status;
}

/* Weights of a mapped file are read once: their pages need not stay. */
static maru_status send_weight(onnx_sink *sink, bool is_data, const onnx_weight *weight)
{
    MARU_TRY(send(sink, is_data, weight->data, weight->bytes));
    if (weight->is_mapped && weight->bytes >= LEAST_DROPPED_BYTES)
        maru_os_drop_pages(weight->data, weight->bytes);
    return MARU_OK;
}

static maru_status write_data(const onnx_writer *w, onnx_sink *sink)
{
    static const char zeros[ALIGNMENT] = {0};
    uint64_t at = 0;
    for (size_t i = 0; i < w->weights.count; i++) {
        const onnx_weight *weight = &w->weights.data[i];
        if (!weight->is_external)
            continue;
        MARU_TRY(send(sink, true, zeros, (size_t)(weight->offset - at)));
        MARU_TRY(send_weight(sink, true, weight));
        at = weight->offset + weight->bytes;
    }
    return MARU_OK;
}

/* The field of one initialiser up to its data. */
static void append_weight_head(const onnx_weight *weight, const char *data_name, maru_str *out)
{
    maru_str message = {0};
    pack_weight(weight, data_name, &message);
    const uint64_t raw = weight->is_external ? 0 : field_bytes(weight->bytes);
    append_head(out, TAG_INITIALIZER, message.length + raw);
    maru_str_append_n(out, maru_str_get(&message), message.length);
    if (raw)
        append_head(out, TAG_RAW_DATA, weight->bytes);
    out->failed |= message.failed;
    maru_str_fini(&message);
}

/* ---- the model ---- */

/* The IR version that came with an opset. Source: onnx/helper.py, OP_SET_ID_VERSION_MAP. */
static int64_t ir_version(int opset)
{
    static const int since[] = {19, 21, 23, 24, 25, 28};  // 9, 10, 11, 12, 13, 14
    int64_t version = 8;
    for (size_t i = 0; i < sizeof since / sizeof *since; i++)
        version += opset >= since[i];
    return version;
}

static maru_status pack_model(onnx_writer *w, maru_str *out)
{
    Maru__Onnx__ModelProto model = MARU__ONNX__MODEL_PROTO__INIT;
    Maru__Onnx__OperatorSetIdProto opset = MARU__ONNX__OPERATOR_SET_ID_PROTO__INIT;
    Maru__Onnx__OperatorSetIdProto *opsets[] = {&opset};
    Maru__Onnx__StringStringEntry *entries =
        maru_arena_alloc_array(&w->arena, w->metadata.count + 1, sizeof *entries);
    Maru__Onnx__StringStringEntry **list = maru_arena_alloc_array(&w->arena, w->metadata.count + 1, sizeof *list);
    if (!entries || !list)
        return maru_fail_oom("a model");
    for (size_t i = 0; i < w->metadata.count; i++) {
        maru__onnx__string_string_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)w->metadata.data[i].key;
        entries[i].value = (char *)(uintptr_t)w->metadata.data[i].value;
        list[i] = &entries[i];
    }
    opset.domain = (char *)(uintptr_t)"";
    opset.has_version = 1;
    opset.version = w->opset;
    model.has_ir_version = 1;
    model.ir_version = ir_version(w->opset);
    model.producer_name = (char *)(uintptr_t)"maru";
    model.producer_version = (char *)(uintptr_t)MARU_VERSION_STRING;
    model.n_opset_import = 1;
    model.opset_import = opsets;
    model.n_metadata_props = w->metadata.count;
    model.metadata_props = list;
    pack(&model.base, out);
    return maru_str_check(out);
}

static maru_status pack_graph(const onnx_writer *w, maru_str *out)
{
    Maru__Onnx__GraphProto g = MARU__ONNX__GRAPH_PROTO__INIT;
    g.name = (char *)(uintptr_t)(*w->graph->name ? w->graph->name : "graph");  // ONNX wants one
    g.n_node = w->nodes.count;
    g.node = w->nodes.data;
    g.n_input = w->inputs.count;
    g.input = w->inputs.data;
    g.n_output = w->outputs.count;
    g.output = w->outputs.data;
    pack(&g.base, out);
    return maru_str_check(out);
}

static maru_status write_weights(const onnx_writer *w, onnx_sink *sink)
{
    enum { FLUSH_BYTES = 1 << 16 };
    maru_str text = {0};
    maru_status status = MARU_OK;
    for (size_t i = 0; status == MARU_OK && i < w->weights.count; i++) {
        const onnx_weight *weight = &w->weights.data[i];
        append_weight_head(weight, sink->data_name, &text);
        if (weight->is_external)
            continue;
        const bool is_small = weight->bytes < FLUSH_BYTES;
        if (is_small)
            maru_str_append_n(&text, weight->data ? weight->data : "", weight->bytes);
        if (!is_small || text.length >= FLUSH_BYTES)
            status = send_str(sink, &text);
        if (!is_small && status == MARU_OK)
            status = send_weight(sink, false, weight);
    }
    if (status == MARU_OK)
        status = send_str(sink, &text);
    maru_str_fini(&text);
    return status;
}

static uint64_t weights_bytes(const onnx_writer *w, const char *data_name, bool *out_failed)
{
    uint64_t total = 0;
    maru_str head = {0};
    for (size_t i = 0; i < w->weights.count; i++) {
        const onnx_weight *weight = &w->weights.data[i];
        append_weight_head(weight, data_name, &head);
        total += head.length + (weight->is_external ? 0 : weight->bytes);
        *out_failed = *out_failed || head.failed;
        maru_str_clear(&head);
    }
    maru_str_fini(&head);
    return total;
}

static maru_status write_model(onnx_writer *w, onnx_sink *sink, maru_str *head, maru_str *graph, maru_onnx_saved *out)
{
    bool has_failed = false;
    MARU_TRY(pack_model(w, head));
    MARU_TRY(pack_graph(w, graph));
    const uint64_t weights = weights_bytes(w, sink->data_name, &has_failed);
    if (has_failed)
        return maru_fail_oom("a model");
    append_head(head, TAG_GRAPH, graph->length + weights);
    out->model_bytes = head->length + graph->length + weights;
    if (out->model_bytes > INT32_MAX)
        return maru_fail(MARU_OUT_OF_RANGE, "a model of %" PRIu64 " bytes is too large for ONNX: 2 GiB are the most",
                         out->model_bytes);
    MARU_TRY(write_data(w, sink));
    MARU_TRY(send_str(sink, head));
    MARU_TRY(send_str(sink, graph));
    return write_weights(w, sink);
}

maru_status onnx_write_file(onnx_writer *w, onnx_sink *sink, maru_onnx_saved *out)
{
    maru_str head = {0};
    maru_str graph = {0};
    out->n_nodes = w->nodes.count;
    out->n_weights = w->weights.count;
    maru_status status = place_weights(w, sink->is_external, &out->data_bytes);
    if (status == MARU_OK)
        status = write_model(w, sink, &head, &graph, out);
    maru_str_fini(&head);
    maru_str_fini(&graph);
    return status;
}
