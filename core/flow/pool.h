// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_FLOW_POOL_H
#define MARU_FLOW_POOL_H

/*
 * Memory of the tensors that stages give, used again when they are gone: a
 * loop would else get fresh pages from the system in every iteration. Held by
 * its flow and by every item that has memory of it; any thread.
 */

#include <maru/item.h>

typedef struct flow_pool flow_pool;

MARU_NODISCARD maru_status flow_pool_create(flow_pool **out_pool);
void flow_pool_release(flow_pool *pool);

/* A copy of the tensor in the pool's memory. item.c */
MARU_NODISCARD maru_status flow_item_copy(flow_pool *pool, const maru_tensor *tensor, maru_item **out_item);

/* At least `bytes`, 64-byte aligned, not cleared; *out_capacity goes back with it. NULL: out of memory. */
void *flow_pool_take(flow_pool *pool, size_t bytes, size_t *out_capacity);
/* Gives it back, and up the hold that took came with. */
void flow_pool_give(flow_pool *pool, void *data, size_t capacity);

#endif
