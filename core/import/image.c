// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/image.h"

#include "base/fail.h"
#include "base/os.h"
#include "import/image_stb.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

enum { JPEG_QUALITY = 95 };

/* ---- reading ---- */

static maru_status check_pixels(const char *name, int64_t height, int64_t width)
{
    if (height < 1 || width < 1 || height > MARU_IMAGE_MAX_PIXELS || width > MARU_IMAGE_MAX_PIXELS ||
        height * width > MARU_IMAGE_MAX_PIXELS)
        return maru_fail(MARU_RESOURCE_EXHAUSTED,
                         "%s: a picture of %" PRId64 " x %" PRId64 " is not within 1 to %d pixels", name, width, height,
                         MARU_IMAGE_MAX_PIXELS);
    return MARU_OK;
}

maru_status maru_image_parse(const void *data, size_t bytes, const char *name, maru_tensor *out_tensor)
{
    *out_tensor = (maru_tensor){0};
    int width = 0;
    int height = 0;
    int channels = 0;
    if (bytes > INT_MAX)
        return maru_fail(MARU_UNSUPPORTED, "%s: a picture file of %zu bytes is too large", name, bytes);
    // Before anything is decoded, so that a small file cannot ask for a large picture.
    if (!bytes || !stbi_info_from_memory(data, (int)bytes, &width, &height, &channels))
        return maru_fail(MARU_DATA_LOSS, "%s is no PNG, JPEG, BMP or PNM picture that can be read", name);
    MARU_TRY(check_pixels(name, height, width));
    unsigned char *pixels = stbi_load_from_memory(data, (int)bytes, &width, &height, &channels, 0);
    if (!pixels)
        return maru_fail(MARU_DATA_LOSS, "%s cannot be decoded: %s", name, stbi_failure_reason());
    int64_t dims[3] = {height, width, channels};
    maru_status status = maru_tensor_create(MARU_U8, dims, 3, out_tensor);
    if (status == MARU_OK)
        memcpy(out_tensor->data, pixels, out_tensor->bytes);
    stbi_image_free(pixels);
    return status;
}

maru_status maru_image_read_file(const char *path, maru_tensor *out_tensor)
{
    *out_tensor = (maru_tensor){0};
    maru_os_map map;
    MARU_TRY(maru_os_map_file(path, &map));
    maru_status status = maru_image_parse(map.data, map.bytes, path, out_tensor);
    maru_os_unmap_file(&map);
    return status;
}

/* ---- writing ---- */

static void append_to_str(void *ctx, void *data, int size)
{
    maru_str_append_n(ctx, data, (size_t)size);
}

static maru_status check_picture(const maru_tensor *t, const char *name, int *out_channels)
{
    bool is_grey = t->rank == 2;
    if (t->dtype != MARU_U8 || (!is_grey && t->rank != 3))
        return maru_fail(MARU_INVALID_ARGUMENT,
                         "%s: a picture is written from u8 of rank 2 or 3 (height, width, channels), not %s of rank %u",
                         name, maru_dtype_name(t->dtype), (unsigned)t->rank);
    int64_t channels = is_grey ? 1 : t->dims[2];
    if (channels < 1 || channels > 4)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: a picture has 1 to 4 channels in its last dim, not %" PRId64, name,
                         channels);
    *out_channels = (int)channels;
    return check_pixels(name, t->dims[0], t->dims[1]);
}

maru_status maru_image_encode(const maru_tensor *tensor, maru_image_format format, const char *name, maru_str *out)
{
    int channels = 0;
    MARU_TRY(check_picture(tensor, name, &channels));
    int height = (int)tensor->dims[0];
    int width = (int)tensor->dims[1];
    int done = 0;
    switch (format) {
    case MARU_IMAGE_PNG:
        done = stbi_write_png_to_func(append_to_str, out, width, height, channels, tensor->data, width * channels);
        break;
    case MARU_IMAGE_JPEG:
        done = stbi_write_jpg_to_func(append_to_str, out, width, height, channels, tensor->data, JPEG_QUALITY);
        break;
    case MARU_IMAGE_BMP:
        done = stbi_write_bmp_to_func(append_to_str, out, width, height, channels, tensor->data);
        break;
    }
    if (!done)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "%s: a picture of %d x %d could not be encoded", name, width, height);
    return maru_str_check(out);
}

maru_status maru_image_write_file(const char *path, const maru_tensor *tensor, maru_image_format format)
{
    maru_str file = {0};
    maru_status status = maru_image_encode(tensor, format, path, &file);
    if (status == MARU_OK)
        status = maru_os_write_file(path, maru_str_get(&file), file.length);
    maru_str_fini(&file);
    return status;
}
