# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX models whose data decides what is computed: they run in stages."""
import time

import onnx_file as o
from harness import FAILED, INPUT, UNSUPPORTED

I64, F32, BOOL, TEXT = o.INT64, o.FLOAT, o.BOOL, 8


def save(b, nodes, inputs, outputs, tensors=(), version=21, **more):
    b.path("m.onnx").write_bytes(o.model(o.graph(nodes, inputs, outputs, tensors), version, **more))


def run(b, *inputs):
    words = [word for text in inputs for word in ("--input", text)]
    return b.json("run", "m.onnx", *words, "--json")


def body(nodes, inputs, outputs, tensors=()):
    return ("graph", o.graph(nodes, inputs, outputs, tensors, name="body"))


def scalar(name, kind=I64):
    return o.value(name, kind, [])


def untyped(name, kind=F32):
    """A value of which no dims are known."""
    return o.data(1, name) + o.data(2, o.data(1, o.number(1, kind)))


def sequence(name, kind=F32):
    tensor = o.data(1, o.number(1, kind))
    return o.data(1, name) + o.data(2, o.data(4, o.data(1, tensor)))


def strings(name, dims, values):
    return (b"".join(o.number(1, d) for d in dims) + o.number(2, TEXT) + o.each(6, values) + o.data(8, name))


def test_loop(b):
    """Fibonacci numbers: two values go from one iteration to the next, one is kept of each."""
    step = body([o.node("Add", ["a", "c"], ["next"]), o.node("Identity", ["c"], ["before"]),
                 o.node("Less", ["next", "limit"], ["goes_on"]), o.node("Identity", ["next"], ["kept"])],
                [scalar("i"), scalar("cond", BOOL), scalar("a"), scalar("c")],
                [scalar("goes_on", BOOL), scalar("before"), scalar("next"), scalar("kept")])
    save(b, [o.node("Loop", ["n", "", "zero", "one"], ["x", "y", "all"], name="fibonacci", body=step)],
         [scalar("n"), scalar("limit")], [scalar("x"), scalar("y"), o.value("all", I64, ["k"])],
         [o.tensor("zero", I64, [], [0]), o.tensor("one", I64, [], [1])])
    out = run(b, "n=8", "limit=1000")
    b.check(out["all"]["data"] == [1, 2, 3, 5, 8, 13, 21, 34] and out["y"]["data"] == [34], f"eight steps: {out}")
    out = run(b, "n=100", "limit=10")
    b.check(out["all"]["data"] == [1, 2, 3, 5, 8, 13], f"until the condition is false: {out}")
    out = run(b, "n=0", "limit=10")
    b.check(out["all"]["dims"] == [0] and out["y"]["data"] == [1], f"not once: {out}")
    b.bad(INPUT, "limit", "run", "m.onnx", "--input", "n=8")
    b.bad(INPUT, "'z'", "run", "m.onnx", "--input", "n=8", "--input", "limit=1", "--input", "z=1")


def test_loop_without_end(b):
    step = body([o.node("Identity", ["cond"], ["goes_on"]), o.node("Add", ["a", "a"], ["twice"])],
                [scalar("i"), scalar("cond", BOOL), scalar("a", F32)], [scalar("goes_on", BOOL), scalar("twice", F32)])
    save(b, [o.node("Loop", ["", "", "x"], ["y"], body=step)], [scalar("x", F32)], [scalar("y", F32)])
    before = time.monotonic()
    b.bad(FAILED, "200 ms", "run", "m.onnx", "--input", "x=1", "--timeout", "200")
    b.check(time.monotonic() - before < 20, "the deadline ends it")


def test_loop_that_grows(b):
    """A value that is one longer in each iteration: planned for the first sizes, then for any."""
    step = body([o.node("Concat", ["v", "last"], ["longer"], axis=0), o.node("Identity", ["cond"], ["goes_on"]),
                 o.node("ReduceSum", ["longer"], ["sum"], keepdims=0)],
                [scalar("i"), scalar("cond", BOOL), o.value("v", F32, ["n"])],
                [scalar("goes_on", BOOL), o.value("longer", F32, ["n1"]), scalar("sum", F32)])
    save(b, [o.node("Loop", ["n", "", "x"], ["y", "sums"], body=step)],
         [scalar("n"), o.value("x", F32, ["k"]), o.value("last", F32, [1])],
         [o.value("y", F32, ["m"]), o.value("sums", F32, ["n"])])
    out = run(b, "n=300", "x=[1, 2]", "last=[3]")
    b.check(out["y"]["dims"] == [302] and out["sums"]["data"] == [3 + 3 * (i + 1) for i in range(300)],
            f"sums: {out['sums']['data'][:4]}")


def test_branches(b):
    """Branches that give other dims, and read what is around them."""
    yes = body([o.node("Concat", ["x", "x"], ["p"], axis=0)], [], [o.value("p", F32, ["m"])])
    no = body([o.node("Slice", ["x", "zero", "one"], ["q"])], [], [o.value("q", F32, ["m"])])
    save(b, [o.node("ReduceSum", ["x"], ["s"], keepdims=0), o.node("Greater", ["s", "limit"], ["c"]),
             o.node("If", ["c"], ["v"], name="choice", then_branch=yes, else_branch=no),
             o.node("Mul", ["v", "limit"], ["y"])],
         [o.value("x", F32, ["n"])], [o.value("y", F32, ["m"])],
         [o.tensor("limit", F32, [], [10]), o.tensor("zero", I64, [1], [0]), o.tensor("one", I64, [1], [1])])
    b.check(run(b, "x=[1, 2, 3]")["y"]["data"] == [10], "the sum is small: the first")
    b.check(run(b, "x=[10, 2, 3]")["y"]["data"] == [100, 20, 30] * 2, "it is large: twice")


def test_sizes_of_the_run(b):
    """What reads NonZero's result, and a shape that is computed from data."""
    save(b, [o.node("NonZero", ["x"], ["at"]), o.node("Transpose", ["at"], ["rows"]),
             o.node("GatherND", ["x", "rows"], ["y"]), o.node("Size", ["y"], ["n"])],
         [o.value("x", F32, ["a", "b"])], [o.value("y", F32, ["k"]), scalar("n")])
    out = run(b, "x=[[0, 2], [3, 0], [0, 5]]")
    b.check(out["y"]["data"] == [2, 3, 5] and out["n"]["data"] == [3], f"what is not zero: {out}")
    out = run(b, "x=[[0, 0]]")
    b.check(out["y"]["dims"] == [0] and out["n"]["data"] == [0], f"nothing is: {out}")
    save(b, [o.node("ReduceMax", ["x"], ["m"], keepdims=1), o.node("Cast", ["m"], ["n"], to=I64),
             o.node("Reshape", ["n", "one"], ["shape"]), o.node("Expand", ["two", "shape"], ["y"])],
         [o.value("x", F32, ["k"])], [o.value("y", F32, ["m"])],
         [o.tensor("two", F32, [1], [2]), o.tensor("one", I64, [1], [1])])
    b.check(run(b, "x=[1, 4, 3]")["y"]["data"] == [2] * 4, "as many as the largest says")


def test_scan(b):
    step = body([o.node("Add", ["sum", "row"], ["now"]), o.node("Mul", ["now", "now"], ["square"])],
                [o.value("sum", F32, [2]), o.value("row", F32, [2])], [o.value("now", F32, [2]), o.value("square", F32, [2])])
    nodes = [o.node("Scan", ["start", "x"], ["last", "y"], body=step, num_scan_inputs=1)]
    save(b, nodes, [o.value("x", F32, ["n", 2])], [o.value("last", F32, [2]), o.value("y", F32, ["n", 2])],
         [o.tensor("start", F32, [2], [0, 0])])
    out = run(b, "x=[[1, 2], [3, 4], [5, 6]]")
    b.check(out["last"]["data"] == [9, 12] and out["y"]["data"] == [1, 4, 16, 36, 81, 144], f"sums: {out}")
    back = [o.node("Scan", ["start", "x"], ["last", "y"], body=step, num_scan_inputs=1, scan_input_axes=[1],
                   scan_input_directions=[1], scan_output_axes=[1], scan_output_directions=[1])]
    save(b, back, [o.value("x", F32, [2, "n"])], [o.value("last", F32, [2]), o.value("y", F32, [2, "n"])],
         [o.tensor("start", F32, [2], [0, 0])])
    out = run(b, "x=[[1, 2, 3], [4, 5, 6]]")
    b.check(out["y"]["dims"] == [2, 3] and out["y"]["data"] == [36, 25, 9, 225, 121, 36], f"from the end: {out}")
    save(b, [o.node("Scan", ["start", "x"], ["last", "y"], body=step, num_scan_inputs=3)],
         [o.value("x", F32, ["n", 2])], [o.value("last", F32, [2]), o.value("y", F32, ["n", 2])],
         [o.tensor("start", F32, [2], [0, 0])])
    b.bad(INPUT, "num_scan_inputs is 3", "run", "m.onnx", "--input", "x=[[1, 2]]")


def test_sequences(b):
    save(b, [o.node("SplitToSequence", ["x", "two"], ["s"], axis=0), o.node("SequenceLength", ["s"], ["n"]),
             o.node("SequenceAt", ["s", "last"], ["t"]), o.node("SequenceInsert", ["s", "t", "zero"], ["u"]),
             o.node("SequenceErase", ["u", "last"], ["v"]), o.node("ConcatFromSequence", ["v"], ["y"], axis=0)],
         [o.value("x", F32, ["k"])], [o.value("y", F32, ["m"]), scalar("n"), sequence("v")],
         [o.tensor("two", I64, [], [2]), o.tensor("last", I64, [], [-1]), o.tensor("zero", I64, [], [0])])
    out = run(b, "x=[1, 2, 3, 4, 5]")
    b.check(out["n"]["data"] == [3] and out["y"]["data"] == [5, 1, 2, 3, 4], f"split, moved and joined: {out}")
    b.check([item["data"] for item in out["v"]] == [[5], [1, 2], [3, 4]], f"a sequence as a list: {out['v']}")
    b.check("v[1]: f32[2] 1 2" in b.good("run", "m.onnx", "--input", "x=[1, 2, 3, 4, 5]").text, "and printed")
    b.bad(INPUT, "files hold tensors", "run", "m.onnx", "--input", "x=[1, 2]", "--save", "v=v.npy")
    double = body([o.node("Add", ["e", "w"], ["d"])], [untyped("e"), untyped("w")], [untyped("d")])
    save(b, [o.node("SequenceMap", ["s", "w"], ["v"], body=double)], [sequence("s"), o.value("w", F32, [1])],
         [sequence("v")])
    items = o.data(1, "s") + o.number(2, 1) + o.each(3, [o.tensor("", F32, [2], [1, 2]), o.tensor("", F32, [1], [3])])
    b.path("s.pb").write_bytes(items)
    out = run(b, "s=@s.pb", "w=[10]")
    b.check([item["data"] for item in out["v"]] == [[11, 12], [13]], f"each item: {out}")
    b.path("s.pb").write_bytes(items[:-3])
    b.bad(INPUT, "s.pb", "run", "m.onnx", "--input", "s=@s.pb", "--input", "w=[10]")
    save(b, [o.node("SequenceAt", ["s", "i"], ["y"], name="pick")], [sequence("s"), scalar("i")], [untyped("y")])
    b.path("s.pb").write_bytes(items)
    b.bad(INPUT, ["pick", "position 2"], "run", "m.onnx", "--input", "s=@s.pb", "--input", "i=2")


def test_optionals(b):
    optional = o.data(1, "p") + o.data(2, o.data(9, o.data(1, o.data(1, o.number(1, F32)))))
    some = body([o.node("OptionalGetElement", ["p"], ["e"])], [], [untyped("e")])
    none = body([o.node("Identity", ["zero"], ["z"])], [], [untyped("z")])
    save(b, [o.node("OptionalHasElement", ["p"], ["has"]),
             o.node("If", ["has"], ["y"], then_branch=some, else_branch=none)],
         [optional], [untyped("y"), scalar("has", BOOL)], [o.tensor("zero", F32, [1], [0])])
    b.path("p.pb").write_bytes(o.data(1, "p") + o.number(2, 1) + o.data(3, o.tensor("", F32, [2], [4, 5])))
    b.check(run(b, "p=@p.pb")["y"]["data"] == [4, 5], "one with a value")
    b.check(run(b)["y"]["data"] == [0], "one without, that is not even set")


def test_text(b):
    save(b, [o.node("StringSplit", ["x"], ["words", "n"]), o.node("Equal", ["words", "the"], ["is_the"]),
             o.node("StringNormalizer", ["flat"], ["up"], case_change_action="UPPER", stopwords=["a"]),
             o.node("Reshape", ["words", "line"], ["flat2"]), o.node("Unique", ["flat2"], ["each"], sorted=1),
             o.node("StringConcat", ["up", "mark"], ["loud"]),
             o.node("RegexFullMatch", ["flat"], ["is_word"], pattern="[a-z]{2,}")],
         [o.value("x", TEXT, ["n"]), o.value("flat", TEXT, ["m"])],
         [o.value("words", TEXT, ["n", "w"]), o.value("n", I64, ["n"]), o.value("is_the", BOOL, ["n", "w"]),
          o.value("each", TEXT, ["u"]), o.value("loud", TEXT, ["m"]), o.value("is_word", BOOL, ["m"])],
         [strings("the", [1], ["the"]), strings("mark", [1], ["!"]), o.tensor("line", I64, [1], [-1])])
    b.path("x.json").write_text('["the cat sat", " on  the mat here"]')
    b.path("f.json").write_text('["Äpfel", "a", "über", "ok"]')
    out = run(b, "x=@x.json", "flat=@f.json")
    b.check(out["words"] == ["the", "cat", "sat", "", "on", "the", "mat", "here"], f"words: {out['words']}")
    b.check(out["n"]["data"] == [3, 4], "as many in each")
    b.check(out["is_the"]["data"] == [1, 0, 0, 0, 0, 1, 0, 0], f"text compared: {out['is_the']}")
    b.check(out["each"] == ["", "cat", "here", "mat", "on", "sat", "the"], f"sorted: {out['each']}")
    b.check(out["loud"] == ["ÄPFEL!", "ÜBER!", "OK!"], f"case and stopwords: {out['loud']}")
    b.check(out["is_word"]["data"] == [0, 0, 0, 1], f"patterns: {out['is_word']}")
    save(b, [o.node("RegexFullMatch", ["x"], ["y"], pattern="(a")], [o.value("x", TEXT, ["n"])],
         [o.value("y", BOOL, ["n"])])
    b.bad(INPUT, ["(a", "byte 2"], "run", "m.onnx", "--input", "x=abc")
    save(b, [o.node("Cast", ["x"], ["y"], to=F32), o.node("Cast", ["k"], ["t"], to=TEXT)],
         [o.value("x", TEXT, ["n"]), o.value("k", I64, ["n"])], [o.value("y", F32, ["n"]), o.value("t", TEXT, ["n"])])
    b.path("x.json").write_text('["1.5", "-INF", "3"]')
    out = run(b, "x=@x.json", "k=[7, -9223372036854775807, 0]")
    b.check(out["y"]["data"][0] == 1.5 and out["y"]["data"][2] == 3, f"numbers from text: {out}")
    b.check(out["t"] == ["7", "-9223372036854775807", "0"], f"and text from numbers: {out}")
    save(b, [o.node("CastLike", ["x", "w"], ["y"]), o.node("CastLike", ["w", "x"], ["t"])],
         [o.value("x", TEXT, ["n"]), o.value("w", F32, ["k"])], [o.value("y", F32, ["n"]), o.value("t", TEXT, ["k"])])
    b.path("x.json").write_text('["1.5", "0.1"]')
    out = run(b, "x=@x.json", "w=[0.1, 16777216, 1e-30]")
    b.check(out["y"]["data"][0] == 1.5 and out["t"] == ["0.1", "16777216", "1e-30"], f"and as another value is: {out}")
    save(b, [o.node("Add", ["x", "x"], ["y"], name="sum")], [o.value("x", TEXT, ["n"])], [o.value("y", TEXT, ["n"])])
    b.bad(UNSUPPORTED, ["sum", "not supported for text"], "run", "m.onnx", "--input", "x=abc")
    save(b, [o.node("Cast", ["x"], ["y"], to=F32), o.node("Cast", ["k"], ["t"], to=TEXT)],
         [o.value("x", TEXT, ["n"]), o.value("k", I64, ["n"])], [o.value("y", F32, ["n"]), o.value("t", TEXT, ["n"])])
    b.bad(INPUT, "'abc' is no number", "run", "m.onnx", "--input", "x=abc", "--input", "k=[1]")


def test_functions(b):
    """A function that the host must run, because of what it holds."""
    step = body([o.node("Identity", ["cond"], ["go"]), o.node("Mul", ["v", "base"], ["w"])],
                [scalar("i"), scalar("cond", BOOL), scalar("v", F32)], [scalar("go", BOOL), scalar("w", F32)])
    power = o.function("Power", "own", ["base", "n"], ["y"],
                       [o.node("Constant", [], ["one"], value_float=1.0), o.node("Loop", ["n", "", "one"], ["y"], body=step)])
    save(b, [o.node("Power", ["x", "n"], ["p"], domain="own"), o.node("Power", ["p", "n"], ["y"], domain="own")],
         [scalar("x", F32), scalar("n")], [scalar("y", F32)], functions=[power], domains=["own"])
    b.check(run(b, "x=2", "n=3")["y"]["data"] == [512], "two to the third, to the third")


SCRIPT = """local maru = require "maru"
return maru.model {
  inputs = { n = {} }, outputs = { doubled = {}, words = { kind = "strings" }, count = {}, none = { kind = "string" } },
  run = function(m, input)
    local double = m:flow "part/double.onnx"
    local v = double { s = { maru.tensor({ 1, 2 }, "f32"), maru.tensor({ 3 }, "f32") }, w = { 10 } }.v
    local words = m:flow "words.onnx" { x = { "a b", "c" } }
    local ok, why = pcall(double, { t = 1 })
    assert(not ok and why:find "has no input 't'", why)
    assert(m:flow "words.onnx" == m:flow "words.onnx")
    return { doubled = v[1], words = words.words, count = maru.tensor({ #v }, "i64"),
      none = tostring(m:flow "maybe.onnx" { p = false }.has:item()) }
  end }
"""


def test_scripts(b):
    double = body([o.node("Add", ["e", "w"], ["d"])], [untyped("e"), untyped("w")], [untyped("d")])
    save(b, [o.node("SequenceMap", ["s", "w"], ["v"], body=double)], [sequence("s"), o.value("w", F32, [1])],
         [sequence("v")])
    b.path("m.onnx").rename(b.path("double.onnx"))
    save(b, [o.node("StringSplit", ["x"], ["words", "n"])], [o.value("x", TEXT, ["n"])], [o.value("words", TEXT, ["n", "w"])])
    b.path("m.onnx").rename(b.path("words.onnx"))
    optional = o.data(1, "p") + o.data(2, o.data(9, o.data(1, o.data(1, o.number(1, F32)))))
    save(b, [o.node("OptionalHasElement", ["p"], ["h"]), o.node("Reshape", ["h", "one"], ["has"])], [optional],
         [o.value("has", BOOL, [1])], [o.tensor("one", I64, [1], [1])])
    b.path("m.onnx").rename(b.path("maybe.onnx"))
    b.write("flow.lua", SCRIPT.replace("part/", ""))
    out = b.json("run", "flow.lua", "--input", "n=1", "--json")
    b.check(out["doubled"]["data"] == [11, 12] and out["count"]["data"] == [2], f"sequences in and out: {out}")
    b.check(out["words"] == ["a", "b", "c", ""] and out["none"] == ["false"], f"text and optionals: {out}")
    b.write("flow.lua", SCRIPT)
    b.bad(INPUT, "beside", "run", "flow.lua", "--input", "n=1")
    b.bad(INPUT, "no graph", "plan", "flow.lua")


def test_errors(b):
    step = body([o.node("Identity", ["cond"], ["go"])], [scalar("i"), scalar("cond", BOOL)], [scalar("go", BOOL)])
    save(b, [o.node("Loop", ["n", "", "x"], ["y"], name="lost", body=step)], [scalar("n"), scalar("x")], [scalar("y")])
    b.bad(INPUT, ["lost", "inputs"], "run", "m.onnx", "--input", "n=1", "--input", "x=1")
    save(b, [o.node("Loop", ["n", "", "x"], ["y"], name="lost")], [scalar("n"), scalar("x")], [scalar("y")])
    b.bad(INPUT, ["lost", "body"], "run", "m.onnx", "--input", "n=1", "--input", "x=1")
    save(b, [o.node("Loop", ["n", "", "x"], ["y"], body=step), o.node("Sing", ["y"], ["z"])],
         [scalar("n"), scalar("x")], [scalar("z")])
    b.bad(UNSUPPORTED, ["Sing", "1 operator is"], "run", "m.onnx", "--input", "n=1", "--input", "x=1")


def test(b):
    for part in (test_loop, test_loop_without_end, test_loop_that_grows, test_branches, test_sizes_of_the_run,
                 test_scan, test_sequences, test_optionals, test_text, test_functions, test_scripts,
                 test_errors):
        part(b)
