// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_DATA_H
#define CPU_REF_DATA_H

/* Kernels of data movement that stand in files of their own; data.c has the table. */

#include "ref/element.h"

/* pad.c */
maru_abi_status cpu_ref_pad(cpu_call *c);
maru_abi_status cpu_ref_slice(cpu_call *c);
maru_abi_status cpu_ref_tile(cpu_call *c);
maru_abi_status cpu_ref_trilu(cpu_call *c);
maru_abi_status cpu_ref_depth_to_space(cpu_call *c);
maru_abi_status cpu_ref_space_to_depth(cpu_call *c);

/* fill.c */
maru_abi_status cpu_ref_shape(cpu_call *c);
maru_abi_status cpu_ref_size(cpu_call *c);
maru_abi_status cpu_ref_range(cpu_call *c);
maru_abi_status cpu_ref_constant_of_shape(cpu_call *c);
maru_abi_status cpu_ref_non_zero(cpu_call *c);
maru_abi_status cpu_ref_one_hot(cpu_call *c);

/* resize.c */
maru_abi_status cpu_ref_resize(cpu_call *c);

#endif
