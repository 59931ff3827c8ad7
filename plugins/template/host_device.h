// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef TPL_HOST_DEVICE_H
#define TPL_HOST_DEVICE_H

/*
 * What every plugin needs and most chips have in some form: buffers, an
 * in-order queue, fences and jobs, here for a device that computes in host
 * memory and runs a submit before it returns. Replace it piece by piece by
 * calls of your driver; what stays as it is still works.
 */

#include <maru/plugin.h>
#include <stdatomic.h>

/* What a flavour adds. */
typedef struct tpl_hooks {
    const char *device_name;
    /* Whether a list may hold commands of this kind beside copies and fills. */
    int (*knows)(uint32_t kind);
    /* Runs one of them. A failure makes the fences of the submit fail. */
    maru_abi_status (*execute)(maru_abi_queue *queue, const maru_abi_command *command, maru_abi_error *error);
} tpl_hooks;

struct maru_abi_plugin {
    const maru_abi_host *host;
    const tpl_hooks *hooks;
    maru_abi_plugin_api api;
    atomic_int n_devices;
};

struct maru_abi_device {
    maru_abi_plugin *plugin;
    atomic_int n_children;
    void *user;  // of the flavour
};

struct maru_abi_buffer {
    maru_abi_device *device;
    char *memory;
    uint64_t bytes;
};

struct maru_abi_queue {
    maru_abi_device *device;
};

/* A job that is done when it is made: what take gives, or why it failed. */
struct maru_abi_job {
    const maru_abi_host *host;
    maru_abi_status status;
    maru_abi_error error;
    void *product;
    void (*drop)(void *product);  // when nobody took it; NULL: it is the job's own memory
};

extern const maru_abi_plugin_fns tpl_plugin_fns;
extern const maru_abi_buffer_fns tpl_buffer_fns;
extern const maru_abi_queue_fns tpl_queue_fns;
extern const maru_abi_fence_fns tpl_fence_fns;
extern const maru_abi_job_fns tpl_job_fns;

/* Fills the record (which may be NULL) and returns `code`. */
maru_abi_status tpl_fail(maru_abi_error *error, maru_abi_status code, const char *message);

/* An instance with the tables above; the flavour sets kernel_fns or graph_fns. NULL when memory ran out. */
maru_abi_plugin *tpl_create(const maru_abi_host *host, const tpl_hooks *hooks);

/* A finished job. `product` may be NULL with a failure. */
maru_abi_status tpl_job_done(const maru_abi_host *host, void *product, void (*drop)(void *), maru_abi_job **out_job,
                             maru_abi_error *error);

/* Host memory of a binding. */
void *tpl_at(maru_abi_binding binding);

#endif
