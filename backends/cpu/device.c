// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L

#include "cpu.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const maru_abi_compute_type compute_types[] = {
    {MARU_ABI_F32, MARU_ABI_F32},  {MARU_ABI_F32, MARU_ABI_F64}, {MARU_ABI_F64, MARU_ABI_F64},
    {MARU_ABI_F16, MARU_ABI_F32},  {MARU_ABI_BF16, MARU_ABI_F32}, {MARU_ABI_I8, MARU_ABI_I32},
    {MARU_ABI_U8, MARU_ABI_I32},
};

#define ARRAY(a) {(a), sizeof(a) / sizeof *(a), sizeof *(a)}

static maru_abi_status quiesce(maru_abi_plugin *plugin, maru_abi_error *error)
{
    (void)plugin; // no threads, and a submit has ended when it returns
    (void)error;
    return MARU_ABI_OK;
}

static maru_abi_status shut_down(maru_abi_plugin *plugin, maru_abi_error *error)
{
    int n = atomic_load(&plugin->n_devices);
    if (n > 0)
        return cpu_fail(error, MARU_ABI_BUSY, "%d device(s) are open", n);
    pthread_mutex_destroy(&plugin->mutex);
    cpu_free(plugin->host, plugin);
    return MARU_ABI_OK;
}

static maru_abi_status device_count(maru_abi_plugin *plugin, uint32_t *out_count, char *why, uint64_t why_bytes,
                                    maru_abi_error *error)
{
    (void)plugin;
    (void)error;
    if (why_bytes)
        why[0] = '\0';
    *out_count = 1;
    return MARU_ABI_OK;
}

static maru_abi_status device_info(maru_abi_plugin *plugin, uint32_t index, maru_abi_device_info *out,
                                   maru_abi_error *error)
{
    if (index != 0)
        return cpu_fail(error, MARU_ABI_NOT_FOUND, "there is no device %u, the processor is device 0", index);
    const cpu_facts *facts = cpu_machine(plugin);
    maru_abi_device_info info = {
        .head = MARU_ABI_HEAD(maru_abi_device_info),
        .uuid = "maru cpu 0",
        .kind = MARU_ABI_DEVICE_CPU,
        .numa_node = MARU_ABI_NO_INDEX,
        .caps = MARU_ABI_CAP_SYNCHRONOUS | MARU_ABI_CAP_PROFILE | MARU_ABI_CAP_HOST_SIGNAL |
                MARU_ABI_CAP_UNIFIED_MEMORY | MARU_ABI_CAP_FP64 | MARU_ABI_CAP_RECORD,
        .name = facts->name,
        .vendor = facts->vendor,
        .driver = "cpu " CPU_VERSION,
        .compute_units = plugin->host->thread_count(plugin->host->ctx),
        .clock_mhz = facts->clock_mhz,
        .cache_bytes = {facts->cache_bytes[0], facts->cache_bytes[1], facts->cache_bytes[2]},
        .address_bits = (uint32_t)(8 * sizeof(void *)),
        .n_queues = 64,
        .memory_kinds = ARRAY(facts->memory),
        .storage_dtypes = cpu_dtypes(),
        .compute_types = ARRAY(compute_types),
        .features = {facts->features, facts->n_features, sizeof facts->features[0]},
    };
    uint32_t room = out->head.struct_size < sizeof info ? out->head.struct_size : (uint32_t)sizeof info;
    info.head.struct_size = room;
    memcpy(out, &info, room);
    return MARU_ABI_OK;
}

/* ---- options ------------------------------------------------------------------ */

static int is_line(const char *line, size_t bytes, const char *text)
{
    return strlen(text) == bytes && memcmp(line, text, bytes) == 0;
}

static maru_abi_status take_option(maru_abi_device *device, const char *line, size_t bytes, maru_abi_error *error)
{
    if (bytes == 0)
        return MARU_ABI_OK;
    const int is_ref = is_line(line, bytes, "kernels=ref");
    const int is_vector = is_line(line, bytes, "kernels=vector");
    device->has_vector_kernels = !is_ref;
    device->has_libraries = !is_ref && !is_vector;
    if (!is_ref && !is_vector && !is_line(line, bytes, "kernels=all"))
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT,
                        "unknown option '%.*s'; there is kernels=ref, kernels=vector and kernels=all",
                        bytes > 100 ? 100 : (int)bytes, line);
    return MARU_ABI_OK;
}

/* MARU_CPU_MASK, a number: the instruction sets (CPU_ISA_*) that may be used. For tests of the lower paths. */
static uint32_t mask_of_environment(void)
{
    const char *mask = getenv("MARU_CPU_MASK");
    return mask && *mask ? (uint32_t)strtoul(mask, NULL, 0) : UINT32_MAX;
}

static maru_abi_status configure(maru_abi_device *device, const char *options, maru_abi_error *error)
{
    device->has_vector_kernels = 1;
    device->has_libraries = 1;
    device->isa = cpu_machine(device->plugin)->isa & mask_of_environment();
    for (const char *line = options; line && *line;) {
        size_t n = strcspn(line, "\n");
        maru_abi_status status = take_option(device, line, n, error);
        if (status != MARU_ABI_OK)
            return status;
        line += n + (line[n] == '\n');
    }
    return MARU_ABI_OK;
}

/* ---- open and close -------------------------------------------------------------- */

static maru_abi_status device_open(maru_abi_plugin *plugin, uint32_t index, const maru_abi_device_params *params,
                                   maru_abi_device **out_device, maru_abi_error *error)
{
    if (index != 0)
        return cpu_fail(error, MARU_ABI_NOT_FOUND, "there is no device %u, the processor is device 0", index);
    if (params->flags >> 32)
        return cpu_fail(error, MARU_ABI_UNSUPPORTED, "open: unknown flags 0x%llx", (unsigned long long)params->flags);
    maru_abi_device *device = cpu_alloc(plugin->host, 1, sizeof *device);
    if (!device)
        return cpu_no_memory(error, "a device");
    device->plugin = plugin;
    maru_abi_status status = configure(device, params->options, error);
    if (status != MARU_ABI_OK) {
        cpu_free(plugin->host, device);
        return status;
    }
    atomic_fetch_add(&plugin->n_devices, 1);
    *out_device = device;
    return MARU_ABI_OK;
}

static maru_abi_status device_close(maru_abi_device *device, uint32_t abandon, maru_abi_error *error)
{
    int n = atomic_load(&device->n_children);
    if (n > 0 && !abandon)
        return cpu_fail(error, MARU_ABI_BUSY, "%d object(s) of the device live", n);
    maru_abi_plugin *plugin = device->plugin;
    cpu_free(plugin->host, device);
    atomic_fetch_sub(&plugin->n_devices, 1);
    return MARU_ABI_OK;
}

static maru_abi_status mem_info(maru_abi_device *device, uint32_t memory_kind, maru_abi_mem_info *out,
                                maru_abi_error *error)
{
    if (memory_kind >= CPU_N_MEMORY)
        return cpu_fail(error, MARU_ABI_NOT_FOUND, "there is no memory kind %u", memory_kind);
    out->total_bytes = cpu_machine(device->plugin)->memory[memory_kind].total_bytes;
    out->free_bytes = 0;
    out->budget_bytes = 0;
#ifdef _SC_AVPHYS_PAGES
    long pages = sysconf(_SC_AVPHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    out->free_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
#endif
    return MARU_ABI_OK;
}

const maru_abi_plugin_fns cpu_plugin_fns = {
    .head = MARU_ABI_HEAD(maru_abi_plugin_fns),
    .quiesce = quiesce,
    .shutdown = shut_down,
    .device_count = device_count,
    .device_info = device_info,
    .device_open = device_open,
    .device_close = device_close,
    .mem_info = mem_info,
};
