// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

/*
 * A timeline in host memory. The mutex is one fence's own, held for a few
 * instructions: who has seen a value may destroy the fence at once, although
 * the thread that wrote it still is in signal, and that needs a mutex.
 */

#include "cpu.h"

#include <time.h>
#include <unistd.h>

typedef struct armed {
    struct armed *next;
    uint64_t value;
    int fd;
} armed;

struct maru_abi_fence {
    maru_abi_device *device;
    pthread_mutex_t mutex;
    pthread_cond_t changed;   // on the monotonic clock, as host.now
    uint64_t value;
    int has_failed;
    maru_abi_error reason;
    armed *armed;
};

static maru_abi_status fence_create(maru_abi_device *device, uint64_t initial, maru_abi_fence **out_fence,
                                    maru_abi_error *error)
{
    maru_abi_fence *fence = cpu_alloc(device->plugin->host, 1, sizeof *fence);
    if (!fence)
        return cpu_no_memory(error, "a fence");
    fence->device = device;
    fence->value = initial;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&fence->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&fence->mutex, NULL);
    atomic_fetch_add(&device->n_children, 1);
    *out_fence = fence;
    return MARU_ABI_OK;
}

static void fence_destroy(maru_abi_fence *fence)
{
    const maru_abi_host *host = fence->device->plugin->host;
    while (fence->armed) {
        armed *next = fence->armed->next;
        cpu_free(host, fence->armed);
        fence->armed = next;
    }
    pthread_cond_destroy(&fence->changed);
    pthread_mutex_destroy(&fence->mutex);
    atomic_fetch_sub(&fence->device->n_children, 1);
    cpu_free(host, fence);
}

/* From here to fire: with the mutex held. */
static maru_abi_status failure_of(const maru_abi_fence *fence, maru_abi_error *error)
{
    if (error) {
        maru_abi_head head = error->head;
        *error = fence->reason;
        error->head = head;
    }
    return fence->reason.code;
}

static int is_settled(const maru_abi_fence *fence, uint64_t value)
{
    return fence->has_failed || fence->value >= value;
}

/* Writes to the descriptors whose time has come. */
static void fire(maru_abi_fence *fence)
{
    for (armed **at = &fence->armed; *at;) {
        armed *a = *at;
        if (!is_settled(fence, a->value)) {
            at = &a->next;
            continue;
        }
        uint64_t one = 1;
        ssize_t written = write(a->fd, &one, sizeof one);
        (void)written; // an eventfd takes 8 bytes, or the host closed it
        *at = a->next;
        cpu_free(fence->device->plugin->host, a);
    }
}

static maru_abi_status fence_query(maru_abi_fence *fence, uint64_t *out_value, maru_abi_error *error)
{
    pthread_mutex_lock(&fence->mutex);
    *out_value = fence->value;
    maru_abi_status status = fence->has_failed ? failure_of(fence, error) : MARU_ABI_OK;
    pthread_mutex_unlock(&fence->mutex);
    return status;
}

static maru_abi_status fence_wait(maru_abi_fence *fence, uint64_t value, int64_t deadline, maru_abi_error *error)
{
    struct timespec until = {deadline > 0 ? deadline / 1000000000 : 0, deadline > 0 ? deadline % 1000000000 : 0};
    int timed_out = 0;
    maru_abi_status status = MARU_ABI_OK;
    pthread_mutex_lock(&fence->mutex);
    while (!is_settled(fence, value) && !timed_out)
        timed_out = pthread_cond_timedwait(&fence->changed, &fence->mutex, &until) != 0;
    if (fence->has_failed)
        status = failure_of(fence, error);
    else if (fence->value < value)
        status = cpu_fail(error, MARU_ABI_DEADLINE_EXCEEDED, "the fence is at %llu, %llu was not reached in time",
                          (unsigned long long)fence->value, (unsigned long long)value);
    pthread_mutex_unlock(&fence->mutex);
    return status;
}

static maru_abi_status fence_signal(maru_abi_fence *fence, uint64_t value, maru_abi_error *error)
{
    pthread_mutex_lock(&fence->mutex);
    maru_abi_status status = fence->has_failed ? failure_of(fence, error) : MARU_ABI_OK;
    if (status == MARU_ABI_OK && value > fence->value) {
        fence->value = value;
        pthread_cond_broadcast(&fence->changed);
        fire(fence);
    }
    pthread_mutex_unlock(&fence->mutex);
    return status;
}

static void fence_fail(maru_abi_fence *fence, const maru_abi_error *reason)
{
    pthread_mutex_lock(&fence->mutex);
    if (!fence->has_failed) {
        fence->has_failed = 1;
        fence->reason = *reason;
        pthread_cond_broadcast(&fence->changed);
        fire(fence);
    }
    pthread_mutex_unlock(&fence->mutex);
}

static maru_abi_status fence_arm(maru_abi_fence *fence, uint64_t value, int32_t eventfd, maru_abi_error *error)
{
    armed *a = cpu_alloc(fence->device->plugin->host, 1, sizeof *a);
    if (!a)
        return cpu_no_memory(error, "an armed fence");
    pthread_mutex_lock(&fence->mutex);
    *a = (armed){fence->armed, value, eventfd};
    fence->armed = a;
    fire(fence);
    pthread_mutex_unlock(&fence->mutex);
    return MARU_ABI_OK;
}

const maru_abi_fence_fns cpu_fence_fns = {
    .head = MARU_ABI_HEAD(maru_abi_fence_fns),
    .create = fence_create,
    .destroy = fence_destroy,
    .query = fence_query,
    .wait = fence_wait,
    .signal = fence_signal,
    .fail = fence_fail,
    .arm = fence_arm,
};
