// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Dims as ONNX has them: names in types, and nodes that compute them from the inputs' shapes. */

#include "export/onnx/writer.h"

#include <string.h>

#include "base/fail.h"

static const char *put_elem(onnx_writer *w, maru_dim elem);

static const maru_expr_record *expr_of(const onnx_writer *w, maru_dim dim)
{
    return &w->graph->exprs.list.data[-1 - dim];
}

static maru_dim operand(int64_t index)
{
    return -1 - (maru_dim)index;
}

/* ---- symbols ---- */

/* How far a dim is from the symbol: 0 it is the symbol, -1 the symbol does not follow from it. */
static int distance(const onnx_writer *w, maru_dim dim, int64_t symbol)
{
    if (dim >= 0)
        return -1;
    const maru_expr_record *e = expr_of(w, dim);
    int64_t number = 0;
    if (e->op == MARU_EXPR_SYMBOL)
        return e->a == symbol ? 0 : -1;
    const bool undoes = e->op == MARU_EXPR_ADD || e->op == MARU_EXPR_SUB || e->op == MARU_EXPR_MUL;
    if (!undoes || !maru_expr_is_const(&w->graph->exprs, operand(e->b), &number) || (e->op == MARU_EXPR_MUL && !number))
        return -1;
    const int inner = distance(w, operand(e->a), symbol);
    return inner < 0 ? -1 : inner + 1;
}

/* From the vector of a dim to that of its symbol: what the expression does is undone from outside in. */
static const char *undo(onnx_writer *w, maru_dim dim, const char *name)
{
    for (; expr_of(w, dim)->op != MARU_EXPR_SYMBOL; dim = operand(expr_of(w, dim)->a)) {
        const maru_expr_record *e = expr_of(w, dim);
        const char *op = e->op == MARU_EXPR_ADD ? "Sub" : e->op == MARU_EXPR_SUB ? "Add" : "Div";
        name = onnx_put(w, op, name, put_elem(w, operand(e->b)));
    }
    return name;
}

static const char *put_shape_of(onnx_writer *w, const char *input, uint32_t axis)
{
    onnx_attr_out *attrs[2];
    const char *out = onnx_fresh_name(w, "dim");
    onnx_draft d = {.op = "Shape", .inputs = &input, .n_inputs = 1, .outputs = &out, .n_outputs = 1, .attrs = attrs};
    onnx_draft_int(w, &d, "start", axis);
    onnx_draft_int(w, &d, "end", (int64_t)axis + 1);
    onnx_put_draft(w, &d);
    return out;
}

static const char *put_symbol(onnx_writer *w, int64_t symbol)
{
    const maru_graph *g = w->graph;
    maru_value best = MARU_NO_VALUE;
    uint32_t best_axis = 0;
    int nearest = -1;
    for (size_t i = 0; i < g->inputs.count; i++) {
        const maru_value_record *v = maru_graph_get(g, g->inputs.data[i]);
        for (uint32_t d = 0; d < v->rank; d++) {
            const int far = distance(w, v->dims[d], symbol);
            if (far < 0 || (nearest >= 0 && far >= nearest))
                continue;
            nearest = far;
            best = g->inputs.data[i];
            best_axis = d;
        }
    }
    if (!best) {
        w->status = maru_fail(MARU_UNSUPPORTED, "symbol '%s' follows from the dims of no input, as ONNX needs it",
                              g->exprs.symbols.data[symbol].name);
        return "";
    }
    const char *name = put_shape_of(w, onnx_name(w, best), best_axis);
    return undo(w, maru_graph_get(g, best)->dims[best_axis], name);
}

/* ---- expressions ---- */

static bool may_be_negative(const onnx_writer *w, maru_dim dim)
{
    int64_t least = 0;
    int64_t most = 0;
    maru_expr_range(&w->graph->exprs, dim, &least, &most);
    return least < 0;
}

/* ONNX's Div goes towards zero; what Mod leaves has the divisor's sign, so that the rest divides evenly. */
static const char *put_division(onnx_writer *w, const maru_expr_record *e)
{
    const char *a = put_elem(w, operand(e->a));
    const char *b = put_elem(w, operand(e->b));
    if (e->op == MARU_EXPR_FLOORDIV && !may_be_negative(w, operand(e->a)) && !may_be_negative(w, operand(e->b)))
        return onnx_put(w, "Div", a, b);
    if (e->op == MARU_EXPR_FLOORDIV)
        return onnx_put(w, "Div", onnx_put(w, "Sub", a, onnx_put(w, "Mod", a, b)), b);
    const char *rest = onnx_put(w, "Mod", onnx_put(w, "Neg", a, NULL), b);
    return onnx_put(w, "Div", onnx_put(w, "Add", a, rest), b);
}

static const char *put_expr(onnx_writer *w, const maru_expr_record *e)
{
    static const char *const ops[] = {
        [MARU_EXPR_ADD] = "Add", [MARU_EXPR_SUB] = "Sub", [MARU_EXPR_MUL] = "Mul",
        [MARU_EXPR_MOD] = "Mod", [MARU_EXPR_MIN] = "Min", [MARU_EXPR_MAX] = "Max",
    };
    switch (e->op) {
    case MARU_EXPR_CONST: return onnx_put_ints(w, &e->a, 1);
    case MARU_EXPR_SYMBOL: return put_symbol(w, e->a);
    case MARU_EXPR_FLOORDIV:
    case MARU_EXPR_CEILDIV: return put_division(w, e);
    case MARU_EXPR_ADD:
    case MARU_EXPR_SUB:
    case MARU_EXPR_MUL:
    case MARU_EXPR_MOD:
    case MARU_EXPR_MIN:
    case MARU_EXPR_MAX: break;
    }
    const char *a = put_elem(w, operand(e->a));
    return onnx_put(w, ops[e->op], a, put_elem(w, operand(e->b)));
}

static const char *put_elem(onnx_writer *w, maru_dim elem)
{
    uint64_t at = 0;
    if (w->status != MARU_OK)
        return "";
    if (elem >= 0)
        return onnx_put_ints(w, &elem, 1);
    if (maru_map_get_u64(&w->dims, (uint64_t)(-1 - elem), &at))
        return w->dim_names.data[at];
    const maru_expr_record e = *expr_of(w, elem);
    const char *name = put_expr(w, &e);
    if (w->status == MARU_OK)
        w->status = maru_array_push(&w->dim_names, name);
    if (w->status == MARU_OK)
        w->status = maru_map_set_u64(&w->dims, (uint64_t)(-1 - elem), w->dim_names.count - 1);
    return name;
}

static const char *put_vector(onnx_writer *w, const maru_dim *dims, size_t n)
{
    const char **parts = maru_arena_alloc_array(&w->arena, n + 1, sizeof *parts);
    int64_t *numbers = maru_arena_alloc_array(&w->arena, n + 1, sizeof *numbers);
    if (!parts || !numbers) {
        w->status = maru_fail_oom("a shape");
        return "";
    }
    size_t n_numbers = 0;
    while (n_numbers < n && maru_expr_is_const(&w->graph->exprs, dims[n_numbers], &numbers[n_numbers]))
        n_numbers++;
    if (n_numbers == n)
        return onnx_put_ints(w, numbers, n);
    if (n == 1)
        return put_elem(w, dims[0]);
    for (size_t i = 0; i < n; i++)
        parts[i] = put_elem(w, dims[i]);
    onnx_attr_out *attrs[1];
    const char *out = onnx_fresh_name(w, "shape");
    onnx_draft d = {.op = "Concat", .inputs = parts, .n_inputs = n, .outputs = &out, .n_outputs = 1, .attrs = attrs};
    onnx_draft_int(w, &d, "axis", 0);
    onnx_put_draft(w, &d);
    return out;
}

/* Arithmetic of shapes is no part of the scope of the node that needs it first. */
const char *onnx_put_dims(onnx_writer *w, const maru_dim *dims, size_t n)
{
    const char *scope = w->scope;
    w->scope = NULL;
    const char *name = put_vector(w, dims, n);
    w->scope = scope;
    return name;
}

/* ---- types ---- */

static void *make(onnx_writer *w, size_t bytes)
{
    void *made = w->status == MARU_OK ? maru_arena_alloc(&w->arena, bytes) : NULL;
    if (!made && w->status == MARU_OK)
        w->status = maru_fail_oom("a type");
    return made;
}

static void set_dim(onnx_writer *w, maru_dim dim, Maru__Onnx__TensorShapeProto__Dimension *out)
{
    int64_t number = 0;
    if (maru_expr_is_const(&w->graph->exprs, dim, &number)) {
        out->value_case = MARU__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        out->dim_value = number;
        return;
    }
    maru_str text = {0};
    maru_expr_print(&w->graph->exprs, dim, &text);
    out->value_case = MARU__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    out->dim_param = maru_arena_strdup(&w->arena, maru_str_get(&text));
    if (!out->dim_param)
        w->status = maru_fail_oom("a dim");
    maru_str_fini(&text);
}

static Maru__Onnx__TensorShapeProto *shape_of(onnx_writer *w, const maru_value_record *v)
{
    typedef Maru__Onnx__TensorShapeProto__Dimension dimension;
    Maru__Onnx__TensorShapeProto *shape = make(w, sizeof *shape);
    dimension **list = make(w, (v->rank + 1) * sizeof *list);
    dimension *dims = make(w, (v->rank + 1) * sizeof *dims);
    if (!shape || !list || !dims)
        return NULL;
    maru__onnx__tensor_shape_proto__init(shape);
    for (uint32_t d = 0; d < v->rank; d++) {
        maru__onnx__tensor_shape_proto__dimension__init(&dims[d]);
        list[d] = &dims[d];
        // Bounds of dims that the data decides are not the dims; they stay open.
        if (!v->has_bound_dims)
            set_dim(w, v->dims[d], &dims[d]);
    }
    shape->n_dim = v->rank;
    shape->dim = list;
    return shape;
}

onnx_port_out *onnx_port(onnx_writer *w, const char *name, maru_value value)
{
    const maru_value_record *v = maru_graph_get(w->graph, value);
    onnx_port_out *port = make(w, sizeof *port);
    Maru__Onnx__TypeProto *type = make(w, sizeof *type);
    Maru__Onnx__TypeProto__Tensor *tensor = make(w, sizeof *tensor);
    if (!port || !type || !tensor)
        return NULL;
    maru__onnx__value_info_proto__init(port);
    maru__onnx__type_proto__init(type);
    maru__onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = 1;
    tensor->elem_type = (int32_t)v->dtype;
    tensor->shape = shape_of(w, v);
    type->value_case = MARU__ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    port->name = (char *)(uintptr_t)name;
    port->type = type;
    return w->status == MARU_OK ? port : NULL;
}
