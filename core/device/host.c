// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/host.h"

#include "base/log.h"
#include "base/os.h"
#include "device/cache.h"

#include <stdlib.h>
#include <string.h>

/* ---- the C library's allocator -------------------------------------------- */

static void *malloc_aligned(void *ctx, size_t bytes, size_t align)
{
    (void)ctx;
    size_t a = align < sizeof(void *) ? sizeof(void *) : align;
    if (bytes > SIZE_MAX - (a - 1))
        return NULL;
    size_t rounded = (bytes + a - 1) & ~(a - 1);
    return aligned_alloc(a, rounded ? rounded : a);
}

static void malloc_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

const maru_allocator maru_malloc_allocator = {.alloc = malloc_aligned, .free = malloc_free};

/* ---- the table ------------------------------------------------------------ */

static void host_log(void *ctx, uint32_t level, const char *line)
{
    const maru_host *host = ctx;
    maru_log(level > MARU_LOG_DEBUG ? MARU_LOG_DEBUG : (maru_log_level)level, "%s: %s", host->name, line ? line : "");
}

static void *host_alloc(void *ctx, uint64_t bytes, uint64_t align)
{
    const maru_host *host = ctx;
    const maru_allocator *a = host->services.allocator;
    if (align == 0 || (align & (align - 1)) != 0)
        return NULL;
    return a->alloc(a->ctx, (size_t)bytes, (size_t)align);
}

static void host_free(void *ctx, void *memory)
{
    const maru_host *host = ctx;
    const maru_allocator *a = host->services.allocator;
    if (memory)
        a->free(a->ctx, memory);
}

static int64_t host_now(void *ctx)
{
    (void)ctx;
    return maru_os_now_ns();
}

static void host_parallel_for(void *ctx, int64_t count, int64_t grain, maru_abi_task_fn fn, void *task_ctx)
{
    const maru_host *host = ctx;
    const maru_thread_pool *embedder = host->services.embedder_pool;
    if (count <= 0)
        return;
    if (grain < 1)
        grain = 1;
    if (embedder)
        embedder->parallel_for(embedder->ctx, count, grain, fn, task_ctx);
    else
        maru_pool_parallel_for(host->services.pool, count, grain, fn, task_ctx);
}

static uint32_t host_thread_count(void *ctx)
{
    const maru_host *host = ctx;
    const maru_thread_pool *embedder = host->services.embedder_pool;
    return (uint32_t)(embedder ? embedder->n_threads : maru_pool_threads(host->services.pool));
}

static maru_abi_status host_cache_get(void *ctx, const uint8_t key[32], void *data, uint64_t room,
                                      uint64_t *out_bytes)
{
    const maru_host *host = ctx;
    size_t bytes = 0;
    maru_status status = maru_cache_get(host->services.cache_dir, host->name, key, data, (size_t)room, &bytes);
    *out_bytes = bytes;
    return (maru_abi_status)status;
}

static maru_abi_status host_cache_put(void *ctx, const uint8_t key[32], const void *data, uint64_t bytes)
{
    const maru_host *host = ctx;
    return (maru_abi_status)maru_cache_put(host->services.cache_dir, host->name, key, data, (size_t)bytes);
}

static void host_notify(void *ctx)
{
    maru_host *host = ctx;
    atomic_store_explicit(&host->notified, true, memory_order_release);
}

/* No extension is offered by this host yet; a plugin must do without any. */
static const void *host_get_ext(void *ctx, const char *name, uint32_t min_version)
{
    (void)ctx;
    (void)name;
    (void)min_version;
    return NULL;
}

void maru_host_init(maru_host *host, const maru_host_services *services, const char *name)
{
    host->services = *services;
    size_t n = strlen(name);
    n = n < sizeof host->name ? n : sizeof host->name - 1;
    memcpy(host->name, name, n);
    host->name[n] = '\0';
    atomic_init(&host->notified, false);
    host->table = (maru_abi_host){
        .head = MARU_ABI_HEAD(maru_abi_host),
        .ctx = host,
        .log = host_log,
        .alloc = host_alloc,
        .free = host_free,
        .now = host_now,
        .parallel_for = host_parallel_for,
        .thread_count = host_thread_count,
        .cache_get = host_cache_get,
        .cache_put = host_cache_put,
        .notify = host_notify,
        .get_ext = host_get_ext,
    };
}

bool maru_host_take_notified(maru_host *host)
{
    return atomic_exchange_explicit(&host->notified, false, memory_order_acquire);
}
