// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_NPY_H
#define MARU_IMPORT_NPY_H

/*
 * NumPy's .npy files, versions 1 to 3: one array of floats, integers or
 * truth values, little-endian. An array in Fortran order is transposed while
 * it is read, so that the tensor is row-major as all are.
 */

#include "base/str.h"

#include <maru/tensor.h>

/*
 * Reads an array into a tensor that owns its data. DATA_LOSS for a damaged
 * file (bytes after the array count as damage), UNSUPPORTED for a descr that
 * is no dtype of ours (big-endian, complex, strings, records).
 */
MARU_NODISCARD maru_status maru_npy_parse(const void *data, size_t bytes, const char *name, maru_tensor *out_tensor);
MARU_NODISCARD maru_status maru_npy_read_file(const char *path, maru_tensor *out_tensor);

/* Appends the file's bytes to `out`. UNSUPPORTED for what NumPy lacks: bf16, 8-bit floats, 4-bit and block formats. */
MARU_NODISCARD maru_status maru_npy_format(const maru_tensor *tensor, const char *name, maru_str *out);
MARU_NODISCARD maru_status maru_npy_write_file(const char *path, const maru_tensor *tensor);

#endif
