// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_DTYPE_H
#define MARU_BASE_DTYPE_H

/*
 * Sizes of tensors whose dtype comes from outside: overflow-checked. The table
 * of dtypes itself is public (maru/tensor.h).
 */

#include <maru/tensor.h>

/*
 * Bytes of a dense row-major tensor. Block formats need a last dim that their
 * block divides; dtypes of 4 and 2 bits are packed over the whole tensor, and
 * the last byte may have bits that nothing uses. Fails on a negative dim, an overflow,
 * an unknown dtype or MARU_STRING.
 */
MARU_NODISCARD maru_status maru_dtype_tensor_bytes(maru_dtype dtype, const int64_t *dims, size_t rank,
                                                   size_t *out_bytes);
/* Product of dims, 0 if any is 0, 1 for rank 0; fails on a negative dim or overflow. */
MARU_NODISCARD maru_status maru_dims_count(const int64_t *dims, size_t rank, int64_t *out_count);
/*
 * One element of a dense non-block, non-string dtype as double or int64 (bool
 * as 0 or 1), and back; index in elements, not checked; no alignment needed.
 * A double goes into an integer towards zero, and to the nearest end of the
 * range when it does not fit (NaN: 0); into a float rounded once to nearest
 * even, 8-bit floats saturating. An int64 goes into a narrower integer modulo
 * its range; a u64 beyond INT64_MAX is loaded as the int64 of the same bits.
 */
double maru_dtype_load_f64(maru_dtype dtype, const void *data, int64_t index);
void maru_dtype_store_f64(maru_dtype dtype, void *data, int64_t index, double value);
int64_t maru_dtype_load_i64(maru_dtype dtype, const void *data, int64_t index);
void maru_dtype_store_i64(maru_dtype dtype, void *data, int64_t index, int64_t value);

#endif
