# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Operators of ai.onnx.ml against ONNX Runtime, where that is installed, and what is wrong with their attributes."""
import sys

import onnx_file as o
from harness import INPUT, SKIP, UNSUPPORTED
from topic_onnx_peer import compare, floats, np, onnxruntime

ML = "ai.onnx.ml"
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def grow(rng, trees, depth, features, modes):
    """The lists of nodes of random trees, and (tree, node) of their leaves."""
    lists = {"nodes_" + key: [] for key in ("treeids", "nodeids", "featureids", "modes", "truenodeids", "falsenodeids",
                                            "missing_value_tracks_true", "values")}
    leaves = []
    for tree in range(trees):
        count = 1
        waiting = [(0, 0)]
        while waiting:
            node, level = waiting.pop()
            is_leaf = level == depth or (level > 0 and rng.random() < 0.3)
            children = (0, 0) if is_leaf else (count, count + 1)
            if is_leaf:
                leaves.append((tree, node))
            else:
                waiting += [(count, level + 1), (count + 1, level + 1)]
                count += 2
            row = (tree, node, int(rng.integers(features)), "LEAF" if is_leaf else str(rng.choice(modes)), *children,
                   int(rng.integers(2)), 0.0 if is_leaf else float(rng.integers(-8, 9) / 8))
            for values, value in zip(lists.values(), row):
                values.append(value)
    return lists, leaves


def weights(rng, leaves, prefix, targets, low):
    rows = [(t, n, i, float(np.float32(rng.uniform(low, 1)))) for t, n in leaves for i in targets if rng.random() < 0.9]
    return {prefix + key: list(column) for key, column in
            zip(("_treeids", "_nodeids", "_ids", "_weights"), zip(*rows))}


def test_trees(b, rng):
    x = (rng.integers(-8, 9, (13, 5)) / 8).astype(np.float32)
    holes = np.where(rng.random(x.shape) < 0.2, np.nan, x).astype(np.float32)
    for modes in (MODES[:1], MODES[:4], MODES):
        lists, leaves = grow(rng, 7, 5, 5, modes)
        if modes == MODES[:1]:
            lists.pop("nodes_missing_value_tracks_true")
        for how in ("SUM", "AVERAGE", "MIN", "MAX"):
            targets = weights(rng, leaves, "target", range(3), -1)
            compare(b, "TreeEnsembleRegressor", [("x", holes)], domain=ML, of=3, **lists, **targets, n_targets=3,
                    aggregate_function=how, base_values=[0.5, -0.25, 1.0])
        one = weights(rng, leaves, "target", [0], -1)
        compare(b, "TreeEnsembleRegressor", [("x", x)], domain=ML, of=3, **lists, **one, n_targets=1)
        for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
            more = dict(domain=ML, of=3, outputs=("y", "z"), post_transform=transform, **lists)
            classes = weights(rng, leaves, "class", range(3), 0)
            compare(b, "TreeEnsembleClassifier", [("x", holes)], **more, **classes, classlabels_int64s=[7, 3, 5])
            compare(b, "TreeEnsembleClassifier", [("x", x)], **more, **classes, classlabels_int64s=[7, 3, 5],
                    base_values=[0.5, 0.25, -0.5])
            for low in (0, -1):
                for ids in ([0], [1]):
                    compare(b, "TreeEnsembleClassifier", [("x", x)], **more, **weights(rng, leaves, "class", ids, low),
                            classlabels_int64s=[7, 3])
    compare(b, "TreeEnsembleClassifier", [("x", (x * 8).astype(np.int64))], domain=ML, of=3, outputs=("y", "z"), **lists,
            **classes, classlabels_int64s=[7, 3, 5])


def test_ensemble(b, rng):
    """One tree in the newest form, with a set, in f32 and f64."""
    for dtype, kind in ((np.float32, 1), (np.float64, 11)):
        def table(values, kind=kind, dtype=dtype):
            return ("tensor", o.tensor("t", kind, [len(values)], raw=np.array(values, dtype).tobytes()))
        x = rng.integers(0, 9, (20, 2)).astype(dtype)
        more = dict(nodes_modes=table([0, 6, 3, 6], 2, np.uint8), nodes_splits=table([4, 0, 3, 0]),
                    membership_values=table([1, 3, np.nan, 5, 7, 8, np.nan]), nodes_featureids=[0, 1, 1, 0],
                    nodes_truenodeids=[1, 0, 3, 3], nodes_falsenodeids=[2, 1, 2, 4], nodes_trueleafs=[0, 1, 0, 1],
                    nodes_falseleafs=[0, 1, 1, 1], leaf_targetids=[0, 1, 0, 1, 0], tree_roots=[0], n_targets=2,
                    leaf_weights=table([1, 2.5, -3, 4, 0.5]))
        for how in range(1, 4):
            compare(b, "TreeEnsemble", [("x", x)], domain=ML, of=5, aggregate_function=how, **more)


def test_linear(b, rng):
    x = floats(rng, 6, 4)
    for targets in (1, 3):
        coefficients = [float(v) for v in floats(rng, targets * 4)]
        intercepts = [float(v) for v in floats(rng, targets)]
        compare(b, "LinearRegressor", [("x", x)], domain=ML, coefficients=coefficients, intercepts=intercepts,
                targets=targets)
        for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
            compare(b, "LinearClassifier", [("x", x)], domain=ML, outputs=("y", "z"), coefficients=coefficients,
                    intercepts=intercepts, classlabels_ints=[4, 9, 2][:max(targets, 2)], post_transform=transform)
    for more in (dict(offset=[0.5], scale=[2.0]), dict(offset=[0.5, 1.0, 2.0, -1.0], scale=[2.0, 1.0, 0.5, 3.0])):
        compare(b, "Scaler", [("x", x)], domain=ML, **more)
    x[2] = 0
    for norm in ("MAX", "L1", "L2"):
        compare(b, "Normalizer", [("x", x)], domain=ML, norm=norm)
    compare(b, "Binarizer", [("x", x)], domain=ML, threshold=0.25)
    compare(b, "ArrayFeatureExtractor", [("x", x), ("i", np.array([[2, 0, 2]], np.int64))], domain=ML)
    compare(b, "ArrayFeatureExtractor", [("x", x[1]), ("i", np.array([3], np.int64))], domain=ML)
    compare(b, "FeatureVectorizer", [("x", x), ("z", floats(rng, 6, 2))], domain=ML, inputdimensions=[4, 2])


def test_encoders(b, rng):
    ids = rng.integers(0, 6, (3, 4)).astype(np.int64)
    compare(b, "OneHotEncoder", [("x", ids)], domain=ML, cats_int64s=[3, 1, 5], zeros=1)
    compare(b, "LabelEncoder", [("x", ids)], domain=ML, of=2, keys_int64s=[3, 1, 1 << 60], values_floats=[0.5, 1.5, 2.0],
            default_float=7.0)
    numbers = np.array([0.5, np.nan, 2, -1], np.float32)
    compare(b, "LabelEncoder", [("x", numbers)], domain=ML, of=2, keys_floats=[2.0, 0.5], values_int64s=[1 << 40, -3])

    def table(kind, values):
        return ("tensor", o.tensor("t", kind, [len(values)], raw=values.tobytes()))
    compare(b, "LabelEncoder", [("x", ids.astype(np.float64))], domain=ML, of=4,
            keys_tensor=table(11, np.array([4.0, 2, np.nan])), values_tensor=table(11, np.array([1.5, 2.5, 9])),
            default_tensor=table(11, np.array([8.25])))


def test_support_vectors(b, rng):
    x = floats(rng, 6, 4)
    vectors = [float(v) for v in floats(rng, 5 * 4)]
    weights = [float(v) for v in floats(rng, 5)]
    for kind in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        for one_class in (0, 1):
            compare(b, "SVMRegressor", [("x", x)], domain=ML, kernel_type=kind, kernel_params=[0.25, 0.5, 3.0], n_supports=5,
                    coefficients=weights, support_vectors=vectors, rho=[0.75], one_class=one_class)
    compare(b, "SVMRegressor", [("x", x)], domain=ML, coefficients=weights[:4], rho=[0.75], kernel_type="LINEAR",
            kernel_params=[0.0, 0.0, 3.0], n_supports=0)
    holes = np.where(rng.random((5, 3)) < 0.4, np.nan, floats(rng, 5, 3)).astype(np.float32)
    compare(b, "Imputer", [("x", holes)], domain=ML, imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=float("nan"))
    compare(b, "Imputer", [("x", np.nan_to_num(holes))], domain=ML, imputed_value_floats=[1.5], replaced_value_float=0.0)
    compare(b, "Imputer", [("x", rng.integers(0, 3, (4, 2)).astype(np.int64))], domain=ML, imputed_value_int64s=[7, 9],
            replaced_value_int64=1)


def test_wrong(b):
    x = [o.value("x", o.FLOAT, [2, 3])]
    lists = dict(nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[0.0, 0.0, 0.0],
                 nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
                 target_treeids=[0], target_nodeids=[1], target_ids=[0], target_weights=[1.0], n_targets=1)
    cases = [(dict(nodes_featureids=[7, 0, 0]), INPUT, "feature 7"), (dict(nodes_treeids=[0, 0, 1], nodes_truenodeids=[0, 0, 0], nodes_falsenodeids=[1, 0, 0]), INPUT, "tree 0 has"),
             (dict(nodes_truenodeids=[9, 0, 0]), INPUT, "not there"), (dict(target_ids=[3]), INPUT, "target 3"),
             (dict(nodes_values=[0.0]), INPUT, "nodes_values"), (dict(n_targets=-1), INPUT, "-1 targets"),
             (dict(n_targets=1 << 60), INPUT, "too large"), (dict(nodes_falsenodeids=[2]), INPUT, "nodes_falsenodeids"),
             (dict(nodes_modes=["ODD", "LEAF", "LEAF"]), UNSUPPORTED, "mode of node 0"),
             (dict(aggregate_function="ODD"), UNSUPPORTED, "aggregate_function")]
    for change, code, text in cases:
        node = o.node("TreeEnsembleRegressor", ["x"], ["y"], domain=ML, **{**lists, **change})
        b.path("m.onnx").write_bytes(o.model(o.graph([node], x, [o.value("y")]), 17, domains=[(ML, 3)]))
        b.bad(code, text, "plan", "m.onnx")
    bytes_of = ("tensor", o.tensor("m", 2, [2], raw=b"\0\0"))
    numbers = ("tensor", o.tensor("s", o.FLOAT, [2], [1, 2]))
    node = o.node("TreeEnsemble", ["x"], ["y"], domain=ML, nodes_modes=bytes_of, nodes_splits=numbers, leaf_weights=numbers,
                  leaf_targetids=[0, 0], nodes_featureids=[0, 0], nodes_truenodeids=[1, 0], nodes_falsenodeids=[0, 1],
                  nodes_trueleafs=[0, 0], nodes_falseleafs=[1, 1], tree_roots=[0])
    b.path("m.onnx").write_bytes(o.model(o.graph([node], x, [o.value("y")]), 17, domains=[(ML, 5)]))
    b.bad(INPUT, "leads back", "plan", "m.onnx")
    for op, more, text in (("LabelEncoder", dict(keys_int64s=[1], values_floats=[1.0, 2.0]), "one length"),
                           ("LinearRegressor", dict(coefficients=[1.0], targets=2), "1 coefficients"),
                           ("SVMRegressor", dict(coefficients=[1.0], n_supports=2), "of 2 vectors"),
                           ("Imputer", {}, "no value"),
                           ("LinearClassifier", dict(coefficients=[1.0]), "1 coefficients"),
                           ("FeatureVectorizer", dict(inputdimensions=[1, 2]), "belong together")):
        node = o.node(op, ["x"], ["y"], domain=ML, **more)
        b.path("m.onnx").write_bytes(o.model(o.graph([node], x, [o.value("y")]), 17, domains=[(ML, 3)]))
        b.bad(INPUT, text, "plan", "m.onnx")


def test(b):
    test_wrong(b)
    if onnxruntime is None:
        print("onnxruntime is not installed: ai.onnx.ml's operators are not compared with it")
        sys.exit(SKIP)
    rng = np.random.default_rng(11)
    test_trees(b, rng)
    test_ensemble(b, rng)
    test_linear(b, rng)
    test_encoders(b, rng)
    test_support_vectors(b, rng)
