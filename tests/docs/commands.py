# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""commands.py SOURCE_ROOT MARU: the command lines that the docs show exist, with their options; some are run."""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

root = pathlib.Path(sys.argv[1])
maru = str(pathlib.Path(sys.argv[2]).resolve())

# A command line ends where its explanation begins.
LINE = re.compile(r"^(?:\s*\$ | {4,}|\t|)maru ([a-z]+.*)$")
SPAN = re.compile(r"`maru ([a-z]+[^`]*)`")
# What needs neither a model, nor a file, nor minutes.
RUNS_ALONE = {"devices", "version", "probe"}
# Words that the docs let the reader replace.
META = re.compile(r"^[A-Z]+$|\.\.\.|[\[\]|]|COMMAND")

failures = []
n_checks = 0


def check(truth, text):
    global n_checks
    n_checks += 1
    if not truth:
        failures.append(text)
        print(f"FAILED: {text}")


def from_man(text):
    """The lines of the man page as they are shown."""
    text = re.sub(r"\\f[A-Z]", "", text.replace("\\-", "-").replace("\\&", ""))
    return re.sub(r"^\.(?:B|BR|I|IR|RI) ", "", text, flags=re.M)


def command_lines():
    sources = [root / "README.md", root / "docs/man/maru.1", *sorted((root / "docs").glob("*.md"))]
    for source in sources:
        text = source.read_text().replace("\\\n", " ")
        text = from_man(text) if source.suffix == ".1" else text
        is_fenced = False
        for line in text.splitlines():
            is_fenced ^= line.startswith("```")
            found = LINE.match(line)
            indented = line.startswith((" ", "\t", "$")) or is_fenced or source.suffix == ".1"
            if found and indented:
                yield source.name, re.split(r"\s{3,}|\s#\s|;\s|\s>\s|\s\|\s", found.group(1).strip())[0]
            for span in SPAN.findall(line):
                yield source.name, span


def help_of(command, known={}):
    if command not in known:
        known[command] = subprocess.run([maru, command, "--help"], capture_output=True, text=True)
    return known[command]


def check_options(where, words):
    told = help_of(words[0])
    check(told.returncode == 0, f"{where}: there is no command '{words[0]}'")
    for word in words[1:]:
        if re.match(r"^--[a-z]", word):
            name = re.escape(word.strip("[]").split("=")[0])
            check(re.search(rf"{name}(?![\w-])", told.stdout), f"{where}: {words[0]} has no option {word}")
        elif re.match(r"^-[a-z]$", word):
            check(re.search(rf"{word}, --", told.stdout), f"{where}: {words[0]} has no option {word}")
        elif re.match(r"^(scripts|docs|plugins|tests)/", word) and not META.search(word):
            check((root / word).exists(), f"{where}: there is no {word}")


def check_man_page():
    """Each option that a command's help has is in the man page, and the other way round."""
    text = from_man((root / "docs/man/maru.1").read_text())
    listed = subprocess.run([maru, "--help"], capture_output=True, text=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", listed, re.M)
    known = {option for name in commands for option in re.findall(r"--[a-z][a-z-]*", help_of(name).stdout)}
    shown = set(re.findall(r"--[a-z][a-z-]*", text))
    for option in sorted(known - shown):
        check(False, f"maru.1 lacks {option}")
    for option in sorted(shown - known):
        check(False, f"maru.1 shows {option}, which no command has")
    for name in commands:
        check(re.search(rf"^{name}\b", text, re.M), f"maru.1 lacks the command {name}")


def main():
    seen = {}
    for where, line in command_lines():
        try:
            words = [word.rstrip(",.;:)") for word in shlex.split(line)]
        except ValueError:
            words = []
        check(bool(words), f"{where}: 'maru {line}' is no command line")
        if words:
            seen.setdefault(tuple(words), where)
    with tempfile.TemporaryDirectory() as room:
        env = dict(os.environ, XDG_CACHE_HOME=room)
        for words, where in seen.items():
            check_options(where, words)
            if words[0] in RUNS_ALONE and all(word.startswith("-") and not META.search(word) for word in words[1:]):
                done = subprocess.run([maru, *words], cwd=room, env=env, capture_output=True, text=True)
                check(done.returncode == 0, f"{where}: maru {' '.join(words)}: exit code {done.returncode}: {done.stderr}")
    check_man_page()
    check(len(seen) > 10, f"only {len(seen)} command lines were found")
    print(f"{len(seen)} command lines, {n_checks} checks, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
