// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Several sessions at once, runs that call back, cancel, deadline, trace, and devices that fail. */

#define _POSIX_C_SOURCE 200809L // setenv

#include "unit.h"

#include <maru/session.h>
#include <stdatomic.h>

#include "base/os_thread.h"

static const char affine[] = "maru 1 \"affine\"\nsymbol n min=1\n%1 = input \"x\" f32[n]\n%2 = const \"\" f32[] {3.0}\n"
                             "%3 = Mul(%1, %2)\n%4 = Add(%3, %1)\n%5 = state \"sum\" f32[1]\n%6 = ReduceSum(%4)\n"
                             "%7 = Add(%5, %6)\noutput \"y\" %4\noutput \"sum\" %7\nset_state \"sum\" %7\n";

static void make_model(maru_runtime *runtime, const char *text, const maru_model_params *params, maru_model **out)
{
    maru_graph *graph = NULL;
    assert_ok(maru_graph_read(text, strlen(text), "test", &graph));
    assert_ok(maru_model_create(runtime, &graph, params, out));
}

/* ---- at once ---- */

typedef struct worker {
    maru_os_thread thread;
    maru_model *model;
    int64_t n;
    bool right;
} worker;

/* Its own session, sizes and state; nothing of another session may show. */
static void *work(void *arg)
{
    worker *w = arg;
    maru_session *session = NULL;
    float x[64];
    maru_tensor in = {0};
    maru_tensor y = {0};
    maru_tensor sum = {0};
    w->right = maru_session_create(w->model, &session) == MARU_OK;
    for (int64_t i = 0; i < w->n; i++)
        x[i] = (float)i;
    w->right = w->right && maru_tensor_wrap(MARU_F32, &w->n, 1, x, (size_t)w->n * sizeof *x, &in) == MARU_OK &&
               maru_session_set_input(session, "x", &in) == MARU_OK;
    for (int run = 1; w->right && run <= 50; run++) {
        w->right = maru_session_run(session, NULL) == MARU_OK &&
                   maru_session_get_output(session, "y", &y) == MARU_OK &&
                   maru_session_get_output(session, "sum", &sum) == MARU_OK;
        w->right = w->right && ((float *)y.data)[w->n - 1] == 4 * (float)(w->n - 1) &&
                   ((float *)sum.data)[0] == (float)(run * 2 * w->n * (w->n - 1));
    }
    maru_session_destroy(&session);
    return NULL;
}

static void sessions_run_at_once(void **state)
{
    (void)state;
    maru_runtime *runtime = NULL;
    maru_model *model = NULL;
    worker workers[4];
    assert_ok(maru_runtime_create(NULL, &runtime));
    make_model(runtime, affine, NULL, &model);
    for (int i = 0; i < 4; i++) {
        workers[i] = (worker){.model = model, .n = 5 + 17 * i};
        assert_ok(maru_os_thread_start(&workers[i].thread, work, &workers[i]));
    }
    for (int i = 0; i < 4; i++) {
        maru_os_thread_join(&workers[i].thread);
        assert_true(workers[i].right);
    }
    maru_model_destroy(&model);
    maru_runtime_destroy(&runtime);
}

/* ---- one session ---- */

typedef struct fixture {
    maru_runtime *runtime;
    maru_model *model;
    maru_session *session;
    float x[4];
    maru_tensor in;
} fixture;

static void open_fixture(fixture *f, const maru_runtime_params *runtime, const maru_model_params *model,
                         const char *text)
{
    assert_ok(maru_runtime_create(runtime, &f->runtime));
    make_model(f->runtime, text, model, &f->model);
    assert_ok(maru_session_create(f->model, &f->session));
    for (int i = 0; i < 4; i++)
        f->x[i] = (float)i;
    assert_ok(maru_tensor_wrap(MARU_F32, (const int64_t[]){4}, 1, f->x, sizeof f->x, &f->in));
    assert_ok(maru_session_set_input(f->session, "x", &f->in));
}

static void close_fixture(fixture *f)
{
    maru_session_destroy(&f->session);
    maru_model_destroy(&f->model);
    maru_runtime_destroy(&f->runtime);
}

typedef struct call {
    _Atomic uint32_t is_done;
    maru_status status;
    char message[128];
} call;

static void done(void *ctx, maru_status status, const char *message)
{
    call *c = ctx;
    c->status = status;
    snprintf(c->message, sizeof c->message, "%s", message);
    atomic_store(&c->is_done, 1);
    maru_os_wake(&c->is_done, 1);
}

static void a_run_calls_back(void **state)
{
    (void)state;
    fixture f = {0};
    maru_tensor y = {0};
    open_fixture(&f, NULL, NULL, affine);
    for (int i = 0; i < 3; i++) {
        call c = {0};
        assert_ok(maru_session_run_async(f.session, NULL, done, &c));
        while (!atomic_load(&c.is_done))
            maru_os_wait(&c.is_done, 0, 1000000000);
        assert_int_equal(c.status, MARU_OK);
    }
    // The callback came from the thread that ran; the session may be used again.
    assert_ok(maru_session_get_output(f.session, "sum", &y));
    assert_float_equal(((float *)y.data)[0], 72, 0);
    close_fixture(&f);
}

typedef struct tracer {
    maru_session *to_cancel;
    int n;
    int64_t last_end;
    bool in_order;
} tracer;

static void trace(void *ctx, const maru_trace_event *event)
{
    tracer *t = ctx;
    t->n++;
    t->in_order = t->in_order && event->begin_ns <= event->end_ns && event->begin_ns >= t->last_end - 1000000;
    t->last_end = event->end_ns;
    if (t->to_cancel)
        maru_session_cancel(t->to_cancel);
}

static void steps_are_traced(void **state)
{
    (void)state;
    fixture f = {0};
    tracer t = {.in_order = true};
    const maru_run_params params = {.trace = trace, .trace_ctx = &t};
    open_fixture(&f, NULL, NULL, affine);
    assert_ok(maru_session_run(f.session, &params));
    assert_true(t.n >= 4);
    assert_true(t.in_order);
    close_fixture(&f);
}

static void a_run_ends_at_its_deadline(void **state)
{
    (void)state;
    fixture f = {0};
    const maru_run_params params = {.timeout_ns = 1};
    open_fixture(&f, NULL, NULL, affine);
    assert_fails(maru_session_run(f.session, &params), MARU_DEADLINE_EXCEEDED, "took longer than 0 ms");
    assert_ok(maru_session_run(f.session, NULL));
    const maru_run_params endless = {.timeout_ns = INT64_MAX};
    assert_ok(maru_session_run(f.session, &endless));
    close_fixture(&f);
}

/* ---- devices that fail ---- */

static const char chain[] = "maru 1 \"chain\"\n%1 = input \"x\" f32[4]\n%2 = Add(%1, %1)\n%3 = Mul(%2, %2)\n"
                            "output \"y\" %3\n";

static void a_lost_device_is_an_error(void **state)
{
    (void)state;
    const char *build = getenv("MARU_BUILD_ROOT");
    char path[4096];
    fixture f = {0};
    snprintf(path, sizeof path, "%s/plugins/fault/fault.so", build ? build : ".");
    const maru_runtime_params runtime = {.plugin_path = path};
    const maru_model_params model = {.devices = "fault:0", .device_options = "fault=lost-after=2",
                                     .placement = MARU_PLACE_STRICT};
    open_fixture(&f, &runtime, &model, chain);
    assert_ok(maru_session_run(f.session, NULL));
    assert_ok(maru_session_run(f.session, NULL));
    assert_int_equal(maru_session_run(f.session, NULL), MARU_DEVICE_LOST);
    assert_int_equal(maru_session_run(f.session, NULL), MARU_DEVICE_LOST);
    close_fixture(&f);
}

static void a_hung_device_is_waited_for_no_longer_than_asked(void **state)
{
    (void)state;
    const char *build = getenv("MARU_BUILD_ROOT");
    char path[4096];
    fixture f = {0};
    snprintf(path, sizeof path, "%s/plugins/fault/fault.so", build ? build : ".");
    const maru_runtime_params runtime = {.plugin_path = path};
    const maru_model_params model = {.devices = "fault:0", .device_options = "fault=fence-never",
                                     .placement = MARU_PLACE_STRICT};
    const maru_run_params params = {.timeout_ns = 20000000};
    open_fixture(&f, &runtime, &model, chain);
    assert_int_equal(maru_session_run(f.session, &params), MARU_DEADLINE_EXCEEDED);
    maru_session_destroy(&f.session);  // waits a while, and then gives up on the device
    assert_fails(maru_session_create(f.model, &f.session), MARU_DEVICE_LOST, "the device was lost");
    close_fixture(&f);
}

/* A list that was not waited out keeps what it uses: the session takes no new inputs, and waits before it goes. */
static void work_that_was_not_waited_for_is_still_there(void **state)
{
    (void)state;
    static const int64_t dims[1] = {4};
    const char *build = getenv("MARU_BUILD_ROOT");
    char path[4096];
    float other[4] = {0};
    maru_tensor tensor = {0};
    fixture f = {0};
    snprintf(path, sizeof path, "%s/plugins/fault/fault.so", build ? build : ".");
    setenv("MARU_FAULT", "hold", 1); // the plugin then can discard; its devices start nothing
    const maru_runtime_params runtime = {.plugin_path = path, .skip_probe = 1};
    const maru_model_params model = {.devices = "fault:0", .placement = MARU_PLACE_STRICT};
    const maru_run_params params = {.timeout_ns = 5000000};
    open_fixture(&f, &runtime, &model, chain);
    assert_fails(maru_session_run(f.session, &params), MARU_DEADLINE_EXCEEDED, "did not end its work in time");
    assert_ok(maru_tensor_wrap(MARU_F32, dims, 1, other, sizeof other, &tensor));
    assert_fails(maru_session_set_input(f.session, "x", &tensor), MARU_FAILED_PRECONDITION, "has not ended");
    assert_fails(maru_session_run(f.session, &params), MARU_DEADLINE_EXCEEDED, "did not end its work in time");
    const int64_t begin = maru_os_now_ns();
    close_fixture(&f);
    assert_true(maru_os_now_ns() - begin < 4000000000ll); // discarded, not waited for
    unsetenv("MARU_FAULT");
}

static const char lookup[] = "maru 1 \"lookup\"\n%1 = const \"\" f32[2] {5.0, 7.0}\n%2 = input \"i\" i64[1]\n"
                             "%3 = Gather(%1, %2)\noutput \"y\" %3\n";

static void a_failed_run_is_followed_by_others(void **state)
{
    (void)state;
    static const int64_t dims[1] = {1};
    int64_t index = 9;
    maru_runtime *runtime = NULL;
    maru_model *model = NULL;
    maru_session *session = NULL;
    maru_tensor i = {0};
    maru_tensor y = {0};
    assert_ok(maru_runtime_create(NULL, &runtime));
    make_model(runtime, lookup, NULL, &model);
    assert_ok(maru_session_create(model, &session));
    for (int round = 0; round < 3; round++) {
        index = 9;
        assert_ok(maru_tensor_wrap(MARU_I64, dims, 1, &index, sizeof index, &i));
        assert_ok(maru_session_set_input(session, "i", &i));
        assert_fails(maru_session_run(session, NULL), MARU_OUT_OF_RANGE, "index 9");
        index = 1;
        assert_ok(maru_session_run(session, NULL));
        assert_ok(maru_session_get_output(session, "y", &y));
        assert_true(((float *)y.data)[0] == 7);
    }
    maru_session_destroy(&session);
    maru_model_destroy(&model);
    maru_runtime_destroy(&runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_run_at_once),
        cmocka_unit_test(a_run_calls_back),
        cmocka_unit_test(steps_are_traced),
        cmocka_unit_test(a_run_ends_at_its_deadline),
        cmocka_unit_test(a_lost_device_is_an_error),
        cmocka_unit_test(a_hung_device_is_waited_for_no_longer_than_asked),
        cmocka_unit_test(work_that_was_not_waited_for_is_still_there),
        cmocka_unit_test(a_failed_run_is_followed_by_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
