// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "vectors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void broken(const vectors_case *c, const char *what)
{
    fprintf(stderr, "case '%s': %s\n", c->name, what);
    exit(1);
}

static int word(FILE *file, char *out, size_t room)
{
    char format[16];
    snprintf(format, sizeof format, "%%%zus", room - 1);
    return fscanf(file, format, out) == 1;
}

static uint32_t dtype_of(const char *name)
{
    static const struct {
        const char *name;
        uint32_t dtype;
    } dtypes[] = {
        {"f32", MARU_ABI_F32},   {"u8", MARU_ABI_U8},     {"i8", MARU_ABI_I8},     {"u16", MARU_ABI_U16},
        {"i16", MARU_ABI_I16},   {"i32", MARU_ABI_I32},   {"i64", MARU_ABI_I64},   {"bool", MARU_ABI_BOOL},
        {"f16", MARU_ABI_F16},   {"f64", MARU_ABI_F64},   {"u32", MARU_ABI_U32},   {"u64", MARU_ABI_U64},
        {"bf16", MARU_ABI_BF16}, {"u4", MARU_ABI_U4},     {"i4", MARU_ABI_I4},     {"f8e4m3fn", MARU_ABI_F8E4M3FN},
        {"f8e4m3fnuz", MARU_ABI_F8E4M3FNUZ}, {"f8e5m2", MARU_ABI_F8E5M2}, {"f8e5m2fnuz", MARU_ABI_F8E5M2FNUZ},
        {"f4e2m1", MARU_ABI_F4E2M1}, {"f8e8m0", MARU_ABI_F8E8M0}, {"u2", MARU_ABI_U2}, {"i2", MARU_ABI_I2},
    };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].dtype;
    }
    return 0;
}

void *vectors_memory(const cpu_tensor *t)
{
    void *memory = calloc((size_t)t->count + 1, 8);
    if (!memory)
        exit(1);
    return memory;
}

static void read_element(FILE *file, cpu_tensor *t, int64_t i)
{
    char text[64] = "";
    if (!word(file, text, sizeof text))
        exit(1);
    if (cpu_is_f8(t->dtype))
        cpu_store_f8(t, i, strtod(text, NULL), 0);
    else if (cpu_is_float(t->dtype))
        cpu_store(t, i, strtod(text, NULL));
    else
        cpu_store_int(t, i, text[0] == '-' ? strtoll(text, NULL, 10) : (int64_t)strtoull(text, NULL, 10));
}

static cpu_tensor read_tensor(FILE *file, const vectors_case *c)
{
    char name[32] = "";
    cpu_tensor t = {.count = 1};
    if (!word(file, name, sizeof name))
        broken(c, "a dtype is missing");
    if (strcmp(name, "-") == 0)
        return (cpu_tensor){0};
    t.dtype = dtype_of(name);
    if (!t.dtype || fscanf(file, "%" SCNu32, &t.rank) != 1 || t.rank > CPU_MAX_RANK)
        broken(c, "a bad dtype or rank");
    for (uint32_t d = 0; d < t.rank; d++) {
        if (fscanf(file, "%" SCNd64, &t.dims[d]) != 1)
            broken(c, "a bad dim");
        t.count *= t.dims[d];
    }
    if (!word(file, name, sizeof name) || strcmp(name, ":") != 0)
        broken(c, "a colon is missing");
    t.data = vectors_memory(&t);
    for (int64_t i = 0; i < t.count; i++)
        read_element(file, &t, i);
    return t;
}

static void read_tensor_attr(FILE *file, vectors_case *c)
{
    c->tensor_attr = read_tensor(file, c);
    memcpy(c->constant_dims, c->tensor_attr.dims, sizeof c->constant_dims);
    c->constant = (maru_abi_constant){
        .name = "",
        .dtype = {c->tensor_attr.dtype, 1, 1},
        .rank = c->tensor_attr.rank,
        .data = c->tensor_attr.data,
    };
}

static int read_list(FILE *file, vectors_case *c, char kind, maru_abi_attr *attr, uint32_t k)
{
    int ok = fscanf(file, "%" SCNu32, &attr->count) == 1 && attr->count <= 16;
    attr->kind = kind == 'I' ? MARU_ABI_ATTR_INTS : kind == 'F' ? MARU_ABI_ATTR_FLOATS : MARU_ABI_ATTR_STRINGS;
    for (uint32_t i = 0; ok && i < attr->count; i++) {
        if (kind == 'I')
            ok = fscanf(file, "%" SCNd64, &c->payloads[k].ints[i]) == 1;
        else if (kind == 'F')
            ok = fscanf(file, "%lf", &c->payloads[k].floats[i]) == 1;
        else
            ok = word(file, c->texts[i], sizeof c->texts[i]);
        if (kind == 'S')
            c->payloads[k].strings[i] = c->texts[i];
    }
    return ok;
}

static void read_attr(FILE *file, vectors_case *c)
{
    uint32_t k = c->n_attrs++;
    maru_abi_attr *attr = &c->attrs[k];
    char kind[4] = "";
    if (k >= VECTORS_MAX_ATTRS || !word(file, c->attr_names[k], sizeof c->attr_names[k]) ||
        !word(file, kind, sizeof kind))
        broken(c, "a bad attribute");
    *attr = (maru_abi_attr){.name = c->attr_names[k], .count = 1, .payload = &c->payloads[k]};
    int ok = 1;
    if (kind[0] == 'i') {
        attr->kind = MARU_ABI_ATTR_INT;
        ok = fscanf(file, "%" SCNd64, &c->payloads[k].i) == 1;
    } else if (kind[0] == 'f') {
        attr->kind = MARU_ABI_ATTR_FLOAT;
        ok = fscanf(file, "%lf", &c->payloads[k].f) == 1;
    } else if (kind[0] == 's') {
        attr->kind = MARU_ABI_ATTR_STRING;
        ok = word(file, c->payloads[k].s, sizeof c->payloads[k].s);
        attr->count = (uint32_t)strlen(c->payloads[k].s);
    } else if (strchr("IFS", kind[0])) {
        ok = read_list(file, c, kind[0], attr, k);
    } else {
        attr->kind = MARU_ABI_ATTR_TENSOR;
        read_tensor_attr(file, c);
    }
    if (!ok)
        broken(c, "a bad attribute value");
}

static void finish(vectors_case *c)
{
    c->node = (maru_abi_node){.domain = "", .op = c->op, .scope = "", .n_inputs = c->n_in, .n_outputs = c->n_out,
                              .n_attrs = c->n_attrs};
    c->graph = (maru_abi_graph){
        .head = MARU_ABI_HEAD(maru_abi_graph),
        .name = "",
        .dims = {c->constant_dims, CPU_MAX_RANK, sizeof c->constant_dims[0]},
        .attrs = {c->attrs, c->n_attrs, sizeof c->attrs[0]},
        .nodes = {&c->node, 1, sizeof c->node},
        .constants = {&c->constant, 1, sizeof c->constant},
    };
}

int vectors_next(FILE *file, vectors_case *c)
{
    char key[16] = "";
    memset(c, 0, sizeof *c);
    if (!word(file, key, sizeof key))
        return 0;
    if (strcmp(key, "case") != 0 || !word(file, c->name, sizeof c->name) || !word(file, c->op, sizeof c->op))
        broken(c, "it does not begin with its name");
    while (word(file, key, sizeof key) && strcmp(key, "end") != 0) {
        if (c->n_in >= VECTORS_MAX_OPERANDS || c->n_out >= VECTORS_MAX_OPERANDS)
            broken(c, "too many tensors");
        if (strcmp(key, "attr") == 0)
            read_attr(file, c);
        else if (strcmp(key, "in") == 0)
            c->in[c->n_in++] = read_tensor(file, c);
        else if (strcmp(key, "out") == 0)
            c->out[c->n_out++] = read_tensor(file, c);
        else
            broken(c, "an unknown line");
    }
    finish(c);
    return 1;
}

void vectors_free(vectors_case *c)
{
    for (uint32_t i = 0; i < c->n_in; i++)
        free(c->in[i].data);
    for (uint32_t i = 0; i < c->n_out; i++)
        free(c->out[i].data);
    free(c->tensor_attr.data);
}
