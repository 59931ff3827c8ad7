// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The families of kernels that are better than the reference, once for each instruction set. */

#include "cpu.h"

#define FAMILIES(name)                                                                                      \
    extern const cpu_kernel cpu_vector_attention_##name[], cpu_vector_elementwise_##name[],                 \
        cpu_vector_gemm_##name[], cpu_vector_norm_##name[], cpu_vector_reduce_##name[],                     \
        cpu_vector_rotary_##name[], cpu_vector_cast_##name[], cpu_vector_conv_##name[],                  \
        cpu_vector_quant_##name[], cpu_vector_plane_##name[], cpu_vector_transposed_##name[],               \
        cpu_vector_resize_##name[];                                                                         \
    extern const cpu_packing cpu_packing_gemm_##name[];

#define ROWS(name)                                                                                       \
    cpu_vector_attention_##name, cpu_vector_elementwise_##name, cpu_vector_gemm_##name,                  \
        cpu_vector_norm_##name, cpu_vector_reduce_##name, cpu_vector_rotary_##name, cpu_vector_cast_##name,   \
        cpu_vector_conv_##name, cpu_vector_quant_##name, cpu_vector_plane_##name,                          \
        cpu_vector_transposed_##name, cpu_vector_resize_##name

#if defined(CPU_WITH_DNNL)
extern const cpu_kernel cpu_dnnl_matmul[], cpu_dnnl_conv[], cpu_dnnl_integer[];
extern const cpu_packing cpu_dnnl_packing_matmul[], cpu_dnnl_packing_conv[], cpu_dnnl_packing_integer[];
#endif
extern const cpu_kernel cpu_vector_data[];
FAMILIES(base)
#if defined(__x86_64__)
FAMILIES(avx2)
FAMILIES(avx512)
#endif

const cpu_kernel *const cpu_vector_tables[] = {
#if defined(CPU_WITH_DNNL)
    cpu_dnnl_matmul,
    cpu_dnnl_conv,
    cpu_dnnl_integer,
#endif
    cpu_vector_data,
    ROWS(base),
#if defined(__x86_64__)
    ROWS(avx2),
    ROWS(avx512),
#endif
    NULL,
};

const cpu_packing *const cpu_packing_tables[] = {
#if defined(CPU_WITH_DNNL)
    cpu_dnnl_packing_matmul,
    cpu_dnnl_packing_conv,
    cpu_dnnl_packing_integer,
#endif
    cpu_packing_gemm_base,
#if defined(__x86_64__)
    cpu_packing_gemm_avx2,
    cpu_packing_gemm_avx512,
#endif
    NULL,
};
