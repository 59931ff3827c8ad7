#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Each given plugin exports exactly one symbol and links no library of a vendor's."""
import subprocess
import sys

SYMBOL = "maru_plugin_query"
ALLOWED = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "ld-linux", "libasan.so", "libubsan.so", "libtsan.so",
           "libgcc_s.so", "libgomp.so", "libhwloc.so", "libstdc++.so")


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


failed = not sys.argv[1:]
for plugin in sys.argv[1:]:
    exported = [line.split()[-1] for line in lines("nm", "-D", "--defined-only", plugin)]
    exported = [name for name in exported if not name.startswith(("__asan", "__odr_asan", "__ubsan", "__tsan"))]
    if exported != [SYMBOL]:
        print(f"{plugin}: exports {exported}, a plugin exports {SYMBOL} alone")
        failed = True
    for line in lines("readelf", "-d", plugin):
        if "(NEEDED)" in line and not any(name in line for name in ALLOWED):
            print(f"{plugin}: links {line.split()[-1]}; a plugin opens what it needs at run time")
            failed = True
sys.exit(failed)
