// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/matmul.h"
#include "ref/quant.h"
#include "ref/window.h"

#include <math.h>

/*
 * Products of 8-bit values. Values, shifted by their zero points, and sums of
 * their products are whole numbers that a double holds; of float8 they are
 * rounded as any sum is.
 */

/* ---- operands ---- */

/* A tensor and what it means: (value - zero) * scale. */
typedef struct quantised {
    const cpu_tensor *values;
    const cpu_tensor *scale;  // NULL: 1
    const cpu_tensor *zero;   // NULL: 0
} quantised;

static const cpu_tensor *input(const cpu_call *c, uint32_t index)
{
    return cpu_has(c, index) ? &c->in[index] : NULL;
}

/* Operand 0, 1 or the result, 2, of a QLinear product: values, scale, zero point in a row. */
static quantised read_quantised(const cpu_call *c, uint32_t operand)
{
    if (operand == 2)
        return (quantised){&c->out[0], &c->in[6], &c->in[7]};
    return (quantised){&c->in[3 * operand], &c->in[3 * operand + 1], &c->in[3 * operand + 2]};
}

static double value_at(const cpu_tensor *t, int64_t index, double otherwise)
{
    return t ? cpu_load(t, index) : otherwise;
}

/* Sums of integers are int32's, which wrap. */
static double accumulated(double sum, int is_float)
{
    return is_float ? sum : (double)(int32_t)(uint32_t)(uint64_t)(int64_t)sum;
}

/* ---- matrices ---- */

typedef struct product {
    quantised a, b;
    cpu_matmul_dims dims;
    int is_float;  // an operand is of float8
} product;

/* What is done with the sum for element `at`, whose scales are elements a and b. */
typedef void (*store_fn)(cpu_call *c, const product *p, int64_t at, double sum, int64_t a, int64_t b);

static double dot(const product *p, int64_t a_at, double a_zero, int64_t b_at, double b_zero)
{
    double sum = 0;
    for (int64_t k = 0; k < p->dims.k; k++)
        sum += (cpu_load(p->a.values, a_at + k) - a_zero) * (cpu_load(p->b.values, b_at + k * p->dims.n) - b_zero);
    return accumulated(sum, p->is_float);
}

static void multiply(cpu_call *c, const product *p, int64_t batch, int64_t row, store_fn store)
{
    const cpu_tensor *y = &c->out[0];
    const cpu_matmul_dims *d = &p->dims;
    const int64_t a_at = cpu_batch_offset(y, d->n_batch, p->a.values, batch) + row * d->k;
    const int64_t b_at = cpu_batch_offset(y, d->n_batch, p->b.values, batch);
    const double a_zero = value_at(p->a.zero, cpu_side_index(y, d->n_batch, p->a.zero, batch, row), 0);
    const int64_t a_scale = cpu_side_index(y, d->n_batch, p->a.scale, batch, row);
    for (int64_t column = 0; column < d->n; column++) {
        const double b_zero = value_at(p->b.zero, cpu_side_index(y, d->n_batch, p->b.zero, batch, column), 0);
        const int64_t b_scale = cpu_side_index(y, d->n_batch, p->b.scale, batch, column);
        store(c, p, (batch * d->m + row) * d->n + column, dot(p, a_at, a_zero, b_at + column, b_zero), a_scale,
              b_scale);
    }
}

static maru_abi_status run_product(cpu_call *c, product *p, store_fn store)
{
    p->dims = cpu_read_matmul_dims(p->a.values, p->b.values, &c->out[0]);
    p->is_float = cpu_is_float(p->a.values->dtype) || cpu_is_float(p->b.values->dtype);
    for (int64_t batch = 0; batch < p->dims.batches; batch++)
        for (int64_t row = 0; row < p->dims.m; row++)
            multiply(c, p, batch, row, store);
    return MARU_ABI_OK;
}

static void store_sum(cpu_call *c, const product *p, int64_t at, double sum, int64_t a, int64_t b)
{
    (void)p;
    (void)a;
    (void)b;
    cpu_store_int(&c->out[0], at, (int64_t)sum);
}

static maru_abi_status ref_matmul_integer(cpu_call *c)
{
    product p = {.a = {&c->in[0], NULL, input(c, 2)}, .b = {&c->in[1], NULL, input(c, 3)}};
    return run_product(c, &p, store_sum);
}

/* The scales in double, rounded once: to the nearest step of y. */
static void store_quantised(cpu_call *c, const product *p, int64_t at, double sum, int64_t a, int64_t b)
{
    const quantised y = read_quantised(c, 2);
    const double real = sum * (cpu_load(p->a.scale, a) * cpu_load(p->b.scale, b));
    cpu_store_quantised(&c->out[0], at, real / cpu_load(y.scale, 0), cpu_load(y.zero, 0));
}

static maru_abi_status ref_qlinear_matmul(cpu_call *c)
{
    product p = {.a = read_quantised(c, 0), .b = read_quantised(c, 1)};
    return run_product(c, &p, store_quantised);
}

/* ---- convolutions: padding is the zero point ---- */

typedef struct conv {
    quantised x, w;
    const cpu_tensor *bias;
    cpu_window window;
    int64_t in_channels;   // per group
    int64_t out_channels;  // per group
    int64_t in_size;       // spatial elements
    int64_t kernel_size;
} conv;

static void read_conv(const cpu_call *c, conv *v)
{
    const cpu_tensor *x = v->x.values;
    const cpu_tensor *w = v->w.values;
    cpu_read_window(&c->attrs, x, &c->out[0], w->dims + 2, &v->window);
    v->in_channels = w->dims[1];
    v->out_channels = w->dims[0] / cpu_attr_int(&c->attrs, "group", 1);
    v->in_size = cpu_box_size(x->dims + 2, v->window.n);
    v->kernel_size = cpu_box_size(w->dims + 2, v->window.n);
}

/* Which element of the weights' scale or zero point serves a channel. */
static int64_t channel_index(const cpu_tensor *t, int64_t channel)
{
    return t && t->count > 1 ? channel : 0;
}

static double conv_at(const conv *v, int64_t image, int64_t channel, const int64_t *o)
{
    const cpu_tensor *x = v->x.values;
    const double x_zero = value_at(v->x.zero, 0, 0);
    const double w_zero = value_at(v->w.zero, channel_index(v->w.zero, channel), 0);
    const int64_t first = channel / v->out_channels * v->in_channels;
    double sum = value_at(v->bias, channel, 0);
    for (int64_t i = 0; i < v->in_channels; i++) {
        const int64_t plane = (image * x->dims[1] + first + i) * v->in_size;
        int64_t weight = (channel * v->in_channels + i) * v->kernel_size;
        int64_t k[CPU_MAX_SPATIAL] = {0};
        do {
            const int64_t at = cpu_window_at(&v->window, x->dims + 2, o, k);
            if (at >= 0)
                sum += (cpu_load(x, plane + at) - x_zero) * (cpu_load(v->w.values, weight) - w_zero);
            weight++;
        } while (cpu_next(k, v->window.kernel, v->window.n));
    }
    return accumulated(sum, 0);
}

static void store_conv(cpu_call *c, const conv *v, int64_t channel, int64_t at, double sum)
{
    if (!v->x.scale) {
        cpu_store_int(&c->out[0], at, (int64_t)sum);
        return;
    }
    const quantised y = read_quantised(c, 2);
    const double scale = cpu_load(v->x.scale, 0) * cpu_load(v->w.scale, channel_index(v->w.scale, channel));
    cpu_store_quantised(&c->out[0], at, sum * scale / cpu_load(y.scale, 0), cpu_load(y.zero, 0));
}

static maru_abi_status run_conv(cpu_call *c, conv *v)
{
    const cpu_tensor *y = &c->out[0];
    read_conv(c, v);
    const int64_t out_size = cpu_box_size(y->dims + 2, v->window.n);
    for (int64_t image = 0; out_size && image < y->dims[0]; image++) {
        for (int64_t channel = 0; channel < y->dims[1]; channel++) {
            int64_t o[CPU_MAX_SPATIAL] = {0};
            int64_t at = (image * y->dims[1] + channel) * out_size;
            do
                store_conv(c, v, channel, at++, conv_at(v, image, channel, o));
            while (cpu_next(o, y->dims + 2, v->window.n));
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status ref_conv_integer(cpu_call *c)
{
    conv v = {.x = {&c->in[0], NULL, input(c, 2)}, .w = {&c->in[1], NULL, input(c, 3)}};
    return run_conv(c, &v);
}

static maru_abi_status ref_qlinear_conv(cpu_call *c)
{
    conv v = {.x = read_quantised(c, 0), .w = read_quantised(c, 1), .bias = input(c, 8)};
    return run_conv(c, &v);
}

/* ---- DynamicQuantizeLinear ---- */

/* The definition is a formula in f32, so each step rounds to it. A range without length gives scale 0. */
static maru_abi_status ref_dynamic_quantize(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    float low = 0;
    float high = 0;
    for (int64_t i = 0; i < x->count; i++) {
        const float value = (float)cpu_load(x, i);
        low = value < low || isnan(value) ? value : low;
        high = value > high || isnan(value) ? value : high;
    }
    const float range = high - low;
    const float scale = range / 255;
    const float shift = 0 - low / scale;
    const float zero = isnan(shift) ? 0 : nearbyintf(shift < 0 ? 0 : shift > 255 ? 255 : shift);
    for (int64_t i = 0; c->out[0].dtype && i < x->count; i++)
        cpu_store_quantised(&c->out[0], i, (double)((float)cpu_load(x, i) / scale), (double)zero);
    if (c->out[1].dtype)
        cpu_store(&c->out[1], 0, (double)scale);
    if (c->out[2].dtype)
        cpu_store_int(&c->out[2], 0, (int64_t)zero);
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_integer[] = {
    {"MatMulInteger", "", 10, ref_matmul_integer, "iu iu iu iu", 0},
    {"ConvInteger", "", 10, ref_conv_integer, "iu iu iu iu", 0},
    {"QLinearMatMul", "", 21, ref_qlinear_matmul, "iuf f iuf iuf f iuf f iuf", 0},
    {"QLinearConv", "", 10, ref_qlinear_conv, "iu f iu iu f iu f iu i", 0},
    {"DynamicQuantizeLinear", "", 11, ref_dynamic_quantize, "f", 0},
    {0},
};
