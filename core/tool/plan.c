// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/show.h"
#include "tool/tool.h"

static const option options[] = {
    {"format", 'f', "FORMAT", "text (default), json, dot, or svg (needs Graphviz)"},
    {"output", 'o', "FILE", "where to write it (default: stdout)"},
    {"part", 0, "NAME", "of a model of several graphs, that part (default: its own graph)"},
    {0},
};

/* Text that does not end a line gets its end. NULL: stdout, which main looks after. */
static int write_text(const char *text, const char *path)
{
    FILE *f = path ? fopen(path, "w") : stdout;
    const size_t n = strlen(text);
    bool ok = f && fputs(text, f) >= 0 && (n == 0 || text[n - 1] == '\n' || fputc('\n', f) != EOF);
    if (f && path)
        ok = fclose(f) == 0 && ok;
    if (ok || !path)
        return EXIT_OK;
    fprintf(stderr, "maru: cannot write %s\n", path);
    return EXIT_FAILED;
}

/* To stdout where `path` is NULL. */
static int copy_file(const char *from, const char *path)
{
    char piece[4096];
    size_t n = 0;
    FILE *f = fopen(from, "r");
    FILE *to = path ? fopen(path, "w") : stdout;
    while (f && to && (n = fread(piece, 1, sizeof piece, f)) > 0)
        fwrite(piece, 1, n, to);
    bool ok = f && to && !ferror(f) && !ferror(to);
    if (to && path)
        ok = fclose(to) == 0 && ok;
    if (f)
        fclose(f);
    if (ok)
        return EXIT_OK;
    fprintf(stderr, "maru: cannot write %s\n", path ? path : "to stdout");
    return EXIT_FAILED;
}

static int run_dot(const char *source, const char *to)
{
    const char *argv[] = {"dot", "-Tsvg", "-o", to, source, NULL};
    int code = 0;
    const maru_status status = maru_run_program(argv, &code);
    if (status != MARU_OK)
        return report_failure(status);
    if (code == 0)
        return EXIT_OK;
    if (code == 127)
        fputs("maru: Graphviz's program 'dot' is needed for svg: install graphviz, or use --format dot\n", stderr);
    else
        fprintf(stderr, "maru: cannot draw %s: dot failed (exit code %d)\n", to, code);
    return code == 127 ? EXIT_UNSUPPORTED : EXIT_FAILED;
}

/* Lets Graphviz draw, from a file in the cache folder; `path` NULL: to stdout. */
static int draw_svg(const char *dot, const char *path)
{
    char *cache = NULL;
    char source[4096], drawing[4096];
    maru_status status = maru_cache_folder(&cache);
    if (status == MARU_OK)
        status = maru_make_folder(cache);
    if (status != MARU_OK) {
        free(cache);
        return report_failure(status);
    }
    const long long now = clock_ns();  // two commands at once do not meet
    snprintf(source, sizeof source, "%s/plan-%lld.dot", cache, now);
    snprintf(drawing, sizeof drawing, "%s/plan-%lld.svg", cache, now);
    free(cache);
    int code = write_text(dot, source);
    if (code == EXIT_OK)
        code = run_dot(source, drawing);
    if (code == EXIT_OK)
        code = copy_file(drawing, path);
    remove(source);
    remove(drawing);
    return code;
}

static int run(const parsed *args)
{
    const char *format = has_flag(args, "json") ? "json" : get_option(args, "format", "text");
    const bool svg = strcmp(format, "svg") == 0;
    const maru_plan_format kind = strcmp(format, "json") == 0          ? MARU_PLAN_JSON
                                  : svg || strcmp(format, "dot") == 0 ? MARU_PLAN_DOT
                                                                       : MARU_PLAN_TEXT;
    if (kind == MARU_PLAN_TEXT && strcmp(format, "text") != 0) {
        fprintf(stderr, "maru: --format %s: one of text, json, dot, svg is needed\n", format);
        return EXIT_USAGE;
    }
    opened o = {0};
    maru_model *model = NULL;
    char *symbols = NULL;
    char *text = NULL;
    maru_status status = open_script(args, &o);
    if (status == MARU_OK)
        status = maru_script_model(o.script, &model);
    clear_progress();
    if (status == MARU_OK)
        status = join_bindings(args, &symbols);
    if (status == MARU_OK)
        status = maru_model_plan(model, kind, symbols, &text);
    int code = status == MARU_OK ? EXIT_OK : report_failure(status);
    const char *path = get_option(args, "output", NULL);
    if (status == MARU_OK)
        code = svg ? draw_svg(text, path) : write_text(text, path);
    free(text);
    free(symbols);
    close_script(&o);
    return code;
}

const command command_plan = {
    .name = "plan",
    .usage = "plan MODEL [--bind SYMBOL=N]... [--format text|json|dot|svg] [options]",
    .summary = "show what runs where, why, and in which memory",
    .details = "    maru plan scripts/models/minilm.lua --weights DIR --bind batch=1 --bind seq=128\n"
               "    maru plan net.maru --device npu:0,cpu --format svg --output net.svg",
    .n_words = 1,
    .has_model = true,
    .options = options,
    .run = run,
};
