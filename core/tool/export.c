// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/onnx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/inputs.h"
#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"output", 'o', "FILE", "the model to write, FILE.onnx"},
    {"opset", 0, "N", "17 to 28 (default: the newest at which least is taken apart)"},
    {"decompose", 0, NULL, "every composite operator as its body in primitives"},
    {"whole", 0, NULL, "keep composites that ONNX has and ONNX Runtime 1.32 does not run"},
    {"input", 'i', "NAME=VALUE|@FILE", "of an ONNX model: an input that its shapes follow from; may be repeated"},
    {"external", 0, NULL, "weights in a file of their own, FILE.onnx.data"},
    {"part", 0, "NAME", "of a model of several graphs, that part (default: its own graph)"},
    {0},
};

static void print_names(const char *key, size_t n, const maru_graph *graph,
                        const char *(*name_of)(const maru_graph *, size_t))
{
    printf(", \"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", stdout);
        print_json_string(stdout, name_of(graph, i));
    }
    fputc(']', stdout);
}

static const char *input_name(const maru_graph *graph, size_t index)
{
    maru_value_info info = {.name = ""};
    return maru_graph_value_info(graph, maru_graph_input_at(graph, index), &info) == MARU_OK ? info.name : "";
}

static const char *output_name(const maru_graph *graph, size_t index)
{
    const char *name = "";
    maru_graph_output_at(graph, index, &name);
    return name;
}

static void print_json(const char *path, const maru_graph *graph, const maru_onnx_saved *s)
{
    fputs("{\"file\": ", stdout);
    print_json_string(stdout, path);
    printf(", \"opset\": %d, \"nodes\": %zu, \"decomposed\": %zu, \"weights\": %zu, \"model_bytes\": %llu, "
           "\"data_bytes\": %llu",
           s->opset, s->n_nodes, s->n_decomposed, s->n_weights, (unsigned long long)s->model_bytes,
           (unsigned long long)s->data_bytes);
    print_names("inputs", maru_graph_input_count(graph), graph, input_name);
    print_names("outputs", maru_graph_output_count(graph), graph, output_name);
    print_names("states", maru_graph_state_count(graph), graph, maru_graph_state_name);
    fputs("}\n", stdout);
}

static void print_saved(const parsed *args, const char *path, const maru_graph *graph, const maru_onnx_saved *s)
{
    char model[32], data[32];
    if (has_flag(args, "json")) {
        print_json(path, graph, s);
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

static maru_status save(const parsed *args, const char *path, const maru_onnx_save_params *params, const inputs *in)
{
    opened o = {.known = in->known, .n_known = in->n_known};
    maru_graph *graph = NULL;
    maru_onnx_saved saved;
    maru_status status = open_script(args, &o);
    if (status == MARU_OK)
        status = maru_script_graph(o.script, &graph);
    if (status == MARU_OK)
        status = maru_onnx_save(graph, path, params, &saved);
    if (status == MARU_OK)
        print_saved(args, path, graph, &saved);
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
    inputs in = {0};
    maru_status status = read_inputs(args, &in);
    if (status == MARU_OK)
        status = save(args, path, &params, &in);
    inputs_fini(&in);
    return status == MARU_OK ? EXIT_OK : report_failure(status);
}

const command command_export = {
    .name = "export",
    .usage = "export MODEL -o FILE.onnx [--opset N] [options]",
    .summary = "write a model's graph as ONNX",
    .details = "Of a script the graph is written, not what the script does before and after it. A state k of the\n"
               "graph becomes an input k, zeros at first, and an output k.next. What an older opset lacks is written\n"
               "in its older form or as its body; what cannot be said there is listed. An ONNX model whose shapes\n"
               "do not follow from its dims alone is made for the inputs that are given.\n"
               "\n"
               "    maru export scripts/models/minilm.lua --weights DIR -o minilm.onnx\n"
               "    maru export model.onnx --opset 17 -o older.onnx",
    .n_words = 1,
    .has_model = true,
    .options = options,
    .run = run,
};
