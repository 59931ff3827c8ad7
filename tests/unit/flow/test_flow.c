// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* A model in stages as a program runs it: what is planned and what is used again, cancelling, items. */

#include "unit.h"

#include <maru/flow.h>

#include "base/os_thread.h"
#include "base/str.h"
#include "import/onnx/onnx.h"

/* ---- models, in the wire form of protobuf ---- */

static void put_varint(maru_str *s, uint64_t x)
{
    for (; x > 0x7f; x >>= 7)
        maru_str_append_n(s, &(char){(char)(0x80 | (x & 0x7f))}, 1);
    maru_str_append_n(s, &(char){(char)x}, 1);
}

static void put_number(maru_str *s, unsigned field, uint64_t x)
{
    put_varint(s, field << 3);
    put_varint(s, x);
}

static void put_bytes(maru_str *s, unsigned field, const char *bytes, size_t n)
{
    put_varint(s, field << 3 | 2);
    put_varint(s, n);
    maru_str_append_n(s, bytes, n);
}

static void put_text(maru_str *s, unsigned field, const char *text)
{
    put_bytes(s, field, text, strlen(text));
}

/* Takes the inner message. */
static void put_message(maru_str *s, unsigned field, maru_str *inner)
{
    put_bytes(s, field, maru_str_get(inner), inner->length);
    maru_str_fini(inner);
}

/* "Add a b -> c" */
static void put_node(maru_str *graph, const char *text, maru_str *attribute)
{
    char words[128];
    maru_str node = {0};
    unsigned field = 0;
    snprintf(words, sizeof words, "%s", text);
    for (char *save = NULL, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (strcmp(w, "->") == 0)
            field = 2;
        else
            put_text(&node, field == 0 ? 4 : field, strcmp(w, "_") == 0 ? "" : w);
        field = field == 0 ? 1 : field;
    }
    if (attribute)
        put_message(&node, 5, attribute);
    put_message(graph, 1, &node);
}

static void put_value(maru_str *graph, unsigned field, const char *name, int dtype, int rank)
{
    maru_str shape = {0}, tensor = {0}, type = {0}, info = {0};
    for (int d = 0; d < rank; d++)
        put_text(&shape, 1, "");
    put_number(&tensor, 1, (uint64_t)dtype);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&info, 1, name);
    put_message(&info, 2, &type);
    put_message(graph, field, &info);
}

static void put_body(maru_str *attribute, maru_str *body)
{
    put_text(attribute, 1, "body");
    put_message(attribute, 6, body);
    put_number(attribute, 20, 5);
}

static void put_model(maru_str *model, maru_str *graph)
{
    maru_str opset = {0};
    put_number(&opset, 2, 21);
    put_number(model, 1, 8);
    put_message(model, 7, graph);
    put_message(model, 8, &opset);
}

/* y = x with itself joined to it, n times over: x f32[?], n i64. Each iteration's sum is kept. */
static void make_growing(maru_str *model)
{
    maru_str body = {0}, attribute = {0}, graph = {0};
    put_node(&body, "Identity c -> go", NULL);
    put_node(&body, "Add v one -> w", NULL);
    put_node(&body, "SequenceConstruct w one -> s", NULL);
    maru_str axis = {0};
    put_text(&axis, 1, "axis");
    put_number(&axis, 3, 0);
    put_number(&axis, 20, 2);
    put_node(&body, "ConcatFromSequence s -> longer", &axis);
    put_node(&body, "Mul longer longer -> square", NULL);
    put_node(&body, "ReduceMax square -> top", NULL);
    put_value(&body, 11, "i", MARU_I64, 0);
    put_value(&body, 11, "c", MARU_BOOL, 0);
    put_value(&body, 11, "v", MARU_F32, 1);
    put_value(&body, 12, "go", MARU_BOOL, 0);
    put_value(&body, 12, "longer", MARU_F32, 1);
    put_value(&body, 12, "top", MARU_F32, 1);
    put_body(&attribute, &body);
    put_node(&graph, "Loop n _ x -> y tops", &attribute);
    put_value(&graph, 11, "n", MARU_I64, 0);
    put_value(&graph, 11, "x", MARU_F32, 1);
    put_value(&graph, 11, "one", MARU_F32, 1);
    put_value(&graph, 12, "y", MARU_F32, 1);
    put_value(&graph, 12, "tops", MARU_F32, 2);
    put_model(model, &graph);
}

/* ---- the flow ---- */

typedef struct world {
    maru_str model;
    maru_runtime *runtime;
    maru_onnx_file *file;
    maru_flow *flow;
} world;

static void open_world(world *w)
{
    make_growing(&w->model);
    assert_ok(maru_str_check(&w->model));
    assert_ok(maru_runtime_create(NULL, &w->runtime));
    assert_ok(maru_onnx_file_open_memory(maru_str_get(&w->model), w->model.length, "growing", &w->file));
    assert_ok(maru_flow_create(w->runtime, w->file, NULL, &w->flow));
    maru_onnx_close(&w->file);
}

static void close_world(world *w)
{
    maru_flow_destroy(&w->flow);
    maru_runtime_destroy(&w->runtime);
    maru_str_fini(&w->model);
}

static void set(world *w, const char *name, maru_dtype dtype, const void *data, int64_t n)
{
    maru_tensor t = {0};
    maru_item *item = NULL;
    const size_t width = dtype == MARU_I64 ? sizeof(int64_t) : sizeof(float);
    assert_ok(maru_tensor_wrap(dtype, &n, dtype == MARU_F32, (void *)(uintptr_t)data, (size_t)n * width, &t));
    assert_ok(maru_item_copy(&t, &item));
    assert_ok(maru_flow_set_input(w->flow, name, item));
    maru_item_release(&item);
}

static void set_all(world *w, int64_t n)
{
    static const float x[] = {1, 2};
    static const float one[] = {1};
    set(w, "n", MARU_I64, &n, 1);
    set(w, "x", MARU_F32, x, 2);
    set(w, "one", MARU_F32, one, 1);
}

static void sizes_that_grow_are_planned_a_few_times(void **state)
{
    (void)state;
    world w = {0};
    maru_flow_stats stats;
    const char *name = NULL;
    open_world(&w);
    set_all(&w, 50);
    assert_ok(maru_flow_run(w.flow, NULL));
    const maru_tensor *y = maru_item_get_tensor(maru_flow_output_at(w.flow, 0, &name));
    assert_string_equal(name, "y");
    assert_int_equal(y->dims[0], 52);
    assert_true(maru_tensor_get_f64(y, 1) == 52 && maru_tensor_get_f64(y, 51) == 1);
    const maru_tensor *tops = maru_item_get_tensor(maru_flow_output_at(w.flow, 1, &name));
    assert_true(tops->dims[0] == 50 && maru_tensor_get_f64(tops, 49) == 52 * 52);
    assert_null(maru_flow_output_at(w.flow, 2, &name));
    maru_flow_get_stats(w.flow, &stats);
    assert_int_equal(stats.n_stages, 100);
    assert_true(stats.n_plans <= 6);
    set_all(&w, 80);
    assert_ok(maru_flow_run(w.flow, NULL));
    const size_t before = stats.n_plans;
    maru_flow_get_stats(w.flow, &stats);
    assert_int_equal(stats.n_plans, before);
    assert_int_equal(stats.n_stages, 260);
    close_world(&w);
}

static void inputs_are_checked(void **state)
{
    (void)state;
    world w = {0};
    maru_item *item = NULL;
    open_world(&w);
    assert_fails(maru_flow_run(w.flow, NULL), MARU_FAILED_PRECONDITION, "'n' is not set");
    set_all(&w, 1);
    assert_ok(maru_item_sequence(NULL, 0, &item));
    assert_fails(maru_flow_set_input(w.flow, "z", item), MARU_NOT_FOUND, "'z'");
    assert_fails(maru_flow_set_input(w.flow, "x", item), MARU_INVALID_ARGUMENT, "a sequence is given");
    maru_item_release(&item);
    maru_tensor t = {0};
    assert_ok(maru_tensor_create(MARU_F64, &(int64_t){2}, 1, &t));
    assert_ok(maru_item_copy(&t, &item));
    assert_fails(maru_flow_set_input(w.flow, "x", item), MARU_INVALID_ARGUMENT, "is of f32, f64 is given");
    maru_item_release(&item);
    maru_tensor_destroy(&t);
    assert_ok(maru_flow_run(w.flow, NULL));
    close_world(&w);
}

static void *cancel_soon(void *arg)
{
    maru_os_sleep_ns(30000000);
    maru_flow_cancel(arg);
    return NULL;
}

static void a_run_is_cancelled(void **state)
{
    (void)state;
    world w = {0};
    maru_os_thread thread;
    open_world(&w);
    set_all(&w, INT64_MAX);
    assert_ok(maru_os_thread_start(&thread, cancel_soon, w.flow));
    assert_fails(maru_flow_run(w.flow, NULL), MARU_CANCELLED, "cancel");
    maru_os_thread_join(&thread);
    assert_null(maru_flow_output_at(w.flow, 0, NULL));
    const maru_run_params params = {.timeout_ns = 30000000};
    assert_fails(maru_flow_run(w.flow, &params), MARU_DEADLINE_EXCEEDED, "30 ms");
    set_all(&w, 3);
    assert_ok(maru_flow_run(w.flow, NULL));
    close_world(&w);
}

static void items_are_held(void **state)
{
    (void)state;
    maru_item *items[2] = {NULL, NULL};
    maru_item *sequence = NULL;
    const float x[] = {3, 4};
    maru_tensor t = {0};
    assert_ok(maru_tensor_wrap(MARU_F32, &(int64_t){2}, 1, (void *)(uintptr_t)x, sizeof x, &t));
    assert_ok(maru_item_copy(&t, &items[0]));
    assert_ok(maru_item_none(&items[1]));
    assert_ok(maru_item_sequence(items, 2, &sequence));
    maru_item_release(&items[0]);
    maru_item_release(&items[1]);
    assert_int_equal(maru_item_count(sequence), 2);
    assert_true(maru_tensor_get_f64(maru_item_get_tensor(maru_item_at(sequence, 0)), 1) == 4);
    assert_int_equal(maru_item_get_kind(maru_item_at(sequence, 1)), MARU_ITEM_NONE);
    assert_null(maru_item_get_value(sequence));
    assert_null(maru_item_at(sequence, 2));
    maru_item_release(&sequence);
    assert_null(sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_grow_are_planned_a_few_times),
        cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(a_run_is_cancelled),
        cmocka_unit_test(items_are_held),
    };
    return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
