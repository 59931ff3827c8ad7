# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The model of docs/writing-a-model.md, taken from the page, given weights, and run; the numbers computed here too."""
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

source, maru = map(pathlib.Path, sys.argv[1:3])
text = (source / "docs/writing-a-model.md").read_text()
script = re.search(r"^```lua\n(.*?)^```", text, re.S | re.M).group(1)
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


rows = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
with tempfile.TemporaryDirectory() as room:
    room = pathlib.Path(room)
    (room / "flowers.lua").write_text(script)
    (room / "config.json").write_text(json.dumps(config))
    write_safetensors(room / "model.safetensors")
    result = subprocess.run([maru, "run", room / "flowers.lua", "--weights", room, "--input",
                             "measures=" + json.dumps(rows), "--json"], capture_output=True, text=True,
                            env=dict(os.environ, XDG_CACHE_HOME=str(room / "cache")))
    if result.returncode:
        sys.exit(f"exit {result.returncode}: {result.stderr}")
    out = json.loads(result.stdout)
    wanted = [expected(r) for r in rows]
    got = out["probability"]["data"]
    flat = [v for r in wanted for v in r]
    if max(abs(a - b) for a, b in zip(got, flat)) > 1e-5:
        sys.exit(f"{got} instead of {flat}")
    kinds = [config["kinds"][r.index(max(r))] for r in wanted]
    if out["kind"] != kinds:
        sys.exit(f"{out['kind']} instead of {kinds}")
