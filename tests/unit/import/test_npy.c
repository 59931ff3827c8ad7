// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "import/npy.h"

/* Reads a file of the version with that dict and data. */
static maru_status parse(int version, const char *dict, const void *data, size_t bytes, maru_tensor *out)
{
    maru_str file = {0};
    size_t length = strlen(dict);
    char prefix[12] = "\x93NUMPY";
    prefix[6] = (char)version;
    for (int i = 0; i < 4; i++)
        prefix[8 + i] = (char)(length >> (8 * i));
    maru_str_append_n(&file, prefix, version == 1 ? 10 : 12);
    maru_str_append(&file, dict);
    maru_str_append_n(&file, data, bytes);
    void *exact = malloc(file.length);  // so that a sanitizer sees a read beyond the end
    assert_non_null(exact);
    memcpy(exact, file.data, file.length);
    maru_status status = maru_npy_parse(exact, file.length, "x.npy", out);
    free(exact);
    maru_str_fini(&file);
    return status;
}

static maru_status refuse(const char *dict, size_t bytes)
{
    static const char zeros[256];
    maru_tensor t;
    maru_status status = parse(1, dict, zeros, bytes, &t);
    assert_null(t.data);
    maru_tensor_destroy(&t);
    return status;
}

static void reads_all_versions(void **state)
{
    (void)state;
    const float values[2] = {1.5f, -2};
    for (int version = 1; version <= 3; version++) {
        maru_tensor t;
        assert_ok(parse(version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }   \n", values, 8, &t));
        assert_int_equal(t.dtype, MARU_F32);
        assert_int_equal(t.rank, 2);
        assert_int_equal(t.dims[0], 2);
        assert_int_equal(t.dims[1], 1);
        assert_memory_equal(t.data, values, 8);
        maru_tensor_destroy(&t);
    }
}

static void reads_any_spelling(void **state)
{
    (void)state;
    maru_tensor t;
    int16_t value = -3;
    assert_ok(parse(1, "{\"shape\":(),\"fortran_order\":True,\"descr\":\"<i2\"}", &value, 2, &t));
    assert_int_equal(t.rank, 0);
    assert_int_equal(maru_tensor_get_f64(&t, 0), -3);
    maru_tensor_destroy(&t);
    assert_ok(parse(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", "\0\x07", 2, &t));
    assert_int_equal(((uint8_t *)t.data)[1], 1);
    maru_tensor_destroy(&t);
    assert_ok(parse(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 5), }", "", 0, &t));
    assert_int_equal(t.dims[1], 5);
    maru_tensor_destroy(&t);
}

static void transposes_fortran_order(void **state)
{
    (void)state;
    // a[i][j][k] = 100 i + 10 j + k, first index fastest
    uint16_t values[24];
    size_t n = 0;
    for (int k = 0; k < 4; k++) {
        for (int j = 0; j < 3; j++) {
            for (int i = 0; i < 2; i++)
                values[n++] = (uint16_t)(100 * i + 10 * j + k);
        }
    }
    maru_tensor t;
    assert_ok(parse(1, "{'descr': '<u2', 'fortran_order': True, 'shape': (2, 3, 4), }", values, sizeof values, &t));
    for (int i = 0; i < 24; i++)
        assert_int_equal(maru_tensor_get_f64(&t, i), 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
    maru_tensor_destroy(&t);
}

static void writes_and_reads_back(void **state)
{
    (void)state;
    static const maru_dtype dtypes[] = {MARU_F16, MARU_F32, MARU_F64, MARU_I8,  MARU_I16, MARU_I32,
                                        MARU_I64, MARU_U8,  MARU_U16, MARU_U32, MARU_U64, MARU_BOOL};
    const int64_t dims[8] = {2, 1, 3, 1, 1, 1, 1, 2};
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
        for (uint32_t rank = 0; rank <= 8; rank++) {
            maru_tensor t;
            maru_tensor back;
            assert_ok(maru_tensor_create(dtypes[d], dims, rank, &t));
            for (int64_t i = 0; i < maru_tensor_count(&t); i++)
                maru_tensor_set_f64(&t, i, (double)(i % 2));
            const char *path = scratch_path("t.npy");
            assert_ok(maru_npy_write_file(path, &t));
            assert_ok(maru_npy_read_file(path, &back));
            assert_int_equal(back.dtype, t.dtype);
            assert_int_equal(back.rank, rank);
            assert_memory_equal(back.dims, t.dims, sizeof t.dims);
            assert_memory_equal(back.data, t.data, t.bytes);
            maru_tensor_destroy(&t);
            maru_tensor_destroy(&back);
        }
    }
}

static void writes_numpys_own_form(void **state)
{
    (void)state;
    maru_tensor t;
    maru_str file = {0};
    assert_ok(maru_tensor_create(MARU_I64, (int64_t[]){3}, 1, &t));
    assert_ok(maru_npy_format(&t, "t", &file));
    assert_int_equal(file.length, 128 + 24);
    assert_memory_equal(file.data, "\x93NUMPY\x01\x00\x76\x00{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }",
                        10 + 57);
    assert_int_equal(file.data[127], '\n');
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
    assert_ok(maru_tensor_create(MARU_BF16, (int64_t[]){3}, 1, &t));
    assert_fails(maru_npy_format(&t, "t", &file), MARU_UNSUPPORTED, "NumPy has no bf16");
    maru_tensor_destroy(&t);
    maru_str_fini(&file);
}

static void refuses_truncation(void **state)
{
    (void)state;
    maru_tensor t;
    maru_str file = {0};
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){2, 2}, 2, &t));
    assert_ok(maru_npy_format(&t, "t", &file));
    maru_tensor_destroy(&t);
    for (size_t n = 0; n < file.length; n++) {
        uint8_t *exact = malloc(n + 1);
        assert_non_null(exact);
        memcpy(exact, file.data, n);
        assert_int_equal(maru_npy_parse(exact, n, "x", &t), MARU_DATA_LOSS);
        free(exact);
    }
    maru_str_append(&file, "more");
    assert_fails(maru_npy_parse(file.data, file.length, "x", &t), MARU_DATA_LOSS, "needs 16 bytes, 20 follow");
    maru_str_fini(&file);
}

static void refuses_damage(void **state)
{
    (void)state;
    maru_tensor t;
    assert_fails(maru_npy_parse("PK\3\4 .npz it is", 15, "x.npz", &t), MARU_DATA_LOSS, "x.npz is not a .npy file");
    assert_fails(parse(4, "{}", "", 0, &t), MARU_UNSUPPORTED, "version 4.0");
    assert_fails(refuse("", 0), MARU_DATA_LOSS, "'{' expected");
    assert_fails(refuse("{'descr': '<f4", 4), MARU_DATA_LOSS, "does not end");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': False}", 4), MARU_DATA_LOSS, "lacks the key 'shape'");
    assert_fails(refuse("{'descr': '<f4', 'descr': '<f4'}", 4), MARU_DATA_LOSS, "'descr' is there twice");
    assert_fails(refuse("{'dtype': '<f4'}", 4), MARU_DATA_LOSS, "'dtype' is unknown");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", 4), MARU_DATA_LOSS, "True or False");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4), MARU_DATA_LOSS, "a dim");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", 8), MARU_DATA_LOSS, "',' or ')'");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", 4), MARU_DATA_LOSS, "the end");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4),
                 MARU_DATA_LOSS, "beyond 64 bits");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 4),
                 MARU_DATA_LOSS, "overflow");
    assert_fails(refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", 4), MARU_DATA_LOSS,
                 "needs 4000000000000 bytes, 4 follow");
}

static void refuses_what_is_no_tensor(void **state)
{
    (void)state;
    assert_fails(refuse("{'descr': '>f4', 'fortran_order': False, 'shape': ()}", 4), MARU_UNSUPPORTED, "big-endian");
    assert_fails(refuse("{'descr': '<c8', 'fortran_order': False, 'shape': ()}", 8), MARU_UNSUPPORTED, "'<c8'");
    assert_fails(refuse("{'descr': '<U3', 'fortran_order': False, 'shape': ()}", 12), MARU_UNSUPPORTED, "'<U3'");
    assert_fails(refuse("{'descr': '|O', 'fortran_order': False, 'shape': ()}", 12), MARU_UNSUPPORTED, "'|O'");
    assert_fails(refuse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", 4), MARU_UNSUPPORTED,
                 "records");
    assert_fails(refuse("{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 1), MARU_UNSUPPORTED,
                 "rank is above 8");
}

static void reads_a_real_file(void **state)
{
    (void)state;
    char path[1024];
    maru_tensor t;
    require_test_data("llm_stories260k/ref_tokens.npy", path);
    assert_ok(maru_npy_read_file(path, &t));
    assert_int_equal(t.dtype, MARU_I32);
    assert_int_equal(t.dims[0], 201);
    assert_int_equal(maru_tensor_get_f64(&t, 1), 403);
    maru_tensor_destroy(&t);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("npy");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_versions),
        cmocka_unit_test(reads_any_spelling),
        cmocka_unit_test(transposes_fortran_order),
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(writes_numpys_own_form),
        cmocka_unit_test(refuses_truncation),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(refuses_what_is_no_tensor),
        cmocka_unit_test(reads_a_real_file),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
