# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Installs into a folder of its own, and builds and runs a C program outside the tree with nothing but pkg-config."""
import os
import pathlib
import subprocess
import sys
import tempfile

source, build = map(pathlib.Path, sys.argv[1:3])


def run(*argv, **keywords):
    result = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **keywords)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, argv))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


with tempfile.TemporaryDirectory() as room:
    room = pathlib.Path(room)
    stage = room / "stage"
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", stage)
    for name in ("maru.pc", "maru-plugin.pc", "maru.h", "plugin.h", "plugin_kernel.h", "plugin_graph.h", "cpu.so",
                 "maru-probe", "libmaru.so", "libmaru.a"):
        if not list(stage.rglob(name)):
            sys.exit(f"{name} was not installed")
    config = next(stage.rglob("maru.pc"))
    prefix = config.parent.parent.parent.parent if config.parent.parent.parent.name == "lib" else config.parent.parent.parent
    env = dict(os.environ, PKG_CONFIG_PATH=str(config.parent))
    flags = run("pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs", "maru", env=env).split()
    program = room / "embed"
    compiler = os.environ.get("CC", "cc").split()
    sanitize = [a for a in sys.argv[3:] if a]
    run(*compiler, *sanitize, source / "scripts/examples/embed/embed.c", *flags, "-lpthread", "-o", program, cwd=room)
    library = str(next(stage.rglob("libmaru.so")).parent)
    output = run(program, cwd=room, env=dict(env, LD_LIBRARY_PATH=library, XDG_CACHE_HOME=str(room / "cache")))
    if "1 xor 0 = 1.000" not in output:
        sys.exit(f"the example printed: {output}")
