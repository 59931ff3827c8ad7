// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_IMAGE_H
#define MARU_IMPORT_IMAGE_H

/*
 * Pictures: PNG, JPEG and BMP in, PNG, JPEG and BMP out. A picture is a u8
 * tensor (height, width, channels) with 1 channel for grey, 2 for grey and
 * alpha, 3 for RGB, 4 for RGBA. Sixteen bits a channel become eight. What a
 * JPEG says about its orientation is not applied.
 */

#include "base/str.h"

#include <maru/tensor.h>

/* The most pixels that a picture may have, read or written. */
enum { MARU_IMAGE_MAX_PIXELS = 64 * 1024 * 1024 };

typedef enum maru_image_format {
    MARU_IMAGE_PNG = 0,
    MARU_IMAGE_JPEG = 1,  // quality 95; alpha is dropped
    MARU_IMAGE_BMP = 2,   // always RGB
} maru_image_format;

/* The format is found from the content. The tensor owns its data. */
MARU_NODISCARD maru_status maru_image_parse(const void *data, size_t bytes, const char *name, maru_tensor *out_tensor);
MARU_NODISCARD maru_status maru_image_read_file(const char *path, maru_tensor *out_tensor);

/* `tensor` is u8, (height, width) or (height, width, 1 to 4). Appends the file's bytes to `out`. */
MARU_NODISCARD maru_status maru_image_encode(const maru_tensor *tensor, maru_image_format format, const char *name,
                                             maru_str *out);
MARU_NODISCARD maru_status maru_image_write_file(const char *path, const maru_tensor *tensor, maru_image_format format);

#endif
