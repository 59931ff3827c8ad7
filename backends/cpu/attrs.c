// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The attributes that kernels know. A node with another one is refused: it may change what the node means. */

#include "cpu.h"

#include <string.h>

typedef struct known {
    const char *domain;
    const char *op;
    const char *attrs;
} known;

/* Operators that are not listed have no attributes. */
static const known table[] = {
    {"", "IsInf", "detect_negative detect_positive"},
    {"", "Cast", "to saturate round_mode"},
    {"", "CastLike", "saturate round_mode"},
    {"", "Mod", "fmod"},
    {"", "BitShift", "direction"},
    {"", "ReduceSum", "keepdims noop_with_empty_axes"},
    {"", "ReduceMax", "keepdims noop_with_empty_axes"},
    {"", "ReduceMin", "keepdims noop_with_empty_axes"},
    {"", "ReduceProd", "keepdims noop_with_empty_axes"},
    {"", "ArgMax", "axis keepdims select_last_index"},
    {"", "ArgMin", "axis keepdims select_last_index"},
    {"", "CumSum", "exclusive reverse"},
    {"", "CumProd", "exclusive reverse"},
    {"", "TopK", "axis largest sorted"},
    {"", "ReduceMean", "keepdims noop_with_empty_axes"},
    {"", "ReduceSumSquare", "keepdims noop_with_empty_axes"},
    {"", "ReduceL1", "keepdims noop_with_empty_axes"},
    {"", "ReduceL2", "keepdims noop_with_empty_axes"},
    {"", "ReduceLogSum", "keepdims noop_with_empty_axes"},
    {"", "ReduceLogSumExp", "keepdims noop_with_empty_axes"},
    {"", "Conv", "auto_pad dilations group kernel_shape pads strides"},
    {"", "ConvInteger", "auto_pad dilations group kernel_shape pads strides"},
    {"", "QLinearConv", "auto_pad dilations group kernel_shape pads strides"},
    {"", "ConvTranspose", "auto_pad dilations group kernel_shape output_padding output_shape pads strides"},
    {"", "AveragePool", "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides"},
    {"", "MaxPool", "auto_pad ceil_mode dilations kernel_shape pads storage_order strides"},
    {"", "LpPool", "auto_pad ceil_mode dilations kernel_shape p pads strides"},
    {"", "MaxUnpool", "kernel_shape pads strides"},
    {"", "Col2Im", "dilations pads strides"},
    {"", "DeformConv", "dilations group kernel_shape offset_group pads strides"},
    {"", "Gemm", "alpha beta transA transB"},
    {"maru", "FusedConv", "auto_pad dilations group kernel_shape pads strides activation alpha beta"},
    {"maru", "Random", "seed stream"},
    {"", "Reshape", "allowzero"},
    {"", "Transpose", "perm"},
    {"", "Concat", "axis"},
    {"", "Split", "axis num_outputs"},
    {"", "Gather", "axis"},
    {"", "GatherElements", "axis"},
    {"", "GatherND", "batch_dims"},
    {"", "ScatterElements", "axis reduction"},
    {"", "ScatterND", "reduction"},
    {"", "Pad", "mode"},
    {"", "Shape", "start end"},
    {"", "Range", "stash_type"},
    {"", "ConstantOfShape", "value"},
    {"", "Trilu", "upper"},
    {"", "Resize",
     "antialias axes coordinate_transformation_mode cubic_coeff_a "
     "exclude_outside extrapolation_value keep_aspect_ratio_policy mode nearest_mode"},
    {"", "Flatten", "axis"},
    {"", "DepthToSpace", "blocksize mode"},
    {"", "SpaceToDepth", "blocksize mode"},
    {"", "OneHot", "axis"},
    {"", "BitCast", "to"},
    {"", "Compress", "axis"},
    {"", "ReverseSequence", "batch_axis time_axis"},
    {"", "Unique", "axis sorted"},
    {"", "TfIdfVectorizer",
     "max_gram_length max_skip_count min_gram_length mode ngram_counts ngram_indexes pool_int64s weights"},
    {"", "GridSample", "align_corners mode padding_mode"},
    {"", "RoiAlign",
     "coordinate_transformation_mode mode output_height output_width sampling_ratio spatial_scale"},
    {"", "NonMaxSuppression", "center_point_box"},
    {"", "DFT", "inverse onesided"},
    {"", "STFT", "onesided"},
    {"", "HardSigmoid", "alpha beta"},
    {"", "Swish", "alpha"},
    {"", "SwiGLU", "alpha"},
    {"", "Gelu", "approximate"},
    {"", "LeakyRelu", "alpha"},
    {"", "Elu", "alpha"},
    {"", "Selu", "alpha gamma"},
    {"", "Celu", "alpha"},
    {"", "ThresholdedRelu", "alpha"},
    {"", "Softmax", "axis"},
    {"", "LogSoftmax", "axis"},
    {"", "LayerNormalization", "axis epsilon stash_type"},
    {"", "RMSNormalization", "axis epsilon stash_type"},
    {"", "BatchNormalization", "epsilon momentum training_mode"},
    {"", "InstanceNormalization", "epsilon"},
    {"", "GroupNormalization", "epsilon num_groups stash_type"},
    {"", "Attention",
     "is_causal kv_num_heads q_num_heads qk_matmul_output_mode "
     "scale softcap softmax_precision left_window_size right_window_size"},
    {"", "RotaryEmbedding", "interleaved num_heads rotary_embedding_dim"},
    {"", "TensorScatter", "axis mode"},
    {"", "LSTM", "activation_alpha activation_beta activations clip direction hidden_size input_forget layout"},
    {"", "GRU", "activation_alpha activation_beta activations clip direction hidden_size layout linear_before_reset"},
    {"", "RNN", "activation_alpha activation_beta activations clip direction hidden_size layout"},
    {"", "LinearAttention", "chunk_size kv_num_heads q_num_heads scale update_rule"},
    {"", "QuantizeLinear", "axis block_size output_dtype precision saturate"},
    {"", "DequantizeLinear", "axis block_size output_dtype"},
};

const char *cpu_known_attrs(const char *domain, const char *op)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].op, op) == 0 && strcmp(table[i].domain, domain) == 0)
            return table[i].attrs;
    }
    return "";
}
