# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX's node tests, exported: what topic_export.py and topic_export_peer.py share."""
import json
import os
import pathlib
import random
import shutil
import tarfile

import onnx_file as o

SEED, SAMPLE = 20261124, 60
OPSETS = (17, 21, None)  # None: the one that export chooses


def unpack(b):
    """The folders of the tests, a sample of them unless MARU_TEST_FULL is set; none where they are not."""
    root = pathlib.Path(os.environ.get("MARU_TEST_DATA", ""))
    archive = root / "onnx_backend_v1.22.0" / "node_tests_v1.22.0.tar.gz"
    if not archive.exists():
        print("ONNX's node tests are not here: skipped")
        return []
    with tarfile.open(archive) as tar:
        tar.extractall(b.path("node_tests"))
    tests = sorted(model.parent for model in b.path("node_tests").rglob("model.onnx"))
    if not os.environ.get("MARU_TEST_FULL"):
        print(f"a sample of {SAMPLE} tests, seed {SEED}; MARU_TEST_FULL=1 takes all {len(tests)}")
        tests = sorted(random.Random(SEED).sample(tests, SAMPLE))
    return tests


def words_of(test, names):
    """An --input for each input that is there as a tensor."""
    words = []
    for i, name in enumerate(names):
        file = test / "test_data_set_0" / f"input_{i}.pb"
        if file.exists():
            words += ["--input", f"{name}=@{file}"]
    return words


def export(b, test, opset, folder):
    """The summary, and data sets for the inputs that are left; or None with what was said. None too if it has states."""
    target = folder / test.name
    target.mkdir(parents=True)
    names = o.input_names((test / "model.onnx").read_bytes())
    words = ["export", test / "model.onnx", "-o", target / "model.onnx", "--json"]
    words += ["--opset", opset] if opset else []
    done = b.run(*words)
    if done.code == 3:  # its shapes follow from its inputs
        done = b.run(*words, *words_of(test, names))
    if done.code:
        b.check(not list(target.iterdir()), f"{test.name}: a model that fails leaves nothing", done)
        target.rmdir()
        return None, done
    summary = json.loads(done.text)
    if summary["states"]:  # a counter of random numbers, of which ONNX does not say what they are
        shutil.rmtree(target)
        return None, done
    for data in test.glob("test_data_set_*"):
        (target / data.name).mkdir()
        for file in data.glob("output_*.pb"):
            (target / data.name / file.name).symlink_to(file)
        for i, name in enumerate(summary["inputs"]):
            (target / data.name / f"input_{i}.pb").symlink_to(data / f"input_{names.index(name)}.pb")
    return summary, done
