# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The backend of docs/writing-a-backend.md, taken from the page: built with nothing but the plugin headers, and run."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

source, runner, cpu = sys.argv[1:4]
source = pathlib.Path(source)
text = (source / "docs/writing-a-backend.md").read_text()
code = "\n".join(re.findall(r"^```c\n(.*?)^```", text, re.S | re.M))
with tempfile.TemporaryDirectory() as room:
    room = pathlib.Path(room)
    (room / "matmul.c").write_text(code)
    for name in ("host_device.c", "host_device.h", "fence.c"):
        shutil.copy(source / "plugins/template" / name, room)
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_POSIX_C_SOURCE=200809L",
                    "-shared", "-fPIC", "-fvisibility=hidden", f"-I{source}/plugins/include", *sys.argv[4:], "matmul.c",
                    "host_device.c", "fence.c", "-lpthread", "-o", "matmul.so"], cwd=room, check=True)
    sys.exit(subprocess.run([runner, str(room / "matmul.so"), cpu],
                            env=dict(os.environ, XDG_CACHE_HOME=str(room / "cache"))).returncode)
