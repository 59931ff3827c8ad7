// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>

#include "script/protect.h"
#include "script/value.h"

void maru_push_dim(lua_State *L, int graph_index, maru_dim dim)
{
    if (dim >= 0) {
        lua_pushinteger(L, dim);
        return;
    }
    graph_index = lua_absindex(L, graph_index);
    maru_dim_ref *ref = lua_newuserdatauv(L, sizeof *ref, 1);
    *ref = (maru_dim_ref){.owner = lua_touserdata(L, graph_index), .dim = dim};
    lua_pushvalue(L, graph_index);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, MARU_CLASS_DIM);
}

maru_dim_ref *maru_test_dim(lua_State *L, int index)
{
    return maru_test_class(L, index, MARU_CLASS_DIM);
}

maru_dim maru_check_dim(lua_State *L, int index, const maru_graph_ref *owner)
{
    const maru_dim_ref *ref = maru_test_dim(L, index);
    if (ref) {
        if (ref->owner != owner || !owner->graph)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "a dim of another graph");
        return ref->dim;
    }
    int is_integer = 0;
    const lua_Integer dim = lua_tointegerx(L, index, &is_integer);
    if (!is_integer || lua_type(L, index) != LUA_TNUMBER)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a dim must be a whole number or a dim, not %s",
                        luaL_tolstring(L, index, NULL));
    if (dim < 0)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a dim of %I is negative", dim);
    return dim;
}

/* ---- arithmetic ---- */

/* Leaves the maru.graph on top. */
static maru_graph_ref *graph_of_operands(lua_State *L)
{
    maru_graph_ref *owner = maru_push_graph_of(L, maru_test_dim(L, 1) ? 1 : 2);
    if (!owner || !owner->graph)
        maru_raise_text(L, MARU_FAILED_PRECONDITION, "a dim of a graph that is finished");
    return owner;
}

static int combine(lua_State *L, maru_dim_op op)
{
    maru_graph_ref *owner = graph_of_operands(L);
    const maru_dim a = maru_check_dim(L, 1, owner);
    const maru_dim b = maru_check_dim(L, 2, owner);
    maru_dim out = 0;
    MARU_LUA_TRY(L, maru_graph_dim(owner->graph, op, a, b, &out));
    maru_push_dim(L, -1, out);
    return 1;
}

/* dim + a number that may be negative */
static int offset(lua_State *L, int dim_index, lua_Integer delta)
{
    maru_graph_ref *owner = graph_of_operands(L);
    maru_dim out = 0;
    MARU_LUA_TRY(L, maru_graph_offset(owner->graph, maru_check_dim(L, dim_index, owner), delta, &out));
    maru_push_dim(L, -1, out);
    return 1;
}

static int dim_add(lua_State *L)
{
    if (lua_isinteger(L, 2))
        return offset(L, 1, lua_tointeger(L, 2));
    if (lua_isinteger(L, 1))
        return offset(L, 2, lua_tointeger(L, 1));
    return combine(L, MARU_DIM_ADD);
}

static int dim_sub(lua_State *L)
{
    if (lua_isinteger(L, 2) && lua_tointeger(L, 2) != LUA_MININTEGER)
        return offset(L, 1, -lua_tointeger(L, 2));
    return combine(L, MARU_DIM_SUB);
}

static int dim_mul(lua_State *L)
{
    return combine(L, MARU_DIM_MUL);
}

static int dim_div(lua_State *L)
{
    return combine(L, MARU_DIM_FLOORDIV);
}

static int dim_mod(lua_State *L)
{
    return combine(L, MARU_DIM_MOD);
}

static int dim_ceildiv(lua_State *L)
{
    return combine(L, MARU_DIM_CEILDIV);
}

static int dim_min(lua_State *L)
{
    return combine(L, MARU_DIM_MIN);
}

static int dim_max(lua_State *L)
{
    return combine(L, MARU_DIM_MAX);
}

static int dim_true_div(lua_State *L)
{
    return maru_raise_text(L, MARU_INVALID_ARGUMENT, "dims are whole numbers: use // in place of /");
}

/* Equal expressions are one dim in a graph. */
static int dim_eq(lua_State *L)
{
    const maru_dim_ref *a = maru_test_dim(L, 1);
    const maru_dim_ref *b = maru_test_dim(L, 2);
    lua_pushboolean(L, a && b && a->owner == b->owner && a->dim == b->dim);
    return 1;
}

static int dim_tostring(lua_State *L)
{
    const maru_dim_ref *ref = maru_test_dim(L, 1);
    char text[256] = "a dim of a finished graph";
    if (ref && ref->owner->graph)
        maru_graph_dim_text(ref->owner->graph, ref->dim, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

/* "f32" .. seq, for messages */
static int dim_concat(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

void maru_dim_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"__add", dim_add},      {"__sub", dim_sub},           {"__mul", dim_mul}, {"__idiv", dim_div},
        {"__mod", dim_mod},      {"__div", dim_true_div},      {"__eq", dim_eq},   {"__tostring", dim_tostring},
        {"__concat", dim_concat}, {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"ceildiv", dim_ceildiv}, {"min", dim_min}, {"max", dim_max}, {NULL, NULL},
    };
    maru_push_class(L, MARU_CLASS_DIM, functions);
    maru_set_methods(L, "a dim", methods);
    lua_pop(L, 1);
}
