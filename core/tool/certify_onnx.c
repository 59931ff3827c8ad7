// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "tool/certify_onnx.h"

#include <maru/system.h>
#include <stdlib.h>
#include <string.h>

#include "tool/certify_test.h"
#include "tool/show.h"
#include "tool/tool.h"

enum { MAX_PATH = 2048, MAX_DEPTH = 12 };

static const char *const verdict_names[N_VERDICTS] = {"passed", "WRONG", "unsupported", "failed", "excluded",
                                                       "PASSED, THOUGH EXCLUDED"};
static const char *const json_names[N_VERDICTS] = {"passed",   "wrong",     "unsupported", "failed",
                                                   "excluded", "unexpected"};

typedef struct onnx_tests {
    const parsed *args;
    const certify_report *report;
    onnx_test *tests;
    size_t n, room;
    const char *folder;  // being listed
    char found[256];     // the model's name there
    bool has_data;
    unsigned depth;
} onnx_tests;

/* ---- finding ---- */

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
        onnx_test *more = realloc(t->tests, room * sizeof *more);
        if (!more)
            return MARU_RESOURCE_EXHAUSTED;
        t->tests = more;
        t->room = room;
    }
    snprintf(path, sizeof path, "%s/%s", folder, model);
    onnx_test *added = &t->tests[t->n];
    *added = (onnx_test){.folder = copy_text(folder), .model = copy_text(path)};
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
        const onnx_test *x = &t->tests[i];
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
        certify_test(t->report, least, &t->tests[i]);
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
