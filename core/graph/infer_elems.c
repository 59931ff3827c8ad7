// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <stdlib.h>
#include <string.h>

/*
 * What is known of the elements of small integer and truth tensors, after
 * operators that exporters compute shapes with. The families' own inference
 * follows arithmetic and movement; here is what they have in common.
 */

/* Paddings are turned round as a small matrix (begin, end) by axis; nobody else has elements of rank 2. */
bool maru_infer_moves_matrices(const maru_op_info *op)
{
    return op->id == MARU_OP_RESHAPE || op->id == MARU_OP_SLICE || op->id == MARU_OP_TRANSPOSE ||
           op->id == MARU_OP_CAST || op->id == MARU_OP_IDENTITY;
}

static bool is_followed(const maru_infer *infer, const maru_infer_value *v)
{
    return v->rank <= (maru_infer_moves_matrices(infer->node->op) ? 2u : 1u) &&
           (v->dtype == MARU_I64 || v->dtype == MARU_I32 || v->dtype == MARU_BOOL);
}

/* The number of elements of the output, if that many are followed. */
static bool count_of(const maru_infer *infer, uint32_t *out)
{
    int64_t n = 1;
    const maru_infer_value *v = &infer->outputs[0];
    for (uint32_t d = 0; d < v->rank; d++) {
        int64_t dim = 0;
        if (!maru_expr_is_const(&infer->graph->exprs, v->dims[d], &dim) || dim < 0 || dim > MARU_INFER_MAX_ELEMS)
            return false;
        n *= dim;
    }
    if (n > MARU_INFER_MAX_ELEMS)
        return false;
    *out = (uint32_t)n;
    return true;
}

/* Element `i` of an input that is broadcast to the output. */
static maru_dim elem_at(const maru_infer_value *v, uint32_t i)
{
    return v->elems[v->n_elems == 1 ? 0 : i];
}

static bool put(maru_infer *infer, uint32_t i, int64_t value)
{
    return maru_expr_const(&infer->graph->exprs, value, &infer->elem_room[i]) == MARU_OK;
}

/* ---- comparisons and logic ---- */

/* By the ranges over all values of the symbols: -1 where both answers are possible. */
static int is_less(const maru_infer *infer, maru_dim a, maru_dim b, bool or_equal)
{
    int64_t min_a = 0, max_a = 0, min_b = 0, max_b = 0;
    maru_expr_range(&infer->graph->exprs, a, &min_a, &max_a);
    maru_expr_range(&infer->graph->exprs, b, &min_b, &max_b);
    if (or_equal && maru_infer_same_dim(infer, a, b))
        return 1;
    if (or_equal ? max_a <= min_b : max_a < min_b)
        return 1;
    return (or_equal ? min_a > max_b : min_a >= max_b) ? 0 : -1;
}

static int is_equal(const maru_infer *infer, maru_dim a, maru_dim b)
{
    int64_t x = 0;
    int64_t y = 0;
    const maru_exprs *exprs = &infer->graph->exprs;
    if (maru_infer_same_dim(infer, a, b))
        return 1;
    if (maru_expr_is_const(exprs, a, &x) && maru_expr_is_const(exprs, b, &y))
        return x == y;
    return is_less(infer, a, b, false) == 1 || is_less(infer, b, a, false) == 1 ? 0 : -1;
}

static int compare(const maru_infer *infer, maru_dim a, maru_dim b)
{
    switch ((int)infer->node->op->id) {
    case MARU_OP_EQUAL: return is_equal(infer, a, b);
    case MARU_OP_LESS: return is_less(infer, a, b, false);
    case MARU_OP_LESS_OR_EQUAL: return is_less(infer, a, b, true);
    case MARU_OP_GREATER: return is_less(infer, b, a, false);
    default: return is_less(infer, b, a, true);
    }
}

static int logic(const maru_infer *infer, maru_dim a, maru_dim b)
{
    int64_t x = 0;
    int64_t y = 0;
    const maru_exprs *exprs = &infer->graph->exprs;
    if (!maru_expr_is_const(exprs, a, &x) || !maru_expr_is_const(exprs, b, &y))
        return -1;
    switch ((int)infer->node->op->id) {
    case MARU_OP_AND: return x && y;
    case MARU_OP_OR: return x || y;
    default: return !x != !y;
    }
}

static bool follow_pairs(maru_infer *infer, uint32_t n, int (*answer)(const maru_infer *, maru_dim, maru_dim))
{
    for (uint32_t i = 0; i < n; i++) {
        const int truth = answer(infer, elem_at(&infer->inputs[0], i), elem_at(&infer->inputs[1], i));
        if (truth < 0 || !put(infer, i, truth))
            return false;
    }
    return true;
}

static bool follow_not(maru_infer *infer, uint32_t n)
{
    int64_t x = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!maru_expr_is_const(&infer->graph->exprs, elem_at(&infer->inputs[0], i), &x) || !put(infer, i, !x))
            return false;
    return true;
}

static bool follow_where(maru_infer *infer, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t x = 0;
        if (!maru_expr_is_const(&infer->graph->exprs, elem_at(&infer->inputs[0], i), &x))
            return false;
        infer->elem_room[i] = elem_at(&infer->inputs[x ? 1 : 2], i);
    }
    return true;
}

/* ---- numbers ---- */

static bool follow_abs(maru_infer *infer, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t low = 0, high = 0;
        const maru_dim x = elem_at(&infer->inputs[0], i);
        maru_expr_range(&infer->graph->exprs, x, &low, &high);
        infer->elem_room[i] = x;
        if (low < 0 && (low != high || low == INT64_MIN || !put(infer, i, -low)))
            return false;
    }
    return true;
}

/* To bool: whether it is 0; from bool: as it is. Casts between integers were followed before. */
static bool follow_cast(maru_infer *infer, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t low = 0, high = 0;
        const maru_dim x = elem_at(&infer->inputs[0], i);
        maru_expr_range(&infer->graph->exprs, x, &low, &high);
        infer->elem_room[i] = x;
        if (infer->outputs[0].dtype != MARU_BOOL)
            continue;
        if ((low <= 0 && high >= 0 && (low != 0 || high != 0)) || !put(infer, i, low != 0 || high != 0))
            return false;
    }
    return true;
}

/* All elements of a vector into one; its axis is the only one there is. */
static bool follow_reduction(maru_infer *infer, uint32_t n)
{
    static const maru_expr_op ops[MARU_OP_COUNT] = {
        [MARU_OP_REDUCE_SUM] = MARU_EXPR_ADD,
        [MARU_OP_REDUCE_PROD] = MARU_EXPR_MUL,
        [MARU_OP_REDUCE_MAX] = MARU_EXPR_MAX,
        [MARU_OP_REDUCE_MIN] = MARU_EXPR_MIN,
    };
    const maru_infer_value *in = &infer->inputs[0];
    if (n != 1 || in->n_elems == 0)
        return false;
    infer->elem_room[0] = in->elems[0];
    for (uint32_t i = 1; i < in->n_elems; i++)
        if (maru_expr_make(&infer->graph->exprs, ops[infer->node->op->id], infer->elem_room[0], in->elems[i],
                           &infer->elem_room[0]) != MARU_OK)
            return false;
    return true;
}

static bool follow_constant_of_shape(maru_infer *infer, uint32_t n)
{
    const maru_attribute *value = maru_node_attr(infer->node, "value");
    const void *data = value ? maru_graph_constant_data(infer->graph, value->tensor) : NULL;
    if (!data)
        return false;
    const maru_tensor t = {.dtype = infer->outputs[0].dtype, .data = (void *)(uintptr_t)data};
    for (uint32_t i = 0; i < n; i++)
        if (!put(infer, i, (int64_t)maru_tensor_get_f64(&t, 0)))
            return false;
    return true;
}

static bool follow_expand(maru_infer *infer, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        infer->elem_room[i] = elem_at(&infer->inputs[0], i);
    return true;
}

/* ---- small matrices ---- */

/* Rows, and columns, of the first input, a matrix. */
static bool matrix_dims(const maru_infer *infer, int64_t *rows, int64_t *columns)
{
    const maru_infer_value *in = &infer->inputs[0];
    return in->elems && in->rank == 2 && maru_expr_is_const(&infer->graph->exprs, in->dims[0], rows) &&
           maru_expr_is_const(&infer->graph->exprs, in->dims[1], columns);
}

static bool follow_transpose(maru_infer *infer)
{
    int64_t rows = 0, columns = 0;
    const maru_attribute *perm = maru_node_attr(infer->node, "perm");
    if (!matrix_dims(infer, &rows, &columns))
        return false;
    const bool is_same = perm && perm->ints[0] == 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            infer->elem_room[is_same ? r * columns + c : c * rows + r] = infer->inputs[0].elems[r * columns + c];
    return true;
}

/* One number that is known, of input `index`; left out: `fallback`. */
static bool known_number(const maru_infer *infer, size_t index, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (!maru_infer_has(infer, index))
        return true;
    const maru_infer_value *v = &infer->inputs[index];
    return v->elems && v->n_elems == 1 && maru_expr_is_const(&infer->graph->exprs, v->elems[0], out);
}

/* Rows of a matrix, in steps that may go backwards. */
static bool follow_row_slice(maru_infer *infer)
{
    int64_t rows = 0, columns = 0, start = 0, axis = 0, step = 1, n = 0;
    if (!matrix_dims(infer, &rows, &columns) || !known_number(infer, 1, 0, &start) ||
        !known_number(infer, 3, 0, &axis) || !known_number(infer, 4, 1, &step) || (axis != 0 && axis != -2) ||
        !maru_expr_is_const(&infer->graph->exprs, infer->outputs[0].dims[0], &n))
        return false;
    start = start < 0 ? start + rows : start;
    start = start < 0 ? 0 : start;
    start = step < 0 && start >= rows ? rows - 1 : start;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = start + i * step;
        if (row < 0 || row >= rows)
            return false;
        memcpy(infer->elem_room + i * columns, infer->inputs[0].elems + row * columns,
               (size_t)columns * sizeof *infer->elem_room);
    }
    return true;
}

static bool follow_reshape(maru_infer *infer, uint32_t n)
{
    if (!infer->inputs[0].elems || infer->inputs[0].n_elems != n)
        return false;
    memcpy(infer->elem_room, infer->inputs[0].elems, n * sizeof *infer->elem_room);
    return true;
}

/* ---- all ---- */

static bool have_elems(const maru_infer *infer, size_t count, uint32_t n)
{
    for (size_t i = 0; i < count; i++) {
        const maru_infer_value *v = &infer->inputs[i];
        if (i >= infer->node->n_inputs || !v->elems || (v->n_elems != 1 && v->n_elems != n))
            return false;
    }
    return true;
}

static bool follow(maru_infer *infer, uint32_t n)
{
    switch ((int)infer->node->op->id) {
    case MARU_OP_EQUAL:
    case MARU_OP_LESS:
    case MARU_OP_LESS_OR_EQUAL:
    case MARU_OP_GREATER:
    case MARU_OP_GREATER_OR_EQUAL: return have_elems(infer, 2, n) && follow_pairs(infer, n, compare);
    case MARU_OP_AND:
    case MARU_OP_OR:
    case MARU_OP_XOR: return have_elems(infer, 2, n) && follow_pairs(infer, n, logic);
    case MARU_OP_NOT: return have_elems(infer, 1, n) && follow_not(infer, n);
    case MARU_OP_WHERE: return have_elems(infer, 3, n) && follow_where(infer, n);
    case MARU_OP_ABS: return have_elems(infer, 1, n) && follow_abs(infer, n);
    case MARU_OP_REDUCE_SUM:
    case MARU_OP_REDUCE_PROD:
    case MARU_OP_REDUCE_MAX:
    case MARU_OP_REDUCE_MIN: return infer->inputs[0].elems && follow_reduction(infer, n);
    case MARU_OP_CONSTANT_OF_SHAPE: return follow_constant_of_shape(infer, n);
    case MARU_OP_CAST: return have_elems(infer, 1, n) && follow_cast(infer, n);
    case MARU_OP_RESHAPE: return follow_reshape(infer, n);
    case MARU_OP_TRANSPOSE: return follow_transpose(infer);
    case MARU_OP_SLICE: return follow_row_slice(infer);
    case MARU_OP_EXPAND: return have_elems(infer, 1, n) && follow_expand(infer, n);
    default: return false;
    }
}

void maru_infer_follow(maru_infer *infer)
{
    uint32_t n = 0;
    maru_infer_value *out = &infer->outputs[0];
    if (infer->node->n_outputs == 0 || out->elems || !is_followed(infer, out) || !count_of(infer, &n) ||
        !follow(infer, n))
        return;
    out->elems = infer->elem_room;
    out->n_elems = n;
}
