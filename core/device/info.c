// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/info.h"

#include "base/fail.h"
#include "device/answer.h"
#include "device/plugin_impl.h"
#include "device/tables.h"

#include <string.h>

#define MAX_RECORDS 4096u

/* One array of a description: where it is, and how large a record this host knows. */
typedef struct {
    size_t offset;
    uint32_t record_bytes;
    bool of_strings;
    const char *name;
} array_member;

#define RECORDS(name, type) {offsetof(maru_abi_device_info, name), sizeof(type), false, #name}
#define STRINGS(name) {offsetof(maru_abi_device_info, name), sizeof(const char *), true, #name}

static const array_member arrays[] = {
    RECORDS(memory_kinds, maru_abi_memory_kind),
    RECORDS(storage_dtypes, maru_abi_dtype),
    RECORDS(compute_types, maru_abi_compute_type),
    RECORDS(matrix_shapes, maru_abi_matrix_shape),
    RECORDS(subgroup_sizes, uint32_t),
    STRINGS(source_formats),
    RECORDS(peers, uint32_t),
    STRINGS(features),
};

static maru_abi_array *array_at(maru_abi_device_info *info, const array_member *m)
{
    return (maru_abi_array *)(void *)((char *)info + m->offset);
}

static maru_status take_array(const char *what, maru_arena *arena, const array_member *m, maru_abi_array *array)
{
    if (m->of_strings && array->count && array->stride < m->record_bytes)
        return maru_fail(MARU_INTERNAL, "%s: device_info: '%s' has stride %u, a pointer has %u bytes", what, m->name,
                         array->stride, m->record_bytes);
    MARU_TRY(maru_tables_take_array(what, m->name, arena, m->record_bytes, MAX_RECORDS, array));
    const char **texts = (const char **)(uintptr_t)array->data;
    for (uint32_t i = 0; m->of_strings && i < array->count; i++)
        MARU_TRY(maru_tables_take_text(arena, &texts[i]));
    return MARU_OK;
}

static maru_status check_kinds(const char *what, const maru_abi_device_info *info)
{
    if (info->memory_kinds.count == 0)
        return maru_fail(MARU_INTERNAL, "%s: device_info: '%s' has no memory kind", what, info->name);
    for (uint32_t i = 0; i < info->memory_kinds.count; i++) {
        uint64_t align = MARU_ABI_AT(maru_abi_memory_kind, info->memory_kinds, i)->alignment;
        if (align == 0 || (align & (align - 1)) != 0)
            return maru_fail(MARU_INTERNAL, "%s: device_info: memory kind %u of '%s' has alignment %llu", what, i,
                             info->name, (unsigned long long)align);
    }
    return MARU_OK;
}

maru_status maru_device_info_get(const maru_plugin *plugin, uint32_t index, maru_arena *arena,
                                 maru_abi_device_info *out_info)
{
    maru_abi_error error;
    maru_answer_init(&error);
    *out_info = (maru_abi_device_info){.head = MARU_ABI_HEAD(maru_abi_device_info)};
    maru_abi_status status = plugin->fns.plugin.device_info(plugin->handle, index, out_info, &error);
    if (status != MARU_ABI_OK)
        return maru_answer_fail(plugin->what, "device_info", status, &error);
    uint32_t filled = out_info->head.struct_size;
    if (filled < offsetof(maru_abi_device_info, features) || filled > sizeof *out_info)
        return maru_fail(MARU_INTERNAL, "%s: device_info filled %u bytes of a record of %zu", plugin->what, filled,
                         sizeof *out_info);
    memset((char *)out_info + filled, 0, sizeof *out_info - filled);
    out_info->head = (maru_abi_head)MARU_ABI_HEAD(maru_abi_device_info);
    MARU_TRY(maru_tables_take_text(arena, &out_info->name));
    MARU_TRY(maru_tables_take_text(arena, &out_info->vendor));
    MARU_TRY(maru_tables_take_text(arena, &out_info->driver));
    MARU_TRY(maru_tables_take_text(arena, &out_info->bus_id));
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        MARU_TRY(take_array(plugin->what, arena, &arrays[i], array_at(out_info, &arrays[i])));
    return check_kinds(plugin->what, out_info);
}

static bool has_string(maru_abi_array array, const char *text)
{
    for (uint32_t i = 0; i < array.count; i++) {
        if (strcmp(*MARU_ABI_AT(const char *, array, i), text) == 0)
            return true;
    }
    return false;
}

bool maru_device_info_has_feature(const maru_abi_device_info *info, const char *feature)
{
    return has_string(info->features, feature);
}

bool maru_device_info_has_format(const maru_abi_device_info *info, const char *format)
{
    return has_string(info->source_formats, format);
}

bool maru_device_info_has_dtype(const maru_abi_device_info *info, uint32_t dtype)
{
    for (uint32_t i = 0; i < info->storage_dtypes.count; i++) {
        if (MARU_ABI_AT(maru_abi_dtype, info->storage_dtypes, i)->id == dtype)
            return true;
    }
    return false;
}

const char *maru_device_kind_name(uint32_t kind)
{
    switch (kind) {
    case MARU_ABI_DEVICE_CPU: return "cpu";
    case MARU_ABI_DEVICE_GPU: return "gpu";
    case MARU_ABI_DEVICE_NPU: return "npu";
    case MARU_ABI_DEVICE_DSP: return "dsp";
    default: return "other";
    }
}
