// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Elementwise ops of f32: one pass over memory, split among threads where that pays. */

#include "vector/vec.h"

#include <math.h>

#define CHEAP_GRAIN 32768  // elements a thread takes at least, where memory is the limit
#define COSTLY_GRAIN 4096  // and where arithmetic is

/* ---- one input ---- */

typedef struct unary_job {
    const float *x;
    float *y;
    float alpha, beta;
} unary_job;

#define UNARY(name, expression)                                                              \
    static void name(void *ctx, int64_t begin, int64_t end, int32_t worker)                  \
    {                                                                                        \
        const unary_job *job = ctx;                                                          \
        const float alpha = job->alpha;                                                      \
        const float beta = job->beta;                                                        \
        (void)worker;                                                                        \
        (void)alpha;                                                                         \
        (void)beta;                                                                          \
        int64_t i = begin;                                                                   \
        for (; i + VL <= end; i += VL) {                                                     \
            const vf x = v_load(job->x + i);                                                 \
            v_store(job->y + i, expression);                                                 \
        }                                                                                    \
        if (i < end) {                                                                       \
            const vf x = v_load_n(job->x + i, end - i);                                      \
            v_store_n(job->y + i, expression, end - i);                                      \
        }                                                                                    \
    }

UNARY(do_relu, v_max(v_set(0), x))
UNARY(do_sigmoid, v_sigmoid(x))
UNARY(do_tanh, v_tanh(x))
UNARY(do_exp, v_exp(x))
UNARY(do_erf, v_erf(x))
UNARY(do_gelu, v_gelu(x))
UNARY(do_gelu_tanh, v_gelu_tanh(x))
UNARY(do_swish, x * v_sigmoid(x * alpha))
UNARY(do_sqrt, v_sqrt(x))
UNARY(do_neg, -x)
UNARY(do_abs, v_abs(x))
UNARY(do_reciprocal, 1.0f / x)
UNARY(do_clip, v_min(v_set(beta), v_max(v_set(alpha), x)))  // a NaN stays one
UNARY(do_leaky_relu, v_select(x < 0.0f, x * alpha, x))
UNARY(do_hard_sigmoid, v_min(v_set(1), v_max(v_set(0), x * alpha + beta)))
UNARY(do_hard_swish, x * v_min(v_set(1), v_max(v_set(0), x * (1.0f / 6) + 0.5f)))

static maru_abi_status run_unary(cpu_call *call, const cpu_team *team, maru_abi_task_fn fn, int64_t grain)
{
    unary_job job = {call->in[0].data, call->out[0].data, (float)cpu_attr_float(&call->attrs, "alpha", 1), 0};
    for_all(team, call->out[0].count, grain, fn, &job);
    return MARU_ABI_OK;
}

#define UNARY_OP(name, grain)                                               \
    static maru_abi_status op_##name(cpu_call *call, const cpu_team *team)  \
    {                                                                       \
        return run_unary(call, team, do_##name, grain);                     \
    }

UNARY_OP(relu, CHEAP_GRAIN)
UNARY_OP(sigmoid, COSTLY_GRAIN)
UNARY_OP(tanh, COSTLY_GRAIN)
UNARY_OP(exp, COSTLY_GRAIN)
UNARY_OP(erf, COSTLY_GRAIN)
UNARY_OP(swish, COSTLY_GRAIN)
UNARY_OP(sqrt, CHEAP_GRAIN)
UNARY_OP(neg, CHEAP_GRAIN)
UNARY_OP(abs, CHEAP_GRAIN)
UNARY_OP(reciprocal, CHEAP_GRAIN)
UNARY_OP(hard_swish, CHEAP_GRAIN)

static maru_abi_status op_leaky_relu(cpu_call *call, const cpu_team *team)
{
    unary_job job = {call->in[0].data, call->out[0].data, (float)cpu_attr_float(&call->attrs, "alpha", 0.01), 0};
    for_all(team, call->out[0].count, CHEAP_GRAIN, do_leaky_relu, &job);
    return MARU_ABI_OK;
}

static maru_abi_status op_hard_sigmoid(cpu_call *call, const cpu_team *team)
{
    unary_job job = {call->in[0].data, call->out[0].data, (float)cpu_attr_float(&call->attrs, "alpha", 0.2),
                     (float)cpu_attr_float(&call->attrs, "beta", 0.5)};
    for_all(team, call->out[0].count, CHEAP_GRAIN, do_hard_sigmoid, &job);
    return MARU_ABI_OK;
}

/* A bound that is left out, or empty, bounds nothing. */
static float bound_of(const cpu_call *call, uint32_t index, float fallback)
{
    const int has = cpu_has(call, index) && call->in[index].count > 0;
    return has ? *(const float *)call->in[index].data : fallback;
}

static maru_abi_status op_clip(cpu_call *call, const cpu_team *team)
{
    unary_job job = {call->in[0].data, call->out[0].data, bound_of(call, 1, -INFINITY), bound_of(call, 2, INFINITY)};
    for_all(team, call->out[0].count, CHEAP_GRAIN, do_clip, &job);
    return MARU_ABI_OK;
}

static maru_abi_status op_gelu(cpu_call *call, const cpu_team *team)
{
    const int is_tanh = strcmp(cpu_attr_string(&call->attrs, "approximate", "none"), "tanh") == 0;
    return run_unary(call, team, is_tanh ? do_gelu_tanh : do_gelu, COSTLY_GRAIN);
}

static int takes_unary(const cpu_call *call)
{
    return is_dense(call, 0, MARU_ABI_F32) && is_one_output(call, MARU_ABI_F32);
}

static int takes_clip(const cpu_call *call)
{
    for (uint32_t i = 1; i < 3; i++)
        if (cpu_has(call, i) && !is_dense(call, i, MARU_ABI_F32))
            return 0;
    return takes_unary(call);
}

/* ---- two inputs ---- */

/* The output as rows of `inner` elements in which each input is a run or one element. */
typedef struct binary_job {
    const float *a, *b;
    float *y;
    int64_t inner;
    int a_runs, b_runs;     // 0: one element for the whole row
    uint32_t n_outer;
    int64_t dims[CPU_MAX_RANK];
    int64_t a_steps[CPU_MAX_RANK], b_steps[CPU_MAX_RANK];
} binary_job;

/* Elements from one index to the next along each axis of `out`; 0 where the input is spread. */
static void steps_of(const cpu_tensor *in, const cpu_tensor *out, int64_t *steps)
{
    int64_t step = 1;
    for (uint32_t back = 1; back <= out->rank; back++) {
        const int64_t dim = back <= in->rank ? in->dims[in->rank - back] : 1;
        steps[out->rank - back] = dim == 1 ? 0 : step;
        step *= dim;
    }
}

static binary_job read_binary(const cpu_call *call)
{
    const cpu_tensor *out = &call->out[0];
    int64_t a[CPU_MAX_RANK];
    int64_t b[CPU_MAX_RANK];
    binary_job job = {.a = call->in[0].data, .b = call->in[1].data, .y = out->data, .inner = 1};
    steps_of(&call->in[0], out, a);
    steps_of(&call->in[1], out, b);
    uint32_t d = out->rank;
    while (d > 0 && out->dims[d - 1] == 1)
        d--;
    if (d > 0) {
        job.a_runs = a[d - 1] != 0;
        job.b_runs = b[d - 1] != 0;
    }
    // Axes join the row while both inputs go on as they did.
    while (d > 0 && (out->dims[d - 1] == 1 || (a[d - 1] == (job.a_runs ? job.inner : 0) &&
                                               b[d - 1] == (job.b_runs ? job.inner : 0))))
        job.inner *= out->dims[--d];
    job.n_outer = d;
    memcpy(job.dims, out->dims, d * sizeof *job.dims);
    memcpy(job.a_steps, a, d * sizeof *a);
    memcpy(job.b_steps, b, d * sizeof *b);
    return job;
}

#define BINARY(name, expression)                                                                                   \
    static ALWAYS_INLINE void row_##name(float *y, const float *pa, int a_runs, const float *pb, int b_runs,      \
                                         int64_t n)                                                               \
    {                                                                                                             \
        vf a = v_set(*pa);                                                                                        \
        vf b = v_set(*pb);                                                                                        \
        int64_t i = 0;                                                                                            \
        for (; i + VL <= n; i += VL) {                                                                            \
            a = a_runs ? v_load(pa + i) : a;                                                                      \
            b = b_runs ? v_load(pb + i) : b;                                                                      \
            v_store(y + i, expression);                                                                           \
        }                                                                                                         \
        if (i < n) {                                                                                              \
            a = a_runs ? v_load_n(pa + i, n - i) : a;                                                             \
            b = b_runs ? v_load_n(pb + i, n - i) : b;                                                             \
            v_store_n(y + i, expression, n - i);                                                                  \
        }                                                                                                         \
    }                                                                                                             \
    static void span_##name(const binary_job *job, float *y, const float *a, const float *b, int64_t n)          \
    {                                                                                                             \
        if (job->a_runs && job->b_runs)                                                                           \
            row_##name(y, a, 1, b, 1, n);                                                                         \
        else if (job->a_runs)                                                                                     \
            row_##name(y, a, 1, b, 0, n);                                                                         \
        else                                                                                                      \
            row_##name(y, a, 0, b, job->b_runs, n);                                                               \
    }                                                                                                             \
    static void do_##name(void *ctx, int64_t begin, int64_t end, int32_t worker)                                  \
    {                                                                                                             \
        (void)worker;                                                                                             \
        each_span(ctx, begin, end, span_##name);                                                                  \
    }                                                                                                             \
    static maru_abi_status op_##name(cpu_call *call, const cpu_team *team)                                        \
    {                                                                                                             \
        binary_job job = read_binary(call);                                                                       \
        for_all(team, call->out[0].count, CHEAP_GRAIN, do_##name, &job);                                          \
        return MARU_ABI_OK;                                                                                       \
    }

typedef void (*span_fn)(const binary_job *job, float *y, const float *a, const float *b, int64_t n);

static void each_span(const binary_job *job, int64_t begin, int64_t end, span_fn fn)
{
    for (int64_t at = begin; at < end;) {
        int64_t row = at / job->inner;
        const int64_t column = at % job->inner;
        const int64_t n = smaller_of(job->inner - column, end - at);
        int64_t a = job->a_runs ? column : 0;
        int64_t b = job->b_runs ? column : 0;
        for (uint32_t d = job->n_outer; d-- > 0;) {
            a += row % job->dims[d] * job->a_steps[d];
            b += row % job->dims[d] * job->b_steps[d];
            row /= job->dims[d];
        }
        fn(job, job->y + at, job->a + a, job->b + b, n);
        at += n;
    }
}

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a * b)
BINARY(div, a / b)

static int takes_binary(const cpu_call *call)
{
    return call->n_in == 2 && is_dense(call, 0, MARU_ABI_F32) && is_dense(call, 1, MARU_ABI_F32) &&
           is_one_output(call, MARU_ABI_F32);
}

/* a * sigmoid(alpha * a) * b: no broadcasting. */
typedef struct swiglu_job {
    const float *a, *b;
    float *y;
    float alpha;
} swiglu_job;

static void do_swiglu(void *ctx, int64_t begin, int64_t end, int32_t worker)
{
    const swiglu_job *job = ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i += VL) {
        const int64_t n = end - i;
        const vf a = n >= VL ? v_load(job->a + i) : v_load_n(job->a + i, n);
        const vf b = n >= VL ? v_load(job->b + i) : v_load_n(job->b + i, n);
        const vf y = a * v_sigmoid(a * job->alpha) * b;
        if (n >= VL)
            v_store(job->y + i, y);
        else
            v_store_n(job->y + i, y, n);
    }
}

static maru_abi_status op_swiglu(cpu_call *call, const cpu_team *team)
{
    swiglu_job job = {call->in[0].data, call->in[1].data, call->out[0].data,
                      (float)cpu_attr_float(&call->attrs, "alpha", 1)};
    for_all(team, call->out[0].count, COSTLY_GRAIN, do_swiglu, &job);
    return MARU_ABI_OK;
}

static int takes_swiglu(const cpu_call *call)
{
    return takes_binary(call) && call->in[0].count == call->in[1].count;
}

#define ROW(op_name, function, which)         \
    {                                         \
        .domain = "",                         \
        .op = op_name,                        \
        .name = KERNEL_NAME("elementwise"),   \
        .isa = VARIANT_ISA,                   \
        .priority = VARIANT_PRIORITY,         \
        .gflops = VL / 2,                     \
        .fn = function,                       \
        .takes = which,                       \
    }

extern const cpu_kernel VARIANT(cpu_vector_elementwise)[];

const cpu_kernel VARIANT(cpu_vector_elementwise)[] = {
    ROW("Add", op_add, takes_binary),
    ROW("Sub", op_sub, takes_binary),
    ROW("Mul", op_mul, takes_binary),
    ROW("Div", op_div, takes_binary),
    ROW("SwiGLU", op_swiglu, takes_swiglu),
    ROW("Relu", op_relu, takes_unary),
    ROW("Sigmoid", op_sigmoid, takes_unary),
    ROW("Tanh", op_tanh, takes_unary),
    ROW("Exp", op_exp, takes_unary),
    ROW("Erf", op_erf, takes_unary),
    ROW("Gelu", op_gelu, takes_unary),
    ROW("Swish", op_swish, takes_unary),
    ROW("Sqrt", op_sqrt, takes_unary),
    ROW("Neg", op_neg, takes_unary),
    ROW("Abs", op_abs, takes_unary),
    ROW("Reciprocal", op_reciprocal, takes_unary),
    ROW("Clip", op_clip, takes_clip),
    ROW("LeakyRelu", op_leaky_relu, takes_unary),
    ROW("HardSigmoid", op_hard_sigmoid, takes_unary),
    ROW("HardSwish", op_hard_swish, takes_unary),
    {.name = NULL},
};
