// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <string.h>

#include "script/host.h"
#include "script/host_tensor.h"
#include "script/instance.h"
#include "script/protect.h"

/*
 * The states of a model and of its parts in one safetensors file: a part's
 * begin with its name and a dot, and so does what its script keeps, which lies
 * in the metadata.
 */

/* What is written. The arrays lie in boxes, the texts are kept by the table at `kept`. */
typedef struct saved {
    const char **names;
    maru_tensor *tensors;
    size_t n;
    const char **metadata;
    size_t n_metadata;
    int kept;
} saved;

/* Pushes instance `i` of the list at `list`, and gives its prefix. */
static const char *push_listed(lua_State *L, int list, size_t i)
{
    lua_rawgeti(L, list, (lua_Integer)(2 * i + 1));
    const char *prefix = lua_tostring(L, -1);
    lua_pop(L, 1);  // kept by the list
    lua_rawgeti(L, list, (lua_Integer)(2 * i + 2));
    return prefix;
}

/* The graph of the instance, compiled; NULL where it has none. */
static const maru_graph *graph_of(lua_State *L, int index)
{
    if (!maru_has_graph(L, index))
        return NULL;
    maru_need_session(L, index);
    return maru_model_graph(maru_check_instance(L, index)->model);
}

/* Keeps the value on top, and pops it. */
static const char *keep(lua_State *L, const saved *s)
{
    const char *text = lua_tostring(L, -1);
    lua_rawseti(L, s->kept, (lua_Integer)lua_rawlen(L, s->kept) + 1);
    return text;
}

static void add_metadata(saved *s, const char *key, const char *value)
{
    s->metadata[2 * s->n_metadata] = key;
    s->metadata[2 * s->n_metadata + 1] = value;
    s->n_metadata++;
}

static void add_script_state(lua_State *L, saved *s, int instance, const char *prefix)
{
    maru_push_fields(L, instance);
    lua_getfield(L, -1, "state");
    maru_push_as_json(L, -1);
    const char *text = keep(L, s);
    lua_pushfstring(L, "%smaru.state", prefix);
    const char *key = keep(L, s);
    add_metadata(s, key, text);
    lua_settop(L, instance);
}

static void add_states(lua_State *L, saved *s, int instance, const char *prefix)
{
    const maru_graph *graph = graph_of(L, instance);
    const maru_instance *m = maru_check_instance(L, instance);
    for (size_t i = 0; graph && i < maru_graph_state_count(graph); i++) {
        const char *name = maru_graph_state_name(graph, i);
        maru_host_tensor *host = maru_push_empty_tensor(L);
        MARU_LUA_TRY(L, maru_session_get_state(m->session, name, &host->tensor));
        s->tensors[s->n] = host->tensor;
        lua_rawseti(L, s->kept, (lua_Integer)lua_rawlen(L, s->kept) + 1);
        lua_pushfstring(L, "%s%s", prefix, name);
        s->names[s->n] = keep(L, s);
        s->n++;
    }
}

static size_t count_states(lua_State *L, int list, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        push_listed(L, list, i);
        const maru_graph *graph = graph_of(L, lua_gettop(L));
        sum += graph ? maru_graph_state_count(graph) : 0;
        lua_settop(L, list);
    }
    return sum;
}

void maru_save_states(lua_State *L, int index, const char *path, const char *model)
{
    const size_t n = maru_push_all_parts(L, index);
    const int list = lua_gettop(L);
    const size_t n_states = count_states(L, list, n);
    lua_newtable(L);
    saved s = {.kept = list + 1};
    s.names = maru_box_array(L, n_states, sizeof *s.names);
    s.tensors = maru_box_array(L, n_states, sizeof *s.tensors);
    s.metadata = maru_box_array(L, 2 * (n + 1), sizeof *s.metadata);
    const int top = lua_gettop(L);
    for (size_t i = 0; i < n; i++) {
        const char *prefix = push_listed(L, list, i);
        add_script_state(L, &s, top + 1, prefix);
        add_states(L, &s, top + 1, prefix);
        lua_settop(L, top);
    }
    add_metadata(&s, "maru.model", model);
    MARU_LUA_TRY(L, maru_weights_save(path, s.names, s.tensors, s.n, s.metadata, s.n_metadata));
}

/* ---- loading ---- */

static void close_weights(void *held)
{
    maru_weights *weights = held;
    maru_weights_close(&weights);
}

/* Fills m.state, below on the stack, with the table on top. */
static void replace_state(lua_State *L, int state, int from)
{
    lua_pushnil(L);
    while (lua_next(L, state)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, state);
    }
    lua_pushnil(L);
    while (lua_next(L, from)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, state);
    }
}

static void load_script_state(lua_State *L, int instance, const char *prefix, const maru_weights *weights,
                              const char *path)
{
    const char *key = lua_pushfstring(L, "%smaru.state", prefix);
    const char *text = maru_weights_metadata(weights, key);
    maru_push_fields(L, instance);
    lua_getfield(L, -1, "state");
    maru_push_json(L, text ? text : "{}", strlen(text ? text : "{}"), path);
    if (lua_type(L, -1) != LUA_TTABLE)
        maru_raise_text(L, MARU_DATA_LOSS, "%s: the script's state must be an object", path);
    replace_state(L, lua_gettop(L) - 1, lua_gettop(L));
    lua_settop(L, instance);
}

static void load_states(lua_State *L, int instance, const char *prefix, maru_weights *weights)
{
    const maru_graph *graph = graph_of(L, instance);
    const maru_instance *m = maru_check_instance(L, instance);
    for (size_t i = 0; graph && i < maru_graph_state_count(graph); i++) {
        const char *name = maru_graph_state_name(graph, i);
        const char *full = lua_pushfstring(L, "%s%s", prefix, name);
        maru_host_tensor *host = maru_push_empty_tensor(L);
        MARU_LUA_TRY(L, maru_weights_tensor(weights, full, &host->tensor));
        MARU_LUA_TRY(L, maru_session_set_state(m->session, name, &host->tensor));
        lua_pop(L, 2);
    }
}

void maru_load_states(lua_State *L, int index, const char *path)
{
    const size_t n = maru_push_all_parts(L, index);
    const int list = lua_gettop(L);
    maru_box *box = maru_box_push(L, close_weights);
    maru_weights *weights = NULL;
    const maru_status status = maru_weights_open(path, &weights);
    box->held = weights;
    MARU_LUA_TRY(L, status);
    const int top = lua_gettop(L);
    for (size_t i = 0; i < n; i++) {
        const char *prefix = push_listed(L, list, i);
        load_states(L, top + 1, prefix, weights);
        load_script_state(L, top + 1, prefix, weights, path);
        lua_settop(L, top);
    }
    maru_box_clear(box);
}
