// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"

maru_graph_ref *maru_push_building(lua_State *L, int index)
{
    maru_check_instance(L, index);
    lua_getiuservalue(L, index, MARU_INSTANCE_GRAPH);
    maru_graph_ref *ref = maru_test_class(L, -1, MARU_CLASS_GRAPH);
    if (!ref || !ref->graph)
        maru_raise_text(L, MARU_FAILED_PRECONDITION, "the graph can be changed in the 'graph' function only");
    return ref;
}

/* Dims of the table at `index`. */
static uint32_t check_dims(lua_State *L, int index, const maru_graph_ref *owner, maru_dim *dims)
{
    if (lua_isnoneornil(L, index))
        return 0;
    luaL_checktype(L, index, LUA_TTABLE);
    const size_t n = lua_rawlen(L, index);
    if (n > MARU_MAX_RANK)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "rank %I is above %d", (lua_Integer)n, MARU_MAX_RANK);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        dims[i] = maru_check_dim(L, -1, owner);
        lua_pop(L, 1);
    }
    return (uint32_t)n;
}

static int64_t integer_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const int64_t value = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

/* m:symbol(name, {min, max, multiple_of, typical}) */
static int build_symbol(lua_State *L)
{
    lua_settop(L, 3);
    const char *name = luaL_checkstring(L, 2);
    maru_symbol_params params = {0};
    maru_dim dim = 0;
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        params.min = integer_field(L, 3, "min");
        params.max = integer_field(L, 3, "max");
        params.multiple_of = integer_field(L, 3, "multiple_of");
        params.typical = integer_field(L, 3, "typical");
    }
    const maru_graph_ref *owner = maru_push_building(L, 1);
    MARU_LUA_TRY(L, maru_graph_symbol(owner->graph, name, lua_isnil(L, 3) ? NULL : &params, &dim));
    maru_push_dim(L, -1, dim);
    return 1;
}

/* m:input(name, dtype, dims) */
static int build_input(lua_State *L)
{
    lua_settop(L, 4);
    const char *name = luaL_checkstring(L, 2);
    const maru_dtype dtype = maru_check_dtype(L, 3);
    const maru_graph_ref *owner = maru_push_building(L, 1);
    maru_dim dims[MARU_MAX_RANK];
    maru_value value = MARU_NO_VALUE;
    const uint32_t rank = check_dims(L, 4, owner, dims);
    MARU_LUA_TRY(L, maru_graph_input(owner->graph, name, dtype, dims, rank, &value));
    maru_push_value(L, 5, value);
    return 1;
}

/* m:output(name, value) */
static int build_output(lua_State *L)
{
    lua_settop(L, 3);
    const char *name = luaL_checkstring(L, 2);
    const maru_graph_ref *owner = maru_push_building(L, 1);
    MARU_LUA_TRY(L, maru_graph_output(owner->graph, name, maru_check_value(L, 3, owner)->value));
    return 0;
}

/* {axis, length, ring} at 5 */
static maru_state_params state_params(lua_State *L, const maru_graph_ref *owner)
{
    maru_state_params params = {0};
    if (lua_isnil(L, 5))
        return params;
    luaL_checktype(L, 5, LUA_TTABLE);
    lua_getfield(L, 5, "axis");
    if (!lua_isnil(L, -1))
        params.axis = 1 + (int)luaL_checkinteger(L, -1);
    lua_getfield(L, 5, "length");
    if (!lua_isnil(L, -1))
        params.length = maru_check_value(L, -1, owner)->value;
    lua_getfield(L, 5, "ring");
    params.is_ring = lua_toboolean(L, -1);
    lua_pop(L, 3);
    return params;
}

/* m:state(name, dtype, dims, {axis, length, ring}): m.state is a table that is called with itself, then m */
int maru_build_state(lua_State *L)
{
    lua_remove(L, 1);
    lua_settop(L, 5);
    const char *name = luaL_checkstring(L, 2);
    const maru_dtype dtype = maru_check_dtype(L, 3);
    int64_t dims[MARU_MAX_RANK];
    const uint32_t rank = maru_check_dims(L, 4, dims);
    const maru_graph_ref *owner = maru_push_building(L, 1);
    const maru_state_params params = state_params(L, owner);
    maru_value value = MARU_NO_VALUE;
    MARU_LUA_TRY(L, maru_graph_state(owner->graph, name, dtype, dims, rank, &params, &value));
    maru_push_value(L, 6, value);
    return 1;
}

/* m:set_state(name, value) */
static int build_set_state(lua_State *L)
{
    lua_settop(L, 3);
    const char *name = luaL_checkstring(L, 2);
    const maru_graph_ref *owner = maru_push_building(L, 1);
    MARU_LUA_TRY(L, maru_graph_set_state(owner->graph, name, maru_check_value(L, 3, owner)->value));
    return 0;
}

/* m:constant(numbers, dtype, name) */
static int build_constant(lua_State *L)
{
    lua_settop(L, 4);
    const maru_dtype dtype = lua_isnil(L, 3) ? MARU_DTYPE_NONE : maru_check_dtype(L, 3);
    const char *name = luaL_optstring(L, 4, "");
    const maru_graph_ref *owner = maru_push_building(L, 1);
    const maru_tensor *t = maru_push_as_tensor(L, 2, dtype);
    const maru_constant_source source = {.data = t->data, .bytes = t->bytes};
    maru_value value = MARU_NO_VALUE;
    MARU_LUA_TRY(L, maru_graph_constant(owner->graph, name, t->dtype, t->dims, t->rank, &source, &value));
    maru_push_value(L, 5, value);
    return 1;
}

/* m:shape(dims): the dims as an i64 vector of the graph */
static int build_shape(lua_State *L)
{
    lua_settop(L, 2);
    const maru_graph_ref *owner = maru_push_building(L, 1);
    maru_dim dims[MARU_MAX_RANK];
    maru_value value = MARU_NO_VALUE;
    const uint32_t n = check_dims(L, 2, owner, dims);
    MARU_LUA_TRY(L, maru_graph_shape(owner->graph, dims, n, &value));
    maru_push_value(L, 3, value);
    return 1;
}

/* m:scope(name, function, ...): what the function makes has this scope; gives what it gives */
static int build_scope(lua_State *L)
{
    const char *name = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    maru_graph_ref *owner = maru_push_building(L, 1);
    MARU_LUA_TRY(L, maru_graph_push_scope(owner->graph, name));
    lua_replace(L, 2);
    const int status = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, 0);
    if (owner->graph)
        maru_graph_pop_scope(owner->graph);
    if (status != LUA_OK)
        return lua_error(L);
    return lua_gettop(L) - 2;
}

void maru_builder_methods(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"symbol", build_symbol},       {"input", build_input},       {"output", build_output},
        {"set_state", build_set_state}, {"constant", build_constant}, {"shape", build_shape},
        {"scope", build_scope},         {"parameter", maru_build_parameter}, {NULL, NULL},
    };
    luaL_setfuncs(L, methods, 0);
}
