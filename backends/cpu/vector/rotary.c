// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* RotaryEmbedding of f32, not interleaved: the two halves of a head are runs. */

#include "vector/vec.h"

typedef struct rotary {
    const float *x;
    float *y;
    const float *cosine, *sine;
    const cpu_tensor *positions;  // NULL: the caches are per token
    int64_t n_heads, sequence, size, half;
    int64_t batch_step, head_step, row_step;
} rotary;

static void rotate(const rotary *r, int64_t at, const float *cosine, const float *sine)
{
    const float *x = r->x + at;
    float *y = r->y + at;
    for (int64_t i = 0; i < r->half; i += VL) {
        const int64_t n = r->half - i;
        const int is_whole = n >= VL;
        const vf c = is_whole ? v_load(cosine + i) : v_load_n(cosine + i, n);
        const vf s = is_whole ? v_load(sine + i) : v_load_n(sine + i, n);
        const vf one = is_whole ? v_load(x + i) : v_load_n(x + i, n);
        const vf two = is_whole ? v_load(x + r->half + i) : v_load_n(x + r->half + i, n);
        const vf first = c * one - s * two;
        const vf second = s * one + c * two;
        if (is_whole) {
            v_store(y + i, first);
            v_store(y + r->half + i, second);
        } else {
            v_store_n(y + i, first, n);
            v_store_n(y + r->half + i, second, n);
        }
    }
    if (x != y && r->size > 2 * r->half)
        memcpy(y + 2 * r->half, x + 2 * r->half, (size_t)(r->size - 2 * r->half) * sizeof *y);
}

static int64_t position_of(const rotary *r, int64_t token)
{
    if (!r->positions)
        return token;
    return ((const int64_t *)r->positions->data)[token];
}

/* Items are tokens of all batches. */
static void run_tokens(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const rotary *r = ctx;
    (void)worker;
    for (int64_t token = begin; token < end; token++) {
        const int64_t row = position_of(r, token) * r->half;
        const int64_t at = token / r->sequence * r->batch_step + token % r->sequence * r->row_step;
        for (int64_t head = 0; head < r->n_heads; head++)
            rotate(r, at + head * r->head_step, r->cosine + row, r->sine + row);
    }
}

static rotary read_rotary(const cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    rotary r = {.x = x->data, .y = c->out[0].data, .cosine = c->in[1].data, .sine = c->in[2].data};
    r.positions = cpu_has(c, 3) ? &c->in[3] : NULL;
    if (x->rank == 4) {
        r.n_heads = x->dims[1];
        r.sequence = x->dims[2];
        r.size = x->dims[3];
        r.row_step = r.size;
        r.head_step = r.sequence * r.size;
    } else {
        r.n_heads = cpu_attr_int(&c->attrs, "num_heads", 1);
        r.sequence = x->dims[1];
        r.size = r.n_heads > 0 ? x->dims[2] / r.n_heads : 0;
        r.row_step = x->dims[2];
        r.head_step = r.size;
    }
    r.batch_step = r.n_heads * r.sequence * r.size;
    const int64_t rotated = cpu_attr_int(&c->attrs, "rotary_embedding_dim", 0);
    r.half = (rotated ? rotated : r.size) / 2;
    return r;
}

static maru_abi_status op_rotary(cpu_call *c, const cpu_team *team)
{
    rotary r = read_rotary(c);
    const int64_t tokens = c->in[0].dims[0] * r.sequence;
    for (int64_t i = 0; r.positions && i < tokens; i++) {
        const int64_t position = position_of(&r, i);
        if (position < 0 || position >= c->in[1].dims[0])
            return cpu_bad_value(c, "position_ids[%lld, %lld] is %lld, the cache has %lld rows",
                                 (long long)(i / r.sequence), (long long)(i % r.sequence), (long long)position,
                                 (long long)c->in[1].dims[0]);
    }
    const int64_t elements = r.n_heads * r.size;
    for_all(team, tokens, 1 + 16384 / (elements > 0 ? elements : 1), run_tokens, &r);
    return MARU_ABI_OK;
}

static int takes(const cpu_call *call)
{
    for (uint32_t i = 0; i < 3; i++)
        if (!is_dense(call, i, MARU_ABI_F32))
            return 0;
    if (cpu_has(call, 3) && call->in[3].dtype != MARU_ABI_I64)
        return 0;
    return cpu_attr_int(&call->attrs, "interleaved", 0) == 0 && is_one_output(call, MARU_ABI_F32);
}

extern const cpu_kernel VARIANT(cpu_vector_rotary)[];

const cpu_kernel VARIANT(cpu_vector_rotary)[] = {
    {
        .domain = "",
        .op = "RotaryEmbedding",
        .name = KERNEL_NAME("rotary"),
        .isa = VARIANT_ISA,
        .priority = VARIANT_PRIORITY,
        .gflops = VL / 4,
        .fn = op_rotary,
        .takes = takes,
    },
    {.name = NULL},
};
