// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_GATHER_H
#define CPU_REF_GATHER_H

#include "ref/element.h"

/* Element `at` of `indices`, negative from the end, for an axis of `n`; fails with a sentence when it is outside. */
maru_abi_status cpu_ref_index(cpu_call *c, const cpu_tensor *indices, int64_t at, int64_t n, int64_t *out_index);

/* scatter.c */
maru_abi_status cpu_ref_scatter_elements(cpu_call *c);
maru_abi_status cpu_ref_scatter_nd(cpu_call *c);
maru_abi_status cpu_ref_tensor_scatter(cpu_call *c);

#endif
