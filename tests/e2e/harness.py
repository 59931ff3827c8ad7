# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the command as a user would, in a folder of its own, and counts what was checked."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

OK, FAILED, USAGE, INPUT, DEVICE, UNSUPPORTED, MEMORY, DIFFERENT, STOPPED = 0, 1, 2, 3, 4, 5, 6, 7, 130
SKIP = 77

SANITIZER = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")

ADD = """maru 1 "add"
%1 = input "x" f32[3]
%2 = const "c" f32[3] {1.0, 2.0, 3.0}
%3 = Add(%1, %2)
output "y" %3
"""

MODEL = """local maru = require "maru"
return maru.model {
  name = "tiny", doc = "y = x * scale + w, summed up in a state",
  inputs = { x = { doc = "numbers" } },
  outputs = { y = { doc = "numbers" }, total = { doc = "of all runs" }, count = { doc = "of runs" } },
  options = { scale = { default = 2, doc = "factor" } },
  graph = function(m)
    local x = m:input("x", "f32", { 3 })
    local total = m:state("total", "f32", { 3 }) + (x * m.options.scale + m.weights:get("w", { 3 }))
    m:set_state("total", total)
    m:output("total", total)
    m:output("y", x * m.options.scale + m.weights:get("w", { 3 }))
  end,
  run = function(m, input)
    print("running")
    local out = m:session():run { x = input.x }
    m.state.n = (m.state.n or 0) + 1
    return { y = out.y, total = out.total, count = tostring(m.state.n) }
  end,
}
"""


class Result:
    def __init__(self, words, done):
        self.words = words
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def error(self):
        return self.err.decode("utf-8", "replace")


class Bench:
    """A folder with the command in reach. Commands run there, with a cache of their own."""

    def __init__(self, maru, cpu, fault):
        self.maru = str(pathlib.Path(maru).resolve())
        self.cpu = str(pathlib.Path(cpu).resolve())
        self.fault = str(pathlib.Path(fault).resolve())
        self.room = tempfile.TemporaryDirectory(prefix="maru-e2e-")
        self.folder = pathlib.Path(self.room.name)
        self.env = dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache"), LC_ALL="C.UTF-8")
        self.env.pop("MARU_FAULT", None)
        self.env.pop("MARU_PLUGIN_PATH", None)
        self.n = 0
        self.failures = []

    # ---- files

    def path(self, name):
        return self.folder / name

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return name

    # ---- running and checking

    def run(self, *words, env=None, timeout=120, stdin=subprocess.DEVNULL):
        done = subprocess.run(
            [self.maru, *map(str, words)], cwd=self.folder, env={**self.env, **(env or {})}, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        result = Result(words, done)
        self.check(result.code >= 0, "it ends by itself", result)
        self.check(not any(word in result.error for word in SANITIZER), "the sanitizers are silent", result)
        return result

    def check(self, truth, what, result=None):
        self.n += 1
        if truth:
            return True
        text = what
        if result:
            text += f"\n    maru {' '.join(map(str, result.words))} -> {result.code}"
            text += f"\n    stdout: {result.text[:1500]}\n    stderr: {result.error[:3000]}"
        self.failures.append(text)
        print(f"FAILED: {text}", flush=True)
        return False

    def good(self, *words, **keys):
        result = self.run(*words, **keys)
        self.check(result.code == OK, "it succeeds", result)
        return result

    def bad(self, code, names, *words, **keys):
        """Fails with `code` and one message on stderr that has every one of `names`; nothing looks like a crash."""
        result = self.run(*words, **keys)
        self.check(result.code == code, f"the exit code is {code}", result)
        for name in [names] if isinstance(names, str) else names:
            self.check(name in result.error, f"stderr names '{name}'", result)
        self.check("maru: " in result.error, "stderr says who speaks", result)
        return result

    def json(self, *words, **keys):
        result = self.good(*words, **keys)
        try:
            value = json.loads(result.text)
        except ValueError as problem:
            self.check(False, f"stdout is JSON: {problem}", result)
            return {}
        self.check(True, "stdout is JSON")
        return value

    def end(self):
        self.room.cleanup()
        print(f"{self.n} checks, {len(self.failures)} failed")
        return 1 if self.failures or self.n == 0 else 0


# ---- files made by hand


def npy(descr, dims, data, version=1):
    header = str({"descr": descr, "fortran_order": False, "shape": tuple(dims)}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + data


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def tensor_proto(dims, data_type, raw, name=b"t"):
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    return b"".join(bytes([1 << 3, d]) for d in dims) + bytes([2 << 3, data_type]) + field(8, name) + field(9, raw)


def safetensors(tensors, metadata=None):
    """`tensors`: name -> (dtype, dims, bytes)."""
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (dtype, dims, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": dims, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def png(width, height, pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def wav(rate, samples):
    data = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" +
            struct.pack("<I", len(data)) + data)


def identity(dtype, dims):
    return f'maru 1 "same"\n%1 = input "x" {dtype}[{", ".join(map(str, dims))}]\n%2 = Identity(%1)\noutput "y" %2\n'
