// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "import/strings.h"

#include <maru/file.h>

static maru_status read_text(const char *name, const char *text, maru_dtype dtype, maru_file_value *out)
{
    return maru_tensor_file_read(scratch_write(name, text, strlen(text)), dtype, out);
}

static maru_status refuse_json(const char *text, maru_dtype dtype)
{
    maru_file_value v;
    maru_status status = read_text("x.json", text, dtype, &v);
    assert_null(v.tensor.data);
    assert_null(v.strings.items);
    return status;
}

static void json_numbers_decide_their_dtype(void **state)
{
    (void)state;
    maru_file_value v;
    assert_ok(read_text("x.json", "[[1, 2, 3], [4, 5, -6]]", MARU_DTYPE_NONE, &v));
    assert_int_equal(v.tensor.dtype, MARU_I64);
    assert_int_equal(v.tensor.rank, 2);
    assert_int_equal(v.tensor.dims[1], 3);
    assert_true(maru_tensor_get_f64(&v.tensor, 5) == -6);
    maru_file_value_fini(&v);
    assert_ok(read_text("x.json", "[1, 2.5]", MARU_DTYPE_NONE, &v));
    assert_int_equal(v.tensor.dtype, MARU_F32);
    assert_true(maru_tensor_get_f64(&v.tensor, 1) == 2.5);
    maru_file_value_fini(&v);
    assert_ok(read_text("x.json", "[true, false]", MARU_F16, &v));
    assert_int_equal(v.tensor.dtype, MARU_BOOL);
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 1);
    maru_file_value_fini(&v);
    assert_ok(read_text("x.json", "7", MARU_F16, &v));
    assert_int_equal(v.tensor.dtype, MARU_F16);
    assert_int_equal(v.tensor.rank, 0);
    assert_true(maru_tensor_get_f64(&v.tensor, 0) == 7);
    maru_file_value_fini(&v);
    assert_ok(read_text("x.json", "[[], []]", MARU_DTYPE_NONE, &v));
    assert_int_equal(v.tensor.dims[0], 2);
    assert_int_equal(v.tensor.dims[1], 0);
    maru_file_value_fini(&v);
    assert_ok(read_text("x.json", "[\"a\", \"\xea\xb0\x80\"]", MARU_DTYPE_NONE, &v));
    assert_true(v.is_strings);
    assert_string_equal(v.strings.items[1], "\xea\xb0\x80");
    maru_file_value_fini(&v);
}

static void refuses_bad_json(void **state)
{
    (void)state;
    assert_fails(refuse_json("[1, 2", MARU_DTYPE_NONE), MARU_DATA_LOSS, "x.json is not JSON: line 1");
    assert_fails(refuse_json("[[1, 2], [3]]", MARU_DTYPE_NONE), MARU_INVALID_ARGUMENT,
                 "rows differ: dim 1 is 2 at first, then there is an array of 1");
    assert_fails(refuse_json("[[1], 3]", MARU_DTYPE_NONE), MARU_INVALID_ARGUMENT, "rows differ");
    assert_fails(refuse_json("[1, [3]]", MARU_DTYPE_NONE), MARU_INVALID_ARGUMENT, "element 1 is an array");
    assert_fails(refuse_json("[1, \"a\"]", MARU_DTYPE_NONE), MARU_INVALID_ARGUMENT, "element 1 is a string");
    assert_fails(refuse_json("[\"a\", 1]", MARU_DTYPE_NONE), MARU_INVALID_ARGUMENT, "element 1 is an integer");
    assert_fails(refuse_json("[null]", MARU_DTYPE_NONE), MARU_INVALID_ARGUMENT, "element 0 is null");
    assert_fails(refuse_json("{}", MARU_DTYPE_NONE), MARU_INVALID_ARGUMENT, "element 0 is an object");
    assert_fails(refuse_json("[[[[[[[[[1]]]]]]]]]", MARU_DTYPE_NONE), MARU_UNSUPPORTED, "more than 8 deep");
    assert_fails(refuse_json("[300]", MARU_U8), MARU_OUT_OF_RANGE, "element 0, 300, does not fit u8");
    assert_fails(refuse_json("[-1]", MARU_U64), MARU_OUT_OF_RANGE, "does not fit u64");
    assert_fails(refuse_json("[1.5]", MARU_I32), MARU_OUT_OF_RANGE, "does not fit i32");
    assert_fails(refuse_json("[1e300]", MARU_F32), MARU_OUT_OF_RANGE, "does not fit f32");
    assert_fails(refuse_json("[1]", MARU_Q8_0), MARU_INVALID_ARGUMENT, "cannot be read as q8_0");
}

static void text_is_lines(void **state)
{
    (void)state;
    maru_file_value v;
    assert_ok(read_text("x.txt", "one\r\n\ntwo words", MARU_DTYPE_NONE, &v));
    assert_true(v.is_strings);
    assert_int_equal(v.strings.count, 3);
    assert_int_equal(v.strings.dims[0], 3);
    assert_string_equal(v.strings.items[0], "one");
    assert_string_equal(v.strings.items[1], "");
    assert_string_equal(v.strings.items[2], "two words");
    assert_ok(maru_tensor_file_write(scratch_path("y.txt"), &v));
    maru_file_value_fini(&v);
    assert_ok(maru_tensor_file_read(scratch_path("y.txt"), MARU_DTYPE_NONE, &v));
    assert_int_equal(v.strings.count, 3);
    maru_file_value_fini(&v);
    assert_ok(read_text("x.txt", "", MARU_DTYPE_NONE, &v));
    assert_int_equal(v.strings.count, 0);
    maru_file_value_fini(&v);
    scratch_write("x.txt", "a\0b", 3);
    assert_fails(maru_tensor_file_read(scratch_path("x.txt"), MARU_DTYPE_NONE, &v), MARU_UNSUPPORTED, "NUL byte");
}

static void writes_json(void **state)
{
    (void)state;
    maru_file_value v = {0};
    maru_file_value back;
    char *text = NULL;
    size_t bytes = 0;
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){2, 2}, 2, &v.tensor));
    maru_tensor_set_f64(&v.tensor, 0, 0.5);
    maru_tensor_set_f64(&v.tensor, 3, -3);
    assert_ok(maru_tensor_file_write(scratch_path("w.json"), &v));
    assert_ok(maru_os_read_file(scratch_path("w.json"), 1000, &text, &bytes));
    assert_string_equal(text, "[[0.5, 0.0], [0.0, -3.0]]\n");
    free(text);
    assert_ok(maru_tensor_file_read(scratch_path("w.json"), MARU_DTYPE_NONE, &back));
    assert_memory_equal(back.tensor.data, v.tensor.data, v.tensor.bytes);
    maru_file_value_fini(&back);
    ((uint32_t *)v.tensor.data)[1] = 0x7f800000;
    assert_fails(maru_tensor_file_write(scratch_path("w.json"), &v), MARU_UNSUPPORTED, "element 1 is inf");
    maru_file_value_fini(&v);
    assert_ok(maru_tensor_create(MARU_U64, NULL, 0, &v.tensor));
    memset(v.tensor.data, 0xff, 8);
    assert_ok(maru_tensor_file_write(scratch_path("w.json"), &v));
    assert_ok(maru_os_read_file(scratch_path("w.json"), 1000, &text, &bytes));
    assert_string_equal(text, "18446744073709551615\n");
    free(text);
    maru_file_value_fini(&v);
}

static void writes_by_ending(void **state)
{
    (void)state;
    static const char *const names[] = {"b.npy", "b.pb", "b.PNG", "b.bmp"};
    for (size_t i = 0; i < 4; i++) {
        maru_file_value v = {0};
        maru_file_value back;
        // A batch of one picture: formats that have no batch drop its dim.
        assert_ok(maru_tensor_create(MARU_U8, (int64_t[]){1, 2, 2, 3}, 4, &v.tensor));
        ((uint8_t *)v.tensor.data)[4] = 77;
        assert_ok(maru_tensor_file_write(scratch_path(names[i]), &v));
        assert_ok(maru_tensor_file_read(scratch_path(names[i]), MARU_DTYPE_NONE, &back));
        assert_int_equal(back.tensor.rank, i < 2 ? 4 : 3);
        assert_memory_equal(back.tensor.data, v.tensor.data, v.tensor.bytes);
        maru_file_value_fini(&v);
        maru_file_value_fini(&back);
    }
}

static void writes_sound(void **state)
{
    (void)state;
    maru_file_value v = {0};
    maru_file_value back;
    assert_ok(maru_tensor_create(MARU_I16, (int64_t[]){1, 1, 3}, 3, &v.tensor));
    maru_tensor_set_f64(&v.tensor, 1, -32768);
    maru_tensor_set_f64(&v.tensor, 2, 1);
    assert_ok(maru_tensor_file_write(scratch_path("s.wav"), &v));
    assert_ok(maru_tensor_file_read(scratch_path("s.wav"), MARU_DTYPE_NONE, &back));
    assert_int_equal(back.sample_rate, 16000);
    assert_true(maru_tensor_get_f64(&back.tensor, 1) == -1);
    assert_true(maru_tensor_get_f64(&back.tensor, 2) == 1.0 / 32768);
    maru_file_value_fini(&v);
    back.sample_rate = 0;
    maru_file_value_fini(&back);
}

static void refuses_what_does_not_go_together(void **state)
{
    (void)state;
    maru_file_value v = {0};
    maru_file_value s = {.is_strings = true};
    maru_file_value out;
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){2}, 1, &v.tensor));
    assert_ok(maru_strings_add(&s.strings, "a\nb", 3, "s"));
    maru_strings_set_list(&s.strings);
    assert_fails(maru_tensor_file_write(scratch_path("x.txt"), &v), MARU_INVALID_ARGUMENT, "holds strings, not f32");
    assert_fails(maru_tensor_file_write(scratch_path("x.npy"), &s), MARU_INVALID_ARGUMENT, "strings are written to");
    assert_fails(maru_tensor_file_write(scratch_path("x.txt"), &s), MARU_UNSUPPORTED, "string 0 has a line break");
    assert_fails(maru_tensor_file_write(scratch_path("x.png"), &v), MARU_INVALID_ARGUMENT, "f32 of rank 1");
    assert_fails(maru_tensor_file_write(scratch_path("x.tar"), &v), MARU_UNSUPPORTED, "a tensor's file ends in");
    assert_fails(maru_tensor_file_read(scratch_path("x"), MARU_DTYPE_NONE, &out), MARU_UNSUPPORTED,
                 "a tensor's file ends in");
    assert_int_equal(maru_tensor_file_read(scratch_path("gone.npy"), MARU_DTYPE_NONE, &out), MARU_NOT_FOUND);
    assert_true(maru_tensor_file_is_known("a.JPEG"));
    assert_false(maru_tensor_file_is_known(".npy"));
    maru_file_value_fini(&v);
    maru_file_value_fini(&s);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("tensor_file");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_numbers_decide_their_dtype),
        cmocka_unit_test(refuses_bad_json),
        cmocka_unit_test(text_is_lines),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(writes_by_ending),
        cmocka_unit_test(writes_sound),
        cmocka_unit_test(refuses_what_does_not_go_together),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
