// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/certify_onnx.h"

#include <maru/onnx.h>
#include <maru/session.h>
#include <maru/system.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"
#include "tool/tool.h"

enum { MAX_PATH = 2048, MAX_DEPTH = 12, MAX_SETS = 64 };

typedef enum verdict { PASSED, WRONG, UNSUPPORTED, FAILED, N_VERDICTS } verdict;

static const char *const verdict_names[N_VERDICTS] = {"passed", "WRONG", "unsupported", "failed"};

typedef struct test {
    char *folder;
    char *model;   // its file
    verdict verdict;
    char note[240];
} test;

typedef struct onnx_tests {
    const parsed *args;
    const certify_report *report;
    test *tests;
    size_t n, room;
    const char *folder;  // being listed
    char found[256];     // the model's name there
    bool has_data;
    unsigned depth;
} onnx_tests;

/* ---- finding ---- */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    return n >= strlen(end) && strcmp(text + n - strlen(end), end) == 0;
}

static const char *name_of(const char *folder)
{
    const char *slash = strrchr(folder, '/');
    return slash ? slash + 1 : folder;
}

/* '*' and '?' over the whole of `text`. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *back = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            back = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool is_wanted(const parsed *args, const char *name)
{
    for (size_t i = 0; get_nth(args, "test", i); i++)
        if (matches(get_nth(args, "test", i), name))
            return true;
    return !has_flag(args, "test");
}

static char *copy_text(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

static maru_status add_test(onnx_tests *t, const char *folder, const char *model)
{
    char path[MAX_PATH];
    if (t->n == t->room) {
        const size_t room = t->room ? 2 * t->room : 256;
        test *more = realloc(t->tests, room * sizeof *more);
        if (!more)
            return MARU_RESOURCE_EXHAUSTED;
        t->tests = more;
        t->room = room;
    }
    snprintf(path, sizeof path, "%s/%s", folder, model);
    test *added = &t->tests[t->n];
    *added = (test){.folder = copy_text(folder), .model = copy_text(path)};
    if (added->folder && added->model) {
        t->n++;
        return MARU_OK;
    }
    free(added->folder);
    free(added->model);
    return MARU_RESOURCE_EXHAUSTED;
}

static maru_status look_at(void *ctx, const char *name)
{
    onnx_tests *t = ctx;
    if (ends_with(name, ".onnx") && (!*t->found || strcmp(name, "model.onnx") == 0))
        snprintf(t->found, sizeof t->found, "%s", name);
    t->has_data = t->has_data || strncmp(name, "test_data_set_", 14) == 0;
    return MARU_OK;
}

static maru_status search(onnx_tests *t, const char *folder);

static maru_status descend(void *ctx, const char *name)
{
    onnx_tests *t = ctx;
    char path[MAX_PATH];
    const char *folder = t->folder;
    if (strchr(name, '.') || (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return MARU_OK;  // a file, by its name
    const maru_status status = search(t, path);
    t->folder = folder;
    return status;
}

/* A folder with a model and data is a test; others are looked into. */
static maru_status search(onnx_tests *t, const char *folder)
{
    t->found[0] = 0;
    t->has_data = false;
    if (t->depth == MAX_DEPTH || maru_list_folder(folder, look_at, t) != MARU_OK)
        return MARU_OK;
    if (*t->found && t->has_data)
        return is_wanted(t->args, name_of(folder)) ? add_test(t, folder, t->found) : MARU_OK;
    t->folder = folder;
    t->depth++;
    const maru_status status = maru_list_folder(folder, descend, t);
    t->depth--;
    return status;
}

/* ---- comparing, as onnx/backend/test/runner does ---- */

static bool is_near(double got, double want)
{
    return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= 1e-7 + 1e-3 * fabs(want);
}

static bool is_alike(const maru_tensor *got, const maru_tensor *want, const char *name, test *out)
{
    bool same = got->dtype == want->dtype && got->rank == want->rank;
    for (uint32_t i = 0; same && i < got->rank; i++)
        same = got->dims[i] == want->dims[i];
    if (!same) {
        snprintf(out->note, sizeof out->note, "output '%s' is %s of rank %u, the test has %s of rank %u, or other dims",
                 name, maru_dtype_name(got->dtype), got->rank, maru_dtype_name(want->dtype), want->rank);
        return false;
    }
    const bool is_float = maru_dtype_get_info(want->dtype)->kind == MARU_CLASS_FLOAT;
    for (int64_t i = 0; i < maru_tensor_count(want); i++) {
        const double x = maru_tensor_get_f64(got, i);
        const double y = maru_tensor_get_f64(want, i);
        if (is_float ? is_near(x, y) : x == y)
            continue;
        snprintf(out->note, sizeof out->note, "output '%s'[%lld] is %.9g, the test has %.9g", name, (long long)i, x, y);
        return false;
    }
    return true;
}

/* ---- running ---- */

typedef struct data_set {
    const test *test;
    int index;
    maru_file_value *inputs;
    size_t n_inputs;
} data_set;

static void path_in(const data_set *set, const char *kind, size_t i, char *out, size_t room)
{
    snprintf(out, room, "%s/test_data_set_%d/%s_%zu.pb", set->test->folder, set->index, kind, i);
}

static maru_status set_inputs(maru_session *session, const maru_graph *graph, data_set *set)
{
    char path[MAX_PATH];
    const size_t n = maru_graph_input_count(graph);
    set->inputs = calloc(n + 1, sizeof *set->inputs);
    if (!set->inputs)
        return MARU_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < n; i++) {
        maru_value_info info;
        path_in(set, "input", i, path, sizeof path);
        maru_status status = maru_graph_value_info(graph, maru_graph_input_at(graph, i), &info);
        if (status == MARU_OK)
            status = maru_tensor_file_read(path, MARU_DTYPE_NONE, &set->inputs[i]);
        set->n_inputs = i + 1;
        if (status == MARU_OK && set->inputs[i].is_strings)
            status = maru_error_set(MARU_UNSUPPORTED, "its input is text");
        if (status == MARU_OK)
            status = maru_session_set_input(session, info.name, &set->inputs[i].tensor);
        if (status != MARU_OK)
            return status;
    }
    return MARU_OK;
}

static maru_status compare_outputs(maru_session *session, const maru_graph *graph, const data_set *set, test *out)
{
    const char *name = NULL;
    char path[MAX_PATH];
    for (size_t i = 0; maru_graph_output_at(graph, i, &name) != MARU_NO_VALUE; i++) {
        maru_file_value want = {0};
        maru_tensor got;
        path_in(set, "output", i, path, sizeof path);
        maru_status status = maru_tensor_file_read(path, MARU_DTYPE_NONE, &want);
        if (status == MARU_OK)
            status = maru_session_get_output(session, name, &got);
        if (status == MARU_OK && (want.is_strings || !is_alike(&got, &want.tensor, name, out)))
            out->verdict = WRONG;
        maru_file_value_fini(&want);
        if (status != MARU_OK)
            return status;
    }
    return MARU_OK;
}

static maru_status run_set(maru_session *session, const maru_graph *graph, int index, test *out)
{
    data_set set = {.test = out, .index = index};
    maru_status status = set_inputs(session, graph, &set);
    if (status == MARU_OK)
        status = maru_session_run(session, NULL);
    if (status == MARU_OK)
        status = compare_outputs(session, graph, &set, out);
    for (size_t i = 0; i < set.n_inputs; i++)
        maru_file_value_fini(&set.inputs[i]);
    free(set.inputs);
    return status;
}

static bool has_set(const test *t, int index)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/test_data_set_%d", t->folder, index);
    return maru_path_exists(path);
}

static void run_test(const certify_report *r, test *out)
{
    maru_graph *graph = NULL;
    maru_model *model = NULL;
    maru_session *session = NULL;
    const maru_model_params params = {
        .devices = r->device,
        .device_options = r->device_options,
        .placement = MARU_PLACE_STRICT,
        .numerics = MARU_NUMERICS_EXACT,
    };
    maru_status status = maru_onnx_load(out->model, &graph);
    if (status == MARU_OK)
        status = maru_model_create(r->runtime, &graph, &params, &model);
    if (status == MARU_OK)
        status = maru_session_create(model, &session);
    for (int i = 0; status == MARU_OK && i < MAX_SETS && has_set(out, i) && out->verdict == PASSED; i++)
        status = run_set(session, maru_model_graph(model), i, out);
    if (status != MARU_OK) {
        const char *message = maru_error_message();
        const size_t n = strlen(out->model);
        const bool is_named = strncmp(message, out->model, n) == 0 && message[n] == ':';
        out->verdict = status == MARU_UNSUPPORTED ? UNSUPPORTED : FAILED;
        snprintf(out->note, sizeof out->note, "%s", is_named ? message + n + 2 : message);
    }
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    maru_graph_destroy(&graph);
}

/* ---- telling ---- */

static void print_json(const onnx_tests *t, const size_t *counts)
{
    fputs("{\"device\": ", stdout);
    print_json_string(stdout, t->report->info.id);
    printf(", \"total\": %zu", t->n);
    for (size_t v = 0; v < N_VERDICTS; v++)
        printf(", \"%s\": %zu", v == WRONG ? "wrong" : verdict_names[v], counts[v]);
    fputs(", \"tests\": [", stdout);
    for (size_t i = 0; i < t->n; i++) {
        printf("%s\n  {\"test\": ", i ? "," : "");
        print_json_string(stdout, name_of(t->tests[i].folder));
        printf(", \"result\": \"%s\", \"note\": ",
               t->tests[i].verdict == WRONG ? "wrong" : verdict_names[t->tests[i].verdict]);
        print_json_string(stdout, t->tests[i].note);
        putchar('}');
    }
    fputs("\n]}\n", stdout);
}

static void print_text(const onnx_tests *t, const size_t *counts)
{
    static const char *const headings[] = {"test", "result", "note"};
    static const tint tints[N_VERDICTS] = {TINT_GREEN, TINT_RED, TINT_DIM, TINT_RED};
    table *rows = table_create(headings, 3);
    for (size_t i = 0; i < t->n; i++) {
        const test *x = &t->tests[i];
        if (x->verdict == PASSED && !has_flag(t->args, "verbose"))
            continue;
        const char *cells[] = {name_of(x->folder), verdict_names[x->verdict], x->note};
        table_row(rows, cells);
        table_tint_cell(rows, 1, tints[x->verdict]);
    }
    if (counts[PASSED] < t->n || has_flag(t->args, "verbose"))
        table_print(rows, stdout);
    table_destroy(&rows);
    printf("%s (%s): %zu of %zu tests passed, %zu wrong, %zu unsupported, %zu failed\n", t->report->info.id,
           t->report->info.name, counts[PASSED], t->n, counts[WRONG], counts[UNSUPPORTED], counts[FAILED]);
}

static int run_tests(onnx_tests *t)
{
    size_t counts[N_VERDICTS] = {0};
    for (size_t i = 0; i < t->n; i++) {
        show_progress(NULL, name_of(t->tests[i].folder), i, t->n);
        run_test(t->report, &t->tests[i]);
        counts[t->tests[i].verdict]++;
    }
    clear_progress();
    if (has_flag(t->args, "json"))
        print_json(t, counts);
    else
        print_text(t, counts);
    return t->n && counts[PASSED] == t->n ? EXIT_OK : EXIT_DIFFERENT;
}

int certify_onnx(const parsed *args, const certify_report *r)
{
    onnx_tests t = {.args = args, .report = r};
    const char *folder = get_option(args, "onnx", NULL);
    int code = EXIT_INPUT;
    if (!maru_path_exists(folder)) {
        fprintf(stderr, "maru: --onnx %s: there is no such folder\n", folder);
    } else if (search(&t, folder) != MARU_OK) {
        code = EXIT_MEMORY;
    } else if (t.n == 0) {
        fprintf(stderr, "maru: --onnx %s: no test there has a model.onnx and a test_data_set_0\n", folder);
    } else {
        code = run_tests(&t);
    }
    for (size_t i = 0; i < t.n; i++) {
        free(t.tests[i].folder);
        free(t.tests[i].model);
    }
    free(t.tests);
    return code;
}
