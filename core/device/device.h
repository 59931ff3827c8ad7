// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_DEVICE_H
#define MARU_DEVICE_DEVICE_H

/*
 * An opened device, and validated wrappers over every table of the ABI. A
 * plugin is never called with arguments that break the contract, and what it
 * answers is checked: an unknown status reads INTERNAL, an error record
 * becomes the thread's error with plugin, device and call named.
 *
 * After DEVICE_LOST the device is marked lost: every later call fails at once
 * with DEVICE_LOST, but free, unmap, destroy and close work. In a forked child
 * every call answers FAILED_PRECONDITION.
 *
 * Objects belong to who made them and are destroyed before their device is
 * closed (buffers, queues, fences, modules after their kernels, programs
 * after their bounds). destroy functions take T ** and write NULL; NULL is
 * fine. Unless said otherwise: one thread at a time per object, any thread
 * per device.
 */

#include "device/info.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct maru_dev maru_dev;

/* Plain to read; written by the wrappers alone. */
typedef struct maru_dev_buffer {
    maru_dev *dev;
    maru_abi_buffer *handle;
    uint64_t bytes;
    uint64_t mem_flags; // MARU_ABI_MEM_* of its kind; 0 for an imported one
    uint32_t kind;      // memory kind; MARU_ABI_NO_INDEX: imported
    void *mapped;       // what map gave, NULL when not mapped
    void *host;         // the imported host pointer, or NULL
} maru_dev_buffer;

typedef struct maru_dev_queue maru_dev_queue;
typedef struct maru_dev_recording maru_dev_recording;
typedef struct maru_dev_fence maru_dev_fence;
typedef struct maru_dev_commands maru_dev_commands;
typedef struct maru_dev_module maru_dev_module;
typedef struct maru_dev_kernel maru_dev_kernel;
typedef struct maru_dev_program maru_dev_program;
typedef struct maru_dev_bound maru_dev_bound;

/* ---- device ------------------------------------------------------------- */

/* `options`: "key=value" lines of the deployment, or NULL. `plugin` outlives the device. */
MARU_NODISCARD maru_status maru_dev_open(maru_plugin *plugin, uint32_t index, const char *options,
                                         maru_dev **out_dev);
/*
 * UNAVAILABLE while an object of it lives: then it stays open. With `abandon`
 * it always succeeds; what still lives then may only be destroyed, which frees
 * the host's side of it, and memory that the device had imported is leaked.
 */
MARU_NODISCARD maru_status maru_dev_close(maru_dev **dev, bool abandon);
/*
 * Memory that a lost or abandoned device may still write to is not used again
 * before its close succeeds. Whether this device is one; and who had imported
 * memory to such devices hands it over, before the buffers are freed: `release`
 * runs when the last of the `n` has closed. Where one is abandoned it never
 * does: the memory is leaked, and counted at the plugin. Any thread.
 */
bool maru_dev_holds_memory(const maru_dev *dev);
typedef void (*maru_dev_release_fn)(void *ctx, void *memory, size_t bytes);
void maru_dev_retire(maru_dev *const *devs, uint32_t n, maru_dev_release_fn release, void *ctx, void *memory,
                     size_t bytes);
/* After DEVICE_LOST: OK if the plugin says that the device can be opened again. */
MARU_NODISCARD maru_status maru_dev_reset(maru_dev *dev);

/* "cpu:0". */
const char *maru_dev_id(const maru_dev *dev);
maru_plugin *maru_dev_plugin(const maru_dev *dev);
const maru_abi_device_info *maru_dev_info(const maru_dev *dev);
bool maru_dev_has_tier_k(const maru_dev *dev);
bool maru_dev_has_tier_g(const maru_dev *dev);
bool maru_dev_is_lost(const maru_dev *dev);
/* Marks it lost: for who sees it fail from outside (a watchdog). Any thread. */
void maru_dev_mark_lost(maru_dev *dev);
/* The memory kind that has all of `flags` (MARU_ABI_MEM_*), the lowest first, or MARU_ABI_NO_INDEX. */
uint32_t maru_dev_find_memory_kind(const maru_dev *dev, uint64_t flags);
const maru_abi_memory_kind *maru_dev_memory_kind(const maru_dev *dev, uint32_t kind);
/* Any thread. */
MARU_NODISCARD maru_status maru_dev_mem_info(maru_dev *dev, uint32_t kind, maru_abi_mem_info *out_info);

/* ---- buffers -------------------------------------------------------------- */

/* `bytes` > 0 and within the kind's largest allocation. Contents are undefined. */
MARU_NODISCARD maru_status maru_dev_buffer_alloc(maru_dev *dev, uint32_t kind, uint64_t bytes,
                                                 maru_dev_buffer **out_buffer);
/* Memory that the caller keeps valid until free; 64-byte-aligned. UNSUPPORTED where no memory kind can. */
MARU_NODISCARD maru_status maru_dev_buffer_import_host(maru_dev *dev, void *pointer, uint64_t bytes, bool read_only,
                                                       maru_dev_buffer **out_buffer);
/* A piece of a mappable file or memfd, wholly inside it; `fd` stays the caller's and may be closed. */
MARU_NODISCARD maru_status maru_dev_buffer_import_fd(maru_dev *dev, int fd, uint64_t offset, uint64_t bytes,
                                                     bool read_only, maru_dev_buffer **out_buffer);
/*
 * SHAREABLE kinds: a descriptor (`kind` MARU_ABI_IMPORT_FD or _DMABUF) that is
 * the caller's to close, and where in it the buffer's bytes are. The memory
 * lives as long as the buffer, an import of it or the descriptor.
 */
MARU_NODISCARD maru_status maru_dev_buffer_export(maru_dev_buffer *buffer, uint32_t kind,
                                                  maru_abi_external *out_external);
/* No pending work uses it. Unmaps it first. Any thread. */
void maru_dev_buffer_free(maru_dev_buffer **buffer);
/* HOST_VISIBLE kinds; one map at a time. `flags`: MARU_ABI_MAP_*. */
MARU_NODISCARD maru_status maru_dev_buffer_map(maru_dev_buffer *buffer, uint64_t offset, uint64_t bytes,
                                               uint32_t flags, void **out_pointer);
void maru_dev_buffer_unmap(maru_dev_buffer *buffer);
/* Bytes that a tensor takes; the dense size where the plugin says nothing. */
MARU_NODISCARD maru_status maru_dev_alloc_size(maru_dev *dev, const maru_abi_tensor_desc *desc, uint64_t *out_bytes);

/* ---- fences: any thread --------------------------------------------------- */

/* A point of a timeline. */
typedef struct maru_dev_point {
    maru_dev_fence *fence;
    uint64_t value;
} maru_dev_point;

#define MARU_DEV_MAX_POINTS 16  /* waits, or signals, of one submit */
#define MARU_DEV_NO_DEADLINE INT64_MAX

MARU_NODISCARD maru_status maru_dev_fence_create(maru_dev *dev, uint64_t initial, maru_dev_fence **out_fence);
void maru_dev_fence_destroy(maru_dev_fence **fence);
/* A failed fence answers with its failure. */
MARU_NODISCARD maru_status maru_dev_fence_query(maru_dev_fence *fence, uint64_t *out_value);
/* Until `value` is reached, the fence fails, or maru_os_now_ns() passes `deadline_ns` (DEADLINE_EXCEEDED). */
MARU_NODISCARD maru_status maru_dev_fence_wait(maru_dev_fence *fence, uint64_t value, int64_t deadline_ns);
/* From the host; `value` above the present one. */
MARU_NODISCARD maru_status maru_dev_fence_signal(maru_dev_fence *fence, uint64_t value);
/* Makes every waiter fail with `code` and `message`. */
void maru_dev_fence_fail(maru_dev_fence *fence, maru_status code, const char *message);
/* Writes 1 to `eventfd` once when `value` is reached or the fence fails. */
MARU_NODISCARD maru_status maru_dev_fence_arm(maru_dev_fence *fence, uint64_t value, int eventfd);
/* UNSUPPORTED where the plugin has none. The descriptor is the caller's to close. */
MARU_NODISCARD maru_status maru_dev_fence_export_sync_fd(maru_dev_fence *fence, uint64_t value, int *out_fd);

/* ---- lists of commands ------------------------------------------------------ */

typedef struct maru_dev_binding {
    maru_dev_buffer *buffer;
    uint64_t offset; // bytes
    uint64_t bytes;
} maru_dev_binding;

/* One argument of a kernel: `kind` is MARU_ABI_ARG_*; a scalar's value in the low bytes of `bits`. */
typedef struct maru_dev_arg {
    uint32_t kind;
    maru_dev_buffer *buffer;
    uint64_t bits;
} maru_dev_arg;

/*
 * Built once and submitted often. Each add checks its command wholly (ranges,
 * alignments, overlaps, counts, one device) and copies it; validate checks the
 * list as a whole and closes it. From then on only the set functions change
 * it: they check what they set, allocate nothing, and need the list not to be
 * in a submit call at that moment (pending work may use it: the plugin copied
 * what it needs). Buffers, kernels, programs outlive the list's last submit.
 */
MARU_NODISCARD maru_status maru_dev_commands_create(maru_dev *dev, maru_dev_commands **out_list);
void maru_dev_commands_destroy(maru_dev_commands **list);

/* `tag` comes back with the timestamps. Ranges of one buffer may not overlap; dst.bytes == src.bytes. */
MARU_NODISCARD maru_status maru_dev_commands_copy(maru_dev_commands *list, uint32_t tag, maru_dev_binding dst,
                                                  maru_dev_binding src);
/* `pattern_bytes` is 1, 2 or 4 and divides offset and bytes. */
MARU_NODISCARD maru_status maru_dev_commands_fill(maru_dev_commands *list, uint32_t tag, maru_dev_binding dst,
                                                  uint32_t pattern, uint32_t pattern_bytes);
MARU_NODISCARD maru_status maru_dev_commands_dispatch(maru_dev_commands *list, uint32_t tag, maru_dev_kernel *kernel,
                                                      const maru_dev_arg *args, uint32_t n_args,
                                                      const uint32_t groups[3], const uint32_t local[3]);
/* Bindings in the order of maru_abi_run. `bound` may be NULL where the program needs none. */
MARU_NODISCARD maru_status maru_dev_commands_run(maru_dev_commands *list, uint32_t tag, maru_dev_program *program,
                                                 maru_dev_bound *bound, const maru_dev_binding *bindings,
                                                 uint32_t n_bindings, const int64_t *symbol_values,
                                                 uint32_t n_symbols, const int64_t *expr_values, uint32_t n_exprs);
MARU_NODISCARD maru_status maru_dev_commands_validate(maru_dev_commands *list);
uint32_t maru_dev_commands_count(const maru_dev_commands *list);

/* `command` is the position in the order of adding. Set: another buffer or scalar for one argument of a dispatch, */
MARU_NODISCARD maru_status maru_dev_commands_set_arg(maru_dev_commands *list, uint32_t command, uint32_t arg,
                                                     maru_dev_arg value);
/* another launch grid of a dispatch, */
MARU_NODISCARD maru_status maru_dev_commands_set_groups(maru_dev_commands *list, uint32_t command,
                                                        const uint32_t groups[3]);
/* another place for one binding of a run (or of a copy: 0 dst, 1 src; a fill: 0), */
MARU_NODISCARD maru_status maru_dev_commands_set_binding(maru_dev_commands *list, uint32_t command, uint32_t index,
                                                         maru_dev_binding binding);
/* both places of a copy at once, so that its size can change. */
MARU_NODISCARD maru_status maru_dev_commands_set_copy(maru_dev_commands *list, uint32_t command, maru_dev_binding dst,
                                                      maru_dev_binding src);

/* ---- queues: one submitter at a time ----------------------------------------- */

MARU_NODISCARD maru_status maru_dev_queue_create(maru_dev *dev, maru_dev_queue **out_queue);
void maru_dev_queue_destroy(maru_dev_queue **queue);

/*
 * The run path: no lock and no allocation here. `list` is a validated list of
 * this device, or NULL for waits and signals alone. Work that fails makes the
 * signals fail; an error means that nothing was accepted. `timestamps`: keep
 * them for profile (CAP_PROFILE).
 */
MARU_NODISCARD maru_status maru_dev_queue_submit(maru_dev_queue *queue, const maru_dev_commands *list,
                                                 const maru_dev_point *waits, uint32_t n_waits,
                                                 const maru_dev_point *signals, uint32_t n_signals, bool timestamps);
/* submit with a fence of the queue's own, then wait for it. Not for the run path. */
MARU_NODISCARD maru_status maru_dev_queue_run(maru_dev_queue *queue, const maru_dev_commands *list,
                                              int64_t deadline_ns);
/* CAP_RECORD. `rebindable` are the buffers that replay may exchange; at most MARU_DEV_MAX_POINTS. */
MARU_NODISCARD maru_status maru_dev_queue_record(maru_dev_queue *queue, const maru_dev_commands *list,
                                                 maru_dev_buffer *const *rebindable, uint32_t n_rebindable,
                                                 maru_dev_recording **out_recording);
void maru_dev_recording_destroy(maru_dev_recording **recording);
/* `rebind` has one buffer, at least as large, for each rebindable, or n_rebind is 0. */
MARU_NODISCARD maru_status maru_dev_queue_replay(maru_dev_queue *queue, maru_dev_recording *recording,
                                                 maru_dev_buffer *const *rebind, uint32_t n_rebind,
                                                 const maru_dev_point *waits, uint32_t n_waits,
                                                 const maru_dev_point *signals, uint32_t n_signals, bool timestamps);
/* CAP_PROFILE. Takes up to `room` timestamps of finished commands. */
MARU_NODISCARD maru_status maru_dev_queue_profile(maru_dev_queue *queue, maru_abi_timestamp *out, uint32_t room,
                                                  uint32_t *out_count);
/* CAP_DISCARD. Fails the lists that have not started with CANCELLED. Any thread. */
MARU_NODISCARD maru_status maru_dev_queue_discard(maru_dev_queue *queue);

/* ---- jobs --------------------------------------------------------------------- */

/*
 * How long a job may take, and who may stop it. {0} waits without end. On
 * the deadline or the cancel flag the job is cancelled; one that does not end
 * within a grace of 5 s is left behind and the device marked lost: then what
 * the request pointed to must stay valid for good (it is the price of a
 * plugin that hangs), and the status is TIMED_OUT.
 */
typedef struct maru_dev_wait {
    int64_t deadline_ns;        // maru_os_now_ns() clock; 0: none
    const atomic_bool *cancel;  // NULL: nobody
    void (*progress)(void *ctx, int permille);  // -1: unknown; called on the calling thread; may be NULL
    void *progress_ctx;
} maru_dev_wait;

/* ---- tier K ------------------------------------------------------------------- */

/* Builds a module: several at once from several threads. `head` of the request is filled in here. Any thread. */
MARU_NODISCARD maru_status maru_dev_module_build(maru_dev *dev, const maru_abi_module_request *request,
                                                 const maru_dev_wait *wait, maru_dev_module **out_module);
void maru_dev_module_destroy(maru_dev_module **module);
/* The binary in malloc'ed memory; UNSUPPORTED where there is none. Ask after the kernels were made. */
MARU_NODISCARD maru_status maru_dev_module_binary(maru_dev_module *module, void **out_data, size_t *out_bytes);
/* NOT_FOUND if the module has no such entry. */
MARU_NODISCARD maru_status maru_dev_kernel_create(maru_dev_module *module, const char *entry,
                                                  maru_dev_kernel **out_kernel);
void maru_dev_kernel_destroy(maru_dev_kernel **kernel);
const maru_abi_kernel_info *maru_dev_kernel_info(const maru_dev_kernel *kernel);

/* ---- tier G ------------------------------------------------------------------- */

/* The answer to a claim, checked: every index is in range, every node is in a claim or refused. */
typedef struct maru_dev_claims maru_dev_claims;

MARU_NODISCARD maru_status maru_dev_claim(maru_dev *dev, const maru_abi_claim_request *request,
                                          const maru_dev_wait *wait, maru_dev_claims **out_claims);
const maru_abi_claims *maru_dev_claims_get(const maru_dev_claims *claims);
void maru_dev_claims_destroy(maru_dev_claims **claims);

MARU_NODISCARD maru_status maru_dev_compile(maru_dev *dev, const maru_abi_compile_request *request,
                                            const maru_dev_wait *wait, maru_dev_program **out_program);
/* A saved program, of which `graph` is what it was compiled from. */
MARU_NODISCARD maru_status maru_dev_program_load(maru_dev *dev, const maru_abi_graph *graph, const void *blob,
                                                 uint64_t bytes, const maru_dev_wait *wait,
                                                 maru_dev_program **out_program);
void maru_dev_program_destroy(maru_dev_program **program);
/* Arrays belong to the program. `constants` has one record for each constant of the graph. */
const maru_abi_program_info *maru_dev_program_info(const maru_dev_program *program);

/* Ready for one set of symbol values. UNSUPPORTED where the program binds nothing: run it with bound = NULL. */
MARU_NODISCARD maru_status maru_dev_program_bind(maru_dev_program *program, const int64_t *symbol_values,
                                                 uint32_t n_symbols, const int64_t *expr_values, uint32_t n_exprs,
                                                 maru_dev_bound **out_bound);
void maru_dev_bound_destroy(maru_dev_bound **bound);
const maru_abi_bound_info *maru_dev_bound_info(const maru_dev_bound *bound);

/* The packed form of a constant that the program wants PACKED: `room` is at least the size it said. Any thread. */
MARU_NODISCARD maru_status maru_dev_program_pack(maru_dev_program *program, uint32_t constant, const void *data,
                                                 uint64_t bytes, void *dst, uint64_t room);
/* Into malloc'ed memory. */
MARU_NODISCARD maru_status maru_dev_program_save(maru_dev_program *program, void **out_data, size_t *out_bytes);
/* MARU_ABI_VERDICT_*, an unknown one as REBUILD. Opens no device. */
MARU_NODISCARD maru_status maru_plugin_check_program(const maru_plugin *plugin, uint32_t device_index,
                                                     const void *blob, uint64_t bytes, uint32_t *out_verdict);
/* Frees the device's memory of an idle program, and brings it back. UNSUPPORTED where the plugin cannot. */
MARU_NODISCARD maru_status maru_dev_program_unload(maru_dev_program *program);
MARU_NODISCARD maru_status maru_dev_program_reload(maru_dev_program *program);
/* To (`to_canonical`) and from the dense form of a state with a private layout. */
MARU_NODISCARD maru_status maru_dev_state_convert(maru_dev *dev, const maru_abi_tensor_desc *desc, void *canonical,
                                                  maru_dev_binding private_form, bool to_canonical);

#endif
