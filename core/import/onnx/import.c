// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"

const char *onnx_domain(const char *domain)
{
    return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

/* ---- opsets ---- */

static int64_t version_in(Maru__Onnx__OperatorSetIdProto *const *imports, size_t n, const char *domain)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(onnx_domain(imports[i]->domain), domain) == 0)
            return imports[i]->version;
    return 0;
}

/* A function may import versions of its own. */
int64_t onnx_version(const onnx_import *import, const onnx_scope *scope, const char *domain)
{
    const int64_t own = scope->function ? version_in(scope->function->opset_import, scope->function->n_opset_import,
                                                     domain)
                                        : 0;
    if (import->model->n_opset_import == 0 && !*domain)
        return 1;  // before version 3 of the IR nothing was said
    return own ? own : version_in(import->model->opset_import, import->model->n_opset_import, domain);
}

maru_status onnx_check_opset(const onnx_import *import)
{
    const onnx_model *m = import->model;
    const int64_t version = version_in(m->opset_import, m->n_opset_import, "");
    if (version == 0 && m->n_opset_import == 0 && m->ir_version >= 3)
        return maru_fail(MARU_DATA_LOSS, "it names no opset");
    if (version && (version < ONNX_OLDEST_OPSET || version > MARU_OPSET_ONNX))
        return maru_fail(MARU_UNSUPPORTED, "opset %" PRId64 " is not supported: %d to %d are", version,
                         ONNX_OLDEST_OPSET, MARU_OPSET_ONNX);
    return MARU_OK;
}

/* ---- values by name ---- */

static bool find(const onnx_scope *scope, const char *name, maru_value *out)
{
    uint64_t value = 0;
    for (; scope; scope = scope->parent) {
        if (maru_map_get_str(&scope->values, name, &value)) {
            *out = (maru_value)value;
            return true;
        }
    }
    return false;
}

maru_status onnx_define(onnx_scope *scope, const char *name, maru_value value)
{
    if (maru_map_get_str(&scope->values, name, NULL))
        return maru_fail(MARU_DATA_LOSS, "value '%s' is made twice", name);
    return maru_map_set_str(&scope->values, name, value);
}

/* An initialiser becomes a constant when it is first read: those that nobody reads cost nothing. */
static maru_status take_initializer(onnx_import *import, onnx_scope *scope, const char *name, bool *out_found)
{
    uint64_t index = 0;
    maru_value value = MARU_NO_VALUE;
    *out_found = false;
    for (; scope; scope = (onnx_scope *)(uintptr_t)scope->parent) {
        if (!maru_map_get_str(&scope->initializers, name, &index))
            continue;
        *out_found = true;
        const onnx_graph *g = scope->graph;
        if (index < g->n_initializer)
            MARU_TRY(maru_onnx_constant(import->file, g->initializer[index], import->graph, &value));
        else
            MARU_TRY(maru_onnx_sparse_constant(import->file, g->sparse_initializer[index - g->n_initializer],
                                               import->graph, &value));
        return onnx_define(scope, name, value);
    }
    return MARU_OK;
}

/* What earlier stages made, for names outside of functions that are inlined. */
static maru_status look_up_stage(const onnx_import *import, onnx_scope *scope, const char *name, maru_value *out)
{
    while (scope->parent)
        scope = (onnx_scope *)(uintptr_t)scope->parent;
    if (!import->stage || scope != import->stage->root)
        return MARU_OK;
    MARU_TRY(import->stage->look_up(import->stage->ctx, name, out));
    return *out == MARU_NO_VALUE ? MARU_OK : onnx_define(scope, name, *out);
}

maru_status onnx_look_up(onnx_import *import, onnx_scope *scope, const char *name, maru_value *out)
{
    bool is_found = false;
    *out = MARU_NO_VALUE;
    if (!name || !*name || find(scope, name, out))
        return MARU_OK;
    MARU_TRY(look_up_stage(import, scope, name, out));
    if (*out != MARU_NO_VALUE)
        return MARU_OK;
    MARU_TRY(take_initializer(import, scope, name, &is_found));
    if (is_found && find(scope, name, out))
        return MARU_OK;
    return maru_fail(MARU_DATA_LOSS,
                     "value '%s' is read before anything makes it: the nodes form a cycle, are not in order, or it is "
                     "missing",
                     name);
}

maru_status onnx_list_initializers(onnx_scope *scope, const onnx_graph *g)
{
    scope->graph = g;
    for (size_t i = 0; i < g->n_initializer; i++) {
        const char *name = onnx_text_of(g->initializer[i]->name);
        if (maru_map_get_str(&scope->initializers, name, NULL))
            return maru_fail(MARU_DATA_LOSS, "initialiser '%s' is there twice", name);
        MARU_TRY(maru_map_set_str(&scope->initializers, name, i));
    }
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const onnx_tensor *values = g->sparse_initializer[i]->values;
        const char *name = values ? onnx_text_of(values->name) : "";
        MARU_TRY(maru_map_set_str(&scope->initializers, name, g->n_initializer + i));
    }
    return MARU_OK;
}

void onnx_scope_fini(onnx_scope *scope)
{
    maru_map_fini(&scope->values);
    maru_map_fini(&scope->initializers);
}

/* ---- nodes ---- */

/* In a function's body an attribute may stand for one of the call, or for its default. */
static const onnx_attr *resolve_attr(const onnx_scope *scope, const onnx_attr *attr)
{
    const onnx_attr *found = attr;
    if (!attr->ref_attr_name || !*attr->ref_attr_name || !scope->function)
        return attr;
    found = NULL;
    for (size_t i = 0; i < scope->n_call_attrs; i++)
        if (strcmp(onnx_text_of(scope->call_attrs[i]->name), attr->ref_attr_name) == 0)
            found = scope->call_attrs[i];
    for (size_t i = 0; !found && i < scope->function->n_attribute_proto; i++)
        if (strcmp(onnx_text_of(scope->function->attribute_proto[i]->name), attr->ref_attr_name) == 0)
            found = scope->function->attribute_proto[i];
    return found;
}

/* Under the name that the body's node has for it. */
static maru_status take_attr(onnx_node *n, const onnx_scope *scope, const onnx_attr *attr)
{
    const onnx_attr *found = resolve_attr(scope, attr);
    if (!found)
        return MARU_OK;  // neither given nor with a default: left out
    if (!*n->domain && n->version < 6 && strcmp(onnx_text_of(attr->name), "consumed_inputs") == 0)
        return MARU_OK;  // a hint about memory
    if (n->n_attrs == ONNX_MAX_ATTRS)
        return maru_fail(MARU_UNSUPPORTED, "it has more than %d attributes", ONNX_MAX_ATTRS);
    n->renamed[n->n_attrs] = *found;
    n->renamed[n->n_attrs].name = attr->name ? attr->name : (char *)(uintptr_t)"";
    n->attrs[n->n_attrs] = &n->renamed[n->n_attrs];
    n->n_attrs++;
    return MARU_OK;
}

maru_status onnx_read_attrs(onnx_import *import, onnx_scope *scope, const onnx_node_proto *proto, onnx_node *n)
{
    *n = (onnx_node){.import = import, .scope = scope, .op = onnx_text_of(proto->op_type)};
    n->domain = onnx_domain(proto->domain);
    n->version = onnx_version(import, scope, n->domain);
    for (size_t i = 0; i < proto->n_attribute; i++)
        MARU_TRY(take_attr(n, scope, proto->attribute[i]));
    return MARU_OK;
}

static maru_status read_node(onnx_import *import, onnx_scope *scope, const onnx_node_proto *proto, onnx_node *n)
{
    MARU_TRY(onnx_read_attrs(import, scope, proto, n));
    n->n_inputs = proto->n_input;
    n->n_outputs = proto->n_output;
    if (proto->n_input > ONNX_MAX_OPERANDS || proto->n_output > ONNX_MAX_OPERANDS)
        return maru_fail(MARU_UNSUPPORTED, "it has more than %d inputs or outputs", ONNX_MAX_OPERANDS);
    for (size_t i = 0; i < proto->n_input; i++)
        MARU_TRY(onnx_look_up(import, scope, proto->input[i], &n->inputs[i]));
    for (size_t i = 0; i < proto->n_output; i++)
        n->wants[i] = *onnx_text_of(proto->output[i]) != 0;
    while (n->n_inputs && n->inputs[n->n_inputs - 1] == MARU_NO_VALUE)
        n->n_inputs--;
    while (n->n_outputs && !n->wants[n->n_outputs - 1])
        n->n_outputs--;
    return MARU_OK;
}

/* The caller's value stands for it. */
static bool is_given(const onnx_import *import, const onnx_scope *scope, const char *name)
{
    return import->given && scope->graph == import->model->graph && maru_map_get_str(import->given, name, NULL);
}

static maru_status define_outputs(onnx_import *import, onnx_scope *scope, const onnx_node_proto *proto,
                                  const onnx_node *n)
{
    for (size_t i = 0; i < n->n_outputs && i < proto->n_output; i++) {
        if (!n->wants[i] || is_given(import, scope, proto->output[i]))
            continue;
        if (n->outputs[i] == MARU_NO_VALUE)
            return maru_fail(MARU_UNSUPPORTED, "its output '%s' is not supported", proto->output[i]);
        MARU_TRY(onnx_define(scope, proto->output[i], n->outputs[i]));
        const maru_value_record *v = maru_graph_get(import->graph, n->outputs[i]);
        if (v->kind == MARU_VALUE_NODE && !*v->name)
            MARU_TRY(maru_graph_name_value(import->graph, n->outputs[i], proto->output[i]));
    }
    return MARU_OK;
}

/* ---- bodies ---- */

static maru_status run_function(onnx_node *n, const onnx_function *f, onnx_scope *body)
{
    if (n->n_inputs > f->n_input || n->n_outputs > f->n_output)
        return maru_fail(MARU_DATA_LOSS, "its function takes %zu inputs and gives %zu outputs", f->n_input,
                         f->n_output);
    for (size_t i = 0; i < f->n_input; i++)
        MARU_TRY(onnx_define(body, f->input[i], i < n->n_inputs ? n->inputs[i] : MARU_NO_VALUE));
    MARU_TRY(onnx_add_nodes(n->import, body, f->node, f->n_node));
    for (size_t i = 0; i < n->n_outputs; i++)
        MARU_TRY(onnx_look_up(n->import, body, f->output[i], &n->outputs[i]));
    return MARU_OK;
}

static maru_status add_function(onnx_node *n, const onnx_function *f)
{
    onnx_scope body = {.function = f, .call_attrs = n->attrs, .n_call_attrs = n->n_attrs, .depth = n->scope->depth + 1};
    if (body.depth > ONNX_MAX_BODY_DEPTH)
        return maru_fail(MARU_UNSUPPORTED, "functions call each other more than %d deep", ONNX_MAX_BODY_DEPTH);
    const maru_status status = run_function(n, f, &body);
    onnx_scope_fini(&body);
    return status == MARU_OK ? MARU_OK : maru_fail_within(status, "in function '%s'", onnx_text_of(f->name));
}

static maru_status run_in(onnx_node *n, const onnx_graph *g, onnx_scope *body, const maru_value *inputs,
                          size_t n_inputs, maru_value *outputs, size_t n_outputs)
{
    if (g->n_output < n_outputs || g->n_input < n_inputs)
        return maru_fail(MARU_DATA_LOSS, "its graph takes %zu inputs and gives %zu outputs, %zu and %zu are needed",
                         g->n_input, g->n_output, n_inputs, n_outputs);
    MARU_TRY(onnx_list_initializers(body, g));
    for (size_t i = 0; i < n_inputs; i++)
        MARU_TRY(onnx_define(body, onnx_text_of(g->input[i]->name), inputs[i]));
    MARU_TRY(onnx_add_nodes(n->import, body, g->node, g->n_node));
    for (size_t i = 0; i < n_outputs; i++)
        MARU_TRY(onnx_look_up(n->import, body, g->output[i]->name, &outputs[i]));
    return MARU_OK;
}

maru_status onnx_run_graph(onnx_node *n, const onnx_graph *g, const maru_value *inputs, size_t n_inputs,
                           maru_value *outputs, size_t n_outputs)
{
    onnx_scope body = *n->scope;
    body.values = body.initializers = (maru_map){0};
    body.parent = n->scope;
    body.depth++;
    if (body.depth > ONNX_MAX_BODY_DEPTH)
        return maru_fail(MARU_UNSUPPORTED, "branches are more than %d deep", ONNX_MAX_BODY_DEPTH);
    const maru_status status = run_in(n, g, &body, inputs, n_inputs, outputs, n_outputs);
    onnx_scope_fini(&body);
    return status;
}

/* Gives n->outputs what the branch gives. */
static maru_status add_branch(onnx_node *n, const char *which)
{
    const onnx_attr *branch = onnx_attr_find(n, which);
    if (!branch || !branch->g)
        return maru_fail(MARU_DATA_LOSS, "it has no %s", which);
    return onnx_run_graph(n, branch->g, NULL, 0, n->outputs, n->n_outputs);
}

/* One of two values by a condition of the run; they must be of one dtype and dims. */
static maru_status choose(onnx_node *n, maru_value condition, maru_value yes, maru_value no, maru_value *out)
{
    const maru_value_record *a = maru_graph_get(n->import->graph, yes);
    const maru_value_record *b = maru_graph_get(n->import->graph, no);
    const maru_value inputs[3] = {condition, yes, no};
    bool is_alike = a->dtype == b->dtype && a->rank == b->rank;
    for (uint32_t d = 0; is_alike && d < a->rank; d++)
        is_alike = a->dims[d] == b->dims[d];
    if (!is_alike)
        return maru_fail(MARU_INVALID_ARGUMENT, "If whose branches give other dtypes or dims, with a condition that is "
                         "computed in the run, is not supported");
    return onnx_add(n, "Where", inputs, 3, NULL, 0, out);
}

/*
 * A condition that is known when the model is loaded takes one branch. Of
 * another, both are run, for what they compute has no effect, and Where takes
 * the right one's outputs.
 */
static maru_status add_if(onnx_node *n)
{
    maru_value condition = n->n_inputs ? n->inputs[0] : MARU_NO_VALUE;
    const maru_value_record *v = maru_graph_get(n->import->graph, condition);
    maru_value yes[ONNX_MAX_OPERANDS];
    int64_t truth = 0;
    if (!condition)
        return maru_fail(MARU_DATA_LOSS, "it has no condition");
    if (v->elems && v->n_elems == 1 && maru_expr_is_const(&n->import->graph->exprs, v->elems[0], &truth))
        return add_branch(n, truth ? "then_branch" : "else_branch");
    if (n->import->stage) {
        n->import->stage->is_end = true;
        return maru_fail(MARU_INVALID_ARGUMENT, "the condition is computed in the run");
    }
    if (v->rank > 0)
        MARU_TRY(onnx_add(n, "Squeeze", &condition, 1, NULL, 0, &condition));
    MARU_TRY(add_branch(n, "then_branch"));
    memcpy(yes, n->outputs, sizeof yes);
    MARU_TRY(add_branch(n, "else_branch"));
    for (size_t i = 0; i < n->n_outputs; i++)
        MARU_TRY(choose(n, condition, yes[i], n->outputs[i], &n->outputs[i]));
    return MARU_OK;
}

const onnx_function *onnx_find_function(const onnx_model *model, const onnx_node_proto *node)
{
    for (size_t i = 0; i < model->n_functions; i++) {
        const onnx_function *f = model->functions[i];
        if (strcmp(onnx_text_of(f->name), onnx_text_of(node->op_type)) == 0 &&
            strcmp(onnx_domain(f->domain), onnx_domain(node->domain)) == 0 &&
            strcmp(onnx_text_of(f->overload), onnx_text_of(node->overload)) == 0)
            return f;
    }
    return NULL;
}

/* ---- the walk ---- */

static maru_status convert_node(onnx_node *n, const onnx_node_proto *proto)
{
    const onnx_function *function = onnx_find_function(n->import->model, proto);
    if (function)
        return add_function(n, function);
    if (!*n->domain && strcmp(n->op, "If") == 0)
        return add_if(n);
    const onnx_form *form = onnx_form_find(n->domain, n->op, n->version);
    return form ? form->convert(n) : onnx_add_newest(n);
}

/* Of a value whose size the data decides, nothing can be planned before that size is there. */
static maru_status check_sizes(const onnx_node *n)
{
    for (size_t i = 0; n->import->stage && i < n->n_inputs; i++) {
        if (!n->inputs[i] || !maru_graph_get(n->import->graph, n->inputs[i])->has_bound_dims)
            continue;
        n->import->stage->is_end = true;
        return maru_fail(MARU_INVALID_ARGUMENT, "the size of input %zu is computed in the run", i);
    }
    return MARU_OK;
}

static maru_status add_node(onnx_import *import, onnx_scope *scope, const onnx_node_proto *proto)
{
    onnx_node n;
    const char *name = onnx_text_of(proto->name);
    if (++import->n_nodes > ONNX_MAX_NODES)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "the model has more than %d nodes, with those of its functions at "
                         "each call", ONNX_MAX_NODES);
    MARU_TRY(read_node(import, scope, proto, &n));
    MARU_TRY(check_sizes(&n));
    if (*name)
        MARU_TRY(maru_graph_push_scope(import->graph, name));
    maru_status status = convert_node(&n, proto);
    if (*name)
        maru_graph_pop_scope(import->graph);
    return status == MARU_OK ? define_outputs(import, scope, proto, &n) : status;
}

maru_status onnx_add_nodes(onnx_import *import, onnx_scope *scope, onnx_node_proto *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const onnx_node_proto *proto = nodes[i];
        const maru_status status = add_node(import, scope, proto);
        if (status == MARU_OK)
            continue;
        const char *name = onnx_text_of(proto->name);
        if (!*name && proto->n_output)
            name = onnx_text_of(proto->output[0]);
        return maru_fail_within(status, "node '%s' (%s)", name, onnx_text_of(proto->op_type));
    }
    return MARU_OK;
}

/* How much of what the caller knows is used. */
typedef enum onnx_use { USE_NOTHING, USE_DIMS, USE_INTEGERS, USE_SMALL, USE_AS_SAID } onnx_use;

static bool is_value_used(const onnx_import *import, const maru_onnx_known *known)
{
    const maru_tensor *t = known->tensor;
    const bool is_small = t->rank <= 1 && maru_tensor_count(t) <= 64;
    switch ((onnx_use)import->use) {
    case USE_NOTHING:
    case USE_DIMS: return false;
    case USE_INTEGERS: return is_small && (t->dtype == MARU_I64 || t->dtype == MARU_I32);
    case USE_SMALL: return is_small;
    case USE_AS_SAID: return known->is_value;
    }
    return false;
}

/* An input of the graph, or a constant where the caller knows its value. */
static maru_status add_input(onnx_import *import, const Maru__Onnx__ValueInfoProto *info, maru_value *out)
{
    const maru_onnx_params *p = import->params;
    const maru_tensor *dims = NULL;
    for (size_t i = 0; i < p->n_known && import->use != USE_NOTHING; i++) {
        const maru_tensor *t = p->known[i].tensor;
        const maru_constant_source source = {.data = t->data, .bytes = t->bytes};
        if (strcmp(p->known[i].name, onnx_text_of(info->name)) != 0)
            continue;
        p->known[i].is_constant = is_value_used(import, &p->known[i]);
        if (p->known[i].is_constant)
            return maru_graph_constant(import->graph, info->name, t->dtype, t->dims, t->rank, &source, out);
        dims = t;
    }
    return maru_onnx_input(info, dims, import->graph, out);
}

static maru_status add_graph(onnx_import *import, onnx_scope *scope)
{
    const onnx_graph *g = import->model->graph;
    MARU_TRY(onnx_list_initializers(scope, g));
    for (size_t i = 0; i < g->n_input; i++) {
        maru_value value = MARU_NO_VALUE;
        const char *name = onnx_text_of(g->input[i]->name);
        if (maru_map_get_str(&scope->initializers, name, NULL))
            continue;  // a default that is never changed
        MARU_TRY(add_input(import, g->input[i], &value));
        MARU_TRY(onnx_define(scope, name, value));
    }
    MARU_TRY(onnx_add_nodes(import, scope, g->node, g->n_node));
    if (g->n_output == 0)
        return maru_fail(MARU_DATA_LOSS, "its graph has no output");
    for (size_t i = 0; i < g->n_output; i++) {
        maru_value value = MARU_NO_VALUE;
        MARU_TRY(onnx_look_up(import, scope, g->output[i]->name, &value));
        MARU_TRY(maru_graph_output(import->graph, onnx_text_of(g->output[i]->name), value));
    }
    return MARU_OK;
}

static maru_status import_model(onnx_import *import)
{
    onnx_scope scope = {0};
    maru_status status = onnx_check_opset(import);
    if (status == MARU_OK)
        status = onnx_check_operators(import, import->model->graph->node, import->model->graph->n_node);
    if (status == MARU_OK)
        status = add_graph(import, &scope);
    onnx_scope_fini(&scope);
    return status;
}

static maru_status import_with(maru_onnx_file *file, const maru_onnx_params *params, onnx_use use,
                               maru_graph **out_graph)
{
    onnx_import import = {.file = file, .params = params, .use = use};
    import.model = maru_onnx_file_model(import.file);
    maru_status status = maru_graph_create(onnx_text_of(import.model->graph->name), &import.graph);
    if (status == MARU_OK)
        status = import_model(&import);
    if (status == MARU_OK)
        *out_graph = import.graph;
    else
        maru_graph_destroy(&import.graph);
    return status;
}

maru_status maru_onnx_import(maru_onnx_file *file, const maru_onnx_params *params, maru_graph **out_graph)
{
    static const maru_onnx_params none;
    *out_graph = NULL;
    params = params ? params : &none;
    const bool may_repeat = params->as_needed && params->n_known;
    maru_status status = import_with(file, params, params->as_needed ? USE_NOTHING : USE_AS_SAID, out_graph);
    for (int use = USE_DIMS; may_repeat && use <= USE_SMALL && status == MARU_INVALID_ARGUMENT; use++)
        status = import_with(file, params, (onnx_use)use, out_graph);
    maru_onnx_file_rest(file);
    return status;
}

maru_status maru_onnx_load(const char *path, const maru_onnx_params *params, maru_graph **out_graph)
{
    maru_onnx_file *file = NULL;
    *out_graph = NULL;
    MARU_TRY(maru_onnx_file_open(path, &file));
    const maru_status status = maru_onnx_import(file, params, out_graph);
    maru_onnx_file_release(file);
    return status == MARU_OK ? MARU_OK : maru_fail_within(status, "%s", path);
}
