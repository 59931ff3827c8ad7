# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""plan in every format, dump of graphs, weights and tensors."""
import json
import os
import shutil
import subprocess
import xml.etree.ElementTree

from harness import ADD, FAILED, INPUT, MODEL, UNSUPPORTED, USAGE, floats, npy, safetensors


def draws(text):
    """None where there is no Graphviz."""
    if not shutil.which("dot"):
        return None
    return subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True).returncode == 0


def test_plan(b):
    both = ["--plugins", f"{b.fault}:{b.cpu}", "--placement", "free"]
    for words in ["add.maru"], ["two.maru", "-d", "fault", *both], ["sym.maru", "--bind", "n=4"], \
            ["m.lua", "-w", "w.safetensors"]:
        text = b.good("plan", *words)
        b.check("cpu:0" in text.text and text.text.endswith("\n"), "a plan names the device", text)
        plan = b.json("plan", *words, "--json")
        b.check(plan.get("steps"), f"a plan in JSON has steps: {plan}")
        b.check(b.json("plan", *words, "--format", "json") == plan, "--json and --format json are one")
        dot = b.good("plan", *words, "--format", "dot").text
        b.check(dot.startswith("digraph") and draws(dot) in (True, None), f"DOT draws: {dot}")
    moved = b.good("plan", "two.maru", "-d", "fault", *both, "--format", "dot").text
    b.check('label="y"' in moved and moved.count("penwidth") == 1, f"outputs and moves are drawn: {moved}")
    two = b.good("plan", "two.maru", "-d", "fault", *both).text
    b.check("fault:0" in two and "Neg" in two and "known" in two, f"it says why a node went elsewhere: {two}")
    b.good("plan", "add.maru", "--format", "json", "--output", "plan.json")
    b.check(json.loads(b.path("plan.json").read_text()), "--output")
    b.bad(USAGE, ["--format png", "svg"], "plan", "add.maru", "--format", "png")
    b.bad(FAILED, "absent/p.txt", "plan", "add.maru", "--output", "absent/p.txt")
    b.bad(INPUT, "n", "plan", "sym.maru", "--bind", "n=1000")


def test_svg(b):
    empty = b.path("empty")
    empty.mkdir()
    for name in ("env", "sh"):
        os.symlink(shutil.which(name), empty / name)
    b.bad(UNSUPPORTED, "graphviz", "plan", "add.maru", "--format", "svg", env={"PATH": str(empty)})
    if not shutil.which("dot"):
        print("without graphviz: no drawing is checked")
        return
    drawn = b.good("plan", "add.maru", "--format", "svg")
    b.check(xml.etree.ElementTree.fromstring(drawn.text).tag.endswith("svg"), "SVG on stdout", drawn)
    b.good("plan", "add.maru", "--format", "svg", "--output", "p.svg")
    b.check(xml.etree.ElementTree.parse(b.path("p.svg")).getroot().tag.endswith("svg"), "SVG in a file")
    left = [p for p in b.folder.rglob("*") if p.name.endswith((".dot", ".svg")) and p.name != "p.svg"]
    b.check(not left, f"nothing is left behind: {left}")
    b.bad(FAILED, "absent/p.svg", "plan", "add.maru", "--format", "svg", "--output", "absent/p.svg")


def test_dump(b):
    once = b.good("dump", "add.maru").text
    b.write("again.maru", once)
    b.check(b.good("dump", "again.maru").text == once, "a graph that is read back prints the same")
    b.check(draws(b.good("dump", "add.maru", "--dot").text) in (True, None), "DOT draws")
    b.write("m.maru", b.good("dump", "m.lua", "-w", "w.safetensors").text)
    run = b.json("run", "m.maru", "-i", "x=[1,2,3]", "--json")
    b.check(run["y"]["data"] == [12, 24, 36], f"the graph of a script runs alone: {run}")
    b.write("x.npy", npy("<i8", [2], (1 << 62).to_bytes(8, "little") + (-1).to_bytes(8, "little", signed=True)))
    value = b.json("dump", "x.npy", "--json")
    b.check(value == {"dtype": "i64", "dims": [2], "data": [1 << 62, -1]}, f"64 bits stay 64 bits: {value}")
    b.write("big.npy", npy("<u8", [1], b"\xff" * 8))
    b.check(b.json("dump", "big.npy", "--json")["data"] == [(1 << 64) - 1], "unsigned ones too")
    b.write("long.npy", npy("<f4", [1000], floats(*range(1000))))
    b.check(b.good("dump", "long.npy").text == "long.npy: f32[1000] 0 1 2 3 ... 996 997 998 999\n", "ends of long ones")
    b.bad(USAGE, "which file", "dump")


def test_full_disk(b):
    if not os.path.exists("/dev/full"):
        return
    for words in ["run", "add.maru", "-i", "x=[1,2,3]"], ["plan", "add.maru"], ["dump", "add.maru"], ["devices"]:
        with open("/dev/full", "w") as full:
            done = subprocess.run([b.maru, *words], cwd=b.folder, env=b.env, stdout=full, stderr=subprocess.PIPE)
        b.check(done.returncode == FAILED and b"stdout" in done.stderr, f"{words} on a full disk: {done}")


def test(b):
    b.write("add.maru", ADD)
    b.write("m.lua", MODEL)
    b.write("w.safetensors", safetensors({"w": ("F32", [3], floats(10, 20, 30))}))
    b.write("two.maru", 'maru 1 "two"\n%1 = input "x" f32[3]\n%2 = Neg(%1)\n%3 = Add(%2, %2)\noutput "y" %3\n')
    b.write("sym.maru", 'maru 1 "sym"\nsymbol n min=1 max=64 multiple=1 typical=4\n%1 = input "x" f32[n]\n'
                        '%2 = Relu(%1)\noutput "y" %2\n')
    test_plan(b)
    test_svg(b)
    test_dump(b)
    test_full_disk(b)
