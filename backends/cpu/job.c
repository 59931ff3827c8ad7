// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

maru_abi_status cpu_job_done(maru_abi_device *device, void *product, void (*drop)(void *), maru_abi_job **out_job,
                             maru_abi_error *error)
{
    maru_abi_job *job = cpu_alloc(device->plugin->host, 1, sizeof *job);
    if (!job) {
        drop(product);
        return cpu_no_memory(error, "a job");
    }
    *job = (maru_abi_job){device, product, drop};
    atomic_fetch_add(&device->n_children, 1);
    *out_job = job;
    return MARU_ABI_OK;
}

static uint32_t job_poll(maru_abi_job *job, int32_t *out_permille, maru_abi_error *error)
{
    (void)job;
    (void)error;
    *out_permille = 1000;
    return MARU_ABI_JOB_DONE;
}

static maru_abi_status job_wait(maru_abi_job *job, int64_t deadline, maru_abi_error *error)
{
    (void)job;
    (void)deadline;
    (void)error;
    return MARU_ABI_OK;
}

static void job_cancel(maru_abi_job *job)
{
    (void)job; // it ended before anybody could ask
}

static void job_destroy(maru_abi_job *job)
{
    if (job->product)
        job->drop(job->product);
    atomic_fetch_sub(&job->device->n_children, 1);
    cpu_free(job->device->plugin->host, job);
}

const maru_abi_job_fns cpu_job_fns = {
    .head = MARU_ABI_HEAD(maru_abi_job_fns),
    .poll = job_poll,
    .wait = job_wait,
    .cancel = job_cancel,
    .destroy = job_destroy,
};
