// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The end of a chain, for a product whose kernel is not ours: once more over the result, while it is in the cache. */

#include "vector/tail.h"

typedef struct job {
    const cpu_tail *tail;
    float *y;
    int64_t width;
} job;

/* Items are rows. */
static void run_rows(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const job *j = ctx;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        for (int64_t column = 0; column < j->width; column += VL) {
            const int64_t element = row * j->width + column;
            const int64_t left = j->width - column;
            vf v = load_some(j->y + element, left);
            for (uint32_t s = 0; s < j->tail->n_steps; s++)
                v = tail_step(&j->tail->steps[s], v, element, column, left);
            store_some(j->y + element, v, left);
        }
    }
}

void VARIANT(cpu_tail_apply)(cpu_tensor *y, const cpu_team *team)
{
    const int64_t width = y->rank ? y->dims[y->rank - 1] : 1;
    job j = {team->tail, y->data, width};
    if (y->count)
        for_all(team, y->count / width, 1 + 16384 / width, run_rows, &j);
}
