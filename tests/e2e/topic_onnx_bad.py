# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX models at the edges: tensors that claim more than is there, gigabytes of which one number is wanted, tensors of nothing,
graphs of nothing, names that are there twice, nesting that has no end."""
import subprocess
import sys

import onnx_file as o
from harness import INPUT, OK, SANITIZER, UNSUPPORTED, floats

GIB = 1 << 30
MB = 1000000
ADD = [o.node("Add", ["x", "w"], ["y"], name="sum")]
ROW = "x=[[1, 2, 3, 4]]"


def simple(nodes, tensors=(), dims=(1, 4), outputs=("y",)):
    """y from x, one row of four."""
    return o.model(o.graph(nodes, [o.value("x", o.FLOAT, list(dims))], [o.value(name) for name in outputs], tensors))


def broken(b, texts, model, code=INPUT):
    """Refused by each command that reads a model, with a sentence that says of what."""
    b.path("m.onnx").write_bytes(model)
    b.bad(code, texts, "run", "m.onnx", "-i", ROW)
    b.bad(code, texts, "plan", "m.onnx")


def right(b, model, want, what, *inputs, output="y"):
    """The first output's numbers, run and (where sizes are known) shown as text."""
    b.path("m.onnx").write_bytes(model)
    words = [word for text in inputs or [ROW] for word in ("-i", text)]
    got = b.json("run", "m.onnx", *words, "--json").get(output, {}).get("data")
    b.check(got == want, f"{what}: {got}, not {want}")


# The most that a process had counts from its fork on, so it is forked by a small one.
CHILD = """import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""


def peak_bytes(b, *words):
    """Most memory that the command had; it succeeds."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", CHILD, b.maru, *words], cwd=b.folder, env=b.env, capture_output=True,
                          text=True, timeout=120)
    b.check(done.returncode == OK and not any(word in done.stderr for word in SANITIZER), f"{words}: {done.returncode}, {done.stderr}")
    return int(done.stdout)


# ---- tensors that claim more than is there


def test_claims(b):
    """2 GiB and more by dims, a few bytes behind them."""
    few = floats(1, 2, 3, 4)
    for dims in ([GIB // 2], [2 * GIB, 4], [1 << 33], [1 << 62, 4], [1 << 32, 1 << 32], [1 << 62, 1 << 62, 0, 1 << 62],
                 [(1 << 63) - 1, (1 << 63) - 1], [-1, 4], [-(1 << 63)]):
        broken(b, "'w'", simple(ADD, [o.tensor("w", o.FLOAT, dims, raw=few)]))
        broken(b, "'w'", simple(ADD, [o.tensor("w", o.FLOAT, dims, [1, 2, 3, 4])]))
        broken(b, "'w'", simple(ADD, [o.tensor("w", o.INT64, dims, [1, 2, 3, 4])]))
        b.path("few.bin").write_bytes(few)
        broken(b, "'w'", simple(ADD, [o.external("w", o.FLOAT, dims, location="few.bin")]))
    broken(b, "'w'", simple(ADD, [o.tensor("w", o.FLOAT, [4], raw=few[:15])]))
    broken(b, "'w'", simple(ADD, [o.tensor("w", o.FLOAT, [4], raw=few + b"?")]))
    # raw_data whose length goes beyond the file, or around it
    for length in (16, 2 * GIB, 1 << 40, (1 << 63) - 1, (1 << 64) - 1):
        tensor = o.number(1, 4) + o.number(2, o.FLOAT) + o.data(8, "w") + o.varint(9 << 3 | 2) + o.varint(length)
        broken(b, "m.onnx", simple(ADD, [tensor]))
    sparse = o.data(1, o.tensor("w", o.FLOAT, [2], [5, 7])) + o.data(2, o.tensor("", o.INT64, [2], [0, 3]))
    for dims in ([1 << 62, 1 << 62], [1 << 62], [-4], [2]):
        graph = o.graph(ADD, [o.value("x", o.FLOAT, [1, 4])], [o.value("y")],
                        sparse=[sparse + b"".join(o.number(3, d) for d in dims)])
        b.path("m.onnx").write_bytes(o.model(graph))
        done = b.run("plan", "m.onnx")
        b.check(done.code not in (OK, 1) and "'w'" in done.error, f"a sparse tensor of {dims}", done)


def test_external_ends(b):
    """Data past the end of its file."""
    b.path("few.bin").write_bytes(floats(1, 2, 3, 4))
    for place in ({"offset": 4}, {"offset": 4, "length": 16}, {"offset": 16}, {"offset": 17}, {"offset": 3 * GIB},
                  {"offset": (1 << 64) - 8}, {"offset": (1 << 64) - 8, "length": 16}, {"length": 15}, {"length": 17},
                  {"length": 2 * GIB}, {"offset": "4x"}, {"length": ""}, {"offset": "9" * 40}):
        broken(b, "'w'", simple(ADD, [o.external("w", o.FLOAT, [4], location="few.bin", **place)]))


def test_large_and_there(b):
    """3 GiB of holes with one number at their end: mapped, and one page is read."""
    count = 3 * GIB // 4
    with open(b.path("large.bin"), "wb") as file:
        file.truncate(3 * GIB)
        file.seek(3 * GIB - 4)
        file.write(floats(42))
    large = o.external("w", o.FLOAT, [count], location="large.bin")
    at = o.tensor("at", o.INT64, [1], [count - 1])
    taken = [o.node("Gather", ["w", "at"], ["v"]), o.node("Add", ["x", "v"], ["y"])]
    asked = [o.node("Cast", ["x"], ["i"], to=o.INT64), o.node("Add", ["i", "at"], ["j"]), o.node("Gather", ["w", "j"], ["y"])]
    cut = [o.node("Slice", ["w", "at", "end"], ["v"]), o.node("Add", ["x", "v"], ["y"])]
    small = peak_bytes(b, "version")
    for what, nodes, x, want in [("a known element", taken, ROW, [43, 44, 45, 46]), ("a part", cut, ROW, [43, 44, 45, 46]),
                                 ("an asked element", asked, "x=[[0, -1, -2, 0]]", [42, 0, 0, 42])]:
        tensors = [large, at, o.tensor("end", o.INT64, [1], [count])]
        right(b, simple(nodes, tensors), want, f"3 GiB, {what}", x)
        most = peak_bytes(b, "run", "m.onnx", "-i", x)
        b.check(most < small + 100 * MB, f"3 GiB, {what}: {most / MB:.0f} MB at most, {small / MB:.0f} for nothing")


def test_unused(b):
    """100 MB that nobody reads are neither read nor kept, in the file as beside it."""
    w, rest = o.tensor("w", o.FLOAT, [4], [10, 20, 30, 40]), bytes(range(256)) * (100 * MB // 256)
    count = len(rest) // 4
    b.path("unused.bin").write_bytes(rest)
    right(b, simple(ADD, [w]), [11, 22, 33, 44], "without more")
    small = peak_bytes(b, "run", "m.onnx", "-i", ROW)
    for what, unused in [("in the file", o.tensor("u", o.FLOAT, [count], raw=rest)),
                         ("beside it", o.external("u", o.FLOAT, [count], location="unused.bin"))]:
        right(b, simple(ADD, [unused, w]), [11, 22, 33, 44], f"with an unused tensor {what}")
        most = peak_bytes(b, "run", "m.onnx", "-i", ROW)
        b.check(most < small + 20 * MB, f"100 MB unused {what}: {most / MB:.0f} MB at most, {small / MB:.0f} without")


# ---- nothing


def test_zero_sized(b):
    """Tensors of no elements through chains of operators."""
    none = [o.tensor("none", o.FLOAT, [0, 4], []), o.tensor("axes", o.INT64, [1], [0]), o.tensor("rows", o.INT64, [0], []),
            o.tensor("wide", o.INT64, [2], [-1, 4]), o.tensor("flat", o.INT64, [1], [-1]), o.tensor("m", o.FLOAT, [4, 2], range(8)),
            o.tensor("void", o.FLOAT, [4, 0], []), o.tensor("thin", o.INT64, [2], [0, 4]), o.tensor("square", o.FLOAT, [0, 2], [])]

    def chain(what, want, *nodes):
        right(b, simple([*nodes], none), want, what)
        nodes = [o.node("Slice", ["x", "zero", "end"], ["none"], name="cut"), *nodes]  # the same of an input's rows
        ends = [o.tensor("zero", o.INT64, [1], [0]), o.tensor("end", o.INT64, [1], [0])]
        right(b, simple(nodes, [*none[1:], *ends]), want, f"{what}, of an input")
    node = o.node
    chain("a sum over nothing", [0, 0, 0, 0], node("ReduceSum", ["none", "axes"], ["y"], keepdims=0))
    chain("a product over nothing", [1, 1, 1, 1], node("ReduceProd", ["none", "axes"], ["y"], keepdims=0))
    chain("the sum of all of nothing", [0], node("ReduceSum", ["none"], ["y"], keepdims=0))
    chain("joined with nothing", [1, 2, 3, 4], node("Concat", ["none", "x", "none"], ["y"], axis=0))
    chain("nothing joined", [], node("Concat", ["none", "none"], ["y"], axis=0))
    chain("no rows gathered", [], node("Gather", ["x", "rows"], ["g"], axis=0), node("Relu", ["g"], ["y"]))
    chain("reshaped", [0, 0, 0, 0], node("Reshape", ["none", "thin"], ["r"], allowzero=1), node("Neg", ["r"], ["n"]),
          node("ReduceSum", ["n", "axes"], ["y"], keepdims=0))
    chain("flattened", [0], node("Reshape", ["none", "flat"], ["f"]), node("ReduceSum", ["f", "axes"], ["y"], keepdims=0))
    chain("no rows times a matrix", [], node("MatMul", ["none", "m"], ["p"]), node("Softmax", ["p"], ["y"], axis=1))
    chain("a product over nothing between", [0] * 4, node("MatMul", ["void", "square"], ["p"]),
          node("ReduceSum", ["p"], ["s"], keepdims=0), node("ReduceSum", ["none", "axes"], ["z"], keepdims=0), node("Add", ["z", "s"], ["y"]))
    chain("transposed, padded by a row", [1, 2, 3, 4], node("Transpose", ["none"], ["t"], perm=[1, 0]),
          node("Transpose", ["x"], ["u"], perm=[1, 0]), node("Concat", ["t", "u"], ["y"], axis=1))
    chain("a mean of one and none", [1, 2, 3, 4], node("Add", ["none", "x"], ["e"]), node("Concat", ["e", "x"], ["c"], axis=0),
          node("ReduceMean", ["c", "axes"], ["y"], keepdims=0))
    broken(b, "'bad'", simple([node("Reshape", ["x", "thin"], ["y"], name="bad", allowzero=1)], none))
    broken(b, "'bad'", simple([node("Add", ["x", "void"], ["y"], name="bad")], none))


def test_loop_of_nothing(b):
    head = [o.value("i", o.INT64, []), o.value("c", o.BOOL, [])]
    body = o.graph([o.node("Add", ["v", "x"], ["t"]), o.node("Identity", ["c"], ["go"])], head + [o.value("v", o.FLOAT, [1, 4])],
                   [o.value("go", o.BOOL, []), o.value("t", o.FLOAT, [1, 4]), o.value("t", o.FLOAT, [1, 4])], name="b")
    loop = o.node("Loop", ["times", "", "x"], ["last", "all"], name="loop", body=("graph", body))
    for times, want in [(0, [1, 2, 3, 4]), (2, [3, 6, 9, 12])]:
        nodes = [loop, o.node("Shape", ["all"], ["shape"]), o.node("Identity", ["last"], ["y"])]
        right(b, simple(nodes, [o.tensor("times", o.INT64, [], [times])]), want, f"{times} rounds")
        right(b, simple(nodes, [o.tensor("times", o.INT64, [], [times])], outputs=("y", "shape")), [times, 1, 4],
              f"{times} rounds, all of them", output="shape")


def test_scalars(b):
    """Tensors without dims, in the file as of an input."""
    scalar = o.tensor("s", o.FLOAT, [], [3])
    right(b, simple([o.node("Mul", ["x", "s"], ["y"])], [scalar]), [3, 6, 9, 12], "times a scalar")
    chain = [o.node("ReduceSum", ["x"], ["a"], keepdims=0), o.node("Mul", ["a", "s"], ["m"]), o.node("Unsqueeze", ["m", "z"], ["u"]),
             o.node("Concat", ["u", "u"], ["c"], axis=0), o.node("Gather", ["c", "i"], ["g"]), o.node("Reshape", ["g", "none"], ["y"])]
    more = [scalar, o.tensor("z", o.INT64, [1], [0]), o.tensor("i", o.INT64, [], [1]), o.tensor("none", o.INT64, [0], [])]
    right(b, simple(chain, more), [30], "a scalar through a chain")
    right(b, simple([o.node("Sqrt", ["x"], ["y"])], dims=()), [3], "a scalar comes in", "x=9")
    broken(b, "'bad'", simple([o.node("Concat", ["s", "s"], ["y"], name="bad", axis=0)], [scalar]))
    broken(b, "'bad'", simple([o.node("Transpose", ["s"], ["y"], name="bad", perm=[0])], [scalar]))


# ---- graphs


def test_odd_graphs(b):
    relu = o.node("Relu", ["x"], ["y"], name="act")
    right(b, simple([], outputs=["x"]), [1, 2, 3, 4], "without nodes", output="x")
    w = o.tensor("w", o.FLOAT, [4], [10, 20, 30, 40])
    right(b, simple([], [w], outputs=["w"]), [10, 20, 30, 40], "without nodes, a constant", output="w")
    right(b, simple([o.node("Relu", ["x"], ["y"])], outputs=["y", "x"]), [1, 2, 3, 4], "an input that is an output too", output="x")
    broken(b, "'y'", simple([relu], outputs=["y", "y"]))
    broken(b, "'absent'", simple([relu], outputs=["absent"]))
    broken(b, "'x'", o.model(o.graph([relu], [o.value("x", o.FLOAT, [1, 4])] * 2, [o.value("y")])))
    b.path("m.onnx").write_bytes(simple([relu], outputs=[]))
    b.bad(INPUT, "output", "plan", "m.onnx")
    two = o.graph([relu], [o.value("x", o.FLOAT, [1, 4]), o.value("idle", o.FLOAT, [2])], [o.value("y")])
    right(b, o.model(two), [1, 2, 3, 4], "an input that nobody reads", ROW, "idle=[1, 2]")
    b.bad(INPUT, ["idle", "f32[2]"], "run", "m.onnx", "-i", ROW, "-i", "idle=[1, 2, 3]")
    b.bad(INPUT, "idle", "run", "m.onnx", "-i", ROW)
    same = [o.node("Relu", ["x"], ["a"], name="same"), o.node("Neg", ["a"], ["c"], name="same"), o.node("Abs", ["c"], ["y"], name="same")]
    right(b, simple(same), [1, 2, 3, 4], "nodes of one name")


def nested(depth):
    """An If in a branch of an If, `depth` of them; built from the inside, each layer once."""
    layers, size, tail = [], 0, o.node("Relu", ["x"], ["y"])

    def length(number, n):
        return o.varint(number << 3 | 2) + o.varint(n)
    size = len(tail) + len(length(1, len(tail)))
    layers.append(length(1, len(tail)) + tail)
    end = o.data(1, "c") + o.data(2, "y") + o.data(4, "If")
    for _ in range(depth):
        name = o.data(1, "then_branch") + o.number(20, 5)
        head = name + length(6, size)
        head = length(5, len(head) + size) + head
        head = end + head
        head = length(1, len(head) + size) + head
        layers.append(head)
        size += len(head)
    return o.model(b"".join(reversed(layers)) + o.data(2, "g") + o.data(11, o.value("x", o.FLOAT, [1, 4])) +
                   o.data(12, o.value("y")))


def test_deep(b):
    """Branches in branches: more than anybody writes end with a sentence, however many there are."""
    for depth in (64, 1000, 300000):
        b.path("m.onnx").write_bytes(nested(depth))
        b.bad(INPUT, ["m.onnx", "deep"], "plan", "m.onnx")
        b.bad(INPUT, ["m.onnx", "deep"], "run", "m.onnx", "-i", ROW)
    # groups, which the wire form had once, and bytes that open messages alone
    for what in (b"\x0b" * 300000, b"\x3b" * 300000, o.data(7, b"\x0b" * 300000)):
        b.path("m.onnx").write_bytes(o.number(1, 8) + what)
        done = b.run("plan", "m.onnx")
        b.check(done.code in (INPUT, UNSUPPORTED) and "m.onnx" in done.error, "groups without an end", done)


def test(b):
    test_claims(b)
    test_external_ends(b)
    test_large_and_there(b)
    test_unused(b)
    test_zero_sized(b)
    test_loop_of_nothing(b)
    test_scalars(b)
    test_odd_graphs(b)
    test_deep(b)
