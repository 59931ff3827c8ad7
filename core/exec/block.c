// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "exec/block.h"

#include <stdint.h>
#include <string.h>

#include "base/fail.h"

enum { IMPORT_ALIGN = 64 };

maru_status maru_block_host(maru_block *out, maru_runtime *runtime, size_t bytes)
{
    *out = (maru_block){.bytes = bytes ? bytes : IMPORT_ALIGN, .runtime = runtime};
    out->data = maru_runtime_alloc(runtime, out->bytes);
    if (out->data)
        return MARU_OK;
    *out = (maru_block){0};
    return maru_fail(MARU_RESOURCE_EXHAUSTED, "no memory for %zu bytes", bytes);
}

void maru_block_packed(maru_block *out, maru_runtime *runtime, maru_packed *packed, size_t bytes)
{
    *out = (maru_block){.data = maru_packed_data(packed), .bytes = bytes, .runtime = runtime, .packed = packed};
}

void maru_block_wrap(maru_block *out, const void *data, size_t bytes)
{
    // Devices read it only where the plan says so; the ABI has one pointer type for both uses.
    *out = (maru_block){.data = (void *)(uintptr_t)data, .bytes = bytes};
}

maru_status maru_block_device(maru_block *out, maru_dev *dev, uint32_t index, size_t bytes)
{
    *out = (maru_block){.bytes = bytes ? bytes : IMPORT_ALIGN};
    const uint32_t kind = maru_dev_find_memory_kind(dev, MARU_ABI_MEM_HOST_VISIBLE);
    if (kind == MARU_ABI_NO_INDEX)
        return maru_fail(MARU_UNSUPPORTED, "%s has no memory that the host can map", maru_dev_id(dev));
    return maru_dev_buffer_alloc(dev, kind, out->bytes, &out->on[index]);
}

static void free_memory(void *ctx, void *memory, size_t bytes)
{
    maru_runtime_free(ctx, memory, bytes);
}

static void put_packed(void *ctx, void *memory, size_t bytes)
{
    (void)bytes;
    maru_packed_put(ctx, memory);
}

/* Devices that may still write to what they had imported. */
static uint32_t find_holders(const maru_block *block, maru_dev **out_devs)
{
    uint32_t n = 0;
    for (size_t i = 0; i < MARU_PLAN_MAX_DEVICES; i++)
        if (block->on[i] && block->on[i]->host && maru_dev_holds_memory(block->on[i]->dev))
            out_devs[n++] = block->on[i]->dev;
    return n;
}

void maru_block_fini(maru_block *block)
{
    maru_dev *holders[MARU_PLAN_MAX_DEVICES];
    const maru_dev_release_fn release = block->packed ? put_packed : free_memory;
    void *memory = block->packed ? (void *)block->packed : block->data;
    const uint32_t n = block->runtime && memory ? find_holders(block, holders) : 0;
    if (n)
        maru_dev_retire(holders, n, release, block->runtime, memory, block->bytes);
    for (size_t i = 0; i < MARU_PLAN_MAX_DEVICES; i++)
        maru_dev_buffer_free(&block->on[i]);
    if (block->runtime && memory && n == 0)
        release(block->runtime, memory, block->bytes);
    *block = (maru_block){0};
}

maru_status maru_block_on(maru_block *block, maru_dev *dev, uint32_t index, maru_dev_binding *out_binding)
{
    const size_t skew = (uintptr_t)block->data % IMPORT_ALIGN;
    if (!block->on[index])
        MARU_TRY(maru_dev_buffer_import_host(dev, (char *)block->data - skew, block->bytes + skew, false,
                                             &block->on[index]));
    *out_binding = (maru_dev_binding){.buffer = block->on[index], .offset = skew, .bytes = block->bytes};
    return MARU_OK;
}

static maru_status move_mapped(maru_dev_buffer *buffer, size_t offset, void *data, size_t bytes, uint32_t flags)
{
    void *mapped = NULL;
    MARU_TRY(maru_dev_buffer_map(buffer, offset, bytes, flags, &mapped));
    if (flags == MARU_ABI_MAP_WRITE)
        memcpy(mapped, data, bytes);
    else
        memcpy(data, mapped, bytes);
    maru_dev_buffer_unmap(buffer);
    return MARU_OK;
}

maru_status maru_block_write(maru_block *block, uint32_t index, size_t offset, const void *data, size_t bytes)
{
    if (bytes == 0)
        return MARU_OK;
    if (!block->data)
        return move_mapped(block->on[index], offset, (void *)(uintptr_t)data, bytes, MARU_ABI_MAP_WRITE);
    memcpy((char *)block->data + offset, data, bytes);
    return MARU_OK;
}

maru_status maru_block_read(const maru_block *block, uint32_t index, size_t offset, void *data, size_t bytes)
{
    if (bytes == 0)
        return MARU_OK;
    if (!block->data)
        return move_mapped(block->on[index], offset, data, bytes, MARU_ABI_MAP_READ);
    memcpy(data, (const char *)block->data + offset, bytes);
    return MARU_OK;
}
