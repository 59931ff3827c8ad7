# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The models of docs/writing-a-model.md, taken from the page and run; what they give is computed here too."""
import json
import math
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import zlib

source, maru = map(pathlib.Path, sys.argv[1:3])
text = (source / "docs/writing-a-model.md").read_text()
script, spots = re.findall(r"^```lua\n(.*?)^```", text, re.S | re.M)
config = json.loads(re.search(r"^    (\{\"hidden_size\".*\})$", text, re.M).group(1))
random.seed(1)
shapes = {"hidden.weight": (8, 4), "hidden.bias": (8,), "kinds.weight": (3, 8), "kinds.bias": (3,)}
weights = {name: [random.uniform(-1, 1) for _ in range(math.prod(shape))] for name, shape in shapes.items()}


def write_safetensors(path):
    header, data = {}, b""
    for name, shape in shapes.items():
        piece = struct.pack(f"<{len(weights[name])}f", *weights[name])
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)


def linear(x, name):
    rows, inner = shapes[name + ".weight"]
    w, b = weights[name + ".weight"], weights[name + ".bias"]
    return [b[i] + sum(w[i * inner + k] * x[k] for k in range(inner)) for i in range(rows)]


def expected(x):
    y = linear([math.tanh(v) for v in linear(x, "hidden")], "kinds")
    e = [math.exp(v - max(y)) for v in y]
    return [v / sum(e) for v in e]


def run(room, *words):
    result = subprocess.run([maru, *words], capture_output=True, text=True,
                            env=dict(os.environ, XDG_CACHE_HOME=str(room / "cache")))
    if result.returncode:
        sys.exit(f"{words}: exit {result.returncode}: {result.stderr}")
    return result.stdout


def png(width, height, is_bright):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    lines = [b"\0" + b"".join(b"\xff" * 3 if is_bright(x, y) else b"\x10" * 3 for x in range(width)) for y in range(height)]
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"".join(lines))) + chunk(b"IEND", b""))


rows = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
with tempfile.TemporaryDirectory() as room:
    room = pathlib.Path(room)
    (room / "flowers.lua").write_text(script)
    (room / "config.json").write_text(json.dumps(config))
    write_safetensors(room / "model.safetensors")
    out = json.loads(run(room, "run", room / "flowers.lua", "--weights", room, "--input", "measures=" + json.dumps(rows),
                         "--json"))
    wanted = [expected(r) for r in rows]
    got = out["probability"]["data"]
    flat = [v for r in wanted for v in r]
    if max(abs(a - b) for a, b in zip(got, flat)) > 1e-5:
        sys.exit(f"{got} instead of {flat}")
    kinds = [config["kinds"][r.index(max(r))] for r in wanted]
    if out["kind"] != kinds:
        sys.exit(f"{out['kind']} instead of {kinds}")

    # The graph as text gives the same, without the script.
    (room / "flowers.maru").write_text(run(room, "dump", room / "flowers.lua", "--weights", room))
    alone = json.loads(run(room, "run", room / "flowers.maru", "--weights", room, "--input", "x=" + json.dumps(rows), "--json"))
    if alone["probability"]["data"] != got:
        sys.exit(f"{alone} instead of {got}")

    # Two spots in a picture of 128 x 96, which is half as large in the letterbox.
    (room / "spots.lua").write_text(spots)
    (room / "p.png").write_bytes(png(128, 96, lambda x, y: (16 <= x < 48 and 8 <= y < 24) or (80 <= x < 120 and 40 <= y < 90)))
    out = json.loads(run(room, "run", room / "spots.lua", "--input", f"picture=@{room / 'p.png'}", "--json"))
    if out["boxes"]["data"] != [16, 8, 48, 24, 80, 40, 120, 90] or out["sizes"]["data"] != [128, 500]:
        sys.exit(f"spots: {out}")
    (room / "dark.png").write_bytes(png(40, 90, lambda x, y: False))
    out = json.loads(run(room, "run", room / "spots.lua", "--input", f"picture=@{room / 'dark.png'}", "--json"))
    if out["boxes"]["dims"] != [0, 4]:
        sys.exit(f"no spots: {out}")
