// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* maru.Random: the published bits, their distribution, and what a counter in a state makes of the runs of a session. */

#include "unit.h"

#include <maru/session.h>

typedef struct world {
    maru_runtime *runtime;
    maru_model *model;
} world;

static void open_world(world *w, const char *text)
{
    maru_graph *graph = NULL;
    assert_ok(maru_runtime_create(NULL, &w->runtime));
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    assert_ok(maru_model_create(w->runtime, &graph, NULL, &w->model));
}

static void close_world(world *w)
{
    maru_model_destroy(&w->model);
    maru_runtime_destroy(&w->runtime);
}

/* The words of one run; valid until the next. */
static const uint32_t *draw(maru_session *session, int64_t n)
{
    maru_tensor y = {0};
    assert_ok(maru_session_run(session, NULL));
    assert_ok(maru_session_get_output(session, "y", &y));
    assert_int_equal(y.dtype, MARU_U32);
    assert_int_equal(maru_tensor_count(&y), n);
    return y.data;
}

/* The first block is a test vector of the paper's authors (Random123, kat_vectors: philox 4x32 10, all zeros). */
static void the_bits_are_philox(void **state)
{
    static const uint32_t zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    static const uint32_t others[] = {0xf0893226, 0xd43ca059, 0xf69fd28f, 0x1dd53289};
    world w = {0};
    maru_session *session = NULL;
    maru_tensor z = {0};
    (void)state;
    open_world(&w, "maru 1 \"bits\"\n%1 = const \"\" i64[2] {2, 4}\n%2 = maru.Random(%1)\noutput \"y\" %2\n"
                   "%3 = input \"c\" i64[]\n%4 = maru.Random(%1, %3) {seed=7, stream=9}\noutput \"z\" %4\n");
    int64_t counter = 5000000000;
    maru_tensor c = {0};
    assert_ok(maru_session_create(w.model, &session));
    assert_ok(maru_tensor_wrap(MARU_I64, NULL, 0, &counter, sizeof counter, &c));
    assert_ok(maru_session_set_input(session, "c", &c));
    assert_memory_equal(draw(session, 8), zeros, sizeof zeros);
    assert_ok(maru_session_get_output(session, "z", &z));
    assert_memory_equal((const uint32_t *)z.data + 4, others, sizeof others);
    maru_session_destroy(&session);
    close_world(&w);
}

static const char *const counted =
    "maru 1 \"runs\"\n%1 = const \"\" i64[1] {4096}\n%2 = state \"counter\" i64[]\n"
    "%3 = maru.Random(%1, %2) {seed=3}\noutput \"y\" %3\n%4 = const \"\" i64[] {1}\n%5 = Add(%2, %4)\n"
    "set_state \"counter\" %5\n";

static size_t count_equal(const uint32_t *a, const uint32_t *b, size_t n)
{
    size_t equal = 0;
    for (size_t i = 0; i < n; i++)
        equal += a[i] == b[i];
    return equal;
}

/* Runs differ, sessions begin alike, and a counter that is set gives the numbers of that run again. */
static void runs_differ_and_sessions_do_not(void **state)
{
    enum { N = 4096 };
    static uint32_t runs[3][N];
    world w = {0};
    maru_session *session = NULL;
    (void)state;
    open_world(&w, counted);
    for (int again = 0; again < 2; again++) {
        assert_ok(maru_session_create(w.model, &session));
        for (int run = 0; run < 3; run++) {
            const uint32_t *drawn = draw(session, N);
            if (again)
                assert_memory_equal(drawn, runs[run], sizeof runs[run]);
            memcpy(runs[run], drawn, sizeof runs[run]);
        }
        if (!again)
            maru_session_destroy(&session);
    }
    assert_true(count_equal(runs[0], runs[1], N) < 3);
    assert_true(count_equal(runs[1], runs[2], N) < 3);
    int64_t counter = 1;
    maru_tensor c = {0};
    assert_ok(maru_tensor_wrap(MARU_I64, NULL, 0, &counter, sizeof counter, &c));
    assert_ok(maru_session_set_state(session, "counter", &c));
    assert_memory_equal(draw(session, N), runs[1], sizeof runs[1]);
    maru_session_destroy(&session);
    close_world(&w);
}

/* Chi square of each byte of the words over 256 classes: the 99.99% point of 255 degrees of freedom is 347. */
static void words_are_uniform(void **state)
{
    enum { N = 1 << 18 };
    world w = {0};
    maru_session *session = NULL;
    (void)state;
    open_world(&w, "maru 1 \"many\"\n%1 = const \"\" i64[1] {262144}\n%2 = maru.Random(%1) {seed=11}\n"
                   "output \"y\" %2\n");
    assert_ok(maru_session_create(w.model, &session));
    const uint32_t *words = draw(session, N);
    for (int shift = 0; shift < 32; shift += 8) {
        double counts[256] = {0};
        double chi = 0;
        for (int i = 0; i < N; i++)
            counts[words[i] >> shift & 255]++;
        for (int i = 0; i < 256; i++)
            chi += (counts[i] - N / 256.0) * (counts[i] - N / 256.0) / (N / 256.0);
        assert_true(chi > 180 && chi < 347);
    }
    maru_session_destroy(&session);
    close_world(&w);
}

/* Equal nodes are one, others are not: seed and stream both count. */
static void seeds_and_streams_differ(void **state)
{
    world w = {0};
    maru_session *session = NULL;
    maru_tensor t[3];
    (void)state;
    open_world(&w, "maru 1 \"many\"\n%1 = const \"\" i64[1] {64}\n%2 = maru.Random(%1) {seed=1}\noutput \"y\" %2\n"
                   "%3 = maru.Random(%1) {seed=1, stream=1}\noutput \"a\" %3\n%4 = maru.Random(%1) {seed=2}\n"
                   "output \"b\" %4\n");
    assert_ok(maru_session_create(w.model, &session));
    draw(session, 64);
    assert_ok(maru_session_get_output(session, "y", &t[0]));
    assert_ok(maru_session_get_output(session, "a", &t[1]));
    assert_ok(maru_session_get_output(session, "b", &t[2]));
    for (int i = 0; i < 3; i++)
        assert_true(count_equal(t[i].data, t[(i + 1) % 3].data, 64) == 0);
    maru_session_destroy(&session);
    close_world(&w);
}

static void wrong_nodes_are_refused(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"%1 = input \"s\" i64[2]\n%2 = maru.Random(%1)\noutput \"y\" %2\n", "the shape must be"},
        {"%1 = const \"\" i64[1] {-4}\n%2 = maru.Random(%1)\noutput \"y\" %2\n", "dim 0 is -4"},
        {"%1 = const \"\" i64[1] {4}\n%2 = maru.Random(%1) {seed=-1}\noutput \"y\" %2\n", "seed is -1"},
        {"%1 = const \"\" i64[1] {4}\n%2 = const \"\" i32[] {4}\n%3 = maru.Random(%1, %2)\noutput \"y\" %3\n",
         "the counter must be"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        maru_graph *graph = NULL;
        const int n = snprintf(text, sizeof text, "maru 1 \"wrong\"\n%s", cases[i].text);
        assert_fails(maru_graph_read(text, (size_t)n, "test", &graph), MARU_INVALID_ARGUMENT, cases[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_are_philox),
        cmocka_unit_test(runs_differ_and_sessions_do_not),
        cmocka_unit_test(words_are_uniform),
        cmocka_unit_test(seeds_and_streams_differ),
        cmocka_unit_test(wrong_nodes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
