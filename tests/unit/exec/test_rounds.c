// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* How devices are asked: parts of sets again, composites one level simpler; with plugins that answer so. */

#include "unit.h"

#include <maru/session.h>

#include "exec/model_impl.h"
#include "graph/graph.h"

enum { N = 4 };

typedef struct fixture {
    maru_runtime *runtime;
    maru_model *model;
    char *plan;
} fixture;

static maru_status try_fixture(fixture *f, maru_graph *graph, const maru_model_params *params)
{
    const char *build = getenv("MARU_BUILD_ROOT");
    char path[8192];
    *f = (fixture){0};
    snprintf(path, sizeof path, "%s/plugins/fault/fault.so:%s/backends/cpu/cpu.so", build ? build : ".",
             build ? build : ".");
    const maru_runtime_params runtime = {.plugin_path = path, .skip_probe = 1};
    assert_ok(maru_runtime_create(&runtime, &f->runtime));
    maru_status status = maru_model_create(f->runtime, &graph, params, &f->model);
    if (status == MARU_OK)
        assert_ok(maru_model_plan(f->model, MARU_PLAN_TEXT, NULL, &f->plan));
    return status;
}

static void open_fixture(fixture *f, maru_graph *graph, const char *device, const char *options)
{
    const maru_model_params params = {.devices = device, .device_options = options, .placement = MARU_PLACE_FREE,
                                      .no_fuse = 1};
    assert_ok(try_fixture(f, graph, &params));
}

static void close_fixture(fixture *f)
{
    free(f->plan);
    maru_model_destroy(&f->model);
    maru_runtime_destroy(&f->runtime);
}

static void expect(const fixture *f, const char *text)
{
    if (!strstr(f->plan, text))
        fail_msg("no '%s' in\n%s", text, f->plan);
}

static void expect_not(const fixture *f, const char *text)
{
    if (strstr(f->plan, text))
        fail_msg("'%s' in\n%s", text, f->plan);
}

/* What the graph gives for x = 1, 2, 3, 4. */
static void run(const fixture *f, float out[N])
{
    static const int64_t dims[1] = {N};
    float x[N] = {1, 2, 3, 4};
    maru_session *session = NULL;
    maru_tensor in = {0};
    maru_tensor y = {0};
    assert_ok(maru_session_create(f->model, &session));
    assert_ok(maru_tensor_wrap(MARU_F32, dims, 1, x, sizeof x, &in));
    assert_ok(maru_session_set_input(session, "x", &in));
    assert_ok(maru_session_run(session, NULL));
    assert_ok(maru_session_get_output(session, "y", &y));
    memcpy(out, y.data, N * sizeof *out);
    maru_session_destroy(&session);
}

static maru_graph *read_graph(const char *text)
{
    maru_graph *graph = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    return graph;
}

/* y = x + x + ... + x, n sums one after the other. */
static maru_graph *sums(int n)
{
    static const maru_dim dims[1] = {N};
    maru_graph *graph = NULL;
    maru_value last = 0;
    maru_value x = 0;
    assert_ok(maru_graph_create("sums", &graph));
    assert_ok(maru_graph_input(graph, "x", MARU_F32, dims, 1, &x));
    last = x;
    for (int i = 0; i < n; i++) {
        const maru_value sum[2] = {last, x};
        assert_ok(maru_graph_op(graph, "Add", sum, 2, NULL, 0, &last));
    }
    assert_ok(maru_graph_output(graph, "y", last));
    return graph;
}

static void check_sums(const fixture *f, int n)
{
    float y[N];
    run(f, y);
    for (int i = 0; i < N; i++)
        assert_true(y[i] == (float)((n + 1) * (i + 1)));
}

/* Nine nodes in two sets of five that share one: 5, then of the rest 3, then the last. */
static void what_is_left_is_asked_about_until_all_is_taken(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, sums(9), "fault:0", "fault=halves");
    expect(&f, "  round 1  fault:0    Add+Add+Add+Add, since Add of its set of 5 is in another set: 2 sets\n");
    expect(&f, "  round 2  fault:0    Add, since Add of its set of 2 is in another set: 1 set\n");
    expect(&f, "fault:0    asked, 3 programs\n");
    expect(&f, "cpu:0      fallback, 0 programs\n");
    check_sums(&f, 9);
    close_fixture(&f);
}

/* 33 nodes: 17, then 9 of 16, then 4 of 7; of the last 3 nobody is asked, they run where each node can. */
static void three_rounds_are_the_most(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, sums(33), "fault:0", "fault=halves");
    expect(&f, "round 1 ");
    expect(&f, "round 2 ");
    expect_not(&f, "round 0 ");
    expect_not(&f, "round 3 ");
    expect(&f, "fault:0    asked, 3 programs\n");
    expect(&f, "cpu:0      fallback, 3 programs\n");
    check_sums(&f, 33);
    close_fixture(&f);
}

static void sets_that_fit_are_not_asked_about(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, sums(5), "fault:0", NULL);
    expect_not(&f, "asked again");
    expect(&f, "fault:0    asked, 1 programs\n");
    check_sums(&f, 5);
    close_fixture(&f);
}

/* ---- composites ---- */

static size_t count_ops(const maru_model *model, const char *name)
{
    const maru_graph *graph = maru_model_graph(model);
    size_t n = 0;
    for (size_t i = 0; i < graph->nodes.count; i++)
        n += strcmp(graph->nodes.data[i].op->name, name) == 0;
    return n;
}

/* y = swish(x) * x: a composite whose body holds composites. */
static const char swiglu[] = "maru 1 \"swiglu\"\n"
                             "%1 = input \"x\" f32[4]\n"
                             "%2 = SwiGLU(%1, %1)\n"
                             "output \"y\" %2\n";

static void check_swiglu(const fixture *f)
{
    float y[N];
    run(f, y);
    for (int i = 0; i < N; i++) {
        static const float want[N] = {0.7310586f, 3.5231884f, 8.573167f, 15.712221f};
        assert_true(y[i] > want[i] * 0.99999f && y[i] < want[i] * 1.00001f);
    }
}

/* Nobody who was asked takes it, though the processor would: it is shown ever simpler, until the Mul is taken. */
static void a_refused_composite_is_shown_one_level_simpler(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, read_graph(swiglu), "fault:0", NULL);
    assert_int_equal(count_ops(f.model, "SwiGLU"), 0);
    assert_int_equal(count_ops(f.model, "Swish"), 0);   // shown in the second round of it, and refused too
    assert_int_equal(count_ops(f.model, "Sigmoid"), 0); // and this in the third
    assert_true(count_ops(f.model, "Mul") >= 2);
    expect(&f, "  fault:0    Mul [fault loop");
    expect_not(&f, "SwiGLU");
    check_swiglu(&f);
    close_fixture(&f);
}

/* Who takes it whole gets it whole; and a body's composite that is taken stays one. */
static void a_taken_composite_stays_whole(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, read_graph(swiglu), "cpu:0", NULL);
    assert_int_equal(maru_graph_node_count(maru_model_graph(f.model)), 1);
    assert_int_equal(count_ops(f.model, "SwiGLU"), 1);
    check_swiglu(&f);
    close_fixture(&f);
    // Relu is a composite that the plugin knows: of this body, only what it refuses is taken further apart.
    open_fixture(&f, read_graph("maru 1 \"relu\"\n%1 = input \"x\" f32[4]\n%2 = Relu(%1)\n%3 = Softsign(%2)\n"
                                "output \"y\" %3\n"), "fault:0", NULL);
    assert_int_equal(count_ops(f.model, "Relu"), 1);
    assert_int_equal(count_ops(f.model, "Softsign"), 0);
    expect(&f, "  fault:0    Relu [fault loop");
    close_fixture(&f);
}

/* ---- what is shown ---- */

/* y = sin(x + x) + (x + x). */
static const char sine[] = "maru 1 \"sine\"\n"
                           "%1 = input \"x\" f32[4]\n"
                           "%2 = Add(%1, %1)\n"
                           "%3 = Sin(%2)\n"
                           "%4 = Add(%3, %2)\n"
                           "output \"y\" %4\n";

static void check_sine(const fixture *f)
{
    static const float want[N] = {2.9092974f, 3.2431975f, 5.7205845f, 8.989358f};
    float y[N];
    run(f, y);
    for (int i = 0; i < N; i++)
        assert_true(y[i] > want[i] * 0.99999f && y[i] < want[i] * 1.00001f);
}

/* The plugin claims both sums as one set: it has not seen what is between them, and the host has. */
static void nothing_newer_than_the_manifest_is_shown(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, read_graph(sine), "fault:0", NULL);
    expect(&f, "  fault:0    Sin: Sin is of opset 22, plugin 'fault' knows up to 21\n");
    expect_not(&f, "only Add, Mul and Relu are known");
    expect(&f, "fault:0    asked, 2 programs\n");
    expect(&f, "cpu:0      fallback, 1 programs\n");
    check_sine(&f);
    close_fixture(&f);
    open_fixture(&f, read_graph(sine), "fault:0", "fault=halves");
    expect(&f, "  round 1  fault:0    Add, since its set of 2 waits for other nodes halfway: 1 set\n");
    expect(&f, "fault:0    asked, 2 programs\n");
    check_sine(&f);
    close_fixture(&f);
}

/* ---- numerics ---- */

static void a_claim_below_the_floor_is_shown_and_not_taken(void **state)
{
    (void)state;
    fixture f;
    maru_model_params params = {.devices = "fault:0", .device_options = "fault=bf16", .placement = MARU_PLACE_STRICT};
    open_fixture(&f, sums(3), "fault:0", "fault=bf16");
    expect(&f, "  fault:0    Add: would run in bf16/f32: allow it with numerics=fast\n");
    expect(&f, "fault:0    asked, 0 programs\n");
    check_sums(&f, 3);
    close_fixture(&f);
    assert_fails(try_fixture(&f, sums(3), &params), MARU_UNSUPPORTED, "allow it with numerics=fast");
    close_fixture(&f);
    params.numerics = MARU_NUMERICS_FAST;
    assert_ok(try_fixture(&f, sums(3), &params));
    expect(&f, "fault:0    asked, 1 programs\n");
    close_fixture(&f);
}

/* A claim says what it computes in; what that is worth depends on what was asked for. */
static void numeric_classes_are_compared(void **state)
{
    (void)state;
    static const struct {
        maru_abi_numeric claim;
        bool usual;
        bool fast;
    } cases[] = {
        {{MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_NUMERIC_DETERMINISTIC}, true, true},
        {{MARU_ABI_F32, MARU_ABI_F64, MARU_ABI_F64, 0}, true, true},
        {{MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_F16, 0}, false, false},
        {{MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_NUMERIC_TF32}, false, true},
        {{MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_F32, MARU_ABI_NUMERIC_FAST_MATH}, false, false},
        {{MARU_ABI_F32, MARU_ABI_BF16, MARU_ABI_F32, 0}, false, true},
        {{MARU_ABI_F32, MARU_ABI_F16, MARU_ABI_F32, 0}, false, false}, // less range than bf16
        {{MARU_ABI_F16, MARU_ABI_F16, MARU_ABI_F32, 0}, true, true},
        {{MARU_ABI_F16, MARU_ABI_F32, MARU_ABI_F32, 0}, true, true},
        {{MARU_ABI_F16, MARU_ABI_F16, MARU_ABI_F16, 0}, false, false},
        {{MARU_ABI_F64, MARU_ABI_F64, MARU_ABI_F64, 0}, true, true},
        {{MARU_ABI_F64, MARU_ABI_F32, MARU_ABI_F64, 0}, false, false},
        {{MARU_ABI_F8E5M2, MARU_ABI_F8E5M2, MARU_ABI_F32, 0}, true, true},
        {{MARU_ABI_I64, MARU_ABI_I64, MARU_ABI_I64, 0}, true, true},
        {{0, 0, 0, 0}, true, true},
        {{MARU_ABI_F32, 999, MARU_ABI_F32, 0}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (maru_numeric_is_enough(MARU_NUMERICS_DEFAULT, &cases[i].claim) != cases[i].usual ||
            maru_numeric_is_enough(MARU_NUMERICS_EXACT, &cases[i].claim) != cases[i].usual ||
            maru_numeric_is_enough(MARU_NUMERICS_FAST, &cases[i].claim) != cases[i].fast)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_asked_about_until_all_is_taken),
        cmocka_unit_test(three_rounds_are_the_most),
        cmocka_unit_test(sets_that_fit_are_not_asked_about),
        cmocka_unit_test(a_refused_composite_is_shown_one_level_simpler),
        cmocka_unit_test(a_taken_composite_stays_whole),
        cmocka_unit_test(nothing_newer_than_the_manifest_is_shown),
        cmocka_unit_test(a_claim_below_the_floor_is_shown_and_not_taken),
        cmocka_unit_test(numeric_classes_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
