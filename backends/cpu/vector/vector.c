// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The families of kernels that are better than the reference. */

#include "cpu.h"

const cpu_kernel *const cpu_vector_tables[] = {
    NULL,
};
