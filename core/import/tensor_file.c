// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/file.h>

#include "base/dtype.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/os.h"
#include "import/audio.h"
#include "import/image.h"
#include "import/npy.h"
#include "import/strings.h"
#include "import/tensor_json.h"
#include "import/tensor_proto.h"

#include <stdlib.h>
#include <string.h>

static const size_t max_json_bytes = (size_t)1 << 30;

/* Rate of a .wav that is written from a value without one. */
enum { DEFAULT_SAMPLE_RATE = 16000 };

typedef enum file_kind {
    KIND_UNKNOWN,
    KIND_NPY,
    KIND_PB,
    KIND_JSON,
    KIND_TXT,
    KIND_WAV,
    KIND_PNG,
    KIND_JPEG,
    KIND_BMP,
} file_kind;

static const struct {
    const char *ending;
    file_kind kind;
} endings[] = {
    {".npy", KIND_NPY}, {".pb", KIND_PB},   {".json", KIND_JSON}, {".txt", KIND_TXT},  {".wav", KIND_WAV},
    {".png", KIND_PNG}, {".jpg", KIND_JPEG}, {".jpeg", KIND_JPEG}, {".bmp", KIND_BMP},
};

static bool has_ending(const char *path, const char *ending)
{
    size_t length = strlen(path);
    size_t ending_length = strlen(ending);
    if (length <= ending_length)
        return false;
    for (size_t i = 0; i < ending_length; i++) {
        char c = path[length - ending_length + i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != ending[i])
            return false;
    }
    return true;
}

static file_kind kind_of(const char *path)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (has_ending(path, endings[i].ending))
            return endings[i].kind;
    }
    return KIND_UNKNOWN;
}

bool maru_tensor_file_is_known(const char *path)
{
    return kind_of(path) != KIND_UNKNOWN;
}

static maru_status unknown_ending(const char *path)
{
    return maru_fail(MARU_UNSUPPORTED, "%s: a tensor's file ends in .npy, .pb, .json, .txt, .wav, .png, .jpg or .bmp",
                     path);
}

/* ---- reading ---- */

/* A line ends with LF or CR LF; what follows the last one is a line unless it is empty. */
static maru_status parse_lines(const char *text, size_t bytes, const char *path, maru_strings *out)
{
    const char *end = text + bytes;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        size_t length = (size_t)(line_end - text);
        if (newline && length && line_end[-1] == '\r')
            length--;
        MARU_TRY(maru_strings_add(out, text, length, path));
        text = newline ? newline + 1 : end;
    }
    maru_strings_set_list(out);
    return MARU_OK;
}

static maru_status read_lines(const char *path, maru_file_value *out)
{
    maru_os_map map;
    MARU_TRY(maru_os_map_file(path, &map));
    out->is_strings = true;
    maru_status status = parse_lines(map.data ? (const char *)map.data : "", map.bytes, path, &out->strings);
    maru_os_unmap_file(&map);
    return status;
}

static maru_status read_json(const char *path, maru_dtype number_dtype, maru_file_value *out)
{
    json_t *json = NULL;
    MARU_TRY(maru_json_read_file(path, max_json_bytes, &json));
    maru_status status = maru_tensor_json_convert(json, number_dtype, path, out);
    json_decref(json);
    return status;
}

static maru_status read_kind(const char *path, maru_dtype number_dtype, maru_file_value *out)
{
    switch (kind_of(path)) {
    case KIND_NPY: return maru_npy_read_file(path, &out->tensor);
    case KIND_PB: return maru_tensor_proto_read_file(path, out);
    case KIND_JSON: return read_json(path, number_dtype, out);
    case KIND_TXT: return read_lines(path, out);
    case KIND_WAV: return maru_wav_read_file(path, &out->tensor, &out->sample_rate);
    case KIND_PNG:
    case KIND_JPEG:
    case KIND_BMP: return maru_image_read_file(path, &out->tensor);
    case KIND_UNKNOWN: break;
    }
    return unknown_ending(path);
}

maru_status maru_tensor_file_read(const char *path, maru_dtype number_dtype, maru_file_value *out_value)
{
    *out_value = (maru_file_value){0};
    maru_status status = read_kind(path, number_dtype, out_value);
    if (status != MARU_OK)
        maru_file_value_fini(out_value);
    return status;
}

maru_status maru_tensor_file_parse(const void *data, size_t bytes, const char *name, maru_file_value *out_value)
{
    static const char riff[] = "RIFF";
    *out_value = (maru_file_value){0};
    const bool is_sound = bytes >= 4 && memcmp(data, riff, 4) == 0;
    const maru_status status = is_sound
        ? maru_wav_parse(data, bytes, name, &out_value->tensor, &out_value->sample_rate)
        : maru_image_parse(data, bytes, name, &out_value->tensor);
    if (status != MARU_OK)
        maru_file_value_fini(out_value);
    return status;
}

/* ---- writing ---- */

/* A view of the tensor without leading dims of 1 beyond `max_rank`. */
static maru_tensor squeeze(const maru_tensor *tensor, uint32_t max_rank)
{
    maru_tensor view = *tensor;
    view.owner = NULL;
    while (view.rank > max_rank && view.dims[0] == 1) {
        view.rank--;
        memmove(view.dims, view.dims + 1, view.rank * sizeof *view.dims);
    }
    return view;
}

static maru_status write_sound(const char *path, const maru_file_value *value)
{
    uint32_t rate = value->sample_rate ? value->sample_rate : DEFAULT_SAMPLE_RATE;
    maru_tensor view = squeeze(&value->tensor, 2);
    if (view.dtype != MARU_I16)
        return maru_wav_write_file(path, &view, rate, MARU_WAV_FLOAT_32);
    maru_tensor wide;
    MARU_TRY(maru_tensor_create(MARU_F32, view.dims, view.rank, &wide));
    for (size_t i = 0; i < view.bytes / sizeof(int16_t); i++)
        ((float *)wide.data)[i] = (float)maru_tensor_get_f64(&view, (int64_t)i) / 32768.0f;
    maru_status status = maru_wav_write_file(path, &wide, rate, MARU_WAV_PCM_16);
    maru_tensor_destroy(&wide);
    return status;
}

static maru_status write_picture(const char *path, const maru_tensor *tensor, maru_image_format format)
{
    maru_tensor view = squeeze(tensor, 3);
    return maru_image_write_file(path, &view, format);
}

static maru_status write_json(const char *path, const maru_file_value *value)
{
    maru_str text = {0};
    maru_status status = maru_tensor_json_format(value, path, &text);
    if (status == MARU_OK)
        status = maru_os_write_file(path, maru_str_get(&text), text.length);
    maru_str_fini(&text);
    return status;
}

static maru_status write_lines(const char *path, const maru_strings *strings)
{
    maru_str text = {0};
    for (size_t i = 0; i < strings->count; i++) {
        if (strchr(strings->items[i], '\n')) {
            maru_str_fini(&text);
            return maru_fail(MARU_UNSUPPORTED, "%s: string %zu has a line break in it", path, i);
        }
        maru_str_append(&text, strings->items[i]);
        maru_str_append(&text, "\n");
    }
    maru_status status = maru_str_check(&text);
    if (status == MARU_OK)
        status = maru_os_write_file(path, maru_str_get(&text), text.length);
    maru_str_fini(&text);
    return status;
}

maru_status maru_tensor_file_write(const char *path, const maru_file_value *value)
{
    file_kind kind = kind_of(path);
    bool takes_strings = kind == KIND_PB || kind == KIND_JSON || kind == KIND_TXT;
    if (kind == KIND_UNKNOWN)
        return unknown_ending(path);
    if (value->is_strings && !takes_strings)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: strings are written to .txt, .json or .pb", path);
    if (!value->is_strings && kind == KIND_TXT)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: a .txt file holds strings, not %s", path,
                         maru_dtype_name(value->tensor.dtype));
    switch (kind) {
    case KIND_NPY: return maru_npy_write_file(path, &value->tensor);
    case KIND_PB: return maru_tensor_proto_write_file(path, value);
    case KIND_JSON: return write_json(path, value);
    case KIND_TXT: return write_lines(path, &value->strings);
    case KIND_WAV: return write_sound(path, value);
    case KIND_PNG: return write_picture(path, &value->tensor, MARU_IMAGE_PNG);
    case KIND_JPEG: return write_picture(path, &value->tensor, MARU_IMAGE_JPEG);
    case KIND_BMP: return write_picture(path, &value->tensor, MARU_IMAGE_BMP);
    case KIND_UNKNOWN: break;
    }
    return unknown_ending(path);
}
