// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <string.h>

#include "base/fail.h"

void flow_frame_fini(flow_frame *frame)
{
    for (size_t i = 0; i < frame->slots.count; i++)
        maru_item_release(&frame->slots.data[i].item);
    maru_array_fini(&frame->slots);
    maru_map_fini(&frame->names);
}

flow_frame flow_frame_within(const flow_frame *outer)
{
    return (flow_frame){
        .flow = outer->flow,
        .body = outer->body,
        .outer = outer,
        .function = outer->function,
        .call_attrs = outer->call_attrs,
        .n_call_attrs = outer->n_call_attrs,
        .depth = outer->depth,
    };
}

static maru_status add_slot(flow_frame *frame, const char *name, maru_item *item)
{
    flow_slot slot = {.item = item};
    uint64_t last = 0;
    if (maru_map_get_str(&frame->body->last_use, name, &last))
        slot.last_use = (size_t)last;
    MARU_TRY(maru_array_push(&frame->slots, slot));
    const maru_status status = maru_map_set_str(&frame->names, name, frame->slots.count - 1);
    if (status != MARU_OK)
        frame->slots.count--;
    return status;
}

maru_status flow_set(flow_frame *frame, const char *name, maru_item *item)
{
    uint64_t slot = 0;
    if (!name || !*name || !item) {
        maru_item_release(&item);
        return MARU_OK;
    }
    if (maru_map_get_str(&frame->names, name, &slot)) {
        maru_item_release(&frame->slots.data[slot].item);
        frame->slots.data[slot].item = item;
        return MARU_OK;
    }
    const maru_status status = add_slot(frame, name, item);
    if (status != MARU_OK)
        maru_item_release(&item);
    return status;
}

maru_item *flow_find(const flow_frame *frame, const char *name)
{
    uint64_t slot = 0;
    for (; frame; frame = frame->outer)
        if (maru_map_get_str(&frame->names, name, &slot))
            return frame->slots.data[slot].item;
    return NULL;
}

const onnx_tensor *flow_initializer(const flow_frame *frame, const char *name, flow_body **out_body)
{
    uint64_t index = 0;
    for (; frame; frame = frame->outer) {
        *out_body = frame->body;
        if (!maru_map_get_str(&frame->body->initializers, name, &index))
            continue;
        return index < frame->body->graph->n_initializer ? frame->body->graph->initializer[index] : NULL;
    }
    return NULL;
}

/* Read once, for all runs. */
static maru_status read_initializer(const flow_frame *frame, flow_body *body, uint64_t index, const char *name,
                                    maru_item **out_item)
{
    maru_file_value value = {0};
    const onnx_graph *g = body->graph;
    maru_status status =
        index < g->n_initializer
            ? maru_onnx_read_tensor(frame->flow->file, g->initializer[index], &value)
            : maru_onnx_read_sparse(frame->flow->file, g->sparse_initializer[index - g->n_initializer], &value.tensor);
    if (status == MARU_OK)
        status = maru_item_take(&value, out_item);
    else
        maru_file_value_fini(&value);
    if (status != MARU_OK)
        return status;
    status = maru_array_push(&body->items, *out_item);
    if (status == MARU_OK)
        return maru_map_set_str(&body->constants, name, body->items.count - 1);
    maru_item_release(out_item);
    return status;
}

static maru_status get_initializer(const flow_frame *frame, const char *name, maru_item **out_item)
{
    uint64_t index = 0;
    for (const flow_frame *f = frame; f; f = f->outer) {
        if (maru_map_get_str(&f->body->constants, name, &index)) {
            *out_item = f->body->items.data[index];
            return MARU_OK;
        }
        if (maru_map_get_str(&f->body->initializers, name, &index))
            return read_initializer(frame, f->body, index, name, out_item);
    }
    return MARU_OK;
}

maru_status flow_get(const flow_frame *frame, const char *name, maru_item **out_item)
{
    *out_item = NULL;
    if (!name || !*name)
        return MARU_OK;
    *out_item = flow_find(frame, name);
    if (!*out_item)
        MARU_TRY(get_initializer(frame, name, out_item));
    if (*out_item)
        return MARU_OK;
    return maru_fail(MARU_DATA_LOSS,
                     "value '%s' is read before anything makes it: the nodes form a cycle, are not in order, or it is "
                     "missing",
                     name);
}

void flow_scopes(const flow_frame *frame, onnx_scope *out_scopes, size_t *out_n)
{
    size_t n = 0;
    for (; frame && n <= FLOW_MAX_DEPTH; frame = frame->outer, n++) {
        out_scopes[n] = (onnx_scope){
            .initializers = frame->body->initializers,
            .graph = frame->body->graph,
            .function = frame->function,
            .call_attrs = frame->call_attrs,
            .n_call_attrs = frame->n_call_attrs,
            .depth = frame->depth,
        };
        if (n)
            out_scopes[n - 1].parent = &out_scopes[n];
    }
    *out_n = n;
}
