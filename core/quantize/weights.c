// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

/* The axis of output channels, or -1: one scale serves all. */
static int channel_axis(const maru_calibration *c, const maru_node_record *node, uint32_t rank)
{
    if (c->params.per_tensor)
        return -1;
    switch ((int)node->op->id) {
    case MARU_OP_CONV: return 0;
    case MARU_OP_CONV_TRANSPOSE: return maru_node_int(node, "group", 1) == 1 ? 1 : -1;
    case MARU_OP_GEMM: return maru_node_int(node, "transB", 0) ? 0 : 1;
    default: return rank == 2 ? 1 : -1;
    }
}

bool quantize_has_bias(const maru_graph *graph, const maru_node_record *node)
{
    const bool is_gemm = node->op->id == MARU_OP_GEMM;
    if (node->op->id == MARU_OP_MATMUL || node->n_inputs < 3 || !node->inputs[2] ||
        !quantize_constant(graph, node->inputs[2]))
        return false;
    const maru_value_record *bias = maru_graph_get(graph, node->inputs[2]);
    const maru_value_record *y = maru_graph_get(graph, node->outputs[0]);
    const bool is_plain = !is_gemm || (maru_node_float(node, "alpha", 1) == 1 && maru_node_float(node, "beta", 1) == 1);
    return is_plain && bias->rank == 1 && bias->dims[0] == y->dims[1];
}

/* ---- scales ---- */

/* Elements of one channel are `inner` long, and come again after `outer` of them. */
typedef struct strides {
    int64_t n, outer, inner;
} strides;

static strides strides_of(const maru_value_record *v, int axis)
{
    strides s = {.n = 1, .outer = 1, .inner = 1};
    for (uint32_t d = 0; d < v->rank; d++) {
        if ((int)d < axis)
            s.outer *= v->dims[d];
        else if ((int)d == axis)
            s.n = v->dims[d];
        else
            s.inner *= v->dims[d];
    }
    return s;
}

static void find_scales(const void *w, const strides *s, float *scales)
{
    for (int64_t k = 0; k < s->n; k++) {
        float largest = 0;
        for (int64_t o = 0; o < s->outer; o++)
            for (int64_t i = 0; i < s->inner; i++)
                largest = fmaxf(largest, fabsf(quantize_number(w, (o * s->n + k) * s->inner + i)));
        scales[k] = largest > 0 ? largest / 127 : 1;
    }
}

/* A bias counts in steps of the product's scale; where they are too fine for an i32 the weight's are made larger. */
static void fit_bias(const maru_graph *graph, const maru_node_record *node, double input_scale, quantize_weight *out)
{
    const void *bias = quantize_has_bias(graph, node) ? quantize_constant(graph, node->inputs[2]) : NULL;
    const int64_t n = bias ? maru_graph_get(graph, node->inputs[2])->dims[0] : 0;
    for (int64_t i = 0; i < n; i++) {
        float *scale = &out->scales[out->n_scales == 1 ? 0 : i];
        const double least = fabs((double)quantize_number(bias, i)) / (input_scale * (INT32_MAX / 2));
        if ((double)*scale < least)
            *scale = (float)least;
    }
}

static void round_all(const void *w, const strides *s, const float *scales, int8_t *bytes)
{
    for (int64_t o = 0; o < s->outer; o++) {
        for (int64_t k = 0; k < s->n; k++) {
            for (int64_t i = 0; i < s->inner; i++) {
                const int64_t at = (o * s->n + k) * s->inner + i;
                const float level = nearbyintf(quantize_number(w, at) / scales[k]);
                bytes[at] = (int8_t)fmaxf(-127, fminf(127, level));
            }
        }
    }
}

maru_status quantize_pack_weight(const maru_calibration *c, const maru_node_record *node, double input_scale,
                                 quantize_weight *out)
{
    const maru_value_record *v = maru_graph_get(c->graph, node->inputs[1]);
    const void *w = quantize_constant(c->graph, node->inputs[1]);
    const int axis = channel_axis(c, node, v->rank);
    int64_t count = 0;
    MARU_TRY(maru_dims_count(v->dims, v->rank, &count));
    const strides s = axis < 0 ? (strides){.n = 1, .outer = 1, .inner = count} : strides_of(v, axis);
    *out = (quantize_weight){.n_bytes = (size_t)count, .n_scales = s.n, .axis = axis < 0 ? 0 : (uint32_t)axis};
    out->bytes = malloc((size_t)count + 1);
    out->scales = malloc(((size_t)s.n + 1) * sizeof *out->scales);
    if (!out->bytes || !out->scales) {
        quantize_weight_fini(out);
        return maru_fail_oom("a weight");
    }
    find_scales(w, &s, out->scales);
    fit_bias(c->graph, node, input_scale, out);
    round_all(w, &s, out->scales, out->bytes);
    return MARU_OK;
}

void quantize_weight_fini(quantize_weight *weight)
{
    free(weight->bytes);
    free(weight->scales);
    *weight = (quantize_weight){0};
}
