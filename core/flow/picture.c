// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* ImageDecoder: the size of a picture is in its bytes. */

#include "flow/flow_impl.h"

#include <string.h>

#include "base/fail.h"

/* ITU-R BT.601, as image libraries turn colour into grey. */
static uint8_t grey_of(const uint8_t *rgb)
{
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

static maru_status convert(const maru_tensor *from, bool is_grey, bool is_bgr, maru_file_value *out)
{
    const int64_t dims[] = {from->dims[0], from->dims[1], is_grey ? 1 : 3};
    const int64_t channels = from->dims[2];
    const int64_t n = from->dims[0] * from->dims[1];
    const uint8_t *in = from->data;
    MARU_TRY(maru_tensor_create(MARU_U8, dims, 3, &out->tensor));
    uint8_t *to = out->tensor.data;
    for (int64_t i = 0; i < n; i++, in += channels) {
        const uint8_t rgb[3] = {in[0], in[channels > 2 ? 1 : 0], in[channels > 2 ? 2 : 0]};
        if (is_grey)
            *to++ = channels > 2 ? grey_of(rgb) : in[0];
        for (int c = 0; !is_grey && c < 3; c++)
            *to++ = rgb[is_bgr ? 2 - c : c];
    }
    return MARU_OK;
}

static maru_status run(flow_node *n)
{
    const maru_tensor *bytes = NULL;
    maru_file_value picture = {0};
    maru_file_value out = {0};
    const bool is_grey = onnx_attr_is(&n->attrs, "pixel_format", "Grayscale", "RGB");
    const bool is_bgr = onnx_attr_is(&n->attrs, "pixel_format", "BGR", "RGB");
    MARU_TRY(flow_need_tensor(n, 0, &bytes));
    if (bytes->dtype != MARU_U8 || bytes->rank != 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "its input must be the bytes of a file, it is %s of rank %u",
                         maru_dtype_name(bytes->dtype), bytes->rank);
    maru_status status = maru_tensor_file_parse(bytes->data, bytes->bytes, "the picture", &picture);
    if (status == MARU_OK && (picture.is_strings || picture.tensor.dtype != MARU_U8 || picture.tensor.rank != 3))
        status = maru_fail(MARU_UNSUPPORTED, "its input is no picture");
    if (status == MARU_OK)
        status = convert(&picture.tensor, is_grey, is_bgr, &out);
    maru_file_value_fini(&picture);
    return status == MARU_OK ? maru_item_take(&out, &n->outputs[0]) : status;
}

const flow_host_op flow_picture_ops[] = {
    {"", "ImageDecoder", run},
    {0},
};
