// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Resize of the last two axes of f32, without antialias. Which elements of an axis make an element of the result, and
 * with which weights, is the same for all rows and all columns: tables of each axis. Rows of the input are resized as
 * they are needed, and kept for the rows of the result that need them, too.
 */

#include "vector/vec.h"

#include "ref/data.h"
#include "ref/resize.h"

enum { MAX_TAPS = 4, BLOCK_ELEMENTS = 16384 };

typedef struct axis {
    int64_t in, out;
    int64_t first, past;  // places that are not extrapolated
    int32_t *at;          // [taps][out]
    float *weights;
} axis;

typedef struct job {
    const float *x;
    float *y;
    axis rows, columns;
    int64_t taps;
    int64_t n_blocks, block_rows;  // of a plane of the result
    int keeps_columns;
    float extrapolation;
    float *room;                   // of each worker, [taps][columns.out]
} job;

/* What is at hand of one plane: the resized row of the input in each place of the room, -1 for none. */
typedef struct window {
    const float *plane;
    float *room;
    int32_t held[MAX_TAPS];
} window;

/* ---- along a row ---- */

static void pick(const axis *a, const float *x, float *restrict y)
{
    const int32_t *at = a->at;
    const int64_t past = a->past;
    for (int64_t i = a->first; i < past; i++)
        y[i] = x[at[i]];
}

/* An element without weight does not count, infinite or not. */
static void blend(const axis *a, int64_t taps, const float *x, float *restrict y)
{
    const int64_t past = a->past;
    for (int64_t k = 0; k < taps; k++) {
        const int32_t *at = a->at + k * a->out;
        const float *weights = a->weights + k * a->out;
        for (int64_t i = a->first; k == 0 && i < past; i++)
            y[i] = weights[i] != 0 ? x[at[i]] * weights[i] : 0;
        for (int64_t i = a->first; k > 0 && i < past; i++)
            y[i] += weights[i] != 0 ? x[at[i]] * weights[i] : 0;
    }
}

static const float *row_of(const job *j, window *w, int32_t row)
{
    const float *x = w->plane + row * j->columns.in;
    const int64_t slot = row % j->taps;
    float *y = w->room + slot * j->columns.out;
    if (j->keeps_columns)
        return x;
    if (w->held[slot] != row) {
        blend(&j->columns, j->taps, x, y);
        w->held[slot] = row;
    }
    return y;
}

/* ---- rows of the result ---- */

static void add_rows(const job *j, window *w, int64_t row, float *restrict y)
{
    const int64_t first = j->columns.first;
    const int64_t past = j->columns.past;
    int is_first = 1;
    for (int64_t k = 0; k < j->taps; k++) {
        const float weight = j->rows.weights[k * j->rows.out + row];
        if (weight == 0)
            continue;
        const float *x = row_of(j, w, j->rows.at[k * j->rows.out + row]);
        for (int64_t i = first; is_first && i < past; i++)
            y[i] = x[i] * weight;
        for (int64_t i = first; !is_first && i < past; i++)
            y[i] += x[i] * weight;
        is_first = 0;
    }
}

static void extrapolate(const job *j, int64_t first, int64_t past, float *y)
{
    for (int64_t i = first; i < past; i++)
        y[i] = j->extrapolation;
}

static void make_row(const job *j, window *w, int64_t row, int is_first, float *y)
{
    const int32_t at = j->rows.at[row];
    if (at < 0) {
        extrapolate(j, 0, j->columns.out, y);
        return;
    }
    extrapolate(j, 0, j->columns.first, y);
    if (j->taps > 1)
        add_rows(j, w, row, y);
    else if (!is_first && j->rows.at[row - 1] == at)
        memcpy(y, y - j->columns.out, (size_t)j->columns.out * sizeof *y);
    else if (j->keeps_columns)
        memcpy(y, w->plane + at * j->columns.in, (size_t)j->columns.out * sizeof *y);
    else
        pick(&j->columns, w->plane + at * j->columns.in, y);
    extrapolate(j, j->columns.past, j->columns.out, y);
}

/* Items are (plane, block of rows). */
static void run_blocks(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const job *j = ctx;
    for (int64_t item = begin; item < end; item++) {
        const int64_t plane = item / j->n_blocks;
        const int64_t first = item % j->n_blocks * j->block_rows;
        const int64_t past = smaller_of(first + j->block_rows, j->rows.out);
        window w = {
            .plane = j->x + plane * j->rows.in * j->columns.in,
            .room = j->room + worker * j->taps * j->columns.out,
            .held = {-1, -1, -1, -1},
        };
        for (int64_t row = first; row < past; row++)
            make_row(j, &w, row, row == first, j->y + (plane * j->rows.out + row) * j->columns.out);
    }
}

/* ---- the call ---- */

/* Returns what of the room is left. */
static char *tabulate(const cpu_resize *r, uint32_t d, char *room, axis *a)
{
    const int64_t n = cpu_resize_taps(r->mode) * r->out->dims[d];
    *a = (axis){.in = r->in->dims[d], .out = r->out->dims[d], .at = (int32_t *)(void *)room};
    a->weights = (float *)(void *)room + n;
    cpu_resize_tabulate(r, d, a->at, a->weights);
    while (a->first < a->out && a->at[a->first] < 0)
        a->first++;
    a->past = a->out;
    while (a->past > a->first && a->at[a->past - 1] < 0)  // places are in order: no gap lies between
        a->past--;
    return room + 2 * n * (int64_t)sizeof(float);
}

static maru_abi_status op_resize(cpu_call *call, const cpu_team *team)
{
    cpu_resize r;
    job j = {.x = call->in[0].data, .y = call->out[0].data};
    const maru_abi_status status = cpu_resize_read(call, &r);
    if (status != MARU_ABI_OK)
        return status;
    const uint32_t last = r.in->rank - 1;
    for (uint32_t d = 0; d + 2 <= last; d++)
        if (!cpu_resize_keeps(&r, d))
            return cpu_ref_resize(call);
    char *room = tabulate(&r, last - 1, team->scratch, &j.rows);
    j.room = (float *)(void *)tabulate(&r, last, room, &j.columns);
    j.taps = cpu_resize_taps(r.mode);
    j.keeps_columns = cpu_resize_keeps(&r, last);
    j.extrapolation = (float)r.extrapolation;
    j.block_rows = 1 + BLOCK_ELEMENTS / j.columns.out;
    j.n_blocks = (j.rows.out + j.block_rows - 1) / j.block_rows;
    const int64_t planes = r.out->count / (j.rows.out * j.columns.out);
    const int64_t plane = smaller_of(j.rows.out, j.block_rows) * j.columns.out;
    for_all(team, planes * j.n_blocks, 1 + BLOCK_ELEMENTS / (plane + 1), run_blocks, &j);
    return MARU_ABI_OK;
}

static int takes(const cpu_call *call)
{
    const cpu_tensor *x = &call->in[0];
    const cpu_tensor *y = &call->out[0];
    if (!is_dense(call, 0, MARU_ABI_F32) || !is_one_output(call, MARU_ABI_F32) || x->rank < 2 || x->rank != y->rank ||
        x->count == 0 || y->count == 0 || cpu_attr_int(&call->attrs, "antialias", 0) != 0)
        return 0;
    for (uint32_t d = 0; d < x->rank; d++)
        if (d + 2 >= x->rank ? x->dims[d] > INT32_MAX : x->dims[d] != y->dims[d])
            return 0;
    return 1;
}

static uint64_t scratch(const cpu_call *call, uint32_t n_threads)
{
    const int64_t *dims = call->out[0].dims + call->out[0].rank - 2;
    return (uint64_t)(2 * dims[0] + (2 + n_threads) * dims[1]) * MAX_TAPS * sizeof(float);
}

extern const cpu_kernel VARIANT(cpu_vector_resize)[];

const cpu_kernel VARIANT(cpu_vector_resize)[] = {
    {
        .domain = "",
        .op = "Resize",
        .name = KERNEL_NAME("resize"),
        .isa = VARIANT_ISA,
        .priority = VARIANT_PRIORITY,
        .gflops = VL,
        .fn = op_resize,
        .takes = takes,
        .scratch = scratch,
    },
    {.name = NULL},
};
