// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "import/tensor_proto.h"

enum { LEAST_LEFT_BYTES = 1 << 16 };

static const char *name_of(const onnx_tensor *tensor)
{
    return tensor->name ? tensor->name : "";
}

static maru_status check_type(const onnx_tensor *t)
{
    if (t->n_dims > MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "tensor '%s': its rank is %zu, the largest is %d", name_of(t), t->n_dims,
                         MARU_MAX_RANK);
    const int32_t type = t->has_data_type ? t->data_type : 0;
    if (type < MARU_F32 || type > MARU_I2 || type == MARU_STRING || !maru_dtype_get_info((maru_dtype)type))
        return maru_fail(MARU_UNSUPPORTED, "tensor '%s': data_type %" PRId32 " of ONNX is not supported", name_of(t),
                         type);
    return MARU_OK;
}

/* ---- where the bytes are ---- */

static maru_status read_external(maru_onnx_file *file, const onnx_tensor *t, maru_constant_source *out)
{
    const char *location = NULL;
    int64_t offset = 0;
    int64_t length = -1;
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *key = t->external_data[i]->key ? t->external_data[i]->key : "";
        const char *value = t->external_data[i]->value ? t->external_data[i]->value : "";
        const bool is_offset = strcmp(key, "offset") == 0;
        if (strcmp(key, "location") == 0)
            location = value;
        else if ((is_offset || strcmp(key, "length") == 0) &&
                 (!maru_parse_i64(value, is_offset ? &offset : &length) || (is_offset ? offset : length) < 0))
            return maru_fail(MARU_DATA_LOSS, "tensor '%s': %s '%s' of its external data is no size", name_of(t), key,
                             value);
    }
    if (!location || !*location)
        return maru_fail(MARU_DATA_LOSS, "tensor '%s': its external data has no location", name_of(t));
    const maru_status status =
        maru_onnx_file_bytes(file, location, (uint64_t)offset, length < 0 ? 0 : (uint64_t)length, length < 0, out);
    return status == MARU_OK ? MARU_OK : maru_fail_within(status, "tensor '%s'", name_of(t));
}

static maru_status find_source(maru_onnx_file *file, const onnx_tensor *t, bool *out_is_found,
                               maru_constant_source *out)
{
    *out_is_found = true;
    if (t->has_data_location && t->data_location == MARU__ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return read_external(file, t, out);
    if (t->has_raw_bytes && t->has_raw_offset)
        return maru_onnx_file_bytes(file, NULL, t->raw_offset, t->raw_bytes, false, out);
    *out_is_found = false;
    return MARU_OK;
}

static maru_status check_bytes(const onnx_tensor *t, size_t there)
{
    size_t bytes = 0;
    if (maru_dtype_tensor_bytes((maru_dtype)t->data_type, t->dims, t->n_dims, &bytes) != MARU_OK)
        return maru_fail_within(MARU_DATA_LOSS, "tensor '%s'", name_of(t));
    if (bytes != there)
        return maru_fail(MARU_DATA_LOSS, "tensor '%s': its dims need %zu bytes of %s, there are %zu", name_of(t), bytes,
                         maru_dtype_name((maru_dtype)t->data_type), there);
    return MARU_OK;
}

/* As written in the message itself, value by value. */
static maru_status read_listed(const onnx_tensor *t, maru_file_value *out_value)
{
    char label[256];
    snprintf(label, sizeof label, "tensor '%s'", name_of(t));
    return maru_tensor_proto_convert(t, label, out_value);
}

static maru_status add_listed(const onnx_tensor *t, maru_graph *graph, maru_value *out_value)
{
    maru_file_value value = {0};
    MARU_TRY(read_listed(t, &value));
    const maru_constant_source source = {.data = value.tensor.data, .bytes = value.tensor.bytes};
    const maru_status status = maru_graph_constant(graph, name_of(t), value.tensor.dtype, value.tensor.dims,
                                                   value.tensor.rank, &source, out_value);
    maru_file_value_fini(&value);
    return status;
}

static bool is_aligned(const void *data, maru_dtype dtype)
{
    const size_t unit = maru_dtype_get_info(dtype)->block_bytes;
    return (uintptr_t)data % (unit > 8 ? 8 : unit) == 0;
}

maru_status maru_onnx_constant(maru_onnx_file *file, const onnx_tensor *t, maru_graph *graph, maru_value *out_value)
{
    maru_constant_source source = {0};
    bool is_found = false;
    MARU_TRY(check_type(t));
    MARU_TRY(find_source(file, t, &is_found, &source));
    if (!is_found)
        return add_listed(t, graph, out_value);
    MARU_TRY(check_bytes(t, source.bytes));
    const maru_dtype dtype = (maru_dtype)t->data_type;
    // What is small may be read by anybody, and the graph's own copy is aligned; large ones are looked at when used.
    if (source.bytes < LEAST_LEFT_BYTES && !is_aligned(source.data, dtype))
        source = (maru_constant_source){.data = source.data, .bytes = source.bytes};
    return maru_graph_constant(graph, name_of(t), dtype, t->dims, (uint32_t)t->n_dims, &source, out_value);
}

/* ---- copies ---- */

maru_status maru_onnx_read_tensor(maru_onnx_file *file, const onnx_tensor *t, maru_file_value *out_value)
{
    maru_constant_source source = {0};
    bool is_found = false;
    *out_value = (maru_file_value){0};
    if (t->has_data_type && t->data_type == MARU_STRING)
        return read_listed(t, out_value);
    MARU_TRY(check_type(t));
    MARU_TRY(find_source(file, t, &is_found, &source));
    if (!is_found)
        return read_listed(t, out_value);
    MARU_TRY(check_bytes(t, source.bytes));
    MARU_TRY(maru_tensor_create((maru_dtype)t->data_type, t->dims, (uint32_t)t->n_dims, &out_value->tensor));
    if (source.bytes)
        memcpy(out_value->tensor.data, source.data, source.bytes);
    return MARU_OK;
}

/* ---- sparse ---- */

/* Where in the dense tensor value `i` goes; indices are flat (n) or by axis (n, rank). */
static maru_status flat_index(const Maru__Onnx__SparseTensorProto *sparse, const int64_t *indices, bool is_flat,
                              size_t i, int64_t count, int64_t *out)
{
    int64_t at = is_flat ? indices[i] : 0;
    for (size_t d = 0; !is_flat && d < sparse->n_dims; d++) {
        const int64_t index = indices[i * sparse->n_dims + d];
        if (index < 0 || index >= sparse->dims[d])
            at = -1;
        else if (at >= 0)
            at = at * sparse->dims[d] + index;
    }
    *out = at;
    if (at < 0 || at >= count)
        return maru_fail(MARU_DATA_LOSS, "a sparse tensor has an index outside its dims");
    return MARU_OK;
}

static maru_status scatter(const Maru__Onnx__SparseTensorProto *sparse, const maru_tensor *values,
                           const maru_tensor *indices, maru_tensor *dense)
{
    int64_t count = 0;
    const size_t n = values->rank ? (size_t)values->dims[0] : 0;
    const bool is_flat = indices->rank == 1;
    const size_t width = maru_dtype_get_info(values->dtype)->block_bytes;
    MARU_TRY(maru_dims_count(sparse->dims, sparse->n_dims, &count));
    if (indices->dtype != MARU_I64 || indices->bytes != n * (is_flat ? 1 : sparse->n_dims) * sizeof(int64_t) ||
        values->bytes != n * width)
        return maru_fail(MARU_DATA_LOSS, "a sparse tensor's values and indices do not belong together");
    for (size_t i = 0; i < n; i++) {
        int64_t at = 0;
        MARU_TRY(flat_index(sparse, indices->data, is_flat, i, count, &at));
        memcpy((char *)dense->data + (size_t)at * width, (const char *)values->data + i * width, width);
    }
    return MARU_OK;
}

static maru_status fill(const Maru__Onnx__SparseTensorProto *sparse, const maru_tensor *values,
                        const maru_tensor *indices, maru_tensor *out_dense)
{
    maru_status status = maru_tensor_create(values->dtype, sparse->dims, (uint32_t)sparse->n_dims, out_dense);
    if (status == MARU_OK)
        status = scatter(sparse, values, indices, out_dense);
    return status == MARU_OK ? MARU_OK : maru_fail_within(status, "tensor '%s'", name_of(sparse->values));
}

maru_status maru_onnx_read_sparse(maru_onnx_file *file, const Maru__Onnx__SparseTensorProto *sparse,
                                  maru_tensor *out_dense)
{
    maru_file_value values = {0};
    maru_file_value indices = {0};
    *out_dense = (maru_tensor){0};
    if (!sparse->values || !sparse->indices || sparse->n_dims > MARU_MAX_RANK)
        return maru_fail(MARU_DATA_LOSS, "a sparse tensor lacks its values or indices, or its rank is over %d",
                         MARU_MAX_RANK);
    const char *name = name_of(sparse->values);
    maru_status status = maru_onnx_read_tensor(file, sparse->values, &values);
    if (status == MARU_OK)
        status = maru_onnx_read_tensor(file, sparse->indices, &indices);
    if (status == MARU_OK && values.is_strings)
        status = maru_fail(MARU_UNSUPPORTED, "sparse tensor '%s' of strings", name);
    if (status == MARU_OK)
        status = fill(sparse, &values.tensor, &indices.tensor, out_dense);
    maru_file_value_fini(&values);
    maru_file_value_fini(&indices);
    return status;
}

maru_status maru_onnx_sparse_constant(maru_onnx_file *file, const Maru__Onnx__SparseTensorProto *sparse,
                                      maru_graph *graph, maru_value *out_value)
{
    maru_tensor dense = {0};
    maru_status status = maru_onnx_read_sparse(file, sparse, &dense);
    if (status == MARU_OK) {
        const maru_constant_source source = {.data = dense.data, .bytes = dense.bytes};
        status = maru_graph_constant(graph, name_of(sparse->values), dense.dtype, dense.dims, dense.rank, &source,
                                     out_value);
    }
    maru_tensor_destroy(&dense);
    return status;
}
