// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Whole runs through a plugin: a graph in text, inputs, outputs, states. */

#include "unit.h"

#include <maru/session.h>
#include <string.h>

typedef struct world {
    maru_runtime *runtime;
    maru_model *model;
    maru_session *session;
} world;

static void open_world(world *w, const char *text)
{
    maru_graph *graph = NULL;
    assert_ok(maru_runtime_create(NULL, &w->runtime));
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    assert_ok(maru_model_create(w->runtime, &graph, NULL, &w->model));
    assert_null(graph);
    assert_ok(maru_session_create(w->model, &w->session));
}

static void close_world(world *w)
{
    maru_session_destroy(&w->session);
    maru_model_destroy(&w->model);
    maru_runtime_destroy(&w->runtime);
}

static maru_tensor floats(const float *data, int64_t n)
{
    maru_tensor t = {0};
    assert_ok(maru_tensor_wrap(MARU_F32, &n, 1, (void *)(uintptr_t)data, (size_t)n * sizeof *data, &t));
    return t;
}

static void a_graph_runs(void **state)
{
    (void)state;
    world w = {0};
    open_world(&w, "maru 1 \"axpy\"\n"
                   "symbol n min=1\n"
                   "%1 = input \"x\" f32[n]\n"
                   "%2 = input \"y\" f32[n]\n"
                   "%3 = const \"\" f32[] {2.0}\n"
                   "%4 = Mul(%1, %3)\n"
                   "%5 = Add(%4, %2)\n"
                   "%6 = Relu(%5)\n"
                   "output \"z\" %6\n");
    for (int64_t n = 1; n < 40; n += 13) {
        float x[40], y[40];
        for (int64_t i = 0; i < n; i++) {
            x[i] = (float)i;
            y[i] = -10;
        }
        const maru_tensor tx = floats(x, n);
        const maru_tensor ty = floats(y, n);
        maru_tensor z = {0};
        assert_ok(maru_session_set_input(w.session, "x", &tx));
        assert_ok(maru_session_set_input(w.session, "y", &ty));
        for (int again = 0; again < 2; again++)
            assert_ok(maru_session_run(w.session, NULL));
        assert_ok(maru_session_get_output(w.session, "z", &z));
        assert_int_equal(z.dims[0], n);
        for (int64_t i = 0; i < n; i++)
            assert_float_equal(((float *)z.data)[i], 2 * x[i] > 10 ? 2 * x[i] - 10 : 0, 0);
    }
    close_world(&w);
}

static void a_state_outlives_a_run(void **state)
{
    (void)state;
    world w = {0};
    open_world(&w, "maru 1 \"sum\"\n"
                   "%1 = input \"x\" f32[2]\n"
                   "%2 = state \"total\" f32[2]\n"
                   "%3 = Add(%1, %2)\n"
                   "output \"now\" %3\n"
                   "output \"before\" %2\n"
                   "set_state \"total\" %3\n");
    const float x[2] = {1, 10};
    const maru_tensor tx = floats(x, 2);
    maru_tensor now = {0}, before = {0}, kept = {0};
    assert_ok(maru_session_set_input(w.session, "x", &tx));
    for (int i = 0; i < 3; i++)
        assert_ok(maru_session_run(w.session, NULL));
    assert_ok(maru_session_get_output(w.session, "now", &now));
    assert_ok(maru_session_get_output(w.session, "before", &before));
    assert_float_equal(((float *)now.data)[1], 30, 0);
    assert_float_equal(((float *)before.data)[1], 20, 0);
    assert_ok(maru_session_get_state(w.session, "total", &kept));
    assert_float_equal(((float *)kept.data)[0], 3, 0);
    assert_ok(maru_session_reset(w.session));
    assert_ok(maru_session_run(w.session, NULL));
    assert_ok(maru_session_get_output(w.session, "now", &now));
    assert_float_equal(((float *)now.data)[0], 1, 0);
    assert_ok(maru_session_set_state(w.session, "total", &kept));
    assert_ok(maru_session_run(w.session, NULL));
    assert_ok(maru_session_get_output(w.session, "now", &now));
    assert_float_equal(((float *)now.data)[1], 40, 0);
    maru_tensor_destroy(&kept);
    close_world(&w);
}

static void two_states_change_places(void **state)
{
    (void)state;
    world w = {0};
    open_world(&w, "maru 1 \"swap\"\n"
                   "%1 = input \"x\" f32[1]\n"
                   "%2 = state \"a\" f32[1]\n"
                   "%3 = state \"b\" f32[1]\n"
                   "%4 = Add(%2, %1)\n"
                   "output \"a\" %2\n"
                   "output \"b\" %3\n"
                   "set_state \"a\" %3\n"
                   "set_state \"b\" %4\n");
    const float x[1] = {1};
    const maru_tensor tx = floats(x, 1);
    static const float a[] = {0, 0, 1, 1, 2};
    assert_ok(maru_session_set_input(w.session, "x", &tx));
    for (int i = 0; i < 5; i++) {
        maru_tensor t = {0};
        assert_ok(maru_session_run(w.session, NULL));
        assert_ok(maru_session_get_output(w.session, "a", &t));
        assert_float_equal(((float *)t.data)[0], a[i], 0);
    }
    close_world(&w);
}

static void constants_are_folded(void **state)
{
    (void)state;
    world w = {0};
    open_world(&w, "maru 1 \"fold\"\n"
                   "%1 = input \"x\" f32[2]\n"
                   "%2 = const \"\" f32[2] {1.0, 2.0}\n"
                   "%3 = const \"\" f32[2] {3.0, 4.0}\n"
                   "%4 = Mul(%2, %3)\n"
                   "%5 = Add(%1, %4)\n"
                   "output \"y\" %5\n");
    assert_int_equal(maru_graph_node_count(maru_model_graph(w.model)), 1);
    const float x[2] = {1, 1};
    const maru_tensor tx = floats(x, 2);
    maru_tensor y = {0};
    assert_ok(maru_session_set_input(w.session, "x", &tx));
    assert_ok(maru_session_run(w.session, NULL));
    assert_ok(maru_session_get_output(w.session, "y", &y));
    assert_float_equal(((float *)y.data)[0], 4, 0);
    assert_float_equal(((float *)y.data)[1], 9, 0);
    close_world(&w);
}

static void mistakes_have_sentences(void **state)
{
    (void)state;
    world w = {0};
    open_world(&w, "maru 1 \"add\"\n"
                   "symbol n min=1 max=8\n"
                   "%1 = input \"x\" f32[n]\n"
                   "%2 = input \"y\" f32[n]\n"
                   "%3 = Add(%1, %2)\n"
                   "output \"z\" %3\n");
    const float data[16] = {0};
    const maru_tensor four = floats(data, 4);
    const maru_tensor five = floats(data, 5);
    const maru_tensor nine = floats(data, 9);
    maru_tensor out = {0};
    assert_fails(maru_session_set_input(w.session, "q", &four), MARU_NOT_FOUND, "'x', 'y'");
    assert_fails(maru_session_run(w.session, NULL), MARU_FAILED_PRECONDITION, "input 'x' is not set");
    assert_ok(maru_session_set_input(w.session, "x", &four));
    assert_ok(maru_session_set_input(w.session, "y", &five));
    assert_fails(maru_session_run(w.session, NULL), MARU_INVALID_ARGUMENT, "input 'y': dim 0 (n) is 5");
    assert_ok(maru_session_set_input(w.session, "x", &nine));
    assert_ok(maru_session_set_input(w.session, "y", &nine));
    assert_fails(maru_session_run(w.session, NULL), MARU_OUT_OF_RANGE, "n = 9");
    assert_fails(maru_session_get_output(w.session, "z", &out), MARU_FAILED_PRECONDITION, "no run");
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_runs),         cmocka_unit_test(a_state_outlives_a_run),
        cmocka_unit_test(two_states_change_places), cmocka_unit_test(constants_are_folded),
        cmocka_unit_test(mistakes_have_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
