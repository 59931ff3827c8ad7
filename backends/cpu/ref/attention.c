// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- heads ---- */

/* Q, K or V as (batch, heads, sequence, size), whether it has rank 4 or 3. */
typedef struct heads {
    const cpu_tensor *t;
    int64_t n, sequence, size;
    int64_t batch_step, head_step, row_step;
} heads;

static heads read_heads(const cpu_tensor *t, int64_t n)
{
    heads h = {.t = t};
    if (t->rank == 4) {
        h.n = t->dims[1];
        h.sequence = t->dims[2];
        h.size = t->dims[3];
        h.row_step = h.size;
        h.head_step = h.sequence * h.size;
    } else {
        h.n = n;
        h.sequence = t->dims[1];
        h.size = t->dims[2] / n;
        h.row_step = t->dims[2];
        h.head_step = h.size;
    }
    h.batch_step = h.n * h.sequence * h.size;
    return h;
}

static int64_t row_of(const heads *h, int64_t batch, int64_t head, int64_t row)
{
    return batch * h->batch_step + head * h->head_step + row * h->row_step;
}

/* ---- Attention ---- */

typedef struct attention {
    cpu_call *c;
    heads q, k, v;
    const cpu_tensor *mask, *past_k, *past_v, *lengths;
    int64_t past;   // keys before those of K
    int64_t total;
    int64_t group;  // query heads per key head
    double scale, softcap;
    int64_t left, right;
    int is_causal;
    double *scores;  // one row: total
} attention;

static double key_at(const attention *a, int64_t batch, int64_t head, int64_t key, int64_t i)
{
    if (key < a->past)
        return cpu_load(a->past_k, ((batch * a->k.n + head) * a->past + key) * a->k.size + i);
    return cpu_load(a->k.t, row_of(&a->k, batch, head, key - a->past) + i);
}

static double value_at(const attention *a, int64_t batch, int64_t head, int64_t key, int64_t i)
{
    if (key < a->past)
        return cpu_load(a->past_v, ((batch * a->v.n + head) * a->past + key) * a->v.size + i);
    return cpu_load(a->v.t, row_of(&a->v, batch, head, key - a->past) + i);
}

/* What the mask adds to a score: minus infinity where it forbids, and past its end. */
static double mask_at(const attention *a, int64_t batch, int64_t head, int64_t query, int64_t key)
{
    const cpu_tensor *m = a->mask;
    const int64_t at[4] = {batch, head, query, key};
    int64_t index = 0;
    if (!m)
        return 0;
    for (uint32_t d = 0; d < m->rank; d++) {
        const int64_t size = m->dims[d];
        const int64_t position = at[4 - m->rank + d];
        if (d + 1 == m->rank && size != 1 && position >= size)
            return -INFINITY;
        index = index * size + (size == 1 ? 0 : position);
    }
    if (m->dtype == MARU_ABI_BOOL)
        return cpu_load_int(m, index) ? 0 : -INFINITY;
    return cpu_load(m, index);
}

/* Whether structure (causality, windows, lengths) lets the query see the key. */
static int sees(const attention *a, int64_t batch, int64_t query, int64_t key)
{
    const int64_t length = a->lengths ? cpu_load_int(a->lengths, batch) : a->total;
    const int64_t offset = a->past_k ? a->past : a->lengths ? length - a->q.sequence : 0;
    const int64_t position = offset + query;
    return key < length && !(a->is_causal && key > position) && !(a->left >= 0 && key < position - a->left) &&
           !(a->right >= 0 && key > position + a->right);
}

/* Stage `mode` of the score row goes to the optional fourth output. */
static void keep_stage(const attention *a, int64_t mode, int64_t row)
{
    if (a->c->n_out < 4 || !a->c->out[3].dtype || cpu_attr_int(&a->c->attrs, "qk_matmul_output_mode", 0) != mode)
        return;
    for (int64_t key = 0; key < a->total; key++)
        cpu_store(&a->c->out[3], row * a->total + key, a->scores[key]);
}

static void softmax_row(double *scores, int64_t n)
{
    double largest = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, scores[i]);
    for (int64_t i = 0; i < n; i++) {
        scores[i] = isinf(largest) && largest < 0 ? 0 : exp(scores[i] - largest);
        sum += scores[i];
    }
    for (int64_t i = 0; i < n && sum != 0; i++)
        scores[i] /= sum;
}

static void attend(const attention *a, int64_t batch, int64_t head, int64_t query)
{
    const int64_t kv = head / a->group;
    const int64_t row = (batch * a->q.n + head) * a->q.sequence + query;
    const int64_t q = row_of(&a->q, batch, head, query);
    for (int64_t key = 0; key < a->total; key++) {
        double sum = 0;
        for (int64_t i = 0; i < a->q.size; i++)
            sum += cpu_load(a->q.t, q + i) * key_at(a, batch, kv, key, i);
        a->scores[key] = sum * a->scale;
    }
    keep_stage(a, 0, row);
    for (int64_t key = 0; key < a->total && a->softcap > 0; key++)
        a->scores[key] = a->softcap * tanh(a->scores[key] / a->softcap);
    keep_stage(a, 1, row);
    for (int64_t key = 0; key < a->total; key++)
        a->scores[key] = sees(a, batch, query, key) ? a->scores[key] + mask_at(a, batch, head, query, key) : -INFINITY;
    keep_stage(a, 2, row);
    softmax_row(a->scores, a->total);
    keep_stage(a, 3, row);
    const heads y = read_heads(&a->c->out[0], a->q.n);
    for (int64_t i = 0; i < a->v.size; i++) {
        double sum = 0;
        for (int64_t key = 0; key < a->total; key++)
            sum += a->scores[key] != 0 ? a->scores[key] * value_at(a, batch, kv, key, i) : 0;
        cpu_store(&a->c->out[0], row_of(&y, batch, head, query) + i, sum);
    }
}

/* present = past followed by the new keys, and the same for values. */
static void write_present(const attention *a, uint32_t output, const heads *h, int is_key)
{
    if (a->c->n_out <= output || !a->c->out[output].dtype)
        return;
    int64_t at = 0;
    for (int64_t batch = 0; batch < a->q.t->dims[0]; batch++)
        for (int64_t head = 0; head < h->n; head++)
            for (int64_t key = 0; key < a->total; key++)
                for (int64_t i = 0; i < h->size; i++)
                    cpu_store(&a->c->out[output], at++,
                              is_key ? key_at(a, batch, head, key, i) : value_at(a, batch, head, key, i));
}

static attention read_attention(cpu_call *c)
{
    attention a = {.c = c};
    a.q = read_heads(&c->in[0], cpu_attr_int(&c->attrs, "q_num_heads", 1));
    a.k = read_heads(&c->in[1], cpu_attr_int(&c->attrs, "kv_num_heads", 1));
    a.v = read_heads(&c->in[2], cpu_attr_int(&c->attrs, "kv_num_heads", 1));
    a.mask = cpu_has(c, 3) ? &c->in[3] : NULL;
    a.past_k = cpu_has(c, 4) ? &c->in[4] : NULL;
    a.past_v = cpu_has(c, 5) ? &c->in[5] : NULL;
    a.lengths = cpu_has(c, 6) ? &c->in[6] : NULL;
    a.past = a.past_k ? a.past_k->dims[2] : 0;
    a.total = a.past + a.k.sequence;
    a.group = a.k.n ? a.q.n / a.k.n : 1;
    a.scale = cpu_attr_float(&c->attrs, "scale", 1 / sqrt((double)a.q.size));
    a.softcap = cpu_attr_float(&c->attrs, "softcap", 0);
    a.left = cpu_attr_int(&c->attrs, "left_window_size", -1);
    a.right = cpu_attr_int(&c->attrs, "right_window_size", -1);
    a.is_causal = cpu_attr_int(&c->attrs, "is_causal", 0) != 0;
    return a;
}

static maru_abi_status ref_attention(cpu_call *c)
{
    attention a = read_attention(c);
    const int64_t n_batch = a.q.t->dims[0];
    for (int64_t b = 0; a.lengths && b < n_batch; b++) {
        const int64_t length = cpu_load_int(a.lengths, b);
        if (length < 0 || length > a.total)
            return cpu_bad_value(c, "nonpad_kv_seqlen[%lld] is %lld, there are %lld keys", (long long)b,
                                 (long long)length, (long long)a.total);
    }
    a.scores = malloc((size_t)(a.total ? a.total : 1) * sizeof *a.scores);
    if (!a.scores)
        return MARU_ABI_RESOURCE_EXHAUSTED;
    for (int64_t batch = 0; batch < n_batch; batch++)
        for (int64_t head = 0; head < a.q.n; head++)
            for (int64_t query = 0; query < a.q.sequence; query++)
                attend(&a, batch, head, query);
    write_present(&a, 1, &a.k, 1);
    write_present(&a, 2, &a.v, 0);
    free(a.scores);
    return MARU_ABI_OK;
}

/* ---- RotaryEmbedding ---- */

static maru_abi_status cache_row(cpu_call *c, int64_t batch, int64_t token, int64_t sequence, int64_t half,
                                 int64_t *out)
{
    if (!cpu_has(c, 3)) {
        *out = (batch * sequence + token) * half;
        return MARU_ABI_OK;
    }
    const int64_t position = cpu_load_int(&c->in[3], batch * sequence + token);
    if (position < 0 || position >= c->in[1].dims[0])
        return cpu_bad_value(c, "position_ids[%lld, %lld] is %lld, the cache has %lld rows", (long long)batch,
                             (long long)token, (long long)position, (long long)c->in[1].dims[0]);
    *out = position * half;
    return MARU_ABI_OK;
}

static void rotate(cpu_call *c, int64_t first, int64_t size, int64_t half, int64_t row, int interleaved)
{
    const cpu_tensor *x = &c->in[0];
    for (int64_t i = 0; i < half; i++) {
        const int64_t one = first + (interleaved ? 2 * i : i);
        const int64_t two = first + (interleaved ? 2 * i + 1 : i + half);
        const double cosine = cpu_load(&c->in[1], row + i);
        const double sine = cpu_load(&c->in[2], row + i);
        const double x1 = cpu_load(x, one);
        const double x2 = cpu_load(x, two);
        cpu_store(&c->out[0], one, cosine * x1 - sine * x2);
        cpu_store(&c->out[0], two, sine * x1 + cosine * x2);
    }
    for (int64_t i = first + 2 * half; i < first + size; i++)
        cpu_store(&c->out[0], i, cpu_load(x, i));
}

static maru_abi_status ref_rotary_embedding(cpu_call *c)
{
    const heads h = read_heads(&c->in[0], cpu_attr_int(&c->attrs, "num_heads", 1));
    const int64_t rotated = cpu_attr_int(&c->attrs, "rotary_embedding_dim", 0);
    const int64_t half = (rotated ? rotated : h.size) / 2;
    const int interleaved = cpu_attr_int(&c->attrs, "interleaved", 0) != 0;
    for (int64_t batch = 0; batch < c->in[0].dims[0]; batch++) {
        for (int64_t token = 0; token < h.sequence; token++) {
            int64_t row = 0;
            const maru_abi_status status = cache_row(c, batch, token, h.sequence, half, &row);
            if (status != MARU_ABI_OK)
                return status;
            for (int64_t head = 0; head < h.n; head++)
                rotate(c, row_of(&h, batch, head, token), h.size, half, row, interleaved);
        }
    }
    return MARU_ABI_OK;
}

const cpu_ref_op cpu_ref_attention[] = {
    {.name = "Attention", .domain = "", .since_version = 25, .fn = ref_attention, .dtypes = "f f f fb f f i"},
    {.name = "RotaryEmbedding", .domain = "", .since_version = 23, .fn = ref_rotary_embedding, .dtypes = "f f f i"},
    {0},
};
