// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/explain.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "script/protect.h"
#include "script/sandbox.h"

/* Registry: the last key that a model had not, and the table of its methods. */
static const char missing_key = 0;
static const char methods_key = 0;

enum { LONGEST_NAME = 32 };

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *maru_push_names(lua_State *L, int index)
{
    size_t n = 0;
    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        n++;
    const char **names = maru_box_array(L, n, sizeof *names);
    n = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            names[n++] = lua_tostring(L, -2);  // kept by the table
    qsort(names, n, sizeof *names, compare_names);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < n; i++) {
        luaL_addstring(&b, i ? ", " : "");
        luaL_addstring(&b, names[i]);
    }
    luaL_pushresult(&b);
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, left out, changed or swapped with the next; of names up to LONGEST_NAME. */
static size_t distance(const char *a, const char *b)
{
    const size_t n_a = strlen(a);
    const size_t n_b = strlen(b);
    size_t rows[3][LONGEST_NAME + 1];  // row i at i % 3
    if (n_a > LONGEST_NAME || n_b > LONGEST_NAME)
        return LONGEST_NAME;
    for (size_t k = 0; k <= n_b; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t k = 1; k <= n_b; k++) {
            const bool is_swapped = i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1];
            row[k] = least(above[k - 1] + (a[i - 1] != b[k - 1]), 1 + least(row[k - 1], above[k]));
            if (is_swapped)
                row[k] = least(row[k], 1 + rows[(i - 2) % 3][k - 2]);
        }
    }
    return rows[n_a % 3][n_b];
}

/* The nearest of the table's keys, if it is nearer than `io_best`; of equal ones the first by name. */
static const char *nearest(lua_State *L, int table, const char *name, size_t *io_best, const char *found)
{
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        const char *key = lua_tostring(L, -2);
        const size_t d = distance(name, key);
        if (d < *io_best || (d == *io_best && found && strcmp(key, found) < 0)) {
            *io_best = d;
            found = key;
        }
    }
    return found;
}

const char *maru_push_meant(lua_State *L, int index, int more, const char *name)
{
    // A name of five letters may have two wrong ones, one of two none.
    size_t best = least(3, strlen(name) / 2 + strlen(name) % 2);
    index = lua_absindex(L, index);
    const char *found = nearest(L, index, name, &best, NULL);
    if (more)
        found = nearest(L, lua_absindex(L, more), name, &best, found);
    if (found)
        return lua_pushfstring(L, "; did you mean '%s'?", found);
    maru_push_names(L, index);
    lua_pushfstring(L, "; it has: %s%s", lua_tostring(L, -1), more ? ", and every operator" : "");
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

int maru_raise_no_method(lua_State *L, const char *noun, int index, int more)
{
    index = lua_absindex(L, index);
    more = more ? lua_absindex(L, more) : 0;
    const char *name = luaL_tolstring(L, 2, NULL);
    const char *meant = maru_push_meant(L, index, more, name);
    return maru_raise_text(L, MARU_NOT_FOUND, "%s has no method%s '%s'%s", noun, more ? " or operator" : "", name,
                           meant);
}

/* ---- errors of Lua's own ---- */

void maru_note_missing(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    lua_pushvalue(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &missing_key);
    lua_pushvalue(L, index);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
}

/* Whether the first line has "name:12: ". */
static bool has_position(const char *text)
{
    for (; *text && *text != '\n'; text++) {
        const char *at = text + 1;
        while (*text == ':' && isdigit((unsigned char)*at))
            at++;
        if (*text == ':' && at > text + 1 && at[0] == ':' && at[1] == ' ')
            return true;
    }
    return false;
}

/* An error that is a table says what it is itself, or only that it is one. */
static void make_text(lua_State *L)
{
    if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
        luaL_tolstring(L, 1, NULL);
        return;
    }
    lua_pushfstring(L, "the script raised a value that is no text (a %s)", luaL_typename(L, 1));
}

/* The text at 1 becomes one that names the method, if it is about the one that a model had not. */
static void explain_nil_call(lua_State *L)
{
    static const char *const calls[] = {"attempt to call a nil value (method '",
                                        "attempt to call a nil value (field '"};
    const char *text = lua_tostring(L, 1);
    const char *call = strstr(text, calls[0]);
    const size_t n_call = strlen(calls[call ? 0 : 1]);
    call = call ? call : strstr(text, calls[1]);
    if (!call || lua_rawgetp(L, LUA_REGISTRYINDEX, &missing_key) != LUA_TSTRING)
        return;
    const char *name = lua_tostring(L, -1);
    const size_t n = strlen(name);
    if (strncmp(call + n_call, name, n) != 0 || call[n_call + n] != '\'')
        return;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
    const char *meant = maru_push_meant(L, -1, 0, name);
    lua_pushlstring(L, text, (size_t)(call - text));
    lua_pushfstring(L, "%sa model has no method '%s'%s", lua_tostring(L, -1), name, meant);
    lua_replace(L, 1);
}

int maru_explain_error(lua_State *L)
{
    const maru_sandbox *sandbox = maru_sandbox_of(L);
    lua_settop(L, 1);
    if (sandbox && sandbox->is_over)
        return 1;
    if (lua_type(L, 1) != LUA_TSTRING) {
        make_text(L);
        lua_replace(L, 1);
    }
    explain_nil_call(L);
    lua_settop(L, 1);
    // The library's line is told after the script's, which called it.
    const bool is_library = strncmp(lua_tostring(L, 1), "maru.", 5) == 0;
    if (!is_library && has_position(lua_tostring(L, 1)))
        return 1;
    maru_push_where(L);
    lua_insert(L, 1);
    lua_concat(L, 2);
    return 1;
}
