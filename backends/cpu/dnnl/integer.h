// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_DNNL_INTEGER_H
#define CPU_DNNL_INTEGER_H

/*
 * Products of bytes through oneDNN. For exact sums the library multiplies u8
 * by s8 and no more: with zero points it goes through f32, which loses what is
 * beyond 2^24, and s8 by s8 does so where there is no AMX. Signed rows and
 * unsigned weights are flipped by 128; zero points, scales and the bias are
 * put to its raw sums by our own loops (vector/integer.h). Where the result
 * is of bytes and the weights have no zero points, which is usual, another
 * primitive makes it at once: a bias and a scale per column in f32.
 */

#include "dnnl/primitive.h"
#include "vector/integer.h"

/* Without VNNI the library adds products in 16 bits, which saturate. */
#define CPU_INTEGER_ISA (CPU_DNNL_ISA | CPU_ISA_AVX2 | CPU_ISA_FMA | CPU_ISA_F16C | CPU_ISA_AVX512VNNI)

/* The operands of MatMulInteger, ConvInteger, QLinearMatMul or QLinearConv; NULL: it has none. */
typedef struct cpu_integer_operands {
    const cpu_tensor *a, *b;  // rows or images, weights
    const cpu_tensor *a_zero, *b_zero;
    const cpu_tensor *a_scale, *b_scale, *y_scale, *y_zero, *bias;
} cpu_integer_operands;

struct cpu_integer_images;

/* What calls of one shape need. Offsets are in scratch memory, where the primitive's own comes first. */
typedef struct cpu_integer_product {
    cpu_dnnl_primitive *primitive;      // NULL: the output is empty
    cpu_dnnl_primitive *whole;          // the one that makes bytes; NULL: none
    cpu_tensor a, b, sums;              // operands: u8, s8, int32
    int64_t rows, n, k;                 // of the sums: (rows, n), each over k
    int64_t groups;                     // of columns
    struct cpu_integer_images *images;  // of a convolution; else NULL
    uint64_t a_at, b_at, sums_at;       // copies of the operands, where the call's do not serve
    uint64_t bias_at, shift_at;         // of the other primitive
    uint64_t columns_at, offset_at, a_zero_at, b_zero_at, rest_at, scale_at, row_scale_at;  // of cpu_integer_end
    uint64_t scratch_bytes;
} cpu_integer_product;

/* ---- integer.c ---- */

/* Makes the primitive and reserves scratch memory for all but copies of a and the sums; 0 if it cannot be done. */
int cpu_integer_make(const cpu_dnnl_recipe *recipe, const cpu_call *call, const cpu_integer_operands *o,
                     const maru_abi_host *host, cpu_integer_product *p);
/* Gives the offset of so much scratch memory. */
uint64_t cpu_integer_reserve(cpu_integer_product *p, int64_t count, uint64_t bytes);

static inline void *cpu_integer_at(const cpu_team *team, uint64_t offset)
{
    return (char *)team->scratch + offset;
}

/* Makes the result `y` of `a`, which is u8, in one go if that can be; else gives 0. */
int cpu_integer_make_whole(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team, void *a, void *y,
                           maru_abi_status *out_status);
/* A product of bytes is shifted, scaled and shifted: what a recipe sets where that is so, beside its bias. */
int cpu_integer_describe_whole(const cpu_dnnl *d, const cpu_call *call, uint32_t column_axis, cpu_dnnl_primitive *p);
int cpu_integer_attributes(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p,
                           dnnl_primitive_attr_t attr);
/* The raw sums of `a`, which is u8, and the weights. */
maru_abi_status cpu_integer_multiply(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team, void *a,
                                     void *sums);
/*
 * What makes the result of them: all of `out` but sums, y and rest, which is
 * wanted where it has b_zero. *out_zero is the rows' zero point, where they
 * have one in common. 0: the sums are the result.
 */
int cpu_integer_plan_end(const cpu_call *call, const cpu_integer_operands *o, const cpu_team *team,
                         cpu_integer_end *out, uint32_t *out_zero);

/* ---- integer_matmul.c, integer_conv.c: p->a, b, sums, rows, n, k and groups; then what else they need ---- */

extern const cpu_dnnl_recipe cpu_integer_matmul_recipe;
void cpu_integer_describe_matmul(const cpu_call *call, const cpu_integer_operands *o, cpu_integer_product *p);
int cpu_integer_prepare_matmul(const cpu_call *call, const cpu_integer_operands *o, cpu_integer_product *p);
maru_abi_status cpu_integer_run_matmul(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team);

extern const cpu_dnnl_recipe cpu_integer_conv_recipe;
void cpu_integer_describe_conv(const cpu_call *call, const cpu_integer_operands *o, cpu_integer_product *p);
int cpu_integer_prepare_conv(const cpu_call *call, const cpu_integer_operands *o, const maru_abi_host *host,
                             cpu_integer_product *p);
maru_abi_status cpu_integer_run_conv(cpu_call *call, const cpu_integer_operands *o, const cpu_team *team);
void cpu_integer_release_images(const maru_abi_host *host, struct cpu_integer_images *images);

#endif
