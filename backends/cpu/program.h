// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_PROGRAM_H
#define CPU_PROGRAM_H

/* A program runs the nodes of its graph one after the other; a value lives in a binding or in the workspace. */

#include "cpu.h"

#define CPU_STACK_OPERANDS 16  // a node with more keeps the descriptions for a run in the workspace

/* An output that no node makes: its binding is a copy of another's. */
typedef struct cpu_pass {
    uint32_t value;
    uint32_t binding;
} cpu_pass;

struct maru_abi_program {
    maru_abi_device *device;
    cpu_arena arena;
    maru_abi_graph graph;        // a copy: constants hold data only where attributes name them
    const cpu_ref_op **ops;      // per node
    uint32_t *binding_of;        // per value; MARU_ABI_NO_INDEX: in the workspace
    uint32_t *true_dims_of;      // per node: where its data-dependent output's begin; MARU_ABI_NO_INDEX: none
    maru_abi_constant_use *uses;
    uint32_t *layout_of;         // per value: a packed constant's
    const cpu_packing **packings; // per constant; NULL: as it is
    cpu_chain *chains;
    uint32_t *chain_of;          // per node; MARU_ABI_NO_INDEX: alone
    uint32_t n_chains;
    cpu_pass *passes;
    uint32_t n_passes;
    uint32_t n_bound;            // bindings before the workspace
    uint32_t n_true_dims;
};

struct maru_abi_bound {
    maru_abi_device *device;
    cpu_arena arena;
    cpu_tensor *operands;        // per operand of the graph, without data
    uint64_t *offset_of;         // per value: in the workspace
    const cpu_kernel **kernels;  // per node; NULL: the reference
    void **prepared;             // per node: what its kernel made; NULL: nothing
    uint32_t n_nodes;
    uint8_t *is_fused;           // per chain: its product's kernel runs it, after all its operands are there
    uint64_t scratch;            // where the scratch memory of kernels begins in the workspace
    uint64_t descriptions;       // where descriptions begin there, if a node has many operands
    uint64_t workspace_bytes;
};

int cpu_is_output(const maru_abi_graph *graph, uint32_t value);

/* packing.c. Fills layout_of, packings and uses; 0: memory ran out. */
int cpu_choose_packings(maru_abi_program *program);
maru_abi_status cpu_pack(maru_abi_program *program, uint32_t constant, const void *data, void *dst,
                         maru_abi_error *error);

/* bind.c */
maru_abi_status cpu_program_bind(maru_abi_program *program, const int64_t *symbol_values, uint32_t n_symbols,
                                 const int64_t *expr_values, uint32_t n_exprs, maru_abi_bound **out_bound,
                                 maru_abi_bound_info *out_info, maru_abi_error *error);
void cpu_bound_destroy(maru_abi_bound *bound);

#endif
