// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <maru/system.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"
#include "script/sandbox.h"

/* Sessions as Lua sees them. User value 1 of the userdata is the instance. */

int maru_model_session(lua_State *L)
{
    maru_check_instance(L, 1);
    lua_settop(L, 1);
    maru_need_session(L, 1);
    lua_newuserdatauv(L, 1, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, MARU_CLASS_SESSION);
    return 1;
}

/* Pushes the instance of the session at 1. */
static maru_instance *session_instance(lua_State *L)
{
    luaL_checkudata(L, 1, MARU_CLASS_SESSION);
    lua_getiuservalue(L, 1, 1);
    return maru_check_instance(L, -1);
}

/* ---- running ---- */

/* The dtype of an input, and whether its rank is 1: a number is then a vector of one. */
static bool find_input(const maru_graph *graph, const char *name, maru_value_info *out)
{
    for (size_t i = 0; i < maru_graph_input_count(graph); i++) {
        const maru_value value = maru_graph_input_at(graph, i);
        if (maru_graph_value_info(graph, value, out) == MARU_OK && strcmp(out->name, name) == 0)
            return true;
    }
    return false;
}

/* A text, or a table that begins with one, is no tensor. */
static void refuse_text(lua_State *L, int value, const maru_value_info *info)
{
    lua_pushvalue(L, value);
    if (lua_type(L, -1) == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    }
    if (lua_type(L, -1) == LUA_TSTRING)
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "input '%s' takes numbers (%s), given the text '%s'", info->name,
                        maru_dtype_name(info->dtype), lua_tostring(L, -1));
    lua_pop(L, 1);
}

/* Pushes what is at `value` as the tensor of the input. */
static const maru_tensor *push_input(lua_State *L, int value, const maru_value_info *info)
{
    refuse_text(L, value, info);
    if (lua_type(L, value) == LUA_TNUMBER && info->rank == 1) {
        const int64_t one = 1;
        maru_tensor *t = maru_push_tensor(L, info->dtype, &one, 1);
        maru_set_element(L, t, 0, value);
        return t;
    }
    return maru_push_as_tensor(L, value, info->dtype);
}

/* The session borrows a tensor until its next one comes: it is kept in the instance. */
static void set_inputs(lua_State *L, int index, const maru_instance *m, int inputs)
{
    const maru_graph *graph = maru_model_graph(m->model);
    lua_getiuservalue(L, index, MARU_INSTANCE_INPUTS);
    const int kept = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, inputs)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "run: inputs are given by name");
        const char *name = lua_tostring(L, -2);
        maru_value_info info = {0};
        const bool is_known = find_input(graph, name, &info);
        const maru_tensor *t = is_known ? push_input(L, lua_gettop(L), &info)
                                        : maru_push_as_tensor(L, lua_gettop(L), MARU_DTYPE_NONE);
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -2);
        lua_rawset(L, kept);
        MARU_LUA_TRY(L, maru_session_set_input(m->session, name, t));
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

maru_run_params maru_params_now(lua_State *L, const maru_instance *m)
{
    while (m->owner)
        m = m->owner;
    maru_run_params params = m->run_params ? *m->run_params : (maru_run_params){0};
    if (m->deadline_ns) {
        params.timeout_ns = m->deadline_ns - maru_sandbox_now_ns();
        if (params.timeout_ns <= 0)
            maru_raise_text(L, MARU_DEADLINE_EXCEEDED, "the run took longer than it may");
    }
    return params;
}

static void push_outputs(lua_State *L, const maru_instance *m)
{
    const maru_graph *graph = maru_model_graph(m->model);
    lua_newtable(L);
    for (size_t i = 0; i < maru_graph_output_count(graph); i++) {
        const char *name = "";
        maru_tensor view = {0};
        maru_graph_output_at(graph, i, &name);
        MARU_LUA_TRY(L, maru_session_get_output(m->session, name, &view));
        maru_push_tensor_copy(L, &view);
        lua_setfield(L, -2, name);
    }
}

void maru_push_session_run(lua_State *L, int index, int inputs)
{
    const maru_instance *m = maru_check_instance(L, index);
    set_inputs(L, index, m, inputs);
    const maru_run_params params = maru_params_now(L, m);
    MARU_LUA_TRY(L, maru_session_run(m->session, &params));
    push_outputs(L, m);
}

/* session:run{name = tensor, ...}: a table of tensors by name */
static int session_run(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    session_instance(L);
    maru_push_session_run(L, 3, 2);
    return 1;
}

/* session:bind(symbol, value): a symbol that no input's dims tell */
static int session_bind(lua_State *L)
{
    lua_settop(L, 3);
    const maru_instance *m = session_instance(L);
    MARU_LUA_TRY(L, maru_session_set_symbol(m->session, luaL_checkstring(L, 2), luaL_checkinteger(L, 3)));
    return 0;
}

/* ---- states ---- */

static int session_reset(lua_State *L)
{
    const maru_instance *m = session_instance(L);
    MARU_LUA_TRY(L, maru_session_reset(m->session));
    return 0;
}

static int session_state(lua_State *L)
{
    lua_settop(L, 2);
    const maru_instance *m = session_instance(L);
    maru_host_tensor *host = maru_push_empty_tensor(L);
    MARU_LUA_TRY(L, maru_session_get_state(m->session, luaL_checkstring(L, 2), &host->tensor));
    maru_count_tensor(L, host);
    return 1;
}

static int session_set_state(lua_State *L)
{
    lua_settop(L, 3);
    const maru_instance *m = session_instance(L);
    MARU_LUA_TRY(L, maru_session_set_state(m->session, luaL_checkstring(L, 2), maru_check_tensor(L, 3)));
    return 0;
}

void maru_session_class(lua_State *L)
{
    static const luaL_Reg functions[] = {{NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"run", session_run},     {"bind", session_bind},           {"reset", session_reset},
        {"state", session_state}, {"set_state", session_set_state}, {NULL, NULL},
    };
    maru_push_class(L, MARU_CLASS_SESSION, functions);
    maru_set_methods(L, "a session", methods);
    lua_pop(L, 1);
}
