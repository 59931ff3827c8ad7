// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <math.h>
#include <string.h>

static void same_as_input(maru_infer *infer)
{
    infer->outputs[0] = infer->inputs[0];
    infer->outputs[0].elems = NULL;
}

static bool is_const(const maru_infer *infer, maru_dim dim, int64_t *out)
{
    return maru_expr_is_const(&infer->graph->exprs, dim, out);
}

static maru_status make(maru_infer *infer, maru_expr_op op, maru_dim a, maru_dim b, maru_dim *out)
{
    return maru_expr_make(&infer->graph->exprs, op, a, b, out);
}

/* Elements known as dims, for the shape input of an op. */
static maru_status require_elems(maru_infer *infer, size_t index)
{
    if (infer->inputs[index].elems && infer->inputs[index].n_elems <= MARU_MAX_RANK)
        return MARU_OK;
    if (infer->inputs[index].elems)
        return maru_infer_fail(infer, "a shape of %u dims is above rank %d", infer->inputs[index].n_elems,
                               MARU_MAX_RANK);
    return maru_infer_fail(infer, "input %zu (a shape) must follow from constants and dims when the graph is built",
                           index);
}

/* ---- Reshape and its kin ---- */

static maru_status fail_reshape(maru_infer *infer, const maru_infer_value *out)
{
    char text[256];
    maru_str s = {0};
    maru_dims_print(&infer->graph->exprs, out->dims, out->rank, &s);
    maru_status status = maru_infer_fail(infer, "%s has another number of elements than %s",
                                         maru_infer_describe(infer, 0, text, sizeof text), maru_str_get(&s));
    maru_str_fini(&s);
    return status;
}

static maru_status reshape_dims(maru_infer *infer, maru_infer_value *out, int *unknown)
{
    const maru_infer_value *in = &infer->inputs[0];
    const maru_infer_value *shape = &infer->inputs[1];
    const bool keeps_zero = maru_node_int(infer->node, "allowzero", 0) != 0;
    *unknown = -1;
    out->rank = shape->n_elems;
    for (uint32_t d = 0; d < out->rank; d++) {
        int64_t value = 0;
        out->dims[d] = shape->elems[d];
        if (!is_const(infer, shape->elems[d], &value))
            continue;
        if (value == -1 && *unknown < 0) {
            *unknown = (int)d;
            out->dims[d] = 1;
        } else if (value < 0) {
            return maru_infer_fail(infer, "shape element %u is %lld", d, (long long)value);
        } else if (value == 0 && !keeps_zero) {
            if (d >= in->rank)
                return maru_infer_fail(infer, "shape element %u is 0, but the input has rank %u", d, in->rank);
            out->dims[d] = in->dims[d];
        }
    }
    return MARU_OK;
}

MARU_INFER(reshape)
{
    MARU_TRY(require_elems(infer, 1));
    const maru_infer_value *in = &infer->inputs[0];
    maru_infer_value *out = &infer->outputs[0];
    maru_exprs *exprs = &infer->graph->exprs;
    out->dtype = in->dtype;
    int unknown = -1;
    MARU_TRY(reshape_dims(infer, out, &unknown));
    maru_dim total = 0;
    maru_dim known = 0;
    int64_t a = 0;
    int64_t b = 0;
    MARU_TRY(maru_expr_product(exprs, in->dims, in->rank, &total));
    MARU_TRY(maru_expr_product(exprs, out->dims, out->rank, &known));
    const bool both_const = is_const(infer, total, &a) && is_const(infer, known, &b);
    if (unknown >= 0) {
        if (both_const && (b == 0 || a % b != 0))
            return fail_reshape(infer, out);
        MARU_TRY(make(infer, MARU_EXPR_FLOORDIV, total, known, &out->dims[unknown]));
    } else if (both_const && a != b) {
        return fail_reshape(infer, out);
    }
    if (in->elems && out->rank <= 1) {
        out->elems = in->elems;
        out->n_elems = in->n_elems;
    }
    return MARU_OK;
}

MARU_INFER(flatten)
{
    const maru_infer_value *in = &infer->inputs[0];
    int64_t axis = maru_node_int(infer->node, "axis", 1);
    axis = axis < 0 ? axis + in->rank : axis;
    if (axis < 0 || axis > (int64_t)in->rank)
        return maru_infer_fail(infer, "axis %lld is outside rank %u", (long long)axis, in->rank);
    infer->outputs[0].dtype = in->dtype;
    infer->outputs[0].rank = 2;
    MARU_TRY(maru_expr_product(&infer->graph->exprs, in->dims, (size_t)axis, &infer->outputs[0].dims[0]));
    return maru_expr_product(&infer->graph->exprs, in->dims + axis, in->rank - (size_t)axis,
                             &infer->outputs[0].dims[1]);
}

static maru_status read_axes(maru_infer *infer, uint32_t rank, bool *chosen)
{
    int64_t axes[MARU_MAX_RANK];
    size_t n = 0;
    MARU_TRY(maru_infer_ints(infer, 1, axes, MARU_MAX_RANK, &n));
    for (size_t i = 0; i < n; i++) {
        uint32_t axis = 0;
        MARU_TRY(maru_infer_axis(infer, axes[i], rank, &axis));
        if (chosen[axis])
            return maru_infer_fail(infer, "axis %lld is given twice", (long long)axes[i]);
        chosen[axis] = true;
    }
    return MARU_OK;
}

static void pass_elems(maru_infer *infer)
{
    if (infer->outputs[0].rank <= 1) {
        infer->outputs[0].elems = infer->inputs[0].elems;
        infer->outputs[0].n_elems = infer->inputs[0].n_elems;
    }
}

MARU_INFER(squeeze)
{
    const maru_infer_value *in = &infer->inputs[0];
    bool chosen[MARU_MAX_RANK] = {false};
    const bool given = maru_infer_has(infer, 1);
    if (given)
        MARU_TRY(read_axes(infer, in->rank, chosen));
    infer->outputs[0].dtype = in->dtype;
    for (uint32_t d = 0; d < in->rank; d++) {
        int64_t value = 0;
        const bool is_one = is_const(infer, in->dims[d], &value) && value == 1;
        if (chosen[d] && !is_one) {
            char text[96];
            return maru_infer_fail(infer, "axis %u is %s, only 1 can be squeezed", d,
                                   maru_graph_dim_text(infer->graph, in->dims[d], text, sizeof text));
        }
        if (given ? !chosen[d] : !is_one)
            infer->outputs[0].dims[infer->outputs[0].rank++] = in->dims[d];
    }
    pass_elems(infer);
    return MARU_OK;
}

MARU_INFER(unsqueeze)
{
    const maru_infer_value *in = &infer->inputs[0];
    const uint32_t rank = in->rank + infer->inputs[1].n_elems;
    if (rank > MARU_MAX_RANK)
        return maru_infer_fail(infer, "rank %u is above %d", rank, MARU_MAX_RANK);
    bool chosen[MARU_MAX_RANK] = {false};
    MARU_TRY(read_axes(infer, rank, chosen));
    infer->outputs[0].dtype = in->dtype;
    uint32_t from = 0;
    for (uint32_t d = 0; d < rank; d++)
        infer->outputs[0].dims[d] = chosen[d] ? 1 : in->dims[from++];
    infer->outputs[0].rank = rank;
    pass_elems(infer);
    return MARU_OK;
}

/* ---- permuting and repeating ---- */

MARU_INFER(transpose)
{
    same_as_input(infer);
    const maru_infer_value *in = &infer->inputs[0];
    const maru_attribute *perm = maru_node_attr(infer->node, "perm");
    if (perm && perm->n != in->rank)
        return maru_infer_fail(infer, "perm has %zu numbers for rank %u", perm->n, in->rank);
    bool used[MARU_MAX_RANK] = {false};
    for (uint32_t d = 0; d < in->rank; d++) {
        const int64_t from = perm ? perm->ints[d] : (int64_t)in->rank - 1 - d;
        if (from < 0 || from >= (int64_t)in->rank || used[from])
            return maru_infer_fail(infer, "perm is not a permutation: element %u is %lld", d, (long long)from);
        used[from] = true;
        infer->outputs[0].dims[d] = in->dims[from];
    }
    return MARU_OK;
}

MARU_INFER(expand)
{
    MARU_TRY(require_elems(infer, 1));
    const maru_infer_value *in = &infer->inputs[0];
    const maru_infer_value *shape = &infer->inputs[1];
    maru_infer_value *out = &infer->outputs[0];
    out->dtype = in->dtype;
    out->rank = in->rank > shape->n_elems ? in->rank : shape->n_elems;
    for (uint32_t d = 0; d < out->rank; d++) {
        const maru_dim x = d + in->rank < out->rank ? 1 : in->dims[d + in->rank - out->rank];
        const maru_dim y = d + shape->n_elems < out->rank ? 1 : shape->elems[d + shape->n_elems - out->rank];
        if (x != 1 && y != 1 && !maru_infer_same_dim(infer, x, y)) {
            char text[256], a[96];
            return maru_infer_fail(infer, "%s cannot be expanded to %s at axis %u",
                                   maru_infer_describe(infer, 0, text, sizeof text),
                                   maru_graph_dim_text(infer->graph, y, a, sizeof a), d);
        }
        out->dims[d] = x == 1 ? y : x;
    }
    return MARU_OK;
}

MARU_INFER(tile)
{
    MARU_TRY(require_elems(infer, 1));
    same_as_input(infer);
    if (infer->inputs[1].n_elems != infer->inputs[0].rank)
        return maru_infer_fail(infer, "%u repeats for rank %u", infer->inputs[1].n_elems, infer->inputs[0].rank);
    for (uint32_t d = 0; d < infer->inputs[0].rank; d++)
        MARU_TRY(make(infer, MARU_EXPR_MUL, infer->inputs[0].dims[d], infer->inputs[1].elems[d],
                      &infer->outputs[0].dims[d]));
    return MARU_OK;
}

/* ---- joining and cutting ---- */

static void concat_elems(maru_infer *infer)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < infer->node->n_inputs; i++) {
        const maru_infer_value *v = &infer->inputs[i];
        if (!v->elems || n + v->n_elems > MARU_INFER_MAX_ELEMS)
            return;
        memcpy(infer->elem_room + n, v->elems, v->n_elems * sizeof *v->elems);
        n += v->n_elems;
    }
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = n;
}

MARU_INFER(concat)
{
    same_as_input(infer);
    maru_infer_value *out = &infer->outputs[0];
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", 0), out->rank, &axis));
    for (uint32_t i = 1; i < infer->node->n_inputs; i++) {
        const maru_infer_value *v = &infer->inputs[i];
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, i));
        bool fits = v->rank == out->rank;
        for (uint32_t d = 0; fits && d < out->rank; d++)
            fits = d == axis || maru_infer_same_dim(infer, v->dims[d], out->dims[d]);
        if (!fits) {
            char a[256], b[256];
            return maru_infer_fail(infer, "%s and %s differ outside axis %u",
                                   maru_infer_describe(infer, 0, a, sizeof a),
                                   maru_infer_describe(infer, i, b, sizeof b), axis);
        }
        MARU_TRY(make(infer, MARU_EXPR_ADD, out->dims[axis], v->dims[axis], &out->dims[axis]));
    }
    if (out->rank == 1)
        concat_elems(infer);
    return MARU_OK;
}

static maru_status split_evenly(maru_infer *infer, uint32_t axis)
{
    const uint32_t n = infer->node->n_outputs;
    const int64_t asked = maru_node_int(infer->node, "num_outputs", n);
    if (asked != n)
        return maru_infer_fail(infer, "num_outputs is %lld, %u outputs are taken", (long long)asked, n);
    const maru_dim whole = infer->inputs[0].dims[axis];
    maru_dim piece = 0;
    maru_dim used = 0;
    MARU_TRY(make(infer, MARU_EXPR_CEILDIV, whole, n, &piece));
    for (uint32_t i = 0; i + 1 < n; i++) {
        infer->outputs[i].dims[axis] = piece;
        MARU_TRY(make(infer, MARU_EXPR_ADD, used, piece, &used));
    }
    return make(infer, MARU_EXPR_SUB, whole, used, &infer->outputs[n - 1].dims[axis]);
}

static maru_status split_by_sizes(maru_infer *infer, uint32_t axis)
{
    const maru_infer_value *sizes = &infer->inputs[1];
    if (!sizes->elems || sizes->n_elems != infer->node->n_outputs)
        return maru_infer_fail(infer, "the sizes must be known and one for each of the %u outputs",
                               infer->node->n_outputs);
    maru_dim sum = 0;
    for (uint32_t i = 0; i < sizes->n_elems; i++) {
        infer->outputs[i].dims[axis] = sizes->elems[i];
        MARU_TRY(make(infer, MARU_EXPR_ADD, sum, sizes->elems[i], &sum));
    }
    int64_t a = 0;
    int64_t b = 0;
    if (is_const(infer, sum, &a) && is_const(infer, infer->inputs[0].dims[axis], &b) && a != b)
        return maru_infer_fail(infer, "the sizes add up to %lld, axis %u has %lld", (long long)a, axis, (long long)b);
    return MARU_OK;
}

MARU_INFER(split)
{
    const maru_infer_value *in = &infer->inputs[0];
    uint32_t axis = 0;
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", 0), in->rank, &axis));
    for (uint32_t i = 0; i < infer->node->n_outputs; i++) {
        infer->outputs[i] = *in;
        infer->outputs[i].elems = NULL;
    }
    return maru_infer_has(infer, 1) ? split_by_sizes(infer, axis) : split_evenly(infer, axis);
}

/* One end of a slice as a position in [low, dim]. */
static maru_status slice_bound(maru_infer *infer, maru_dim elem, maru_dim dim, maru_dim *out)
{
    int64_t value = 0;
    if (is_const(infer, elem, &value)) {
        if (value >= INT32_MAX) {
            *out = dim;
            return MARU_OK;
        }
        if (value < 0) {
            if (value <= -(int64_t)INT32_MAX) {
                *out = 0;
                return MARU_OK;
            }
            MARU_TRY(make(infer, MARU_EXPR_ADD, dim, elem, out));
            return make(infer, MARU_EXPR_MAX, *out, 0, out);
        }
    }
    return make(infer, MARU_EXPR_MIN, elem, dim, out);
}

/* Backwards: positions run from start down to end exclusive, with -1 as "before the first". */
static maru_status slice_backwards(maru_infer *infer, maru_dim start, maru_dim end, int64_t step, maru_dim dim,
                                   maru_dim *out)
{
    int64_t s = 0, e = 0, n = 0;
    if (!is_const(infer, start, &s) || !is_const(infer, end, &e))
        return maru_infer_fail(infer, "a negative step needs constant starts and ends");
    if (s == -1 || s >= INT32_MAX) {
        if (e <= -(int64_t)INT32_MAX)
            return make(infer, MARU_EXPR_CEILDIV, dim, -step, out);
    }
    if (!is_const(infer, dim, &n))
        return maru_infer_fail(infer, "a negative step over a symbolic axis must take the whole axis");
    s = s < 0 ? s + n : s;
    s = s < 0 ? -1 : s >= n ? n - 1 : s;
    e = e < 0 ? e + n : e;
    e = e < -1 ? -1 : e >= n ? n - 1 : e;
    const int64_t count = s > e ? (s - e + (-step) - 1) / -step : 0;
    *out = count;
    return MARU_OK;
}

static maru_status slice_axis(maru_infer *infer, maru_dim start, maru_dim end, int64_t step, maru_dim *dim)
{
    if (step == 0)
        return maru_infer_fail(infer, "a step is 0");
    if (step < 0)
        return slice_backwards(infer, start, end, step, *dim, dim);
    maru_dim from = 0;
    maru_dim to = 0;
    MARU_TRY(slice_bound(infer, start, *dim, &from));
    MARU_TRY(slice_bound(infer, end, *dim, &to));
    MARU_TRY(make(infer, MARU_EXPR_SUB, to, from, &to));
    MARU_TRY(make(infer, MARU_EXPR_CEILDIV, to, step, &to));
    return make(infer, MARU_EXPR_MAX, to, 0, dim);
}

static void slice_elems(maru_infer *infer, int64_t start, int64_t step)
{
    const maru_infer_value *in = &infer->inputs[0];
    int64_t n = 0;
    if (!in->elems || in->rank != 1 || !is_const(infer, infer->outputs[0].dims[0], &n) || n > MARU_INFER_MAX_ELEMS)
        return;
    const int64_t length = in->n_elems;
    start = start < 0 ? start + length : start;
    start = start < 0 ? 0 : start;
    start = step < 0 && start >= length ? length - 1 : start;
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = start + i * step;
        if (at < 0 || at >= length)
            return;
        infer->elem_room[i] = in->elems[at];
    }
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = (uint32_t)n;
}

MARU_INFER(slice)
{
    same_as_input(infer);
    const maru_infer_value *starts = &infer->inputs[1];
    const maru_infer_value *ends = &infer->inputs[2];
    const uint32_t rank = infer->inputs[0].rank;
    if (!starts->elems || !ends->elems || starts->n_elems != ends->n_elems || starts->n_elems > rank)
        return maru_infer_fail(infer, "starts and ends must be known, alike in length, and at most one an axis");
    const size_t n = starts->n_elems;
    int64_t axes[MARU_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    int64_t steps[MARU_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    size_t n_axes = n;
    size_t n_steps = n;
    if (maru_infer_has(infer, 3))
        MARU_TRY(maru_infer_ints(infer, 3, axes, MARU_MAX_RANK, &n_axes));
    if (maru_infer_has(infer, 4))
        MARU_TRY(maru_infer_ints(infer, 4, steps, MARU_MAX_RANK, &n_steps));
    if (n_axes != n || n_steps != n)
        return maru_infer_fail(infer, "%zu starts, %zu axes and %zu steps", n, n_axes, n_steps);
    for (size_t i = 0; i < n; i++) {
        uint32_t axis = 0;
        MARU_TRY(maru_infer_axis(infer, axes[i], rank, &axis));
        MARU_TRY(slice_axis(infer, starts->elems[i], ends->elems[i], steps[i], &infer->outputs[0].dims[axis]));
    }
    int64_t start = 0;
    if (n == 1 && is_const(infer, starts->elems[0], &start))
        slice_elems(infer, start, steps[0]);
    return MARU_OK;
}

MARU_INFER(pad)
{
    same_as_input(infer);
    const uint32_t rank = infer->inputs[0].rank;
    int64_t pads[2 * MARU_MAX_RANK];
    int64_t axes[MARU_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t n_pads = 0;
    size_t n_axes = rank;
    MARU_TRY(maru_infer_ints(infer, 1, pads, 2 * MARU_MAX_RANK, &n_pads));
    if (maru_infer_has(infer, 3))
        MARU_TRY(maru_infer_ints(infer, 3, axes, MARU_MAX_RANK, &n_axes));
    if (n_pads != 2 * n_axes)
        return maru_infer_fail(infer, "%zu pads for %zu axes; two an axis are needed", n_pads, n_axes);
    if (maru_infer_has(infer, 2))
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, 2));
    for (size_t i = 0; i < n_axes; i++) {
        uint32_t axis = 0;
        maru_dim delta = 0;
        int64_t value = 0;
        maru_dim *dim = &infer->outputs[0].dims[0];
        MARU_TRY(maru_infer_axis(infer, axes[i], rank, &axis));
        MARU_TRY(maru_expr_const(&infer->graph->exprs, pads[i] + pads[i + n_axes], &delta));
        MARU_TRY(make(infer, MARU_EXPR_ADD, dim[axis], delta, &dim[axis]));
        if (is_const(infer, dim[axis], &value) && value < 0)
            return maru_infer_fail(infer, "axis %u would have %lld elements", axis, (long long)value);
    }
    return MARU_OK;
}

/* ---- gathering ---- */

static void gather_elems(maru_infer *infer)
{
    const maru_infer_value *data = &infer->inputs[0];
    const maru_infer_value *indices = &infer->inputs[1];
    if (data->rank != 1 || !data->elems || !indices->elems || indices->n_elems > MARU_INFER_MAX_ELEMS)
        return;
    for (uint32_t i = 0; i < indices->n_elems; i++) {
        int64_t at = 0;
        if (!is_const(infer, indices->elems[i], &at))
            return;
        at = at < 0 ? at + data->n_elems : at;
        if (at < 0 || at >= data->n_elems)
            return;
        infer->elem_room[i] = data->elems[at];
    }
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = indices->n_elems;
}

static maru_status require_index_dtype(const maru_infer *infer, size_t index)
{
    const maru_dtype dtype = infer->inputs[index].dtype;
    if (dtype == MARU_I32 || dtype == MARU_I64)
        return MARU_OK;
    return maru_infer_fail(infer, "indices are %s, they must be i32 or i64", maru_dtype_name(dtype));
}

MARU_INFER(gather)
{
    const maru_infer_value *data = &infer->inputs[0];
    const maru_infer_value *indices = &infer->inputs[1];
    maru_infer_value *out = &infer->outputs[0];
    uint32_t axis = 0;
    MARU_TRY(require_index_dtype(infer, 1));
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", 0), data->rank, &axis));
    if (data->rank + indices->rank - 1 > MARU_MAX_RANK)
        return maru_infer_fail(infer, "the result would have rank %u", data->rank + indices->rank - 1);
    out->dtype = data->dtype;
    for (uint32_t d = 0; d < axis; d++)
        out->dims[out->rank++] = data->dims[d];
    for (uint32_t d = 0; d < indices->rank; d++)
        out->dims[out->rank++] = indices->dims[d];
    for (uint32_t d = axis + 1; d < data->rank; d++)
        out->dims[out->rank++] = data->dims[d];
    gather_elems(infer);
    return MARU_OK;
}

MARU_INFER(gather_elements)
{
    uint32_t axis = 0;
    MARU_TRY(require_index_dtype(infer, 1));
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", 0), infer->inputs[0].rank, &axis));
    if (infer->inputs[1].rank != infer->inputs[0].rank)
        return maru_infer_fail(infer, "data and indices have ranks %u and %u; they must be equal",
                               infer->inputs[0].rank, infer->inputs[1].rank);
    infer->outputs[0] = infer->inputs[1];
    infer->outputs[0].elems = NULL;
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return MARU_OK;
}

MARU_INFER(gather_nd)
{
    const maru_infer_value *data = &infer->inputs[0];
    const maru_infer_value *indices = &infer->inputs[1];
    maru_infer_value *out = &infer->outputs[0];
    MARU_TRY(require_index_dtype(infer, 1));
    const int64_t batch = maru_node_int(infer->node, "batch_dims", 0);
    int64_t depth = 0;
    if (indices->rank == 0 || batch < 0 || batch >= indices->rank || batch >= data->rank ||
        !is_const(infer, indices->dims[indices->rank - 1], &depth) || depth < 1 || depth > data->rank - batch)
        return maru_infer_fail(infer, "the last dim of indices must be constant and between 1 and the data's rank");
    const uint32_t kept = data->rank - (uint32_t)batch - (uint32_t)depth;
    if (indices->rank - 1 + kept > MARU_MAX_RANK)
        return maru_infer_fail(infer, "the result would have rank %u", indices->rank - 1 + kept);
    out->dtype = data->dtype;
    for (uint32_t d = 0; d + 1 < indices->rank; d++)
        out->dims[out->rank++] = indices->dims[d];
    for (uint32_t d = (uint32_t)batch + (uint32_t)depth; d < data->rank; d++)
        out->dims[out->rank++] = data->dims[d];
    return MARU_OK;
}

MARU_INFER(scatter)
{
    MARU_TRY(require_index_dtype(infer, 1));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 2));
    static const char *const modes[] = {"none", "add", "mul", "min", "max"};
    const char *mode = maru_node_string(infer->node, "reduction", "none");
    bool known = false;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        known = known || strcmp(modes[i], mode) == 0;
    if (!known)
        return maru_infer_fail(infer, "reduction '%s' is not known", mode);
    if (infer->node->op->id == MARU_OP_SCATTER_ELEMENTS) {
        uint32_t axis = 0;
        MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", 0), infer->inputs[0].rank, &axis));
    }
    same_as_input(infer);
    return MARU_OK;
}

/* ---- making ---- */

MARU_INFER(shape)
{
    const maru_infer_value *in = &infer->inputs[0];
    const int64_t rank = in->rank;
    int64_t start = maru_node_int(infer->node, "start", 0);
    int64_t end = maru_node_int(infer->node, "end", rank);
    start = start < 0 ? start + rank : start;
    end = end < 0 ? end + rank : end;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end < start ? start : end > rank ? rank : end;
    infer->outputs[0] = (maru_infer_value){.dtype = MARU_I64, .rank = 1, .dims = {end - start}};
    memcpy(infer->elem_room, in->dims + start, (size_t)(end - start) * sizeof *in->dims);
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = (uint32_t)(end - start);
    return MARU_OK;
}

MARU_INFER(size)
{
    infer->outputs[0] = (maru_infer_value){.dtype = MARU_I64};
    MARU_TRY(maru_expr_product(&infer->graph->exprs, infer->inputs[0].dims, infer->inputs[0].rank,
                               &infer->elem_room[0]));
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = 1;
    return MARU_OK;
}

/* One float: a constant, or a known integer that was cast. */
static bool is_known_float(const maru_infer *infer, size_t index, double *out)
{
    const maru_value value = infer->node->inputs[index];
    const maru_value_record *v = maru_graph_get(infer->graph, value);
    const void *data = maru_graph_constant_data(infer->graph, value);
    if (data) {
        const maru_tensor t = {.dtype = v->dtype, .data = (void *)(uintptr_t)data};
        *out = maru_tensor_get_f64(&t, 0);
        return true;
    }
    const maru_node_record *cast = v->kind == MARU_VALUE_NODE ? &infer->graph->nodes.data[v->source] : NULL;
    if (!cast || (cast->op->id != MARU_OP_CAST && cast->op->id != MARU_OP_CAST_LIKE))
        return false;
    const maru_value_record *from = maru_graph_get(infer->graph, cast->inputs[0]);
    int64_t number = 0;
    if (!from->elems || from->n_elems != 1 || !is_const(infer, from->elems[0], &number))
        return false;
    *out = (double)number;
    return true;
}

static maru_status float_range(maru_infer *infer, maru_dim *out)
{
    double v[3];
    for (size_t i = 0; i < 3; i++)
        if (!is_known_float(infer, i, &v[i]))
            return maru_infer_fail(infer, "start, limit and delta must be known when the graph is built");
    const double n = (v[1] - v[0]) / v[2];
    if (!(n < 1e12))
        return maru_infer_fail(infer, "the range from %g to %g by %g has no end", v[0], v[1], v[2]);
    *out = n <= 0 ? 0 : (int64_t)n + ((double)(int64_t)n < n);
    return MARU_OK;
}

static maru_status int_range(maru_infer *infer, maru_dim *out)
{
    for (size_t i = 0; i < 3; i++)
        if (!infer->inputs[i].elems || infer->inputs[i].n_elems != 1)
            return maru_infer_fail(infer, "start, limit and delta must be known when the graph is built");
    const maru_dim start = infer->inputs[0].elems[0];
    const maru_dim limit = infer->inputs[1].elems[0];
    const maru_dim delta = infer->inputs[2].elems[0];
    MARU_TRY(make(infer, MARU_EXPR_SUB, limit, start, out));
    MARU_TRY(make(infer, MARU_EXPR_CEILDIV, *out, delta, out));
    MARU_TRY(make(infer, MARU_EXPR_MAX, *out, 0, out));
    int64_t n = 0;
    int64_t step = 0;
    if (!is_const(infer, *out, &n) || n > MARU_INFER_MAX_ELEMS || !is_const(infer, delta, &step))
        return MARU_OK;
    for (int64_t i = 0; i < n; i++) {
        maru_dim offset = 0;
        MARU_TRY(maru_expr_const(&infer->graph->exprs, i * step, &offset));
        MARU_TRY(make(infer, MARU_EXPR_ADD, start, offset, &infer->elem_room[i]));
    }
    infer->outputs[0].elems = infer->elem_room;
    infer->outputs[0].n_elems = (uint32_t)n;
    return MARU_OK;
}

MARU_INFER(range)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fi"));
    for (size_t i = 0; i < 3; i++) {
        MARU_TRY(maru_infer_require_same_dtype(infer, 0, i));
        if (infer->inputs[i].rank != 0)
            return maru_infer_fail(infer, "input %zu must be a scalar", i);
    }
    infer->outputs[0] = (maru_infer_value){.dtype = infer->inputs[0].dtype, .rank = 1};
    const maru_dtype dtype = infer->inputs[0].dtype;
    if (dtype == MARU_I32 || dtype == MARU_I64)
        return int_range(infer, &infer->outputs[0].dims[0]);
    return float_range(infer, &infer->outputs[0].dims[0]);
}

MARU_INFER(constant_of_shape)
{
    MARU_TRY(require_elems(infer, 0));
    maru_infer_value *out = &infer->outputs[0];
    const maru_attribute *value = maru_node_attr(infer->node, "value");
    out->dtype = value ? maru_graph_get(infer->graph, value->tensor)->dtype : MARU_F32;
    out->rank = infer->inputs[0].n_elems;
    memcpy(out->dims, infer->inputs[0].elems, out->rank * sizeof *out->dims);
    for (uint32_t d = 0; d < out->rank; d++) {
        int64_t dim = 0;
        if (is_const(infer, out->dims[d], &dim) && dim < 0)
            return maru_infer_fail(infer, "dim %u is %lld", d, (long long)dim);
    }
    return MARU_OK;
}

MARU_INFER(trilu)
{
    if (infer->inputs[0].rank < 2)
        return maru_infer_fail(infer, "the input must have rank 2 or more, it has %u", infer->inputs[0].rank);
    if (maru_infer_has(infer, 1) && (infer->inputs[1].dtype != MARU_I64 || infer->inputs[1].rank > 1))
        return maru_infer_fail(infer, "k must be one i64");
    same_as_input(infer);
    return MARU_OK;
}

MARU_INFER(non_zero)
{
    infer->outputs[0] = (maru_infer_value){.dtype = MARU_I64, .rank = 2, .is_bound = true};
    infer->outputs[0].dims[0] = infer->inputs[0].rank ? infer->inputs[0].rank : 1;
    return maru_expr_product(&infer->graph->exprs, infer->inputs[0].dims, infer->inputs[0].rank,
                             &infer->outputs[0].dims[1]);
}

static maru_status exchange_blocks(maru_infer *infer, bool to_space)
{
    same_as_input(infer);
    const maru_infer_value *in = &infer->inputs[0];
    maru_infer_value *out = &infer->outputs[0];
    const int64_t block = maru_node_int(infer->node, "blocksize", 0);
    if (in->rank != 4 || block < 1 || block > 65536)
        return maru_infer_fail(infer, "takes rank 4 and a positive blocksize, given %u and %lld", in->rank,
                               (long long)block);
    maru_exprs *exprs = &infer->graph->exprs;
    bool divides = true;
    if (to_space)
        divides = maru_expr_divide(exprs, in->dims[1], block * block, &out->dims[1]);
    else
        MARU_TRY(make(infer, MARU_EXPR_MUL, in->dims[1], block * block, &out->dims[1]));
    for (int d = 2; d < 4; d++) {
        if (to_space)
            MARU_TRY(make(infer, MARU_EXPR_MUL, in->dims[d], block, &out->dims[d]));
        else
            divides = divides && maru_expr_divide(exprs, in->dims[d], block, &out->dims[d]);
    }
    char text[256];
    return divides ? MARU_OK
                   : maru_infer_fail(infer, "blocksize %lld does not divide %s", (long long)block,
                                     maru_infer_describe(infer, 0, text, sizeof text));
}

MARU_INFER(depth_to_space)
{
    return exchange_blocks(infer, true);
}

MARU_INFER(space_to_depth)
{
    return exchange_blocks(infer, false);
}

MARU_INFER(one_hot)
{
    const maru_infer_value *in = &infer->inputs[0];
    maru_infer_value *out = &infer->outputs[0];
    uint32_t axis = 0;
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    if (in->rank + 1 > MARU_MAX_RANK || infer->inputs[1].n_elems != 1 || infer->inputs[2].rank != 1)
        return maru_infer_fail(infer, "depth must be one known number and values a pair");
    MARU_TRY(maru_infer_axis(infer, maru_node_int(infer->node, "axis", -1), in->rank + 1, &axis));
    out->dtype = infer->inputs[2].dtype;
    for (uint32_t d = 0; d <= in->rank; d++)
        out->dims[out->rank++] = d == axis ? infer->inputs[1].elems[0] : in->dims[d - (d > axis)];
    return MARU_OK;
}

/* ---- Resize ---- */

static maru_status resize_by_scales(maru_infer *infer, const uint32_t *axes, size_t n)
{
    const maru_value_record *record = maru_graph_get(infer->graph, infer->node->inputs[2]);
    const void *data = maru_graph_constant_data(infer->graph, infer->node->inputs[2]);
    int64_t given = 0;
    if (!data || record->dtype != MARU_F32 || record->rank != 1 || !is_const(infer, record->dims[0], &given) ||
        (size_t)given != n)
        return maru_infer_fail(infer, "scales must be %zu constant f32 numbers", n);
    for (size_t i = 0; i < n; i++) {
        const float scale = ((const float *)data)[i];
        int64_t in = 0;
        maru_dim *dim = &infer->outputs[0].dims[axes[i]];
        if (!(scale > 0))
            return maru_infer_fail(infer, "scale %zu is %g", i, (double)scale);
        if (is_const(infer, *dim, &in))
            *dim = (int64_t)((double)in * (double)scale);
        else if ((float)(int64_t)scale == scale)
            MARU_TRY(make(infer, MARU_EXPR_MUL, *dim, (int64_t)scale, dim));
        else
            return maru_infer_fail(infer, "scale %g of a symbolic axis must be a whole number", (double)scale);
    }
    return MARU_OK;
}

/* One scale for all axes: the smallest, or the largest, of those that the sizes ask for. */
static maru_status resize_alike(maru_infer *infer, const uint32_t *axes, size_t n, const char *policy)
{
    const bool takes_smallest = strcmp(policy, "not_larger") == 0;
    int64_t in[MARU_MAX_RANK] = {0};
    double common = 0;
    if (!takes_smallest && strcmp(policy, "not_smaller") != 0)
        return maru_infer_fail(infer, "keep_aspect_ratio_policy '%s' is not known", policy);
    for (size_t i = 0; i < n; i++) {
        int64_t size = 0;
        const maru_dim have = infer->outputs[0].dims[axes[i]];
        if (!is_const(infer, infer->inputs[3].elems[i], &size) || !is_const(infer, have, &in[i]))
            return maru_infer_fail(infer, "with keep_aspect_ratio_policy '%s' the sizes and the input's dims must be "
                                   "known", policy);
        if (in[i] < 1 || size < 1)
            return maru_infer_fail(infer, "%lld elements cannot become %lld", (long long)in[i], (long long)size);
        const double scale = (double)size / (double)in[i];
        common = i == 0 || (takes_smallest ? scale < common : scale > common) ? scale : common;
    }
    for (size_t i = 0; i < n; i++) {
        const double size = floor(common * (double)in[i] + 0.5);  // halves go up
        if (!(size <= 0x1p62))
            return maru_infer_fail(infer, "axis %u becomes too large", axes[i]);
        infer->outputs[0].dims[axes[i]] = (int64_t)size;
    }
    return MARU_OK;
}

MARU_INFER(resize)
{
    same_as_input(infer);
    const uint32_t rank = infer->inputs[0].rank;
    const maru_attribute *given = maru_node_attr(infer->node, "axes");
    uint32_t axes[MARU_MAX_RANK];
    size_t n = given ? given->n : rank;
    if (n > rank)
        return maru_infer_fail(infer, "%zu axes for rank %u", n, rank);
    for (size_t i = 0; i < n; i++)
        MARU_TRY(maru_infer_axis(infer, given ? given->ints[i] : (int64_t)i, rank, &axes[i]));
    if (!maru_infer_has(infer, 3))
        return maru_infer_has(infer, 2) ? resize_by_scales(infer, axes, n)
                                        : maru_infer_fail(infer, "neither scales nor sizes are given");
    const maru_infer_value *sizes = &infer->inputs[3];
    if (!sizes->elems || sizes->n_elems != n)
        return maru_infer_fail(infer, "sizes must be %zu known numbers", n);
    const char *policy = maru_node_string(infer->node, "keep_aspect_ratio_policy", "stretch");
    if (strcmp(policy, "stretch") != 0)
        return resize_alike(infer, axes, n, policy);
    for (size_t i = 0; i < n; i++)
        infer->outputs[0].dims[axes[i]] = sizes->elems[i];
    return MARU_OK;
}
