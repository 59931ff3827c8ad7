// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

static maru_status fail_input(const char *word, const char *what)
{
    fprintf(stderr, "maru: --input %s: %s\n", word, what);
    exit(EXIT_USAGE);
}

static bool is_number(const char *text)
{
    char *end = NULL;
    strtod(text, &end);
    return end != text && *end == 0;
}

/* A JSON list or a number goes the way of a .json file, so that one reader decides what it is. */
static maru_status read_inline(const char *name, const char *text, maru_file_value *out)
{
    if (*text != '[' && !is_number(text)) {
        char *copy = malloc(strlen(text) + 1);
        char **items = malloc(sizeof *items);
        if (!copy || !items) {
            free(copy);
            free(items);
            return MARU_RESOURCE_EXHAUSTED;
        }
        memcpy(copy, text, strlen(text) + 1);
        items[0] = copy;
        *out = (maru_file_value){.is_strings = true,
                                 .strings = {.items = items, .count = 1, .capacity = 1, .dims = {1}, .rank = 1}};
        return MARU_OK;
    }
    return maru_tensor_json_parse(text, strlen(text), name, MARU_DTYPE_NONE, out);
}

static maru_status read_input(const char *word, bool is_onnx, given_input *out)
{
    const char *equals = strchr(word, '=');
    const size_t n = equals ? (size_t)(equals - word) : 0;
    if (n == 0 || n >= sizeof out->name)
        return fail_input(word, "NAME=VALUE or NAME=@FILE is needed");
    memcpy(out->name, word, n);
    out->is_inline = equals[1] != '@';
    if (out->is_inline)
        return read_inline(out->name, equals + 1, &out->value);
    const maru_status status = maru_tensor_file_read(equals + 2, MARU_DTYPE_NONE, &out->value);
    if (status == MARU_OK || !ends_with(equals, ".pb") || !is_onnx)
        return status;
    out->path = equals + 2;
    return MARU_OK;
}

maru_status read_inputs(const parsed *args, inputs *out)
{
    size_t n = 0;
    const bool is_onnx = is_onnx_model(args);
    while (get_nth(args, "input", n))
        n++;
    out->items = calloc(n + 1, sizeof *out->items);
    out->known = calloc(n + 1, sizeof *out->known);
    maru_status status = out->items && out->known ? MARU_OK : MARU_RESOURCE_EXHAUSTED;
    for (; status == MARU_OK && out->n < n; out->n++) {
        given_input *item = &out->items[out->n];
        status = read_input(get_nth(args, "input", out->n), is_onnx, item);
        if (status == MARU_OK && !item->value.is_strings && !item->path)
            out->known[out->n_known++] = (maru_onnx_known){.name = item->name, .tensor = &item->value.tensor};
    }
    return status;
}

void inputs_fini(inputs *in)
{
    for (size_t i = 0; i < in->n; i++)
        maru_file_value_fini(&in->items[i].value);
    free(in->items);
    free(in->known);
}
