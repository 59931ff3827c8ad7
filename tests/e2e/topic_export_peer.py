# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Exported models against ONNX Runtime, and against ONNX's checker, where these are installed."""
import collections
import ctypes
import os
import pathlib
import re
import sys

import export_cases as cases
from harness import SKIP

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, numpy_helper
    onnxruntime.set_default_logger_severity(4)
except ImportError:
    onnxruntime = None

DATA = pathlib.Path(os.environ.get("MARU_TEST_DATA", ""))
MODELS = pathlib.Path(os.environ["MARU_SOURCE_ROOT"]) / "scripts/models"
# Dtypes that NumPy has no name for go to ONNX Runtime by their bits; those of less than a byte it does not take.
BITS = {16: "uint16", 17: "uint8", 18: "uint8", 19: "uint8", 20: "uint8"}
PACKED = {8, 21, 22, 23, 25, 26}  # text, and less than a byte
# What older checkers infer otherwise: the size of pools with ceil_mode before their errata.
KNOWN_TO_DIFFER = {"test_averagepool_2d_ceil_last_window_starts_on_pad", "test_maxpool_2d_ceil_output_size_reduce_by_one"}


def load(path):
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return tensor


def value_of(tensor):
    array = np.ascontiguousarray(numpy_helper.to_array(tensor)).reshape(list(tensor.dims))
    if tensor.data_type in BITS:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(BITS[tensor.data_type]),
                                                                      tensor.data_type)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def session(path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def numbers_of(value, like):
    """NumPy's own conversion refuses the dtypes that it has no name for."""
    if like.dtype.name in np.sctypeDict:
        return value.numpy()
    raw = ctypes.string_at(value.data_ptr(), like.nbytes)
    return np.frombuffer(raw, like.dtype).reshape(value.shape())


def is_near(got, want):
    if got.shape != want.shape:
        return False
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.abs(want[np.isfinite(want)])
    return np.allclose(got, want, rtol=1.6e-2, atol=1e-5 * max(1, finite.max() if finite.size else 1), equal_nan=True)


def run_test(folder):
    """None, or why not: a refusal as text, a difference as the number of the output."""
    try:
        s = session(folder / "model.onnx")
        for data in sorted(folder.glob("test_data_set_*")):
            given = {x.name: value_of(load(data / f"input_{i}.pb")) for i, x in enumerate(s.get_inputs())}
            got = s.run_with_ort_values([x.name for x in s.get_outputs()], given)
            for i, value in enumerate(got):
                tensor = load(data / f"output_{i}.pb")
                want = numpy_helper.to_array(tensor)
                if tensor.data_type not in PACKED and not is_near(numbers_of(value, want), want):
                    return i
    except Exception as problem:  # ONNX Runtime's own have no common kind
        return re.sub(r"\s+", " ", str(problem))[:200]
    return None


def test_own(b):
    tests = cases.unpack(b)
    for opset in cases.OPSETS if tests else ():
        folder = b.path(f"peer-{opset}")
        counts = collections.Counter()
        for test in tests:
            if not cases.export(b, test, opset, folder)[0]:
                continue
            counts["exported"] += 1
            model = onnx.load(folder / test.name / "model.onnx")
            try:
                onnx.checker.check_model(model, full_check=test.name not in KNOWN_TO_DIFFER)
            except Exception as problem:
                b.check(False, f"{test.name} at {opset}: ONNX's checker: {problem}")
            answer = run_test(folder / test.name)
            # What ONNX Runtime does not run was no better before it was exported.
            is_ours = answer is not None and run_test(test) is None
            counts["alike" if answer is None else "refused" if isinstance(answer, str) else "other"] += 1
            b.check(not is_ours, f"{test.name} at {opset}: ONNX Runtime: {answer}")
        print(f"opset {opset or 'chosen'}: {dict(counts)} of {len(tests)}")


def made_up(rng, info, dims):
    shape = [dims.get(d, 1) if isinstance(d, str) or d is None else d for d in info.shape]
    if "int" in info.type:
        return rng.integers(0, 2, shape).astype(np.int64 if "64" in info.type else np.int32)
    return rng.random(shape, dtype=np.float32)


def test_scripts(b):
    """The graphs of scripts, as ONNX Runtime runs them and as the script's graph is run here."""
    cache = pathlib.Path(os.environ.get("HOME", "")) / ".cache/maru"
    rng = np.random.default_rng(3)
    for script, weights, dims in [("minilm", cache / "minilm", {"batch": 2, "seq": 9}),
                                  ("imagenet", DATA / "cls_mobilenetv2_imagenet/mobilenet_v2_1.0_224_dequant.onnx", {}),
                                  ("ultraface", DATA / "face_ultraface_rfb320", {}),
                                  ("keyword", DATA / "speech_kws_dscnn", {}),
                                  ("toycar", DATA / "manu_toycar_anomaly", {})]:
        if not weights.exists():
            print(f"without {weights.name}: {script}.lua is not exported")
            continue
        words = [MODELS / f"{script}.lua", "--weights", weights]
        text = b.good("dump", *words).text
        b.write("graph.maru", text)
        for opset in cases.OPSETS:
            if script == "imagenet" and opset == 17:
                continue  # its Resize has antialias, which is of 18
            b.good("export", *words, "-o", "model.onnx", *(["--opset", opset] if opset else []))
            onnx.checker.check_model(str(b.path("model.onnx")), full_check=True)
            s = session(b.path("model.onnx"))
            b.check(len(s.get_inputs()) == len(re.findall(r"^%\d+ = input ", text, re.M)), f"{script}: its inputs")
            given = {x.name: made_up(rng, x, dims) for x in s.get_inputs()}
            want = s.run(None, given)
            for name, array in given.items():
                np.save(b.path(f"{name}.npy"), array)
            inputs = [w for name in given for w in ("--input", f"{name}=@{name}.npy")]
            graphs = [["model.onnx"]]
            if script == "minilm":  # the weights of the others are no files of weights
                graphs.append(["graph.maru", "--weights", weights])
            for graph in graphs:
                done = b.json("run", *graph, *inputs, "--json")
                for info, expected in zip(s.get_outputs(), want):
                    got = np.array(done[info.name]["data"]).reshape(expected.shape)
                    near = np.allclose(got, expected, rtol=1e-3, atol=1e-4 * max(1, np.abs(expected).max()))
                    b.check(near, f"{script} at {opset}, {graph[0]}: {info.name} agrees")


def test_quantised(b):
    """What maru quantize writes, run by both."""
    for name, file in [("cls_resnet8_cifar10", "resnet8_cifar10.onnx"), ("speech_kws_dscnn", "kws_ref_model.onnx"),
                       ("manu_toycar_anomaly", "ad01_fp32.onnx")]:
        if not (DATA / name).exists():
            print(f"without {name}: it is not quantised")
            continue
        for words in ((), ("--activations", "i8"), ("--activations", "i8-symmetric", "--per-tensor")):
            b.good("quantize", DATA / name / file, "--calibrate", DATA / name, "-o", "q.onnx", *words)
            onnx.checker.check_model(str(b.path("q.onnx")), full_check=True)
            s = session(b.path("q.onnx"))
            x = DATA / name / "test_data_set_0/input_0.pb"
            want = s.run(None, {s.get_inputs()[0].name: numpy_helper.to_array(load(x))})[0]
            got = b.json("run", "q.onnx", "--input", f"{s.get_inputs()[0].name}=@{x}", "--json")
            got = np.array(got[s.get_outputs()[0].name]["data"]).reshape(want.shape)
            # A sum that lies halfway between two steps may go to either; a few steps of the last scale follow.
            off = np.abs(got - want).max() / np.abs(want).max()
            b.check(off < 0.01, f"{name} {words}: {off}")


def test(b):
    if onnxruntime is None:
        print("onnxruntime and onnx are not installed: exported models are not run by it")
        sys.exit(SKIP)
    test_quantised(b)
    test_scripts(b)
    test_own(b)
