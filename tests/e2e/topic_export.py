# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs written as ONNX models: what is written, what is refused, and that it comes back the same."""
import json
import os

import export_cases as cases
import onnx_file as o
from harness import INPUT, OK, UNSUPPORTED, USAGE, floats, safetensors

SHAPES = """maru 1 "shapes"
symbol batch min=1 max=64 typical=8
symbol seq min=2
%1 = input "x" f32[batch, seq]
%2 = shape [batch*seq]
%3 = Reshape(%1, %2) "flat"
%4 = shape [batch + 2, (seq + 1)//2, ceildiv(seq, 2), seq % 3, min(seq, 5)]
%5 = ReduceSum(%4) {keepdims=0}
%6 = Cast(%5) {to=1}
%7 = Mul(%3, %6) "flat"
output "y" %7
output "again" %7
output "dims" %4
"""

STATE = """maru 1 "cache"
%1 = input "x" f32[1, 2]
%2 = state "k" f32[1, 2]
%3 = Add(%1, %2)
output "y" %3
set_state "k" %3
"""

NEW = """maru 1 "new"
%1 = input "x" i32[2]
%2 = BitwiseNot(%1)
%3 = BitwiseAnd(%1, %2)
%4 = BitwiseOr(%3, %2)
%5 = Cast(%4) {to=1}
%6 = const "axis" i64[] {0}
%7 = CumProd(%5, %6)
output "y" %7
"""

COMPOSITE = """maru 1 "composite"
%1 = input "x" f32[1, 3, 4, 4]
%2 = const "w" f32[3, 3, 1, 1] {1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0}
%3 = maru.FusedConv(%1, %2) {activation="Relu"} "conv"
%4 = Gelu(%3) "gelu"
%5 = Swish(%4) "swish"
output "y" %5
"""


def run(b, model, **inputs):
    words = [w for name, value in inputs.items() for w in ("--input", f"{name}={json.dumps(value)}")]
    return b.json("run", model, *words, "--json")


def test_shapes(b):
    """Dims that a graph computes become nodes; names and symbols are kept."""
    b.write("s.maru", SHAPES)
    x = [[1, 2, 3, 4], [5, 6, 7, 8]]
    want = run(b, "s.maru", x=x)
    for opset in (17, 21, 28):
        b.good("export", "s.maru", "-o", "s.onnx", "--opset", opset)
        got = run(b, "s.onnx", x=x)
        b.check(got["y"] == want["y"] and got["again"] == want["y"] and got["dims"] == want["dims"],
                f"the same at {opset}: {got}")
    model = b.path("s.onnx").read_bytes()
    ops = o.operators(model)
    b.check({"Shape", "Concat", "Div", "Mod", "Min"} <= {op for op, _ in ops}, f"dims are nodes: {ops}")
    b.check(("Reshape", "flat") in ops and ("Mul", "flat/Mul") in ops, f"scopes are names: {ops}")
    b.check(b"batch" in model and b"seq" in model and b"min=1 max=64 typical=8" in model, "symbols are named")
    summary = b.json("export", "s.maru", "-o", "s.onnx", "--json")
    b.check(summary["inputs"] == ["x"] and summary["opset"] == 28 and summary["model_bytes"] ==
            b.path("s.onnx").stat().st_size, f"the summary: {summary}")
    b.write("more.maru", 'maru 1 "g"\nsymbol n min=1\n%1 = input "x" f32[n*2 + 3]\n%2 = shape [n]\n'
            '%3 = const "w" f32[1] {1.0}\n%4 = Expand(%3, %2)\noutput "y" %4\n')
    b.good("export", "more.maru", "-o", "more.onnx")
    ops = [op for op, _ in o.operators(b.path("more.onnx").read_bytes())]
    b.check(ops == ["Shape", "Sub", "Div", "Expand"], f"a symbol inside of a dim is found: {ops}")
    b.write("lost.maru", 'maru 1 "g"\nsymbol n min=1\n%1 = input "x" f32[1]\n%2 = shape [n]\n%3 = Expand(%1, %2)\n'
            'output "y" %3\n')
    b.bad(UNSUPPORTED, ["'n'", "no input"], "export", "lost.maru", "-o", "lost.onnx")


def test_states(b):
    b.write("k.maru", STATE)
    summary = b.json("export", "k.maru", "-o", "k.onnx", "--json")
    got = run(b, "k.onnx", x=[[1, 2]], k=[[10, 20]])
    b.check(got["y"]["data"] == [11, 22] and got["k.next"]["data"] == [11, 22], f"a state is an input and an output: {got}")
    b.check(summary["states"] == ["k"] and b"maru.state.k" in b.path("k.onnx").read_bytes(), f"and is told: {summary}")


def test_refusals(b):
    b.write("n.maru", NEW)
    b.good("export", "n.maru", "-o", "n.onnx")
    b.path("n.onnx").unlink()
    b.bad(UNSUPPORTED, ["opset 17", "BitwiseNot (opset 18)", "BitwiseAnd (opset 18)", "CumProd (opset 26)"], "export",
          "n.maru", "-o", "n.onnx", "--opset", 17)
    b.check(not list(b.folder.glob("n.onnx*")), "a failure leaves no file")
    b.bad(UNSUPPORTED, ["CumProd (opset 26)"], "export", "n.maru", "-o", "n.onnx", "--opset", 21)
    b.bad(USAGE, ["-o"], "export", "n.maru")
    for opset in (16, 29, "x"):
        b.bad(USAGE, ["--opset"], "export", "n.maru", "-o", "n.onnx", "--opset", opset)
    b.bad(INPUT, ["absent"], "export", "n.maru", "-o", "absent/n.onnx")
    b.bad(INPUT, ["absent.maru"], "export", "absent.maru", "-o", "n.onnx")
    b.write("w.maru", 'maru 1 "g"\n%1 = input "x" f32[2]\n%2 = const "w" f32[2] external\n%3 = Add(%1, %2)\noutput "y" %3\n')
    b.bad(INPUT, ["'w'"], "export", "w.maru", "-o", "w.onnx")
    b.write("w.safetensors", safetensors({"w": ("F32", [2], floats(3, 4))}))
    b.good("export", "w.maru", "--weights", "w.safetensors", "-o", "w.onnx")
    b.check(run(b, "w.onnx", x=[1, 1])["y"]["data"] == [4, 5], "weights of a file")


def test_composites(b):
    b.write("c.maru", COMPOSITE)
    x = [[[[float((i * 7 + j * 3 + c) % 5 - 2) for i in range(4)] for j in range(4)] for c in range(3)]]
    want = run(b, "c.maru", x=x)["y"]["data"]
    seen = {}
    for words in ((), ("--whole",), ("--opset", 17), ("--decompose",)):
        b.good("export", "c.maru", "-o", "c.onnx", *words)
        got = run(b, "c.onnx", x=x)["y"]["data"]
        b.check(all(abs(g - w) < 1e-5 for g, w in zip(got, want)), f"the same with {words}: {got[:4]}")
        seen[words] = {op for op, _ in o.operators(b.path("c.onnx").read_bytes())}
    b.check("FusedConv" not in seen[()] and {"Conv", "Relu", "Gelu"} <= seen[()] and
            "Swish" not in seen[()], f"by default: {seen}")
    b.check("Swish" in seen[("--whole",)], f"whole: {seen}")
    b.check({"Erf", "Relu"} <= seen[("--opset", 17)] and "Gelu" not in seen[("--opset", 17)], f"at 17: {seen}")
    b.check(not {"Relu", "Gelu", "Swish"} & seen[("--decompose",)], f"primitives: {seen}")


def test_weights(b):
    """In the model, or in a file beside it at whole pages; a model may be written over the one that it is read from."""
    raw = b"".join(floats(float(i)) for i in range(1024))
    tensors = [o.tensor(f"w{i}", o.FLOAT, [1024], raw=raw) for i in range(3)]
    nodes = [o.node("Add", ["x" if i == 0 else f"v{i - 1}", f"w{i}"], ["y" if i == 2 else f"v{i}"]) for i in range(3)]
    b.path("m.onnx").write_bytes(o.model(o.graph(nodes, [o.value("x", o.FLOAT, [1])], [o.value("y")], tensors)))
    want = run(b, "m.onnx", x=[0])["y"]["data"]
    summary = b.json("export", "m.onnx", "-o", "e.onnx", "--external", "--json")
    b.check(summary["data_bytes"] == b.path("e.onnx.data").stat().st_size == 3 * 4096, f"three pages: {summary}")
    b.check(run(b, "e.onnx", x=[0])["y"]["data"] == want, "weights beside the model")
    b.good("export", "e.onnx", "-o", "e.onnx", "--external")
    b.check(run(b, "e.onnx", x=[0])["y"]["data"] == want, "written over itself")
    b.good("export", "m.onnx", "-o", "m.onnx")
    b.check(run(b, "m.onnx", x=[0])["y"]["data"] == want, "and in one file")
    b.path("e.onnx.data").unlink()
    b.bad(INPUT, ["e.onnx.data"], "run", "e.onnx", "--input", "x=[0]")
    b.check(not list(b.folder.glob("*.tmp")), "no temporary file is left")
    os.mkfifo(b.path("pipe.onnx"))
    b.bad(INPUT, ["pipe.onnx", "no file"], "export", "m.onnx", "-o", "pipe.onnx")
    b.check(b.path("pipe.onnx").is_fifo(), "and a pipe stays one")


def test_own(b):
    """Exported and read again, ONNX's node tests give the same; what is refused says why."""
    tests = cases.unpack(b)
    for opset in cases.OPSETS if tests else ():
        folder = b.path(f"again-{opset}")
        told = [cases.export(b, test, opset, folder) for test in tests]
        n = sum(1 for summary, _ in told if summary)
        odd = [done.error for summary, done in told
               if not summary and done.code not in (OK, INPUT, UNSUPPORTED)]
        b.check(not odd, f"each that is not exported says why: {odd[:3]}")
        refused = [done.error for summary, done in told if not summary and "cannot say" in done.error]
        b.check(opset or not refused, f"the newest opset says everything: {refused[:3]}")
        done = b.run("certify", "--onnx", folder, "--json", timeout=250)
        result = json.loads(done.text)
        odd = [t for t in result["tests"] if t["result"] != "passed"]
        b.check(done.code == OK and result["passed"] == n and not odd, f"the same at {opset}: {odd[:3]}")
        print(f"opset {opset or 'chosen'}: {result['passed']} of {n} exported tests pass, of {len(tests)}; "
              f"{len(refused)} cannot be said")


def test(b):
    test_shapes(b)
    test_states(b)
    test_refusals(b)
    test_composites(b)
    test_weights(b)
    test_own(b)
