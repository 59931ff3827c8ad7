// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Reductions over a set of axes, and the table of all that go along axes. */

#include "ref/reduce.h"

#include <math.h>

/* Where the elements of one group stand: base of the kept axes plus an offset of the reduced ones. */
typedef struct groups {
    const cpu_tensor *in;
    int64_t strides[CPU_MAX_RANK];
    int is_reduced[CPU_MAX_RANK];
    int64_t size;  // elements of a group
} groups;

/* No axes mean all of them, or none where the node says so. */
static maru_abi_status groups_init(groups *g, cpu_call *c)
{
    const cpu_tensor *in = &c->in[0];
    int has_axes = cpu_has(c, 1) && c->in[1].count > 0;
    int is_all = !has_axes && !cpu_attr_int(&c->attrs, "noop_with_empty_axes", 0);
    *g = (groups){.in = in, .size = 1};
    cpu_strides(in, g->strides);
    for (uint32_t d = 0; d < in->rank; d++)
        g->is_reduced[d] = is_all;
    for (int64_t i = 0; has_axes && i < c->in[1].count; i++) {
        int64_t axis = cpu_axis(cpu_load_int(&c->in[1], i), in->rank);
        if (axis < 0 || axis >= in->rank)
            return cpu_bad_value(c, "axis %lld is out of range for rank %u", (long long)cpu_load_int(&c->in[1], i),
                                 in->rank);
        g->is_reduced[axis] = 1;
    }
    for (uint32_t d = 0; d < in->rank; d++)
        g->size *= g->is_reduced[d] ? in->dims[d] : 1;
    return MARU_ABI_OK;
}

/* The element of the input at `index` among the axes that are reduced, or that are kept. */
static int64_t offset_of(const groups *g, int64_t index, int reduced)
{
    int64_t offset = 0;
    for (uint32_t d = g->in->rank; d-- > 0;) {
        if (g->is_reduced[d] != reduced)
            continue;
        offset += index % g->in->dims[d] * g->strides[d];
        index /= g->in->dims[d];
    }
    return offset;
}

typedef struct state {
    double number;
    int64_t integer;
    double largest;  // of the group, for LogSumExp
} state;

typedef struct reduction {
    state start;
    void (*on_float)(state *s, double x);
    void (*on_int)(state *s, int64_t x, uint32_t dtype);  // NULL: integers are numbers
    double (*finish)(const state *s, int64_t count);      // NULL: the number as it is
} reduction;

static void reduce_group(const groups *g, const reduction *r, int64_t base, int use_ints, state *s)
{
    for (int64_t k = 0; k < g->size; k++) {
        int64_t at = base + offset_of(g, k, 1);
        if (use_ints)
            r->on_int(s, cpu_load_int(g->in, at), g->in->dtype);
        else
            r->on_float(s, cpu_load(g->in, at));
    }
}

static double largest_of(const groups *g, int64_t base)
{
    double largest = -INFINITY;
    for (int64_t k = 0; k < g->size; k++) {
        double x = cpu_load(g->in, base + offset_of(g, k, 1));
        largest = isnan(x) || x > largest ? x : largest;
        if (isnan(largest))
            break;
    }
    return largest;
}

static maru_abi_status reduce(cpu_call *c, const reduction *r, int needs_largest)
{
    groups g;
    maru_abi_status status = groups_init(&g, c);
    if (status != MARU_ABI_OK)
        return status;
    cpu_tensor *out = &c->out[0];
    int use_ints = r->on_int && !cpu_is_float(out->dtype);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t base = offset_of(&g, i, 0);
        state s = r->start;
        s.largest = needs_largest ? largest_of(&g, base) : 0;
        reduce_group(&g, r, base, use_ints, &s);
        double number = r->finish ? r->finish(&s, g.size) : s.number;
        if (use_ints)
            cpu_store_int(out, i, s.integer);
        else if (cpu_is_float(out->dtype))
            cpu_store(out, i, number);
        else
            cpu_store_int(out, i, cpu_truncate(number));
    }
    return MARU_ABI_OK;
}

/* ---- the steps ------------------------------------------------------------------------ */

static void sum_float(state *s, double x)
{
    s->number += x;
}

static void sum_int(state *s, int64_t x, uint32_t dtype)
{
    (void)dtype;
    s->integer = (int64_t)((uint64_t)s->integer + (uint64_t)x);
}

static void prod_float(state *s, double x)
{
    s->number *= x;
}

static void prod_int(state *s, int64_t x, uint32_t dtype)
{
    (void)dtype;
    s->integer = (int64_t)((uint64_t)s->integer * (uint64_t)x);
}

static void square_float(state *s, double x)
{
    s->number += x * x;
}

static void square_int(state *s, int64_t x, uint32_t dtype)
{
    sum_int(s, (int64_t)((uint64_t)x * (uint64_t)x), dtype);
}

static void abs_float(state *s, double x)
{
    s->number += fabs(x);
}

static void abs_int(state *s, int64_t x, uint32_t dtype)
{
    sum_int(s, x < 0 && cpu_is_signed(dtype) ? (int64_t)(0 - (uint64_t)x) : x, dtype);
}

static void exp_float(state *s, double x)
{
    s->number += isinf(s->largest) ? 0 : exp(x - s->largest);
}

/* NaN wins, as in numpy. */
static void max_float(state *s, double x)
{
    s->number = isnan(x) || x > s->number ? x : s->number;
}

static void min_float(state *s, double x)
{
    s->number = isnan(x) || x < s->number ? x : s->number;
}

static void max_int(state *s, int64_t x, uint32_t dtype)
{
    int is_more = dtype == MARU_ABI_U64 ? (uint64_t)x > (uint64_t)s->integer : x > s->integer;
    s->integer = is_more ? x : s->integer;
}

static void min_int(state *s, int64_t x, uint32_t dtype)
{
    int is_less = dtype == MARU_ABI_U64 ? (uint64_t)x < (uint64_t)s->integer : x < s->integer;
    s->integer = is_less ? x : s->integer;
}

static double finish_mean(const state *s, int64_t count)
{
    return s->number / (double)count;
}

static double finish_root(const state *s, int64_t count)
{
    (void)count;
    return sqrt(s->number);
}

static double finish_log(const state *s, int64_t count)
{
    (void)count;
    return log(s->number);
}

static double finish_log_sum_exp(const state *s, int64_t count)
{
    (void)count;
    return isinf(s->largest) || isnan(s->largest) ? s->largest : s->largest + log(s->number);
}

/* ---- the ops --------------------------------------------------------------------------- */

static maru_abi_status op_sum(cpu_call *c)
{
    return reduce(c, &(reduction){.on_float = sum_float, .on_int = sum_int}, 0);
}

static maru_abi_status op_prod(cpu_call *c)
{
    return reduce(c, &(reduction){.start = {1, 1, 0}, .on_float = prod_float, .on_int = prod_int}, 0);
}

static maru_abi_status op_mean(cpu_call *c)
{
    return reduce(c, &(reduction){.on_float = sum_float, .finish = finish_mean}, 0);
}

static maru_abi_status op_sum_square(cpu_call *c)
{
    return reduce(c, &(reduction){.on_float = square_float, .on_int = square_int}, 0);
}

static maru_abi_status op_l1(cpu_call *c)
{
    return reduce(c, &(reduction){.on_float = abs_float, .on_int = abs_int}, 0);
}

static maru_abi_status op_l2(cpu_call *c)
{
    return reduce(c, &(reduction){.on_float = square_float, .finish = finish_root}, 0);
}

static maru_abi_status op_log_sum(cpu_call *c)
{
    return reduce(c, &(reduction){.on_float = sum_float, .finish = finish_log}, 0);
}

static maru_abi_status op_log_sum_exp(cpu_call *c)
{
    return reduce(c, &(reduction){.on_float = exp_float, .finish = finish_log_sum_exp}, 1);
}

/* The smallest and the largest integer of a dtype: what an empty group gives. */
static int64_t lowest_of(uint32_t dtype)
{
    if (!cpu_is_signed(dtype))
        return 0;
    return -(INT64_MAX >> (64 - cpu_element_bits(dtype))) - 1;
}

static int64_t highest_of(uint32_t dtype)
{
    if (dtype == MARU_ABI_BOOL)
        return 1;
    if (dtype == MARU_ABI_U64)
        return -1;
    const int bits = cpu_element_bits(dtype);
    return cpu_is_signed(dtype) ? INT64_MAX >> (64 - bits) : INT64_MAX >> (63 - bits);
}

static maru_abi_status op_max(cpu_call *c)
{
    state start = {-INFINITY, 0, 0};
    if (!cpu_is_float(c->in[0].dtype))
        start.integer = lowest_of(c->in[0].dtype);
    return reduce(c, &(reduction){.start = start, .on_float = max_float, .on_int = max_int}, 0);
}

static maru_abi_status op_min(cpu_call *c)
{
    state start = {INFINITY, 0, 0};
    if (!cpu_is_float(c->in[0].dtype))
        start.integer = highest_of(c->in[0].dtype);
    return reduce(c, &(reduction){.start = start, .on_float = min_float, .on_int = min_int}, 0);
}

const cpu_ref_op cpu_ref_reduce[] = {
    {"ReduceSum", "", 13, op_sum, "fiu i", 0},
    {"ReduceProd", "", 18, op_prod, "fiu i", 0},
    {"ReduceMax", "", 20, op_max, "fiub i", 0},
    {"ReduceMin", "", 20, op_min, "fiub i", 0},
    {"ReduceMean", "", 18, op_mean, "fiu i", 0},
    {"ReduceSumSquare", "", 18, op_sum_square, "fiu i", 0},
    {"ReduceL1", "", 18, op_l1, "fiu i", 0},
    {"ReduceL2", "", 18, op_l2, "fiu i", 0},
    {"ReduceLogSum", "", 28, op_log_sum, "fiu i", 0},
    {"ReduceLogSumExp", "", 28, op_log_sum_exp, "fiu i", 0},
    {"ArgMax", "", 13, cpu_ref_arg_max, "fiu", 0},
    {"ArgMin", "", 13, cpu_ref_arg_min, "fiu", 0},
    {"CumSum", "", 14, cpu_ref_cum_sum, "fiu i", 0},
    {"CumProd", "", 26, cpu_ref_cum_prod, "fiu i", 0},
    {"TopK", "", 24, cpu_ref_top_k, "fiu i", 0},
    {.name = NULL},
};
