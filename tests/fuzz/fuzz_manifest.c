// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The manifest of a plugin: the bytes are a file, or, where they are none, the text of a manifest. */

#include "fuzz.h"

#include "device/manifest.h"

#include <stdlib.h>
#include <string.h>

static void check(maru_status status, maru_manifest *m)
{
    if (status == MARU_OK && (!*m->name || !(m->tier_k || m->tier_g) || !m->dtypes || m->n_domains > 16))
        abort();
    if (status != MARU_OK && m->text)
        abort();
    maru_manifest_fini(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maru_manifest m;
    check(maru_manifest_from_elf("fuzz.so", data, size, &m), &m);
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    check(maru_manifest_from_text("fuzz.so", text, &m), &m);
    free(text);
    return 0;
}
