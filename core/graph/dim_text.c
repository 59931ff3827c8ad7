// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <ctype.h>
#include <string.h>

#include "base/fail.h"
#include "base/size.h"
#include "base/str.h"

/* ---- print ---- */

/* Binding strength, so that only the brackets that are needed are printed. */
static int strength(maru_expr_op op)
{
    switch (op) {
    case MARU_EXPR_ADD:
    case MARU_EXPR_SUB: return 1;
    case MARU_EXPR_MUL:
    case MARU_EXPR_FLOORDIV:
    case MARU_EXPR_MOD: return 2;
    case MARU_EXPR_CONST:
    case MARU_EXPR_SYMBOL:
    case MARU_EXPR_CEILDIV:
    case MARU_EXPR_MIN:
    case MARU_EXPR_MAX: return 3;
    }
    return 3;
}

static void print_at(const maru_exprs *exprs, int64_t index, int outer, maru_str *out);

static void print_call(const maru_exprs *exprs, const char *name, const maru_expr_record *e, maru_str *out)
{
    maru_str_append(out, name);
    maru_str_append(out, "(");
    print_at(exprs, e->a, 0, out);
    maru_str_append(out, ", ");
    print_at(exprs, e->b, 0, out);
    maru_str_append(out, ")");
}

static void print_infix(const maru_exprs *exprs, const char *sign, const maru_expr_record *e, int outer, maru_str *out)
{
    const int own = strength(e->op);
    if (own < outer)
        maru_str_append(out, "(");
    print_at(exprs, e->a, own, out);
    maru_str_append(out, sign);
    print_at(exprs, e->b, own + 1, out);
    if (own < outer)
        maru_str_append(out, ")");
}

static void print_at(const maru_exprs *exprs, int64_t index, int outer, maru_str *out)
{
    const maru_expr_record *e = &exprs->list.data[index];
    switch (e->op) {
    case MARU_EXPR_CONST: maru_str_printf(out, "%lld", (long long)e->a); break;
    case MARU_EXPR_SYMBOL: maru_str_append(out, exprs->symbols.data[e->a].name); break;
    case MARU_EXPR_ADD: print_infix(exprs, " + ", e, outer, out); break;
    case MARU_EXPR_SUB: print_infix(exprs, " - ", e, outer, out); break;
    case MARU_EXPR_MUL: print_infix(exprs, "*", e, outer, out); break;
    case MARU_EXPR_FLOORDIV: print_infix(exprs, "//", e, outer, out); break;
    case MARU_EXPR_MOD: print_infix(exprs, "%", e, outer, out); break;
    case MARU_EXPR_CEILDIV: print_call(exprs, "ceildiv", e, out); break;
    case MARU_EXPR_MIN: print_call(exprs, "min", e, out); break;
    case MARU_EXPR_MAX: print_call(exprs, "max", e, out); break;
    }
}

void maru_expr_print(const maru_exprs *exprs, maru_dim dim, maru_str *out)
{
    if (dim >= 0)
        maru_str_printf(out, "%lld", (long long)dim);
    else
        print_at(exprs, -1 - dim, 0, out);
}

void maru_dims_print(const maru_exprs *exprs, const maru_dim *dims, size_t rank, maru_str *out)
{
    maru_str_append(out, "[");
    for (size_t i = 0; i < rank; i++) {
        if (i)
            maru_str_append(out, ", ");
        maru_expr_print(exprs, dims[i], out);
    }
    maru_str_append(out, "]");
}

/* ---- parse: recursive descent, depth bounded ---- */

enum { MAX_DEPTH = 64, MAX_NAME = 64 };

typedef struct parser {
    maru_exprs *exprs;
    const char *at;
    int depth;
} parser;

static void skip_blanks(parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

static bool take(parser *p, const char *token)
{
    skip_blanks(p);
    if (!maru_starts_with(p->at, token))
        return false;
    p->at += strlen(token);
    return true;
}

static maru_status parse_sum(parser *p, maru_dim *out);

static maru_status parse_number(parser *p, bool is_negative, maru_dim *out)
{
    int64_t value = 0;
    for (; isdigit((unsigned char)*p->at); p->at++) {
        if (!maru_mul_i64(value, 10, &value) || !maru_add_i64(value, *p->at - '0', &value))
            return maru_fail(MARU_INVALID_ARGUMENT, "dim: a number is too large");
    }
    return maru_expr_const(p->exprs, is_negative ? -value : value, out);
}

static maru_status parse_call(parser *p, maru_expr_op op, maru_dim *out)
{
    maru_dim a = 0;
    maru_dim b = 0;
    MARU_TRY(parse_sum(p, &a));
    if (!take(p, ","))
        return maru_fail(MARU_INVALID_ARGUMENT, "dim: expected ',' at '%.20s'", p->at);
    MARU_TRY(parse_sum(p, &b));
    if (!take(p, ")"))
        return maru_fail(MARU_INVALID_ARGUMENT, "dim: expected ')' at '%.20s'", p->at);
    return maru_expr_make(p->exprs, op, a, b, out);
}

static maru_status parse_name(parser *p, maru_dim *out)
{
    char name[MAX_NAME];
    size_t n = 0;
    for (; isalnum((unsigned char)*p->at) || *p->at == '_'; p->at++) {
        if (n + 1 == sizeof name)
            return maru_fail(MARU_INVALID_ARGUMENT, "dim: a symbol's name is longer than %d", MAX_NAME - 1);
        name[n++] = *p->at;
    }
    name[n] = 0;
    const bool is_call = *p->at == '(';
    if (is_call && strcmp(name, "ceildiv") == 0)
        return p->at++, parse_call(p, MARU_EXPR_CEILDIV, out);
    if (is_call && strcmp(name, "min") == 0)
        return p->at++, parse_call(p, MARU_EXPR_MIN, out);
    if (is_call && strcmp(name, "max") == 0)
        return p->at++, parse_call(p, MARU_EXPR_MAX, out);
    return maru_expr_symbol(p->exprs, name, NULL, out);
}

static maru_status parse_primary(parser *p, maru_dim *out)
{
    if (take(p, "(")) {
        MARU_TRY(parse_sum(p, out));
        if (!take(p, ")"))
            return maru_fail(MARU_INVALID_ARGUMENT, "dim: expected ')' at '%.20s'", p->at);
        return MARU_OK;
    }
    const bool is_negative = take(p, "-");
    if (isdigit((unsigned char)*p->at))
        return parse_number(p, is_negative, out);
    if (!is_negative && (isalpha((unsigned char)*p->at) || *p->at == '_'))
        return parse_name(p, out);
    return maru_fail(MARU_INVALID_ARGUMENT, "dim: expected a number or a name at '%.20s'", p->at);
}

static maru_status parse_product(parser *p, maru_dim *out)
{
    MARU_TRY(parse_primary(p, out));
    for (;;) {
        maru_expr_op op = MARU_EXPR_MUL;
        if (take(p, "//"))
            op = MARU_EXPR_FLOORDIV;
        else if (take(p, "%"))
            op = MARU_EXPR_MOD;
        else if (!take(p, "*"))
            return MARU_OK;
        maru_dim b = 0;
        MARU_TRY(parse_primary(p, &b));
        MARU_TRY(maru_expr_make(p->exprs, op, *out, b, out));
    }
}

static maru_status parse_sum(parser *p, maru_dim *out)
{
    if (++p->depth > MAX_DEPTH)
        return maru_fail(MARU_INVALID_ARGUMENT, "dim: nested deeper than %d", MAX_DEPTH);
    MARU_TRY(parse_product(p, out));
    for (;;) {
        const bool is_plus = take(p, "+");
        if (!is_plus && !take(p, "-"))
            break;
        maru_dim b = 0;
        MARU_TRY(parse_product(p, &b));
        MARU_TRY(maru_expr_make(p->exprs, is_plus ? MARU_EXPR_ADD : MARU_EXPR_SUB, *out, b, out));
    }
    p->depth--;
    return MARU_OK;
}

maru_status maru_expr_parse(maru_exprs *exprs, const char **text, maru_dim *out)
{
    parser p = {.exprs = exprs, .at = *text};
    MARU_TRY(parse_sum(&p, out));
    *text = p.at;
    return MARU_OK;
}
