// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* MatMul, Gemm and Conv through oneDNN, for the dtypes that have no kernel of our own. */

#include "dnnl/library.h"

#include "ref/window.h"

#include <string.h>

/* ---- which calls ---- */

static int is_all_bf16(const cpu_call *call)
{
    if (call->n_in < 2 || call->n_out != 1 || call->out[0].dtype != MARU_ABI_BF16)
        return 0;
    for (uint32_t i = 0; i < call->n_in; i++)
        if (cpu_has(call, i) && (call->in[i].dtype != MARU_ABI_BF16 || call->in[i].layout != 0))
            return 0;
    // An empty sum is for the reference to define.
    return call->in[0].count > 0 && call->in[1].count > 0 && call->out[0].count > 0;
}

static int takes_matmul(const cpu_call *call)
{
    return is_all_bf16(call) && call->in[0].rank >= 2 && call->in[1].rank >= 2 && cpu_dnnl_open();
}

/* Without alpha and beta; a bias that is a row, or none. */
static int takes_gemm(const cpu_call *call)
{
    if (!is_all_bf16(call) || cpu_attr_float(&call->attrs, "alpha", 1) != 1 ||
        cpu_attr_float(&call->attrs, "beta", 1) != 1)
        return 0;
    return (!cpu_has(call, 2) || call->in[2].count == call->out[0].dims[1]) && cpu_dnnl_open();
}

static int takes_conv(const cpu_call *call)
{
    return is_all_bf16(call) && call->in[0].rank >= 3 && call->in[0].rank <= 5 && cpu_dnnl_open();
}

/* ---- descriptions ---- */

/* As many axes as the output has, those in front 1. */
static cpu_tensor widened(const cpu_tensor *t, uint32_t rank)
{
    cpu_tensor w = *t;
    w.rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        w.dims[i] = i < rank - t->rank ? 1 : t->dims[i - (rank - t->rank)];
    return w;
}

static int describe_matrix(const cpu_dnnl *d, const cpu_tensor *t, int is_transposed, dnnl_memory_desc_t *out)
{
    const dnnl_dims_t dims = {t->dims[is_transposed], t->dims[!is_transposed]};
    const dnnl_dims_t strides = {is_transposed ? 1 : t->dims[1], is_transposed ? t->dims[1] : 1};
    return d->dnnl_memory_desc_init_by_strides(out, 2, dims, cpu_dnnl_type(t->dtype), strides) == dnnl_success;
}

static int describe_matmul(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    const uint32_t rank = call->out[0].rank;
    const cpu_tensor a = widened(&call->in[0], rank);
    const cpu_tensor b = widened(&call->in[1], rank);
    return cpu_dnnl_describe(d, &a, &p->src) && cpu_dnnl_describe(d, &b, &p->weights) &&
           cpu_dnnl_describe(d, &call->out[0], &p->dst);
}

static int describe_gemm(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    p->has_bias = cpu_has(call, 2);
    if (p->has_bias) {
        const cpu_tensor row = {.dtype = MARU_ABI_BF16, .rank = 2, .dims = {1, call->in[2].count}};
        if (!cpu_dnnl_describe(d, &row, &p->bias))
            return 0;
    }
    return describe_matrix(d, &call->in[0], cpu_attr_int(&call->attrs, "transA", 0) != 0, &p->src) &&
           describe_matrix(d, &call->in[1], cpu_attr_int(&call->attrs, "transB", 0) != 0, &p->weights) &&
           cpu_dnnl_describe(d, &call->out[0], &p->dst);
}

/* Weights (groups, channels out, channels in, kernel...) where there are several groups. */
static int describe_kernel(const cpu_dnnl *d, const cpu_call *call, dnnl_memory_desc_t *out)
{
    const int64_t groups = cpu_attr_int(&call->attrs, "group", 1);
    cpu_tensor w = call->in[1];
    if (groups > 1) {
        w.rank++;
        w.dims[0] = groups;
        w.dims[1] = call->in[1].dims[0] / groups;
        memcpy(w.dims + 2, call->in[1].dims + 1, (call->in[1].rank - 1) * sizeof *w.dims);
    }
    return cpu_dnnl_describe(d, &w, out);
}

/* Padding after is what makes the output as long as it is: less than nothing where input remains. */
static int describe_conv(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p,
                         dnnl_convolution_desc_t *out)
{
    const cpu_tensor *x = &call->in[0];
    const cpu_tensor *y = &call->out[0];
    cpu_window w;
    dnnl_dims_t strides, dilates, begin, end;
    cpu_read_window(&call->attrs, x, y, call->in[1].dims + 2, &w);
    for (uint32_t i = 0; i < w.n; i++) {
        const int64_t extent = (w.kernel[i] - 1) * w.dilation[i] + 1;
        strides[i] = w.stride[i];
        dilates[i] = w.dilation[i] - 1;
        begin[i] = w.begin[i];
        end[i] = (y->dims[i + 2] - 1) * w.stride[i] + extent - x->dims[i + 2] - w.begin[i];
    }
    p->has_bias = cpu_has(call, 2);
    return cpu_dnnl_describe(d, x, &p->src) && describe_kernel(d, call, &p->weights) &&
           (!p->has_bias || cpu_dnnl_describe(d, &call->in[2], &p->bias)) && cpu_dnnl_describe(d, y, &p->dst) &&
           d->dnnl_dilated_convolution_forward_desc_init(out, dnnl_forward_inference, dnnl_convolution_auto, &p->src,
                                                         &p->weights, p->has_bias ? &p->bias : NULL, &p->dst, strides,
                                                         dilates, begin, end) == dnnl_success;
}

/* ---- kernels ---- */

static int make(const cpu_dnnl *d, const cpu_call *call, uint32_t n_threads, cpu_dnnl_primitive *p)
{
    const char *op = call->attrs.node->op;
    if (strcmp(op, "Conv") == 0) {
        dnnl_convolution_desc_t conv;
        return describe_conv(d, call, p, &conv) && cpu_dnnl_make(d, &conv, n_threads, p);
    }
    dnnl_matmul_desc_t matmul;
    return (strcmp(op, "Gemm") == 0 ? describe_gemm(d, call, p) : describe_matmul(d, call, p)) &&
           d->dnnl_matmul_desc_init(&matmul, &p->src, &p->weights, p->has_bias ? &p->bias : NULL, &p->dst) ==
               dnnl_success &&
           cpu_dnnl_make(d, &matmul, n_threads, p);
}

static void *prepare(const cpu_call *call, const maru_abi_host *host, uint64_t *out_scratch_bytes)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    cpu_dnnl_primitive *p = cpu_alloc(host, 1, sizeof *p);
    if (!p)
        return NULL;
    if (!make(d, call, host->thread_count(host->ctx), p)) {
        cpu_dnnl_release(host, p);
        return NULL;
    }
    *out_scratch_bytes = d->dnnl_memory_desc_get_size(&p->scratch);
    return p;
}

static maru_abi_status run(cpu_call *call, const cpu_team *team)
{
    return cpu_dnnl_execute(call, team, team->prepared);
}

#define ROW(op_name, takes_call)                                           \
    {                                                                      \
        .domain = "",                                                      \
        .op = op_name,                                                     \
        .name = "onednn",                                                  \
        .isa = CPU_ISA_AVX512F | CPU_ISA_AVX512BW | CPU_ISA_AVX512VL,      \
        .priority = 100,                                                   \
        .gflops = 100,                                                     \
        .flags = CPU_KERNEL_LIBRARY,                                       \
        .fn = run,                                                         \
        .takes = takes_call,                                               \
        .prepare = prepare,                                                \
        .release = cpu_dnnl_release,                                       \
    }

const cpu_kernel cpu_dnnl_products[] = {
    ROW("MatMul", takes_matmul),
    ROW("Gemm", takes_gemm),
    ROW("Conv", takes_conv),
    {.name = NULL},
};
