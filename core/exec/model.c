// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/model_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/log.h"

void maru_model_progress(const maru_model_params *params, const char *phase, size_t done, size_t total)
{
    if (params->progress)
        params->progress(params->progress_ctx, phase, done, total);
}

/* ---- checks ---- */

/* All that is missing is named at once. */
static maru_status check_constants(const maru_graph *graph)
{
    enum { MAX_NAMED = 20 };
    maru_str missing = {0};
    size_t n = 0;
    for (size_t i = 0; i < graph->constants.count; i++) {
        const maru_constant_record *c = &graph->constants.data[i];
        if (c->source.data || c->source.bytes == 0)
            continue;
        if (n++ < MAX_NAMED)
            maru_str_printf(&missing, "%s'%s'", n > 1 ? ", " : "", c->name);
    }
    maru_status status = MARU_OK;
    if (n)
        status = maru_fail(MARU_FAILED_PRECONDITION, "%zu constant%s no data: %s%s", n, n == 1 ? " has" : "s have",
                           maru_str_get(&missing), n > MAX_NAMED ? ", ..." : "");
    maru_str_fini(&missing);
    return status;
}

/* ---- graph passes ---- */

static maru_status replace_graph(maru_graph **graph, maru_status (*pass)(const maru_graph *, maru_graph **))
{
    maru_graph *next = NULL;
    MARU_TRY(pass(*graph, &next));
    maru_graph_destroy(graph);
    *graph = next;
    return MARU_OK;
}

static maru_status prepare_graph(maru_runtime *runtime, maru_graph **graph, const maru_model_params *params)
{
    MARU_TRY(maru_graph_verify(*graph));
    MARU_TRY(check_constants(*graph));
    MARU_TRY(replace_graph(graph, maru_plan_simplify));
    if (!params->no_fuse)
        MARU_TRY(replace_graph(graph, maru_plan_fuse));
    if (!params->no_fuse && params->numerics != MARU_NUMERICS_EXACT && !params->no_fold && maru_model_can_fold(runtime))
        MARU_TRY(replace_graph(graph, maru_plan_fuse_affine));
    if (!params->no_fold)
        MARU_TRY(maru_model_fold(runtime, graph, params));
    return MARU_OK;
}

/* ---- symbols ---- */

static maru_status find_symbol_sources(maru_model *model)
{
    const maru_exprs *exprs = &model->graph->exprs;
    model->symbols = maru_arena_alloc_array(&model->arena, exprs->symbols.count + 1, sizeof *model->symbols);
    if (!model->symbols)
        return maru_fail_oom("a model");
    for (uint32_t s = 0; s < exprs->symbols.count; s++) {
        model->symbols[s].input = MARU_PLAN_NONE;
        for (uint32_t i = 0; i < model->graph->inputs.count && model->symbols[s].input == MARU_PLAN_NONE; i++) {
            const maru_value_record *v = maru_graph_get(model->graph, model->graph->inputs.data[i]);
            for (uint32_t d = 0; d < v->rank; d++) {
                const maru_expr_record *e = v->dims[d] < 0 ? &exprs->list.data[-1 - v->dims[d]] : NULL;
                if (e && e->op == MARU_EXPR_SYMBOL && e->a == (int64_t)s)
                    model->symbols[s] = (maru_symbol_source){.input = i, .axis = d};
            }
        }
    }
    return MARU_OK;
}

/* ---- the whole ---- */

static maru_status make(maru_model *model, maru_graph **graph, const maru_model_params *params)
{
    maru_plan_device devices[MARU_PLAN_MAX_DEVICES] = {0};
    MARU_TRY(prepare_graph(model->runtime, graph, params));
    model->graph = *graph;
    *graph = NULL;
    MARU_TRY(maru_model_open_devices(model, params, devices));
    MARU_TRY(maru_model_place(model, devices, params));
    MARU_TRY(find_symbol_sources(model));
    return maru_model_compile(model, params);
}

maru_status maru_model_create(maru_runtime *runtime, maru_graph **graph, const maru_model_params *params,
                              maru_model **out_model)
{
    static const maru_model_params defaults = {0};
    *out_model = NULL;
    maru_model *model = calloc(1, sizeof *model);
    maru_status status = model ? MARU_OK : maru_fail_oom("a model");
    if (model) {
        model->runtime = runtime;
        status = make(model, graph, params ? params : &defaults);
    }
    maru_graph_destroy(graph);
    if (status != MARU_OK)
        maru_model_destroy(&model);
    *out_model = model;
    return status;
}

/* False where the device had to be given up: it may still read what it had imported. */
static bool close_device(maru_dev **dev)
{
    if (!*dev || maru_dev_close(dev, false) == MARU_OK)
        return true;
    maru_log(MARU_LOG_WARN, "closing a device: %s", maru_error_message());
    if (maru_dev_close(dev, true) != MARU_OK)
        maru_log(MARU_LOG_WARN, "giving up a device: %s", maru_error_message());
    return false;
}

void maru_model_destroy(maru_model **model)
{
    maru_model *m = *model;
    if (!m)
        return;
    for (size_t u = 0; m->units && u < m->plan->units.count; u++)
        maru_dev_program_destroy(&m->units[u].program);
    for (size_t i = 0; i < m->constants.count; i++) {
        maru_block_fini(&m->constants.data[i]->block);
        maru_block_fini(&m->constants.data[i]->packed);
        free(m->constants.data[i]);
    }
    maru_array_fini(&m->constants);
    bool is_clean = true;
    for (uint32_t d = 0; d < m->n_devices; d++)
        is_clean = close_device(&m->devices[d]) && is_clean;
    maru_plan_destroy(&m->plan);
    if (is_clean)
        maru_graph_destroy(&m->graph); // else its constants stay mapped, for good
    maru_arena_fini(&m->arena);
    free(m);
    *model = NULL;
}

const maru_graph *maru_model_graph(const maru_model *model)
{
    return model->graph;
}

/* ---- showing the plan ---- */

static maru_status read_symbol_text(const maru_graph *graph, const char *text, int64_t *values)
{
    char name[64];
    while (*text) {
        size_t n = strcspn(text, "= ");
        if (text[n] != '=' || n == 0 || n >= sizeof name)
            return maru_fail(MARU_INVALID_ARGUMENT, "symbols '%s': write NAME=N", text);
        memcpy(name, text, n);
        name[n] = 0;
        text += n + 1;
        char number[32] = "";
        n = strcspn(text, " ,");
        memcpy(number, text, n < sizeof number - 1 ? n : sizeof number - 1);
        text += n;
        text += strspn(text, " ,");
        bool known = false;
        for (size_t i = 0; i < graph->exprs.symbols.count; i++) {
            if (strcmp(graph->exprs.symbols.data[i].name, name) != 0)
                continue;
            known = true;
            if (!maru_parse_i64(number, &values[i]))
                return maru_fail(MARU_INVALID_ARGUMENT, "symbol %s: '%s' is not an integer", name, number);
        }
        if (!known)
            return maru_fail(MARU_NOT_FOUND, "the model has no symbol '%s'", name);
    }
    return MARU_OK;
}

static maru_status bind_for_show(const maru_model *model, const char *symbols, maru_plan_binding **out)
{
    const maru_exprs *exprs = &model->graph->exprs;
    int64_t *values = calloc(exprs->symbols.count + 1, sizeof *values);
    uint64_t *workspace = calloc(model->plan->units.count + 1, sizeof *workspace);
    maru_status status = values && workspace ? MARU_OK : maru_fail_oom("a plan's text");
    for (size_t i = 0; status == MARU_OK && i < exprs->symbols.count; i++) {
        const maru_symbol_params *p = &exprs->symbols.data[i].params;
        values[i] = p->typical > 0 ? p->typical : p->min > p->multiple_of ? p->min : p->multiple_of;
    }
    if (status == MARU_OK && symbols)
        status = read_symbol_text(model->graph, symbols, values);
    if (status == MARU_OK)
        status = maru_plan_bind(model->plan, values, out);
    for (size_t u = 0; status == MARU_OK && u < model->plan->units.count; u++) {
        maru_dev_bound *bound = NULL;
        const maru_status bind = maru_dev_program_bind(
            model->units[u].program, (*out)->symbol_values, (uint32_t)exprs->symbols.count, (*out)->expr_values,
            (uint32_t)exprs->list.count, &bound);
        if (bind == MARU_OK)
            workspace[u] = maru_dev_bound_info(bound)->workspace_bytes;
        else if (bind != MARU_UNSUPPORTED)
            status = bind;
        maru_dev_bound_destroy(&bound);
    }
    if (status == MARU_OK)
        status = maru_plan_bind_memory(model->plan, workspace, *out);
    free(values);
    free(workspace);
    return status;
}

maru_status maru_model_plan(const maru_model *model, maru_plan_format format, const char *symbols, char **out_text)
{
    *out_text = NULL;
    if (format == MARU_PLAN_DOT)
        return maru_plan_dot(model->plan, out_text);
    maru_plan_binding *binding = NULL;
    maru_status status = bind_for_show(model, symbols, &binding);
    if (status == MARU_OK)
        status = format == MARU_PLAN_JSON ? maru_plan_json(model->plan, binding, out_text)
                                          : maru_plan_dump(model->plan, binding, out_text);
    maru_plan_binding_destroy(&binding);
    return status;
}
