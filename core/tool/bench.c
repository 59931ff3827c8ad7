// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/profile.h"
#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"runs", 'n', "N", "counted runs (default 20)"},
    {"warmup", 0, "N", "runs before them (default 3)"},
    {"profile", 0, NULL, "a table of the time per op, of one more run"},
    {"part", 0, "NAME", "of a model of several graphs, that part (default: its own graph)"},
    {0},
};

/* ---- symbols ---- */

/* --bind, or else the typical value, or else the least. */
static int64_t symbol_value(const parsed *args, const char *name, const maru_symbol_params *params)
{
    int64_t bound = 0;
    if (get_binding(args, name, &bound))
        return bound;
    if (params->typical > 0)
        return params->typical;
    return params->min > params->multiple_of ? params->min : params->multiple_of;
}

/* A dim of an input: a number, or one symbol; expressions are not guessed. */
static maru_status dim_value(const parsed *args, const maru_graph *graph, maru_dim dim, int64_t *out)
{
    char text[128];
    *out = dim;
    if (dim >= 0)
        return MARU_OK;
    maru_graph_dim_text(graph, dim, text, sizeof text);
    for (size_t i = 0; i < maru_graph_symbol_count(graph); i++) {
        maru_symbol_params params;
        const char *name = maru_graph_symbol_info(graph, i, &params);
        if (strcmp(name, text) == 0) {
            *out = symbol_value(args, name, &params);
            return MARU_OK;
        }
    }
    fprintf(stderr, "maru: bench: an input has dim %s; only plain symbols can be bound\n", text);
    exit(EXIT_INPUT);
}

/* A binding of a symbol that the graph does not have is a slip of the pen. */
static void check_bindings(const parsed *args, const maru_graph *graph)
{
    for (size_t i = 0; get_nth(args, "bind", i); i++) {
        const char *word = get_nth(args, "bind", i);
        const size_t n = strcspn(word, "=");
        bool is_known = false;
        for (size_t s = 0; s < maru_graph_symbol_count(graph); s++) {
            maru_symbol_params params;
            const char *name = maru_graph_symbol_info(graph, s, &params);
            is_known = is_known || (strlen(name) == n && strncmp(name, word, n) == 0);
        }
        if (!is_known) {
            fprintf(stderr, "maru: --bind %s: the graph has no symbol of that name\n", word);
            exit(EXIT_INPUT);
        }
    }
}

/* ---- inputs ---- */

/* Small whole numbers serve as ids, masks and positions alike: 0 and 1 are valid everywhere. */
static void fill(maru_tensor *t)
{
    const maru_dtype_info *info = maru_dtype_get_info(t->dtype);
    const int64_t n = maru_tensor_count(t);
    unsigned seed = 1;
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        maru_tensor_set_f64(t, i, info->kind == MARU_CLASS_FLOAT ? (seed >> 8) / 16777216.0 : (double)(seed >> 31));
    }
}

static maru_status set_inputs(const parsed *args, const maru_graph *graph, maru_session *session, maru_tensor *tensors)
{
    check_bindings(args, graph);
    for (size_t i = 0; i < maru_graph_input_count(graph); i++) {
        maru_value_info info;
        int64_t dims[MARU_MAX_RANK];
        maru_status status = maru_graph_value_info(graph, maru_graph_input_at(graph, i), &info);
        for (uint32_t d = 0; status == MARU_OK && d < info.rank; d++)
            status = dim_value(args, graph, info.dims[d], &dims[d]);
        if (status == MARU_OK)
            status = maru_tensor_create(info.dtype, dims, info.rank, &tensors[i]);
        if (status == MARU_OK)
            fill(&tensors[i]);
        if (status == MARU_OK)
            status = maru_session_set_input(session, info.name, &tensors[i]);
        if (status != MARU_OK)
            return status;
    }
    for (size_t i = 0; i < maru_graph_symbol_count(graph); i++) {
        maru_symbol_params params;
        const char *name = maru_graph_symbol_info(graph, i, &params);
        const maru_status status = maru_session_set_symbol(session, name, symbol_value(args, name, &params));
        if (status != MARU_OK)
            return status;
    }
    return MARU_OK;
}

/* ---- timing ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static maru_status time_runs(maru_session *session, long long warmup, long long runs, double *ms)
{
    for (long long i = 0; i < warmup + runs; i++) {
        const long long begin = clock_ns();
        const maru_status status = maru_session_run(session, NULL);
        if (status != MARU_OK)
            return status;
        if (i >= warmup)
            ms[i - warmup] = (double)(clock_ns() - begin) / 1e6;
        show_progress(NULL, "bench", (size_t)(i + 1), (size_t)(warmup + runs));
    }
    clear_progress();
    qsort(ms, (size_t)runs, sizeof *ms, by_value);
    return MARU_OK;
}

static void print_result(const parsed *args, const opened *o, const double *ms, long long runs, double load_ms,
                         double first_ms, maru_session *session)
{
    uint64_t resident = 0, peak = 0, arena = 0, bound = 0, states = 0;
    const double median = ms[runs / 2];
    const double p90 = ms[(runs * 9 - 1) / 10];
    maru_memory_use(&resident, &peak);
    maru_session_memory(session, &arena, &bound, &states);
    if (has_flag(args, "json")) {
        fputs("{\"model\": ", stdout);
        print_json_string(stdout, maru_script_name(o->script));
        printf(", \"runs\": %lld, \"median_ms\": %.6f, \"min_ms\": %.6f, \"p90_ms\": %.6f, \"load_ms\": %.3f, "
               "\"first_run_ms\": %.3f, \"peak_bytes\": %llu, \"resident_bytes\": %llu, \"arena_bytes\": %llu, "
               "\"arena_lower_bound\": %llu, \"state_bytes\": %llu}\n",
               runs, median, ms[0], p90, load_ms, first_ms, (unsigned long long)peak, (unsigned long long)resident,
               (unsigned long long)arena, (unsigned long long)bound, (unsigned long long)states);
        return;
    }
    char a[32], b[32], c[32], d[32];
    print_tinted(stdout, TINT_BOLD, maru_script_name(o->script));
    printf(": median %s, min %s, p90 %s of %lld runs\n", show_ns(median * 1e6, a, sizeof a),
           show_ns(ms[0] * 1e6, b, sizeof b), show_ns(p90 * 1e6, c, sizeof c), runs);
    printf("load %s, first run %s\n", show_ns(load_ms * 1e6, a, sizeof a), show_ns(first_ms * 1e6, b, sizeof b));
    printf("memory: peak %s, resident %s; arena %s (at least %s)\n", show_bytes(peak, a, sizeof a),
           show_bytes(resident, b, sizeof b), show_bytes(arena, c, sizeof c), show_bytes(bound, d, sizeof d));
}

static maru_status print_profile(const parsed *args, maru_session *session)
{
    profile *p = profile_create();
    const maru_run_params params = {.trace = p ? profile_add : NULL, .trace_ctx = p};
    const maru_status status = maru_session_run(session, &params);
    if (status == MARU_OK && p)
        profile_print(p, has_flag(args, "json"));
    profile_destroy(&p);
    return status;
}

/* `begin` is when the script was opened: loading is all up to the first run. */
static maru_status run_all(const parsed *args, opened *o, long long warmup, long long runs, double *ms,
                           long long begin, maru_session *session)
{
    const double load_ms = (double)(clock_ns() - begin) / 1e6;
    const long long first = clock_ns();
    maru_status status = maru_session_run(session, NULL);
    const double first_ms = (double)(clock_ns() - first) / 1e6;
    if (status == MARU_OK)
        status = time_runs(session, warmup, runs, ms);
    if (status != MARU_OK)
        return status;
    print_result(args, o, ms, runs, load_ms, first_ms, session);
    return has_flag(args, "profile") ? print_profile(args, session) : MARU_OK;
}

static maru_status measure(const parsed *args, opened *o, long long warmup, long long runs, double *ms,
                           long long begin)
{
    maru_session *session = NULL;
    maru_model *model = NULL;
    maru_status status = maru_script_model(o->script, &model);
    if (status == MARU_OK)
        status = maru_script_session(o->script, &session);
    clear_progress();
    if (status != MARU_OK)
        return status;
    const maru_graph *graph = maru_model_graph(model);
    const size_t n = maru_graph_input_count(graph);
    maru_tensor *tensors = calloc(n + 1, sizeof *tensors);  // used by every run
    status = tensors ? set_inputs(args, graph, session, tensors) : MARU_RESOURCE_EXHAUSTED;
    if (status == MARU_OK)
        status = run_all(args, o, warmup, runs, ms, begin, session);
    for (size_t i = 0; tensors && i < n; i++)
        maru_tensor_destroy(&tensors[i]);
    free(tensors);
    return status;
}

static int run(const parsed *args)
{
    long long runs = 0, warmup = 0;
    if (!get_number(args, "runs", 20, 1, &runs) || !get_number(args, "warmup", 3, 0, &warmup))
        return EXIT_USAGE;
    double *ms = calloc((size_t)runs, sizeof *ms);
    opened o = {0};
    const long long begin = clock_ns();
    maru_status status = ms ? open_script(args, &o) : MARU_RESOURCE_EXHAUSTED;
    if (status == MARU_OK)
        status = measure(args, &o, warmup, runs, ms, begin);
    const int code = status == MARU_OK ? EXIT_OK : report_failure(status);
    close_script(&o);
    free(ms);
    return code;
}

const command command_bench = {
    .name = "bench",
    .usage = "bench MODEL [--bind SYMBOL=N]... [--runs N] [options]",
    .summary = "time a model's graph on made-up inputs",
    .details = "Inputs are filled with made-up numbers; symbolic dims take their --bind, typical or least value.\n"
               "\n"
               "    maru bench scripts/models/minilm.lua --weights DIR --bind batch=1 --bind seq=128 --json",
    .n_words = 1,
    .has_model = true,
    .options = options,
    .run = run,
};
