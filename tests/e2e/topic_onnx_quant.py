# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of few bits and quantised operators of com.microsoft against ONNX Runtime, where that is installed."""
import sys

import onnx_file as o
from harness import INPUT, SKIP, UNSUPPORTED
from topic_onnx_peer import compare, floats, np, onnxruntime


def pack(values, bits):
    """Small numbers, the first in the lowest bits, rows padded to bytes."""
    each = 8 // bits
    width = -(-values.shape[-1] // each) * each
    wide = np.zeros((*values.shape[:-1], width), np.uint8)
    wide[..., :values.shape[-1]] = values
    parts = wide.reshape(*values.shape[:-1], -1, each)
    out = np.zeros(parts.shape[:-1], np.uint8)
    for i in range(each):
        out |= parts[..., i] << (bits * i)
    return out


def test_n_bits(b, rng):
    for bits in (2, 4, 8):
        for k, n, block in ((32, 6, 32), (70, 5, 16), (128, 8, 64), (40, 3, 32)):
            blocks = -(-k // block)
            q = rng.integers(0, 1 << bits, (n, blocks, block)).astype(np.uint8)
            q.reshape(n, -1)[:, k:] = 0
            weights = ("w", pack(q, bits))
            scales = ("s", (rng.random((n, blocks)) * 0.1 + 0.01).astype(np.float32))
            zeros = ("z", pack(rng.integers(0, 1 << bits, (n, blocks)), bits))
            a = ("a", floats(rng, 2, 3, k))
            more = dict(K=k, N=n, bits=bits, block_size=block)
            none, fixed = ("", None), ["w", "s", "z", "bias"]
            compare(b, "MatMulNBits", [a, weights, scales], fixed, **more)
            compare(b, "MatMulNBits", [a, weights, scales, zeros], fixed, **more)
            compare(b, "MatMulNBits", [a, weights, scales, none, none, ("bias", floats(rng, n))], fixed, **more)
            if bits == 4:
                wide = ("z", (rng.random((n, blocks)) * 4 + 2).astype(np.float32))
                compare(b, "MatMulNBits", [a, weights, scales, wide], fixed, **more)


def test_groups_of_rows(b, rng):
    """g_idx is not for every backend of ONNX Runtime: the product stands here."""
    k, n, block = 32, 3, 16
    q = rng.integers(0, 16, (n, 2, block)).astype(np.uint8)
    scales = (rng.random((n, 2)) * 0.1).astype(np.float32)
    groups = rng.permutation(np.repeat([0, 1], block)).astype(np.int32)
    a = floats(rng, 2, k)
    want = a @ ((q.reshape(n, k).astype(np.float32) - 8) * scales[:, groups]).T
    tensors = [o.tensor("w", 2, [n, 2, 8], raw=pack(q, 4).tobytes()), o.tensor("s", 1, [n, 2], raw=scales.tobytes()),
               o.tensor("g", 6, [k], raw=groups.tobytes())]
    node = o.node("MatMulNBits", ["a", "w", "s", "", "g"], ["y"], domain="com.microsoft", K=k, N=n, bits=4, block_size=block)
    body = o.graph([node], [o.value("a", o.FLOAT, [2, k])], [o.value("y")], tensors)
    b.path("m.onnx").write_bytes(o.model(body, 17, domains=["com.microsoft"]))
    np.save(b.path("a.npy"), a)
    got = b.json("run", "m.onnx", "--input", "a=@a.npy", "--json")["y"]["data"]
    b.check(np.allclose(got, want.ravel(), rtol=1e-5, atol=1e-5), f"rows by their groups: {got} {want}")


def test_lstm(b, rng):
    """The hidden state is rounded there and not here: what differs is of the size of its steps."""
    seq, batch, size, hidden = 4, 2, 5, 3
    for directions, direction in ((1, "forward"), (2, "bidirectional"), (1, "reverse")):
        w = rng.integers(-127, 128, (directions, size, 4 * hidden)).astype(np.int8)
        r = rng.integers(-127, 128, (directions, hidden, 4 * hidden)).astype(np.int8)
        columns = (rng.random((directions, 4 * hidden)) * 0.005 + 0.002).astype(np.float32)
        zero = np.zeros((directions, 4 * hidden), np.int8)
        for ws, wz in ((columns, zero), (columns[:, 0], zero[:, 0])):
            inputs = [("x", floats(rng, seq, batch, size)), ("w", w), ("r", r), ("b", floats(rng, directions, 8 * hidden)),
                      ("", None), ("h", floats(rng, directions, batch, hidden) / 3), ("", None), ("", None), ("ws", ws),
                      ("wz", wz), ("rs", ws), ("rz", wz)]
            compare(b, "DynamicQuantizeLSTM", inputs, ["w", "r", "b", "ws", "wz", "rs", "rz"], ["y", "yh", "yc"],
                    direction=direction, hidden_size=hidden, tolerance=2e-2)


def test_linear(b, rng):
    def scalar(value, kind=np.float32):
        return np.array(value, kind)
    x = rng.integers(0, 256, (3, 8)).astype(np.uint8)
    w = rng.integers(-128, 128, (8, 5)).astype(np.int8)
    c = rng.integers(-900, 900, (5,)).astype(np.int32)
    columns = (rng.random(5) * 0.02 + 0.01).astype(np.float32)
    start = [("x", x), ("xs", scalar(0.05)), ("xz", scalar(120, np.uint8))]
    end = [("ys", scalar(0.4)), ("yz", scalar(128, np.uint8))]
    fixed = ["xs", "xz", "w", "ws", "wz", "c", "ys", "yz", "zs", "zz", "ps", "pz", "bias"]
    for ws, wz in ((scalar(0.02), scalar(3, np.int8)), (columns, np.zeros(5, np.int8))):
        weights = [("w", w), ("ws", ws), ("wz", wz)]
        compare(b, "QGemm", [*start, *weights, ("c", c), *end], fixed)
        compare(b, "QGemm", [*start, *weights, ("c", c)], fixed, alpha=1.0)
        compare(b, "QGemm", [*start, ("w", w.T.copy()), *weights[1:], ("", None), *end], fixed, transB=1)
    image = rng.integers(0, 256, (1, 2, 6, 6)).astype(np.uint8)
    compare(b, "QLinearAveragePool", [("x", image), *start[1:], *end], fixed, kernel_shape=[3, 3], pads=[1, 1, 1, 1],
            strides=[2, 2], count_include_pad=0)
    y = rng.integers(0, 256, (3, 8)).astype(np.uint8)
    compare(b, "QLinearWhere", [("on", rng.random((3, 8)) < 0.5), *start, ("p", y), ("ps", scalar(0.03)),
                                ("pz", scalar(7, np.uint8)), ("zs", scalar(0.06)), ("zz", scalar(100, np.uint8))], fixed)
    sequence = rng.integers(0, 256, (2, 4, 6)).astype(np.uint8)
    weights = rng.integers(-128, 128, (6, 36)).astype(np.int8)
    attention = [("x", sequence), ("w", weights), ("bias", floats(rng, 36)), ("xs", scalar(0.02)), ("ws", scalar(0.01)),
                 ("m", np.array([4, 2], np.int32)), ("xz", scalar(120, np.uint8)), ("wz", scalar(0, np.int8))]
    compare(b, "QAttention", attention, fixed, num_heads=3)
    compare(b, "QAttention", attention, fixed, num_heads=3, unidirectional=1)


def test_one_scale(b, rng):
    """Quantisers write scales of one element as vectors, for tensors of any rank."""
    for kind in (np.uint8, np.int8):
        s, z = ("s", np.array([0.05], np.float32)), ("z", np.array([3], kind))
        for x in (floats(rng, 5), floats(rng, 2, 3, 4)):
            compare(b, "QuantizeLinear", [("x", x), s, z], ["s", "z"], domain="")
            q = rng.integers(0, 100, x.shape).astype(kind)
            compare(b, "DequantizeLinear", [("x", q), s, z], ["s", "z"], domain="")
            compare(b, "DequantizeLinear", [("x", q), s], ["s"], domain="")
    for kind in (np.uint8, np.int16):
        s, z = ("s", np.array([0.05, 0.1, 0.2], np.float32)), ("z", np.array([3, 1, 0], kind))
        compare(b, "QuantizeLinear", [("x", floats(rng, 2, 3, 4)), s, z], ["s", "z"])
        compare(b, "DequantizeLinear", [("x", rng.integers(0, 100, (2, 4, 3)).astype(kind)), s, z], ["s", "z"], axis=2)


def test_tables(b, rng):
    """Rows of tables of few bits, as embeddings of language models are."""
    for bits in (4, 8):
        for rows, columns, block in ((9, 64, 16), (5, 48, 16), (7, 32, 32)):
            blocks = columns // block
            q = rng.integers(0, 1 << bits, (rows, columns)).astype(np.uint8)
            data, at = ("d", pack(q, bits)), ("i", rng.integers(0, rows, (2, 3)).astype(np.int64))
            scales = ("s", (rng.random((rows, blocks)) * 0.1 + 0.01).astype(np.float32))
            zeros = ("z", pack(rng.integers(0, 1 << bits, (rows, blocks)), bits))
            more = dict(bits=bits, block_size=block, gather_axis=0, quantize_axis=1)
            compare(b, "GatherBlockQuantized", [data, at, scales], ["d", "s", "z"], **more)
            compare(b, "GatherBlockQuantized", [data, at, scales, zeros], ["d", "s", "z"], **more)
            compare(b, "GatherBlockQuantized", [data, ("i", np.array(3, np.int32)), scales], ["d", "s"], **more)


def test_wrong(b):
    bytes_of = [o.tensor("w", 2, [2, 1, 8], raw=bytes(16)), o.tensor("s", o.FLOAT, [2, 1], [1, 1])]
    right = dict(K=16, N=2, bits=4, block_size=16)
    for change, code, text in ((dict(bits=3), UNSUPPORTED, "other than 2, 4 or 8"), (dict(N=0), INPUT, "make no sense"),
                               (dict(block_size=24), INPUT, "make no sense"), (dict(K=1 << 40), INPUT, "make no sense"),
                               (dict(N=3), INPUT, "24 are needed"), (dict(weight_prepacked=1), UNSUPPORTED, "prepacked"),
                               (dict(K=2147483647, N=2147483647), INPUT, "are needed")):
        node = o.node("MatMulNBits", ["a", "w", "s"], ["y"], domain="com.microsoft", **{**right, **change})
        body = o.graph([node], [o.value("a", o.FLOAT, [2, 16])], [o.value("y")], bytes_of)
        b.path("m.onnx").write_bytes(o.model(body, 17, domains=["com.microsoft"]))
        b.bad(code, text, "plan", "m.onnx")


def test(b):
    test_wrong(b)
    if onnxruntime is None:
        print("onnxruntime is not installed: quantised operators are not compared with it")
        sys.exit(SKIP)
    rng = np.random.default_rng(3)
    test_n_bits(b, rng)
    test_groups_of_rows(b, rng)
    test_lstm(b, rng)
    test_linear(b, rng)
    test_one_scale(b, rng)
    test_tables(b, rng)
