// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Ops along one axis that give positions or running sums. */

#include "ref/reduce.h"

#include <math.h>

/* The tensor seen as (outer, length, inner), with the axis in the middle. */
typedef struct lanes {
    int64_t outer;
    int64_t length;
    int64_t inner;
} lanes;

static maru_abi_status lanes_init(lanes *l, cpu_call *c, int64_t given)
{
    const cpu_tensor *in = &c->in[0];
    int64_t axis = cpu_axis(given, in->rank);
    if (in->rank == 0 && (given == 0 || given == -1)) {
        *l = (lanes){1, 1, 1};
        return MARU_ABI_OK;
    }
    if (axis < 0 || axis >= in->rank)
        return cpu_bad_value(c, "axis %lld is out of range for rank %u", (long long)given, in->rank);
    *l = (lanes){cpu_product(in, 0, (uint32_t)axis), in->dims[axis], cpu_product(in, (uint32_t)axis + 1, in->rank)};
    return MARU_ABI_OK;
}

/* Whether element a comes before element b where the largest comes first; NaN is the largest. */
static int is_larger(const cpu_tensor *t, int64_t a, int64_t b)
{
    if (cpu_is_float(t->dtype)) {
        double x = cpu_load(t, a);
        double y = cpu_load(t, b);
        return isnan(x) ? !isnan(y) : x > y;
    }
    int64_t x = cpu_load_int(t, a);
    int64_t y = cpu_load_int(t, b);
    return t->dtype == MARU_ABI_U64 ? (uint64_t)x > (uint64_t)y : x > y;
}

static int is_nan_at(const cpu_tensor *t, int64_t at)
{
    return cpu_is_float(t->dtype) && isnan(cpu_load(t, at));
}

/* ---- ArgMax, ArgMin ------------------------------------------------------------------- */

/* The first NaN is what is looked for, whichever way, as in numpy. */
static int is_better(const cpu_tensor *t, int64_t a, int64_t b, int want_largest)
{
    if (is_nan_at(t, a) || is_nan_at(t, b))
        return is_nan_at(t, a) && !is_nan_at(t, b);
    return want_largest ? is_larger(t, a, b) : is_larger(t, b, a);
}

static maru_abi_status arg_reduce(cpu_call *c, int want_largest)
{
    const cpu_tensor *in = &c->in[0];
    int last = cpu_attr_int(&c->attrs, "select_last_index", 0) != 0;
    lanes l;
    maru_abi_status status = lanes_init(&l, c, cpu_attr_int(&c->attrs, "axis", 0));
    if (status != MARU_ABI_OK)
        return status;
    if (l.length == 0 && c->out[0].count > 0)
        return cpu_bad_value(c, "the axis has no elements");
    for (int64_t i = 0; i < c->out[0].count; i++) {
        int64_t base = i / l.inner * l.length * l.inner + i % l.inner;
        int64_t best = 0;
        for (int64_t k = 1; k < l.length; k++) {
            int64_t a = base + k * l.inner;
            int64_t b = base + best * l.inner;
            if (is_better(in, a, b, want_largest) || (last && !is_better(in, b, a, want_largest)))
                best = k;
        }
        cpu_store_int(&c->out[0], i, best);
    }
    return MARU_ABI_OK;
}

maru_abi_status cpu_ref_arg_max(cpu_call *c)
{
    return arg_reduce(c, 1);
}

maru_abi_status cpu_ref_arg_min(cpu_call *c)
{
    return arg_reduce(c, 0);
}

/* ---- CumSum, CumProd --------------------------------------------------------------------- */

static void accumulate_lane(cpu_call *c, const lanes *l, int64_t base, int is_product)
{
    int is_exclusive = cpu_attr_int(&c->attrs, "exclusive", 0) != 0;
    int is_reverse = cpu_attr_int(&c->attrs, "reverse", 0) != 0;
    double number = is_product;
    uint64_t integer = (uint64_t)is_product;
    for (int64_t k = 0; k < l->length; k++) {
        int64_t at = base + (is_reverse ? l->length - 1 - k : k) * l->inner;
        double x = cpu_load(&c->in[0], at);
        uint64_t n = (uint64_t)cpu_load_int(&c->in[0], at);
        double before = number;
        uint64_t before_int = integer;
        number = is_product ? number * x : number + x;
        integer = is_product ? integer * n : integer + n;
        if (cpu_is_float(c->out[0].dtype))
            cpu_store(&c->out[0], at, is_exclusive ? before : number);
        else
            cpu_store_int(&c->out[0], at, (int64_t)(is_exclusive ? before_int : integer));
    }
}

static maru_abi_status accumulate(cpu_call *c, int is_product)
{
    lanes l;
    maru_abi_status status = lanes_init(&l, c, c->in[1].count ? cpu_load_int(&c->in[1], 0) : 0);
    for (int64_t o = 0; status == MARU_ABI_OK && o < l.outer; o++) {
        for (int64_t i = 0; i < l.inner; i++)
            accumulate_lane(c, &l, o * l.length * l.inner + i, is_product);
    }
    return status;
}

maru_abi_status cpu_ref_cum_sum(cpu_call *c)
{
    return accumulate(c, 0);
}

maru_abi_status cpu_ref_cum_prod(cpu_call *c)
{
    return accumulate(c, 1);
}

/* ---- TopK --------------------------------------------------------------------------------- */

/* One lane of input and its lane of outputs, kept sorted: the best so far, an equal one after those before it. */
typedef struct top {
    const cpu_tensor *in;
    cpu_tensor *values;   // dtype 0: not wanted
    cpu_tensor *indices;  // dtype 0: not wanted
    int64_t in_base;
    int64_t out_base;
    int64_t inner;
    int want_largest;
} top;

static int beats(const top *t, int64_t candidate, int64_t place)
{
    int64_t at = t->in_base + candidate * t->inner;
    int64_t out = t->out_base + place * t->inner;
    if (t->indices->dtype) {
        int64_t other = t->in_base + cpu_load_int(t->indices, out) * t->inner;
        return t->want_largest ? is_larger(t->in, at, other) : is_larger(t->in, other, at);
    }
    double x = cpu_load(t->in, at);
    double y = cpu_load(t->values, out);
    if (isnan(x) || isnan(y))
        return t->want_largest ? isnan(x) && !isnan(y) : isnan(y) && !isnan(x);
    return t->want_largest ? x > y : x < y;
}

static void move(const top *t, int64_t to, int64_t from)
{
    int64_t a = t->out_base + to * t->inner;
    int64_t b = t->out_base + from * t->inner;
    if (t->values->dtype)
        cpu_copy_element(t->values, a, t->values, b);
    if (t->indices->dtype)
        cpu_copy_element(t->indices, a, t->indices, b);
}

static void insert(const top *t, int64_t candidate, int64_t filled, int64_t k)
{
    int64_t low = 0;
    int64_t high = filled;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (beats(t, candidate, middle))
            high = middle;
        else
            low = middle + 1;
    }
    if (low == k)
        return;
    for (int64_t place = filled < k ? filled : k - 1; place > low; place--)
        move(t, place, place - 1);
    if (t->values->dtype)
        cpu_copy_element(t->values, t->out_base + low * t->inner, t->in, t->in_base + candidate * t->inner);
    if (t->indices->dtype)
        cpu_store_int(t->indices, t->out_base + low * t->inner, candidate);
}

maru_abi_status cpu_ref_top_k(cpu_call *c)
{
    static const cpu_tensor none = {0};
    cpu_tensor unwanted = none;
    lanes l;
    int64_t given = cpu_attr_int(&c->attrs, "axis", -1);
    maru_abi_status status = lanes_init(&l, c, given);
    if (status != MARU_ABI_OK || c->in[0].rank == 0)
        return status;
    const cpu_tensor *shape = c->out[0].dtype ? &c->out[0] : &c->out[1];
    int64_t k = shape->dims[cpu_axis(given, shape->rank)];
    if (k > l.length)
        return cpu_bad_value(c, "k is %lld, the axis has %lld elements", (long long)k, (long long)l.length);
    top t = {
        .in = &c->in[0],
        .values = &c->out[0],
        .indices = c->n_out > 1 ? &c->out[1] : &unwanted,
        .inner = l.inner,
        .want_largest = cpu_attr_int(&c->attrs, "largest", 1) != 0,
    };
    for (int64_t i = 0; k > 0 && i < l.outer * l.inner; i++) {
        t.in_base = i / l.inner * l.length * l.inner + i % l.inner;
        t.out_base = i / l.inner * k * l.inner + i % l.inner;
        for (int64_t candidate = 0; candidate < l.length; candidate++)
            insert(&t, candidate, candidate < k ? candidate : k, k);
    }
    return MARU_ABI_OK;
}
