// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/device_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BINARY (1ull << 30)

static maru_status check_request(const maru_dev *dev, const maru_abi_module_request *request)
{
    MARU_TRY(maru_dev_check(dev, "module build"));
    if (!maru_dev_has_tier_k(dev))
        return maru_dev_lacks(dev, "tier K");
    if (!request->format || !request->data || request->bytes == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: module build: no source", dev->id);
    if (strcmp(request->format, "binary") != 0 && !maru_device_info_has_format(&dev->info, request->format))
        return maru_fail(MARU_UNSUPPORTED, "%s: module build: it takes no '%s'", dev->id, request->format);
    return MARU_OK;
}

static maru_status take_module(maru_dev *dev, maru_abi_job *job, maru_abi_module **out_handle)
{
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->kernel.module_take(job, out_handle, &error);
    maru_status code = MARU_OK;
    if (status != MARU_ABI_OK)
        code = maru_dev_fail(dev, "module build", status, &error);
    else if (!*out_handle)
        code = maru_dev_gave_nothing(dev, "module_take");
    dev->fns->job.destroy(job);
    return code;
}

maru_status maru_dev_module_build(maru_dev *dev, const maru_abi_module_request *request, const maru_dev_wait *wait,
                                  maru_dev_module **out_module)
{
    *out_module = NULL;
    MARU_TRY(check_request(dev, request));
    maru_abi_module_request r = *request;
    r.head = (maru_abi_head)MARU_ABI_HEAD(maru_abi_module_request);
    r.label = r.label ? r.label : "";
    maru_dev_module *module = calloc(1, sizeof *module);
    if (!module)
        return maru_fail_oom("a module");
    maru_abi_job *job = NULL;
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->kernel.module_build(dev->handle, &r, &job, &error);
    maru_status code = status == MARU_ABI_OK ? maru_dev_job_finish(dev, "module build", job, wait)
                                             : maru_dev_fail(dev, "module build", status, &error);
    if (code == MARU_OK)
        code = take_module(dev, job, &module->handle);
    if (code != MARU_OK) {
        free(module);
        return *r.label ? maru_fail_within(code, "%s", r.label) : code;
    }
    module->dev = dev;
    maru_dev_retain(dev);
    *out_module = module;
    return MARU_OK;
}

void maru_dev_module_destroy(maru_dev_module **module)
{
    maru_dev_module *m = *module;
    if (!m)
        return;
    *module = NULL;
    if (maru_dev_may_release(m->dev))
        m->dev->fns->kernel.module_destroy(m->handle);
    maru_dev_release(m->dev);
    free(m);
}

static maru_status read_binary(maru_dev_module *module, void *data, uint64_t room, uint64_t *out_bytes)
{
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = module->dev->fns->kernel.module_binary(module->handle, data, room, out_bytes, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(module->dev, "module_binary", status, &error);
}

maru_status maru_dev_module_binary(maru_dev_module *module, void **out_data, size_t *out_bytes)
{
    maru_dev *dev = module->dev;
    uint64_t bytes = 0;
    *out_data = NULL;
    *out_bytes = 0;
    MARU_TRY(maru_dev_check(dev, "module_binary"));
    if (!dev->fns->kernel.module_binary)
        return maru_dev_lacks(dev, "module_binary");
    MARU_TRY(read_binary(module, NULL, 0, &bytes));
    if (bytes == 0 || bytes > MAX_BINARY)
        return maru_fail(MARU_INTERNAL, "%s: module_binary: it has %llu bytes", dev->id, (unsigned long long)bytes);
    void *data = malloc((size_t)bytes);
    if (!data)
        return maru_fail_oom("a module's binary");
    uint64_t again = 0;
    maru_status status = read_binary(module, data, bytes, &again);
    if (status == MARU_OK && again != bytes)
        status = maru_fail(MARU_INTERNAL, "%s: module_binary: %llu bytes, then %llu", dev->id,
                           (unsigned long long)bytes, (unsigned long long)again);
    if (status != MARU_OK) {
        free(data);
        return status;
    }
    *out_data = data;
    *out_bytes = (size_t)bytes;
    return MARU_OK;
}

static maru_status read_kernel_info(maru_dev *dev, maru_dev_kernel *kernel)
{
    maru_abi_error error;
    maru_answer_init(&error);
    kernel->info = (maru_abi_kernel_info){.head = MARU_ABI_HEAD(maru_abi_kernel_info)};
    maru_abi_status status = dev->fns->kernel.kernel_info(kernel->handle, &kernel->info, &error);
    return status == MARU_ABI_OK ? MARU_OK : maru_dev_fail(dev, "kernel_info", status, &error);
}

maru_status maru_dev_kernel_create(maru_dev_module *module, const char *entry, maru_dev_kernel **out_kernel)
{
    maru_dev *dev = module->dev;
    *out_kernel = NULL;
    MARU_TRY(maru_dev_check(dev, "kernel create"));
    maru_dev_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel)
        return maru_fail_oom("a kernel");
    kernel->dev = dev;
    snprintf(kernel->name, sizeof kernel->name, "%s", entry);
    maru_abi_error error;
    maru_answer_init(&error);
    maru_abi_status status = dev->fns->kernel.kernel_create(module->handle, entry, &kernel->handle, &error);
    maru_status code = MARU_OK;
    if (status != MARU_ABI_OK)
        code = maru_fail_within(maru_dev_fail(dev, "kernel create", status, &error), "kernel '%s'", entry);
    else if (!kernel->handle)
        code = maru_dev_gave_nothing(dev, "kernel_create");
    else if ((code = read_kernel_info(dev, kernel)) != MARU_OK)
        dev->fns->kernel.kernel_destroy(kernel->handle);
    if (code != MARU_OK) {
        free(kernel);
        return code;
    }
    maru_dev_retain(dev);
    *out_kernel = kernel;
    return MARU_OK;
}

void maru_dev_kernel_destroy(maru_dev_kernel **kernel)
{
    maru_dev_kernel *k = *kernel;
    if (!k)
        return;
    *kernel = NULL;
    if (maru_dev_may_release(k->dev))
        k->dev->fns->kernel.kernel_destroy(k->handle);
    maru_dev_release(k->dev);
    free(k);
}

const maru_abi_kernel_info *maru_dev_kernel_info(const maru_dev_kernel *kernel)
{
    return &kernel->info;
}
