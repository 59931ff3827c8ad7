// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_LOADER_H
#define MARU_DEVICE_LOADER_H

/*
 * From a file to an instance of a plugin. A file is opened once; its manifest
 * (and its hash, where the deployment asks) is checked before any code of it
 * runs, and that same descriptor is loaded. Everything that the plugin gives
 * is checked here, so that the wrappers of device.h can rely on it.
 */

#include "base/os.h"
#include "base/os_dl.h"
#include "device/host.h"
#include "device/manifest.h"

#include <maru/plugin_graph.h>
#include <maru/plugin_kernel.h>

/* ---- a file, before its code runs ---- */

typedef struct maru_plugin_file {
    char *path;       // absolute, links resolved
    char *dir;        // its folder
    maru_os_map map;
    maru_os_file_id id;
    maru_manifest manifest;
} maru_plugin_file;

/* Opens `path` and reads and checks the manifest. Runs no code of the file. */
MARU_NODISCARD maru_status maru_plugin_file_open(const char *path, maru_plugin_file *out_file);
void maru_plugin_file_close(maru_plugin_file *file);
/* SHA-256 of the bytes that are open. */
void maru_plugin_file_hash(const maru_plugin_file *file, uint8_t out_digest[32]);

/* ---- an instance ---- */

typedef struct maru_plugin maru_plugin;

/*
 * The tables of an instance, copied to this host's size: a member that the
 * plugin's table is too short for is NULL. All that the ABI does not call
 * optional is there. `kernel` or `graph` is all NULL for a tier it has not.
 */
typedef struct maru_plugin_tables {
    maru_abi_plugin_fns plugin;
    maru_abi_buffer_fns buffer;
    maru_abi_queue_fns queue;
    maru_abi_fence_fns fence;
    maru_abi_job_fns job;
    maru_abi_kernel_fns kernel;
    maru_abi_graph_fns graph;
} maru_plugin_tables;

typedef struct maru_plugin_params {
    const maru_host_services *services;
    const char *options;             // "key=value" lines for the plugin's create, or NULL
    const uint8_t *expected_sha256;  // 32 bytes, or NULL: any file
    /* A check of the deployment's own (a signature), or NULL. Called before any code of the file runs. */
    maru_status (*verify)(void *ctx, const char *path, const void *data, size_t bytes);
    void *verify_ctx;
    maru_os_lib_way way;             // {0}: through the descriptor, where the system can; else as if it could not
} maru_plugin_params;

/* Loads and creates. `file` is emptied either way: what it owns goes to the instance or is freed. */
MARU_NODISCARD maru_status maru_plugin_start(maru_plugin_file *file, const maru_plugin_params *params,
                                             maru_plugin **out_plugin);
/* maru_plugin_file_open, then maru_plugin_start. */
MARU_NODISCARD maru_status maru_plugin_load(const char *path, const maru_plugin_params *params,
                                            maru_plugin **out_plugin);
/* A plugin linked into the program (MARU_PLUGIN_STATIC): its query function and the text of its manifest. */
MARU_NODISCARD maru_status maru_plugin_attach_static(maru_abi_query_fn query, const char *manifest_text,
                                                     const maru_plugin_params *params, maru_plugin **out_plugin);
/*
 * Quiesces, shuts down and unloads; *plugin is NULL after. UNAVAILABLE while
 * a device of it is open: then it stays. ABORTED: it could not be shut down (or
 * a device of it was abandoned) and is left in memory for good, with the reason
 * in the log; the services that it was given must stay too.
 */
MARU_NODISCARD maru_status maru_plugin_unload(maru_plugin **plugin);

const char *maru_plugin_name(const maru_plugin *plugin);
/* Host memory that was left to devices that were abandoned, for good. */
uint64_t maru_plugin_leaked_bytes(const maru_plugin *plugin);
/* The file, or "static". */
const char *maru_plugin_path(const maru_plugin *plugin);
const maru_manifest *maru_plugin_manifest(const maru_plugin *plugin);
const maru_plugin_tables *maru_plugin_fns(const maru_plugin *plugin);
maru_abi_plugin *maru_plugin_handle(const maru_plugin *plugin);

/* Devices present now. When there are none, `why` gets the plugin's sentence. Any thread. */
MARU_NODISCARD maru_status maru_plugin_device_count(const maru_plugin *plugin, uint32_t *out_count, char *why,
                                                    size_t why_bytes);
/* Takes the next event; kind NONE when there is none or the plugin has no events. One thread at a time. */
MARU_NODISCARD maru_status maru_plugin_poll_event(maru_plugin *plugin, maru_abi_event *out_event);
/* Whether the plugin called host.notify since the last time this was asked. */
bool maru_plugin_take_notified(maru_plugin *plugin);
/* The table of extension `name`, at least of version `min_version`, or NULL. */
const void *maru_plugin_get_ext(const maru_plugin *plugin, const char *name, uint32_t min_version);

#endif
