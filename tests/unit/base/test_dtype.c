// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/dtype.h"

#include <math.h>

static void names_go_round(void **state)
{
    (void)state;
    int known = 0;
    for (int id = -3; id < 200; id++) {
        const maru_dtype_info *info = maru_dtype_get_info((maru_dtype)id);
        if (!info) {
            assert_string_equal(maru_dtype_name((maru_dtype)id), "?");
            continue;
        }
        known++;
        assert_int_equal(info->id, id);
        assert_int_equal(maru_dtype_from_name(info->name), id);
        assert_true(info->block_elements > 0);
    }
    assert_int_equal(known, 35);
    assert_int_equal(maru_dtype_from_name("f33"), MARU_DTYPE_NONE);
    assert_int_equal(maru_dtype_from_name(""), MARU_DTYPE_NONE);
    assert_null(maru_dtype_get_info(MARU_DTYPE_NONE));
}

static void knows_the_sizes_of_blocks(void **state)
{
    (void)state;
    const struct {
        maru_dtype dtype;
        uint32_t elements;
        uint32_t bytes;
    } rows[] = {
        {MARU_Q4_0, 32, 18},  {MARU_Q4_1, 32, 20},  {MARU_Q5_0, 32, 22},   {MARU_Q5_1, 32, 24},
        {MARU_Q8_0, 32, 34},  {MARU_Q2_K, 256, 84}, {MARU_Q3_K, 256, 110}, {MARU_Q4_K, 256, 144},
        {MARU_Q5_K, 256, 176}, {MARU_Q6_K, 256, 210}, {MARU_MXFP4, 32, 17},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const maru_dtype_info *info = maru_dtype_get_info(rows[i].dtype);
        assert_int_equal(info->block_elements, rows[i].elements);
        assert_int_equal(info->block_bytes, rows[i].bytes);
        assert_int_equal(info->kind, MARU_CLASS_BLOCK);
        const int64_t dims[] = {3, 512};
        size_t bytes = 0;
        assert_ok(maru_dtype_tensor_bytes(rows[i].dtype, dims, 2, &bytes));
        assert_int_equal(bytes, 3 * (512 / rows[i].elements) * rows[i].bytes);
    }
}

static void counts_the_bytes_of_tensors(void **state)
{
    (void)state;
    size_t bytes = 0;
    const int64_t dims[] = {2, 3, 5};
    assert_ok(maru_dtype_tensor_bytes(MARU_F32, dims, 3, &bytes));
    assert_int_equal(bytes, 120);
    assert_ok(maru_dtype_tensor_bytes(MARU_BOOL, NULL, 0, &bytes));
    assert_int_equal(bytes, 1);
    assert_ok(maru_dtype_tensor_bytes(MARU_I4, dims + 1, 2, &bytes));
    assert_int_equal(bytes, 8);
    const int64_t empty[] = {INT64_MAX, INT64_MAX, 0};
    assert_ok(maru_dtype_tensor_bytes(MARU_F64, empty, 3, &bytes));
    assert_int_equal(bytes, 0);
}

static void refuses_impossible_sizes(void **state)
{
    (void)state;
    size_t bytes = 42;
    const int64_t negative[] = {2, -3};
    const int64_t large[] = {INT64_MAX, 2};
    const int64_t odd[] = {4, 33};
    assert_fails(maru_dtype_tensor_bytes(MARU_F32, negative, 2, &bytes), MARU_INVALID_ARGUMENT, "-3");
    assert_fails(maru_dtype_tensor_bytes(MARU_U8, large, 2, &bytes), MARU_INVALID_ARGUMENT, "overflow");
    assert_fails(maru_dtype_tensor_bytes(MARU_F64, large, 1, &bytes), MARU_INVALID_ARGUMENT, "overflow");
    assert_fails(maru_dtype_tensor_bytes(MARU_Q4_0, odd, 2, &bytes), MARU_INVALID_ARGUMENT, "33");
    assert_fails(maru_dtype_tensor_bytes(MARU_Q4_0, NULL, 0, &bytes), MARU_INVALID_ARGUMENT, "q4_0");
    assert_fails(maru_dtype_tensor_bytes((maru_dtype)500, odd, 2, &bytes), MARU_INVALID_ARGUMENT, "500");
    assert_fails(maru_dtype_tensor_bytes(MARU_STRING, odd, 2, &bytes), MARU_INVALID_ARGUMENT, "string");
    assert_int_equal(bytes, 42);
}

static const maru_dtype plain[] = {
    MARU_F32, MARU_F64, MARU_F16, MARU_BF16, MARU_F8E4M3FN, MARU_F8E4M3FNUZ, MARU_F8E5M2, MARU_F8E5M2FNUZ,
    MARU_U8,  MARU_I8,  MARU_U16, MARU_I16,  MARU_U32,      MARU_I32,        MARU_U64,    MARU_I64,
    MARU_U4,  MARU_I4,
};

/* Element by element, and no neighbour is touched, at an odd address. */
static void stores_and_loads_every_dtype(void **state)
{
    (void)state;
    for (size_t d = 0; d < sizeof plain / sizeof *plain; d++) {
        char memory[9 * 8 + 1] = {0};
        void *data = memory + 1;
        for (int64_t i = 0; i < 8; i++)
            maru_dtype_store_f64(plain[d], data, i, (double)i);
        for (int64_t i = 0; i < 8; i++) {
            assert_true(maru_dtype_load_f64(plain[d], data, i) == (double)i);
            assert_int_equal(maru_dtype_load_i64(plain[d], data, i), i);
        }
        maru_dtype_store_i64(plain[d], data, 3, 1);
        assert_int_equal(maru_dtype_load_i64(plain[d], data, 2), 2);
        assert_int_equal(maru_dtype_load_i64(plain[d], data, 3), 1);
        assert_int_equal(maru_dtype_load_i64(plain[d], data, 4), 4);
        assert_int_equal(memory[0], 0);
        maru_dtype_class kind = maru_dtype_get_info(plain[d])->kind;
        if (kind != MARU_CLASS_UINT) {
            maru_dtype_store_f64(plain[d], data, 5, -6.0);
            assert_true(maru_dtype_load_f64(plain[d], data, 5) == -6.0);
            assert_int_equal(maru_dtype_load_i64(plain[d], data, 5), -6);
        }
    }
}

/* Elements that share a byte: each keeps its own value beside all others. */
static void narrow_neighbours_keep_apart(void **state)
{
    (void)state;
    static const struct {
        maru_dtype dtype;
        double values[4];
    } cases[] = {
        {MARU_U2, {3, 0, 2, 1}},
        {MARU_I2, {-2, 1, -1, 0}},
        {MARU_F4E2M1, {-6, 0.5, 4, -1.5}},
        {MARU_I4, {-8, 7, -1, 3}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        unsigned char memory[8];
        memset(memory, 0xa5, sizeof memory);
        for (int64_t i = 0; i < 8; i++)
            maru_dtype_store_f64(cases[c].dtype, memory, i, cases[c].values[i % 4]);
        for (int64_t i = 7; i >= 0; i--)
            maru_dtype_store_f64(cases[c].dtype, memory, i, cases[c].values[(i + 1) % 4]);
        for (int64_t i = 0; i < 8; i++)
            assert_true(maru_dtype_load_f64(cases[c].dtype, memory, i) == cases[c].values[(i + 1) % 4]);
        assert_int_equal(memory[7], 0xa5);
    }
    size_t bytes = 0;
    const int64_t nine[] = {9};
    assert_ok(maru_dtype_tensor_bytes(MARU_U2, nine, 1, &bytes));
    assert_int_equal(bytes, 3);
    assert_ok(maru_dtype_tensor_bytes(MARU_F4E2M1, nine, 1, &bytes));
    assert_int_equal(bytes, 5);
}

static double through(maru_dtype dtype, double value)
{
    uint64_t memory = 0;
    maru_dtype_store_f64(dtype, &memory, 0, value);
    return maru_dtype_load_f64(dtype, &memory, 0);
}

static void doubles_saturate_in_integers(void **state)
{
    (void)state;
    assert_true(through(MARU_I8, 300) == 127);
    assert_true(through(MARU_I8, -300) == -128);
    assert_true(through(MARU_I4, 100) == 7);
    assert_true(through(MARU_I4, -100) == -8);
    assert_true(through(MARU_U4, 100) == 15);
    assert_true(through(MARU_U8, -5) == 0);
    assert_true(through(MARU_U8, 256) == 255);
    assert_true(through(MARU_I32, 2.9) == 2);
    assert_true(through(MARU_I32, -2.9) == -2);
    assert_true(through(MARU_I32, NAN) == 0);
    assert_true(through(MARU_U32, NAN) == 0);
    assert_true(through(MARU_I64, INFINITY) == 0x1p63);
    assert_true(through(MARU_I64, -INFINITY) == -0x1p63);
    assert_true(through(MARU_U64, 1e30) == 0x1p64);
    assert_true(through(MARU_BOOL, 0.25) == 1);
    assert_true(through(MARU_BOOL, 0) == 0);
}

static void doubles_are_rounded_once(void **state)
{
    (void)state;
    // Just above the middle of 1 and its f16 neighbour; in f32 it is the middle itself, which would go to 1.
    assert_true(through(MARU_F16, 1 + 0x1p-11 + 0x1p-40) == 1 + 0x1p-10);
    assert_true(through(MARU_F16, 1 + 0x1p-11 - 0x1p-40) == 1);
    assert_true(through(MARU_F16, -(1 + 0x1p-11 + 0x1p-40)) == -(1 + 0x1p-10));
    assert_true(through(MARU_BF16, 1 + 0x1p-8 + 0x1p-40) == 1 + 0x1p-7);
    assert_true(through(MARU_F8E4M3FN, 1 + 0x1p-4 + 0x1p-40) == 1.125);
    assert_true(through(MARU_F16, 1e300) == (double)INFINITY);
    assert_true(through(MARU_F16, 1e-300) == 0);
    assert_true(isnan(through(MARU_F16, NAN)));
    assert_true(through(MARU_F8E4M3FN, 1e300) == 448);
    // The integer in the middle of two floats and one more: through a double it would be the middle.
    float f = 0;
    maru_dtype_store_i64(MARU_F32, &f, 0, (INT64_C(1) << 62) + (INT64_C(1) << 38) + 1);
    assert_true(f == 0x1p62f + 0x1p39f);
}

static void integers_wrap_in_integers(void **state)
{
    (void)state;
    uint8_t u8[2] = {0};
    maru_dtype_store_i64(MARU_U8, u8, 1, 257);
    assert_int_equal(u8[1], 1);
    maru_dtype_store_i64(MARU_I8, u8, 0, 200);
    assert_int_equal(maru_dtype_load_i64(MARU_I8, u8, 0), -56);
    uint64_t u64 = UINT64_MAX;
    assert_int_equal(maru_dtype_load_i64(MARU_U64, &u64, 0), -1);
    assert_true(maru_dtype_load_f64(MARU_U64, &u64, 0) == 0x1p64);
    maru_dtype_store_i64(MARU_BOOL, u8, 0, 256);
    assert_int_equal(u8[0], 1);
    u8[0] = 77;
    assert_int_equal(maru_dtype_load_i64(MARU_BOOL, u8, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_round),
        cmocka_unit_test(knows_the_sizes_of_blocks),
        cmocka_unit_test(counts_the_bytes_of_tensors),
        cmocka_unit_test(refuses_impossible_sizes),
        cmocka_unit_test(stores_and_loads_every_dtype),
        cmocka_unit_test(narrow_neighbours_keep_apart),
        cmocka_unit_test(doubles_saturate_in_integers),
        cmocka_unit_test(doubles_are_rounded_once),
        cmocka_unit_test(integers_wrap_in_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
