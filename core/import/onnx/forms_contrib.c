// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Operators of the domain com.microsoft that exporters and optimisers write:
 * fusions, which become the operators that they are fusions of, and operators
 * on quantised values, which become those between DequantizeLinear and
 * QuantizeLinear. Source: ONNX Runtime's docs/ContribOperators.md.
 */

#include "import/onnx/onnx.h"

#include <stdint.h>
#include <string.h>

#include "base/fail.h"

static maru_status two(onnx_node *n, const char *op, maru_value a, maru_value b, maru_value *out)
{
    return onnx_add(n, op, (const maru_value[]){a, b}, 2, NULL, 0, out);
}

static uint32_t rank_of(const onnx_node *n, maru_value value)
{
    return maru_graph_get(n->import->graph, value)->rank;
}

static maru_status refuse(const onnx_node *n, const char *what)
{
    return maru_fail(MARU_UNSUPPORTED, "com.microsoft.%s with %s is not supported", n->op, what);
}

/* ---- activations ---- */

static maru_status gelu(onnx_node *n)
{
    return onnx_add(n, "Gelu", n->inputs, 1, NULL, 0, &n->outputs[0]);
}

static maru_status bias_gelu(onnx_node *n)
{
    maru_value x = MARU_NO_VALUE;
    MARU_TRY(two(n, "Add", n->inputs[0], n->inputs[1], &x));
    return onnx_add(n, "Gelu", &x, 1, NULL, 0, &n->outputs[0]);
}

static maru_status fast_gelu(onnx_node *n)
{
    const maru_attribute tanh = MARU_ATTR_S("approximate", "tanh");
    maru_value x = n->inputs[0];
    if (onnx_has(n, 1))
        MARU_TRY(two(n, "Add", x, n->inputs[1], &x));
    return onnx_add(n, "Gelu", &x, 1, &tanh, 1, &n->outputs[0]);
}

static maru_status quick_gelu(onnx_node *n)
{
    const maru_attribute alpha = MARU_ATTR_F("alpha", onnx_attr_float(n, "alpha", 1.702));
    return onnx_add(n, "Swish", n->inputs, 1, &alpha, 1, &n->outputs[0]);
}

/* ---- normalisation ---- */

static maru_status normalise(onnx_node *n, const char *op, maru_value x, maru_value scale, maru_value bias)
{
    const maru_attribute attrs[] = {MARU_ATTR_I("axis", -1),
                                    MARU_ATTR_F("epsilon", onnx_attr_float(n, "epsilon", 1e-12))};
    return onnx_add(n, op, (const maru_value[]){x, scale, bias}, bias ? 3 : 2, attrs, 2, &n->outputs[0]);
}

/* input + skip (+ bias), which is output 3 too. */
static maru_status sum_skip(onnx_node *n, size_t bias, maru_value *out)
{
    MARU_TRY(two(n, "Add", n->inputs[0], n->inputs[1], out));
    if (onnx_has(n, bias))
        MARU_TRY(two(n, "Add", *out, n->inputs[bias], out));
    n->outputs[3] = *out;
    return MARU_OK;
}

/* (input, skip, gamma, beta, bias) */
static maru_status skip_layer_normalization(onnx_node *n)
{
    maru_value sum = MARU_NO_VALUE;
    MARU_TRY(sum_skip(n, 4, &sum));
    return normalise(n, "LayerNormalization", sum, n->inputs[2], onnx_has(n, 3) ? n->inputs[3] : MARU_NO_VALUE);
}

/* (input, skip, gamma, bias) */
static maru_status skip_simplified_layer_normalization(onnx_node *n)
{
    maru_value sum = MARU_NO_VALUE;
    MARU_TRY(sum_skip(n, 3, &sum));
    return normalise(n, "RMSNormalization", sum, n->inputs[2], MARU_NO_VALUE);
}

static maru_status simplified_layer_normalization(onnx_node *n)
{
    const maru_attribute attrs[] = {MARU_ATTR_I("axis", onnx_attr_int(n, "axis", -1)),
                                    MARU_ATTR_F("epsilon", onnx_attr_float(n, "epsilon", 1e-5))};
    return onnx_add(n, "RMSNormalization", n->inputs, 2, attrs, 2, &n->outputs[0]);
}

/* How many places of each row the mask has; none without a mask. */
static maru_status count_mask(onnx_node *n)
{
    const maru_attribute to = MARU_ATTR_I("to", MARU_I32), flat = MARU_ATTR_I("keepdims", 0);
    maru_value reduce[2] = {onnx_has(n, 7) ? n->inputs[7] : n->inputs[0], MARU_NO_VALUE};
    if (!n->wants[1])
        return MARU_OK;
    MARU_TRY(onnx_add(n, "Cast", reduce, 1, &to, 1, &reduce[0]));
    if (!onnx_has(n, 7))
        MARU_TRY(two(n, "Sub", reduce[0], reduce[0], &reduce[0]));
    MARU_TRY(onnx_ints(n, (const int64_t[]){1}, 1, &reduce[1]));
    return onnx_add(n, "ReduceSum", reduce, 2, &flat, 1, &n->outputs[1]);
}

/* Rows of three tables, added: (ids, segments, words, positions, segment table, gamma, beta, mask, position ids). */
static maru_status embed_layer_normalization(onnx_node *n)
{
    maru_graph *graph = n->import->graph;
    maru_value words = MARU_NO_VALUE;
    maru_value rows = MARU_NO_VALUE;
    if (n->n_inputs < 7)
        return maru_fail(MARU_DATA_LOSS, "it needs seven inputs");
    MARU_TRY(count_mask(n));
    MARU_TRY(two(n, "Gather", n->inputs[2], n->inputs[0], &words));
    if (onnx_has(n, 8)) {
        MARU_TRY(two(n, "Gather", n->inputs[3], n->inputs[8], &rows));
    } else {
        // Positions 0 to seq - 1: the first rows of their table.
        maru_value slice[3] = {n->inputs[3], MARU_NO_VALUE, MARU_NO_VALUE};
        MARU_TRY(onnx_ints(n, (const int64_t[]){0}, 1, &slice[1]));
        MARU_TRY(maru_graph_shape(graph, &maru_graph_get(graph, n->inputs[0])->dims[1], 1, &slice[2]));
        MARU_TRY(onnx_add(n, "Slice", slice, 3, NULL, 0, &rows));
    }
    MARU_TRY(two(n, "Add", words, rows, &words));
    if (onnx_has(n, 1) && onnx_has(n, 4)) {
        MARU_TRY(two(n, "Gather", n->inputs[4], n->inputs[1], &rows));
        MARU_TRY(two(n, "Add", words, rows, &words));
    }
    n->outputs[2] = words;
    return normalise(n, "LayerNormalization", words, n->inputs[5], n->inputs[6]);
}

/* ---- products ---- */

static maru_status swap_last(onnx_node *n, maru_value *value)
{
    int64_t perm[MARU_MAX_RANK];
    const uint32_t rank = rank_of(n, *value);
    if (rank < 2)
        return MARU_OK;
    for (uint32_t d = 0; d < rank; d++)
        perm[d] = d;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    const maru_attribute attr = MARU_ATTR_IS("perm", perm, rank);
    return onnx_add(n, "Transpose", value, 1, &attr, 1, value);
}

static maru_status scale_by(onnx_node *n, maru_value x, double factor, maru_value *out)
{
    maru_value scalar = MARU_NO_VALUE;
    *out = x;
    if (factor == 1)
        return MARU_OK;
    MARU_TRY(onnx_scalar_like(n, x, factor, &scalar));
    return two(n, "Mul", x, scalar, out);
}

/* Axis 0 goes behind the axes of the batch, which come first then. */
static maru_status bring_batch(onnx_node *n, const char *attr, maru_value *value)
{
    int64_t perm[MARU_MAX_RANK];
    const uint32_t rank = rank_of(n, *value);
    if (!onnx_attr_int(n, attr, 0) || rank < 3)
        return MARU_OK;
    for (uint32_t d = 0; d < rank; d++)
        perm[d] = d + 2 < rank ? d + 1 : d + 2 == rank ? 0 : d;
    const maru_attribute turned = MARU_ATTR_IS("perm", perm, rank);
    return onnx_add(n, "Transpose", value, 1, &turned, 1, value);
}

static maru_status fused_matmul(onnx_node *n)
{
    if (n->n_inputs < 2)
        return maru_fail(MARU_DATA_LOSS, "it needs two inputs");
    maru_value a = n->inputs[0];
    maru_value b = n->inputs[1];
    MARU_TRY(bring_batch(n, "transBatchA", &a));
    MARU_TRY(bring_batch(n, "transBatchB", &b));
    if (onnx_attr_int(n, "transA", 0))
        MARU_TRY(swap_last(n, &a));
    if (onnx_attr_int(n, "transB", 0))
        MARU_TRY(swap_last(n, &b));
    MARU_TRY(two(n, "MatMul", a, b, &a));
    return scale_by(n, a, onnx_attr_float(n, "alpha", 1), &n->outputs[0]);
}

/* Alpha and beta of an activation, from a list or by their names; gives how many there are. */
static size_t read_params(const onnx_node *n, double params[2])
{
    const onnx_attr *list = onnx_attr_find(n, "activation_params");
    const char *const names[] = {"activation_alpha", "activation_beta"};
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        const bool is_listed = list && i < list->n_floats;
        params[i] = is_listed ? (double)list->floats[i] : onnx_attr_float(n, names[i], 0);
        if (count == i && (is_listed || onnx_attr_find(n, names[i])))
            count++;
    }
    return count;
}

/* An attribute's text as an operator's name. */
static maru_status activate(onnx_node *n, maru_value x, maru_value *out)
{
    static const char *const names[] = {"Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Clip"};
    const char *name = NULL;
    double params[2];
    *out = x;
    if (!onnx_attr_find(n, "activation") || onnx_attr_is(n, "activation", "", ""))
        return MARU_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (onnx_attr_is(n, "activation", names[i], ""))
            name = names[i];
    if (!name)
        return refuse(n, "that activation");
    size_t count = read_params(n, params);
    if (strcmp(name, "Clip") == 0) {
        maru_value clip[3] = {x, MARU_NO_VALUE, MARU_NO_VALUE};
        for (size_t i = 0; i < count; i++)
            MARU_TRY(onnx_scalar_like(n, x, params[i], &clip[1 + i]));
        return onnx_add(n, "Clip", clip, 3, NULL, 0, out);
    }
    const bool has_two = strcmp(name, "HardSigmoid") == 0, has_one = strcmp(name, "LeakyRelu") == 0;
    const maru_attribute attrs[2] = {MARU_ATTR_F("alpha", params[0]), MARU_ATTR_F("beta", params[1])};
    const size_t most = has_two ? 2 : has_one ? 1 : 0;
    return onnx_add(n, name, &x, 1, attrs, count < most ? count : most, out);
}

/* (x, w, b, z): Conv, then z is added, then the activation. */
static maru_status fused_conv(onnx_node *n)
{
    static const char *const without[] = {"activation", "activation_params", NULL};
    const maru_value z = onnx_has(n, 3) ? n->inputs[3] : MARU_NO_VALUE;
    n->n_inputs = n->n_inputs > 3 ? (onnx_has(n, 2) ? 3 : 2) : n->n_inputs;
    MARU_TRY(onnx_add_as(n, "Conv", without, NULL, 0));
    if (z)
        MARU_TRY(two(n, "Add", n->outputs[0], z, &n->outputs[0]));
    return activate(n, n->outputs[0], &n->outputs[0]);
}

static maru_status fused_gemm(onnx_node *n)
{
    static const char *const without[] = {"activation", "activation_alpha", "activation_beta", "activation_gamma",
                                          NULL};
    MARU_TRY(onnx_add_as(n, "Gemm", without, NULL, 0));
    return activate(n, n->outputs[0], &n->outputs[0]);
}

/* ---- quantised values ---- */

static maru_status dequantise(onnx_node *n, maru_value x, size_t scale, size_t zero, maru_value *out)
{
    const maru_value in[3] = {x, n->inputs[scale], onnx_has(n, zero) ? n->inputs[zero] : MARU_NO_VALUE};
    return onnx_add(n, "DequantizeLinear", in, in[2] ? 3 : 2, NULL, 0, out);
}

static maru_status quantise(onnx_node *n, maru_value y, size_t scale, size_t zero)
{
    const maru_value in[3] = {y, n->inputs[scale], onnx_has(n, zero) ? n->inputs[zero] : MARU_NO_VALUE};
    return onnx_add(n, "QuantizeLinear", in, in[2] ? 3 : 2, NULL, 0, &n->outputs[0]);
}

/* (a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero) */
static maru_status qlinear_pair(onnx_node *n)
{
    maru_value a = MARU_NO_VALUE;
    maru_value b = MARU_NO_VALUE;
    if (n->n_inputs < 7)
        return maru_fail(MARU_DATA_LOSS, "it needs seven inputs");
    MARU_TRY(dequantise(n, n->inputs[0], 1, 2, &a));
    MARU_TRY(dequantise(n, n->inputs[3], 4, 5, &b));
    MARU_TRY(two(n, strcmp(n->op, "QLinearAdd") == 0 ? "Add" : "Mul", a, b, &a));
    return quantise(n, a, 6, 7);
}

/* (x, x_scale, x_zero, y_scale, y_zero), then one operator of floats. */
static maru_status qlinear_one(onnx_node *n, const char *op, const maru_attribute *attrs, size_t n_attrs)
{
    maru_value x = MARU_NO_VALUE;
    if (n->n_inputs < 4)
        return maru_fail(MARU_DATA_LOSS, "it needs four inputs");
    MARU_TRY(dequantise(n, n->inputs[0], 1, 2, &x));
    MARU_TRY(onnx_add(n, op, &x, 1, attrs, n_attrs, &x));
    return quantise(n, x, 3, 4);
}

static maru_status qlinear_leaky_relu(onnx_node *n)
{
    const maru_attribute alpha = MARU_ATTR_F("alpha", onnx_attr_float(n, "alpha", 0.01));
    return qlinear_one(n, "LeakyRelu", &alpha, 1);
}

static maru_status qlinear_sigmoid(onnx_node *n)
{
    return qlinear_one(n, "Sigmoid", NULL, 0);
}

static maru_status qlinear_softmax(onnx_node *n)
{
    const maru_attribute axis = MARU_ATTR_I("axis", onnx_attr_int(n, "axis", -1));
    const maru_attribute last = MARU_ATTR_I("axis", -1);
    maru_value x = MARU_NO_VALUE, shape = MARU_NO_VALUE;
    if (onnx_attr_int(n, "opset", 13) >= 13)
        return qlinear_one(n, "Softmax", &axis, 1);
    // Before 13 all axes from that one on are taken as one.
    if (n->n_inputs < 4)
        return maru_fail(MARU_DATA_LOSS, "it needs four inputs");
    MARU_TRY(dequantise(n, n->inputs[0], 1, 2, &x));
    MARU_TRY(onnx_add(n, "Shape", &x, 1, NULL, 0, &shape));
    MARU_TRY(onnx_add(n, "Flatten", &x, 1, &axis, 1, &x));
    MARU_TRY(onnx_add(n, "Softmax", &x, 1, &last, 1, &x));
    MARU_TRY(two(n, "Reshape", x, shape, &x));
    return quantise(n, x, 3, 4);
}

/* Of pictures whose channels are the last axis, the mean is over those between. */
static maru_status qlinear_global_average_pool(onnx_node *n)
{
    int64_t axes[MARU_MAX_RANK];
    size_t count = 0;
    maru_value reduce[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    if (!onnx_attr_int(n, "channels_last", 0))
        return qlinear_one(n, "GlobalAveragePool", NULL, 0);
    if (n->n_inputs < 4)
        return maru_fail(MARU_DATA_LOSS, "it needs four inputs");
    for (uint32_t d = 1; d + 1 < rank_of(n, n->inputs[0]); d++)
        axes[count++] = d;
    MARU_TRY(dequantise(n, n->inputs[0], 1, 2, &reduce[0]));
    MARU_TRY(onnx_ints(n, axes, count, &reduce[1]));
    MARU_TRY(onnx_add(n, "ReduceMean", reduce, 2, NULL, 0, &reduce[0]));
    return quantise(n, reduce[0], 3, 4);
}

/* (y_scale, y_zero, then x, scale, zero of each) */
static maru_status qlinear_concat(onnx_node *n)
{
    const maru_attribute axis = MARU_ATTR_I("axis", onnx_attr_int(n, "axis", 0));
    maru_value parts[ONNX_MAX_OPERANDS / 3];
    size_t count = 0;
    if (n->n_inputs < 5)
        return maru_fail(MARU_DATA_LOSS, "it needs five inputs or more");
    for (size_t i = 2; i + 1 < n->n_inputs && count < ONNX_MAX_OPERANDS / 3; i += 3, count++)
        MARU_TRY(dequantise(n, n->inputs[i], i + 1, i + 2, &parts[count]));
    MARU_TRY(onnx_add(n, "Concat", parts, count, &axis, 1, &parts[0]));
    return quantise(n, parts[0], 0, 1);
}

/* An integer product times both scales, and a bias: (a, b, scale, a zero, b zero, bias). */
static maru_status scale_product(onnx_node *n, maru_value a, maru_value b, maru_value a_zero, maru_value b_zero,
                                 maru_value scale, maru_value bias)
{
    const maru_value in[4] = {a, b, a_zero, b_zero};
    const maru_attribute to = MARU_ATTR_I("to", MARU_F32);
    maru_value y = MARU_NO_VALUE;
    MARU_TRY(onnx_add(n, "MatMulInteger", in, b_zero ? 4 : a_zero ? 3 : 2, NULL, 0, &y));
    MARU_TRY(onnx_add(n, "Cast", &y, 1, &to, 1, &y));
    MARU_TRY(two(n, "Mul", y, scale, &y));
    if (bias)
        MARU_TRY(two(n, "Add", y, bias, &y));
    n->outputs[0] = y;
    return MARU_OK;
}

static maru_value optional(const onnx_node *n, size_t index)
{
    return onnx_has(n, index) ? n->inputs[index] : MARU_NO_VALUE;
}

/* (a, b, a_scale, b_scale, a_zero, b_zero, bias) */
static maru_status matmul_integer_to_float(onnx_node *n)
{
    maru_value scale = MARU_NO_VALUE;
    if (n->n_inputs < 4)
        return maru_fail(MARU_DATA_LOSS, "it needs four inputs");
    MARU_TRY(two(n, "Mul", n->inputs[2], n->inputs[3], &scale));
    return scale_product(n, n->inputs[0], n->inputs[1], optional(n, 4), optional(n, 5), scale, optional(n, 6));
}

/* (a, b, b_scale, b_zero, bias), a of f32, quantised on the way. */
static maru_status dynamic_quantize_matmul(onnx_node *n)
{
    maru_value a[3];
    maru_value scale = MARU_NO_VALUE;
    if (n->n_inputs < 3)
        return maru_fail(MARU_DATA_LOSS, "it needs three inputs");
    MARU_TRY(maru_graph_node(n->import->graph, "DynamicQuantizeLinear", n->inputs, 1, NULL, 0, a, 3));
    MARU_TRY(two(n, "Mul", a[1], n->inputs[2], &scale));
    return scale_product(n, a[0], n->inputs[1], a[2], optional(n, 3), scale, optional(n, 4));
}

#define ROW(op_name, fn) {"com.microsoft", op_name, 1, INT16_MAX, fn}

const onnx_form onnx_forms_contrib[] = {
    ROW("Gelu", gelu),
    ROW("BiasGelu", bias_gelu),
    ROW("FastGelu", fast_gelu),
    ROW("QuickGelu", quick_gelu),
    ROW("SkipLayerNormalization", skip_layer_normalization),
    ROW("SkipSimplifiedLayerNormalization", skip_simplified_layer_normalization),
    ROW("EmbedLayerNormalization", embed_layer_normalization),
    ROW("FusedMatMul", fused_matmul),
    ROW("FusedConv", fused_conv),
    ROW("FusedGemm", fused_gemm),
    ROW("QLinearAdd", qlinear_pair),
    ROW("QLinearMul", qlinear_pair),
    ROW("QLinearLeakyRelu", qlinear_leaky_relu),
    ROW("QLinearSigmoid", qlinear_sigmoid),
    ROW("QLinearSoftmax", qlinear_softmax),
    ROW("QLinearGlobalAveragePool", qlinear_global_average_pool),
    ROW("QLinearConcat", qlinear_concat),
    ROW("MatMulIntegerToFloat", matmul_integer_to_float),
    ROW("DynamicQuantizeMatMul", dynamic_quantize_matmul),
    {"", "SimplifiedLayerNormalization", 1, INT16_MAX, simplified_layer_normalization},
    {.op = NULL},
};
