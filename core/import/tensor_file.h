// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_TENSOR_FILE_H
#define MARU_IMPORT_TENSOR_FILE_H

/*
 * One tensor in a file of any kind, known by its ending:
 *
 *     .npy                    NumPy array
 *     .pb                     ONNX TensorProto
 *     .json                   nested arrays of numbers or strings
 *     .txt                    strings, one a line
 *     .wav                    f32 (channels, frames); i16 is written as 16-bit
 *     .png .jpg .jpeg .bmp    u8 (height, width, channels)
 */

#include "import/file_value.h"

/* Rate of a .wav that is written from a value whose sample_rate is 0. */
enum { MARU_TENSOR_FILE_SAMPLE_RATE = 16000 };

/* `number_dtype` is what the numbers of a .json become; MARU_DTYPE_NONE lets them decide (see tensor_json.h). */
MARU_NODISCARD maru_status maru_tensor_file_read(const char *path, maru_dtype number_dtype,
                                                 maru_file_value *out_value);

/*
 * Whole or not at all. Leading dims of 1 beyond what the kind of file takes
 * are dropped, so that a batch of one picture or sound can be saved.
 */
MARU_NODISCARD maru_status maru_tensor_file_write(const char *path, const maru_file_value *value);

/* True if the ending is one of those above, in any case. */
bool maru_tensor_file_is_known(const char *path);

#endif
