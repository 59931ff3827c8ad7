// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_IMPORT_SAFETENSORS_DTYPE_H
#define MARU_IMPORT_SAFETENSORS_DTYPE_H

/* The spelling of dtypes in safetensors headers. */

#include <maru/tensor.h>

/* MARU_DTYPE_NONE for a spelling we do not know. */
maru_dtype maru_safetensors_dtype_from_name(const char *name);
/* NULL for a dtype that the format lacks. */
const char *maru_safetensors_dtype_name(maru_dtype dtype);

#endif
