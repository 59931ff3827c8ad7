// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * What older opsets cannot say as the newest does. Source: the versions of
 * each operator in ONNX's schemas (docs/Changelog.md there), opsets 17 to 28.
 */

#include "export/onnx/writer.h"

#include <string.h>

typedef maru_node_record node_record;

static const maru_value_record *input_of(const maru_graph *g, const node_record *n, uint32_t index)
{
    return index < n->n_inputs && n->inputs[index] ? maru_graph_get(g, n->inputs[index]) : NULL;
}

static bool has_dtype(const maru_graph *g, const node_record *n, maru_dtype dtype)
{
    for (uint32_t i = 0; i < n->n_inputs; i++)
        if (input_of(g, n, i) && input_of(g, n, i)->dtype == dtype)
            return true;
    return false;
}

static bool is_f8_dtype(maru_dtype dtype)
{
    return dtype >= MARU_F8E4M3FN && dtype <= MARU_F8E5M2FNUZ;
}

/* ---- of dtypes ---- */

static bool is_bf16(const maru_graph *g, const node_record *n)
{
    return has_dtype(g, n, MARU_BF16);
}

static bool is_half(const maru_graph *g, const node_record *n)
{
    return has_dtype(g, n, MARU_BF16) || has_dtype(g, n, MARU_F16);
}

static bool is_bool(const maru_graph *g, const node_record *n)
{
    return input_of(g, n, 0)->dtype == MARU_BOOL;
}

static bool is_f8(const maru_graph *g, const node_record *n)
{
    return is_f8_dtype(input_of(g, n, 0)->dtype);
}

static bool is_not_f32(const maru_graph *g, const node_record *n)
{
    return input_of(g, n, 0)->dtype != MARU_F32;
}

static bool is_float(const maru_graph *g, const node_record *n)
{
    return maru_dtype_get_info(input_of(g, n, 0)->dtype)->kind == MARU_CLASS_FLOAT;
}

static bool is_float_modulo(const maru_graph *g, const node_record *n)
{
    return is_float(g, n) && maru_node_int(n, "fmod", 0) == 0;
}

static bool is_signed(const maru_graph *g, const node_record *n)
{
    return maru_dtype_get_info(input_of(g, n, 0)->dtype)->kind == MARU_CLASS_INT;
}

static bool chooses_rarely(const maru_graph *g, const node_record *n)
{
    return input_of(g, n, 1)->dtype == MARU_BOOL || input_of(g, n, 1)->dtype == MARU_BF16;
}

static bool fills_bf16(const maru_graph *g, const node_record *n)
{
    return maru_graph_get(g, n->outputs[0])->dtype == MARU_BF16;
}

static bool fills_f8(const maru_graph *g, const node_record *n)
{
    return is_f8_dtype(maru_graph_get(g, n->outputs[0])->dtype);
}

/* ---- of attributes and inputs ---- */

static bool has_noop(const maru_graph *g, const node_record *n)
{
    int64_t axis = 0;
    const maru_value axes = n->n_inputs > 1 ? n->inputs[1] : MARU_NO_VALUE;
    return maru_node_int(n, "noop_with_empty_axes", 0) &&
           (!axes || (onnx_list_is_known(g, axes) && onnx_read_list(g, axes, &axis, 1) == 0));
}

static bool has_open_axes(const maru_graph *g, const node_record *n)
{
    return n->n_inputs > 1 && n->inputs[1] && !onnx_list_is_known(g, n->inputs[1]);
}

static bool has_dilations(const maru_graph *g, const node_record *n)
{
    (void)g;
    const maru_attribute *a = maru_node_attr(n, "dilations");
    for (size_t i = 0; a && i < a->n; i++)
        if (a->ints[i] != 1)
            return true;
    return n->op->id == MARU_OP_LP_POOL && maru_node_int(n, "ceil_mode", 0);
}

static bool has_extreme_reduction(const maru_graph *g, const node_record *n)
{
    (void)g;
    const char *how = maru_node_string(n, "reduction", "none");
    return strcmp(how, "min") == 0 || strcmp(how, "max") == 0;
}

static bool pads_open_axes(const maru_graph *g, const node_record *n)
{
    return input_of(g, n, 3) && (!onnx_list_is_known(g, n->inputs[3]) || !onnx_list_is_known(g, n->inputs[1]));
}

static bool wraps(const maru_graph *g, const node_record *n)
{
    (void)g;
    return strcmp(maru_node_string(n, "mode", "constant"), "wrap") == 0;
}

static bool resizes_newly(const maru_graph *g, const node_record *n)
{
    const maru_attribute *axes = maru_node_attr(n, "axes");
    const bool has_axes = axes && axes->n;
    const bool has_scales = input_of(g, n, 2) != NULL;
    return maru_node_int(n, "antialias", 0) || input_of(g, n, 1) != NULL ||
           strcmp(maru_node_string(n, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0 ||
           (has_axes && has_scales && !maru_graph_constant_data(g, n->inputs[2])) ||
           (has_axes && input_of(g, n, 3) && !input_of(g, n, 3)->elems);
}

static bool resizes_symmetrically(const maru_graph *g, const node_record *n)
{
    (void)g;
    return strcmp(maru_node_string(n, "coordinate_transformation_mode", ""), "half_pixel_symmetric") == 0;
}

static bool samples_volume(const maru_graph *g, const node_record *n)
{
    return input_of(g, n, 0)->rank != 4;
}

static bool has_open_axis(const maru_graph *g, const node_record *n)
{
    return input_of(g, n, 2) && !onnx_list_is_known(g, n->inputs[2]);
}

static bool is_crd(const maru_graph *g, const node_record *n)
{
    (void)g;
    return strcmp(maru_node_string(n, "mode", "DCR"), "CRD") == 0;
}

static bool counts_valid_keys(const maru_graph *g, const node_record *n)
{
    return input_of(g, n, 6) != NULL;
}

static bool has_window(const maru_graph *g, const node_record *n)
{
    (void)g;
    return maru_node_int(n, "left_window_size", -1) != -1 || maru_node_int(n, "right_window_size", -1) != -1;
}

/* ---- of quantisation ---- */

static maru_dtype integers_of(const maru_graph *g, const node_record *n)
{
    return n->op->id == MARU_OP_QUANTIZE_LINEAR ? maru_graph_get(g, n->outputs[0])->dtype : input_of(g, n, 0)->dtype;
}

static bool is_byte(maru_dtype dtype)
{
    return dtype == MARU_U8 || dtype == MARU_I8;
}

/* Before 19 of f32 alone. */
static bool scales_newly_19(const maru_graph *g, const node_record *n)
{
    const maru_dtype x = input_of(g, n, 0)->dtype;
    return input_of(g, n, 1)->dtype != MARU_F32 ||
           (n->op->id == MARU_OP_QUANTIZE_LINEAR && x != MARU_F32 && x != MARU_I32);
}

static bool scales_newly_21(const maru_graph *g, const node_record *n)
{
    const maru_dtype dtype = integers_of(g, n);
    const bool is_known = is_byte(dtype) || is_f8_dtype(dtype) ||
                          (dtype == MARU_I32 && n->op->id == MARU_OP_DEQUANTIZE_LINEAR);
    return maru_node_int(n, "block_size", 0) != 0 || !is_known;
}

static bool scales_newly_23(const maru_graph *g, const node_record *n)
{
    const bool is_quantising = n->op->id == MARU_OP_QUANTIZE_LINEAR;
    if (!is_quantising)
        return maru_graph_get(g, n->outputs[0])->dtype != input_of(g, n, 1)->dtype;
    return maru_node_int(n, "precision", 0) != 0 ||
           (input_of(g, n, 0)->dtype != input_of(g, n, 1)->dtype && input_of(g, n, 0)->dtype != MARU_I32);
}

static bool multiplies_newly(const maru_graph *g, const node_record *n)
{
    return !is_byte(input_of(g, n, 0)->dtype) || input_of(g, n, 1)->dtype != MARU_F32;
}

/* ---- the table; of an operator's rows the first that applies ---- */

#define NEW(op, version) {MARU_OP_##op, version, NULL, NULL, NULL}
#define BODY(op, version, applies, what) {MARU_OP_##op, version, applies, NULL, what}
#define FORM(op, version, applies, form) {MARU_OP_##op, version, applies, onnx_form_##form, NULL}
#define BF16(op, version) {MARU_OP_##op, version, is_bf16, onnx_form_through_f32, NULL}

#define REDUCE(op)                                                              \
    FORM(op, 18, has_noop, identity),                                           \
    BODY(op, 18, has_open_axes, "over axes that are computed"),                 \
    FORM(op, 18, NULL, axes_attr)
/* Without axes each element is still squared, or its logarithm taken. */
#define REDUCE_WITH_BODY(op)                                                    \
    BODY(op, 18, has_noop, NULL),                                               \
    BODY(op, 18, has_open_axes, "over axes that are computed"),                 \
    FORM(op, 18, NULL, axes_attr)

static const onnx_rule rules[] = {
    BF16(ROUND, 22), BF16(SIN, 22), BF16(COS, 22), BF16(TAN, 22), BF16(ASIN, 22), BF16(ACOS, 22), BF16(ATAN, 22),
    BF16(SINH, 22), BF16(COSH, 22), BF16(ASINH, 22), BF16(ACOSH, 22), BF16(ATANH, 22), BF16(CONV, 22),
    BF16(CONV_TRANSPOSE, 22), BF16(MAX_POOL, 22), BF16(GLOBAL_AVERAGE_POOL, 22), BF16(GLOBAL_MAX_POOL, 22),
    BF16(MAX_UNPOOL, 22), BF16(DET, 22), BF16(ROI_ALIGN, 22), BF16(HARD_SIGMOID, 22), BF16(HARD_SWISH, 22),
    BF16(ELU, 22), BF16(SELU, 22), BF16(SOFTPLUS, 22), BF16(SOFTSIGN, 22), BF16(THRESHOLDED_RELU, 22),
    BF16(INSTANCE_NORMALIZATION, 22), BF16(LSTM, 22), BF16(GRU, 22), BF16(RNN, 22), BF16(TOP_K, 24),
    BF16(COMPRESS, 28), BF16(REVERSE_SEQUENCE, 28), BF16(UNIQUE, 28),
    FORM(WHERE, MARU_OPSET_ONNX + 1, chooses_rarely, where),
    FORM(STFT, MARU_OPSET_ONNX + 1, NULL, stft),
    BODY(ONE_HOT, 28, is_bf16, NULL),
    BODY(CELU, 28, is_not_f32, NULL),
    NEW(BITWISE_NOT, 18),
    NEW(BITWISE_AND, 18),
    NEW(BITWISE_OR, 18),
    NEW(BITWISE_XOR, 18),
    BODY(BIT_SHIFT, 28, is_signed, "of signed integers"),
    BODY(IS_NAN, 20, is_f8, "of 8-bit floats"),
    BODY(IS_INF, 20, is_f8, "of 8-bit floats"),
    FORM(IS_INF, 20, is_half, through_f32),
    FORM(CAST, 24, NULL, cast),
    FORM(CAST_LIKE, 24, NULL, cast),
    FORM(MOD, 28, is_float_modulo, floor_mod),
    BODY(REDUCE_MAX, 18, has_open_axes, "over axes that are computed"),
    BODY(REDUCE_MIN, 18, has_open_axes, "over axes that are computed"),
    FORM(REDUCE_MAX, 18, has_noop, identity),
    FORM(REDUCE_MIN, 18, has_noop, identity),
    FORM(REDUCE_MAX, 20, is_bool, through_u8),
    FORM(REDUCE_MIN, 20, is_bool, through_u8),
    FORM(REDUCE_MAX, 18, NULL, axes_attr),
    FORM(REDUCE_MIN, 18, NULL, axes_attr),
    REDUCE(REDUCE_PROD),
    REDUCE(REDUCE_MEAN),
    REDUCE_WITH_BODY(REDUCE_SUM_SQUARE),
    REDUCE_WITH_BODY(REDUCE_L1),
    REDUCE_WITH_BODY(REDUCE_L2),
    REDUCE_WITH_BODY(REDUCE_LOG_SUM),
    REDUCE_WITH_BODY(REDUCE_LOG_SUM_EXP),
    NEW(CUM_PROD, 26),
    BODY(AVERAGE_POOL, 19, has_dilations, "with dilations"),
    FORM(AVERAGE_POOL, 19, NULL, no_dilations),
    BF16(AVERAGE_POOL, 22),
    BODY(LP_POOL, 18, has_dilations, "with dilations or ceil_mode"),
    FORM(LP_POOL, 18, NULL, no_dilations),
    BF16(LP_POOL, 22),
    NEW(COL2IM, 18),
    NEW(DEFORM_CONV, 19),
    BF16(DEFORM_CONV, 22),
    BODY(TRANSPOSE, 21, is_f8, "of 8-bit floats"),
    BODY(SQUEEZE, 21, is_f8, NULL),
    BODY(UNSQUEEZE, 21, is_f8, NULL),
    BODY(FLATTEN, 21, is_f8, NULL),
    FORM(SPLIT, 18, NULL, split),
    BODY(SCATTER_ELEMENTS, 18, has_extreme_reduction, "with reduction min or max"),
    BODY(SCATTER_ND, 18, has_extreme_reduction, "with reduction min or max"),
    BODY(PAD, 21, is_f8, "of 8-bit floats"),
    BODY(PAD, 19, wraps, "with mode wrap"),
    BODY(PAD, 18, pads_open_axes, "along axes that are computed"),
    FORM(PAD, 18, NULL, pad),
    FORM(RANGE, 27, NULL, range),
    BODY(CONSTANT_OF_SHAPE, 20, fills_f8, "of 8-bit floats"),
    FORM(CONSTANT_OF_SHAPE, 20, fills_bf16, filled),
    BODY(RESIZE, 18, resizes_newly, "with antialias, keep_aspect_ratio_policy, a region, or computed axes"),
    BODY(RESIZE, 19, resizes_symmetrically, "with half_pixel_symmetric"),
    FORM(RESIZE, 18, NULL, resize),
    BODY(SPACE_TO_DEPTH, 28, is_crd, NULL),
    FORM(SPACE_TO_DEPTH, 28, NULL, without_mode),
    NEW(BIT_CAST, 26),
    BODY(GRID_SAMPLE, 20, samples_volume, "of volumes"),
    FORM(GRID_SAMPLE, 20, NULL, grid_sample),
    BF16(GRID_SAMPLE, 22),
    BODY(DFT, 20, has_open_axis, "along an axis that is computed"),
    FORM(DFT, 20, NULL, dft),
    NEW(SWISH, 24),
    NEW(SWIGLU, 28),
    NEW(GELU, 20),
    NEW(MISH, 18),
    BF16(MISH, 22),
    NEW(RMS_NORMALIZATION, 23),
    NEW(GROUP_NORMALIZATION, 21),
    NEW(ATTENTION, 23),
    BODY(ATTENTION, 24, counts_valid_keys, NULL),
    BODY(ATTENTION, 25, has_window, NULL),
    FORM(ATTENTION, 25, NULL, no_window),
    NEW(ROTARY_EMBEDDING, 23),
    NEW(TENSOR_SCATTER, 24),
    NEW(LINEAR_ATTENTION, 27),
    BODY(QUANTIZE_LINEAR, 19, scales_newly_19, NULL),
    BODY(QUANTIZE_LINEAR, 21, scales_newly_21, NULL),
    BODY(QUANTIZE_LINEAR, 23, scales_newly_23, NULL),
    FORM(QUANTIZE_LINEAR, 23, NULL, quantise),
    BODY(DEQUANTIZE_LINEAR, 19, scales_newly_19, NULL),
    BODY(DEQUANTIZE_LINEAR, 21, scales_newly_21, NULL),
    BODY(DEQUANTIZE_LINEAR, 23, scales_newly_23, NULL),
    FORM(DEQUANTIZE_LINEAR, 23, NULL, quantise),
    BODY(QLINEAR_MATMUL, 21, multiplies_newly, NULL),
};

const onnx_rule *onnx_find_rule(const maru_graph *graph, const maru_node_record *node, int opset)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const onnx_rule *r = &rules[i];
        if (r->op == node->op->id && opset < r->before && (!r->applies || r->applies(graph, node)))
            return r;
    }
    return NULL;
}

/* ---- dtypes ---- */

int onnx_dtype_since(maru_dtype dtype)
{
    if (dtype >= MARU_F32 && dtype <= MARU_BF16)
        return ONNX_OLDEST_TARGET;
    if (is_f8_dtype(dtype))
        return 19;
    switch ((int)dtype) {
    case MARU_U4:
    case MARU_I4: return 21;
    case MARU_F4E2M1: return 23;
    case MARU_F8E8M0: return 24;
    case MARU_U2:
    case MARU_I2: return 25;
    default: return 0;
    }
}

/* ---- what ONNX Runtime lacks ---- */

typedef struct lack {
    maru_op op;
    int from;  // at this opset and later ones
    bool (*applies)(const maru_graph *graph, const maru_node_record *node);  // NULL: to every node
} lack;

/* It has kernels for some triples of dtypes alone: indices, depth, values. */
static bool encodes_rarely(const maru_graph *g, const node_record *n)
{
    static const maru_dtype kernels[][3] = {
        {MARU_I64, MARU_I64, MARU_F32}, {MARU_I64, MARU_I64, MARU_I64}, {MARU_I64, MARU_F32, MARU_F32},
        {MARU_I64, MARU_F32, MARU_I32}, {MARU_I32, MARU_F32, MARU_F32}, {MARU_F32, MARU_I64, MARU_I64},
        {MARU_F32, MARU_F32, MARU_F32},
    };
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (input_of(g, n, 0)->dtype == kernels[i][0] && input_of(g, n, 1)->dtype == kernels[i][1] &&
            input_of(g, n, 2)->dtype == kernels[i][2])
            return false;
    return true;
}

/*
 * Measured with ONNX Runtime 1.32.0 on the CPU: the node tests of ONNX 1.22, exported at 17, 21, 27 and 28. Each row is
 * an operator that it refuses to make a session of ("Could not find an implementation for Swish(24)").
 */
static const lack lacks[] = {
    {MARU_OP_SWISH, 24, NULL},              // no kernel at all
    {MARU_OP_SWIGLU, 28, NULL},             // no kernel at all
    {MARU_OP_ROI_ALIGN, 22, NULL},          // its kernels are those of the form of 16
    {MARU_OP_ONE_HOT, 11, encodes_rarely},  // "OneHot(11)", of f32 indices and an i64 depth
    {MARU_OP_QUANTIZE_LINEAR, 28, NULL},    // its kernels are those of the form of 25
    {MARU_OP_DEQUANTIZE_LINEAR, 28, NULL},  // the same
};

bool onnx_runtime_lacks(const maru_graph *graph, const maru_node_record *node, int opset)
{
    for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++) {
        const lack *l = &lacks[i];
        if (l->op == node->op->id && opset >= l->from && (!l->applies || l->applies(graph, node)))
            return true;
    }
    return false;
}
