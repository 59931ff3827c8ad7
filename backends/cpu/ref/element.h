// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_ELEMENT_H
#define CPU_REF_ELEMENT_H

/* Elements and positions beyond what ref.h says. */

#include "ref/ref.h"

#include <stddef.h>

/* Beyond the largest number: with `saturate` the largest, else infinity, or NaN in a format without. */
void cpu_store_f8(cpu_tensor *t, int64_t index, double value, int saturate);
int cpu_is_f8(uint32_t dtype);
/* A power of two: `mode` 'u' takes the next one up, 'd' down, 'n' the nearer. */
void cpu_store_e8m0(cpu_tensor *t, int64_t index, double value, char mode, int saturate);

int cpu_element_bits(uint32_t dtype);
/* Bytes of one element; 0 where several share one. */
size_t cpu_element_bytes(uint32_t dtype);
/* Any plain dtype, both the same. */
void cpu_copy_element(cpu_tensor *to, int64_t to_index, const cpu_tensor *from, int64_t from_index);
/* `count` elements in a row; the ranges may overlap. */
void cpu_copy_elements(cpu_tensor *to, int64_t to_index, const cpu_tensor *from, int64_t from_index, int64_t count);

/* From the double truncated towards zero; out of range and NaN give the nearest, or 0. */
int64_t cpu_truncate(double value);

/* An axis, negative from the end, of `rank`. */
static inline int64_t cpu_axis(int64_t axis, uint32_t rank)
{
    return axis < 0 ? axis + (int64_t)rank : axis;
}

/* Product of dims [from, to). */
static inline int64_t cpu_product(const cpu_tensor *t, uint32_t from, uint32_t to)
{
    int64_t n = 1;
    for (uint32_t d = from; d < to && d < t->rank; d++)
        n *= t->dims[d];
    return n;
}

/* Elements between neighbours along each axis. */
static inline void cpu_strides(const cpu_tensor *t, int64_t *out_strides)
{
    int64_t n = 1;
    for (uint32_t d = t->rank; d-- > 0;) {
        out_strides[d] = n;
        n *= t->dims[d];
    }
}

/* The position of element `index`. */
static inline void cpu_position(const cpu_tensor *t, int64_t index, int64_t *out_position)
{
    for (uint32_t d = t->rank; d-- > 0;) {
        out_position[d] = index % t->dims[d];
        index /= t->dims[d];
    }
}

/* Elements of an input of small integers; at most `room`. */
int64_t cpu_read_ints(const cpu_tensor *t, int64_t *out, int64_t room);

#endif
