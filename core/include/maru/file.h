// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_FILE_H
#define MARU_FILE_H

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

#include <maru/attr.h>
#include <maru/status.h>
#include <maru/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor of strings, which a maru_tensor cannot hold. {0} is an empty list. */
typedef struct maru_strings {
    char **items;      // NUL-terminated, owned, row-major; no NUL within
    size_t count;      // product of dims
    size_t capacity;
    int64_t dims[MARU_MAX_RANK];
    uint32_t rank;
} maru_strings;

/* What a file of one tensor holds: numbers or strings, and what else it says. {0} is empty. */
typedef struct maru_file_value {
    bool is_strings;       // which of the two it is
    maru_tensor tensor;
    maru_strings strings;
    char *name;            // the tensor's name in the file (.pb), or NULL
    uint32_t sample_rate;  // of sound (.wav), or 0
} maru_file_value;

/* Frees everything; {0} afterwards. */
MARU_API void maru_file_value_fini(maru_file_value *value);

/* `number_dtype` is what the numbers of a .json become; MARU_DTYPE_NONE lets them decide. */
MARU_API MARU_NODISCARD maru_status maru_tensor_file_read(const char *path, maru_dtype number_dtype,
                                                          maru_file_value *out_value);
/*
 * The bytes of a picture (.png, .jpg, .bmp) or of sound (.wav, which then has a sample_rate), known by their content.
 * `name` is for messages.
 */
MARU_API MARU_NODISCARD maru_status maru_tensor_file_parse(const void *data, size_t bytes, const char *name,
                                                           maru_file_value *out_value);
/* The text of a .json file: for values on a command line. `name` is for messages. */
MARU_API MARU_NODISCARD maru_status maru_tensor_json_parse(const char *text, size_t bytes, const char *name,
                                                           maru_dtype number_dtype, maru_file_value *out_value);
/*
 * Whole or not at all. Leading dims of 1 beyond what the kind of file takes
 * are dropped, so that a batch of one picture or sound can be saved. A .wav
 * whose sample_rate is 0 gets 16000.
 */
MARU_API MARU_NODISCARD maru_status maru_tensor_file_write(const char *path, const maru_file_value *value);
/* True if the ending is one of those above, in any case. */
MARU_API bool maru_tensor_file_is_known(const char *path);

#ifdef __cplusplus
}
#endif

#endif
