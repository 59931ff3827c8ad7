// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_MATMUL_H
#define CPU_REF_MATMUL_H

/* How the matrices of a batched product lie in its operands. */

#include "ref/ref.h"

/* y = a times b, as numpy.matmul has it. */
typedef struct cpu_matmul_dims {
    int64_t m, n, k;
    int64_t batches;
    uint32_t n_batch;  // leading dims of y
} cpu_matmul_dims;

cpu_matmul_dims cpu_read_matmul_dims(const cpu_tensor *a, const cpu_tensor *b, const cpu_tensor *y);
/* Where the matrix of batch `index` starts in an operand whose leading dims may be 1. */
int64_t cpu_batch_offset(const cpu_tensor *y, uint32_t n_batch, const cpu_tensor *t, int64_t index);
/*
 * Which element of a scale or zero point (one, one per row or column, or with
 * leading dims) serves row or column `at` of batch `index`. 0 without `t`.
 */
int64_t cpu_side_index(const cpu_tensor *y, uint32_t n_batch, const cpu_tensor *t, int64_t index, int64_t at);

#endif
