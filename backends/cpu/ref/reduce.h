// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_REDUCE_H
#define CPU_REF_REDUCE_H

#include "ref/element.h"

/* argreduce.c: what picks or accumulates along one axis. */
maru_abi_status cpu_ref_arg_max(cpu_call *c);
maru_abi_status cpu_ref_arg_min(cpu_call *c);
maru_abi_status cpu_ref_cum_sum(cpu_call *c);
maru_abi_status cpu_ref_cum_prod(cpu_call *c);
maru_abi_status cpu_ref_top_k(cpu_call *c);

#endif
