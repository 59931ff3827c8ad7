// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Empty families, each replaced by the table of the same name where it is built in. */

#include "ref/ref.h"

#define EMPTY(family) __attribute__((weak)) const cpu_ref_op family[] = {{.name = NULL}}

EMPTY(cpu_ref_reduce);
EMPTY(cpu_ref_data);
EMPTY(cpu_ref_gather);
