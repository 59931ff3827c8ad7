// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#include "script/sandbox.h"

enum { OPEN = -1, POSITION = -2, MAX_DEPTH = 200, STEPS_AT_ONCE = 4096 };

static const char *match_here(maru_pattern *m, const char *at, const char *p);

void maru_pattern_init(maru_pattern *m, lua_State *L, const char *text, size_t length, const char *pattern_end)
{
    *m = (maru_pattern){.L = L, .text = text, .text_end = text + length, .end = pattern_end};
}

static void step(maru_pattern *m)
{
    if (++m->steps < STEPS_AT_ONCE)
        return;
    m->steps = 0;
    maru_sandbox_charge(m->L, STEPS_AT_ONCE);
}

/* ---- one character ---- */

static bool in_class(int c, int letter)
{
    bool is = false;
    switch (tolower(letter)) {
    case 'a': is = isalpha(c); break;
    case 'c': is = iscntrl(c); break;
    case 'd': is = isdigit(c); break;
    case 'g': is = isgraph(c); break;
    case 'l': is = islower(c); break;
    case 'p': is = ispunct(c); break;
    case 's': is = isspace(c); break;
    case 'u': is = isupper(c); break;
    case 'w': is = isalnum(c); break;
    case 'x': is = isxdigit(c); break;
    default: return letter == c;
    }
    return isupper(letter) ? !is : is;
}

/* Behind the single-character item that begins at `p`. */
static const char *item_end(maru_pattern *m, const char *p)
{
    const char first = *p++;
    if (first == '%') {
        if (p == m->end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    if (p < m->end && *p == '^')
        p++;
    do {  // a ']' that comes first stands for itself
        if (p == m->end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        step(m);
        if (*p++ == '%') {
            if (p == m->end)
                luaL_error(m->L, "malformed pattern (missing ']')");
            p++;
        }
    } while (p == m->end || *p != ']');
    return p + 1;
}

/* [p, end) is "[...]". */
static bool in_set(maru_pattern *m, int c, const char *p, const char *end)
{
    const char *last = end - 1;
    bool is_wanted = true;
    p++;
    if (*p == '^') {
        is_wanted = false;
        p++;
    }
    for (bool is_first = true; p < last || is_first; is_first = false) {
        step(m);
        if (*p == '%' && p + 1 < end) {
            if (in_class(c, (unsigned char)p[1]))
                return is_wanted;
            p += 2;
        } else if (p + 2 < last && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return is_wanted;
            p += 3;
        } else if ((unsigned char)*p++ == c) {
            return is_wanted;
        }
    }
    return !is_wanted;
}

static bool matches_one(maru_pattern *m, const char *at, const char *p, const char *end)
{
    step(m);
    if (at >= m->text_end)
        return false;
    const int c = (unsigned char)*at;
    switch (*p) {
    case '.': return true;
    case '%': return in_class(c, (unsigned char)p[1]);
    case '[': return in_set(m, c, p, end);
    default: return (unsigned char)*p == c;
    }
}

/* ---- items of several characters ---- */

static const char *match_balance(maru_pattern *m, const char *at, const char *p)
{
    if (p + 1 >= m->end)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (at >= m->text_end || *at != p[0])
        return NULL;
    size_t open = 1;
    while (++at < m->text_end) {
        step(m);
        if (*at == p[1]) {
            if (--open == 0)
                return at + 1;
        } else if (*at == p[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *match_most(maru_pattern *m, const char *at, const char *p, const char *end)
{
    ptrdiff_t n = 0;
    while (matches_one(m, at + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *found = match_here(m, at + n, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *match_least(maru_pattern *m, const char *at, const char *p, const char *end)
{
    for (;; at++) {
        const char *found = match_here(m, at, end + 1);
        if (found)
            return found;
        if (!matches_one(m, at, p, end))
            return NULL;
    }
}

static const char *begin_capture(maru_pattern *m, const char *at, const char *p, ptrdiff_t mark)
{
    if (m->n_captures >= MARU_PATTERN_MAX_CAPTURES)
        luaL_error(m->L, "too many captures in a pattern");
    m->captures[m->n_captures++] = (maru_pattern_capture){.begin = at, .length = mark};
    const char *found = match_here(m, at, p);
    if (!found)
        m->n_captures--;
    return found;
}

static const char *end_capture(maru_pattern *m, const char *at, const char *p)
{
    int i = m->n_captures - 1;
    while (i >= 0 && m->captures[i].length != OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[i].length = at - m->captures[i].begin;
    const char *found = match_here(m, at, p);
    if (!found)
        m->captures[i].length = OPEN;
    return found;
}

static const char *match_back(maru_pattern *m, const char *at, int digit)
{
    const int i = digit - '1';
    if (i < 0 || i >= m->n_captures || m->captures[i].length == OPEN)
        luaL_error(m->L, "invalid capture index %%%d in a pattern", i + 1);
    const ptrdiff_t length = m->captures[i].length < 0 ? 0 : m->captures[i].length;
    maru_sandbox_charge(m->L, (uint64_t)length / 8);
    if (m->text_end - at < length || memcmp(m->captures[i].begin, at, (size_t)length) != 0)
        return NULL;
    return at + length;
}

static bool is_frontier(maru_pattern *m, const char *at, const char *p, const char *end)
{
    const int before = at == m->text ? 0 : (unsigned char)at[-1];
    const int here = at == m->text_end ? 0 : (unsigned char)*at;
    return !in_set(m, before, p, end) && in_set(m, here, p, end);
}

/* ---- the whole ---- */

/* One item with its repetition. Sets *io_at and *io_p to go on with when it returns true; else *out is the answer. */
static bool match_item(maru_pattern *m, const char **io_at, const char **io_p, const char **out)
{
    const char *at = *io_at;
    const char *p = *io_p;
    const char *end = item_end(m, p);
    const char repeat = end < m->end ? *end : 0;
    switch (repeat) {
    case '*': *out = match_most(m, at, p, end); return false;
    case '-': *out = match_least(m, at, p, end); return false;
    case '+':
        *out = matches_one(m, at, p, end) ? match_most(m, at + 1, p, end) : NULL;
        return false;
    case '?':
        if (matches_one(m, at, p, end)) {
            *out = match_here(m, at + 1, end + 1);
            if (*out)
                return false;
        }
        *io_p = end + 1;
        return true;
    default: break;
    }
    *out = NULL;
    if (!matches_one(m, at, p, end))
        return false;
    *io_at = at + 1;
    *io_p = end;
    return true;
}

/* %b, %f and %1 to %9; false if `p` is none of them. Otherwise *io_at becomes NULL or moves on with *io_p. */
static bool match_escape(maru_pattern *m, const char **io_at, const char **io_p)
{
    const char *p = *io_p;
    if (*p != '%' || p + 1 >= m->end)
        return false;
    if (p[1] == 'b') {
        *io_at = match_balance(m, *io_at, p + 2);
        *io_p = p + 4;
    } else if (p[1] == 'f') {
        if (p + 2 >= m->end || p[2] != '[')
            luaL_error(m->L, "missing '[' after '%%f' in a pattern");
        const char *end = item_end(m, p + 2);
        if (!is_frontier(m, *io_at, p + 2, end))
            *io_at = NULL;
        *io_p = end;
    } else if (isdigit((unsigned char)p[1])) {
        *io_at = match_back(m, *io_at, p[1]);
        *io_p = p + 2;
    } else {
        return false;
    }
    return true;
}

static const char *match_rest(maru_pattern *m, const char *at, const char *p)
{
    while (p < m->end) {
        const char *found = NULL;
        step(m);
        if (*p == '(') {
            const bool is_position = p + 1 < m->end && p[1] == ')';
            return begin_capture(m, at, p + 1 + is_position, is_position ? POSITION : OPEN);
        }
        if (*p == ')')
            return end_capture(m, at, p + 1);
        if (*p == '$' && p + 1 == m->end)
            return at == m->text_end ? at : NULL;
        if (match_escape(m, &at, &p)) {
            if (!at)
                return NULL;
        } else if (!match_item(m, &at, &p, &found)) {
            return found;
        }
    }
    return at;
}

static const char *match_here(maru_pattern *m, const char *at, const char *p)
{
    if (++m->depth > MAX_DEPTH)
        luaL_error(m->L, "pattern too complex");
    const char *found = match_rest(m, at, p);
    m->depth--;
    return found;
}

const char *maru_pattern_match(maru_pattern *m, const char *at, const char *pattern)
{
    m->n_captures = 0;
    m->depth = 0;
    return match_here(m, at, pattern);
}

/* ---- captures ---- */

void maru_pattern_push_capture(maru_pattern *m, int index, const char *begin, const char *end)
{
    if (index >= m->n_captures) {
        if (index != 0)
            luaL_error(m->L, "invalid capture index %%%d", index + 1);
        lua_pushlstring(m->L, begin, (size_t)(end - begin));
        return;
    }
    const maru_pattern_capture *c = &m->captures[index];
    if (c->length == OPEN)
        luaL_error(m->L, "unfinished capture");
    if (c->length == POSITION)
        lua_pushinteger(m->L, c->begin - m->text + 1);
    else
        lua_pushlstring(m->L, c->begin, (size_t)c->length);
}

int maru_pattern_push_captures(maru_pattern *m, const char *begin, const char *end)
{
    const int n = m->n_captures == 0 && begin ? 1 : m->n_captures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        maru_pattern_push_capture(m, i, begin, end);
    return n;
}
