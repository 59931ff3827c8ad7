// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_QUANTIZE_H
#define MARU_QUANTIZE_H

/*
 * Static quantisation: a graph of f32 is rewritten so that products work on
 * bytes. Weights become i8, symmetric, by output channel; biases i32; values
 * between get QuantizeLinear and DequantizeLinear with a scale and a zero
 * point from their ranges, which are gathered by running the graph:
 *
 *     maru_calibration_create(graph, NULL, &c);
 *     maru_calibration_graph(c, MARU_CALIBRATION_FLOAT, &watched);  // a model is made of it, and run
 *     for each run, for each i: maru_calibration_add(c, i, &output_i);
 *     maru_calibration_end(c);
 *     maru_calibration_graph(c, MARU_CALIBRATION_QUANTIZED, &quantized);
 */

#include <maru/attr.h>
#include <maru/graph.h>
#include <maru/status.h>
#include <maru/tensor.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum maru_quantize_method {
    MARU_QUANTIZE_MINMAX = 0,   // the whole range
    MARU_QUANTIZE_ENTROPY = 1,  // the range that loses the least information; what lies outside saturates
} maru_quantize_method;

typedef enum maru_quantize_activations {
    MARU_QUANTIZE_U8 = 0,            // with a zero point
    MARU_QUANTIZE_I8 = 1,            // with a zero point
    MARU_QUANTIZE_I8_SYMMETRIC = 2,  // around 0
} maru_quantize_activations;

/* {0} is the usual. */
typedef struct maru_quantize_params {
    maru_quantize_method method;
    maru_quantize_activations activations;
    bool per_tensor;  // one scale for a weight, not one for each output channel
} maru_quantize_params;

/* The ranges of a graph's values. One thread at a time. */
typedef struct maru_calibration maru_calibration;

/*
 * Copies the graph (constants share their bytes). FAILED_PRECONDITION: it has
 * no product of f32 with a constant weight, or a weight has no data.
 */
MARU_API MARU_NODISCARD maru_status maru_calibration_create(const maru_graph *graph,
                                                          const maru_quantize_params *params,
                                                          maru_calibration **out_calibration);
MARU_API void maru_calibration_destroy(maru_calibration **calibration);

typedef enum maru_calibration_form {
    MARU_CALIBRATION_FLOAT,              // as given, and value i is output "calibration.i" beside the others
    MARU_CALIBRATION_QUANTIZED,          // the result
    MARU_CALIBRATION_QUANTIZED_WATCHED,  // with those outputs, to compare
} maru_calibration_form;

/* The quantised ones need maru_calibration_end. Destroy the graph. */
MARU_API MARU_NODISCARD maru_status maru_calibration_graph(const maru_calibration *calibration,
                                                         maru_calibration_form form, maru_graph **out_graph);

typedef struct maru_calibration_value {
    const char *name;   // of the value in the graph, or "" if it has none; as long as the calibration
    const char *op;     // of the node that makes it, "" for an input
    const char *scope;
    double min, max;    // seen, 0 included
    double low, high;   // what is kept; after the end
    double scale;
    int zero;
    bool is_shared;     // it has the scale of the value that it is moved from
} maru_calibration_value;

/* False past the last. */
MARU_API bool maru_calibration_at(const maru_calibration *calibration, size_t index,
                                  maru_calibration_value *out_value);
/* The products among the nodes, and how many bytes their weights had and have. */
MARU_API void maru_calibration_weights(const maru_calibration *calibration, size_t *out_n, size_t *out_bytes,
                                       size_t *out_quantized_bytes);

/* A run's tensor of value `index`; numbers that are not finite are passed over. */
MARU_API MARU_NODISCARD maru_status maru_calibration_add(maru_calibration *calibration, size_t index,
                                                       const maru_tensor *tensor);
/* Scales and zero points. FAILED_PRECONDITION if nothing was added. */
MARU_API MARU_NODISCARD maru_status maru_calibration_end(maru_calibration *calibration);

#ifdef __cplusplus
}
#endif

#endif
