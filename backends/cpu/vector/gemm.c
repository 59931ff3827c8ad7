// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * MatMul and Gemm of f32. A constant right side comes packed; another one is
 * packed into scratch memory first, as is a left side whose rows would fall
 * into the same sets of the cache.
 */

#include "vector/gemm.h"
#include "vector/layouts.h"

typedef struct product {
    const cpu_team *team;
    const float *a;          // element (m, k): a[m * a_row + k * a_k]
    int64_t a_row, a_k;
    const float *b;          // packed panels, or NULL while they are not
    const float *c;          // NULL: none; element (m, n): c[m * c_row + n * c_column]
    int64_t c_row, c_column;
    float *y;
    int64_t first;           // element of the output, in a stack of products
    int64_t m, n, k;
    float alpha, beta;
    float *a_room;           // per worker TILE_ROWS rows of a_room_step; NULL: A is read where it lies
    int64_t a_room_step;
    int64_t group;           // panels of a group, which stays in the cache while rows pass by
    int64_t n_row_blocks;
} product;

/* ---- the end of a block ---- */

static ALWAYS_INLINE vf add_c(const product *p, vf v, int64_t row, int64_t column, int64_t left)
{
    const float *c = p->c + row * p->c_row + column * p->c_column;
    return v + (p->c_column ? load_some(c, left) : v_set(*c)) * p->beta;
}

static void finish_block(const product *p, int64_t row, int64_t rows, int64_t column, vf sums[][2])
{
    const cpu_tail *tail = p->team->tail;
    const int64_t halves = p->n - column > VL ? 2 : 1;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t h = 0; h < halves; h++) {
            const int64_t at = column + h * VL;
            vf v = sums[r][h] * p->alpha;
            if (p->c)
                v = add_c(p, v, row + r, at, p->n - at);
            for (uint32_t s = 0; tail && s < tail->n_steps; s++)
                v = tail_step(&tail->steps[s], v, p->first + (row + r) * p->n + at, at, p->n - at);
            store_some(p->y + (row + r) * p->n + at, v, p->n - at);
        }
    }
}

/* ---- blocks ---- */

static const float *rows_of(const product *p, int64_t row, int64_t rows, int32_t worker, int64_t *out_step)
{
    *out_step = p->a_row;
    if (!p->a_room)
        return p->a + row * p->a_row;
    float *room = p->a_room + worker * TILE_ROWS * p->a_room_step;
    for (int64_t r = 0; r < rows; r++) {
        const float *from = p->a + (row + r) * p->a_row;
        if (p->a_k == 1)
            memcpy(room + r * p->a_room_step, from, (size_t)p->k * sizeof *room);
        else
            for (int64_t i = 0; i < p->k; i++)
                room[r * p->a_room_step + i] = from[i * p->a_k];
    }
    *out_step = p->a_room_step;
    return room;
}

/* Items are (group of panels, block of rows), rows within a group. */
static void run_blocks(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const product *p = ctx;
    const int64_t n_panels = panels_of(p->n);
    for (int64_t item = begin; item < end; item++) {
        const int64_t group = item / p->n_row_blocks;
        const int64_t block = item % p->n_row_blocks;
        const int64_t row = block * p->m / p->n_row_blocks;
        const int64_t rows = (block + 1) * p->m / p->n_row_blocks - row;
        int64_t step = 0;
        const float *a = rows_of(p, row, rows, worker, &step);
        for (int64_t panel = group * p->group; panel < smaller_of((group + 1) * p->group, n_panels); panel++) {
            vf sums[TILE_ROWS][2];
            tile(rows, a, step, p->b + panel * PANEL * p->k, p->k, sums);
            finish_block(p, row, rows, panel * PANEL, sums);
        }
    }
}

static void choose_groups(product *p)
{
    const int64_t in_cache = 384 * 1024;  // of a panel group, beside the left side in a cache of 1 MiB or more
    const int64_t panel_bytes = PANEL * (p->k ? p->k : 1) * (int64_t)sizeof(float);
    const int64_t n_panels = panels_of(p->n);
    const int64_t threads = p->team->host->thread_count(p->team->host->ctx);
    p->n_row_blocks = row_blocks_of(p->m);
    p->group = in_cache / panel_bytes > 1 ? in_cache / panel_bytes : 1;
    // Enough items that the last ones do not leave threads idle.
    const int64_t wanted = (threads * 8 + p->n_row_blocks - 1) / p->n_row_blocks;
    if (n_panels / p->group < wanted)
        p->group = n_panels / wanted > 1 ? n_panels / wanted : 1;
}

static void multiply(product *p)
{
    choose_groups(p);
    const int64_t n_items = (panels_of(p->n) + p->group - 1) / p->group * p->n_row_blocks;
    const double work = (double)p->m * (double)p->n * (double)p->k;
    const int64_t grain = work < 20000 ? n_items : 1;
    for_all(p->team, n_items, grain, run_blocks, p);
}

/* ---- shapes ---- */

/* A product as its node states it: `batches` of them for a MatMul of two stacks. */
typedef struct shape {
    int64_t m, n, k, batches;
    int64_t a_row, a_k, b_k, b_n;
    uint32_t layout;  // of B
} shape;

static int is_gemm(const cpu_call *call)
{
    return call->attrs.node->op[0] == 'G';
}

static shape gemm_shape(const cpu_call *call)
{
    const cpu_tensor *a = &call->in[0];
    const cpu_tensor *b = &call->in[1];
    const int ta = cpu_attr_int(&call->attrs, "transA", 0) != 0;
    const int tb = cpu_attr_int(&call->attrs, "transB", 0) != 0;
    shape s = {.m = a->dims[ta], .k = a->dims[!ta], .n = b->dims[!tb], .batches = 1, .layout = b->layout};
    s.a_row = ta ? 1 : s.k;
    s.a_k = ta ? s.m : 1;
    s.b_k = tb ? 1 : s.n;
    s.b_n = tb ? s.k : 1;
    return s;
}

static shape matmul_shape(const cpu_call *call)
{
    const cpu_tensor *a = &call->in[0];
    const cpu_tensor *b = &call->in[1];
    shape s = {.k = a->dims[a->rank - 1], .n = b->rank > 1 ? b->dims[b->rank - 1] : 1, .layout = b->layout};
    s.m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    s.batches = s.m && s.n ? call->out[0].count / (s.m * s.n) : 0;
    if (b->rank <= 2) {  // one right side for all rows
        s.m *= s.batches;
        s.batches = s.batches ? 1 : 0;
    }
    s.a_row = s.k;
    s.a_k = 1;
    s.b_k = s.n;
    s.b_n = 1;
    return s;
}

static shape shape_of(const cpu_call *call)
{
    return is_gemm(call) ? gemm_shape(call) : matmul_shape(call);
}

static int takes(const cpu_call *call)
{
    if (!is_dense(call, 0, MARU_ABI_F32) || call->n_in < 2 || call->in[1].dtype != MARU_ABI_F32 ||
        !is_one_output(call, MARU_ABI_F32) || (cpu_has(call, 2) && !is_dense(call, 2, MARU_ABI_F32)))
        return 0;
    if (!is_gemm(call) && call->in[0].rank < 2 && call->in[1].rank > 2)
        return 0;
    const uint32_t layout = call->in[1].layout;
    return layout == 0 || layout == CPU_LAYOUT_PANELS + VL || layout == CPU_LAYOUT_PANELS_TRANSPOSED + VL;
}

static int needs_a_room(const shape *s)
{
    // Rows that are a multiple of a page apart share the sets of the first cache.
    return s->a_k != 1 || (s->m > 4 && s->a_row % 1024 == 0);
}

/* Scratch: panels of B, for each worker where batches run side by side, then rows of A for each worker. */
static uint64_t panel_bytes(const shape *s)
{
    return s->layout ? 0 : (uint64_t)(panels_of(s->n) * PANEL * s->k) * sizeof(float);
}

static uint64_t room_bytes(const shape *s)
{
    return needs_a_room(s) ? (uint64_t)(TILE_ROWS * (s->k + VL)) * sizeof(float) : 0;
}

static uint64_t scratch(const cpu_call *call, uint32_t n_threads)
{
    const shape s = shape_of(call);
    return panel_bytes(&s) * (s.batches > 1 ? n_threads : 1) + room_bytes(&s) * n_threads + 64;
}

/* ---- packing on the way ---- */

typedef struct pack_job {
    const shape *s;
    const float *b;
    float *out;
} pack_job;

static void run_pack(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const pack_job *job = ctx;
    (void)worker;
    pack_panels(job->b, job->s->b_k, job->s->b_n, job->s->k, job->s->n, begin, end, job->out);
}

static product product_of(const cpu_call *call, const cpu_team *team, const shape *s)
{
    product p = {.team = team, .a_row = s->a_row, .a_k = s->a_k, .m = s->m, .n = s->n, .k = s->k, .alpha = 1};
    p.a = call->in[0].data;
    p.y = call->out[0].data;
    p.a_room_step = s->k + VL;
    if (!is_gemm(call))
        return p;
    p.alpha = (float)cpu_attr_float(&call->attrs, "alpha", 1);
    p.beta = (float)cpu_attr_float(&call->attrs, "beta", 1);
    if (!cpu_has(call, 2))
        return p;
    const cpu_tensor *c = &call->in[2];
    const int64_t rows = c->rank > 1 ? c->dims[c->rank - 2] : 1;
    const int64_t columns = c->rank ? c->dims[c->rank - 1] : 1;
    p.c = c->data;
    p.c_row = rows == 1 ? 0 : columns;
    p.c_column = columns == 1 ? 0 : 1;
    return p;
}

static void run_one(cpu_call *call, const cpu_team *team, const shape *s)
{
    product p = product_of(call, team, s);
    float *panels = team->scratch;
    p.b = call->in[1].data;
    if (!s->layout) {
        pack_job job = {s, call->in[1].data, panels};
        for_all(team, panels_of(s->n), 1 + 65536 / (PANEL * (s->k + 1)), run_pack, &job);
        p.b = panels;
    }
    if (needs_a_room(s))
        p.a_room = panels + panel_bytes(s) / sizeof *panels;
    multiply(&p);
}

/* ---- stacks of products ---- */

typedef struct batch_job {
    const cpu_call *call;
    const cpu_team *team;
    const shape *s;
} batch_job;

/* Where the matrix of batch `index` begins in a stack whose leading dims may be 1. */
static int64_t offset_in(const cpu_tensor *out, const cpu_tensor *t, int64_t index)
{
    const uint32_t own = t->rank > 2 ? t->rank - 2 : 0;
    const uint32_t n_batch = out->rank - 2;
    int64_t stride = t->rank > 1 ? t->dims[t->rank - 1] * t->dims[t->rank - 2] : t->count;
    int64_t offset = 0;
    for (uint32_t d = 0; d < own; d++) {
        const int64_t size = out->dims[n_batch - 1 - d];
        const int64_t dim = t->dims[own - 1 - d];
        offset += dim == 1 ? 0 : index % size * stride;
        stride *= dim;
        index /= size;
    }
    return offset;
}

static void run_batches(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const batch_job *job = ctx;
    const shape *s = job->s;
    const uint64_t each = panel_bytes(s);
    const uint32_t threads = job->team->host->thread_count(job->team->host->ctx);
    float *panels = (float *)(void *)((char *)job->team->scratch + each * (uint64_t)worker);
    for (int64_t i = begin; i < end; i++) {
        product p = product_of(job->call, job->team, s);
        p.a += offset_in(&job->call->out[0], &job->call->in[0], i);
        p.first = i * s->m * s->n;
        p.y += p.first;
        p.b = panels;
        p.n_row_blocks = row_blocks_of(p.m);
        p.group = panels_of(p.n);
        if (needs_a_room(s))
            p.a_room = (float *)(void *)((char *)job->team->scratch + each * threads);
        pack_panels((const float *)job->call->in[1].data + offset_in(&job->call->out[0], &job->call->in[1], i), s->b_k,
                    s->b_n, s->k, s->n, 0, panels_of(s->n), panels);
        run_blocks(&p, 0, p.n_row_blocks, worker);
    }
}

static maru_abi_status run(cpu_call *call, const cpu_team *team)
{
    const shape s = shape_of(call);
    if (s.batches == 0 || s.m == 0 || s.n == 0)
        return MARU_ABI_OK;
    if (s.batches == 1) {
        run_one(call, team, &s);
        return MARU_ABI_OK;
    }
    batch_job job = {call, team, &s};
    const double work = (double)s.m * (double)s.n * (double)s.k;
    for_all(team, s.batches, work < 20000 ? (int64_t)(20000 / (work + 1)) + 1 : 1, run_batches, &job);
    return MARU_ABI_OK;
}

/* ---- packed constants ---- */

static uint32_t layout_of(const cpu_call *call, uint32_t n_threads)
{
    (void)n_threads;
    const cpu_tensor *b = &call->in[1];
    if (b->dtype != MARU_ABI_F32 || b->rank != 2 || call->in[0].dtype != MARU_ABI_F32)
        return 0;
    const int is_transposed = is_gemm(call) && cpu_attr_int(&call->attrs, "transB", 0) != 0;
    return (is_transposed ? CPU_LAYOUT_PANELS_TRANSPOSED : CPU_LAYOUT_PANELS) + VL;
}

static uint64_t packed_bytes(const cpu_tensor *b, uint32_t layout)
{
    const int is_transposed = layout == CPU_LAYOUT_PANELS_TRANSPOSED + VL;
    return (uint64_t)(panels_of(b->dims[!is_transposed]) * PANEL * b->dims[is_transposed]) * sizeof(float);
}

static int pack(const cpu_tensor *b, uint32_t layout, void *out)
{
    const int is_transposed = layout == CPU_LAYOUT_PANELS_TRANSPOSED + VL;
    const int64_t n = b->dims[!is_transposed];
    const int64_t k = b->dims[is_transposed];
    pack_panels(b->data, is_transposed ? 1 : n, is_transposed ? k : 1, k, n, 0, panels_of(n), out);
    return 1;
}

extern const cpu_packing VARIANT(cpu_packing_gemm)[];

const cpu_packing VARIANT(cpu_packing_gemm)[] = {
    {"", "Gemm", 1, VARIANT_ISA, VARIANT_PRIORITY, 0, layout_of, packed_bytes, pack},
    {"", "MatMul", 1, VARIANT_ISA, VARIANT_PRIORITY, 0, layout_of, packed_bytes, pack},
    {.op = NULL},
};

#define ROW(op_name)                          \
    {                                         \
        .domain = "",                         \
        .op = op_name,                        \
        .name = KERNEL_NAME("gemm"),          \
        .isa = VARIANT_ISA,                   \
        .priority = VARIANT_PRIORITY,         \
        .gflops = 5 * VL,                     \
        .flags = CPU_KERNEL_TAKES_TAIL,       \
        .fn = run,                            \
        .takes = takes,                       \
        .scratch = scratch,                   \
    }

extern const cpu_kernel VARIANT(cpu_vector_gemm)[];

const cpu_kernel VARIANT(cpu_vector_gemm)[] = {
    ROW("Gemm"),
    ROW("MatMul"),
    {.name = NULL},
};
