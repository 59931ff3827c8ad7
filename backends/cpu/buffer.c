// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

static maru_abi_status new_buffer(maru_abi_device *device, char *memory, int is_imported,
                                  maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    maru_abi_buffer *buffer = memory ? cpu_alloc(host, 1, sizeof *buffer) : NULL;
    if (!buffer) {
        if (!is_imported)
            cpu_free(host, memory);
        return cpu_no_memory(error, "a buffer");
    }
    *buffer = (maru_abi_buffer){device, memory, is_imported};
    atomic_fetch_add(&device->n_children, 1);
    *out_buffer = buffer;
    return MARU_ABI_OK;
}

static maru_abi_status buffer_alloc(maru_abi_device *device, uint32_t memory_kind, uint64_t bytes,
                                    maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    if (memory_kind != 0)
        return cpu_fail(error, MARU_ABI_NOT_FOUND, "there is no memory kind %u", memory_kind);
    return new_buffer(device, host->alloc(host->ctx, bytes ? bytes : 1, 64), 0, out_buffer, error);
}

static maru_abi_status buffer_import(maru_abi_device *device, const maru_abi_external *external,
                                     maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    if (external->kind != MARU_ABI_IMPORT_HOST_POINTER)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "only host pointers can be imported, not kind %u",
                        external->kind);
    if (external->flags >> 32)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "import: unknown flags 0x%llx",
                        (unsigned long long)external->flags);
    if (!external->pointer)
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT, "import: no pointer");
    return new_buffer(device, external->pointer, 1, out_buffer, error);
}

static void buffer_free(maru_abi_buffer *buffer)
{
    const maru_abi_host *host = buffer->device->plugin->host;
    if (!buffer->is_imported)
        cpu_free(host, buffer->memory);
    atomic_fetch_sub(&buffer->device->n_children, 1);
    cpu_free(host, buffer);
}

static maru_abi_status buffer_map(maru_abi_buffer *buffer, uint64_t offset, uint64_t bytes, uint32_t flags,
                                  void **out_pointer, maru_abi_error *error)
{
    (void)bytes;
    (void)flags;
    (void)error;
    *out_pointer = buffer->memory + offset;
    return MARU_ABI_OK;
}

static void buffer_unmap(maru_abi_buffer *buffer)
{
    (void)buffer;
}

const maru_abi_buffer_fns cpu_buffer_fns = {
    .head = MARU_ABI_HEAD(maru_abi_buffer_fns),
    .alloc = buffer_alloc,
    .import_external = buffer_import,
    .free = buffer_free,
    .map = buffer_map,
    .unmap = buffer_unmap,
};
