// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Runs the target on nothing and on every file of the folder that it is given: the corpus as a test. */

#include "fuzz.h"

#include "base/os.h"
#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct replay {
    const char *folder;
    int n_files;
} replay;

static maru_status run_file(void *ctx, const char *name)
{
    replay *r = ctx;
    char *path = maru_os_join(r->folder, name);
    if (!path)
        return maru_fail_oom("path");
    char *data = NULL;
    size_t bytes = 0;
    maru_status status = maru_os_read_file(path, (size_t)64 << 20, &data, &bytes);
    free(path);
    MARU_TRY(status);
    // An exact copy, so that the sanitizer sees a read beyond the end.
    uint8_t *exact = malloc(bytes ? bytes : 1);
    for (size_t i = 0; exact && i < bytes; i++)
        exact[i] = (uint8_t)data[i];
    free(data);
    if (!exact)
        return maru_fail_oom("input");
    (void)LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
    r->n_files++;
    return MARU_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    replay r = {.folder = argv[1]};
    uint8_t nothing = 0;
    (void)LLVMFuzzerTestOneInput(&nothing, 0);
    if (maru_os_list_dir(r.folder, run_file, &r) != MARU_OK) {
        fprintf(stderr, "%s\n", maru_error_message());
        return 1;
    }
    if (r.n_files == 0) {
        fprintf(stderr, "%s: no file to replay\n", r.folder);
        return 1;
    }
    printf("%d files\n", r.n_files);
    return 0;
}
