// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Dims: equal expressions are equal ids, evaluation, ranges, text and back. */

#include "unit.h"

#include "graph/graph.h"

typedef struct fixture {
    maru_graph *graph;
    maru_dim batch;
    maru_dim seq;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const maru_symbol_params eights = {.max = 512, .multiple_of = 8};
    assert_ok(maru_graph_create("dims", &f->graph));
    assert_ok(maru_graph_symbol(f->graph, "batch", NULL, &f->batch));
    assert_ok(maru_graph_symbol(f->graph, "seq", &eights, &f->seq));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    maru_graph_destroy(&f->graph);
    free(f);
    return 0;
}

static maru_dim make(fixture *f, maru_dim_op op, maru_dim a, maru_dim b)
{
    maru_dim out = 0;
    assert_ok(maru_graph_dim(f->graph, op, a, b, &out));
    return out;
}

static void sums_of_products_have_one_form(void **state)
{
    fixture *f = *state;
    const maru_dim bs = make(f, MARU_DIM_MUL, f->batch, f->seq);
    assert_int_equal(bs, make(f, MARU_DIM_MUL, f->seq, f->batch));
    const maru_dim x = make(f, MARU_DIM_MUL, make(f, MARU_DIM_ADD, f->seq, 1), f->batch);
    const maru_dim y = make(f, MARU_DIM_ADD, bs, f->batch);
    assert_int_equal(x, y);
    assert_int_equal(make(f, MARU_DIM_SUB, x, y), 0);
}

static void division_is_exact_where_it_can_be(void **state)
{
    fixture *f = *state;
    const maru_dim bs12 = make(f, MARU_DIM_MUL, make(f, MARU_DIM_MUL, f->batch, f->seq), 12);
    assert_int_equal(make(f, MARU_DIM_FLOORDIV, bs12, make(f, MARU_DIM_MUL, f->seq, 4)),
                     make(f, MARU_DIM_MUL, f->batch, 3));
    const maru_dim next = make(f, MARU_DIM_ADD, f->seq, 1);
    assert_int_equal(make(f, MARU_DIM_FLOORDIV, make(f, MARU_DIM_MUL, next, 64), next), 64);
    assert_int_equal(make(f, MARU_DIM_MOD, f->seq, 4), 0);
    assert_true(make(f, MARU_DIM_MOD, f->batch, 4) < 0);
}

/* Strides of 2 over and over, as networks of pictures have them. */
static void division_by_a_constant_takes_out_what_it_can(void **state)
{
    fixture *f = *state;
    const maru_dim rows = make(f, MARU_DIM_MUL, f->batch, 32);
    const maru_dim less = make(f, MARU_DIM_SUB, rows, 1);
    assert_int_equal(make(f, MARU_DIM_FLOORDIV, less, 2),
                     make(f, MARU_DIM_SUB, make(f, MARU_DIM_MUL, f->batch, 16), 1));
    assert_int_equal(make(f, MARU_DIM_CEILDIV, less, 2), make(f, MARU_DIM_MUL, f->batch, 16));
    assert_int_equal(make(f, MARU_DIM_MOD, less, 8), 7);
    const maru_dim half = make(f, MARU_DIM_FLOORDIV, f->batch, 2);
    assert_int_equal(make(f, MARU_DIM_FLOORDIV, half, 3), make(f, MARU_DIM_FLOORDIV, f->batch, 6));
    const maru_dim mixed = make(f, MARU_DIM_ADD, rows, f->batch);  // 33*batch: nothing is a whole number of halves
    assert_int_equal(make(f, MARU_DIM_FLOORDIV, make(f, MARU_DIM_ADD, mixed, 4), 2),
                     make(f, MARU_DIM_ADD, make(f, MARU_DIM_FLOORDIV, mixed, 2), 2));
}

static void constants_are_numbers(void **state)
{
    fixture *f = *state;
    maru_dim out = 0;
    assert_int_equal(make(f, MARU_DIM_CEILDIV, 7, 2), 4);
    assert_int_equal(make(f, MARU_DIM_MIN, 7, 2), 2);
    assert_fails(maru_graph_dim(f->graph, MARU_DIM_SUB, 2, 7, &out), MARU_INVALID_ARGUMENT, "-5");
    assert_fails(maru_graph_dim(f->graph, MARU_DIM_FLOORDIV, 2, 0, &out), MARU_INVALID_ARGUMENT, "not defined");
    assert_fails(maru_graph_dim(f->graph, MARU_DIM_ADD, -1000, 0, &out), MARU_INVALID_ARGUMENT, "-1000");
}

static void ranges_decide_min_and_max(void **state)
{
    fixture *f = *state;
    assert_int_equal(make(f, MARU_DIM_MIN, f->seq, 1000), f->seq);
    assert_int_equal(make(f, MARU_DIM_MAX, f->seq, 1000), 1000);
    int64_t low = 0;
    int64_t high = 0;
    maru_expr_range(&f->graph->exprs, make(f, MARU_DIM_MUL, f->seq, 2), &low, &high);
    assert_int_equal(low, 2);
    assert_int_equal(high, 1024);
}

static void evaluation_gives_numbers_or_a_sentence(void **state)
{
    fixture *f = *state;
    const maru_dim d = make(f, MARU_DIM_CEILDIV, make(f, MARU_DIM_ADD, f->seq, 5), f->batch);
    int64_t values[64] = {0};
    assert_in_range(f->graph->exprs.list.count, 1, 64);
    assert_ok(maru_exprs_evaluate(&f->graph->exprs, (const int64_t[]){4, 16}, values));
    assert_int_equal(maru_dim_value(d, values), 6);
    assert_fails(maru_exprs_evaluate(&f->graph->exprs, (const int64_t[]){0, 16}, values), MARU_OUT_OF_RANGE,
                 "ceildiv(seq + 5, batch)");
}

static void text_reads_back(void **state)
{
    fixture *f = *state;
    static const char *const texts[] = {"batch*seq + 3", "ceildiv(seq + 1, 3)*batch", "min(batch, seq)//2",
                                        "max(batch, seq - 8)%5", "7"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *at = texts[i];
        maru_dim first = 0;
        maru_dim again = 0;
        char text[128];
        assert_ok(maru_expr_parse(&f->graph->exprs, &at, &first));
        at = maru_graph_dim_text(f->graph, first, text, sizeof text);
        assert_ok(maru_expr_parse(&f->graph->exprs, &at, &again));
        assert_int_equal(first, again);
    }
}

static void symbols_are_checked(void **state)
{
    fixture *f = *state;
    maru_dim out = 0;
    const maru_symbol_params other = {.max = 7};
    assert_ok(maru_graph_symbol(f->graph, "seq", NULL, &out));
    assert_int_equal(out, f->seq);
    assert_fails(maru_graph_symbol(f->graph, "seq", &other, &out), MARU_INVALID_ARGUMENT, "other bounds");
    assert_fails(maru_graph_symbol(f->graph, "2x", NULL, &out), MARU_INVALID_ARGUMENT, "2x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_of_products_have_one_form, setup, teardown),
        cmocka_unit_test_setup_teardown(division_is_exact_where_it_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(division_by_a_constant_takes_out_what_it_can, setup, teardown),
        cmocka_unit_test_setup_teardown(constants_are_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(ranges_decide_min_and_max, setup, teardown),
        cmocka_unit_test_setup_teardown(evaluation_gives_numbers_or_a_sentence, setup, teardown),
        cmocka_unit_test_setup_teardown(text_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(symbols_are_checked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
