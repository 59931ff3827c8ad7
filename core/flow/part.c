// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/part.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/os.h"

/* ---- what is kept ---- */

void flow_part_destroy(flow_part *part)
{
    while (part) {
        flow_part *next = part->next;
        maru_session_destroy(&part->session);
        maru_model_destroy(&part->model);
        for (size_t i = 0; i < part->inputs.count; i++)
            free(part->inputs.data[i].content);
        maru_array_fini(&part->inputs);
        maru_array_fini(&part->outputs);
        free(part);
        part = next;
    }
}

static bool fits(const flow_part_input *in, const maru_item *item, int64_t *symbols)
{
    const maru_tensor *t = item ? maru_item_get_tensor(item) : NULL;
    if (!t || t->dtype != in->dtype || t->rank != in->rank)
        return false;
    for (uint32_t d = 0; d < t->rank; d++) {
        const int64_t wanted = in->dims[d] >= 0 ? in->dims[d] : symbols[-1 - in->dims[d]];
        if (wanted >= 0 && t->dims[d] != wanted)
            return false;
        if (in->dims[d] < 0 && t->dims[d] < FLOW_LEAST_SYMBOL)
            return false;
        if (in->dims[d] < 0)
            symbols[-1 - in->dims[d]] = t->dims[d];
    }
    return !in->content || memcmp(in->content, t->data, t->bytes) == 0;
}

static bool part_fits(const flow_part *part, const flow_frame *frame)
{
    int64_t symbols[FLOW_MAX_SYMBOLS];
    for (size_t i = 0; i < FLOW_MAX_SYMBOLS; i++)
        symbols[i] = -1;
    for (size_t i = 0; i < part->inputs.count; i++)
        if (!fits(&part->inputs.data[i], flow_find(frame, part->inputs.data[i].name), symbols))
            return false;
    return true;
}

/* The part moves to the front of its list. */
static flow_part *find_part(flow_frame *frame, size_t first)
{
    flow_part **head = &frame->body->parts[first];
    for (flow_part **at = head; *at; at = &(*at)->next) {
        flow_part *part = *at;
        if (!part_fits(part, frame))
            continue;
        *at = part->next;
        part->next = *head;
        *head = part;
        return part;
    }
    return NULL;
}

static void keep_part(flow_frame *frame, size_t first, flow_part *part)
{
    flow_part **head = &frame->body->parts[first];
    part->next = *head;
    *head = part;
    size_t n = 0;
    for (flow_part **at = head; *at; at = &(*at)->next) {
        if (n++ < FLOW_MAX_PARTS)
            continue;
        flow_part_destroy(*at);
        *at = NULL;
        break;
    }
}

/* ---- running ---- */

/* A cancel may come at any moment, also between two sessions. */
static void set_running(maru_flow *flow, maru_session *session)
{
    maru_mutex_lock(&flow->lock);
    flow->running = session;
    maru_mutex_unlock(&flow->lock);
}

static maru_status run_session(maru_flow *flow, maru_session *session)
{
    maru_run_params params = *flow->run;
    params.timeout_ns = 0;
    if (flow->deadline_ns) {
        params.timeout_ns = flow->deadline_ns - maru_os_now_ns();
        if (params.timeout_ns <= 0)
            return flow_check(flow);
    }
    set_running(flow, session);
    maru_status status = flow_check(flow);
    if (status == MARU_OK)
        status = maru_session_run(session, &params);
    set_running(flow, NULL);
    // The session knows the time that was left to it, not the whole run's.
    return status == MARU_DEADLINE_EXCEEDED ? flow_fail_deadline(flow) : status;
}

static maru_status take_output(flow_pool *pool, flow_part *part, size_t index, maru_item **out_item)
{
    maru_tensor view = {0};
    if (part->outputs.data[index].is_none)
        return maru_item_none(out_item);
    MARU_TRY(maru_session_get_output(part->session, part->outputs.data[index].name, &view));
    return flow_item_copy(pool, &view, out_item);
}

static maru_status run_part(flow_part *part, flow_frame *frame)
{
    frame->flow->stats.n_stages++;
    for (size_t i = 0; i < part->inputs.count; i++) {
        const flow_part_input *in = &part->inputs.data[i];
        if (in->is_bound)
            MARU_TRY(maru_session_set_input(part->session, in->name,
                                            maru_item_get_tensor(flow_find(frame, in->name))));
    }
    if (part->session)
        MARU_TRY(run_session(frame->flow, part->session));
    for (size_t i = 0; i < part->outputs.count; i++) {
        maru_item *item = NULL;
        MARU_TRY(take_output(frame->flow->pool, part, i, &item));
        MARU_TRY(flow_set(frame, part->outputs.data[i].name, item));
    }
    return MARU_OK;
}

maru_status flow_run_part(flow_frame *frame, size_t first, size_t limit, size_t *out_end)
{
    flow_part *part = find_part(frame, first);
    *out_end = first;
    if (!part) {
        bool is_for_host = false;
        MARU_TRY(flow_part_create(frame, first, limit, frame->body->parts[first], &part, &is_for_host));
        if (is_for_host)
            return MARU_OK;
        keep_part(frame, first, part);
    }
    MARU_TRY(run_part(part, frame));
    *out_end = part->end;
    return MARU_OK;
}
