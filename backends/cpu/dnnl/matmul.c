// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* MatMul and Gemm through oneDNN. */

#include "dnnl/primitive.h"

#include <string.h>

/* ---- which calls ---- */

/* Our own kernel is as fast, or faster, for products of f32 below this many multiplications. */
#define LEAST_F32_WORK 1e8

static int is_gemm(const cpu_call *call)
{
    return call->attrs.node->op[0] == 'G';
}

/* Dense but for weights in a form that the library was asked for. */
static int is_of(const cpu_call *call, uint32_t dtype)
{
    if (call->n_in < 2 || call->n_out != 1 || call->out[0].dtype != dtype)
        return 0;
    for (uint32_t i = 0; i < call->n_in; i++)
        if (cpu_has(call, i) && (call->in[i].dtype != dtype || (call->in[i].layout && i != 1)))
            return 0;
    return !call->in[1].layout || cpu_dnnl_form_find(call->in[1].layout);
}

static int takes_shape(const cpu_call *call)
{
    // An empty sum is for the reference to define.
    return call->in[0].rank >= 2 && call->in[1].rank >= 2 && call->in[0].count > 0 && call->in[1].count > 0 &&
           call->out[0].count > 0;
}

/* Weights that are packed for the library are always its own, however small the product became. */
static int takes(const cpu_call *call)
{
    if (is_of(call, MARU_ABI_F32))
        return call->in[1].layout != 0;
    return is_of(call, MARU_ABI_BF16) && (takes_shape(call) || call->in[1].layout) && cpu_dnnl_open();
}

/* ---- descriptions ---- */

static int describe_matrix(const cpu_dnnl *d, const cpu_tensor *t, int is_transposed, dnnl_memory_desc_t *out)
{
    const dnnl_dims_t dims = {t->dims[is_transposed], t->dims[!is_transposed]};
    const dnnl_dims_t strides = {is_transposed ? 1 : t->dims[1], is_transposed ? t->dims[1] : 1};
    return d->dnnl_memory_desc_init_by_strides(out, 2, dims, cpu_dnnl_type(t->dtype), strides) == dnnl_success;
}

/* A row is added by the primitive itself; another C, or one that is scaled, is there before the product is added. */
static int has_row(const cpu_call *call)
{
    const cpu_tensor *c = &call->in[2];
    return cpu_has(call, 2) && c->count == call->out[0].dims[1] && c->rank && c->dims[c->rank - 1] == c->count &&
           cpu_attr_float(&call->attrs, "alpha", 1) == 1 && cpu_attr_float(&call->attrs, "beta", 1) == 1;
}

static int describe_gemm(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    p->has_bias = has_row(call);
    if (p->has_bias) {
        const cpu_tensor row = {.dtype = call->in[2].dtype, .rank = 2, .dims = {1, call->in[2].count}};
        if (!cpu_dnnl_describe(d, &row, &p->bias))
            return 0;
    }
    return describe_matrix(d, &call->in[0], cpu_attr_int(&call->attrs, "transA", 0) != 0, &p->src.given) &&
           describe_matrix(d, &call->in[1], cpu_attr_int(&call->attrs, "transB", 0) != 0, &p->weights.given) &&
           cpu_dnnl_describe(d, &call->out[0], &p->dst.given);
}

/* As many axes as the output has, those in front 1. */
static cpu_tensor widened(const cpu_tensor *t, uint32_t rank)
{
    cpu_tensor w = *t;
    w.rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        w.dims[i] = i < rank - t->rank ? 1 : t->dims[i - (rank - t->rank)];
    return w;
}

/* All rows, whatever axes they stand in. */
static cpu_tensor flattened(const cpu_tensor *t)
{
    cpu_tensor f = *t;
    const int64_t width = t->dims[t->rank - 1];
    f.rank = 2;
    f.dims[0] = width ? t->count / width : 0;
    f.dims[1] = width;
    return f;
}

static int describe_matmul(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    const int is_flat = call->in[1].rank == 2;  // one right side for all rows
    const uint32_t rank = is_flat ? 2 : call->out[0].rank;
    const cpu_tensor a = is_flat ? flattened(&call->in[0]) : widened(&call->in[0], rank);
    const cpu_tensor b = widened(&call->in[1], rank);
    const cpu_tensor y = is_flat ? flattened(&call->out[0]) : call->out[0];
    return cpu_dnnl_describe(d, &a, &p->src.given) && cpu_dnnl_describe(d, &b, &p->weights.given) &&
           cpu_dnnl_describe(d, &y, &p->dst.given);
}

static int describe(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    if (!(is_gemm(call) ? describe_gemm(d, call, p) : describe_matmul(d, call, p)))
        return 0;
    p->src.wanted = p->src.given;
    p->weights.wanted = p->weights.given;
    p->dst.wanted = p->dst.given;
    return 1;
}

static int operation(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, cpu_dnnl_op *out)
{
    (void)call;
    return d->dnnl_matmul_desc_init(&out->matmul, &p->src.wanted, &p->weights.wanted, p->has_bias ? &p->bias : NULL,
                                    &p->dst.wanted) == dnnl_success;
}

static int attributes(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, dnnl_primitive_attr_t attr)
{
    if (!is_gemm(call))
        return 1;
    const float alpha = (float)cpu_attr_float(&call->attrs, "alpha", 1);
    if (alpha != 1 && d->dnnl_primitive_attr_set_output_scales(attr, 1, 0, &alpha) != dnnl_success)
        return 0;
    if (!cpu_has(call, 2) || p->has_bias)
        return 1;
    dnnl_post_ops_t ops = NULL;
    const int ok = d->dnnl_post_ops_create(&ops) == dnnl_success &&
                   d->dnnl_post_ops_append_sum(ops, (float)cpu_attr_float(&call->attrs, "beta", 1)) == dnnl_success &&
                   d->dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    d->dnnl_post_ops_destroy(ops);
    return ok;
}

static const cpu_dnnl_recipe recipe = {describe, operation, attributes, NULL};

/* ---- kernels ---- */

static void *prepare(const cpu_call *call, const maru_abi_host *host, uint64_t *out_scratch_bytes)
{
    return cpu_dnnl_prepare(&recipe, call, host, out_scratch_bytes);
}

/* C, whose axes may be 1, in every row and column of the output. */
static void spread(const cpu_tensor *c, cpu_tensor *y)
{
    const int64_t columns = c->rank ? c->dims[c->rank - 1] : 1;
    const int64_t rows = columns ? c->count / columns : 0;
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t row = rows == 1 ? 0 : i / y->dims[1];
        const int64_t column = columns == 1 ? 0 : i % y->dims[1];
        if (y->dtype == MARU_ABI_F32)
            ((float *)y->data)[i] = ((const float *)c->data)[row * columns + column];
        else
            ((uint16_t *)y->data)[i] = ((const uint16_t *)c->data)[row * columns + column];
    }
}

static maru_abi_status run(cpu_call *call, const cpu_team *team)
{
    const cpu_dnnl_primitive *p = team->prepared;
    if (is_gemm(call) && cpu_has(call, 2) && !p->has_bias)
        spread(&call->in[2], &call->out[0]);
    maru_abi_status status = cpu_dnnl_execute(call, team, p);
    if (status == MARU_ABI_OK && team->tail)
        cpu_tail_apply_avx512(&call->out[0], team);
    return status;
}

/* ---- packed constants ---- */

static double work_of(const cpu_call *call)
{
    const cpu_tensor *a = &call->in[0];
    const int is_transposed = is_gemm(call) && cpu_attr_int(&call->attrs, "transA", 0) != 0;
    return (double)call->out[0].count * (double)a->dims[is_transposed ? 0 : a->rank - 1];
}

static uint32_t layout_of(const cpu_call *call, uint32_t n_threads)
{
    if (call->in[1].layout || call->in[1].rank != 2 || !takes_shape(call))
        return 0;
    if (!is_of(call, MARU_ABI_BF16) && !(is_of(call, MARU_ABI_F32) && work_of(call) >= LEAST_F32_WORK))
        return 0;
    return cpu_dnnl_weights_layout(&recipe, call, n_threads);
}

#define PACKING(op_name)                                                                                   \
    {"", op_name, 1, CPU_DNNL_ISA, 100, CPU_KERNEL_LIBRARY, layout_of, cpu_dnnl_packed_bytes, cpu_dnnl_pack}

const cpu_packing cpu_dnnl_packing_matmul[] = {
    PACKING("MatMul"),
    PACKING("Gemm"),
    {.op = NULL},
};

#define ROW(op_name)                                             \
    {                                                            \
        .domain = "",                                            \
        .op = op_name,                                           \
        .name = "onednn",                                        \
        .isa = CPU_DNNL_ISA,                                     \
        .priority = 100,                                         \
        .gflops = 100,                                           \
        .flags = CPU_KERNEL_LIBRARY | CPU_KERNEL_TAKES_TAIL,     \
        .fn = run,                                               \
        .takes = takes,                                          \
        .prepare = prepare,                                      \
        .release = cpu_dnnl_release,                             \
    }

const cpu_kernel cpu_dnnl_matmul[] = {
    ROW("MatMul"),
    ROW("Gemm"),
    {.name = NULL},
};
