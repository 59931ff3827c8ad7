// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_TESTS_FUZZ_H
#define MARU_TESTS_FUZZ_H

/* What each fuzz_NAME.c defines: called with any bytes, it must return 0, leak nothing and finish soon. */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
