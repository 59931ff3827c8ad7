# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Models whose products become 8-bit: from calibration inputs of every layout to the file and its report."""
import math
import os
import pathlib
import struct

import onnx_file as o
from harness import INPUT, UNSUPPORTED, USAGE, floats, npy

DATA = pathlib.Path(os.environ.get("MARU_TEST_DATA", ""))


def numbers(n, seed):
    """Of about a bell, the same on every machine."""
    seed *= 2654435761  # near seeds begin alike
    out = []
    for _ in range(n):
        total = 0
        for _ in range(6):
            seed = (seed * 1664525 + 1013904223) % (1 << 32)
            total += seed / (1 << 32) - 0.5
        out.append(total)
    return out


def raw(values):
    return struct.pack(f"<{len(values)}f", *values)


def convolutions(inputs=None):
    """x[1, 3, 8, 8]: two convolutions with activations, a sum between them, and a product at the end."""
    weights = [o.tensor("w1", o.FLOAT, [8, 3, 3, 3], raw=raw(numbers(216, 1))),
               o.tensor("b1", o.FLOAT, [8], raw=raw(numbers(8, 2))),
               o.tensor("w2", o.FLOAT, [8, 8, 1, 1], raw=raw(numbers(64, 3))),
               o.tensor("zero", o.FLOAT, [], [0.0]), o.tensor("six", o.FLOAT, [], [6.0]),
               o.tensor("w3", o.FLOAT, [512, 4], raw=raw(numbers(2048, 4)))]
    nodes = [o.node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
             o.node("Relu", ["c1"], ["r1"]),
             o.node("Conv", ["r1", "w2"], ["c2"], name="second"), o.node("Clip", ["c2", "zero", "six"], ["r2"]),
             o.node("Add", ["r1", "r2"], ["s"]), o.node("Flatten", ["s"], ["f"]),
             o.node("MatMul", ["f", "w3"], ["y"], name="last")]
    return o.model(o.graph(nodes, inputs or [o.value("x", o.FLOAT, [1, 3, 8, 8])], [o.value("y")], weights), 17)


def sample(seed, batch=1):
    return npy("<f4", [batch, 3, 8, 8], raw(numbers(192 * batch, seed)))


def test_file(b):
    b.path("m.onnx").write_bytes(convolutions())
    for i in range(12):
        b.write(f"in/{i}.npy", sample(10 + i))
    b.write("new.npy", sample(99))
    want = b.json("run", "m.onnx", "-i", "x=@new.npy", "--json")["y"]["data"]
    told = {}
    for words in ((), ("--method", "entropy"), ("--activations", "i8"), ("--activations", "i8-symmetric"),
                  ("--per-tensor",), ("--opset", "13")):
        if "13" in words:
            b.bad(USAGE, "--opset", "quantize", "m.onnx", "--calibrate", "in", "-o", "q.onnx", *words)
            continue
        told[words] = b.json("quantize", "m.onnx", "--calibrate", "in", "-o", "q.onnx", *words, "--json")
        got = b.json("run", "q.onnx", "-i", "x=@new.npy", "--json")["y"]["data"]
        noise = math.sqrt(sum((g - w) ** 2 for g, w in zip(got, want)) / sum(w * w for w in want))
        b.check(0 < noise < 0.1, f"near the float model with {words}: {noise}")
        plain = b.json("run", "q.onnx", "-i", "x=@new.npy", "--no-fuse", "--json")["y"]["data"]
        step = told[words]["values"][-1]["scale"]
        b.check(all(abs(g - p) < 3.5 * step for g, p in zip(got, plain)), f"within steps of what is written: {words}")
        ops = [op for op, _ in o.operators(b.path("q.onnx").read_bytes())]
        is_symmetric = "i8-symmetric" in words
        b.check(ops.count("QuantizeLinear") >= 5 and ("Relu" in ops) == is_symmetric and ("Clip" in ops) == is_symmetric,
                f"the nodes with {words}: {ops}")
    plain = told[()]
    b.check(plain["products"] == 3 and plain["samples"] == 12 and plain["opset"] == 27 and
            plain["weight_bytes"] > 3 * plain["quantized_weight_bytes"], f"the summary: {plain}")
    b.check([v["op"] for v in plain["values"]] == ["", "Relu", "Clip", "Add", "Flatten", "MatMul"] and
            plain["values"][4]["shared"] and plain["values"][1]["zero"] == 0 and plain["outputs"][0]["snr_db"] > 20,
            f"the values: {plain['values']}")
    table = b.good("quantize", "m.onnx", "--calibrate", "in", "-o", "q.onnx").text
    b.check(all(word in table for word in ("layer", "Relu", "SNR", "last", "(shared)", "3 products", "q.onnx")), table)
    b.check("QLinearConv" in b.good("plan", "q.onnx").text, "products are of integers")
    scripted = b.json("export", "q.onnx", "-o", "again.onnx", "--json")
    b.check(scripted["opset"] == 27, "and it is exported again")


def test_inputs(b):
    """Single files, folders, ONNX's data sets, several of the model's batches in a file."""
    b.path("m.onnx").write_bytes(convolutions())
    b.write("batch/all.npy", b"".join([sample(1, 5)]))
    one = b.json("quantize", "m.onnx", "--calibrate", "batch", "-o", "q.onnx", "--json")
    for i in range(3):
        b.write(f"sets/test_data_set_{i}/input_0.npy", sample(20 + i))
        b.write(f"sets/test_data_set_{i}/output_0.npy", sample(20 + i))
    three = b.json("quantize", "m.onnx", "--calibrate", "sets", "-o", "q.onnx", "--json")
    two = b.json("quantize", "m.onnx", "--calibrate", "sets", "-o", "q.onnx", "--samples", 2, "--json")
    b.check((one["samples"], three["samples"], two["samples"]) == (1, 3, 2), "samples are counted by files")
    b.check(one["values"][0]["max"] > 0 and three["values"][0]["max"] >= two["values"][0]["max"], "and all are seen")
    pair = [o.node("MatMul", ["a", "w"], ["p"]), o.node("Add", ["p", "c"], ["y"])]
    weight = [o.tensor("w", o.FLOAT, [4, 4], raw=raw(numbers(16, 5)))]
    inputs = [o.value("a", o.FLOAT, ["n", 4]), o.value("c", o.FLOAT, [4])]
    b.path("two.onnx").write_bytes(o.model(o.graph(pair, inputs, [o.value("y")], weight), 17))
    for i in range(2):
        b.write(f"named/{i}/a.npy", npy("<f4", [3 + i, 4], raw(numbers(12 + 4 * i, 30 + i))))
        b.write(f"named/{i}/c.npy", npy("<f4", [4], floats(1, 2, 3, 4)))
    told = b.json("quantize", "two.onnx", "--calibrate", "named", "-o", "q2.onnx", "--json")
    b.check(told["samples"] == 2 and told["outputs"][0]["snr_db"] > 20, f"inputs by name, of open dims: {told}")


def test_mistakes(b):
    b.path("m.onnx").write_bytes(convolutions())
    b.write("in/0.npy", sample(1))
    b.bad(USAGE, "--calibrate", "quantize", "m.onnx", "-o", "none.onnx")
    b.bad(USAGE, "-o FILE", "quantize", "m.onnx", "--calibrate", "in")
    b.bad(USAGE, ["--method", "entropy"], "quantize", "m.onnx", "--calibrate", "in", "-o", "none.onnx", "--method", "best")
    b.bad(USAGE, ["i8-symmetric"], "quantize", "m.onnx", "--calibrate", "in", "-o", "none.onnx", "--activations", "u4")
    b.bad(INPUT, "absent", "quantize", "m.onnx", "--calibrate", "absent", "-o", "none.onnx")
    b.write("empty/read.me", "nothing")
    b.bad(INPUT, ["empty", ".npy"], "quantize", "m.onnx", "--calibrate", "empty", "-o", "none.onnx")
    b.write("wrong/0.npy", npy("<f4", [2], floats(1, 2)))
    b.bad(INPUT, ["wrong/0.npy", "'x'"], "quantize", "m.onnx", "--calibrate", "wrong", "-o", "none.onnx")
    b.write("broken/0.npy", b"\x93NUMPY what")
    b.bad(UNSUPPORTED, "broken/0.npy", "quantize", "m.onnx", "--calibrate", "broken", "-o", "none.onnx")
    plain = o.model(o.graph([o.node("Relu", ["x"], ["y"])], [o.value("x", o.FLOAT, [2])], [o.value("y")]), 17)
    b.path("plain.onnx").write_bytes(plain)
    b.bad(INPUT, "no Conv", "quantize", "plain.onnx", "--calibrate", "in", "-o", "none.onnx")
    b.check(not b.path("none.onnx").exists(), "a failure writes nothing")


def test_models(b):
    """Models of the zoo, on the inputs that come with them."""
    for name, file, least in [("cls_resnet8_cifar10", "resnet8_cifar10.onnx", 40),
                              ("speech_kws_dscnn", "kws_ref_model.onnx", 30), ("manu_toycar_anomaly", "ad01_fp32.onnx", 40)]:
        if not (DATA / name).exists():
            print(f"without {name}: it is not quantised")
            continue
        told = b.json("quantize", DATA / name / file, "--calibrate", DATA / name, "-o", "q.onnx", "--json")
        b.check(told["outputs"][0]["snr_db"] > least, f"{name}: {told['outputs']}")
        b.check(b.path("q.onnx").stat().st_size < 0.45 * (DATA / name / file).stat().st_size, f"{name} is smaller")
        done = b.json("certify", "--onnx", DATA, "--test", name, "--json")
        b.check(done["passed"] == 1, f"{name} as it was")


def test(b):
    test_file(b)
    test_inputs(b)
    test_mistakes(b)
    test_models(b)
