// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

/* Reads nothing about the machine: a program that uses another device pays nothing for this one. */
static maru_abi_status create(const maru_abi_host *host, const maru_abi_create_params *params,
                              const maru_abi_plugin_api **out_api, maru_abi_error *error)
{
    if (params->options && params->options[0])
        return cpu_fail(error, MARU_ABI_INVALID_ARGUMENT, "the plugin has no options, it was given '%.100s'",
                        params->options);
    maru_abi_plugin *plugin = cpu_alloc(host, 1, sizeof *plugin);
    if (!plugin)
        return cpu_no_memory(error, "the plugin");
    plugin->host = host;
    pthread_mutex_init(&plugin->mutex, NULL);
    plugin->api = (maru_abi_plugin_api){
        .head = MARU_ABI_HEAD(maru_abi_plugin_api),
        .plugin = plugin,
        .plugin_fns = &cpu_plugin_fns,
        .buffer_fns = &cpu_buffer_fns,
        .queue_fns = &cpu_queue_fns,
        .fence_fns = &cpu_fence_fns,
        .job_fns = &cpu_job_fns,
        .graph_fns = &cpu_graph_fns,
    };
    *out_api = &plugin->api;
    return MARU_ABI_OK;
}

MARU_PLUGIN_MANIFEST("name=cpu\n"
                     "vendor=The Maru authors\n"
                     "version=" CPU_VERSION "\n"
                     "licence=Apache-2.0\n"
                     "tiers=G\n"
                     "opset=28\n"
                     "opset.maru=1\n"
                     "dtypes=f32,f64,f16,bf16,f8e4m3fn,f8e4m3fnuz,f8e5m2,f8e5m2fnuz,i8,i16,i32,i64,u8,u16,u32,u64,"
                     "bool,i4,u4,q4_0,q4_1,q5_0,q5_1,q8_0,q2_k,q3_k,q4_k,q5_k,q6_k,mxfp4\n");

static const maru_abi_entry entry = {
    .head = MARU_ABI_HEAD(maru_abi_entry),
    .abi_hash = MARU_ABI_HASH,
    .name = "cpu",
    .version = CPU_VERSION,
    .create = create,
};

MARU_PLUGIN_ENTRY(cpu)
{
    (void)host_minor;
    return host_major == MARU_ABI_MAJOR ? &entry : NULL;
}
