// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Products whose weights took the scales and shifts after them give the numbers that they gave before. */

#include "unit.h"

#include <maru/session.h>
#include <math.h>

#include "exec/model_impl.h"

#define PLANES "maru 1 \"g\"\n%1 = input \"x\" f32[2, 4, 5, 5]\n"
#define VECTORS(c, a, b)                                                                                           \
    "%3 = const \"scale\" f32[" c "] {" a "}\n%4 = const \"bias\" f32[" c "] {" b "}\n"
#define VECTORS4 VECTORS("4", "1.5, -0.5, 0.75, 2.0", "0.1, -0.2, 0.3, 0.7") \
    "%5 = const \"v\" f32[4] {0.5, 1.5, 2.0, 0.01}\n"
#define KERNEL                                                                                                     \
    "%2 = const \"w\" f32[4, 2, 1, 2] {0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7, -0.8, 0.9, 1.0, -1.1, 1.2, 1.3, 1.4, "    \
    "-1.5, 1.6}\n"
#define END "output \"y\" "

static const char *const models[] = {
    PLANES KERNEL VECTORS4 "%6 = Conv(%1, %2, %4) {group=2, pads=ints[0, 1, 0, 0]}\n"
    "%7 = BatchNormalization(%6, %3, %4, %3, %5) {epsilon=0.001}\n%8 = const \"\" f32[4, 1, 1] {1.0, 2.0, -3.0, 4.0}\n"
    "%9 = Mul(%7, %8)\n%10 = Sub(%8, %9)\n" END "%10\n",
    PLANES KERNEL VECTORS4 "%6 = ConvTranspose(%1, %2) {group=2, strides=ints[2, 1]}\n"
    "%7 = BatchNormalization(%6, %3, %4, %3, %5)\n%8 = Relu(%7)\n" END "%8\n",
    PLANES KERNEL VECTORS4 "%6 = ConvTranspose(%1, %2) {group=1}\n%7 = const \"\" f32[2, 1, 1] {3.0, 0.2}\n"
    "%8 = Div(%6, %7)\n%9 = Sub(%8, %7)\n" END "%9\n",
    PLANES KERNEL VECTORS4 "%6 = BatchNormalization(%1, %3, %4, %3, %5)\n"
    "%7 = const \"\" f32[4, 1, 1] {1.0, 2.0, -3.0, 4.0}\n"
    "%8 = Mul(%6, %7)\n%9 = Add(%8, %7)\n" END "%9\n",
    "maru 1 \"g\"\n%1 = input \"x\" f32[3, 2]\n%2 = const \"w\" f32[4, 2] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0}\n"
    VECTORS4 "%6 = const \"c\" f32[] {0.25}\n%7 = Gemm(%1, %2, %6) {transB=1, alpha=0.5}\n"
    "%8 = BatchNormalization(%7, %3, %4, %3, %5)\n" END "%8\n",
    "maru 1 \"g\"\n%1 = input \"x\" f32[3, 2]\n%2 = const \"w\" f32[2, 4] {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0}\n"
    VECTORS4 "%6 = MatMul(%1, %2)\n%7 = Mul(%6, %3)\n%8 = Add(%7, %4)\n%9 = Div(%8, %5)\n" END "%9\n",
    "maru 1 \"g\"\n%1 = input \"x\" f64[3, 2]\n%2 = const \"w\" f64[2, 2] {1.0, 2.0, 3.0, 4.0}\n"
    "%3 = const \"s\" f64[] {0.3}\n%4 = MatMul(%1, %2)\n%5 = Mul(%4, %3)\n%6 = Add(%5, %3)\n" END "%6\n",
};

typedef struct side {
    maru_model *model;
    maru_session *session;
} side;

static void open_side(maru_runtime *runtime, const char *text, const maru_model_params *params, side *out)
{
    maru_graph *graph = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "affine", &graph));
    assert_ok(maru_model_create(runtime, &graph, params, &out->model));
    assert_ok(maru_session_create(out->model, &out->session));
}

static void close_side(side *s)
{
    maru_session_destroy(&s->session);
    maru_model_destroy(&s->model);
}

static maru_tensor run_side(side *s)
{
    const maru_value_record *v = maru_graph_get(s->model->graph, s->model->graph->inputs.data[0]);
    maru_tensor x = {0};
    maru_tensor y;
    assert_ok(maru_tensor_create(v->dtype, v->dims, v->rank, &x));
    for (int64_t i = 0; i < maru_tensor_count(&x); i++)
        maru_tensor_set_f64(&x, i, (double)(i * 37 % 101) / 16 - 2);
    assert_ok(maru_session_set_input(s->session, "x", &x));
    assert_ok(maru_session_run(s->session, NULL));
    assert_ok(maru_session_get_output(s->session, "y", &y));
    maru_tensor_destroy(&x);
    return y;
}

static void compare(const maru_tensor *got, const maru_tensor *want, size_t model)
{
    double largest = 0;
    assert_int_equal(maru_tensor_count(got), maru_tensor_count(want));
    for (int64_t i = 0; i < maru_tensor_count(want); i++)
        largest = fmax(largest, fabs(maru_tensor_get_f64(want, i)));
    for (int64_t i = 0; i < maru_tensor_count(want); i++)
        if (!(fabs(maru_tensor_get_f64(got, i) - maru_tensor_get_f64(want, i)) <= 1e-6 * largest))
            fail_msg("model %zu: [%lld] is %g, not %g", model, (long long)i, maru_tensor_get_f64(got, i),
                     maru_tensor_get_f64(want, i));
}

static void numbers_stay(void **state)
{
    (void)state;
    static const maru_model_params plain = {.no_fuse = 1};
    maru_runtime *runtime = NULL;
    assert_ok(maru_runtime_create(NULL, &runtime));
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        side want, got;
        open_side(runtime, models[i], &plain, &want);
        open_side(runtime, models[i], NULL, &got);
        assert_true(got.model->graph->nodes.count < want.model->graph->nodes.count);
        const maru_tensor y = run_side(&got);
        const maru_tensor known = run_side(&want);
        compare(&y, &known, i);
        close_side(&got);
        close_side(&want);
    }
    maru_runtime_destroy(&runtime);
}

/* Where the numbers have to be those of the model as it is written, it is left so. */
static void exact_is_as_written(void **state)
{
    (void)state;
    static const maru_model_params params[] = {{.numerics = MARU_NUMERICS_EXACT}, {.no_fuse = 1}, {.no_fold = 1}};
    maru_runtime *runtime = NULL;
    assert_ok(maru_runtime_create(NULL, &runtime));
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        side s;
        open_side(runtime, models[5], &params[i], &s);
        assert_true(maru_graph_has_op(s.model->graph, "Div"));
        close_side(&s);
    }
    maru_runtime_destroy(&runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_stay),
        cmocka_unit_test(exact_is_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
