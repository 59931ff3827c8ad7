// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Any bytes as an ONNX model: a graph that its own verifier takes, or an error.
 * The graph is written as a model again, of the best opset and of an old one.
 */

#include "fuzz.h"

#include <maru/flow.h>
#include <maru/log.h>
#include <stdlib.h>
#include <string.h>

#include "export/onnx/save.h"
#include "import/onnx/onnx.h"

static void drop_log(void *ctx, maru_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static maru_status drop_bytes(void *ctx, bool is_data, const void *bytes, size_t n)
{
    (void)ctx;
    (void)is_data;
    (void)bytes;
    (void)n;
    return MARU_OK;
}

static void write_again(const maru_graph *graph, int opset)
{
    maru_onnx_saved saved;
    onnx_sink sink = {.write = drop_bytes, .data_name = "data"};
    const maru_onnx_save_params params = {.opset = opset, .whole = true};
    if (maru_onnx_write(graph, &params, &sink, &saved) == MARU_OK && saved.n_nodes == 0 && saved.model_bytes == 0)
        abort();
}

/* What a model that runs in stages is made of; without a device nothing of it runs. */
static void walk(maru_onnx_file *file)
{
    maru_flow *flow = NULL;
    if (maru_flow_create(NULL, file, NULL, &flow) == MARU_OK)
        maru_flow_destroy(&flow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_onnx_file *file = NULL;
    maru_graph *graph = NULL;
    uint8_t *exact = malloc(size + !size);
    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    maru_log_set_sink(drop_log, NULL);
    if (maru_onnx_file_open_memory(exact, size, "fuzz", &file) == MARU_OK) {
        if (maru_onnx_import(file, NULL, &graph) == MARU_OK && maru_graph_verify(graph) != MARU_OK)
            abort();
        if (graph) {
            write_again(graph, 0);
            write_again(graph, 17);
        }
        maru_graph_destroy(&graph);
        walk(file);
        maru_onnx_file_release(file);
    }
    free(exact);
    return 0;
}
