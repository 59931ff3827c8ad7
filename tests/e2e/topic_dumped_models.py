# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""The graph of a model as text, and the weights: the same numbers and the same story as by the script."""
import json
import os
import pathlib
import random

from harness import INPUT, floats, safetensors

SCRIPTS = pathlib.Path(os.environ["MARU_SOURCE_ROOT"]) / "scripts/models"

# The graph of a model's script, without its run function: inputs and outputs are the graph's.
BARE = 'local maru = require "maru"\nreturn maru.model { name = "bare", options = { context = { default = 0 } }, ' \
       'extra_weights = "ignore", graph = require "%s".graph }\n'

LLAMA = {"hidden_size": 16, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2,
         "intermediate_size": 24, "vocab_size": 40, "max_position_embeddings": 96, "rms_norm_eps": 1e-5,
         "tie_word_embeddings": False}

BERT = {"hidden_size": 16, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 24, "vocab_size": 40,
        "max_position_embeddings": 32, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}


def llama_shapes(c):
    dim, kv, hidden = c["hidden_size"], c["hidden_size"] // 2, c["intermediate_size"]
    yield "model.embed_tokens.weight", [c["vocab_size"], dim]
    yield "lm_head.weight", [c["vocab_size"], dim]
    yield "model.norm.weight", [dim]
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", [dim]
        yield layer + "post_attention_layernorm.weight", [dim]
        for name, rows in ("q", dim), ("k", kv), ("v", kv), ("o", dim):
            yield f"{layer}self_attn.{name}_proj.weight", [rows, dim]
        for name, dims in ("gate", [hidden, dim]), ("up", [hidden, dim]), ("down", [dim, hidden]):
            yield f"{layer}mlp.{name}_proj.weight", dims


def bert_shapes(c):
    dim, hidden = c["hidden_size"], c["intermediate_size"]
    for name, rows in ("word", c["vocab_size"]), ("position", c["max_position_embeddings"]), ("token_type", 2):
        yield f"embeddings.{name}_embeddings.weight", [rows, dim]
    linear = [("intermediate.dense", hidden, dim), ("output.dense", dim, hidden)]
    linear += [(f"attention.{name}", dim, dim) for name in ("self.query", "self.key", "self.value", "output.dense")]
    norms = ["embeddings.LayerNorm"]
    for i in range(c["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        norms += [layer + "attention.output.LayerNorm", layer + "output.LayerNorm"]
        for name, rows, columns in linear:
            yield f"{layer}{name}.weight", [rows, columns]
            yield f"{layer}{name}.bias", [rows]
    for name in norms:
        yield name + ".weight", [dim]
        yield name + ".bias", [dim]


def write_model(b, folder, config, shapes):
    rng = random.Random(7)
    tensors = {}
    for name, dims in shapes:
        n = dims[0] * (dims[1] if len(dims) > 1 else 1)
        tensors[name] = ("F32", dims, floats(*(rng.gauss(0, 0.4) for _ in range(n))))
    b.write(f"{folder}/model.safetensors", safetensors(tensors))
    b.write(f"{folder}/config.json", json.dumps(config))


def same_outputs(b, name, folder, inputs):
    b.write(f"{folder}/{name}.lua", (SCRIPTS / f"{name}.lua").read_text())
    b.write(f"{folder}/bare.lua", BARE % name)
    given = [word for key, value in inputs.items() for word in ("-i", f"{key}={json.dumps(value)}")]
    wanted = b.json("run", f"{folder}/bare.lua", "-w", folder, *given, "--json")
    text = b.good("dump", f"{folder}/{name}.lua", "-w", folder).text
    b.write(f"{name}.txt", text)  # known by what is in it
    b.check(text.count(" external\n") > 8, f"{name}: the weights stay where they are")
    b.check(b.json("run", f"{name}.txt", "-w", folder, *given, "--json") == wanted and wanted,
            f"{name}: the text gives what the script gives")
    b.check(b.good("dump", f"{name}.txt", "-w", folder).text == text, f"{name}: dump, read, bind, dump")
    b.check(b.good("dump", f"{name}.txt").text == text, f"{name}: dump, read, dump")
    b.bad(INPUT, "", "run", f"{name}.txt", *given)


def greedy(b, folder, ids, n):
    """The story by the dumped graph alone: its states go from run to run through a file."""
    b.write("story.txt", b.good("dump", SCRIPTS / "llama.lua", "-w", folder, "--set", "context=64").text)
    tokens, position = list(ids), 0
    state = []
    for _ in range(n):
        out = b.json("run", "story.txt", "-w", folder, "-i", f"ids={json.dumps([ids])}", "-i", f"start=[{position}]",
                     *state, "--save-state", "s.safetensors", "--json")
        logits = out["logits"]["data"]
        position += len(ids)
        ids = [logits.index(max(logits))]
        tokens += ids
        state = ["--load-state", "s.safetensors"]
    return tokens


def test(b):
    write_model(b, "llama", LLAMA, llama_shapes(LLAMA))
    same_outputs(b, "llama", "llama", {"ids": [[3, 1, 4, 1, 5]], "start": [0]})
    write_model(b, "minilm", BERT, bert_shapes(BERT))
    same_outputs(b, "minilm", "minilm", {"ids": [[7, 8, 9], [1, 2, 0]], "mask": [[1, 1, 1], [1, 1, 0]]})
    stories = pathlib.Path(os.environ.get("MARU_TEST_DATA", "")) / "llm_stories260k"
    if not (stories / "model.safetensors").exists():
        print("without the stories: no text is compared")
        return
    wanted = json.loads((stories / "ref_greedy.json").read_text())["tokens"]
    got = greedy(b, stories, wanted[:1], 12)
    b.check(got == wanted[:13], f"the story goes on as it should: {got} instead of {wanted[:13]}")
