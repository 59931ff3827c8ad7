// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device_impl.h"

#define SLICE_NS 20000000ll    // how soon a cancel is seen
#define GRACE_NS 5000000000ll  // from a cancel to giving up

static bool is_cancelled(const maru_dev_wait *wait)
{
    return wait->cancel && atomic_load_explicit(wait->cancel, memory_order_relaxed);
}

static void tell_progress(const maru_dev *dev, maru_abi_job *job, const maru_dev_wait *wait)
{
    if (!wait->progress)
        return;
    int32_t permille = -1;
    maru_abi_error error;
    maru_answer_init(&error);
    (void)dev->fns->job.poll(job, &permille, &error);
    wait->progress(wait->progress_ctx, permille >= 0 && permille <= 1000 ? permille : -1);
}

/* Until it ends (its status), or DEADLINE_EXCEEDED for the deadline or a cancel. */
static maru_abi_status wait_for(const maru_dev *dev, maru_abi_job *job, const maru_dev_wait *wait,
                                maru_abi_error *error)
{
    int64_t deadline = wait->deadline_ns ? wait->deadline_ns : INT64_MAX;
    bool in_slices = wait->cancel || wait->progress;
    for (;;) {
        int64_t now = maru_os_now_ns();
        int64_t until = in_slices && now < deadline - SLICE_NS ? now + SLICE_NS : deadline;
        maru_answer_init(error);
        maru_abi_status status = dev->fns->job.wait(job, until, error);
        if (status != MARU_ABI_DEADLINE_EXCEEDED || until == deadline || is_cancelled(wait))
            return status;
        tell_progress(dev, job, wait);
    }
}

static maru_status stop(maru_dev *dev, const char *call, maru_abi_job *job, const maru_dev_wait *wait)
{
    bool cancelled = is_cancelled(wait);
    maru_abi_error error;
    maru_answer_init(&error);
    dev->fns->job.cancel(job);
    maru_abi_status status = dev->fns->job.wait(job, maru_os_now_ns() + GRACE_NS, &error);
    if (status == MARU_ABI_DEADLINE_EXCEEDED) {
        /* Destroying it would wait for it: it is left to itself, with all it points to. */
        maru_dev_mark_lost(dev);
        return maru_fail(MARU_TIMED_OUT, "%s: %s: it did not end within %d s of being cancelled", dev->id, call,
                         (int)(GRACE_NS / 1000000000));
    }
    dev->fns->job.destroy(job);
    return cancelled ? maru_fail(MARU_CANCELLED, "%s: %s: cancelled", dev->id, call)
                     : maru_fail(MARU_DEADLINE_EXCEEDED, "%s: %s: it did not end in time", dev->id, call);
}

maru_status maru_dev_job_finish(maru_dev *dev, const char *call, maru_abi_job *job, const maru_dev_wait *wait)
{
    static const maru_dev_wait no_limit = {0};
    maru_abi_error error;
    if (!job)
        return maru_dev_gave_nothing(dev, call);
    if (!wait)
        wait = &no_limit;
    maru_abi_status status = wait_for(dev, job, wait, &error);
    if (status == MARU_ABI_DEADLINE_EXCEEDED)
        return stop(dev, call, job, wait);
    if (status != MARU_ABI_OK) {
        maru_status code = maru_dev_fail(dev, call, status, &error);
        dev->fns->job.destroy(job);
        return code;
    }
    int32_t permille = -1;
    maru_answer_init(&error);
    uint32_t state = dev->fns->job.poll(job, &permille, &error);
    if (state == MARU_ABI_JOB_DONE)
        return MARU_OK;
    dev->fns->job.destroy(job);
    return maru_fail(MARU_INTERNAL, "%s: %s: the job's wait answered OK, but its state is %u", dev->id, call, state);
}
