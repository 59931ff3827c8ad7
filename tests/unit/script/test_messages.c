// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* What a mistake in a script is answered with: the script's line, the operation, both shapes, what would fit. */

#include "script/script_test.h"

static script_world world;

/* Loads a model whose graph function is `body`, from line 3 on, and makes its graph. */
static maru_status build(const char *body)
{
    char text[4096];
    maru_graph *graph = NULL;
    snprintf(text, sizeof text,
             "local maru, nn = require 'maru', require 'maru.nn'\n"
             "return maru.model { name = 'test', options = { n = { default = 1 } }, graph = function(m)\n%s\n"
             "m:output('last', m:constant(maru.zeros {1})) end }", body);
    maru_status status = load_text(&world, text, (maru_script_limits){0});
    if (status == MARU_OK)
        status = maru_script_graph(world.script, &graph);
    maru_graph_destroy(&graph);
    return status;
}

/* The message after the folder of the script. */
static void says(const char *body, const char *wanted)
{
    assert_int_not_equal(build(body), MARU_OK);
    const char *at = strstr(maru_error_message(), "/script.lua:");
    assert_string_equal(at ? at + 1 : maru_error_message(), wanted);
}

static void prints(const char *body, const char *wanted)
{
    assert_ok(build(body));
    assert_string_equal(world.printed, wanted);
}

#define XY "local batch = m:symbol 'batch' local x = m:input('x', 'f32', {batch, 768})\n"

static void shapes_are_told(void **state)
{
    (void)state;
    says(XY "local w = m:constant(maru.zeros {512, 10})\nlocal y = x:matmul(w)",
         "script.lua:5: MatMul: inner dims differ: 768 vs 512 in f32[batch, 768] times f32[512, 10]");
    says(XY "x:reshape {batch, 7, -1, -1}", "script.lua:4: reshape: only one dim may be -1");
    says(XY "x:softmx(-1)", "script.lua:4: a tensor has no method or operator 'softmx'; did you mean 'softmax'?");
    says(XY "maru.op('Softmax', {x}, {axes = 1})",
         "script.lua:4: Softmax has no attribute 'axes'; it has \"axis:i=-1\"");
    says(XY "maru.op('Softmax', {x}, {axis = 'f16x'})",
         "script.lua:4: no dtype has the name \"f16x\": say \"f32\", \"i64\", ...");
    says(XY "m:output('y', 3)", "script.lua:4: a tensor of the graph was expected, not number");
    says(XY "x:cast 'float'", "script.lua:4: no dtype has the name \"float\": say \"f32\", \"i64\", ...");
    says("m:input('x', 'f32', {2.5})", "script.lua:3: a dim must be a whole number or a dim, not 2.5");
    says("m:input('x', 'f32', {-2})", "script.lua:3: a dim of -2 is negative");
    says("local d = m:symbol 'd' / 2", "script.lua:3: dims are whole numbers: use // in place of /");
}

/* A mistyped method is answered with what there is. */
static void what_exists_is_told(void **state)
{
    (void)state;
    says("m:dim 'n'", "script.lua:3: a model has no method 'dim'; it has: constant, emit, file, flow, has_file, input, "
                      "json, output, parameter, part, run, scope, session, set_state, shape, symbol, tokenizer");
    says("m:symbl 'n'", "script.lua:3: a model has no method 'symbl'; did you mean 'symbol'?");
    says("m.inptu('x')", "script.lua:3: a model has no method 'inptu'; did you mean 'input'?");
    says("m:scope('s', function()\nm:symbl 'n' end)",
         "script.lua:4: a model has no method 'symbl'; did you mean 'symbol'?");
    says("local none = m.dim local t = {} t:cut()", "script.lua:3: attempt to call a nil value (method 'cut')");
    prints("m.mine = m.mine or 3 print(m.mine, m.other)", "3\tnil\n");
    says(XY "x:reducemaen(1)", "script.lua:4: a tensor has no method or operator 'reducemaen'; did you mean "
                               "'reducemean'?");
    says("maru.zeros({2}):summ()", "script.lua:3: a tensor in memory has no method 'summ'; did you mean 'sum'?");
    says("m:symbol('d'):maxx(3)", "script.lua:3: a dim has no method 'maxx'; did you mean 'max'?");
    says("m:symbol('d'):power(3)", "script.lua:3: a dim has no method 'power'; it has: ceildiv, max, min");
    assert_int_not_equal(build(XY "x:unknown_operator()"), MARU_OK);
    assert_non_null(strstr(maru_error_message(), "'unknown_operator'; it has: argmax, cast, clip, "));
    assert_non_null(strstr(maru_error_message(), ", and every operator"));
}

/* Lua's own messages have no position where C raised them, and a table is no message at all. */
static void every_error_has_a_line(void **state)
{
    (void)state;
    says("\nerror({})", "script.lua:4: the script raised a value that is no text (a table)");
    says("error()", "script.lua:3: the script raised a value that is no text (a nil)");
    says("error(setmetatable({}, {__tostring = function() return 'mine' end}))", "script.lua:3: mine");
    says("local none\nnn.linear(none, none)", "script.lua:4: maru.nn:17: attempt to index a nil value (local 'x')");
    says("error('plain', 0)", "script.lua:3: plain");
    says("table.sort {1, 'x'}", "script.lua:3: attempt to compare string with number");
    says("coroutine.yield(1)", "script.lua:3: coroutine.yield: this is no coroutine, nothing resumes it");
    assert_fails(build("coroutine.wrap(function()\nm:scope('s', function() coroutine.yield() end) end)()"),
                 MARU_INVALID_ARGUMENT, "script.lua:4: coroutine.yield: not from within a function that the host "
                                        "calls, as those given to m:scope, t:map and table.sort");
    prints("local f = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)\n"
           "print(f(1), f(10), (pcall(coroutine.yield)))",
           "2\t20\tfalse\n");
    assert_ok(build("local ok, e = pcall(error, {7}) print(ok, e[1])"));
    assert_string_equal(world.printed, "false\t7\n");
}

/* The line is that of the script, not of the library's function. */
static void the_library_is_passed_over(void **state)
{
    (void)state;
    says(XY "nn.rotary_tables(4, 4, 1, {type = 'odd'})", "script.lua:4: rope_scaling of type 'odd' is not known");
    says(XY "nn.rotary(x, x, x, x)",
         "script.lua:4: RotaryEmbedding: input 0 has rank 2: rank 4, or rank 3 with num_heads, would fit");
    says("nn.activation 'gleu'", "script.lua:3: there is no activation 'gleu'");
    says("m.weights:get 'w'", "script.lua:3: there are no weights: give --weights FILE or FOLDER");
}

static void integer_products_are_operators_too(void **state)
{
    (void)state;
    prints(XY "local y, scale, zero = x:dynamic_quantize_linear()\n"
           "local w = m:constant(maru.zeros({768, 10}, 'i8'))\n"
           "local shifted = maru.op('MatMulInteger', {y, w, false, m:constant(-3, 'i8')})\n"
           "print(y, scale, zero, y:matmul_integer(w, zero), shifted.dtype)\n",
           "u8[batch, 768]\tf32[]\tu8[]\ti32[batch, 10]\ti32\n");
    prints("local x = m:input('x', 'u8', {1, 4, 9, 9})\nlocal w = m:constant(maru.zeros({6, 2, 3, 3}, 'i8'))\n"
           "local s, z = m:constant(0.5, 'f32'), m:constant(3, 'i8')\n"
           "print(x:conv_integer(w, {group = 2}))\n"
           "print(x:qlinear_conv(s, 7, w, s, z, s, 9, {group = 2, pads = {1, 1, 1, 1}}))",
           "i32[1, 6, 7, 7]\nu8[1, 6, 9, 9]\n");
    says(XY "x:matmul_integer(x)", "script.lua:4: MatMulInteger: input 0 is f32, it must be i8 or u8");
}

static void things_print(void **state)
{
    (void)state;
    prints(XY "print(x, x.rank, x.dtype, x.shape[1], x.shape[2])", "f32[batch, 768]\t2\tf32\tbatch\t768\n");
    prints(XY "print(x:reshape {batch, -1, 32}, x:transpose(1, 0), x:mean(-1), x:sum(0, true))",
           "f32[batch, 24, 32]\tf32[768, batch]\tf32[batch]\tf32[1, 768]\n");
    prints(XY "print(x + 1, 2 * x, x ^ 2, -x, x // 2, x % 3, x / x)",
           "f32[batch, 768]\tf32[batch, 768]\tf32[batch, 768]\tf32[batch, 768]\tf32[batch, 768]\tf32[batch, 768]\t"
           "f32[batch, 768]\n");
    prints(XY "print(batch * 2 + 1, batch - 1, batch // 2, batch:max(4), batch == m:symbol 'batch')",
           "batch*2 + 1\tbatch - 1\tbatch//2\tmax(4, batch)\ttrue\n");
    prints(XY "print(maru.concat({x, x}, 1), maru.where(x:greater(0), x, 0), x:split(1, 2))",
           "f32[batch, 1536]\tf32[batch, 768]\tf32[batch, 384]\tf32[batch, 384]\n");
    prints(XY "print(x:slice(0, -1), x:slice(1, 2, 5), x:unsqueeze(1, 2), x:gelu(), x:topk(3))",
           "f32[1, 768]\tf32[batch, 3]\tf32[batch, 1, 1, 768]\tf32[batch, 768]\tf32[batch, 3]\ti64[batch, 3]\n");
}

static void host_tensors_compute(void **state)
{
    (void)state;
    prints("local t = maru.tensor {{1, 2, 3}, {4, 5, 6}} print(t, t:sum(), t:mean(1):get(1), t:max(), t:argmax())",
           "i64[2, 3]\t21.0\t5\t6.0\t5\n");
    prints("local t = maru.tensor({1, 2}, 'f32') print((t * 2 + 1):get(1), (1 - t):get(0), (t / t:reshape {2, "
           "1}):get(0, 1))",
           "5.0\t0.0\t2.0\n");
    prints("local t = maru.arange(6):reshape {2, 3} print(t:transpose():get(2, 1), t:slice(1, 1):get(1, 0), "
           "t:reshape {-1})",
           "5\t4\ti64[6]\n");
    prints("local v, i = maru.tensor({3, 1, 9}, 'f32'):topk(2) print(v[1], i[1], v[2], i[2])", "9.0\t2\t3.0\t0\n");
    prints("print(maru.tensor({0, 0}, 'f32'):softmax():get(0), maru.join({maru.zeros {1, 2}, maru.zeros {3, 2}}, 0))",
           "0.5\tf32[4, 2]\n");
    prints("local a = maru.random({4}, 7):totable() local b = maru.random({4}, 7):totable()\n"
           "print(a[1] == b[1], a[1] ~= a[2], a[3] >= 0 and a[3] < 1)", "true\ttrue\ttrue\n");
    says("maru.tensor {{1, 2}, {3}}", "script.lua:3: tensor: every table at depth 2 must have 2 items");
    says("maru.zeros({2}):get(2)", "script.lua:3: position 2 of axis 0, which has 2");
    says("local t = maru.zeros({2}) + maru.zeros({3})",
         "script.lua:3: f32[2] and f32[3] do not go together: axis 0 has 2 and 3");
}

static void pictures_become_inputs(void **state)
{
    (void)state;
    prints("local image = require 'maru.image'\n"
           "local p = maru.tensor({{{0, 255, 51}, {255, 0, 102}}}, 'u8')\n"
           "local x = image.to_input(p, {mean = {0, 1, 0.2}, std = 0.5})\n"
           "print(x, x:get(0, 0, 0, 1), x:get(0, 1, 0, 0), image.to_input(p, {channels = 1}))\n"
           "print(image.from_output(image.to_input(p)):get(0, 1, 2), image.from_output(image.to_input(p)))\n"
           "local v = m:input('v', 'f32', {1, 3, 4, 4}) print(image.resize(v, 8, 6))\n"
           "print(image.top(maru.tensor({0.1, 0.7, 0.2}, 'f32'), 2, {'a', 'b', 'c'})[1].label)",
           "f32[1, 3, 1, 2]\t2.0\t0.0\tf32[1, 1, 1, 2]\n102\tu8[1, 2, 3]\nf32[1, 3, 8, 6]\nb\n");
}

static void options_are_checked(void **state)
{
    (void)state;
    const char text[] = "local maru = require 'maru'\n"
                        "return maru.model { graph = function() end,\n"
                        "  options = { a = { default = 1 }, b = { default = 'x' }, c = { default = {1, 2} } } }";
    const char *path = scratch_write("script.lua", text, strlen(text));
    maru_script_setting setting = {"d", "1"};
    const maru_script_params params = {.library = library_folder(), .settings = &setting, .n_settings = 1};
    maru_script *script = NULL;
    assert_fails(maru_script_load(world.runtime, path, &params, &script), MARU_NOT_FOUND,
                 "there is no option d; there is: a, b, c");
    setting = (maru_script_setting){"a", "many"};
    assert_fails(maru_script_load(world.runtime, path, &params, &script), MARU_INVALID_ARGUMENT,
                 "option a = many: a number is needed");
    setting = (maru_script_setting){"b", "17"};
    assert_ok(maru_script_load(world.runtime, path, &params, &script));
    maru_script_destroy(&script);
    setting = (maru_script_setting){"c", "[3, 4]"};
    assert_ok(maru_script_load(world.runtime, path, &params, &script));
    maru_script_destroy(&script);
}

static void descriptions_are_checked(void **state)
{
    (void)state;
    script_world *w = &world;
    const maru_script_limits none = {0};
    assert_fails(load_text(w, "return 1", none), MARU_INVALID_ARGUMENT, "must return what maru.model { ... } gives");
    assert_fails(load_text(w, "return require 'maru'.model { graph = 1 }", none), MARU_INVALID_ARGUMENT,
                 "script.lua:1: maru.model: 'graph' must be a function, not number");
    assert_fails(load_text(w, "x = = 1", none), MARU_INVALID_ARGUMENT, "unexpected symbol near '='");
    assert_ok(load_text(w, "return require 'maru'.model { name = 'n', doc = 'd', graph = function() end,\n"
                           "inputs = { { name = 'z', doc = 'last' }, { name = 'a' } }, options = { q = {}, b = "
                           "{} } }", none));
    const char *name = NULL;
    const char *doc = NULL;
    assert_string_equal(maru_script_name(w->script), "n");
    assert_string_equal(maru_script_doc(w->script), "d");
    assert_true(maru_script_describe(w->script, MARU_SCRIPT_INPUTS, 0, &name, &doc));
    assert_string_equal(name, "z");
    assert_string_equal(doc, "last");
    assert_true(maru_script_describe(w->script, MARU_SCRIPT_OPTIONS, 0, &name, &doc));
    assert_string_equal(name, "b");
    assert_false(maru_script_describe(w->script, MARU_SCRIPT_OUTPUTS, 0, &name, &doc));
    maru_file_value value = {0};
    assert_fails(maru_script_set_input(w->script, "y", &value), MARU_NOT_FOUND, "n has no input 'y'; it has: z, a");
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("messages");
    open_script_world(&world);
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
        cmocka_unit_test(shapes_are_told),
        cmocka_unit_test(what_exists_is_told),
        cmocka_unit_test(every_error_has_a_line),
        cmocka_unit_test(the_library_is_passed_over),
        cmocka_unit_test(integer_products_are_operators_too),
        cmocka_unit_test(things_print),
        cmocka_unit_test(host_tensors_compute),
        cmocka_unit_test(pictures_become_inputs),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(descriptions_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
