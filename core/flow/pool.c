// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "flow/pool.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/os_thread.h"

enum {
    N_SPARE = 8,
    LEAST_SPARE = 4096,  // bytes: less is as quickly had from malloc
    ALIGNMENT = 64,
};

typedef struct spare {
    void *data;
    size_t capacity;
} spare;

struct flow_pool {
    atomic_int n_holders;
    maru_mutex lock;
    spare spares[N_SPARE];
};

maru_status flow_pool_create(flow_pool **out_pool)
{
    *out_pool = calloc(1, sizeof **out_pool);
    if (!*out_pool)
        return maru_fail_oom("a model");
    atomic_init(&(*out_pool)->n_holders, 1);
    return MARU_OK;
}

void flow_pool_release(flow_pool *pool)
{
    if (!pool || atomic_fetch_sub(&pool->n_holders, 1) != 1)
        return;
    for (size_t i = 0; i < N_SPARE; i++)
        free(pool->spares[i].data);
    free(pool);
}

/* The smallest that will do, unless it is several times too large. */
static spare *find(flow_pool *pool, size_t bytes)
{
    spare *best = NULL;
    for (size_t i = 0; i < N_SPARE; i++) {
        spare *s = &pool->spares[i];
        if (s->data && s->capacity >= bytes && s->capacity / 4 <= bytes && (!best || s->capacity < best->capacity))
            best = s;
    }
    return best;
}

void *flow_pool_take(flow_pool *pool, size_t bytes, size_t *out_capacity)
{
    void *data = NULL;
    maru_mutex_lock(&pool->lock);
    spare *s = bytes >= LEAST_SPARE ? find(pool, bytes) : NULL;
    if (s) {
        data = s->data;
        *out_capacity = s->capacity;
        s->data = NULL;
    }
    maru_mutex_unlock(&pool->lock);
    if (!data && bytes <= SIZE_MAX / 2) {
        // A quarter more, for the next one may be larger.
        *out_capacity = (bytes + bytes / 4) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
        data = aligned_alloc(ALIGNMENT, *out_capacity);
    }
    if (data)
        atomic_fetch_add(&pool->n_holders, 1);
    return data;
}

/* Where all places are taken, the smallest goes. */
void flow_pool_give(flow_pool *pool, void *data, size_t capacity)
{
    maru_mutex_lock(&pool->lock);
    spare *place = &pool->spares[0];
    for (size_t i = 1; i < N_SPARE; i++)
        if (place->data && (!pool->spares[i].data || pool->spares[i].capacity < place->capacity))
            place = &pool->spares[i];
    void *gone = data;
    if (capacity >= LEAST_SPARE && (!place->data || place->capacity < capacity)) {
        gone = place->data;
        *place = (spare){data, capacity};
    }
    maru_mutex_unlock(&pool->lock);
    free(gone);
    flow_pool_release(pool);
}
