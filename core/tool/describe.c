// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "tool/show.h"
#include "tool/tool.h"

static void print_list(const maru_script *script, maru_script_list list, const char *heading)
{
    const char *name = NULL;
    const char *doc = NULL;
    for (size_t i = 0; maru_script_describe(script, list, i, &name, &doc); i++) {
        if (i == 0)
            printf("  %s\n", heading);
        printf("    %-16s  %s\n", name, doc ? doc : "");
    }
}

int describe_model(const parsed *args)
{
    opened o = {0};
    const maru_status status = open_script(args, &o);
    if (status == MARU_OK) {
        const char *doc = maru_script_doc(o.script);
        fputc('\n', stdout);
        print_tinted(stdout, TINT_BOLD, maru_script_name(o.script));
        printf("%s%s\n", *doc ? ": " : "", doc);
        print_list(o.script, MARU_SCRIPT_INPUTS, "inputs (--input)");
        print_list(o.script, MARU_SCRIPT_OPTIONS, "options (--set)");
        print_list(o.script, MARU_SCRIPT_OUTPUTS, "outputs (--save)");
    }
    const int code = status == MARU_OK ? EXIT_OK : report_failure(status);
    close_script(&o);
    return code;
}
