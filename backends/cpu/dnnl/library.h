// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_DNNL_LIBRARY_H
#define CPU_DNNL_LIBRARY_H

/* oneDNN, opened when a graph first has work for it: the backend links no library, and starts without it. */

#include "cpu.h"

#include <oneapi/dnnl/dnnl.h>

#define CPU_DNNL_FUNCTIONS(F)                                                                                  \
    F(dnnl_engine_create) F(dnnl_stream_create) F(dnnl_version)                                                \
    F(dnnl_memory_desc_init_by_strides) F(dnnl_memory_desc_get_size) F(dnnl_memory_create)                     \
    F(dnnl_memory_destroy) F(dnnl_matmul_desc_init) F(dnnl_dilated_convolution_forward_desc_init)              \
    F(dnnl_primitive_attr_create) F(dnnl_primitive_attr_destroy) F(dnnl_primitive_attr_set_scratchpad_mode)    \
    F(dnnl_primitive_desc_create) F(dnnl_primitive_desc_destroy) F(dnnl_primitive_desc_query_md)               \
    F(dnnl_primitive_create) F(dnnl_primitive_destroy) F(dnnl_primitive_execute)

#define CPU_DNNL_MEMBER(name) __typeof__(name) *name;

typedef struct cpu_dnnl {
    CPU_DNNL_FUNCTIONS(CPU_DNNL_MEMBER)
    int (*omp_get_max_threads)(void);
    void (*omp_set_num_threads)(int);
    dnnl_engine_t engine;
    dnnl_stream_t stream;
} cpu_dnnl;

/* NULL if there is none of version 2 with OpenMP. Opened at the first call and never closed. Any thread. */
const cpu_dnnl *cpu_dnnl_open(void);

/* A primitive for calls of one shape, made when a program is bound. Several threads may run it at once. */
typedef struct cpu_dnnl_primitive {
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t src, weights, bias, dst, scratch;
    int has_bias;
} cpu_dnnl_primitive;

/* Completes `out`, whose descriptions are set, from the description of an operation; 0 if there is none for it. */
int cpu_dnnl_make(const cpu_dnnl *d, const_dnnl_op_desc_t op, uint32_t n_threads, cpu_dnnl_primitive *out);
/* `call` holds src, weights and, if there is a bias, that. */
maru_abi_status cpu_dnnl_execute(cpu_call *call, const cpu_team *team, const cpu_dnnl_primitive *p);
/* What a kernel's release is. */
void cpu_dnnl_release(const maru_abi_host *host, void *prepared);

/* 0 if oneDNN has no type for it that is faster than the reference. */
dnnl_data_type_t cpu_dnnl_type(uint32_t dtype);
/* Row-major. 0 if it has more axes than oneDNN takes. */
int cpu_dnnl_describe(const cpu_dnnl *d, const cpu_tensor *t, dnnl_memory_desc_t *out);

#endif
