// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/session_impl.h"

#include <stdlib.h>

#include "base/fail.h"
#include "base/os_thread.h"

struct maru_session_async {
    maru_os_thread thread;
    maru_session *session;
    maru_run_params params;
    maru_done_fn done;
    void *ctx;
};

static void *run_and_tell(void *arg)
{
    maru_session_async *a = arg;
    const maru_status status = maru_session_run(a->session, &a->params);
    a->done(a->ctx, status, status == MARU_OK ? "" : maru_error_message());
    return NULL;
}

void maru_session_join(maru_session *session)
{
    if (!session->async)
        return;
    maru_os_thread_join(&session->async->thread);
    free(session->async);
    session->async = NULL;
}

maru_status maru_session_run_async(maru_session *session, const maru_run_params *params, maru_done_fn done, void *ctx)
{
    maru_session_join(session);
    maru_session_async *a = calloc(1, sizeof *a);
    if (!a)
        return maru_fail_oom("a run");
    *a = (maru_session_async){.session = session, .done = done, .ctx = ctx};
    if (params)
        a->params = *params;
    const maru_status status = maru_os_thread_start(&a->thread, run_and_tell, a);
    if (status != MARU_OK) {
        free(a);
        return status;
    }
    session->async = a;
    return MARU_OK;
}
