// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * What treats each plane of (batch, channel) alone: BatchNormalization, and
 * pools of f32 over one or two spatial axes. A row of outputs is made of
 * windows' rows one after the other, so that the inner loops run along it.
 */

#include "vector/vec.h"

#include <math.h>

#include "ref/window.h"

enum { POOL_MAX, POOL_AVERAGE, POOL_AVERAGE_PADDED };
enum { LANES = 8, GRAIN_ELEMENTS = 16384 };

/* Planes for a piece of work. */
static int64_t grain_of(int64_t elements)
{
    return elements >= GRAIN_ELEMENTS ? 1 : GRAIN_ELEMENTS / (elements ? elements : 1);
}

/* ---- BatchNormalization ---- */

typedef struct norm_job {
    const float *x, *scale, *bias, *mean, *variance;
    float *y;
    int64_t channels, size;
    double epsilon;
} norm_job;

static void normalise(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const norm_job *job = ctx;
    (void)worker;
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t c = plane % job->channels;
        // In f64, which memory is too slow to notice: nothing is lost where the shift cancels.
        const double factor = job->scale[c] / sqrt(job->variance[c] + job->epsilon);
        const double mean = job->mean[c];
        const double bias = job->bias[c];
        const float *x = job->x + plane * job->size;
        float *y = job->y + plane * job->size;
        for (int64_t i = 0; i < job->size; i++)
            y[i] = (float)((x[i] - mean) * factor + bias);
    }
}

static maru_abi_status op_batch_norm(cpu_call *call, const cpu_team *team)
{
    const cpu_tensor *x = &call->in[0];
    const int64_t planes = x->dims[0] * x->dims[1];
    norm_job job = {
        .x = x->data,
        .scale = call->in[1].data,
        .bias = call->in[2].data,
        .mean = call->in[3].data,
        .variance = call->in[4].data,
        .y = call->out[0].data,
        .channels = x->dims[1],
        .size = planes ? x->count / planes : 0,
        .epsilon = cpu_attr_float(&call->attrs, "epsilon", 1e-5),
    };
    for_all(team, planes, grain_of(job.size), normalise, &job);
    return MARU_ABI_OK;
}

static int takes_norm(const cpu_call *call)
{
    int takes = is_one_output(call, MARU_ABI_F32) && call->in[0].rank >= 2 && call->n_in == 5;
    for (uint32_t i = 0; takes && i < 5; i++)
        takes = is_dense(call, i, MARU_ABI_F32);
    return takes;
}

/* ---- pools ---- */

/* Height 1 for one spatial axis. */
typedef struct pool_job {
    const float *x;
    float *y;
    int kind;
    int64_t height, width, out_height, out_width;
    int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, begin_h, begin_w, end_h, end_w;
} pool_job;

/* Of `count` positions `at`, `at + step`, ... those from the first that is at least 0 to the last below `size`. */
static void inside(int64_t at, int64_t step, int64_t size, int64_t count, int64_t *out_first, int64_t *out_past)
{
    const int64_t first = at >= 0 ? 0 : (-at + step - 1) / step;
    const int64_t past = at >= size ? 0 : (size - at + step - 1) / step;
    *out_past = past < count ? past : count;
    *out_first = first < *out_past ? first : *out_past;
}

static ALWAYS_INLINE void max_row(float *y, const float *x, int64_t n, int64_t stride)
{
    for (int64_t i = 0; i < n; i++) {
        const float v = x[i * stride];
        y[i] = v > y[i] || v != v ? v : y[i];  // NaN wins
    }
}

static ALWAYS_INLINE void sum_row(float *y, const float *x, int64_t n, int64_t stride)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i * stride];
}

/* A row of the input, seen from one column of the windows. */
static void add_row(const pool_job *p, float *y, const float *x, int64_t column)
{
    int64_t first = 0, past = 0;
    const int64_t at = column * p->dilation_w - p->begin_w;
    inside(at, p->stride_w, p->width, p->out_width, &first, &past);
    if (first == past)
        return;
    x += at + first * p->stride_w;
    y += first;
    if (p->kind == POOL_MAX) {
        if (p->stride_w == 1)
            max_row(y, x, past - first, 1);
        else if (p->stride_w == 2)
            max_row(y, x, past - first, 2);
        else
            max_row(y, x, past - first, p->stride_w);
    } else if (p->stride_w == 1) {
        sum_row(y, x, past - first, 1);
    } else if (p->stride_w == 2) {
        sum_row(y, x, past - first, 2);
    } else {
        sum_row(y, x, past - first, p->stride_w);
    }
}

/* How many of the window's places along one axis count: those in the input, or in the padding, too. */
static int64_t places(int64_t at, int64_t dilation, int64_t kernel, int64_t from, int64_t to)
{
    int64_t first = 0, past = 0;
    inside(at - from, dilation, to - from, kernel, &first, &past);
    return past - first;
}

static void divide_row(const pool_job *p, float *y, int64_t row)
{
    const int padded = p->kind == POOL_AVERAGE_PADDED;
    const int64_t high = places(row * p->stride_h - p->begin_h, p->dilation_h, p->kernel_h, padded ? -p->begin_h : 0,
                                padded ? p->height + p->end_h : p->height);
    for (int64_t i = 0; i < p->out_width; i++) {
        const int64_t wide = places(i * p->stride_w - p->begin_w, p->dilation_w, p->kernel_w, padded ? -p->begin_w : 0,
                                    padded ? p->width + p->end_w : p->width);
        y[i] = high && wide ? y[i] / (float)(high * wide) : 0;
    }
}

static void pool_planes(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const pool_job *p = ctx;
    (void)worker;
    for (int64_t plane = begin; plane < end; plane++) {
        const float *x = p->x + plane * p->height * p->width;
        for (int64_t row = 0; row < p->out_height; row++) {
            float *y = p->y + (plane * p->out_height + row) * p->out_width;
            for (int64_t i = 0; i < p->out_width; i++)
                y[i] = p->kind == POOL_MAX ? -INFINITY : 0;
            for (int64_t k = 0; k < p->kernel_h; k++) {
                const int64_t at = row * p->stride_h + k * p->dilation_h - p->begin_h;
                for (int64_t column = 0; at >= 0 && at < p->height && column < p->kernel_w; column++)
                    add_row(p, y, x + at * p->width, column);
            }
            if (p->kind != POOL_MAX)
                divide_row(p, y, row);
        }
    }
}

static maru_abi_status pool(cpu_call *call, const cpu_team *team, int kind)
{
    const cpu_tensor *x = &call->in[0];
    const cpu_tensor *y = &call->out[0];
    cpu_window w;
    cpu_read_window(&call->attrs, x, y, NULL, &w);
    const uint32_t d = w.n - 1;  // the last axis
    const int is_flat = w.n == 1;
    pool_job job = {
        .x = x->data,
        .y = call->out[0].data,
        .kind = kind,
        .height = is_flat ? 1 : x->dims[2],
        .width = x->dims[x->rank - 1],
        .out_height = is_flat ? 1 : y->dims[2],
        .out_width = y->dims[y->rank - 1],
        .kernel_h = is_flat ? 1 : w.kernel[0],
        .kernel_w = w.kernel[d],
        .stride_h = is_flat ? 1 : w.stride[0],
        .stride_w = w.stride[d],
        .dilation_h = is_flat ? 1 : w.dilation[0],
        .dilation_w = w.dilation[d],
        .begin_h = is_flat ? 0 : w.begin[0],
        .begin_w = w.begin[d],
        .end_h = is_flat ? 0 : w.end[0],
        .end_w = w.end[d],
    };
    const int64_t work = job.out_height * job.out_width * job.kernel_h * job.kernel_w;
    for_all(team, x->dims[0] * x->dims[1], grain_of(work), pool_planes, &job);
    return MARU_ABI_OK;
}

static maru_abi_status op_max_pool(cpu_call *call, const cpu_team *team)
{
    return pool(call, team, POOL_MAX);
}

static maru_abi_status op_average_pool(cpu_call *call, const cpu_team *team)
{
    const int padded = cpu_attr_int(&call->attrs, "count_include_pad", 0) != 0;
    return pool(call, team, padded ? POOL_AVERAGE_PADDED : POOL_AVERAGE);
}

static int takes_pool(const cpu_call *call)
{
    return is_dense(call, 0, MARU_ABI_F32) && is_one_output(call, MARU_ABI_F32) &&
           (call->in[0].rank == 3 || call->in[0].rank == 4);
}

/* ---- a pool over everything ---- */

typedef struct mean_job {
    const float *x;
    float *y;
    int64_t size;
} mean_job;

static void means(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const mean_job *job = ctx;
    (void)worker;
    for (int64_t plane = begin; plane < end; plane++) {
        const float *x = job->x + plane * job->size;
        double lanes[LANES] = {0};
        double sum = 0;
        int64_t i = 0;
        for (; i + LANES <= job->size; i += LANES)
            for (int k = 0; k < LANES; k++)
                lanes[k] += x[i + k];
        for (; i < job->size; i++)
            sum += x[i];
        for (int k = 0; k < LANES; k++)
            sum += lanes[k];
        job->y[plane] = (float)(sum / (double)job->size);
    }
}

static maru_abi_status op_global_average(cpu_call *call, const cpu_team *team)
{
    const cpu_tensor *x = &call->in[0];
    const int64_t planes = x->dims[0] * x->dims[1];
    mean_job job = {.x = x->data, .y = call->out[0].data, .size = planes ? x->count / planes : 0};
    for_all(team, planes, grain_of(job.size), means, &job);
    return MARU_ABI_OK;
}

static int takes_global(const cpu_call *call)
{
    return is_dense(call, 0, MARU_ABI_F32) && is_one_output(call, MARU_ABI_F32) && call->in[0].rank >= 2;
}

#define ROW(op_name, label, function, accepts) \
    {                                          \
        .domain = "",                          \
        .op = op_name,                         \
        .name = KERNEL_NAME(label),            \
        .isa = VARIANT_ISA,                    \
        .priority = VARIANT_PRIORITY,          \
        .gflops = VL / 4,                      \
        .fn = function,                        \
        .takes = accepts,                      \
    }

extern const cpu_kernel VARIANT(cpu_vector_plane)[];

const cpu_kernel VARIANT(cpu_vector_plane)[] = {
    ROW("BatchNormalization", "planes", op_batch_norm, takes_norm),
    ROW("MaxPool", "pool", op_max_pool, takes_pool),
    ROW("AveragePool", "pool", op_average_pool, takes_pool),
    ROW("GlobalAveragePool", "pool", op_global_average, takes_global),
    {.name = NULL},
};
