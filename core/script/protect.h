// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_PROTECT_H
#define MARU_SCRIPT_PROTECT_H

/*
 * Lua leaves a C function by longjmp at any call that may raise, running out
 * of memory included. So nothing may be held in a C variable alone across
 * such a call: it is put into a userdata with __gc first, empty, and filled
 * by a call that cannot raise.
 */

#include <lua.h>
#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Memory or an object that the garbage collector frees unless it was freed or taken before. */
typedef struct maru_box {
    void *held;
    void (*free)(void *held);
} maru_box;

/* Pushes an empty box. `free_held` NULL: free(). */
maru_box *maru_box_push(lua_State *L, void (*free_held)(void *held));
/* Frees what is held now. */
void maru_box_clear(maru_box *box);
/* Pushes a box with `count` zeroed items; raises when memory runs out. */
void *maru_box_array(lua_State *L, size_t count, size_t item_bytes);
/* A copy of a text in C's memory; NULL for NULL; raises when memory runs out. The caller stores it at once. */
char *maru_copy_text(lua_State *L, const char *text);

/* Pushes "script.lua:12: " of the nearest caller that is not of Maru's library, "" if there is none. */
void maru_push_where(lua_State *L);
/* Raises the calling thread's error sentence with the script's position, keeping the code. Returns for `return`. */
int maru_raise(lua_State *L, maru_status status);
/* Raises a sentence of our own. */
int maru_raise_text(lua_State *L, maru_status status, const char *fmt, ...);
#define MARU_LUA_TRY(L, expr)                      \
    do {                                           \
        const maru_status try_status_ = (expr);    \
        if (try_status_ != MARU_OK)                \
            maru_raise((L), try_status_);          \
    } while (0)

/* The host's side: what a failed lua_pcall left on the stack becomes the thread's error; pops it. */
maru_status maru_error_from_lua(lua_State *L, int lua_status);

/* Pushes the metatable `name`, made with `functions` (metamethods) at first; scripts cannot reach it. */
struct luaL_Reg;
void maru_push_class(lua_State *L, const char *name, const struct luaL_Reg *functions);
/* Sets what the metatable on top indexes: `methods`, or an error that says which "a session" has; pops nothing. */
void maru_set_methods(lua_State *L, const char *noun, const struct luaL_Reg *methods);

/* The userdata at `index` if it is of that class, else NULL; never raises. */
void *maru_test_class(lua_State *L, int index, const char *name);

#endif
