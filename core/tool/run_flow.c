// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/run_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"
#include "tool/tool.h"

bool has_files_of_items(const inputs *in)
{
    for (size_t i = 0; i < in->n; i++)
        if (in->items[i].path)
            return true;
    return false;
}

/* ---- inputs ---- */

static maru_dtype dtype_of(const maru_onnx_file *file, const char *name)
{
    maru_onnx_port port;
    for (size_t i = 0; maru_onnx_input_at(file, i, &port); i++)
        if (strcmp(port.name, name) == 0)
            return port.dtype;
    return MARU_DTYPE_NONE;
}

/* Numbers of a command line become what the model wants. */
static maru_status take_numbers(const maru_tensor *t, maru_dtype dtype, maru_item **out_item)
{
    maru_file_value cast = {0};
    if (dtype == MARU_DTYPE_NONE || dtype == MARU_STRING || dtype == t->dtype)
        return maru_item_copy(t, out_item);
    const maru_status status = maru_tensor_create(dtype, t->dims, t->rank, &cast.tensor);
    if (status != MARU_OK)
        return status;
    for (int64_t i = 0; i < maru_tensor_count(t); i++)
        maru_tensor_set_f64(&cast.tensor, i, maru_tensor_get_f64(t, i));
    return maru_item_take(&cast, out_item);
}

static maru_status make_item(const maru_onnx_file *file, given_input *in, maru_item **out_item)
{
    if (in->path)
        return maru_onnx_read_item(file, in->name, in->path, out_item);
    if (in->value.is_strings)
        return maru_item_take(&in->value, out_item);
    return take_numbers(&in->value.tensor, in->is_inline ? dtype_of(file, in->name) : MARU_DTYPE_NONE, out_item);
}

static maru_status set_inputs(const maru_onnx_file *file, const inputs *in, maru_flow *flow)
{
    maru_status status = MARU_OK;
    for (size_t i = 0; status == MARU_OK && i < in->n; i++) {
        maru_item *item = NULL;
        status = make_item(file, &in->items[i], &item);
        if (status == MARU_OK)
            status = maru_flow_set_input(flow, in->items[i].name, item);
        maru_item_release(&item);
    }
    return status;
}

maru_status open_flow(const parsed *args, const inputs *in, maru_runtime *runtime, maru_flow **out_flow)
{
    maru_onnx_file *file = NULL;
    char *device_options = NULL;
    maru_status status = join_device_options(args, &device_options);
    maru_model_params params = get_model_params(args);
    params.device_options = device_options;
    params.progress = NULL;  // it may plan at every step
    if (status == MARU_OK)
        status = maru_onnx_open(get_word(args, 0), &file);
    if (status == MARU_OK)
        status = maru_flow_create(runtime, file, &params, out_flow);
    if (status == MARU_OK)
        status = set_inputs(file, in, *out_flow);
    maru_onnx_close(&file);
    free(device_options);
    return status;
}

/* ---- outputs ---- */

static maru_status save(const maru_flow *flow, const char *word)
{
    const char *equals = strchr(word, '=');
    const char *name = NULL;
    const maru_item *item = NULL;
    if (!equals || equals == word) {
        fprintf(stderr, "maru: --save %s: NAME=FILE is needed\n", word);
        exit(EXIT_USAGE);
    }
    const size_t n = (size_t)(equals - word);
    for (size_t i = 0; (item = maru_flow_output_at(flow, i, &name)) != NULL; i++) {
        if (strlen(name) != n || strncmp(name, word, n) != 0)
            continue;
        if (maru_item_get_value(item))
            return maru_tensor_file_write(equals + 1, maru_item_get_value(item));
        fprintf(stderr, "maru: --save %s: it is %s, files hold tensors\n", word,
                maru_item_kind_name(maru_item_get_kind(item)));
        exit(EXIT_INPUT);
    }
    fprintf(stderr, "maru: --save %s: the model has no output of that name\n", word);
    exit(EXIT_INPUT);
}

static void print_item(const char *name, const maru_item *item)
{
    char part[300];
    if (maru_item_get_value(item))
        print_value(stdout, name, maru_item_get_value(item));
    else if (maru_item_get_kind(item) == MARU_ITEM_NONE || maru_item_count(item) == 0)
        printf("%s: %s\n", name, maru_item_get_kind(item) == MARU_ITEM_NONE ? "nothing" : "an empty sequence");
    for (size_t i = 0; i < maru_item_count(item); i++) {
        snprintf(part, sizeof part, "%s[%zu]", name, i);
        print_item(part, maru_item_at(item, i));
    }
}

static void print_json_item(const maru_item *item)
{
    if (maru_item_get_value(item)) {
        print_json_value(stdout, maru_item_get_value(item));
        return;
    }
    if (maru_item_get_kind(item) == MARU_ITEM_NONE) {
        fputs("null", stdout);
        return;
    }
    putchar('[');
    for (size_t i = 0; i < maru_item_count(item); i++) {
        fputs(i ? ", " : "", stdout);
        print_json_item(maru_item_at(item, i));
    }
    putchar(']');
}

static void print_outputs(const maru_flow *flow, bool as_json)
{
    const char *name = NULL;
    const maru_item *item = NULL;
    fputs(as_json ? "{" : "", stdout);
    for (size_t i = 0; (item = maru_flow_output_at(flow, i, &name)) != NULL; i++) {
        if (!as_json) {
            print_item(name, item);
            continue;
        }
        fputs(i ? ", " : "", stdout);
        print_json_string(stdout, name);
        fputs(": ", stdout);
        print_json_item(item);
    }
    fputs(as_json ? "}\n" : "", stdout);
}

maru_status finish_flow(const parsed *args, const maru_flow *flow)
{
    maru_status status = MARU_OK;
    size_t n = 0;
    for (; status == MARU_OK && get_nth(args, "save", n); n++)
        status = save(flow, get_nth(args, "save", n));
    if (status == MARU_OK && (n == 0 || has_flag(args, "json") || has_flag(args, "verbose")))
        print_outputs(flow, has_flag(args, "json"));
    return status;
}
