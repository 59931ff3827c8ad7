// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_GRAPH_INFER_H
#define MARU_GRAPH_INFER_H

/*
 * Dtype and shape inference: one function per op family, run when a node is
 * added. It reads the inputs, writes dtype, rank and dims (and the known
 * elements of small integer tensors) of each output, or fails with a sentence
 * that names the inputs' shapes and what would fit. Inference belongs to what
 * an op means, so it is part of stage 1; the plan only runs it again on the
 * nodes it makes.
 */

#include "base/fail.h"
#include "graph/graph.h"

typedef struct maru_infer_value {
    maru_dtype dtype;
    uint32_t rank;
    maru_dim dims[MARU_MAX_RANK];
    const maru_dim *elems;  // NULL: contents unknown
    uint32_t n_elems;
    bool is_bound;          // output: dims bound the data-dependent true ones
} maru_infer_value;

/* Largest integer tensor whose elements are followed. */
#define MARU_INFER_MAX_ELEMS 64

typedef struct maru_infer {
    maru_graph *graph;
    const maru_node_record *node;  // inputs and attributes; its outputs are not made yet
    const maru_infer_value *inputs;  // n_inputs; dtype NONE where left out
    maru_infer_value *outputs;       // n_outputs, zeroed
    maru_dim elem_room[MARU_INFER_MAX_ELEMS];  // for outputs[0].elems
} maru_infer;

/* Records "Op: <sentence>" with code INVALID_ARGUMENT. */
MARU_PRINTF(2, 3)
maru_status maru_infer_fail(const maru_infer *infer, const char *fmt, ...);
/*
 * "f32[batch, 384]" of input `index`, in a small ring of buffers of the calling
 * thread's error path: for messages only.
 */
const char *maru_infer_describe(const maru_infer *infer, size_t index, char *room, size_t room_bytes);

static inline size_t maru_infer_input_count(const maru_infer *infer)
{
    return infer->node->n_inputs;
}
bool maru_infer_has(const maru_infer *infer, size_t index);

/* Attribute axis in [-rank, rank): normalised; fails naming the value and the rank. */
MARU_NODISCARD maru_status maru_infer_axis(const maru_infer *infer, int64_t axis, uint32_t rank, uint32_t *out_axis);
/* Multidirectional broadcast (ONNX Broadcasting.md). A symbolic dim fits itself and 1. */
MARU_NODISCARD maru_status maru_infer_broadcast(maru_infer *infer, size_t first, size_t count, maru_infer_value *out);
/* Fails unless input `index` is of one of the classes: letters f i u b (float, int, uint, bool). */
MARU_NODISCARD maru_status maru_infer_require_class(const maru_infer *infer, size_t index, const char *classes);
MARU_NODISCARD maru_status maru_infer_require_same_dtype(const maru_infer *infer, size_t a, size_t b);
/* The known elements of input `index` as plain integers; fails naming the op and the input if they are not known. */
MARU_NODISCARD maru_status maru_infer_ints(const maru_infer *infer, size_t index, int64_t *out, size_t room,
                                           size_t *out_n);
/* After an op's own inference: notes what is known of the elements of output 0. infer_elems.c */
void maru_infer_follow(maru_infer *infer);
/* Whether an op is shown the elements of small integer matrices; others see those of vectors and scalars alone. */
bool maru_infer_moves_matrices(const maru_op_info *op);
/* Equal dims: the same expression, or the same constant. */
bool maru_infer_same_dim(const maru_infer *infer, maru_dim a, maru_dim b);

/* Rank and dims of the product of inputs `a` and `b`, whatever their dtypes are. */
MARU_NODISCARD maru_status maru_infer_matmul_dims(maru_infer *infer, size_t a, size_t b, maru_infer_value *out);
/* Rank and dims of input 0 convolved with input `w`, whatever their dtypes; `bias`, if it is there, is checked. */
MARU_NODISCARD maru_status maru_infer_conv_dims(maru_infer *infer, size_t w, size_t bias, maru_infer_value *out);

#define MARU_INFER(name) maru_status maru_infer_##name(maru_infer *infer)

/* infer_elementwise.c */
MARU_INFER(unary);        // float, same dtype and dims
MARU_INFER(unary_number);
MARU_INFER(unary_any);    // Identity
MARU_INFER(bitwise_not);
MARU_INFER(logical_not);
MARU_INFER(is_class);     // IsNaN, IsInf
MARU_INFER(cast);
MARU_INFER(cast_like);
MARU_INFER(binary);       // numbers
MARU_INFER(variadic);     // Min, Max, Sum, Mean
MARU_INFER(logical);
MARU_INFER(bitwise);
MARU_INFER(compare);
MARU_INFER(pow);
MARU_INFER(where);
MARU_INFER(clip);
MARU_INFER(prelu);
MARU_INFER(swiglu);
/* infer_reduce.c */
MARU_INFER(reduce);
MARU_INFER(arg_reduce);
MARU_INFER(cumsum);
MARU_INFER(topk);
/* infer_matmul.c */
MARU_INFER(matmul);
MARU_INFER(gemm);
MARU_INFER(conv);
MARU_INFER(conv_transpose);
MARU_INFER(pool);
MARU_INFER(global_pool);
MARU_INFER(max_unpool);
MARU_INFER(col2im);
MARU_INFER(deform_conv);
MARU_INFER(det);
/* infer_data.c */
MARU_INFER(reshape);
MARU_INFER(transpose);
MARU_INFER(expand);
MARU_INFER(concat);
MARU_INFER(split);
MARU_INFER(slice);
MARU_INFER(gather);
MARU_INFER(gather_elements);
MARU_INFER(gather_nd);
MARU_INFER(scatter);      // ScatterElements, ScatterND
MARU_INFER(pad);
MARU_INFER(tile);
MARU_INFER(shape);
MARU_INFER(size);
MARU_INFER(range);
MARU_INFER(constant_of_shape);
MARU_INFER(trilu);
MARU_INFER(squeeze);
MARU_INFER(unsqueeze);
MARU_INFER(flatten);
MARU_INFER(depth_to_space);
MARU_INFER(space_to_depth);
MARU_INFER(one_hot);
MARU_INFER(non_zero);
MARU_INFER(resize);
/* infer_select.c */
MARU_INFER(bit_cast);
MARU_INFER(compress);
MARU_INFER(reverse_sequence);
MARU_INFER(unique);
MARU_INFER(tf_idf_vectorizer);
MARU_INFER(grid_sample);
MARU_INFER(roi_align);
MARU_INFER(non_max_suppression);
MARU_INFER(random);
/* infer_signal.c */
MARU_INFER(dft);
MARU_INFER(stft);
/* infer_norm.c */
MARU_INFER(softmax);
MARU_INFER(layer_norm);
MARU_INFER(rms_norm);
MARU_INFER(batch_norm);
MARU_INFER(instance_norm);
MARU_INFER(group_norm);
/* infer_attention.c */
MARU_INFER(attention);
MARU_INFER(rotary_embedding);
MARU_INFER(tensor_scatter);
/* infer_recurrent.c */
MARU_INFER(lstm);
MARU_INFER(gru);
MARU_INFER(rnn);
MARU_INFER(linear_attention);
/* infer_quant.c */
MARU_INFER(quantize_linear);
MARU_INFER(dequantize_linear);
MARU_INFER(block_matmul);
/* infer_integer.c */
MARU_INFER(matmul_integer);
MARU_INFER(conv_integer);
MARU_INFER(qlinear_matmul);
MARU_INFER(qlinear_conv);
MARU_INFER(dynamic_quantize_linear);

#endif
