# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The zoo: scripts of scripts/models on published ONNX models, from raw input to what is known of the result."""
import base64
import gzip
import json
import os
import pathlib

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
    b.check(not got or (len(got["scores"]) == 1 and got["scores"][0] > 0.9 and got["boxes"][2] - got["boxes"][0] > 1000),
            f"one line of text, as wide as the picture: {got and (got['boxes'], got['scores'])}")
    got = run(b, "text_regions", folder, "-i", f"picture={at(folder + '/ch_en_num.jpg')}")
    b.check(not got or 10 < len(got["scores"]) < 30, f"many lines: {got and got['boxes']}")
    got = run(b, "text_direction", folder, "-i", f"picture={at(folder + '/text_cls.jpg')}")
    b.check(not got or (first(got["degrees"]) == 180 and first(got["score"]) > 0.99), f"a line on its head: {got}")


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
    folder = "robot_mujoco_playground"
    case = DATA / folder / "test_data_set_0_go1_policy"
    got = run(b, "walking", f"{folder}/go1_policy.onnx", "-i", f"observation=@{case / 'input_0.pb'}")
    if got:
        known = b.json("dump", case / "output_0.pb", "--json")["data"]
        b.check(max(abs(x - y) for x, y in zip(got["action"], known)) < 1e-4, f"{got}, {known}")


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
    test_sound(b)
    test_bytes(b)
    test_file_types(b)
    test_machines(b)
