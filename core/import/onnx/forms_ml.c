// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Operators of ai.onnx.ml on numbers, but for trees: scalers, encoders, linear models. */

#include "import/onnx/ml.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/dtype.h"
#include "base/fail.h"

/* ---- tables ---- */

maru_status onnx_ml_table(onnx_node *n, const double *numbers, const int64_t *dims, uint32_t rank, maru_dtype dtype,
                          maru_value *out)
{
    int64_t count = 0;
    MARU_TRY(maru_dims_count(dims, rank, &count));
    const maru_constant_source source = {.data = numbers, .bytes = (size_t)count * sizeof *numbers};
    MARU_TRY(maru_graph_constant(n->import->graph, "", MARU_F64, dims, rank, &source, out));
    return dtype == MARU_F64 ? MARU_OK : onnx_cast(n, *out, dtype, out);
}

maru_status onnx_ml_integers(onnx_node *n, const int64_t *numbers, int64_t count, maru_value *out)
{
    static const int64_t none[1];
    const maru_constant_source source = {.data = count ? numbers : none, .bytes = (size_t)count * sizeof *numbers};
    return maru_graph_constant(n->import->graph, "", MARU_I64, &count, 1, &source, out);
}

/* A list of floats as a vector; nothing if it is not given. */
static maru_status floats_of(onnx_node *n, const char *name, maru_value *out, int64_t *out_count)
{
    const onnx_attr *a = onnx_attr_find(n, name);
    *out = MARU_NO_VALUE;
    *out_count = a ? (int64_t)a->n_floats : 0;
    if (*out_count == 0)
        return MARU_OK;
    const maru_constant_source source = {.data = a->floats, .bytes = a->n_floats * sizeof *a->floats};
    return maru_graph_constant(n->import->graph, "", MARU_F32, out_count, 1, &source, out);
}

static maru_status need_input(const onnx_node *n)
{
    return onnx_has(n, 0) ? MARU_OK : maru_fail(MARU_DATA_LOSS, "%s: its input is missing", n->op);
}

maru_status onnx_ml_rows(onnx_node *n, maru_dtype dtype, maru_value *out)
{
    MARU_TRY(need_input(n));
    const maru_value_record *v = onnx_record(n, n->inputs[0]);
    if (v->rank != 1 && v->rank != 2)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: the input must have rank 1 or 2, it has %u", n->op, v->rank);
    const bool is_row = v->rank == 1;
    MARU_TRY(onnx_cast(n, n->inputs[0], dtype, out));
    return is_row ? onnx_unsqueeze(n, *out, 0, out) : MARU_OK;
}

/* ---- what becomes of scores ---- */

maru_status onnx_ml_read_transform(const onnx_node *n, onnx_ml_transform *out)
{
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    for (int i = ONNX_ML_NONE; i <= ONNX_ML_PROBIT; i++) {
        *out = (onnx_ml_transform)i;
        if (onnx_attr_is(n, "post_transform", names[i], "NONE"))
            return MARU_OK;
    }
    return maru_fail(MARU_UNSUPPORTED, "%s: its post_transform is not known", n->op);
}

static maru_status along_classes(onnx_node *n, const char *op, maru_value x, maru_value *out)
{
    static const int64_t last = -1;
    maru_value axes = MARU_NO_VALUE;
    MARU_TRY(onnx_ints(n, &last, 1, &axes));
    return onnx_op2(n, op, x, axes, out);
}

/* A score within 1e-7 of 0 is made small but is not one of those that the others are shares of. */
static maru_status softmax_zero(onnx_node *n, maru_value x, maru_value *out)
{
    maru_value largest = MARU_NO_VALUE, e = MARU_NO_VALUE, zero = MARU_NO_VALUE, low = MARU_NO_VALUE;
    maru_value counts = MARU_NO_VALUE, sum = MARU_NO_VALUE;
    MARU_TRY(along_classes(n, "ReduceMax", x, &largest));
    MARU_TRY(onnx_op2(n, "Sub", x, largest, &e));
    MARU_TRY(onnx_op1(n, "Exp", e, &e));
    MARU_TRY(onnx_op1(n, "Abs", x, &counts));
    MARU_TRY(onnx_op_number(n, "Greater", counts, 1e-7f, &counts));
    MARU_TRY(onnx_scalar_like(n, x, 0, &zero));
    MARU_TRY(onnx_op3(n, "Where", counts, e, zero, &sum));
    MARU_TRY(along_classes(n, "ReduceSum", sum, &sum));
    MARU_TRY(onnx_op1(n, "Neg", largest, &low));
    MARU_TRY(onnx_op1(n, "Exp", low, &low));
    MARU_TRY(onnx_op2(n, "Mul", x, low, &low));
    MARU_TRY(onnx_op3(n, "Where", counts, e, low, &e));
    return onnx_op2(n, "Div", e, sum, out);
}

/* With u = 1 - (2p - 1)^2: sign * sqrt(2) * sqrt(sqrt(v^2 - ln(u) / a) - v), v = 2 / (pi a) + ln(u) / 2, a = 0.147. */
static maru_status probit(onnx_node *n, maru_value x, maru_value *out)
{
    const double a = 0.147, pi = 3.14159;
    maru_value sign = MARU_NO_VALUE, u = MARU_NO_VALUE, v = MARU_NO_VALUE, square = MARU_NO_VALUE;
    MARU_TRY(onnx_op_number(n, "Mul", x, 2, &x));
    MARU_TRY(onnx_op_number(n, "Sub", x, 1, &x));
    MARU_TRY(onnx_op1(n, "Sign", x, &sign));
    MARU_TRY(onnx_op2(n, "Mul", x, x, &u));
    MARU_TRY(onnx_op1(n, "Neg", u, &u));
    MARU_TRY(onnx_op_number(n, "Add", u, 1, &u));
    MARU_TRY(onnx_op1(n, "Log", u, &u));
    MARU_TRY(onnx_op_number(n, "Mul", u, 0.5, &v));
    MARU_TRY(onnx_op_number(n, "Add", v, 2 / (pi * a), &v));
    MARU_TRY(onnx_op2(n, "Mul", v, v, &square));
    MARU_TRY(onnx_op_number(n, "Mul", u, 1 / a, &u));
    MARU_TRY(onnx_op2(n, "Sub", square, u, &square));
    MARU_TRY(onnx_op1(n, "Sqrt", square, &square));
    MARU_TRY(onnx_op2(n, "Sub", square, v, &square));
    MARU_TRY(onnx_op1(n, "Sqrt", square, &square));
    MARU_TRY(onnx_op_number(n, "Mul", square, 1.41421356, &square));
    return onnx_op2(n, "Mul", sign, square, out);
}

maru_status onnx_ml_transform_scores(onnx_node *n, onnx_ml_transform transform, maru_value scores, maru_value *out)
{
    *out = scores;
    switch (transform) {
    case ONNX_ML_NONE: return MARU_OK;
    case ONNX_ML_SOFTMAX: return onnx_op1(n, "Softmax", scores, out);
    case ONNX_ML_LOGISTIC: return onnx_op1(n, "Sigmoid", scores, out);
    case ONNX_ML_SOFTMAX_ZERO: return softmax_zero(n, scores, out);
    case ONNX_ML_PROBIT: return probit(n, scores, out);
    }
    return MARU_OK;
}

/* ---- labels ---- */

/* Scores of both classes from the second one's. */
static maru_status spread_score(onnx_node *n, const onnx_ml_classes *c, maru_value *out)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 1);
    maru_value pair[2] = {MARU_NO_VALUE, c->scores};
    MARU_TRY(onnx_op1(n, "Neg", c->scores, &pair[0]));
    if (c->is_share && c->transform != ONNX_ML_LOGISTIC)
        MARU_TRY(onnx_op_number(n, "Add", pair[0], 1, &pair[0]));
    MARU_TRY(onnx_add(n, "Concat", pair, 2, &axis, 1, out));
    return c->transform == ONNX_ML_LOGISTIC ? onnx_op1(n, "Sigmoid", *out, out) : MARU_OK;
}

static maru_status write_scores(onnx_node *n, const onnx_ml_classes *c)
{
    maru_value z = MARU_NO_VALUE;
    if (c->n_scores > 1 || c->transform == ONNX_ML_PROBIT)
        MARU_TRY(onnx_ml_transform_scores(n, c->transform, c->scores, &z));
    else
        MARU_TRY(spread_score(n, c, &z));
    return onnx_cast(n, z, MARU_F32, &n->outputs[1]);
}

maru_status onnx_ml_classify(onnx_node *n, const char *labels, const onnx_ml_classes *c)
{
    size_t count = 0;
    const int64_t *numbers = onnx_attr_ints(n, labels, &count);
    const maru_attribute argmax[] = {MARU_ATTR_I("axis", 1), MARU_ATTR_I("keepdims", 0)};
    maru_value best = c->scores, table = MARU_NO_VALUE, axes = MARU_NO_VALUE;
    MARU_TRY(write_scores(n, c));
    if (!n->wants[0])
        return MARU_OK;
    if (!numbers || (int64_t)count < (c->n_scores > 1 ? c->n_scores : 2))
        return maru_fail(MARU_UNSUPPORTED, "%s: its classes are not numbers, or are too few", n->op);
    if (c->n_scores > 1 && !c->is_second) {
        MARU_TRY(onnx_add(n, "ArgMax", &best, 1, argmax, 2, &best));
    } else {
        MARU_TRY(maru_graph_scalar(n->import->graph, MARU_I64, c->is_second, &axes));
        const maru_value column[] = {best, axes};
        const maru_attribute axis = MARU_ATTR_I("axis", 1);
        MARU_TRY(onnx_add(n, "Gather", column, 2, &axis, 1, &best));
        MARU_TRY(onnx_op_number(n, "Greater", best, c->threshold, &best));
        MARU_TRY(onnx_cast(n, best, MARU_I64, &best));
    }
    MARU_TRY(onnx_ml_integers(n, numbers, (int64_t)count, &table));
    return onnx_op2(n, "Gather", table, best, &n->outputs[0]);
}

/* ---- linear models ---- */

/* x times the rows of `coefficients`, plus `intercepts`: (rows, count). */
static maru_status linear(onnx_node *n, int64_t count, maru_value *out)
{
    const onnx_attr *a = onnx_attr_find(n, "coefficients");
    const maru_attribute turned = MARU_ATTR_I("transB", 1);
    maru_value in[3] = {MARU_NO_VALUE, MARU_NO_VALUE, MARU_NO_VALUE};
    int64_t n_intercepts = 0;
    const int64_t total = a ? (int64_t)a->n_floats : 0;
    if (count < 1 || total < 1 || total % count != 0)
        return maru_fail(MARU_DATA_LOSS, "%s: %lld coefficients are not those of %lld targets", n->op, (long long)total,
                         (long long)count);
    const int64_t dims[] = {count, total / count};
    const maru_constant_source source = {.data = a->floats, .bytes = a->n_floats * sizeof *a->floats};
    MARU_TRY(onnx_ml_rows(n, MARU_F32, &in[0]));
    MARU_TRY(maru_graph_constant(n->import->graph, "", MARU_F32, dims, 2, &source, &in[1]));
    MARU_TRY(floats_of(n, "intercepts", &in[2], &n_intercepts));
    return onnx_add(n, "Gemm", in, in[2] ? 3 : 2, &turned, 1, out);
}

static maru_status linear_regressor(onnx_node *n)
{
    onnx_ml_transform transform;
    maru_value y = MARU_NO_VALUE;
    MARU_TRY(onnx_ml_read_transform(n, &transform));
    MARU_TRY(linear(n, onnx_attr_int(n, "targets", 1), &y));
    return onnx_ml_transform_scores(n, transform, y, &n->outputs[0]);
}

static maru_status linear_classifier(onnx_node *n)
{
    const onnx_attr *intercepts = onnx_attr_find(n, "intercepts");
    onnx_ml_classes c = {.n_scores = intercepts ? (int64_t)intercepts->n_floats : 0, .is_share = true};
    MARU_TRY(onnx_ml_read_transform(n, &c.transform));
    MARU_TRY(linear(n, c.n_scores, &c.scores));
    return onnx_ml_classify(n, "classlabels_ints", &c);
}

/* ---- scalers ---- */

static maru_status binarizer(onnx_node *n)
{
    maru_value y = MARU_NO_VALUE;
    MARU_TRY(need_input(n));
    const maru_dtype dtype = onnx_record(n, n->inputs[0])->dtype;
    MARU_TRY(onnx_op_number(n, "Greater", n->inputs[0], onnx_attr_float(n, "threshold", 0), &y));
    return onnx_cast(n, y, dtype, &n->outputs[0]);
}

static maru_status scaler(onnx_node *n)
{
    int64_t count = 0;
    maru_value offset = MARU_NO_VALUE, scale = MARU_NO_VALUE, y = MARU_NO_VALUE;
    MARU_TRY(need_input(n));
    MARU_TRY(floats_of(n, "offset", &offset, &count));
    MARU_TRY(floats_of(n, "scale", &scale, &count));
    MARU_TRY(onnx_cast(n, n->inputs[0], MARU_F32, &y));
    if (offset)
        MARU_TRY(onnx_op2(n, "Sub", y, offset, &y));
    if (scale)
        MARU_TRY(onnx_op2(n, "Mul", y, scale, &y));
    n->outputs[0] = y;
    return MARU_OK;
}

/* A row whose norm is 0 stays as it is. */
static maru_status normalizer(onnx_node *n)
{
    const bool is_max = onnx_attr_is(n, "norm", "MAX", "MAX");
    const bool is_l1 = onnx_attr_is(n, "norm", "L1", "MAX");
    const int64_t last = -1;
    maru_value x = MARU_NO_VALUE, axes = MARU_NO_VALUE, norm = MARU_NO_VALUE, is_zero = MARU_NO_VALUE;
    maru_value one = MARU_NO_VALUE;
    if (!is_max && !is_l1 && !onnx_attr_is(n, "norm", "L2", "MAX"))
        return maru_fail(MARU_UNSUPPORTED, "Normalizer: its norm is none of MAX, L1 and L2");
    MARU_TRY(need_input(n));
    MARU_TRY(onnx_cast(n, n->inputs[0], MARU_F32, &x));
    MARU_TRY(onnx_ints(n, &last, 1, &axes));
    MARU_TRY(onnx_op2(n, is_max ? "ReduceMax" : is_l1 ? "ReduceL1" : "ReduceL2", x, axes, &norm));
    MARU_TRY(onnx_op_number(n, "Equal", norm, 0, &is_zero));
    MARU_TRY(onnx_scalar_like(n, norm, 1, &one));
    MARU_TRY(onnx_op3(n, "Where", is_zero, one, norm, &norm));
    return onnx_op2(n, "Div", x, norm, &n->outputs[0]);
}

/* What equals the replaced value, which may be NaN, becomes the imputed one of its column. */
static maru_status imputer(onnx_node *n)
{
    size_t n_ints = 0;
    int64_t count = 0;
    const int64_t *ints = onnx_attr_ints(n, "imputed_value_int64s", &n_ints);
    maru_value is_missing = MARU_NO_VALUE, values = MARU_NO_VALUE;
    MARU_TRY(need_input(n));
    const maru_dtype dtype = onnx_record(n, n->inputs[0])->dtype;
    const bool is_float = maru_dtype_get_info(dtype)->kind == MARU_CLASS_FLOAT;
    const double replaced = is_float ? onnx_attr_float(n, "replaced_value_float", 0)
                                     : (double)onnx_attr_int(n, "replaced_value_int64", 0);
    if (is_float)
        MARU_TRY(floats_of(n, "imputed_value_floats", &values, &count));
    else if (ints && n_ints)
        MARU_TRY(onnx_ml_integers(n, ints, (int64_t)n_ints, &values));
    if (!values)
        return maru_fail(MARU_DATA_LOSS, "Imputer: there is no value to put in");
    if (isnan(replaced))
        MARU_TRY(onnx_op1(n, "IsNaN", n->inputs[0], &is_missing));
    else
        MARU_TRY(onnx_op_number(n, "Equal", n->inputs[0], replaced, &is_missing));
    MARU_TRY(onnx_cast(n, values, dtype, &values));
    return onnx_op3(n, "Where", is_missing, values, n->inputs[0], &n->outputs[0]);
}

/* ---- support vectors ---- */

/* |x - s|^2 of every row and vector, from their products. */
static maru_status square_distances(onnx_node *n, maru_value x, maru_value vectors, maru_value products,
                                    maru_value *out)
{
    const int64_t last = -1;
    const maru_attribute flat = MARU_ATTR_I("keepdims", 0);
    maru_value axes = MARU_NO_VALUE, squares[2] = {MARU_NO_VALUE, MARU_NO_VALUE}, rows = MARU_NO_VALUE;
    MARU_TRY(onnx_ints(n, &last, 1, &axes));
    MARU_TRY(onnx_op2(n, "ReduceSumSquare", x, axes, &rows));
    squares[0] = vectors;
    squares[1] = axes;
    MARU_TRY(onnx_add(n, "ReduceSumSquare", squares, 2, &flat, 1, &squares[0]));
    MARU_TRY(onnx_op_number(n, "Mul", products, -2, &products));
    MARU_TRY(onnx_op2(n, "Add", products, rows, &products));
    return onnx_op2(n, "Add", products, squares[0], out);
}

/* The kernel of every row and vector, from their products: (rows, vectors). */
static maru_status apply_kernel(onnx_node *n, maru_value x, maru_value vectors, maru_value *products)
{
    const onnx_attr *params = onnx_attr_find(n, "kernel_params");
    double p[3] = {0, 0, 0};  // gamma, coef0, degree
    for (size_t i = 0; params && i < 3 && i < params->n_floats; i++)
        p[i] = (double)params->floats[i];
    if (onnx_attr_is(n, "kernel_type", "LINEAR", "LINEAR"))
        return MARU_OK;
    if (onnx_attr_is(n, "kernel_type", "RBF", "LINEAR")) {
        MARU_TRY(square_distances(n, x, vectors, *products, products));
        MARU_TRY(onnx_op_number(n, "Mul", *products, -p[0], products));
        return onnx_op1(n, "Exp", *products, products);
    }
    const bool is_poly = onnx_attr_is(n, "kernel_type", "POLY", "LINEAR");
    if (!is_poly && !onnx_attr_is(n, "kernel_type", "SIGMOID", "LINEAR"))
        return maru_fail(MARU_UNSUPPORTED, "%s: its kernel_type is not known", n->op);
    MARU_TRY(onnx_op_number(n, "Mul", *products, p[0], products));
    MARU_TRY(onnx_op_number(n, "Add", *products, p[1], products));
    return is_poly ? onnx_op_number(n, "Pow", *products, p[2], products) : onnx_op1(n, "Tanh", *products, products);
}

/* A number of each row: the kernels, weighted, and rho; without vectors the weights are those of the features. */
static maru_status svm_regressor(onnx_node *n)
{
    const maru_attribute turned = MARU_ATTR_I("transB", 1);
    const onnx_attr *rho = onnx_attr_find(n, "rho");
    const int64_t supports = onnx_attr_int(n, "n_supports", 0);
    maru_value in[2] = {MARU_NO_VALUE, MARU_NO_VALUE}, column[2], flat = MARU_NO_VALUE;
    int64_t count = 0, n_weights = 0;
    onnx_ml_transform transform;
    MARU_TRY(onnx_ml_read_transform(n, &transform));
    MARU_TRY(onnx_ml_rows(n, MARU_F32, &in[0]));
    MARU_TRY(floats_of(n, "coefficients", &column[1], &n_weights));
    MARU_TRY(floats_of(n, "support_vectors", &flat, &count));
    if (n_weights < 1 || supports < 0 || (supports && (n_weights != supports || count < 1 || count % supports)))
        return maru_fail(MARU_DATA_LOSS, "SVMRegressor: %lld weights and %lld numbers are not those of %lld vectors",
                         (long long)n_weights, (long long)count, (long long)supports);
    column[0] = in[0];
    if (supports) {
        MARU_TRY(onnx_reshape(n, flat, (const maru_dim[]){supports, count / supports}, 2, &in[1]));
        MARU_TRY(onnx_add(n, "Gemm", in, 2, &turned, 1, &column[0]));
        MARU_TRY(apply_kernel(n, in[0], in[1], &column[0]));
    }
    MARU_TRY(onnx_reshape(n, column[1], (const maru_dim[]){n_weights, 1}, 2, &column[1]));
    MARU_TRY(onnx_op2(n, "MatMul", column[0], column[1], &flat));
    MARU_TRY(onnx_op_number(n, "Add", flat, rho && rho->n_floats ? (double)rho->floats[0] : 0, &flat));
    if (!onnx_attr_int(n, "one_class", 0))
        return onnx_ml_transform_scores(n, transform, flat, &n->outputs[0]);
    MARU_TRY(onnx_op_number(n, "Greater", flat, 0, &flat));
    MARU_TRY(onnx_cast(n, flat, MARU_F32, &flat));
    MARU_TRY(onnx_op_number(n, "Mul", flat, 2, &flat));
    return onnx_op_number(n, "Sub", flat, 1, &n->outputs[0]);
}

/* ---- encoders ---- */

/* x beside a vector of keys: (..., keys). */
static maru_status match(onnx_node *n, maru_value x, maru_value keys, maru_value *out)
{
    const maru_value_record *v = onnx_record(n, x);
    const bool is_float = maru_dtype_get_info(v->dtype)->kind == MARU_CLASS_FLOAT;
    maru_value both = MARU_NO_VALUE, no_key = MARU_NO_VALUE;
    if (v->rank == MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "%s: the input's rank is %u", n->op, v->rank);
    MARU_TRY(onnx_unsqueeze(n, x, -1, &x));
    MARU_TRY(onnx_op2(n, "Equal", x, keys, out));
    if (!is_float)
        return MARU_OK;
    MARU_TRY(onnx_op1(n, "IsNaN", x, &both));
    MARU_TRY(onnx_op1(n, "IsNaN", keys, &no_key));
    MARU_TRY(onnx_op2(n, "And", both, no_key, &both));
    return onnx_op2(n, "Or", *out, both, out);
}

static maru_status one_hot_encoder(onnx_node *n)
{
    size_t count = 0;
    const int64_t *cats = onnx_attr_ints(n, "cats_int64s", &count);
    maru_value x = MARU_NO_VALUE, keys = MARU_NO_VALUE;
    if (!cats || count == 0)
        return maru_fail(MARU_UNSUPPORTED, "OneHotEncoder: its categories are not numbers");
    MARU_TRY(need_input(n));
    MARU_TRY(onnx_cast(n, n->inputs[0], MARU_I64, &x));
    MARU_TRY(onnx_ml_integers(n, cats, (int64_t)count, &keys));
    MARU_TRY(match(n, x, keys, &x));
    return onnx_cast(n, x, MARU_F32, &n->outputs[0]);
}

/* `prefix` is keys, values or default: one of its attributes as a vector, or as a scalar. */
static maru_status numbers_of(onnx_node *n, const char *prefix, maru_value *out)
{
    char name[3][32];
    const char *const kinds[] = {"int64s", "floats", "tensor"};
    *out = MARU_NO_VALUE;
    for (size_t i = 0; i < 3; i++)
        snprintf(name[i], sizeof name[i], "%s_%s", prefix, kinds[i]);
    const onnx_attr *ints = onnx_attr_find(n, name[0]), *tensor = onnx_attr_find(n, name[2]);
    int64_t count = 0;
    if (tensor && tensor->t)
        return maru_onnx_constant(n->import->file, tensor->t, n->import->graph, out);
    if (ints && ints->n_ints)
        return onnx_ml_integers(n, ints->ints, (int64_t)ints->n_ints, out);
    MARU_TRY(floats_of(n, name[1], out, &count));
    if (*out)
        return MARU_OK;
    return maru_fail(MARU_UNSUPPORTED, "%s: its %s are not numbers", n->op, prefix);
}

static maru_status default_of(onnx_node *n, maru_value values, maru_value *out)
{
    const onnx_attr *tensor = onnx_attr_find(n, "default_tensor");
    const maru_dtype dtype = onnx_record(n, values)->dtype;
    const bool is_float = maru_dtype_get_info(dtype)->kind == MARU_CLASS_FLOAT;
    if (tensor && tensor->t) {
        MARU_TRY(maru_onnx_constant(n->import->file, tensor->t, n->import->graph, out));
        return onnx_cast(n, *out, dtype, out);
    }
    return maru_graph_scalar(n->import->graph, dtype, is_float ? onnx_attr_float(n, "default_float", -0.0)
                                                               : (double)onnx_attr_int(n, "default_int64", -1), out);
}

/* The value of the last key that equals x. */
static maru_status label_encoder(onnx_node *n)
{
    const maru_attribute last[] = {MARU_ATTR_I("axis", -1), MARU_ATTR_I("keepdims", 0),
                                   MARU_ATTR_I("select_last_index", 1)};
    const maru_attribute flat = MARU_ATTR_I("keepdims", 0);
    maru_value keys = MARU_NO_VALUE, values = MARU_NO_VALUE, fallback = MARU_NO_VALUE, at = MARU_NO_VALUE;
    maru_value hit[2] = {MARU_NO_VALUE, MARU_NO_VALUE};
    const int64_t axis = -1;
    MARU_TRY(need_input(n));
    MARU_TRY(numbers_of(n, "keys", &keys));
    MARU_TRY(numbers_of(n, "values", &values));
    MARU_TRY(default_of(n, values, &fallback));
    if (onnx_record(n, keys)->rank != 1 || onnx_record(n, values)->rank != 1 ||
        onnx_record(n, keys)->dims[0] != onnx_record(n, values)->dims[0])
        return maru_fail(MARU_DATA_LOSS, "LabelEncoder: its keys and values are not two vectors of one length");
    MARU_TRY(match(n, n->inputs[0], keys, &hit[0]));
    MARU_TRY(onnx_cast(n, hit[0], MARU_I32, &hit[0]));
    MARU_TRY(onnx_add(n, "ArgMax", hit, 1, last, 3, &at));
    MARU_TRY(onnx_op2(n, "Gather", values, at, &values));
    MARU_TRY(onnx_ints(n, &axis, 1, &hit[1]));
    MARU_TRY(onnx_add(n, "ReduceMax", hit, 2, &flat, 1, &at));
    MARU_TRY(onnx_cast(n, at, MARU_BOOL, &at));
    return onnx_op3(n, "Where", at, values, fallback, &n->outputs[0]);
}

/* ---- features ---- */

/* Of a vector x, the result has one row. */
static maru_status array_feature_extractor(onnx_node *n)
{
    const maru_attribute axis = MARU_ATTR_I("axis", -1);
    maru_value pair[2] = {n->inputs[0], MARU_NO_VALUE};
    maru_dim count = 0;
    if (!onnx_has(n, 0) || !onnx_has(n, 1))
        return maru_fail(MARU_DATA_LOSS, "ArrayFeatureExtractor: it needs two inputs");
    const maru_value_record *y = onnx_record(n, n->inputs[1]);
    MARU_TRY(maru_expr_product(&n->import->graph->exprs, y->dims, y->rank, &count));
    MARU_TRY(onnx_reshape(n, n->inputs[1], &count, 1, &pair[1]));
    MARU_TRY(onnx_add(n, "Gather", pair, 2, &axis, 1, &pair[0]));
    n->outputs[0] = pair[0];
    return onnx_record(n, n->inputs[0])->rank == 1 ? onnx_unsqueeze(n, pair[0], 0, &n->outputs[0]) : MARU_OK;
}

static maru_status feature_vectorizer(onnx_node *n)
{
    const maru_attribute axis = MARU_ATTR_I("axis", 1);
    size_t count = 0;
    const int64_t *sizes = onnx_attr_ints(n, "inputdimensions", &count);
    maru_value parts[ONNX_MAX_OPERANDS];
    if (n->n_inputs == 0 || (sizes && count != n->n_inputs))
        return maru_fail(MARU_DATA_LOSS, "FeatureVectorizer: %zu inputs and %zu dims do not belong together",
                         n->n_inputs, count);
    const size_t n_parts = n->n_inputs;
    for (size_t i = 0; i < n_parts; i++) {
        n->inputs[0] = n->inputs[i];
        MARU_TRY(onnx_ml_rows(n, MARU_F32, &parts[i]));
        if (sizes && onnx_record(n, parts[i])->dims[1] != sizes[i])
            return maru_fail(MARU_UNSUPPORTED, "FeatureVectorizer: input %zu has not %lld features", i,
                             (long long)sizes[i]);
    }
    return onnx_add(n, "Concat", parts, n_parts, &axis, 1, &n->outputs[0]);
}

const onnx_form onnx_forms_ml[] = {
    {"ai.onnx.ml", "ArrayFeatureExtractor", 1, INT16_MAX, array_feature_extractor},
    {"ai.onnx.ml", "Binarizer", 1, INT16_MAX, binarizer},
    {"ai.onnx.ml", "FeatureVectorizer", 1, INT16_MAX, feature_vectorizer},
    {"ai.onnx.ml", "Imputer", 1, INT16_MAX, imputer},
    {"ai.onnx.ml", "LabelEncoder", 2, INT16_MAX, label_encoder},
    {"ai.onnx.ml", "LinearClassifier", 1, INT16_MAX, linear_classifier},
    {"ai.onnx.ml", "LinearRegressor", 1, INT16_MAX, linear_regressor},
    {"ai.onnx.ml", "Normalizer", 1, INT16_MAX, normalizer},
    {"ai.onnx.ml", "OneHotEncoder", 1, INT16_MAX, one_hot_encoder},
    {"ai.onnx.ml", "SVMRegressor", 1, INT16_MAX, svm_regressor},
    {"ai.onnx.ml", "Scaler", 1, INT16_MAX, scaler},
    {.op = NULL},
};
