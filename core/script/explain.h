// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_EXPLAIN_H
#define MARU_SCRIPT_EXPLAIN_H

/* What Lua's own messages leave out: where it was, what exists, and what may have been meant. */

#include <lua.h>

/* Pushes "a, b, c" of the text keys of the table at `index`, in order. */
const char *maru_push_names(lua_State *L, int index);
/* Pushes "; did you mean 'b'?" of the keys of the tables at `index` and `more` (0: none), else "; it has: a, b". */
const char *maru_push_meant(lua_State *L, int index, int more, const char *name);
/* Raises that `noun` has no method of the name at 2; both as above. */
int maru_raise_no_method(lua_State *L, const char *noun, int index, int more);

/*
 * A model gives nil for what it has not, so that scripts may keep things there. A call of that nil is explained with
 * what this noted: the key at 2 is none of the methods in the table at `index`.
 */
void maru_note_missing(lua_State *L, int index);

/*
 * A message handler for lua_pcall: errors that are no text become one, those without a position get the script's, and
 * a call of a method that a model has not says which there are. What a limit raised goes through untouched.
 */
int maru_explain_error(lua_State *L);

#endif
