// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_DEVICE_DEVICE_IMPL_H
#define MARU_DEVICE_DEVICE_IMPL_H

/* The inside of an opened device and of its objects, for the wrappers of this folder alone. */

#include "base/arena.h"
#include "base/fail.h"
#include "base/os_thread.h"
#include "device/answer.h"
#include "device/device.h"
#include "device/plugin_impl.h"

/*
 * Lives until it is closed and the last of its objects is destroyed: after an
 * abandon, objects may outlive the plugin's device, and free only themselves.
 */
struct maru_dev {
    maru_plugin *plugin;
    const maru_plugin_tables *fns;  // of the plugin
    maru_abi_device *handle;        // NULL once closed
    const uint32_t *fork_flag;      // reads 0 in a forked child
    maru_arena arena;
    maru_abi_device_info info;
    char id[48];
    atomic_bool lost;
    atomic_bool closed;
    atomic_int n_objects;
    maru_mutex mutex;               // guards `retired`
    struct maru_dev_retired *retired;  // memory that waits for the close of a lost device
};

struct maru_dev_queue {
    maru_dev *dev;
    maru_abi_queue *handle;
    maru_dev_fence *fence;  // of maru_dev_queue_run; made when first needed
    uint64_t value;         // last one that it was asked to reach
};

struct maru_dev_fence {
    maru_dev *dev;
    maru_abi_fence *handle;
};

struct maru_dev_module {
    maru_dev *dev;
    maru_abi_module *handle;
};

struct maru_dev_kernel {
    maru_dev *dev;
    maru_abi_kernel *handle;
    maru_abi_kernel_info info;
    char name[64];
};

/* What a run of a program binds, in the order of maru_abi_run; counted from the graph it was compiled from. */
struct maru_dev_program {
    maru_dev *dev;
    maru_abi_program *handle;
    maru_abi_program_info info;
    maru_arena arena;
    uint64_t *constant_bytes;  // of the graph's constants, in its order
    uint32_t n_constants;
    uint32_t n_symbols;
    uint32_t n_exprs;
    uint32_t n_inputs;         // the graph's, and the SHAPE values that nodes read
    uint32_t n_outputs;
    uint32_t n_bound_constants;
    bool has_true_dims;
};

struct maru_dev_bound {
    maru_dev *dev;
    maru_dev_program *program;
    maru_abi_bound *handle;
    maru_abi_bound_info info;
};

/* OK, or why no call may be made: lost, closed or in a forked child. */
MARU_NODISCARD maru_status maru_dev_check_slow(const maru_dev *dev, const char *call);

static inline bool maru_dev_is_callable(const maru_dev *dev)
{
    return *dev->fork_flag == 1 && !atomic_load_explicit(&dev->lost, memory_order_relaxed) &&
           !atomic_load_explicit(&dev->closed, memory_order_relaxed);
}

static inline maru_status maru_dev_check(const maru_dev *dev, const char *call)
{
    return maru_dev_is_callable(dev) ? MARU_OK : maru_dev_check_slow(dev, call);
}

/* Whether the plugin may still be told to let an object go: not after close, and not in a forked child. */
static inline bool maru_dev_may_release(const maru_dev *dev)
{
    return *dev->fork_flag == 1 && !atomic_load_explicit(&dev->closed, memory_order_relaxed);
}

/* Turns a failed answer into the thread's error, and marks the device lost where that is what it says. */
MARU_NODISCARD maru_status maru_dev_fail(maru_dev *dev, const char *call, maru_abi_status status,
                                         maru_abi_error *error);
/* "plugin 'x' does not implement y". */
MARU_NODISCARD maru_status maru_dev_lacks(const maru_dev *dev, const char *what);
/* "y answered OK and gave nothing". */
MARU_NODISCARD maru_status maru_dev_gave_nothing(const maru_dev *dev, const char *call);

/* Counts an object, and the end of one: the last one of a closed device frees it. */
void maru_dev_retain(maru_dev *dev);
void maru_dev_release(maru_dev *dev);

/* The device is closed: `is_clean` if the plugin has let go of all that was its. */
void maru_dev_end_retired(maru_dev *dev, bool is_clean);

/* Checks that the range lies in a buffer of `dev` and gives the ABI's form of it. */
MARU_NODISCARD maru_status maru_dev_take_binding(const maru_dev *dev, const char *call, const maru_dev_binding *from,
                                                 maru_abi_binding *to);

/* Waits for a job that the plugin gave; destroys it unless it is DONE. */
MARU_NODISCARD maru_status maru_dev_job_finish(maru_dev *dev, const char *call, maru_abi_job *job,
                                               const maru_dev_wait *wait);

/* The list as the queue needs it. */
const maru_abi_command *maru_dev_commands_data(const maru_dev_commands *list, uint32_t *out_count);
bool maru_dev_commands_is_ready(const maru_dev_commands *list, const maru_dev *dev);

#endif
