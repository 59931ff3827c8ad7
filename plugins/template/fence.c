// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

/* A timeline in host memory. It serves any device that can call a function when work ends. */

#include "host_device.h"

#include <pthread.h>
#include <string.h>
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
    pthread_cond_t changed; // on the monotonic clock, as host.now
    uint64_t value;
    int has_failed;
    maru_abi_error reason;
    armed *armed;
};

static maru_abi_status fence_create(maru_abi_device *device, uint64_t initial, maru_abi_fence **out_fence,
                                    maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    maru_abi_fence *fence = host->alloc(host->ctx, sizeof *fence, 64);
    if (!fence)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a fence");
    memset(fence, 0, sizeof *fence);
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
        host->free(host->ctx, fence->armed);
        fence->armed = next;
    }
    pthread_cond_destroy(&fence->changed);
    pthread_mutex_destroy(&fence->mutex);
    atomic_fetch_sub(&fence->device->n_children, 1);
    host->free(host->ctx, fence);
}

/* With the mutex held. */
static maru_abi_status failure_of(const maru_abi_fence *fence, maru_abi_error *error)
{
    if (error) {
        maru_abi_head head = error->head;
        *error = fence->reason;
        error->head = head;
    }
    return fence->reason.code;
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
    struct timespec until = {deadline / 1000000000, deadline % 1000000000};
    int timed_out = 0;
    maru_abi_status status = MARU_ABI_OK;
    pthread_mutex_lock(&fence->mutex);
    while (!fence->has_failed && fence->value < value && !timed_out)
        timed_out = pthread_cond_timedwait(&fence->changed, &fence->mutex, &until) != 0;
    if (fence->has_failed)
        status = failure_of(fence, error);
    else if (fence->value < value)
        status = tpl_fail(error, MARU_ABI_DEADLINE_EXCEEDED, "the value was not reached in time");
    pthread_mutex_unlock(&fence->mutex);
    return status;
}

/* With the mutex held: tells everybody who waits for what is true now. */
static void announce(maru_abi_fence *fence)
{
    const maru_abi_host *host = fence->device->plugin->host;
    pthread_cond_broadcast(&fence->changed);
    for (armed **at = &fence->armed; *at;) {
        armed *a = *at;
        if (!fence->has_failed && fence->value < a->value) {
            at = &a->next;
            continue;
        }
        uint64_t one = 1;
        ssize_t written = write(a->fd, &one, sizeof one);
        (void)written; // an eventfd takes 8 bytes or the host closed it
        *at = a->next;
        host->free(host->ctx, a);
    }
}

static maru_abi_status fence_signal(maru_abi_fence *fence, uint64_t value, maru_abi_error *error)
{
    pthread_mutex_lock(&fence->mutex);
    maru_abi_status status = fence->has_failed ? failure_of(fence, error) : MARU_ABI_OK;
    if (status == MARU_ABI_OK && value > fence->value) {
        fence->value = value;
        announce(fence);
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
        announce(fence);
    }
    pthread_mutex_unlock(&fence->mutex);
}

static maru_abi_status fence_arm(maru_abi_fence *fence, uint64_t value, int32_t eventfd, maru_abi_error *error)
{
    const maru_abi_host *host = fence->device->plugin->host;
    armed *a = host->alloc(host->ctx, sizeof *a, 16);
    if (!a)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory to arm a fence");
    pthread_mutex_lock(&fence->mutex);
    *a = (armed){fence->armed, value, eventfd};
    fence->armed = a;
    announce(fence);
    pthread_mutex_unlock(&fence->mutex);
    return MARU_ABI_OK;
}

const maru_abi_fence_fns tpl_fence_fns = {
    .head = MARU_ABI_HEAD(maru_abi_fence_fns),
    .create = fence_create,
    .destroy = fence_destroy,
    .query = fence_query,
    .wait = fence_wait,
    .signal = fence_signal,
    .fail = fence_fail,
    .arm = fence_arm,
};
