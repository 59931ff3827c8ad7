// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/rebuild.h"

typedef struct rewriter {
    const maru_calibration *c;
    maru_rebuild rebuild;
} rewriter;

static maru_dtype activation_dtype(const maru_calibration *c)
{
    return c->params.activations == MARU_QUANTIZE_U8 ? MARU_U8 : MARU_I8;
}

static const quantize_item *item_of(const maru_calibration *c, maru_value value)
{
    return c->item_of[value] ? &c->items.data[c->items.data[c->item_of[value] - 1].leader] : NULL;
}

/* ---- values ---- */

/* A value quantised and dequantised, once for all that read it. */
static maru_status put_pair(rewriter *r, maru_value value)
{
    const quantize_item *item = item_of(r->c, value);
    maru_graph *to = r->rebuild.to;
    maru_value in[3] = {r->rebuild.map[value], MARU_NO_VALUE, MARU_NO_VALUE};
    if (!item || !in[0])
        return MARU_OK;
    MARU_TRY(maru_graph_scalar(to, MARU_F32, (double)item->scale, &in[1]));
    MARU_TRY(maru_graph_scalar(to, activation_dtype(r->c), item->zero, &in[2]));
    maru_value bytes = MARU_NO_VALUE;
    MARU_TRY(maru_graph_op(to, "QuantizeLinear", in, 3, NULL, 0, &bytes));
    in[0] = bytes;
    return maru_graph_op(to, "DequantizeLinear", in, 3, NULL, 0, &r->rebuild.map[value]);
}

static maru_status put_constant(rewriter *r, maru_dtype dtype, const maru_dim *dims, uint32_t rank, const void *data,
                                size_t bytes, maru_value *out)
{
    const maru_constant_source source = {.data = data, .bytes = bytes};
    return maru_graph_constant(r->rebuild.to, "", dtype, dims, rank, &source, out);
}

/* DequantizeLinear of a constant with scales along an axis; zero points are all 0. */
static maru_status put_dequantised(rewriter *r, maru_value bytes, const float *scales, int64_t n, int64_t axis,
                                   maru_value *out)
{
    const maru_dim dims[] = {n};
    const uint32_t rank = n != 1;
    const maru_dtype dtype = maru_graph_get(r->rebuild.to, bytes)->dtype;
    const size_t width = dtype == MARU_I32 ? 4 : 1;
    const maru_attribute attr = MARU_ATTR_I("axis", axis);
    maru_value in[3] = {bytes, MARU_NO_VALUE, MARU_NO_VALUE};
    void *zeros = calloc((size_t)n + 1, width);
    maru_status status = zeros ? MARU_OK : maru_fail_oom("zero points");
    if (status == MARU_OK)
        status = put_constant(r, MARU_F32, dims, rank, scales, (size_t)n * sizeof *scales, &in[1]);
    if (status == MARU_OK)
        status = put_constant(r, dtype, dims, rank, zeros, (size_t)n * width, &in[2]);
    if (status == MARU_OK)
        status = maru_graph_op(r->rebuild.to, "DequantizeLinear", in, 3, &attr, rank, out);
    free(zeros);
    return status;
}

/* ---- products ---- */

static maru_status put_bias(rewriter *r, const maru_node_record *node, double input_scale,
                            const quantize_weight *weight, maru_value *out)
{
    const maru_value_record *v = maru_graph_get(r->c->graph, node->inputs[2]);
    const void *bias = quantize_constant(r->c->graph, node->inputs[2]);
    const int64_t n = v->dims[0];
    float *scales = malloc(((size_t)n + 1) * sizeof *scales);
    int32_t *steps = malloc(((size_t)n + 1) * sizeof *steps);
    maru_value bytes = MARU_NO_VALUE;
    maru_status status = scales && steps ? MARU_OK : maru_fail_oom("a bias");
    for (int64_t i = 0; status == MARU_OK && i < n; i++) {
        scales[i] = (float)(input_scale * (double)weight->scales[weight->n_scales == 1 ? 0 : i]);
        const double level = nearbyint((double)quantize_number(bias, i) / (double)scales[i]);
        steps[i] = (int32_t)fmax(-INT32_MAX, fmin(INT32_MAX, level));
    }
    if (status == MARU_OK)
        status = put_constant(r, MARU_I32, v->dims, 1, steps, (size_t)n * sizeof *steps, &bytes);
    if (status == MARU_OK)
        status = put_dequantised(r, bytes, scales, weight->n_scales == 1 ? 1 : n, 0, out);
    free(scales);
    free(steps);
    return status;
}

/* The node with its weight and bias in other places for a moment. */
static maru_status copy_with(rewriter *r, const maru_node_record *node, maru_value weight, maru_value bias)
{
    maru_value *map = r->rebuild.map;
    const maru_value old_weight = map[node->inputs[1]];
    const maru_value old_bias = bias ? map[node->inputs[2]] : MARU_NO_VALUE;
    map[node->inputs[1]] = weight;
    if (bias)
        map[node->inputs[2]] = bias;
    const maru_status status = maru_rebuild_node(&r->rebuild, node);
    map[node->inputs[1]] = old_weight;
    if (bias)
        map[node->inputs[2]] = old_bias;
    return status;
}

static maru_status write_product(rewriter *r, const maru_node_record *node, const quantize_weight *weight,
                                 double input_scale)
{
    const maru_value_record *v = maru_graph_get(r->c->graph, node->inputs[1]);
    maru_value w = MARU_NO_VALUE;
    maru_value bias = MARU_NO_VALUE;
    const maru_constant_source source = {.data = weight->bytes, .bytes = weight->n_bytes};
    MARU_TRY(maru_graph_constant(r->rebuild.to, v->name, MARU_I8, v->dims, v->rank, &source, &w));
    MARU_TRY(put_dequantised(r, w, weight->scales, weight->n_scales, weight->axis, &w));
    if (quantize_has_bias(r->c->graph, node))
        MARU_TRY(put_bias(r, node, input_scale, weight, &bias));
    return copy_with(r, node, w, bias);
}

static maru_status copy_product(rewriter *r, const maru_node_record *node)
{
    quantize_weight weight = {0};
    const double input_scale = (double)item_of(r->c, node->inputs[0])->scale;
    MARU_TRY(quantize_pack_weight(r->c, node, input_scale, &weight));
    const maru_status status = write_product(r, node, &weight, input_scale);
    quantize_weight_fini(&weight);
    return status;
}

/* ---- the pass ---- */

static maru_status copy_node(rewriter *r, size_t index)
{
    const maru_node_record *node = &r->c->graph->nodes.data[index];
    maru_status status = MARU_OK;
    // Nothing is below the range's beginning but what saturates there.
    if (r->c->is_absorbed[index])
        status = maru_rebuild_value(&r->rebuild, node->inputs[0], &r->rebuild.map[node->outputs[0]]);
    else
        status = r->c->is_product[index] ? copy_product(r, node) : maru_rebuild_node(&r->rebuild, node);
    for (uint32_t i = 0; status == MARU_OK && i < node->n_outputs; i++)
        status = put_pair(r, node->outputs[i]);
    return status;
}

static maru_status copy_all(rewriter *r, bool is_float)
{
    const maru_graph *g = r->c->graph;
    for (size_t i = 0; !is_float && i < g->inputs.count; i++)
        MARU_TRY(put_pair(r, g->inputs.data[i]));
    for (size_t i = 0; !is_float && i < g->states.count; i++)
        MARU_TRY(put_pair(r, g->states.data[i].input));
    for (size_t i = 0; i < g->nodes.count; i++)
        MARU_TRY(is_float ? maru_rebuild_node(&r->rebuild, &g->nodes.data[i]) : copy_node(r, i));
    return MARU_OK;
}

maru_status quantize_rewrite(const maru_calibration *c, bool is_float, maru_value *out_values, maru_graph **out_graph)
{
    rewriter r = {.c = c};
    *out_graph = NULL;
    MARU_TRY(maru_rebuild_begin(c->graph, &r.rebuild));
    maru_status status = copy_all(&r, is_float);
    for (size_t i = 0; status == MARU_OK && i < c->items.count; i++)
        out_values[i] = r.rebuild.map[c->items.data[i].value];
    if (status == MARU_OK)
        status = maru_rebuild_finish(&r.rebuild, out_graph);
    maru_rebuild_fini(&r.rebuild);
    return status;
}
