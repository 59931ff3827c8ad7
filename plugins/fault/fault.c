// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "fault.h"

#include <stdio.h>
#include <string.h>

/* Faults of the manifest and the entry are built in, one variant each; README.md lists them. */
#ifdef FAULT_MAJOR
#undef MARU_ABI_MAJOR
#define MARU_ABI_MAJOR 2
#endif
#ifdef FAULT_HASH
#undef MARU_ABI_HASH
#define MARU_ABI_HASH 0x0123456789abcdefull
#endif
#ifndef FAULT_NAME
#define FAULT_NAME "fault"
#endif

static maru_abi_status fault_alloc(maru_abi_device *device, uint32_t memory_kind, uint64_t bytes,
                                   maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    fault_device *fault = device->user;
    if (fault->alloc_fail >= 0 && atomic_fetch_add(&fault->n_allocs, 1) >= fault->alloc_fail)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "fault: no memory is left");
    return tpl_buffer_fns.alloc(device, memory_kind, bytes, out_buffer, error);
}

/* Accepts a list that will not start. */
static maru_abi_status hold(fault_device *fault, const maru_abi_submit *submit, maru_abi_error *error)
{
    maru_abi_status status = MARU_ABI_OK;
    pthread_mutex_lock(&fault->mutex);
    if (submit->n_signals > FAULT_MAX_HELD - fault->n_held)
        status = tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "fault: too many lists are held");
    for (uint32_t i = 0; status == MARU_ABI_OK && i < submit->n_signals; i++)
        fault->held[fault->n_held++] = submit->signals[i];
    pthread_mutex_unlock(&fault->mutex);
    return status;
}

static maru_abi_status fault_discard(maru_abi_queue *queue, maru_abi_error *error)
{
    (void)error;
    fault_device *fault = queue->device->user;
    maru_abi_error reason = {.head = MARU_ABI_HEAD(maru_abi_error), .node = MARU_ABI_NO_INDEX};
    tpl_fail(&reason, MARU_ABI_CANCELLED, "fault: discarded before it started");
    pthread_mutex_lock(&fault->mutex);
    for (uint32_t i = 0; i < fault->n_held; i++)
        tpl_fence_fns.fail(fault->held[i].fence, &reason);
    fault->n_held = 0;
    pthread_mutex_unlock(&fault->mutex);
    return MARU_ABI_OK;
}

static void fault_queue_destroy(maru_abi_queue *queue)
{
    (void)fault_discard(queue, NULL);
    tpl_queue_fns.destroy(queue);
}

static maru_abi_status fault_submit(maru_abi_queue *queue, const maru_abi_submit *submit, maru_abi_error *error)
{
    fault_device *fault = queue->device->user;
    fault_at(fault->options, "submit");
    if (fault->unknown_status)
        return tpl_fail(error, 1234, "fault: a status of another world");
    if (fault->lost_after >= 0 && atomic_fetch_add(&fault->n_submits, 1) >= fault->lost_after)
        atomic_store(&fault->is_lost, 1);
    if (atomic_load(&fault->is_lost)) {
        tpl_fail(error, MARU_ABI_DEVICE_LOST, "fault: the device fell off its bus");
        if (error)
            error->scope = MARU_ABI_SCOPE_DEVICE;
        return MARU_ABI_DEVICE_LOST;
    }
    if (fault->hold)
        return hold(fault, submit, error);
    if (!fault->fence_never)
        return tpl_queue_fns.submit(queue, submit, error);
    maru_abi_submit silent = *submit;
    silent.n_signals = 0;
    return tpl_queue_fns.submit(queue, &silent, error);
}

static maru_abi_status fault_count(maru_abi_plugin *plugin, uint32_t *out_count, char *why, uint64_t why_bytes,
                                   maru_abi_error *error)
{
    fault_at(NULL, "enumerate");
    if (fault_is_on(NULL, "no-device")) {
        *out_count = 0;
        snprintf(why, why_bytes, "fault: there is no device; install a better plugin");
        return MARU_ABI_OK;
    }
    return tpl_plugin_fns.device_count(plugin, out_count, why, why_bytes, error);
}

static maru_abi_status fault_open(maru_abi_plugin *plugin, uint32_t index, const maru_abi_device_params *params,
                                  maru_abi_device **out_device, maru_abi_error *error)
{
    const char *options = params->options ? params->options : "";
    maru_abi_device_params plain = {.head = MARU_ABI_HEAD(maru_abi_device_params), .flags = params->flags};
    fault_device *fault = plugin->host->alloc(plugin->host->ctx, sizeof *fault, 64);
    if (!fault)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a device");
    memset(fault, 0, sizeof *fault);
    snprintf(fault->options, sizeof fault->options, "%s", options);
    fault->lost_after = fault_number(options, "lost-after", -1);
    fault->alloc_fail = fault_number(options, "alloc-fail", -1);
    fault->wrong_numbers = fault_is_on(options, "wrong-numbers");
    fault->fence_never = fault_is_on(options, "fence-never");
    fault->unknown_status = fault_is_on(options, "unknown-status");
    fault->bf16 = fault_is_on(options, "bf16");
    fault->bad_claim = fault_number(options, "bad-claim", -1);
    fault->halves = fault_is_on(options, "halves");
    fault->hold = fault_is_on(options, "hold");
    pthread_mutex_init(&fault->mutex, NULL);
    fault->packed = fault_is_on(options, "packed");
    fault->pack_fail = fault_number(options, "pack-fail", 0);
    fault_at(options, "open");
    maru_abi_status status = tpl_plugin_fns.device_open(plugin, index, &plain, out_device, error);
    if (status == MARU_ABI_OK)
        (*out_device)->user = fault;
    else
        plugin->host->free(plugin->host->ctx, fault);
    return status;
}

static maru_abi_status fault_close(maru_abi_device *device, uint32_t abandon, maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    fault_device *fault = device->user;
    maru_abi_status status = tpl_plugin_fns.device_close(device, abandon, error);
    if (status == MARU_ABI_OK) {
        pthread_mutex_destroy(&fault->mutex);
        host->free(host->ctx, fault);
    }
    return status;
}

static maru_abi_status fault_reset(maru_abi_device *device, maru_abi_error *error)
{
    (void)device;
    (void)error;
    return MARU_ABI_OK; // it can be opened again
}

/* A job that ends when it is cancelled, and not before. */
static maru_abi_status slow_wait(maru_abi_job *job, int64_t deadline, maru_abi_error *error)
{
    if (job->status == MARU_ABI_CANCELLED)
        return tpl_fail(error, MARU_ABI_CANCELLED, "fault: cancelled");
    while (job->host->now(job->host->ctx) < deadline)
        fault_nap();
    return tpl_fail(error, MARU_ABI_DEADLINE_EXCEEDED, "fault: slow");
}

static uint32_t slow_poll(maru_abi_job *job, int32_t *out_permille, maru_abi_error *error)
{
    (void)job;
    (void)error;
    *out_permille = 500;
    return MARU_ABI_JOB_RUNNING;
}

static void slow_cancel(maru_abi_job *job)
{
    job->status = MARU_ABI_CANCELLED;
}

static int knows(uint32_t kind)
{
    return kind == MARU_ABI_CMD_RUN;
}

static maru_abi_status execute(maru_abi_queue *queue, const maru_abi_command *command, maru_abi_error *error)
{
    return fault_run(queue, command->body, error);
}

static const tpl_hooks hooks = {.device_name = "device with faults", .knows = knows, .execute = execute};

/* Tables of the instance, since some faults are in the tables themselves. */
typedef struct {
    maru_abi_plugin_fns plugin_fns;
    maru_abi_buffer_fns buffer_fns;
    maru_abi_queue_fns queue_fns;
    maru_abi_job_fns job_fns;
} tables;

static maru_abi_status fault_shutdown(maru_abi_plugin *plugin, maru_abi_error *error)
{
    const maru_abi_host *host = plugin->host;
    /* The tables lie around plugin_fns; they go with the instance. */
    tables *t = (tables *)(void *)((char *)(uintptr_t)plugin->api.plugin_fns - offsetof(tables, plugin_fns));
    maru_abi_status status = tpl_plugin_fns.shutdown(plugin, error);
    if (status == MARU_ABI_OK)
        host->free(host->ctx, t);
    return status;
}

static void fill_tables(tables *t, const char *options)
{
    t->plugin_fns = tpl_plugin_fns;
    t->plugin_fns.shutdown = fault_shutdown;
    t->plugin_fns.device_count = fault_count;
    t->plugin_fns.device_open = fault_open;
    t->plugin_fns.device_close = fault_close;
    t->plugin_fns.device_reset = fault_reset;
    t->buffer_fns = tpl_buffer_fns;
    t->buffer_fns.alloc = fault_alloc;
    t->queue_fns = tpl_queue_fns;
    t->queue_fns.submit = fault_submit;
    if (fault_is_on(options, "hold")) {
        t->queue_fns.discard = fault_discard;
        t->queue_fns.destroy = fault_queue_destroy;
    }
    t->job_fns = tpl_job_fns;
    if (fault_is_on(options, "job-slow")) {
        t->job_fns.wait = slow_wait;
        t->job_fns.poll = slow_poll;
        t->job_fns.cancel = slow_cancel;
    }
    if (fault_is_on(options, "short-table"))
        t->queue_fns.head.struct_size = (uint32_t)offsetof(maru_abi_queue_fns, submit);
    if (fault_is_on(options, "null-member"))
        t->queue_fns.submit = NULL;
    if (fault_is_on(options, "table-major"))
        t->queue_fns.head.major = 2;
}

static maru_abi_status create(const maru_abi_host *host, const maru_abi_create_params *params,
                              const maru_abi_plugin_api **out_api, maru_abi_error *error)
{
    fault_at(params->options, "create");
    if (fault_is_on(params->options, "create-fail"))
        return tpl_fail(error, MARU_ABI_UNAVAILABLE, "fault: not today");
    tables *t = host->alloc(host->ctx, sizeof *t, 64);
    maru_abi_plugin *plugin = t ? tpl_create(host, &hooks) : NULL;
    if (!plugin) {
        host->free(host->ctx, t);
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for the plugin");
    }
    fill_tables(t, params->options);
    plugin->api.plugin_fns = &t->plugin_fns;
    plugin->api.buffer_fns = &t->buffer_fns;
    plugin->api.queue_fns = &t->queue_fns;
    plugin->api.job_fns = &t->job_fns;
    plugin->api.graph_fns = fault_is_on(params->options, "no-tier") ? NULL : &fault_graph_fns;
    *out_api = &plugin->api;
    return MARU_ABI_OK;
}

#ifndef FAULT_NO_MANIFEST
MARU_PLUGIN_MANIFEST("name=fault\n"
                     "vendor=The Maru authors\n"
                     "version=1.0.0\n"
                     "licence=Apache-2.0\n"
                     "tiers=G\n"
                     "opset=21\n"
                     "dtypes=f32\n");
#endif

static const maru_abi_entry entry = {
#ifdef FAULT_SHORT_ENTRY
    .head = {(uint32_t)offsetof(maru_abi_entry, create), MARU_ABI_MAJOR, MARU_ABI_MINOR},
#else
    .head = MARU_ABI_HEAD(maru_abi_entry),
#endif
#ifdef FAULT_ENTRY_HASH
    .abi_hash = 1,
#else
    .abi_hash = MARU_ABI_HASH,
#endif
    .name = FAULT_NAME,
    .version = "1.0.0",
    .create = create,
};

__attribute__((constructor)) static void loaded(void)
{
    fault_at(NULL, "load");
}

#ifdef FAULT_NO_SYMBOL
const maru_abi_entry *another_symbol(void);
__attribute__((visibility("default"))) const maru_abi_entry *another_symbol(void)
{
    return &entry;
}
#else
MARU_PLUGIN_ENTRY(fault)
{
    (void)host_minor;
#ifdef FAULT_NULL_ENTRY
    (void)host_major;
    (void)entry;
    return NULL;
#else
    return host_major == 1 ? &entry : NULL;
#endif
}
#endif
