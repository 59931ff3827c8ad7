# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""devices, and probe of backends that work, are none, crash, hang, exit and chatter."""
import pathlib
import time

from harness import DEVICE, OK


def test_devices(b):
    table = b.good("devices")
    rows = table.text.splitlines()
    b.check(rows[0].split()[:2] == ["device", "name"] and rows[1].startswith("cpu:0"), "a table", table)
    b.check(" 0 B" not in table.text, "the processor's memory is known", table)
    b.check("\033" not in table.text, "no colours in a pipe", table)
    long = b.good("devices", "-v")
    for word in "kind", "memory", "caches", "driver", "plugin", "features":
        b.check(word in long.text, f"-v tells of {word}", long)
    value = b.json("devices", "--json")
    b.check(value["devices"][0]["id"] == "cpu:0" and value["devices"][0]["memory_bytes"] > 0, f"JSON: {value}")
    b.check(value["refused"] == [], f"nothing is refused: {value}")
    b.write("text.so", "this is no ELF\n")
    value = b.json("devices", "--json", "--plugins", f"text.so:{b.cpu}")
    b.check(len(value["devices"]) == 1 and "text.so" in value["refused"][0]["path"], f"refusals: {value}")
    seen = b.good("devices", "-v", "--plugins", f"text.so:{b.cpu}:{b.fault}").text
    b.check(seen.count("text.so") == 1 and "fault:0" in seen, f"each refusal names its file once: {seen}")
    b.check("text.so" in b.good("devices", "--plugins", "text.so").text, "no device at all: why")
    b.check(b.good("devices", env={"MARU_PLUGIN_PATH": b.fault}).text.count("\n") == 3, "MARU_PLUGIN_PATH adds")


def test_probe(b):
    good = b.good("probe", b.cpu)
    b.check("cpu:0" in good.text, "a backend that works", good)
    b.check("cpu:0" in b.good("probe").text, "every installed one")
    b.check("cpu:0" in b.good("probe", pathlib.Path(b.cpu).parent).text, "a folder")
    b.bad(DEVICE, ["text.so", "ELF"], "probe", "text.so")
    b.bad(DEVICE, "absent.so", "probe", "absent.so")
    b.path("bare").mkdir()
    b.bad(DEVICE, "bare", "probe", "bare")
    value = b.run("probe", "text.so", "--json")
    b.check(value.code == DEVICE and '"refused"' in value.text, "JSON and exit code", value)


def test_faults(b):
    for fault, word in ("load-crash", "SIGSEGV"), ("enumerate-exit", "ends the process"), ("create-stdout", "stdout"):
        cache = str(b.path(f"cache-{fault}"))
        env = {"XDG_CACHE_HOME": cache, "MARU_FAULT": fault, "ASAN_OPTIONS": "handle_segv=0"}
        first = b.bad(DEVICE, ["quarantined", word, "delete"], "probe", b.fault, env=env)
        second = b.bad(DEVICE, ["quarantined", word], "probe", b.fault, env=env)
        b.check(second.error == first.error, "the same sentence", second)
        begin = time.monotonic()
        run = b.run("devices", "--plugins", f"{b.fault}:{b.cpu}", env={"XDG_CACHE_HOME": cache})
        b.check(run.code == OK and "cpu:0" in run.text and "fault:0" not in run.text, "the verdict is kept", run)
        b.check(time.monotonic() - begin < 2, "and nothing is tried")
        again = b.run("probe", b.fault, env={"XDG_CACHE_HOME": cache})
        b.check(again.code == OK and "fault:0" in again.text, "probe tries again", again)
        run = b.run("devices", "--plugins", b.fault, env={"XDG_CACHE_HOME": cache})
        b.check(run.code == OK and "fault:0" in run.text, "and lifts the quarantine", run)
        b.bad(DEVICE, ["quarantined", word], "probe", b.fault, env=env)
        # The sentence says which file to delete.
        pathlib.Path(first.error.split("delete ")[1].split()[0].strip()).unlink()
        run = b.run("devices", "--plugins", b.fault, env={"XDG_CACHE_HOME": cache})
        b.check(run.code == OK and "fault:0" in run.text, "and then it is tried again", run)
    for fault in "create-fail", "no-device", "no-tier", "short-table":
        b.bad(DEVICE, "fault.so", "probe", b.fault, env={"MARU_FAULT": fault, "XDG_CACHE_HOME": str(b.path("c2"))})


def test(b):
    test_devices(b)
    test_probe(b)
    test_faults(b)
