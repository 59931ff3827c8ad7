# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Files of tensors: each ending read, written and read back; what is malformed."""
import json
import struct

from harness import INPUT, UNSUPPORTED, floats, identity, npy, png, safetensors, tensor_proto, wav

# Well formed, but of a kind that Maru does not read.
UNREAD = {"object.npy", "version.npy", "dtype.pb", "a.xyz", "none", "dtype", "rank"}

PASS_TEXT = """return require("maru").model {
  name = "echo",
  inputs = { text = { kind = "strings", doc = "lines" } },
  outputs = { text = { doc = "the same" } },
  graph = function(m) m:output("y", m:input("x", "f32", { 1 })) end,
  run = function(m, input) return { text = input.text } end,
}
"""


def data_of(b, name):
    value = b.json("dump", name, "--json")
    return value.get("data") if isinstance(value, dict) else value


def test_numbers(b):
    b.write("f.maru", identity("f32", [2, 2]))
    b.write("x.npy", npy("<f4", [2, 2], floats(1, 2, 3, 4)))
    b.write("x.pb", tensor_proto([2, 2], 1, floats(1, 2, 3, 4)))
    b.write("x.json", "[[1, 2], [3, 4.0]]")
    for name in "x.npy", "x.pb", "x.json":
        run = b.json("run", "f.maru", "-i", f"x=@{name}", "--json")
        b.check(run["y"] == {"dtype": "f32", "dims": [2, 2], "data": [1, 2, 3, 4]}, f"{name} is read: {run}")
    for name in "y.npy", "y.pb", "y.json":
        b.good("run", "f.maru", "-i", "x=@x.npy", "--save", f"y={name}")
        b.check(data_of(b, name) == [1, 2, 3, 4], f"{name} reads back")
    b.check(json.loads(b.path("y.json").read_text()) == [[1, 2], [3, 4]], ".json is nested arrays")
    raw = b.path("y.npy").read_bytes()
    b.check(raw[:6] == b"\x93NUMPY" and raw[-16:] == floats(1, 2, 3, 4), ".npy is NumPy's")


def test_text(b):
    b.write("echo.lua", PASS_TEXT)
    b.write("a.txt", "one\ntwo \xc3\xa9\n".encode("latin-1"))
    b.write("a.json", '["one", "two"]')
    b.check(b.json("run", "echo.lua", "-i", "text=@a.txt", "--json")["text"] == ["one", "two \xe9"], ".txt: lines")
    b.check(b.json("run", "echo.lua", "-i", "text=@a.json", "--json")["text"] == ["one", "two"], ".json: strings")
    b.check(b.json("run", "echo.lua", "-i", 'text=say "hi" = \\ \t', "--json")["text"] == ['say "hi" = \\ \t'], "text")
    b.check(b.json("run", "echo.lua", "-i", 'text=["a", "b"]', "--json")["text"] == ["a", "b"], "a list of texts")
    for name in "b.txt", "b.json":
        b.good("run", "echo.lua", "-i", "text=@a.txt", "--save", f"text={name}")
        b.check(data_of(b, name) == ["one", "two \xe9"], f"{name} reads back")


def test_pictures_and_sound(b):
    pixels = bytes(range(4 * 3 * 3))
    b.write("p.maru", identity("u8", [3, 4, 3]))
    b.write("x.png", png(4, 3, pixels))
    run = b.json("run", "p.maru", "-i", "x=@x.png", "--json", "--save", "y=y.png")
    b.check(run["y"]["data"] == list(pixels), ".png is read")
    b.check(data_of(b, "y.png") == list(pixels), ".png reads back")
    b.good("run", "p.maru", "-i", "x=@x.png", "--save", "y=y.jpg")
    b.check(b.path("y.jpg").read_bytes()[:2] == b"\xff\xd8", ".jpg is JPEG")
    run = b.json("run", "p.maru", "-i", "x=@y.jpg", "--json")
    near = max(abs(x - y) for x, y in zip(run["y"]["data"], pixels))
    b.check(run["y"]["dims"] == [3, 4, 3] and near < 60, f".jpg reads back, nearly: {near}")
    b.write("s.maru", identity("f32", [1, 4]))
    b.write("x.wav", wav(8000, [0, 16384, -32768, 8192]))
    run = b.json("run", "s.maru", "-i", "x=@x.wav", "--json", "--save", "y=y.wav")
    b.check(run["y"]["data"] == [0, 0.5, -1, 0.25], f".wav is read: {run}")
    b.check(data_of(b, "y.wav") == [0, 0.5, -1, 0.25], ".wav reads back")


def malformed(b):
    """(name, bytes) of files that lie, stop early, or are something else."""
    good_npy = npy("<f4", [2, 2], floats(1, 2, 3, 4))
    good_png = png(4, 3, bytes(36))
    good_wav = wav(8000, [1, 2, 3, 4])
    good_pb = tensor_proto([2, 2], 1, floats(1, 2, 3, 4))
    yield from [
        ("empty.npy", b""), ("short.npy", good_npy[:-3]), ("head.npy", good_npy[:20]), ("other.npy", b"hello"),
        ("huge.npy", npy("<f4", [1 << 40, 1 << 40], b"")), ("minus.npy", npy("<f4", [-1], b"")),
        ("object.npy", npy("|O", [1], b"12345678")), ("version.npy", npy("<f4", [1], floats(1), version=9)),
        ("empty.png", b""), ("short.png", good_png[:40]),
        ("large.png", good_png[:16] + struct.pack(">II", 1 << 30, 1 << 30) + good_png[24:]),
        ("other.jpg", b"hello"), ("short.jpg", b"\xff\xd8\xff\xe0"),
        ("empty.wav", b""), ("short.wav", good_wav[:30]), ("other.wav", b"RIFF" + b"x" * 60),
        ("empty.json", b""), ("open.json", b"[1, 2"), ("ragged.json", b"[[1, 2], [3]]"), ("object.json", b'{"a": 1}'),
        ("deep.json", b"[" * 100000), ("mixed.json", b'[1, "a"]'), ("null.json", b"[null]"),
        ("short.pb", good_pb[:-3]), ("huge.pb", tensor_proto([127, 127, 127], 1, floats(1))),
        ("dtype.pb", tensor_proto([1], 99, floats(1))), ("noise.pb", bytes(range(200, 256))),
        ("a.xyz", b"hello"), ("none", b"hello"),
    ]


def test_malformed(b):
    for name, data in malformed(b):
        b.write(f"bad/{name}", data)
        code = UNSUPPORTED if name in UNREAD else INPUT
        b.bad(code, name, "run", "f.maru", "-i", f"x=@bad/{name}")
        b.bad(code, name, "dump", f"bad/{name}")
    b.write("zero.txt", b"a\0b\n")
    b.bad(UNSUPPORTED, "zero.txt", "run", "echo.lua", "-i", "text=@zero.txt")
    b.write("utf8.txt", b"\xff\xfe\n")
    b.run("run", "echo.lua", "-i", "text=@utf8.txt", "--json")


def test_weights(b):
    good = safetensors({"w": ("F32", [3], floats(1, 2, 3)), "v": ("F16", [2], b"\0\x3c\0\x40")}, {"by": "hand"})
    b.write("w.safetensors", good)
    listed = b.json("dump", "w.safetensors", "--json")
    b.check([(w["name"], w["dtype"], w["dims"], w["bytes"]) for w in listed] ==
            [("w", "f32", [3], 12), ("v", "f16", [2], 4)] or
            [(w["name"], w["dtype"], w["dims"], w["bytes"]) for w in listed] ==
            [("v", "f16", [2], 4), ("w", "f32", [3], 12)], f"weights are listed: {listed}")
    b.check("2 tensors, 16 B" in b.good("dump", "w.safetensors").text, "and added up")

    def lie(header, data=b"\0" * 12, size=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if size is None else size) + text + data

    def one(**keys):
        return lie({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12], **keys}})

    cases = {
        "empty": b"", "short": good[:-5], "stub": good[:7], "size": lie({}, size=1 << 62), "size2": lie({}, size=1000),
        "json": lie(b"{nonsense"), "list": lie([1]), "offset": one(data_offsets=[0, 4000]),
        "order": one(data_offsets=[12, 0]), "shape": one(shape=[4]), "negative": one(shape=[-3]),
        "overflow": one(shape=[1 << 40, 1 << 40]), "dtype": one(dtype="F12"), "missing": lie({"w": {"dtype": "F32"}}),
        "rank": one(shape=[1] * 40 + [3]), "deep": lie(b'{"w":' + b"[" * 50000),
    }
    for name, data in cases.items():
        b.write(f"bad/{name}.safetensors", data)
        code = UNSUPPORTED if name in UNREAD else INPUT
        b.bad(code, f"{name}.safetensors", "dump", f"bad/{name}.safetensors")
        b.bad(code, f"{name}.safetensors", "run", "m.lua", "-w", f"bad/{name}.safetensors", "-i", "x=[1,2,3]")


def test(b):
    from harness import MODEL
    b.write("m.lua", MODEL)
    test_numbers(b)
    test_text(b)
    test_pictures_and_sound(b)
    test_malformed(b)
    test_weights(b)
