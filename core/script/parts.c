// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/explain.h"
#include "script/instance.h"
#include "script/protect.h"
#include "script/value.h"

/*
 * Models of several graphs: each part is a model of its own, made of a
 * description, with the weights' folder and the devices of the whole. Parts are
 * made with the whole, so that wrong options are told at once; what they
 * compute is compiled at first use, as the whole's own graph is.
 */

/* Pushes the description of the part whose entry is on top: the entry itself, or its first item. */
static void push_description(lua_State *L, const char *name)
{
    if (lua_type(L, -1) == LUA_TTABLE) {
        if (lua_rawgeti(L, -1, 1) == LUA_TTABLE)
            return;
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        return;
    }
    maru_raise_text(L, MARU_INVALID_ARGUMENT,
                    "maru.model: part '%s' is a %s, where a model or { model, options = { ... } } is needed", name,
                    luaL_typename(L, -1));
}

/* Adds what the whole's settings say of "name.option" to the table on top. */
static void add_settings(lua_State *L, int settings, const char *name)
{
    const size_t n = strlen(name);
    if (!settings)
        return;
    for (lua_pushnil(L); lua_next(L, settings); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strncmp(key, name, n) != 0 || key[n] != '.')
            continue;
        lua_pushvalue(L, -1);
        lua_setfield(L, -4, key + n + 1);
    }
}

/* Pushes the settings of the part whose entry is at `entry`. */
static void push_settings(lua_State *L, int entry, int settings, const char *name)
{
    lua_newtable(L);
    const int out = lua_gettop(L);
    if (lua_rawgeti(L, entry, 1) == LUA_TTABLE && lua_getfield(L, entry, "options") == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            lua_rawset(L, out);
        }
    }
    lua_settop(L, out);
    add_settings(L, settings, name);
}

static void make_part(lua_State *L, int self, const char *name, int entry, const maru_instance_params *whole)
{
    const maru_instance *m = maru_check_instance(L, self);
    maru_instance_params params = *whole;
    luaL_checkstack(L, 24, "too many parts");
    lua_pushvalue(L, entry);
    push_description(L, name);
    const int description = lua_gettop(L);
    push_settings(L, entry, whole->settings, name);
    params.settings = lua_gettop(L);
    params.runtime = m->runtime;
    params.weights = m->folder;
    maru_push_instance(L, description, &params)->owner = m;
    lua_pushvalue(L, self);
    lua_setiuservalue(L, -2, MARU_INSTANCE_OWNER);
}

void maru_make_parts(lua_State *L, int self, int description, const maru_instance_params *params)
{
    lua_newtable(L);
    const int parts = lua_gettop(L);
    if (lua_getfield(L, description, "parts") == LUA_TTABLE) {
        const int entries = lua_gettop(L);
        for (lua_pushnil(L); lua_next(L, entries); lua_settop(L, entries + 1)) {
            if (lua_type(L, -2) != LUA_TSTRING)
                maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: 'parts' is { name = model, ... }");
            const char *name = lua_tostring(L, -2);
            make_part(L, self, name, lua_gettop(L), params);
            lua_setfield(L, parts, name);
        }
    }
    lua_settop(L, parts);
    lua_setiuservalue(L, self, MARU_INSTANCE_PARTS);
}

bool maru_is_part_setting(lua_State *L, int parts, const char *key)
{
    const char *dot = strchr(key, '.');
    if (!dot || lua_type(L, parts) != LUA_TTABLE)
        return false;
    lua_pushlstring(L, key, (size_t)(dot - key));
    const bool is_one = lua_rawget(L, parts) != LUA_TNIL;
    lua_pop(L, 1);
    return is_one;
}

void maru_push_part(lua_State *L, int index, const char *name)
{
    maru_check_instance(L, index);
    lua_getiuservalue(L, index, MARU_INSTANCE_PARTS);
    if (lua_getfield(L, -1, name) == LUA_TNIL)
        maru_raise_text(L, MARU_NOT_FOUND, "the model has no part '%s'; it has: %s", name,
                        maru_push_names(L, lua_gettop(L) - 1));
    lua_remove(L, -2);
}

int maru_model_part(lua_State *L)
{
    lua_settop(L, 2);
    maru_push_part(L, 1, luaL_checkstring(L, 2));
    return 1;
}

bool maru_has_graph(lua_State *L, int index)
{
    static const char *const keys[] = {"graph", "text", "onnx"};
    const int top = lua_gettop(L);
    bool has = false;
    maru_push_fields(L, index);
    lua_getfield(L, -1, "description");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        has = has || lua_getfield(L, top + 2, keys[i]) != LUA_TNIL;
        lua_settop(L, top + 2);
    }
    lua_settop(L, top);
    return has;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Appends "prefix" and the instance at `index`, then its parts, to the list. */
static void gather(lua_State *L, int index, int list, const char *prefix)
{
    luaL_checkstack(L, 24, "too many parts");
    lua_pushstring(L, prefix);
    prefix = lua_tostring(L, -1);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    lua_pushvalue(L, index);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    lua_getiuservalue(L, index, MARU_INSTANCE_PARTS);
    const int parts = lua_gettop(L);
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, parts); lua_pop(L, 1))
        n++;
    const char **names = maru_box_array(L, n, sizeof *names);
    n = 0;
    for (lua_pushnil(L); lua_next(L, parts); lua_pop(L, 1))
        names[n++] = lua_tostring(L, -2);
    if (n > 1)
        qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++) {
        lua_getfield(L, parts, names[i]);
        const int part = lua_gettop(L);
        gather(L, part, list, lua_pushfstring(L, "%s%s.", prefix, names[i]));
        lua_settop(L, part - 1);
    }
    lua_settop(L, parts - 1);
}

size_t maru_push_all_parts(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    lua_newtable(L);
    gather(L, index, lua_gettop(L), "");
    return lua_rawlen(L, -1) / 2;
}
