// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Products of 8-bit integers: what they infer, and each sentence of what they refuse. */

#include "unit.h"

#include <maru/graph.h>

enum { MOST_TEXT = 2048 };

/* Each operand is "dtype[dims]", or "_" for one left out. */
static maru_status read_call(const char *op, const char *const *operands, const char *attrs, maru_graph **graph)
{
    char text[MOST_TEXT];
    char call[256] = "";
    size_t used = (size_t)snprintf(text, sizeof text, "maru 1 \"x\"\nsymbol n\nsymbol k\n");
    size_t written = 0;
    int n = 0;
    for (size_t i = 0; operands[i]; i++) {
        const bool is_left_out = strcmp(operands[i], "_") == 0;
        n += !is_left_out;
        if (!is_left_out)
            used += (size_t)snprintf(text + used, sizeof text - used, "%%%d = input \"x%d\" %s\n", n, n, operands[i]);
        written += (size_t)(is_left_out ? snprintf(call + written, sizeof call - written, "%s_", i ? ", " : "")
                                        : snprintf(call + written, sizeof call - written, "%s%%%d", i ? ", " : "", n));
    }
    const bool has_three = strcmp(op, "DynamicQuantizeLinear") == 0;
    used += (size_t)snprintf(text + used, sizeof text - used, "%%%d", n + 1);
    if (has_three)
        used += (size_t)snprintf(text + used, sizeof text - used, ", %%%d, %%%d", n + 2, n + 3);
    snprintf(text + used, sizeof text - used, " = %s(%s) %s\noutput \"y\" %%%d\n", op, call, attrs, n + 1);
    return maru_graph_read(text, strlen(text), "t", graph);
}

typedef struct good_call {
    const char *op;
    const char *operands[10];
    const char *attrs;
    const char *gives;  // in the dump
} good_call;

static void types_follow_from_the_operands(void **state)
{
    (void)state;
    static const good_call calls[] = {
        {"MatMulInteger", {"u8[n, k]", "i8[k, 5]"}, "", "# i32[n, 5]"},
        {"MatMulInteger", {"i8[n, k]", "u8[k, 5]", "i8[n]", "u8[5]"}, "", "# i32[n, 5]"},
        {"MatMulInteger", {"i8[2, n, k]", "i8[k, 5]", "i8[2, n, 1]", "i8[1]"}, "", "# i32[2, n, 5]"},
        {"MatMulInteger", {"i8[k]", "i8[2, k, 5]", "i8[]", "i8[2, 1, 5]"}, "", "# i32[2, 5]"},
        {"MatMulInteger", {"i8[n, k]", "i8[k]", "i8[n, 1]", "_"}, "", "# i32[n]"},
        {"ConvInteger", {"u8[n, 4, 9, 9]", "i8[6, 2, 3, 3]", "u8[]", "i8[6]"}, "{group=2}", "# i32[n, 6, 7, 7]"},
        {"ConvInteger", {"u8[1, 4, k]", "u8[6, 4, 3]", "_", "u8[1]"}, "{pads=ints[1, 1]}", "# i32[1, 6, k]"},
        {"QLinearMatMul",
         {"u8[n, k]", "f16[n]", "u8[n]", "i8[k, 5]", "f16[5]", "i8[5]", "f16[]", "i8[1]"}, "", "# i8[n, 5]"},
        {"QLinearMatMul",
         {"f8e5m2[n, k]", "f32[]", "f8e5m2[]", "i8[k, 5]", "f32[]", "i8[]", "f32[]", "f8e4m3fn[]"}, "",
         "# f8e4m3fn[n, 5]"},
        {"QLinearConv",
         {"u8[n, 4, 9, 9]", "f32[]", "u8[]", "i8[6, 2, 3, 3]", "f32[6]", "i8[6]", "f32[1]", "i8[]", "i32[6]"},
         "{group=2}", "# i8[n, 6, 7, 7]"},
        {"DynamicQuantizeLinear", {"f32[n, k]"}, "", "# u8[n, k], f32[], u8[]"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        maru_graph *graph = NULL;
        char *text = NULL;
        if (read_call(calls[i].op, calls[i].operands, calls[i].attrs, &graph) != MARU_OK)
            fail_msg("call %zu: %s", i, maru_error_message());
        assert_ok(maru_graph_dump(graph, &text));
        if (!strstr(text, calls[i].gives))
            fail_msg("call %zu: no \"%s\" in\n%s", i, calls[i].gives, text);
        free(text);
        maru_graph_destroy(&graph);
    }
}

typedef struct bad_call {
    const char *op;
    const char *operands[10];
    const char *attrs;
    const char *says;
} bad_call;

static void check_refusals(const bad_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        maru_graph *graph = NULL;
        const maru_status status = read_call(calls[i].op, calls[i].operands, calls[i].attrs, &graph);
        assert_null(graph);
        assert_string_equal(maru_status_name(status), maru_status_name(MARU_INVALID_ARGUMENT));
        if (!strstr(maru_error_message(), calls[i].says))
            fail_msg("call %zu: \"%s\" does not say \"%s\"", i, maru_error_message(), calls[i].says);
    }
}

#define CHECK_REFUSALS(calls) check_refusals(calls, sizeof(calls) / sizeof *(calls))

static void integer_products_refuse(void **state)
{
    (void)state;
    static const bad_call calls[] = {
        {"MatMulInteger", {"i16[2, 3]", "i8[3, 5]"}, "", "MatMulInteger: input 0 is i16, it must be i8 or u8"},
        {"MatMulInteger", {"i8[2, 3]", "f32[3, 5]"}, "", "input 1 is f32, it must be i8 or u8"},
        {"MatMulInteger", {"i8[2, 3]", "i8[3, 5]", "u8[]"}, "", "inputs 0 and 2 have dtypes i8 and u8"},
        {"MatMulInteger", {"i8[2, 3]", "i8[3, 5]", "_", "u8[]"}, "", "inputs 1 and 3 have dtypes i8 and u8"},
        {"MatMulInteger", {"i8[2, 3]", "i8[3, 5]", "i8[3]"}, "",
         "input 2, i8[3], must have one element or one per row of i8[2, 3]"},
        {"MatMulInteger", {"i8[2, 3]", "i8[3, 5]", "i8[1, 2]"}, "", "one per row of i8[2, 3]"},
        {"MatMulInteger", {"i8[3]", "i8[3, 5]", "i8[3]"}, "", "one per row of i8[3]"},
        {"MatMulInteger", {"i8[4, 2, 3]", "i8[3, 5]", "i8[2, 1]"}, "", "one per row of i8[4, 2, 3]"},
        {"MatMulInteger", {"i8[2, 3]", "i8[3, 5]", "_", "i8[3]"}, "",
         "input 3, i8[3], must have one element or one per column of i8[3, 5]"},
        {"MatMulInteger", {"i8[2, 3]", "i8[3, 5]", "_", "i8[5, 1]"}, "", "one per column of i8[3, 5]"},
        {"MatMulInteger", {"i8[2, 3]", "i8[4, 5]"}, "", "inner dims differ: 3 vs 4 in i8[2, 3] times i8[4, 5]"},
        {"MatMulInteger", {"i8[2, 2, 3]", "i8[4, 3, 5]"}, "", "batch dims of i8[2, 2, 3] and i8[4, 3, 5]"},
        {"MatMulInteger", {"i8[]", "i8[3, 5]"}, "", "a scalar cannot be multiplied"},
        {"ConvInteger", {"f32[1, 2, 5]", "i8[3, 2, 3]"}, "", "input 0 is f32, it must be i8 or u8"},
        {"ConvInteger", {"u8[1, 2, 5]", "i32[3, 2, 3]"}, "", "input 1 is i32, it must be i8 or u8"},
        {"ConvInteger", {"u8[1, 2, 5]", "i8[3, 2, 3]", "i8[]"}, "", "inputs 0 and 2 have dtypes u8 and i8"},
        {"ConvInteger", {"u8[1, 2, 5]", "i8[3, 2, 3]", "_", "u8[]"}, "", "inputs 1 and 3 have dtypes i8 and u8"},
        {"ConvInteger", {"u8[1, 2, 5]", "i8[3, 2, 3]", "u8[2]"}, "", "input 2, u8[2], must have one element"},
        {"ConvInteger", {"u8[1, 2, 5]", "i8[3, 2, 3]", "u8[]", "i8[2]"}, "",
         "input 3, i8[2], must have one element or one per output channel of i8[3, 2, 3]"},
        {"ConvInteger", {"u8[1, 2, 5]", "i8[3, 4, 3]"}, "", "the input has 2 channels, weights and group 1 make 4"},
        {"ConvInteger", {"u8[1, 2]", "i8[3, 2]"}, "", "must both have rank 3, 4 or 5"},
        {"ConvInteger", {"u8[1, 2, 2]", "i8[3, 2, 3]"}, "", "a window of 3 does not fit axis 2"},
        {"ConvInteger", {"u8[1, 2, 5]", "i8[3, 1, 3]"}, "{group=2}", "group 2 does not divide the output channels"},
    };
    CHECK_REFUSALS(calls);
}

static void quantised_matmul_refuses(void **state)
{
    (void)state;
    static const bad_call calls[] = {
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[]", "i8[]", "f32[]"}, "", "takes 8 inputs"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "_", "i8[3, 5]", "f32[]", "i8[]", "f32[]", "i8[]"}, "",
         "input 2 is required"},
        {"QLinearMatMul", {"i16[2, 3]", "f32[]", "i16[]", "i8[3, 5]", "f32[]", "i8[]", "f32[]", "i8[]"}, "",
         "input 0 is i16, it must be i8, u8 or a float of 8 bits"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "f16[3, 5]", "f32[]", "f16[]", "f32[]", "i8[]"}, "",
         "input 3 is f16, it must be i8, u8 or a float of 8 bits"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "u8[]", "i8[3, 5]", "f32[]", "i8[]", "f32[]", "i8[]"}, "",
         "inputs 0 and 2 have dtypes i8 and u8"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[]", "u8[]", "f32[]", "i8[]"}, "",
         "inputs 3 and 5 have dtypes i8 and u8"},
        {"QLinearMatMul", {"i8[2, 3]", "f64[]", "i8[]", "i8[3, 5]", "f64[]", "i8[]", "f64[]", "i8[]"}, "",
         "input 1 is f64, a scale must be f32, f16 or bf16"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f16[]", "i8[]", "f32[]", "i8[]"}, "",
         "inputs 1 and 4 have dtypes f32 and f16"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[]", "i8[]", "f16[]", "i8[]"}, "",
         "inputs 1 and 6 have dtypes f32 and f16"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[3]", "i8[]", "i8[3, 5]", "f32[]", "i8[]", "f32[]", "i8[]"}, "",
         "input 1, f32[3], must have one element or one per row"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[3]", "i8[3, 5]", "f32[]", "i8[]", "f32[]", "i8[]"}, "",
         "input 2, i8[3], must have one element or one per row"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[3]", "i8[]", "f32[]", "i8[]"}, "",
         "input 4, f32[3], must have one element or one per column"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[]", "i8[3]", "f32[]", "i8[]"}, "",
         "input 5, i8[3], must have one element or one per column"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[]", "i8[]", "f32[5]", "i8[]"}, "",
         "input 6, f32[5], must have one element"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[]", "i8[]", "f32[]", "i8[5]"}, "",
         "input 7, i8[5], must have one element"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[3, 5]", "f32[]", "i8[]", "f32[]", "i32[]"}, "",
         "input 7 is i32, it must be i8, u8 or a float of 8 bits"},
        {"QLinearMatMul", {"i8[2, 3]", "f32[]", "i8[]", "i8[4, 5]", "f32[]", "i8[]", "f32[]", "i8[]"}, "",
         "inner dims differ: 3 vs 4 in i8[2, 3] times i8[4, 5]"},
    };
    CHECK_REFUSALS(calls);
}

#define X "u8[1, 2, 5]", "f32[]", "u8[]"
#define W "i8[3, 2, 3]", "f32[]", "i8[]"

static void quantised_conv_refuses(void **state)
{
    (void)state;
    static const bad_call calls[] = {
        {"QLinearConv", {X, W, "f32[]"}, "", "takes 8 to 9 inputs"},
        {"QLinearConv", {"f32[1, 2, 5]", "f32[]", "f32[]", W, "f32[]", "u8[]"}, "",
         "input 0 is f32, it must be i8 or u8"},
        {"QLinearConv", {X, "i32[3, 2, 3]", "f32[]", "i32[]", "f32[]", "u8[]"}, "", "input 3 is i32"},
        {"QLinearConv", {"u8[1, 2, 5]", "f32[]", "i8[]", W, "f32[]", "u8[]"}, "", "inputs 0 and 2 have dtypes"},
        {"QLinearConv", {X, "i8[3, 2, 3]", "f32[]", "u8[]", "f32[]", "u8[]"}, "", "inputs 3 and 5 have dtypes"},
        {"QLinearConv", {"u8[1, 2, 5]", "f16[]", "u8[]", "i8[3, 2, 3]", "f16[]", "i8[]", "f16[]", "u8[]"}, "",
         "input 1 is f16, it must be f32"},
        {"QLinearConv", {X, "i8[3, 2, 3]", "f16[]", "i8[]", "f32[]", "u8[]"}, "", "inputs 1 and 4 have dtypes"},
        {"QLinearConv", {X, W, "bf16[]", "u8[]"}, "", "inputs 1 and 6 have dtypes"},
        {"QLinearConv", {"u8[1, 2, 5]", "f32[2]", "u8[]", W, "f32[]", "u8[]"}, "", "input 1, f32[2], must have one"},
        {"QLinearConv", {"u8[1, 2, 5]", "f32[]", "u8[2]", W, "f32[]", "u8[]"}, "", "input 2, u8[2], must have one"},
        {"QLinearConv", {X, "i8[3, 2, 3]", "f32[2]", "i8[]", "f32[]", "u8[]"}, "",
         "input 4, f32[2], must have one element or one per output channel"},
        {"QLinearConv", {X, "i8[3, 2, 3]", "f32[]", "i8[2]", "f32[]", "u8[]"}, "",
         "input 5, i8[2], must have one element or one per output channel"},
        {"QLinearConv", {X, W, "f32[3]", "u8[]"}, "", "input 6, f32[3], must have one element"},
        {"QLinearConv", {X, W, "f32[]", "u8[3]"}, "", "input 7, u8[3], must have one element"},
        {"QLinearConv", {X, W, "f32[]", "f8e5m2[]"}, "", "input 7 is f8e5m2, it must be i8 or u8"},
        {"QLinearConv", {X, W, "f32[]", "u8[]", "f32[3]"}, "", "input 8 is f32, it must be i32"},
        {"QLinearConv", {X, W, "f32[]", "u8[]", "i32[2]"}, "", "the bias must have one element per output channel"},
        {"QLinearConv", {X, W, "f32[]", "u8[]", "i32[3, 1]"}, "", "the bias must have rank 1"},
        {"DynamicQuantizeLinear", {"f16[3]"}, "", "input 0 is f16, it must be f32"},
    };
    CHECK_REFUSALS(calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_follow_from_the_operands),
        cmocka_unit_test(integer_products_refuse),
        cmocka_unit_test(quantised_matmul_refuses),
        cmocka_unit_test(quantised_conv_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
