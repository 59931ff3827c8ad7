// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/libs.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#include "script/protect.h"
#include "script/sandbox.h"

enum { NEW_THREAD_STEPS = 1000, LOAD_BYTES = 16 * 1024 * 1024 };

/* ---- errors that no script may catch ---- */

static int finish_pcall(lua_State *L, int status, lua_KContext extra)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)extra;
    maru_sandbox_pass_on(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int base_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    const int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

/*
 * A handler runs where the error was raised. If that was the counting hook, no hook would run in the handler, and
 * nothing could end it.
 */
static int guarded_handler(lua_State *L)
{
    const maru_sandbox *s = maru_sandbox_of(L);
    lua_settop(L, 1);
    if (s && s->is_over)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* xpcall(f, handler, ...): the stack becomes f, handler, true, f, ... */
static int base_xpcall(lua_State *L)
{
    const int n = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, guarded_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    const int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(L, status, 2);
}

static lua_State *check_thread(lua_State *L)
{
    lua_State *thread = lua_tothread(L, 1);
    luaL_argexpected(L, thread, 1, "coroutine");
    return thread;
}

/* The library's function does the work; only what it may hide is looked at again. */
static int coroutine_guard(lua_State *L)
{
    check_thread(L);
    const int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    if (lua_isboolean(L, 1) && !lua_toboolean(L, 1)) {
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        maru_sandbox_pass_on(L, strcmp(text, "not enough memory") == 0 ? LUA_ERRMEM : LUA_ERRRUN);
    }
    return lua_gettop(L);
}

/* A new thread counts its instructions from nothing, so making one must cost as much as it may hide. */
static int coroutine_make(lua_State *L)
{
    maru_sandbox_charge(L, NEW_THREAD_STEPS);
    const int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

/* Moves the results of a coroutine, or raises its error. */
static int resume_wrapped(lua_State *L, lua_State *thread)
{
    int n_results = 0;
    const int n = lua_gettop(L);
    if (!lua_checkstack(thread, n))
        return luaL_error(L, "too many arguments to resume");
    if (lua_status(thread) == LUA_OK && lua_gettop(thread) == 0)
        return luaL_error(L, "cannot resume dead coroutine");
    lua_xmove(L, thread, n);
    int status = lua_resume(thread, L, n, &n_results);
    if (status == LUA_OK || status == LUA_YIELD) {
        luaL_checkstack(L, n_results + 1, "too many results to resume");
        lua_xmove(thread, L, n_results);
        return n_results;
    }
    const maru_sandbox *s = maru_sandbox_of(L);
    // What it meant to close stays open when a limit was reached: those functions would run without the hook.
    if (!(s && s->is_over) && status != LUA_ERRMEM)
        status = lua_resetthread(thread);
    lua_xmove(thread, L, 1);
    maru_sandbox_pass_on(L, status);
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrapped(lua_State *L)
{
    return resume_wrapped(L, lua_tothread(L, lua_upvalueindex(1)));
}

/* The library's own says neither the script's line nor what stands in the way. */
static int coroutine_yield(lua_State *L)
{
    if (lua_isyieldable(L))
        return lua_yield(L, lua_gettop(L));
    if (lua_pushthread(L))
        return maru_raise_text(L, MARU_FAILED_PRECONDITION,
                               "coroutine.yield: this is no coroutine, nothing resumes it");
    return maru_raise_text(L, MARU_FAILED_PRECONDITION, "coroutine.yield: not from within a function that the host "
                           "calls, as those given to m:scope, t:map and table.sort");
}

static int coroutine_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    maru_sandbox_charge(L, NEW_THREAD_STEPS);
    lua_State *thread = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, thread, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

/* ---- base ---- */

static int base_setmetatable(lua_State *L)
{
    const int kind = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, kind == LUA_TNIL || kind == LUA_TTABLE, 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (kind == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "setmetatable: scripts may not have finalisers (__gc)");
        lua_pop(L, 1);
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int base_collectgarbage(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "collect");
    if (strcmp(what, "count") != 0)
        return luaL_error(L, "collectgarbage: a script may only \"count\", not \"%s\"", what);
    lua_pushnumber(L, lua_gc(L, LUA_GCCOUNT) + lua_gc(L, LUA_GCCOUNTB) / 1024.0);
    return 1;
}

/* The pieces of a chunk from a function are joined first. */
static void join_chunk(lua_State *L)
{
    luaL_Buffer b;
    size_t bytes = 0;
    luaL_buffinit(L, &b);
    for (;;) {
        size_t n = 0;
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1))
            break;
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "load: the reader must return strings");
        lua_tolstring(L, -1, &n);
        if (n == 0)
            break;
        bytes += n;
        if (bytes > LOAD_BYTES)
            luaL_error(L, "load: a chunk of more than %d bytes", LOAD_BYTES);
        luaL_addvalue(&b);
    }
    lua_pop(L, 1);
    luaL_pushresult(&b);
    lua_replace(L, 1);
}

/* load(chunk, name, mode, env), of text whatever the mode. */
static int base_load(lua_State *L)
{
    const bool has_env = !lua_isnone(L, 4);
    const bool is_text = lua_type(L, 1) == LUA_TSTRING;
    lua_settop(L, 4);
    const char *name = luaL_optstring(L, 2, is_text ? lua_tostring(L, 1) : "=(load)");
    if (!is_text) {
        luaL_checktype(L, 1, LUA_TFUNCTION);
        join_chunk(L);
    }
    size_t bytes = 0;
    const char *text = lua_tolstring(L, 1, &bytes);
    maru_sandbox_charge(L, bytes);
    const int status = luaL_loadbufferx(L, text, bytes, name, "t");
    if (status != LUA_OK) {
        maru_sandbox_pass_on(L, status);
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_env) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}

/* ---- table ---- */

/* Length of the table at 1. A length that is computed could make the library's loops run for ever. */
static lua_Integer plain_length(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
        luaL_error(L, "a table with __len cannot be used here");
    return (lua_Integer)lua_rawlen(L, 1);
}

static int call_original(lua_State *L)
{
    const int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

static void charge_range(lua_State *L, lua_Integer first, lua_Integer last)
{
    if (last >= first)
        maru_sandbox_charge(L, (uint64_t)last - (uint64_t)first + 1);
}

static int table_by_length(lua_State *L)
{
    maru_sandbox_charge(L, (uint64_t)plain_length(L));
    return call_original(L);
}

static int table_sort(lua_State *L)
{
    const uint64_t n = (uint64_t)plain_length(L);
    maru_sandbox_charge(L, n * 32);
    return call_original(L);
}

/* concat(t, sep, i, j) and unpack(t, i, j), the place of `i` being the upvalue. */
static int table_by_range(lua_State *L)
{
    const int at = (int)lua_tointeger(L, lua_upvalueindex(2));
    const lua_Integer length = plain_length(L);
    charge_range(L, luaL_optinteger(L, at, 1), luaL_optinteger(L, at + 1, length));
    return call_original(L);
}

static int table_move(lua_State *L)
{
    charge_range(L, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
    return call_original(L);
}

/* ---- utf8 ---- */

static int by_bytes(lua_State *L)
{
    size_t bytes = 0;
    if (lua_type(L, 1) == LUA_TSTRING)
        lua_tolstring(L, 1, &bytes);
    maru_sandbox_charge(L, bytes / 8);
    return call_original(L);
}

/* ---- opening ---- */

static void drop(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

/* Puts `fn` in the place of a function of the table on top, which becomes its first upvalue. */
static void wrap(lua_State *L, const char *name, lua_CFunction fn, lua_Integer second_upvalue)
{
    lua_getfield(L, -1, name);
    lua_pushinteger(L, second_upvalue);
    lua_pushcclosure(L, fn, 2);
    lua_setfield(L, -2, name);
}

static void open_base(lua_State *L)
{
    static const char *const dropped[] = {"dofile", "loadfile", "warn", "print", NULL};
    static const luaL_Reg own[] = {
        {"pcall", base_pcall},
        {"xpcall", base_xpcall},
        {"setmetatable", base_setmetatable},
        {"collectgarbage", base_collectgarbage},
        {"load", base_load},
        {NULL, NULL},
    };
    luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
    drop(L, dropped);
    luaL_setfuncs(L, own, 0);
    lua_pop(L, 1);
}

static void open_table(lua_State *L)
{
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
    wrap(L, "insert", table_by_length, 0);
    wrap(L, "remove", table_by_length, 0);
    wrap(L, "sort", table_sort, 0);
    wrap(L, "concat", table_by_range, 3);
    wrap(L, "unpack", table_by_range, 2);
    wrap(L, "move", table_move, 0);
    lua_pop(L, 1);
}

static void open_coroutine(lua_State *L)
{
    luaL_requiref(L, LUA_COLIBNAME, luaopen_coroutine, 1);
    wrap(L, "create", coroutine_make, 0);
    lua_pushcfunction(L, coroutine_wrap);
    lua_setfield(L, -2, "wrap");
    lua_pushcfunction(L, coroutine_yield);
    lua_setfield(L, -2, "yield");
    wrap(L, "resume", coroutine_guard, 0);
    wrap(L, "close", coroutine_guard, 0);
    lua_pop(L, 1);
}

static void open_string(lua_State *L)
{
    static const char *const dropped[] = {"dump", NULL};
    static const char *const linear[] = {"upper", "lower", "reverse", "sub", "byte", "unpack", NULL};
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
    drop(L, dropped);
    for (const char *const *name = linear; *name; name++)
        wrap(L, *name, by_bytes, 0);
    maru_sandbox_open_string(L);
    lua_pop(L, 1);
}

void maru_libs_open(lua_State *L)
{
    static const char *const utf8[] = {"len", "codepoint", "offset", "codes", NULL};
    open_base(L);
    open_table(L);
    open_coroutine(L);
    open_string(L);
    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
    lua_getfield(L, -1, "randomseed");  // the same numbers in every run
    lua_pushinteger(L, 0);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
    for (const char *const *name = utf8; *name; name++)
        wrap(L, *name, by_bytes, 0);
    lua_pop(L, 1);
    // What the metatable of strings indexes is the same table, already bounded.
}
