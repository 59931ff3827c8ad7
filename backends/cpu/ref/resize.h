// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_RESIZE_H
#define CPU_REF_RESIZE_H

/* What a Resize asks for, and which elements of each axis make one element of its result. */

#include "ref/ref.h"

enum { CPU_RESIZE_NEAREST, CPU_RESIZE_LINEAR, CPU_RESIZE_CUBIC };

typedef struct cpu_resize_scale {
    int is_resized;
    double scale;
    double roi_start;
    double roi_end;
} cpu_resize_scale;

typedef struct cpu_resize {
    const cpu_tensor *in;
    const cpu_tensor *out;
    int64_t strides[CPU_MAX_RANK];
    cpu_resize_scale axes[CPU_MAX_RANK];
    int mode;          // CPU_RESIZE_*
    int is_antialias;
    int is_exclusive;  // exclude_outside
    double cubic_a;
    double extrapolation;
    int coordinates;   // resize.c
    int nearest;
} cpu_resize;

/* Attributes, and the data of the operands; the call must outlive *r. */
maru_abi_status cpu_resize_read(cpu_call *c, cpu_resize *r);

/* Elements of one axis that make one of the result, but where an axis is made smaller with antialias. */
int64_t cpu_resize_taps(int mode);

/*
 * For axis `d`, without antialias, tap k of place i at [k * n + i], n the length of the result: where it is (-1: the
 * place is extrapolated; all its taps are) and its weight. Both have room for taps * n. The input has elements.
 */
void cpu_resize_tabulate(const cpu_resize *r, uint32_t d, int32_t *at, float *weights);

/* Whether places of axis `d` are those of the input. */
int cpu_resize_keeps(const cpu_resize *r, uint32_t d);

#endif
