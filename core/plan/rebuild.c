// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

static maru_status copy_symbols(maru_rebuild *r)
{
    for (size_t i = 0; i < r->from->exprs.symbols.count; i++) {
        const maru_symbol_record *s = &r->from->exprs.symbols.data[i];
        maru_symbol_params params = s->params;
        params.min = params.min == 0 ? -1 : params.min;
        maru_dim ignored = 0;
        MARU_TRY(maru_graph_symbol(r->to, s->name, &params, &ignored));
    }
    return MARU_OK;
}

static maru_status copy_exprs(maru_rebuild *r)
{
    const maru_exprs *from = &r->from->exprs;
    for (size_t i = 0; i < from->list.count; i++) {
        const maru_expr_record *e = &from->list.data[i];
        if (e->op == MARU_EXPR_CONST)
            MARU_TRY(maru_expr_const(&r->to->exprs, e->a, &r->dims[i]));
        else if (e->op == MARU_EXPR_SYMBOL)
            MARU_TRY(maru_expr_symbol(&r->to->exprs, from->symbols.data[e->a].name, NULL, &r->dims[i]));
        else
            MARU_TRY(maru_expr_make(&r->to->exprs, e->op, r->dims[e->a], r->dims[e->b], &r->dims[i]));
    }
    return MARU_OK;
}

static maru_status map_dims(const maru_rebuild *r, const maru_value_record *v, maru_dim out[MARU_MAX_RANK])
{
    for (uint32_t d = 0; d < v->rank; d++)
        out[d] = maru_rebuild_dim(r, v->dims[d]);
    return MARU_OK;
}

static maru_status copy_inputs(maru_rebuild *r)
{
    maru_dim dims[MARU_MAX_RANK];
    for (size_t i = 0; i < r->from->inputs.count; i++) {
        const maru_value value = r->from->inputs.data[i];
        const maru_value_record *v = maru_graph_get(r->from, value);
        MARU_TRY(map_dims(r, v, dims));
        MARU_TRY(maru_graph_input(r->to, v->name, v->dtype, dims, v->rank, &r->map[value]));
    }
    for (size_t i = 0; i < r->from->states.count; i++) {
        const maru_state_record *s = &r->from->states.data[i];
        const maru_value_record *v = maru_graph_get(r->from, s->input);
        maru_state_params params = s->params;
        // A length that is an input is mapped already; one that a node makes is joined again in finish.
        params.length = params.length ? r->map[params.length] : MARU_NO_VALUE;
        MARU_TRY(maru_graph_state(r->to, s->name, v->dtype, v->dims, v->rank, &params, &r->map[s->input]));
    }
    return MARU_OK;
}

maru_status maru_rebuild_begin(const maru_graph *from, maru_rebuild *out)
{
    *out = (maru_rebuild){.from = from};
    out->map = calloc(from->values.count, sizeof *out->map);
    out->dims = calloc(from->exprs.list.count + 1, sizeof *out->dims);
    maru_status status = out->map && out->dims ? MARU_OK : maru_fail_oom("a rewrite");
    if (status == MARU_OK)
        status = maru_graph_create(from->name, &out->to);
    if (status == MARU_OK)
        status = copy_symbols(out);
    if (status == MARU_OK)
        status = copy_exprs(out);
    if (status == MARU_OK)
        status = copy_inputs(out);
    if (status != MARU_OK)
        maru_rebuild_fini(out);
    return status;
}

void maru_rebuild_fini(maru_rebuild *r)
{
    maru_graph_destroy(&r->to);
    free(r->map);
    free(r->dims);
    *r = (maru_rebuild){0};
}

/* ---- values ---- */

static maru_status copy_constant(maru_rebuild *r, const maru_value_record *v, maru_value *out)
{
    const maru_constant_record *c = &r->from->constants.data[v->source];
    if (!c->source.data && c->source.bytes)
        return maru_graph_constant(r->to, v->name, v->dtype, v->dims, v->rank, NULL, out);
    maru_constant_source source = c->source;
    source.data = source.data ? source.data : "";
    return maru_graph_constant(r->to, v->name, v->dtype, v->dims, v->rank, &source, out);
}

static maru_status copy_shape(maru_rebuild *r, const maru_value_record *v, maru_value *out)
{
    maru_dim *elems = malloc((v->n_elems ? v->n_elems : 1) * sizeof *elems);
    if (!elems)
        return maru_fail_oom("a shape");
    for (uint32_t i = 0; i < v->n_elems; i++)
        elems[i] = maru_rebuild_dim(r, v->elems[i]);
    maru_status status = maru_graph_shape(r->to, elems, v->n_elems, out);
    free(elems);
    return status;
}

maru_status maru_rebuild_value(maru_rebuild *r, maru_value value, maru_value *out)
{
    *out = MARU_NO_VALUE;
    if (value == MARU_NO_VALUE)
        return MARU_OK;
    if (r->map[value] == MARU_NO_VALUE) {
        const maru_value_record *v = maru_graph_get(r->from, value);
        if (v->kind == MARU_VALUE_CONSTANT)
            MARU_TRY(copy_constant(r, v, &r->map[value]));
        else if (v->kind == MARU_VALUE_SHAPE)
            MARU_TRY(copy_shape(r, v, &r->map[value]));
        else
            return maru_fail(MARU_INTERNAL, "value %u was not copied before its use", value);
    }
    *out = r->map[value];
    return MARU_OK;
}

maru_status maru_rebuild_inputs(maru_rebuild *r, const maru_node_record *node, maru_value *room)
{
    for (uint32_t i = 0; i < node->n_inputs; i++)
        MARU_TRY(maru_rebuild_value(r, node->inputs[i], &room[i]));
    return MARU_OK;
}

static maru_status copy_node(maru_rebuild *r, const maru_node_record *node, maru_value *operands,
                             maru_attribute *attrs)
{
    maru_value *outputs = operands + node->n_inputs;
    MARU_TRY(maru_rebuild_inputs(r, node, operands));
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        attrs[i] = node->attrs[i];
        if (attrs[i].kind == MARU_ATTR_TENSOR)
            MARU_TRY(maru_rebuild_value(r, attrs[i].tensor, &attrs[i].tensor));
    }
    if (*node->scope)
        MARU_TRY(maru_graph_push_scope(r->to, node->scope));
    maru_status status = maru_graph_add_node(r->to, node->op, operands, node->n_inputs, attrs, node->n_attrs, outputs,
                                             node->n_outputs);
    if (*node->scope)
        maru_graph_pop_scope(r->to);
    for (uint32_t i = 0; status == MARU_OK && i < node->n_outputs; i++)
        r->map[node->outputs[i]] = outputs[i];
    return status;
}

maru_status maru_rebuild_node(maru_rebuild *r, const maru_node_record *node)
{
    maru_value *operands = calloc((size_t)node->n_inputs + node->n_outputs + 1, sizeof *operands);
    maru_attribute *attrs = calloc((size_t)node->n_attrs + 1, sizeof *attrs);
    maru_status status = operands && attrs ? copy_node(r, node, operands, attrs) : maru_fail_oom("a node");
    free(operands);
    free(attrs);
    return status;
}

/* ---- the end ---- */

static maru_status copy_ends(maru_rebuild *r)
{
    for (size_t i = 0; i < r->from->outputs.count; i++) {
        const maru_output_record *o = &r->from->outputs.data[i];
        maru_value value = MARU_NO_VALUE;
        MARU_TRY(maru_rebuild_value(r, o->value, &value));
        MARU_TRY(maru_graph_output(r->to, o->name, value));
    }
    for (size_t i = 0; i < r->from->states.count; i++) {
        const maru_state_record *s = &r->from->states.data[i];
        maru_value value = MARU_NO_VALUE;
        if (s->output == MARU_NO_VALUE)
            continue;
        MARU_TRY(maru_rebuild_value(r, s->output, &value));
        MARU_TRY(maru_graph_set_state(r->to, s->name, value));
        if (s->params.length)
            r->to->states.data[i].params.length = r->map[s->params.length];
    }
    return MARU_OK;
}

maru_status maru_rebuild_finish(maru_rebuild *r, maru_graph **out_graph)
{
    *out_graph = NULL;
    for (maru_value v = 1; v < r->from->values.count; v++) {
        const maru_value_record *record = maru_graph_get(r->from, v);
        if (r->map[v] != MARU_NO_VALUE && *record->name && record->kind == MARU_VALUE_NODE)
            MARU_TRY(maru_graph_name_value(r->to, r->map[v], record->name));
    }
    MARU_TRY(copy_ends(r));
    *out_graph = r->to;
    r->to = NULL;
    return MARU_OK;
}

/* ---- liveness ---- */

maru_status maru_graph_mark_live(const maru_graph *graph, bool *live)
{
    memset(live, 0, graph->values.count * sizeof *live);
    for (size_t i = 0; i < graph->outputs.count; i++)
        live[graph->outputs.data[i].value] = true;
    for (size_t i = 0; i < graph->states.count; i++) {
        live[graph->states.data[i].output] = true;
        live[graph->states.data[i].params.length] = true;
    }
    for (size_t n = graph->nodes.count; n-- > 0;) {
        const maru_node_record *node = &graph->nodes.data[n];
        bool needed = false;
        for (uint32_t i = 0; i < node->n_outputs; i++)
            needed = needed || live[node->outputs[i]];
        for (uint32_t i = 0; needed && i < node->n_inputs; i++)
            live[node->inputs[i]] = true;
    }
    live[MARU_NO_VALUE] = false;
    return MARU_OK;
}
