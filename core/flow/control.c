// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* ---- bodies ---- */

maru_status flow_need_graph(const flow_node *n, const char *attr, const onnx_graph **out_graph)
{
    const onnx_attr *a = onnx_attr_find(&n->attrs, attr);
    if (!a || !a->g)
        return maru_fail(MARU_DATA_LOSS, "it has no %s", attr);
    *out_graph = a->g;
    return MARU_OK;
}

static maru_status run_frame(flow_frame *frame, maru_item *const *inputs, size_t n_inputs, maru_item **out_items,
                             size_t n_outputs)
{
    const flow_body *body = frame->body;
    for (size_t i = 0; i < n_inputs; i++)
        if (inputs[i])
            MARU_TRY(flow_set(frame, body->graph ? body->graph->input[i]->name : body->function->input[i],
                              maru_item_hold(inputs[i])));
    MARU_TRY(flow_walk(frame));
    for (size_t i = 0; i < n_outputs; i++)
        MARU_TRY(flow_result(frame, i, &out_items[i]));
    return MARU_OK;
}

static maru_status run_body(flow_frame *frame, maru_item *const *inputs, size_t n_inputs, maru_item **out_items,
                            size_t n_outputs)
{
    for (size_t i = 0; i < n_outputs; i++)
        out_items[i] = NULL;
    const maru_status status = run_frame(frame, inputs, n_inputs, out_items, n_outputs);
    for (size_t i = 0; status != MARU_OK && i < n_outputs; i++)
        maru_item_release(&out_items[i]);
    flow_frame_fini(frame);
    return status;
}

maru_status flow_run_graph(const flow_node *n, const onnx_graph *graph, maru_item *const *inputs, size_t n_inputs,
                           maru_item **out_items, size_t n_outputs)
{
    flow_frame frame = flow_frame_within(n->frame);
    if (++frame.depth > FLOW_MAX_DEPTH)
        return maru_fail(MARU_UNSUPPORTED, "graphs are more than %d deep", FLOW_MAX_DEPTH);
    if (graph->n_input != n_inputs || graph->n_output < n_outputs)
        return maru_fail(MARU_DATA_LOSS, "its graph has %zu inputs and %zu outputs, %zu and %zu are needed",
                         graph->n_input, graph->n_output, n_inputs, n_outputs);
    MARU_TRY(flow_body_child(n->frame->body, n->frame->flow, graph, graph, NULL, &frame.body));
    return run_body(&frame, inputs, n_inputs, out_items, n_outputs);
}

maru_status flow_run_function(flow_node *n, const onnx_function *function)
{
    flow_frame frame = {
        .flow = n->frame->flow,
        .function = function,
        .call_attrs = n->attrs.attrs,
        .n_call_attrs = n->attrs.n_attrs,
        .depth = n->frame->depth + 1,
    };
    if (frame.depth > FLOW_MAX_DEPTH)
        return maru_fail(MARU_UNSUPPORTED, "functions call each other more than %d deep", FLOW_MAX_DEPTH);
    if (n->n_inputs > function->n_input || n->n_outputs > function->n_output)
        return maru_fail(MARU_DATA_LOSS, "its function takes %zu inputs and gives %zu outputs", function->n_input,
                         function->n_output);
    MARU_TRY(flow_body_child(n->frame->body, n->frame->flow, n->proto, NULL, function, &frame.body));
    return run_body(&frame, n->inputs, n->n_inputs, n->outputs, n->n_outputs);
}

/* ---- If ---- */

maru_status flow_run_if(flow_node *n)
{
    int64_t condition = 0;
    const onnx_graph *branch = NULL;
    MARU_TRY(flow_need_integer(n, 0, &condition));
    MARU_TRY(flow_need_graph(n, condition ? "then_branch" : "else_branch", &branch));
    return flow_run_graph(n, branch, NULL, 0, n->outputs, n->n_outputs);
}

/* ---- Loop ---- */

typedef MARU_ARRAY(maru_item *) item_list;

typedef struct loop {
    const flow_node *node;
    const onnx_graph *body;
    size_t n_state;     // values that go from one iteration to the next
    size_t n_scans;     // values of which every iteration's is kept
    maru_item **inputs; // iteration, condition, state
    maru_item **outputs;
    item_list *scans;
} loop;

static void loop_fini(loop *l)
{
    for (size_t i = 0; l->inputs && i < 2 + l->n_state; i++)
        maru_item_release(&l->inputs[i]);
    for (size_t s = 0; l->scans && s < l->n_scans; s++) {
        for (size_t i = 0; i < l->scans[s].count; i++)
            maru_item_release(&l->scans[s].data[i]);
        maru_array_fini(&l->scans[s]);
    }
    free(l->inputs);
    free(l->outputs);
    free(l->scans);
}

static maru_status loop_init(loop *l, const flow_node *n)
{
    l->node = n;
    MARU_TRY(flow_need_graph(n, "body", &l->body));
    l->n_state = n->proto->n_input > 2 ? n->proto->n_input - 2 : 0;
    if (l->body->n_input != 2 + l->n_state || l->body->n_output < 1 + l->n_state)
        return maru_fail(MARU_DATA_LOSS, "its body has %zu inputs and %zu outputs, %zu and at least %zu are needed",
                         l->body->n_input, l->body->n_output, 2 + l->n_state, 1 + l->n_state);
    l->n_scans = l->body->n_output - 1 - l->n_state;
    l->inputs = calloc(2 + l->n_state, sizeof *l->inputs);
    l->outputs = calloc(l->body->n_output + 1, sizeof *l->outputs);
    l->scans = calloc(l->n_scans + 1, sizeof *l->scans);
    if (!l->inputs || !l->outputs || !l->scans)
        return maru_fail_oom("a loop");
    for (size_t i = 0; i < l->n_state; i++) {
        if (!flow_has(n, 2 + i))
            return maru_fail(MARU_INVALID_ARGUMENT, "it has no input %zu", 2 + i);
        l->inputs[2 + i] = maru_item_hold(n->inputs[2 + i]);
    }
    return MARU_OK;
}

/* The body's outputs become the inputs of the next iteration; scans are kept. */
static maru_status advance(loop *l)
{
    maru_status status = MARU_OK;
    for (size_t i = 0; i < 1 + l->n_state; i++) {
        maru_item_release(&l->inputs[1 + i]);
        l->inputs[1 + i] = l->outputs[i];
    }
    for (size_t s = 0; s < l->n_scans; s++) {
        maru_item *item = l->outputs[1 + l->n_state + s];
        if (status == MARU_OK)
            status = maru_array_push(&l->scans[s], item);
        if (status != MARU_OK)
            maru_item_release(&item);
    }
    return status;
}

static maru_status is_going_on(const loop *l, bool *out)
{
    const maru_tensor *t = maru_item_get_tensor(l->inputs[1]);
    if (!t || t->dtype != MARU_BOOL || maru_tensor_count(t) != 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "its condition must be one truth value");
    *out = *(const uint8_t *)t->data != 0;
    return MARU_OK;
}

static maru_status iterate(loop *l, int64_t limit)
{
    for (int64_t i = 0; i < limit; i++) {
        bool goes_on = true;
        MARU_TRY(is_going_on(l, &goes_on));
        if (!goes_on)
            break;
        MARU_TRY(flow_check(l->node->frame->flow));
        maru_item_release(&l->inputs[0]);
        MARU_TRY(flow_integer_item(MARU_I64, i, &l->inputs[0]));
        MARU_TRY(flow_run_graph(l->node, l->body, l->inputs, 2 + l->n_state, l->outputs, l->body->n_output));
        MARU_TRY(advance(l));
    }
    return MARU_OK;
}

/* What a loop without an iteration gives for a scan: its declared dims, and none of it. */
static maru_status empty_scan(const Maru__Onnx__ValueInfoProto *info, maru_item **out_item)
{
    const Maru__Onnx__TypeProto *type = info->type;
    maru_file_value value = {0};
    int64_t dims[MARU_MAX_RANK] = {0};
    if (!type || type->value_case != MARU__ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return maru_fail(MARU_UNSUPPORTED, "without an iteration the dtype of '%s' is not known", info->name);
    const Maru__Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    const size_t rank = shape ? shape->n_dim : 0;
    if (rank >= MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "the rank of '%s' is over %d", info->name, MARU_MAX_RANK);
    for (size_t i = 0; i < rank; i++)
        dims[i + 1] = shape->dim[i]->dim_value > 0 ? shape->dim[i]->dim_value : 0;
    if (type->tensor_type->elem_type == MARU_STRING) {
        value.is_strings = true;
        value.strings.rank = (uint32_t)rank + 1;
        memcpy(value.strings.dims, dims, sizeof dims);
        return maru_item_take(&value, out_item);
    }
    MARU_TRY(maru_tensor_create((maru_dtype)type->tensor_type->elem_type, dims, (uint32_t)rank + 1, &value.tensor));
    return maru_item_take(&value, out_item);
}

static maru_status finish_loop(loop *l, flow_node *n)
{
    for (size_t i = 0; i < l->n_state && i < n->n_outputs; i++)
        n->outputs[i] = maru_item_hold(l->inputs[2 + i]);
    for (size_t s = 0; s < l->n_scans && l->n_state + s < n->n_outputs; s++) {
        maru_item **out = &n->outputs[l->n_state + s];
        if (l->scans[s].count)
            MARU_TRY(flow_join(l->scans[s].data, l->scans[s].count, 0, true, out));
        else
            MARU_TRY(empty_scan(l->body->output[1 + l->n_state + s], out));
    }
    return MARU_OK;
}

/* Without a trip count and without a condition it goes on until the run's deadline, or a cancel. */
static maru_status run_loop(flow_node *n)
{
    loop l = {0};
    int64_t limit = INT64_MAX;
    int64_t condition = 1;
    maru_status status = loop_init(&l, n);
    if (status == MARU_OK && flow_has(n, 0))
        status = flow_need_integer(n, 0, &limit);
    if (status == MARU_OK && flow_has(n, 1))
        status = flow_need_integer(n, 1, &condition);
    if (status == MARU_OK)
        status = flow_integer_item(MARU_BOOL, condition, &l.inputs[1]);
    if (status == MARU_OK)
        status = iterate(&l, limit);
    if (status == MARU_OK)
        status = finish_loop(&l, n);
    loop_fini(&l);
    return status;
}

const flow_host_op flow_control_ops[] = {
    {"", "Loop", run_loop},
    {0},
};
