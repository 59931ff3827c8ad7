// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Placement, order, storage and memory over invented devices. */

#include "invented.h"

static const invented_device host = {.device = {.id = "cpu:0", .is_asked = true, .is_host_memory = true},
                                     .ops = "*", .cost_ns = 1000, .is_in_place = true};
static const invented_device fallback = {.device = {.id = "cpu:0", .is_host_memory = true}, .ops = "*",
                                         .cost_ns = 1000};
static const invented_device npu = {.device = {.id = "npu:0", .is_asked = true, .bandwidth = 1e9},
                                    .ops = " MatMul Add Relu ", .cost_ns = 100};

static const char mlp[] = "maru 1 \"mlp\"\n"
                          "symbol n min=1 typical=32\n"
                          "%1 = input \"x\" f32[n, 64]\n"
                          "%2 = const \"w\" f32[64, 64] external\n"
                          "%3 = MatMul(%1, %2) \"layer\"\n"
                          "%4 = Tanh(%3) \"layer\"\n"
                          "%5 = MatMul(%4, %2) \"layer\"\n"
                          "%6 = Relu(%5) \"layer\"\n"
                          "output \"y\" %6\n";

static void a_plan_is_stable_text(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(mlp);
    const invented_device devices[2] = {npu, fallback};
    maru_plan *plan = NULL;
    char *text = NULL;
    assert_ok(invent_plan(graph, devices, 2, MARU_PLACE_FREE, &plan));
    assert_ok(maru_plan_dump(plan, NULL, &text));
    assert_string_equal(text,
                        "plan of 'mlp': 4 nodes in 8 steps, 0 views\n"
                        "  npu:0      asked, 3 programs\n"
                        "  cpu:0      fallback, 1 programs\n"
                        "\n"
                        "steps:\n"
                        "    0  npu:0      transfer %1 f32[n, 64]: input 'x' -> arena npu:0#0\n"
                        "    1  npu:0      MatMul [invented] 'layer': %3 f32[n, 64] in arena npu:0#1\n"
                        "    2  cpu:0      transfer %3 f32[n, 64]: arena npu:0#1 -> arena cpu:0#3\n"
                        "    3  cpu:0      Tanh [invented] 'layer': %4 f32[n, 64] in arena cpu:0#4  "
                        "(fallback: not in the list)\n"
                        "    4  npu:0      transfer %4 f32[n, 64]: arena cpu:0#4 -> arena npu:0#6\n"
                        "    5  npu:0      MatMul [invented] 'layer': %5 f32[n, 64] in arena npu:0#7\n"
                        "    6  npu:0      Relu [invented] 'layer': %6 f32[n, 64] in arena npu:0#9\n"
                        "    7  npu:0      transfer %6 f32[n, 64]: arena npu:0#9 -> output 'y'\n"
                        "\n"
                        "refused:\n"
                        "  npu:0      Tanh 'layer': not in the list\n");
    free(text);
    maru_plan_destroy(&plan);
    maru_graph_destroy(&graph);
}

static void strict_names_the_node_and_the_reason(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(mlp);
    const invented_device devices[2] = {npu, fallback};
    maru_plan *plan = NULL;
    assert_fails(invent_plan(graph, devices, 2, MARU_PLACE_STRICT, &plan), MARU_UNSUPPORTED,
                 "Tanh (in 'layer') would run on cpu:0: not in the list");
    assert_fails(invent_plan(graph, devices, 1, MARU_PLACE_FREE, &plan), MARU_UNSUPPORTED,
                 "Tanh (in 'layer') cannot run on any device: not in the list");
    assert_null(plan);
    maru_graph_destroy(&graph);
}

static void small_work_stays_where_its_data_is(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(mlp);
    // Both are asked for: 100 ns on the NPU do not pay for moving the tensor there and back.
    const invented_device devices[2] = {npu, host};
    maru_plan *plan = NULL;
    assert_ok(invent_plan(graph, devices, 2, MARU_PLACE_FREE, &plan));
    for (size_t u = 0; u < plan->units.count; u++)
        assert_int_equal(plan->units.data[u].device, plan->units.data[0].device);
    maru_plan_destroy(&plan);
    maru_graph_destroy(&graph);
}

static void sets_that_wait_for_each_other_are_dissolved(void **state)
{
    (void)state;
    // a1 -> b2, b1 -> a2: {a1, a2} and {b1, b2} are convex each, and cyclic together.
    maru_graph *graph = read_graph("maru 1 \"cross\"\n"
                                   "%1 = input \"x\" f32[4]\n"
                                   "%2 = Exp(%1)\n"
                                   "%3 = Log(%1)\n"
                                   "%4 = Abs(%2)\n"
                                   "%5 = Neg(%3)\n"
                                   "output \"p\" %4\n"
                                   "output \"q\" %5\n");
    const maru_plan_device device = host.device;
    static const uint32_t nodes[] = {0, 1, 2, 3};
    static const uint32_t a[] = {0, 3};
    static const uint32_t b[] = {1, 2};
    maru_plan_claim claims[6];
    for (uint32_t i = 0; i < 4; i++)
        claims[i] = (maru_plan_claim){.n_nodes = 1, .nodes = &nodes[i], .cost_ns = 1000};
    claims[4] = (maru_plan_claim){.n_nodes = 2, .nodes = a, .cost_ns = 10};
    claims[5] = (maru_plan_claim){.n_nodes = 2, .nodes = b, .cost_ns = 10};
    const maru_plan_request request = {.graph = graph, .devices = &device, .n_devices = 1, .claims = claims,
                                       .n_claims = 6};
    maru_plan *plan = NULL;
    assert_ok(maru_plan_create(&request, &plan));
    assert_int_equal(plan->units.count, 3);
    maru_plan_destroy(&plan);
    maru_graph_destroy(&graph);
}

static void an_update_takes_the_states_memory(void **state)
{
    (void)state;
    maru_graph *graph = read_graph("maru 1 \"cache\"\n"
                                   "%1 = input \"new\" f32[1, 2, 1, 8]\n"
                                   "%2 = input \"at\" i64[1]\n"
                                   "%3 = state \"k\" f32[1, 2, 32, 8] axis=2\n"
                                   "%4 = TensorScatter(%3, %1, %2)\n"
                                   "%5 = Exp(%4)\n"
                                   "output \"y\" %5\n"
                                   "set_state \"k\" %4\n");
    maru_plan *plan = NULL;
    assert_ok(invent_plan(graph, &host, 1, MARU_PLACE_FREE, &plan));
    assert_int_equal(plan->steps.count, 2);
    assert_int_equal(plan->units.data[0].output_storage[0].kind, MARU_STORAGE_STATE);
    maru_plan_destroy(&plan);
    invented_device careful = host;
    careful.is_in_place = false;
    assert_ok(invent_plan(graph, &careful, 1, MARU_PLACE_FREE, &plan));
    assert_int_equal(plan->steps.count, 3);
    assert_int_equal(plan->steps.data[2].kind, MARU_STEP_COPY);
    maru_plan_destroy(&plan);
    maru_graph_destroy(&graph);
}

/* ---- memory ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Elementwise nodes over tensors of several sizes, each reading earlier ones at random. */
static maru_graph *random_graph(uint32_t *seed, int n_nodes)
{
    maru_graph *graph = NULL;
    maru_dim n = 0;
    maru_value values[256];
    assert_ok(maru_graph_create("random", &graph));
    assert_ok(maru_graph_symbol(graph, "n", &(maru_symbol_params){.typical = 16}, &n));
    int n_values = 0;
    for (int i = 0; i < 4; i++) {
        char name[8];
        maru_dim dims[2] = {n, 1 << (2 * i)};
        snprintf(name, sizeof name, "x%d", i);
        assert_ok(maru_graph_input(graph, name, MARU_F32, dims, i % 2 ? 2 : 1, &values[n_values++]));
    }
    for (int i = 0; i < n_nodes; i++) {
        const maru_value x = values[next_random(seed) % (uint32_t)n_values];
        const maru_value reduced[1] = {x};
        const bool two = next_random(seed) % 2;
        const maru_value pair[2] = {x, x};
        assert_ok(two ? maru_graph_op(graph, "Mul", pair, 2, NULL, 0, &values[n_values])
                      : maru_graph_op(graph, "Exp", reduced, 1, NULL, 0, &values[n_values]));
        n_values++;
    }
    for (int i = n_values - 3; i < n_values; i++) {
        char name[8];
        snprintf(name, sizeof name, "y%d", i);
        assert_ok(maru_graph_output(graph, name, values[i]));
    }
    return graph;
}

static void check_no_overlap(const maru_plan *plan, const maru_plan_binding *b)
{
    for (size_t i = 0; i < plan->items.count; i++) {
        for (size_t j = 0; j < i; j++) {
            const maru_arena_item *x = &plan->items.data[i];
            const maru_arena_item *y = &plan->items.data[j];
            if (x->device != y->device || x->last < y->first || y->last < x->first)
                continue;
            assert_true(b->item_offsets[i] + b->item_bytes[i] <= b->item_offsets[j] ||
                        b->item_offsets[j] + b->item_bytes[j] <= b->item_offsets[i]);
        }
        assert_true(b->item_offsets[i] % 64 == 0);
    }
}

static void what_lives_together_never_overlaps(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 20; round++) {
        maru_graph *graph = random_graph(&seed, 60);
        maru_graph *clean = NULL;
        maru_plan *plan = NULL;
        invented_device device = host;
        device.is_in_place = round % 2;
        assert_ok(maru_plan_simplify(graph, &clean));
        assert_ok(invent_plan(clean, &device, 1, MARU_PLACE_FREE, &plan));
        static const int64_t sizes[] = {1, 3, 16, 1000};
        for (size_t s = 0; s < 4; s++) {
            maru_plan_binding *b = NULL;
            uint64_t workspace[64];
            for (size_t u = 0; u < 64; u++)
                workspace[u] = next_random(&seed) % 3 * 100;
            assert_true(plan->units.count <= 64);
            assert_ok(maru_plan_bind(plan, &sizes[s], &b));
            assert_ok(maru_plan_bind_memory(plan, workspace, b));
            check_no_overlap(plan, b);
            assert_true(b->arena_bytes[0] >= b->lower_bound[0]);
            maru_plan_binding_destroy(&b);
        }
        maru_plan_destroy(&plan);
        maru_graph_destroy(&clean);
        maru_graph_destroy(&graph);
    }
}

static void binding_checks_symbols_and_shapes(void **state)
{
    (void)state;
    maru_graph *graph = read_graph("maru 1 \"view\"\n"
                                   "symbol n min=2 max=8 multiple=2\n"
                                   "symbol m min=1\n"
                                   "%1 = input \"x\" f32[n, 6]\n"
                                   "%2 = shape [m, 4]\n"
                                   "%3 = Reshape(%1, %2)\n"
                                   "%4 = Exp(%3)\n"
                                   "output \"y\" %4\n");
    maru_plan *plan = NULL;
    maru_plan_binding *b = NULL;
    assert_ok(invent_plan(graph, &host, 1, MARU_PLACE_FREE, &plan));
    assert_int_equal(plan->n_views, 1);
    assert_ok(maru_plan_bind(plan, (const int64_t[]){4, 6}, &b));
    maru_plan_binding_destroy(&b);
    assert_fails(maru_plan_bind(plan, (const int64_t[]){4, 5}, &b), MARU_INVALID_ARGUMENT,
                 "24 elements do not fit a shape of 20");
    assert_fails(maru_plan_bind(plan, (const int64_t[]){10, 6}, &b), MARU_OUT_OF_RANGE, "n = 10");
    assert_fails(maru_plan_bind(plan, (const int64_t[]){3, 6}, &b), MARU_INVALID_ARGUMENT, "multiple of 2");
    maru_plan_destroy(&plan);
    maru_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_stable_text),
        cmocka_unit_test(strict_names_the_node_and_the_reason),
        cmocka_unit_test(small_work_stays_where_its_data_is),
        cmocka_unit_test(sets_that_wait_for_each_other_are_dissolved),
        cmocka_unit_test(an_update_takes_the_states_memory),
        cmocka_unit_test(what_lives_together_never_overlaps),
        cmocka_unit_test(binding_checks_symbols_and_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
