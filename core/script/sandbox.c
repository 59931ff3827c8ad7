// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "script/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "script/libs.h"
#include "script/protect.h"

enum {
    HOOK_STEPS = 1000,
    BYTES_PER_STEP = 256,  // of new memory: a copy of a long string is one instruction
    CLOCK_STEPS = 100,     // hooks between two looks at the clock
};

static const size_t collect_after = 64u * 1024 * 1024;

void maru_sandbox_end(lua_State *L, maru_status status, const char *fmt, ...)
{
    maru_sandbox *s = maru_sandbox_of(L);
    va_list args;
    s->is_over = true;
    s->status = status;
    maru_push_where(L);
    va_start(args, fmt);
    lua_pushvfstring(L, fmt, args);
    va_end(args);
    lua_concat(L, 2);
    // Kept aside: a handler may put another error in its place.
    snprintf(s->message, sizeof s->message, "%s", lua_tostring(L, -1));
    lua_error(L);
}

/* ---- memory ---- */

static void *allocate(void *ud, void *memory, size_t old_bytes, size_t bytes)
{
    maru_sandbox *s = ud;
    const size_t held = memory ? old_bytes : 0;
    if (bytes == 0) {
        free(memory);
        s->bytes -= held;
        return NULL;
    }
    if (bytes > held) {
        s->allocations++;
        if (bytes - held > s->max_bytes - (s->bytes < s->max_bytes ? s->bytes : s->max_bytes) ||
            (s->fail_allocation && s->allocations >= s->fail_allocation))
            return NULL;
        s->steps += bytes / BYTES_PER_STEP;
    }
    void *moved = realloc(memory, bytes);
    if (!moved)
        return bytes <= held ? memory : NULL;  // Lua relies on shrinking
    s->bytes += bytes;
    s->bytes -= held;
    return moved;
}

maru_sandbox *maru_sandbox_of(lua_State *L)
{
    void *ud = NULL;
    return lua_getallocf(L, &ud) == allocate ? ud : NULL;
}

void maru_sandbox_add_tensor(lua_State *L, size_t bytes)
{
    maru_sandbox *s = maru_sandbox_of(L);
    if (!s)
        return;
    const size_t limit = s->max_bytes > SIZE_MAX / 4 ? SIZE_MAX : 4 * s->max_bytes;
    if (s->tensor_bytes - s->collected_bytes + bytes > collect_after && s->tensor_bytes > s->collected_bytes) {
        lua_gc(L, LUA_GCCOLLECT);
        s->collected_bytes = s->tensor_bytes;
    }
    if (bytes > limit - (s->tensor_bytes < limit ? s->tensor_bytes : limit))
        maru_sandbox_end(L, MARU_RESOURCE_EXHAUSTED, "tensors of more than %I bytes are beyond the memory limit",
                         (lua_Integer)limit);
    s->tensor_bytes += bytes;
    maru_sandbox_charge(L, bytes / BYTES_PER_STEP);
}

void maru_sandbox_drop_tensor(lua_State *L, size_t bytes)
{
    maru_sandbox *s = maru_sandbox_of(L);
    if (!s)
        return;
    s->tensor_bytes -= bytes < s->tensor_bytes ? bytes : s->tensor_bytes;
    if (s->collected_bytes > s->tensor_bytes)
        s->collected_bytes = s->tensor_bytes;
}

/* ---- steps ---- */

int64_t maru_sandbox_now_ns(void)
{
    struct timespec now = {0};
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void check_clock(lua_State *L, maru_sandbox *s)
{
    if (!s->deadline_ns || maru_sandbox_now_ns() < s->deadline_ns)
        return;
    maru_sandbox_end(L, MARU_DEADLINE_EXCEEDED, "the script ran beyond its deadline");
}

void maru_sandbox_charge(lua_State *L, uint64_t steps)
{
    maru_sandbox *s = maru_sandbox_of(L);
    if (!s)
        return;
    const uint64_t before = s->steps;
    s->steps = before + steps < before ? UINT64_MAX : before + steps;
    if (s->steps > s->max_steps)
        maru_sandbox_end(L, MARU_RESOURCE_EXHAUSTED, "the script took more than %I steps: its instruction limit",
                         (lua_Integer)s->max_steps);
    if (s->deadline_ns && before / (HOOK_STEPS * CLOCK_STEPS) != s->steps / (HOOK_STEPS * CLOCK_STEPS))
        check_clock(L, s);
}

static void count(lua_State *L, lua_Debug *where)
{
    (void)where;
    maru_sandbox_charge(L, HOOK_STEPS);
}

bool maru_sandbox_begin(maru_sandbox *sandbox, uint64_t max_steps, int64_t deadline_ns)
{
    sandbox->steps = 0;
    sandbox->max_steps = max_steps;
    sandbox->deadline_ns = deadline_ns;
    return !sandbox->is_over;
}

void maru_sandbox_pass_on(lua_State *L, int lua_status)
{
    maru_sandbox *s = maru_sandbox_of(L);
    if (!s)
        return;
    if (lua_status == LUA_ERRMEM)
        s->is_over = true;
    if (s->is_over)
        lua_error(L);
}

/* ---- opening ---- */

static int open_libraries(lua_State *L)
{
    maru_libs_open(L);
    return 0;
}

lua_State *maru_sandbox_open(maru_sandbox *sandbox)
{
    lua_State *L = lua_newstate(allocate, sandbox);
    if (!L)
        return NULL;
    // Threads inherit the hook of the one that makes them.
    lua_sethook(L, count, LUA_MASKCOUNT, HOOK_STEPS);
    sandbox->max_steps = UINT64_MAX / 2;
    lua_pushcfunction(L, open_libraries);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    return L;
}
