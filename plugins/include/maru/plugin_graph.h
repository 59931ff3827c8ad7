// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef MARU_PLUGIN_GRAPH_H
#define MARU_PLUGIN_GRAPH_H

/*
 * Tier G: a graph compiler (an NPU's), a library of operators (a CPU's), or
 * vendor libraries beside a tier K backend. The plugin looks at a graph,
 * claims sets of nodes with a cost, gives a reason for each node it refuses,
 * and compiles what the host gives it.
 *
 * Operators are ONNX's. They cross as {domain, name, since_version} and named
 * attributes: no number of the host's crosses. Claims see the operators as
 * imported, composites whole; what is refused as a composite is decomposed one
 * level and shown again, so a plugin meets only ops that it or ONNX defines.
 *
 * A plugin keeps nothing between runs (what outlives a run is a state, bound
 * on every run), never lowers precision on its own, and allocates nothing on
 * the run path.
 */

#include <maru/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the graph as flat arrays ----------------------------------------- */

/*
 * A dim is a constant when it is >= 0; a negative dim d stands for the value
 * of expression MARU_ABI_EXPR(d), which the host evaluates for each set of
 * symbol values.
 */
#define MARU_ABI_EXPR(dim) ((uint32_t)(-1 - (dim)))

typedef struct maru_abi_symbol {
    const char *name;    /* "batch" */
    int64_t min;         /* at least 0 */
    int64_t max;         /* -1: no bound */
    int64_t multiple_of; /* 1: any */
    int64_t typical;     /* -1: unknown */
} maru_abi_symbol;

enum {
    MARU_ABI_EXPR_CONST = 0,    /* a */
    MARU_ABI_EXPR_SYMBOL = 1,   /* value of symbol a */
    MARU_ABI_EXPR_ADD = 2,      /* from here on a and b are indices of earlier expressions */
    MARU_ABI_EXPR_SUB = 3,
    MARU_ABI_EXPR_MUL = 4,
    MARU_ABI_EXPR_FLOORDIV = 5, /* rounded towards minus infinity */
    MARU_ABI_EXPR_CEILDIV = 6,
    MARU_ABI_EXPR_MOD = 7,      /* sign of the divisor */
    MARU_ABI_EXPR_MIN = 8,
    MARU_ABI_EXPR_MAX = 9
};

typedef struct maru_abi_expr {
    uint32_t op; /* MARU_ABI_EXPR_* */
    uint32_t reserved;
    int64_t a;
    int64_t b;
} maru_abi_expr;

enum {
    MARU_ABI_VALUE_INPUT = 1,    /* given by the caller or by another program */
    MARU_ABI_VALUE_CONSTANT = 2, /* `source` is the index of the constant */
    MARU_ABI_VALUE_NODE = 3,     /* `source` is the index of the node that makes it */
    MARU_ABI_VALUE_SHAPE = 4,    /* an i64 vector of dims, `elems`: made by the host, also readable as an input */
    MARU_ABI_VALUE_OTHER = 0xFFFF
};

typedef struct maru_abi_value {
    const char *name; /* "" if none */
    maru_abi_dtype dtype;
    uint32_t kind;    /* MARU_ABI_VALUE_* */
    uint32_t source;
    uint32_t rank;
    uint32_t first_dim;  /* in graph.dims */
    uint32_t n_elems;    /* known elements of a small integer tensor; 0: unknown */
    uint32_t first_elem; /* in graph.dims, read as dims */
    uint64_t flags;      /* bit 0: its true dims are data-dependent, `dims` are the bound */
} maru_abi_value;

enum {
    MARU_ABI_ATTR_INT = 1,     /* payload: int64_t, count 1 */
    MARU_ABI_ATTR_FLOAT = 2,   /* double, count 1 */
    MARU_ABI_ATTR_STRING = 3,  /* char, count bytes, NUL after them */
    MARU_ABI_ATTR_INTS = 4,
    MARU_ABI_ATTR_FLOATS = 5,
    MARU_ABI_ATTR_STRINGS = 6, /* const char * */
    MARU_ABI_ATTR_TENSOR = 7,  /* uint32_t: index of a constant, count 1 */
    MARU_ABI_ATTR_SUBGRAPH = 8 /* reserved, with CAP_CONTROL_FLOW */
};

typedef struct maru_abi_attr {
    const char *name;
    uint32_t kind;
    uint32_t count;
    const void *payload;
} maru_abi_attr;

typedef struct maru_abi_node {
    const char *domain; /* "" is ONNX's default domain; "maru" is ours */
    const char *op;
    const char *scope;  /* "layers.3.mlp", for messages and traces; "" if none */
    uint32_t since_version;
    uint32_t first_input;  /* in graph.operands; MARU_ABI_NO_INDEX there: an input that was left out */
    uint32_t n_inputs;
    uint32_t first_output; /* in graph.operands; MARU_ABI_NO_INDEX there: an output nobody wants */
    uint32_t n_outputs;
    uint32_t first_attr;   /* in graph.attrs: only those given, never defaults */
    uint32_t n_attrs;
    uint64_t flags;
} maru_abi_node;

/* A piece of a file that holds the bytes of a constant. */
typedef struct maru_abi_span {
    int32_t fd;
    uint32_t reserved;
    uint64_t offset;
    uint64_t bytes;
} maru_abi_span;

/*
 * content_hash is equal only for equal dtype, dims and bytes, in this process
 * and while its files are: of bytes that lie in a file it may be a hash of which
 * bytes of which state of which file they are, and none of the bytes. So
 * different hashes say nothing, and it is no key of a cache on disk.
 */
typedef struct maru_abi_constant {
    uint8_t content_hash[32]; /* zero: not hashed, do not share */
    const char *name;
    maru_abi_dtype dtype;
    uint32_t rank;
    uint32_t first_dim;  /* in graph.dims; all constant */
    uint32_t first_span; /* in graph.spans; the bytes are their concatenation */
    uint32_t n_spans;    /* 0: only `data` */
    uint64_t bytes;
    const void *data;    /* mapped in this process, or NULL; valid until the job ends */
} maru_abi_constant;

enum {
    MARU_ABI_STATE_RING = 1u << 0 /* writes wrap at the capacity */
};

/* An input and an output that are one memory, updated in place. Its dims are the capacity. */
typedef struct maru_abi_state {
    const char *name;
    uint32_t input;      /* value index */
    uint32_t output;     /* value index */
    int32_t axis;        /* the growing axis, -1: none */
    uint32_t length;     /* value index of the valid length along it, or MARU_ABI_NO_INDEX */
    uint32_t layout;     /* 0: canonical dense */
    uint32_t reserved;
    uint64_t flags;      /* MARU_ABI_STATE_* */
} maru_abi_state;

typedef struct maru_abi_domain {
    const char *name;
    uint32_t version; /* of the operators in this graph */
    uint32_t reserved;
} maru_abi_domain;

/*
 * Nodes are in topological order. The graph and all it points to are borrowed
 * for the call, or until the job that the call started ends.
 */
typedef struct maru_abi_graph {
    maru_abi_head head;
    const char *name;
    maru_abi_array domains;   /* of maru_abi_domain */
    maru_abi_array symbols;   /* of maru_abi_symbol */
    maru_abi_array exprs;     /* of maru_abi_expr */
    maru_abi_array dims;      /* of int64_t: what values and constants index */
    maru_abi_array values;    /* of maru_abi_value */
    maru_abi_array operands;  /* of uint32_t: value indices */
    maru_abi_array attrs;     /* of maru_abi_attr */
    maru_abi_array nodes;     /* of maru_abi_node */
    maru_abi_array constants; /* of maru_abi_constant */
    maru_abi_array spans;     /* of maru_abi_span */
    maru_abi_array states;    /* of maru_abi_state */
    maru_abi_array inputs;    /* of uint32_t: value indices; states' inputs too */
    maru_abi_array outputs;   /* of uint32_t: value indices; states' outputs too */
} maru_abi_graph;

/* ---- claims ----------------------------------------------------------- */

enum {
    MARU_ABI_NUMERIC_TF32 = 1u << 0,
    MARU_ABI_NUMERIC_FAST_MATH = 1u << 1,
    MARU_ABI_NUMERIC_DETERMINISTIC = 1u << 2 /* the same bits on every run */
};

/* The least precision asked for, or the precision a claim would give, for one graph dtype. */
typedef struct maru_abi_numeric {
    uint32_t dtype;       /* of the graph */
    uint32_t compute;     /* dtype of the products */
    uint32_t accumulator;
    uint32_t flags;       /* MARU_ABI_NUMERIC_* allowed, or used */
} maru_abi_numeric;

typedef struct maru_abi_claim_request {
    maru_abi_head head;
    const maru_abi_graph *graph;
    maru_abi_array samples;  /* of int64_t: n_samples rows of one value per symbol, to estimate costs at */
    uint32_t n_samples;
    uint32_t round;          /* 0, then 1 and 2 where the host asks again about a part */
    maru_abi_array numerics; /* of maru_abi_numeric: the least; a dtype not listed: its own, f32 accumulation */
} maru_abi_claim_request;

enum {
    MARU_ABI_SYMBOL_ANY = 0,
    MARU_ABI_SYMBOL_MULTIPLE = 1, /* of `value` */
    MARU_ABI_SYMBOL_LIST = 2      /* n_values from first_value on in claims.numbers */
};

typedef struct maru_abi_symbol_rule {
    uint32_t symbol;
    uint32_t rule;
    int64_t value;
    uint32_t first_value;
    uint32_t n_values;
} maru_abi_symbol_rule;

enum {
    MARU_ABI_CLAIM_STATE_IN_PLACE = 1u << 0, /* else states get two buffers that are swapped */
    MARU_ABI_CLAIM_SAVEABLE = 1u << 1,       /* save() works */
    /*
     * One node: output 0 may be bound to the memory of an input that nothing
     * else reads: of an elementwise op any input of the same size, of an
     * update op (TensorScatter, ScatterElements, ScatterND) input 0.
     */
    MARU_ABI_CLAIM_IN_PLACE = 1u << 2
};

/* A convex set of nodes that the plugin would compile as one program. Sets may overlap, as alternatives. */
typedef struct maru_abi_claim {
    uint32_t first_node;    /* in claims.nodes */
    uint32_t n_nodes;
    uint32_t first_cost;    /* in claims.numbers: n_samples times in ns; -1: unknown, the host measures */
    uint32_t first_rule;    /* in claims.rules; symbols not listed: any */
    uint32_t n_rules;
    uint32_t first_layout;  /* in claims.layouts */
    uint32_t n_layouts;
    uint32_t reserved;
    uint64_t workspace_bytes; /* largest over the samples */
    maru_abi_numeric numeric; /* the lowest used in the set */
    uint64_t flags;           /* MARU_ABI_CLAIM_* */
    const char *kernel;       /* what would run, for people: "onednn matmul", or "" */
} maru_abi_claim;

/* A wish for the layout of a value at the set's border. Dense row-major unless both sides name the same id. */
typedef struct maru_abi_layout_wish {
    uint32_t value;
    uint32_t layout;
} maru_abi_layout_wish;

enum {
    MARU_ABI_REFUSE_OTHER = 0,
    MARU_ABI_REFUSE_OP = 1,          /* operator, domain or version unknown */
    MARU_ABI_REFUSE_DTYPE = 2,
    MARU_ABI_REFUSE_ATTRIBUTE = 3,
    MARU_ABI_REFUSE_SHAPE = 4,
    MARU_ABI_REFUSE_DYNAMIC = 5,     /* needs constant dims */
    MARU_ABI_REFUSE_MEMORY = 6,
    MARU_ABI_REFUSE_NUMERICS = 7,
    MARU_ABI_REFUSE_PREFERENCE = 8   /* could, but would be slow */
};

typedef struct maru_abi_refusal {
    uint32_t node;
    uint32_t code;    /* MARU_ABI_REFUSE_*; an unknown one is its text */
    const char *text; /* "Resize: mode 'cubic' is not supported" */
} maru_abi_refusal;

/* Filled by claim_take; everything in it belongs to the job. Every node is in a claim or in a refusal, or both. */
typedef struct maru_abi_claims {
    maru_abi_head head;
    maru_abi_array claims;   /* of maru_abi_claim */
    maru_abi_array nodes;    /* of uint32_t: node indices */
    maru_abi_array numbers;  /* of int64_t */
    maru_abi_array rules;    /* of maru_abi_symbol_rule */
    maru_abi_array layouts;  /* of maru_abi_layout_wish */
    maru_abi_array refusals; /* of maru_abi_refusal */
} maru_abi_claims;

/* ---- programs --------------------------------------------------------- */

typedef struct maru_abi_compile_request {
    maru_abi_head head;
    const maru_abi_graph *graph; /* the nodes of one claim */
    maru_abi_array buckets;      /* of int64_t: n_buckets rows of one value per symbol; none: any value */
    uint32_t n_buckets;
    uint32_t reserved;
    maru_abi_array numerics;     /* as in the claim request */
    uint64_t flags;
} maru_abi_compile_request;

enum {
    MARU_ABI_CONSTANT_BAKED = 0,  /* inside the program: not bound */
    MARU_ABI_CONSTANT_PLAIN = 1,  /* bound as it is */
    MARU_ABI_CONSTANT_PACKED = 2  /* bound in the form that pack() makes */
};

typedef struct maru_abi_constant_use {
    uint32_t how;     /* MARU_ABI_CONSTANT_* */
    uint32_t layout;  /* PACKED: the plugin's id of the form */
    uint64_t bytes;   /* PACKED: of the packed form */
} maru_abi_constant_use;

/* Arrays belong to the program. */
typedef struct maru_abi_program_info {
    maru_abi_head head;
    maru_abi_array loaded_bytes;  /* of uint64_t, per memory kind */
    maru_abi_array constants;     /* of maru_abi_constant_use, in the graph's order */
    uint64_t longest_ns;          /* longest uninterruptible time; 0: unknown */
    uint64_t flags;               /* bit 0: may be recorded */
    uint32_t param_bytes;         /* reserved for parameters beside the bindings; 0 */
    uint32_t needs_bind;          /* 1: `bound` of a run may not be NULL */
} maru_abi_program_info;

/* A program made ready for one set of symbol values. */
typedef struct maru_abi_bound_info {
    maru_abi_head head;
    uint64_t workspace_bytes;
    uint64_t cost_ns; /* 0: unknown */
} maru_abi_bound_info;

/*
 * Body of MARU_ABI_CMD_RUN. Bindings in this order: the graph's inputs, its
 * outputs, the constants that are PLAIN or PACKED, the workspace if the bound
 * info says more than 0 bytes, and one i64 buffer of true dims (the dims of
 * each data-dependent output one after the other) if there is any. A state's
 * input and output are the same memory. SHAPE values that are inputs of a
 * node are bound after the graph's inputs, in value order.
 */
typedef struct maru_abi_run {
    maru_abi_head head;
    maru_abi_program *program;
    maru_abi_bound *bound;              /* from program_bind, or NULL */
    const maru_abi_binding *bindings;
    uint32_t n_bindings;
    uint32_t n_symbols;
    const int64_t *symbol_values;
    const int64_t *expr_values;         /* of every expression of the program's graph */
} maru_abi_run;

enum {
    MARU_ABI_VERDICT_USABLE = 0,
    MARU_ABI_VERDICT_SLOWER = 1,  /* works, would be better compiled anew */
    MARU_ABI_VERDICT_REBUILD = 2, /* what an unknown verdict is read as */
    MARU_ABI_VERDICT_NO = 3
};

/* Receives a saved program piece by piece; a status other than OK ends the save. */
typedef maru_abi_status (*maru_abi_write_fn)(void *ctx, const void *data, uint64_t bytes);

typedef struct maru_abi_graph_fns {
    maru_abi_head head;

    /*
     * Claims are a pure function of the request and the device's kind: no
     * device work, the same answer every time. A job. Any thread. [shm]
     */
    maru_abi_status (*claim)(maru_abi_device *device, const maru_abi_claim_request *request, maru_abi_job **out_job,
                             maru_abi_error *error);
    maru_abi_status (*claim_take)(maru_abi_job *job, maru_abi_claims *out_claims, maru_abi_error *error);

    /* A job. Any thread. [shm] */
    maru_abi_status (*compile)(maru_abi_device *device, const maru_abi_compile_request *request,
                               maru_abi_job **out_job, maru_abi_error *error);
    /* Once per DONE job. The program is loaded. [msg] */
    maru_abi_status (*compile_take)(maru_abi_job *job, maru_abi_program **out_program, maru_abi_error *error);
    /* No run of it is pending. [msg] */
    void (*program_destroy)(maru_abi_program *program);
    /* Any thread. [msg] */
    maru_abi_status (*program_info)(maru_abi_program *program, maru_abi_program_info *out_info, maru_abi_error *error);

    /*
     * Optional. Makes what one set of symbol values needs (a library's
     * primitives, launch shapes), once, off the run path. The host keeps the
     * result with its cached sizes and offsets. Any thread. [msg]
     */
    maru_abi_status (*program_bind)(maru_abi_program *program, const int64_t *symbol_values, uint32_t n_symbols,
                                    const int64_t *expr_values, uint32_t n_exprs, maru_abi_bound **out_bound,
                                    maru_abi_bound_info *out_info, maru_abi_error *error);
    void (*bound_destroy)(maru_abi_bound *bound); /* [msg] */

    /*
     * Optional; required where a program says PACKED. Writes the packed form
     * of a constant of the program's graph to `dst` (host memory, the size
     * that program_info says): once per (content, layout, plugin, driver), kept
     * by the host and shared by programs, sessions and buckets. `data` is the
     * constant's dense bytes. Any thread. [shm]
     */
    maru_abi_status (*pack)(maru_abi_program *program, uint32_t constant, const void *data, void *dst,
                            maru_abi_error *error);

    /* Optional, with CLAIM_SAVEABLE. [shm] */
    maru_abi_status (*save)(maru_abi_program *program, maru_abi_write_fn write, void *ctx, maru_abi_error *error);
    /* Optional. MARU_ABI_VERDICT_* for a saved program; opens no device. Any thread. [shm] */
    maru_abi_status (*check)(maru_abi_plugin *plugin, uint32_t device_index, const void *blob, uint64_t bytes,
                             uint32_t *out_verdict, maru_abi_error *error);
    /* Optional. A job, as compile; its product is taken with compile_take. [shm] */
    maru_abi_status (*load)(maru_abi_device *device, const void *blob, uint64_t bytes, maru_abi_job **out_job,
                            maru_abi_error *error);
    /* Optional. Frees the device's memory of an idle program; the handle stays, reload makes it runnable. [msg] */
    maru_abi_status (*unload)(maru_abi_program *program, maru_abi_error *error);
    maru_abi_status (*reload)(maru_abi_program *program, maru_abi_error *error);

    /*
     * Optional, with a private state layout: to and from the canonical dense
     * form in host memory (`to_canonical` 1 or 0). [shm]
     */
    maru_abi_status (*state_convert)(maru_abi_device *device, uint32_t layout, const maru_abi_tensor_desc *desc,
                                     void *canonical, maru_abi_binding private_form, uint32_t to_canonical,
                                     maru_abi_error *error);
} maru_abi_graph_fns;

#ifdef __cplusplus
}
#endif

#endif
