#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Installs the contract into a temporary folder, builds the template against it alone, and loads the result.

Usage: out_of_tree.py SOURCE_ROOT PROBE_HELPER PACKAGE_DESCRIPTION
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

source, probe = pathlib.Path(sys.argv[1]), sys.argv[2]


def run(*command, **kwargs):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **kwargs)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


with tempfile.TemporaryDirectory() as temporary:
    root = pathlib.Path(temporary)
    # The headers and the package description, as `meson install` puts them.
    headers = root / "prefix/include/maru"
    headers.mkdir(parents=True)
    for header in (source / "plugins/include/maru").glob("*.h"):
        shutil.copy(header, headers)
    package = root / "prefix/lib/pkgconfig"
    package.mkdir(parents=True)
    shutil.copy(sys.argv[3], package / "maru-plugin.pc")
    text = (package / "maru-plugin.pc").read_text().splitlines()
    text = [f"prefix={root}/prefix" if line.startswith("prefix=") else line for line in text]
    (package / "maru-plugin.pc").write_text("\n".join(text) + "\n")
    shutil.copytree(source / "plugins/template", root / "mychip")
    env = dict(os.environ, PKG_CONFIG_PATH=str(package))
    for name in ("CFLAGS", "LDFLAGS"):
        env.pop(name, None)
    run("meson", "setup", root / "build", root / "mychip", "--werror", env=env)
    run("ninja", "-C", root / "build", env=env)
    for flavour in ("kernel", "graph"):
        plugin = root / f"build/template-{flavour}.so"
        answer = run(probe, plugin).splitlines()
        if len(answer) != 1 or not answer[0].startswith("maru-probe 1 "):
            sys.exit(f"{plugin}: {answer}")
        count = len((source / f"plugins/template/template_{flavour}.c").read_text().splitlines())
        if count >= 250:
            sys.exit(f"template_{flavour}.c has {count} lines, the aim is under 250")
