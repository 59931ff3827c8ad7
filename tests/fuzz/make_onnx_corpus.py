# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Writes corpus/onnx: small models that reach what the importer reads. Run it after a change of onnx_file.py."""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import onnx_file as o  # noqa: E402

W = o.tensor("w", o.FLOAT, [4], [1, 2, 3, 4])
X = o.value("x", o.FLOAT, ["n", 4])


def net(nodes, tensors=(), sparse=(), version=21, **more):
    return o.model(o.graph(nodes, [X], [o.value("y")], tensors, sparse), version, **more)


def main():
    relu, add = o.node("Relu", ["x"], ["y"]), o.node("Add", ["x", "w"], ["y"], name="sum")
    branch = o.graph([o.node("Neg", ["x"], ["a"])], [], [o.value("a")])
    body = o.function("F", "own", ["a"], ["c"], [o.node("ReduceSum", ["a"], ["c"], keepdims=("ref", "k"))], ["k"])
    sparse = o.data(1, o.tensor("w", o.FLOAT, [2], [5, 7])) + o.data(2, o.tensor("", o.INT64, [2], [0, 3]))
    shape = [o.node("Shape", ["x"], ["s"]), o.node("Gather", ["s", "i"], ["g"]), o.node("Concat", ["g", "m"], ["t"], axis=0),
             o.node("Reshape", ["x", "t"], ["y"])]
    models = {
        "relu": net([relu]),
        "add": net([add], [W]),
        "raw": net([add], [o.tensor("w", o.FLOAT, [4, 4], raw=struct.pack("<16f", *range(16)))]),
        "external": net([add], [o.external("w", o.FLOAT, [4], location="w.bin", offset=4)]),
        "sparse": net([add], sparse=[sparse + o.number(3, 4)]),
        "function": net([o.node("F", ["x"], ["y"], domain="own", k=1)], functions=[body], domains=["own"]),
        "if": net([o.node("If", ["c"], ["y"], then_branch=("graph", branch), else_branch=("graph", branch))],
                  [o.tensor("c", o.BOOL, [], [1])]),
        "shape": net(shape, [o.tensor("i", o.INT64, [1], [0]), o.tensor("m", o.INT64, [1], [-1])]),
        "old": net([o.node("Flatten", ["x"], ["f"], axis=0), o.node("Softmax", ["f"], ["g"], axis=0),
                    o.node("Pad", ["g"], ["y"], pads=[0, 1, 0, 0], value=9.0)], version=9),
        "constant": net([o.node("Constant", [], ["w"], value=("tensor", W)), add]),
        "unknown": net([o.node("Frob", ["x"], ["y"], mode="a", size=2.5)]),
    }
    folder = HERE / "corpus" / "onnx"
    folder.mkdir(exist_ok=True)
    for name, data in models.items():
        (folder / name).write_bytes(data)


main()
