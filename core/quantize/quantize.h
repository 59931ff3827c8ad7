// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_QUANTIZE_QUANTIZE_H
#define MARU_QUANTIZE_QUANTIZE_H

/* choose.c says which values become bytes, range.c from where to where, rewrite.c makes the graph. */

#include <maru/quantize.h>
#include <string.h>

#include "graph/graph.h"

enum { QUANTIZE_N_BINS = 2048 };

/* Of magnitudes; zero itself is no part of it, for it is exact at any scale. */
typedef struct quantize_histogram {
    double width;  // of a bin; 0: nothing seen
    double bins[QUANTIZE_N_BINS];
} quantize_histogram;

/* A value that becomes bytes. */
typedef struct quantize_item {
    maru_value value;
    uint32_t leader;  // the item whose scale it has; itself
    double min, max;
    double low, high;
    float scale;
    int zero;
    quantize_histogram *histogram;  // NULL: the range is enough
} quantize_item;

struct maru_calibration {
    maru_graph *graph;
    maru_quantize_params params;
    uint32_t *item_of;   // per value: 1 + index, 0: stays as it is
    bool *is_product;    // per node: works on bytes
    bool *is_absorbed;   // per node: what it cuts off, the range cuts off
    MARU_ARRAY(quantize_item) items;
    bool has_ended;
    size_t n_runs;
};

/* ---- choose.c ---- */

MARU_NODISCARD maru_status quantize_choose(maru_calibration *c);
/* The bytes of a f32 constant, also where it only was given other dims; NULL: it is none. They may lie anywhere. */
const void *quantize_constant(const maru_graph *graph, maru_value value);
static inline float quantize_number(const void *constant, int64_t index)
{
    float number;
    memcpy(&number, (const char *)constant + (size_t)index * sizeof number, sizeof number);
    return number;
}
bool quantize_is_zero_symmetric(const maru_calibration *c);

/* ---- range.c ---- */

MARU_NODISCARD maru_status quantize_note(quantize_item *item, const float *numbers, int64_t n);
void quantize_find_range(quantize_item *item, maru_quantize_activations activations);

/* ---- weights.c ---- */

/* A weight as bytes; lists have n_scales. */
typedef struct quantize_weight {
    int8_t *bytes;
    size_t n_bytes;
    float *scales;
    int64_t n_scales;
    uint32_t axis;
} quantize_weight;

/* `input_scale` is that of the value the weight is multiplied with. */
MARU_NODISCARD maru_status quantize_pack_weight(const maru_calibration *c, const maru_node_record *node,
                                                double input_scale, quantize_weight *out);
void quantize_weight_fini(quantize_weight *weight);
/* Whether the product's bias is a constant with one number for each output channel. */
bool quantize_has_bias(const maru_graph *graph, const maru_node_record *node);

/* ---- rewrite.c ---- */

/* A copy, as it is or quantised; where the items' values are in it goes to `out_values`. */
MARU_NODISCARD maru_status quantize_rewrite(const maru_calibration *c, bool is_float, maru_value *out_values,
                                            maru_graph **out_graph);

#endif
