// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/value.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "script/explain.h"
#include "script/protect.h"

/* Registry: table from an op's name in small letters to its name. */
static const char op_names_key = 0;

/* ---- graphs ---- */

static int collect_graph(lua_State *L)
{
    maru_graph_ref *ref = lua_touserdata(L, 1);
    maru_graph_destroy(&ref->graph);
    return 0;
}

maru_graph_ref *maru_push_graph(lua_State *L)
{
    maru_graph_ref *ref = lua_newuserdatauv(L, sizeof *ref, 0);
    *ref = (maru_graph_ref){0};
    luaL_setmetatable(L, MARU_CLASS_GRAPH);
    return ref;
}

maru_graph_ref *maru_push_graph_of(lua_State *L, int index)
{
    lua_getiuservalue(L, index, 1);
    return maru_test_class(L, -1, MARU_CLASS_GRAPH);
}

/* ---- values ---- */

void maru_push_value(lua_State *L, int graph_index, maru_value value)
{
    graph_index = lua_absindex(L, graph_index);
    maru_value_ref *ref = lua_newuserdatauv(L, sizeof *ref, 1);
    *ref = (maru_value_ref){.owner = lua_touserdata(L, graph_index), .value = value};
    lua_pushvalue(L, graph_index);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, MARU_CLASS_VALUE);
}

maru_value_ref *maru_test_value(lua_State *L, int index)
{
    return maru_test_class(L, index, MARU_CLASS_VALUE);
}

maru_value_ref *maru_check_value(lua_State *L, int index, const maru_graph_ref *owner)
{
    maru_value_ref *ref = maru_test_value(L, index);
    if (!ref)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a tensor of the graph was expected, not %s",
                        luaL_typename(L, index));
    if (!ref->owner->graph)
        maru_raise_text(L, MARU_FAILED_PRECONDITION, "this tensor belongs to a graph that is finished");
    if (owner && ref->owner != owner)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "this tensor belongs to another graph");
    return ref;
}

maru_value_info maru_value_info_of(lua_State *L, const maru_value_ref *ref)
{
    maru_value_info info = {0};
    MARU_LUA_TRY(L, maru_graph_value_info(ref->owner->graph, ref->value, &info));
    return info;
}

maru_dtype maru_check_dtype(lua_State *L, int index)
{
    const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
    const maru_dtype dtype = maru_dtype_from_name(name);
    if (dtype == MARU_DTYPE_NONE)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "no dtype has the name \"%s\": say \"f32\", \"i64\", ...",
                        *name ? name : luaL_typename(L, index));
    return dtype;
}

static int value_tostring(lua_State *L)
{
    const maru_value_ref *ref = lua_touserdata(L, 1);
    if (!ref->owner->graph) {
        lua_pushliteral(L, "a tensor of a finished graph");
        return 1;
    }
    const maru_value_info info = maru_value_info_of(L, ref);
    char text[256];
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, maru_dtype_name(info.dtype));
    luaL_addchar(&b, '[');
    for (uint32_t i = 0; i < info.rank; i++) {
        luaL_addstring(&b, i ? ", " : "");
        luaL_addstring(&b, maru_graph_dim_text(ref->owner->graph, info.dims[i], text, sizeof text));
    }
    luaL_addchar(&b, ']');
    luaL_pushresult(&b);
    return 1;
}

static void push_shape(lua_State *L, const maru_value_ref *ref)
{
    maru_dim dims[MARU_MAX_RANK];
    const maru_value_info info = maru_value_info_of(L, ref);
    if (info.rank)
        memcpy(dims, info.dims, info.rank * sizeof *dims);
    maru_push_graph_of(L, 1);
    lua_createtable(L, (int)info.rank, 0);
    for (uint32_t i = 0; i < info.rank; i++) {
        maru_push_dim(L, -2, dims[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* x:some_op(operand, ..., {attribute = ...}); the upvalue is the op's name. */
static int call_named_op(lua_State *L)
{
    const char *name = lua_tostring(L, lua_upvalueindex(1));
    int n = lua_gettop(L);
    int attrs = 0;
    maru_check_value(L, 1, NULL);
    if (n > 1 && lua_type(L, n) == LUA_TTABLE && lua_rawlen(L, n) == 0)
        attrs = n--;
    maru_push_graph_of(L, 1);
    return maru_push_node(L, name, lua_gettop(L), 1, n, attrs, 0);
}

/* Pushes the function for "reduce_mean" or "ReduceMean", or nil. */
static void push_named_op(lua_State *L, const char *key)
{
    char plain[64];
    size_t n = 0;
    for (; *key && n + 1 < sizeof plain; key++)
        if (*key != '_')
            plain[n++] = (char)tolower((unsigned char)*key);
    plain[n] = 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &op_names_key);
    lua_getfield(L, -1, plain);
    lua_remove(L, -2);
    if (!lua_isnil(L, -1))
        lua_pushcclosure(L, call_named_op, 1);
}

/* Upvalue 1: the table of methods, which takes up the ops that were used. */
static int value_index(lua_State *L)
{
    const maru_value_ref *ref = maru_check_value(L, 1, NULL);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (strcmp(key, "shape") == 0) {
        push_shape(L, ref);
        return 1;
    }
    if (strcmp(key, "dtype") == 0) {
        lua_pushstring(L, maru_dtype_name(maru_value_info_of(L, ref).dtype));
        return 1;
    }
    if (strcmp(key, "rank") == 0) {
        lua_pushinteger(L, maru_value_info_of(L, ref).rank);
        return 1;
    }
    if (strcmp(key, "name") == 0) {
        lua_pushstring(L, maru_value_info_of(L, ref).name);
        return 1;
    }
    push_named_op(L, key);
    if (lua_isnil(L, -1)) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_rawgetp(L, LUA_REGISTRYINDEX, &op_names_key);
        return maru_raise_no_method(L, "a tensor", -2, -1);
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(1));
    return 1;
}

/* ---- arithmetic ---- */

static int binary(lua_State *L, const char *op)
{
    maru_push_graph_of(L, maru_test_value(L, 1) ? 1 : 2);
    return maru_push_node(L, op, lua_gettop(L), 1, 2, 0, 1);
}

static int value_add(lua_State *L)
{
    return binary(L, "Add");
}

static int value_sub(lua_State *L)
{
    return binary(L, "Sub");
}

static int value_mul(lua_State *L)
{
    return binary(L, "Mul");
}

static int value_div(lua_State *L)
{
    return binary(L, "Div");
}

static int value_pow(lua_State *L)
{
    return binary(L, "Pow");
}

static bool is_float(lua_State *L)
{
    const maru_value_ref *ref = maru_check_value(L, maru_test_value(L, 1) ? 1 : 2, NULL);
    const maru_dtype_info *info = maru_dtype_get_info(maru_value_info_of(L, ref).dtype);
    return info && info->kind == MARU_CLASS_FLOAT;
}

/* Pushes floor(a / b). For whole numbers: (a - a mod b) / b, as Mod takes the divisor's sign. */
static void push_floor_div(lua_State *L)
{
    if (is_float(L)) {
        binary(L, "Div");
        maru_push_graph_of(L, -1);
        maru_push_node(L, "Floor", lua_gettop(L), lua_gettop(L) - 1, 1, 0, 1);
        return;
    }
    binary(L, "Mod");
    const int mod = lua_gettop(L);
    maru_push_graph_of(L, mod);
    const int graph = lua_gettop(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, mod);
    maru_push_node(L, "Sub", graph, graph + 1, 2, 0, 1);
    lua_pushvalue(L, 2);
    maru_push_node(L, "Div", graph, lua_gettop(L) - 1, 2, 0, 1);
}

static int value_floor_div(lua_State *L)
{
    push_floor_div(L);
    return 1;
}

/* a - floor(a / b) * b, as Lua means it */
static int value_mod(lua_State *L)
{
    if (!is_float(L))
        return binary(L, "Mod");
    push_floor_div(L);
    maru_push_graph_of(L, -1);
    const int graph = lua_gettop(L);
    lua_pushvalue(L, graph - 1);
    lua_pushvalue(L, 2);
    maru_push_node(L, "Mul", graph, graph + 1, 2, 0, 1);
    const int product = lua_gettop(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, product);
    return maru_push_node(L, "Sub", graph, product + 1, 2, 0, 1);
}

static int value_neg(lua_State *L)
{
    maru_push_graph_of(L, 1);
    return maru_push_node(L, "Neg", lua_gettop(L), 1, 1, 0, 1);
}

static int value_eq(lua_State *L)
{
    const maru_value_ref *a = maru_test_value(L, 1);
    const maru_value_ref *b = maru_test_value(L, 2);
    lua_pushboolean(L, a && b && a->owner == b->owner && a->value == b->value);
    return 1;
}

/* ---- opening ---- */

static void open_op_names(lua_State *L)
{
    maru_op_summary op;
    lua_newtable(L);
    for (size_t i = 0; maru_op_at(i, &op); i++) {
        char plain[64];
        size_t n = 0;
        for (const char *c = op.name; *c && n + 1 < sizeof plain; c++)
            plain[n++] = (char)tolower((unsigned char)*c);
        plain[n] = 0;
        lua_pushfstring(L, "%s%s%s", op.domain, *op.domain ? "." : "", op.name);
        lua_setfield(L, -2, plain);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, &op_names_key);
}

void maru_value_open(lua_State *L)
{
    static const luaL_Reg graph_functions[] = {{"__gc", collect_graph}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"__add", value_add}, {"__sub", value_sub},        {"__mul", value_mul}, {"__div", value_div},
        {"__pow", value_pow}, {"__idiv", value_floor_div}, {"__mod", value_mod}, {"__unm", value_neg},
        {"__eq", value_eq},   {"__tostring", value_tostring}, {NULL, NULL},
    };
    maru_push_class(L, MARU_CLASS_GRAPH, graph_functions);
    lua_pop(L, 1);
    open_op_names(L);
    maru_push_class(L, MARU_CLASS_VALUE, functions);
    lua_newtable(L);
    maru_value_methods(L);
    lua_pushcclosure(L, value_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
