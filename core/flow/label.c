// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* LabelEncoder of ai.onnx.ml (opsets 2 and 4) from or to text: a table of keys and values. */

#include "flow/flow_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "import/strings.h"

/* Keys or values, numbers or text, whichever attribute holds them. */
typedef struct column {
    maru_file_value value;
    size_t n;
} column;

static maru_status wrap(maru_dtype dtype, const void *data, size_t n, size_t width, column *out)
{
    const int64_t dims[] = {(int64_t)n};
    out->n = n;
    MARU_TRY(maru_tensor_create(dtype, dims, 1, &out->value.tensor));
    if (n)
        memcpy(out->value.tensor.data, data, n * width);
    return MARU_OK;
}

static maru_status read_texts(const onnx_attr *a, column *out)
{
    out->value.is_strings = true;
    out->n = a->n_strings;
    for (size_t i = 0; i < a->n_strings; i++)
        MARU_TRY(maru_strings_add(&out->value.strings, (const char *)a->strings[i].data, a->strings[i].len, a->name));
    return MARU_OK;
}

static maru_status read_column(const flow_node *n, const char *kind, column *out)
{
    char name[32];
    snprintf(name, sizeof name, "%s_strings", kind);
    const onnx_attr *texts = onnx_attr_find(&n->attrs, name);
    snprintf(name, sizeof name, "%s_int64s", kind);
    const onnx_attr *ints = onnx_attr_find(&n->attrs, name);
    snprintf(name, sizeof name, "%s_floats", kind);
    const onnx_attr *floats = onnx_attr_find(&n->attrs, name);
    snprintf(name, sizeof name, "%s_tensor", kind);
    const onnx_attr *tensor = onnx_attr_find(&n->attrs, name);
    if (texts)
        return read_texts(texts, out);
    if (ints)
        return wrap(MARU_I64, ints->ints, ints->n_ints, sizeof(int64_t), out);
    if (floats)
        return wrap(MARU_F32, floats->floats, floats->n_floats, sizeof(float), out);
    if (!tensor || !tensor->t)
        return maru_fail(MARU_DATA_LOSS, "it has no %s", kind);
    MARU_TRY(maru_onnx_read_tensor(n->frame->flow->file, tensor->t, &out->value));
    out->n = out->value.is_strings ? out->value.strings.count : (size_t)maru_tensor_count(&out->value.tensor);
    return MARU_OK;
}

/* What a key that is not there becomes: "_Unused", -1, -0.0, or as the attributes say. */
static maru_status read_default(const flow_node *n, const column *values, column *out)
{
    const onnx_attr *tensor = onnx_attr_find(&n->attrs, "default_tensor");
    const onnx_attr *text = onnx_attr_find(&n->attrs, "default_string");
    if (tensor && tensor->t) {
        MARU_TRY(maru_onnx_read_tensor(n->frame->flow->file, tensor->t, &out->value));
        const bool fits = out->value.is_strings == values->value.is_strings &&
                          (out->value.is_strings ? out->value.strings.count == 1
                                                 : maru_tensor_count(&out->value.tensor) == 1 &&
                                                       out->value.tensor.dtype == values->value.tensor.dtype);
        return fits ? MARU_OK : maru_fail(MARU_INVALID_ARGUMENT, "default_tensor must be one of its values");
    }
    out->value.is_strings = values->value.is_strings;
    if (out->value.is_strings)
        return text && text->has_s
                   ? maru_strings_add(&out->value.strings, (const char *)text->s.data, text->s.len, "default_string")
                   : maru_strings_add(&out->value.strings, "_Unused", 7, "default_string");
    const int64_t dims[] = {1};
    const maru_dtype dtype = values->value.tensor.dtype;
    MARU_TRY(maru_tensor_create(dtype, dims, 1, &out->value.tensor));
    maru_tensor_set_f64(&out->value.tensor, 0,
                        dtype == MARU_F32 ? onnx_attr_float(&n->attrs, "default_float", -0.0)
                                          : (double)onnx_attr_int(&n->attrs, "default_int64", -1));
    return MARU_OK;
}

static bool is_key(const column *keys, size_t k, const maru_item *item, size_t i)
{
    const maru_strings *s = maru_item_get_text(item);
    if (s)
        return strcmp(keys->value.strings.items[k], s->items[i]) == 0;
    const double a = maru_tensor_get_f64(&keys->value.tensor, (int64_t)k);
    const double b = maru_tensor_get_f64(maru_item_get_tensor(item), (int64_t)i);
    return a == b || (isnan(a) && isnan(b));
}

static maru_status find_all(const column *keys, const maru_item *item, size_t count, size_t *out)
{
    maru_map map = {0};
    const maru_strings *s = maru_item_get_text(item);
    maru_status status = MARU_OK;
    for (size_t k = keys->n; s && status == MARU_OK && k-- > 0;)
        status = maru_map_set_str(&map, keys->value.strings.items[k], k);
    for (size_t i = 0; status == MARU_OK && i < count; i++) {
        uint64_t at = keys->n;
        if (s)
            maru_map_get_str(&map, s->items[i], &at);
        for (size_t k = 0; !s && k < keys->n && at == keys->n; k++)
            at = is_key(keys, k, item, i) ? k : at;
        out[i] = (size_t)at;
    }
    maru_map_fini(&map);
    return status;
}

static maru_status give(const column *values, const column *missing, const size_t *at, size_t count,
                        maru_file_value *out)
{
    for (size_t i = 0; i < count; i++) {
        const column *from = at[i] < values->n ? values : missing;
        const size_t k = at[i] < values->n ? at[i] : 0;
        if (out->is_strings)
            MARU_TRY(maru_strings_add(&out->strings, from->value.strings.items[k],
                                      strlen(from->value.strings.items[k]), "text"));
        else
            memcpy((char *)out->tensor.data + i * (out->tensor.bytes / count),
                   (const char *)from->value.tensor.data + k * (out->tensor.bytes / count), out->tensor.bytes / count);
    }
    return MARU_OK;
}

static maru_status encode(flow_node *n, const column *keys, const column *values, const column *missing)
{
    const int64_t *dims = NULL;
    uint32_t rank = 0;
    maru_file_value out = {.is_strings = values->value.is_strings};
    if (!flow_has(n, 0) || !flow_dims(n->inputs[0], &dims, &rank) ||
        keys->value.is_strings != (maru_item_get_text(n->inputs[0]) != NULL) || keys->n != values->n)
        return maru_fail(MARU_INVALID_ARGUMENT, "its keys are of another kind than its input, or not as many as its "
                         "values");
    size_t count = 1;
    for (uint32_t d = 0; d < rank; d++)
        count *= (size_t)dims[d];
    if (!out.is_strings)
        MARU_TRY(maru_tensor_create(values->value.tensor.dtype, dims, rank, &out.tensor));
    out.strings.rank = rank;
    memcpy(out.strings.dims, dims, rank * sizeof *dims);
    size_t *at = calloc(count + 1, sizeof *at);
    maru_status status = at ? find_all(keys, n->inputs[0], count, at) : maru_fail_oom("labels");
    if (status == MARU_OK)
        status = give(values, missing, at, count, &out);
    free(at);
    if (status == MARU_OK)
        return maru_item_take(&out, &n->outputs[0]);
    maru_file_value_fini(&out);
    return status;
}

static maru_status run(flow_node *n)
{
    column keys = {0};
    column values = {0};
    column missing = {0};
    maru_status status = read_column(n, "keys", &keys);
    if (status == MARU_OK)
        status = read_column(n, "values", &values);
    if (status == MARU_OK)
        status = read_default(n, &values, &missing);
    if (status == MARU_OK)
        status = encode(n, &keys, &values, &missing);
    maru_file_value_fini(&keys.value);
    maru_file_value_fini(&values.value);
    maru_file_value_fini(&missing.value);
    return status;
}

const flow_host_op flow_label_ops[] = {
    {"ai.onnx.ml", "LabelEncoder", run},
    {0},
};
