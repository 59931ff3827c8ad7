// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/script.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/explain.h"
#include "script/host.h"
#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"
#include "script/sandbox.h"

/* Registry of the script's state. */
enum { MODEL = 1, INPUTS, OUTPUTS, LISTS, PART, N_PLACES = PART };
enum { MAX_SESSIONS = 64 };
static const char places_key[N_PLACES + 1] = {0};

static const size_t default_memory = (size_t)1 << 30;
static const uint64_t default_instructions = 500u * 1000 * 1000;
static const uint64_t default_run_instructions = 50ull * 1000 * 1000 * 1000;

typedef struct described {
    const char *name;  // texts of the state
    const char *doc;
} described;

typedef struct list {
    described *items;  // in a box of the state
    size_t count;
} list;

typedef struct output {
    const char *name;  // text of the state
    maru_file_value value;
} output;

typedef struct outputs {
    size_t count;
    output items[];
} outputs;

struct maru_script {
    lua_State *L;
    maru_sandbox sandbox;
    maru_script_limits limits;
    maru_runtime *runtime;
    const char *name;
    const char *doc;
    list lists[MARU_SCRIPT_OUTPUTS + 1];
    size_t n_sessions;       // of the model and of its parts, once they are prepared
    maru_session *sessions[MAX_SESSIONS];
    outputs *outputs;        // a userdata of the state, or NULL
};

static void push_place(lua_State *L, int place)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key[place]);
}

/* Pops it. */
static void set_place(lua_State *L, int place)
{
    lua_rawsetp(L, LUA_REGISTRYINDEX, &places_key[place]);
}

/* ---- protected calls ---- */

typedef struct call {
    maru_script *script;
    const void *in;
    const void *more;
    void *out;
} call;

/* Runs `fn` with a call as its light userdata and a budget of `steps`. */
static maru_status protect_run(maru_script *script, lua_CFunction fn, call *c, uint64_t steps, int64_t deadline_ns)
{
    lua_State *L = script->L;
    if (!maru_sandbox_begin(&script->sandbox, steps, deadline_ns))
        return maru_error_set(MARU_FAILED_PRECONDITION, "the script reached a limit before: load it again");
    c->script = script;
    lua_settop(L, 0);
    lua_pushcfunction(L, maru_explain_error);
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, c);
    const int status = lua_pcall(L, 1, 0, 1);
    if (status == LUA_OK)
        return MARU_OK;
    return maru_error_from_lua(L, status);
}

/* With the limits of loading. */
static maru_status protect(maru_script *script, lua_CFunction fn, call *c)
{
    return protect_run(script, fn, c, script->limits.instructions, 0);
}

static call *get_call(lua_State *L)
{
    call *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    return c;
}

/* ---- descriptions ---- */

static const char *text_field(lua_State *L, int index, const char *key)
{
    lua_getfield(L, index, key);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    lua_pop(L, 1);  // kept by the table
    return text;
}

static int compare_described(const void *a, const void *b)
{
    return strcmp(((const described *)a)->name, ((const described *)b)->name);
}

/* Reads { {name = ..., doc = ...}, ... } in its order, or { name = {doc = ...} } by name. */
static list read_list(lua_State *L, int description, const char *key)
{
    list out = {0};
    if (lua_getfield(L, description, key) != LUA_TTABLE)
        return out;
    const int table = lua_gettop(L);
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        n++;
    out.items = maru_box_array(L, n, sizeof *out.items);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        const bool has_name = lua_type(L, -2) == LUA_TSTRING;
        if (lua_type(L, -1) != LUA_TTABLE)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: '%s' is { name = { doc = ... }, ... }", key);
        described *d = &out.items[out.count++];
        d->name = has_name ? lua_tostring(L, -2) : text_field(L, lua_gettop(L), "name");
        d->doc = text_field(L, lua_gettop(L), "doc");
    }
    if (lua_rawlen(L, table) == 0)
        qsort(out.items, out.count, sizeof *out.items, compare_described);
    return out;
}

static void read_description(lua_State *L, maru_script *s, int description)
{
    s->name = text_field(L, description, "name");
    s->doc = text_field(L, description, "doc");
    lua_newtable(L);  // what keeps the boxes
    const int kept = lua_gettop(L);
    static const char *const keys[] = {"inputs", "options", "outputs"};
    for (int i = 0; i <= MARU_SCRIPT_OUTPUTS; i++) {
        s->lists[i] = read_list(L, description, keys[i]);
        lua_rawseti(L, kept, i + 1);
    }
    lua_settop(L, kept);
    set_place(L, LISTS);
}

/* Options of parts are called "part.option". */
static void read_part_options(lua_State *L, maru_script *s, int model)
{
    const size_t n = maru_push_all_parts(L, model);
    const int all = lua_gettop(L);
    lua_newtable(L);  // what keeps the list: { options = ..., box = ... }
    lua_newtable(L);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, all, (lua_Integer)(2 * i + 1));
        const char *prefix = lua_tostring(L, -1);
        lua_rawgeti(L, all, (lua_Integer)(2 * i + 2));
        maru_push_fields(L, -1);
        lua_getfield(L, -1, "description");
        const bool has_options = lua_getfield(L, -1, "options") == LUA_TTABLE;
        for (lua_pushnil(L); has_options && lua_next(L, -2);) {
            lua_pushfstring(L, "%s%s", prefix, lua_tostring(L, -2));
            lua_insert(L, -2);
            lua_rawset(L, all + 2);
        }
        lua_settop(L, all + 2);
    }
    lua_setfield(L, all + 1, "options");
    s->lists[MARU_SCRIPT_OPTIONS] = read_list(L, all + 1, "options");
    lua_setfield(L, all + 1, "box");
    push_place(L, LISTS);
    lua_pushvalue(L, all + 1);
    lua_rawseti(L, -2, MARU_SCRIPT_OPTIONS + 1);
    lua_settop(L, all - 1);
}

/* ---- loading ---- */

typedef struct loading {
    const char *path;
    const maru_script_params *params;
} loading;

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    const size_t n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

bool maru_script_is_graph(const char *path)
{
    static const char start[] = "maru 1 ";
    char room[sizeof start - 1];
    FILE *file = fopen(path, "rb");
    const size_t n = file ? fread(room, 1, sizeof room, file) : 0;
    if (file)
        fclose(file);
    return n == sizeof room && memcmp(room, start, n) == 0;
}

/* Sets t[field] = { name = { doc = type } } for the inputs or outputs of a graph; t on top. */
static void describe_values(lua_State *L, maru_graph_ref *ref, int graph, bool is_input)
{
    const size_t n = is_input ? maru_graph_input_count(ref->graph) : maru_graph_output_count(ref->graph);
    lua_newtable(L);
    for (size_t i = 0; i < n; i++) {
        const char *name = "";
        const maru_value value = is_input ? maru_graph_input_at(ref->graph, i)
                                          : maru_graph_output_at(ref->graph, i, &name);
        maru_value_info info = {0};
        MARU_LUA_TRY(L, maru_graph_value_info(ref->graph, value, &info));
        lua_createtable(L, 0, 2);
        lua_pushstring(L, is_input ? info.name : name);
        lua_setfield(L, -2, "name");
        maru_push_value(L, graph, value);
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
        lua_setfield(L, -2, "doc");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, is_input ? "inputs" : "outputs");
}

/* A description of a graph in text form, or of an ONNX model: the graph is read again when it is needed. */
static void push_file_description(lua_State *L, const char *path, bool is_onnx)
{
    size_t bytes = 0;
    if (is_onnx)
        lua_pushstring(L, path);
    else if (!maru_push_file(L, path, MARU_MAX_FILE_BYTES))
        maru_raise_text(L, MARU_NOT_FOUND, "%s: there is no such file", path);
    const char *text = lua_tolstring(L, -1, &bytes);
    maru_graph_ref *ref = maru_push_graph(L);
    const int graph = lua_gettop(L);
    MARU_LUA_TRY(L, is_onnx ? maru_onnx_load(path, &maru_host_of(L)->onnx, &ref->graph)
                            : maru_graph_read(text, bytes, path, &ref->graph));
    lua_newtable(L);
    describe_values(L, ref, graph, true);
    describe_values(L, ref, graph, false);
    lua_pushvalue(L, graph - 1);
    lua_setfield(L, -2, is_onnx ? "onnx" : "text");
    const char *name = maru_graph_get_name(ref->graph);
    lua_pushstring(L, *name ? name : path);
    lua_setfield(L, -2, "name");
    lua_replace(L, graph - 1);
    lua_settop(L, graph - 1);
}

static void push_settings(lua_State *L, const maru_script_params *params)
{
    lua_newtable(L);
    for (size_t i = 0; i < params->n_settings; i++) {
        lua_pushstring(L, params->settings[i].value);
        lua_setfield(L, -2, params->settings[i].key);
    }
}

static void open_host(lua_State *L, const loading *load)
{
    maru_host *host = maru_host_open(L);
    host->print = load->params->print;
    host->print_ctx = load->params->print_ctx;
    host->onnx = (maru_onnx_params){load->params->known, load->params->n_known, true};
    host->library = load->params->library ? maru_copy_text(L, load->params->library) : maru_find_library(NULL);
    host->script_dir = maru_copy_text(L, maru_push_folder(L, load->path));
    lua_pop(L, 1);
    maru_host_globals(L);
}

static int load_protected(lua_State *L)
{
    const call *c = get_call(L);
    const loading *load = c->in;
    open_host(L, load);
    const bool is_onnx = ends_with(load->path, ".onnx");
    if (is_onnx || ends_with(load->path, ".maru") || maru_script_is_graph(load->path))
        push_file_description(L, load->path, is_onnx);
    else
        maru_run_file(L, load->path);
    if (lua_type(L, -1) != LUA_TTABLE)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "%s must return what maru.model { ... } gives, not %s",
                               load->path, luaL_typename(L, -1));
    const int description = lua_gettop(L);
    read_description(L, c->script, description);
    push_settings(L, load->params);
    const maru_instance_params params = {
        .runtime = c->script->runtime,
        .script_dir = maru_host_of(L)->script_dir,
        .weights = load->params->weights,
        .config = load->params->config,
        .model = &load->params->model,
        .settings = lua_gettop(L),
    };
    maru_push_instance(L, description, &params);
    const int model = lua_gettop(L);
    read_part_options(L, c->script, model);
    if (load->params->part)
        maru_push_part(L, model, load->params->part);
    else
        lua_pushvalue(L, model);
    set_place(L, PART);
    set_place(L, MODEL);
    lua_newtable(L);
    set_place(L, INPUTS);
    return 0;
}

static maru_script_limits limits_of(const maru_script_limits *from)
{
    maru_script_limits limits = *from;
    limits.memory_bytes = limits.memory_bytes ? limits.memory_bytes : default_memory;
    limits.instructions = limits.instructions ? limits.instructions : default_instructions;
    limits.run_instructions = limits.run_instructions ? limits.run_instructions : default_run_instructions;
    return limits;
}

maru_status maru_script_load(maru_runtime *runtime, const char *path, const maru_script_params *params,
                             maru_script **out_script)
{
    static const maru_script_params defaults = {0};
    const loading load = {.path = path, .params = params ? params : &defaults};
    *out_script = NULL;
    maru_script *s = calloc(1, sizeof *s);
    if (!s)
        return maru_error_set(MARU_RESOURCE_EXHAUSTED, "out of memory: script");
    s->runtime = runtime;
    s->limits = limits_of(&load.params->limits);
    s->sandbox.max_bytes = s->limits.memory_bytes;
    s->sandbox.fail_allocation = s->limits.fail_allocation;
    s->L = maru_sandbox_open(&s->sandbox);
    if (!s->L) {
        free(s);
        return maru_error_set(MARU_RESOURCE_EXHAUSTED, "out of memory: the script reached its memory limit");
    }
    call c = {.in = &load};
    const maru_status status = protect(s, load_protected, &c);
    if (status != MARU_OK) {
        maru_script_destroy(&s);
        return status;
    }
    *out_script = s;
    return MARU_OK;
}

void maru_script_destroy(maru_script **script)
{
    maru_script *s = *script;
    *script = NULL;
    if (!s)
        return;
    lua_close(s->L);
    free(s);
}

/* ---- what it says of itself ---- */

const char *maru_script_name(const maru_script *script)
{
    return script->name;
}

const char *maru_script_doc(const maru_script *script)
{
    return script->doc;
}

bool maru_script_describe(const maru_script *script, maru_script_list which, size_t index, const char **out_name,
                          const char **out_doc)
{
    const list *l = &script->lists[which];
    if (index >= l->count)
        return false;
    *out_name = l->items[index].name;
    *out_doc = l->items[index].doc;
    return true;
}

static int layer_protected(lua_State *L)
{
    const call *c = get_call(L);
    push_place(L, MODEL);
    maru_push_fields(L, 1);
    lua_getfield(L, 2, "description");
    if (!maru_read_layer(L, 3, *(const size_t *)c->in, c->out))
        ((maru_script_layer *)c->out)->output = NULL;
    return 0;
}

bool maru_script_layer_at(maru_script *script, size_t index, maru_script_layer *out_layer)
{
    call c = {.in = &index, .out = out_layer};
    return protect(script, layer_protected, &c) == MARU_OK && out_layer->output;
}

/* ---- graph, model, session ---- */

static int graph_protected(lua_State *L)
{
    const call *c = get_call(L);
    push_place(L, PART);
    maru_graph_ref *ref = maru_push_built_graph(L, 1);
    *(maru_graph **)c->out = ref->graph;
    ref->graph = NULL;
    return 0;
}

maru_status maru_script_graph(maru_script *script, maru_graph **out_graph)
{
    call c = {.out = out_graph};
    *out_graph = NULL;
    return protect(script, graph_protected, &c);
}

static int model_protected(lua_State *L)
{
    const call *c = get_call(L);
    push_place(L, PART);
    maru_need_model(L, 1);
    *(maru_model **)c->out = maru_check_instance(L, 1)->model;
    return 0;
}

maru_status maru_script_model(maru_script *script, maru_model **out_model)
{
    call c = {.out = out_model};
    *out_model = NULL;
    return protect(script, model_protected, &c);
}

static int session_protected(lua_State *L)
{
    const call *c = get_call(L);
    push_place(L, PART);
    maru_need_session(L, 1);
    *(maru_session **)c->out = maru_check_instance(L, 1)->session;
    return 0;
}

maru_status maru_script_session(maru_script *script, maru_session **out_session)
{
    call c = {.out = out_session};
    *out_session = NULL;
    return protect(script, session_protected, &c);
}

static int prepare_protected(lua_State *L)
{
    maru_script *s = get_call(L)->script;
    push_place(L, MODEL);
    const size_t n = maru_push_all_parts(L, 1);
    s->n_sessions = 0;
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)(2 * i + 2));
        if (maru_has_graph(L, 3)) {
            maru_need_session(L, 3);
            if (s->n_sessions == MAX_SESSIONS)
                return maru_raise_text(L, MARU_UNSUPPORTED, "%s has more than %d parts", s->name, MAX_SESSIONS);
            s->sessions[s->n_sessions++] = maru_check_instance(L, 3)->session;
        }
        lua_settop(L, 2);
    }
    return 0;
}

maru_status maru_script_prepare(maru_script *script)
{
    call c = {0};
    return protect(script, prepare_protected, &c);
}

void maru_script_cancel(maru_script *script)
{
    for (size_t i = 0; i < script->n_sessions; i++)
        maru_session_cancel(script->sessions[i]);
}

/* ---- inputs ---- */

static bool has_input(const maru_script *s, const char *name)
{
    const list *l = &s->lists[MARU_SCRIPT_INPUTS];
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return true;
    return l->count == 0;  // a script that describes none takes what its graph takes
}

static void push_input_names(lua_State *L, const maru_script *s)
{
    const list *l = &s->lists[MARU_SCRIPT_INPUTS];
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < l->count; i++) {
        luaL_addstring(&b, i ? ", " : "");
        luaL_addstring(&b, l->items[i].name);
    }
    luaL_pushresult(&b);
}

/* Pushes the description's table for an input, or nil. */
static void push_described_input(lua_State *L, const char *name)
{
    push_place(L, MODEL);
    maru_push_fields(L, -1);
    lua_getfield(L, -1, "description");
    if (lua_getfield(L, -1, "inputs") != LUA_TTABLE) {
        lua_pushnil(L);
        return;
    }
    const int inputs = lua_gettop(L);
    if (lua_getfield(L, inputs, name) == LUA_TTABLE)
        return;
    for (lua_Integer i = 1; lua_rawgeti(L, inputs, i) == LUA_TTABLE; i++) {
        if (strcmp(text_field(L, lua_gettop(L), "name"), name) == 0)
            return;
        lua_pop(L, 1);
    }
}

static int input_protected(lua_State *L)
{
    const call *c = get_call(L);
    const char *name = c->more;
    const maru_file_value *value = c->in;
    if (!has_input(c->script, name)) {
        push_input_names(L, c->script);
        return maru_raise_text(L, MARU_NOT_FOUND, "%s has no input '%s'; it has: %s", c->script->name, name,
                               lua_tostring(L, -1));
    }
    push_described_input(L, name);
    const char *kind = lua_istable(L, -1) ? text_field(L, lua_gettop(L), "kind") : "";
    const bool wants_text = strcmp(kind, "string") == 0;
    if ((wants_text || strcmp(kind, "strings") == 0) && !value->is_strings)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "input '%s' is text, not numbers", name);
    push_place(L, INPUTS);
    if (wants_text && value->strings.count == 1)
        lua_pushstring(L, value->strings.items[0]);
    else if (wants_text)
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "input '%s' is one text, not %I", name,
                               (lua_Integer)value->strings.count);
    else
        maru_push_file_value(L, value);
    if (strcmp(kind, "strings") == 0 && lua_type(L, -1) == LUA_TSTRING) {
        lua_createtable(L, 1, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
    }
    lua_setfield(L, -2, name);
    return 0;
}

maru_status maru_script_set_input(maru_script *script, const char *name, const maru_file_value *value)
{
    call c = {.in = value, .more = name};
    return protect(script, input_protected, &c);
}

/* ---- running ---- */

static int collect_outputs(lua_State *L)
{
    outputs *o = lua_touserdata(L, 1);
    for (size_t i = 0; i < o->count; i++)
        maru_file_value_fini(&o->items[i].value);
    o->count = 0;
    return 0;
}

static size_t count_fields(lua_State *L, int table)
{
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        n++;
    return n;
}

static bool is_listed(const outputs *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->items[i].name, name) == 0)
            return true;
    return false;
}

/* The value on top, which it pops, under a name that the table of outputs keeps. */
static void add_output(lua_State *L, outputs *o, const char *name)
{
    output *item = &o->items[o->count];
    const int type = lua_type(L, -1);
    if (type == LUA_TFUNCTION || type == LUA_TTHREAD)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "output '%s' of run is a %s: a tensor, a number, a text or a table "
                        "of them was expected", name, lua_typename(L, type));
    *item = (output){.name = name};
    o->count++;
    maru_read_file_value(L, -1, &item->value);
    lua_pop(L, 1);
}

static int compare_outputs(const void *a, const void *b)
{
    return strcmp(((const output *)a)->name, ((const output *)b)->name);
}

/* The table of outputs at `table`: those described first and in that order, the others by name. */
static void keep_outputs(lua_State *L, maru_script *s, int table)
{
    static const luaL_Reg functions[] = {{"__gc", collect_outputs}, {NULL, NULL}};
    const size_t n = count_fields(L, table);
    outputs *o = lua_newuserdatauv(L, sizeof *o + n * sizeof *o->items, 1);
    o->count = 0;
    maru_push_class(L, "maru.outputs", functions);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, table);
    lua_setiuservalue(L, -2, 1);
    const list *l = &s->lists[MARU_SCRIPT_OUTPUTS];
    for (size_t i = 0; i < l->count; i++) {
        if (lua_getfield(L, table, l->items[i].name) == LUA_TNIL)
            lua_pop(L, 1);
        else
            add_output(L, o, l->items[i].name);
    }
    const size_t n_described = o->count;
    for (lua_pushnil(L); lua_next(L, table);) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        if (!name)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "run must return outputs by name");
        if (is_listed(o, name))
            lua_pop(L, 1);
        else
            add_output(L, o, name);
    }
    if (o->count > n_described)
        qsort(o->items + n_described, o->count - n_described, sizeof *o->items, compare_outputs);
    set_place(L, OUTPUTS);
    s->outputs = o;
}

/* Inputs that were not set take their default; without one they are needed. */
static void need_inputs(lua_State *L, const maru_script *s, int inputs)
{
    const list *l = &s->lists[MARU_SCRIPT_INPUTS];
    for (size_t i = 0; i < l->count; i++) {
        const bool is_set = lua_getfield(L, inputs, l->items[i].name) != LUA_TNIL;
        lua_pop(L, 1);
        if (is_set)
            continue;
        push_described_input(L, l->items[i].name);
        if (!lua_istable(L, -1)) {
            lua_settop(L, inputs);
            continue;
        }
        lua_getfield(L, -1, "optional");
        lua_getfield(L, -2, "default");
        if (!lua_isnil(L, -1))
            lua_setfield(L, inputs, l->items[i].name);
        else if (!lua_toboolean(L, -2))
            maru_raise_text(L, MARU_FAILED_PRECONDITION, "input '%s' of %s is not set", l->items[i].name, s->name);
        lua_settop(L, inputs);
    }
}

static int run_protected(lua_State *L)
{
    const call *c = get_call(L);
    maru_script *s = c->script;
    push_place(L, MODEL);
    lua_newtable(L);
    push_place(L, INPUTS);
    for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {  // a copy: the script may change it
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 2);
    }
    lua_settop(L, 2);
    need_inputs(L, s, 2);
    maru_push_run(L, 1, 2);
    keep_outputs(L, s, 3);
    return 0;
}

static int borrow_instance(lua_State *L)
{
    const call *c = get_call(L);
    push_place(L, MODEL);
    *(maru_instance **)c->out = maru_check_instance(L, 1);
    return 0;
}

static int64_t deadline_in(int64_t timeout_ns)
{
    const int64_t now = maru_sandbox_now_ns();
    return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

maru_status maru_script_run(maru_script *script, const maru_run_params *params)
{
    maru_instance *m = NULL;
    call c = {.out = &m};
    script->outputs = NULL;
    // Compiled before the clock starts, and with the limits of loading.
    maru_status status = maru_script_prepare(script);
    if (status == MARU_OK)
        status = protect(script, borrow_instance, &c);
    if (status != MARU_OK)
        return status;
    m->run_params = params;
    m->deadline_ns = params && params->timeout_ns ? deadline_in(params->timeout_ns) : 0;
    status = protect_run(script, run_protected, &c, script->limits.run_instructions, m->deadline_ns);
    m->run_params = NULL;
    m->deadline_ns = 0;
    return status;
}

bool maru_script_output(const maru_script *script, size_t index, const char **out_name,
                        const maru_file_value **out_value)
{
    if (!script->outputs || index >= script->outputs->count)
        return false;
    *out_name = script->outputs->items[index].name;
    *out_value = &script->outputs->items[index].value;
    return true;
}

/* ---- states ---- */

static int save_protected(lua_State *L)
{
    const call *c = get_call(L);
    push_place(L, MODEL);
    maru_save_states(L, 1, c->in, c->script->name);
    return 0;
}

maru_status maru_script_save_state(maru_script *script, const char *path)
{
    call c = {.in = path};
    return protect(script, save_protected, &c);
}

static int load_state_protected(lua_State *L)
{
    const call *c = get_call(L);
    push_place(L, MODEL);
    maru_load_states(L, 1, c->in);
    return 0;
}

maru_status maru_script_load_state(maru_script *script, const char *path)
{
    call c = {.in = path};
    return protect(script, load_state_protected, &c);
}
