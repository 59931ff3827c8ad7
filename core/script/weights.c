// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"

/*
 * The weights as a script sees them: a view is a prefix and a map of names
 * over the file. A weight that is missing or of another shape does not end
 * the graph function where its dims are told: a constant without data stands
 * in for it, and everything that is wrong is told at the end.
 */

enum { VIEW_INSTANCE = 1, VIEW_PREFIX, VIEW_RENAME, VIEW_VALUES = VIEW_RENAME, MAX_LISTED = 100 };

/* ---- views ---- */

static void need_weights(lua_State *L, maru_instance *m)
{
    if (m->weights)
        return;
    if (!m->weights_path && m->fetch)
        maru_raise_text(L, MARU_NOT_FOUND, "there are no weights: give --weights, or run: maru fetch %s", m->fetch);
    if (!m->weights_path)
        maru_raise_text(L, MARU_NOT_FOUND, "there are no weights: give --weights FILE or FOLDER");
    MARU_LUA_TRY(L, maru_weights_open(m->weights_path, &m->weights));
}

/* Pushes a view with a prefix and a map of names, both on top of the stack, which it takes. */
static void push_view(lua_State *L, int instance)
{
    lua_newuserdatauv(L, 1, VIEW_VALUES);
    lua_insert(L, -3);
    lua_setiuservalue(L, -3, VIEW_RENAME);
    lua_setiuservalue(L, -2, VIEW_PREFIX);
    lua_pushvalue(L, instance);
    lua_setiuservalue(L, -2, VIEW_INSTANCE);
    luaL_setmetatable(L, MARU_CLASS_WEIGHTS);
}

void maru_push_weights(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    need_weights(L, maru_check_instance(L, index));
    lua_pushliteral(L, "");
    lua_pushnil(L);
    push_view(L, index);
}

/* Pushes the instance of the view at 1. */
static maru_instance *view_instance(lua_State *L)
{
    luaL_checkudata(L, 1, MARU_CLASS_WEIGHTS);
    lua_getiuservalue(L, 1, VIEW_INSTANCE);
    return maru_check_instance(L, -1);
}

/* Pushes the file's name of the weight that the view calls by the text at 2. */
static const char *push_name(lua_State *L)
{
    luaL_checkstring(L, 2);
    lua_getiuservalue(L, 1, VIEW_PREFIX);
    lua_pushvalue(L, 2);
    lua_concat(L, 2);
    const int kind = lua_getiuservalue(L, 1, VIEW_RENAME);
    if (kind == LUA_TFUNCTION) {
        lua_pushvalue(L, -2);
        lua_call(L, 1, 1);
    } else if (kind == LUA_TTABLE) {
        lua_pushvalue(L, -2);
        lua_gettable(L, -2);
        lua_remove(L, -2);
    }
    if (lua_isnil(L, -1))
        lua_pop(L, 1);
    else
        lua_remove(L, -2);
    if (lua_type(L, -1) != LUA_TSTRING)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "the new name of a weight must be a text, not %s",
                        luaL_typename(L, -1));
    return lua_tostring(L, -1);
}

/* w:scope("layers.0"): weights below it; w:scope "" is w */
static int weights_scope(lua_State *L)
{
    lua_settop(L, 2);
    view_instance(L);
    const char *name = luaL_checkstring(L, 2);
    lua_getiuservalue(L, 1, VIEW_PREFIX);
    lua_pushfstring(L, *name ? "%s%s." : "%s%s", lua_tostring(L, -1), name);
    lua_getiuservalue(L, 1, VIEW_RENAME);
    push_view(L, 3);
    return 1;
}

/* w:rename(function(name) ... end) or a table: what the file calls it; nil for the same name */
static int weights_rename(lua_State *L)
{
    lua_settop(L, 2);
    luaL_argexpected(L, lua_type(L, 2) == LUA_TFUNCTION || lua_type(L, 2) == LUA_TTABLE, 2, "function or table");
    view_instance(L);
    lua_getiuservalue(L, 1, VIEW_PREFIX);
    lua_pushvalue(L, 2);
    push_view(L, 3);
    return 1;
}

static int weights_has(lua_State *L)
{
    lua_settop(L, 2);
    const maru_instance *m = view_instance(L);
    lua_pushboolean(L, maru_weights_find(m->weights, push_name(L), NULL));
    return 1;
}

/* w:info(name): {dtype, shape}, or nil */
static int weights_info(lua_State *L)
{
    lua_settop(L, 2);
    const maru_instance *m = view_instance(L);
    maru_weight_info info;
    if (!maru_weights_find(m->weights, push_name(L), &info)) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 2);
    lua_pushstring(L, maru_dtype_name(info.dtype));
    lua_setfield(L, -2, "dtype");
    lua_createtable(L, (int)info.rank, 0);
    for (uint32_t i = 0; i < info.rank; i++) {
        lua_pushinteger(L, info.dims[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "shape");
    return 1;
}

/* w:names(): all names of the file */
static int weights_names(lua_State *L)
{
    lua_settop(L, 1);
    const maru_instance *m = view_instance(L);
    const size_t n = maru_weights_count(m->weights);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        maru_weight_info info;
        MARU_LUA_TRY(L, maru_weights_at(m->weights, i, &info));
        lua_pushstring(L, info.name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* w:tensor(name): a copy in host memory */
static int weights_tensor(lua_State *L)
{
    lua_settop(L, 2);
    const maru_instance *m = view_instance(L);
    const char *name = push_name(L);
    maru_host_tensor *host = maru_push_empty_tensor(L);
    MARU_LUA_TRY(L, maru_weights_tensor(m->weights, name, &host->tensor));
    maru_count_tensor(L, host);
    return 1;
}

/* ---- weights as constants ---- */

/* What the script says that a weight is. */
typedef struct wanted {
    bool has_dims;
    maru_dtype dtype;  // MARU_DTYPE_NONE: as it is
    uint32_t rank;
    int64_t dims[MARU_MAX_RANK];
} wanted;

static const char *push_type(lua_State *L, maru_dtype dtype, const int64_t *dims, uint32_t rank)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, dtype == MARU_DTYPE_NONE ? "" : maru_dtype_name(dtype));
    luaL_addchar(&b, '[');
    for (uint32_t i = 0; i < rank; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%lld", i ? ", " : "", (long long)dims[i]);
        luaL_addstring(&b, text);
    }
    luaL_addchar(&b, ']');
    luaL_pushresult(&b);
    return lua_tostring(L, -1);
}

/* Adds the text on top to the problems of the instance; pops it. */
static void add_problem(lua_State *L, int instance)
{
    lua_getiuservalue(L, instance, MARU_INSTANCE_PROBLEMS);
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

static bool is_float(maru_dtype dtype)
{
    return maru_dtype_get_info(dtype)->kind == MARU_CLASS_FLOAT;
}

/* Notes a problem and returns false when the weight of the file is not what is wanted. */
static bool fits(lua_State *L, int instance, const maru_weights *weights, const char *name, const wanted *w)
{
    maru_weight_info info;
    if (!maru_weights_find(weights, name, &info)) {
        lua_pushfstring(L, "missing: %s %s", name, push_type(L, w->dtype, w->dims, w->rank));
        lua_remove(L, -2);
        add_problem(L, instance);
        return false;
    }
    bool same = info.rank == w->rank || !w->has_dims;
    for (uint32_t i = 0; same && w->has_dims && i < info.rank; i++)
        same = info.dims[i] == w->dims[i];
    const bool converts = w->dtype == MARU_DTYPE_NONE || info.dtype == w->dtype ||
                          (is_float(info.dtype) && is_float(w->dtype));
    if (same && converts)
        return true;
    const char *has = push_type(L, info.dtype, info.dims, info.rank);
    lua_pushfstring(L, "%s: %s is %s in the file, the model needs %s", same ? "wrong dtype" : "wrong shape", name, has,
                    w->has_dims ? push_type(L, w->dtype, w->dims, w->rank) : maru_dtype_name(w->dtype));
    lua_insert(L, w->has_dims ? -3 : -2);
    lua_pop(L, w->has_dims ? 2 : 1);
    add_problem(L, instance);
    return false;
}

/* All problems noted so far as one error. */
static int raise_problems(lua_State *L, int instance)
{
    const maru_instance *m = maru_check_instance(L, instance);
    lua_getiuservalue(L, instance, MARU_INSTANCE_PROBLEMS);
    const lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    luaL_Buffer b;
    lua_pushfstring(L, "the weights in %s do not fit the model:", m->weights_path ? m->weights_path : "(none)");
    const int problems = lua_gettop(L) - 1;
    luaL_buffinit(L, &b);
    lua_pushvalue(L, problems + 1);
    luaL_addvalue(&b);
    for (lua_Integer i = 1; i <= n && i <= MAX_LISTED; i++) {
        luaL_addstring(&b, "\n  ");
        lua_rawgeti(L, problems, i);
        luaL_addvalue(&b);
    }
    if (n > MAX_LISTED)
        luaL_addstring(&b, "\n  and more");
    luaL_pushresult(&b);
    return maru_raise_text(L, MARU_FAILED_PRECONDITION, "%s", lua_tostring(L, -1));
}

/* Pushes the weight as a constant, or what stands in for it. The name is copied by the graph. */
static void push_constant(lua_State *L, int instance, maru_instance *m, const char *name, const wanted *w)
{
    maru_value value = MARU_NO_VALUE;
    maru_graph_ref *owner = maru_push_building(L, instance);
    const int graph = lua_gettop(L);
    if (!fits(L, instance, m->weights, name, w)) {
        if (!w->has_dims)
            raise_problems(L, instance);
        const maru_dtype dtype = w->dtype == MARU_DTYPE_NONE ? MARU_F32 : w->dtype;
        MARU_LUA_TRY(L, maru_graph_constant(owner->graph, name, dtype, w->dims, w->rank, NULL, &value));
    } else {
        maru_weight_info info;
        MARU_LUA_TRY(L, maru_weights_constant(m->weights, name, owner->graph, &value));
        if (w->dtype != MARU_DTYPE_NONE && maru_weights_find(m->weights, name, &info) && info.dtype != w->dtype) {
            const maru_attribute to = MARU_ATTR_I("to", w->dtype);
            value = maru_add_op(L, owner, "Cast", &value, 1, &to);
        }
    }
    maru_push_value(L, graph, value);
    lua_remove(L, graph);
}

/* Pushes the value for the file's name on top, which it keeps below; the same weight is one constant. */
static void push_weight(lua_State *L, int instance, const wanted *w)
{
    const int name = lua_gettop(L);
    maru_instance *m = maru_check_instance(L, instance);
    maru_push_building(L, instance);
    lua_pop(L, 1);
    lua_getiuservalue(L, instance, MARU_INSTANCE_USED);
    lua_pushfstring(L, "%s %s", maru_dtype_name(w->dtype), lua_tostring(L, name));
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        push_constant(L, instance, m, lua_tostring(L, name), w);
        lua_pushvalue(L, name);
        lua_pushboolean(L, 1);
        lua_rawset(L, -5);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    } else if (w->has_dims) {
        fits(L, instance, m->weights, lua_tostring(L, name), w);
    }
    lua_replace(L, name + 1);
    lua_settop(L, name + 1);
}

static void read_wanted(lua_State *L, int dims, int dtype, wanted *out)
{
    *out = (wanted){0};
    if (!lua_isnoneornil(L, dims)) {
        out->rank = maru_check_dims(L, dims, out->dims);
        out->has_dims = true;
    }
    if (!lua_isnoneornil(L, dtype))
        out->dtype = maru_check_dtype(L, dtype);
}

/* w:get(name, dims, dtype) */
static int weights_get(lua_State *L)
{
    lua_settop(L, 4);
    wanted w;
    read_wanted(L, 3, 4, &w);
    view_instance(L);
    push_name(L);
    push_weight(L, 5, &w);
    return 1;
}

int maru_build_parameter(lua_State *L)
{
    lua_settop(L, 4);
    wanted w;
    read_wanted(L, 4, 3, &w);
    need_weights(L, maru_check_instance(L, 1));
    luaL_checkstring(L, 2);
    lua_pushvalue(L, 2);
    push_weight(L, 1, &w);
    return 1;
}

/* ---- all at once ---- */

/* description.extra_weights: "ignore", or a list of patterns of names. */
static bool is_ignored(lua_State *L, int list, const char *name)
{
    if (lua_type(L, list) == LUA_TSTRING)
        return strcmp(lua_tostring(L, list), "ignore") == 0;
    if (lua_type(L, list) != LUA_TTABLE)
        return false;
    bool ignored = false;
    for (lua_Integer i = 1; !ignored && i <= (lua_Integer)lua_rawlen(L, list); i++) {
        lua_getglobal(L, "string");
        lua_getfield(L, -1, "find");
        lua_pushstring(L, name);
        lua_rawgeti(L, list, i);
        lua_call(L, 2, 1);
        ignored = !lua_isnil(L, -1);
        lua_pop(L, 2);
    }
    return ignored;
}

static void find_extra(lua_State *L, int instance, const maru_instance *m)
{
    const int top = lua_gettop(L);
    maru_push_fields(L, instance);
    lua_getfield(L, -1, "description");
    lua_getfield(L, -1, "extra_weights");
    const int list = lua_gettop(L);
    lua_getiuservalue(L, instance, MARU_INSTANCE_USED);
    for (size_t i = 0; i < maru_weights_count(m->weights); i++) {
        maru_weight_info info;
        MARU_LUA_TRY(L, maru_weights_at(m->weights, i, &info));
        const bool is_used = lua_getfield(L, list + 1, info.name) != LUA_TNIL;
        lua_pop(L, 1);
        if (is_used || is_ignored(L, list, info.name))
            continue;
        lua_pushfstring(L, "not used: %s %s", info.name, push_type(L, info.dtype, info.dims, info.rank));
        lua_remove(L, -2);
        add_problem(L, instance);
    }
    lua_settop(L, top);
}

void maru_check_weights(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    const maru_instance *m = maru_check_instance(L, index);
    if (m->weights)
        find_extra(L, index, m);
    lua_getiuservalue(L, index, MARU_INSTANCE_PROBLEMS);
    const bool is_fine = lua_rawlen(L, -1) == 0;
    lua_pop(L, 1);
    if (!is_fine)
        raise_problems(L, index);
}

void maru_weights_class(lua_State *L)
{
    static const luaL_Reg functions[] = {{NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"get", weights_get},   {"scope", weights_scope}, {"rename", weights_rename}, {"has", weights_has},
        {"info", weights_info}, {"names", weights_names}, {"tensor", weights_tensor}, {NULL, NULL},
    };
    maru_push_class(L, MARU_CLASS_WEIGHTS, functions);
    maru_set_methods(L, "a view of weights", methods);
    lua_pop(L, 1);
}
