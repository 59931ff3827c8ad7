// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Tier G, to copy: one device that looks at every node, and refuses it with a reason. */

#include "host_device.h"

#include <maru/plugin_graph.h>
#include <string.h>

/* The answer to a claim; the job owns it. */
typedef struct {
    const maru_abi_host *host;
    uint32_t n_refusals;
    maru_abi_refusal refusals[]; // one per node
} answer;

static maru_abi_status claim(maru_abi_device *device, const maru_abi_claim_request *request, maru_abi_job **out_job,
                             maru_abi_error *error)
{
    const maru_abi_host *host = device->plugin->host;
    const maru_abi_graph *graph = request->graph;
    answer *a = host->alloc(host->ctx, sizeof *a + graph->nodes.count * sizeof a->refusals[0], 16);
    if (!a)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a claim");
    a->host = host;
    a->n_refusals = graph->nodes.count;
    for (uint32_t i = 0; i < graph->nodes.count; i++) {
        /*
         * Look at MARU_ABI_AT(maru_abi_node, graph->nodes, i): its domain, op
         * and since_version, every attribute, every input's dtype and dims.
         * Refuse what you do not know, with the reason that the user will read.
         */
        a->refusals[i] = (maru_abi_refusal){
            .node = i,
            .code = MARU_ABI_REFUSE_OP,
            .text = "the template computes nothing",
        };
    }
    return tpl_job_done(host, a, NULL, out_job, error);
}

static maru_abi_status claim_take(maru_abi_job *job, maru_abi_claims *out_claims, maru_abi_error *error)
{
    (void)error;
    const answer *a = job->product;
    maru_abi_claims claims = {
        .head = MARU_ABI_HEAD(maru_abi_claims),
        .refusals = {a->refusals, a->n_refusals, sizeof a->refusals[0]},
    };
    uint32_t room = out_claims->head.struct_size;
    claims.head.struct_size = room < sizeof claims ? room : (uint32_t)sizeof claims;
    memcpy(out_claims, &claims, claims.head.struct_size);
    return MARU_ABI_OK;
}

static maru_abi_status compile(maru_abi_device *device, const maru_abi_compile_request *request,
                               maru_abi_job **out_job, maru_abi_error *error)
{
    (void)device;
    (void)request;
    (void)out_job;
    return tpl_fail(error, MARU_ABI_UNSUPPORTED, "the template compiles nothing");
}

static maru_abi_status compile_take(maru_abi_job *job, maru_abi_program **out_program, maru_abi_error *error)
{
    (void)job;
    (void)out_program;
    return tpl_fail(error, MARU_ABI_FAILED_PRECONDITION, "the job made no program");
}

static void program_destroy(maru_abi_program *program)
{
    (void)program;
}

static maru_abi_status program_info(maru_abi_program *program, maru_abi_program_info *out_info,
                                    maru_abi_error *error)
{
    (void)program;
    (void)out_info;
    return tpl_fail(error, MARU_ABI_NOT_FOUND, "the template has no programs");
}

static const maru_abi_graph_fns graph_fns = {
    .head = MARU_ABI_HEAD(maru_abi_graph_fns),
    .claim = claim,
    .claim_take = claim_take,
    .compile = compile,
    .compile_take = compile_take,
    .program_destroy = program_destroy,
    .program_info = program_info,
};

/* Answer 1 to MARU_ABI_CMD_RUN once `execute` runs programs. */
static int knows(uint32_t kind)
{
    (void)kind;
    return 0;
}

static maru_abi_status execute(maru_abi_queue *queue, const maru_abi_command *command, maru_abi_error *error)
{
    (void)queue;
    (void)command;
    return tpl_fail(error, MARU_ABI_UNSUPPORTED, "the template runs nothing");
}

static const tpl_hooks hooks = {.device_name = "template of tier G", .knows = knows, .execute = execute};

static maru_abi_status create(const maru_abi_host *host, const maru_abi_create_params *params,
                              const maru_abi_plugin_api **out_api, maru_abi_error *error)
{
    if (params->options && params->options[0])
        return tpl_fail(error, MARU_ABI_INVALID_ARGUMENT, "the plugin has no options");
    maru_abi_plugin *plugin = tpl_create(host, &hooks);
    if (!plugin)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for the plugin");
    plugin->api.graph_fns = &graph_fns;
    *out_api = &plugin->api;
    return MARU_ABI_OK;
}

MARU_PLUGIN_MANIFEST("name=template-graph\n"
                     "vendor=The Maru authors\n"
                     "version=1.0.0\n"
                     "licence=Apache-2.0\n"
                     "tiers=G\n"
                     "opset=21\n"
                     "dtypes=f32,i32,i64\n");

static const maru_abi_entry entry = {
    .head = MARU_ABI_HEAD(maru_abi_entry),
    .abi_hash = MARU_ABI_HASH,
    .name = "template-graph",
    .version = "1.0.0",
    .create = create,
};

MARU_PLUGIN_ENTRY(template_graph)
{
    (void)host_minor;
    return host_major == MARU_ABI_MAJOR ? &entry : NULL;
}
