// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

#include <string.h>

#define N_TIMESTAMPS 1024u // the newest are kept

struct maru_abi_queue {
    maru_abi_device *device;
    uint64_t n_written;
    uint64_t n_read;
    maru_abi_timestamp times[N_TIMESTAMPS];
};

static maru_abi_status queue_create(maru_abi_device *device, uint64_t flags, maru_abi_queue **out_queue,
                                    maru_abi_error *error)
{
    if (flags >> 32)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "queue: unknown flags 0x%llx", (unsigned long long)flags);
    maru_abi_queue *queue = cpu_alloc(device->plugin->host, 1, sizeof *queue);
    if (!queue)
        return cpu_no_memory(error, "a queue");
    queue->device = device;
    atomic_fetch_add(&device->n_children, 1);
    *out_queue = queue;
    return MARU_ABI_OK;
}

static void queue_destroy(maru_abi_queue *queue)
{
    atomic_fetch_sub(&queue->device->n_children, 1);
    cpu_free(queue->device->plugin->host, queue);
}

/* ---- commands ------------------------------------------------------------------- */

static void run_fill(const maru_abi_fill *fill)
{
    char *at = cpu_at(&fill->dst);
    if (fill->pattern_bytes == 1 && fill->dst.bytes) {
        memset(at, (int)(fill->pattern & 0xFF), fill->dst.bytes);
        return;
    }
    const uint16_t half = (uint16_t)fill->pattern;
    const void *pattern = fill->pattern_bytes == 2 ? (const void *)&half : &fill->pattern;
    for (uint64_t i = 0; i < fill->dst.bytes; i += fill->pattern_bytes)
        memcpy(at + i, pattern, fill->pattern_bytes);
}

static maru_abi_status run_command(const maru_abi_command *command, maru_abi_error *error)
{
    if (command->kind == MARU_ABI_CMD_RUN)
        return cpu_run(command->body, error);
    if (command->kind == MARU_ABI_CMD_FILL) {
        run_fill(command->body);
        return MARU_ABI_OK;
    }
    const maru_abi_copy *copy = command->body;
    if (copy->dst.bytes)
        memcpy(cpu_at(&copy->dst), cpu_at(&copy->src), copy->dst.bytes);
    return MARU_ABI_OK;
}

maru_abi_device *cpu_queue_device(const maru_abi_queue *queue)
{
    return queue->device;
}

maru_abi_status cpu_check_commands(const maru_abi_command *commands, uint32_t n_commands, maru_abi_error *error)
{
    for (uint32_t i = 0; i < n_commands; i++) {
        const maru_abi_command *command = &commands[i];
        if (command->flags >> 32)
            return cpu_fail(error, MARU_ABI_UNSUPPORTED, "command %u has unknown flags 0x%llx", i,
                            (unsigned long long)command->flags);
        if (command->kind != MARU_ABI_CMD_COPY && command->kind != MARU_ABI_CMD_FILL &&
            command->kind != MARU_ABI_CMD_RUN)
            return cpu_fail(error, MARU_ABI_UNSUPPORTED, "command %u has kind %u; there are copy, fill and run", i,
                            command->kind);
    }
    return MARU_ABI_OK;
}

static maru_abi_status run_list(maru_abi_queue *queue, const maru_abi_submit *submit, maru_abi_error *error)
{
    const maru_abi_host *host = queue->device->plugin->host;
    int has_times = (submit->flags & 1) != 0;
    for (uint32_t i = 0; i < submit->n_waits; i++) {
        maru_abi_status status =
            cpu_fence_fns.wait(submit->waits[i].fence, submit->waits[i].value, INT64_MAX, error);
        if (status != MARU_ABI_OK)
            return status;
    }
    for (uint32_t i = 0; i < submit->n_commands; i++) {
        int64_t begin = has_times ? host->now(host->ctx) : 0;
        maru_abi_status status = run_command(&submit->commands[i], error);
        if (status != MARU_ABI_OK)
            return status;
        if (has_times)
            queue->times[queue->n_written++ % N_TIMESTAMPS] = (maru_abi_timestamp){
                .tag = submit->commands[i].tag,
                .begin_ns = (uint64_t)begin,
                .end_ns = (uint64_t)host->now(host->ctx),
            };
    }
    return MARU_ABI_OK;
}

static maru_abi_status queue_submit(maru_abi_queue *queue, const maru_abi_submit *submit, maru_abi_error *error)
{
    maru_abi_status status = cpu_check_commands(submit->commands, submit->n_commands, error);
    if (status != MARU_ABI_OK)
        return status;
    maru_abi_error reason = {.head = MARU_ABI_HEAD(maru_abi_error), .node = MARU_ABI_NO_INDEX};
    status = run_list(queue, submit, &reason);
    /* The list was accepted: from here on, a failure is one of its fences. */
    reason.code = status;
    for (uint32_t i = 0; i < submit->n_signals; i++) {
        if (status == MARU_ABI_OK)
            (void)cpu_fence_fns.signal(submit->signals[i].fence, submit->signals[i].value, NULL);
        else
            cpu_fence_fns.fail(submit->signals[i].fence, &reason);
    }
    return MARU_ABI_OK;
}

static maru_abi_status queue_profile(maru_abi_queue *queue, maru_abi_timestamp *out, uint32_t room,
                                     uint32_t *out_count, maru_abi_error *error)
{
    (void)error;
    uint32_t n = 0;
    if (queue->n_written - queue->n_read > N_TIMESTAMPS)
        queue->n_read = queue->n_written - N_TIMESTAMPS;
    while (n < room && queue->n_read < queue->n_written)
        out[n++] = queue->times[queue->n_read++ % N_TIMESTAMPS];
    *out_count = n;
    return MARU_ABI_OK;
}

const maru_abi_queue_fns cpu_queue_fns = {
    .head = MARU_ABI_HEAD(maru_abi_queue_fns),
    .create = queue_create,
    .destroy = queue_destroy,
    .submit = queue_submit,
    .record = cpu_record,
    .recording_destroy = cpu_recording_destroy,
    .replay = cpu_replay,
    .profile = queue_profile,
};
