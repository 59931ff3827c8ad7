// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The files of a model: written beside their names and renamed when all is there. */

#include "export/onnx/save.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/os.h"
#include "base/str.h"

typedef struct files {
    const char *path;
    char *data_path;
    maru_os_file *model;  // NULL: nothing written yet
    maru_os_file *data;
} files;

static maru_status write(void *ctx, bool is_data, const void *bytes, size_t n)
{
    files *f = ctx;
    maru_os_file **file = is_data ? &f->data : &f->model;
    if (!*file)
        MARU_TRY(maru_os_file_begin(is_data ? f->data_path : f->path, file));
    return maru_os_file_write(*file, bytes, n);
}

/* The data first: a model without it would be of no use. */
static maru_status finish(files *f, maru_status status)
{
    const maru_status data = f->data ? maru_os_file_end(&f->data, status == MARU_OK) : MARU_OK;
    status = status == MARU_OK ? data : status;
    const maru_status model = f->model ? maru_os_file_end(&f->model, status == MARU_OK) : MARU_OK;
    return status == MARU_OK ? model : status;
}

maru_status maru_onnx_save(const maru_graph *graph, const char *path, const maru_onnx_save_params *params,
                           maru_onnx_saved *out_saved)
{
    maru_onnx_saved saved = {0};
    const size_t room = strlen(path) + sizeof ".data";
    files f = {.path = path, .data_path = malloc(room)};
    if (!f.data_path)
        return maru_fail_oom("the name of a model");
    snprintf(f.data_path, room, "%s.data", path);
    const char *slash = strrchr(f.data_path, '/');
    onnx_sink sink = {
        .ctx = &f,
        .write = write,
        .data_name = slash ? slash + 1 : f.data_path,
        .is_external = params && params->external,
    };
    const maru_status status = finish(&f, maru_onnx_write(graph, params, &sink, &saved));
    free(f.data_path);
    if (out_saved)
        *out_saved = saved;
    return status == MARU_OK ? MARU_OK : maru_fail_within(status, "%s", path);
}
