// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Which values become bytes, with what scale, and the graph that comes of it. */

#include "unit.h"

#include <math.h>

#include "graph/graph.h"
#include "quantize/quantize.h"

#define HEAD "maru 1 \"g\"\n"
#define NET                                                                                                      \
    HEAD "%1 = input \"x\" f32[1, 2, 1, 1]\n%2 = const \"w\" f32[2, 2, 1, 1] {1.27, -0.5, 0.0, 0.0127}\n"       \
         "%3 = const \"b\" f32[2] {0.5, -1.0}\n%4 = Conv(%1, %2, %3)\n%5 = Relu(%4)\n%6 = MaxPool(%5) "         \
         "{kernel_shape=ints[1, 1]}\n%7 = Sigmoid(%6)\noutput \"y\" %7\n"

static maru_calibration *calibrate(const char *text, const maru_quantize_params *params)
{
    maru_graph *graph = NULL;
    maru_calibration *c = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    assert_ok(maru_calibration_create(graph, params, &c));
    maru_graph_destroy(&graph);
    return c;
}

static void add(maru_calibration *c, size_t index, float *numbers, int64_t n)
{
    maru_tensor t;
    assert_ok(maru_tensor_wrap(MARU_F32, &n, 1, numbers, (size_t)n * sizeof *numbers, &t));
    assert_ok(maru_calibration_add(c, index, &t));
}

static char *dump(const maru_calibration *c, maru_calibration_form form)
{
    maru_graph *graph = NULL;
    char *text = NULL;
    assert_ok(maru_calibration_graph(c, form, &graph));
    assert_ok(maru_graph_verify(graph));
    assert_ok(maru_graph_dump(graph, &text));
    maru_graph_destroy(&graph);
    return text;
}

static void end_with(maru_calibration *c, float input, float output)
{
    maru_calibration_value v;
    add(c, 0, (float[]){-input, input}, 2);
    for (size_t i = 1; maru_calibration_at(c, i, &v); i++)
        add(c, i, (float[]){0, output}, 2);
    assert_ok(maru_calibration_end(c));
}

static void values_between_products_are_chosen(void **state)
{
    (void)state;
    maru_calibration *c = calibrate(NET, NULL);
    maru_calibration_value v;
    assert_true(maru_calibration_at(c, 0, &v));
    assert_string_equal(v.name, "x");
    assert_string_equal(v.op, "");
    assert_true(maru_calibration_at(c, 1, &v));
    assert_string_equal(v.op, "Relu");
    assert_true(maru_calibration_at(c, 2, &v));
    assert_string_equal(v.op, "MaxPool");
    assert_true(v.is_shared);
    assert_false(maru_calibration_at(c, 3, &v));
    size_t n, before, after;
    maru_calibration_weights(c, &n, &before, &after);
    assert_int_equal(n, 1);
    assert_int_equal(before, 16);
    assert_int_equal(after, 4 + 2 * 5);
    maru_calibration_destroy(&c);
}

static void scales_are_those_of_the_ranges(void **state)
{
    (void)state;
    maru_calibration_value v;
    maru_calibration *c = calibrate(NET, NULL);
    add(c, 0, (float[]){-1, 0.5f, NAN, INFINITY}, 4);
    add(c, 0, (float[]){1.55f}, 1);
    add(c, 1, (float[]){3, 5.1f}, 2);
    add(c, 2, (float[]){3}, 1);
    assert_ok(maru_calibration_end(c));
    assert_true(maru_calibration_at(c, 0, &v));
    assert_float_equal(v.min, -1, 1e-6);
    assert_float_equal(v.max, 1.55, 1e-6);
    assert_float_equal(v.scale, 2.55 / 255, 1e-7);
    assert_int_equal(v.zero, 100);
    assert_true(maru_calibration_at(c, 1, &v));
    assert_float_equal(v.scale, 5.1 / 255, 1e-7);  // 0 is part of every range
    assert_int_equal(v.zero, 0);
    maru_calibration_destroy(&c);
    c = calibrate(NET, &(maru_quantize_params){.activations = MARU_QUANTIZE_I8});
    end_with(c, 1, 2.55f);
    assert_true(maru_calibration_at(c, 1, &v));
    assert_int_equal(v.zero, -128);
    maru_calibration_destroy(&c);
    c = calibrate(NET, &(maru_quantize_params){.activations = MARU_QUANTIZE_I8_SYMMETRIC});
    end_with(c, 1.27f, 2.54f);
    assert_true(maru_calibration_at(c, 0, &v));
    assert_float_equal(v.scale, 0.01, 1e-7);
    assert_int_equal(v.zero, 0);
    maru_calibration_destroy(&c);
}

static void expect(const char *text, const char *const *parts, bool is_there)
{
    for (; *parts; parts++)
        if ((strstr(text, *parts) != NULL) != is_there)
            fail_msg("'%s' is %s: %s", *parts, is_there ? "missing" : "there", text);
}

static void the_graph_works_on_bytes(void **state)
{
    (void)state;
    static const char *const there[] = {
        "\"w\" i8[2, 2, 1, 1] {127, -50, 0, 127}", "i32[2] {5000, -1000000}", "QuantizeLinear(%1, ", "{axis=0}",
        "u8[] {0}", "MaxPool", "Sigmoid", NULL};
    static const char *const gone[] = {"Relu", "calibration.", NULL};
    maru_calibration *c = calibrate(NET, NULL);
    add(c, 0, (float[]){0, 2.55f}, 2);
    add(c, 1, (float[]){0, 2.55f}, 2);
    add(c, 2, (float[]){0, 2.55f}, 2);
    assert_ok(maru_calibration_end(c));
    char *text = dump(c, MARU_CALIBRATION_QUANTIZED);
    expect(text, there, true);
    expect(text, gone, false);
    free(text);
    text = dump(c, MARU_CALIBRATION_QUANTIZED_WATCHED);
    expect(text, (const char *const[]){"output \"calibration.0\"", "output \"calibration.2\"", NULL}, true);
    free(text);
    text = dump(c, MARU_CALIBRATION_FLOAT);
    expect(text, (const char *const[]){"Relu", "output \"calibration.1\"", NULL}, true);
    expect(text, (const char *const[]){"QuantizeLinear", NULL}, false);
    free(text);
    maru_calibration_destroy(&c);
    // Around 0 nothing ends there: the activation stays.
    c = calibrate(NET, &(maru_quantize_params){.activations = MARU_QUANTIZE_I8_SYMMETRIC, .per_tensor = true});
    end_with(c, 1.27f, 2.54f);
    text = dump(c, MARU_CALIBRATION_QUANTIZED);
    expect(text, (const char *const[]){"Relu", "{127, -50, 0, 1}", NULL}, true);
    free(text);
    maru_calibration_destroy(&c);
}

/* A bias that its weight's scale cannot count makes the scale larger. */
static void a_bias_fits(void **state)
{
    (void)state;
    maru_calibration *c = calibrate(HEAD "%1 = input \"x\" f32[1, 1]\n%2 = const \"w\" f32[1, 2] {1e-12, 1.0}\n"
                                    "%3 = const \"b\" f32[2] {1000.0, 1.0}\n%4 = Gemm(%1, %2, %3)\noutput \"y\" %4\n",
                                    NULL);
    end_with(c, 1, 1);
    char *text = dump(c, MARU_CALIBRATION_QUANTIZED);
    expect(text, (const char *const[]){"\"w\" i8[1, 2] {0, 127}", NULL}, true);
    expect(text, (const char *const[]){"2147483647", NULL}, false);
    free(text);
    maru_calibration_destroy(&c);
}

/* One number far out of a bell of many costs the others their levels; it saturates. */
static void entropy_drops_what_is_rare(void **state)
{
    (void)state;
    enum { N = 100000 };
    static float numbers[N];
    maru_calibration_value v;
    unsigned seed = 7;
    for (int i = 0; i < N; i++) {
        float sum = 0;
        for (int k = 0; k < 12; k++) {
            seed = seed * 1664525u + 1013904223u;
            sum += (float)(seed >> 8) / 16777216.0f - 0.5f;
        }
        numbers[i] = sum;
    }
    numbers[N / 2] = 60;
    maru_calibration *c = calibrate(NET, &(maru_quantize_params){.method = MARU_QUANTIZE_ENTROPY});
    add(c, 0, numbers, N);
    add(c, 1, numbers, 4);  // too few to tell
    assert_ok(maru_calibration_end(c));
    assert_true(maru_calibration_at(c, 0, &v));
    assert_float_equal(v.max, 60, 0);
    assert_true(v.high > 3 && v.high < 20);
    assert_true(v.low < -3.5 && v.low >= v.min);
    assert_true(maru_calibration_at(c, 1, &v));
    assert_float_equal(v.high, v.max, 0);
    maru_calibration_destroy(&c);
}

static void mistakes(void **state)
{
    (void)state;
    maru_graph *graph = NULL;
    maru_calibration *c = NULL;
    const char *none = HEAD "%1 = input \"x\" f32[2]\n%2 = Relu(%1)\noutput \"y\" %2\n";
    assert_ok(maru_graph_read(none, strlen(none), "test", &graph));
    assert_fails(maru_calibration_create(graph, NULL, &c), MARU_FAILED_PRECONDITION, "no Conv");
    assert_null(c);
    maru_graph_destroy(&graph);
    c = calibrate(NET, NULL);
    assert_fails(maru_calibration_end(c), MARU_FAILED_PRECONDITION, "without a run");
    assert_fails(maru_calibration_graph(c, MARU_CALIBRATION_QUANTIZED, &graph), MARU_FAILED_PRECONDITION, "end");
    assert_null(graph);
    maru_tensor t;
    assert_ok(maru_tensor_create(MARU_I64, (const int64_t[]){1}, 1, &t));
    assert_fails(maru_calibration_add(c, 0, &t), MARU_INVALID_ARGUMENT, "f32");
    maru_tensor_destroy(&t);
    maru_calibration_destroy(&c);
    maru_calibration_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_between_products_are_chosen),
        cmocka_unit_test(scales_are_those_of_the_ranges),
        cmocka_unit_test(the_graph_works_on_bytes),
        cmocka_unit_test(a_bias_fits),
        cmocka_unit_test(entropy_drops_what_is_rare),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
