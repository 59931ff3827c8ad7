// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/quant.h"

#include "ref/element.h"

#include <math.h>

/* Index of the scale (or zero point) that serves flat index `at` of x: per tensor, per axis, or per block of it. */
static int64_t scale_index(const cpu_call *c, int64_t at)
{
    const cpu_tensor *x = &c->in[0];
    const cpu_tensor *scale = &c->in[1];
    const int64_t block = cpu_attr_int(&c->attrs, "block_size", 0);
    int64_t axis = cpu_attr_int(&c->attrs, "axis", 1);
    axis = axis < 0 ? axis + x->rank : axis;
    if (scale->count == 1 && block == 0)
        return 0;
    int64_t index = 0;
    int64_t stride = 1;
    for (uint32_t d = x->rank; d-- > 0;) {
        const int64_t position = at % x->dims[d];
        at /= x->dims[d];
        if (block == 0 && d == (uint32_t)axis)
            return position;
        if (block > 0) {
            index += (d == (uint32_t)axis ? position / block : position) * stride;
            stride *= scale->dims[d];
        }
    }
    return index;
}

static maru_abi_status ref_dequantize(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    const int is_float = cpu_is_float(x->dtype);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t s = scale_index(c, i);
        double value = is_float ? cpu_load(x, i) : (double)cpu_load_int(x, i);
        if (cpu_has(c, 2))
            value -= is_float ? cpu_load(&c->in[2], s) : (double)cpu_load_int(&c->in[2], s);
        cpu_store(&c->out[0], i, value * cpu_load(&c->in[1], s));
    }
    return MARU_ABI_OK;
}

static void integer_range(uint32_t dtype, double *low, double *high)
{
    const int bits = cpu_element_bits(dtype);
    *low = cpu_is_signed(dtype) ? -ldexp(1, bits - 1) : 0;
    *high = cpu_is_signed(dtype) ? ldexp(1, bits - 1) - 1 : ldexp(1, bits) - 1;
}

void cpu_store_quantised(cpu_tensor *y, int64_t index, double quotient, double zero)
{
    double low = 0;
    double high = 0;
    if (cpu_is_float(y->dtype)) {
        cpu_store(y, index, quotient);
        return;
    }
    integer_range(y->dtype, &low, &high);
    double value = nearbyint(quotient) + zero;
    value = value < low ? low : value > high ? high : value;
    cpu_store_int(y, index, isnan(value) ? 0 : (int64_t)value);
}

/* The quotient is rounded to f32 first, as the specification's `precision` says, then to the nearest even integer. */
static maru_abi_status ref_quantize(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    cpu_tensor *y = &c->out[0];
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t s = scale_index(c, i);
        const double input = cpu_is_float(x->dtype) ? cpu_load(x, i) : (double)cpu_load_int(x, i);
        const double quotient = (double)(float)(input / cpu_load(&c->in[1], s));
        const int is_shifted = cpu_has(c, 2) && !cpu_is_float(y->dtype);
        cpu_store_quantised(y, i, quotient, is_shifted ? (double)cpu_load_int(&c->in[2], s) : 0);
    }
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_quant[] = {
    {.name = "QuantizeLinear", .domain = "", .since_version = 28, .fn = ref_quantize, .dtypes = "fi f fiu"},
    {.name = "DequantizeLinear", .domain = "", .since_version = 28, .fn = ref_dequantize, .dtypes = "fiu f fiu"},
    {0},
};
