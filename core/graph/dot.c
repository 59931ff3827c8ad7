// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <string.h>

#include "base/fail.h"

/* Scopes are drawn as clusters one level deep: deeper ones make a picture that no layout survives. */

static void print_label(const maru_graph *graph, const maru_node_record *node, maru_str *out)
{
    maru_str label = {0};
    maru_str_append(&label, node->op->name);
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        const maru_value_record *v = maru_graph_get(graph, node->outputs[i]);
        maru_str_printf(&label, "\n%s", maru_dtype_name(v->dtype));
        maru_dims_print(&graph->exprs, v->dims, v->rank, &label);
    }
    maru_str_append_quoted(out, maru_str_get(&label), label.length);
    maru_str_fini(&label);
}

static void print_source(const maru_graph *graph, maru_value value, maru_str *out)
{
    const maru_value_record *v = maru_graph_get(graph, value);
    if (v->kind == MARU_VALUE_NODE)
        maru_str_printf(out, "n%u", v->source);
    else
        maru_str_printf(out, "v%u", value);
}

static void print_leaves(const maru_graph *graph, maru_str *out)
{
    for (maru_value value = 1; value < graph->values.count; value++) {
        const maru_value_record *v = maru_graph_get(graph, value);
        if (v->kind != MARU_VALUE_INPUT && v->kind != MARU_VALUE_STATE)
            continue;
        maru_str label = {0};
        maru_str_printf(&label, "%s\n%s", v->name, maru_dtype_name(v->dtype));
        maru_dims_print(&graph->exprs, v->dims, v->rank, &label);
        maru_str_printf(out, "  v%u [shape=%s, style=filled, fillcolor=\"%s\", label=", value,
                        v->kind == MARU_VALUE_INPUT ? "oval" : "cylinder",
                        v->kind == MARU_VALUE_INPUT ? "#dceefb" : "#fdebd0");
        maru_str_append_quoted(out, maru_str_get(&label), label.length);
        maru_str_append(out, "];\n");
        maru_str_fini(&label);
    }
}

static size_t scope_head(const char *scope)
{
    const char *dot = strchr(scope, '.');
    const char *second = dot ? strchr(dot + 1, '.') : NULL;
    return second ? (size_t)(second - scope) : strlen(scope);
}

static void print_nodes(const maru_graph *graph, maru_str *out)
{
    const char *open = "";
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const maru_node_record *node = &graph->nodes.data[i];
        const size_t n = scope_head(node->scope);
        if (n != scope_head(open) || strncmp(open, node->scope, n) != 0) {
            maru_str_append(out, *open ? "  }\n" : "");
            if (n) {
                maru_str_printf(out, "  subgraph cluster_%zu {\n    color=\"#bbbbbb\"; label=", i);
                maru_str_append_quoted(out, node->scope, n);
                maru_str_append(out, ";\n");
            }
            open = node->scope;
        }
        maru_str_printf(out, "    n%zu [label=", i);
        print_label(graph, node, out);
        maru_str_append(out, "];\n");
    }
    maru_str_append(out, *open ? "  }\n" : "");
}

static void print_edges(const maru_graph *graph, maru_str *out)
{
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const maru_node_record *node = &graph->nodes.data[i];
        for (uint32_t k = 0; k < node->n_inputs; k++) {
            if (node->inputs[k] == MARU_NO_VALUE)
                continue;
            const maru_value_kind kind = maru_graph_get(graph, node->inputs[k])->kind;
            if (kind == MARU_VALUE_CONSTANT || kind == MARU_VALUE_SHAPE)
                continue;
            maru_str_append(out, "  ");
            print_source(graph, node->inputs[k], out);
            maru_str_printf(out, " -> n%zu;\n", i);
        }
    }
    for (size_t i = 0; i < graph->outputs.count; i++) {
        maru_str_printf(out, "  o%zu [shape=oval, style=filled, fillcolor=\"#d5f5e3\", label=", i);
        maru_str_append_quoted(out, graph->outputs.data[i].name, strlen(graph->outputs.data[i].name));
        maru_str_append(out, "];\n  ");
        print_source(graph, graph->outputs.data[i].value, out);
        maru_str_printf(out, " -> o%zu;\n", i);
    }
}

maru_status maru_graph_dot(const maru_graph *graph, char **out_text)
{
    *out_text = NULL;
    maru_str out = {0};
    maru_str_append(&out, "digraph ");
    maru_str_append_quoted(&out, graph->name, strlen(graph->name));
    maru_str_append(&out, " {\n  node [shape=box, fontname=\"sans-serif\", fontsize=10, style=rounded];\n");
    print_leaves(graph, &out);
    print_nodes(graph, &out);
    print_edges(graph, &out);
    maru_str_append(&out, "}\n");
    maru_status status = maru_str_check(&out);
    if (status == MARU_OK)
        *out_text = maru_str_take(&out);
    maru_str_fini(&out);
    return status == MARU_OK && !*out_text ? maru_fail_oom("a drawing") : status;
}
