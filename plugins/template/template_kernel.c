// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Tier K, to copy: one device whose compiler refuses every source. */

#include "host_device.h"

#include <maru/plugin_kernel.h>

/* What your compiler makes of a source. */
struct maru_abi_module {
    maru_abi_device *device;
};

static maru_abi_status module_build(maru_abi_device *device, const maru_abi_module_request *request,
                                    maru_abi_job **out_job, maru_abi_error *error)
{
    (void)device;
    (void)out_job;
    if (request->flags >> 32)
        return tpl_fail(error, MARU_ABI_UNSUPPORTED, "unknown flags");
    /* Build request->data with request->definitions, then: return tpl_job_done(host, module, drop, out_job, error). */
    return tpl_fail(error, MARU_ABI_UNSUPPORTED, "the template has no compiler");
}

static maru_abi_status module_take(maru_abi_job *job, maru_abi_module **out_module, maru_abi_error *error)
{
    if (!job->product)
        return tpl_fail(error, MARU_ABI_FAILED_PRECONDITION, "the module was taken already");
    *out_module = job->product;
    job->product = NULL;
    return MARU_ABI_OK;
}

static void module_destroy(maru_abi_module *module)
{
    const maru_abi_host *host = module->device->plugin->host;
    host->free(host->ctx, module);
}

static maru_abi_status kernel_create(maru_abi_module *module, const char *entry, maru_abi_kernel **out_kernel,
                                     maru_abi_error *error)
{
    (void)module;
    (void)entry;
    (void)out_kernel;
    return tpl_fail(error, MARU_ABI_NOT_FOUND, "the template has no kernels");
}

static void kernel_destroy(maru_abi_kernel *kernel)
{
    (void)kernel;
}

static maru_abi_status kernel_info(maru_abi_kernel *kernel, maru_abi_kernel_info *out_info, maru_abi_error *error)
{
    (void)kernel;
    (void)out_info;
    return tpl_fail(error, MARU_ABI_NOT_FOUND, "the template has no kernels");
}

static const maru_abi_kernel_fns kernel_fns = {
    .head = MARU_ABI_HEAD(maru_abi_kernel_fns),
    .module_build = module_build,
    .module_take = module_take,
    .module_destroy = module_destroy,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .kernel_info = kernel_info,
};

/* Answer 1 to MARU_ABI_CMD_DISPATCH once `execute` launches kernels. */
static int knows(uint32_t kind)
{
    (void)kind;
    return 0;
}

static maru_abi_status execute(maru_abi_queue *queue, const maru_abi_command *command, maru_abi_error *error)
{
    (void)queue;
    (void)command;
    return tpl_fail(error, MARU_ABI_UNSUPPORTED, "the template launches nothing");
}

static const tpl_hooks hooks = {.device_name = "template of tier K", .knows = knows, .execute = execute};

static maru_abi_status create(const maru_abi_host *host, const maru_abi_create_params *params,
                              const maru_abi_plugin_api **out_api, maru_abi_error *error)
{
    if (params->options && params->options[0])
        return tpl_fail(error, MARU_ABI_INVALID_ARGUMENT, "the plugin has no options");
    maru_abi_plugin *plugin = tpl_create(host, &hooks);
    if (!plugin)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for the plugin");
    plugin->api.kernel_fns = &kernel_fns;
    *out_api = &plugin->api;
    return MARU_ABI_OK;
}

MARU_PLUGIN_MANIFEST("name=template-kernel\n"
                     "vendor=The Maru authors\n"
                     "version=1.0.0\n"
                     "licence=Apache-2.0\n"
                     "tiers=K\n"
                     "dtypes=f32,i32,i64\n");

static const maru_abi_entry entry = {
    .head = MARU_ABI_HEAD(maru_abi_entry),
    .abi_hash = MARU_ABI_HASH,
    .name = "template-kernel",
    .version = "1.0.0",
    .create = create,
};

MARU_PLUGIN_ENTRY(template_kernel)
{
    (void)host_minor;
    return host_major == MARU_ABI_MAJOR ? &entry : NULL;
}
