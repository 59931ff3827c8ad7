// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Every composite against its own body: the graphs of certify are run with
 * the reference kernel of the operator, and decomposed to primitives.
 */

#include "unit.h"

#include <math.h>
#include <maru/session.h>

#include "plan/plan.h"
#include "tool/certify_cases.h"

typedef struct side {
    maru_model *model;
    maru_session *session;
    maru_tensor inputs[16];
    size_t n_inputs;
} side;

static void fill(const certify_case *c, maru_tensor *t, unsigned *seed)
{
    const bool is_float = maru_dtype_get_info(t->dtype)->kind == MARU_CLASS_FLOAT;
    const bool is_default = c->low == 0 && c->high == 0;
    const double low = is_default ? (is_float ? -3 : 0) : c->low;
    const double high = is_default ? 3 : c->high;
    for (int64_t i = 0; i < maru_tensor_count(t); i++) {
        *seed = *seed * 1664525u + 1013904223u;
        const double x = low + (high - low) * (*seed >> 8) / 16777216.0;
        maru_tensor_set_f64(t, i, is_float ? x : floor(x + 0.5));
    }
}

static void open_side(maru_runtime *runtime, const certify_case *c, maru_graph **graph, side *s)
{
    const maru_model_params params = {.device_options = "kernels=ref", .placement = MARU_PLACE_STRICT, .no_fuse = 1};
    unsigned seed = 3;
    assert_ok(maru_model_create(runtime, graph, &params, &s->model));
    assert_ok(maru_session_create(s->model, &s->session));
    const maru_graph *g = maru_model_graph(s->model);
    for (size_t i = 0; i < maru_graph_input_count(g); i++) {
        maru_value_info info;
        assert_ok(maru_graph_value_info(g, maru_graph_input_at(g, i), &info));
        assert_ok(maru_tensor_create(info.dtype, info.dims, info.rank, &s->inputs[i]));
        fill(c, &s->inputs[i], &seed);
        assert_ok(maru_session_set_input(s->session, info.name, &s->inputs[i]));
    }
    s->n_inputs = maru_graph_input_count(g);
    assert_ok(maru_session_run(s->session, NULL));
}

static void close_side(side *s)
{
    maru_session_destroy(&s->session);
    maru_model_destroy(&s->model);
    for (size_t i = 0; i < s->n_inputs; i++)
        maru_tensor_destroy(&s->inputs[i]);
}

/* All composites to primitives; gives how many there were. */
static size_t decompose(maru_graph **graph)
{
    size_t all = 0;
    for (int level = 0; level < 8; level++) {
        size_t n = 0;
        bool *nodes = calloc((*graph)->nodes.count + 1, sizeof *nodes);
        for (size_t i = 0; i < (*graph)->nodes.count; i++)
            n += nodes[i] = (*graph)->nodes.data[i].op->level == MARU_OP_COMPOSITE;
        maru_graph *next = NULL;
        if (n)
            assert_ok(maru_plan_decompose(*graph, nodes, &next));
        free(nodes);
        if (!n)
            return all;
        all += n;
        maru_graph_destroy(graph);
        *graph = next;
    }
    fail_msg("a body never ends in primitives");
    return all;
}

/* Bodies round after each step: twice the tolerance of one operator. */
static double allowed(maru_dtype dtype, double want)
{
    const double relative = dtype == MARU_F64 ? 1e-11 : dtype == MARU_F32 ? 4e-5 : dtype == MARU_F16 ? 2e-2 : 1.5e-1;
    return relative * (fabs(want) + 0.2);
}

static void compare(const side *x, const side *y, const char *op, const char *dtype)
{
    const maru_graph *g = maru_model_graph(y->model);
    const char *name = NULL;
    for (size_t i = 0; maru_graph_output_at(g, i, &name) != MARU_NO_VALUE; i++) {
        maru_tensor a, b;
        assert_ok(maru_session_get_output(x->session, name, &a));
        assert_ok(maru_session_get_output(y->session, name, &b));
        assert_int_equal(a.dtype, b.dtype);
        assert_int_equal(a.bytes, b.bytes);
        const bool is_float = maru_dtype_get_info(a.dtype)->kind == MARU_CLASS_FLOAT;
        for (int64_t k = 0; k < maru_tensor_count(&a); k++) {
            const double p = maru_tensor_get_f64(&a, k);
            const double q = maru_tensor_get_f64(&b, k);
            if (p == q || (isnan(p) && isnan(q)))
                continue;
            if (!(fabs(p - q) <= (is_float ? allowed(a.dtype, p) : 0)))
                fail_msg("%s %s: output '%s'[%lld] is %.9g by the kernel, %.9g by the body", op, dtype, name,
                         (long long)k, p, q);
        }
    }
}

static maru_graph *make_graph(const certify_case *c, const char *dtype)
{
    char text[4096];
    maru_graph *graph = NULL;
    certify_write_text(c, dtype, text, sizeof text);
    if (maru_graph_read(text, strlen(text), c->op, &graph) != MARU_OK)
        fail_msg("%s %s: %s", c->op, dtype, maru_error_message());
    return graph;
}

static void a_composite_is_its_body(void **state)
{
    (void)state;
    maru_runtime *runtime = NULL;
    size_t n = 0;
    assert_ok(maru_runtime_create(NULL, &runtime));
    for (size_t i = 0; i < n_certify_cases; i++) {
        const certify_case *c = &certify_cases[i];
        for (const char *at = c->dtypes; *at; at += strcspn(at, " "), at += *at == ' ') {
            char dtype[16];
            snprintf(dtype, sizeof dtype, "%.*s", (int)strcspn(at, " "), at);
            maru_graph *whole = make_graph(c, dtype);
            maru_graph *apart = make_graph(c, dtype);
            if (decompose(&apart)) {
                side x = {0}, y = {0};
                open_side(runtime, c, &whole, &x);
                open_side(runtime, c, &apart, &y);
                compare(&x, &y, c->op, dtype);
                close_side(&x);
                close_side(&y);
                n++;
            }
            maru_graph_destroy(&whole);
            maru_graph_destroy(&apart);
        }
    }
    maru_runtime_destroy(&runtime);
    assert_true(n > 150);
}

static void every_operator_has_a_case(void **state)
{
    (void)state;
    maru_op_summary info;
    for (size_t i = 0; maru_op_at(i, &info); i++) {
        bool found = false;
        for (size_t k = 0; !found && k < n_certify_cases; k++)
            found = strcmp(certify_cases[k].op, info.name) == 0;
        if (!found)
            fail_msg("%s has no case in core/tool/certify_cases.c", info.name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_has_a_case),
        cmocka_unit_test(a_composite_is_its_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
