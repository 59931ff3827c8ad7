# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""test_command.py TOPIC MARU CPU_PLUGIN FAULT_PLUGIN: one topic of topic_*.py, every check counted."""
import importlib
import sys

import harness


def main():
    bench = harness.Bench(*sys.argv[2:5])
    importlib.import_module(f"topic_{sys.argv[1]}").test(bench)
    return bench.end()


if __name__ == "__main__":
    sys.exit(main())
