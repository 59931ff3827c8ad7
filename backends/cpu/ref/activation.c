// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Activations, each one formula of the element and at most two numbers. */

#include "ref/elementwise.h"

#include <math.h>
#include <string.h>

typedef double (*activation_fn)(double x, double a, double b);

static maru_abi_status activate(cpu_call *c, activation_fn fn, double a, double b)
{
    for (int64_t i = 0; i < c->out[0].count; i++)
        cpu_store(&c->out[0], i, fn(cpu_load(&c->in[0], i), a, b));
    return MARU_ABI_OK;
}

static double number(const cpu_call *c, const char *name, double fallback)
{
    return cpu_attr_float(&c->attrs, name, fallback);
}

/* An op without numbers: `NAME(op) { of x }`. */
#define FORMULA(name, expression)                          \
    static double name(double x, double a, double b)       \
    {                                                      \
        (void)a;                                           \
        (void)b;                                           \
        return expression;                                 \
    }

static double sigmoid_of(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double softplus_of(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double clamp01(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

FORMULA(sigmoid, sigmoid_of(x))
FORMULA(hard_sigmoid, clamp01(a * x + b))
FORMULA(hard_swish, x * clamp01(x / 6 + 0.5))
FORMULA(swish, x * sigmoid_of(a * x))
FORMULA(leaky_relu, x < 0 ? a * x : x)
FORMULA(elu, x < 0 ? a * expm1(x) : x)
FORMULA(selu, x > 0 ? b * x : b * a * expm1(x))
FORMULA(celu, x > 0 ? x : isnan(x) ? x : fmin(0, a * expm1(x / a)))
FORMULA(softplus, softplus_of(x))
FORMULA(softsign, x / (1 + fabs(x)))
FORMULA(mish, x * tanh(softplus_of(x)))
FORMULA(thresholded_relu, isnan(x) || x > a ? x : 0)
FORMULA(gelu, 0.5 * x * (1 + erf(x * 0.70710678118654752440)))
FORMULA(gelu_tanh, 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))))

/* Integers too; NaN stays. */
static maru_abi_status op_relu(cpu_call *c)
{
    for (int64_t i = 0; i < c->out[0].count; i++) {
        if (cpu_is_float(c->out[0].dtype)) {
            double x = cpu_load(&c->in[0], i);
            cpu_store(&c->out[0], i, x < 0 ? 0 : x);
        } else {
            int64_t x = cpu_load_int(&c->in[0], i);
            cpu_store_int(&c->out[0], i, x < 0 && cpu_is_signed(c->out[0].dtype) ? 0 : x);
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status op_sigmoid(cpu_call *c)
{
    return activate(c, sigmoid, 0, 0);
}

static maru_abi_status op_hard_sigmoid(cpu_call *c)
{
    return activate(c, hard_sigmoid, number(c, "alpha", 0.2), number(c, "beta", 0.5));
}

static maru_abi_status op_hard_swish(cpu_call *c)
{
    return activate(c, hard_swish, 0, 0);
}

static maru_abi_status op_swish(cpu_call *c)
{
    return activate(c, swish, number(c, "alpha", 1), 0);
}

static maru_abi_status op_leaky_relu(cpu_call *c)
{
    return activate(c, leaky_relu, number(c, "alpha", 0.01), 0);
}

static maru_abi_status op_elu(cpu_call *c)
{
    return activate(c, elu, number(c, "alpha", 1), 0);
}

static maru_abi_status op_selu(cpu_call *c)
{
    return activate(c, selu, number(c, "alpha", 1.67326319217681884765625),
                    number(c, "gamma", 1.05070102214813232421875));
}

static maru_abi_status op_celu(cpu_call *c)
{
    return activate(c, celu, number(c, "alpha", 1), 0);
}

static maru_abi_status op_softplus(cpu_call *c)
{
    return activate(c, softplus, 0, 0);
}

static maru_abi_status op_softsign(cpu_call *c)
{
    return activate(c, softsign, 0, 0);
}

static maru_abi_status op_mish(cpu_call *c)
{
    return activate(c, mish, 0, 0);
}

static maru_abi_status op_thresholded_relu(cpu_call *c)
{
    return activate(c, thresholded_relu, number(c, "alpha", 1), 0);
}

static maru_abi_status op_gelu(cpu_call *c)
{
    int is_tanh = strcmp(cpu_attr_string(&c->attrs, "approximate", "none"), "tanh") == 0;
    return activate(c, is_tanh ? gelu_tanh : gelu, 0, 0);
}

/* ---- of several inputs ------------------------------------------------------------------ */

static maru_abi_status op_prelu(cpu_call *c)
{
    cpu_broadcast slope;
    cpu_broadcast_init(&slope, &c->in[1], &c->out[0]);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t at = cpu_broadcast_at(&slope, i);
        if (cpu_is_float(c->out[0].dtype)) {
            double x = cpu_load(&c->in[0], i);
            cpu_store(&c->out[0], i, x < 0 ? x * cpu_load(&c->in[1], at) : x);
        } else {
            int64_t x = cpu_load_int(&c->in[0], i);
            int is_negative = x < 0 && cpu_is_signed(c->out[0].dtype);
            uint64_t scaled = (uint64_t)x * (uint64_t)cpu_load_int(&c->in[1], at);
            cpu_store_int(&c->out[0], i, is_negative ? (int64_t)scaled : x);
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status op_swiglu(cpu_call *c)
{
    double alpha = number(c, "alpha", 1);
    for (int64_t i = 0; i < c->out[0].count; i++)
        cpu_store(&c->out[0], i, swish(cpu_load(&c->in[0], i), alpha, 0) * cpu_load(&c->in[1], i));
    return MARU_ABI_OK;
}

/* A bound that is absent or empty does not bound. The upper one is applied last. */
static maru_abi_status op_clip(cpu_call *c)
{
    int has_low = cpu_has(c, 1) && c->in[1].count > 0;
    int has_high = cpu_has(c, 2) && c->in[2].count > 0;
    int is_u64 = c->out[0].dtype == MARU_ABI_U64;
    double low = has_low ? cpu_load(&c->in[1], 0) : -INFINITY;
    double high = has_high ? cpu_load(&c->in[2], 0) : INFINITY;
    int64_t low_int = has_low ? cpu_load_int(&c->in[1], 0) : is_u64 ? 0 : INT64_MIN;
    int64_t high_int = has_high ? cpu_load_int(&c->in[2], 0) : is_u64 ? -1 : INT64_MAX;
    for (int64_t i = 0; i < c->out[0].count; i++) {
        if (cpu_is_float(c->out[0].dtype)) {
            double x = cpu_load(&c->in[0], i);
            x = x < low ? low : x;
            cpu_store(&c->out[0], i, x > high ? high : x);
            continue;
        }
        int64_t x = cpu_load_int(&c->in[0], i);
        int is_below = is_u64 ? (uint64_t)x < (uint64_t)low_int : x < low_int;
        x = is_below ? low_int : x;
        int is_above = is_u64 ? (uint64_t)x > (uint64_t)high_int : x > high_int;
        cpu_store_int(&c->out[0], i, is_above ? high_int : x);
    }
    return MARU_ABI_OK;
}

#define ROW(name, since, fn, dtypes) {name, "", since, fn, dtypes, CPU_IN_PLACE}

const cpu_ref_op cpu_ref_activation[] = {
    ROW("Relu", 14, op_relu, "fiu"),
    ROW("Sigmoid", 13, op_sigmoid, "f"),
    ROW("HardSigmoid", 22, op_hard_sigmoid, "f"),
    ROW("HardSwish", 22, op_hard_swish, "f"),
    ROW("Swish", 24, op_swish, "f"),
    ROW("SwiGLU", 28, op_swiglu, "f"),
    ROW("Gelu", 20, op_gelu, "f"),
    ROW("LeakyRelu", 16, op_leaky_relu, "f"),
    ROW("PRelu", 16, op_prelu, "fiu"),
    ROW("Elu", 22, op_elu, "f"),
    ROW("Selu", 22, op_selu, "f"),
    ROW("Celu", 28, op_celu, "f"),
    ROW("Softplus", 22, op_softplus, "f"),
    ROW("Softsign", 22, op_softsign, "f"),
    ROW("Mish", 22, op_mish, "f"),
    ROW("ThresholdedRelu", 22, op_thresholded_relu, "f"),
    ROW("Clip", 13, op_clip, "fiu"),
    {.name = NULL},
};
