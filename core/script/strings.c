// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <lauxlib.h>
#include <string.h>

#include "script/pattern.h"
#include "script/sandbox.h"

/* ---- find and match ---- */

static size_t start_of(lua_Integer init, size_t length)
{
    if (init > 0)
        return (size_t)init - 1;
    if (init == 0 || init < -(lua_Integer)length)
        return 0;
    return length - (size_t)-init;
}

static bool has_specials(const char *p, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (p[i] && strchr("^$*+?.([%-", p[i]))
            return true;
    return false;
}

/* The first `what` in `text`; its work is counted as it goes. */
static const char *find_plain(lua_State *L, const char *text, size_t length, const char *what, size_t n)
{
    const char *end = text + length;
    if (n == 0)
        return text;
    while ((size_t)(end - text) >= n) {
        const char *at = memchr(text, what[0], (size_t)(end - text) - n + 1);
        maru_sandbox_charge(L, (uint64_t)((at ? at : end) - text) / 8 + n / 8 + 1);
        if (!at)
            return NULL;
        if (memcmp(at, what, n) == 0)
            return at;
        text = at + 1;
    }
    return NULL;
}

static int find(lua_State *L, bool is_find)
{
    size_t length = 0, p_length = 0;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *p = luaL_checklstring(L, 2, &p_length);
    const size_t start = start_of(luaL_optinteger(L, 3, 1), length);
    if (start > length) {
        lua_pushnil(L);
        return 1;
    }
    if (is_find && (lua_toboolean(L, 4) || !has_specials(p, p_length))) {
        const char *at = find_plain(L, text + start, length - start, p, p_length);
        if (!at) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - text + 1);
        lua_pushinteger(L, at - text + (lua_Integer)p_length);
        return 2;
    }
    const bool is_anchored = p_length && *p == '^';
    maru_pattern m;
    maru_pattern_init(&m, L, text, length, p + p_length);
    for (const char *at = text + start; at <= m.text_end; at++) {
        const char *end = maru_pattern_match(&m, at, p + is_anchored);
        if (end && is_find) {
            lua_pushinteger(L, at - text + 1);
            lua_pushinteger(L, end - text);
            return maru_pattern_push_captures(&m, NULL, NULL) + 2;
        }
        if (end)
            return maru_pattern_push_captures(&m, at, end);
        if (is_anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return find(L, true);
}

static int string_match(lua_State *L)
{
    return find(L, false);
}

/* ---- gmatch: upvalues are text, pattern, the next start and the end of the last match ---- */

static int gmatch_next(lua_State *L)
{
    size_t length = 0, p_length = 0;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &length);
    const char *p = lua_tolstring(L, lua_upvalueindex(2), &p_length);
    const char *last = text + lua_tointeger(L, lua_upvalueindex(4));
    maru_pattern m;
    maru_pattern_init(&m, L, text, length, p + p_length);
    for (const char *at = text + lua_tointeger(L, lua_upvalueindex(3)); at <= m.text_end; at++) {
        const char *end = maru_pattern_match(&m, at, p);
        if (!end || end == last)
            continue;
        lua_pushinteger(L, end - text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return maru_pattern_push_captures(&m, at, end);
    }
    return 0;
}

static int string_gmatch(lua_State *L)
{
    size_t length = 0;
    luaL_checklstring(L, 1, &length);
    luaL_checkstring(L, 2);
    size_t start = start_of(luaL_optinteger(L, 3, 1), length);
    if (start > length)
        start = length + 1;
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)start);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* ---- gsub ---- */

static void add_template(maru_pattern *m, luaL_Buffer *b, const char *begin, const char *end)
{
    size_t length = 0;
    const char *r = lua_tolstring(m->L, 3, &length);
    const char *r_end = r + length;
    maru_sandbox_charge(m->L, length / 8);
    while (r < r_end) {
        const char *escape = memchr(r, '%', (size_t)(r_end - r));
        luaL_addlstring(b, r, (size_t)((escape ? escape : r_end) - r));
        if (!escape)
            return;
        r = escape + 1;
        if (r < r_end && *r == '%') {
            luaL_addchar(b, '%');
        } else if (r < r_end && *r == '0') {
            luaL_addlstring(b, begin, (size_t)(end - begin));
        } else if (r < r_end && *r >= '1' && *r <= '9') {
            maru_pattern_push_capture(m, *r - '1', begin, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
        r++;
    }
}

/* Adds what the match becomes; false if it stays as it is. */
static bool add_replacement(maru_pattern *m, luaL_Buffer *b, const char *begin, const char *end, int kind)
{
    lua_State *L = m->L;
    if (kind == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, maru_pattern_push_captures(m, begin, end), 1);
    } else if (kind == LUA_TTABLE) {
        maru_pattern_push_capture(m, 0, begin, end);
        lua_gettable(L, 3);
    } else {
        add_template(m, b, begin, end);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, begin, (size_t)(end - begin));
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
    return true;
}

static int string_gsub(lua_State *L)
{
    size_t length = 0, p_length = 0;
    const char *at = luaL_checklstring(L, 1, &length);
    const char *p = luaL_checklstring(L, 2, &p_length);
    const char *text_end = at + length;
    const int kind = lua_type(L, 3);
    luaL_argexpected(L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TFUNCTION || kind == LUA_TTABLE, 3,
                     "string/function/table");
    const lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)length + 1);
    const bool is_anchored = p_length && *p == '^';
    const char *last = NULL;
    lua_Integer n = 0;
    maru_pattern m;
    luaL_Buffer b;
    maru_pattern_init(&m, L, at, length, p + p_length);
    luaL_buffinit(L, &b);
    while (n < most) {
        const char *end = maru_pattern_match(&m, at, p + is_anchored);
        if (end && end != last) {
            n++;
            add_replacement(&m, &b, at, end, kind);
            at = last = end;
        } else if (at < text_end) {
            luaL_addchar(&b, *at++);
        } else {
            break;
        }
        if (is_anchored)
            break;
    }
    luaL_addlstring(&b, at, (size_t)(text_end - at));
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    return 2;
}

/* ---- rep: the library's own, which loops for ever over empty strings ---- */

static int string_rep(lua_State *L)
{
    size_t length = 0, between = 0;
    luaL_checklstring(L, 1, &length);
    const lua_Integer n = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &between);
    if (n <= 0 || length + between == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    maru_sandbox_charge(L, (uint64_t)n);
    lua_settop(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 3, 1);
    return 1;
}

void maru_sandbox_open_string(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", string_find},
        {"match", string_match},
        {"gmatch", string_gmatch},
        {"gsub", string_gsub},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "rep");
    lua_pushcclosure(L, string_rep, 1);
    lua_setfield(L, -2, "rep");
}
