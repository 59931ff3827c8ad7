// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/loader.h"

#include "base/fail.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "device/answer.h"
#include "device/plugin_impl.h"
#include "device/tables.h"

#include <stdlib.h>
#include <string.h>

/* ---- a file, before its code runs ----------------------------------------- */

static maru_status folder_of(const char *path, char **out_dir)
{
    const char *slash = strrchr(path, '/');
    maru_str dir = {0};
    maru_str_append_n(&dir, path, slash && slash > path ? (size_t)(slash - path) : 1);
    *out_dir = maru_str_take(&dir);
    return *out_dir ? MARU_OK : maru_fail_oom("a plugin's path");
}

static maru_status open_file(const char *path, maru_plugin_file *file)
{
    MARU_TRY(maru_os_real_path(path, &file->path));
    MARU_TRY(folder_of(file->path, &file->dir));
    if (!maru_os_is_file(file->path))
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: not a regular file", file->path);
    MARU_TRY(maru_os_map_file(file->path, &file->map));
    MARU_TRY(maru_os_fd_id(file->map.fd, &file->id));
    MARU_TRY(maru_manifest_from_elf(file->path, file->map.data, file->map.bytes, &file->manifest));
    return maru_manifest_check(&file->manifest, file->path);
}

maru_status maru_plugin_file_open(const char *path, maru_plugin_file *out_file)
{
    *out_file = (maru_plugin_file){.map.fd = -1};
    maru_status status = open_file(path, out_file);
    if (status != MARU_OK)
        maru_plugin_file_close(out_file);
    return status;
}

void maru_plugin_file_close(maru_plugin_file *file)
{
    maru_manifest_fini(&file->manifest);
    if (file->map.fd >= 0)
        maru_os_unmap_file(&file->map);
    free(file->path);
    free(file->dir);
    *file = (maru_plugin_file){.map.fd = -1};
}

void maru_plugin_file_hash(const maru_plugin_file *file, uint8_t out_digest[32])
{
    maru_sha256 sha;
    maru_sha256_init(&sha);
    maru_sha256_update(&sha, file->map.data, file->map.bytes);
    maru_sha256_final(&sha, out_digest);
}

/* ---- an instance ------------------------------------------------------------ */

static maru_status check_content(const maru_plugin_file *file, const maru_plugin_params *params)
{
    uint8_t digest[32];
    if (params->expected_sha256) {
        maru_plugin_file_hash(file, digest);
        if (memcmp(digest, params->expected_sha256, sizeof digest) != 0) {
            char has[65];
            char wanted[65];
            maru_sha256_hex(digest, has);
            maru_sha256_hex(params->expected_sha256, wanted);
            return maru_fail(MARU_PERMISSION_DENIED, "%s: its SHA-256 is %s, the deployment asks for %s", file->path,
                             has, wanted);
        }
    }
    if (params->verify)
        return params->verify(params->verify_ctx, file->path, file->map.data, file->map.bytes);
    return MARU_OK;
}

static maru_status load_code(maru_plugin *plugin, maru_os_lib_way way, maru_abi_query_fn *out_query)
{
    static const char *const why[] = {
        [MARU_OS_LIB_NO_PROC] = "/proc is absent",
        [MARU_OS_LIB_NO_DESCRIPTOR] = "no descriptor can be kept for it",
    };
    MARU_TRY(maru_os_lib_open(plugin->file.map.fd, plugin->file.path, &plugin->lib, &way));
    if (way != MARU_OS_LIB_BY_FD)
        maru_log(MARU_LOG_WARN, "%s: loaded by its path, since %s: the check of it was not atomic", plugin->file.path,
                 why[way]);
    void *symbol = maru_os_lib_symbol(plugin->lib, MARU_PLUGIN_SYMBOL);
    if (!symbol)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: it has no symbol '%s'", plugin->file.path,
                         MARU_PLUGIN_SYMBOL);
    memcpy(out_query, &symbol, sizeof *out_query); // ISO C has no cast from an object to a function
    return MARU_OK;
}

static maru_status create_instance(maru_plugin *plugin, maru_abi_query_fn query, const maru_plugin_params *params)
{
    const maru_abi_entry *entry = query(MARU_ABI_MAJOR, MARU_ABI_MINOR);
    if (!entry)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: it cannot work with a host of ABI %d.%d", plugin->what,
                         MARU_ABI_MAJOR, MARU_ABI_MINOR);
    MARU_TRY(maru_tables_check_entry(plugin->what, &plugin->file.manifest, entry));
    maru_abi_create_params create = {
        .head = MARU_ABI_HEAD(maru_abi_create_params),
        .plugin_dir = plugin->file.dir ? plugin->file.dir : "",
        .options = params->options,
    };
    const maru_abi_plugin_api *api = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = entry->create(&plugin->host.table, &create, &api, &error);
    if (status != MARU_ABI_OK)
        return maru_answer_fail(plugin->what, "create", status, &error);
    if (!api)
        return maru_fail(MARU_INTERNAL, "%s: create answered OK and gave no api", plugin->what);
    maru_status taken = maru_tables_take(plugin->what, &plugin->file.manifest, api, &plugin->fns, &plugin->handle);
    if (taken != MARU_OK && plugin->handle && plugin->fns.plugin.shutdown)
        (void)plugin->fns.plugin.shutdown(plugin->handle, NULL);
    return taken;
}

/* What a plugin that never became an instance leaves behind. */
static void discard(maru_plugin *plugin)
{
    maru_os_lib_close(&plugin->lib);
    maru_plugin_file_close(&plugin->file);
    free(plugin->what);
    free(plugin);
}

static maru_status name_it(maru_plugin *plugin)
{
    maru_str what = {0};
    maru_str_printf(&what, "plugin '%s'", plugin->file.manifest.name);
    plugin->what = maru_str_take(&what);
    return plugin->what ? MARU_OK : maru_fail_oom("a plugin's name");
}

static maru_status start(maru_plugin *plugin, maru_abi_query_fn query, const maru_plugin_params *params)
{
    MARU_TRY(name_it(plugin));
    maru_host_init(&plugin->host, params->services, plugin->file.manifest.name);
    if (!query) {
        MARU_TRY(check_content(&plugin->file, params));
        MARU_TRY(load_code(plugin, params->way, &query));
    }
    return create_instance(plugin, query, params);
}

static maru_status start_taking(maru_plugin_file *file, maru_abi_query_fn query, const maru_plugin_params *params,
                                maru_plugin **out_plugin)
{
    *out_plugin = NULL;
    maru_plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin) {
        maru_plugin_file_close(file);
        return maru_fail_oom("a plugin");
    }
    plugin->file = *file;
    *file = (maru_plugin_file){.map.fd = -1};
    atomic_init(&plugin->n_open, 0);
    atomic_init(&plugin->leaked_bytes, 0);
    maru_status status = start(plugin, query, params);
    if (status != MARU_OK) {
        discard(plugin);
        return status;
    }
    *out_plugin = plugin;
    return MARU_OK;
}

maru_status maru_plugin_start(maru_plugin_file *file, const maru_plugin_params *params, maru_plugin **out_plugin)
{
    return start_taking(file, NULL, params, out_plugin);
}

maru_status maru_plugin_load(const char *path, const maru_plugin_params *params, maru_plugin **out_plugin)
{
    maru_plugin_file file;
    *out_plugin = NULL;
    MARU_TRY(maru_plugin_file_open(path, &file));
    return maru_plugin_start(&file, params, out_plugin);
}

maru_status maru_plugin_attach_static(maru_abi_query_fn query, const char *manifest_text,
                                      const maru_plugin_params *params, maru_plugin **out_plugin)
{
    maru_plugin_file file = {.map.fd = -1};
    *out_plugin = NULL;
    MARU_TRY(maru_manifest_from_text("static plugin", manifest_text, &file.manifest));
    return start_taking(&file, query, params, out_plugin);
}

static maru_status end_instance(maru_plugin *plugin)
{
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = plugin->fns.plugin.quiesce(plugin->handle, &error);
    if (status != MARU_ABI_OK)
        return maru_answer_fail(plugin->what, "quiesce", status, &error);
    maru_answer_init(&error);
    status = plugin->fns.plugin.shutdown(plugin->handle, &error);
    if (status != MARU_ABI_OK)
        return maru_answer_fail(plugin->what, "shutdown", status, &error);
    return MARU_OK;
}

maru_status maru_plugin_unload(maru_plugin **plugin)
{
    maru_plugin *p = *plugin;
    if (!p)
        return MARU_OK;
    int open = atomic_load(&p->n_open);
    if (open > 0)
        return maru_fail(MARU_UNAVAILABLE, "%s: %d of its devices are open", p->what, open);
    *plugin = NULL;
    if (atomic_load(&p->was_abandoned) || end_instance(p) != MARU_OK) {
        /* Its threads may still run its code and call the host: both stay in memory. */
        maru_log(MARU_LOG_WARN, "%s stays in memory: %s", p->what,
                 atomic_load(&p->was_abandoned) ? "a device of it was abandoned" : maru_error_message());
        return MARU_ABORTED;
    }
    discard(p);
    return MARU_OK;
}

/* ---- what it says ------------------------------------------------------------ */

const char *maru_plugin_name(const maru_plugin *plugin)
{
    return plugin->file.manifest.name;
}

uint64_t maru_plugin_leaked_bytes(const maru_plugin *plugin)
{
    return atomic_load(&plugin->leaked_bytes);
}

const char *maru_plugin_path(const maru_plugin *plugin)
{
    return plugin->file.path ? plugin->file.path : "static";
}

const maru_manifest *maru_plugin_manifest(const maru_plugin *plugin)
{
    return &plugin->file.manifest;
}

const maru_plugin_tables *maru_plugin_fns(const maru_plugin *plugin)
{
    return &plugin->fns;
}

maru_abi_plugin *maru_plugin_handle(const maru_plugin *plugin)
{
    return plugin->handle;
}

maru_status maru_plugin_device_count(const maru_plugin *plugin, uint32_t *out_count, char *why, size_t why_bytes)
{
    maru_abi_error error;
    maru_answer_init(&error);
    *out_count = 0;
    why[0] = '\0';
    maru_abi_status status = plugin->fns.plugin.device_count(plugin->handle, out_count, why, why_bytes, &error);
    why[why_bytes - 1] = '\0';
    if (status != MARU_ABI_OK)
        return maru_answer_fail(plugin->what, "device_count", status, &error);
    if (*out_count > MARU_PLUGIN_MAX_DEVICES)
        return maru_fail(MARU_INTERNAL, "%s: it says that it has %u devices", plugin->what, *out_count);
    return MARU_OK;
}

maru_status maru_plugin_poll_event(maru_plugin *plugin, maru_abi_event *out_event)
{
    *out_event = (maru_abi_event){.head = MARU_ABI_HEAD(maru_abi_event)};
    if (!plugin->fns.plugin.poll_events)
        return MARU_OK;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = plugin->fns.plugin.poll_events(plugin->handle, out_event, &error);
    if (status != MARU_ABI_OK)
        return maru_answer_fail(plugin->what, "poll_events", status, &error);
    out_event->message[sizeof out_event->message - 1] = '\0';
    return MARU_OK;
}

bool maru_plugin_take_notified(maru_plugin *plugin)
{
    return maru_host_take_notified(&plugin->host);
}

const void *maru_plugin_get_ext(const maru_plugin *plugin, const char *name, uint32_t min_version)
{
    return plugin->fns.plugin.get_ext ? plugin->fns.plugin.get_ext(plugin->handle, name, min_version) : NULL;
}
