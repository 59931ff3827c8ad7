// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/weights.h>

#include "base/fail.h"
#include "base/str.h"
#include "graph/graph.h"
#include "import/safetensors.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Held by whoever opened it, and by every constant of a graph that was made from it. */
struct maru_weights {
    maru_weights_file *file;
    atomic_int n_holders;
};

/* ---- holding ---- */

static void retain(void *owner)
{
    maru_weights *weights = owner;
    atomic_fetch_add(&weights->n_holders, 1);
}

static void release(void *owner)
{
    maru_weights *weights = owner;
    if (atomic_fetch_sub(&weights->n_holders, 1) != 1)
        return;
    maru_weights_file_destroy(&weights->file);
    free(weights);
}

maru_status maru_weights_open(const char *path, maru_weights **out_weights)
{
    *out_weights = NULL;
    maru_weights *weights = calloc(1, sizeof *weights);
    if (!weights)
        return maru_fail_oom("weights");
    maru_status status = maru_weights_file_create(path, &weights->file);
    if (status != MARU_OK) {
        free(weights);
        return status;
    }
    atomic_init(&weights->n_holders, 1);
    *out_weights = weights;
    return MARU_OK;
}

void maru_weights_close(maru_weights **weights)
{
    if (*weights)
        release(*weights);
    *weights = NULL;
}

/* ---- looking ---- */

static void describe(const maru_weights *weights, const maru_weight *weight, maru_weight_info *out)
{
    *out = (maru_weight_info){
        .name = weight->name,
        .dtype = weight->dtype,
        .rank = weight->rank,
        .bytes = weight->bytes,
        .file = maru_weights_file_shard_path(weights->file, weight->shard),
        .offset = weight->offset,
    };
    memcpy(out->dims, weight->dims, sizeof out->dims);
}

size_t maru_weights_count(const maru_weights *weights)
{
    return maru_weights_file_count(weights->file);
}

maru_status maru_weights_at(const maru_weights *weights, size_t index, maru_weight_info *out_info)
{
    *out_info = (maru_weight_info){0};
    if (index >= maru_weights_count(weights))
        return maru_fail(MARU_OUT_OF_RANGE, "there is no weight %zu: there are %zu", index,
                         maru_weights_count(weights));
    describe(weights, maru_weights_file_at(weights->file, index), out_info);
    return MARU_OK;
}

bool maru_weights_find(const maru_weights *weights, const char *name, maru_weight_info *out_info)
{
    const maru_weight *weight = maru_weights_file_find(weights->file, name);
    if (weight && out_info)
        describe(weights, weight, out_info);
    return weight != NULL;
}

/* Names the file, and the weight that may have been meant. */
static maru_status not_found(const maru_weights *weights, const char *name)
{
    size_t count = maru_weights_count(weights);
    const char **names = calloc(count + 1, sizeof *names);
    if (!names)
        return maru_fail_oom("names of weights");
    for (size_t i = 0; i < count; i++)
        names[i] = maru_weights_file_at(weights->file, i)->name;
    const char *nearest = maru_nearest_name(name, names, count);
    const char *path = maru_weights_file_shard_path(weights->file, 0);
    maru_status status = nearest
        ? maru_fail(MARU_NOT_FOUND, "%s: there is no weight '%s'; did you mean '%s'?", path, name, nearest)
        : maru_fail(MARU_NOT_FOUND, "%s: there is no weight '%s' among its %zu", path, name, count);
    free(names);
    return status;
}

const char *maru_weights_metadata(const maru_weights *weights, const char *key)
{
    return maru_weights_file_metadata(weights->file, key);
}

/* ---- using ---- */

static maru_constant_source source_of(maru_weights *weights, const maru_weight *weight)
{
    maru_constant_source source = {.data = weight->data, .bytes = weight->bytes, .is_stored = true};
    if (weight->is_aligned) {  // else the graph's own copy is aligned
        source.fd = maru_weights_file_shard_map(weights->file, weight->shard)->fd;
        source.offset = weight->offset;
        source.owner = weights;
        source.retain = retain;
        source.release = release;
    }
    return source;
}

maru_status maru_weights_constant(maru_weights *weights, const char *name, maru_graph *graph, maru_value *out_value)
{
    const maru_weight *weight = maru_weights_file_find(weights->file, name);
    if (!weight)
        return not_found(weights, name);
    const maru_constant_source source = source_of(weights, weight);
    return maru_graph_constant(graph, name, weight->dtype, weight->dims, weight->rank, &source, out_value);
}

/* Appends what is wrong with the weight that a constant wants; nothing if it fits. */
static void judge(const maru_weights *weights, const maru_graph *graph, maru_value value, maru_str *wrong)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    const maru_weight *weight = maru_weights_file_find(weights->file, v->name);
    const bool fits = weight && weight->dtype == v->dtype && weight->rank == v->rank &&
                      memcmp(weight->dims, v->dims, v->rank * sizeof *v->dims) == 0;
    if (fits)
        return;
    maru_str_printf(wrong, "%s'%s' ", wrong->length ? ", " : "", v->name);
    if (!weight) {
        maru_str_append(wrong, "is missing");
        return;
    }
    maru_str_printf(wrong, "is %s", maru_dtype_name(weight->dtype));
    maru_dims_print(&graph->exprs, weight->dims, weight->rank, wrong);
    maru_str_printf(wrong, " instead of %s", maru_dtype_name(v->dtype));
    maru_dims_print(&graph->exprs, v->dims, v->rank, wrong);
}

static bool is_external(const maru_graph *graph, maru_value value)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    if (v->kind != MARU_VALUE_CONSTANT)
        return false;
    const maru_constant_source *source = &graph->constants.data[v->source].source;
    return !source->data && source->bytes;
}

maru_status maru_weights_bind(maru_weights *weights, maru_graph *graph)
{
    maru_str wrong = {0};
    for (maru_value value = 1; value < graph->values.count; value++)
        if (is_external(graph, value))
            judge(weights, graph, value, &wrong);
    maru_status status = maru_str_check(&wrong);
    if (status == MARU_OK && wrong.length)
        status = maru_fail(MARU_INVALID_ARGUMENT, "%s does not fit the graph: %s",
                           maru_weights_file_shard_path(weights->file, 0), maru_str_get(&wrong));
    maru_str_fini(&wrong);
    for (maru_value value = 1; status == MARU_OK && value < graph->values.count; value++) {
        if (!is_external(graph, value))
            continue;
        const maru_constant_source source =
            source_of(weights, maru_weights_file_find(weights->file, maru_graph_get(graph, value)->name));
        status = maru_graph_give_data(graph, value, &source);
    }
    return status;
}

maru_status maru_weights_tensor(const maru_weights *weights, const char *name, maru_tensor *out_tensor)
{
    *out_tensor = (maru_tensor){0};
    const maru_weight *weight = maru_weights_file_find(weights->file, name);
    if (!weight)
        return not_found(weights, name);
    MARU_TRY(maru_tensor_create(weight->dtype, weight->dims, weight->rank, out_tensor));
    if (weight->bytes)
        memcpy(out_tensor->data, weight->data, weight->bytes);
    return MARU_OK;
}

maru_status maru_weights_save(const char *path, const char *const *names, const maru_tensor *tensors, size_t n,
                              const char *const *metadata, size_t n_metadata)
{
    maru_safetensors_item *items = calloc(n + 1, sizeof *items);
    maru_safetensors_text *texts = calloc(n_metadata + 1, sizeof *texts);
    maru_status status = MARU_OK;
    if (!items || !texts) {
        status = maru_fail_oom("table of tensors");
        goto fail;
    }
    for (size_t i = 0; i < n; i++)
        items[i] = (maru_safetensors_item){.name = names[i], .tensor = &tensors[i]};
    for (size_t i = 0; i < n_metadata; i++)
        texts[i] = (maru_safetensors_text){.key = metadata[2 * i], .value = metadata[2 * i + 1]};
    status = maru_safetensors_write_file(path, items, n, texts, n_metadata);
fail:
    free(items);
    free(texts);
    return status;
}
