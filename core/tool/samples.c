// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/samples.h"

#include <maru/system.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

enum { MAX_PATH = 2048 };

struct samples {
    const maru_graph *graph;
    size_t n_inputs;
    char **paths;  // folders, or files of the only input
    size_t n, room;
    const char *folder;  // being listed
    bool has_files;      // in it that are inputs
};

static bool is_tensor_file(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && (strcmp(name + n - 4, ".npy") == 0 || strcmp(name + n - 3, ".pb") == 0);
}

static maru_status input_info(const samples *s, size_t index, maru_value_info *out)
{
    return maru_graph_value_info(s->graph, maru_graph_input_at(s->graph, index), out);
}

/* ---- finding ---- */

static maru_status add_path(samples *s, const char *folder, const char *name)
{
    if (s->n == s->room) {
        const size_t room = s->room ? 2 * s->room : 64;
        char **more = realloc(s->paths, room * sizeof *more);
        if (!more)
            return maru_error_set(MARU_RESOURCE_EXHAUSTED, "out of memory: samples");
        s->paths = more;
        s->room = room;
    }
    const size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (!path)
        return maru_error_set(MARU_RESOURCE_EXHAUSTED, "out of memory: samples");
    snprintf(path, bytes, "%s%s%s", folder, *name ? "/" : "", name);
    s->paths[s->n++] = path;
    return MARU_OK;
}

/* The file of an input in a folder, by its name or its number. */
static bool find_file(const samples *s, const char *folder, size_t index, char out[MAX_PATH])
{
    maru_value_info info = {.name = ""};
    if (input_info(s, index, &info) != MARU_OK)
        return false;
    for (int i = 0; i < 4; i++) {
        const char *ending = i % 2 ? "npy" : "pb";
        const int n = i < 2 ? snprintf(out, MAX_PATH, "%s/%s.%s", folder, info.name, ending)
                            : snprintf(out, MAX_PATH, "%s/input_%zu.%s", folder, index, ending);
        if (n < MAX_PATH && maru_path_exists(out))
            return true;
    }
    return false;
}

static bool is_sample(const samples *s, const char *folder)
{
    char path[MAX_PATH];
    for (size_t i = 0; i < s->n_inputs; i++)
        if (!find_file(s, folder, i, path))
            return false;
    return s->n_inputs > 0;
}

static maru_status look_at(void *ctx, const char *name)
{
    samples *s = ctx;
    char path[MAX_PATH];
    if (is_tensor_file(name)) {
        const bool is_output = strncmp(name, "output_", 7) == 0;
        return s->n_inputs == 1 && !is_output ? add_path(s, s->folder, name) : MARU_OK;
    }
    if (snprintf(path, sizeof path, "%s/%s", s->folder, name) < MAX_PATH && is_sample(s, path))
        return add_path(s, path, "");
    return MARU_OK;
}

maru_status samples_open(const char *folder, const maru_graph *graph, samples **out)
{
    char text[MAX_PATH + 64];
    samples *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return maru_error_set(MARU_RESOURCE_EXHAUSTED, "out of memory: samples");
    s->graph = graph;
    s->n_inputs = maru_graph_input_count(graph);
    s->folder = folder;
    maru_status status =
        is_sample(s, folder) && s->n_inputs > 1 ? add_path(s, folder, "") : maru_list_folder(folder, look_at, s);
    if (status == MARU_OK && s->n == 0) {
        snprintf(text, sizeof text, "%s: no inputs for the model lie there, as .npy or .pb files", folder);
        status = maru_error_set(MARU_NOT_FOUND, text);
    }
    if (status != MARU_OK)
        samples_close(out);
    return status;
}

void samples_close(samples **samples_)
{
    samples *s = *samples_;
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->paths[i]);
    free(s->paths);
    free(s);
    *samples_ = NULL;
}

size_t samples_count(const samples *s)
{
    return s->n;
}

const char *samples_name(const samples *s, size_t index)
{
    return s->paths[index];
}

/* ---- batches ---- */

/* How many of the graph's batches a tensor holds along the first axis. */
static int64_t count_batches(const maru_value_info *info, const maru_tensor *t)
{
    if (info->rank == 0 || t->rank != info->rank || info->dims[0] <= 0 || t->dims[0] % info->dims[0] != 0)
        return 1;
    return t->dims[0] / info->dims[0];
}

static maru_status give_batches(const samples *s, const maru_file_value *values, maru_tensor *tensors, sample_fn fn,
                                void *ctx)
{
    maru_value_info info;
    maru_status status = input_info(s, 0, &info);
    const int64_t n = status == MARU_OK && s->n_inputs ? count_batches(&info, &values[0].tensor) : 1;
    for (int64_t k = 0; status == MARU_OK && k < n; k++) {
        for (size_t i = 0; i < s->n_inputs; i++) {
            tensors[i] = values[i].tensor;
            if (n == 1 || tensors[i].rank == 0 || tensors[i].dims[0] % n != 0)
                continue;
            tensors[i].dims[0] /= n;
            tensors[i].bytes /= (size_t)n;
            tensors[i].data = (char *)tensors[i].data + (size_t)k * tensors[i].bytes;
        }
        status = fn(ctx, tensors);
    }
    return status;
}

static maru_status read_input(const samples *s, const char *path, size_t index, maru_file_value *out)
{
    char file[MAX_PATH];
    char text[MAX_PATH + 64];
    const char *from = is_tensor_file(path) ? path : find_file(s, path, index, file) ? file : path;
    const maru_status status = maru_tensor_file_read(from, MARU_DTYPE_NONE, out);
    if (status != MARU_OK || !out->is_strings)
        return status;
    snprintf(text, sizeof text, "%s: text is no input for a graph", from);
    return maru_error_set(MARU_UNSUPPORTED, text);
}

maru_status samples_each(samples *s, size_t index, sample_fn fn, void *ctx)
{
    maru_file_value *values = calloc(s->n_inputs + 1, sizeof *values);
    maru_tensor *tensors = calloc(s->n_inputs + 1, sizeof *tensors);
    maru_status status =
        values && tensors ? MARU_OK : maru_error_set(MARU_RESOURCE_EXHAUSTED, "out of memory: samples");
    for (size_t i = 0; status == MARU_OK && i < s->n_inputs; i++)
        status = read_input(s, s->paths[index], i, &values[i]);
    if (status == MARU_OK)
        status = give_batches(s, values, tensors, fn, ctx);
    for (size_t i = 0; values && i < s->n_inputs; i++)
        maru_file_value_fini(&values[i]);
    free(values);
    free(tensors);
    return status;
}
