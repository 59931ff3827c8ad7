// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <ctype.h>
#include <string.h>

#include "base/fail.h"
#include "base/size.h"
#include "base/str.h"

/*
 * Sums and products are kept in one normal form, a sorted polynomial over
 * atoms (symbols, and the operators that are not sums or products), so that
 * two dims are equal for all symbol values exactly when their ids are equal.
 * Polynomials larger than the room below stay as the operator that made them.
 */
enum { MAX_TERMS = 24, MAX_ATOMS = 10 };

typedef struct term {
    int64_t coefficient;
    uint32_t n_atoms;
    uint32_t atoms[MAX_ATOMS];  // expression indices, ascending
} term;

typedef struct poly {
    uint32_t n;
    term terms[MAX_TERMS];
} poly;

static maru_status intern(maru_exprs *exprs, maru_expr_op op, int64_t a, int64_t b, uint32_t *out_index)
{
    const int64_t key[3] = {(int64_t)op, a, b};
    uint64_t found = 0;
    if (maru_map_get(&exprs->ids, key, sizeof key, &found)) {
        *out_index = (uint32_t)found;
        return MARU_OK;
    }
    if (exprs->list.count >= INT32_MAX)
        return maru_fail(MARU_RESOURCE_EXHAUSTED, "too many dim expressions");
    const maru_expr_record record = {op, a, b};
    MARU_TRY(maru_array_push(&exprs->list, record));
    MARU_TRY(maru_map_set(&exprs->ids, key, sizeof key, exprs->list.count - 1));
    *out_index = (uint32_t)(exprs->list.count - 1);
    return MARU_OK;
}

static maru_dim dim_of(uint32_t index)
{
    return -1 - (maru_dim)index;
}

static uint32_t index_of(maru_dim dim)
{
    return (uint32_t)(-1 - dim);
}

bool maru_expr_is_const(const maru_exprs *exprs, maru_dim dim, int64_t *out_value)
{
    if (dim >= 0) {
        *out_value = dim;
        return true;
    }
    const maru_expr_record *e = &exprs->list.data[index_of(dim)];
    if (e->op != MARU_EXPR_CONST)
        return false;
    *out_value = e->a;
    return true;
}

maru_status maru_expr_const(maru_exprs *exprs, int64_t value, maru_dim *out_elem)
{
    if (value >= 0) {
        *out_elem = value;
        return MARU_OK;
    }
    uint32_t index = 0;
    MARU_TRY(intern(exprs, MARU_EXPR_CONST, value, 0, &index));
    *out_elem = dim_of(index);
    return MARU_OK;
}

/* ---- polynomials ---- */

static int compare_terms(const term *x, const term *y)
{
    if (x->n_atoms != y->n_atoms)
        return x->n_atoms > y->n_atoms ? -1 : 1;
    for (uint32_t i = 0; i < x->n_atoms; i++)
        if (x->atoms[i] != y->atoms[i])
            return x->atoms[i] < y->atoms[i] ? -1 : 1;
    return 0;
}

static bool poly_add_term(poly *p, const term *t)
{
    uint32_t at = 0;
    while (at < p->n && compare_terms(&p->terms[at], t) < 0)
        at++;
    if (at < p->n && compare_terms(&p->terms[at], t) == 0) {
        int64_t sum = 0;
        if (!maru_add_i64(p->terms[at].coefficient, t->coefficient, &sum))
            return false;
        p->terms[at].coefficient = sum;
        if (sum == 0) {
            p->n--;
            memmove(&p->terms[at], &p->terms[at + 1], (p->n - at) * sizeof *p->terms);
        }
        return true;
    }
    if (t->coefficient == 0)
        return true;
    if (p->n == MAX_TERMS)
        return false;
    memmove(&p->terms[at + 1], &p->terms[at], (p->n - at) * sizeof *p->terms);
    p->terms[at] = *t;
    p->n++;
    return true;
}

static bool term_multiply(const term *x, const term *y, term *out)
{
    if (x->n_atoms + y->n_atoms > MAX_ATOMS ||
        !maru_mul_i64(x->coefficient, y->coefficient, &out->coefficient))
        return false;
    uint32_t i = 0;
    uint32_t j = 0;
    out->n_atoms = x->n_atoms + y->n_atoms;
    for (uint32_t k = 0; k < out->n_atoms; k++) {
        bool from_x = j == y->n_atoms || (i < x->n_atoms && x->atoms[i] <= y->atoms[j]);
        out->atoms[k] = from_x ? x->atoms[i++] : y->atoms[j++];
    }
    return true;
}

static bool poly_add(const poly *x, const poly *y, int64_t factor, poly *out)
{
    *out = *x;
    for (uint32_t i = 0; i < y->n; i++) {
        term t = y->terms[i];
        if (!maru_mul_i64(t.coefficient, factor, &t.coefficient) || !poly_add_term(out, &t))
            return false;
    }
    return true;
}

static bool poly_multiply(const poly *x, const poly *y, poly *out)
{
    out->n = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        for (uint32_t j = 0; j < y->n; j++) {
            term t = {0};
            if (!term_multiply(&x->terms[i], &y->terms[j], &t) || !poly_add_term(out, &t))
                return false;
        }
    }
    return true;
}

/* x / y for single terms, when it is a term. */
static bool term_divide(const term *x, const term *y, term *out)
{
    if (y->coefficient == 0 || x->coefficient % y->coefficient != 0)
        return false;
    *out = (term){.coefficient = x->coefficient / y->coefficient};
    uint32_t j = 0;
    for (uint32_t i = 0; i < x->n_atoms; i++) {
        if (j < y->n_atoms && x->atoms[i] == y->atoms[j])
            j++;
        else
            out->atoms[out->n_atoms++] = x->atoms[i];
    }
    return j == y->n_atoms;
}

/* Long division; true when the remainder is zero. */
static bool poly_divide(const poly *x, const poly *y, poly *out)
{
    out->n = 0;
    if (y->n == 0)
        return false;
    poly rest = *x;
    for (int step = 0; rest.n && step < 4 * MAX_TERMS; step++) {
        term t = {0};
        if (!term_divide(&rest.terms[0], &y->terms[0], &t) || !poly_add_term(out, &t))
            return false;
        poly single = {.n = 1};
        single.terms[0] = t;
        poly product = {0};
        poly next = {0};
        if (!poly_multiply(&single, y, &product) || !poly_add(&rest, &product, -1, &next))
            return false;
        rest = next;
    }
    return rest.n == 0;
}

static bool poly_of(const maru_exprs *exprs, maru_dim dim, poly *out)
{
    out->n = 0;
    int64_t value = 0;
    if (maru_expr_is_const(exprs, dim, &value)) {
        const term t = {.coefficient = value};
        return poly_add_term(out, &t);
    }
    const maru_expr_record e = exprs->list.data[index_of(dim)];
    if (e.op != MARU_EXPR_ADD && e.op != MARU_EXPR_SUB && e.op != MARU_EXPR_MUL) {
        const term t = {.coefficient = 1, .n_atoms = 1, .atoms = {index_of(dim)}};
        return poly_add_term(out, &t);
    }
    poly a = {0};
    poly b = {0};
    if (!poly_of(exprs, dim_of((uint32_t)e.a), &a) || !poly_of(exprs, dim_of((uint32_t)e.b), &b))
        return false;
    return e.op == MARU_EXPR_MUL ? poly_multiply(&a, &b, out) : poly_add(&a, &b, e.op == MARU_EXPR_ADD ? 1 : -1, out);
}

/* The index of an expression for a dim: plain constants get one of their own. */
static maru_status operand(maru_exprs *exprs, maru_dim dim, uint32_t *out_index)
{
    if (dim >= 0)
        return intern(exprs, MARU_EXPR_CONST, dim, 0, out_index);
    *out_index = index_of(dim);
    return MARU_OK;
}

static maru_status intern_op(maru_exprs *exprs, maru_expr_op op, maru_dim a, maru_dim b, maru_dim *out)
{
    uint32_t ia = 0;
    uint32_t ib = 0;
    uint32_t index = 0;
    MARU_TRY(operand(exprs, a, &ia));
    MARU_TRY(operand(exprs, b, &ib));
    MARU_TRY(intern(exprs, op, ia, ib, &index));
    *out = dim_of(index);
    return MARU_OK;
}

static maru_status build_term(maru_exprs *exprs, const term *t, int64_t coefficient, maru_dim *out)
{
    if (t->n_atoms == 0)
        return maru_expr_const(exprs, coefficient, out);
    maru_dim product = dim_of(t->atoms[0]);
    for (uint32_t i = 1; i < t->n_atoms; i++)
        MARU_TRY(intern_op(exprs, MARU_EXPR_MUL, product, dim_of(t->atoms[i]), &product));
    if (coefficient != 1) {
        maru_dim factor = 0;
        MARU_TRY(maru_expr_const(exprs, coefficient, &factor));
        MARU_TRY(intern_op(exprs, MARU_EXPR_MUL, product, factor, &product));
    }
    *out = product;
    return MARU_OK;
}

static maru_status build_poly(maru_exprs *exprs, const poly *p, maru_dim *out)
{
    if (p->n == 0)
        return maru_expr_const(exprs, 0, out);
    maru_dim sum = 0;
    MARU_TRY(build_term(exprs, &p->terms[0], p->terms[0].coefficient, &sum));
    for (uint32_t i = 1; i < p->n; i++) {
        const int64_t c = p->terms[i].coefficient;
        const bool negative = c < 0 && c != INT64_MIN;
        maru_dim t = 0;
        MARU_TRY(build_term(exprs, &p->terms[i], negative ? -c : c, &t));
        MARU_TRY(intern_op(exprs, negative ? MARU_EXPR_SUB : MARU_EXPR_ADD, sum, t, &sum));
    }
    *out = sum;
    return MARU_OK;
}

/* ---- constants and simplification ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    const int64_t q = a / b;
    return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}

static bool combine(maru_expr_op op, int64_t a, int64_t b, int64_t *out)
{
    const bool is_division = op == MARU_EXPR_FLOORDIV || op == MARU_EXPR_CEILDIV || op == MARU_EXPR_MOD;
    if (is_division && (b == 0 || (a == INT64_MIN && b == -1)))
        return false;
    switch (op) {
    case MARU_EXPR_ADD: return maru_add_i64(a, b, out);
    case MARU_EXPR_SUB: return b != INT64_MIN && maru_add_i64(a, -b, out);
    case MARU_EXPR_MUL: return maru_mul_i64(a, b, out);
    case MARU_EXPR_FLOORDIV: *out = floor_div(a, b); return true;
    case MARU_EXPR_CEILDIV: *out = floor_div(a, b) + (a % b != 0); return true;
    case MARU_EXPR_MOD: *out = a - floor_div(a, b) * b; return true;
    case MARU_EXPR_MIN: *out = a < b ? a : b; return true;
    case MARU_EXPR_MAX: *out = a > b ? a : b; return true;
    case MARU_EXPR_CONST:
    case MARU_EXPR_SYMBOL: break;
    }
    return false;
}

static maru_status make_constant(maru_exprs *exprs, maru_expr_op op, int64_t a, int64_t b, maru_dim *out)
{
    static const char *const names[] = {"", "", "+", "-", "*", "//", "ceildiv", "%", "min", "max"};
    int64_t value = 0;
    if (!combine(op, a, b, &value))
        return maru_fail(MARU_INVALID_ARGUMENT, "dim %lld %s %lld is not defined", (long long)a, names[op],
                         (long long)b);
    return maru_expr_const(exprs, value, out);
}

/* x % divisor == 0 for all symbol values, from the symbols' multiple_of. */
static bool is_multiple(const maru_exprs *exprs, const poly *x, int64_t divisor)
{
    for (uint32_t i = 0; i < x->n; i++) {
        int64_t known = x->terms[i].coefficient;
        for (uint32_t k = 0; k < x->terms[i].n_atoms; k++) {
            const maru_expr_record *e = &exprs->list.data[x->terms[i].atoms[k]];
            int64_t product = 0;
            if (e->op == MARU_EXPR_SYMBOL &&
                maru_mul_i64(known, exprs->symbols.data[e->a].params.multiple_of, &product))
                known = product;
        }
        if (known % divisor != 0)
            return false;
    }
    return true;
}

/* x = whole * divisor + rest: whole has the terms whose coefficients the divisor divides. */
static bool split_poly(const poly *x, int64_t divisor, poly *whole, poly *rest)
{
    whole->n = rest->n = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        term t = x->terms[i];
        const bool is_whole = t.coefficient % divisor == 0;
        t.coefficient /= is_whole ? divisor : 1;
        if (!poly_add_term(is_whole ? whole : rest, &t))
            return false;
    }
    return true;
}

/* By a constant: (32*r - 1) // 2 is 16*r - 1, and s // 2 // 2 is s // 4. */
static maru_status divide_by_constant(maru_exprs *exprs, maru_expr_op op, maru_dim a, int64_t divisor, maru_dim *out)
{
    poly x = {0};
    poly whole = {0};
    poly rest = {0};
    int64_t inner = 0;
    int64_t both = 0;
    if (op == MARU_EXPR_FLOORDIV && a < 0) {
        const maru_expr_record e = exprs->list.data[index_of(a)];
        if (e.op == MARU_EXPR_FLOORDIV && maru_expr_is_const(exprs, dim_of((uint32_t)e.b), &inner) && inner > 0 &&
            maru_mul_i64(inner, divisor, &both))
            return maru_expr_make(exprs, op, dim_of((uint32_t)e.a), both, out);
    }
    if (!poly_of(exprs, a, &x) || !split_poly(&x, divisor, &whole, &rest) || whole.n == 0)
        return intern_op(exprs, op, a, divisor, out);
    maru_dim part = 0;
    MARU_TRY(build_poly(exprs, &rest, &part));
    MARU_TRY(maru_expr_make(exprs, op, part, divisor, &part));
    if (op == MARU_EXPR_MOD) {
        *out = part;
        return MARU_OK;
    }
    maru_dim quotient = 0;
    MARU_TRY(build_poly(exprs, &whole, &quotient));
    return maru_expr_make(exprs, MARU_EXPR_ADD, quotient, part, out);
}

static maru_status make_division(maru_exprs *exprs, maru_expr_op op, maru_dim a, maru_dim b, maru_dim *out)
{
    poly x = {0};
    poly y = {0};
    poly quotient = {0};
    int64_t divisor = 0;
    const bool known = poly_of(exprs, a, &x) && poly_of(exprs, b, &y);
    if (known && op == MARU_EXPR_MOD && maru_expr_is_const(exprs, b, &divisor) && divisor != 0 &&
        is_multiple(exprs, &x, divisor))
        return maru_expr_const(exprs, 0, out);
    if (known && poly_divide(&x, &y, &quotient))
        return op == MARU_EXPR_MOD ? maru_expr_const(exprs, 0, out) : build_poly(exprs, &quotient, out);
    if (b > 0)
        return divide_by_constant(exprs, op, a, b, out);
    return intern_op(exprs, op, a, b, out);
}

static maru_status make_extreme(maru_exprs *exprs, maru_expr_op op, maru_dim a, maru_dim b, maru_dim *out)
{
    int64_t min_a = 0, max_a = 0, min_b = 0, max_b = 0;
    maru_expr_range(exprs, a, &min_a, &max_a);
    maru_expr_range(exprs, b, &min_b, &max_b);
    const bool is_min = op == MARU_EXPR_MIN;
    if (a == b || max_a <= min_b)
        *out = is_min ? a : b;
    else if (max_b <= min_a)
        *out = is_min ? b : a;
    else
        return intern_op(exprs, op, a > b ? a : b, a > b ? b : a, out);
    return MARU_OK;
}

maru_status maru_expr_make(maru_exprs *exprs, maru_expr_op op, maru_dim a, maru_dim b, maru_dim *out)
{
    int64_t ca = 0;
    int64_t cb = 0;
    if (maru_expr_is_const(exprs, a, &ca) && maru_expr_is_const(exprs, b, &cb))
        return make_constant(exprs, op, ca, cb, out);
    if (op == MARU_EXPR_MIN || op == MARU_EXPR_MAX)
        return make_extreme(exprs, op, a, b, out);
    if (op == MARU_EXPR_FLOORDIV || op == MARU_EXPR_CEILDIV || op == MARU_EXPR_MOD)
        return make_division(exprs, op, a, b, out);
    poly x = {0};
    poly y = {0};
    poly result = {0};
    if (!poly_of(exprs, a, &x) || !poly_of(exprs, b, &y))
        return intern_op(exprs, op, a, b, out);
    const bool fits = op == MARU_EXPR_MUL ? poly_multiply(&x, &y, &result)
                                          : poly_add(&x, &y, op == MARU_EXPR_ADD ? 1 : -1, &result);
    return fits ? build_poly(exprs, &result, out) : intern_op(exprs, op, a, b, out);
}

bool maru_expr_divide(maru_exprs *exprs, maru_dim a, maru_dim b, maru_dim *out)
{
    poly x = {0};
    poly y = {0};
    poly quotient = {0};
    return poly_of(exprs, a, &x) && poly_of(exprs, b, &y) && poly_divide(&x, &y, &quotient) &&
           build_poly(exprs, &quotient, out) == MARU_OK;
}

maru_status maru_expr_product(maru_exprs *exprs, const maru_dim *dims, size_t n, maru_dim *out)
{
    maru_dim product = 1;
    for (size_t i = 0; i < n; i++)
        MARU_TRY(maru_expr_make(exprs, MARU_EXPR_MUL, product, dims[i], &product));
    *out = product;
    return MARU_OK;
}

/* ---- symbols ---- */

static maru_status check_symbol(const char *name, const maru_symbol_params *params)
{
    bool is_name = isalpha((unsigned char)name[0]) || name[0] == '_';
    for (const char *c = name; *c; c++)
        is_name = is_name && (isalnum((unsigned char)*c) || *c == '_');
    if (!is_name)
        return maru_fail(MARU_INVALID_ARGUMENT, "symbol '%s': a name is letters, digits and '_'", name);
    if (params->max >= 0 && params->max < params->min)
        return maru_fail(MARU_INVALID_ARGUMENT, "symbol '%s': max %lld is below min %lld", name,
                         (long long)params->max, (long long)params->min);
    if (params->multiple_of < 1)
        return maru_fail(MARU_INVALID_ARGUMENT, "symbol '%s': multiple_of is %lld", name,
                         (long long)params->multiple_of);
    return MARU_OK;
}

static maru_symbol_params with_defaults(const maru_symbol_params *params)
{
    maru_symbol_params p = params ? *params : (maru_symbol_params){0};
    p.min = p.min == 0 ? 1 : p.min < 0 ? 0 : p.min;
    p.max = p.max <= 0 ? -1 : p.max;
    p.multiple_of = p.multiple_of == 0 ? 1 : p.multiple_of;
    p.typical = p.typical <= 0 ? -1 : p.typical;
    return p;
}

static bool same_params(const maru_symbol_params *a, const maru_symbol_params *b)
{
    return a->min == b->min && a->max == b->max && a->multiple_of == b->multiple_of && a->typical == b->typical;
}

maru_status maru_expr_symbol(maru_exprs *exprs, const char *name, const maru_symbol_params *params, maru_dim *out)
{
    const maru_symbol_params wanted = with_defaults(params);
    uint32_t index = 0;
    for (size_t i = 0; i < exprs->symbols.count; i++) {
        if (strcmp(exprs->symbols.data[i].name, name) != 0)
            continue;
        if (params && !same_params(&exprs->symbols.data[i].params, &wanted))
            return maru_fail(MARU_INVALID_ARGUMENT, "symbol '%s' exists with other bounds", name);
        MARU_TRY(intern(exprs, MARU_EXPR_SYMBOL, (int64_t)i, 0, &index));
        *out = dim_of(index);
        return MARU_OK;
    }
    MARU_TRY(check_symbol(name, &wanted));
    const maru_symbol_record record = {maru_arena_strdup(exprs->arena, name), wanted};
    if (!record.name)
        return maru_fail_oom("a symbol");
    MARU_TRY(maru_array_push(&exprs->symbols, record));
    MARU_TRY(intern(exprs, MARU_EXPR_SYMBOL, (int64_t)exprs->symbols.count - 1, 0, &index));
    *out = dim_of(index);
    return MARU_OK;
}

/* ---- evaluation ---- */

maru_status maru_exprs_evaluate(const maru_exprs *exprs, const int64_t *symbol_values, int64_t *out_values)
{
    for (size_t i = 0; i < exprs->list.count; i++) {
        const maru_expr_record *e = &exprs->list.data[i];
        if (e->op == MARU_EXPR_CONST) {
            out_values[i] = e->a;
        } else if (e->op == MARU_EXPR_SYMBOL) {
            out_values[i] = symbol_values[e->a];
        } else if (!combine(e->op, out_values[e->a], out_values[e->b], &out_values[i])) {
            maru_str text = {0};
            maru_expr_print(exprs, dim_of((uint32_t)i), &text);
            maru_status status =
                maru_fail(MARU_OUT_OF_RANGE, "dim %s overflows or divides by zero with the given sizes",
                          maru_str_get(&text));
            maru_str_fini(&text);
            return status;
        }
    }
    return MARU_OK;
}

/* Saturating: INT64_MIN and INT64_MAX stand for "unbounded". */
static int64_t saturate(maru_expr_op op, int64_t a, int64_t b)
{
    int64_t out = 0;
    const bool is_infinite = a == INT64_MAX || b == INT64_MAX || a == INT64_MIN || b == INT64_MIN;
    if (!is_infinite && combine(op, a, b, &out))
        return out;
    if (op == MARU_EXPR_MUL)
        return a == 0 || b == 0 ? 0 : (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    if (a == INT64_MIN || b == INT64_MIN)
        return INT64_MIN;
    return INT64_MAX;
}

static void range_of_product(int64_t min_a, int64_t max_a, int64_t min_b, int64_t max_b, int64_t *out_min,
                             int64_t *out_max)
{
    const int64_t corners[4] = {saturate(MARU_EXPR_MUL, min_a, min_b), saturate(MARU_EXPR_MUL, min_a, max_b),
                                saturate(MARU_EXPR_MUL, max_a, min_b), saturate(MARU_EXPR_MUL, max_a, max_b)};
    *out_min = *out_max = corners[0];
    for (int i = 1; i < 4; i++) {
        *out_min = corners[i] < *out_min ? corners[i] : *out_min;
        *out_max = corners[i] > *out_max ? corners[i] : *out_max;
    }
}

static void range_of_division(maru_expr_op op, int64_t min_a, int64_t max_a, int64_t min_b, int64_t max_b,
                              int64_t *out_min, int64_t *out_max)
{
    *out_min = INT64_MIN;
    *out_max = INT64_MAX;
    if (min_a < 0 || min_b < 1)
        return;
    *out_min = 0;
    if (op == MARU_EXPR_MOD) {
        *out_max = max_b == INT64_MAX ? max_a : max_b - 1 < max_a ? max_b - 1 : max_a;
        return;
    }
    *out_min = max_b == INT64_MAX ? 0 : min_a / max_b;
    *out_max = max_a == INT64_MAX ? INT64_MAX : max_a / min_b + (op == MARU_EXPR_CEILDIV && max_a % min_b != 0);
}

void maru_expr_range(const maru_exprs *exprs, maru_dim dim, int64_t *out_min, int64_t *out_max)
{
    if (maru_expr_is_const(exprs, dim, out_min)) {
        *out_max = *out_min;
        return;
    }
    const maru_expr_record e = exprs->list.data[index_of(dim)];
    if (e.op == MARU_EXPR_SYMBOL) {
        const maru_symbol_params *p = &exprs->symbols.data[e.a].params;
        *out_min = p->min;
        *out_max = p->max < 0 ? INT64_MAX : p->max;
        return;
    }
    int64_t min_a = 0, max_a = 0, min_b = 0, max_b = 0;
    maru_expr_range(exprs, dim_of((uint32_t)e.a), &min_a, &max_a);
    maru_expr_range(exprs, dim_of((uint32_t)e.b), &min_b, &max_b);
    switch (e.op) {
    case MARU_EXPR_ADD:
        *out_min = min_a == INT64_MIN || min_b == INT64_MIN ? INT64_MIN : saturate(e.op, min_a, min_b);
        *out_max = saturate(e.op, max_a, max_b);
        break;
    case MARU_EXPR_SUB:
        *out_min = min_a == INT64_MIN || max_b == INT64_MAX ? INT64_MIN : saturate(e.op, min_a, max_b);
        *out_max = max_a == INT64_MAX || min_b == INT64_MIN ? INT64_MAX : saturate(e.op, max_a, min_b);
        break;
    case MARU_EXPR_MUL: range_of_product(min_a, max_a, min_b, max_b, out_min, out_max); break;
    case MARU_EXPR_MIN:
        *out_min = min_a < min_b ? min_a : min_b;
        *out_max = max_a < max_b ? max_a : max_b;
        break;
    case MARU_EXPR_MAX:
        *out_min = min_a > min_b ? min_a : min_b;
        *out_max = max_a > max_b ? max_a : max_b;
        break;
    case MARU_EXPR_FLOORDIV:
    case MARU_EXPR_CEILDIV:
    case MARU_EXPR_MOD: range_of_division(e.op, min_a, max_a, min_b, max_b, out_min, out_max); break;
    case MARU_EXPR_CONST:
    case MARU_EXPR_SYMBOL: break;
    }
}

bool maru_expr_narrow(maru_exprs *exprs, maru_dim symbol, maru_dim bounded)
{
    if (symbol >= 0 || bounded >= 0)
        return false;
    const maru_expr_record s = exprs->list.data[index_of(symbol)];
    const maru_expr_record b = exprs->list.data[index_of(bounded)];
    if (s.op != MARU_EXPR_SYMBOL || b.op != MARU_EXPR_MIN)
        return false;
    const maru_dim x = dim_of((uint32_t)b.a);
    const maru_dim y = dim_of((uint32_t)b.b);
    maru_symbol_params *p = &exprs->symbols.data[s.a].params;
    int64_t most = 0;
    if (!(x == symbol ? maru_expr_is_const(exprs, y, &most) : y == symbol && maru_expr_is_const(exprs, x, &most)) ||
        most < p->min)
        return false;
    p->max = p->max < 0 || most < p->max ? most : p->max;
    return true;
}
