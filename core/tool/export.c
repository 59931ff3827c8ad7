// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/onnx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"output", 'o', "FILE", "the model to write, FILE.onnx"},
    {"opset", 0, "N", "17 to 28 (default 28)"},
    {"decompose", 0, NULL, "every composite operator as its body in primitives"},
    {"whole", 0, NULL, "keep composites that ONNX has and ONNX Runtime 1.32 does not run"},
    {"external", 0, NULL, "weights in a file of their own, FILE.onnx.data"},
    {0},
};

static void print_saved(const parsed *args, const char *path, const maru_onnx_saved *s)
{
    char model[32], data[32];
    if (has_flag(args, "json")) {
        fputs("{\"file\": ", stdout);
        print_json_string(stdout, path);
        printf(", \"opset\": %d, \"nodes\": %zu, \"decomposed\": %zu, \"weights\": %zu, \"model_bytes\": %llu, "
               "\"data_bytes\": %llu}\n",
               s->opset, s->n_nodes, s->n_decomposed, s->n_weights, (unsigned long long)s->model_bytes,
               (unsigned long long)s->data_bytes);
        return;
    }
    print_tinted(stdout, TINT_BOLD, path);
    printf(": opset %d, %zu nodes, %zu weights, %s", s->opset, s->n_nodes, s->n_weights,
           show_bytes(s->model_bytes, model, sizeof model));
    if (s->data_bytes)
        printf(", and %s beside it", show_bytes(s->data_bytes, data, sizeof data));
    if (s->n_decomposed)
        printf("; %zu composite nodes were taken apart", s->n_decomposed);
    fputc('\n', stdout);
}

static maru_status save(const parsed *args, const char *path, const maru_onnx_save_params *params)
{
    opened o = {0};
    maru_graph *graph = NULL;
    maru_onnx_saved saved;
    maru_status status = open_script(args, &o);
    if (status == MARU_OK)
        status = maru_script_graph(o.script, &graph);
    if (status == MARU_OK)
        status = maru_onnx_save(graph, path, params, &saved);
    if (status == MARU_OK)
        print_saved(args, path, &saved);
    maru_graph_destroy(&graph);
    close_script(&o);
    return status;
}

static int run(const parsed *args)
{
    long long opset = 0;
    const char *path = get_option(args, "output", NULL);
    if (!get_number(args, "opset", 0, 17, &opset))
        return EXIT_USAGE;
    if (!path || opset > 28) {
        fputs(path ? "maru: export: --opset is 17 to 28\n" : "maru: export: -o FILE.onnx is needed\n", stderr);
        return EXIT_USAGE;
    }
    const maru_onnx_save_params params = {
        .opset = (int)opset,
        .decompose = has_flag(args, "decompose"),
        .whole = has_flag(args, "whole"),
        .external = has_flag(args, "external"),
    };
    const maru_status status = save(args, path, &params);
    return status == MARU_OK ? EXIT_OK : report_failure(status);
}

const command command_export = {
    .name = "export",
    .usage = "export MODEL -o FILE.onnx [--opset N] [options]",
    .summary = "write a model's graph as ONNX",
    .details = "Of a script the graph is written, not what the script does before and after it. A state k of the graph\n"
               "becomes an input k, zeros at first, and an output k.next. What an older opset lacks is written in its\n"
               "older form or as its body; what cannot be said there is listed.\n"
               "\n"
               "    maru export scripts/models/minilm.lua --weights DIR -o minilm.onnx\n"
               "    maru export model.onnx --opset 17 -o older.onnx",
    .n_words = 1,
    .has_model = true,
    .options = options,
    .run = run,
};
