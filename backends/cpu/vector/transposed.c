// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * ConvTranspose of f32 over one or two spatial axes. What one column of the
 * kernel sends to a row of the output is summed up along the input's row, over
 * all channels, and then added where it belongs: the strides are met once, not
 * for each channel.
 */

#include "vector/vec.h"

#include "ref/window.h"

enum { BLOCK = 512 };  // columns of an input row that are summed up at a time

/* Height 1 for one spatial axis. */
typedef struct job {
    const float *x, *w, *bias;
    float *y;
    int64_t in, out;  // channels of a group
    int64_t groups;
    int64_t height, width, out_height, out_width;
    int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, begin_h, begin_w;
} job;

/* What kernel column `column` adds from the columns [from, from + n) of the inputs that reach output row `row`. */
static void sum_channels(const job *p, const float *x, const float *w, int64_t row, int64_t column, int64_t from,
                         int64_t n, float *sum)
{
    const int64_t kernel = p->kernel_h * p->kernel_w;
    for (int64_t j = 0; j < n; j++)
        sum[j] = 0;
    for (int64_t k = 0; k < p->kernel_h; k++) {
        const int64_t at = row + p->begin_h - k * p->dilation_h;
        if (at < 0 || at % p->stride_h != 0 || at / p->stride_h >= p->height)
            continue;
        const float *line = x + at / p->stride_h * p->width + from;
        const float *weight = w + k * p->kernel_w + column;
        for (int64_t i = 0; i < p->in; i++) {
            const float factor = weight[i * p->out * kernel];
            const float *channel = line + i * p->height * p->width;
            for (int64_t j = 0; j < n; j++)
                sum[j] += factor * channel[j];
        }
    }
}

static void add_row(const job *p, const float *x, const float *w, int64_t row, float *y)
{
    float sum[BLOCK];
    for (int64_t column = 0; column < p->kernel_w; column++) {
        for (int64_t from = 0; from < p->width; from += BLOCK) {
            const int64_t n = smaller_of(BLOCK, p->width - from);
            const int64_t to = from * p->stride_w + column * p->dilation_w - p->begin_w;
            sum_channels(p, x, w, row, column, from, n, sum);
            for (int64_t j = 0; j < n; j++)
                if (to + j * p->stride_w >= 0 && to + j * p->stride_w < p->out_width)
                    y[to + j * p->stride_w] += sum[j];
        }
    }
}

/* Planes of the output. */
static void planes(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const job *p = ctx;
    const int64_t size = p->out_height * p->out_width;
    (void)worker;
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t image = plane / (p->out * p->groups);
        const int64_t channel = plane % (p->out * p->groups);
        const int64_t group = channel / p->out;
        const float *x = p->x + (image * p->groups + group) * p->in * p->height * p->width;
        const float *w = p->w + (group * p->in * p->out + channel % p->out) * p->kernel_h * p->kernel_w;
        float *y = p->y + plane * size;
        for (int64_t i = 0; i < size; i++)
            y[i] = p->bias ? p->bias[channel] : 0;
        for (int64_t row = 0; row < p->out_height; row++)
            add_row(p, x, w, row, y + row * p->out_width);
    }
}

static maru_abi_status op_conv_transpose(cpu_call *call, const cpu_team *team)
{
    const cpu_tensor *x = &call->in[0];
    const cpu_tensor *w = &call->in[1];
    const cpu_tensor *y = &call->out[0];
    cpu_window window;
    cpu_read_window(&call->attrs, x, y, w->dims + 2, &window);
    cpu_transposed_padding(&call->attrs, x, y, &window);
    const int64_t groups = cpu_attr_int(&call->attrs, "group", 1);
    const uint32_t d = window.n - 1;  // the last axis
    const int is_flat = window.n == 1;
    job p = {
        .x = x->data,
        .w = w->data,
        .bias = cpu_has(call, 2) ? call->in[2].data : NULL,
        .y = call->out[0].data,
        .in = x->dims[1] / groups,
        .out = w->dims[1],
        .groups = groups,
        .height = is_flat ? 1 : x->dims[2],
        .width = x->dims[x->rank - 1],
        .out_height = is_flat ? 1 : y->dims[2],
        .out_width = y->dims[y->rank - 1],
        .kernel_h = is_flat ? 1 : window.kernel[0],
        .kernel_w = window.kernel[d],
        .stride_h = is_flat ? 1 : window.stride[0],
        .stride_w = window.stride[d],
        .dilation_h = is_flat ? 1 : window.dilation[0],
        .dilation_w = window.dilation[d],
        .begin_h = is_flat ? 0 : window.begin[0],
        .begin_w = window.begin[d],
    };
    for_all(team, y->dims[0] * y->dims[1], 1, planes, &p);
    return MARU_ABI_OK;
}

static int takes(const cpu_call *call)
{
    return is_dense(call, 0, MARU_ABI_F32) && is_dense(call, 1, MARU_ABI_F32) &&
           (!cpu_has(call, 2) || is_dense(call, 2, MARU_ABI_F32)) && is_one_output(call, MARU_ABI_F32) &&
           (call->in[0].rank == 3 || call->in[0].rank == 4);
}

extern const cpu_kernel VARIANT(cpu_vector_transposed)[];

const cpu_kernel VARIANT(cpu_vector_transposed)[] = {
    {
        .domain = "",
        .op = "ConvTranspose",
        .name = KERNEL_NAME("transposed conv"),
        .isa = VARIANT_ISA,
        .priority = VARIANT_PRIORITY,
        .gflops = VL,
        .fn = op_conv_transpose,
        .takes = takes,
    },
    {.name = NULL},
};
