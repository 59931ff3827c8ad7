// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/plan.h"

/* ---- making ---- */

static maru_status init(maru_calibration *c, const maru_graph *graph)
{
    MARU_TRY(maru_plan_simplify(graph, &c->graph));
    c->item_of = calloc(c->graph->values.count + 1, sizeof *c->item_of);
    c->is_product = calloc(c->graph->nodes.count + 1, sizeof *c->is_product);
    c->is_absorbed = calloc(c->graph->nodes.count + 1, sizeof *c->is_absorbed);
    if (!c->item_of || !c->is_product || !c->is_absorbed)
        return maru_fail_oom("a calibration");
    MARU_TRY(quantize_choose(c));
    for (size_t i = 0; c->params.method == MARU_QUANTIZE_ENTROPY && i < c->items.count; i++) {
        c->items.data[i].histogram = calloc(1, sizeof(quantize_histogram));
        if (!c->items.data[i].histogram)
            return maru_fail_oom("a calibration");
    }
    return MARU_OK;
}

maru_status maru_calibration_create(const maru_graph *graph, const maru_quantize_params *params,
                                    maru_calibration **out_calibration)
{
    *out_calibration = NULL;
    maru_calibration *c = calloc(1, sizeof *c);
    if (!c)
        return maru_fail_oom("a calibration");
    if (params)
        c->params = *params;
    const maru_status status = init(c, graph);
    if (status == MARU_OK)
        *out_calibration = c;
    else
        maru_calibration_destroy(&c);
    return status;
}

void maru_calibration_destroy(maru_calibration **calibration)
{
    maru_calibration *c = *calibration;
    if (!c)
        return;
    for (size_t i = 0; i < c->items.count; i++)
        free(c->items.data[i].histogram);
    maru_array_fini(&c->items);
    free(c->item_of);
    free(c->is_product);
    free(c->is_absorbed);
    maru_graph_destroy(&c->graph);
    free(c);
    *calibration = NULL;
}

/* ---- gathering ---- */

maru_status maru_calibration_add(maru_calibration *c, size_t index, const maru_tensor *tensor)
{
    if (index >= c->items.count || tensor->dtype != MARU_F32)
        return maru_fail(MARU_INVALID_ARGUMENT, "value %zu of a calibration is one of %zu, of f32", index,
                         c->items.count);
    c->n_runs += index == 0;
    return quantize_note(&c->items.data[index], tensor->data, maru_tensor_count(tensor));
}

/* A value that has another's scale has been seen with it. */
static void share_ranges(maru_calibration *c)
{
    for (size_t i = 0; i < c->items.count; i++) {
        const quantize_item *item = &c->items.data[i];
        quantize_item *leader = &c->items.data[item->leader];
        leader->min = item->min < leader->min ? item->min : leader->min;
        leader->max = item->max > leader->max ? item->max : leader->max;
    }
}

maru_status maru_calibration_end(maru_calibration *c)
{
    if (!c->n_runs)
        return maru_fail(MARU_FAILED_PRECONDITION, "a calibration without a run has no ranges");
    share_ranges(c);
    for (size_t i = 0; i < c->items.count; i++)
        if (c->items.data[i].leader == i)
            quantize_find_range(&c->items.data[i], c->params.activations);
    c->has_ended = true;
    return MARU_OK;
}

bool maru_calibration_at(const maru_calibration *c, size_t index, maru_calibration_value *out_value)
{
    *out_value = (maru_calibration_value){.name = "", .op = "", .scope = ""};
    if (index >= c->items.count)
        return false;
    const quantize_item *item = &c->items.data[index];
    const quantize_item *leader = &c->items.data[item->leader];
    const maru_value_record *v = maru_graph_get(c->graph, item->value);
    const maru_node_record *node = v->kind == MARU_VALUE_NODE ? &c->graph->nodes.data[v->source] : NULL;
    *out_value = (maru_calibration_value){
        .name = v->name,
        .op = node ? node->op->name : "",
        .scope = node ? node->scope : "",
        .min = item->min,
        .max = item->max,
        .low = leader->low,
        .high = leader->high,
        .scale = (double)leader->scale,
        .zero = leader->zero,
        .is_shared = leader != item,
    };
    return true;
}

void maru_calibration_weights(const maru_calibration *c, size_t *out_n, size_t *out_bytes, size_t *out_quantized_bytes)
{
    *out_n = *out_bytes = *out_quantized_bytes = 0;
    for (size_t i = 0; i < c->graph->nodes.count; i++) {
        quantize_weight weight = {0};
        if (!c->is_product[i] || quantize_pack_weight(c, &c->graph->nodes.data[i], 1, &weight) != MARU_OK)
            continue;
        *out_n += 1;
        *out_bytes += weight.n_bytes * sizeof(float);
        *out_quantized_bytes += weight.n_bytes + (size_t)weight.n_scales * (sizeof(float) + 1);
        quantize_weight_fini(&weight);
    }
}

/* ---- graphs ---- */

/* Values of the calibration as outputs of a copy */
static maru_status add_outputs(const maru_calibration *c, const maru_value *values, maru_graph *graph)
{
    char name[48];
    for (size_t i = 0; i < c->items.count; i++) {
        snprintf(name, sizeof name, "calibration.%zu", i);
        MARU_TRY(maru_graph_output(graph, name, values[i]));
    }
    return MARU_OK;
}

maru_status maru_calibration_graph(const maru_calibration *c, maru_calibration_form form, maru_graph **out_graph)
{
    *out_graph = NULL;
    if (form != MARU_CALIBRATION_FLOAT && !c->has_ended)
        return maru_fail(MARU_FAILED_PRECONDITION, "a calibration has to end before its graph is quantised");
    maru_value *values = calloc(c->items.count + 1, sizeof *values);
    if (!values)
        return maru_fail_oom("a calibration");
    maru_status status = quantize_rewrite(c, form == MARU_CALIBRATION_FLOAT, values, out_graph);
    if (status == MARU_OK && form != MARU_CALIBRATION_QUANTIZED)
        status = add_outputs(c, values, *out_graph);
    free(values);
    if (status == MARU_OK) {
        maru_graph *whole = *out_graph;
        status = maru_plan_simplify(whole, out_graph);
        maru_graph_destroy(&whole);
    }
    if (status != MARU_OK)
        maru_graph_destroy(out_graph);
    return status;
}
