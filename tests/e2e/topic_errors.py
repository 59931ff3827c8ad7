# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The command line itself, help, paths that are no files, graphs that are wrong."""
import os

from harness import ADD, DEVICE, FAILED, INPUT, MEMORY, MODEL, UNSUPPORTED, USAGE, floats, identity, safetensors

COMMANDS = ["run", "bench", "plan", "dump", "devices", "probe", "certify", "fetch", "version"]


def test_help(b):
    text = b.good("--help").text
    for name in COMMANDS:
        b.check(f"  {name} " in text, f"help lists {name}")
        for word in "--help", "-h":
            told = b.good(name, word)
            b.check(f"usage: maru {name}" in told.text and "exit codes" in told.text, f"{name} {word}", told)
            b.check(max(map(len, told.text.splitlines())) <= 120, f"help of {name} fits a terminal", told)
    b.check(b.good("help").text == text, "help is --help")
    model = b.good("run", "m.lua", "--help").text
    for word in "tiny: y = x * scale + w", "--input", "numbers", "scale", "factor", "count":
        b.check(word in model, f"help of a model tells of {word}: {model[-600:]}")
    b.bad(INPUT, "absent.lua", "run", "absent.lua", "--help")
    b.check("--plugins" in b.good("devices", "--help").text, "devices has the options of the runtime")
    b.check("--weights" not in b.good("devices", "--help").text, "and not those of a model")
    b.check(b.good("version").text.startswith("maru "), "version")
    b.check(b.good("--version").text == b.good("version").text, "--version")
    b.check(set(b.json("version", "--json")) == {"version"}, "version --json")


def test_command_line(b):
    b.bad(USAGE, "usage: maru", *[])
    b.bad(USAGE, ["'frobnicate'", "devices"], "frobnicate")
    for name in COMMANDS:
        b.bad(USAGE, ["--frobnicate", f"usage: maru {name}"], name, "--frobnicate")
        b.bad(USAGE, "-Z", name, "-Z")
        b.bad(USAGE, "'one too many'", name, *["x"] * {"devices": 0, "certify": 0, "version": 0}.get(name, 1),
              "one too many")
    for name in "run", "bench", "plan", "dump":
        b.bad(USAGE, "is needed" if name != "dump" else "which file", name)
    b.bad(USAGE, "--threads", "run", "add.maru", "--threads")
    b.bad(USAGE, ["--threads", "many"], "run", "add.maru", "--threads", "many")
    b.bad(USAGE, ["--threads", "-1"], "run", "add.maru", "--threads=-1")
    b.bad(USAGE, ["--threads", "9" * 40], "run", "add.maru", "--threads", "9" * 40)
    b.bad(USAGE, ["--json", "no value"], "run", "add.maru", "--json=yes")
    b.bad(USAGE, ["--numerics", "sloppy", "exact"], "run", "add.maru", "--numerics", "sloppy")
    b.bad(USAGE, ["--input", "x"], "run", "add.maru", "--input", "x")
    b.bad(USAGE, ["--input", "=1"], "run", "add.maru", "--input", "=1")
    b.bad(USAGE, ["--save", "y"], "run", "add.maru", "-i", "x=[1,2,3]", "--save", "y")
    b.bad(USAGE, ["--set", "scale"], "run", "m.lua", "--set", "scale")
    b.bad(USAGE, "arguments", "run", "add.maru", *["--input=x=1"] * 300)
    b.bad(USAGE, "--set", "run", "m.lua", *["--set=scale=1"] * 100)
    b.check(b.good("run", "--input=x=[1,2,3]", "--", "add.maru").text, "-- ends the options")


def test_values(b):
    b.bad(INPUT, ["'z'", "x"], "run", "add.maru", "-i", "z=1")
    b.bad(INPUT, "'x'", "run", "add.maru")
    b.bad(INPUT, ["f32[3]", "[2]"], "run", "add.maru", "-i", "x=[1, 2]")
    b.bad(INPUT, "x", "run", "add.maru", "-i", "x=[1, 2")
    b.bad(INPUT, "x", "run", "add.maru", "-i", 'x=[1, "a"]')
    b.bad(INPUT, "x", "run", "add.maru", "-i", "x=[[1], [1, 2]]")
    b.bad(INPUT, [], "run", "add.maru", "-i", "x=")
    b.bad(INPUT, [], "run", "add.maru", "-i", "x=three")
    b.bad(INPUT, "z=z.npy", "run", "add.maru", "-i", "x=[1,2,3]", "--save", "z=z.npy")
    b.bad(INPUT, "absent/y.npy", "run", "add.maru", "-i", "x=[1,2,3]", "--save", "y=absent/y.npy")


def test_paths(b):
    b.path("folder").mkdir()
    b.write("locked.maru", ADD)
    b.write("locked.npy", b"")
    for name in "absent.maru", "absent.lua", "absent.npy", "absent.safetensors", "folder":
        b.bad(INPUT, name, "run" if name.endswith(("lua", "maru", "folder")) else "dump", name)
    b.path("folder.npy").mkdir()
    b.path("folder.maru").mkdir()
    b.path("folder.safetensors").mkdir()
    b.bad(INPUT, "folder.npy", "run", "add.maru", "-i", "x=@folder.npy")
    b.bad(INPUT, "absent.npy", "run", "add.maru", "-i", "x=@absent.npy")
    b.bad(INPUT, "folder.maru", "run", "folder.maru")
    b.bad(INPUT, "folder.safetensors", "dump", "folder.safetensors")
    b.bad(INPUT, "absent", "run", "m.lua", "--weights", "absent", "-i", "x=[1,2,3]")
    b.bad(INPUT, "absent.json", "run", "m.lua", "--weights", "w.safetensors", "--config", "absent.json",
          "-i", "x=[1,2,3]")
    b.write("c.json", "{nonsense")
    b.bad(INPUT, "c.json", "run", "m.lua", "--weights", "w.safetensors", "--config", "c.json", "-i", "x=[1,2,3]")
    if os.geteuid() != 0:
        for name in "locked.maru", "locked.npy":
            b.path(name).chmod(0)
            b.bad(INPUT, name, "dump", name)


def test_graphs(b):
    cases = {
        "empty": "", "noise": "\x00\x01\x02\x03", "version": 'maru 99 "x"\n', "stub": 'maru 1 "x"\n%1 = input',
        "op": 'maru 1 "x"\n%1 = input "x" f32[3]\n%2 = Frob(%1)\noutput "y" %2\n',
        "value": 'maru 1 "x"\n%1 = input "x" f32[3]\n%2 = Neg(%9)\noutput "y" %2\n',
        "dtype": 'maru 1 "x"\n%1 = input "x" f33[3]\n%2 = Neg(%1)\noutput "y" %2\n',
        "shape": 'maru 1 "x"\n%1 = input "x" f32[3]\n%2 = input "z" f32[4]\n%3 = Add(%1, %2)\noutput "y" %3\n',
        "deep": 'maru 1 "x"\n%1 = input "x" f32[' + "(" * 20000 + "\n",
        "long": 'maru 1 "' + "x" * 1000000 + '\n',
        "twice": 'maru 1 "x"\n%1 = input "x" f32[3]\n%1 = input "z" f32[3]\noutput "y" %1\n',
        "elements": 'maru 1 "x"\n%1 = const "c" f32[3] {1.0}\noutput "y" %1\n',
    }
    for name, text in cases.items():
        b.write(f"bad/{name}.maru", text)
        for command in "run", "plan", "dump", "bench":
            b.bad(UNSUPPORTED if name == "version" else INPUT, f"{name}.maru", command, f"bad/{name}.maru")
    b.write("huge.maru", identity("f32", [(1 << 63) - 1, (1 << 63) - 1]))
    for command in "plan", "bench":
        b.bad(INPUT, [], command, "huge.maru")
    b.write("large.maru", identity("f32", [1 << 40]))
    b.bad(MEMORY, [], "bench", "large.maru")
    b.write("ext.maru", 'maru 1 "e"\n%1 = const "w" f32[3] external\n%2 = Neg(%1)\noutput "y" %2\n')
    b.bad(INPUT, "'w'", "run", "ext.maru")
    run = b.json("run", "ext.maru", "--weights", "w.safetensors", "--json")
    b.check(run["y"]["data"] == [-10, -20, -30], f"a graph takes its constants from weights: {run}")
    b.write("four.safetensors", safetensors({"w": ("F32", [4], floats(1, 2, 3, 4))}))
    b.bad(INPUT, ["w", "f32[4]", "[3]"], "run", "ext.maru", "--weights", "four.safetensors")
    b.bad(INPUT, "absent", "run", "ext.maru", "--weights", "absent")


def test(b):
    b.write("add.maru", ADD)
    b.write("m.lua", MODEL)
    b.write("w.safetensors", safetensors({"w": ("F32", [3], floats(10, 20, 30))}))
    test_help(b)
    test_command_line(b)
    test_values(b)
    test_paths(b)
    test_graphs(b)
    b.bad(DEVICE, "npu", "certify", "-d", "npu")
    b.bad(FAILED, "absent/t.json", "run", "add.maru", "-i", "x=[1,2,3]", "--trace", "absent/t.json")
