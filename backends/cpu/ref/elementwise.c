// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Elementwise ops of one input, and the table of all elementwise ones. */

#include "ref/elementwise.h"

#include <math.h>
#include <string.h>

typedef double (*unary_fn)(double);

static maru_abi_status unary(cpu_call *c, unary_fn fn)
{
    for (int64_t i = 0; i < c->out[0].count; i++)
        cpu_store(&c->out[0], i, fn(cpu_load(&c->in[0], i)));
    return MARU_ABI_OK;
}

static double reciprocal(double x)
{
    return 1 / x;
}

#define UNARY(name, fn)                          \
    static maru_abi_status name(cpu_call *c)     \
    {                                            \
        return unary(c, fn);                     \
    }

UNARY(op_exp, exp)
UNARY(op_log, log)
UNARY(op_sqrt, sqrt)
UNARY(op_reciprocal, reciprocal)
UNARY(op_floor, floor)
UNARY(op_ceil, ceil)
UNARY(op_round, rint) /* halves to even */
UNARY(op_sin, sin)
UNARY(op_cos, cos)
UNARY(op_tan, tan)
UNARY(op_asin, asin)
UNARY(op_acos, acos)
UNARY(op_atan, atan)
UNARY(op_sinh, sinh)
UNARY(op_cosh, cosh)
UNARY(op_tanh, tanh)
UNARY(op_asinh, asinh)
UNARY(op_acosh, acosh)
UNARY(op_atanh, atanh)
UNARY(op_erf, erf)

/* Integers wrap, as the smallest of them does under Abs and Neg. */
static maru_abi_status op_abs(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t x = cpu_is_float(in->dtype) ? 0 : cpu_load_int(in, i);
        if (cpu_is_float(in->dtype))
            cpu_store(&c->out[0], i, fabs(cpu_load(in, i)));
        else
            cpu_store_int(&c->out[0], i, x < 0 && cpu_is_signed(in->dtype) ? (int64_t)(0 - (uint64_t)x) : x);
    }
    return MARU_ABI_OK;
}

static maru_abi_status op_neg(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    for (int64_t i = 0; i < c->out[0].count; i++) {
        if (cpu_is_float(in->dtype))
            cpu_store(&c->out[0], i, -cpu_load(in, i));
        else
            cpu_store_int(&c->out[0], i, (int64_t)(0 - (uint64_t)cpu_load_int(in, i)));
    }
    return MARU_ABI_OK;
}

/* NaN stays NaN. */
static maru_abi_status op_sign(cpu_call *c)
{
    for (int64_t i = 0; i < c->out[0].count; i++) {
        double x = cpu_load(&c->in[0], i);
        cpu_store(&c->out[0], i, isnan(x) ? x : (x > 0) - (x < 0));
    }
    return MARU_ABI_OK;
}

static maru_abi_status op_not(cpu_call *c)
{
    for (int64_t i = 0; i < c->out[0].count; i++)
        cpu_store_int(&c->out[0], i, !cpu_load_int(&c->in[0], i));
    return MARU_ABI_OK;
}

static maru_abi_status op_bitwise_not(cpu_call *c)
{
    for (int64_t i = 0; i < c->out[0].count; i++)
        cpu_store_int(&c->out[0], i, ~cpu_load_int(&c->in[0], i));
    return MARU_ABI_OK;
}

static maru_abi_status op_is_nan(cpu_call *c)
{
    for (int64_t i = 0; i < c->out[0].count; i++)
        cpu_store_int(&c->out[0], i, isnan(cpu_load(&c->in[0], i)) != 0);
    return MARU_ABI_OK;
}

static maru_abi_status op_is_inf(cpu_call *c)
{
    int negative = cpu_attr_int(&c->attrs, "detect_negative", 1) != 0;
    int positive = cpu_attr_int(&c->attrs, "detect_positive", 1) != 0;
    for (int64_t i = 0; i < c->out[0].count; i++) {
        double x = cpu_load(&c->in[0], i);
        cpu_store_int(&c->out[0], i, isinf(x) && (x < 0 ? negative : positive));
    }
    return MARU_ABI_OK;
}

static maru_abi_status op_identity(cpu_call *c)
{
    cpu_copy_elements(&c->out[0], 0, &c->in[0], 0, c->out[0].count);
    return MARU_ABI_OK;
}

/* ---- broadcasting -------------------------------------------------------------------- */

void cpu_broadcast_init(cpu_broadcast *b, const cpu_tensor *in, const cpu_tensor *out)
{
    int64_t stride = 1;
    memset(b->stride, 0, sizeof b->stride);
    b->out = out;
    for (uint32_t back = 1; back <= in->rank && back <= out->rank; back++) {
        int64_t dim = in->dims[in->rank - back];
        b->stride[out->rank - back] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

int64_t cpu_broadcast_at(const cpu_broadcast *b, int64_t index)
{
    int64_t at = 0;
    for (uint32_t d = b->out->rank; d-- > 0;) {
        at += index % b->out->dims[d] * b->stride[d];
        index /= b->out->dims[d];
    }
    return at;
}

/* ---- table ------------------------------------------------------------------------------ */

#define ROW(name, since, fn, dtypes) {name, "", since, fn, dtypes, CPU_IN_PLACE}

const cpu_ref_op cpu_ref_elementwise[] = {
    ROW("Abs", 13, op_abs, "fiu"),
    ROW("Neg", 13, op_neg, "fi"),
    ROW("Sign", 13, op_sign, "fiu"),
    ROW("Exp", 13, op_exp, "f"),
    ROW("Log", 13, op_log, "f"),
    ROW("Sqrt", 13, op_sqrt, "f"),
    ROW("Reciprocal", 13, op_reciprocal, "f"),
    ROW("Floor", 13, op_floor, "f"),
    ROW("Ceil", 13, op_ceil, "f"),
    ROW("Round", 22, op_round, "f"),
    ROW("Sin", 22, op_sin, "f"),
    ROW("Cos", 22, op_cos, "f"),
    ROW("Tan", 22, op_tan, "f"),
    ROW("Asin", 22, op_asin, "f"),
    ROW("Acos", 22, op_acos, "f"),
    ROW("Atan", 22, op_atan, "f"),
    ROW("Sinh", 22, op_sinh, "f"),
    ROW("Cosh", 22, op_cosh, "f"),
    ROW("Tanh", 13, op_tanh, "f"),
    ROW("Asinh", 22, op_asinh, "f"),
    ROW("Acosh", 22, op_acosh, "f"),
    ROW("Atanh", 22, op_atanh, "f"),
    ROW("Erf", 13, op_erf, "fiu"),
    ROW("Not", 1, op_not, "b"),
    ROW("BitwiseNot", 18, op_bitwise_not, "iu"),
    ROW("IsNaN", 20, op_is_nan, "f"),
    ROW("IsInf", 20, op_is_inf, "f"),
    ROW("Identity", 25, op_identity, "*"),
    ROW("Cast", 28, cpu_ref_cast, "*"),
    ROW("CastLike", 25, cpu_ref_cast, "*"),
    ROW("Add", 14, cpu_ref_add, "fiu"),
    ROW("Sub", 14, cpu_ref_sub, "fiu"),
    ROW("Mul", 14, cpu_ref_mul, "fiu"),
    ROW("Div", 14, cpu_ref_div, "fiu"),
    ROW("Mod", 28, cpu_ref_mod, "fiu"),
    ROW("Pow", 15, cpu_ref_pow, "fiu"),
    ROW("Min", 13, cpu_ref_min, "fiu"),
    ROW("Max", 13, cpu_ref_max, "fiu"),
    ROW("And", 7, cpu_ref_logical, "b"),
    ROW("Or", 7, cpu_ref_logical, "b"),
    ROW("Xor", 7, cpu_ref_logical, "b"),
    ROW("BitwiseAnd", 18, cpu_ref_bitwise, "iu"),
    ROW("BitwiseOr", 18, cpu_ref_bitwise, "iu"),
    ROW("BitwiseXor", 18, cpu_ref_bitwise, "iu"),
    ROW("BitShift", 28, cpu_ref_bit_shift, "iu"),
    ROW("Equal", 19, cpu_ref_compare, "fiub"),
    ROW("Less", 13, cpu_ref_compare, "fiu"),
    ROW("LessOrEqual", 16, cpu_ref_compare, "fiu"),
    ROW("Greater", 13, cpu_ref_compare, "fiu"),
    ROW("GreaterOrEqual", 16, cpu_ref_compare, "fiu"),
    ROW("Where", 16, cpu_ref_where, "b *"),
    ROW("Sum", 13, cpu_ref_sum, "f"),
    ROW("Mean", 13, cpu_ref_mean, "f"),
    {.name = NULL},
};
