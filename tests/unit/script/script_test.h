// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TESTS_SCRIPT_TEST_H
#define MARU_TESTS_SCRIPT_TEST_H

/* Scripts from texts, with small limits, on a runtime without plugins. */

#include "import/scratch.h"
#include "unit.h"

#include "script/script.h"

typedef struct script_world {
    maru_runtime *runtime;
    maru_script *script;
    char printed[4096];
    size_t n_printed;
} script_world;

static inline void note_print(void *ctx, const char *text, size_t bytes)
{
    script_world *w = ctx;
    const size_t room = sizeof w->printed - 1 - w->n_printed;
    const size_t n = bytes < room ? bytes : room;
    memcpy(w->printed + w->n_printed, text, n);
    w->n_printed += n;
    w->printed[w->n_printed] = 0;
}

static inline const char *library_folder(void)
{
    static char path[1024];
    const char *root = getenv("MARU_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/scripts", root ? root : ".");
    return path;
}

/* A runtime that loads no plugin: scripts may be loaded and graphs made. */
static inline void open_script_world(script_world *w)
{
    const maru_runtime_params params = {.plugin_path = "", .cache_dir = "", .n_threads = 1, .skip_probe = 1};
    *w = (script_world){0};
    assert_ok(maru_runtime_create(&params, &w->runtime));
}

static inline void close_script_world(script_world *w)
{
    maru_script_destroy(&w->script);
    maru_runtime_destroy(&w->runtime);
}

static inline maru_status load_text(script_world *w, const char *text, maru_script_limits limits)
{
    const char *path = scratch_write("script.lua", text, strlen(text));
    const maru_script_params params = {
        .library = library_folder(), .limits = limits, .print = note_print, .print_ctx = w};
    maru_script_destroy(&w->script);
    w->n_printed = 0;
    w->printed[0] = 0;
    return maru_script_load(w->runtime, path, &params, &w->script);
}

#endif
