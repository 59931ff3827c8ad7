// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "import/image.h"

static maru_tensor picture(int64_t height, int64_t width, int64_t channels)
{
    maru_tensor t;
    assert_ok(maru_tensor_create(MARU_U8, (int64_t[]){height, width, channels}, 3, &t));
    for (size_t i = 0; i < t.bytes; i++)
        ((uint8_t *)t.data)[i] = (uint8_t)(i * 13 + 5);
    return t;
}

static void png_is_lossless(void **state)
{
    (void)state;
    for (int64_t channels = 1; channels <= 4; channels++) {
        maru_tensor t = picture(5, 7, channels);
        maru_tensor back;
        const char *path = scratch_path("p.png");
        assert_ok(maru_image_write_file(path, &t, MARU_IMAGE_PNG));
        assert_ok(maru_image_read_file(path, &back));
        assert_int_equal(back.dtype, MARU_U8);
        assert_int_equal(back.rank, 3);
        assert_memory_equal(back.dims, t.dims, sizeof t.dims);
        assert_memory_equal(back.data, t.data, t.bytes);
        maru_tensor_destroy(&t);
        maru_tensor_destroy(&back);
    }
}

static void bmp_is_lossless(void **state)
{
    (void)state;
    maru_tensor t = picture(3, 5, 3);
    maru_tensor back;
    maru_str file = {0};
    assert_ok(maru_image_encode(&t, MARU_IMAGE_BMP, "p", &file));
    assert_ok(maru_image_parse(file.data, file.length, "p", &back));
    assert_memory_equal(back.data, t.data, t.bytes);
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
    maru_tensor_destroy(&back);
}

static void jpeg_is_near(void **state)
{
    (void)state;
    maru_tensor t = picture(16, 16, 3);
    maru_tensor back;
    maru_str file = {0};
    memset(t.data, 100, t.bytes);
    assert_ok(maru_image_encode(&t, MARU_IMAGE_JPEG, "p", &file));
    assert_ok(maru_image_parse(file.data, file.length, "p", &back));
    assert_memory_equal(back.dims, t.dims, sizeof t.dims);
    for (size_t i = 0; i < back.bytes; i++)
        assert_in_range(((uint8_t *)back.data)[i], 97, 103);
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
    maru_tensor_destroy(&back);
}

static void writes_a_grey_matrix(void **state)
{
    (void)state;
    maru_tensor t;
    maru_tensor back;
    maru_str file = {0};
    assert_ok(maru_tensor_create(MARU_U8, (int64_t[]){2, 3}, 2, &t));
    assert_ok(maru_image_encode(&t, MARU_IMAGE_PNG, "p", &file));
    assert_ok(maru_image_parse(file.data, file.length, "p", &back));
    assert_int_equal(back.dims[2], 1);
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
    maru_tensor_destroy(&back);
}

static maru_status parse_exact(const void *data, size_t bytes)
{
    maru_tensor t;
    void *exact = malloc(bytes + 1);
    assert_non_null(exact);
    memcpy(exact, data, bytes);
    maru_status status = maru_image_parse(exact, bytes, "p.png", &t);
    free(exact);
    maru_tensor_destroy(&t);
    return status;
}

static void refuses_damage(void **state)
{
    (void)state;
    maru_tensor t = picture(4, 4, 3);
    maru_str file = {0};
    assert_ok(maru_image_encode(&t, MARU_IMAGE_PNG, "p", &file));
    assert_fails(parse_exact("", 0), MARU_DATA_LOSS, "p.png is no PNG, JPEG, BMP or PNM");
    assert_fails(parse_exact("GIF89a and so on", 16), MARU_DATA_LOSS, "p.png is no PNG, JPEG, BMP or PNM");
    for (size_t n = 0; n + 12 < file.length; n++)  // the last chunk, IEND, has 12 bytes
        assert_int_equal(parse_exact(file.data, n), MARU_DATA_LOSS);
    file.data[19] = 9;  // the width says 9: the rows do not come out
    assert_fails(parse_exact(file.data, file.length), MARU_DATA_LOSS, "p.png cannot be decoded: ");
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
}

static void refuses_large_pictures(void **state)
{
    (void)state;
    maru_tensor t = picture(4, 4, 1);
    maru_str file = {0};
    assert_ok(maru_image_encode(&t, MARU_IMAGE_PNG, "p", &file));
    memcpy(file.data + 16, "\0\0\x40\0\0\0\x20\0", 8);  // 16384 x 8192: twice the limit, in a file of 80 bytes
    assert_fails(parse_exact(file.data, file.length), MARU_RESOURCE_EXHAUSTED, "a picture of 16384 x 8192");
    maru_str_fini(&file);
    maru_tensor_destroy(&t);
}

static void writer_refuses(void **state)
{
    (void)state;
    maru_tensor t = picture(2, 2, 5);
    maru_str file = {0};
    assert_fails(maru_image_encode(&t, MARU_IMAGE_PNG, "p", &file), MARU_INVALID_ARGUMENT, "1 to 4 channels");
    maru_tensor_destroy(&t);
    assert_ok(maru_tensor_create(MARU_F32, (int64_t[]){2, 2}, 2, &t));
    assert_fails(maru_image_encode(&t, MARU_IMAGE_PNG, "p", &file), MARU_INVALID_ARGUMENT, "not f32 of rank 2");
    maru_tensor_destroy(&t);
    assert_ok(maru_tensor_create(MARU_U8, (int64_t[]){0, 2}, 2, &t));
    assert_int_not_equal(maru_image_encode(&t, MARU_IMAGE_PNG, "p", &file), MARU_OK);
    maru_tensor_destroy(&t);
    maru_str_fini(&file);
}

static maru_status read_picture(void *ctx, const char *name)
{
    const char *ending = strrchr(name, '.');
    if (!ending || (strcmp(ending, ".png") != 0 && strcmp(ending, ".jpg") != 0))
        return MARU_OK;
    maru_tensor t;
    char *path = maru_os_join(ctx, name);
    assert_non_null(path);
    assert_ok(maru_image_read_file(path, &t));
    assert_true(t.dims[0] > 10 && t.dims[1] > 10);
    maru_tensor_destroy(&t);
    free(path);
    return MARU_OK;
}

static void reads_photographs(void **state)
{
    (void)state;
    char path[1024];
    require_test_data("media_images", path);
    assert_ok(maru_os_list_dir(path, read_picture, path));
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("image");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_is_lossless),
        cmocka_unit_test(bmp_is_lossless),
        cmocka_unit_test(jpeg_is_near),
        cmocka_unit_test(writes_a_grey_matrix),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(refuses_large_pictures),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(reads_photographs),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
