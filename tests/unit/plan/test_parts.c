// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Sets that cannot be taken whole, and what their devices are asked next; over invented devices. */

#include "invented.h"

static const maru_plan_device npu = {.id = "npu:0", .is_asked = true, .bandwidth = 1e9};
static const maru_plan_device cpu = {.id = "cpu:0", .is_asked = true, .is_host_memory = true};

/* A line of five: %2 to %6. */
static const char line[] = "maru 1 \"line\"\n"
                           "%1 = input \"x\" f32[4]\n"
                           "%2 = Exp(%1) \"a\"\n"
                           "%3 = Abs(%2) \"a\"\n"
                           "%4 = Neg(%3) \"b\"\n"
                           "%5 = Tanh(%4) \"b\"\n"
                           "%6 = Sqrt(%5) \"b\"\n"
                           "output \"y\" %6\n";

static const uint32_t numbers[] = {0, 1, 2, 3, 4, 5};

static maru_plan_claim set_of(uint32_t device, uint32_t first, uint32_t n, int64_t cost)
{
    return (maru_plan_claim){.device = device, .n_nodes = n, .nodes = numbers + first, .cost_ns = cost,
                             .kernel = "invented", .numeric = ""};
}

static void check_part(const maru_plan_parts *parts, size_t index, uint32_t first, uint32_t n, const char *why)
{
    assert_true(index < parts->list.count);
    const maru_plan_question *q = &parts->list.data[index];
    assert_int_equal(q->n_nodes, n);
    for (uint32_t k = 0; k < n; k++)
        assert_int_equal(q->nodes[k], first + k);
    assert_string_equal(q->why, why);
}

static void what_is_left_of_an_overlapping_set_is_asked_about(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(line);
    maru_plan_parts parts = {0};
    maru_plan *plan = NULL;
    char *text = NULL;
    maru_plan_claim claims[3] = {set_of(0, 0, 3, 30), set_of(0, 2, 3, 30)};
    maru_plan_request request = {.graph = graph, .devices = &npu, .n_devices = 1, .claims = claims, .n_claims = 2};
    assert_ok(maru_plan_find_parts(&request, &parts));
    assert_int_equal(parts.list.count, 1);
    check_part(&parts, 0, 3, 2, "Neg of its set of 3 is in another set");
    // Before the answer there is no plan: the last two nodes have no claim that can be taken.
    assert_fails(maru_plan_create(&request, &plan), MARU_UNSUPPORTED, "Tanh (in 'b') cannot run on any device");
    // The device says yes to the part: with it, everything is taken, and there is nothing more to ask.
    claims[2] = set_of(0, 3, 2, 20);
    maru_plan_question asked = parts.list.data[0];
    asked.round = 1;
    asked.n_claims = 1;
    request.n_claims = 3;
    request.questions = &asked;
    request.n_questions = 1;
    maru_plan_parts more = {0};
    assert_ok(maru_plan_find_parts(&request, &more));
    assert_int_equal(more.list.count, 0);
    assert_ok(maru_plan_create(&request, &plan));
    assert_int_equal(plan->units.count, 2);
    assert_ok(maru_plan_dump(plan, NULL, &text));
    if (!strstr(text, "\nasked again:\n  round 1  npu:0      Tanh+Sqrt 'b', since Neg of its set of 3 is in another "
                      "set: 1 set\n"))
        fail_msg("%s", text);
    free(text);
    assert_ok(maru_plan_json(plan, NULL, &text));
    assert_non_null(strstr(text, "\"asked_again\": [\n    {\"round\": 1, \"device\": \"npu:0\", "
                                 "\"op\": \"Tanh+Sqrt\""));
    free(text);
    maru_plan_parts_fini(&more);
    maru_plan_parts_fini(&parts);
    maru_plan_destroy(&plan);
    maru_graph_destroy(&graph);
}

/* The middle of a set runs elsewhere: what is before and after it are two graphs, since together they go around it. */
static void parts_are_convex(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(line);
    const maru_plan_device devices[2] = {npu, cpu};
    maru_plan_parts parts = {0};
    const maru_plan_claim claims[2] = {set_of(0, 0, 5, 5000000000), set_of(1, 2, 1, 10)};
    const maru_plan_request request = {.graph = graph, .devices = devices, .n_devices = 2, .claims = claims,
                                       .n_claims = 2};
    assert_ok(maru_plan_find_parts(&request, &parts));
    assert_int_equal(parts.list.count, 2);
    check_part(&parts, 0, 0, 2, "Neg of its set of 5 runs on cpu:0");
    check_part(&parts, 1, 3, 2, "Neg of its set of 5 runs on cpu:0");
    maru_plan_parts_fini(&parts);
    maru_graph_destroy(&graph);
}

static void nothing_is_asked_twice(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(line);
    maru_plan_parts parts = {0};
    maru_plan_claim claims[4] = {set_of(0, 0, 3, 30), set_of(0, 2, 3, 30)};
    maru_plan_question asked = {.round = 1, .n_nodes = 2, .nodes = numbers + 3, .why = "", .refusal = "no"};
    maru_plan_request request = {.graph = graph, .devices = &npu, .n_devices = 1, .claims = claims, .n_claims = 2,
                                 .questions = &asked, .n_questions = 1};
    assert_ok(maru_plan_find_parts(&request, &parts));
    assert_int_equal(parts.list.count, 0);
    // The same nodes of another device are another question; nodes that can be run alone are none.
    request.n_questions = 0;
    claims[2] = set_of(0, 3, 1, 1000);
    claims[3] = set_of(0, 4, 1, 1000);
    request.n_claims = 4;
    assert_ok(maru_plan_find_parts(&request, &parts));
    assert_int_equal(parts.list.count, 1);
    check_part(&parts, 0, 3, 2, "Neg of its set of 3 is in another set");
    maru_plan_parts_fini(&parts);
    const maru_plan_claim shorter[3] = {set_of(0, 0, 4, 30), set_of(0, 3, 2, 30), set_of(0, 4, 1, 1000)};
    request.claims = shorter;
    request.n_claims = 3;
    assert_ok(maru_plan_find_parts(&request, &parts));
    assert_int_equal(parts.list.count, 0);
    maru_plan_parts_fini(&parts);
    maru_graph_destroy(&graph);
}

/* Of alternatives that overlap the one with the largest rest is asked about; the others have their turn after it. */
static void a_node_is_in_one_question_of_a_round(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(line);
    maru_plan_parts parts = {0};
    const maru_plan_claim claims[3] = {set_of(0, 0, 3, 3), set_of(0, 2, 2, 1500), set_of(0, 2, 3, 2500)};
    const maru_plan_request request = {.graph = graph, .devices = &npu, .n_devices = 1, .claims = claims,
                                       .n_claims = 3};
    assert_ok(maru_plan_find_parts(&request, &parts));
    assert_int_equal(parts.list.count, 1);
    check_part(&parts, 0, 3, 2, "Neg of its set of 3 is in another set");
    maru_plan_parts_fini(&parts);
    maru_graph_destroy(&graph);
}

/* A set that costs more than its nodes one by one is left alone, not asked about. */
static void what_is_not_worth_it_is_not_asked(void **state)
{
    (void)state;
    maru_graph *graph = read_graph(line);
    maru_plan_parts parts = {0};
    maru_plan_claim claims[6];
    for (uint32_t i = 0; i < 5; i++)
        claims[i] = set_of(0, i, 1, 10);
    claims[5] = set_of(0, 0, 5, 1000);
    const maru_plan_request request = {.graph = graph, .devices = &npu, .n_devices = 1, .claims = claims,
                                       .n_claims = 6};
    assert_ok(maru_plan_find_parts(&request, &parts));
    assert_int_equal(parts.list.count, 0);
    maru_plan_parts_fini(&parts);
    maru_graph_destroy(&graph);
}

static void a_border_is_what_others_make_or_read(void **state)
{
    (void)state;
    maru_graph *graph = read_graph("maru 1 \"border\"\n"
                                   "%1 = input \"x\" f32[4]\n"
                                   "%2 = const \"c\" f32[4] {1.0, 2.0, 3.0, 4.0}\n"
                                   "%3 = Exp(%1)\n"
                                   "%4 = Add(%3, %2)\n"
                                   "%5 = Mul(%4, %3)\n"
                                   "%6 = Neg(%4)\n"
                                   "%7 = Abs(%5)\n"
                                   "output \"y\" %5\n"
                                   "output \"z\" %6\n"
                                   "output \"w\" %7\n");
    static const uint32_t nodes[] = {1, 2};
    maru_value *inputs = NULL;
    maru_value *outputs = NULL;
    size_t n_inputs = 0;
    size_t n_outputs = 0;
    assert_ok(maru_plan_border(graph, nodes, 2, &inputs, &n_inputs, &outputs, &n_outputs));
    assert_int_equal(n_inputs, 1); // %3, once; the constant is none
    assert_int_equal(inputs[0], graph->nodes.data[0].outputs[0]);
    assert_int_equal(n_outputs, 2);
    assert_int_equal(outputs[0], graph->nodes.data[1].outputs[0]); // Neg reads it
    assert_int_equal(outputs[1], graph->nodes.data[2].outputs[0]); // an output, which Abs reads too
    free(inputs);
    free(outputs);
    maru_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_of_an_overlapping_set_is_asked_about),
        cmocka_unit_test(parts_are_convex),
        cmocka_unit_test(nothing_is_asked_twice),
        cmocka_unit_test(a_node_is_in_one_question_of_a_round),
        cmocka_unit_test(what_is_not_worth_it_is_not_asked),
        cmocka_unit_test(a_border_is_what_others_make_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
