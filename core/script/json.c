// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>
#include <lauxlib.h>
#include <string.h>

#include "script/host.h"
#include "script/protect.h"

static void free_json(void *held)
{
    json_decref(held);
}

static void push(lua_State *L, json_t *value)
{
    luaL_checkstack(L, 8, "JSON nested too deep");
    switch (json_typeof(value)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        lua_createtable(L, 0, (int)json_object_size(value));
        json_object_foreach(value, key, item) {
            push(L, item);
            lua_setfield(L, -2, key);
        }
        return;
    }
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(value), 0);
        for (size_t i = 0; i < json_array_size(value); i++) {
            push(L, json_array_get(value, i));
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        return;
    case JSON_STRING: lua_pushlstring(L, json_string_value(value), json_string_length(value)); return;
    case JSON_INTEGER: lua_pushinteger(L, json_integer_value(value)); return;
    case JSON_REAL: lua_pushnumber(L, json_real_value(value)); return;
    case JSON_TRUE: lua_pushboolean(L, 1); return;
    case JSON_FALSE: lua_pushboolean(L, 0); return;
    case JSON_NULL: lua_pushnil(L); return;
    }
}

void maru_push_json(lua_State *L, const char *text, size_t bytes, const char *name)
{
    json_error_t error;
    maru_box *box = maru_box_push(L, free_json);
    box->held = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (!box->held)
        maru_raise_text(L, MARU_DATA_LOSS, "%s:%d: %s", name, error.line, error.text);
    push(L, box->held);
    maru_box_clear(box);
    lua_remove(L, -2);
}

void maru_push_setting(lua_State *L, const char *text)
{
    json_error_t error;
    maru_box *box = maru_box_push(L, free_json);
    box->held = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (box->held)
        push(L, box->held);
    else
        lua_pushstring(L, text);
    maru_box_clear(box);
    lua_remove(L, -2);
}

/* The new value is given to `object` before anything can raise. */
static void add_member(lua_State *L, json_t *object, const char *key)
{
    size_t n = 0;
    int status = -1;
    switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
        status = json_object_set_new(object, key, lua_isinteger(L, -1) ? json_integer(lua_tointeger(L, -1))
                                                                       : json_real(lua_tonumber(L, -1)));
        break;
    case LUA_TBOOLEAN: status = json_object_set_new(object, key, json_boolean(lua_toboolean(L, -1))); break;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, -1, &n);
        status = json_object_set_new(object, key, json_stringn(text, n));
        break;
    }
    default:
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "state.%s: numbers and texts can be saved, not %s", key,
                        luaL_typename(L, -1));
    }
    if (status != 0)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "state.%s cannot be saved: is it UTF-8, and a finite number?", key);
}

void maru_push_as_json(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    maru_box *object = maru_box_push(L, free_json);
    maru_box *text = maru_box_push(L, NULL);
    object->held = json_object();
    if (!object->held)
        luaL_error(L, "out of memory");
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "state: only named values can be saved");
        add_member(L, object->held, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    text->held = json_dumps(object->held, JSON_SORT_KEYS | JSON_COMPACT);
    if (!text->held)
        luaL_error(L, "out of memory");
    lua_pushstring(L, text->held);
    maru_box_clear(text);
    maru_box_clear(object);
    lua_replace(L, -3);
    lua_pop(L, 1);
}
