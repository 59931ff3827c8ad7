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
    {0},
};

/* Lets Graphviz draw; `path` NULL: to stdout, by way of a file beside nothing. */
static int draw_svg(const char *dot, const char *path)
{
    char source[1024];
    const char *to = path ? path : "plan.svg";
    snprintf(source, sizeof source, "%s.dot", to);
    FILE *f = fopen(source, "w");
    if (!f || fputs(dot, f) < 0 || fclose(f) != 0) {
        fprintf(stderr, "maru: cannot write %s\n", source);
        return EXIT_FAILED;
    }
    const char *argv[] = {"dot", "-Tsvg", "-o", to, source, NULL};
    int code = 0;
    const maru_status status = maru_run_program(argv, &code);
    remove(source);
    if (status != MARU_OK || code != 0) {
        fputs("maru: Graphviz's program 'dot' is needed for svg: install graphviz, or use --format dot\n", stderr);
        return EXIT_UNSUPPORTED;
    }
    fprintf(stderr, "%s\n", to);
    return EXIT_OK;
}

static int write_text(const char *text, const char *path)
{
    FILE *f = path ? fopen(path, "w") : stdout;
    if (!f || fputs(text, f) < 0 || (path && fclose(f) != 0)) {
        fprintf(stderr, "maru: cannot write %s\n", path);
        return EXIT_FAILED;
    }
    return EXIT_OK;
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
    if (status == MARU_OK)
        code = svg ? draw_svg(text, get_option(args, "output", NULL)) : write_text(text, get_option(args,
            "output", NULL));
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
    .options = options,
    .run = run,
};
