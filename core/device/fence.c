// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device_impl.h"

#include <stdio.h>
#include <stdlib.h>

maru_status maru_dev_fence_create(maru_dev *dev, uint64_t initial, maru_dev_fence **out_fence)
{
    *out_fence = NULL;
    MARU_TRY(maru_dev_check(dev, "fence create"));
    maru_abi_fence *handle = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->fence.create(dev->handle, initial, &handle, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "fence create", status, &error);
    if (!handle)
        return maru_dev_gave_nothing(dev, "fence create");
    maru_dev_fence *fence = malloc(sizeof *fence);
    if (!fence) {
        dev->fns->fence.destroy(handle);
        return maru_fail_oom("a fence");
    }
    *fence = (maru_dev_fence){.dev = dev, .handle = handle};
    maru_dev_retain(dev);
    *out_fence = fence;
    return MARU_OK;
}

void maru_dev_fence_destroy(maru_dev_fence **fence)
{
    maru_dev_fence *f = *fence;
    if (!f)
        return;
    *fence = NULL;
    if (maru_dev_may_release(f->dev))
        f->dev->fns->fence.destroy(f->handle);
    maru_dev_release(f->dev);
    free(f);
}

maru_status maru_dev_fence_query(maru_dev_fence *fence, uint64_t *out_value)
{
    maru_dev *dev = fence->dev;
    *out_value = 0;
    MARU_TRY(maru_dev_check(dev, "fence query"));
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->fence.query(fence->handle, out_value, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "fence", status, &error);
}

maru_status maru_dev_fence_wait(maru_dev_fence *fence, uint64_t value, int64_t deadline_ns)
{
    maru_dev *dev = fence->dev;
    MARU_TRY(maru_dev_check(dev, "fence wait"));
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->fence.wait(fence->handle, value, deadline_ns, &error);
    if (status == MARU_ABI_OK)
        return MARU_OK;
    if (status == MARU_ABI_DEADLINE_EXCEEDED)
        return maru_fail(MARU_DEADLINE_EXCEEDED, "%s: fence wait: value %llu was not reached in time", dev->id,
                         (unsigned long long)value);
    return maru_dev_fail(dev, "fence", status, &error);
}

maru_status maru_dev_fence_signal(maru_dev_fence *fence, uint64_t value)
{
    maru_dev *dev = fence->dev;
    uint64_t present = 0;
    MARU_TRY(maru_dev_fence_query(fence, &present));
    if (value <= present)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: fence signal: %llu is not above the present value %llu", dev->id,
                         (unsigned long long)value, (unsigned long long)present);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->fence.signal(fence->handle, value, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "fence signal", status, &error);
}

/* Works on a lost device too: it is how the host lets the waiters go. */
void maru_dev_fence_fail(maru_dev_fence *fence, maru_status code, const char *message)
{
    if (!maru_dev_may_release(fence->dev))
        return;
    maru_abi_error reason = {
        .head = MARU_ABI_HEAD(maru_abi_error),
        .code = code == MARU_OK || code > MARU_NEEDS_RECOMPILE ? MARU_ABI_INTERNAL : (int32_t)code,
        .node = MARU_ABI_NO_INDEX,
    };
    snprintf(reason.message, sizeof reason.message, "%s", message);
    fence->dev->fns->fence.fail(fence->handle, &reason);
}

maru_status maru_dev_fence_arm(maru_dev_fence *fence, uint64_t value, int eventfd)
{
    maru_dev *dev = fence->dev;
    MARU_TRY(maru_dev_check(dev, "fence arm"));
    if (eventfd < 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: fence arm: %d is no descriptor", dev->id, eventfd);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->fence.arm(fence->handle, value, eventfd, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "fence arm", status, &error);
}

maru_status maru_dev_fence_export_sync_fd(maru_dev_fence *fence, uint64_t value, int *out_fd)
{
    maru_dev *dev = fence->dev;
    int32_t fd = -1;
    *out_fd = -1;
    MARU_TRY(maru_dev_check(dev, "export_sync_fd"));
    if (!dev->fns->fence.export_sync_fd)
        return maru_dev_lacks(dev, "export_sync_fd");
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->fence.export_sync_fd(fence->handle, value, &fd, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "export_sync_fd", status, &error);
    *out_fd = fd;
    return fd >= 0 ? MARU_OK : maru_dev_gave_nothing(dev, "export_sync_fd");
}
