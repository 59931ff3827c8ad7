// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <maru/flow.h>
#include <stdlib.h>
#include <string.h>

#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"

/*
 * ONNX models that run in stages, as a function of the run: tensors, texts,
 * lists of them, or nil go in, and come out by name. What is held in C lies in
 * boxes on the stack.
 */

#define MARU_CLASS_FLOW "maru.flow"

/* User value 1: the model that it belongs to, whose runtime it uses. */
typedef struct flow_ref {
    maru_onnx_file *file;
    maru_flow *flow;
} flow_ref;

static int collect(lua_State *L)
{
    flow_ref *ref = lua_touserdata(L, 1);
    maru_flow_destroy(&ref->flow);
    maru_onnx_close(&ref->file);
    return 0;
}

/* ---- items ---- */

static void release_item(void *held)
{
    maru_item *item = held;
    maru_item_release(&item);
}

static void fini_value(void *held)
{
    maru_file_value_fini(held);
    free(held);
}

static maru_dtype dtype_of(const maru_onnx_file *file, const char *name)
{
    maru_onnx_port port;
    for (size_t i = 0; maru_onnx_input_at(file, i, &port); i++)
        if (strcmp(port.name, name) == 0)
            return port.dtype;
    return MARU_DTYPE_NONE;
}

static void read_item(lua_State *L, int index, maru_dtype dtype, maru_box *out);

static void read_text(lua_State *L, int index, maru_box *out)
{
    maru_box *box = maru_box_push(L, fini_value);
    maru_item *item = NULL;
    box->held = calloc(1, sizeof(maru_file_value));
    if (!box->held)
        luaL_error(L, "out of memory");
    maru_read_file_value(L, index, box->held);
    MARU_LUA_TRY(L, maru_item_take(box->held, &item));
    out->held = item;
    maru_box_clear(box);
    lua_pop(L, 1);
}

static void read_sequence(lua_State *L, int index, maru_dtype dtype, maru_box *out)
{
    const size_t n = lua_rawlen(L, index);
    const int top = lua_gettop(L);
    maru_item **items = maru_box_array(L, n + 1, sizeof *items);
    maru_item *sequence = NULL;
    luaL_checkstack(L, (int)(n < 1000 ? n : 1000) + 8, "too many tensors");
    if (n > 900)
        maru_raise_text(L, MARU_UNSUPPORTED, "a list of %d tensors; 900 are the most", (int)n);
    for (size_t i = 0; i < n; i++) {
        maru_box *box = maru_box_push(L, release_item);
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        read_item(L, lua_gettop(L), dtype, box);
        lua_pop(L, 1);
        items[i] = box->held;
    }
    MARU_LUA_TRY(L, maru_item_sequence(items, n, &sequence));
    out->held = sequence;
    for (int i = top + 2; i <= lua_gettop(L); i++)
        maru_box_clear(lua_touserdata(L, i));
    lua_settop(L, top);
}

/* nil or false: nothing; texts; a list of tensors; what else can be a tensor. */
static void read_item(lua_State *L, int index, maru_dtype dtype, maru_box *out)
{
    maru_item *item = NULL;
    int first = LUA_TNIL;
    bool is_list = false;
    if (lua_type(L, index) == LUA_TTABLE) {
        first = lua_rawgeti(L, index, 1);
        is_list = maru_test_tensor(L, -1) != NULL || lua_rawlen(L, index) == 0;
        lua_pop(L, 1);
    }
    if (!lua_toboolean(L, index)) {
        MARU_LUA_TRY(L, maru_item_none(&item));
    } else if (lua_type(L, index) == LUA_TSTRING || first == LUA_TSTRING) {
        read_text(L, index, out);
        return;
    } else if (is_list) {
        read_sequence(L, index, dtype, out);
        return;
    } else {
        MARU_LUA_TRY(L, maru_item_copy(maru_push_as_tensor(L, index, dtype), &item));
        lua_pop(L, 1);
    }
    out->held = item;
}

static void push_item(lua_State *L, const maru_item *item)
{
    if (maru_item_get_value(item)) {
        maru_push_file_value(L, maru_item_get_value(item));
        return;
    }
    if (maru_item_get_kind(item) == MARU_ITEM_NONE) {
        lua_pushnil(L);
        return;
    }
    luaL_checkstack(L, 8, "a deep sequence");
    lua_createtable(L, (int)maru_item_count(item), 0);
    for (size_t i = 0; i < maru_item_count(item); i++) {
        push_item(L, maru_item_at(item, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* ---- the run ---- */

static void set_inputs(lua_State *L, const flow_ref *ref, int inputs)
{
    for (lua_pushnil(L); lua_next(L, inputs); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "inputs are given by name: { name = tensor, ... }");
        const char *name = lua_tostring(L, -2);
        const int at = lua_gettop(L);
        maru_box *box = maru_box_push(L, release_item);
        read_item(L, at, dtype_of(ref->file, name), box);
        MARU_LUA_TRY(L, maru_flow_set_input(ref->flow, name, box->held));
        maru_box_clear(box);
        lua_settop(L, at);
    }
}

/* net { name = tensor, ... }: a table of outputs by name */
static int call(lua_State *L)
{
    const flow_ref *ref = maru_test_class(L, 1, MARU_CLASS_FLOW);
    const char *name = "";
    const maru_item *item = NULL;
    lua_settop(L, 2);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getiuservalue(L, 1, 1);
    const maru_run_params params = maru_params_now(L, maru_check_instance(L, 3));
    set_inputs(L, ref, 2);
    MARU_LUA_TRY(L, maru_flow_run(ref->flow, &params));
    lua_newtable(L);
    for (size_t i = 0; (item = maru_flow_output_at(ref->flow, i, &name)) != NULL; i++) {
        push_item(L, item);
        lua_setfield(L, -2, name);
    }
    return 1;
}

/* ---- opening ---- */

static void push_flow(lua_State *L, int self, const char *path)
{
    const maru_instance *m = maru_check_instance(L, self);
    flow_ref *ref = lua_newuserdatauv(L, sizeof *ref, 1);
    *ref = (flow_ref){0};
    luaL_setmetatable(L, MARU_CLASS_FLOW);
    lua_pushvalue(L, self);
    lua_setiuservalue(L, -2, 1);
    maru_model_params params = m->model_params;
    params.progress = NULL;
    MARU_LUA_TRY(L, maru_onnx_open(path, &ref->file));
    MARU_LUA_TRY(L, maru_flow_create(m->runtime, ref->file, &params, &ref->flow));
}

/* m:flow(name): the model of a file, kept with what it has planned */
int maru_model_flow(lua_State *L)
{
    lua_settop(L, 2);
    const char *name = luaL_checkstring(L, 2);
    const char *path = maru_push_model_file(L, maru_check_instance(L, 1), name);
    maru_push_fields(L, 1);
    lua_pushfstring(L, "flow:%s", name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 4) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    push_flow(L, 1, path);
    lua_pushvalue(L, 5);
    lua_pushvalue(L, 6);
    lua_rawset(L, 4);
    return 1;
}

void maru_flow_class(lua_State *L)
{
    static const luaL_Reg functions[] = {{"__gc", collect}, {"__call", call}, {NULL, NULL}};
    maru_push_class(L, MARU_CLASS_FLOW, functions);
    lua_pop(L, 1);
}
