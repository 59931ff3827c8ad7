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


def table(*values):
    return ("tensor", o.tensor("t", o.FLOAT, [len(values)], values))


TREE = dict(nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[1, 0, 0], nodes_values=[0.5, 0.0, 0.0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0])


def ml(op, version, **more):
    return net([o.node(op, ["x"], ["y"], domain="ai.onnx.ml", **more)], domains=[("ai.onnx.ml", version)])


def wide(op, dims, domain="com.microsoft", version=17, **more):
    names = [f"x{i}" for i in range(len(dims))]
    kinds = [6 if op[0] != "F" and len(d) < 2 and i > 3 or d == [2, 5] else 7 if op[0] == "R" and i == 1 else o.FLOAT
             for i, d in enumerate(dims)]
    values = [o.value(name, kind, d) for name, kind, d in zip(names, kinds, dims)]
    return o.model(o.graph([o.node(op, names, ["y"], domain=domain, **more)], values, [o.value("y")]), version,
                   domains=[domain])


def main():
    mod = o.graph([o.node("Neg", ["s"], ["r"])], [o.value("s")], [o.value("r")])
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
        "tree": ml("TreeEnsembleClassifier", 3, classlabels_int64s=[4, 7], class_treeids=[0, 0], class_nodeids=[1, 2],
                   class_ids=[0, 1], class_weights=[1.0, 0.5], post_transform="LOGISTIC", **TREE),
        "forest": ml("TreeEnsembleRegressor", 3, target_treeids=[0, 0], target_nodeids=[1, 2], target_ids=[0, 1], n_targets=2,
                     target_weights=[1.0, 0.5], aggregate_function="MIN", base_values=[0.5], **TREE),
        "sets": ml("TreeEnsemble", 5, nodes_modes=("tensor", o.tensor("m", 2, [2], [6, 0])), nodes_splits=table(0, 2),
                   membership_values=table(1, 2, float("nan")), nodes_featureids=[0, 1], nodes_truenodeids=[1, 0],
                   nodes_falsenodeids=[1, 1], nodes_trueleafs=[0, 1], nodes_falseleafs=[1, 1], tree_roots=[0],
                   leaf_targetids=[0, 0], leaf_weights=table(3, 4)),
        "labels": ml("LabelEncoder", 4, keys_tensor=table(1, 2), values_int64s=[5, 6], default_int64=-1),
        "linear": ml("LinearClassifier", 1, coefficients=[1.0] * 8, intercepts=[1.0, 2.0], classlabels_ints=[3, 4]),
        "random": net([o.node("RandomNormalLike", ["x"], ["r"], seed=2.5), o.node("Dropout", ["r", "", "t"], ["y", "m"])],
                      [o.tensor("t", o.BOOL, [], [1])]),
        "batch": net([o.node("BatchNormalization", ["x", "w", "w", "w", "w"], ["y", "m", "v"], training_mode=1)], [W]),
        "flex": wide("FlexAttention", [[1, 2, 3, 4]] * 3, domain="ai.onnx.preview", version=26, score_mod=("graph", mod)),
        "heads": wide("MultiHeadAttention", [[2, 3, 8], [2, 5, 8], [2, 5, 8], [24], [2, 5]], num_heads=2, unidirectional=1),
        "attention": wide("Attention", [[2, 3, 4], [4, 12], [12], [2, 3], [2, 2, 2, 5, 2]], num_heads=2),
        "group": wide("GroupQueryAttention", [[1, 2, 16], [1, 2, 8], [1, 2, 8], [1, 1, 3, 8], [1, 1, 3, 8], [1], [], [9, 4],
                                              [9, 4]], num_heads=2, kv_num_heads=1, do_rotary=1),
        "rotary": wide("RotaryEmbedding", [[2, 3, 8], [2, 3], [9, 2], [9, 2]], num_heads=2, rotary_embedding_dim=4),
        "bits": net([o.node("MatMulNBits", ["x", "q", "s", "z"], ["y"], domain="com.microsoft", K=4, N=2, bits=4,
                            block_size=16)],
                    [o.tensor("q", 2, [2, 1, 8], raw=bytes(range(16))), o.tensor("s", o.FLOAT, [2], [1, 2]),
                     o.tensor("z", 2, [2], raw=b"12")], domains=["com.microsoft"]),
        "vectors": ml("SVMRegressor", 1, coefficients=[1.0, 2.0], n_supports=2, support_vectors=[1.0] * 8, rho=[0.5],
                      kernel_type="RBF", kernel_params=[0.5, 0.0, 3.0]),
        "rows": o.model(o.graph([o.node("GatherBlockQuantized", ["q", "i", "s", "z"], ["y"], domain="com.microsoft", bits=4,
                                        block_size=16)], [o.value("i", o.INT64, ["n"])], [o.value("y")],
                                [o.tensor("q", 2, [2, 8], raw=bytes(range(16))), o.tensor("s", o.FLOAT, [2, 1], [1, 2]),
                                 o.tensor("z", 2, [2, 1], raw=b"12")]), 17, domains=["com.microsoft"]),
        "six": net([o.node("Cast", ["x"], ["c"], to="FLOAT"), o.node("Add", ["c", "w"], ["a"], broadcast=1, axis=1),
                    o.node("Tile", ["a", "t", "t"], ["y"])], [W, o.tensor("t", o.FLOAT, [], [1])], version=5),
        "unknown": net([o.node("Frob", ["x"], ["y"], mode="a", size=2.5)]),
    }
    folder = HERE / "corpus" / "onnx"
    folder.mkdir(exist_ok=True)
    for name, data in models.items():
        (folder / name).write_bytes(data)


main()
