// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_OS_THREAD_H
#define MARU_BASE_OS_THREAD_H

/* Threads, and waiting for them. Locks are one word, {0} when unlocked, and need no fini. */

#include <maru/status.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct maru_os_thread {
    uint64_t handle;
} maru_os_thread;

/* Runs fn(arg) on a new thread, all signals blocked; its result is dropped. */
MARU_NODISCARD maru_status maru_os_thread_start(maru_os_thread *out_thread, void *(*fn)(void *), void *arg);
/* Waits for its end; once per thread. */
void maru_os_thread_join(maru_os_thread *thread);

/* Cores this process may run on: its affinity mask, one of the hardware threads of a core, and its CPU quota. >= 1. */
int maru_os_cpu_count(void);
/* Pause in a loop that waits actively. */
void maru_os_relax(void);
void maru_os_sleep_ns(int64_t ns);

/*
 * Sleeps while *word == expected, until a wake, `timeout_ns` (negative: no
 * limit) or for no reason: look again. False when the time ran out.
 */
bool maru_os_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);
/* Wakes at most `n` of those who sleep on `word`. */
void maru_os_wake(_Atomic uint32_t *word, int n);

/* 0 free, 1 held, 2 held and somebody may sleep on it. Not recursive. */
typedef struct maru_mutex {
    _Atomic uint32_t state;
} maru_mutex;

void maru_mutex_lock(maru_mutex *mutex);
bool maru_mutex_try_lock(maru_mutex *mutex);
void maru_mutex_unlock(maru_mutex *mutex);

/* A condition variable: the caller holds `mutex` around wait, and looks at its condition again after it. */
typedef struct maru_cond {
    _Atomic uint32_t sequence;
} maru_cond;

/* False when `timeout_ns` passed (negative: no limit). */
bool maru_cond_wait(maru_cond *cond, maru_mutex *mutex, int64_t timeout_ns);
void maru_cond_signal(maru_cond *cond);
void maru_cond_broadcast(maru_cond *cond);

#endif
