// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <string.h>

#include "script/protect.h"
#include "script/value.h"

/* What the methods of a value begin with: the value at 1, its graph pushed. */
typedef struct self {
    maru_graph_ref *owner;
    maru_value value;
    maru_value_info info;  // dims copied below
    maru_dim dims[MARU_MAX_RANK];
    int graph;             // index of the maru.graph
} self;

static self get_self(lua_State *L)
{
    const maru_value_ref *ref = maru_check_value(L, 1, NULL);
    self s = {.owner = ref->owner, .value = ref->value, .info = maru_value_info_of(L, ref)};
    if (s.info.rank)
        memcpy(s.dims, s.info.dims, s.info.rank * sizeof *s.dims);
    maru_push_graph_of(L, 1);
    s.graph = lua_gettop(L);
    return s;
}

static int give(lua_State *L, const self *s, maru_value value)
{
    maru_push_value(L, s->graph, value);
    return 1;
}

static maru_value ints(lua_State *L, const self *s, const int64_t *elems, size_t n)
{
    maru_value out = MARU_NO_VALUE;
    MARU_LUA_TRY(L, maru_graph_ints(s->owner->graph, elems, n, &out));
    return out;
}

/* The numbers from stack place `from` to `to`, or of the one table there. */
static size_t read_ints(lua_State *L, int from, int to, int64_t *out)
{
    if (to == from && lua_type(L, from) == LUA_TTABLE) {
        const size_t n = lua_rawlen(L, from);
        luaL_argcheck(L, n <= MARU_MAX_RANK, from, "too many numbers");
        for (size_t i = 0; i < n; i++) {
            lua_rawgeti(L, from, (lua_Integer)i + 1);
            out[i] = luaL_checkinteger(L, -1);
            lua_pop(L, 1);
        }
        return n;
    }
    const size_t n = to < from ? 0 : (size_t)(to - from + 1);
    luaL_argcheck(L, n <= MARU_MAX_RANK, from, "too many numbers");
    for (size_t i = 0; i < n; i++)
        out[i] = luaL_checkinteger(L, from + (int)i);
    return n;
}

/* ---- shapes ---- */

/* The dims of the table at 2, one of which may be -1: what is left over. */
static size_t read_shape(lua_State *L, const self *s, maru_dim *dims, int *out_rest)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    const size_t n = lua_rawlen(L, 2);
    *out_rest = -1;
    if (n > MARU_MAX_RANK)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "reshape: rank %I is above %d", (lua_Integer)n, MARU_MAX_RANK);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        if (lua_isinteger(L, -1) && lua_tointeger(L, -1) == -1) {
            if (*out_rest >= 0)
                maru_raise_text(L, MARU_INVALID_ARGUMENT, "reshape: only one dim may be -1");
            *out_rest = (int)i;
            dims[i] = 1;
        } else {
            dims[i] = maru_check_dim(L, -1, s->owner);
        }
        lua_pop(L, 1);
    }
    return n;
}

static maru_dim product(lua_State *L, const self *s, const maru_dim *dims, size_t n)
{
    maru_dim out = 1;
    for (size_t i = 0; i < n; i++)
        MARU_LUA_TRY(L, maru_graph_dim(s->owner->graph, MARU_DIM_MUL, out, dims[i], &out));
    return out;
}

static int value_reshape(lua_State *L)
{
    lua_settop(L, 2);
    const self s = get_self(L);
    maru_dim dims[MARU_MAX_RANK];
    int rest = -1;
    const size_t n = read_shape(L, &s, dims, &rest);
    if (rest >= 0) {
        const maru_dim all = product(L, &s, s.dims, s.info.rank);
        const maru_dim others = product(L, &s, dims, n);
        if (others == 0)
            return maru_raise_text(L, MARU_INVALID_ARGUMENT, "reshape: -1 beside a dim of 0 could be anything");
        MARU_LUA_TRY(L, maru_graph_dim(s.owner->graph, MARU_DIM_FLOORDIV, all, others, &dims[rest]));
    }
    maru_value shape = MARU_NO_VALUE;
    MARU_LUA_TRY(L, maru_graph_shape(s.owner->graph, dims, n, &shape));
    return give(L, &s, maru_add_op(L, s.owner, "Reshape", (const maru_value[]){s.value, shape}, 2, NULL));
}

static int value_expand(lua_State *L)
{
    lua_settop(L, 2);
    luaL_checktype(L, 2, LUA_TTABLE);
    const self s = get_self(L);
    const maru_value shape = maru_to_value(L, 2, s.owner, MARU_I64);
    return give(L, &s, maru_add_op(L, s.owner, "Expand", (const maru_value[]){s.value, shape}, 2, NULL));
}

static int value_transpose(lua_State *L)
{
    int64_t perm[MARU_MAX_RANK];
    const int top = lua_gettop(L);
    size_t n = read_ints(L, 2, top, perm);
    const self s = get_self(L);
    if (n == 0)
        for (n = 0; n < s.info.rank; n++)
            perm[n] = (int64_t)s.info.rank - 1 - (int64_t)n;
    for (size_t i = 0; i < n; i++)
        perm[i] += perm[i] < 0 ? (int64_t)s.info.rank : 0;
    const maru_attribute attr = MARU_ATTR_IS("perm", perm, n);
    return give(L, &s, maru_add_op(L, s.owner, "Transpose", &s.value, 1, &attr));
}

static int with_axes(lua_State *L, const char *op)
{
    int64_t axes[MARU_MAX_RANK];
    const size_t n = read_ints(L, 2, lua_gettop(L), axes);
    const self s = get_self(L);
    const maru_value inputs[2] = {s.value, ints(L, &s, axes, n)};
    return give(L, &s, maru_add_op(L, s.owner, op, inputs, n ? 2 : 1, NULL));
}

static int value_squeeze(lua_State *L)
{
    return with_axes(L, "Squeeze");
}

static int value_unsqueeze(lua_State *L)
{
    return with_axes(L, "Unsqueeze");
}

/* x:slice(axis, first, past, step): past nil is the end. */
static int value_slice(lua_State *L)
{
    lua_settop(L, 5);
    const int64_t axis = luaL_checkinteger(L, 2);
    const int64_t step = luaL_optinteger(L, 5, 1);
    const self s = get_self(L);
    if (lua_isnil(L, 4)) {
        lua_pushinteger(L, step > 0 ? INT64_MAX : INT64_MIN);
        lua_replace(L, 4);
    }
    maru_value inputs[5] = {s.value, 0, 0, ints(L, &s, &axis, 1), ints(L, &s, &step, 1)};
    for (int i = 0; i < 2; i++) {
        if (lua_isinteger(L, 3 + i)) {
            const int64_t at = lua_tointeger(L, 3 + i);
            inputs[1 + i] = ints(L, &s, &at, 1);
        } else {
            const maru_dim at = maru_check_dim(L, 3 + i, s.owner);
            MARU_LUA_TRY(L, maru_graph_shape(s.owner->graph, &at, 1, &inputs[1 + i]));
        }
    }
    return give(L, &s, maru_add_op(L, s.owner, "Slice", inputs, 5, NULL));
}

/* x:split(axis, n) or x:split(axis, {sizes}) gives the parts. */
static int value_split(lua_State *L)
{
    lua_settop(L, 3);
    const int64_t axis = luaL_checkinteger(L, 2);
    const self s = get_self(L);
    const bool is_list = lua_type(L, 3) == LUA_TTABLE;
    const lua_Integer n = is_list ? (lua_Integer)lua_rawlen(L, 3) : luaL_checkinteger(L, 3);
    luaL_argcheck(L, n >= 1 && n <= MARU_MAX_OPERANDS, 3, "that many parts");
    maru_value outputs[MARU_MAX_OPERANDS];
    const maru_value inputs[2] = {s.value, is_list ? maru_to_value(L, 3, s.owner, MARU_I64) : MARU_NO_VALUE};
    const maru_attribute attrs[2] = {MARU_ATTR_I("axis", axis), MARU_ATTR_I("num_outputs", n)};
    MARU_LUA_TRY(L, maru_graph_node(s.owner->graph, "Split", inputs, is_list ? 2 : 1, attrs, is_list ? 1 : 2, outputs,
                                    (size_t)n));
    luaL_checkstack(L, (int)n + 4, NULL);
    for (lua_Integer i = 0; i < n; i++)
        maru_push_value(L, s.graph, outputs[i]);
    return (int)n;
}

static int value_gather(lua_State *L)
{
    lua_settop(L, 3);
    const self s = get_self(L);
    const maru_attribute axis = MARU_ATTR_I("axis", luaL_optinteger(L, 3, 0));
    const maru_value inputs[2] = {s.value, maru_to_value(L, 2, s.owner, MARU_I64)};
    return give(L, &s, maru_add_op(L, s.owner, "Gather", inputs, 2, &axis));
}

/* ---- arithmetic ---- */

static int value_matmul(lua_State *L)
{
    lua_settop(L, 2);
    const self s = get_self(L);
    const maru_value inputs[2] = {s.value, maru_to_value(L, 2, s.owner, s.info.dtype)};
    return give(L, &s, maru_add_op(L, s.owner, "MatMul", inputs, 2, NULL));
}

static int value_cast(lua_State *L)
{
    lua_settop(L, 2);
    const maru_dtype dtype = maru_check_dtype(L, 2);
    const self s = get_self(L);
    if (dtype == s.info.dtype)
        return give(L, &s, s.value);
    const maru_attribute to = MARU_ATTR_I("to", dtype);
    return give(L, &s, maru_add_op(L, s.owner, "Cast", &s.value, 1, &to));
}

static int along_axis(lua_State *L, const char *op)
{
    lua_settop(L, 2);
    const self s = get_self(L);
    const maru_attribute axis = MARU_ATTR_I("axis", luaL_optinteger(L, 2, -1));
    return give(L, &s, maru_add_op(L, s.owner, op, &s.value, 1, &axis));
}

static int value_softmax(lua_State *L)
{
    return along_axis(L, "Softmax");
}

static int value_log_softmax(lua_State *L)
{
    return along_axis(L, "LogSoftmax");
}

static int value_argmax(lua_State *L)
{
    lua_settop(L, 3);
    const self s = get_self(L);
    const maru_attribute attrs[2] = {MARU_ATTR_I("axis", luaL_optinteger(L, 2, -1)),
                                     MARU_ATTR_I("keepdims", lua_toboolean(L, 3))};
    maru_value out = MARU_NO_VALUE;
    MARU_LUA_TRY(L, maru_graph_op(s.owner->graph, "ArgMax", &s.value, 1, attrs, 2, &out));
    return give(L, &s, out);
}

/* x:topk(k, axis): the largest values and where they are. */
static int value_topk(lua_State *L)
{
    lua_settop(L, 3);
    const int64_t k = luaL_checkinteger(L, 2);
    const self s = get_self(L);
    const maru_value inputs[2] = {s.value, ints(L, &s, &k, 1)};
    const maru_attribute axis = MARU_ATTR_I("axis", luaL_optinteger(L, 3, -1));
    maru_value outputs[2] = {0};
    MARU_LUA_TRY(L, maru_graph_node(s.owner->graph, "TopK", inputs, 2, &axis, 1, outputs, 2));
    give(L, &s, outputs[0]);
    give(L, &s, outputs[1]);
    return 2;
}

/* x:sum(axes, keepdims): axes a number or a table; nil is all. */
static int reduce(lua_State *L, const char *op)
{
    int64_t axes[MARU_MAX_RANK];
    lua_settop(L, 3);
    const size_t n = lua_isnil(L, 2) ? 0 : read_ints(L, 2, 2, axes);
    const self s = get_self(L);
    const maru_value inputs[2] = {s.value, ints(L, &s, axes, n)};
    const maru_attribute keep = MARU_ATTR_I("keepdims", lua_toboolean(L, 3));
    return give(L, &s, maru_add_op(L, s.owner, op, inputs, n ? 2 : 1, &keep));
}

static int value_sum(lua_State *L)
{
    return reduce(L, "ReduceSum");
}

static int value_mean(lua_State *L)
{
    return reduce(L, "ReduceMean");
}

static int value_reduce_max(lua_State *L)
{
    return reduce(L, "ReduceMax");
}

static int value_reduce_min(lua_State *L)
{
    return reduce(L, "ReduceMin");
}

static int value_prod(lua_State *L)
{
    return reduce(L, "ReduceProd");
}

static int value_clip(lua_State *L)
{
    lua_settop(L, 3);
    const self s = get_self(L);
    const maru_value inputs[3] = {s.value, maru_to_value(L, 2, s.owner, s.info.dtype),
                                  maru_to_value(L, 3, s.owner, s.info.dtype)};
    return give(L, &s, maru_add_op(L, s.owner, "Clip", inputs, 3, NULL));
}

/* x:named("name"): for outputs, traces and placement; gives x. */
static int value_named(lua_State *L)
{
    lua_settop(L, 2);
    const self s = get_self(L);
    MARU_LUA_TRY(L, maru_graph_name_value(s.owner->graph, s.value, luaL_checkstring(L, 2)));
    lua_settop(L, 1);
    return 1;
}

void maru_value_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"reshape", value_reshape},     {"expand", value_expand},   {"transpose", value_transpose},
        {"squeeze", value_squeeze},     {"unsqueeze", value_unsqueeze}, {"slice", value_slice},
        {"split", value_split},         {"gather", value_gather},   {"matmul", value_matmul},
        {"cast", value_cast},           {"softmax", value_softmax}, {"log_softmax", value_log_softmax},
        {"argmax", value_argmax},       {"topk", value_topk},       {"sum", value_sum},
        {"mean", value_mean},           {"max", value_reduce_max},  {"min", value_reduce_min},
        {"prod", value_prod},           {"clip", value_clip},       {"named", value_named},
        {NULL, NULL},
    };
    luaL_setfuncs(L, methods, 0);
}

/* ---- functions of the module ---- */

/* Pushes the maru.graph of the first value or dim of the table at `index`. */
static void push_graph_of_list(lua_State *L, int index, const char *op)
{
    const lua_Integer n = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, index, i);
        if (maru_test_value(L, -1) || maru_test_dim(L, -1)) {
            maru_push_graph_of(L, -1);
            lua_remove(L, -2);
            return;
        }
        lua_pop(L, 1);
    }
    maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s: none of its inputs is a tensor of a graph", op);
}

/* The graph and then the items of the list go on the stack; the number of items. */
static int spread(lua_State *L, int index, const char *op)
{
    luaL_checktype(L, index, LUA_TTABLE);
    push_graph_of_list(L, index, op);
    const int n = (int)lua_rawlen(L, index);
    luaL_checkstack(L, n + 16, "too many inputs");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, index, i);
    return n;
}

/* maru.op("Name", {inputs}, {attributes}, n_outputs); false among the inputs is one left out. */
static int module_op(lua_State *L)
{
    lua_settop(L, 4);
    const char *name = luaL_checkstring(L, 1);
    const int n_outputs = (int)luaL_optinteger(L, 4, 0);
    const bool has_attrs = !lua_isnil(L, 3);
    if (has_attrs)
        luaL_checktype(L, 3, LUA_TTABLE);
    const int n = spread(L, 2, name);
    return maru_push_node(L, name, 5, 6, n, has_attrs ? 3 : 0, n_outputs);
}

/* maru.concat({tensors}, axis) */
static int module_concat(lua_State *L)
{
    lua_settop(L, 2);
    lua_createtable(L, 0, 1);
    lua_pushinteger(L, luaL_optinteger(L, 2, 0));
    lua_setfield(L, 3, "axis");
    const int n = spread(L, 1, "Concat");
    return maru_push_node(L, "Concat", 4, 5, n, 3, 1);
}

/* maru.where(condition, a, b) */
static int module_where(lua_State *L)
{
    lua_settop(L, 3);
    maru_check_value(L, 1, NULL);
    maru_push_graph_of(L, 1);
    // Numbers take the dtype of the branches, not of the condition.
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    for (int i = 2; i <= 3; i++) {
        const maru_value_ref *other = maru_test_value(L, i == 2 ? 3 : 2);
        if (lua_type(L, i) != LUA_TNUMBER)
            continue;
        const maru_dtype dtype = other ? maru_value_info_of(L, other).dtype : MARU_F32;
        maru_push_value(L, 4, maru_to_value(L, i, lua_touserdata(L, 4), dtype));
        lua_replace(L, i);
    }
    return maru_push_node(L, "Where", 4, 1, 3, 0, 1);
}

void maru_value_functions(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"op", module_op},
        {"concat", module_concat},
        {"where", module_where},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
