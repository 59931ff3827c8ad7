// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/host.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <maru/system.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"
#include "script/sandbox.h"
#include "script/value.h"

/* Registry: the maru_host, and the table of what was required. */
static const char host_key = 0;
static const char loaded_key = 0;

/* ---- the host ---- */

static int collect_host(lua_State *L)
{
    maru_host *host = lua_touserdata(L, 1);
    free(host->library);
    free(host->script_dir);
    *host = (maru_host){0};
    return 0;
}

maru_host *maru_host_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"__gc", collect_host}, {NULL, NULL}};
    maru_host *host = lua_newuserdatauv(L, sizeof *host, 0);
    *host = (maru_host){.is_sandboxed = maru_sandbox_of(L) != NULL};
    maru_push_class(L, "maru.host", functions);
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &host_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
    maru_dim_open(L);
    maru_value_open(L);
    maru_tensor_open(L);
    maru_text_open(L);
    maru_instance_open(L);
    maru_onnx_class(L);
    return host;
}

maru_host *maru_host_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &host_key);
    maru_host *host = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return host;
}

/* ---- files ---- */

static char *join(const char *folder, const char *rest)
{
    const size_t n = strlen(folder) + strlen(rest) + 1;
    char *path = malloc(n);
    if (path)
        snprintf(path, n, "%s%s", folder, rest);
    return path;
}

/* The first of the places around `folder` that has the library. */
static char *search_around(const char *folder)
{
    static const char *const places[] = {"/../../scripts",       "/../scripts",       "/../../../scripts",
                                         "/../../../../scripts", "/../share/maru",    "/../../../share/maru",
                                         "/../../../../share/maru"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *found = join(folder, places[i]);
        char *probe = found ? join(found, "/maru/nn.lua") : NULL;
        const bool is_there = probe && maru_path_exists(probe);
        free(probe);
        if (is_there)
            return found;
        free(found);
    }
    return NULL;
}

char *maru_find_library(const char *near)
{
    const char *library = getenv("MARU_LIBRARY");
    char *path = NULL;
    if (library)
        return join(library, "");
    if (near)
        path = join(near, "");
    else if (maru_program_path(&path) != MARU_OK)
        return NULL;
    char *slash = path ? strrchr(path, '/') : NULL;
    if (slash)
        *slash = 0;
    char *found = path ? search_around(slash ? path : ".") : NULL;
    free(path);
    return found;
}

static void close_file(void *held)
{
    fclose(held);
}

bool maru_push_file(lua_State *L, const char *path, size_t max_bytes)
{
    maru_box *file = maru_box_push(L, close_file);
    size_t total = 0;
    file->held = fopen(path, "rb");
    if (!file->held) {
        lua_pop(L, 1);
        return false;
    }
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (;;) {
        char *room = luaL_prepbuffer(&b);
        const size_t n = fread(room, 1, LUAL_BUFFERSIZE, file->held);
        total += n;
        if (total > max_bytes)
            maru_raise_text(L, MARU_RESOURCE_EXHAUSTED, "%s has more than %I bytes", path, (lua_Integer)max_bytes);
        if (n == 0)
            break;
        luaL_addsize(&b, n);
    }
    const bool failed = ferror((FILE *)file->held) != 0;
    const bool is_folder = failed && errno == EISDIR;
    luaL_pushresult(&b);
    maru_box_clear(file);
    if (failed)
        maru_raise_text(L, is_folder ? MARU_INVALID_ARGUMENT : MARU_DATA_LOSS,
                        is_folder ? "%s is a folder, not a file" : "%s cannot be read", path);
    lua_remove(L, -2);
    return true;
}

const char *maru_push_folder(lua_State *L, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return lua_pushliteral(L, ".");
    return lua_pushlstring(L, path, slash == path ? 1 : (size_t)(slash - path));
}

/* The text on top becomes a function that runs it under `name`. */
static void load_chunk(lua_State *L, const char *name)
{
    size_t bytes = 0;
    const char *text = lua_tolstring(L, -1, &bytes);
    if (bytes && text[0] == '#') {  // "#!/usr/bin/env maru"
        const char *line = memchr(text, '\n', bytes);
        const size_t skipped = line ? (size_t)(line - text) : bytes;
        text += skipped;
        bytes -= skipped;
    }
    if (bytes && text[0] == LUA_SIGNATURE[0])
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s is binary (compiled): a script must be text", name + 1);
    if (luaL_loadbufferx(L, text, bytes, name, "t") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
}

static void run_chunk(lua_State *L, const char *name)
{
    load_chunk(L, name);
    lua_call(L, 0, 1);
}

void maru_run_file(lua_State *L, const char *path)
{
    const int top = lua_gettop(L);
    if (!maru_push_file(L, path, MARU_MAX_SCRIPT_BYTES))
        maru_raise_text(L, MARU_NOT_FOUND, "%s: there is no such script", path);
    lua_pushfstring(L, "@%s", path);
    lua_insert(L, -2);
    run_chunk(L, lua_tostring(L, top + 1));
    lua_remove(L, top + 1);
}

/* ---- require ---- */

static bool is_module_name(const char *name)
{
    bool is_start = true;
    for (; *name; name++) {
        if (*name == '.') {
            if (is_start)
                return false;
            is_start = true;
            continue;
        }
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
        is_start = false;
    }
    return !is_start;
}

/* Pushes the chunk of the module of the library or the script's folder; nothing and false if there is none. */
static bool push_chunk(lua_State *L, const char *name)
{
    const maru_host *host = maru_host_of(L);
    const bool is_library = strncmp(name, "maru.", 5) == 0;
    const char *folder = is_library ? host->library : host->script_dir;
    if (!folder)
        return false;
    const char *relative = luaL_gsub(L, name, ".", "/");
    const char *path = lua_pushfstring(L, "%s/%s.lua", folder, relative);
    if (!maru_push_file(L, path, MARU_MAX_SCRIPT_BYTES)) {
        lua_pop(L, 2);
        return false;
    }
    const char *chunk = is_library ? lua_pushfstring(L, "=%s", name) : lua_pushfstring(L, "@%s", path);
    lua_insert(L, -2);
    load_chunk(L, chunk);
    lua_replace(L, -4);
    lua_pop(L, 2);
    return true;
}

bool maru_push_library_chunk(lua_State *L, const char *name)
{
    return is_module_name(name) && push_chunk(L, name);
}

void maru_take_script_dir(maru_host *host, char *folder)
{
    free(host->script_dir);
    host->script_dir = folder;
}

static int host_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        if (lua_islightuserdata(L, -1))
            return maru_raise_text(L, MARU_INVALID_ARGUMENT, "require: '%s' requires itself", name);
        return 1;
    }
    lua_pop(L, 1);
    if (!is_module_name(name))
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "require: '%s' is no name of a module", name);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&loaded_key);
    lua_setfield(L, 2, name);
    if (!push_chunk(L, name)) {
        lua_pushnil(L);
        lua_setfield(L, 2, name);
        return maru_raise_text(L, MARU_NOT_FOUND,
                               "require: there is no module '%s' in Maru's library or the script's folder", name);
    }
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, 2, name);
    return 1;
}

/* ---- print ---- */

static int host_print(lua_State *L)
{
    const int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_addchar(&b, '\n');
    luaL_pushresult(&b);
    size_t bytes = 0;
    const char *text = lua_tolstring(L, -1, &bytes);
    const maru_host *host = maru_host_of(L);
    maru_sandbox_charge(L, bytes);
    if (host->print)
        host->print(host->print_ctx, text, bytes);
    return 0;
}

/* ---- the module ---- */

/* Refuses a key of the description, the table at 1, that means nothing. */
static void check_keys(lua_State *L)
{
    static const char known[] = "name, doc, fetch, weights, inputs, outputs, options, extra_weights, parts, graph, "
                                "run, draw";
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const size_t n = strlen(key);
        const char *at = n ? strstr(known, key) : NULL;
        while (at && !((at == known || at[-1] == ' ') && (at[n] == ',' || at[n] == 0)))
            at = strstr(at + 1, key);
        if (!at)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: there is no field '%s'; there are: %s", key, known);
    }
}

/* maru.model { ... }: checks the description and gives it back. */
static int module_model(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_keys(L);
    const bool has_parts = lua_getfield(L, 1, "parts") == LUA_TTABLE;
    if (!has_parts && !lua_isnil(L, -1))
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: 'parts' must be a table, not %s",
                               luaL_typename(L, -1));
    const bool has_run = lua_getfield(L, 1, "run") == LUA_TFUNCTION;
    const bool has_graph = lua_getfield(L, 1, "graph") == LUA_TFUNCTION;
    // What has neither may run models of files in stages.
    if (!has_graph && !((has_parts || has_run) && lua_isnil(L, -1)))
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: 'graph' must be a function, not %s",
                               luaL_typename(L, -1));
    if (lua_getfield(L, 1, "run") != LUA_TFUNCTION && !(has_graph && lua_isnil(L, -1)))
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: 'run' must be a function, not %s",
                               luaL_typename(L, -1));
    if (lua_getfield(L, 1, "name") != LUA_TNIL && lua_type(L, -1) != LUA_TSTRING)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: 'name' must be a text, not %s",
                               luaL_typename(L, -1));
    lua_settop(L, 1);
    maru_check_layers(L, 1);
    return 1;
}

/* maru.fail(format, ...): an error at the line of the caller outside of the library */
static int module_fail(lua_State *L)
{
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "format");
    lua_insert(L, 1);
    lua_pop(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s", lua_tostring(L, -1));
}

/* What kind of thing of ours a value is: "value", "tensor", "dim", "model" or nil. */
static int module_type(lua_State *L)
{
    lua_settop(L, 1);
    if (maru_test_value(L, 1))
        lua_pushliteral(L, "value");
    else if (maru_test_tensor(L, 1))
        lua_pushliteral(L, "tensor");
    else if (maru_test_dim(L, 1))
        lua_pushliteral(L, "dim");
    else
        lua_pushnil(L);
    return 1;
}

int maru_push_module(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"model", module_model}, {"fail", module_fail}, {"type", module_type}, {NULL, NULL},
    };
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    maru_value_functions(L);
    maru_tensor_functions(L);
    lua_pushcfunction(L, host_require);
    lua_setfield(L, -2, "import");
    lua_pushcfunction(L, maru_module_onnx);
    lua_setfield(L, -2, "onnx");
    return 1;
}

void maru_host_globals(lua_State *L)
{
    lua_pushcfunction(L, host_print);
    lua_setglobal(L, "print");
    lua_pushcfunction(L, host_require);
    lua_setglobal(L, "require");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key);
    maru_push_module(L);
    lua_setfield(L, -2, "maru");
    lua_pop(L, 1);
}
