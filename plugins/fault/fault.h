// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef FAULT_H
#define FAULT_H

/*
 * A plugin that misbehaves on request: README.md lists the faults. Without a
 * fault it is a small working plugin of tier G (Add, Mul and Relu of f32).
 */

#include "host_device.h"

#include <maru/plugin_graph.h>

/* Whether `fault` is asked for, in MARU_FAULT of the environment ("a,b=2") or in `options` ("fault=a,b=2"; or NULL). */
int fault_is_on(const char *options, const char *fault);
/* The number after "fault=", or `absent` where it is not asked for. */
long fault_number(const char *options, const char *fault, long absent);

/* Does what "PLACE-crash", "PLACE-exit", "PLACE-hang" or "PLACE-stdout" asks for. */
void fault_at(const char *options, const char *place);

/* Sleeps for a millisecond. */
void fault_nap(void);

/* What a device was told to do wrong: maru_abi_device.user. */
typedef struct fault_device {
    char options[256];
    long lost_after;   // submits; -1: never
    long alloc_fail;   // allocations that still succeed; -1: all
    atomic_long n_submits;
    atomic_long n_allocs;
    atomic_int is_lost;
    int wrong_numbers;
    int fence_never;
    int unknown_status;
} fault_device;

extern const maru_abi_graph_fns fault_graph_fns;

/* Runs MARU_ABI_CMD_RUN. */
maru_abi_status fault_run(maru_abi_queue *queue, const maru_abi_run *run, maru_abi_error *error);

#endif
