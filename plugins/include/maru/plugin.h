// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLUGIN_H
#define MARU_PLUGIN_H

/*
 * The contract between the Maru runtime (the host) and an accelerator backend
 * (a plugin): entry, errors, devices, buffers, queues and fences.
 *
 * A plugin is one shared object with one exported symbol. Its author reads
 * this header and one more: plugin_kernel.h for a chip with a C-like kernel
 * compiler (tier K), plugin_graph.h for a graph compiler or a library of
 * operators (tier G). The rules common to all functions stand in ABI.md;
 * in short:
 *
 *  - Every call returns a maru_abi_status, and takes last a caller-owned error
 *    record that it fills when the status is not 0. Nothing to free.
 *  - Nothing here may abort, exit, throw, install a signal handler or write to
 *    stdout.
 *  - The host validates before it calls; a plugin may assume that what it is
 *    given is well-formed, but must answer MARU_ABI_UNSUPPORTED to any kind,
 *    flag in the high half, dtype, operator or attribute it does not know.
 *  - Each function is marked [msg] (arguments are values, flat arrays or
 *    handles: may be forwarded to another process), [shm] (bulk data by shared
 *    memory) or [local] (served in the plugin's own process).
 *  - "any thread" functions must be safe to call concurrently; the others are
 *    called by one thread at a time per object.
 *  - Members marked "optional" may be NULL.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version ---------------------------------------------------------- */

#define MARU_ABI_MAJOR 1
#define MARU_ABI_MINOR 0

/*
 * 0 while the ABI is unsealed: fields may still be corrected, and the loader
 * accepts only plugins built from headers with the same MARU_ABI_HASH. From 1
 * on, structs and tables are append-only and a minor version never refuses.
 */
#define MARU_ABI_SEAL 0

/* FNV-1a 64 of the three headers without this line; scripts/dev/abi-hash rewrites it and a test compares it. */
#define MARU_ABI_HASH 0x6351dfaf5bdb1b3dull

/*
 * First member of every versioned struct. The creator of an in-struct sets
 * struct_size to sizeof; the caller of a function that fills an out-struct
 * sets it to the room it has, and the callee writes no further and lowers it
 * to what it filled.
 */
typedef struct maru_abi_head {
    uint32_t struct_size;
    uint16_t major;
    uint16_t minor;
} maru_abi_head;

#define MARU_ABI_HEAD(type) { (uint32_t)sizeof(type), MARU_ABI_MAJOR, MARU_ABI_MINOR }

/* Whether *p is long enough to hold `member`. */
#define MARU_HAS_ROOM(type, p, member) \
    ((p)->head.struct_size >= offsetof(type, member) + sizeof((p)->member))

/* Whether *p holds `member` and it is not 0 or NULL: for optional functions and "0 means unsupported" numbers. */
#define MARU_HAS(type, p, member) ((p) && MARU_HAS_ROOM(type, p, member) && (p)->member)

/* A borrowed array of records. `stride` is the distance in bytes, so that records may grow. */
typedef struct maru_abi_array {
    const void *data;
    uint32_t count;
    uint32_t stride;
} maru_abi_array;

#define MARU_ABI_AT(type, array, index) \
    ((type const *)(const void *)((const char *)(array).data + (size_t)(index) * (array).stride))

/* ---- status and errors ------------------------------------------------ */

typedef int32_t maru_abi_status;

enum {
    MARU_ABI_OK = 0,
    MARU_ABI_CANCELLED = 1,
    MARU_ABI_UNKNOWN = 2,
    MARU_ABI_INVALID_ARGUMENT = 3,
    MARU_ABI_DEADLINE_EXCEEDED = 4,
    MARU_ABI_NOT_FOUND = 5,
    MARU_ABI_ALREADY_EXISTS = 6,
    MARU_ABI_PERMISSION_DENIED = 7,
    MARU_ABI_RESOURCE_EXHAUSTED = 8,
    MARU_ABI_FAILED_PRECONDITION = 9,
    MARU_ABI_ABORTED = 10,
    MARU_ABI_OUT_OF_RANGE = 11,
    MARU_ABI_UNSUPPORTED = 12,
    MARU_ABI_INTERNAL = 13, /* what an unknown status is read as */
    MARU_ABI_UNAVAILABLE = 14,
    MARU_ABI_BUSY = 14, /* closing a parent whose children live */
    MARU_ABI_DATA_LOSS = 15,
    MARU_ABI_UNAUTHENTICATED = 16,
    MARU_ABI_DEVICE_LOST = 17,
    MARU_ABI_TIMED_OUT = 18, /* the device missed its watchdog */
    MARU_ABI_NEEDS_RECOMPILE = 19
};

/* How much an error takes with it. */
enum {
    MARU_ABI_SCOPE_CALL = 0,
    MARU_ABI_SCOPE_QUEUE = 1,
    MARU_ABI_SCOPE_DEVICE = 2,
    MARU_ABI_SCOPE_PLUGIN = 3
};

#define MARU_ABI_NO_INDEX 0xFFFFFFFFu

/* Caller-owned, fixed size, may be NULL. A callee fills it only when it returns a status other than 0. */
typedef struct maru_abi_error {
    maru_abi_head head;
    int32_t code;
    uint32_t scope;
    uint32_t retryable;
    uint32_t node;        /* index in the graph of the call, or MARU_ABI_NO_INDEX */
    int64_t vendor_code;  /* the driver's own number, 0 if none */
    char message[512];    /* one UTF-8 sentence, NUL-terminated */
} maru_abi_error;

/* ---- objects ---------------------------------------------------------- */

/* Opaque to the host. Creator destroys; handles never cross from one plugin to another. */
typedef struct maru_abi_plugin maru_abi_plugin;
typedef struct maru_abi_device maru_abi_device;
typedef struct maru_abi_buffer maru_abi_buffer;
typedef struct maru_abi_queue maru_abi_queue;
typedef struct maru_abi_recording maru_abi_recording;
typedef struct maru_abi_fence maru_abi_fence;
typedef struct maru_abi_job maru_abi_job;
typedef struct maru_abi_module maru_abi_module;   /* plugin_kernel.h */
typedef struct maru_abi_kernel maru_abi_kernel;   /* plugin_kernel.h */
typedef struct maru_abi_program maru_abi_program; /* plugin_graph.h */
typedef struct maru_abi_bound maru_abi_bound;     /* plugin_graph.h */

struct maru_abi_kernel_fns; /* plugin_kernel.h */
struct maru_abi_graph_fns;  /* plugin_graph.h */

/* ---- dtypes ----------------------------------------------------------- */

/*
 * An id and the size of its block, so that a dtype a plugin does not know can
 * still be stored and copied. Ids up to 22 are those of ONNX's TensorProto;
 * 64 and up are block-quantised formats; all are listed in ABI.md. A plugin
 * that does not list a block format is offered the tensor as
 * DequantizeLinear(integers, scales, zero points) with block_size.
 */
typedef struct maru_abi_dtype {
    uint32_t id;
    uint32_t block_elements;
    uint32_t block_bytes;
} maru_abi_dtype;

enum {
    MARU_ABI_F32 = 1,
    MARU_ABI_U8 = 2,
    MARU_ABI_I8 = 3,
    MARU_ABI_U16 = 4,
    MARU_ABI_I16 = 5,
    MARU_ABI_I32 = 6,
    MARU_ABI_I64 = 7,
    MARU_ABI_STRING = 8,
    MARU_ABI_BOOL = 9,
    MARU_ABI_F16 = 10,
    MARU_ABI_F64 = 11,
    MARU_ABI_U32 = 12,
    MARU_ABI_U64 = 13,
    MARU_ABI_BF16 = 16,
    MARU_ABI_F8E4M3FN = 17,
    MARU_ABI_F8E4M3FNUZ = 18,
    MARU_ABI_F8E5M2 = 19,
    MARU_ABI_F8E5M2FNUZ = 20,
    MARU_ABI_U4 = 21,
    MARU_ABI_I4 = 22,
    MARU_ABI_F4E2M1 = 23,
    MARU_ABI_F8E8M0 = 24,
    MARU_ABI_U2 = 25,
    MARU_ABI_I2 = 26,
    MARU_ABI_Q4_0 = 64,
    MARU_ABI_Q4_1 = 65,
    MARU_ABI_Q5_0 = 66,
    MARU_ABI_Q5_1 = 67,
    MARU_ABI_Q8_0 = 68,
    MARU_ABI_Q2_K = 69,
    MARU_ABI_Q3_K = 70,
    MARU_ABI_Q4_K = 71,
    MARU_ABI_Q5_K = 72,
    MARU_ABI_Q6_K = 73,
    MARU_ABI_MXFP4 = 74
};

/* ---- what the host offers --------------------------------------------- */

enum {
    MARU_ABI_LOG_ERROR = 0,
    MARU_ABI_LOG_WARN = 1,
    MARU_ABI_LOG_INFO = 2,
    MARU_ABI_LOG_DEBUG = 3
};

/* Runs items [begin, end); `worker` is below the host's thread count. Must not fail. */
typedef void (*maru_abi_task_fn)(void *ctx, int64_t begin, int64_t end, int32_t worker);

typedef struct maru_abi_event {
    maru_abi_head head;
    uint32_t kind;       /* MARU_ABI_EVENT_* */
    uint32_t device;     /* index at device_info, or MARU_ABI_NO_INDEX */
    uint64_t generation; /* raised by the plugin whenever its device list changes */
    char message[256];
} maru_abi_event;

enum {
    MARU_ABI_EVENT_NONE = 0,
    MARU_ABI_EVENT_DEVICE_ADDED = 1,
    MARU_ABI_EVENT_DEVICE_REMOVED = 2,
    MARU_ABI_EVENT_HEALTH = 3,
    MARU_ABI_EVENT_OTHER = 0xFFFF
};

/* Outlives the plugin instance. Every function: any thread; [local] unless said. */
typedef struct maru_abi_host {
    maru_abi_head head;
    void *ctx;

    /* One line without its newline. */
    void (*log)(void *ctx, uint32_t level, const char *line);

    /* `align` is a power of two; NULL when memory ran out. */
    void *(*alloc)(void *ctx, uint64_t bytes, uint64_t align);
    void (*free)(void *ctx, void *memory);

    /* Monotonic nanoseconds: the clock of every deadline in this ABI. */
    int64_t (*now)(void *ctx);

    /*
     * The process's one pool of threads. Splits [0, count) into pieces of at
     * least `grain` and returns when all are done. Allocates nothing; inside
     * itself it runs serially.
     */
    void (*parallel_for)(void *ctx, int64_t count, int64_t grain, maru_abi_task_fn fn, void *task_ctx);
    uint32_t (*thread_count)(void *ctx);

    /*
     * A store of bytes by 32-byte content hash; the host alone names files.
     * get copies at most `room` bytes and tells the entry's size; NOT_FOUND if
     * absent. Entries are verified before they are given back. [shm]
     */
    maru_abi_status (*cache_get)(void *ctx, const uint8_t key[32], void *data, uint64_t room, uint64_t *out_bytes);
    maru_abi_status (*cache_put)(void *ctx, const uint8_t key[32], const void *data, uint64_t bytes);

    /* Tells the host that something happened; it will call poll_events. [msg] */
    void (*notify)(void *ctx);

    /* An extension's table by name, at least of version `min_version`, or NULL. */
    const void *(*get_ext)(void *ctx, const char *name, uint32_t min_version);
} maru_abi_host;

/* ---- devices ---------------------------------------------------------- */

enum {
    MARU_ABI_DEVICE_OTHER = 0,
    MARU_ABI_DEVICE_CPU = 1,
    MARU_ABI_DEVICE_GPU = 2,
    MARU_ABI_DEVICE_NPU = 3,
    MARU_ABI_DEVICE_DSP = 4
};

enum {
    MARU_ABI_MEM_DEVICE_LOCAL = 1u << 0, /* fastest for the device */
    MARU_ABI_MEM_HOST_VISIBLE = 1u << 1, /* map() works */
    MARU_ABI_MEM_HOST_CACHED = 1u << 2,  /* the host may read what it mapped at full speed */
    MARU_ABI_MEM_SHAREABLE = 1u << 3,    /* can be exported, and mapped by a proxy */
    MARU_ABI_MEM_IMPORT_HOST = 1u << 4,  /* import_external() of a host pointer works, without a copy */
    MARU_ABI_MEM_IMPORT_FD = 1u << 5,    /* import_external() of (fd, offset, length) works */
    MARU_ABI_MEM_IMPORT_DMABUF = 1u << 6
};

typedef struct maru_abi_memory_kind {
    uint64_t flags;             /* MARU_ABI_MEM_* */
    uint64_t total_bytes;       /* 0: unknown */
    uint64_t largest_alloc;     /* 0: no limit below total_bytes */
    uint64_t alignment;         /* every buffer's base has it; sub-allocations must keep it */
} maru_abi_memory_kind;

typedef struct maru_abi_compute_type {
    uint32_t dtype;       /* of the operands */
    uint32_t accumulator;
} maru_abi_compute_type;

typedef struct maru_abi_matrix_shape {
    uint32_t dtype;
    uint32_t accumulator;
    uint32_t m;
    uint32_t n;
    uint32_t k;
} maru_abi_matrix_shape;

enum {
    MARU_ABI_CAP_HOST_SIGNAL = 1u << 0,    /* submits may wait for values that the host signals */
    MARU_ABI_CAP_SYNCHRONOUS = 1u << 1,    /* submit runs its commands before it returns */
    MARU_ABI_CAP_UNIFIED_MEMORY = 1u << 2,
    MARU_ABI_CAP_RECORD = 1u << 3,
    MARU_ABI_CAP_PROFILE = 1u << 4,
    MARU_ABI_CAP_DISCARD = 1u << 5,
    MARU_ABI_CAP_ONLINE_COMPILER = 1u << 6,
    MARU_ABI_CAP_LOCAL_MEM_EMULATED = 1u << 7,
    MARU_ABI_CAP_FP64 = 1u << 8,
    MARU_ABI_CAP_CONTROL_FLOW = 1u << 9    /* reserved: nodes with subgraphs */
};

/*
 * Plain data, filled by device_info. Strings and arrays belong to the plugin
 * and live until the device list's next change. 0 or NULL: unsupported or
 * unknown.
 */
typedef struct maru_abi_device_info {
    maru_abi_head head;
    uint8_t uuid[16];
    uint32_t kind;              /* MARU_ABI_DEVICE_* */
    uint32_t numa_node;         /* MARU_ABI_NO_INDEX: none */
    uint64_t caps;              /* MARU_ABI_CAP_* */
    const char *name;
    const char *vendor;
    const char *driver;         /* name and version, as the driver says it */
    const char *bus_id;         /* "0000:65:00.0" */
    uint32_t compute_units;
    uint32_t clock_mhz;
    uint64_t bandwidth;         /* bytes per second, measured or nominal */
    uint64_t flops_f32;         /* per second, nominal */
    uint64_t cache_bytes[3];    /* per level, of one unit */
    uint64_t watchdog_ns;       /* longest command the device lets run */
    uint32_t address_bits;
    uint32_t n_queues;
    uint32_t max_programs;      /* resident at once */
    uint32_t max_group_size;    /* tier K: work-items */
    uint64_t local_mem_bytes;   /* tier K */
    uint64_t max_arg_bytes;     /* tier K */
    maru_abi_array memory_kinds;    /* of maru_abi_memory_kind; kind 0 is the default for tensors */
    maru_abi_array storage_dtypes;  /* of maru_abi_dtype */
    maru_abi_array compute_types;   /* of maru_abi_compute_type */
    maru_abi_array matrix_shapes;   /* of maru_abi_matrix_shape */
    maru_abi_array subgroup_sizes;  /* of uint32_t */
    maru_abi_array source_formats;  /* of const char *: "opencl-c", "cuda-c", "spirv", ... */
    maru_abi_array peers;           /* of uint32_t: device indices it can copy from directly */
    maru_abi_array features;        /* of const char *: "dot8", "bad:q6_k_gemv"; unknown ones are ignored */
} maru_abi_device_info;

typedef struct maru_abi_device_params {
    maru_abi_head head;
    uint64_t flags;
    const char *options; /* "key=value" lines from the deployment, or NULL; unknown keys are refused by name */
} maru_abi_device_params;

typedef struct maru_abi_mem_info {
    maru_abi_head head;
    uint64_t total_bytes;
    uint64_t free_bytes;
    uint64_t budget_bytes; /* what this process had better stay under */
} maru_abi_mem_info;

typedef struct maru_abi_plugin_fns {
    maru_abi_head head;

    /* Drains the work and joins the threads of every device; nothing may be submitted after. [msg] */
    maru_abi_status (*quiesce)(maru_abi_plugin *plugin, maru_abi_error *error);
    /* Ends the instance. BUSY while a device is open. [msg] */
    maru_abi_status (*shutdown)(maru_abi_plugin *plugin, maru_abi_error *error);

    /*
     * Devices present now. When there is none, `why` (room of `why_bytes`)
     * gets one sentence that says what is missing and what to install.
     * Any thread. [msg]
     */
    maru_abi_status (*device_count)(maru_abi_plugin *plugin, uint32_t *out_count, char *why, uint64_t why_bytes,
                                    maru_abi_error *error);
    /* Any thread; opens nothing. [msg] */
    maru_abi_status (*device_info)(maru_abi_plugin *plugin, uint32_t index, maru_abi_device_info *out_info,
                                   maru_abi_error *error);
    /* Optional. Takes the next event; kind NONE when there is none. [msg] */
    maru_abi_status (*poll_events)(maru_abi_plugin *plugin, maru_abi_event *out_event, maru_abi_error *error);
    /* Optional. The table of extension `name`, or NULL. Any thread. [local] */
    const void *(*get_ext)(maru_abi_plugin *plugin, const char *name, uint32_t min_version);

    /* Several opens of one index are independent devices. [msg] */
    maru_abi_status (*device_open)(maru_abi_plugin *plugin, uint32_t index, const maru_abi_device_params *params,
                                   maru_abi_device **out_device, maru_abi_error *error);
    /*
     * BUSY while a child lives, unless `abandon` is 1: then it always
     * succeeds, and memory that the device had imported is leaked by the host.
     * [msg]
     */
    maru_abi_status (*device_close)(maru_abi_device *device, uint32_t abandon, maru_abi_error *error);
    /* Optional. After DEVICE_LOST: OK if the device can be opened again. [msg] */
    maru_abi_status (*device_reset)(maru_abi_device *device, maru_abi_error *error);
    /* Any thread. [msg] */
    maru_abi_status (*mem_info)(maru_abi_device *device, uint32_t memory_kind, maru_abi_mem_info *out_info,
                                maru_abi_error *error);
} maru_abi_plugin_fns;

/* ---- buffers ---------------------------------------------------------- */

/* A place in memory: always buffer, offset and size, never a raw device pointer. */
typedef struct maru_abi_binding {
    maru_abi_buffer *buffer;
    uint64_t offset; /* bytes */
    uint64_t bytes;
} maru_abi_binding;

enum {
    MARU_ABI_IMPORT_HOST_POINTER = 1, /* memory the host keeps valid until free */
    MARU_ABI_IMPORT_FD = 2,           /* a mappable file or memfd */
    MARU_ABI_IMPORT_DMABUF = 3
};

typedef struct maru_abi_external {
    maru_abi_head head;
    uint32_t kind;    /* MARU_ABI_IMPORT_* */
    int32_t fd;       /* duplicated by who keeps it; -1 if none */
    uint64_t offset;
    uint64_t bytes;
    void *pointer;    /* page- or 64-byte-aligned; NULL if none */
    uint64_t flags;   /* bit 0: read-only */
} maru_abi_external;

enum {
    MARU_ABI_MAP_READ = 1u << 0,
    MARU_ABI_MAP_WRITE = 1u << 1
};

typedef struct maru_abi_tensor_desc {
    maru_abi_head head;
    maru_abi_dtype dtype;
    uint32_t rank;
    const int64_t *dims;
    uint32_t layout; /* 0: dense row-major; else a layout id of the plugin */
} maru_abi_tensor_desc;

typedef struct maru_abi_buffer_fns {
    maru_abi_head head;

    /* Contents are undefined. Never called on the run path. [shm] */
    maru_abi_status (*alloc)(maru_abi_device *device, uint32_t memory_kind, uint64_t bytes,
                             maru_abi_buffer **out_buffer, maru_abi_error *error);
    /* Optional: with MARU_ABI_MEM_IMPORT_*. [shm] */
    maru_abi_status (*import_external)(maru_abi_device *device, const maru_abi_external *external,
                                       maru_abi_buffer **out_buffer, maru_abi_error *error);
    /* Optional: SHAREABLE kinds. The fd is the caller's to close. [shm] */
    maru_abi_status (*export_external)(maru_abi_buffer *buffer, uint32_t kind, maru_abi_external *out_external,
                               maru_abi_error *error);
    /* Always succeeds, after device loss too. No pending work uses it. Any thread. [msg] */
    void (*free)(maru_abi_buffer *buffer);

    /* HOST_VISIBLE kinds only. The pointer is valid until unmap; the host orders it against work with fences. [shm] */
    maru_abi_status (*map)(maru_abi_buffer *buffer, uint64_t offset, uint64_t bytes, uint32_t flags, void **out_pointer,
                           maru_abi_error *error);
    void (*unmap)(maru_abi_buffer *buffer);

    /* Optional. Bytes a tensor takes in this layout, padding included; absent: the dense size. Any thread. [msg] */
    maru_abi_status (*alloc_size)(maru_abi_device *device, const maru_abi_tensor_desc *desc, uint64_t *out_bytes,
                                  maru_abi_error *error);
} maru_abi_buffer_fns;

/* ---- queues ----------------------------------------------------------- */

enum {
    MARU_ABI_CMD_COPY = 1,     /* maru_abi_copy */
    MARU_ABI_CMD_FILL = 2,     /* maru_abi_fill */
    MARU_ABI_CMD_DISPATCH = 3, /* maru_abi_dispatch, plugin_kernel.h */
    MARU_ABI_CMD_RUN = 4,      /* maru_abi_run, plugin_graph.h */
    MARU_ABI_CMD_EXTENSION = 0x100
};

/* A list that holds a kind the plugin does not know is refused before any command runs. */
typedef struct maru_abi_command {
    uint32_t kind;     /* MARU_ABI_CMD_* */
    uint32_t tag;      /* the host's, given back by profile */
    uint64_t flags;
    const void *body;  /* the struct of the kind; borrowed until submit or record returns */
} maru_abi_command;

/* Between two buffers of one device; ranges of one buffer may not overlap. dst.bytes == src.bytes. */
typedef struct maru_abi_copy {
    maru_abi_head head;
    maru_abi_binding src;
    maru_abi_binding dst;
} maru_abi_copy;

typedef struct maru_abi_fill {
    maru_abi_head head;
    maru_abi_binding dst;
    uint32_t pattern;
    uint32_t pattern_bytes; /* 1, 2 or 4; divides dst.offset and dst.bytes */
} maru_abi_fill;

/* A point of a timeline. */
typedef struct maru_abi_point {
    maru_abi_fence *fence;
    uint64_t value;
} maru_abi_point;

typedef struct maru_abi_submit {
    maru_abi_head head;
    const maru_abi_point *waits; /* whose signalling submit was already accepted, or HOST_SIGNAL */
    uint32_t n_waits;
    uint32_t n_commands;
    const maru_abi_command *commands;
    const maru_abi_point *signals;
    uint32_t n_signals;
    uint32_t flags; /* bit 0: keep timestamps for profile */
} maru_abi_submit;

/* Device nanoseconds of one command, on the device's own clock. */
typedef struct maru_abi_timestamp {
    uint32_t tag;
    uint32_t reserved;
    uint64_t begin_ns;
    uint64_t end_ns;
} maru_abi_timestamp;

typedef struct maru_abi_queue_fns {
    maru_abi_head head;

    maru_abi_status (*create)(maru_abi_device *device, uint64_t flags, maru_abi_queue **out_queue,
                              maru_abi_error *error); /* [msg] */
    /* Waits for its work, unless the device is lost. [msg] */
    void (*destroy)(maru_abi_queue *queue);

    /*
     * Runs the commands in order after the waits, then signals. Work that
     * fails makes the signals fail with its error record; a status other than
     * OK means that nothing was accepted. One submitter at a time. [msg]
     */
    maru_abi_status (*submit)(maru_abi_queue *queue, const maru_abi_submit *submit, maru_abi_error *error);

    /* Optional (CAP_RECORD). A recorded list never changes; everything the commands point to is copied. [msg] */
    maru_abi_status (*record)(maru_abi_queue *queue, const maru_abi_command *commands, uint32_t n_commands,
                              maru_abi_array rebindable, /* of maru_abi_buffer *: may be exchanged at replay */
                              maru_abi_recording **out_recording, maru_abi_error *error);
    void (*recording_destroy)(maru_abi_recording *recording);
    /* `rebind` has one buffer for each rebindable of record, or n_rebind is 0. [msg] */
    maru_abi_status (*replay)(maru_abi_queue *queue, maru_abi_recording *recording, maru_abi_buffer *const *rebind,
                              uint32_t n_rebind, const maru_abi_submit *waits_and_signals, maru_abi_error *error);

    /* Optional (CAP_PROFILE). Takes up to `room` timestamps of finished commands. [msg] */
    maru_abi_status (*profile)(maru_abi_queue *queue, maru_abi_timestamp *out, uint32_t room, uint32_t *out_count,
                               maru_abi_error *error);
    /* Optional (CAP_DISCARD). Fails the lists that have not started with CANCELLED. Any thread. [msg] */
    maru_abi_status (*discard)(maru_abi_queue *queue, maru_abi_error *error);
} maru_abi_queue_fns;

/* ---- fences ----------------------------------------------------------- */

/* A timeline: a 64-bit value that only rises, or fails once and for all with an error record. All: any thread. */
typedef struct maru_abi_fence_fns {
    maru_abi_head head;

    maru_abi_status (*create)(maru_abi_device *device, uint64_t initial, maru_abi_fence **out_fence,
                              maru_abi_error *error); /* [msg] */
    void (*destroy)(maru_abi_fence *fence);
    /* The value reached. A failed fence returns its failure and its record. [shm] */
    maru_abi_status (*query)(maru_abi_fence *fence, uint64_t *out_value, maru_abi_error *error);
    /* Until `value` is reached, the fence fails, or host.now passes `deadline` (DEADLINE_EXCEEDED). [shm] */
    maru_abi_status (*wait)(maru_abi_fence *fence, uint64_t value, int64_t deadline, maru_abi_error *error);
    /* From the host; `value` must be above the present one. [shm] */
    maru_abi_status (*signal)(maru_abi_fence *fence, uint64_t value, maru_abi_error *error);
    /* Makes every waiter fail with `reason`. [shm] */
    void (*fail)(maru_abi_fence *fence, const maru_abi_error *reason);
    /* Writes 1 to `eventfd` once when `value` is reached or the fence fails. [msg] */
    maru_abi_status (*arm)(maru_abi_fence *fence, uint64_t value, int32_t eventfd, maru_abi_error *error);
    /* Optional. A sync_fd for `value`, the caller's to close. [msg] */
    maru_abi_status (*export_sync_fd)(maru_abi_fence *fence, uint64_t value, int32_t *out_fd, maru_abi_error *error);
} maru_abi_fence_fns;

/* ---- jobs ------------------------------------------------------------- */

enum {
    MARU_ABI_JOB_RUNNING = 0,
    MARU_ABI_JOB_DONE = 1,
    MARU_ABI_JOB_FAILED = 2
};

/*
 * Work that may take seconds (claim, compile, pack, build a module). The start
 * function gives a job; the matching take function its product once it is
 * DONE. All: any thread.
 */
typedef struct maru_abi_job_fns {
    maru_abi_head head;

    /* Never blocks. `out_permille` is the progress, 0 to 1000, or -1 for unknown. FAILED fills the record. [msg] */
    uint32_t (*poll)(maru_abi_job *job, int32_t *out_permille, maru_abi_error *error);
    /* As fence wait. [msg] */
    maru_abi_status (*wait)(maru_abi_job *job, int64_t deadline, maru_abi_error *error);
    /* Asks it to end soon with CANCELLED. [msg] */
    void (*cancel)(maru_abi_job *job);
    /* Cancels and waits if it still runs. What take gave that is not the job's own stays. [msg] */
    void (*destroy)(maru_abi_job *job);
} maru_abi_job_fns;

/* ---- the plugin's table, and the entry -------------------------------- */

/* One instance. Instances coexist in one process; mutable globals are forbidden. */
typedef struct maru_abi_plugin_api {
    maru_abi_head head;
    maru_abi_plugin *plugin;
    const maru_abi_plugin_fns *plugin_fns;
    const maru_abi_buffer_fns *buffer_fns;
    const maru_abi_queue_fns *queue_fns;
    const maru_abi_fence_fns *fence_fns;
    const maru_abi_job_fns *job_fns;              /* required by either tier */
    const struct maru_abi_kernel_fns *kernel_fns; /* tier K, or NULL */
    const struct maru_abi_graph_fns *graph_fns;   /* tier G, or NULL */
} maru_abi_plugin_api;

typedef struct maru_abi_create_params {
    maru_abi_head head;
    const char *plugin_dir; /* the real directory of the plugin's file; "" in static builds */
    const char *options;    /* "key=value" lines from the deployment, or NULL; unknown keys are refused by name */
} maru_abi_create_params;

typedef struct maru_abi_entry {
    maru_abi_head head;
    uint64_t abi_hash;   /* MARU_ABI_HASH */
    const char *name;    /* as in the manifest */
    const char *version;
    /* The api and its tables live until shutdown. [msg] */
    maru_abi_status (*create)(const maru_abi_host *host, const maru_abi_create_params *params,
                              const maru_abi_plugin_api **out_api, maru_abi_error *error);
} maru_abi_entry;

/*
 * The one exported symbol. Pure: starts no driver and no thread, keeps
 * nothing. NULL if the plugin cannot work with that host.
 *
 *     MARU_PLUGIN_ENTRY(mychip)
 *     {
 *         (void)host_minor;
 *         return host_major == MARU_ABI_MAJOR ? &entry : NULL;
 *     }
 */
typedef const maru_abi_entry *(*maru_abi_query_fn)(uint16_t host_major, uint16_t host_minor);

#define MARU_PLUGIN_SYMBOL "maru_plugin_query"

#ifdef __cplusplus
#define MARU_PLUGIN_EXTERN_ extern "C"
#else
#define MARU_PLUGIN_EXTERN_
#endif

#ifdef MARU_PLUGIN_STATIC
#define MARU_PLUGIN_NAME_(name) maru_plugin_query_##name
#else
#define MARU_PLUGIN_NAME_(name) maru_plugin_query
#endif

#define MARU_PLUGIN_ENTRY(name)                                                                           \
    MARU_PLUGIN_EXTERN_ __attribute__((visibility("default"))) const maru_abi_entry *MARU_PLUGIN_NAME_(   \
        name)(uint16_t host_major, uint16_t host_minor);                                                  \
    MARU_PLUGIN_EXTERN_ const maru_abi_entry *MARU_PLUGIN_NAME_(name)(uint16_t host_major, uint16_t host_minor)

/*
 * The manifest: an ELF note that the loader reads and checks before any code
 * of the file can run. `text` is "key=value\n" lines; the first five keys are
 * required:
 *
 *     name, vendor, version, licence, tiers (K, G or KG), opset (highest
 *     version of the default domain it knows), opset.<domain>, dtypes (names
 *     separated by commas), opens (libraries it opens at run time)
 *
 * ABI version, seal and hash, and the sanitizer of the build, are added by the
 * macro.
 */
#define MARU_MANIFEST_SECTION ".note.maru"
#define MARU_MANIFEST_OWNER "maru"
#define MARU_MANIFEST_TYPE 1

#if defined(__SANITIZE_ADDRESS__)
#define MARU_MANIFEST_SANITIZER_ "sanitizer=address\n"
#elif defined(__SANITIZE_THREAD__)
#define MARU_MANIFEST_SANITIZER_ "sanitizer=thread\n"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MARU_MANIFEST_SANITIZER_ "sanitizer=address\n"
#elif __has_feature(thread_sanitizer)
#define MARU_MANIFEST_SANITIZER_ "sanitizer=thread\n"
#elif __has_feature(memory_sanitizer)
#define MARU_MANIFEST_SANITIZER_ "sanitizer=memory\n"
#endif
#endif
#ifndef MARU_MANIFEST_SANITIZER_
#define MARU_MANIFEST_SANITIZER_ ""
#endif

#define MARU_PLUGIN_MANIFEST(text) MARU_PLUGIN_MANIFEST_(text MARU_MANIFEST_SANITIZER_)
#define MARU_PLUGIN_MANIFEST_(text)                                                                   \
    static const struct {                                                                             \
        uint32_t owner_bytes, text_bytes, type;                                                       \
        char owner[8];                                                                                \
        uint16_t abi_major, abi_minor;                                                                \
        uint32_t abi_seal, abi_hash_low, abi_hash_high;                                               \
        char manifest[(sizeof(text) + 3) & ~(size_t)3];                                               \
    } maru_plugin_manifest_ __attribute__((used, aligned(4), section(MARU_MANIFEST_SECTION))) = {     \
        5, (uint32_t)(16 + ((sizeof(text) + 3) & ~(size_t)3)), MARU_MANIFEST_TYPE, MARU_MANIFEST_OWNER, \
        MARU_ABI_MAJOR, MARU_ABI_MINOR, MARU_ABI_SEAL, (uint32_t)(MARU_ABI_HASH & 0xFFFFFFFFu),       \
        (uint32_t)(MARU_ABI_HASH >> 32), text                                                         \
    }

#ifdef __cplusplus
}
#endif

#endif
