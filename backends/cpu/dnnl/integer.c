// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* What products of bytes have in common: operands, packed weights, zero points and scales. */

#include "dnnl/integer.h"

#include "ref/matmul.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- operands ---- */

static int is_quantised(const cpu_call *call)
{
    return call->attrs.node->op[0] == 'Q';
}

static int is_conv(const cpu_call *call)
{
    return strstr(call->attrs.node->op, "Conv") != NULL;
}

static const cpu_tensor *input(const cpu_call *call, uint32_t index)
{
    return cpu_has(call, index) ? &call->in[index] : NULL;
}

static cpu_integer_operands read_operands(const cpu_call *call)
{
    if (!is_quantised(call))
        return (cpu_integer_operands){
            .a = input(call, 0), .b = input(call, 1), .a_zero = input(call, 2), .b_zero = input(call, 3)};
    return (cpu_integer_operands){
        .a = input(call, 0),
        .a_scale = input(call, 1),
        .a_zero = input(call, 2),
        .b = input(call, 3),
        .b_scale = input(call, 4),
        .b_zero = input(call, 5),
        .y_scale = input(call, 6),
        .y_zero = input(call, 7),
        .bias = input(call, 8),
    };
}

static int is_byte(const cpu_tensor *t)
{
    return t && (t->dtype == MARU_ABI_U8 || t->dtype == MARU_ABI_I8);
}

static int has_dtypes(const cpu_call *call, const cpu_integer_operands *o)
{
    const uint32_t out = call->n_out == 1 ? call->out[0].dtype : 0;
    for (uint32_t i = 0; i < call->n_in; i++)
        if (call->in[i].layout && &call->in[i] != o->b)
            return 0;
    return is_byte(o->a) && is_byte(o->b) &&
           (is_quantised(call) ? out == MARU_ABI_U8 || out == MARU_ABI_I8 : out == MARU_ABI_I32);
}

/* One right side for all rows. An empty sum is for the reference to define. */
static int has_shape(const cpu_call *call, const cpu_integer_operands *o)
{
    const int fits = is_conv(call) ? o->b->rank >= 3 && o->b->rank <= 5 : o->b->rank == 2;
    return fits && o->a->count > 0 && o->b->count > 0 && call->out[0].count > 0;
}

/* Weights that are packed are the library's, whatever the other dims are. */
static int takes(const cpu_call *call)
{
    const cpu_integer_operands o = read_operands(call);
    if (!has_dtypes(call, &o))
        return 0;
    if (o.b->layout)
        return cpu_dnnl_form_find(o.b->layout) != NULL;
    return has_shape(call, &o) && cpu_dnnl_open();
}

/* ---- packed weights: the library's form, then the sums of columns ---- */

static int64_t columns_of(const cpu_tensor *b)
{
    return b->dims[b->rank == 2 ? 1 : 0];
}

static uint64_t form_bytes(const cpu_tensor *b, uint32_t layout)
{
    return (cpu_dnnl_packed_bytes(b, layout) + 63) & ~(uint64_t)63;
}

static uint64_t packed_bytes(const cpu_tensor *b, uint32_t layout)
{
    return form_bytes(b, layout) + (uint64_t)columns_of(b) * sizeof(uint32_t);
}

/* Of the weights as s8. */
static void sum_weights(const cpu_tensor *b, const uint8_t *s8, uint32_t *out)
{
    const int64_t n = columns_of(b);
    if (b->rank == 2) {
        cpu_sum_columns_avx512(s8, b->dims[0], n, 1, out);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = cpu_sum_bytes_avx512(s8 + i * (b->count / n), b->count / n, 1);
}

static int pack(const cpu_tensor *b, uint32_t layout, void *out)
{
    cpu_tensor s8 = *b;
    uint8_t *copy = NULL;
    if (b->dtype == MARU_ABI_U8) {
        s8.data = copy = malloc((size_t)b->count);
        if (!copy)
            return 0;
        cpu_flip_bytes_avx512(b->data, b->count, copy);
    }
    const int ok = cpu_dnnl_pack(&s8, layout, out);
    sum_weights(b, s8.data, (uint32_t *)(void *)((char *)out + form_bytes(b, layout)));
    free(copy);
    return ok;
}

static uint32_t layout_of(const cpu_call *call, uint32_t n_threads)
{
    const cpu_integer_operands o = read_operands(call);
    cpu_integer_product p = {0};
    if (!has_dtypes(call, &o) || o.b->layout || !has_shape(call, &o) || !cpu_dnnl_open())
        return 0;
    (is_conv(call) ? cpu_integer_describe_conv : cpu_integer_describe_matmul)(call, &o, &p);
    const cpu_tensor operands[2] = {p.a, p.b};
    const cpu_call inner = {.attrs = call->attrs, .in = operands, .n_in = 2, .out = &p.sums, .n_out = 1};
    return cpu_dnnl_weights_layout(is_conv(call) ? &cpu_integer_conv_recipe : &cpu_integer_matmul_recipe, &inner,
                                   n_threads);
}

/* ---- making ---- */

uint64_t cpu_integer_reserve(cpu_integer_product *p, int64_t count, uint64_t bytes)
{
    const uint64_t at = p->scratch_bytes;
    p->scratch_bytes += ((uint64_t)count * bytes + 63) & ~(uint64_t)63;
    return at;
}

static int has_many(const cpu_tensor *t)
{
    return t && t->count > 1;
}

/* The primitive whose result `y` is: raw sums, or bytes. */
static cpu_dnnl_primitive *make_primitive(const cpu_dnnl_recipe *recipe, const cpu_call *call,
                                          const maru_abi_host *host, cpu_integer_product *p, cpu_tensor *y)
{
    const cpu_tensor operands[2] = {p->a, p->b};
    const cpu_call inner = {.attrs = call->attrs, .in = operands, .n_in = 2, .out = y, .n_out = 1};
    uint64_t bytes = 0;
    cpu_dnnl_primitive *made = cpu_dnnl_prepare(recipe, &inner, host, &bytes);
    p->scratch_bytes = bytes > p->scratch_bytes ? bytes : p->scratch_bytes;
    return made;
}

int cpu_integer_make(const cpu_dnnl_recipe *recipe, const cpu_call *call, const cpu_integer_operands *o,
                     const maru_abi_host *host, cpu_integer_product *p)
{
    cpu_tensor bytes = p->sums;
    bytes.dtype = call->out[0].dtype;
    p->primitive = make_primitive(recipe, call, host, p, &p->sums);
    if (!p->primitive)
        return 0;
    if (is_quantised(call) && !has_many(o->a_zero) && !has_many(o->a_scale))
        p->whole = make_primitive(recipe, call, host, p, &bytes);
    if (!o->b->layout && o->b->dtype == MARU_ABI_U8)
        p->b_at = cpu_integer_reserve(p, o->b->count, 1);
    p->columns_at = cpu_integer_reserve(p, o->b->layout ? 0 : p->n, sizeof(uint32_t));
    p->offset_at = cpu_integer_reserve(p, p->n, sizeof(uint32_t));
    p->a_zero_at = cpu_integer_reserve(p, has_many(o->a_zero) ? p->rows : 0, sizeof(uint32_t));
    p->b_zero_at = cpu_integer_reserve(p, p->n, sizeof(uint32_t));
    p->rest_at = cpu_integer_reserve(p, p->rows * p->groups, sizeof(uint32_t));
    p->scale_at = cpu_integer_reserve(p, is_quantised(call) ? p->n : 0, sizeof(float));
    p->row_scale_at = cpu_integer_reserve(p, has_many(o->a_scale) ? p->rows : 0, sizeof(float));
    p->bias_at = cpu_integer_reserve(p, p->whole ? p->n : 0, sizeof(float));
    p->shift_at = cpu_integer_reserve(p, p->whole ? 1 : 0, sizeof(float));
    return 1;
}

static void release(const maru_abi_host *host, void *prepared)
{
    cpu_integer_product *p = prepared;
    if (!p)
        return;
    cpu_dnnl_release(host, p->primitive);
    cpu_dnnl_release(host, p->whole);
    cpu_integer_release_images(host, p->images);
    cpu_free(host, p);
}

static void *prepare(const cpu_call *call, const maru_abi_host *host, uint64_t *out_scratch_bytes)
{
    const cpu_integer_operands o = read_operands(call);
    cpu_integer_product *p = cpu_alloc(host, 1, sizeof *p);
    if (!p || call->out[0].count == 0)
        return p;
    (is_conv(call) ? cpu_integer_describe_conv : cpu_integer_describe_matmul)(call, &o, p);
    const int ok = cpu_integer_make(is_conv(call) ? &cpu_integer_conv_recipe : &cpu_integer_matmul_recipe, call, &o,
                                    host, p) &&
                   (is_conv(call) ? cpu_integer_prepare_conv(call, &o, host, p)
                                  : cpu_integer_prepare_matmul(call, &o, p));
    *out_scratch_bytes = p->scratch_bytes;
    if (ok)
        return p;
    release(host, p);
    return NULL;
}

/* ---- multiplying ---- */

/* The weights for the primitive. */
static void *weights_of(const cpu_integer_operands *o, const cpu_team *team)
{
    const cpu_integer_product *p = team->prepared;
    if (o->b->layout || o->b->dtype == MARU_ABI_I8)
        return o->b->data;
    return cpu_integer_at(team, p->b_at);
}

/* With the operands `in`, of which the first two are still without data. */
static maru_abi_status execute(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team,
                               const cpu_dnnl_primitive *primitive, cpu_tensor *in, void *a, void *y)
{
    void *weights = weights_of(o, team);
    if (weights != o->b->data)
        cpu_flip_bytes_avx512(o->b->data, o->b->count, weights);
    cpu_tensor out = {.data = y};
    in[0] = (cpu_tensor){.data = a};
    in[1] = (cpu_tensor){.data = weights};
    cpu_call inner = *call;
    inner.in = in;
    inner.out = &out;
    return cpu_dnnl_execute(&inner, team, primitive);
}

maru_abi_status cpu_integer_multiply(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team, void *a,
                                     void *sums)
{
    const cpu_integer_product *p = team->prepared;
    cpu_tensor in[2];
    return execute(call, o, team, p->primitive, in, a, sums);
}

/* ---- zero points and scales ---- */

/* What the primitive's operand is more than what it stands for. */
static uint32_t zero_of(const cpu_tensor *values, const cpu_tensor *zero, int64_t index, int is_flipped)
{
    const uint32_t flip = values->dtype == MARU_ABI_I8 ? 128 : 0 - (uint32_t)128;
    const uint8_t *bytes = zero ? zero->data : NULL;
    const uint8_t byte = bytes ? bytes[has_many(zero) ? index : 0] : 0;
    const uint32_t own = values->dtype == MARU_ABI_I8 ? (uint32_t)(int32_t)(int8_t)byte : byte;
    return own + (is_flipped ? flip : 0);
}

static const uint32_t *columns_sums(const cpu_integer_operands *o, const cpu_team *team)
{
    const cpu_integer_product *p = team->prepared;
    if (o->b->layout)
        return (const uint32_t *)(const void *)((const char *)o->b->data + form_bytes(o->b, o->b->layout));
    uint32_t *sums = cpu_integer_at(team, p->columns_at);
    sum_weights(o->b, weights_of(o, team), sums);
    return sums;
}

/* Whether any is not 0. */
static int read_b_zeros(const cpu_integer_operands *o, int64_t n, uint32_t *out)
{
    uint32_t any = 0;
    for (int64_t i = 0; i < n; i++)
        any |= out[i] = zero_of(o->b, o->b_zero, i, o->b->dtype == MARU_ABI_U8);
    return any != 0;
}

/* Which element of what may be one per row serves a row. */
static int64_t row_index(const cpu_call *call, const cpu_integer_operands *o, const cpu_tensor *t, int64_t row)
{
    const cpu_matmul_dims d = cpu_read_matmul_dims(o->a, o->b, &call->out[0]);
    return cpu_side_index(&call->out[0], d.n_batch, t, row / d.m, row % d.m);
}

/* NULL: all rows have the one in *out_zero. */
static const uint32_t *read_a_zeros(const cpu_call *call, const cpu_integer_operands *o, const cpu_team *team,
                                    uint32_t *out_zero)
{
    const cpu_integer_product *p = team->prepared;
    const int is_flipped = o->a->dtype == MARU_ABI_I8;
    *out_zero = has_many(o->a_zero) ? 0 : zero_of(o->a, o->a_zero, 0, is_flipped);
    if (!has_many(o->a_zero))
        return NULL;
    uint32_t *zeros = cpu_integer_at(team, p->a_zero_at);
    for (int64_t row = 0; row < p->rows; row++)
        zeros[row] = zero_of(o->a, o->a_zero, row_index(call, o, o->a_zero, row), is_flipped);
    return zeros;
}

/* Steps of the result for a unit of each column's sum. */
static void fill_scales(const cpu_tensor *scales, double factor, int64_t n, float *out)
{
    const float *given = scales->data;
    if (!has_many(scales)) {
        const float all = (float)(factor * cpu_load(scales, 0));
        for (int64_t i = 0; i < n; i++)
            out[i] = all;
    } else if (scales->dtype == MARU_ABI_F32) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)(factor * (double)given[i]);
    } else {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)(factor * cpu_load(scales, i));
    }
}

/* A bias less what the zero point of all rows adds to each column; the bias, too, is one of int32 that wraps. */
static void fill_offset(const cpu_integer_operands *o, const uint32_t *columns, uint32_t zero, int64_t n,
                        uint32_t *out)
{
    const uint32_t *bias = o->bias ? o->bias->data : NULL;
    for (int64_t i = 0; i < n; i++)
        out[i] = (bias ? bias[i] : 0) - (zero ? zero * columns[i] : 0);
}

static void read_scales(const cpu_call *call, const cpu_integer_operands *o, const cpu_team *team,
                        cpu_integer_end *e)
{
    const cpu_integer_product *p = team->prepared;
    const double low = call->out[0].dtype == MARU_ABI_I8 ? -128 : 0;
    const double zero = cpu_load(o->y_zero, 0);
    const double all = has_many(o->a_scale) ? 1 : cpu_load(o->a_scale, 0);
    float *scale = cpu_integer_at(team, p->scale_at);
    fill_scales(o->b_scale, all / cpu_load(o->y_scale, 0), p->n, scale);
    e->scale = scale;
    e->zero = (int32_t)zero;
    e->low = (float)(low - zero);
    e->high = (float)(low + 255 - zero);
    if (!has_many(o->a_scale))
        return;
    float *row_scale = cpu_integer_at(team, p->row_scale_at);
    for (int64_t row = 0; row < p->rows; row++)
        row_scale[row] = (float)cpu_load(o->a_scale, row_index(call, o, o->a_scale, row));
    e->row_scale = row_scale;
}

int cpu_integer_plan_end(const cpu_call *call, const cpu_integer_operands *o, const cpu_team *team,
                         cpu_integer_end *out, uint32_t *out_zero)
{
    const cpu_integer_product *p = team->prepared;
    uint32_t *offset = cpu_integer_at(team, p->offset_at);
    uint32_t *b_zero = cpu_integer_at(team, p->b_zero_at);
    *out = (cpu_integer_end){.n = p->n, .groups = p->groups, .offset = offset};
    out->a_zero = read_a_zeros(call, o, team, out_zero);
    out->b_zero = read_b_zeros(o, p->n, b_zero) ? b_zero : NULL;
    out->columns = out->a_zero || *out_zero ? columns_sums(o, team) : NULL;
    fill_offset(o, out->columns, *out_zero, p->n, offset);
    if (is_quantised(call))
        read_scales(call, o, team, out);
    return is_quantised(call) || out->a_zero || out->b_zero || *out_zero;
}

/* ---- bytes at once ---- */

static int describe_operand(const cpu_dnnl *d, uint32_t rank, uint32_t axis, int64_t n, dnnl_memory_desc_t *out)
{
    cpu_tensor t = {.dtype = MARU_ABI_F32, .rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        t.dims[i] = i == axis ? n : 1;
    return cpu_dnnl_describe(d, &t, out);
}

int cpu_integer_describe_whole(const cpu_dnnl *d, const cpu_call *call, uint32_t column_axis, cpu_dnnl_primitive *p)
{
    const cpu_tensor *y = &call->out[0];
    if (y->dtype == MARU_ABI_I32)
        return 1;
    p->has_bias = 1;
    p->n_operands = 2;
    return describe_operand(d, y->rank, column_axis, y->dims[column_axis], &p->operands[0]) &&
           describe_operand(d, y->rank, column_axis, 1, &p->operands[1]);
}

int cpu_integer_attributes(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p,
                           dnnl_primitive_attr_t attr)
{
    (void)call;
    if (!p->n_operands)
        return 1;
    dnnl_post_ops_t ops = NULL;
    const int ok = d->dnnl_post_ops_create(&ops) == dnnl_success &&
                   d->dnnl_post_ops_append_binary(ops, dnnl_binary_mul, &p->operands[0]) == dnnl_success &&
                   d->dnnl_post_ops_append_binary(ops, dnnl_binary_add, &p->operands[1]) == dnnl_success &&
                   d->dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    d->dnnl_post_ops_destroy(ops);
    return ok;
}

/*
 * Whether f32 gives the step, or its neighbour at a tie: raw sums and the bias
 * may be much larger than their sum, which is then off by the rounding of the
 * larger. A scale that is no number is not within.
 */
static int is_within_a_step(const float *scale, const float *bias, int64_t n, int64_t k)
{
    const float largest = (float)k * (255 * 128);
    int all = 1;
    for (int64_t i = 0; i < n; i++)
        all &= fabsf(scale[i]) * (largest + fabsf(bias[i])) * 0x1p-22f < 0.5f;
    return all;
}

int cpu_integer_make_whole(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team, void *a, void *y,
                           maru_abi_status *out_status)
{
    const cpu_integer_product *p = team->prepared;
    if (!p->whole || read_b_zeros(o, p->n, cpu_integer_at(team, p->b_zero_at)))
        return 0;
    uint32_t *offset = cpu_integer_at(team, p->offset_at);
    float *bias = cpu_integer_at(team, p->bias_at);
    float *shift = cpu_integer_at(team, p->shift_at);
    cpu_integer_end e = {0};
    const uint32_t zero = zero_of(o->a, o->a_zero, 0, o->a->dtype == MARU_ABI_I8);
    read_scales(call, o, team, &e);
    fill_offset(o, zero ? columns_sums(o, team) : NULL, zero, p->n, offset);
    for (int64_t i = 0; i < p->n; i++)
        bias[i] = (float)(int32_t)offset[i];
    if (!is_within_a_step(e.scale, bias, p->n, p->k))
        return 0;
    *shift = (float)e.zero;
    cpu_tensor in[5] = {[2] = {.data = bias}, [3] = {.data = cpu_integer_at(team, p->scale_at)}, [4] = {.data = shift}};
    *out_status = execute(call, o, team, p->whole, in, a, y);
    return 1;
}

/* ---- kernels ---- */

static maru_abi_status run(cpu_call *call, const cpu_team *team)
{
    const cpu_integer_operands o = read_operands(call);
    const cpu_integer_product *p = team->prepared;
    if (!p->primitive)
        return MARU_ABI_OK;
    return (is_conv(call) ? cpu_integer_run_conv : cpu_integer_run_matmul)(call, &o, team);
}

#define PACKING(op_name, input)                                                                          \
    {"", op_name, input, CPU_INTEGER_ISA, 100, CPU_KERNEL_LIBRARY, layout_of, packed_bytes, pack}

const cpu_packing cpu_dnnl_packing_integer[] = {
    PACKING("MatMulInteger", 1),
    PACKING("ConvInteger", 1),
    PACKING("QLinearMatMul", 3),
    PACKING("QLinearConv", 3),
    {.op = NULL},
};

#define ROW(op_name)                     \
    {                                    \
        .domain = "",                    \
        .op = op_name,                   \
        .name = "onednn",                \
        .isa = CPU_INTEGER_ISA,          \
        .priority = 100,                 \
        .gflops = 200,                   \
        .flags = CPU_KERNEL_LIBRARY,     \
        .fn = run,                       \
        .takes = takes,                  \
        .prepare = prepare,              \
        .release = release,              \
    }

const cpu_kernel cpu_dnnl_integer[] = {
    ROW("MatMulInteger"),
    ROW("ConvInteger"),
    ROW("QLinearMatMul"),
    ROW("QLinearConv"),
    {.name = NULL},
};
