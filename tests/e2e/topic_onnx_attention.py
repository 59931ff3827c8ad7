# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Attention and rotary embedding of com.microsoft against ONNX Runtime, where that is installed."""
import sys

import onnx_file as o
from harness import INPUT, SKIP, UNSUPPORTED
from topic_onnx_peer import compare, floats, np, onnxruntime


def i32(*values):
    return np.array(values, np.int32)


def test_attention(b, rng):
    batch, seq, hidden, heads = 2, 5, 12, 3
    x = ("x", floats(rng, batch, seq, 7))
    w, bias = ("w", floats(rng, 7, 3 * hidden)), ("b", floats(rng, 3 * hidden))
    past = ("p", floats(rng, 2, batch, heads, 4, hidden // heads))
    none = ("", None)
    masks = [none, ("m", i32(3, 5)), ("m", i32(4, 5, 1, 0)), ("m", rng.integers(0, 2, (batch, seq)).astype(np.int32)),
             ("m", rng.integers(0, 2, (batch, seq, seq)).astype(np.int32))]
    masks[3][1][:, 0] = masks[4][1][:, :, 0] = 1
    for mask in masks:
        for one_way in (0, 1):
            for add in (none, ("a", floats(rng, 1, heads, seq, seq))):
                compare(b, "Attention", [x, w, bias, mask, none, add], ["w", "b"], ["y", "present"], num_heads=heads,
                        unidirectional=one_way)
    for one_way in (0, 1):
        for mask in (none, ("m", rng.integers(0, 2, (batch, seq + 4)).astype(np.int32))):
            if mask[1] is not None:
                mask[1][:, 0] = 1
            compare(b, "Attention", [x, w, bias, mask, past], ["w", "b"], ["y", "present"], num_heads=heads,
                    unidirectional=one_way, scale=0.3)
    compare(b, "Attention", [x, ("w", floats(rng, 7, 12 + 12 + 6)), ("b", floats(rng, 30))], ["w", "b"], num_heads=heads,
            qkv_hidden_sizes=[12, 12, 6])


def test_multi_head(b, rng):
    batch, seq, keys, heads, size = 2, 4, 6, 3, 4
    none = ("", None)
    q = ("q", floats(rng, batch, seq, heads * size))
    k, v = ("k", floats(rng, batch, keys, heads * size)), ("v", floats(rng, batch, keys, heads * 5))
    bias = ("b", floats(rng, heads * (size + size + 5)))
    more = dict(num_heads=heads)
    masks = [none, ("m", i32(6, 3)), ("m", rng.integers(0, 2, (batch, keys)).astype(np.int32)),
             ("m", rng.integers(0, 2, (batch, seq, keys)).astype(np.int32))]
    for mask in masks:
        for add in (none, ("a", floats(rng, batch, 1, seq, keys))):
            compare(b, "MultiHeadAttention", [q, k, v, bias, mask, add], ["b"], **more)
    compare(b, "MultiHeadAttention", [q, k, v], scale=0.25, **more)
    own = ("k", floats(rng, batch, seq, heads * size))
    value = ("v", floats(rng, batch, seq, heads * size))
    compare(b, "MultiHeadAttention", [q, own, value], outputs=["y", "pk", "pv"], unidirectional=1, **more)
    past = [("pk", floats(rng, batch, heads, 3, size)), ("pv", floats(rng, batch, heads, 3, size))]
    for one_way in (0, 1):
        compare(b, "MultiHeadAttention", [q, own, value, none, none, none, *past], outputs=["y", "k1", "v1"],
                unidirectional=one_way, **more)
    compare(b, "MultiHeadAttention", [q, ("k", floats(rng, batch, heads, keys, size)), ("v", floats(rng, batch, heads, keys, size))],
            **more)


def test_group(b, rng):
    batch, heads, groups, size = 2, 4, 2, 16
    none = ("", None)
    cos, sin = ("c", floats(rng, 32, size // 2)), ("s", floats(rng, 32, size // 2))

    def operands(seq):
        return [("q", floats(rng, batch, seq, heads * size)), ("k", floats(rng, batch, seq, groups * size)),
                ("v", floats(rng, batch, seq, groups * size))]

    def past(length):
        return [("pk", floats(rng, batch, groups, length, size)), ("pv", floats(rng, batch, groups, length, size))]
    names, fixed = ["y", "k1", "v1"], ["c", "s", "total", "sink", "qn", "kn"]
    base = dict(num_heads=heads, kv_num_heads=groups)

    def total(n):
        return ("total", np.array(n, np.int32))
    for more in ({}, dict(scale=0.2), dict(softcap=5.0), dict(local_window_size=3), dict(smooth_softmax=1),
                 dict(do_rotary=1), dict(do_rotary=1, rotary_interleaved=1)):
        caches = [cos, sin] if "do_rotary" in more else []
        start = [*operands(6), none, none, ("n", i32(5, 5)), total(6), *caches]
        compare(b, "GroupQueryAttention", start, fixed, names, **base, **more)
        step = [*operands(1), *past(7), ("n", i32(7, 7)), total(8), *caches]
        compare(b, "GroupQueryAttention", step, fixed, names, **base, **more)
        buffer = [*operands(1), *past(12), ("n", i32(7, 4)), total(8), *caches]
        close_up_to(b, buffer, fixed, names, 5, **base, **more)
        chunk = [*[(name, a[:1]) for name, a in (*operands(3), *past(7))], ("n", i32(9)), total(10), *caches]
        compare(b, "GroupQueryAttention", chunk, fixed, names, **base, **more)
    packed = [("q", floats(rng, batch, 5, (heads + 2 * groups) * size)), none, none, none, none, ("n", i32(4, 4)), total(5),
              cos, sin]
    compare(b, "GroupQueryAttention", packed, fixed, names, do_rotary=1, **base)
    add = [*operands(5), none, none, ("n", i32(4, 4)), total(5), none, none, none, ("a", floats(rng, batch, heads, 5, 5))]
    compare(b, "GroupQueryAttention", add, fixed, names, **base)
    sink = [*operands(5), none, none, ("n", i32(4, 4)), total(5), none, none, none, none, ("sink", floats(rng, heads))]
    compare(b, "GroupQueryAttention", sink, fixed, names, **base)
    own = [*operands(1), *past(7), ("n", i32(7, 7)), total(8), cos, sin, ("at", np.array([[3], [9]], np.int64))]
    compare(b, "GroupQueryAttention", own, fixed, names, do_rotary=1, **base)


def close_up_to(b, inputs, fixed, names, most, **more):
    """Of a buffer with room for more, what lies beyond the keys of a batch is nobody's: the output alone is compared."""
    compare(b, "GroupQueryAttention", inputs, fixed, names, only=names[:1], **more)


def test_rotary(b, rng):
    batch, seq, heads, size = 2, 5, 3, 8
    cos, sin = ("c", floats(rng, 16, size // 2)), ("s", floats(rng, 16, size // 2))
    small = ("c", floats(rng, 16, 2)), ("s", floats(rng, 16, 2))
    at = [("p", np.array([3], np.int64)), ("p", rng.integers(0, 16, (batch, seq)).astype(np.int64))]
    flat, apart = ("x", floats(rng, batch, seq, heads * size)), ("x", floats(rng, batch, heads, seq, size))
    for interleaved in (0, 1):
        for positions in at:
            for x in (flat, apart):
                compare(b, "RotaryEmbedding", [x, positions, cos, sin], ["c", "s"], interleaved=interleaved)
            compare(b, "RotaryEmbedding", [flat, positions, *small], ["c", "s"], interleaved=interleaved, num_heads=heads,
                    rotary_embedding_dim=4)
    compare(b, "RotaryEmbedding", [flat, at[1], cos, sin], ["c", "s"], is_packed_batching=1)
    compare(b, "RotaryEmbedding", [flat, at[1], cos, sin], ["c", "s"], scale=2.0)


def test_flex(b):
    """Scores and probabilities go through graphs: scores of nothing give the mean, doubled by the other graph."""
    def mod(op, name, dims, values, names=("s", "r")):
        graph = o.graph([o.node(op, [names[0], name], [names[1]])], [o.value(names[0])], [o.value(names[1])],
                        [o.tensor(name, o.FLOAT, dims, values)])
        return ("graph", graph)
    inputs = [o.value(name, o.FLOAT, dims) for name, dims in (("q", [1, 2, 2, 2]), ("k", [1, 1, 3, 2]), ("v", [1, 1, 3, 2]))]
    words = ["--input", "q=[[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]]", "--input", "k=[[[[1, 0], [0, 1], [1, 1]]]]",
             "--input", "v=[[[[3, 0], [6, 3], [0, 9]]]]", "--json"]

    def write(**more):
        node = o.node("FlexAttention", ["q", "k", "v"], ["y"], domain="ai.onnx.preview", **more)
        b.path("m.onnx").write_bytes(o.model(o.graph([node], inputs, [o.value("y")]), 26, domains=["ai.onnx.preview"]))
    write(score_mod=mod("Mul", "z", [], [0]), prob_mod=mod("Mul", "z", [], [2]))
    got = b.json("run", "m.onnx", *words)["y"]
    b.check(got["dims"] == [1, 2, 2, 2] and all(abs(x - y) < 1e-5 for x, y in zip(got["data"], [6, 8] * 4)), f"flex: {got}")
    for more, text in ((dict(score_mod=3), "no graph"), (dict(softmax_precision=7), "no float"),
                       (dict(score_mod=mod("Equal", "z", [], [0])), "changes the dtype"),
                       (dict(score_mod=mod("Mul", "z", [1, 1, 1, 1, 1], [0])), "changes the dtype"),
                       (dict(score_mod=("graph", o.graph([], [], [o.value("r")]))), "1 and 1 are needed"),
                       (dict(score_mod=("graph", o.graph([], [o.value("s")], []))), "1 and 1 are needed"),
                       (dict(prob_mod=mod("Mul", "z", [], [0], ("s", "s"))), "made twice")):
        write(**more)
        b.bad(INPUT, text, "plan", "m.onnx")


def test_wrong(b):
    def bad(code, text, op, inputs, outputs=("y",), **more):
        node = o.node(op, [name for name, _ in inputs], list(outputs), domain="com.microsoft", **more)
        values = [o.value(name, *kind) for name, kind in dict(inputs).items() if name]
        b.path("m.onnx").write_bytes(o.model(o.graph([node], values, [o.value("y")]), 17, domains=["com.microsoft"]))
        b.bad(code, text, "plan", "m.onnx")
    x = ("x", (o.FLOAT, [2, 5, 12]))
    none = ("", None)
    bad(INPUT, "no multiple", "MultiHeadAttention", [x, ("k", x[1]), ("v", x[1])], num_heads=5)
    bad(INPUT, "no multiple", "MultiHeadAttention", [x, ("k", x[1]), ("v", x[1])], num_heads=-3)
    bad(INPUT, "no query", "MultiHeadAttention", [none, x, x], num_heads=3)
    bad(INPUT, "add up", "Attention", [x, ("w", (o.FLOAT, [12, 36]))], num_heads=3, qkv_hidden_sizes=[1 << 62, 1 << 62, 36])
    bad(UNSUPPORTED, "do_rotary", "Attention", [x, ("w", (o.FLOAT, [12, 36]))], num_heads=3, do_rotary=1)
    bad(UNSUPPORTED, "mask of that shape", "Attention", [x, ("w", (o.FLOAT, [12, 36])), none, ("m", (6, [7]))], num_heads=3)
    bad(INPUT, "no seqlens_k", "GroupQueryAttention", [x, ("k", x[1]), ("v", x[1])], num_heads=3, kv_num_heads=3)
    bad(INPUT, "needs a query", "GroupQueryAttention", [x, none, none, none, none, ("n", (6, [2]))], num_heads=0)
    bad(INPUT, "four inputs", "RotaryEmbedding", [x, ("p", (o.INT64, [1]))])


def test(b):
    test_flex(b)
    test_wrong(b)
    if onnxruntime is None:
        print("onnxruntime is not installed: com.microsoft's attention is not compared with it")
        sys.exit(SKIP)
    rng = np.random.default_rng(5)
    test_attention(b, rng)
    test_multi_head(b, rng)
    test_group(b, rng)
    test_rotary(b, rng)
