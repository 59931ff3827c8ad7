// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_VECTOR_GEMM_H
#define CPU_VECTOR_GEMM_H

/*
 * Products of matrices on register blocks. The right-hand matrix is packed
 * in panels of PANEL columns, k rows each, one after the other and padded
 * with zeros, so that a block reads it straight through.
 */

#include "vector/tail.h"

#define PANEL (2 * VL)
#if CPU_VECTOR_BYTES == 64
#define TILE_ROWS 14  // of 32 registers: 28 sums, 2 of the panel, 1 of the left side
#elif CPU_VECTOR_BYTES == 32
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif

#ifndef AHEAD
#define AHEAD 128  // rows of a panel between what is read and what is fetched
#endif

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

static ALWAYS_INLINE int64_t panels_of(int64_t n)
{
    return (n + PANEL - 1) / PANEL;
}

/* Packs column panels [first, last) of B, whose element (k, n) is b[k * k_step + n * n_step]. */
static inline void pack_panels(const float *b, int64_t k_step, int64_t n_step, int64_t k, int64_t n, int64_t first,
                        int64_t last, float *out)
{
    for (int64_t panel = first; panel < last; panel++) {
        const float *from = b + panel * PANEL * n_step;
        float *to = out + panel * PANEL * k;
        const int64_t width = smaller_of(PANEL, n - panel * PANEL);
        for (int64_t row = 0; row < k; row++) {
            int64_t i = 0;
            if (n_step == 1 && width == PANEL) {
                memcpy(to, from + row * k_step, PANEL * sizeof *to);
                i = PANEL;
            }
            for (; i < width; i++)
                to[i] = from[row * k_step + i * n_step];
            for (; i < PANEL; i++)
                to[i] = 0;
            to += PANEL;
        }
    }
}

/* One block: `rows` (a constant) rows of A times a panel, added up in registers. */
static ALWAYS_INLINE void block_sums(int rows, const float *a, int64_t a_step, const float *b, int64_t k,
                                     vf sums[][2])
{
    vf acc[TILE_ROWS][2];
    UNROLL
    for (int r = 0; r < rows; r++) {
        acc[r][0] = (vf){0};
        acc[r][1] = (vf){0};
    }
    for (int64_t i = 0; i < k; i++) {
        const vf b0 = v_load(b);
        const vf b1 = v_load(b + VL);
        // Weights come from memory; the processor looks ahead no further than a page.
        __builtin_prefetch(b + AHEAD * PANEL, 0, 3);
        __builtin_prefetch(b + AHEAD * PANEL + VL, 0, 3);
        b += PANEL;
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vf x = v_set(a[r * a_step + i]);
            acc[r][0] += x * b0;
            acc[r][1] += x * b1;
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        sums[r][0] = acc[r][0];
        sums[r][1] = acc[r][1];
    }
}

/* One row alone: four independent sums hide the latency of the additions. */
static inline void row_sums(const float *a, const float *b, int64_t k, vf sums[2])
{
    vf acc[4][2] = {{{0}}};
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) {
        UNROLL
        for (int u = 0; u < 4; u++) {
            const vf x = v_set(a[i + u]);
            acc[u][0] += x * v_load(b + u * PANEL);
            acc[u][1] += x * v_load(b + u * PANEL + VL);
        }
        b += 4 * PANEL;
    }
    for (; i < k; i++, b += PANEL) {
        const vf x = v_set(a[i]);
        acc[0][0] += x * v_load(b);
        acc[0][1] += x * v_load(b + VL);
    }
    for (int h = 0; h < 2; h++)
        sums[h] = (acc[0][h] + acc[1][h]) + (acc[2][h] + acc[3][h]);
}

#define BLOCK_CASE(n)                                        \
    case n: block_sums(n, a, a_step, b, k, sums); break;

/* rows <= TILE_ROWS */
static __attribute__((noinline)) void tile(int64_t rows, const float *a, int64_t a_step, const float *b, int64_t k,
                                           vf sums[][2])
{
    switch (rows) {
    case 1: row_sums(a, b, k, sums[0]); break;
    BLOCK_CASE(2)
    BLOCK_CASE(3)
    BLOCK_CASE(4)
#if TILE_ROWS > 4
    BLOCK_CASE(5)
    BLOCK_CASE(6)
#endif
#if TILE_ROWS > 6
    BLOCK_CASE(7)
    BLOCK_CASE(8)
    BLOCK_CASE(9)
    BLOCK_CASE(10)
    BLOCK_CASE(11)
    BLOCK_CASE(12)
    BLOCK_CASE(13)
    BLOCK_CASE(14)
#endif
    default: break;
    }
}

/* Rows are cut into blocks of nearly equal height. */
static ALWAYS_INLINE int64_t row_blocks_of(int64_t m)
{
    return (m + TILE_ROWS - 1) / TILE_ROWS;
}

#endif
