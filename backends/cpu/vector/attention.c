// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Attention of f32. A task is some queries of one group of heads, which share
 * their keys and values; it goes over blocks of keys and keeps the largest
 * score and the sum of each row as it goes (Milakov and Gimelshein, "Online
 * normalizer calculation for softmax", 2018), so that no row of scores is
 * ever whole. Many queries are products of packed panels; few queries, as
 * when a text is generated, read keys and values where they lie.
 */

#include "vector/gemm.h"

#include <math.h>

enum { KEYS = 256, FEW_ROWS = 8 };

#define ROOM_FOR_ROWS 128

/* Q, K, V or the output: element (batch, head, row, i). */
typedef struct heads {
    float *data;
    int64_t n, sequence, size;
    int64_t batch_step, head_step, row_step;
} heads;

typedef struct attention {
    heads q, k, v, y;
    const cpu_tensor *mask;
    const cpu_tensor *lengths;
    int64_t batches;
    int64_t group;        // query heads per key head
    int64_t block;        // queries of a task
    int64_t n_blocks;     // of the queries of a head
    int64_t heads_per_task; // 1, or the group
    float scale, softcap;
    int64_t left, right;
    int is_causal;
    float *scratch;
    int64_t scratch_step; // floats per worker
} attention;

static heads read_heads(const cpu_tensor *t, int64_t n)
{
    heads h = {.data = t->data};
    if (t->rank == 4) {
        h.n = t->dims[1];
        h.sequence = t->dims[2];
        h.size = t->dims[3];
        h.row_step = h.size;
        h.head_step = h.sequence * h.size;
    } else {
        h.n = n;
        h.sequence = t->dims[1];
        h.size = n ? t->dims[2] / n : 0;
        h.row_step = t->dims[2];
        h.head_step = h.size;
    }
    h.batch_step = h.n * h.sequence * h.size;
    return h;
}

static float *at_row(const heads *h, int64_t batch, int64_t head, int64_t row)
{
    return h->data + batch * h->batch_step + head * h->head_step + row * h->row_step;
}

/* ---- the rows of a task ---- */

typedef struct task {
    const attention *a;
    int64_t batch, kv_head;
    int64_t first_head, n_heads;
    int64_t first_query, n_queries;
    int64_t rows;            // n_heads * n_queries, a head's queries together
    int64_t n_keys;          // that exist
    int64_t position;        // of query 0
    float *panels;           // K or V of a block, packed
    float *scores;           // [rows][KEYS]
    float *sums;             // [rows][size of V, padded]: what will be the output
    float *largest, *total;  // [rows]
    int64_t sums_step;
} task;

static int64_t padded(int64_t n)
{
    return panels_of(n) * PANEL;
}

static const float *query_of(const task *t, int64_t row)
{
    return at_row(&t->a->q, t->batch, t->first_head + row / t->n_queries, t->first_query + row % t->n_queries);
}

/* Keys [*low, *high) that the query may see. */
static void seen_by(const task *t, int64_t query, int64_t *low, int64_t *high)
{
    const attention *a = t->a;
    const int64_t position = t->position + query;
    *low = a->left >= 0 && position - a->left > 0 ? position - a->left : 0;
    *high = t->n_keys;
    if (a->is_causal)
        *high = smaller_of(*high, position + 1);
    if (a->right >= 0)
        *high = smaller_of(*high, position + a->right + 1);
}

static void add_floats(float *scores, const float *mask, int64_t n)
{
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        v_store(scores + i, v_load(scores + i) + v_load(mask + i));
    for (; i < n; i++)
        scores[i] += mask[i];
}

static void forbid(float *scores, const uint8_t *mask, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        scores[i] = mask[i] ? scores[i] : -INFINITY;
}

/* Adds the mask to scores of keys [first, first + n); what it forbids, or does not reach, is minus infinity. */
static void add_mask(const task *t, int64_t head, int64_t query, int64_t first, int64_t n, float *scores)
{
    const cpu_tensor *m = t->a->mask;
    const int64_t at[3] = {t->batch, head, query};
    const int64_t width = m->dims[m->rank - 1];
    int64_t row = 0;
    for (uint32_t d = 0; d + 1 < m->rank; d++)
        row = row * m->dims[d] + (m->dims[d] == 1 ? 0 : at[4 - m->rank + d]);
    const int64_t reach = width == 1 ? n : width > first ? smaller_of(n, width - first) : 0;
    const int is_bool = m->dtype == MARU_ABI_BOOL;
    const float one = is_bool || width != 1 ? 0 : ((const float *)m->data)[row];
    for (int64_t i = 0; width == 1 && i < n; i++)
        scores[i] = is_bool && !((const uint8_t *)m->data)[row] ? -INFINITY : scores[i] + one;
    if (width != 1 && is_bool)
        forbid(scores, (const uint8_t *)m->data + row * width + first, reach);
    else if (width != 1)
        add_floats(scores, (const float *)m->data + row * width + first, reach);
    for (int64_t i = reach; i < n; i++)
        scores[i] = -INFINITY;
}

/* Scores of a block of keys become weights; sums and totals of the row so far are made smaller to match. */
static void weigh_row(const task *t, int64_t row, int64_t first, int64_t n)
{
    const attention *a = t->a;
    float *s = t->scores + row * KEYS;
    const int64_t query = t->first_query + row % t->n_queries;
    int64_t low = 0;
    int64_t high = 0;
    seen_by(t, query, &low, &high);
    for (int64_t i = n; i < KEYS && i % VL; i++)
        s[i] = 0;
    for (int64_t i = 0; i < n; i += VL) {
        vf v = v_load(s + i) * a->scale;
        if (a->softcap > 0)
            v = a->softcap * v_tanh(v / a->softcap);
        v_store(s + i, v);
    }
    if (a->mask)
        add_mask(t, t->first_head + row / t->n_queries, query, first, n, s);
    for (int64_t i = 0; i < n && first + i < low; i++)
        s[i] = -INFINITY;
    for (int64_t i = high > first ? high - first : 0; i < n; i++)
        s[i] = -INFINITY;
    for (int64_t i = n; i < KEYS && i % VL; i++)
        s[i] = -INFINITY;
    vf most = v_set(t->largest[row]);
    for (int64_t i = 0; i < n; i += VL)
        most = v_max(v_load(s + i), most);
    const float largest = v_largest(most);
    const float shift = largest == -INFINITY ? 0 : largest;  // a row that sees nothing yet
    vf total = {0};
    for (int64_t i = 0; i < n; i += VL) {
        const vf e = v_exp_down(v_load(s + i) - shift);
        v_store(s + i, e);
        total += e;
    }
    const float shrink = t->largest[row] == -INFINITY ? 0 : expf(t->largest[row] - largest);
    t->largest[row] = largest;
    t->total[row] = t->total[row] * shrink + v_sum(total);
    float *sums = t->sums + row * t->sums_step;
    for (int64_t i = 0; shrink != 1 && i < t->sums_step; i += VL)
        v_store(sums + i, v_load(sums + i) * shrink);
}

/* ---- many rows: panels ---- */

/* Rows of a task that lie one after the other: those of one head. */
static void score_block(const task *t, int64_t first, int64_t n)
{
    const heads *k = &t->a->k;
    pack_panels(at_row(k, t->batch, t->kv_head, first), 1, k->row_step, k->size, n, 0, panels_of(n), t->panels);
    for (int64_t head = 0; head < t->n_heads; head++) {
        const int64_t n_tiles = row_blocks_of(t->n_queries);
        for (int64_t b = 0; b < n_tiles; b++) {
            const int64_t row = b * t->n_queries / n_tiles;
            const int64_t rows = (b + 1) * t->n_queries / n_tiles - row;
            const float *q = query_of(t, head * t->n_queries + row);
            for (int64_t panel = 0; panel < panels_of(n); panel++) {
                vf sums[TILE_ROWS][2];
                tile(rows, q, t->a->q.row_step, t->panels + panel * PANEL * k->size, k->size, sums);
                float *out = t->scores + (head * t->n_queries + row) * KEYS + panel * PANEL;
                for (int64_t r = 0; r < rows; r++) {
                    v_store(out + r * KEYS, sums[r][0]);
                    v_store(out + r * KEYS + VL, sums[r][1]);
                }
            }
        }
    }
}

static void add_values(const task *t, int64_t first, int64_t n)
{
    const heads *v = &t->a->v;
    pack_panels(at_row(v, t->batch, t->kv_head, first), v->row_step, 1, n, v->size, 0, panels_of(v->size), t->panels);
    const int64_t n_tiles = row_blocks_of(t->rows);
    for (int64_t b = 0; b < n_tiles; b++) {
        const int64_t row = b * t->rows / n_tiles;
        const int64_t rows = (b + 1) * t->rows / n_tiles - row;
        for (int64_t panel = 0; panel < panels_of(v->size); panel++) {
            vf sums[TILE_ROWS][2];
            tile(rows, t->scores + row * KEYS, KEYS, t->panels + panel * PANEL * n, n, sums);
            float *out = t->sums + row * t->sums_step + panel * PANEL;
            for (int64_t r = 0; r < rows; r++, out += t->sums_step) {
                v_store(out, v_load(out) + sums[r][0]);
                v_store(out + VL, v_load(out + VL) + sums[r][1]);
            }
        }
    }
}

/* ---- few rows: dot products ---- */

static float dot(const float *a, const float *b, int64_t n)
{
    vf s0 = {0};
    vf s1 = {0};
    int64_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        s0 += v_load(a + i) * v_load(b + i);
        s1 += v_load(a + i + VL) * v_load(b + i + VL);
    }
    for (; i < n; i += VL) {
        const int64_t left = n - i;
        s0 += left >= VL ? v_load(a + i) * v_load(b + i) : v_load_n(a + i, left) * v_load_n(b + i, left);
    }
    return v_sum(s0 + s1);
}

static void score_few(const task *t, int64_t first, int64_t n)
{
    const heads *k = &t->a->k;
    for (int64_t key = 0; key < n; key++) {
        const float *from = at_row(k, t->batch, t->kv_head, first + key);
        for (int64_t row = 0; row < t->rows; row++)
            t->scores[row * KEYS + key] = dot(query_of(t, row), from, k->size);
    }
}

static void add_few(const task *t, int64_t first, int64_t n)
{
    const heads *v = &t->a->v;
    for (int64_t key = 0; key < n; key++) {
        const float *from = at_row(v, t->batch, t->kv_head, first + key);
        for (int64_t row = 0; row < t->rows; row++) {
            const float weight = t->scores[row * KEYS + key];
            float *out = t->sums + row * t->sums_step;
            for (int64_t i = 0; i < v->size; i += VL) {
                const vf x = v->size - i >= VL ? v_load(from + i) : v_load_n(from + i, v->size - i);
                v_store(out + i, v_load(out + i) + x * weight);
            }
        }
    }
}

/* ---- a task ---- */

static void write_rows(const task *t)
{
    const heads *y = &t->a->y;
    for (int64_t row = 0; row < t->rows; row++) {
        float *to = at_row(y, t->batch, t->first_head + row / t->n_queries, t->first_query + row % t->n_queries);
        const float *from = t->sums + row * t->sums_step;
        const float inverse = t->total[row] != 0 ? 1.0f / t->total[row] : 0;
        for (int64_t i = 0; i < t->a->v.size; i += VL) {
            const int64_t left = t->a->v.size - i;
            if (left >= VL)
                v_store(to + i, v_load(from + i) * inverse);
            else
                v_store_n(to + i, v_load(from + i) * inverse, left);
        }
    }
}

static void run_task(task *t)
{
    int64_t low = 0;
    int64_t high = 0;
    int64_t last_low = 0;
    seen_by(t, t->first_query, &low, &high);
    seen_by(t, t->first_query + t->n_queries - 1, &last_low, &high);
    memset(t->sums, 0, (size_t)(t->rows * t->sums_step) * sizeof *t->sums);
    for (int64_t row = 0; row < t->rows; row++) {
        t->largest[row] = -INFINITY;
        t->total[row] = 0;
    }
    const int is_few = t->rows <= FEW_ROWS;
    for (int64_t first = low / KEYS * KEYS; first < high; first += KEYS) {
        const int64_t n = smaller_of(KEYS, high - first);
        if (is_few)
            score_few(t, first, n);
        else
            score_block(t, first, n);
        for (int64_t row = 0; row < t->rows; row++)
            weigh_row(t, row, first, n);
        if (is_few)
            add_few(t, first, n);
        else
            add_values(t, first, n);
    }
    write_rows(t);
}

static int64_t load_length(const cpu_tensor *t, int64_t index)
{
    return t->dtype == MARU_ABI_I64 ? ((const int64_t *)t->data)[index] : ((const int32_t *)t->data)[index];
}

static void run_tasks(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const attention *a = ctx;
    const int64_t head_tasks = a->q.n / a->heads_per_task;
    for (int64_t item = begin; item < end; item++) {
        const int64_t block = item % a->n_blocks;
        const int64_t head = item / a->n_blocks % head_tasks * a->heads_per_task;
        task t = {.a = a, .batch = item / a->n_blocks / head_tasks, .first_head = head, .n_heads = a->heads_per_task};
        t.kv_head = head / a->group;
        t.first_query = block * a->block;
        t.n_queries = smaller_of(a->block, a->q.sequence - t.first_query);
        t.rows = t.n_heads * t.n_queries;
        t.n_keys = a->lengths ? load_length(a->lengths, t.batch) : a->k.sequence;
        t.position = a->lengths ? t.n_keys - a->q.sequence : 0;
        t.sums_step = padded(a->v.size);
        float *room = a->scratch + worker * a->scratch_step;
        const int64_t rows = a->block * a->heads_per_task;
        t.largest = room;
        t.total = t.largest + rows;
        t.scores = room + (2 * rows + PANEL - 1) / PANEL * PANEL;
        t.sums = t.scores + rows * KEYS;
        t.panels = t.sums + rows * t.sums_step;
        run_task(&t);
    }
}

/* ---- the call ---- */

static void choose_tasks(attention *a, int64_t n_threads)
{
    a->heads_per_task = a->group * a->q.sequence <= FEW_ROWS ? a->group : 1;
    a->block = smaller_of(a->q.sequence, ROOM_FOR_ROWS);
    while (a->block > 2 * TILE_ROWS &&
           a->batches * (a->q.n / a->heads_per_task) * ((a->q.sequence + a->block - 1) / a->block) < 4 * n_threads)
        a->block = (a->block + 1) / 2;
    a->block = a->block > 0 ? a->block : 1;
    a->n_blocks = (a->q.sequence + a->block - 1) / a->block;
    const int64_t rows = a->block * a->heads_per_task;
    const int64_t widest = a->k.size > a->v.size ? a->k.size : padded(a->v.size);
    a->scratch_step = 2 * rows + PANEL + rows * (KEYS + padded(a->v.size)) + padded(KEYS) * (widest + PANEL);
    a->scratch_step = padded(a->scratch_step);
}

static attention read_attention(const cpu_call *c)
{
    attention a = {.batches = c->in[0].dims[0]};
    const int64_t n = cpu_attr_int(&c->attrs, "q_num_heads", 1);
    const int64_t n_kv = cpu_attr_int(&c->attrs, "kv_num_heads", 1);
    a.q = read_heads(&c->in[0], n);
    a.k = read_heads(&c->in[1], n_kv);
    a.v = read_heads(&c->in[2], n_kv);
    a.y = read_heads(&c->out[0], a.q.n);
    a.mask = cpu_has(c, 3) ? &c->in[3] : NULL;
    a.lengths = cpu_has(c, 6) ? &c->in[6] : NULL;
    a.group = a.k.n ? a.q.n / a.k.n : 1;
    a.scale = (float)cpu_attr_float(&c->attrs, "scale", 1 / sqrt((double)(a.q.size ? a.q.size : 1)));
    a.softcap = (float)cpu_attr_float(&c->attrs, "softcap", 0);
    a.left = cpu_attr_int(&c->attrs, "left_window_size", -1);
    a.right = cpu_attr_int(&c->attrs, "right_window_size", -1);
    a.is_causal = cpu_attr_int(&c->attrs, "is_causal", 0) != 0;
    return a;
}

static maru_abi_status op_attention(cpu_call *c, const cpu_team *team)
{
    attention a = read_attention(c);
    for (int64_t b = 0; a.lengths && b < a.batches; b++) {
        const int64_t length = load_length(a.lengths, b);
        if (length < 0 || length > a.k.sequence)
            return cpu_bad_value(c, "nonpad_kv_seqlen[%lld] is %lld, there are %lld keys", (long long)b,
                                 (long long)length, (long long)a.k.sequence);
    }
    if (a.q.sequence == 0)
        return MARU_ABI_OK;
    choose_tasks(&a, team->host->thread_count(team->host->ctx));
    a.scratch = team->scratch;
    for_all(team, a.batches * (a.q.n / a.heads_per_task) * a.n_blocks, 1, run_tasks, &a);
    return MARU_ABI_OK;
}

static uint64_t scratch(const cpu_call *call, uint32_t n_threads)
{
    attention a = read_attention(call);
    choose_tasks(&a, n_threads);
    return (uint64_t)a.scratch_step * sizeof(float) * n_threads;
}

/* No past beside the keys, no present, no scores as an output. */
static int takes(const cpu_call *call)
{
    if (!is_one_output(call, MARU_ABI_F32) || cpu_has(call, 4) || cpu_has(call, 5))
        return 0;
    for (uint32_t i = 0; i < 3; i++)
        if (!is_dense(call, i, MARU_ABI_F32))
            return 0;
    if (cpu_has(call, 3) && (call->in[3].rank == 0 || call->in[3].rank > 4 ||
                             (call->in[3].dtype != MARU_ABI_F32 && call->in[3].dtype != MARU_ABI_BOOL)))
        return 0;
    return !cpu_has(call, 6) || call->in[6].dtype == MARU_ABI_I64 || call->in[6].dtype == MARU_ABI_I32;
}

extern const cpu_kernel VARIANT(cpu_vector_attention)[];

const cpu_kernel VARIANT(cpu_vector_attention)[] = {
    {
        .domain = "",
        .op = "Attention",
        .name = KERNEL_NAME("attention"),
        .isa = VARIANT_ISA,
        .priority = VARIANT_PRIORITY,
        .gflops = 3 * VL,
        .fn = op_attention,
        .takes = takes,
        .scratch = scratch,
    },
    {.name = NULL},
};
