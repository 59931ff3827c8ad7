// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/protect.h"
#include "script/sandbox.h"
#include "script/value.h"

enum { STEPS_PER_ELEMENT = 1 };

static void charge(lua_State *L, const maru_tensor *t)
{
    maru_sandbox_charge(L, (uint64_t)maru_tensor_count(t) * STEPS_PER_ELEMENT);
}

/* A tensor seen as (outer, n, inner) about an axis. */
typedef struct axis_view {
    int64_t outer;
    int64_t n;
    int64_t inner;
    uint32_t axis;
} axis_view;

static axis_view view_axis(lua_State *L, const maru_tensor *t, int64_t axis)
{
    axis_view v = {.outer = 1, .n = 1, .inner = 1, .axis = maru_check_axis(L, axis, t->rank)};
    for (uint32_t d = 0; d < t->rank; d++) {
        if (d < v.axis)
            v.outer *= t->dims[d];
        else if (d > v.axis)
            v.inner *= t->dims[d];
    }
    v.n = t->dims[v.axis];
    return v;
}

static maru_tensor *push_without_axis(lua_State *L, const maru_tensor *t, uint32_t axis, maru_dtype dtype)
{
    int64_t dims[MARU_MAX_RANK] = {0};
    uint32_t rank = 0;
    for (uint32_t d = 0; d < t->rank; d++)
        if (d != axis)
            dims[rank++] = t->dims[d];
    return maru_push_tensor(L, dtype, dims, rank);
}

/* ---- reductions ---- */

typedef enum reduction { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_ARGMAX } reduction;

static double reduce_row(const maru_tensor *t, int64_t first, int64_t n, int64_t step, reduction how)
{
    double sum = 0;
    double best = how == REDUCE_MIN ? INFINITY : -INFINITY;
    int64_t where = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = maru_tensor_get_f64(t, first + i * step);
        sum += x;
        if (how == REDUCE_MIN ? x < best : x > best) {
            best = x;
            where = i;
        }
    }
    switch (how) {
    case REDUCE_SUM: return sum;
    case REDUCE_MEAN: return sum / (double)n;
    case REDUCE_MAX:
    case REDUCE_MIN: return best;
    case REDUCE_ARGMAX: return (double)where;
    }
    return 0;
}

/* t:sum() gives a number, t:sum(axis) a tensor without the axis. */
static int reduce(lua_State *L, reduction how)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    charge(L, t);
    if (lua_isnoneornil(L, 2)) {
        const double all = reduce_row(t, 0, maru_tensor_count(t), 1, how);
        if (how == REDUCE_ARGMAX)
            lua_pushinteger(L, (lua_Integer)all);
        else
            lua_pushnumber(L, all);
        return 1;
    }
    const axis_view v = view_axis(L, t, luaL_checkinteger(L, 2));
    maru_tensor *out = push_without_axis(L, t, v.axis, how == REDUCE_ARGMAX ? MARU_I64 : t->dtype);
    for (int64_t o = 0; o < v.outer; o++)
        for (int64_t i = 0; i < v.inner; i++)
            maru_tensor_set_f64(out, o * v.inner + i, reduce_row(t, o * v.n * v.inner + i, v.n, v.inner, how));
    return 1;
}

static int tensor_sum(lua_State *L)
{
    return reduce(L, REDUCE_SUM);
}

static int tensor_mean(lua_State *L)
{
    return reduce(L, REDUCE_MEAN);
}

static int tensor_max(lua_State *L)
{
    return reduce(L, REDUCE_MAX);
}

static int tensor_min(lua_State *L)
{
    return reduce(L, REDUCE_MIN);
}

static int tensor_argmax(lua_State *L)
{
    return reduce(L, REDUCE_ARGMAX);
}

/* ---- moving ---- */

static size_t element_bytes(lua_State *L, const maru_tensor *t)
{
    const maru_dtype_info *info = maru_dtype_get_info(t->dtype);
    if (!info || info->block_elements != 1)
        maru_raise_text(L, MARU_UNSUPPORTED, "a tensor of %s cannot be cut", maru_dtype_name(t->dtype));
    return info->block_bytes;
}

/* t:slice(axis, first, past) */
static int tensor_slice(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const size_t bytes = element_bytes(L, t);
    const axis_view v = view_axis(L, t, luaL_checkinteger(L, 2));
    int64_t first = luaL_optinteger(L, 3, 0);
    int64_t past = luaL_optinteger(L, 4, v.n);
    first = first < 0 ? first + v.n : first;
    past = past < 0 ? past + v.n : past;
    past = past > v.n ? v.n : past;
    first = first < 0 ? 0 : first > past ? past : first;
    int64_t dims[MARU_MAX_RANK];
    memcpy(dims, t->dims, sizeof dims);
    dims[v.axis] = past - first;
    maru_tensor *out = maru_push_tensor(L, t->dtype, dims, t->rank);
    const size_t row = (size_t)(past - first) * (size_t)v.inner * bytes;
    for (int64_t o = 0; o < v.outer && row; o++)
        memcpy((char *)out->data + (size_t)o * row,
               (const char *)t->data + (size_t)((o * v.n + first) * v.inner) * bytes, row);
    return 1;
}

/* t:transpose(axes...) */
static int tensor_transpose(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const size_t bytes = element_bytes(L, t);
    int64_t dims[MARU_MAX_RANK];
    int64_t strides[MARU_MAX_RANK];
    int64_t step = 1;
    int64_t from[MARU_MAX_RANK];
    for (uint32_t d = t->rank; d-- > 0; step *= t->dims[d])
        from[d] = step;
    unsigned seen = 0;
    for (uint32_t d = 0; d < t->rank; d++) {
        const uint32_t axis = lua_gettop(L) == 1 ? t->rank - 1 - d
                                                 : maru_check_axis(L, luaL_checkinteger(L, 2 + (int)d), t->rank);
        dims[d] = t->dims[axis];
        strides[d] = from[axis];
        seen |= 1u << axis;
    }
    luaL_argcheck(L, seen == (1u << t->rank) - 1, 2, "every axis once");
    charge(L, t);
    maru_tensor *out = maru_push_tensor(L, t->dtype, dims, t->rank);
    const int64_t n = maru_tensor_count(t);
    int64_t at[MARU_MAX_RANK] = {0};
    int64_t source = 0;
    for (int64_t i = 0; i < n; i++) {
        memcpy((char *)out->data + (size_t)i * bytes, (const char *)t->data + (size_t)source * bytes, bytes);
        for (uint32_t d = t->rank; d-- > 0;) {
            source += strides[d];
            if (++at[d] < dims[d])
                break;
            source -= at[d] * strides[d];
            at[d] = 0;
        }
    }
    return 1;
}

/* ---- softmax, the best, a draw ---- */

static int tensor_softmax(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const axis_view v = view_axis(L, t, luaL_optinteger(L, 2, -1));
    charge(L, t);
    maru_tensor *out = maru_push_tensor(L, t->dtype, t->dims, t->rank);
    for (int64_t row = 0; row < v.outer * v.inner; row++) {
        const int64_t first = row / v.inner * v.n * v.inner + row % v.inner;
        const double most = reduce_row(t, first, v.n, v.inner, REDUCE_MAX);
        double sum = 0;
        for (int64_t i = 0; i < v.n; i++)
            sum += exp(maru_tensor_get_f64(t, first + i * v.inner) - most);
        for (int64_t i = 0; i < v.n; i++)
            maru_tensor_set_f64(out, first + i * v.inner,
                                exp(maru_tensor_get_f64(t, first + i * v.inner) - most) / sum);
    }
    return 1;
}

typedef struct ranked {
    double value;
    int64_t at;
} ranked;

static int compare_ranked(const void *pa, const void *pb)
{
    const ranked *a = pa;
    const ranked *b = pb;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* t:topk(k) of all elements: a table of values and one of flat positions, the best first. */
static int tensor_topk(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const int64_t n = maru_tensor_count(t);
    int64_t k = luaL_checkinteger(L, 2);
    k = k > n ? n : k < 0 ? 0 : k;
    maru_sandbox_charge(L, (uint64_t)n * 16);
    ranked *all = maru_box_array(L, (size_t)n, sizeof *all);
    for (int64_t i = 0; i < n; i++)
        all[i] = (ranked){maru_tensor_get_f64(t, i), i};
    qsort(all, (size_t)n, sizeof *all, compare_ranked);
    lua_newtable(L);
    lua_newtable(L);
    for (int64_t i = 0; i < k; i++) {
        lua_pushnumber(L, all[i].value);
        lua_rawseti(L, -3, i + 1);
        lua_pushinteger(L, all[i].at);
        lua_rawseti(L, -2, i + 1);
    }
    return 2;
}

/* A number in [0, 1) that is a function of seed and counter alone (splitmix64's mixing, twice). */
static double uniform(uint64_t seed, uint64_t counter)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + counter;
    for (int i = 0; i < 2; i++) {
        x += 0x9e3779b97f4a7c15u;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        x ^= x >> 31;
    }
    return (double)(x >> 11) * 0x1p-53;
}

/* t:sample(temperature, seed, counter): the flat position of a draw from softmax(t / temperature); 0 is the best. */
static int tensor_sample(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const int64_t n = maru_tensor_count(t);
    const double temperature = luaL_optnumber(L, 2, 1);
    charge(L, t);
    if (!(temperature > 0)) {
        lua_pushinteger(L, (lua_Integer)reduce_row(t, 0, n, 1, REDUCE_ARGMAX));
        return 1;
    }
    const double most = reduce_row(t, 0, n, 1, REDUCE_MAX);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp((maru_tensor_get_f64(t, i) - most) / temperature);
    double left = sum * uniform((uint64_t)luaL_optinteger(L, 3, 0), (uint64_t)luaL_optinteger(L, 4, 0));
    int64_t at = 0;
    for (; at + 1 < n; at++) {
        left -= exp((maru_tensor_get_f64(t, at) - most) / temperature);
        if (left < 0)
            break;
    }
    lua_pushinteger(L, at);
    return 1;
}

/* ---- elementwise ---- */

typedef double (*binary_fn)(double a, double b);

static double fn_add(double a, double b)
{
    return a + b;
}

static double fn_sub(double a, double b)
{
    return a - b;
}

static double fn_mul(double a, double b)
{
    return a * b;
}

static double fn_div(double a, double b)
{
    return a / b;
}

/* The operands are on top. */
static void cannot_broadcast(lua_State *L, uint32_t axis, int64_t a_dim, int64_t b_dim)
{
    const char *a = luaL_tolstring(L, -2, NULL);
    const char *b = luaL_tolstring(L, -2, NULL);
    maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s and %s do not go together: axis %d has %I and %I", a, b, (int)axis,
                    (lua_Integer)a_dim, (lua_Integer)b_dim);
}

/* Dims of the operands together, and for each the step along every dim (0 where it is spread). */
static uint32_t broadcast(lua_State *L, const maru_tensor *const t[2], int64_t *dims, int64_t steps[2][MARU_MAX_RANK])
{
    const uint32_t rank = t[0]->rank > t[1]->rank ? t[0]->rank : t[1]->rank;
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = 1;
    for (int k = 0; k < 2; k++) {
        int64_t step = 1;
        const uint32_t shift = rank - t[k]->rank;
        memset(steps[k], 0, MARU_MAX_RANK * sizeof **steps);
        for (uint32_t d = t[k]->rank; d-- > 0; step *= t[k]->dims[d]) {
            const int64_t dim = t[k]->dims[d];
            steps[k][d + shift] = dim == 1 ? 0 : step;
            if (dim != 1 && dims[d + shift] != 1 && dims[d + shift] != dim)
                cannot_broadcast(L, d + shift, dims[d + shift], dim);
            if (dim != 1)
                dims[d + shift] = dim;
        }
    }
    return rank;
}

static int combine(lua_State *L, binary_fn fn)
{
    lua_settop(L, 2);
    // A value of a graph decides: the tensor becomes a constant there.
    const maru_host_tensor *a_host = maru_test_tensor(L, 1);
    const maru_host_tensor *first = a_host ? a_host : maru_test_tensor(L, 2);
    const maru_dtype dtype = first->tensor.dtype;
    const maru_tensor *t[2];
    t[0] = maru_push_as_tensor(L, 1, a_host ? MARU_DTYPE_NONE : dtype);
    t[1] = maru_push_as_tensor(L, 2, maru_test_tensor(L, 2) ? MARU_DTYPE_NONE : dtype);
    int64_t dims[MARU_MAX_RANK];
    int64_t steps[2][MARU_MAX_RANK];
    const uint32_t rank = broadcast(L, t, dims, steps);
    maru_tensor *out = maru_push_tensor(L, dtype, dims, rank);
    charge(L, out);
    const int64_t n = maru_tensor_count(out);
    int64_t at[MARU_MAX_RANK] = {0};
    int64_t from[2] = {0};
    for (int64_t i = 0; i < n; i++) {
        maru_tensor_set_f64(out, i, fn(maru_tensor_get_f64(t[0], from[0]), maru_tensor_get_f64(t[1], from[1])));
        for (uint32_t d = rank; d-- > 0;) {
            from[0] += steps[0][d];
            from[1] += steps[1][d];
            if (++at[d] < dims[d])
                break;
            from[0] -= at[d] * steps[0][d];
            from[1] -= at[d] * steps[1][d];
            at[d] = 0;
        }
    }
    return 1;
}

/* With a value of a graph the operation is a node there. */
static int arithmetic(lua_State *L, binary_fn fn, const char *op)
{
    for (int i = 1; i <= 2; i++) {
        if (!maru_test_value(L, i))
            continue;
        maru_push_graph_of(L, i);
        return maru_push_node(L, op, lua_gettop(L), 1, 2, 0, 1);
    }
    return combine(L, fn);
}

static int tensor_add(lua_State *L)
{
    return arithmetic(L, fn_add, "Add");
}

static int tensor_sub(lua_State *L)
{
    return arithmetic(L, fn_sub, "Sub");
}

static int tensor_mul(lua_State *L)
{
    return arithmetic(L, fn_mul, "Mul");
}

static int tensor_div(lua_State *L)
{
    return arithmetic(L, fn_div, "Div");
}

static int tensor_pow(lua_State *L)
{
    return arithmetic(L, pow, "Pow");
}

static int tensor_unm(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushinteger(L, -1);
    return combine(L, fn_mul);
}

/* ---- of each element ---- */

static double fn_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static int each(lua_State *L, double (*fn)(double x))
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    charge(L, t);
    maru_tensor *out = maru_push_tensor(L, t->dtype, t->dims, t->rank);
    const int64_t n = maru_tensor_count(t);
    for (int64_t i = 0; i < n; i++)
        maru_tensor_set_f64(out, i, fn(maru_tensor_get_f64(t, i)));
    return 1;
}

static int tensor_exp(lua_State *L)
{
    return each(L, exp);
}

static int tensor_log(lua_State *L)
{
    return each(L, log);
}

static int tensor_sqrt(lua_State *L)
{
    return each(L, sqrt);
}

static int tensor_abs(lua_State *L)
{
    return each(L, fabs);
}

static int tensor_floor(lua_State *L)
{
    return each(L, floor);
}

static int tensor_sigmoid(lua_State *L)
{
    return each(L, fn_sigmoid);
}

/* t:clip(low, high), either nil for none */
static int tensor_clip(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const double low = luaL_optnumber(L, 2, -INFINITY);
    const double high = luaL_optnumber(L, 3, INFINITY);
    charge(L, t);
    maru_tensor *out = maru_push_tensor(L, t->dtype, t->dims, t->rank);
    const int64_t n = maru_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        const double x = maru_tensor_get_f64(t, i);
        maru_tensor_set_f64(out, i, x < low ? low : x > high ? high : x);
    }
    return 1;
}

/* t:greater(number): bool */
static int tensor_greater(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    const double than = luaL_checknumber(L, 2);
    charge(L, t);
    maru_tensor *out = maru_push_tensor(L, MARU_BOOL, t->dims, t->rank);
    const int64_t n = maru_tensor_count(t);
    for (int64_t i = 0; i < n; i++)
        ((uint8_t *)out->data)[i] = maru_tensor_get_f64(t, i) > than;
    return 1;
}

/* t:map(function(x) ... end), a new tensor */
static int tensor_map(lua_State *L)
{
    const maru_tensor *t = maru_check_tensor(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    maru_tensor *out = maru_push_tensor(L, t->dtype, t->dims, t->rank);
    const int64_t n = maru_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        lua_pushvalue(L, 2);
        maru_push_element(L, t, i);
        lua_call(L, 1, 1);
        maru_set_element(L, out, i, -1);
        lua_pop(L, 1);
    }
    return 1;
}

/* ---- together ---- */

/* maru.stack({tensors}, axis): joins along an axis that they have. */
static int module_join(lua_State *L)
{
    lua_settop(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    const int n = (int)lua_rawlen(L, 1);
    luaL_argcheck(L, n > 0, 1, "no tensors");
    lua_rawgeti(L, 1, 1);
    const maru_tensor *first = maru_check_tensor(L, -1);
    const size_t bytes = element_bytes(L, first);
    const axis_view v = view_axis(L, first, luaL_optinteger(L, 2, 0));
    int64_t dims[MARU_MAX_RANK];
    memcpy(dims, first->dims, sizeof dims);
    dims[v.axis] = 0;
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        const maru_tensor *t = maru_check_tensor(L, -1);
        bool fits = t->dtype == first->dtype && t->rank == first->rank;
        for (uint32_t d = 0; fits && d < t->rank; d++)
            fits = d == v.axis || t->dims[d] == first->dims[d];
        if (!fits)
            return maru_raise_text(L, MARU_INVALID_ARGUMENT, "join: tensor %d does not go with the first", i);
        dims[v.axis] += t->dims[v.axis];
        lua_pop(L, 1);
    }
    maru_tensor *out = maru_push_tensor(L, first->dtype, dims, first->rank);
    size_t done = 0;
    const size_t out_row = (size_t)(dims[v.axis] * v.inner) * bytes;
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        const maru_tensor *t = maru_check_tensor(L, -1);
        const size_t row = (size_t)(t->dims[v.axis] * v.inner) * bytes;
        for (int64_t o = 0; o < v.outer && row; o++)
            memcpy((char *)out->data + (size_t)o * out_row + done, (const char *)t->data + (size_t)o * row, row);
        done += row;
        lua_pop(L, 1);
    }
    return 1;
}

/* maru.random(dims, seed, kind): "uniform" in [0, 1) or "normal"; f32; a function of seed and place alone. */
static int module_random(lua_State *L)
{
    int64_t dims[MARU_MAX_RANK];
    const uint32_t rank = maru_check_dims(L, 1, dims);
    const uint64_t seed = (uint64_t)luaL_optinteger(L, 2, 0);
    const bool is_normal = strcmp(luaL_optstring(L, 3, "uniform"), "normal") == 0;
    maru_tensor *t = maru_push_tensor(L, MARU_F32, dims, rank);
    charge(L, t);
    const int64_t n = maru_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        const double u = uniform(seed, (uint64_t)i * 2);
        const double angle = 6.283185307179586 * uniform(seed, (uint64_t)i * 2 + 1);
        maru_tensor_set_f64(t, i, is_normal ? sqrt(-2 * log(1 - u)) * cos(angle) : u);
    }
    return 1;
}

void maru_tensor_math_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"sum", tensor_sum},         {"mean", tensor_mean},       {"max", tensor_max},
        {"min", tensor_min},         {"argmax", tensor_argmax},   {"slice", tensor_slice},
        {"transpose", tensor_transpose}, {"softmax", tensor_softmax}, {"topk", tensor_topk},
        {"sample", tensor_sample},   {"map", tensor_map},         {"exp", tensor_exp},
        {"log", tensor_log},         {"sqrt", tensor_sqrt},       {"abs", tensor_abs},
        {"floor", tensor_floor},     {"sigmoid", tensor_sigmoid}, {"clip", tensor_clip},
        {"greater", tensor_greater}, {NULL, NULL},
    };
    luaL_setfuncs(L, methods, 0);
}

void maru_tensor_math_functions(lua_State *L)
{
    static const luaL_Reg functions[] = {{"join", module_join}, {"random", module_random}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

void maru_tensor_arithmetic(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"__add", tensor_add}, {"__sub", tensor_sub}, {"__mul", tensor_mul}, {"__div", tensor_div},
        {"__pow", tensor_pow}, {"__unm", tensor_unm}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
