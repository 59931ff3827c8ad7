// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device.h"

#include "base/log.h"
#include "device/device_impl.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- shared by the wrappers ------------------------------------------------- */

maru_status maru_dev_check_slow(const maru_dev *dev, const char *call)
{
    if (*dev->fork_flag != 1)
        return maru_fail(MARU_FAILED_PRECONDITION,
                         "%s: %s: the device was opened before this process was forked; open it here", dev->id, call);
    if (atomic_load(&dev->closed))
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: %s: the device is closed", dev->id, call);
    return maru_fail(MARU_DEVICE_LOST, "%s: %s: the device was lost", dev->id, call);
}

maru_status maru_dev_fail(maru_dev *dev, const char *call, maru_abi_status status, maru_abi_error *error)
{
    if (status == MARU_ABI_DEVICE_LOST)
        maru_dev_mark_lost(dev);
    return maru_answer_fail(dev->id, call, status, error);
}

maru_status maru_dev_lacks(const maru_dev *dev, const char *what)
{
    return maru_fail(MARU_UNSUPPORTED, "%s: %s does not implement %s", dev->id, dev->plugin->what, what);
}

maru_status maru_dev_gave_nothing(const maru_dev *dev, const char *call)
{
    return maru_fail(MARU_INTERNAL, "%s: %s answered OK and gave nothing", dev->id, call);
}

static void free_dev(maru_dev *dev)
{
    maru_os_fork_flag_destroy(&dev->fork_flag);
    maru_arena_fini(&dev->arena);
    free(dev);
}

/* The open device itself counts as one object, so that exactly one of close and the last release frees it. */
void maru_dev_retain(maru_dev *dev)
{
    atomic_fetch_add_explicit(&dev->n_objects, 1, memory_order_relaxed);
}

void maru_dev_release(maru_dev *dev)
{
    if (atomic_fetch_sub_explicit(&dev->n_objects, 1, memory_order_acq_rel) == 1)
        free_dev(dev);
}

/* ---- open and close ------------------------------------------------------------ */

static maru_status open_handle(maru_dev *dev, uint32_t index, const char *options)
{
    maru_abi_device_params params = {.head = MARU_ABI_HEAD(maru_abi_device_params), .options = options};
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status =
        dev->fns->plugin.device_open(dev->plugin->handle, index, &params, &dev->handle, &error);
    if (status != MARU_ABI_OK)
        return maru_answer_fail(dev->id, "open", status, &error);
    return dev->handle ? MARU_OK : maru_dev_gave_nothing(dev, "device_open");
}

maru_status maru_dev_open(maru_plugin *plugin, uint32_t index, const char *options, maru_dev **out_dev)
{
    *out_dev = NULL;
    maru_dev *dev = calloc(1, sizeof *dev);
    if (!dev)
        return maru_fail_oom("a device");
    dev->plugin = plugin;
    dev->fns = &plugin->fns;
    dev->fork_flag = maru_os_fork_flag_create();
    atomic_init(&dev->n_objects, 1);
    atomic_init(&dev->lost, false);
    atomic_init(&dev->closed, false);
    snprintf(dev->id, sizeof dev->id, "%s:%u", maru_plugin_name(plugin), index);
    maru_status status = dev->fork_flag ? maru_device_info_get(plugin, index, &dev->arena, &dev->info)
                                        : maru_fail_oom("a device");
    if (status == MARU_OK)
        status = open_handle(dev, index, options);
    if (status != MARU_OK) {
        free_dev(dev);
        return status;
    }
    atomic_fetch_add(&plugin->n_open, 1);
    *out_dev = dev;
    return MARU_OK;
}

static maru_status close_handle(maru_dev *dev, bool abandon, bool *out_clean)
{
    *out_clean = false;
    if (*dev->fork_flag != 1)
        return abandon ? MARU_OK : maru_dev_check_slow(dev, "close");
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->plugin.device_close(dev->handle, abandon, &error);
    *out_clean = status == MARU_ABI_OK;
    if (*out_clean)
        return MARU_OK;
    maru_status code = maru_answer_fail(dev->id, "close", status, &error);
    if (!abandon)
        return code;
    maru_log(MARU_LOG_WARN, "%s", maru_error_message());
    return MARU_OK;
}

maru_status maru_dev_close(maru_dev **dev, bool abandon)
{
    maru_dev *d = *dev;
    if (!d)
        return MARU_OK;
    int living = atomic_load_explicit(&d->n_objects, memory_order_acquire) - 1;
    if (living > 0 && !abandon)
        return maru_fail(MARU_UNAVAILABLE, "%s: close: %d of its objects live", d->id, living);
    bool is_clean = false;
    MARU_TRY(close_handle(d, abandon, &is_clean));
    is_clean = is_clean && living == 0;
    if (!is_clean)
        atomic_store(&d->plugin->was_abandoned, true);
    atomic_store(&d->closed, true);
    maru_dev_end_retired(d, is_clean);
    atomic_fetch_sub(&d->plugin->n_open, 1);
    *dev = NULL;
    maru_dev_release(d);
    return MARU_OK;
}

maru_status maru_dev_reset(maru_dev *dev)
{
    if (!maru_dev_may_release(dev))
        return maru_dev_check_slow(dev, "reset");
    if (!dev->fns->plugin.device_reset)
        return maru_dev_lacks(dev, "device_reset");
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->plugin.device_reset(dev->handle, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "reset", status, &error);
}

/* ---- what it is ------------------------------------------------------------------ */

const char *maru_dev_id(const maru_dev *dev)
{
    return dev->id;
}

maru_plugin *maru_dev_plugin(const maru_dev *dev)
{
    return dev->plugin;
}

const maru_abi_device_info *maru_dev_info(const maru_dev *dev)
{
    return &dev->info;
}

bool maru_dev_has_tier_k(const maru_dev *dev)
{
    return dev->fns->kernel.module_build != NULL;
}

bool maru_dev_has_tier_g(const maru_dev *dev)
{
    return dev->fns->graph.claim != NULL;
}

bool maru_dev_is_lost(const maru_dev *dev)
{
    return atomic_load_explicit(&dev->lost, memory_order_relaxed);
}

void maru_dev_mark_lost(maru_dev *dev)
{
    if (!atomic_exchange(&dev->lost, true))
        maru_log(MARU_LOG_WARN, "%s: the device was lost", dev->id);
}

uint32_t maru_dev_find_memory_kind(const maru_dev *dev, uint64_t flags)
{
    for (uint32_t i = 0; i < dev->info.memory_kinds.count; i++) {
        if ((maru_dev_memory_kind(dev, i)->flags & flags) == flags)
            return i;
    }
    return MARU_ABI_NO_INDEX;
}

const maru_abi_memory_kind *maru_dev_memory_kind(const maru_dev *dev, uint32_t kind)
{
    if (kind >= dev->info.memory_kinds.count)
        return NULL;
    return MARU_ABI_AT(maru_abi_memory_kind, dev->info.memory_kinds, kind);
}

maru_status maru_dev_mem_info(maru_dev *dev, uint32_t kind, maru_abi_mem_info *out_info)
{
    *out_info = (maru_abi_mem_info){.head = MARU_ABI_HEAD(maru_abi_mem_info)};
    MARU_TRY(maru_dev_check(dev, "mem_info"));
    if (kind >= dev->info.memory_kinds.count)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: mem_info: there is no memory kind %u", dev->id, kind);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->plugin.mem_info(dev->handle, kind, out_info, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "mem_info", status, &error);
}
