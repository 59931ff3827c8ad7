// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* A .npy file: what is read is written and read back the same. */

#include "fuzz.h"

#include "import/npy.h"

#include <stdlib.h>
#include <string.h>

static void check_tensor(const maru_tensor *t)
{
    maru_str file = {0};
    maru_tensor back = {0};
    if (maru_npy_format(t, "fuzz", &file) == MARU_OK) {
        if (maru_npy_parse(maru_str_get(&file), file.length, "fuzz", &back) != MARU_OK || back.dtype != t->dtype ||
            back.bytes != t->bytes || memcmp(back.data, t->data, t->bytes) != 0)
            abort();
    }
    maru_tensor_destroy(&back);
    maru_str_fini(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_tensor t;
    if (maru_npy_parse(data, size, "fuzz", &t) == MARU_OK)
        check_tensor(&t);
    maru_tensor_destroy(&t);
    return 0;
}
