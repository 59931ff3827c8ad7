// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/f8.h"

#include <math.h>

typedef struct f8_format {
    int mantissa_bits;
    int bias;
    uint8_t largest;    // the largest finite magnitude
    uint8_t beyond;     // what is beyond it: infinity, or NaN in a format without
    uint8_t nan;        // none in a format whose largest pattern is a number
    uint8_t sign;
    bool is_fnuz;       // no negative zero: its pattern is the NaN
} f8_format;

static const f8_format e4m3fn = {
    .mantissa_bits = 3, .bias = 7, .largest = 0x7e, .beyond = 0x7f, .nan = 0x7f, .sign = 0x80,
};
static const f8_format e5m2 = {
    .mantissa_bits = 2, .bias = 15, .largest = 0x7b, .beyond = 0x7c, .nan = 0x7f, .sign = 0x80,
};
static const f8_format e2m1 = {.mantissa_bits = 1, .bias = 1, .largest = 7, .beyond = 7, .nan = 8, .sign = 8};
static const f8_format e4m3fnuz = {
    .mantissa_bits = 3, .bias = 8, .largest = 0x7f, .beyond = 0x80, .nan = 0x80, .sign = 0x80, .is_fnuz = true,
};
static const f8_format e5m2fnuz = {
    .mantissa_bits = 2, .bias = 16, .largest = 0x7f, .beyond = 0x80, .nan = 0x80, .sign = 0x80, .is_fnuz = true,
};

static const f8_format *format_of(maru_dtype dtype)
{
    if (dtype == MARU_F8E4M3FN)
        return &e4m3fn;
    if (dtype == MARU_F8E4M3FNUZ)
        return &e4m3fnuz;
    if (dtype == MARU_F4E2M1)
        return &e2m1;
    return dtype == MARU_F8E5M2 ? &e5m2 : &e5m2fnuz;
}

/* The value of a finite pattern without its sign bit. */
static float magnitude_of(const f8_format *format, uint8_t bits)
{
    int exponent = bits >> format->mantissa_bits;
    int mantissa = bits & ((1 << format->mantissa_bits) - 1);
    if (exponent)
        mantissa |= 1 << format->mantissa_bits;
    else
        exponent = 1;
    return ldexpf((float)mantissa, exponent - format->bias - format->mantissa_bits);
}

/* A bare exponent. */
static uint8_t to_e8m0(float value, bool saturate)
{
    int exponent = 0;
    if (isnan(value) || (!saturate && (value == 0 || isinf(value))))
        return 0xff;
    if (isinf(value))
        return 0xfe;
    const float fraction = frexpf(fabsf(value), &exponent);  // in [0.5, 1)
    if (value == 0 || exponent < -126)
        return 0;
    exponent += fraction >= 0.75f ? 127 : 126;
    return (uint8_t)(exponent < 0xff ? exponent : saturate ? 0xfe : 0xff);
}

float maru_f8_to_f32(maru_dtype dtype, uint8_t bits)
{
    if (dtype == MARU_F8E8M0)
        return bits == 0xff ? NAN : ldexpf(1, bits - 127);
    const f8_format *format = format_of(dtype);
    const uint8_t magnitude = bits & (uint8_t)(format->sign - 1);
    const bool is_number = magnitude <= format->largest;
    if (format->is_fnuz ? bits == format->nan : !is_number && magnitude != format->beyond)
        return NAN;
    if (!is_number && magnitude == format->nan)
        return NAN;
    float value = is_number ? magnitude_of(format, magnitude) : INFINITY;
    return bits & format->sign ? -value : value;
}

uint8_t maru_f32_to_f8(maru_dtype dtype, float value, bool saturate)
{
    if (dtype == MARU_F8E8M0)
        return to_e8m0(value, saturate);
    const f8_format *format = format_of(dtype);
    uint8_t sign = signbit(value) ? format->sign : 0;
    if (isnan(value) && dtype == MARU_F4E2M1)
        return format->nan;
    if (isnan(value))
        return format->is_fnuz ? format->nan : sign | format->nan;
    uint8_t beyond = saturate ? format->largest : format->beyond;
    if (isinf(value))
        return format->is_fnuz && !saturate ? format->nan : sign | beyond;

    // Patterns without sign grow with their values: count units in the last place of the value's binade.
    int exponent = 0;
    (void)frexpf(value, &exponent);
    exponent += format->bias - 1;  // the stored exponent
    if (exponent < 1 || value == 0)
        exponent = 1;
    if (exponent > 32)
        return format->is_fnuz && !saturate ? format->nan : sign | beyond;
    float units = rintf(ldexpf(fabsf(value), format->bias + format->mantissa_bits - exponent));
    int pattern = ((exponent - 1) << format->mantissa_bits) + (int)units;
    if (pattern > format->largest)
        return format->is_fnuz && !saturate ? format->nan : sign | beyond;
    if (pattern == 0 && format->is_fnuz)
        return 0;
    return (uint8_t)(sign | pattern);
}
