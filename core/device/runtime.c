// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "base/array.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/os.h"
#include "base/os_thread.h"
#include "base/str.h"
#include "device/find.h"
#include "device/info.h"
#include "device/probe.h"
#include "device/registry.h"
#include "device/search.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    maru_plugin *plugin;
    uint32_t index;  // in the plugin
    const char *id;
    maru_abi_device_info info;
} device_entry;

typedef struct {
    const char *path;
    const char *why;
} refusal;

struct maru_runtime {
    maru_pool *pool;  // NULL: the embedder's
    maru_thread_pool embedder_pool;
    maru_allocator allocator;
    maru_host_services services;
    char *cache_dir;
    char *plugin_path;  // NULL: the default
    char *helper;       // maru-probe; NULL: not there, or not wanted
    bool probes_again;
    maru_packed_cache packed;
    maru_mutex mutex;   // of loading
    atomic_bool loaded; // from then on, what follows is only read
    maru_arena arena;
    MARU_ARRAY(maru_plugin *) plugins;
    MARU_ARRAY(device_entry) devices;
    MARU_ARRAY(refusal) refusals;
};

/* ---- create and destroy ----------------------------------------------------- */

static maru_status copy_text(const char *text, char **out)
{
    maru_str copy = {0};
    maru_str_append(&copy, text);
    *out = maru_str_take(&copy);
    return *out ? MARU_OK : maru_fail_oom("a runtime");
}

static maru_status take_params(maru_runtime *r, const maru_runtime_params *params)
{
    if (params->pool) {
        if (!params->pool->parallel_for || params->pool->n_threads < 1)
            return maru_fail(MARU_INVALID_ARGUMENT, "runtime: the given pool has %d threads%s",
                             params->pool->n_threads, params->pool->parallel_for ? "" : " and no parallel_for");
        r->embedder_pool = *params->pool;
    } else {
        MARU_TRY(maru_pool_create(params->n_threads, &r->pool));
    }
    if (params->allocator && (!params->allocator->alloc || !params->allocator->free))
        return maru_fail(MARU_INVALID_ARGUMENT, "runtime: the given allocator lacks alloc or free");
    r->allocator = params->allocator ? *params->allocator : maru_malloc_allocator;
    if (params->plugin_path)
        MARU_TRY(copy_text(params->plugin_path, &r->plugin_path));
    if (params->cache_dir)
        MARU_TRY(copy_text(params->cache_dir, &r->cache_dir));
    else if (maru_os_cache_dir(&r->cache_dir) != MARU_OK)
        MARU_TRY(copy_text("", &r->cache_dir)); // no home: nothing is kept
    r->probes_again = params->probe_again;
    if (!params->skip_probe && maru_search_helper("maru-probe", &r->helper) != MARU_OK)
        maru_log(MARU_LOG_WARN, "plugins are loaded without a trial: %s", maru_error_message());
    return MARU_OK;
}

/* What the plugins were given; not freed while a plugin that could not be shut down may use it. */
static void free_services(maru_runtime *r)
{
    maru_pool_destroy(&r->pool);
    free(r->cache_dir);
    maru_arena_fini(&r->arena);
    free(r);
}

void maru_runtime_destroy(maru_runtime **runtime)
{
    maru_runtime *r = *runtime;
    if (!r)
        return;
    *runtime = NULL;
    bool is_needed = false;
    for (size_t i = r->plugins.count; i-- > 0;) {
        maru_status status = maru_plugin_unload(&r->plugins.data[i]);
        if (status == MARU_UNAVAILABLE)
            maru_log(MARU_LOG_ERROR, "runtime: destroyed too early: %s", maru_error_message());
        is_needed = is_needed || status != MARU_OK;
    }
    maru_array_fini(&r->plugins);
    maru_array_fini(&r->devices);
    maru_array_fini(&r->refusals);
    free(r->plugin_path);
    free(r->helper);
    if (!is_needed)
        free_services(r);
}

maru_status maru_runtime_create(const maru_runtime_params *params, maru_runtime **out_runtime)
{
    static const maru_runtime_params defaults = {0};
    *out_runtime = NULL;
    maru_runtime *r = calloc(1, sizeof *r);
    if (!r)
        return maru_fail_oom("a runtime");
    atomic_init(&r->loaded, false);
    maru_status status = take_params(r, params ? params : &defaults);
    if (status != MARU_OK) {
        maru_runtime_destroy(&r);
        return status;
    }
    r->services = (maru_host_services){
        .pool = r->pool,
        .embedder_pool = r->pool ? NULL : &r->embedder_pool,
        .allocator = &r->allocator,
        .cache_dir = r->cache_dir,
    };
    *out_runtime = r;
    return MARU_OK;
}

int maru_runtime_threads(const maru_runtime *runtime)
{
    return runtime->pool ? maru_pool_threads(runtime->pool) : runtime->embedder_pool.n_threads;
}

/* ---- loading ------------------------------------------------------------------ */

static maru_status refuse(maru_runtime *r, const char *path, const char *why)
{
    refusal entry = {.path = maru_arena_strdup(&r->arena, path), .why = maru_arena_strdup(&r->arena, why)};
    if (!entry.path || !entry.why)
        return maru_fail_oom("the list of plugins");
    maru_log(MARU_LOG_INFO, "%s: %s", path, why);
    return maru_array_push(&r->refusals, entry);
}

static maru_status add_device(maru_runtime *r, maru_plugin *plugin, uint32_t index)
{
    device_entry entry = {.plugin = plugin, .index = index};
    MARU_TRY(maru_device_info_get(plugin, index, &r->arena, &entry.info));
    entry.id = maru_arena_printf(&r->arena, "%s:%u", maru_plugin_name(plugin), index);
    return entry.id ? maru_array_push(&r->devices, entry) : maru_fail_oom("the list of devices");
}

static maru_status add_devices(maru_runtime *r, maru_plugin *plugin)
{
    uint32_t count = 0;
    char why[512];
    MARU_TRY(maru_plugin_device_count(plugin, &count, why, sizeof why));
    if (count == 0)
        return refuse(r, maru_plugin_path(plugin), *why ? why : "it sees no device and does not say why");
    for (uint32_t i = 0; i < count; i++)
        MARU_TRY(add_device(r, plugin, i));
    return MARU_OK;
}

/* For one that has no device open: the reason of a failure is in the log, and the error at hand is the one to tell. */
static void drop(maru_plugin *plugin)
{
    maru_status status = maru_plugin_unload(&plugin);
    (void)status;
}

/* The plugin stays loaded even where its devices cannot be read: unloading is the runtime's end. */
static maru_status add_plugin(maru_runtime *r, maru_plugin *plugin)
{
    maru_status status = maru_array_push(&r->plugins, plugin);
    if (status != MARU_OK) {
        drop(plugin);
        return status;
    }
    status = add_devices(r, plugin);
    return status == MARU_OK || status == MARU_RESOURCE_EXHAUSTED
               ? status
               : refuse(r, maru_plugin_path(plugin), maru_error_message());
}

static const maru_plugin *find_by_name(const maru_runtime *r, const char *name)
{
    for (size_t i = 0; i < r->plugins.count; i++) {
        if (strcmp(maru_plugin_name(r->plugins.data[i]), name) == 0)
            return r->plugins.data[i];
    }
    return NULL;
}

static maru_status check_name(const maru_runtime *r, const maru_plugin_file *file)
{
    const maru_plugin *other = find_by_name(r, file->manifest.name);
    if (!other)
        return MARU_OK;
    return maru_fail(MARU_ALREADY_EXISTS, "%s: a plugin '%s' is loaded already, from %s", file->path,
                     file->manifest.name, maru_plugin_path(other));
}

static maru_status start_file(maru_runtime *r, maru_plugin_file *file, maru_plugin **out_plugin)
{
    maru_probe_params probe = {.helper = r->helper, .cache_dir = r->cache_dir, .ignores_cache = r->probes_again};
    maru_plugin_params params = {.services = &r->services};
    maru_status status = check_name(r, file);
    if (status == MARU_OK && r->helper)
        status = maru_probe_file(file, &probe);
    if (status != MARU_OK) {
        maru_plugin_file_close(file);
        return status;
    }
    return maru_plugin_start(file, &params, out_plugin);
}

static bool is_loaded_path(const maru_runtime *r, const char *path)
{
    for (size_t i = 0; i < r->plugins.count; i++) {
        if (strcmp(maru_plugin_path(r->plugins.data[i]), path) == 0)
            return true;
    }
    return false;
}

/* One that fails is a refusal; only the end of memory stops the search. */
static maru_status visit_candidate(void *ctx, const char *path)
{
    maru_runtime *r = ctx;
    maru_plugin_file file;
    maru_plugin *plugin = NULL;
    maru_status status = maru_plugin_file_open(path, &file);
    if (status == MARU_OK && is_loaded_path(r, file.path)) {
        maru_plugin_file_close(&file);
        return MARU_OK; // found twice on the way of the search
    }
    if (status == MARU_OK)
        status = start_file(r, &file, &plugin);
    return status == MARU_OK ? add_plugin(r, plugin) : refuse(r, path, maru_error_message());
}

maru_status maru_runtime_load_plugins(maru_runtime *runtime)
{
    if (atomic_load_explicit(&runtime->loaded, memory_order_acquire))
        return MARU_OK;
    maru_mutex_lock(&runtime->mutex);
    maru_status status = MARU_OK;
    if (!atomic_load_explicit(&runtime->loaded, memory_order_relaxed)) {
        status = maru_search_plugins(runtime->plugin_path, visit_candidate, runtime);
        atomic_store_explicit(&runtime->loaded, true, memory_order_release);
    }
    maru_mutex_unlock(&runtime->mutex);
    return status;
}

maru_status maru_runtime_attach_static(maru_runtime *runtime, maru_abi_query_fn query, const char *manifest_text)
{
    maru_plugin_params params = {.services = &runtime->services};
    maru_plugin *plugin = NULL;
    if (atomic_load(&runtime->loaded))
        return maru_fail(MARU_FAILED_PRECONDITION, "runtime: a static plugin comes too late, the devices were read");
    MARU_TRY(maru_plugin_attach_static(query, manifest_text, &params, &plugin));
    const maru_plugin *other = find_by_name(runtime, maru_plugin_name(plugin));
    if (!other)
        return add_plugin(runtime, plugin);
    maru_status status = maru_fail(MARU_ALREADY_EXISTS, "a plugin '%s' is attached already, from %s",
                                   maru_plugin_name(plugin), maru_plugin_path(other));
    drop(plugin);
    return status;
}

/* ---- what there is -------------------------------------------------------------- */

size_t maru_runtime_plugin_count(maru_runtime *runtime)
{
    return maru_runtime_load_plugins(runtime) == MARU_OK ? runtime->plugins.count : 0;
}

maru_plugin *maru_runtime_plugin(maru_runtime *runtime, size_t index)
{
    return index < maru_runtime_plugin_count(runtime) ? runtime->plugins.data[index] : NULL;
}

maru_status maru_runtime_device_count(maru_runtime *runtime, size_t *out_count)
{
    *out_count = 0;
    MARU_TRY(maru_runtime_load_plugins(runtime));
    *out_count = runtime->devices.count;
    return MARU_OK;
}

static const device_entry *device_at(maru_runtime *runtime, size_t index)
{
    if (maru_runtime_load_plugins(runtime) != MARU_OK || index >= runtime->devices.count)
        return NULL;
    return &runtime->devices.data[index];
}

const maru_abi_device_info *maru_runtime_device_desc(maru_runtime *runtime, size_t index)
{
    const device_entry *entry = device_at(runtime, index);
    return entry ? &entry->info : NULL;
}

maru_plugin *maru_runtime_device_plugin(maru_runtime *runtime, size_t index)
{
    const device_entry *entry = device_at(runtime, index);
    return entry ? entry->plugin : NULL;
}

static maru_status no_such_device(size_t index)
{
    return maru_fail(MARU_OUT_OF_RANGE, "runtime: there is no device %zu", index);
}

maru_status maru_runtime_open_device(maru_runtime *runtime, size_t index, const char *options, maru_dev **out_dev)
{
    *out_dev = NULL;
    MARU_TRY(maru_runtime_load_plugins(runtime));
    const device_entry *entry = device_at(runtime, index);
    return entry ? maru_dev_open(entry->plugin, entry->index, options, out_dev) : no_such_device(index);
}

maru_status maru_runtime_device_info(maru_runtime *runtime, size_t index, maru_device_info *out_info)
{
    *out_info = (maru_device_info){0};
    MARU_TRY(maru_runtime_load_plugins(runtime));
    const device_entry *entry = device_at(runtime, index);
    if (!entry)
        return no_such_device(index);
    const maru_abi_device_info *info = &entry->info;
    const maru_abi_memory_kind *memory = MARU_ABI_AT(maru_abi_memory_kind, info->memory_kinds, 0);
    *out_info = (maru_device_info){
        .id = entry->id,
        .name = info->name,
        .plugin = maru_plugin_name(entry->plugin),
        .plugin_version = maru_plugin_manifest(entry->plugin)->version,
        .plugin_path = maru_plugin_path(entry->plugin),
        .kind = maru_device_kind_name(info->kind),
        .vendor = info->vendor,
        .driver = info->driver,
        .tiers = maru_plugin_manifest(entry->plugin)->tiers,
        .features = info->features.data,
        .n_features = info->features.count,
        .compute_units = info->compute_units,
        .clock_mhz = info->clock_mhz,
        .memory_bytes = memory->total_bytes,
        .largest_alloc = memory->largest_alloc,
        .bandwidth = info->bandwidth,
        .cache_bytes = {info->cache_bytes[0], info->cache_bytes[1], info->cache_bytes[2]},
        .caps = info->caps,
    };
    return MARU_OK;
}

maru_status maru_runtime_find_devices(maru_runtime *runtime, const char *pattern, size_t *out_indices, size_t room,
                                      size_t *out_count)
{
    *out_count = 0;
    MARU_TRY(maru_runtime_load_plugins(runtime));
    size_t n = runtime->devices.count;
    maru_find_name *names = calloc(n ? n : 1, sizeof *names);
    if (!names)
        return maru_fail_oom("looking for devices");
    for (size_t i = 0; i < n; i++)
        names[i] = (maru_find_name){runtime->devices.data[i].id, runtime->devices.data[i].info.name};
    maru_status status = maru_find_match(pattern, names, n, out_indices, room, out_count);
    free(names);
    return status;
}

const char *maru_runtime_refusal(maru_runtime *runtime, size_t index, const char **out_path)
{
    if (out_path)
        *out_path = NULL;
    if (maru_runtime_load_plugins(runtime) != MARU_OK || index >= runtime->refusals.count)
        return NULL;
    if (out_path)
        *out_path = runtime->refusals.data[index].path;
    return runtime->refusals.data[index].why;
}

/* ---- for the core ------------------------------------------------------------------ */

enum { MEMORY_ALIGN = 64 };  // what an import of a host pointer asks for

void *maru_runtime_alloc(maru_runtime *runtime, size_t bytes)
{
    const maru_allocator *allocator = &runtime->allocator;
    if (allocator->alloc == maru_malloc_allocator.alloc)
        return maru_os_pages_alloc(bytes);
    void *memory = allocator->alloc(allocator->ctx, bytes, MEMORY_ALIGN);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void maru_runtime_free(maru_runtime *runtime, void *memory, size_t bytes)
{
    const maru_allocator *allocator = &runtime->allocator;
    if (allocator->alloc == maru_malloc_allocator.alloc)
        maru_os_pages_free(memory, bytes);
    else
        allocator->free(allocator->ctx, memory);
}

maru_packed_cache *maru_runtime_packed(maru_runtime *runtime)
{
    return &runtime->packed;
}

const char *maru_runtime_cache_dir(const maru_runtime *runtime)
{
    return runtime->cache_dir;
}

void maru_runtime_parallel_for(maru_runtime *runtime, int64_t count, int64_t grain, maru_task_fn fn, void *ctx)
{
    const maru_thread_pool *embedder = &runtime->embedder_pool;
    if (runtime->pool)
        maru_pool_parallel_for(runtime->pool, count, grain, fn, ctx);
    else
        embedder->parallel_for(embedder->ctx, count, grain, fn, ctx);
}
