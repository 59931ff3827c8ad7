#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Each given plugin exports exactly one symbol, links no library of a vendor's, and has no data that can change."""
import subprocess
import sys

SYMBOL = "maru_plugin_query"
ALLOWED = ("libc.so", "libm.so", "libpthread.so", "libdl.so", "ld-linux", "libasan.so", "libubsan.so", "libtsan.so",
           "libgcc_s.so", "libgomp.so", "libhwloc.so", "libstdc++.so")
# What the linker and the C runtime put there.
RUNTIME = ("completed.0", "__dso_handle", "__TMC_END__", "_edata", "__bss_start", "_end", ".data", ".bss")
# A library that cannot be closed again is opened once per process, and its forms are numbered once for all instances.
OPENED_ONCE = {"cpu.so": ("library", "is_open", "once.0", "cpu_dnnl_open.once", "mutex", "forms", "n_forms")}
CHANGEABLE = (".data", ".bss", ".tdata", ".tbss")


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


failed = not sys.argv[1:]
for plugin in sys.argv[1:]:
    exported = [line.split()[-1] for line in lines("nm", "-D", "--defined-only", plugin)]
    exported = [name for name in exported if not name.startswith(("__asan", "__odr_asan", "__ubsan", "__tsan"))]
    if exported != [SYMBOL]:
        print(f"{plugin}: exports {exported}, a plugin exports {SYMBOL} alone")
        failed = True
    table = [line.split() for line in lines("objdump", "-t", plugin)]
    allowed = RUNTIME + OPENED_ONCE.get(plugin.rsplit("/", 1)[-1], ())
    data = [words[-1] for words in table if words[-3:-2] and words[-3] in CHANGEABLE and words[-1] not in allowed]
    if data and not any("san_" in words[-1] for words in table if words):
        print(f"{plugin}: has data that can change, which its instances share: {data}")
        failed = True
    for line in lines("readelf", "-d", plugin):
        if "(NEEDED)" in line and not any(name in line for name in ALLOWED):
            print(f"{plugin}: links {line.split()[-1]}; a plugin opens what it needs at run time")
            failed = True
sys.exit(failed)
