// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Resize: every output element is a weighted sum of input elements, the weights a product of one per axis. */

#include "ref/resize.h"

#include <math.h>
#include <string.h>

#include "ref/data.h"

/* ---- one axis ---------------------------------------------------------------------------- */

enum {
    HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_CROP_AND_RESIZE,
    PYTORCH_HALF_PIXEL,
    TF_HALF_PIXEL_FOR_NN,
    HALF_PIXEL_SYMMETRIC
};
enum { ROUND_PREFER_FLOOR, FLOOR, CEIL, ROUND_PREFER_CEIL };

static const char *const coordinates[] = {"half_pixel",           "align_corners",        "asymmetric",
                                          "tf_crop_and_resize",   "pytorch_half_pixel",   "tf_half_pixel_for_nn",
                                          "half_pixel_symmetric", NULL};
static const char *const roundings[] = {"round_prefer_floor", "floor", "ceil", "round_prefer_ceil", NULL};

static int is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* The first if it is none of them. */
static int place_of(const char *name, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (is(name, names[i]))
            return i;
    return 0;
}

/* Where place `x` of the output stands on the input's axis. */
static double original(const cpu_resize *r, uint32_t d, int64_t x)
{
    const cpu_resize_scale *a = &r->axes[d];
    double length = (double)r->in->dims[d];
    double wanted = a->scale * length; // as the scale says, which may not be whole
    double at = (double)x;
    if (r->coordinates == ALIGN_CORNERS)
        return wanted == 1 ? 0 : at * (length - 1) / (wanted - 1);
    if (r->coordinates == ASYMMETRIC)
        return at / a->scale;
    if (r->coordinates == TF_CROP_AND_RESIZE) {
        double extent = (a->roi_end - a->roi_start) * (length - 1);
        return a->roi_start * (length - 1) + (wanted == 1 ? extent / 2 : at * extent / (wanted - 1));
    }
    if (r->coordinates == PYTORCH_HALF_PIXEL && wanted == 1)
        return -0.5;
    if (r->coordinates == TF_HALF_PIXEL_FOR_NN)
        return (at + 0.5) / a->scale;
    double half = (at + 0.5) / a->scale - 0.5;
    if (r->coordinates == HALF_PIXEL_SYMMETRIC)
        return length / 2 * (1 - (double)r->out->dims[d] / wanted) + half;
    return half;
}

static double kernel(const cpu_resize *r, double x)
{
    double a = r->cubic_a;
    x = fabs(x);
    if (r->mode == CPU_RESIZE_LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/*
 * The taps of one place: at `left` + i for i in [first, last], where `ratio`
 * in (0, 1] is how far behind `left` the place is. The left one is preferred
 * where the place is an element.
 */
typedef struct taps {
    int64_t left;
    double ratio;
    double narrowing;  // of the kernel, for antialias
    int64_t first;
    int64_t last;
    double sum;        // of the weights that count
} taps;

static double weight(const cpu_resize *r, const taps *t, uint32_t d, int64_t i)
{
    int64_t at = t->left + i;
    if (r->is_exclusive && (at < 0 || at >= r->in->dims[d]))
        return 0;
    return kernel(r, ((double)i - t->ratio) * t->narrowing) / t->sum;
}

static taps taps_of(const cpu_resize *r, uint32_t d, double x)
{
    double floor_x = floor(x);
    taps t = {.left = (int64_t)floor_x - (floor_x == x), .narrowing = 1, .sum = 1};
    t.ratio = floor_x == x ? 1 : x - floor_x;
    if (r->is_antialias && r->axes[d].scale < 1)
        t.narrowing = r->axes[d].scale;
    t.first = (int64_t)floor((r->mode == CPU_RESIZE_LINEAR ? -1 : -2) / t.narrowing) + 1;
    t.last = 1 - t.first;
    if (r->is_antialias || r->is_exclusive) {
        double sum = 0;
        for (int64_t i = t.first; i <= t.last; i++)
            sum += weight(r, &t, d, i);
        t.sum = sum;
    }
    return t;
}

static int64_t clamp_to(int64_t at, int64_t n)
{
    return at < 0 ? 0 : at >= n ? n - 1 : at;
}

static int64_t nearest(const cpu_resize *r, double x)
{
    double low = floor(x);
    double ratio = x - low;
    int goes_up;
    if (r->nearest == FLOOR)
        goes_up = 0;
    else if (r->nearest == CEIL)
        goes_up = ratio > 0;
    else if (r->nearest == ROUND_PREFER_CEIL)
        goes_up = ratio >= 0.5;
    else
        goes_up = ratio > 0.5;
    return (int64_t)low + goes_up;
}

/* ---- all axes ------------------------------------------------------------------------------ */

static double sample(const cpu_resize *r, const double *places, uint32_t d, int64_t base)
{
    if (d == r->in->rank)
        return cpu_load(r->in, base);
    if (!r->axes[d].is_resized)
        return sample(r, places, d + 1, base + (int64_t)places[d] * r->strides[d]);
    taps t = taps_of(r, d, places[d]);
    double sum = 0;
    for (int64_t i = t.first; i <= t.last; i++) {
        double w = weight(r, &t, d, i);
        if (w != 0)
            sum += w * sample(r, places, d + 1, base + clamp_to(t.left + i, r->in->dims[d]) * r->strides[d]);
    }
    return sum;
}

/* Whether tf_crop_and_resize extrapolates at this place. */
static int is_beyond(const cpu_resize *r, uint32_t d, double x)
{
    return r->axes[d].is_resized && r->coordinates == TF_CROP_AND_RESIZE &&
           (x < 0 || x > (double)(r->in->dims[d] - 1));
}

/* The place of an output element on the input; 0 where it is extrapolated. */
static int place(const cpu_resize *r, int64_t index, double *out_places)
{
    int64_t position[CPU_MAX_RANK];
    cpu_position(r->out, index, position);
    for (uint32_t d = 0; d < r->in->rank; d++) {
        out_places[d] = r->axes[d].is_resized ? original(r, d, position[d]) : (double)position[d];
        if (is_beyond(r, d, out_places[d]))
            return 0;
    }
    return 1;
}

/* Integers are rounded, and kept within their dtype. */
static void store(cpu_tensor *out, int64_t i, double value)
{
    if (!cpu_is_float(out->dtype)) {
        int bits = 8 * (int)cpu_element_bytes(out->dtype);
        double top = ldexp(1, cpu_is_signed(out->dtype) ? bits - 1 : bits);
        double low = cpu_is_signed(out->dtype) ? -top : 0;
        value = value < low ? low : value > top - 1 ? top - 1 : value;
    }
    cpu_store(out, i, value);
}

static void resize_element(const cpu_resize *r, cpu_tensor *out, int64_t i)
{
    double places[CPU_MAX_RANK];
    if (!place(r, i, places)) {
        store(out, i, r->extrapolation);
        return;
    }
    if (r->mode != CPU_RESIZE_NEAREST) {
        store(out, i, sample(r, places, 0, 0));
        return;
    }
    int64_t at = 0;
    for (uint32_t d = 0; d < r->in->rank; d++) {
        int64_t near = r->axes[d].is_resized ? nearest(r, places[d]) : (int64_t)places[d];
        at += clamp_to(near, r->in->dims[d]) * r->strides[d];
    }
    cpu_copy_element(out, i, r->in, at);
}

/* ---- tables ---------------------------------------------------------------------------------- */

int64_t cpu_resize_taps(int mode)
{
    return mode == CPU_RESIZE_NEAREST ? 1 : mode == CPU_RESIZE_LINEAR ? 2 : 4;
}

static void tabulate_one(const cpu_resize *r, uint32_t d, int64_t i, int32_t *at, float *weights)
{
    const int64_t n = r->out->dims[d];
    const int64_t size = r->in->dims[d];
    const int64_t n_taps = cpu_resize_taps(r->mode);
    const double x = r->axes[d].is_resized ? original(r, d, i) : (double)i;
    const int is_out = is_beyond(r, d, x);
    if (r->mode == CPU_RESIZE_NEAREST) {
        at[i] = is_out ? -1 : (int32_t)clamp_to(r->axes[d].is_resized ? nearest(r, x) : i, size);
        weights[i] = 1;
        return;
    }
    const taps t = taps_of(r, d, x);
    for (int64_t k = 0; k < n_taps; k++) {
        at[k * n + i] = is_out ? -1 : (int32_t)clamp_to(t.left + t.first + k, size);
        weights[k * n + i] = is_out ? 0 : (float)weight(r, &t, d, t.first + k);
    }
}

void cpu_resize_tabulate(const cpu_resize *r, uint32_t d, int32_t *at, float *weights)
{
    for (int64_t i = 0; i < r->out->dims[d]; i++)
        tabulate_one(r, d, i, at, weights);
}

int cpu_resize_keeps(const cpu_resize *r, uint32_t d)
{
    if (r->in->dims[d] != r->out->dims[d])
        return 0;
    for (int64_t i = 0; r->axes[d].is_resized && i < r->out->dims[d]; i++)
        if (original(r, d, i) != (double)i)
            return 0;
    return 1;
}

/* ---- the node -------------------------------------------------------------------------------- */

/* The scale that keeps the aspect ratio: the smallest, or the largest, of those that the sizes ask for. */
static double common_scale(const cpu_call *c, const int64_t *axes, int64_t n, int want_smallest)
{
    double best = 0;
    for (int64_t i = 0; i < n; i++) {
        double scale = (double)cpu_load_int(&c->in[3], i) / (double)c->in[0].dims[axes[i]];
        best = i == 0 || (want_smallest ? scale < best : scale > best) ? scale : best;
    }
    return best;
}

static maru_abi_status read_axes(cpu_call *c, int64_t *out_axes, int64_t *out_n)
{
    uint32_t n = 0;
    uint32_t rank = c->in[0].rank;
    const int64_t *given = cpu_attr_ints(&c->attrs, "axes", &n);
    *out_n = given ? n : rank;
    if (*out_n > rank)
        return cpu_bad_value(c, "%lld axes for rank %u", (long long)*out_n, rank);
    for (int64_t i = 0; i < *out_n; i++) {
        out_axes[i] = cpu_axis(given ? given[i] : i, rank);
        if (out_axes[i] < 0 || out_axes[i] >= rank)
            return cpu_bad_value(c, "axis %lld is out of range for rank %u", (long long)out_axes[i], rank);
    }
    return MARU_ABI_OK;
}

static maru_abi_status read_scales(cpu_call *c, cpu_resize *r)
{
    int64_t axes[CPU_MAX_RANK];
    int64_t n = 0;
    maru_abi_status status = read_axes(c, axes, &n);
    if (status != MARU_ABI_OK)
        return status;
    const char *policy = cpu_attr_string(&c->attrs, "keep_aspect_ratio_policy", "stretch");
    int has_scales = cpu_has(c, 2) && c->in[2].count > 0;
    int has_roi = cpu_has(c, 1) && c->in[1].count == 2 * n;
    if ((has_scales ? c->in[2].count : cpu_has(c, 3) ? c->in[3].count : -1) != n)
        return cpu_bad_value(c, "scales or sizes must have %lld elements", (long long)n);
    double common = has_scales || is(policy, "stretch") ? 0 : common_scale(c, axes, n, is(policy, "not_larger"));
    for (int64_t i = 0; i < n; i++) {
        cpu_resize_scale *a = &r->axes[axes[i]];
        double in = (double)r->in->dims[axes[i]];
        double size = has_scales ? 0 : (double)cpu_load_int(&c->in[3], i);
        a->scale = has_scales ? cpu_load(&c->in[2], i) : common > 0 ? common : size / in;
        a->roi_start = has_roi ? cpu_load(&c->in[1], i) : 0;
        a->roi_end = has_roi ? cpu_load(&c->in[1], n + i) : 1;
        a->is_resized = a->scale != 1 || r->out->dims[axes[i]] != r->in->dims[axes[i]] ||
                        r->coordinates == TF_CROP_AND_RESIZE;
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_resize_read(cpu_call *c, cpu_resize *r)
{
    const char *mode = cpu_attr_string(&c->attrs, "mode", "nearest");
    *r = (cpu_resize){
        .in = &c->in[0],
        .out = &c->out[0],
        .mode = is(mode, "linear")  ? CPU_RESIZE_LINEAR
                : is(mode, "cubic") ? CPU_RESIZE_CUBIC
                                    : CPU_RESIZE_NEAREST,
        .is_antialias = cpu_attr_int(&c->attrs, "antialias", 0) != 0,
        .is_exclusive = cpu_attr_int(&c->attrs, "exclude_outside", 0) != 0,
        .cubic_a = cpu_attr_float(&c->attrs, "cubic_coeff_a", -0.75),
        .extrapolation = cpu_attr_float(&c->attrs, "extrapolation_value", 0),
        .coordinates =
            place_of(cpu_attr_string(&c->attrs, "coordinate_transformation_mode", "half_pixel"), coordinates),
        .nearest = place_of(cpu_attr_string(&c->attrs, "nearest_mode", "round_prefer_floor"), roundings),
    };
    cpu_strides(r->in, r->strides);
    const maru_abi_status status = read_scales(c, r);
    if (status == MARU_ABI_OK && r->out->count > 0 && r->in->count == 0)
        return cpu_bad_value(c, "an empty tensor cannot be made larger");
    return status;
}

maru_abi_status cpu_ref_resize(cpu_call *c)
{
    cpu_resize r;
    const maru_abi_status status = cpu_resize_read(c, &r);
    if (status != MARU_ABI_OK)
        return status;
    for (int64_t i = 0; i < r.out->count; i++)
        resize_element(&r, &c->out[0], i);
    return MARU_ABI_OK;
}
