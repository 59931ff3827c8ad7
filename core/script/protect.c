// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/protect.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "script/explain.h"
#include "script/sandbox.h"

/* Registry: the text of the last error that was raised from a status, and its code. */
static const char last_text_key = 0;
static const char last_code_key = 0;

/* ---- boxes ---- */

void maru_box_clear(maru_box *box)
{
    if (box->held && box->free)
        box->free(box->held);
    else
        free(box->held);
    box->held = NULL;
}

static int collect_box(lua_State *L)
{
    maru_box_clear(lua_touserdata(L, 1));
    return 0;
}

maru_box *maru_box_push(lua_State *L, void (*free_held)(void *held))
{
    static const luaL_Reg functions[] = {{"__gc", collect_box}, {NULL, NULL}};
    maru_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (maru_box){.free = free_held};
    maru_push_class(L, "maru.box", functions);
    lua_setmetatable(L, -2);
    return box;
}

void *maru_box_array(lua_State *L, size_t count, size_t item_bytes)
{
    maru_box *box = maru_box_push(L, NULL);
    box->held = calloc(count ? count : 1, item_bytes);
    if (!box->held)
        maru_raise_text(L, MARU_RESOURCE_EXHAUSTED, "out of memory: %I items", (lua_Integer)count);
    return box->held;
}

char *maru_copy_text(lua_State *L, const char *text)
{
    if (!text)
        return NULL;
    const size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    if (!copy)
        luaL_error(L, "out of memory");
    memcpy(copy, text, bytes);
    return copy;
}

/* ---- errors ---- */

/* Chunks of the library are named "=maru.x" (host.c), those of scripts "@path". */
static bool is_library(const lua_Debug *ar)
{
    return strncmp(ar->source, "=maru", 5) == 0;
}

void maru_push_where(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline <= 0 || is_library(&ar))
            continue;
        const bool is_file = *ar.source == '@';
        lua_pushfstring(L, "%s:%d: ", is_file ? ar.source + 1 : ar.short_src, ar.currentline);
        return;
    }
    lua_pushliteral(L, "");
}

/* Raises the text on top. The registry remembers its code, if this very text comes out at the end. */
static int raise(lua_State *L, maru_status status)
{
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &last_text_key);
    lua_pushinteger(L, status);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &last_code_key);
    return lua_error(L);
}

int maru_raise(lua_State *L, maru_status status)
{
    maru_push_where(L);
    lua_pushstring(L, maru_error_message());
    lua_concat(L, 2);
    return raise(L, status);
}

int maru_raise_text(lua_State *L, maru_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    maru_push_where(L);
    lua_pushvfstring(L, fmt, args);
    va_end(args);
    lua_concat(L, 2);
    return raise(L, status);
}

maru_status maru_error_from_lua(lua_State *L, int lua_status)
{
    maru_status status = MARU_INVALID_ARGUMENT;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                      : "the script raised a value that is no text";
    const maru_sandbox *sandbox = maru_sandbox_of(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &last_text_key);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &last_code_key);
    if (lua_status == LUA_ERRMEM || (sandbox && sandbox->is_over))
        status = MARU_RESOURCE_EXHAUSTED;
    else if (lua_type(L, -3) == LUA_TSTRING && lua_rawequal(L, -2, -3))
        status = (maru_status)lua_tointeger(L, -1);
    if (lua_status == LUA_ERRMEM)
        text = "out of memory: the script reached its memory limit";
    if (sandbox && sandbox->is_over && sandbox->message[0]) {
        text = sandbox->message;
        status = sandbox->status;
    }
    maru_error_set(status, text);
    lua_pop(L, 3);
    return status;
}

/* ---- classes ---- */

void maru_push_class(lua_State *L, const char *name, const luaL_Reg *functions)
{
    luaL_newmetatable(L, name);
    const bool is_made = lua_getfield(L, -1, "__metatable") != LUA_TNIL;
    lua_pop(L, 1);
    if (is_made)
        return;
    luaL_setfuncs(L, functions, 0);
    lua_pushboolean(L, 0);  // last: a table without it was left half made by an error
    lua_setfield(L, -2, "__metatable");
}

/* Upvalues: the methods, and whose they are. */
static int index_methods(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    return maru_raise_no_method(L, lua_tostring(L, lua_upvalueindex(2)), -1, 0);
}

void maru_set_methods(lua_State *L, const char *noun, const luaL_Reg *methods)
{
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushstring(L, noun);
    lua_pushcclosure(L, index_methods, 2);
    lua_setfield(L, -2, "__index");
}

void *maru_test_class(lua_State *L, int index, const char *name)
{
    return luaL_testudata(L, index, name);
}
