// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_KERNELS_KERNELS_H
#define TESTS_KERNELS_KERNELS_H

/* Calls of kernels without a graph around them, made from one line of text. */

#include "cpu.h"

#define MAX_OPERANDS 10
#define MAX_ATTRS 8

/* Operands lie at the end of their pages, the next page forbidden: a read or write past the end dies. */
typedef struct room {
    void *pages;
    size_t bytes;  // of the pages, the forbidden one too
    char *data;
} room;

void room_init(room *r, size_t bytes);
void room_fini(room *r);

typedef struct attr_store {
    char text[32];
    int64_t ints[CPU_MAX_RANK];
    double number;
} attr_store;

/* An op with its operands. */
typedef struct one_call {
    char op[40];
    maru_abi_graph graph;
    maru_abi_node node;
    maru_abi_attr attrs[MAX_ATTRS];
    attr_store stores[MAX_ATTRS];
    char attr_names[MAX_ATTRS][32];
    cpu_tensor in[MAX_OPERANDS];
    cpu_tensor out[MAX_OPERANDS];
    room in_room[MAX_OPERANDS];
    room out_room[MAX_OPERANDS];
    cpu_call call;
} one_call;

/*
 * "Gemm transB=1 alpha=f2 : 13x37 41x37 41 -> 13x41". Attributes are ints, lists
 * "0,2,1", floats "f0.5" or strings "slinear". An operand may end in its dtype,
 * "3:i64", or be "-". Exits with a message if the line is wrong.
 */
void one_call_init(one_call *c, const char *line);
void one_call_fini(one_call *c);
/* Floats are normal, of the seed; bytes are anything; other integers are 0. */
void one_call_fill(one_call *c, uint64_t seed);

/*
 * A host for kernels: parallel_for on a pool of so many threads; a negative
 * number makes pieces for as many workers, one after the other. It replaces
 * the last one of its kind.
 */
const maru_abi_host *kernel_host(int n_threads);
/* Instruction sets of this machine that MARU_CPU_MASK leaves. */
uint32_t kernel_isa(void);

/* A team to run the kernel with, on calls of these dims: as binding a program does. The next one takes its scratch. */
cpu_team prepare_kernel(const cpu_kernel *kernel, const cpu_call *call, const cpu_tail *tail, int n_threads);
void release_kernel(const cpu_kernel *kernel, const cpu_team *team);
/* All of it for one run. */
maru_abi_status run_kernel(const cpu_kernel *kernel, cpu_call *call, const cpu_tail *tail, int n_threads);

/* Allowed difference of an op from its reference: a row of docs/numerics.md. 0 if there is none. */
int find_tolerance(const char *op, const char *dtype, double *relative, double *share);
/* The largest difference over the allowed one; more than 1 is wrong. `share` counts steps of bytes. */
double compare(const cpu_tensor *got, const cpu_tensor *want, double relative, double share);

#endif
