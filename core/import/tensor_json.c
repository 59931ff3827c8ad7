// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/tensor_json.h"

#include "base/dtype.h"
#include "base/fail.h"
#include "import/strings.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef enum kind { KIND_NONE, KIND_INTEGER, KIND_REAL, KIND_BOOL, KIND_STRING } kind;

/* Walks the array twice: first for kind and shape, then for the values. */
typedef struct walk {
    const char *name;
    maru_file_value *out;
    kind kind;
    int64_t dims[MARU_MAX_RANK];
    uint32_t rank;
    int64_t index;  // of the next element
} walk;

/* ---- reading ---- */

/* The shape is that of the first element of each array; visit() checks the others. */
static maru_status find_shape(walk *w, const json_t *value)
{
    while (json_is_array(value)) {
        if (w->rank == MARU_MAX_RANK)
            return maru_fail(MARU_UNSUPPORTED, "%s: arrays are nested more than %d deep", w->name, MARU_MAX_RANK);
        w->dims[w->rank++] = (int64_t)json_array_size(value);
        value = json_array_get(value, 0);
    }
    return MARU_OK;
}

static kind kind_of(const json_t *value)
{
    if (json_is_integer(value))
        return KIND_INTEGER;
    if (json_is_real(value))
        return KIND_REAL;
    if (json_is_boolean(value))
        return KIND_BOOL;
    return json_is_string(value) ? KIND_STRING : KIND_NONE;
}

static maru_status note_kind(walk *w, const json_t *value)
{
    kind k = kind_of(value);
    if (k == KIND_NONE)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: element %" PRId64 " is %s; a tensor has numbers or strings",
                         w->name, w->index, maru_json_kind(value));
    bool is_number = k == KIND_INTEGER || k == KIND_REAL;
    bool was_number = w->kind == KIND_INTEGER || w->kind == KIND_REAL;
    if (w->kind != KIND_NONE && w->kind != k && !(is_number && was_number))
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: element %" PRId64 " is %s, those before it are of another kind",
                         w->name, w->index, maru_json_kind(value));
    if (w->kind != KIND_REAL)
        w->kind = k;
    w->index++;
    return MARU_OK;
}

static maru_status does_not_fit(const walk *w, double value)
{
    return maru_fail(MARU_OUT_OF_RANGE, "%s: element %" PRId64 ", %.17g, does not fit %s", w->name, w->index, value,
                     maru_dtype_name(w->out->tensor.dtype));
}

static maru_status store(walk *w, const json_t *value)
{
    maru_tensor *t = &w->out->tensor;
    if (json_is_string(value))
        return maru_strings_add(&w->out->strings, json_string_value(value), json_string_length(value), w->name);
    bool is_float = maru_dtype_get_info(t->dtype)->kind == MARU_CLASS_FLOAT;
    if (is_float) {
        double wide = json_number_value(value);
        maru_dtype_store_f64(t->dtype, t->data, w->index, wide);
        if (isinf(maru_dtype_load_f64(t->dtype, t->data, w->index)))
            return does_not_fit(w, wide);
    } else {
        int64_t whole = json_is_boolean(value) ? json_is_true(value) : json_integer_value(value);
        if (json_is_real(value))
            return does_not_fit(w, json_real_value(value));
        maru_dtype_store_i64(t->dtype, t->data, w->index, whole);
        bool is_wrapped = maru_dtype_get_info(t->dtype)->kind == MARU_CLASS_UINT && whole < 0;
        if (is_wrapped || maru_dtype_load_i64(t->dtype, t->data, w->index) != whole)
            return does_not_fit(w, (double)whole);
    }
    w->index++;
    return MARU_OK;
}

static maru_status visit(walk *w, const json_t *value, uint32_t depth, maru_status (*fn)(walk *, const json_t *))
{
    if (depth == w->rank) {
        if (json_is_array(value))
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: element %" PRId64 " is an array, those before it are not",
                             w->name, w->index);
        return fn(w, value);
    }
    if (!json_is_array(value) || (int64_t)json_array_size(value) != w->dims[depth])
        return maru_fail(MARU_INVALID_ARGUMENT,
                         "%s: rows differ: dim %" PRIu32 " is %" PRId64 " at first, then there is %s of %zu", w->name,
                         depth, w->dims[depth], maru_json_kind(value), json_array_size(value));
    for (size_t i = 0; i < json_array_size(value); i++)
        MARU_TRY(visit(w, json_array_get(value, i), depth + 1, fn));
    return MARU_OK;
}

static maru_status convert(walk *w, const json_t *value, maru_dtype number_dtype)
{
    MARU_TRY(find_shape(w, value));
    MARU_TRY(visit(w, value, 0, note_kind));
    w->index = 0;
    if (w->kind == KIND_STRING) {
        w->out->is_strings = true;
        MARU_TRY(visit(w, value, 0, store));
        w->out->strings.rank = w->rank;
        memcpy(w->out->strings.dims, w->dims, sizeof w->dims);
        return MARU_OK;
    }
    maru_dtype dtype = number_dtype;
    if (w->kind == KIND_BOOL)
        dtype = MARU_BOOL;
    else if (dtype == MARU_DTYPE_NONE)
        dtype = w->kind == KIND_INTEGER ? MARU_I64 : MARU_F32;
    const maru_dtype_info *info = maru_dtype_get_info(dtype);
    if (!info || info->kind == MARU_CLASS_BLOCK || info->kind == MARU_CLASS_STRING)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: numbers cannot be read as %s", w->name, maru_dtype_name(dtype));
    MARU_TRY(maru_tensor_create(dtype, w->dims, w->rank, &w->out->tensor));
    return visit(w, value, 0, store);
}

maru_status maru_tensor_json_convert(const json_t *value, maru_dtype number_dtype, const char *name,
                                     maru_file_value *out_value)
{
    *out_value = (maru_file_value){0};
    walk w = {.name = name, .out = out_value};
    maru_status status = convert(&w, value, number_dtype);
    if (status != MARU_OK)
        maru_file_value_fini(out_value);
    return status;
}

/* ---- writing ---- */

static maru_status append_element(const maru_file_value *value, const char *name, int64_t index, maru_str *out)
{
    const maru_tensor *t = &value->tensor;
    if (value->is_strings) {
        maru_str_append_quoted(out, value->strings.items[index], strlen(value->strings.items[index]));
        return MARU_OK;
    }
    switch (maru_dtype_get_info(t->dtype)->kind) {
    case MARU_CLASS_FLOAT: {
        double number = maru_tensor_get_f64(t, index);
        if (!isfinite(number))
            return maru_fail(MARU_UNSUPPORTED, "%s: element %" PRId64 " is %f, which JSON lacks", name, index, number);
        maru_str_append_f64(out, number);
        return MARU_OK;
    }
    case MARU_CLASS_BOOL: maru_str_append(out, maru_tensor_get_f64(t, index) != 0 ? "true" : "false"); return MARU_OK;
    case MARU_CLASS_UINT:
        maru_str_printf(out, "%" PRIu64, (uint64_t)maru_dtype_load_i64(t->dtype, t->data, index));
        return MARU_OK;
    case MARU_CLASS_INT:
        maru_str_printf(out, "%" PRId64, maru_dtype_load_i64(t->dtype, t->data, index));
        return MARU_OK;
    case MARU_CLASS_STRING:
    case MARU_CLASS_BLOCK: break;
    }
    return maru_fail(MARU_UNSUPPORTED, "%s: %s has no form in JSON", name, maru_dtype_name(t->dtype));
}

/* Appends the array that begins at element *index of dimension `depth`. */
static maru_status append_array(const maru_file_value *value, const char *name, uint32_t depth, int64_t *index,
                                maru_str *out)
{
    uint32_t rank = value->is_strings ? value->strings.rank : value->tensor.rank;
    const int64_t *dims = value->is_strings ? value->strings.dims : value->tensor.dims;
    if (depth == rank)
        return append_element(value, name, (*index)++, out);
    maru_str_append(out, "[");
    for (int64_t i = 0; i < dims[depth]; i++) {
        if (i)
            maru_str_append(out, ", ");
        MARU_TRY(append_array(value, name, depth + 1, index, out));
    }
    maru_str_append(out, "]");
    return MARU_OK;
}

maru_status maru_tensor_json_format(const maru_file_value *value, const char *name, maru_str *out)
{
    if (!value->is_strings && !maru_dtype_get_info(value->tensor.dtype))
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: there is no tensor to write", name);
    int64_t index = 0;
    MARU_TRY(append_array(value, name, 0, &index, out));
    maru_str_append(out, "\n");
    return maru_str_check(out);
}

maru_status maru_tensor_json_parse(const char *text, size_t bytes, const char *name, maru_dtype number_dtype,
                                   maru_file_value *out_value)
{
    json_t *json = NULL;
    *out_value = (maru_file_value){0};
    MARU_TRY(maru_json_parse(text, bytes, name, &json));
    const maru_status status = maru_tensor_json_convert(json, number_dtype, name, out_value);
    json_decref(json);
    return status;
}
