// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/tables.h"

#include "base/fail.h"

#include <string.h>

typedef struct {
    size_t offset;
    size_t bytes;
    const char *name;
} member;

#define MEMBER(type, name) {offsetof(type, name), sizeof(((type *)0)->name), #name}
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- the members that a plugin may not leave out --------------------------- */

static const member entry_members[] = {
    MEMBER(maru_abi_entry, name),
    MEMBER(maru_abi_entry, version),
    MEMBER(maru_abi_entry, create),
};

static const member api_members[] = {
    MEMBER(maru_abi_plugin_api, plugin),       MEMBER(maru_abi_plugin_api, plugin_fns),
    MEMBER(maru_abi_plugin_api, buffer_fns),   MEMBER(maru_abi_plugin_api, queue_fns),
    MEMBER(maru_abi_plugin_api, fence_fns),    MEMBER(maru_abi_plugin_api, job_fns),
};

static const member plugin_members[] = {
    MEMBER(maru_abi_plugin_fns, quiesce),      MEMBER(maru_abi_plugin_fns, shutdown),
    MEMBER(maru_abi_plugin_fns, device_count), MEMBER(maru_abi_plugin_fns, device_info),
    MEMBER(maru_abi_plugin_fns, device_open),  MEMBER(maru_abi_plugin_fns, device_close),
    MEMBER(maru_abi_plugin_fns, mem_info),
};

static const member buffer_members[] = {
    MEMBER(maru_abi_buffer_fns, alloc),
    MEMBER(maru_abi_buffer_fns, free),
    MEMBER(maru_abi_buffer_fns, map),
    MEMBER(maru_abi_buffer_fns, unmap),
};

static const member queue_members[] = {
    MEMBER(maru_abi_queue_fns, create),
    MEMBER(maru_abi_queue_fns, destroy),
    MEMBER(maru_abi_queue_fns, submit),
};

static const member record_members[] = {
    MEMBER(maru_abi_queue_fns, recording_destroy),
    MEMBER(maru_abi_queue_fns, replay),
};

static const member fence_members[] = {
    MEMBER(maru_abi_fence_fns, create), MEMBER(maru_abi_fence_fns, destroy), MEMBER(maru_abi_fence_fns, query),
    MEMBER(maru_abi_fence_fns, wait),   MEMBER(maru_abi_fence_fns, signal),  MEMBER(maru_abi_fence_fns, fail),
    MEMBER(maru_abi_fence_fns, arm),
};

static const member job_members[] = {
    MEMBER(maru_abi_job_fns, poll),
    MEMBER(maru_abi_job_fns, wait),
    MEMBER(maru_abi_job_fns, cancel),
    MEMBER(maru_abi_job_fns, destroy),
};

static const member kernel_members[] = {
    MEMBER(maru_abi_kernel_fns, module_build),   MEMBER(maru_abi_kernel_fns, module_take),
    MEMBER(maru_abi_kernel_fns, module_destroy), MEMBER(maru_abi_kernel_fns, kernel_create),
    MEMBER(maru_abi_kernel_fns, kernel_destroy), MEMBER(maru_abi_kernel_fns, kernel_info),
};

static const member graph_members[] = {
    MEMBER(maru_abi_graph_fns, claim),           MEMBER(maru_abi_graph_fns, claim_take),
    MEMBER(maru_abi_graph_fns, compile),         MEMBER(maru_abi_graph_fns, compile_take),
    MEMBER(maru_abi_graph_fns, program_destroy), MEMBER(maru_abi_graph_fns, program_info),
};

static const member bind_members[] = {
    MEMBER(maru_abi_graph_fns, bound_destroy),
};

/* ---- checks ----------------------------------------------------------------- */

static bool is_zero(const void *at, size_t bytes)
{
    const unsigned char *p = at;
    for (size_t i = 0; i < bytes; i++) {
        if (p[i])
            return false;
    }
    return true;
}

static maru_status check_members(const char *what, const char *table, const void *data, size_t struct_size,
                                 const member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const member *m = &members[i];
        if (struct_size < m->offset + m->bytes)
            return maru_fail(MARU_FAILED_PRECONDITION,
                             "%s: its %s is too short (%zu bytes): member '%s' ends at %zu", what, table,
                             struct_size, m->name, m->offset + m->bytes);
        if (is_zero((const char *)data + m->offset, m->bytes))
            return maru_fail(MARU_FAILED_PRECONDITION, "%s does not implement '%s' of its %s", what, m->name, table);
    }
    return MARU_OK;
}

static maru_status check_head(const char *what, const char *table, const maru_abi_head *head)
{
    if (head->major != MARU_ABI_MAJOR)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: its %s has major version %u, this host speaks %d", what,
                         table, head->major, MARU_ABI_MAJOR);
    return MARU_OK;
}

/* Copies a table to this host's size; what it is too short for stays NULL. */
static maru_status take(const char *what, const char *table, const void *from, void *to, size_t to_bytes,
                        const member *members, size_t count)
{
    maru_abi_head head;
    memcpy(&head, from, sizeof head);
    MARU_TRY(check_head(what, table, &head));
    MARU_TRY(check_members(what, table, from, head.struct_size, members, count));
    memset(to, 0, to_bytes);
    memcpy(to, from, head.struct_size < to_bytes ? head.struct_size : to_bytes);
    return MARU_OK;
}

maru_status maru_tables_check_entry(const char *what, const maru_manifest *manifest, const maru_abi_entry *entry)
{
    MARU_TRY(check_head(what, "entry", &entry->head));
    MARU_TRY(check_members(what, "entry", entry, entry->head.struct_size, entry_members, COUNT(entry_members)));
    if (MARU_ABI_SEAL == 0 && entry->abi_hash != MARU_ABI_HASH)
        return maru_fail(MARU_FAILED_PRECONDITION,
                         "%s: its entry is built from other headers than this host (hash %016llx, not %016llx)", what,
                         (unsigned long long)entry->abi_hash, (unsigned long long)MARU_ABI_HASH);
    if (strcmp(entry->name, manifest->name) != 0)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: its entry says name '%.40s', its manifest '%s'", what,
                         entry->name, manifest->name);
    return MARU_OK;
}

static maru_status check_tier(const char *what, const char *tier, const char *table, bool in_manifest, bool in_api)
{
    if (in_manifest && !in_api)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s does not implement '%s', but its manifest says tier %s", what,
                         table, tier);
    if (in_api && !in_manifest)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: it gives '%s', but its manifest does not say tier %s", what,
                         table, tier);
    return MARU_OK;
}

static maru_status take_tiers(const char *what, const maru_manifest *manifest, const maru_abi_plugin_api *api,
                              maru_plugin_tables *out)
{
    MARU_TRY(check_tier(what, "K", "kernel_fns", manifest->tier_k, api->kernel_fns != NULL));
    MARU_TRY(check_tier(what, "G", "graph_fns", manifest->tier_g, api->graph_fns != NULL));
    if (api->kernel_fns)
        MARU_TRY(take(what, "kernel_fns", api->kernel_fns, &out->kernel, sizeof out->kernel, kernel_members,
                      COUNT(kernel_members)));
    if (!api->graph_fns)
        return MARU_OK;
    MARU_TRY(take(what, "graph_fns", api->graph_fns, &out->graph, sizeof out->graph, graph_members,
                  COUNT(graph_members)));
    if (out->graph.program_bind)
        return check_members(what, "graph_fns", &out->graph, sizeof out->graph, bind_members, COUNT(bind_members));
    return MARU_OK;
}

maru_status maru_tables_take(const char *what, const maru_manifest *manifest, const maru_abi_plugin_api *api,
                             maru_plugin_tables *out, maru_abi_plugin **out_handle)
{
    maru_abi_plugin_api copy;
    *out = (maru_plugin_tables){0};
    *out_handle = NULL;
    MARU_TRY(take(what, "plugin_api", api, &copy, sizeof copy, api_members, COUNT(api_members)));
    *out_handle = copy.plugin;
    MARU_TRY(take(what, "plugin_fns", copy.plugin_fns, &out->plugin, sizeof out->plugin, plugin_members,
                  COUNT(plugin_members)));
    MARU_TRY(take(what, "buffer_fns", copy.buffer_fns, &out->buffer, sizeof out->buffer, buffer_members,
                  COUNT(buffer_members)));
    MARU_TRY(take(what, "queue_fns", copy.queue_fns, &out->queue, sizeof out->queue, queue_members,
                  COUNT(queue_members)));
    MARU_TRY(take(what, "fence_fns", copy.fence_fns, &out->fence, sizeof out->fence, fence_members,
                  COUNT(fence_members)));
    MARU_TRY(take(what, "job_fns", copy.job_fns, &out->job, sizeof out->job, job_members, COUNT(job_members)));
    if (out->queue.record)
        MARU_TRY(check_members(what, "queue_fns", &out->queue, sizeof out->queue, record_members,
                               COUNT(record_members)));
    return take_tiers(what, manifest, &copy, out);
}

/* ---- arrays ------------------------------------------------------------------- */

maru_status maru_tables_take_text(maru_arena *arena, const char **text)
{
    *text = maru_arena_strdup(arena, *text ? *text : "");
    return *text ? MARU_OK : maru_fail_oom("a plugin's text");
}

maru_status maru_tables_take_array(const char *what, const char *name, maru_arena *arena, size_t record_bytes,
                                   uint32_t max_records, maru_abi_array *array)
{
    if (array->count == 0) {
        *array = (maru_abi_array){.stride = (uint32_t)record_bytes};
        return MARU_OK;
    }
    if (!array->data || array->stride == 0 || array->count > max_records)
        return maru_fail(MARU_INTERNAL, "%s: '%s' has %u records of stride %u%s", what, name, array->count,
                         array->stride, array->data ? "" : " and no data");
    char *copy = maru_arena_alloc_array(arena, array->count, record_bytes);
    if (!copy)
        return maru_fail_oom("a plugin's array");
    size_t n = array->stride < record_bytes ? array->stride : record_bytes;
    for (uint32_t i = 0; i < array->count; i++)
        memcpy(copy + i * record_bytes, (const char *)array->data + (size_t)i * array->stride, n);
    *array = (maru_abi_array){.data = copy, .count = array->count, .stride = (uint32_t)record_bytes};
    return MARU_OK;
}
