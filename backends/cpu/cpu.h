// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_CPU_H
#define CPU_CPU_H

/* What the files of the CPU backend share: its objects, errors, memory, and the choice of kernels. */

#include "ref/ref.h"

#include <pthread.h>
#include <stdatomic.h>

/* Instruction sets, as the system names them in its list of features. */
enum {
    CPU_ISA_AVX2 = 1u << 0,
    CPU_ISA_FMA = 1u << 1,
    CPU_ISA_F16C = 1u << 2,
    CPU_ISA_AVX512F = 1u << 3,
    CPU_ISA_AVX512BW = 1u << 4,
    CPU_ISA_AVX512VL = 1u << 5,
    CPU_ISA_AVX512VNNI = 1u << 6,
    CPU_ISA_AVX512BF16 = 1u << 7,
    CPU_ISA_AVX512FP16 = 1u << 8,
    CPU_ISA_AMX_TILE = 1u << 9,
    CPU_ISA_AMX_INT8 = 1u << 10,
    CPU_ISA_AMX_BF16 = 1u << 11,
    CPU_ISA_NEON = 1u << 12,
    CPU_ISA_DOTPROD = 1u << 13,
    CPU_ISA_SVE = 1u << 14
};

enum {
    CPU_MEMORY_OWN = 0,        // of the host's allocator
    CPU_MEMORY_SHAREABLE = 1,  // of hidden files, for other devices and processes
    CPU_N_MEMORY = 2
};

/* What was read about the machine, once, when somebody asked. */
typedef struct cpu_facts {
    char name[128];
    char vendor[64];
    uint32_t isa;  // CPU_ISA_*
    uint64_t cache_bytes[3];
    maru_abi_memory_kind memory[CPU_N_MEMORY];
    uint32_t clock_mhz;
    const char *features[32];
    uint32_t n_features;
} cpu_facts;

struct maru_abi_plugin {
    const maru_abi_host *host;
    maru_abi_plugin_api api;
    atomic_int n_devices;
    pthread_mutex_t mutex;    // guards facts until has_facts
    atomic_int has_facts;
    cpu_facts facts;
};

struct maru_abi_device {
    maru_abi_plugin *plugin;
    atomic_int n_children;
    uint32_t isa;             // what kernels may use: the machine's less the mask
    int has_vector_kernels;   // 0: the reference alone
    int has_libraries;        // 0: our own kernels alone
};

struct maru_abi_buffer {
    maru_abi_device *device;
    char *memory;
    uint64_t bytes;
    int is_imported;
    int fd;                   // of the shareable kind: its file; else -1
    void *mapped;             // what to unmap, or NULL
    uint64_t mapped_bytes;
};

#define CPU_IMPORT_READ_ONLY 1u  // bit 0 of an external's flags

/* A job that is done when it is made: what take gives. */
struct maru_abi_job {
    maru_abi_device *device;
    void *product;
    void (*drop)(void *product);  // when nobody took it
};

extern const maru_abi_plugin_fns cpu_plugin_fns;
extern const maru_abi_buffer_fns cpu_buffer_fns;
extern const maru_abi_queue_fns cpu_queue_fns;
extern const maru_abi_fence_fns cpu_fence_fns;
extern const maru_abi_job_fns cpu_job_fns;
extern const maru_abi_graph_fns cpu_graph_fns;

/* ---- errors and memory ---------------------------------------------------- */

/* Fills the record (which may be NULL) and returns `code`. */
__attribute__((format(printf, 3, 4))) maru_abi_status cpu_fail(maru_abi_error *error, maru_abi_status code,
                                                               const char *fmt, ...);
maru_abi_status cpu_no_memory(maru_abi_error *error, const char *what);

/* Zeroed, 64-byte-aligned; NULL when memory ran out or count * bytes overflows. cpu_free takes NULL. */
void *cpu_alloc(const maru_abi_host *host, uint64_t count, uint64_t bytes);
void cpu_free(const maru_abi_host *host, void *memory);

/* Memory that goes all at once. */
typedef struct cpu_arena {
    const maru_abi_host *host;
    void *last;
} cpu_arena;

/* Zeroed, 16-byte-aligned. */
void *cpu_arena_alloc(cpu_arena *arena, uint64_t count, uint64_t bytes);
/* A copy of `bytes` bytes with a NUL after them. */
void *cpu_arena_copy(cpu_arena *arena, const void *data, uint64_t bytes);
__attribute__((format(printf, 2, 3))) const char *cpu_arena_printf(cpu_arena *arena, const char *fmt, ...);
void cpu_arena_fini(cpu_arena *arena);

/* Host memory of a binding; NULL of one without a buffer. */
static inline void *cpu_at(const maru_abi_binding *binding)
{
    return binding->buffer ? binding->buffer->memory + binding->offset : NULL;
}

/* ---- machine -------------------------------------------------------------- */

/* Read at the first call. Any thread. */
const cpu_facts *cpu_machine(maru_abi_plugin *plugin);
void cpu_read_machine(cpu_facts *out_facts);

/* ---- jobs, programs ------------------------------------------------------- */

/* A finished job that owns `product`, or drops it when memory ran out. */
maru_abi_status cpu_job_done(maru_abi_device *device, void *product, void (*drop)(void *), maru_abi_job **out_job,
                             maru_abi_error *error);

/* claim.c */
maru_abi_status cpu_claim(maru_abi_device *device, const maru_abi_claim_request *request, maru_abi_job **out_job,
                          maru_abi_error *error);
maru_abi_status cpu_claim_take(maru_abi_job *job, maru_abi_claims *out_claims, maru_abi_error *error);

/* queue.c: a list with a command that is not known is refused before any of it runs. */
maru_abi_status cpu_check_commands(const maru_abi_command *commands, uint32_t n_commands, maru_abi_error *error);
maru_abi_device *cpu_queue_device(const maru_abi_queue *queue);

/* record.c */
maru_abi_status cpu_record(maru_abi_queue *queue, const maru_abi_command *commands, uint32_t n_commands,
                           maru_abi_array rebindable, maru_abi_recording **out_recording, maru_abi_error *error);
void cpu_recording_destroy(maru_abi_recording *recording);
maru_abi_status cpu_replay(maru_abi_queue *queue, maru_abi_recording *recording, maru_abi_buffer *const *rebind,
                           uint32_t n_rebind, const maru_abi_submit *waits_and_signals, maru_abi_error *error);

/* run.c: no allocation, no lock. A failure names the node. */
maru_abi_status cpu_run(const maru_abi_run *run, maru_abi_error *error);

/* ---- the graph ------------------------------------------------------------- */

static inline const maru_abi_node *cpu_node(const maru_abi_graph *graph, uint32_t index)
{
    return MARU_ABI_AT(maru_abi_node, graph->nodes, index);
}

static inline const maru_abi_value *cpu_value(const maru_abi_graph *graph, uint32_t index)
{
    return MARU_ABI_AT(maru_abi_value, graph->values, index);
}

static inline uint32_t cpu_operand(const maru_abi_graph *graph, uint32_t index)
{
    return *MARU_ABI_AT(uint32_t, graph->operands, index);
}

/* Bit 0 of a value's flags. */
#define CPU_VALUE_DATA_DEPENDENT 1u

/*
 * The dense tensor of a value without its data, dims from `expr_values`. 0 if
 * the rank or the number of elements is beyond what kernels take.
 */
int cpu_describe(const maru_abi_graph *graph, uint32_t value, const int64_t *expr_values, cpu_tensor *out);
/* Bytes of a described tensor; 0 if its dtype is unknown. */
uint64_t cpu_tensor_bytes(const cpu_tensor *tensor);
/* NULL if there is none of that id. */
const maru_abi_dtype *cpu_dtype(uint32_t id);
/* "f32"; "dtype 99" of one that is not known is "?". */
const char *cpu_dtype_name(uint32_t id);
maru_abi_array cpu_dtypes(void);

/* Every expression's value for one row of symbol values; a division by zero gives 0. */
void cpu_eval_exprs(const maru_abi_graph *graph, const int64_t *symbol_values, int64_t *out_values);

/* ---- kernels ---------------------------------------------------------------- */

/* What is done to each element of an output before it is stored: nodes that follow, fused. */
enum {
    CPU_TAIL_ADD = 1,      // addend [element]
    CPU_TAIL_ADD_ROW = 2,  // addend [element mod the output's last dim]
    CPU_TAIL_RELU = 3,
    CPU_TAIL_GELU = 4,
    CPU_TAIL_GELU_TANH = 5,
    CPU_TAIL_SWISH = 6,    // with alpha
    CPU_TAIL_SIGMOID = 7,
    CPU_TAIL_TANH = 8
};

#define CPU_TAIL_STEPS 3

typedef struct cpu_tail_step {
    uint32_t kind;        // CPU_TAIL_*
    float alpha;
    uint32_t addend_value;  // of the graph; MARU_ABI_NO_INDEX: none
    const float *addend;    // in a run
} cpu_tail_step;

typedef struct cpu_tail {
    uint32_t n_steps;
    cpu_tail_step steps[CPU_TAIL_STEPS];
} cpu_tail;

/* What a kernel that is better than the reference may use beside its call. */
typedef struct cpu_team {
    const maru_abi_host *host;  // parallel_for
    uint32_t isa;
    void *scratch;              // as many bytes as the kernel's scratch() or prepare() said
    void *prepared;             // what the kernel's prepare() gave
    const cpu_tail *tail;       // NULL: none; never for a kernel without CPU_KERNEL_TAKES_TAIL
} cpu_team;

typedef maru_abi_status (*cpu_kernel_fn)(cpu_call *call, const cpu_team *team);

enum {
    CPU_KERNEL_TAKES_TAIL = 1u << 0,  // it applies team->tail
    CPU_KERNEL_LIBRARY = 1u << 1      // a library's, of a vendor or not
};

/* A kernel that is better than the reference of the same op for some calls. */
typedef struct cpu_kernel {
    const char *domain;
    const char *op;
    const char *name;     // for people: "matmul avx512"
    uint32_t isa;         // CPU_ISA_* it needs, all of them
    int32_t priority;     // of those that take a call, the highest runs
    uint32_t gflops;      // for estimates: products and sums per ns of one thread
    uint32_t flags;       // CPU_KERNEL_*
    cpu_kernel_fn fn;
    /* Whether it takes a call of these dtypes, dims and attributes; there is no data yet. NULL: every one. */
    int (*takes)(const cpu_call *call);
    /* Bytes of scratch memory for such a call. NULL: none. */
    uint64_t (*scratch)(const cpu_call *call, uint32_t n_threads);
    /*
     * What runs of calls with these dims need, made once; several may run at
     * a time. NULL, and the reference runs instead: it cannot be done after all.
     */
    void *(*prepare)(const cpu_call *call, const maru_abi_host *host, uint64_t *out_scratch_bytes);
    void (*release)(const maru_abi_host *host, void *prepared);  // takes NULL
} cpu_kernel;

/* What the team's tail says, to an output that is there already; where this instruction set is. */
void cpu_tail_apply_base(cpu_tensor *y, const cpu_team *team);
void cpu_tail_apply_avx2(cpu_tensor *y, const cpu_team *team);
void cpu_tail_apply_avx512(cpu_tensor *y, const cpu_team *team);

/* One table per family, as those of the reference; ended by a row without a name. */
extern const cpu_kernel *const cpu_vector_tables[];

/* The best for this call on this device; NULL: the reference. */
const cpu_kernel *cpu_kernel_find(const maru_abi_device *device, const cpu_call *call);

/* How kernels of an op want a constant operand; some kernel takes that form whatever the other dims are. */
typedef struct cpu_packing {
    const char *domain;
    const char *op;
    uint32_t input;
    uint32_t isa;
    int32_t priority;
    uint32_t flags;       // CPU_KERNEL_LIBRARY
    /* 0: not this one. Dims that are not constant are typical ones. */
    uint32_t (*layout)(const cpu_call *call, uint32_t n_threads);
    uint64_t (*bytes)(const cpu_tensor *constant, uint32_t layout);
    int (*pack)(const cpu_tensor *constant, uint32_t layout, void *out);  // 0: memory ran out
} cpu_packing;

/* Ended by a row without an op, as the list of tables by NULL. */
extern const cpu_packing *const cpu_packing_tables[];

/* NULL: as it is. */
const cpu_packing *cpu_packing_find(const maru_abi_device *device, const cpu_call *call, uint32_t input,
                                    uint32_t *out_layout);

/* ---- chains: nodes that one kernel runs --------------------------------------- */

#define CPU_CHAIN_NODES 8

/* A product, then views and elementwise nodes of its result that nothing else reads. */
typedef struct cpu_chain {
    uint32_t n_nodes;
    uint32_t nodes[CPU_CHAIN_NODES];  // ascending; the product first
    cpu_tail tail;
} cpu_chain;

/* How often each value is read, by nodes, as an output or as a state's end: `out` has room for every value. */
void cpu_count_readers(const maru_abi_graph *graph, uint32_t *out);
/* The one node that reads each value, or any of several: `out` has room for every value. */
void cpu_find_readers(const maru_abi_graph *graph, uint32_t *out);
/* The longest chain that begins at `node`; 0 if there is none of two nodes or more. chain.c */
int cpu_chain_find(const maru_abi_graph *graph, const uint32_t *n_readers, const uint32_t *reader, uint32_t node,
                   cpu_chain *out);

/*
 * Whether the node can be run: its operator, version, attributes and dtypes
 * are known. Else *out_code (MARU_ABI_REFUSE_*) and a sentence in `why`.
 */
const cpu_ref_op *cpu_accept(const maru_abi_graph *graph, uint32_t node, uint32_t *out_code, char *why,
                             size_t why_bytes);

/* Names of the attributes of an op, separated by blanks; "" if it has none. attrs.c */
const char *cpu_known_attrs(const char *domain, const char *op);

#endif
