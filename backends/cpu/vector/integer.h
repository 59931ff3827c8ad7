// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_VECTOR_INTEGER_H
#define CPU_VECTOR_INTEGER_H

/*
 * What remains to be done around products of bytes that somebody else makes:
 * u8 rows times s8 columns, without zero points. Arithmetic wraps as int32's.
 */

#include "cpu.h"

/*
 * From sums of raw bytes to the result. Of zero points za of a row and zb of
 * a column, the sum of (a - za)(b - zb) over k is the raw sum, less za times
 * the column's sum, less zb times what is left of the row: its sum less k za.
 */
typedef struct cpu_integer_end {
    int64_t n;                // columns
    const uint32_t *sums;     // (rows, n)
    const uint32_t *offset;   // [n], added: a bias, and the zero point that all rows have
    const uint32_t *a_zero;   // [rows], where each has its own; else NULL
    const uint32_t *columns;  // [n], sums of columns; with a_zero
    const uint32_t *b_zero;   // [n]; NULL: all are 0
    const uint32_t *rest;     // (rows, groups), what is left of a row for a group of columns; with b_zero
    int64_t groups;
    const float *scale;       // [n], steps of the result; NULL: it is int32
    const float *row_scale;   // [rows], times scale; NULL: 1
    float low, high;          // of the steps, before the zero point is added
    int32_t zero;
    void *y;                  // (rows, n) of int32, which may be `sums`, or of bytes
} cpu_integer_end;

#define CPU_INTEGER_FUNCTIONS(name)                                                                         \
    void cpu_integer_finish_##name(const cpu_integer_end *e, int64_t rows, const cpu_team *team);           \
    /* s8 as u8 that is 128 more, and back. `out` may be `x`. */                                            \
    void cpu_flip_bytes_##name(const uint8_t *x, int64_t n, uint8_t *out);                                  \
    uint32_t cpu_sum_bytes_##name(const uint8_t *x, int64_t n, int is_signed);                              \
    /* Of a matrix (rows, n). */                                                                            \
    void cpu_sum_columns_##name(const uint8_t *x, int64_t rows, int64_t n, int is_signed, uint32_t *out);

CPU_INTEGER_FUNCTIONS(base)
CPU_INTEGER_FUNCTIONS(avx2)
CPU_INTEGER_FUNCTIONS(avx512)

#endif
