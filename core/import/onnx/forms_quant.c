// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Operators of com.microsoft on weights of few bits, and those that quantise
 * on the way: MatMulNBits, DynamicQuantizeLSTM, QGemm and what stands beside
 * them. Source: ONNX Runtime's docs/ContribOperators.md. And scales that ONNX's
 * own operators take from quantisers.
 */

#include "import/onnx/compose.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

static maru_status refuse(const onnx_node *n, const char *what)
{
    return maru_fail(MARU_UNSUPPORTED, "com.microsoft.%s with %s is not supported", n->op, what);
}

static maru_status need_inputs(const onnx_node *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!onnx_has(n, i))
            return maru_fail(MARU_DATA_LOSS, "%s: input %zu is missing", n->op, i);
    return MARU_OK;
}

static maru_value optional(const onnx_node *n, size_t index)
{
    return onnx_has(n, index) ? n->inputs[index] : MARU_NO_VALUE;
}

/* ---- MatMulNBits ---- */

/* (a, b, scales, zero_points, g_idx, bias) */
enum { A, B, SCALES, ZEROS, G_IDX, BIAS };

typedef struct packed {
    int64_t bits, block, k, n, n_blocks;
    maru_dtype dtype;    // of the weights
    maru_value weights;  // (n, n_blocks * block) of that dtype: the bytes are the same
    maru_value scales;   // (n, n_blocks)
} packed;

static maru_status read_sizes(const onnx_node *n, packed *p)
{
    *p = (packed){.bits = onnx_attr_int(n, "bits", 4), .block = onnx_attr_int(n, "block_size", 0),
                  .k = onnx_attr_int(n, "K", 0), .n = onnx_attr_int(n, "N", 0)};
    p->dtype = p->bits == 8 ? MARU_U8 : p->bits == 4 ? MARU_U4 : MARU_U2;
    if (p->bits != 2 && p->bits != 4 && p->bits != 8)
        return refuse(n, "other than 2, 4 or 8 bits");
    if (onnx_attr_int(n, "weight_prepacked", 0))
        return refuse(n, "weight_prepacked");
    if (p->block < 16 || p->block > 65536 || (p->block & (p->block - 1)) || p->k < 1 || p->n < 1 || p->k > INT32_MAX ||
        p->n > INT32_MAX)
        return maru_fail(MARU_DATA_LOSS, "com.microsoft.MatMulNBits: K %lld, N %lld and block_size %lld make no sense",
                         (long long)p->k, (long long)p->n, (long long)p->block);
    p->n_blocks = (p->k + p->block - 1) / p->block;
    return MARU_OK;
}

/* The bytes of a constant, of which there must be as many. */
static maru_status constant_bytes(const onnx_node *n, size_t index, uint64_t wanted, const maru_constant_source **out)
{
    const maru_value_record *v = onnx_record(n, n->inputs[index]);
    if (v->kind != MARU_VALUE_CONSTANT || v->dtype != MARU_U8)
        return refuse(n, "weights or zero points that are no constants of u8");
    *out = &n->import->graph->constants.data[v->source].source;
    if (!(*out)->data || (*out)->bytes != wanted)
        return maru_fail(MARU_DATA_LOSS, "com.microsoft.%s: input %zu has %zu bytes, %llu are needed", n->op, index,
                         (*out)->bytes, (unsigned long long)wanted);
    return MARU_OK;
}

static maru_status take_weights(onnx_node *n, packed *p)
{
    const int64_t dims[] = {p->n, p->n_blocks * p->block};
    const maru_dim blocks[] = {p->n, p->n_blocks};
    const maru_constant_source *bytes = NULL;
    MARU_TRY(constant_bytes(n, B, (uint64_t)dims[0] * (uint64_t)dims[1] / (uint64_t)(8 / p->bits), &bytes));
    const maru_constant_source same = *bytes;
    MARU_TRY(maru_graph_constant(n->import->graph, onnx_record(n, n->inputs[B])->name, p->dtype, dims, 2, &same,
                                 &p->weights));
    return onnx_reshape(n, n->inputs[SCALES], blocks, 2, &p->scales);
}

/* Rows of zero points begin at whole bytes; those of a tensor do not. NULL: all are in the middle. */
static maru_status add_zeros(onnx_node *n, const packed *p, const uint8_t *rows, size_t row_bytes, maru_value *out)
{
    const int64_t dims[] = {p->n, p->n_blocks};
    size_t bytes = 0;
    MARU_TRY(maru_dtype_tensor_bytes(p->dtype, dims, 2, &bytes));
    uint8_t *dense = calloc(bytes + 1, 1);
    if (!dense)
        return maru_fail_oom("zero points");
    for (int64_t i = 0; i < p->n; i++)
        for (int64_t k = 0; k < p->n_blocks; k++)
            maru_dtype_store_i64(p->dtype, dense, i * p->n_blocks + k,
                                 rows ? maru_dtype_load_i64(p->dtype, rows + (size_t)i * row_bytes, k)
                                      : (int64_t)1 << (p->bits - 1));
    const maru_constant_source source = {.data = dense, .bytes = bytes};
    const maru_status status = maru_graph_constant(n->import->graph, "", p->dtype, dims, 2, &source, out);
    free(dense);
    return status;
}

static maru_status zeros_of(onnx_node *n, const packed *p, maru_value *out)
{
    const maru_dim blocks[] = {p->n, p->n_blocks};
    const maru_constant_source *bytes = NULL;
    const size_t row_bytes = (size_t)((p->n_blocks * p->bits + 7) / 8);
    if (!onnx_has(n, ZEROS))
        return add_zeros(n, p, NULL, 0, out);
    if (onnx_record(n, n->inputs[ZEROS])->dtype != MARU_U8)
        return onnx_reshape(n, n->inputs[ZEROS], blocks, 2, out);
    MARU_TRY(constant_bytes(n, ZEROS, (uint64_t)p->n * row_bytes, &bytes));
    return add_zeros(n, p, bytes->data, row_bytes, out);
}

/* Which block each of the k rows belongs to, where it does not follow from its place; or none. */
static maru_status group_of_rows(onnx_node *n, const packed *p, maru_value *out)
{
    const maru_value_record *v = onnx_has(n, G_IDX) ? onnx_record(n, n->inputs[G_IDX]) : NULL;
    *out = optional(n, G_IDX);
    if (v && (v->rank != 1 || (v->dims[0] != p->k && v->dims[0] != p->n_blocks * p->block)))
        return maru_fail(MARU_DATA_LOSS, "com.microsoft.MatMulNBits: g_idx must have one group for each row");
    return v ? onnx_cut(n, *out, 0, 0, p->k, out) : MARU_OK;
}

/* A number of each block for each row: (n, k). */
static maru_status spread_blocks(onnx_node *n, const packed *p, maru_value x, maru_value groups, maru_value *out)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 1);
    const maru_value pair[] = {x, groups};
    const maru_dim apart[] = {p->n, p->n_blocks, 1}, wide[] = {p->n, p->n_blocks, p->block};
    const maru_dim joined[] = {p->n, p->n_blocks * p->block};
    maru_value shape = MARU_NO_VALUE;
    if (groups)
        return onnx_add(n, "Gather", pair, 2, &axis, 1, out);
    MARU_TRY(onnx_reshape(n, x, apart, 3, out));
    MARU_TRY(maru_graph_shape(n->import->graph, wide, 3, &shape));
    MARU_TRY(onnx_op2(n, "Expand", *out, shape, out));
    MARU_TRY(onnx_reshape(n, *out, joined, 2, out));
    return onnx_cut(n, *out, 1, 0, p->k, out);
}

/* Where zero points are no integers, or rows do not stand by blocks: in plain arithmetic. */
static maru_status dequantise_rows(onnx_node *n, const packed *p, maru_value zeros, maru_value groups, maru_value *out)
{
    const maru_dtype dtype = onnx_record(n, p->scales)->dtype;
    maru_value scales = MARU_NO_VALUE;
    MARU_TRY(onnx_cast(n, p->weights, dtype, out));
    MARU_TRY(onnx_cut(n, *out, 1, 0, p->k, out));
    MARU_TRY(onnx_cast(n, zeros, dtype, &zeros));
    MARU_TRY(spread_blocks(n, p, zeros, groups, &zeros));
    MARU_TRY(spread_blocks(n, p, p->scales, groups, &scales));
    MARU_TRY(onnx_op2(n, "Sub", *out, zeros, out));
    return onnx_op2(n, "Mul", *out, scales, out);
}

static maru_status dequantise_blocks(onnx_node *n, const packed *p, maru_value zeros, maru_value *out)
{
    const maru_value inputs[] = {p->weights, p->scales, zeros};
    const maru_attribute attrs[] = {MARU_ATTR_I("axis", 1), MARU_ATTR_I("block_size", p->block)};
    MARU_TRY(onnx_add(n, "DequantizeLinear", inputs, 3, attrs, 2, out));
    return p->k < p->n_blocks * p->block ? onnx_cut(n, *out, 1, 0, p->k, out) : MARU_OK;
}

static maru_status matmul_n_bits(onnx_node *n)
{
    static const int64_t perm[] = {1, 0};
    const maru_attribute turned = MARU_ATTR_IS("perm", perm, 2);
    packed p;
    maru_value zeros = MARU_NO_VALUE, groups = MARU_NO_VALUE, w = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 3));
    MARU_TRY(read_sizes(n, &p));
    MARU_TRY(take_weights(n, &p));
    MARU_TRY(zeros_of(n, &p, &zeros));
    MARU_TRY(group_of_rows(n, &p, &groups));
    if (groups || onnx_record(n, zeros)->dtype != p.dtype)
        MARU_TRY(dequantise_rows(n, &p, zeros, groups, &w));
    else
        MARU_TRY(dequantise_blocks(n, &p, zeros, &w));
    MARU_TRY(onnx_add(n, "Transpose", &w, 1, &turned, 1, &w));
    MARU_TRY(onnx_op2(n, "MatMul", n->inputs[A], w, &n->outputs[0]));
    return onnx_has(n, BIAS) ? onnx_op2(n, "Add", n->outputs[0], n->inputs[BIAS], &n->outputs[0]) : MARU_OK;
}

/* ---- GatherBlockQuantized ---- */

/* (data, indices, scales, zero_points): a table of rows in blocks; rows are taken before they are dequantised. */
typedef struct table {
    packed p;
    int64_t gather, quantize;  // axes
    maru_value data, zeros;
} table;

static maru_status read_table(onnx_node *n, table *t)
{
    const maru_exprs *exprs = &n->import->graph->exprs;
    const maru_value_record *data = onnx_record(n, n->inputs[0]), *scales = onnx_record(n, n->inputs[2]);
    t->p = (packed){.bits = onnx_attr_int(n, "bits", 4), .block = onnx_attr_int(n, "block_size", 128)};
    t->p.scales = n->inputs[2];
    MARU_TRY(onnx_axis(n, n->inputs[0], onnx_attr_int(n, "gather_axis", 0), &t->gather));
    MARU_TRY(onnx_axis(n, n->inputs[0], onnx_attr_int(n, "quantize_axis", 1), &t->quantize));
    if (t->p.bits != 2 && t->p.bits != 4 && t->p.bits != 8)
        return refuse(n, "other than 2, 4 or 8 bits");
    if (data->rank != 2 || scales->rank != 2 || t->gather != 0 || t->quantize != 1)
        return refuse(n, "other axes than rows of a table in blocks");
    if (t->p.block < 16 || !maru_expr_is_const(exprs, scales->dims[0], &t->p.n) ||
        !maru_expr_is_const(exprs, scales->dims[1], &t->p.n_blocks) || scales->dims[0] != data->dims[0])
        return refuse(n, "scales that are not one for each block");
    return MARU_OK;
}

/* Bytes that hold several numbers become a table of these; what is one already stays. */
static maru_status open_table(onnx_node *n, table *t)
{
    const maru_value_record *data = onnx_record(n, n->inputs[0]);
    const maru_constant_source *bytes = NULL;
    int64_t columns = 0;
    t->data = n->inputs[0];
    t->zeros = optional(n, 3);
    if (data->dtype != MARU_U8)
        return MARU_OK;
    t->p.dtype = t->p.bits == 8 ? MARU_U8 : t->p.bits == 4 ? MARU_U4 : MARU_U2;
    if (!maru_expr_is_const(&n->import->graph->exprs, data->dims[1], &columns) || columns > INT32_MAX ||
        t->p.n > INT32_MAX || t->p.n_blocks > INT32_MAX)
        return refuse(n, "a table of unknown size");
    const int64_t dims[] = {t->p.n, columns * (8 / t->p.bits)};
    MARU_TRY(constant_bytes(n, 0, (uint64_t)t->p.n * (uint64_t)columns, &bytes));
    const maru_constant_source same = *bytes;
    MARU_TRY(maru_graph_constant(n->import->graph, data->name, t->p.dtype, dims, 2, &same, &t->data));
    const size_t row_bytes = (size_t)((t->p.n_blocks * t->p.bits + 7) / 8);
    if (onnx_has(n, 3))
        MARU_TRY(constant_bytes(n, 3, (uint64_t)t->p.n * row_bytes, &bytes));
    return add_zeros(n, &t->p, onnx_has(n, 3) ? bytes->data : NULL, row_bytes, &t->zeros);
}

static maru_status gather_block_quantized(onnx_node *n)
{
    table t;
    maru_value rows[3] = {MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE};
    MARU_TRY(need_inputs(n, 3));
    MARU_TRY(read_table(n, &t));
    MARU_TRY(open_table(n, &t));
    MARU_TRY(onnx_op2(n, "Gather", t.data, n->inputs[1], &rows[0]));
    MARU_TRY(onnx_op2(n, "Gather", t.p.scales, n->inputs[1], &rows[1]));
    if (t.zeros)
        MARU_TRY(onnx_op2(n, "Gather", t.zeros, n->inputs[1], &rows[2]));
    const maru_attribute attrs[] = {MARU_ATTR_I("axis", onnx_record(n, rows[0])->rank - 1),
                                    MARU_ATTR_I("block_size", t.p.block)};
    return onnx_add(n, "DequantizeLinear", rows, rows[2] ? 3 : 2, attrs, 2, &n->outputs[0]);
}

/* ---- DynamicQuantizeLSTM ---- */

/* Weights (directions, rows, columns) with a scale per direction or column, turned as LSTM has them. */
static maru_status dequantise_gates(onnx_node *n, size_t index, size_t scale, size_t zero, maru_value *out)
{
    static const int64_t perm[] = {0, 2, 1};
    const maru_attribute turned = MARU_ATTR_IS("perm", perm, 3);
    const maru_value_record *s = onnx_record(n, n->inputs[scale]);
    const maru_dim dims[] = {s->rank ? s->dims[0] : 1, 1, s->rank == 2 ? s->dims[1] : 1};
    maru_value factor = MARU_NO_VALUE, offset = MARU_NO_VALUE;
    if (onnx_record(n, n->inputs[index])->rank != 3 || s->rank > 2)
        return maru_fail(MARU_DATA_LOSS, "com.microsoft.DynamicQuantizeLSTM: input %zu or its scale has a wrong rank",
                         index);
    MARU_TRY(onnx_reshape(n, n->inputs[scale], dims, 3, &factor));
    MARU_TRY(onnx_cast(n, n->inputs[index], MARU_F32, out));
    if (onnx_has(n, zero)) {
        MARU_TRY(onnx_cast(n, n->inputs[zero], MARU_F32, &offset));
        MARU_TRY(onnx_reshape(n, offset, dims, 3, &offset));
        MARU_TRY(onnx_op2(n, "Sub", *out, offset, out));
    }
    MARU_TRY(onnx_op2(n, "Mul", *out, factor, out));
    return onnx_add(n, "Transpose", out, 1, &turned, 1, out);
}

/* x is rounded to 8 bits as it is there; the hidden state is not, which is nearer to what was trained. */
static maru_status dynamic_quantize_lstm(onnx_node *n)
{
    maru_value x[3], w = MARU_NO_VALUE, r = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 3));
    if (!onnx_has(n, 8) || !onnx_has(n, 10))
        return maru_fail(MARU_DATA_LOSS, "com.microsoft.DynamicQuantizeLSTM: a scale is missing");
    MARU_TRY(maru_graph_node(n->import->graph, "DynamicQuantizeLinear", n->inputs, 1, NULL, 0, x, 3));
    MARU_TRY(onnx_op3(n, "DequantizeLinear", x[0], x[1], x[2], &n->inputs[0]));
    MARU_TRY(dequantise_gates(n, 1, 8, 9, &w));
    MARU_TRY(dequantise_gates(n, 2, 10, 11, &r));
    n->inputs[1] = w;
    n->inputs[2] = r;
    n->n_inputs = 8;
    while (!onnx_has(n, n->n_inputs - 1))
        n->n_inputs--;
    n->n_outputs = n->n_outputs ? n->n_outputs : 1;
    return onnx_add_as(n, "LSTM", NULL, NULL, 0);
}

/* ---- between DequantizeLinear and QuantizeLinear ---- */

static maru_status dequantise(onnx_node *n, maru_value x, size_t scale, size_t zero, int64_t axis, maru_value *out)
{
    const maru_value in[3] = {x, n->inputs[scale], optional(n, zero)};
    const maru_attribute attr = MARU_ATTR_I("axis", axis);
    return onnx_add(n, "DequantizeLinear", in, in[2] ? 3 : 2, &attr, 1, out);
}

static maru_status quantise(onnx_node *n, maru_value y, size_t scale, size_t zero)
{
    const maru_value in[3] = {y, n->inputs[scale], optional(n, zero)};
    return onnx_add(n, "QuantizeLinear", in, in[2] ? 3 : 2, NULL, 0, &n->outputs[0]);
}

/* (x, x_scale, x_zero, y_scale, y_zero) */
static maru_status qlinear_average_pool(onnx_node *n)
{
    static const char *const without[] = {"channels_last", NULL};
    maru_value x = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 2));
    if (onnx_attr_int(n, "channels_last", 0) || !onnx_has(n, 3))
        return refuse(n, "channels_last, or without a scale of the output");
    MARU_TRY(dequantise(n, n->inputs[0], 1, 2, 0, &x));
    n->inputs[0] = x;
    const size_t n_inputs = n->n_inputs, n_outputs = n->n_outputs;
    n->n_inputs = n->n_outputs = 1;
    MARU_TRY(onnx_add_as(n, "AveragePool", without, NULL, 0));
    n->n_inputs = n_inputs;
    n->n_outputs = n_outputs;
    return quantise(n, n->outputs[0], 3, 4);
}

/* (condition, x, x_scale, x_zero, y, y_scale, y_zero, z_scale, z_zero) */
static maru_status qlinear_where(onnx_node *n)
{
    maru_value x = MARU_NO_VALUE, y = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 8));
    MARU_TRY(dequantise(n, n->inputs[1], 2, 3, 0, &x));
    MARU_TRY(dequantise(n, n->inputs[4], 5, 6, 0, &y));
    MARU_TRY(onnx_op3(n, "Where", n->inputs[0], x, y, &x));
    return quantise(n, x, 7, 8);
}

static maru_status turn(onnx_node *n, const char *attr, maru_value *x)
{
    static const int64_t perm[] = {1, 0};
    const maru_attribute turned = MARU_ATTR_IS("perm", perm, 2);
    return onnx_attr_int(n, attr, 0) ? onnx_add(n, "Transpose", x, 1, &turned, 1, x) : MARU_OK;
}

/* (a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero): c is of int32, with the scale of the product. */
static maru_status q_gemm(onnx_node *n)
{
    maru_value in[4] = {MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE}, scale = MARU_NO_VALUE;
    MARU_TRY(need_inputs(n, 5));
    in[0] = n->inputs[0];
    in[1] = n->inputs[3];
    in[2] = optional(n, 2);
    in[3] = optional(n, 5);
    MARU_TRY(turn(n, "transA", &in[0]));
    MARU_TRY(turn(n, "transB", &in[1]));
    MARU_TRY(onnx_add(n, "MatMulInteger", in, in[3] ? 4 : in[2] ? 3 : 2, NULL, 0, &in[0]));
    if (onnx_has(n, 6))
        MARU_TRY(onnx_op2(n, "Add", in[0], n->inputs[6], &in[0]));
    MARU_TRY(onnx_cast(n, in[0], MARU_F32, &in[0]));
    MARU_TRY(onnx_op2(n, "Mul", n->inputs[1], n->inputs[4], &scale));
    MARU_TRY(onnx_op_number(n, "Mul", scale, onnx_attr_float(n, "alpha", 1), &scale));
    MARU_TRY(onnx_op2(n, "Mul", in[0], scale, &n->outputs[0]));
    return onnx_has(n, 7) ? quantise(n, n->outputs[0], 7, 8) : MARU_OK;
}

/* ---- ONNX's own ---- */

/* A scale of one element in a vector is for the whole tensor, whatever the axis is. */
static maru_status one_scale(onnx_node *n)
{
    MARU_TRY(need_inputs(n, 2));
    const maru_value_record *scale = onnx_record(n, n->inputs[1]);
    if (scale->rank != 1 || scale->dims[0] != 1 || onnx_attr_int(n, "block_size", 0))
        return onnx_add_newest(n);
    for (size_t i = 1; i < 3 && i < n->n_inputs; i++)
        if (onnx_has(n, i) && onnx_record(n, n->inputs[i])->rank == 1)
            MARU_TRY(onnx_op1(n, "Squeeze", n->inputs[i], &n->inputs[i]));
    return onnx_add_newest(n);
}

#define ROW(op_name, fn) {"com.microsoft", op_name, 1, INT16_MAX, fn}

const onnx_form onnx_forms_quant[] = {
    ROW("MatMulNBits", matmul_n_bits),
    ROW("GatherBlockQuantized", gather_block_quantized),
    ROW("DynamicQuantizeLSTM", dynamic_quantize_lstm),
    ROW("QLinearAveragePool", qlinear_average_pool),
    ROW("QLinearWhere", qlinear_where),
    ROW("QGemm", q_gemm),
    ROW("DequantizeLinear", one_scale),
    ROW("QuantizeLinear", one_scale),
    {"", "DequantizeLinear", 10, INT16_MAX, one_scale},
    {"", "QuantizeLinear", 10, INT16_MAX, one_scale},
    {.op = NULL},
};
