// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Models of the QDQ form write a product of bytes as DequantizeLinear of both
 * operands (and the bias), a product of f32, and QuantizeLinear. Devices are
 * made for the product of integers that it stands for, whose sum is exact.
 */

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "plan/fuse.h"

/* A value of bytes with what it stands for. */
typedef struct steps {
    maru_value bytes, scale, zero;  // zero: MARU_NO_VALUE is 0
    int64_t axis;
} steps;

static const maru_value_record *record_of(const maru_fuser *f, maru_value value)
{
    return maru_graph_get(f->graph, value);
}

static bool is_byte(maru_dtype dtype)
{
    return dtype == MARU_U8 || dtype == MARU_I8;
}

static bool has_one(const maru_fuser *f, maru_value value)
{
    const maru_value_record *v = record_of(f, value);
    return v->rank == 0 || (v->rank == 1 && v->dims[0] == 1);
}

static bool is_f32(const maru_fuser *f, maru_value value)
{
    return record_of(f, value)->dtype == MARU_F32;
}

/* The steps that a DequantizeLinear reads. */
static bool read_steps(const maru_fuser *f, maru_value value, steps *out)
{
    const maru_node_record *n = maru_fuser_made_by(f, value, MARU_OP_DEQUANTIZE_LINEAR);
    if (!n || maru_node_int(n, "block_size", 0) || !is_f32(f, n->inputs[1]) || !is_f32(f, value))
        return false;
    *out = (steps){.bytes = n->inputs[0], .scale = n->inputs[1], .axis = maru_node_int(n, "axis", 1)};
    out->zero = n->n_inputs > 2 ? n->inputs[2] : MARU_NO_VALUE;
    out->axis += out->axis < 0 ? record_of(f, out->bytes)->rank : 0;
    return true;
}

/* Bytes with one scale, or one for each index of an axis. */
static bool read_bytes(const maru_fuser *f, maru_value value, int64_t axis, steps *out)
{
    return read_steps(f, value, out) && is_byte(record_of(f, out->bytes)->dtype) &&
           (has_one(f, out->scale) || (axis >= 0 && out->axis == axis));
}

/* The end of it: QuantizeLinear to bytes as a whole. */
static bool ends_in_bytes(const maru_fuser *f, const maru_node_record *n)
{
    return n->op->id == MARU_OP_QUANTIZE_LINEAR && is_byte(record_of(f, n->outputs[0])->dtype) &&
           is_f32(f, n->inputs[0]) && is_f32(f, n->inputs[1]) && has_one(f, n->inputs[1]) &&
           !maru_node_int(n, "block_size", 0);
}

/* Each number of the bias is counted in steps of both scales, so that it is part of the sum. */
static bool has_scales_of_product(const maru_fuser *f, const steps *x, const steps *w, const steps *bias)
{
    const void *of_x = maru_graph_constant_data(f->graph, x->scale);
    const void *of_w = maru_graph_constant_data(f->graph, w->scale);
    const void *of_bias = maru_graph_constant_data(f->graph, bias->scale);
    int64_t n_w = 0;
    int64_t n_bias = 0;
    const maru_value_record *vw = record_of(f, w->scale);
    const maru_value_record *vb = record_of(f, bias->scale);
    if (!of_x || !of_w || !of_bias || maru_dims_count(vw->dims, vw->rank, &n_w) != MARU_OK ||
        maru_dims_count(vb->dims, vb->rank, &n_bias) != MARU_OK || (n_bias != n_w && n_bias != 1 && n_w != 1))
        return false;
    for (int64_t i = 0; i < n_w || i < n_bias; i++) {
        const double w_scale = maru_dtype_load_f64(MARU_F32, of_w, n_w == 1 ? 0 : i);
        const double want = maru_dtype_load_f64(MARU_F32, of_x, 0) * w_scale;
        const double got = maru_dtype_load_f64(MARU_F32, of_bias, n_bias == 1 ? 0 : i);
        if (fabs(got - want) > 1e-6 * fabs(want))
            return false;
    }
    return true;
}

static bool is_all_zero(const maru_fuser *f, maru_value value)
{
    int64_t n = 0;
    const maru_value_record *v = record_of(f, value);
    const void *data = maru_graph_constant_data(f->graph, value);
    if (!value)
        return true;
    if (!data || maru_dims_count(v->dims, v->rank, &n) != MARU_OK)
        return false;
    for (int64_t i = 0; i < n; i++)
        if (maru_dtype_load_i64(v->dtype, data, i))
            return false;
    return true;
}

static bool read_bias(const maru_fuser *f, const maru_node_record *product, const steps *x, const steps *w,
                      maru_value *out)
{
    steps bias;
    *out = MARU_NO_VALUE;
    if (product->n_inputs < 3 || !product->inputs[2])
        return true;
    if (!read_steps(f, product->inputs[2], &bias) || record_of(f, bias.bytes)->dtype != MARU_I32 ||
        !is_all_zero(f, bias.zero) || !has_scales_of_product(f, x, w, &bias))
        return false;
    *out = bias.bytes;
    return true;
}

/* Relu ends where the bytes do: what is below 0 saturates to it. */
static maru_value before_relu(const maru_fuser *f, const maru_node_record *end)
{
    const maru_node_record *relu = maru_fuser_only_by(f, end->inputs[0], MARU_OP_RELU);
    const maru_value zero = end->n_inputs > 2 ? end->inputs[2] : MARU_NO_VALUE;
    const void *data = zero ? maru_graph_constant_data(f->graph, zero) : NULL;
    const int64_t lowest = record_of(f, end->outputs[0])->dtype == MARU_I8 ? -128 : 0;
    const int64_t at = data ? maru_dtype_load_i64(record_of(f, zero)->dtype, data, 0) : 0;
    return relu && at == lowest && (data || !zero) ? relu->inputs[0] : end->inputs[0];
}

/*
 * A few rows by a matrix that a cache holds are sooner multiplied as f32, of
 * weights that were dequantised once: 1 x 640 by 640 x 128 takes 2.1 us as
 * against 2.9. Beyond, it is the bytes of the matrix that take the time.
 */
static bool is_worth_it(const maru_fuser *f, const maru_node_record *product)
{
    enum { FEW_ROWS = 8, HELD_WEIGHTS = 1 << 20 };
    int64_t rows = 0;
    int64_t weights = 0;
    const maru_value_record *y = record_of(f, product->outputs[0]);
    const maru_value_record *w = record_of(f, product->inputs[1]);
    if (record_of(f, product->inputs[0])->rank < 2 || y->rank < 2 || w->rank != 2)
        return true;
    for (uint32_t d = 0; d < y->rank; d++)
        if (y->dims[d] < 0)
            return true;
    if (maru_dims_count(y->dims, y->rank - 1, &rows) != MARU_OK ||
        maru_dims_count(w->dims, w->rank, &weights) != MARU_OK) {
        maru_error_clear();
        return true;
    }
    return rows >= FEW_ROWS || weights > HELD_WEIGHTS;
}

/* ---- writing ---- */

static maru_status put_zero(maru_fuser *f, maru_value zero, maru_dtype dtype, maru_value *out)
{
    return zero ? maru_rebuild_value(&f->rebuild, zero, out) : maru_graph_scalar(f->rebuild.to, dtype, 0, out);
}

static maru_status put_steps(maru_fuser *f, const steps *s, maru_value out[3])
{
    MARU_TRY(maru_rebuild_value(&f->rebuild, s->bytes, &out[0]));
    MARU_TRY(maru_rebuild_value(&f->rebuild, s->scale, &out[1]));
    return put_zero(f, s->zero, record_of(f, s->bytes)->dtype, &out[2]);
}

static maru_status put_product(maru_fuser *f, const char *op, const steps *x, const steps *w, maru_value bias,
                               const maru_node_record *product, const maru_node_record *end)
{
    maru_value in[9] = {MARU_NO_VALUE};
    MARU_TRY(put_steps(f, x, &in[0]));
    MARU_TRY(put_steps(f, w, &in[3]));
    MARU_TRY(maru_rebuild_value(&f->rebuild, end->inputs[1], &in[6]));
    MARU_TRY(put_zero(f, end->n_inputs > 2 ? end->inputs[2] : MARU_NO_VALUE, record_of(f, end->outputs[0])->dtype,
                      &in[7]));
    MARU_TRY(maru_rebuild_value(&f->rebuild, bias, &in[8]));
    return maru_graph_op(f->rebuild.to, op, in, bias ? 9 : 8, product->attrs, product->n_attrs,
                         &f->rebuild.map[end->outputs[0]]);
}

static maru_status try_conv(maru_fuser *f, const maru_node_record *conv, const maru_node_record *end, bool *done)
{
    steps x, w;
    maru_value bias = MARU_NO_VALUE;
    if (!read_bytes(f, conv->inputs[0], -1, &x) || !read_bytes(f, conv->inputs[1], 0, &w) ||
        !read_bias(f, conv, &x, &w, &bias))
        return MARU_OK;
    *done = true;
    return put_product(f, "QLinearConv", &x, &w, bias, conv, end);
}

/* Columns of the right operand may have scales of their own where it is a matrix. */
static maru_status try_matmul(maru_fuser *f, const maru_node_record *product, const maru_node_record *end, bool *done)
{
    steps a, b;
    const uint32_t rank = record_of(f, product->inputs[1])->rank;
    if (!read_bytes(f, product->inputs[0], -1, &a) || !read_bytes(f, product->inputs[1], rank == 2 ? 1 : -1, &b))
        return MARU_OK;
    *done = true;
    return put_product(f, "QLinearMatMul", &a, &b, MARU_NO_VALUE, product, end);
}

/* ---- Gemm: the sum in int32, then the scales and the bias, then bytes ---- */

static maru_status put_sum(maru_fuser *f, const maru_node_record *gemm, const steps *x, const steps *w,
                           maru_value *out)
{
    static const int64_t swap[] = {1, 0};
    const maru_attribute perm = MARU_ATTR_IS("perm", swap, 2);
    maru_graph *to = f->rebuild.to;
    maru_value left[3], right[3], turned = MARU_NO_VALUE;
    MARU_TRY(put_steps(f, x, left));
    MARU_TRY(put_steps(f, w, right));
    if (maru_node_int(gemm, "transB", 0)) {
        MARU_TRY(maru_graph_op(to, "Transpose", right, 1, &perm, 1, &turned));
        right[0] = turned;
    }
    const maru_value in[4] = {left[0], right[0], left[2], right[2]};
    return maru_graph_op(to, "MatMulInteger", in, 4, NULL, 0, out);
}

/* The sum times both scales, and the bias, which may be any of f32. */
static maru_status put_scaled(maru_fuser *f, const maru_node_record *gemm, const steps *x, const steps *w,
                              maru_value *out)
{
    const maru_attribute cast = MARU_ATTR_I("to", MARU_F32);
    maru_graph *to = f->rebuild.to;
    maru_value sum, scales[2], product[2], pair[2];
    MARU_TRY(put_sum(f, gemm, x, w, &sum));
    MARU_TRY(maru_graph_op(to, "Cast", &sum, 1, &cast, 1, &product[0]));
    MARU_TRY(maru_rebuild_value(&f->rebuild, x->scale, &scales[0]));
    MARU_TRY(maru_rebuild_value(&f->rebuild, w->scale, &scales[1]));
    MARU_TRY(maru_graph_op(to, "Mul", scales, 2, NULL, 0, &product[1]));
    MARU_TRY(maru_graph_op(to, "Mul", product, 2, NULL, 0, &pair[0]));
    *out = pair[0];
    if (gemm->n_inputs < 3 || !gemm->inputs[2])
        return MARU_OK;
    MARU_TRY(maru_rebuild_value(&f->rebuild, gemm->inputs[2], &pair[1]));
    return maru_graph_op(to, "Add", pair, 2, NULL, 0, out);
}

static maru_status try_gemm(maru_fuser *f, const maru_node_record *gemm, const maru_node_record *end, bool *done)
{
    steps x, w;
    maru_value last[3];
    const int64_t axis = maru_node_int(gemm, "transB", 0) ? 0 : 1;
    if (maru_node_int(gemm, "transA", 0) || maru_node_float(gemm, "alpha", 1) != 1 ||
        maru_node_float(gemm, "beta", 1) != 1 || !read_bytes(f, gemm->inputs[0], -1, &x) ||
        !read_bytes(f, gemm->inputs[1], axis, &w))
        return MARU_OK;
    *done = true;
    MARU_TRY(put_scaled(f, gemm, &x, &w, &last[0]));
    MARU_TRY(maru_rebuild_value(&f->rebuild, end->inputs[1], &last[1]));
    MARU_TRY(put_zero(f, end->n_inputs > 2 ? end->inputs[2] : MARU_NO_VALUE, record_of(f, end->outputs[0])->dtype,
                      &last[2]));
    return maru_graph_op(f->rebuild.to, "QuantizeLinear", last, 3, NULL, 0, &f->rebuild.map[end->outputs[0]]);
}

maru_status maru_fuse_quant(maru_fuser *f, const maru_node_record *node, bool *done)
{
    if (!ends_in_bytes(f, node))
        return MARU_OK;
    const maru_value y = before_relu(f, node);
    const maru_node_record *conv = maru_fuser_only_by(f, y, MARU_OP_CONV);
    const maru_node_record *matmul = maru_fuser_only_by(f, y, MARU_OP_MATMUL);
    const maru_node_record *gemm = maru_fuser_only_by(f, y, MARU_OP_GEMM);
    if (conv)
        return try_conv(f, conv, node, done);
    if (matmul && is_worth_it(f, matmul))
        return try_matmul(f, matmul, node, done);
    return gemm && is_worth_it(f, gemm) ? try_gemm(f, gemm, node, done) : MARU_OK;
}
