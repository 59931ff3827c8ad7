// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/window.h"

#include <string.h>

int cpu_next(int64_t *at, const int64_t *dims, uint32_t n)
{
    for (uint32_t d = n; d-- > 0;) {
        if (++at[d] < dims[d])
            return 1;
        at[d] = 0;
    }
    return 0;
}

int64_t cpu_box_size(const int64_t *dims, uint32_t n)
{
    int64_t product = 1;
    for (uint32_t d = 0; d < n; d++)
        product *= dims[d];
    return product;
}

int64_t cpu_window_at(const cpu_window *w, const int64_t *in_dims, const int64_t *o, const int64_t *k)
{
    int64_t at = 0;
    for (uint32_t d = 0; d < w->n; d++) {
        const int64_t p = o[d] * w->stride[d] + k[d] * w->dilation[d] - w->begin[d];
        if (p < 0 || p >= in_dims[d])
            return -1;
        at = at * in_dims[d] + p;
    }
    return at;
}

static void read_list(const cpu_attrs *attrs, const char *name, uint32_t n, int64_t fallback, int64_t *out)
{
    uint32_t given = 0;
    const int64_t *list = cpu_attr_ints(attrs, name, &given);
    for (uint32_t i = 0; i < n; i++)
        out[i] = list && i < given ? list[i] : fallback;
}

/* SAME: pad so that the output has ceil(in / stride) positions; the odd element goes after (UPPER) or before. */
static void pad_same(const cpu_tensor *x, const cpu_tensor *y, int is_lower, cpu_window *w)
{
    for (uint32_t d = 0; d < w->n; d++) {
        const int64_t extent = (w->kernel[d] - 1) * w->dilation[d] + 1;
        int64_t total = (y->dims[d + 2] - 1) * w->stride[d] + extent - x->dims[d + 2];
        total = total < 0 ? 0 : total;
        w->begin[d] = is_lower ? total - total / 2 : total / 2;
        w->end[d] = total - w->begin[d];
    }
}

void cpu_read_window(const cpu_attrs *attrs, const cpu_tensor *x, const cpu_tensor *y, const int64_t *kernel,
                     cpu_window *out)
{
    int64_t pads[2 * CPU_MAX_SPATIAL];
    *out = (cpu_window){.n = x->rank - 2};
    if (kernel)
        memcpy(out->kernel, kernel, out->n * sizeof *kernel);
    else
        read_list(attrs, "kernel_shape", out->n, 1, out->kernel);
    read_list(attrs, "strides", out->n, 1, out->stride);
    read_list(attrs, "dilations", out->n, 1, out->dilation);
    read_list(attrs, "pads", 2 * out->n, 0, pads);
    const char *mode = cpu_attr_string(attrs, "auto_pad", "NOTSET");
    if (strncmp(mode, "SAME", 4) == 0) {
        pad_same(x, y, strcmp(mode, "SAME_LOWER") == 0, out);
        return;
    }
    for (uint32_t d = 0; d < out->n && strcmp(mode, "VALID") != 0; d++) {
        out->begin[d] = pads[d];
        out->end[d] = pads[d + out->n];
    }
}

void cpu_transposed_padding(const cpu_attrs *attrs, const cpu_tensor *x, const cpu_tensor *y, cpu_window *w)
{
    uint32_t n = 0;
    const int64_t *extra = cpu_attr_ints(attrs, "output_padding", &n);
    const char *mode = cpu_attr_string(attrs, "auto_pad", "NOTSET");
    const int is_same = strncmp(mode, "SAME", 4) == 0;
    if (!is_same && !cpu_attr_has(attrs, "output_shape"))
        return;
    for (uint32_t d = 0; d < w->n; d++) {
        const int64_t extent = (w->kernel[d] - 1) * w->dilation[d] + 1;
        const int64_t needed = w->stride[d] * (x->dims[d + 2] - 1) + (extra && d < n ? extra[d] : 0) + extent;
        const int64_t total = needed > y->dims[d + 2] ? needed - y->dims[d + 2] : 0; // else the end is larger
        w->begin[d] = strcmp(mode, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
    }
}
