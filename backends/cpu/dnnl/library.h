// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_DNNL_LIBRARY_H
#define CPU_DNNL_LIBRARY_H

/* oneDNN, opened when a graph first has work for it: the backend links no library, and starts without it. */

#include "cpu.h"

#include <oneapi/dnnl/dnnl.h>

#define CPU_DNNL_FUNCTIONS(F)                                                                                  \
    F(dnnl_engine_create) F(dnnl_stream_create) F(dnnl_version)                                                \
    F(dnnl_memory_desc_init_by_strides) F(dnnl_memory_desc_init_by_tag) F(dnnl_memory_desc_equal)              \
    F(dnnl_memory_desc_get_size) F(dnnl_memory_create) F(dnnl_memory_destroy)                                  \
    F(dnnl_matmul_desc_init) F(dnnl_dilated_convolution_forward_desc_init)                                     \
    F(dnnl_reorder_primitive_desc_create) F(dnnl_primitive_attr_create) F(dnnl_primitive_attr_destroy)         \
    F(dnnl_primitive_attr_set_scratchpad_mode) F(dnnl_primitive_attr_set_output_scales)                        \
    F(dnnl_primitive_attr_set_post_ops) F(dnnl_post_ops_create) F(dnnl_post_ops_destroy)                       \
    F(dnnl_post_ops_append_eltwise) F(dnnl_post_ops_append_sum) F(dnnl_post_ops_append_binary)                 \
    F(dnnl_primitive_desc_create) F(dnnl_primitive_desc_destroy) F(dnnl_primitive_desc_query)                  \
    F(dnnl_primitive_desc_query_md) F(dnnl_primitive_create) F(dnnl_primitive_destroy)                         \
    F(dnnl_primitive_execute)

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

/* What rows of kernels and packings demand: where these are missing, oneDNN has nothing faster than our own. */
#define CPU_DNNL_ISA (CPU_ISA_AVX512F | CPU_ISA_AVX512BW | CPU_ISA_AVX512VL)

/* undef if there is no kernel for it. */
dnnl_data_type_t cpu_dnnl_type(uint32_t dtype);
/* Row-major. 0 if it has more axes than oneDNN takes. */
int cpu_dnnl_describe(const cpu_dnnl *d, const cpu_tensor *t, dnnl_memory_desc_t *out);
/* The same in whatever form the library prefers. */
int cpu_dnnl_describe_any(const cpu_dnnl *d, const dnnl_memory_desc_t *plain, dnnl_memory_desc_t *out);

#endif
