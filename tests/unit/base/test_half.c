// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/f8.h"
#include "base/half.h"

#include <math.h>

static uint32_t bits_of(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The definition of binary16, slowly. */
static double f16_by_definition(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    int mantissa = bits & 1023;
    double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    if (exponent == 31)
        magnitude = mantissa ? (double)NAN : (double)INFINITY;
    return bits & 0x8000 ? -magnitude : magnitude;
}

static void every_f16_is_what_the_standard_says(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        double expected = f16_by_definition((uint16_t)bits);
        float value = maru_f16_to_f32((uint16_t)bits);
        if (isnan(expected)) {
            assert_true(isnan(value));
            assert_true(bits_of(value) & 0x400000);
            assert_int_equal(maru_f32_to_f16(value), bits | 0x200);
        } else {
            assert_true((double)value == expected);
            assert_int_equal(signbit(value) != 0, bits >> 15);
            assert_int_equal(maru_f32_to_f16(value), bits);
        }
    }
}

/* Around every pair of neighbours: the middle goes to the even one, a hair beside it to the nearer one. */
static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        double low = f16_by_definition((uint16_t)bits);
        double high = bits + 1 == 0x7c00 ? 65536.0 : f16_by_definition((uint16_t)(bits + 1));
        float middle = (float)((low + high) / 2);
        uint16_t even = (uint16_t)(bits + (bits & 1));
        assert_int_equal(maru_f32_to_f16(middle), even);
        assert_int_equal(maru_f32_to_f16(-middle), even | 0x8000);
        assert_int_equal(maru_f32_to_f16(nextafterf(middle, INFINITY)), bits + 1);
        assert_int_equal(maru_f32_to_f16(nextafterf(middle, 0)), bits);
    }
    assert_int_equal(maru_f32_to_f16(INFINITY), 0x7c00);
    assert_int_equal(maru_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(maru_f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(maru_f32_to_f16(float_of(1)), 0);
    assert_int_equal(maru_f32_to_f16(-float_of(1)), 0x8000);
    assert_int_equal(maru_f32_to_f16(float_of(0x7f800001)) & 0x7e00, 0x7e00);
}

static void every_bf16_goes_round(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float value = maru_bf16_to_f32((uint16_t)bits);
        bool is_nan = (bits & 0x7fff) > 0x7f80;
        assert_int_equal(isnan(value) != 0, is_nan);
        assert_int_equal(bits_of(value), bits << 16 | (is_nan ? 0x400000 : 0));
        assert_int_equal(maru_f32_to_bf16(value), is_nan ? bits | 0x40 : bits);
    }
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7f80; bits++) {
        uint32_t middle = bits << 16 | 0x8000;
        assert_int_equal(maru_f32_to_bf16(float_of(middle)), bits + (bits & 1));
        assert_int_equal(maru_f32_to_bf16(float_of(middle + 1)), bits + 1);
        assert_int_equal(maru_f32_to_bf16(float_of(middle - 1)), bits);
        assert_int_equal(maru_f32_to_bf16(float_of(middle | 0x80000000)), (bits + (bits & 1)) | 0x8000);
    }
    // Only the low half of this NaN is set: cutting it off would make an infinity.
    assert_int_equal(maru_f32_to_bf16(float_of(0x7f800001)), 0x7fc0);
}

static const maru_dtype f8_dtypes[] = {MARU_F8E4M3FN, MARU_F8E4M3FNUZ, MARU_F8E5M2, MARU_F8E5M2FNUZ};

static void every_f8_goes_round(void **state)
{
    (void)state;
    const int n_nans[] = {2, 1, 6, 1};
    for (int d = 0; d < 4; d++) {
        int nans = 0;
        for (int bits = 0; bits < 256; bits++) {
            float value = maru_f8_to_f32(f8_dtypes[d], (uint8_t)bits);
            nans += isnan(value) != 0;
            uint8_t back = maru_f32_to_f8(f8_dtypes[d], value, false);
            if (isnan(value))
                assert_true(isnan(maru_f8_to_f32(f8_dtypes[d], back)));
            else
                assert_int_equal(back, bits);
        }
        assert_int_equal(nans, n_nans[d]);
    }
}

/* A power of two, 255 aside: no sign, no zero. */
static void e8m0_is_an_exponent(void **state)
{
    (void)state;
    for (int bits = 0; bits < 255; bits++) {
        const float value = maru_f8_to_f32(MARU_F8E8M0, (uint8_t)bits);
        assert_true(value == ldexpf(1, bits - 127));
        assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, value, true), bits);
    }
    assert_true(isnan(maru_f8_to_f32(MARU_F8E8M0, 255)));
    assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, NAN, true), 255);
    assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, INFINITY, true), 254);
    assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, INFINITY, false), 255);
    assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, 0, true), 0);
    assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, 0, false), 255);
    assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, 1.4f, true), 127);
    assert_int_equal(maru_f32_to_f8(MARU_F8E8M0, 1.5f, true), 128);
}

/* Sixteen patterns, all of them numbers. */
static void e2m1_has_no_infinity(void **state)
{
    (void)state;
    static const float values[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    for (uint8_t bits = 0; bits < 8; bits++) {
        assert_true(maru_f8_to_f32(MARU_F4E2M1, bits) == values[bits]);
        assert_true(maru_f8_to_f32(MARU_F4E2M1, bits | 8) == -values[bits]);
        assert_int_equal(maru_f32_to_f8(MARU_F4E2M1, values[bits], false), bits);
        assert_int_equal(maru_f32_to_f8(MARU_F4E2M1, -values[bits], false), bits | 8);
    }
    assert_int_equal(maru_f32_to_f8(MARU_F4E2M1, 1e30f, false), 7);
    assert_int_equal(maru_f32_to_f8(MARU_F4E2M1, -INFINITY, true), 15);
    assert_int_equal(maru_f32_to_f8(MARU_F4E2M1, NAN, true), 8);
    assert_int_equal(maru_f32_to_f8(MARU_F4E2M1, 2.5f, true), 4);  // ties go to the even pattern
    assert_int_equal(maru_f32_to_f8(MARU_F4E2M1, 0.25f, true), 0);
}

static void f8_has_the_published_limits(void **state)
{
    (void)state;
    const float largest[] = {448, 240, 57344, 57344};
    const float smallest[] = {0x1p-9f, 0x1p-10f, 0x1p-16f, 0x1p-17f};
    const uint8_t largest_bits[] = {0x7e, 0x7f, 0x7b, 0x7f};
    const uint8_t beyond_bits[] = {0x7f, 0x80, 0x7c, 0x80};
    const uint8_t minus_zero[] = {0x80, 0x00, 0x80, 0x00};
    for (int d = 0; d < 4; d++) {
        maru_dtype dtype = f8_dtypes[d];
        assert_true(maru_f8_to_f32(dtype, largest_bits[d]) == largest[d]);
        assert_true(maru_f8_to_f32(dtype, 1) == smallest[d]);
        assert_int_equal(maru_f32_to_f8(dtype, 1e6f, true), largest_bits[d]);
        assert_int_equal(maru_f32_to_f8(dtype, -INFINITY, true), 0x80 | largest_bits[d]);
        assert_int_equal(maru_f32_to_f8(dtype, 1e30f, false), beyond_bits[d]);
        assert_int_equal(maru_f32_to_f8(dtype, INFINITY, false), beyond_bits[d]);
        assert_int_equal(maru_f32_to_f8(dtype, -0.0f, true), minus_zero[d]);
        assert_int_equal(maru_f32_to_f8(dtype, -smallest[d] / 4, true), minus_zero[d]);
    }
}

static void f8_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (int d = 0; d < 4; d++) {
        uint8_t largest = maru_f32_to_f8(f8_dtypes[d], 1e6f, true);
        for (int bits = 0; bits < largest; bits++) {
            float low = maru_f8_to_f32(f8_dtypes[d], (uint8_t)bits);
            float high = maru_f8_to_f32(f8_dtypes[d], (uint8_t)(bits + 1));
            float middle = (low + high) / 2;
            assert_int_equal(maru_f32_to_f8(f8_dtypes[d], middle, false), bits + (bits & 1));
            assert_int_equal(maru_f32_to_f8(f8_dtypes[d], nextafterf(middle, INFINITY), false), bits + 1);
            assert_int_equal(maru_f32_to_f8(f8_dtypes[d], nextafterf(middle, 0), false), bits);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_is_what_the_standard_says),
        cmocka_unit_test(f16_rounds_to_nearest_even),
        cmocka_unit_test(every_bf16_goes_round),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(every_f8_goes_round),
        cmocka_unit_test(e8m0_is_an_exponent),
        cmocka_unit_test(e2m1_has_no_infinity),
        cmocka_unit_test(f8_has_the_published_limits),
        cmocka_unit_test(f8_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
