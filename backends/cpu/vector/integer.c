// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

#include "vector/integer.h"
#include "vector/vec.h"

/* Loops that compilers turn into vectors as they stand; a block of a row stays in the first cache. */
enum { BLOCK = 512 };

/* ---- raw sums to results ---- */

static void add_zero_points(const cpu_integer_end *e, int64_t row, int64_t first, int64_t n, uint32_t rest,
                            uint32_t *restrict acc)
{
    const uint32_t *restrict sums = e->sums + row * e->n + first;
    const uint32_t *restrict offset = e->offset + first;
    for (int64_t i = 0; i < n; i++)
        acc[i] = sums[i] + offset[i];
    if (e->a_zero) {
        const uint32_t *restrict columns = e->columns + first;
        const uint32_t zero = e->a_zero[row];
        for (int64_t i = 0; i < n; i++)
            acc[i] -= zero * columns[i];
    }
    if (e->b_zero) {
        const uint32_t *restrict zeros = e->b_zero + first;
        for (int64_t i = 0; i < n; i++)
            acc[i] -= zeros[i] * rest;
    }
}

typedef uint8_t vb __attribute__((vector_size(VL)));

/*
 * Bounds are whole numbers, so that cutting before rounding is the same; what
 * is cut is small enough to be rounded by adding 1.5 * 2^23, which leaves it in
 * the low bits. NaN gives 0, as the reference says.
 */
static ALWAYS_INLINE vb steps_of(const cpu_integer_end *e, vi sums, vf scale, float row_scale)
{
    const vf magic = v_set(12582912.0f);
    vf steps = __builtin_convertvector(sums, vf) * row_scale * scale;
    steps = v_select(steps == steps, steps, v_set(-(float)e->zero));
    steps = v_min(v_max(steps, v_set(e->low)), v_set(e->high));
    return __builtin_convertvector((vi)(steps + magic) - (vi)magic + e->zero, vb);
}

static void store_steps(const cpu_integer_end *e, int64_t row, int64_t first, int64_t n, const uint32_t *acc)
{
    uint8_t *y = (uint8_t *)e->y + row * e->n + first;
    const float *scale = e->scale + first;
    const float row_scale = e->row_scale ? e->row_scale[row] : 1;
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t left = n - i;
        const vi sums = *(const vi_any *)(const void *)(acc + i);
        const vb steps = steps_of(e, sums, left >= VL ? v_load(scale + i) : v_load_n(scale + i, left), row_scale);
        memcpy(y + i, &steps, (size_t)(left < VL ? left : VL));
    }
}

static void finish_columns(const cpu_integer_end *e, int64_t row, int64_t first, int64_t last, uint32_t rest)
{
    uint32_t acc[BLOCK + VL];
    for (int64_t at = first; at < last; at += BLOCK) {
        const int64_t n = last - at < BLOCK ? last - at : BLOCK;
        memset(acc + n, 0, VL * sizeof *acc);  // the last vector is a whole one
        add_zero_points(e, row, at, n, rest, acc);
        if (e->scale)
            store_steps(e, row, at, n, acc);
        else
            memcpy((uint32_t *)e->y + row * e->n + at, acc, (size_t)n * sizeof *acc);
    }
}

/* Items are rows. */
static void finish_rows(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const cpu_integer_end *e = ctx;
    const int64_t groups = e->b_zero ? e->groups : 1;
    const int64_t width = e->n / groups;
    (void)worker;
    for (int64_t row = begin; row < end; row++)
        for (int64_t g = 0; g < groups; g++)
            finish_columns(e, row, g * width, (g + 1) * width, e->b_zero ? e->rest[row * groups + g] : 0);
}

void VARIANT(cpu_integer_finish)(const cpu_integer_end *e, int64_t rows, const cpu_team *team)
{
    cpu_integer_end job = *e;
    if (rows > 0 && e->n > 0)
        for_all(team, rows, 1 + 16384 / e->n, finish_rows, &job);
}

/* ---- bytes ---- */

void VARIANT(cpu_flip_bytes)(const uint8_t *x, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] ^ 0x80;
}

/* Signed bytes are summed as flipped ones, each 128 too large. */
uint32_t VARIANT(cpu_sum_bytes)(const uint8_t *x, int64_t n, int is_signed)
{
    const uint8_t flip = is_signed ? 0x80 : 0;
    uint32_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (uint32_t)(x[i] ^ flip);
    return sum - (is_signed ? 128 * (uint32_t)n : 0);
}

void VARIANT(cpu_sum_columns)(const uint8_t *x, int64_t rows, int64_t n, int is_signed, uint32_t *out)
{
    const uint8_t flip = is_signed ? 0x80 : 0;
    const uint32_t start = is_signed ? 0 - 128 * (uint32_t)rows : 0;
    for (int64_t i = 0; i < n; i++)
        out[i] = start;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < n; i++)
            out[i] += (uint32_t)(x[row * n + i] ^ flip);
}
