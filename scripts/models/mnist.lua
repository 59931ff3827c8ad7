-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Which digit is written: the convolutional network of Burn's example. Light on dark, as in MNIST, or turned round.
--
--   maru run scripts/models/mnist.lua --weights mnist_from_safetensors.onnx --input picture=@digit.png

local maru = require "maru"
local image = require "maru.image"

return maru.model {
  name = "mnist",
  doc = "Which digit is written",
  inputs = { picture = { doc = "u8[height, width] or with channels, of any size, one digit in it" } },
  outputs = {
    { name = "digit", doc = "the likeliest" },
    { name = "scores", doc = "f32[10]: probability of each" },
  },
  draw = { { bars = "scores" } },
  options = { dark = { default = false, doc = "the digit is dark on a light ground" } },

  graph = function(m)
    local net = maru.onnx "mnist_from_safetensors.onnx"
    local height, width = m:symbol("height", { typical = 28 }), m:symbol("width", { typical = 28 })
    local x = m:input("picture", "f32", { 1, 1, height, width })
    x = maru.op("Resize", { x, false, false, { 1, 1, 28, 28 } }, { mode = "linear", antialias = 1 })
    m:output("scores", net((x - 0.1307) / 0.3081):softmax(-1):reshape { 10 })
  end,

  run = function(m, input)
    local x = image.to_input(input.picture, { channels = 3 }):mean(1)
    x = x:reshape { 1, 1, x.shape[2], x.shape[3] }
    if m.options.dark then x = 1 - x end
    local scores = m:session():run({ picture = x }).scores
    return { digit = image.top(scores, 1)[1].label, scores = scores }
  end,
}
