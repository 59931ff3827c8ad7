// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "export/onnx/writer.h"

#include <string.h>

#include "base/fail.h"

static void *make(onnx_writer *w, size_t count, size_t bytes)
{
    void *made = w->status == MARU_OK ? maru_arena_alloc_array(&w->arena, count ? count : 1, bytes) : NULL;
    if (!made && w->status == MARU_OK)
        w->status = maru_fail_oom("a node");
    return made;
}

/* protobuf-c has no const: what it is given is only read. */
static char *text(const char *chars)
{
    return (char *)(uintptr_t)chars;
}


/* ---- weights ---- */

const char *onnx_put_weight(onnx_writer *w, const char *wanted, const onnx_weight *weight)
{
    onnx_weight added = *weight;
    added.name = onnx_fresh_name(w, wanted);
    if (w->status == MARU_OK)
        w->status = maru_array_push(&w->weights, added);
    return added.name;
}

const char *onnx_put_ints(onnx_writer *w, const int64_t *values, size_t n)
{
    uint64_t at = 0;
    if (w->status != MARU_OK)
        return "";
    if (maru_map_get(&w->ints, values, n * sizeof *values, &at))
        return w->weights.data[at].name;
    int64_t *dims = make(w, 1, sizeof *dims);
    int64_t *data = make(w, n, sizeof *data);
    if (!dims || !data)
        return "";
    *dims = (int64_t)n;
    if (n)
        memcpy(data, values, n * sizeof *data);
    const onnx_weight weight = {.dtype = MARU_I64, .dims = dims, .rank = 1, .data = data, .bytes = n * sizeof *data};
    const char *name = onnx_put_weight(w, "ints", &weight);
    if (w->status == MARU_OK)
        w->status = maru_map_set(&w->ints, values, n * sizeof *values, w->weights.count - 1);
    return name;
}

/* ---- attributes ---- */

static onnx_attr_out *new_attr(onnx_writer *w, const char *name, Maru__Onnx__AttributeProto__AttributeType type)
{
    onnx_attr_out *a = make(w, 1, sizeof *a);
    if (!a)
        return NULL;
    maru__onnx__attribute_proto__init(a);
    a->name = text(name);
    a->has_type = 1;
    a->type = type;
    return a;
}

#define NEW_ATTR(w, name, type) new_attr(w, name, MARU__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##type)

static onnx_attr_out *int_attr(onnx_writer *w, const char *name, int64_t value)
{
    onnx_attr_out *a = NEW_ATTR(w, name, INT);
    if (a) {
        a->has_i = 1;
        a->i = value;
    }
    return a;
}

static onnx_attr_out *float_attr(onnx_writer *w, const char *name, double value)
{
    onnx_attr_out *a = NEW_ATTR(w, name, FLOAT);
    if (a) {
        a->has_f = 1;
        a->f = (float)value;
    }
    return a;
}

static onnx_attr_out *text_attr(onnx_writer *w, const char *name, const char *value)
{
    onnx_attr_out *a = NEW_ATTR(w, name, STRING);
    if (a) {
        a->has_s = 1;
        a->s = (ProtobufCBinaryData){strlen(value), (uint8_t *)text(value)};
    }
    return a;
}

static onnx_attr_out *ints_attr(onnx_writer *w, const char *name, const int64_t *values, size_t n)
{
    onnx_attr_out *a = NEW_ATTR(w, name, INTS);
    int64_t *copy = make(w, n, sizeof *copy);
    if (!a || !copy)
        return NULL;
    if (n)
        memcpy(copy, values, n * sizeof *copy);
    a->n_ints = n;
    a->ints = copy;
    return a;
}

static onnx_attr_out *floats_attr(onnx_writer *w, const maru_attribute *from)
{
    onnx_attr_out *a = NEW_ATTR(w, from->name, FLOATS);
    float *copy = make(w, from->n, sizeof *copy);
    if (!a || !copy)
        return NULL;
    for (size_t i = 0; i < from->n; i++)
        copy[i] = (float)from->floats[i];
    a->n_floats = from->n;
    a->floats = copy;
    return a;
}

static onnx_attr_out *texts_attr(onnx_writer *w, const maru_attribute *from)
{
    onnx_attr_out *a = NEW_ATTR(w, from->name, STRINGS);
    ProtobufCBinaryData *list = make(w, from->n, sizeof *list);
    if (!a || !list)
        return NULL;
    for (size_t i = 0; i < from->n; i++)
        list[i] = (ProtobufCBinaryData){strlen(from->strings[i]), (uint8_t *)text(from->strings[i])};
    a->n_strings = from->n;
    a->strings = list;
    return a;
}

static onnx_attr_out *tensor_attr(onnx_writer *w, const maru_attribute *from)
{
    const maru_value_record *v = maru_graph_get(w->graph, from->tensor);
    onnx_attr_out *a = NEW_ATTR(w, from->name, TENSOR);
    Maru__Onnx__TensorProto *t = make(w, 1, sizeof *t);
    if (!a || !t)
        return NULL;
    if (v->kind != MARU_VALUE_CONSTANT || !maru_graph_constant_data(w->graph, from->tensor)) {
        w->status = maru_fail(MARU_FAILED_PRECONDITION, "attribute '%s' is a tensor without data", from->name);
        return NULL;
    }
    maru__onnx__tensor_proto__init(t);
    t->has_data_type = 1;
    t->data_type = (int32_t)v->dtype;
    t->n_dims = v->rank;
    t->dims = v->dims;
    t->has_raw_data = 1;
    t->raw_data.data = (uint8_t *)(uintptr_t)maru_graph_constant_data(w->graph, from->tensor);
    t->raw_data.len = w->graph->constants.data[v->source].source.bytes;
    a->t = t;
    return a;
}

static onnx_attr_out *attr_of(onnx_writer *w, const maru_attribute *a)
{
    switch (a->kind) {
    case MARU_ATTR_INT: return int_attr(w, a->name, a->i);
    case MARU_ATTR_FLOAT: return float_attr(w, a->name, a->f);
    case MARU_ATTR_STRING: return text_attr(w, a->name, a->s);
    case MARU_ATTR_INTS: return ints_attr(w, a->name, a->ints, a->n);
    case MARU_ATTR_FLOATS: return floats_attr(w, a);
    case MARU_ATTR_STRINGS: return texts_attr(w, a);
    case MARU_ATTR_TENSOR: return tensor_attr(w, a);
    }
    return NULL;
}

/* ---- drafts ---- */

void onnx_draft_drop(onnx_draft *d, const char *attr)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_attrs; i++)
        if (strcmp(d->attrs[i]->name, attr) != 0)
            d->attrs[n++] = d->attrs[i];
    d->n_attrs = n;
}

static void set_attr(onnx_writer *w, onnx_draft *d, const char *name, onnx_attr_out *a)
{
    onnx_draft_drop(d, name);
    if (w->status == MARU_OK && a)
        d->attrs[d->n_attrs++] = a;
}

void onnx_draft_int(onnx_writer *w, onnx_draft *d, const char *name, int64_t value)
{
    set_attr(w, d, name, int_attr(w, name, value));
}

void onnx_draft_ints(onnx_writer *w, onnx_draft *d, const char *name, const int64_t *values, size_t n)
{
    set_attr(w, d, name, ints_attr(w, name, values, n));
}

void onnx_draft_text(onnx_writer *w, onnx_draft *d, const char *name, const char *value)
{
    set_attr(w, d, name, text_attr(w, name, value));
}

static char **copy_names(onnx_writer *w, const char *const *names, size_t n)
{
    char **list = make(w, n, sizeof *list);
    for (size_t i = 0; list && i < n; i++)
        list[i] = text(names[i]);
    return list;
}

void onnx_put_draft(onnx_writer *w, const onnx_draft *d)
{
    size_t n = d->n_inputs;
    while (n && !*d->inputs[n - 1])
        n--;
    onnx_node_out *node = make(w, 1, sizeof *node);
    char **inputs = copy_names(w, d->inputs, n);
    char **outputs = copy_names(w, d->outputs, d->n_outputs);
    onnx_attr_out **attrs = make(w, d->n_attrs, sizeof *attrs);
    if (!node || !inputs || !outputs || !attrs)
        return;
    maru__onnx__node_proto__init(node);
    node->op_type = text(d->op);
    node->n_input = n;
    node->input = inputs;
    node->n_output = d->n_outputs;
    node->output = outputs;
    if (d->n_attrs)
        memcpy(attrs, d->attrs, d->n_attrs * sizeof *attrs);
    node->n_attribute = d->n_attrs;
    node->attribute = attrs;
    const char *name = onnx_node_name(w, w->scope ? w->scope : "", d->op);
    if (*name)
        node->name = text(name);
    if (w->status == MARU_OK)
        w->status = maru_array_push(&w->nodes, node);
}

void onnx_put_into(onnx_writer *w, const char *op, const char *a, const char *b, const char *out)
{
    const char *inputs[] = {a, b};
    const onnx_draft d = {
        .op = op, .inputs = inputs, .n_inputs = b ? 2 : 1, .outputs = &out, .n_outputs = 1, .attrs = NULL};
    onnx_put_draft(w, &d);
}

const char *onnx_put(onnx_writer *w, const char *op, const char *a, const char *b)
{
    const char *out = onnx_fresh_name(w, "v");
    onnx_put_into(w, op, a, b, out);
    return out;
}

const char *onnx_put_cast(onnx_writer *w, const char *x, maru_dtype to, const char *out)
{
    onnx_attr_out *attrs[1];
    out = out ? out : onnx_fresh_name(w, "v");
    onnx_draft d = {.op = "Cast", .inputs = &x, .n_inputs = 1, .outputs = &out, .n_outputs = 1, .attrs = attrs};
    onnx_draft_int(w, &d, "to", (int64_t)to);
    onnx_put_draft(w, &d);
    return out;
}

/* ---- nodes of the graph ---- */

static bool make_draft(onnx_writer *w, const maru_node_record *node, onnx_draft *d)
{
    *d = (onnx_draft){.node = node, .op = node->op->name, .n_inputs = node->n_inputs, .n_outputs = node->n_outputs};
    d->inputs = make(w, (size_t)node->n_inputs + ONNX_SPARE_INPUTS, sizeof *d->inputs);
    d->outputs = make(w, node->n_outputs, sizeof *d->outputs);
    d->attrs = make(w, (size_t)node->n_attrs + ONNX_SPARE_ATTRS, sizeof *d->attrs);
    if (w->status != MARU_OK)
        return false;
    for (size_t i = 0; i < (size_t)node->n_inputs + ONNX_SPARE_INPUTS; i++)
        d->inputs[i] = i < node->n_inputs ? onnx_name(w, node->inputs[i]) : "";
    for (uint32_t i = 0; i < node->n_outputs; i++)
        d->outputs[i] = onnx_name(w, node->outputs[i]);
    for (uint32_t i = 0; i < node->n_attrs; i++)
        set_attr(w, d, node->attrs[i].name, attr_of(w, &node->attrs[i]));
    return w->status == MARU_OK;
}

void onnx_put_node(onnx_writer *w, const maru_node_record *node)
{
    onnx_draft d;
    const onnx_rule *rule = onnx_find_rule(w->graph, node, w->opset);
    w->scope = node->scope;
    if (!make_draft(w, node, &d))
        return;
    if (rule && rule->write)
        rule->write(w, &d);
    else
        onnx_put_draft(w, &d);
    w->scope = NULL;
}
