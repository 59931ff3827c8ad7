-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Which of CIFAR-10's ten things a picture shows: the ResNet-8 of MLPerf Tiny.
--
--   maru run scripts/models/cifar10.lua --weights resnet8_cifar10.onnx --input picture=@chelsea.png

local maru = require "maru"
local image = require "maru.image"

local CLASSES = { "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck" }

return maru.model {
  name = "cifar10",
  doc = "Which of ten things a picture shows: ResNet-8, CIFAR-10",
  inputs = { picture = { doc = "u8[height, width, 3], of any size" } },
  outputs = {
    { name = "label", doc = "the classes, best first" },
    { name = "score", doc = "f32[top]" },
  },
  draw = { { bars = "score", labels = "label" } },
  options = { top = { default = 3, doc = "how many classes to give" } },

  graph = function(m)
    local net = maru.onnx "resnet8_cifar10.onnx"
    local height, width = m:symbol("height", { typical = 32 }), m:symbol("width", { typical = 32 })
    local x = m:input("picture", "f32", { 1, 3, height, width })
    -- From a large picture every pixel counts, not the nearest four alone.
    x = maru.op("Resize", { x, false, false, { 1, 3, 32, 32 } }, { mode = "linear", antialias = 1 })
    m:output("scores", net(x:transpose(0, 2, 3, 1)))
  end,

  run = function(m, input)
    local x = image.to_input(input.picture, { channels = 3, scale = 1 })
    local label, score = {}, {}
    for i, best in ipairs(image.top(m:session():run({ picture = x }).scores, m.options.top, CLASSES)) do
      label[i], score[i] = best.label, best.score
    end
    return { label = label, score = maru.tensor(score, "f32") }
  end,
}
