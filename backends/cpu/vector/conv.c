// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Conv of f32 over one or two spatial axes. The pixels of a panel of outputs
 * are gathered into the form of a packed matrix (kernel position, pixel), and
 * the weights, which are rows as they stand, are multiplied with it. Where
 * each channel has its own kernels there is nothing to share: depthwise.c.
 */

#include "vector/conv.h"
#include "vector/gemm.h"

#include "ref/window.h"

static const char *const activations[N_ACTS] = {"",          "Relu",        "Sigmoid",  "Tanh",
                                                "LeakyRelu", "HardSigmoid", "HardSwish"};

/* Output columns [*first, *last) whose input column at kernel column `k` is inside. */
static void inside(const conv *c, int64_t k, int64_t *first, int64_t *last)
{
    const int64_t shift = k * c->dilation_w - c->begin_w;
    *first = shift >= 0 ? 0 : (-shift + c->stride_w - 1) / c->stride_w;
    *last = shift >= c->width ? 0 : (c->width - 1 - shift) / c->stride_w + 1;
}

/* ---- panels ---- */

/* `n` pixels of one output row from column `column` on, for one kernel position. */
static void gather_run(const conv *c, const float *plane, int64_t y, int64_t k_w, int64_t column, int64_t n, float *to)
{
    int64_t first = 0;
    int64_t last = 0;
    inside(c, k_w, &first, &last);
    if (y < 0 || y >= c->height) {
        memset(to, 0, (size_t)n * sizeof *to);
        return;
    }
    first = first < column ? column : smaller_of(first, column + n);
    last = smaller_of(last, column + n);
    const float *from = plane + y * c->width + k_w * c->dilation_w - c->begin_w;
    int64_t i = column;
    for (; i < first; i++)
        to[i - column] = 0;
    if (c->stride_w == 1 && last - i >= 8) {
        memcpy(to + (i - column), from + i, (size_t)(last - i) * sizeof *to);
        i = last;
    }
    for (; i < last; i++)
        to[i - column] = from[i * c->stride_w];
    for (; i < column + n; i++)
        to[i - column] = 0;
}

/* Pixels [first, first + n) of the output plane: for every kernel position a row of PANEL. */
static void gather_panel(const conv *c, const float *x, int64_t first, int64_t n, float *to)
{
    for (int64_t i = 0; i < c->in; i++) {
        const float *plane = x + i * c->height * c->width;
        for (int64_t k = 0; k < c->kernel_h * c->kernel_w; k++, to += PANEL) {
            for (int64_t p = 0; p < n;) {
                const int64_t row = (first + p) / c->out_width;
                const int64_t column = (first + p) % c->out_width;
                const int64_t run = smaller_of(c->out_width - column, n - p);
                const int64_t y = row * c->stride_h + k / c->kernel_w * c->dilation_h - c->begin_h;
                gather_run(c, plane, y, k % c->kernel_w, column, run, to + p);
                p += run;
            }
            for (int64_t p = n; p < PANEL; p++)
                to[p] = 0;
        }
    }
}

static void multiply_panel(const conv *c, const float *panel, int64_t channel, int64_t rows, int64_t plane,
                           int64_t first, int64_t n)
{
    vf sums[TILE_ROWS][2];
    tile(rows, c->w + channel * c->depth, c->depth, panel, c->depth, sums);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t h = 0; h * VL < n; h++) {
            const int64_t element = (plane + r) * c->pixels + first + h * VL;
            const vf v = c->bias ? sums[r][h] + c->bias[channel + r] : sums[r][h];
            store_some(c->y + element, finish(c, v, element, n - h * VL), n - h * VL);
        }
    }
}

/* Items are (image, group, panel of pixels, part of the channels). */
static void run_panels(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const conv *c = ctx;
    const int64_t n_panels = panels_of(c->pixels);
    float *room = c->room + worker * c->depth * PANEL;
    int64_t gathered = -1;
    for (int64_t item = begin; item < end; item++) {
        const int64_t part = item % c->n_parts;
        const int64_t panel = item / c->n_parts % n_panels;
        const int64_t stack = item / c->n_parts / n_panels;  // image * groups + group
        const int64_t group = stack % c->groups;
        const int64_t first = panel * PANEL;
        const int64_t n = smaller_of(PANEL, c->pixels - first);
        if (gathered != item / c->n_parts)
            gather_panel(c, c->x + stack * c->in * c->height * c->width, first, n, room);
        gathered = item / c->n_parts;
        const int64_t low = part * c->out / c->n_parts;
        const int64_t rows = (part + 1) * c->out / c->n_parts - low;
        const int64_t n_blocks = row_blocks_of(rows);
        for (int64_t b = 0; b < n_blocks; b++) {
            const int64_t row = low + b * rows / n_blocks;
            const int64_t height = low + (b + 1) * rows / n_blocks - row;
            multiply_panel(c, room, group * c->out + row, height, stack * c->out + row, first, n);
        }
    }
}

/* ---- the call ---- */

static conv read_conv(const cpu_call *call, uint32_t n_threads)
{
    const cpu_tensor *x = &call->in[0];
    const cpu_tensor *w = &call->in[1];
    const cpu_tensor *y = &call->out[0];
    const uint32_t last = x->rank - 1;
    const int is_flat = x->rank == 3;
    cpu_window window;
    cpu_read_window(&call->attrs, x, y, w->dims + 2, &window);
    conv c = {
        .x = x->data,
        .w = w->data,
        .bias = cpu_has(call, 2) ? call->in[2].data : NULL,
        .y = y->data,
        .images = x->dims[0],
        .groups = cpu_attr_int(&call->attrs, "group", 1),
        .in = w->dims[1],
        .height = is_flat ? 1 : x->dims[2],
        .width = x->dims[last],
        .out_height = is_flat ? 1 : y->dims[2],
        .out_width = y->dims[last],
        .kernel_h = is_flat ? 1 : w->dims[2],
        .kernel_w = w->dims[last],
        .stride_h = is_flat ? 1 : window.stride[0],
        .stride_w = window.stride[window.n - 1],
        .dilation_h = is_flat ? 1 : window.dilation[0],
        .dilation_w = window.dilation[window.n - 1],
        .begin_h = is_flat ? 0 : window.begin[0],
        .begin_w = window.begin[window.n - 1],
        .alpha = (float)cpu_attr_float(&call->attrs, "alpha", 0),
        .beta = (float)cpu_attr_float(&call->attrs, "beta", 0),
        .n_parts = 1,
    };
    c.out = w->dims[0] / (c.groups > 0 ? c.groups : 1);
    c.pixels = c.out_height * c.out_width;
    c.depth = c.in * c.kernel_h * c.kernel_w;
    const char *name = cpu_attr_string(&call->attrs, "activation", "");
    while (c.act + 1 < N_ACTS && strcmp(activations[c.act], name) != 0)
        c.act++;
    // Parts gather the same pixels again, so there are no more of them than keep the threads busy.
    const int64_t n_items = c.images * c.groups * panels_of(c.pixels);
    while (n_items * c.n_parts < 4 * (int64_t)n_threads && c.out / c.n_parts >= 4 * TILE_ROWS)
        c.n_parts *= 2;
    VARIANT(cpu_depthwise_plan)(&c);
    return c;
}

static int is_depthwise(const conv *c)
{
    return c->in == 1 && c->groups > 1;
}

static maru_abi_status op_conv(cpu_call *call, const cpu_team *team)
{
    conv c = read_conv(call, team->host->thread_count(team->host->ctx));
    c.team = team;
    c.room = team->scratch;
    if (call->out[0].count == 0)
        return MARU_ABI_OK;
    if (is_depthwise(&c))
        VARIANT(cpu_depthwise_run)(&c);
    else
        for_all(team, c.images * c.groups * panels_of(c.pixels) * c.n_parts, 1, run_panels, &c);
    return MARU_ABI_OK;
}

static uint64_t scratch(const cpu_call *call, uint32_t n_threads)
{
    const conv c = read_conv(call, n_threads);
    const int64_t floats = is_depthwise(&c) ? VARIANT(cpu_depthwise_room)(&c) : c.depth * PANEL;
    return (uint64_t)floats * sizeof(float) * n_threads;
}

static int takes(const cpu_call *call)
{
    if (!is_dense(call, 0, MARU_ABI_F32) || !is_dense(call, 1, MARU_ABI_F32) || !is_one_output(call, MARU_ABI_F32) ||
        (call->in[0].rank != 3 && call->in[0].rank != 4) || (cpu_has(call, 2) && !is_dense(call, 2, MARU_ABI_F32)))
        return 0;
    const char *name = cpu_attr_string(&call->attrs, "activation", "");
    for (int i = 0; i < N_ACTS; i++)
        if (strcmp(activations[i], name) == 0)
            return 1;
    return 0;
}

#define ROW(domain_name, op_name)             \
    {                                         \
        .domain = domain_name,                \
        .op = op_name,                        \
        .name = KERNEL_NAME("conv"),          \
        .isa = VARIANT_ISA,                   \
        .priority = VARIANT_PRIORITY,         \
        .gflops = 4 * VL,                     \
        .flags = CPU_KERNEL_TAKES_TAIL,       \
        .fn = op_conv,                        \
        .takes = takes,                       \
        .scratch = scratch,                   \
    }

extern const cpu_kernel VARIANT(cpu_vector_conv)[];

const cpu_kernel VARIANT(cpu_vector_conv)[] = {
    ROW("", "Conv"),
    ROW("maru", "FusedConv"),
    {.name = NULL},
};
