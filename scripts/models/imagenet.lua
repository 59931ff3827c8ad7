-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What a picture shows, one of ImageNet's 1001 classes: MobileNet v1 and v2 with f32[1, 224, 224, 3] in, -1 to 1.
--
--   maru run scripts/models/imagenet.lua --weights mobilenet_v2_1.0_224_dequant.onnx --input picture=@coffee.png

local maru = require "maru"
local image = require "maru.image"
local vision = require "maru.vision"

return maru.model {
  name = "imagenet",
  doc = "What a picture shows: MobileNet v1 or v2, the best of 1001 classes",
  inputs = {
    { name = "picture", doc = "u8[height, width, 3], of any size" },
    { name = "labels", kind = "strings", default = {}, doc = "names of the classes; else imagenet_labels.txt beside the model" },
  },
  outputs = {
    { name = "label", doc = "the best classes, best first" },
    { name = "score", doc = "f32[top]" },
    { name = "index", doc = "i64[top]: the classes' numbers" },
  },
  draw = { { bars = "score", labels = "label" } },
  options = { top = { default = 3, doc = "how many classes to give" } },

  graph = function(m)
    local net = maru.onnx "mobilenet_v2_1.0_224_dequant.onnx"
    local height, width = m:symbol("height", { typical = 480 }), m:symbol("width", { typical = 640 })
    local x = m:input("picture", "f32", { 1, 3, height, width })
    -- From a large picture every pixel counts, not the nearest four alone.
    x = maru.op("Resize", { x, false, false, { 1, 3, 224, 224 } }, { mode = "linear", antialias = 1 })
    m:output("scores", net(x:transpose(0, 2, 3, 1)))
  end,

  run = function(m, input)
    local x = image.to_input(input.picture, { channels = 3, scale = 1 / 127.5, mean = 1 })
    local scores = m:session():run({ picture = x }).scores
    local names = input.labels
    if not (names and names[1]) and m:has_file "imagenet_labels.txt" then
      names = vision.labels(m:file "imagenet_labels.txt")
    end
    local label, score, index = {}, {}, {}
    for i, best in ipairs(image.top(scores, m.options.top, names and names[1] and names)) do
      label[i], score[i], index[i] = best.label, best.score, best.index
    end
    return { label = label, score = maru.tensor(score, "f32"), index = maru.tensor(index, "i64") }
  end,
}
