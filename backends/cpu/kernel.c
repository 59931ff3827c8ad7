// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Which kernel runs a node, and whether there is one. */

#include "cpu.h"

#include <stdio.h>
#include <string.h>

/* ---- better than the reference -------------------------------------------------- */

static int fits(const maru_abi_device *device, const cpu_kernel *kernel, const cpu_call *call)
{
    const maru_abi_node *node = call->attrs.node;
    if ((kernel->flags & CPU_KERNEL_LIBRARY) && !device->has_libraries)
        return 0;
    if ((kernel->isa & ~device->isa) != 0 || strcmp(kernel->op, node->op) != 0 ||
        strcmp(kernel->domain, node->domain) != 0)
        return 0;
    return !kernel->takes || kernel->takes(call);
}

const cpu_kernel *cpu_kernel_find(const maru_abi_device *device, const cpu_call *call)
{
    const cpu_kernel *best = NULL;
    if (!device->has_vector_kernels)
        return NULL;
    for (size_t table = 0; cpu_vector_tables[table]; table++) {
        for (const cpu_kernel *kernel = cpu_vector_tables[table]; kernel->name; kernel++) {
            if ((!best || kernel->priority > best->priority) && fits(device, kernel, call))
                best = kernel;
        }
    }
    return best;
}

const cpu_packing *cpu_packing_find(const maru_abi_device *device, const cpu_call *call, uint32_t input,
                                    uint32_t *out_layout)
{
    const maru_abi_node *node = call->attrs.node;
    const cpu_packing *best = NULL;
    for (size_t table = 0; device->has_vector_kernels && cpu_packing_tables[table]; table++) {
        for (const cpu_packing *p = cpu_packing_tables[table]; p->op; p++) {
            if ((p->flags & CPU_KERNEL_LIBRARY) && !device->has_libraries)
                continue;
            if ((p->isa & ~device->isa) != 0 || p->input != input || strcmp(p->op, node->op) != 0 ||
                strcmp(p->domain, node->domain) != 0 || (best && best->priority >= p->priority))
                continue;
            const uint32_t layout = p->layout(call, device->plugin->host->thread_count(device->plugin->host->ctx));
            if (layout) {
                best = p;
                *out_layout = layout;
            }
        }
    }
    return best;
}

/* ---- what is known --------------------------------------------------------------- */

static int has_name(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = names; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        if (strcspn(at, " ") == n && memcmp(at, name, n) == 0)
            return 1;
    }
    return 0;
}

static char class_of(uint32_t dtype)
{
    if (cpu_is_float(dtype))
        return 'f';
    if (cpu_is_signed(dtype))
        return 'i';
    if (cpu_is_unsigned(dtype))
        return 'u';
    if (dtype == MARU_ABI_BOOL)
        return 'b';
    return dtype >= MARU_ABI_Q4_0 && cpu_dtype(dtype) ? 'q' : '-';
}

/* The word of input `index`; the last one serves all that follow. */
static const char *word_of(const char *words, uint32_t index, size_t *out_bytes)
{
    const char *at = words + strspn(words, " ");
    for (uint32_t i = 0; i < index; i++) {
        const char *next = at + strcspn(at, " ");
        next += strspn(next, " ");
        if (!*next)
            break;
        at = next;
    }
    *out_bytes = strcspn(at, " ");
    return at;
}

static int takes_dtype(const char *words, uint32_t index, uint32_t dtype)
{
    size_t n = 0;
    const char *word = word_of(words, index, &n);
    char class = class_of(dtype);
    if (class == '-')
        return 0;
    return memchr(word, class, n) != NULL || (class != 'q' && memchr(word, '*', n) != NULL);
}

static int refuse(uint32_t *out_code, uint32_t code)
{
    *out_code = code;
    return 0;
}

static int accept_values(const maru_abi_graph *graph, const maru_abi_node *node, const cpu_ref_op *op,
                         uint32_t *out_code, char *why, size_t why_bytes)
{
    for (uint32_t i = 0; i < node->n_inputs + node->n_outputs; i++) {
        int is_input = i < node->n_inputs;
        uint32_t index = is_input ? i : i - node->n_inputs;
        uint32_t value = cpu_operand(graph, (is_input ? node->first_input : node->first_output) + index);
        if (value == MARU_ABI_NO_INDEX)
            continue;
        const maru_abi_value *v = cpu_value(graph, value);
        const char *side = is_input ? "input" : "output";
        if (v->rank > CPU_MAX_RANK) {
            snprintf(why, why_bytes, "%s: %s %u has rank %u, kernels take up to %d", node->op, side, index, v->rank,
                     CPU_MAX_RANK);
            return refuse(out_code, MARU_ABI_REFUSE_SHAPE);
        }
        if (is_input ? !takes_dtype(op->dtypes, i, v->dtype.id) : class_of(v->dtype.id) == '-') {
            snprintf(why, why_bytes, "%s: %s %u has dtype %s (%u), which it does not take", node->op, side, index,
                     cpu_dtype_name(v->dtype.id), v->dtype.id);
            return refuse(out_code, MARU_ABI_REFUSE_DTYPE);
        }
    }
    return 1;
}

static int accept_attrs(const maru_abi_graph *graph, const maru_abi_node *node, uint32_t *out_code, char *why,
                        size_t why_bytes)
{
    const char *known = cpu_known_attrs(node->domain, node->op);
    if (node->flags >> 32) {
        snprintf(why, why_bytes, "%s: unknown flags 0x%llx", node->op, (unsigned long long)node->flags);
        return refuse(out_code, MARU_ABI_REFUSE_OTHER);
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        const maru_abi_attr *attr = MARU_ABI_AT(maru_abi_attr, graph->attrs, node->first_attr + i);
        int is_training = strcmp(attr->name, "training_mode") == 0 && *(const int64_t *)attr->payload != 0;
        if (has_name(known, attr->name) && attr->kind >= MARU_ABI_ATTR_INT && attr->kind <= MARU_ABI_ATTR_TENSOR &&
            !is_training)
            continue;
        snprintf(why, why_bytes, "%s: attribute '%.60s' %s", node->op, attr->name,
                 is_training ? "is set; only inference is known" : "is not known");
        return refuse(out_code, MARU_ABI_REFUSE_ATTRIBUTE);
    }
    return 1;
}

const cpu_ref_op *cpu_accept(const maru_abi_graph *graph, uint32_t index, uint32_t *out_code, char *why,
                             size_t why_bytes)
{
    const maru_abi_node *node = cpu_node(graph, index);
    const cpu_ref_op *op = cpu_ref_find(node->domain, node->op);
    *out_code = MARU_ABI_REFUSE_OP;
    if (!op) {
        snprintf(why, why_bytes, "%.60s%s%.60s: there is no such kernel", node->domain, *node->domain ? "." : "",
                 node->op);
        return NULL;
    }
    if (node->since_version > op->since_version) {
        snprintf(why, why_bytes, "%s: version %u is newer than the kernel's, which is %u", node->op,
                 node->since_version, op->since_version);
        return NULL;
    }
    if (!accept_attrs(graph, node, out_code, why, why_bytes) ||
        !accept_values(graph, node, op, out_code, why, why_bytes))
        return NULL;
    return op;
}
