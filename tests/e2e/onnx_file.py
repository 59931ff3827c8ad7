# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX models written by hand: the wire form of protobuf, with the field numbers of the ONNX IR specification."""
import struct

FLOAT, INT64, BOOL = 1, 7, 9


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([0x80 | value & 0x7F])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def each(field, values):
    return b"".join(data(field, value) for value in values)


def tensor(name, kind, dims, values=(), raw=None, extra=b""):
    """Values by their field, or `raw` bytes."""
    out = b"".join(number(1, d) for d in dims) + number(2, kind)
    if raw is not None:
        out += data(9, raw)
    elif kind == FLOAT:
        out += data(4, b"".join(struct.pack("<f", v) for v in values))
    elif kind == INT64:
        out += data(7, b"".join(varint(v) for v in values))
    else:
        out += data(5, b"".join(varint(v) for v in values))
    return out + data(8, name) + extra


def external(name, kind, dims, **entries):
    pairs = each(13, [data(1, key) + data(2, str(value)) for key, value in entries.items()])
    return b"".join(number(1, d) for d in dims) + number(2, kind) + data(8, name) + pairs + number(14, 1)


def attribute(name, value):
    out = data(1, name)
    if isinstance(value, bool) or isinstance(value, int):
        return out + number(3, int(value)) + number(20, 2)
    if isinstance(value, float):
        return out + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, str):
        return out + data(4, value) + number(20, 3)
    if isinstance(value, list) and value and isinstance(value[0], float):
        return out + b"".join(varint(7 << 3 | 5) + struct.pack("<f", v) for v in value) + number(20, 6)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return out + each(9, value) + number(20, 8)
    if isinstance(value, list):
        return out + b"".join(number(8, v) for v in value) + number(20, 7)
    kind, payload = value
    return out + {"graph": data(6, payload) + number(20, 5), "tensor": data(5, payload) + number(20, 4),
                  "ref": data(21, payload) + number(20, 2)}[kind]


def node(op, inputs, outputs, name="", domain="", **attributes):
    out = each(1, inputs) + each(2, outputs) + (data(3, name) if name else b"") + data(4, op)
    out += each(5, [attribute(key, value) for key, value in attributes.items()])
    return out + (data(7, domain) if domain else b"")


def value(name, kind=FLOAT, dims=()):
    shape = b""
    for d in dims:
        shape += data(1, number(1, d) if isinstance(d, int) else data(2, d) if d else b"")
    return data(1, name) + data(2, data(1, number(1, kind) + data(2, shape)))


def graph(nodes, inputs, outputs, tensors=(), sparse=(), name="g"):
    return (each(1, nodes) + data(2, name) + each(5, tensors) + each(11, inputs) + each(12, outputs) +
            each(15, sparse))


def opset(version, domain=""):
    return (data(1, domain) if domain else b"") + number(2, version)


def function(name, domain, inputs, outputs, nodes, attributes=(), version=21):
    return (data(1, name) + each(4, inputs) + each(5, outputs) + each(6, attributes) + each(7, nodes) +
            data(9, opset(version)) + data(10, domain))


def model(body, version=21, functions=(), domains=()):
    imports = [opset(version)] + [opset(*reversed(d)) if isinstance(d, tuple) else opset(1, d) for d in domains]
    return number(1, 8) + data(7, body) + each(8, imports) + each(25, functions)


def fields(data):
    """(number, value) of each field of a message: an integer, or bytes."""
    at = 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = take()
        if tag & 7 == 0:
            yield tag >> 3, take()
        else:
            size = {1: 8, 5: 4}.get(tag & 7) or take()
            yield tag >> 3, data[at:at + size]
            at += size


def field(data, number):
    return [value for n, value in fields(data) if n == number]


def input_names(data):
    """Of a model."""
    return [field(info, 1)[0].decode() for info in field(field(data, 7)[0], 11)]


def operators(data):
    """(operator, name) of each node of a model."""
    return [(field(n, 4)[0].decode(), (field(n, 3) or [b""])[0].decode()) for n in field(field(data, 7)[0], 1)]
