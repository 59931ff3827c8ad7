// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_DTYPE_H
#define MARU_BASE_DTYPE_H

/* Sizes of tensors whose dtype comes from outside: overflow-checked. The table of dtypes itself is public (maru/tensor.h). */

#include <maru/tensor.h>

/* Bytes of a dense row-major tensor; blocks must divide the last dim. Fails on a negative dim, overflow or unknown dtype. */
MARU_NODISCARD maru_status maru_dtype_tensor_bytes(maru_dtype dtype, const int64_t *dims, size_t rank, size_t *out_bytes);
/* Product of dims; fails on a negative dim or overflow. */
MARU_NODISCARD maru_status maru_dims_count(const int64_t *dims, size_t rank, int64_t *out_count);
/* One element of a dense non-block dtype as double or int64 (bool as 0 or 1), and back; index in elements. */
double maru_dtype_load_f64(maru_dtype dtype, const void *data, int64_t index);
void maru_dtype_store_f64(maru_dtype dtype, void *data, int64_t index, double value);
int64_t maru_dtype_load_i64(maru_dtype dtype, const void *data, int64_t index);
void maru_dtype_store_i64(maru_dtype dtype, void *data, int64_t index, int64_t value);

#endif
