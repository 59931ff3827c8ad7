// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TESTS_SCRATCH_H
#define MARU_TESTS_SCRATCH_H

/* A folder of a test program's own, for the files that it writes. */

#include "unit.h"

static char scratch_folder[512];

static maru_status scratch_remove(void *ctx, const char *name)
{
    char path[1024];
    (void)ctx;
    snprintf(path, sizeof path, "%s/%s", scratch_folder, name);
    remove(path);
    return MARU_OK;
}

/* Group set-up: makes the folder, empty. `name` must be the test's own. */
static inline void scratch_make(const char *name)
{
    const char *root = getenv("MARU_BUILD_ROOT");
    snprintf(scratch_folder, sizeof scratch_folder, "%s/tests/scratch/%s", root ? root : "/tmp", name);
    assert_ok(maru_os_make_dirs(scratch_folder));
    assert_ok(maru_os_list_dir(scratch_folder, scratch_remove, NULL));
}

/* Path of a file in the folder; one of four buffers, used in turn. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][1024];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

static inline const char *scratch_write(const char *name, const void *data, size_t bytes)
{
    const char *path = scratch_path(name);
    assert_ok(maru_os_write_file(path, data, bytes));
    return path;
}

#endif
