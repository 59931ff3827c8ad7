// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_VECTOR_TRANSPOSE_H
#define CPU_VECTOR_TRANSPOSE_H

/* Matrices the other way round: images between channels first and channels last. */

#include "cpu.h"

/* y[image][column][row] = x[image][row][column], on all threads of the team; where AVX-512 is. */
void cpu_transpose_avx512(const float *x, int64_t images, int64_t rows, int64_t columns, float *y,
                          const cpu_team *team);

#endif
