# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles each public header alone: those of the core as C11 and C++11, those of plugins as C99 and C++11.

Arguments: the generated version.h, then every header that is installed: none may be forgotten.
"""
import os
import pathlib
import shutil
import subprocess
import sys

root = pathlib.Path(os.environ["MARU_SOURCE_ROOT"])
version_h = pathlib.Path(sys.argv[1]).resolve()
strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Wshadow", "-Werror", "-fsyntax-only"]
c_only = ["-Wstrict-prototypes", "-Wmissing-prototypes"]
compilers = [pair for pair in (("gcc", "g++"), ("clang", "clang++")) if shutil.which(pair[0])]


def compile_alone(compiler, language, standard, includes, header):
    """True if a file with nothing but this include, twice, compiles without a warning."""
    command = [compiler, "-x", language, f"-std={standard}", *strict, *(f"-I{i}" for i in includes), "-"]
    if language == "c":
        command[1:1] = c_only
    text = f"#include <maru/{header}>\n#include <maru/{header}>\nint unused_{language.count('+')};\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        print(f"maru/{header} with {compiler} -std={standard}:\n{done.stderr}")
    return done.returncode == 0


def main():
    core = root / "core/include"
    plugins = root / "plugins/include"
    built = version_h.parents[1]
    sets = [
        ("c11", [core, built], sorted(h.name for h in core.glob("maru/*.h")) + [version_h.name]),
        ("c99", [plugins], sorted(h.name for h in plugins.glob("maru/*.h"))),
    ]
    n_failed = n_done = 0
    for c, cxx in compilers:
        for standard, includes, headers in sets:
            for header in headers:
                n_failed += not compile_alone(c, "c", standard, includes, header)
                n_done += 1
                if shutil.which(cxx):
                    n_failed += not compile_alone(cxx, "c++", "c++11", includes, header)
                    n_done += 1
    installed = {pathlib.Path(name).resolve() for name in sys.argv[2:]}
    for header in sorted({*core.glob("maru/*.h"), *plugins.glob("maru/*.h")}):
        if header.resolve() not in installed:
            print(f"{header.relative_to(root)} is not installed: add it to the meson.build of its folder")
            n_failed += 1
    print(f"{n_done} compilations, {n_failed} failed")
    return 1 if n_failed or not n_done else 0


sys.exit(main())
