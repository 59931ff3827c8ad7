// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device_impl.h"

#include <stdlib.h>

maru_status maru_dev_take_binding(const maru_dev *dev, const char *call, const maru_dev_binding *from,
                                  maru_abi_binding *to)
{
    const maru_dev_buffer *buffer = from->buffer;
    if (!buffer)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: %s: a binding has no buffer", dev->id, call);
    if (buffer->dev != dev)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: %s: a buffer of %s is bound", dev->id, call, buffer->dev->id);
    if (from->offset > buffer->bytes || from->bytes > buffer->bytes - from->offset)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: %s: [%llu, +%llu) lies outside a buffer of %llu bytes", dev->id,
                         call, (unsigned long long)from->offset, (unsigned long long)from->bytes,
                         (unsigned long long)buffer->bytes);
    *to = (maru_abi_binding){.buffer = buffer->handle, .offset = from->offset, .bytes = from->bytes};
    return MARU_OK;
}

static maru_status check_size(const maru_dev *dev, uint32_t kind, uint64_t bytes)
{
    const maru_abi_memory_kind *k = maru_dev_memory_kind(dev, kind);
    if (!k)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: alloc: there is no memory kind %u", dev->id, kind);
    if (bytes == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: alloc: a buffer of 0 bytes", dev->id);
    if (k->largest_alloc && bytes > k->largest_alloc)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "%s: alloc: %llu bytes are more than its largest buffer (%llu)",
                         dev->id, (unsigned long long)bytes, (unsigned long long)k->largest_alloc);
    if (k->total_bytes && bytes > k->total_bytes)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "%s: alloc: %llu bytes are more than its memory (%llu)", dev->id,
                         (unsigned long long)bytes, (unsigned long long)k->total_bytes);
    return MARU_OK;
}

/* Keeps the handle, or frees it when there is no memory for the host's side. */
static maru_status wrap(maru_dev *dev, maru_dev_buffer buffer, maru_dev_buffer **out_buffer)
{
    maru_dev_buffer *b = malloc(sizeof *b);
    if (!b) {
        dev->fns->buffer.free(buffer.handle);
        return maru_fail_oom("a buffer");
    }
    *b = buffer;
    maru_dev_retain(dev);
    *out_buffer = b;
    return MARU_OK;
}

maru_status maru_dev_buffer_alloc(maru_dev *dev, uint32_t kind, uint64_t bytes, maru_dev_buffer **out_buffer)
{
    *out_buffer = NULL;
    MARU_TRY(maru_dev_check(dev, "alloc"));
    MARU_TRY(check_size(dev, kind, bytes));
    maru_abi_buffer *handle = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->buffer.alloc(dev->handle, kind, bytes, &handle, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "alloc", status, &error);
    if (!handle)
        return maru_dev_gave_nothing(dev, "alloc");
    return wrap(dev,
                (maru_dev_buffer){
                    .dev = dev,
                    .handle = handle,
                    .bytes = bytes,
                    .kind = kind,
                    .mem_flags = maru_dev_memory_kind(dev, kind)->flags,
                },
                out_buffer);
}

static maru_status import(maru_dev *dev, uint64_t needs, const maru_abi_external *external,
                          maru_dev_buffer **out_buffer)
{
    *out_buffer = NULL;
    MARU_TRY(maru_dev_check(dev, "import"));
    if (external->bytes == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: import: 0 bytes", dev->id);
    if (!dev->fns->buffer.import_external || maru_dev_find_memory_kind(dev, needs) == MARU_ABI_NO_INDEX)
        return maru_fail(MARU_UNSUPPORTED, "%s: import: no memory kind of it takes %s", dev->id,
                         external->kind == MARU_ABI_IMPORT_HOST_POINTER ? "a host pointer" : "a descriptor");
    maru_abi_buffer *handle = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->buffer.import_external(dev->handle, external, &handle, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "import", status, &error);
    if (!handle)
        return maru_dev_gave_nothing(dev, "import");
    return wrap(dev,
                (maru_dev_buffer){
                    .dev = dev,
                    .handle = handle,
                    .bytes = external->bytes,
                    .kind = MARU_ABI_NO_INDEX,
                    .host = external->pointer,
                },
                out_buffer);
}

maru_status maru_dev_buffer_import_host(maru_dev *dev, void *pointer, uint64_t bytes, bool read_only,
                                        maru_dev_buffer **out_buffer)
{
    *out_buffer = NULL;
    if (!pointer || ((uintptr_t)pointer & 63) != 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: import: a host pointer must be aligned to 64 bytes", dev->id);
    maru_abi_external external = {
        .head = MARU_ABI_HEAD(maru_abi_external),
        .kind = MARU_ABI_IMPORT_HOST_POINTER,
        .fd = -1,
        .bytes = bytes,
        .pointer = pointer,
        .flags = read_only,
    };
    return import(dev, MARU_ABI_MEM_IMPORT_HOST, &external, out_buffer);
}

maru_status maru_dev_buffer_import_fd(maru_dev *dev, int fd, uint64_t offset, uint64_t bytes, bool read_only,
                                      maru_dev_buffer **out_buffer)
{
    *out_buffer = NULL;
    if (fd < 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: import: %d is no descriptor", dev->id, fd);
    if (bytes > UINT64_MAX - offset)
        return maru_fail(MARU_OUT_OF_RANGE, "%s: import: [%llu, +%llu) is no range of a file", dev->id,
                         (unsigned long long)offset, (unsigned long long)bytes);
    maru_abi_external external = {
        .head = MARU_ABI_HEAD(maru_abi_external),
        .kind = MARU_ABI_IMPORT_FD,
        .fd = fd,
        .offset = offset,
        .bytes = bytes,
        .flags = read_only,
    };
    return import(dev, MARU_ABI_MEM_IMPORT_FD, &external, out_buffer);
}

maru_status maru_dev_buffer_export(maru_dev_buffer *buffer, uint32_t kind, maru_abi_external *out_external)
{
    maru_dev *dev = buffer->dev;
    *out_external = (maru_abi_external){.head = MARU_ABI_HEAD(maru_abi_external), .fd = -1};
    MARU_TRY(maru_dev_check(dev, "export"));
    if (kind != MARU_ABI_IMPORT_FD && kind != MARU_ABI_IMPORT_DMABUF)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: export: kind %u is neither a file nor a dmabuf", dev->id, kind);
    if (!dev->fns->buffer.export_external)
        return maru_dev_lacks(dev, "export_external");
    if (!(buffer->mem_flags & MARU_ABI_MEM_SHAREABLE))
        return maru_fail(MARU_UNSUPPORTED, "%s: export: the buffer's memory kind is not SHAREABLE", dev->id);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->buffer.export_external(buffer->handle, kind, out_external, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "export", status, &error);
    if (out_external->head.struct_size < sizeof *out_external || out_external->fd < 0 ||
        out_external->kind != kind || out_external->bytes < buffer->bytes)
        return maru_fail(MARU_INTERNAL, "%s: export: kind %u, descriptor %d, %llu bytes for a buffer of %llu", dev->id,
                         out_external->kind, out_external->fd, (unsigned long long)out_external->bytes,
                         (unsigned long long)buffer->bytes);
    return MARU_OK;
}

void maru_dev_buffer_free(maru_dev_buffer **buffer)
{
    maru_dev_buffer *b = *buffer;
    if (!b)
        return;
    *buffer = NULL;
    maru_dev_buffer_unmap(b);
    if (maru_dev_may_release(b->dev))
        b->dev->fns->buffer.free(b->handle);
    maru_dev_release(b->dev);
    free(b);
}

maru_status maru_dev_buffer_map(maru_dev_buffer *buffer, uint64_t offset, uint64_t bytes, uint32_t flags,
                                void **out_pointer)
{
    maru_dev *dev = buffer->dev;
    *out_pointer = NULL;
    MARU_TRY(maru_dev_check(dev, "map"));
    if (!(buffer->mem_flags & MARU_ABI_MEM_HOST_VISIBLE))
        return maru_fail(MARU_UNSUPPORTED, "%s: map: the buffer's memory is not HOST_VISIBLE", dev->id);
    if (buffer->mapped)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: map: the buffer is mapped already", dev->id);
    if (flags == 0 || (flags & ~(uint32_t)(MARU_ABI_MAP_READ | MARU_ABI_MAP_WRITE)))
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: map: flags 0x%x", dev->id, flags);
    maru_abi_binding place;
    maru_dev_binding wanted = {.buffer = buffer, .offset = offset, .bytes = bytes};
    MARU_TRY(maru_dev_take_binding(dev, "map", &wanted, &place));
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->buffer.map(buffer->handle, offset, bytes, flags, &buffer->mapped, &error);
    if (status != MARU_ABI_OK) {
        buffer->mapped = NULL;
        return maru_dev_fail(dev, "map", status, &error);
    }
    if (!buffer->mapped)
        return maru_dev_gave_nothing(dev, "map");
    *out_pointer = buffer->mapped;
    return MARU_OK;
}

void maru_dev_buffer_unmap(maru_dev_buffer *buffer)
{
    if (!buffer->mapped)
        return;
    buffer->mapped = NULL;
    if (maru_dev_may_release(buffer->dev))
        buffer->dev->fns->buffer.unmap(buffer->handle);
}

/* Blocks lie along the last dim; a tensor without dims has one element. */
static maru_status dense_bytes(const maru_dev *dev, const maru_abi_tensor_desc *desc, uint64_t *out_bytes)
{
    const maru_abi_dtype *dtype = &desc->dtype;
    uint64_t elements = 1;
    for (uint32_t i = 0; i < desc->rank; i++) {
        if (desc->dims[i] < 0 || (desc->dims[i] && elements > UINT64_MAX / (uint64_t)desc->dims[i]))
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: alloc_size: dim %u is %lld", dev->id, i,
                             (long long)desc->dims[i]);
        elements *= (uint64_t)desc->dims[i];
    }
    if (dtype->block_elements == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: alloc_size: dtype %u has blocks of 0 elements", dev->id,
                         dtype->id);
    uint64_t blocks = elements / dtype->block_elements + (elements % dtype->block_elements != 0);
    if (dtype->block_bytes && blocks > UINT64_MAX / dtype->block_bytes)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: alloc_size: the size overflows", dev->id);
    *out_bytes = blocks * dtype->block_bytes;
    return MARU_OK;
}

maru_status maru_dev_alloc_size(maru_dev *dev, const maru_abi_tensor_desc *desc, uint64_t *out_bytes)
{
    MARU_TRY(maru_dev_check(dev, "alloc_size"));
    MARU_TRY(dense_bytes(dev, desc, out_bytes));
    if (!dev->fns->buffer.alloc_size)
        return desc->layout == 0 ? MARU_OK : maru_dev_lacks(dev, "alloc_size, and the layout is its own");
    uint64_t dense = *out_bytes;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->buffer.alloc_size(dev->handle, desc, out_bytes, &error);
    if (status != MARU_ABI_OK)
        return maru_dev_fail(dev, "alloc_size", status, &error);
    if (desc->layout == 0 && *out_bytes < dense)
        return maru_fail(MARU_INTERNAL, "%s: alloc_size: %llu bytes do not hold a dense tensor of %llu", dev->id,
                         (unsigned long long)*out_bytes, (unsigned long long)dense);
    return MARU_OK;
}
