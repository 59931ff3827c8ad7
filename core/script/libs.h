// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_LIBS_H
#define MARU_SCRIPT_LIBS_H

/* What of Lua's own libraries a sandboxed script sees. */

#include <lua.h>

/* Opens the base functions, table, string, math, utf8 and coroutine, each bounded. Raises when memory runs out. */
void maru_libs_open(lua_State *L);

#endif
