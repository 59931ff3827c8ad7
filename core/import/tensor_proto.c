// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/tensor_proto.h"

#include "base/dtype.h"
#include "base/fail.h"
#include "base/os.h"
#include "import/proto_scan.h"
#include "import/strings.h"
#include "import/onnx.pb-c.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef Maru__Onnx__TensorProto tensor_proto;

enum { MAX_DEPTH = 8 };

/* ---- reading ---- */

/* The numbers 1 to 22 of maru_dtype are ONNX's own. */
static maru_status take_dtype(const tensor_proto *p, const char *name, maru_dtype *out)
{
    int32_t type = p->has_data_type ? p->data_type : 0;
    if (type < MARU_F32 || type > MARU_I2 || !maru_dtype_get_info((maru_dtype)type))
        return maru_fail(MARU_UNSUPPORTED, "%s: data_type %" PRId32 " of ONNX is not supported", name, type);
    *out = (maru_dtype)type;
    return MARU_OK;
}

static maru_status check_count(const char *name, const char *field, size_t count, size_t needed)
{
    if (count == needed)
        return MARU_OK;
    return maru_fail(MARU_DATA_LOSS, "%s: its dims need %zu values, %s has %zu", name, needed, field, count);
}

static maru_status take_raw(const tensor_proto *p, const char *name, maru_tensor *t)
{
    if (p->raw_data.len != t->bytes)
        return maru_fail(MARU_DATA_LOSS, "%s: its dims need %zu bytes of %s, raw_data has %zu", name, t->bytes,
                         maru_dtype_name(t->dtype), p->raw_data.len);
    if (t->bytes)
        memcpy(t->data, p->raw_data.data, t->bytes);
    uint8_t *truth = t->data;
    for (size_t i = 0; t->dtype == MARU_BOOL && i < t->bytes; i++)
        truth[i] = truth[i] != 0;
    return MARU_OK;
}

/* Bounds of the values that int32_data may hold for a dtype; false where it is not the field of that dtype. */
static bool int32_bounds(maru_dtype dtype, int32_t *lo, int32_t *hi)
{
    *lo = 0;
    *hi = UINT8_MAX;
    switch ((int)dtype) {
    case MARU_I32:
        *lo = INT32_MIN;
        *hi = INT32_MAX;
        return true;
    case MARU_I16:
        *lo = INT16_MIN;
        *hi = INT16_MAX;
        return true;
    case MARU_I8:
        *lo = INT8_MIN;
        *hi = INT8_MAX;
        return true;
    case MARU_U16:
    case MARU_F16:
    case MARU_BF16:
        *hi = UINT16_MAX;
        return true;
    case MARU_BOOL:
        *hi = 1;
        return true;
    case MARU_U8:
    case MARU_F8E4M3FN:
    case MARU_F8E4M3FNUZ:
    case MARU_F8E5M2:
    case MARU_F8E5M2FNUZ:
    case MARU_U4:
    case MARU_I4:
    case MARU_F4E2M1:
    case MARU_F8E8M0:
    case MARU_U2:
    case MARU_I2: return true;
    }
    return false;
}

/* Each value holds the bits of one element, or of a byte of narrower ones. */
static maru_status take_int32(const tensor_proto *p, const char *name, int32_t lo, int32_t hi, maru_tensor *t)
{
    size_t width = maru_dtype_get_info(t->dtype)->block_bytes;
    MARU_TRY(check_count(name, "int32_data", p->n_int32_data, t->bytes / width));
    for (size_t i = 0; i < p->n_int32_data; i++) {
        int32_t value = p->int32_data[i];
        if (value < lo || value > hi)
            return maru_fail(MARU_DATA_LOSS, "%s: int32_data has %" PRId32 ", which is no %s", name, value,
                             maru_dtype_name(t->dtype));
        memcpy((uint8_t *)t->data + i * width, &value, width);
    }
    return MARU_OK;
}

static maru_status take_uint64(const tensor_proto *p, const char *name, maru_tensor *t)
{
    size_t width = maru_dtype_get_info(t->dtype)->block_bytes;
    MARU_TRY(check_count(name, "uint64_data", p->n_uint64_data, t->bytes / width));
    for (size_t i = 0; i < p->n_uint64_data; i++) {
        if (width == 4 && p->uint64_data[i] > UINT32_MAX)
            return maru_fail(MARU_DATA_LOSS, "%s: uint64_data has %" PRIu64 ", which is no u32", name,
                             p->uint64_data[i]);
        memcpy((uint8_t *)t->data + i * width, &p->uint64_data[i], width);
    }
    return MARU_OK;
}

static maru_status take_array(const char *name, const char *field, const void *values, size_t count, maru_tensor *t)
{
    size_t width = maru_dtype_get_info(t->dtype)->block_bytes;
    MARU_TRY(check_count(name, field, count, t->bytes / width));
    if (t->bytes)
        memcpy(t->data, values, t->bytes);
    return MARU_OK;
}

static maru_status take_numbers(const tensor_proto *p, const char *name, maru_tensor *t)
{
    int32_t lo;
    int32_t hi;
    if (p->has_raw_data && (p->raw_data.len || t->bytes == 0))
        return take_raw(p, name, t);
    if (int32_bounds(t->dtype, &lo, &hi))
        return take_int32(p, name, lo, hi, t);
    if (t->dtype == MARU_F32)
        return take_array(name, "float_data", p->float_data, p->n_float_data, t);
    if (t->dtype == MARU_F64)
        return take_array(name, "double_data", p->double_data, p->n_double_data, t);
    if (t->dtype == MARU_I64)
        return take_array(name, "int64_data", p->int64_data, p->n_int64_data, t);
    return take_uint64(p, name, t);
}

static maru_status take_strings(const tensor_proto *p, const char *name, maru_strings *out)
{
    int64_t count = 0;
    if (maru_dims_count(p->dims, p->n_dims, &count) != MARU_OK)
        return maru_fail_within(MARU_DATA_LOSS, "%s", name);
    MARU_TRY(check_count(name, "string_data", p->n_string_data, (size_t)count));
    for (size_t i = 0; i < p->n_string_data; i++)
        MARU_TRY(maru_strings_add(out, (const char *)p->string_data[i].data, p->string_data[i].len, name));
    out->rank = (uint32_t)p->n_dims;
    if (p->n_dims)
        memcpy(out->dims, p->dims, p->n_dims * sizeof *p->dims);
    return MARU_OK;
}

static maru_status convert(const tensor_proto *p, const char *name, maru_file_value *out)
{
    maru_dtype dtype = MARU_DTYPE_NONE;
    MARU_TRY(take_dtype(p, name, &dtype));
    if (p->segment)
        return maru_fail(MARU_UNSUPPORTED, "%s: a tensor in segments is not supported", name);
    bool is_here = !p->has_data_location || p->data_location == MARU__ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
    if (p->n_external_data || !is_here)
        return maru_fail(MARU_UNSUPPORTED, "%s: its data lies in another file", name);
    if (p->n_dims > MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "%s: its rank is %zu, the largest is %d", name, p->n_dims, MARU_MAX_RANK);
    if (p->name && p->name[0]) {
        size_t name_bytes = strlen(p->name) + 1;
        out->name = malloc(name_bytes);
        if (!out->name)
            return maru_fail_oom("name of a tensor");
        memcpy(out->name, p->name, name_bytes);
    }
    out->is_strings = dtype == MARU_STRING;
    if (out->is_strings)
        return take_strings(p, name, &out->strings);
    size_t bytes = 0;
    if (maru_dtype_tensor_bytes(dtype, p->dims, p->n_dims, &bytes) != MARU_OK)
        return maru_fail_within(MARU_DATA_LOSS, "%s", name);
    // Dims can lie about any size: what the message holds (eight bytes of tensor to a byte at most) bounds the memory.
    size_t held = p->raw_data.len + 8 * (p->n_int32_data + p->n_int64_data + p->n_uint64_data + p->n_float_data +
                                         p->n_double_data);
    if (bytes > held)
        return maru_fail(MARU_DATA_LOSS, "%s: its dims need %zu bytes of %s, more than the message has values for",
                         name, bytes, maru_dtype_name(dtype));
    MARU_TRY(maru_tensor_create(dtype, p->dims, (uint32_t)p->n_dims, &out->tensor));
    return take_numbers(p, name, &out->tensor);
}

maru_status maru_tensor_proto_convert(const struct Maru__Onnx__TensorProto *proto, const char *name,
                                      maru_file_value *out_value)
{
    *out_value = (maru_file_value){0};
    maru_status status = convert(proto, name, out_value);
    if (status != MARU_OK)
        maru_file_value_fini(out_value);
    return status;
}

maru_status maru_tensor_proto_parse(const void *data, size_t bytes, const char *name, maru_file_value *out_value)
{
    *out_value = (maru_file_value){0};
    MARU_TRY(maru_proto_scan(&maru__onnx__tensor_proto__descriptor, data, bytes, MAX_DEPTH, name));
    tensor_proto *proto = maru__onnx__tensor_proto__unpack(NULL, bytes, bytes ? data : (const uint8_t *)"");
    if (!proto)
        return maru_fail(MARU_DATA_LOSS, "%s is no ONNX TensorProto", name);
    maru_status status = maru_tensor_proto_convert(proto, name, out_value);
    maru__onnx__tensor_proto__free_unpacked(proto, NULL);
    return status;
}

maru_status maru_tensor_proto_read_file(const char *path, maru_file_value *out_value)
{
    *out_value = (maru_file_value){0};
    maru_os_map map;
    MARU_TRY(maru_os_map_file(path, &map));
    maru_status status = maru_tensor_proto_parse(map.data, map.bytes, path, out_value);
    maru_os_unmap_file(&map);
    return status;
}

/* ---- writing ---- */

/* Lets protobuf-c write into a maru_str. */
typedef struct str_buffer {
    ProtobufCBuffer base;
    maru_str *out;
} str_buffer;

static void append_to_str(ProtobufCBuffer *buffer, size_t length, const uint8_t *data)
{
    maru_str_append_n(((str_buffer *)buffer)->out, (const char *)data, length);
}

static maru_status pack(const tensor_proto *p, const char *name, maru_str *out)
{
    size_t bytes = maru__onnx__tensor_proto__get_packed_size(p);
    if (bytes > INT32_MAX)
        return maru_fail(MARU_UNSUPPORTED, "%s: a tensor of %zu bytes is too large for a protobuf message", name,
                         bytes);
    str_buffer buffer = {.base = {.append = append_to_str}, .out = out};
    maru__onnx__tensor_proto__pack_to_buffer(p, &buffer.base);
    return maru_str_check(out);
}

static maru_status format_strings(tensor_proto *p, const maru_strings *strings, const char *name, maru_str *out)
{
    p->data_type = MARU_STRING;
    p->n_dims = strings->rank;
    p->dims = (int64_t *)(uintptr_t)strings->dims;
    p->string_data = calloc(strings->count + 1, sizeof *p->string_data);
    if (!p->string_data)
        return maru_fail_oom("strings of a tensor");
    p->n_string_data = strings->count;
    for (size_t i = 0; i < strings->count; i++) {
        p->string_data[i].data = (uint8_t *)strings->items[i];
        p->string_data[i].len = strlen(strings->items[i]);
    }
    maru_status status = pack(p, name, out);
    free(p->string_data);
    return status;
}

maru_status maru_tensor_proto_format(const maru_file_value *value, const char *name, maru_str *out)
{
    tensor_proto p = MARU__ONNX__TENSOR_PROTO__INIT;
    p.name = value->name;
    p.has_data_type = 1;
    if (value->is_strings)
        return format_strings(&p, &value->strings, name, out);
    const maru_tensor *t = &value->tensor;
    if (t->dtype < MARU_F32 || t->dtype > MARU_I2)
        return maru_fail(MARU_UNSUPPORTED, "%s: ONNX has no %s", name, maru_dtype_name(t->dtype));
    p.data_type = (int32_t)t->dtype;
    p.n_dims = t->rank;
    p.dims = (int64_t *)(uintptr_t)t->dims;
    p.has_raw_data = 1;
    p.raw_data.data = t->data;
    p.raw_data.len = t->bytes;
    return pack(&p, name, out);
}

maru_status maru_tensor_proto_write_file(const char *path, const maru_file_value *value)
{
    maru_str file = {0};
    maru_status status = maru_tensor_proto_format(value, path, &file);
    if (status == MARU_OK)
        status = maru_os_write_file(path, maru_str_get(&file), file.length);
    maru_str_fini(&file);
    return status;
}
