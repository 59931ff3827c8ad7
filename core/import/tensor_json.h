// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_TENSOR_JSON_H
#define MARU_IMPORT_TENSOR_JSON_H

/* Tensors as nested JSON arrays, row-major: [[1, 2], [3, 4]] is (2, 2), 5 is a scalar. */

#include "base/json.h"
#include "base/str.h"

#include <maru/file.h>

/*
 * Numbers, truth values or strings, not mixed. Numbers become `number_dtype`;
 * where that is MARU_DTYPE_NONE, i64 if none has a fraction or exponent, else
 * f32. Fails on rows of different lengths, on a rank above 8, and on a number
 * that the dtype cannot hold. `name` is for messages.
 */
MARU_NODISCARD maru_status maru_tensor_json_convert(const json_t *value, maru_dtype number_dtype, const char *name,
                                                    maru_file_value *out_value);

/* Appends the value as JSON. UNSUPPORTED for NaN, infinities and block formats; strings must be UTF-8. */
MARU_NODISCARD maru_status maru_tensor_json_format(const maru_file_value *value, const char *name, maru_str *out);

#endif
