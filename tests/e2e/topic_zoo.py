# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The zoo: scripts of scripts/models on published ONNX models, from raw input to what is known of the result."""
import base64
import gzip
import json
import os
import math
import pathlib
import struct
import wave

from harness import INPUT, npy, png

DATA = pathlib.Path(os.environ.get("MARU_TEST_DATA", ""))
MODELS = pathlib.Path(os.environ["MARU_SOURCE_ROOT"]) / "scripts/models"


def run(b, script, weights, *words):
    """None where the model is not."""
    if not (DATA / weights).exists():
        print(f"without {weights}: {script}.lua is not tested")
        return None
    got = b.json("run", MODELS / f"{script}.lua", "--weights", DATA / weights, *words, "--json")
    return {name: x["data"] if isinstance(x, dict) and "data" in x else x for name, x in got.items()}


def at(path):
    return f"@{DATA / path}"


def first(x):
    return x[0] if isinstance(x, list) else x


def near(x, want, off):
    return abs(first(x) - want) <= off


def test_pictures(b):
    for model, cases in [
            ("cls_mobilenetv2_imagenet/mobilenet_v2_1.0_224_dequant.onnx",
             [("coffee.png", "espresso", 0.97, 968), ("grace_hopper.jpg", "military uniform", 0.92, 653),
              ("parrot.jpg", "macaw", 0.99, 89)]),
            ("cls_mobilenetv1_025/mobilenet_v1_0.25_224.onnx",
             [("parrot.jpg", "macaw", 0.94, 89), ("chelsea.png", "Egyptian cat", 0.68, 286),
              ("burger.jpg", "cheeseburger", 0.99, 934)])]:
        for picture, label, score, index in cases:
            got = run(b, "imagenet", model, "-i", f"picture={at('media_images/' + picture)}")
            if got:
                named = first(got["label"]) in (label, str(index))  # names where they lie beside the model
                b.check(named and near(got["score"], score, 0.03) and got["index"][0] == index, f"{picture}: {got}")
    got = run(b, "cifar10", "cls_resnet8_cifar10/resnet8_cifar10.onnx", "-i", f"picture={at('media_images/chelsea.png')}")
    b.check(not got or (first(got["label"]) == "cat" and first(got["score"]) > 0.9), f"a cat: {got}")
    folder = "cls_mnist_safetensors"
    if (DATA / folder).exists():
        nine = b.json("dump", DATA / folder / "test_data_set_0/input_0.pb", "--json")["data"]
        grey = bytes(min(255, max(0, round((v * 0.3081 + 0.1307) * 255))) for v in nine)  # as MNIST is normalised
        b.write("nine.png", png(28, 28, bytes(v for v in grey for _ in range(3))))
        got = run(b, "mnist", f"{folder}/mnist_from_safetensors.onnx", "-i", "picture=@nine.png")
        b.check(str(first(got["digit"])) == "9" and max(got["scores"]) > 0.9, f"a nine: {got}")


def test_faces(b):
    """One face each, where both models see it."""
    for picture, known in [("grace_hopper.jpg", [178, 105, 359, 344]), ("astronaut.png", [180, 61, 270, 176])]:
        for script, model, least, off in [("ultraface", "face_ultraface_rfb320/version-RFB-320.onnx", 0.999, 20),
                                          ("yunet", "face_yunet/yunet_n_320_320.onnx", 0.93, 5)]:
            got = run(b, script, model, "-i", f"picture={at('media_images/' + picture)}")
            if got:
                far = max(abs(x - y) for x, y in zip(got["boxes"], known))
                b.check(len(got["scores"]) == 1 and got["scores"][0] >= least and far < off, f"{script}, {picture}: {got}")


def test_road(b):
    folder = "drive_twinlitenet"
    got = run(b, "twinlitenet", f"{folder}/best.onnx", "-i", f"picture={at(folder + '/cb5903ec-ab4d55f9.jpg')}")
    if not got:
        return
    for mask, output in [("area", 0), ("lanes", 1)]:
        scores = b.json("dump", DATA / folder / f"test_data_set_0/output_{output}.pb", "--json")["data"]
        half = len(scores) // 2
        known = [scores[half + i] > scores[i] for i in range(half)]
        both = sum(1 for x, y in zip(got[mask], known) if x and y)
        either = sum(1 for x, y in zip(got[mask], known) if x or y)
        b.check(both / max(either, 1) > 0.9, f"{mask}: {both} of {either} pixels are shared")


def test_text_in_pictures(b):
    folder = "ocr_ppocr"
    got = run(b, "text_regions", folder, "-i", f"picture={at(folder + '/korean.jpg')}")
    b.check(not got or (len(got["scores"]) == 1 and got["scores"][0] > 0.75 and got["boxes"][2] - got["boxes"][0] > 1000),
            f"one line of text, as wide as the picture: {got and (got['boxes'], got['scores'])}")
    got = run(b, "text_regions", folder, "-i", f"picture={at(folder + '/ch_en_num.jpg')}")
    b.check(not got or 10 < len(got["scores"]) < 30, f"many lines: {got and got['boxes']}")
    got = run(b, "text_direction", folder, "-i", f"picture={at(folder + '/text_cls.jpg')}")
    b.check(not got or (first(got["degrees"]) == 180 and first(got["score"]) > 0.99), f"a line on its head: {got}")


# What the Python package of these models, rapidocr-onnxruntime 1.4.4, says of ch_en_num.jpg, and of the same turned by half.
READ = {
    False: ("正品促销 大桶装更划算 强力去污符合国标 40°C深度防冻不结冰 日常价￥ 真击 10.0起 10.0起 日常价￥ 底价 5.8 券后价￥ 起 "
            "惊喜福利不容错过 极速发货 冰点标准 破损就赔 假一赔十"),
    True: ("假一赔十 破损就赔 冰点标准 极速发货 惊喜福利不容错过 起 5.8 底价 10.0起 直击 10.0起 出日 当日 40°C深度防冻不结冰 "
           "强力去污符合国标 大桶装更划算 正品促销"),
}
CORNERS = [
    [6, 2, 322, 9, 320, 104, 4, 97], [70, 98, 252, 98, 252, 125, 70, 125], [68, 144, 256, 144, 256, 165, 68, 165],
    [108, 170, 217, 170, 217, 182, 108, 182], [35, 227, 62, 227, 62, 236, 35, 236], [139, 223, 187, 223, 187, 251, 139, 251],
    [35, 233, 81, 236, 80, 255, 33, 252], [257, 234, 304, 236, 303, 254, 257, 253], [259, 227, 286, 226, 287, 236, 259, 237],
    [140, 243, 186, 245, 186, 272, 139, 271], [129, 289, 207, 290, 206, 340, 128, 338], [98, 320, 129, 320, 129, 330, 98, 330],
    [205, 316, 223, 316, 223, 335, 205, 335], [114, 342, 210, 342, 210, 355, 114, 355], [68, 362, 151, 362, 151, 384, 68, 384],
    [202, 362, 286, 362, 286, 384, 202, 384], [68, 391, 151, 391, 151, 413, 68, 413], [202, 391, 287, 391, 287, 413, 202, 413]]


def test_reading(b):
    """Text found, cut out, turned and read, with the v4 models of `maru fetch ppocr`."""
    models = pathlib.Path(os.environ.get("MARU_TEST_PPOCR") or pathlib.Path.home() / ".cache/maru/ppocr")
    picture = DATA / "ocr_ppocr/ch_en_num.jpg"
    if not (models / "ch_PP-OCRv4_rec_infer.onnx").exists() or not picture.exists():
        print("without ch_PP-OCRv4_rec_infer.onnx (maru fetch ppocr) or a picture: ocr.lua is not tested")
        return
    pixels = b.json("dump", picture, "--json")
    height, width, _ = pixels["dims"]
    turned = [pixels["data"][at:at + 3] for at in range(0, len(pixels["data"]), 3)][::-1]
    b.write("turned.png", png(width, height, bytes(v for pixel in turned for v in pixel)))
    for is_turned, path in [(False, picture), (True, "turned.png")]:
        got = run(b, "ocr", models, "-i", f"picture=@{path}")
        b.check(got["text"] == READ[is_turned].split(" "), f"{path}: {got['text']}")
        off = max(abs(x - y) for x, y in zip(got["corners"], [x for line in CORNERS for x in line]))
        b.check(is_turned or off <= 1, f"corners: off by {off} pixels")
        b.check(min(got["scores"]) > 0.6 and sum(s > 0.9 for s in got["scores"]) >= 12, f"scores: {got['scores']}")


def test_sound(b):
    for sound, word, score in [("yes", "Yes", 0.999), ("no", "Go", 0.951), ("noise", "Unknown", 0.727)]:
        got = run(b, "keyword", "speech_kws_dscnn/kws_ref_model.onnx", "-i", f"sound={at(f'media_audio/{sound}_1000ms.wav')}")
        b.check(not got or (first(got["word"]) == word and near(got["score"], score, 0.005)), f"{sound}: {got}")
    folder = "manu_toycar_anomaly"
    if (DATA / folder).exists():
        window = DATA / folder / "test_data_set_0/input_0.pb"
        known = json.loads((DATA / folder / "ref_scores.json").read_text())["per_window_mse"]
        got = run(b, "toycar", f"{folder}/ad01_fp32.onnx", "-i", f"features=@{window}")
        b.check(near(got["windows"], known[0], 0.001), f"the first window: {got}, {known[0]}")


def samples(path):
    with wave.open(str(path)) as file:
        data = file.readframes(file.getnframes())
    return [v / 32768 for v in struct.unpack(f"<{len(data) // 2}h", data)]


def npy_floats(path):
    data = path.read_bytes()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return list(struct.unpack(f"<{(len(data) - start) // 4}f", data[start:]))


# What get_speech_timestamps of silero-vad gives for the reference's probabilities, in samples.
SPOKEN = {
    "vad_silero/test.wav": [
        32, 32736, 42528, 75232, 79392, 110048, 149024, 213472, 216608, 241632, 245280, 253920, 260640, 286688, 293920, 313824,
        325152, 521696, 523296, 569824, 571936, 602080, 607264, 623072, 637984, 692704, 697888, 714208, 720416, 749024, 781344,
        799712, 817184, 867808, 871456, 918496, 920096, 953312],
    "media_audio/jfk.wav": [5152, 36320, 52256, 71136, 86048, 122848, 130592, 169952]}


def test_speech(b):
    """When somebody speaks, by both files of the model: the probabilities, upstream's rule, and the reference's own."""
    folder = DATA / "vad_silero"
    for model in ["silero_vad_16k_op15", "silero_vad_op18_ifless"]:
        for sound, known in SPOKEN.items():
            got = run(b, "vad", f"vad_silero/{model}.onnx", "-i", f"sound={at(sound)}")
            if not got:
                return
            want = npy_floats(folder / f"ref_probs_{pathlib.Path(sound).stem}_wav.npy")
            off = max(abs(x - y) for x, y in zip(got["probabilities"], want))
            b.check(len(got["probabilities"]) >= len(want) > 300 and off < 1e-5, f"{model}, {sound}: off by {off}")
            b.check([round(x * 16000) for x in got["segments"]] == known, f"{model}, {sound}: {got['segments']}")
        got = run(b, "vad", f"vad_silero/{model}.onnx", "-i", f"sound={at('vad_silero/test.wav')}", "--set", "pad=0", "--set",
                  "min_silence=0")
        known = [x for segment in json.loads((folder / "ref_segments.json").read_text())["segments_s"] for x in segment]
        b.check(len(got["segments"]) == len(known) and max(abs(x - y) for x, y in zip(got["segments"], known)) < 1e-4,
                f"{model}: {got['segments']}")


def test_noise(b):
    """The speech in a noisy recording, frame by frame, as upstream has it from the whole and from a stream."""
    folder = DATA / "speech_gtcrn"
    for model in ["gtcrn_simple", "gtcrn"]:
        got = run(b, "denoise", f"speech_gtcrn/{model}.onnx", "-i", f"sound={at('speech_gtcrn/mix.wav')}", "-o", "sound=clean.wav")
        if not got:
            return
        b.check(len(got["sound"]) == len(samples(folder / "mix.wav")), f"{model}: as long as it was")
        file = b.path("clean.wav").read_bytes()
        b.check(file[:4] == b"RIFF" and file.endswith(struct.pack("<f", got["sound"][-1])), f"{model}: the file has it")
        for known, most in [("enh.wav", 4e-5), ("enh_stream.wav", 7e-4)]:  # of which 3e-5 is a step of 16 bits
            want = samples(folder / known)
            off = max(abs(x - y) for x, y in zip(got["sound"], want))
            b.check(len(want) > 150000 and off < most, f"{model}, {known}: off by {off}")


def test_bytes(b):
    folder = "text_korean_spacing"
    if (DATA / folder).exists():
        lines = dict(line.replace(" :", ":", 1).split(": ", 1) for line in (DATA / folder / "EXPECTED.txt").read_text().splitlines() if ": " in line)
        got = run(b, "korean_spacing", folder, "-i", f"text={lines['in']}")
        b.check(first(got["text"]) == lines["out"], f"{got}")
    b.write("code.py", "import os\n\n\ndef count(path):\n    return len(os.listdir(path))\n\n\nif __name__ == '__main__':\n"
            "    print(count('.'))\n")
    for content, label in [("code.py", "python"), ("empty.txt", "empty")]:
        b.path("empty.txt").write_bytes(b"")
        text = b.path(content).read_text()
        got = run(b, "magika", "text_magika", "-i", f"content={text}")
        b.check(not got or first(got["label"]) == label, f"{content}: {got}")


# In double precision. The network's first normalisation subtracts squares that are up to 40,000 times their difference,
# so that the last bits of sums decide on 0.5 % of a score in single precision.
MAGIKA_EXACT = {b"01234567": ("txt", 0.934408), bytes(range(8)): ("wasm", 0.312544)}


def test_file_types(b):
    """All of upstream's own examples in its usual mode."""
    path = DATA / "text_magika/standard_v3_3-inference_examples_by_content.json.gz"
    if not path.exists():
        print("without magika's examples: file types are not compared")
        return
    examples = {base64.b64decode(x["content_base64"]): x["prediction"] for x in json.loads(gzip.decompress(path.read_bytes()))
                if x["status"] == "ok" and x["prediction_mode"] == "high_confidence"}
    for content, known in examples.items():
        if not content:
            continue  # an array of no bytes has no file form that differs from an empty list
        b.write("content.npy", npy("|u1", [len(content)], content))
        got = run(b, "magika", "text_magika", "-i", "content=@content.npy")
        same = (first(got["label"]), first(got["network"])) == (known["output"], known["dl"])
        b.check(same and near(got["score"], known["score"], 5e-3), f"{content[:40]}: {got}, {known}")
        if content in MAGIKA_EXACT:
            label, score = MAGIKA_EXACT[content]
            b.check(first(got["network"]) == label and near(got["score"], score, 2e-4), f"{content}: {got}, exactly {score}")
    b.check(all(content in examples for content in MAGIKA_EXACT), "the examples with exact scores are among them")


def test_machines(b):
    folder = "drive_openpilot_nnff"
    for car in ["KIA_EV6", "HYUNDAI_IONIQ_5"]:
        states = DATA / folder / f"test_data_set_0_{car}"
        got = run(b, "steering", f"{folder}/{car}.onnx", "-i", f"states=@{states / 'input_0.pb'}")
        if got:
            known = b.json("dump", states / "output_0.pb", "--json")["data"]
            b.check(max(abs(x - y) for x, y in zip(got["torque"], known)) < 1e-5, f"{car}: {got}, {known}")
            one = run(b, "steering", f"{folder}/{car}.onnx", "--set", "speed=20", "--set", "accel=1")
            b.check(near(one["torque"], known[1], 1e-5), f"{car} from what a driver knows: {one}, {known[1]}")
    test_robots(b)


def test_robots(b):
    folder = "robot_mujoco_playground"
    for robot in ["go1", "g1"]:
        case = DATA / folder / f"test_data_set_0_{robot}_policy"
        got = run(b, "walking", f"{folder}/{robot}_policy.onnx", "-i", f"observation=@{case / 'input_0.pb'}")
        if got:
            known = b.json("dump", case / "output_0.pb", "--json")["data"]
            b.check(max(abs(x - y) for x, y in zip(got["action"], known)) < 1e-4, f"{got}, {known}")
    if (DATA / folder).exists():
        test_steps_of_a_robot(b, folder)


def test_steps_of_a_robot(b, folder):
    """Two steps of the G1: what it is told, where its joints are, what it did last, and the phase of its gait."""
    rest = [-0.312, 0, 0, 0.669, -0.363, 0] * 2 + [0, 0, 0.073] + [0.2, 0.2, 0, 0.6, 0, 0, 0, 0.2, -0.2, 0, 0.6, 0, 0, 0]
    joints = [x + 0.01 * i for i, x in enumerate(rest)]
    last, words = [0.0] * 29, []
    for step in range(2):
        phases = [f(step * 2 * math.pi * 1.5 * 0.02 + foot * math.pi) for f in (math.cos, math.sin) for foot in (0, 1)]
        row = [0.3, 0, 0, 0, 0.1, 0, 0, 0, -1, 0.5, 0, 0.25, *(0.01 * i for i in range(29)), *[0.0] * 29, *last, *phases]
        b.write("row.npy", npy("<f4", [1, len(row)], struct.pack(f"<{len(row)}f", *row)))
        want = run(b, "walking", folder, "--set", "robot=g1", "-i", "observation=@row.npy")
        got = run(b, "walking", folder, "--set", "robot=g1", "--set", "forward=0.5", "--set", "turn=0.25",
                  "-i", "velocity=[0.3, 0, 0]", "-i", "rotation=[0, 0.1, 0]", "-i", f"joints={json.dumps(joints)}",
                  *words, "--save-state", "walk.safetensors")
        b.check(max(abs(x - y) for x, y in zip(got["action"], want["action"])) < 1e-5, f"step {step}: {got}, {want}")
        b.check(max(abs(t - r - a / 2) for t, r, a in zip(got["targets"], rest, got["action"])) < 1e-6, f"targets: {got}")
        last, words = got["action"], ["--load-state", "walk.safetensors"]


def test_without_models(b):
    """Each says what it needs."""
    for script in ["imagenet", "ultraface", "twinlitenet"]:
        b.bad(INPUT, [".onnx", "--weights"], "plan", MODELS / f"{script}.lua")


def test(b):
    test_without_models(b)
    test_pictures(b)
    test_faces(b)
    test_road(b)
    test_text_in_pictures(b)
    test_reading(b)
    test_sound(b)
    test_speech(b)
    test_noise(b)
    test_bytes(b)
    test_file_types(b)
    test_machines(b)
