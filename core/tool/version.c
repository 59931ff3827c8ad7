// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "tool/tool.h"

static const option options[] = {{0}};

static int run(const parsed *args)
{
    if (has_flag(args, "json"))
        printf("{\"version\": \"%s\"}\n", MARU_VERSION_STRING);
    else
        printf("maru %s\n", MARU_VERSION_STRING);
    return EXIT_OK;
}

const command command_version = {
    .name = "version",
    .usage = "version [--json]",
    .summary = "print the version",
    .details = "    maru version",
    .options = options,
    .run = run,
};
