# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Scripts that are wrong, hostile, or meet weights and inputs that do not fit."""
import shutil
import subprocess

from harness import FAILED, INPUT, MEMORY, MODEL, floats, safetensors

HEAD = 'local maru = require "maru"\n'

GRAPH = 'function(m) m:output("y", -m:input("x", "f32", { 3 })) end'


def model(run=None, graph=GRAPH):
    return HEAD + f'return maru.model {{ name = "s", graph = {graph}' + (f", run = {run}" if run else "") + " }\n"


def test_main_chunk(b):
    cases = {
        "syntax": ("local x = = 1", ["syntax.lua:1", "="]),
        "raise": ('\n\nerror("boom")', ["raise.lua:3", "boom"]),
        "table": ("error({})", ["table.lua:1", "no text (a table)"]),
        "number": ("return 3", ["number.lua", "number"]),
        "nothing": ("", "nothing.lua"),
        "os": ('os.execute("touch owned")', ["os.lua:1", "os"]),
        "io": ('io.open("owned", "w")', ["io.lua:1", "io"]),
        "dofile": ('dofile("m.lua")', "dofile.lua:1"),
        "up": ('require "../m"', "../m"),
        "absolute": ('require "/etc/passwd"', "/etc/passwd"),
        "module": ('require "absent"', "absent"),
        "graph": (HEAD + 'return maru.model { name = "a" }', "graph"),
        "typo": (HEAD + f'return maru.model {{ graph = {GRAPH}, rnu = 1 }}', ["typo.lua:2", "'rnu'", "run"]),
    }
    for name, (text, words) in cases.items():
        b.write(f"{name}.lua", text)
        b.bad(INPUT, words, "run", f"{name}.lua", "-i", "x=[1,2,3]")
    b.check(not b.path("owned").exists(), "a script reaches nothing outside")
    b.write("folder/inside.txt", "")
    b.bad(INPUT, ["folder", "is a folder"], "run", "folder")
    b.write("text.lua", model())
    b.bad(INPUT, ["input 'x'", "f32", "'hello'"], "run", "text.lua", "-i", "x=hello")
    b.write("result.lua", model("function() return { y = print } end"))
    b.bad(INPUT, ["output 'y'", "function"], "run", "result.lua", "-i", "x=[1,2,3]")


def test_graph_function(b):
    cases = {
        "mismatch": ('function(m) m:output("y", m:input("x", "f32", {3}) + m:input("z", "f32", {4})) end',
                     ["mismatch.lua:2", "f32[3]", "f32[4]"]),
        "dtype": ('function(m) m:output("y", m:input("x", "f33", {3})) end', "f33"),
        "noout": ('function(m) m:input("x", "f32", {3}) end', "output"),
        "negative": ('function(m) m:output("y", m:input("x", "f32", {-3})) end', "-3"),
        "foreign": ('function(m) m:output("y", m) end', "foreign.lua:2"),
    }
    for name, (graph, words) in cases.items():
        b.write(f"{name}.lua", model(graph=graph))
        b.bad(INPUT, words, "run", f"{name}.lua", "-i", "x=[1,2,3]")


def test_run_function(b):
    cases = {
        "inside": ('function(m, i)\n error("inside it") end', ["inside.lua:3", "inside it"]),
        "nil": ("function(m, i) return nil end", []),
        "wrong": ("function(m, i) return m:session():run { z = i.x } end", "z"),
        "few": ("function(m, i) return m:session():run {} end", "x"),
        "kind": ("function(m, i) return { y = function() end } end", "function"),
    }
    for name, (run, words) in cases.items():
        b.write(f"{name}.lua", model(run))
        b.bad(INPUT, words, "run", f"{name}.lua", "-i", "x=[1,2,3]")
    b.write("yield.lua", model('function(m, i) coroutine.yield() end'))
    b.bad(INPUT, ["yield.lua:2", "yield"], "run", "yield.lua", "-i", "x=[1,2,3]")


def test_limits(b):
    bombs = {
        "loop": "while true do end",
        "table": "local t = {} while true do t[#t + 1] = { #t } end",
        "double": 'local s = "x" while true do s = s .. s end',
        "rep": 'return ("x"):rep(1 << 40)',
        "match": 'return (("a"):rep(30000)):find(("a*"):rep(30) .. "b")',
        "stack": "local function f() return 1 + f() end return f()",
        "pcall": "while true do pcall(function() while true do end end) end",
    }
    for name, text in bombs.items():
        b.write(f"{name}.lua", text)
        result = b.run("run", f"{name}.lua", "-i", "x=[1,2,3]", timeout=200)
        b.check(result.code in (MEMORY, INPUT) and result.error.startswith("maru: "), f"{name} is ended", result)
    b.write("late.lua", model("function(m, i) while true do end end"))
    result = b.run("run", "late.lua", "-i", "x=[1,2,3]", "--timeout", "300")
    b.check(result.code in (FAILED, MEMORY) and "deadline" in result.error, "a loop in run meets the deadline", result)


def test_binary(b):
    if shutil.which("luac5.4"):
        subprocess.run(["luac5.4", "-o", b.path("bin.lua"), b.path("m.lua")], check=True)
    else:
        b.write("bin.lua", b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08")
    b.bad(INPUT, ["bin.lua", "binary"], "run", "bin.lua")
    b.write("sub/inner.lua", b"\x1bLua\x54\x00")
    b.write("sub/outer.lua", 'return require "inner"')
    b.bad(INPUT, [], "run", "sub/outer.lua")


def test_weights(b):
    three = floats(10, 20, 30)
    two = HEAD + ('return maru.model { name = "two", graph = function(m)\n'
                  '  local x = m:input("x", "f32", { 3 })\n'
                  '  m:output("y", x + m.weights:get("a", { 3 }) + m.weights:get("b", { 2, 3 }) '
                  '+ m.weights:get("c", { 3 }))\nend }\n')
    b.write("two.lua", two)
    b.write("w.safetensors", safetensors({"b": ("F32", [3], three), "extra": ("F32", [3], three)}))
    listed = b.bad(INPUT, ["a", "b is f32[3]", "[2, 3]", "c", "extra"], "run", "two.lua", "-w", "w.safetensors",
                   "-i", "x=[1,2,3]")
    b.check(len(listed.error.splitlines()) == 5, "all at once, one a line", listed)
    b.bad(INPUT, "--weights", "run", "m.lua", "-i", "x=[1,2,3]")
    b.write("ok.safetensors", safetensors({"w": ("F32", [3], three)}))
    words = ["run", "m.lua", "-w", "ok.safetensors"]
    b.bad(INPUT, "x", *words)
    b.bad(INPUT, ["f32[3]", "[2]"], *words, "-i", "x=[1, 2]")
    b.bad(INPUT, ["foo", "scale"], *words, "-i", "x=[1,2,3]", "--set", "foo=1")
    b.bad(INPUT, ["scale", "big"], *words, "-i", "x=[1,2,3]", "--set", "scale=big")
    b.bad(INPUT, ["z", "x"], *words, "-i", "z=[1,2,3]")


COUNTER = HEAD + """
return maru.model {
  name = "counter",
  inputs = { x = { doc = "f32[3]" } },
  options = { by = { default = 1, doc = "times" } },
  graph = function(m)
    local sum = m:state("sum", "f32", { 3 })
    local now = sum + m:input("x", "f32", { 3 }) * m.options.by
    m:set_state("sum", now)
    m:output("now", now)
  end,
  run = function(m, input)
    m.state.runs = (m.state.runs or 0) + 1
    return { now = m:session():run({ x = input.x }).now, runs = m.state.runs }
  end,
}
"""

WHOLE = HEAD + """
local counter = require "counter"
return maru.model {
  name = "whole",
  options = { how = { default = "plain" } },
  parts = { one = counter, ten = { counter, options = { by = 10 } } },
  run = function(m, input)
    if m.options.how == "misnamed" then m:part "two" end
    if m.options.how == "graph" then m:session() end
    local one, ten = m:part("one"):run { x = input.x }, m:part("ten"):run { x = input.x }
    return { sum = one.now + ten.now, runs = one.runs + ten.runs, by = m:part("ten").options.by }
  end,
}
"""


def test_parts(b):
    """A model of several graphs: each part has options, states and a session of its own."""
    b.write("parts/counter.lua", COUNTER)
    b.write("parts/whole.lua", WHOLE)
    words = ["run", "parts/whole.lua", "-i", "x=[1,2,3]", "--json"]

    def got(*more):
        out = b.json(*words, *more)
        return out and (out["sum"]["data"], out["runs"]["data"], out["by"]["data"])
    b.check(got() == ([11, 22, 33], [2], [10]), "both parts ran")
    b.check(got("--set", "ten.by=2", "--set", "one.by=3") == ([5, 10, 15], [2], [2]), "options of parts")
    got("--save-state", "s.safetensors")
    b.check(got("--load-state", "s.safetensors", "--set", "ten.by=20") == ([32, 64, 96], [4], [20]), "states of parts")
    listed = b.good("dump", "s.safetensors").text
    b.check("one.sum" in listed and "ten.sum" in listed, f"they have the names of parts: {listed}")
    told = b.good("run", "parts/whole.lua", "--help").text
    b.check("one.by" in told and "ten.by" in told and "how" in told, f"help lists options of parts: {told}")
    profiled = b.good(*words[:-1], "--profile").text
    b.check("op " in profiled and "Add" in profiled, f"a profile has what parts did: {profiled}")
    b.check("sum" in b.good("dump", "parts/whole.lua", "--part", "ten").text, "the graph of a part")
    b.good("plan", "parts/whole.lua", "--part", "one")
    b.good("bench", "parts/whole.lua", "--part", "one", "--runs", "2")
    b.good("export", "parts/whole.lua", "--part", "ten", "-o", "ten.onnx")
    b.check(b.path("ten.onnx").exists(), "a part as an ONNX model")
    for names, more in [(["option be", "by"], ["--set", "ten.be=1"]), (["two.by", "how"], ["--set", "two.by=1"]),
                        (["by", "big"], ["--set", "one.by=big"]), (["'two'", "one, ten"], ["--set", "how=misnamed"]),
                        (["no graph of its own", "one, ten"], ["--set", "how=graph"]),
                        (["one.sum"], ["--load-state", "other.safetensors"])]:
        b.write("other.safetensors", safetensors({"ten.sum": ("F32", [3], floats(1, 2, 3))}))
        b.bad(INPUT, names, *words, *more)
    for word in ["dump", "plan", "bench"]:
        b.bad(INPUT, ["whole", "no graph of its own", "one, ten"], word, "parts/whole.lua")
        b.bad(INPUT, ["'three'", "one, ten"], word, "parts/whole.lua", "--part", "three")
    run = "run = function() return {} end"
    for text, names in [("parts = 3, " + run, "'parts'"), ("parts = {}", "'run'"), ("parts = { a = 3 }, " + run, "'a'"),
                        ("parts = { 3 }, " + run, "name = model"), ("parts = { a = { name = 1 } }, graph = 1, " + run, "'graph'")]:
        b.write("parts/bad.lua", HEAD + "return maru.model { " + text + " }")
        b.bad(INPUT, names, "run", "parts/bad.lua")


def test(b):
    b.write("m.lua", MODEL)
    test_parts(b)
    test_main_chunk(b)
    test_graph_function(b)
    test_run_function(b)
    test_limits(b)
    test_binary(b)
    test_weights(b)
