// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Any bytes as an ONNX model: a graph that its own verifier takes, or an error. */

#include "fuzz.h"

#include <maru/log.h>
#include <stdlib.h>
#include <string.h>

#include "import/onnx/onnx.h"

static void drop_log(void *ctx, maru_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
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
        maru_graph_destroy(&graph);
        maru_onnx_file_release(file);
    }
    free(exact);
    return 0;
}
