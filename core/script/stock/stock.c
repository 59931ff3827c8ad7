// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "script/host.h"
#include "script/instance.h"
#include "script/protect.h"

/*
 * `require "maru"` in a stock Lua 5.4: the same module in a state that is the
 * host's own. There is no sandbox there. maru.open makes a model of a script:
 *
 *     local m = maru.open("scripts/models/minilm.lua", { weights = "minilm" })
 *     print(m:run { text = { "hello" } }.embedding)
 */

MARU_API int luaopen_maru(lua_State *L);

static const char *text_param(lua_State *L, int index, const char *key)
{
    if (lua_isnoneornil(L, index))
        return NULL;
    lua_getfield(L, index, key);
    const char *text = luaL_optstring(L, -1, NULL);
    lua_pop(L, 1);  // kept by the table of parameters
    return text;
}

static void print_to_stdout(void *ctx, const char *text, size_t bytes)
{
    (void)ctx;
    fwrite(text, 1, bytes, stdout);
    fflush(stdout);
}

/* maru.open(script or description, {weights, config, device, settings}) */
static int stock_open(lua_State *L)
{
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    maru_host *host = maru_host_of(L);
    const char *folder = ".";
    if (lua_type(L, 1) == LUA_TSTRING) {
        const char *path = lua_tostring(L, 1);
        folder = maru_push_folder(L, path);
        char *copy = maru_copy_text(L, folder);
        maru_take_script_dir(host, copy);
        maru_run_file(L, path);
        lua_copy(L, -1, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    const maru_model_params model = {.devices = text_param(L, 2, "device")};
    maru_instance_params params = {
        .script_dir = folder,
        .weights = text_param(L, 2, "weights"),
        .config = text_param(L, 2, "config"),
        .model = &model,
    };
    if (!lua_isnil(L, 2) && lua_getfield(L, 2, "settings") == LUA_TTABLE)
        params.settings = lua_gettop(L);
    maru_push_instance(L, 1, &params);
    return 1;
}

/* Finds maru.nn and the rest of the library for require, wherever package.path points. */
static int search_library(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (strncmp(name, "maru.", 5) != 0 || !maru_push_library_chunk(L, name)) {
        lua_pushfstring(L, "no module '%s' in Maru's library", name);
        return 1;
    }
    return 1;
}

/* Puts it before the searcher of files, whose chunks would not be known as the library's. */
static void add_searcher(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "insert");
    lua_pushvalue(L, -3);
    lua_pushinteger(L, 2);
    lua_pushcfunction(L, search_library);
    lua_call(L, 3, 0);
    lua_pop(L, 3);
}

int luaopen_maru(lua_State *L)
{
    // require gives the name of the module and the path of this very file
    const char *path = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    maru_host *host = maru_host_open(L);
    host->library = maru_find_library(path);
    host->print = print_to_stdout;
    add_searcher(L);
    maru_push_module(L);
    lua_pushcfunction(L, stock_open);
    lua_setfield(L, -2, "open");
    return 1;
}
