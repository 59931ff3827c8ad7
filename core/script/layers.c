// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <string.h>

#include "script/instance.h"
#include "script/protect.h"
#include "script/script.h"

/* What a script says of how its outputs are drawn: draw = { { boxes = "boxes", labels = "names" }, ... } */

static const char *const kinds[MARU_LAYER_KINDS] = {
    [MARU_LAYER_BOXES] = "boxes",       [MARU_LAYER_CORNERS] = "corners", [MARU_LAYER_POINTS] = "points",
    [MARU_LAYER_MASK] = "mask",         [MARU_LAYER_BARS] = "bars",       [MARU_LAYER_SOUND] = "sound",
    [MARU_LAYER_SEGMENTS] = "segments", [MARU_LAYER_CURVE] = "curve",
};

static bool is_kind(const char *key)
{
    for (size_t i = 0; i < MARU_LAYER_KINDS; i++)
        if (strcmp(kinds[i], key) == 0)
            return true;
    return false;
}

static void check_layer(lua_State *L, int layer)
{
    size_t n_kinds = 0;
    if (lua_type(L, layer) != LUA_TTABLE)
        maru_raise_text(L, MARU_INVALID_ARGUMENT,
                        "maru.model: 'draw' is a list of { boxes = \"an output\" } and the like");
    for (lua_pushnil(L); lua_next(L, layer); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const bool is_step = strcmp(key, "every") == 0;
        n_kinds += is_kind(key);
        if (!is_kind(key) && !is_step && strcmp(key, "labels") != 0 && strcmp(key, "scores") != 0)
            maru_raise_text(L, MARU_INVALID_ARGUMENT,
                            "maru.model: a layer of 'draw' has no '%s': it has one of boxes, corners, points, mask, "
                            "bars, sound, segments, curve, and may have labels, scores, every", key);
        if (lua_type(L, -1) != (is_step ? LUA_TNUMBER : LUA_TSTRING))
            maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: '%s' of a layer of 'draw' is %s, not a %s", key,
                            is_step ? "a number of seconds" : "the name of an output", luaL_typename(L, -1));
    }
    if (n_kinds != 1)
        maru_raise_text(L, MARU_INVALID_ARGUMENT,
                        "maru.model: a layer of 'draw' has one of boxes, corners, points, mask, bars, sound, segments, "
                        "curve");
}

void maru_check_layers(lua_State *L, int description)
{
    const int top = lua_gettop(L);
    if (lua_getfield(L, description, "draw") == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_rawgeti(L, top + 1, i) != LUA_TNIL; i++) {
            check_layer(L, lua_gettop(L));
            lua_pop(L, 1);
        }
    } else if (!lua_isnil(L, -1)) {
        maru_raise_text(L, MARU_INVALID_ARGUMENT, "maru.model: 'draw' must be a list, not a %s", luaL_typename(L, -1));
    }
    lua_settop(L, top);
}

static const char *text_at(lua_State *L, int layer, const char *key)
{
    lua_getfield(L, layer, key);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);  // kept by the layer
    return text;
}

bool maru_read_layer(lua_State *L, int description, size_t index, maru_script_layer *out)
{
    const int top = lua_gettop(L);
    *out = (maru_script_layer){0};
    if (lua_getfield(L, description, "draw") == LUA_TTABLE &&
        lua_rawgeti(L, top + 1, (lua_Integer)index + 1) == LUA_TTABLE) {
        for (size_t i = 0; i < MARU_LAYER_KINDS; i++) {
            const char *name = text_at(L, top + 2, kinds[i]);
            out->kind = name ? (maru_script_layer_kind)i : out->kind;
            out->output = name ? name : out->output;
        }
        out->labels = text_at(L, top + 2, "labels");
        out->scores = text_at(L, top + 2, "scores");
        lua_getfield(L, top + 2, "every");
        out->every = lua_tonumber(L, -1);
    }
    lua_settop(L, top);
    return out->output != NULL;
}
