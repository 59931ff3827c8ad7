// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/dtype.h"
#include "base/fail.h"
#include "base/str.h"

/*
 * The text form. Values are numbered in the order of their definition, which
 * is the order of their ids, so that a graph read back prints the same.
 *
 *     maru 1 "name"
 *     symbol batch min=1 max=- multiple=1 typical=-
 *     %1 = input "ids" i64[batch, seq]
 *     %2 = const "w" f32[2, 3] external
 *     %3 = const "" f32[2] {1.0, 2.0}
 *     %4 = const "" f32[128] base64 "AACAPwAAAEA..."
 *     %5 = shape [batch*seq, 384]
 *     %6 = state "k" f32[1, 4, 512, 8] axis=2 length=%1 ring
 *     %7, _ = TopK(%1, _) {axis=-1} "scope"
 *     name %7 "logits"
 *     output "logits" %7
 *     set_state "k" %7
 *
 * What a file of weights has is `external`; a table that a script computed has no other home than the text.
 */
enum { MAX_INLINE = 64 };

typedef struct dumper {
    const maru_graph *graph;
    maru_str out;
    uint32_t *number;  // value -> printed number, 0: not printed yet
    uint32_t next;
} dumper;

static void print_ref(dumper *d, maru_value value)
{
    if (value == MARU_NO_VALUE)
        maru_str_append(&d->out, "_");
    else
        maru_str_printf(&d->out, "%%%u", d->number[value]);
}

static void print_type(dumper *d, const maru_value_record *v)
{
    maru_str_append(&d->out, maru_dtype_name(v->dtype));
    maru_dims_print(&d->graph->exprs, v->dims, v->rank, &d->out);
}

static void print_quoted(dumper *d, const char *text)
{
    maru_str_append_quoted(&d->out, text, strlen(text));
}

static void print_elements(dumper *d, const maru_value_record *v, const void *data, int64_t n)
{
    const bool is_float = maru_dtype_get_info(v->dtype)->kind == MARU_CLASS_FLOAT;
    maru_str_append(&d->out, " {");
    for (int64_t i = 0; i < n; i++) {
        maru_str_append(&d->out, i ? ", " : "");
        if (is_float)
            maru_str_append_f64(&d->out, maru_dtype_load_f64(v->dtype, data, i));
        else
            maru_str_printf(&d->out, "%lld", (long long)maru_dtype_load_i64(v->dtype, data, i));
    }
    maru_str_append(&d->out, "}");
}

/* Little-endian, as every dtype lies in memory and files. */
static void print_bytes(dumper *d, const maru_constant_source *source)
{
    maru_str_append(&d->out, " base64 \"");
    maru_base64_append(&d->out, source->data, source->bytes);
    maru_str_append(&d->out, "\"");
}

static void print_constant(dumper *d, const maru_value_record *v)
{
    const maru_constant_record *c = &d->graph->constants.data[v->source];
    const maru_dtype_info *info = maru_dtype_get_info(v->dtype);
    int64_t n = 0;
    const bool counted = maru_dims_count(v->dims, v->rank, &n) == MARU_OK;
    maru_str_append(&d->out, "const ");
    print_quoted(d, v->name);
    maru_str_append(&d->out, " ");
    print_type(d, v);
    if (c->source.data && counted && n <= MAX_INLINE && info->block_elements == 1 && info->kind != MARU_CLASS_BLOCK)
        print_elements(d, v, c->source.data, n);
    else if (!c->source.data || c->source.is_stored)
        maru_str_append(&d->out, " external");
    else
        print_bytes(d, &c->source);
}

static void print_state(dumper *d, const maru_value_record *v)
{
    const maru_state_record *s = &d->graph->states.data[v->source];
    maru_str_append(&d->out, "state ");
    print_quoted(d, s->name);
    maru_str_append(&d->out, " ");
    print_type(d, v);
    if (s->params.axis)
        maru_str_printf(&d->out, " axis=%d", s->params.axis - 1);
    if (s->params.length != MARU_NO_VALUE) {
        maru_str_append(&d->out, " length=");
        print_ref(d, s->params.length);
    }
    if (s->params.is_ring)
        maru_str_append(&d->out, " ring");
}

static void print_attr(dumper *d, const maru_attribute *a)
{
    maru_str_append(&d->out, a->name);
    maru_str_append(&d->out, "=");
    switch (a->kind) {
    case MARU_ATTR_INT: maru_str_printf(&d->out, "%lld", (long long)a->i); return;
    case MARU_ATTR_FLOAT: maru_str_append_f64(&d->out, a->f); return;
    case MARU_ATTR_STRING: print_quoted(d, a->s); return;
    case MARU_ATTR_TENSOR: print_ref(d, a->tensor); return;
    case MARU_ATTR_INTS:
    case MARU_ATTR_FLOATS:
    case MARU_ATTR_STRINGS: break;
    }
    static const char *const open[] = {[MARU_ATTR_INTS] = "ints", [MARU_ATTR_FLOATS] = "floats",
                                       [MARU_ATTR_STRINGS] = "strings"};
    maru_str_printf(&d->out, "%s[", open[a->kind]);
    for (size_t i = 0; i < a->n; i++) {
        maru_str_append(&d->out, i ? ", " : "");
        if (a->kind == MARU_ATTR_INTS)
            maru_str_printf(&d->out, "%lld", (long long)a->ints[i]);
        else if (a->kind == MARU_ATTR_FLOATS)
            maru_str_append_f64(&d->out, a->floats[i]);
        else
            print_quoted(d, a->strings[i]);
    }
    maru_str_append(&d->out, "]");
}

static void print_node(dumper *d, const maru_node_record *node)
{
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        d->number[node->outputs[i]] = d->next++;
        maru_str_append(&d->out, i ? ", " : "");
        print_ref(d, node->outputs[i]);
    }
    maru_str_printf(&d->out, " = %s%s%s(", node->op->domain, *node->op->domain ? "." : "", node->op->name);
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        maru_str_append(&d->out, i ? ", " : "");
        print_ref(d, node->inputs[i]);
    }
    maru_str_append(&d->out, ")");
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        maru_str_append(&d->out, i ? ", " : " {");
        print_attr(d, &node->attrs[i]);
    }
    maru_str_append(&d->out, node->n_attrs ? "}" : "");
    if (*node->scope) {
        maru_str_append(&d->out, " ");
        print_quoted(d, node->scope);
    }
    // The types are inferred again on reading; they are printed for people.
    maru_str_append(&d->out, "  # ");
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        maru_str_append(&d->out, i ? ", " : "");
        print_type(d, maru_graph_get(d->graph, node->outputs[i]));
    }
    maru_str_append(&d->out, "\n");
}

static void print_value(dumper *d, maru_value value)
{
    const maru_value_record *v = maru_graph_get(d->graph, value);
    d->number[value] = d->next++;
    print_ref(d, value);
    maru_str_append(&d->out, " = ");
    switch (v->kind) {
    case MARU_VALUE_INPUT:
        maru_str_append(&d->out, "input ");
        print_quoted(d, v->name);
        maru_str_append(&d->out, " ");
        print_type(d, v);
        break;
    case MARU_VALUE_CONSTANT: print_constant(d, v); break;
    case MARU_VALUE_SHAPE:
        maru_str_append(&d->out, "shape ");
        maru_dims_print(&d->graph->exprs, v->elems, v->n_elems, &d->out);
        break;
    case MARU_VALUE_STATE: print_state(d, v); break;
    case MARU_VALUE_NODE: break;
    }
    maru_str_append(&d->out, "\n");
}

static void print_symbols(dumper *d)
{
    for (size_t i = 0; i < d->graph->exprs.symbols.count; i++) {
        const maru_symbol_record *s = &d->graph->exprs.symbols.data[i];
        maru_str_printf(&d->out, "symbol %s min=%lld", s->name, (long long)s->params.min);
        if (s->params.max >= 0)
            maru_str_printf(&d->out, " max=%lld", (long long)s->params.max);
        if (s->params.multiple_of != 1)
            maru_str_printf(&d->out, " multiple=%lld", (long long)s->params.multiple_of);
        if (s->params.typical >= 0)
            maru_str_printf(&d->out, " typical=%lld", (long long)s->params.typical);
        maru_str_append(&d->out, "\n");
    }
}

static void print_tail(dumper *d)
{
    const maru_graph *g = d->graph;
    for (maru_value v = 1; v < g->values.count; v++) {
        const maru_value_record *record = maru_graph_get(g, v);
        const bool named = record->kind == MARU_VALUE_NODE || record->kind == MARU_VALUE_SHAPE;
        if (!named || !*record->name)
            continue;
        maru_str_append(&d->out, "name ");
        print_ref(d, v);
        maru_str_append(&d->out, " ");
        print_quoted(d, record->name);
        maru_str_append(&d->out, "\n");
    }
    for (size_t i = 0; i < g->outputs.count + g->states.count; i++) {
        const bool is_output = i < g->outputs.count;
        const maru_state_record *s = is_output ? NULL : &g->states.data[i - g->outputs.count];
        if (s && s->output == MARU_NO_VALUE)
            continue;
        maru_str_append(&d->out, is_output ? "output " : "set_state ");
        print_quoted(d, is_output ? g->outputs.data[i].name : s->name);
        maru_str_append(&d->out, " ");
        print_ref(d, is_output ? g->outputs.data[i].value : s->output);
        maru_str_append(&d->out, "\n");
    }
}

maru_status maru_graph_dump(const maru_graph *graph, char **out_text)
{
    *out_text = NULL;
    dumper d = {.graph = graph, .next = 1};
    d.number = calloc(graph->values.count, sizeof *d.number);
    if (!d.number)
        return maru_fail_oom("a dump");
    maru_str_append(&d.out, "maru 1 ");
    print_quoted(&d, graph->name);
    maru_str_append(&d.out, "\n");
    print_symbols(&d);
    for (maru_value v = 1; v < graph->values.count; v++) {
        const maru_value_record *record = maru_graph_get(graph, v);
        if (record->kind != MARU_VALUE_NODE)
            print_value(&d, v);
        else if (record->output_index == 0)
            print_node(&d, &graph->nodes.data[record->source]);
    }
    print_tail(&d);
    free(d.number);
    maru_status status = maru_str_check(&d.out);
    if (status == MARU_OK)
        *out_text = maru_str_take(&d.out);
    maru_str_fini(&d.out);
    return status == MARU_OK && !*out_text ? maru_fail_oom("a dump") : status;
}
