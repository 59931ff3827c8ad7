// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_QUANT_H
#define CPU_REF_QUANT_H

#include "ref/ref.h"

/*
 * Element `index` of y from x / scale and a zero point: to the nearest even
 * integer, shifted, saturated; NaN gives 0. A float8 is only rounded.
 */
void cpu_store_quantised(cpu_tensor *y, int64_t index, double quotient, double zero);

#endif
