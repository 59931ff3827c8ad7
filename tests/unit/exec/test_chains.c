// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* A product with its bias, activation and residual runs as one step, on a packed constant, and gives the same. */

#include "unit.h"

#include <math.h>

#include <maru/session.h>

static const char network[] = "maru 1 \"chains\"\n"
                              "symbol n min=1 typical=8\n"
                              "%1 = input \"x\" f32[n, 4]\n"
                              "%2 = const \"w\" f32[3, 4] {1, -2, 3, 0.5, -1, 2, 0.25, 1, 2, 1, -1, 3}\n"
                              "%3 = const \"b\" f32[3] {0.5, -1, 2}\n"
                              "%4 = input \"r\" f32[1, n, 3]\n"
                              "%5 = Gemm(%1, %2, %3) {transB=1}\n"
                              "%6 = shape [1, n, 3]\n"
                              "%7 = Reshape(%5, %6)\n"
                              "%8 = Gelu(%7)\n"
                              "%9 = Add(%8, %4)\n"
                              "output \"y\" %9\n";

enum { ROWS = 5 };

typedef struct outcome {
    float y[ROWS * 3];
    int n_steps;
    int has_chain;
} outcome;

static void note(void *ctx, const maru_trace_event *event)
{
    outcome *out = ctx;
    out->n_steps++;
    if (strcmp(event->op, "Gemm+Reshape+Gelu+Add") == 0)
        out->has_chain = 1;
}

static void run(const char *options, outcome *out)
{
    static float x[ROWS * 4];
    static float r[ROWS * 3];
    const maru_model_params params = {.device_options = options};
    maru_runtime *runtime = NULL;
    maru_graph *graph = NULL;
    maru_model *model = NULL;
    maru_session *session = NULL;
    maru_tensor t;
    for (int i = 0; i < ROWS * 4; i++)
        x[i] = (float)(i % 7) * 0.5f - 1;
    for (int i = 0; i < ROWS * 3; i++)
        r[i] = (float)i;
    assert_ok(maru_runtime_create(NULL, &runtime));
    assert_ok(maru_graph_read(network, strlen(network), "chains", &graph));
    assert_ok(maru_model_create(runtime, &graph, &params, &model));
    assert_ok(maru_session_create(model, &session));
    assert_ok(maru_tensor_wrap(MARU_F32, (const int64_t[]){ROWS, 4}, 2, x, sizeof x, &t));
    assert_ok(maru_session_set_input(session, "x", &t));
    assert_ok(maru_tensor_wrap(MARU_F32, (const int64_t[]){1, ROWS, 3}, 3, r, sizeof r, &t));
    assert_ok(maru_session_set_input(session, "r", &t));
    assert_ok(maru_session_run(session, &(maru_run_params){.trace = note, .trace_ctx = out}));
    assert_ok(maru_session_get_output(session, "y", &t));
    memcpy(out->y, t.data, sizeof out->y);
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    maru_runtime_destroy(&runtime);
}

static void a_chain_is_one_step_and_the_same(void **state)
{
    (void)state;
    outcome fused = {.n_steps = 0};
    outcome reference = {.n_steps = 0};
    run(NULL, &fused);
    run("kernels=ref", &reference);
    assert_true(fused.has_chain);
    assert_int_equal(fused.n_steps, 1);
    assert_false(reference.has_chain);
    assert_true(reference.n_steps > 1);
    for (int i = 0; i < ROWS * 3; i++)
        assert_true(fabsf(fused.y[i] - reference.y[i]) <= 1e-6f * (1 + fabsf(reference.y[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_is_one_step_and_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
