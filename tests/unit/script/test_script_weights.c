// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Weights that do not fit the model are told all at once. */

#include "script/script_test.h"

#include <maru/weights.h>

static script_world world;

static void write_weights(void)
{
    const int64_t dims[2] = {3, 2};
    maru_tensor tensors[4] = {0};
    const char *const names[4] = {"a", "b", "c", "half"};
    for (int i = 0; i < 4; i++)
        assert_ok(maru_tensor_create(i == 3 ? MARU_F16 : MARU_F32, dims, 2, &tensors[i]));
    assert_ok(maru_weights_save(scratch_path("w.safetensors"), names, tensors, 4, NULL, 0));
    for (int i = 0; i < 4; i++)
        maru_tensor_destroy(&tensors[i]);
}

static maru_status build(const char *fields, const char *body)
{
    char text[4096];
    maru_graph *graph = NULL;
    snprintf(text, sizeof text, "return require 'maru'.model { name = 'test', weights = 'w.safetensors', %s\n"
                                "graph = function(m) local w = m.weights %s\n"
                                "m:output('last', m:constant {1}) end }", fields, body);
    maru_status status = load_text(&world, text, (maru_script_limits){0});
    if (status == MARU_OK)
        status = maru_script_graph(world.script, &graph);
    maru_graph_destroy(&graph);
    return status;
}

static void all_problems_are_listed(void **state)
{
    (void)state;
    assert_fails(build("", "m:parameter('a', 'f32', {3, 2}) m:parameter('b', 'f32', {2, 3}) m:parameter('d', "
                       "'f32', {4})"
                           " w:get('half', {3, 2}, 'i64')"),
                 MARU_FAILED_PRECONDITION, "w.safetensors do not fit the model:");
    assert_non_null(strstr(maru_error_message(), "\n  wrong shape: b is f32[3, 2] in the file, the model needs "
        "f32[2, 3]"));
    assert_non_null(strstr(maru_error_message(), "\n  missing: d f32[4]"));
    assert_non_null(strstr(maru_error_message(), "\n  wrong dtype: half is f16[3, 2] in the file, the model "
        "needs i64[3, 2]"));
    assert_non_null(strstr(maru_error_message(), "\n  not used: c f32[3, 2]"));
    assert_null(strstr(maru_error_message(), " a f32"));
}

static void what_is_left_over_may_be_ignored(void **state)
{
    (void)state;
    assert_ok(build("extra_weights = 'ignore',", "w:get 'a'"));
    assert_ok(build("extra_weights = {'^b$', '^c', 'ha'},", "w:get 'a'"));
    assert_fails(build("extra_weights = {'^b$'},", "w:get 'a'"), MARU_FAILED_PRECONDITION, "not used: half f16[3, 2]");
    assert_fails(build("", "w:get 'none'"), MARU_FAILED_PRECONDITION, "missing: none");
}

static void views_and_names(void **state)
{
    (void)state;
    assert_ok(build("extra_weights = 'ignore',",
                    "local r = w:rename(function(n) return n == 'layer.x' and 'a' or nil end)\n"
                    "print(r:scope 'layer':get 'x', w:rename {q = 'b'}:get 'q', w:has 'c', w:has 'd', w:info "
                    "'half'.dtype)\n"
                    "print(w:get('half', {3, 2}, 'f32'), w:get 'a' == w:get 'a', #w:names(), w:tensor 'c')"));
    assert_string_equal(world.printed, "f32[3, 2]\tf32[3, 2]\ttrue\tfalse\tf16\nf32[3, 2]\ttrue\t4\tf32[3, 2]\n");
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("script_weights");
    open_script_world(&world);
    write_weights();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_script_world(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_problems_are_listed),
        cmocka_unit_test(what_is_left_over_may_be_ignored),
        cmocka_unit_test(views_and_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
