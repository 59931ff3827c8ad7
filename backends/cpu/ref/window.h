// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_WINDOW_H
#define CPU_REF_WINDOW_H

/* Kernel, stride, dilation and padding of convolutions and pools, from their attributes. */

#include "ref/ref.h"

#define CPU_MAX_SPATIAL (CPU_MAX_RANK - 2)

typedef struct cpu_window {
    uint32_t n;  // spatial axes
    int64_t kernel[CPU_MAX_SPATIAL];
    int64_t stride[CPU_MAX_SPATIAL];
    int64_t dilation[CPU_MAX_SPATIAL];
    int64_t begin[CPU_MAX_SPATIAL];  // padding before; what is after follows from the output's dims
    int64_t end[CPU_MAX_SPATIAL];    // padding after, as given or made by auto_pad
} cpu_window;

/* `kernel` are the weights' spatial dims, or NULL to read kernel_shape. x and y are (batch, channels, spatial...). */
void cpu_read_window(const cpu_attrs *attrs, const cpu_tensor *x, const cpu_tensor *y, const int64_t *kernel,
                     cpu_window *out);

/*
 * Of ConvTranspose, after cpu_read_window: the padding before each axis as it
 * is given, or from output_shape and auto_pad as the specification splits it.
 */
void cpu_transposed_padding(const cpu_attrs *attrs, const cpu_tensor *x, const cpu_tensor *y, cpu_window *w);

/* Where the input lies for output position `o` and kernel position `k`; -1 in the padding. */
int64_t cpu_window_at(const cpu_window *w, const int64_t *in_dims, const int64_t *o, const int64_t *k);

/* Steps through a box of `n` dims, last fastest; false when it is at its end. `at` starts as zeros. */
int cpu_next(int64_t *at, const int64_t *dims, uint32_t n);
int64_t cpu_box_size(const int64_t *dims, uint32_t n);

#endif
