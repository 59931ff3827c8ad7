// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Reading an image between its pixels: GridSample, RoiAlign, DeformConv. */

#include "ref/window.h"

#include <math.h>
#include <string.h>

/* ---- GridSample ---- */

typedef struct sampler {
    const cpu_tensor *x;
    uint32_t n;          // spatial axes
    int aligns, is_cubic, is_nearest;
    char padding;        // 'z' zeros, 'b' border, 'r' reflection
    int64_t first[CPU_MAX_SPATIAL];       // the lowest pixel of each axis that counts
    double weight[CPU_MAX_SPATIAL][4];
} sampler;

/* Between low and high, mirrored at both as often as needed. */
static int64_t reflect(int64_t at, double low, double high)
{
    const double range = high - low;
    const double x = (double)at;
    if (range <= 0)
        return 0;
    if (x >= low && x <= high)
        return at;
    const double d = x < low ? low - x : x - high;
    const double times = floor(d / range);
    const double rest = d - times * range;
    const int from_low = (x < low) == (fmod(times, 2) == 0);
    return (int64_t)(from_low ? low + rest : high - rest);
}

/* -1: a zero of the padding. */
static int64_t pixel(const sampler *s, int64_t at, int64_t size)
{
    if (at >= 0 && at < size)
        return at;
    if (s->padding == 'z' || size == 0)
        return -1;
    if (s->padding == 'b')
        return at < 0 ? 0 : size - 1;
    const int64_t mirrored = s->aligns ? reflect(at, 0, (double)size - 1) : reflect(at, -0.5, (double)size - 0.5);
    return mirrored < 0 ? 0 : mirrored >= size ? size - 1 : mirrored;
}

/* Keys' kernel with a = -0.75 for a pixel at distance d. */
static double cubic(double d)
{
    const double a = -0.75;
    d = fabs(d);
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Which pixels of axis d count for position `at` in [-1, 1], and how much; a position that is no number counts as 0. */
static void locate(sampler *s, uint32_t d, double at)
{
    const double size = (double)s->x->dims[d + 2];
    double p = s->aligns ? (at + 1) / 2 * (size - 1) : ((at + 1) * size - 1) / 2;
    p = isnan(p) ? 0 : fmin(fmax(p, -1e15), 1e15);
    memset(s->weight[d], 0, sizeof s->weight[d]);
    if (s->is_nearest) {
        s->first[d] = (int64_t)nearbyint(p);
        s->weight[d][0] = 1;
        return;
    }
    const double low = floor(p);
    s->first[d] = (int64_t)low - (s->is_cubic ? 1 : 0);
    for (int i = 0; s->is_cubic && i < 4; i++)
        s->weight[d][i] = cubic(p - low + 1 - i);
    if (!s->is_cubic) {
        s->weight[d][0] = 1 - (p - low);
        s->weight[d][1] = p - low;
    }
}

static double sample(const sampler *s, int64_t plane)
{
    const int64_t taps = s->is_nearest ? 1 : s->is_cubic ? 4 : 2;
    int64_t dims[CPU_MAX_SPATIAL];
    int64_t k[CPU_MAX_SPATIAL] = {0};
    double sum = 0;
    for (uint32_t d = 0; d < s->n; d++)
        dims[d] = taps;
    do {
        double weight = 1;
        int64_t at = 0;
        for (uint32_t d = 0; d < s->n && at >= 0; d++) {
            const int64_t p = pixel(s, s->first[d] + k[d], s->x->dims[d + 2]);
            weight *= s->weight[d][k[d]];
            at = p < 0 ? -1 : at * s->x->dims[d + 2] + p;
        }
        if (at >= 0 && weight != 0)
            sum += weight * cpu_load(s->x, plane + at);
    } while (cpu_next(k, dims, s->n));
    return sum;
}

static void store_sample(cpu_tensor *y, int64_t at, double value)
{
    if (cpu_is_float(y->dtype))
        cpu_store(y, at, value);
    else
        cpu_store_int(y, at, (int64_t)value);
}

static maru_abi_status ref_grid_sample(cpu_call *c)
{
    const cpu_tensor *grid = &c->in[1];
    cpu_tensor *y = &c->out[0];
    const char *mode = cpu_attr_string(&c->attrs, "mode", "linear");
    sampler s = {.x = &c->in[0], .n = c->in[0].rank - 2, .aligns = cpu_attr_int(&c->attrs, "align_corners", 0) != 0};
    s.is_cubic = strcmp(mode, "cubic") == 0;
    s.is_nearest = strcmp(mode, "nearest") == 0;
    s.padding = *cpu_attr_string(&c->attrs, "padding_mode", "zeros");
    const int64_t in_size = cpu_box_size(s.x->dims + 2, s.n);
    const int64_t points = cpu_box_size(y->dims + 2, s.n);
    for (int64_t i = 0; i < y->dims[0] * points; i++) {
        const int64_t image = i / points;
        for (uint32_t d = 0; d < s.n; d++)
            locate(&s, d, cpu_load(grid, (i + 1) * s.n - 1 - d));
        for (int64_t channel = 0; channel < y->dims[1]; channel++) {
            const int64_t plane = image * y->dims[1] + channel;
            store_sample(y, plane * points + i % points, sample(&s, plane * in_size));
        }
    }
    return MARU_ABI_OK;
}

/* ---- RoiAlign ---- */

typedef struct roi {
    const cpu_tensor *x;
    double start[2], bin[2];  // y, x
    int64_t points[2];        // per bin
    int is_max;
} roi;

/* The two pixels and their weights along one axis; false: outside. */
static int between(double p, int64_t size, int64_t pixels[2], double weights[2])
{
    if (!(p >= -1 && p <= (double)size))
        return 0;
    p = p < 0 ? 0 : p;
    pixels[0] = (int64_t)p;
    pixels[1] = pixels[0] + 1;
    if (pixels[0] >= size - 1) {
        pixels[0] = pixels[1] = size - 1;
        p = (double)(size - 1);
    }
    weights[1] = p - (double)pixels[0];
    weights[0] = 1 - weights[1];
    return 1;
}

/* The sum of the four weighted pixels, or in max mode the largest of them. */
static double roi_point(const roi *r, int64_t plane, double y, double x)
{
    int64_t rows[2], columns[2];
    double down[2], right[2];
    if (!between(y, r->x->dims[2], rows, down) || !between(x, r->x->dims[3], columns, right))
        return 0;
    double sum = 0;
    double largest = -INFINITY;
    for (int i = 0; i < 4; i++) {
        const double part = down[i / 2] * right[i % 2] *
                            cpu_load(r->x, plane + rows[i / 2] * r->x->dims[3] + columns[i % 2]);
        sum += part;
        largest = fmax(largest, part);
    }
    return r->is_max ? largest : sum;
}

static double roi_bin(const roi *r, int64_t plane, int64_t row, int64_t column)
{
    double sum = 0;
    double largest = -INFINITY;
    const int64_t n = r->points[0] * r->points[1];
    for (int64_t i = 0; i < n; i++) {
        const double down = ((double)(i / r->points[1]) + 0.5) / (double)r->points[0];
        const double right = ((double)(i % r->points[1]) + 0.5) / (double)r->points[1];
        const double value = roi_point(r, plane, r->start[0] + ((double)row + down) * r->bin[0],
                                       r->start[1] + ((double)column + right) * r->bin[1]);
        sum += value;
        largest = fmax(largest, value);
    }
    if (n == 0)
        return 0;
    return r->is_max ? largest : sum / (double)n;
}

/* Larger than any image: a region with more points along an axis of a bin has wrong numbers. */
#define MOST_POINTS 4096

static maru_abi_status read_roi(cpu_call *c, int64_t index, roi *r)
{
    const double scale = cpu_attr_float(&c->attrs, "spatial_scale", 1);
    const int is_half = strcmp(cpu_attr_string(&c->attrs, "coordinate_transformation_mode", "half_pixel"),
                               "half_pixel") == 0;
    const int64_t ratio = cpu_attr_int(&c->attrs, "sampling_ratio", 0);
    for (int d = 0; d < 2; d++) {
        const double begin = cpu_load(&c->in[1], index * 4 + 1 - d) * scale - (is_half ? 0.5 : 0);
        double size = cpu_load(&c->in[1], index * 4 + 3 - d) * scale - (is_half ? 0.5 : 0) - begin;
        size = is_half ? size : fmax(size, 1);
        r->start[d] = begin;
        r->bin[d] = size / (double)c->out[0].dims[2 + d];
        const double points = ratio > 0 ? (double)ratio : fmax(ceil(r->bin[d]), 0);
        if (!(points <= MOST_POINTS))
            return cpu_bad_value(c, "region %lld needs %g points along a bin", (long long)index, points);
        r->points[d] = (int64_t)points;
    }
    return MARU_ABI_OK;
}

static maru_abi_status ref_roi_align(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    cpu_tensor *y = &c->out[0];
    roi r = {.x = x, .is_max = strcmp(cpu_attr_string(&c->attrs, "mode", "avg"), "max") == 0};
    int64_t at = 0;
    for (int64_t i = 0; i < y->dims[0]; i++) {
        const int64_t image = cpu_load_int(&c->in[2], i);
        if (image < 0 || image >= x->dims[0])
            return cpu_bad_value(c, "region %lld is of image %lld, there are %lld", (long long)i, (long long)image,
                                 (long long)x->dims[0]);
        const maru_abi_status status = read_roi(c, i, &r);
        if (status != MARU_ABI_OK)
            return status;
        for (int64_t channel = 0; channel < y->dims[1]; channel++) {
            const int64_t plane = (image * x->dims[1] + channel) * x->dims[2] * x->dims[3];
            for (int64_t bin = 0; bin < y->dims[2] * y->dims[3]; bin++)
                cpu_store(y, at++, roi_bin(&r, plane, bin / y->dims[3], bin % y->dims[3]));
        }
    }
    return MARU_ABI_OK;
}

/* ---- DeformConv: a convolution whose kernel positions are moved by `offset` and weighted by `mask` ---- */

typedef struct deform {
    cpu_call *c;
    cpu_window window;
    int64_t groups, offset_groups, kernel_size, in_size, out_size;
} deform;

/* Linear between pixels; those outside are 0. */
static double pixel_between(const cpu_tensor *x, int64_t plane, uint32_t n, const double *p)
{
    double sum = 0;
    for (uint32_t corner = 0; corner < 1u << n; corner++) {
        double weight = 1;
        int64_t at = 0;
        for (uint32_t d = 0; d < n; d++) {
            const double low = floor(p[d]);
            const int is_high = corner >> d & 1;
            const double pixel_at = low + is_high;
            weight *= is_high ? p[d] - low : 1 - (p[d] - low);
            if (!(pixel_at >= 0 && pixel_at < (double)x->dims[d + 2]))
                weight = 0;
            at = at * x->dims[d + 2] + (weight == 0 ? 0 : (int64_t)pixel_at);
        }
        if (weight != 0)
            sum += weight * cpu_load(x, plane + at);
    }
    return sum;
}

/* One weight of one input channel at one output position. */
static double deform_tap(const deform *v, int64_t image, int64_t channel, const int64_t *o, int64_t o_index,
                         const int64_t *k, int64_t k_index)
{
    const cpu_tensor *x = &v->c->in[0];
    const cpu_window *w = &v->window;
    const int64_t group = channel / (x->dims[1] / v->offset_groups);
    const int64_t first = (image * v->offset_groups + group) * v->kernel_size + k_index;
    double p[CPU_MAX_SPATIAL];
    for (uint32_t d = 0; d < w->n; d++) {
        const int64_t at = (first * w->n + d) * v->out_size + o_index;
        p[d] = (double)(o[d] * w->stride[d] + k[d] * w->dilation[d] - w->begin[d]) + cpu_load(&v->c->in[2], at);
    }
    const double mask = cpu_has(v->c, 4) ? cpu_load(&v->c->in[4], first * v->out_size + o_index) : 1;
    return mask * pixel_between(x, (image * x->dims[1] + channel) * v->in_size, w->n, p);
}

static double deform_at(const deform *v, int64_t image, int64_t to, const int64_t *o, int64_t o_index)
{
    const cpu_tensor *w = &v->c->in[1];
    const int64_t group = to / (w->dims[0] / v->groups);
    double sum = cpu_has(v->c, 3) ? cpu_load(&v->c->in[3], to) : 0;
    for (int64_t i = 0; i < w->dims[1]; i++) {
        int64_t k[CPU_MAX_SPATIAL] = {0};
        int64_t index = 0;
        do {
            sum += cpu_load(w, (to * w->dims[1] + i) * v->kernel_size + index) *
                   deform_tap(v, image, group * w->dims[1] + i, o, o_index, k, index);
            index++;
        } while (cpu_next(k, v->window.kernel, v->window.n));
    }
    return sum;
}

static maru_abi_status ref_deform_conv(cpu_call *c)
{
    cpu_tensor *y = &c->out[0];
    deform v = {.c = c, .groups = cpu_attr_int(&c->attrs, "group", 1)};
    v.offset_groups = cpu_attr_int(&c->attrs, "offset_group", 1);
    cpu_read_window(&c->attrs, &c->in[0], y, c->in[1].dims + 2, &v.window);
    v.kernel_size = cpu_box_size(c->in[1].dims + 2, v.window.n);
    v.in_size = cpu_box_size(c->in[0].dims + 2, v.window.n);
    v.out_size = cpu_box_size(y->dims + 2, v.window.n);
    for (int64_t plane = 0; v.out_size && plane < y->dims[0] * y->dims[1]; plane++) {
        int64_t o[CPU_MAX_SPATIAL] = {0};
        int64_t at = 0;
        do {
            cpu_store(y, plane * v.out_size + at, deform_at(&v, plane / y->dims[1], plane % y->dims[1], o, at));
            at++;
        } while (cpu_next(o, y->dims + 2, v.window.n));
    }
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_sample[] = {
    {"GridSample", "", 22, ref_grid_sample, "fiub f", 0},
    {"RoiAlign", "", 22, ref_roi_align, "f f iu", 0},
    {"DeformConv", "", 22, ref_deform_conv, "f", 0},
    {.name = NULL},
};
