# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the sources for what a compiler does not enforce: who may include whom, lengths, licence lines, words."""
import os
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(os.environ["MARU_SOURCE_ROOT"])

MAX_FILE_LINES = 900
MAX_FUNCTION_LINES = 100
MAX_COLUMNS = 120

# The table of docs/architecture.md. A stage: the stages whose "stage/x.h" it may include, its own always.
MAY_INCLUDE = {
    "core/base": [],
    "core/graph": ["base"],
    "core/import": ["graph", "base"],
    "core/text": ["base"],
    "core/plan": ["graph", "base", "kernels"],
    "core/export": ["plan", "graph", "base"],
    "core/quantize": ["plan", "graph", "base"],
    "core/kernels": ["graph", "base", "plan"],
    "core/device": ["base"],
    "core/exec": ["plan", "kernels", "graph", "device", "base"],
    "core/flow": ["import", "graph", "base"],
    "core/script": [],
    "core/serve": [],
    "core/draw": [],
    "core/tool": ["script", "serve", "draw"],
}
# Headers of another stage that are plain data: (who, what).
PLAIN_DATA = {
    ("core/plan", "device/desc.h"),
    ("core/export", "import/onnx.pb-c.h"),  # generated: the messages of the format
    ("core/kernels", "device/desc.h"),
}
MAY_INCLUDE_PLUGIN_H = {"core/device", "core/exec"}
ABI_HEADER_MAY = {"stddef.h", "stdint.h"}

POSIX = re.compile(
    r"^(unistd|pthread|fcntl|dlfcn|poll|spawn|sched|dirent|semaphore|termios|pwd|glob|netdb|strings|sys/.*|linux/.*"
    r"|arpa/.*|netinet/.*)\.?h?$"
)
# As words, and as the beginning of one: libcuda.so, cudaMalloc. An instruction set is no vendor; a format of source code
# that plugins name ("opencl-c") is a string of the ABI and stands in plugin_kernel.h.
VENDOR = re.compile(
    r"\b(lib)?(nvidia|cuda|cudnn|cublas|nvrtc|rocm|hip|amd|radeon|intel|onednn|dnnl|mkl|openvino|level_?zero|opencl|vulkan"
    r"|qualcomm|adreno|hexagon|snapdragon|mali|apple|ane|coreml|mediatek|samsung|exynos|rockchip|hailo|huawei|ascend"
    r"|xilinx|vivante|imagination|powervr)(\b|(?<=cuda)\w|(?<=cublas)\w|(?<=dnnl)_\w|(?<=opencl)\w)",
    re.I,
)
# "arm" is also what one does to a fence.
VENDOR_ARM = re.compile(r"\b(ARM|Arm)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# Written in two parts so that this file is not its own finding.
FORBIDDEN = [re.compile(r"(^|[^\w.])/wo" r"rk\b"), re.compile("shared/des" "ign")]
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
SPDX = ("SPDX-FileCopyrightText: The Maru authors", "SPDX-License-Identifier: Apache-2.0")

CODE = {".c", ".h", ".cl", ".cu", ".def", ".in"}
LICENSED = CODE | {".py", ".lua", ".sh"}

findings = []


def report(path, line, text):
    findings.append(f"{path}:{line}: {text}")


def tracked_files():
    """Paths below the root, from git where there is one."""
    try:
        out = subprocess.run(
            ["git", "-c", f"safe.directory={root}", "ls-files", "-co", "--exclude-standard"],
            cwd=root, capture_output=True, text=True, check=True,
        ).stdout
        names = out.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(root)) for p in root.rglob("*") if not re.match(r"build|\.git/", str(p.relative_to(root)))]
    return [pathlib.PurePosixPath(n) for n in sorted(set(names)) if (root / n).is_file()]


def public_names(folder):
    return {p.name for p in (root / folder).glob("maru/*.h")}


def stage_of(path):
    return "/".join(path.parts[:2])


def check_core_include(path, number, quote, name, plugin_headers):
    stage = stage_of(path)
    if name.startswith("maru/"):
        is_plugin = name[5:] in plugin_headers
        if is_plugin and stage not in MAY_INCLUDE_PLUGIN_H:
            report(path, number, f"{stage} may not include <{name}>")
        if quote == '"':
            report(path, number, f"public headers are included as <{name}>")
        return
    if quote == "<":
        is_os = stage == "core/base" and path.name.startswith("os_")
        if POSIX.match(name) and not is_os:
            report(path, number, f"<{name}> is POSIX: only core/base/os_* may include it")
        return
    if stage == "core/include":
        report(path, number, f'a public header may not include "{name}"')
        return
    other = name.split("/")[0]
    own = stage.split("/")[1]
    if "/" not in name:
        if not (root / path.parent / name).is_file() and not name.endswith((".pb-c.h", ".inc")):
            report(path, number, f'write "{own}/{name}", with its stage')
    elif other != own and other not in MAY_INCLUDE.get(stage, []) and (stage, name) not in PLAIN_DATA:
        report(path, number, f'{stage} may not include "{name}"')


def check_outer_include(path, number, quote, name, core_headers, plugin_headers):
    """backends/X and plugins/X: the contract, their own folder, std and vendor headers."""
    if path.parts[:2] == ("plugins", "include"):
        sibling = name in plugin_headers or (name.startswith("maru/") and name[5:] in plugin_headers)
        if name not in ABI_HEADER_MAY and not sibling:
            report(path, number, f"the ABI's headers include <stddef.h> and <stdint.h> only, not {name}")
        return
    if name.startswith("maru/") and name[5:] not in plugin_headers:
        report(path, number, f"{stage_of(path)} may not include <{name}> of the core")
    if quote == '"':
        home = (root / path.parts[0] / path.parts[1]).resolve()
        places = [(root / path.parent / name).resolve(), (home / name).resolve()]
        if ".." in pathlib.PurePosixPath(name).parts and not any(p.is_relative_to(home) for p in places):
            report(path, number, f'"{name}" is outside of {stage_of(path)}')
        if name.split("/")[0] in {s.split("/")[1] for s in MAY_INCLUDE} and not any(p.is_file() for p in places):
            report(path, number, f'"{name}" is the core\'s')


def check_includes(path, lines, core_headers, plugin_headers):
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        quote, name = found.groups()
        if path.parts[0] == "core":
            check_core_include(path, number, quote, name, plugin_headers)
        elif path.parts[0] in ("backends", "plugins"):
            check_outer_include(path, number, quote, name, core_headers, plugin_headers)


def check_lengths(path, lines):
    if len(lines) > MAX_FILE_LINES:
        report(path, len(lines), f"{len(lines)} lines, more than {MAX_FILE_LINES}")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS and path.suffix != ".def":  # tables may be wide
            report(path, number, f"{len(line)} columns, more than {MAX_COLUMNS}")
        if "\t" in line:
            report(path, number, "a tab")
        if line != line.rstrip():
            report(path, number, "blanks at the end of the line")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > MAX_FUNCTION_LINES:
                report(path, start, f"a function of {number - start - 1} lines, more than {MAX_FUNCTION_LINES}")
            start = None


def check_words(path, lines):
    for number, line in enumerate(lines, 1):
        if any(word.search(line) for word in FORBIDDEN):
            report(path, number, "names a place outside of the project")
        if path.suffix in CODE and UNFINISHED.search(line):
            report(path, number, "unfinished: do it, or file it elsewhere")
        vendor = VENDOR.search(line) or VENDOR_ARM.search(line)
        if vendor and path.parts[0] == "core" and (path.suffix in CODE or path.name == "meson.build"):
            report(path, number, f"the core names no vendor: {vendor.group(0)}")


def is_licensed(path, lines):
    is_script = bool(lines) and lines[0].startswith("#!")
    return path.suffix in LICENSED or path.name == "meson.build" or is_script


def main():
    core_headers = public_names("core/include")
    plugin_headers = public_names("plugins/include")
    files = tracked_files()
    for path in files:
        try:
            lines = (root / path).read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError:
            continue  # a binary file of a corpus
        if lines and lines[-1] == "":
            lines.pop()
        check_words(path, lines)
        if is_licensed(path, lines) and not all(any(s in line for line in lines[:4]) for s in SPDX):
            report(path, 1, "the two SPDX lines are missing")
        if path.suffix in CODE:
            check_lengths(path, lines)
            check_includes(path, lines, core_headers, plugin_headers)
    print("\n".join(findings))
    print(f"{len(files)} files, {len(findings)} findings")
    return 1 if findings or not files else 0


sys.exit(main())
