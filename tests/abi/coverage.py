#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Every struct member and constant of the plugin headers is pinned, every dtype is listed, and the hash is fresh."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
pins = (root / "tests/abi/abi_layout.c").read_text()
rules = (root / "plugins/ABI.md").read_text()
missing = []
for header in ("plugin.h", "plugin_kernel.h", "plugin_graph.h"):
    text = (root / "plugins/include/maru" / header).read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for struct, body in re.findall(r"typedef struct (maru_abi_\w+) \{(.*?)\n\} \1;", text, flags=re.S):
        if f"STRUCT({struct}," not in pins:
            missing.append(struct)
        for declaration in filter(None, (" ".join(part.split()) for part in body.split(";"))):
            function = re.search(r"\(\*(\w+)\)\s*\(", declaration)
            name = function.group(1) if function else re.search(r"(\w+)$", re.sub(r"\[.*?\]", "", declaration)).group(1)
            if f"MEMBER({struct}, {name}," not in pins:
                missing.append(f"{struct}.{name}")
    for body in re.findall(r"enum \{(.*?)\}", text, flags=re.S):
        for name in (entry.split("=")[0].strip() for entry in body.split(",")):
            if name and f"VALUE({name}," not in pins:
                missing.append(name)
    for name, number in re.findall(r"MARU_ABI_((?:[A-Z]+\d|BOOL|STRING)\w*) = (\d+)", text):
        if not re.search(rf"^\| {number} \| {name.lower()} \|", rules, flags=re.M):
            missing.append(f"dtype {name} (in plugins/ABI.md)")
if missing:
    print("not pinned in tests/abi/abi_layout.c, or not listed: " + ", ".join(missing))
checked = subprocess.run([sys.executable, root / "scripts/dev/abi-hash", "--check"], stdout=subprocess.DEVNULL)
sys.exit(bool(missing) or checked.returncode)
