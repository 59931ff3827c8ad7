// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_HOST_H
#define MARU_DEVICE_HOST_H

/*
 * What the runtime offers to its plugins: the maru_abi_host table over the
 * runtime's log, allocator, pool of threads and cache.
 */

#include "base/pool.h"

#include <maru/plugin.h>
#include <maru/runtime.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Shared by all plugins of a runtime; borrowed, and outlives them. Exactly one of the pools is set. */
typedef struct maru_host_services {
    maru_pool *pool;
    const maru_thread_pool *embedder_pool;
    const maru_allocator *allocator;
    const char *cache_dir;  // "": keep nothing
} maru_host_services;

/* One per plugin: its name stands before its log lines and keeps its cache entries apart. */
typedef struct maru_host {
    maru_abi_host table;
    maru_host_services services;
    char name[32];
    atomic_bool notified;
} maru_host;

void maru_host_init(maru_host *host, const maru_host_services *services, const char *name);
/* Whether the plugin called notify since the last time this was asked. Any thread. */
bool maru_host_take_notified(maru_host *host);

/* The C library's allocator, for runtimes that bring none. */
extern const maru_allocator maru_malloc_allocator;

#endif
