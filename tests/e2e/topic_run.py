# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""run and bench: results, --json, --save, states, profiles, traces, placement, devices, threads, deadlines."""
import json
import os
import pty
import signal
import subprocess
import time

from harness import ADD, DEVICE, FAILED, INPUT, MODEL, STOPPED, UNSUPPORTED, USAGE, floats, safetensors

SLOW = """local maru = require "maru"
return maru.model {
  name = "slow",
  inputs = { x = { doc = "numbers" } },
  outputs = { y = { doc = "numbers" } },
  graph = function(m)
    local x = m:input("x", "f32", { 700, 700 })
    local y = x
    for _ = 1, 60 do y = y:matmul(x) end
    m:output("y", y)
  end,
}
"""


def test_values(b):
    b.write("add.maru", ADD)
    plain = b.good("run", "add.maru", "--input", "x=[1,2,3]")
    b.check(plain.text == "y: f32[3] 2 4 6\n", "the sum is right, without colours", plain)
    value = b.json("run", "add.maru", "-i", "x=[1, 2.5, -3]", "--json")
    b.check(value == {"y": {"dtype": "f32", "dims": [3], "data": [2, 4.5, 0]}}, f"JSON is right: {value}")
    b.write("scalar.maru", 'maru 1 "s"\n%1 = input "x" f32[]\n%2 = Neg(%1)\noutput "y" %2\n')
    value = b.json("run", "scalar.maru", "-i", "x=2", "--json")
    b.check(value["y"] == {"dtype": "f32", "dims": [], "data": [-2]}, f"a number is a scalar: {value}")
    saved = b.good("run", "add.maru", "-i", "x=[1,2,3]", "--save", "y=y.json")
    b.check(saved.text == "" and json.loads(b.path("y.json").read_text()) == [2, 4, 6], "--save prints nothing", saved)
    value = b.json("run", "add.maru", "-i", "x=[1,2,3]", "--save", "y=y.npy", "--json")
    b.check(value["y"]["data"] == [2, 4, 6] and b.path("y.npy").exists(), "--save and --json do both")
    b.write("nan.maru", 'maru 1 "n"\n%1 = input "x" f32[2]\n%2 = Div(%1, %1)\noutput "y" %2\n')
    value = b.json("run", "nan.maru", "-i", "x=[0, 1]", "--json")
    b.check(value["y"]["data"] == [None, 1], f"JSON has no word for NaN: {value}")


def test_threads_and_devices(b):
    for threads in "1", "2", "5":
        b.check(b.good("run", "add.maru", "-i", "x=[1,2,3]", "-t", threads).text == "y: f32[3] 2 4 6\n", "threads")
    b.good("run", "add.maru", "-i", "x=[1,2,3]", "--device-option", "kernels=ref")
    b.bad(INPUT, "speed=9", "run", "add.maru", "-i", "x=[1,2,3]", "--device-option", "speed=9")
    b.good("run", "add.maru", "-i", "x=[1,2,3]", "--numerics", "exact", "--no-fuse")
    both = ["--plugins", f"{b.fault}:{b.cpu}"]
    run = b.json("run", "add.maru", "-i", "x=[1,2,3]", *both, "-d", "fault", "--json")
    b.check(run["y"]["data"] == [2, 4, 6], "another device, the same answer")
    wrong = b.json("run", "add.maru", "-i", "x=[1,2,3]", *both, "-d", "fault", "--json",
                   "--device-option", "fault=wrong-numbers")
    b.check(wrong["y"]["data"] == [3, 4, 6], f"the option reached the device: {wrong}")
    b.bad(DEVICE, ["npu", "cpu:0"], "run", "add.maru", "-i", "x=[1,2,3]", "-d", "npu")
    b.bad(DEVICE, ["absent.so", "'cpu'"], "run", "add.maru", "-i", "x=[1,2,3]", "--plugins", "absent.so")
    b.bad(DEVICE, "lost", "run", "add.maru", "-i", "x=[1,2,3]", *both, "-d", "fault", "--device-option",
          "fault=lost-after=0")


def test_placement(b):
    b.write("two.maru", 'maru 1 "two"\n%1 = input "x" f32[3]\n%2 = Neg(%1)\n%3 = Add(%2, %2)\noutput "y" %3\n')
    words = ["run", "two.maru", "-i", "x=[1,2,3]", "--plugins", f"{b.fault}:{b.cpu}", "-d", "fault"]
    strict = b.bad(UNSUPPORTED, ["Neg", "cpu:0"], *words, "--placement", "strict")
    b.check(strict.text == "", "nothing is computed", strict)
    warned = b.good(*words)
    b.check("Neg" in warned.error and warned.text == "y: f32[3] -2 -4 -6\n", "the default says so, once", warned)
    b.check(len(warned.error.splitlines()) == 1, "in one line", warned)
    free = b.good(*words, "--placement", "free")
    b.check(free.error == "", "free says nothing", free)
    b.bad(USAGE, ["often", "strict"], *words, "--placement", "often")


def test_profile(b):
    table = b.good("run", "add.maru", "-i", "x=[1,2,3]", "--profile").text.splitlines()
    b.check(table[1].split()[:3] == ["op", "kernel", "device"] and table[2].startswith("Add"), f"a table: {table}")
    lines = b.good("run", "add.maru", "-i", "x=[1,2,3]", "--profile", "--json").text.splitlines()
    profile = json.loads(lines[-1])
    b.check(profile["ops"][0]["op"] == "Add" and profile["ops"][0]["calls"] == 1, f"in JSON: {profile}")
    b.check(json.loads(lines[0])["y"]["data"] == [2, 4, 6], "after the outputs, on a line of its own")
    b.good("run", "add.maru", "-i", "x=[1,2,3]", "--trace", "t.json", "--plugins", f"{b.fault}:{b.cpu}", "-d", "fault")
    trace = json.loads(b.path("t.json").read_text())
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    names = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["ph"] == "M" and e["name"] == "thread_name"}
    b.check(any(e["name"] == "Add" for e in events), f"a trace has the operator: {trace}")
    b.check(all(isinstance(e["tid"], int) and e["tid"] in names for e in events), "its threads have names")
    b.check(all(e["ts"] >= 0 and e["dur"] >= 0 and isinstance(e["pid"], int) for e in events), "and its times are times")
    b.bad(FAILED, "absent/t.json", "run", "add.maru", "-i", "x=[1,2,3]", "--trace", "absent/t.json")


def test_states(b):
    b.write("m.lua", MODEL)
    b.write("w.safetensors", safetensors({"w": ("F32", [3], floats(10, 20, 30))}))
    words = ["run", "m.lua", "--weights", "w.safetensors", "-i", "x=[1,2,3]", "--json"]
    first = b.json(*words, "--save-state", "s.safetensors")
    b.check(first["y"]["data"] == [12, 24, 36] and first["count"] == ["1"], f"the first run: {first}")
    second = b.json(*words, "--load-state", "s.safetensors", "--save-state", "s.safetensors")
    b.check(second["total"]["data"] == [24, 48, 72] and second["count"] == ["2"], f"goes on: {second}")
    third = b.json(*words, "--load-state", "s.safetensors", "-t", "1", "--set", "scale=0")
    b.check(third["total"]["data"] == [34, 68, 102] and third["count"] == ["3"], f"and on: {third}")
    b.bad(INPUT, ["w.safetensors", "total"], *words, "--load-state", "w.safetensors")
    b.bad(INPUT, "absent.safetensors", *words, "--load-state", "absent.safetensors")
    b.bad(USAGE, ["s.bin", ".safetensors"], *words, "--save-state", "s.bin")
    spoken = b.good(*words[:-1])
    b.check(spoken.text.startswith("running\n"), "what a script prints is seen", spoken)
    b.check("running" in b.good(*words).error, "and does not disturb JSON")


def test_deadline(b):
    b.write("slow.lua", SLOW)
    b.write("ones.maru", 'maru 1 "o"\n%1 = shape [700, 700]\n%2 = const "" f32[] {0.001}\n%3 = Expand(%2, %1)\n'
                         'output "y" %3\n')
    b.good("run", "ones.maru", "--save", "y=ones.npy")
    begin = time.monotonic()
    b.bad(FAILED, [], "run", "slow.lua", "-i", "x=@ones.npy", "--timeout", "20", "--device-option", "kernels=ref")
    b.check(time.monotonic() - begin < 30, "a run ends at its deadline")
    b.good("run", "add.maru", "-i", "x=[1,2,3]", "--timeout", "9223372036854775807")
    b.bad(USAGE, "--timeout 0", "run", "add.maru", "--timeout", "0")
    child = subprocess.Popen([b.maru, "run", "slow.lua", "-i", "x=@ones.npy", "--device-option", "kernels=ref"],
                             cwd=b.folder, env=b.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    os.kill(child.pid, signal.SIGINT)
    error = child.communicate(timeout=120)[1].decode()
    b.check(child.returncode == STOPPED and error.startswith("maru: "), f"interrupted: {child.returncode} {error}")


def test_bench(b):
    b.write("sym.maru", 'maru 1 "sym"\nsymbol n min=1 max=64 multiple=1 typical=4\n%1 = input "x" f32[n]\n'
                        '%2 = Relu(%1)\noutput "y" %2\n')
    for words in ["add.maru"], ["sym.maru", "--bind", "n=7"], ["m.lua", "-w", "w.safetensors"]:
        value = b.json("bench", *words, "--json", "--runs", "5", "--warmup", "0")
        b.check(value["runs"] == 5 and 0 < value["min_ms"] <= value["median_ms"] <= value["p90_ms"], f"times: {value}")
        b.check(value["load_ms"] > 0 and value["peak_bytes"] >= value["resident_bytes"] > 0, f"load, memory: {value}")
    b.check("median" in b.good("bench", "add.maru", "-n", "1").text, "a sentence for people")
    b.check("Add" in b.good("bench", "add.maru", "-n", "1", "--profile").text, "bench --profile")
    b.bad(USAGE, "n=four", "bench", "sym.maru", "--bind", "n=four")
    b.bad(INPUT, "k=4", "bench", "sym.maru", "--bind", "k=4")
    b.bad(INPUT, ["n", "65"], "bench", "sym.maru", "--bind", "n=65")
    b.bad(USAGE, "--runs 0", "bench", "add.maru", "--runs", "0")


def on_terminal(b, *words, **env):
    """What a terminal of 80 columns receives."""
    main, child = pty.openpty()
    env = {**b.env, "TERM": "xterm", **env}
    if "NO_COLOR" not in env:
        env.pop("NO_COLOR", None)
    process = subprocess.Popen([b.maru, *words], cwd=b.folder, env=env, stdin=child, stdout=child, stderr=child)
    os.close(child)
    seen = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(main)
    process.wait()
    return seen.decode()


def has_terminals():
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError:
        return False
    return True


def test_terminal(b):
    if not has_terminals():
        print("this system has no terminals to open: colours and progress are not checked")
        return
    coloured = on_terminal(b, "run", "add.maru", "-i", "x=[1,2,3]")
    b.check("\033[36my\033[0m: f32[3] 2 4 6" in coloured, f"colours on a terminal: {coloured!r}")
    for env in {"NO_COLOR": "1"}, {"TERM": "dumb"}:
        plain = on_terminal(b, "devices", **env)
        b.check("\033[3" not in plain and "cpu:0" in plain, f"none with {env}: {plain!r}")
    timed = on_terminal(b, "bench", "add.maru", "-n", "30", NO_COLOR="1")
    b.check("[#" in timed and "33/33" in timed, f"progress on a terminal: {timed!r}")
    b.check(timed.rfind("\033[K") > timed.rfind("33/33"), f"and it is cleared: {timed!r}")
    failed = on_terminal(b, "run", "add.maru")
    b.check("error:" in failed and "\033[K" in failed, f"before an error too: {failed!r}")
    b.check("[#" not in b.good("bench", "add.maru", "-n", "30").error, "no progress in a pipe")


def test(b):
    test_values(b)
    test_threads_and_devices(b)
    test_placement(b)
    test_profile(b)
    test_states(b)
    test_deadline(b)
    test_bench(b)
    test_terminal(b)
