// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Conv and FusedConv through oneDNN, which keeps images in a form of its own: channels last, or in blocks. */

#include "dnnl/primitive.h"

#include "ref/window.h"

#include <string.h>

/* ---- which calls ---- */

/* Measured: docs/decisions/0006. */
#define LEAST_F32_WORK 5e4    // products; a call costs a few microseconds
#define CACHE_BYTES 2e6       // images beyond it are brought into the library's form and back through memory,
#define LEAST_IN_MEMORY 24    // which takes as many products for each element to pay
#define LEAST_OF_A_PIXEL 8192 // products, where the channels do not fill the library's vectors

#define LEAST_WORK_OF_THREADS 4e6  // products; some 50 us

static double work_of(const cpu_call *call)
{
    const cpu_tensor *w = &call->in[1];
    return w->dims[0] ? (double)call->out[0].count * (double)w->count / (double)w->dims[0] : 0;
}

/* Whether it is faster than our own kernel. */
static int pays_in_f32(const cpu_call *call)
{
    const cpu_tensor *w = &call->in[1];
    const double of_element = (double)w->count / (double)w->dims[0];
    const double work = work_of(call);
    const double elements = (double)call->in[0].count + (double)call->out[0].count;
    const int has_groups = cpu_attr_int(&call->attrs, "group", 1) > 1;
    if (work < LEAST_F32_WORK || (elements * 4 > CACHE_BYTES && work < LEAST_IN_MEMORY * elements))
        return 0;
    return has_groups || w->dims[0] % 16 == 0 || of_element * (double)w->dims[0] >= LEAST_OF_A_PIXEL;
}

static int has_dtypes(const cpu_call *call)
{
    const uint32_t dtype = call->in[0].dtype;
    if (call->n_in < 2 || call->n_out != 1 || call->out[0].dtype != dtype ||
        (dtype != MARU_ABI_F32 && dtype != MARU_ABI_BF16))
        return 0;
    for (uint32_t i = 0; i < call->n_in; i++)
        if (cpu_has(call, i) && (call->in[i].dtype != dtype || (call->in[i].layout && i != 1)))
            return 0;
    return 1;
}

typedef struct activation {
    const char *name;
    dnnl_alg_kind_t kind;
} activation;

static const activation activations[] = {
    {"Relu", dnnl_eltwise_relu},          {"LeakyRelu", dnnl_eltwise_relu},   {"Sigmoid", dnnl_eltwise_logistic},
    {"Tanh", dnnl_eltwise_tanh},          {"HardSwish", dnnl_eltwise_hardswish},
    {"HardSigmoid", dnnl_eltwise_linear},  // then cut off at 0 and 1
};

/* NULL: none of that name. */
static const activation *activation_of(const cpu_call *call)
{
    const char *name = cpu_attr_string(&call->attrs, "activation", "");
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strcmp(activations[i].name, name) == 0)
            return &activations[i];
    return NULL;
}

static int is_fused(const cpu_call *call)
{
    return call->attrs.node->op[0] == 'F';
}

/* Weights that are packed for the library are its own, however small the call. */
static int takes(const cpu_call *call)
{
    if (!has_dtypes(call) || call->in[0].rank < 3 || call->in[0].rank > 5 || (is_fused(call) && !activation_of(call)))
        return 0;
    if (call->in[1].layout)
        return cpu_dnnl_form_find(call->in[1].layout) != NULL;
    return call->in[0].count > 0 && call->in[1].count > 0 && call->out[0].count > 0 &&
           (call->in[0].dtype != MARU_ABI_F32 || pays_in_f32(call)) && cpu_dnnl_open();
}

/* ---- descriptions ---- */

int cpu_dnnl_describe_kernel(const cpu_dnnl *d, const cpu_call *call, dnnl_memory_desc_t *out)
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

static int describe(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    p->has_bias = cpu_has(call, 2);
    return cpu_dnnl_describe(d, &call->in[0], &p->src.given) &&
           cpu_dnnl_describe_kernel(d, call, &p->weights.given) &&
           cpu_dnnl_describe(d, &call->out[0], &p->dst.given) &&
           (!p->has_bias || cpu_dnnl_describe(d, &call->in[2], &p->bias)) &&
           cpu_dnnl_describe_any(d, &p->src.given, &p->src.wanted) &&
           cpu_dnnl_describe_any(d, &p->weights.given, &p->weights.wanted) &&
           cpu_dnnl_describe_any(d, &p->dst.given, &p->dst.wanted);
}

/* Padding after is what makes the output as long as it is: less than nothing where input remains. */
static int operation(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, cpu_dnnl_op *out)
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
    return d->dnnl_dilated_convolution_forward_desc_init(
               &out->convolution, dnnl_forward_inference, dnnl_convolution_auto, &p->src.wanted, &p->weights.wanted,
               p->has_bias ? &p->bias : NULL, &p->dst.wanted, strides, dilates, begin, end) == dnnl_success;
}

static int attributes(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, dnnl_primitive_attr_t attr)
{
    (void)p;
    if (!is_fused(call))
        return 1;
    const activation *a = activation_of(call);
    const int is_relu = strcmp(a->name, "Relu") == 0;
    const int is_cut = a->kind == dnnl_eltwise_linear;
    const float alpha = is_relu ? 0 : (float)cpu_attr_float(&call->attrs, "alpha", 0);
    const float beta = (float)cpu_attr_float(&call->attrs, "beta", 0);
    dnnl_post_ops_t ops = NULL;
    const int ok = d->dnnl_post_ops_create(&ops) == dnnl_success &&
                   d->dnnl_post_ops_append_eltwise(ops, 1, a->kind, alpha, beta) == dnnl_success &&
                   (!is_cut || d->dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip, 0, 1) == dnnl_success) &&
                   d->dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    d->dnnl_post_ops_destroy(ops);
    return ok;
}

/* The library's threads must first be woken, and be given the cores that ours are on. */
static uint32_t threads(const cpu_call *call, uint32_t n_threads)
{
    return call->in[0].dtype == MARU_ABI_F32 && work_of(call) < LEAST_WORK_OF_THREADS ? 1 : n_threads;
}

static const cpu_dnnl_recipe recipe = {describe, operation, attributes, threads};

/* ---- kernels ---- */

static void *prepare(const cpu_call *call, const maru_abi_host *host, uint64_t *out_scratch_bytes)
{
    return cpu_dnnl_prepare(&recipe, call, host, out_scratch_bytes);
}

static maru_abi_status run(cpu_call *call, const cpu_team *team)
{
    maru_abi_status status = cpu_dnnl_execute(call, team, team->prepared);
    if (status == MARU_ABI_OK && team->tail)
        cpu_tail_apply_avx512(&call->out[0], team);
    return status;
}

static uint32_t layout_of(const cpu_call *call, uint32_t n_threads)
{
    return call->in[1].layout || !takes(call) ? 0 : cpu_dnnl_weights_layout(&recipe, call, n_threads);
}

#define PACKING(domain_name, op_name)                                                                             \
    {domain_name, op_name, 1, CPU_DNNL_ISA, 100, CPU_KERNEL_LIBRARY, layout_of, cpu_dnnl_packed_bytes, cpu_dnnl_pack}

const cpu_packing cpu_dnnl_packing_conv[] = {
    PACKING("", "Conv"),
    PACKING("maru", "FusedConv"),
    {.op = NULL},
};

#define ROW(domain_name, op_name)                                \
    {                                                            \
        .domain = domain_name,                                   \
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

const cpu_kernel cpu_dnnl_conv[] = {
    ROW("", "Conv"),
    ROW("maru", "FusedConv"),
    {.name = NULL},
};
