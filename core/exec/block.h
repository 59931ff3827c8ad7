// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_EXEC_BLOCK_H
#define MARU_EXEC_BLOCK_H

/*
 * Memory that a plan names: in host memory, seen by every device that
 * computes from there through a buffer imported at first use; or in the
 * memory of one device.
 */

#include "device/registry.h"
#include "plan/plan.h"

typedef struct maru_block {
    void *data;       // host memory, or NULL
    size_t bytes;
    maru_runtime *runtime;  // whose memory `data` is; NULL: somebody else's
    maru_packed *packed;    // `data` is this one's
    maru_dev_buffer *on[MARU_PLAN_MAX_DEVICES];
} maru_block;

/* Zeroed host memory of at least one byte: from the embedder's allocator if it gave one, else pages of the system. */
MARU_NODISCARD maru_status maru_block_host(maru_block *out, maru_runtime *runtime, size_t bytes);
/* Memory of the caller, which outlives the block. */
void maru_block_wrap(maru_block *out, const void *data, size_t bytes);
/* Takes a use of `packed`, `bytes` long, and gives it up at the end. */
void maru_block_packed(maru_block *out, maru_runtime *runtime, maru_packed *packed, size_t bytes);
/* Memory of device `index`, which the host can map. */
MARU_NODISCARD maru_status maru_block_device(maru_block *out, maru_dev *dev, uint32_t index, size_t bytes);
/* Memory that a lost device had imported is given back when that is closed. */
void maru_block_fini(maru_block *block);

/*
 * The block as device `index` sees it, with where it starts in the buffer (an
 * import starts at a 64-byte boundary, the data may not). Host memory is
 * imported.
 */
MARU_NODISCARD maru_status maru_block_on(maru_block *block, maru_dev *dev, uint32_t index,
                                         maru_dev_binding *out_binding);
/* Copies into and out of the block; maps a device's memory for it. */
MARU_NODISCARD maru_status maru_block_write(maru_block *block, uint32_t index, size_t offset, const void *data,
                                            size_t bytes);
MARU_NODISCARD maru_status maru_block_read(const maru_block *block, uint32_t index, size_t offset, void *data,
                                           size_t bytes);

#endif
