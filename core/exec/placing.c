// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/asking.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/log.h"

/* A composite whose body has composites is asked about again after each level. */
enum { MAX_ROUNDS = 8 };

/* ---- devices ---- */

static bool is_host_memory(const maru_abi_device_info *info)
{
    for (uint32_t i = 0; i < info->memory_kinds.count; i++)
        if (MARU_ABI_AT(maru_abi_memory_kind, info->memory_kinds, i)->flags & MARU_ABI_MEM_IMPORT_HOST)
            return info->kind == MARU_ABI_DEVICE_CPU;
    return false;
}

static maru_status open_device(maru_model *model, size_t index, const char *options, bool is_asked,
                               maru_plan_device *out)
{
    maru_dev **dev = &model->devices[model->n_devices];
    MARU_TRY(maru_runtime_open_device(model->runtime, index, options, dev));
    model->n_devices++;
    const maru_abi_device_info *info = maru_dev_info(*dev);
    const maru_abi_memory_kind *kind = maru_dev_memory_kind(*dev, 0);
    *out = (maru_plan_device){
        .id = maru_dev_id(*dev),
        .is_asked = is_asked,
        .is_host_memory = is_host_memory(info),
        .bandwidth = (double)info->bandwidth,
        .alignment = kind ? kind->alignment : 64,
        .largest_alloc = kind ? kind->largest_alloc : 0,
    };
    return MARU_OK;
}

maru_status maru_model_open_devices(maru_model *model, const maru_model_params *params, maru_plan_device *out_devices)
{
    size_t asked[MARU_PLAN_MAX_DEVICES];
    size_t n = 0;
    MARU_TRY(maru_runtime_find_devices(model->runtime, params->devices ? params->devices : "cpu", asked,
                                       MARU_PLAN_MAX_DEVICES, &n));
    if (n > MARU_PLAN_MAX_DEVICES - 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "'%s' names %zu devices, at most %d can be used together",
                         params->devices, n, MARU_PLAN_MAX_DEVICES - 1);
    for (size_t i = 0; i < n; i++)
        MARU_TRY(open_device(model, asked[i], params->device_options, true, &out_devices[i]));
    size_t cpu = 0;
    size_t n_cpu = 0;
    if (maru_runtime_find_devices(model->runtime, "cpu:0", &cpu, 1, &n_cpu) != MARU_OK || n_cpu == 0)
        return MARU_OK;
    for (size_t i = 0; i < n; i++)
        if (asked[i] == cpu)
            return MARU_OK;
    return open_device(model, cpu, NULL, false, &out_devices[model->n_devices]);
}

/* ---- decomposing ---- */

/* Replaces composites that no asked device takes; says whether there were any. */
static maru_status decompose_refused(maru_asker *a, bool *out_changed)
{
    const maru_plan_request request = maru_asker_request(a);
    const size_t n = a->model->graph->nodes.count;
    *out_changed = false;
    bool *unclaimed = calloc(n + 1, sizeof *unclaimed);
    if (!unclaimed)
        return maru_fail_oom("placement");
    maru_plan_unclaimed(&request, unclaimed);
    for (size_t i = 0; i < n; i++) {
        unclaimed[i] = unclaimed[i] && a->model->graph->nodes.data[i].op->level == MARU_OP_COMPOSITE;
        *out_changed = *out_changed || unclaimed[i];
    }
    maru_graph *next = NULL;
    maru_status status = *out_changed ? maru_plan_decompose(a->model->graph, unclaimed, &next) : MARU_OK;
    free(unclaimed);
    if (status == MARU_OK && next) {
        maru_graph_destroy(&a->model->graph);
        a->model->graph = next;
    }
    return status;
}

/* ---- saying it ---- */

static void warn_fallback(const maru_model *model)
{
    const maru_plan *plan = model->plan;
    for (size_t n = 0; n < model->graph->nodes.count; n++) {
        const maru_node_place *place = &plan->places[n];
        if (!*place->why || place->unit == MARU_PLAN_NONE)
            continue;
        const maru_node_record *node = &model->graph->nodes.data[n];
        maru_log(MARU_LOG_WARN, "%u of %zu nodes run on %s, not where asked; the first is %s%s%s%s: %s",
                 plan->n_fallback, model->graph->nodes.count,
                 plan->devices[plan->units.data[place->unit].device].id, node->op->name, *node->scope ? " (in '" : "",
                 node->scope, *node->scope ? "')" : "", place->why);
        return;
    }
}

static maru_status place(maru_asker *a)
{
    bool changed = true;
    for (uint32_t round = 0; changed && round < MAX_ROUNDS; round++) {
        MARU_TRY(maru_ask_all(a));
        MARU_TRY(decompose_refused(a, &changed));
    }
    MARU_TRY(maru_ask_again(a));
    const maru_plan_request request = maru_asker_request(a);
    MARU_TRY(maru_plan_create(&request, &a->model->plan));
    if (a->params->placement == MARU_PLACE_WARN && a->model->plan->n_fallback)
        warn_fallback(a->model);
    return MARU_OK;
}

maru_status maru_model_place(maru_model *model, const maru_plan_device *devices, const maru_model_params *params)
{
    maru_asker a = {.model = model, .devices = devices, .params = params};
    maru_status status = place(&a);
    maru_asker_fini(&a);
    return status;
}
