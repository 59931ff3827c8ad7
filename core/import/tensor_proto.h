// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_TENSOR_PROTO_H
#define MARU_IMPORT_TENSOR_PROTO_H

/* ONNX TensorProto: the .pb files of ONNX's tests, and the constants of its models. */

#include "base/str.h"

#include <maru/file.h>

struct Maru__Onnx__TensorProto;

/*
 * Reads one serialised TensorProto. DATA_LOSS for a damaged message or one
 * with too few or too many values for its dims, UNSUPPORTED for data types we
 * lack and for data that lies in another file.
 */
MARU_NODISCARD maru_status maru_tensor_proto_parse(const void *data, size_t bytes, const char *name,
                                                   maru_file_value *out_value);
MARU_NODISCARD maru_status maru_tensor_proto_read_file(const char *path, maru_file_value *out_value);

/* As parse, from a message that is unpacked already; everything is copied. */
MARU_NODISCARD maru_status maru_tensor_proto_convert(const struct Maru__Onnx__TensorProto *proto, const char *name,
                                                     maru_file_value *out_value);

/* Appends the message to `out`; block formats are UNSUPPORTED. */
MARU_NODISCARD maru_status maru_tensor_proto_format(const maru_file_value *value, const char *name, maru_str *out);
MARU_NODISCARD maru_status maru_tensor_proto_write_file(const char *path, const maru_file_value *value);

#endif
