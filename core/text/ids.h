// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TEXT_IDS_H
#define MARU_TEXT_IDS_H

/* A growing list of token ids. Free it with maru_array_fini. */

#include "base/array.h"

#include <stdint.h>

typedef MARU_ARRAY(int32_t) maru_ids;

#endif
