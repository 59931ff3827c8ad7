// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "import/strings.h"
#include "import/tensor_proto.h"

/* Parses an exact copy of a literal, so that a sanitizer sees a read beyond the end. */
static maru_status parse(const char *bytes, size_t count, maru_file_value *out)
{
    void *exact = malloc(count + !count);
    assert_non_null(exact);
    memcpy(exact, bytes, count);
    maru_status status = maru_tensor_proto_parse(exact, count, "x.pb", out);
    free(exact);
    return status;
}

#define PARSE(literal, out) parse(literal, sizeof(literal) - 1, out)

static maru_status refuse(const char *bytes, size_t count)
{
    maru_file_value value;
    maru_status status = parse(bytes, count, &value);
    assert_null(value.tensor.data);
    assert_null(value.name);
    maru_file_value_fini(&value);
    return status;
}

#define REFUSE(literal) refuse(literal, sizeof(literal) - 1)

/* Fields by number: dims 1 (0x08, packed 0x0a), data_type 2 (0x10), float_data 4 (0x22), int32_data 5 (0x2a), ... */

static void reads_raw_data(void **state)
{
    (void)state;
    maru_file_value v;
    assert_ok(PARSE("\x08\x02\x08\x01\x10\x01\x42\x03" "abc" "\x4a\x08\0\0\x80\x3f\0\0\0\xc0", &v));
    assert_false(v.is_strings);
    assert_string_equal(v.name, "abc");
    assert_int_equal(v.tensor.dtype, MARU_F32);
    assert_int_equal(v.tensor.rank, 2);
    assert_int_equal(v.tensor.dims[0], 2);
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 1);
    assert_true(maru_tensor_get_f64(&v.tensor, 1) == -2);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x0a\x02\x01\x02\x10\x09\x4a\x02\x00\x05", &v));  // packed dims, bool with a byte of 5
    assert_int_equal(v.tensor.dims[1], 2);
    assert_int_equal(((uint8_t *)v.tensor.data)[1], 1);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x10\x07\x4a\x08\xff\xff\xff\xff\xff\xff\xff\xff", &v));  // a scalar
    assert_int_equal(v.tensor.rank, 0);
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == -1);
    maru_file_value_fini(&v);
}

static void reads_typed_fields(void **state)
{
    (void)state;
    maru_file_value v;
    assert_ok(PARSE("\x08\x02\x10\x01\x22\x08\0\0\x80\x3f\0\0\0\xc0", &v));  // float_data
    assert_true(maru_tensor_get_f64(&v.tensor, 1) == -2);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x02\x10\x01\x25\0\0\x80\x3f\x25\0\0\0\xc0", &v));  // the same, not packed
    assert_true(maru_tensor_get_f64(&v.tensor, 1) == -2);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x02\x10\x0a\x2a\x04\x80\x78\x80\x70", &v));  // f16 bits 0x3c00 0x3800 in int32_data
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 1);
    assert_true(maru_tensor_get_f64(&v.tensor, 1) == 0.5);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x02\x10\x03\x2a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05", &v));  // i8 -1 5
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == -1);
    assert_true(maru_tensor_get_f64(&v.tensor, 1) == 5);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x03\x10\x16\x2a\x03\xf1\x01\x03", &v));  // i4: 1 -1 3, two a value
    assert_true(maru_tensor_get_f64(&v.tensor, 1) == -1);
    assert_true(maru_tensor_get_f64(&v.tensor, 2) == 3);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x01\x10\x07\x3a\x01\x07", &v));  // int64_data
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 7);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x01\x10\x0b\x52\x08\0\0\0\0\0\0\xf0\x3f", &v));  // double_data
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 1);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x01\x10\x0c\x5a\x01\x09", &v));  // u32 in uint64_data
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 9);
    maru_file_value_fini(&v);
    assert_ok(PARSE("\x08\x00\x10\x01", &v));  // no element, no field
    assert_int_equal(v.tensor.bytes, 0);
    maru_file_value_fini(&v);
}

static void reads_strings(void **state)
{
    (void)state;
    maru_file_value v;
    assert_ok(PARSE("\x08\x01\x08\x02\x10\x08\x32\x02" "hi" "\x32\x00", &v));
    assert_true(v.is_strings);
    assert_int_equal(v.strings.count, 2);
    assert_int_equal(v.strings.rank, 2);
    assert_int_equal(v.strings.dims[1], 2);
    assert_string_equal(v.strings.items[0], "hi");
    assert_string_equal(v.strings.items[1], "");
    maru_file_value_fini(&v);
    assert_fails(REFUSE("\x08\x01\x10\x08\x32\x02h\0"), MARU_UNSUPPORTED, "NUL byte");
    assert_fails(REFUSE("\x08\x02\x10\x08\x32\x02hi"), MARU_DATA_LOSS, "need 2 values, string_data has 1");
}

static void skips_unknown_fields(void **state)
{
    (void)state;
    maru_file_value v;
    assert_ok(PARSE("\xfa\x7f\x01z\x10\x07\xf8\x7f\x05\xfd\x7f\1\2\3\4"
                    "\x4a\x08\1\0\0\0\0\0\0\0\xf9\x7f\1\2\3\4\5\6\7\x08", &v));
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 1);
    maru_file_value_fini(&v);
}

/* ---- what is wrong ---- */

static void refuses_bad_wire_forms(void **state)
{
    (void)state;
    assert_fails(REFUSE(""), MARU_UNSUPPORTED, "data_type 0");
    assert_fails(REFUSE("\x10"), MARU_DATA_LOSS, "x.pb is damaged at byte 0: a field does not end");
    assert_fails(REFUSE("\x10\x01\x4a\x05" "abc"), MARU_DATA_LOSS, "at byte 2: a field does not end");
    assert_fails(REFUSE("\x4a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), MARU_DATA_LOSS, "a field does not end");
    assert_fails(REFUSE("\x4a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), MARU_DATA_LOSS, "a field does not end");
    assert_fails(REFUSE("\x00\x01"), MARU_DATA_LOSS, "no field begins");
    assert_fails(REFUSE("\x0b"), MARU_DATA_LOSS, "a field does not end");  // a group
    assert_fails(REFUSE("\x15\1\0\0\0"), MARU_DATA_LOSS, "data_type in a message TensorProto");
    assert_fails(REFUSE("\x10\x01\x22\x03" "abc"), MARU_DATA_LOSS, "float_data");
    assert_fails(REFUSE("\x10\x01\x3a\x01\x80"), MARU_DATA_LOSS, "int64_data");
    assert_fails(REFUSE("\x1a\x02\x08\x01\x1a\x02\x08\x01"), MARU_DATA_LOSS, "a single message comes twice");
    assert_fails(REFUSE("\x1a\x01\x08"), MARU_DATA_LOSS, "in a message Segment");
}

static void refuses_truncation(void **state)
{
    (void)state;
    static const char whole[] = "\x08\x02\x10\x01\x42\x03" "abc" "\x4a\x08\0\0\x80\x3f\0\0\0\xc0";
    maru_file_value v;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_int_not_equal(refuse(whole, n), MARU_OK);
    assert_ok(parse(whole, sizeof whole - 1, &v));
    maru_file_value_fini(&v);
}

static void refuses_lies(void **state)
{
    (void)state;
    assert_fails(REFUSE("\x08\x03\x10\x01\x4a\x04" "abcd"), MARU_DATA_LOSS, "need 12 bytes of f32");
    assert_fails(REFUSE("\x08\x01\x10\x01\x4a\x05" "abcde"), MARU_DATA_LOSS, "raw_data has 5");
    assert_fails(REFUSE("\x08\x01\x10\x01\x22\x08" "abcdefgh"), MARU_DATA_LOSS, "need 1 values, float_data has 2");
    assert_fails(REFUSE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01"), MARU_DATA_LOSS, "dim 0 is negative");
    assert_fails(REFUSE("\x08\x80\x80\x80\x80\x80\x40\x10\x01\x22\x04" "abcd"), MARU_DATA_LOSS,
                 "more than the message has values for");
    assert_fails(REFUSE("\x08\x80\x80\x80\x80\x10\x08\x80\x80\x80\x80\x10\x10\x01"), MARU_DATA_LOSS, "overflow");
    assert_fails(REFUSE("\x08\x01\x10\x02\x2a\x02\x80\x02"), MARU_DATA_LOSS, "int32_data has 256, which is no u8");
    assert_fails(REFUSE("\x08\x01\x10\x0c\x5a\x06\x80\x80\x80\x80\x80\x01"), MARU_DATA_LOSS, "which is no u32");
}

static void refuses_what_we_lack(void **state)
{
    (void)state;
    assert_fails(REFUSE("\x08\x01\x10\x0e\x4a\x08" "12345678"), MARU_UNSUPPORTED, "data_type 14");
    assert_fails(REFUSE("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), MARU_UNSUPPORTED, "data_type -1");
    assert_fails(REFUSE("\x10\x40"), MARU_UNSUPPORTED, "data_type 64");
    assert_fails(REFUSE("\x08\x01\x10\x01\x70\x01"), MARU_UNSUPPORTED, "another file");
    assert_fails(REFUSE("\x08\x01\x10\x01\x1a\x00"), MARU_UNSUPPORTED, "segments");
    assert_fails(REFUSE("\x0a\x09\1\1\1\1\1\1\1\1\1\x10\x02\x4a\x01" "a"), MARU_UNSUPPORTED, "rank is 9");
}

/* ---- writing ---- */

static void writes_and_reads_back(void **state)
{
    (void)state;
    for (int dtype = MARU_F32; dtype <= MARU_I4; dtype++) {
        if (!maru_dtype_get_info((maru_dtype)dtype) || dtype == MARU_STRING)
            continue;
        maru_file_value v = {.name = calloc(1, 8)};
        maru_file_value back;
        assert_non_null(v.name);
        memcpy(v.name, "a name", 6);
        assert_ok(maru_tensor_create((maru_dtype)dtype, (int64_t[]){3, 1}, 2, &v.tensor));
        for (int64_t i = 0; i < 3; i++)
            maru_tensor_set_f64(&v.tensor, i, i == 1);
        const char *path = scratch_path("t.pb");
        assert_ok(maru_tensor_proto_write_file(path, &v));
        assert_ok(maru_tensor_proto_read_file(path, &back));
        assert_string_equal(back.name, "a name");
        assert_int_equal(back.tensor.dtype, dtype);
        assert_memory_equal(back.tensor.dims, v.tensor.dims, sizeof v.tensor.dims);
        assert_memory_equal(back.tensor.data, v.tensor.data, v.tensor.bytes);
        maru_file_value_fini(&v);
        maru_file_value_fini(&back);
    }
}

static void writes_strings(void **state)
{
    (void)state;
    maru_file_value v = {.is_strings = true};
    maru_file_value back;
    maru_str text = {0};
    assert_ok(maru_strings_add(&v.strings, "\xea\xb0\x80", 3, "s"));
    assert_ok(maru_strings_add(&v.strings, "", 0, "s"));
    maru_strings_set_list(&v.strings);
    assert_ok(maru_tensor_proto_format(&v, "s", &text));
    assert_ok(maru_tensor_proto_parse(text.data, text.length, "s", &back));
    assert_int_equal(back.strings.count, 2);
    assert_string_equal(back.strings.items[0], "\xea\xb0\x80");
    maru_file_value_fini(&v);
    maru_file_value_fini(&back);
    assert_ok(maru_tensor_create(MARU_Q8_0, (int64_t[]){32}, 1, &v.tensor));
    assert_fails(maru_tensor_proto_format(&v, "q", &text), MARU_UNSUPPORTED, "ONNX has no q8_0");
    maru_file_value_fini(&v);
    maru_str_fini(&text);
}

static void reads_real_files(void **state)
{
    (void)state;
    char path[1024];
    maru_file_value v;
    require_test_data("cls_resnet8_cifar10/test_data_set_0/input_0.pb", path);
    assert_ok(maru_tensor_proto_read_file(path, &v));
    assert_int_equal(v.tensor.dtype, MARU_F32);
    assert_int_equal(v.tensor.bytes, 32 * 32 * 3 * 4);
    maru_file_value_fini(&v);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("tensor_proto");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_raw_data),
        cmocka_unit_test(reads_typed_fields),
        cmocka_unit_test(reads_strings),
        cmocka_unit_test(skips_unknown_fields),
        cmocka_unit_test(refuses_bad_wire_forms),
        cmocka_unit_test(refuses_truncation),
        cmocka_unit_test(refuses_lies),
        cmocka_unit_test(refuses_what_we_lack),
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(writes_strings),
        cmocka_unit_test(reads_real_files),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
