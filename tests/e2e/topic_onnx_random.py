# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Operators of ONNX that draw random numbers, by their distributions, and those that train."""
import json
import math

import onnx_file as o
from harness import INPUT

N = 1 << 14


def run(b, nodes, kinds, inputs=(), tensors=(), words=(), version=22):
    """The outputs by their names."""
    body = o.graph(nodes, inputs, [o.value(name, kind, []) for name, kind in kinds.items()], tensors)
    b.path("m.onnx").write_bytes(o.model(body, version))
    done = b.json("run", "m.onnx", *words, "--json")
    return {name: [float(v) for v in done[name]["data"]] for name in kinds}


def distance(values, distribution):
    """Kolmogorov and Smirnov's largest distance, times the root of the count: above 2.2 in 0.01% of the cases."""
    values = sorted(values)
    n = len(values)
    most = max(max((i + 1) / n - distribution(v), distribution(v) - i / n) for i, v in enumerate(values))
    return most * math.sqrt(n)


def moments(values):
    mean = sum(values) / len(values)
    return mean, sum((v - mean) ** 2 for v in values) / len(values)


def test_continuous(b):
    def uniform(v):
        return min(max((v + 1) / 4, 0), 1)

    def normal(v):
        return (1 + math.erf((v - 2) / (3 * math.sqrt(2)))) / 2
    like = [o.value("x", o.FLOAT, [N])]
    words = ["--input", "x=" + json.dumps([0] * N)]
    for kind in (o.FLOAT, 11):
        for op, distribution, mean, variance, more in (("RandomUniform", uniform, 1, 16 / 12, dict(low=-1.0, high=3.0)),
                                                       ("RandomNormal", normal, 2, 9, dict(mean=2.0, scale=3.0))):
            nodes = [o.node(op, [], ["y"], shape=[N], dtype=kind, seed=5.0, **more),
                     o.node(op + "Like", ["x"], ["z"], dtype=kind, **more)]
            got = run(b, nodes, {"y": kind, "z": kind}, like, words=words)
            for name, values in got.items():
                what = f"{op} of dtype {kind}, {name}"
                b.check(len(values) == N and distance(values, distribution) < 2.2, f"{what}: its distribution")
                m, v = moments(values)
                b.check(abs(m - mean) < 5 * math.sqrt(variance / N), f"{what}: mean {m}")
                b.check(abs(v - variance) < 0.05 * variance, f"{what}: variance {v}")
            b.check(sum(x == y for x, y in zip(*got.values())) < 9, f"{op}: a seed and none differ")
    half = run(b, [o.node("RandomUniform", [], ["y"], shape=[N], dtype=10)], {"y": 10})["y"]
    b.check(0 <= min(half) and max(half) <= 1 and distance(half, lambda v: min(max(v, 0), 1)) < 4, "in 16 bits")


def test_seeds(b):
    nodes = [o.node("RandomNormal", [], [name], shape=[4], **more)
             for name, more in (("a", dict(seed=5.0)), ("b", dict(seed=5.0)), ("c", dict(seed=5.5)), ("d", {}), ("e", {}))]
    kinds = {name: o.FLOAT for name in "abcde"}
    first, second = run(b, nodes, kinds), run(b, nodes, kinds)
    b.check(first == second, "two sessions draw the same")
    b.check(first["a"] == first["b"] != first["c"], f"a seed decides: {first}")
    b.check(len({tuple(first[name]) for name in "acde"}) == 4, f"nodes without a seed differ: {first}")


def test_export(b):
    """In primitives the numbers are the same, and the counter is an input."""
    own = run(b, [o.node("RandomNormal", [], ["y"], shape=[3, 7], seed=5.0)], {"y": o.FLOAT})["y"]
    b.good("export", "m.onnx", "-o", "e.onnx", "--opset", "21")
    got = [b.json("run", "e.onnx", "--input", f"random.counter={n}", "--json") for n in range(2)]
    b.check(got[0]["y"]["data"] == own, f"exported: {got[0]['y']['data'][:4]}, not {own[:4]}")
    b.check(got[1]["y"]["data"] != own and got[0]["random.counter.next"]["data"] == [1], "another run, another number")


def test_discrete(b):
    words = ["--input", "x=" + json.dumps([0.25] * N)]
    for version in (15, 22):
        got = run(b, [o.node("Bernoulli", ["x"], ["y"], dtype=6), o.node("Bernoulli", ["x"], ["z"], seed=1.0)],
                  {"y": 6, "z": o.FLOAT}, [o.value("x", o.FLOAT, [N])], words=words, version=version)
        for name, values in got.items():
            b.check(set(values) == {0, 1} and abs(sum(values) / N - 0.25) < 0.016, f"Bernoulli: {sum(values) / N}")
    ends = run(b, [o.node("Bernoulli", ["x"], ["y"])], {"y": o.FLOAT}, [o.value("x", o.FLOAT, [4])],
               words=["--input", "x=[0, 1, 0, 1]"])
    b.check(ends["y"] == [0, 1, 0, 1], f"what is certain: {ends}")
    shares = [0.1, 0, 0.5, 0.4, 0]
    logs = [math.log(p) + 7 if p else -math.inf for p in shares]
    rows = o.tensor("x", o.FLOAT, [2, 5], logs + logs[::-1])
    for kind in (6, 7):
        got = run(b, [o.node("Multinomial", ["x"], ["y"], sample_size=N, dtype=kind, seed=2.0)], {"y": kind},
                  tensors=[rows])["y"]
        for row, want in ((got[:N], shares), (got[N:], shares[::-1])):
            chi = sum((row.count(i) - N * p) ** 2 / (N * p) for i, p in enumerate(want) if p)
            b.check(chi < 23 and all(row.count(i) == 0 for i, p in enumerate(want) if not p), f"Multinomial: {chi}")


def test_dropout(b):
    inputs = [o.value("x", o.FLOAT, [N]), o.value("t", o.BOOL, [])]
    nodes = [o.node("Dropout", ["x", "r", "t"], ["y", "m"], seed=3), o.node("Dropout", ["x", "", "t"], ["z"])]
    ratio = [o.tensor("r", o.FLOAT, [], [0.25])]
    kinds = {"y": o.FLOAT, "m": o.BOOL, "z": o.FLOAT}
    words = ["--input", "x=" + json.dumps([3] * N)]
    got = run(b, nodes, kinds, inputs, ratio, [*words, "--input", "t=1"])
    b.check(set(got["y"]) == {0, 4} and set(got["z"]) == {0, 6}, "what is kept is made larger")
    b.check(abs(got["y"].count(0) / N - 0.25) < 0.016 and abs(got["z"].count(0) / N - 0.5) < 0.02, "as many as asked")
    b.check(all((y == 4) == (m == 1) for y, m in zip(got["y"], got["m"])), "the mask says what is kept")
    got = run(b, nodes, kinds, inputs, ratio, [*words, "--input", "t=0"])
    b.check(set(got["y"]) == set(got["z"]) == {3} and set(got["m"]) == {1}, "nothing is dropped in inference")
    for version, kind in ((7, o.FLOAT), (10, o.BOOL), (12, o.BOOL)):
        old = run(b, [o.node("Dropout", ["x"], ["y", "m"], **({"ratio": 0.5} if version < 12 else {}))],
                  {"y": o.FLOAT, "m": kind}, [o.value("x", o.FLOAT, [2])], words=["--input", "x=[1, 2]"], version=version)
        b.check(old == {"y": [1, 2], "m": [1, 1]}, f"opset {version}: {old}")
    drop_all = run(b, [o.node("Dropout", ["x", "r", "t"], ["y"])], {"y": o.FLOAT}, [o.value("x", o.FLOAT, [2])],
                   [o.tensor("r", o.FLOAT, [], [1.0]), o.tensor("t", o.BOOL, [], [1])], ["--input", "x=[1, 2]"])
    b.check(drop_all["y"] == [0, 0], f"all dropped: {drop_all}")


def test_batch_normalization(b):
    x, scale, bias, mean, variance = [[1, 5], [2, 9], [3, 1], [6, 1]], [2, 1], [0.5, 0], [1, 2], [3, 4]
    tensors = [o.tensor(name, o.FLOAT, [2], values)
               for name, values in (("s", scale), ("b", bias), ("m", mean), ("v", variance))]
    want = {name: [] for name in "ymvnw"}
    columns = []
    for c in range(2):
        m, v = moments([row[c] for row in x])
        columns.append([(row[c] - m) / math.sqrt(v + 0.25) * scale[c] + bias[c] for row in x])
        want["m"].append(0.75 * mean[c] + 0.25 * m)
        want["v"].append(0.75 * variance[c] + 0.25 * v)
        want["n"].append(m)
        want["w"].append(v)
    want["y"] = [column[i] for i in range(4) for column in columns]
    words = ["--input", "x=" + json.dumps(x)]
    inputs = [o.value("x", o.FLOAT, [4, 2])]
    more = dict(epsilon=0.25, momentum=0.75)
    for version, outputs, extra in ((7, "ymvnw", {}), (9, "ymvnw", {}), (14, "ymv", dict(training_mode=1)),
                                    (15, "ymv", dict(training_mode=1))):
        names = {"y": "y", "m": "m1", "v": "v1", "n": "n", "w": "w"}
        got = run(b, [o.node("BatchNormalization", ["x", "s", "b", "m", "v"], [names[c] for c in outputs], **more, **extra)],
                  {names[c]: o.FLOAT for c in outputs}, inputs, tensors, words, version)
        for c in outputs:
            near = all(abs(p - q) < 1e-5 for p, q in zip(got[names[c]], want[c]))
            b.check(near and len(got[names[c]]) == len(want[c]), f"opset {version}, {c}: {got[names[c]]}, not {want[c]}")
    place = [o.tensor(name, o.FLOAT, [2, 1], values)
             for name, values in (("s", scale), ("b", bias), ("m", mean), ("v", variance))]
    got = run(b, [o.node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], spatial=0, epsilon=0.0)], {"y": o.FLOAT},
              [o.value("x", o.FLOAT, [1, 2, 1])], place, ["--input", "x=[[[4], [6]]]"], 7)
    b.check(all(abs(p - q) < 1e-5 for p, q in zip(got["y"], [2 * 3 / math.sqrt(3) + 0.5, 2])), f"of places: {got}")


def test_wrong(b):
    for nodes, text in (([o.node("RandomNormal", [], ["y"], shape=[2], dtype=6)], "is no float"),
                        ([o.node("RandomNormal", [], ["y"], shape=[-2])], "dim 0 is -2"),
                        ([o.node("RandomNormal", [], ["y"], shape=[1] * 9)], "at most 8 numbers"),
                        ([o.node("Multinomial", ["x"], ["y"])], "rank 1"),
                        ([o.node("Bernoulli", [], ["y"])], "input 0 is missing")):
        body = o.graph(nodes, [o.value("x", o.FLOAT, [2])], [o.value("y")])
        b.path("m.onnx").write_bytes(o.model(body, 22))
        b.bad(INPUT, text, "plan", "m.onnx")


def test(b):
    test_continuous(b)
    test_seeds(b)
    test_export(b)
    test_discrete(b)
    test_dropout(b)
    test_batch_normalization(b)
    test_wrong(b)
