// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* The text form: dump, read, dump is the identity; mistakes name their line. */

#include "unit.h"

#include <maru/graph.h>

static const char everything[] = "maru 1 \"a \\\"quoted\\\" name\"\n"
                                 "symbol batch min=1 max=64 multiple=4 typical=8\n"
                                 "symbol seq min=0\n"
                                 "%1 = input \"x\" f32[batch, seq*2 + 1]\n"
                                 "%2 = const \"w\" f32[64, 64] external\n"
                                 "%3 = const \"\" f32[3] {1.0, -0.5, inf}\n"
                                 "%4 = const \"axes\" i64[1] {-1}\n"
                                 "%5 = const \"table\" u8[66] base64 "
                                 "\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
                                 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\"\n"
                                 "%6 = shape [batch, 1, seq*2 + 1]\n"
                                 "%7 = state \"k\" f16[1, 4, 512, 8] axis=2 ring\n"
                                 "%8 = Reshape(%1, %6) {allowzero=1} \"a.b\"  # f32[batch, 1, seq*2 + 1]\n"
                                 "%9 = ReduceSum(%8, %4) {keepdims=0}  # f32[batch, 1]\n"
                                 "%10 = Clip(%9)  # f32[batch, 1]\n"
                                 "name %10 \"clipped\"\n"
                                 "output \"y\" %10\n"
                                 "set_state \"k\" %7\n";

static void dump_read_dump_is_the_identity(void **state)
{
    (void)state;
    maru_graph *graph = NULL;
    char *text = NULL;
    assert_ok(maru_graph_read(everything, strlen(everything), "everything", &graph));
    assert_ok(maru_graph_verify(graph));
    assert_ok(maru_graph_dump(graph, &text));
    assert_string_equal(text, everything);
    free(text);
    maru_graph_destroy(&graph);
}

static void mistakes_name_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "t:1: not a graph"},
        {"maru 2 \"x\"\n", "t:1: text form 2"},
        {"maru 1 \"x\"\n%2 = input \"a\" f32[]\n", "t:2: %2 is out of order"},
        {"maru 1 \"x\"\n%1 = input \"a\" f33[]\n", "t:2: there is no dtype 'f33'"},
        {"maru 1 \"x\"\n\n%1 = Exp(%4)\n", "t:3: value %4 is not defined"},
        {"maru 1 \"x\"\n%1 = input \"a\" i32[2]\n%2 = Exp(%1)\n", "Exp: input 0 is i32, it must be float"},
        {"maru 1 \"x\"\n%1 = input \"a\" f32[2]\n%2 = Exq(%1)\n", "did you mean 'Exp'"},
        {"maru 1 \"x\"\n%1 = input \"a\" f32[2, 3]\n%2 = input \"b\" f32[4, 5]\n%3 = MatMul(%1, %2)\n",
         "inner dims differ: 3 vs 4 in f32[2, 3] times f32[4, 5]"},
        {"maru 1 \"x\"\nsymbol n min=1\n%1 = input \"a\" f32[n]\n%2 = input \"b\" f32[5]\n%3 = Add(%1, %2)\n",
         "f32[n] and f32[5] do not broadcast: n against 5"},
        {"maru 1 \"x\"\n%1 = input \"a\" f32[2]\n%2 = Softmax(%1) {axes=1}\n", "no attribute 'axes'"},
        {"maru 1 \"x\"\n%1 = input \"a\" f32[2]\n%2 = Softmax(%1) {axis=0.5}\n", "must be of kind 'i'"},
        {"maru 1 \"x\"\n%1 = input \"a\" f32[2]\n%2 = Concat(%1)\n", "attribute 'axis' is required"},
        {"maru 1 \"x\"\n%1 = const \"\" f32[2] {1.0}\n", "expected ','"},
        {"maru 1 \"x\"\n%1 = const \"\" f32[99999999999, 99999999999] {1.0}\n", "t:2"},
        {"maru 1 \"x\"\n%1 = const \"\" f32[99999999] base64 \"AAAA\"\n",
         "t:2: 4 characters of base 64 are not 399999996 bytes"},
        {"maru 1 \"x\"\n%1 = const \"\" u8[2] base64 \"AAA?\"\n", "t:2: '?' is no digit of base 64"},
        {"maru 1 \"x\"\n%1 = const \"\" u8[2] base64 AAA=\n", "t:2: expected '\"'"},
        {"maru 1 \"x\"\n%1 = input \"a\" f32[1, 1, 1, 1, 1, 1, 1, 1, 1]\n", "more than 8 dims"},
        {"maru 1 \"x\"\nset_state \"k\" _\n", "there is no state 'k'"},
        {"maru 1 \"x\"\n%1 = input \"a\" f32[2] nonsense\n", "unexpected 'nonsense'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        maru_graph *graph = NULL;
        const maru_status status = maru_graph_read(cases[i].text, strlen(cases[i].text), "t", &graph);
        assert_int_not_equal(status, MARU_OK);
        assert_null(graph);
        if (!strstr(maru_error_message(), cases[i].says))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, maru_error_message(), cases[i].says);
    }
}

static void a_graph_is_checked_as_a_whole(void **state)
{
    (void)state;
    static const char no_output[] = "maru 1 \"x\"\n%1 = input \"a\" f32[2]\n";
    static const char unset[] = "maru 1 \"x\"\n%1 = state \"s\" f32[2]\noutput \"y\" %1\n";
    maru_graph *graph = NULL;
    assert_ok(maru_graph_read(no_output, strlen(no_output), "t", &graph));
    assert_fails(maru_graph_verify(graph), MARU_INVALID_ARGUMENT, "has no output");
    maru_graph_destroy(&graph);
    assert_ok(maru_graph_read(unset, strlen(unset), "t", &graph));
    assert_fails(maru_graph_verify(graph), MARU_INVALID_ARGUMENT, "state 's' is never set");
    maru_graph_destroy(&graph);
}

static void dot_draws_nodes_and_ends(void **state)
{
    (void)state;
    maru_graph *graph = NULL;
    char *text = NULL;
    assert_ok(maru_graph_read(everything, strlen(everything), "everything", &graph));
    assert_ok(maru_graph_dot(graph, &text));
    assert_non_null(strstr(text, "ReduceSum\\nf32[batch, 1]"));
    assert_non_null(strstr(text, "n1 -> n2"));
    free(text);
    maru_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dump_read_dump_is_the_identity),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(a_graph_is_checked_as_a_whole),
        cmocka_unit_test(dot_draws_nodes_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
