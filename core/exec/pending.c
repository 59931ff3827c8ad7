// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Lists that a run did not wait out: what they use is neither changed nor freed before they end. */

#include "exec/session_impl.h"

#include "base/fail.h"
#include "base/os.h"

#define GRACE_NS 5000000000ll  // as for jobs: from giving up on a list to giving up on its device

/* A fence that failed stays so; the next run needs another. */
static void renew_fence(maru_session *s, uint32_t d)
{
    maru_dev_fence *fresh = NULL;
    if (maru_dev_is_lost(s->model->devices[d]) ||
        maru_dev_fence_create(s->model->devices[d], 0, &fresh) != MARU_OK)
        return;
    maru_dev_fence_destroy(&s->fences[d]);
    s->fences[d] = fresh;
    s->fence_values[d] = 0;
}

/* Whether the fence failed, and not the patience of who waits. */
static bool has_ended(maru_session *s, uint32_t d)
{
    uint64_t value = 0;
    return maru_dev_fence_query(s->fences[d], &value) != MARU_OK || value >= s->fence_values[d];
}

static maru_status fail_deadline(const maru_session *s, uint32_t d)
{
    return maru_fail(MARU_DEADLINE_EXCEEDED, "%s did not end its work in time", maru_dev_id(s->model->devices[d]));
}

maru_status maru_session_wait(maru_session *s, uint32_t d, int64_t deadline)
{
    const maru_status status = maru_dev_fence_wait(s->fences[d], s->fence_values[d], deadline);
    s->is_pending[d] = false;
    if (status == MARU_OK)
        return MARU_OK;
    if (status == MARU_DEADLINE_EXCEEDED && !has_ended(s, d)) {
        s->is_pending[d] = true;
        return fail_deadline(s, d);
    }
    renew_fence(s, d);
    return status;
}

maru_status maru_session_settle(maru_session *s, int64_t deadline)
{
    for (uint32_t d = 0; d < s->model->n_devices; d++) {
        if (!s->is_pending[d])
            continue;
        const maru_status status = maru_session_wait(s, d, deadline);
        if (s->is_pending[d])
            return status;
        if (status != MARU_OK)
            maru_error_clear(); // the run that it belonged to has failed already
    }
    return MARU_OK;
}

maru_status maru_session_check_idle(maru_session *s)
{
    if (maru_session_settle(s, 0) == MARU_OK)
        return MARU_OK;
    return maru_fail(MARU_FAILED_PRECONDITION, "the last run was given up at its deadline, and its work has not ended");
}

void maru_session_end_pending(maru_session *s)
{
    for (uint32_t d = 0; d < s->model->n_devices; d++) {
        if (!s->is_pending[d])
            continue;
        if (maru_dev_queue_discard(s->queues[d]) != MARU_OK)
            maru_error_clear(); // then it ends by itself
        if (maru_session_wait(s, d, maru_os_now_ns() + GRACE_NS) != MARU_OK)
            maru_error_clear();
        if (s->is_pending[d])
            maru_dev_mark_lost(s->model->devices[d]);
    }
}
