// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Products between DequantizeLinear and QuantizeLinear become products of integers, where they stand for one. */

#include "unit.h"

#include "plan/plan.h"

#define HEAD "maru 1 \"g\"\n"
#define SCALES "%1 = const \"a\" f32[] {0.5}\n%2 = const \"b\" f32[2] {0.25, 0.125}\n%3 = const \"z\" u8[] {3}\n"
#define CONV                                                                                                     \
    HEAD SCALES "%4 = input \"x\" u8[1, 2, 4, 4]\n%5 = const \"w\" i8[2, 2, 1, 1] {1, 2, 3, 4}\n"                \
        "%6 = DequantizeLinear(%4, %1, %3)\n%7 = DequantizeLinear(%5, %2) {axis=0}\n"
#define BIAS(scales)                                                                                             \
    "%8 = const \"bias\" i32[2] {5, 6}\n%9 = const \"s\" f32[2] " scales "\n"                                   \
    "%10 = DequantizeLinear(%8, %9) {axis=0}\n%11 = Conv(%6, %7, %10)\n"

/* Every part is in the fused graph's text, and "!part" is not. */
static void check(const char *text, const char *const *parts)
{
    maru_graph *graph = NULL;
    maru_graph *fused = NULL;
    char *dump = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    assert_ok(maru_plan_fuse(graph, &fused));
    assert_ok(maru_graph_verify(fused));
    assert_ok(maru_graph_dump(fused, &dump));
    for (; *parts; parts++) {
        const bool is_absent = **parts == '!';
        if ((strstr(dump, *parts + is_absent) == NULL) != is_absent)
            fail_msg("'%s' is not so: %s", *parts, dump);
    }
    free(dump);
    maru_graph_destroy(&fused);
    maru_graph_destroy(&graph);
}

#define CHECK(text, ...) check(text, (const char *const[]){__VA_ARGS__, NULL})

static void convolutions(void **state)
{
    (void)state;
    CHECK(CONV BIAS("{0.125, 0.0625}") "%12 = QuantizeLinear(%11, %1, %3)\noutput \"y\" %12\n", "QLinearConv(",
          "\"bias\"", "!= Conv(", "!DequantizeLinear");
    CHECK(CONV "%8 = Conv(%6, %7)\n%9 = QuantizeLinear(%8, %1)\noutput \"y\" %9\n", "QLinearConv(", "!= Conv(");
    // A bias of other steps is not part of the sum; neither is a value that is read elsewhere too.
    CHECK(CONV BIAS("{0.125, 0.07}") "%12 = QuantizeLinear(%11, %1, %3)\noutput \"y\" %12\n", "= Conv(");
    CHECK(CONV "%8 = Conv(%6, %7)\n%9 = QuantizeLinear(%8, %1)\noutput \"y\" %9\noutput \"c\" %8\n", "= Conv(");
    // Scales along another axis than that of the output channels.
    CHECK(HEAD SCALES "%4 = input \"x\" u8[1, 2, 4, 4]\n%5 = const \"w\" i8[2, 2, 1, 1] {1, 2, 3, 4}\n"
          "%6 = DequantizeLinear(%4, %1, %3)\n%7 = DequantizeLinear(%5, %2) {axis=1}\n%8 = Conv(%6, %7)\n"
          "%9 = QuantizeLinear(%8, %1)\noutput \"y\" %9\n", "= Conv(", "!QLinearConv");
}

static void activations(void **state)
{
    (void)state;
    const char *zero = CONV "%8 = Conv(%6, %7)\n%9 = Relu(%8)\n%10 = QuantizeLinear(%9, %1)\noutput \"y\" %10\n";
    CHECK(zero, "QLinearConv(", "!Relu");
    const char *three = CONV "%8 = Conv(%6, %7)\n%9 = Relu(%8)\n%10 = QuantizeLinear(%9, %1, %3)\noutput \"y\" %10\n";
    CHECK(three, "Relu(", "= Conv(");  // 0 to 2 stand for what is below 0
    const char *low = CONV "%8 = Conv(%6, %7)\n%9 = Relu(%8)\n%10 = const \"l\" i8[] {-128}\n"
                           "%11 = QuantizeLinear(%9, %1, %10)\noutput \"y\" %11\n";
    CHECK(low, "QLinearConv(", "!Relu");
}

static void matrices(void **state)
{
    (void)state;
    const char *product = HEAD SCALES "%4 = input \"x\" u8[16, 3]\n%5 = const \"w\" i8[3, 2] {1, 2, 3, 4, 5, 6}\n"
                               "%6 = DequantizeLinear(%4, %1, %3)\n%7 = DequantizeLinear(%5, %2) {axis=1}\n"
                               "%8 = MatMul(%6, %7)\n%9 = QuantizeLinear(%8, %1)\noutput \"y\" %9\n";
    CHECK(product, "QLinearMatMul(", "!= MatMul(");
    const char *gemm = HEAD SCALES "%4 = input \"x\" u8[16, 3]\n%5 = const \"w\" i8[2, 3] {1, 2, 3, 4, 5, 6}\n"
                            "%6 = DequantizeLinear(%4, %1, %3)\n%7 = DequantizeLinear(%5, %2) {axis=0}\n"
                            "%8 = const \"c\" f32[2] {1.0, 2.0}\n%9 = Gemm(%6, %7, %8) {transB=1}\n"
                            "%10 = QuantizeLinear(%9, %1)\noutput \"y\" %10\n";
    CHECK(gemm, "MatMulInteger(", "Transpose(", "Add(", "!Gemm");
    // Few rows by a small matrix stay f32.
    const char *row = HEAD SCALES "%4 = input \"x\" u8[1, 3]\n%5 = const \"w\" i8[3, 2] {1, 2, 3, 4, 5, 6}\n"
                           "%6 = DequantizeLinear(%4, %1, %3)\n%7 = DequantizeLinear(%5, %2) {axis=1}\n"
                           "%8 = MatMul(%6, %7)\n%9 = QuantizeLinear(%8, %1)\noutput \"y\" %9\n";
    CHECK(row, "= MatMul(", "!QLinearMatMul");
    const char *half = HEAD SCALES "%4 = input \"x\" u8[16, 3]\n%5 = const \"w\" i8[3, 2] {1, 2, 3, 4, 5, 6}\n"
                            "%6 = DequantizeLinear(%4, %1, %3)\n%7 = DequantizeLinear(%5, %2) {axis=1}\n"
                            "%8 = Gemm(%6, %7) {alpha=0.5}\n%9 = QuantizeLinear(%8, %1)\noutput \"y\" %9\n";
    CHECK(half, "Gemm(", "!MatMulInteger");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(activations),
        cmocka_unit_test(matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
