# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Operators against ONNX Runtime, which defines those of com.microsoft, where that is installed."""
import json
import sys

import onnx_file as o
from harness import OK, SKIP

try:
    import numpy as np
    import onnxruntime
except ImportError:
    np = onnxruntime = None

KINDS = {"float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}


def close(got, want, tolerance=None):
    if tolerance:
        return np.allclose(got, want, rtol=tolerance, atol=tolerance)
    if want.dtype.kind == "f":
        return np.allclose(got, want, rtol=2e-5, atol=2e-6)
    return np.abs(got.astype(np.int64) - want.astype(np.int64)).max() <= 1  # a step, where the quotient is halfway


def compare(b, op, inputs, constants=(), outputs=("y",), domain="com.microsoft", version=17, of=1, only=None,
            tolerance=None, **attributes):
    """`inputs` is a list of (name, array); None leaves one out. Those in `constants` become initialisers. `of` is the
    version of the domain. Outputs that are not in `only` are not compared."""
    names = [name if array is not None else "" for name, array in inputs]
    given = [(name, array) for name, array in inputs if array is not None]
    tensors = [o.tensor(name, KINDS[str(array.dtype)], array.shape, raw=array.tobytes())
               for name, array in given if name in constants]
    values = [o.value(name, KINDS[str(array.dtype)], array.shape) for name, array in given if name not in constants]
    node = o.node(op, names, list(outputs), domain=domain, **attributes)
    body = o.graph([node], values, [o.data(1, name) for name in outputs if name], tensors)
    model = o.model(body, version, domains=[(domain, of)] if domain else [])
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options)
    want = session.run([name for name in outputs if name], {n: a for n, a in given if n not in constants})
    b.path("m.onnx").write_bytes(model)
    words = []
    for name, array in given:
        if name not in constants:
            np.save(b.path(f"{name}.npy"), array)
            words += ["--input", f"{name}=@{name}.npy"]
    done = b.run("run", "m.onnx", *words, "--json")
    b.check(done.code == OK, f"{op} runs", done)
    if done.code != OK:
        return
    got = json.loads(done.text)
    short = {key: value for key, value in attributes.items() if len(str(value)) < 30}
    for name, expected in zip([name for name in outputs if name], want):
        if only is not None and name not in only:
            continue
        value = np.array(got[name]["data"], dtype=expected.dtype).reshape(got[name]["dims"])
        b.check(value.shape == expected.shape and close(value, expected, tolerance), f"{op} {short} agrees: {name}")


def floats(rng, *dims):
    return rng.standard_normal(dims).astype(np.float32)


def test_resize(b, rng):
    x = floats(rng, 1, 2, 6, 9)
    for policy in ("not_larger", "not_smaller"):
        for sizes in ([4, 7], [13, 11], [5, 20]):
            for more in (dict(mode="linear"), dict(mode="linear", antialias=1), dict(mode="cubic", antialias=1),
                         dict(mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")):
                inputs = [("x", x), ("", None), ("", None), ("sizes", np.array(sizes, np.int64))]
                compare(b, "Resize", inputs, ["sizes"], domain="", version=19, axes=[2, 3],
                        keep_aspect_ratio_policy=policy, **more)


def test_options(b, rng):
    """The same operators in other shapes, and what their attributes change."""
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int32)
    ids = rng.integers(0, 9, (2, 3)).astype(np.int32)
    places = rng.integers(0, 5, (2, 3)).astype(np.int32)
    tables = [("w", floats(rng, 9, 8)), ("p", floats(rng, 5, 8)), ("t", floats(rng, 2, 8)), ("g", floats(rng, 8)),
              ("beta", floats(rng, 8))]
    fixed = [name for name, _ in tables]
    compare(b, "EmbedLayerNormalization", [("ids", ids), ("seg", ids % 2), *tables, ("m", mask)], fixed, ["y", "index"])
    compare(b, "EmbedLayerNormalization", [("ids", ids), ("", None), *tables[:2], ("", None), *tables[3:], ("m", mask),
                                           ("at", places)], fixed, ["y", "index", "sum"], epsilon=0.25)
    for x, w, more in ((floats(rng, 4, 5), floats(rng, 5, 3), dict(alpha=2.0)),
                       (floats(rng, 2, 5, 4), floats(rng, 5, 3), dict(transA=1)),
                       (floats(rng, 2, 3, 4, 5), floats(rng, 2, 3, 6, 5), dict(transB=1)),
                       (floats(rng, 4, 2, 5), floats(rng, 2, 5, 3), dict(transBatchA=1)),
                       (floats(rng, 4, 2, 3, 5), floats(rng, 5, 2, 3, 6), dict(transBatchA=1, transBatchB=1)),
                       (floats(rng, 5, 2, 4), floats(rng, 6, 2, 5), dict(transA=1, transBatchA=1, transB=1, transBatchB=1))):
        compare(b, "FusedMatMul", [("x", x), ("w", w)], **more)
    image, kernel = floats(rng, 2, 4, 5, 6), floats(rng, 6, 2, 3, 3)
    for activation in (dict(activation="Sigmoid"), dict(activation="LeakyRelu", activation_params=[0.25]),
                       dict(activation="HardSigmoid", activation_params=[0.25, 0.5]),
                       dict(activation="Clip", activation_params=[-0.5, 0.75])):
        compare(b, "FusedConv", [("x", image), ("w", kernel)], ["w"], group=2, strides=[2, 1], dilations=[1, 2], **activation)
    for activation in (dict(activation="Relu"), dict(activation="LeakyRelu", activation_alpha=0.25),
                       dict(activation="HardSigmoid", activation_alpha=0.25, activation_beta=0.5)):
        compare(b, "FusedGemm", [("x", floats(rng, 3, 4)), ("w", floats(rng, 5, 4)), ("c", floats(rng, 5))], ["w"], transB=1,
                alpha=0.5, beta=2.0, **activation)
    skip = floats(rng, 1, 3, 8)
    compare(b, "SkipLayerNormalization", [("x", floats(rng, 2, 3, 8)), ("s", skip), ("g", floats(rng, 8))], ["g"])
    compare(b, "SkipLayerNormalization", [("x", floats(rng, 2, 3, 8)), ("s", skip[0]), ("g", floats(rng, 8)),
                                          ("b", floats(rng, 8))], ["g", "b"], ["y", "", "", "sum"])
    scales = [("xs", np.array(0.05, np.float32)), ("xz", np.array(120, np.uint8))]
    out = [("ys", np.array(1 / 256, np.float32)), ("yz", np.array(0, np.uint8))]
    names = ["xs", "xz", "ys", "yz", "bs", "bz"]
    q = rng.integers(0, 256, (2, 3, 4)).astype(np.uint8)
    for axis in (0, 1, 2, -1):
        for opset in (12, 13):
            compare(b, "QLinearSoftmax", [("x", q), *scales, *out], names, axis=axis, opset=opset)
    picture = rng.integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    ends = [("ys", np.array(0.04, np.float32)), ("yz", np.array(117, np.uint8))]
    for last in (0, 1):
        compare(b, "QLinearGlobalAveragePool", [("x", picture), *scales, *ends], names, channels_last=last)
    wide = rng.integers(0, 256, (2, 3, 4)).astype(np.uint8)
    for other in (rng.integers(0, 256, (1, 4)), rng.integers(0, 256, (3, 1)), rng.integers(0, 256, ())):
        pair = [("x", wide), *scales, ("b", other.astype(np.uint8)), ("bs", np.array(0.03, np.float32)),
                ("bz", np.array(100, np.uint8)), *ends]
        compare(b, "QLinearAdd", pair, names)
        compare(b, "QLinearMul", pair, names)
    for rows, inner, columns in ((1, 3, 2), (7, 33, 17)):
        a, w = rng.integers(0, 256, (rows, inner)).astype(np.uint8), rng.integers(0, 256, (inner, columns)).astype(np.uint8)
        each = (rng.random(columns) / 50).astype(np.float32)
        compare(b, "MatMulIntegerToFloat", [("a", a), ("b", w), ("as", np.array(0.02, np.float32)), ("bs", each),
                                            ("az", np.array(7, np.uint8)), ("bz", np.full(columns, 9, np.uint8))],
                ["b", "as", "bs", "az", "bz"])
        compare(b, "DynamicQuantizeMatMul", [("a", floats(rng, 2, rows, inner)), ("b", w.view(np.int8)), ("bs", each),
                                             ("bz", np.zeros(columns, np.int8))], ["b", "bs", "bz"])


def test(b):
    if onnxruntime is None:
        print("onnxruntime is not installed: com.microsoft's operators are not compared with it")
        sys.exit(SKIP)
    rng = np.random.default_rng(7)
    test_resize(b, rng)
    x, skip, row = floats(rng, 2, 3, 8), floats(rng, 2, 3, 8), floats(rng, 8)
    compare(b, "Gelu", [("x", x)])
    compare(b, "BiasGelu", [("x", x), ("b", row)], ["b"])
    compare(b, "FastGelu", [("x", x)])
    compare(b, "FastGelu", [("x", x), ("b", row)], ["b"])
    compare(b, "QuickGelu", [("x", x)], alpha=1.5)
    norm = [("x", x), ("s", skip), ("g", floats(rng, 8)), ("beta", floats(rng, 8)), ("b", row)]
    compare(b, "SkipLayerNormalization", norm, ["g", "beta", "b"], ["y", "", "", "sum"], epsilon=1e-5)
    compare(b, "SkipLayerNormalization", norm[:3], ["g"])
    compare(b, "SkipSimplifiedLayerNormalization", norm[:3] + [("b", row)], ["g", "b"], ["y", "", "", "sum"])
    ids = rng.integers(0, 9, (2, 3)).astype(np.int32)
    embed = [("ids", ids), ("seg", ids % 2), ("w", floats(rng, 9, 8)), ("p", floats(rng, 5, 8)),
             ("t", floats(rng, 2, 8)), ("g", floats(rng, 8)), ("beta", floats(rng, 8))]
    compare(b, "EmbedLayerNormalization", embed, ["w", "p", "t", "g", "beta"], ["y", ""])
    compare(b, "FusedMatMul", [("x", x), ("w", floats(rng, 5, 8))], ["w"], transB=1, alpha=0.5)
    compare(b, "FusedMatMul", [("x", x), ("s", skip)], transA=1)
    image, kernel = floats(rng, 1, 3, 6, 6), floats(rng, 4, 3, 3, 3)
    compare(b, "FusedConv", [("x", image), ("w", kernel), ("b", floats(rng, 4))], ["w", "b"], activation="Relu",
            pads=[1, 1, 1, 1])
    compare(b, "FusedConv", [("x", image), ("w", kernel), ("b", None), ("z", floats(rng, 1, 4, 4, 4))], ["w"],
            activation="Tanh")

    def quantised(*dims, kind=np.uint8):
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max + 1, dims).astype(kind)

    def scale(value, zero, kind=np.uint8):
        return np.array(value, np.float32), np.array(zero, kind)
    for kind in (np.uint8, np.int8):
        zero = 3 if kind == np.int8 else 130
        (xs, xz), (ys, yz) = scale(0.05, zero, kind), scale(0.04, zero - 2, kind)
        fixed = [("xs", xs), ("xz", xz)]
        ends = [("ys", ys), ("yz", yz)]
        names = ["xs", "xz", "ys", "yz", "bs", "bz"]
        q = quantised(2, 3, 4, kind=kind)
        pair = [("x", q), *fixed, ("b", quantised(4, kind=kind)), ("bs", xs), ("bz", xz), *ends]
        compare(b, "QLinearAdd", pair, names)
        compare(b, "QLinearMul", pair, names)
        compare(b, "QLinearLeakyRelu", [("x", q), *fixed, *ends], names, alpha=0.2)
        compare(b, "QLinearSigmoid", [("x", q), *fixed, ("ys", np.array(1 / 256, np.float32)), ("yz", yz)], names)
        plane = quantised(1, 2, 5, 5, kind=kind)
        compare(b, "QLinearGlobalAveragePool", [("x", plane), *fixed, *ends], names, channels_last=0)
        compare(b, "QLinearConcat", [*ends, ("x", q), *fixed, ("b", quantised(2, 3, 2, kind=kind)), ("bs", ys), ("bz", yz)],
                names, axis=2)
    q8 = [("a", quantised(3, 8)), ("b", quantised(8, 5, kind=np.int8)), ("as", np.array(0.02, np.float32)),
          ("bs", np.array(0.03, np.float32)), ("az", np.array(120, np.uint8)), ("bz", np.array(0, np.int8)),
          ("bias", floats(rng, 5))]
    compare(b, "MatMulIntegerToFloat", q8, ["b", "as", "bs", "az", "bz", "bias"])
    compare(b, "DynamicQuantizeMatMul", [("a", floats(rng, 3, 8)), q8[1], q8[3], q8[5], q8[6]], ["b", "bs", "bz", "bias"])
    test_options(b, rng)
