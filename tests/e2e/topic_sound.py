# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The example of sound: notes that were written into a file are found in it."""
import math
import os
import pathlib
import struct

from harness import INPUT

NOTES = pathlib.Path(os.environ["MARU_SOURCE_ROOT"]) / "scripts/examples/notes.lua"
RATE = 44100


def wav(notes, seconds, gains):
    """16-bit; notes: (Hz, from, to)."""
    samples = []
    for i in range(int(seconds * RATE)):
        t = i / RATE
        x = sum(0.3 * math.sin(2 * math.pi * hz * t) * min(1, (t - first) * 50, (past - t) * 50)
                for hz, first, past in notes if first <= t < past)
        samples += [round(gain * x * 32767) for gain in gains]
    data = struct.pack(f"<{len(samples)}h", *samples)
    n = len(gains)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, n, RATE, RATE * n * 2, n * 2, 16) + b"data" + struct.pack("<I", len(data)) + data)


def near(box, first, note, past):
    return abs(box[0] - first) < 0.07 and box[1] == note == box[3] and abs(box[2] - past) < 0.07


# The features of the keyword model of MLPerf Tiny, whose first coefficient is not scaled as an orthonormal DCT's.
KEYWORD = """local maru = require "maru"
local audio = require "maru.audio"
return maru.model {
  inputs = { sound = {} },
  graph = function(m) m:output("y", m:input("x", "f32", { 1 })) end,
  run = function(m, input)
    local x = audio.mono(input.sound)
    return { mfcc = audio.mfcc(x / x:max(), { size = 512, window_size = 480, hop = 320, center = false, mels = 40,
      low = 20, high = 4000, triangles = "mel", power = 1, offset = 1e-6, count = 10 }) }
  end,
}
"""


def test_published_features(b):
    data = pathlib.Path(os.environ.get("MARU_TEST_DATA", ""))
    if not (data / "speech_kws_dscnn").exists() or not (data / "media_audio").exists():
        print("without the keyword model: its features are not compared")
        return
    b.write("keyword.lua", KEYWORD)
    for i, word in enumerate(["yes", "no", "noise"]):
        got = b.json("run", "keyword.lua", "-i", f"sound=@{data / f'media_audio/{word}_1000ms.wav'}", "--json")["mfcc"]
        wanted = b.json("dump", data / f"speech_kws_dscnn/test_data_set_{i}/input_0.pb", "--json")
        scaled = [x * (math.sqrt(2) if k % 10 == 0 else 1) for k, x in enumerate(got["data"])]
        off = max(abs(x - y) for x, y in zip(scaled, wanted["data"]))
        b.check(got["dims"] == [49, 10] and len(wanted["data"]) == 490 and off < 1e-3, f"{word}: off by {off}")


def test(b):
    test_published_features(b)
    b.write("two.wav", wav([(440, 0.2, 0.8), (523.25, 1.0, 1.6), (659.26, 1.0, 1.6)], 2, [1, 0.5]))
    out = b.json("run", NOTES, "-i", "sound=@two.wav", "-o", "sound=mono.wav", "--json")
    flat = out["boxes"]["data"]
    boxes = [flat[i:i + 4] for i in range(0, len(flat), 4)]
    b.check(out["labels"] == ["A4", "C5", "E5"], f"the notes: {out['labels']}")
    b.check(len(boxes) == 3 and near(boxes[0], 0.2, 69, 0.8) and near(boxes[1], 1.0, 72, 1.6)
            and near(boxes[2], 1.0, 76, 1.6), f"when and where: {boxes}")
    b.check(struct.unpack("<I", b.path("mono.wav").read_bytes()[24:28]) == (8000,), "the file says its rate")
    again = b.json("run", NOTES, "-i", "sound=@mono.wav", "--json")
    b.check(again["labels"] == out["labels"], f"what was written is what was heard: {again['labels']}")
    alone = b.json("run", NOTES, "--json")
    b.check(alone["labels"] == ["C4", "D4", "E4", "C4", "E4", "G4"], f"without a file: {alone['labels']}")
    quiet = b.json("run", NOTES, "-i", "sound=@two.wav", "--set", "threshold=1", "--json")
    b.check(quiet["boxes"]["dims"] == [0, 4] and quiet["notes"] is not None, f"nothing is loud enough: {quiet['boxes']}")
    b.write("cut.wav", b.path("two.wav").read_bytes()[:30])
    b.bad(INPUT, "cut.wav", "run", NOTES, "-i", "sound=@cut.wav")
