// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef KERNELS_VECTORS_H
#define KERNELS_VECTORS_H

/*
 * Reads the files of vectors, one case after the other:
 *
 *     case NAME OPERATOR
 *     attr NAME i 1 | f 0.5 | s text | I 2 0 1 | F 1 0.5 | S 2 a b | t TENSOR
 *     in TENSOR | in -            a TENSOR is: dtype rank dims : elements
 *     out TENSOR | out -
 *     end
 */

#include "ref/element.h"

#include <stdio.h>

enum { VECTORS_MAX_OPERANDS = 16, VECTORS_MAX_ATTRS = 16 };

typedef struct vectors_case {
    char name[128];
    char op[64];
    cpu_tensor in[VECTORS_MAX_OPERANDS];   // data is malloc'ed
    cpu_tensor out[VECTORS_MAX_OPERANDS];  // what is expected
    uint32_t n_in;
    uint32_t n_out;
    /* A graph of constants and attributes alone, as attributes are looked up. */
    maru_abi_graph graph;
    maru_abi_node node;
    maru_abi_attr attrs[VECTORS_MAX_ATTRS];
    char attr_names[VECTORS_MAX_ATTRS][64];
    union {
        int64_t i;
        double f;
        char s[64];
        int64_t ints[16];
        double floats[16];
        const char *strings[16];
        uint32_t constant;
    } payloads[VECTORS_MAX_ATTRS];
    char texts[16][32];  // of a list of texts
    uint32_t n_attrs;
    maru_abi_constant constant;
    int64_t constant_dims[CPU_MAX_RANK];
    cpu_tensor tensor_attr;
} vectors_case;

/* 1 and a case, 0 at the end; a broken file ends the program with a message. */
int vectors_next(FILE *file, vectors_case *out);
void vectors_free(vectors_case *c);
/* Zeroed memory for the elements of a tensor. */
void *vectors_memory(const cpu_tensor *t);

#endif
