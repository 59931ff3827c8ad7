// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Memory runs out at every allocation of Lua's in turn: each time the script
 * fails with RESOURCE_EXHAUSTED and nothing is leaked, which the address
 * sanitizer checks.
 */

#include "script/script_test.h"

#include <maru/weights.h>

/* ThreadSanitizer keeps memory of every state that ever was, and looks for races, not leaks: a sample will do. */
#if defined(__SANITIZE_THREAD__)
#define STEP 13
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STEP 13
#endif
#endif
#ifndef STEP
#define STEP 1
#endif

static const char text[] =
    "local maru, nn = require 'maru', require 'maru.nn'\n"
    "local held = maru.tensor({{1, 2}, {3, 4}}, 'f32')\n"
    "held = (held * 2 + held:transpose()):softmax(0):slice(0, 0, 1)\n"
    "local f = maru.tensor({0, 1, 2, 3, 4, 5}, 'f32')\n"
    "f = f:rfft(7):irfft(7):reshape {1, 7}:matmul(maru.zeros {7, 2}) f = f:exp():log():sqrt():abs():floor():sigmoid()\n"
    "f:clip(0, 1):greater(0.5)\n"
    "pcall(f.rfft, f, 0) pcall(f.irfft, f) pcall(f.matmul, f, held)\n"
    "local sound = maru.decode('RIFF' .. ('<I4'):pack(40) .. 'WAVEfmt ' ..\n"
    "  ('<I4I2I2I4I4I2I2'):pack(16, 1, 1, 8000, 16000, 2, 16) .. 'data' .. ('<I4i2i2'):pack(4, 1, 2))\n"
    "sound:set_sample_rate(sound.sample_rate) pcall(maru.decode, 'no picture')\n"
    "maru.decode('BM' .. ('<I4I4I4I4i4i4I2I2I4I4i4i4I4I4'):pack(58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) ..\n"
    "  '1230')\n"
    "return maru.model { name = 'leaks', weights = 'w.safetensors', inputs = { x = { doc = 'd' } },\n"
    "  options = { a = { default = 1 } },\n"
    "  parts = { p = { maru.model { options = { k = { default = 1 } }, graph = print }, options = { k = 2 } } },\n"
    "  graph = function(m)\n"
    "    held = held * m:part 'p'.options.k pcall(m.part, m, 'q')\n"
    "    local n = m:symbol 'n'\n"
    "    local x = m:input('x', 'f32', {n, 2})\n"
    "    local y = m:scope('layer', nn.linear, m.weights:scope 'l', x, 3)\n"
    "    y = maru.concat({y, x:reshape {-1, 2}}, 1) + held:sum()\n"
    "    y = maru.op('Softmax', {y}, {axis = -1}) + m:constant(maru.zeros {5}):gelu()\n"
    "    local net = maru.onnx('p.onnx', { dims = { n = 'n', x = { n, 5 } }, outputs = { 'y' },\n"
    "      known = { v = false }, weights = { w = maru.tensor({ 2 }, 'f32') } })\n"
    "    y = net(y) + net { x = y, w = false } held = held + #net.metadata.k\n"
    "    pcall(net, y, y) pcall(maru.onnx, '../p.onnx')\n"
    "    m:output(net.inputs[1].name .. #net.outputs, maru.onnx('p.onnx',\n"
    "      { known = { x = maru.zeros { 1, 5 } } })())\n"
    "    local s = m:state('s', 'f32', {1}) m:set_state('s', s + 1)\n"
    "    for w in ('a b c'):gmatch '%w' do y = y + #w end\n"
    "    m:output('y', y:topk(2))\n"
    "  end }";

/* y = x + w: x f32[n, 5], w f32[1] */
static void write_onnx(void)
{
    static const char model[] =
        "\x08\x08:N\n\x0e\n\x01x\n\x01w\x12\x01y\"\x03" "Add"
        "\x12\x01g*\r\x08\x01\x10\x01\"\x04\0\0\x80?" "B\x01w"
        "Z\x14\n\x01x\x12\x0f\n\r\x08\x01\x12\t\n\x03\x12\x01n\n\x02\x08\x05"
        "b\x14\n\x01y\x12\x0f\n\r\x08\x01\x12\t\n\x03\x12\x01n\n\x02\x08\x05"
        "B\x02\x10\x15" "r\x06\n\x01k\x12\x01v";
    scratch_write("p.onnx", model, sizeof model - 1);
}

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

/* The message of an error is made by code that may run out of memory, too. */
static void an_explanation_may_fail(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "error({})", "m:symbl 'n'", "m:nothing_like_it()", "m:symbol('n'):maxx()", "coroutine.yield()",
        "coroutine.wrap(function() m:scope('s', coroutine.yield) end)()", "table.sort {1, 'x'}",
        "require 'maru'.zeros({1}):summ()", "require 'maru'.onnx 'absent.onnx'",
    };
    script_world w;
    open_script_world(&w);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        maru_status status = MARU_RESOURCE_EXHAUSTED;
        char script[256];
        snprintf(script, sizeof script, "return require 'maru'.model { graph = function(m) %s end }", wrong[i]);
        for (uint64_t n = 1; status == MARU_RESOURCE_EXHAUSTED; n += STEP) {
            maru_graph *graph = NULL;
            status = load_text(&w, script, (maru_script_limits){.fail_allocation = n});
            if (status == MARU_OK)
                status = maru_script_graph(w.script, &graph);
            assert_int_not_equal(status, MARU_OK);
            assert_null(graph);
        }
        assert_non_null(strstr(maru_error_message(), "script.lua:1: "));
    }
    close_script_world(&w);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    script_world w;
    open_script_world(&w);
    assert_true(work(&w, 0));
    uint64_t n = 1;
    while (!work(&w, n))
        n += STEP;
    assert_true(n > 500);
    print_message("%llu allocations\n", (unsigned long long)n);
    close_script_world(&w);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("script_leaks");
    write_weights();
    write_onnx();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(an_explanation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
