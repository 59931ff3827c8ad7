// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLUGIN_KERNEL_H
#define MARU_PLUGIN_KERNEL_H

/*
 * Tier K: a chip with a C-like kernel compiler. The plugin is a thin driver
 * that builds the source it is given and launches it; the kernels are the
 * host's, written once in a dialect that OpenCL C 1.2, CUDA C and host C
 * accept. The plugin caches nothing: binaries go to the host, which keys them
 * by device and driver and gives back only bytes that it has verified.
 */

#include <maru/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- modules ---------------------------------------------------------- */

/* One translation unit: source in one of device_info's source_formats, or a binary that get_binary gave. */
typedef struct maru_abi_module_request {
    maru_abi_head head;
    const char *format;         /* "opencl-c", "cuda-c", "cubin", "ptx", "spirv", or "binary" */
    const void *data;           /* borrowed until the job ends */
    uint64_t bytes;
    maru_abi_array definitions; /* of const char *: "NAME=VALUE" or "NAME" */
    const char *label;          /* for logs and errors: the op family */
    uint64_t flags;             /* none yet; never a fast-math switch */
} maru_abi_module_request;

/* What the compiler made of an entry on this device. 0: unknown. */
typedef struct maru_abi_kernel_info {
    maru_abi_head head;
    uint32_t max_group_size;    /* of this kernel, at most the device's */
    uint32_t preferred_multiple;
    uint64_t local_mem_bytes;   /* static use; the host checks it against the device's before a dispatch */
    uint64_t private_mem_bytes; /* spills, per work-item */
    uint32_t registers;
    uint32_t n_args;
} maru_abi_kernel_info;

typedef struct maru_abi_kernel_fns {
    maru_abi_head head;

    /*
     * A job; several at once. A compile error ends it with INVALID_ARGUMENT, a
     * binary of another driver with NEEDS_RECOMPILE; the compiler's log goes
     * to the error record (its start) and to host.log. Any thread. [shm]
     */
    maru_abi_status (*module_build)(maru_abi_device *device, const maru_abi_module_request *request,
                                    maru_abi_job **out_job, maru_abi_error *error);
    /* Once per DONE job. [msg] */
    maru_abi_status (*module_take)(maru_abi_job *job, maru_abi_module **out_module, maru_abi_error *error);
    /* No kernel of it may live. [msg] */
    void (*module_destroy)(maru_abi_module *module);

    /*
     * Optional. Copies at most `room` bytes of the binary and tells its whole
     * size. Asked for after the kernels exist: some drivers compile there.
     * Any thread. [shm]
     */
    maru_abi_status (*module_binary)(maru_abi_module *module, void *data, uint64_t room, uint64_t *out_bytes,
                                     maru_abi_error *error);

    /*
     * NOT_FOUND if the module has no such entry. A kernel object belongs to
     * one step of a plan: its arguments are set while no other thread does.
     * Any thread. [msg]
     */
    maru_abi_status (*kernel_create)(maru_abi_module *module, const char *entry, maru_abi_kernel **out_kernel,
                                     maru_abi_error *error);
    void (*kernel_destroy)(maru_abi_kernel *kernel); /* [msg] */
    /* Any thread. [msg] */
    maru_abi_status (*kernel_info)(maru_abi_kernel *kernel, maru_abi_kernel_info *out_info, maru_abi_error *error);
} maru_abi_kernel_fns;

/* ---- dispatch --------------------------------------------------------- */

enum {
    MARU_ABI_ARG_BUFFER = 1, /* bound at its base: the element offset is an argument of its own */
    MARU_ABI_ARG_I32 = 2,
    MARU_ABI_ARG_U32 = 3,
    MARU_ABI_ARG_I64 = 4,
    MARU_ABI_ARG_F32 = 5,
    MARU_ABI_ARG_IMAGE = 16  /* 16 to 31 are reserved for image kinds */
};

/* In the order of the kernel's parameters. The value of a scalar is in the low bytes of `bits`. */
typedef struct maru_abi_arg {
    uint32_t kind;
    uint32_t reserved;
    maru_abi_buffer *buffer;
    uint64_t bits;
} maru_abi_arg;

/* Body of MARU_ABI_CMD_DISPATCH. The global size is groups * local in each dimension; a local size is always given. */
typedef struct maru_abi_dispatch {
    maru_abi_head head;
    maru_abi_kernel *kernel;
    const maru_abi_arg *args;
    uint32_t n_args;
    uint32_t reserved;
    uint32_t groups[3]; /* a 0 means that nothing runs */
    uint32_t local[3];  /* 1-D kernels of the dialect use {n, 1, 1} */
} maru_abi_dispatch;

#ifdef __cplusplus
}
#endif

#endif
