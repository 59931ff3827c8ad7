// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/instance.h"

#include <lauxlib.h>
#include <maru/onnx.h>
#include <maru/system.h>
#include <stdlib.h>
#include <string.h>

#include "script/explain.h"
#include "script/host.h"
#include "script/host_tensor.h"
#include "script/protect.h"
#include "script/sandbox.h"

/* Registry: the model whose graph is being built; one whose graph failed may stay. */
static const char builder_key = 0;

maru_instance *maru_check_instance(lua_State *L, int index)
{
    maru_instance *m = maru_test_class(L, index, MARU_CLASS_MODEL);
    if (!m)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a model was expected, not %s: call m:method(), not m.method()",
                        luaL_typename(L, index));
    return m;
}

static int collect(lua_State *L)
{
    maru_instance *m = lua_touserdata(L, 1);
    maru_session_destroy(&m->session);
    maru_model_destroy(&m->model);
    maru_weights_close(&m->weights);
    if (m->owns_runtime)
        maru_runtime_destroy(&m->runtime);
    free(m->devices);
    free(m->device_options);
    free(m->weights_path);
    free(m->folder);
    free(m->config_path);
    free(m->fetch);
    *m = (maru_instance){0};
    return 0;
}

void maru_push_fields(lua_State *L, int index)
{
    lua_getiuservalue(L, index, MARU_INSTANCE_FIELDS);
}

/* ---- finding files ---- */

static bool exists_in(lua_State *L, const char *folder, const char *name)
{
    const bool exists = maru_path_exists(lua_pushfstring(L, "%s/%s", folder, name));
    lua_pop(L, 1);
    return exists;
}

static bool has_weights(lua_State *L, const char *folder)
{
    return exists_in(L, folder, "model.safetensors") || exists_in(L, folder, "model.safetensors.index.json");
}

/* Pushes the folder of fetched models, or nil. */
static const char *push_fetched(lua_State *L, const char *name)
{
    maru_box *box = maru_box_push(L, NULL);
    char *cache = NULL;
    const maru_status status = maru_cache_folder(&cache);
    box->held = cache;
    if (status == MARU_OK)
        lua_pushfstring(L, "%s/%s", cache, name);
    else
        lua_pushnil(L);
    maru_box_clear(box);
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

/* Pushes the path of the weights, or nil: given, in the script's folder, named by the script, or fetched. */
static void push_weights_path(lua_State *L, const maru_instance *m, const maru_instance_params *params, int description)
{
    if (params->weights) {
        lua_pushstring(L, params->weights);
        return;
    }
    if (has_weights(L, params->script_dir)) {
        lua_pushstring(L, params->script_dir);
        return;
    }
    if (lua_getfield(L, description, "weights") == LUA_TSTRING) {
        lua_pushfstring(L, "%s/%s", params->script_dir, lua_tostring(L, -1));
        lua_remove(L, -2);
        if (maru_path_exists(lua_tostring(L, -1)))
            return;
    }
    lua_pop(L, 1);
    if (m->fetch) {
        const char *folder = push_fetched(L, m->fetch);
        if (folder && maru_path_exists(folder))
            return;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    const size_t n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static void find_files(lua_State *L, maru_instance *m, const maru_instance_params *params, int description)
{
    if (lua_getfield(L, description, "fetch") == LUA_TSTRING)
        m->fetch = maru_copy_text(L, lua_tostring(L, -1));
    push_weights_path(L, m, params, description);
    m->weights_path = maru_copy_text(L, lua_tostring(L, -1));
    if (m->weights_path) {
        const bool is_file = ends_with(m->weights_path, ".safetensors") || ends_with(m->weights_path, ".json") ||
                             ends_with(m->weights_path, ".onnx");
        m->folder = maru_copy_text(L, is_file ? maru_push_folder(L, m->weights_path) : m->weights_path);
    }
    if (params->config)
        m->config_path = maru_copy_text(L, params->config);
    else if (m->folder && exists_in(L, m->folder, "config.json"))
        m->config_path = maru_copy_text(L, lua_pushfstring(L, "%s/config.json", m->folder));
}

/* Pushes the table of config.json, empty if there is none. */
static void push_config(lua_State *L, const maru_instance *m)
{
    if (!m->config_path) {
        lua_newtable(L);
        return;
    }
    if (!maru_push_file(L, m->config_path, MARU_MAX_SCRIPT_BYTES))
        maru_raise_text(L, MARU_NOT_FOUND, "%s: there is no such file", m->config_path);
    size_t bytes = 0;
    const char *text = lua_tolstring(L, -1, &bytes);
    maru_push_json(L, text, bytes, m->config_path);
    lua_remove(L, -2);
    if (lua_type(L, -1) != LUA_TTABLE)
        maru_raise_text(L, MARU_DATA_LOSS, "%s must hold an object", m->config_path);
}

/* ---- options ---- */

/* The setting (its text) on top becomes a value of the kind of the default. */
static void convert_setting(lua_State *L, const char *key, int wanted)
{
    if (wanted == LUA_TSTRING)
        return;
    const int text = lua_gettop(L);
    maru_push_setting(L, lua_tostring(L, text));
    if (wanted != LUA_TNIL && lua_type(L, -1) != wanted)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "option %s = %s: a %s is needed", key, lua_tostring(L, text),
                        lua_typename(L, wanted));
    lua_remove(L, text);
}

static void apply_settings(lua_State *L, int settings, int described, int options, int parts)
{
    lua_pushnil(L);
    while (lua_next(L, settings)) {
        const char *key = lua_tostring(L, -2);
        if (maru_is_part_setting(L, parts, key)) {
            lua_pop(L, 1);
            continue;
        }
        if (lua_getfield(L, described, key) != LUA_TTABLE)
            maru_raise_text(L, MARU_NOT_FOUND, "there is no option %s; there is: %s", key,
                            maru_push_names(L, described));
        const int wanted = lua_getfield(L, -1, "default");
        lua_pop(L, 2);
        if (lua_type(L, -1) == LUA_TSTRING)
            convert_setting(L, key, wanted);
        lua_setfield(L, options, key);
    }
}

/* Pushes the table of options: the defaults of the description, then the settings. */
static void push_options(lua_State *L, int description, int settings)
{
    lua_newtable(L);
    const int options = lua_gettop(L);
    if (lua_getfield(L, description, "options") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    const int described = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, described)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TTABLE)
            maru_raise_text(L, MARU_INVALID_ARGUMENT,
                            "maru.model: options are { name = { default = ..., doc = ... } }");
        lua_getfield(L, -1, "default");
        lua_setfield(L, options, lua_tostring(L, -3));
        lua_pop(L, 1);
    }
    lua_getfield(L, description, "parts");
    if (settings)
        apply_settings(L, settings, described, options, lua_gettop(L));
    lua_settop(L, options);
}

/* ---- making ---- */

static void set_params(lua_State *L, maru_instance *m, const maru_instance_params *params)
{
    if (params->model) {
        m->model_params = *params->model;
        m->model_params.devices = m->model_params.device_options = NULL;
        m->devices = maru_copy_text(L, params->model->devices);
        m->device_options = maru_copy_text(L, params->model->device_options);
        m->model_params.devices = m->devices;
        m->model_params.device_options = m->device_options;
    }
    m->runtime = params->runtime;
    if (!m->runtime) {
        m->owns_runtime = true;
        MARU_LUA_TRY(L, maru_runtime_create(NULL, &m->runtime));
    }
}

/* m.state: a table that can be called, as m:state(...) */
static void push_state_table(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, maru_build_state);
    lua_setfield(L, -2, "__call");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

maru_instance *maru_push_instance(lua_State *L, int index, const maru_instance_params *params)
{
    index = lua_absindex(L, index);
    maru_instance *m = lua_newuserdatauv(L, sizeof *m, MARU_INSTANCE_VALUES);
    const int self = lua_gettop(L);
    *m = (maru_instance){0};
    luaL_setmetatable(L, MARU_CLASS_MODEL);
    set_params(L, m, params);
    find_files(L, m, params, index);
    lua_settop(L, self);
    lua_newtable(L);
    lua_setiuservalue(L, self, MARU_INSTANCE_INPUTS);
    lua_newtable(L);
    lua_pushvalue(L, index);
    lua_setfield(L, -2, "description");
    lua_getfield(L, index, "name");
    lua_setfield(L, -2, "name");
    push_config(L, m);
    lua_setfield(L, -2, "config");
    push_options(L, index, params->settings);
    lua_setfield(L, -2, "options");
    push_state_table(L);
    lua_setfield(L, -2, "state");
    lua_setiuservalue(L, self, MARU_INSTANCE_FIELDS);
    maru_make_parts(L, self, index, params);
    return m;
}

/* ---- building ---- */

/* The constants that the text does not hold come from the weights, if there are any. */
static void read_text_graph(lua_State *L, int index, maru_graph_ref *ref, int description)
{
    const maru_instance *m = maru_check_instance(L, index);

    size_t bytes = 0;
    const char *text = lua_tolstring(L, -1, &bytes);
    lua_getfield(L, description, "name");
    MARU_LUA_TRY(L, maru_graph_read(text, bytes, luaL_optstring(L, -1, "graph"), &ref->graph));
    if (m->weights_path) {
        maru_push_weights(L, index);
        MARU_LUA_TRY(L, maru_weights_bind(m->weights, ref->graph));
    }
}

maru_graph_ref *maru_push_built_graph(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    maru_check_instance(L, index);
    maru_graph_ref *ref = maru_push_graph(L);
    const int graph = lua_gettop(L);
    maru_push_fields(L, index);
    lua_getfield(L, -1, "description");
    const int description = lua_gettop(L);
    if (lua_getfield(L, description, "text") == LUA_TSTRING) {
        read_text_graph(L, index, ref, description);
        lua_settop(L, graph);
        return ref;
    }
    if (lua_getfield(L, description, "onnx") == LUA_TSTRING) {
        MARU_LUA_TRY(L, maru_onnx_load(lua_tostring(L, -1), &maru_host_of(L)->onnx, &ref->graph));
        lua_settop(L, graph);
        return ref;
    }
    lua_getfield(L, description, "name");
    if (lua_getfield(L, description, "graph") == LUA_TNIL) {
        lua_getiuservalue(L, index, MARU_INSTANCE_PARTS);
        const char *name = luaL_optstring(L, -3, "the model");
        lua_pushnil(L);
        if (!lua_next(L, -2))
            maru_raise_text(L, MARU_FAILED_PRECONDITION, "%s has no graph", name);
        lua_pop(L, 2);
        maru_raise_text(L, MARU_FAILED_PRECONDITION, "%s has no graph of its own, but its parts have: %s", name,
                        maru_push_names(L, lua_gettop(L)));
    }
    lua_pop(L, 1);
    MARU_LUA_TRY(L, maru_graph_create(luaL_optstring(L, -1, "model"), &ref->graph));
    lua_newtable(L);
    lua_setiuservalue(L, index, MARU_INSTANCE_USED);
    lua_newtable(L);
    lua_setiuservalue(L, index, MARU_INSTANCE_PROBLEMS);
    lua_pushvalue(L, graph);
    lua_setiuservalue(L, index, MARU_INSTANCE_GRAPH);
    lua_pushvalue(L, index);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &builder_key);
    lua_getfield(L, description, "graph");
    lua_pushvalue(L, index);
    lua_call(L, 1, 0);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &builder_key);
    maru_check_weights(L, index);
    lua_pushnil(L);
    lua_setiuservalue(L, index, MARU_INSTANCE_GRAPH);
    lua_pushnil(L);
    lua_setiuservalue(L, index, MARU_INSTANCE_USED);
    MARU_LUA_TRY(L, maru_graph_verify(ref->graph));
    lua_settop(L, graph);
    return ref;
}

void maru_need_model(lua_State *L, int index)
{
    maru_instance *m = maru_check_instance(L, index);
    if (m->model)
        return;
    maru_graph_ref *ref = maru_push_built_graph(L, index);
    MARU_LUA_TRY(L, maru_model_create(m->runtime, &ref->graph, &m->model_params, &m->model));
    lua_pop(L, 1);
}

void maru_need_session(lua_State *L, int index)
{
    maru_instance *m = maru_check_instance(L, index);
    maru_need_model(L, index);
    if (!m->session)
        MARU_LUA_TRY(L, maru_session_create(m->model, &m->session));
}

/* ---- running ---- */

void maru_push_run(lua_State *L, int index, int inputs)
{
    index = lua_absindex(L, index);
    inputs = lua_absindex(L, inputs);
    maru_push_fields(L, index);
    lua_getfield(L, -1, "description");
    if (lua_getfield(L, -1, "run") == LUA_TFUNCTION) {
        lua_pushvalue(L, index);
        lua_pushvalue(L, inputs);
        lua_call(L, 2, 1);
        if (lua_type(L, -1) != LUA_TTABLE)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "run must return a table of outputs by name, not %s",
                            luaL_typename(L, -1));
    } else {
        lua_pop(L, 1);
        maru_need_session(L, index);
        maru_push_session_run(L, index, inputs);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* ---- methods ---- */

static void check_plain(lua_State *L, const char *name)
{
    if (*name == '.' || strchr(name, '/') || strchr(name, '\\'))
        maru_raise_text(L, MARU_PERMISSION_DENIED, "%s: a script may read files beside its weights only", name);
}

/* A file beside the weights, by a plain name; raises where there is no such place. */
static const char *push_beside(lua_State *L, const maru_instance *m, const char *name)
{
    if (!m->folder)
        maru_raise_text(L, MARU_NOT_FOUND, "%s: there are no weights that it could lie beside", name);
    check_plain(L, name);
    return lua_pushfstring(L, "%s/%s", m->folder, name);
}

void maru_push_builder(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &builder_key);
}

/* A file that was given as the weights stands for the one that the script names. */
const char *maru_push_model_file(lua_State *L, const maru_instance *m, const char *name)
{
    if (m->weights_path && ends_with(m->weights_path, ".onnx"))
        return lua_pushstring(L, m->weights_path);
    if (m->folder)
        return push_beside(L, m, name);
    check_plain(L, name);
    const char *folder = maru_host_of(L)->script_dir;
    const char *path = lua_pushfstring(L, "%s/%s", folder ? folder : ".", name);
    if (!maru_path_exists(path))
        maru_raise_text(L, MARU_NOT_FOUND, "there is no %s: give --weights, the file or its folder", path);
    return path;
}

/* m:tokenizer(name): the file beside the weights, or what is found there */
static int model_tokenizer(lua_State *L)
{
    lua_settop(L, 2);
    const maru_instance *m = maru_check_instance(L, 1);
    const char *name = luaL_optstring(L, 2, NULL);
    if (!m->folder && m->fetch)
        return maru_raise_text(L, MARU_NOT_FOUND, "there are no weights: give --weights, or run: maru fetch %s",
                               m->fetch);
    maru_push_fields(L, 1);
    lua_pushfstring(L, "tokenizer:%s", name ? name : "");
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 3) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    if (!m->folder)
        return maru_raise_text(L, MARU_NOT_FOUND, "there are no weights that a tokenizer could lie beside");
    maru_push_tokenizer(L, name ? push_beside(L, m, name) : m->folder);
    lua_pushvalue(L, 4);
    lua_pushvalue(L, -2);
    lua_rawset(L, 3);
    return 1;
}

/* m:file(name): the text of a file beside the weights */
static int model_file(lua_State *L)
{
    lua_settop(L, 2);
    const maru_instance *m = maru_check_instance(L, 1);
    const char *path = push_beside(L, m, luaL_checkstring(L, 2));
    if (!maru_push_file(L, path, MARU_MAX_FILE_BYTES))
        return maru_raise_text(L, MARU_NOT_FOUND, "%s: there is no such file", path);
    return 1;
}

/* m:has_file(name) */
static int model_has_file(lua_State *L)
{
    lua_settop(L, 2);
    const maru_instance *m = maru_check_instance(L, 1);
    lua_pushboolean(L, m->folder && maru_path_exists(push_beside(L, m, luaL_checkstring(L, 2))));
    return 1;
}

/* m:json(name): the table of a JSON file beside the weights */
static int model_json(lua_State *L)
{
    model_file(L);
    size_t bytes = 0;
    const char *text = lua_tolstring(L, -1, &bytes);
    maru_push_json(L, text, bytes, lua_tostring(L, 2));
    return 1;
}

/* m:emit(text): output that streams */
static int model_emit(lua_State *L)
{
    size_t bytes = 0;
    maru_check_instance(L, 1);
    const char *text = luaL_checklstring(L, 2, &bytes);
    const maru_host *host = maru_host_of(L);
    maru_sandbox_charge(L, bytes);
    if (host->print && bytes)
        host->print(host->print_ctx, text, bytes);
    return 0;
}

/* m:run(inputs), for programs that opened the model themselves */
static int model_run(lua_State *L)
{
    lua_settop(L, 2);
    maru_check_instance(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    maru_push_run(L, 1, 2);
    return 1;
}

/* Upvalue 1: the methods. */
static int model_index(lua_State *L)
{
    maru_check_instance(L, 1);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    maru_push_fields(L, 1);
    lua_pushvalue(L, 2);
    if (lua_type(L, -2) == LUA_TTABLE && lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (strcmp(key, "weights") == 0) {
        maru_push_weights(L, 1);
        maru_push_fields(L, 1);
        lua_pushvalue(L, -2);
        lua_setfield(L, -2, "weights");
        lua_pop(L, 1);
    } else if (*key) {
        maru_note_missing(L, lua_upvalueindex(1));
    }
    return 1;
}

/* m.anything = value, for what a script keeps between its functions; not what we keep there */
static int model_newindex(lua_State *L)
{
    static const char *const ours[] = {"config", "options", "state", "name", "description", "weights"};
    maru_check_instance(L, 1);
    const char *key = luaL_checkstring(L, 2);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(key, ours[i]) == 0)
            return maru_raise_text(L, MARU_INVALID_ARGUMENT, "m.%s cannot be replaced", key);
    maru_push_fields(L, 1);
    lua_insert(L, 2);
    lua_rawset(L, 2);
    return 0;
}

void maru_instance_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"__gc", collect}, {"__newindex", model_newindex}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"session", maru_model_session}, {"tokenizer", model_tokenizer}, {"file", model_file},
        {"has_file", model_has_file},    {"json", model_json},           {"emit", model_emit},
        {"run", model_run},              {"part", maru_model_part},      {"flow", maru_model_flow},
        {NULL, NULL},
    };
    maru_push_class(L, MARU_CLASS_MODEL, functions);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    maru_builder_methods(L);
    lua_pushcclosure(L, model_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    maru_weights_class(L);
    maru_session_class(L);
    maru_flow_class(L);
}
