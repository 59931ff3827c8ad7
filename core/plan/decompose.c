// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/decompose.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "plan/plan.h"
#include "plan/rebuild.h"

/* ---- the writer ---- */

void maru_body_fail(maru_body *b, maru_status status)
{
    if (b->status == MARU_OK)
        b->status = status;
}

maru_dtype maru_body_dtype(const maru_body *b, maru_value value)
{
    return maru_graph_get(b->graph, value)->dtype;
}

uint32_t maru_body_rank(const maru_body *b, maru_value value)
{
    return maru_graph_get(b->graph, value)->rank;
}

maru_dim maru_body_dim(const maru_body *b, maru_value value, uint32_t axis)
{
    const maru_value_record *v = maru_graph_get(b->graph, value);
    return axis < v->rank ? v->dims[axis] : 1;
}

bool maru_body_has(const maru_body *b, uint32_t input)
{
    return input < b->node->n_inputs && b->in[input] != MARU_NO_VALUE;
}

maru_value maru_body_scalar(maru_body *b, maru_value like, double value)
{
    maru_value out = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_scalar(b->graph, maru_body_dtype(b, like), value, &out);
    return out;
}

maru_value maru_body_ints(maru_body *b, const int64_t *values, size_t n)
{
    maru_value out = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_ints(b->graph, values, n, &out);
    return out;
}

maru_value maru_body_shape(maru_body *b, const maru_dim *dims, size_t n)
{
    maru_value out = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_shape(b->graph, dims, n, &out);
    return out;
}

maru_dim maru_body_mul_dim(maru_body *b, maru_dim x, maru_dim y)
{
    maru_dim out = 1;
    if (b->status == MARU_OK)
        b->status = maru_expr_make(&b->graph->exprs, MARU_EXPR_MUL, x, y, &out);
    return out;
}

maru_dim maru_body_add_dim(maru_body *b, maru_dim x, maru_dim y)
{
    maru_dim out = 1;
    if (b->status == MARU_OK)
        b->status = maru_expr_make(&b->graph->exprs, MARU_EXPR_ADD, x, y, &out);
    return out;
}

maru_dim maru_body_div_dim(maru_body *b, maru_dim x, maru_dim y)
{
    maru_dim out = 1;
    if (b->status == MARU_OK && !maru_expr_divide(&b->graph->exprs, x, y, &out))
        b->status = maru_fail(MARU_INTERNAL, "%s: a dim does not divide in its body", b->node->op->name);
    return out;
}

maru_value maru_body_node(maru_body *b, const char *op, const maru_value *inputs, size_t n_inputs,
                          const maru_attribute *attrs, size_t n_attrs)
{
    maru_value out = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_op(b->graph, op, inputs, n_inputs, attrs, n_attrs, &out);
    return out;
}

maru_value maru_body_op1(maru_body *b, const char *op, maru_value x)
{
    return maru_body_node(b, op, &x, 1, NULL, 0);
}

maru_value maru_body_op2(maru_body *b, const char *op, maru_value x, maru_value y)
{
    return maru_body_node(b, op, (const maru_value[]){x, y}, 2, NULL, 0);
}

maru_value maru_body_op3(maru_body *b, const char *op, maru_value x, maru_value y, maru_value z)
{
    return maru_body_node(b, op, (const maru_value[]){x, y, z}, 3, NULL, 0);
}

maru_value maru_body_op2s(maru_body *b, const char *op, maru_value x, double scalar)
{
    return b->status == MARU_OK ? maru_body_op2(b, op, x, maru_body_scalar(b, x, scalar)) : MARU_NO_VALUE;
}

maru_value maru_body_cast(maru_body *b, maru_value x, maru_dtype to)
{
    if (b->status != MARU_OK || maru_body_dtype(b, x) == to)
        return x;
    const maru_attribute attr = MARU_ATTR_I("to", to);
    return maru_body_node(b, "Cast", &x, 1, &attr, 1);
}

maru_value maru_body_reshape(maru_body *b, maru_value x, const maru_dim *dims, size_t n)
{
    // A dim of 0 is meant as it is.
    const maru_attribute attr = MARU_ATTR_I("allowzero", 1);
    const maru_value inputs[2] = {x, maru_body_shape(b, dims, n)};
    return maru_body_node(b, "Reshape", inputs, 2, &attr, 1);
}

maru_value maru_body_expand(maru_body *b, maru_value x, const maru_dim *dims, size_t n)
{
    return maru_body_op2(b, "Expand", x, maru_body_shape(b, dims, n));
}

maru_value maru_body_transpose(maru_body *b, maru_value x, const int64_t *perm, size_t n)
{
    const maru_attribute attr = MARU_ATTR_IS("perm", perm, n);
    return maru_body_node(b, "Transpose", &x, 1, &attr, 1);
}

maru_value maru_body_unsqueeze(maru_body *b, maru_value x, const int64_t *axes, size_t n)
{
    return maru_body_op2(b, "Unsqueeze", x, maru_body_ints(b, axes, n));
}

maru_value maru_body_reduce(maru_body *b, const char *op, maru_value x, const int64_t *axes, size_t n)
{
    return maru_body_op2(b, op, x, maru_body_ints(b, axes, n));
}

maru_value maru_body_range(maru_body *b, maru_dim n)
{
    maru_value zero = MARU_NO_VALUE;
    maru_value one = MARU_NO_VALUE;
    if (b->status == MARU_OK)
        b->status = maru_graph_scalar(b->graph, MARU_I64, 0, &zero);
    if (b->status == MARU_OK)
        b->status = maru_graph_scalar(b->graph, MARU_I64, 1, &one);
    const maru_value limit = maru_body_reshape(b, maru_body_shape(b, &n, 1), NULL, 0);
    return maru_body_op3(b, "Range", zero, limit, one);
}

/* ---- the table ---- */

maru_body_fn maru_body_find(maru_op op)
{
    static const maru_body_fn bodies[MARU_OP_COUNT] = {
        [MARU_OP_CAST_LIKE] = maru_body_cast_like,
        [MARU_OP_SUM] = maru_body_sum,
        [MARU_OP_MEAN] = maru_body_mean,
        [MARU_OP_REDUCE_MEAN] = maru_body_reduce_mean,
        [MARU_OP_REDUCE_SUM_SQUARE] = maru_body_reduce_sum_square,
        [MARU_OP_REDUCE_L1] = maru_body_reduce_l1,
        [MARU_OP_REDUCE_L2] = maru_body_reduce_l2,
        [MARU_OP_REDUCE_LOG_SUM] = maru_body_reduce_log_sum,
        [MARU_OP_REDUCE_LOG_SUM_EXP] = maru_body_reduce_log_sum_exp,
        [MARU_OP_GEMM] = maru_body_gemm,
        [MARU_OP_GLOBAL_AVERAGE_POOL] = maru_body_global_average_pool,
        [MARU_OP_GLOBAL_MAX_POOL] = maru_body_global_max_pool,
        [MARU_OP_FUSED_CONV] = maru_body_fused_conv,
        [MARU_OP_SQUEEZE] = maru_body_to_reshape,
        [MARU_OP_UNSQUEEZE] = maru_body_to_reshape,
        [MARU_OP_FLATTEN] = maru_body_to_reshape,
        [MARU_OP_DEPTH_TO_SPACE] = maru_body_depth_to_space,
        [MARU_OP_SPACE_TO_DEPTH] = maru_body_space_to_depth,
        [MARU_OP_ONE_HOT] = maru_body_one_hot,
        [MARU_OP_RELU] = maru_body_relu,
        [MARU_OP_SIGMOID] = maru_body_sigmoid,
        [MARU_OP_HARD_SIGMOID] = maru_body_hard_sigmoid,
        [MARU_OP_HARD_SWISH] = maru_body_hard_swish,
        [MARU_OP_SWISH] = maru_body_swish,
        [MARU_OP_SWIGLU] = maru_body_swiglu,
        [MARU_OP_GELU] = maru_body_gelu,
        [MARU_OP_LEAKY_RELU] = maru_body_leaky_relu,
        [MARU_OP_PRELU] = maru_body_prelu,
        [MARU_OP_ELU] = maru_body_elu,
        [MARU_OP_SELU] = maru_body_selu,
        [MARU_OP_CELU] = maru_body_celu,
        [MARU_OP_SOFTPLUS] = maru_body_softplus,
        [MARU_OP_SOFTSIGN] = maru_body_softsign,
        [MARU_OP_MISH] = maru_body_mish,
        [MARU_OP_THRESHOLDED_RELU] = maru_body_thresholded_relu,
        [MARU_OP_CLIP] = maru_body_clip,
        [MARU_OP_SOFTMAX] = maru_body_softmax,
        [MARU_OP_LOG_SOFTMAX] = maru_body_log_softmax,
        [MARU_OP_LAYER_NORMALIZATION] = maru_body_layer_norm,
        [MARU_OP_RMS_NORMALIZATION] = maru_body_rms_norm,
        [MARU_OP_BATCH_NORMALIZATION] = maru_body_batch_norm,
        [MARU_OP_INSTANCE_NORMALIZATION] = maru_body_instance_norm,
        [MARU_OP_GROUP_NORMALIZATION] = maru_body_group_norm,
        [MARU_OP_ATTENTION] = maru_body_attention,
        [MARU_OP_ROTARY_EMBEDDING] = maru_body_rotary_embedding,
        [MARU_OP_TENSOR_SCATTER] = maru_body_tensor_scatter,
        [MARU_OP_RANDOM] = maru_body_random,
        [MARU_OP_QUANTIZE_LINEAR] = maru_body_quantize_linear,
        [MARU_OP_DEQUANTIZE_LINEAR] = maru_body_dequantize_linear,
        [MARU_OP_QLINEAR_MATMUL] = maru_body_qlinear_matmul,
        [MARU_OP_QLINEAR_CONV] = maru_body_qlinear_conv,
        [MARU_OP_DYNAMIC_QUANTIZE_LINEAR] = maru_body_dynamic_quantize_linear,
    };
    return bodies[op];
}

/* ---- the pass ---- */

static bool same_type(const maru_rebuild *r, maru_value old, maru_value made)
{
    const maru_value_record *x = maru_graph_get(r->from, old);
    const maru_value_record *y = maru_graph_get(r->to, made);
    bool same = x->dtype == y->dtype && x->rank == y->rank;
    for (uint32_t d = 0; same && d < x->rank; d++)
        same = maru_rebuild_dim(r, x->dims[d]) == y->dims[d];
    return same;
}

static maru_status write_body(maru_rebuild *r, const maru_node_record *node, maru_value *operands)
{
    maru_body b = {.graph = r->to, .node = node, .in = operands, .out = operands + node->n_inputs};
    MARU_TRY(maru_rebuild_inputs(r, node, operands));
    if (*node->scope)
        MARU_TRY(maru_graph_push_scope(r->to, node->scope));
    maru_body_find(node->op->id)(&b);
    if (*node->scope)
        maru_graph_pop_scope(r->to);
    for (uint32_t i = 0; b.status == MARU_OK && i < node->n_outputs; i++) {
        if (b.out[i] == MARU_NO_VALUE)
            continue;
        if (!same_type(r, node->outputs[i], b.out[i]))
            b.status = maru_fail(MARU_INTERNAL, "%s: output %u of its body has another type", node->op->name, i);
        r->map[node->outputs[i]] = b.out[i];
    }
    return b.status;
}

static maru_status decompose_node(maru_rebuild *r, const maru_node_record *node)
{
    if (!maru_body_find(node->op->id))
        return maru_fail(MARU_INTERNAL, "%s has no body", node->op->name);
    maru_value *operands = calloc((size_t)node->n_inputs + node->n_outputs + 1, sizeof *operands);
    if (!operands)
        return maru_fail_oom("a body");
    maru_status status = write_body(r, node, operands);
    free(operands);
    return status == MARU_OK ? status : maru_fail_within(status, "decomposing %s", node->op->name);
}

maru_status maru_plan_decompose(const maru_graph *graph, const bool *nodes, maru_graph **out_graph)
{
    *out_graph = NULL;
    maru_rebuild r = {0};
    maru_graph *raw = NULL;
    maru_status status = maru_rebuild_begin(graph, &r);
    for (size_t i = 0; status == MARU_OK && i < graph->nodes.count; i++)
        status = nodes[i] ? decompose_node(&r, &graph->nodes.data[i]) : maru_rebuild_node(&r, &graph->nodes.data[i]);
    if (status == MARU_OK)
        status = maru_rebuild_finish(&r, &raw);
    maru_rebuild_fini(&r);
    // Bodies are written without regard to outputs that nobody wants.
    if (status == MARU_OK)
        status = maru_plan_simplify(raw, out_graph);
    maru_graph_destroy(&raw);
    return status;
}
