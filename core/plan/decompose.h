// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLAN_DECOMPOSE_H
#define MARU_PLAN_DECOMPOSE_H

/*
 * The bodies of composite operators in primitives (and in simpler
 * composites). A body follows the definition in the ONNX operator
 * specification; sizes may be symbolic throughout.
 */

#include "graph/graph.h"

/*
 * What a body writes with. Functions return the new value, or MARU_NO_VALUE
 * after a failure; then `status` holds it and all later calls do nothing, so
 * that a body reads like the formula it is.
 */
typedef struct maru_body {
    maru_graph *graph;
    const maru_node_record *node;  // attributes of the composite; operands are of the old graph
    const maru_value *in;          // inputs in the new graph; n_inputs
    maru_value *out;               // to be filled: n_outputs
    maru_status status;
} maru_body;

typedef void (*maru_body_fn)(maru_body *b);
/* NULL for ops that are primitive. */
maru_body_fn maru_body_find(maru_op op);

/* ---- values ---- */

maru_dtype maru_body_dtype(const maru_body *b, maru_value value);
uint32_t maru_body_rank(const maru_body *b, maru_value value);
maru_dim maru_body_dim(const maru_body *b, maru_value value, uint32_t axis);
bool maru_body_has(const maru_body *b, uint32_t input);
/* A scalar of the dtype of `like`. */
maru_value maru_body_scalar(maru_body *b, maru_value like, double value);
maru_value maru_body_ints(maru_body *b, const int64_t *values, size_t n);
maru_value maru_body_shape(maru_body *b, const maru_dim *dims, size_t n);

/* ---- dims ---- */

maru_dim maru_body_mul_dim(maru_body *b, maru_dim x, maru_dim y);
maru_dim maru_body_add_dim(maru_body *b, maru_dim x, maru_dim y);
/* x / y, which must divide. */
maru_dim maru_body_div_dim(maru_body *b, maru_dim x, maru_dim y);

/* ---- nodes ---- */

maru_value maru_body_op1(maru_body *b, const char *op, maru_value x);
maru_value maru_body_op2(maru_body *b, const char *op, maru_value x, maru_value y);
maru_value maru_body_op3(maru_body *b, const char *op, maru_value x, maru_value y, maru_value z);
maru_value maru_body_node(maru_body *b, const char *op, const maru_value *inputs, size_t n_inputs,
                          const maru_attribute *attrs, size_t n_attrs);
/* op2 with a scalar of x's dtype. */
maru_value maru_body_op2s(maru_body *b, const char *op, maru_value x, double scalar);
maru_value maru_body_cast(maru_body *b, maru_value x, maru_dtype to);
maru_value maru_body_reshape(maru_body *b, maru_value x, const maru_dim *dims, size_t n);
maru_value maru_body_expand(maru_body *b, maru_value x, const maru_dim *dims, size_t n);
maru_value maru_body_transpose(maru_body *b, maru_value x, const int64_t *perm, size_t n);
maru_value maru_body_unsqueeze(maru_body *b, maru_value x, const int64_t *axes, size_t n);
/* ReduceSum, ReduceMax, ...; keepdims 1. */
maru_value maru_body_reduce(maru_body *b, const char *op, maru_value x, const int64_t *axes, size_t n);
/* 0, 1, ..., n - 1 as i64[n]. */
maru_value maru_body_range(maru_body *b, maru_dim n);

void maru_body_fail(maru_body *b, maru_status status);

/* ---- bodies, by family ---- */

#define MARU_BODY(name) void maru_body_##name(maru_body *b)

/* decompose_activation.c */
MARU_BODY(cast_like);
MARU_BODY(sum);
MARU_BODY(mean);
MARU_BODY(relu);
MARU_BODY(sigmoid);
MARU_BODY(hard_sigmoid);
MARU_BODY(hard_swish);
MARU_BODY(swish);
MARU_BODY(swiglu);
MARU_BODY(gelu);
MARU_BODY(leaky_relu);
MARU_BODY(prelu);
MARU_BODY(elu);
MARU_BODY(selu);
MARU_BODY(celu);
MARU_BODY(softplus);
MARU_BODY(softsign);
MARU_BODY(mish);
MARU_BODY(thresholded_relu);
MARU_BODY(clip);
/* decompose_norm.c */
MARU_BODY(reduce_mean);
MARU_BODY(reduce_sum_square);
MARU_BODY(reduce_l1);
MARU_BODY(reduce_l2);
MARU_BODY(reduce_log_sum);
MARU_BODY(reduce_log_sum_exp);
MARU_BODY(softmax);
MARU_BODY(log_softmax);
MARU_BODY(layer_norm);
MARU_BODY(rms_norm);
MARU_BODY(batch_norm);
MARU_BODY(instance_norm);
MARU_BODY(group_norm);
/* decompose_data.c */
MARU_BODY(gemm);
MARU_BODY(global_average_pool);
MARU_BODY(global_max_pool);
MARU_BODY(fused_conv);
MARU_BODY(to_reshape);
MARU_BODY(depth_to_space);
MARU_BODY(space_to_depth);
MARU_BODY(one_hot);
MARU_BODY(tensor_scatter);
MARU_BODY(quantize_linear);
MARU_BODY(dequantize_linear);
/* decompose_integer.c */
MARU_BODY(qlinear_matmul);
MARU_BODY(qlinear_conv);
MARU_BODY(dynamic_quantize_linear);
/* decompose_random.c */
MARU_BODY(random);
/* decompose_attention.c */
MARU_BODY(attention);
MARU_BODY(rotary_embedding);

#endif
