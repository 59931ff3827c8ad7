// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_ELEMENTWISE_H
#define CPU_REF_ELEMENTWISE_H

/* Broadcasting, as numpy's, and the kernels of elementwise ops that stand in files of their own. */

#include "ref/element.h"

/* Steps through an output of `rank` and tells where each input stands. */
typedef struct cpu_broadcast {
    int64_t stride[CPU_MAX_RANK];  // 0 along an axis that repeats
    const cpu_tensor *out;
} cpu_broadcast;

void cpu_broadcast_init(cpu_broadcast *b, const cpu_tensor *in, const cpu_tensor *out);
/* The element of the input that goes with element `index` of the output. */
int64_t cpu_broadcast_at(const cpu_broadcast *b, int64_t index);

/* binary.c */
maru_abi_status cpu_ref_add(cpu_call *c);
maru_abi_status cpu_ref_sub(cpu_call *c);
maru_abi_status cpu_ref_mul(cpu_call *c);
maru_abi_status cpu_ref_div(cpu_call *c);
maru_abi_status cpu_ref_mod(cpu_call *c);
maru_abi_status cpu_ref_pow(cpu_call *c);
maru_abi_status cpu_ref_min(cpu_call *c);
maru_abi_status cpu_ref_max(cpu_call *c);
maru_abi_status cpu_ref_sum(cpu_call *c);
maru_abi_status cpu_ref_mean(cpu_call *c);
maru_abi_status cpu_ref_bitwise(cpu_call *c);
maru_abi_status cpu_ref_bit_shift(cpu_call *c);
maru_abi_status cpu_ref_logical(cpu_call *c);
maru_abi_status cpu_ref_compare(cpu_call *c);
maru_abi_status cpu_ref_where(cpu_call *c);

/* cast.c */
maru_abi_status cpu_ref_cast(cpu_call *c);

#endif
