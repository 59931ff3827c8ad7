# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX models: right ones of every shape, broken ones of every kind, ONNX's own tests where they are."""
import json
import math
import os
import pathlib
import struct
import tarfile

import onnx_file as o
from harness import INPUT, MEMORY, OK, UNSUPPORTED

LARGE = struct.pack("<65536f", *range(65536))
FLOATS = struct.pack("<16f", *range(16))


def simple(nodes, tensors=(), inputs=None, version=21, **more):
    """y from x[n, 4]."""
    inputs = inputs if inputs is not None else [o.value("x", o.FLOAT, ["n", 4])]
    body = o.graph(nodes, inputs, [o.value("y", o.FLOAT, [])], tensors)
    return o.model(body, version, **more)


def run(b, model, x="[[1, 2, 3, 4]]", name="m.onnx"):
    b.path(name).write_bytes(model)
    return b.json("run", name, "--input", f"x={x}", "--json")["y"]["data"]


def test_right(b):
    add = [o.node("Add", ["x", "w"], ["y"], name="sum")]
    w = o.tensor("w", o.FLOAT, [4], [10, 20, 30, 40])
    b.check(run(b, simple(add, [w])) == [11, 22, 33, 44], "values in the message")
    raw = o.tensor("w", o.FLOAT, [16], raw=FLOATS)
    first = [o.node("Slice", ["w", "s", "e"], ["v"]), o.node("Add", ["x", "v"], ["y"])]
    ends = [o.tensor("s", o.INT64, [1], [4]), o.tensor("e", o.INT64, [1], [8])]
    b.check(run(b, simple(first, [raw, *ends])) == [5, 7, 9, 11], "values where they lie in the file")
    b.path("w.bin").write_bytes(b"????" + FLOATS)
    far = o.external("w", o.FLOAT, [4], location="w.bin", offset=4, length=16)
    b.check(run(b, simple(add, [far])) == [1, 3, 5, 7], "values in a file beside it")
    for shift in range(4):  # weights may begin at any byte
        far_off = [o.tensor("w" + "_" * shift, o.FLOAT, [4, 16384], raw=LARGE)]
        product = [o.node("MatMul", ["x", "w" + "_" * shift], ["m"]), o.node("Slice", ["m", "s", "e", "a"], ["y"])]
        few = [o.tensor("s", o.INT64, [1], [0]), o.tensor("e", o.INT64, [1], [2]), o.tensor("a", o.INT64, [1], [1])]
        got = run(b, simple(product, [*far_off, *few]))
        b.check(got == [2 * 16384 + 3 * 32768 + 4 * 49152, 10 + 2 * 16384 + 3 * 32768 + 4 * 49152],
                f"large weights at any byte of the file: {got}")
    sparse = o.graph(add, [o.value("x", o.FLOAT, [1, 4])], [o.value("y")],
                     sparse=[o.data(1, o.tensor("w", o.FLOAT, [2], [5, 7])) +
                             o.data(2, o.tensor("", o.INT64, [2], [0, 3])) + o.number(3, 4)])
    b.check(run(b, o.model(sparse)) == [6, 2, 3, 11], "a sparse tensor")
    rows = [o.node("Shape", ["x"], ["s"]), o.node("Slice", ["s", "zero", "one"], ["n"]),
            o.node("Slice", ["w", "zero", "n"], ["p"]), o.node("Add", ["x", "p"], ["y"])]
    table = [o.tensor("w", o.FLOAT, [4, 4], raw=FLOATS), o.tensor("zero", o.INT64, [1], [0]),
             o.tensor("one", o.INT64, [1], [1])]
    b.check(run(b, simple(rows, table)) == [1, 3, 5, 7], "the first rows of a table, as many as x has")
    b.bad(INPUT, ["5", "1 to 4"], "run", "m.onnx", "--input", "x=" + str([[0] * 4] * 5))
    b.path("m.onnx").write_bytes(simple(add, [w]))
    text = b.good("dump", "m.onnx").text
    b.check("[n, 4]" in text and "Add" in text and "sum" in text, f"names are kept: {text}")
    b.check("Add" in b.good("plan", "m.onnx").text, "and planned")


def test_given_inputs(b):
    """A model whose shapes follow from its inputs alone is made for those that are given."""
    spread = simple([o.node("Reshape", ["x", "s"], ["y"])], inputs=[o.value("x", o.FLOAT, ["n", 4]),
                                                                    o.value("s", o.INT64, [3])])
    b.path("m.onnx").write_bytes(spread)
    done = b.json("run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]", "--input", "s=[2, 1, 2]", "--json")
    b.check(done["y"]["dims"] == [2, 1, 2], f"a shape that is an input: {done}")
    b.bad(INPUT, "'s' is not set", "run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]")
    b.bad(INPUT, "'t'", "run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]", "--input", "s=[4]", "--input", "t=1")
    pool = dict(kernel_shape=[2, 2], strides=[2, 2])
    halves = simple([o.node("MaxPool", ["x"], ["h"], **pool), o.node("Resize", ["h", "", "k"], ["b"]),
                     o.node("Add", ["x", "b"], ["y"])], [o.tensor("k", o.FLOAT, [4], [1, 1, 2, 2])],
                    inputs=[o.value("x", o.FLOAT, [1, 1, "?", "?"])])
    b.path("m.onnx").write_bytes(halves)
    b.bad(INPUT, "do not broadcast", "plan", "m.onnx")
    plane = [[[[float(4 * r + c) for c in range(6)] for r in range(4)]]]
    done = b.json("run", "m.onnx", "--input", f"x={json.dumps(plane)}", "--json")
    b.check(done["y"]["dims"] == [1, 1, 4, 6] and done["y"]["data"][0] == 5, f"dims that fit as given: {done}")
    odd = [[[[0.0] * 5] * 5]]
    b.bad(INPUT, "do not broadcast", "run", "m.onnx", "--input", f"x={json.dumps(odd)}")


def test_forms(b):
    """What older opsets wrote otherwise."""
    one = "[[1, 2, 3, 4]]"
    cases = [
        (7, [o.node("Clip", ["x"], ["y"], min=2.0, max=3.0)], [2, 2, 3, 3]),
        (9, [o.node("Slice", ["x"], ["y"], starts=[1], ends=[3], axes=[1])], [2, 3]),
        (10, [o.node("Pad", ["x"], ["y"], pads=[0, 1, 0, 0], value=9.0)], [9, 1, 2, 3, 4]),
        (11, [o.node("ReduceSum", ["x"], ["y"], axes=[1], keepdims=0)], [10]),
        (11, [o.node("Unsqueeze", ["x"], ["u"], axes=[0]), o.node("Squeeze", ["u"], ["y"], axes=[0])], [1, 2, 3, 4]),
        (9, [o.node("TopK", ["x"], ["y", "i"], k=2, axis=1)], [4, 3]),
        (11, [o.node("Split", ["x"], ["a", "y"], axis=1, split=[1, 3])], [2, 3, 4]),
        (13, [o.node("Split", ["x"], ["a", "y"], axis=1)], [3, 4]),
        (11, [o.node("Dropout", ["x"], ["y"], ratio=0.5)], [1, 2, 3, 4]),
        (21, [o.node("LpNormalization", ["x"], ["y"], p=1)], [0.1, 0.2, 0.3, 0.4]),
    ]
    for version, nodes, want in cases:
        got = run(b, simple(nodes, version=version), one)
        b.check(len(got) == len(want) and all(abs(g - w) < 1e-6 for g, w in zip(got, want)),
                f"opset {version}: {got}, not {want}")
    # PyTorch turns its paddings round as a small matrix.
    turned = [o.node("Reshape", ["p", "two"], ["m"]), o.node("Slice", ["m", "last", "first", "axis", "last"], ["r"]),
              o.node("Transpose", ["r"], ["t"], perm=[1, 0]), o.node("Reshape", ["t", "one"], ["c"]),
              o.node("Cast", ["c"], ["pads"], to=7), o.node("Pad", ["x", "pads"], ["y"])]
    few = [o.tensor("p", o.INT64, [4], [1, 2, 0, 1]), o.tensor("two", o.INT64, [2], [-1, 2]),
           o.tensor("one", o.INT64, [1], [-1]), o.tensor("last", o.INT64, [1], [-1]),
           o.tensor("first", o.INT64, [1], [-(1 << 63) + 1]), o.tensor("axis", o.INT64, [1], [0])]
    got = run(b, simple(turned, few))
    b.check(got == [0, 1, 2, 3, 4, 0, 0] + [0] * 7, f"paddings turned round: {got}")
    old = simple([o.node("Flatten", ["x"], ["f"], axis=0), o.node("Softmax", ["f"], ["y"], axis=0)], version=11)
    got = run(b, old, "[[0, 0, 0, 0], [0, 0, 0, 0]]")
    b.check(all(abs(v - 0.125) < 1e-6 for v in got), f"Softmax before 13 is over all axes from its own on: {got}")


def test_composed(b):
    """Operators that are built from others, and those whose tables are made at load."""
    def numbers(name, *values):
        return o.tensor(name, o.INT64, [len(values)], values)

    def floats(name, dims, *values):
        return o.tensor(name, o.FLOAT, dims, values)

    x22 = [o.node("Reshape", ["x", "two"], ["s"])]
    two = numbers("two", 2, 2)
    image = numbers("image", 1, 1, 2, 2)
    cases = [
        (13, [o.node("Hardmax", ["x"], ["y"])], [], [0, 0, 0, 1]),
        (12, [*x22, o.node("Hardmax", ["s"], ["y"], axis=0)], [two], [0, 0, 0, 1]),
        (13, [*x22, o.node("Hardmax", ["s"], ["y"], axis=0)], [two], [0, 0, 1, 1]),
        (9, [*x22, o.node("EyeLike", ["s"], ["y"], k=1)], [two], [0, 1, 0, 0]),
        (9, [o.node("Shrink", ["x"], ["y"], lambd=1.5, bias=0.5)], [], [0, 1.5, 2.5, 3.5]),
        (12, [o.node("Einsum", ["x", "x"], ["y"], equation="ij, kj -> ik")], [], [30]),
        (12, [*x22, o.node("Einsum", ["s"], ["y"], equation="ii->i")], [two], [1, 4]),
        (12, [*x22, o.node("Einsum", ["s", "s", "s"], ["y"], equation="ab,bc,cd")], [two], [37, 54, 81, 118]),
        (13, [o.node("Reshape", ["x", "c"], ["s"]),
              o.node("LRN", ["s"], ["y"], size=3, alpha=3.0, bias=1.0, beta=1.0)],
         [numbers("c", 1, 4, 1)], [1 / 6, 2 / 15, 3 / 30, 4 / 26]),
        (13, [o.node("Reshape", ["x", "c"], ["s"]), o.node("GlobalLpPool", ["s"], ["y"], p=3)],
         [numbers("c", 1, 1, 4)], [100 ** (1 / 3)]),
        (18, [o.node("CenterCropPad", ["x", "c"], ["y"])], [numbers("c", 2, 2)], [2, 3, 0, 0]),
        (17, [o.node("HannWindow", ["n"], ["w"]), o.node("Mul", ["x", "w"], ["y"])],
         [o.tensor("n", o.INT64, [], [4])], [0, 1, 3, 2]),
        (13, [o.node("NegativeLogLikelihoodLoss", ["x", "t", "w"], ["y"], ignore_index=-1)],
         [numbers("t", 2), floats("w", [4], 1, 1, 5, 1)], [-3]),
        (13, [*x22, o.node("SoftmaxCrossEntropyLoss", ["s", "t"], ["y"], reduction="sum", ignore_index=0)],
         [two, numbers("t", 1, 0)], [math.log(1 + math.exp(-1))]),
        (27, [o.node("Reshape", ["x", "c"], ["s"]), o.node("CausalConvWithState", ["s", "w"], ["y", "p"])],
         [numbers("c", 1, 1, 4), floats("w", [1, 1, 2], 10, 1)], [1, 12, 23, 34]),
        (16, [o.node("Reshape", ["x", "i"], ["s"]), o.node("GridSample", ["s", "g"], ["y"], mode="bilinear",
                                                            align_corners=1)],
         [numbers("i", 1, 1, 2, 2), floats("g", [1, 1, 2, 2], 0, 0, 1, -1)], [2.5, 2]),
        (10, [o.node("Reshape", ["x", "image"], ["s"]), o.node("RoiAlign", ["s", "r", "b"], ["y"], sampling_ratio=1)],
         [image, floats("r", [1, 4], 0, 0, 1, 1), numbers("b", 0)], [2.5]),
        (17, [o.node("Reshape", ["x", "c"], ["s"]), o.node("DFT", ["s"], ["y"], onesided=1)],
         [numbers("c", 1, 4, 1)], [10, 0, -2, 2, -2, 0]),
    ]
    for version, nodes, tensors, want in cases:
        got = run(b, simple(nodes, tensors, version=version))
        b.check(len(got) == len(want) and all(abs(g - w) < 1e-5 for g, w in zip(got, want)),
                f"opset {version}: {got}, not {want}")
    for nodes, tensors, text in (
            ([o.node("Einsum", ["x"], ["y"], equation="ijk->i")], [], "does not fit"),
            ([o.node("HannWindow", ["n"], ["w"]), o.node("Mul", ["x", "w"], ["y"])],
             [o.tensor("n", o.INT64, [], [-4])], "the size is -4"),
            ([o.node("LSTM", ["x", "x", "x"], ["y"])], [], "rank 3"),
            ([o.node("LinearAttention", ["q", "q", "v"], ["y", "s"], q_num_heads=1, kv_num_heads=1,
                     update_rule="linear")],
             [floats("q", [1, 2, 1], 1, 2), floats("v", [1, 1, 1], 1)], "value is f32[1, 1, 1]")):
        broken(b, INPUT, text, simple(nodes, tensors, version=27))


def test_sizes_of_data(b):
    """Outputs whose size is known when the run is over, several of one node."""
    nodes = [o.node("Unique", ["x"], ["y", "i", "r", "c"])]
    model = o.model(o.graph(nodes, [o.value("x", o.FLOAT, ["n", 4])],
                            [o.value("y"), o.value("i", o.INT64), o.value("r", o.INT64), o.value("c", o.INT64)]), 21)
    b.path("m.onnx").write_bytes(model)
    got = b.json("run", "m.onnx", "--input", "x=[[3, 1, 3, 2]]", "--json")
    want = {"y": [1, 2, 3], "i": [1, 3, 0], "r": [2, 0, 2, 1], "c": [1, 1, 2]}
    for name, values in want.items():
        b.check(got[name]["data"] == values, f"{name} of Unique: {got[name]}")


def test_bodies(b):
    scale = o.function("Scale", "own", ["a"], ["c"], [
        o.node("Constant", [], ["k"], value=("tensor", o.tensor("k", o.FLOAT, [1], [3]))),
        o.node("Mul", ["a", "k"], ["c"])])
    twice = [o.node("Scale", ["x"], ["t"], domain="own"), o.node("Scale", ["t"], ["y"], domain="own")]
    b.check(run(b, simple(twice, functions=[scale], domains=["own"])) == [9, 18, 27, 36], "a function of the model")
    fold = o.function("Sum", "own", ["a"], ["c"], [o.node("ReduceSum", ["a"], ["c"], keepdims=("ref", "keep"))],
                      attributes=["keep"])
    kept = simple([o.node("Sum", ["x"], ["y"], domain="own", keep=0)], functions=[fold], domains=["own"])
    b.check(run(b, kept) == [10], "its attributes are the call's")
    branch = [o.graph([o.node(op, ["x", "x"], [out])], [], [o.value(out)]) for op, out in (("Add", "a"), ("Mul", "m"))]
    chosen = simple([o.node("If", ["c"], ["y"], then_branch=("graph", branch[0]), else_branch=("graph", branch[1]))],
                    [o.tensor("c", o.BOOL, [], [0])])
    b.check(run(b, chosen) == [1, 4, 9, 16], "a branch that is known")
    size = [o.node("Shape", ["x"], ["s"]), o.node("Gather", ["s", "i"], ["n"]), o.node("Sub", ["n", "four"], ["d"]),
            o.node("Cast", ["d"], ["c"], to=9),
            o.node("If", ["c"], ["y"], then_branch=("graph", branch[0]), else_branch=("graph", branch[1]))]
    numbers = [o.tensor("i", o.INT64, [], [1]), o.tensor("four", o.INT64, [], [4])]
    b.check(run(b, simple(size, numbers)) == [1, 4, 9, 16], "a condition that follows from a dim")
    body = o.graph([o.node("If", ["c"], ["y"], then_branch=("graph", branch[0]), else_branch=("graph", branch[1]))],
                   [o.value("x", o.FLOAT, ["n", 4]), o.value("c", o.BOOL, [])], [o.value("y")])
    b.path("m.onnx").write_bytes(o.model(body))
    for truth, want in (("1", [2, 4, 6, 8]), ("0", [1, 4, 9, 16])):
        done = b.json("run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]", "--input", f"c={truth}", "--json")
        b.check(done["y"]["data"] == want, f"a branch of the run: {done}")
    loop = o.function("F", "own", ["a"], ["c"], [o.node("F", ["a"], ["c"], domain="own")])
    b.path("m.onnx").write_bytes(simple([o.node("F", ["x"], ["y"], domain="own")], functions=[loop], domains=["own"]))
    b.bad(UNSUPPORTED, "deep", "plan", "m.onnx")


def test_attention(b):
    """What exporters spell in primitives is one operator, and gives the same numbers."""
    def heads(source, perm):
        return [o.node("Reshape", [source, "split"], [source + "4"]),
                o.node("Transpose", [source + "4"], [source + "t"], perm=perm)]
    shapes = [o.tensor("split", o.INT64, [4], [0, 0, 2, 4]), o.tensor("d", o.FLOAT, [], [2.0]),
              o.tensor("h", o.FLOAT, [], [0.7071067811865476])]
    inputs = [o.value(name, o.FLOAT, ["b", "s", 8]) for name in "qkv"] + [o.value("m", o.FLOAT, ["b", 1, 1, "s"])]
    start = heads("q", [0, 2, 1, 3]) + heads("v", [0, 2, 1, 3])
    end = [o.node("Softmax", ["masked"], ["p"], axis=-1), o.node("MatMul", ["p", "vt"], ["y"])]
    kinds = {
        "divided scores": heads("k", [0, 2, 3, 1]) + [
            o.node("MatMul", ["qt", "kt"], ["s"]), o.node("Div", ["s", "d"], ["sd"]), o.node("Add", ["sd", "m"], ["masked"])],
        "scaled operands": heads("k", [0, 2, 3, 1]) + [
            o.node("Mul", ["qt", "h"], ["qs"]), o.node("Mul", ["kt", "h"], ["ks"]), o.node("MatMul", ["qs", "ks"], ["s"]),
            o.node("Add", ["m", "s"], ["masked"])],
        "two transpositions": heads("k", [0, 2, 1, 3]) + [
            o.node("Transpose", ["kt"], ["kk"], perm=[0, 1, 3, 2]), o.node("MatMul", ["qt", "kk"], ["s"]),
            o.node("Mul", ["s", "h"], ["masked"])],
    }
    values = [[[[(i * 7 + j * 3 + c) % 11 / 5 - 1 for j in range(8)] for i in range(5)] for _ in range(2)]
              for c in range(3)]
    words = []
    for name, value in zip("qkv", values):
        words += ["--input", f"{name}={json.dumps(value)}"]
    for what, scores in kinds.items():
        body = o.graph(start + scores + end, inputs, [o.value("y")], shapes)
        b.path("m.onnx").write_bytes(o.model(body))
        mask = ["--input", "m=" + json.dumps([[[[0, 0, -1, 0, -30]]]] * 2)]
        b.check("Attention" in b.good("plan", "m.onnx").text, f"{what}: one operator")
        fused = b.json("run", "m.onnx", *words, *mask, "--json")["y"]
        plain = b.json("run", "m.onnx", *words, *mask, "--no-fuse", "--json")["y"]
        b.check(fused["dims"] == plain["dims"] == [2, 2, 5, 4] and
                all(abs(x - y) < 2e-6 for x, y in zip(fused["data"], plain["data"])), f"{what}: the same numbers")


def broken(b, code, text, model):
    b.path("m.onnx").write_bytes(model)
    b.bad(code, text, "plan", "m.onnx")


def test_broken(b):
    relu = [o.node("Relu", ["x"], ["y"], name="act")]
    good = simple(relu, [o.tensor("w", o.FLOAT, [16], raw=FLOATS)])
    for cut in range(1, len(good), 3):
        b.path("m.onnx").write_bytes(good[:cut])
        done = b.run("plan", "m.onnx")
        b.check(done.code in (OK, INPUT, UNSUPPORTED), f"cut off after {cut} bytes", done)
    broken(b, INPUT, "no ONNX model", b"")
    broken(b, INPUT, "damaged", b"\xff" * 64)
    deep = b""
    for _ in range(200):
        deep = o.graph([o.node("If", ["c"], ["y"], then_branch=("graph", deep))], [], [])
    broken(b, INPUT, "deep", o.model(deep))
    broken(b, UNSUPPORTED, "opset -1", simple(relu, version=-1))
    broken(b, UNSUPPORTED, "opset 99", simple(relu, version=99))
    unknown = [o.node("Frob", ["x"], ["a"]), o.node("Frob", ["a"], ["b"]), o.node("Bar", ["b"], ["y"], domain="x.y")]
    broken(b, UNSUPPORTED, "Frob (opset 21, 2 nodes), x.y.Bar", simple(unknown, domains=["x.y"]))
    broken(b, INPUT, "'z' is read before", simple([o.node("Add", ["x", "z"], ["y"])]))
    cycle = [o.node("Add", ["x", "b"], ["a"]), o.node("Relu", ["a"], ["b"]), o.node("Relu", ["b"], ["y"])]
    broken(b, INPUT, "cycle", simple(cycle))
    broken(b, INPUT, "made twice", simple([*relu, o.node("Abs", ["x"], ["y"])]))
    w = o.tensor("w", o.FLOAT, [4], [1, 2, 3, 4])
    broken(b, INPUT, "there twice", simple([o.node("Add", ["x", "w"], ["y"])], [w, w]))
    add = [o.node("Add", ["x", "w"], ["y"], name="sum")]
    broken(b, INPUT, "f32[n, 4] and f32[5]", simple(add, [o.tensor("w", o.FLOAT, [5], [1, 2, 3, 4, 5])]))
    broken(b, INPUT, "node 'sum' (Add)", simple(add, [o.tensor("w", o.INT64, [4], [1, 2, 3, 4])]))
    broken(b, INPUT, "its dims need", simple(add, [o.tensor("w", o.FLOAT, [400], raw=FLOATS)]))
    broken(b, INPUT, "its dims need", simple(add, [o.tensor("w", o.FLOAT, [1 << 40], [1])]))
    broken(b, UNSUPPORTED, "data_type 77", simple(add, [o.tensor("w", 77, [4], raw=FLOATS[:16])]))
    broken(b, INPUT, "has no attribute 'frob'", simple([o.node("Relu", ["x"], ["y"], frob=1)]))
    broken(b, UNSUPPORTED, "has no shape", simple(relu, inputs=[o.data(1, "x") + o.data(2, o.data(1, o.number(1, 1)))]))
    b.write("sub/inside.txt", "")
    b.path("outside.bin").write_bytes(FLOATS)
    for location, text in (("../outside.bin", "outside the model's folder"), ("/etc/passwd", "/etc/passwd"),
                           ("absent.bin", "absent.bin")):
        b.path("sub/m.onnx").write_bytes(simple(add, [o.external("w", o.FLOAT, [4], location=location)]))
        b.bad(INPUT, text, "plan", "sub/m.onnx")
    b.path("short.bin").write_bytes(b"1234")
    broken(b, INPUT, "short.bin", simple(add, [o.external("w", o.FLOAT, [4], location="short.bin", length=16)]))
    broken(b, INPUT, "no size", simple(add, [o.external("w", o.FLOAT, [4], location="short.bin", offset="-1")]))
    b.bad(INPUT, "absent.onnx", "plan", "absent.onnx")


def test_own(b, folder, *more):
    """ONNX's tests below a folder: all pass, but for a few that a rule excludes with its reason."""
    done = b.run("certify", "--onnx", str(folder), "--json", *more)
    value = json.loads(done.text)
    bad = [t for t in value["tests"] if t["result"] not in ("passed", "excluded")]
    b.check(done.code == OK and not bad, f"all pass: {bad[:3]}", done if not bad else None)
    b.check(value["total"] > 0 and value["excluded"] <= 30, f"{value['excluded']} of {value['total']} are excluded")
    b.check(all(t["note"] for t in value["tests"] if t["result"] == "excluded"), "each for a reason")
    print(f"{folder.name}: {value['passed']} of {value['total']} tests of ONNX's own pass")


def test_data(b):
    root = pathlib.Path(os.environ.get("MARU_TEST_DATA", ""))
    archive = root / "onnx_backend_v1.22.0" / "node_tests_v1.22.0.tar.gz"
    if not archive.exists():
        print("ONNX's node tests are not here: skipped")
        return
    folder = b.path("node_tests")
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    test_own(b, folder)
    test_own(b, root, *[word for folder in sorted(root.iterdir()) if folder.name != "text_magika"
                        for word in ("--test", folder.name)])
    # Its variance is the mean of squares less the square of the mean, over 512 numbers that are much alike: the
    # reference added them one after the other in f32, which leaves two digits of the difference; probabilities
    # move by half a percent.
    test_own(b, root, "--test", "text_magika", "--absolute", "1e-2")


PART = """local maru = require "maru"
return maru.model {
  options = { how = { default = "plain" } },
  graph = function(m)
    local how = m.options.how
    local w = maru.tensor({ 1, 1, 1, 1 }, "f32")
    local x = how ~= "open" and how ~= "sized" and m:input("x", "f32", { m:symbol "rows", how == "wide" and 5 or 4 })
    local function net(options) return maru.onnx("m.onnx", options) end
    if how == "plain" then m:output("y", net()(x)) end
    if how == "named" then m:output("y", net() { x = x }) end
    if how == "twice" then local f = net() m:output("y", f(f(x))) end
    if how == "weights" then m:output("y", net { weights = { w = w } }(x)) end
    if how == "inner" then
      local inner, y = net { outputs = { "sum", "y" } }(x)
      m:output("y", y) m:output("inner", inner)
    end
    if how == "behind" then m:output("y", net() { sum = x }) end
    if how == "known" then m:output("y", x + net { known = { x = maru.tensor({ { 0, 0, 0, 0 } }, "f32") } }()) end
    if how == "open" then m:output("y", net { dims = { n = 2 } }()) end
    if how == "sized" then m:output("y", net { dims = { x = { "rows", 4 } } }()) end
    if how == "before" then m:output("y", maru.onnx("strange.onnx", { outputs = { "sum" } })(x)) end
    if how == "beyond" then m:output("y", maru.onnx("strange.onnx")(x)) end
    if how == "wide" then m:output("y", net()(x)) end
    if how == "integers" then m:output("y", net()(x:cast "i64")) end
    if how == "unknown" then net { outputs = { "nothing" } }(x) end
    if how == "misnamed" then net() { z = x } end
    if how == "many" then net()(x, x) end
    if how == "option" then net { output = { "y" } } end
    if how == "outside" then maru.onnx "../m.onnx" end
    if how == "absent" then maru.onnx "absent.onnx" end
    if how == "ports" then
      local a, b = net().inputs[1], net().outputs[1]
      m:output("y", x) print(a.name, a.dtype, a.dims[1], a.dims[2], b.name, net().metadata.words)
    end
  end,
}
"""


def test_in_scripts(b):
    """A model is a function on tensors: composed, cut, with other weights and dims."""
    nodes = [o.node("Add", ["x", "w"], ["sum"], name="add"), o.node("Mul", ["sum", "sum"], ["y"], name="square")]
    w = o.tensor("w", o.FLOAT, [4], [10, 20, 30, 40])
    b.write("part/m.onnx", simple(nodes, [w]) + o.data(14, o.data(1, "words") + o.data(2, "a,b")))
    strange = [*nodes[:1], o.node("Strange", ["sum"], ["y"], name="strange")]
    b.write("part/strange.onnx", simple(strange, [w]))
    b.write("part/part.lua", PART)

    def words(how, x="[[1, 2, 3, 4]]"):
        return ["run", "part/part.lua", "--set", f"how={how}", "-i", f"x={x}", "--json"]
    square = [121, 484, 1089, 1936]
    for how, want in [("plain", square), ("named", square),
                      ("twice", [(a + 10 * (i + 1)) ** 2 for i, a in enumerate(square)]), ("weights", [4, 9, 16, 25]),
                      ("inner", square), ("behind", [1, 4, 9, 16]), ("known", [101, 402, 903, 1604]),
                      ("sized", square), ("before", [11, 22, 33, 44])]:
        got = b.json(*words(how))
        b.check(got["y"]["data"] == want, f"{how}: {got}")
        b.check(how != "inner" or got["inner"]["data"] == [11, 22, 33, 44], f"an inner value: {got}")
    rows = "[[1, 2, 3, 4], [0, 0, 0, 0]]"
    b.check(b.json(*words("open", rows))["y"]["data"] == [*square, 100, 400, 900, 1600], "a dim is fixed")
    b.bad(INPUT, ["x", "2"], *words("open"))
    b.check("x\tf32\tn\t4\ty\ta,b" in b.good(*words("ports")).error, "what it says of its inputs and outputs")
    for how, code, names in [
            ("beyond", UNSUPPORTED, ["Strange", "strange.onnx"]),
            ("wide", INPUT, ["m.onnx", "'x'", "f32[n, 4]", "f32[rows, 5]"]),
            ("integers", INPUT, ["m.onnx", "'x'", "i64[rows, 4]"]),
            ("unknown", INPUT, ["m.onnx", "'nothing'"]), ("misnamed", INPUT, ["m.onnx", "'z'"]),
            ("many", INPUT, ["1 tensors, 2 are given"]), ("option", INPUT, ["'output'", "outputs"]),
            ("outside", INPUT, ["../m.onnx"]), ("absent", INPUT, ["absent.onnx", "--weights"])]:
        b.bad(code, ["part.lua:", *names], *words(how))
    b.write("other/m.onnx", simple(nodes, [o.tensor("w", o.FLOAT, [4], [0, 0, 0, 0])]))
    for weights in ["other", "other/m.onnx"]:
        got = b.json(*words("plain"), "--weights", weights)
        b.check(got["y"]["data"] == [1, 4, 9, 16], f"--weights {weights}: {got}")
    test_signals(b)
    test_bombs(b)
    test_baked_batch(b)


BATCH = """local maru = require "maru"
return maru.model {
  options = { batch = { default = 0 } },
  graph = function(m)
    local n = m.options.batch > 0 and m.options.batch or m:symbol "n"
    local net = maru.onnx("baked.onnx", { dims = { x = { n, 2, 3 } }, outputs = { "flat", "turned", "heads", "row", "y" } })
    local flat, turned, heads, row, y = net(m:input("x", "f32", { n, 2, 3 }))
    for name, value in pairs { flat = flat, turned = turned, heads = heads, row = row, y = y } do m:output(name, value) end
  end,
}
"""


def test_signals(b):
    """A real signal with its last dim of 1, and without."""
    steps = [o.tensor("step", o.INT64, [], [2]), o.tensor("w", o.FLOAT, [4], [0.5, 1, 1, 0.5])]
    got = []
    for dims, x in [([1, 8], "[[1, 2, 3, 4, 3, 2, 1, 0]]"), ([1, 8, 1], "[[[1], [2], [3], [4], [3], [2], [1], [0]]]")]:
        got.append(run(b, simple([o.node("STFT", ["x", "step", "w"], ["y"])], steps,
                                 inputs=[o.value("x", o.FLOAT, dims)]), x))
    b.check(got[0] == got[1] and abs(got[0][0] - 7.5) < 1e-6, f"both are the same: {got}")


def test_bombs(b):
    """Functions that call each other twice: small files, and more nodes than anybody can run."""
    functions = [o.function(f"f{i}", "own", ["a"], ["c"],
                            [o.node(f"f{i + 1}", ["a"], ["h"], domain="own"), o.node(f"f{i + 1}", ["h"], ["c"], domain="own")])
                 for i in range(22)]
    functions.append(o.function("f22", "own", ["a"], ["c"], [o.node("Neg", ["a"], ["c"])]))
    b.path("m.onnx").write_bytes(simple([o.node("f0", ["x"], ["y"], domain="own")], functions=functions, domains=["own"]))
    b.bad(MEMORY, "more than 1000000 nodes", "run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]")
    functions[-1] = o.function("f22", "own", ["a"], ["c"], [o.node("f0", ["a"], ["c"], domain="own")])
    b.path("m.onnx").write_bytes(simple([o.node("f0", ["x"], ["y"], domain="own")], functions=functions, domains=["own"]))
    b.bad(UNSUPPORTED, "deep", "run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]")


def test_baked_batch(b):
    """Shapes with a batch of one in them, where the batch is another: in front, in the middle, in a product, or not at all."""
    shapes = {"flat_to": [1, 6], "turned_to": [2, 1, 3], "heads_to": [2, 3], "row_to": [1, 3], "y_to": [1, -1]}
    nodes = [o.node("Reshape", ["x", "flat_to"], ["flat"]), o.node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
             o.node("Reshape", ["t", "turned_to"], ["turned"]), o.node("Reshape", ["x", "heads_to"], ["heads"]),
             o.node("Reshape", ["w", "row_to"], ["row"]), o.node("Reshape", ["x", "y_to"], ["y"])]
    tensors = [o.tensor(name, o.INT64, [len(to)], to) for name, to in shapes.items()] + [o.tensor("w", o.FLOAT, [3], [1, 2, 3])]
    outputs = [o.value(name, o.FLOAT, dims) for name, dims in [("y", [1, 6])]]
    b.write("part/baked.onnx", o.model(o.graph(nodes, [o.value("x", o.FLOAT, [1, 2, 3])], outputs, tensors)))
    b.write("part/batch.lua", BATCH)
    for n in [1, 2, 4]:
        x = [[[100 * i + 10 * k + l for l in range(3)] for k in range(2)] for i in range(n)]
        for batch in [0, n]:
            got = b.json("run", "part/batch.lua", "--set", f"batch={batch}", "-i", f"x={json.dumps(x)}", "--json")
            dims = {name: value["dims"] for name, value in got.items()}
            want = {"flat": [n, 6], "turned": [2, n, 3], "heads": [2 * n, 3], "row": [1, 3], "y": [1, 6 * n]}
            b.check(dims == want, f"{n}, {batch}: {dims}")
            b.check(got["flat"]["data"] == [v for rows in x for row in rows for v in row], f"{got}")


def test(b):
    test_right(b)
    test_forms(b)
    test_given_inputs(b)
    test_bodies(b)
    test_attention(b)
    test_broken(b)
    test_data(b)
    test_in_scripts(b)
