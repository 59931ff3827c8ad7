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
#include <pthread.h>

/* Whether `fault` is asked for, in MARU_FAULT of the environment ("a,b=2") or in `options` ("fault=a,b=2"; or NULL). */
int fault_is_on(const char *options, const char *fault);
/* The number after "fault=", or `absent` where it is not asked for. */
long fault_number(const char *options, const char *fault, long absent);

/* Does what "PLACE-crash", "PLACE-exit", "PLACE-hang" or "PLACE-stdout" asks for. */
void fault_at(const char *options, const char *place);

/* Sleeps for a millisecond. */
void fault_nap(void);

enum { FAULT_MAX_HELD = 16 };

/* What a device was told to do wrong: maru_abi_device.user. */
typedef struct fault_device {
    char options[256];
    long lost_after;   // submits; -1: never
    long alloc_fail;   // allocations that still succeed; -1: all
    long pack_fail;    // packs that fail first
    atomic_long n_submits;
    atomic_long n_allocs;
    atomic_long n_packs;
    atomic_int is_lost;
    int wrong_numbers;
    int fence_never;
    int unknown_status;
    int hold;          // lists are accepted and do not start
    pthread_mutex_t mutex;  // of what is held
    uint32_t n_held;
    maru_abi_point held[FAULT_MAX_HELD];  // what the lists that have not started would signal
    int bf16;          // claims say that they compute in bf16
    long bad_claim;    // which lie a claim tells; -1: none
    int halves;        // claims are two sets that share a node
    int packed;        // constants are bound packed: as they are, and each pack is a line in the log
} fault_device;

extern const maru_abi_graph_fns fault_graph_fns;

/* Runs MARU_ABI_CMD_RUN. */
maru_abi_status fault_run(maru_abi_queue *queue, const maru_abi_run *run, maru_abi_error *error);

#endif
