// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TENSOR_H
#define MARU_TENSOR_H

/*
 * Dtypes and dense tensors in host memory: what goes into a session and what
 * comes out. Row-major, little-endian, no strides.
 */

#include <maru/attr.h>
#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MARU_MAX_RANK 8

/*
 * Numbers are shared with the plugin ABI and are never reused. 1 to 26 are
 * the numbers of ONNX's TensorProto.DataType where it has the type.
 */
typedef enum maru_dtype {
    MARU_DTYPE_NONE = 0,
    MARU_F32 = 1,
    MARU_U8 = 2,
    MARU_I8 = 3,
    MARU_U16 = 4,
    MARU_I16 = 5,
    MARU_I32 = 6,
    MARU_I64 = 7,
    MARU_STRING = 8,
    MARU_BOOL = 9,  // one byte, 0 or 1
    MARU_F16 = 10,
    MARU_F64 = 11,
    MARU_U32 = 12,
    MARU_U64 = 13,
    MARU_BF16 = 16,
    MARU_F8E4M3FN = 17,
    MARU_F8E4M3FNUZ = 18,
    MARU_F8E5M2 = 19,
    MARU_F8E5M2FNUZ = 20,
    MARU_U4 = 21,  // two a byte, low nibble first
    MARU_I4 = 22,
    MARU_F4E2M1 = 23,  // two a byte; no infinity, no NaN
    MARU_F8E8M0 = 24,  // a power of two: the scales of MX formats
    MARU_U2 = 25,      // four a byte, lowest bits first
    MARU_I2 = 26,
    // block-quantised formats, as GGUF stores them; blocks run along the last dim
    MARU_Q4_0 = 64,
    MARU_Q4_1 = 65,
    MARU_Q5_0 = 66,
    MARU_Q5_1 = 67,
    MARU_Q8_0 = 68,
    MARU_Q2_K = 69,
    MARU_Q3_K = 70,
    MARU_Q4_K = 71,
    MARU_Q5_K = 72,
    MARU_Q6_K = 73,
    MARU_MXFP4 = 74,
} maru_dtype;

typedef enum maru_dtype_class {
    MARU_CLASS_FLOAT = 0,
    MARU_CLASS_INT = 1,
    MARU_CLASS_UINT = 2,
    MARU_CLASS_BOOL = 3,
    MARU_CLASS_STRING = 4,
    MARU_CLASS_BLOCK = 5,
} maru_dtype_class;

typedef struct maru_dtype_info {
    maru_dtype id;
    const char *name;          // "f32", "q4_k": the text form's spelling
    maru_dtype_class kind;
    uint32_t block_elements;   // 1 for plain dtypes; 2 and 4 for those of 4 and 2 bits
    uint32_t block_bytes;
} maru_dtype_info;

/* NULL for an id this build has not heard of. */
MARU_API const maru_dtype_info *maru_dtype_get_info(maru_dtype dtype);
/* "f32"; "?" for an unknown id. */
MARU_API const char *maru_dtype_name(maru_dtype dtype);
/* MARU_DTYPE_NONE if no dtype has that name. */
MARU_API maru_dtype maru_dtype_from_name(const char *name);

/* A tensor that owns its data or borrows the caller's. Plain data: read the fields, do not write them. */
typedef struct maru_tensor {
    maru_dtype dtype;
    uint32_t rank;
    int64_t dims[MARU_MAX_RANK];
    size_t bytes;
    void *data;        // 64-byte aligned when owned
    void *owner;       // NULL when `data` is borrowed
} maru_tensor;

/* Allocates zeroed data of `dims`. Fails on rank > 8, a negative dim, an overflow, or MARU_STRING. */
MARU_API MARU_NODISCARD maru_status maru_tensor_create(maru_dtype dtype, const int64_t *dims, uint32_t rank,
                                                       maru_tensor *out_tensor);
/* Wraps `bytes` at `data`, which must outlive the tensor and be exactly the size of `dims`. */
MARU_API MARU_NODISCARD maru_status maru_tensor_wrap(maru_dtype dtype, const int64_t *dims, uint32_t rank, void *data,
                                                     size_t bytes, maru_tensor *out_tensor);
/* Frees owned data; {0} afterwards. Destroying a {0} tensor is fine. */
MARU_API void maru_tensor_destroy(maru_tensor *tensor);
/* Product of the dims. */
MARU_API int64_t maru_tensor_count(const maru_tensor *tensor);
/* Element `index` of a dense non-block tensor as a double, and back. The index is not checked. */
MARU_API double maru_tensor_get_f64(const maru_tensor *tensor, int64_t index);
MARU_API void maru_tensor_set_f64(maru_tensor *tensor, int64_t index, double value);

#ifdef __cplusplus
}
#endif

#endif
