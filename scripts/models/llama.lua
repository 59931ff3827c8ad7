-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Text by a decoder of the Llama family, from config.json.

local maru = require "maru"
local nn = require "maru.nn"

local function attention(m, w, x, config, rope)
  local heads, kv_heads = config.num_attention_heads, config.num_key_value_heads or config.num_attention_heads
  local size = config.head_dim or config.hidden_size // heads
  local bias = { bias = config.attention_bias == true }
  local q = nn.split_heads(nn.linear(w:scope "q_proj", x, heads * size, bias), heads)
  local k = nn.split_heads(nn.linear(w:scope "k_proj", x, kv_heads * size, bias), kv_heads)
  local v = nn.split_heads(nn.linear(w:scope "v_proj", x, kv_heads * size, bias), kv_heads)
  q = nn.rotary(q, rope.cos, rope.sin, rope.positions)
  k = nn.rotary(k, rope.cos, rope.sin, rope.positions)
  k = nn.cache(m, rope.layer .. ".k", k, rope.capacity, rope.start, rope.length)
  v = nn.cache(m, rope.layer .. ".v", v, rope.capacity, rope.start, rope.length)
  local y = nn.attention(q, k, v, { causal = true, lengths = rope.length })
  return nn.linear(w:scope "o_proj", nn.join_heads(y), config.hidden_size, { bias = false })
end

local function layer(m, w, x, config, rope)
  local epsilon = config.rms_norm_eps
  x = x + attention(m, w:scope "self_attn", nn.rms_norm(w:scope "input_layernorm", x, epsilon), config, rope)
  local y = nn.rms_norm(w:scope "post_attention_layernorm", x, epsilon)
  return x + nn.swiglu(w:scope "mlp", y, config.intermediate_size)
end

-- The tokenizer beside the weights; llama2.c calls those of small vocabularies tok512.bin.
local function tokenizer(m)
  local small = "tok" .. m.config.vocab_size .. ".bin"
  if m.options.tokenizer ~= "" then return m:tokenizer(m.options.tokenizer) end
  if m:has_file(small) then return m:tokenizer(small) end
  return m:tokenizer()
end

-- Feeds ids in pieces and gives the logits after the last of them.
local function feed(m, ids)
  local session, state = m:session(), m.state
  local chunk = m.options.chunk > 0 and m.options.chunk or #ids
  local logits
  for first = 1, #ids, chunk do
    local piece = table.move(ids, first, math.min(first + chunk - 1, #ids), 1, {})
    local out = session:run { ids = { piece }, start = state.position }
    state.position = state.position + #piece
    logits = out.logits
  end
  return logits
end

local function capacity(m)
  local most = m.config.max_position_embeddings
  return m.options.context > 0 and math.min(m.options.context, most) or most
end

return maru.model {
  name = "llama",
  doc = "Text by a decoder of the Llama family (Llama, SmolLM, Stories, ...), from config.json",
  inputs = {
    { name = "prompt", kind = "string", default = "", doc = "what the text begins with" },
  },
  outputs = {
    { name = "text", doc = "prompt and what follows" },
    { name = "tokens", doc = "i64[n]: the ids of both" },
  },
  options = {
    n = { default = 64, doc = "tokens to make" },
    temperature = { default = 0, doc = "0: always the most likely token" },
    seed = { default = 0, doc = "of the draws, above temperature 0" },
    chunk = { default = 0, doc = "tokens of the prompt to read at a time; 0: all" },
    context = { default = 0, doc = "tokens to keep; 0: what the model was trained with" },
    tokenizer = { default = "", doc = "file beside the weights; empty: the one that is there" },
    stream = { default = true, doc = "print the text while it is made" },
  },
  extra_weights = { "rotary_emb%.inv_freq$" },

  graph = function(m)
    local config = m.config
    local dim = config.hidden_size or maru.fail "config.json of the model is needed: give --config"
    local heads = config.num_attention_heads
    local size = config.head_dim or dim // heads
    local room = capacity(m)
    local seq = m:symbol("seq", { max = room, typical = 1 })
    local ids = m:input("ids", "i64", { 1, seq })
    local start = m:input("start", "i64", { 1 })

    local cos, sin = nn.rotary_tables(room, size, config.rope_theta or 10000.0, config.rope_scaling)
    local steps = m:constant(maru.arange(room)):slice(0, 0, seq)
    local rope = {
      cos = m:constant(cos), sin = m:constant(sin), capacity = room, start = start,
      positions = (steps + start):reshape { 1, seq },
      length = start + m:shape { seq },
    }

    local w = m.weights:scope "model"
    local table_dims = { config.vocab_size, dim }
    local embeddings = w:get("embed_tokens.weight", table_dims, "f32")
    local x = embeddings:gather(ids, 0)
    for i = 0, config.num_hidden_layers - 1 do
      rope.layer = "layers." .. i
      x = m:scope(rope.layer, layer, m, w:scope(rope.layer), x, config, rope)
    end
    x = nn.rms_norm(w:scope "norm", x, config.rms_norm_eps):slice(1, -1):reshape { 1, dim }
    local head = config.tie_word_embeddings and embeddings or m.weights:get("lm_head.weight", table_dims, "f32")
    m:output("logits", maru.op("Gemm", { x, head }, { transB = 1 }))
  end,

  -- A fresh start reads the prompt; after a state was loaded (or a run before this one) the text goes on.
  run = function(m, input)
    local tok, state, options = tokenizer(m), m.state, m.options
    local ids
    if state.position and input.prompt == "" then
      ids = { state.next }
    else
      m:session():reset()
      state.position, state.n, state.text = 0, 0, ""
      ids = tok:encode(input.prompt)
      state.tokens = table.concat(ids, " ")
    end
    local fresh = state.n == 0
    local stream = tok:stream(not fresh or #ids > 1)
    local text = fresh and input.prompt or ""
    if options.stream and text ~= "" then m:emit(text) end
    for _ = 1, options.n do
      if state.position + #ids > capacity(m) then break end
      local logits = feed(m, ids)
      local id = logits:sample(options.temperature, options.seed, state.n)
      state.n, state.next = state.n + 1, id
      if id == tok.eos then break end
      state.tokens = state.tokens .. " " .. id
      local piece = stream:push(id)
      text = text .. piece
      if options.stream and piece ~= "" then m:emit(piece) end
      ids = { id }
    end
    text = text .. stream:finish()
    if options.stream then m:emit "\n" end
    state.text = state.text .. text
    local tokens = {}
    for id in state.tokens:gmatch "%d+" do tokens[#tokens + 1] = math.tointeger(id) end
    return { text = state.text, tokens = maru.tensor(tokens, "i64") }
  end,
}
