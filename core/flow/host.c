// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

static const flow_host_op *const tables[] = {
    flow_control_ops, flow_scan_ops, flow_sequence_ops, flow_text_ops, flow_label_ops, flow_picture_ops,
};

static const flow_host_op *find_op(const char *domain, const char *op)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const flow_host_op *row = tables[t]; row->op; row++)
            if (strcmp(row->op, op) == 0 && strcmp(row->domain, domain) == 0)
                return row;
    return NULL;
}

/* Constant with text, Cast to it, LabelEncoder of or into it. */
bool flow_makes_text(const onnx_node_proto *node)
{
    const char *op = onnx_text_of(node->op_type);
    const bool is_cast = strcmp(op, "Cast") == 0;
    if (!is_cast && strcmp(op, "Constant") != 0 && strcmp(op, "LabelEncoder") != 0)
        return false;
    for (size_t i = 0; i < node->n_attribute; i++) {
        const onnx_attr *a = node->attribute[i];
        const char *name = onnx_text_of(a->name);
        if (is_cast ? strcmp(name, "to") == 0 && a->i == MARU_STRING
                    : strcmp(name, "value_string") == 0 || a->n_strings ||
                          (a->t && a->t->has_data_type && a->t->data_type == MARU_STRING))
            return true;
    }
    return false;
}

/* ---- what nodes check ---- */

bool flow_has(const flow_node *n, size_t index)
{
    return index < n->n_inputs && n->inputs[index];
}

maru_status flow_need(const flow_node *n, size_t index, maru_item_kind kind, maru_item **out_item)
{
    if (!flow_has(n, index))
        return maru_fail(MARU_INVALID_ARGUMENT, "it has no input %zu", index);
    *out_item = n->inputs[index];
    const maru_item_kind is = maru_item_get_kind(*out_item);
    if (is == kind)
        return MARU_OK;
    return maru_fail(MARU_INVALID_ARGUMENT, "input %zu must be %s, it is %s", index, maru_item_kind_name(kind),
                     maru_item_kind_name(is));
}

maru_status flow_need_tensor(const flow_node *n, size_t index, const maru_tensor **out_tensor)
{
    maru_item *item = NULL;
    MARU_TRY(flow_need(n, index, MARU_ITEM_TENSOR, &item));
    *out_tensor = maru_item_get_tensor(item);
    return MARU_OK;
}

maru_status flow_need_text(const flow_node *n, size_t index, const maru_strings **out_text)
{
    maru_item *item = NULL;
    MARU_TRY(flow_need(n, index, MARU_ITEM_TEXT, &item));
    *out_text = maru_item_get_text(item);
    return MARU_OK;
}

maru_status flow_need_integer(const flow_node *n, size_t index, int64_t *out_value)
{
    const maru_tensor *t = NULL;
    MARU_TRY(flow_need_tensor(n, index, &t));
    const bool is_integer = t->dtype == MARU_I64 || t->dtype == MARU_I32 || t->dtype == MARU_BOOL;
    if (!is_integer || maru_tensor_count(t) != 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "input %zu must be one integer, it is %" PRId64 " of %s", index,
                         maru_tensor_count(t), maru_dtype_name(t->dtype));
    if (t->dtype == MARU_I64)
        memcpy(out_value, t->data, sizeof *out_value);
    else
        *out_value = (int64_t)maru_tensor_get_f64(t, 0);
    return MARU_OK;
}

maru_status flow_integer_item(maru_dtype dtype, int64_t value, maru_item **out_item)
{
    maru_tensor t = {0};
    uint8_t truth = value != 0;
    MARU_TRY(maru_tensor_wrap(dtype, NULL, 0, dtype == MARU_BOOL ? (void *)&truth : (void *)&value,
                              dtype == MARU_BOOL ? 1 : sizeof value, &t));
    return maru_item_copy(&t, out_item);
}

/* ---- running one ---- */

static maru_status read_node(flow_node *n)
{
    size_t n_scopes = 0;
    onnx_import import = {.file = n->frame->flow->file, .model = n->frame->flow->model};
    flow_scopes(n->frame, n->scopes, &n_scopes);
    MARU_TRY(onnx_read_attrs(&import, &n->scopes[0], n->proto, &n->attrs));
    n->attrs.import = NULL;  // it is gone when this returns
    if (n->proto->n_input > ONNX_MAX_OPERANDS || n->proto->n_output > ONNX_MAX_OPERANDS)
        return maru_fail(MARU_UNSUPPORTED, "it has more than %d inputs or outputs", ONNX_MAX_OPERANDS);
    for (size_t i = 0; i < n->proto->n_input; i++) {
        MARU_TRY(flow_get(n->frame, n->proto->input[i], &n->inputs[i]));
        n->n_inputs = n->inputs[i] ? i + 1 : n->n_inputs;
    }
    for (size_t i = 0; i < n->proto->n_output; i++)
        n->n_outputs = *onnx_text_of(n->proto->output[i]) ? i + 1 : n->n_outputs;
    return MARU_OK;
}

static maru_status run_op(flow_node *n)
{
    const onnx_function *function = onnx_find_function(n->frame->flow->model, n->proto);
    const flow_host_op *row = find_op(n->attrs.domain, n->attrs.op);
    if (function)
        return flow_run_function(n, function);
    if (row)
        return row->run(n);
    if (!*n->attrs.domain && strcmp(n->attrs.op, "If") == 0)
        return flow_run_if(n);
    if (!*n->attrs.domain && strcmp(n->attrs.op, "Identity") == 0 && flow_has(n, 0)) {
        n->outputs[0] = maru_item_hold(n->inputs[0]);
        return MARU_OK;
    }
    return flow_run_ranks(n);
}

static maru_status give_outputs(flow_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++) {
        maru_item *item = n->outputs[i];
        n->outputs[i] = NULL;
        if (!item && *onnx_text_of(n->proto->output[i]))
            return maru_fail(MARU_UNSUPPORTED, "its output '%s' is not supported", n->proto->output[i]);
        MARU_TRY(flow_set(n->frame, n->proto->output[i], item));
    }
    return MARU_OK;
}

maru_status flow_run_host(flow_frame *frame, size_t index)
{
    flow_node *n = calloc(1, sizeof *n);
    if (!n)
        return maru_fail_oom("a node");
    n->frame = frame;
    n->index = index;
    n->proto = frame->body->nodes[index];
    maru_status status = read_node(n);
    if (status == MARU_OK)
        status = run_op(n);
    if (status == MARU_OK)
        status = give_outputs(n);
    for (size_t i = 0; i < ONNX_MAX_OPERANDS; i++)
        maru_item_release(&n->outputs[i]);
    free(n);
    return status;
}
