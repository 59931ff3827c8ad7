-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Sentence embeddings: BERT, the mean over the tokens, length 1.

local maru = require "maru"
local nn = require "maru.nn"

local function encoder_layer(w, x, mask, config)
  local a = w:scope "attention"
  local y = nn.self_attention(a, x, {
    heads = config.num_attention_heads,
    mask = mask,
    names = { q = "self.query", k = "self.key", v = "self.value", out = "output.dense" },
  })
  x = nn.layer_norm(a:scope "output.LayerNorm", x + y, config.layer_norm_eps)
  y = nn.linear(w:scope "intermediate.dense", x, config.intermediate_size)
  y = nn.activation(config.hidden_act)(y)
  y = nn.linear(w:scope "output.dense", y, config.hidden_size)
  return nn.layer_norm(w:scope "output.LayerNorm", x + y, config.layer_norm_eps)
end

return maru.model {
  name = "minilm",
  doc = "Sentence embeddings: all-MiniLM-L6-v2 and other BERT encoders with mean pooling",
  fetch = "minilm",
  inputs = { text = { kind = "strings", doc = "one or more sentences" } },
  outputs = { embedding = { doc = "f32[batch, hidden_size], each of length 1" } },
  options = { max_tokens = { default = 256, doc = "longer texts are cut" } },
  extra_weights = { "position_ids$", "^pooler%." },

  graph = function(m)
    local config = m.config
    local dim = config.hidden_size or maru.fail "config.json of the model is needed: give --config"
    local batch = m:symbol("batch", { typical = 1 })
    local seq = m:symbol("seq", { max = config.max_position_embeddings, typical = 128 })
    local ids = m:input("ids", "i64", { batch, seq })
    local mask = m:input("mask", "f32", { batch, seq })

    local e = m.weights:scope "embeddings"
    local positions = e:get("position_embeddings.weight", { config.max_position_embeddings, dim })
    local types = e:get("token_type_embeddings.weight", { config.type_vocab_size, dim })
    local x = nn.embedding(e:scope "word_embeddings", ids, config.vocab_size, dim)
    x = x + positions:slice(0, 0, seq) + types:slice(0, 0, 1)
    x = nn.layer_norm(e:scope "LayerNorm", x, config.layer_norm_eps)

    -- Added to the scores: 0 for a token, minus infinity (nearly) for padding.
    local added = ((mask - 1) * 1e9):unsqueeze(1, 2)
    for i = 0, config.num_hidden_layers - 1 do
      local name = "encoder.layer." .. i
      x = m:scope(name, encoder_layer, m.weights:scope(name), x, added, config)
    end
    m:output("embedding", nn.l2_normalize(nn.masked_mean(x, mask)))
  end,

  run = function(m, input)
    local batch = m:tokenizer():encode_batch(input.text, { max_tokens = m.options.max_tokens })
    local out = m:session():run { ids = batch.ids, mask = batch.mask }
    return { embedding = out.embedding }
  end,
}
