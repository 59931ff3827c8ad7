// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_REGISTRY_H
#define MARU_DEVICE_REGISTRY_H

/*
 * The runtime as the rest of the core sees it: beside what maru/runtime.h
 * promises to programs, its pool, allocator, plugins and device descriptions.
 * Plugins are loaded at the first look at the devices; from then on all that
 * is read here stays as it is until the runtime is destroyed. Any thread.
 */

#include "device/device.h"
#include "device/host.h"
#include "device/loader.h"
#include "device/packed.h"

#include <maru/runtime.h>

/* Loads the plugins if that was not done. A plugin that fails is a refusal, not an error. */
MARU_NODISCARD maru_status maru_runtime_load_plugins(maru_runtime *runtime);

size_t maru_runtime_plugin_count(maru_runtime *runtime);
maru_plugin *maru_runtime_plugin(maru_runtime *runtime, size_t index);

/*
 * Adds a plugin that is linked into the program. Before the first look at the
 * devices; not from two threads.
 */
MARU_NODISCARD maru_status maru_runtime_attach_static(maru_runtime *runtime, maru_abi_query_fn query,
                                                      const char *manifest_text);

/* The description of device `index` of maru_runtime_device_count, and whose it is. NULL if there is no such device. */
const maru_abi_device_info *maru_runtime_device_desc(maru_runtime *runtime, size_t index);
maru_plugin *maru_runtime_device_plugin(maru_runtime *runtime, size_t index);
/* Opens it; `options` are "key=value" lines for the plugin, or NULL. It is closed before the runtime goes. */
MARU_NODISCARD maru_status maru_runtime_open_device(maru_runtime *runtime, size_t index, const char *options,
                                                    maru_dev **out_dev);

/* Zeroed host memory, `bytes` > 0: the embedder's allocator's if it gave one, else pages of the system. Any thread. */
void *maru_runtime_alloc(maru_runtime *runtime, size_t bytes);
void maru_runtime_free(maru_runtime *runtime, void *memory, size_t bytes);
/* For packed.c. */
maru_packed_cache *maru_runtime_packed(maru_runtime *runtime);
/* "" when nothing is kept on disk. */
const char *maru_runtime_cache_dir(const maru_runtime *runtime);
/* On the runtime's pool or the embedder's. */
void maru_runtime_parallel_for(maru_runtime *runtime, int64_t count, int64_t grain, maru_task_fn fn, void *ctx);

#endif
