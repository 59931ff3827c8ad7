#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Writes vectors/*.txt: small cases of every operator with the outputs that ONNX gives.

usage: make_vectors.py NODE_TESTS   (the folder "node" of ONNX's backend test data; needs onnx and ml_dtypes)

Most cases are ONNX's own, of which those with few elements are taken; the cases below add what these leave out, and
their outputs come from ONNX's reference evaluator, or stand here where it does not follow its specification.
"""
import pathlib
import re
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).resolve().parent
MOST_ELEMENTS = 150
MOST_CASES = 5  # of ONNX's own, for one operator
MOST_CASES_OF = {"integer": 16}
ROUNDED = {"test_gridsample_bicubic"}  # whose outputs are given with four digits
NAMES = {
    TensorProto.FLOAT: "f32", TensorProto.UINT8: "u8", TensorProto.INT8: "i8", TensorProto.UINT16: "u16",
    TensorProto.INT16: "i16", TensorProto.INT32: "i32", TensorProto.INT64: "i64", TensorProto.BOOL: "bool",
    TensorProto.FLOAT16: "f16", TensorProto.DOUBLE: "f64", TensorProto.UINT32: "u32", TensorProto.UINT64: "u64",
    TensorProto.BFLOAT16: "bf16", TensorProto.FLOAT8E4M3FN: "f8e4m3fn", TensorProto.FLOAT8E4M3FNUZ: "f8e4m3fnuz",
    TensorProto.FLOAT8E5M2: "f8e5m2", TensorProto.FLOAT8E5M2FNUZ: "f8e5m2fnuz", TensorProto.UINT4: "u4",
    TensorProto.INT4: "i4",
}
FAMILIES = ["elementwise", "activation", "reduce", "data", "gather", "integer", "recurrent", "sample", "select", "signal",
            "unpool"]
ALSO = {"unpool": {"LpPool", "Det"}}  # of families that have no vectors else
NAN, INF = float("nan"), float("inf")


def family_ops(name):
    """Operators with a row in the tables of a family."""
    ops = set()
    source = HERE.parent.parent / "backends" / "cpu" / "ref" / f"{name}.c"
    for line in source.read_text().splitlines():
        row = re.match(r'\s+(?:ROW\("(\w+)", |\{"(\w+)", ")', line)
        if row:
            ops.add(row.group(1) or row.group(2))
    return ops


def number(x, is_float):
    return format(float(x), ".17g") if is_float else str(int(x))


def tensor_text(array, elem_type):
    is_float = NAMES[elem_type][0] in "fb" and elem_type != TensorProto.BOOL
    dims = " ".join(str(d) for d in array.shape)
    data = " ".join(number(x, is_float) for x in array.ravel())
    return f"{NAMES[elem_type]} {array.ndim}{' ' if dims else ''}{dims} : {data}".rstrip()


def attr_text(attr):
    kinds = onnx.AttributeProto
    if attr.type == kinds.INT:
        return f"attr {attr.name} i {attr.i}"
    if attr.type == kinds.FLOAT:
        return f"attr {attr.name} f {attr.f:.9g}"
    if attr.type == kinds.STRING:
        return f"attr {attr.name} s {attr.s.decode()}"
    if attr.type == kinds.INTS:
        return f"attr {attr.name} I {len(attr.ints)} {' '.join(str(i) for i in attr.ints)}".rstrip()
    if attr.type == kinds.FLOATS:
        return f"attr {attr.name} F {len(attr.floats)} {' '.join(f'{x:.9g}' for x in attr.floats)}".rstrip()
    if attr.type == kinds.STRINGS:
        return f"attr {attr.name} S {len(attr.strings)} {' '.join(x.decode() for x in attr.strings)}".rstrip()
    if attr.type == kinds.TENSOR:
        return f"attr {attr.name} t {tensor_text(numpy_helper.to_array(attr.t), attr.t.data_type)}"
    return None


def case_text(name, node, inputs, outputs):
    lines = [f"case {name} {node.op_type}"]
    lines += [attr_text(a) for a in node.attribute]
    if None in lines:
        return None
    lines += ["in " + tensor_text(*x) if x else "in -" for x in inputs]
    lines += ["out " + tensor_text(*x) if x else "out -" for x in outputs]
    return "\n".join(lines + ["end", ""])


def read_tensor(path):
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor), tensor.data_type


def read_case(folder, ops):
    """(operator, text) of ONNX's case, or None if it is not one small node."""
    if folder.name in ROUNDED:
        return None
    graph = onnx.load(folder / "model.onnx").graph
    if len(graph.node) != 1 or graph.node[0].op_type not in ops or graph.node[0].domain:
        return None
    node = graph.node[0]
    values = {i.name: (numpy_helper.to_array(i), i.data_type) for i in graph.initializer}
    try:
        for kind, entries in (("input", graph.input), ("output", graph.output)):
            for k, entry in enumerate(entries):
                values[entry.name] = read_tensor(folder / "test_data_set_0" / f"{kind}_{k}.pb")
    except Exception:  # a sequence, or an optional
        return None
    if any(t not in NAMES for _, t in values.values()) or sum(a.size for a, _ in values.values()) > MOST_ELEMENTS:
        return None
    text = case_text(folder.name.removeprefix("test_"), node, [values[n] if n else None for n in node.input],
                     [values[n] if n else None for n in node.output])
    return (node.op_type, text) if text else None


def own(op, inputs, expected=None, **attributes):
    """A case of ours. Inputs and outputs are numpy arrays, None for one left out; several outputs are a tuple."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
    node = helper.make_node(op, names, ["y"], **attributes)
    typed = [(x, helper.np_dtype_to_tensor_dtype(x.dtype)) if x is not None else None for x in inputs]
    if expected is None:
        infos = [helper.make_tensor_value_info(n, t[1], t[0].shape) for n, t in zip(names, typed) if t]
        graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info("y")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", onnx.defs.onnx_opset_version())])
        expected = ReferenceEvaluator(model).run(None, {n: t[0] for n, t in zip(names, typed) if t})[0]
    outputs = [(y, helper.np_dtype_to_tensor_dtype(y.dtype))
               for y in (expected if isinstance(expected, tuple) else (expected,))]
    return op, case_text(f"own_{op.lower()}", node, typed, outputs)


def f32(*x):
    return np.array(x, np.float32)


def ints(dtype, *x):
    return np.array(x, dtype)


def run_reference(op, inputs, outputs, **attributes):
    """What ONNX's reference evaluator gives for arrays and number of outputs."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
    given = {n: x for n, x in zip(names, inputs) if n}
    infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
             for n, x in given.items()]
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph([helper.make_node(op, names, results, **attributes)], "g", infos,
                              [helper.make_empty_tensor_value_info(n) for n in results])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", onnx.defs.onnx_opset_version())])
    return ReferenceEvaluator(model).run(None, given)


def recurrent_cases():
    """Backward directions and lengths of sequences: what the forward direction gives on sequences turned around."""
    rng = np.random.default_rng(7)
    for op, gates, states in (("RNN", 1, 1), ("GRU", 3, 1), ("LSTM", 4, 2)):
        x, w, r, b = (rng.uniform(-1, 1, d).astype(np.float32) for d in
                      ((4, 2, 3), (2, gates * 2, 3), (2, gates * 2, 2), (2, gates * 4)))
        lengths = [4, 2]
        y = np.zeros((4, 2, 2, 2), np.float32)
        ends = np.zeros((2, 2, 2), np.float32)
        for i, length in enumerate(lengths):
            for d in range(2):
                part = x[:length, i:i + 1][::-1 if d else 1]
                out = run_reference(op, [part, w[d:d + 1], r[d:d + 1], b[d:d + 1]], 1 + states, hidden_size=2)
                y[:length, d, i] = out[0][:, 0, 0][::-1 if d else 1]
                ends[d, i] = out[1][0, 0]
        node = helper.make_node(op, ["x", "w", "r", "b", "n"], ["y", "h"], hidden_size=2, direction="bidirectional")
        tensors = [(t, helper.np_dtype_to_tensor_dtype(t.dtype))
                   for t in (x, w, r, b, np.array(lengths, np.int32), y, ends)]
        yield op, case_text(f"own_{op.lower()}_both", node, tensors[:5], tensors[5:])


def own_cases():
    yield from recurrent_cases()
    ramp = np.linspace(-1, 1, 24, dtype=np.float32)
    yield own("LinearAttention", [ramp[:16].reshape(1, 4, 4), ramp[4:12].reshape(1, 4, 2), ramp[8:16].reshape(1, 4, 2),
                                  None, ramp[:4].reshape(1, 4, 1), ramp[12:16].reshape(1, 4, 1)],
              q_num_heads=2, kv_num_heads=1)
    yield own("DFT", [ramp[:10].reshape(1, 5, 2)])
    yield own("DFT", [ramp[:12].reshape(2, 6, 1), None, np.array(1, np.int64)], onesided=1)
    yield own("DFT", [ramp[:12].reshape(3, 2, 2), np.array(4, np.int64), np.array(0, np.int64)], inverse=1)
    yield own("STFT", [ramp.reshape(1, 24, 1), np.array(4, np.int64), ramp[:8]], onesided=1)
    yield own("RoiAlign", [ramp.reshape(1, 1, 4, 6), f32(0.5, 0.25, 4, 3, 1, 1, 5.5, 3.5).reshape(2, 4),
                           ints(np.int64, 0, 0)], output_height=2, output_width=2, sampling_ratio=2)
    odd = f32(-INF, -1.5, -0.0, 0.0, 0.5, 2.5, INF, NAN)
    for op in ["Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Relu", "Sigmoid", "IsNaN", "IsInf", "Erf", "Tanh", "Exp",
               "Softplus", "Elu", "LeakyRelu"]:
        yield own(op, [odd])
    yield own("Mish", [odd[1:6]])
    yield own("SwiGLU", [odd[1:6], f32(1, 2, 3, 4, 5)], alpha=1.5)
    yield own("Flatten", [np.arange(12, dtype=np.uint8).reshape(2, 3, 2)], axis=-1)
    yield own("Max", [odd, np.float32(0)])
    yield own("Min", [odd, np.float32(0)])
    yield own("ReduceMax", [odd.reshape(2, 4), ints(np.int64, 1)], keepdims=0)
    yield own("ReduceMin", [odd.reshape(2, 4), ints(np.int64, -1)], keepdims=1)
    yield own("Clip", [odd, np.float32(-1), np.float32(1)])
    yield own("Div", [ints(np.int32, -7, 7, -7, 7), ints(np.int32, 2, 2, -2, -2)], ints(np.int32, -3, 3, 3, -3))
    yield own("Mod", [ints(np.int64, -7, 7, -7, 7), ints(np.int64, 3, 3, -3, -3)])
    yield own("Mod", [f32(-7.5, 7.5, -7.5, 0.0), f32(2, -2, INF, -3)], f32(0.5, -0.5, INF, -0.0), fmod=0)
    yield own("Add", [ints(np.uint8, 250, 3), ints(np.uint8, 10, 4)])
    yield own("Mul", [ints(np.int8, 100, -100), ints(np.int8, 3, 3)])
    yield own("Pow", [ints(np.int32, 2, -3, 5), f32(3, 3, 0.5)], ints(np.int32, 8, -27, 2))
    yield own("Greater", [ints(np.uint64, 1 << 63, 5), ints(np.uint64, 1, 6)])
    yield own("Max", [ints(np.uint64, 1 << 63, 5), ints(np.uint64, 1, 6)])
    yield own("Cast", [odd], np.array([True, True, False, False, True, True, True, True]), to=TensorProto.BOOL)
    yield own("Cast", [f32(-1.9, -0.5, 0.5, 1.9, 300.7)], ints(np.int32, -1, 0, 0, 1, 300), to=TensorProto.INT32)
    yield own("Cast", [ints(np.int32, 200, -56, 300)], ints(np.int8, -56, -56, 44), to=TensorProto.INT8)
    yield own("Cast", [f32(65519, 65520, 6e-8, 2.9e-8, 1.0009765625)],
              np.array([65504, INF, 6e-8, 0, 1.0009765625], np.float16), to=TensorProto.FLOAT16)
    yield own("Gather", [np.arange(12, dtype=np.float32).reshape(3, 4), ints(np.int64, -1, 0)], axis=1)
    yield own("CumSum", [f32(1, 2, 3, 4).reshape(2, 2), np.array(-1, np.int32)], exclusive=1, reverse=1)
    yield own("Slice", [np.arange(10, dtype=np.int32), ints(np.int64, -1), ints(np.int64, -100), ints(np.int64, 0),
                        ints(np.int64, -3)])
    yield own("ReduceLogSumExp", [f32(1000, 1001, -INF), None], f32(1001.3132617).reshape(()), keepdims=0)
    yield own("ReduceMean", [ints(np.int32, 1, 2, 4), None], np.array(2, np.int32), keepdims=0)
    yield own("Pad", [f32(1, 2, 3), ints(np.int64, 4, 5)], mode="reflect")
    yield own("Pad", [f32(1, 2, 3, 4), ints(np.int64, -1, 2), np.float32(9)], f32(2, 3, 4, 9, 9))
    yield own("Transpose", [np.arange(24, dtype=np.int16).reshape(2, 3, 4)])
    yield own("ScatterND", [f32(1, 2, 3), ints(np.int64, 1, 1, -1).reshape(3, 1), f32(10, 20, 30)], reduction="add")
    yield own("ArgMax", [f32(1, NAN, 3, NAN)], keepdims=0)
    yield own("ArgMin", [f32(2, 1, 1, 5)], keepdims=0, select_last_index=1)
    yield own("BitShift", [ints(np.int8, -64, 64, -1), ints(np.int8, 2, 9, 100)], ints(np.int8, -16, 0, -1),
              direction="RIGHT")


def integer_cases():
    """Zero points and scales along axes, which ONNX's own cases leave out; sums by hand."""
    a = ints(np.int8, -128, 127, 5, 0, -7, 100).reshape(2, 3)
    b = ints(np.uint8, 255, 0, 3, 200, 17, 128).reshape(3, 2)
    rows, columns = ints(np.int8, -128, 10), ints(np.uint8, 0, 255)
    wide = a.astype(np.int32), b.astype(np.int32), rows.astype(np.int32)[:, None], columns.astype(np.int32)
    yield own("MatMulInteger", [a, b], wide[0] @ wide[1])
    yield own("MatMulInteger", [a, b, rows, columns], (wide[0] - wide[2]) @ (wide[1] - wide[3]))
    stack = np.stack([a, a[::-1]])
    yield own("MatMulInteger", [stack, b, rows.reshape(1, 2, 1), None], (stack.astype(np.int32) - wide[2]) @ wide[1])
    yield own("MatMulInteger", [a, b[:, 0], rows], (wide[0] - wide[2]) @ wide[1][:, 0])
    # Halves go to the even step, what is beyond the range to its end.
    half = [np.float32(0.5), np.uint8(0)]
    yield own("QLinearMatMul", [ints(np.uint8, 1, 3, 5, 7, 250, 0).reshape(6, 1), *half, ints(np.int8, 1).reshape(1, 1),
                                np.float32(1), np.int8(0), np.float32(1), np.int8(1)],
              ints(np.int8, 1, 3, 3, 5, 126, 1).reshape(6, 1))
    x = ints(np.uint8, 0, 255, 3, 128).reshape(1, 2, 1, 2)
    w = ints(np.int8, 1, -2, 3, 4).reshape(2, 2, 1, 1)
    zeros = ints(np.int8, 1, -1)
    sums = np.einsum("bihw,oi->bohw", x.astype(np.int32) - 100,
                     w[:, :, 0, 0].astype(np.int32) - zeros.astype(np.int32)[:, None])
    yield own("ConvInteger", [x, w, np.uint8(100), zeros], sums.astype(np.int32))
    bias = ints(np.int32, 7, -1000)
    steps = (sums + bias[:, None, None]) * np.array([0.5, 0.25])[:, None, None] / 4
    yield own("QLinearConv", [x, np.float32(0.5), np.uint8(100), w, f32(1, 0.5), zeros, np.float32(4), np.int8(-3), bias],
              np.clip(np.rint(steps) - 3, -128, 127).astype(np.int8))
    yield own("DynamicQuantizeLinear", [f32(0, 0)], (ints(np.uint8, 0, 0), np.float32(0).reshape(()),
                                                    np.uint8(0).reshape(())))


def main():
    folder = pathlib.Path(sys.argv[1])
    extra = [*own_cases(), *integer_cases()]
    for family in FAMILIES:
        ops = family_ops(family) | ALSO.get(family, set())
        seen = dict.fromkeys(ops, 0)
        texts = []
        for case in sorted(folder.iterdir()):
            found = read_case(case, ops) if (case / "model.onnx").exists() else None
            if found and seen[found[0]] < MOST_CASES_OF.get(family, MOST_CASES):
                seen[found[0]] += 1
                texts.append(found[1])
        texts += [text for op, text in extra if op in ops]
        for op, _ in extra:
            seen[op] = seen.get(op, 0) + 1
        missing = sorted(op for op in ops if not seen[op])
        (HERE / "vectors" / f"{family}.txt").write_text("\n".join(texts))
        print(f"{family}: {len(texts)} cases" + (f", none of {', '.join(missing)}" if missing else ""))


main()
