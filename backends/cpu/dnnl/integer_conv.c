// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Convolutions of bytes. Images are brought into channels-last form with
 * their padding, which holds the zero point: then every sum is over the whole
 * kernel, and zero points are taken off as of a matrix product.
 */

#include "dnnl/integer.h"

#include "ref/window.h"

#include <string.h>

typedef struct cpu_integer_images {
    cpu_window window;
    int64_t box[CPU_MAX_SPATIAL];   // spatial dims with padding
    int64_t held[CPU_MAX_SPATIAL];  // of the image within it: what no window reaches is left out
    int64_t first;                  // pixel of the box at which the image begins
    int64_t n_pixels;               // of all boxes
    int has_padding;
    dnnl_memory_desc_t in_from, in_to, out_from, out_to;
    dnnl_primitive_t in, out;       // reorders; in is NULL where the padding is all there is
    uint64_t pixels_at;             // (images, box, groups) sums of channels, for zero points of the weights
    uint64_t steps_at;              // the result's bytes, channels last
} cpu_integer_images;

/* ---- descriptions ---- */

/* Channels last: dims (images, channels, spatial...) in the memory of boxes. */
static int describe_last(const cpu_dnnl *d, const int64_t *dims, const int64_t *box, uint32_t n, dnnl_data_type_t type,
                         dnnl_memory_desc_t *out)
{
    dnnl_dims_t all, strides;
    int64_t step = dims[1];
    memcpy(all, dims, 2 * sizeof *dims);
    memcpy(all + 2, dims + 2, n * sizeof *dims);
    strides[1] = 1;
    for (uint32_t i = n; i-- > 0;) {
        strides[i + 2] = step;
        step *= box[i];
    }
    strides[0] = step;
    return d->dnnl_memory_desc_init_by_strides(out, (int)n + 2, all, type, strides) == dnnl_success;
}

/* Of the call inside: padded images; raw sums or bytes. */
static int describe(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *p)
{
    const cpu_tensor *x = &call->in[0];
    const cpu_tensor *y = &call->out[0];
    if (!describe_last(d, x->dims, x->dims + 2, x->rank - 2, dnnl_u8, &p->src.given) ||
        !describe_last(d, y->dims, y->dims + 2, y->rank - 2, cpu_dnnl_type(y->dtype), &p->dst.given) ||
        !cpu_dnnl_describe_kernel(d, call, &p->weights.given))
        return 0;
    p->src.wanted = p->src.given;
    p->dst.wanted = p->dst.given;
    const cpu_tensor row = {.dtype = MARU_ABI_F32, .rank = 1, .dims = {y->dims[1]}};
    return cpu_dnnl_describe_any(d, &p->weights.given, &p->weights.wanted) &&
           cpu_dnnl_describe(d, &row, &p->bias) && cpu_integer_describe_whole(d, call, 1, p);
}

static int operation(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, cpu_dnnl_op *out)
{
    static const dnnl_dims_t none = {0};
    cpu_window w;
    dnnl_dims_t strides, dilates;
    cpu_read_window(&call->attrs, &call->in[0], &call->out[0], call->in[1].dims + 2, &w);
    for (uint32_t i = 0; i < w.n; i++) {
        strides[i] = w.stride[i];
        dilates[i] = w.dilation[i] - 1;
    }
    return d->dnnl_dilated_convolution_forward_desc_init(&out->convolution, dnnl_forward_inference,
                                                         dnnl_convolution_auto, &p->src.wanted, &p->weights.wanted,
                                                         p->has_bias ? &p->bias : NULL, &p->dst.wanted, strides,
                                                         dilates, none, none) == dnnl_success;
}

const cpu_dnnl_recipe cpu_integer_conv_recipe = {describe, operation, cpu_integer_attributes, NULL};

static int64_t box_of(const cpu_window *w, const cpu_tensor *y, uint32_t i)
{
    return (y->dims[i + 2] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1;
}

void cpu_integer_describe_conv(const cpu_call *call, const cpu_integer_operands *o, cpu_integer_product *p)
{
    const cpu_tensor *y = &call->out[0];
    cpu_window w;
    cpu_read_window(&call->attrs, o->a, y, o->b->dims + 2, &w);
    p->a = *o->a;
    p->a.dtype = MARU_ABI_U8;
    p->a.count = o->a->dims[0] * o->a->dims[1];
    for (uint32_t i = 0; i < w.n; i++) {
        p->a.dims[i + 2] = box_of(&w, y, i);
        p->a.count *= p->a.dims[i + 2];
    }
    p->b = *o->b;
    p->b.dtype = MARU_ABI_I8;
    p->sums = *y;
    p->sums.dtype = MARU_ABI_I32;
    p->n = y->dims[1];
    p->rows = p->n ? y->count / p->n : 0;
    p->k = o->b->dims[0] ? o->b->count / o->b->dims[0] : 0;
    p->groups = cpu_attr_int(&call->attrs, "group", 1);
}

/* ---- making ---- */

/* From the call's images, cut to what windows reach, into the boxes. */
static int make_in(const cpu_dnnl *d, const cpu_tensor *x, cpu_integer_images *m)
{
    const uint32_t n = m->window.n;
    dnnl_dims_t dims = {x->dims[0], x->dims[1]};
    dnnl_dims_t strides;
    int64_t step = 1;
    for (uint32_t i = n + 2; i-- > 0;) {
        strides[i] = step;
        step *= x->dims[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        dims[i + 2] = m->held[i];
        if (m->held[i] <= 0)
            return 1;
    }
    return d->dnnl_memory_desc_init_by_strides(&m->in_from, (int)n + 2, dims, dnnl_u8, strides) == dnnl_success &&
           describe_last(d, dims, m->box, n, dnnl_u8, &m->in_to) &&
           cpu_dnnl_make_reorder(d, &m->in_from, &m->in_to, &m->in);
}

/* Bytes are moved as u8, whatever they are. */
static int make_out(const cpu_dnnl *d, const cpu_tensor *y, cpu_integer_images *m)
{
    cpu_tensor plain = *y;
    plain.dtype = y->dtype == MARU_ABI_I32 ? MARU_ABI_I32 : MARU_ABI_U8;
    return cpu_dnnl_describe(d, &plain, &m->out_to) &&
           describe_last(d, y->dims, y->dims + 2, m->window.n, cpu_dnnl_type(plain.dtype), &m->out_from) &&
           cpu_dnnl_make_reorder(d, &m->out_from, &m->out_to, &m->out);
}

/* The number of threads is the calling thread's, who may use OpenMP too; gives it back. */
static int enter(const cpu_dnnl *d, const maru_abi_host *host)
{
    const int before = d->omp_get_max_threads();
    d->omp_set_num_threads((int)host->thread_count(host->ctx));
    return before;
}

int cpu_integer_prepare_conv(const cpu_call *call, const cpu_integer_operands *o, const maru_abi_host *host,
                             cpu_integer_product *p)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    cpu_integer_images *m = p->images = cpu_alloc(host, 1, sizeof *m);
    if (!m)
        return 0;
    cpu_read_window(&call->attrs, o->a, &call->out[0], o->b->dims + 2, &m->window);
    for (uint32_t i = 0; i < m->window.n; i++) {
        const int64_t room = p->a.dims[i + 2] - m->window.begin[i];
        m->box[i] = p->a.dims[i + 2];
        m->held[i] = o->a->dims[i + 2] < room ? o->a->dims[i + 2] : room;
        m->first = m->first * m->box[i] + m->window.begin[i];
        m->has_padding |= m->held[i] < m->box[i];
    }
    m->n_pixels = o->a->dims[0] * cpu_box_size(m->box, m->window.n);
    p->a_at = cpu_integer_reserve(p, p->a.count, 1);
    p->sums_at = cpu_integer_reserve(p, p->sums.count, sizeof(uint32_t));
    if (o->b_zero || o->b->dtype == MARU_ABI_U8)
        m->pixels_at = cpu_integer_reserve(p, m->n_pixels * p->groups, sizeof(uint32_t));
    if (call->out[0].dtype != MARU_ABI_I32)
        m->steps_at = cpu_integer_reserve(p, p->sums.count, 1);
    const int before = enter(d, host);
    const int ok = make_in(d, o->a, m) && make_out(d, &call->out[0], m);
    d->omp_set_num_threads(before);
    return ok;
}

void cpu_integer_release_images(const maru_abi_host *host, cpu_integer_images *m)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    if (m && m->in)
        d->dnnl_primitive_destroy(m->in);
    if (m && m->out)
        d->dnnl_primitive_destroy(m->out);
    cpu_free(host, m);
}

/* ---- running ---- */

/* The images for the primitive. */
static maru_abi_status bring_in(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team, uint8_t *a)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    const cpu_integer_product *p = team->prepared;
    const cpu_integer_images *m = p->images;
    if (m->has_padding)
        memset(a, o->a_zero ? *(const uint8_t *)o->a_zero->data : 0, (size_t)p->a.count);
    if (m->in) {
        const dnnl_status_t status = cpu_dnnl_reorder(d, m->in, &m->in_from, o->a->data, &m->in_to,
                                                      a + m->first * o->a->dims[1]);
        if (status != dnnl_success)
            return cpu_dnnl_status(call, status);
    }
    if (o->a->dtype == MARU_ABI_I8)
        cpu_flip_bytes_avx512(a, p->a.count, a);
    return MARU_ABI_OK;
}

static maru_abi_status bring_out(cpu_call *call, const cpu_integer_images *m, void *y)
{
    return cpu_dnnl_status(call, cpu_dnnl_reorder(cpu_dnnl_open(), m->out, &m->out_from, y, &m->out_to,
                                                call->out[0].data));
}

/* What is left of each window, of each group of channels, when k times the zero point is taken off. */
static void fill_rest(const cpu_integer_product *p, const uint8_t *a, uint32_t zero, uint32_t *pixels, uint32_t *out)
{
    const cpu_integer_images *m = p->images;
    const uint32_t n = m->window.n;
    const int64_t width = p->a.dims[1] / p->groups;
    const int64_t per_image = cpu_box_size(m->box, n);
    cpu_window w = m->window;
    memset(w.begin, 0, sizeof w.begin);
    for (int64_t i = 0; i < m->n_pixels * p->groups; i++)
        pixels[i] = cpu_sum_bytes_avx512(a + i * width, width, 0);
    for (int64_t image = 0; image < p->a.dims[0]; image++) {
        int64_t o[CPU_MAX_SPATIAL] = {0};
        do {
            int64_t k[CPU_MAX_SPATIAL] = {0};
            for (int64_t g = 0; g < p->groups; g++)
                out[g] = 0 - (uint32_t)p->k * zero;
            do {
                const uint32_t *pixel = pixels + (image * per_image + cpu_window_at(&w, m->box, o, k)) * p->groups;
                for (int64_t g = 0; g < p->groups; g++)
                    out[g] += pixel[g];
            } while (cpu_next(k, w.kernel, n));
            out += p->groups;
        } while (cpu_next(o, p->sums.dims + 2, n));
    }
}

/* Raw sums, channels last, to the result in that form; gives where it lies. */
static void *finish(const cpu_call *call, const cpu_integer_operands *o, const cpu_team *team, const uint8_t *a,
                    void *sums)
{
    const cpu_integer_product *p = team->prepared;
    cpu_integer_end e;
    uint32_t zero = 0;
    if (!cpu_integer_plan_end(call, o, team, &e, &zero))
        return sums;
    e.sums = sums;
    e.y = e.scale ? cpu_integer_at(team, p->images->steps_at) : sums;
    if (e.b_zero) {
        uint32_t *rest = cpu_integer_at(team, p->rest_at);
        fill_rest(p, a, zero, cpu_integer_at(team, p->images->pixels_at), rest);
        e.rest = rest;
    }
    cpu_integer_finish_avx512(&e, p->rows, team);
    return e.y;
}

static maru_abi_status run(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team)
{
    const cpu_integer_product *p = team->prepared;
    uint8_t *a = cpu_integer_at(team, p->a_at);
    void *sums = cpu_integer_at(team, p->sums_at);
    maru_abi_status status = bring_in(call, o, team, a);
    if (status != MARU_ABI_OK)
        return status;
    void *steps = cpu_integer_at(team, p->images->steps_at);
    if (cpu_integer_make_whole(call, o, team, a, steps, &status))
        return status == MARU_ABI_OK ? bring_out(call, p->images, steps) : status;
    status = cpu_integer_multiply(call, o, team, a, sums);
    return status == MARU_ABI_OK ? bring_out(call, p->images, finish(call, o, team, a, sums)) : status;
}

maru_abi_status cpu_integer_run_conv(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team)
{
    const cpu_dnnl *d = cpu_dnnl_open();
    const int before = enter(d, team->host);
    const maru_abi_status status = run(call, o, team);
    d->omp_set_num_threads(before);
    return status;
}
