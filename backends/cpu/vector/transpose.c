// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

#include "vector/transpose.h"

#include <immintrin.h>

enum { SIDE = 16, GRAIN_ELEMENTS = 16384 };

typedef struct job {
    const float *x;
    float *y;
    int64_t rows, columns;
    int64_t n_blocks;  // of columns
} job;

static __mmask16 first_of(int64_t n)
{
    return n >= SIDE ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
}

/* Pairs of rows, then pairs of pairs: each run of four lanes is a transposed matrix of 4 by 4. */
static void mix_lanes(__m512 *v)
{
    for (int i = 0; i < SIDE; i += 4) {
        const __m512d low = _mm512_castps_pd(_mm512_unpacklo_ps(v[i], v[i + 1]));
        const __m512d high = _mm512_castps_pd(_mm512_unpackhi_ps(v[i], v[i + 1]));
        const __m512d low_2 = _mm512_castps_pd(_mm512_unpacklo_ps(v[i + 2], v[i + 3]));
        const __m512d high_2 = _mm512_castps_pd(_mm512_unpackhi_ps(v[i + 2], v[i + 3]));
        v[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, low_2));
        v[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, low_2));
        v[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high, high_2));
        v[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high, high_2));
    }
}

/* Then the runs change places: what was run r of vector 4 b + i becomes run b of vector 4 r + i. */
static void mix_runs(__m512 *v)
{
    for (int i = 0; i < 4; i++) {
        const __m512 a = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x44);
        const __m512 b = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xee);
        const __m512 c = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0x44);
        const __m512 d = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0xee);
        v[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        v[i + 4] = _mm512_shuffle_f32x4(a, c, 0xdd);
        v[i + 8] = _mm512_shuffle_f32x4(b, d, 0x88);
        v[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

static void turn_block(const job *j, const float *x, float *y, int64_t rows, int64_t columns)
{
    const __mmask16 across = first_of(columns);
    const __mmask16 down = first_of(rows);
    __m512 v[SIDE];
    for (int i = 0; i < SIDE; i++)
        v[i] = i < rows ? _mm512_maskz_loadu_ps(across, x + i * j->columns) : _mm512_setzero_ps();
    mix_lanes(v);
    mix_runs(v);
    for (int i = 0; i < SIDE && i < columns; i++)
        _mm512_mask_storeu_ps(y + i * j->rows, down, v[i]);
}

/* Items are (image, block of columns): what is written lies together. */
static void turn_columns(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const job *j = ctx;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        const int64_t image = item / j->n_blocks * j->rows * j->columns;
        const int64_t column = item % j->n_blocks * SIDE;
        const float *x = j->x + image + column;
        float *y = j->y + image + column * j->rows;
        for (int64_t row = 0; row < j->rows; row += SIDE)
            turn_block(j, x + row * j->columns, y + row, j->rows - row, j->columns - column);
    }
}

void cpu_transpose_avx512(const float *x, int64_t images, int64_t rows, int64_t columns, float *y,
                          const cpu_team *team)
{
    job j = {.x = x, .y = y, .rows = rows, .columns = columns, .n_blocks = (columns + SIDE - 1) / SIDE};
    team->host->parallel_for(team->host->ctx, images * j.n_blocks, 1 + GRAIN_ELEMENTS / (SIDE * rows + 1), turn_columns,
                             &j);
}
