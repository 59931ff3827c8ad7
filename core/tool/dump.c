// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"dot", 0, NULL, "a graph as DOT instead of text"},
    {"part", 0, "NAME", "of a model of several graphs, that part (default: its own graph)"},
    {0},
};

static void dims_text(const int64_t *dims, uint32_t rank, char *room, size_t n)
{
    size_t at = (size_t)snprintf(room, n, "[");
    for (uint32_t d = 0; d < rank && at < n; d++)
        at += (size_t)snprintf(room + at, n - at, "%s%lld", d ? ", " : "", (long long)dims[d]);
    if (at < n)
        snprintf(room + at, n - at, "]");
}

static maru_status dump_weights(const char *path, bool as_json)
{
    static const char *const headings[] = {"name", "dtype", "dims", "size"};
    maru_weights *w = NULL;
    maru_status status = maru_weights_open(path, &w);
    if (status != MARU_OK)
        return status;
    table *t = table_create(headings, 4);
    uint64_t total = 0;
    fputs(as_json ? "[" : "", stdout);
    for (size_t i = 0; status == MARU_OK && i < maru_weights_count(w); i++) {
        maru_weight_info info;
        char dims[192], size[32];
        status = maru_weights_at(w, i, &info);
        dims_text(info.dims, info.rank, dims, sizeof dims);
        total += info.bytes;
        const char *cells[] = {info.name, maru_dtype_name(info.dtype), dims, show_bytes(info.bytes, size, sizeof size)};
        if (!as_json) {
            table_row(t, cells);
            continue;
        }
        fputs(i ? ",\n {\"name\": " : "\n {\"name\": ", stdout);
        print_json_string(stdout, info.name);
        printf(", \"dtype\": \"%s\", \"dims\": %s, \"bytes\": %zu, \"offset\": %llu}", cells[1], dims, info.bytes,
               (unsigned long long)info.offset);
    }
    char text[32];
    if (as_json)
        fputs("\n]\n", stdout);
    else
        table_print(t, stdout);
    if (!as_json)
        printf("%zu tensors, %s\n", maru_weights_count(w), show_bytes(total, text, sizeof text));
    table_destroy(&t);
    maru_weights_close(&w);
    return status;
}

static maru_status dump_tensor(const char *path, bool as_json)
{
    maru_file_value value = {0};
    const maru_status status = maru_tensor_file_read(path, MARU_DTYPE_NONE, &value);
    if (status == MARU_OK && as_json) {
        print_json_value(stdout, &value);
        fputc('\n', stdout);
    } else if (status == MARU_OK) {
        print_value(stdout, path, &value);
    }
    maru_file_value_fini(&value);
    return status;
}

static maru_status dump_graph(const parsed *args)
{
    opened o = {0};
    maru_graph *graph = NULL;
    char *text = NULL;
    maru_status status = open_script(args, &o);
    if (status == MARU_OK)
        status = maru_script_graph(o.script, &graph);
    if (status == MARU_OK)
        status = has_flag(args, "dot") ? maru_graph_dot(graph, &text) : maru_graph_dump(graph, &text);
    if (status == MARU_OK)
        fputs(text, stdout);
    free(text);
    maru_graph_destroy(&graph);
    close_script(&o);
    return status;
}

static int run(const parsed *args)
{
    const char *path = get_word(args, 0);
    if (!path) {
        fputs("maru: dump: which file?\n", stderr);
        return EXIT_USAGE;
    }
    const bool as_json = has_flag(args, "json");
    maru_status status;
    if (ends_with(path, ".lua") || ends_with(path, ".maru") || ends_with(path, ".onnx") || maru_script_is_graph(path))
        status = dump_graph(args);
    else if (maru_tensor_file_is_known(path) && !ends_with(path, ".safetensors.index.json"))
        status = dump_tensor(path, as_json);
    else
        status = dump_weights(path, as_json);
    return status == MARU_OK ? EXIT_OK : report_failure(status);
}

const command command_dump = {
    .name = "dump",
    .usage = "dump FILE [--dot] [--json] [options]",
    .summary = "show a graph, the graph of a script, a weights file or a tensor file",
    .details = "The graph of a script holds what the script computed; with the weights it runs without the script.\n"
               "\n"
               "    maru dump model.safetensors\n"
               "    maru dump scripts/models/minilm.lua --weights DIR > minilm.maru\n"
               "    maru run minilm.maru --weights DIR --input ids='[[101, 102]]' --input mask='[[1, 1]]'\n"
               "    maru dump embedding.npy",
    .n_words = 1,
    .has_model = true,
    .options = options,
    .run = run,
};
