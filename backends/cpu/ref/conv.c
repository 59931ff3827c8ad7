// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "ref/window.h"

#include <math.h>
#include <string.h>

/* ---- Conv, and with an activation after it ---- */

typedef struct conv {
    const cpu_tensor *x, *w, *bias;
    cpu_tensor *y;
    cpu_window window;
    int64_t in_channels;   // per group
    int64_t out_channels;  // per group
    int64_t in_size;       // spatial elements
    int64_t out_size;
    int64_t kernel_size;
} conv;

static double conv_at(const conv *v, int64_t image, int64_t channel, const int64_t *o)
{
    const int64_t group = channel / v->out_channels;
    double sum = v->bias ? cpu_load(v->bias, channel) : 0;
    for (int64_t i = 0; i < v->in_channels; i++) {
        const int64_t plane = (image * v->x->dims[1] + group * v->in_channels + i) * v->in_size;
        const int64_t weights = (channel * v->in_channels + i) * v->kernel_size;
        int64_t k[CPU_MAX_SPATIAL] = {0};
        int64_t index = 0;
        do {
            const int64_t at = cpu_window_at(&v->window, v->x->dims + 2, o, k);
            if (at >= 0)
                sum += cpu_load(v->x, plane + at) * cpu_load(v->w, weights + index);
            index++;
        } while (cpu_next(k, v->window.kernel, v->window.n));
    }
    return sum;
}

static conv read_conv(cpu_call *c)
{
    conv v = {.x = &c->in[0], .w = &c->in[1], .bias = cpu_has(c, 2) ? &c->in[2] : NULL, .y = &c->out[0]};
    const int64_t groups = cpu_attr_int(&c->attrs, "group", 1);
    cpu_read_window(&c->attrs, v.x, v.y, v.w->dims + 2, &v.window);
    v.in_channels = v.w->dims[1];
    v.out_channels = v.w->dims[0] / groups;
    v.in_size = cpu_box_size(v.x->dims + 2, v.window.n);
    v.out_size = cpu_box_size(v.y->dims + 2, v.window.n);
    v.kernel_size = cpu_box_size(v.w->dims + 2, v.window.n);
    return v;
}

typedef double (*activation_fn)(double x, double alpha, double beta);

static double no_activation(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return x;
}

static maru_abi_status run_conv(cpu_call *c, activation_fn activate)
{
    const conv v = read_conv(c);
    const double alpha = cpu_attr_float(&c->attrs, "alpha", 0);
    const double beta = cpu_attr_float(&c->attrs, "beta", 0);
    for (int64_t image = 0; v.out_size && image < v.y->dims[0]; image++) {
        for (int64_t channel = 0; channel < v.y->dims[1]; channel++) {
            int64_t o[CPU_MAX_SPATIAL] = {0};
            int64_t at = (image * v.y->dims[1] + channel) * v.out_size;
            do
                cpu_store(v.y, at++, activate(conv_at(&v, image, channel, o), alpha, beta));
            while (cpu_next(o, v.y->dims + 2, v.window.n));
        }
    }
    return MARU_ABI_OK;
}

static maru_abi_status ref_conv(cpu_call *c)
{
    return run_conv(c, no_activation);
}

static double relu(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return x < 0 ? 0 : x;
}

static double sigmoid(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return 1 / (1 + exp(-x));
}

static double tangent(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return tanh(x);
}

static double leaky_relu(double x, double alpha, double beta)
{
    (void)beta;
    return x < 0 ? alpha * x : x;
}

static double hard_sigmoid(double x, double alpha, double beta)
{
    return fmin(1, fmax(0, alpha * x + beta));
}

static double hard_swish(double x, double alpha, double beta)
{
    (void)alpha;
    (void)beta;
    return x * hard_sigmoid(x, 1.0 / 6, 0.5);
}

static maru_abi_status ref_fused_conv(cpu_call *c)
{
    static const struct {
        const char *name;
        activation_fn fn;
    } known[] = {
        {"Relu", relu},           {"Sigmoid", sigmoid},          {"Tanh", tangent},
        {"LeakyRelu", leaky_relu}, {"HardSigmoid", hard_sigmoid}, {"HardSwish", hard_swish},
    };
    const char *name = cpu_attr_string(&c->attrs, "activation", "");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return run_conv(c, known[i].fn);
    return cpu_bad_value(c, "activation '%s' is not known", name);
}

/* ---- ConvTranspose: what Conv's gradient scatters, gathered per output ---- */

/* The input position that kernel position k sends to output position o, or -1. */
static int64_t source_at(const cpu_window *w, const int64_t *in_dims, const int64_t *o, const int64_t *k)
{
    int64_t at = 0;
    for (uint32_t d = 0; d < w->n; d++) {
        const int64_t p = o[d] + w->begin[d] - k[d] * w->dilation[d];
        if (p < 0 || p % w->stride[d] != 0 || p / w->stride[d] >= in_dims[d])
            return -1;
        at = at * in_dims[d] + p / w->stride[d];
    }
    return at;
}

static double transposed_at(const conv *v, int64_t image, int64_t channel, const int64_t *o)
{
    const int64_t per_group = v->w->dims[1];
    const int64_t group = channel / per_group;
    double sum = v->bias ? cpu_load(v->bias, channel) : 0;
    for (int64_t i = 0; i < v->in_channels; i++) {
        const int64_t from = group * v->in_channels + i;
        const int64_t plane = (image * v->x->dims[1] + from) * v->in_size;
        const int64_t weights = (from * per_group + channel % per_group) * v->kernel_size;
        int64_t k[CPU_MAX_SPATIAL] = {0};
        int64_t index = 0;
        do {
            const int64_t at = source_at(&v->window, v->x->dims + 2, o, k);
            if (at >= 0)
                sum += cpu_load(v->x, plane + at) * cpu_load(v->w, weights + index);
            index++;
        } while (cpu_next(k, v->window.kernel, v->window.n));
    }
    return sum;
}

static maru_abi_status ref_conv_transpose(cpu_call *c)
{
    conv v = read_conv(c);
    v.in_channels = v.x->dims[1] / cpu_attr_int(&c->attrs, "group", 1);
    cpu_transposed_padding(&c->attrs, v.x, v.y, &v.window);
    for (int64_t image = 0; v.out_size && image < v.y->dims[0]; image++) {
        for (int64_t channel = 0; channel < v.y->dims[1]; channel++) {
            int64_t o[CPU_MAX_SPATIAL] = {0};
            int64_t at = (image * v.y->dims[1] + channel) * v.out_size;
            do
                cpu_store(v.y, at++, transposed_at(&v, image, channel, o));
            while (cpu_next(o, v.y->dims + 2, v.window.n));
        }
    }
    return MARU_ABI_OK;
}

/* ---- pools ---- */

static double average_at(const cpu_tensor *x, const cpu_window *w, int64_t plane, const int64_t *o, int counts_padding)
{
    double sum = 0;
    int64_t n = 0;
    int64_t k[CPU_MAX_SPATIAL] = {0};
    do {
        const int64_t at = cpu_window_at(w, x->dims + 2, o, k);
        if (at >= 0)
            sum += cpu_load(x, plane + at);
        int in_padded = counts_padding;
        // A window of ceil_mode may reach past the padding: those positions never count.
        for (uint32_t d = 0; in_padded && d < w->n; d++)
            in_padded = o[d] * w->stride[d] + k[d] * w->dilation[d] < w->begin[d] + x->dims[d + 2] + w->end[d];
        n += at >= 0 || in_padded;
    } while (cpu_next(k, w->kernel, w->n));
    return n ? sum / (double)n : 0;
}

static maru_abi_status ref_average_pool(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    cpu_tensor *y = &c->out[0];
    cpu_window w;
    cpu_read_window(&c->attrs, x, y, NULL, &w);
    const int counts_padding = cpu_attr_int(&c->attrs, "count_include_pad", 0) != 0;
    const int64_t in_size = cpu_box_size(x->dims + 2, w.n);
    const int64_t out_size = cpu_box_size(y->dims + 2, w.n);
    for (int64_t plane = 0; out_size && plane < y->dims[0] * y->dims[1]; plane++) {
        int64_t o[CPU_MAX_SPATIAL] = {0};
        int64_t at = plane * out_size;
        do
            cpu_store(y, at++, average_at(x, &w, plane * in_size, o, counts_padding));
        while (cpu_next(o, y->dims + 2, w.n));
    }
    return MARU_ABI_OK;
}

/* The p-norm of each window; the padding counts as 0. */
static maru_abi_status ref_lp_pool(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    cpu_tensor *y = &c->out[0];
    cpu_window w;
    cpu_read_window(&c->attrs, x, y, NULL, &w);
    const double p = (double)cpu_attr_int(&c->attrs, "p", 2);
    const int64_t in_size = cpu_box_size(x->dims + 2, w.n);
    const int64_t out_size = cpu_box_size(y->dims + 2, w.n);
    for (int64_t plane = 0; out_size && plane < y->dims[0] * y->dims[1]; plane++) {
        int64_t o[CPU_MAX_SPATIAL] = {0};
        int64_t to = plane * out_size;
        do {
            int64_t k[CPU_MAX_SPATIAL] = {0};
            double sum = 0;
            do {
                const int64_t at = cpu_window_at(&w, x->dims + 2, o, k);
                sum += at < 0 ? 0 : pow(fabs(cpu_load(x, plane * in_size + at)), p);
            } while (cpu_next(k, w.kernel, w.n));
            cpu_store(y, to++, pow(sum, 1 / p));
        } while (cpu_next(o, y->dims + 2, w.n));
    }
    return MARU_ABI_OK;
}

/* The first of equal maxima; NaN wins. -1 for a window all in the padding. */
static int64_t max_at(const cpu_tensor *x, const cpu_window *w, int64_t plane, const int64_t *o)
{
    int64_t best = -1;
    int64_t k[CPU_MAX_SPATIAL] = {0};
    do {
        const int64_t at = cpu_window_at(w, x->dims + 2, o, k);
        if (at < 0)
            continue;
        const double value = cpu_load(x, plane + at);
        if (best < 0 || value > cpu_load(x, plane + best) || isnan(value))
            best = at;
        if (isnan(value))
            return best;
    } while (cpu_next(k, w->kernel, w->n));
    return best;
}

/* Column-major index of a position, for storage_order 1. */
static int64_t reorder(int64_t at, const int64_t *dims, uint32_t n)
{
    int64_t out = 0;
    int64_t stride = cpu_box_size(dims, n);
    for (uint32_t d = n; d-- > 0;) {
        stride /= dims[d];
        out += at % dims[d] * stride;
        at /= dims[d];
    }
    return out;
}

static maru_abi_status ref_max_pool(cpu_call *c)
{
    const cpu_tensor *x = &c->in[0];
    cpu_tensor *y = &c->out[0];
    cpu_tensor *indices = c->n_out > 1 && c->out[1].dtype ? &c->out[1] : NULL;
    cpu_window w;
    cpu_read_window(&c->attrs, x, y, NULL, &w);
    const int by_column = cpu_attr_int(&c->attrs, "storage_order", 0) != 0;
    const int64_t in_size = cpu_box_size(x->dims + 2, w.n);
    const int64_t out_size = cpu_box_size(y->dims + 2, w.n);
    for (int64_t plane = 0; out_size && plane < y->dims[0] * y->dims[1]; plane++) {
        int64_t o[CPU_MAX_SPATIAL] = {0};
        int64_t to = plane * out_size;
        do {
            const int64_t at = max_at(x, &w, plane * in_size, o);
            if (cpu_is_float(x->dtype))
                cpu_store(y, to, at < 0 ? -INFINITY : cpu_load(x, plane * in_size + at));
            else
                cpu_store_int(y, to, at < 0 ? 0 : cpu_load_int(x, plane * in_size + at));
            if (indices)
                cpu_store_int(indices, to, plane * in_size + (by_column ? reorder(at, x->dims + 2, w.n) : at));
            to++;
        } while (cpu_next(o, y->dims + 2, w.n));
    }
    return MARU_ABI_OK;
}

/* ---- pools over everything ---- */

static maru_abi_status global_pool(cpu_call *c, int is_max)
{
    const cpu_tensor *x = &c->in[0];
    const int64_t planes = x->dims[0] * x->dims[1];
    const int64_t size = planes ? x->count / planes : 0;
    for (int64_t plane = 0; plane < planes; plane++) {
        double value = is_max ? -INFINITY : 0;
        for (int64_t i = 0; i < size; i++) {
            const double v = cpu_load(x, plane * size + i);
            if (!is_max)
                value += v;
            else if (!(v <= value))
                value = v;
        }
        cpu_store(&c->out[0], plane, is_max ? value : value / (double)size);
    }
    return MARU_ABI_OK;
}

static maru_abi_status ref_global_average_pool(cpu_call *c)
{
    return global_pool(c, 0);
}

static maru_abi_status ref_global_max_pool(cpu_call *c)
{
    return global_pool(c, 1);
}

const cpu_ref_op cpu_ref_conv[] = {
    {.name = "Conv", .domain = "", .since_version = 22, .fn = ref_conv, .dtypes = "f"},
    {.name = "FusedConv", .domain = "maru", .since_version = 1, .fn = ref_fused_conv, .dtypes = "f"},
    {.name = "ConvTranspose", .domain = "", .since_version = 22, .fn = ref_conv_transpose, .dtypes = "f"},
    {.name = "AveragePool", .domain = "", .since_version = 22, .fn = ref_average_pool, .dtypes = "f"},
    {.name = "LpPool", .domain = "", .since_version = 22, .fn = ref_lp_pool, .dtypes = "f"},
    {.name = "MaxPool", .domain = "", .since_version = 22, .fn = ref_max_pool, .dtypes = "fiu"},
    {.name = "GlobalAveragePool", .domain = "", .since_version = 22, .fn = ref_global_average_pool, .dtypes = "f"},
    {.name = "GlobalMaxPool", .domain = "", .since_version = 22, .fn = ref_global_max_pool, .dtypes = "f"},
    {0},
};
