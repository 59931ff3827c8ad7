// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* What scales and shifts the channels of a product becomes part of its weights, where they are constants of its own. */

#include "unit.h"

#include "plan/plan.h"

#define CONV                                                                                                     \
    "maru 1 \"g\"\n%1 = input \"x\" f32[1, 2, 3, 3]\n%2 = const \"w\" f32[2, 2, 1, 1] {1.0, 2.0, 3.0, 4.0}\n"      \
    "%3 = const \"a\" f32[2] {1.5, 0.5}\n%4 = const \"m\" f32[1, 2, 1, 1] {2.0, 3.0}\n"
#define MATRIX "maru 1 \"g\"\n%1 = input \"x\" f32[4, 2]\n%2 = const \"w\" f32[2, 3] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}\n" \
    "%3 = const \"a\" f32[3] {1.5, 0.5, 0.25}\n"

/* Nodes of that op with an operand that is no constant or made of constants alone: those that are left to run. */
static int count_running(const maru_graph *graph, const char *op)
{
    bool *is_constant = test_calloc(graph->values.count, sizeof *is_constant);
    int n = 0;
    for (maru_value v = 0; v < graph->values.count; v++) {
        const maru_value_kind kind = maru_graph_get(graph, v)->kind;
        is_constant[v] = v == MARU_NO_VALUE || kind == MARU_VALUE_CONSTANT || kind == MARU_VALUE_SHAPE;
    }
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const maru_node_record *node = &graph->nodes.data[i];
        bool all = true;
        for (uint32_t k = 0; k < node->n_inputs; k++)
            all = all && is_constant[node->inputs[k]];
        is_constant[node->outputs[0]] = all;
        n += !all && (!op || strcmp(node->op->name, op) == 0);
    }
    test_free(is_constant);
    return n;
}

/* After the pass `n` nodes run, one of them of that op. */
static void check(const char *text, int n, const char *op)
{
    maru_graph *graph = NULL;
    maru_graph *fused = NULL;
    char *dump = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    assert_ok(maru_plan_fuse_affine(graph, &fused));
    assert_ok(maru_graph_verify(fused));
    assert_ok(maru_graph_dump(fused, &dump));
    if (count_running(fused, NULL) != n || count_running(fused, op) != 1)
        fail_msg("%d nodes run, not %d with one %s: %s", count_running(fused, NULL), n, op, dump);
    free(dump);
    maru_graph_destroy(&fused);
    maru_graph_destroy(&graph);
}

static void convolutions(void **state)
{
    (void)state;
    check(CONV "%5 = Conv(%1, %2)\n%6 = BatchNormalization(%5, %3, %3, %3, %3)\noutput \"y\" %6\n", 1, "Conv");
    check(CONV "%5 = Conv(%1, %2, %3)\n%6 = Mul(%4, %5)\noutput \"y\" %6\n", 1, "Conv");
    check(CONV "%5 = Conv(%1, %2)\n%6 = Add(%5, %4)\noutput \"y\" %6\n", 1, "Conv");
    check(CONV "%5 = Conv(%1, %2)\n%6 = Sub(%4, %5)\noutput \"y\" %6\n", 1, "Conv");
    check(CONV "%5 = Conv(%1, %2)\n%6 = Div(%5, %4)\noutput \"y\" %6\n", 1, "Conv");
    check(CONV "%5 = ConvTranspose(%1, %2)\n%6 = BatchNormalization(%5, %3, %3, %3, %3)\noutput \"y\" %6\n", 1,
          "ConvTranspose");
    // One after the other, with vectors that are given dims by nodes.
    check(CONV "%5 = Conv(%1, %2)\n%6 = BatchNormalization(%5, %3, %3, %3, %3)\n%7 = const \"\" i64[2] {1, 2}\n"
          "%8 = Unsqueeze(%3, %7)\n%9 = Mul(%6, %8)\n%10 = Add(%9, %8)\n%11 = Relu(%10)\n"
          "output \"y\" %11\n", 2, "Conv");
    check(CONV "%5 = BatchNormalization(%1, %3, %3, %3, %3)\n%6 = Mul(%5, %4)\n%7 = Add(%6, %4)\noutput \"y\" %7\n", 1,
          "BatchNormalization");
}

static void matrices(void **state)
{
    (void)state;
    check(MATRIX "%4 = MatMul(%1, %2)\n%5 = Mul(%4, %3)\noutput \"y\" %5\n", 1, "MatMul");
    check(MATRIX "%4 = MatMul(%1, %2)\n%5 = Add(%4, %3)\n%6 = Div(%5, %3)\noutput \"y\" %6\n", 1, "Gemm");
    check(MATRIX "%4 = MatMul(%1, %2)\n%5 = BatchNormalization(%4, %3, %3, %3, %3)\noutput \"y\" %5\n", 1, "Gemm");
    check(MATRIX "%4 = Gemm(%1, %2, %3) {alpha=0.5}\n%5 = Sub(%4, %3)\noutput \"y\" %5\n", 1, "Gemm");
    check("maru 1 \"g\"\n%1 = input \"x\" f32[1, 4, 2]\n%2 = const \"w\" f32[2, 2] {1.0, 2.0, 3.0, 4.0}\n"
          "%3 = const \"a\" f32[2] {1.5, 0.5}\n%4 = MatMul(%1, %2)\n%5 = Mul(%4, %3)\n%6 = Add(%5, %3)\n"
          "output \"y\" %6\n", 2, "MatMul");
}

static void what_is_left(void **state)
{
    (void)state;
    // Another reader of the product, and of the weights.
    check(CONV "%5 = Conv(%1, %2)\n%6 = Mul(%5, %4)\n%7 = Relu(%5)\noutput \"y\" %6\noutput \"z\" %7\n", 3, "Mul");
    check(CONV "%5 = Conv(%1, %2)\n%6 = Mul(%5, %4)\noutput \"y\" %6\noutput \"c\" %5\n", 2, "Mul");
    check(CONV "%5 = Conv(%1, %2)\n%6 = Mul(%5, %4)\noutput \"y\" %6\noutput \"w\" %2\n", 2, "Mul");
    // Along another axis, and more than the product has.
    check(CONV "%5 = const \"\" f32[3] {1.0, 2.0, 3.0}\n%6 = Conv(%1, %2)\n%7 = Mul(%6, %5)\noutput \"y\" %7\n", 2,
          "Mul");
    check(CONV "%5 = const \"\" f32[1, 1, 2, 1, 1] {1.0, 2.0}\n%6 = Conv(%1, %2)\n%7 = Mul(%6, %5)\noutput \"y\" %7\n",
          2, "Mul");
    check(MATRIX "%4 = const \"\" f32[4, 1] {1.0, 2.0, 3.0, 4.0}\n%5 = MatMul(%1, %2)\n%6 = Mul(%5, %4)\n"
          "output \"y\" %6\n", 2, "Mul");
    // What is no constant.
    check(CONV "%5 = input \"s\" f32[1, 2, 1, 1]\n%6 = Conv(%1, %2)\n%7 = Mul(%6, %5)\noutput \"y\" %7\n", 2, "Mul");
    check(CONV "%5 = input \"k\" f32[2, 2, 1, 1]\n%6 = Conv(%1, %5)\n%7 = Mul(%6, %4)\noutput \"y\" %7\n", 2, "Mul");
    check(CONV "%5 = input \"b\" f32[2]\n%6 = Conv(%1, %2, %5)\n%7 = Mul(%6, %4)\noutput \"y\" %7\n", 2, "Mul");
    check(CONV "%5 = input \"s\" f32[2]\n%6 = Conv(%1, %2)\n%7 = BatchNormalization(%6, %5, %3, %3, %3)\n"
          "output \"y\" %7\n", 2, "BatchNormalization");
    // The other way round, by zero, and no linear step.
    check(CONV "%5 = Conv(%1, %2)\n%6 = Div(%4, %5)\noutput \"y\" %6\n", 2, "Div");
    check(CONV "%5 = const \"\" f32[1, 2, 1, 1] {0.0, 1.0}\n%6 = Conv(%1, %2)\n%7 = Div(%6, %5)\noutput \"y\" %7\n", 2,
          "Div");
    check(CONV "%5 = Conv(%1, %2)\n%6 = Relu(%5)\n%7 = Mul(%6, %4)\noutput \"y\" %7\n", 3, "Mul");
    check(MATRIX "%4 = Gemm(%1, %2, %3) {beta=0.5}\n%5 = Sub(%4, %3)\noutput \"y\" %5\n", 2, "Sub");
    // 16 bits would lose digits twice.
    check("maru 1 \"g\"\n%1 = input \"x\" f16[4, 2]\n%2 = const \"w\" f16[2, 2] {1.0, 2.0, 3.0, 4.0}\n"
          "%3 = const \"a\" f16[2] {1.5, 0.5}\n%4 = MatMul(%1, %2)\n%5 = Mul(%4, %3)\noutput \"y\" %5\n", 2, "Mul");
}

/* A norm that learns is no graph at all: the reader says so. */
static void norms_of_training(void **state)
{
    (void)state;
    const char *text = CONV "%5 = Conv(%1, %2)\n%6 = BatchNormalization(%5, %3, %3, %3, %3) {training_mode=1}\n"
                            "output \"y\" %6\n";
    maru_graph *graph = NULL;
    assert_int_not_equal(maru_graph_read(text, strlen(text), "test", &graph), MARU_OK);
    maru_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(matrices),
        cmocka_unit_test(what_is_left),
        cmocka_unit_test(norms_of_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
