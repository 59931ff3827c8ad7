// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "host_device.h"

#include <string.h>

static const maru_abi_memory_kind memory_kinds[] = {
    {.flags = MARU_ABI_MEM_DEVICE_LOCAL | MARU_ABI_MEM_HOST_VISIBLE | MARU_ABI_MEM_HOST_CACHED |
              MARU_ABI_MEM_IMPORT_HOST,
     .alignment = 64},
};

static const maru_abi_dtype storage_dtypes[] = {{MARU_ABI_F32, 1, 4}, {MARU_ABI_I32, 1, 4}, {MARU_ABI_I64, 1, 8}};

static const char *const source_formats[] = {"opencl-c"};

#define ARRAY(a) {(a), sizeof(a) / sizeof *(a), sizeof *(a)}

maru_abi_status tpl_fail(maru_abi_error *error, maru_abi_status code, const char *message)
{
    if (error) {
        size_t n = strlen(message);
        n = n < sizeof error->message ? n : sizeof error->message - 1;
        error->code = code;
        error->scope = MARU_ABI_SCOPE_CALL;
        error->retryable = 0;
        error->node = MARU_ABI_NO_INDEX;
        error->vendor_code = 0;
        memcpy(error->message, message, n);
        error->message[n] = '\0';
    }
    return code;
}

static void *allocate(const maru_abi_host *host, uint64_t bytes)
{
    void *memory = host->alloc(host->ctx, bytes, 64);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

static void release(const maru_abi_host *host, void *memory)
{
    host->free(host->ctx, memory);
}

/* ---- plugin and device ---------------------------------------------------- */

maru_abi_plugin *tpl_create(const maru_abi_host *host, const tpl_hooks *hooks)
{
    maru_abi_plugin *plugin = allocate(host, sizeof *plugin);
    if (!plugin)
        return NULL;
    plugin->host = host;
    plugin->hooks = hooks;
    plugin->api = (maru_abi_plugin_api){
        .head = MARU_ABI_HEAD(maru_abi_plugin_api),
        .plugin = plugin,
        .plugin_fns = &tpl_plugin_fns,
        .buffer_fns = &tpl_buffer_fns,
        .queue_fns = &tpl_queue_fns,
        .fence_fns = &tpl_fence_fns,
        .job_fns = &tpl_job_fns,
    };
    return plugin;
}

static maru_abi_status plugin_quiesce(maru_abi_plugin *plugin, maru_abi_error *error)
{
    (void)plugin; // no threads, and a submit has ended when it returns
    (void)error;
    return MARU_ABI_OK;
}

static maru_abi_status plugin_shutdown(maru_abi_plugin *plugin, maru_abi_error *error)
{
    if (atomic_load(&plugin->n_devices) > 0)
        return tpl_fail(error, MARU_ABI_BUSY, "a device is open");
    release(plugin->host, plugin);
    return MARU_ABI_OK;
}

static maru_abi_status plugin_device_count(maru_abi_plugin *plugin, uint32_t *out_count, char *why,
                                           uint64_t why_bytes, maru_abi_error *error)
{
    (void)plugin;
    (void)error;
    if (why_bytes)
        why[0] = '\0'; // with no device: what is missing, and what to install
    *out_count = 1;
    return MARU_ABI_OK;
}

static maru_abi_status plugin_device_info(maru_abi_plugin *plugin, uint32_t index, maru_abi_device_info *out,
                                          maru_abi_error *error)
{
    if (index != 0)
        return tpl_fail(error, MARU_ABI_NOT_FOUND, "there is one device");
    maru_abi_device_info info = {
        .head = MARU_ABI_HEAD(maru_abi_device_info),
        .kind = MARU_ABI_DEVICE_OTHER,
        .numa_node = MARU_ABI_NO_INDEX,
        .caps = MARU_ABI_CAP_SYNCHRONOUS | MARU_ABI_CAP_UNIFIED_MEMORY,
        .name = plugin->hooks->device_name,
        .vendor = "template",
        .driver = "host memory",
        .compute_units = 1,
        .address_bits = 64,
        .n_queues = 1,
        .memory_kinds = ARRAY(memory_kinds),
        .storage_dtypes = ARRAY(storage_dtypes),
    };
    if (plugin->api.kernel_fns)
        info.source_formats = (maru_abi_array)ARRAY(source_formats);
    /* An older host has less room: fill what it has, and say so. */
    uint32_t room = out->head.struct_size < sizeof info ? out->head.struct_size : (uint32_t)sizeof info;
    info.head.struct_size = room;
    memcpy(out, &info, room);
    return MARU_ABI_OK;
}

static maru_abi_status plugin_device_open(maru_abi_plugin *plugin, uint32_t index,
                                          const maru_abi_device_params *params, maru_abi_device **out_device,
                                          maru_abi_error *error)
{
    if (index != 0)
        return tpl_fail(error, MARU_ABI_NOT_FOUND, "there is one device");
    if (params->flags >> 32)
        return tpl_fail(error, MARU_ABI_UNSUPPORTED, "unknown flags");
    if (params->options && params->options[0])
        return tpl_fail(error, MARU_ABI_INVALID_ARGUMENT, "the device has no options");
    maru_abi_device *device = allocate(plugin->host, sizeof *device);
    if (!device)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a device");
    device->plugin = plugin;
    atomic_fetch_add(&plugin->n_devices, 1);
    *out_device = device;
    return MARU_ABI_OK;
}

static maru_abi_status plugin_device_close(maru_abi_device *device, uint32_t abandon, maru_abi_error *error)
{
    if (atomic_load(&device->n_children) > 0 && !abandon)
        return tpl_fail(error, MARU_ABI_BUSY, "an object of the device lives");
    maru_abi_plugin *plugin = device->plugin;
    release(plugin->host, device);
    atomic_fetch_sub(&plugin->n_devices, 1);
    return MARU_ABI_OK;
}

static maru_abi_status plugin_mem_info(maru_abi_device *device, uint32_t memory_kind, maru_abi_mem_info *out,
                                       maru_abi_error *error)
{
    (void)device;
    if (memory_kind != 0)
        return tpl_fail(error, MARU_ABI_NOT_FOUND, "there is one kind of memory");
    out->total_bytes = 0; // unknown
    out->free_bytes = 0;
    out->budget_bytes = 0;
    return MARU_ABI_OK;
}

const maru_abi_plugin_fns tpl_plugin_fns = {
    .head = MARU_ABI_HEAD(maru_abi_plugin_fns),
    .quiesce = plugin_quiesce,
    .shutdown = plugin_shutdown,
    .device_count = plugin_device_count,
    .device_info = plugin_device_info,
    .device_open = plugin_device_open,
    .device_close = plugin_device_close,
    .mem_info = plugin_mem_info,
};

/* ---- buffers ---------------------------------------------------------------- */

static maru_abi_status new_buffer(maru_abi_device *device, void *imported, uint64_t bytes,
                                  maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    maru_abi_buffer *buffer = host->alloc(host->ctx, sizeof *buffer, 16);
    char *memory = imported ? imported : host->alloc(host->ctx, bytes, 64);
    if (!buffer || !memory) {
        release(host, buffer);
        if (!imported)
            release(host, memory);
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a buffer");
    }
    *buffer = (maru_abi_buffer){device, memory, imported ? 0 : bytes};
    atomic_fetch_add(&device->n_children, 1);
    *out_buffer = buffer;
    return MARU_ABI_OK;
}

static maru_abi_status buffer_alloc(maru_abi_device *device, uint32_t memory_kind, uint64_t bytes,
                                    maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    (void)memory_kind; // the host has checked it against device_info
    return new_buffer(device, NULL, bytes, out_buffer, error);
}

static maru_abi_status buffer_import(maru_abi_device *device, const maru_abi_external *external,
                                     maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    if (external->kind != MARU_ABI_IMPORT_HOST_POINTER)
        return tpl_fail(error, MARU_ABI_UNSUPPORTED, "only host pointers can be imported");
    return new_buffer(device, external->pointer, external->bytes, out_buffer, error);
}

static void buffer_free(maru_abi_buffer *buffer)
{
    const maru_abi_host *host = buffer->device->plugin->host;
    if (buffer->bytes) // 0: imported
        release(host, buffer->memory);
    atomic_fetch_sub(&buffer->device->n_children, 1);
    release(host, buffer);
}

static maru_abi_status buffer_map(maru_abi_buffer *buffer, uint64_t offset, uint64_t bytes, uint32_t flags,
                                  void **out_pointer, maru_abi_error *error)
{
    (void)bytes;
    (void)flags;
    (void)error;
    *out_pointer = buffer->memory + offset;
    return MARU_ABI_OK;
}

static void buffer_unmap(maru_abi_buffer *buffer)
{
    (void)buffer;
}

const maru_abi_buffer_fns tpl_buffer_fns = {
    .head = MARU_ABI_HEAD(maru_abi_buffer_fns),
    .alloc = buffer_alloc,
    .import_external = buffer_import,
    .free = buffer_free,
    .map = buffer_map,
    .unmap = buffer_unmap,
};

void *tpl_at(maru_abi_binding binding)
{
    return binding.buffer->memory + binding.offset;
}

/* ---- queue --------------------------------------------------------------------- */

static maru_abi_status queue_create(maru_abi_device *device, uint64_t flags, maru_abi_queue **out_queue,
                                    maru_abi_error *error)
{
    if (flags >> 32)
        return tpl_fail(error, MARU_ABI_UNSUPPORTED, "unknown flags");
    maru_abi_queue *queue = allocate(device->plugin->host, sizeof *queue);
    if (!queue)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a queue");
    queue->device = device;
    atomic_fetch_add(&device->n_children, 1);
    *out_queue = queue;
    return MARU_ABI_OK;
}

static void queue_destroy(maru_abi_queue *queue)
{
    atomic_fetch_sub(&queue->device->n_children, 1);
    release(queue->device->plugin->host, queue);
}

static void run_fill(const maru_abi_fill *fill)
{
    char *at = tpl_at(fill->dst);
    for (uint64_t i = 0; i < fill->dst.bytes; i += fill->pattern_bytes)
        memcpy(at + i, &fill->pattern, fill->pattern_bytes); // little-endian: the low bytes come first
}

static maru_abi_status run_command(maru_abi_queue *queue, const maru_abi_command *command, maru_abi_error *error)
{
    if (command->kind == MARU_ABI_CMD_COPY) {
        const maru_abi_copy *copy = command->body;
        memcpy(tpl_at(copy->dst), tpl_at(copy->src), copy->dst.bytes);
        return MARU_ABI_OK;
    }
    if (command->kind == MARU_ABI_CMD_FILL) {
        run_fill(command->body);
        return MARU_ABI_OK;
    }
    return queue->device->plugin->hooks->execute(queue, command, error);
}

/* A list with a command that is not known is refused before any of it runs. */
static maru_abi_status check_submit(maru_abi_queue *queue, const maru_abi_submit *submit, maru_abi_error *error)
{
    for (uint32_t i = 0; i < submit->n_commands; i++) {
        const maru_abi_command *command = &submit->commands[i];
        if (command->flags >> 32)
            return tpl_fail(error, MARU_ABI_UNSUPPORTED, "a command has unknown flags");
        if (command->kind != MARU_ABI_CMD_COPY && command->kind != MARU_ABI_CMD_FILL &&
            !queue->device->plugin->hooks->knows(command->kind))
            return tpl_fail(error, MARU_ABI_UNSUPPORTED, "a command of an unknown kind");
    }
    return MARU_ABI_OK;
}

/* What was submitted before has ended, so a wait is over already, or has failed. */
static maru_abi_status take_waits(const maru_abi_submit *submit, maru_abi_error *error)
{
    for (uint32_t i = 0; i < submit->n_waits; i++) {
        uint64_t value = 0;
        maru_abi_status status = tpl_fence_fns.query(submit->waits[i].fence, &value, error);
        if (status != MARU_ABI_OK)
            return status;
        if (value < submit->waits[i].value)
            return tpl_fail(error, MARU_ABI_UNSUPPORTED, "the device cannot wait for a value that the host signals");
    }
    return MARU_ABI_OK;
}

static maru_abi_status queue_submit(maru_abi_queue *queue, const maru_abi_submit *submit, maru_abi_error *error)
{
    maru_abi_error reason = {.head = MARU_ABI_HEAD(maru_abi_error), .node = MARU_ABI_NO_INDEX};
    maru_abi_status status = check_submit(queue, submit, error);
    if (status != MARU_ABI_OK)
        return status;
    status = take_waits(submit, &reason);
    for (uint32_t i = 0; i < submit->n_commands && status == MARU_ABI_OK; i++)
        status = run_command(queue, &submit->commands[i], &reason);
    /* The list was accepted: from here on, a failure is one of its fences. */
    reason.code = status;
    for (uint32_t i = 0; i < submit->n_signals; i++) {
        if (status == MARU_ABI_OK)
            (void)tpl_fence_fns.signal(submit->signals[i].fence, submit->signals[i].value, NULL);
        else
            tpl_fence_fns.fail(submit->signals[i].fence, &reason);
    }
    return MARU_ABI_OK;
}

const maru_abi_queue_fns tpl_queue_fns = {
    .head = MARU_ABI_HEAD(maru_abi_queue_fns),
    .create = queue_create,
    .destroy = queue_destroy,
    .submit = queue_submit,
};

/* ---- jobs ------------------------------------------------------------------------- */

maru_abi_status tpl_job_done(const maru_abi_host *host, void *product, void (*drop)(void *), maru_abi_job **out_job,
                             maru_abi_error *error)
{
    maru_abi_job *job = allocate(host, sizeof *job);
    if (!job) {
        if (drop)
            drop(product);
        else
            release(host, product);
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a job");
    }
    job->host = host;
    job->product = product;
    job->drop = drop;
    *out_job = job;
    return MARU_ABI_OK;
}

static uint32_t job_poll(maru_abi_job *job, int32_t *out_permille, maru_abi_error *error)
{
    *out_permille = 1000;
    if (job->status == MARU_ABI_OK)
        return MARU_ABI_JOB_DONE;
    if (error)
        *error = job->error;
    return MARU_ABI_JOB_FAILED;
}

static maru_abi_status job_wait(maru_abi_job *job, int64_t deadline, maru_abi_error *error)
{
    (void)deadline;
    if (job->status != MARU_ABI_OK && error)
        *error = job->error;
    return job->status;
}

static void job_cancel(maru_abi_job *job)
{
    (void)job;
}

static void job_destroy(maru_abi_job *job)
{
    if (job->product && job->drop)
        job->drop(job->product);
    else
        release(job->host, job->product);
    release(job->host, job);
}

const maru_abi_job_fns tpl_job_fns = {
    .head = MARU_ABI_HEAD(maru_abi_job_fns),
    .poll = job_poll,
    .wait = job_wait,
    .cancel = job_cancel,
    .destroy = job_destroy,
};
