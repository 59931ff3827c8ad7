// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include <maru/file.h>

#include "import/strings.h"

#include <stdlib.h>

void maru_file_value_fini(maru_file_value *value)
{
    maru_tensor_destroy(&value->tensor);
    maru_strings_fini(&value->strings);
    free(value->name);
    *value = (maru_file_value){0};
}
