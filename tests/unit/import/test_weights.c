// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "graph/graph.h"

#include <maru/weights.h>

static const char *save(const char *file_name)
{
    static float values[6] = {1, 2, 3, 4, 5, 6};
    static uint8_t bytes[3] = {7, 8, 9};
    static const char *const names[] = {"layer.weight", "layer.bias"};
    static const char *const metadata[] = {"format", "pt", "by", "test"};
    maru_tensor tensors[2];
    const char *path = scratch_path(file_name);
    assert_ok(maru_tensor_wrap(MARU_F32, (int64_t[]){2, 3}, 2, values, sizeof values, &tensors[0]));
    assert_ok(maru_tensor_wrap(MARU_U8, (int64_t[]){3}, 1, bytes, sizeof bytes, &tensors[1]));
    assert_ok(maru_weights_save(path, names, tensors, 2, metadata, 2));
    return path;
}

static void lists_and_finds(void **state)
{
    (void)state;
    maru_weights *w = NULL;
    maru_weight_info info;
    const char *path = save("list.safetensors");
    assert_ok(maru_weights_open(path, &w));
    assert_int_equal(maru_weights_count(w), 2);
    assert_ok(maru_weights_at(w, 1, &info));
    assert_string_equal(info.name, "layer.bias");
    assert_fails(maru_weights_at(w, 2, &info), MARU_OUT_OF_RANGE, "there is no weight 2: there are 2");
    assert_true(maru_weights_find(w, "layer.weight", &info));
    assert_int_equal(info.dtype, MARU_F32);
    assert_int_equal(info.rank, 2);
    assert_int_equal(info.dims[1], 3);
    assert_int_equal(info.bytes, 24);
    assert_string_equal(info.file, path);
    assert_true(info.offset > 8);
    assert_true(maru_weights_find(w, "layer.weight", NULL));
    assert_false(maru_weights_find(w, "x", &info));
    assert_string_equal(maru_weights_metadata(w, "by"), "test");
    assert_null(maru_weights_metadata(w, "x"));
    maru_weights_close(&w);
    assert_null(w);
    maru_weights_close(&w);
    assert_int_equal(maru_weights_open(scratch_path("gone.safetensors"), &w), MARU_NOT_FOUND);
    assert_fails(maru_weights_open(scratch_path("gone"), &w), MARU_NOT_FOUND, "there is no such file or folder");
}

static void copies_a_tensor(void **state)
{
    (void)state;
    maru_weights *w = NULL;
    maru_tensor t;
    assert_ok(maru_weights_open(save("copy.safetensors"), &w));
    assert_ok(maru_weights_tensor(w, "layer.bias", &t));
    maru_weights_close(&w);
    assert_int_equal(((uint8_t *)t.data)[2], 9);
    maru_tensor_destroy(&t);
}

static void suggests_a_name(void **state)
{
    (void)state;
    maru_weights *w = NULL;
    maru_tensor t;
    assert_ok(maru_weights_open(save("names.safetensors"), &w));
    assert_fails(maru_weights_tensor(w, "layer.wieght", &t), MARU_NOT_FOUND, "did you mean 'layer.weight'?");
    assert_fails(maru_weights_tensor(w, "q", &t), MARU_NOT_FOUND, "there is no weight 'q' among its 2");
    maru_weights_close(&w);
}

/* The constant is used where the file has it, and keeps the file mapped after close. */
static void constants_keep_the_map(void **state)
{
    (void)state;
    maru_weights *w = NULL;
    maru_graph *graph = NULL;
    maru_value value;
    maru_value again;
    assert_ok(maru_weights_open(save("graph.safetensors"), &w));
    assert_ok(maru_graph_create("g", &graph));
    assert_ok(maru_weights_constant(w, "layer.weight", graph, &value));
    assert_ok(maru_weights_constant(w, "layer.bias", graph, &again));
    assert_fails(maru_weights_constant(w, "layer.bia", graph, &again), MARU_NOT_FOUND, "layer.bias");
    maru_weights_close(&w);
    const float *data = maru_graph_constant_data(graph, value);
    assert_non_null(data);
    assert_true(data[5] == 6);
    maru_graph_destroy(&graph);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("weights");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_finds),
        cmocka_unit_test(copies_a_tensor),
        cmocka_unit_test(suggests_a_name),
        cmocka_unit_test(constants_keep_the_map),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
