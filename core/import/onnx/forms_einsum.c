// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Einsum from products of matrices. Operands are joined from the left to the
 * right: letters that nothing later needs are summed as soon as they are met,
 * those of both operands as the inner axis of a MatMul.
 */

#include "import/onnx/compose.h"

#include <stdint.h>
#include <string.h>

#include "base/fail.h"

/* Labels of axes: letters, and for those of an ellipsis FIRST_DOT + their place from the right. */
enum { FIRST_DOT = 1 };

typedef struct term {
    maru_value value;
    unsigned char labels[MARU_MAX_RANK];
    size_t rank;
} term;

typedef struct einsum {
    onnx_node *n;
    term terms[ONNX_MAX_OPERANDS];
    size_t n_terms;
    unsigned char out[MARU_MAX_RANK];
    size_t n_out;
} einsum;

/* ---- labels ---- */

static bool has_label(const unsigned char *labels, size_t n, unsigned char label)
{
    return n && memchr(labels, label, n);
}

static bool is_needed(const einsum *e, size_t first_term, unsigned char label)
{
    for (size_t i = first_term; i < e->n_terms; i++)
        if (has_label(e->terms[i].labels, e->terms[i].rank, label))
            return true;
    return has_label(e->out, e->n_out, label);
}

static maru_dim dim_of(const einsum *e, const term *t, unsigned char label)
{
    const unsigned char *at = memchr(t->labels, label, t->rank);
    return at ? onnx_record(e->n, t->value)->dims[at - t->labels] : 1;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static maru_status fail_equation(const char *equation)
{
    return maru_fail(MARU_INVALID_ARGUMENT, "Einsum: equation '%s' does not fit the operands", equation);
}

/* ---- reading the equation ---- */

static bool add_label(unsigned char *labels, size_t *n, unsigned char label)
{
    if (*n == MARU_MAX_RANK)
        return false;
    labels[(*n)++] = label;
    return true;
}

/* One operand or the result, up to ',' or '-' or the end; `dots` axes stand for "...". False: malformed. */
static bool read_labels(const char **at, size_t dots, unsigned char *labels, size_t *n)
{
    bool has_dots = false;
    for (; **at && **at != ',' && **at != '-'; (*at)++) {
        if (**at == ' ')
            continue;
        if (is_letter(**at)) {
            if (!add_label(labels, n, (unsigned char)**at))
                return false;
            continue;
        }
        if (strncmp(*at, "...", 3) != 0 || has_dots)
            return false;
        has_dots = true;
        *at += 2;
        for (size_t i = dots; i-- > 0;)
            if (!add_label(labels, n, (unsigned char)(FIRST_DOT + i)))
                return false;
    }
    return true;
}

/* How many axes an ellipsis of the next operand stands for, given the operand's rank. */
static bool count_dots(const char *at, size_t rank, size_t *out)
{
    size_t letters = 0;
    bool has_dots = false;
    for (; *at && *at != ',' && *at != '-'; at++) {
        letters += is_letter(*at);
        has_dots = has_dots || *at == '.';
    }
    *out = has_dots && rank >= letters ? rank - letters : 0;
    return has_dots ? rank >= letters : rank == letters;
}

static size_t uses(const einsum *e, unsigned char label)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_terms; i++)
        for (size_t d = 0; d < e->terms[i].rank; d++)
            n += e->terms[i].labels[d] == label;
    return n;
}

/* Without "->": the ellipsis, then the letters that stand once, in the order of the alphabet. */
static bool read_implicit(einsum *e, size_t dots)
{
    for (size_t i = dots; i-- > 0;)
        if (!add_label(e->out, &e->n_out, (unsigned char)(FIRST_DOT + i)))
            return false;
    for (unsigned char c = 'A'; c <= 'z'; c++)
        if (is_letter((char)c) && uses(e, c) == 1 && !add_label(e->out, &e->n_out, c))
            return false;
    return true;
}

static bool check_out(const einsum *e)
{
    for (size_t i = 0; i < e->n_out; i++)
        if (uses(e, e->out[i]) == 0 || has_label(e->out, i, e->out[i]))
            return false;
    return true;
}

static maru_status read_equation(einsum *e, const char *equation)
{
    const char *at = equation;
    size_t most_dots = 0;
    for (size_t i = 0; i < e->n->n_inputs; i++) {
        term *t = &e->terms[e->n_terms++];
        size_t dots = 0;
        t->value = e->n->inputs[i];
        if (!count_dots(at, onnx_record(e->n, t->value)->rank, &dots) || !read_labels(&at, dots, t->labels, &t->rank))
            return fail_equation(equation);
        most_dots = dots > most_dots ? dots : most_dots;
        if (i + 1 < e->n->n_inputs && *at++ != ',')
            return fail_equation(equation);
    }
    bool fits = true;
    if (strncmp(at, "->", 2) == 0) {
        at += 2;
        fits = read_labels(&at, most_dots, e->out, &e->n_out) && *at == 0;
    } else {
        fits = *at == 0 && read_implicit(e, most_dots);
    }
    return fits && check_out(e) ? MARU_OK : fail_equation(equation);
}

/* ---- one operand ---- */

static maru_status permute(einsum *e, term *t, const unsigned char *labels)
{
    int64_t perm[MARU_MAX_RANK];
    bool is_same = true;
    bool used[MARU_MAX_RANK] = {false};
    for (size_t i = 0; i < t->rank; i++) {
        size_t from = 0;
        while (used[from] || t->labels[from] != labels[i])
            from++;
        used[from] = true;
        perm[i] = (int64_t)from;
        is_same = is_same && from == i;
    }
    const maru_attribute attr = MARU_ATTR_IS("perm", perm, t->rank);
    memcpy(t->labels, labels, t->rank);
    return is_same ? MARU_OK : onnx_add(e->n, "Transpose", &t->value, 1, &attr, 1, &t->value);
}

/* The last two axes have one label: every (n + 1)th element of them, taken as one axis, is on the diagonal. */
static maru_status take_diagonal(einsum *e, term *t)
{
    const maru_value_record *v = onnx_record(e->n, t->value);
    maru_dim dims[MARU_MAX_RANK];
    int64_t n = 0, other = 0;
    memcpy(dims, v->dims, v->rank * sizeof *dims);
    if (!maru_expr_is_const(&e->n->import->graph->exprs, dims[t->rank - 2], &n) ||
        !maru_expr_is_const(&e->n->import->graph->exprs, dims[t->rank - 1], &other) || n != other || n > INT32_MAX)
        return maru_fail(MARU_INVALID_ARGUMENT, "Einsum: a diagonal needs two equal sizes that are known");
    const int64_t cut[4] = {0, INT64_MAX, (int64_t)t->rank - 2, n + 1};
    maru_value slice[5] = {MARU_NO_VALUE};
    dims[t->rank - 2] = n * n;
    MARU_TRY(onnx_reshape(e->n, t->value, dims, t->rank - 1, &slice[0]));
    for (size_t i = 0; i < 4; i++)
        MARU_TRY(onnx_ints(e->n, &cut[i], 1, &slice[i + 1]));
    t->rank--;
    return onnx_add(e->n, "Slice", slice, 5, NULL, 0, &t->value);
}

/* Axes with one label become one. */
static maru_status merge_repeated(einsum *e, term *t)
{
    for (size_t i = 0; i < t->rank; i++) {
        unsigned char order[MARU_MAX_RANK];
        size_t n = 0;
        const unsigned char label = t->labels[i];
        if (!has_label(t->labels + i + 1, t->rank - i - 1, label))
            continue;
        size_t left = 2;
        for (size_t d = 0; d < t->rank; d++) {
            if (t->labels[d] == label && left)
                left--;
            else
                order[n++] = t->labels[d];
        }
        order[n] = order[n + 1] = label;
        MARU_TRY(permute(e, t, order));
        MARU_TRY(take_diagonal(e, t));
        i = (size_t)-1;  // the labels have moved
    }
    return MARU_OK;
}

/* Sums the axes that neither the terms from `first` on, nor `beside`, nor the result has. */
static maru_status sum_unneeded(einsum *e, term *t, const term *beside, size_t first)
{
    int64_t axes[MARU_MAX_RANK];
    size_t n = 0;
    size_t kept = 0;
    const maru_attribute keepdims = MARU_ATTR_I("keepdims", 0);
    for (size_t d = 0; d < t->rank; d++) {
        const unsigned char label = t->labels[d];
        if (is_needed(e, first, label) || (beside && has_label(beside->labels, beside->rank, label)))
            t->labels[kept++] = label;
        else
            axes[n++] = (int64_t)d;
    }
    t->rank = kept;
    if (n == 0)
        return MARU_OK;
    maru_value pair[2] = {t->value, MARU_NO_VALUE};
    MARU_TRY(onnx_ints(e->n, axes, n, &pair[1]));
    return onnx_add(e->n, "ReduceSum", pair, 2, &keepdims, 1, &t->value);
}

/* ---- two operands ---- */

typedef struct join {
    unsigned char batch[MARU_MAX_RANK], left[MARU_MAX_RANK], right[MARU_MAX_RANK], inner[MARU_MAX_RANK];
    size_t n_batch, n_left, n_right, n_inner;
} join;

static void sort_labels(const einsum *e, const term *a, const term *b, size_t rest, join *j)
{
    *j = (join){.n_batch = 0};
    for (size_t d = 0; d < a->rank; d++) {
        const unsigned char label = a->labels[d];
        if (!has_label(b->labels, b->rank, label))
            j->left[j->n_left++] = label;
        else if (is_needed(e, rest, label))
            j->batch[j->n_batch++] = label;
        else
            j->inner[j->n_inner++] = label;
    }
    for (size_t d = 0; d < b->rank; d++)
        if (!has_label(a->labels, a->rank, b->labels[d]))
            j->right[j->n_right++] = b->labels[d];
}

/* To [batch..., rows, columns], each of the two a product of axes. */
static maru_status to_matrices(einsum *e, term *t, const join *j, const unsigned char *rows, size_t n_rows,
                               const unsigned char *columns, size_t n_columns, maru_value *out)
{
    unsigned char order[MARU_MAX_RANK];
    maru_dim dims[MARU_MAX_RANK + 2];
    maru_exprs *exprs = &e->n->import->graph->exprs;
    memcpy(order, j->batch, j->n_batch);
    memcpy(order + j->n_batch, rows, n_rows);
    memcpy(order + j->n_batch + n_rows, columns, n_columns);
    MARU_TRY(permute(e, t, order));
    memcpy(dims, onnx_record(e->n, t->value)->dims, t->rank * sizeof *dims);
    maru_dim both[2] = {1, 1};
    MARU_TRY(maru_expr_product(exprs, dims + j->n_batch, n_rows, &both[0]));
    MARU_TRY(maru_expr_product(exprs, dims + j->n_batch + n_rows, n_columns, &both[1]));
    if (j->n_batch + 2 > MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "Einsum: more than %d axes are needed between", MARU_MAX_RANK);
    memcpy(dims + j->n_batch, both, sizeof both);
    return onnx_reshape(e->n, t->value, dims, j->n_batch + 2, out);
}

/* The dims of the product of `a` and `b`, as labels and sizes; a batch axis of 1 takes the other's size. */
static maru_status joined_dims(const einsum *e, const term *a, const term *b, const join *j, term *out,
                               maru_dim *dims)
{
    if (j->n_batch + j->n_left + j->n_right > MARU_MAX_RANK)
        return maru_fail(MARU_UNSUPPORTED, "Einsum: more than %d axes are needed between", MARU_MAX_RANK);
    for (size_t i = 0; i < j->n_batch; i++) {
        const maru_dim x = dim_of(e, a, j->batch[i]);
        dims[out->rank] = x == 1 ? dim_of(e, b, j->batch[i]) : x;
        out->labels[out->rank++] = j->batch[i];
    }
    for (size_t i = 0; i < j->n_left; i++) {
        dims[out->rank] = dim_of(e, a, j->left[i]);
        out->labels[out->rank++] = j->left[i];
    }
    for (size_t i = 0; i < j->n_right; i++) {
        dims[out->rank] = dim_of(e, b, j->right[i]);
        out->labels[out->rank++] = j->right[i];
    }
    return MARU_OK;
}

static maru_status multiply(einsum *e, term *a, term *b, size_t rest, term *out)
{
    join j;
    maru_dim dims[MARU_MAX_RANK];
    maru_value pair[2];
    MARU_TRY(sum_unneeded(e, a, b, rest));
    MARU_TRY(sum_unneeded(e, b, a, rest));
    sort_labels(e, a, b, rest, &j);
    *out = (term){.value = MARU_NO_VALUE};
    MARU_TRY(joined_dims(e, a, b, &j, out, dims));
    MARU_TRY(to_matrices(e, a, &j, j.left, j.n_left, j.inner, j.n_inner, &pair[0]));
    MARU_TRY(to_matrices(e, b, &j, j.inner, j.n_inner, j.right, j.n_right, &pair[1]));
    MARU_TRY(onnx_add(e->n, "MatMul", pair, 2, NULL, 0, &out->value));
    return onnx_reshape(e->n, out->value, dims, out->rank, &out->value);
}

/* ---- all ---- */

static maru_status run_einsum(einsum *e, const char *equation)
{
    MARU_TRY(read_equation(e, equation));
    for (size_t i = 0; i < e->n_terms; i++)
        MARU_TRY(merge_repeated(e, &e->terms[i]));
    term whole = e->terms[0];
    for (size_t i = 1; i < e->n_terms; i++) {
        term next;
        MARU_TRY(multiply(e, &whole, &e->terms[i], i + 1, &next));
        whole = next;
    }
    MARU_TRY(sum_unneeded(e, &whole, NULL, e->n_terms));
    if (whole.rank != e->n_out)
        return fail_equation(equation);
    MARU_TRY(permute(e, &whole, e->out));
    if (e->n_terms == 1 && whole.value == e->n->inputs[0])
        return onnx_op1(e->n, "Identity", whole.value, &e->n->outputs[0]);
    e->n->outputs[0] = whole.value;
    return MARU_OK;
}

static maru_status einsum_form(onnx_node *n)
{
    einsum e = {.n = n};
    char equation[512];
    const onnx_attr *attr = onnx_attr_find(n, "equation");
    if (!attr || !attr->has_s || attr->s.len >= sizeof equation || n->n_inputs == 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "Einsum: the equation is missing, or too long");
    memcpy(equation, attr->s.data, attr->s.len);
    equation[attr->s.len] = 0;
    return run_einsum(&e, equation);
}

const onnx_form onnx_forms_einsum[] = {
    {"", "Einsum", 12, INT16_MAX, einsum_form},
    {.op = NULL},
};
