// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/model_impl.h"

#include <maru/session.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fail.h"
#include "exec/dropping.h"

/* Runs the constant part on the CPU; its results are `tensors`, views that live as long as the session. */
static maru_status run_part(maru_session *session, size_t n, maru_tensor *tensors)
{
    MARU_TRY(maru_session_run(session, NULL));
    for (size_t i = 0; i < n; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        MARU_TRY(maru_session_get_output(session, name, &tensors[i]));
    }
    return MARU_OK;
}

/* The sources of what was computed are not read again, or seldom. */
static void drop_sources(const maru_graph *graph)
{
    for (size_t i = 0; i < graph->constants.count; i++)
        maru_drop_source(&graph->constants.data[i].source);
}

static maru_status fold_part(maru_runtime *runtime, maru_graph **part, maru_graph **graph, const maru_value *values,
                             size_t n, const maru_model_params *params)
{
    const maru_model_params own = {
        .devices = "cpu:0",
        .placement = MARU_PLACE_FREE,
        .numerics = params->numerics,
        .no_fold = 1,
        .no_fuse = 1,
    };
    maru_model *model = NULL;
    maru_session *session = NULL;
    maru_graph *next = NULL;
    maru_graph *clean = NULL;
    maru_tensor *tensors = calloc(n, sizeof *tensors);
    maru_status status = tensors ? maru_model_create(runtime, part, &own, &model) : maru_fail_oom("constant folding");
    if (status == MARU_OK)
        status = maru_session_create(model, &session);
    if (status == MARU_OK)
        status = run_part(session, n, tensors);
    if (status == MARU_OK)
        status = maru_plan_replace(*graph, values, tensors, n, &next);
    if (status == MARU_OK)
        drop_sources(model->graph);
    // What was computed may have become shapes and equal nodes.
    if (status == MARU_OK)
        status = maru_plan_simplify(next, &clean);
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    maru_graph_destroy(&next);
    free(tensors);
    if (status != MARU_OK)
        return maru_fail_within(status, "computing the constant part");
    maru_graph_destroy(graph);
    *graph = clean;
    return MARU_OK;
}

bool maru_model_can_fold(maru_runtime *runtime)
{
    size_t index = 0;
    size_t count = 0;
    if (maru_runtime_find_devices(runtime, "cpu:0", &index, 1, &count) == MARU_OK)
        return count > 0;
    maru_error_clear();
    return false;
}

maru_status maru_model_fold(maru_runtime *runtime, maru_graph **graph, const maru_model_params *params)
{
    if (!maru_model_can_fold(runtime))
        return MARU_OK;
    maru_graph *part = NULL;
    maru_value *values = NULL;
    size_t n = 0;
    MARU_TRY(maru_plan_foldable(*graph, &part, &values, &n));
    maru_status status = MARU_OK;
    if (part) {
        maru_model_progress(params, "fold", 0, n);
        status = fold_part(runtime, &part, graph, values, n, params);
        maru_model_progress(params, "fold", n, n);
    }
    maru_graph_destroy(&part);
    free(values);
    return status;
}
