// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/* Scripts that do harm: each must end soon, with the right error, and free everything. */

#include "script/script_test.h"

static const maru_script_limits small = {.memory_bytes = 16 * 1024 * 1024, .instructions = 3 * 1000 * 1000};

/* The script must fail with RESOURCE_EXHAUSTED and a sentence with `part`. */
static void must_exhaust(const char *text, const char *part)
{
    script_world w;
    open_script_world(&w);
    const int64_t begin = maru_os_now_ns();
    assert_fails(load_text(&w, text, small), MARU_RESOURCE_EXHAUSTED, part);
    assert_true(maru_os_now_ns() - begin < (int64_t)20 * 1000 * 1000 * 1000);
    close_script_world(&w);
}

static void must_fail(const char *text, const char *part)
{
    script_world w;
    open_script_world(&w);
    assert_fails(load_text(&w, text, small), MARU_INVALID_ARGUMENT, part);
    close_script_world(&w);
}

/* The main chunk must reach the end, where it prints "ok". */
static void must_print_ok(const char *text)
{
    script_world w;
    char whole[2048];
    open_script_world(&w);
    snprintf(whole, sizeof whole, "%s\nprint 'ok'\nreturn require 'maru'.model { graph = function() end }", text);
    assert_ok(load_text(&w, whole, small));
    assert_string_equal(w.printed, "ok\n");
    close_script_world(&w);
}

static const char limit[] = "instruction limit";

static void loops_end(void **state)
{
    (void)state;
    must_exhaust("while true do end", limit);
    must_exhaust("local function f() return f() end f()", limit);
    must_exhaust("for i = 1, math.maxinteger do end", limit);
    must_exhaust("while true do pcall(error) end", limit);
}

static void limits_pass_through_what_catches(void **state)
{
    (void)state;
    must_exhaust("pcall(function() while true do end end) print 'caught'", limit);
    must_exhaust("while true do pcall(function() while true do end end) end", limit);
    must_exhaust("xpcall(function() while true do end end, function() return 1 end) while true do end", limit);
    must_exhaust("xpcall(error, function() while true do end end)", limit);
    must_exhaust("coroutine.wrap(function() while true do end end)()", limit);
    must_exhaust("coroutine.resume(coroutine.create(function() while true do end end))", limit);
    must_exhaust("local c = coroutine.create(function() pcall(function() coroutine.yield() while true do end "
                 "end) end)\n"
                 "coroutine.resume(c) coroutine.resume(c)", limit);
    must_exhaust("local t = setmetatable({}, {__close = function() while true do end end})\n"
                 "pcall(function() local x <close> = t error 'x' end)", limit);
    must_exhaust("local t = setmetatable({}, {__index = function() while true do end end}) pcall(function() "
                 "return t.x end)",
                 limit);
    must_exhaust("coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true "
                 "do end end})\n"
                 "while true do end end)()", limit);
    must_exhaust("local c = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() "
                 "while true do end end})\n"
                 "coroutine.yield() end) coroutine.resume(c) coroutine.close(c)", limit);
    must_exhaust("xpcall(function() while true do end end, function() while true do end end)", limit);
    must_exhaust("table.sort({3, 2, 1}, function() while true do end end)", limit);
    must_exhaust("while true do coroutine.wrap(function() for i = 1, 300 do end end)() end", limit);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    static const char part[] = "limit";
    must_exhaust("local t = {} for i = 1, 1e9 do t[i] = {i} end", "");
    must_exhaust("local s = 'x' while true do s = s .. s end", part);
    must_exhaust("string.rep('x', 1 << 40)", part);
    must_exhaust("pcall(string.rep, 'x', 1 << 40) while true do end", part);
    must_exhaust("coroutine.resume(coroutine.create(function() string.rep('x', 1 << 40) end))", part);
    must_exhaust("require 'maru'.zeros({1 << 36}, 'f32')", "");
    must_exhaust("local t = {} while true do t[#t + 1] = require 'maru'.zeros({1 << 20}, 'f32') end", "");
}

static void library_functions_are_bounded(void **state)
{
    (void)state;
    must_fail("string.find(string.rep('a', 3000), string.rep('a?', 1500) .. 'b')", "too complex");
    must_exhaust("string.find(string.rep('a', 100), string.rep('a?', 60) .. string.rep('a', 60) .. 'b')", limit);
    must_exhaust("string.match(string.rep('a', 100000), '.-.-.-.-b')", limit);
    must_exhaust("for _ in string.gmatch(string.rep('a', 100000), '.-.-.-b') do end", limit);
    must_exhaust("string.gsub(string.rep('a', 100000), '.-.-.-b', '')", limit);
    must_exhaust("while true do string.find(string.rep('a', 100000), 'b', 1, true) end", limit);
    must_exhaust("string.rep('', 1 << 60) string.rep('x', 0) while true do string.rep('', 1 << 60) end", limit);
    must_exhaust("table.move({}, 1, 1 << 60, 2)", limit);
    must_exhaust("table.concat({}, '', 1, 1 << 60)", "");
    must_exhaust("while true do utf8.len(string.rep('a', 1000000)) end", limit);
    must_fail("table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)", "__len");
    must_fail("string.find('a', string.rep('(', 40))", "captures");
    must_fail("string.find(string.rep('a', 1000), string.rep('(a', 250))", "");
}

static void what_is_not_there(void **state)
{
    (void)state;
    must_print_ok("assert(not io and not os and not package and not debug and not dofile and not loadfile)");
    must_print_ok("assert(not string.dump and not require 'maru'.open)");
    must_print_ok("assert(collectgarbage 'count' > 0)");
    must_fail("collectgarbage()", "\"count\"");
    must_fail("collectgarbage 'stop'", "\"count\"");
    must_fail("setmetatable({}, {__gc = function() end})", "__gc");
    must_print_ok("local f, e = load '\\27Lua' assert(not f and e:find 'binary')");
    must_print_ok("local n = 0 assert(not load(function() n = n + 1 return n == 1 and '\\27Lua' or nil end, 'x', "
                  "'b'))");
    must_print_ok("assert(load('return 1 + 1', 'x', 't', {})() == 2)");
    must_print_ok("local t = require 'maru'.zeros {1} assert(getmetatable(t) == false and not "
                  "pcall(setmetatable, t, {}))");
    must_fail("require '../secret'", "no name of a module");
    must_fail("require '/etc/passwd'", "no name of a module");
    must_print_ok("local ok, e = pcall(require, 'nothing.there') assert(not ok and e:find 'no module')");
}

static void a_finaliser_set_later_is_none(void **state)
{
    (void)state;
    must_print_ok("local mt = {} local t = setmetatable({}, mt) mt.__gc = function() while true do end end t = nil\n"
                  "for i = 1, 1e5 do local x = {} end");
}

/* The patterns are our own: they must give what Lua's give. */
static void patterns_are_lua_s(void **state)
{
    (void)state;
    must_print_ok("assert(('hello world'):find 'o w' == 5)\n"
                  "local a, b, c = ('key = value'):find '^(%w+)%s*=' assert(a == 1 and b == 5 and c == 'key')\n"
                  "assert(('  x  '):match '^%s*(.-)%s*$' == 'x')\n"
                  "assert(('f(a(b)c)d'):match '%b()' == '(a(b)c)')\n"
                  "assert(('THE (quick) fox'):find '%f[%a]%a+%f[%A]' == 1)\n"
                  "assert(('abcabc'):match '(a)(b)c%1%2' == 'a')\n"
                  "assert(('hello'):match '()ll()' == 3 and select(2, ('hello'):match '()ll()') == 5)\n"
                  "assert(('a.b-c'):gsub('[%.%-]', '_') == 'a_b_c')\n"
                  "assert(('abc'):gsub('%w', '%0%0') == 'aabbcc')\n"
                  "assert(('abc'):gsub('', '-') == '-a-b-c-')\n"
                  "assert(('hello world'):gsub('o', {o = '0'}) == 'hell0 w0rld')\n"
                  "assert(select(2, ('abc'):gsub('.', function() end)) == 3)\n"
                  "assert(('x = 1'):match '[^=]+' == 'x ' and ('a]b'):match '[]]' == ']')\n"
                  "assert(('[x]'):match '[%[%]]' == '[' and ('5-3'):match '[0-9]-3' == '3')");
    must_print_ok("local t = {} for k, v in ('a=1, b=2'):gmatch '(%w+)=(%w+)' do t[k] = v end assert(t.a == '1' "
                  "and t.b == '2')\n"
                  "local n = 0 for _ in ('abc'):gmatch '' do n = n + 1 end assert(n == 4)\n"
                  "assert(('abc'):find('b', -2) == 2 and ('abc'):find('', 10) == nil and ('a+b'):find('+', 1, "
                  "true) == 2)\n"
                  "assert(('\\0a'):find '%z' == nil or true)\n"
                  "assert(not pcall(string.find, 'a', '[a') and not pcall(string.find, 'a', '%'))\n"
                  "assert(not pcall(string.gsub, 'a', 'a', '%2') and not pcall(string.find, 'a', '%1'))\n"
                  "assert(string.rep('ab', 3, ',') == 'ab,ab,ab' and string.rep('', 5) == '' and string.rep('x', "
                  "-1) == '')");
}

static void library_functions_still_work(void **state)
{
    (void)state;
    must_print_ok("local t = {3, 1, 2} table.sort(t) assert(table.concat(t, ' ') == '1 2 3')\n"
                  "table.insert(t, 4) table.insert(t, 1, 0) assert(table.remove(t) == 4 and #t == 4)\n"
                  "assert(select('#', table.unpack(t)) == 4 and table.move(t, 1, 2, 3)[4] == 1)\n"
                  "assert(utf8.len 'é' == 1 and ('x'):upper() == 'X' and (' %d'):format(3) == ' 3')\n"
                  "local ok, e = pcall(error, {code = 1}) assert(not ok and e.code == 1)\n"
                  "assert(select('#', pcall(function() return 1, nil end)) == 3)\n"
                  "assert(xpcall(function(x) return x end, print, 5) and select(2, xpcall(error, function(e) "
                  "return e .. '!' end, 'a')) == 'a!')\n"
                  "local c = coroutine.wrap(function(a) local b = pcall(coroutine.yield, a) return b end)\n"
                  "assert(c(7) == 7 and c() == true)");
}

static int set_up(void **state)
{
    (void)state;
    scratch_make("sandbox");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_end),
        cmocka_unit_test(limits_pass_through_what_catches),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(library_functions_are_bounded),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(a_finaliser_set_later_is_none),
        cmocka_unit_test(patterns_are_lua_s),
        cmocka_unit_test(library_functions_still_work),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
