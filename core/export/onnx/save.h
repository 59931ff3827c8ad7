// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXPORT_ONNX_SAVE_H
#define MARU_EXPORT_ONNX_SAVE_H

/* Where the bytes of a model go. */

#include <maru/onnx.h>

typedef struct onnx_sink {
    void *ctx;
    /* Bytes of the model, in order; `is_data`: of the file beside it. */
    maru_status (*write)(void *ctx, bool is_data, const void *bytes, size_t n);
    const char *data_name;  // of the file beside the model, without a folder
    bool is_external;       // large weights go there, and not only where the model would be too large
} onnx_sink;

/* maru_onnx_save into a sink. `out` is for writing to files too: it is filled on success. */
MARU_NODISCARD maru_status maru_onnx_write(const maru_graph *graph, const maru_onnx_save_params *params,
                                           onnx_sink *sink, maru_onnx_saved *out);

#endif
