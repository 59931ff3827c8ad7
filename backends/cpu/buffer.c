// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // memfd_create, seals

#include "cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };

static maru_abi_status new_buffer(maru_abi_device *device, maru_abi_buffer made, maru_abi_buffer **out_buffer,
                                  maru_abi_error *error)
{
    maru_abi_buffer *buffer = cpu_alloc(device->plugin->host, 1, sizeof *buffer);
    if (!buffer)
        return cpu_no_memory(error, "a buffer");
    *buffer = made;
    buffer->device = device;
    atomic_fetch_add(&device->n_children, 1);
    *out_buffer = buffer;
    return MARU_ABI_OK;
}

/* What the buffer has beside its record. */
static void release(const maru_abi_host *host, const maru_abi_buffer *buffer)
{
    if (buffer->mapped)
        munmap(buffer->mapped, buffer->mapped_bytes);
    else if (!buffer->is_imported)
        cpu_free(host, buffer->memory);
    if (buffer->fd >= 0)
        close(buffer->fd);
}

static maru_abi_status keep(maru_abi_device *device, maru_abi_buffer made, maru_abi_buffer **out_buffer,
                            maru_abi_error *error)
{
    maru_abi_status status = new_buffer(device, made, out_buffer, error);
    if (status != MARU_ABI_OK)
        release(device->plugin->host, &made);
    return status;
}

/* ---- memory of two kinds ------------------------------------------------------- */

/* A hidden file: whoever gets its descriptor maps the same pages. Nobody can cut it short under a reader. */
static maru_abi_status alloc_shareable(maru_abi_device *device, uint64_t bytes, maru_abi_buffer **out_buffer,
                                       maru_abi_error *error)
{
    maru_abi_buffer made = {.bytes = bytes, .mapped_bytes = bytes};
    made.fd = memfd_create("maru", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made.fd < 0)
        return cpu_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "shared memory: %s", strerror(errno));
    if (bytes > INT64_MAX || ftruncate(made.fd, (off_t)bytes) != 0 ||
        fcntl(made.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        const int reason = errno;
        close(made.fd);
        return cpu_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "%llu bytes of shared memory: %s",
                        (unsigned long long)bytes, strerror(reason));
    }
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, made.fd, 0);
    if (memory == MAP_FAILED) {
        close(made.fd);
        return cpu_no_memory(error, "a shared buffer");
    }
    made.memory = memory;
    made.mapped = memory;
    return keep(device, made, out_buffer, error);
}

static maru_abi_status buffer_alloc(maru_abi_device *device, uint32_t memory_kind, uint64_t bytes,
                                    maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    bytes = bytes ? bytes : 1;
    if (memory_kind == CPU_MEMORY_SHAREABLE)
        return alloc_shareable(device, bytes, out_buffer, error);
    if (memory_kind != CPU_MEMORY_OWN)
        return cpu_fail(error, MARU_ABI_NOT_FOUND, "there is no memory kind %u", memory_kind);
    maru_abi_buffer made = {.bytes = bytes, .fd = -1, .memory = host->alloc(host->ctx, bytes, ALIGNMENT)};
    return made.memory ? keep(device, made, out_buffer, error) : cpu_no_memory(error, "a buffer");
}

/* ---- import and export ------------------------------------------------------------ */

static maru_abi_status import_pointer(maru_abi_device *device, const maru_abi_external *external,
                                      maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    if (!external->pointer)
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT, "import: no pointer");
    const maru_abi_buffer made = {.memory = external->pointer, .bytes = external->bytes, .is_imported = 1, .fd = -1};
    return keep(device, made, out_buffer, error);
}

/* A range outside of the file would be a bus error in some later run. */
static maru_abi_status check_file(const maru_abi_external *external, maru_abi_error *error)
{
    struct stat st;
    if (external->fd < 0 || fstat(external->fd, &st) != 0)
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT, "import: %d is no open descriptor", external->fd);
    if (!S_ISREG(st.st_mode))
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "import: descriptor %d is no file that can be mapped",
                        external->fd);
    const uint64_t size = (uint64_t)st.st_size;
    if (external->bytes == 0 || external->offset > size || external->bytes > size - external->offset)
        return cpu_fail(error, MARU_ABI_OUT_OF_RANGE, "import: [%llu, +%llu) lies outside a file of %llu bytes",
                        (unsigned long long)external->offset, (unsigned long long)external->bytes,
                        (unsigned long long)size);
    if (external->offset % ALIGNMENT)
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT, "import: offset %llu is no multiple of %d",
                        (unsigned long long)external->offset, ALIGNMENT);
    return MARU_ABI_OK;
}

static maru_abi_status import_file(maru_abi_device *device, const maru_abi_external *external,
                                   maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    maru_abi_status status = check_file(external, error);
    if (status != MARU_ABI_OK)
        return status;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t skew = external->offset % page;
    const int protection = PROT_READ | (external->flags & CPU_IMPORT_READ_ONLY ? 0 : PROT_WRITE);
    maru_abi_buffer made = {.bytes = external->bytes, .mapped_bytes = external->bytes + skew, .is_imported = 1,
                            .fd = -1};
    void *memory = mmap(NULL, made.mapped_bytes, protection, MAP_SHARED, external->fd,
                        (off_t)(external->offset - skew));
    if (memory == MAP_FAILED)
        return cpu_fail(error, errno == EACCES || errno == EPERM ? MARU_ABI_PERMISSION_DENIED
                                                                 : MARU_ABI_RESOURCE_EXHAUSTED,
                        "import: descriptor %d cannot be mapped%s: %s", external->fd,
                        protection & PROT_WRITE ? " for writing" : "", strerror(errno));
    made.mapped = memory;
    made.memory = (char *)memory + skew;
    return keep(device, made, out_buffer, error);
}

static maru_abi_status buffer_import(maru_abi_device *device, const maru_abi_external *external,
                                     maru_abi_buffer **out_buffer, maru_abi_error *error)
{
    if (external->flags >> 32)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "import: unknown flags 0x%llx",
                        (unsigned long long)external->flags);
    if (external->kind == MARU_ABI_IMPORT_HOST_POINTER)
        return import_pointer(device, external, out_buffer, error);
    if (external->kind == MARU_ABI_IMPORT_FD)
        return import_file(device, external, out_buffer, error);
    return cpu_fail(error, MARU_ABI_UNSUPPORTED, "import: host pointers and files can be imported, not kind %u",
                    external->kind);
}

static maru_abi_status buffer_export(maru_abi_buffer *buffer, uint32_t kind, maru_abi_external *out,
                                     maru_abi_error *error)
{
    if (kind != MARU_ABI_IMPORT_FD)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "export: a buffer becomes a file, not kind %u", kind);
    if (buffer->fd < 0)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "export: the buffer is not of the shareable kind of memory");
    const int fd = fcntl(buffer->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return cpu_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "export: %s", strerror(errno));
    maru_abi_external external = {
        .head = MARU_ABI_HEAD(maru_abi_external),
        .kind = MARU_ABI_IMPORT_FD,
        .fd = fd,
        .bytes = buffer->bytes,
    };
    external.head.struct_size = out->head.struct_size < sizeof external ? out->head.struct_size
                                                                       : (uint32_t)sizeof external;
    memcpy(out, &external, external.head.struct_size);
    return MARU_ABI_OK;
}

/* ---- the rest ------------------------------------------------------------------------ */

static void buffer_free(maru_abi_buffer *buffer)
{
    const maru_abi_host *host = buffer->device->plugin->host;
    release(host, buffer);
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
    .export_external = buffer_export,
    .free = buffer_free,
    .map = buffer_map,
    .unmap = buffer_unmap,
};
