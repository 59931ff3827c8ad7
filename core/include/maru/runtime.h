// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_RUNTIME_H
#define MARU_RUNTIME_H

/*
 * The runtime: the thread pool, the loaded backend plugins and the devices
 * they offer. A program makes one and shares it between all of its models and
 * sessions; several may coexist.
 */

#include <maru/attr.h>
#include <maru/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maru_runtime maru_runtime;

/* Runs items [begin, end) of a job on worker `worker`, which is below the thread count. */
typedef void (*maru_task_fn)(void *ctx, int64_t begin, int64_t end, int worker);

/*
 * The embedder's own pool. parallel_for splits [0, count) into pieces of at
 * least `grain` items and returns when all are done; nested calls run
 * serially. It is called on any thread that runs a session.
 */
typedef struct maru_thread_pool {
    void *ctx;
    int n_threads;
    void (*parallel_for)(void *ctx, int64_t count, int64_t grain, maru_task_fn fn, void *task_ctx);
} maru_thread_pool;

/* The embedder's own allocator for tensors, arenas and plugins' host memory. `align` is a power of two. Any thread. */
typedef struct maru_allocator {
    void *ctx;
    void *(*alloc)(void *ctx, size_t bytes, size_t align);
    void (*free)(void *ctx, void *memory);
} maru_allocator;

typedef struct maru_runtime_params {
    int n_threads;                 // of the runtime's own pool; 0: one per core this process may use
    const maru_thread_pool *pool;  // NULL: the runtime's own
    const maru_allocator *allocator;  // NULL: malloc
    /*
     * Plugins to load, files or folders separated by ':'. NULL: the folder of
     * the installed backends (or of the build tree), then MARU_PLUGIN_PATH.
     * "": none. Never the working directory.
     */
    const char *plugin_path;
    /* Folder for the probe cache and packed weights; NULL: $XDG_CACHE_HOME/maru; "": keep nothing on disk. */
    const char *cache_dir;
    /* Load each new plugin in a child process first, and quarantine one that dies there. 0: yes, 1: no. */
    int skip_probe;
    /* Try every plugin in a child process although the cache tells how it went last time. 0: no, 1: yes. */
    int probe_again;
} maru_runtime_params;

/* `params` may be NULL. Loads no plugin yet: that happens at the first look at the devices. */
MARU_API MARU_NODISCARD maru_status maru_runtime_create(const maru_runtime_params *params, maru_runtime **out_runtime);
/* All models and sessions of the runtime must be gone. */
MARU_API void maru_runtime_destroy(maru_runtime **runtime);
MARU_API int maru_runtime_threads(const maru_runtime *runtime);

/* ---- devices ---------------------------------------------------------- */

/* Strings are valid as long as the runtime. 0 or "" where the device does not say. */
typedef struct maru_device_info {
    const char *id;          // "cpu:0", "mychip:1": plugin and index
    const char *name;        // what the driver calls it
    const char *plugin;
    const char *plugin_version;
    const char *plugin_path;
    const char *kind;        // "cpu", "gpu", "npu", "dsp", "other"
    const char *vendor;
    const char *driver;
    const char *tiers;       // "K", "G", "KG"
    const char *const *features;  // n_features strings
    size_t n_features;
    uint32_t compute_units;
    uint32_t clock_mhz;
    uint64_t memory_bytes;
    uint64_t largest_alloc;
    uint64_t bandwidth;      // bytes per second
    uint64_t cache_bytes[3];
    uint64_t caps;           // MARU_ABI_CAP_* of the plugin ABI
} maru_device_info;

/* Loads the plugins if need be. A plugin that fails is listed in maru_runtime_refusal, not an error. Any thread. */
MARU_API MARU_NODISCARD maru_status maru_runtime_device_count(maru_runtime *runtime, size_t *out_count);
MARU_API MARU_NODISCARD maru_status maru_runtime_device_info(maru_runtime *runtime, size_t index,
                                                             maru_device_info *out_info);
/*
 * Devices whose id or name matches `pattern` (a glob, without regard to case;
 * several separated by ','; "cpu" means "cpu:*"), in the pattern's order.
 * NOT_FOUND names the pattern and lists what there is. `out_indices` has room
 * for `room`; *out_count is the whole number.
 */
MARU_API MARU_NODISCARD maru_status maru_runtime_find_devices(maru_runtime *runtime, const char *pattern,
                                                              size_t *out_indices, size_t room, size_t *out_count);
/* Plugins and platforms that gave no device: the file and one sentence why; NULL past the last. */
MARU_API const char *maru_runtime_refusal(maru_runtime *runtime, size_t index, const char **out_path);

#ifdef __cplusplus
}
#endif

#endif
