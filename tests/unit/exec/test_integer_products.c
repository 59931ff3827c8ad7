// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Integer products in whole models: constant weights, which a library packs, and sizes that change between runs. */

#include "unit.h"

#include <maru/session.h>

static const char products[] =
    "maru 1 \"products\"\n"
    "symbol n min=0 typical=16\n"
    "%1 = input \"x\" f32[n, 8]\n"
    "%2, %3, %4 = DynamicQuantizeLinear(%1)\n"
    "%5 = const \"w\" i8[8, 5] {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12, 13, -14, 15, -16, 17, -18, 19, -20, 21, "
    "-22, 23, -24, 25, -26, 27, -28, 29, -30, 31, -32, 33, -34, 35, -36, 37, 127, -128, 0}\n"
    "%6 = const \"\" i8[] {-3}\n"
    "%7 = MatMulInteger(%2, %5, %4, %6)\n"
    "output \"sums\" %7\n"
    "%8 = const \"u\" u8[8, 4] {0, 255, 3, 4, 5, 6, 7, 128, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, "
    "24, 25, 26, 27, 28, 29, 30, 31, 32}\n"
    "%9 = const \"\" f32[] {0.5}\n"
    "%10 = const \"\" f32[4] {0.5, 0.25, 0.125, 1.0}\n"
    "%11 = const \"\" u8[4] {1, 2, 3, 128}\n"
    "%12 = const \"\" f32[] {32.0}\n"
    "%13 = const \"\" i8[] {-7}\n"
    "%14 = const \"\" u8[] {100}\n"
    "%15 = QLinearMatMul(%2, %9, %14, %8, %10, %11, %12, %13)\n"
    "output \"steps\" %15\n"
    "%16 = shape [n, 2, 2, 2]\n"
    "%17 = Reshape(%2, %16)\n"
    "%18 = const \"k\" i8[3, 2, 2, 1] {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -128}\n"
    "%19 = ConvInteger(%17, %18, %4) {pads=ints[1, 0, 0, 1]}\n"
    "output \"images\" %19\n"
    "%20 = const \"\" i8[] {0}\n"
    "%21 = const \"\" i32[3] {5, -600, 70}\n"
    "%22 = QLinearConv(%17, %9, %14, %18, %9, %20, %12, %14, %21)\n"
    "output \"pixels\" %22\n";

static const char *const outputs[] = {"sums", "steps", "images", "pixels"};

typedef struct side {
    maru_model *model;
    maru_session *session;
} side;

static void open_side(maru_runtime *runtime, const char *options, side *out)
{
    const maru_model_params params = {.device_options = options, .placement = MARU_PLACE_STRICT};
    maru_graph *graph = NULL;
    assert_ok(maru_graph_read(products, strlen(products), "products", &graph));
    assert_ok(maru_model_create(runtime, &graph, &params, &out->model));
    assert_ok(maru_session_create(out->model, &out->session));
}

static void close_side(side *s)
{
    maru_session_destroy(&s->session);
    maru_model_destroy(&s->model);
}

static void run_side(side *s, maru_tensor *x)
{
    assert_ok(maru_session_set_input(s->session, "x", x));
    assert_ok(maru_session_run(s->session, NULL));
}

static void fill(maru_tensor *x)
{
    for (int64_t i = 0; i < maru_tensor_count(x); i++)
        maru_tensor_set_f64(x, i, (double)(i * 37 % 101) / 16 - 2);
}

/* Scales are powers of two, so that a step is the same however it is computed. */
static void kernels_agree_with_the_reference(void **state)
{
    (void)state;
    static const int64_t sizes[] = {16, 1, 0, 33, 16};
    static const char *const options[] = {"kernels=vector", "kernels=all"};
    maru_runtime *runtime = NULL;
    side want, got[2];
    assert_ok(maru_runtime_create(NULL, &runtime));
    open_side(runtime, "kernels=ref", &want);
    for (int k = 0; k < 2; k++)
        open_side(runtime, options[k], &got[k]);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int64_t dims[2] = {sizes[i], 8};
        maru_tensor x = {0};
        assert_ok(maru_tensor_create(MARU_F32, dims, 2, &x));
        fill(&x);
        run_side(&want, &x);
        for (int k = 0; k < 2; k++) {
            run_side(&got[k], &x);
            for (size_t n = 0; n < sizeof outputs / sizeof *outputs; n++) {
                maru_tensor a, b;
                assert_ok(maru_session_get_output(got[k].session, outputs[n], &a));
                assert_ok(maru_session_get_output(want.session, outputs[n], &b));
                assert_int_equal(a.bytes, b.bytes);
                if (memcmp(a.data, b.data, b.bytes) != 0)
                    fail_msg("%s: '%s' of %lld rows is not the reference's", options[k], outputs[n],
                             (long long)sizes[i]);
            }
        }
        maru_tensor_destroy(&x);
    }
    for (int k = 0; k < 2; k++)
        close_side(&got[k]);
    close_side(&want);
    maru_runtime_destroy(&runtime);
}

/* By hand, so that the reference itself is checked through a session. */
static void a_sum_is_what_it_should_be(void **state)
{
    (void)state;
    static const float values[8] = {0, 255, 10, 20, 30, 40, 50, 60};  // scale 1, zero point 0
    static const int weights[8] = {1, -6, 11, -16, 21, -26, 31, -36};
    const int64_t dims[2] = {1, 8};
    maru_runtime *runtime = NULL;
    maru_tensor x = {0};
    maru_tensor sums;
    side s;
    int64_t want = 0;
    assert_ok(maru_runtime_create(NULL, &runtime));
    open_side(runtime, NULL, &s);
    assert_ok(maru_tensor_create(MARU_F32, dims, 2, &x));
    memcpy(x.data, values, sizeof values);
    run_side(&s, &x);
    for (int i = 0; i < 8; i++)
        want += (int64_t)values[i] * (weights[i] + 3);
    assert_ok(maru_session_get_output(s.session, "sums", &sums));
    assert_int_equal((int64_t)maru_tensor_get_f64(&sums, 0), want);
    maru_tensor_destroy(&x);
    close_side(&s);
    maru_runtime_destroy(&runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_agree_with_the_reference),
        cmocka_unit_test(a_sum_is_what_it_should_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
