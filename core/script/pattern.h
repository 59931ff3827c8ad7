// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_PATTERN_H
#define MARU_SCRIPT_PATTERN_H

/* Lua's patterns, matched so that every step is counted: none can run longer than the sandbox allows. */

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MARU_PATTERN_MAX_CAPTURES = 32 };

typedef struct maru_pattern_capture {
    const char *begin;
    ptrdiff_t length;  // or a negative mark: still open, or a position
} maru_pattern_capture;

typedef struct maru_pattern {
    lua_State *L;
    const char *text;
    const char *text_end;
    const char *end;      // of the pattern
    uint32_t depth;
    uint32_t steps;       // not yet charged
    int n_captures;
    maru_pattern_capture captures[MARU_PATTERN_MAX_CAPTURES];
} maru_pattern;

void maru_pattern_init(maru_pattern *m, lua_State *L, const char *text, size_t length, const char *pattern_end);
/* Matches `pattern` (without '^') at `at`: the end of the match, or NULL. Raises for a malformed pattern. */
const char *maru_pattern_match(maru_pattern *m, const char *at, const char *pattern);
/* Pushes the captures, or the whole match if there are none and `begin` is not NULL; the number pushed. */
int maru_pattern_push_captures(maru_pattern *m, const char *begin, const char *end);
/* Pushes capture `index` from 0; index 0 of a pattern without captures is the whole match. */
void maru_pattern_push_capture(maru_pattern *m, int index, const char *begin, const char *end);

#endif
