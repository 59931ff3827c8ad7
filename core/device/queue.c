// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device_impl.h"

#include <stdlib.h>

#define KEEP_TIMESTAMPS 1u

struct maru_dev_recording {
    maru_dev *dev;
    maru_dev_queue *queue;
    maru_abi_recording *handle;
    uint32_t n_rebindable;
    uint64_t least_bytes[MARU_DEV_MAX_POINTS];  // of each rebindable
};

maru_status maru_dev_queue_create(maru_dev *dev, maru_dev_queue **out_queue)
{
    *out_queue = NULL;
    MARU_TRY(maru_dev_check(dev, "queue create"));
    maru_abi_queue *handle = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->queue.create(dev->handle, 0, &handle, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "queue create", status, &error);
    if (!handle)
        return maru_dev_gave_nothing(dev, "queue create");
    maru_dev_queue *queue = calloc(1, sizeof *queue);
    if (!queue) {
        dev->fns->queue.destroy(handle);
        return maru_fail_oom("a queue");
    }
    queue->dev = dev;
    queue->handle = handle;
    maru_dev_retain(dev);
    *out_queue = queue;
    return MARU_OK;
}

void maru_dev_queue_destroy(maru_dev_queue **queue)
{
    maru_dev_queue *q = *queue;
    if (!q)
        return;
    *queue = NULL;
    if (maru_dev_may_release(q->dev))
        q->dev->fns->queue.destroy(q->handle);
    maru_dev_fence_destroy(&q->fence);
    maru_dev_release(q->dev);
    free(q);
}

/* ---- submit ------------------------------------------------------------------- */

/* The ABI's form of the points of a submit, on the stack: nothing is allocated on the run path. */
typedef struct {
    maru_abi_point waits[MARU_DEV_MAX_POINTS];
    maru_abi_point signals[MARU_DEV_MAX_POINTS];
    maru_abi_submit submit;
} submit_frame;

static maru_status take_points(const maru_dev *dev, const maru_dev_point *from, uint32_t n, maru_abi_point *to)
{
    if (n > MARU_DEV_MAX_POINTS)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: submit: %u waits or signals, the most is %d", dev->id, n,
                         MARU_DEV_MAX_POINTS);
    for (uint32_t i = 0; i < n; i++) {
        if (from[i].fence->dev != dev)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: submit: a fence of %s", dev->id, from[i].fence->dev->id);
        to[i].fence = from[i].fence->handle;
        to[i].value = from[i].value;
    }
    return MARU_OK;
}

static inline maru_status make_frame(const maru_dev *dev, const maru_dev_point *waits, uint32_t n_waits,
                                     const maru_dev_point *signals, uint32_t n_signals, bool timestamps,
                                     submit_frame *frame)
{
    MARU_TRY(take_points(dev, waits, n_waits, frame->waits));
    MARU_TRY(take_points(dev, signals, n_signals, frame->signals));
    frame->submit = (maru_abi_submit){
        .head = MARU_ABI_HEAD(maru_abi_submit),
        .waits = frame->waits,
        .n_waits = n_waits,
        .signals = frame->signals,
        .n_signals = n_signals,
        .flags = timestamps ? KEEP_TIMESTAMPS : 0,
    };
    return MARU_OK;
}

maru_status maru_dev_queue_submit(maru_dev_queue *queue, const maru_dev_commands *list, const maru_dev_point *waits,
                                  uint32_t n_waits, const maru_dev_point *signals, uint32_t n_signals,
                                  bool timestamps)
{
    maru_dev *dev = queue->dev;
    submit_frame frame;
    MARU_TRY(maru_dev_check(dev, "submit"));
    MARU_TRY(make_frame(dev, waits, n_waits, signals, n_signals, timestamps, &frame));
    if (list) {
        if (!maru_dev_commands_is_ready(list, dev))
            return maru_fail(MARU_FAILED_PRECONDITION, "%s: submit: the list was not validated for this device",
                             dev->id);
        frame.submit.commands = maru_dev_commands_data(list, &frame.submit.n_commands);
    }
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->queue.submit(queue->handle, &frame.submit, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "submit", status, &error);
}

maru_status maru_dev_queue_run(maru_dev_queue *queue, const maru_dev_commands *list, int64_t deadline_ns)
{
    if (!queue->fence)
        MARU_TRY(maru_dev_fence_create(queue->dev, 0, &queue->fence));
    maru_dev_point done = {.fence = queue->fence, .value = queue->value + 1};
    MARU_TRY(maru_dev_queue_submit(queue, list, NULL, 0, &done, 1, false));
    queue->value++;
    maru_status status = maru_dev_fence_wait(queue->fence, done.value, deadline_ns);
    /* A fence that failed stays so: the next run needs another. One that is still awaited is kept. */
    if (status != MARU_OK && status != MARU_DEADLINE_EXCEEDED && !maru_dev_is_lost(queue->dev)) {
        maru_dev_fence_destroy(&queue->fence);
        queue->value = 0;
    }
    return status;
}

/* ---- recorded lists --------------------------------------------------------------- */

static maru_status take_buffers(const maru_dev *dev, const char *call, maru_dev_buffer *const *from, uint32_t n,
                                maru_abi_buffer **to)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!from[i] || from[i]->dev != dev)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: %s: buffer %u is not one of this device", dev->id, call, i);
        to[i] = from[i]->handle;
    }
    return MARU_OK;
}

static maru_status check_record(const maru_dev_queue *queue, const maru_dev_commands *list, uint32_t n_rebindable)
{
    const maru_dev *dev = queue->dev;
    MARU_TRY(maru_dev_check(dev, "record"));
    if (!dev->fns->queue.record)
        return maru_dev_lacks(dev, "record");
    if (!maru_dev_commands_is_ready(list, dev))
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: record: the list was not validated for this device", dev->id);
    if (n_rebindable > MARU_DEV_MAX_POINTS)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: record: %u rebindable buffers, the most is %d", dev->id,
                         n_rebindable, MARU_DEV_MAX_POINTS);
    return MARU_OK;
}

maru_status maru_dev_queue_record(maru_dev_queue *queue, const maru_dev_commands *list,
                                  maru_dev_buffer *const *rebindable, uint32_t n_rebindable,
                                  maru_dev_recording **out_recording)
{
    maru_dev *dev = queue->dev;
    maru_abi_buffer *buffers[MARU_DEV_MAX_POINTS];
    *out_recording = NULL;
    MARU_TRY(check_record(queue, list, n_rebindable));
    MARU_TRY(take_buffers(dev, "record", rebindable, n_rebindable, buffers));
    maru_dev_recording *recording = calloc(1, sizeof *recording);
    if (!recording)
        return maru_fail_oom("a recording");
    *recording = (maru_dev_recording){.dev = dev, .queue = queue, .n_rebindable = n_rebindable};
    for (uint32_t i = 0; i < n_rebindable; i++)
        recording->least_bytes[i] = rebindable[i]->bytes;
    maru_abi_array array = {.data = buffers, .count = n_rebindable, .stride = sizeof *buffers};
    uint32_t n_commands = 0;
    const maru_abi_command *commands = maru_dev_commands_data(list, &n_commands);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status =
        dev->fns->queue.record(queue->handle, commands, n_commands, array, &recording->handle, &error);
    if (status != MARU_ABI_OK || !recording->handle) {
        free(recording);
        return status != MARU_ABI_OK ? maru_dev_fail(dev, "record", status, &error)
                                     : maru_dev_gave_nothing(dev, "record");
    }
    maru_dev_retain(dev);
    *out_recording = recording;
    return MARU_OK;
}

void maru_dev_recording_destroy(maru_dev_recording **recording)
{
    maru_dev_recording *r = *recording;
    if (!r)
        return;
    *recording = NULL;
    if (maru_dev_may_release(r->dev))
        r->dev->fns->queue.recording_destroy(r->handle);
    maru_dev_release(r->dev);
    free(r);
}

static maru_status check_rebind(const maru_dev_recording *recording, maru_dev_buffer *const *rebind,
                                uint32_t n_rebind)
{
    const maru_dev *dev = recording->dev;
    if (n_rebind != 0 && n_rebind != recording->n_rebindable)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: replay: %u buffers, the recording has %u to exchange", dev->id,
                         n_rebind, recording->n_rebindable);
    for (uint32_t i = 0; i < n_rebind; i++) {
        if (rebind[i] && rebind[i]->bytes < recording->least_bytes[i])
            return maru_fail(MARU_OUT_OF_RANGE, "%s: replay: buffer %u has %llu bytes, the recorded one %llu",
                             dev->id, i, (unsigned long long)rebind[i]->bytes,
                             (unsigned long long)recording->least_bytes[i]);
    }
    return MARU_OK;
}

maru_status maru_dev_queue_replay(maru_dev_queue *queue, maru_dev_recording *recording,
                                  maru_dev_buffer *const *rebind, uint32_t n_rebind, const maru_dev_point *waits,
                                  uint32_t n_waits, const maru_dev_point *signals, uint32_t n_signals,
                                  bool timestamps)
{
    maru_dev *dev = queue->dev;
    submit_frame frame;
    maru_abi_buffer *buffers[MARU_DEV_MAX_POINTS];
    MARU_TRY(maru_dev_check(dev, "replay"));
    if (recording->queue != queue)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: replay: recorded on another queue", dev->id);
    MARU_TRY(check_rebind(recording, rebind, n_rebind));
    MARU_TRY(take_buffers(dev, "replay", rebind, n_rebind, buffers));
    MARU_TRY(make_frame(dev, waits, n_waits, signals, n_signals, timestamps, &frame));
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->queue.replay(queue->handle, recording->handle, n_rebind ? buffers : NULL,
                                                    n_rebind, &frame.submit, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "replay", status, &error);
}

/* ---- the rest ------------------------------------------------------------------------ */

maru_status maru_dev_queue_profile(maru_dev_queue *queue, maru_abi_timestamp *out, uint32_t room,
                                   uint32_t *out_count)
{
    maru_dev *dev = queue->dev;
    *out_count = 0;
    MARU_TRY(maru_dev_check(dev, "profile"));
    if (!dev->fns->queue.profile)
        return maru_dev_lacks(dev, "profile");
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->queue.profile(queue->handle, out, room, out_count, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "profile", status, &error);
    if (*out_count > room)
        return maru_fail(MARU_INTERNAL, "%s: profile: it gave %u timestamps, room was for %u", dev->id, *out_count,
                         room);
    return MARU_OK;
}

maru_status maru_dev_queue_discard(maru_dev_queue *queue)
{
    maru_dev *dev = queue->dev;
    MARU_TRY(maru_dev_check(dev, "discard"));
    if (!dev->fns->queue.discard)
        return maru_dev_lacks(dev, "discard");
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->queue.discard(queue->handle, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "discard", status, &error);
}
