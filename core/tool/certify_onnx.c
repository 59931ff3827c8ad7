// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/certify_onnx.h"

#include <maru/onnx.h>
#include <maru/session.h>
#include <maru/system.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool/certify_rules.h"
#include "tool/show.h"
#include "tool/tool.h"

enum { MAX_PATH = 2048, MAX_DEPTH = 12, MAX_SETS = 64 };

typedef enum verdict { PASSED, WRONG, UNSUPPORTED, FAILED, EXCLUDED, UNEXPECTED, N_VERDICTS } verdict;

static const char *const verdict_names[N_VERDICTS] = {"passed", "WRONG", "unsupported", "failed", "excluded",
                                                       "PASSED, THOUGH EXCLUDED"};
static const char *const json_names[N_VERDICTS] = {"passed",   "wrong",     "unsupported", "failed",
                                                   "excluded", "unexpected"};

typedef struct test {
    char *folder;
    char *model;   // its file
    verdict verdict;
    char note[480];
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

static bool is_near(double got, double want, double absolute, double relative)
{
    return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= absolute + relative * fabs(want);
}

/* Two steps of a dtype whose steps are larger than ONNX's tolerance: the tests' numbers were rounded on the way. */
static double relative_tolerance(maru_dtype dtype)
{
    return dtype == MARU_BF16 ? 1.6e-2 : dtype == MARU_F16 ? 2e-3 : 1e-3;
}

/* What deep networks round off is small beside their largest output, not beside each. */
static double absolute_tolerance(const maru_tensor *want, double least)
{
    double largest = 0;
    for (int64_t i = 0; i < maru_tensor_count(want); i++) {
        const double x = fabs(maru_tensor_get_f64(want, i));
        largest = isfinite(x) && x > largest ? x : largest;
    }
    return least + 1e-6 * largest;
}

/* Values count too, unless the dtype and dims alone do. */
static bool is_alike(const maru_tensor *got, const maru_tensor *want, const char *name, double least,
                     bool is_type_alone, test *out)
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
    const double relative = relative_tolerance(want->dtype);
    const double absolute = is_float ? absolute_tolerance(want, least) : 0;
    for (int64_t i = 0; !is_type_alone && i < maru_tensor_count(want); i++) {
        const double x = maru_tensor_get_f64(got, i);
        const double y = maru_tensor_get_f64(want, i);
        if (is_float ? is_near(x, y, absolute, relative) : x == y)
            continue;
        snprintf(out->note, sizeof out->note, "output '%s'[%lld] is %.9g, the test has %.9g", name, (long long)i, x, y);
        return false;
    }
    return true;
}

/* ---- running ---- */

/* A test's inputs of one data set, by the model's order. */
typedef struct data_set {
    const test *test;
    int index;
    double least;             // absolute difference that is allowed
    bool is_type_alone;       // outputs are compared by dtype and dims
    maru_file_value *values;
    size_t n;
} data_set;

static bool path_in(const test *t, int set, const char *kind, size_t i, char out[MAX_PATH])
{
    snprintf(out, MAX_PATH, "%s/test_data_set_%d/%s_%zu.pb", t->folder, set, kind, i);
    return maru_path_exists(out);
}

static void data_set_fini(data_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        maru_file_value_fini(&set->values[i]);
    free(set->values);
}

static maru_status read_inputs(const test *t, int index, data_set *out)
{
    char path[MAX_PATH];
    size_t n = 0;
    out->test = t;
    out->index = index;
    while (path_in(t, index, "input", n, path))
        n++;
    out->values = calloc(n + 1, sizeof *out->values);
    if (!out->values)
        return MARU_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < n; i++) {
        path_in(t, index, "input", i, path);
        const maru_status status = maru_tensor_file_read(path, MARU_DTYPE_NONE, &out->values[i]);
        if (status != MARU_OK)
            return status;
        out->n = i + 1;
        if (out->values[i].is_strings)
            return maru_error_set(MARU_UNSUPPORTED, "its input is text");
    }
    return MARU_OK;
}

/* Tests of ONNX 1.12 and older hold the bits of bf16 as u16. */
static void read_as(maru_dtype dtype, maru_tensor *t)
{
    if (dtype == MARU_BF16 && t->dtype == MARU_U16)
        t->dtype = MARU_BF16;
}

/* By name; inputs that became constants are not there any more. */
static maru_status set_inputs(maru_session *session, const maru_graph *graph, const data_set *set)
{
    const size_t n = maru_graph_input_count(graph);
    for (size_t i = 0; i < n; i++) {
        maru_value_info info;
        maru_status status = maru_graph_value_info(graph, maru_graph_input_at(graph, i), &info);
        for (size_t k = 0; status == MARU_OK && k < set->n; k++) {
            const char *name = set->values[k].name;
            // A file without a name is known by its place.
            if (name ? strcmp(name, info.name) != 0 : k != i)
                continue;
            read_as(info.dtype, &set->values[k].tensor);
            status = maru_session_set_input(session, info.name, &set->values[k].tensor);
        }
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
        path_in(set->test, set->index, "output", i, path);
        maru_status status = maru_tensor_file_read(path, MARU_DTYPE_NONE, &want);
        if (status == MARU_OK)
            status = maru_session_get_output(session, name, &got);
        read_as(status == MARU_OK ? got.dtype : MARU_DTYPE_NONE, &want.tensor);
        if (status == MARU_OK &&
            (want.is_strings || !is_alike(&got, &want.tensor, name, set->least, set->is_type_alone, out)))
            out->verdict = WRONG;
        maru_file_value_fini(&want);
        if (status != MARU_OK)
            return status;
    }
    return MARU_OK;
}

/* A test may give as an input what real models have as a constant. */
static maru_status load(const test *t, const data_set *set, maru_graph **out)
{
    maru_onnx_known *known = calloc(set->n + 1, sizeof *known);
    maru_onnx_params params = {.known = known, .as_needed = true};
    if (!known)
        return MARU_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < set->n; i++)
        if (set->values[i].name)
            known[params.n_known++] = (maru_onnx_known){.name = set->values[i].name, .tensor = &set->values[i].tensor};
    const maru_status status = maru_onnx_load(t->model, &params, out);
    free(known);
    return status;
}

static maru_status open_model(const certify_report *r, test *t, data_set *set, maru_model **out)
{
    const maru_model_params params = {
        .devices = r->device,
        .device_options = r->device_options,
        .placement = MARU_PLACE_STRICT,
        .numerics = MARU_NUMERICS_EXACT,
    };
    maru_graph *graph = NULL;
    maru_status status = load(t, set, &graph);
    const char *reason = certify_reason(CERTIFY_TYPE_ALONE, &(certify_facts){.graph = graph});
    set->is_type_alone = reason != NULL;
    snprintf(t->note, sizeof t->note, "%s", reason ? reason : "");
    if (status == MARU_OK)
        status = maru_model_create(r->runtime, &graph, &params, out);
    maru_graph_destroy(&graph);
    return status;
}

static maru_status run_set(const certify_report *r, int index, double least, test *out)
{
    data_set set = {.least = least};
    maru_model *model = NULL;
    maru_session *session = NULL;
    maru_status status = read_inputs(out, index, &set);
    if (status == MARU_OK)
        status = open_model(r, out, &set, &model);
    if (status == MARU_OK)
        status = maru_session_create(model, &session);
    if (status == MARU_OK)
        status = set_inputs(session, maru_model_graph(model), &set);
    if (status == MARU_OK)
        status = maru_session_run(session, NULL);
    if (status == MARU_OK)
        status = compare_outputs(session, maru_model_graph(model), &set, out);
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    data_set_fini(&set);
    return status;
}

static bool has_set(const test *t, int index)
{
    char path[MAX_PATH];
    return index < MAX_SETS && path_in(t, index, "output", 0, path);
}

static void try_test(const certify_report *r, double least, test *out)
{
    maru_status status = MARU_OK;
    for (int i = 0; status == MARU_OK && has_set(out, i) && out->verdict == PASSED; i++)
        status = run_set(r, i, least, out);
    if (status == MARU_OK)
        return;
    const char *message = maru_error_message();
    const size_t n = strlen(out->model);
    const bool is_named = strncmp(message, out->model, n) == 0 && message[n] == ':';
    out->verdict = status == MARU_UNSUPPORTED ? UNSUPPORTED : FAILED;
    snprintf(out->note, sizeof out->note, "%s", is_named ? message + n + 2 : message);
}

static const char *reason_to_exclude(const test *t)
{
    certify_facts facts = {.model = NULL};
    maru_onnx_file *file = NULL;
    maru_file_value input = {0};
    char path[MAX_PATH];
    if (maru_onnx_open(t->model, &file) == MARU_OK)
        facts.model = file;
    if (path_in(t, 0, "input", 0, path) && maru_tensor_file_read(path, MARU_DTYPE_NONE, &input) == MARU_OK)
        facts.first_input = input.is_strings ? NULL : &input.tensor;
    const char *reason = certify_reason(CERTIFY_EXCLUDED, &facts);
    maru_file_value_fini(&input);
    maru_onnx_close(&file);
    return reason;
}

static void run_test(const certify_report *r, double least, test *out)
{
    const char *reason = reason_to_exclude(out);
    try_test(r, least, out);
    if (!reason)
        return;
    out->verdict = out->verdict == PASSED ? UNEXPECTED : EXCLUDED;
    snprintf(out->note, sizeof out->note, "%s", reason);
}

/* ---- telling ---- */

static void print_json(const onnx_tests *t, const size_t *counts)
{
    fputs("{\"device\": ", stdout);
    print_json_string(stdout, t->report->info.id);
    printf(", \"total\": %zu", t->n);
    for (size_t v = 0; v < N_VERDICTS; v++)
        printf(", \"%s\": %zu", json_names[v], counts[v]);
    fputs(", \"tests\": [", stdout);
    for (size_t i = 0; i < t->n; i++) {
        printf("%s\n  {\"test\": ", i ? "," : "");
        print_json_string(stdout, name_of(t->tests[i].folder));
        printf(", \"result\": \"%s\", \"note\": ", json_names[t->tests[i].verdict]);
        print_json_string(stdout, t->tests[i].note);
        putchar('}');
    }
    fputs("\n]}\n", stdout);
}

static void print_text(const onnx_tests *t, const size_t *counts)
{
    static const char *const headings[] = {"test", "result", "note"};
    static const tint tints[N_VERDICTS] = {TINT_GREEN, TINT_RED, TINT_DIM, TINT_RED, TINT_DIM, TINT_RED};
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
    printf("%s (%s): %zu of %zu tests passed, %zu wrong, %zu unsupported, %zu failed, %zu excluded",
           t->report->info.id, t->report->info.name, counts[PASSED], t->n, counts[WRONG], counts[UNSUPPORTED],
           counts[FAILED], counts[EXCLUDED]);
    if (counts[UNEXPECTED])
        printf(", %zu passed though excluded", counts[UNEXPECTED]);
    putchar('\n');
}

static int run_tests(onnx_tests *t)
{
    size_t counts[N_VERDICTS] = {0};
    const char *text = get_option(t->args, "absolute", "1e-7");
    char *end = NULL;
    const double least = strtod(text, &end);
    if (end == text || *end || !(least >= 0)) {
        fprintf(stderr, "maru: --absolute %s: a number of at least 0 is needed\n", text);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < t->n; i++) {
        show_progress(NULL, name_of(t->tests[i].folder), i, t->n);
        run_test(t->report, least, &t->tests[i]);
        counts[t->tests[i].verdict]++;
    }
    clear_progress();
    if (has_flag(t->args, "json"))
        print_json(t, counts);
    else
        print_text(t, counts);
    return t->n && counts[PASSED] + counts[EXCLUDED] == t->n ? EXIT_OK : EXIT_DIFFERENT;
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
