# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""What opsets 1 to 6 wrote otherwise, and dims that may be 0."""
import json

import onnx_file as o
from harness import INPUT


def numbers(name, *values, kind=o.FLOAT):
    return o.tensor(name, kind, [len(values)], values)


X22 = [o.node("Reshape", ["x"], ["s"], shape=[1, 2, 2])]  # 1 2 / 3 4
CASES = [
    (6, [*X22[:0], o.node("Add", ["x", "w"], ["y"], broadcast=1)], [numbers("w", 1, 2, 3, 4)], [2, 4, 6, 8]),
    (1, [o.node("Relu", ["x"], ["y"], consumed_inputs=[0])], [], [1, 2, 3, 4]),
    (4, [*X22, o.node("Mul", ["s", "w"], ["y"], broadcast=1, axis=1)], [numbers("w", 10, 100)], [10, 20, 300, 400]),
    (4, [*X22, o.node("Sub", ["s", "w"], ["y"], broadcast=1, axis=-1)], [numbers("w", 10, 100)], [-9, -98, -7, -96]),
    (4, [*X22, o.node("Neg", ["s"], ["n"]), o.node("PRelu", ["n", "w"], ["y"])], [numbers("w", 10, 100)],
     [-10, -20, -300, -400]),
    (5, [o.node("Cast", ["x"], ["i"], to="INT32"), o.node("Cast", ["i"], ["y"], to="FLOAT")], [], [1, 2, 3, 4]),
    (3, [o.node("Concat", ["x", "x"], ["y"])], [], [1, 2, 3, 4, 1, 2, 3, 4]),
    (5, [o.node("Tile", ["x", "n", "a"], ["y"])], [o.tensor("n", o.FLOAT, [], [2]), o.tensor("a", o.FLOAT, [], [0])],
     [1, 2, 3, 4, 1, 2, 3, 4]),
    (1, [o.node("Pad", ["x"], ["y"], paddings=[0, 1, 0, 0], value=9.0)], [], [9, 1, 2, 3, 4]),
    (1, [o.node("Reshape", ["x"], ["s"], shape=[1, 1, 2, 2]),
         o.node("Upsample", ["s"], ["y"], height_scale=1.0, width_scale=2.0)], [], [1, 1, 2, 2, 3, 3, 4, 4]),
    (6, [o.node("Gemm", ["x", "w", "c"], ["y"], broadcast=1, transB=1)],
     [o.tensor("w", o.FLOAT, [1, 4], [1, 1, 1, 1]), numbers("c", 5)], [15]),
    (6, [o.node("Dropout", ["x"], ["y"], is_test=1)], [], [1, 2, 3, 4]),
    (6, [o.node("BatchNormalization", ["x", "w", "c", "c", "w"], ["y"], is_test=1, epsilon=0.0)],
     [numbers("w", 1, 1, 1, 1), numbers("c", 1, 1, 1, 1)], [1, 2, 3, 4]),
    (6, [o.node("BatchNormalization", ["x", "w", "c", "c", "w"], ["y"], epsilon=1.0)],
     [numbers("w", 1, 1, 1, 1), numbers("c", 5, 5, 5, 5)], [5, 5, 5, 5]),
    (1, [o.node("Selu", ["x"], ["y"], alpha=1.0, gamma=2.0)], [], [2, 4, 6, 8]),
]


def write(b, nodes, tensors, version, ir=8):
    body = o.graph(nodes, [o.value("x", o.FLOAT, [1, 4])], [o.value("y")], tensors)
    imports = o.each(8, [o.opset(version)]) if version else b""
    b.path("m.onnx").write_bytes(o.number(1, ir) + o.data(7, body) + imports)


def test(b):
    for version, nodes, tensors, want in CASES:
        write(b, nodes, tensors, version)
        got = b.json("run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]", "--json")["y"]["data"]
        b.check(len(got) == len(want) and all(abs(g - w) < 1e-5 for g, w in zip(got, want)),
                f"opset {version}, {json.dumps(want)}: {got}")
    write(b, [o.node("Dropout", ["x"], ["y"])], [], 6)
    got = b.json("run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]", "--json")["y"]["data"]
    b.check(all(g in (0, 2 * i) for i, g in enumerate(got, 1)), f"Dropout drops unless it is a test: {got}")
    write(b, [o.node("Reshape", ["x"], ["y"], shape=[4])], [], 0, ir=2)
    b.check(b.json("run", "m.onnx", "--input", "x=[[1, 2, 3, 4]]", "--json")["y"]["dims"] == [4], "no opset is opset 1")
    cache = o.graph([o.node("Concat", ["p", "x"], ["y"], axis=0)], [o.value("p", o.FLOAT, ["past_length", 2]),
                                                                    o.value("x", o.FLOAT, ["n", 2])], [o.value("y")])
    b.path("m.onnx").write_bytes(o.model(cache))
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }".ljust(117) + "\n"
    b.path("p.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    got = b.json("run", "m.onnx", "--input", "p=@p.npy", "--input", "x=[[1, 2]]", "--json")["y"]["data"]
    b.check(got == [1, 2], f"a cache may be empty: {got}")
    for nodes, tensors, version, text in (
            ([o.node("Relu", ["x"], ["y"])], [], 0, "no opset"),
            ([o.node("Add", ["x", "w"], ["y"], broadcast=1, axis=1)], [o.tensor("w", o.FLOAT, [1, 4], [1] * 4)], 6,
             "from axis 1"),
            ([o.node("Add", ["x"], ["y"], broadcast=1, axis=1)], [], 6, "input 1 is missing"),
            ([o.node("Tile", ["x", "n", "n"], ["y"])], [o.tensor("n", o.FLOAT, [], [float("nan")])], 5, "no sense")):
        write(b, nodes, tensors, version)
        b.bad(INPUT, text, "plan", "m.onnx")
