// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_VECTOR_LAYOUTS_H
#define CPU_VECTOR_LAYOUTS_H

/* Forms of constants: what cpu_tensor.layout holds. */
enum {
    CPU_LAYOUT_PANELS = 0x100,             // plus floats of a vector: panels of a matrix (k, n)
    CPU_LAYOUT_PANELS_TRANSPOSED = 0x200,  // of a matrix (n, k)
};

#endif
