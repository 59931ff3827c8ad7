# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The light networks of ONNX with weights like those of trained ones; needs the package onnx.

Their weights are ConstantOfShape nodes of one number, so that every output is the same whatever was computed. Here each
becomes an initialiser by what reads it: kernels and matrices are drawn so that the variance of a signal stays as it is,
through a rectifier where one follows, scales and variances lie around 1, and what is added around 0.
"""
import numpy as np
import onnx
from onnx import numpy_helper


def readers(graph):
    """Name -> (op, index of the input, whether a rectifier follows), looking through Unsqueeze."""
    found = {}
    for node in reversed(graph.node):
        after = found.get(node.output[0])
        keeps = node.op_type in ("Conv", "BatchNormalization", "Mul", "Add", "Gemm")
        for index, name in enumerate(node.input):
            rectified = node.op_type == "Relu" or bool(keeps and after and (after[0] == "Relu" or after[0] != "Conv" and after[2]))
            found[name] = after if after and node.op_type == "Unsqueeze" else (node.op_type, index, rectified)
    return found


def draw(rng, shape, reader):
    op, index, rectified = reader
    if op == "BatchNormalization" and index == 4:
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) > 1:
        return rng.standard_normal(shape) * np.sqrt((2 if rectified else 1) / np.prod(shape[1:]))
    if op == "Mul" or (op == "BatchNormalization" and index == 1):
        return rng.uniform(0.8, 1.2, shape)
    return rng.standard_normal(shape) * 0.1


def with_weights(path, seed):
    """The model, its weights drawn and no longer among its inputs."""
    model = onnx.load(path)
    graph, rng = model.graph, np.random.default_rng(seed)
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    reader, nodes, tensors, used = readers(graph), [], [], set()
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            used.update(node.input)
            continue
        shape = [int(d) for d in shapes[node.input[0]]]
        value = draw(rng, shape, reader[node.output[0]]).astype(np.float32)
        tensors.append(numpy_helper.from_array(value, node.output[0]))
    tensors += [t for t in graph.initializer if t.name in used]
    inputs = [i for i in graph.input if i.name not in shapes]
    for field, values in [("node", nodes), ("initializer", tensors), ("input", inputs), ("value_info", [])]:
        del getattr(graph, field)[:]
        getattr(graph, field).extend(values)
    model.ir_version = max(model.ir_version, 4)
    return model


def inner_values(model):
    """What the nodes make, but the masks of Dropout."""
    weights = {t.name for t in model.graph.initializer}
    return [node.output[0] for node in model.graph.node if not set(node.input) <= weights]


def of_any_batch(model):
    """A copy that gives all inner values, for batches of any size: its shapes have a batch of one in them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    tensors = {t.name: t for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[0] not in tensors:
            target = numpy_helper.to_array(tensors[node.input[1]]).copy()
            assert target[0] == 1
            target[0] = -1
            tensors[node.input[1]].CopyFrom(numpy_helper.from_array(target, node.input[1]))
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner_values(model))
    return copy
