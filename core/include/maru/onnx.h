// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_ONNX_H
#define MARU_ONNX_H

/* ONNX models as graphs: opsets 7 to 28 of the default domain, converted to the newest form. */

#include <maru/attr.h>
#include <maru/graph.h>
#include <maru/status.h>
#include <maru/tensor.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of an input when the model is loaded. */
typedef struct maru_onnx_known {
    const char *name;
    const maru_tensor *tensor;
    bool is_value;    // it becomes a constant, and shapes may follow from it; else its dims alone are known
    bool is_constant; // written by the load: the graph has a constant instead of this input
} maru_onnx_known;

typedef struct maru_onnx_params {
    maru_onnx_known *known;  // what tensors hold is copied
    size_t n_known;
    /*
     * What is known is used only as far as the model cannot be loaded without
     * it: dims first, then the values of small integer inputs, then those of
     * all that have at most 64 elements. is_value is not read.
     */
    bool as_needed;
} maru_onnx_params;

/*
 * Reads a model file and makes its graph; `params` may be NULL. Names of inputs, outputs and
 * dim_params are kept (a character that no symbol may have becomes '_'; a dim
 * without a name is called after its input and axis), a node's name is its
 * scope, a value keeps its name. Initialisers are used where they lie in the
 * mapped file, and so is external data, which must lie in the model's folder;
 * the files stay mapped as long as the graph, or a model of it, lives.
 *
 * DATA_LOSS for a damaged file, UNSUPPORTED for what this build lacks: all
 * operators that are not known are listed at once, with the opset and how
 * many nodes have them. Destroy the graph.
 */
MARU_API MARU_NODISCARD maru_status maru_onnx_load(const char *path, const maru_onnx_params *params,
                                                 maru_graph **out_graph);

#ifdef __cplusplus
}
#endif

#endif
