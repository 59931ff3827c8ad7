// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <maru/onnx.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"

/*
 * ONNX models as Lua sees them: called with tensors, one becomes a part of the
 * graph. Arrays for the call lie in boxes on the stack; texts in them are kept
 * by the model, the options or the arguments.
 */

#define MARU_CLASS_ONNX "maru.onnx_model"

/* User value 1 is the table of options, or nil. */
typedef struct onnx_ref {
    maru_onnx_file *file;
} onnx_ref;

typedef bool (*port_at)(const maru_onnx_file *file, size_t index, maru_onnx_port *out_port);

static int collect(lua_State *L)
{
    onnx_ref *ref = lua_touserdata(L, 1);
    maru_onnx_close(&ref->file);
    return 0;
}

static maru_onnx_file *check(lua_State *L)
{
    const onnx_ref *ref = maru_test_class(L, 1, MARU_CLASS_ONNX);
    if (!ref || !ref->file)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "a model that maru.onnx gave was expected, not %s",
                        luaL_typename(L, 1));
    return ref->file;
}

/* ---- opening ---- */

static void check_options(lua_State *L, int index)
{
    static const char *const known[] = {"dims", "known", "weights", "outputs"};
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            is_known |= strcmp(known[i], key) == 0;
        if (!is_known)
            maru_raise_text(L, MARU_INVALID_ARGUMENT,
                            "maru.onnx: there is no option '%s'; there are: dims, known, weights, outputs", key);
        if (lua_type(L, -1) != LUA_TTABLE)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.onnx: '%s' must be a table, not %s", key,
                            luaL_typename(L, -1));
    }
}

/* maru.onnx(name, {dims, known, weights, outputs}) */
int maru_module_onnx(lua_State *L)
{
    lua_settop(L, 2);
    const char *name = luaL_checkstring(L, 1);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        check_options(L, 2);
    }
    maru_push_builder(L);
    if (lua_isnil(L, 3))
        return maru_raise_text(L, MARU_FAILED_PRECONDITION, "maru.onnx: for use in the 'graph' function of a model");
    maru_push_building(L, 3);
    const char *path = maru_push_model_file(L, maru_check_instance(L, 3), name);
    onnx_ref *ref = lua_newuserdatauv(L, sizeof *ref, 1);
    *ref = (onnx_ref){0};
    luaL_setmetatable(L, MARU_CLASS_ONNX);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    MARU_LUA_TRY(L, maru_onnx_open(path, &ref->file));
    return 1;
}

/* ---- what it says of itself ---- */

/* Pushes {name, dtype, dims}; an open dim is its name, or -1. */
static void push_port(lua_State *L, const maru_onnx_port *port)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, port->name);
    lua_setfield(L, -2, "name");
    if (port->dtype != MARU_DTYPE_NONE) {
        lua_pushstring(L, maru_dtype_name(port->dtype));
        lua_setfield(L, -2, "dtype");
    }
    if (!port->has_rank)
        return;
    lua_createtable(L, (int)port->rank, 0);
    for (uint32_t i = 0; i < port->rank; i++) {
        if (port->dims[i] < 0 && *port->symbols[i])
            lua_pushstring(L, port->symbols[i]);
        else
            lua_pushinteger(L, port->dims[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "dims");
}

static void push_ports(lua_State *L, const maru_onnx_file *file, port_at at)
{
    maru_onnx_port port;
    lua_newtable(L);
    for (size_t i = 0; at(file, i, &port); i++) {
        push_port(L, &port);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_metadata(lua_State *L, const maru_onnx_file *file)
{
    const char *key = NULL;
    const char *value = NULL;
    lua_newtable(L);
    for (size_t i = 0; maru_onnx_metadata_at(file, i, &key, &value); i++) {
        lua_pushstring(L, value);
        lua_setfield(L, -2, key);
    }
}

static int model_index(lua_State *L)
{
    const maru_onnx_file *file = check(L);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(key, "inputs") == 0)
        push_ports(L, file, maru_onnx_input_at);
    else if (strcmp(key, "outputs") == 0)
        push_ports(L, file, maru_onnx_output_at);
    else if (strcmp(key, "metadata") == 0)
        push_metadata(L, file);
    else
        return maru_raise_text(L, MARU_INVALID_ARGUMENT, "an ONNX model has inputs, outputs and metadata, no '%s'",
                               key);
    return 1;
}

/* ---- what a call gives ---- */

enum { MAX_GIVEN = 4096, MAX_DIMS = 256 };

typedef struct call {
    maru_onnx_file *file;
    maru_graph_ref *owner;
    int graph;    // where the maru.graph lies on the stack
    int options;
    maru_onnx_given *given;
    maru_onnx_dim *symbols;
    maru_onnx_dims *dims;
    maru_onnx_part part;
} call;

/* Numbers take the dtype that the input of that name has. */
static maru_dtype dtype_of(const maru_onnx_file *file, const char *name)
{
    maru_onnx_port port;
    for (size_t i = 0; maru_onnx_input_at(file, i, &port); i++)
        if (strcmp(port.name, name) == 0 && port.dtype != MARU_DTYPE_NONE)
            return port.dtype;
    return MARU_F32;
}

/* The operand on top. Nothing for false. */
static void give(lua_State *L, call *c, const char *name)
{
    const maru_value value = maru_to_value(L, -1, c->owner, dtype_of(c->file, name));
    if (value == MARU_NO_VALUE)
        return;
    if (c->part.n_given == MAX_GIVEN)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "more than %d tensors for an ONNX model", MAX_GIVEN);
    c->given[c->part.n_given++] = (maru_onnx_given){.name = name, .value = value};
}

static void give_table(lua_State *L, call *c, int index)
{
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "tensors for an ONNX model have names: { name = tensor }");
        give(L, c, lua_tostring(L, -2));
    }
}

static bool is_known(lua_State *L, const call *c, const char *name)
{
    bool is = false;
    const int top = lua_gettop(L);
    if (lua_istable(L, c->options) && lua_getfield(L, c->options, "known") == LUA_TTABLE)
        is = lua_getfield(L, -1, name) != LUA_TNIL;
    lua_settop(L, top);
    return is;
}

/* In the order of the inputs that are not known. */
static void give_in_order(lua_State *L, call *c, int n)
{
    maru_onnx_port port;
    int used = 0;
    for (size_t i = 0; used < n && maru_onnx_input_at(c->file, i, &port); i++) {
        if (is_known(L, c, port.name))
            continue;
        lua_pushvalue(L, 2 + used++);
        give(L, c, port.name);
        lua_pop(L, 1);
    }
    if (used < n)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "the ONNX model takes %d tensors, %d are given", used, n);
}

static void give_arguments(lua_State *L, call *c, int n)
{
    if (n == 1 && lua_type(L, 2) == LUA_TTABLE && lua_rawlen(L, 2) == 0)
        give_table(L, c, 2);
    else
        give_in_order(L, c, n);
}

/* An integer, a dim, or the name of a symbol. */
static maru_dim check_dim(lua_State *L, const call *c)
{
    maru_dim dim = 0;
    if (lua_type(L, -1) != LUA_TSTRING)
        return maru_check_dim(L, -1, c->owner);
    MARU_LUA_TRY(L, maru_graph_symbol(c->owner->graph, lua_tostring(L, -1), NULL, &dim));
    return dim;
}

static void read_dims(lua_State *L, call *c, const char *name)
{
    maru_onnx_dims *out = &c->dims[c->part.n_dims++];
    const size_t n = lua_rawlen(L, -1);
    *out = (maru_onnx_dims){.name = name, .rank = (uint32_t)n};
    if (n > MARU_MAX_RANK)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "dims of '%s': rank %I is above %d", name, (lua_Integer)n,
                        MARU_MAX_RANK);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        out->dims[i] = check_dim(L, c);
        lua_pop(L, 1);
    }
}

/* dims = { batch = 1, input = { "batch", 3, 224, 224 } } */
static void read_all_dims(lua_State *L, call *c, int index)
{
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "dims of an ONNX model have names: { batch = 1 }");
        const char *name = lua_tostring(L, -2);
        if (c->part.n_dims + c->part.n_symbols == MAX_DIMS)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "more than %d dims for an ONNX model", MAX_DIMS);
        if (lua_type(L, -1) == LUA_TTABLE) {
            read_dims(L, c, name);
        } else {
            const maru_dim dim = check_dim(L, c);
            c->symbols[c->part.n_symbols++] = (maru_onnx_dim){.name = name, .dim = dim};
        }
    }
}

static void read_options(lua_State *L, call *c)
{
    static const char *const givens[] = {"known", "weights"};
    if (!lua_istable(L, c->options))
        return;
    for (size_t i = 0; i < sizeof givens / sizeof *givens; i++)
        if (lua_getfield(L, c->options, givens[i]) == LUA_TTABLE)
            give_table(L, c, lua_gettop(L));
    if (lua_getfield(L, c->options, "dims") == LUA_TTABLE)
        read_all_dims(L, c, lua_gettop(L));
}

/* ---- what it asks for ---- */

static void want_listed(lua_State *L, call *c, int list)
{
    const size_t n = lua_rawlen(L, list);
    const char **names = maru_box_array(L, n, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.onnx: 'outputs' is a list of names");
        names[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    c->part.outputs = names;
    c->part.n_outputs = n;
}

static void want_declared(lua_State *L, call *c)
{
    maru_onnx_port port;
    size_t n = 0;
    while (maru_onnx_output_at(c->file, n, &port))
        n++;
    const char **names = maru_box_array(L, n, sizeof *names);
    for (size_t i = 0; maru_onnx_output_at(c->file, i, &port); i++)
        names[i] = port.name;
    c->part.outputs = names;
    c->part.n_outputs = n;
}

static void read_wanted(lua_State *L, call *c)
{
    if (lua_istable(L, c->options) && lua_getfield(L, c->options, "outputs") == LUA_TTABLE)
        want_listed(L, c, lua_gettop(L));
    else
        want_declared(L, c);
}

/* net(x, y) or net { input = x }: gives the outputs */
static int model_call(lua_State *L)
{
    const int n = lua_gettop(L) - 1;
    call c = {.file = check(L)};
    luaL_checkstack(L, 32, NULL);
    lua_getiuservalue(L, 1, 1);
    c.options = lua_gettop(L);
    maru_push_builder(L);
    if (lua_isnil(L, -1))
        return maru_raise_text(L, MARU_FAILED_PRECONDITION,
                               "an ONNX model is called in the 'graph' function of a model");
    c.owner = maru_push_building(L, lua_gettop(L));
    c.graph = lua_gettop(L);
    c.part.given = c.given = maru_box_array(L, MAX_GIVEN, sizeof *c.given);
    c.part.symbols = c.symbols = maru_box_array(L, MAX_DIMS, sizeof *c.symbols);
    c.part.dims = c.dims = maru_box_array(L, MAX_DIMS, sizeof *c.dims);
    give_arguments(L, &c, n);
    read_options(L, &c);
    read_wanted(L, &c);
    maru_value *values = maru_box_array(L, c.part.n_outputs, sizeof *values);
    MARU_LUA_TRY(L, maru_onnx_add(c.file, &c.part, c.owner->graph, values));
    luaL_checkstack(L, (int)c.part.n_outputs + 8, "too many outputs");
    for (size_t i = 0; i < c.part.n_outputs; i++)
        maru_push_value(L, c.graph, values[i]);
    return (int)c.part.n_outputs;
}

void maru_onnx_class(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"__gc", collect}, {"__index", model_index}, {"__call", model_call}, {NULL, NULL},
    };
    maru_push_class(L, MARU_CLASS_ONNX, functions);
    lua_pop(L, 1);
}
