// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Attributes, errors, and the table of all families. */

#include "ref/ref.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const maru_abi_attr *find_attr(const cpu_attrs *attrs, const char *name)
{
    const maru_abi_node *node = attrs->node;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        const maru_abi_attr *attr = MARU_ABI_AT(maru_abi_attr, attrs->graph->attrs, node->first_attr + i);
        if (strcmp(attr->name, name) == 0)
            return attr;
    }
    return NULL;
}

int64_t cpu_attr_int(const cpu_attrs *attrs, const char *name, int64_t fallback)
{
    const maru_abi_attr *attr = find_attr(attrs, name);
    return attr && attr->kind == MARU_ABI_ATTR_INT ? *(const int64_t *)attr->payload : fallback;
}

double cpu_attr_float(const cpu_attrs *attrs, const char *name, double fallback)
{
    const maru_abi_attr *attr = find_attr(attrs, name);
    return attr && attr->kind == MARU_ABI_ATTR_FLOAT ? *(const double *)attr->payload : fallback;
}

int cpu_attr_has(const cpu_attrs *attrs, const char *name)
{
    return find_attr(attrs, name) != NULL;
}

const int64_t *cpu_attr_ints(const cpu_attrs *attrs, const char *name, uint32_t *out_n)
{
    const maru_abi_attr *attr = find_attr(attrs, name);
    int is_list = attr && attr->kind == MARU_ABI_ATTR_INTS;
    *out_n = is_list ? attr->count : 0;
    return is_list ? attr->payload : NULL;
}

const double *cpu_attr_floats(const cpu_attrs *attrs, const char *name, uint32_t *out_n)
{
    const maru_abi_attr *attr = find_attr(attrs, name);
    int is_list = attr && attr->kind == MARU_ABI_ATTR_FLOATS;
    *out_n = is_list ? attr->count : 0;
    return is_list ? attr->payload : NULL;
}

const char *const *cpu_attr_strings(const cpu_attrs *attrs, const char *name, uint32_t *out_n)
{
    const maru_abi_attr *attr = find_attr(attrs, name);
    int is_list = attr && attr->kind == MARU_ABI_ATTR_STRINGS;
    *out_n = is_list ? attr->count : 0;
    return is_list ? attr->payload : NULL;
}

const char *cpu_attr_string(const cpu_attrs *attrs, const char *name, const char *fallback)
{
    const maru_abi_attr *attr = find_attr(attrs, name);
    return attr && attr->kind == MARU_ABI_ATTR_STRING ? attr->payload : fallback;
}

cpu_tensor cpu_attr_tensor(const cpu_attrs *attrs, const char *name)
{
    const maru_abi_attr *attr = find_attr(attrs, name);
    if (!attr || attr->kind != MARU_ABI_ATTR_TENSOR)
        return (cpu_tensor){0};
    const maru_abi_constant *constant =
        MARU_ABI_AT(maru_abi_constant, attrs->graph->constants, *(const uint32_t *)attr->payload);
    cpu_tensor t = {
        .dtype = constant->dtype.id,
        .rank = constant->rank,
        .count = 1,
        .data = (void *)(uintptr_t)constant->data,
    };
    for (uint32_t d = 0; d < t.rank && d < CPU_MAX_RANK; d++) {
        t.dims[d] = *MARU_ABI_AT(int64_t, attrs->graph->dims, constant->first_dim + d);
        t.count *= t.dims[d];
    }
    return t;
}

maru_abi_status cpu_bad_value(cpu_call *call, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (call->message && call->message_bytes)
        vsnprintf(call->message, call->message_bytes, fmt, args);
    va_end(args);
    return MARU_ABI_OUT_OF_RANGE;
}

static const cpu_ref_op *const families[] = {
    cpu_ref_elementwise, cpu_ref_activation, cpu_ref_reduce, cpu_ref_data,      cpu_ref_gather,
    cpu_ref_matmul,      cpu_ref_conv,       cpu_ref_norm,   cpu_ref_attention, cpu_ref_quant,
    cpu_ref_integer,     cpu_ref_recurrent,  cpu_ref_sample, cpu_ref_select,    cpu_ref_signal,
    cpu_ref_unpool,      cpu_ref_random,
};

const cpu_ref_op *cpu_ref_find(const char *domain, const char *name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        for (const cpu_ref_op *op = families[i]; op->name; op++) {
            if (strcmp(op->name, name) == 0 && strcmp(op->domain, domain) == 0)
                return op;
        }
    }
    return NULL;
}
