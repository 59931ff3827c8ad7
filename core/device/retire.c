// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Host memory that a lost device had imported: kept until the device is closed, or for good. */

#include "base/log.h"
#include "device/device_impl.h"

#include <stdlib.h>

/* One piece of memory, and how many devices have yet to close. */
typedef struct holding {
    atomic_uint n_waiting;
    atomic_bool is_leaked;  // one of them was abandoned
    maru_dev_release_fn release;
    void *ctx;
    void *memory;
    size_t bytes;
} holding;

struct maru_dev_retired {
    struct maru_dev_retired *next;
    holding *of;
};

bool maru_dev_holds_memory(const maru_dev *dev)
{
    return maru_dev_is_lost(dev) || atomic_load(&dev->closed);
}

static void count_leak(maru_dev *dev, size_t bytes)
{
    const uint64_t all = atomic_fetch_add(&dev->plugin->leaked_bytes, bytes) + bytes;
    maru_log(MARU_LOG_WARN, "%s: %zu bytes of host memory stay with a device that was given up (%llu in all)", dev->id,
             bytes, (unsigned long long)all);
}

static void leak(maru_dev *dev, holding *h)
{
    if (!atomic_exchange(&h->is_leaked, true))
        count_leak(dev, h->bytes);
}

static void let_go(holding *h)
{
    if (atomic_fetch_sub(&h->n_waiting, 1) != 1)
        return;
    if (!atomic_load(&h->is_leaked))
        h->release(h->ctx, h->memory, h->bytes);
    free(h);
}

/* False where the device was abandoned before, or there is no memory to remember it. */
static bool add(maru_dev *dev, holding *h)
{
    struct maru_dev_retired *r = malloc(sizeof *r);
    if (!r)
        return false;
    maru_mutex_lock(&dev->mutex);
    const bool is_open = !atomic_load(&dev->closed);
    if (is_open) {
        *r = (struct maru_dev_retired){.next = dev->retired, .of = h};
        dev->retired = r;
    }
    maru_mutex_unlock(&dev->mutex);
    if (!is_open)
        free(r);
    return is_open;
}

void maru_dev_retire(maru_dev *const *devs, uint32_t n, maru_dev_release_fn release, void *ctx, void *memory,
                     size_t bytes)
{
    holding *h = malloc(sizeof *h);
    if (!h) {
        count_leak(devs[0], bytes);
        return;
    }
    // One more than the devices: nothing is let go before all have been told.
    *h = (holding){.release = release, .ctx = ctx, .memory = memory, .bytes = bytes};
    atomic_init(&h->n_waiting, n + 1);
    atomic_init(&h->is_leaked, false);
    for (uint32_t i = 0; i < n; i++) {
        if (add(devs[i], h))
            continue;
        leak(devs[i], h);
        let_go(h);
    }
    let_go(h);
}

void maru_dev_end_retired(maru_dev *dev, bool is_clean)
{
    maru_mutex_lock(&dev->mutex);
    struct maru_dev_retired *list = dev->retired;
    dev->retired = NULL;
    maru_mutex_unlock(&dev->mutex);
    while (list) {
        struct maru_dev_retired *next = list->next;
        if (!is_clean)
            leak(dev, list->of);
        let_go(list->of);
        free(list);
        list = next;
    }
}
