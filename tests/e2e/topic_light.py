# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The nine light networks of ONNX against ONNX Runtime, every value between their nodes, at batches that the files do not have."""
import json
import os
import pathlib
import sys
import tarfile

from harness import SKIP

try:
    import numpy as np
    import onnx
    import onnxruntime

    import light_networks as light
except ImportError:
    onnxruntime = None

NETWORKS = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19",
            "zfnet512"]
SAMPLE = {"squeezenet": [3], "shufflenet": [3], "inception_v1": [1]}
SEED = 7
AT_ONCE = 200  # of the values; a command line has an end

# Inner values keep nodes apart that would be one; "whole" has the network as it is. Values are v1, v2, ...
SCRIPT = """local maru = require "maru"
return maru.model {
  options = { whole = { default = false } },
  graph = function(m)
    local o = m:json "ask.json"
    local x = m:input("x", "f32", { m:symbol "n", table.unpack(o.dims) })
    local dims = { [o.input] = { "n", table.unpack(o.dims) } }
    local net = maru.onnx("net.onnx", { dims = dims, outputs = m.options.whole and { o.outputs[#o.outputs] } or o.outputs })
    for i, y in ipairs { net { [o.input] = x } } do m:output("v" .. i, y) end
  end,
}
"""


def run_maru(b, n, *words):
    """What the script gives, a file each: those of before are gone."""
    for path in b.path("out").glob("*.npy"):
        path.unlink()
    saves = [word for i in range(1, n + 1) for word in ("-o", f"v{i}=out/v{i}.npy")]
    done = b.good("run", "net/light.lua", "--weights", "net", "-i", "x=@x.npy", *saves, *words, timeout=600)
    return done.code == 0


def off_by(got, want):
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-30))


def compare_values(b, where, names, want, worst):
    """Those that the script was asked for; False at the first that is wrong."""
    for i, (value, known) in enumerate(zip(names, want)):
        got = np.load(b.path(f"out/v{i + 1}.npy"))
        if not b.check(got.shape == known.shape, f"{where}: {value} is {got.shape}, not {known.shape}"):
            return False
        spread = float(known.std())
        b.check(1e-4 < spread < 1e4 or known.ndim == 2, f"{where}: {value} says something: {spread}")
        worst.append(off_by(got, known))
        if not b.check(worst[-1] < 1e-4, f"{where}: {value} is off by {worst[-1]:.1e} of the largest"):
            return False
    return True


def compare(b, name, model, session, batch, worst):
    names = light.inner_values(model)
    info = model.graph.input[0]
    dims = [d.dim_value for d in info.type.tensor_type.shape.dim][1:]
    x = np.random.default_rng(SEED + batch).standard_normal((batch, *dims)).astype(np.float32)
    np.save(b.path("x.npy"), x)
    want = session.run(names, {info.name: x})
    for first in range(0, len(names), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        b.write("net/ask.json", json.dumps({"input": info.name, "dims": dims, "outputs": names[some]}))
        if not run_maru(b, len(names[some])) or not compare_values(b, f"{name}, {batch}", names[some], want[some], worst):
            return
    if run_maru(b, 1, "--set", "whole=true"):
        off = off_by(np.load(b.path("out/v1.npy")), want[-1])
        b.check(off < 1e-4, f"{name}, {batch}: the network as a whole is off by {off:.1e}")


def test_network(b, folder, name, batches):
    model = light.with_weights(next(folder.rglob(f"light_{name}.onnx")), SEED)
    b.write("net/net.onnx", model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(light.of_any_batch(model).SerializeToString(), options)
    worst = []
    for batch in batches:
        compare(b, name, model, session, batch, worst)
    print(f"{name}: {len(worst)} values at batches {batches}, off by at most {max(worst, default=0):.1e}", flush=True)


def test(b):
    archive = pathlib.Path(os.environ.get("MARU_TEST_DATA", "")) / "onnx_backend_v1.22.0/light_models_v1.22.0.tar.gz"
    if onnxruntime is None or not archive.exists():
        print("without the packages onnx and onnxruntime, or the light networks: they are not compared")
        sys.exit(SKIP)
    with tarfile.open(archive) as tar:
        tar.extractall(b.path("light"))
    b.write("net/light.lua", SCRIPT)
    b.path("out").mkdir()
    is_full = os.environ.get("MARU_TEST_FULL")
    for name in NETWORKS if is_full else SAMPLE:
        test_network(b, b.path("light"), name, [1, 3, 8] if is_full else SAMPLE[name])
