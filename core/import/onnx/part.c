// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* A model, or what lies between two cuts of it, as a part of a graph that is being built. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "import/onnx/import.h"

typedef struct part_import {
    onnx_import import;
    const maru_onnx_part *part;
    maru_map given;    // name -> index
    maru_map names;    // every value of the model's graph
    maru_map needed;   // what the outputs are computed from
    onnx_scope scope;
    onnx_node_proto **nodes;  // those needed, in order
    size_t n_nodes;
} part_import;

static bool has(const maru_map *map, const char *name)
{
    return maru_map_get_str(map, name, NULL);
}

/* ---- what the model declares ---- */

static bool read_port(const Maru__Onnx__ValueInfoProto *info, maru_onnx_port *out)
{
    const Maru__Onnx__TypeProto *type = info->type;
    *out = (maru_onnx_port){.name = onnx_text_of(info->name), .dtype = MARU_DTYPE_NONE};
    if (!type || type->value_case != MARU__ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return true;
    const int32_t elem = type->tensor_type->has_elem_type ? type->tensor_type->elem_type : 0;
    if (elem >= MARU_F32 && elem <= MARU_I2 && maru_dtype_get_info((maru_dtype)elem))
        out->dtype = (maru_dtype)elem;
    const Maru__Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    if (!shape || shape->n_dim > MARU_MAX_RANK)
        return true;
    out->has_rank = true;
    out->rank = (uint32_t)shape->n_dim;
    for (uint32_t i = 0; i < out->rank; i++) {
        const onnx_dim *d = shape->dim[i];
        const bool is_value = d->value_case == MARU__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        out->dims[i] = is_value && d->dim_value >= 0 ? d->dim_value : -1;
        out->symbols[i] = maru_onnx_dim_name(d);
    }
    return true;
}

static bool is_initializer(const onnx_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(onnx_text_of(g->initializer[i]->name), name) == 0)
            return true;
    return false;
}

bool maru_onnx_input_at(const maru_onnx_file *file, size_t index, maru_onnx_port *out_port)
{
    const onnx_graph *g = maru_onnx_file_model(file)->graph;
    for (size_t i = 0; i < g->n_input; i++)
        if (!is_initializer(g, onnx_text_of(g->input[i]->name)) && index-- == 0)
            return read_port(g->input[i], out_port);
    return false;
}

bool maru_onnx_output_at(const maru_onnx_file *file, size_t index, maru_onnx_port *out_port)
{
    const onnx_graph *g = maru_onnx_file_model(file)->graph;
    return index < g->n_output && read_port(g->output[index], out_port);
}

int64_t maru_onnx_opset(const maru_onnx_file *file, const char *domain)
{
    const onnx_import import = {.model = maru_onnx_file_model(file)};
    const onnx_scope scope = {0};
    return onnx_version(&import, &scope, onnx_domain(domain));
}

bool maru_onnx_has_op(const maru_onnx_file *file, const char *domain, const char *op)
{
    const onnx_graph *g = maru_onnx_file_model(file)->graph;
    for (size_t i = 0; i < g->n_node; i++)
        if (strcmp(onnx_text_of(g->node[i]->op_type), op) == 0 &&
            strcmp(onnx_domain(g->node[i]->domain), onnx_domain(domain)) == 0)
            return true;
    return false;
}

bool maru_onnx_metadata_at(const maru_onnx_file *file, size_t index, const char **out_key, const char **out_value)
{
    const Maru__Onnx__ModelProto *model = maru_onnx_file_model(file);
    if (index >= model->n_metadata_props)
        return false;
    *out_key = onnx_text_of(model->metadata_props[index]->key);
    *out_value = onnx_text_of(model->metadata_props[index]->value);
    return true;
}

/* ---- names ---- */

static maru_status list_names(part_import *p, const onnx_graph *g)
{
    for (size_t i = 0; i < g->n_input; i++)
        MARU_TRY(maru_map_set_str(&p->names, onnx_text_of(g->input[i]->name), 1));
    for (size_t i = 0; i < g->n_initializer; i++)
        MARU_TRY(maru_map_set_str(&p->names, onnx_text_of(g->initializer[i]->name), 1));
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (g->sparse_initializer[i]->values)
            MARU_TRY(maru_map_set_str(&p->names, onnx_text_of(g->sparse_initializer[i]->values->name), 1));
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            if (*onnx_text_of(g->node[i]->output[k]))
                MARU_TRY(maru_map_set_str(&p->names, g->node[i]->output[k], 1));
    return MARU_OK;
}

static maru_status check_name(const part_import *p, const char *name, const char *what)
{
    if (has(&p->names, name))
        return MARU_OK;
    return maru_fail(MARU_NOT_FOUND, "the model has no value '%s'%s", name, what);
}

static maru_status check_names(part_import *p)
{
    for (size_t i = 0; i < p->part->n_given; i++) {
        const char *name = p->part->given[i].name;
        MARU_TRY(check_name(p, name, ", which one is given for"));
        if (has(&p->given, name))
            return maru_fail(MARU_INVALID_ARGUMENT, "value '%s' is given twice", name);
        MARU_TRY(maru_map_set_str(&p->given, name, i));
    }
    if (p->part->n_outputs == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "no output is asked for");
    for (size_t i = 0; i < p->part->n_outputs; i++)
        MARU_TRY(check_name(p, p->part->outputs[i], ", which is asked for"));
    for (size_t i = 0; i < p->part->n_dims; i++)
        MARU_TRY(check_name(p, p->part->dims[i].name, ", whose dims are given"));
    return MARU_OK;
}

/* ---- which nodes ---- */

static maru_status need_node(part_import *p, const onnx_node_proto *node, unsigned depth);

/* A branch reads values around it by their names. */
static maru_status need_branches(part_import *p, const onnx_node_proto *node, unsigned depth)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        const onnx_graph *g = node->attribute[i]->g;
        for (size_t k = 0; g && k < g->n_node; k++)
            MARU_TRY(need_node(p, g->node[k], depth + 1));
        for (size_t k = 0; g && k < g->n_output; k++)
            MARU_TRY(maru_map_set_str(&p->needed, onnx_text_of(g->output[k]->name), 1));
    }
    return MARU_OK;
}

static maru_status need_node(part_import *p, const onnx_node_proto *node, unsigned depth)
{
    if (depth > ONNX_MAX_BODY_DEPTH)
        return maru_fail(MARU_UNSUPPORTED, "branches are more than %d deep", ONNX_MAX_BODY_DEPTH);
    for (size_t i = 0; i < node->n_input; i++)
        if (*onnx_text_of(node->input[i]) && !has(&p->given, node->input[i]))
            MARU_TRY(maru_map_set_str(&p->needed, node->input[i], 1));
    return need_branches(p, node, depth);
}

static bool makes_needed(const part_import *p, const onnx_node_proto *node)
{
    for (size_t i = 0; i < node->n_output; i++)
        if (*onnx_text_of(node->output[i]) && has(&p->needed, node->output[i]))
            return true;
    return false;
}

/* From the last node to the first: nodes come after those whose values they read. */
static maru_status choose_nodes(part_import *p, const onnx_graph *g)
{
    p->nodes = calloc(g->n_node + 1, sizeof *p->nodes);
    if (!p->nodes)
        return maru_fail_oom("the nodes of a model");
    for (size_t i = 0; i < p->part->n_outputs; i++)
        if (!has(&p->given, p->part->outputs[i]))
            MARU_TRY(maru_map_set_str(&p->needed, p->part->outputs[i], 1));
    size_t first = g->n_node;
    for (size_t i = g->n_node; i-- > 0;) {
        if (!makes_needed(p, g->node[i]))
            continue;
        MARU_TRY(need_node(p, g->node[i], 0));
        p->nodes[--first] = g->node[i];
    }
    p->n_nodes = g->n_node - first;
    memmove(p->nodes, p->nodes + first, p->n_nodes * sizeof *p->nodes);
    return MARU_OK;
}

/* ---- inputs ---- */

static const maru_onnx_dims *dims_of(const maru_onnx_part *part, const char *name)
{
    for (size_t i = 0; i < part->n_dims; i++)
        if (strcmp(part->dims[i].name, name) == 0)
            return &part->dims[i];
    return NULL;
}

/* "f32[batch, 3]" as the model declares it. */
static void port_text(const maru_onnx_port *port, maru_str *out)
{
    maru_str_printf(out, "%s[", maru_dtype_name(port->dtype));
    for (uint32_t i = 0; i < port->rank; i++) {
        maru_str_printf(out, "%s", i ? ", " : "");
        if (port->dims[i] >= 0)
            maru_str_printf(out, "%" PRId64, port->dims[i]);
        else
            maru_str_printf(out, "%s", *port->symbols[i] ? port->symbols[i] : "?");
    }
    maru_str_printf(out, "]");
}

static void value_text(const maru_graph *graph, const maru_value_info *info, maru_str *out)
{
    char dim[128];
    maru_str_printf(out, "%s[", maru_dtype_name(info->dtype));
    for (uint32_t i = 0; i < info->rank; i++)
        maru_str_printf(out, "%s%s", i ? ", " : "", maru_graph_dim_text(graph, info->dims[i], dim, sizeof dim));
    maru_str_printf(out, "]");
}

static maru_status fail_type(const maru_graph *graph, const maru_onnx_port *port, const maru_value_info *info)
{
    maru_str wanted = {0};
    maru_str got = {0};
    port_text(port, &wanted);
    value_text(graph, info, &got);
    const maru_status status = maru_fail(MARU_INVALID_ARGUMENT, "input '%s' is %s, %s is given", port->name,
                                         maru_str_get(&wanted), maru_str_get(&got));
    maru_str_fini(&wanted);
    maru_str_fini(&got);
    return status;
}

static maru_status check_given(const part_import *p, const maru_onnx_port *port, maru_value value)
{
    maru_value_info info = {0};
    MARU_TRY(maru_graph_value_info(p->import.graph, value, &info));
    bool fits = port->dtype == MARU_DTYPE_NONE || info.dtype == port->dtype;
    if (port->has_rank && !dims_of(p->part, port->name)) {
        fits = fits && info.rank == port->rank;
        for (uint32_t i = 0; fits && i < port->rank; i++)
            fits = port->dims[i] < 0 || info.dims[i] < 0 || info.dims[i] == port->dims[i];
    }
    return fits ? MARU_OK : fail_type(p->import.graph, port, &info);
}

static maru_status find_dim(const part_import *p, const maru_onnx_port *port, uint32_t axis, maru_dim *out)
{
    *out = port->dims[axis];
    if (*out >= 0)
        return MARU_OK;
    for (size_t i = 0; i < p->part->n_symbols; i++) {
        if (*port->symbols[axis] && strcmp(p->part->symbols[i].name, port->symbols[axis]) == 0) {
            *out = p->part->symbols[i].dim;
            return MARU_OK;
        }
    }
    return maru_onnx_symbol(port->symbols[axis], port->name, axis, p->import.graph, out);
}

static maru_status add_input(part_import *p, const maru_onnx_port *port, maru_value *out)
{
    maru_dim dims[MARU_MAX_RANK];
    uint32_t rank = port->rank;
    const maru_onnx_dims *own = dims_of(p->part, port->name);
    if (port->dtype == MARU_DTYPE_NONE || port->dtype == MARU_STRING)
        return maru_fail(MARU_UNSUPPORTED, "input '%s' is no tensor of numbers", port->name);
    if (!port->has_rank && !own)
        return maru_fail(MARU_INVALID_ARGUMENT, "input '%s' has no dims in the model: they must be given", port->name);
    if (own) {
        rank = own->rank;
        memcpy(dims, own->dims, sizeof dims);
    }
    for (uint32_t i = 0; !own && i < rank; i++)
        MARU_TRY(find_dim(p, port, i, &dims[i]));
    return maru_graph_input(p->import.graph, port->name, port->dtype, dims, rank, out);
}

/* What the model says of the first dim of an input that has another here. */
static void find_baked_batch(part_import *p, const onnx_graph *g)
{
    for (size_t i = 0; i < g->n_input; i++) {
        maru_onnx_port port;
        read_port(g->input[i], &port);
        const maru_onnx_dims *own = dims_of(p->part, port.name);
        if (own && own->rank && port.has_rank && port.rank && port.dims[0] > 0 && own->dims[0] != port.dims[0]) {
            p->import.baked_batch = port.dims[0];
            return;
        }
    }
}

static maru_status define_inputs(part_import *p, const onnx_graph *g)
{
    for (size_t i = 0; i < g->n_input; i++) {
        maru_onnx_port port;
        uint64_t index = 0;
        maru_value value = MARU_NO_VALUE;
        read_port(g->input[i], &port);
        if (has(&p->scope.initializers, port.name))
            continue;
        if (maru_map_get_str(&p->given, port.name, &index)) {
            MARU_TRY(check_given(p, &port, p->part->given[index].value));
        } else if (has(&p->needed, port.name)) {
            MARU_TRY(add_input(p, &port, &value));
            MARU_TRY(onnx_define(&p->scope, port.name, value));
        }
    }
    for (size_t i = 0; i < p->part->n_given; i++)
        MARU_TRY(onnx_define(&p->scope, p->part->given[i].name, p->part->given[i].value));
    return MARU_OK;
}

/* ---- the whole ---- */

static maru_status add_part(part_import *p, maru_value *out_values)
{
    const onnx_graph *g = p->import.model->graph;
    MARU_TRY(onnx_check_opset(&p->import));
    MARU_TRY(list_names(p, g));
    MARU_TRY(check_names(p));
    MARU_TRY(choose_nodes(p, g));
    MARU_TRY(onnx_check_operators(&p->import, p->nodes, p->n_nodes));
    MARU_TRY(onnx_list_initializers(&p->scope, g));
    MARU_TRY(define_inputs(p, g));
    find_baked_batch(p, g);
    MARU_TRY(onnx_add_nodes(&p->import, &p->scope, p->nodes, p->n_nodes));
    for (size_t i = 0; i < p->part->n_outputs; i++)
        MARU_TRY(onnx_look_up(&p->import, &p->scope, p->part->outputs[i], &out_values[i]));
    return MARU_OK;
}

maru_status maru_onnx_add(maru_onnx_file *file, const maru_onnx_part *part, maru_graph *graph, maru_value *out_values)
{
    static const maru_onnx_params none;
    part_import p = {.part = part, .import = {.file = file, .graph = graph, .params = &none}};
    p.import.model = maru_onnx_file_model(file);
    p.import.given = &p.given;
    const maru_status status = add_part(&p, out_values);
    onnx_scope_fini(&p.scope);
    maru_map_fini(&p.given);
    maru_map_fini(&p.names);
    maru_map_fini(&p.needed);
    free(p.nodes);
    return status == MARU_OK ? MARU_OK : maru_fail_within(status, "%s", maru_onnx_file_path(file));
}

maru_status maru_onnx_open(const char *path, maru_onnx_file **out_file)
{
    return maru_onnx_file_open(path, out_file);
}

void maru_onnx_close(maru_onnx_file **file)
{
    if (*file)
        maru_onnx_file_release(*file);
    *file = NULL;
}
