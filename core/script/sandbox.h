// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_SCRIPT_SANDBOX_H
#define MARU_SCRIPT_SANDBOX_H

/*
 * A Lua state for scripts that nobody has read: its memory and its steps are
 * bounded, it has no io, os, package or debug, loads text only, and sets no
 * finaliser. A step is a VM instruction or a comparable piece of work in C.
 * When a limit is reached the error goes through pcall, xpcall and coroutines
 * up to the host.
 *
 * Everything here also accepts a state that is not ours (a stock Lua): there
 * nothing is bounded.
 */

#include <lua.h>
#include <maru/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct maru_sandbox {
    size_t bytes;            // of Lua's heap now
    size_t max_bytes;
    size_t tensor_bytes;     // of host tensors, which lie outside of Lua's heap
    size_t collected_bytes;  // tensor_bytes after the last collection that they caused
    uint64_t steps;          // since the last maru_sandbox_begin
    uint64_t max_steps;
    int64_t deadline_ns;     // on maru_sandbox_now_ns; 0: none
    uint64_t allocations;
    uint64_t fail_allocation;  // for tests: this one and every later one fails; 0: none
    /*
     * A limit was reached. No script may catch this, and the state runs no script again: a coroutine that died in
     * the counting hook would run what it closes without it.
     */
    bool is_over;
    maru_status status;      // what the host is told
    char message[256];       // which one, and where
} maru_sandbox;

/* A state with the libraries that scripts may use. `sandbox` must outlive it. NULL when memory ran out. */
lua_State *maru_sandbox_open(maru_sandbox *sandbox);
/* Starts a new budget of steps. `deadline_ns` 0: none. False once a limit was reached. */
bool maru_sandbox_begin(maru_sandbox *sandbox, uint64_t max_steps, int64_t deadline_ns);

/* The sandbox of a state, or NULL in a stock Lua. */
maru_sandbox *maru_sandbox_of(lua_State *L);
/* Takes `steps` off the budget; raises when it is used up. */
void maru_sandbox_charge(lua_State *L, uint64_t steps);
/* Counts memory of a host tensor; raises beyond four times the limit of the heap. May collect garbage. */
void maru_sandbox_add_tensor(lua_State *L, size_t bytes);
void maru_sandbox_drop_tensor(lua_State *L, size_t bytes);
/* Raises that a limit was reached: from now on no script may catch anything. */
void maru_sandbox_end(lua_State *L, maru_status status, const char *fmt, ...);
/* Raises again what no script may catch; to be called with the error on top of the stack. */
void maru_sandbox_pass_on(lua_State *L, int lua_status);

/* Nanoseconds of the wall clock. */
int64_t maru_sandbox_now_ns(void);

/* Puts string functions with bounded work into the table on top of the stack. */
void maru_sandbox_open_string(lua_State *L);

#endif
