// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* DFT and STFT, by their definition. The last axis holds the real and, if it has two elements, the imaginary part. */

#include "ref/element.h"

#include <math.h>
#include <stdlib.h>

typedef struct transform {
    int64_t n;             // its length
    int64_t bins;          // of its output
    int is_inverse;
    int is_half;           // the input has the first half of a spectrum whose other half mirrors it
    double *cosine, *sine; // n each
    double *re, *im;       // n each: the input
} transform;

static maru_abi_status transform_init(transform *t)
{
    const double turn = 2 * acos(-1.0);
    const size_t n = (size_t)t->n;
    t->cosine = calloc(n + 1, 4 * sizeof *t->cosine);
    if (!t->cosine)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    t->sine = t->cosine + n;
    t->re = t->sine + n;
    t->im = t->re + n;
    for (int64_t i = 0; i < t->n; i++) {
        t->cosine[i] = cos(turn * (double)i / (double)t->n);
        t->sine[i] = sin(turn * (double)i / (double)t->n) * (t->is_inverse ? 1 : -1);
    }
    return MARU_ABI_OK;
}

/* Element i of the input, of which there are `length` with `stride` between; those missing are 0. */
static void load_points(transform *t, const cpu_tensor *in, int64_t first, int64_t length, int64_t stride,
                        const cpu_tensor *window)
{
    const int64_t parts = in->dims[in->rank - 1];
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t mirrored = t->is_half && i > t->n / 2 ? t->n - i : i;
        const double weight = window ? cpu_load(window, i) : 1;
        const int is_there = mirrored < length;
        const int64_t at = (first + mirrored * stride) * parts;
        t->re[i] = is_there ? weight * cpu_load(in, at) : 0;
        t->im[i] = is_there && parts > 1 ? weight * cpu_load(in, at + 1) * (mirrored == i ? 1 : -1) : 0;
    }
}

static void store_bins(const transform *t, cpu_tensor *out, int64_t first, int64_t stride)
{
    const int64_t parts = out->dims[out->rank - 1];
    const double scale = t->is_inverse ? 1 / (double)t->n : 1;
    for (int64_t k = 0; k < t->bins; k++) {
        double re = 0;
        double im = 0;
        for (int64_t i = 0, turn = 0; i < t->n; i++, turn = (turn + k) % t->n) {
            re += t->re[i] * t->cosine[turn] - t->im[i] * t->sine[turn];
            im += t->re[i] * t->sine[turn] + t->im[i] * t->cosine[turn];
        }
        cpu_store(out, (first + k * stride) * parts, re * scale);
        if (parts > 1)
            cpu_store(out, (first + k * stride) * parts + 1, im * scale);
    }
}

static maru_abi_status ref_dft(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    cpu_tensor *out = &c->out[0];
    const uint32_t axis = (uint32_t)cpu_axis(cpu_has(c, 2) ? cpu_load_int(&c->in[2], 0) : -2, in->rank);
    transform t = {.bins = out->dims[axis], .is_inverse = cpu_attr_int(&c->attrs, "inverse", 0) != 0};
    const int is_onesided = cpu_attr_int(&c->attrs, "onesided", 0) != 0;
    const int64_t inner = cpu_product(in, axis + 1, in->rank - 1);
    const int64_t outer = cpu_product(in, 0, axis);
    t.is_half = t.is_inverse && is_onesided;
    t.n = cpu_has(c, 1) ? cpu_load_int(&c->in[1], 0) : t.is_half ? t.bins : in->dims[axis];
    if (t.n < 1 || t.n > INT32_MAX)
        return out->count == 0 ? MARU_ABI_OK : cpu_bad_value(c, "the length is %lld", (long long)t.n);
    maru_abi_status status = transform_init(&t);
    for (int64_t i = 0; status == MARU_ABI_OK && i < outer * inner; i++) {
        load_points(&t, in, i / inner * in->dims[axis] * inner + i % inner, in->dims[axis], inner, NULL);
        store_bins(&t, out, i / inner * t.bins * inner + i % inner, inner);
    }
    free(t.cosine);
    return status;
}

static maru_abi_status ref_stft(cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    cpu_tensor *out = &c->out[0];
    const int64_t step = cpu_load_int(&c->in[1], 0);
    const int64_t frames = out->dims[1];
    transform t = {.bins = out->dims[2]};
    t.n = cpu_has(c, 3) ? cpu_load_int(&c->in[3], 0) : cpu_has(c, 2) ? c->in[2].count : in->dims[1];
    if (t.n < 1 || t.n > in->dims[1] || (cpu_has(c, 2) && c->in[2].count < t.n))
        return cpu_bad_value(c, "a frame of %lld does not fit the signal or the window", (long long)t.n);
    maru_abi_status status = transform_init(&t);
    for (int64_t i = 0; status == MARU_ABI_OK && i < out->dims[0] * frames; i++) {
        load_points(&t, in, i / frames * in->dims[1] + i % frames * step, t.n, 1, cpu_has(c, 2) ? &c->in[2] : NULL);
        store_bins(&t, out, i * t.bins, 1);
    }
    free(t.cosine);
    return status;
}

const cpu_ref_op cpu_ref_signal[] = {
    {"DFT", "", 20, ref_dft, "f i", 0},
    {"STFT", "", 17, ref_stft, "f i f i", 0},
    {.name = NULL},
};
