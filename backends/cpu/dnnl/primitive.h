// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_DNNL_PRIMITIVE_H
#define CPU_DNNL_PRIMITIVE_H

/* A product or convolution of the library for calls of one shape, with what brings operands into its forms. */

#include "dnnl/library.h"

/* An operand: as the call has it and as the primitive wants it, which may be `any` until it is made. */
typedef struct cpu_dnnl_side {
    dnnl_memory_desc_t given, wanted;
    int is_same;
    int is_turned;             // they differ in whether channels are last, and there is no reorder
    dnnl_primitive_t reorder;
    uint64_t offset;           // of the wanted form in scratch memory
} cpu_dnnl_side;

/* Several threads may run it at once: all its memory is the call's and the scratch memory. */
typedef struct cpu_dnnl_primitive {
    dnnl_primitive_t primitive;
    cpu_dnnl_side src, weights, dst;
    dnnl_memory_desc_t bias, scratch;
    int has_bias;              // input 2
    dnnl_memory_desc_t operands[2];  // of what comes after it: inputs 3 and 4
    int n_operands;
    uint64_t scratch_bytes;    // of everything
    int n_threads;             // of the library
} cpu_dnnl_primitive;

/* What the library calls the description of an operation. */
typedef union cpu_dnnl_op {
    dnnl_matmul_desc_t matmul;
    dnnl_convolution_desc_t convolution;
} cpu_dnnl_op;

/* One operator's way to the library. Each gives 0 when it cannot be done. */
typedef struct cpu_dnnl_recipe {
    /* Sets the sides and bias of `out` from the call, whose weights are plain. */
    int (*describe)(const cpu_dnnl *d, const cpu_call *call, cpu_dnnl_primitive *out);
    /* The operation on the wanted sides. */
    int (*operation)(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, cpu_dnnl_op *out);
    /* What comes after it. NULL: nothing ever. */
    int (*attributes)(const cpu_dnnl *d, const cpu_call *call, const cpu_dnnl_primitive *p, dnnl_primitive_attr_t attr);
    /* How many of the host's threads are worth their start. NULL: all. */
    uint32_t (*threads)(const cpu_call *call, uint32_t n_threads);
} cpu_dnnl_recipe;

/* As a kernel's prepare is; NULL when memory ran out or the library has nothing for this call. */
cpu_dnnl_primitive *cpu_dnnl_prepare(const cpu_dnnl_recipe *recipe, const cpu_call *call, const maru_abi_host *host,
                                     uint64_t *out_scratch_bytes);
/* As a kernel's release is. */
void cpu_dnnl_release(const maru_abi_host *host, void *prepared);
maru_abi_status cpu_dnnl_execute(cpu_call *call, const cpu_team *team, const cpu_dnnl_primitive *p);

/* The layout in which calls like this one, on so many threads, want constant weights; 0: as they are. */
uint32_t cpu_dnnl_weights_layout(const cpu_dnnl_recipe *recipe, const cpu_call *call, uint32_t n_threads);

/* As a packing's: of a layout that was given out. */
uint64_t cpu_dnnl_packed_bytes(const cpu_tensor *constant, uint32_t layout);
int cpu_dnnl_pack(const cpu_tensor *constant, uint32_t layout, void *out);

/* A form of weights that was given out; it is known by its number as long as the process lives. */
typedef struct cpu_dnnl_form {
    uint32_t layout;
    dnnl_memory_desc_t plain, packed;
} cpu_dnnl_form;

/* 0: there are too many. Any thread, as the next. */
uint32_t cpu_dnnl_form_add(const cpu_dnnl *d, const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *packed);
/* NULL if the number was never given out. */
const cpu_dnnl_form *cpu_dnnl_form_find(uint32_t layout);

/* `out` is the caller's to destroy. 0 if there is none. */
int cpu_dnnl_make_reorder(const cpu_dnnl *d, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                          dnnl_primitive_t *out);
dnnl_status_t cpu_dnnl_reorder(const cpu_dnnl *d, dnnl_primitive_t reorder, const dnnl_memory_desc_t *from_desc,
                               void *from, const dnnl_memory_desc_t *to_desc, void *to);

/* Weights of a convolution: (groups, channels out, channels in, kernel...) where there are several groups. conv.c */
int cpu_dnnl_describe_kernel(const cpu_dnnl *d, const cpu_call *call, dnnl_memory_desc_t *out);

/* The status of the call that this one leaves; its sentence too. */
maru_abi_status cpu_dnnl_status(cpu_call *call, dnnl_status_t status);

#endif
