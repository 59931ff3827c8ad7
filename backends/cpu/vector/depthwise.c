// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Conv of f32 where each channel of the input has kernels of its own. A block of rows is copied with its padding, and
 * columns that are a stride apart are put side by side; then every tap of the kernel is a whole vector away from the
 * next output, and rows of 14 elements are as good as those of 100.
 */

#include "vector/conv.h"

enum { BLOCK_ELEMENTS = 8192, ROWS = 4, GRAIN_WORK = 65536 };

/* Of the copy: places of one phase, the columns that are equal modulo the stride. */
static int64_t phase_width(const conv *c)
{
    return c->out_width + (c->kernel_w - 1) * c->dilation_w / c->stride_w + VL;
}

static int64_t copied_rows(const conv *c)
{
    return (c->block_rows - 1) * c->stride_h + (c->kernel_h - 1) * c->dilation_h + 1;
}

void VARIANT(cpu_depthwise_plan)(conv *c)
{
    const int64_t rows = 1 + BLOCK_ELEMENTS / (c->out_width + 1);
    c->block_rows = c->out_height ? smaller_of(rows, c->out_height) : 1;
    c->n_blocks = (c->out_height + c->block_rows - 1) / c->block_rows;
}

/* The copy and, of each tap, where it lies in it. */
int64_t VARIANT(cpu_depthwise_room)(const conv *c)
{
    const int64_t room = copied_rows(c) * phase_width(c) * c->stride_w + 2 * c->kernel_h * c->kernel_w;
    return (room + 15) / 16 * 16;
}

/* ---- the copy ---- */

static ALWAYS_INLINE void take(float *to, const float *from, int64_t n, int64_t stride)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i * stride];
}

/* The columns begin_w before the row, then the row, then as many as are asked for; phase `phase` of them. */
static void copy_phase(const conv *c, const float *row, int64_t phase, int64_t n, float *to)
{
    const int64_t shift = c->begin_w - phase;  // place i is column i * stride - shift
    int64_t first = shift > 0 ? (shift + c->stride_w - 1) / c->stride_w : 0;
    int64_t past = c->width + shift > 0 ? (c->width + shift - 1) / c->stride_w + 1 : 0;
    past = row ? smaller_of(past, n) : 0;
    first = smaller_of(first, past);
    for (int64_t i = 0; i < first; i++)
        to[i] = 0;
    if (first < past) {
        const float *from = row + first * c->stride_w - shift;
        if (c->stride_w == 1)
            take(to + first, from, past - first, 1);
        else if (c->stride_w == 2)
            take(to + first, from, past - first, 2);
        else
            take(to + first, from, past - first, c->stride_w);
    }
    for (int64_t i = past; i < n; i++)
        to[i] = 0;
}

static void copy_block(const conv *c, const float *plane, int64_t first_row, int64_t rows, float *to)
{
    const int64_t n = phase_width(c);
    for (int64_t r = 0; r < rows; r++) {
        const int64_t y = first_row + r;
        const float *row = y >= 0 && y < c->height ? plane + y * c->width : NULL;
        for (int64_t phase = 0; phase < c->stride_w; phase++, to += n)
            copy_phase(c, row, phase, n, to);
    }
}

static void find_taps(const conv *c, int64_t *out)
{
    const int64_t n = phase_width(c);
    for (int64_t k = 0; k < c->kernel_h * c->kernel_w; k++) {
        const int64_t column = k % c->kernel_w * c->dilation_w;
        const int64_t row = k / c->kernel_w * c->dilation_h;
        out[k] = (row * c->stride_w + column % c->stride_w) * n + column / c->stride_w;
    }
}

/* ---- sums ---- */

/* A vector of outputs in each of `n` rows that lie `step` apart in the copy. */
static ALWAYS_INLINE void add_taps(const float *from, int64_t step, const float *w, const int64_t *taps, int64_t n_taps,
                                   int n, vf *sums)
{
    for (int64_t k = 0; k < n_taps; k++) {
        const vf weight = v_set(w[k]);
        const float *at = from + taps[k];
        for (int r = 0; r < n; r++)
            sums[r] += v_load(at + r * step) * weight;
    }
}

static ALWAYS_INLINE void make_rows(const conv *c, const float *from, int64_t channel, const int64_t *taps, int n,
                                    int64_t element)
{
    const int64_t step = c->stride_h * c->stride_w * phase_width(c);
    const vf bias = v_set(c->bias ? c->bias[channel] : 0);
    for (int64_t i = 0; i < c->out_width; i += VL) {
        vf sums[ROWS] = {bias, bias, bias, bias};
        add_taps(from + i, step, c->w + channel * c->depth, taps, c->depth, n, sums);
        for (int r = 0; r < n; r++) {
            const int64_t at = element + r * c->out_width + i;
            store_some(c->y + at, finish(c, sums[r], at, c->out_width - i), c->out_width - i);
        }
    }
}

static void make_block(const conv *c, const float *copy, const int64_t *taps, int64_t plane, int64_t first,
                       int64_t rows)
{
    const int64_t channel = plane % (c->groups * c->out);
    const int64_t step = c->stride_h * c->stride_w * phase_width(c);
    int64_t r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        make_rows(c, copy + r * step, channel, taps, ROWS, (plane * c->out_height + first + r) * c->out_width);
    for (; r < rows; r++)
        make_rows(c, copy + r * step, channel, taps, 1, (plane * c->out_height + first + r) * c->out_width);
}

/* Items are (image, group, block of rows). */
static void run_blocks(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const conv *c = ctx;
    float *room = c->room + worker * VARIANT(cpu_depthwise_room)(c);
    int64_t *taps = (int64_t *)(void *)room;
    float *copy = room + 2 * c->depth;
    find_taps(c, taps);
    for (int64_t item = begin; item < end; item++) {
        const int64_t stack = item / c->n_blocks;
        const int64_t first = item % c->n_blocks * c->block_rows;
        const int64_t rows = smaller_of(c->block_rows, c->out_height - first);
        const int64_t needed = (rows - 1) * c->stride_h + (c->kernel_h - 1) * c->dilation_h + 1;
        copy_block(c, c->x + stack * c->height * c->width, first * c->stride_h - c->begin_h, needed, copy);
        for (int64_t o = 0; o < c->out; o++)
            make_block(c, copy, taps, stack * c->out + o, first, rows);
    }
}

void VARIANT(cpu_depthwise_run)(const conv *c)
{
    conv job = *c;
    const int64_t work = c->block_rows * c->out_width * c->out * c->depth;
    for_all(c->team, c->images * c->groups * c->n_blocks, 1 + GRAIN_WORK / (work + 1), run_blocks, &job);
}
