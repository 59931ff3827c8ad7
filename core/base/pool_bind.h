// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_BASE_POOL_BIND_H
#define MARU_BASE_POOL_BIND_H

/* Which core each worker of a pool is bound to: hwloc's knowledge where it is built in, else no binding. */

typedef struct maru_pool_binding maru_pool_binding;

/*
 * Reads the machine (milliseconds). NULL, meaning that the system places the
 * threads, without hwloc, on any failure, and when there are more threads than
 * cores to bind them to.
 */
void maru_pool_binding_create(int n_threads, maru_pool_binding **out_binding);
void maru_pool_binding_destroy(maru_pool_binding **binding);

/* Binds the calling thread to the core of `worker`; nothing for NULL. Several threads at once. */
void maru_pool_binding_apply(const maru_pool_binding *binding, int worker);

#endif
