// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/os.h"

/* ---- making ---- */

static maru_status copy_text(const char *text, char **out)
{
    *out = NULL;
    if (!text)
        return MARU_OK;
    *out = malloc(strlen(text) + 1);
    if (!*out)
        return maru_fail_oom("a model");
    strcpy(*out, text);
    return MARU_OK;
}

static maru_status look_up_nothing(void *ctx, const char *name, maru_value *out_value)
{
    (void)ctx;
    (void)name;
    (void)out_value;
    return MARU_OK;
}

static maru_status check_operators(const maru_flow *flow)
{
    onnx_stage stage = {.look_up = look_up_nothing};
    const onnx_import import = {.file = flow->file, .model = flow->model, .stage = &stage};
    MARU_TRY(onnx_check_opset(&import));
    return onnx_check_operators(&import, flow->model->graph->node, flow->model->graph->n_node);
}

static maru_status make(maru_flow *flow, const maru_model_params *params)
{
    if (params)
        flow->params = *params;
    MARU_TRY(copy_text(flow->params.devices, &flow->devices));
    MARU_TRY(copy_text(flow->params.device_options, &flow->device_options));
    flow->params.devices = flow->devices;
    flow->params.device_options = flow->device_options;
    MARU_TRY(check_operators(flow));
    flow->functions = calloc(flow->model->n_functions + 1, 1);
    if (!flow->functions)
        return maru_fail_oom("a model");
    MARU_TRY(flow_pool_create(&flow->pool));
    MARU_TRY(flow_body_create(flow, flow->model->graph, NULL, &flow->root));
    flow->inputs = (flow_frame){.flow = flow, .body = flow->root};
    return MARU_OK;
}

maru_status maru_flow_create(maru_runtime *runtime, maru_onnx_file *file, const maru_model_params *params,
                             maru_flow **out_flow)
{
    *out_flow = NULL;
    maru_flow *flow = calloc(1, sizeof *flow);
    if (!flow)
        return maru_fail_oom("a model");
    flow->runtime = runtime;
    flow->file = file;
    flow->model = maru_onnx_file_model(file);
    atomic_init(&flow->is_cancelled, false);
    maru_onnx_file_retain(file);
    maru_status status = make(flow, params);
    if (status == MARU_OK)
        *out_flow = flow;
    else
        maru_flow_destroy(&flow);
    return status == MARU_OK ? MARU_OK : maru_fail_within(status, "%s", maru_onnx_file_path(file));
}

static void drop_outputs(maru_flow *flow)
{
    for (size_t i = 0; i < flow->outputs.count; i++)
        maru_item_release(&flow->outputs.data[i]);
    flow->outputs.count = 0;
}

void maru_flow_destroy(maru_flow **flow)
{
    maru_flow *f = *flow;
    *flow = NULL;
    if (!f)
        return;
    drop_outputs(f);
    maru_array_fini(&f->outputs);
    flow_frame_fini(&f->inputs);
    flow_body_destroy(f->root);
    flow_pool_release(f->pool);
    free(f->functions);
    free(f->devices);
    free(f->device_options);
    maru_onnx_file_release(f->file);
    free(f);
}

/* ---- inputs and outputs ---- */

static const Maru__Onnx__ValueInfoProto *find_input(const onnx_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_input; i++)
        if (strcmp(onnx_text_of(g->input[i]->name), name) == 0)
            return g->input[i];
    return NULL;
}

/* Whether the declaration leaves room for the item: its kind, and for tensors the dtype and the rank. */
static maru_status check_input(const Maru__Onnx__ValueInfoProto *info, const maru_item *item)
{
    const Maru__Onnx__TypeProto *type = info->type;
    const maru_tensor *t = maru_item_get_tensor(item);
    if (!type || type->value_case != MARU__ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return MARU_OK;
    const int32_t elem = type->tensor_type->elem_type;
    const bool is_text = maru_item_get_text(item) != NULL;
    if (!t && !is_text)
        return maru_fail(MARU_INVALID_ARGUMENT, "input '%s' is a tensor, %s is given", info->name,
                         maru_item_kind_name(maru_item_get_kind(item)));
    if (elem && elem != (int32_t)(t ? t->dtype : MARU_STRING))
        return maru_fail(MARU_INVALID_ARGUMENT, "input '%s' is of %s, %s is given", info->name,
                         maru_dtype_name((maru_dtype)elem), t ? maru_dtype_name(t->dtype) : "text");
    const uint32_t rank = t ? t->rank : maru_item_get_text(item)->rank;
    if (type->tensor_type->shape && type->tensor_type->shape->n_dim != rank)
        return maru_fail(MARU_INVALID_ARGUMENT, "input '%s': its rank is %zu, %u is given", info->name,
                         type->tensor_type->shape->n_dim, rank);
    return MARU_OK;
}

maru_status maru_flow_set_input(maru_flow *flow, const char *name, maru_item *item)
{
    const Maru__Onnx__ValueInfoProto *info = find_input(flow->model->graph, name);
    if (!info)
        return maru_fail(MARU_NOT_FOUND, "the model has no input '%s'", name);
    if (item && maru_item_get_kind(item) != MARU_ITEM_NONE) {
        MARU_TRY(check_input(info, item));
        return flow_set(&flow->inputs, name, maru_item_hold(item));
    }
    maru_item *none = NULL;
    MARU_TRY(maru_item_none(&none));
    return flow_set(&flow->inputs, name, none);
}

maru_item *maru_flow_output_at(const maru_flow *flow, size_t index, const char **out_name)
{
    if (index >= flow->outputs.count)
        return NULL;
    if (out_name)
        *out_name = onnx_text_of(flow->model->graph->output[index]->name);
    return flow->outputs.data[index];
}

void maru_flow_get_stats(const maru_flow *flow, maru_flow_stats *out_stats)
{
    *out_stats = flow->stats;
}

/* ---- running ---- */

maru_status flow_fail_deadline(const maru_flow *flow)
{
    return maru_fail(MARU_DEADLINE_EXCEEDED, "the run took longer than its %lld ms",
                     (long long)(flow->run->timeout_ns / 1000000));
}

maru_status flow_check(const maru_flow *flow)
{
    if (atomic_load(&flow->is_cancelled))
        return maru_fail(MARU_CANCELLED, "the run was cancelled");
    return flow->deadline_ns && maru_os_now_ns() >= flow->deadline_ns ? flow_fail_deadline(flow) : MARU_OK;
}

/* What no later node reads goes, so that a long model holds no more than it must. */
static void drop_unused(flow_frame *frame, size_t next)
{
    for (size_t i = 0; i < frame->slots.count; i++)
        if (frame->slots.data[i].item && frame->slots.data[i].last_use < next)
            maru_item_release(&frame->slots.data[i].item);
}

static maru_status fail_node(maru_status status, const onnx_node_proto *node)
{
    const char *name = onnx_text_of(node->name);
    if (!*name && node->n_output)
        name = onnx_text_of(node->output[0]);
    return maru_fail_within(status, "node '%s' (%s)", name, onnx_text_of(node->op_type));
}

static size_t find_limit(const flow_body *body, size_t first)
{
    while (first < body->n_nodes && !body->is_host[first])
        first++;
    return first;
}

static maru_status step(flow_frame *frame, size_t *at)
{
    flow_body *body = frame->body;
    size_t end = *at;
    MARU_TRY(flow_check(frame->flow));
    if (!body->is_host[*at])
        MARU_TRY(flow_run_part(frame, *at, find_limit(body, *at), &end));
    if (end == *at) {
        body->is_host[*at] = true;
        const maru_status status = flow_run_host(frame, *at);
        if (status != MARU_OK)
            return fail_node(status, body->nodes[*at]);
        end++;
    }
    *at = end;
    drop_unused(frame, end);
    return MARU_OK;
}

maru_status flow_walk(flow_frame *frame)
{
    for (size_t at = 0; at < frame->body->n_nodes;)
        MARU_TRY(step(frame, &at));
    return MARU_OK;
}

maru_status flow_result(const flow_frame *frame, size_t index, maru_item **out_item)
{
    const flow_body *body = frame->body;
    const char *name = body->graph ? body->graph->output[index]->name : body->function->output[index];
    maru_item *item = NULL;
    MARU_TRY(flow_get(frame, name, &item));
    if (!item)
        return maru_fail(MARU_DATA_LOSS, "output %zu of a graph has no name", index);
    *out_item = maru_item_hold(item);
    return MARU_OK;
}

/* An input without a value is left to its default; without one it is an optional's, or missing. */
static maru_status set_inputs(maru_flow *flow, flow_frame *frame)
{
    const onnx_graph *g = flow->model->graph;
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = onnx_text_of(g->input[i]->name);
        const Maru__Onnx__TypeProto *type = g->input[i]->type;
        maru_item *item = flow_find(&flow->inputs, name);
        if (item) {
            MARU_TRY(flow_set(frame, name, maru_item_hold(item)));
            continue;
        }
        if (maru_map_get_str(&flow->root->initializers, name, NULL))
            continue;
        if (!type || type->value_case != MARU__ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE)
            return maru_fail(MARU_FAILED_PRECONDITION, "input '%s' is not set", name);
        MARU_TRY(maru_item_none(&item));
        MARU_TRY(flow_set(frame, name, item));
    }
    return MARU_OK;
}

static maru_status run(maru_flow *flow, flow_frame *frame)
{
    const onnx_graph *g = flow->model->graph;
    MARU_TRY(set_inputs(flow, frame));
    MARU_TRY(flow_walk(frame));
    MARU_TRY(maru_array_reserve(&flow->outputs, g->n_output + 1));
    for (size_t i = 0; i < g->n_output; i++) {
        MARU_TRY(flow_result(frame, i, &flow->outputs.data[i]));
        flow->outputs.count = i + 1;
    }
    return MARU_OK;
}

maru_status maru_flow_run(maru_flow *flow, const maru_run_params *params)
{
    static const maru_run_params none;
    flow_frame frame = {.flow = flow, .body = flow->root};
    drop_outputs(flow);
    flow->run = params ? params : &none;
    flow->deadline_ns = flow->run->timeout_ns ? maru_os_now_ns() + flow->run->timeout_ns : 0;
    atomic_store(&flow->is_cancelled, false);
    const maru_status status = run(flow, &frame);
    flow_frame_fini(&frame);
    flow->run = NULL;
    if (status == MARU_OK)
        return MARU_OK;
    drop_outputs(flow);
    return maru_fail_within(status, "%s", maru_onnx_file_path(flow->file));
}

void maru_flow_cancel(maru_flow *flow)
{
    atomic_store(&flow->is_cancelled, true);
    maru_mutex_lock(&flow->lock);
    if (flow->running)
        maru_session_cancel(flow->running);
    maru_mutex_unlock(&flow->lock);
}
