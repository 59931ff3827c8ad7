// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Memory runs out at every allocation of Lua's in turn: each time the script
 * fails with RESOURCE_EXHAUSTED and nothing is leaked, which the address
 * sanitizer checks.
 */

#include "script/script_test.h"

#include <maru/weights.h>

static const char text[] =
    "local maru, nn = require 'maru', require 'maru.nn'\n"
    "local held = maru.tensor({{1, 2}, {3, 4}}, 'f32')\n"
    "held = (held * 2 + held:transpose()):softmax(0):slice(0, 0, 1)\n"
    "return maru.model { name = 'leaks', weights = 'w.safetensors', inputs = { x = { doc = 'd' } },\n"
    "  options = { a = { default = 1 } },\n"
    "  graph = function(m)\n"
    "    local n = m:symbol 'n'\n"
    "    local x = m:input('x', 'f32', {n, 2})\n"
    "    local y = m:scope('layer', nn.linear, m.weights:scope 'l', x, 3)\n"
    "    y = maru.concat({y, x:reshape {-1, 2}}, 1) + held:sum()\n"
    "    y = maru.op('Softmax', {y}, {axis = -1}) + m:constant(maru.zeros {5}):gelu()\n"
    "    local s = m:state('s', 'f32', {1}) m:set_state('s', s + 1)\n"
    "    for w in ('a b c'):gmatch '%w' do y = y + #w end\n"
    "    m:output('y', y:topk(2))\n"
    "  end }";

static void write_weights(void)
{
    const int64_t dims[2] = {3, 2};
    maru_tensor tensors[2] = {0};
    const char *const names[2] = {"l.weight", "l.bias"};
    assert_ok(maru_tensor_create(MARU_F32, dims, 2, &tensors[0]));
    assert_ok(maru_tensor_create(MARU_F32, dims, 1, &tensors[1]));
    assert_ok(maru_weights_save(scratch_path("w.safetensors"), names, tensors, 2, NULL, 0));
    maru_tensor_destroy(&tensors[0]);
    maru_tensor_destroy(&tensors[1]);
}

/* The whole of a script's work without a device: true when memory sufficed. */
static bool work(script_world *w, uint64_t fail_allocation)
{
    maru_graph *graph = NULL;
    maru_status status = load_text(w, text, (maru_script_limits){.fail_allocation = fail_allocation});
    if (status == MARU_OK) {
        float data[2] = {1, 2};
        const int64_t dims[2] = {1, 2};
        maru_file_value value = {0};
        assert_ok(maru_tensor_wrap(MARU_F32, dims, 2, data, sizeof data, &value.tensor));
        status = maru_script_set_input(w->script, "x", &value);
    }
    if (status == MARU_OK)
        status = maru_script_graph(w->script, &graph);
    maru_graph_destroy(&graph);
    if (status != MARU_OK && status != MARU_RESOURCE_EXHAUSTED)
        fail_msg("allocation %llu: %s: %s", (unsigned long long)fail_allocation, maru_status_name(status),
                 maru_error_message());
    return status == MARU_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    script_world w;
    open_script_world(&w);
    assert_true(work(&w, 0));
    uint64_t n = 1;
    while (!work(&w, n))
        n++;
    assert_true(n > 500);
    print_message("%llu allocations\n", (unsigned long long)n);
    close_script_world(&w);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("script_leaks");
    write_weights();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
