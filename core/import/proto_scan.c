// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/proto_scan.h"

#include "base/fail.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

/* Wire types of protobuf; 3 and 4 are groups, which proto2 once had. */
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef struct scanner {
    const uint8_t *begin;  // of the file
    const char *name;
    unsigned max_depth;
    const maru_proto_lift *lift;  // NULL: nothing is written
    maru_str *out;
} scanner;

typedef struct span {
    const uint8_t *at;
    const uint8_t *end;
} span;

static maru_status damaged(const scanner *s, const uint8_t *at, const char *message, const char *what)
{
    return maru_fail(MARU_DATA_LOSS, "%s is damaged at byte %zu: %s in a message %s", s->name, (size_t)(at - s->begin),
                     what, message);
}

static bool take_varint(span *in, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (in->at == in->end)
            return false;
        uint8_t byte = *in->at++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static int wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM: return WIRE_VARINT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return WIRE_32;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
    }
    return -1;
}

/* Takes the value of a field; *out_value is what a length-delimited one holds. */
static bool take_value(span *in, unsigned wire_type, span *out_value)
{
    uint64_t length = 0;
    switch (wire_type) {
    case WIRE_VARINT: return take_varint(in, &length);
    case WIRE_64: length = 8; break;
    case WIRE_32: length = 4; break;
    case WIRE_BYTES:
        if (!take_varint(in, &length))
            return false;
        break;
    default: return false;
    }
    if (length > (uint64_t)(in->end - in->at))
        return false;
    *out_value = (span){in->at, in->at + length};
    in->at += length;
    return true;
}

static bool is_packed(const ProtobufCFieldDescriptor *field, unsigned wire_type)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED && wire_type == WIRE_BYTES;
}

/* The numbers of a packed field must end where it ends. */
static bool check_packed(ProtobufCType type, span value)
{
    uint64_t ignored;
    switch (wire_type_of(type)) {
    case WIRE_64: return (value.end - value.at) % 8 == 0;
    case WIRE_32: return (value.end - value.at) % 4 == 0;
    case WIRE_VARINT:
        while (value.at < value.end) {
            if (!take_varint(&value, &ignored))
                return false;
        }
        return true;
    }
    return false;
}

/* ---- writing what was seen ---- */

static void put_varint(maru_str *out, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    for (; value > 0x7f; value >>= 7)
        bytes[n++] = (char)(0x80 | (value & 0x7f));
    bytes[n++] = (char)value;
    maru_str_append_n(out, bytes, n);
}

/* A length that is not known yet takes five bytes. */
enum { LENGTH_BYTES = 5 };

static void put_length(maru_str *out, size_t at)
{
    if (out->failed)
        return;
    size_t value = out->length - at - LENGTH_BYTES;
    for (unsigned i = 0; i < LENGTH_BYTES; i++, value >>= 7)
        out->data[at + i] = (char)((value & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

static void put_field(const scanner *s, const ProtobufCMessageDescriptor *message, uint64_t number, span whole,
                      span value)
{
    const maru_proto_lift *lift = s->lift;
    const size_t bytes = (size_t)(value.end - value.at);
    if (message != lift->message || number != lift->field || bytes < lift->min_bytes) {
        maru_str_append_n(s->out, (const char *)whole.at, (size_t)(whole.end - whole.at));
        return;
    }
    put_varint(s->out, (uint64_t)lift->offset_field << 3);
    put_varint(s->out, (uint64_t)(value.at - s->begin));
    put_varint(s->out, (uint64_t)lift->bytes_field << 3);
    put_varint(s->out, bytes);
}

static bool is_ours(const scanner *s, const ProtobufCMessageDescriptor *message, uint64_t number)
{
    return s->lift && message == s->lift->message &&
           (number == s->lift->offset_field || number == s->lift->bytes_field);
}

/* ---- the walk ---- */

static maru_status scan(const scanner *s, const ProtobufCMessageDescriptor *message, span in, unsigned depth);

static maru_status scan_message(const scanner *s, const ProtobufCMessageDescriptor *message, uint64_t tag, span value,
                                unsigned depth)
{
    if (!s->lift)
        return scan(s, message, value, depth);
    put_varint(s->out, tag);
    const size_t at = s->out->length;
    maru_str_append_n(s->out, "\0\0\0\0\0", LENGTH_BYTES);
    MARU_TRY(scan(s, message, value, depth));
    put_length(s->out, at);
    return maru_str_check(s->out);
}

static maru_status scan(const scanner *s, const ProtobufCMessageDescriptor *message, span in, unsigned depth)
{
    uint64_t seen_messages = 0;  // by index of field, as far as 64
    if (depth > s->max_depth)
        return maru_fail(MARU_DATA_LOSS, "%s: messages are more than %u deep at byte %zu", s->name, s->max_depth,
                         (size_t)(in.at - s->begin));
    while (in.at < in.end) {
        const uint8_t *at = in.at;
        uint64_t tag = 0;
        if (!take_varint(&in, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
            return damaged(s, at, message->short_name, "no field begins");
        unsigned wire_type = tag & 7;
        span value = {0};
        if (!take_value(&in, wire_type, &value))
            return damaged(s, at, message->short_name, "a field does not end");
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(message, (unsigned)(tag >> 3));
        if (is_ours(s, message, tag >> 3))
            return damaged(s, at, message->short_name, "a number that no file may have");
        if (!field)
            continue;
        bool packed = wire_type_of(field->type) != WIRE_BYTES && is_packed(field, wire_type);
        if (packed ? !check_packed(field->type, value) : (int)wire_type != wire_type_of(field->type))
            return damaged(s, at, message->short_name, field->name);
        if (field->type != PROTOBUF_C_TYPE_MESSAGE && s->lift)
            put_field(s, message, tag >> 3, (span){at, in.at}, value);
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        size_t index = (size_t)(field - message->fields);
        uint64_t bit = field->label != PROTOBUF_C_LABEL_REPEATED && index < 64 ? UINT64_C(1) << index : 0;
        if (seen_messages & bit)
            return damaged(s, at, message->short_name, "a single message comes twice");
        seen_messages |= bit;
        MARU_TRY(scan_message(s, field->descriptor, tag, value, depth + 1));
    }
    return MARU_OK;
}

maru_status maru_proto_scan(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t bytes,
                            unsigned max_depth, const char *name)
{
    const scanner s = {.begin = data, .name = name, .max_depth = max_depth};
    if (bytes == 0)
        return MARU_OK;
    return scan(&s, descriptor, (span){s.begin, s.begin + bytes}, 1);
}

maru_status maru_proto_scan_lifting(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t bytes,
                                    unsigned max_depth, const char *name, const maru_proto_lift *lift, maru_str *out)
{
    const scanner s = {.begin = data, .name = name, .max_depth = max_depth, .lift = lift, .out = out};
    if (bytes == 0)
        return MARU_OK;
    MARU_TRY(scan(&s, descriptor, (span){s.begin, s.begin + bytes}, 1));
    return maru_str_check(out);
}
