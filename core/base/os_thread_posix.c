// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/os_thread.h"

#include "base/os.h"
#include "base/os_posix.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_t) <= sizeof(uint64_t), "a thread's handle holds a pthread_t");

maru_status maru_os_thread_start(maru_os_thread *out_thread, void *(*fn)(void *), void *arg)
{
    // Signals belong to the program that embeds us: a new thread inherits a mask with all of them blocked.
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error)
        return maru_posix_fail("start", "a thread", error);
    out_thread->handle = 0;
    memcpy(&out_thread->handle, &thread, sizeof thread);
    return MARU_OK;
}

void maru_os_thread_join(maru_os_thread *thread)
{
    pthread_t posix;
    memcpy(&posix, &thread->handle, sizeof posix);
    pthread_join(posix, NULL);
}

/* ---- cores ---- */

/* The first hardware thread of the core that `cpu` belongs to; `cpu` itself where the system does not say. */
static int first_sibling(int cpu)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    int first = cpu;
    if (file) {
        if (fscanf(file, "%d", &first) != 1)
            first = cpu;
        fclose(file);
    }
    return first;
}

/* CPUs that the control group grants, rounded up; INT_MAX when there is no quota. */
static int quota_cpus(void)
{
    long long quota = 0;
    long long period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return INT_MAX;
    bool known = fscanf(file, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0;
    fclose(file);
    if (!known || quota / period >= INT_MAX - 1)
        return INT_MAX;
    return (int)((quota + period - 1) / period);
}

int maru_os_cpu_count(void)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    int count = 0;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (!CPU_ISSET(cpu, &mask))
                continue;
            // A core counts once: at its first thread, or at any other when the first is not ours.
            int first = first_sibling(cpu);
            count += first == cpu || first < 0 || first >= CPU_SETSIZE || !CPU_ISSET(first, &mask);
        }
    } else {
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    }
    int quota = quota_cpus();
    count = count < quota ? count : quota;
    return count > 0 ? count : 1;
}

void maru_os_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void maru_os_sleep_ns(int64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    while (ns > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* ---- waiting ---- */

bool maru_os_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec limit = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &limit, NULL, 0);
    return rc == 0 || errno != ETIMEDOUT;
}

void maru_os_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

bool maru_mutex_try_lock(maru_mutex *mutex)
{
    uint32_t free_state = 0;
    return atomic_compare_exchange_strong_explicit(&mutex->state, &free_state, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

void maru_mutex_lock(maru_mutex *mutex)
{
    if (maru_mutex_try_lock(mutex))
        return;
    while (atomic_exchange_explicit(&mutex->state, 2, memory_order_acquire) != 0)
        maru_os_wait(&mutex->state, 2, -1);
}

void maru_mutex_unlock(maru_mutex *mutex)
{
    if (atomic_exchange_explicit(&mutex->state, 0, memory_order_release) == 2)
        maru_os_wake(&mutex->state, 1);
}

bool maru_cond_wait(maru_cond *cond, maru_mutex *mutex, int64_t timeout_ns)
{
    uint32_t seen = atomic_load(&cond->sequence);
    maru_mutex_unlock(mutex);
    bool in_time = maru_os_wait(&cond->sequence, seen, timeout_ns);
    maru_mutex_lock(mutex);
    return in_time;
}

void maru_cond_signal(maru_cond *cond)
{
    atomic_fetch_add(&cond->sequence, 1);
    maru_os_wake(&cond->sequence, 1);
}

void maru_cond_broadcast(maru_cond *cond)
{
    atomic_fetch_add(&cond->sequence, 1);
    maru_os_wake(&cond->sequence, INT_MAX);
}
