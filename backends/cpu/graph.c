// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Reading the host's graph: dtypes, dims, expressions. */

#include "cpu.h"

#include <string.h>

static const struct {
    const char *name;
    maru_abi_dtype dtype;
} dtypes[] = {
    {"f32", {MARU_ABI_F32, 1, 4}},           {"u8", {MARU_ABI_U8, 1, 1}},
    {"i8", {MARU_ABI_I8, 1, 1}},             {"u16", {MARU_ABI_U16, 1, 2}},
    {"i16", {MARU_ABI_I16, 1, 2}},           {"i32", {MARU_ABI_I32, 1, 4}},
    {"i64", {MARU_ABI_I64, 1, 8}},           {"bool", {MARU_ABI_BOOL, 1, 1}},
    {"f16", {MARU_ABI_F16, 1, 2}},           {"f64", {MARU_ABI_F64, 1, 8}},
    {"u32", {MARU_ABI_U32, 1, 4}},           {"u64", {MARU_ABI_U64, 1, 8}},
    {"bf16", {MARU_ABI_BF16, 1, 2}},         {"f8e4m3fn", {MARU_ABI_F8E4M3FN, 1, 1}},
    {"f8e4m3fnuz", {MARU_ABI_F8E4M3FNUZ, 1, 1}}, {"f8e5m2", {MARU_ABI_F8E5M2, 1, 1}},
    {"f8e5m2fnuz", {MARU_ABI_F8E5M2FNUZ, 1, 1}}, {"u4", {MARU_ABI_U4, 2, 1}},
    {"i4", {MARU_ABI_I4, 2, 1}},             {"f4e2m1", {MARU_ABI_F4E2M1, 2, 1}},
    {"f8e8m0", {MARU_ABI_F8E8M0, 1, 1}},     {"u2", {MARU_ABI_U2, 4, 1}},
    {"i2", {MARU_ABI_I2, 4, 1}},             {"q4_0", {MARU_ABI_Q4_0, 32, 18}},
    {"q4_1", {MARU_ABI_Q4_1, 32, 20}},       {"q5_0", {MARU_ABI_Q5_0, 32, 22}},
    {"q5_1", {MARU_ABI_Q5_1, 32, 24}},       {"q8_0", {MARU_ABI_Q8_0, 32, 34}},
    {"q2_k", {MARU_ABI_Q2_K, 256, 84}},      {"q3_k", {MARU_ABI_Q3_K, 256, 110}},
    {"q4_k", {MARU_ABI_Q4_K, 256, 144}},     {"q5_k", {MARU_ABI_Q5_K, 256, 176}},
    {"q6_k", {MARU_ABI_Q6_K, 256, 210}},     {"mxfp4", {MARU_ABI_MXFP4, 32, 17}},
};

enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

const maru_abi_dtype *cpu_dtype(uint32_t id)
{
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (dtypes[i].dtype.id == id)
            return &dtypes[i].dtype;
    }
    return NULL;
}

const char *cpu_dtype_name(uint32_t id)
{
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (dtypes[i].dtype.id == id)
            return dtypes[i].name;
    }
    return id == MARU_ABI_STRING ? "string" : "?";
}

maru_abi_array cpu_dtypes(void)
{
    return (maru_abi_array){&dtypes[0].dtype, N_DTYPES, sizeof dtypes[0]};
}

/* ---- dims ------------------------------------------------------------------- */

int cpu_describe(const maru_abi_graph *graph, uint32_t value, const int64_t *expr_values, cpu_tensor *out)
{
    const maru_abi_value *v = cpu_value(graph, value);
    *out = (cpu_tensor){.dtype = v->dtype.id, .rank = v->rank, .count = 1};
    if (v->rank > CPU_MAX_RANK)
        return 0;
    int is_empty = 0;
    for (uint32_t d = 0; d < v->rank; d++) {
        int64_t dim = *MARU_ABI_AT(int64_t, graph->dims, v->first_dim + d);
        dim = dim >= 0 ? dim : expr_values[MARU_ABI_EXPR(dim)];
        out->dims[d] = dim < 0 ? 0 : dim;
        is_empty = is_empty || out->dims[d] == 0;
    }
    for (uint32_t d = 0; d < v->rank && !is_empty; d++) {
        if (out->count > (INT64_MAX >> 8) / out->dims[d])
            return 0;
        out->count *= out->dims[d];
    }
    out->count = is_empty ? 0 : out->count;
    return 1;
}

uint64_t cpu_tensor_bytes(const cpu_tensor *tensor)
{
    const maru_abi_dtype *dtype = cpu_dtype(tensor->dtype);
    if (!dtype || tensor->count == 0)
        return 0;
    uint64_t blocks = ((uint64_t)tensor->count + dtype->block_elements - 1) / dtype->block_elements;
    return blocks * dtype->block_bytes;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    if (b == 0 || (b == -1 && a == INT64_MIN))
        return 0;
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    if (b == 0 || (b == -1 && a == INT64_MIN))
        return 0;
    return a / b + (a % b != 0 && (a < 0) == (b < 0));
}

static int64_t eval(const maru_abi_expr *e, const int64_t *symbols, uint32_t n_symbols, const int64_t *values)
{
    if (e->op == MARU_ABI_EXPR_CONST)
        return e->a;
    if (e->op == MARU_ABI_EXPR_SYMBOL)
        return symbols && e->a >= 0 && e->a < n_symbols ? symbols[e->a] : 0;
    int64_t a = values[e->a];
    int64_t b = values[e->b];
    switch (e->op) {
    case MARU_ABI_EXPR_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case MARU_ABI_EXPR_SUB: return (int64_t)((uint64_t)a - (uint64_t)b);
    case MARU_ABI_EXPR_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
    case MARU_ABI_EXPR_FLOORDIV: return floor_div(a, b);
    case MARU_ABI_EXPR_CEILDIV: return ceil_div(a, b);
    case MARU_ABI_EXPR_MOD: return (int64_t)((uint64_t)a - (uint64_t)floor_div(a, b) * (uint64_t)b);
    case MARU_ABI_EXPR_MIN: return a < b ? a : b;
    case MARU_ABI_EXPR_MAX: return a > b ? a : b;
    default: return 0;
    }
}

void cpu_eval_exprs(const maru_abi_graph *graph, const int64_t *symbol_values, int64_t *out_values)
{
    for (uint32_t i = 0; i < graph->exprs.count; i++)
        out_values[i] = eval(MARU_ABI_AT(maru_abi_expr, graph->exprs, i), symbol_values, graph->symbols.count,
                             out_values);
}
