-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Building blocks of models. Every function takes a view of the weights
-- (m.weights:scope "layers.0.attn") and tensors of the graph, and gives a
-- tensor. Weights are named as PyTorch's modules name them.

local maru = require "maru"

local nn = {}


--- x @ weight^T + bias, over the last dim: the weight is used as it is stored, [out, in].
--- `out` tells the number of outputs, so that a missing weight can be told with its shape.
function nn.linear(w, x, out, options)
  options = options or {}
  local shape = x.shape
  local inner = shape[#shape]
  local weight = w:get(options.weight or "weight", out and { out, inner }, x.dtype)
  out = out or weight.shape[1]
  local bias = false
  if options.bias ~= false then bias = w:get("bias", { out }, x.dtype) end
  local rows = x
  if #shape ~= 2 then rows = x:reshape { -1, inner } end
  local y = maru.op("Gemm", { rows, weight, bias }, { transB = 1 })
  if #shape == 2 then return y end
  local dims = {}
  for i = 1, #shape - 1 do dims[i] = shape[i] end
  dims[#shape] = out
  return y:reshape(dims)
end

--- Rows of the table for ids: [..., dim].
function nn.embedding(w, ids, count, dim)
  return w:get("weight", count and { count, dim }):gather(ids, 0)
end

local function norm_dims(x)
  local shape = x.shape
  return { shape[#shape] }
end

function nn.layer_norm(w, x, epsilon)
  local dims = norm_dims(x)
  local scale, bias = w:get("weight", dims, x.dtype), w:get("bias", dims, x.dtype)
  return maru.op("LayerNormalization", { x, scale, bias }, { axis = -1, epsilon = epsilon or 1e-5 })
end

function nn.rms_norm(w, x, epsilon)
  local scale = w:get("weight", norm_dims(x), x.dtype)
  return maru.op("RMSNormalization", { x, scale }, { axis = -1, epsilon = epsilon or 1e-5 })
end

--- The exact GELU.
function nn.gelu(x) return x:gelu() end

--- GELU by the tanh approximation, as GPT-2 and newer models have it.
function nn.gelu_tanh(x) return x:gelu { approximate = "tanh" } end

function nn.relu(x) return x:relu() end

function nn.silu(x) return x:swish() end

--- Activations by the name that config.json gives them.
nn.activations = {
  gelu = nn.gelu,
  gelu_new = nn.gelu_tanh,
  gelu_pytorch_tanh = nn.gelu_tanh,
  relu = nn.relu,
  silu = nn.silu,
  swish = nn.silu,
  tanh = function(x) return x:tanh() end,
}

function nn.activation(name)
  return nn.activations[name] or maru.fail("there is no activation '%s'", tostring(name))
end

--- [batch, seq, heads * size] to [batch, heads, seq, size].
function nn.split_heads(x, heads)
  local shape = x.shape
  return x:reshape { shape[1], shape[2], heads, shape[3] // heads }:transpose(0, 2, 1, 3)
end

--- [batch, heads, seq, size] to [batch, seq, heads * size].
function nn.join_heads(x)
  local shape = x.shape
  return x:transpose(0, 2, 1, 3):reshape { shape[1], shape[3], shape[2] * shape[4] }
end

--- Attention over q, k and v of three dims, [batch, seq, heads * size], or of four, [batch, heads, seq, size].
--- options: heads and kv_heads (with three dims), mask (added to the scores, or bool), causal, scale, lengths (of the
--- keys that are valid, i64[batch]), window (how many keys before it a query sees).
function nn.attention(q, k, v, options)
  local attrs = { is_causal = options.causal and 1 or 0, scale = options.scale }
  if q.rank == 3 then
    attrs.q_num_heads = options.heads
    attrs.kv_num_heads = options.kv_heads or options.heads
  end
  if options.window then attrs.left_window_size = options.window end
  local inputs = { q, k, v, options.mask or false, false, false, options.lengths or false }
  return (maru.op("Attention", inputs, attrs))
end

--- Self-attention with the four projections of a transformer encoder. names: of q, k, v and out below w.
function nn.self_attention(w, x, options)
  local names = options.names or { q = "q_proj", k = "k_proj", v = "v_proj", out = "o_proj" }
  local dim = x.shape[#x.shape]
  local q = nn.linear(w:scope(names.q), x, dim, options)
  local k = nn.linear(w:scope(names.k), x, dim, options)
  local v = nn.linear(w:scope(names.v), x, dim, options)
  local y = nn.attention(q, k, v, options)
  return nn.linear(w:scope(names.out), y, dim, options)
end

--- Tables of cosines and sines for rotary positions 0 to count - 1, f32[count, size / 2] each. scaling: the table
--- rope_scaling of config.json; its types linear and llama3 are known.
function nn.rotary_tables(count, size, theta, scaling)
  local half = size // 2
  local rates = {}
  local kind = scaling and (scaling.rope_type or scaling.type) or "default"
  for i = 1, half do
    local rate = theta ^ (-2 * (i - 1) / size)
    if kind == "linear" then
      rate = rate / scaling.factor
    elseif kind == "llama3" then
      local low, high = scaling.low_freq_factor, scaling.high_freq_factor
      local turns = scaling.original_max_position_embeddings * rate / (2 * math.pi)
      if turns < low then
        rate = rate / scaling.factor
      elseif turns <= high then
        local smooth = (turns - low) / (high - low)
        rate = (1 - smooth) * rate / scaling.factor + smooth * rate
      end
    elseif kind ~= "default" then
      maru.fail("rope_scaling of type '%s' is not known", tostring(kind))
    end
    rates[i] = rate
  end
  local positions = maru.arange(count, "f64"):reshape { count, 1 }
  local angles = positions * maru.tensor(rates, "f64"):reshape { 1, half }
  return angles:map(math.cos):cast "f32", angles:map(math.sin):cast "f32"
end

--- Turns the heads of x, [batch, heads, seq, size], by their positions, i64[batch, seq]; halves as Hugging Face has
--- them unless interleaved.
function nn.rotary(x, cos, sin, positions, interleaved)
  return maru.op("RotaryEmbedding", { x, cos, sin, positions }, { interleaved = interleaved and 1 or 0 })
end

--- down(silu(gate(x)) * up(x))
function nn.swiglu(w, x, hidden, options)
  options = options or { bias = false }
  local dim = x.shape[#x.shape]
  local gate = nn.linear(w:scope "gate_proj", x, hidden, options)
  local up = nn.linear(w:scope "up_proj", x, hidden, options)
  local y = maru.op("SwiGLU", { gate, up })
  return nn.linear(w:scope "down_proj", y, dim, options)
end

--- A state that holds keys or values, [1, heads, capacity, size], with x, [1, heads, seq, size], written at
--- `position`, i64[1]. Gives the whole of it.
function nn.cache(m, name, x, capacity, position, length)
  local shape = x.shape
  local past = m:state(name, x.dtype, { 1, shape[2], capacity, shape[4] }, { axis = 2, length = length })
  local now = maru.op("TensorScatter", { past, x, position }, { axis = -2 })
  m:set_state(name, now)
  return now
end

--- The mean of x, [batch, seq, dim], over the positions where mask, f32[batch, seq], is 1.
function nn.masked_mean(x, mask)
  local weight = mask:unsqueeze(-1)
  return (x * weight):sum(1) / maru.op("Max", { weight:sum(1), 1e-9 })
end

--- x / |x| over the last dim.
function nn.l2_normalize(x, epsilon)
  local norm = x:reduce_l2({ -1 }, { keepdims = 1 })
  return x / maru.op("Max", { norm, epsilon or 1e-12 })
end

return nn
