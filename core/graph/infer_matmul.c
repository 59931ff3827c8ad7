// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/infer.h"

#include <string.h>

/* Of inputs a and b. */
static maru_status fail_inner(maru_infer *infer, size_t a, size_t b, maru_dim inner_a, maru_dim inner_b)
{
    char left[256], right[256], x[96], y[96];
    return maru_infer_fail(infer, "inner dims differ: %s vs %s in %s times %s",
                           maru_graph_dim_text(infer->graph, inner_a, x, sizeof x),
                           maru_graph_dim_text(infer->graph, inner_b, y, sizeof y),
                           maru_infer_describe(infer, a, left, sizeof left),
                           maru_infer_describe(infer, b, right, sizeof right));
}

/* The leading dims of two operands, as numpy.matmul broadcasts them. */
static maru_status broadcast_batch(maru_infer *infer, size_t left_index, size_t right_index, maru_infer_value *out)
{
    const maru_infer_value *a = &infer->inputs[left_index];
    const maru_infer_value *b = &infer->inputs[right_index];
    const uint32_t na = a->rank > 2 ? a->rank - 2 : 0;
    const uint32_t nb = b->rank > 2 ? b->rank - 2 : 0;
    const uint32_t n = na > nb ? na : nb;
    for (uint32_t d = 0; d < n; d++) {
        const maru_dim x = d + na < n ? 1 : a->dims[d + na - n];
        const maru_dim y = d + nb < n ? 1 : b->dims[d + nb - n];
        if (x != 1 && y != 1 && !maru_infer_same_dim(infer, x, y)) {
            char left[256], right[256];
            return maru_infer_fail(infer, "batch dims of %s and %s do not broadcast",
                                   maru_infer_describe(infer, left_index, left, sizeof left),
                                   maru_infer_describe(infer, right_index, right, sizeof right));
        }
        out->dims[out->rank++] = x == 1 ? y : x;
    }
    return MARU_OK;
}

maru_status maru_infer_matmul_dims(maru_infer *infer, size_t left, size_t right, maru_infer_value *out)
{
    const maru_infer_value *a = &infer->inputs[left];
    const maru_infer_value *b = &infer->inputs[right];
    if (a->rank == 0 || b->rank == 0)
        return maru_infer_fail(infer, "a scalar cannot be multiplied; use Mul");
    const maru_dim inner_a = a->dims[a->rank - 1];
    const maru_dim inner_b = b->dims[b->rank == 1 ? 0 : b->rank - 2];
    if (!maru_infer_same_dim(infer, inner_a, inner_b))
        return fail_inner(infer, left, right, inner_a, inner_b);
    MARU_TRY(broadcast_batch(infer, left, right, out));
    if (a->rank > 1)
        out->dims[out->rank++] = a->dims[a->rank - 2];
    if (b->rank > 1)
        out->dims[out->rank++] = b->dims[b->rank - 1];
    return MARU_OK;
}

MARU_INFER(matmul)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return maru_infer_matmul_dims(infer, 0, 1, &infer->outputs[0]);
}

MARU_INFER(gemm)
{
    const maru_infer_value *a = &infer->inputs[0];
    const maru_infer_value *b = &infer->inputs[1];
    MARU_TRY(maru_infer_require_class(infer, 0, "fiu"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    if (a->rank != 2 || b->rank != 2)
        return maru_infer_fail(infer, "A and B must have rank 2, they have %u and %u", a->rank, b->rank);
    const bool ta = maru_node_int(infer->node, "transA", 0) != 0;
    const bool tb = maru_node_int(infer->node, "transB", 0) != 0;
    if (!maru_infer_same_dim(infer, a->dims[!ta], b->dims[tb]))
        return fail_inner(infer, 0, 1, a->dims[!ta], b->dims[tb]);
    maru_infer_value *out = &infer->outputs[0];
    *out = (maru_infer_value){.dtype = a->dtype, .rank = 2, .dims = {a->dims[ta], b->dims[!tb]}};
    if (!maru_infer_has(infer, 2))
        return MARU_OK;
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 2));
    const maru_infer_value *c = &infer->inputs[2];
    for (uint32_t d = 0; c->rank <= 2 && d < c->rank; d++) {
        const maru_dim own = c->dims[c->rank - 1 - d];
        if (own != 1 && !maru_infer_same_dim(infer, own, out->dims[1 - d])) {
            char text[256];
            return maru_infer_fail(infer, "C, %s, does not broadcast to the product",
                                   maru_infer_describe(infer, 2, text, sizeof text));
        }
    }
    return c->rank <= 2 ? MARU_OK : maru_infer_fail(infer, "C has rank %u, at most 2 fits", c->rank);
}

MARU_INFER(block_matmul)
{
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *w = &infer->inputs[1];
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    const maru_dtype_info *info = maru_dtype_get_info(w->dtype);
    if (!info || info->kind != MARU_CLASS_BLOCK || w->rank != 2 || x->rank == 0)
        return maru_infer_fail(infer, "takes a float tensor and a block-quantised matrix (n, k)");
    if (!maru_infer_same_dim(infer, x->dims[x->rank - 1], w->dims[1]))
        return fail_inner(infer, 0, 1, x->dims[x->rank - 1], w->dims[1]);
    infer->outputs[0] = *x;
    infer->outputs[0].elems = NULL;
    infer->outputs[0].dims[x->rank - 1] = w->dims[0];
    return MARU_OK;
}

/* ---- windows ---- */

typedef struct window {
    uint32_t n;  // spatial axes
    int64_t kernel[MARU_MAX_RANK];
    int64_t stride[MARU_MAX_RANK];
    int64_t dilation[MARU_MAX_RANK];
    int64_t pad[2 * MARU_MAX_RANK];  // begins, then ends
    bool is_same;                    // SAME_UPPER or SAME_LOWER
} window;

static maru_status read_list(maru_infer *infer, const char *name, size_t n, int64_t fallback, int64_t least,
                             int64_t *out)
{
    const maru_attribute *attr = maru_node_attr(infer->node, name);
    if (attr && attr->n != n)
        return maru_infer_fail(infer, "%s has %zu numbers, %zu fit", name, attr->n, n);
    for (size_t i = 0; i < n; i++) {
        out[i] = attr ? attr->ints[i] : fallback;
        if (out[i] < least || out[i] > INT32_MAX)
            return maru_infer_fail(infer, "%s[%zu] is %lld", name, i, (long long)out[i]);
    }
    return MARU_OK;
}

static maru_status read_window(maru_infer *infer, uint32_t n, const int64_t *kernel, window *w)
{
    *w = (window){.n = n};
    if (kernel)
        memcpy(w->kernel, kernel, n * sizeof *kernel);
    else
        MARU_TRY(read_list(infer, "kernel_shape", n, 1, 1, w->kernel));
    MARU_TRY(read_list(infer, "strides", n, 1, 1, w->stride));
    MARU_TRY(read_list(infer, "dilations", n, 1, 1, w->dilation));
    const char *mode = maru_node_string(infer->node, "auto_pad", "NOTSET");
    w->is_same = strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0;
    if (!w->is_same && strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0)
        return maru_infer_fail(infer, "auto_pad '%s' is not known", mode);
    if (strcmp(mode, "NOTSET") == 0)
        MARU_TRY(read_list(infer, "pads", (size_t)2 * n, 0, 0, w->pad));
    return MARU_OK;
}

/* Positions of the window along one axis. */
static maru_status window_dim(maru_infer *infer, const window *w, uint32_t d, maru_dim in, bool ceil_mode,
                              maru_dim *out)
{
    maru_exprs *exprs = &infer->graph->exprs;
    if (w->is_same)
        return maru_expr_make(exprs, MARU_EXPR_CEILDIV, in, w->stride[d], out);
    const int64_t padding = w->pad[d] + w->pad[d + w->n];
    const int64_t extent = (w->kernel[d] - 1) * w->dilation[d] + 1;
    maru_dim slack = 0;
    maru_dim delta = 0;
    MARU_TRY(maru_expr_const(exprs, padding - extent, &delta));
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_ADD, in, delta, &slack));
    int64_t value = 0;
    if (maru_expr_is_const(exprs, slack, &value) && value < 0) {
        char text[96];
        return maru_infer_fail(infer, "a window of %lld does not fit axis %u: %s + %lld of padding",
                               (long long)extent, d + 2, maru_graph_dim_text(infer->graph, in, text, sizeof text),
                               (long long)padding);
    }
    MARU_TRY(maru_expr_make(exprs, ceil_mode ? MARU_EXPR_CEILDIV : MARU_EXPR_FLOORDIV, slack, w->stride[d], out));
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_ADD, *out, 1, out));
    if (!ceil_mode || w->stride[d] == 1)
        return MARU_OK;
    // With ceil_mode a last window that would start in the end padding is dropped.
    maru_dim limit = 0;
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_ADD, in, w->pad[d] + w->stride[d] - 1, &limit));
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_FLOORDIV, limit, w->stride[d], &limit));
    return maru_expr_make(exprs, MARU_EXPR_MIN, *out, limit, out);
}

static maru_status kernel_from_weights(maru_infer *infer, const maru_infer_value *w, int64_t *kernel)
{
    for (uint32_t d = 2; d < w->rank; d++)
        if (!maru_expr_is_const(&infer->graph->exprs, w->dims[d], &kernel[d - 2]) || kernel[d - 2] < 1)
            return maru_infer_fail(infer, "the kernel's spatial dims must be constant and positive");
    const maru_attribute *given = maru_node_attr(infer->node, "kernel_shape");
    for (size_t i = 0; given && i < given->n; i++)
        if (given->n != w->rank - 2 || given->ints[i] != kernel[i])
            return maru_infer_fail(infer, "kernel_shape does not agree with the weights");
    return MARU_OK;
}

static maru_status check_conv_ranks(maru_infer *infer, size_t weights, size_t bias)
{
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *w = &infer->inputs[weights];
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank)
        return maru_infer_fail(infer, "input and weights must both have rank 3, 4 or 5; they have %u and %u", x->rank,
                               w->rank);
    if (maru_infer_has(infer, bias) && infer->inputs[bias].rank != 1)
        return maru_infer_fail(infer, "the bias must have rank 1");
    return MARU_OK;
}

static maru_status check_conv_dtypes(maru_infer *infer, size_t bias)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    MARU_TRY(maru_infer_require_same_dtype(infer, 0, 1));
    return maru_infer_has(infer, bias) ? maru_infer_require_same_dtype(infer, 0, bias) : MARU_OK;
}

static maru_status check_conv_channels(maru_infer *infer, size_t weights, size_t bias)
{
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *w = &infer->inputs[weights];
    const int64_t group = maru_node_int(infer->node, "group", 1);
    int64_t outputs = 0;
    maru_dim channels = 0;
    if (group < 1 || !maru_expr_is_const(&infer->graph->exprs, w->dims[0], &outputs) || outputs % group != 0)
        return maru_infer_fail(infer, "group %lld does not divide the output channels", (long long)group);
    MARU_TRY(maru_expr_make(&infer->graph->exprs, MARU_EXPR_MUL, w->dims[1], group, &channels));
    if (!maru_infer_same_dim(infer, channels, x->dims[1])) {
        char a[96], b[96];
        return maru_infer_fail(infer, "the input has %s channels, weights and group %lld make %s",
                               maru_graph_dim_text(infer->graph, x->dims[1], a, sizeof a), (long long)group,
                               maru_graph_dim_text(infer->graph, channels, b, sizeof b));
    }
    if (maru_infer_has(infer, bias) && !maru_infer_same_dim(infer, infer->inputs[bias].dims[0], w->dims[0]))
        return maru_infer_fail(infer, "the bias must have one element per output channel");
    return MARU_OK;
}

maru_status maru_infer_conv_dims(maru_infer *infer, size_t weights, size_t bias, maru_infer_value *out)
{
    MARU_TRY(check_conv_ranks(infer, weights, bias));
    MARU_TRY(check_conv_channels(infer, weights, bias));
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *w = &infer->inputs[weights];
    int64_t kernel[MARU_MAX_RANK];
    window win;
    MARU_TRY(kernel_from_weights(infer, w, kernel));
    MARU_TRY(read_window(infer, x->rank - 2, kernel, &win));
    *out = (maru_infer_value){.dtype = out->dtype, .rank = x->rank, .dims = {x->dims[0], w->dims[0]}};
    for (uint32_t d = 0; d < win.n; d++)
        MARU_TRY(window_dim(infer, &win, d, x->dims[d + 2], false, &out->dims[d + 2]));
    return MARU_OK;
}

MARU_INFER(conv)
{
    MARU_TRY(check_conv_dtypes(infer, 2));
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return maru_infer_conv_dims(infer, 1, 2, &infer->outputs[0]);
}

static maru_status transposed_dim(maru_infer *infer, const window *w, uint32_t d, int64_t output_padding, maru_dim in,
                                  maru_dim *out)
{
    maru_exprs *exprs = &infer->graph->exprs;
    if (w->is_same)
        return maru_expr_make(exprs, MARU_EXPR_MUL, in, w->stride[d], out);
    const int64_t delta = output_padding + (w->kernel[d] - 1) * w->dilation[d] + 1 - w->pad[d] - w->pad[d + w->n] -
                          w->stride[d];
    maru_dim elem = 0;
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_MUL, in, w->stride[d], out));
    MARU_TRY(maru_expr_const(exprs, delta, &elem));
    MARU_TRY(maru_expr_make(exprs, MARU_EXPR_ADD, *out, elem, out));
    int64_t value = 0;
    if (maru_expr_is_const(exprs, *out, &value) && value < 0)
        return maru_infer_fail(infer, "axis %u of the output would be %lld", d + 2, (long long)value);
    return MARU_OK;
}

MARU_INFER(conv_transpose)
{
    MARU_TRY(check_conv_dtypes(infer, 2));
    MARU_TRY(check_conv_ranks(infer, 1, 2));
    const maru_infer_value *x = &infer->inputs[0];
    const maru_infer_value *w = &infer->inputs[1];
    const int64_t group = maru_node_int(infer->node, "group", 1);
    if (group < 1 || !maru_infer_same_dim(infer, x->dims[1], w->dims[0]))
        return maru_infer_fail(infer, "the weights' first dim must be the input's channels");
    int64_t kernel[MARU_MAX_RANK];
    int64_t padding[MARU_MAX_RANK];
    window win;
    MARU_TRY(kernel_from_weights(infer, w, kernel));
    MARU_TRY(read_window(infer, x->rank - 2, kernel, &win));
    MARU_TRY(read_list(infer, "output_padding", win.n, 0, 0, padding));
    maru_infer_value *out = &infer->outputs[0];
    *out = (maru_infer_value){.dtype = x->dtype, .rank = x->rank, .dims = {x->dims[0]}};
    MARU_TRY(maru_expr_make(&infer->graph->exprs, MARU_EXPR_MUL, w->dims[1], group, &out->dims[1]));
    const maru_attribute *shape = maru_node_attr(infer->node, "output_shape");
    if (shape && shape->n != win.n)
        return maru_infer_fail(infer, "output_shape has %zu numbers, %u fit", shape->n, win.n);
    for (uint32_t d = 0; d < win.n; d++) {
        if (shape)
            out->dims[d + 2] = shape->ints[d] < 0 ? 0 : shape->ints[d];
        else
            MARU_TRY(transposed_dim(infer, &win, d, padding[d], x->dims[d + 2], &out->dims[d + 2]));
    }
    return MARU_OK;
}

MARU_INFER(pool)
{
    const maru_infer_value *x = &infer->inputs[0];
    const bool is_max = infer->node->op->id == MARU_OP_MAX_POOL;
    MARU_TRY(maru_infer_require_class(infer, 0, is_max ? "fiu" : "f"));
    if (x->rank < 3 || x->rank > 5)
        return maru_infer_fail(infer, "the input must have rank 3, 4 or 5, it has %u", x->rank);
    window win;
    MARU_TRY(read_window(infer, x->rank - 2, NULL, &win));
    const bool ceil_mode = maru_node_int(infer->node, "ceil_mode", 0) != 0;
    for (uint32_t i = 0; i < infer->node->n_outputs; i++) {
        maru_infer_value *out = &infer->outputs[i];
        *out = (maru_infer_value){.dtype = i ? MARU_I64 : x->dtype, .rank = x->rank, .dims = {x->dims[0], x->dims[1]}};
        for (uint32_t d = 0; d < win.n; d++)
            MARU_TRY(window_dim(infer, &win, d, x->dims[d + 2], ceil_mode, &out->dims[d + 2]));
    }
    return MARU_OK;
}

MARU_INFER(global_pool)
{
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    if (infer->inputs[0].rank < 3)
        return maru_infer_fail(infer, "the input must have rank 3 or more, it has %u", infer->inputs[0].rank);
    infer->outputs[0] = infer->inputs[0];
    for (uint32_t d = 2; d < infer->outputs[0].rank; d++)
        infer->outputs[0].dims[d] = 1;
    return MARU_OK;
}

MARU_INFER(det)
{
    const maru_infer_value *x = &infer->inputs[0];
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    if (x->rank < 2 || !maru_infer_same_dim(infer, x->dims[x->rank - 1], x->dims[x->rank - 2]))
        return maru_infer_fail(infer, "the last two dims must be equal");
    infer->outputs[0] = *x;
    infer->outputs[0].rank = x->rank - 2;
    return MARU_OK;
}

/* ---- windows put back ---- */

/* `n` dims from the elements of a shape input. */
static maru_status given_shape(maru_infer *infer, size_t index, maru_dim *out, size_t n)
{
    const maru_infer_value *shape = &infer->inputs[index];
    if (!shape->elems || shape->n_elems != n)
        return maru_infer_fail(infer, "input %zu must be %zu numbers that are known when the graph is built", index, n);
    for (size_t i = 0; i < n; i++) {
        int64_t low = 0;
        int64_t high = 0;
        maru_expr_range(&infer->graph->exprs, shape->elems[i], &low, &high);
        if (high < 0)
            return maru_infer_fail(infer, "input %zu has %lld as a dim", index, (long long)high);
        out[i] = shape->elems[i];
    }
    return MARU_OK;
}

MARU_INFER(max_unpool)
{
    const maru_infer_value *x = &infer->inputs[0];
    maru_infer_value *out = &infer->outputs[0];
    window win;
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    MARU_TRY(maru_infer_require_class(infer, 1, "i"));
    if (x->rank < 3 || x->rank > 5 || infer->inputs[1].rank != x->rank)
        return maru_infer_fail(infer, "input and indices must both have rank 3, 4 or 5");
    for (uint32_t d = 0; d < x->rank; d++)
        if (!maru_infer_same_dim(infer, infer->inputs[1].dims[d], x->dims[d]))
            return maru_infer_fail(infer, "input and indices have other dims at axis %u", d);
    MARU_TRY(read_window(infer, x->rank - 2, NULL, &win));
    *out = *x;
    for (uint32_t d = 0; d < win.n; d++)
        MARU_TRY(transposed_dim(infer, &win, d, 0, x->dims[d + 2], &out->dims[d + 2]));
    if (!maru_infer_has(infer, 2))
        return MARU_OK;
    MARU_TRY(given_shape(infer, 2, out->dims, x->rank));
    for (uint32_t d = 0; d < 2; d++)
        if (!maru_infer_same_dim(infer, out->dims[d], x->dims[d]))
            return maru_infer_fail(infer, "output_shape has other images or channels than the input");
    return MARU_OK;
}

MARU_INFER(col2im)
{
    const maru_infer_value *x = &infer->inputs[0];
    int64_t block[MARU_MAX_RANK];
    int64_t list[2 * MARU_MAX_RANK];
    int64_t size = 1;
    size_t n = 0;
    maru_infer_value *out = &infer->outputs[0];
    MARU_TRY(maru_infer_require_class(infer, 0, "f"));
    MARU_TRY(maru_infer_ints(infer, 2, block, MARU_MAX_RANK - 2, &n));
    if (x->rank != 3 || n < 1)
        return maru_infer_fail(infer, "takes rank 3 and one axis of a block or more, given %u and %zu", x->rank, n);
    for (size_t i = 0; i < n; i++) {
        if (block[i] < 1 || block[i] > INT32_MAX / size)
            return maru_infer_fail(infer, "block_shape[%zu] is %lld", i, (long long)block[i]);
        size *= block[i];
    }
    MARU_TRY(read_list(infer, "strides", n, 1, 1, list));
    MARU_TRY(read_list(infer, "dilations", n, 1, 1, list));
    MARU_TRY(read_list(infer, "pads", 2 * n, 0, 0, list));
    *out = (maru_infer_value){.dtype = x->dtype, .rank = (uint32_t)n + 2, .dims = {x->dims[0]}};
    MARU_TRY(given_shape(infer, 1, out->dims + 2, n));
    return maru_expr_divide(&infer->graph->exprs, x->dims[1], size, &out->dims[1])
               ? MARU_OK : maru_infer_fail(infer, "blocks of %lld elements do not divide axis 1", (long long)size);
}

MARU_INFER(deform_conv)
{
    const maru_infer_value *x = &infer->inputs[0];
    const int64_t offset_groups = maru_node_int(infer->node, "offset_group", 1);
    int64_t channels = 0;
    for (size_t i = 2; i < infer->node->n_inputs; i++)
        if (maru_infer_has(infer, i))
            MARU_TRY(maru_infer_require_same_dtype(infer, 0, i));
    MARU_TRY(check_conv_dtypes(infer, 3));
    infer->outputs[0].dtype = x->dtype;
    MARU_TRY(maru_infer_conv_dims(infer, 1, 3, &infer->outputs[0]));
    if (offset_groups < 1 || !maru_expr_is_const(&infer->graph->exprs, x->dims[1], &channels) ||
        channels % offset_groups != 0)
        return maru_infer_fail(infer, "offset_group %lld does not divide the channels", (long long)offset_groups);
    int64_t taps = offset_groups;
    int64_t kernel[MARU_MAX_RANK];
    MARU_TRY(kernel_from_weights(infer, &infer->inputs[1], kernel));
    for (uint32_t d = 2; d < x->rank; d++) {
        if (taps > INT32_MAX / kernel[d - 2])
            return maru_infer_fail(infer, "the kernel is too large");
        taps *= kernel[d - 2];
    }
    for (size_t i = 2; i < 5; i += 2) {
        const maru_infer_value *v = &infer->inputs[i];
        bool fits = !maru_infer_has(infer, i) ||
                    (v->rank == x->rank && maru_infer_same_dim(infer, v->dims[0], x->dims[0]) &&
                     maru_infer_same_dim(infer, v->dims[1], i == 2 ? taps * (x->rank - 2) : taps));
        for (uint32_t d = 2; fits && maru_infer_has(infer, i) && d < x->rank; d++)
            fits = maru_infer_same_dim(infer, v->dims[d], infer->outputs[0].dims[d]);
        if (!fits)
            return maru_infer_fail(infer, "the %s's dims do not fit the output", i == 2 ? "offset" : "mask");
    }
    return MARU_OK;
}
