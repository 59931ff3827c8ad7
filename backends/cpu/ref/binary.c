// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Elementwise ops of several inputs. Floats are computed in double and rounded once, integers wrap. */

#include "ref/elementwise.h"

#include <math.h>
#include <string.h>

/* Both inputs of an op of two, broadcast against the output. */
typedef struct pair {
    const cpu_tensor *a;
    const cpu_tensor *b;
    cpu_broadcast at_a;
    cpu_broadcast at_b;
} pair;

static pair pair_of(const cpu_call *c, uint32_t first)
{
    pair p = {.a = &c->in[first], .b = &c->in[first + 1]};
    cpu_broadcast_init(&p.at_a, p.a, &c->out[0]);
    cpu_broadcast_init(&p.at_b, p.b, &c->out[0]);
    return p;
}

typedef double (*float_fn)(double, double);
typedef int64_t (*int_fn)(int64_t, int64_t, uint32_t dtype);

static maru_abi_status binary(cpu_call *c, float_fn on_floats, int_fn on_ints)
{
    pair p = pair_of(c, 0);
    int is_float = cpu_is_float(c->out[0].dtype);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t a = cpu_broadcast_at(&p.at_a, i);
        int64_t b = cpu_broadcast_at(&p.at_b, i);
        if (is_float)
            cpu_store(&c->out[0], i, on_floats(cpu_load(p.a, a), cpu_load(p.b, b)));
        else
            cpu_store_int(&c->out[0], i, on_ints(cpu_load_int(p.a, a), cpu_load_int(p.b, b), c->out[0].dtype));
    }
    return MARU_ABI_OK;
}

/* ---- arithmetic --------------------------------------------------------------------- */

static double add(double a, double b)
{
    return a + b;
}

static double sub(double a, double b)
{
    return a - b;
}

static double mul(double a, double b)
{
    return a * b;
}

static double divide(double a, double b)
{
    return a / b;
}

static int64_t add_int(int64_t a, int64_t b, uint32_t dtype)
{
    (void)dtype;
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t sub_int(int64_t a, int64_t b, uint32_t dtype)
{
    (void)dtype;
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t mul_int(int64_t a, int64_t b, uint32_t dtype)
{
    (void)dtype;
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* Towards zero. b is not 0; the one quotient that does not fit wraps. */
static int64_t div_int(int64_t a, int64_t b, uint32_t dtype)
{
    if (dtype == MARU_ABI_U64)
        return (int64_t)((uint64_t)a / (uint64_t)b);
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t fmod_int(int64_t a, int64_t b, uint32_t dtype)
{
    if (dtype == MARU_ABI_U64)
        return (int64_t)((uint64_t)a % (uint64_t)b);
    return b == -1 ? 0 : a % b;
}

/* The sign of the divisor, as floor division leaves it. */
static int64_t mod_int(int64_t a, int64_t b, uint32_t dtype)
{
    int64_t r = fmod_int(a, b, dtype);
    return dtype != MARU_ABI_U64 && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static double mod(double a, double b)
{
    double r = fmod(a, b);
    if (r == 0)
        return copysign(0, b);
    return (r < 0) != (b < 0) ? r + b : r;
}

maru_abi_status cpu_ref_add(cpu_call *c)
{
    return binary(c, add, add_int);
}

maru_abi_status cpu_ref_sub(cpu_call *c)
{
    return binary(c, sub, sub_int);
}

maru_abi_status cpu_ref_mul(cpu_call *c)
{
    return binary(c, mul, mul_int);
}

static maru_abi_status check_divisor(cpu_call *c)
{
    const cpu_tensor *b = &c->in[1];
    if (cpu_is_float(b->dtype) || c->out[0].count == 0)
        return MARU_ABI_OK;
    for (int64_t i = 0; i < b->count; i++) {
        if (cpu_load_int(b, i) == 0)
            return cpu_bad_value(c, "element %lld of the integer divisor is 0", (long long)i);
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_div(cpu_call *c)
{
    maru_abi_status status = check_divisor(c);
    return status == MARU_ABI_OK ? binary(c, divide, div_int) : status;
}

maru_abi_status cpu_ref_mod(cpu_call *c)
{
    maru_abi_status status = check_divisor(c);
    if (status != MARU_ABI_OK)
        return status;
    return cpu_attr_int(&c->attrs, "fmod", 0) ? binary(c, fmod, fmod_int) : binary(c, mod, mod_int);
}

/* By squares, wrapping. */
static int64_t power_int(int64_t base, int64_t exponent)
{
    uint64_t result = 1;
    uint64_t square = (uint64_t)base;
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    for (; exponent; exponent /= 2, square *= square)
        result *= exponent % 2 ? square : 1;
    return (int64_t)result;
}

/* The exponent has a dtype of its own; the result has the base's. */
maru_abi_status cpu_ref_pow(cpu_call *c)
{
    pair p = pair_of(c, 0);
    int is_exact = !cpu_is_float(p.a->dtype) && !cpu_is_float(p.b->dtype);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t a = cpu_broadcast_at(&p.at_a, i);
        int64_t b = cpu_broadcast_at(&p.at_b, i);
        if (is_exact)
            cpu_store_int(&c->out[0], i, power_int(cpu_load_int(p.a, a), cpu_load_int(p.b, b)));
        else if (cpu_is_float(p.a->dtype))
            cpu_store(&c->out[0], i, pow(cpu_load(p.a, a), cpu_load(p.b, b)));
        else
            cpu_store_int(&c->out[0], i, cpu_truncate(pow(cpu_load(p.a, a), cpu_load(p.b, b))));
    }
    return MARU_ABI_OK;
}

/* ---- any number of inputs ---------------------------------------------------------------- */

/* NaN wins, as in numpy. */
static double larger(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static double smaller(double a, double b)
{
    return isnan(a) || a < b ? a : b;
}

static int64_t max_int(int64_t a, int64_t b, uint32_t dtype)
{
    if (dtype == MARU_ABI_U64)
        return (uint64_t)a > (uint64_t)b ? a : b;
    return a > b ? a : b;
}

static int64_t min_int(int64_t a, int64_t b, uint32_t dtype)
{
    return max_int(a, b, dtype) == a ? b : a;
}

static maru_abi_status variadic(cpu_call *c, float_fn on_floats, int_fn on_ints, double divisor)
{
    cpu_tensor *out = &c->out[0];
    for (int64_t i = 0; i < out->count; i++) {
        double number = 0;
        int64_t integer = 0;
        for (uint32_t k = 0; k < c->n_in; k++) {
            cpu_broadcast b;
            cpu_broadcast_init(&b, &c->in[k], out);
            int64_t at = cpu_broadcast_at(&b, i);
            if (!on_ints || cpu_is_float(out->dtype))
                number = k ? on_floats(number, cpu_load(&c->in[k], at)) : cpu_load(&c->in[k], at);
            else
                integer = k ? on_ints(integer, cpu_load_int(&c->in[k], at), out->dtype) : cpu_load_int(&c->in[k], at);
        }
        if (!on_ints || cpu_is_float(out->dtype))
            cpu_store(out, i, number / divisor);
        else
            cpu_store_int(out, i, integer);
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_min(cpu_call *c)
{
    return variadic(c, smaller, min_int, 1);
}

maru_abi_status cpu_ref_max(cpu_call *c)
{
    return variadic(c, larger, max_int, 1);
}

maru_abi_status cpu_ref_sum(cpu_call *c)
{
    return variadic(c, add, NULL, 1);
}

maru_abi_status cpu_ref_mean(cpu_call *c)
{
    return variadic(c, add, NULL, c->n_in);
}

/* ---- bits and truth ----------------------------------------------------------------------- */

maru_abi_status cpu_ref_bitwise(cpu_call *c)
{
    pair p = pair_of(c, 0);
    const char kind = c->attrs.node->op[7]; // BitwiseAnd, BitwiseOr, BitwiseXor
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t a = cpu_load_int(p.a, cpu_broadcast_at(&p.at_a, i));
        int64_t b = cpu_load_int(p.b, cpu_broadcast_at(&p.at_b, i));
        cpu_store_int(&c->out[0], i, kind == 'A' ? a & b : kind == 'O' ? a | b : a ^ b);
    }
    return MARU_ABI_OK;
}

/* A distance outside of the width leaves what sign extension alone produces. */
static int64_t shift(int64_t a, int64_t distance, int is_left, int bits, int is_signed)
{
    int is_outside = distance < 0 || distance >= bits;
    if (is_left)
        return is_outside ? 0 : (int64_t)((uint64_t)a << distance);
    if (!is_signed)
        return is_outside ? 0 : (int64_t)((uint64_t)a >> distance);
    if (is_outside)
        return a < 0 ? -1 : 0;
    return a < 0 ? ~(~a >> distance) : a >> distance;
}

maru_abi_status cpu_ref_bit_shift(cpu_call *c)
{
    pair p = pair_of(c, 0);
    int is_left = strcmp(cpu_attr_string(&c->attrs, "direction", "LEFT"), "LEFT") == 0;
    int is_signed = cpu_is_signed(p.a->dtype);
    const int bits = cpu_element_bits(p.a->dtype);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t a = cpu_load_int(p.a, cpu_broadcast_at(&p.at_a, i));
        int64_t b = cpu_load_int(p.b, cpu_broadcast_at(&p.at_b, i));
        cpu_store_int(&c->out[0], i, shift(a, b, is_left, bits, is_signed));
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_logical(cpu_call *c)
{
    pair p = pair_of(c, 0);
    const char kind = c->attrs.node->op[0]; // And, Or, Xor
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t a = cpu_load_int(p.a, cpu_broadcast_at(&p.at_a, i));
        int64_t b = cpu_load_int(p.b, cpu_broadcast_at(&p.at_b, i));
        cpu_store_int(&c->out[0], i, kind == 'A' ? a & b : kind == 'O' ? a | b : a ^ b);
    }
    return MARU_ABI_OK;
}

/* -1, 0, 1, or 2 where there is no order. */
static int order(const pair *p, int64_t a, int64_t b)
{
    if (cpu_is_float(p->a->dtype)) {
        double x = cpu_load(p->a, a);
        double y = cpu_load(p->b, b);
        return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
    }
    int64_t x = cpu_load_int(p->a, a);
    int64_t y = cpu_load_int(p->b, b);
    if (p->a->dtype == MARU_ABI_U64)
        return ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y);
    return (x > y) - (x < y);
}

maru_abi_status cpu_ref_compare(cpu_call *c)
{
    pair p = pair_of(c, 0);
    const char *op = c->attrs.node->op;
    int want = op[0] == 'L' ? -1 : op[0] == 'G' ? 1 : 0;
    int or_equal = strstr(op, "Equal") != NULL;
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int is = order(&p, cpu_broadcast_at(&p.at_a, i), cpu_broadcast_at(&p.at_b, i));
        cpu_store_int(&c->out[0], i, is == want || (or_equal && is == 0));
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_where(cpu_call *c)
{
    pair p = pair_of(c, 1);
    cpu_broadcast at;
    cpu_broadcast_init(&at, &c->in[0], &c->out[0]);
    for (int64_t i = 0; i < c->out[0].count; i++) {
        if (cpu_load_int(&c->in[0], cpu_broadcast_at(&at, i)))
            cpu_copy_element(&c->out[0], i, p.a, cpu_broadcast_at(&p.at_a, i));
        else
            cpu_copy_element(&c->out[0], i, p.b, cpu_broadcast_at(&p.at_b, i));
    }
    return MARU_ABI_OK;
}
