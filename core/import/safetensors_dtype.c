// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "import/safetensors_dtype.h"

#include <string.h>

static const struct {
    const char *name;
    maru_dtype dtype;
} names[] = {
    {"F64", MARU_F64},
    {"F32", MARU_F32},
    {"F16", MARU_F16},
    {"BF16", MARU_BF16},
    {"I64", MARU_I64},
    {"I32", MARU_I32},
    {"I16", MARU_I16},
    {"I8", MARU_I8},
    {"U64", MARU_U64},
    {"U32", MARU_U32},
    {"U16", MARU_U16},
    {"U8", MARU_U8},
    {"BOOL", MARU_BOOL},
    {"F8_E4M3", MARU_F8E4M3FN},
    {"F8_E5M2", MARU_F8E5M2},
};

maru_dtype maru_safetensors_dtype_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name) == 0)
            return names[i].dtype;
    }
    return MARU_DTYPE_NONE;
}

const char *maru_safetensors_dtype_name(maru_dtype dtype)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].dtype == dtype)
            return names[i].name;
    }
    return NULL;
}
