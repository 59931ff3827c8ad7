// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_FILE_VALUE_H
#define MARU_IMPORT_FILE_VALUE_H

/* What a file of one tensor holds: numbers or strings, and what else it says. {0} is empty. */

#include "import/strings.h"

#include <stdbool.h>

typedef struct maru_file_value {
    bool is_strings;       // which of the two it is
    maru_tensor tensor;
    maru_strings strings;
    char *name;            // the tensor's name in the file (.pb), or NULL
    uint32_t sample_rate;  // of sound (.wav), or 0
} maru_file_value;

/* Frees everything; {0} afterwards. */
void maru_file_value_fini(maru_file_value *value);

#endif
