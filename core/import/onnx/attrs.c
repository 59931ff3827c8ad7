// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* ---- reading ---- */

const onnx_attr *onnx_attr_find(const onnx_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i]->name, name) == 0)
            return n->attrs[i];
    return NULL;
}

int64_t onnx_attr_int(const onnx_node *n, const char *name, int64_t fallback)
{
    const onnx_attr *attr = onnx_attr_find(n, name);
    return attr && attr->has_i ? attr->i : fallback;
}

double onnx_attr_float(const onnx_node *n, const char *name, double fallback)
{
    const onnx_attr *attr = onnx_attr_find(n, name);
    return attr && attr->has_f ? (double)attr->f : fallback;
}

bool onnx_attr_is(const onnx_node *n, const char *name, const char *text, const char *fallback)
{
    const onnx_attr *attr = onnx_attr_find(n, name);
    if (!attr || !attr->has_s)
        return strcmp(text, fallback) == 0;
    return attr->s.len == strlen(text) && memcmp(attr->s.data, text, attr->s.len) == 0;
}

const int64_t *onnx_attr_ints(const onnx_node *n, const char *name, size_t *out_n)
{
    static const int64_t none[1];
    const onnx_attr *attr = onnx_attr_find(n, name);
    *out_n = attr ? attr->n_ints : 0;
    if (!attr)
        return NULL;
    return attr->ints ? attr->ints : none;
}

bool onnx_has(const onnx_node *n, size_t index)
{
    return index < n->n_inputs && n->inputs[index] != MARU_NO_VALUE;
}

/* ---- converting ---- */

/* What an attribute's lists and texts are copied to until the node has its own. */
typedef struct room {
    maru_arena arena;
} room;

static maru_status take_text(room *r, ProtobufCBinaryData from, const char **out)
{
    *out = maru_arena_strndup(&r->arena, from.data ? (const char *)from.data : "", from.len);
    return *out ? MARU_OK : maru_fail_oom("an attribute");
}

static maru_status take_lists(room *r, const onnx_attr *from, maru_attribute *to)
{
    if (to->kind == MARU_ATTR_INTS) {
        to->n = from->n_ints;
        to->ints = from->ints;
        return MARU_OK;
    }
    to->n = to->kind == MARU_ATTR_FLOATS ? from->n_floats : from->n_strings;
    double *floats = maru_arena_alloc_array(&r->arena, to->n + 1, sizeof *floats);
    const char **strings = maru_arena_alloc_array(&r->arena, to->n + 1, sizeof *strings);
    if (!floats || !strings)
        return maru_fail_oom("an attribute");
    for (size_t i = 0; i < to->n; i++) {
        if (to->kind == MARU_ATTR_FLOATS)
            floats[i] = (double)from->floats[i];
        else
            MARU_TRY(take_text(r, from->strings[i], &strings[i]));
    }
    to->floats = floats;
    to->strings = strings;
    return MARU_OK;
}

/* The kind is the one that the message says, or that of its one member where it says none (before IR version 3). */
static maru_attr_kind kind_of(const onnx_attr *a)
{
    switch ((int)(a->has_type ? a->type : 0)) {
    case MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: return MARU_ATTR_FLOAT;
    case MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: return MARU_ATTR_INT;
    case MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: return MARU_ATTR_STRING;
    case MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR: return MARU_ATTR_TENSOR;
    case MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS: return MARU_ATTR_FLOATS;
    case MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS: return MARU_ATTR_INTS;
    case MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS: return MARU_ATTR_STRINGS;
    case 0: break;
    default: return 0;
    }
    return a->has_f ? MARU_ATTR_FLOAT : a->has_i ? MARU_ATTR_INT : a->has_s ? MARU_ATTR_STRING : a->t ? MARU_ATTR_TENSOR
         : a->n_floats ? MARU_ATTR_FLOATS : a->n_ints ? MARU_ATTR_INTS : a->n_strings ? MARU_ATTR_STRINGS : 0;
}

static maru_status convert(onnx_node *n, room *r, const onnx_attr *from, maru_attribute *to)
{
    *to = (maru_attribute){.name = from->name, .kind = kind_of(from)};
    switch (to->kind) {
    case MARU_ATTR_INT: to->i = from->i; return MARU_OK;
    case MARU_ATTR_FLOAT: to->f = (double)from->f; return MARU_OK;
    case MARU_ATTR_STRING: return take_text(r, from->s, &to->s);
    case MARU_ATTR_INTS:
    case MARU_ATTR_FLOATS:
    case MARU_ATTR_STRINGS: return take_lists(r, from, to);
    case MARU_ATTR_TENSOR:
        if (from->t)
            return maru_onnx_constant(n->import->file, from->t, n->import->graph, &to->tensor);
    }
    return maru_fail(MARU_UNSUPPORTED, "attribute '%s' is of a kind that is not supported here", from->name);
}

/* ---- adding ---- */

maru_status onnx_add(onnx_node *n, const char *op, const maru_value *inputs, size_t n_inputs,
                     const maru_attribute *attrs, size_t n_attrs, maru_value *out_value)
{
    maru_value value = MARU_NO_VALUE;  // *out_value may be among the inputs
    const maru_status status = maru_graph_node(n->import->graph, op, inputs, n_inputs, attrs, n_attrs, &value, 1);
    *out_value = value;
    return status;
}

static bool is_listed(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

maru_status onnx_add_as(onnx_node *n, const char *op, const char *const *without, const maru_attribute *extra,
                        size_t n_extra)
{
    maru_attribute attrs[2 * ONNX_MAX_ATTRS];
    size_t count = 0;
    room r = {{0}};
    maru_status status = MARU_OK;
    for (size_t i = 0; i < n->n_attrs && status == MARU_OK; i++)
        if (!is_listed(without, n->attrs[i]->name))
            status = convert(n, &r, n->attrs[i], &attrs[count++]);
    for (size_t i = 0; i < n_extra; i++)
        attrs[count++] = extra[i];
    if (status == MARU_OK)
        status = maru_graph_node(n->import->graph, op, n->inputs, n->n_inputs, attrs, count, n->outputs, n->n_outputs);
    maru_arena_fini(&r.arena);
    return status;
}

maru_status onnx_ints(onnx_node *n, const int64_t *ints, size_t count, maru_value *out_value)
{
    return maru_graph_ints(n->import->graph, ints, count, out_value);
}

maru_status onnx_scalar_like(onnx_node *n, maru_value like, double value, maru_value *out_value)
{
    const maru_value_record *v = maru_graph_get(n->import->graph, like);
    return maru_graph_scalar(n->import->graph, v->dtype, value, out_value);
}

maru_status onnx_add_newest(onnx_node *n)
{
    const maru_op_info *op = maru_op_find(n->op);
    if (op && n->n_outputs < (size_t)op->min_outputs)
        n->n_outputs = (size_t)op->min_outputs;
    return onnx_add_as(n, n->op, NULL, NULL, 0);
}
