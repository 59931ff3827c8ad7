// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Rows of bytes times one matrix of them. */

#include "dnnl/integer.h"

/* ---- the library's part: u8 (rows, k) times s8 (k, n) ---- */

static int describe(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    if (!cpu_dnnl_describe(d, &call->in[0], &p->src.given) || !cpu_dnnl_describe(d, &call->in[1], &p->weights.given) ||
        !cpu_dnnl_describe(d, &call->out[0], &p->dst.given))
        return 0;
    p->src.wanted = p->src.given;
    p->weights.wanted = p->weights.given;
    p->dst.wanted = p->dst.given;
    const cpu_tensor row = {.dtype = MARU_ABI_F32, .rank = 2, .dims = {1, call->out[0].dims[1]}};
    return cpu_dnnl_describe(d, &row, &p->bias) && cpu_integer_describe_whole(d, call, 1, p);
}

static int operation(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, cpu_dnnl_op *out)
{
    (void)call;
    return d->dnnl_matmul_desc_init(&out->matmul, &p->src.wanted, &p->weights.wanted, p->has_bias ? &p->bias : NULL,
                                    &p->dst.wanted) == dnnl_success;
}

const cpu_dnnl_recipe cpu_integer_matmul_recipe = {describe, operation, cpu_integer_attributes, NULL};

/* ---- the call's ---- */

static cpu_tensor matrix(uint32_t dtype, int64_t rows, int64_t columns)
{
    return (cpu_tensor){.dtype = dtype, .rank = 2, .dims = {rows, columns}, .count = rows * columns};
}

void cpu_integer_describe_matmul(const cpu_call *call, const cpu_integer_operands *o, cpu_integer_product *p)
{
    p->k = o->b->dims[0];
    p->n = o->b->dims[1];
    p->rows = call->out[0].count / p->n;
    p->groups = 1;
    p->a = matrix(MARU_ABI_U8, p->rows, p->k);
    p->b = matrix(MARU_ABI_I8, p->k, p->n);
    p->b.layout = o->b->layout;
    p->sums = matrix(MARU_ABI_I32, p->rows, p->n);
}

int cpu_integer_prepare_matmul(const cpu_call *call, const cpu_integer_operands *o, cpu_integer_product *p)
{
    if (o->a->dtype == MARU_ABI_I8)
        p->a_at = cpu_integer_reserve(p, p->a.count, 1);
    if (call->out[0].dtype != MARU_ABI_I32)
        p->sums_at = cpu_integer_reserve(p, p->sums.count, sizeof(uint32_t));
    return 1;
}

/* What is left of each row when k times its zero point is taken off. */
static void fill_rest(const cpu_integer_product *p, const uint8_t *a, uint32_t zero, const uint32_t *zeros,
                      uint32_t *out)
{
    for (int64_t row = 0; row < p->rows; row++)
        out[row] = cpu_sum_bytes_avx512(a + row * p->k, p->k, 0) - (uint32_t)p->k * (zeros ? zeros[row] : zero);
}

maru_abi_status cpu_integer_run_matmul(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team)
{
    const cpu_integer_product *p = team->prepared;
    const int is_int32 = call->out[0].dtype == MARU_ABI_I32;
    void *sums = is_int32 ? call->out[0].data : cpu_integer_at(team, p->sums_at);
    uint8_t *a = o->a->data;
    if (o->a->dtype == MARU_ABI_I8) {
        a = cpu_integer_at(team, p->a_at);
        cpu_flip_bytes_avx512(o->a->data, p->a.count, a);
    }
    maru_abi_status status = MARU_ABI_OK;
    if (cpu_integer_make_whole(call, o, team, a, call->out[0].data, &status))
        return status;
    status = cpu_integer_multiply(call, o, team, a, sums);
    cpu_integer_end e;
    uint32_t zero = 0;
    if (status != MARU_ABI_OK || !cpu_integer_plan_end(call, o, team, &e, &zero))
        return status;
    e.sums = sums;
    e.y = call->out[0].data;
    if (e.b_zero) {
        uint32_t *rest = cpu_integer_at(team, p->rest_at);
        fill_rest(p, a, zero, e.a_zero, rest);
        e.rest = rest;
    }
    cpu_integer_finish_avx512(&e, p->rows, team);
    return MARU_ABI_OK;
}
