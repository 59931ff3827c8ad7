// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#ifndef CPU_REF_REF_H
#define CPU_REF_REF_H

/*
 * The reference: one plain C kernel for every operator, the specification
 * and the oracle of all others. Scalar loops in the order of the definition,
 * sums in double, one rounding at the end. Never optimised.
 *
 * A kernel is pure: it reads inputs and attributes, writes outputs, keeps
 * nothing, and may be called on any thread. Outputs are allocated and have
 * their dims; they overlap no input unless the op may run in place.
 */

#include <maru/plugin_graph.h>

#define CPU_MAX_RANK 8

/* Dense and row-major. dtype 0: an input that was left out, or an output nobody wants. */
typedef struct cpu_tensor {
    uint32_t dtype;  // MARU_ABI_F32, ...
    uint32_t rank;
    int64_t dims[CPU_MAX_RANK];
    int64_t count;   // product of dims
    uint32_t layout; // 0: dense; else the form of a packed constant, which the reference never meets
    void *data;
} cpu_tensor;

/* Attributes as they were given, looked up by name; a default is the caller's. */
typedef struct cpu_attrs {
    const maru_abi_graph *graph;  // whose constants tensor attributes name
    const maru_abi_node *node;
} cpu_attrs;

int64_t cpu_attr_int(const cpu_attrs *attrs, const char *name, int64_t fallback);
double cpu_attr_float(const cpu_attrs *attrs, const char *name, double fallback);
/* Whether it was given. */
int cpu_attr_has(const cpu_attrs *attrs, const char *name);
/* NULL if it was not given; *out_n is its length. */
const int64_t *cpu_attr_ints(const cpu_attrs *attrs, const char *name, uint32_t *out_n);
const double *cpu_attr_floats(const cpu_attrs *attrs, const char *name, uint32_t *out_n);
const char *const *cpu_attr_strings(const cpu_attrs *attrs, const char *name, uint32_t *out_n);
const char *cpu_attr_string(const cpu_attrs *attrs, const char *name, const char *fallback);
/* A tensor attribute; dtype 0 if it was not given. */
cpu_tensor cpu_attr_tensor(const cpu_attrs *attrs, const char *name);

/* One call of a kernel. */
typedef struct cpu_call {
    cpu_attrs attrs;
    const cpu_tensor *in;
    uint32_t n_in;
    cpu_tensor *out;
    uint32_t n_out;
    int64_t *true_dims;  // of data-dependent outputs that are wanted, one after the other: true dims go here
    char *message;       // room for one sentence when a value is wrong (an index out of range)
    uint32_t message_bytes;
} cpu_call;

static inline int cpu_has(const cpu_call *c, uint32_t input)
{
    return input < c->n_in && c->in[input].dtype != 0;
}

/* MARU_ABI_OUT_OF_RANGE with a sentence, for a wrong value among the data. */
__attribute__((format(printf, 2, 3))) maru_abi_status cpu_bad_value(cpu_call *c, const char *fmt, ...);

typedef maru_abi_status (*cpu_ref_fn)(cpu_call *call);

/*
 * Element access in double or int64; every plain dtype (f16, bf16, float8 and
 * 4-bit ones too). Stores round to nearest even; a float8 saturates, an
 * integer from an int64 keeps its low bits.
 */
double cpu_load(const cpu_tensor *t, int64_t index);
void cpu_store(cpu_tensor *t, int64_t index, double value);
int64_t cpu_load_int(const cpu_tensor *t, int64_t index);
void cpu_store_int(cpu_tensor *t, int64_t index, int64_t value);
int cpu_is_float(uint32_t dtype);
int cpu_is_signed(uint32_t dtype);    /* signed integers */
int cpu_is_unsigned(uint32_t dtype);  /* unsigned integers, not bool */

/* dtypes that a kernel takes, as letters of cpu_ref_op.dtypes. */
typedef struct cpu_ref_op {
    const char *name;
    const char *domain;
    uint32_t since_version;   // the form it implements: op.def's
    cpu_ref_fn fn;
    /*
     * One word per input (the last one serves all that follow), letters f
     * floats, i signed, u unsigned, b bool, q block-quantised, * any: "f f i"
     */
    const char *dtypes;
    uint32_t flags;           // CPU_IN_PLACE
} cpu_ref_op;

enum {
    CPU_IN_PLACE = 1u << 0,   // as MARU_ABI_CLAIM_IN_PLACE: elementwise, or an update of input 0
};

/* One table per family, ended by a row without a name; ref.c joins them. */
extern const cpu_ref_op cpu_ref_elementwise[];
extern const cpu_ref_op cpu_ref_activation[];
extern const cpu_ref_op cpu_ref_reduce[];
extern const cpu_ref_op cpu_ref_data[];
extern const cpu_ref_op cpu_ref_gather[];
extern const cpu_ref_op cpu_ref_matmul[];
extern const cpu_ref_op cpu_ref_conv[];
extern const cpu_ref_op cpu_ref_norm[];
extern const cpu_ref_op cpu_ref_attention[];
extern const cpu_ref_op cpu_ref_quant[];
extern const cpu_ref_op cpu_ref_integer[];
extern const cpu_ref_op cpu_ref_random[];
extern const cpu_ref_op cpu_ref_recurrent[];
extern const cpu_ref_op cpu_ref_sample[];
extern const cpu_ref_op cpu_ref_select[];
extern const cpu_ref_op cpu_ref_signal[];
extern const cpu_ref_op cpu_ref_unpool[];

/* NULL if there is none of that name and domain. */
const cpu_ref_op *cpu_ref_find(const char *domain, const char *name);

#endif
