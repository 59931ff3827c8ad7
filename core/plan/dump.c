// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "plan/place.h"

/* ---- pieces of text ---- */

static void print_label(const maru_plan *plan, const maru_unit *u, maru_str *out)
{
    for (uint32_t k = 0; k < u->n_nodes; k++)
        maru_str_printf(out, "%s%s", k ? "+" : "", plan->graph->nodes.data[u->nodes[k]].op->name);
}

static const char *unit_scope(const maru_plan *plan, const maru_unit *u)
{
    return plan->graph->nodes.data[u->nodes[u->n_nodes - 1]].scope;
}

static void print_value(const maru_plan *plan, maru_value value, maru_str *out)
{
    const maru_value_record *v = maru_graph_get(plan->graph, value);
    maru_str_printf(out, "%%%u %s", value, maru_dtype_name(v->dtype));
    maru_dims_print(&plan->graph->exprs, v->dims, v->rank, out);
}

static void print_storage(const maru_plan *plan, const maru_plan_binding *b, maru_storage s, maru_str *out)
{
    static const char *const names[] = {
        [MARU_STORAGE_NONE] = "nowhere",     [MARU_STORAGE_INPUT] = "input",  [MARU_STORAGE_OUTPUT] = "output",
        [MARU_STORAGE_CONSTANT] = "constant", [MARU_STORAGE_SHAPE] = "shape", [MARU_STORAGE_STATE] = "state",
        [MARU_STORAGE_ARENA] = "arena",
    };
    maru_str_append(out, names[s.kind]);
    if (s.kind == MARU_STORAGE_ARENA && b)
        maru_str_printf(out, " %s+%llu", plan->devices[s.device].id, (unsigned long long)b->item_offsets[s.index]);
    else if (s.kind == MARU_STORAGE_ARENA)
        maru_str_printf(out, " %s#%u", plan->devices[s.device].id, s.index);
    else if (s.kind == MARU_STORAGE_OUTPUT)
        maru_str_printf(out, " '%s'", plan->graph->outputs.data[s.index].name);
    else if (s.kind == MARU_STORAGE_INPUT)
        maru_str_printf(out, " '%s'", maru_graph_get(plan->graph, plan->graph->inputs.data[s.index])->name);
    else if (s.kind == MARU_STORAGE_STATE)
        maru_str_printf(out, " '%s'", plan->graph->states.data[s.index].name);
}

static const char *unit_reason(const maru_plan *plan, const maru_unit *u)
{
    for (uint32_t k = 0; k < u->n_nodes; k++)
        if (*plan->places[u->nodes[k]].why)
            return plan->places[u->nodes[k]].why;
    return "";
}

/* ---- text ---- */

static void dump_step(const maru_plan *plan, const maru_plan_binding *b, uint32_t index, maru_str *out)
{
    const maru_step *s = &plan->steps.data[index];
    maru_str_printf(out, "%5u  %-10s ", index, plan->devices[s->device].id);
    if (s->kind != MARU_STEP_RUN) {
        maru_str_append(out, s->kind == MARU_STEP_COPY ? "copy " : "transfer ");
        print_value(plan, s->value, out);
        maru_str_append(out, ": ");
        print_storage(plan, b, s->from, out);
        maru_str_append(out, " -> ");
        print_storage(plan, b, s->to, out);
        maru_str_append(out, "\n");
        return;
    }
    const maru_unit *u = &plan->units.data[s->unit];
    print_label(plan, u, out);
    if (*u->kernel)
        maru_str_printf(out, " [%s%s%s]", u->kernel, *u->numeric ? ", " : "", u->numeric);
    if (*unit_scope(plan, u))
        maru_str_printf(out, " '%s'", unit_scope(plan, u));
    for (uint32_t i = 0; i < u->n_outputs; i++) {
        maru_str_append(out, i ? ", " : ": ");
        print_value(plan, u->outputs[i], out);
        maru_str_append(out, " in ");
        print_storage(plan, b, u->output_storage[i], out);
    }
    if (*unit_reason(plan, u))
        maru_str_printf(out, "  (fallback: %s)", unit_reason(plan, u));
    maru_str_append(out, "\n");
}

static void dump_refusals(const maru_plan *plan, maru_str *out)
{
    if (plan->refusals.count == 0)
        return;
    maru_str_append(out, "\nrefused:\n");
    for (size_t i = 0; i < plan->refusals.count; i++) {
        const maru_plan_refusal *r = &plan->refusals.data[i];
        const maru_node_record *node = &plan->graph->nodes.data[r->node];
        maru_str_printf(out, "  %-10s %s%s%s%s: %s\n", plan->devices[r->device].id, node->op->name,
                        *node->scope ? " '" : "", node->scope, *node->scope ? "'" : "", r->text);
    }
}

static void print_nodes(const maru_plan *plan, const maru_plan_question *q, maru_str *out)
{
    for (uint32_t k = 0; k < q->n_nodes; k++)
        maru_str_printf(out, "%s%s", k ? "+" : "", plan->graph->nodes.data[q->nodes[k]].op->name);
}

static void print_answer(const maru_plan_question *q, maru_str *out)
{
    if (q->n_claims)
        maru_str_printf(out, "%u %s", q->n_claims, q->n_claims == 1 ? "set" : "sets");
    if (*q->refusal)
        maru_str_printf(out, "%srefused: %s", q->n_claims ? ", " : "", q->refusal);
}

static void dump_questions(const maru_plan *plan, maru_str *out)
{
    if (plan->questions.count == 0)
        return;
    maru_str_append(out, "\nasked again:\n");
    for (size_t i = 0; i < plan->questions.count; i++) {
        const maru_plan_question *q = &plan->questions.data[i];
        const char *scope = plan->graph->nodes.data[q->nodes[q->n_nodes - 1]].scope;
        maru_str_printf(out, "  round %u  %-10s ", q->round, plan->devices[q->device].id);
        print_nodes(plan, q, out);
        maru_str_printf(out, "%s%s%s, since %s: ", *scope ? " '" : "", scope, *scope ? "'" : "", q->why);
        print_answer(q, out);
        maru_str_append(out, "\n");
    }
}

static void dump_memory(const maru_plan *plan, const maru_plan_binding *b, maru_str *out)
{
    maru_str_append(out, "\nwith");
    for (size_t i = 0; i < plan->graph->exprs.symbols.count; i++)
        maru_str_printf(out, " %s=%lld", plan->graph->exprs.symbols.data[i].name, (long long)b->symbol_values[i]);
    maru_str_append(out, plan->graph->exprs.symbols.count ? ":\n" : " no symbols:\n");
    for (uint32_t d = 0; d < plan->n_devices; d++)
        maru_str_printf(out, "  %-10s arena %llu bytes, at least %llu\n", plan->devices[d].id,
                        (unsigned long long)b->arena_bytes[d], (unsigned long long)b->lower_bound[d]);
}

static maru_status give(maru_str *out, char **out_text)
{
    maru_status status = maru_str_check(out);
    if (status == MARU_OK)
        *out_text = maru_str_take(out);
    maru_str_fini(out);
    return status == MARU_OK && !*out_text ? maru_fail_oom("a plan's text") : status;
}

maru_status maru_plan_dump(const maru_plan *plan, const maru_plan_binding *binding, char **out_text)
{
    *out_text = NULL;
    maru_str out = {0};
    maru_str_printf(&out, "plan of '%s': %zu nodes in %zu steps, %u views\n", plan->graph->name,
                    plan->graph->nodes.count, plan->steps.count, plan->n_views);
    for (uint32_t d = 0; d < plan->n_devices; d++) {
        uint32_t n = 0;
        for (size_t u = 0; u < plan->units.count; u++)
            n += plan->units.data[u].device == d;
        maru_str_printf(&out, "  %-10s %s, %u programs\n", plan->devices[d].id,
                        plan->devices[d].is_asked ? "asked" : "fallback", n);
    }
    maru_str_append(&out, "\nsteps:\n");
    for (uint32_t i = 0; i < plan->steps.count; i++)
        dump_step(plan, binding, i, &out);
    dump_refusals(plan, &out);
    dump_questions(plan, &out);
    if (binding)
        dump_memory(plan, binding, &out);
    return give(&out, out_text);
}

/* ---- JSON ---- */

static void json_string(maru_str *out, const char *key, const char *text)
{
    maru_str_printf(out, "\"%s\": ", key);
    maru_str_append_quoted(out, text, strlen(text));
}

static void json_step(const maru_plan *plan, const maru_plan_binding *b, uint32_t index, maru_str *out)
{
    const maru_step *s = &plan->steps.data[index];
    maru_str label = {0};
    maru_str_append(out, index ? ",\n    {" : "\n    {");
    json_string(out, "device", plan->devices[s->device].id);
    maru_str_append(out, ", ");
    if (s->kind == MARU_STEP_RUN)
        print_label(plan, &plan->units.data[s->unit], &label);
    else
        maru_str_append(&label, s->kind == MARU_STEP_COPY ? "copy" : "transfer");
    json_string(out, "op", maru_str_get(&label));
    if (s->kind == MARU_STEP_RUN) {
        const maru_unit *u = &plan->units.data[s->unit];
        maru_str_append(out, ", ");
        json_string(out, "kernel", u->kernel);
        maru_str_append(out, ", ");
        json_string(out, "numeric", u->numeric);
        maru_str_append(out, ", ");
        json_string(out, "scope", unit_scope(plan, u));
        maru_str_append(out, ", ");
        json_string(out, "fallback", unit_reason(plan, u));
        maru_str_printf(out, ", \"cost_ns\": %lld, \"outputs\": [", (long long)u->cost_ns);
        for (uint32_t i = 0; i < u->n_outputs; i++) {
            maru_str_clear(&label);
            print_value(plan, u->outputs[i], &label);
            maru_str_append(out, i ? ", {" : "{");
            json_string(out, "value", maru_str_get(&label));
            maru_str_clear(&label);
            print_storage(plan, b, u->output_storage[i], &label);
            maru_str_append(out, ", ");
            json_string(out, "in", maru_str_get(&label));
            maru_str_append(out, "}");
        }
        maru_str_append(out, "]");
    }
    maru_str_append(out, "}");
    maru_str_fini(&label);
}

static void json_refusals(const maru_plan *plan, maru_str *out)
{
    for (size_t i = 0; i < plan->refusals.count; i++) {
        const maru_plan_refusal *r = &plan->refusals.data[i];
        maru_str_append(out, i ? ",\n    {" : "\n    {");
        json_string(out, "device", plan->devices[r->device].id);
        maru_str_append(out, ", ");
        json_string(out, "op", plan->graph->nodes.data[r->node].op->name);
        maru_str_append(out, ", ");
        json_string(out, "scope", plan->graph->nodes.data[r->node].scope);
        maru_str_append(out, ", ");
        json_string(out, "reason", r->text);
        maru_str_append(out, "}");
    }
}

static void json_questions(const maru_plan *plan, maru_str *out)
{
    for (size_t i = 0; i < plan->questions.count; i++) {
        const maru_plan_question *q = &plan->questions.data[i];
        maru_str nodes = {0};
        print_nodes(plan, q, &nodes);
        maru_str_printf(out, "%s\n    {\"round\": %u, ", i ? "," : "", q->round);
        json_string(out, "device", plan->devices[q->device].id);
        maru_str_append(out, ", ");
        json_string(out, "op", maru_str_get(&nodes));
        maru_str_append(out, ", ");
        json_string(out, "scope", plan->graph->nodes.data[q->nodes[q->n_nodes - 1]].scope);
        maru_str_append(out, ", ");
        json_string(out, "since", q->why);
        maru_str_printf(out, ", \"sets\": %u, ", q->n_claims);
        json_string(out, "refused", q->refusal);
        maru_str_append(out, "}");
        maru_str_fini(&nodes);
    }
}

maru_status maru_plan_json(const maru_plan *plan, const maru_plan_binding *binding, char **out_text)
{
    *out_text = NULL;
    maru_str out = {0};
    maru_str_append(&out, "{\n  ");
    json_string(&out, "graph", plan->graph->name);
    maru_str_printf(&out, ",\n  \"nodes\": %zu,\n  \"views\": %u,\n  \"fallbacks\": %u,\n  \"devices\": [",
                    plan->graph->nodes.count, plan->n_views, plan->n_fallback);
    for (uint32_t d = 0; d < plan->n_devices; d++) {
        maru_str_append(&out, d ? ", {" : "{");
        json_string(&out, "id", plan->devices[d].id);
        maru_str_printf(&out, ", \"asked\": %s", plan->devices[d].is_asked ? "true" : "false");
        if (binding)
            maru_str_printf(&out, ", \"arena_bytes\": %llu, \"lower_bound\": %llu",
                            (unsigned long long)binding->arena_bytes[d], (unsigned long long)binding->lower_bound[d]);
        maru_str_append(&out, "}");
    }
    maru_str_append(&out, "],\n  \"steps\": [");
    for (uint32_t i = 0; i < plan->steps.count; i++)
        json_step(plan, binding, i, &out);
    maru_str_append(&out, "\n  ],\n  \"refused\": [");
    json_refusals(plan, &out);
    maru_str_append(&out, "\n  ],\n  \"asked_again\": [");
    json_questions(plan, &out);
    maru_str_append(&out, "\n  ]\n}\n");
    return give(&out, out_text);
}

/* ---- DOT ---- */

/* An edge from where `value` is made to `to`: red where it goes from one device to another. */
static void dot_edge(const maru_plan *plan, maru_value value, const char *to, const maru_unit *reader, maru_str *out)
{
    const maru_value root = maru_plan_root(plan, value);
    const maru_value_record *v = maru_graph_get(plan->graph, root);
    const uint32_t from = v->kind == MARU_VALUE_NODE ? plan->places[v->source].unit : 0;
    const bool moves = reader && v->kind == MARU_VALUE_NODE && plan->units.data[from].device != reader->device;
    if (v->kind == MARU_VALUE_NODE)
        maru_str_printf(out, "  u%u -> %s", from, to);
    else if (v->kind == MARU_VALUE_INPUT || v->kind == MARU_VALUE_STATE)
        maru_str_printf(out, "  v%u -> %s", root, to);
    else
        return;
    maru_str_printf(out, " [label=\"%s", maru_dtype_name(v->dtype));
    maru_dims_print(&plan->graph->exprs, v->dims, v->rank, out);
    maru_str_printf(out, "\"%s];\n", moves ? ", color=\"#c0392b\", penwidth=2" : "");
}

static void dot_edges(const maru_plan *plan, uint32_t unit, maru_str *out)
{
    const maru_unit *u = &plan->units.data[unit];
    char to[16];
    snprintf(to, sizeof to, "u%u", unit);
    for (uint32_t i = 0; i < u->n_inputs; i++)
        dot_edge(plan, u->inputs[i], to, u, out);
}

static void dot_outputs(const maru_plan *plan, maru_str *out)
{
    for (uint32_t i = 0; i < plan->graph->outputs.count; i++) {
        const maru_output_record *o = &plan->graph->outputs.data[i];
        char to[16];
        snprintf(to, sizeof to, "o%u", i);
        maru_str_printf(out, "  %s [shape=oval, fillcolor=\"#f2f2f2\", label=", to);
        maru_str_append_quoted(out, o->name, strlen(o->name));
        maru_str_append(out, "];\n");
        dot_edge(plan, o->value, to, NULL, out);
    }
}

maru_status maru_plan_dot(const maru_plan *plan, char **out_text)
{
    static const char *const colors[] = {"#dceefb", "#fdebd0", "#d5f5e3", "#fadbd8", "#e8daef", "#fcf3cf"};
    *out_text = NULL;
    maru_str out = {0};
    maru_str_append(&out, "digraph plan {\n"
                          "  node [shape=box, fontname=\"sans-serif\", fontsize=10, style=\"rounded,filled\", "
                          "color=\"#555555\"];\n"
                          "  edge [fontname=\"sans-serif\", fontsize=8, color=\"#555555\", fontcolor=\"#777777\", "
                          "arrowsize=0.6];\n");
    for (maru_value v = 1; v < plan->graph->values.count; v++) {
        const maru_value_record *record = maru_graph_get(plan->graph, v);
        if (record->kind != MARU_VALUE_INPUT && record->kind != MARU_VALUE_STATE)
            continue;
        maru_str_printf(&out, "  v%u [shape=oval, fillcolor=white, label=", v);
        maru_str_append_quoted(&out, record->name, strlen(record->name));
        maru_str_append(&out, "];\n");
    }
    for (uint32_t u = 0; u < plan->units.count; u++) {
        const maru_unit *unit = &plan->units.data[u];
        maru_str label = {0};
        print_label(plan, unit, &label);
        maru_str_printf(&label, "\n%s%s%s", plan->devices[unit->device].id, *unit->kernel ? ": " : "", unit->kernel);
        maru_str_printf(&out, "  u%u [fillcolor=\"%s\", label=", u,
                        colors[unit->device % (sizeof colors / sizeof *colors)]);
        maru_str_append_quoted(&out, maru_str_get(&label), label.length);
        maru_str_append(&out, "];\n");
        maru_str_fini(&label);
        dot_edges(plan, u, &out);
    }
    dot_outputs(plan, &out);
    maru_str_append(&out, "}\n");
    return give(&out, out_text);
}
