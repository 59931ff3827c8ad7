// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_PACKED_H
#define MARU_DEVICE_PACKED_H

/*
 * The packed forms of weights that a runtime's models use: one per (content,
 * layout, bytes, plugin, driver), in host memory, counted, and freed with its
 * last user. Asked for while models are made, never in a run. Any thread.
 */

#include "base/os_thread.h"
#include "device/device.h"

#include <maru/runtime.h>

typedef struct maru_packed maru_packed;

enum { MARU_PACKED_BUCKETS = 64 };

/* {0} is empty. */
typedef struct maru_packed_cache {
    maru_mutex mutex;
    maru_cond made;  // a form was made, or could not be
    maru_packed *buckets[MARU_PACKED_BUCKETS];
} maru_packed_cache;

typedef struct maru_packed_key {
    const uint8_t *content;  // 32 bytes, equal for equal dtype, dims and bytes alone; NULL: not known, not shared
    const maru_dev *dev;     // whose plugin and driver made the layout
    uint32_t layout;
    uint64_t bytes;          // of the packed form, > 0
} maru_packed_key;

/* Writes the packed form to `memory`, which is zeroed and has key.bytes bytes. */
typedef maru_status (*maru_pack_fn)(void *ctx, void *memory);

/*
 * The form of that key, made by `make` if nobody has it. Who asks while
 * another thread makes it waits; where that fails, the next one tries.
 */
MARU_NODISCARD maru_status maru_packed_get(maru_runtime *runtime, const maru_packed_key *key, maru_pack_fn make,
                                           void *ctx, maru_packed **out_packed);
void *maru_packed_data(const maru_packed *packed);
/* Gives up one use; the last frees it. */
void maru_packed_put(maru_runtime *runtime, maru_packed *packed);

#endif
